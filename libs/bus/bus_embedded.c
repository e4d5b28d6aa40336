#include "bus/broker.h"
#include "bus/spool.h"

enum {
    PARTITIONS_DEFAULT = 8,
    MEMORY_MAX = 64 * 1024 * 1024,
    KEEP_SIZE = 256 * 1024 * 1024,
    COMPACT_COUNT = 4,
};

const struct embedded_limits embedded_limits_default = {
    .segment_size = SPOOL_SEGMENT_SIZE,
    .memory_max = MEMORY_MAX,
    .keep_size = KEEP_SIZE,
    .compact_count = COMPACT_COUNT,
};

bool bus_open_embedded_limited(const struct bus_settings *settings,
        const struct embedded_limits *limits, struct bus **ret, struct err *err) {
    struct broker_options options = {
        .partitions = settings->partitions ? settings->partitions : PARTITIONS_DEFAULT,
        .clock = settings->clock,
        .path = settings->address,
        .limits = *limits,
    };

    return broker_open(&options, ret, err);
}

bool bus_open_embedded(const struct bus_settings *settings, struct bus **ret, struct err *err) {
    return bus_open_embedded_limited(settings, &embedded_limits_default, ret, err);
}

#include "bus/broker.h"

enum { PARTITIONS_DEFAULT = 8, MEMORY_MAX = 1024 * 1024 * 1024, KEEP_SIZE = 64 * 1024 * 1024 };

bool bus_open_memory(const struct bus_settings *settings, struct bus **ret, struct err *err) {
    struct broker_options options = {
        .partitions = settings->partitions ? settings->partitions : PARTITIONS_DEFAULT,
        .clock = settings->clock,
        .limits = { .memory_max = MEMORY_MAX, .keep_size = KEEP_SIZE },
    };

    if (*settings->address)
        return err_set(err, ERR_INVALID, "bus 'memory:%s': use memory: alone", settings->address);
    return broker_open(&options, ret, err);
}

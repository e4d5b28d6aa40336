#pragma once
/* What a backend is: two tables of functions. For the backends, and for doubles in tests that put
 * themselves before one (they keep the inner handle and call bus_publish, consumer_poll, … on it).
 *
 * A backend embeds struct bus or struct consumer as its first member. */

#include "bus/bus.h"

struct bus_backend {
    void (*close)(struct bus *bus);
    bool (*ping)(struct bus *bus, int64_t timeout_ms, struct err *err);
    bool (*publish)(
            struct bus *bus, const struct outgoing *messages, size_t count, struct err *err);
    bool (*consumer_open)(struct bus *bus, const char *group, const enum topic *topics,
            const struct consumer_callbacks *callbacks, struct consumer **ret, struct err *err);
};

struct consumer_backend {
    void (*close)(struct consumer *consumer);
    bool (*poll)(struct consumer *consumer, int64_t timeout_ms, size_t max, struct arena *arena,
            struct batch *ret, struct err *err);
    void (*done)(struct consumer *consumer, enum topic topic, int32_t partition, int64_t offset,
            uint32_t epoch);
    bool (*commit)(struct consumer *consumer, struct err *err);
    void (*pause)(struct consumer *consumer, enum topic topic, int32_t partition, bool paused);
    void (*wake)(struct consumer *consumer);
    int64_t (*lag)(struct consumer *consumer);
};

struct bus {
    const struct bus_backend *backend;
};

struct consumer {
    const struct consumer_backend *backend;
};

enum {
    BUS_HEADERS_MAX = 64,          /* of one message */
    BUS_HEAD_SIZE_MAX = 16 * 1024, /* key and headers of one message */
    BUS_BATCH_SIZE_MAX =
            8 * 1024 * 1024, /* bytes that one poll returns, where one message is not more */
};

/* A topic's incarnation (R13): when this life of it began, in ms since 1970, and 20 bits that tell it from others.
 * A later one is greater. */
uint64_t bus_incarnation(int64_t era_ms, uint64_t identity);

/* Options with every default filled in. */
struct bus_settings {
    const char *address; /* what stands behind the scheme */
    const char *client_id;
    int32_t partitions; /* 0: the backend's own default */
    int64_t timeout_ms;
    const struct clock *clock;
};

bool bus_open_memory(const struct bus_settings *settings, struct bus **ret, struct err *err);
bool bus_open_embedded(const struct bus_settings *settings, struct bus **ret, struct err *err);
bool bus_open_kafka(const struct bus_settings *settings, struct bus **ret, struct err *err);

/* The limits of the embedded bus, for tests that want to meet them. */
struct embedded_limits {
    size_t segment_size;  /* bytes of a segment file */
    size_t memory_max;    /* of messages held in memory; the others are read back */
    size_t keep_size;     /* of a topic that no group reads */
    size_t compact_count; /* segments, before messages are carried forward out of the oldest */
};

extern const struct embedded_limits embedded_limits_default;
bool bus_open_embedded_limited(const struct bus_settings *settings,
        const struct embedded_limits *limits, struct bus **ret, struct err *err);

/* The memory and embedded bus in tests: the consumer is taken for dead, as a broker does after its
 * session time. Others get its partitions; if it polls again, it is told that it lost them. */
void consumer_expire(struct consumer *consumer);

/* As if its process had ended: nothing is committed, no callback is called, the handle is freed. */
void consumer_abandon(struct consumer *consumer);

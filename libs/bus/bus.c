#include "bus/bus.h"

#include <string.h>

#include "bus/bus_internal.h"
#include "common/assert.h"
#include "common/limits.h"
#include "system/clock.h"

enum { TIMEOUT_DEFAULT_MS = 10 * 1000, PARTITIONS_MAX = 4096, IDENTITY_BITS = 20 };

const char *topic_name(enum topic topic) {
    switch (topic) {
#define TOPIC(code, name, durable) \
    case TOPIC_##code:             \
        return name;
#include "bus/topics.def"
#undef TOPIC
    case TOPIC_COUNT: break;
    }
    return "none";
}

bool bus_open(
        const char *url, const struct bus_options *options, struct bus **ret, struct err *err) {
    struct clock clock = options->clock ? *options->clock : clock_system();
    struct str text = str_from(url);
    struct bus_settings settings = {
        .client_id = options->client_id,
        .partitions = options->partitions,
        .timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_DEFAULT_MS,
        .clock = &clock,
    };

    assert(options->client_id);
    if (options->partitions < 0 || options->partitions > PARTITIONS_MAX) {
        return err_set(err, ERR_INVALID, "bus: %d partitions; 1 to %d are possible",
                options->partitions, PARTITIONS_MAX);
    }
    if (str_starts_with(text, STR("memory:"))) {
        settings.address = url + strlen("memory:");
        return bus_open_memory(&settings, ret, err);
    }
    if (str_starts_with(text, STR("embedded:"))) {
        settings.address = url + strlen("embedded:");
        return bus_open_embedded(&settings, ret, err);
    }
    if (str_starts_with(text, STR("kafka://"))) {
        settings.address = url + strlen("kafka://");
        return bus_open_kafka(&settings, ret, err);
    }
    return err_set(err, ERR_INVALID, "bus '%s': use kafka://HOST:PORT,... or embedded:PATH", url);
}

uint64_t bus_incarnation(int64_t era_ms, uint64_t identity) {
    assert(era_ms >= 0 && era_ms < (int64_t)1 << (64 - IDENTITY_BITS));
    return (uint64_t)era_ms << IDENTITY_BITS | (identity & ((1u << IDENTITY_BITS) - 1));
}

void bus_close(struct bus *bus) {
    if (bus) bus->backend->close(bus);
}

bool bus_ping(struct bus *bus, int64_t timeout_ms, struct err *err) {
    return bus->backend->ping(bus, timeout_ms, err);
}

static bool check(const struct outgoing *message, struct err *err) {
    size_t head = message->key.size;

    assert(message->topic < TOPIC_COUNT);
    if (message->value.size > LIMIT_MESSAGE) {
        return err_set(err, ERR_TOO_LARGE, "bus: a message of %zu bytes for %s; %d are possible",
                message->value.size, topic_name(message->topic), LIMIT_MESSAGE);
    }
    if (message->header_count > BUS_HEADERS_MAX) {
        return err_set(err, ERR_TOO_LARGE, "bus: %zu headers for %s; %d are possible",
                message->header_count, topic_name(message->topic), BUS_HEADERS_MAX);
    }
    for (size_t i = 0; i < message->header_count; i++) {
        head += message->headers[i].name.size + message->headers[i].value.size;
    }
    if (head <= BUS_HEAD_SIZE_MAX) return true;
    return err_set(err, ERR_TOO_LARGE, "bus: key and headers of %zu bytes for %s; %d are possible",
            head, topic_name(message->topic), BUS_HEAD_SIZE_MAX);
}

bool bus_publish(struct bus *bus, const struct outgoing *messages, size_t count, struct err *err) {
    for (size_t i = 0; i < count; i++) {
        if (!check(&messages[i], err)) return false;
    }
    return count == 0 || bus->backend->publish(bus, messages, count, err);
}

bool consumer_open(struct bus *bus, const char *group, const enum topic *topics,
        const struct consumer_callbacks *callbacks, struct consumer **ret, struct err *err) {
    assert(topics[0] != TOPIC_NONE);
    return bus->backend->consumer_open(bus, group, topics, callbacks, ret, err);
}

void consumer_close(struct consumer *consumer) {
    if (consumer) consumer->backend->close(consumer);
}

bool consumer_poll(struct consumer *consumer, int64_t timeout_ms, size_t max, struct arena *arena,
        struct batch *ret, struct err *err) {
    assert(max > 0);
    return consumer->backend->poll(consumer, timeout_ms, max, arena, ret, err);
}

void consumer_done(struct consumer *consumer, enum topic topic, int32_t partition, int64_t offset,
        uint32_t epoch) {
    consumer->backend->done(consumer, topic, partition, offset, epoch);
}

bool consumer_commit(struct consumer *consumer, struct err *err) {
    return consumer->backend->commit(consumer, err);
}

void consumer_pause(struct consumer *consumer, enum topic topic, int32_t partition) {
    consumer->backend->pause(consumer, topic, partition, true);
}

void consumer_resume(struct consumer *consumer, enum topic topic, int32_t partition) {
    consumer->backend->pause(consumer, topic, partition, false);
}

void consumer_wake(struct consumer *consumer) {
    consumer->backend->wake(consumer);
}

int64_t consumer_lag(struct consumer *consumer) {
    return consumer->backend->lag(consumer);
}

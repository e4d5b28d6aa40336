#include <stdlib.h>

#include "bus/bus_internal.h"
#include "common/assert.h"
#include "tests/sim/faults_point.h"

struct faulty_bus {
    struct bus bus;
    struct bus *inner;
    struct faults_plan *plan;
};

struct faulty_consumer {
    struct consumer consumer;
    struct consumer *inner;
    struct faults_plan *plan;
};

static bool away(struct err *err) {
    return err_set(err, ERR_UNAVAILABLE, "simulated: the bus is away");
}

static void close_bus(struct bus *bus) {
    free(bus);
}

static bool ping(struct bus *bus, int64_t timeout_ms, struct err *err) {
    (void)bus, (void)timeout_ms, (void)err;
    return true;
}

static bool publish(struct bus *bus, const struct outgoing *messages, size_t count, struct err *err) {
    struct faulty_bus *faulty = (struct faulty_bus *)(void *)bus;
    enum point point = point_enter(faulty->plan);

    if (point == POINT_FAIL) return away(err);
    /* Some may have been published: the first part of the batch. */
    size_t part = point == POINT_UNKNOWN ? faults_random(&faulty->plan->random) % (count + 1) : count;
    bool ok = part == 0 || bus_publish(faulty->inner, messages, part, err);
    if (ok && part && faults_chance(&faulty->plan->random, faulty->plan->twice_per_mille)) ok = bus_publish(faulty->inner, messages, part, err);
    return point_fails(faulty->plan, point) ? away(err) : ok;
}

static void close_consumer(struct consumer *consumer) {
    struct faulty_consumer *faulty = (struct faulty_consumer *)(void *)consumer;

    if (faulty->plan->dead) {
        consumer_abandon(faulty->inner);
    } else {
        consumer_close(faulty->inner);
    }
    free(faulty);
}

static bool poll(struct consumer *consumer, int64_t timeout_ms, size_t max, struct arena *arena, struct batch *ret, struct err *err) {
    struct faulty_consumer *faulty = (struct faulty_consumer *)(void *)consumer;

    (void)timeout_ms;
    if (faulty->plan->dead) return away(err);
    return consumer_poll(faulty->inner, 0, max, arena, ret, err);
}

static void done(struct consumer *consumer, enum topic topic, int32_t partition, int64_t offset, uint32_t epoch) {
    struct faulty_consumer *faulty = (struct faulty_consumer *)(void *)consumer;

    if (!faulty->plan->dead) consumer_done(faulty->inner, topic, partition, offset, epoch);
}

static bool commit(struct consumer *consumer, struct err *err) {
    struct faulty_consumer *faulty = (struct faulty_consumer *)(void *)consumer;
    enum point point = point_enter(faulty->plan);

    if (point == POINT_FAIL) return away(err);
    bool ok = consumer_commit(faulty->inner, err);
    return point_fails(faulty->plan, point) ? away(err) : ok;
}

static void pause_partition(struct consumer *consumer, enum topic topic, int32_t partition, bool paused) {
    struct faulty_consumer *faulty = (struct faulty_consumer *)(void *)consumer;

    if (paused) {
        consumer_pause(faulty->inner, topic, partition);
    } else {
        consumer_resume(faulty->inner, topic, partition);
    }
}

static void wake(struct consumer *consumer) {
    consumer_wake(((struct faulty_consumer *)(void *)consumer)->inner);
}

static int64_t lag(struct consumer *consumer) {
    return consumer_lag(((struct faulty_consumer *)(void *)consumer)->inner);
}

static bool open_consumer(struct bus *bus, const char *group, const enum topic *topics, const struct consumer_callbacks *callbacks,
        struct consumer **ret, struct err *err) {
    static const struct consumer_backend backend = { close_consumer, poll, done, commit, pause_partition, wake, lag };
    struct faulty_bus *faulty = (struct faulty_bus *)(void *)bus;
    struct faulty_consumer *consumer = calloc(1, sizeof(*consumer));

    assert(consumer);
    consumer->consumer.backend = &backend;
    consumer->plan = faulty->plan;
    if (!consumer_open(faulty->inner, group, topics, callbacks, &consumer->inner, err)) {
        free(consumer);
        return false;
    }
    *ret = &consumer->consumer;
    return true;
}

struct bus *faults_bus(struct bus *inner, struct faults_plan *plan) {
    static const struct bus_backend backend = { close_bus, ping, publish, open_consumer };
    struct faulty_bus *bus = calloc(1, sizeof(*bus));

    assert(bus);
    bus->bus.backend = &backend;
    bus->inner = inner;
    bus->plan = plan;
    return &bus->bus;
}

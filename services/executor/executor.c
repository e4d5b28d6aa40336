/* TASKs of penstock.executor become HTTP requests; their ANSWERs go to penstock.orchestrator. The calls under way are libs/calls'; here
 * they meet the bus. Nothing waits: what takes time comes back in on_tick. */
#include "services/executor/executor.h"

#include <stdlib.h>

#include "bus/bus.h"
#include "calls/caller.h"
#include "calls/prepare.h"
#include "calls/programs.h"
#include "calls/secrets.h"
#include "common/arena.h"
#include "common/assert.h"

struct executor {
    struct seat *seat;
    struct secrets *secrets;
    struct preparer preparer;
    struct caller *caller;
};

/* ---- hooks ---- */

static enum prepared prepare(void *user, struct preparation *preparation) {
    const struct executor *executor = user;

    return prepare_http(&executor->preparer, preparation);
}

static bool publish(void *user, const struct posting *postings, size_t count, struct err *err) {
    const struct world *world = ((struct executor *)user)->seat->world;
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct outgoing *messages = arena_new_many(arena, struct outgoing, count);

    for (size_t i = 0; i < count; i++) {
        const struct posting *posting = &postings[i];
        enum topic topic = posting->is_dead ? TOPIC_DEAD : TOPIC_ORCHESTRATOR;
        messages[i] = (struct outgoing){ .topic = topic, .key = posting->key, .value = posting->value };
    }
    if (!bus_publish(world->bus, messages, count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        if (postings[i].is_dead) log_event(world->log, LOG_WARN, "message.dead", "topic", topic_name(TOPIC_EXECUTOR), NULL);
    }
    return true;
}

static void done(void *user, const struct delivery *delivery) {
    struct executor *executor = user;

    consumer_done(executor->seat->consumer, TOPIC_EXECUTOR, delivery->partition, delivery->offset, delivery->epoch);
}

static void hold(void *user, int32_t partition, bool hold) {
    struct consumer *consumer = ((struct executor *)user)->seat->consumer;

    if (hold) {
        consumer_pause(consumer, TOPIC_EXECUTOR, partition);
    } else {
        consumer_resume(consumer, TOPIC_EXECUTOR, partition);
    }
}

static void wake(void *user) {
    seat_wake(((struct executor *)user)->seat);
}

/* ---- the service ---- */

static void close_executor(void *state) {
    struct executor *executor = state;

    caller_close(executor->caller);
    programs_free(executor->preparer.programs);
    secrets_free(executor->secrets);
    free(executor);
}

static bool open_parts(struct executor *executor, struct err *err) {
    const struct world *world = executor->seat->world;
    const struct config *config = world->config;
    struct caller_hooks hooks = { prepare, publish, done, hold, wake, executor };
    struct caller_options options = {
        .in_flight_max = (uint32_t)config->executor_in_flight,
        .client = {
            .egress_any = str_equal(str_from(config->egress), STR("any")),
            .egress_allow = config->egress_allow,
            .ca_file = config->ca,
            .resolve = config->resolve,
        },
        .clock = &world->clock,
        .metrics = world->metrics,
    };

    if (!secrets_new(world->store, config->master_key, &world->clock, &executor->secrets, err)) return false;
    executor->preparer = (struct preparer){ .secrets = executor->secrets, .programs = programs_new() };
    return caller_open(&options, &hooks, &executor->caller, err);
}

static bool open_executor(struct seat *seat, void **ret_state, struct err *err) {
    struct executor *executor = calloc(1, sizeof(*executor));

    assert(executor);
    executor->seat = seat;
    if (!open_parts(executor, err)) {
        close_executor(executor);
        return false;
    }
    *ret_state = executor;
    return true;
}

static bool on_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err) {
    struct executor *executor = state;
    int64_t now_ms = clock_now_ms(&executor->seat->world->clock);

    (void)arena;
    (void)err;
    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = &batch->messages[i];
        struct delivery delivery = { topic_name(message->topic), message->partition, message->offset, message->epoch };
        caller_take(executor->caller, &delivery, message->key, message->value, now_ms);
    }
    return true;
}

static void on_assign(void *state, enum topic topic, int32_t partition, uint32_t epoch) {
    struct executor *executor = state;

    (void)topic;
    (void)epoch;
    caller_assign(executor->caller, partition);
}

static void on_revoke(void *state, enum topic topic, int32_t partition, bool lost) {
    struct executor *executor = state;

    (void)topic;
    (void)lost;
    caller_revoke(executor->caller, partition);
}

static bool on_tick(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    struct executor *executor = state;

    return caller_turn(executor->caller, arena, now_ms, next_ms, err);
}

static const enum topic inboxes[] = { TOPIC_EXECUTOR, TOPIC_NONE };

const struct service executor_service = {
    .name = "executor",
    .inboxes = inboxes,
    .open = open_executor,
    .on_batch = on_batch,
    .on_assign = on_assign,
    .on_revoke = on_revoke,
    .on_tick = on_tick,
    .close = close_executor,
};

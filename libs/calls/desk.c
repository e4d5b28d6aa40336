/* Where libs/calls meets the bus. Nothing waits but for a look into the store; what takes time comes back in desk_on_tick. */
#include "calls/desk.h"

#include <stdlib.h>

#include "calls/caller.h"
#include "calls/connection.h"
#include "calls/programs.h"
#include "calls/secrets.h"
#include "common/arena.h"
#include "common/assert.h"

struct desk {
    struct seat *seat;
    enum topic topic;
    desk_prepare *prepare;
    struct secrets *secrets;
    struct preparer preparer;
    struct caller *caller;
};

/* ---- hooks ---- */

static enum prepared make_request(void *user, struct preparation *preparation) {
    const struct desk *desk = user;

    return desk->prepare(&desk->preparer, preparation);
}

static bool publish(void *user, const struct posting *postings, size_t count, struct err *err) {
    const struct desk *desk = user;
    const struct world *world = desk->seat->world;
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct outgoing *messages = arena_new_many(arena, struct outgoing, count);

    for (size_t i = 0; i < count; i++) {
        const struct posting *posting = &postings[i];
        enum topic topic = posting->is_dead ? TOPIC_DEAD : TOPIC_ORCHESTRATOR;
        messages[i] = (struct outgoing){ .topic = topic, .key = posting->key, .value = posting->value };
    }
    if (!bus_publish(world->bus, messages, count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        if (postings[i].is_dead) log_event(world->log, LOG_WARN, "message.dead", "topic", topic_name(desk->topic), NULL);
    }
    return true;
}

static void done(void *user, const struct delivery *delivery) {
    struct desk *desk = user;

    consumer_done(desk->seat->consumer, desk->topic, delivery->partition, delivery->offset, delivery->epoch);
}

static void hold(void *user, int32_t partition, bool hold) {
    const struct desk *desk = user;
    struct consumer *consumer = desk->seat->consumer;

    if (hold) {
        consumer_pause(consumer, desk->topic, partition);
    } else {
        consumer_resume(consumer, desk->topic, partition);
    }
}

static void wake(void *user) {
    seat_wake(((struct desk *)user)->seat);
}

/* ---- the service ---- */

void desk_close(void *state) {
    struct desk *desk = state;

    caller_close(desk->caller);
    programs_free(desk->preparer.programs);
    connections_free(desk->preparer.connections);
    secrets_free(desk->secrets);
    free(desk);
}

static bool open_parts(struct desk *desk, struct err *err) {
    const struct world *world = desk->seat->world;
    const struct config *config = world->config;
    struct caller_hooks hooks = { make_request, publish, done, hold, wake, desk };
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

    if (!secrets_new(world->store, config->master_key, &world->clock, &desk->secrets, err)) return false;
    desk->preparer = (struct preparer){
        .secrets = desk->secrets,
        .programs = programs_new(),
        .connections = connections_new(world->store, desk->secrets, &world->clock),
    };
    return caller_open(&options, &hooks, &desk->caller, err);
}

MUST_USE bool desk_open(struct seat *seat, enum topic topic, desk_prepare *prepare, void **ret_state, struct err *err) {
    struct desk *desk = calloc(1, sizeof(*desk));

    assert(desk);
    desk->seat = seat;
    desk->topic = topic;
    desk->prepare = prepare;
    if (!open_parts(desk, err)) {
        desk_close(desk);
        return false;
    }
    *ret_state = desk;
    return true;
}

bool desk_on_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err) {
    struct desk *desk = state;
    int64_t now_ms = clock_now_ms(&desk->seat->world->clock);

    (void)arena;
    (void)err;
    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = &batch->messages[i];
        struct delivery delivery = { topic_name(message->topic), message->partition, message->offset, message->epoch };
        caller_take(desk->caller, &delivery, message->key, message->value, now_ms);
    }
    return true;
}

void desk_on_assign(void *state, enum topic topic, int32_t partition, uint32_t epoch) {
    struct desk *desk = state;

    (void)topic;
    (void)epoch;
    caller_assign(desk->caller, partition);
}

void desk_on_revoke(void *state, enum topic topic, int32_t partition, bool lost) {
    struct desk *desk = state;

    (void)topic;
    (void)lost;
    caller_revoke(desk->caller, partition);
}

bool desk_on_tick(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    struct desk *desk = state;

    return caller_turn(desk->caller, arena, now_ms, next_ms, err);
}

/* TASKs of penstock.integration become requests through a named connection; their ANSWERs go to penstock.orchestrator. The calls under way
 * are libs/calls'; here they meet the bus. Nothing waits but for a look into the store; what takes time comes back in on_tick. */
#include "services/integration/integration.h"

#include <stdlib.h>

#include "bus/bus.h"
#include "calls/caller.h"
#include "calls/connection.h"
#include "calls/prepare.h"
#include "calls/programs.h"
#include "calls/secrets.h"
#include "common/arena.h"
#include "common/assert.h"

struct integration {
    struct seat *seat;
    struct secrets *secrets;
    struct preparer preparer;
    struct caller *caller;
};

/* ---- hooks ---- */

static enum prepared prepare(void *user, struct preparation *preparation) {
    const struct integration *integration = user;

    return prepare_connection(&integration->preparer, preparation);
}

static bool publish(void *user, const struct posting *postings, size_t count, struct err *err) {
    const struct world *world = ((struct integration *)user)->seat->world;
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct outgoing *messages = arena_new_many(arena, struct outgoing, count);

    for (size_t i = 0; i < count; i++) {
        const struct posting *posting = &postings[i];
        enum topic topic = posting->is_dead ? TOPIC_DEAD : TOPIC_ORCHESTRATOR;
        messages[i] = (struct outgoing){ .topic = topic, .key = posting->key, .value = posting->value };
    }
    if (!bus_publish(world->bus, messages, count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        if (postings[i].is_dead) log_event(world->log, LOG_WARN, "message.dead", "topic", topic_name(TOPIC_INTEGRATION), NULL);
    }
    return true;
}

static void done(void *user, const struct delivery *delivery) {
    struct integration *integration = user;

    consumer_done(integration->seat->consumer, TOPIC_INTEGRATION, delivery->partition, delivery->offset, delivery->epoch);
}

static void hold(void *user, int32_t partition, bool hold) {
    struct consumer *consumer = ((struct integration *)user)->seat->consumer;

    if (hold) {
        consumer_pause(consumer, TOPIC_INTEGRATION, partition);
    } else {
        consumer_resume(consumer, TOPIC_INTEGRATION, partition);
    }
}

static void wake(void *user) {
    seat_wake(((struct integration *)user)->seat);
}

/* ---- the service ---- */

static void close_integration(void *state) {
    struct integration *integration = state;

    caller_close(integration->caller);
    programs_free(integration->preparer.programs);
    connections_free(integration->preparer.connections);
    secrets_free(integration->secrets);
    free(integration);
}

static bool open_parts(struct integration *integration, struct err *err) {
    const struct world *world = integration->seat->world;
    const struct config *config = world->config;
    struct caller_hooks hooks = { prepare, publish, done, hold, wake, integration };
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

    if (!secrets_new(world->store, config->master_key, &world->clock, &integration->secrets, err)) return false;
    integration->preparer = (struct preparer){
        .secrets = integration->secrets,
        .programs = programs_new(),
        .connections = connections_new(world->store, integration->secrets, &world->clock),
    };
    return caller_open(&options, &hooks, &integration->caller, err);
}

static bool open_integration(struct seat *seat, void **ret_state, struct err *err) {
    struct integration *integration = calloc(1, sizeof(*integration));

    assert(integration);
    integration->seat = seat;
    if (!open_parts(integration, err)) {
        close_integration(integration);
        return false;
    }
    *ret_state = integration;
    return true;
}

static bool on_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err) {
    struct integration *integration = state;
    int64_t now_ms = clock_now_ms(&integration->seat->world->clock);

    (void)arena;
    (void)err;
    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = &batch->messages[i];
        struct delivery delivery = { topic_name(message->topic), message->partition, message->offset, message->epoch };
        caller_take(integration->caller, &delivery, message->key, message->value, now_ms);
    }
    return true;
}

static void on_assign(void *state, enum topic topic, int32_t partition, uint32_t epoch) {
    struct integration *integration = state;

    (void)topic;
    (void)epoch;
    caller_assign(integration->caller, partition);
}

static void on_revoke(void *state, enum topic topic, int32_t partition, bool lost) {
    struct integration *integration = state;

    (void)topic;
    (void)lost;
    caller_revoke(integration->caller, partition);
}

static bool on_tick(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    struct integration *integration = state;

    return caller_turn(integration->caller, arena, now_ms, next_ms, err);
}

static const enum topic inboxes[] = { TOPIC_INTEGRATION, TOPIC_NONE };

const struct service integration_service = {
    .name = "integration",
    .inboxes = inboxes,
    .open = open_integration,
    .on_batch = on_batch,
    .on_assign = on_assign,
    .on_revoke = on_revoke,
    .on_tick = on_tick,
    .close = close_integration,
};

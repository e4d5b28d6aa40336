/* Two inboxes: penstock.trigger (timers that come soon, listeners that stand now) and penstock.events.in. Timers are heads in the
 * store; what is in memory makes them punctual. A sweep finds those of our shards that come within the horizon, and those whose wake
 * was lost; a message from the orchestrator tells of those that are nearer than the next sweep. */

#include "services/trigger/trigger.h"

#include <stdlib.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"
#include "services/trigger/events.h"
#include "services/trigger/leases.h"
#include "services/trigger/timers.h"
#include "wire/wire.h"

enum {
    SWEEP_MS = TIMER_HORIZON_MS / 3,
    SWEEP_PAGE = 1000,
    FIRE_AT_ONCE = 512,
    FIRE_AGAIN_MS = 10000,
    EXPIRE_MS = 60000,
    SKEW_MS = 30000,
    JUMP_MS = 1000,
};

struct trigger {
    struct seat *seat;
    struct timers *timers;
    struct leases *leases;
    struct events *events;
    int64_t next_sweep, next_expire, next_skew; /* monotonic */
    int64_t wall_offset;                        /* wall clock less monotonic clock, as last seen */
};

/* ---- messages ---- */

static void add_timer(struct trigger *trigger, struct json body) {
    struct str instance = json_str(json_get(body, STR("instance")));
    int64_t at = json_int64_or(json_get(body, STR("at")), 0), frame = json_int64_or(json_get(body, STR("frame")), 0);

    if (instance.size && at) timers_add(trigger->timers, instance, frame, at, true);
}

static void done(struct trigger *trigger, const struct message *message) {
    consumer_done(trigger->seat->consumer, message->topic, message->partition, message->offset, message->epoch);
}

/* A timer is done with at once: its head was written before the message was sent, and the sweep finds it there. */
static bool on_word(struct trigger *trigger, const struct message *message, struct arena *arena, struct err *err) {
    struct wire_message word;
    struct err reason;

    if (!wire_decode(message->value, arena, &word, &reason)) {
        log_event(trigger->seat->world->log, LOG_WARN, "message.unreadable", "error", reason.message, NULL);
        return true;
    }
    if (word.kind == MESSAGE_TIMER) add_timer(trigger, word.body);
    if (word.kind != MESSAGE_SUBSCRIBED) return true;
    return events_subscribed(trigger->events, json_str(json_get(word.body, STR("instance"))), json_get(word.body, STR("keys")), arena, err);
}

/* Events first: one that stands before the word of its listener in this batch is then in the store when the word is heard. */
static bool on_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err) {
    struct trigger *trigger = state;
    const struct message **events = arena_new_many(arena, const struct message *, batch->count);
    size_t count = 0;

    for (size_t i = 0; i < batch->count; i++) {
        if (batch->messages[i].topic == TOPIC_EVENTS_IN) events[count++] = &batch->messages[i];
    }
    if (count && !events_arrive(trigger->events, events, count, arena, err)) return false;
    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = &batch->messages[i];
        if (message->topic == TOPIC_TRIGGER && !on_word(trigger, message, arena, err)) return false;
        done(trigger, message);
    }
    return true;
}

/* ---- time ---- */

static bool sweep(struct trigger *trigger, struct arena *arena, int64_t now_ms, struct err *err) {
    const struct world *world = trigger->seat->world;
    struct query query = {
        .conditions = { { "shard", OP_IN, leases_held(trigger->leases, arena) },
                { "wakeAt", OP_LESS_EQUAL, json_int64(now_ms + TIMER_HORIZON_MS, arena) } },
        .condition_count = 2,
        .sort = "wakeAt",
        .limit = SWEEP_PAGE,
        .without_body = true,
    };
    const struct record *heads;
    size_t count;

    timers_forget_fired(trigger->timers, now_ms - FIRE_AGAIN_MS);
    if (json_size(query.conditions[0].value) == 0) return true;
    do {
        if (!store_find(world->store, COLLECTION_INSTANCES, &query, arena, &heads, &count, &query.after, err)) return err_wrap(err, "sweep");
        for (size_t i = 0; i < count; i++) {
            int64_t at = json_int64_or(json_get(heads[i].fields, STR("wakeAt")), 0);
            int64_t frame = json_int64_or(json_get(heads[i].fields, STR("wakeFrame")), 0);
            if (at) timers_add(trigger->timers, heads[i].id, frame, at, false);
        }
    } while (query.after.size);
    return true;
}

static struct outgoing wake(const struct timer *timer, int64_t now_ms, struct arena *arena) {
    struct json body = json_set(json_object(arena, 2), STR("frame"), json_int64(timer->frame, arena), arena);

    body = json_set(body, STR("at"), json_int64(timer->at_ms, arena), arena);
    return (struct outgoing){ .topic = TOPIC_ORCHESTRATOR, .key = str_copy(timer->instance, arena),
        .value = wire_encode(MESSAGE_WAKE, STR_NULL, now_ms, body, arena) };
}

/* What is not acknowledged is due still, and found by the sweep. */
static bool fire(struct trigger *trigger, struct arena *arena, int64_t now_ms, struct err *err) {
    const struct world *world = trigger->seat->world;
    struct outgoing *messages = arena_new_many(arena, struct outgoing, FIRE_AT_ONCE);
    const struct timer *timer;
    size_t count;

    do {
        count = 0;
        while (count < FIRE_AT_ONCE && (timer = timers_due(trigger->timers, now_ms))) {
            messages[count++] = wake(timer, now_ms, arena);
            metrics_observe(world->metrics, METRIC_TIMER_LATENESS_SECONDS, (double)(now_ms - timer->at_ms) / 1000.0);
            timers_fired(trigger->timers, now_ms);
        }
        if (count == 0) return true;
        metrics_add(world->metrics, METRIC_TIMERS_FIRED, (int64_t)count);
        if (!bus_publish(world->bus, messages, count, err)) return err_wrap(err, "firing timers");
    } while (count == FIRE_AT_ONCE);
    return true;
}

static void measure_skew(struct trigger *trigger, int64_t now_ms) {
    const struct world *world = trigger->seat->world;
    int64_t database_ms;
    struct err ignored;

    if (store_now(world->store, &database_ms, &ignored)) metrics_set(world->metrics, METRIC_CLOCK_SKEW_MS, now_ms - database_ms);
}

/* What is not every millisecond's work. */
static bool housekeeping(struct trigger *trigger, struct arena *arena, int64_t now_ms, struct err *err) {
    int64_t monotonic = clock_monotonic_ms(&trigger->seat->world->clock);
    int64_t offset = now_ms - monotonic;
    bool jumped = llabs(offset - trigger->wall_offset) > JUMP_MS;
    bool more = false;

    trigger->wall_offset = offset;
    if (monotonic >= leases_next_ms(trigger->leases) && !leases_renew(trigger->leases, arena, err)) return err_wrap(err, "leases");
    if (monotonic >= trigger->next_sweep || jumped) {
        trigger->next_sweep = monotonic + SWEEP_MS;
        if (!sweep(trigger, arena, now_ms, err)) return false;
    }
    if (monotonic >= trigger->next_skew) {
        trigger->next_skew = monotonic + SKEW_MS;
        measure_skew(trigger, now_ms);
    }
    if (monotonic >= trigger->next_expire) {
        trigger->next_expire = monotonic + EXPIRE_MS;
        if (!events_expire(trigger->events, arena, &more, err)) return err_wrap(err, "retention");
        if (more) trigger->next_expire = monotonic + JUMP_MS;
    }
    return true;
}

static bool on_tick(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    struct trigger *trigger = state;

    bool kept = housekeeping(trigger, arena, now_ms, err);
    bool fired = fire(trigger, arena, now_ms, err);
    *next_ms = MIN(*next_ms, timers_next_ms(trigger->timers));
    metrics_set(trigger->seat->world->metrics, METRIC_TIMERS_HELD, (int64_t)timers_count(trigger->timers));
    return kept && fired;
}

/* ---- life ---- */

static bool open_trigger(struct seat *seat, void **ret_state, struct err *err) {
    struct trigger *trigger = calloc(1, sizeof(*trigger));

    (void)err;
    assert(trigger);
    trigger->seat = seat;
    trigger->timers = timers_new();
    trigger->leases = leases_new(seat->world);
    trigger->events = events_new(seat->world);
    trigger->wall_offset = clock_now_ms(&seat->world->clock) - clock_monotonic_ms(&seat->world->clock);
    trigger->next_expire = clock_monotonic_ms(&seat->world->clock) + EXPIRE_MS;
    *ret_state = trigger;
    return true;
}

static void close_trigger(void *state) {
    struct trigger *trigger = state;
    SCOPED(arena_freep) struct arena *arena = arena_new();

    leases_release(trigger->leases, arena);
    leases_free(trigger->leases);
    events_free(trigger->events);
    timers_free(trigger->timers);
    free(trigger);
}

static const enum topic inboxes[] = { TOPIC_TRIGGER, TOPIC_EVENTS_IN, TOPIC_NONE };

const struct service trigger_service = {
    .name = "trigger",
    .inboxes = inboxes,
    .open = open_trigger,
    .on_batch = on_batch,
    .on_tick = on_tick,
    .close = close_trigger,
};

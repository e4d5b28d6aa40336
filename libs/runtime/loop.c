#include "runtime/loop.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"
#include "system/queue.h"

enum { TICK_MS = 1000, BACKOFF_MIN_MS = 50, BACKOFF_MAX_MS = 5000, ENTER_AGAIN_MS = 1000, GROUP_SIZE = 64, ASSIGNED_MAX = 4096 };

/* Partitions that are assigned, so that all can be paused while a batch waits for the store. */
struct assigned {
    enum topic topic;
    int32_t partition;
};

struct loop {
    struct seat seat;
    const struct service *service;
    void *state;
    struct arena *arena;      /* of the batch */
    struct arena *tick_arena;
    struct batch held;        /* to be given again; count 0: none */
    int64_t backoff_ms, again_at, next_tick;
    struct assigned assigned[ASSIGNED_MAX];
    size_t assigned_count;
    bool away;                /* the bus did not answer: said once */
    bool paused;
    bool is_out;              /* shut out of the inboxes; nothing is done until they are open again */
};

void seat_wake(struct seat *seat) {
    lock_acquire(seat->lock);
    if (seat->can_wake) consumer_wake(seat->consumer);
    lock_release(seat->lock);
}

void loop_wake(struct loop *loop) {
    seat_wake(&loop->seat);
}

static void on_assign(void *user, enum topic topic, int32_t partition, uint32_t epoch) {
    struct loop *loop = user;

    assert(loop->assigned_count < ASSIGNED_MAX);
    loop->assigned[loop->assigned_count++] = (struct assigned){ topic, partition };
    if (loop->paused) consumer_pause(loop->seat.consumer, topic, partition);
    if (loop->service->on_assign) loop->service->on_assign(loop->state, topic, partition, epoch);
}

static void on_revoke(void *user, enum topic topic, int32_t partition, bool lost) {
    struct loop *loop = user;
    size_t kept = 0;

    for (size_t i = 0; i < loop->assigned_count; i++) {
        bool same = loop->assigned[i].topic == topic && loop->assigned[i].partition == partition;
        if (!same) loop->assigned[kept++] = loop->assigned[i];
    }
    loop->assigned_count = kept;
    if (loop->service->on_revoke) loop->service->on_revoke(loop->state, topic, partition, lost);
}

static bool open_inboxes(struct loop *loop, struct err *err) {
    struct consumer_callbacks callbacks = { on_assign, on_revoke, loop };
    const struct service *service = loop->service;
    char group[GROUP_SIZE];

    if (!service->inboxes || service->inboxes[0] == TOPIC_NONE) return true;
    snprintf(group, sizeof(group), "penstock.%s", service->name);
    if (!consumer_open(loop->seat.world->bus, service->tail ? NULL : group, service->inboxes, &callbacks, &loop->seat.consumer, err)) return false;
    lock_acquire(loop->seat.lock);
    loop->seat.can_wake = true;
    lock_release(loop->seat.lock);
    return true;
}

MUST_USE bool loop_open(const struct world *world, const struct service *service, struct loop **ret, struct err *err) {
    struct loop *loop = calloc(1, sizeof(*loop));

    assert(loop);
    loop->seat.world = world;
    loop->seat.lock = lock_new();
    loop->service = service;
    loop->arena = arena_new();
    loop->tick_arena = arena_new();
    if (!service->open(&loop->seat, &loop->state, err) || !open_inboxes(loop, err)) {
        err_wrap(err, "%s", service->name);
        loop_close(loop);
        return false;
    }
    *ret = loop;
    return true;
}

static void pause_all(struct loop *loop, bool pause) {
    if (loop->paused == pause) return;
    loop->paused = pause;
    for (size_t i = 0; i < loop->assigned_count; i++) {
        const struct assigned *at = &loop->assigned[i];
        if (pause) {
            consumer_pause(loop->seat.consumer, at->topic, at->partition);
        } else {
            consumer_resume(loop->seat.consumer, at->topic, at->partition);
        }
    }
}

/* Hands a batch over; on a passing failure it is held, and the inbox pauses (reliability.md, R8). */
static void handle(struct loop *loop) {
    const struct world *world = loop->seat.world;
    int64_t before = clock_monotonic_ms(&world->clock);
    struct err err;

    if (loop->service->on_batch(loop->state, loop->arena, &loop->held, &err)) {
        if (loop->backoff_ms) log_event(world->log, LOG_INFO, "batch.resumed", "service", loop->service->name, NULL);
        loop->held.count = 0;
        loop->backoff_ms = 0;
        pause_all(loop, false);
        metrics_observe(world->metrics, METRIC_BATCH_SECONDS, (double)(clock_monotonic_ms(&world->clock) - before) / 1000.0);
        return;
    }
    log_event(world->log, LOG_WARN, "batch.held", "service", loop->service->name, "error", err.message, NULL);
    metrics_add(world->metrics, METRIC_ERRORS, 1);
    loop->backoff_ms = MIN(MAX(loop->backoff_ms * 2, (int64_t)BACKOFF_MIN_MS), (int64_t)BACKOFF_MAX_MS);
    loop->again_at = clock_monotonic_ms(&world->clock) + loop->backoff_ms;
    pause_all(loop, true);
}

/* What comes although all is paused (a partition just assigned) goes behind what is held. */
static void hold(struct loop *loop, const struct batch *batch) {
    size_t count = loop->held.count + batch->count;
    struct message *messages = arena_new_many(loop->arena, struct message, count);

    if (loop->held.count) memcpy(messages, loop->held.messages, loop->held.count * sizeof(*messages));
    memcpy(messages + loop->held.count, batch->messages, batch->count * sizeof(*messages));
    loop->held = (struct batch){ messages, count };
}

/* A consumer that was shut out is of no use; another takes its place. What is held goes with it and comes again. */
static void leave_inboxes(struct loop *loop) {
    struct consumer *consumer = loop->seat.consumer;

    lock_acquire(loop->seat.lock);
    loop->seat.can_wake = false;
    lock_release(loop->seat.lock);
    while (loop->assigned_count) {
        struct assigned at = loop->assigned[loop->assigned_count - 1];
        on_revoke(loop, at.topic, at.partition, true);
    }
    loop->held.count = 0;
    loop->backoff_ms = 0;
    loop->paused = false;
    consumer_close(consumer);
    loop->seat.consumer = NULL;
    loop->is_out = true;
}

static void enter_inboxes(struct loop *loop) {
    const struct world *world = loop->seat.world;
    struct err err;

    if (clock_monotonic_ms(&world->clock) < loop->again_at) return;
    loop->again_at = clock_monotonic_ms(&world->clock) + ENTER_AGAIN_MS;
    loop->is_out = !open_inboxes(loop, &err);
    if (loop->is_out) log_event(world->log, LOG_WARN, "inbox.away", "service", loop->service->name, "error", err.message, NULL);
    if (!loop->is_out) log_event(world->log, LOG_INFO, "inbox.back", "service", loop->service->name, NULL);
}

static void poll_inbox(struct loop *loop, int64_t wait_ms) {
    const struct world *world = loop->seat.world;
    struct batch batch = { NULL, 0 };
    bool held = loop->held.count > 0;
    struct err err;

    if (!held) arena_reset(loop->arena);
    bool ok = consumer_poll(loop->seat.consumer, wait_ms, LIMIT_BATCH, loop->arena, &batch, &err);
    if (!ok && !loop->away) log_event(world->log, LOG_WARN, "bus.away", "service", loop->service->name, "error", err.message, NULL);
    if (ok && loop->away) log_event(world->log, LOG_INFO, "bus.back", "service", loop->service->name, NULL);
    loop->away = !ok;
    if (!ok && err.code == ERR_CANCELLED) leave_inboxes(loop);
    if (!ok || !batch.count) return;
    hold(loop, &batch);
    if (!held) handle(loop);
}

static void tick(struct loop *loop) {
    const struct world *world = loop->seat.world;
    int64_t now = clock_now_ms(&world->clock);
    struct err err;

    loop->next_tick = now + TICK_MS;
    if (!loop->service->on_tick) return;
    arena_reset(loop->tick_arena);
    if (loop->service->on_tick(loop->state, loop->tick_arena, now, &loop->next_tick, &err)) return;
    log_event(world->log, LOG_WARN, "tick.failed", "service", loop->service->name, "error", err.message, NULL);
    metrics_add(world->metrics, METRIC_ERRORS, 1);
    loop->next_tick = now + BACKOFF_MIN_MS;
}

void loop_turn(struct loop *loop, int64_t wait_ms) {
    const struct world *world = loop->seat.world;
    int64_t until_tick = loop->next_tick - clock_now_ms(&world->clock);
    struct err err;

    wait_ms = MAX(MIN(wait_ms, until_tick), (int64_t)0);
    if (loop->held.count) {
        int64_t until_again = loop->again_at - clock_monotonic_ms(&world->clock);
        wait_ms = MAX(MIN(wait_ms, until_again), (int64_t)0);
    }
    if (loop->is_out) enter_inboxes(loop);
    if (loop->is_out) {
        poll(NULL, 0, BACKOFF_MIN_MS);
        return;
    }
    if (loop->seat.consumer) poll_inbox(loop, wait_ms);
    if (loop->is_out) return;
    if (loop->held.count && clock_monotonic_ms(&world->clock) >= loop->again_at) handle(loop);
    tick(loop);
    if (!loop->seat.consumer) return;
    if (!consumer_commit(loop->seat.consumer, &err)) {
        log_event(world->log, LOG_WARN, "offsets.not_committed", "service", loop->service->name, "error", err.message, NULL);
    }
    int64_t lag = consumer_lag(loop->seat.consumer);
    if (lag >= 0) metrics_set(world->metrics, METRIC_BUS_LAG, lag);
}

void loop_stop(struct loop *loop) {
    if (loop->service->stop) loop->service->stop(loop->state);
}

int64_t loop_lag(const struct loop *loop) {
    return loop->seat.consumer ? consumer_lag(loop->seat.consumer) : 0;
}

void loop_close(struct loop *loop) {
    if (!loop) return;
    struct consumer *consumer = loop->seat.consumer;
    lock_acquire(loop->seat.lock);
    loop->seat.can_wake = false;
    lock_release(loop->seat.lock);
    consumer_close(consumer);
    loop->seat.consumer = NULL;
    if (loop->state) loop->service->close(loop->state);
    arena_free(loop->arena);
    arena_free(loop->tick_arena);
    lock_free(loop->seat.lock);
    free(loop);
}

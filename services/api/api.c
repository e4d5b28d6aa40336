#include "services/api/api.h"

#include <stdlib.h>

#include "bus/bus.h"
#include "calls/secrets.h"
#include "common/arena.h"
#include "common/assert.h"
#include "http/server.h"
#include "ledger/definitions.h"
#include "services/api/api_internal.h"
#include "services/api/await.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/idempotency.h"
#include "services/api/start.h"
#include "services/api/stream.h"
#include "services/api/waits.h"
#include "system/queue.h"
#include "system/thread.h"

/* Threads: the server's own read requests and put them into one of two queues; workers take them out, and answer them or put them to wait;
 * the service's loop hears of instances and answers what waits. Nobody blocks but the workers. */

enum {
    TICK_MS = 100,
    SERVER_THREADS = 2,
    GRACE_MS = 5 * 1000,
    SWEEP_EVERY_MS = 10 * 60 * 1000,
    WORKER_IDLE_MS = 60 * 1000,
};

static const enum topic inboxes[] = { TOPIC_RESULTS, TOPIC_NONE };

/* ---- queues ---- */

static void refuse_busy(struct api *api, struct call *call) {
    struct turn turn;

    if (call->is_stream) {
        waits_remove(api->waits, call);
        stream_end(call);
        return;
    }
    turn_init(&turn, api);
    answer_problem(&turn, call, 503, "Too many requests wait already; try again.");
    turn_clear(&turn);
}

void api_give(struct api *api, struct call *call) {
    bool is_start = !call->is_stream && (call->resume == call_handle || call->resume == start_again) && start_is_one(call->request);

    if (!queue_push(is_start ? api->starts : api->calls, call)) refuse_busy(api, call);
}

static void on_request(void *user, struct request *request) {
    struct api *api = user;

    api_give(api, call_new(api, request));
}

/* ---- workers ---- */

static void work(struct turn *turn, struct call *call) {
    turn->now_ms = clock_monotonic_ms(&turn->api->world->clock);
    call->resume(turn, call);
}

static void run_starts(void *user) {
    struct api *api = user;
    void *calls[TURN_CALLS_MAX];
    struct turn turn;
    size_t count;

    turn_init(&turn, api);
    while ((count = queue_pop(api->starts, calls, TURN_CALLS_MAX, -1)) > 0) {
        for (size_t i = 0; i < count; i++) {
            work(&turn, calls[i]);
            if (arena_used(turn.arena) > TURN_MEMORY_MAX) turn_end(&turn);
        }
        turn_end(&turn);
    }
    turn_clear(&turn);
}

/* One worker at a time, now and then. */
static void sweep(struct turn *turn) {
    struct api *api = turn->api;
    int64_t now_ms = clock_monotonic_ms(&api->world->clock), swept_ms = __atomic_load_n(&api->swept_ms, __ATOMIC_RELAXED);

    if (now_ms - swept_ms < SWEEP_EVERY_MS) return;
    if (!__atomic_compare_exchange_n(&api->swept_ms, &swept_ms, now_ms, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return;
    idempotency_sweep(turn);
    turn_end(turn);
}

static void run_calls(void *user) {
    struct api *api = user;
    struct turn turn;
    void *call;

    turn_init(&turn, api);
    while (!queue_is_closed(api->calls) || queue_size(api->calls) > 0) {
        if (queue_pop(api->calls, &call, 1, WORKER_IDLE_MS) > 0) {
            work(&turn, call);
            turn_end(&turn);
        }
        sweep(&turn);
    }
    turn_clear(&turn);
}

/* Half of them for starts: while one waits for the bus, the other prepares. */
static void start_workers(struct api *api) {
    size_t count = (size_t)MAX(api->world->config->api_threads, (int64_t)2), starts = MIN(count / 2, (size_t)2);

    for (size_t i = 0; i < count; i++) {
        api->workers[api->worker_count++] = thread_start(i < starts ? "api-start" : "api-call", i < starts ? run_starts : run_calls, api);
    }
}

/* ---- the service ---- */

static void api_free(struct api *api) {
    if (api->loop) turn_clear(api->loop);
    free(api->loop);
    waits_free(api->waits);
    queue_free(api->starts);
    queue_free(api->calls);
    guard_free(api->guard);
    secrets_free(api->secrets);
    definitions_free(api->definitions);
    free(api);
}

static bool open_listener(struct api *api, struct err *err) {
    const char *listen = api->world->config->listen;
    struct server_options options = { .listen = listen ? listen : "127.0.0.1:8000", .thread_count = SERVER_THREADS };

    if (!guard_check_listener(api->guard, options.listen, err)) return false;
    return server_open(&options, on_request, api, &api->server, err) || err_wrap(err, "PENSTOCK_LISTEN");
}

static bool api_open(struct seat *seat, void **ret_state, struct err *err) {
    struct api *api = calloc(1, sizeof(*api));

    assert(api);
    api->seat = seat;
    api->world = seat->world;
    api->opened_ms = clock_now_ms(&api->world->clock);
    api->definitions = definitions_new(api->world->store);
    api->waits = waits_new(clock_monotonic_ms(&api->world->clock));
    api->guard = guard_new(api);
    api->starts = queue_new(STARTS_QUEUED_MAX);
    api->calls = queue_new(CALLS_QUEUED_MAX);
    api->loop = calloc(1, sizeof(*api->loop));
    assert(api->loop);
    turn_init(api->loop, api);
    api->loop->on_loop = true;
    if (!secrets_new(api->world->store, api->world->config->master_key, &api->world->clock, &api->secrets, err)
            || !open_listener(api, err)) {
        api_free(api);
        return false;
    }
    start_workers(api);
    log_event(api->world->log, LOG_INFO, "api.listening", "address", server_address(api->server).data, NULL);
    *ret_state = api;
    return true;
}

static void begin_turn(struct api *api) {
    api->loop->now_ms = clock_monotonic_ms(&api->world->clock);
}

static bool api_on_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err) {
    struct api *api = state;

    (void)arena;
    (void)err;
    begin_turn(api);
    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = &batch->messages[i];
        await_hear(api->loop, message);
        if (api->seat->consumer) consumer_done(api->seat->consumer, message->topic, message->partition, message->offset, message->epoch);
        if (arena_used(api->loop->arena) > TURN_MEMORY_MAX) turn_end(api->loop);
    }
    turn_end(api->loop);
    return true;
}

static bool api_on_tick(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    struct api *api = state;

    (void)arena;
    (void)err;
    begin_turn(api);
    await_tick(api->loop, api->loop->now_ms);
    turn_end(api->loop);
    *next_ms = now_ms + TICK_MS;
    return true;
}

/* What is queued is still worked on; what waits is told so, and whoever has already sent a request gets an answer. The loop still turns
 * in its own thread, so this has a turn of its own. */
static void api_stop(void *state) {
    struct api *api = state;
    struct turn turn;

    if (!api->server) return;
    turn_init(&turn, api);
    queue_close(api->starts);
    queue_close(api->calls);
    for (size_t i = 0; i < api->worker_count; i++) thread_join(api->workers[i]);
    api->worker_count = 0;
    await_stop(&turn);
    server_close(api->server, GRACE_MS);
    api->server = NULL;
    await_stop(&turn);
    turn_clear(&turn);
}

static void api_close(void *state) {
    api_stop(state);
    api_free(state);
}

struct str api_address(const void *state) {
    const struct api *api = state;

    return server_address(api->server);
}

const struct service api_service = {
    .name = "api",
    .inboxes = inboxes,
    .tail = true,
    .open = api_open,
    .on_batch = api_on_batch,
    .on_tick = api_on_tick,
    .stop = api_stop,
    .close = api_close,
};

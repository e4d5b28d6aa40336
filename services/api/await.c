#include "services/api/await.h"

#include <string.h>

#include "bus/bus.h"
#include "common/arena.h"
#include "common/assert.h"
#include "ledger/ledger.h"
#include "services/api/api_internal.h"
#include "services/api/guard.h"
#include "services/api/start.h"
#include "services/api/stream.h"
#include "services/api/view.h"
#include "services/api/waits.h"
#include "wire/wire.h"

enum {
    TAKEN_MAX = 256,
    LOOK_EVERY_MS = 15 * 1000, /* after the first looks */
    FAILED_AGAIN_MS = 1000,
};

/* When the store is asked, since a message may be lost (reliability.md, 5 and 7). */
static const int64_t looks_ms[] = { 200, 1000, 5000 };

/* ---- loading ---- */

/* An ended instance outlives its definition. */
static bool load_without_definition(struct turn *turn, struct str id, const struct instance **ret, struct err *err) {
    struct json_read_options options = { .depth_max = UINT32_MAX, .borrow = true };
    const struct record *head;
    struct json snapshot;

    *ret = NULL;
    if (!store_get_many(turn->api->world->store, COLLECTION_INSTANCES, &id, 1, turn->arena, &head, err)) return false;
    if (!head) return true;
    return json_read(head->body, &options, turn->arena, &snapshot, NULL, err) && view_decode(snapshot, turn->arena, ret, err);
}

bool await_load(struct turn *turn, struct str id, struct loaded *loaded, const struct instance **ret, struct err *err) {
    struct api *api = turn->api;

    *loaded = (struct loaded){ .id = id };
    if (ledger_load(api->world->store, api->definitions, &id, 1, turn->arena, loaded, err)) {
        *ret = loaded->instance;
        return true;
    }
    return err->code == ERR_NOT_FOUND && load_without_definition(turn, id, ret, err);
}

void await_release(struct turn *turn, struct loaded *loaded) {
    ledger_release(turn->api->definitions, loaded, 1);
}

static void answer_no_instance(struct turn *turn, struct call *call, struct str id) {
    answer_problem(turn, call, 404, "There is no instance '" STR_FMT "'.", STR_ARG(id));
}

bool await_find(struct turn *turn, struct call *call, struct str id, struct loaded *loaded, const struct instance **ret) {
    struct err err;

    if (!uuid_is_valid(id)) {
        answer_no_instance(turn, call, id);
        return false;
    }
    if (!await_load(turn, id, loaded, ret, &err)) {
        answer_err(turn, call, &err);
        return false;
    }
    bool is_there = *ret != NULL;
    if (!is_there) answer_no_instance(turn, call, id);
    if (is_there && guard_namespace(turn, call, (*ret)->namespace_)) return true;
    await_release(turn, loaded);
    return false;
}

/* ---- waiting ---- */

void await_init(struct call *call, enum wait_kind kind, struct str id, int64_t now_ms) {
    struct wait *wait = &call->wait;

    assert(id.size == UUID_TEXT_SIZE - 1);
    wait->kind = kind;
    wait->serial = __atomic_add_fetch(&call->api->serial, 1, __ATOMIC_RELAXED);
    wait->began_ms = now_ms;
    wait->looks = 0;
    wait->end_by_ms = call->wait_s ? call->received_ms + call->wait_s * 1000 : 0;
    memmove(wait->id, id.data, id.size); /* may be its own */
    wait->id[id.size] = '\0';
}

static int64_t next_look(const struct wait *wait, int64_t now_ms) {
    int64_t due_ms = wait->looks < ARRAY_SIZE(looks_ms) ? wait->began_ms + looks_ms[wait->looks] : now_ms + LOOK_EVERY_MS;
    int64_t last_ms = wait->kind == WAIT_START ? wait->start_by_ms : wait->end_by_ms;

    return MIN(MAX(due_ms, now_ms), last_ms);
}

void await_add(struct turn *turn, struct call *call) {
    call->wait.due_ms = next_look(&call->wait, clock_monotonic_ms(&turn->api->world->clock));
    if (waits_add(turn->api->waits, call)) return;
    answer_problem(turn, call, 503, "Too many callers wait already; try again.");
}

void await_look(struct turn *turn, struct call *call) {
    const struct instance *instance;
    struct loaded loaded;
    struct err err;
    bool is_start = call->wait.kind == WAIT_START;

    call->wait.looks++;
    if (!await_load(turn, str_from(call->wait.id), &loaded, &instance, &err)) {
        int64_t last_ms = is_start ? call->wait.start_by_ms : call->wait.end_by_ms;
        bool goes_on = err_is_retryable(err.code) && turn->now_ms + FAILED_AGAIN_MS < last_ms;
        if (goes_on) await_add(turn, call);
        else answer_err(turn, call, &err);
        return;
    }
    if (is_start) start_settle(turn, call, instance);
    else if (instance) await_settle(turn, call, instance);
    else answer_no_instance(turn, call, str_from(call->wait.id));
    await_release(turn, &loaded);
}

void await_answer(struct turn *turn, struct call *call, int status, const struct instance *instance) {
    buf_reset(&turn->out);
    view_instance(instance, turn->arena, &turn->out);
    if (call->wait_s) {
        call_header(call, "Preference-Applied", str_format(turn->arena, "wait=%lld", (long long)call->wait_s));
    }
    call_header(call, "Location", view_location(instance->id, turn->arena));
    answer_text(turn, call, status, STR("application/json"), buf_str(&turn->out));
}

void await_settle(struct turn *turn, struct call *call, const struct instance *instance) {
    if (instance_has_ended(instance)) await_answer(turn, call, 200, instance);
    else if (turn->now_ms >= call->wait.end_by_ms) await_answer(turn, call, 202, instance);
    else await_add(turn, call);
}

/* ---- news ---- */

/* A call that waits for the end hears of the instance. */
static void hear_end(struct turn *turn, struct call *call, const struct wire_message *message) {
    struct str status = json_str(json_get(message->body, STR("status")));
    struct json snapshot = json_get(message->body, STR("snapshot"));
    bool ended = str_equal(status, STR("completed")) || str_equal(status, STR("faulted")) || str_equal(status, STR("cancelled"));
    const struct instance *instance;
    struct err err;

    if (!ended) {
        await_add(turn, call);
    } else if (!call->idempotency[0] && !json_is_null(snapshot) && view_decode(snapshot, turn->arena, &instance, &err)) {
        await_settle(turn, call, instance);
    } else {
        call->resume = await_look;
        api_give(turn->api, call);
    }
}

void await_hear(struct turn *turn, const struct message *message) {
    struct wire_message decoded;
    struct call *calls[TAKEN_MAX];
    struct err err;

    if (!waits_has(turn->api->waits, message->key)) return; /* most messages are for callers of another replica, or of nobody */
    if (!wire_decode(message->value, turn->arena, &decoded, &err) || decoded.kind != MESSAGE_STATUS) return;
    size_t count = waits_take_of(turn->api->waits, message->key, 1u << WAIT_START | 1u << WAIT_END | 1u << WAIT_STREAM, calls, TAKEN_MAX);
    for (size_t i = 0; i < count; i++) {
        switch (calls[i]->wait.kind) {
        case WAIT_START: start_hear(turn, calls[i], &decoded); break;
        case WAIT_END: hear_end(turn, calls[i], &decoded); break;
        case WAIT_STREAM: api_give(turn->api, calls[i]); break;
        }
    }
}

void await_tick(struct turn *turn, int64_t now_ms) {
    struct call *calls[TAKEN_MAX];
    size_t count;

    do {
        count = waits_take_due(turn->api->waits, now_ms, calls, TAKEN_MAX);
        for (size_t i = 0; i < count; i++) {
            if (calls[i]->wait.kind != WAIT_STREAM) calls[i]->resume = await_look;
            api_give(turn->api, calls[i]);
        }
    } while (count == TAKEN_MAX);
}

void await_stop(struct turn *turn) {
    struct call *calls[TAKEN_MAX];
    size_t count;

    do {
        count = waits_take_any(turn->api->waits, calls, TAKEN_MAX);
        for (size_t i = 0; i < count; i++) {
            if (calls[i]->wait.kind == WAIT_STREAM) stream_end(calls[i]);
            else answer_problem(turn, calls[i], 503, "The server is shutting down; ask again.");
        }
    } while (count > 0);
}

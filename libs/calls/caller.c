#include "calls/caller.h"

#include <stdlib.h>
#include <string.h>

#include "calls/entries.h"
#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "common/limits.h"
#include "core/error.h"
#include "system/clock.h"
#include "system/metrics.h"
#include "wire/wire.h"

/* The life of an entry:
 *
 *   READY      taken; to be started when its time has come and there is room. Again READY where it has to be tried again.
 *   SENT       with the client
 *   DROPPED    cancelled while SENT: the client still owes its response
 *   ANSWERED   its posting waits to be published
 */
enum {
    COLLECT_MAX = 16,              /* responses looked at together: they may be large */
    PUBLISH_MAX = LIMIT_BATCH,
    PUBLISH_BYTES = 8 * 1024 * 1024,
    HELD_BYTES_MAX = 64 * 1024 * 1024, /* of messages taken and answers kept; above it the inbox is held back */
    TRIES_MAX = 3,                 /* of one request, while there is no answer */
    AGAIN_MIN_MS = 100,
    AGAIN_MAX_MS = 1000,
    LATER_MIN_MS = 200,            /* before the store is asked again for what a call needs */
    LATER_MAX_MS = 5000,
    PUBLISH_AGAIN_MIN_MS = 50,
    PUBLISH_AGAIN_MAX_MS = 5000,
    DEADLINE_GRACE_MS = 5 * 1000,  /* the engine times a task out, not we: its word is to be the first */
    DEAD_MAX = LIMIT_MESSAGE / 2,  /* bytes of a message that its dead letter holds; base64 makes four of three */
    PARTITIONS_MAX = 4096,
};

struct caller {
    struct caller_hooks hooks;
    struct clock clock;
    struct metrics *metrics;
    struct client *client;
    struct entries entries;
    size_t in_flight_max, in_flight, held_bytes;
    int64_t publish_wait_ms, publish_at_ms; /* monotonic; the wait is 0 while the bus takes what we say */
    bool holds;
    bool assigned[PARTITIONS_MAX];
};

/* ---- lives ---- */

static void on_complete(void *user) {
    struct caller *caller = user;

    caller->hooks.wake(caller->hooks.user);
}

bool caller_open(const struct caller_options *options, const struct caller_hooks *hooks, struct caller **ret, struct err *err) {
    struct client_options client = options->client;
    struct caller *caller = calloc(1, sizeof(*caller));

    assert(caller && options->in_flight_max > 0);
    caller->hooks = *hooks;
    caller->clock = *options->clock;
    caller->metrics = options->metrics;
    caller->in_flight_max = options->in_flight_max;
    entries_init(&caller->entries);
    client.in_flight_max = options->in_flight_max;
    client.on_complete = on_complete;
    client.user = caller;
    if (!client_open(&client, &caller->client, err)) {
        caller_close(caller);
        return false;
    }
    *ret = caller;
    return true;
}

void caller_close(struct caller *caller) {
    if (!caller) return;
    client_close(caller->client);
    entries_clear(&caller->entries);
    free(caller);
}

size_t caller_count(const struct caller *caller) {
    return caller->entries.count;
}

static void free_entry(struct caller *caller, struct entry *entry) {
    assert(caller->held_bytes >= entry->size);
    caller->held_bytes -= entry->size;
    entries_remove(&caller->entries, entry);
}

static void done(struct caller *caller, const struct delivery *delivery) {
    caller->hooks.done(caller->hooks.user, delivery);
}

/* ---- answers ---- */

static void count_flight(struct caller *caller, int change) {
    caller->in_flight = change > 0 ? caller->in_flight + 1 : caller->in_flight - 1;
    metrics_add(caller->metrics, METRIC_TASKS_IN_FLIGHT, change);
}

/* False if it is more than a message takes. */
static bool write_answer(struct buf *buf, const struct entry *entry, const struct http_outcome *outcome, int64_t now_ms) {
    struct json_writer writer;

    buf_reset(buf);
    json_writer_init(&writer, buf);
    json_begin_object(&writer, NULL);
    json_put_c(&writer, "kind", message_name(MESSAGE_ANSWER));
    json_put_int64(&writer, "sent", now_ms);
    json_begin_object(&writer, "body");
    json_put_str(&writer, "command", entry->task.command);
    json_put_bool(&writer, "ok", outcome->ok);
    json_put_bool(&writer, "answered", outcome->answered);
    json_put(&writer, outcome->ok ? "output" : "error", outcome->ok ? outcome->output : outcome->error);
    json_end_object(&writer);
    json_end_object(&writer);
    return !buf_is_over(buf);
}

/* Keeps the text of an answer until it is published; the rest of the entry is given up, secrets first. */
static void answer(struct caller *caller, struct entry *entry, const struct http_outcome *outcome, int64_t now_ms) {
    struct buf buf;

    buf_init(&buf, LIMIT_MESSAGE);
    if (!write_answer(&buf, entry, outcome, now_ms)) {
        struct str detail = str_format(entry->arena, "the output of the call is over the %d bytes that a message takes", LIMIT_MESSAGE);
        struct http_outcome refused = { .answered = true, .error = error_make(ERROR_COMMUNICATION, detail, entry->arena) };
        bool fits = write_answer(&buf, entry, &refused, now_ms);
        assert(fits);
    }
    entry_post(entry, false, entry->task.instance, buf_str(&buf));
    entry->size += buf.size;
    caller->held_bytes += buf.size;
    buf_clear(&buf);
    entries_move(&caller->entries, entry, ENTRY_ANSWERED);
    metrics_add(caller->metrics, METRIC_TASKS_DONE, 1);
}

static void answer_error(struct caller *caller, struct entry *entry, struct json error, int64_t now_ms) {
    struct http_outcome outcome = { .answered = true, .error = error };

    answer(caller, entry, &outcome, now_ms);
}

/* ---- taking ---- */

static void dead(struct caller *caller, const struct delivery *delivery, struct str key, struct str value, const char *reason,
        int64_t now_ms) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct entry *entry = entries_add(&caller->entries, delivery, value.size);
    struct json body = json_object(arena, 6);

    body = json_set(body, STR("topic"), json_string(str_from(delivery->topic)), arena);
    body = json_set(body, STR("partition"), json_int64(delivery->partition, arena), arena);
    body = json_set(body, STR("offset"), json_int64(delivery->offset, arena), arena);
    body = json_set(body, STR("reason"), json_string(str_from(reason)), arena);
    body = json_set(body, STR("message"), json_string(base64_encode(str_slice(value, 0, DEAD_MAX), arena)), arena);
    if (value.size > DEAD_MAX) body = json_set(body, STR("cutAt"), json_int64(DEAD_MAX, arena), arena);
    caller->held_bytes += entry->size;
    entry_post(entry, true, key, wire_encode(MESSAGE_DEAD, STR_NULL, now_ms, body, arena));
    entries_move(&caller->entries, entry, ENTRY_ANSWERED);
    metrics_add(caller->metrics, METRIC_DEAD_LETTERS, 1);
}

/* The same command again, while it is under way: published twice after a crash, or delivered again after the partition went and came back.
 * The message that is done with last is the one that comes first in the inbox. */
static void take_again(struct caller *caller, struct entry *entry, const struct delivery *delivery) {
    struct delivery *held = &entry->delivery;

    metrics_add(caller->metrics, METRIC_DUPLICATES_DROPPED, 1);
    if (held->epoch != delivery->epoch || held->partition != delivery->partition) {
        *held = *delivery;
        return;
    }
    if (held->offset == delivery->offset) return;
    struct delivery later = held->offset < delivery->offset ? *delivery : *held;
    if (held->offset > delivery->offset) *held = *delivery;
    done(caller, &later);
}

static void take_task(struct caller *caller, const struct delivery *delivery, struct str value, struct json body, int64_t now_ms) {
    struct task_call task;
    struct err err;

    if (!task_call_read(body, &task, &err)) {
        dead(caller, delivery, json_str(json_get(body, STR("instance"))), value, err.message, now_ms);
        return;
    }
    struct entry *entry = entries_find(&caller->entries, task.instance, task.command);
    if (entry) {
        take_again(caller, entry, delivery);
        return;
    }
    entry = entries_add(&caller->entries, delivery, value.size);
    caller->held_bytes += entry->size;
    entry_set_task(&caller->entries, entry, body);
}

/* Nobody waits for the answer of a cancelled task. */
static void take_cancel(struct caller *caller, const struct delivery *delivery, struct json body) {
    struct str instance = json_str(json_get(body, STR("instance"))), command = json_str(json_get(body, STR("command")));
    struct entry *entry = entries_find(&caller->entries, instance, command);

    if (entry && entry->state == ENTRY_READY) {
        done(caller, &entry->delivery);
        free_entry(caller, entry);
    } else if (entry && entry->state == ENTRY_SENT) {
        client_cancel(caller->client, entry->tag);
        done(caller, &entry->delivery);
        entries_move(&caller->entries, entry, ENTRY_DROPPED);
    }
    done(caller, delivery);
}

void caller_take(struct caller *caller, const struct delivery *delivery, struct str key, struct str value, int64_t now_ms) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct wire_message message;
    struct err err;

    if (!wire_decode(value, arena, &message, &err)) {
        dead(caller, delivery, key, value, err.message, now_ms);
    } else if (message.kind == MESSAGE_TASK) {
        take_task(caller, delivery, value, message.body, now_ms);
    } else if (message.kind == MESSAGE_TASK_CANCEL) {
        take_cancel(caller, delivery, message.body);
    } else {
        dead(caller, delivery, key, value, "no task", now_ms);
    }
}

/* ---- starting ---- */

static int64_t time_left(const struct entry *entry, int64_t now_ms) {
    if (!entry->task.deadline_ms) return HTTP_CALL_TIMEOUT_MS;
    return entry->task.deadline_ms + DEADLINE_GRACE_MS - now_ms;
}

/* Prepares the request; false where there is nothing to send (yet). */
static bool prepare(struct caller *caller, struct entry *entry, int64_t now_ms) {
    struct preparation preparation = { .task = &entry->task, .redact = &entry->redact, .arena = entry->arena, .call = &entry->call };

    if (entry->is_prepared) return true;
    switch (caller->hooks.prepare(caller->hooks.user, &preparation)) {
    case PREPARED: entry->is_prepared = true; return true;
    case PREPARED_ERROR: answer_error(caller, entry, preparation.error, now_ms); return false;
    case PREPARED_LATER: break;
    }
    entry->later_ms = MIN(MAX(entry->later_ms * 2, (int64_t)LATER_MIN_MS), (int64_t)LATER_MAX_MS);
    entries_again(&caller->entries, entry, clock_monotonic_ms(&caller->clock) + entry->later_ms);
    return false;
}

static void start(struct caller *caller, struct entry *entry, int64_t now_ms) {
    /* The engine has timed it out already, or is about to: its timer is durable. */
    if (entry->task.deadline_ms && entry->task.deadline_ms <= now_ms && entry->tries == 0) {
        done(caller, &entry->delivery);
        free_entry(caller, entry);
        return;
    }
    if (!prepare(caller, entry, now_ms)) return;
    struct client_request request = entry->call.request;
    request.tag = entry->tag;
    request.timeout_ms = MAX(time_left(entry, now_ms), (int64_t)1);
    entry->tries++;
    entries_move(&caller->entries, entry, ENTRY_SENT);
    count_flight(caller, 1);
    client_send(caller->client, &request);
}

static void start_ready(struct caller *caller, int64_t now_ms) {
    int64_t monotonic_ms = clock_monotonic_ms(&caller->clock);

    list_foreach(item, &caller->entries.lists[ENTRY_READY]) {
        struct entry *entry = list_entry(item, struct entry, item);
        if (caller->in_flight >= caller->in_flight_max) return;
        if (entry->start_at_ms <= monotonic_ms) start(caller, entry, now_ms);
    }
}

/* ---- responses ---- */

/* A request without an answer goes out again under the same key (language.md, E101), as long as there is time. The wait doubles, and is
 * spread by half, so that calls that failed together do not come back together. */
static bool try_again(struct caller *caller, struct entry *entry, const struct client_response *response, int64_t now_ms) {
    uint16_t random;

    if (!http_call_may_repeat(response) || entry->tries >= TRIES_MAX) return false;
    clock_random(&caller->clock, &random, sizeof(random));
    int64_t wait_ms = MIN((int64_t)AGAIN_MIN_MS << (entry->tries * 2 - 1), (int64_t)AGAIN_MAX_MS);
    wait_ms = wait_ms / 2 + wait_ms / 2 * random / UINT16_MAX;
    if (entry->task.deadline_ms && now_ms + wait_ms >= entry->task.deadline_ms) return false;
    entries_again(&caller->entries, entry, clock_monotonic_ms(&caller->clock) + wait_ms);
    return true;
}

static void take_response(struct caller *caller, const struct client_response *response, struct arena *arena, int64_t now_ms) {
    struct entry *entry = entries_by_tag(&caller->entries, response->tag);
    struct http_outcome outcome;

    assert(entry);
    count_flight(caller, -1);
    if (entry->state == ENTRY_DROPPED) {
        free_entry(caller, entry);
        return;
    }
    assert(entry->state == ENTRY_SENT);
    if (try_again(caller, entry, response, now_ms)) return;
    http_call_answer(&entry->call, response, arena, &outcome);
    answer(caller, entry, &outcome, now_ms);
}

static void collect(struct caller *caller, int64_t now_ms) {
    struct client_response responses[COLLECT_MAX];
    size_t count;

    do {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        count = client_collect(caller->client, COLLECT_MAX, arena, responses);
        for (size_t i = 0; i < count; i++) take_response(caller, &responses[i], arena, now_ms);
    } while (count == COLLECT_MAX);
}

/* ---- publishing ---- */

static size_t gather(const struct caller *caller, struct posting *postings) {
    size_t count = 0, bytes = 0;

    list_foreach(item, &caller->entries.lists[ENTRY_ANSWERED]) {
        const struct entry *entry = list_entry(item, struct entry, item);
        if (count == PUBLISH_MAX || (count && bytes + entry->posting.value.size > PUBLISH_BYTES)) break;
        bytes += entry->posting.value.size;
        postings[count++] = entry->posting;
    }
    return count;
}

/* All that is answered, in one publish; entries are in order, so the first `count` of them were published. */
static bool publish(struct caller *caller, struct arena *arena, struct err *err) {
    struct posting *postings = arena_new_many(arena, struct posting, PUBLISH_MAX);
    size_t count = gather(caller, postings);

    if (!count || clock_monotonic_ms(&caller->clock) < caller->publish_at_ms) return true;
    if (!caller->hooks.publish(caller->hooks.user, postings, count, err)) {
        caller->publish_wait_ms = MIN(MAX(caller->publish_wait_ms * 2, (int64_t)PUBLISH_AGAIN_MIN_MS), (int64_t)PUBLISH_AGAIN_MAX_MS);
        caller->publish_at_ms = clock_monotonic_ms(&caller->clock) + caller->publish_wait_ms;
        return false;
    }
    caller->publish_wait_ms = caller->publish_at_ms = 0;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = list_entry(caller->entries.lists[ENTRY_ANSWERED].next, struct entry, item);
        done(caller, &entry->delivery);
        free_entry(caller, entry);
    }
    return true;
}

/* ---- holding back ---- */

static void hold_all(struct caller *caller, bool hold) {
    if (caller->holds == hold) return;
    caller->holds = hold;
    for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
        if (caller->assigned[i]) caller->hooks.hold(caller->hooks.user, i, hold);
    }
}

/* Lets go on at half of what it holds back at, so that it does not do so for each message. */
static void hold_or_go_on(struct caller *caller) {
    size_t count = caller->entries.count, limit = caller->in_flight_max;

    if (count >= limit || caller->held_bytes >= HELD_BYTES_MAX) {
        hold_all(caller, true);
    } else if (count <= limit / 2 && caller->held_bytes <= HELD_BYTES_MAX / 2) {
        hold_all(caller, false);
    }
}

void caller_assign(struct caller *caller, int32_t partition) {
    assert(partition >= 0 && partition < PARTITIONS_MAX);
    caller->assigned[partition] = true;
    if (caller->holds) caller->hooks.hold(caller->hooks.user, partition, true);
}

void caller_revoke(struct caller *caller, int32_t partition) {
    assert(partition >= 0 && partition < PARTITIONS_MAX);
    caller->assigned[partition] = false;
    list_foreach(item, &caller->entries.lists[ENTRY_READY]) {
        struct entry *entry = list_entry(item, struct entry, item);
        if (entry->delivery.partition == partition) free_entry(caller, entry);
    }
}

/* ---- a turn ---- */

static void plan(const struct caller *caller, int64_t now_ms, int64_t *next_ms) {
    int64_t monotonic_ms = clock_monotonic_ms(&caller->clock), soonest = INT64_MAX;

    if (!list_is_empty(&caller->entries.lists[ENTRY_ANSWERED])) soonest = MAX(caller->publish_at_ms, monotonic_ms);
    list_foreach(item, &caller->entries.lists[ENTRY_READY]) {
        const struct entry *entry = list_entry(item, struct entry, item);
        if (caller->in_flight >= caller->in_flight_max) break;
        soonest = MIN(soonest, entry->start_at_ms);
    }
    if (soonest < INT64_MAX) *next_ms = MIN(*next_ms, now_ms + MAX(soonest - monotonic_ms, (int64_t)0));
}

bool caller_turn(struct caller *caller, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    collect(caller, now_ms);
    start_ready(caller, now_ms);
    bool ok = publish(caller, arena, err);
    hold_or_go_on(caller);
    plan(caller, now_ms, next_ms);
    return ok;
}

#include "services/trigger/events.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "common/limits.h"
#include "core/event.h"
#include "core/expression.h"
#include "wire/wire.h"

enum { COMPILED_MAX = 4096, PAGE = 500, KEEP_MS = 7 * 24 * 3600 * 1000, KEYS_MAX = 64, NAMED_MAX = 100 };

/* `from` expressions of correlations, compiled once; when there are too many, all are forgotten. */
struct compiled {
    struct compiled *next;
    struct str text;
    const struct expression *expression; /* NULL: cannot be compiled */
};

struct events {
    const struct world *world;
    struct arena *arena; /* of the compiled ones */
    struct compiled *buckets[COMPILED_MAX];
    size_t compiled_count;
};

struct events *events_new(const struct world *world) {
    struct events *events = calloc(1, sizeof(*events));

    assert(events);
    events->world = world;
    events->arena = arena_new();
    return events;
}

void events_free(struct events *events) {
    if (!events) return;
    arena_free(events->arena);
    free(events);
}

static const struct expression *compile(struct events *events, struct str text) {
    struct compiled **bucket = &events->buckets[str_hash(text) % COMPILED_MAX];
    struct err ignored;

    for (struct compiled *at = *bucket; at; at = at->next) {
        if (str_equal(at->text, text)) return at->expression;
    }
    if (events->compiled_count == COMPILED_MAX) {
        memset(events->buckets, 0, sizeof(events->buckets));
        arena_reset(events->arena);
        events->compiled_count = 0;
    }
    struct compiled *compiled = arena_new_one(events->arena, struct compiled);
    compiled->text = str_copy(text, events->arena);
    if (!expression_compile(compiled->text, NULL, events->arena, &compiled->expression, &ignored)) compiled->expression = NULL;
    compiled->next = *bucket;
    *bucket = compiled;
    events->compiled_count++;
    return compiled->expression;
}

/* ---- reading ---- */

struct arrival {
    const struct message *message;
    struct json event;
    struct json keys;
    struct str id;
    struct json instances; /* that it was handed to; absent: none */
    size_t handed;
};

static struct str header_of(const struct message *message, struct str name) {
    for (size_t i = 0; i < message->header_count; i++) {
        if (str_equal_nocase(message->headers[i].name, name)) return message->headers[i].value;
    }
    return STR_NULL;
}

/* Kafka protocol binding, binary mode: attributes are headers ce_*, the value is the data. */
static bool read_binary(const struct message *message, struct arena *arena, struct json *ret, struct err *err) {
    struct json_read_options options = { .borrow = true };
    struct str type = header_of(message, STR("content-type"));
    struct json event = json_object(arena, 8), data;

    for (size_t i = 0; i < message->header_count; i++) {
        const struct header *header = &message->headers[i];
        if (!str_starts_with(header->name, STR("ce_"))) continue;
        if (!str_is_utf8(header->value)) return err_set(err, ERR_MALFORMED, "a header is not UTF-8");
        event = json_set(event, str_slice(header->name, 3, header->name.size), json_string(header->value), arena);
    }
    if (type.size) event = json_set(event, STR("datacontenttype"), json_string(type), arena);
    bool is_json = type.size == 0 || str_find(type, STR("json")) < type.size;
    if (message->value.size && is_json) {
        if (!json_read(message->value, &options, arena, &data, NULL, err)) return err_wrap(err, "data");
        event = json_set(event, STR("data"), data, arena);
    } else if (message->value.size && str_starts_with(type, STR("text/")) && str_is_utf8(message->value)) {
        event = json_set(event, STR("data"), json_string(message->value), arena);
    } else if (message->value.size) {
        event = json_set(event, STR("data_base64"), json_string(base64_encode(message->value, arena)), arena);
    }
    *ret = event;
    return true;
}

static bool read_event(const struct message *message, struct arena *arena, struct json *ret, struct err *err) {
    struct json_read_options options = { .borrow = true };

    bool binary = header_of(message, STR("ce_id")).size > 0;
    if (binary ? !read_binary(message, arena, ret, err) : !json_read(message->value, &options, arena, ret, NULL, err)) return false;
    return event_check(*ret, err);
}

static bool dead(struct events *events, const struct message *message, const struct err *reason, struct arena *arena, struct err *err) {
    struct json body = json_object(arena, 6);

    body = json_set(body, STR("topic"), json_string(str_from(topic_name(message->topic))), arena);
    body = json_set(body, STR("partition"), json_int64(message->partition, arena), arena);
    body = json_set(body, STR("offset"), json_int64(message->offset, arena), arena);
    body = json_set(body, STR("reason"), json_string_copy(str_from(reason->message), arena), arena);
    body = json_set(body, STR("message"), json_string(base64_encode(message->value, arena)), arena);
    struct outgoing outgoing = { .topic = TOPIC_DEAD, .key = message->key,
        .value = wire_encode(MESSAGE_DEAD, STR_NULL, clock_now_ms(&events->world->clock), body, arena) };
    log_event(events->world->log, LOG_WARN, "event.dead", "reason", reason->message, NULL);
    metrics_add(events->world->metrics, METRIC_DEAD_LETTERS, 1);
    return bus_publish(events->world->bus, &outgoing, 1, err);
}

/* ---- keys ---- */

static struct json add_key(struct json keys, struct str key, struct arena *arena) {
    for (size_t i = 0; i < json_size(keys); i++) {
        if (str_equal(json_str(json_at(keys, i)), key)) return keys;
    }
    return json_size(keys) < KEYS_MAX ? json_append(keys, json_string(key), arena) : keys;
}

/* The rows { type, from } that deployed definitions have for these types: read for every batch, as a definition is in the store before
 * anything can listen by it; a cache could be behind. */
static bool find_rows(struct events *events, const struct arrival *arrivals, size_t count, struct arena *arena, struct json *ret, struct err *err) {
    struct json_read_options options = { .borrow = true };
    struct json types = json_array(arena, count);
    const struct record *records;
    size_t found;

    for (size_t i = 0; i < count; i++) types = add_key(types, json_str(json_get(arrivals[i].event, STR("type"))), arena);
    struct query query = { .conditions = { { "eventTypes", OP_IN, types } }, .condition_count = 1, .limit = PAGE };
    *ret = json_array(arena, 4);
    do {
        if (!store_find(events->world->store, COLLECTION_WORKFLOWS, &query, arena, &records, &found, &query.after, err)) return false;
        for (size_t i = 0; i < found; i++) {
            struct json body;
            if (!json_read(records[i].body, &options, arena, &body, NULL, err)) return err_wrap(err, "workflow");
            struct json rows = json_get(body, STR("eventTypes"));
            for (size_t r = 0; r < json_size(rows); r++) *ret = json_append(*ret, json_at(rows, r), arena);
        }
    } while (query.after.size);
    return true;
}

static void find_keys(struct events *events, struct arrival *arrival, struct json rows, struct arena *arena) {
    struct expression_env env = { .now_ms = clock_now_ms(&events->world->clock) };
    struct str type = json_str(json_get(arrival->event, STR("type")));
    struct json value;
    struct err ignored;

    arrival->keys = json_append(json_array(arena, 4), json_string(event_key(STR_NULL, arena)), arena);
    arrival->keys = add_key(arrival->keys, event_key(type, arena), arena);
    for (size_t r = 0; r < json_size(rows); r++) {
        struct json row = json_at(rows, r), from = json_get(row, STR("from"));
        if (!str_equal(json_str(json_get(row, STR("type"))), type)) continue;
        for (size_t f = 0; f < json_size(from); f++) {
            struct str text = json_str(json_at(from, f));
            const struct expression *expression = compile(events, text);
            if (!expression || !expression_eval(expression, arrival->event, &env, arena, &value, &ignored)) continue;
            if (json_is_null(value)) continue;
            arrival->keys = add_key(arrival->keys, event_key_correlated(type, text, value, arena), arena);
        }
    }
}

/* ---- storing ---- */

static struct record describe(const struct arrival *arrival, int64_t version, int64_t now_ms, struct arena *arena) {
    struct json fields = json_object(arena, 5), body = json_object(arena, 3);
    struct json event = arrival->event;

    fields = json_set(fields, STR("type"), json_get(event, STR("type")), arena);
    fields = json_set(fields, STR("source"), json_get(event, STR("source")), arena);
    fields = json_set(fields, STR("eventId"), json_get(event, STR("id")), arena);
    fields = json_set(fields, STR("time"), json_int64(now_ms, arena), arena);
    fields = json_set(fields, STR("keys"), arrival->keys, arena);
    body = json_set(body, STR("event"), event, arena);
    body = json_set(body, STR("receivedAt"), json_int64(now_ms, arena), arena);
    body = json_set(body, STR("instances"), arrival->instances, arena);
    return (struct record){ arrival->id, version, fields, json_to_str(body, arena) };
}

/* An event that is there already is matched all the same: a crash may have come between. The instances drop repeats. */
static bool store_events(struct events *events, const struct arrival *arrivals, size_t count, struct arena *arena, struct err *err) {
    struct record *records = arena_new_many(arena, struct record, count);
    enum verdict *verdicts = arena_new_many(arena, enum verdict, count);
    int64_t now_ms = clock_now_ms(&events->world->clock);

    for (size_t i = 0; i < count; i++) records[i] = describe(&arrivals[i], 1, now_ms, arena);
    if (!store_insert_many(events->world->store, COLLECTION_EVENTS, records, count, verdicts, err)) return err_wrap(err, "events");
    for (size_t i = 0; i < count; i++) {
        metrics_add(events->world->metrics, METRIC_EVENTS_STORED, verdicts[i] == VERDICT_DONE);
    }
    return true;
}

/* ---- matching ---- */

static struct outgoing hand_over(struct str instance, struct json event, int64_t now_ms, struct arena *arena) {
    struct json body = json_set(json_object(arena, 1), STR("event"), event, arena);

    return (struct outgoing){ .topic = TOPIC_ORCHESTRATOR, .key = str_copy(instance, arena),
        .value = wire_encode(MESSAGE_EVENT, STR_NULL, now_ms, body, arena) };
}

static bool shares_key(struct json own, struct json keys) {
    for (size_t i = 0; i < json_size(own); i++) {
        for (size_t k = 0; k < json_size(keys); k++) {
            if (json_equal(json_at(own, i), json_at(keys, k))) return true;
        }
    }
    return false;
}

static void note_instance(struct arrival *arrival, struct str instance, struct arena *arena) {
    if (arrival->handed++ >= NAMED_MAX) return;
    if (json_is_absent(arrival->instances)) arrival->instances = json_array(arena, 1);
    arrival->instances = json_append(arrival->instances, json_string_copy(instance, arena), arena);
}

/* One page of heads; each gets the events whose keys it listens under, in their order. */
static bool hand_to(struct events *events, const struct record *heads, size_t head_count, struct arrival *arrivals, size_t count,
        struct arena *arena, struct err *err) {
    struct outgoing *messages = arena_new_many(arena, struct outgoing, head_count * count);
    int64_t now_ms = clock_now_ms(&events->world->clock);
    size_t matched = 0;

    for (size_t h = 0; h < head_count; h++) {
        struct json own = json_get(heads[h].fields, STR("subscriptions"));
        for (size_t i = 0; i < count; i++) {
            if (!shares_key(own, arrivals[i].keys)) continue;
            messages[matched++] = hand_over(heads[h].id, arrivals[i].event, now_ms, arena);
            note_instance(&arrivals[i], heads[h].id, arena);
        }
    }
    if (matched == 0) return true;
    metrics_add(events->world->metrics, METRIC_EVENTS_MATCHED, (int64_t)matched);
    return bus_publish(events->world->bus, messages, matched, err);
}

static bool match(struct events *events, struct arrival *arrivals, size_t count, struct arena *arena, struct err *err) {
    struct json keys = json_array(arena, count * 2);
    const struct record *heads;
    size_t found;

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < json_size(arrivals[i].keys); k++) keys = json_append(keys, json_at(arrivals[i].keys, k), arena);
    }
    struct query query = { .conditions = { { "subscriptions", OP_IN, keys } }, .condition_count = 1, .limit = PAGE, .without_body = true };
    do {
        if (!store_find(events->world->store, COLLECTION_INSTANCES, &query, arena, &heads, &found, &query.after, err)) return false;
        if (!hand_to(events, heads, found, arrivals, count, arena, err)) return err_wrap(err, "handing events over");
    } while (query.after.size);
    return true;
}

/* Names the instances in the stored events. Nothing rests on it: a failure is left at that. */
static void name_instances(struct events *events, const struct arrival *arrivals, size_t count, struct arena *arena) {
    struct record *records = arena_new_many(arena, struct record, count);
    enum verdict *verdicts = arena_new_many(arena, enum verdict, count);
    struct err ignored;
    size_t named = 0;

    for (size_t i = 0; i < count; i++) {
        bool repeated = json_is_absent(arrivals[i].instances);
        for (size_t k = 0; k < i && !repeated; k++) repeated = str_equal(arrivals[k].id, arrivals[i].id);
        if (!repeated) records[named++] = describe(&arrivals[i], 2, clock_now_ms(&events->world->clock), arena);
    }
    if (named && !store_put_many(events->world->store, COLLECTION_EVENTS, records, named, verdicts, &ignored)) return;
}

MUST_USE bool events_arrive(struct events *events, const struct message *const *messages, size_t count, struct arena *arena, struct err *err) {
    struct arrival *arrivals = arena_new_many(arena, struct arrival, count);
    size_t kept = 0;
    struct json rows;
    struct err reason;

    for (size_t i = 0; i < count; i++) {
        struct arrival *arrival = &arrivals[kept];
        arrival->message = messages[i];
        if (!read_event(messages[i], arena, &arrival->event, &reason)) {
            if (!dead(events, messages[i], &reason, arena, err)) return false;
            continue;
        }
        char hash[SHA256_HEX_SIZE];
        arrival->id = str_copy(sha256_hex(event_identity(arrival->event, arena), hash), arena);
        kept++;
    }
    if (kept == 0) return true;
    if (!find_rows(events, arrivals, kept, arena, &rows, err)) return false;
    for (size_t i = 0; i < kept; i++) find_keys(events, &arrivals[i], rows, arena);
    if (!store_events(events, arrivals, kept, arena, err) || !match(events, arrivals, kept, arena, err)) return false;
    name_instances(events, arrivals, kept, arena);
    return true;
}

/* ---- kept events ---- */

/* Kept for listeners that correlate, or whose event's subject is the instance (language.md, E99). */
static bool is_kept_for(struct str instance, struct json keys, struct json own, struct json event) {
    if (str_equal(json_str(json_get(event, STR("subject"))), instance)) return true;
    for (size_t i = 0; i < json_size(own); i++) {
        struct str key = json_str(json_at(own, i));
        if (str_find_char(key, '|') == key.size) continue;
        for (size_t k = 0; k < json_size(keys); k++) {
            if (str_equal(json_str(json_at(keys, k)), key)) return true;
        }
    }
    return false;
}

MUST_USE bool events_subscribed(struct events *events, struct str instance, struct json keys, struct arena *arena, struct err *err) {
    struct json_read_options options = { .borrow = true };
    int64_t now_ms = clock_now_ms(&events->world->clock), since = now_ms - events->world->config->events_keep_s * 1000;
    struct query query = {
        .conditions = { { "keys", OP_IN, keys }, { "time", OP_GREATER, json_int64(since, arena) } },
        .condition_count = 2,
        .sort = "time",
        .limit = PAGE,
    };
    const struct record *records;
    size_t found;

    do {
        if (!store_find(events->world->store, COLLECTION_EVENTS, &query, arena, &records, &found, &query.after, err)) return false;
        struct outgoing *messages = arena_new_many(arena, struct outgoing, found);
        size_t count = 0;
        for (size_t i = 0; i < found; i++) {
            struct json body;
            if (!json_read(records[i].body, &options, arena, &body, NULL, err)) return err_wrap(err, "event");
            struct json event = json_get(body, STR("event"));
            if (!is_kept_for(instance, keys, json_get(records[i].fields, STR("keys")), event)) continue;
            messages[count++] = hand_over(instance, event, now_ms, arena);
        }
        if (count && !bus_publish(events->world->bus, messages, count, err)) return err_wrap(err, "handing kept events over");
    } while (query.after.size);
    return true;
}

static bool expire(struct events *events, enum collection collection, const char *field, int64_t before_ms, struct arena *arena,
        bool *ret_more, struct err *err) {
    struct query query = { .conditions = { { field, OP_LESS, json_int64(before_ms, arena) } }, .condition_count = 1, .sort = field,
        .limit = PAGE, .without_body = true };
    const struct record *records;
    size_t found;

    if (!store_find(events->world->store, collection, &query, arena, &records, &found, NULL, err)) return false;
    struct str *ids = arena_new_many(arena, struct str, found);
    for (size_t i = 0; i < found; i++) ids[i] = records[i].id;
    *ret_more |= found == PAGE;
    return found == 0 || store_delete_many(events->world->store, collection, ids, found, err);
}

MUST_USE bool events_expire(struct events *events, struct arena *arena, bool *ret_more, struct err *err) {
    int64_t now_ms = clock_now_ms(&events->world->clock);

    *ret_more = false;
    return expire(events, COLLECTION_EVENTS, "time", now_ms - KEEP_MS, arena, ret_more, err)
            && expire(events, COLLECTION_REQUESTS, "expiresAt", now_ms, arena, ret_more, err);
}

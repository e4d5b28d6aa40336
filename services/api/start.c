#include "services/api/start.h"

#include <stdlib.h>
#include <string.h>

#include "bus/bus.h"
#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "common/limits.h"
#include "core/definition.h"
#include "core/instance.h"
#include "ledger/definitions.h"
#include "services/api/api_internal.h"
#include "services/api/await.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "services/api/idempotency.h"
#include "services/api/view.h"
#include "services/api/waits.h"
#include "wire/wire.h"

/* A start is prepared, put to wait, and published with the others of its turn. The orchestrator says what became of it on the results
 * topic; the store is asked too, in case that word is lost (await.c). An id is made of the key, so that a start that is repeated finds
 * the first; whether it is the same start, the hash of its content says. */

enum {
    START_MS = 10 * 1000, /* without any word of a start the answer is 503 */
    TAG_KEY_MAX = 63,
    TAG_VALUE_MAX = 256,
    VERSION_MAX = 127,
    CONTENT_LIMIT = 2 * LIMIT_BODY,
};

/* A request to start, as read; all borrowed. */
struct order {
    struct str namespace, name;
    struct str version; /* as asked for; empty: the newest */
    struct str key;
    struct json input, tags;
    bool restart;
};

/* ---- reading ---- */

static bool is_key(struct str key) {
    if (key.size == 0 || key.size > LIMIT_KEY) return false;
    for (size_t i = 0; i < key.size; i++) {
        char c = key.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool mark = c == '.' || c == '_' || c == ':' || c == '~' || c == '-';
        if (!letter && !(mark && i > 0)) return false;
    }
    return true;
}

static bool is_version(struct str version) {
    if (version.size == 0 || version.size > VERSION_MAX) return false;
    for (size_t i = 0; i < version.size; i++) {
        char c = version.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '-' && c != '+') return false;
    }
    return true;
}

static bool is_tag_key(struct str key) {
    return key.size > 0 && key.size <= TAG_KEY_MAX && str_find_char(key, ':') == key.size;
}

static bool is_tag_value(struct json value) {
    switch (json_type(value)) {
    case JSON_STRING: return json_str(value).size <= TAG_VALUE_MAX;
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE: return true;
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT: return false;
    }
    return false;
}

static void check_tags(struct json tags, struct faults *faults) {
    if (json_type(tags) != JSON_OBJECT) {
        faults_add(faults, STR("/tags"), "tags are an object of texts, as { \"shop\": \"berlin\" }, not %s", json_type_name(tags));
        return;
    }
    if (json_size(tags) > LIMIT_TAGS) faults_add(faults, STR("/tags"), "%zu tags; %d are possible", json_size(tags), LIMIT_TAGS);
    for (size_t i = 0; i < json_size(tags); i++) {
        const struct json_member *tag = json_member_at(tags, i);
        if (is_tag_key(tag->key) && is_tag_value(tag->value)) continue;
        faults_add(faults, pointer_to(STR("/tags"), tag->key, faults->arena),
                "a tag has a name of 1 to %d bytes without ':' and a text of at most %d bytes, a number, or a boolean", TAG_KEY_MAX,
                TAG_VALUE_MAX);
    }
}

static void check_text(struct json value, struct str pointer, struct str *ret, struct faults *faults) {
    if (json_is_absent(value)) return;
    if (json_type(value) == JSON_STRING) *ret = json_str(value);
    else faults_add(faults, pointer, "this is a text, not %s", json_type_name(value));
}

/* Fills what comes from the body; what is wrong with it goes into `faults`. */
static void read_body(struct json body, struct order *order, struct faults *faults) {
    static const char *const names[] = { "input", "key", "ifExists", "version", "tags", "callback" };
    struct str if_exists = STR_NULL;
    size_t before = faults->count;

    check_members(body, STR(""), names, ARRAY_SIZE(names), faults);
    order->input = json_get(body, STR("input"));
    order->tags = json_get(body, STR("tags"));
    check_text(json_get(body, STR("key")), STR("/key"), &order->key, faults);
    check_text(json_get(body, STR("version")), STR("/version"), &order->version, faults);
    check_text(json_get(body, STR("ifExists")), STR("/ifExists"), &if_exists, faults);
    if (!json_is_absent(order->tags)) check_tags(order->tags, faults);
    if (!json_is_absent(json_get(body, STR("callback")))) {
        faults_add(faults, STR("/callback"), "callbacks are not available in this build; ask with 'Prefer: wait', or follow /events");
    }
    if (faults->count > before) return;
    if (order->key.data && !is_key(order->key)) {
        faults_add(faults, STR("/key"), "a key is [A-Za-z0-9][A-Za-z0-9._:~-]{0,127}");
    }
    if (str_equal(order->version, STR("latest"))) order->version = STR_NULL;
    if (order->version.data && !is_version(order->version)) {
        faults_add(faults, STR("/version"), "a version is as in the definition, '1.2.0', or 'latest'");
    }
    order->restart = str_equal(if_exists, STR("restart"));
    if (if_exists.data && !order->restart) faults_add(faults, STR("/ifExists"), "the only value is 'restart'");
    if (order->restart && !order->key.size) faults_add(faults, STR("/ifExists"), "this needs a key");
}

static bool read_order(struct turn *turn, struct call *call, struct order *order) {
    struct faults faults;
    struct json body;

    *order = (struct order){ .namespace = call_parameter(call, 0), .name = call_parameter(call, 1) };
    if (!call_json(turn, call, &body)) return false;
    faults_init(&faults, turn->arena);
    if (json_type(body) == JSON_OBJECT) {
        read_body(body, order, &faults);
    } else if (!json_is_absent(body)) {
        faults_add(&faults, STR(""), "the body is an object with 'input', not %s", json_type_name(body));
    }
    if (faults.count == 0) return true;
    answer_faults(turn, call, &faults, "The body is not what a start takes.");
    return false;
}

/* ---- the definition ---- */

static bool has_definition(const struct turn *turn, const struct order *order) {
    return turn->definition && str_equal(turn->definition_name, order->name)
            && str_equal(turn->definition_namespace, order->namespace) && str_equal(turn->definition_version, order->version);
}

static bool find_definition(struct turn *turn, const struct order *order, struct err *err) {
    struct definitions *definitions = turn->api->definitions;
    struct str version = order->version;

    if (has_definition(turn, order)) return true;
    definitions_release(definitions, turn->definition);
    turn->definition = NULL;
    if (!version.size && !definitions_latest(definitions, order->namespace, order->name, turn->arena, &version, err)) return false;
    if (!definitions_acquire(definitions, order->namespace, order->name, version, &turn->definition, err)) {
        turn->definition = NULL;
        return false;
    }
    turn->definition_namespace = str_copy(order->namespace, turn->arena);
    turn->definition_name = str_copy(order->name, turn->arena);
    turn->definition_version = str_copy(order->version, turn->arena);
    return true;
}

/* Input that breaks `input.schema` creates nothing (language.md, E103). */
static bool check_input(struct turn *turn, struct call *call, const struct order *order) {
    const struct schema *schema = definition_root(turn->definition)->input.schema;
    struct json input = json_is_absent(order->input) ? json_null() : order->input;
    struct faults faults;

    if (!schema) return true;
    faults_init(&faults, turn->arena);
    if (schema_validate(schema, input, turn->arena, &faults)) return true;
    for (size_t i = 0; i < faults.count; i++) {
        faults.items[i].pointer = str_format(turn->arena, "/input" STR_FMT, STR_ARG(faults.items[i].pointer));
    }
    answer_faults(turn, call, &faults, "The input does not fit the schema of the workflow.");
    return false;
}

/* ---- the message ---- */

static void make_id(const struct call *call, const struct order *order, char id[UUID_TEXT_SIZE], struct arena *arena) {
    struct str parts[] = { STR("instance"), order->namespace, order->key, STR_NULL };

    if (!order->key.size) {
        idempotency_id(call, id);
        return;
    }
    if (call->generation) parts[3] = str_format(arena, "%lld", (long long)call->generation);
    uuid_v8(parts, call->generation ? 4 : 3, id);
}

/* An id that is nobody else's needs none. */
static void make_hash(const struct call *call, const struct order *order, char hash[DIGEST_SIZE]) {
    struct buf text;

    hash[0] = '\0';
    if (!order->key.size && !call->idempotency[0]) return;
    buf_init(&text, CONTENT_LIMIT);
    json_write_string(&text, order->name);
    json_write_string(&text, order->version);
    json_write(&text, order->input, JSON_SORTED);
    json_write(&text, order->tags, JSON_SORTED);
    assert(!buf_is_over(&text));
    sha256_hex(buf_str(&text), hash);
    buf_clear(&text);
}

static struct str encode(struct turn *turn, const struct call *call, const struct order *order) {
    int64_t now_ms = clock_now_ms(&turn->api->world->clock);
    struct arena *arena = turn->arena;
    struct json body = json_object(arena, 10);

    body = json_set(body, STR("id"), json_string(str_from(call->wait.id)), arena);
    body = json_set(body, STR("namespace"), json_string(order->namespace), arena);
    body = json_set(body, STR("name"), json_string(order->name), arena);
    body = json_set(body, STR("version"), json_string(definition_version(turn->definition)), arena);
    body = json_set(body, STR("definition"), json_string(definition_hash(turn->definition)), arena);
    body = json_set(body, STR("input"), order->input, arena);
    if (order->key.size) body = json_set(body, STR("key"), json_string(order->key), arena);
    body = json_set(body, STR("tags"), order->tags, arena);
    if (call->wait.hash[0]) body = json_set(body, STR("hash"), json_string(str_from(call->wait.hash)), arena);
    body = json_set(body, STR("createdAt"), json_int64(now_ms, arena), arena);
    if (call->wait_s) body = json_set(body, STR("waiting"), json_bool(true), arena);
    return wire_encode(MESSAGE_START, str_from(call->start_id), now_ms, body, arena);
}

static void make_accepted(struct turn *turn, struct call *call, const struct order *order) {
    struct instance instance = { .id = str_from(call->wait.id), .key = order->key,
        .namespace_ = definition_namespace(turn->definition), .name = definition_name(turn->definition),
        .version_of = definition_version(turn->definition) };

    buf_reset(&turn->out);
    json_write(&turn->out, view_accepted(&instance, turn->arena), JSON_COMPACT);
    free(call->accepted);
    call->accepted_size = turn->out.size;
    call->accepted = malloc(call->accepted_size);
    assert(call->accepted);
    memcpy(call->accepted, turn->out.data, call->accepted_size);
}

/* From here on the call is not ours: a word of the orchestrator may answer it while the turn still publishes. */
static void hand_over(struct turn *turn, struct call *call, struct str message) {
    struct starting *starting = &turn->starting[turn->starting_count];

    assert(turn->starting_count < TURN_CALLS_MAX);
    starting->serial = call->wait.serial;
    memcpy(starting->id, call->wait.id, sizeof(starting->id));
    call->wait.start_by_ms = turn->now_ms + START_MS;
    call->wait.due_ms = turn->now_ms + 200;
    if (!waits_add(turn->api->waits, call)) {
        answer_problem(turn, call, 503, "Too many callers wait already; try again.");
        return;
    }
    turn->outgoing[turn->starting_count++] = (struct outgoing){
        .topic = TOPIC_ORCHESTRATOR,
        .key = { starting->id, UUID_TEXT_SIZE - 1 },
        .value = message,
    };
}

void start_post(struct turn *turn, struct call *call) {
    struct order order;
    struct err err;
    char id[UUID_TEXT_SIZE];

    if (!guard_namespace(turn, call, call_parameter(call, 0))) return;
    if (!read_order(turn, call, &order)) return;
    if (!find_definition(turn, &order, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    if (!check_input(turn, call, &order)) return;
    call_read_prefer(call);
    call->may_restart = order.restart;
    if (order.restart && !call->start_id[0]) idempotency_id(call, call->start_id);
    make_id(call, &order, id, turn->arena);
    await_init(call, WAIT_START, (struct str){ id, UUID_TEXT_SIZE - 1 }, turn->now_ms);
    make_hash(call, &order, call->wait.hash);
    struct str message = encode(turn, call, &order);
    if (message.size > LIMIT_MESSAGE) {
        answer_problem(turn, call, 413, "The start has %zu bytes with its input; %d are possible. Pass large data by reference.",
                message.size, LIMIT_MESSAGE);
        return;
    }
    make_accepted(turn, call, &order);
    hand_over(turn, call, message);
}

bool start_is_one(const struct request *request) {
    return str_equal(request_method(request), STR("POST")) && str_ends_with(request_path(request), STR("/instances"));
}

void start_publish(struct turn *turn) {
    struct err err;
    size_t count = turn->starting_count;

    if (count == 0) return;
    turn->starting_count = 0;
    if (bus_publish(turn->api->world->bus, turn->outgoing, count, &err)) return;
    log_event(turn->api->world->log, LOG_WARN, "api.start-not-published", "error", err.message, NULL);
    for (size_t i = 0; i < count; i++) {
        struct str id = { turn->starting[i].id, UUID_TEXT_SIZE - 1 };
        struct call *call = waits_take(turn->api->waits, id, turn->starting[i].serial);
        if (!call) continue; /* it was published, heard of, and answered */
        answer_problem(turn, call, 503, "The start could not be sent. Repeating it with the same key or Idempotency-Key is safe.");
    }
}

/* ---- the outcome ---- */

static void answer_accepted(struct turn *turn, struct call *call) {
    call_header(call, "Location", view_location(str_from(call->wait.id), turn->arena));
    answer_text(turn, call, 202, STR("application/json"), (struct str){ call->accepted, call->accepted_size });
}

static void answer_taken(struct turn *turn, struct call *call) {
    struct str location = view_location(str_from(call->wait.id), turn->arena);

    call_header(call, "Location", location);
    answer_problem(turn, call, 409, "This key was used for a start with other content: " STR_FMT ".", STR_ARG(location));
}

static bool is_same_start(const struct call *call, struct str hash) {
    return !call->wait.hash[0] || str_equal(str_from(call->wait.hash), hash);
}

/* It is there and it is ours: now for its end, if that was asked for. */
static void began(struct turn *turn, struct call *call, const struct instance *instance) {
    if (!call->wait_s) {
        buf_reset(&turn->out);
        json_write(&turn->out, view_accepted(instance, turn->arena), JSON_COMPACT);
        call_header(call, "Location", view_location(instance->id, turn->arena));
        answer_text(turn, call, 202, STR("application/json"), buf_str(&turn->out));
        return;
    }
    await_init(call, WAIT_END, str_from(call->wait.id), turn->now_ms);
    await_settle(turn, call, instance);
}

/* ---- keys that are started afresh ---- */

static struct str generation_id(const struct instance *instance, struct arena *arena) {
    return str_format(arena, "generation/" STR_FMT "/" STR_FMT, STR_ARG(instance->namespace_), STR_ARG(instance->key));
}

/* How often the key was started afresh. */
static bool read_generation(struct turn *turn, const struct instance *instance, int64_t *ret, struct err *err) {
    struct str id = generation_id(instance, turn->arena);
    const struct record *record;

    if (!store_get_many(turn->api->world->store, COLLECTION_REQUESTS, &id, 1, turn->arena, &record, err)) return false;
    *ret = record ? record->version : 0;
    return true;
}

/* Whoever wins: the next generation is there afterwards, and its id the same for all. */
static bool next_generation(struct turn *turn, const struct instance *instance, int64_t generation, struct err *err) {
    struct record record = {
        .id = generation_id(instance, turn->arena),
        .version = generation + 1,
        .fields = json_object(turn->arena, 0),
        .body = STR("{}"),
    };
    bool won;

    return store_compare_and_set(turn->api->world->store, COLLECTION_REQUESTS, &record, generation, &won, err);
}

/* The parameters of the path may have gone with the arena of the first turn. */
void start_again(struct turn *turn, struct call *call) {
    enum route_verdict verdict = routes_find(request_method(call->request), request_path(call->request), turn->arena, &call->route,
            call->parameters);

    assert(verdict == ROUTE_FOUND);
    start_post(turn, call);
}

/* The instance remembers the id of the START that made it. */
static bool is_ours(const struct call *call, const struct instance *instance) {
    for (size_t i = 0; call->start_id[0] && i < json_size(instance->seen); i++) {
        if (str_equal(json_str(json_get(json_at(instance->seen, i), STR("id"))), str_from(call->start_id))) return true;
    }
    return false;
}

/* The instance has ended. True: the call goes on with another generation, or was answered. */
static bool follow_generations(struct turn *turn, struct call *call, const struct instance *instance) {
    int64_t newest;
    struct err err;

    if (!instance->key.size || is_ours(call, instance)) return false;
    if (!read_generation(turn, instance, &newest, &err)) {
        answer_err(turn, call, &err);
        return true;
    }
    if (newest == call->generation && !call->may_restart) return false;
    if (newest == call->generation) {
        if (!next_generation(turn, instance, call->generation, &err)) {
            answer_err(turn, call, &err);
            return true;
        }
        newest++;
    }
    call->generation = newest;
    call->resume = start_again;
    api_give(turn->api, call);
    return true;
}

void start_settle(struct turn *turn, struct call *call, const struct instance *instance) {
    if (!instance && turn->now_ms >= call->wait.start_by_ms) {
        answer_problem(turn, call, 503, "The start was sent, but nothing was heard of it in time; it may still happen, as instance '%s'. "
                                        "Repeating it with the same key or Idempotency-Key is safe.", call->wait.id);
    } else if (!instance) {
        await_add(turn, call);
    } else if (instance_has_ended(instance) && follow_generations(turn, call, instance)) {
        return;
    } else if (!is_same_start(call, instance->hash)) {
        answer_taken(turn, call);
    } else {
        began(turn, call, instance);
    }
}

static void look(struct turn *turn, struct call *call) {
    call->resume = await_look;
    api_give(turn->api, call);
}

/* Made by this START: with a snapshot there is all that an answer needs. */
static void hear_began(struct turn *turn, struct call *call, const struct wire_message *message) {
    struct json snapshot = json_get(message->body, STR("snapshot"));
    const struct instance *instance;
    struct err err;

    if (!call->wait_s) {
        answer_accepted(turn, call);
    } else if (!json_is_null(snapshot) && view_decode(snapshot, turn->arena, &instance, &err)) {
        began(turn, call, instance);
    } else {
        struct str status = json_str(json_get(message->body, STR("status")));
        bool moving = str_equal(status, STR("running")) || str_equal(status, STR("waiting")) || str_equal(status, STR("pending"));
        await_init(call, WAIT_END, str_from(call->wait.id), turn->now_ms);
        if (moving) await_add(turn, call);
        else look(turn, call);
    }
}

void start_hear(struct turn *turn, struct call *call, const struct wire_message *message) {
    struct json started = json_get(message->body, STR("started")), error = json_get(message->body, STR("error"));

    if (!json_is_null(error)) {
        answer_problem(turn, call, 422, STR_FMT, STR_ARG(json_str(error)));
    } else if (json_is_null(started)) {
        await_add(turn, call); /* about another change of it */
    } else if (call->idempotency[0] || call->may_restart || !json_bool_or(started, false)) {
        look(turn, call);
    } else if (is_same_start(call, json_str(json_get(message->body, STR("hash"))))) {
        hear_began(turn, call, message);
    } else {
        answer_taken(turn, call);
    }
}

/* API keys: made, listed, deleted. The key itself is shown once; what is stored is its hash. */

#include "common/arena.h"
#include "common/hash.h"
#include "common/time.h"
#include "services/api/api_internal.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "store/store.h"

enum { KEY_BYTES = 32, ID_SIZE = 16, NAME_MAX = 128, NAMESPACES_MAX = 64 };

/* A key is known outside by the first digits of its hash. */
static struct json describe(const struct record *record, struct json body, struct arena *arena) {
    struct json item = json_object(arena, 8);

    item = json_set(item, STR("id"), json_string(str_slice(record->id, 0, ID_SIZE)), arena);
    item = json_set(item, STR("name"), json_get(body, STR("name")), arena);
    item = json_set(item, STR("role"), json_get(body, STR("role")), arena);
    item = json_set(item, STR("namespaces"), json_get(body, STR("namespaces")), arena);
    item = json_set(item, STR("createdAt"), time_json(json_int64_or(json_get(body, STR("createdAt")), 0), arena), arena);
    return json_set(item, STR("expiresAt"), time_json(json_int64_or(json_get(body, STR("expiresAt")), 0), arena), arena);
}

/* ---- making ---- */

static void check_namespaces(struct json namespaces, struct faults *faults) {
    if (json_is_absent(namespaces)) return;
    bool is_list = json_type(namespaces) == JSON_ARRAY && json_size(namespaces) > 0 && json_size(namespaces) <= NAMESPACES_MAX;
    if (!is_list) {
        faults_add(faults, STR("/namespaces"), "this is a list of 1 to %d namespaces; left out, the key is good for all", NAMESPACES_MAX);
        return;
    }
    for (size_t i = 0; i < json_size(namespaces); i++) {
        if (is_label(json_str(json_at(namespaces, i)))) continue;
        faults_add(faults, str_format(faults->arena, "/namespaces/%zu", i), "this is no name of a namespace");
    }
}

static bool check(struct turn *turn, struct call *call, struct json body, bool is_first, int64_t *ret_expires_ms) {
    struct json name = json_get(body, STR("name")), expires = json_get(body, STR("expiresAt"));
    enum right right;
    struct faults faults;
    bool is_worker;

    *ret_expires_ms = 0;
    faults_init(&faults, turn->arena);
    if (json_str(name).size == 0 || json_str(name).size > NAME_MAX) {
        faults_add(&faults, STR("/name"), "a name is a text of 1 to %d bytes", NAME_MAX);
    }
    if (!right_parse(json_str(json_get(body, STR("role"))), &right, &is_worker)) {
        faults_add(&faults, STR("/role"), "a role is viewer, operator, author, worker or admin");
    } else if (is_first && (right != RIGHT_ADMIN || json_size(json_get(body, STR("namespaces"))))) {
        faults_add(&faults, STR("/role"), "the first key has to be of an admin of all namespaces: from then on, every call needs a key");
    }
    check_namespaces(json_get(body, STR("namespaces")), &faults);
    bool in_future = !json_is_null(expires) && time_parse(json_str(expires), ret_expires_ms)
            && *ret_expires_ms > clock_now_ms(&turn->api->world->clock);
    if (!json_is_null(expires) && !in_future) faults_add(&faults, STR("/expiresAt"), "this is an RFC 3339 time in the future");
    if (faults.count == 0) return true;
    answer_faults(turn, call, &faults, "The body is no key.");
    return false;
}

static void make(struct turn *turn, struct call *call, struct json asked, int64_t expires_ms) {
    int64_t now_ms = clock_now_ms(&turn->api->world->clock);
    struct json body = json_object(turn->arena, 6), fields = json_object(turn->arena, 1), shown;
    uint8_t random[KEY_BYTES];
    char digest[DIGEST_SIZE];
    enum verdict verdict;
    struct err err;

    clock_random(&turn->api->world->clock, random, sizeof(random));
    struct str digits = hex_encode((struct str){ (const char *)random, sizeof(random) }, turn->arena);
    struct str key = str_format(turn->arena, "psk_" STR_FMT, STR_ARG(digits));
    body = json_set(body, STR("name"), json_get(asked, STR("name")), turn->arena);
    body = json_set(body, STR("role"), json_get(asked, STR("role")), turn->arena);
    struct json namespaces = json_get(asked, STR("namespaces"));
    body = json_set(body, STR("namespaces"), json_is_null(namespaces) ? json_array(turn->arena, 0) : namespaces, turn->arena);
    body = json_set(body, STR("createdAt"), json_int64(now_ms, turn->arena), turn->arena);
    if (expires_ms) body = json_set(body, STR("expiresAt"), json_int64(expires_ms, turn->arena), turn->arena);
    struct record record = {
        .id = sha256_hex(key, digest),
        .version = 1,
        .fields = json_set(fields, STR("name"), json_get(asked, STR("name")), turn->arena),
        .body = json_to_str(body, turn->arena),
    };
    if (!store_insert_many(turn->api->world->store, COLLECTION_KEYS, &record, 1, &verdict, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    guard_forget(turn->api->guard);
    shown = json_set(describe(&record, body, turn->arena), STR("key"), json_string(key), turn->arena);
    call_header(call, "Location", str_format(turn->arena, "/v1/keys/%.*s", ID_SIZE, digest));
    call_header(call, "Cache-Control", STR("no-store"));
    answer_json(turn, call, 201, shown);
}

void keys_post(struct turn *turn, struct call *call) {
    static const char *const names[] = { "name", "role", "namespaces", "expiresAt" };
    int64_t expires_ms;
    struct json body;
    struct err err;
    bool has_keys;

    if (!guard_everywhere(turn, call)) return;
    if (call->idempotency[0]) {
        call->idempotency[0] = '\0';
        answer_problem(turn, call, 422, "The answer holds a key that is shown once, so it is not kept for an Idempotency-Key; leave it out, "
                                        "and delete what was made twice.");
        return;
    }
    if (!call_object(turn, call, names, ARRAY_SIZE(names), &body)) return;
    if (!guard_has_keys(turn, &has_keys, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    if (check(turn, call, body, !has_keys, &expires_ms)) make(turn, call, body, expires_ms);
}

/* ---- reading, deleting ---- */

void keys_list(struct turn *turn, struct call *call) {
    static const char *const names[] = { "limit", "cursor" };
    struct str values[ARRAY_SIZE(names)], next;
    struct json items = json_array(turn->arena, 16), body;
    struct query query = { .sort = "name" };
    const struct record *records;
    struct err err;
    size_t count;

    if (!guard_everywhere(turn, call) || !call_query(turn, call, names, ARRAY_SIZE(names), values)) return;
    if (!call_limit(turn, call, values[0], &query.limit)) return;
    query.after = values[1];
    if (!store_find(turn->api->world->store, COLLECTION_KEYS, &query, turn->arena, &records, &count, &next, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!json_read(records[i].body, NULL, turn->arena, &body, NULL, &err)) continue;
        items = json_append(items, describe(&records[i], body, turn->arena), turn->arena);
    }
    answer_page(turn, call, items, next);
}

/* Answers and is false where there is none. */
static bool find(struct turn *turn, struct call *call, const struct record **ret) {
    struct str id = call_parameter(call, 0);
    struct query query = {
        .conditions = { { "_id", OP_GREATER_EQUAL, json_string(id) },
                { "_id", OP_LESS, json_string(str_format(turn->arena, STR_FMT "g", STR_ARG(id))) } },
        .condition_count = 2,
        .limit = 1,
    };
    struct err err;
    size_t count = 0;

    if (!guard_everywhere(turn, call)) return false;
    bool ok = id.size != ID_SIZE || store_find(turn->api->world->store, COLLECTION_KEYS, &query, turn->arena, ret, &count, NULL, &err);
    if (!ok) answer_err(turn, call, &err);
    else if (count == 0) answer_problem(turn, call, 404, "There is no key '" STR_FMT "'.", STR_ARG(id));
    return ok && count > 0;
}

void keys_get(struct turn *turn, struct call *call) {
    const struct record *record;
    struct json body;
    struct err err;

    if (!find(turn, call, &record)) return;
    if (json_read(record->body, NULL, turn->arena, &body, NULL, &err)) answer_json(turn, call, 200, describe(record, body, turn->arena));
    else answer_err(turn, call, &err);
}

void keys_delete(struct turn *turn, struct call *call) {
    const struct record *record;
    struct err err;

    if (!find(turn, call, &record)) return;
    if (!store_delete_many(turn->api->world->store, COLLECTION_KEYS, &record->id, 1, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    guard_forget(turn->api->guard);
    answer_empty(turn, call, 204);
}

#include "services/api/idempotency.h"

#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "services/api/api_internal.h"
#include "services/api/guard.h"

enum { KEY_SIZE_MAX = 255, KEPT_MS = 24 * 60 * 60 * 1000, SWEEP_COUNT = 500 };

/* Who asks is part of it: keys of different callers have nothing to do with each other. */
static void digest_key(const struct call *call, struct str key, char digest[DIGEST_SIZE]) {
    struct buf text;

    buf_init(&text, SIZE_MAX / 2);
    if (call->grant) buf_append(&text, call->grant->name);
    buf_append_char(&text, '\n');
    buf_append(&text, key);
    sha256_hex(buf_str(&text), digest);
    buf_clear(&text);
}

static void digest_content(const struct call *call, char digest[DIGEST_SIZE]) {
    struct buf text;

    buf_init(&text, SIZE_MAX / 2);
    buf_append(&text, request_path(call->request));
    buf_append_char(&text, '?');
    buf_append(&text, request_query(call->request));
    buf_append_char(&text, '\n');
    buf_append(&text, request_header(call->request, "Content-Type"));
    buf_append_char(&text, '\n');
    buf_append(&text, request_body(call->request));
    sha256_hex(buf_str(&text), digest);
    buf_clear(&text);
}

static struct record make_record(struct turn *turn, const struct call *call, int64_t version, struct json body) {
    int64_t expires_ms = clock_now_ms(&turn->api->world->clock) + KEPT_MS;
    struct json fields = json_object(turn->arena, 1);

    body = json_set(body, STR("content"), json_string(str_from(call->content)), turn->arena);
    return (struct record){
        .id = str_from(call->idempotency),
        .version = version,
        .fields = json_set(fields, STR("expiresAt"), json_int64(expires_ms, turn->arena), turn->arena),
        .body = json_to_str(body, turn->arena),
    };
}

static void answer_again(struct turn *turn, struct call *call, struct json kept) {
    struct str location = json_str(json_get(kept, STR("location"))), applied = json_str(json_get(kept, STR("applied")));

    call->idempotency[0] = '\0';
    if (location.size) call_header(call, "Location", location);
    if (applied.size) call_header(call, "Preference-Applied", applied);
    answer_text(turn, call, (int)json_int64_or(json_get(kept, STR("status")), 500), json_str(json_get(kept, STR("contentType"))),
            json_str(json_get(kept, STR("body"))));
}

/* A record is there: 422, or the answer, or neither yet. */
static bool meet(struct turn *turn, struct call *call, const struct record *record, struct err *err) {
    struct json kept;

    if (!json_read(record->body, NULL, turn->arena, &kept, NULL, err)) {
        answer_err(turn, call, err);
        return false;
    }
    if (!str_equal(json_str(json_get(kept, STR("content"))), str_from(call->content))) {
        call->idempotency[0] = '\0';
        answer_problem(turn, call, 422, "This Idempotency-Key came with another request within the last 24 hours.");
        return false;
    }
    if (json_is_absent(json_get(kept, STR("status")))) return true;
    answer_again(turn, call, kept);
    return false;
}

static bool has_expired(struct turn *turn, const struct record *record) {
    return json_int64_or(json_get(record->fields, STR("expiresAt")), 0) <= clock_now_ms(&turn->api->world->clock);
}

static bool reserve(struct turn *turn, struct call *call, struct err *err) {
    struct store *store = turn->api->world->store;
    struct record mine = make_record(turn, call, 1, json_object(turn->arena, 1));
    const struct record *found;
    enum verdict verdict;

    if (!store_get_many(store, COLLECTION_REQUESTS, &mine.id, 1, turn->arena, &found, err)) goto failed;
    if (found && has_expired(turn, found)) {
        if (!store_delete_many(store, COLLECTION_REQUESTS, &mine.id, 1, err)) goto failed;
        found = NULL;
    }
    if (found) return meet(turn, call, found, err);
    if (!store_insert_many(store, COLLECTION_REQUESTS, &mine, 1, &verdict, err)) goto failed;
    if (verdict == VERDICT_DONE) return true;
    if (!store_get_many(store, COLLECTION_REQUESTS, &mine.id, 1, turn->arena, &found, err)) goto failed;
    return !found || meet(turn, call, found, err);
failed:
    call->idempotency[0] = '\0';
    answer_err(turn, call, err);
    return false;
}

bool idempotency_admit(struct turn *turn, struct call *call) {
    struct str key = request_header(call->request, "Idempotency-Key");
    struct err err;

    if (!key.data || call->idempotency[0] || !str_equal(request_method(call->request), STR("POST"))) return true;
    if (key.size == 0 || key.size > KEY_SIZE_MAX) {
        answer_problem(turn, call, 400, "Idempotency-Key is a text of 1 to %d bytes.", KEY_SIZE_MAX);
        return false;
    }
    digest_key(call, key, call->idempotency);
    digest_content(call, call->content);
    return reserve(turn, call, &err);
}

void idempotency_keep(struct turn *turn, struct call *call, const struct answer *answer) {
    struct json body = json_object(turn->arena, 6);
    enum verdict verdict;
    struct err err;

    if (answer->status >= 300) return;
    assert(!turn->on_loop);
    body = json_set(body, STR("status"), json_int64(answer->status, turn->arena), turn->arena);
    body = json_set(body, STR("contentType"), json_string(answer->content_type), turn->arena);
    body = json_set(body, STR("body"), json_string(answer->body), turn->arena);
    for (size_t i = 0; i < call->header_count; i++) {
        bool location = str_equal(call->headers[i].name, STR("Location"));
        if (!location && !str_equal(call->headers[i].name, STR("Preference-Applied"))) continue;
        body = json_set(body, location ? STR("location") : STR("applied"), json_string(call->headers[i].value), turn->arena);
    }
    struct record record = make_record(turn, call, 2, body);
    if (!store_put_many(turn->api->world->store, COLLECTION_REQUESTS, &record, 1, &verdict, &err)) {
        log_event(turn->api->world->log, LOG_WARN, "api.answer-not-kept", "request", call->request_id, "error", err.message, NULL);
    }
}

struct str idempotency_id(const struct call *call, char text[UUID_TEXT_SIZE]) {
    struct str parts[] = { STR("request"), str_from(call->idempotency) };

    if (!call->idempotency[0]) return new_id(call->api, text);
    return uuid_v8(parts, ARRAY_SIZE(parts), text);
}

void idempotency_sweep(struct turn *turn) {
    int64_t now_ms = clock_now_ms(&turn->api->world->clock);
    struct query query = {
        .conditions = { { "expiresAt", OP_LESS, json_int64(now_ms, turn->arena) } },
        .condition_count = 1,
        .sort = "expiresAt",
        .limit = SWEEP_COUNT,
        .without_body = true,
    };
    const struct record *records;
    struct str ids[SWEEP_COUNT];
    struct err err;
    size_t count;

    bool ok = store_find(turn->api->world->store, COLLECTION_REQUESTS, &query, turn->arena, &records, &count, NULL, &err);
    if (ok && count == 0) return;
    for (size_t i = 0; ok && i < count; i++) ids[i] = records[i].id;
    if (ok && store_delete_many(turn->api->world->store, COLLECTION_REQUESTS, ids, count, &err)) return;
    log_event(turn->api->world->log, LOG_WARN, "api.sweep-failed", "error", err.message, NULL);
}

/* About the system itself: who asks, what runs, the contract, and a page for a browser. */

#include "common/arena.h"
#include "core/instance.h"
#include "services/api/api_internal.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "services/api/openapi.h"
#include "services/api/waits.h"
#include "store/store.h"
#include "system/queue.h"

enum { PING_MS = 1000, ROWS = 20 };

/* ---- /v1/me, /v1/system, /openapi.json ---- */

void me_get(struct turn *turn, struct call *call) {
    const struct grant *grant = call->grant;
    struct json body = json_object(turn->arena, 4), namespaces = json_array(turn->arena, 4);
    const char *role = !grant ? "admin" : grant->is_worker ? "worker" : right_name(grant->right);

    for (size_t i = 0; grant && i < grant->namespace_count; i++) {
        namespaces = json_append(namespaces, json_string(grant->namespaces[i]), turn->arena);
    }
    body = json_set(body, STR("name"), grant ? json_string(grant->name) : json_null(), turn->arena);
    body = json_set(body, STR("role"), json_string(str_from(role)), turn->arena);
    body = json_set(body, STR("namespaces"), namespaces, turn->arena);
    answer_json(turn, call, 200, json_set(body, STR("authenticated"), json_bool(grant != NULL), turn->arena));
}

static struct json health(bool ok, const struct err *err, struct arena *arena) {
    struct json state = json_set(json_object(arena, 2), STR("ok"), json_bool(ok), arena);

    return ok ? state : json_set(state, STR("detail"), json_string_copy(str_from(err_text(err->code)), arena), arena);
}

void system_get(struct turn *turn, struct call *call) {
    struct api *api = turn->api;
    const struct world *world = api->world;
    struct json body = json_object(turn->arena, 10);
    struct err store_err, bus_err;

    bool store_ok = store_ping(world->store, PING_MS, &store_err), bus_ok = bus_ping(world->bus, PING_MS, &bus_err);
    body = json_set(body, STR("name"), json_string(STR("penstock")), turn->arena);
    body = json_set(body, STR("dsl"), json_string(STR("1.0.3")), turn->arena);
    body = json_set(body, STR("replica"), json_string(str_from(world->name)), turn->arena);
    body = json_set(body, STR("embedded"), json_bool(world->embedded), turn->arena);
    body = json_set(body, STR("startedAt"), time_json(api->opened_ms, turn->arena), turn->arena);
    body = json_set(body, STR("now"), time_json(clock_now_ms(&world->clock), turn->arena), turn->arena);
    body = json_set(body, STR("store"), health(store_ok, &store_err, turn->arena), turn->arena);
    body = json_set(body, STR("bus"), health(bus_ok, &bus_err, turn->arena), turn->arena);
    body = json_set(body, STR("waiting"), json_int64((int64_t)waits_count(api->waits), turn->arena), turn->arena);
    answer_json(turn, call, 200, body);
}

void openapi_get(struct turn *turn, struct call *call) {
    answer_text(turn, call, 200, STR("application/json"), openapi_document());
}

/* ---- / ---- */

static void put_escaped(struct buf *out, struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        switch (text.data[i]) {
        case '<': buf_append_c(out, "&lt;"); break;
        case '>': buf_append_c(out, "&gt;"); break;
        case '&': buf_append_c(out, "&amp;"); break;
        case '"': buf_append_c(out, "&quot;"); break;
        default: buf_append_char(out, text.data[i]); break;
        }
    }
}

/* Names and ids need no percent-encoding: they have none but letters, digits and marks that a path takes. */
static void put_link(struct buf *out, const char *prefix, struct str target, struct str text) {
    buf_append_format(out, "<a href=\"%s", prefix);
    put_escaped(out, target);
    buf_append_c(out, "\">");
    put_escaped(out, text);
    buf_append_c(out, "</a>");
}

static void put_cell(struct buf *out, struct str text) {
    buf_append_c(out, "<td>");
    put_escaped(out, text);
}

static bool find_newest(struct turn *turn, enum collection collection, const struct record **ret, size_t *ret_count, struct err *err) {
    struct query query = { .sort = "createdAt", .descending = true, .limit = ROWS, .without_body = true };

    return store_find(turn->api->world->store, collection, &query, turn->arena, ret, ret_count, NULL, err);
}

static struct str created(const struct record *record, struct arena *arena) {
    return json_str(time_json(json_int64_or(json_get(record->fields, STR("createdAt")), 0), arena));
}

static void put_workflows(struct turn *turn, struct buf *out) {
    const struct record *records;
    struct err err;
    size_t count;

    buf_append_c(out, "<h2>Deployed last</h2>");
    if (!find_newest(turn, COLLECTION_WORKFLOWS, &records, &count, &err)) {
        buf_append_c(out, "<p>The store does not answer.</p>");
        return;
    }
    if (count == 0) buf_append_c(out, "<p>Nothing yet: <code>penstock deploy workflow.yaml</code></p>");
    buf_append_c(out, "<table>");
    for (size_t i = 0; i < count; i++) {
        buf_append_c(out, "<tr><td>");
        put_link(out, "/v1/workflows/", records[i].id, records[i].id);
        put_cell(out, created(&records[i], turn->arena));
    }
    buf_append_c(out, "</table>");
}

static void put_instances(struct turn *turn, struct buf *out) {
    const struct record *records;
    struct err err;
    size_t count;

    buf_append_c(out, "<h2>Started last</h2>");
    if (!find_newest(turn, COLLECTION_INSTANCES, &records, &count, &err)) {
        buf_append_c(out, "<p>The store does not answer.</p>");
        return;
    }
    if (count == 0) buf_append_c(out, "<p>Nothing yet: <code>penstock start namespace/name</code></p>");
    buf_append_c(out, "<table>");
    for (size_t i = 0; i < count; i++) {
        buf_append_c(out, "<tr><td>");
        put_link(out, "/v1/instances/", records[i].id, records[i].id);
        put_cell(out, json_str(json_get(records[i].fields, STR("definition"))));
        put_cell(out, json_str(json_get(records[i].fields, STR("status"))));
        put_cell(out, created(&records[i], turn->arena));
    }
    buf_append_c(out, "</table>");
}

/* Without scripts, and readable by whoever may read everything. */
void home_get(struct turn *turn, struct call *call) {
    static const char head[] = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
                               "<title>Penstock</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
                               "padding:0 1rem;color:#1c1c1c;background:#fff}td{padding:.15rem 1rem .15rem 0}code{background:#eee}"
                               "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}a{color:#8ab4f8}code{background:#333}}"
                               "</style><h1>Penstock</h1><p>A durable workflow engine. This is its REST interface; "
                               "<a href=\"/openapi.json\">/openapi.json</a> describes it. Read on: <a href=\"/v1/workflows\">workflows</a>, "
                               "<a href=\"/v1/instances\">instances</a>, <a href=\"/v1/events\">events</a>, <a href=\"/v1/system\">system</a>.</p>";
    bool may_read = call->is_known && (!call->grant || (call->grant->right >= RIGHT_VIEWER && call->grant->namespace_count == 0));

    buf_reset(&turn->out);
    buf_append_c(&turn->out, head);
    if (may_read) {
        put_workflows(turn, &turn->out);
        put_instances(turn, &turn->out);
    } else {
        buf_append_c(&turn->out, "<p>What is deployed and running is shown to callers with a key.</p>");
    }
    call_header(call, "Content-Security-Policy", STR("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"));
    call_header(call, "X-Content-Type-Options", STR("nosniff"));
    call_header(call, "Cache-Control", STR("no-store"));
    answer_text(turn, call, 200, STR("text/html; charset=utf-8"), buf_str(&turn->out));
}

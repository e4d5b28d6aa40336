/* Connections: named outside systems. What authenticates with them is sealed before it is stored, and never shown. */

#include "calls/connection.h"
#include "common/arena.h"
#include "services/api/api_internal.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "store/store.h"

/* What is stored, and how it is sealed, is in calls/connection.h; beside it stand name, namespace, createdAt and updatedAt (ms). */

enum { HEADERS_MAX = 32, WRITES_MAX = 5 };

static const char *const members[] = { "name", "namespace", "type", "settings", "authentication" };

/* ---- checking ---- */

static void check_settings(struct json settings, struct faults *faults) {
    static const char *const names[] = { "baseUrl", "headers" };
    struct str url = json_str(json_get(settings, STR("baseUrl")));
    struct json headers = json_get(settings, STR("headers"));

    if (json_type(settings) != JSON_OBJECT) {
        faults_add(faults, STR("/settings"), "settings are an object with 'baseUrl', not %s", json_type_name(settings));
        return;
    }
    check_members(settings, STR("/settings"), names, ARRAY_SIZE(names), faults);
    if (!str_starts_with(url, STR("http://")) && !str_starts_with(url, STR("https://"))) {
        faults_add(faults, STR("/settings/baseUrl"), "this is a URL of http or https");
    }
    if (json_is_absent(headers)) return;
    if (json_type(headers) != JSON_OBJECT || json_size(headers) > HEADERS_MAX) {
        faults_add(faults, STR("/settings/headers"), "headers are an object of at most %d texts", HEADERS_MAX);
        return;
    }
    for (size_t i = 0; i < json_size(headers); i++) {
        const struct json_member *header = json_member_at(headers, i);
        struct str value = json_str(header->value);
        bool plain = str_find_char(value, '\n') == value.size && str_find_char(value, '\r') == value.size;
        if (json_type(header->value) == JSON_STRING && plain && header->key.size) continue;
        faults_add(faults, pointer_to(STR("/settings/headers"), header->key, faults->arena),
                "the value of a header is a text without line ends");
    }
}

/* Either the name of a secret, or the values. */
static void check_scheme(struct json scheme, struct str pointer, const char *const *names, size_t count, struct faults *faults) {
    if (json_type(scheme) != JSON_OBJECT) {
        faults_add(faults, pointer, "this is an object, not %s", json_type_name(scheme));
        return;
    }
    if (json_has(scheme, STR("use"))) {
        static const char *const use[] = { "use" };
        check_members(scheme, pointer, use, 1, faults);
        if (!is_name(json_str(json_get(scheme, STR("use"))))) {
            faults_add(faults, str_format(faults->arena, STR_FMT "/use", STR_ARG(pointer)), "this is the name of a secret");
        }
        return;
    }
    check_members(scheme, pointer, names, count, faults);
    for (size_t i = 0; i < count; i++) {
        struct json value = json_get(scheme, str_from(names[i]));
        if (json_type(value) == JSON_STRING && !str_equal(json_str(value), STR("***"))) continue;
        faults_add(faults, str_format(faults->arena, STR_FMT "/%s", STR_ARG(pointer), names[i]),
                "this is a text, to be given again each time it is written");
    }
}

static void check_authentication(struct json authentication, struct faults *faults) {
    static const char *const schemes[] = { "basic", "bearer", "digest" };
    static const char *const user[] = { "username", "password" }, *const token[] = { "token" };

    if (json_is_absent(authentication)) return;
    if (json_type(authentication) != JSON_OBJECT || json_size(authentication) != 1) {
        faults_add(faults, STR("/authentication"), "this is an object with one of 'basic', 'bearer', 'digest'");
        return;
    }
    check_members(authentication, STR("/authentication"), schemes, ARRAY_SIZE(schemes), faults);
    const struct json_member *scheme = json_member_at(authentication, 0);
    struct str pointer = pointer_to(STR("/authentication"), scheme->key, faults->arena);
    if (str_equal(scheme->key, STR("bearer"))) check_scheme(scheme->value, pointer, token, ARRAY_SIZE(token), faults);
    else check_scheme(scheme->value, pointer, user, ARRAY_SIZE(user), faults);
}

/* The path names it for a PUT, the body for a POST; where both do, they agree. */
static void check_place(struct json body, const char *member, struct str *place, struct faults *faults) {
    struct json value = json_get(body, str_from(member));
    struct str pointer = str_format(faults->arena, "/%s", member);

    if (place->data && !json_is_absent(value) && !str_equal(json_str(value), *place)) {
        faults_add(faults, pointer, "the path says '" STR_FMT "'", STR_ARG(*place));
    }
    if (!place->data) *place = json_str(value);
}

static bool read_connection(struct turn *turn, struct call *call, struct str *namespace, struct str *name, struct json *ret_body) {
    struct faults faults;

    if (!call_object(turn, call, members, ARRAY_SIZE(members), ret_body)) return false;
    faults_init(&faults, turn->arena);
    check_place(*ret_body, "namespace", namespace, &faults);
    check_place(*ret_body, "name", name, &faults);
    if (!is_label(*namespace)) faults_add(&faults, STR("/namespace"), "a namespace has lower-case letters, digits and '-', at most 63");
    if (!is_name(*name)) faults_add(&faults, STR("/name"), "a name has letters, digits, '-', '_' and '.', at most 63");
    if (!str_equal(json_str(json_get(*ret_body, STR("type"))), STR("http"))) {
        faults_add(&faults, STR("/type"), "the only type of this build is 'http'");
    }
    check_settings(json_get(*ret_body, STR("settings")), &faults);
    check_authentication(json_get(*ret_body, STR("authentication")), &faults);
    if (faults.count == 0) return guard_namespace(turn, call, *namespace);
    answer_faults(turn, call, &faults, "The body is no connection.");
    return false;
}

/* ---- showing ---- */

static struct json show(struct json stored, struct arena *arena) {
    struct json shown = connection_shown(stored, arena);

    shown = json_set(shown, STR("createdAt"), time_json(json_int64_or(json_get(stored, STR("createdAt")), 0), arena), arena);
    return json_set(shown, STR("updatedAt"), time_json(json_int64_or(json_get(stored, STR("updatedAt")), 0), arena), arena);
}

static struct str connection_id(struct str namespace, struct str name, struct arena *arena) {
    return str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(name));
}

/* *ret_version 0: there is none. */
static bool load(struct turn *turn, struct str id, struct json *ret, int64_t *ret_version, struct err *err) {
    const struct record *record;

    *ret_version = 0;
    if (!store_get_many(turn->api->world->store, COLLECTION_CONNECTIONS, &id, 1, turn->arena, &record, err)) return false;
    if (!record) return true;
    *ret_version = record->version;
    return json_read(record->body, NULL, turn->arena, ret, NULL, err);
}

/* ---- storing ---- */

/* A connection on its way into the store. */
struct write {
    struct str id, namespace;
    struct json stored;  /* with its times, once it is written */
    int64_t version;     /* of what is there; 0: nothing */
    int64_t created_ms;  /* of what is there */
    bool won;
};

static bool write_once(struct turn *turn, struct write *write, struct err *err) {
    int64_t now_ms = clock_now_ms(&turn->api->world->clock);
    struct json fields = json_object(turn->arena, 1), body = write->stored;

    body = json_set(body, STR("createdAt"), json_int64(write->version ? write->created_ms : now_ms, turn->arena), turn->arena);
    body = json_set(body, STR("updatedAt"), json_int64(now_ms, turn->arena), turn->arena);
    struct record record = {
        .id = write->id,
        .version = write->version + 1,
        .fields = json_set(fields, STR("namespace"), json_string(write->namespace), turn->arena),
        .body = json_to_str(body, turn->arena),
    };
    write->stored = body;
    return store_compare_and_set(turn->api->world->store, COLLECTION_CONNECTIONS, &record, write->version, &write->won, err);
}

/* What is stored: the members in order, with all that authenticates sealed. */
static bool prepare(struct turn *turn, struct str namespace, struct str name, struct json body, struct json *ret, struct err *err) {
    struct json stored = json_object(turn->arena, 8);

    stored = json_set(stored, STR("name"), json_string(name), turn->arena);
    stored = json_set(stored, STR("namespace"), json_string(namespace), turn->arena);
    stored = json_set(stored, STR("type"), json_get(body, STR("type")), turn->arena);
    stored = json_set(stored, STR("settings"), json_get(body, STR("settings")), turn->arena);
    stored = json_set(stored, STR("authentication"), json_get(body, STR("authentication")), turn->arena);
    return connection_seal(turn->api->secrets, (struct secret_place){ namespace, name }, stored, turn->arena, ret, err);
}

static void save(struct turn *turn, struct call *call, struct str namespace, struct str name, bool may_replace) {
    struct json body, before = { .type = JSON_ABSENT };
    struct write write = { .won = false };
    struct err err;

    if (!read_connection(turn, call, &namespace, &name, &body)) return;
    write.id = connection_id(namespace, name, turn->arena);
    write.namespace = namespace;
    bool ok = prepare(turn, namespace, name, body, &write.stored, &err);
    for (int i = 0; ok && !write.won && i < WRITES_MAX; i++) {
        ok = load(turn, write.id, &before, &write.version, &err);
        if (!ok || (write.version && !may_replace)) break;
        write.created_ms = json_int64_or(json_get(before, STR("createdAt")), 0);
        ok = write_once(turn, &write, &err);
    }
    if (!ok) {
        answer_err(turn, call, &err);
    } else if (!write.won) {
        answer_problem(turn, call, 409, may_replace ? "Others write '" STR_FMT "' at the same time; try again."
                                                    : "There is a connection '" STR_FMT "' already; PUT replaces it.", STR_ARG(write.id));
    } else {
        call_header(call, "Location", str_format(turn->arena, "/v1/connections/" STR_FMT, STR_ARG(write.id)));
        answer_json(turn, call, write.version ? 200 : 201, show(write.stored, turn->arena));
    }
}

void connection_post(struct turn *turn, struct call *call) {
    save(turn, call, STR_NULL, STR_NULL, false);
}

void connection_put(struct turn *turn, struct call *call) {
    save(turn, call, call_parameter(call, 0), call_parameter(call, 1), true);
}

void connection_get(struct turn *turn, struct call *call) {
    struct str namespace = call_parameter(call, 0), id = connection_id(namespace, call_parameter(call, 1), turn->arena);
    struct json stored;
    struct err err;
    int64_t version;

    if (!guard_namespace(turn, call, namespace)) return;
    if (!load(turn, id, &stored, &version, &err)) answer_err(turn, call, &err);
    else if (!version) answer_problem(turn, call, 404, "There is no connection '" STR_FMT "'.", STR_ARG(id));
    else answer_json(turn, call, 200, show(stored, turn->arena));
}

void connection_delete(struct turn *turn, struct call *call) {
    struct str namespace = call_parameter(call, 0), id = connection_id(namespace, call_parameter(call, 1), turn->arena);
    struct json stored;
    struct err err;
    int64_t version;

    if (!guard_namespace(turn, call, namespace)) return;
    bool ok = load(turn, id, &stored, &version, &err);
    if (ok && version) ok = store_delete_many(turn->api->world->store, COLLECTION_CONNECTIONS, &id, 1, &err);
    if (!ok) answer_err(turn, call, &err);
    else if (!version) answer_problem(turn, call, 404, "There is no connection '" STR_FMT "'.", STR_ARG(id));
    else answer_empty(turn, call, 204);
}

void connection_list(struct turn *turn, struct call *call) {
    static const char *const names[] = { "namespace", "limit", "cursor" };
    struct str values[ARRAY_SIZE(names)], next;
    struct json items = json_array(turn->arena, 16), stored;
    const struct record *records;
    struct query query = { .sort = "_id" };
    struct err err;
    size_t count;

    if (!call_query(turn, call, names, ARRAY_SIZE(names), values) || !call_limit(turn, call, values[1], &query.limit)) return;
    if (!guard_list(turn, call, values[0], &query)) return;
    query.after = values[2];
    if (!store_find(turn->api->world->store, COLLECTION_CONNECTIONS, &query, turn->arena, &records, &count, &next, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!json_read(records[i].body, NULL, turn->arena, &stored, NULL, &err)) continue;
        items = json_append(items, show(stored, turn->arena), turn->arena);
    }
    answer_page(turn, call, items, next);
}

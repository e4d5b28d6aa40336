#include "calls/connection.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/list.h"
#include "core/error.h"
#include "store/store.h"
#include "system/clock.h"

enum { KEPT_MAX = 256, AWAY_MS = 1000, DEPTH_MAX = 8 };

/* The body of a record as it is stored: sealed. */
struct kept {
    struct list item; /* the oldest is first */
    struct arena *arena;
    struct str id, body;
    int64_t until_ms;
};

struct connections {
    struct store *store;
    const struct secrets *secrets;
    struct clock clock;
    struct list kept;
    size_t kept_count;
    int64_t away_until_ms;
};

/* ---- lives ---- */

struct connections *connections_new(struct store *store, const struct secrets *secrets, const struct clock *clock) {
    struct connections *connections = calloc(1, sizeof(*connections));

    assert(connections);
    connections->store = store;
    connections->secrets = secrets;
    connections->clock = *clock;
    list_init(&connections->kept);
    return connections;
}

static void drop(struct connections *connections, struct kept *kept) {
    list_remove(&kept->item);
    connections->kept_count--;
    arena_free(kept->arena);
    free(kept);
}

void connections_free(struct connections *connections) {
    if (!connections) return;
    list_foreach(item, &connections->kept) drop(connections, list_entry(item, struct kept, item));
    free(connections);
}

/* ---- records ---- */

static struct kept *find_kept(struct connections *connections, struct str id) {
    int64_t now_ms = clock_monotonic_ms(&connections->clock);
    struct kept *found = NULL;

    list_foreach(item, &connections->kept) {
        struct kept *kept = list_entry(item, struct kept, item);
        if (kept->until_ms <= now_ms) {
            drop(connections, kept);
        } else if (str_equal(kept->id, id)) {
            found = kept;
        }
    }
    return found;
}

static void keep(struct connections *connections, const struct record *record) {
    struct kept *kept = calloc(1, sizeof(*kept));

    assert(kept);
    kept->arena = arena_new();
    kept->id = str_copy(record->id, kept->arena);
    kept->body = str_copy(record->body, kept->arena);
    kept->until_ms = clock_monotonic_ms(&connections->clock) + CONNECTIONS_KEPT_MS;
    list_append(&connections->kept, &kept->item);
    if (++connections->kept_count > KEPT_MAX) drop(connections, list_entry(connections->kept.next, struct kept, item));
}

/* Errors   NOT_FOUND; UNAVAILABLE and the like. While the store is away only one call in AWAY_MS waits for it. */
static bool read_body(struct connections *connections, struct secret_place place, struct arena *arena, struct str *ret, struct err *err) {
    struct str namespace = place.namespace, name = place.name;
    struct str id = str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(name));
    struct kept *kept = find_kept(connections, id);
    const struct record *record;

    if (kept) {
        *ret = str_copy(kept->body, arena);
        return true;
    }
    int64_t now_ms = clock_monotonic_ms(&connections->clock);
    if (now_ms < connections->away_until_ms) return err_set(err, ERR_UNAVAILABLE, "the store is away");
    if (!store_get_many(connections->store, COLLECTION_CONNECTIONS, &id, 1, arena, &record, err)) {
        connections->away_until_ms = clock_monotonic_ms(&connections->clock) + AWAY_MS;
        return false;
    }
    if (!record) {
        return err_set(err, ERR_NOT_FOUND, "namespace '" STR_FMT "' has no connection '" STR_FMT "'", STR_ARG(namespace), STR_ARG(name));
    }
    keep(connections, record);
    *ret = record->body;
    return true;
}

/* ---- sealed values ---- */

/* Credentials are sealed for "connection/NAME": of no use as a secret, or in another connection. */
static struct secret_place place_of(struct secret_place place, struct arena *arena) {
    return (struct secret_place){ place.namespace, str_format(arena, "connection/" STR_FMT, STR_ARG(place.name)) };
}

static bool is_sealed(struct json value) {
    return json_size(value) == 1 && json_type(json_get(value, STR("sealed"))) == JSON_STRING;
}

/* What is done to the values of a body. */
struct change {
    const struct secrets *secrets;
    struct secret_place place;
    struct redact *redact;
    struct arena *arena;
    struct err *err;
};

static bool unseal(const struct change *change, struct json value, unsigned depth, struct json *ret) {
    struct arena *arena = change->arena;

    *ret = value;
    if (is_sealed(value)) {
        struct str text = json_str(json_get(value, STR("sealed")));
        if (!secrets_open(change->secrets, change->place, text, arena, ret, change->err)) return false;
        return redact_add(change->redact, *ret, arena) || err_set(change->err, ERR_INVALID, "the connection has too many secrets");
    }
    if (json_type(value) != JSON_OBJECT || depth == 0) return true;
    struct json result = json_object(arena, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        struct json item;
        if (!unseal(change, member->value, depth - 1, &item)) return false;
        result = json_set(result, member->key, item, arena);
    }
    *ret = result;
    return true;
}

static struct json names_of_sealed(struct json headers, struct arena *arena) {
    struct json names = json_object(arena, 0);

    for (size_t i = 0; i < json_size(headers); i++) {
        const struct json_member *member = json_member_at(headers, i);
        if (is_sealed(member->value)) names = json_set(names, member->key, json_bool(true), arena);
    }
    return names;
}

/* ---- reading ---- */

static enum prepared refuse(struct preparation *preparation, enum error_kind kind, struct str detail) {
    preparation->error = error_make(kind, str_copy(detail, preparation->arena), preparation->arena);
    return PREPARED_ERROR;
}

static enum prepared refuse_err(struct preparation *preparation, enum error_kind kind, const struct err *reason) {
    if (!err_is_retryable(reason->code)) return refuse(preparation, kind, str_from(reason->message));
    preparation->err = *reason;
    return PREPARED_LATER;
}

static enum prepared check(struct preparation *preparation, struct json body, struct str name) {
    struct str type = json_str(json_get(body, STR("type")));
    const char *wrong = NULL;

    if (!str_equal(type, STR("http"))) {
        wrong = "has a type that is not available in this build; 'http' is";
    } else if (!json_str(json_pointer_get(body, STR("/settings/baseUrl"))).size) {
        wrong = "has no settings.baseUrl";
    }
    if (!wrong) return PREPARED;
    struct str detail = str_format(preparation->arena, "the connection '" STR_FMT "' %s", STR_ARG(name), wrong);
    return refuse(preparation, ERROR_CONFIGURATION, detail);
}

enum prepared connections_find(struct connections *connections, struct preparation *preparation, struct str name, struct connection *ret) {
    struct secret_place place = { preparation->task->namespace, name };
    struct arena *arena = preparation->arena;
    struct err reason;
    struct change change = { connections->secrets, place_of(place, arena), preparation->redact, arena, &reason };
    struct json body;
    struct str text;

    bool found = read_body(connections, place, arena, &text, &reason) && json_read(text, NULL, arena, &body, NULL, &reason);
    if (!found) return refuse_err(preparation, ERROR_CONFIGURATION, &reason);
    enum prepared verdict = check(preparation, body, name);
    if (verdict != PREPARED) return verdict;
    struct json headers = json_pointer_get(body, STR("/settings/headers"));
    *ret = (struct connection){
        .base_url = json_str(json_pointer_get(body, STR("/settings/baseUrl"))),
        .hidden_headers = names_of_sealed(headers, arena),
    };
    bool opened = unseal(&change, headers, DEPTH_MAX, &ret->headers)
            && unseal(&change, json_get(body, STR("authentication")), DEPTH_MAX, &ret->authentication);
    if (!opened) return refuse_err(preparation, ERROR_AUTHORIZATION, &reason);
    return task_resolve_authentication(preparation, connections->secrets, &ret->authentication);
}

/* ---- writing ---- */

static bool is_open_by_name(struct str key) {
    return str_equal(key, STR("username")) || str_equal(key, STR("use"));
}

static bool carries_credential(struct str header) {
    static const struct str parts[] = { STR_INIT("auth"), STR_INIT("cookie"), STR_INIT("key"), STR_INIT("secret"), STR_INIT("token"),
        STR_INIT("password"), STR_INIT("signature") };

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        for (size_t at = 0; at + parts[i].size <= header.size; at++) {
            if (str_equal_nocase(str_slice(header, at, at + parts[i].size), parts[i])) return true;
        }
    }
    return false;
}

static bool seal_one(const struct change *change, struct json value, struct json *ret) {
    struct str sealed;

    if (!secrets_seal(change->secrets, change->place, value, change->arena, &sealed, change->err)) return false;
    *ret = json_set(json_object(change->arena, 1), STR("sealed"), json_string(sealed), change->arena);
    return true;
}

static bool seal_inside(const struct change *change, struct json value, unsigned depth, struct json *ret) {
    enum json_type type = json_type(value);

    *ret = value;
    if (type == JSON_STRING || type == JSON_NUMBER) return seal_one(change, value, ret);
    if (type != JSON_OBJECT || is_sealed(value) || depth == 0) return true;
    struct json result = json_object(change->arena, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        struct json item = member->value;
        if (!is_open_by_name(member->key) && !seal_inside(change, member->value, depth - 1, &item)) return false;
        result = json_set(result, member->key, item, change->arena);
    }
    *ret = result;
    return true;
}

static bool seal_headers(const struct change *change, struct json headers, struct json *ret) {
    *ret = headers;
    for (size_t i = 0; i < json_size(headers); i++) {
        const struct json_member *member = json_member_at(headers, i);
        struct json item;
        if (json_type(member->value) != JSON_STRING || !carries_credential(member->key)) continue;
        if (!seal_one(change, member->value, &item)) return false;
        *ret = json_set(*ret, member->key, item, change->arena);
    }
    return true;
}

bool connection_seal(const struct secrets *secrets, struct secret_place place, struct json body, struct arena *arena, struct json *ret_body,
        struct err *err) {
    struct change change = { secrets, place_of(place, arena), NULL, arena, err };
    struct json settings = json_get(body, STR("settings")), authentication, headers;

    if (!seal_inside(&change, json_get(body, STR("authentication")), DEPTH_MAX, &authentication)
            || !seal_headers(&change, json_get(settings, STR("headers")), &headers)) {
        return false;
    }
    if (!json_is_absent(headers)) settings = json_set(settings, STR("headers"), headers, arena);
    if (!json_is_absent(settings)) body = json_set(body, STR("settings"), settings, arena);
    if (!json_is_absent(authentication)) body = json_set(body, STR("authentication"), authentication, arena);
    *ret_body = body;
    return true;
}

static struct json shown(struct json value, unsigned depth, struct arena *arena) {
    if (is_sealed(value)) return json_string(STR(REDACTED));
    if (json_type(value) != JSON_OBJECT || depth == 0) return value;
    struct json result = json_object(arena, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        result = json_set(result, member->key, shown(member->value, depth - 1, arena), arena);
    }
    return result;
}

struct json connection_shown(struct json body, struct arena *arena) {
    return shown(body, DEPTH_MAX, arena);
}

/* ---- URLs ---- */

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A path as a server may read it: escapes resolved, '\' as '/'. */
static struct str as_read(struct str path, struct arena *arena) {
    char *text = arena_alloc(arena, path.size + 1);
    size_t size = 0;

    for (size_t i = 0; i < path.size; i++) {
        char c = path.data[i];
        bool escaped = c == '%' && i + 2 < path.size && hex_value(path.data[i + 1]) >= 0 && hex_value(path.data[i + 2]) >= 0;
        if (escaped) {
            c = (char)(hex_value(path.data[i + 1]) << 4 | hex_value(path.data[i + 2]));
            i += 2;
        }
        text[size++] = (char)(c == '\\' ? '/' : c);
    }
    return (struct str){ text, size };
}

static bool leaves_base(struct str path, struct arena *arena) {
    struct str rest = as_read(str_slice(path, 0, str_find_char(path, '?')), arena);

    while (rest.data) {
        /* Path parameters do not make it another segment: "..;x" (RFC 3986, 3.3; some servers cut them off first). */
        struct str segment = str_cut(&rest, '/');
        if (str_equal(str_cut(&segment, ';'), STR(".."))) return true;
    }
    return false;
}

bool connection_join(struct str base_url, struct str path, struct arena *arena, struct str *ret, struct err *err) {
    bool is_http = str_equal_nocase(str_slice(base_url, 0, 7), STR("http://"))
            || str_equal_nocase(str_slice(base_url, 0, 8), STR("https://"));

    if (!is_http) return err_set(err, ERR_INVALID, "its baseUrl is no http or https URL");
    if (str_find_char(base_url, '?') < base_url.size || str_find_char(base_url, '#') < base_url.size) {
        return err_set(err, ERR_INVALID, "its baseUrl holds a '?' or '#'");
    }
    if (str_find(path, STR("://")) < str_find_char(path, '?') || str_starts_with(path, STR("//"))) {
        return err_set(err, ERR_INVALID, "the path is a URL of its own; it has to be relative to the baseUrl");
    }
    if (str_find_char(path, '#') < path.size) return err_set(err, ERR_INVALID, "the path holds a '#'");
    if (leaves_base(path, arena)) return err_set(err, ERR_INVALID, "the path holds '..', which would leave the baseUrl");
    while (str_ends_with(base_url, STR("/"))) base_url.size--;
    while (str_starts_with(path, STR("/"))) path = str_slice(path, 1, path.size);
    bool bare = !path.size || path.data[0] == '?';
    *ret = str_format(arena, STR_FMT "%s" STR_FMT, STR_ARG(base_url), bare ? "" : "/", STR_ARG(path));
    return true;
}

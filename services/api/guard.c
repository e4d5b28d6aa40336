#include "services/api/guard.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "services/api/api_internal.h"
#include "system/queue.h"

/* A key is known by its hash alone. What a key allows is kept for GRANT_KEPT_MS, so that a request costs no read; a key that is deleted by
 * another replica is good for that long still. */
enum {
    SLOTS = 512,
    GRANT_KEPT_MS = 5 * 1000,
    KEYS_KEPT_MS = 1000,
    KEY_SIZE_MAX = 512,
    HOST_SIZE_MAX = 255,
};

struct slot {
    char digest[DIGEST_SIZE];
    const struct grant *grant;
    int64_t until_ms;
};

struct guard {
    struct api *api;
    struct lock *lock;
    struct slot slots[SLOTS];
    char admin[DIGEST_SIZE]; /* of PENSTOCK_ADMIN_KEY; empty: not set */
    struct grant admin_grant;
    bool is_exposed; /* the listener can be reached by other machines: never without keys */
    bool has_keys;
    int64_t has_keys_until_ms;
};

/* ---- grants ---- */

static const struct { const char *name; enum right right; bool is_worker; } roles[] = {
    { "viewer", RIGHT_VIEWER, false },
    { "operator", RIGHT_OPERATOR, false },
    { "author", RIGHT_AUTHOR, false },
    { "worker", RIGHT_ANY, true },
    { "admin", RIGHT_ADMIN, false },
};

bool right_parse(struct str text, enum right *ret, bool *ret_is_worker) {
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
        if (!str_equal(text, str_from(roles[i].name))) continue;
        *ret = roles[i].right;
        *ret_is_worker = roles[i].is_worker;
        return true;
    }
    return false;
}

const char *right_name(enum right right) {
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
        if (roles[i].right == right) return roles[i].name;
    }
    return "nobody";
}

static struct str keep_text(struct str text) {
    char *copy = malloc(text.size + 1);

    assert(copy);
    if (text.size) memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return (struct str){ copy, text.size };
}

static void free_text(struct str text) {
    union { const char *read; char *owned; } pointer = { text.data };

    free(pointer.owned);
}

static struct grant *grant_new(struct json body) {
    struct grant *grant = calloc(1, sizeof(*grant));
    struct json namespaces = json_get(body, STR("namespaces"));

    assert(grant);
    grant->references = 1;
    grant->name = keep_text(json_str(json_get(body, STR("name"))));
    grant->expires_ms = json_int64_or(json_get(body, STR("expiresAt")), 0);
    if (!right_parse(json_str(json_get(body, STR("role"))), &grant->right, &grant->is_worker)) grant->right = RIGHT_PUBLIC;
    grant->namespaces = calloc(json_size(namespaces) + 1, sizeof(*grant->namespaces));
    assert(grant->namespaces);
    for (size_t i = 0; i < json_size(namespaces); i++) {
        grant->namespaces[grant->namespace_count++] = keep_text(json_str(json_at(namespaces, i)));
    }
    return grant;
}

static struct grant *writable(const struct grant *grant) {
    union { const struct grant *read; struct grant *owned; } pointer = { grant };

    return pointer.owned;
}

static const struct grant *grant_reference(const struct grant *grant) {
    __atomic_fetch_add(&writable(grant)->references, 1, __ATOMIC_RELAXED);
    return grant;
}

void grant_release(const struct grant *grant) {
    if (!grant || __atomic_sub_fetch(&writable(grant)->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (size_t i = 0; i < grant->namespace_count; i++) free_text(grant->namespaces[i]);
    free(grant->namespaces);
    free_text(grant->name);
    free(writable(grant));
}

bool grant_covers(const struct grant *grant, struct str namespace) {
    if (!grant || grant->namespace_count == 0) return true;
    for (size_t i = 0; i < grant->namespace_count; i++) {
        if (str_equal(grant->namespaces[i], namespace)) return true;
    }
    return false;
}

/* ---- life ---- */

struct guard *guard_new(struct api *api) {
    struct guard *guard = calloc(1, sizeof(*guard));
    const char *admin_key = api->world->config->admin_key;

    assert(guard);
    guard->api = api;
    guard->lock = lock_new();
    if (admin_key && admin_key[0]) sha256_hex(str_from(admin_key), guard->admin);
    guard->admin_grant = (struct grant){ .references = 1, .right = RIGHT_ADMIN, .name = STR("PENSTOCK_ADMIN_KEY") };
    return guard;
}

static void clear(struct guard *guard) {
    for (size_t i = 0; i < SLOTS; i++) {
        grant_release(guard->slots[i].grant);
        guard->slots[i] = (struct slot){ .until_ms = 0 };
    }
    guard->has_keys_until_ms = 0;
}

void guard_free(struct guard *guard) {
    if (!guard) return;
    clear(guard);
    assert(guard->admin_grant.references == 1);
    lock_free(guard->lock);
    free(guard);
}

void guard_forget(struct guard *guard) {
    lock_acquire(guard->lock);
    clear(guard);
    lock_release(guard->lock);
}

/* ---- are there keys ---- */

static bool count_keys(struct guard *guard, bool *ret, struct err *err) {
    struct query query = { .limit = 1 };
    int64_t count;

    if (!store_count(guard->api->world->store, COLLECTION_KEYS, &query, &count, err)) return err_wrap(err, "keys");
    *ret = count > 0;
    return true;
}

static bool has_keys(struct guard *guard, int64_t now_ms, bool *ret, struct err *err) {
    *ret = true;
    if (guard->admin[0] || guard->is_exposed) return true;
    lock_acquire(guard->lock);
    bool known = guard->has_keys_until_ms > now_ms;
    *ret = guard->has_keys;
    lock_release(guard->lock);
    if (known) return true;
    if (!count_keys(guard, ret, err)) return false;
    lock_acquire(guard->lock);
    guard->has_keys = *ret;
    guard->has_keys_until_ms = now_ms + KEYS_KEPT_MS;
    lock_release(guard->lock);
    return true;
}

bool guard_has_keys(struct turn *turn, bool *ret, struct err *err) {
    return has_keys(turn->api->guard, turn->now_ms, ret, err);
}

/* ---- this machine ---- */

/* "127.0.0.1:8000", "[::1]:8000", "localhost" → without port and brackets. */
static struct str host_of(struct str authority) {
    if (authority.size && authority.data[0] == '[') {
        size_t end = str_find_char(authority, ']');
        return str_slice(authority, 1, end);
    }
    return str_slice(authority, 0, str_find_char(authority, ':'));
}

static bool is_loopback(struct str host) {
    if (host.size == 0 || host.size > HOST_SIZE_MAX) return false;
    if (str_equal_nocase(host, STR("localhost")) || str_equal(host, STR("::1"))) return true;
    if (!str_starts_with(host, STR("127."))) return false;
    for (size_t i = 0; i < host.size; i++) {
        bool address = (host.data[i] >= '0' && host.data[i] <= '9') || host.data[i] == '.';
        if (!address) return false; /* 127.example.org */
    }
    return true;
}

/* A page of another site may ask the browser for us by a name of its own (DNS rebinding), or send simple requests (its Origin then
 * says so). */
static bool is_local(const struct request *request) {
    struct str host = request_header(request, "Host"), origin = request_header(request, "Origin");

    if (host.size && !is_loopback(host_of(host))) return false;
    if (!origin.size) return true;
    size_t scheme = str_find(origin, STR("://"));
    return scheme < origin.size && is_loopback(host_of(str_slice(origin, scheme + 3, origin.size)));
}

bool guard_check_listener(struct guard *guard, const char *listen, struct err *err) {
    bool keys;

    guard->is_exposed = !is_loopback(host_of(str_from(listen)));
    if (!guard->is_exposed || guard->admin[0]) return true;
    if (!strchr(listen, ':')) return true; /* no address at all: refused where it is opened, in better words */
    if (!count_keys(guard, &keys, err)) return false;
    return keys || err_set(err, ERR_INVALID,
            "PENSTOCK_LISTEN is '%s', which other machines can reach, and no key is asked for: set PENSTOCK_ADMIN_KEY, or listen on "
            "127.0.0.1", listen);
}

/* ---- callers ---- */

static const struct grant *find_kept(struct guard *guard, const char *digest, int64_t now_ms) {
    struct slot *slot = &guard->slots[str_hash(str_from(digest)) % SLOTS];
    const struct grant *grant = NULL;

    lock_acquire(guard->lock);
    if (slot->grant && slot->until_ms > now_ms && strcmp(slot->digest, digest) == 0) grant = grant_reference(slot->grant);
    lock_release(guard->lock);
    return grant;
}

static void keep(struct guard *guard, const char *digest, const struct grant *grant, int64_t now_ms) {
    struct slot *slot = &guard->slots[str_hash(str_from(digest)) % SLOTS];

    lock_acquire(guard->lock);
    grant_release(slot->grant);
    slot->grant = grant_reference(grant);
    slot->until_ms = now_ms + GRANT_KEPT_MS;
    memcpy(slot->digest, digest, DIGEST_SIZE);
    lock_release(guard->lock);
}

/* Takes the same time wherever the first difference is. */
static bool same_digest(const char *a, const char *b) {
    unsigned difference = 0;

    for (size_t i = 0; i < DIGEST_SIZE - 1; i++) difference |= (unsigned char)a[i] ^ (unsigned char)b[i];
    return difference == 0;
}

/* *ret_grant is NULL for a key that is not there. */
static bool look_up(struct turn *turn, struct str key, const struct grant **ret_grant, struct err *err) {
    struct guard *guard = turn->api->guard;
    const struct record *record;
    char digest[DIGEST_SIZE];
    struct str id = sha256_hex(key, digest);
    struct json body;

    *ret_grant = NULL;
    if (guard->admin[0] && same_digest(guard->admin, digest)) {
        *ret_grant = grant_reference(&guard->admin_grant);
        return true;
    }
    *ret_grant = find_kept(guard, digest, turn->now_ms);
    if (*ret_grant) return true;
    if (!store_get_many(turn->api->world->store, COLLECTION_KEYS, &id, 1, turn->arena, &record, err)) return err_wrap(err, "keys");
    if (!record) return true;
    if (!json_read(record->body, NULL, turn->arena, &body, NULL, err)) return err_wrap(err, "key");
    *ret_grant = grant_new(body);
    keep(guard, digest, *ret_grant, turn->now_ms);
    return true;
}

static bool refuse_unknown(struct turn *turn, struct call *call, const char *detail) {
    call_header(call, "WWW-Authenticate", STR("Bearer realm=\"penstock\""));
    answer_problem(turn, call, 401, "%s", detail);
    return false;
}

static bool admit_key(struct turn *turn, struct call *call, struct str authorization) {
    int64_t now_ms = clock_now_ms(&turn->api->world->clock);
    struct str key = authorization, scheme = str_cut(&key, ' ');
    struct err err;

    key = str_trim(key);
    if (!str_equal_nocase(scheme, STR("Bearer")) || key.size == 0 || key.size > KEY_SIZE_MAX) {
        return refuse_unknown(turn, call, "The header has to be 'Authorization: Bearer KEY'.");
    }
    if (!look_up(turn, key, &call->grant, &err)) {
        answer_err(turn, call, &err);
        return false;
    }
    bool expired = call->grant && call->grant->expires_ms && call->grant->expires_ms <= now_ms;
    if (!call->grant || expired) return refuse_unknown(turn, call, expired ? "The key has expired." : "There is no such key.");
    if (call->grant->right >= call->route->right) return true;
    answer_problem(turn, call, 403, "This needs the role '%s'; the key '" STR_FMT "' has '%s'.", right_name(call->route->right),
            STR_ARG(call->grant->name), call->grant->is_worker ? "worker" : right_name(call->grant->right));
    return false;
}

bool guard_admit(struct turn *turn, struct call *call) {
    struct str authorization = request_header(call->request, "Authorization");
    bool is_public = call->route->right == RIGHT_PUBLIC, keys;
    struct err err;

    if (!has_keys(turn->api->guard, turn->now_ms, &keys, &err)) {
        if (is_public) return true;
        answer_err(turn, call, &err);
        return false;
    }
    if (!keys && !is_local(call->request)) {
        answer_problem(turn, call, 403, "While no key is configured, only this machine is served: Host and Origin have to be localhost, "
                                        "127.0.0.1 or [::1].");
        return false;
    }
    call->is_known = !keys || authorization.size;
    if (!keys || (is_public && !authorization.size)) return true;
    if (authorization.size) return admit_key(turn, call, authorization);
    return refuse_unknown(turn, call, "A key is needed: send it as 'Authorization: Bearer KEY'.");
}

bool guard_namespace(struct turn *turn, struct call *call, struct str namespace) {
    if (grant_covers(call->grant, namespace)) return true;
    answer_problem(turn, call, 403, "The key '" STR_FMT "' does not cover the namespace '" STR_FMT "'.", STR_ARG(call->grant->name),
            STR_ARG(namespace));
    return false;
}

bool guard_everywhere(struct turn *turn, struct call *call) {
    if (!call->grant || call->grant->namespace_count == 0) return true;
    answer_problem(turn, call, 403, "This belongs to no namespace; the key '" STR_FMT "' is bound to some.", STR_ARG(call->grant->name));
    return false;
}

bool guard_list(struct turn *turn, struct call *call, struct str namespace, struct query *query) {
    struct json namespaces = json_array(turn->arena, 4);

    if (namespace.data) {
        if (!guard_namespace(turn, call, namespace)) return false;
        query->conditions[query->condition_count++] = (struct condition){ "namespace", OP_EQUAL, json_string(namespace) };
        return true;
    }
    if (!call->grant || call->grant->namespace_count == 0) return true;
    for (size_t i = 0; i < call->grant->namespace_count; i++) {
        namespaces = json_append(namespaces, json_string(call->grant->namespaces[i]), turn->arena);
    }
    query->conditions[query->condition_count++] = (struct condition){ "namespace", OP_IN, namespaces };
    return true;
}

#pragma once
/* Connections: named outside systems with their credentials, which no workflow sees.
 *
 * A record of COLLECTION_CONNECTIONS, id NAMESPACE/NAME, has the body
 *
 *   { "type": "http",
 *     "settings": { "baseUrl": "https://…", "headers"?: { name: value } },
 *     "authentication"?: { "basic": { "username", "password" } | "bearer": { "token" } | "digest": { "username", "password" } } }
 *
 * In place of a text inside `authentication` and `headers` may stand { "sealed": text }, sealed for the name "connection/NAME" of the
 * namespace (secrets.h), and in place of the scheme's members { "use": the name of a secret }. Other members are left alone. */

#include "calls/secrets.h"
#include "calls/task.h"
#include "common/err.h"
#include "common/json.h"

struct arena;
struct clock;
struct connections;
struct store;

enum { CONNECTIONS_KEPT_MS = 1000 };

struct connection {
    struct str base_url;
    struct json headers;        /* an object, or absent */
    struct json hidden_headers; /* members: those whose values were sealed */
    struct json authentication; /* with all values in place, or absent */
};

/* One thread. `store` and `secrets` must outlive the result; the clock is copied. */
struct connections *connections_new(struct store *store, const struct secrets *secrets, const struct clock *clock);
void connections_free(struct connections *connections); /* NULL is taken */

/* Reads a connection of the task's namespace and opens its credentials. PREPARED_ERROR: configuration (400) where it is missing or makes no
 * sense, authorization (403) where a credential cannot be had. *ret lives in the arena. */
enum prepared connections_find(struct connections *connections, struct preparation *preparation, struct str name, struct connection *ret);

/* Seals every text inside `authentication`, but for user names and names of secrets, and the values of the headers that carry credentials
 * by their names. What is sealed already stays. For whoever stores a connection; `place` is its namespace and name.
 * Errors   as secrets_seal */
MUST_USE bool connection_seal(const struct secrets *secrets, struct secret_place place, struct json body, struct arena *arena,
        struct json *ret_body, struct err *err);

/* The body with "***" in place of all that is sealed: what may be shown. */
struct json connection_shown(struct json body, struct arena *arena);

/* baseUrl and path as one URL that is below the base. Pure.
 * Errors   INVALID  the base is no http URL, or the path would leave it */
MUST_USE bool connection_join(struct str base_url, struct str path, struct arena *arena, struct str *ret, struct err *err);

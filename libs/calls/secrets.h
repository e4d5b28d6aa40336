#pragma once
/* Secrets, sealed where they are stored (reliability.md, 11; I15).
 *
 * Sealing is XChaCha20-Poly1305 (libsodium) with a data key of the namespace. Data keys are stored in COLLECTION_SETTINGS, wrapped by
 * the master key, and made when a namespace first needs one. A sealed text is bound to its namespace, name and version, and names its
 * key; it can be kept anywhere, as a string. */

#include "common/err.h"
#include "common/json.h"

struct arena;
struct clock;
struct secrets;
struct store;

enum {
    SECRETS_KEPT_MS = 1000,        /* how long a value read from the store is used without a new look */
    SECRETS_VALUE_MAX = 64 * 1024, /* bytes of a value as JSON */
};

/* `master_key`: 64 hexadecimal digits, or NULL: then nothing can be sealed or opened, and each try says so.
 *
 * In       `store` must outlive the result; the clock is copied
 * Errors   INVALID  the key; the message does not show it
 * Threads  the result may be used from any thread */
MUST_USE bool secrets_new(struct store *store, const char *master_key, const struct clock *clock, struct secrets **ret, struct err *err);
void secrets_free(struct secrets *secrets); /* wipes what it holds; NULL is taken */

/* What a sealed text belongs to. */
struct secret_place {
    struct str namespace, name;
};

/* Seals a value for one place.
 *
 * Errors   INVALID      there is no master key, or the namespace's data key was wrapped by another one
 *          TOO_LARGE    over SECRETS_VALUE_MAX
 *          UNAVAILABLE  the data key could not be read or written */
MUST_USE bool secrets_seal(const struct secrets *secrets, struct secret_place place, struct json value, struct arena *arena,
        struct str *ret_sealed, struct err *err);

/* Opens what was sealed for the same place. The clear text lives in `arena`.
 *
 * Errors   INVALID      as above; or the text is damaged, or belongs to another place
 *          UNAVAILABLE  the data key could not be read */
MUST_USE bool secrets_open(const struct secrets *secrets, struct secret_place place, struct str sealed, struct arena *arena,
        struct json *ret_value, struct err *err);

/* Stores a value as record namespace/name of COLLECTION_SECRETS, whatever was there before.
 * Errors   as secrets_seal; CONFLICT  others write it all the time */
MUST_USE bool secrets_put(const struct secrets *secrets, struct str namespace, struct str name, struct json value, struct err *err);

/* Reads a value. Its record is `{ "sealed": text, … }`, or the sealed text alone.
 * Errors   as secrets_open; NOT_FOUND */
MUST_USE bool secrets_get(const struct secrets *secrets, struct str namespace, struct str name, struct arena *arena, struct json *ret_value,
        struct err *err);

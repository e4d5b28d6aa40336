#pragma once
/* Compiled definitions, by namespace/name/version: read from the store once, kept while used (LIMIT_DEFINITIONS_HELD), shared by the
 * threads of a process. A definition never changes under its version. */

#include "common/err.h"
#include "core/definition.h"

struct definitions;
struct store;

struct definitions *definitions_new(struct store *store);
void definitions_free(struct definitions *definitions);

/* The compiled definition. It stays valid until definitions_release().
 *
 * Errors   NOT_FOUND    no such version; the message names it
 *          UNAVAILABLE  the store
 *          INVALID      stored, but this build cannot compile it
 * Threads  any */
MUST_USE bool definitions_acquire(struct definitions *definitions, struct str namespace, struct str name, struct str version,
        const struct definition **ret, struct err *err);
void definitions_release(struct definitions *definitions, const struct definition *definition); /* NULL is taken */

/* True if `version` is chosen over `than` where none is asked for: by semver order, but a release before every pre-release. */
bool definitions_is_newer(struct str version, struct str than);

/* The newest version by semver order, pre-releases last (language.md, 2.5); in `arena`. Always asks the store.
 * Errors   NOT_FOUND, UNAVAILABLE */
MUST_USE bool definitions_latest(struct definitions *definitions, struct str namespace, struct str name, struct arena *arena,
        struct str *ret_version, struct err *err);

/* Must be called when a version is deleted. */
void definitions_forget(struct definitions *definitions, struct str namespace, struct str name, struct str version);

#pragma once
/* JSON Schema, draft 2020-12 (default) and draft-07, whole: compiled once, validated often,
 * pure. Patterns are PCRE2's. */

#include "common/err.h"
#include "common/fault.h"
#include "common/json.h"

struct arena;
struct schema;

struct schema_options {
    /* Finds a schema of another document by its absolute URI; false: not there. May be NULL. */
    bool (*resolve)(void *user, struct str uri, struct arena *arena, struct json *ret);
    void *user;
    bool assert_formats; /* check `format`, as we do for inputs; the official suite leaves it off */
    bool draft_07;       /* without $schema: draft-07 instead of 2020-12 */
};

/* Compiles a schema (an object or a boolean).
 *
 * Out      *ret, in `arena`; immutable
 * Faults   all that is wrong with the schema, by pointer; false if there were any */
MUST_USE bool schema_compile(struct json document, const struct schema_options *options,
        struct arena *arena, const struct schema **ret, struct faults *faults);

/* Validates a value: true, or false with faults (pointers into `value`; each says what was
 * expected and found). */
MUST_USE bool schema_validate(
        const struct schema *schema, struct json value, struct arena *arena, struct faults *faults);

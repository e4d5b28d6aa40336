#pragma once
/* Reads a workflow definition from YAML or JSON and checks its structure: every fault at once,
 * each with pointer, line, column and a sentence that says what to write instead. Pure.
 *
 * Structure is the specification's schema, main branch; documents of the tag v1.0.3 are
 * accepted. A task is recognised by its keyword first, then checked against that kind alone, so
 * that messages name the property and not a failed `oneOf`. Meaning (targets of `then`,
 * references, expressions) is checked by definition.h. */

#include "common/fault.h"
#include "common/json.h"

struct arena;

enum intake_format { INTAKE_YAML, INTAKE_JSON };

/* Reads the text into a value. Limits: LIMIT_DEFINITION, LIMIT_DEPTH_DEFINITION, LIMIT_YAML_NODES.
 * Errors   MALFORMED  with line and column in the message; TOO_LARGE */
MUST_USE bool intake_read(struct str text, enum intake_format format, struct arena *arena,
        struct json *ret, struct err *err);

/* Checks the structure of a definition. True without faults. */
MUST_USE bool intake_check(struct json definition, struct faults *faults);

/* Fills line and column of each fault by its pointer (of the nearest parent where the pointer
 * itself is not in the text). */
void intake_locate(struct str text, enum intake_format format, struct faults *faults);

/* The candidate nearest to `name` by edit distance, for "did you mean"; empty if none is near. */
struct str intake_nearest(struct str name, const struct str *candidates, size_t count);

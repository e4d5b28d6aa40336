#pragma once
/* URI templates of endpoints (language.md, E48): `{name}` is a property of the top level of the input, the key verbatim; missing
 * gives nothing, an object or array is an error; values are percent-encoded. */

#include "common/err.h"
#include "common/json.h"

struct arena;

/* Errors   INVALID  a value that is an object or array, an open brace */
MUST_USE bool uri_template_expand(struct str template, struct json input, struct arena *arena, struct str *ret, struct err *err);

#pragma once
/* Compiled expressions, found again by their text; those not used for longest are forgotten. Internal to this folder. One thread. */

#include "core/expression.h"

struct programs;

enum { PROGRAMS_MAX = 1000 };

struct programs *programs_new(void);
void programs_free(struct programs *programs);

/* Out      *ret, valid until the next call
 * Errors   INVALID  as expression_compile */
MUST_USE bool programs_get(struct programs *programs, struct str text, const struct expression **ret, struct err *err);

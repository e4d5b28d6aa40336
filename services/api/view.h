#pragma once
/* How an instance looks from outside (api.md, Instances). */

#include "core/instance.h"
#include "services/api/call.h"

/* Writes the whole instance as one JSON object. */
void view_instance(const struct instance *instance, struct arena *arena, struct buf *out);

/* What a snapshot shows of an instance whose definition may be gone: all but its current tasks. */
MUST_USE bool view_decode(struct json snapshot, struct arena *arena, const struct instance **ret, struct err *err);

/* The answer to a start: what never changes of an instance, so that every answer to the same start is the same. */
struct json view_accepted(const struct instance *instance, struct arena *arena);

/* The path of an instance. */
struct str view_location(struct str id, struct arena *arena);

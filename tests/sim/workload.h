#pragma once
/* Workflows by chance: every kind of task, nested, from a seed. They end whatever the order of events, with an output that does not
 * depend on it. */

#include "common/json.h"

struct arena;

/* The definition NAME of namespace sim, as JSON. `child`: may not start others. */
struct json workload_definition(uint64_t *random, const char *name, bool child, struct arena *arena);

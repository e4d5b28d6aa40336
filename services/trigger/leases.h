#pragma once
/* Which shards of timers are ours to sweep. Leases save work: if everybody held them all, timers would fire the same, only dearer
 * (reliability.md, 6). Internal to the trigger. */

#include "common/err.h"
#include "runtime/world.h"
#include "wire/journal.h"

struct arena;
struct leases;

struct leases *leases_new(const struct world *world);
void leases_free(struct leases *leases); /* gives nothing back: they run out */

/* Renews what is held, takes what is free up to a fair part, gives up what is over it. A few store calls; call at
 * leases_next_ms().
 * Errors   UNAVAILABLE */
MUST_USE bool leases_renew(struct leases *leases, struct arena *arena, struct err *err);
int64_t leases_next_ms(const struct leases *leases); /* monotonic */

/* Shards held at this moment, as JSON integers. */
struct json leases_held(const struct leases *leases, struct arena *arena);

/* Gives all back at once, at shutdown. */
void leases_release(struct leases *leases, struct arena *arena);

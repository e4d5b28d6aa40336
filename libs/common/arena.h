#pragma once
/* Memory by lifetime: many allocations, freed together. One arena for each message or request.
 *
 * Out of memory ends the process (STYLE, Memory); what enters an arena is limited where it enters.
 * An arena is owned by one thread at a time. */

#include "common/macros.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena); /* NULL is taken */

/* Forgets all allocations; keeps up to one chunk for the next round. */
void arena_reset(struct arena *arena);

/* Uninitialised bytes, aligned to 8. `size` 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* Zeroed bytes; count × size may not overflow. */
void *arena_zalloc(struct arena *arena, size_t count, size_t size);

/* Bytes allocated since the last reset, for budgets. */
size_t arena_used(const struct arena *arena);

/* arena_new_one(arena, struct x): a zeroed struct x. */
#define arena_new_one(arena, type) ((type *)arena_zalloc(arena, 1, sizeof(type)))
#define arena_new_many(arena, type, count) ((type *)arena_zalloc(arena, count, sizeof(type)))

/* For SCOPED(). */
void arena_freep(struct arena **arena);

#include "common/arena.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

enum { CHUNK_SIZE_MIN = 8 * 1024, CHUNK_SIZE_MAX = 1024 * 1024, ALIGNMENT = 8 };

/* Chunks form a list, newest first; the arena's own struct lives apart. */
struct chunk {
    struct chunk *older;
    size_t size;
    char data[];
};

struct arena {
    struct chunk *newest;
    char *next;
    char *end;
    size_t used;
    size_t chunk_size;
};

struct arena *arena_new(void) {
    struct arena *arena = calloc(1, sizeof(*arena));

    assert(arena);
    arena->chunk_size = CHUNK_SIZE_MIN;
    return arena;
}

static void free_chunks(struct chunk *chunk) {
    while (chunk) {
        struct chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
}

void arena_free(struct arena *arena) {
    if (!arena) return;
    free_chunks(arena->newest);
    free(arena);
}

void arena_freep(struct arena **arena) {
    arena_free(*arena);
}

static void use_chunk(struct arena *arena, struct chunk *chunk) {
    arena->newest = chunk;
    arena->next = chunk->data;
    arena->end = chunk->data + chunk->size;
}

void arena_reset(struct arena *arena) {
    struct chunk *kept = arena->newest;

    arena->used = 0;
    if (!kept) return;
    free_chunks(kept->older);
    kept->older = NULL;
    if (kept->size > CHUNK_SIZE_MAX) {
        free(kept);
        arena->newest = NULL;
        arena->next = arena->end = NULL;
        return;
    }
    use_chunk(arena, kept);
}

static void grow(struct arena *arena, size_t size) {
    size_t chunk_size = MAX(size, arena->chunk_size);
    struct chunk *chunk = malloc(sizeof(*chunk) + chunk_size);

    assert(chunk);
    chunk->older = arena->newest;
    chunk->size = chunk_size;
    use_chunk(arena, chunk);
    arena->chunk_size = MIN(arena->chunk_size * 2, (size_t)CHUNK_SIZE_MAX);
}

void *arena_alloc(struct arena *arena, size_t size) {
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

    assert(rounded >= size);
    if ((size_t)(arena->end - arena->next) < rounded || !arena->next) grow(arena, rounded);
    void *memory = arena->next;
    arena->next += rounded;
    arena->used += rounded;
    return memory;
}

void *arena_zalloc(struct arena *arena, size_t count, size_t size) {
    size_t total;

    assert(!__builtin_mul_overflow(count, size, &total));
    return memset(arena_alloc(arena, total), 0, total);
}

size_t arena_used(const struct arena *arena) {
    return arena->used;
}

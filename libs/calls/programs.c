#include "calls/programs.h"

#include <stdlib.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/list.h"

enum { BUCKETS = 1024 };

struct program {
    struct list item; /* of programs->used, the newest use last */
    struct program *next_in_bucket;
    struct arena *arena;
    struct str text;
    const struct expression *expression;
};

struct programs {
    struct list used;
    size_t count;
    struct program *buckets[BUCKETS];
};

struct programs *programs_new(void) {
    struct programs *programs = calloc(1, sizeof(*programs));

    assert(programs);
    list_init(&programs->used);
    return programs;
}

static void drop(struct programs *programs, struct program *program) {
    struct program **at = &programs->buckets[str_hash(program->text) % BUCKETS];

    while (*at != program) at = &(*at)->next_in_bucket;
    *at = program->next_in_bucket;
    list_remove(&program->item);
    programs->count--;
    arena_free(program->arena);
    free(program);
}

void programs_free(struct programs *programs) {
    if (!programs) return;
    list_foreach(item, &programs->used) drop(programs, list_entry(item, struct program, item));
    free(programs);
}

static struct program *find(struct programs *programs, struct str text) {
    for (struct program *program = programs->buckets[str_hash(text) % BUCKETS]; program; program = program->next_in_bucket) {
        if (str_equal(program->text, text)) return program;
    }
    return NULL;
}

static struct program *add(struct programs *programs, struct str text, struct err *err) {
    struct program *program = calloc(1, sizeof(*program));

    assert(program);
    program->arena = arena_new();
    program->text = str_copy(text, program->arena);
    if (!expression_compile(program->text, NULL, program->arena, &program->expression, err)) {
        arena_free(program->arena);
        free(program);
        return NULL;
    }
    if (programs->count == PROGRAMS_MAX) drop(programs, list_entry(programs->used.next, struct program, item));
    struct program **bucket = &programs->buckets[str_hash(text) % BUCKETS];
    program->next_in_bucket = *bucket;
    *bucket = program;
    list_append(&programs->used, &program->item);
    programs->count++;
    return program;
}

bool programs_get(struct programs *programs, struct str text, const struct expression **ret, struct err *err) {
    struct program *program = find(programs, text);

    if (!program) program = add(programs, text, err);
    if (!program) return false;
    list_remove(&program->item);
    list_append(&programs->used, &program->item);
    *ret = program->expression;
    return true;
}

#include "common/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"

enum { DETAIL_SIZE_MAX = 1024 };

void faults_init(struct faults *faults, struct arena *arena) {
    *faults = (struct faults){ .arena = arena };
}

static void grow(struct faults *faults) {
    size_t capacity = MAX(faults->capacity * 2, (size_t)4);
    struct fault *items = arena_new_many(faults->arena, struct fault, capacity);

    if (faults->count) memcpy(items, faults->items, faults->count * sizeof(*items));
    faults->items = items;
    faults->capacity = capacity;
}

void faults_add(struct faults *faults, struct str pointer, const char *format, ...) {
    char detail[DETAIL_SIZE_MAX];
    va_list arguments;

    if (faults->count == LIMIT_FAULTS) {
        faults->left_out++;
        return;
    }
    if (faults->count == faults->capacity) grow(faults);
    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    faults->items[faults->count++] = (struct fault){
        .pointer = str_copy(pointer, faults->arena),
        .detail = str_copy(str_from(detail), faults->arena),
    };
}

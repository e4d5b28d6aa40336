#include "bus/offsets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

void offsets_init(struct offsets *offsets, int64_t lowest, uint32_t epoch) {
    assert(lowest >= 0);
    *offsets = (struct offsets){ .lowest = lowest, .position = lowest, .epoch = epoch };
}

void offsets_clear(struct offsets *offsets) {
    free(offsets->above);
    *offsets = (struct offsets){ .lowest = offsets->lowest, .position = offsets->position };
}

/* The first range that ends behind `offset`, or count. */
static size_t find(const struct offsets *offsets, int64_t offset) {
    size_t from = 0, to = offsets->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (offsets->above[middle].to > offset) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return from;
}

static void remove_ranges(struct offsets *offsets, size_t at, size_t count) {
    struct offset_range *from = offsets->above + at;

    memmove(from, from + count, (offsets->count - at - count) * sizeof(*from));
    offsets->count -= count;
}

static void insert_range(struct offsets *offsets, size_t at, struct offset_range range) {
    if (offsets->count == offsets->capacity) {
        offsets->capacity = MAX(offsets->capacity * 2, (size_t)16);
        offsets->above = realloc(offsets->above, offsets->capacity * sizeof(*offsets->above));
        assert(offsets->above);
    }
    memmove(offsets->above + at + 1, offsets->above + at, (offsets->count - at) * sizeof(range));
    offsets->above[at] = range;
    offsets->count++;
}

/* Marks [from, to), joins it with its neighbours and moves `lowest` if the lowest is among them. */
static void mark(struct offsets *offsets, int64_t from, int64_t to) {
    from = MAX(from, offsets->lowest);
    if (from >= to) return;
    offsets->changed = true;
    size_t at = find(offsets, from - 1);
    size_t end = at;
    while (end < offsets->count && offsets->above[end].from <= to) {
        from = MIN(from, offsets->above[end].from);
        to = MAX(to, offsets->above[end].to);
        end++;
    }
    if (from <= offsets->lowest) {
        assert(at == 0);
        offsets->lowest = to;
        remove_ranges(offsets, 0, end);
    } else if (end > at) {
        offsets->above[at] = (struct offset_range){ from, to };
        remove_ranges(offsets, at + 1, end - at - 1);
    } else {
        insert_range(offsets, at, (struct offset_range){ from, to });
    }
    offsets->position = MAX(offsets->position, offsets->lowest);
}

bool offsets_is_done(const struct offsets *offsets, int64_t offset) {
    if (offset < offsets->lowest) return true;
    size_t at = find(offsets, offset);

    return at < offsets->count && offsets->above[at].from <= offset;
}

void offsets_skip(struct offsets *offsets, int64_t to) {
    if (to <= offsets->position) return;
    mark(offsets, offsets->position, to);
    offsets->position = MAX(offsets->position, to);
}

bool offsets_give(struct offsets *offsets, int64_t offset) {
    assert(offset >= offsets->position || offset < offsets->lowest);
    offsets_skip(offsets, offset);
    offsets->position = MAX(offsets->position, offset + 1);
    return !offsets_is_done(offsets, offset);
}

bool offsets_done(struct offsets *offsets, int64_t offset, uint32_t epoch) {
    if (epoch != offsets->epoch) return false;
    /* An offset nobody was given would be passed over unread. */
    assert(offset < offsets->position);
    if (offset == offsets->lowest && offsets->count == 0) {
        offsets->lowest++;
        offsets->changed = true;
        return true;
    }
    if (offsets_is_done(offsets, offset)) return false;
    mark(offsets, offset, offset + 1);
    return true;
}

bool offsets_is_full(const struct offsets *offsets) {
    return offsets->count >= OFFSETS_RANGES_MAX;
}

int64_t offsets_undone(const struct offsets *offsets, int64_t end) {
    int64_t undone = MAX(end - offsets->lowest, 0);

    for (size_t i = 0; i < offsets->count && offsets->above[i].from < end; i++) {
        undone -= MIN(offsets->above[i].to, end) - offsets->above[i].from;
    }
    return undone;
}

struct str offsets_write(const struct offsets *offsets, char *text, size_t size) {
    int64_t at = offsets->lowest;
    size_t used = 0;

    for (size_t i = 0; i < offsets->count; i++) {
        const struct offset_range *range = &offsets->above[i];
        int more = snprintf(text + used, size - used, "%s%lld+%lld", i ? "," : "",
                (long long)(range->from - at), (long long)(range->to - range->from));
        if (more < 0 || (size_t)more >= size - used) break;
        used += (size_t)more;
        at = range->to;
    }
    return (struct str){ text, used };
}

static bool read_ranges(struct offsets *offsets, struct str text) {
    int64_t at = offsets->lowest;

    while (text.size) {
        struct str pair = str_cut(&text, ',');
        struct str length = pair;
        struct str gap = str_cut(&length, '+');
        struct offset_range range;
        if (!str_to_int64(gap, &range.from) || !str_to_int64(length, &range.to)) return false;
        if (range.from <= 0 || range.to <= 0 || offsets->count == OFFSETS_RANGES_MAX) return false;
        if (__builtin_add_overflow(at, range.from, &range.from)) return false;
        if (__builtin_add_overflow(range.from, range.to, &range.to)) return false;
        insert_range(offsets, offsets->count, range);
        at = range.to;
    }
    return true;
}

bool offsets_read(struct offsets *offsets, struct str text) {
    assert(offsets->count == 0 && offsets->position == offsets->lowest);
    if (read_ranges(offsets, text)) return true;
    offsets->count = 0;
    return false;
}

#include "core/intake.h"

enum { NEAREST_SIZE_MAX = 64 };

static int lower(char c) {
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Edit distance with swaps of neighbours (optimal string alignment), letters of any case alike. */
static size_t distance(struct str a, struct str b) {
    size_t rows[3][NEAREST_SIZE_MAX + 1];
    size_t *two_back = rows[0], *back = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.size; j++)
        back[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            int from = lower(a.data[i - 1]), to = lower(b.data[j - 1]);
            row[j] = MIN(back[j - 1] + (from != to), MIN(back[j], row[j - 1]) + 1);
            bool is_swap =
                    i > 1 && j > 1 && from == lower(b.data[j - 2]) && to == lower(a.data[i - 2]);
            if (is_swap) row[j] = MIN(row[j], two_back[j - 2] + 1);
        }
        size_t *next = two_back;
        two_back = back;
        back = row;
        row = next;
    }
    return back[b.size];
}

struct str intake_nearest(struct str name, const struct str *candidates, size_t count) {
    struct str nearest = STR_NULL;
    size_t allowed = name.size <= 3 ? 1 : name.size <= 7 ? 2 : 3;

    if (name.size == 0 || name.size > NEAREST_SIZE_MAX) return STR_NULL;
    for (size_t i = 0; i < count; i++) {
        struct str candidate = candidates[i];
        size_t apart = candidate.size > name.size ? candidate.size - name.size
                                                  : name.size - candidate.size;
        if (candidate.size > NEAREST_SIZE_MAX || apart > allowed) continue;
        size_t found = distance(name, candidate);
        if (found > allowed || found >= MAX(name.size, candidate.size)) continue;
        if (nearest.data && found == allowed) continue;
        nearest = candidate;
        if (found == 0) break;
        allowed = found;
    }
    return nearest;
}

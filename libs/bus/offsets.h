#pragma once
/* What is done with of one partition: the lowest offset that is not, and the ranges that are done
 * above it. Shared by all backends; pure.
 *
 * Offsets are given in rising order and marked done in any order. What is committed is `lowest`, never
 * more (I10); the ranges ride along as text, so that a restart need not give again what was done. A
 * mark with another epoch belongs to another assignment of the partition and moves nothing (R2). */

#include "common/str.h"

enum {
    OFFSETS_RANGES_MAX =
            16 * 1024,       /* beyond it the partition is to be held back: offsets_is_full */
    OFFSETS_TEXT_MAX = 3900, /* Kafka takes 4,096 bytes of metadata with an offset */
};

struct offset_range {
    int64_t from, to; /* from ≤ offset < to */
};

struct offsets {
    int64_t lowest;   /* everything below is done */
    int64_t position; /* the lowest that was not given yet */
    uint32_t epoch;
    bool changed;               /* something was marked since the caller last cleared this */
    struct offset_range *above; /* owned; sorted, apart from each other, above `lowest` */
    size_t count, capacity;
};

void offsets_init(struct offsets *offsets, int64_t lowest, uint32_t epoch);
void offsets_clear(struct offsets *offsets); /* frees */

/* Notes that `offset` (at least `position`) is next. Offsets passed over on the way do not exist and
 * count as done. Returns false if it is done already: then it is not to be given. */
MUST_USE bool offsets_give(struct offsets *offsets, int64_t offset);

/* Passes over everything below `to`: it does not exist any more, and counts as done. */
void offsets_skip(struct offsets *offsets, int64_t to);

/* Marks one that was given. Returns false where nothing changed: another epoch, or done before. */
bool offsets_done(struct offsets *offsets, int64_t offset, uint32_t epoch);

bool offsets_is_done(const struct offsets *offsets, int64_t offset);
bool offsets_is_full(const struct offsets *offsets);
int64_t offsets_undone(
        const struct offsets *offsets, int64_t end); /* how many below `end` are not done */

/* The ranges as text, relative to `lowest`: "GAP+LENGTH,GAP+LENGTH"; the highest are left out where
 * `size` does not hold them. Returns the str in `text`. */
struct str offsets_write(const struct offsets *offsets, char *text, size_t size);

/* Adds the ranges that offsets_write wrote, to offsets that are fresh. Total: false on what it did
 * not write, and then nothing is added. */
MUST_USE bool offsets_read(struct offsets *offsets, struct str text);

#pragma once
/* The durable log of the embedded bus: blocks of records, appended to segments.
 *
 * PATH holds the identity (one record: format, partitions, a random id) and is what a second process
 * finds locked. Beside it lie the segments PATH-0000000001, … and PATH-spare, a segment to be used again.
 *
 * A block is what one group commit writes: one pwrite, one fdatasync, whole or not there. Blocks carry
 * the log's id and consecutive numbers, so that neither a torn write nor the old content of a reused
 * segment can be taken for a block. Every segment begins with a checkpoint, which holds all that the
 * segments before it said besides messages; hence the oldest segments can go at any time. Every open
 * begins a new segment, so that nothing is ever appended to a torn one.
 *
 * Recovery takes the longest valid prefix. It refuses where blocks that were acknowledged would be
 * left out: valid blocks behind a damaged one, a segment missing between two.
 *
 * Writing belongs to one thread at a time. What is marked "held" is called under the broker's lock. */

#include "bus/spool_record.h"
#include "common/buf.h"

struct clock;
struct spool;

enum {
    SPOOL_POSITION_BITS = 26,               /* of a position inside its segment */
    SPOOL_SEGMENT_SIZE = 28 * 1024 * 1024,  /* by default; a block may reach beyond it */
    SPOOL_SEGMENTS_MAX = 256,               /* then the log is full: about 7 GB */
    SPOOL_BLOCK_SIZE_MAX = 3 * 1024 * 1024, /* a block that reached it takes no more messages */
    SPOOL_BLOCK_LIMIT = SPOOL_BLOCK_SIZE_MAX + SPOOL_RECORD_SIZE_MAX,
};

_Static_assert(SPOOL_SEGMENT_SIZE + 3 * SPOOL_BLOCK_LIMIT <= 1 << SPOOL_POSITION_BITS,
        "what is written without a new segment is in range");

struct spool_options {
    size_t segment_size; /* at most SPOOL_SEGMENT_SIZE */
    int32_t partitions;  /* for a new log; an old one keeps its own */
    const struct clock *clock;
};

/* Is shown each record in order; `position` is what spool_read takes. */
struct spool_visitor {
    bool (*on_record)(
            void *user, const struct spool_record *record, uint64_t position, struct err *err);
    void *user;
};

/* Locks the path, and makes a new log where there is none. Then spool_recover and spool_rotate must be called
 * before anything is written.
 *
 * Errors   INVALID      the path cannot be used
 *          UNAVAILABLE  another process has it open
 *          INTERNAL     damaged; the message says where and what to do */
MUST_USE bool spool_open(
        const char *path, const struct spool_options *options, struct spool **ret, struct err *err);

/* Shows all records of the longest valid prefix. Errors as spool_open, and the visitor's. */
MUST_USE bool spool_recover(
        struct spool *spool, const struct spool_visitor *visitor, struct err *err);
void spool_close(struct spool *spool); /* NULL is taken */

/* Errors   UNAVAILABLE  the disk failed before */
MUST_USE bool spool_check(const struct spool *spool, struct err *err);

int32_t spool_partitions(const struct spool *spool);
int64_t spool_era(const struct spool *spool);

/* By era and id: changes when offsets may have been given twice, and only grows. */
uint64_t spool_incarnation(const struct spool *spool);

/* ---- blocks ---- */

void spool_block_begin(struct buf *block);
size_t spool_block_add(
        struct buf *block, const struct spool_record *record); /* where in the block it starts */
bool spool_block_is_empty(const struct buf *block);

/* Appends the block and syncs. *ret_position is where it starts: add what spool_block_add returned.
 *
 * Errors   FULL         no space; what was written of it is cut off again
 *          UNAVAILABLE  the disk failed; all later calls fail too, since what is on it is not known */
MUST_USE bool spool_write(
        struct spool *spool, struct buf *block, uint64_t *ret_position, struct err *err);

/* True if a block of this size should go to a new segment. */
bool spool_is_rotation_due(const struct spool *spool, size_t size);

/* True if two more of the largest blocks fit behind what is to be written next, of this size. */
bool spool_has_room(const struct spool *spool, size_t size);

/* Begins a new segment with the checkpoint in `block`. Errors as spool_write. */
MUST_USE bool spool_rotate(struct spool *spool, struct buf *block, struct err *err);

int64_t spool_next_segment(
        const struct spool *spool); /* the number for the checkpoint's SPOOL_SEGMENT */

/* ---- segments ---- */

size_t spool_segment_count(const struct spool *spool);
MUST_USE bool spool_scan_oldest(
        struct spool *spool, const struct spool_visitor *visitor, struct err *err);
bool spool_is_in_oldest(const struct spool *spool, uint64_t position);

/* Held: a record that is still needed keeps its segment. */
void spool_hold(struct spool *spool, uint64_t position, size_t size, int64_t time_ms);
void spool_release(struct spool *spool, uint64_t position, size_t size);
uint64_t spool_live_size(const struct spool *spool);
bool spool_oldest_is_before(const struct spool *spool, int64_t time_ms); /* all its records are */

/* Held: takes the oldest segment out if nothing needs it; *ret is for spool_remove, which is called
 * without the lock. */
bool spool_detach_oldest(struct spool *spool, int64_t *ret);
void spool_remove(struct spool *spool, int64_t segment);

/* Held: between pin and unpin the segment stays. */
void spool_pin(struct spool *spool, uint64_t position);
void spool_unpin(struct spool *spool, uint64_t position);

/* Reads a record, or more: up to `size` bytes from where it starts; any thread, pinned.
 * Errors   UNAVAILABLE  the disk failed */
MUST_USE bool spool_read(struct spool *spool, uint64_t position, size_t size, char *to,
        size_t *ret_got, struct err *err);

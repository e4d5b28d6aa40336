#pragma once
/* What spool.c (writing) and spool_recover.c (opening) share. */

#include <stdatomic.h>

#include "bus/spool.h"

enum {
    SPOOL_PATH_MAX = 4096,
    BLOCK_HEADER_SIZE = 32,
    BLOCK_MAGIC = 0x31425350, /* "PSB1" */
};

/* Little-endian, in front of the records; the sum covers everything behind itself. */
struct block_header {
    uint32_t magic;
    uint32_t crc;
    uint32_t size; /* of the records */
    uint32_t unused;
    uint64_t number; /* consecutive over all segments */
    uint64_t id;     /* the log's */
};

_Static_assert(sizeof(struct block_header) == BLOCK_HEADER_SIZE, "no holes");

struct segment {
    int fd;
    size_t end;        /* behind the last valid block */
    size_t prepared;   /* up to here the file is written, and overwriting changes no metadata */
    uint64_t live;     /* bytes that are still needed; held */
    int64_t newest_ms; /* held */
    uint32_t pins;     /* held */
};

struct spool {
    char path[SPOOL_PATH_MAX];
    int lock_fd; /* PATH itself */
    uint64_t id;
    int64_t era; /* ms since 1970, or one more than the last */
    int32_t partitions;
    size_t segment_size;
    const struct clock *clock;
    int64_t first, last; /* segments; last < first: none */
    uint64_t next_block;
    uint64_t live;      /* held; sum over the segments */
    bool closed;        /* the last record that was recovered says so */
    bool rotated;       /* since it was opened, so that there is something to write to */
    atomic_bool failed; /* bus_ping asks from any thread */
    bool has_spare;
    struct segment segments[SPOOL_SEGMENTS_MAX];
};

struct segment *spool_segment(struct spool *spool, int64_t number);
void spool_segment_path(const struct spool *spool, int64_t number, char path[SPOOL_PATH_MAX]);
void spool_spare_path(const struct spool *spool, char path[SPOOL_PATH_MAX]);
MUST_USE bool spool_sync_folder(const struct spool *spool, struct err *err);
uint64_t spool_position(int64_t segment, size_t at);

/* Reads up to `size` bytes; *ret_got is less at the end of the file. */
MUST_USE bool spool_read_at(int fd, char *to, size_t size, size_t at, size_t *ret_got);

/* Checks the block at the start of `bytes` by everything but its number. */
bool spool_block_check(const struct spool *spool, struct str bytes, struct block_header *ret);

/* Refuses where there are segments, but no identity. */
MUST_USE bool spool_check_unused(const struct spool *spool, struct err *err);

/* Shows the records of a segment that was recovered or written. */
MUST_USE bool spool_show(
        struct spool *spool, int64_t segment, const struct spool_visitor *visitor, struct err *err);

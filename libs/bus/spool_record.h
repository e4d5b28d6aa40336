#pragma once
/* One record of the embedded bus, in memory and on disk: a message, or a note of the spool. Pure.
 *
 * Little-endian, padded to 8 bytes:
 *     crc32c u32 (of what follows, padding included) · size u32 (all, padding included)
 *     kind u8 · topic u8 · header count u16 · partition i32 · offset i64 · time_ms i64
 *     key size u32 · value size u32 · headers (name size u32, value size u32) · key · value · header bytes */

#include "bus/bus.h"
#include "common/limits.h"

struct arena;
struct buf;

enum spool_kind {
    SPOOL_MESSAGE = 1,
    SPOOL_SEGMENT, /* the first of a segment: offset = its number, time_ms = the era */
    SPOOL_TOPIC, /* key = name of the topic with this number in this segment; partition = how many */
    SPOOL_NEXT,  /* offset = what the next message of the partition gets */
    SPOOL_COMMIT, /* key = group, offset = lowest not done, value = ranges done above it */
    SPOOL_CLOSE,  /* closed in order: nothing follows in this segment */
};

enum {
    SPOOL_RECORD_SIZE_MIN = 40,
    SPOOL_RECORD_SIZE_MAX =
            LIMIT_MESSAGE + 64 * 1024, /* as encoded: what bus_publish lets through fits */
    SPOOL_HEADERS_MAX = 64,            /* of one message */
};

struct spool_record {
    enum spool_kind kind;
    uint8_t topic;
    int32_t partition;
    int64_t offset;
    int64_t time_ms;
    struct str key;
    struct str value;
    const struct header *headers;
    size_t header_count;
};

/* CRC-32C (Castagnoli, RFC 3720) of `bytes`, going on from `crc` (0 at the start). */
uint32_t spool_crc32c(uint32_t crc, struct str bytes);

size_t spool_record_size(const struct spool_record *record); /* as encoded, a multiple of 8 */

/* Writes spool_record_size() bytes to `to`. */
void spool_record_encode(const struct spool_record *record, char *to);

/* Reads the record at the start of `bytes`. Total: false if it is cut, damaged or of an unknown kind.
 * Key, value and headers borrow `bytes`; the row of headers lives in `arena` (NULL: headers are checked
 * but left out). *ret_size is what the record takes. */
MUST_USE bool spool_record_decode(
        struct str bytes, struct arena *arena, struct spool_record *ret, size_t *ret_size);

/* The size that a record's first 8 bytes claim; 0 if impossible. */
size_t spool_record_size_at(const char *bytes);

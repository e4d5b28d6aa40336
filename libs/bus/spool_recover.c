#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/spool_internal.h"
#include "common/arena.h"
#include "common/assert.h"
#include "system/clock.h"

enum { NUMBER_DIGITS = 10 };

static bool damaged(
        const struct spool *spool, int64_t segment, size_t at, const char *what, struct err *err) {
    return err_set(err, ERR_INTERNAL,
            "bus: '%s-%010lld' is damaged at byte %zu: %s. Messages that were acknowledged would "
            "be missing; "
            "restore the files, or move '%s' and '%s-*' away to start with an empty bus",
            spool->path, (long long)segment, at, what, spool->path, spool->path);
}

/* ---- finding the segments ---- */

/* "NAME-0000000042" gives 42; false for anything else. */
static bool parse_name(struct str name, struct str base, int64_t *ret) {
    if (name.size != base.size + 1 + NUMBER_DIGITS || !str_starts_with(name, base)) return false;
    if (name.data[base.size] != '-' || name.data[base.size + 1] == '-') return false;
    return str_to_int64(str_slice(name, base.size + 1, name.size), ret);
}

static int compare_numbers(const void *a, const void *b) {
    int64_t left, right;

    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return left < right ? -1 : left > right;
}

static bool list_segments(
        const struct spool *spool, int64_t *ret, size_t *ret_count, struct err *err) {
    char folder[SPOOL_PATH_MAX];
    const char *slash = strrchr(spool->path, '/');
    struct str base = str_from(slash ? slash + 1 : spool->path);
    size_t size = slash ? (size_t)(slash - spool->path) + 1 : 0;
    size_t count = 0;

    memcpy(folder, spool->path, size);
    folder[size] = '\0';
    DIR *dir = opendir(slash ? folder : ".");
    if (!dir)
        return err_set(err, ERR_INVALID, "bus '%s': folder: %s", spool->path, strerror(errno));
    bool fits = true;
    for (struct dirent *entry; fits && (entry = readdir(dir));) {
        int64_t number;
        if (!parse_name(str_from(entry->d_name), base, &number)) continue;
        fits = count < SPOOL_SEGMENTS_MAX;
        if (fits) ret[count++] = number;
    }
    closedir(dir);
    if (!fits)
        return err_set(err, ERR_INTERNAL, "bus '%s': more segments than are possible", spool->path);
    qsort(ret, count, sizeof(*ret), compare_numbers);
    *ret_count = count;
    return true;
}

bool spool_check_unused(const struct spool *spool, struct err *err) {
    int64_t numbers[SPOOL_SEGMENTS_MAX];
    size_t count = 0;

    if (!list_segments(spool, numbers, &count, err)) return false;
    return count == 0
            || damaged(spool, numbers[0], 0, "the file that it belongs to is empty or gone", err);
}

/* ---- reading one segment ---- */

/* A segment in memory. */
struct image {
    int64_t segment;
    struct str bytes; /* owned */
    size_t end;       /* of the valid blocks */
    uint64_t next;    /* the number that the block there would have; 0: any */
};

static void image_clear(struct image *image) {
    union {
        const char *from;
        char *data;
    } owned = { .from = image->bytes.data };

    free(owned.data);
}

static bool load(struct spool *spool, int64_t number, struct image *ret, struct err *err) {
    const struct segment *segment = spool_segment(spool, number);
    struct stat status;
    size_t got = 0;

    if (fstat(segment->fd, &status) != 0 || status.st_size > 1 << SPOOL_POSITION_BITS) {
        return damaged(spool, number, 0, "its size is impossible", err);
    }
    size_t size = (size_t)status.st_size;
    char *data = malloc(size + 1);
    assert(data);
    if (!spool_read_at(segment->fd, data, size, 0, &got)) {
        free(data);
        return err_set(err, ERR_UNAVAILABLE, "bus '%s': %s", spool->path, strerror(errno));
    }
    *ret = (struct image){ .segment = number, .bytes = { data, got } };
    return true;
}

/* Shows the records of the block at image->end. A record that does not decode in a block whose sum is
 * right was not written by this program. */
static bool show_block(struct spool *spool, const struct image *image, size_t block_size,
        const struct spool_visitor *visitor, struct err *err) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    size_t at = image->end + BLOCK_HEADER_SIZE;
    size_t end = at + block_size;

    while (at < end) {
        struct spool_record record;
        size_t size;
        arena_reset(arena);
        if (!spool_record_decode(str_slice(image->bytes, at, end), arena, &record, &size)) {
            return damaged(spool, image->segment, at, "a record cannot be read", err);
        }
        spool->closed = record.kind == SPOOL_CLOSE;
        if (!visitor->on_record(visitor->user, &record, spool_position(image->segment, at), err))
            return false;
        at += size;
    }
    return true;
}

/* A segment begins with a record that names it: anything else is what a reused file held before. */
static bool check_first(struct spool *spool, const struct image *image) {
    struct spool_record first;
    size_t size;
    struct str records = str_slice(image->bytes, BLOCK_HEADER_SIZE, image->bytes.size);

    if (!spool_record_decode(records, NULL, &first, &size)) return false;
    if (first.kind != SPOOL_SEGMENT || first.offset != image->segment) return false;
    spool->era = MAX(spool->era, first.time_ms);
    return true;
}

/* Shows the records of the valid blocks. */
static bool scan(struct spool *spool, struct image *image, const struct spool_visitor *visitor,
        struct err *err) {
    for (;;) {
        struct block_header header;
        struct str rest = str_slice(image->bytes, image->end, image->bytes.size);
        if (!spool_block_check(spool, rest, &header)) return true;
        if (image->next && header.number != image->next) return true;
        if (image->end == 0 && !check_first(spool, image)) return true;
        if (!show_block(spool, image, header.size, visitor, err)) return false;
        image->end += BLOCK_HEADER_SIZE + header.size;
        image->next = header.number + 1;
    }
}

bool spool_show(struct spool *spool, int64_t segment, const struct spool_visitor *visitor,
        struct err *err) {
    struct image image;

    if (!load(spool, segment, &image, err)) return false;
    image.bytes.size = MIN(image.bytes.size, spool_segment(spool, segment)->end);
    bool ok = scan(spool, &image, visitor, err);
    image_clear(&image);
    return ok;
}

/* ---- judging what is behind the valid blocks ---- */

/* Looks for what must not be there: a later block. A torn write leaves none, since each block is synced
 * before the next is written. */
static bool check_tail(const struct spool *spool, const struct image *image, struct err *err) {
    for (size_t at = image->end; at + BLOCK_HEADER_SIZE <= image->bytes.size; at += 8) {
        struct block_header header;
        uint32_t magic;
        memcpy(&magic, image->bytes.data + at, sizeof(magic));
        if (magic != BLOCK_MAGIC) continue;
        if (!spool_block_check(spool, str_slice(image->bytes, at, image->bytes.size), &header))
            continue;
        if (header.number <= spool->next_block) continue;
        return damaged(spool, image->segment, image->end, "valid blocks follow", err);
    }
    return true;
}

/* A segment of which nothing is valid can only be the last, which a crash left without its checkpoint. */
static bool check_empty(const struct spool *spool, const struct image *image, struct err *err) {
    struct block_header header = { .magic = 0 };

    if (image->end) return true;
    if (image->segment < spool->last)
        return damaged(spool, image->segment, 0, "it has no checkpoint", err);
    if (spool_block_check(spool, image->bytes, &header) && header.number > spool->next_block) {
        return damaged(spool, image->segment, 0, "blocks are missing before it", err);
    }
    if (image->bytes.size < sizeof(header)) return true;
    memcpy(&header, image->bytes.data, sizeof(header));
    if (header.magic != BLOCK_MAGIC || header.id == spool->id) return true;
    return damaged(spool, image->segment, 0, "it belongs to another bus", err);
}

/* What a crash leaves behind the blocks: the zeros that were written ahead. */
static bool is_clean(const struct spool *spool, const struct image *image) {
    if (image->end == 0) return false;
    if (spool->closed) return true;
    for (size_t i = image->end; i < image->bytes.size; i++) {
        if (image->bytes.data[i]) return false;
    }
    return image->end < image->bytes.size;
}

/* ---- all of them ---- */

static bool open_segments(struct spool *spool, struct err *err) {
    int64_t numbers[SPOOL_SEGMENTS_MAX];
    size_t count = 0;

    if (!list_segments(spool, numbers, &count, err)) return false;
    spool->next_block = 1;
    spool->first = count ? numbers[0] : 1;
    spool->last = spool->first - 1;
    for (size_t i = 0; i < count; i++) {
        char path[SPOOL_PATH_MAX];
        if (numbers[i] != spool->last + 1)
            return damaged(spool, spool->last + 1, 0, "the file is missing", err);
        spool_segment_path(spool, numbers[i], path);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0) return err_set(err, ERR_INVALID, "bus '%s': %s", path, strerror(errno));
        spool->segments[numbers[i] % SPOOL_SEGMENTS_MAX] = (struct segment){ .fd = fd };
        spool->last = numbers[i];
    }
    return true;
}

/* Its number is used again. */
static void drop_last(struct spool *spool) {
    char path[SPOOL_PATH_MAX];

    close(spool_segment(spool, spool->last)->fd);
    spool_segment_path(spool, spool->last, path);
    unlink(path);
    spool->last--;
}

/* Takes the valid prefix of one segment. */
static bool recover_segment(struct spool *spool, int64_t number,
        const struct spool_visitor *visitor, bool *ret_clean, struct err *err) {
    struct image image;

    if (!load(spool, number, &image, err)) return false;
    if (number > spool->first) image.next = spool->next_block;
    bool ok = scan(spool, &image, visitor, err);
    if (ok && image.end) spool->next_block = image.next;
    ok = ok && check_empty(spool, &image, err) && check_tail(spool, &image, err);
    *ret_clean = is_clean(spool, &image);
    spool_segment(spool, number)->end = image.end;
    image_clear(&image);
    return ok;
}

bool spool_recover(struct spool *spool, const struct spool_visitor *visitor, struct err *err) {
    char spare[SPOOL_PATH_MAX];
    bool clean = false;

    if (!open_segments(spool, err)) return false;
    for (int64_t number = spool->first, last = spool->last; number <= last; number++) {
        if (!recover_segment(spool, number, visitor, &clean, err)) return false;
    }
    if (spool->first <= spool->last && spool_segment(spool, spool->last)->end == 0)
        drop_last(spool);
    spool_spare_path(spool, spare);
    spool->has_spare = access(spare, F_OK) == 0;
    /* Offsets behind the prefix may have been given: those that come are of another era (R13). */
    if (!clean) spool->era = MAX(spool->era + 1, clock_now_ms(spool->clock));
    return true;
}

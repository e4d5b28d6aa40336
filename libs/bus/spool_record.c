#include "bus/spool_record.h"

#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

_Static_assert(
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are written as they lie in memory");

enum { POLYNOMIAL = (int)0x82F63B78u, AT_FIELDS = 8 };

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_machine(
        uint32_t crc, const char *data, size_t size) {
    uint64_t value = crc;

    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        value = __builtin_ia32_crc32di(value, word);
    }
    for (; size; data++, size--)
        value = __builtin_ia32_crc32qi((uint32_t)value, (unsigned char)*data);
    return (uint32_t)value;
}
#endif

/* Bit by bit, four bits at a time: for machines without the instruction. */
static uint32_t crc32c_table(uint32_t crc, const char *data, size_t size) {
    uint32_t table[16];

    for (uint32_t i = 0; i < 16; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 4; bit++)
            value = value >> 1 ^ (value & 1 ? (uint32_t)POLYNOMIAL : 0);
        table[i] = value;
    }
    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char)data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

uint32_t spool_crc32c(uint32_t crc, struct str bytes) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc32c_machine(~crc, bytes.data, bytes.size);
#endif
    return ~crc32c_table(~crc, bytes.data, bytes.size);
}

static size_t pad(size_t size) {
    return (size + 7) & ~(size_t)7;
}

size_t spool_record_size(const struct spool_record *record) {
    size_t size = SPOOL_RECORD_SIZE_MIN + record->key.size + record->value.size;

    for (size_t i = 0; i < record->header_count; i++) {
        size += 8 + record->headers[i].name.size + record->headers[i].value.size;
    }
    return pad(size);
}

static char *put(char *to, const void *bytes, size_t size) {
    if (size) memcpy(to, bytes, size);
    return to + size;
}

static char *put_size(char *to, size_t size) {
    uint32_t narrow = (uint32_t)size;

    return put(to, &narrow, sizeof(narrow));
}

void spool_record_encode(const struct spool_record *record, char *to) {
    size_t size = spool_record_size(record);
    uint8_t kind = (uint8_t)record->kind;
    uint16_t header_count = (uint16_t)record->header_count;
    char *at = to + AT_FIELDS;

    assert(size <= SPOOL_RECORD_SIZE_MAX && record->header_count <= SPOOL_HEADERS_MAX);
    put_size(to + 4, size);
    at = put(at, &kind, 1);
    at = put(at, &record->topic, 1);
    at = put(at, &header_count, 2);
    at = put(at, &record->partition, 4);
    at = put(at, &record->offset, 8);
    at = put(at, &record->time_ms, 8);
    at = put_size(at, record->key.size);
    at = put_size(at, record->value.size);
    for (size_t i = 0; i < record->header_count; i++) {
        at = put_size(at, record->headers[i].name.size);
        at = put_size(at, record->headers[i].value.size);
    }
    at = put(at, record->key.data, record->key.size);
    at = put(at, record->value.data, record->value.size);
    for (size_t i = 0; i < record->header_count; i++) {
        at = put(at, record->headers[i].name.data, record->headers[i].name.size);
        at = put(at, record->headers[i].value.data, record->headers[i].value.size);
    }
    memset(at, 0, (size_t)(to + size - at));
    uint32_t crc = spool_crc32c(0, (struct str){ to + 4, size - 4 });
    put(to, &crc, sizeof(crc));
}

static uint32_t get_u32(const char *from) {
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

size_t spool_record_size_at(const char *bytes) {
    size_t size = get_u32(bytes + 4);

    return size >= SPOOL_RECORD_SIZE_MIN && size <= SPOOL_RECORD_SIZE_MAX && size % 8 == 0 ? size
                                                                                           : 0;
}

/* Takes `size` bytes off the front of *rest. */
static bool take(struct str *rest, size_t size, struct str *ret) {
    if (size > rest->size) return false;
    *ret = (struct str){ rest->data, size };
    *rest = (struct str){ rest->data + size, rest->size - size };
    return true;
}

static bool take_headers(struct str sizes, struct str *rest, struct header *headers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct header header;
        if (!take(rest, get_u32(sizes.data + 8 * i), &header.name)) return false;
        if (!take(rest, get_u32(sizes.data + 8 * i + 4), &header.value)) return false;
        if (headers) headers[i] = header;
    }
    return true;
}

bool spool_record_decode(
        struct str bytes, struct arena *arena, struct spool_record *ret, size_t *ret_size) {
    if (bytes.size < SPOOL_RECORD_SIZE_MIN) return false;
    size_t size = spool_record_size_at(bytes.data);
    if (size == 0 || size > bytes.size) return false;
    if (spool_crc32c(0, (struct str){ bytes.data + 4, size - 4 }) != get_u32(bytes.data))
        return false;

    uint16_t header_count;
    struct spool_record record = { .kind = (unsigned char)bytes.data[8],
        .topic = (uint8_t)bytes.data[9] };
    if (record.kind < SPOOL_MESSAGE || record.kind > SPOOL_CLOSE) return false;
    memcpy(&header_count, bytes.data + 10, 2);
    memcpy(&record.partition, bytes.data + 12, 4);
    memcpy(&record.offset, bytes.data + 16, 8);
    memcpy(&record.time_ms, bytes.data + 24, 8);

    struct str rest = { bytes.data + SPOOL_RECORD_SIZE_MIN, size - SPOOL_RECORD_SIZE_MIN };
    struct str sizes;
    if (header_count > SPOOL_HEADERS_MAX || !take(&rest, 8u * header_count, &sizes)) return false;
    if (!take(&rest, get_u32(bytes.data + 32), &record.key)) return false;
    if (!take(&rest, get_u32(bytes.data + 36), &record.value)) return false;
    struct header *headers =
            arena && header_count ? arena_new_many(arena, struct header, header_count) : NULL;
    if (!take_headers(sizes, &rest, headers, header_count) || rest.size >= 8) return false;
    record.headers = headers;
    record.header_count = headers ? header_count : 0;
    *ret = record;
    *ret_size = size;
    return true;
}

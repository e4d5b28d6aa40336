#include "common/uuid.h"

#include <string.h>

#include "common/assert.h"
#include "common/buf.h"
#include "common/hash.h"

enum { UUID_SIZE = 16, TIME_BITS = 48 };

/* Sets version and variant, and writes 8-4-4-4-12 digits. */
static struct str finish(uint8_t bytes[UUID_SIZE], uint8_t version, char text[UUID_TEXT_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    char *to = text;

    bytes[6] = (uint8_t)(version << 4 | (bytes[6] & 0x0F));
    bytes[8] = 0x80 | (bytes[8] & 0x3F);
    for (int i = 0; i < UUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    *to = '\0';
    return (struct str){ text, UUID_TEXT_SIZE - 1 };
}

struct str uuid_v7(int64_t time_ms, const uint8_t random[10], char text[UUID_TEXT_SIZE]) {
    uint8_t bytes[UUID_SIZE];

    assert(time_ms >= 0 && time_ms >> TIME_BITS == 0);
    for (int i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(time_ms >> (40 - 8 * i) & 0xFF);
    memcpy(bytes + 6, random, 10);
    return finish(bytes, 7, text);
}

struct str uuid_v8(const struct str *parts, size_t count, char text[UUID_TEXT_SIZE]) {
    uint8_t digest[SHA256_SIZE];
    struct buf buf;

    buf_init(&buf, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        uint8_t size[8];
        for (int j = 0; j < 8; j++)
            size[j] = (uint8_t)((uint64_t)parts[i].size >> (56 - 8 * j) & 0xFF);
        buf_append(&buf, (struct str){ (const char *)size, sizeof(size) });
        buf_append(&buf, parts[i]);
    }
    assert(!buf_is_over(&buf));
    sha256(buf_str(&buf), digest);
    buf_clear(&buf);
    return finish(digest, 8, text);
}

static bool is_hex(char c) {
    char letter = (char)(c | 0x20);

    return (c >= '0' && c <= '9') || (letter >= 'a' && letter <= 'f');
}

bool uuid_is_valid(struct str text) {
    if (text.size != UUID_TEXT_SIZE - 1) return false;
    for (size_t i = 0; i < text.size; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? text.data[i] != '-' : !is_hex(text.data[i])) return false;
    }
    return true;
}

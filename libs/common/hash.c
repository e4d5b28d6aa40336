#include "common/hash.h"

#include <openssl/sha.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static_assert((int)SHA256_SIZE == SHA256_DIGEST_LENGTH, "the size of a SHA-256");
static_assert((int)SHA256_HEX_SIZE == 2 * SHA256_SIZE + 1, "two digits a byte, and a NUL");

void sha256(struct str bytes, uint8_t ret[SHA256_SIZE]) {
    const unsigned char *done =
            SHA256((const unsigned char *)(bytes.size ? bytes.data : ""), bytes.size, ret);

    assert(done);
}

static void put_hex(const uint8_t *bytes, size_t size, char *to) {
    for (size_t i = 0; i < size; i++) {
        *to++ = hex_digits[bytes[i] >> 4];
        *to++ = hex_digits[bytes[i] & 15];
    }
    *to = '\0';
}

struct str sha256_hex(struct str bytes, char text[SHA256_HEX_SIZE]) {
    uint8_t digest[SHA256_SIZE];

    sha256(bytes, digest);
    put_hex(digest, sizeof(digest), text);
    return (struct str){ text, SHA256_HEX_SIZE - 1 };
}

struct str hex_encode(struct str bytes, struct arena *arena) {
    assert(bytes.size <= SIZE_MAX / 4);
    char *text = arena_alloc(arena, bytes.size * 2 + 1);

    put_hex((const uint8_t *)bytes.data, bytes.size, text);
    return (struct str){ text, bytes.size * 2 };
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_decode(struct str text, struct arena *arena, struct str *ret) {
    if (text.size % 2) return false;
    char *bytes = arena_alloc(arena, text.size / 2 + 1);

    for (size_t i = 0; i < text.size; i += 2) {
        int high = hex_value(text.data[i]), low = hex_value(text.data[i + 1]);
        if (high < 0 || low < 0) return false;
        bytes[i / 2] = (char)(high << 4 | low);
    }
    bytes[text.size / 2] = '\0';
    *ret = (struct str){ bytes, text.size / 2 };
    return true;
}

struct str base64_encode(struct str bytes, struct arena *arena) {
    assert(bytes.size <= SIZE_MAX / 4);
    const uint8_t *from = (const uint8_t *)bytes.data;
    char *text = arena_alloc(arena, (bytes.size + 2) / 3 * 4 + 1), *to = text;

    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)from[i] << 16;
        if (left > 1) group |= (uint32_t)from[i + 1] << 8;
        if (left > 2) group |= from[i + 2];
        *to++ = base64_digits[group >> 18];
        *to++ = base64_digits[group >> 12 & 63];
        *to++ = (char)(left > 1 ? base64_digits[group >> 6 & 63] : '=');
        *to++ = (char)(left > 2 ? base64_digits[group & 63] : '=');
    }
    *to = '\0';
    return (struct str){ text, (size_t)(to - text) };
}

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Bits that no byte takes must be 0, so that a text has one meaning and bytes have one text. */
bool base64_decode(struct str text, struct arena *arena, struct str *ret) {
    if (text.size % 4 == 0) {
        for (int i = 0; i < 2 && str_ends_with(text, STR("=")); i++)
            text.size--;
    }
    if (text.size % 4 == 1) return false;
    char *bytes = arena_alloc(arena, text.size / 4 * 3 + 3), *to = bytes;
    uint32_t group = 0;
    int bits = 0;

    for (size_t i = 0; i < text.size; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0) return false;
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (char)(group >> bits & 0xFF);
            group &= (1u << bits) - 1;
        }
    }
    if (group) return false;
    *to = '\0';
    *ret = (struct str){ bytes, (size_t)(to - bytes) };
    return true;
}

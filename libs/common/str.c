#include "common/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

struct str str_from(const char *text) {
    return (struct str){ text, text ? strlen(text) : 0 };
}

bool str_equal(struct str a, struct str b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_equal_nocase(struct str a, struct str b) {
    if (a.size != b.size) return false;
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) return false;
    }
    return true;
}

bool str_starts_with(struct str s, struct str prefix) {
    return s.size >= prefix.size && str_equal(str_slice(s, 0, prefix.size), prefix);
}

bool str_ends_with(struct str s, struct str suffix) {
    return s.size >= suffix.size && str_equal(str_slice(s, s.size - suffix.size, s.size), suffix);
}

int str_compare(struct str a, struct str b) {
    size_t size = MIN(a.size, b.size);
    int order = size ? memcmp(a.data, b.data, size) : 0;

    if (order) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

struct str str_slice(struct str s, size_t from, size_t to) {
    to = MIN(to, s.size);
    from = MIN(from, to);
    return (struct str){ s.data ? s.data + from : NULL, to - from };
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s) {
    while (s.size && is_space(s.data[0])) s = str_slice(s, 1, s.size);
    while (s.size && is_space(s.data[s.size - 1])) s.size--;
    return s;
}

size_t str_find_char(struct str s, char c) {
    const char *found = s.size ? memchr(s.data, c, s.size) : NULL;

    return found ? (size_t)(found - s.data) : s.size;
}

size_t str_find(struct str s, struct str needle) {
    if (needle.size == 0) return 0;
    const char *found = s.size ? memmem(s.data, s.size, needle.data, needle.size) : NULL;

    return found ? (size_t)(found - s.data) : s.size;
}

struct str str_cut(struct str *rest, char separator) {
    size_t at = str_find_char(*rest, separator);
    struct str head = str_slice(*rest, 0, at);

    *rest = at < rest->size ? str_slice(*rest, at + 1, rest->size) : STR_NULL;
    return head;
}

bool str_to_int64(struct str s, int64_t *ret) {
    bool negative = s.size && s.data[0] == '-';
    int64_t value = 0;

    if (negative) s = str_slice(s, 1, s.size);
    if (s.size == 0) return false;
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') return false;
        int digit = s.data[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, negative ? -digit : digit, &value)) return false;
    }
    *ret = value;
    return true;
}

uint64_t str_hash(struct str s) {
    uint64_t hash = 0x9E3779B97F4A7C15u ^ s.size;

    while (s.size >= 8) {
        uint64_t word;
        memcpy(&word, s.data, 8);
        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
        s = str_slice(s, 8, s.size);
    }
    uint64_t tail = 0;
    if (s.size) memcpy(&tail, s.data, s.size);
    hash = (hash ^ tail) * 0xC4CEB9FE1A85EC53u;
    return hash ^ (hash >> 29);
}

struct str str_copy(struct str s, struct arena *arena) {
    char *copy = arena_alloc(arena, s.size + 1);

    if (s.size) memcpy(copy, s.data, s.size);
    copy[s.size] = '\0';
    return (struct str){ copy, s.size };
}

const char *str_to_c(struct str s, struct arena *arena) {
    return str_copy(s, arena).data;
}

struct str str_format(struct arena *arena, const char *format, ...) {
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    char *text = arena_alloc(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return (struct str){ text, (size_t)size };
}

/* The size of the valid UTF-8 sequence at `p`, or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t left) {
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;

    if (size <= 1) return size;
    if (size > left) return 0;
    uint32_t code = p[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < least[size] || surrogate || code > 0x10FFFF ? 0 : size;
}

bool str_is_utf8(struct str s) {
    const unsigned char *bytes = (const unsigned char *)s.data;

    for (size_t i = 0; i < s.size;) {
        size_t size = utf8_sequence(bytes + i, s.size - i);
        if (size == 0) return false;
        i += size;
    }
    return true;
}

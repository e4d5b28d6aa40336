/* The reader. One stack holds what is not yet in its place: the items and members of all open
 * containers, each container's own entry before them. Closing a container moves its entries to a
 * row of just their size in the arena, and the entry becomes the value. */
#include "common/json_internal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"

enum { STACK_LOCAL = 64, KEYS_SEEN_BITS = 64, MESSAGE_KEY_SIZE = 100 };

struct reader {
    const char *text, *next, *end;
    struct arena *arena;
    struct json_position *position;
    struct err *err;
    struct str key; /* of the value to come, where it is a member */
    struct json_member
            *stack; /* an open container's value.count is the entry of the next outer one */
    size_t top, capacity;
    uint32_t open; /* the entry of the innermost open container, or JSON_NONE */
    uint32_t depth, depth_max;
    struct json_member local[STACK_LOCAL];
};

/* ---- failing ---- */

static bool fail(struct reader *reader, const char *at, const char *what) {
    struct json_position position = { (size_t)(at - reader->text), 1, 1 };

    for (const char *p = reader->text; p < at; p++) {
        if (*p == '\n') {
            position.line++;
            position.column = 1;
        } else if (((unsigned char)*p & 0xC0) != 0x80) {
            position.column++;
        }
    }
    if (reader->position) *reader->position = position;
    return err_set(reader->err, ERR_MALFORMED, "line %u, column %u: %s", position.line,
            position.column, what);
}

static bool fail_here(struct reader *reader, const char *what) {
    return fail(
            reader, reader->next, reader->next == reader->end ? "the text ends too early" : what);
}

static bool fail_twice(struct reader *reader, struct str key) {
    uintptr_t at = (uintptr_t)key.data;
    bool in_text = at >= (uintptr_t)reader->text && at < (uintptr_t)reader->end;

    if (key.size > MESSAGE_KEY_SIZE) key = STR("...");
    const char *what = str_to_c(
            str_format(reader->arena, "the key '" STR_FMT "' is there twice", STR_ARG(key)),
            reader->arena);
    return fail(reader, in_text ? key.data - 1 : reader->next, what);
}

/* ---- strings ---- */

/* The size of the valid UTF-8 sequence of more than one byte at `p`, or 0 (RFC 3629, 4). */
static size_t sequence_size(const char *p, const char *end) {
    unsigned char lead = (unsigned char)p[0];
    size_t size = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;

    if (size == 0 || (size_t)(end - p) < size) return 0;
    if ((unsigned char)p[1] < least || (unsigned char)p[1] > most) return 0;
    for (size_t i = 2; i < size; i++) {
        if (((unsigned char)p[i] & 0xC0) != 0x80) return 0;
    }
    return size;
}

/* Skips what needs no second look: eight bytes at a time, up to a quote, a backslash, a control
 * character or a byte over 127. The lowest mark is right; a borrow can only mark bytes behind it. */
static const char *skip_plain(const char *p, const char *end) {
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;

    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        word = le64toh(word);
        uint64_t quote = (word ^ ones * '"') - ones;
        uint64_t backslash = (word ^ ones * '\\') - ones;
        uint64_t marks = (quote | backslash | (word - ones * 0x20) | word) & high;
        if (marks) return p + (__builtin_ctzll(marks) >> 3);
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"'
            && *p != '\\')
        p++;
    return p;
}

/* Finds the closing quote; *ret_escapes says if a backslash came before it. */
static bool scan_string(struct reader *reader, bool *ret_escapes) {
    const char *p = reader->next;
    bool escapes = false;

    for (;;) {
        p = skip_plain(p, reader->end);
        if (p == reader->end) return fail(reader, p, "the text ends within a string");
        if (*p == '"') break;
        if (*p == '\\') {
            escapes = true;
            if (reader->end - p < 2) return fail(reader, p, "the text ends within a string");
            p++;
            if ((unsigned char)*p < 0x80) p++;
            continue;
        }
        if ((unsigned char)*p < 0x20) return fail(reader, p, "a control character in a string");
        do {
            size_t size = sequence_size(p, reader->end);
            if (size == 0) return fail(reader, p, "not UTF-8");
            p += size;
        } while (p < reader->end && (unsigned char)*p >= 0x80);
    }
    reader->next = p;
    *ret_escapes = escapes;
    return true;
}

/* The four hexadecimal digits at `p`, or -1. */
static int32_t hex4(const char *p, const char *end) {
    int32_t code = 0;

    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        char letter = (char)(c | 0x20);
        if (c >= '0' && c <= '9') {
            code = code << 4 | (c - '0');
        } else if (letter >= 'a' && letter <= 'f') {
            code = code << 4 | (letter - 'a' + 10);
        } else {
            return -1;
        }
    }
    return code;
}

static char *put_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char)(0xE0 | code >> 12);
        } else {
            *to++ = (char)(0xF0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (code & 0x3F));
    return to;
}

/* Decodes \uXXXX, or a pair of them, at *from (the 'u'), and moves it behind. */
static bool decode_unicode(struct reader *reader, const char **from, const char *end, char **to) {
    const char *p = *from;
    int32_t code = hex4(p + 1, end);

    if (code < 0) return fail(reader, p - 1, "\\u is followed by four hexadecimal digits");
    p += 5;
    if (code >= 0xDC00 && code <= 0xDFFF) return fail(reader, *from - 1, "a lone surrogate");
    if (code >= 0xD800 && code <= 0xDBFF) {
        int32_t low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, end) : -1;
        if (low < 0xDC00 || low > 0xDFFF) return fail(reader, *from - 1, "a lone surrogate");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    *to = put_utf8(*to, (uint32_t)code);
    *from = p;
    return true;
}

/* Decodes a string with escapes; no escape is shorter than what it stands for. */
static bool decode_string(
        struct reader *reader, const char *from, const char *end, struct str *ret) {
    static const char escapes[128] = {
        ['"'] = '"',
        ['\\'] = '\\',
        ['/'] = '/',
        ['b'] = '\b',
        ['f'] = '\f',
        ['n'] = '\n',
        ['r'] = '\r',
        ['t'] = '\t',
    };
    char *start = arena_alloc(reader->arena, (size_t)(end - from) + 1);
    char *to = start;

    while (from < end) {
        const char *backslash = memchr(from, '\\', (size_t)(end - from));
        size_t plain = (size_t)((backslash ? backslash : end) - from);
        memcpy(to, from, plain);
        to += plain;
        from += plain;
        if (!backslash) break;
        unsigned char c = (unsigned char)*++from;
        if (c == 'u') {
            if (!decode_unicode(reader, &from, end, &to)) return false;
        } else {
            if (c >= 0x80 || !escapes[c]) return fail(reader, from - 1, "no such escape");
            *to++ = escapes[c];
            from++;
        }
    }
    *to = '\0';
    *ret = (struct str){ start, (size_t)(to - start) };
    return true;
}

/* Reads a string from behind its first quote. */
static bool read_string(struct reader *reader, struct str *ret) {
    const char *from = reader->next;
    bool escapes = false;

    if (!scan_string(reader, &escapes)) return false;
    const char *end = reader->next++;
    if (escapes) return decode_string(reader, from, end, ret);
    *ret = (struct str){ from, (size_t)(end - from) };
    return true;
}

/* ---- other scalars ---- */

static bool is_digit(const char *p, const char *end) {
    return p < end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const char *p, const char *end) {
    while (is_digit(p, end))
        p++;
    return p;
}

static bool read_number(struct reader *reader, struct json *ret) {
    const char *start = reader->next, *end = reader->end;
    const char *p = start + (*start == '-');

    if (!is_digit(p, end)) return fail(reader, p, "a digit is missing");
    if (*p == '0' && is_digit(p + 1, end)) return fail(reader, p, "a number does not begin with 0");
    p = skip_digits(p, end);
    if (p < end && *p == '.') {
        if (!is_digit(++p, end)) return fail(reader, p, "a digit is missing behind the point");
        p = skip_digits(p, end);
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (!is_digit(p, end)) return fail(reader, p, "a digit is missing in the exponent");
        p = skip_digits(p, end);
    }
    *ret = json_number_from(start, (size_t)(p - start));
    reader->next = p;
    return true;
}

static bool read_word(
        struct reader *reader, struct str word, enum json_type type, struct json *ret) {
    size_t left = (size_t)(reader->end - reader->next);

    if (left < word.size || memcmp(reader->next, word.data, word.size) != 0) {
        return fail(reader, reader->next, "a value is missing here");
    }
    reader->next += word.size;
    *ret = (struct json){ .type = type };
    return true;
}

/* ---- the stack ---- */

static void push(struct reader *reader, struct json value) {
    if (reader->top == reader->capacity) {
        bool local = reader->stack == reader->local;
        struct json_member *stack =
                realloc(local ? NULL : reader->stack, reader->capacity * 2 * sizeof(*stack));
        assert(stack);
        if (local) memcpy(stack, reader->local, sizeof(reader->local));
        reader->stack = stack;
        reader->capacity *= 2;
    }
    reader->stack[reader->top++] = (struct json_member){ reader->key, value };
}

static bool open_container(struct reader *reader, enum json_type type) {
    if (reader->depth == reader->depth_max) return fail(reader, reader->next, "nested too deeply");
    reader->depth++;
    uint32_t entry = (uint32_t)reader->top;
    push(reader, (struct json){ .type = type, .count = reader->open });
    reader->open = entry;
    reader->next++;
    return true;
}

/* Finds a key that is among those before it. A set of bits saves most comparisons. */
static uint32_t find_twice(const struct json_object *object) {
    const struct json_member *members = object->members;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < object->used; i++) {
        struct str key = members[i].key;
        size_t sum = key.size;
        if (key.size) sum += (size_t)key.data[0] * 7 + (size_t)key.data[key.size - 1] * 31;
        uint64_t bit = (uint64_t)1 << sum % KEYS_SEEN_BITS;
        bool maybe = seen & bit;
        seen |= bit;
        for (uint32_t j = 0; maybe && j < i; j++) {
            if (str_equal(key, members[j].key)) return i;
        }
    }
    return JSON_NONE;
}

static bool build_object(
        struct reader *reader, const struct json_member *entries, size_t count, struct json *ret) {
    struct json_object *object = json_object_make(reader->arena, count);

    memcpy(object->members, entries, count * sizeof(*entries));
    object->used = (uint32_t)count;
    uint32_t twice = count > JSON_INDEX_MIN ? json_object_index(object) : find_twice(object);
    if (twice != JSON_NONE) return fail_twice(reader, entries[twice].key);
    ret->object = object;
    return true;
}

static void build_array(
        struct reader *reader, const struct json_member *entries, size_t count, struct json *ret) {
    struct json_array *array = json_array_make(reader->arena, count);

    for (size_t i = 0; i < count; i++)
        array->items[i] = entries[i].value;
    array->used = (uint32_t)count;
    ret->array = array;
}

/* Closes the innermost container, at its bracket. */
static bool close_container(struct reader *reader) {
    struct json_member *entry = &reader->stack[reader->open];
    size_t count = reader->top - reader->open - 1;
    struct json value = { .type = entry->value.type, .count = (uint32_t)count };

    if (count && value.type == JSON_ARRAY) build_array(reader, entry + 1, count, &value);
    if (count && value.type == JSON_OBJECT && !build_object(reader, entry + 1, count, &value)) {
        return false;
    }
    reader->top = reader->open + 1;
    reader->open = entry->value.count;
    reader->depth--;
    reader->next++;
    entry->value = value;
    return true;
}

/* ---- the grammar ---- */

static void skip_space(struct reader *reader) {
    const char *p = reader->next;

    while (p < reader->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    reader->next = p;
}

static char peek(const struct reader *reader) {
    return (char)(reader->next < reader->end ? *reader->next : '\0');
}

static bool read_key(struct reader *reader) {
    skip_space(reader);
    if (peek(reader) != '"') return fail_here(reader, "a key in quotes is missing here");
    reader->next++;
    if (!read_string(reader, &reader->key)) return false;
    skip_space(reader);
    if (peek(reader) != ':') return fail_here(reader, "a colon is missing here");
    reader->next++;
    return true;
}

/* Reads a scalar, or the opening bracket of a container. */
static bool read_value(struct reader *reader, bool *ret_opened) {
    struct json value = { 0 };
    struct str text = STR_NULL;

    *ret_opened = false;
    switch (peek(reader)) {
    case '"':
        reader->next++;
        if (!read_string(reader, &text)) return false;
        value = json_string(text);
        break;
    case '{': *ret_opened = true; return open_container(reader, JSON_OBJECT);
    case '[': *ret_opened = true; return open_container(reader, JSON_ARRAY);
    case 't':
        if (!read_word(reader, STR("true"), JSON_TRUE, &value)) return false;
        break;
    case 'f':
        if (!read_word(reader, STR("false"), JSON_FALSE, &value)) return false;
        break;
    case 'n':
        if (!read_word(reader, STR("null"), JSON_NULL, &value)) return false;
        break;
    default:
        if (peek(reader) != '-' && !is_digit(reader->next, reader->end)) {
            return fail_here(reader, "a value is missing here");
        }
        if (!read_number(reader, &value)) return false;
    }
    push(reader, value);
    return true;
}

static char closing(const struct reader *reader) {
    return (char)(reader->stack[reader->open].value.type == JSON_ARRAY ? ']' : '}');
}

/* Behind a value: closes what ends here, up to a comma or the end of the outermost value. */
static bool read_behind_value(struct reader *reader) {
    while (reader->open != JSON_NONE) {
        skip_space(reader);
        if (peek(reader) == ',') {
            reader->next++;
            return closing(reader) == ']' || read_key(reader);
        }
        if (peek(reader) != closing(reader)) {
            return fail_here(reader,
                    closing(reader) == ']' ? "a comma or ] is missing here"
                                           : "a comma or } is missing here");
        }
        if (!close_container(reader)) return false;
    }
    return true;
}

static bool read_document(struct reader *reader) {
    do {
        bool opened;
        skip_space(reader);
        if (!read_value(reader, &opened)) return false;
        if (opened) {
            skip_space(reader);
            if (peek(reader) != closing(reader)) {
                if (closing(reader) == '}' && !read_key(reader)) return false;
                continue;
            }
        }
        if (!read_behind_value(reader)) return false;
    } while (reader->open != JSON_NONE);
    skip_space(reader);
    if (reader->next != reader->end) return fail(reader, reader->next, "text behind the value");
    return true;
}

bool json_read(struct str text, const struct json_read_options *options, struct arena *arena,
        struct json *ret, struct json_position *position, struct err *err) {
    bool borrow = options && options->borrow;
    struct reader reader; /* its stack is large and needs no zeroes */

    if (text.size >= INT32_MAX) {
        if (position) *position = (struct json_position){ 0, 1, 1 };
        return err_set(err, ERR_MALFORMED, "line 1, column 1: the text is too long");
    }
    if (!text.data) text = STR("");
    /* One copy of the whole text is cheaper than one of each string. */
    if (!borrow) text = str_copy(text, arena);
    reader.text = reader.next = text.data;
    reader.end = text.data + text.size;
    reader.arena = arena;
    reader.position = position;
    reader.err = err;
    reader.key = STR_NULL;
    reader.stack = reader.local;
    reader.top = 0;
    reader.capacity = STACK_LOCAL;
    reader.open = JSON_NONE;
    reader.depth = 0;
    reader.depth_max = options && options->depth_max ? options->depth_max : LIMIT_DEPTH;
    bool done = read_document(&reader);
    if (done) *ret = reader.stack[0].value;
    if (reader.stack != reader.local) free(reader.stack);
    return done;
}

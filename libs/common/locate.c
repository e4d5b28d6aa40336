#include "common/locate.h"

#include <string.h>

#include "common/limits.h"

enum { KEY_SIZE_MAX = 1024 };

/* ---- following pointers ---- */

void locate_begin(struct locate_target *targets, size_t count, struct json_position root) {
    for (size_t i = 0; i < count; i++) {
        targets[i].position = root;
        targets[i].rest = targets[i].pointer;
        targets[i].inside = targets[i].pointer.size && targets[i].pointer.data[0] == '/' ? 1 : 0;
    }
}

/* The first token of a pointer that begins with '/', still escaped. */
static struct str first_token(struct str rest) {
    struct str token = str_slice(rest, 1, rest.size);

    return str_slice(token, 0, str_find_char(token, '/'));
}

static bool token_is(struct str token, struct str key) {
    size_t at = 0;

    for (size_t i = 0; i < token.size; i++, at++) {
        char c = token.data[i];
        if (c == '~' && i + 1 < token.size) {
            c = token.data[++i] == '1' ? '/' : '~';
        }
        if (at >= key.size || key.data[at] != c) return false;
    }
    return at == key.size;
}

void locate_key(struct locate_target *targets, size_t count, uint32_t depth, struct str key,
        struct json_position at) {
    for (size_t i = 0; i < count; i++) {
        struct locate_target *target = &targets[i];
        if (target->inside != depth) continue;
        struct str token = first_token(target->rest);
        if (!token_is(token, key)) continue;
        target->position = at;
        target->rest = str_slice(target->rest, 1 + token.size, target->rest.size);
        target->inside = target->rest.size ? depth + 1 : 0;
    }
}

void locate_item(struct locate_target *targets, size_t count, uint32_t depth, size_t index,
        struct json_position at) {
    char digits[24];
    size_t from = sizeof(digits);

    do {
        digits[--from] = (char)('0' + index % 10);
        index /= 10;
    } while (index);
    locate_key(targets, count, depth, (struct str){ digits + from, sizeof(digits) - from }, at);
}

void locate_leave(struct locate_target *targets, size_t count, uint32_t depth) {
    for (size_t i = 0; i < count; i++) {
        if (targets[i].inside > depth) targets[i].inside = 0;
    }
}

/* ---- JSON ---- */

/* A scanner that trusts nothing but checks little: the text was read before, only places are
 * wanted now. */
struct scanner {
    struct str text;
    struct json_position at;
    struct locate_target *targets;
    size_t count;
    uint32_t depth;
    bool is_object[LIMIT_DEPTH + 1];
    size_t index[LIMIT_DEPTH + 1];
};

static int peek(const struct scanner *scanner) {
    return scanner->at.offset < scanner->text.size
            ? (unsigned char)scanner->text.data[scanner->at.offset]
            : -1;
}

static void advance(struct scanner *scanner) {
    unsigned char c = (unsigned char)scanner->text.data[scanner->at.offset++];

    if (c == '\n') {
        scanner->at.line++;
        scanner->at.column = 1;
    } else if ((c & 0xC0) != 0x80) {
        scanner->at.column++;
    }
}

static void skip_space(struct scanner *scanner) {
    for (int c = peek(scanner); c == ' ' || c == '\t' || c == '\r' || c == '\n'; c = peek(scanner))
        advance(scanner);
}

static int hex_digit(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static size_t utf8_put(char *to, uint32_t code) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3F));
    to[0] = (char)((0xF00u >> size & 0xFF) | code);
    return size;
}

/* Reads \uXXXX, its second half too; the scanner stands behind the 'u'. */
static bool read_unicode(struct scanner *scanner, uint32_t *ret) {
    uint32_t code = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(peek(scanner));
        if (digit < 0) return false;
        code = code << 4 | (uint32_t)digit;
        advance(scanner);
    }
    if (*ret) code = 0x10000 + ((*ret - 0xD800) << 10) + (code - 0xDC00); /* *ret: the high half */
    *ret = code;
    return true;
}

static bool read_escape(struct scanner *scanner, char *key, size_t *size) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(scanner);
    uint32_t code = 0;

    if (c < 0) return false;
    advance(scanner);
    if (c != 'u') {
        const char *found = strchr(from, c);
        if (!found || c == 0) return false;
        key[(*size)++] = to[found - from];
        return true;
    }
    if (!read_unicode(scanner, &code)) return false;
    if (code >= 0xD800 && code < 0xDC00) {
        if (peek(scanner) != '\\') return false;
        advance(scanner);
        if (peek(scanner) != 'u') return false;
        advance(scanner);
        if (!read_unicode(scanner, &code)) return false;
    }
    *size += utf8_put(key + *size, code & 0x1FFFFF);
    return true;
}

/* Passes a string; its text goes to `key`. Longer keys are cut, and then equal no token of ours. */
static bool scan_string(struct scanner *scanner, char key[KEY_SIZE_MAX + 8], size_t *ret_size) {
    size_t size = 0;

    advance(scanner);
    for (int c = peek(scanner); c != '"'; c = peek(scanner)) {
        if (c < 0) return false;
        if (size > KEY_SIZE_MAX) size = KEY_SIZE_MAX;
        advance(scanner);
        if (c != '\\') {
            key[size++] = (char)c;
        } else if (!read_escape(scanner, key, &size)) {
            return false;
        }
    }
    advance(scanner);
    *ret_size = size;
    return true;
}

static bool scan_key(struct scanner *scanner) {
    char key[KEY_SIZE_MAX + 8];
    struct json_position at = scanner->at;
    size_t size;

    if (peek(scanner) != '"' || !scan_string(scanner, key, &size)) return false;
    locate_key(scanner->targets, scanner->count, scanner->depth, (struct str){ key, size }, at);
    skip_space(scanner);
    if (peek(scanner) != ':') return false;
    advance(scanner);
    skip_space(scanner);
    return true;
}

/* Stands before a value or the end of the innermost container. */
static bool scan_step(struct scanner *scanner) {
    char ignored[KEY_SIZE_MAX + 8];
    size_t size;
    uint32_t depth = scanner->depth;
    int c = peek(scanner);

    if (depth && c == ',') {
        advance(scanner);
        skip_space(scanner);
        c = peek(scanner);
    }
    if (depth && (c == ']' || c == '}')) {
        advance(scanner);
        scanner->depth--;
        locate_leave(scanner->targets, scanner->count, scanner->depth);
        return true;
    }
    if (depth && scanner->is_object[depth]) {
        if (!scan_key(scanner)) return false;
    } else if (depth) {
        locate_item(scanner->targets, scanner->count, depth, scanner->index[depth]++, scanner->at);
    }
    c = peek(scanner);
    if (c == '{' || c == '[') {
        if (depth == LIMIT_DEPTH) return false;
        advance(scanner);
        scanner->depth++;
        scanner->is_object[scanner->depth] = c == '{';
        scanner->index[scanner->depth] = 0;
        return true;
    }
    if (c < 0) return false;
    if (c == '"') {
        if (!scan_string(scanner, ignored, &size)) return false;
    } else {
        while (c > 0 && !strchr(",]} \t\r\n", c)) {
            advance(scanner);
            c = peek(scanner);
        }
    }
    locate_leave(scanner->targets, scanner->count, depth);
    return true;
}

bool json_locate(struct str text, struct locate_target *targets, size_t count) {
    struct scanner scanner = {
        .text = text, .at = { 0, 1, 1 }, .targets = targets, .count = count
    };

    skip_space(&scanner);
    locate_begin(targets, count, scanner.at);
    for (;;) {
        size_t before = scanner.at.offset;
        if (!scan_step(&scanner)) return false;
        if (scanner.depth == 0) return true;
        skip_space(&scanner);
        if (scanner.at.offset == before) return false;
    }
}

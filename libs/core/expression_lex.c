/* Tokens. */
#include <string.h>

#include "core/expression_internal.h"

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static char peek(const struct lexer *lexer, size_t ahead) {
    return lexer->at + ahead < lexer->text.size ? lexer->text.data[lexer->at + ahead] : '\0';
}

static void skip_blank(struct lexer *lexer) {
    while (lexer->at < lexer->text.size) {
        char c = lexer->text.data[lexer->at];
        if (c == '#') {
            while (lexer->at < lexer->text.size && lexer->text.data[lexer->at] != '\n')
                lexer->at++;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            lexer->at++;
        } else {
            return;
        }
    }
}

static size_t word_size(const struct lexer *lexer, size_t ahead) {
    size_t size = 0;

    if (!is_letter(peek(lexer, ahead))) return 0;
    while (is_letter(peek(lexer, ahead + size)) || is_digit(peek(lexer, ahead + size)))
        size++;
    return size;
}

static size_t number_size(const struct lexer *lexer) {
    size_t size = 0;

    while (is_digit(peek(lexer, size)))
        size++;
    if (peek(lexer, size) == '.') size++;
    while (is_digit(peek(lexer, size)))
        size++;
    if (peek(lexer, size) == 'e' || peek(lexer, size) == 'E') {
        size_t exponent = size + 1;
        if (peek(lexer, exponent) == '+' || peek(lexer, exponent) == '-') exponent++;
        if (is_digit(peek(lexer, exponent))) {
            size = exponent;
            while (is_digit(peek(lexer, size)))
                size++;
        }
    }
    return size;
}

static size_t symbol_size(const struct lexer *lexer) {
    static const char *const symbols[] = { "?//",
        "//=", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=", ">=", "//", "..", ".", "[",
        "]", "(", ")", "{", "}", "|", ",", ":", ";", "=", "<", ">", "+", "-", "*", "/", "%", "?" };

    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
        size_t size = strlen(symbols[i]), at = 0;
        while (at < size && peek(lexer, at) == symbols[i][at])
            at++;
        if (at == size) return size;
    }
    return 0;
}

/* A token of `size` bytes whose text begins `skipped` bytes in. */
static struct token take(struct lexer *lexer, enum token_type type, size_t skipped, size_t size) {
    struct token token = {
        .type = type,
        .offset = (uint32_t)lexer->at,
        .text = str_slice(lexer->text, lexer->at + skipped, lexer->at + size),
    };

    lexer->at += size;
    return token;
}

struct token lexer_next(struct lexer *lexer) {
    skip_blank(lexer);
    char c = peek(lexer, 0);
    if (lexer->at == lexer->text.size) return take(lexer, TOKEN_END, 0, 0);
    if (c == '"') return take(lexer, TOKEN_QUOTE, 0, 1);
    if (is_letter(c)) return take(lexer, TOKEN_WORD, 0, word_size(lexer, 0));
    if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1)))) {
        return take(lexer, TOKEN_NUMBER, 0, number_size(lexer));
    }
    size_t word = word_size(lexer, 1);
    if (c == '.' && word) return take(lexer, TOKEN_FIELD, 1, 1 + word);
    if (c == '$' && word) return take(lexer, TOKEN_VARIABLE, 1, 1 + word);
    if (c == '@') {
        while (is_letter(peek(lexer, 1 + word)) || is_digit(peek(lexer, 1 + word)))
            word++;
        if (word) return take(lexer, TOKEN_FORMAT, 1, 1 + word);
    }
    size_t size = symbol_size(lexer);
    return size ? take(lexer, TOKEN_SYMBOL, 0, size) : take(lexer, TOKEN_BAD, 0, 1);
}

bool lexer_is_keyword(struct str word) {
    static const char *const keywords[] = { "def", "if", "then", "elif", "else", "end", "as",
        "reduce", "foreach", "try", "catch", "label", "import", "include", "module", "and", "or",
        "__loc__", "break" };

    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        if (str_equal(word, str_from(keywords[i]))) return true;
    }
    return false;
}

/* ---- strings ---- */

static int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool read_unit(struct lexer *lexer, uint32_t *ret) {
    uint32_t unit = 0;

    for (size_t i = 0; i < 4; i++) {
        int digit = hex_value(peek(lexer, i));
        if (digit < 0) return false;
        unit = unit * 16 + (uint32_t)digit;
    }
    lexer->at += 4;
    *ret = unit;
    return true;
}

static size_t put_point(char *to, uint32_t point) {
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (char)(0xC0 | (point >> 6));
        to[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (char)(0xE0 | (point >> 12));
        to[1] = (char)(0x80 | ((point >> 6) & 0x3F));
        to[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | (point >> 18));
    to[1] = (char)(0x80 | ((point >> 12) & 0x3F));
    to[2] = (char)(0x80 | ((point >> 6) & 0x3F));
    to[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

/* Reads what stands behind `\u`; a surrogate without its other half becomes U+FFFD, as jq has
 * it. */
static bool read_escaped_point(struct lexer *lexer, uint32_t *ret) {
    uint32_t unit, low;

    if (!read_unit(lexer, &unit)) return false;
    *ret = unit;
    if (unit < 0xD800 || unit > 0xDFFF) return true;
    *ret = 0xFFFD;
    if (unit > 0xDBFF || peek(lexer, 0) != '\\' || peek(lexer, 1) != 'u') return true;
    size_t before = lexer->at;
    lexer->at += 2;
    if (!read_unit(lexer, &low)) return false;
    if (low >= 0xDC00 && low <= 0xDFFF) {
        *ret = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    } else {
        lexer->at = before;
    }
    return true;
}

/* Reads one escape, which never is shorter than what it stands for. */
static bool read_escape(struct lexer *lexer, char *to, size_t *size) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = peek(lexer, 1);
    uint32_t point;

    if (c == 'u') {
        lexer->at += 2;
        if (!read_escaped_point(lexer, &point)) return false;
        *size += put_point(to + *size, point);
        return true;
    }
    const char *name = c ? strchr(names, c) : NULL;
    if (!name) return false;
    to[(*size)++] = values[name - names];
    lexer->at += 2;
    return true;
}

MUST_USE bool lexer_string(
        struct lexer *lexer, struct str *ret_piece, bool *ret_interpolated, struct err *err) {
    size_t start = lexer->at, end = start, size = 0;

    while (end < lexer->text.size && lexer->text.data[end] != '"' && lexer->text.data[end] != '\\')
        end++;
    if (end < lexer->text.size && lexer->text.data[end] == '"') {
        *ret_piece = str_slice(lexer->text, start, end);
        *ret_interpolated = false;
        lexer->at = end + 1;
        return true;
    }
    while (end < lexer->text.size && lexer->text.data[end] != '"') {
        bool escape = lexer->text.data[end] == '\\';
        if (escape && end + 1 < lexer->text.size && lexer->text.data[end + 1] == '(') break;
        end += escape ? 2 : 1;
    }
    char *to = arena_alloc(lexer->arena, MIN(end, lexer->text.size) - start + 4);
    for (;;) {
        if (lexer->at >= lexer->text.size) {
            return err_set(
                    err, ERR_INVALID, "expression: the string at offset %zu has no end", start - 1);
        }
        char c = lexer->text.data[lexer->at];
        if (c == '"' || (c == '\\' && peek(lexer, 1) == '(')) {
            *ret_piece = (struct str){ to, size };
            *ret_interpolated = c == '\\';
            lexer->at += c == '"' ? 1 : 2;
            return true;
        }
        size_t at = lexer->at;
        if (c != '\\') {
            to[size++] = c;
            lexer->at++;
        } else if (!read_escape(lexer, to, &size)) {
            return err_set(err, ERR_INVALID, "expression: invalid escape at offset %zu", at);
        }
    }
}

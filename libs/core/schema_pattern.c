#include <string.h>

#include "common/buf.h"
#include "common/limits.h"
#include "common/regex.h"
#include "core/schema_internal.h"

/* Where ECMA-262 (with the u flag) and PCRE2 differ, the pattern is rewritten: $ is the very
 * end, \s knows all white space, \u is an escape, properties have long names. What ECMA-262 does
 * not have is refused: patterns travel. */

enum { PATTERN_GROWTH = 16 };

#define SPACES           \
    "\\t\\n\\x0B\\f\\r " \
    "\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}\\x{FEFF}"

static const struct {
    const char *name, *category;
} categories[] = {
    { "Letter", "L" },
    { "Cased_Letter", "L&" },
    { "LC", "L&" },
    { "Uppercase_Letter", "Lu" },
    { "Lowercase_Letter", "Ll" },
    { "Titlecase_Letter", "Lt" },
    { "Modifier_Letter", "Lm" },
    { "Other_Letter", "Lo" },
    { "Mark", "M" },
    { "Combining_Mark", "M" },
    { "Nonspacing_Mark", "Mn" },
    { "Spacing_Mark", "Mc" },
    { "Enclosing_Mark", "Me" },
    { "Number", "N" },
    { "Decimal_Number", "Nd" },
    { "digit", "Nd" },
    { "Letter_Number", "Nl" },
    { "Other_Number", "No" },
    { "Punctuation", "P" },
    { "punct", "P" },
    { "Connector_Punctuation", "Pc" },
    { "Dash_Punctuation", "Pd" },
    { "Open_Punctuation", "Ps" },
    { "Close_Punctuation", "Pe" },
    { "Initial_Punctuation", "Pi" },
    { "Final_Punctuation", "Pf" },
    { "Other_Punctuation", "Po" },
    { "Symbol", "S" },
    { "Math_Symbol", "Sm" },
    { "Currency_Symbol", "Sc" },
    { "Modifier_Symbol", "Sk" },
    { "Other_Symbol", "So" },
    { "Separator", "Z" },
    { "Space_Separator", "Zs" },
    { "Line_Separator", "Zl" },
    { "Paragraph_Separator", "Zp" },
    { "Other", "C" },
    { "Control", "Cc" },
    { "cntrl", "Cc" },
    { "Format", "Cf" },
    { "Surrogate", "Cs" },
    { "Private_Use", "Co" },
    { "Unassigned", "Cn" },
};

struct rewriter {
    struct str from;
    size_t at;
    struct buf to;
    struct err *err;
};

static bool refuse(struct rewriter *rewriter, size_t at, const char *what) {
    return err_set(rewriter->err, ERR_INVALID, "regular expression, at offset %zu: %s", at, what);
}

/* The byte `ahead` places on, or -1. */
static int peek(const struct rewriter *rewriter, size_t ahead) {
    return rewriter->at + ahead < rewriter->from.size
            ? (unsigned char)rewriter->from.data[rewriter->at + ahead]
            : -1;
}

static int hex_digit(int c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool hex_four(const struct rewriter *rewriter, size_t ahead, uint32_t *ret) {
    uint32_t code = 0;

    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(peek(rewriter, ahead + i));
        if (digit < 0) return false;
        code = code << 4 | (uint32_t)digit;
    }
    *ret = code;
    return true;
}

/* \u0041, \ud83d\udc32, \u{1F432}; `at` stands on the u. */
static bool rewrite_unicode(struct rewriter *rewriter) {
    uint32_t code, low;
    size_t size = 5;

    if (peek(rewriter, 1) == '{') {
        code = 0;
        for (size = 2; hex_digit(peek(rewriter, size)) >= 0 && code <= 0x10FFFF; size++)
            code = code << 4 | (uint32_t)hex_digit(peek(rewriter, size));
        if (size == 2 || peek(rewriter, size) != '}')
            return refuse(rewriter, rewriter->at, "\\u{ } wants hexadecimal digits");
        size++;
    } else if (!hex_four(rewriter, 1, &code)) {
        return refuse(rewriter, rewriter->at, "\\u wants four hexadecimal digits");
    }
    if (code >= 0xD800 && code < 0xDC00 && peek(rewriter, 5) == '\\' && peek(rewriter, 6) == 'u'
            && hex_four(rewriter, 7, &low) && low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        size = 11;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return refuse(rewriter, rewriter->at, "this is no character");
    buf_append_format(&rewriter->to, "\\x{%X}", code);
    rewriter->at += size;
    return true;
}

/* \p{Letter}, \p{gc=Lu}, \p{Script=Greek}; `at` stands on the p. */
static bool rewrite_property(struct rewriter *rewriter) {
    struct str rest = str_slice(rewriter->from, rewriter->at + 1, rewriter->from.size);
    size_t end = str_find_char(rest, '}');

    if (rest.size == 0 || rest.data[0] != '{' || end == rest.size)
        return refuse(rewriter, rewriter->at, "\\p wants a property in braces");
    struct str name = str_slice(rest, 1, end), key = str_slice(name, 0, str_find_char(name, '='));
    if (key.size < name.size) name = str_slice(name, key.size + 1, name.size);
    for (size_t i = 0; i < ARRAY_SIZE(categories); i++) {
        if (str_equal(name, str_from(categories[i].name))) name = str_from(categories[i].category);
    }
    bool is_extended = str_equal(key, STR("Script_Extensions")) || str_equal(key, STR("scx"));
    bool is_script = str_equal(key, STR("Script")) || str_equal(key, STR("sc"));
    buf_append_format(&rewriter->to, "\\%c{%s" STR_FMT "}", rewriter->from.data[rewriter->at],
            is_extended         ? "scx:"
                    : is_script ? "sc:"
                                : "",
            STR_ARG(name));
    rewriter->at += 1 + end + 1;
    return true;
}

/* `at` stands behind the backslash. */
static bool rewrite_escape(struct rewriter *rewriter, bool in_class) {
    int c = peek(rewriter, 0), next = peek(rewriter, 1);
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    if (c < 0) return refuse(rewriter, rewriter->at, "a backslash at the end");
    if (c == 'u') return rewrite_unicode(rewriter);
    if (c == 'p' || c == 'P') return rewrite_property(rewriter);
    if (c == 'x' && (hex_digit(next) < 0 || hex_digit(peek(rewriter, 2)) < 0))
        return refuse(rewriter, rewriter->at, "\\x wants two hexadecimal digits");
    if (c == 'c' && !((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z')))
        return refuse(rewriter, rewriter->at, "\\c wants a letter");
    if (c == 'k' && next != '<')
        return refuse(rewriter, rewriter->at, "\\k wants the name of a group in < >");
    if (is_letter && !strchr(in_class ? "dDwWsSbfnrtvcx" : "dDwWsSbBfnrtvcxk", c)) {
        return refuse(rewriter, rewriter->at, "ECMA-262 has no such escape");
    }
    if (c == 's') {
        buf_append_c(&rewriter->to, in_class ? SPACES : "[" SPACES "]");
    } else if (c == 'S' && !in_class) {
        buf_append_c(&rewriter->to, "[^" SPACES "]");
    } else if (c == 'v') {
        buf_append_c(&rewriter->to, "\\x0B");
    } else if (c == '0') {
        buf_append_c(&rewriter->to, "\\x00");
    } else {
        buf_append_format(&rewriter->to, "\\%c", c);
    }
    rewriter->at++;
    return true;
}

static bool rewrite_class(struct rewriter *rewriter) {
    bool is_negated = peek(rewriter, 1) == '^';

    rewriter->at += 1 + is_negated;
    if (peek(rewriter, 0) == ']') {
        buf_append_c(&rewriter->to, is_negated ? "(?s:.)" : "(?!)");
        rewriter->at++;
        return true;
    }
    buf_append_c(&rewriter->to, is_negated ? "[^" : "[");
    for (int c = peek(rewriter, 0); c != ']'; c = peek(rewriter, 0)) {
        if (c < 0) return refuse(rewriter, rewriter->at, "a class without its ]");
        rewriter->at++;
        if (c == '[') {
            buf_append_c(&rewriter->to, "\\[");
        } else if (c != '\\') {
            buf_append_char(&rewriter->to, (char)c);
        } else if (!rewrite_escape(rewriter, true)) {
            return false;
        }
    }
    buf_append_char(&rewriter->to, ']');
    rewriter->at++;
    return true;
}

static bool check_group(struct rewriter *rewriter) {
    int second = peek(rewriter, 2), third = peek(rewriter, 3);

    if (peek(rewriter, 1) == '*') return refuse(rewriter, rewriter->at + 1, "nothing to repeat");
    if (peek(rewriter, 1) != '?' || second == ':' || second == '=' || second == '!') return true;
    bool is_name = (third >= 'a' && third <= 'z') || (third >= 'A' && third <= 'Z') || third == '_'
            || third == '$';
    if (second == '<' && (is_name || third == '=' || third == '!')) return true;
    return refuse(rewriter, rewriter->at,
            "ECMA-262 has no such group; it has (?: ), (?= ), (?! ), (?<= ), (?<! ) and (?<name> "
            ")");
}

static bool rewrite(struct rewriter *rewriter) {
    while (rewriter->at < rewriter->from.size) {
        char c = rewriter->from.data[rewriter->at];
        if (c == '[') {
            if (!rewrite_class(rewriter)) return false;
            continue;
        }
        if (c == '(' && !check_group(rewriter)) return false;
        rewriter->at++;
        if (c == '\\') {
            if (!rewrite_escape(rewriter, false)) return false;
        } else if (c == '$') {
            buf_append_c(&rewriter->to, "\\z");
        } else {
            buf_append_char(&rewriter->to, c);
            bool is_quantifier = c == '*' || c == '+' || c == '?' || c == '}';
            if (is_quantifier && peek(rewriter, 0) == '+')
                return refuse(rewriter, rewriter->at, "nothing to repeat");
        }
    }
    return true;
}

bool schema_pattern_compile(
        struct str pattern, struct arena *arena, const struct regex **ret, struct err *err) {
    struct rewriter rewriter = { .from = pattern, .err = err };

    if (pattern.size > LIMIT_EXPRESSION_SIZE)
        return err_set(err, ERR_TOO_LARGE, "regular expression: too long");
    buf_init(&rewriter.to, (size_t)LIMIT_EXPRESSION_SIZE * PATTERN_GROWTH);
    bool ok = rewrite(&rewriter);
    if (ok && buf_is_over(&rewriter.to))
        ok = err_set(err, ERR_TOO_LARGE, "regular expression: too long");
    if (ok) ok = regex_compile(buf_str(&rewriter.to), 0, arena, ret, err);
    buf_clear(&rewriter.to);
    return ok;
}

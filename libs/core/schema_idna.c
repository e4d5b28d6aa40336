#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/err.h"
#include "common/regex.h"
#include "core/schema_internal.h"

enum {
    LABEL_SIZE_MAX = 63,
    CODES_MAX = 64,
    /* RFC 3492, 5 */
    BASE = 36,
    T_MIN = 1,
    T_MAX = 26,
    SKEW = 38,
    DAMP = 700,
    BIAS = 72,
    FIRST = 128,
};

/* What RFC 5892 allows, said with Unicode's properties: letters, marks and digits without upper
 * case (2.1, 2.2), the exceptions (2.6), and the contexts in which joiners and a few punctuation
 * marks may stand (appendix A). */
static const char label_pattern[] =
        "^(?!\\p{M})(?!.*[\\x{640}\\x{7FA}\\x{302E}\\x{302F}\\x{3031}-\\x{3035}\\x{303B}])"
        "(?!.*[\\x{660}-\\x{669}].*[\\x{6F0}-\\x{6F9}])(?!.*[\\x{6F0}-\\x{6F9}].*[\\x{660}-\\x{669}"
        "])"
        "(?:[\\p{Ll}\\p{Lo}\\p{Lm}\\p{Mn}\\p{Mc}\\p{Nd}\\-\\x{DF}\\x{3C2}\\x{6FD}\\x{6FE}\\x{F0B}"
        "\\x{3007}]"
        "|(?<=l)\\x{B7}(?=l)"
        "|\\x{375}(?=\\p{Greek})"
        "|(?<=\\p{Hebrew})[\\x{5F3}\\x{5F4}]"
        "|(?<=[\\x{94D}\\x{9CD}\\x{A4D}\\x{ACD}\\x{B4D}\\x{BCD}\\x{C4D}\\x{CCD}\\x{D4D}\\x{DCA}])["
        "\\x{200C}\\x{200D}]"
        "|(?<=\\p{Arabic})\\x{200C}(?=\\p{Arabic})"
        "|\\x{30FB}(?=.*[\\p{Hiragana}\\p{Katakana}\\p{Han}])|(?<=[\\p{Hiragana}\\p{Katakana}\\p{"
        "Han}])\\x{30FB}"
        ")+$";

static bool is_valid(struct str label) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    const struct regex *regex;
    struct err err;
    bool ok = regex_compile(str_from(label_pattern), REGEX_DOTALL, arena, &regex, &err);

    assert(ok);
    return regex_matches(regex, label);
}

/* The size of a label's ASCII form is at least its prefix and a byte for each character; that
 * bound will do. */
bool schema_idna_is_label(struct str label) {
    size_t count = 0, hyphens = 0;

    for (size_t i = 0; i < label.size; i++) {
        if (((unsigned char)label.data[i] & 0xC0) == 0x80) continue;
        if ((count == 2 || count == 3) && label.data[i] == '-') hyphens++;
        count++;
    }
    if (label.size == 0 || count > LABEL_SIZE_MAX - 4 || hyphens == 2) return false;
    return label.data[0] != '-' && label.data[label.size - 1] != '-' && is_valid(label);
}

static uint32_t adapt(uint32_t delta, uint32_t count, bool is_first) {
    uint32_t k = 0;

    delta = is_first ? delta / DAMP : delta / 2;
    delta += delta / count;
    for (; delta > ((BASE - T_MIN) * T_MAX) / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static int digit_of(char c) {
    if (c >= 'a' && c <= 'z') return c - 'a';
    if (c >= 'A' && c <= 'Z') return c - 'A';
    return c >= '0' && c <= '9' ? c - '0' + 26 : -1;
}

/* One number of variable length (RFC 3492, 3.3). */
static bool take_number(struct str *rest, uint32_t bias, uint32_t *number) {
    uint32_t weight = 1;

    for (uint32_t k = BASE;; k += BASE) {
        int digit = rest->size ? digit_of(rest->data[0]) : -1;
        uint32_t step, threshold = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        if (digit < 0) return false;
        *rest = str_slice(*rest, 1, rest->size);
        if (__builtin_mul_overflow((uint32_t)digit, weight, &step)
                || __builtin_add_overflow(*number, step, number))
            return false;
        if ((uint32_t)digit < threshold) return true;
        if (__builtin_mul_overflow(weight, BASE - threshold, &weight)) return false;
    }
}

static bool punycode_decode(struct str text, uint32_t codes[CODES_MAX], size_t *ret_count) {
    uint32_t code = FIRST, bias = BIAS, at = 0, count = 0;
    size_t basic = text.size;

    while (basic && text.data[basic - 1] != '-')
        basic--;
    for (size_t i = 0; i + 1 < basic; i++)
        codes[count++] = (unsigned char)text.data[i];
    text = str_slice(text, basic, text.size);
    if (text.size == 0) return false;
    while (text.size) {
        uint32_t before = at;
        if (count == CODES_MAX || !take_number(&text, bias, &at)) return false;
        bias = adapt(at - before, count + 1, before == 0);
        code += at / (count + 1);
        at %= count + 1;
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
        memmove(codes + at + 1, codes + at, (count - at) * sizeof(*codes));
        codes[at++] = code;
        count++;
    }
    *ret_count = count;
    return true;
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

bool schema_idna_is_ascii_label(struct str label) {
    uint32_t codes[CODES_MAX];
    char text[CODES_MAX * 4];
    size_t count, size = 0;

    if (label.size > LABEL_SIZE_MAX || !str_equal_nocase(str_slice(label, 0, 4), STR("xn--")))
        return false;
    if (!punycode_decode(str_slice(label, 4, label.size), codes, &count)) return false;
    for (size_t i = 0; i < count; i++) {
        if (codes[i] >= 'A' && codes[i] <= 'Z') codes[i] += 'a' - 'A'; /* DNS knows no case */
        size += utf8_put(text + size, codes[i]);
    }
    return schema_idna_is_label((struct str){ text, size });
}

/* Numbers: a literal is kept as it was written, and read as a decimal of any size where a double
 * would lose digits. */
#include "common/json_internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

enum {
    DIGITS_EXACT = 15,        /* decimal digits that every double keeps */
    POWER_EXACT = 22,         /* 10^22 is the largest exact power of ten */
    EXPONENT_LIMIT = 1 << 30, /* beyond, exponents are as good as infinite */
    INT64_DIGITS = 19,
    LITERAL_LOCAL = 128,
};

static const double powers[POWER_EXACT + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

/* The value is 0.DIGITS × 10^point. The digits run from the first to the last that is not 0, with
 * perhaps a point among them. */
struct decimal {
    const char *first, *behind;
    int64_t count; /* digits; 0: the number is zero */
    int64_t point;
    bool negative;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int64_t exponent_parse(const char *p, const char *end) {
    bool negative = p < end && *p == '-';
    int64_t exponent = 0;

    if (p < end && !is_digit(*p)) p++;
    for (; p < end && exponent < EXPONENT_LIMIT; p++)
        exponent = exponent * 10 + (*p - '0');
    return negative ? -exponent : exponent;
}

static struct decimal decimal_parse(const char *text, size_t size) {
    const char *end = text + size, *p = text;
    struct decimal decimal = { .negative = size && *text == '-' };
    int64_t digits = 0, first = 0, last = 0, whole = -1;

    if (decimal.negative) p++;
    for (; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            whole = digits;
            continue;
        }
        if (*p != '0') {
            if (!decimal.first) {
                decimal.first = p;
                first = digits;
            }
            decimal.behind = p + 1;
            last = digits;
        }
        digits++;
    }
    if (!decimal.first) return decimal;
    if (whole < 0) whole = digits;
    decimal.count = last - first + 1;
    decimal.point = whole - first + (p < end ? exponent_parse(p + 1, end) : 0);
    return decimal;
}

static bool decimal_is_integer(struct decimal decimal) {
    return decimal.count <= decimal.point || decimal.count == 0;
}

/* The digits as a number; the caller has seen to it that they are few enough. */
static uint64_t decimal_digits(struct decimal decimal) {
    uint64_t digits = 0;

    for (const char *p = decimal.first; p < decimal.behind; p++) {
        if (is_digit(*p)) digits = digits * 10 + (uint64_t)(*p - '0');
    }
    return digits;
}

/* Compares what stands behind the signs. */
static int decimal_compare_size(struct decimal a, struct decimal b) {
    const char *p = a.first, *q = b.first;

    if (a.count == 0 || b.count == 0) return (a.count != 0) - (b.count != 0);
    if (a.point != b.point) return a.point < b.point ? -1 : 1;
    while (p < a.behind && q < b.behind) {
        if (*p == '.') {
            p++;
        } else if (*q == '.') {
            q++;
        } else {
            if (*p != *q) return *p < *q ? -1 : 1;
            p++;
            q++;
        }
    }
    return (p < a.behind) - (q < b.behind);
}

/* ---- reading ---- */

struct json json_number_from(const char *text, size_t size) {
    bool negative = text[0] == '-';
    size_t digits = size - negative;
    int64_t number = 0;
    struct json literal = { .type = JSON_NUMBER, .count = (uint32_t)size, .text = text };

    if (digits > DIGITS_EXACT || (digits > 1 && text[negative] == '0')) return literal;
    for (size_t i = negative; i < size; i++) {
        if (!is_digit(text[i])) return literal;
        number = number * 10 + (text[i] - '0');
    }
    if (negative && number == 0) return literal;
    return (struct json){ .type = JSON_NUMBER, .number = (double)(negative ? -number : number) };
}

/* By the library, which rounds right for any number of digits. */
static double literal_to_double(const char *text, size_t size) {
    char local[LITERAL_LOCAL];
    char *copy = size < sizeof(local) ? local : malloc(size + 1);

    assert(copy);
    memcpy(copy, text, size);
    copy[size] = '\0';
    double value = strtod(copy, NULL);
    if (copy != local) free(copy);
    return value;
}

double json_double(struct json value) {
    if (value.type != JSON_NUMBER) return 0;
    if (value.count == 0) return value.number;
    struct decimal decimal = decimal_parse(value.text, value.count);
    int64_t power = decimal.point - decimal.count;
    double number;
    if (decimal.count <= DIGITS_EXACT && power >= -POWER_EXACT && power <= POWER_EXACT) {
        /* Both operands are exact, so the one rounding is the right one. */
        number = (double)decimal_digits(decimal);
        number = power < 0 ? number / powers[-power] : number * powers[power];
        if (decimal.negative) number = -number;
    } else {
        number = literal_to_double(value.text, value.count);
    }
    return number > DBL_MAX ? DBL_MAX : number < -DBL_MAX ? -DBL_MAX : number;
}

bool json_to_int64(struct json value, int64_t *ret) {
    if (value.type != JSON_NUMBER) return false;
    if (value.count == 0) {
        if (!(value.number >= -0x1p63 && value.number < 0x1p63)) return false;
        if (value.number != trunc(value.number)) return false;
        *ret = (int64_t)value.number;
        return true;
    }
    struct decimal decimal = decimal_parse(value.text, value.count);
    if (!decimal_is_integer(decimal) || decimal.point > INT64_DIGITS) return false;
    uint64_t size = decimal_digits(decimal); /* 19 digits fit */
    for (int64_t i = decimal.count; i < decimal.point; i++)
        size *= 10;
    if (size > (uint64_t)INT64_MAX + decimal.negative) return false;
    *ret = decimal.negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

/* ---- comparing ---- */

static struct decimal number_decimal(struct json value, char text[JSON_NUMBER_TEXT_SIZE]) {
    if (value.count) return decimal_parse(value.text, value.count);
    return decimal_parse(text, json_number_format(value.number, text));
}

/* Rounding keeps the order, so the doubles decide unless they are equal. A double without a
 * literal then stands for the digits it is written with. */
int json_number_compare(struct json a, struct json b) {
    double number_a = json_double(a), number_b = json_double(b);
    char text_a[JSON_NUMBER_TEXT_SIZE], text_b[JSON_NUMBER_TEXT_SIZE];

    if (number_a != number_b) return number_a < number_b ? -1 : 1;
    if (a.count == 0 && b.count == 0) return 0;
    if (a.count == b.count && memcmp(a.text, b.text, a.count) == 0) return 0;
    if (fabs(number_a) < 0x1p53) return 0;
    struct decimal decimal_a = number_decimal(a, text_a), decimal_b = number_decimal(b, text_b);
    if (!decimal_is_integer(decimal_a) || !decimal_is_integer(decimal_b)) return 0;
    int order = decimal_compare_size(decimal_a, decimal_b);
    return decimal_a.negative ? -order : order;
}

/* ---- writing ---- */

static size_t format_integer(uint64_t number, char *text) {
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char digits[20];
    size_t at = sizeof(digits);

    while (number >= 100) {
        at -= 2;
        memcpy(digits + at, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + number * 2, 2);
    } else {
        digits[--at] = (char)('0' + number);
    }
    memcpy(text, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

/* The shortest digits that read back as `value` (positive, finite); *ret_point as in decimal. */
static size_t shortest_digits(double value, char digits[32], int *ret_point) {
    char text[48];

    /* Most have few decimals: an integer over a power of ten, both exact, divided with one rounding. */
    for (int i = 1; i <= 6 && value >= 1e-3 && value < 1e9; i++) {
        int64_t scaled = (int64_t)(value * powers[i] + 0.5);
        if ((double)scaled / powers[i] != value) continue;
        size_t count = format_integer((uint64_t)scaled, digits);
        *ret_point = (int)count - i;
        return count;
    }
    int precision = value < DBL_MIN ? 1 : DIGITS_EXACT;
    for (;; precision++) {
        (void)snprintf(text, sizeof(text), "%.*e", precision - 1, value);
        if (precision == 17 || strtod(text, NULL) == value) break;
    }
    size_t count = 0;
    digits[count++] = text[0];
    const char *p = text + 1;
    if (*p != 'e') p++; /* the point */
    while (is_digit(*p))
        digits[count++] = *p++;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    *ret_point = 1 + (int)exponent_parse(p + 1, p + strlen(p));
    return count;
}

/* jq writes an exponent from 1e-05 down, and up where more than 15 zeroes would have to be added. */
static size_t lay_out(const char *digits, size_t count, int point, char *text) {
    char *to = text;

    if (point <= -4 || (point > (int)count + 15 && point > 17)) {
        *to++ = digits[0];
        if (count > 1) *to++ = '.';
        memcpy(to, digits + 1, count - 1);
        to += count - 1;
        int exponent = point - 1;
        *to++ = 'e';
        *to++ = exponent < 0 ? '-' : '+';
        if (abs(exponent) < 10) *to++ = '0';
        to += format_integer((uint64_t)abs(exponent), to);
    } else if (point <= 0) {
        memcpy(to, "0.0000", (size_t)(2 - point));
        to += 2 - point;
        memcpy(to, digits, count);
        to += count;
    } else {
        size_t whole = MIN(count, (size_t)point);
        memcpy(to, digits, whole);
        to += whole;
        for (size_t i = whole; i < (size_t)point; i++)
            *to++ = '0';
        if (whole < count) *to++ = '.';
        memcpy(to, digits + whole, count - whole);
        to += count - whole;
    }
    return (size_t)(to - text);
}

size_t json_number_format(double value, char text[JSON_NUMBER_TEXT_SIZE]) {
    bool negative = signbit(value);
    char digits[32];
    size_t sign = 0;
    int point;

    assert(isfinite(value));
    if (negative) {
        text[sign++] = '-';
        value = -value;
    }
    if (value < 1e15 && value == (double)(int64_t)value) {
        return sign + format_integer((uint64_t)value, text + sign);
    }
    size_t count = shortest_digits(value, digits, &point);
    return sign + lay_out(digits, count, point, text + sign);
}

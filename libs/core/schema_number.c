#include <math.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "core/schema_internal.h"

enum { DIGITS_MAX = 18, EXPONENT_MAX = 1 << 30 };

/* ± digits × 10^exponent; the digits have no zeros at their ends, and none at all are zero. They
 * may be interrupted by a point. */
struct decimal {
    struct str digits;
    size_t count;
    int64_t exponent;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int64_t exponent_of(struct str text) {
    int64_t value = 0;
    bool is_negative = text.size && text.data[0] == '-';

    for (size_t i = 0; i < text.size && value < EXPONENT_MAX; i++) {
        if (is_digit(text.data[i])) value = value * 10 + (text.data[i] - '0');
    }
    return is_negative ? -value : value;
}

static struct decimal decimal_of(struct str text) {
    struct decimal decimal = { 0 };
    size_t end = 0, fraction = 0;
    bool has_point = false;

    while (end < text.size && text.data[end] != 'e' && text.data[end] != 'E')
        end++;
    if (end < text.size) decimal.exponent = exponent_of(str_slice(text, end + 1, text.size));
    struct str digits = str_slice(text, text.size && text.data[0] == '-', end);
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] == '.') {
            has_point = true;
        } else if (has_point) {
            fraction++;
        }
    }
    decimal.exponent -= (int64_t)fraction;
    while (digits.size
            && (digits.data[digits.size - 1] == '0' || digits.data[digits.size - 1] == '.')) {
        if (digits.data[digits.size - 1] == '0') decimal.exponent++;
        digits.size--;
    }
    while (digits.size && (digits.data[0] == '0' || digits.data[0] == '.'))
        digits = str_slice(digits, 1, digits.size);
    decimal.digits = digits;
    decimal.count = digits.size - (str_find_char(digits, '.') < digits.size);
    return decimal;
}

static struct str text_of(struct json number, struct arena *arena) {
    return number.count ? (struct str){ number.text, number.count } : json_to_str(number, arena);
}

bool schema_is_integer(struct json number) {
    if (json_type(number) != JSON_NUMBER) return false;
    if (number.count == 0) return isfinite(number.number) && floor(number.number) == number.number;
    struct decimal decimal = decimal_of((struct str){ number.text, number.count });
    return decimal.count == 0 || decimal.exponent >= 0;
}

__extension__ typedef unsigned __int128 wide;

static uint64_t times_mod(uint64_t a, uint64_t b, uint64_t modulus) {
    return (uint64_t)((wide)a * b % modulus);
}

/* digits × 10^power mod modulus. */
static uint64_t remainder_of(struct decimal value, int64_t power, uint64_t modulus) {
    uint64_t result = 0, ten = 10 % modulus;

    for (size_t i = 0; i < value.digits.size; i++) {
        if (value.digits.data[i] == '.') continue;
        result = (times_mod(result, ten, modulus) + (uint64_t)(value.digits.data[i] - '0'))
                % modulus;
    }
    for (; power > 0; power >>= 1) {
        if (power & 1) result = times_mod(result, ten, modulus);
        ten = times_mod(ten, ten, modulus);
    }
    return result;
}

bool schema_is_multiple(struct json value, struct json multiple, struct arena *arena) {
    bool are_small = value.count == 0 && multiple.count == 0 && fabs(value.number) < 0x1p53
            && fabs(multiple.number) < 0x1p53;

    if (are_small && floor(value.number) == value.number
            && floor(multiple.number) == multiple.number) {
        return multiple.number != 0 && fmod(value.number, multiple.number) == 0;
    }
    struct decimal number = decimal_of(text_of(value, arena)),
                   by = decimal_of(text_of(multiple, arena));
    if (number.count == 0) return true;
    if (by.count == 0) return false;
    if (by.count > DIGITS_MAX) return fmod(json_double(value), json_double(multiple)) == 0;
    if (number.exponent < by.exponent)
        return false; /* its last digit is not zero, and would have to be */
    uint64_t modulus = 0;
    for (size_t i = 0; i < by.digits.size; i++) {
        if (by.digits.data[i] != '.') modulus = modulus * 10 + (uint64_t)(by.digits.data[i] - '0');
    }
    assert(modulus > 0);
    return remainder_of(number, number.exponent - by.exponent, modulus) == 0;
}

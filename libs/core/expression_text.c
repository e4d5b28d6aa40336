/* Functions of strings. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/expression_internal.h"

bool join_strings(
        struct machine *machine, const struct str *pieces, size_t count, struct json *ret) {
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += pieces[i].size;
    if (!charge_bytes(machine, size) || !charge(machine, size / 64)) return false;
    char *text = arena_alloc(machine->arena, size + 1), *to = text;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].size) memcpy(to, pieces[i].data, pieces[i].size);
        to += pieces[i].size;
    }
    *to = '\0';
    *ret = json_string((struct str){ text, size });
    return true;
}

bool native_tostring(struct machine *machine, const struct json *values, struct json *ret) {
    struct str text;

    if (!value_to_string(machine, values[0], &text)) return false;
    *ret = json_string(text);
    return true;
}

bool native_tojson(struct machine *machine, const struct json *values, struct json *ret) {
    struct str text;

    if (!value_to_text(machine, values[0], &text)) return false;
    *ret = json_string(text);
    return true;
}

bool native_fromjson(struct machine *machine, const struct json *values, struct json *ret) {
    struct json value = values[0];
    struct err err;

    if (value.type != JSON_STRING) return fail_type(machine, value, "only strings can be parsed");
    struct str text = str_trim(json_str(value));
    if (text.size == 0) return fail(machine, "Expected JSON value (while parsing '')");
    if (str_equal(text, STR("nan")) || str_equal(text, STR("NaN"))) {
        machine->odd = true;
        *ret = number_of((double)NAN);
        return true;
    }
    if (!charge(machine, text.size / 8) || !charge_bytes(machine, text.size * 2)) return false;
    machine->built += BUILT_LITTLE + 1; /* deep values come in this way, too */
    if (json_read(text, &(struct json_read_options){ .borrow = true }, machine->arena, ret, NULL,
                &err))
        return true;
    return fail(machine, "%s (while parsing '" STR_FMT "')", err.message,
            STR_ARG(str_slice(text, 0, 100)));
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t digits_at(struct str text, size_t at) {
    size_t from = at;

    while (at < text.size && is_digit(text.data[at]))
        at++;
    return at - from;
}

/* A number as jq reads them from text: also `+1`, `.5`, `5.`, `007`. False: it is none. */
static bool read_number(struct machine *machine, struct str text, struct json *ret) {
    struct str trimmed = str_trim(text);
    size_t at = trimmed.size && (trimmed.data[0] == '-' || trimmed.data[0] == '+');
    size_t whole = digits_at(trimmed, at), fraction = 0, size = trimmed.size;
    struct err ignored;

    at += whole;
    if (at < size && trimmed.data[at] == '.') {
        fraction = digits_at(trimmed, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0) return false;
    if (at < size && (trimmed.data[at] | 0x20) == 'e') {
        at++;
        if (at < size && (trimmed.data[at] == '-' || trimmed.data[at] == '+')) at++;
        size_t exponent = digits_at(trimmed, at);
        if (exponent == 0) return false;
        at += exponent;
    }
    if (at != size) return false;
    struct str copy = str_copy(trimmed, machine->arena);
    if (json_read(copy, &(struct json_read_options){ .borrow = true }, machine->arena, ret, NULL,
                &ignored))
        return true;
    double value = strtod(copy.data, NULL);
    if (!isfinite(value)) machine->odd = true;
    *ret = number_of(value);
    return true;
}

bool native_tonumber(struct machine *machine, const struct json *values, struct json *ret) {
    struct json value = values[0];

    if (value.type == JSON_NUMBER) {
        *ret = value;
        return true;
    }
    if (value.type != JSON_STRING) return fail_type(machine, value, "cannot be parsed as a number");
    if (!charge(machine, value.count / 16)) return false;
    if (str_equal(str_trim(json_str(value)), STR("nan"))) {
        machine->odd = true;
        *ret = number_of((double)NAN);
        return true;
    }
    if (read_number(machine, json_str(value), ret)) return true;
    return fail_type(machine, value, "cannot be parsed as a number");
}

bool native_toboolean(struct machine *machine, const struct json *values, struct json *ret) {
    struct json value = values[0];
    bool is_true = value.type == JSON_TRUE
            || (value.type == JSON_STRING && str_equal(json_str(value), STR("true")));
    bool is_false = value.type == JSON_FALSE
            || (value.type == JSON_STRING && str_equal(json_str(value), STR("false")));

    if (!is_true && !is_false) return fail_type(machine, value, "cannot be parsed as a boolean");
    *ret = json_bool(is_true);
    return true;
}

/* ---- code points ---- */

static uint32_t point_at(struct str text, size_t *at) {
    unsigned char lead = (unsigned char)text.data[(*at)++];
    size_t more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    uint32_t point = more == 0 ? lead : lead & (0x3Fu >> more);

    while (more--)
        point = (point << 6) | ((unsigned char)text.data[(*at)++] & 0x3F);
    return point;
}

static size_t put_point(char *to, uint32_t point) {
    size_t more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = { 0, 0xC0, 0xE0, 0xF0 };

    to[0] = (char)(leads[more] | (point >> (6 * more)));
    for (size_t i = 1; i <= more; i++)
        to[i] = (char)(0x80 | ((point >> (6 * (more - i))) & 0x3F));
    return more + 1;
}

bool native_explode(struct machine *machine, const struct json *values, struct json *ret) {
    struct str text = json_str(values[0]);
    size_t at = 0;

    if (values[0].type != JSON_STRING) return fail(machine, "explode input must be a string");
    size_t length = string_length(text);
    if (!charge(machine, length / 8) || !charge_bytes(machine, length * sizeof(struct json)))
        return false;
    struct json points = json_array(machine->arena, length);
    while (at < text.size)
        points = json_append(points, number_of(point_at(text, &at)), machine->arena);
    *ret = points;
    return true;
}

bool native_implode(struct machine *machine, const struct json *values, struct json *ret) {
    struct json points = values[0];
    size_t size = 0;

    if (points.type != JSON_ARRAY) return fail(machine, "implode input must be an array");
    if (!charge(machine, points.count / 4) || !charge_bytes(machine, (size_t)points.count * 4))
        return false;
    char *text = arena_alloc(machine->arena, (size_t)points.count * 4 + 1);
    for (uint32_t i = 0; i < points.count; i++) {
        struct json item = json_at(points, i);
        if (item.type != JSON_NUMBER || is_nan(item)) {
            return fail_type(
                    machine, item, "can't be imploded, unicode codepoint needs to be numeric");
        }
        double point = trunc(number_value(item));
        bool valid = point >= 0 && point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
        size += put_point(text + size, valid ? (uint32_t)point : 0xFFFD);
    }
    text[size] = '\0';
    *ret = json_string((struct str){ text, size });
    return true;
}

bool native_ascii_code(struct machine *machine, const struct json *values, struct json *ret) {
    struct json points = json_array_from(values, 1, machine->arena);

    return native_implode(machine, &points, ret);
}

bool native_bytes(struct machine *machine, const struct json *values, struct json *ret) {
    if (values[0].type != JSON_STRING)
        return fail_type(machine, values[0], "only strings have UTF-8 byte length");
    *ret = number_of(values[0].count);
    return true;
}

/* jq 1.6 has no `reverse` of strings; later versions do. */
bool reverse_string(struct machine *machine, struct json value, struct json *ret) {
    struct str text = json_str(value);
    size_t end = text.size, at = 0;

    if (!charge_bytes(machine, text.size) || !charge(machine, text.size / 16)) return false;
    char *to = arena_alloc(machine->arena, text.size + 1);
    while (at < text.size) {
        size_t next = string_offset(text, at, 1);
        end -= next - at;
        memcpy(to + end, text.data + at, next - at);
        at = next;
    }
    to[text.size] = '\0';
    *ret = json_string((struct str){ to, text.size });
    return true;
}

/* ---- pieces ---- */

static bool split_characters(struct machine *machine, struct json text, struct json *ret) {
    struct str all = json_str(text);
    size_t length = string_length(all);

    if (!charge(machine, length / 8) || !charge_bytes(machine, length * sizeof(struct json)))
        return false;
    struct json pieces = json_array(machine->arena, length);
    for (size_t at = 0, next; at < all.size; at = next) {
        next = string_offset(all, at, 1);
        pieces = json_append(pieces, json_string(str_slice(all, at, next)), machine->arena);
    }
    *ret = pieces;
    return true;
}

bool native_split(struct machine *machine, const struct json *values, struct json *ret) {
    struct json pieces = json_array(machine->arena, 0);

    if (values[0].type != JSON_STRING || values[1].type != JSON_STRING) {
        return fail(machine, "split input and separator must be strings");
    }
    struct str rest = json_str(values[0]), separator = json_str(values[1]);
    if (separator.size == 0) return split_characters(machine, values[0], ret);
    if (!charge(machine, rest.size / 32)) return false;
    for (;;) {
        size_t at = rest.size ? str_find(rest, separator) : 0;
        if (!charge(machine, 1)) return false;
        if (at >= rest.size) break;
        pieces = json_append(pieces, json_string(str_slice(rest, 0, at)), machine->arena);
        rest = str_slice(rest, at + separator.size, rest.size);
    }
    *ret = values[0].count ? json_append(pieces, json_string(rest), machine->arena) : pieces;
    return true;
}

/* The text of an item for `join`; like jq, complains where `+` would. */
static bool join_item(struct machine *machine, struct json item, struct str *ret) {
    if (item.type == JSON_STRING) {
        *ret = json_str(item);
    } else if (json_is_null(item)) {
        *ret = STR("");
    } else {
        return value_to_text(machine, item, ret);
    }
    return true;
}

bool native_join(struct machine *machine, const struct json *values, struct json *ret) {
    struct json array = values[0], separator = values[1], key, item, done;
    size_t count = 0;

    if (array.type != JSON_ARRAY && array.type != JSON_OBJECT) return fail_iterate(machine, array);
    if (!charge(machine, array.count)
            || !charge_bytes(machine, (size_t)array.count * 2 * sizeof(struct str)))
        return false;
    struct str *pieces =
            arena_alloc(machine->arena, ((size_t)array.count * 2 + 1) * sizeof(*pieces));
    for (size_t i = 0; item_at(array, i, &key, &item); i++) {
        if (i > 0) {
            if (separator.type != JSON_STRING && !json_is_null(separator)) {
                return join_strings(machine, pieces, count, &done)
                        && fail_types(machine, done, separator, "cannot be added");
            }
            pieces[count++] = json_str(separator);
        }
        if (item.type == JSON_ARRAY || item.type == JSON_OBJECT) {
            return join_strings(machine, pieces, count, &done)
                    && fail_types(machine, done, item, "cannot be added");
        }
        if (!join_item(machine, item, &pieces[count++])) return false;
    }
    return join_strings(machine, pieces, count, ret);
}

bool native_startswith(struct machine *machine, const struct json *values, struct json *ret) {
    if (values[0].type != JSON_STRING || values[1].type != JSON_STRING) {
        return fail(machine, "startswith() requires string inputs");
    }
    *ret = json_bool(str_starts_with(json_str(values[0]), json_str(values[1])));
    return true;
}

bool native_endswith(struct machine *machine, const struct json *values, struct json *ret) {
    if (values[0].type != JSON_STRING || values[1].type != JSON_STRING) {
        return fail(machine, "endswith() requires string inputs");
    }
    *ret = json_bool(str_ends_with(json_str(values[0]), json_str(values[1])));
    return true;
}

/* Takes away what is at the ends; other than strings stay as they are. */
static void trim_ends(const struct json *values, bool left, bool right, struct json *ret) {
    struct str text = json_str(values[0]), end = json_str(values[1]);

    *ret = values[0];
    if (values[0].type != JSON_STRING || values[1].type != JSON_STRING) return;
    if (left && str_starts_with(text, end)) text = str_slice(text, end.size, text.size);
    if (right && str_ends_with(text, end)) text = str_slice(text, 0, text.size - end.size);
    *ret = json_string(text);
}

bool native_ltrimstr(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    trim_ends(values, true, false, ret);
    return true;
}

bool native_rtrimstr(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    trim_ends(values, false, true, ret);
    return true;
}

bool native_trimstr(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    trim_ends(values, true, true, ret);
    return true;
}

static bool is_blank(uint32_t point) {
    return (point >= 9 && point <= 13) || point == 32 || point == 0x85 || point == 0xA0
            || point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028
            || point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

static bool trim_blanks(
        struct machine *machine, struct json value, bool left, bool right, struct json *ret) {
    struct str text = json_str(value);
    size_t from = 0, upto = text.size;

    if (value.type != JSON_STRING) return fail(machine, "trim input must be a string");
    while (left && from < text.size) {
        size_t next = from;
        if (!is_blank(point_at(text, &next))) break;
        from = next;
    }
    while (right && upto > from) {
        size_t start = upto - 1;
        while (start > from && ((unsigned char)text.data[start] & 0xC0) == 0x80)
            start--;
        size_t at = start;
        if (!is_blank(point_at(text, &at))) break;
        upto = start;
    }
    *ret = json_string(str_slice(text, from, upto));
    return charge(machine, (text.size - (upto - from)) / 16);
}

bool native_trim(struct machine *machine, const struct json *values, struct json *ret) {
    return trim_blanks(machine, values[0], true, true, ret);
}

bool native_ltrim(struct machine *machine, const struct json *values, struct json *ret) {
    return trim_blanks(machine, values[0], true, false, ret);
}

bool native_rtrim(struct machine *machine, const struct json *values, struct json *ret) {
    return trim_blanks(machine, values[0], false, true, ret);
}

static bool change_case(struct machine *machine, struct json value, char first, struct json *ret) {
    if (value.type != JSON_STRING) return fail(machine, "explode input must be a string");
    if (!charge_bytes(machine, value.count) || !charge(machine, value.count / 32)) return false;
    char *text = arena_alloc(machine->arena, (size_t)value.count + 1);
    for (uint32_t i = 0; i < value.count; i++) {
        char c = value.text[i];
        text[i] = c >= first && c < first + 26 ? (char)((unsigned char)c ^ 0x20u) : c;
    }
    text[value.count] = '\0';
    *ret = json_string((struct str){ text, value.count });
    return true;
}

bool native_downcase(struct machine *machine, const struct json *values, struct json *ret) {
    return change_case(machine, values[0], 'A', ret);
}

bool native_upcase(struct machine *machine, const struct json *values, struct json *ret) {
    return change_case(machine, values[0], 'a', ret);
}

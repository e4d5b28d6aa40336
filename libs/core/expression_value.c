/* Values: budgets, errors, text, order, arithmetic. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/expression_internal.h"

/* ---- budgets ---- */

bool spend(struct machine *machine, const char *budget) {
    if (!machine->spent) machine->spent = budget;
    return false;
}

/* Also looks after the bytes, every so often: what allocates much at once asks charge_bytes
 * first. */
bool charge(struct machine *machine, size_t work) {
    int64_t before = machine->steps;

    machine->steps -= work > LIMIT_EXPRESSION_STEPS ? LIMIT_EXPRESSION_STEPS + 1 : (int64_t)work;
    if (machine->steps < 0) return spend(machine, "steps");
    if ((before ^ machine->steps) & ~(int64_t)63) return charge_bytes(machine, 0);
    return true;
}

bool charge_bytes(struct machine *machine, size_t bytes) {
    size_t used = arena_used(machine->arena) - machine->bytes_before;

    if (bytes > LIMIT_EXPRESSION_BYTES || used + bytes > LIMIT_EXPRESSION_BYTES)
        return spend(machine, "bytes");
    return true;
}

/* Values may share parts many times over, so that going through all of one can take for ever. */
static bool charge_items(struct machine *machine, struct json value, uint32_t depth) {
    struct json key, item;

    if (depth == 0) return spend(machine, "depth");
    if (value.type == JSON_STRING) return charge(machine, value.count / 64);
    if (!charge(machine, value.count)) return false;
    for (size_t i = 0; item_at(value, i, &key, &item); i++) {
        bool small = item.type < JSON_STRING || item.count == 0
                || (item.type == JSON_STRING && item.count < 64);
        if (!small && !charge_items(machine, item, depth - 1)) return false;
    }
    return true;
}

bool charge_value(struct machine *machine, struct json value) {
    return value.type < JSON_STRING || charge_items(machine, value, LIMIT_EXPRESSION_DEPTH);
}

/* ---- errors ---- */

bool fail_with(struct machine *machine, struct json error) {
    machine->error = error;
    return false;
}

bool fail(struct machine *machine, const char *format, ...) {
    char text[ERR_MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert(size >= 0);
    struct str message = { text, MIN((size_t)size, sizeof(text) - 1) };
    while (message.size && !str_is_utf8(message))
        message.size--;
    return fail_with(machine, json_string_copy(message, machine->arena));
}

const char *short_text(struct machine *machine, struct json value, size_t size) {
    struct buf buf;
    char *text = arena_alloc(machine->arena, size);

    buf_init(&buf, SHORT_TEXT_SOURCE);
    if (machine->odd && value.type == JSON_NUMBER && !isfinite(number_value(value))) {
        value = json_number(number_value(value));
    }
    if (value.type == JSON_STRING) {
        struct str start = str_slice(json_str(value), 0, LONG_TEXT);
        while (start.size && !str_is_utf8(start))
            start.size--;
        json_write_string(&buf, start);
    } else if (!machine->odd || json_size(value) == 0 || value_clean(machine, value, &value)) {
        json_write(&buf, value, JSON_COMPACT);
    }
    bool cut = buf.over || buf.size > size - 1
            || (value.type == JSON_STRING && value.count > LONG_TEXT);
    size_t kept = MIN(buf.size, cut ? size - 4 : size - 1);
    while (cut && kept && ((unsigned char)buf.data[kept] & 0xC0) == 0x80)
        kept--;
    if (kept) memcpy(text, buf.data, kept);
    memcpy(text + kept, cut ? "..." : "", cut ? 4 : 1);
    buf_clear(&buf);
    return text;
}

bool fail_type(struct machine *machine, struct json value, const char *what) {
    return fail(machine, "%s (%s) %s", json_type_name(value),
            short_text(machine, value, SHORT_TEXT), what);
}

bool fail_types(struct machine *machine, struct json a, struct json b, const char *what) {
    return fail(machine, "%s (%s) and %s (%s) %s", json_type_name(a),
            short_text(machine, a, SHORT_TEXT), json_type_name(b),
            short_text(machine, b, SHORT_TEXT), what);
}

bool fail_key(struct machine *machine, struct json key) {
    return fail(machine, "Cannot use %s (%s) as object key", json_type_name(key),
            short_text(machine, key, SHORT_TEXT));
}

bool fail_iterate(struct machine *machine, struct json value) {
    return fail(machine, "Cannot iterate over %s (%s)", json_type_name(value),
            short_text(machine, value, SHORT_TEXT));
}

/* ---- text ---- */

struct json string_of(struct machine *machine, const char *text) {
    return json_string_copy(str_from(text), machine->arena);
}

bool is_nan(struct json value) {
    return value.type == JSON_NUMBER && value.count == 0 && isnan(value.number);
}

static bool clean(struct machine *machine, struct json value, uint32_t depth, struct json *ret) {
    struct json key, item, copy;

    *ret = value;
    if (!charge(machine, 1)) return false;
    if (value.type == JSON_NUMBER && value.count == 0 && !isfinite(value.number))
        *ret = json_number(value.number);
    if (json_size(value) == 0) return true;
    if (depth == 0) return spend(machine, "depth");
    bool is_array = value.type == JSON_ARRAY;
    copy = is_array ? json_array(machine->arena, value.count)
                    : json_object(machine->arena, value.count);
    for (size_t i = 0; item_at(value, i, &key, &item); i++) {
        if (!clean(machine, item, depth - 1, &item)) return false;
        copy = is_array ? json_append(copy, item, machine->arena)
                        : json_set(copy, json_str(key), item, machine->arena);
    }
    *ret = copy;
    return true;
}

bool value_clean(struct machine *machine, struct json value, struct json *ret) {
    return clean(machine, value, LIMIT_EXPRESSION_DEPTH, ret);
}

size_t text_limit(const struct machine *machine) {
    size_t used = arena_used(machine->arena) - machine->bytes_before;
    size_t bytes = LIMIT_EXPRESSION_BYTES - MIN((size_t)LIMIT_EXPRESSION_BYTES, used);

    return MIN(bytes, (size_t)MAX(machine->steps, (int64_t)0) * 8);
}

bool value_to_text(struct machine *machine, struct json value, struct str *ret) {
    struct buf buf;

    if (json_size(value) && !charge_value(machine, value)) return false;
    if (machine->odd && !value_clean(machine, value, &value)) return false;
    buf_init(&buf, text_limit(machine));
    json_write(&buf, value, JSON_COMPACT);
    bool over = buf_is_over(&buf);
    if (!over) *ret = str_copy(buf_str(&buf), machine->arena);
    size_t size = buf.size;
    buf_clear(&buf);
    return over ? spend(machine, "bytes") : charge(machine, size / 8);
}

bool value_to_string(struct machine *machine, struct json value, struct str *ret) {
    if (value.type != JSON_STRING) return value_to_text(machine, value, ret);
    *ret = json_str(value);
    return true;
}

/* ---- order ---- */

/* jq's nan is less than any number, itself included. */
static int compare_numbers(struct json a, struct json b) {
    if (a.count || b.count) {
        if (is_nan(a)) return -1;
        return is_nan(b) ? 1 : json_compare(a, b);
    }
    if (isnan(a.number)) return -1;
    if (isnan(b.number)) return 1;
    return (a.number > b.number) - (a.number < b.number);
}

bool value_compare(struct machine *machine, struct json a, struct json b, int *ret) {
    if (a.type == JSON_NUMBER && b.type == JSON_NUMBER) {
        *ret = compare_numbers(a, b);
        return true;
    }
    if (a.type == JSON_STRING && b.type == JSON_STRING) {
        int order = str_compare(json_str(a), json_str(b));
        *ret = (order > 0) - (order < 0);
        return charge(machine, MIN(a.count, b.count) / 64);
    }
    if (json_size(a) && json_size(b) && a.type == b.type
            && !charge_value(machine, a.count < b.count ? a : b)) {
        return false;
    }
    *ret = json_compare(a, b);
    return true;
}

/* The very same value, as far as can be told without looking inside. */
bool value_same(struct json a, struct json b) {
    if (a.type != b.type || a.count != b.count) {
        return a.type == JSON_NUMBER && b.type == JSON_NUMBER && !is_nan(a) && !is_nan(b)
                && number_value(a) == number_value(b);
    }
    switch ((enum json_type)a.type) {
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE: return true;
    case JSON_NUMBER:
        return a.count ? a.text == b.text : a.number == b.number || (is_nan(a) && is_nan(b));
    case JSON_STRING: return a.text == b.text;
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    return a.array == b.array;
}

struct sorter {
    struct machine *machine;
    const struct json *keys;
    bool failed;
};

static bool sorts_before(struct sorter *sorter, uint32_t a, uint32_t b) {
    int order = 0;

    sorter->machine->steps--;
    if (!value_compare(sorter->machine, sorter->keys[a], sorter->keys[b], &order))
        sorter->failed = true;
    return order <= 0;
}

static void merge(struct sorter *sorter, uint32_t *order, uint32_t *spare, uint32_t count) {
    if (count < 2 || sorter->failed) return;
    uint32_t half = count / 2, left = 0, right = half;
    merge(sorter, order, spare, half);
    merge(sorter, order + half, spare, count - half);
    for (uint32_t i = 0; i < count; i++) {
        bool from_left =
                right == count || (left < half && sorts_before(sorter, order[left], order[right]));
        spare[i] = from_left ? order[left++] : order[right++];
    }
    memcpy(order, spare, count * sizeof(*order));
}

/* Puts into `order` where the items of `array` go, sorted by `keys`, equals in the order they
 * came. */
bool value_sort(struct machine *machine, struct json array, struct json keys, uint32_t *order) {
    struct sorter sorter = { machine, json_items(keys), false };
    uint32_t count = array.count;

    if (!charge_bytes(machine, count * sizeof(uint32_t))) return false;
    uint32_t *spare = arena_alloc(machine->arena, count * sizeof(*spare));
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    merge(&sorter, order, spare, count);
    return !sorter.failed && charge(machine, 0);
}

/* ---- arithmetic ---- */

static struct json computed(struct machine *machine, double value) {
    if (!isfinite(value)) machine->odd = true;
    return number_of(value);
}

static bool add_strings(struct machine *machine, struct json a, struct json b, struct json *ret) {
    size_t size = (size_t)a.count + b.count;

    if (!charge_bytes(machine, size) || !charge(machine, size / 64)) return false;
    char *text = arena_alloc(machine->arena, size + 1);
    memcpy(text, a.text, a.count);
    memcpy(text + a.count, b.text, b.count);
    text[size] = '\0';
    *ret = json_string((struct str){ text, size });
    return true;
}

/* Appends one by one: that is no copy where `a` is the newest of its row. */
static bool add_arrays(struct machine *machine, struct json a, struct json b, struct json *ret) {
    if (!charge_bytes(machine, ((size_t)a.count + b.count) / 4 * sizeof(struct json))) return false;
    if (!charge(machine, b.count)) return false;
    if (a.count == 0) a = json_array(machine->arena, b.count);
    for (uint32_t i = 0; i < b.count; i++)
        a = json_append(a, json_at(b, i), machine->arena);
    machine->built += b.count;
    *ret = a;
    return true;
}

static bool add_objects(struct machine *machine, struct json a, struct json b, struct json *ret) {
    if (!charge(machine, (size_t)b.count + 1)) return false;
    if (!charge_bytes(machine, ((size_t)a.count + b.count) / 4 * sizeof(struct json_member)))
        return false;
    machine->built += b.count;
    if (b.count > 1) {
        *ret = json_merge(a, b, machine->arena);
    } else {
        const struct json_member *member = json_member_at(b, 0);
        *ret = member ? json_set(a, member->key, member->value, machine->arena) : a;
    }
    return true;
}

static bool add(struct machine *machine, struct json a, struct json b, struct json *ret) {
    if (a.type == JSON_NUMBER && b.type == JSON_NUMBER) {
        *ret = computed(machine, number_value(a) + number_value(b));
        return true;
    }
    if (json_is_null(a)) {
        *ret = b;
        return true;
    }
    if (json_is_null(b)) {
        *ret = a;
        return true;
    }
    if (a.type != b.type) return fail_types(machine, a, b, "cannot be added");
    if (a.type == JSON_STRING) return add_strings(machine, a, b, ret);
    if (a.type == JSON_ARRAY) return add_arrays(machine, a, b, ret);
    if (a.type == JSON_OBJECT) return add_objects(machine, a, b, ret);
    return fail_types(machine, a, b, "cannot be added");
}

static bool subtract(struct machine *machine, struct json a, struct json b, struct json *ret) {
    int order;

    if (a.type == JSON_NUMBER && b.type == JSON_NUMBER) {
        *ret = computed(machine, number_value(a) - number_value(b));
        return true;
    }
    if (a.type != JSON_ARRAY || b.type != JSON_ARRAY)
        return fail_types(machine, a, b, "cannot be subtracted");
    struct json left = json_array(machine->arena, 0);
    for (uint32_t i = 0; i < a.count; i++) {
        struct json item = json_at(a, i);
        bool found = false;
        for (uint32_t j = 0; j < b.count && !found; j++) {
            if (!charge(machine, 1) || !value_compare(machine, item, json_at(b, j), &order))
                return false;
            found = order == 0;
        }
        if (!found) left = json_append(left, item, machine->arena);
    }
    *ret = left;
    return true;
}

static bool repeat(struct machine *machine, struct json text, double times, struct json *ret) {
    double count = times - 1 > 0 ? floor(times - 1) : 0;

    if (times <= 0 || isnan(times)) {
        *ret = json_null();
        return true;
    }
    if ((count + 1) * text.count > LIMIT_EXPRESSION_BYTES)
        return fail(machine, "Repeat string result too long");
    size_t size = text.count * (size_t)(count + 1);
    if (text.count == 0) size = 0;
    if (!charge_bytes(machine, size) || !charge(machine, size / 64)) return false;
    char *to = arena_alloc(machine->arena, size + 1);
    for (size_t at = 0; at < size; at += text.count)
        memcpy(to + at, text.text, text.count);
    *ret = json_string((struct str){ to, size });
    return true;
}

/* `a * b` of objects, into one another. */
static bool merge_deep(
        struct machine *machine, struct json a, struct json b, uint32_t depth, struct json *ret) {
    if (depth == 0) return spend(machine, "depth");
    if (!charge(machine, b.count)) return false;
    if (!charge_bytes(machine, ((size_t)a.count + b.count) * sizeof(struct json_member)))
        return false;
    struct json over = json_object(machine->arena, b.count);
    for (uint32_t i = 0; i < b.count; i++) {
        const struct json_member *member = json_member_at(b, i);
        struct json value = member->value, before = json_get(a, member->key);
        if (value.type == JSON_OBJECT && before.type == JSON_OBJECT) {
            if (!merge_deep(machine, before, value, depth - 1, &value)) return false;
        }
        over = json_set(over, member->key, value, machine->arena);
    }
    machine->built += b.count;
    *ret = json_merge(a, over, machine->arena);
    return true;
}

static bool multiply(struct machine *machine, struct json a, struct json b, struct json *ret) {
    if (a.type == JSON_NUMBER && b.type == JSON_NUMBER) {
        *ret = computed(machine, number_value(a) * number_value(b));
        return true;
    }
    if (a.type == JSON_STRING && b.type == JSON_NUMBER)
        return repeat(machine, a, number_value(b), ret);
    if (a.type == JSON_NUMBER && b.type == JSON_STRING)
        return repeat(machine, b, number_value(a), ret);
    if (a.type == JSON_OBJECT && b.type == JSON_OBJECT)
        return merge_deep(machine, a, b, LIMIT_EXPRESSION_DEPTH, ret);
    return fail_types(machine, a, b, "cannot be multiplied");
}

static bool divide(struct machine *machine, struct json a, struct json b, struct json *ret) {
    if (a.type == JSON_NUMBER && b.type == JSON_NUMBER) {
        if (number_value(b) == 0)
            return fail_types(machine, a, b, "cannot be divided because the divisor is zero");
        *ret = computed(machine, number_value(a) / number_value(b));
        return true;
    }
    if (a.type != JSON_STRING || b.type != JSON_STRING)
        return fail_types(machine, a, b, "cannot be divided");
    return native_split(machine, (const struct json[]){ a, b }, ret);
}

/* To an integer as jq 1.6 has it, but without its undefined behaviour at the ends. */
static int64_t whole(double value) {
    if (isnan(value)) return 0;
    if (value >= 0x1p63) return INT64_MAX;
    if (value <= -0x1p63) return INT64_MIN;
    return (int64_t)value;
}

static bool modulo(struct machine *machine, struct json a, struct json b, struct json *ret) {
    if (a.type != JSON_NUMBER || b.type != JSON_NUMBER) {
        return fail_types(machine, a, b, "cannot be divided (remainder)");
    }
    double left = number_value(a), right = number_value(b);
    if (isnan(left) || isnan(right)) {
        *ret = computed(machine, (double)NAN);
        return true;
    }
    int64_t divisor = whole(right), dividend = whole(left);
    if (divisor == 0) {
        return fail_types(
                machine, a, b, "cannot be divided (remainder) because the divisor is zero");
    }
    uint64_t size = dividend < 0 ? 0 - (uint64_t)dividend : (uint64_t)dividend;
    uint64_t rest = size % (divisor < 0 ? 0 - (uint64_t)divisor : (uint64_t)divisor);
    *ret = number_of(dividend < 0 ? 0 - (double)rest : (double)rest);
    return true;
}

bool value_negate(struct machine *machine, struct json value, struct json *ret) {
    if (value.type != JSON_NUMBER) return fail_type(machine, value, "cannot be negated");
    if (value.count == 0) {
        *ret = number_of(-value.number);
    } else if (value.text[0] == '-') {
        *ret = json_number_literal((struct str){ value.text + 1, value.count - 1 });
    } else {
        *ret = json_number_literal(
                str_format(machine->arena, "-" STR_FMT, (int)value.count, value.text));
    }
    return true;
}

static bool compare(
        struct machine *machine, enum operator op, struct json a, struct json b, struct json *ret) {
    int order;

    if (!value_compare(machine, a, b, &order)) return false;
    switch (op) {
    case OPERATOR_EQUAL: *ret = json_bool(order == 0); break;
    case OPERATOR_UNEQUAL: *ret = json_bool(order != 0); break;
    case OPERATOR_LESS: *ret = json_bool(order < 0); break;
    case OPERATOR_LESS_EQUAL: *ret = json_bool(order <= 0); break;
    case OPERATOR_GREATER: *ret = json_bool(order > 0); break;
    case OPERATOR_GREATER_EQUAL: *ret = json_bool(order >= 0); break;
    case OPERATOR_ADD:
    case OPERATOR_SUBTRACT:
    case OPERATOR_MULTIPLY:
    case OPERATOR_DIVIDE:
    case OPERATOR_MODULO: return false;
    }
    return true;
}

bool operator_apply(
        struct machine *machine, enum operator op, struct json a, struct json b, struct json *ret) {
    switch (op) {
    case OPERATOR_ADD: return add(machine, a, b, ret);
    case OPERATOR_SUBTRACT: return subtract(machine, a, b, ret);
    case OPERATOR_MULTIPLY: return multiply(machine, a, b, ret);
    case OPERATOR_DIVIDE: return divide(machine, a, b, ret);
    case OPERATOR_MODULO: return modulo(machine, a, b, ret);
    case OPERATOR_EQUAL:
    case OPERATOR_UNEQUAL:
    case OPERATOR_LESS:
    case OPERATOR_LESS_EQUAL:
    case OPERATOR_GREATER:
    case OPERATOR_GREATER_EQUAL: break;
    }
    return compare(machine, op, a, b, ret);
}

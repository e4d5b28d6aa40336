/* Functions of arrays: adding up, order, groups, search. */
#include <math.h>
#include <string.h>

#include "core/expression_internal.h"

/* Adds strings in one go, since one by one would copy all over and over. */
static bool add_all_strings(struct machine *machine, struct json array, struct json *ret) {
    struct str *pieces = arena_alloc(machine->arena, array.count * sizeof(*pieces));

    for (uint32_t i = 0; i < array.count; i++)
        pieces[i] = json_str(json_at(array, i));
    return join_strings(machine, pieces, array.count, ret);
}

bool native_add(struct machine *machine, const struct json *values, struct json *ret) {
    struct json sum = json_null(), key, item;
    uint32_t strings = 0;

    if (values[0].type != JSON_ARRAY && values[0].type != JSON_OBJECT)
        return fail_iterate(machine, values[0]);
    if (values[0].type == JSON_ARRAY && values[0].count > 2) {
        while (strings < values[0].count && json_at(values[0], strings).type == JSON_STRING)
            strings++;
        if (strings == values[0].count) return add_all_strings(machine, values[0], ret);
    }
    for (size_t i = 0; item_at(values[0], i, &key, &item); i++) {
        if (!charge(machine, 1) || !operator_apply(machine, OPERATOR_ADD, sum, item, &sum))
            return false;
        if (i == 0 && (sum.type == JSON_OBJECT || sum.type == JSON_ARRAY)) {
            /* What we append to must be ours. */
            struct json start = sum.type == JSON_OBJECT
                    ? json_object(machine->arena, (size_t)sum.count * 2)
                    : json_array(machine->arena, 0);
            if (!operator_apply(machine, OPERATOR_ADD, start, sum, &sum)) return false;
        }
    }
    *ret = sum;
    return true;
}

bool native_length(struct machine *machine, const struct json *values, struct json *ret) {
    struct json value = values[0];

    switch ((enum json_type)value.type) {
    case JSON_ABSENT:
    case JSON_NULL: *ret = number_of(0); return true;
    case JSON_NUMBER:
        *ret = value;
        if (value.count == 0) *ret = number_of(fabs(value.number));
        return value.count == 0 || value.text[0] != '-' || value_negate(machine, value, ret);
    case JSON_STRING:
        *ret = number_of((double)string_length(json_str(value)));
        return charge(machine, value.count / 32);
    case JSON_ARRAY:
    case JSON_OBJECT: *ret = number_of(value.count); return true;
    case JSON_FALSE:
    case JSON_TRUE: break;
    }
    return fail_type(machine, value, "has no length");
}

bool native_not(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    *ret = json_bool(!json_is_truthy(values[0]));
    return true;
}

bool native_type(struct machine *machine, const struct json *values, struct json *ret) {
    (void)machine;
    *ret = json_string(str_from(json_type_name(values[0])));
    return true;
}

/* ---- order ---- */

static bool sorted_order(
        struct machine *machine, struct json array, struct json keys, uint32_t **ret) {
    if (!charge_bytes(machine, (size_t)array.count * 32)) return false;
    *ret = arena_alloc(machine->arena, array.count * sizeof(**ret));
    return value_sort(machine, array, keys, *ret);
}

static bool sort_by_keys(
        struct machine *machine, struct json array, struct json keys, struct json *ret) {
    uint32_t *order;

    if (!sorted_order(machine, array, keys, &order)) return false;
    struct json sorted = json_array(machine->arena, array.count);
    for (uint32_t i = 0; i < array.count; i++)
        sorted = json_append(sorted, json_at(array, order[i]), machine->arena);
    *ret = sorted;
    return true;
}

bool native_sort(struct machine *machine, const struct json *values, struct json *ret) {
    if (values[0].type != JSON_ARRAY)
        return fail_type(machine, values[0], "cannot be sorted, as it is not an array");
    return sort_by_keys(machine, values[0], values[0], ret);
}

/* The keys of an object's values come from `map`, so a check of the input alone would not do. */
static bool check_keys(
        struct machine *machine, struct json array, struct json keys, const char *what) {
    if (array.type == JSON_ARRAY && keys.type == JSON_ARRAY && array.count == keys.count)
        return true;
    return fail_types(machine, array, keys, what);
}

bool native_sort_by(struct machine *machine, const struct json *values, struct json *ret) {
    if (!check_keys(machine, values[0], values[1], "cannot be sorted, as they are not both arrays"))
        return false;
    return sort_by_keys(machine, values[0], values[1], ret);
}

/* Groups of equal keys, or the first of each group. */
static bool group(
        struct machine *machine, const struct json *values, bool first_only, struct json *ret) {
    struct json array = values[0], keys = values[1], groups = json_array(machine->arena, 0), part;
    uint32_t *order;
    int same;

    if (!check_keys(machine, array, keys, "cannot be sorted, as they are not both arrays"))
        return false;
    if (!sorted_order(machine, array, keys, &order)) return false;
    for (uint32_t i = 0, j; i < array.count; i = j) {
        part = first_only ? json_at(array, order[i])
                          : json_append(json_array(machine->arena, 1), json_at(array, order[i]),
                                  machine->arena);
        for (j = i + 1; j < array.count; j++) {
            if (!value_compare(machine, json_at(keys, order[i]), json_at(keys, order[j]), &same))
                return false;
            if (same != 0) break;
            if (!first_only) part = json_append(part, json_at(array, order[j]), machine->arena);
        }
        groups = json_append(groups, part, machine->arena);
    }
    machine->built += array.count;
    *ret = groups;
    return true;
}

bool native_group_by(struct machine *machine, const struct json *values, struct json *ret) {
    return group(machine, values, false, ret);
}

bool native_unique_by(struct machine *machine, const struct json *values, struct json *ret) {
    return group(machine, values, true, ret);
}

bool native_unique(struct machine *machine, const struct json *values, struct json *ret) {
    struct json both[] = { values[0], values[0] }, key, item;

    if (values[0].type != JSON_ARRAY && values[0].type != JSON_OBJECT)
        return fail_iterate(machine, values[0]);
    if (values[0].type == JSON_OBJECT) {
        both[1] = json_array(
                machine->arena, values[0].count); /* what jq would sort by, for its message */
        for (size_t i = 0; item_at(values[0], i, &key, &item); i++) {
            both[1] =
                    json_append(both[1], json_array_from(&item, 1, machine->arena), machine->arena);
        }
    }
    return group(machine, both, true, ret);
}

/* The first of the smallest, the last of the greatest. */
static bool extreme(
        struct machine *machine, struct json array, struct json keys, int sign, struct json *ret) {
    uint32_t best = 0;
    int order;

    if (!check_keys(machine, array, keys, "cannot be iterated over")) return false;
    for (uint32_t i = 1; i < array.count; i++) {
        if (!charge(machine, 1)) return false;
        if (!value_compare(machine, json_at(keys, i), json_at(keys, best), &order)) return false;
        if (sign < 0 ? order < 0 : order >= 0) best = i;
    }
    *ret = array.count ? json_at(array, best) : json_null();
    return true;
}

bool native_min(struct machine *machine, const struct json *values, struct json *ret) {
    return extreme(machine, values[0], values[0], -1, ret);
}

bool native_max(struct machine *machine, const struct json *values, struct json *ret) {
    return extreme(machine, values[0], values[0], 1, ret);
}

bool native_min_by(struct machine *machine, const struct json *values, struct json *ret) {
    return extreme(machine, values[0], values[1], -1, ret);
}

bool native_max_by(struct machine *machine, const struct json *values, struct json *ret) {
    return extreme(machine, values[0], values[1], 1, ret);
}

bool native_reverse(struct machine *machine, const struct json *values, struct json *ret) {
    struct json value = values[0], length;

    if (value.type == JSON_STRING && value.count) return reverse_string(machine, value, ret);
    if (value.type != JSON_ARRAY) {
        if (!native_length(machine, values, &length)) return false;
        if (number_value(length) != 0)
            return fail(machine, "Cannot index %s with number", json_type_name(value));
        value = json_array(machine->arena, 0);
    }
    if (!charge(machine, value.count / 8)
            || !charge_bytes(machine, value.count * sizeof(struct json)))
        return false;
    struct json reversed = json_array(machine->arena, value.count);
    for (uint32_t i = value.count; i > 0; i--)
        reversed = json_append(reversed, json_at(value, i - 1), machine->arena);
    *ret = reversed;
    return true;
}

static bool flatten(struct machine *machine, struct json value, double levels, uint32_t depth,
        struct json *flat) {
    struct json key, item;

    if (depth == 0) return spend(machine, "depth");
    for (size_t i = 0; item_at(value, i, &key, &item); i++) {
        if (!charge(machine, 1)) return false;
        if (item.type == JSON_ARRAY && levels != 0) {
            if (!flatten(machine, item, levels - 1, depth - 1, flat)) return false;
        } else {
            *flat = json_append(*flat, item, machine->arena);
        }
    }
    return true;
}

static bool flatten_to(
        struct machine *machine, struct json value, double levels, struct json *ret) {
    struct json flat = json_array(machine->arena, 0);

    if (value.type != JSON_ARRAY && value.type != JSON_OBJECT) return fail_iterate(machine, value);
    if (!flatten(machine, value, levels, LIMIT_EXPRESSION_DEPTH, &flat)) return false;
    machine->built += flat.count;
    *ret = flat;
    return true;
}

bool native_flatten(struct machine *machine, const struct json *values, struct json *ret) {
    return flatten_to(machine, values[0], -1, ret);
}

bool native_flatten_to(struct machine *machine, const struct json *values, struct json *ret) {
    if (values[1].type == JSON_NUMBER && number_value(values[1]) < 0) {
        return fail(machine, "flatten depth must not be negative");
    }
    for (uint32_t i = 0; values[1].type != JSON_NUMBER && i < json_size(values[0]); i++) {
        if (json_at(values[0], i).type != JSON_ARRAY) continue;
        return fail_types(machine, values[1], number_of(1), "cannot be subtracted");
    }
    return flatten_to(machine, values[0], number_value(values[1]), ret);
}

/* ---- search ---- */

static bool contains(
        struct machine *machine, struct json a, struct json b, uint32_t depth, bool *ret);

static bool array_contains(
        struct machine *machine, struct json a, struct json b, uint32_t depth, bool *ret) {
    *ret = true;
    for (uint32_t i = 0; i < b.count && *ret; i++) {
        bool found = false;
        for (uint32_t j = 0; j < a.count && !found; j++) {
            struct json have = json_at(a, j), want = json_at(b, i);
            if (have.type == want.type && !contains(machine, have, want, depth, &found))
                return false;
        }
        *ret = found;
    }
    return true;
}

static bool object_contains(
        struct machine *machine, struct json a, struct json b, uint32_t depth, bool *ret) {
    *ret = true;
    for (uint32_t i = 0; i < b.count && *ret; i++) {
        const struct json_member *member = json_member_at(b, i);
        struct json have = json_get(a, member->key);
        if (json_is_absent(have) || have.type != member->value.type) {
            *ret = false;
        } else if (!contains(machine, have, member->value, depth, ret)) {
            return false;
        }
    }
    return true;
}

/* Values of one type. */
static bool contains(
        struct machine *machine, struct json a, struct json b, uint32_t depth, bool *ret) {
    int order;

    if (depth == 0) return spend(machine, "depth");
    if (!charge(machine, 1)) return false;
    if (a.type == JSON_OBJECT) return object_contains(machine, a, b, depth - 1, ret);
    if (a.type == JSON_ARRAY) return array_contains(machine, a, b, depth - 1, ret);
    if (a.type == JSON_STRING) {
        *ret = b.count == 0 || str_find(json_str(a), json_str(b)) < a.count;
        return charge(machine, a.count / 64);
    }
    if (!value_compare(machine, a, b, &order)) return false;
    *ret = order == 0;
    return true;
}

bool native_contains(struct machine *machine, const struct json *values, struct json *ret) {
    struct json a = values[0], b = values[1];
    bool found = false;

    if (a.type != b.type) return fail_types(machine, a, b, "cannot have their containment checked");
    if (!contains(machine, a, b, LIMIT_EXPRESSION_DEPTH, &found)) return false;
    *ret = json_bool(found);
    return true;
}

static bool string_indices(
        struct machine *machine, struct json value, struct json wanted, struct json *ret) {
    struct str text = json_str(value), needle = json_str(wanted);
    struct json found = json_array(machine->arena, 0);
    size_t at = 0, counted = 0, points = 0;

    if (!charge(machine, text.size / 16)) return false;
    while (needle.size && at + needle.size <= text.size) {
        size_t offset = str_find(str_slice(text, at, text.size), needle);
        if (at + offset >= text.size) break;
        at += offset;
        points += string_length(str_slice(text, counted, at));
        counted = at;
        if (!charge(machine, 1)) return false;
        found = json_append(found, number_of((double)points), machine->arena);
        at++;
    }
    *ret = found;
    return true;
}

bool native_indices(struct machine *machine, const struct json *values, struct json *ret) {
    struct json value = values[0], wanted = values[1];

    if (value.type == JSON_STRING && wanted.type == JSON_STRING)
        return string_indices(machine, value, wanted, ret);
    if (value.type == JSON_ARRAY && wanted.type != JSON_ARRAY) {
        wanted = json_array_from(&wanted, 1, machine->arena);
    }
    return value_index(machine, value, wanted, ret);
}

bool native_index(struct machine *machine, const struct json *values, struct json *ret) {
    return native_indices(machine, values, ret) && value_index(machine, *ret, number_of(0), ret);
}

bool native_rindex(struct machine *machine, const struct json *values, struct json *ret) {
    return native_indices(machine, values, ret) && value_index(machine, *ret, number_of(-1), ret);
}

bool native_bsearch(struct machine *machine, const struct json *values, struct json *ret) {
    struct json array = values[0];
    uint32_t low = 0, high = array.count;
    int order;

    if (array.type != JSON_ARRAY) return fail_type(machine, array, "cannot be searched from");
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (!value_compare(machine, json_at(array, middle), values[1], &order)) return false;
        if (order == 0) {
            *ret = number_of(middle);
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret = number_of(-1 - (double)low);
    return true;
}

bool native_transpose(struct machine *machine, const struct json *values, struct json *ret) {
    struct json rows = values[0], columns;
    uint32_t width = 0;

    if (rows.type != JSON_ARRAY) return fail_iterate(machine, rows);
    for (uint32_t i = 0; i < rows.count; i++) {
        struct json row = json_at(rows, i);
        if (row.type != JSON_ARRAY && !json_is_null(row)) {
            return fail(machine, "Cannot index %s with number", json_type_name(row));
        }
        width = MAX(width, row.count);
    }
    size_t cells = (size_t)width * rows.count;
    if (!charge(machine, cells) || !charge_bytes(machine, cells * sizeof(struct json)))
        return false;
    columns = json_array(machine->arena, width);
    for (uint32_t j = 0; j < width; j++) {
        struct json column = json_array(machine->arena, rows.count);
        for (uint32_t i = 0; i < rows.count; i++)
            column = json_append(column, json_at(json_at(rows, i), j), machine->arena);
        columns = json_append(columns, column, machine->arena);
    }
    machine->built += rows.count + width;
    *ret = columns;
    return true;
}

/* Getting, setting and deleting by key and by path. */
#include <math.h>
#include <string.h>

#include "core/expression_internal.h"

enum {
    PATH_LOCAL = 8,
    ARRAY_INDEX_MAX = 1 << 24
}; /* jq's own limit is higher; ours is the budget of bytes */

const struct path path_root, path_lost;

/* ---- paths as they are found ---- */

const struct path *path_add(struct machine *machine, const struct path *path, struct json key) {
    struct path *added = arena_alloc(machine->arena, sizeof(*added));

    *added = (struct path){ path, key };
    return added;
}

struct json path_to_json(struct machine *machine, const struct path *path) {
    size_t count = 0;

    for (const struct path *at = path; at != &path_root; at = at->parent)
        count++;
    if (!charge_bytes(machine, count * sizeof(struct json)) || !charge(machine, count))
        return json_null();
    struct json *keys = arena_alloc(machine->arena, count * sizeof(*keys));
    for (const struct path *at = path; at != &path_root; at = at->parent)
        keys[--count] = at->key;
    for (const struct path *at = path; at != &path_root; at = at->parent)
        count++;
    return json_array_from(keys, count, machine->arena);
}

bool fail_lost(struct machine *machine, struct json key, struct json value) {
    if (json_is_absent(key)) {
        return fail(machine, "Invalid path expression near attempt to iterate through %s",
                short_text(machine, value, LONG_TEXT));
    }
    return fail(machine, "Invalid path expression near attempt to access element %s of %s",
            short_text(machine, key, SHORT_TEXT), short_text(machine, value, LONG_TEXT));
}

/* ---- looking ---- */

bool item_at(struct json container, size_t index, struct json *ret_key, struct json *ret) {
    if (container.type == JSON_ARRAY && index < container.count) {
        *ret_key = number_of((double)index);
        *ret = json_items(container)[index];
        return true;
    }
    const struct json_member *member = json_member_at(container, index);
    if (!member) return false;
    *ret_key = json_string(member->key);
    *ret = member->value;
    return true;
}

size_t string_length(struct str text) {
    size_t length = 0;

    for (size_t i = 0; i < text.size; i++)
        length += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return length;
}

/* The byte that is `points` code points behind byte `from`. */
size_t string_offset(struct str text, size_t from, size_t points) {
    for (; from < text.size; from++) {
        if (((unsigned char)text.data[from] & 0xC0) == 0x80) continue;
        if (points-- == 0) return from;
    }
    return text.size;
}

static bool fail_index(struct machine *machine, struct json value, struct json key) {
    if (key.type == JSON_STRING && key.count < LONG_TEXT) {
        return fail(machine, "Cannot index %s with string \"" STR_FMT "\"", json_type_name(value),
                STR_ARG(json_str(key)));
    }
    return fail(machine, "Cannot index %s with %s", json_type_name(value), json_type_name(key));
}

bool value_field(struct machine *machine, struct json value, struct json key, struct json *ret) {
    if (value.type == JSON_OBJECT) {
        *ret = json_get(value, json_str(key));
    } else if (json_is_null(value)) {
        *ret = json_null();
    } else {
        return fail_index(machine, value, key);
    }
    if (json_is_absent(*ret)) *ret = json_null();
    return true;
}

/* The bounds of a slice of `length` items are numbers or null; a missing key is neither. */
static bool slice_bounds(
        struct json from, struct json upto, size_t length, size_t *ret_from, size_t *ret_upto) {
    double size = (double)length;
    double start = json_is_null(from) ? 0 : number_value(from),
           end = json_is_null(upto) ? size : number_value(upto);

    if (from.type != JSON_NULL && from.type != JSON_NUMBER) return false;
    if (upto.type != JSON_NULL && upto.type != JSON_NUMBER) return false;
    if (isnan(start)) start = 0;
    if (isnan(end)) end = size;
    if (start < 0) start += size;
    if (end < 0) end += size;
    start = start < 0 ? 0 : start > size ? size : floor(start);
    end = end < 0 ? 0 : end > size ? size : ceil(end);
    if (end < start) end = start;
    *ret_from = (size_t)start;
    *ret_upto = (size_t)end;
    return true;
}

static bool slice_string(struct machine *machine, struct json value, struct json from,
        struct json upto, struct json *ret) {
    struct str text = json_str(value);
    size_t start, end;

    if (!charge(machine, text.size / 32)) return false;
    if (!slice_bounds(from, upto, string_length(text), &start, &end)) {
        return fail(machine, "Start and end indices of an string slice must be numbers");
    }
    size_t first = string_offset(text, 0, start);
    *ret = json_string(str_slice(text, first, string_offset(text, first, end - start)));
    return true;
}

bool value_slice(struct machine *machine, struct json value, struct json from, struct json upto,
        struct json *ret) {
    size_t start, end;

    if (value.type == JSON_STRING) return slice_string(machine, value, from, upto, ret);
    if (json_is_null(value)) {
        *ret = json_null();
        return true;
    }
    if (value.type != JSON_ARRAY)
        return fail(machine, "Cannot index %s with object", json_type_name(value));
    if (!slice_bounds(from, upto, value.count, &start, &end)) {
        return fail(machine, "Start and end indices of an array slice must be numbers");
    }
    size_t count = end - start;
    if (!charge(machine, count / 8) || !charge_bytes(machine, count * sizeof(struct json)))
        return false;
    *ret = json_array_from(count ? json_items(value) + start : NULL, count, machine->arena);
    return true;
}

/* Where `wanted` occurs within `array`. */
static bool find_rows(
        struct machine *machine, struct json array, struct json wanted, struct json *ret) {
    struct json found = json_array(machine->arena, 0);
    int order = 0;

    for (uint32_t i = 0; wanted.count && i + wanted.count <= array.count; i++) {
        uint32_t same = 0;
        for (; same < wanted.count; same++) {
            if (!charge(machine, 1)) return false;
            if (!value_compare(machine, json_at(array, i + same), json_at(wanted, same), &order))
                return false;
            if (order) break;
        }
        if (same == wanted.count) found = json_append(found, number_of(i), machine->arena);
    }
    *ret = found;
    return true;
}

bool value_index(struct machine *machine, struct json value, struct json key, struct json *ret) {
    if (key.type == JSON_STRING) return value_field(machine, value, key, ret);
    if (key.type == JSON_OBJECT && value.type != JSON_OBJECT) {
        struct json from = json_get(key, STR("start")), upto = json_get(key, STR("end"));
        return value_slice(machine, value, from, upto, ret);
    }
    if (key.type == JSON_NUMBER && value.type == JSON_ARRAY) {
        double index = floor(number_value(key));
        if (index < 0) index += value.count;
        *ret = index >= 0 && index < value.count ? json_at(value, (size_t)index) : json_null();
        return true;
    }
    if (key.type == JSON_NUMBER && json_is_null(value)) {
        *ret = json_null();
        return true;
    }
    if (key.type == JSON_ARRAY && value.type == JSON_ARRAY)
        return find_rows(machine, value, key, ret);
    return fail_index(machine, value, key);
}

struct json slice_key(struct machine *machine, struct json from, struct json upto) {
    struct json key = json_object(machine->arena, 2);

    key = json_set(key, STR("start"), json_is_absent(from) ? json_null() : from, machine->arena);
    return json_set(key, STR("end"), json_is_absent(upto) ? json_null() : upto, machine->arena);
}

/* ---- setting ---- */

enum { OWNED_CAPACITY_MIN = 16 };

static const void **owned_slot(const struct owned *owned, const void *row) {
    uint64_t hash = (uint64_t)(uintptr_t)row * 0x9E3779B97F4A7C15u;
    uint32_t index = (uint32_t)(hash >> 40);

    while (owned->rows[index & (owned->capacity - 1)]
            && owned->rows[index & (owned->capacity - 1)] != row)
        index++;
    return &owned->rows[index & (owned->capacity - 1)];
}

bool owned_has(const struct owned *owned, struct json value) {
    if (!owned || owned->count == 0 || value.count == 0) return false;
    if (value.type != JSON_ARRAY && value.type != JSON_OBJECT) return false;
    return *owned_slot(owned, value.array) != NULL;
}

void owned_clear(struct owned *owned) {
    *owned = (struct owned){ 0 };
}

static void owned_add(struct machine *machine, struct owned *owned, const void *row) {
    if (owned->count * 2 >= owned->capacity) {
        struct owned larger = { .capacity =
                                        MAX(owned->capacity * 2, (uint32_t)OWNED_CAPACITY_MIN) };
        larger.rows = arena_new_many(machine->arena, const void *, larger.capacity);
        for (uint32_t i = 0; i < owned->capacity; i++) {
            if (owned->rows[i]) *owned_slot(&larger, owned->rows[i]) = owned->rows[i];
        }
        larger.count = owned->count;
        *owned = larger;
    }
    *owned_slot(owned, row) = row;
    owned->count++;
}

/* A row that was copied is nobody else's; one that was appended to may be. */
static void own_copy(
        struct machine *machine, struct owned *owned, struct json before, struct json after) {
    if (owned && after.count && after.array != before.array) owned_add(machine, owned, after.array);
}

/* Our own rows are never constant; only the values that look at them are. */
static void overwrite(const struct json *item, struct json with) {
    *(struct json *)(uintptr_t)item = json_is_absent(with) ? json_null() : with;
}

static bool set_item(struct machine *machine, struct place place, struct json item,
        struct owned *owned, struct json *ret) {
    struct json array = place.value;
    double index = floor(number_value(place.key));

    if (isnan(index)) return fail(machine, "Cannot set array element at NaN index");
    if (index < 0) index += array.count;
    if (index < 0) return fail(machine, "Out of bounds negative array index");
    if (index >= ARRAY_INDEX_MAX) return fail(machine, "Array index too large");
    size_t at = (size_t)index, count = MAX((size_t)array.count, at + 1);
    machine->built++;
    *ret = array;
    if (at < array.count && owned_has(owned, array)) {
        overwrite(json_items(array) + at, item);
        return true;
    }
    if (at == array.count) {
        if (!charge_bytes(machine, count / 4 * sizeof(struct json))) return false;
        *ret = json_append(array, item, machine->arena);
    } else {
        if (!charge(machine, count / 8) || !charge_bytes(machine, 2 * count * sizeof(struct json)))
            return false;
        struct json *items = arena_alloc(machine->arena, count * sizeof(*items));
        if (array.count) memcpy(items, json_items(array), array.count * sizeof(*items));
        for (size_t i = array.count; i < count; i++)
            items[i] = json_null();
        items[at] = item;
        *ret = json_array_from(items, count, machine->arena);
    }
    own_copy(machine, owned, array, *ret);
    return true;
}

static bool set_member(struct machine *machine, struct place place, struct json item,
        struct owned *owned, struct json *ret) {
    struct json object = json_is_null(place.value) ? json_object(machine->arena, 0) : place.value;
    struct str key = json_str(place.key);
    const struct json_member *member = json_find(object, key);

    machine->built++;
    *ret = object;
    if (member && owned_has(owned, object)) {
        overwrite(&member->value, item);
        return true;
    }
    if (member && !charge(machine, object.count / 8)) return false;
    if (!charge_bytes(machine, object.count / (member ? 1 : 4) * sizeof(struct json_member)))
        return false;
    size_t used = arena_used(machine->arena);
    *ret = json_set(object, key, item, machine->arena);
    own_copy(machine, owned, object, *ret);
    return charge(machine, (arena_used(machine->arena) - used) / 1024);
}

static bool set_slice(struct machine *machine, struct json array, struct json key,
        struct json insert, struct json *ret) {
    size_t from, upto;

    if (!slice_bounds(json_get(key, STR("start")), json_get(key, STR("end")), array.count, &from,
                &upto)) {
        return fail(machine, "Start and end indices of an array slice must be numbers");
    }
    if (insert.type != JSON_ARRAY)
        return fail(machine, "A slice of an array can only be assigned another array");
    size_t count = array.count - (upto - from) + insert.count;
    if (!charge(machine, count / 8) || !charge_bytes(machine, 2 * count * sizeof(struct json)))
        return false;
    struct json *items = arena_alloc(machine->arena, count * sizeof(*items));
    const struct json *old = json_items(array);
    if (from) memcpy(items, old, from * sizeof(*items));
    if (insert.count) memcpy(items + from, json_items(insert), insert.count * sizeof(*items));
    if (upto < array.count)
        memcpy(items + from + insert.count, old + upto, (array.count - upto) * sizeof(*items));
    machine->built += insert.count;
    *ret = json_array_from(items, count, machine->arena);
    return true;
}

bool value_set(struct machine *machine, struct place place, struct json item, struct owned *owned,
        struct json *ret) {
    struct json value = place.value, key = place.key;
    bool is_null = json_is_null(value);

    if (key.type == JSON_STRING && (is_null || value.type == JSON_OBJECT)) {
        return set_member(machine, place, item, owned, ret);
    }
    if (is_null) place.value = json_array(machine->arena, 0);
    if (key.type == JSON_NUMBER && (is_null || value.type == JSON_ARRAY)) {
        return set_item(machine, place, item, owned, ret);
    }
    if (key.type == JSON_OBJECT && (is_null || value.type == JSON_ARRAY)) {
        return set_slice(machine, place.value, key, item, ret);
    }
    return fail(machine, "Cannot update field at %s index of %s", json_type_name(key),
            json_type_name(value));
}

/* ---- whole paths ---- */

static bool check_path(struct machine *machine, struct json path) {
    if (path.type != JSON_ARRAY) return fail(machine, "Path must be specified as an array");
    if (path.count > LIMIT_EXPRESSION_DEPTH) return fail(machine, "Path too deep");
    return charge(machine, path.count);
}

bool path_get(struct machine *machine, struct json value, struct json path, struct json *ret) {
    if (!check_path(machine, path)) return false;
    for (uint32_t i = 0; i < path.count; i++) {
        if (!value_index(machine, value, json_at(path, i), &value)) return false;
    }
    *ret = value;
    return true;
}

bool path_set(struct machine *machine, struct place place, struct json item, struct owned *owned,
        struct json *ret) {
    struct json value = place.value, path = place.key;
    struct json local[PATH_LOCAL], *values = local;

    if (!check_path(machine, path)) return false;
    if (path.count > PATH_LOCAL) values = arena_alloc(machine->arena, path.count * sizeof(*values));
    for (uint32_t i = 0; i < path.count; i++) {
        values[i] = value;
        if (!value_index(machine, value, json_at(path, i), &value)) return false;
    }
    for (uint32_t i = path.count; i > 0; i--) {
        struct place inner = { values[i - 1], json_at(path, i - 1) };
        if (!value_set(machine, inner, item, owned, &item)) return false;
    }
    *ret = item;
    return true;
}

/* ---- deleting ---- */

static bool delete_items(struct machine *machine, struct json array, const struct json *keys,
        uint32_t count, struct json *ret) {
    bool *gone = arena_zalloc(machine->arena, array.count, sizeof(*gone));
    size_t from, upto;

    for (uint32_t i = 0; i < count; i++) {
        struct json key = keys[i];
        if (!charge(machine, 1)) return false;
        if (key.type == JSON_NUMBER) {
            double index = trunc(number_value(key));
            if (index < 0) index += array.count;
            if (index >= 0 && index < array.count) gone[(size_t)index] = true;
        } else if (key.type == JSON_OBJECT) {
            if (!slice_bounds(json_get(key, STR("start")), json_get(key, STR("end")), array.count,
                        &from, &upto)) {
                return fail(machine, "Start and end indices of an array slice must be numbers");
            }
            if (!charge(machine, upto - from)) return false;
            if (upto > from) memset(gone + from, true, upto - from);
        } else {
            return fail(machine, "Cannot delete %s element of array", json_type_name(key));
        }
    }
    if (!charge(machine, array.count / 4)
            || !charge_bytes(machine, array.count * sizeof(struct json)))
        return false;
    struct json left = json_array(machine->arena, array.count);
    for (uint32_t i = 0; i < array.count; i++) {
        if (!gone[i]) left = json_append(left, json_at(array, i), machine->arena);
    }
    *ret = left;
    return true;
}

static bool is_among(struct str key, const struct json *keys, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (str_equal(json_str(keys[i]), key)) return true;
    }
    return false;
}

static bool delete_members(struct machine *machine, struct json object, const struct json *keys,
        uint32_t count, struct json *ret) {
    struct json marks = json_object(machine->arena, count);

    for (uint32_t i = 0; i < count; i++) {
        if (keys[i].type != JSON_STRING) {
            return fail(machine, "Cannot delete %s field of object", json_type_name(keys[i]));
        }
        if (count > 4) marks = json_set(marks, json_str(keys[i]), json_null(), machine->arena);
    }
    if (!charge(machine, object.count / 4 + count)) return false;
    if (!charge_bytes(machine, object.count * sizeof(struct json_member))) return false;
    struct json left = json_object(machine->arena, object.count);
    for (uint32_t i = 0; i < object.count; i++) {
        const struct json_member *member = json_member_at(object, i);
        bool gone = count > 4 ? json_has(marks, member->key) : is_among(member->key, keys, count);
        if (!gone) left = json_set(left, member->key, member->value, machine->arena);
    }
    *ret = left;
    return true;
}

static bool delete_keys(struct machine *machine, struct json value, const struct json *keys,
        uint32_t count, struct json *ret) {
    *ret = value;
    if (count == 0 || json_is_null(value)) return true;
    if (value.type == JSON_ARRAY) return delete_items(machine, value, keys, count, ret);
    if (value.type == JSON_OBJECT) return delete_members(machine, value, keys, count, ret);
    return fail(machine, "Cannot delete fields from %s", json_type_name(value));
}

/* Deletes `count` sorted paths that agree in their first `start` keys; `value` is what those
 * lead to. */
static bool delete_sorted(struct machine *machine, struct json value, const struct json *paths,
        uint32_t count, uint32_t start, struct json *ret) {
    struct json *keys = arena_alloc(machine->arena, count * sizeof(*keys));
    uint32_t key_count = 0;
    int order;

    if (!charge(machine, count)) return false;
    for (uint32_t i = 0, j; i < count; i = j) {
        struct json key = json_at(paths[i], start), part = json_null();
        for (j = i + 1; j < count; j++) {
            if (!value_compare(machine, key, json_at(paths[j], start), &order)) return false;
            if (order) break;
        }
        if (paths[i].count == start + 1) {
            keys[key_count++] = key; /* all of it goes, so what is deleted inside does not matter */
            continue;
        }
        if (!value_index(machine, value, key, &part)) return false;
        if (json_is_null(part)) continue;
        if (!delete_sorted(machine, part, paths + i, j - i, start + 1, &part)) return false;
        if (!value_set(machine, (struct place){ value, key }, part, NULL, &value)) return false;
    }
    return delete_keys(machine, value, keys, key_count, ret);
}

bool path_delete(struct machine *machine, struct json value, struct json paths, struct json *ret) {
    if (paths.type != JSON_ARRAY) return fail(machine, "Paths must be specified as an array");
    for (uint32_t i = 0; i < paths.count; i++) {
        struct json path = json_at(paths, i);
        if (path.type != JSON_ARRAY) {
            return fail(machine, "Path must be specified as array, not %s", json_type_name(path));
        }
        if (!check_path(machine, path)) return false;
    }
    *ret = value;
    if (paths.count == 0) return true;
    if (!charge_bytes(machine, (size_t)paths.count * 2 * sizeof(struct json))) return false;
    uint32_t *order = arena_alloc(machine->arena, paths.count * sizeof(*order));
    struct json *sorted = arena_alloc(machine->arena, paths.count * sizeof(*sorted));
    if (!value_sort(machine, paths, paths, order)) return false;
    for (uint32_t i = 0; i < paths.count; i++)
        sorted[i] = json_at(paths, order[i]);
    if (sorted[0].count == 0) {
        *ret = json_null();
        return true;
    }
    return delete_sorted(machine, value, sorted, paths.count, 0, ret);
}

/* ---- as functions ---- */

bool native_setpath(struct machine *machine, const struct json *values, struct json *ret) {
    return path_set(machine, (struct place){ values[0], values[1] }, values[2], NULL, ret);
}

bool native_delpaths(struct machine *machine, const struct json *values, struct json *ret) {
    return path_delete(machine, values[0], values[1], ret);
}

bool native_has(struct machine *machine, const struct json *values, struct json *ret) {
    struct json value = values[0], key = values[1];

    if (value.type == JSON_OBJECT && key.type == JSON_STRING) {
        *ret = json_bool(json_has(value, json_str(key)));
    } else if (value.type == JSON_ARRAY && key.type == JSON_NUMBER) {
        double index = trunc(number_value(key));
        *ret = json_bool(index >= 0 && index < value.count);
    } else if (json_is_null(value)) {
        *ret = json_bool(false);
    } else {
        return fail(machine, "Cannot check whether %s has a %s key", json_type_name(value),
                json_type_name(key));
    }
    return true;
}

static bool keys_of(struct machine *machine, struct json value, bool sorted, struct json *ret) {
    struct json keys, key, item;

    if (value.type != JSON_ARRAY && value.type != JSON_OBJECT)
        return fail_type(machine, value, "has no keys");
    if (!charge(machine, value.count)
            || !charge_bytes(machine, (size_t)value.count * 2 * sizeof(struct json)))
        return false;
    keys = json_array(machine->arena, value.count);
    for (size_t i = 0; item_at(value, i, &key, &item); i++)
        keys = json_append(keys, key, machine->arena);
    if (sorted && value.type == JSON_OBJECT) return native_sort(machine, &keys, ret);
    *ret = keys;
    return true;
}

bool native_keys(struct machine *machine, const struct json *values, struct json *ret) {
    return keys_of(machine, values[0], true, ret);
}

bool native_keys_unsorted(struct machine *machine, const struct json *values, struct json *ret) {
    return keys_of(machine, values[0], false, ret);
}

bool native_to_entries(struct machine *machine, const struct json *values, struct json *ret) {
    struct json value = values[0], key, item, entries;

    if (value.type != JSON_ARRAY && value.type != JSON_OBJECT)
        return fail_type(machine, value, "has no keys");
    if (!charge(machine, value.count) || !charge_bytes(machine, (size_t)value.count * 128))
        return false;
    entries = json_array(machine->arena, value.count);
    for (size_t i = 0; item_at(value, i, &key, &item); i++) {
        struct json entry = json_object(machine->arena, 2);
        entry = json_set(entry, STR("key"), key, machine->arena);
        entry = json_set(entry, STR("value"), item, machine->arena);
        entries = json_append(entries, entry, machine->arena);
    }
    machine->built += value.count;
    *ret = entries;
    return true;
}

/* The first of the names under which an entry has its key that is neither null nor false, or the
 * last. */
static bool entry_key(struct machine *machine, struct json entry, struct json *ret) {
    const struct str names[] = { STR("key"), STR("Key"), STR("name"), STR("Name") };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!value_field(machine, entry, json_string(names[i]), ret)) return false;
        if (json_is_truthy(*ret)) return true;
    }
    return true;
}

bool native_from_entries(struct machine *machine, const struct json *values, struct json *ret) {
    struct json entries = values[0], object = json_object(machine->arena, entries.count), name,
                entry, key = json_null();

    if (entries.type != JSON_ARRAY && entries.type != JSON_OBJECT)
        return fail_iterate(machine, entries);
    if (!charge(machine, entries.count)) return false;
    if (!charge_bytes(machine, (size_t)entries.count * 2 * sizeof(struct json_member)))
        return false;
    for (size_t i = 0; item_at(entries, i, &name, &entry); i++) {
        if (!entry_key(machine, entry, &key)) return false;
        if (key.type != JSON_STRING) return fail_key(machine, key);
        bool lower = json_has(entry, STR("value"));
        struct json item = json_get(entry, lower ? STR("value") : STR("Value"));
        if (json_is_absent(item)) item = json_null();
        if (!charge_bytes(machine, 0)
                || !charge(machine, json_has(object, json_str(key)) ? object.count / 8 : 0))
            return false;
        object = json_set(object, json_str(key), item, machine->arena);
    }
    machine->built += entries.count;
    *ret = object;
    return true;
}

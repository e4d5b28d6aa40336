/* The tree: looking and building. json_read.c reads text, json_write.c writes it, json_number.c
 * keeps numbers exact, json_walk.c has what must go through nested values. */
#include "common/json.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/json_internal.h"

enum { CAPACITY_MIN = 4, CAPACITY_LIMIT = INT32_MAX / 2 };

static const int64_t exact_max = (int64_t)1 << 53;

/* ---- the index of an object ---- */

struct slot {
    uint32_t hash;
    uint32_t position; /* from 1; 0: free */
};

/* Open addressing, at most half full. Keys come from outside: so that nobody can choose ones that
 * collide, the hash depends on where the index lies in memory, which nobody outside knows. */
struct json_index {
    uint64_t seed;
    uint32_t mask;
    struct slot slots[];
};

__extension__ typedef unsigned __int128 uint128;

static uint64_t mix(uint64_t a, uint64_t b) {
    uint128 product = (uint128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_key(uint64_t seed, struct str key) {
    uint64_t hash = seed ^ key.size;
    size_t i = 0;

    for (; i + 8 <= key.size; i += 8) {
        uint64_t word;
        memcpy(&word, key.data + i, sizeof(word));
        hash = mix(hash ^ word, seed | 1) + 0x9E3779B97F4A7C15u;
    }
    uint64_t tail = 0;
    if (i < key.size) memcpy(&tail, key.data + i, key.size - i);
    hash = mix(hash ^ tail, seed | 1) + 0x9E3779B97F4A7C15u;
    return (uint32_t)(mix(hash, 0xFF51AFD7ED558CCDu) >> 16);
}

static bool same_key(struct str a, struct str b) {
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static struct json_index *index_make(struct json_object *object) {
    uint32_t slots = 64;

    while (slots < object->capacity * 2)
        slots *= 2;
    struct json_index *index =
            arena_zalloc(object->arena, 1, sizeof(*index) + slots * sizeof(struct slot));
    index->seed = mix((uint64_t)(uintptr_t)index ^ 0xA0761D6478BD642Fu, 0xE7037ED1A0B428DBu);
    index->mask = slots - 1;
    return index;
}

/* Returns the slot of `key`: its own, or the free one where it belongs. */
static struct slot *index_find(const struct json_object *object, struct str key, uint32_t hash) {
    struct json_index *index = object->index;

    for (uint32_t i = hash;; i++) {
        struct slot *slot = &index->slots[i & index->mask];
        if (slot->position == 0) return slot;
        if (slot->hash == hash && same_key(object->members[slot->position - 1].key, key))
            return slot;
    }
}

/* Adds the member at `position`; false if its key is there already. */
static bool index_add(struct json_object *object, uint32_t position) {
    struct str key = object->members[position].key;
    uint32_t hash = hash_key(object->index->seed, key);
    struct slot *slot = index_find(object, key, hash);

    if (slot->position) return false;
    *slot = (struct slot){ hash, position + 1 };
    return true;
}

uint32_t json_object_index(struct json_object *object) {
    if (object->used <= JSON_INDEX_MIN) return JSON_NONE;
    object->index = index_make(object);
    for (uint32_t i = 0; i < object->used; i++) {
        if (!index_add(object, i)) return i;
    }
    return JSON_NONE;
}

/* ---- rows ---- */

struct json_array *json_array_make(struct arena *arena, size_t capacity) {
    assert(capacity <= CAPACITY_LIMIT);
    struct json_array *array = arena_alloc(arena, sizeof(*array) + capacity * sizeof(struct json));

    array->arena = arena;
    array->used = 0;
    array->capacity = (uint32_t)capacity;
    return array;
}

struct json_object *json_object_make(struct arena *arena, size_t capacity) {
    assert(capacity <= CAPACITY_LIMIT);
    struct json_object *object =
            arena_alloc(arena, sizeof(*object) + capacity * sizeof(struct json_member));

    object->arena = arena;
    object->index = NULL;
    object->used = 0;
    object->capacity = (uint32_t)capacity;
    return object;
}

static struct json array_value(const struct json_array *array, uint32_t count) {
    return (struct json){ .type = JSON_ARRAY, .count = count, .array = array };
}

static struct json object_value(const struct json_object *object, uint32_t count) {
    return (struct json){ .type = JSON_OBJECT, .count = count, .object = object };
}

/* The row of `value` for writing behind its items, or NULL where that is not this value's right. */
static struct json_array *array_owned(struct json value, struct arena *arena) {
    struct json_array *array = (struct json_array *)(uintptr_t)value.array;

    if (!array || array->arena != arena) return NULL;
    return array->used == value.count && array->used < array->capacity ? array : NULL;
}

static struct json_object *object_owned(struct json value, struct arena *arena) {
    struct json_object *object = (struct json_object *)(uintptr_t)value.object;

    if (!object || object->arena != arena) return NULL;
    return object->used == value.count && object->used < object->capacity ? object : NULL;
}

static struct json_object *object_copy(struct json value, size_t capacity, struct arena *arena) {
    struct json_object *object = json_object_make(arena, capacity);

    if (value.count) {
        memcpy(object->members, value.object->members, value.count * sizeof(struct json_member));
    }
    object->used = value.count;
    uint32_t twice = json_object_index(object);
    assert(twice == JSON_NONE);
    return object;
}

/* Appends a member whose key is not there. */
static void object_push(struct json_object *object, struct str key, struct json value) {
    uint32_t position = object->used++;

    object->members[position] = (struct json_member){ key, value };
    if (object->index) {
        bool added = index_add(object, position);
        assert(added);
    } else if (object->used > JSON_INDEX_MIN) {
        uint32_t twice = json_object_index(object);
        assert(twice == JSON_NONE);
    }
}

static uint32_t object_find(struct json value, struct str key) {
    if (value.type != JSON_OBJECT || value.count == 0) return JSON_NONE;
    const struct json_object *object = value.object;

    if (value.count > JSON_INDEX_MIN) {
        const struct slot *slot = index_find(object, key, hash_key(object->index->seed, key));
        bool found = slot->position != 0 && slot->position <= value.count;
        return found ? slot->position - 1 : JSON_NONE;
    }
    for (uint32_t i = 0; i < value.count; i++) {
        if (same_key(object->members[i].key, key)) return i;
    }
    return JSON_NONE;
}

static size_t grown(uint32_t count) {
    return MAX((size_t)count * 2, (size_t)CAPACITY_MIN);
}

/* ---- looking ---- */

bool json_is_null(struct json value) {
    return value.type <= JSON_NULL;
}

bool json_is_absent(struct json value) {
    return value.type == JSON_ABSENT;
}

bool json_is_truthy(struct json value) {
    return value.type > JSON_FALSE;
}

enum json_type json_type(struct json value) {
    return (enum json_type)value.type;
}

const char *json_type_name(struct json value) {
    static const char *const names[] = {
        [JSON_ABSENT] = "null",
        [JSON_NULL] = "null",
        [JSON_FALSE] = "boolean",
        [JSON_TRUE] = "boolean",
        [JSON_NUMBER] = "number",
        [JSON_STRING] = "string",
        [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object",
    };

    return names[value.type];
}

struct str json_str(struct json value) {
    return json_str_or(value, STR(""));
}

struct str json_str_or(struct json value, struct str otherwise) {
    return value.type == JSON_STRING ? (struct str){ value.text, value.count } : otherwise;
}

int64_t json_int64_or(struct json value, int64_t otherwise) {
    int64_t number;

    return json_to_int64(value, &number) ? number : otherwise;
}

bool json_bool_or(struct json value, bool otherwise) {
    if (value.type == JSON_TRUE) return true;
    return value.type == JSON_FALSE ? false : otherwise;
}

size_t json_size(struct json value) {
    return json_is_container(value) ? value.count : 0;
}

struct json json_at(struct json array, size_t index) {
    if (array.type != JSON_ARRAY || index >= array.count) return (struct json){ 0 };
    return array.array->items[index];
}

struct json json_get(struct json object, struct str key) {
    uint32_t position = object_find(object, key);

    return position == JSON_NONE ? (struct json){ 0 } : object.object->members[position].value;
}

bool json_has(struct json object, struct str key) {
    return object_find(object, key) != JSON_NONE;
}

const struct json_member *json_member_at(struct json object, size_t index) {
    if (object.type != JSON_OBJECT || index >= object.count) return NULL;
    return &object.object->members[index];
}

const struct json_member *json_find(struct json object, struct str key) {
    uint32_t position = object_find(object, key);

    return position == JSON_NONE ? NULL : &object.object->members[position];
}

const struct json *json_items(struct json array) {
    return array.type == JSON_ARRAY && array.count ? array.array->items : NULL;
}

/* True if `token` is `key` with ~ and / escaped (RFC 6901, 3). */
static bool pointer_names(struct str token, struct str key) {
    size_t at = 0;

    for (size_t i = 0; i < token.size; i++, at++) {
        char c = token.data[i];
        if (c == '~') {
            if (++i == token.size) return false;
            if (token.data[i] != '0' && token.data[i] != '1') return false;
            c = token.data[i] == '0' ? '~' : '/';
        }
        if (at == key.size || key.data[at] != c) return false;
    }
    return at == key.size;
}

static struct json pointer_member(struct json object, struct str token) {
    if (str_find_char(token, '~') == token.size) return json_get(object, token);
    for (uint32_t i = 0; i < object.count; i++) {
        const struct json_member *member = &object.object->members[i];
        if (pointer_names(token, member->key)) return member->value;
    }
    return (struct json){ 0 };
}

static struct json pointer_item(struct json array, struct str token) {
    bool zero_first = token.size > 1 && token.data[0] == '0';
    uint64_t index = 0;

    if (token.size == 0 || token.size > 10 || zero_first) return (struct json){ 0 };
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] < '0' || token.data[i] > '9') return (struct json){ 0 };
        index = index * 10 + (uint64_t)(token.data[i] - '0');
    }
    return json_at(array, index);
}

struct json json_pointer_get(struct json value, struct str pointer) {
    if (pointer.size == 0) return value;
    if (pointer.data[0] != '/') return (struct json){ 0 };
    struct str rest = str_slice(pointer, 1, pointer.size);
    while (rest.data) {
        struct str token = str_cut(&rest, '/');
        if (value.type == JSON_OBJECT) {
            value = pointer_member(value, token);
        } else {
            value = pointer_item(value, token); /* absent unless an array */
        }
    }
    return value;
}

/* ---- building ---- */

struct json json_null(void) {
    return (struct json){ .type = JSON_NULL };
}

struct json json_bool(bool value) {
    return (struct json){ .type = value ? JSON_TRUE : JSON_FALSE };
}

struct json json_number(double value) {
    if (isnan(value)) return json_null();
    if (value > DBL_MAX) value = DBL_MAX;
    if (value < -DBL_MAX) value = -DBL_MAX;
    return (struct json){ .type = JSON_NUMBER, .number = value };
}

struct json json_int64(int64_t value, struct arena *arena) {
    if (value >= -exact_max && value <= exact_max) return json_number((double)value);
    struct str literal = str_format(arena, "%lld", (long long)value);
    return (struct json){
        .type = JSON_NUMBER, .count = (uint32_t)literal.size, .text = literal.data
    };
}

struct json json_string(struct str borrowed) {
    assert(borrowed.size <= UINT32_MAX);
    return (struct json){
        .type = JSON_STRING,
        .count = (uint32_t)borrowed.size,
        .text = borrowed.data ? borrowed.data : "",
    };
}

struct json json_string_copy(struct str text, struct arena *arena) {
    return json_string(str_copy(text, arena));
}

struct json json_number_literal(struct str borrowed) {
    assert(borrowed.size > 0 && borrowed.size <= UINT32_MAX);
    return json_number_from(borrowed.data, borrowed.size);
}

struct json json_string_format(struct arena *arena, const char *format, ...) {
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    char *text = arena_alloc(arena, (size_t)size + 1);
    (void)vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return json_string((struct str){ text, (size_t)size });
}

struct json json_array(struct arena *arena, size_t capacity) {
    return array_value(capacity ? json_array_make(arena, capacity) : NULL, 0);
}

struct json json_append(struct json array, struct json item, struct arena *arena) {
    assert(array.type == JSON_ARRAY || json_is_null(array));
    if (array.type != JSON_ARRAY) array = json_array(arena, 0);
    if (json_is_absent(item)) item = json_null();
    struct json_array *row = array_owned(array, arena);
    if (!row) {
        row = json_array_make(arena, grown(array.count));
        const struct json_array *old = array.array;
        if (old) memcpy(row->items, old->items, array.count * sizeof(struct json));
    }
    row->items[array.count] = item;
    row->used = array.count + 1;
    return array_value(row, row->used);
}

struct json json_array_from(const struct json *items, size_t count, struct arena *arena) {
    if (count == 0) return json_array(arena, 0);
    struct json_array *row = json_array_make(arena, count);

    memcpy(row->items, items, count * sizeof(struct json));
    row->used = (uint32_t)count;
    return array_value(row, row->used);
}

struct json json_object(struct arena *arena, size_t capacity) {
    return object_value(capacity ? json_object_make(arena, capacity) : NULL, 0);
}

struct json json_set(struct json object, struct str key, struct json value, struct arena *arena) {
    assert(object.type == JSON_OBJECT || json_is_null(object));
    if (object.type != JSON_OBJECT) object = json_object(arena, 0);
    if (json_is_absent(value)) return object;
    if (!key.data) key = STR("");
    uint32_t position = object_find(object, key);
    if (position != JSON_NONE) {
        struct json_object *copy = object_copy(object, object.count, arena);
        copy->members[position].value = value;
        return object_value(copy, object.count);
    }
    struct json_object *row = object_owned(object, arena);
    if (!row) row = object_copy(object, grown(object.count), arena);
    object_push(row, key, value);
    return object_value(row, row->used);
}

struct json json_remove(struct json object, struct str key, struct arena *arena) {
    uint32_t position = object_find(object, key);

    if (position == JSON_NONE) return object;
    if (object.count == 1) return json_object(arena, 0);
    struct json_object *row = json_object_make(arena, object.count - 1);
    const struct json_member *members = object.object->members;
    memcpy(row->members, members, position * sizeof(*members));
    memcpy(row->members + position, members + position + 1,
            (object.count - 1 - position) * sizeof(*members));
    row->used = object.count - 1;
    uint32_t twice = json_object_index(row);
    assert(twice == JSON_NONE);
    return object_value(row, row->used);
}

struct json json_merge(struct json a, struct json b, struct arena *arena) {
    if (json_size(b) == 0) return json_is_null(a) ? json_object(arena, 0) : a;
    if (json_size(a) == 0) return b;
    assert(a.type == JSON_OBJECT && b.type == JSON_OBJECT);
    struct json_object *row = object_copy(a, (size_t)a.count + b.count, arena);
    for (uint32_t i = 0; i < b.count; i++) {
        const struct json_member *member = &b.object->members[i];
        uint32_t position = object_find(a, member->key);
        if (position == JSON_NONE) {
            object_push(row, member->key, member->value);
        } else {
            row->members[position].value = member->value;
        }
    }
    return object_value(row, row->used);
}

#include "store/store_internal.h"

#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

/* Where the fields of each collection begin: COLLECTION notes the number of fields so far in
 * FIRST_…, FIELD counts one on. The names of the fields' own enumerators are those of their
 * lines and of no use. */
#define JOIN(a, b)              a##b
#define LINE_NAME(prefix, line) JOIN(prefix, line)

enum field_number {
#define COLLECTION(code, name)        FIRST_##code, BEFORE_##code = FIRST_##code - 1,
#define FIELD(collection, name, kind) LINE_NAME(FIELD_LINE_, __LINE__),
#define INDEX(collection, ...)
#include "store/collections.def"
#undef COLLECTION
#undef FIELD
#undef INDEX
    FIELD_COUNT,
};

enum index_number {
#define COLLECTION(code, name) FIRST_INDEX_##code, BEFORE_INDEX_##code = FIRST_INDEX_##code - 1,
#define FIELD(collection, name, kind)
#define INDEX(collection, ...) LINE_NAME(INDEX_LINE_, __LINE__),
#include "store/collections.def"
#undef COLLECTION
#undef FIELD
#undef INDEX
    INDEX_COUNT,
};

static const struct field fields[] = {
#define COLLECTION(code, name)
#define FIELD(collection, name, kind) { name, FIELD_KIND_##kind },
#define INDEX(collection, ...)
#include "store/collections.def"
#undef COLLECTION
#undef FIELD
#undef INDEX
};
_Static_assert(ARRAY_SIZE(fields) == FIELD_COUNT, "every field is counted");

static const struct index indexes[] = {
#define COLLECTION(code, name)
#define FIELD(collection, name, kind)
#define INDEX(collection, ...) { { __VA_ARGS__ } },
#include "store/collections.def"
#undef COLLECTION
#undef FIELD
#undef INDEX
};
_Static_assert(ARRAY_SIZE(indexes) == INDEX_COUNT, "every index is counted");

static const struct {
    const char *name;
    int first_field, first_index;
} collections[] = {
#define COLLECTION(code, name) { name, FIRST_##code, FIRST_INDEX_##code },
#define FIELD(collection, name, kind)
#define INDEX(collection, ...)
#include "store/collections.def"
#undef COLLECTION
#undef FIELD
#undef INDEX
    { NULL, FIELD_COUNT, INDEX_COUNT },
};
_Static_assert(ARRAY_SIZE(collections) == COLLECTION_COUNT + 1, "and the end behind them");

struct schema schema_of(enum collection collection) {
    assert((unsigned)collection < COLLECTION_COUNT);
    int field = collections[collection].first_field;
    int index = collections[collection].first_index;
    struct schema schema = {
        .name = collections[collection].name,
        .fields = fields + field,
        .field_count = collections[collection + 1].first_field - field,
        .indexes = indexes + index,
        .index_count = (size_t)(collections[collection + 1].first_index - index),
    };
    assert(schema.field_count <= STORE_FIELDS_MAX);
    return schema;
}

int schema_field(const struct schema *schema, const char *name) {
    int field = 0;

    if (strcmp(name, "_id") == 0) return STORE_FIELD_ID;
    while (field < schema->field_count && strcmp(schema->fields[field].name, name) != 0)
        field++;
    assert(field < schema->field_count);
    return field;
}

static bool is_of_kind(struct json value, enum field_kind kind) {
    int64_t number;

    switch (kind) {
    case FIELD_KIND_STRING: return json_type(value) == JSON_STRING;
    case FIELD_KIND_INT: return json_to_int64(value, &number);
    case FIELD_KIND_STRINGS:
        if (json_type(value) != JSON_ARRAY) return false;
        for (size_t i = 0; i < json_size(value); i++) {
            if (json_type(json_at(value, i)) != JSON_STRING) return false;
        }
        return true;
    }
    return false;
}

void fields_split(
        const struct schema *schema, struct json object, struct json ret_values[STORE_FIELDS_MAX]) {
    size_t found = 0;

    for (int i = 0; i < schema->field_count; i++) {
        struct str name = str_from(schema->fields[i].name);
        struct json value = json_get(object, name);
        found += json_has(object, name);
        if (json_is_null(value)) value = (struct json){ 0 };
        assert(json_is_absent(value) || is_of_kind(value, schema->fields[i].kind));
        ret_values[i] = value;
    }
    assert(found == json_size(object)); /* else a name is not declared */
}

struct json fields_join(const struct schema *schema, const struct json values[STORE_FIELDS_MAX],
        struct arena *arena) {
    struct json object = json_object(arena, (size_t)schema->field_count);

    for (int i = 0; i < schema->field_count; i++) {
        if (json_is_absent(values[i])) continue;
        object = json_set(object, str_from(schema->fields[i].name), values[i], arena);
    }
    return object;
}

void record_build(const struct schema *schema, const struct record *borrowed,
        const struct json values[STORE_FIELDS_MAX], struct arena *arena, struct record *ret) {
    ret->id = str_copy(borrowed->id, arena);
    ret->version = borrowed->version;
    ret->fields = fields_join(schema, values, arena);
    ret->body = str_copy(borrowed->body, arena);
}

size_t find_segments(const struct find *find, enum segment ret_segments[2]) {
    bool has_value = !json_is_null(find->after_value);
    size_t count = 0;

    if (!find->has_after) {
        ret_segments[count++] = SEGMENT_ALL;
    } else if (find->sort == STORE_FIELD_ID) {
        ret_segments[count++] = SEGMENT_BEHIND_ID;
    } else if (has_value) {
        ret_segments[count++] = SEGMENT_BEHIND_KEY;
        if (find->descending) ret_segments[count++] = SEGMENT_NULLS;
    } else {
        ret_segments[count++] = SEGMENT_BEHIND_NULL;
        if (!find->descending) ret_segments[count++] = SEGMENT_VALUES;
    }
    return count;
}

static size_t fields_size(struct json object) {
    size_t size = 0;

    for (size_t i = 0; i < json_size(object); i++) {
        const struct json_member *member = json_member_at(object, i);
        size += member->key.size + json_str(member->value).size;
        for (size_t j = 0; json_type(member->value) == JSON_ARRAY && j < json_size(member->value);
                j++) {
            size += json_str(json_at(member->value, j)).size;
        }
    }
    return size;
}

size_t record_size(const struct record *record) {
    return record->id.size + fields_size(record->fields) + record->body.size;
}

#include "store/store_mongo_internal.h"

#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

/* libbson answers false only where a document would pass 2 GB; records have passed a limit far
 * below. */
static void must(bool appended) {
    assert(appended);
}

void append_str(bson_t *document, const char *key, struct str value) {
    must(bson_append_utf8(document, key, -1, value.data ? value.data : "", (int)value.size));
}

/* ---- records ---- */

static void append_value(bson_t *document, const char *key, struct json value) {
    switch (json_type(value)) {
    case JSON_STRING: append_str(document, key, json_str(value)); return;
    case JSON_NUMBER: must(bson_append_int64(document, key, -1, json_int64_or(value, 0))); return;
    case JSON_ABSENT:
    case JSON_NULL: must(bson_append_null(document, key, -1)); return;
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    assert(false); /* fields and conditions have been checked */
}

static void append_array(bson_t *document, const char *key, struct json values) {
    char text[16];
    const char *place;
    bson_t array;

    must(bson_append_array_begin(document, key, -1, &array));
    for (uint32_t i = 0; i < json_size(values); i++) {
        bson_uint32_to_string(i, &place, text, sizeof(text));
        append_value(&array, place, json_at(values, i));
    }
    must(bson_append_array_end(document, &array));
}

void document_encode(const struct schema *schema, const struct record *record, bson_t *document) {
    struct json values[STORE_FIELDS_MAX];

    fields_split(schema, record->fields, values);
    append_str(document, "_id", record->id);
    must(bson_append_int64(document, "version", -1, record->version));
    for (int i = 0; i < schema->field_count; i++) {
        if (json_is_absent(values[i])) continue;
        if (schema->fields[i].kind == FIELD_KIND_STRINGS)
            append_array(document, schema->fields[i].name, values[i]);
        else
            append_value(document, schema->fields[i].name, values[i]);
    }
    must(bson_append_binary(document, "body", -1, BSON_SUBTYPE_BINARY,
            (const uint8_t *)record->body.data, (uint32_t)record->body.size));
}

static struct str text_of(const bson_iter_t *at) {
    uint32_t size = 0;
    const char *data = BSON_ITER_HOLDS_UTF8(at) ? bson_iter_utf8(at, &size) : "";

    return (struct str){ data, size };
}

static struct json array_of(const bson_iter_t *at, struct arena *arena) {
    struct json array = json_array(arena, 4);
    bson_iter_t item;

    if (!BSON_ITER_HOLDS_ARRAY(at) || !bson_iter_recurse(at, &item)) return (struct json){ 0 };
    while (bson_iter_next(&item))
        array = json_append(array, json_string_copy(text_of(&item), arena), arena);
    return array;
}

static struct json value_of(const bson_iter_t *at, enum field_kind kind, struct arena *arena) {
    switch (kind) {
    case FIELD_KIND_STRING: return json_string_copy(text_of(at), arena);
    case FIELD_KIND_INT: return json_int64(bson_iter_as_int64(at), arena);
    case FIELD_KIND_STRINGS: return array_of(at, arena);
    }
    return (struct json){ 0 };
}

static struct str binary_of(const bson_iter_t *at) {
    bson_subtype_t subtype;
    const uint8_t *data = NULL;
    uint32_t size = 0;

    if (BSON_ITER_HOLDS_BINARY(at)) bson_iter_binary(at, &subtype, &size, &data);
    return (struct str){ (const char *)data, size };
}

void document_decode(const struct schema *schema, const bson_t *document, struct arena *arena,
        struct record *ret) {
    struct json values[STORE_FIELDS_MAX] = { 0 };
    struct record borrowed = { 0 };
    bson_iter_t at;

    must(bson_iter_init(&at, document));
    while (bson_iter_next(&at)) {
        const char *key = bson_iter_key(&at);
        int field = 0;
        if (strcmp(key, "_id") == 0)
            borrowed.id = text_of(&at);
        else if (strcmp(key, "version") == 0)
            borrowed.version = bson_iter_as_int64(&at);
        else if (strcmp(key, "body") == 0)
            borrowed.body = binary_of(&at);
        else {
            while (field < schema->field_count && strcmp(schema->fields[field].name, key) != 0)
                field++;
            if (field < schema->field_count)
                values[field] = value_of(&at, schema->fields[field].kind, arena);
        }
    }
    record_build(schema, &borrowed, values, arena, ret);
}

/* ---- filters ---- */

void append_ids(bson_t *filter, const struct id_list *list) {
    char text[16];
    const char *place;
    bson_t condition, array;

    must(bson_append_document_begin(filter, "_id", -1, &condition));
    must(bson_append_array_begin(&condition, "$in", -1, &array));
    for (size_t i = 0; i < list->count; i++) {
        bson_uint32_to_string((uint32_t)i, &place, text, sizeof(text));
        append_str(&array, place, list->ids[i]);
    }
    must(bson_append_array_end(&condition, &array));
    must(bson_append_document_end(filter, &condition));
}

static const char *operator_of(enum operator operator) {
    switch (operator) {
    case OP_EQUAL: return "$eq";
    case OP_IN: return "$in";
    case OP_LESS: return "$lt";
    case OP_LESS_EQUAL: return "$lte";
    case OP_GREATER: return "$gt";
    case OP_GREATER_EQUAL: return "$gte";
    }
    return "";
}

/* The members of an $and or $or, each a document of its own: two conditions on one field would
 * else collide. */
struct terms {
    bson_t array;
    uint32_t count;
};

/* Appends {field: {operator: value}}. */
static void append_term(
        struct terms *terms, const char *field, const char *operator, struct json value) {
    char text[16];
    const char *place;
    bson_t term, condition;

    bson_uint32_to_string(terms->count++, &place, text, sizeof(text));
    must(bson_append_document_begin(&terms->array, place, -1, &term));
    must(bson_append_document_begin(&term, field, -1, &condition));
    if (json_type(value) == JSON_ARRAY)
        append_array(&condition, operator, value);
    else
        append_value(&condition, operator, value);
    must(bson_append_document_end(&term, &condition));
    must(bson_append_document_end(&terms->array, &term));
}

/* Behind (value, id) is: value or more, and either more or a later id. Said so, the first part
 * alone gives the bounds in the index; an $or of both cases would give two scans and a merge. */
static void append_behind_key(struct terms *terms, const struct find *find, const char *field) {
    struct terms cases = { .count = 0 };
    char text[16];
    const char *place;
    bson_t term;
    const char *behind = find->descending ? "$lt" : "$gt";

    append_term(terms, field, find->descending ? "$lte" : "$gte", find->after_value);
    bson_uint32_to_string(terms->count++, &place, text, sizeof(text));
    must(bson_append_document_begin(&terms->array, place, -1, &term));
    must(bson_append_array_begin(&term, "$or", -1, &cases.array));
    append_term(&cases, field, behind, find->after_value);
    append_term(&cases, "_id", behind, json_string(find->after_id));
    must(bson_append_array_end(&term, &cases.array));
    must(bson_append_document_end(&terms->array, &term));
}

static void append_segment(
        struct terms *terms, const struct find *find, enum segment segment, const char *field) {
    const char *behind = find->descending ? "$lt" : "$gt";

    switch (segment) {
    case SEGMENT_ALL: break;
    case SEGMENT_BEHIND_ID: append_term(terms, "_id", behind, json_string(find->after_id)); break;
    case SEGMENT_BEHIND_KEY: append_behind_key(terms, find, field); break;
    case SEGMENT_BEHIND_NULL:
        append_term(terms, field, "$eq", json_null()); /* also: not there */
        append_term(terms, "_id", behind, json_string(find->after_id));
        break;
    case SEGMENT_NULLS: append_term(terms, field, "$eq", json_null()); break;
    case SEGMENT_VALUES: append_term(terms, field, "$ne", json_null()); break;
    }
}

static const char *name_of(const struct schema *schema, int field) {
    return field == STORE_FIELD_ID ? "_id" : schema->fields[field].name;
}

void append_find(bson_t *filter, const struct find *find, enum segment segment) {
    struct schema schema = schema_of(find->collection);
    struct terms terms = { .count = 0 };

    if (find->condition_count == 0 && segment == SEGMENT_ALL) return; /* $and must not be empty */
    must(bson_append_array_begin(filter, "$and", -1, &terms.array));
    for (size_t i = 0; i < find->condition_count; i++) {
        const struct find_condition *condition = &find->conditions[i];
        append_term(&terms, name_of(&schema, condition->field), operator_of(condition->operator),
                condition->value);
    }
    append_segment(&terms, find, segment, name_of(&schema, find->sort));
    must(bson_append_array_end(filter, &terms.array));
}

void append_sort(bson_t *sort, const struct find *find) {
    struct schema schema = schema_of(find->collection);
    int direction = find->descending ? -1 : 1;

    if (find->sort != STORE_FIELD_ID)
        must(bson_append_int32(sort, name_of(&schema, find->sort), -1, direction));
    must(bson_append_int32(sort, "_id", -1, direction));
}

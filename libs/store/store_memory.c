#include "store/store_internal.h"

/* Records in rows sorted by id: a lookup is a binary search, an insert moves pointers, a find
 * walks the row. For tests and the simulator: the same calls give the same answers, and nothing
 * here starts a thread, sleeps or looks at the time by itself. */

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "system/queue.h"

struct value {
    bool is_set;
    uint32_t text_count;     /* STRINGS */
    int64_t number;          /* INT */
    struct str text;         /* STRING */
    const struct str *texts; /* STRINGS */
};

/* One block of memory with all it points to behind it. */
struct entry {
    int64_t version;
    struct str id;
    struct str body;
    struct value values[]; /* of the schema's fields */
};

struct row {
    struct entry **entries;
    size_t count, capacity;
};

struct memory {
    struct lock *lock; /* tests use the store from several threads */
    struct clock clock;
    struct row rows[COLLECTION_COUNT];
};

/* ---- entries ---- */

static size_t text_size(struct json value, enum field_kind kind) {
    size_t size = 0;

    switch (kind) {
    case FIELD_KIND_STRING: return json_str(value).size;
    case FIELD_KIND_INT: return 0;
    case FIELD_KIND_STRINGS:
        for (size_t i = 0; i < json_size(value); i++)
            size += json_str(json_at(value, i)).size;
        return size;
    }
    return 0;
}

static struct str take_text(char **bytes, struct str text) {
    struct str copy = { *bytes, text.size };

    if (text.size > 0) memcpy(*bytes, text.data, text.size);
    *bytes += text.size;
    return copy;
}

static struct value take_value(
        struct json json, enum field_kind kind, struct str **texts, char **bytes) {
    struct value value = { .is_set = true };

    switch (kind) {
    case FIELD_KIND_STRING: value.text = take_text(bytes, json_str(json)); break;
    case FIELD_KIND_INT: value.number = json_int64_or(json, 0); break;
    case FIELD_KIND_STRINGS:
        value.texts = *texts;
        value.text_count = (uint32_t)json_size(json);
        for (uint32_t i = 0; i < value.text_count; i++)
            (*texts)[i] = take_text(bytes, json_str(json_at(json, i)));
        *texts += value.text_count;
        break;
    }
    return value;
}

static struct entry *entry_new(const struct schema *schema, const struct record *record) {
    struct json values[STORE_FIELDS_MAX];
    size_t text_count = 0, size = record->id.size + record->body.size;

    fields_split(schema, record->fields, values);
    for (int i = 0; i < schema->field_count; i++) {
        enum field_kind kind = schema->fields[i].kind;
        if (kind == FIELD_KIND_STRINGS) text_count += json_size(values[i]);
        size += text_size(values[i], kind);
    }
    size_t values_size = (size_t)schema->field_count * sizeof(struct value);
    struct entry *entry =
            calloc(1, sizeof(*entry) + values_size + text_count * sizeof(struct str) + size);
    assert(entry);
    struct str *texts = (struct str *)(void *)(entry->values + schema->field_count);
    char *bytes = (char *)(texts + text_count);
    entry->version = record->version;
    entry->id = take_text(&bytes, record->id);
    entry->body = take_text(&bytes, record->body);
    for (int i = 0; i < schema->field_count; i++) {
        if (json_is_absent(values[i])) continue;
        entry->values[i] = take_value(values[i], schema->fields[i].kind, &texts, &bytes);
    }
    return entry;
}

static struct json value_to_json(
        const struct value *value, enum field_kind kind, struct arena *arena) {
    struct json array;

    if (!value->is_set) return (struct json){ 0 };
    switch (kind) {
    case FIELD_KIND_STRING: return json_string_copy(value->text, arena);
    case FIELD_KIND_INT: return json_int64(value->number, arena);
    case FIELD_KIND_STRINGS:
        array = json_array(arena, value->text_count);
        for (uint32_t i = 0; i < value->text_count; i++) {
            array = json_append(array, json_string_copy(value->texts[i], arena), arena);
        }
        return array;
    }
    return (struct json){ 0 };
}

static void entry_read(const struct schema *schema, const struct entry *entry, bool without_body,
        struct arena *arena, struct record *ret) {
    struct json values[STORE_FIELDS_MAX];
    struct record borrowed = { .id = entry->id, .version = entry->version };

    for (int i = 0; i < schema->field_count; i++) {
        values[i] = value_to_json(&entry->values[i], schema->fields[i].kind, arena);
    }
    if (!without_body) borrowed.body = entry->body;
    record_build(schema, &borrowed, values, arena, ret);
}

/* ---- rows ---- */

/* The first place whose id is not before `id`. */
static size_t row_place(const struct row *row, struct str id) {
    size_t from = 0, to = row->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (str_compare(row->entries[middle]->id, id) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static struct entry *row_at(const struct row *row, size_t place, struct str id) {
    bool is_there = place < row->count && str_equal(row->entries[place]->id, id);

    return is_there ? row->entries[place] : NULL;
}

static void row_insert(struct row *row, size_t place, struct entry *entry) {
    if (row->count == row->capacity) {
        row->capacity = MAX(row->capacity * 2, (size_t)16);
        row->entries = realloc(row->entries, row->capacity * sizeof(struct entry *));
        assert(row->entries);
    }
    memmove(row->entries + place + 1, row->entries + place,
            (row->count - place) * sizeof(struct entry *));
    row->entries[place] = entry;
    row->count++;
}

static void row_remove(struct row *row, size_t place) {
    free(row->entries[place]);
    row->count--;
    memmove(row->entries + place, row->entries + place + 1,
            (row->count - place) * sizeof(struct entry *));
}

static void row_replace(struct row *row, size_t place, struct entry *entry) {
    free(row->entries[place]);
    row->entries[place] = entry;
}

/* ---- by id ---- */

static bool memory_get_many(void *state, const struct id_list *list, struct arena *arena,
        const struct record **ret_records, struct err *err) {
    struct memory *memory = state;
    struct schema schema = schema_of(list->collection);
    const struct row *row = &memory->rows[list->collection];

    (void)err;
    lock_acquire(memory->lock);
    for (size_t i = 0; i < list->count; i++) {
        const struct entry *entry = row_at(row, row_place(row, list->ids[i]), list->ids[i]);
        struct record *record = entry ? arena_new_one(arena, struct record) : NULL;
        if (entry) entry_read(&schema, entry, false, arena, record);
        ret_records[i] = record;
    }
    lock_release(memory->lock);
    return true;
}

static bool memory_insert_many(
        void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    struct memory *memory = state;
    struct schema schema = schema_of(batch->collection);
    struct row *row = &memory->rows[batch->collection];

    (void)err;
    lock_acquire(memory->lock);
    for (size_t i = 0; i < batch->count; i++) {
        size_t place = row_place(row, batch->records[i].id);
        bool taken = row_at(row, place, batch->records[i].id);
        if (!taken) row_insert(row, place, entry_new(&schema, &batch->records[i]));
        ret_verdicts[i] = taken ? VERDICT_EXISTS : VERDICT_DONE;
    }
    lock_release(memory->lock);
    return true;
}

static bool memory_put_many(
        void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    struct memory *memory = state;
    struct schema schema = schema_of(batch->collection);
    struct row *row = &memory->rows[batch->collection];

    (void)err;
    lock_acquire(memory->lock);
    for (size_t i = 0; i < batch->count; i++) {
        const struct record *record = &batch->records[i];
        size_t place = row_place(row, record->id);
        const struct entry *there = row_at(row, place, record->id);
        bool newer = there && there->version >= record->version;
        if (!there)
            row_insert(row, place, entry_new(&schema, record));
        else if (!newer)
            row_replace(row, place, entry_new(&schema, record));
        ret_verdicts[i] = newer ? VERDICT_EXISTS : VERDICT_DONE;
    }
    lock_release(memory->lock);
    return true;
}

static bool memory_compare_and_set(
        void *state, const struct batch *one, int64_t expected, bool *ret_won, struct err *err) {
    struct memory *memory = state;
    struct schema schema = schema_of(one->collection);
    struct row *row = &memory->rows[one->collection];

    (void)err;
    lock_acquire(memory->lock);
    size_t place = row_place(row, one->records->id);
    const struct entry *there = row_at(row, place, one->records->id);
    bool won = expected == 0 ? !there : there && there->version == expected;
    if (won && there)
        row_replace(row, place, entry_new(&schema, one->records));
    else if (won)
        row_insert(row, place, entry_new(&schema, one->records));
    lock_release(memory->lock);
    *ret_won = won;
    return true;
}

static bool memory_delete_many(void *state, const struct id_list *list, struct err *err) {
    struct memory *memory = state;
    struct row *row = &memory->rows[list->collection];

    (void)err;
    lock_acquire(memory->lock);
    for (size_t i = 0; i < list->count; i++) {
        size_t place = row_place(row, list->ids[i]);
        if (row_at(row, place, list->ids[i])) row_remove(row, place);
    }
    lock_release(memory->lock);
    return true;
}

/* ---- finding ---- */

static bool holds(int order, enum operator operator) {
    switch (operator) {
    case OP_EQUAL:
    case OP_IN: return order == 0;
    case OP_LESS: return order < 0;
    case OP_LESS_EQUAL: return order <= 0;
    case OP_GREATER: return order > 0;
    case OP_GREATER_EQUAL: return order >= 0;
    }
    return false;
}

static bool text_holds(struct str text, const struct find_condition *condition) {
    if (condition->operator!= OP_IN) {
        return holds(str_compare(text, json_str(condition->value)), condition->operator);
    }
    for (size_t i = 0; i < json_size(condition->value); i++) {
        if (str_equal(text, json_str(json_at(condition->value, i)))) return true;
    }
    return false;
}

static int compare_numbers(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static bool number_holds(int64_t number, const struct find_condition *condition) {
    if (condition->operator!= OP_IN) {
        return holds(
                compare_numbers(number, json_int64_or(condition->value, 0)), condition->operator);
    }
    for (size_t i = 0; i < json_size(condition->value); i++) {
        if (number == json_int64_or(json_at(condition->value, i), 0)) return true;
    }
    return false;
}

static bool condition_holds(const struct schema *schema, const struct entry *entry,
        const struct find_condition *condition) {
    if (condition->field == STORE_FIELD_ID) return text_holds(entry->id, condition);
    const struct value *value = &entry->values[condition->field];
    if (!value->is_set) return false;
    switch (schema->fields[condition->field].kind) {
    case FIELD_KIND_STRING: return text_holds(value->text, condition);
    case FIELD_KIND_INT: return number_holds(value->number, condition);
    case FIELD_KIND_STRINGS:
        for (uint32_t i = 0; i < value->text_count; i++) {
            if (text_holds(value->texts[i], condition)) return true;
        }
        return false;
    }
    return false;
}

/* What a page is sorted by. */
struct sort {
    int field;
    enum field_kind kind;
    bool descending;
};

static int compare_keys(const struct sort *sort, const struct value *a, struct str a_id,
        const struct value *b, struct str b_id) {
    int order = 0;

    if (sort->field != STORE_FIELD_ID) {
        order = (int)a->is_set - (int)b->is_set;
        if (order == 0 && a->is_set) {
            order = sort->kind == FIELD_KIND_INT ? compare_numbers(a->number, b->number)
                                                 : str_compare(a->text, b->text);
        }
    }
    if (order == 0) order = str_compare(a_id, b_id);
    return sort->descending ? -order : order;
}

static const struct value *sort_value(const struct sort *sort, const struct entry *entry) {
    return sort->field == STORE_FIELD_ID ? NULL : &entry->values[sort->field];
}

static int compare_entries(const void *a, const void *b, void *user) {
    const struct sort *sort = user;
    const struct entry *left = *(const struct entry *const *)a,
                       *right = *(const struct entry *const *)b;

    return compare_keys(sort, sort_value(sort, left), left->id, sort_value(sort, right), right->id);
}

static bool is_behind(const struct sort *sort, const struct find *find, const struct entry *entry) {
    struct value after = { .is_set = !json_is_null(find->after_value) };

    if (!find->has_after) return true;
    after.number = json_int64_or(find->after_value, 0);
    after.text = json_str(find->after_value);
    return compare_keys(sort, sort_value(sort, entry), entry->id, &after, find->after_id) > 0;
}

/* The part of the row that conditions on the id leave: prefixes of the journal are asked for
 * often. */
static void narrow(
        const struct row *row, const struct find *find, size_t *ret_from, size_t *ret_to) {
    *ret_from = 0;
    *ret_to = row->count;
    for (size_t i = 0; i < find->condition_count; i++) {
        const struct find_condition *condition = &find->conditions[i];
        if (condition->field != STORE_FIELD_ID || condition->operator== OP_IN) continue;
        size_t place = row_place(row, json_str(condition->value));
        size_t behind = place + (row_at(row, place, json_str(condition->value)) != NULL);
        switch (condition->operator) {
        case OP_EQUAL:
            *ret_from = MAX(*ret_from, place);
            *ret_to = MIN(*ret_to, behind);
            break;
        case OP_LESS: *ret_to = MIN(*ret_to, place); break;
        case OP_LESS_EQUAL: *ret_to = MIN(*ret_to, behind); break;
        case OP_GREATER: *ret_from = MAX(*ret_from, behind); break;
        case OP_GREATER_EQUAL: *ret_from = MAX(*ret_from, place); break;
        case OP_IN: break;
        }
    }
}

/* Returns entries in order of id; the caller frees the row. */
static size_t select_entries(struct memory *memory, const struct find *find,
        const struct sort *sort, const struct entry ***ret_selected) {
    struct schema schema = schema_of(find->collection);
    const struct row *row = &memory->rows[find->collection];
    size_t from, to, count = 0;

    narrow(row, find, &from, &to);
    const struct entry **selected = calloc(from < to ? to - from : 1, sizeof(*selected));
    assert(selected);
    for (size_t i = from; i < to; i++) {
        const struct entry *entry = row->entries[i];
        bool all = is_behind(sort, find, entry);
        for (size_t j = 0; all && j < find->condition_count; j++) {
            all = condition_holds(&schema, entry, &find->conditions[j]);
        }
        if (all) selected[count++] = entry;
    }
    *ret_selected = selected;
    return count;
}

static struct sort sort_of(const struct find *find) {
    struct schema schema = schema_of(find->collection);
    struct sort sort = { find->sort, FIELD_KIND_STRING, find->descending };

    if (find->sort != STORE_FIELD_ID) sort.kind = schema.fields[find->sort].kind;
    return sort;
}

static bool memory_find(void *state, const struct find *find, struct arena *arena,
        struct found *ret, struct err *err) {
    struct memory *memory = state;
    struct schema schema = schema_of(find->collection);
    struct sort sort = sort_of(find);
    const struct entry **selected;

    (void)err;
    lock_acquire(memory->lock);
    size_t count = select_entries(memory, find, &sort, &selected);
    qsort_r(selected, count, sizeof(*selected), compare_entries, &sort);
    ret->count = MIN(count, (size_t)find->limit);
    ret->records = arena_new_many(arena, struct record, ret->count);
    for (size_t i = 0; i < ret->count; i++) {
        entry_read(&schema, selected[i], find->without_body, arena, &ret->records[i]);
    }
    lock_release(memory->lock);
    free(selected);
    return true;
}

static bool memory_count(
        void *state, const struct find *find, int64_t *ret_count, struct err *err) {
    struct memory *memory = state;
    struct sort sort = sort_of(find);
    const struct entry **selected;

    (void)err;
    lock_acquire(memory->lock);
    *ret_count = (int64_t)select_entries(memory, find, &sort, &selected);
    lock_release(memory->lock);
    free(selected);
    return true;
}

/* ---- the rest ---- */

static bool memory_ping(void *state, int64_t timeout_ms, struct err *err) {
    (void)state, (void)timeout_ms, (void)err;
    return true;
}

static bool memory_now(void *state, int64_t *ret_ms, struct err *err) {
    const struct memory *memory = state;

    (void)err;
    *ret_ms = clock_now_ms(&memory->clock);
    return true;
}

static void memory_close(void *state) {
    struct memory *memory = state;

    lock_acquire(memory->lock); /* waits for a call that is under way */
    lock_release(memory->lock);
    for (size_t i = 0; i < COLLECTION_COUNT; i++) {
        struct row *row = &memory->rows[i];
        for (size_t j = 0; j < row->count; j++)
            free(row->entries[j]);
        free(row->entries);
    }
    lock_free(memory->lock);
    free(memory);
}

static const struct store_backend memory_backend = {
    .ping = memory_ping,
    .now = memory_now,
    .get_many = memory_get_many,
    .insert_many = memory_insert_many,
    .put_many = memory_put_many,
    .compare_and_set = memory_compare_and_set,
    .delete_many = memory_delete_many,
    .find = memory_find,
    .count = memory_count,
    .close = memory_close,
};

struct store *store_memory_new(struct clock clock) {
    struct memory *memory = calloc(1, sizeof(*memory));

    assert(memory);
    memory->lock = lock_new();
    memory->clock = clock;
    return store_new(&memory_backend, memory);
}

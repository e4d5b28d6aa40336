#include "store/store.h"

#include <stdlib.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "common/limits.h"
#include "store/store_internal.h"

enum { CURSOR_SIZE_MAX = 64 * 1024 };

/* ---- opening ---- */

struct store *store_new(const struct store_backend *backend, void *state) {
    struct store *store = calloc(1, sizeof(*store));

    assert(store);
    store->backend = backend;
    store->state = state;
    return store;
}

bool store_open(const char *url, int64_t timeout_ms, struct store **ret, struct err *err) {
    struct str rest = str_from(url);

    assert(timeout_ms > 0);
    struct str scheme = str_cut(&rest, ':');
    if (!rest.data) {
        return err_set(err, ERR_INVALID,
                "store: write mongodb://HOST:PORT/DATABASE, sqlite:PATH or memory:");
    }
    if (str_equal(scheme, STR("mongodb")) || str_equal(scheme, STR("mongodb+srv"))) {
        return store_mongo_open(url, timeout_ms, ret, err);
    }
    if (str_equal(scheme, STR("sqlite"))) return store_sqlite_open(rest.data, ret, err);
    if (str_equal(scheme, STR("memory")) && rest.size == 0) {
        *ret = store_memory_new(clock_system());
        return true;
    }
    return err_set(err, ERR_INVALID,
            "store: scheme '" STR_FMT
            "' is none of mongodb://HOST:PORT/DATABASE, sqlite:PATH, memory:",
            (int)MIN(scheme.size, (size_t)32), scheme.data);
}

void store_close(struct store *store) {
    if (!store) return;
    store->backend->close(store->state);
    free(store);
}

bool store_ping(struct store *store, int64_t timeout_ms, struct err *err) {
    return store->backend->ping(store->state, timeout_ms, err);
}

bool store_now(struct store *store, int64_t *ret_ms, struct err *err) {
    return store->backend->now(store->state, ret_ms, err);
}

/* ---- reading and deleting by id ---- */

bool store_get_many(struct store *store, enum collection collection, const struct str *ids,
        size_t count, struct arena *arena, const struct record **ret_records, struct err *err) {
    struct id_list list = { collection, ids, count };

    if (count == 0) return true;
    return store->backend->get_many(store->state, &list, arena, ret_records, err);
}

bool store_delete_many(struct store *store, enum collection collection, const struct str *ids,
        size_t count, struct err *err) {
    struct id_list list = { collection, ids, count };

    if (count == 0) return true;
    return store->backend->delete_many(store->state, &list, err);
}

/* ---- writing ---- */

bool batch_set_all(enum verdict *verdicts, size_t count, enum verdict verdict) {
    for (size_t i = 0; i < count; i++)
        verdicts[i] = verdict;
    return false;
}

static bool check_record(const struct record *record, struct err *err) {
    struct str id = record->id;

    if (id.size == 0 || id.size > STORE_ID_SIZE_MAX || !str_is_utf8(id)) {
        return err_set(err, ERR_INVALID, "store: an id has 1 to %d bytes of UTF-8, not %zu",
                STORE_ID_SIZE_MAX, id.size);
    }
    size_t size = record_size(record);
    if (size > LIMIT_RECORD) {
        return err_set(err, ERR_TOO_LARGE, "record '" STR_FMT "' has %zu bytes, %d are allowed",
                STR_ARG(id), size, LIMIT_RECORD);
    }
    return true;
}

typedef bool write_many_fn(
        void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err);

/* The rare way: some records are refused, the backend gets the rest. */
static bool write_acceptable(struct store *store, write_many_fn *write, const struct batch *batch,
        enum verdict *ret_verdicts) {
    struct record *records = calloc(batch->count, sizeof(*records));
    size_t *places = calloc(batch->count, sizeof(*places));
    enum verdict *verdicts = calloc(batch->count, sizeof(*verdicts));
    struct batch rest = { batch->collection, records, 0 };
    struct err ignored;
    bool ok = true;

    assert(records && places && verdicts);
    for (size_t i = 0; i < batch->count; i++) {
        if (!check_record(&batch->records[i], &ignored)) continue;
        places[rest.count] = i;
        verdicts[rest.count] = VERDICT_FAILED;
        records[rest.count++] = batch->records[i];
    }
    /* Its error is not the first one: that is the refused record's. */
    if (rest.count > 0) ok = write(store->state, &rest, verdicts, &ignored);
    for (size_t i = 0; i < rest.count; i++)
        ret_verdicts[places[i]] = verdicts[i];
    free(records);
    free(places);
    free(verdicts);
    return ok;
}

static bool write_many(struct store *store, write_many_fn *write, const struct batch *batch,
        enum verdict *ret_verdicts, struct err *err) {
    batch_set_all(ret_verdicts, batch->count, VERDICT_FAILED);
    if (batch->count == 0) return true;
    for (size_t i = 0; i < batch->count; i++) {
        if (check_record(&batch->records[i], err)) continue;
        (void)write_acceptable(store, write, batch, ret_verdicts);
        return false;
    }
    return write(store->state, batch, ret_verdicts, err);
}

bool store_insert_many(struct store *store, enum collection collection,
        const struct record *records, size_t count, enum verdict *ret_verdicts, struct err *err) {
    struct batch batch = { collection, records, count };

    return write_many(store, store->backend->insert_many, &batch, ret_verdicts, err);
}

bool store_put_many(struct store *store, enum collection collection, const struct record *records,
        size_t count, enum verdict *ret_verdicts, struct err *err) {
    struct batch batch = { collection, records, count };

    return write_many(store, store->backend->put_many, &batch, ret_verdicts, err);
}

bool store_compare_and_set(struct store *store, enum collection collection,
        const struct record *record, int64_t expected, bool *ret_won, struct err *err) {
    struct batch one = { collection, record, 1 };

    assert(expected >= 0);
    assert(record->version > 0); /* 0 would read as "none there" */
    if (!check_record(record, err)) return false;
    return store->backend->compare_and_set(store->state, &one, expected, ret_won, err);
}

/* ---- cursors: base64 of [value of the sort field, id] ---- */

static struct str cursor_encode(
        const struct find *find, const struct record *last, struct arena *arena) {
    struct json key = json_array(arena, 2);
    struct json value = json_null();

    if (find->sort != STORE_FIELD_ID) {
        struct schema schema = schema_of(find->collection);
        value = json_get(last->fields, str_from(schema.fields[find->sort].name));
        if (json_is_null(value)) value = json_null();
    }
    key = json_append(key, value, arena);
    key = json_append(key, json_string(last->id), arena);
    return base64_encode(json_to_str(key, arena), arena);
}

static bool cursor_decode(struct str cursor, const struct schema *schema, struct arena *arena,
        struct find *find, struct err *err) {
    struct err why;
    struct str text;
    struct json key;
    int64_t number;

    if (cursor.size > CURSOR_SIZE_MAX || !base64_decode(cursor, arena, &text)
            || !json_read(text, &(struct json_read_options){ 0 }, arena, &key, NULL, &why)
            || json_type(key) != JSON_ARRAY || json_size(key) != 2
            || json_type(json_at(key, 1)) != JSON_STRING) {
        return err_set(err, ERR_MALFORMED, "the cursor is not one of this list");
    }
    struct json value = json_at(key, 0);
    bool fits = json_is_null(value);
    if (!fits && find->sort != STORE_FIELD_ID) {
        bool is_int = schema->fields[find->sort].kind == FIELD_KIND_INT;
        fits = is_int ? json_to_int64(value, &number) : json_type(value) == JSON_STRING;
    }
    if (!fits) return err_set(err, ERR_MALFORMED, "the cursor is of another list");
    find->has_after = true;
    find->after_value = value;
    find->after_id = json_str(json_at(key, 1));
    return true;
}

/* ---- finding ---- */

static bool is_value_of(struct json value, enum field_kind kind) {
    int64_t number;

    return kind == FIELD_KIND_INT ? json_to_int64(value, &number) : json_type(value) == JSON_STRING;
}

/* Values come from requests: a wrong one is an error, not an assertion. */
static bool check_condition(const struct condition *condition, const struct schema *schema,
        int field, struct err *err) {
    enum field_kind kind = field == STORE_FIELD_ID ? FIELD_KIND_STRING : schema->fields[field].kind;
    bool ok;

    if (condition->operator== OP_IN) {
        ok = json_type(condition->value) == JSON_ARRAY
                && json_size(condition->value) <= STORE_IN_MAX;
        for (size_t i = 0; ok && i < json_size(condition->value); i++) {
            ok = is_value_of(json_at(condition->value, i), kind);
        }
    } else {
        ok = is_value_of(condition->value, kind);
    }
    if (ok) return true;
    return err_set(err, ERR_INVALID, "'%s' of %s is looked up by %s%s", condition->field,
            schema->name, kind == FIELD_KIND_INT ? "an integer" : "a string",
            condition->operator== OP_IN ? ", or an array of up to 1024 of them" : "");
}

/* *ret_none: no record can satisfy the conditions (an OP_IN without values). */
static bool prepare(enum collection collection, const struct query *query, struct find *ret,
        bool *ret_none, struct err *err) {
    struct schema schema = schema_of(collection);

    assert(query->condition_count <= STORE_CONDITIONS_MAX);
    *ret = (struct find){ .collection = collection, .condition_count = query->condition_count };
    *ret_none = false;
    for (size_t i = 0; i < query->condition_count; i++) {
        const struct condition *condition = &query->conditions[i];
        int field = schema_field(&schema, condition->field);
        if (!check_condition(condition, &schema, field, err)) return false;
        if (condition->operator== OP_IN && json_size(condition->value) == 0) *ret_none = true;
        ret->conditions[i] =
                (struct find_condition){ field, condition->operator, condition->value };
    }
    ret->sort = query->sort ? schema_field(&schema, query->sort) : STORE_FIELD_ID;
    assert(ret->sort == STORE_FIELD_ID || schema.fields[ret->sort].kind != FIELD_KIND_STRINGS);
    ret->descending = query->descending;
    ret->without_body = query->without_body;
    return true;
}

bool store_find(struct store *store, enum collection collection, const struct query *query,
        struct arena *arena, const struct record **ret_records, size_t *ret_count,
        struct str *ret_next, struct err *err) {
    struct schema schema = schema_of(collection);
    struct found found = { NULL, 0 };
    struct find find;
    bool none;

    assert(query->limit >= 1 && query->limit <= LIMIT_BATCH * 2);
    if (!prepare(collection, query, &find, &none, err)) return false;
    if (query->after.size > 0 && !cursor_decode(query->after, &schema, arena, &find, err))
        return false;
    /* One more than asked for: it tells whether there is a next page. */
    find.limit = query->limit + 1;
    if (!none && !store->backend->find(store->state, &find, arena, &found, err)) return false;
    assert(found.count <= find.limit);
    bool more = found.count > query->limit;
    *ret_records = found.records;
    *ret_count = more ? query->limit : found.count;
    if (ret_next)
        *ret_next = more ? cursor_encode(&find, &found.records[query->limit - 1], arena) : STR_NULL;
    return true;
}

bool store_count(struct store *store, enum collection collection, const struct query *query,
        int64_t *ret_count, struct err *err) {
    struct find find;
    bool none;

    if (!prepare(collection, query, &find, &none, err)) return false;
    if (none) *ret_count = 0;
    return none || store->backend->count(store->state, &find, ret_count, err);
}

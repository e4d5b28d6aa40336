#pragma once
/* Inside the store: what a backend has to give, and what backends share. For this room, and for
 * decorators in tests/support: a decorator is a backend whose `state` holds the store it wraps. */

#include "store/store.h"
#include "system/clock.h"

/* ---- what is stored: collections.def as tables ---- */

enum field_kind { FIELD_KIND_STRING, FIELD_KIND_INT, FIELD_KIND_STRINGS };

enum {
    STORE_FIELDS_MAX = 16, /* of one collection */
    STORE_INDEX_FIELDS_MAX = 4,
    STORE_CONDITIONS_MAX = 8,
    STORE_FIELD_ID = -1, /* in place of the index of a field: the record's id */
    STORE_ID_SIZE_MAX = 1024,
    STORE_IN_MAX = 1024,     /* values of one OP_IN */
    STORE_TIMEOUT_MS = 5000, /* of a read */
};

struct field {
    const char *name;
    enum field_kind kind;
};

struct index {
    const char *fields[STORE_INDEX_FIELDS_MAX]; /* NULL behind the last */
};

struct schema {
    const char *name;
    const struct field *fields;
    int field_count;
    const struct index *indexes; /* in the order of collections.def */
    size_t index_count;
};

struct schema schema_of(enum collection collection);
int schema_field(const struct schema *schema,
        const char *name); /* STORE_FIELD_ID for "_id"; asserts that it is declared */

/* Sets ret_values[i] to the value of field i, JSON_ABSENT where there is none. Asserts declared
 * names and kinds: records are made by our own code. */
void fields_split(
        const struct schema *schema, struct json fields, struct json ret_values[STORE_FIELDS_MAX]);

/* The opposite: members in the order of collections.def. */
struct json fields_join(const struct schema *schema, const struct json values[STORE_FIELDS_MAX],
        struct arena *arena);

/* ---- what a backend is asked; checked by store.c, so that backends need not ---- */

struct batch {
    enum collection collection;
    const struct record *records;
    size_t count; /* at least 1 */
};

struct id_list {
    enum collection collection;
    const struct str *ids;
    size_t count; /* at least 1 */
};

struct find_condition {
    int field; /* index in the schema, or STORE_FIELD_ID */
    enum operator operator;
    struct json value; /* of the field's kind; for OP_IN an array that is not empty */
};

struct find {
    enum collection collection;
    struct find_condition conditions[STORE_CONDITIONS_MAX];
    size_t condition_count;
    int sort; /* STORE_FIELD_ID or a field that has one value */
    bool descending;
    bool without_body;
    uint32_t limit;
    /* Only what comes behind this place: (value of `sort`, id) as one key. A record without the
     * sort field has null, which is before every value. */
    bool has_after;
    struct json after_value;
    struct str after_id;
};

/* A page behind a cursor may reach over from records without the sort field to those with it, or
 * back. A backend reads the segments one after the other until it has enough; each is served by
 * an index, as their union would not be. */
enum segment {
    SEGMENT_ALL,
    SEGMENT_BEHIND_ID,   /* sorted by id: id behind after_id */
    SEGMENT_BEHIND_KEY,  /* has the field, and (value, id) is behind (after_value, after_id) */
    SEGMENT_BEHIND_NULL, /* lacks the field, and id is behind after_id */
    SEGMENT_NULLS,       /* lacks the field */
    SEGMENT_VALUES,      /* has the field */
};

size_t find_segments(const struct find *find, enum segment ret_segments[2]); /* how many: 1 or 2 */

struct found {
    struct record *records; /* a row in the arena */
    size_t count;
};

/* The functions of store.h, less what store.c does for all: it checks arguments, refuses records
 * that are too large (no backend sees them), and makes cursors. Verdicts come in as FAILED. */
struct store_backend {
    bool (*ping)(void *state, int64_t timeout_ms, struct err *err);
    bool (*now)(void *state, int64_t *ret_ms, struct err *err);
    /* ret_records[i] is NULL where ids[i] is not there; the same id may be asked for twice. */
    bool (*get_many)(void *state, const struct id_list *list, struct arena *arena,
            const struct record **ret_records, struct err *err);
    bool (*insert_many)(
            void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err);
    bool (*put_many)(
            void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err);
    bool (*compare_and_set)(
            void *state, const struct batch *one, int64_t expected, bool *ret_won, struct err *err);
    bool (*delete_many)(void *state, const struct id_list *list, struct err *err);
    bool (*find)(void *state, const struct find *find, struct arena *arena, struct found *ret,
            struct err *err);
    bool (*count)(void *state, const struct find *find, int64_t *ret_count, struct err *err);
    void (*close)(void *state);
};

struct store {
    const struct store_backend *backend; /* static */
    void *state;                         /* owned: closed with the store */
};

struct store *store_new(const struct store_backend *backend, void *state);

/* Backends. `rest` is what follows the scheme and its colon; `url` is the whole. */
MUST_USE bool store_mongo_open(
        const char *url, int64_t timeout_ms, struct store **ret, struct err *err);
MUST_USE bool store_sqlite_open(const char *rest, struct store **ret, struct err *err);

/* The memory store takes its clock from outside, so that a simulation has its own. Starts no
 * thread. */
struct store *store_memory_new(struct clock clock);

/* Fills *ret from `borrowed`: id and body are copied into the arena, `fields` is made of values
 * that live there already. */
void record_build(const struct schema *schema, const struct record *borrowed,
        const struct json values[STORE_FIELDS_MAX], struct arena *arena, struct record *ret);

size_t record_size(
        const struct record *record); /* what LIMIT_RECORD is about: bytes of id, fields and body */

bool batch_set_all(
        enum verdict *verdicts, size_t count, enum verdict verdict); /* returns false, for guards */

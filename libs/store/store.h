#pragma once
/* The store: records in collections, looked up by id and by a few indexed fields.
 *
 * Knows nothing of workflows. Backends: MongoDB (store_mongo.c), SQLite (store_sqlite.c), memory
 * (store_memory.c, for tests and the simulator); one contract suite runs against all.
 * Every write is durable when it is acknowledged: majority and journal on MongoDB, WAL with
 * synchronous=FULL and group commit on SQLite (reliability.md, 5). Every read that may decide is a
 * majority read of the primary (R11). */

#include "common/err.h"
#include "common/json.h"
#include "common/str.h"

struct arena;
struct store;

enum collection {
#define COLLECTION(code, name) COLLECTION_##code,
#define FIELD(collection, name, kind)
#define INDEX(collection, ...)
#include "store/collections.def"
#undef COLLECTION
#undef FIELD
#undef INDEX
    COLLECTION_COUNT,
};

/* `fields`: an object with values for fields that collections.def declares: strings, integers,
 * arrays of strings; absent ones are not indexed. `body` is opaque bytes. */
struct record {
    struct str id;
    int64_t version;
    struct json fields;
    struct str body;
};

/* What became of one record of a batch. */
enum verdict {
    VERDICT_DONE,
    VERDICT_EXISTS,  /* insert: the id is taken; put: a record of this or a newer version is there */
    VERDICT_UNKNOWN, /* no answer: written or not (R4) */
    VERDICT_FAILED,  /* refused and certainly not written (too large, disk full) */
};

/* Opens the store that `url` names: mongodb://…, sqlite:PATH, memory:. Creates what is missing
 * (collections, indexes, the SQLite file and its folder).
 *
 * Errors   INVALID      the URL, or a file that is not ours; the message says what is wrong with it
 *          UNAVAILABLE  no server within `timeout_ms`; a MongoDB that is no replica set (unless the URL
 *                       has allowStandalone=true) or too old; a file that another process has open
 *          INTERNAL     a damaged file
 * Threads  a store may be used from any thread; calls run side by side */
MUST_USE bool store_open(const char *url, int64_t timeout_ms, struct store **ret, struct err *err);
void store_close(struct store *store); /* NULL is taken; waits for calls that are under way */

/* Quick check for readiness: a round trip to the server, or a read of the file. */
MUST_USE bool store_ping(struct store *store, int64_t timeout_ms, struct err *err);

/* The clock of the database, ms since 1970, for leases and for measuring skew. */
MUST_USE bool store_now(struct store *store, int64_t *ret_ms, struct err *err);

/* Reads records by id. ret_records[i] is NULL where ids[i] is not there; the rest lives in `arena`.
 * Errors   UNAVAILABLE, TIMEOUT: nothing was read */
MUST_USE bool store_get_many(struct store *store, enum collection collection, const struct str *ids,
        size_t count, struct arena *arena, const struct record **ret_records, struct err *err);

/* Inserts records that must not be there yet; each is inserted or not by itself (unordered), none is
 * ever changed by an insert. ret_verdicts[i] is always set. Returns true if every verdict is DONE or EXISTS;
 * else false, with the first reason in err (UNAVAILABLE, UNKNOWN, TOO_LARGE, FULL; INVALID: an id that is
 * empty, over 1 KB or not UTF-8). A record that is refused for itself does not keep the others back. */
MUST_USE bool store_insert_many(struct store *store, enum collection collection, const struct record *records,
        size_t count, enum verdict *ret_verdicts, struct err *err);

/* Writes whole records where the stored version is lower, or none is there (R5: "unless newer").
 * Verdicts as above; a put that met a newer record is EXISTS and no error. One id at most once in a batch. */
MUST_USE bool store_put_many(struct store *store, enum collection collection, const struct record *records,
        size_t count, enum verdict *ret_verdicts, struct err *err);

/* Writes `record` only if the stored version is `expected` (0: only if none is there). *ret_won says
 * whether it did. For resources and leases.
 * Errors   UNKNOWN, UNAVAILABLE, FULL, TOO_LARGE */
MUST_USE bool store_compare_and_set(struct store *store, enum collection collection,
        const struct record *record, int64_t expected, bool *ret_won, struct err *err);

MUST_USE bool store_delete_many(struct store *store, enum collection collection, const struct str *ids,
        size_t count, struct err *err);

enum operator { OP_EQUAL, OP_IN, OP_LESS, OP_LESS_EQUAL, OP_GREATER, OP_GREATER_EQUAL };

/* On a declared field, or on "_id". `value` is a string or an integer; for OP_IN an array of them.
 * On a STRINGS field a condition holds if it holds for one of the values. */
struct condition {
    const char *field;
    enum operator operator;
    struct json value;
};

struct query {
    struct condition conditions[8];
    size_t condition_count;
    const char *sort;   /* a declared field or "_id" (the default); ties in order of _id */
    bool descending;
    uint32_t limit;     /* 1 … LIMIT_BATCH × 2 */
    bool without_body;  /* leave bodies out */
    struct str after;   /* a cursor from an earlier page of the same query, or empty */
};

/* Finds records: *ret_records is a row of *ret_count records in `arena`. *ret_next (may be NULL) is a
 * cursor for the next page, in `arena`, or empty at the end. A page begins behind the last record of
 * the one before, whatever was written or deleted meanwhile. Ties are in order of _id, in the
 * direction of the sort; records without the sort field come before all others (last where
 * descending). Strings are compared by their bytes.
 * Errors   UNAVAILABLE, TIMEOUT (5 s); MALFORMED: the cursor; INVALID: a value of the wrong type */
MUST_USE bool store_find(struct store *store, enum collection collection, const struct query *query,
        struct arena *arena, const struct record **ret_records, size_t *ret_count, struct str *ret_next,
        struct err *err);

MUST_USE bool store_count(struct store *store, enum collection collection, const struct query *query,
        int64_t *ret_count, struct err *err);

#include "store/store_internal.h"

/* A pool of connections; one is taken for each call. Every write asks for {w: majority, j: true},
 * every read for majority of the primary (reliability.md, 5, R11): what the server or the URL would
 * take by default is not trusted.
 *
 * Verdicts come from unordered bulks (R5): each is sent as one command, whose answer names the losers
 * by index. A put is a replacement with upsert where the version is lower: if a newer record is
 * there, nothing matches, and the upsert meets its id. Where the answer is missing, or says that no
 * majority has confirmed, nothing is known. */

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "store/store_mongo_internal.h"
#include "system/queue.h"

enum {
    BULK_MAX = 1000,                  /* records of one command */
    BULK_SIZE_MAX = 32 * 1024 * 1024, /* and their bytes: a message may have 48 MB */
    RECORD_OVERHEAD = 1024,
    ANSWER_MAX = 10 * 1000, /* records of one answer: more than any call asks for */
    CODE_TIME_LIMIT = 50,
};

struct mongo {
    struct mongo_address address;
    mongoc_client_pool_t *pool;
    mongoc_read_prefs_t *primary;
    bson_t bulk_options; /* write concern, unordered */
    bson_t read_options; /* read concern, time limit */
    bson_t upsert;
    struct lock *lock; /* over calls_under_way: closing waits for it to be 0 */
    struct condition_variable *at_rest;
    size_t calls_under_way;
};

/* ---- calls ---- */

static void leave(struct mongo *mongo, mongoc_client_t *client) {
    if (client) mongoc_client_pool_push(mongo->pool, client);
    lock_acquire(mongo->lock);
    if (--mongo->calls_under_way == 0) condition_variable_signal_all(mongo->at_rest);
    lock_release(mongo->lock);
}

/* Takes a client for the time of a call; NULL: see err, and there is nothing to leave. */
static mongoc_client_t *enter(struct mongo *mongo, struct err *err) {
    lock_acquire(mongo->lock);
    mongo->calls_under_way++;
    lock_release(mongo->lock);
    mongoc_client_t *client = mongoc_client_pool_pop(mongo->pool);
    if (!client) {
        leave(mongo, NULL);
        err_set(err, ERR_UNAVAILABLE, "mongodb: too many calls are under way");
    }
    return client;
}

static mongoc_collection_t *collection_of(
        struct mongo *mongo, mongoc_client_t *client, enum collection collection) {
    return mongoc_client_get_collection(
            client, mongo->address.database, schema_of(collection).name);
}

static bool read_error(const bson_error_t *error, struct err *err) {
    bool is_time_limit = error->domain == MONGOC_ERROR_SERVER && error->code == CODE_TIME_LIMIT;

    return err_set(
            err, is_time_limit ? ERR_TIMEOUT : ERR_UNAVAILABLE, "mongodb: %s", error->message);
}

/* ---- writing ---- */

enum write_kind { WRITE_INSERT, WRITE_PUT, WRITE_REPLACE };

struct write {
    enum write_kind kind;
    enum collection collection;
    int64_t expected; /* replace: the version that may be overwritten */
    const struct record *records;
    size_t count;
    enum verdict *verdicts;
    int64_t matched; /* out: how many were overwritten */
};

/* {_id, version}: what may be overwritten. */
static void append_selector(
        bson_t *selector, const struct write *write, const struct record *record) {
    bson_t condition;

    append_str(selector, "_id", record->id);
    if (write->kind == WRITE_REPLACE) {
        bson_append_int64(selector, "version", -1, write->expected);
        return;
    }
    bson_append_document_begin(selector, "version", -1, &condition);
    bson_append_int64(&condition, "$lt", -1, record->version);
    bson_append_document_end(selector, &condition);
}

static bool add_record(const struct mongo *mongo, mongoc_bulk_operation_t *bulk,
        const struct write *write, const struct record *record, bson_error_t *ret_error) {
    struct schema schema = schema_of(write->collection);
    bson_t selector, document;
    bool ok = false;

    bson_init(&selector);
    bson_init(&document);
    document_encode(&schema, record, &document);
    switch (write->kind) {
    case WRITE_INSERT:
        ok = mongoc_bulk_operation_insert_with_opts(bulk, &document, NULL, ret_error);
        break;
    case WRITE_PUT:
        append_selector(&selector, write, record);
        ok = mongoc_bulk_operation_replace_one_with_opts(
                bulk, &selector, &document, &mongo->upsert, ret_error);
        break;
    case WRITE_REPLACE:
        append_selector(&selector, write, record);
        ok = mongoc_bulk_operation_replace_one_with_opts(
                bulk, &selector, &document, NULL, ret_error);
        break;
    }
    bson_destroy(&selector);
    bson_destroy(&document);
    return ok;
}

/* Sends all records as one command. */
static bool bulk_run(
        struct mongo *mongo, mongoc_client_t *client, struct write *write, struct err *err) {
    mongoc_collection_t *collection = collection_of(mongo, client, write->collection);
    mongoc_bulk_operation_t *bulk =
            mongoc_collection_create_bulk_operation_with_opts(collection, &mongo->bulk_options);
    bson_error_t error = { 0 };
    bson_t reply;
    bool ok = true;

    for (size_t i = 0; ok && i < write->count; i++)
        ok = add_record(mongo, bulk, write, &write->records[i], &error);
    if (!ok) {
        batch_set_all(write->verdicts, write->count, VERDICT_FAILED);
        err_set(err, ERR_INVALID, "mongodb: %s", error.message);
    } else {
        ok = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
        ok = reply_verdicts(&reply, ok ? NULL : &error, write->count, write->verdicts, err);
        write->matched = reply_number(&reply, "nMatched");
        bson_destroy(&reply);
    }
    mongoc_bulk_operation_destroy(bulk);
    mongoc_collection_destroy(collection);
    return ok;
}

/* Two first puts of one id may meet: the older is in, the newer finds no match, and its upsert
 * fails by the id the older has just taken. So who met an id tries once more: now there is a
 * record to match, or it is newer indeed. */
static bool put_again(
        struct mongo *mongo, mongoc_client_t *client, struct write *write, struct err *err) {
    struct record *records = calloc(write->count, sizeof(*records));
    enum verdict *verdicts = calloc(write->count, sizeof(*verdicts));
    size_t *places = calloc(write->count, sizeof(*places));
    struct write again = {
        .kind = WRITE_PUT, .collection = write->collection, .records = records, .verdicts = verdicts
    };
    bool ok = true;

    assert(records && verdicts && places);
    for (size_t i = 0; i < write->count; i++) {
        if (write->verdicts[i] != VERDICT_EXISTS) continue;
        places[again.count] = i;
        records[again.count++] = write->records[i];
    }
    if (again.count > 0) ok = bulk_run(mongo, client, &again, err);
    for (size_t i = 0; i < again.count; i++) {
        /* Refused or not sent this time says nothing of the first. */
        write->verdicts[places[i]] = verdicts[i] == VERDICT_FAILED ? VERDICT_UNKNOWN : verdicts[i];
    }
    free(records);
    free(verdicts);
    free(places);
    return ok;
}

/* How many of the next records make one command. */
static size_t bulk_count(const struct record *records, size_t count) {
    size_t size = 0, taken = 0;

    while (taken < MIN(count, (size_t)BULK_MAX)) {
        size += record_size(&records[taken]) + RECORD_OVERHEAD;
        if (taken > 0 && size > BULK_SIZE_MAX) break;
        taken++;
    }
    return taken;
}

/* One command after the other; after one without an answer the rest is not sent, and has
 * certainly failed. */
static bool write_all(struct mongo *mongo, struct write *all, struct err *err) {
    mongoc_client_t *client = enter(mongo, err);
    size_t done = 0;
    bool ok = true;

    if (!client) return false; /* verdicts are FAILED */
    while (ok && done < all->count) {
        struct write part = *all;
        part.records = all->records + done;
        part.verdicts = all->verdicts + done;
        part.count = bulk_count(part.records, all->count - done);
        ok = bulk_run(mongo, client, &part, err);
        if (ok && part.kind == WRITE_PUT) ok = put_again(mongo, client, &part, err);
        done += part.count;
        all->matched += part.matched;
    }
    leave(mongo, client);
    return ok;
}

static bool mongo_insert_many(
        void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    struct write write = {
        .kind = WRITE_INSERT,
        .collection = batch->collection,
        .records = batch->records,
        .count = batch->count,
        .verdicts = ret_verdicts,
    };

    return write_all(state, &write, err);
}

static bool mongo_put_many(
        void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    struct write write = {
        .kind = WRITE_PUT,
        .collection = batch->collection,
        .records = batch->records,
        .count = batch->count,
        .verdicts = ret_verdicts,
    };

    return write_all(state, &write, err);
}

static bool mongo_compare_and_set(
        void *state, const struct batch *one, int64_t expected, bool *ret_won, struct err *err) {
    enum verdict verdict = VERDICT_FAILED;
    struct write write = {
        .kind = expected == 0 ? WRITE_INSERT : WRITE_REPLACE,
        .collection = one->collection,
        .expected = expected,
        .records = one->records,
        .count = 1,
        .verdicts = &verdict,
    };

    if (!write_all(state, &write, err)) return false;
    *ret_won = expected == 0 ? verdict == VERDICT_DONE : write.matched == 1;
    return true;
}

static bool mongo_delete_many(void *state, const struct id_list *list, struct err *err) {
    struct mongo *mongo = state;
    mongoc_client_t *client = enter(mongo, err);
    bson_t filter, options;
    bson_error_t error;

    if (!client) return false;
    mongoc_collection_t *collection = collection_of(mongo, client, list->collection);
    bson_init(&filter);
    bson_init(&options);
    append_ids(&filter, list);
    append_write_concern(&options);
    bool ok = mongoc_collection_delete_many(collection, &filter, &options, NULL, &error);
    if (!ok) {
        bool was_sent = error.domain != MONGOC_ERROR_SERVER_SELECTION;
        err_set(err, was_sent ? ERR_UNKNOWN : ERR_UNAVAILABLE, "mongodb: %s", error.message);
    }
    bson_destroy(&options);
    bson_destroy(&filter);
    mongoc_collection_destroy(collection);
    leave(mongo, client);
    return ok;
}

/* ---- reading ---- */

/* Runs a find; the caller destroys the cursor. */
static mongoc_cursor_t *find(const struct mongo *mongo, mongoc_collection_t *collection,
        const bson_t *filter, const bson_t *more) {
    bson_t options;

    bson_copy_to(&mongo->read_options, &options);
    /* All in one answer, if its 16 MB allow: the default is 101. */
    bson_append_int64(&options, "batchSize", -1, ANSWER_MAX);
    if (more) bson_concat(&options, more);
    mongoc_cursor_t *cursor =
            mongoc_collection_find_with_opts(collection, filter, &options, mongo->primary);
    bson_destroy(&options);
    return cursor;
}

/* Ids that were asked for, as a table from id to places: the server answers in an order of its
 * own. */
struct id_table {
    const struct id_list *list;
    uint32_t *slots; /* place + 1, or 0 */
    uint32_t *same;  /* of each place: the next place + 1 with the same id, or 0 */
    size_t mask;
};

static struct id_table id_table_make(const struct id_list *list, struct arena *arena) {
    struct id_table table = { .list = list, .mask = 1 };

    while (table.mask < list->count * 2)
        table.mask *= 2;
    table.slots = arena_new_many(arena, uint32_t, table.mask);
    table.same = arena_new_many(arena, uint32_t, list->count);
    table.mask--;
    for (size_t i = 0; i < list->count; i++) {
        size_t slot = str_hash(list->ids[i]) & table.mask;
        while (table.slots[slot] && !str_equal(list->ids[table.slots[slot] - 1], list->ids[i])) {
            slot = (slot + 1) & table.mask;
        }
        table.same[i] = table.slots[slot];
        table.slots[slot] = (uint32_t)i + 1;
    }
    return table;
}

static void id_table_set(
        const struct id_table *table, const struct record *record, const struct record **records) {
    size_t slot = str_hash(record->id) & table->mask;

    while (table->slots[slot] && !str_equal(table->list->ids[table->slots[slot] - 1], record->id)) {
        slot = (slot + 1) & table->mask;
    }
    for (uint32_t place = table->slots[slot]; place; place = table->same[place - 1])
        records[place - 1] = record;
}

static bool mongo_get_many(void *state, const struct id_list *list, struct arena *arena,
        const struct record **ret_records, struct err *err) {
    struct mongo *mongo = state;
    struct schema schema = schema_of(list->collection);
    struct id_table table = id_table_make(list, arena);
    mongoc_client_t *client = enter(mongo, err);
    const bson_t *document;
    bson_t filter;
    bson_error_t error;

    if (!client) return false;
    mongoc_collection_t *collection = collection_of(mongo, client, list->collection);
    bson_init(&filter);
    append_ids(&filter, list);
    mongoc_cursor_t *cursor = find(mongo, collection, &filter, NULL);
    memset(ret_records, 0, list->count * sizeof(*ret_records));
    while (mongoc_cursor_next(cursor, &document)) {
        struct record *record = arena_new_one(arena, struct record);
        document_decode(&schema, document, arena, record);
        id_table_set(&table, record, ret_records);
    }
    bool ok = !mongoc_cursor_error(cursor, &error) || read_error(&error, err);
    mongoc_cursor_destroy(cursor);
    bson_destroy(&filter);
    mongoc_collection_destroy(collection);
    leave(mongo, client);
    return ok;
}

/* Appends what the segment has to *ret, up to find->limit in all. */
static bool find_segment(const struct mongo *mongo, mongoc_collection_t *collection,
        const struct find *what, enum segment segment, struct arena *arena, struct found *ret,
        bson_error_t *ret_error) {
    struct schema schema = schema_of(what->collection);
    const bson_t *document;
    bson_t filter, options, part;

    bson_init(&filter);
    append_find(&filter, what, segment);
    bson_init(&options);
    bson_append_document_begin(&options, "sort", -1, &part);
    append_sort(&part, what);
    bson_append_document_end(&options, &part);
    bson_append_int64(&options, "limit", -1, (int64_t)(what->limit - ret->count));
    if (what->without_body) {
        bson_append_document_begin(&options, "projection", -1, &part);
        bson_append_int32(&part, "body", -1, 0);
        bson_append_document_end(&options, &part);
    }
    mongoc_cursor_t *cursor = find(mongo, collection, &filter, &options);
    while (ret->count < what->limit && mongoc_cursor_next(cursor, &document)) {
        document_decode(&schema, document, arena, &ret->records[ret->count++]);
    }
    bool ok = !mongoc_cursor_error(cursor, ret_error);
    mongoc_cursor_destroy(cursor);
    bson_destroy(&options);
    bson_destroy(&filter);
    return ok;
}

static bool mongo_find(void *state, const struct find *what, struct arena *arena, struct found *ret,
        struct err *err) {
    struct mongo *mongo = state;
    enum segment segments[2];
    size_t segment_count = find_segments(what, segments);
    mongoc_client_t *client = enter(mongo, err);
    bson_error_t error;
    bool ok = true;

    if (!client) return false;
    mongoc_collection_t *collection = collection_of(mongo, client, what->collection);
    ret->count = 0;
    ret->records = arena_new_many(arena, struct record, what->limit);
    for (size_t i = 0; ok && i < segment_count && ret->count < what->limit; i++) {
        ok = find_segment(mongo, collection, what, segments[i], arena, ret, &error);
    }
    if (!ok) read_error(&error, err);
    mongoc_collection_destroy(collection);
    leave(mongo, client);
    return ok;
}

static bool mongo_count(void *state, const struct find *what, int64_t *ret_count, struct err *err) {
    struct mongo *mongo = state;
    mongoc_client_t *client = enter(mongo, err);
    bson_error_t error;
    bson_t filter;

    if (!client) return false;
    mongoc_collection_t *collection = collection_of(mongo, client, what->collection);
    bson_init(&filter);
    append_find(&filter, what, SEGMENT_ALL);
    int64_t count = mongoc_collection_count_documents(
            collection, &filter, &mongo->read_options, mongo->primary, NULL, &error);
    if (count < 0)
        read_error(&error, err);
    else
        *ret_count = count;
    bson_destroy(&filter);
    mongoc_collection_destroy(collection);
    leave(mongo, client);
    return count >= 0;
}

/* ---- the rest ---- */

static bool mongo_ping(void *state, int64_t timeout_ms, struct err *err) {
    const struct mongo *mongo = state;
    bson_t *command = BCON_NEW("ping", BCON_INT32(1));
    bson_error_t error;
    /* A connection of its own: calls over the pool may wait as long as the URL says. */
    mongoc_client_t *client = mongo_probe_new(&mongo->address, timeout_ms, err);
    bool ok = client
            && (mongoc_client_command_simple(client, "admin", command, mongo->primary, NULL, &error)
                    || err_set(err, ERR_UNAVAILABLE, "mongodb: %s", error.message));

    if (client) mongoc_client_destroy(client);
    bson_destroy(command);
    return ok;
}

static bool mongo_now(void *state, int64_t *ret_ms, struct err *err) {
    struct mongo *mongo = state;
    mongoc_client_t *client = enter(mongo, err);
    bson_error_t error;
    bson_iter_t at;
    bson_t reply;

    if (!client) return false;
    bson_t *command = BCON_NEW("hello", BCON_INT32(1));
    bool ok = mongoc_client_command_simple(client, "admin", command, mongo->primary, &reply, &error)
            || err_set(err, ERR_UNAVAILABLE, "mongodb: %s", error.message);
    if (ok) {
        ok = bson_iter_init_find(&at, &reply, "localTime") && BSON_ITER_HOLDS_DATE_TIME(&at);
        if (ok)
            *ret_ms = bson_iter_date_time(&at);
        else
            err_set(err, ERR_UNAVAILABLE, "mongodb: the server does not tell its time");
    }
    bson_destroy(&reply);
    bson_destroy(command);
    leave(mongo, client);
    return ok;
}

static void mongo_close(void *state) {
    struct mongo *mongo = state;

    lock_acquire(mongo->lock);
    while (mongo->calls_under_way > 0)
        condition_variable_wait(mongo->at_rest, mongo->lock, -1);
    lock_release(mongo->lock);
    if (mongo->pool) mongoc_client_pool_destroy(mongo->pool);
    mongoc_read_prefs_destroy(mongo->primary);
    bson_destroy(&mongo->bulk_options);
    bson_destroy(&mongo->read_options);
    bson_destroy(&mongo->upsert);
    condition_variable_free(mongo->at_rest);
    lock_free(mongo->lock);
    mongo_address_clear(&mongo->address);
    free(mongo);
}

static const struct store_backend mongo_backend = {
    .ping = mongo_ping,
    .now = mongo_now,
    .get_many = mongo_get_many,
    .insert_many = mongo_insert_many,
    .put_many = mongo_put_many,
    .compare_and_set = mongo_compare_and_set,
    .delete_many = mongo_delete_many,
    .find = mongo_find,
    .count = mongo_count,
    .close = mongo_close,
};

static void make_options(struct mongo *mongo) {
    mongoc_read_concern_t *concern = mongoc_read_concern_new();

    bson_init(&mongo->bulk_options);
    bson_append_bool(&mongo->bulk_options, "ordered", -1, false);
    append_write_concern(&mongo->bulk_options);
    bson_init(&mongo->read_options);
    mongoc_read_concern_set_level(concern, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
    bool ok = mongoc_read_concern_append(concern, &mongo->read_options);
    mongoc_read_concern_destroy(concern);
    assert(ok);
    bson_append_int64(&mongo->read_options, "maxTimeMS", -1, STORE_TIMEOUT_MS);
    bson_init(&mongo->upsert);
    bson_append_bool(&mongo->upsert, "upsert", -1, true);
}

static bool open_pool(struct mongo *mongo, int64_t timeout_ms, struct err *err) {
    bson_error_t error;
    mongoc_client_t *probe = mongo_probe_new(&mongo->address, timeout_ms, err);
    bool ok = probe && mongo_prepare(probe, &mongo->address, err);

    if (probe) mongoc_client_destroy(probe);
    if (!ok) return false;
    mongo->pool = mongoc_client_pool_new_with_error(mongo->address.uri, &error);
    if (!mongo->pool)
        return err_set(err, ERR_INVALID, "mongodb: the URL is not valid: %s", error.message);
    mongoc_client_pool_set_error_api(mongo->pool, MONGOC_ERROR_API_VERSION_2);
    return true;
}

bool store_mongo_open(const char *url, int64_t timeout_ms, struct store **ret, struct err *err) {
    struct mongo_address address;

    /* Both may be called again and again. What goes wrong comes back as an error; the driver's
     * own log would only break up ours. */
    mongoc_init();
    mongoc_log_set_handler(NULL, NULL);
    if (!mongo_address_parse(url, &address, err)) return false;
    struct mongo *mongo = calloc(1, sizeof(*mongo));
    assert(mongo);
    mongo->address = address;
    mongo->primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongo->lock = lock_new();
    mongo->at_rest = condition_variable_new();
    make_options(mongo);
    if (!open_pool(mongo, timeout_ms, err)) {
        mongo_close(mongo);
        return false;
    }
    *ret = store_new(&mongo_backend, mongo);
    return true;
}

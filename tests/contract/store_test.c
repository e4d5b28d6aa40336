#include "store/store.h"

/* One suite for every backend. Memory and SQLite need nothing; MongoDB runs where
 * PENSTOCK_TEST_MONGO is set to the URL of a replica set without a database
 * (mongodb://host:port/?replicaSet=rs0), in a database of its own that is dropped. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"
#include "store/store_mongo_internal.h"
#include "system/thread.h"

enum {
    OPEN_TIMEOUT_MS = 20 * 1000,
    THREADS = 8,
    ROUNDS = 25,
    BATCH_LARGE = 600,
    RECORDS_MAX = 1200
};

struct fixture {
    struct store *store;
    struct arena *arena;
};

/* ---- building blocks ---- */

static struct json parse(struct arena *arena, const char *text) {
    struct json value;
    struct err err;

    if (!json_read(str_from(text), &(struct json_read_options){ 0 }, arena, &value, NULL, &err)) {
        fail_msg("%s: %s", text, err.message);
    }
    return value;
}

static struct record make(struct arena *arena, const char *id, int64_t version, const char *fields,
        const char *body) {
    return (struct record){
        .id = str_copy(str_from(id), arena),
        .version = version,
        .fields = fields ? parse(arena, fields) : (struct json){ 0 },
        .body = str_copy(str_from(body), arena),
    };
}

/* Every helper that must work says why it did not. */
#define check(call)                                                \
    do {                                                           \
        struct err check_err;                                      \
        if (!(call)) fail_msg("%s: %s", #call, check_err.message); \
    } while (0)

static void insert(struct fixture *at, enum collection collection, const struct record *records,
        size_t count) {
    enum verdict verdicts[RECORDS_MAX];

    check(store_insert_many(at->store, collection, records, count, verdicts, &check_err));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(verdicts[i], VERDICT_DONE);
}

static enum verdict insert_one(
        struct fixture *at, enum collection collection, struct record record) {
    enum verdict verdict = VERDICT_UNKNOWN;

    check(store_insert_many(at->store, collection, &record, 1, &verdict, &check_err));
    return verdict;
}

static enum verdict put_one(struct fixture *at, enum collection collection, struct record record) {
    enum verdict verdict = VERDICT_UNKNOWN;

    check(store_put_many(at->store, collection, &record, 1, &verdict, &check_err));
    return verdict;
}

static bool compare_and_set(struct fixture *at, struct record record, int64_t expected) {
    bool won = false;

    check(store_compare_and_set(at->store, COLLECTION_LEASES, &record, expected, &won, &check_err));
    return won;
}

static const struct record *get(struct fixture *at, enum collection collection, const char *id) {
    const struct record *record;
    struct str ids[] = { str_from(id) };

    check(store_get_many(at->store, collection, ids, 1, at->arena, &record, &check_err));
    return record;
}

/* Asserts the stored version, body, and one field as text ("" : not there). */
static void assert_head(
        struct fixture *at, const char *id, int64_t version, const char *body, const char *status) {
    const struct record *record = get(at, COLLECTION_INSTANCES, id);

    assert_non_null(record);
    assert_true(str_equal(record->id, str_from(id)));
    assert_int_equal(record->version, version);
    assert_true(str_equal(record->body, str_from(body)));
    assert_true(str_equal(json_str(json_get(record->fields, STR("status"))), str_from(status)));
}

static struct query query_of(const char *field, enum operator operator, struct json value) {
    return (struct query){
        .conditions = { { field, operator, value } }, .condition_count = 1, .limit = 100 };
}

/* Finds, and returns the ids with a space behind each. */
static const char *find_ids(
        struct fixture *at, enum collection collection, const struct query *query) {
    static char text[64 * 1024];
    const struct record *records;
    size_t count, used = 0;

    check(store_find(at->store, collection, query, at->arena, &records, &count, NULL, &check_err));
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(
                text + used, sizeof(text) - used, STR_FMT " ", STR_ARG(records[i].id));
    }
    return text;
}

static void assert_found(struct fixture *at, const struct query *query, const char *ids) {
    assert_string_equal(find_ids(at, COLLECTION_INSTANCES, query), ids);
}

/* ---- writing ---- */

static void test_insert_has_a_verdict_for_each_and_changes_nothing(void **state) {
    struct fixture *at = *state;
    struct record records[] = {
        make(at->arena, "a", 9, "{\"status\":\"late\"}", "other"),
        make(at->arena, "c", 1, NULL, "c"),
        make(at->arena, "b", 9, NULL, "other"),
        make(at->arena, "c", 9, NULL, "twice in a batch"),
        make(at->arena, "d", 1, NULL, "d"),
    };
    enum verdict verdicts[5];

    assert_int_equal(insert_one(at, COLLECTION_INSTANCES,
                             make(at->arena, "a", 1, "{\"status\":\"first\"}", "a")),
            VERDICT_DONE);
    assert_int_equal(
            insert_one(at, COLLECTION_INSTANCES, make(at->arena, "b", 1, NULL, "b")), VERDICT_DONE);
    check(store_insert_many(at->store, COLLECTION_INSTANCES, records, 5, verdicts, &check_err));
    static const enum verdict expected[] = { VERDICT_EXISTS, VERDICT_DONE, VERDICT_EXISTS,
        VERDICT_EXISTS, VERDICT_DONE };
    assert_memory_equal(verdicts, expected, sizeof(expected));
    assert_head(at, "a", 1, "a", "first");
    assert_head(at, "b", 1, "b", "");
    assert_head(at, "c", 1, "c", "");
    assert_head(at, "d", 1, "d", "");
    struct query late = query_of("status", OP_EQUAL, json_string(STR("late")));
    assert_found(at, &late, "");
    /* The same id in another collection is another record. */
    assert_int_equal(
            insert_one(at, COLLECTION_JOURNAL, make(at->arena, "a", 1, NULL, "j")), VERDICT_DONE);
}

static void test_put_yields_to_the_same_and_newer(void **state) {
    struct fixture *at = *state;
    struct query old_status = query_of("status", OP_EQUAL, json_string(STR("old")));
    struct query old_tag = query_of("tags", OP_EQUAL, json_string(STR("a:1")));
    struct query new_tag = query_of("tags", OP_EQUAL, json_string(STR("a:2")));

    struct record first = make(at->arena, "i", 5,
            "{\"status\":\"old\",\"tags\":[\"a:1\",\"b:1\"],\"wakeAt\":5,\"shard\":1}", "five");
    assert_int_equal(put_one(at, COLLECTION_INSTANCES, first), VERDICT_DONE);
    assert_int_equal(put_one(at, COLLECTION_INSTANCES, make(at->arena, "i", 4, NULL, "four")),
            VERDICT_EXISTS);
    assert_int_equal(put_one(at, COLLECTION_INSTANCES, make(at->arena, "i", 5, NULL, "five again")),
            VERDICT_EXISTS);
    assert_head(at, "i", 5, "five", "old");
    assert_found(at, &old_status, "i ");
    assert_found(at, &old_tag, "i ");
    /* The whole record is replaced: fields that it no longer has are gone, from indexes too. */
    struct record second =
            make(at->arena, "i", 7, "{\"status\":\"new\",\"tags\":[\"a:2\",\"b:1\"]}", "seven");
    assert_int_equal(put_one(at, COLLECTION_INSTANCES, second), VERDICT_DONE);
    assert_head(at, "i", 7, "seven", "new");
    assert_found(at, &old_status, "");
    assert_found(at, &old_tag, "");
    assert_found(at, &new_tag, "i ");
    assert_true(
            json_is_absent(json_get(get(at, COLLECTION_INSTANCES, "i")->fields, STR("wakeAt"))));
    struct query due = query_of("shard", OP_EQUAL, json_number(1));
    assert_found(at, &due, "");
}

static void test_put_has_a_verdict_for_each(void **state) {
    struct fixture *at = *state;
    struct record records[] = {
        make(at->arena, "a", 3, NULL, "3"),
        make(at->arena, "b", 3, NULL, "3"),
        make(at->arena, "c", 3, NULL, "3"),
        make(at->arena, "d", 3, NULL, "3"),
    };
    enum verdict verdicts[4];

    insert_one(at, COLLECTION_INSTANCES, make(at->arena, "a", 2, NULL, "2"));
    insert_one(at, COLLECTION_INSTANCES, make(at->arena, "b", 3, NULL, "old"));
    insert_one(at, COLLECTION_INSTANCES, make(at->arena, "c", 4, NULL, "4"));
    check(store_put_many(at->store, COLLECTION_INSTANCES, records, 4, verdicts, &check_err));
    static const enum verdict expected[] = { VERDICT_DONE, VERDICT_EXISTS, VERDICT_EXISTS,
        VERDICT_DONE };
    assert_memory_equal(verdicts, expected, sizeof(expected));
    assert_head(at, "a", 3, "3", "");
    assert_head(at, "b", 3, "old", "");
    assert_head(at, "c", 4, "4", "");
    assert_head(at, "d", 3, "3", "");
}

static void test_compare_and_set(void **state) {
    struct fixture *at = *state;

    assert_false(compare_and_set(at, make(at->arena, "l", 2, NULL, "x"), 1)); /* not there */
    assert_true(compare_and_set(at, make(at->arena, "l", 1, NULL, "one"), 0));
    assert_false(compare_and_set(at, make(at->arena, "l", 1, NULL, "other"), 0));
    assert_false(compare_and_set(at, make(at->arena, "l", 3, NULL, "other"), 2));
    assert_true(str_equal(get(at, COLLECTION_LEASES, "l")->body, STR("one")));
    assert_true(compare_and_set(at, make(at->arena, "l", 5, NULL, "five"), 1));
    assert_false(compare_and_set(at, make(at->arena, "l", 6, NULL, "other"), 1));
    const struct record *record = get(at, COLLECTION_LEASES, "l");
    assert_int_equal(record->version, 5);
    assert_true(str_equal(record->body, STR("five")));
    assert_true(compare_and_set(
            at, make(at->arena, "l", 2, NULL, "back"), 5)); /* any version may follow */
}

static void test_delete(void **state) {
    struct fixture *at = *state;
    struct str ids[] = { STR("a"), STR("missing"), STR("c") };
    struct query tagged = query_of("tags", OP_EQUAL, json_string(STR("t")));

    insert_one(at, COLLECTION_INSTANCES, make(at->arena, "a", 1, "{\"tags\":[\"t\"]}", ""));
    insert_one(at, COLLECTION_INSTANCES, make(at->arena, "b", 1, "{\"tags\":[\"t\"]}", ""));
    insert_one(at, COLLECTION_INSTANCES, make(at->arena, "c", 1, NULL, ""));
    check(store_delete_many(at->store, COLLECTION_INSTANCES, ids, 3, &check_err));
    assert_null(get(at, COLLECTION_INSTANCES, "a"));
    assert_null(get(at, COLLECTION_INSTANCES, "c"));
    assert_non_null(get(at, COLLECTION_INSTANCES, "b"));
    assert_found(at, &tagged, "b ");
    check(store_delete_many(at->store, COLLECTION_INSTANCES, ids, 3, &check_err));
    /* A deleted id is free, and its old values do not come back with it. */
    assert_int_equal(
            insert_one(at, COLLECTION_INSTANCES, make(at->arena, "a", 1, NULL, "")), VERDICT_DONE);
    assert_found(at, &tagged, "b ");
}

/* ---- what comes back ---- */

static void test_get_many_answers_in_order(void **state) {
    struct fixture *at = *state;
    struct str ids[] = { STR("z"), STR("nobody"), STR("a"), STR("z"), STR("m") };
    const struct record *records[5];

    insert_one(at, COLLECTION_JOURNAL, make(at->arena, "a", 1, NULL, "A"));
    insert_one(at, COLLECTION_JOURNAL, make(at->arena, "m", 2, NULL, "M"));
    insert_one(at, COLLECTION_JOURNAL, make(at->arena, "z", 3, NULL, "Z"));
    check(store_get_many(at->store, COLLECTION_JOURNAL, ids, 5, at->arena, records, &check_err));
    assert_null(records[1]);
    assert_true(str_equal(records[0]->body, STR("Z")));
    assert_true(str_equal(records[2]->body, STR("A")));
    assert_true(str_equal(records[3]->body, STR("Z")));
    assert_true(str_equal(records[4]->body, STR("M")));
    check(store_get_many(at->store, COLLECTION_JOURNAL, ids, 0, at->arena, records, &check_err));
}

static void test_fields_come_back_as_they_were(void **state) {
    struct fixture *at = *state;
    static const char *const rows[] = {
        "{}",
        "{\"createdAt\":-9223372036854775808,\"endedAt\":9223372036854775807}",
        "{\"createdAt\":9007199254740993}",
        "{\"namespace\":\"\",\"key\":\"a \\\"b\\\" \\u0000 "
        "c\",\"status\":\"\xc3\xa4\xf0\x9f\x98\x80\"}",
        "{\"tags\":[],\"subscriptions\":[\"\",\"x\",\"\xe2\x82\xac\",\"with \\\"quotes\\\" and "
        "\\\\\"]}",
        "{\"namespace\":\"n\",\"workflow\":\"n/w\",\"definition\":\"n/w/"
        "1\",\"key\":\"k\",\"status\":\"running\","
        "\"createdAt\":1,\"endedAt\":2,\"shard\":63,\"wakeAt\":4,\"tags\":[\"a:1\"],"
        "\"subscriptions\":[\"s\",\"t\"]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char id[32];
        snprintf(id, sizeof(id), "row%zu", i);
        insert_one(at, COLLECTION_INSTANCES, make(at->arena, id, 1, rows[i], "body"));
        const struct record *record = get(at, COLLECTION_INSTANCES, id);
        assert_string_equal(str_to_c(json_to_str(record->fields, at->arena), at->arena),
                str_to_c(json_to_str(parse(at->arena, rows[i]), at->arena), at->arena));
    }
    /* null is as good as absent. */
    insert_one(at, COLLECTION_INSTANCES,
            make(at->arena, "null", 1, "{\"shard\":null,\"tags\":null}", ""));
    assert_int_equal(json_size(get(at, COLLECTION_INSTANCES, "null")->fields), 0);
}

static void test_bodies_are_bytes(void **state) {
    struct fixture *at = *state;
    char bytes[1024];
    struct record record = make(at->arena, "bytes", 1, NULL, "");

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    record.body = (struct str){ bytes, sizeof(bytes) };
    insert_one(at, COLLECTION_BLOBS, record);
    const struct record *back = get(at, COLLECTION_BLOBS, "bytes");
    assert_int_equal(back->body.size, sizeof(bytes));
    assert_memory_equal(back->body.data, bytes, sizeof(bytes));
    insert_one(at, COLLECTION_BLOBS, (struct record){ .id = STR("empty"), .version = 1 });
    assert_int_equal(get(at, COLLECTION_BLOBS, "empty")->body.size, 0);
    /* What was read is a copy: it stays when the record goes. */
    struct str ids[] = { STR("bytes") };
    check(store_delete_many(at->store, COLLECTION_BLOBS, ids, 1, &check_err));
    assert_memory_equal(back->body.data, bytes, sizeof(bytes));
}

static void test_ids_of_any_script(void **state) {
    struct fixture *at = *state;
    /* In order of bytes, which is that of code points. */
    static const char *const ids[] = { " ", "%", "'; DROP TABLE journal; --", "Z", "\\", "a", "a/1",
        "a/10", "a/2", "\xc3\xa4", "\xe2\x82\xac", "\xef\xbf\xbd", "\xf0\x9f\x98\x80" };
    char expected[256] = "";
    size_t used = 0;
    struct query all = { .limit = 100 };

    for (size_t i = ARRAY_SIZE(ids); i-- > 0;) {
        insert_one(at, COLLECTION_JOURNAL, make(at->arena, ids[i], (int64_t)i, NULL, ids[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        assert_int_equal(get(at, COLLECTION_JOURNAL, ids[i])->version, i);
        used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s ", ids[i]);
    }
    assert_string_equal(find_ids(at, COLLECTION_JOURNAL, &all), expected);
    /* A NUL inside is a character like others. */
    struct record with_nul = { .id = { "a\0b", 3 }, .version = 1, .body = STR("nul") };
    assert_int_equal(insert_one(at, COLLECTION_JOURNAL, with_nul), VERDICT_DONE);
    assert_int_equal(insert_one(at, COLLECTION_JOURNAL, with_nul), VERDICT_EXISTS);
    const struct record *record;
    check(store_get_many(
            at->store, COLLECTION_JOURNAL, &with_nul.id, 1, at->arena, &record, &check_err));
    assert_true(str_equal(record->body, STR("nul")));
    assert_true(str_equal(get(at, COLLECTION_JOURNAL, "a")->body, STR("a")));
}

static void test_large_batches(void **state) {
    struct fixture *at = *state;
    static struct record records[BATCH_LARGE];
    static struct str ids[BATCH_LARGE];
    static const struct record *back[BATCH_LARGE];
    const struct record *found;
    size_t count;
    struct str next;

    for (int i = 0; i < BATCH_LARGE; i++) {
        char id[32];
        snprintf(id, sizeof(id), "big-%04d", (i * 7) % BATCH_LARGE);
        records[i] = make(at->arena, id, i + 1, "{\"status\":\"s\",\"tags\":[\"all:1\"]}", id);
        ids[BATCH_LARGE - 1 - i] = records[i].id;
    }
    insert(at, COLLECTION_INSTANCES, records, BATCH_LARGE);
    check(store_get_many(
            at->store, COLLECTION_INSTANCES, ids, BATCH_LARGE, at->arena, back, &check_err));
    for (int i = 0; i < BATCH_LARGE; i++) {
        assert_non_null(back[i]);
        assert_true(str_equal(back[i]->body, ids[i]));
    }
    struct query query = query_of("tags", OP_EQUAL, json_string(STR("all:1")));
    query.limit = LIMIT_BATCH * 2;
    check(store_find(
            at->store, COLLECTION_INSTANCES, &query, at->arena, &found, &count, &next, &check_err));
    assert_int_equal(count, BATCH_LARGE);
    assert_int_equal(next.size, 0);
    check(store_delete_many(at->store, COLLECTION_INSTANCES, ids, BATCH_LARGE, &check_err));
    assert_found(at, &query, "");
}

static void test_too_large_is_refused_alone(void **state) {
    struct fixture *at = *state;
    char *bytes = malloc(LIMIT_RECORD);
    struct err err;
    enum verdict verdicts[3];

    assert_non_null(bytes);
    memset(bytes, 'x', LIMIT_RECORD);
    struct record records[] = { make(at->arena, "a", 1, NULL, "a"),
        make(at->arena, "b", 1, NULL, ""), make(at->arena, "c", 1, NULL, "c") };
    records[1].body = (struct str){ bytes, LIMIT_RECORD }; /* one byte of id too many */
    assert_false(store_insert_many(at->store, COLLECTION_BLOBS, records, 3, verdicts, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_int_equal(verdicts[0], VERDICT_DONE);
    assert_int_equal(verdicts[1], VERDICT_FAILED);
    assert_int_equal(verdicts[2], VERDICT_DONE);
    assert_null(get(at, COLLECTION_BLOBS, "b"));
    assert_false(store_put_many(at->store, COLLECTION_BLOBS, &records[1], 1, verdicts, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    bool won;
    assert_false(store_compare_and_set(at->store, COLLECTION_BLOBS, &records[1], 0, &won, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    records[1].body.size--;
    assert_int_equal(insert_one(at, COLLECTION_BLOBS, records[1]), VERDICT_DONE);
    assert_int_equal(get(at, COLLECTION_BLOBS, "b")->body.size, LIMIT_RECORD - 1);
    /* Several of them at once are more than one message holds. */
    struct record many[8];
    enum verdict done[8];
    for (int i = 0; i < 8; i++) {
        many[i] = make(at->arena, (const char[]){ (char)('p' + i), '\0' }, 1, NULL, "");
        many[i].body = (struct str){ bytes, LIMIT_RECORD - 1 };
    }
    check(store_insert_many(at->store, COLLECTION_BLOBS, many, 8, done, &check_err));
    for (int i = 0; i < 8; i++)
        assert_int_equal(done[i], VERDICT_DONE);
    free(bytes);
}

static void test_bad_ids_are_refused_alone(void **state) {
    struct fixture *at = *state;
    static char long_id[STORE_ID_SIZE_MAX + 2];
    enum verdict verdicts[4];
    struct err err;

    memset(long_id, 'i', STORE_ID_SIZE_MAX + 1);
    struct record records[] = { make(at->arena, "", 1, NULL, ""),
        make(at->arena, "good", 1, NULL, ""), make(at->arena, "\xff", 1, NULL, ""),
        make(at->arena, long_id, 1, NULL, "") };
    assert_false(store_insert_many(at->store, COLLECTION_JOURNAL, records, 4, verdicts, &err));
    assert_int_equal(err.code, ERR_INVALID);
    static const enum verdict expected[] = { VERDICT_FAILED, VERDICT_DONE, VERDICT_FAILED,
        VERDICT_FAILED };
    assert_memory_equal(verdicts, expected, sizeof(expected));
}

/* ---- finding ---- */

static void add_finding_rows(struct fixture *at) {
    struct record records[] = {
        make(at->arena, "a", 1,
                "{\"namespace\":\"n\",\"status\":\"run\",\"createdAt\":10,\"tags\":[\"x\",\"y\"]}",
                "A"),
        make(at->arena, "b", 1,
                "{\"namespace\":\"n\",\"status\":\"end\",\"createdAt\":20,\"tags\":[\"y\"]}", "B"),
        make(at->arena, "c", 1,
                "{\"namespace\":\"m\",\"status\":\"run\",\"createdAt\":20,\"tags\":[]}", "C"),
        make(at->arena, "d", 1,
                "{\"namespace\":\"n\",\"status\":\"run\",\"createdAt\":30,\"shard\":4,\"wakeAt\":"
                "7}",
                "D"),
        make(at->arena, "e", 1, "{\"shard\":4,\"wakeAt\":-3}", "E"),
    };

    insert(at, COLLECTION_INSTANCES, records, ARRAY_SIZE(records));
}

static void test_find_by_every_operator(void **state) {
    struct fixture *at = *state;
    static const struct {
        const char *field;
        enum operator operator;
        const char *value, *ids;
    } cases[] = {
        { "status", OP_EQUAL, "\"run\"", "a c d " },
        { "status", OP_EQUAL, "\"ru\"", "" },
        { "status", OP_IN, "[\"end\",\"none\",\"run\"]", "a b c d " },
        { "status", OP_IN, "[\"end\"]", "b " },
        { "status", OP_IN, "[]", "" },
        { "status", OP_LESS, "\"run\"", "b " },
        { "status", OP_LESS_EQUAL, "\"run\"", "a b c d " },
        { "status", OP_GREATER, "\"end\"", "a c d " },
        { "status", OP_GREATER_EQUAL, "\"end\"", "a b c d " },
        { "createdAt", OP_EQUAL, "20", "b c " },
        { "createdAt", OP_IN, "[30,10,99]", "a d " },
        { "createdAt", OP_LESS, "20", "a " },
        { "createdAt", OP_LESS_EQUAL, "20", "a b c " },
        { "createdAt", OP_GREATER, "20", "d " },
        { "createdAt", OP_GREATER_EQUAL, "20", "b c d " },
        { "wakeAt", OP_LESS, "0", "e " },
        { "tags", OP_EQUAL, "\"y\"", "a b " },
        { "tags", OP_EQUAL, "\"z\"", "" },
        { "tags", OP_IN, "[\"x\",\"y\",\"z\"]", "a b " },
        { "tags", OP_GREATER, "\"x\"", "a b " },
        { "tags", OP_LESS, "\"y\"", "a " },
        { "tags", OP_LESS_EQUAL, "\"y\"", "a b " },
        { "tags", OP_GREATER_EQUAL, "\"z\"", "" },
        { "_id", OP_EQUAL, "\"c\"", "c " },
        { "_id", OP_IN, "[\"e\",\"a\",\"q\"]", "a e " },
        { "_id", OP_LESS, "\"c\"", "a b " },
        { "_id", OP_LESS_EQUAL, "\"c\"", "a b c " },
        { "_id", OP_GREATER, "\"c\"", "d e " },
        { "_id", OP_GREATER_EQUAL, "\"c\"", "c d e " },
    };

    add_finding_rows(at);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct query query =
                query_of(cases[i].field, cases[i].operator, parse(at->arena, cases[i].value));
        const char *ids = find_ids(at, COLLECTION_INSTANCES, &query);
        if (strcmp(ids, cases[i].ids) != 0) {
            fail_msg("%s, operator %d, %s: found '%s', not '%s'", cases[i].field,
                    (int)cases[i].operator, cases[i].value, ids, cases[i].ids);
        }
        int64_t count = -1, expected = (int64_t)strlen(cases[i].ids) / 2;
        check(store_count(at->store, COLLECTION_INSTANCES, &query, &count, &check_err));
        assert_int_equal(count, expected);
    }
}

static void test_conditions_hold_together(void **state) {
    struct fixture *at = *state;
    struct query query = { .limit = 10, .condition_count = 2 };
    struct query all = { .limit = 10 };
    int64_t count;

    add_finding_rows(at);
    query.conditions[0] = (struct condition){ "namespace", OP_EQUAL, json_string(STR("n")) };
    query.conditions[1] = (struct condition){ "status", OP_EQUAL, json_string(STR("run")) };
    assert_found(at, &query, "a d ");
    /* A range is two conditions on one field. */
    query.conditions[0] = (struct condition){ "createdAt", OP_GREATER, json_number(10) };
    query.conditions[1] = (struct condition){ "createdAt", OP_LESS, json_number(30) };
    assert_found(at, &query, "b c ");
    /* Each holds for one of the values, not both for the same. */
    query.conditions[0] = (struct condition){ "tags", OP_EQUAL, json_string(STR("x")) };
    query.conditions[1] = (struct condition){ "tags", OP_EQUAL, json_string(STR("y")) };
    assert_found(at, &query, "a ");
    query.conditions[0] = (struct condition){ "shard", OP_EQUAL, json_number(4) };
    query.conditions[1] = (struct condition){ "wakeAt", OP_LESS_EQUAL, json_number(7) };
    query.sort = "wakeAt";
    assert_found(at, &query, "e d ");
    assert_found(at, &all, "a b c d e ");
    check(store_count(at->store, COLLECTION_INSTANCES, &all, &count, &check_err));
    assert_int_equal(count, 5);
}

static void test_sort(void **state) {
    struct fixture *at = *state;
    struct query query = { .limit = 10, .sort = "createdAt" };

    add_finding_rows(at);
    assert_found(at, &query, "e a b c d ");
    query.descending = true;
    assert_found(at, &query, "d c b a e ");
    query.sort = "_id";
    assert_found(at, &query, "e d c b a ");
    query.sort = "status";
    assert_found(at, &query, "d c a b e ");
    query.limit = 2;
    assert_found(at, &query, "d c ");
}

static void test_bodies_can_be_left_out(void **state) {
    struct fixture *at = *state;
    struct query query = { .limit = 1 };
    const struct record *records;
    size_t count;

    add_finding_rows(at);
    check(store_find(at->store, COLLECTION_INSTANCES, &query, at->arena, &records, &count, NULL,
            &check_err));
    assert_true(str_equal(records[0].body, STR("A")));
    query.without_body = true;
    check(store_find(at->store, COLLECTION_INSTANCES, &query, at->arena, &records, &count, NULL,
            &check_err));
    assert_int_equal(count, 1);
    assert_int_equal(records[0].body.size, 0);
    assert_int_equal(json_size(json_get(records[0].fields, STR("tags"))), 2);
}

static void test_wrong_values_are_refused(void **state) {
    struct fixture *at = *state;
    static const struct {
        const char *field;
        enum operator operator;
        const char *value;
    } cases[] = {
        { "status", OP_EQUAL, "1" },
        { "createdAt", OP_EQUAL, "\"1\"" },
        { "createdAt", OP_LESS, "1.5" },
        { "createdAt", OP_IN, "[1,\"2\"]" },
        { "status", OP_IN, "\"run\"" },
        { "tags", OP_EQUAL, "[\"x\"]" },
        { "_id", OP_EQUAL, "null" },
    };
    const struct record *records;
    struct err err;
    size_t count;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct query query =
                query_of(cases[i].field, cases[i].operator, parse(at->arena, cases[i].value));
        assert_false(store_find(
                at->store, COLLECTION_INSTANCES, &query, at->arena, &records, &count, NULL, &err));
        assert_int_equal(err.code, ERR_INVALID);
        int64_t number;
        assert_false(store_count(at->store, COLLECTION_INSTANCES, &query, &number, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

/* ---- pages ---- */

enum { PAGE_ROWS = 60, PAGE_SIZE = 7 };

/* Rows with many ties and every fourth without the sort field. */
static void add_page_rows(struct fixture *at) {
    static struct record records[PAGE_ROWS];

    for (int i = 0; i < PAGE_ROWS; i++) {
        char id[32], fields[64];
        snprintf(id, sizeof(id), "p%02d", i);
        if (i % 4 == 0)
            snprintf(fields, sizeof(fields), "{\"namespace\":\"n\"}");
        else
            snprintf(fields, sizeof(fields), "{\"namespace\":\"n\",\"createdAt\":%d}",
                    i * 5 % 11 - 5);
        records[i] = make(at->arena, id, 1, fields, "");
    }
    insert(at, COLLECTION_INSTANCES, records, PAGE_ROWS);
}

/* All pages after each other, as find_ids gives them. `between` is called after each page. */
static const char *walk(
        struct fixture *at, struct query query, void (*between)(struct fixture *at, int page)) {
    static char text[16 * 1024];
    size_t used = 0;
    int page = 0;

    text[0] = '\0';
    query.limit = PAGE_SIZE;
    do {
        const struct record *records;
        size_t count;
        check(store_find(at->store, COLLECTION_INSTANCES, &query, at->arena, &records, &count,
                &query.after, &check_err));
        assert_true(count == PAGE_SIZE || query.after.size == 0);
        assert_true(count > 0); /* no empty page at the end */
        for (size_t i = 0; i < count; i++) {
            used += (size_t)snprintf(
                    text + used, sizeof(text) - used, STR_FMT " ", STR_ARG(records[i].id));
        }
        if (between) between(at, page);
        assert_true(page++ < PAGE_ROWS);
    } while (query.after.size > 0);
    return text;
}

static void test_pages_make_the_whole(void **state) {
    struct fixture *at = *state;
    static const char *const sorts[] = { NULL, "_id", "createdAt", "namespace" };

    add_page_rows(at);
    for (size_t i = 0; i < ARRAY_SIZE(sorts) * 4; i++) {
        struct query query = query_of("namespace", OP_EQUAL, json_string(STR("n")));
        query.sort = sorts[i / 4];
        query.descending = i & 1;
        query.condition_count = i >> 1 & 1;
        char whole[PAGE_ROWS * 8];
        snprintf(whole, sizeof(whole), "%s", find_ids(at, COLLECTION_INSTANCES, &query));
        assert_int_equal(strlen(whole), PAGE_ROWS * strlen("p00 "));
        assert_string_equal(walk(at, query, NULL), whole);
    }
}

static void test_a_full_last_page_has_no_next(void **state) {
    struct fixture *at = *state;
    struct query query = { .limit = PAGE_ROWS };
    const struct record *records;
    size_t count;
    struct str next;

    add_page_rows(at);
    check(store_find(at->store, COLLECTION_INSTANCES, &query, at->arena, &records, &count, &next,
            &check_err));
    assert_int_equal(count, PAGE_ROWS);
    assert_int_equal(next.size, 0);
}

static void change_between(struct fixture *at, int page) {
    char id[32];
    struct str ids[] = { STR("p01"), STR("p02"), STR("p03"), STR("p05"), STR("p06"), STR("p07"),
        STR("p09") };

    /* One before everything, and in the first round all that the walk has seen, its last one
     * too. */
    snprintf(id, sizeof(id), "a%02d", page);
    insert_one(at, COLLECTION_INSTANCES,
            make(at->arena, id, 1, "{\"namespace\":\"n\",\"createdAt\":-99}", ""));
    if (page == 0)
        check(store_delete_many(at->store, COLLECTION_INSTANCES, ids, ARRAY_SIZE(ids), &check_err));
}

static void test_pages_are_stable_under_writes(void **state) {
    struct fixture *at = *state;
    struct query query = { .limit = 100, .sort = "createdAt", .condition_count = 1 };
    char whole[PAGE_ROWS * 8];
    static struct record records[PAGE_ROWS];
    int count = 0;

    query.conditions[0] = (struct condition){ "createdAt", OP_GREATER_EQUAL, json_number(-1000) };
    for (int i = 1; i < PAGE_ROWS; i++) {
        char id[32], fields[64];
        if (i % 4 == 0) continue;
        snprintf(id, sizeof(id), "p%02d", i);
        snprintf(fields, sizeof(fields), "{\"namespace\":\"n\",\"createdAt\":%d}", i);
        records[count++] = make(at->arena, id, 1, fields, "");
    }
    insert(at, COLLECTION_INSTANCES, records, (size_t)count);
    snprintf(whole, sizeof(whole), "%s", find_ids(at, COLLECTION_INSTANCES, &query));
    assert_string_equal(walk(at, query, change_between), whole);
}

static void test_foreign_cursors_are_refused(void **state) {
    struct fixture *at = *state;
    /* Not base64; not JSON; "{}"; [1]; [1,2]; ["x","p"] for a list by time; [1.5,"p"]; cut in
     * the middle. */
    static const char *const cursors[] = { "!", "bm90IGpzb24=", "e30=", "WzFd",
        "WzEsMl0=", "WyJ4IiwicCJd", "WzEuNSwicCJd", "WzEsInA" };
    struct query query = { .limit = 10, .sort = "createdAt" };
    const struct record *records;
    struct err err;
    size_t count;

    add_finding_rows(at);
    for (size_t i = 0; i < ARRAY_SIZE(cursors); i++) {
        query.after = str_from(cursors[i]);
        assert_false(store_find(
                at->store, COLLECTION_INSTANCES, &query, at->arena, &records, &count, NULL, &err));
        assert_int_equal(err.code, ERR_MALFORMED);
    }
}

/* ---- threads ---- */

struct racer {
    struct store *store;
    pthread_barrier_t *line; /* where all start together, once or for each round */
    int number;
    int wins;
    struct thread *thread;
};

static void race(struct fixture *at, struct racer *racers, void (*run)(void *user)) {
    pthread_barrier_t line;

    assert_int_equal(pthread_barrier_init(&line, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ .store = at->store, .line = &line, .number = i };
        racers[i].thread = thread_start("racer", run, &racers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        thread_join(racers[i].thread);
    pthread_barrier_destroy(&line);
}

/* cmocka's checks belong to the main thread; here only an assert of our own ends the process. */
static void must(bool ok) {
    if (!ok) abort();
}

static void run_inserts(void *user) {
    struct racer *racer = user;
    char ids[ROUNDS][32], body[32];
    struct record records[ROUNDS];
    enum verdict verdicts[ROUNDS];
    struct err err;

    snprintf(body, sizeof(body), "by %d", racer->number);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "r%02d", i);
        records[i] =
                (struct record){ .id = str_from(ids[i]), .version = 1, .body = str_from(body) };
    }
    pthread_barrier_wait(racer->line);
    must(store_insert_many(racer->store, COLLECTION_JOURNAL, records, ROUNDS, verdicts, &err));
    for (int i = 0; i < ROUNDS; i++) {
        must(verdicts[i] == VERDICT_DONE || verdicts[i] == VERDICT_EXISTS);
        racer->wins += verdicts[i] == VERDICT_DONE;
    }
}

static void test_one_insert_wins(void **state) {
    struct fixture *at = *state;
    struct racer racers[THREADS];
    int wins = 0, counted[THREADS] = { 0 };

    race(at, racers, run_inserts);
    for (int i = 0; i < THREADS; i++)
        wins += racers[i].wins;
    assert_int_equal(wins, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        char id[32];
        snprintf(id, sizeof(id), "r%02d", i);
        counted[get(at, COLLECTION_JOURNAL, id)->body.data[3] - '0']++;
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(counted[i], racers[i].wins);
}

static void run_compare_and_set(void *user) {
    struct racer *racer = user;
    struct arena *arena = arena_new();
    struct str ids[] = { STR("shared") };
    struct err err;

    pthread_barrier_wait(racer->line);
    while (racer->wins < ROUNDS) {
        const struct record *there;
        bool won;
        arena_reset(arena);
        must(store_get_many(racer->store, COLLECTION_LEASES, ids, 1, arena, &there, &err));
        int64_t version = there ? there->version : 0;
        struct record next = { .id = ids[0], .version = version + 1 };
        must(store_compare_and_set(racer->store, COLLECTION_LEASES, &next, version, &won, &err));
        racer->wins += won;
    }
    arena_free(arena);
}

static void test_one_compare_and_set_wins(void **state) {
    struct fixture *at = *state;
    struct racer racers[THREADS];

    race(at, racers, run_compare_and_set);
    /* Two winners of one version would leave the last version below the number of wins. */
    assert_int_equal(get(at, COLLECTION_LEASES, "shared")->version, THREADS * ROUNDS);
}

enum { HEADS = 40 };

static void make_head_id(char id[32], int round, int i) {
    snprintf(id, 32, "head/%d/%d", round, i);
}

static void run_puts(void *user) {
    struct racer *racer = user;
    char ids[HEADS][32];
    struct record records[HEADS];
    enum verdict verdicts[HEADS];
    struct err err;

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < HEADS; i++) {
            make_head_id(ids[i], round, i);
            records[i] = (struct record){ .id = str_from(ids[i]),
                .version = 1 + (racer->number + i) % THREADS };
        }
        pthread_barrier_wait(
                racer->line); /* first puts of one id at the same time are the hard ones */
        must(store_put_many(racer->store, COLLECTION_INSTANCES, records, HEADS, verdicts, &err));
        for (int i = 0; i < HEADS; i++)
            must(verdicts[i] == VERDICT_DONE || verdicts[i] == VERDICT_EXISTS);
    }
}

static void test_the_newest_put_stays(void **state) {
    struct fixture *at = *state;
    struct racer racers[THREADS];
    char id[32];

    race(at, racers, run_puts);
    for (int i = 0; i < ROUNDS * HEADS; i++) {
        make_head_id(id, i / HEADS, i % HEADS);
        assert_int_equal(get(at, COLLECTION_INSTANCES, id)->version, THREADS);
    }
}

/* Writes, and has another thread read at once. */
struct reading {
    struct store *store;
    struct str id;
    bool found_by_id, found_by_field;
};

static void run_reading(void *user) {
    struct reading *reading = user;
    struct arena *arena = arena_new();
    const struct record *record, *records;
    struct query query = query_of("key", OP_EQUAL, json_string(reading->id));
    size_t count;
    struct err err;

    must(store_get_many(
            reading->store, COLLECTION_INSTANCES, &reading->id, 1, arena, &record, &err));
    must(store_find(
            reading->store, COLLECTION_INSTANCES, &query, arena, &records, &count, NULL, &err));
    reading->found_by_id = record;
    reading->found_by_field = count == 1;
    arena_free(arena);
}

static void test_writes_are_seen_at_once(void **state) {
    struct fixture *at = *state;

    for (int i = 0; i < ROUNDS; i++) {
        char id[32], fields[32];
        snprintf(id, sizeof(id), "now%d", i);
        snprintf(fields, sizeof(fields), "{\"key\":\"now%d\"}", i);
        insert_one(at, COLLECTION_INSTANCES, make(at->arena, id, 1, fields, ""));
        struct reading reading = { .store = at->store, .id = str_from(id) };
        thread_join(thread_start("reader", run_reading, &reading));
        assert_true(reading.found_by_id);
        assert_true(reading.found_by_field);
    }
}

/* ---- the rest ---- */

static void test_ping_and_now(void **state) {
    struct fixture *at = *state;
    int64_t first = 0, second = 0;

    check(store_ping(at->store, 5000, &check_err));
    check(store_now(at->store, &first, &check_err));
    check(store_now(at->store, &second, &check_err));
    assert_true(first > 1700000000000);
    assert_true(second >= first);
}

static void test_empty_batches(void **state) {
    struct fixture *at = *state;

    check(store_insert_many(at->store, COLLECTION_JOURNAL, NULL, 0, NULL, &check_err));
    check(store_put_many(at->store, COLLECTION_JOURNAL, NULL, 0, NULL, &check_err));
    check(store_delete_many(at->store, COLLECTION_JOURNAL, NULL, 0, &check_err));
}

static void test_urls(void **state) {
    static const char *const urls[] = { "", "sqlite", "http://localhost/",
        "sqlite:", "sqlite://host/file", "memory:x", "mongodb://",
        "mongodb://h/?allowStandalone=perhaps", "mongodb://user@:x/" };
    struct store *store;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        if (store_open(urls[i], 1000, &store, &err)) fail_msg("'%s' was taken", urls[i]);
        assert_int_equal(err.code, ERR_INVALID);
        assert_true(strlen(err.message) > 10);
    }
    /* Nobody listens on port 1. */
    assert_false(store_open("mongodb://127.0.0.1:1/?replicaSet=rs0", 300, &store, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    store_close(NULL);
}

/* ---- running ---- */

static void empty(struct fixture *at, enum collection collection) {
    struct query query = { .limit = LIMIT_BATCH * 2, .without_body = true };
    static struct str ids[LIMIT_BATCH * 2];
    const struct record *records;
    size_t count;

    do {
        check(store_find(
                at->store, collection, &query, at->arena, &records, &count, NULL, &check_err));
        for (size_t i = 0; i < count; i++)
            ids[i] = records[i].id;
        check(store_delete_many(at->store, collection, ids, count, &check_err));
    } while (count > 0);
}

static int set_up(void **state) {
    struct fixture *at = *state;
    static const enum collection used[] = { COLLECTION_JOURNAL, COLLECTION_INSTANCES,
        COLLECTION_LEASES, COLLECTION_BLOBS };

    at->arena = arena_new();
    for (size_t i = 0; i < ARRAY_SIZE(used); i++)
        empty(at, used[i]);
    return 0;
}

static int tear_down(void **state) {
    struct fixture *at = *state;

    arena_free(at->arena);
    return 0;
}

static int run_suite(const char *name, const char *url) {
#define TEST(function) \
    { #function, function, set_up, tear_down, NULL }
    struct CMUnitTest tests[] = {
        TEST(test_insert_has_a_verdict_for_each_and_changes_nothing),
        TEST(test_put_yields_to_the_same_and_newer),
        TEST(test_put_has_a_verdict_for_each),
        TEST(test_compare_and_set),
        TEST(test_delete),
        TEST(test_get_many_answers_in_order),
        TEST(test_fields_come_back_as_they_were),
        TEST(test_bodies_are_bytes),
        TEST(test_ids_of_any_script),
        TEST(test_large_batches),
        TEST(test_too_large_is_refused_alone),
        TEST(test_bad_ids_are_refused_alone),
        TEST(test_find_by_every_operator),
        TEST(test_conditions_hold_together),
        TEST(test_sort),
        TEST(test_bodies_can_be_left_out),
        TEST(test_wrong_values_are_refused),
        TEST(test_pages_make_the_whole),
        TEST(test_a_full_last_page_has_no_next),
        TEST(test_pages_are_stable_under_writes),
        TEST(test_foreign_cursors_are_refused),
        TEST(test_one_insert_wins),
        TEST(test_one_compare_and_set_wins),
        TEST(test_the_newest_put_stays),
        TEST(test_writes_are_seen_at_once),
        TEST(test_ping_and_now),
        TEST(test_empty_batches),
    };
#undef TEST
    struct fixture fixture = { 0 };
    struct err err;

    if (!store_open(url, OPEN_TIMEOUT_MS, &fixture.store, &err)) {
        fprintf(stderr, "%s: %s\n", name, err.message);
        return 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
        tests[i].initial_state = &fixture;
    int failures = _cmocka_run_group_tests(name, tests, ARRAY_SIZE(tests), NULL, NULL);
    store_close(fixture.store);
    return failures;
}

static int run_sqlite(void) {
    char folder[] = "/tmp/penstock-store-XXXXXX", url[128], path[128];
    static const char *const files[] = { "", "-wal", "-shm", "-lock" };

    if (!mkdtemp(folder)) return 1;
    snprintf(url, sizeof(url), "sqlite:%s/new/store.db", folder); /* the folder is made, too */
    int failures = run_suite("store: sqlite", url);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof(path), "%s/new/store.db%s", folder, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/new", folder);
    rmdir(path);
    rmdir(folder);
    return failures;
}

static void drop_database(const char *url) {
    struct mongo_address address;
    struct err err;
    bson_error_t error;

    if (!mongo_address_parse(url, &address, &err)) return;
    mongoc_client_t *client = mongo_probe_new(&address, OPEN_TIMEOUT_MS, &err);
    mongoc_database_t *database =
            client ? mongoc_client_get_database(client, address.database) : NULL;
    if (database && !mongoc_database_drop(database, &error))
        fprintf(stderr, "drop: %s\n", error.message);
    if (database) mongoc_database_destroy(database);
    if (client) mongoc_client_destroy(client);
    mongo_address_clear(&address);
}

static int run_mongo(const char *server) {
    struct str rest = str_from(server), scheme = STR("mongodb://");
    char url[1024];

    /* The name of the database goes before the options. */
    struct str hosts = str_slice(rest, scheme.size, rest.size);
    size_t slash = str_find_char(hosts, '/');
    struct str options = str_slice(hosts, slash + 1, hosts.size);
    snprintf(url, sizeof(url), "mongodb://" STR_FMT "/penstock_contract_%d" STR_FMT, (int)slash,
            hosts.data, (int)getpid(), STR_ARG(options));
    int failures = run_suite("store: mongodb", url);
    drop_database(url);
    return failures;
}

int main(void) {
    const struct CMUnitTest of_none[] = { cmocka_unit_test(test_urls) };
    const char *server = getenv("PENSTOCK_TEST_MONGO");
    int failures = cmocka_run_group_tests_name("store: opening", of_none, NULL, NULL);

    failures += run_suite("store: memory", "memory:");
    failures += run_sqlite();
    if (server && server[0])
        failures += run_mongo(server);
    else
        printf("skipped: store: mongodb; PENSTOCK_TEST_MONGO is not set "
               "(mongodb://host:port/?replicaSet=rs0)\n");
    return failures;
}

#include "store/store.h"

/* What MongoDB's backend promises when the server hangs, dies and comes back. Needs
 * PENSTOCK_TEST_MONGO (the URL of a replica set without a database) and, to stop and kill that
 * server, PENSTOCK_TEST_STACK: the folder that `tools/stack --dir` was given.
 * PENSTOCK_TEST_MONGO_STANDALONE is the URL of a server that is no replica set. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/assert.h"
#include "store/store_mongo_internal.h"
#include "system/queue.h"
#include "system/thread.h"

enum {
    OPEN_TIMEOUT_MS = 20 * 1000,
    RETURN_TIMEOUT_MS = 60 * 1000, /* of a server that was started again */
    WRITERS = 4,
    BATCH = 8,
    BATCHES_BEFORE = 20, /* acknowledged by each writer before the kill, and again after */
};

/* Waits that fit a test; a test of their defaults would take minutes. */
static const char short_waits[] = "socketTimeoutMS=1500&serverSelectionTimeoutMS=2000&"
                                  "connectTimeoutMS=1000&heartbeatFrequencyMS=500";

static void make_url(char url[1024], const char *server, const char *options) {
    struct str scheme = STR("mongodb://");
    struct str hosts = str_slice(str_from(server), scheme.size, strlen(server));
    size_t slash = str_find_char(hosts, '/');
    struct str given = str_slice(hosts, slash + 1, hosts.size);

    snprintf(url, 1024, "mongodb://" STR_FMT "/penstock_away_%d" STR_FMT "%s%s", (int)slash,
            hosts.data, (int)getpid(), STR_ARG(given), given.size > 0 ? "&" : "?", options);
}

static struct store *open_store(const char *options) {
    char url[1024];
    struct store *store;
    struct err err;

    make_url(url, getenv("PENSTOCK_TEST_MONGO"), options);
    if (!store_open(url, OPEN_TIMEOUT_MS, &store, &err)) fail_msg("%s", err.message);
    return store;
}

static void stack(const char *verb) {
    char command[1024];

    snprintf(command, sizeof(command), "tools/stack %s mongo --dir '%s' >/dev/null 2>&1", verb,
            getenv("PENSTOCK_TEST_STACK"));
    assert_int_equal(system(command), 0);
}

static bool is_stack_there(void) {
    const char *folder = getenv("PENSTOCK_TEST_STACK");

    if (folder && folder[0]) return true;
    printf("skipped: PENSTOCK_TEST_STACK is not set (the folder of tools/stack --dir)\n");
    return false;
}

/* ---- */

static void test_everything_is_there_after_opening_again(void **state) {
    struct arena *arena = arena_new();
    struct store *store = open_store("appName=first");
    struct record record = { .id = STR("kept"), .version = 4, .body = STR("body") };
    const struct record *back;
    enum verdict verdict;
    struct err err;

    (void)state;
    assert_true(store_put_many(store, COLLECTION_INSTANCES, &record, 1, &verdict, &err));
    store_close(store);
    store = open_store("appName=second"); /* collections and indexes are there now */
    assert_true(store_get_many(store, COLLECTION_INSTANCES, &record.id, 1, arena, &back, &err));
    assert_non_null(back);
    assert_int_equal(back->version, 4);
    store_close(store);
    arena_free(arena);
}

static void test_a_hanging_server_leaves_the_outcome_unknown(void **state) {
    struct record record = { .id = STR("hang"), .version = 1, .body = STR("same bytes") };
    const struct record *back;
    enum verdict verdict;
    struct err err;
    int64_t now;
    bool won;

    (void)state;
    if (!is_stack_there()) skip();
    struct arena *arena = arena_new();
    struct store *store = open_store(short_waits);
    assert_true(store_now(store, &now, &err)); /* a connection is in the pool */
    stack("pause");
    assert_false(store_insert_many(store, COLLECTION_JOURNAL, &record, 1, &verdict, &err));
    assert_int_equal(verdict, VERDICT_UNKNOWN);
    assert_int_equal(err.code, ERR_UNKNOWN);
    assert_false(store_get_many(store, COLLECTION_JOURNAL, &record.id, 1, arena, &back, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_false(store_compare_and_set(store, COLLECTION_LEASES, &record, 0, &won, &err));
    assert_true(err.code == ERR_UNKNOWN || err.code == ERR_UNAVAILABLE);
    assert_false(store_ping(store, 300, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    stack("resume");
    assert_true(store_ping(store, RETURN_TIMEOUT_MS, &err));
    /* The same bytes again: whether the first were written or not, now they are (R4). */
    while (!store_insert_many(store, COLLECTION_JOURNAL, &record, 1, &verdict, &err)) {
        assert_true(err.code == ERR_UNKNOWN || err.code == ERR_UNAVAILABLE);
    }
    assert_true(verdict == VERDICT_DONE || verdict == VERDICT_EXISTS);
    assert_true(store_get_many(store, COLLECTION_JOURNAL, &record.id, 1, arena, &back, &err));
    assert_true(str_equal(back->body, STR("same bytes")));
    store_close(store);
    arena_free(arena);
}

/* ---- a server that is killed while it is written to ---- */

struct writer {
    struct store *store;
    int number;
    int acknowledged;       /* batches */
    int unknown;            /* records whose outcome was unknown at first */
    struct latch warmed_up; /* BATCHES_BEFORE are in */
    struct latch killed;    /* set by the test */
    struct thread *thread;
};

static void make_batch(
        const struct writer *writer, int batch, char ids[BATCH][32], struct record *records) {
    for (int i = 0; i < BATCH; i++) {
        snprintf(ids[i], 32, "k/%d/%d/%d", writer->number, batch, i);
        records[i] =
                (struct record){ .id = str_from(ids[i]), .version = 1, .body = str_from(ids[i]) };
    }
}

static void write_batch(struct writer *writer, int batch) {
    char ids[BATCH][32];
    struct record records[BATCH];
    enum verdict verdicts[BATCH];
    struct err err;
    bool first = true;

    make_batch(writer, batch, ids, records);
    while (!store_insert_many(writer->store, COLLECTION_JOURNAL, records, BATCH, verdicts, &err)) {
        assert(err.code == ERR_UNKNOWN || err.code == ERR_UNAVAILABLE);
        for (int i = 0; i < BATCH; i++)
            writer->unknown += verdicts[i] == VERDICT_UNKNOWN;
        first = false;
    }
    /* Nobody else uses these ids: only after an unknown outcome may one be there. */
    for (int i = 0; i < BATCH; i++)
        assert(verdicts[i] == VERDICT_DONE || !first);
    writer->acknowledged++;
}

static void write_through(void *user) {
    struct writer *writer = user;

    for (int i = 0; i < BATCHES_BEFORE; i++)
        write_batch(writer, writer->acknowledged);
    latch_set(&writer->warmed_up);
    /* On and on until the server has been killed and started, then some more. */
    while (!latch_wait(&writer->killed, 0))
        write_batch(writer, writer->acknowledged);
    for (int i = 0; i < BATCHES_BEFORE; i++)
        write_batch(writer, writer->acknowledged);
}

static void test_what_was_acknowledged_survives_a_kill(void **state) {
    struct writer writers[WRITERS];
    struct err err;
    char options[256];
    int unknown = 0;

    (void)state;
    if (!is_stack_there()) skip();
    /* The driver's own second try would hide most unknown outcomes. */
    snprintf(options, sizeof(options), "%s&retryWrites=false", short_waits);
    struct arena *arena = arena_new();
    struct store *store = open_store(options);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .store = store, .number = i };
        latch_init(&writers[i].warmed_up);
        latch_init(&writers[i].killed);
        writers[i].thread = thread_start("writer", write_through, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        latch_wait(&writers[i].warmed_up, -1);
    stack("kill");
    assert_false(store_ping(store, 300, &err));
    stack("start");
    for (int i = 0; i < WRITERS; i++)
        latch_set(&writers[i].killed);
    for (int i = 0; i < WRITERS; i++)
        thread_join(writers[i].thread);
    for (int i = 0; i < WRITERS; i++) {
        unknown += writers[i].unknown;
        for (int batch = 0; batch < writers[i].acknowledged; batch++) {
            char ids[BATCH][32];
            struct record records[BATCH];
            struct str names[BATCH];
            const struct record *back[BATCH];
            arena_reset(arena);
            make_batch(&writers[i], batch, ids, records);
            for (int j = 0; j < BATCH; j++)
                names[j] = records[j].id;
            assert_true(store_get_many(store, COLLECTION_JOURNAL, names, BATCH, arena, back, &err));
            for (int j = 0; j < BATCH; j++)
                assert_true(back[j] && str_equal(back[j]->body, names[j]));
        }
    }
    printf("%d records had an unknown outcome at first\n", unknown);
    store_close(store);
    arena_free(arena);
}

static void test_a_server_by_itself_is_refused(void **state) {
    const char *server = getenv("PENSTOCK_TEST_MONGO_STANDALONE");
    struct record record = { .id = STR("alone"), .version = 1 };
    const struct record *back;
    enum verdict verdict;
    char url[1024];
    struct store *store;
    struct err err;

    (void)state;
    if (!server || !server[0]) {
        printf("skipped: PENSTOCK_TEST_MONGO_STANDALONE is not set\n");
        skip();
    }
    struct arena *arena = arena_new();
    make_url(url, server, "appName=x");
    assert_false(store_open(url, OPEN_TIMEOUT_MS, &store, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "no replica set"));
    make_url(url, server, "allowStandalone=true");
    if (!store_open(url, OPEN_TIMEOUT_MS, &store, &err)) fail_msg("%s", err.message);
    assert_true(store_insert_many(store, COLLECTION_JOURNAL, &record, 1, &verdict, &err));
    assert_true(store_put_many(store, COLLECTION_INSTANCES, &record, 1, &verdict, &err));
    assert_true(store_get_many(store, COLLECTION_JOURNAL, &record.id, 1, arena, &back, &err));
    assert_non_null(back);
    store_close(store);
    arena_free(arena);
}

static int drop_database(void **state) {
    char url[1024];
    struct mongo_address address;
    struct err err;
    bson_error_t error;

    (void)state;
    make_url(url, getenv("PENSTOCK_TEST_MONGO"), short_waits);
    if (!mongo_address_parse(url, &address, &err)) return -1;
    mongoc_client_t *client = mongo_probe_new(&address, OPEN_TIMEOUT_MS, &err);
    mongoc_database_t *database =
            client ? mongoc_client_get_database(client, address.database) : NULL;
    bool ok = database && mongoc_database_drop(database, &error);
    if (database) mongoc_database_destroy(database);
    if (client) mongoc_client_destroy(client);
    mongo_address_clear(&address);
    return ok ? 0 : -1;
}

int main(void) {
    const char *server = getenv("PENSTOCK_TEST_MONGO");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_there_after_opening_again),
        cmocka_unit_test(test_a_hanging_server_leaves_the_outcome_unknown),
        cmocka_unit_test(test_what_was_acknowledged_survives_a_kill),
        cmocka_unit_test(test_a_server_by_itself_is_refused),
    };

    if (!server || !server[0]) {
        printf("skipped: PENSTOCK_TEST_MONGO is not set (mongodb://host:port/?replicaSet=rs0)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, drop_database);
}

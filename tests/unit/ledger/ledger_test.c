/* What is loaded is the head with the journal above it, however far the head is behind, or lost. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/macros.h"
#include "ledger/ledger.h"
#include "tests/support/fake_world.h"

enum { SNAPSHOT_MAX = 1024 * 1024, ENTRIES = 6 };

#define WORKFLOW "default/test/1.0.0"
#define TEXT "document: { dsl: '1.0.3', namespace: default, name: test, version: '1.0.0' }\n" \
             "do: [ { hear: { listen: { to: { any: [ { with: { type: t.v1 } } ], until: '(. | length) >= 9' } } } } ]\n"

struct fixture {
    struct fake_world fake;
    struct store *store;
    struct definitions *definitions;
    struct arena *arena;
    struct str snapshots[ENTRIES + 1]; /* by version */
};

static struct str snapshot_of(const struct instance *instance, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, SNAPSHOT_MAX);
    instance_encode(instance, &buf);
    struct str text = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

static void insert(struct fixture *fixture, enum collection collection, struct str id, int64_t version, struct json fields, struct str body) {
    struct record record = { id, version, fields, body };
    enum verdict verdict;
    struct err err;

    assert_true(store_insert_many(fixture->store, collection, &record, 1, &verdict, &err));
    assert_int_equal(verdict, VERDICT_DONE);
}

static void deploy_text(struct fixture *fixture, const char *id, const char *text) {
    struct json body = json_set(json_object(fixture->arena, 2), STR("text"), json_string(str_from(text)), fixture->arena);
    struct json fields = json_set(json_object(fixture->arena, 1), STR("workflow"), json_string(STR("default/test")), fixture->arena);

    body = json_set(body, STR("contentType"), json_string(STR("application/yaml")), fixture->arena);
    insert(fixture, COLLECTION_WORKFLOWS, str_from(id), 1, fields, json_to_str(body, fixture->arena));
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->arena = arena_new();
    fake_world_open(&fixture->fake, "ledger", NULL);
    fixture->store = fixture->fake.world.store;
    fixture->definitions = definitions_new(fixture->store);
    deploy_text(fixture, WORKFLOW, TEXT);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    definitions_free(fixture->definitions);
    fake_world_close(&fixture->fake);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static struct input input_of(struct fixture *fixture, const char *id, int version, int number) {
    struct arena *arena = fixture->arena;
    struct json_read_options options = { .borrow = true };
    struct json event, body;
    struct err err;

    if (version == 1 && number == 0) {
        body = json_set(json_object(arena, 1), STR("id"), json_string(str_from(id)), arena);
        return (struct input){ .kind = INPUT_START, .now_ms = 1000, .version = 1, .body = body };
    }
    struct str text = str_format(arena, "{\"specversion\":\"1.0\",\"id\":\"%d-%d\",\"source\":\"/t\",\"type\":\"t.v1\",\"data\":%d}", version, number, version);
    assert_true(json_read(text, &options, arena, &event, NULL, &err));
    return (struct input){ .kind = INPUT_EVENT, .now_ms = 1000 + version, .version = version, .body = json_set(json_object(arena, 1), STR("event"), event, arena) };
}

static void put_head(struct fixture *fixture, struct str snapshot, const struct instance *instance) {
    struct record head = { instance->id, instance->version, head_fields(instance, fixture->arena), snapshot };
    enum verdict verdict;
    struct err err;

    assert_true(store_put_many(fixture->store, COLLECTION_INSTANCES, &head, 1, &verdict, &err));
}

/* An instance with a journal of ENTRIES entries (each of one input, the third of two) and a head at `head` (0: none). */
static void build(struct fixture *fixture, const char *id, int head) {
    const struct definition *definition;
    const struct instance *instance = NULL;
    struct err err;

    assert_true(definitions_acquire(fixture->definitions, STR("default"), STR("test"), STR("1.0.0"), &definition, &err));
    for (int version = 1; version <= ENTRIES; version++) {
        struct input inputs[] = { input_of(fixture, id, version, 0), input_of(fixture, id, version, 1) };
        size_t count = version == 3 ? 2 : 1;
        struct origin origin = { 5, 1, version * 10 };
        struct step_result result;
        struct buf buf;
        ledger_apply(definition, instance, inputs, count, version, origin, fixture->arena, &result, NULL);
        assert_int_equal(result.verdict, STEP_APPLIED);
        instance = result.instance;
        struct journal_entry entry = { .instance = str_from(id), .version = version, .commit = STR("00000000000000000000000000000000"),
            .definition = STR(WORKFLOW), .inputs = inputs, .input_count = count, .applied = origin, .effects = result.effects,
            .effect_count = result.effect_count, .facts = result.facts, .fact_count = result.fact_count };
        buf_init(&buf, SNAPSHOT_MAX);
        journal_encode(&entry, &buf);
        insert(fixture, COLLECTION_JOURNAL, journal_id(str_from(id), version, fixture->arena), version, json_object(fixture->arena, 0), buf_str(&buf));
        buf_clear(&buf);
        fixture->snapshots[version] = snapshot_of(instance, fixture->arena);
        if (version == head) put_head(fixture, fixture->snapshots[version], instance);
    }
    definitions_release(fixture->definitions, definition);
}

static void assert_loaded(struct fixture *fixture, const struct loaded *loaded, int head) {
    assert_non_null(loaded->instance);
    assert_true(str_equal(snapshot_of(loaded->instance, fixture->arena), fixture->snapshots[ENTRIES]));
    assert_int_equal(loaded->head_version, head);
    assert_int_equal(loaded->above_count, ENTRIES - head);
    for (size_t i = 0; i < loaded->above_count; i++) assert_int_equal(loaded->above[i].version, head + 1 + (int)i);
    assert_int_equal(json_int64_or(json_get(loaded->instance->applied, STR("offset")), 0), ENTRIES * 10);
}

static void test_load(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = { "a", "b", "c", "d" };
    static const int heads[] = { ENTRIES, 1, 0, 4 };
    struct str ids[] = { STR("a"), STR("nobody"), STR("b"), STR("c"), STR("d") };
    struct loaded loaded[ARRAY_SIZE(ids)];
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        build(fixture, names[i], heads[i]);
        struct loaded one;
        struct str id = str_from(names[i]);
        assert_true(ledger_load(fixture->store, fixture->definitions, &id, 1, fixture->arena, &one, &err));
        assert_loaded(fixture, &one, heads[i]);
        ledger_release(fixture->definitions, &one, 1);
    }
    /* Together, with one that is not there. */
    assert_true(ledger_load(fixture->store, fixture->definitions, ids, ARRAY_SIZE(ids), fixture->arena, loaded, &err));
    assert_null(loaded[1].instance);
    assert_null(loaded[1].definition);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        assert_true(str_equal(loaded[i].id, ids[i]));
        if (i == 1) continue;
        assert_int_equal(loaded[i].head_version, heads[i ? i - 1 : 0]);
        assert_int_equal(loaded[i].instance->version, ENTRIES);
    }
    ledger_release(fixture->definitions, loaded, ARRAY_SIZE(ids));
}

/* A head that was lost after it was written is made of the journal alone. */
static void test_lost_head(void **state) {
    struct fixture *fixture = *state;
    struct str id = STR("a");
    struct loaded loaded;
    struct err err;

    build(fixture, "a", 4);
    assert_true(store_delete_many(fixture->store, COLLECTION_INSTANCES, &id, 1, &err));
    assert_true(ledger_load(fixture->store, fixture->definitions, &id, 1, fixture->arena, &loaded, &err));
    assert_loaded(fixture, &loaded, 0);
    ledger_release(fixture->definitions, &loaded, 1);
}

static void replace(struct fixture *fixture, enum collection collection, struct str id, const char *body) {
    struct record record = { id, 1000, json_object(fixture->arena, 0), str_from(body) };
    enum verdict verdict;
    struct err err;

    assert_true(store_put_many(fixture->store, collection, &record, 1, &verdict, &err));
    assert_int_equal(verdict, VERDICT_DONE);
}

/* What cannot be read is told, by name; a passing reason is told apart. */
static void test_unreadable(void **state) {
    struct fixture *fixture = *state;
    struct str id = STR("a");
    struct loaded loaded;
    struct err err;

    build(fixture, "a", 4);
    /* An entry that retention has emptied, above the head we read: the head has moved on. */
    replace(fixture, COLLECTION_JOURNAL, journal_id(id, 5, fixture->arena), "");
    assert_false(ledger_load(fixture->store, fixture->definitions, &id, 1, fixture->arena, &loaded, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    replace(fixture, COLLECTION_JOURNAL, journal_id(STR("b"), 1, fixture->arena), "{\"format\":2}");
    id = STR("b");
    assert_false(ledger_load(fixture->store, fixture->definitions, &id, 1, fixture->arena, &loaded, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.message, "b/0000000001"));
    replace(fixture, COLLECTION_INSTANCES, STR("c"), "no json");
    id = STR("c");
    assert_false(ledger_load(fixture->store, fixture->definitions, &id, 1, fixture->arena, &loaded, &err));
    assert_non_null(strstr(err.message, "'c'"));
    /* An entry that gives nothing, as it was applied before: the journal is not what it was. */
    build(fixture, "d", 0);
    struct str third = journal_id(STR("d"), 3, fixture->arena), twin = journal_id(STR("d"), 7, fixture->arena);
    const struct record *record;
    assert_true(store_get_many(fixture->store, COLLECTION_JOURNAL, &third, 1, fixture->arena, &record, &err));
    insert(fixture, COLLECTION_JOURNAL, twin, 7, json_object(fixture->arena, 0), record->body);
    id = STR("d");
    assert_false(ledger_load(fixture->store, fixture->definitions, &id, 1, fixture->arena, &loaded, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

/* ---- history ---- */

static void test_history(void **state) {
    struct fixture *fixture = *state;
    int64_t from = 0, next, total = 0;
    struct json rows;
    struct err err;

    build(fixture, "a", 0);
    build(fixture, "a0", 0); /* an id that has ours as its beginning */
    build(fixture, "a-", 0);
    assert_true(ledger_history(fixture->store, STR("a"), 0, 1000, fixture->arena, &rows, &next, &err));
    assert_int_equal(next, 0);
    total = (int64_t)json_size(rows);
    assert_true(total >= 3);
    for (int64_t i = 0; i < total; i++) assert_int_equal(json_int64_or(json_get(json_at(rows, (size_t)i), STR("seq")), -1), i);
    assert_true(str_equal(json_str(json_get(json_at(rows, 0), STR("type"))), STR("workflow.started")));
    /* The same in pages of two. */
    struct json paged = json_array(fixture->arena, 8);
    do {
        struct json page;
        assert_true(ledger_history(fixture->store, STR("a"), from, 2, fixture->arena, &page, &next, &err));
        assert_true(json_size(page) <= 2);
        for (size_t i = 0; i < json_size(page); i++) paged = json_append(paged, json_at(page, i), fixture->arena);
        from = next;
    } while (next);
    assert_true(json_equal(paged, rows));
    assert_true(ledger_history(fixture->store, STR("nobody"), 0, 10, fixture->arena, &rows, &next, &err));
    assert_int_equal(json_size(rows), 0);
    assert_int_equal(next, 0);
}

/* ---- definitions ---- */

static void test_definitions(void **state) {
    struct fixture *fixture = *state;
    const struct definition *first, *second;
    struct str version;
    struct err err;

    assert_true(definitions_acquire(fixture->definitions, STR("default"), STR("test"), STR("1.0.0"), &first, &err));
    assert_true(definitions_acquire(fixture->definitions, STR("default"), STR("test"), STR("1.0.0"), &second, &err));
    assert_ptr_equal(first, second);
    /* Forgotten while in use it stays until its last user is through, and the next one reads it anew. */
    definitions_forget(fixture->definitions, STR("default"), STR("test"), STR("1.0.0"));
    definitions_release(fixture->definitions, second);
    assert_true(str_equal(definition_name(first), STR("test")));
    assert_true(definitions_acquire(fixture->definitions, STR("default"), STR("test"), STR("1.0.0"), &second, &err));
    assert_ptr_not_equal(first, second);
    definitions_release(fixture->definitions, first);
    definitions_release(fixture->definitions, second);
    definitions_release(fixture->definitions, NULL);
    assert_false(definitions_acquire(fixture->definitions, STR("default"), STR("test"), STR("9.9.9"), &first, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "default/test/9.9.9"));
    deploy_text(fixture, "default/test/1.9.0", "do: [");
    assert_false(definitions_acquire(fixture->definitions, STR("default"), STR("test"), STR("1.9.0"), &first, &err));
    assert_false(err_is_retryable(err.code));
    deploy_text(fixture, "default/test/1.10.0-rc.1", TEXT);
    deploy_text(fixture, "default/test/1.2.0", TEXT);
    assert_true(definitions_latest(fixture->definitions, STR("default"), STR("test"), fixture->arena, &version, &err));
    assert_true(str_equal(version, STR("1.10.0-rc.1")) || str_equal(version, STR("1.9.0")));
    assert_false(definitions_latest(fixture->definitions, STR("default"), STR("nothing"), fixture->arena, &version, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_load, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_history, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_definitions, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

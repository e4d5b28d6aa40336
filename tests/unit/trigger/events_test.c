/* Events between a store and a bus in memory: real definitions, and heads of real instances. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/macros.h"
#include "core/event.h"
#include "core/step.h"
#include "services/trigger/events.h"
#include "tests/support/fake_world.h"
#include "wire/journal.h"
#include "wire/wire.h"

enum { RECEIVED_MAX = 4096, TEXT_MAX = 64 * 1024 };

struct fixture {
    struct fake_world fake;
    struct events *events;
    struct consumer *inbox, *dead;
    struct arena *arena;
    int64_t offset;
};

static int set_up(void **state) {
    static const enum topic inbox[] = { TOPIC_ORCHESTRATOR, TOPIC_NONE }, dead[] = { TOPIC_DEAD, TOPIC_NONE };
    struct consumer_callbacks none = { NULL, NULL, NULL };
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct err err;

    fixture->arena = arena_new();
    fake_world_open(&fixture->fake, "trigger", NULL);
    fixture->events = events_new(&fixture->fake.world);
    assert_true(consumer_open(fixture->fake.world.bus, "test", inbox, &none, &fixture->inbox, &err));
    assert_true(consumer_open(fixture->fake.world.bus, "test.dead", dead, &none, &fixture->dead, &err));
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    consumer_close(fixture->inbox);
    consumer_close(fixture->dead);
    events_free(fixture->events);
    fake_world_close(&fixture->fake);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

/* Deploys `listen` as a workflow of that name, and has `count` instances wait by it: NAME-0, NAME-1 … */
static void deploy(struct fixture *fixture, const char *name, const char *listen, int count) {
    struct arena *arena = arena_new();
    struct store *store = fixture->fake.world.store;
    const struct definition *definition = NULL;
    struct json types = json_array(arena, 4), fields = json_object(arena, 2), body = json_object(arena, 2);
    enum verdict verdict;
    struct faults faults;
    struct err err;

    faults_init(&faults, arena);
    struct str text = str_format(arena, "document: { dsl: '1.0.3', namespace: default, name: %s, version: '1.0.0' }\ndo: [ { hear: { listen: %s } } ]\n", name, listen);
    bool ok = definition_load(text, INTAKE_YAML, &definition, &faults, &err);
    if (!ok) print_error("%s " STR_FMT "\n", err.message, STR_ARG(faults.count ? faults.items[0].detail : STR("")));
    assert_true(ok);
    struct json rows = definition_event_types(definition);
    for (size_t i = 0; i < json_size(rows); i++) types = json_append(types, json_get(json_at(rows, i), STR("type")), arena);
    fields = json_set(fields, STR("eventTypes"), types, arena);
    body = json_set(body, STR("eventTypes"), rows, arena);
    struct record workflow = { .id = str_from(name), .version = 1, .fields = fields, .body = json_to_str(body, arena) };
    assert_true(store_insert_many(store, COLLECTION_WORKFLOWS, &workflow, 1, &verdict, &err));
    for (int i = 0; i < count; i++) {
        struct json start = json_set(json_object(arena, 1), STR("id"), json_string(str_format(arena, "%s-%d", name, i)), arena);
        struct input input = { .kind = INPUT_START, .now_ms = 1, .version = 1, .body = start };
        struct step_result result;
        struct buf snapshot;
        step(arena, definition, NULL, &input, &result);
        assert_int_equal(result.instance->status, INSTANCE_WAITING);
        buf_init(&snapshot, TEXT_MAX);
        instance_encode(result.instance, &snapshot);
        struct record head = { .id = result.instance->id, .version = 1, .fields = head_fields(result.instance, arena), .body = buf_str(&snapshot) };
        assert_true(store_insert_many(store, COLLECTION_INSTANCES, &head, 1, &verdict, &err));
        buf_clear(&snapshot);
    }
    definition_free(definition);
    arena_free(arena);
}

static void arrive(struct fixture *fixture, const struct message *messages, size_t count) {
    const struct message **all = arena_new_many(fixture->arena, const struct message *, count);
    struct err err;

    for (size_t i = 0; i < count; i++) all[i] = &messages[i];
    bool ok = events_arrive(fixture->events, all, count, fixture->arena, &err);
    if (!ok) print_error("%s\n", err.message);
    assert_true(ok);
}

static struct message message_of(struct fixture *fixture, const char *json) {
    return (struct message){ .topic = TOPIC_EVENTS_IN, .offset = fixture->offset++, .value = str_from(json) };
}

static void arrive_one(struct fixture *fixture, const char *json) {
    struct message message = message_of(fixture, json);

    arrive(fixture, &message, 1);
}

/* All that came since the last call, sorted: "INSTANCE EVENT-ID", one to a line. */
static int compare_lines(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *received(struct fixture *fixture, size_t *ret_count) {
    static const char *lines[RECEIVED_MAX];
    struct buf buf;
    struct batch batch;
    struct err err;
    size_t count = 0;

    do {
        assert_true(consumer_poll(fixture->inbox, 0, 512, fixture->arena, &batch, &err));
        for (size_t i = 0; i < batch.count; i++) {
            const struct message *message = &batch.messages[i];
            struct wire_message word;
            assert_true(wire_decode(message->value, fixture->arena, &word, &err));
            assert_int_equal(word.kind, MESSAGE_EVENT);
            struct str id = json_str(json_get(json_get(word.body, STR("event")), STR("id")));
            assert_true(count < RECEIVED_MAX);
            lines[count++] = str_to_c(str_format(fixture->arena, STR_FMT " " STR_FMT, STR_ARG(message->key), STR_ARG(id)), fixture->arena);
        }
    } while (batch.count);
    qsort(lines, count, sizeof(*lines), compare_lines);
    if (ret_count) *ret_count = count;
    buf_init(&buf, 1024 * 1024);
    for (size_t i = 0; i < count; i++) buf_append_format(&buf, "%s%s", i ? "\n" : "", lines[i]);
    const char *text = str_to_c(buf_str(&buf), fixture->arena);
    buf_clear(&buf);
    return text;
}

#define EVENT(id, type, rest) "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"/t\",\"type\":\"" type "\"" rest "}"

static void test_by_type(void **state) {
    struct fixture *fixture = *state;

    deploy(fixture, "plain", "{ to: { one: { with: { type: a.v1 } } } }", 2);
    deploy(fixture, "other", "{ to: { one: { with: { type: b.v1 } } } }", 1);
    deploy(fixture, "all", "{ to: { any: [] } }", 1);
    deploy(fixture, "pattern", "{ to: { one: { with: { type: 'a\\..*' } } } }", 1);
    arrive_one(fixture, EVENT("1", "a.v1", ""));
    assert_string_equal(received(fixture, NULL), "all-0 1\npattern-0 1\nplain-0 1\nplain-1 1");
    arrive_one(fixture, EVENT("2", "c.v1", ""));
    assert_string_equal(received(fixture, NULL), "all-0 2\npattern-0 2");
}

static void test_correlated(void **state) {
    struct fixture *fixture = *state;

    deploy(fixture, "mine", "{ to: { one: { with: { type: a.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } } }", 3);
    deploy(fixture, "data", "{ to: { one: { with: { type: a.v1 }, correlate: { n: { from: '${ .data.n }', expect: '7' } } } } }", 1);
    deploy(fixture, "open", "{ to: { one: { with: { type: a.v1 }, correlate: { n: { from: .data.n } } } } }", 1);
    arrive_one(fixture, EVENT("1", "a.v1", ",\"subject\":\"mine-1\""));
    assert_string_equal(received(fixture, NULL), "mine-1 1\nopen-0 1");
    arrive_one(fixture, EVENT("2", "a.v1", ",\"subject\":\"nobody\",\"data\":{\"n\":\"7\"}"));
    assert_string_equal(received(fixture, NULL), "data-0 2\nopen-0 2");
    arrive_one(fixture, EVENT("3", "b.v1", ",\"subject\":\"mine-1\""));
    assert_string_equal(received(fixture, NULL), "");
    /* A `from` that cannot be evaluated on this event is no match, and no error. */
    arrive_one(fixture, EVENT("4", "a.v1", ",\"subject\":\"mine-2\",\"data\":\"text\""));
    assert_string_equal(received(fixture, NULL), "mine-2 4\nopen-0 4");
}

/* A batch keeps its order for each instance. */
static void test_batch(void **state) {
    struct fixture *fixture = *state;
    struct message messages[] = { message_of(fixture, EVENT("1", "a.v1", "")), message_of(fixture, EVENT("2", "b.v1", "")),
        message_of(fixture, EVENT("3", "a.v1", "")) };
    struct batch batch;
    struct err err;

    deploy(fixture, "both", "{ to: { all: [ { with: { type: a.v1 } }, { with: { type: b.v1 } } ] } }", 1);
    arrive(fixture, messages, 3);
    assert_true(consumer_poll(fixture->inbox, 0, 512, fixture->arena, &batch, &err));
    assert_int_equal(batch.count, 3);
    for (size_t i = 0; i < 3; i++) {
        char id[64];
        snprintf(id, sizeof(id), "\"id\":\"%zu\"", i + 1);
        assert_true(str_find(batch.messages[i].value, str_from(id)) < batch.messages[i].value.size);
    }
}

/* A repeat is stored once; it is handed over again, as a crash may have come between, and the instance drops it. */
static void test_duplicates(void **state) {
    struct fixture *fixture = *state;
    struct query query = { .limit = 10 };
    const struct record *records;
    struct err err;
    size_t count;

    deploy(fixture, "plain", "{ to: { one: { with: { type: a.v1 } } } }", 1);
    arrive_one(fixture, EVENT("1", "a.v1", ",\"data\":1"));
    fake_world_pass(&fixture->fake, 10);
    arrive_one(fixture, EVENT("1", "a.v1", ",\"data\":2"));
    assert_string_equal(received(fixture, NULL), "plain-0 1\nplain-0 1");
    assert_true(store_find(fixture->fake.world.store, COLLECTION_EVENTS, &query, fixture->arena, &records, &count, NULL, &err));
    assert_int_equal(count, 1);
    assert_true(str_find(records[0].body, STR("\"data\":1")) < records[0].body.size);
    assert_int_equal(metrics_get(fixture->fake.world.metrics, METRIC_EVENTS_STORED), 1);
    assert_int_equal(metrics_get(fixture->fake.world.metrics, METRIC_EVENTS_MATCHED), 2);
}

static void subscribe(struct fixture *fixture, const char *instance, const char *keys) {
    struct json_read_options options = { .borrow = true };
    struct json value;
    struct err err;

    assert_true(json_read(str_from(keys), &options, fixture->arena, &value, NULL, &err));
    assert_true(events_subscribed(fixture->events, str_from(instance), value, fixture->arena, &err));
}

static const char *correlated_keys(struct fixture *fixture, const char *type, const char *from, const char *value) {
    struct str key = event_key_correlated(str_from(type), str_from(from), json_string(str_from(value)), fixture->arena);

    return str_to_c(str_format(fixture->arena, "[\"" STR_FMT "\"]", STR_ARG(key)), fixture->arena);
}

/* An event that came first is kept for who correlates, and for the instance it is about; for nobody else, and not for ever (E83, E99). */
static void test_early(void **state) {
    struct fixture *fixture = *state;

    deploy(fixture, "late", "{ to: { one: { with: { type: a.v1 }, correlate: { order: { from: .data.order, expect: o1 } } } } }", 0);
    arrive_one(fixture, EVENT("1", "a.v1", ",\"subject\":\"i9\",\"data\":{\"order\":\"o1\"}"));
    arrive_one(fixture, EVENT("2", "a.v1", ",\"data\":{\"order\":\"o2\"}"));
    assert_string_equal(received(fixture, NULL), "");
    subscribe(fixture, "late-0", correlated_keys(fixture, "a.v1", ".data.order", "o1"));
    assert_string_equal(received(fixture, NULL), "late-0 1");
    subscribe(fixture, "late-0", "[\"a.v1\"]");
    assert_string_equal(received(fixture, NULL), "");
    subscribe(fixture, "i9", "[\"a.v1\"]");
    assert_string_equal(received(fixture, NULL), "i9 1");
    subscribe(fixture, "late-0", correlated_keys(fixture, "b.v1", ".data.order", "o1"));
    assert_string_equal(received(fixture, NULL), "");
    fake_world_pass(&fixture->fake, 59 * 1000);
    subscribe(fixture, "late-0", correlated_keys(fixture, "a.v1", ".data.order", "o1"));
    assert_string_equal(received(fixture, NULL), "late-0 1");
    fake_world_pass(&fixture->fake, 2 * 1000);
    subscribe(fixture, "late-0", correlated_keys(fixture, "a.v1", ".data.order", "o1"));
    assert_string_equal(received(fixture, NULL), "");
}

static void test_early_many(void **state) {
    enum { COUNT = 1100 };
    struct fixture *fixture = *state;
    size_t count;

    deploy(fixture, "late", "{ to: { one: { with: { type: a.v1 }, correlate: { order: { from: .subject, expect: o1 } } } } }", 0);
    for (int i = 0; i < COUNT; i++) {
        struct str text = str_format(fixture->arena, "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"/t\",\"type\":\"a.v1\",\"subject\":\"o1\"}", i);
        arrive_one(fixture, str_to_c(text, fixture->arena));
    }
    subscribe(fixture, "late-0", correlated_keys(fixture, "a.v1", ".subject", "o1"));
    received(fixture, &count);
    assert_int_equal(count, COUNT);
}

static const struct {
    const char *value, *reason;
} broken[] = {
    { "not json", "" },
    { "", "" },
    { "[]", "an event is an object" },
    { "{}", "specversion" },
    { "{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/t\",\"type\":\"a\"}", "specversion" },
    { "{\"specversion\":\"1.0\",\"source\":\"/t\",\"type\":\"a\"}", "'id'" },
    { "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/t\",\"type\":\"a\"}", "'id'" },
    { "{\"specversion\":\"1.0\",\"id\":7,\"source\":\"/t\",\"type\":\"a\"}", "'id'" },
    { "{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"a\"}", "'source'" },
    { "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/t\"}", "'type'" },
    { "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/t\",\"type\":\"a\",\"camelCase\":\"x\"}", "camelCase" },
};

/* What is no event goes to the dead letters with its reason; what stands beside it is not held up. */
static void test_dead_letters(void **state) {
    struct fixture *fixture = *state;

    deploy(fixture, "plain", "{ to: { one: { with: { type: a.v1 } } } }", 1);
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        struct message messages[] = { message_of(fixture, broken[i].value), message_of(fixture, EVENT("good", "a.v1", "")) };
        struct wire_message word;
        struct batch batch;
        struct err err;
        arrive(fixture, messages, 2);
        assert_string_equal(received(fixture, NULL), "plain-0 good");
        assert_true(consumer_poll(fixture->dead, 0, 512, fixture->arena, &batch, &err));
        assert_int_equal(batch.count, 1);
        assert_true(wire_decode(batch.messages[0].value, fixture->arena, &word, &err));
        assert_int_equal(word.kind, MESSAGE_DEAD);
        assert_true(str_equal(json_str(json_get(word.body, STR("topic"))), str_from(topic_name(TOPIC_EVENTS_IN))));
        assert_int_equal(json_int64_or(json_get(word.body, STR("offset")), -1), messages[0].offset);
        struct str reason = json_str(json_get(word.body, STR("reason"))), original = STR_NULL;
        if (*broken[i].reason) assert_true(str_find(reason, str_from(broken[i].reason)) < reason.size);
        assert_true(reason.size > 0);
        assert_true(base64_decode(json_str(json_get(word.body, STR("message"))), fixture->arena, &original));
        assert_true(str_equal(original, messages[0].value));
    }
    assert_int_equal(metrics_get(fixture->fake.world.metrics, METRIC_DEAD_LETTERS), ARRAY_SIZE(broken));
}

static struct json stored_event(struct fixture *fixture, const char *id) {
    struct query query = { .conditions = { { "eventId", OP_EQUAL, json_string(str_from(id)) } }, .condition_count = 1, .limit = 2 };
    struct json_read_options options = { .borrow = true };
    const struct record *records;
    struct json body;
    struct err err;
    size_t count;

    assert_true(store_find(fixture->fake.world.store, COLLECTION_EVENTS, &query, fixture->arena, &records, &count, NULL, &err));
    assert_int_equal(count, 1);
    assert_true(json_read(records[0].body, &options, fixture->arena, &body, NULL, &err));
    return json_get(body, STR("event"));
}

/* Kafka protocol binding, binary mode: attributes in headers, data as it is. */
static void test_binary_mode(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *id, *type, *value, *member, *expected;
    } cases[] = {
        { "json", "application/json", "{\"n\":1}", "data", "{\"n\":1}" },
        { "suffix", "application/vnd.x+json; charset=utf-8", "[1]", "data", "[1]" },
        { "untyped", NULL, "7", "data", "7" },
        { "text", "text/plain", "hello", "data", "\"hello\"" },
        { "octets", "application/octet-stream", "\x01\x02\x03", "data_base64", "\"AQID\"" },
        { "latin", "text/plain", "\xFF", "data_base64", "\"/w==\"" },
        { "nothing", "application/json", "", "data", "null" },
    };

    deploy(fixture, "plain", "{ to: { one: { with: { type: a.v1 } } } }", 1);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct header headers[] = { { STR("ce_specversion"), STR("1.0") }, { STR("ce_id"), str_from(cases[i].id) }, { STR("ce_source"), STR("/t") },
            { STR("ce_type"), STR("a.v1") }, { STR("ce_subject"), STR("s") }, { STR("other"), STR("x") }, { STR("Content-Type"), STR_NULL } };
        struct message message = { .topic = TOPIC_EVENTS_IN, .value = str_from(cases[i].value), .headers = headers, .header_count = 6 };
        if (cases[i].type) headers[message.header_count++].value = str_from(cases[i].type);
        arrive(fixture, &message, 1);
        char line[64];
        snprintf(line, sizeof(line), "plain-0 %s", cases[i].id);
        assert_string_equal(received(fixture, NULL), line);
        struct json event = stored_event(fixture, cases[i].id);
        struct str text = json_to_str(json_get(event, str_from(cases[i].member)), fixture->arena);
        if (!str_equal(text, str_from(cases[i].expected))) print_error("%s: " STR_FMT "\n", cases[i].id, STR_ARG(text));
        assert_true(str_equal(text, str_from(cases[i].expected)));
        assert_true(str_equal(json_str(json_get(event, STR("subject"))), STR("s")));
        assert_true(json_is_absent(json_get(event, STR("other"))));
    }
    struct header headers[] = { { STR("ce_specversion"), STR("1.0") }, { STR("ce_id"), STR("bad") }, { STR("ce_source"), STR("\xFF") }, { STR("ce_type"), STR("a.v1") } };
    struct message message = { .topic = TOPIC_EVENTS_IN, .value = STR("{}"), .headers = headers, .header_count = 4 };
    arrive(fixture, &message, 1);
    message.value = STR("{ not json");
    headers[2].value = STR("/t");
    arrive(fixture, &message, 1);
    assert_string_equal(received(fixture, NULL), "");
    assert_int_equal(metrics_get(fixture->fake.world.metrics, METRIC_DEAD_LETTERS), 2);
}

/* More listeners than a page holds. */
static void test_many_listeners(void **state) {
    struct fixture *fixture = *state;
    struct message messages[] = { message_of(fixture, EVENT("1", "a.v1", "")), message_of(fixture, EVENT("2", "a.v1", "")) };
    size_t count;

    deploy(fixture, "plain", "{ to: { one: { with: { type: a.v1 } } } }", 1000);
    deploy(fixture, "mine", "{ to: { one: { with: { type: a.v1 }, correlate: { me: { from: .subject, expect: '${ $workflow.id }' } } } } }", 50);
    arrive(fixture, messages, 2);
    received(fixture, &count);
    assert_int_equal(count, 2000);
}

/* The correlations of many definitions of one type. */
static void test_many_correlations(void **state) {
    enum { COUNT = 40 };
    struct fixture *fixture = *state;
    size_t count;

    for (int i = 0; i < COUNT; i++) {
        char name[16], listen[160];
        snprintf(name, sizeof(name), "w%d", i);
        snprintf(listen, sizeof(listen), "{ to: { one: { with: { type: a.v1 }, correlate: { n: { from: '.data.f%d', expect: x } } } } }", i);
        deploy(fixture, name, listen, 1);
    }
    arrive_one(fixture, EVENT("1", "a.v1", ",\"data\":{\"f3\":\"x\",\"f39\":\"x\",\"f7\":\"y\"}"));
    assert_string_equal(received(fixture, &count), "w3-0 1\nw39-0 1");
}

static void test_expire(void **state) {
    struct fixture *fixture = *state;
    struct query query = { .limit = 10 };
    bool more = false;
    int64_t count;
    struct err err;

    for (int i = 0; i < 600; i++) {
        struct str text = str_format(fixture->arena, "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"/t\",\"type\":\"a.v1\"}", i);
        arrive_one(fixture, str_to_c(text, fixture->arena));
    }
    fake_world_pass(&fixture->fake, 7LL * 24 * 3600 * 1000);
    arrive_one(fixture, EVENT("young", "a.v1", ""));
    fake_world_pass(&fixture->fake, 1);
    assert_true(events_expire(fixture->events, fixture->arena, &more, &err));
    assert_true(more);
    assert_true(events_expire(fixture->events, fixture->arena, &more, &err));
    assert_false(more);
    assert_true(store_count(fixture->fake.world.store, COLLECTION_EVENTS, &query, &count, &err));
    assert_int_equal(count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_correlated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_duplicates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_early_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dead_letters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_binary_mode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_listeners, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_correlations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expire, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

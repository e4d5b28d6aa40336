#include "tests/unit/api/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"

#define PATH "/v1/workflows/shop/echo/instances"
#define ECHO "  - set-it:\n      set:\n        got: ${ $workflow.input }\n"
#define WAIT "  - hold:\n      wait: PT1H\n"

static int set_up(void **state) {
    static struct harness harness;
    struct err err;

    assert_true(harness_open(&harness, NULL, &err));
    deploy(&harness, "echo", "1.0.0", ECHO);
    deploy(&harness, "slow", "1.0.0", WAIT);
    *state = &harness;
    return 0;
}

static int tear_down(void **state) {
    harness_close(*state);
    return 0;
}

static void answers_202_with_location(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask_json(harness, "POST", PATH, "{\"input\": {\"n\": 1}}");

    assert_int_equal(reply.status, 202);
    struct str location = reply_header(&reply, "Location");
    struct str expected = str_format(harness->arena, "/v1/instances/%s", reply_text(&reply, "/id"));
    assert_true(str_equal(location, expected));
    assert_string_equal(reply_text(&reply, "/namespace"), "shop");
    assert_string_equal(reply_text(&reply, "/workflow"), "echo");
    assert_string_equal(reply_text(&reply, "/version"), "1.0.0");
    reply = ask(harness, "GET", location.size ? str_to_c(location, harness->arena) : "/", NULL, NULL);
    assert_int_equal(reply.status, 200);
}

static void an_answered_start_can_be_read_at_once(void **state) {
    struct harness *harness = *state;

    for (int i = 0; i < 50; i++) {
        const char *id = start(harness, "echo", "{}", false);
        struct reply reply = ask(harness, "GET", str_format(harness->arena, "/v1/instances/%s", id).data, NULL, NULL);
        assert_int_equal(reply.status, 200);
    }
}

static void prefer_wait_gives_the_result(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask(harness, "POST", PATH, "Content-Type: application/json\r\nPrefer: respond-async, wait=20\r\n",
            "{\"input\": {\"n\": 12345678901234567890.10}, \"tags\": {\"shop\": \"berlin\"}}");

    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_text(&reply, "/status"), "completed");
    assert_true(str_equal(reply_header(&reply, "Preference-Applied"), STR("wait=20")));
    /* Digits that no expression touched are those that came. */
    assert_true(str_find(reply.body, STR("12345678901234567890.10")) < reply.body.size);
    static const char *const members[] = { "id", "key", "namespace", "workflow", "version", "status", "input", "output", "error", "context",
        "tags", "createdAt", "startedAt", "endedAt", "tasks" };
    assert_int_equal(json_size(reply.json), ARRAY_SIZE(members));
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) assert_true(json_has(reply.json, str_from(members[i])));
    assert_string_equal(reply_text(&reply, "/tags/shop"), "berlin");
    assert_int_equal(strlen(reply_text(&reply, "/createdAt")), strlen("2026-07-29T12:00:00.000Z"));
}

static void prefer_wait_ends_with_202(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask(harness, "POST", "/v1/workflows/shop/slow/instances", "Content-Type: application/json\r\nPrefer: wait=1\r\n", "{}");

    assert_int_equal(reply.status, 202);
    assert_string_equal(reply_text(&reply, "/status"), "waiting");
    assert_string_equal(reply_text(&reply, "/tasks/0/pointer"), "/do/0/hold");
    assert_string_equal(reply_text(&reply, "/tasks/0/status"), "waiting");
    assert_true(str_equal(reply_header(&reply, "Preference-Applied"), STR("wait=1")));
}

static void result_comes_without_a_snapshot_too(void **state) {
    struct harness *harness = *state;

    harness_behave(harness, (struct behaviour){ .sends_no_snapshot = true });
    start(harness, "echo", "{}", true);
    harness_behave(harness, (struct behaviour){ .is_silent = false });
}

/* The message is never the only way to learn. */
static void store_is_asked_where_the_message_is_lost(void **state) {
    struct harness *harness = *state;

    harness_behave(harness, (struct behaviour){ .is_silent = true });
    start(harness, "echo", "{}", false);
    start(harness, "echo", "{}", true);
    harness_behave(harness, (struct behaviour){ .is_silent = false });
}

static void a_key_is_one_instance(void **state) {
    struct harness *harness = *state;
    struct reply first = ask_json(harness, "POST", PATH, "{\"key\": \"k-1\", \"input\": {\"a\": 1, \"b\": 2}}");
    struct reply again = ask_json(harness, "POST", PATH, "{\"input\": {\"b\": 2, \"a\": 1}, \"key\": \"k-1\"}");
    struct reply other = ask_json(harness, "POST", PATH, "{\"key\": \"k-1\", \"input\": {\"a\": 2}}");

    assert_int_equal(first.status, 202);
    assert_int_equal(again.status, 202);
    assert_true(str_equal(first.body, again.body));
    assert_true(str_equal(reply_header(&first, "Location"), reply_header(&again, "Location")));
    assert_int_equal(other.status, 409);
    assert_int_equal(reply_text(&first, "/id")[14], '8'); /* UUIDv8, made of namespace and key */
    again = ask(harness, "POST", PATH, "Content-Type: application/json\r\nPrefer: wait=5\r\n", "{\"key\": \"k-1\", \"input\": {\"a\": 1, \"b\": 2}}");
    assert_int_equal(again.status, 200);
    assert_string_equal(reply_text(&again, "/id"), reply_text(&first, "/id"));
}

static void a_key_is_one_instance_for_many_at_once(void **state) {
    enum { COUNT = 32 };
    struct harness *harness = *state;
    int fds[COUNT], conflicts = 0, accepted = 0;
    const char *id = NULL;

    for (int i = 0; i < COUNT; i++) {
        fds[i] = ask_begin(harness, "POST", PATH, "Content-Type: application/json\r\n",
                i % 2 ? "{\"key\": \"race\", \"input\": 1}" : "{\"key\": \"race\", \"input\": 2}");
    }
    for (int i = 0; i < COUNT; i++) {
        struct reply reply = ask_end(harness, fds[i]);
        conflicts += reply.status == 409;
        accepted += reply.status == 202;
        if (reply.status != 202) continue;
        if (id) assert_string_equal(id, reply_text(&reply, "/id"));
        id = reply_text(&reply, "/id");
    }
    assert_int_equal(accepted, COUNT / 2);
    assert_int_equal(conflicts, COUNT / 2);
}

/* Another replica's start of the same key came first; its word reaches us too. */
static void a_foreign_start_is_no_success(void **state) {
    struct harness *harness = *state;

    harness_behave(harness, (struct behaviour){ .says_foreign_hash = true });
    struct reply reply = ask_json(harness, "POST", PATH, "{\"key\": \"foreign\"}");
    harness_behave(harness, (struct behaviour){ .is_silent = false });
    assert_int_equal(reply.status, 409);
}

static void restart_begins_afresh_once_it_has_ended(void **state) {
    struct harness *harness = *state;
    const char *again = "{\"key\": \"r-1\", \"ifExists\": \"restart\", \"input\": 2}";

    const char *first = start(harness, "echo", "{\"key\": \"r-1\", \"input\": 1}", true);
    const char *second = start(harness, "echo", again, true);
    assert_string_not_equal(first, second);
    const char *third = start(harness, "echo", again, true);
    assert_string_not_equal(second, third);
    /* Without it, the key means the newest. */
    assert_string_equal(third, start(harness, "echo", "{\"key\": \"r-1\", \"input\": 2}", false));
    struct reply reply = ask_json(harness, "POST", PATH, "{\"key\": \"r-1\", \"input\": 1}");
    assert_int_equal(reply.status, 409);
    /* One that has not ended is not started afresh. */
    const char *slow = start(harness, "slow", "{\"key\": \"r-2\"}", false);
    assert_string_equal(slow, start(harness, "slow", "{\"key\": \"r-2\", \"ifExists\": \"restart\"}", false));
}

static void faults_name_what_is_wrong(void **state) {
    static const struct { const char *body, *pointer; } cases[] = {
        { "{\"inptu\": 1}", "/inptu" },
        { "{\"a/b~c\": 1}", "/a~1b~0c" },
        { "{\"key\": \"-x\"}", "/key" },
        { "{\"key\": \"a b\"}", "/key" },
        { "{\"key\": \"\"}", "/key" },
        { "{\"key\": 1}", "/key" },
        { "{\"version\": \"../1\"}", "/version" },
        { "{\"version\": 1}", "/version" },
        { "{\"tags\": []}", "/tags" },
        { "{\"tags\": {\"a:b\": \"c\"}}", "/tags/a:b" },
        { "{\"tags\": {\"a\": {}}}", "/tags/a" },
        { "{\"ifExists\": \"restart\"}", "/ifExists" },
        { "{\"key\": \"k\", \"ifExists\": \"fail\"}", "/ifExists" },
        { "{\"callback\": {\"url\": \"http://localhost\"}}", "/callback" },
        { "[]", "" },
        { "null", "" },
    };
    struct harness *harness = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reply reply = ask_json(harness, "POST", PATH, cases[i].body);
        if (reply.status != 422) fail_msg("%s: %d " STR_FMT, cases[i].body, reply.status, STR_ARG(reply.body));
        assert_string_equal(reply_text(&reply, "/errors/0/pointer"), cases[i].pointer);
        assert_true(json_is_absent(json_pointer_get(reply.json, STR("/errors/1"))));
    }
    struct reply both = ask_json(harness, "POST", PATH, "{\"inptu\": 1, \"tgas\": 2}");
    assert_int_equal(json_size(json_get(both.json, STR("errors"))), 2);
}

static void what_is_not_deployed_is_404(void **state) {
    struct harness *harness = *state;

    assert_int_equal(ask_json(harness, "POST", "/v1/workflows/shop/nothing/instances", "{}").status, 404);
    assert_int_equal(ask_json(harness, "POST", "/v1/workflows/none/echo/instances", "{}").status, 404);
    assert_int_equal(ask_json(harness, "POST", PATH, "{\"version\": \"9.9.9\"}").status, 404);
}

static void input_is_checked_before_anything_exists(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask(harness, "POST", "/v1/workflows", "Content-Type: application/yaml\r\n",
            "document:\n  dsl: '1.0.3'\n  namespace: shop\n  name: strict\n  version: '1.0.0'\n"
            "input:\n  schema:\n    document:\n      type: object\n      required: [orderId]\n      properties:\n"
            "        orderId: { type: string }\n        lines: { type: array, items: { type: object, required: [sku] } }\n"
            "do:\n  - a:\n      set: { x: 1 }\n");
    size_t before = harness_count(harness, TOPIC_ORCHESTRATOR);

    assert_int_equal(reply.status, 201);
    reply = ask_json(harness, "POST", "/v1/workflows/shop/strict/instances", "{\"input\": {\"lines\": [{\"sku\": 1}, {}]}}");
    assert_int_equal(reply.status, 422);
    assert_true(json_size(json_get(reply.json, STR("errors"))) >= 2);
    bool found = false;
    for (size_t i = 0; i < json_size(json_get(reply.json, STR("errors"))); i++) {
        struct json fault = json_at(json_get(reply.json, STR("errors")), i);
        found |= str_equal(json_str(json_get(fault, STR("pointer"))), STR("/input/lines/1"));
    }
    assert_true(found);
    assert_int_equal(harness_count(harness, TOPIC_ORCHESTRATOR), before);
    reply = ask_json(harness, "POST", "/v1/workflows/shop/strict/instances", "{\"input\": {\"orderId\": \"o-1\"}}");
    assert_int_equal(reply.status, 202);
    assert_int_equal(ask(harness, "POST", "/v1/workflows/shop/strict/instances", NULL, NULL).status, 422);
}

static void the_newest_version_is_started_but_no_prerelease(void **state) {
    struct harness *harness = *state;

    deploy(harness, "many", "1.9.0", ECHO);
    deploy(harness, "many", "1.10.0", ECHO);
    deploy(harness, "many", "2.0.0-rc.1", ECHO);
    struct reply reply = ask_json(harness, "POST", "/v1/workflows/shop/many/instances", "{}");
    assert_string_equal(reply_text(&reply, "/version"), "1.10.0");
    reply = ask_json(harness, "POST", "/v1/workflows/shop/many/instances", "{\"version\": \"latest\"}");
    assert_string_equal(reply_text(&reply, "/version"), "1.10.0");
    reply = ask_json(harness, "POST", "/v1/workflows/shop/many/instances", "{\"version\": \"2.0.0-rc.1\"}");
    assert_string_equal(reply_text(&reply, "/version"), "2.0.0-rc.1");
    deploy(harness, "many", "2.0.0", ECHO);
    reply = ask_json(harness, "POST", "/v1/workflows/shop/many/instances", "{}");
    assert_string_equal(reply_text(&reply, "/version"), "2.0.0");
}

static void idempotency_key_gives_the_first_answer(void **state) {
    static const char headers[] = "Content-Type: application/json\r\nIdempotency-Key: order 77\r\n";
    struct harness *harness = *state;
    struct reply first = ask(harness, "POST", PATH, headers, "{\"input\": 1}");
    struct reply again = ask(harness, "POST", PATH, headers, "{\"input\": 1}");
    struct reply other = ask(harness, "POST", PATH, headers, "{\"input\": 2}");
    struct reply elsewhere = ask(harness, "POST", "/v1/workflows/shop/slow/instances", headers, "{\"input\": 1}");

    assert_int_equal(first.status, 202);
    assert_int_equal(again.status, 202);
    assert_true(str_equal(first.body, again.body));
    assert_true(str_equal(reply_header(&first, "Location"), reply_header(&again, "Location")));
    assert_int_equal(other.status, 422);
    assert_int_equal(elsewhere.status, 422);
    assert_int_equal(ask(harness, "POST", PATH, "Content-Type: application/json\r\nIdempotency-Key: \r\n", "{}").status, 400);
}

static void idempotency_key_is_kept_for_a_day(void **state) {
    static const char headers[] = "Content-Type: application/yaml\r\nIdempotency-Key: a day\r\n";
    static const char first[] = "document: { dsl: '1.0.3', namespace: shop, name: day, version: '1.0.0' }\ndo: [ { a: { set: { x: 1 } } } ]\n";
    static const char second[] = "document: { dsl: '1.0.3', namespace: shop, name: day, version: '2.0.0' }\ndo: [ { a: { set: { x: 1 } } } ]\n";
    struct harness *harness = *state;

    assert_int_equal(ask(harness, "POST", "/v1/workflows", headers, first).status, 201);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", headers, second).status, 422);
    harness_pass(harness, 24 * 3600 * 1000 + 1000);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", headers, second).status, 201);
}

static void idempotency_key_holds_for_many_at_once(void **state) {
    enum { COUNT = 16 };
    static const char headers[] = "Content-Type: application/json\r\nIdempotency-Key: at once\r\n";
    struct harness *harness = *state;
    const char *id = NULL;
    int fds[COUNT];

    for (int i = 0; i < COUNT; i++) fds[i] = ask_begin(harness, "POST", PATH, headers, "{\"input\": 3}");
    for (int i = 0; i < COUNT; i++) {
        struct reply reply = ask_end(harness, fds[i]);
        assert_int_equal(reply.status, 202);
        if (id) assert_string_equal(id, reply_text(&reply, "/id"));
        id = reply_text(&reply, "/id");
    }
}

static void a_refused_start_is_said(void **state) {
    struct harness *harness = *state;

    harness_behave(harness, (struct behaviour){ .refuses = "the definition is gone" });
    struct reply reply = ask_json(harness, "POST", PATH, "{}");
    harness_behave(harness, (struct behaviour){ .is_silent = false });
    assert_int_equal(reply.status, 422);
    assert_string_equal(reply_text(&reply, "/detail"), "the definition is gone");
}

static void a_start_without_a_word_is_503(void **state) {
    struct harness *harness = *state;

    harness_behave(harness, (struct behaviour){ .is_deaf = true });
    size_t before = harness_count(harness, TOPIC_ORCHESTRATOR);
    int fd = ask_begin(harness, "POST", PATH, "Content-Type: application/json\r\n", "{\"key\": \"unheard\"}");
    while (harness_count(harness, TOPIC_ORCHESTRATOR) == before) usleep(1000);
    harness_pass(harness, 11 * 1000);
    struct reply reply = ask_end(harness, fd);
    harness_behave(harness, (struct behaviour){ .is_silent = false });
    assert_int_equal(reply.status, 503);
    assert_true(reply_header(&reply, "Retry-After").size > 0);
    assert_non_null(strstr(reply_text(&reply, "/detail"), "safe"));
    /* As it says: the same start again is the same instance. */
    reply = ask_json(harness, "POST", PATH, "{\"key\": \"unheard\"}");
    assert_int_equal(reply.status, 202);
}

static void an_input_too_large_for_a_message_is_413(void **state) {
    enum { SIZE = LIMIT_MESSAGE + 10 };
    struct harness *harness = *state;
    char *body = arena_alloc(harness->arena, SIZE + 32);
    size_t size = (size_t)sprintf(body, "{\"input\": \"");

    memset(body + size, 'x', SIZE);
    memcpy(body + size + SIZE, "\"}", 3);
    assert_int_equal(ask_json(harness, "POST", PATH, body).status, 413);
}

static void many_starts_at_once_are_all_answered(void **state) {
    enum { COUNT = 64 };
    struct harness *harness = *state;
    int fds[COUNT];

    for (int i = 0; i < COUNT; i++) {
        fds[i] = ask_begin(harness, "POST", PATH, "Content-Type: application/json\r\nPrefer: wait=30\r\n", "{\"input\": {\"n\": 1}}");
    }
    for (int i = 0; i < COUNT; i++) {
        struct reply reply = ask_end(harness, fds[i]);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply_text(&reply, "/status"), "completed");
    }
}

static void those_who_wait_are_told_of_the_end_of_the_server(void **state) {
    struct harness harness;
    struct err err;

    (void)state;
    assert_true(harness_open(&harness, NULL, &err));
    deploy(&harness, "slow", "1.0.0", WAIT);
    size_t before = harness_count(&harness, TOPIC_ORCHESTRATOR);
    int fd = ask_begin(&harness, "POST", "/v1/workflows/shop/slow/instances", "Content-Type: application/json\r\nPrefer: wait=60\r\n", "{}");
    while (harness_count(&harness, TOPIC_ORCHESTRATOR) == before) usleep(1000);
    struct arena *arena = harness.arena;
    harness.arena = arena_new();
    harness_close(&harness);
    harness.arena = arena;
    struct reply reply = ask_end(&harness, fd);
    assert_int_equal(reply.status, 503);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_202_with_location),
        cmocka_unit_test(an_answered_start_can_be_read_at_once),
        cmocka_unit_test(prefer_wait_gives_the_result),
        cmocka_unit_test(prefer_wait_ends_with_202),
        cmocka_unit_test(result_comes_without_a_snapshot_too),
        cmocka_unit_test(store_is_asked_where_the_message_is_lost),
        cmocka_unit_test(a_key_is_one_instance),
        cmocka_unit_test(a_key_is_one_instance_for_many_at_once),
        cmocka_unit_test(a_foreign_start_is_no_success),
        cmocka_unit_test(restart_begins_afresh_once_it_has_ended),
        cmocka_unit_test(faults_name_what_is_wrong),
        cmocka_unit_test(what_is_not_deployed_is_404),
        cmocka_unit_test(input_is_checked_before_anything_exists),
        cmocka_unit_test(the_newest_version_is_started_but_no_prerelease),
        cmocka_unit_test(idempotency_key_gives_the_first_answer),
        cmocka_unit_test(idempotency_key_is_kept_for_a_day),
        cmocka_unit_test(idempotency_key_holds_for_many_at_once),
        cmocka_unit_test(a_refused_start_is_said),
        cmocka_unit_test(a_start_without_a_word_is_503),
        cmocka_unit_test(an_input_too_large_for_a_message_is_413),
        cmocka_unit_test(many_starts_at_once_are_all_answered),
    };
    const struct CMUnitTest alone[] = { cmocka_unit_test(those_who_wait_are_told_of_the_end_of_the_server) };
    int failed = cmocka_run_group_tests_name("start", tests, set_up, tear_down);

    return failed + cmocka_run_group_tests_name("start: stop", alone, NULL, NULL);
}

#include "tests/unit/api/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"

#define SET "  - a:\n      set: { x: 1 }\n"
#define WAIT "  - hold:\n      wait: PT1H\n"
#define LISTEN "  - hold:\n      listen:\n        to: { one: { with: { type: io.penstock.signal.go.v1 } } }\n  - b:\n      set: { done: true }\n"
#define NOBODY "/v1/instances/0198f0c2-7d2e-7c3a-9a53-8a5d0c3c1f10"

static int set_up(void **state) {
    static struct harness harness;
    struct err err;

    assert_true(harness_open(&harness, NULL, &err));
    deploy(&harness, "quick", "1.0.0", SET);
    deploy(&harness, "slow", "1.0.0", WAIT);
    deploy(&harness, "signalled", "1.0.0", LISTEN);
    *state = &harness;
    return 0;
}

static int tear_down(void **state) {
    harness_close(*state);
    return 0;
}

static struct reply get(struct harness *harness, const char *id, const char *rest) {
    return ask(harness, "GET", str_format(harness->arena, "/v1/instances/%s%s", id, rest).data, NULL, NULL);
}

static struct reply post(struct harness *harness, const char *id, const char *rest, const char *body) {
    return ask_json(harness, "POST", str_format(harness->arena, "/v1/instances/%s%s", id, rest).data, body);
}

static size_t count_items(struct harness *harness, const char *query) {
    struct reply reply = ask(harness, "GET", str_format(harness->arena, "/v1/instances?%s", query).data, NULL, NULL);

    if (reply.status != 200) fail_msg("%s: %d " STR_FMT, query, reply.status, STR_ARG(reply.body));
    return json_size(json_get(reply.json, STR("items")));
}

static void lists_by_every_filter(void **state) {
    struct harness *harness = *state;

    start(harness, "quick", "{\"key\": \"f-1\", \"tags\": {\"shop\": \"berlin\", \"kind\": \"a\"}}", true);
    start(harness, "quick", "{\"key\": \"f-2\", \"tags\": {\"shop\": \"berlin\", \"kind\": \"b\"}}", true);
    await_status(harness, start(harness, "slow", "{\"key\": \"f-3\", \"tags\": {\"shop\": \"bern\"}}", false), "waiting");
    assert_int_equal(count_items(harness, "tag=shop:berlin"), 2);
    assert_int_equal(count_items(harness, "tag=shop:berlin&tag=kind:b"), 1);
    assert_int_equal(count_items(harness, "tag=shop:berlin&status=waiting"), 0);
    assert_int_equal(count_items(harness, "tag=shop:bern&status=waiting"), 1);
    assert_int_equal(count_items(harness, "tag=shop:berlin&status=completed,waiting"), 2);
    assert_int_equal(count_items(harness, "status=completed&status=waiting&search=f-"), 3);
    assert_int_equal(count_items(harness, "namespace=shop&workflow=quick&tag=shop:berlin"), 2);
    assert_int_equal(count_items(harness, "namespace=shop&workflow=quick&version=1.0.0&tag=shop:berlin"), 2);
    assert_int_equal(count_items(harness, "workflow=shop/slow&tag=shop:bern"), 1);
    assert_int_equal(count_items(harness, "workflow=slow&tag=shop:bern"), 1);
    assert_int_equal(count_items(harness, "workflow=quick&version=9.9.9"), 0);
    assert_int_equal(count_items(harness, "namespace=other"), 0);
    assert_int_equal(count_items(harness, "namespace=shop&key=f-3"), 1);
    assert_int_equal(count_items(harness, "key=f-3&search=F-3"), 1);
    assert_int_equal(count_items(harness, "search=BERN"), 1);
    assert_int_equal(count_items(harness, "from=2020-01-01T00:00:00Z&tag=shop:bern"), 1);
    assert_int_equal(count_items(harness, "to=2020-01-01T00:00:00%2B01:00"), 0);
}

static void an_item_says_what_a_head_says(void **state) {
    struct harness *harness = *state;
    const char *id = start(harness, "quick", "{\"key\": \"item\", \"tags\": {\"a\": \"b:c\", \"n\": 1}}", true);
    struct reply reply = ask(harness, "GET", "/v1/instances?key=item", NULL, NULL);

    assert_string_equal(reply_text(&reply, "/items/0/id"), id);
    assert_string_equal(reply_text(&reply, "/items/0/key"), "item");
    assert_string_equal(reply_text(&reply, "/items/0/namespace"), "shop");
    assert_string_equal(reply_text(&reply, "/items/0/workflow"), "quick");
    assert_string_equal(reply_text(&reply, "/items/0/version"), "1.0.0");
    assert_string_equal(reply_text(&reply, "/items/0/status"), "completed");
    assert_string_equal(reply_text(&reply, "/items/0/tags/a"), "b:c");
    assert_int_equal(strlen(reply_text(&reply, "/items/0/createdAt")), 24);
    assert_int_equal(strlen(reply_text(&reply, "/items/0/endedAt")), 24);
}

static void pages_hold_all_once(void **state) {
    enum { COUNT = 7 };
    struct harness *harness = *state;
    struct str next = STR_NULL;
    size_t seen = 0;

    for (int i = 0; i < COUNT; i++) start(harness, "quick", "{\"tags\": {\"page\": \"x\"}}", true);
    do {
        const char *path = str_format(harness->arena, "/v1/instances?tag=page:x&limit=3%s" STR_FMT, next.size ? "&cursor=" : "",
                STR_ARG(next)).data;
        struct reply reply = ask(harness, "GET", path, NULL, NULL);
        assert_int_equal(reply.status, 200);
        assert_true(json_size(json_get(reply.json, STR("items"))) <= 3);
        seen += json_size(json_get(reply.json, STR("items")));
        next = json_str(json_get(reply.json, STR("next")));
    } while (next.size);
    assert_int_equal(seen, COUNT);
}

static void refuses_queries_that_it_does_not_know(void **state) {
    static const char *const queries[] = { "colour=red", "status=odd", "status=", "tag=shop", "tag=a:1&tag=a:2&tag=a:3&tag=a:4", "from=today",
        "to=1", "limit=0", "limit=501", "limit=x", "limit=1&limit=2", "namespace=%zz", "namespace=%ff", "cursor=nonsense" };
    struct harness *harness = *state;

    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        struct reply reply = ask(harness, "GET", str_format(harness->arena, "/v1/instances?%s", queries[i]).data, NULL, NULL);
        if (reply.status != 400) fail_msg("%s: %d " STR_FMT, queries[i], reply.status, STR_ARG(reply.body));
    }
    struct reply reply = ask(harness, "GET", "/v1/instances?colour=red", NULL, NULL);
    assert_non_null(strstr(reply_text(&reply, "/detail"), "colour"));
}

static void counts_by_status(void **state) {
    struct harness *harness = *state;

    for (int i = 0; i < 3; i++) start(harness, "quick", "{\"tags\": {\"count\": \"me\"}}", true);
    await_status(harness, start(harness, "slow", "{\"tags\": {\"count\": \"me\"}}", false), "waiting");
    struct reply reply = ask(harness, "GET", "/v1/instances/stats?tag=count:me", NULL, NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(json_int64_or(json_get(reply.json, STR("total")), -1), 4);
    assert_int_equal(json_int64_or(json_pointer_get(reply.json, STR("/statuses/completed")), -1), 3);
    assert_int_equal(json_int64_or(json_pointer_get(reply.json, STR("/statuses/waiting")), -1), 1);
    assert_int_equal(json_int64_or(json_pointer_get(reply.json, STR("/statuses/faulted")), -1), 0);
    reply = ask(harness, "GET", "/v1/instances/stats?tag=count:me&from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z&bucket=PT8H", NULL, NULL);
    assert_int_equal(json_size(json_get(reply.json, STR("buckets"))), 3);
    assert_int_equal(ask(harness, "GET", "/v1/instances/stats?bucket=PT1H", NULL, NULL).status, 400);
    assert_int_equal(ask(harness, "GET", "/v1/instances/stats?bucket=P1M&from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z", NULL, NULL).status, 400);
    assert_int_equal(ask(harness, "GET", "/v1/instances/stats?search=x", NULL, NULL).status, 400);
}

static void what_is_not_there_is_404(void **state) {
    static const char *const rest[] = { "", "/history", "/tasks", "/events" };
    static const char *const actions[] = { "/suspend", "/resume", "/cancel", "/terminate", "/signals/go" };
    struct harness *harness = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rest); i++) {
        assert_int_equal(ask(harness, "GET", str_format(harness->arena, NOBODY "%s", rest[i]).data, NULL, NULL).status, 404);
        assert_int_equal(ask(harness, "GET", str_format(harness->arena, "/v1/instances/no-uuid%s", rest[i]).data, NULL, NULL).status, 404);
    }
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        assert_int_equal(ask(harness, "POST", str_format(harness->arena, NOBODY "%s", actions[i]).data, NULL, NULL).status, 404);
    }
}

static void get_waits_for_the_end(void **state) {
    struct harness *harness = *state;
    const char *id = start(harness, "signalled", "{}", false);

    await_status(harness, id, "waiting");
    const char *path = str_format(harness->arena, "/v1/instances/%s", id).data;
    int fd = ask_begin(harness, "GET", path, "Prefer: wait=30\r\n", NULL);
    struct reply early = ask(harness, "GET", path, "Prefer: wait=1\r\n", NULL);
    assert_int_equal(early.status, 202);
    assert_string_equal(reply_text(&early, "/status"), "waiting");
    assert_int_equal(post(harness, id, "/signals/go", "{\"by\": \"ada\"}").status, 202);
    struct reply reply = ask_end(harness, fd);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_text(&reply, "/status"), "completed");
    assert_true(str_equal(reply_header(&reply, "Preference-Applied"), STR("wait=30")));
    assert_int_equal(ask(harness, "GET", path, "Prefer: wait=1\r\n", NULL).status, 200);
}

static void history_has_the_facts_in_order(void **state) {
    struct harness *harness = *state;
    const char *id = start(harness, "quick", "{}", true);
    struct reply reply = get(harness, id, "/history");
    struct json items = json_get(reply.json, STR("items"));

    assert_int_equal(reply.status, 200);
    assert_true(json_is_null(json_get(reply.json, STR("next"))));
    assert_true(json_size(items) >= 4);
    assert_string_equal(reply_text(&reply, "/items/0/type"), "workflow.started");
    for (size_t i = 0; i < json_size(items); i++) {
        struct json row = json_at(items, i);
        assert_true(json_int64_or(json_get(row, STR("seq")), -1) >= 0);
        assert_int_equal(json_str(json_get(row, STR("time"))).size, 24);
    }
    struct json last = json_at(items, json_size(items) - 1);
    assert_true(str_equal(json_str(json_get(last, STR("type"))), STR("workflow.completed")));
    assert_int_equal(json_int64_or(json_pointer_get(last, STR("/data/output/x")), 0), 1);
    /* Page by page it is the same. */
    size_t seen = 0;
    struct str next = STR_NULL;
    do {
        const char *rest = str_format(harness->arena, "/history?limit=1%s" STR_FMT, next.size ? "&cursor=" : "", STR_ARG(next)).data;
        reply = get(harness, id, rest);
        assert_true(json_equal(json_at(json_get(reply.json, STR("items")), 0), json_at(items, seen++)));
        next = json_str(json_get(reply.json, STR("next")));
    } while (next.size);
    assert_int_equal(seen, json_size(items));
    assert_int_equal(get(harness, id, "/history?cursor=x").status, 400);
}

static void tasks_are_told_by_their_facts(void **state) {
    struct harness *harness = *state;

    deploy(harness, "loop", "1.0.0", "  - each:\n      for: { each: n, in: '${ [1, 2, 3] }' }\n      do:\n        - one:\n            set: { x: 1 }\n");
    const char *id = start(harness, "loop", "{}", true);
    struct reply reply = get(harness, id, "/tasks");
    struct json items = json_get(reply.json, STR("items"));

    assert_int_equal(reply.status, 200);
    assert_int_equal(json_size(items), 4);
    assert_string_equal(reply_text(&reply, "/items/0/name"), "each");
    assert_string_equal(reply_text(&reply, "/items/3/pointer"), "/do/0/each/do/0/one");
    assert_int_equal(json_int64_or(json_pointer_get(reply.json, STR("/items/3/iteration")), 0), 3);
    for (size_t i = 0; i < 4; i++) assert_true(str_equal(json_str(json_get(json_at(items, i), STR("status"))), STR("completed")));
    reply = get(harness, id, "/tasks?limit=3");
    assert_string_equal(reply_text(&reply, "/next"), "3");
    reply = get(harness, id, "/tasks?limit=3&cursor=3");
    assert_int_equal(json_size(json_get(reply.json, STR("items"))), 1);
}

static void a_stream_tells_history_and_what_comes(void **state) {
    struct harness *harness = *state;
    const char *id = start(harness, "signalled", "{}", false);

    await_status(harness, id, "waiting");
    const char *path = str_format(harness->arena, "/v1/instances/%s/events", id).data;
    int fd = ask_begin(harness, "GET", path, NULL, NULL);
    const char *head = read_until(harness, fd, "event: task.started");
    assert_non_null(head);
    assert_non_null(strstr(head, "text/event-stream"));
    assert_non_null(strstr(head, "id: 0\nevent: workflow.started\ndata: {"));
    assert_int_equal(post(harness, id, "/signals/go", NULL).status, 202);
    assert_non_null(read_until(harness, fd, "event: workflow.completed"));
    /* It is over with the instance. */
    struct reply rest = ask_end(harness, fd);
    (void)rest;
    fd = ask_begin(harness, "GET", path, "Last-Event-ID: 1\r\n", NULL);
    const char *later = read_until(harness, fd, "event: workflow.completed");
    assert_non_null(later);
    assert_null(strstr(later, "id: 1\n"));
    assert_non_null(strstr(later, "id: 2\n"));
    close(fd);
    assert_int_equal(ask(harness, "GET", path, "Last-Event-ID: x\r\n", NULL).status, 400);
}

static void commands_are_carried_out(void **state) {
    struct harness *harness = *state;
    const char *id = start(harness, "slow", "{}", false);
    struct reply reply = post(harness, id, "/suspend", NULL);

    assert_int_equal(reply.status, 202);
    assert_string_equal(reply_text(&reply, "/id"), id);
    await_status(harness, id, "suspended");
    assert_int_equal(post(harness, id, "/resume", "{}").status, 202);
    await_status(harness, id, "waiting");
    assert_int_equal(post(harness, id, "/cancel", NULL).status, 202);
    await_status(harness, id, "cancelled");
    static const char *const actions[] = { "/suspend", "/resume", "/cancel", "/terminate", "/signals/go" };
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) assert_int_equal(post(harness, id, actions[i], NULL).status, 409);
    id = start(harness, "slow", "{}", false);
    assert_int_equal(post(harness, id, "/terminate", NULL).status, 202);
    await_status(harness, id, "cancelled");
    assert_int_equal(post(harness, id, "/terminate", "{\"why\": 1}").status, 422);
}

static void a_signal_is_an_event_for_one_instance(void **state) {
    struct harness *harness = *state;
    const char *id = start(harness, "signalled", "{}", false), *other = start(harness, "signalled", "{}", false);

    struct reply reply = post(harness, id, "/signals/go", "[1, 2.50]");
    assert_int_equal(reply.status, 202);
    await_status(harness, id, "completed");
    await_status(harness, other, "waiting");
    const char *message = harness_newest(harness, TOPIC_ORCHESTRATOR);
    assert_non_null(strstr(message, "\"type\":\"io.penstock.signal.go.v1\""));
    assert_non_null(strstr(message, str_format(harness->arena, "\"subject\":\"%s\"", id).data));
    assert_non_null(strstr(message, "\"data\":[1,2.50]"));
    assert_int_equal(post(harness, other, "/signals/-odd", NULL).status, 422);
    assert_int_equal(post(harness, other, "/signals/a%20b", NULL).status, 422);
}

static void the_same_signal_has_one_id(void **state) {
    static const char headers[] = "Content-Type: application/json\r\nIdempotency-Key: signal-1\r\n";
    struct harness *harness = *state;
    const char *id = start(harness, "signalled", "{}", false);
    const char *path = str_format(harness->arena, "/v1/instances/%s/signals/other", id).data;
    struct reply first = ask(harness, "POST", path, headers, "1"), again = ask(harness, "POST", path, headers, "1");

    assert_int_equal(first.status, 202);
    assert_int_equal(again.status, 202);
    assert_true(str_equal(first.body, again.body));
    assert_int_equal(ask(harness, "POST", path, headers, "2").status, 422);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_by_every_filter),
        cmocka_unit_test(an_item_says_what_a_head_says),
        cmocka_unit_test(pages_hold_all_once),
        cmocka_unit_test(refuses_queries_that_it_does_not_know),
        cmocka_unit_test(counts_by_status),
        cmocka_unit_test(what_is_not_there_is_404),
        cmocka_unit_test(get_waits_for_the_end),
        cmocka_unit_test(history_has_the_facts_in_order),
        cmocka_unit_test(tasks_are_told_by_their_facts),
        cmocka_unit_test(a_stream_tells_history_and_what_comes),
        cmocka_unit_test(commands_are_carried_out),
        cmocka_unit_test(a_signal_is_an_event_for_one_instance),
        cmocka_unit_test(the_same_signal_has_one_id),
    };

    return cmocka_run_group_tests_name("instances", tests, set_up, tear_down);
}

/* The conventions that hold for every route. */

#include "tests/unit/api/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/uuid.h"

#define START "/v1/workflows/shop/echo/instances"
#define JSON "Content-Type: application/json\r\n"

static int set_up(void **state) {
    static struct harness harness;
    struct err err;

    assert_true(harness_open(&harness, NULL, &err));
    deploy(&harness, "echo", "1.0.0", "  - a:\n      set: { x: 1 }\n");
    *state = &harness;
    return 0;
}

static int tear_down(void **state) {
    harness_close(*state);
    return 0;
}

static void assert_problem(const struct reply *reply, int status) {
    if (reply->status != status) fail_msg("%d, not %d: " STR_FMT, reply->status, status, STR_ARG(reply->body));
    assert_true(str_equal(reply_header(reply, "Content-Type"), STR("application/problem+json")));
    assert_true(json_str(json_get(reply->json, STR("type"))).size > 0);
    assert_true(json_str(json_get(reply->json, STR("title"))).size > 0);
    assert_true(json_str(json_get(reply->json, STR("detail"))).size > 0);
    assert_int_equal(json_int64_or(json_get(reply->json, STR("status")), 0), status);
}

static void bodies_that_cannot_be_read_are_400(void **state) {
    static const char *const bodies[] = { "{", "{\"input\": 1,}", "{'input': 1}", "{\"input\": \"\\ud800\"}", "{\"input\": \"\xff\"}",
        "{\"input\": 01}", "{\"input\": NaN}", "{\"input\": 1} x", "{\"a\": 1, \"a\": 2}", "\xef\xbb\xbf{" };
    struct harness *harness = *state;
    struct buf deep;

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct reply reply = ask_json(harness, "POST", START, bodies[i]);
        assert_problem(&reply, 400);
    }
    buf_init(&deep, 1024);
    buf_append_c(&deep, "{\"input\": ");
    for (int i = 0; i < LIMIT_DEPTH; i++) buf_append_char(&deep, '[');
    for (int i = 0; i < LIMIT_DEPTH; i++) buf_append_char(&deep, ']');
    buf_append_c(&deep, "}");
    buf_append_char(&deep, '\0');
    struct reply reply = ask_json(harness, "POST", START, deep.data);
    assert_problem(&reply, 400);
    buf_clear(&deep);
}

static void other_types_are_415(void **state) {
    static const char *const types[] = { "", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/json; charset=utf-16\r\n", "Content-Type: application/jsonp\r\n", "Content-Type: \r\n" };
    struct harness *harness = *state;

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct reply reply = ask(harness, "POST", START, types[i], "{}");
        assert_problem(&reply, 415);
    }
    struct reply reply = ask(harness, "POST", START, "Content-Type: Application/JSON; Charset=\"UTF-8\"\r\n", "{}");
    assert_int_equal(reply.status, 202);
}

static void sizes_have_limits(void **state) {
    struct harness *harness = *state;
    char *text = arena_alloc(harness->arena, LIMIT_BODY + 64);

    memset(text, ' ', LIMIT_BODY + 2);
    text[LIMIT_BODY + 2] = '\0';
    struct reply reply = ask_json(harness, "POST", START, text);
    assert_problem(&reply, 413);
    memcpy(text, "X-Large: ", 9);
    memset(text + 9, 'x', LIMIT_HEADER);
    memcpy(text + 9 + LIMIT_HEADER, "\r\n", 3);
    assert_int_equal(ask(harness, "GET", "/v1/instances", text, NULL).status, 431);
}

static void unknown_paths_name_the_nearest(void **state) {
    static const struct { const char *path, *nearest; } cases[] = {
        { "/v1/workflow", "'/v1/workflows'" },
        { "/v1/workflows/", "'/v1/workflows'" },
        { "/v1/instances/0198f0c2-7d2e-7c3a-9a53-8a5d0c3c1f10/histroy", "/history'" },
        { "/v1/event", "'/v1/events'" },
    };
    struct harness *harness = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reply reply = ask(harness, "GET", cases[i].path, NULL, NULL);
        assert_problem(&reply, 404);
        if (!strstr(reply_text(&reply, "/detail"), cases[i].nearest)) fail_msg("%s: %s", cases[i].path, reply_text(&reply, "/detail"));
    }
    struct reply reply = ask(harness, "GET", "/nothing/like/it", NULL, NULL);
    assert_problem(&reply, 404);
    reply = ask(harness, "GET", "/v1/workflows/%ff/x", NULL, NULL);
    assert_problem(&reply, 400);
    reply = ask(harness, "GET", "/v1/workflows/%00/x", NULL, NULL);
    assert_problem(&reply, 400);
    assert_int_equal(ask(harness, "GET", "/v1/workflows/sh%6Fp/echo", NULL, NULL).status, 200);
}

static void other_methods_are_405(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask(harness, "PATCH", "/v1/workflows", NULL, NULL);

    assert_problem(&reply, 405);
    assert_true(str_equal(reply_header(&reply, "Allow"), STR("GET, HEAD, POST")));
    reply = ask(harness, "DELETE", "/v1/instances/stats", NULL, NULL);
    assert_problem(&reply, 405);
    assert_true(str_equal(reply_header(&reply, "Allow"), STR("GET, HEAD")));
}

static void head_is_get_without_a_body(void **state) {
    struct harness *harness = *state;
    struct reply get = ask(harness, "GET", "/v1/workflows", NULL, NULL), head = ask(harness, "HEAD", "/v1/workflows", NULL, NULL);

    assert_int_equal(head.status, 200);
    assert_int_equal(head.body.size, 0);
    assert_true(str_equal(reply_header(&get, "Content-Length"), reply_header(&head, "Content-Length")));
}

static void requests_have_an_id(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask(harness, "GET", "/v1/me", NULL, NULL);

    assert_true(uuid_is_valid(reply_header(&reply, "X-Request-Id")));
    reply = ask(harness, "GET", "/v1/me", "X-Request-Id: mine-1\r\n", NULL);
    assert_true(str_equal(reply_header(&reply, "X-Request-Id"), STR("mine-1")));
    reply = ask(harness, "GET", "/v1/me", "X-Request-Id: a b\r\n", NULL);
    assert_true(uuid_is_valid(reply_header(&reply, "X-Request-Id")));
    reply = ask(harness, "GET", "/nothing", "X-Request-Id: mine-2\r\n", NULL);
    assert_true(str_equal(reply_header(&reply, "X-Request-Id"), STR("mine-2")));
}

static void requests_are_counted(void **state) {
    struct harness *harness = *state;
    int64_t before = metrics_get(harness->world.metrics, METRIC_REQUESTS);

    ask(harness, "GET", "/v1/me", NULL, NULL);
    ask(harness, "GET", "/nothing", NULL, NULL);
    assert_int_equal(metrics_get(harness->world.metrics, METRIC_REQUESTS), before + 2);
}

static void the_system_says_what_it_is(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask(harness, "GET", "/v1/system", NULL, NULL);

    assert_int_equal(reply.status, 200);
    assert_true(json_bool_or(json_pointer_get(reply.json, STR("/store/ok")), false));
    assert_true(json_bool_or(json_pointer_get(reply.json, STR("/bus/ok")), false));
    reply = ask(harness, "GET", "/v1/me", NULL, NULL);
    assert_string_equal(reply_text(&reply, "/role"), "admin");
    assert_false(json_bool_or(json_get(reply.json, STR("authenticated")), true));
}

/* Names of users go into the page; none of them is markup. */
static void the_page_lists_and_escapes(void **state) {
    struct harness *harness = *state;

    start(harness, "echo", "{}", true);
    struct reply reply = ask(harness, "GET", "/", NULL, NULL);
    assert_int_equal(reply.status, 200);
    assert_true(str_equal(reply_header(&reply, "Content-Type"), STR("text/html; charset=utf-8")));
    assert_true(str_find(reply.body, STR("shop/echo/1.0.0")) < reply.body.size);
    assert_true(str_find(reply.body, STR("<script")) == reply.body.size);
    assert_true(str_find(reply_header(&reply, "Content-Security-Policy"), STR("default-src 'none'")) == 0);
}

static void idempotency_holds_for_deploying_too(void **state) {
    static const char headers[] = "Content-Type: application/yaml\r\nIdempotency-Key: deploy-1\r\n";
    static const char text[] = "document: { dsl: '1.0.3', namespace: shop, name: idem, version: '1.0.0' }\ndo: [ { a: { set: { x: 1 } } } ]\n";
    struct harness *harness = *state;
    struct reply first = ask(harness, "POST", "/v1/workflows", headers, text), again = ask(harness, "POST", "/v1/workflows", headers, text);

    assert_int_equal(first.status, 201);
    assert_int_equal(again.status, 201);
    assert_true(str_equal(first.body, again.body));
    assert_int_equal(ask(harness, "POST", "/v1/workflows", "Content-Type: application/yaml\r\n", text).status, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_that_cannot_be_read_are_400),
        cmocka_unit_test(other_types_are_415),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(unknown_paths_name_the_nearest),
        cmocka_unit_test(other_methods_are_405),
        cmocka_unit_test(head_is_get_without_a_body),
        cmocka_unit_test(requests_have_an_id),
        cmocka_unit_test(requests_are_counted),
        cmocka_unit_test(the_system_says_what_it_is),
        cmocka_unit_test(the_page_lists_and_escapes),
        cmocka_unit_test(idempotency_holds_for_deploying_too),
    };

    return cmocka_run_group_tests_name("call", tests, set_up, tear_down);
}

#include "tests/unit/api/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define TEXT "document: { dsl: '1.0.3', namespace: %s, name: echo, version: '1.0.0' }\ndo: [ { a: { set: { x: 1 } } } ]\n"

static void open_with(struct harness *harness, const struct harness_options *options) {
    struct err err;

    if (!harness_open(harness, options, &err)) fail_msg("%s", err.message);
}

static void use_key(struct harness *harness, const char *key) {
    snprintf(harness->key, sizeof(harness->key), "%s", key);
}

/* Makes a key with the one in use. */
static const char *make_key(struct harness *harness, const char *body) {
    struct reply reply = ask_json(harness, "POST", "/v1/keys", body);

    if (reply.status != 201) fail_msg("%d " STR_FMT, reply.status, STR_ARG(reply.body));
    return reply_text(&reply, "/key");
}

static void reachable_listeners_need_a_key(void **state) {
    struct harness harness;
    struct err err;

    (void)state;
    assert_false(harness_open(&harness, &(struct harness_options){ .listen = "0.0.0.0:0" }, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.message, "PENSTOCK_ADMIN_KEY"));
    assert_false(harness_open(&harness, &(struct harness_options){ .listen = "[::]:0" }, &err));
    open_with(&harness, &(struct harness_options){ .listen = "0.0.0.0:0", .admin_key = "first" });
    assert_int_equal(ask(&harness, "GET", "/v1/instances", NULL, NULL).status, 401);
    use_key(&harness, "first");
    assert_int_equal(ask(&harness, "GET", "/v1/instances", NULL, NULL).status, 200);
    harness_close(&harness);
}

static void without_keys_only_this_machine_is_served(void **state) {
    static const char *const good[] = { "Host: localhost\r\n", "Host: 127.0.0.1:8000\r\n", "Host: [::1]:8000\r\n", "Host: LOCALHOST:1\r\n",
        "Host: localhost\r\nOrigin: http://localhost:3000\r\n", "Host: localhost\r\nOrigin: http://[::1]\r\n" };
    static const char *const bad[] = { "Host: penstock.example\r\n", "Host: 127.0.0.1.example.org\r\n", "Host: localhost.example\r\n",
        "Host: 192.168.0.1:8000\r\n", "Host: localhost\r\nOrigin: https://evil.example\r\n", "Host: localhost\r\nOrigin: null\r\n" };
    struct harness harness;

    (void)state;
    open_with(&harness, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) assert_int_equal(ask(&harness, "GET", "/v1/instances", good[i], NULL).status, 200);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(ask(&harness, "GET", "/v1/instances", bad[i], NULL).status, 403);
        assert_int_equal(ask(&harness, "GET", "/", bad[i], NULL).status, 403);
    }
    harness_close(&harness);
}

static void from_the_first_key_on_one_is_needed(void **state) {
    struct harness harness;

    (void)state;
    open_with(&harness, NULL);
    assert_int_equal(ask_json(&harness, "POST", "/v1/keys", "{\"name\": \"ci\", \"role\": \"operator\"}").status, 422);
    assert_int_equal(ask_json(&harness, "POST", "/v1/keys", "{\"name\": \"a\", \"role\": \"admin\", \"namespaces\": [\"shop\"]}").status, 422);
    const char *key = make_key(&harness, "{\"name\": \"ada\", \"role\": \"admin\"}");
    struct reply reply = ask(&harness, "GET", "/v1/instances", NULL, NULL);
    assert_int_equal(reply.status, 401);
    assert_true(str_starts_with(reply_header(&reply, "WWW-Authenticate"), STR("Bearer")));
    assert_int_equal(ask(&harness, "GET", "/v1/instances", "Authorization: Basic YTpi\r\n", NULL).status, 401);
    assert_int_equal(ask(&harness, "GET", "/openapi.json", NULL, NULL).status, 200);
    struct reply page = ask(&harness, "GET", "/", NULL, NULL);
    assert_int_equal(page.status, 200);
    assert_true(str_find(page.body, STR("<h2>")) == page.body.size);
    use_key(&harness, "psk_wrong");
    assert_int_equal(ask(&harness, "GET", "/v1/instances", NULL, NULL).status, 401);
    use_key(&harness, key);
    /* With a key, from any name. */
    assert_int_equal(ask(&harness, "GET", "/v1/instances", "Host: penstock.example\r\n", NULL).status, 200);
    reply = ask(&harness, "GET", "/v1/me", NULL, NULL);
    assert_string_equal(reply_text(&reply, "/name"), "ada");
    assert_string_equal(reply_text(&reply, "/role"), "admin");
    harness_close(&harness);
}

static void a_key_is_shown_once(void **state) {
    struct harness harness;

    (void)state;
    open_with(&harness, &(struct harness_options){ .admin_key = "first" });
    use_key(&harness, "first");
    struct reply made = ask_json(&harness, "POST", "/v1/keys", "{\"name\": \"ci\", \"role\": \"viewer\", \"expiresAt\": \"2999-01-01T00:00:00Z\"}");
    assert_int_equal(made.status, 201);
    const char *key = reply_text(&made, "/key"), *id = reply_text(&made, "/id");
    struct reply list = ask(&harness, "GET", "/v1/keys", NULL, NULL);
    assert_int_equal(json_size(json_get(list.json, STR("items"))), 1);
    assert_string_equal(reply_text(&list, "/items/0/name"), "ci");
    assert_true(str_find(list.body, str_from(key)) == list.body.size);
    const char *path = str_format(harness.arena, "/v1/keys/%s", id).data;
    assert_int_equal(ask(&harness, "GET", path, NULL, NULL).status, 200);
    use_key(&harness, key);
    assert_int_equal(ask(&harness, "GET", "/v1/instances", NULL, NULL).status, 200);
    assert_int_equal(ask(&harness, "GET", "/v1/keys", NULL, NULL).status, 403);
    use_key(&harness, "first");
    assert_int_equal(ask(&harness, "DELETE", path, NULL, NULL).status, 204);
    assert_int_equal(ask(&harness, "DELETE", path, NULL, NULL).status, 404);
    use_key(&harness, key);
    assert_int_equal(ask(&harness, "GET", "/v1/instances", NULL, NULL).status, 401);
    harness_close(&harness);
}

static void a_key_ends_when_it_says(void **state) {
    struct harness harness;

    (void)state;
    open_with(&harness, &(struct harness_options){ .admin_key = "first" });
    use_key(&harness, "first");
    use_key(&harness, make_key(&harness, "{\"name\": \"ci\", \"role\": \"viewer\", \"expiresAt\": \"2999-01-01T00:00:00Z\"}"));
    assert_int_equal(ask(&harness, "GET", "/v1/instances", NULL, NULL).status, 200);
    harness_pass(&harness, (int64_t)1000 * 366 * 24 * 3600 * 1000);
    struct reply reply = ask(&harness, "GET", "/v1/instances", NULL, NULL);
    assert_int_equal(reply.status, 401);
    assert_string_equal(reply_text(&reply, "/detail"), "The key has expired.");
    harness_close(&harness);
}

static void refuses_keys_that_make_no_sense(void **state) {
    static const struct { const char *body, *pointer; } cases[] = {
        { "{\"role\": \"viewer\"}", "/name" },
        { "{\"name\": \"x\", \"role\": \"king\"}", "/role" },
        { "{\"name\": \"x\", \"role\": \"viewer\", \"namespaces\": []}", "/namespaces" },
        { "{\"name\": \"x\", \"role\": \"viewer\", \"namespaces\": [\"A B\"]}", "/namespaces/0" },
        { "{\"name\": \"x\", \"role\": \"viewer\", \"expiresAt\": \"2001-01-01T00:00:00Z\"}", "/expiresAt" },
        { "{\"name\": \"x\", \"role\": \"viewer\", \"scope\": 1}", "/scope" },
    };
    struct harness harness;

    (void)state;
    open_with(&harness, &(struct harness_options){ .admin_key = "first" });
    use_key(&harness, "first");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reply reply = ask_json(&harness, "POST", "/v1/keys", cases[i].body);
        assert_int_equal(reply.status, 422);
        assert_string_equal(reply_text(&reply, "/errors/0/pointer"), cases[i].pointer);
    }
    assert_int_equal(ask(&harness, "POST", "/v1/keys", "Content-Type: application/json\r\nIdempotency-Key: k\r\n",
            "{\"name\": \"x\", \"role\": \"viewer\"}").status, 422);
    harness_close(&harness);
}

static void roles_allow_what_they_say(void **state) {
    static const struct { const char *role; int me, list, start, deploy, keys; } cases[] = {
        { "worker", 200, 403, 403, 403, 403 },
        { "viewer", 200, 200, 403, 403, 403 },
        { "operator", 200, 200, 202, 403, 403 },
        { "author", 200, 200, 202, 200, 403 },
        { "admin", 200, 200, 202, 200, 200 },
    };
    struct harness harness;

    (void)state;
    open_with(&harness, &(struct harness_options){ .admin_key = "first" });
    use_key(&harness, "first");
    const char *text = str_format(harness.arena, TEXT, "shop").data;
    assert_int_equal(ask(&harness, "POST", "/v1/workflows", "Content-Type: application/yaml\r\n", text).status, 201);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        use_key(&harness, "first");
        use_key(&harness, make_key(&harness, str_format(harness.arena, "{\"name\": \"%s\", \"role\": \"%s\"}", cases[i].role, cases[i].role).data));
        struct reply me = ask(&harness, "GET", "/v1/me", NULL, NULL);
        assert_int_equal(me.status, cases[i].me);
        assert_string_equal(reply_text(&me, "/role"), cases[i].role);
        assert_int_equal(ask(&harness, "GET", "/v1/instances", NULL, NULL).status, cases[i].list);
        assert_int_equal(ask_json(&harness, "POST", "/v1/workflows/shop/echo/instances", "{}").status, cases[i].start);
        assert_int_equal(ask(&harness, "POST", "/v1/workflows", "Content-Type: application/yaml\r\n", text).status, cases[i].deploy);
        assert_int_equal(ask(&harness, "GET", "/v1/keys", NULL, NULL).status, cases[i].keys);
    }
    harness_close(&harness);
}

static void namespaces_bind_a_key(void **state) {
    struct harness harness;

    (void)state;
    open_with(&harness, &(struct harness_options){ .admin_key = "first" });
    use_key(&harness, "first");
    for (int i = 0; i < 2; i++) {
        const char *text = str_format(harness.arena, TEXT, i ? "bank" : "shop").data;
        assert_int_equal(ask(&harness, "POST", "/v1/workflows", "Content-Type: application/yaml\r\n", text).status, 201);
    }
    struct reply foreign = ask(&harness, "POST", "/v1/workflows/bank/echo/instances", "Content-Type: application/json\r\nPrefer: wait=20\r\n", "{}");
    assert_int_equal(foreign.status, 200);
    const char *path = str_format(harness.arena, "/v1/instances/%s", reply_text(&foreign, "/id")).data;
    use_key(&harness, make_key(&harness, "{\"name\": \"shop\", \"role\": \"admin\", \"namespaces\": [\"shop\"]}"));
    struct reply own = ask(&harness, "POST", "/v1/workflows/shop/echo/instances", "Content-Type: application/json\r\nPrefer: wait=20\r\n", "{}");
    assert_int_equal(own.status, 200);
    assert_int_equal(ask(&harness, "GET", path, NULL, NULL).status, 403);
    assert_int_equal(ask(&harness, "GET", str_format(harness.arena, "%s/history", path).data, NULL, NULL).status, 403);
    assert_int_equal(ask(&harness, "POST", str_format(harness.arena, "%s/cancel", path).data, NULL, NULL).status, 403);
    assert_int_equal(ask_json(&harness, "POST", "/v1/workflows/bank/echo/instances", "{}").status, 403);
    assert_int_equal(ask(&harness, "GET", "/v1/workflows/bank/echo", NULL, NULL).status, 403);
    assert_int_equal(ask(&harness, "GET", "/v1/workflows/bank/echo/latest", NULL, NULL).status, 403);
    assert_int_equal(ask(&harness, "DELETE", "/v1/workflows/bank/echo/1.0.0", NULL, NULL).status, 403);
    assert_int_equal(ask(&harness, "GET", "/v1/instances?namespace=bank", NULL, NULL).status, 403);
    assert_int_equal(ask(&harness, "GET", "/v1/events", NULL, NULL).status, 403);
    assert_int_equal(ask(&harness, "GET", "/v1/keys", NULL, NULL).status, 403);
    struct reply list = ask(&harness, "GET", "/v1/instances", NULL, NULL);
    assert_int_equal(json_size(json_get(list.json, STR("items"))), 1);
    list = ask(&harness, "GET", "/v1/workflows", NULL, NULL);
    assert_int_equal(json_size(json_get(list.json, STR("items"))), 1);
    assert_string_equal(reply_text(&list, "/items/0/namespace"), "shop");
    harness_close(&harness);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reachable_listeners_need_a_key),
        cmocka_unit_test(without_keys_only_this_machine_is_served),
        cmocka_unit_test(from_the_first_key_on_one_is_needed),
        cmocka_unit_test(a_key_is_shown_once),
        cmocka_unit_test(a_key_ends_when_it_says),
        cmocka_unit_test(refuses_keys_that_make_no_sense),
        cmocka_unit_test(roles_allow_what_they_say),
        cmocka_unit_test(namespaces_bind_a_key),
    };

    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}

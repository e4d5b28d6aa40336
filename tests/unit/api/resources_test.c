/* Events, connections, secrets. */

#include "tests/unit/api/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"

#define MASTER "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define STRUCTURED "Content-Type: application/cloudevents+json; charset=utf-8\r\n"
#define BATCHED "Content-Type: application/cloudevents-batch+json\r\n"
#define EVENT "{\"specversion\": \"1.0\", \"id\": \"e-1\", \"source\": \"/shop\", \"type\": \"order.paid\", \"subject\": \"o-1\", \"data\": {\"n\": 1.50}}"
#define CE "ce-specversion: 1.0\r\nce-id: 1234\r\nCE-Source: /a%20b\r\nce-type: order.paid\r\nce-traceparent: x\r\n"

static int set_up(void **state) {
    static struct harness harness;
    struct err err;

    assert_true(harness_open(&harness, &(struct harness_options){ .master_key = MASTER }, &err));
    *state = &harness;
    return 0;
}

static int tear_down(void **state) {
    harness_close(*state);
    return 0;
}

/* The event that was published last, as soon as it is there. */
static struct json published(struct harness *harness, size_t before) {
    struct json event;
    struct err err;

    while (harness_count(harness, TOPIC_EVENTS_IN) == before) ask(harness, "GET", "/v1/me", NULL, NULL);
    assert_true(json_read(str_from(harness_newest(harness, TOPIC_EVENTS_IN)), NULL, harness->arena, &event, NULL, &err));
    return event;
}

static void takes_structured_events(void **state) {
    struct harness *harness = *state;
    size_t before = harness_count(harness, TOPIC_EVENTS_IN);

    assert_int_equal(ask(harness, "POST", "/v1/events", STRUCTURED, EVENT).status, 202);
    struct json event = published(harness, before);
    assert_true(str_equal(json_str(json_get(event, STR("type"))), STR("order.paid")));
    assert_non_null(strstr(harness_newest(harness, TOPIC_EVENTS_IN), "1.50"));
}

static void takes_binary_events(void **state) {
    static const struct { const char *type, *body, *member, *text; } cases[] = {
        { "application/json", "{\"message\": \"Hello\"}", "/data/message", "Hello" },
        { "application/vnd.x+json; charset=utf-8", "{\"message\": \"Hello\"}", "/data/message", "Hello" },
        { "text/plain", "Hello", "/data", "Hello" },
        { "application/octet-stream", "Hello", "/data_base64", "SGVsbG8=" },
    };
    struct harness *harness = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t before = harness_count(harness, TOPIC_EVENTS_IN);
        const char *headers = str_format(harness->arena, "%sContent-Type: %s\r\n", CE, cases[i].type).data;
        struct reply reply = ask(harness, "POST", "/v1/events", headers, cases[i].body);
        if (reply.status != 202) fail_msg("%s: " STR_FMT, cases[i].type, STR_ARG(reply.body));
        struct json event = published(harness, before);
        assert_true(str_equal(json_str(json_pointer_get(event, str_from(cases[i].member))), str_from(cases[i].text)));
        assert_true(str_equal(json_str(json_get(event, STR("source"))), STR("/a b")));
        assert_true(str_equal(json_str(json_get(event, STR("traceparent"))), STR("x")));
        assert_true(str_equal(json_str(json_get(event, STR("datacontenttype"))), str_from(cases[i].type)));
    }
    assert_int_equal(ask(harness, "POST", "/v1/events", CE, NULL).status, 202);
}

static void takes_batches_whole_or_not(void **state) {
    struct harness *harness = *state;
    size_t before = harness_count(harness, TOPIC_EVENTS_IN);
    struct reply reply = ask(harness, "POST", "/v1/events", BATCHED, "[" EVENT ", {\"specversion\": \"1.0\", \"id\": \"\"}, 1]");

    assert_int_equal(reply.status, 422);
    assert_string_equal(reply_text(&reply, "/errors/0/pointer"), "/1");
    assert_string_equal(reply_text(&reply, "/errors/1/pointer"), "/2");
    assert_int_equal(harness_count(harness, TOPIC_EVENTS_IN), before);
    reply = ask(harness, "POST", "/v1/events", BATCHED, "[" EVENT ", " EVENT "]");
    assert_int_equal(reply.status, 202);
    assert_int_equal(json_int64_or(json_get(reply.json, STR("accepted")), 0), 2);
    assert_int_equal(ask(harness, "POST", "/v1/events", BATCHED, "[]").status, 202);
}

static void refuses_what_is_no_event(void **state) {
    static const struct { const char *headers, *body; int status; } cases[] = {
        { STRUCTURED, "{", 400 },
        { STRUCTURED, "[]", 422 },
        { STRUCTURED, "{\"specversion\": \"0.3\", \"id\": \"1\", \"source\": \"/\", \"type\": \"t\"}", 422 },
        { STRUCTURED, "{\"specversion\": \"1.0\", \"source\": \"/\", \"type\": \"t\"}", 422 },
        { STRUCTURED, "{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"/\", \"type\": \"t\", \"time\": \"noon\"}", 422 },
        { STRUCTURED, "{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"/\", \"type\": \"t\", \"data_base64\": \"*\"}", 422 },
        { STRUCTURED, "{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"/\", \"type\": \"t\", \"data\": 1, \"data_base64\": \"YQ==\"}", 422 },
        { "Content-Type: application/json\r\n", EVENT, 415 },
        { CE "Content-Type: application/json\r\n", "{", 400 },
        { CE "ce-id: 2\r\n", NULL, 400 },
        { "ce-specversion: 1.0\r\nce-id: %zz\r\n", NULL, 400 },
        { "ce-specversion: 1.0\r\nce-id: 1\r\n", NULL, 422 },
    };
    struct harness *harness = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reply reply = ask(harness, "POST", "/v1/events", cases[i].headers, cases[i].body);
        if (reply.status != cases[i].status) fail_msg("case %zu: %d " STR_FMT, i, reply.status, STR_ARG(reply.body));
    }
    assert_int_equal(ask(harness, "GET", "/v1/events/nothing", NULL, NULL).status, 404);
}

static void lists_what_the_trigger_stored(void **state) {
    struct harness *harness = *state;
    struct json fields, body;
    enum verdict verdict;
    struct err err;

    assert_true(json_read(STR("{\"type\": \"order.paid\", \"source\": \"/shop\", \"eventId\": \"e-9\", \"time\": 1785326400000}"), NULL,
            harness->arena, &fields, NULL, &err));
    assert_true(json_read(STR("{\"event\": {\"id\": \"e-9\"}, \"receivedAt\": 1785326400000, \"instances\": [\"i-1\"]}"), NULL, harness->arena,
            &body, NULL, &err));
    struct record record = { .id = STR("abc"), .version = 1, .fields = fields, .body = json_to_str(body, harness->arena) };
    assert_true(store_insert_many(harness->world.store, COLLECTION_EVENTS, &record, 1, &verdict, &err));
    static const char *const found[] = { "", "?type=order.paid", "?source=/shop", "?id=e-9", "?from=2026-07-01T00:00:00Z&to=2026-08-01T00:00:00Z" };
    for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
        struct reply reply = ask(harness, "GET", str_format(harness->arena, "/v1/events%s", found[i]).data, NULL, NULL);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply_text(&reply, "/items/0/key"), "abc");
        assert_string_equal(reply_text(&reply, "/items/0/event/id"), "e-9");
        assert_string_equal(reply_text(&reply, "/items/0/receivedAt"), "2026-07-29T12:00:00.000Z");
        assert_string_equal(reply_text(&reply, "/items/0/instances/0"), "i-1");
    }
    struct reply reply = ask(harness, "GET", "/v1/events?type=other", NULL, NULL);
    assert_int_equal(json_size(json_get(reply.json, STR("items"))), 0);
    reply = ask(harness, "GET", "/v1/events/abc", NULL, NULL);
    assert_string_equal(reply_text(&reply, "/key"), "abc");
    assert_int_equal(ask(harness, "GET", "/v1/events?from=x", NULL, NULL).status, 400);
}

/* ---- connections ---- */

#define CRM "{\"name\": \"crm\", \"namespace\": \"shop\", \"type\": \"http\", \"settings\": {\"baseUrl\": \"https://crm.example\", " \
            "\"headers\": {\"X-Tenant\": \"7\"}}, \"authentication\": {\"basic\": {\"username\": \"ada\", \"password\": \"secret-word\"}}}"

static void connections_never_show_what_authenticates(void **state) {
    struct harness *harness = *state;
    struct reply made = ask_json(harness, "POST", "/v1/connections", CRM);

    assert_int_equal(made.status, 201);
    assert_true(str_equal(reply_header(&made, "Location"), STR("/v1/connections/shop/crm")));
    assert_int_equal(ask_json(harness, "POST", "/v1/connections", CRM).status, 409);
    struct reply one = ask(harness, "GET", "/v1/connections/shop/crm", NULL, NULL);
    struct reply list = ask(harness, "GET", "/v1/connections?namespace=shop", NULL, NULL);
    struct reply put = ask_json(harness, "PUT", "/v1/connections/shop/crm", CRM);
    assert_int_equal(one.status, 200);
    assert_int_equal(put.status, 200);
    assert_string_equal(reply_text(&one, "/settings/baseUrl"), "https://crm.example");
    assert_string_equal(reply_text(&one, "/settings/headers/X-Tenant"), "7");
    assert_string_equal(reply_text(&one, "/createdAt"), reply_text(&put, "/createdAt"));
    assert_int_equal(json_size(json_get(list.json, STR("items"))), 1);
    const struct reply *all[] = { &made, &one, &list, &put };
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) assert_true(str_find(all[i]->body, STR("secret-word")) == all[i]->body.size);
    /* Nor is it stored as it came. */
    struct str id = STR("shop/crm");
    const struct record *record;
    struct err err;
    assert_true(store_get_many(harness->world.store, COLLECTION_CONNECTIONS, &id, 1, harness->arena, &record, &err));
    assert_true(str_find(record->body, STR("secret-word")) == record->body.size);
    assert_true(str_find(record->body, STR("\"sealed\"")) < record->body.size);
    assert_int_equal(ask(harness, "DELETE", "/v1/connections/shop/crm", NULL, NULL).status, 204);
    assert_int_equal(ask(harness, "DELETE", "/v1/connections/shop/crm", NULL, NULL).status, 404);
    assert_int_equal(ask(harness, "GET", "/v1/connections/shop/crm", NULL, NULL).status, 404);
}

static void a_connection_may_name_a_secret(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask_json(harness, "PUT", "/v1/connections/shop/erp",
            "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"http://erp\"}, \"authentication\": {\"bearer\": {\"use\": \"erp-token\"}}}");

    assert_int_equal(reply.status, 201);
    assert_string_equal(reply_text(&reply, "/authentication/bearer/use"), "erp-token");
}

static void refuses_connections_that_make_no_sense(void **state) {
    static const struct { const char *body, *pointer; } cases[] = {
        { "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"http://x\"}, \"nmae\": 1}", "/nmae" },
        { "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"http://x\"}, \"name\": \"other\"}", "/name" },
        { "{\"type\": \"ftp\", \"settings\": {\"baseUrl\": \"http://x\"}}", "/type" },
        { "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"ftp://x\"}}", "/settings/baseUrl" },
        { "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"http://x\", \"headers\": {\"A\": \"b\\nc\"}}}", "/settings/headers/A" },
        { "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"http://x\"}, \"authentication\": {\"magic\": {}}}", "/authentication/magic" },
        { "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"http://x\"}, \"authentication\": {\"bearer\": {\"token\": 1}}}", "/authentication/bearer/token" },
        { "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"http://x\"}, \"authentication\": {\"bearer\": {\"token\": \"***\"}}}", "/authentication/bearer/token" },
        { "{\"type\": \"http\", \"settings\": {\"baseUrl\": \"http://x\"}, \"authentication\": {\"bearer\": {\"sealed\": \"x\"}}}", "/authentication/bearer/sealed" },
    };
    struct harness *harness = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct reply reply = ask_json(harness, "PUT", "/v1/connections/shop/bad", cases[i].body);
        if (reply.status != 422) fail_msg("case %zu: %d " STR_FMT, i, reply.status, STR_ARG(reply.body));
        assert_string_equal(reply_text(&reply, "/errors/0/pointer"), cases[i].pointer);
    }
    assert_int_equal(ask_json(harness, "POST", "/v1/connections", "[]").status, 422);
    assert_int_equal(ask(harness, "POST", "/v1/connections", NULL, NULL).status, 422);
}

/* ---- secrets ---- */

static void secrets_are_write_only(void **state) {
    struct harness *harness = *state;
    struct str id = STR("shop/token");
    const struct record *record;
    struct err err;

    assert_int_equal(ask_json(harness, "PUT", "/v1/secrets/shop/token", "{\"value\": {\"token\": \"hush-hush\"}}").status, 204);
    assert_int_equal(ask_json(harness, "PUT", "/v1/secrets/shop/token", "{\"value\": \"hush-hush-2\"}").status, 204);
    struct reply one = ask(harness, "GET", "/v1/secrets/shop/token", NULL, NULL), list = ask(harness, "GET", "/v1/secrets/shop", NULL, NULL);
    assert_int_equal(one.status, 200);
    assert_true(str_equal(one.body, STR("{\"namespace\":\"shop\",\"name\":\"token\"}")));
    assert_int_equal(list.status, 200);
    assert_string_equal(reply_text(&list, "/items/0/name"), "token");
    assert_true(str_find(list.body, STR("hush")) == list.body.size);
    assert_true(store_get_many(harness->world.store, COLLECTION_SECRETS, &id, 1, harness->arena, &record, &err));
    assert_true(str_find(record->body, STR("hush")) == record->body.size);
    list = ask(harness, "GET", "/v1/secrets?namespace=other", NULL, NULL);
    assert_int_equal(json_size(json_get(list.json, STR("items"))), 0);
    assert_int_equal(ask(harness, "GET", "/v1/secrets/shop?namespace=shop", NULL, NULL).status, 400);
    assert_int_equal(ask_json(harness, "PUT", "/v1/secrets/shop/token", "{}").status, 422);
    assert_int_equal(ask_json(harness, "PUT", "/v1/secrets/shop/token", "{\"value\": 1, \"x\": 2}").status, 422);
    assert_int_equal(ask_json(harness, "PUT", "/v1/secrets/Shop/token", "{\"value\": 1}").status, 422);
    assert_int_equal(ask_json(harness, "PUT", "/v1/secrets/shop/to%20ken", "{\"value\": 1}").status, 422);
    assert_int_equal(ask(harness, "DELETE", "/v1/secrets/shop/token", NULL, NULL).status, 204);
    assert_int_equal(ask(harness, "GET", "/v1/secrets/shop/token", NULL, NULL).status, 404);
    assert_int_equal(ask(harness, "DELETE", "/v1/secrets/shop/token", NULL, NULL).status, 404);
}

static void without_a_master_key_nothing_is_sealed(void **state) {
    struct harness harness;
    struct err err;

    (void)state;
    assert_true(harness_open(&harness, NULL, &err));
    assert_int_equal(ask_json(&harness, "PUT", "/v1/secrets/shop/token", "{\"value\": 1}").status, 422);
    assert_int_equal(ask_json(&harness, "POST", "/v1/connections", CRM).status, 422);
    harness_close(&harness);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_structured_events),
        cmocka_unit_test(takes_binary_events),
        cmocka_unit_test(takes_batches_whole_or_not),
        cmocka_unit_test(refuses_what_is_no_event),
        cmocka_unit_test(lists_what_the_trigger_stored),
        cmocka_unit_test(connections_never_show_what_authenticates),
        cmocka_unit_test(a_connection_may_name_a_secret),
        cmocka_unit_test(refuses_connections_that_make_no_sense),
        cmocka_unit_test(secrets_are_write_only),
    };
    const struct CMUnitTest alone[] = { cmocka_unit_test(without_a_master_key_nothing_is_sealed) };
    int failed = cmocka_run_group_tests_name("resources", tests, set_up, tear_down);

    return failed + cmocka_run_group_tests_name("resources: no master key", alone, NULL, NULL);
}

#include "tests/unit/api/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"

#define TASKS "  - a:\n      set: { x: 1 }\n"
#define YAML "Content-Type: application/yaml\r\n"

static int set_up(void **state) {
    static struct harness harness;
    struct err err;

    assert_true(harness_open(&harness, NULL, &err));
    *state = &harness;
    return 0;
}

static int tear_down(void **state) {
    harness_close(*state);
    return 0;
}

static const char *text(struct harness *harness, const char *name, const char *version, const char *tasks) {
    return str_format(harness->arena, "document: { dsl: '1.0.3', namespace: shop, name: %s, version: '%s' } # as written\ndo:\n%s", name,
            version, tasks).data;
}

static void deploys_once(void **state) {
    struct harness *harness = *state;
    const char *definition = text(harness, "once", "1.0.0", TASKS);
    struct reply first = ask(harness, "POST", "/v1/workflows", YAML, definition);
    struct reply again = ask(harness, "POST", "/v1/workflows", YAML, definition);
    struct reply other = ask(harness, "POST", "/v1/workflows", YAML, text(harness, "once", "1.0.0", "  - b:\n      set: { x: 1 }\n"));

    assert_int_equal(first.status, 201);
    assert_true(str_equal(reply_header(&first, "Location"), STR("/v1/workflows/shop/once/1.0.0")));
    assert_int_equal(again.status, 200);
    assert_true(str_equal(first.body, again.body));
    assert_int_equal(other.status, 409);
}

static void gives_the_document_as_deployed(void **state) {
    struct harness *harness = *state;
    const char *definition = text(harness, "exact", "1.0.0", TASKS);

    assert_int_equal(ask(harness, "POST", "/v1/workflows", YAML, definition).status, 201);
    struct reply reply = ask(harness, "GET", "/v1/workflows/shop/exact/1.0.0", NULL, NULL);
    assert_int_equal(reply.status, 200);
    assert_true(str_equal(reply.body, str_from(definition)));
    assert_true(str_equal(reply_header(&reply, "Content-Type"), STR("application/yaml")));
    reply = ask(harness, "GET", "/v1/workflows/shop/exact/latest", "Accept: application/json\r\n", NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_text(&reply, "/document/name"), "exact");
    assert_int_equal(ask(harness, "GET", "/v1/workflows/shop/exact/latest", "Accept: image/png\r\n", NULL).status, 406);
    assert_int_equal(ask(harness, "GET", "/v1/workflows/shop/exact/2.0.0", NULL, NULL).status, 404);
    assert_int_equal(ask(harness, "GET", "/v1/workflows/shop/nothing/latest", NULL, NULL).status, 404);
}

static void takes_json_and_gives_it_as_yaml(void **state) {
    struct harness *harness = *state;
    const char *definition = "{\"document\": {\"dsl\": \"1.0.3\", \"namespace\": \"shop\", \"name\": \"json\", \"version\": \"1.0.0\"}, "
                             "\"do\": [{\"a\": {\"set\": {\"x\": 1.50}}}]}";

    assert_int_equal(ask_json(harness, "POST", "/v1/workflows", definition).status, 201);
    struct reply reply = ask(harness, "GET", "/v1/workflows/shop/json/1.0.0", "Accept: application/yaml\r\n", NULL);
    assert_int_equal(reply.status, 200);
    assert_true(str_equal(reply.body, str_from(definition)));
    reply = ask(harness, "GET", "/v1/workflows/shop/json/1.0.0", NULL, NULL);
    assert_true(str_equal(reply_header(&reply, "Content-Type"), STR("application/json")));
}

static void names_every_fault_with_its_place(void **state) {
    struct harness *harness = *state;
    struct reply reply = ask(harness, "POST", "/v1/workflows", YAML,
            text(harness, "wrong", "1.0.0", "  - a:\n      sett: { x: 1 }\n  - b:\n      call: http\n      with: { method: get }\n"));

    assert_int_equal(reply.status, 422);
    struct json errors = json_get(reply.json, STR("errors"));
    assert_true(json_size(errors) >= 2);
    for (size_t i = 0; i < json_size(errors); i++) {
        struct json fault = json_at(errors, i);
        assert_true(json_int64_or(json_get(fault, STR("line")), 0) >= 3);
        assert_true(json_int64_or(json_get(fault, STR("column")), 0) >= 1);
        assert_true(str_starts_with(json_str(json_get(fault, STR("pointer"))), STR("/do/")));
        assert_true(json_str(json_get(fault, STR("detail"))).size > 0);
    }
    assert_int_equal(ask(harness, "GET", "/v1/workflows/shop/wrong/1.0.0", NULL, NULL).status, 404);
}

static void dry_run_only_checks(void **state) {
    struct harness *harness = *state;
    const char *definition = text(harness, "dry", "1.0.0", TASKS);

    assert_int_equal(ask(harness, "POST", "/v1/workflows?dryRun=true", YAML, definition).status, 200);
    assert_int_equal(ask(harness, "GET", "/v1/workflows/shop/dry/1.0.0", NULL, NULL).status, 404);
    assert_int_equal(ask(harness, "POST", "/v1/workflows?dryRun=true", YAML, "document: {}\n").status, 422);
    assert_int_equal(ask(harness, "POST", "/v1/workflows?dryRun=perhaps", YAML, definition).status, 400);
}

static void refuses_what_cannot_be_read(void **state) {
    struct harness *harness = *state;
    struct buf deep, large;

    assert_int_equal(ask(harness, "POST", "/v1/workflows", YAML, "do: [").status, 400);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", YAML, "a: 1\na: 2\n").status, 400);
    assert_int_equal(ask_json(harness, "POST", "/v1/workflows", "{").status, 400);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", "Content-Type: text/plain\r\n", "x").status, 415);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", NULL, "x").status, 415);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", "Content-Type: application/yaml; charset=latin1\r\n", "x").status, 415);
    buf_init(&deep, 1024);
    for (int i = 0; i < LIMIT_DEPTH_DEFINITION + 1; i++) buf_append_char(&deep, '[');
    for (int i = 0; i < LIMIT_DEPTH_DEFINITION + 1; i++) buf_append_char(&deep, ']');
    buf_append_char(&deep, '\0');
    assert_int_equal(ask_json(harness, "POST", "/v1/workflows", deep.data).status, 400);
    buf_clear(&deep);
    buf_init(&large, 2 * LIMIT_DEFINITION);
    while (large.size <= LIMIT_DEFINITION) buf_append_c(&large, "# a long comment\n");
    buf_append_char(&large, '\0');
    assert_int_equal(ask(harness, "POST", "/v1/workflows", YAML, large.data).status, 413);
    buf_clear(&large);
}

static void lists_the_newest_of_each(void **state) {
    struct harness *harness = *state;
    struct reply reply;
    struct str next = STR_NULL;
    size_t count = 0;

    deploy(harness, "list-a", "1.2.0", TASKS);
    deploy(harness, "list-a", "1.10.0", TASKS);
    deploy(harness, "list-a-b", "0.1.0", TASKS);
    deploy(harness, "list-c", "2.0.0-beta", TASKS);
    reply = ask(harness, "GET", "/v1/workflows?namespace=shop&search=LIST-", NULL, NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(json_size(json_get(reply.json, STR("items"))), 3);
    do {
        const char *path = next.size ? str_format(harness->arena, "/v1/workflows?limit=1&cursor=" STR_FMT, STR_ARG(next)).data
                                     : "/v1/workflows?limit=1";
        reply = ask(harness, "GET", path, NULL, NULL);
        assert_int_equal(reply.status, 200);
        assert_int_equal(json_size(json_get(reply.json, STR("items"))), 1);
        if (strcmp(reply_text(&reply, "/items/0/name"), "list-a") == 0) {
            assert_string_equal(reply_text(&reply, "/items/0/version"), "1.10.0");
            assert_string_equal(reply_text(&reply, "/items/0/title"), "The list-a");
        }
        count++;
        next = json_str(json_get(reply.json, STR("next")));
    } while (next.size);
    reply = ask(harness, "GET", "/v1/workflows", NULL, NULL);
    assert_int_equal(json_size(json_get(reply.json, STR("items"))), count);
    reply = ask(harness, "GET", "/v1/workflows?namespace=nobody", NULL, NULL);
    assert_int_equal(json_size(json_get(reply.json, STR("items"))), 0);
    assert_int_equal(ask(harness, "GET", "/v1/workflows?cursor=zz", NULL, NULL).status, 400);
}

static void one_workflow_has_versions_and_counts(void **state) {
    struct harness *harness = *state;

    deploy(harness, "one", "1.0.0", TASKS);
    deploy(harness, "one", "1.1.0", "  - hold:\n      wait: PT1H\n");
    start(harness, "one", "{\"version\": \"1.0.0\"}", true);
    await_status(harness, start(harness, "one", "{}", false), "waiting");
    struct reply reply = ask(harness, "GET", "/v1/workflows/shop/one", NULL, NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_text(&reply, "/latest"), "1.1.0");
    assert_string_equal(reply_text(&reply, "/routing/default"), "1.1.0");
    struct json versions = json_get(reply.json, STR("versions"));
    assert_int_equal(json_size(versions), 2);
    for (size_t i = 0; i < 2; i++) {
        struct json version = json_at(versions, i);
        bool newest = str_equal(json_str(json_get(version, STR("version"))), STR("1.1.0"));
        assert_int_equal(json_int64_or(json_pointer_get(version, STR("/instances/total")), -1), 1);
        assert_int_equal(json_int64_or(json_pointer_get(version, STR("/instances/running")), -1), newest ? 1 : 0);
    }
    assert_int_equal(ask(harness, "GET", "/v1/workflows/shop/nothing", NULL, NULL).status, 404);
}

static void is_deleted_unless_it_is_used(void **state) {
    struct harness *harness = *state;

    deploy(harness, "gone", "1.0.0", "  - hold:\n      wait: PT1H\n");
    const char *id = start(harness, "gone", "{}", false);
    await_status(harness, id, "waiting");
    assert_int_equal(ask(harness, "DELETE", "/v1/workflows/shop/gone/1.0.0", NULL, NULL).status, 409);
    assert_int_equal(ask(harness, "DELETE", "/v1/workflows/shop/gone/1.0.0?force=true", NULL, NULL).status, 204);
    assert_int_equal(ask(harness, "DELETE", "/v1/workflows/shop/gone/1.0.0", NULL, NULL).status, 404);
    assert_int_equal(ask_json(harness, "POST", "/v1/workflows/shop/gone/instances", "{\"version\": \"1.0.0\"}").status, 404);
}

/* Instances are replayed with what they ran on; what nobody ran on leaves nothing behind. */
static void a_version_never_means_another_content(void **state) {
    struct harness *harness = *state;
    const char *other = text(harness, "grave", "1.0.0", "  - b:\n      set: { y: 2 }\n"), *same = text(harness, "grave", "1.0.0", TASKS);

    assert_int_equal(ask(harness, "POST", "/v1/workflows", YAML, other).status, 201);
    assert_int_equal(ask(harness, "DELETE", "/v1/workflows/shop/grave/1.0.0", NULL, NULL).status, 204);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", YAML, same).status, 201);
    start(harness, "grave", "{}", true);
    assert_int_equal(ask(harness, "DELETE", "/v1/workflows/shop/grave/1.0.0", NULL, NULL).status, 204);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", YAML, other).status, 409);
    assert_int_equal(ask(harness, "POST", "/v1/workflows", YAML, same).status, 201);
}

/* What has ended can be read when its definition is gone. */
static void an_instance_outlives_its_definition(void **state) {
    struct harness *harness = *state;

    deploy(harness, "outlived", "1.0.0", TASKS);
    const char *id = start(harness, "outlived", "{\"input\": {\"n\": 7}}", true);
    assert_int_equal(ask(harness, "DELETE", "/v1/workflows/shop/outlived/1.0.0", NULL, NULL).status, 204);
    struct reply reply = ask(harness, "GET", str_format(harness->arena, "/v1/instances/%s", id).data, NULL, NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply_text(&reply, "/status"), "completed");
    reply = ask(harness, "GET", str_format(harness->arena, "/v1/instances/%s/history", id).data, NULL, NULL);
    assert_int_equal(reply.status, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deploys_once),
        cmocka_unit_test(gives_the_document_as_deployed),
        cmocka_unit_test(takes_json_and_gives_it_as_yaml),
        cmocka_unit_test(names_every_fault_with_its_place),
        cmocka_unit_test(dry_run_only_checks),
        cmocka_unit_test(refuses_what_cannot_be_read),
        cmocka_unit_test(lists_the_newest_of_each),
        cmocka_unit_test(one_workflow_has_versions_and_counts),
        cmocka_unit_test(is_deleted_unless_it_is_used),
        cmocka_unit_test(a_version_never_means_another_content),
        cmocka_unit_test(an_instance_outlives_its_definition),
    };

    return cmocka_run_group_tests_name("workflows", tests, set_up, tear_down);
}

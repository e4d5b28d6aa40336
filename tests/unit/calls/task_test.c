#include "calls/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "calls/programs.h"
#include "calls/secrets.h"
#include "common/arena.h"
#include "store/store.h"
#include "system/clock.h"

#define MASTER_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct fixture {
    struct arena *arena;
    struct store *store;
    struct clock clock;
    struct secrets *secrets;
    struct programs *programs;
    struct redact redact;
    struct json error;
};

static int set_up(void **state) {
    static struct fixture fixture;
    struct err err;

    fixture = (struct fixture){ .arena = arena_new(), .clock = clock_system(), .programs = programs_new() };
    if (!store_open("memory:", 1000, &fixture.store, &err)) return -1;
    if (!secrets_new(fixture.store, MASTER_KEY, &fixture.clock, &fixture.secrets, &err)) return -1;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    programs_free(fixture->programs);
    secrets_free(fixture->secrets);
    store_close(fixture->store);
    arena_free(fixture->arena);
    return 0;
}

static struct json parse(struct fixture *fixture, struct str text) {
    struct json value;
    struct err err;

    if (!json_read(text, NULL, fixture->arena, &value, NULL, &err)) fail_msg("%s", err.message);
    return value;
}

static void put(struct fixture *fixture, const char *name, const char *value) {
    struct err err;

    assert_true(secrets_put(fixture->secrets, STR("shop"), str_from(name), parse(fixture, str_from(value)), &err));
}

/* `deferred` is rows of { pointer, text }. The definition lists the secrets a and b. */
static enum prepared resolve(struct fixture *fixture, const char *call, const char *deferred, struct task_resolved *ret) {
    struct str body = str_format(fixture->arena,
            "{\"instance\":\"i\",\"namespace\":\"shop\",\"command\":\"1.1\",\"call\":%s,\"deferred\":%s,\"scope\":{\"now\":0,\"variables\":"
            "{\"input\":{\"id\":7,\"n\":9007199254740993},\"item\":\"loop\",\"workflow\":{\"definition\":{\"use\":{\"secrets\":[\"a\",\"b\"]}}}}}}",
            call, deferred);
    struct task_call task;
    struct err err;

    assert_true(task_call_read(parse(fixture, body), &task, &err));
    struct preparation preparation = { .task = &task, .redact = &fixture->redact, .arena = fixture->arena };
    enum prepared verdict = task_resolve(&preparation, fixture->secrets, fixture->programs, ret);
    fixture->error = preparation.error;
    return verdict;
}

static const char *text_of(struct fixture *fixture, struct json value) {
    return str_to_c(json_to_str(value, fixture->arena), fixture->arena);
}

static void check_error(struct fixture *fixture, const char *type, int status) {
    assert_true(str_ends_with(json_str(json_get(fixture->error, STR("type"))), str_from(type)));
    assert_int_equal(json_int64_or(json_get(fixture->error, STR("status")), 0), status);
}

static void test_results_go_to_their_places(void **state) {
    struct fixture *fixture = *state;
    struct task_resolved resolved;

    put(fixture, "a", "{\"k\":\"canary-a\"}");
    assert_int_equal(resolve(fixture,
                             "{\"uri\":null,\"with\":{\"method\":\"get\",\"headers\":{\"X/~Y\":null,\"Z\":\"z\"},\"body\":[1,{\"deep\":[null,2]}]},"
                             "\"authentication\":{\"bearer\":{\"token\":null}}}",
                             "[{\"pointer\":\"/uri\",\"text\":\"\\\"http://h/\\\\(.id)/\\\\($secrets.a.k)\\\"\"},"
                             "{\"pointer\":\"/with/headers/X~1~0Y\",\"text\":\"$secrets.a.k\"},"
                             "{\"pointer\":\"/with/body/1/deep/0\",\"text\":\"{k: $secrets.a.k, item: $item, n: .n}\"},"
                             "{\"pointer\":\"/authentication/bearer/token\",\"text\":\"$secrets.a.k\"}]",
                             &resolved),
            PREPARED);
    assert_true(str_equal(resolved.uri, STR("http://h/7/canary-a")));
    assert_string_equal(text_of(fixture, resolved.with),
            "{\"method\":\"get\",\"headers\":{\"X/~Y\":\"canary-a\",\"Z\":\"z\"},"
            "\"body\":[1,{\"deep\":[{\"k\":\"canary-a\",\"item\":\"loop\",\"n\":9007199254740993},2]}]}");
    assert_string_equal(text_of(fixture, resolved.authentication), "{\"bearer\":{\"token\":\"canary-a\"}}");
    assert_string_equal(text_of(fixture, resolved.hidden_headers), "{\"X/~Y\":true}");
    assert_true(resolved.uri_is_secret);
    assert_false(resolved.query_is_secret);
    assert_true(str_equal(redact_text(&fixture->redact, STR("canary-a"), REDACT_SIZE_MIN, fixture->arena), STR("***")));
}

static void test_whole_objects_of_secrets_hide_all(void **state) {
    struct fixture *fixture = *state;
    struct task_resolved resolved;

    put(fixture, "a", "{\"method\":\"get\",\"headers\":{\"X\":\"x\"}}");
    assert_int_equal(resolve(fixture, "{\"uri\":\"http://h\",\"with\":null}", "[{\"pointer\":\"/with\",\"text\":\"$secrets.a\"}]", &resolved), PREPARED);
    assert_string_equal(text_of(fixture, resolved.hidden_headers), "{\"X\":\"x\"}");
    assert_true(resolved.uri_is_secret && resolved.query_is_secret);
    assert_int_equal(resolve(fixture, "{\"uri\":\"http://h\",\"with\":{\"query\":{\"k\":null}}}",
                             "[{\"pointer\":\"/with/query/k\",\"text\":\"$secrets.a.method\"}]", &resolved),
            PREPARED);
    assert_true(resolved.query_is_secret && !resolved.uri_is_secret);
}

static void test_a_missing_secret_matters_if_it_is_meant(void **state) {
    struct fixture *fixture = *state;
    struct task_resolved resolved;

    put(fixture, "a", "\"canary-a\"");
    assert_int_equal(resolve(fixture, "{\"with\":{\"body\":null}}", "[{\"pointer\":\"/with/body\",\"text\":\"$secrets | .a\"}]", &resolved), PREPARED);
    assert_string_equal(text_of(fixture, resolved.with), "{\"body\":\"canary-a\"}");
    assert_int_equal(resolve(fixture, "{\"with\":{\"body\":null}}", "[{\"pointer\":\"/with/body\",\"text\":\"$secrets.b\"}]", &resolved), PREPARED_ERROR);
    check_error(fixture, "/authorization", 403);
}

/* jq says of what went wrong where, and quotes the value. */
static void test_an_expression_that_fails_quotes_nothing(void **state) {
    struct fixture *fixture = *state;
    struct task_resolved resolved;

    put(fixture, "a", "\"canary-a\"");
    assert_int_equal(resolve(fixture, "{\"with\":{\"body\":null}}", "[{\"pointer\":\"/with/body\",\"text\":\"$secrets.a | .x\"}]", &resolved), PREPARED_ERROR);
    check_error(fixture, "/expression", 400);
    assert_null(strstr(text_of(fixture, fixture->error), "cana"));
    assert_non_null(strstr(text_of(fixture, fixture->error), "/with/body"));
    assert_int_equal(resolve(fixture, "{\"with\":{\"body\":null}}", "[{\"pointer\":\"/with/body\",\"text\":\"$secrets.a | error\"}]", &resolved), PREPARED_ERROR);
    assert_null(strstr(text_of(fixture, fixture->error), "cana"));
}

static void test_without_a_master_key_nothing_opens(void **state) {
    struct fixture *fixture = *state;
    struct secrets *without;
    struct task_resolved resolved;
    struct err err;

    put(fixture, "a", "\"canary-a\"");
    assert_true(secrets_new(fixture->store, NULL, &fixture->clock, &without, &err));
    secrets_free(fixture->secrets);
    fixture->secrets = without;
    assert_int_equal(resolve(fixture, "{\"with\":{\"body\":null}}", "[{\"pointer\":\"/with/body\",\"text\":\"$secrets.a\"}]", &resolved), PREPARED_ERROR);
    check_error(fixture, "/authorization", 403);
}

static void test_what_is_no_task(void **state) {
    static const char *const bad[] = { "{}", "[]", "null", "{\"instance\":\"i\"}", "{\"instance\":\"i\",\"command\":\"c\"}",
        "{\"instance\":1,\"command\":\"c\",\"call\":{}}", "{\"instance\":\"i\",\"command\":\"c\",\"call\":[]}" };
    struct fixture *fixture = *state;
    struct task_call task;
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(task_call_read(parse(fixture, str_from(bad[i])), &task, &err));
        assert_int_equal(err.code, ERR_MALFORMED);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_results_go_to_their_places),
        TEST(test_whole_objects_of_secrets_hide_all),
        TEST(test_a_missing_secret_matters_if_it_is_meant),
        TEST(test_an_expression_that_fails_quotes_nothing),
        TEST(test_without_a_master_key_nothing_opens),
        TEST(test_what_is_no_task),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

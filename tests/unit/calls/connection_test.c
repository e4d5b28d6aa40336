#include "calls/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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
    struct connections *connections;
    struct redact redact;
    int64_t version;
    struct json error;
};

static int set_up(void **state) {
    static struct fixture fixture;
    struct err err;

    fixture = (struct fixture){ .arena = arena_new(), .clock = clock_system() };
    if (!store_open("memory:", 1000, &fixture.store, &err)) return -1;
    if (!secrets_new(fixture.store, MASTER_KEY, &fixture.clock, &fixture.secrets, &err)) return -1;
    fixture.connections = connections_new(fixture.store, fixture.secrets, &fixture.clock);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    connections_free(fixture->connections);
    secrets_free(fixture->secrets);
    store_close(fixture->store);
    arena_free(fixture->arena);
    return 0;
}

static struct json parse(struct fixture *fixture, const char *text) {
    struct json value;
    struct err err;

    assert_true(json_read(str_from(text), NULL, fixture->arena, &value, NULL, &err));
    return value;
}

static const char *text_of(struct fixture *fixture, struct json value) {
    return str_to_c(json_to_str(value, fixture->arena), fixture->arena);
}

static void store(struct fixture *fixture, const char *name, struct json body) {
    struct record record = { .id = str_format(fixture->arena, "shop/%s", name), .version = ++fixture->version,
        .fields = json_object(fixture->arena, 0), .body = json_to_str(body, fixture->arena) };
    enum verdict verdict;
    struct err err;

    assert_true(store_put_many(fixture->store, COLLECTION_CONNECTIONS, &record, 1, &verdict, &err));
}

static struct json sealed(struct fixture *fixture, const char *name, const char *body) {
    struct json result;
    struct err err;

    if (!connection_seal(fixture->secrets, (struct secret_place){ STR("shop"), str_from(name) }, parse(fixture, body), fixture->arena, &result,
                &err)) {
        fail_msg("%s", err.message);
    }
    return result;
}

static enum prepared get(struct fixture *fixture, const char *name, struct connection *ret) {
    struct task_call task = { .namespace = STR("shop") };
    struct preparation preparation = { .task = &task, .redact = &fixture->redact, .arena = fixture->arena };
    enum prepared verdict = connections_find(fixture->connections, &preparation, str_from(name), ret);

    fixture->error = preparation.error;
    return verdict;
}

static void check_refused(struct fixture *fixture, const char *name, const char *type, int status) {
    struct connection connection;

    assert_int_equal(get(fixture, name, &connection), PREPARED_ERROR);
    assert_true(str_ends_with(json_str(json_get(fixture->error, STR("type"))), str_from(type)));
    assert_int_equal(json_int64_or(json_get(fixture->error, STR("status")), 0), status);
    assert_non_null(strstr(text_of(fixture, fixture->error), name));
}

static const char whole[] = "{\"name\":\"erp\",\"type\":\"http\",\"settings\":{\"baseUrl\":\"https://erp.example/v1\","
                            "\"headers\":{\"X-Api-Key\":\"canary-1\",\"X-Tenant\":\"shop\"}},"
                            "\"authentication\":{\"basic\":{\"username\":\"me\",\"password\":\"canary-2\"}}}";

static void test_credentials_are_sealed_and_opened(void **state) {
    struct fixture *fixture = *state;
    struct json body = sealed(fixture, "erp", whole);
    struct connection connection;

    assert_null(strstr(text_of(fixture, body), "canary"));
    assert_string_equal(text_of(fixture, connection_shown(body, fixture->arena)),
            "{\"name\":\"erp\",\"type\":\"http\",\"settings\":{\"baseUrl\":\"https://erp.example/v1\","
            "\"headers\":{\"X-Api-Key\":\"***\",\"X-Tenant\":\"shop\"}},"
            "\"authentication\":{\"basic\":{\"username\":\"me\",\"password\":\"***\"}}}");
    store(fixture, "erp", body);
    assert_int_equal(get(fixture, "erp", &connection), PREPARED);
    assert_true(str_equal(connection.base_url, STR("https://erp.example/v1")));
    assert_string_equal(text_of(fixture, connection.headers), "{\"X-Api-Key\":\"canary-1\",\"X-Tenant\":\"shop\"}");
    assert_string_equal(text_of(fixture, connection.hidden_headers), "{\"X-Api-Key\":true}");
    assert_string_equal(text_of(fixture, connection.authentication), "{\"basic\":{\"username\":\"me\",\"password\":\"canary-2\"}}");
    assert_true(str_equal(redact_text(&fixture->redact, STR("canary-1 canary-2"), REDACT_SIZE_MIN, fixture->arena), STR("*** ***")));
}

static void test_what_is_sealed_already_stays(void **state) {
    struct fixture *fixture = *state;
    struct json once = sealed(fixture, "erp", whole), twice;
    struct err err;

    assert_true(connection_seal(fixture->secrets, (struct secret_place){ STR("shop"), STR("erp") }, once, fixture->arena, &twice, &err));
    assert_true(json_equal(json_get(once, STR("authentication")), json_get(twice, STR("authentication"))));
    assert_true(json_equal(json_pointer_get(once, STR("/settings/headers")), json_pointer_get(twice, STR("/settings/headers"))));
}

/* A credential of one connection is of no use in another. */
static void test_a_credential_belongs_to_its_connection(void **state) {
    struct fixture *fixture = *state;

    store(fixture, "other", sealed(fixture, "erp", whole));
    check_refused(fixture, "other", "/authorization", 403);
}

static void test_authentication_by_the_name_of_a_secret(void **state) {
    struct fixture *fixture = *state;
    struct connection connection;
    struct err err;

    store(fixture, "erp", sealed(fixture, "erp", "{\"type\":\"http\",\"settings\":{\"baseUrl\":\"http://h\"},\"authentication\":{\"bearer\":{\"use\":\"gone\"}}}"));
    check_refused(fixture, "gone", "/configuration", 400); /* no such connection */
    assert_int_equal(get(fixture, "erp", &connection), PREPARED_ERROR);
    assert_true(str_ends_with(json_str(json_get(fixture->error, STR("type"))), STR("/authorization")));
    assert_true(secrets_put(fixture->secrets, STR("shop"), STR("gone"), json_string(STR("t0ken")), &err));
    assert_int_equal(get(fixture, "erp", &connection), PREPARED);
    assert_string_equal(text_of(fixture, connection.authentication), "{\"bearer\":{\"token\":\"t0ken\"}}");
}

static void test_what_makes_no_sense(void **state) {
    struct fixture *fixture = *state;

    check_refused(fixture, "missing", "/configuration", 400);
    store(fixture, "smtp", parse(fixture, "{\"type\":\"smtp\",\"settings\":{}}"));
    check_refused(fixture, "smtp", "/configuration", 400);
    store(fixture, "nowhere", parse(fixture, "{\"type\":\"http\",\"settings\":{}}"));
    check_refused(fixture, "nowhere", "/configuration", 400);
}

static void check_joined(const char *base, const char *path, const char *expected) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct str joined;
    struct err err;

    bool ok = connection_join(str_from(base), str_from(path), arena, &joined, &err);
    if (expected) {
        if (!ok) fail_msg("'%s': %s", path, err.message);
        assert_string_equal(str_to_c(joined, arena), expected);
    } else if (ok) {
        fail_msg("'%s' was taken for %s", path, str_to_c(joined, arena));
    }
}

static void test_joining(void **state) {
    static const char *const bad[] = { "..", "../x", "a/../../b", "/..", "a/..", "%2e%2e/x", "a/%2E./b", ".%2e", "..%2fx", "a%2f..%2fb", "..\\x",
        "a%5c..%5cb", "..;x=1/b", "//host/x", "http://host/x", "HTTPS://host/x", "ftp://host", "a://b", "x#y" };

    (void)state;
    check_joined("http://h", "", "http://h");
    check_joined("http://h/", "", "http://h");
    check_joined("http://h/v1", "orders", "http://h/v1/orders");
    check_joined("http://h/v1/", "/orders/1", "http://h/v1/orders/1");
    check_joined("http://h/v1", "?q=1", "http://h/v1?q=1");
    check_joined("http://h/v1", "a?u=http://x/..", "http://h/v1/a?u=http://x/..");
    check_joined("http://h", "@evil.example/", "http://h/@evil.example/");
    check_joined("http://h", ":80@evil", "http://h/:80@evil");
    check_joined("http://h", "a..b/...", "http://h/a..b/...");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) check_joined("http://h/v1", bad[i], NULL);
    check_joined("ftp://h", "x", NULL);
    check_joined("http://h?x=1", "x", NULL);
    check_joined("http://h#x", "x", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_credentials_are_sealed_and_opened),
        TEST(test_what_is_sealed_already_stays),
        TEST(test_a_credential_belongs_to_its_connection),
        TEST(test_authentication_by_the_name_of_a_secret),
        TEST(test_what_makes_no_sense),
        cmocka_unit_test(test_joining),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

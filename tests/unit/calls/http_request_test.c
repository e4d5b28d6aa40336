#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "calls/http_call.h"
#include "common/arena.h"

static struct arena *arena;
static struct redact redact;

static int set_up(void **state) {
    (void)state;
    arena = arena_new();
    redact = (struct redact){ NULL, 0, 0 };
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_free(arena);
    return 0;
}

static struct json parse(const char *text) {
    struct json value;
    struct err err;

    assert_true(json_read(str_from(text), NULL, arena, &value, NULL, &err));
    return value;
}

/* { method, uri, query, headers, body, output, redirect, authentication } */
static struct http_arguments arguments_of(const char *text) {
    struct json all = parse(text);

    return (struct http_arguments){
        .method = json_str_or(json_get(all, STR("method")), STR("get")),
        .uri = json_str_or(json_get(all, STR("uri")), STR("http://host/path")),
        .query = json_get(all, STR("query")),
        .headers = json_get(all, STR("headers")),
        .body = json_get(all, STR("body")),
        .output = json_get(all, STR("output")),
        .redirect = json_get(all, STR("redirect")),
        .authentication = json_get(all, STR("authentication")),
        .key = STR("instance/3/1"),
    };
}

static struct http_call build_from(const struct http_arguments *arguments) {
    struct http_call call;
    struct json error;

    if (!http_call_build(arguments, &redact, arena, &call, &error)) fail_msg("%s", json_to_str(error, arena).data);
    return call;
}

static struct http_call build(const char *text) {
    struct http_arguments arguments = arguments_of(text);

    return build_from(&arguments);
}

static struct json build_fails(const char *text) {
    struct http_arguments arguments = arguments_of(text);
    struct http_call call;
    struct json error;

    assert_false(http_call_build(&arguments, &redact, arena, &call, &error));
    return error;
}

/* All values of a header, joined by '|'; NULL if it is not sent. */
static const char *header(const struct http_call *call, const char *name) {
    struct str found = STR_NULL;

    for (size_t i = 0; i < call->request.header_count; i++) {
        const struct client_header *at = &call->request.headers[i];
        if (!str_equal_nocase(at->name, str_from(name))) continue;
        found = found.data ? str_format(arena, STR_FMT "|" STR_FMT, STR_ARG(found), STR_ARG(at->value)) : str_copy(at->value, arena);
    }
    return found.data;
}

static void check_url(const char *text, const char *expected) {
    struct http_call call = build(text);

    assert_string_equal(str_to_c(call.request.url, arena), expected);
}

static void check_error(const char *text, const char *type, int status, const char *part) {
    struct json error = build_fails(text);

    assert_true(str_ends_with(json_str(json_get(error, STR("type"))), str_from(type)));
    assert_int_equal(json_int64_or(json_get(error, STR("status")), 0), status);
    const char *detail = str_to_c(json_str(json_get(error, STR("detail"))), arena);
    if (!strstr(detail, part)) fail_msg("'%s' is not in: %s", part, detail);
}

static void test_the_method_in_any_case(void **state) {
    (void)state;
    struct http_call call = build("{\"method\": \"pAtCh\"}");
    assert_string_equal(str_to_c(call.request.method, arena), "PATCH");
    assert_string_equal(str_to_c(call.method, arena), "pAtCh");
    assert_false(call.request.has_body);
    check_error("{\"method\": \"\"}", "/configuration", 400, "method");
}

static void test_the_query_is_appended(void **state) {
    (void)state;
    check_url("{\"query\": {\"a b\": \"c&d=\\u00e9\", \"n\": 1.50, \"l\": [1, \"x\"], \"none\": null, \"t\": true, \"o\": {\"k\": 1}}}",
            "http://host/path?a%20b=c%26d%3D%C3%A9&n=1.50&l=1&l=x&t=true&o=%7B%22k%22%3A1%7D");
    check_url("{\"uri\": \"http://host/p?x=1#part\", \"query\": {\"y\": 2}}", "http://host/p?x=1&y=2");
    check_url("{\"uri\": \"http://host/p?\", \"query\": {\"y\": 2}}", "http://host/p?y=2");
    check_url("{\"uri\": \"http://host\", \"query\": {}}", "http://host");
    check_error("{\"query\": [1]}", "/validation", 400, "query");
}

static void test_a_uri_is_mended_or_refused(void **state) {
    (void)state;
    check_url("{\"uri\": \" HTTPS://host/a b/\\u00e9 \"}", "HTTPS://host/a%20b/%C3%A9");
    check_error("{\"uri\": \"ftp://host/\"}", "/configuration", 400, "ftp://host/");
    check_error("{\"uri\": \"host/path\"}", "/configuration", 400, "host/path");
    check_error("{\"uri\": \"\"}", "/configuration", 400, "endpoint");
}

static void test_headers(void **state) {
    struct http_call call = build("{\"headers\": {\"X-Text\": \"a\", \"X-Number\": 1.50, \"X-Flag\": true, \"X-None\": null, \"X-List\": [1, 2]}}");

    (void)state;
    assert_string_equal(header(&call, "x-text"), "a");
    assert_string_equal(header(&call, "x-number"), "1.50");
    assert_string_equal(header(&call, "x-flag"), "true");
    assert_string_equal(header(&call, "x-list"), "1|2");
    assert_null(header(&call, "x-none"));
    assert_non_null(header(&call, "accept"));
    assert_true(str_starts_with(str_from(header(&call, "user-agent")), STR("penstock/")));
    assert_string_equal(header(&call, "idempotency-key"), "instance/3/1");
    check_error("{\"headers\": {\"X-A\": \"b\\r\\nX-C: d\"}}", "/validation", 400, "X-A");
    check_error("{\"headers\": {\"X-A\\nX-B\": \"c\"}}", "/validation", 400, "line break");
    check_error("{\"headers\": {\"X-A\": {\"b\": 1}}}", "/validation", 400, "X-A");
    check_error("{\"headers\": \"X-A: b\"}", "/validation", 400, "headers");
}

static void test_what_the_definition_sets_wins(void **state) {
    struct http_call call = build("{\"headers\": {\"accept\": \"text/csv\", \"USER-AGENT\": \"mine\", \"idempotency-key\": \"own\","
                                  " \"content-type\": \"text/plain\"}, \"method\": \"post\", \"body\": \"raw\"}");

    (void)state;
    assert_string_equal(header(&call, "accept"), "text/csv");
    assert_string_equal(header(&call, "user-agent"), "mine");
    assert_string_equal(header(&call, "idempotency-key"), "own");
    assert_string_equal(header(&call, "content-type"), "text/plain");
    assert_string_equal(str_to_c(call.request.body, arena), "raw");
}

static void test_a_body_is_json_unless_said_otherwise(void **state) {
    struct http_call call = build("{\"method\": \"post\", \"body\": {\"n\": 12345678901234567890}}");

    (void)state;
    assert_true(call.request.has_body);
    assert_string_equal(str_to_c(call.request.body, arena), "{\"n\":12345678901234567890}");
    assert_string_equal(header(&call, "content-type"), "application/json");
    call = build("{\"method\": \"post\", \"body\": null}");
    assert_false(call.request.has_body);
    assert_null(header(&call, "content-type"));
    call = build("{\"method\": \"post\", \"body\": {\"a\": 1}, \"headers\": {\"Content-Type\": \"multipart/form-data\"}}");
    assert_true(str_starts_with(str_from(header(&call, "content-type")), STR("multipart/form-data; boundary=")));
    check_error("{\"method\": \"post\", \"body\": 1, \"headers\": {\"Content-Type\": \"image/png\"}}", "/validation", 400, "base64");
}

static void test_authentication(void **state) {
    struct http_call call = build("{\"authentication\": {\"basic\": {\"username\": \"Aladdin\", \"password\": \"open sesame\"}}}");

    (void)state;
    assert_string_equal(header(&call, "authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); /* RFC 7617, 2 */
    call = build("{\"authentication\": {\"bearer\": {\"token\": \"abc\"}}, \"headers\": {\"authorization\": \"other\"}}");
    assert_string_equal(header(&call, "authorization"), "Bearer abc");
    call = build("{\"authentication\": {\"digest\": {\"username\": \"u\", \"password\": 12}}}");
    assert_null(header(&call, "authorization"));
    assert_string_equal(str_to_c(call.request.username, arena), "u");
    assert_string_equal(str_to_c(call.request.password, arena), "12");
    check_error("{\"authentication\": {\"basic\": {\"username\": \"u\"}}}", "/configuration", 400, "password");
    check_error("{\"authentication\": {\"basic\": {\"username\": \"u:v\", \"password\": \"p\"}}}", "/configuration", 400, "':'");
    check_error("{\"authentication\": {\"bearer\": {\"token\": \"a\\nb\"}}}", "/configuration", 400, "line break");
    check_error("{\"authentication\": {\"oauth2\": {}}}", "/configuration", 400, "basic");
}

static void test_options(void **state) {
    (void)state;
    assert_int_equal(build("{}").output, HTTP_OUTPUT_CONTENT);
    assert_int_equal(build("{\"output\": \"raw\"}").output, HTTP_OUTPUT_RAW);
    assert_int_equal(build("{\"output\": \"response\"}").output, HTTP_OUTPUT_RESPONSE);
    check_error("{\"output\": \"all\"}", "/configuration", 400, "all");
    assert_false(build("{}").follows);
    assert_false(build("{}").request.follow_redirects);
    assert_true(build("{\"redirect\": true}").follows);
    assert_true(build("{\"redirect\": true}").request.follow_redirects);
}

static void test_nothing_secret_is_shown(void **state) {
    struct http_arguments arguments = arguments_of("{\"uri\": \"http://user:canary-u@host/p/canary-s?k=canary-s\","
                                                   "\"headers\": {\"X-Api-Key\": \"derived\", \"X-Open\": \"a canary-s b\", \"Cookie\": \"c=1\"},"
                                                   "\"authentication\": {\"basic\": {\"username\": \"me\", \"password\": \"canary-p\"}}}");

    (void)state;
    assert_true(redact_add_text(&redact, STR("canary-s"), arena));
    arguments.hidden_headers = parse("{\"x-api-key\": true}");
    struct http_call call = build_from(&arguments);
    assert_string_equal(str_to_c(call.shown_uri, arena), "http://***@host/p/***?k=***");
    const char *shown = str_to_c(json_to_str(call.shown_headers, arena), arena);
    assert_null(strstr(shown, "canary"));
    assert_null(strstr(shown, "derived"));
    assert_null(strstr(shown, "c=1"));
    assert_null(strstr(shown, "bWU6Y2Fu")); /* me:can */
    assert_non_null(strstr(shown, "a *** b"));
    assert_true(str_equal(redact_text(&redact, STR("echo bWU6Y2FuYXJ5LXA="), REDACT_SIZE_MIN, arena), STR("echo ***")));

    arguments.query_is_secret = true;
    assert_string_equal(str_to_c(build_from(&arguments).shown_uri, arena), "http://***@host/p/***?***");
    arguments.uri_is_secret = true;
    assert_string_equal(str_to_c(build_from(&arguments).shown_uri, arena), "http://***");
}

static void test_errors_show_no_secret(void **state) {
    (void)state;
    assert_true(redact_add_text(&redact, STR("canary-s"), arena));
    assert_null(strstr(json_to_str(build_fails("{\"uri\": \"ftp://canary-s/\"}"), arena).data, "canary"));
    assert_null(strstr(json_to_str(build_fails("{\"output\": \"canary-s\"}"), arena).data, "canary"));
    assert_null(strstr(json_to_str(build_fails("{\"headers\": {\"canary-s\": {}}}"), arena).data, "canary"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_the_method_in_any_case),
        TEST(test_the_query_is_appended),
        TEST(test_a_uri_is_mended_or_refused),
        TEST(test_headers),
        TEST(test_what_the_definition_sets_wins),
        TEST(test_a_body_is_json_unless_said_otherwise),
        TEST(test_authentication),
        TEST(test_options),
        TEST(test_nothing_secret_is_shown),
        TEST(test_errors_show_no_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "calls/http_call.h"
#include "common/arena.h"

static struct arena *arena;
static struct redact redact;
static struct http_call call;

static int set_up(void **state) {
    (void)state;
    arena = arena_new();
    redact = (struct redact){ NULL, 0, 0 };
    call = (struct http_call){
        .request = { .method = STR("GET"), .url = STR("http://host/path?q=1") },
        .method = STR("get"),
        .shown_uri = STR("http://host/path?q=1"),
        .shown_headers = json_object(arena, 0),
        .redact = &redact,
    };
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_free(arena);
    return 0;
}

static struct http_outcome judge(int status, const char *content_type, struct str body) {
    struct client_header headers[] = { { STR("Content-Type"), str_from(content_type) }, { STR("X-A"), STR("1") }, { STR("X-A"), STR("2") } };
    struct client_response response = {
        .failure = CLIENT_OK,
        .status = status,
        .headers = headers,
        .header_count = ARRAY_SIZE(headers),
        .body = body,
        .url = STR("http://host/path?q=1"),
    };
    struct http_outcome outcome;

    http_call_answer(&call, &response, arena, &outcome);
    return outcome;
}

static struct http_outcome judge_failure(enum client_failure failure, const char *reason) {
    struct client_response response = { .failure = failure, .reason = str_from(reason) };
    struct http_outcome outcome;

    http_call_answer(&call, &response, arena, &outcome);
    assert_false(outcome.ok);
    return outcome;
}

static const char *text_of(struct json value) {
    return str_to_c(json_to_str(value, arena), arena);
}

static void check_error(const struct http_outcome *outcome, const char *type, int status) {
    assert_false(outcome->ok);
    assert_true(str_ends_with(json_str(json_get(outcome->error, STR("type"))), str_from(type)));
    assert_int_equal(json_int64_or(json_get(outcome->error, STR("status")), 0), status);
    assert_true(json_str(json_get(outcome->error, STR("title"))).size > 0);
}

static const char *detail_of(const struct http_outcome *outcome) {
    return str_to_c(json_str(json_get(outcome->error, STR("detail"))), arena);
}

static void test_content(void **state) {
    (void)state;
    struct http_outcome outcome = judge(200, "application/json", STR("{\"n\":9007199254740993}"));
    assert_true(outcome.ok && outcome.answered);
    assert_string_equal(text_of(outcome.output), "{\"n\":9007199254740993}");
    outcome = judge(204, "", STR(""));
    assert_true(outcome.ok);
    assert_string_equal(text_of(outcome.output), "null");
}

static void test_raw(void **state) {
    (void)state;
    call.output = HTTP_OUTPUT_RAW;
    struct http_outcome outcome = judge(200, "application/json", STR("{broken"));
    assert_true(outcome.ok);
    assert_string_equal(text_of(outcome.output), "\"e2Jyb2tlbg==\"");
}

static void test_response(void **state) {
    (void)state;
    call.output = HTTP_OUTPUT_RESPONSE;
    struct http_outcome outcome = judge(201, "text/plain", STR("made"));
    assert_true(outcome.ok);
    assert_string_equal(text_of(outcome.output),
            "{\"request\":{\"method\":\"get\",\"uri\":\"http://host/path?q=1\",\"headers\":{}},\"statusCode\":201,"
            "\"headers\":{\"Content-Type\":\"text/plain\",\"X-A\":\"1, 2\"},\"content\":\"made\"}");
}

static void test_status_decides(void **state) {
    static const int bad[] = { 199, 300, 304, 302, 400, 401, 403, 404, 408, 418, 500, 503, 599 };

    (void)state;
    assert_true(judge(200, "", STR("")).ok);
    assert_true(judge(299, "", STR("")).ok);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct http_outcome outcome = judge(bad[i], "text/plain", STR("why"));
        check_error(&outcome, "/communication", bad[i]);
        assert_true(outcome.answered);
        assert_string_equal(detail_of(&outcome), "why");
    }
    call.follows = true;
    assert_true(judge(304, "", STR("")).ok);
    assert_true(judge(399, "", STR("")).ok);
    assert_false(judge(400, "", STR("")).ok);
    assert_false(judge(199, "", STR("")).ok);
}

static void test_the_title_is_the_reason(void **state) {
    (void)state;
    struct http_outcome outcome = judge(404, "", STR(""));
    assert_string_equal(text_of(json_get(outcome.error, STR("title"))), "\"Not Found\"");
    assert_string_equal(detail_of(&outcome), "GET http://host/path answered 404");
    outcome = judge(599, "", STR(""));
    assert_string_equal(text_of(json_get(outcome.error, STR("title"))), "\"HTTP status 599\"");
}

static void test_the_detail_is_an_excerpt(void **state) {
    char body[2 * HTTP_CALL_EXCERPT];

    (void)state;
    /* Two bytes each, from an odd place: the cut falls into a character. */
    body[0] = 'x';
    for (size_t i = 1; i + 1 < sizeof(body); i += 2) memcpy(body + i, "\xC3\xA9", 2);
    struct http_outcome outcome = judge(500, "text/plain", (struct str){ body, sizeof(body) - 1 });
    struct str detail = json_str(json_get(outcome.error, STR("detail")));
    assert_true(str_is_utf8(detail));
    assert_int_equal(detail.size, HTTP_CALL_EXCERPT - 1);
    outcome = judge(500, "image/png", STR("binary"));
    assert_string_equal(detail_of(&outcome), "GET http://host/path answered 500");
    outcome = judge(500, "text/plain", STR("\xFF\xFE"));
    assert_string_equal(detail_of(&outcome), "GET http://host/path answered 500");
}

static void test_failures(void **state) {
    (void)state;
    struct http_outcome outcome = judge_failure(CLIENT_UNREACHABLE, "no connection: refused");
    check_error(&outcome, "/communication", 500);
    assert_false(outcome.answered);
    assert_string_equal(detail_of(&outcome), "GET http://host/path: no connection: refused");
    outcome = judge_failure(CLIENT_BROKEN, "sent");
    check_error(&outcome, "/communication", 500);
    assert_false(outcome.answered);
    outcome = judge_failure(CLIENT_TIMEOUT, "no answer in time");
    check_error(&outcome, "/communication", 500);
    assert_false(outcome.answered);
    assert_non_null(strstr(detail_of(&outcome), "timed out"));
    outcome = judge_failure(CLIENT_TOO_LARGE, "the answer is over 4194304 bytes");
    check_error(&outcome, "/communication", 500);
    assert_true(outcome.answered);
    outcome = judge_failure(CLIENT_REFUSED, "calls may not go to a loopback address");
    check_error(&outcome, "/authorization", 403);
    assert_non_null(strstr(detail_of(&outcome), "a loopback address"));
    outcome = judge_failure(CLIENT_REFUSED, "the URL is malformed");
    check_error(&outcome, "/configuration", 400);
}

static void test_which_failures_may_be_repeated(void **state) {
    (void)state;
    for (int failure = CLIENT_OK; failure <= CLIENT_CANCELLED; failure++) {
        struct client_response response = { .failure = (enum client_failure)failure };
        bool expected = failure == CLIENT_UNREACHABLE || failure == CLIENT_BROKEN;
        assert_int_equal(http_call_may_repeat(&response), expected);
    }
}

static void test_json_that_is_none(void **state) {
    (void)state;
    struct http_outcome outcome = judge(200, "application/json", STR("<html>"));
    check_error(&outcome, "/communication", 500);
    assert_true(outcome.answered);
    assert_non_null(strstr(detail_of(&outcome), "JSON"));
}

/* A server that says back what it was told. */
static void test_secrets_do_not_come_back(void **state) {
    (void)state;
    assert_true(redact_add_text(&redact, STR("canary-s"), arena));
    struct http_outcome outcome = judge(200, "application/json", STR("{\"you sent\": [\"Bearer canary-s\"]}"));
    assert_string_equal(text_of(outcome.output), "{\"you sent\":[\"Bearer ***\"]}");
    outcome = judge(401, "text/plain", STR("bad token canary-s"));
    assert_string_equal(detail_of(&outcome), "bad token ***");
    outcome = judge_failure(CLIENT_UNREACHABLE, "no connection: canary-s.example not found");
    assert_null(strstr(text_of(outcome.error), "canary"));
    call.output = HTTP_OUTPUT_RAW;
    outcome = judge(200, "text/plain", STR("canary-s"));
    assert_string_equal(text_of(outcome.output), "\"Kioq\"");
}

/* The secret begins before the cut and ends behind it. */
static void test_no_half_secret_at_the_cut(void **state) {
    char body[HTTP_CALL_EXCERPT + 8];

    (void)state;
    assert_true(redact_add_text(&redact, STR("canary-s"), arena));
    memset(body, '.', sizeof(body));
    memcpy(body + HTTP_CALL_EXCERPT - 4, "canary-s", 8);
    struct http_outcome outcome = judge(500, "text/plain", (struct str){ body, sizeof(body) });
    assert_null(strstr(detail_of(&outcome), "cana"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_content),
        TEST(test_raw),
        TEST(test_response),
        TEST(test_status_decides),
        TEST(test_the_title_is_the_reason),
        TEST(test_the_detail_is_an_excerpt),
        TEST(test_failures),
        TEST(test_which_failures_may_be_repeated),
        TEST(test_json_that_is_none),
        TEST(test_secrets_do_not_come_back),
        TEST(test_no_half_secret_at_the_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "calls/http_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"

static struct arena *arena;

static int set_up(void **state) {
    (void)state;
    arena = arena_new();
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

static void check_written(const char *value, const char *content_type, const char *expected, const char *expected_type) {
    struct str bytes, type;
    struct err err;

    assert_true(http_body_write(parse(value), str_from(content_type), arena, &bytes, &type, &err));
    assert_string_equal(str_to_c(bytes, arena), expected);
    assert_string_equal(str_to_c(type, arena), expected_type);
}

static void test_json_is_the_default_and_keeps_digits(void **state) {
    (void)state;
    check_written("{\"a\": 9007199254740993, \"b\": 1.50}", "", "{\"a\":9007199254740993,\"b\":1.50}", "application/json");
    check_written("\"text\"", "", "\"text\"", "application/json");
    check_written("[]", "application/vnd.x+json; v=1", "[]", "application/vnd.x+json; v=1");
    check_written("false", "", "false", "application/json");
}

static void test_forms_and_texts(void **state) {
    static const char form[] = "application/x-www-form-urlencoded";

    (void)state;
    check_written("{\"a b\": \"c&d\", \"n\": 1.0, \"list\": [1, \"x\"], \"none\": null, \"deep\": {\"k\": 1}}", form,
            "a%20b=c%26d&n=1.0&list=1&list=x&deep=%7B%22k%22%3A1%7D", form);
    check_written("\"a=b&c=d\"", form, "a=b&c=d", form);
    check_written("\"<a/>\"", "application/xml", "<a/>", "application/xml");
    check_written("\"plain \\u00e9\"", "text/plain; charset=utf-8", "plain \xC3\xA9", "text/plain; charset=utf-8");
    check_written("12.50", "text/plain", "12.50", "text/plain");
    check_written("{\"a\": 1}", "text/plain", "{\"a\":1}", "text/plain");
}

static void test_binary_goes_from_base64(void **state) {
    struct str bytes, type;
    struct err err;

    (void)state;
    assert_true(http_body_write(parse("\"AAEC/w==\""), STR("application/octet-stream"), arena, &bytes, &type, &err));
    assert_int_equal(bytes.size, 4);
    assert_memory_equal(bytes.data, "\x00\x01\x02\xFF", 4);
    assert_false(http_body_write(parse("\"not base64!\""), STR("image/png"), arena, &bytes, &type, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(http_body_write(parse("{}"), STR("image/png"), arena, &bytes, &type, &err));
}

static void test_multipart(void **state) {
    struct str bytes, again, type;
    struct err err;

    (void)state;
    check_written("{\"a\": \"x\", \"quo\\\"te\": 1, \"o\": {\"k\": 1}}", "multipart/form-data; boundary=B",
            "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n"
            "--B\r\nContent-Disposition: form-data; name=\"quo%22te\"\r\n\r\n1\r\n"
            "--B\r\nContent-Disposition: form-data; name=\"o\"\r\nContent-Type: application/json\r\n\r\n{\"k\":1}\r\n"
            "--B--\r\n",
            "multipart/form-data; boundary=B");
    assert_true(http_body_write(parse("{\"a\": 1}"), STR("multipart/form-data"), arena, &bytes, &type, &err));
    assert_true(str_starts_with(type, STR("multipart/form-data; boundary=penstock-")));
    assert_true(str_starts_with(bytes, STR("--penstock-")));
    assert_true(http_body_write(parse("{\"a\": 1}"), STR("multipart/form-data"), arena, &again, &type, &err));
    assert_true(str_equal(bytes, again));
}

static void test_a_body_has_a_limit(void **state) {
    char *text = arena_alloc(arena, LIMIT_BODY + 1);
    struct str bytes, type;
    struct err err;

    (void)state;
    memset(text, 'x', LIMIT_BODY + 1);
    struct json value = json_string((struct str){ text, LIMIT_BODY + 1 });
    assert_false(http_body_write(value, STR(""), arena, &bytes, &type, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_false(http_body_write(value, STR("text/plain"), arena, &bytes, &type, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
}

static void check_read(struct str bytes, const char *content_type, const char *expected) {
    struct json value;
    struct err err;

    assert_true(http_body_read(bytes, str_from(content_type), arena, &value, &err));
    assert_string_equal(str_to_c(json_to_str(value, arena), arena), expected);
}

static void test_answers_by_their_type(void **state) {
    (void)state;
    check_read(STR("{\"a\":9007199254740993,\"b\":0.10}"), "application/json", "{\"a\":9007199254740993,\"b\":0.10}");
    check_read(STR("\xEF\xBB\xBF[1]"), "application/json", "[1]");
    check_read(STR(""), "application/json", "null");
    check_read(STR(" \n"), "application/json", "null");
    check_read(STR("{\"a\":1}"), "text/plain", "\"{\\\"a\\\":1}\"");
    check_read(STR("caf\xE9"), "text/plain; charset=iso-8859-1", "\"caf\xC3\xA9\"");
    check_read(STR("caf\xE9"), "text/plain", "\"Y2Fm6Q==\"");
    check_read(STR("\x89PNG"), "image/png", "\"iVBORw==\"");
    check_read((struct str){ "a\0b", 3 }, "application/octet-stream", "\"YQBi\"");
}

static void test_without_a_type_only_objects_and_arrays_are_json(void **state) {
    (void)state;
    check_read(STR(" {\"a\": 1}\n"), "", "{\"a\":1}");
    check_read(STR("[1]"), "", "[1]");
    check_read(STR("{broken"), "", "\"{broken\"");
    check_read(STR("123"), "", "\"123\"");
    check_read(STR("\xFF\xFE"), "", "\"//4=\"");
}

static void test_broken_json_is_said_to_be(void **state) {
    struct json value;
    struct err err;

    (void)state;
    assert_false(http_body_read(STR("{\"a\":}"), STR("application/json"), arena, &value, &err));
    assert_int_equal(err.code, ERR_MALFORMED);
    assert_false(http_body_read(STR("<html>"), STR("application/problem+json"), arena, &value, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_json_is_the_default_and_keeps_digits),
        TEST(test_forms_and_texts),
        TEST(test_binary_goes_from_base64),
        TEST(test_multipart),
        TEST(test_a_body_has_a_limit),
        TEST(test_answers_by_their_type),
        TEST(test_without_a_type_only_objects_and_arrays_are_json),
        TEST(test_broken_json_is_said_to_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

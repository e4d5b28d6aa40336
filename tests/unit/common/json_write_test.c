#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

static int setup(void **state) {
    *state = arena_new();
    return 0;
}

static int teardown(void **state) {
    arena_free(*state);
    return 0;
}

static struct json json_of(const char *text, struct arena *arena) {
    struct json value;
    struct err err;

    if (!json_read(str_from(text), NULL, arena, &value, NULL, &err))
        fail_msg("%s: %s", text, err.message);
    return value;
}

static void expect(struct buf *buf, const char *text) {
    if (!str_equal(buf_str(buf), str_from(text)))
        fail_msg(STR_FMT " instead of %s", STR_ARG(buf_str(buf)), text);
}

static void test_styles(void **state) {
    struct json value = json_of("{\"b\":[1,{\"z\":[],\"y\":{}},[null]],\"a\":{\"d\":\"x\",\"c\":"
                                "true},\"\xC3\xA4\":1,\"B\":2}",
            *state);
    static const char *const texts[] = {
        [JSON_COMPACT] = "{\"b\":[1,{\"z\":[],\"y\":{}},[null]],\"a\":{\"d\":\"x\",\"c\":true},"
                         "\"\xC3\xA4\":1,\"B\":2}",
        [JSON_SORTED] = "{\"B\":2,\"a\":{\"c\":true,\"d\":\"x\"},\"b\":[1,{\"y\":{},\"z\":[]},["
                        "null]],\"\xC3\xA4\":1}",
        [JSON_PRETTY] = "{\n  \"b\": [\n    1,\n    {\n      \"z\": [],\n      \"y\": {}\n    },\n "
                        "   [\n      null\n    ]\n  ],\n"
                        "  \"a\": {\n    \"d\": \"x\",\n    \"c\": true\n  },\n  \"\xC3\xA4\": "
                        "1,\n  \"B\": 2\n}",
    };
    struct buf buf;

    buf_init(&buf, 4096);
    for (size_t style = 0; style < ARRAY_SIZE(texts); style++) {
        buf_reset(&buf);
        json_write(&buf, value, (enum json_style)style);
        expect(&buf, texts[style]);
    }
    buf_reset(&buf);
    json_write(&buf, (struct json){ 0 }, JSON_PRETTY);
    expect(&buf, "null");
    buf_clear(&buf);
}

static void test_strings(void **state) {
    struct buf buf;
    (void)state;

    buf_init(&buf, 4096);
    json_write_string(
            &buf, STR("\"\\/\b\f\n\r\t\x01\x1F\x7F\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\0z"));
    expect(&buf,
            "\"\\\"\\\\/"
            "\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\\u0000z\"");
    buf_reset(&buf);
    json_write_string(&buf, STR_NULL);
    expect(&buf, "\"\"");
    buf_clear(&buf);
}

/* Every byte at every place of a run that is looked at eight bytes at a time. */
static void test_each_byte_at_each_place(void **state) {
    struct buf buf;

    buf_init(&buf, 4096);
    for (size_t place = 0; place < 20; place++) {
        for (int byte = 0; byte < 0x80; byte++) {
            char text[20];
            struct json value;
            struct err err;
            memset(text, 'x', sizeof(text));
            text[place] = (char)byte;
            struct str all = { text, sizeof(text) };
            buf_reset(&buf);
            json_write_string(&buf, all);
            assert_true(json_read(buf_str(&buf), NULL, *state, &value, NULL, &err));
            assert_true(str_equal(json_str(value), all));
            bool plain = byte >= 0x20 && byte != '"' && byte != '\\';
            assert_int_equal(buf.size == sizeof(text) + 2, plain);
        }
        arena_reset(*state);
    }
    buf_clear(&buf);
}

/* At every limit: either all is there, or the buffer says that it is not. */
static void test_limit(void **state) {
    struct json value =
            json_of("{\"a\":[1,2.5,\"x\\ny\",{\"b\":[[[]]]}],\"c\":{\"d\":null}}", *state);
    size_t size = json_to_str(value, *state).size;

    for (size_t limit = 0; limit <= size + 1; limit++) {
        for (int style = JSON_COMPACT; style <= JSON_SORTED; style++) {
            struct buf buf;
            buf_init(&buf, limit);
            json_write(&buf, value, (enum json_style)style);
            assert_true(buf.size <= limit);
            if (style != JSON_PRETTY) assert_int_equal(buf_is_over(&buf), limit < size);
            buf_clear(&buf);
        }
    }
}

static void test_streaming(void **state) {
    struct json_writer writer;
    struct buf buf;

    buf_init(&buf, 4096);
    json_writer_init(&writer, &buf);
    json_begin_object(&writer, NULL);
    json_put_c(&writer, "a", "b\n");
    json_begin_array(&writer, "list");
    json_end_array(&writer);
    json_begin_array(&writer, "list2");
    json_put_int64(&writer, NULL, 0);
    json_put_int64(&writer, NULL, INT64_MIN);
    json_put_int64(&writer, NULL, INT64_MAX);
    json_begin_object(&writer, NULL);
    json_end_object(&writer);
    json_begin_object(&writer, NULL);
    json_put_bool(&writer, "t", true);
    json_put_bool(&writer, "f", false);
    json_end_object(&writer);
    json_end_array(&writer);
    json_put_str(&writer, "s", STR("x\0y"));
    json_put(&writer, "v", json_of("[1.0,{}]", *state));
    json_put(&writer, "n", (struct json){ 0 });
    json_put_raw(&writer, "r", STR("[1, 2]"));
    json_end_object(&writer);
    expect(&buf,
            "{\"a\":\"b\\n\",\"list\":[],\"list2\":[0,-9223372036854775808,9223372036854775807,{},"
            "{\"t\":true,\"f\":false}],\"s\":\"x\\u0000y\",\"v\":[1.0,{}],\"n\":null,\"r\":[1, "
            "2]}");
    buf_clear(&buf);
}

static void test_to_str(void **state) {
    struct str text = json_to_str(json_of("{\"a\" : [ 1 ]}", *state), *state);

    assert_true(str_equal(text, STR("{\"a\":[1]}")));
    assert_int_equal(text.data[text.size], '\0');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_styles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_byte_at_each_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streaming, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_str, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

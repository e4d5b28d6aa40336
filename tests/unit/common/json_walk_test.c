#include "common/json.h"

#include <setjmp.h>
#include <stdarg.h>
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

/* Each is before the next; so says jq's sort. */
static void test_order(void **state) {
    static const char *const texts[] = {
        "null",
        "false",
        "true",
        "-1e400",
        "-1",
        "0",
        "0.5",
        "9007199254740992",
        "9007199254740993",
        "1e400",
        "\"\"",
        "\"\\u0000\"",
        "\"A\"",
        "\"a\"",
        "\"aa\"",
        "\"b\"",
        "\"\xC3\xA4\"",
        "\"\xEF\xBF\xBF\"",
        "\"\xF0\x9F\x98\x80\"",
        "[]",
        "[null]",
        "[null,null]",
        "[0]",
        "[0,0]",
        "[1]",
        "[\"a\"]",
        "[[]]",
        "[[],1]",
        "[[0]]",
        "[{}]",
        "[{\"a\":1}]",
        "{}",
        "{\"a\":1}",
        "{\"a\":2}",
        "{\"a\":[]}",
        "{\"b\":3,\"a\":1}",
        "{\"a\":1,\"b\":4}",
        "{\"a\":2,\"b\":3}",
        "{\"a\":0,\"b\":0,\"c\":0}",
        "{\"a\":0,\"c\":0}",
        "{\"b\":0}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            int expected = (i > j) - (i < j);
            int order = json_compare(json_of(texts[i], *state), json_of(texts[j], *state));
            if (order != expected) fail_msg("%s, %s: %d", texts[i], texts[j], order);
            assert_int_equal(
                    json_equal(json_of(texts[i], *state), json_of(texts[j], *state)), i == j);
        }
    }
}

static void test_key_order_is_no_difference(void **state) {
    struct json a = json_of("{\"a\":1,\"b\":{\"x\":[1,2],\"y\":null}}", *state);
    struct json b = json_of("{\"b\":{\"y\":null,\"x\":[1,2.0]},\"a\":1e0}", *state);
    struct json c = json_of("{\"b\":{\"y\":null,\"x\":[1,3]},\"a\":1}", *state);

    assert_true(json_equal(a, b));
    assert_false(json_equal(a, c));
    assert_int_equal(json_compare(a, c), -1);
    assert_true(json_equal(a, a));
}

static void test_copy_shares_nothing(void **state) {
    static const char text[] =
            "{\"a\":[1,1.0,\"x\",\"\",[],{}],\"b\":{\"c\":{\"d\":[[[12345678901234567890]]]}}}";
    struct arena *arena = arena_new();
    struct json copy = json_copy(json_of(text, arena), *state);

    arena_free(arena); /* a sanitizer sees what still pointed there */
    assert_true(str_equal(json_to_str(copy, *state), str_from(text)));
    struct json many = json_object(*state, 0);
    for (int i = 0; i < 50; i++)
        many = json_set(many, str_format(*state, "%d", i), json_number(i), *state);
    copy = json_copy(many, *state);
    assert_int_equal(json_int64_or(json_get(copy, STR("49")), 0), 49);
    assert_true(json_equal(copy, many));
    assert_true(json_is_absent(json_copy((struct json){ 0 }, *state)));
}

/* Deeper than any stack of calls would bear. */
static void test_depth(void **state) {
    enum { DEEP = 1000 * 1000 };
    struct json a = json_number(1), b = json_number(2);

    for (int i = 0; i < DEEP; i++) {
        a = i % 2 ? json_array_from(&a, 1, *state)
                  : json_set(json_object(*state, 1), STR("k"), a, *state);
        b = i % 2 ? json_array_from(&b, 1, *state)
                  : json_set(json_object(*state, 1), STR("k"), b, *state);
    }
    assert_int_equal(json_compare(a, b), -1);
    assert_int_equal(json_compare(b, a), 1);
    assert_int_equal(json_compare(a, json_copy(a, *state)), 0);
    assert_int_equal(json_to_str(a, *state).size, (size_t)DEEP / 2 * 8 + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_order_is_no_difference, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_shares_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

static void expect_text(struct json value, const char *text, struct arena *arena) {
    struct str written = json_to_str(value, arena);

    if (!str_equal(written, str_from(text)))
        fail_msg(STR_FMT " instead of %s", STR_ARG(written), text);
}

static void test_types(void **state) {
    static const struct {
        const char *text, *name;
        enum json_type type;
        bool null, truthy;
        size_t size;
    } rows[] = {
        { "null", "null", JSON_NULL, true, false, 0 },
        { "false", "boolean", JSON_FALSE, false, false, 0 },
        { "true", "boolean", JSON_TRUE, false, true, 0 },
        { "0", "number", JSON_NUMBER, false, true, 0 },
        { "1.50", "number", JSON_NUMBER, false, true, 0 },
        { "\"abc\"", "string", JSON_STRING, false, true, 0 },
        { "[]", "array", JSON_ARRAY, false, true, 0 },
        { "[1,2]", "array", JSON_ARRAY, false, true, 2 },
        { "{}", "object", JSON_OBJECT, false, true, 0 },
        { "{\"a\":null}", "object", JSON_OBJECT, false, true, 1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json value = json_of(rows[i].text, *state);
        assert_int_equal(json_type(value), rows[i].type);
        assert_string_equal(json_type_name(value), rows[i].name);
        assert_int_equal(json_is_null(value), rows[i].null);
        assert_int_equal(json_is_truthy(value), rows[i].truthy);
        assert_false(json_is_absent(value));
        assert_int_equal(json_size(value), rows[i].size);
    }
}

static void test_absent(void **state) {
    struct json absent = { 0 };
    (void)state;

    assert_true(json_is_absent(absent));
    assert_true(json_is_null(absent));
    assert_false(json_is_truthy(absent));
    assert_string_equal(json_type_name(absent), "null");
    assert_int_equal(json_size(absent), 0);
    assert_int_equal(json_str(absent).size, 0);
    assert_null(json_items(absent));
    assert_null(json_member_at(absent, 0));
    assert_false(json_has(absent, STR("a")));
    struct json far = json_at(json_get(json_get(absent, STR("a")), STR("b")), 3);
    assert_true(json_is_absent(far));
    assert_int_equal(json_compare(absent, json_null()), 0);
}

static void test_accessors(void **state) {
    struct json value =
            json_of("{\"s\":\"text\",\"n\":7,\"t\":true,\"f\":false,\"a\":[1,[2]],\"\":0}", *state);

    assert_true(str_equal(json_str(json_get(value, STR("s"))), STR("text")));
    assert_true(str_equal(json_str_or(json_get(value, STR("n")), STR("x")), STR("x")));
    assert_int_equal(json_int64_or(json_get(value, STR("n")), 0), 7);
    assert_true(json_bool_or(json_get(value, STR("t")), false));
    assert_false(json_bool_or(json_get(value, STR("f")), true));
    assert_true(json_bool_or(json_get(value, STR("n")), true));
    assert_true(json_has(value, STR("")));
    assert_false(json_has(value, STR("S")));
    struct json array = json_get(value, STR("a"));
    assert_int_equal(json_int64_or(json_items(array)[0], 0), 1);
    assert_int_equal(json_int64_or(json_at(json_at(array, 1), 0), 0), 2);
    assert_true(json_is_absent(json_at(array, 2)));
    assert_true(json_is_absent(json_get(array, STR("0"))));
    assert_true(json_is_absent(json_at(value, 0)));
    assert_null(json_items(value));
    assert_true(str_equal(json_member_at(value, 1)->key, STR("n")));
    assert_null(json_member_at(value, 6));
}

static void test_pointers(void **state) {
    /* RFC 6901, 5, and then some. */
    struct json value =
            json_of("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
                    "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8,\"~1\":9,\"o\":{\"\":{\"\":10}}}",
                    *state);
    static const struct {
        const char *pointer, *text; /* NULL: absent */
    } rows[] = {
        { "/foo", "[\"bar\",\"baz\"]" },
        { "/foo/0", "\"bar\"" },
        { "/", "0" },
        { "/a~1b", "1" },
        { "/c%d", "2" },
        { "/e^f", "3" },
        { "/g|h", "4" },
        { "/i\\j", "5" },
        { "/k\"l", "6" },
        { "/ ", "7" },
        { "/m~0n", "8" },
        { "/~01", "9" },
        { "/o//", "10" },
        { "/foo/1", "\"baz\"" },
        { "/foo/2", NULL },
        { "/foo/-", NULL },
        { "/foo/01", NULL },
        { "/foo/", NULL },
        { "/foo/4294967296", NULL },
        { "/foo/99999999999999999999", NULL },
        { "/foo/0/x", NULL },
        { "/m~n", NULL },
        { "/m~", NULL },
        { "/m~2n", NULL },
        { "foo", NULL },
        { "/nope", NULL },
    };

    assert_true(json_equal(json_pointer_get(value, STR("")), value));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json found = json_pointer_get(value, str_from(rows[i].pointer));
        if (rows[i].text) {
            expect_text(found, rows[i].text, *state);
        } else if (!json_is_absent(found)) {
            fail_msg("%s leads somewhere", rows[i].pointer);
        }
    }
}

static void test_scalars(void **state) {
    char text[] = "text";
    struct json copy = json_string_copy(str_from(text), *state);
    struct json borrowed = json_string(str_from(text));

    text[0] = 'n';
    expect_text(copy, "\"text\"", *state);
    expect_text(borrowed, "\"next\"", *state);
    expect_text(json_string(STR_NULL), "\"\"", *state);
    expect_text(json_string_format(*state, "%s-%d", "a", 12), "\"a-12\"", *state);
    expect_text(json_null(), "null", *state);
    expect_text(json_bool(true), "true", *state);
    expect_text(json_bool(false), "false", *state);
}

static void test_append(void **state) {
    struct json empty = json_array(*state, 0);
    struct json one = json_append(empty, json_number(1), *state);
    struct json two = json_append(one, json_number(2), *state);
    struct json other =
            json_append(one, json_number(3), *state); /* `one` is no longer the newest */
    struct json nothing = json_append(json_null(), (struct json){ 0 }, *state);

    expect_text(empty, "[]", *state);
    expect_text(one, "[1]", *state);
    expect_text(two, "[1,2]", *state);
    expect_text(other, "[1,3]", *state);
    expect_text(nothing, "[null]", *state);
    assert_ptr_equal(one.array, two.array);
    assert_ptr_not_equal(one.array, other.array);
    struct json items[] = { json_number(1), json_string(STR("x")) };
    struct json row = json_array_from(items, 2, *state);
    items[0] = json_null();
    expect_text(row, "[1,\"x\"]", *state);
    expect_text(json_array_from(NULL, 0, *state), "[]", *state);
}

/* A row belongs to its arena: others must not write to it. */
static void test_append_from_another_arena(void **state) {
    struct arena *other = arena_new();
    struct json array = json_append(json_array(*state, 8), json_number(1), *state);
    struct json longer = json_append(array, json_number(2), other);
    struct json object = json_set(json_object(*state, 8), STR("a"), json_number(1), *state);
    struct json larger = json_set(object, STR("b"), json_number(2), other);

    assert_ptr_not_equal(array.array, longer.array);
    assert_ptr_not_equal(object.object, larger.object);
    expect_text(json_append(array, json_number(3), *state), "[1,3]", *state);
    expect_text(longer, "[1,2]", *state);
    expect_text(json_set(object, STR("c"), json_number(3), *state), "{\"a\":1,\"c\":3}", *state);
    expect_text(larger, "{\"a\":1,\"b\":2}", *state);
    arena_free(other);
}

static void test_append_is_amortised(void **state) {
    enum { COUNT = 100 * 1000 };
    struct json array = json_array(*state, 0);
    struct json object;

    for (int i = 0; i < COUNT; i++)
        array = json_append(array, json_number(i), *state);
    assert_int_equal(json_size(array), COUNT);
    /* Capacities double, so all rows together have less than twice the last one. */
    assert_true(arena_used(*state) < (size_t)COUNT * sizeof(struct json) * 6);
    arena_reset(*state);
    object = json_object(*state, 0);
    for (int i = 0; i < COUNT; i++) {
        object = json_set(object, str_format(*state, "%d", i), json_number(i), *state);
    }
    assert_int_equal(json_size(object), COUNT);
    for (int i = 0; i < COUNT; i += 97) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%d", i);
        assert_int_equal(json_int64_or(json_get(object, str_from(key)), -1), i);
    }
}

static void test_set(void **state) {
    struct json a = json_set(json_object(*state, 0), STR("a"), json_number(1), *state);
    struct json ab = json_set(a, STR("b"), json_number(2), *state);
    struct json ac = json_set(a, STR("c"), json_number(3), *state);
    struct json again = json_set(ab, STR("a"), json_number(9), *state);

    expect_text(a, "{\"a\":1}", *state);
    expect_text(ab, "{\"a\":1,\"b\":2}", *state);
    expect_text(ac, "{\"a\":1,\"c\":3}", *state);
    expect_text(again, "{\"a\":9,\"b\":2}", *state);
    assert_false(json_has(a, STR("b"))); /* though it is in the row that both look at */
    expect_text(json_set(a, STR("z"), (struct json){ 0 }, *state), "{\"a\":1}", *state);
    expect_text(json_set(json_null(), STR("z"), json_null(), *state), "{\"z\":null}", *state);
    expect_text(json_set(a, STR_NULL, json_null(), *state), "{\"a\":1,\"\":null}", *state);
}

/* Against a plain model, through the size at which the index appears, with old values kept. */
static void test_objects_against_a_model(void **state) {
    enum { KEYS = 60, STEPS = 3000, KEPT = 16 };
    int model[KEPT][KEYS] = { { 0 } }; /* 0: not there */
    struct json objects[KEPT];
    uint64_t seed = 4242;

    for (int i = 0; i < KEPT; i++)
        objects[i] = json_object(*state, 0);
    for (int step = 1; step <= STEPS; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t from = (seed >> 33) % KEPT, to = (seed >> 40) % KEPT, key_at = (seed >> 48) % KEYS;
        struct str key = str_format(*state, "k%zu", key_at);
        memmove(model[to], model[from], sizeof(model[to]));
        if (seed >> 61 == 0) {
            objects[to] = json_remove(objects[from], key, *state);
            model[to][key_at] = 0;
        } else {
            objects[to] = json_set(objects[from], key, json_number(step), *state);
            model[to][key_at] = step;
        }
        size_t count = 0;
        for (size_t i = 0; i < KEYS; i++) {
            char name[8];
            (void)snprintf(name, sizeof(name), "k%zu", i);
            assert_int_equal(json_int64_or(json_get(objects[to], str_from(name)), 0), model[to][i]);
            assert_int_equal(json_has(objects[to], str_from(name)), model[to][i] != 0);
            count += model[to][i] != 0;
        }
        assert_int_equal(json_size(objects[to]), count);
    }
    for (size_t i = 0; i < KEPT; i++) {
        for (size_t j = 0; j < json_size(objects[i]); j++) {
            const struct json_member *member = json_member_at(objects[i], j);
            int64_t key = 0;
            assert_true(str_to_int64(str_slice(member->key, 1, 9), &key));
            assert_int_equal(json_int64_or(member->value, 0), model[i][key]);
        }
    }
}

static void test_remove(void **state) {
    struct json abc = json_of("{\"a\":1,\"b\":2,\"c\":3}", *state);

    expect_text(json_remove(abc, STR("a"), *state), "{\"b\":2,\"c\":3}", *state);
    expect_text(json_remove(abc, STR("b"), *state), "{\"a\":1,\"c\":3}", *state);
    expect_text(json_remove(abc, STR("c"), *state), "{\"a\":1,\"b\":2}", *state);
    expect_text(json_remove(abc, STR("d"), *state), "{\"a\":1,\"b\":2,\"c\":3}", *state);
    expect_text(json_remove(json_of("{\"a\":1}", *state), STR("a"), *state), "{}", *state);
    expect_text(abc, "{\"a\":1,\"b\":2,\"c\":3}", *state);
}

static void test_merge(void **state) {
    struct json a = json_of("{\"a\":1,\"b\":{\"x\":1}}", *state),
                b = json_of("{\"b\":{\"y\":2},\"c\":3}", *state);

    expect_text(json_merge(a, b, *state), "{\"a\":1,\"b\":{\"y\":2},\"c\":3}", *state);
    expect_text(json_merge(b, a, *state), "{\"b\":{\"x\":1},\"c\":3,\"a\":1}", *state);
    expect_text(json_merge(a, json_null(), *state), "{\"a\":1,\"b\":{\"x\":1}}", *state);
    expect_text(json_merge(json_null(), b, *state), "{\"b\":{\"y\":2},\"c\":3}", *state);
    expect_text(json_merge(json_null(), json_null(), *state), "{}", *state);
    struct json many = json_object(*state, 0), more = many;
    for (int i = 0; i < 30; i++) {
        many = json_set(many, str_format(*state, "%d", i), json_number(i), *state);
        more = json_set(more, str_format(*state, "%d", i + 15), json_number(-i), *state);
    }
    struct json merged = json_merge(many, more, *state);
    assert_int_equal(json_size(merged), 45);
    assert_int_equal(json_int64_or(json_get(merged, STR("14")), 0), 14);
    assert_int_equal(json_int64_or(json_get(merged, STR("16")), 0), -1);
    assert_int_equal(json_int64_or(json_get(merged, STR("44")), 0), -29);
    assert_int_equal(json_int64_or(json_get(many, STR("16")), 0), 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accessors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pointers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append_from_another_arena, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append_is_amortised, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_objects_against_a_model, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remove, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

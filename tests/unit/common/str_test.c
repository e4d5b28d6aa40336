#include "common/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

static void expect(struct str s, const char *text) {
    if (!str_equal(s, str_from(text))) fail_msg("'" STR_FMT "' instead of '%s'", STR_ARG(s), text);
}

static void test_equal_and_compare(void **state) {
    static const char *const sorted[] = { "", "A", "B", "a", "aa", "ab", "b", "\x7F", "\xC3\xA4" };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(sorted); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(sorted); j++) {
            struct str a = str_from(sorted[i]), b = str_from(sorted[j]);
            int order = str_compare(a, b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(str_equal(a, b), i == j);
        }
    }
    assert_true(str_equal(STR_NULL, STR("")));
    assert_int_equal(str_compare(STR_NULL, STR("")), 0);
    assert_true(str_equal_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_equal_nocase(STR("a"), STR("ab")));
    assert_false(str_equal_nocase(STR("@[`{"), STR("`{@[")));
    assert_false(str_equal_nocase(STR("\xC3\x84"), STR("\xC3\xA4")));
    assert_int_equal(str_from(NULL).size, 0);
}

static void test_starts_and_ends(void **state) {
    (void)state;
    assert_true(str_starts_with(STR("abc"), STR("ab")));
    assert_true(str_starts_with(STR("abc"), STR("")));
    assert_true(str_starts_with(STR_NULL, STR("")));
    assert_false(str_starts_with(STR("abc"), STR("bc")));
    assert_false(str_starts_with(STR("a"), STR("ab")));
    assert_true(str_ends_with(STR("abc"), STR("bc")));
    assert_true(str_ends_with(STR("abc"), STR("")));
    assert_false(str_ends_with(STR("abc"), STR("ab")));
    assert_false(str_ends_with(STR("c"), STR("bc")));
}

static void test_slice_and_trim(void **state) {
    (void)state;
    expect(str_slice(STR("abcdef"), 1, 3), "bc");
    expect(str_slice(STR("abc"), 1, 99), "bc");
    expect(str_slice(STR("abc"), 5, 99), "");
    expect(str_slice(STR("abc"), 2, 1), "");
    expect(str_slice(STR_NULL, 0, 9), "");
    expect(str_trim(STR(" \t\r\n\v\fa b \n")), "a b");
    expect(str_trim(STR("  ")), "");
    expect(str_trim(STR("")), "");
}

static void test_find_and_cut(void **state) {
    struct str rest = STR("a,,b");
    (void)state;

    assert_int_equal(str_find_char(STR("abc"), 'c'), 2);
    assert_int_equal(str_find_char(STR("abc"), 'x'), 3);
    assert_int_equal(str_find_char(STR_NULL, 'x'), 0);
    assert_int_equal(str_find(STR("abcabd"), STR("abd")), 3);
    assert_int_equal(str_find(STR("abc"), STR("x")), 3);
    assert_int_equal(str_find(STR("abc"), STR("")), 0);
    assert_int_equal(str_find(STR_NULL, STR("a")), 0);
    assert_int_equal(str_find(STR("a"), STR("ab")), 1);
    expect(str_cut(&rest, ','), "a");
    expect(str_cut(&rest, ','), "");
    expect(rest, "b");
    expect(str_cut(&rest, ','), "b");
    assert_null(rest.data);
    rest = STR("a,");
    expect(str_cut(&rest, ','), "a");
    assert_non_null(rest.data); /* an empty last piece is a piece */
    expect(str_cut(&rest, ','), "");
    assert_null(rest.data);
}

static void test_to_int64(void **state) {
    static const struct {
        const char *text;
        bool is;
        int64_t value;
    } rows[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "007", true, 7 },
        { "-12", true, -12 },
        { "9223372036854775807", true, INT64_MAX },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775808", true, INT64_MIN },
        { "-9223372036854775809", false, 0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "+1", false, 0 },
        { " 1", false, 0 },
        { "1 ", false, 0 },
        { "1.0", false, 0 },
        { "1e3", false, 0 },
        { "0x1", false, 0 },
        { "99999999999999999999999", false, 0 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t value = 0;
        bool is = str_to_int64(str_from(rows[i].text), &value);
        if (is != rows[i].is || value != rows[i].value)
            fail_msg("'%s': %lld", rows[i].text, (long long)value);
    }
}

static void test_hash(void **state) {
    (void)state;
    char a[40], b[40];

    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    for (size_t size = 0; size <= sizeof(a); size++) {
        assert_true(str_hash((struct str){ a, size }) == str_hash((struct str){ b, size }));
        if (size)
            assert_true(str_hash((struct str){ a, size }) != str_hash((struct str){ a, size - 1 }));
        for (size_t i = 0; i < size; i++) {
            b[i] = 'y';
            assert_true(str_hash((struct str){ a, size }) != str_hash((struct str){ b, size }));
            b[i] = 'x';
        }
    }
}

static void test_copies(void **state) {
    struct arena *arena = arena_new();
    char text[] = "text";
    struct str copy = str_copy(str_from(text), arena);
    (void)state;

    text[0] = 'n';
    expect(copy, "text");
    assert_int_equal(copy.data[4], '\0');
    assert_string_equal(str_to_c(str_slice(str_from(text), 0, 2), arena), "ne");
    assert_string_equal(str_to_c(STR_NULL, arena), "");
    expect(str_format(arena, "%s-%03d", "x", 7), "x-007");
    expect(str_format(arena, "%s", ""), "");
    arena_free(arena);
}

static void test_utf8(void **state) {
    static const char *const valid[] = { "", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80",
        "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF",
        "a\xC3\xA4z" };
    static const char *const invalid[] = { "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2z",
        "\xE0\x9F\xBF", "\xE0\xA0", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
        "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFE",
        "\xFF", "a\xC3\xA4\xC3" };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(valid); i++)
        assert_true(str_is_utf8(str_from(valid[i])));
    for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
        assert_false(str_is_utf8(str_from(invalid[i])));
    assert_true(str_is_utf8(STR("a\0b")));
    assert_true(str_is_utf8(STR_NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_and_compare),
        cmocka_unit_test(test_starts_and_ends),
        cmocka_unit_test(test_slice_and_trim),
        cmocka_unit_test(test_find_and_cut),
        cmocka_unit_test(test_to_int64),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "common/json.h"

#include <float.h>
#include <math.h>
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

static struct json number_of(const char *text, struct arena *arena) {
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

#define DIGITS_100                                                                                 \
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012" \
    "34567891"

static void test_digits_are_kept(void **state) {
    static const char *const texts[] = {
        "9007199254740993",
        "-9007199254740993",
        "0.30000000000000004",
        "0.1",
        "1e400",
        "-1e400",
        "-0",
        "0",
        "-0.0",
        "0.0",
        "1.0",
        "1.10",
        "1E5",
        "1e+05",
        "1e-05",
        "0e0",
        "100",
        "-100",
        "999999999999999",
        "1000000000000000",
        "123456789012345678",
        "18446744073709551616",
        "1e999999999999999999999",
        DIGITS_100,
        "-" DIGITS_100,
        "0." DIGITS_100,
        (DIGITS_100 "." DIGITS_100 "e-100"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        expect_text(number_of(texts[i], *state), texts[i], *state);
        expect_text(json_number_literal(str_from(texts[i])), texts[i], *state);
        expect_text(json_copy(number_of(texts[i], *state), *state), texts[i], *state);
    }
}

static void test_double(void **state) {
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        { "0", 0 },
        { "1", 1 },
        { "-1", -1 },
        { "1.5", 1.5 },
        { "0.1", 0.1 },
        { "0.001e3", 1 },
        { "1e22", 1e22 },
        { "1e23", 1e23 },
        { "123456789012345e22", 123456789012345e22 },
        { "9007199254740993", 9007199254740992.0 },
        { "9007199254740993.00000000000000000001", 9007199254740994.0 },
        { "0.30000000000000004", 0.1 + 0.2 },
        { "1e400", DBL_MAX },
        { "-1e400", -DBL_MAX },
        { "1e-400", 0 },
        { "4.9406564584124654e-324", 0x1p-1074 },
        { "2.2250738585072011e-308", 2.2250738585072011e-308 },
        { "179769313486231580793e289", DBL_MAX },
        { "0e999999999999", 0 },
        { "1e99999999999999999999999", DBL_MAX },
        { "0.000000000000000000000000000000000001e36", 1 },
        { "10000000000000000000000000000000000000000e-40", 1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        double value = json_double(number_of(rows[i].text, *state));
        if (value != rows[i].value) fail_msg("%s: %.17g", rows[i].text, value);
    }
    assert_true(signbit(json_double(number_of("-0", *state))));
    assert_true(json_double(json_string(STR("1"))) == 0);
    assert_true(json_double((struct json){ 0 }) == 0);
    /* A literal too long for any buffer that is set aside. */
    char *long_text = arena_alloc(*state, 5001);
    memset(long_text, '1', 5000);
    long_text[1] = '.';
    long_text[5000] = '\0';
    assert_true(json_double(number_of(long_text, *state)) == 1.1111111111111112);
}

static void test_int64(void **state) {
    static const struct {
        const char *text;
        bool is;
        int64_t value;
    } rows[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "1.0", true, 1 },
        { "1e2", true, 100 },
        { "120e-1", true, 12 },
        { "1.5", false, 0 },
        { "12e-2", false, 0 },
        { "9007199254740993", true, 9007199254740993 },
        { "9007199254740993.000", true, 9007199254740993 },
        { "9223372036854775807", true, INT64_MAX },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775808", true, INT64_MIN },
        { "-9223372036854775809", false, 0 },
        { "9.223372036854775807e18", true, INT64_MAX },
        { "9999999999999999999", false, 0 },
        { "1e19", false, 0 },
        { "1e400", false, 0 },
        { "1e-400", false, 0 },
        { "0e400", true, 0 },
        { "1000000000000000000", true, 1000000000000000000 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t value = 0;
        bool is = json_to_int64(number_of(rows[i].text, *state), &value);
        if (is != rows[i].is || value != rows[i].value)
            fail_msg("%s: %lld", rows[i].text, (long long)value);
    }
    assert_int_equal(json_int64_or(json_number(-3), 7), -3);
    assert_int_equal(json_int64_or(json_number(0.5), 7), 7);
    assert_int_equal(json_int64_or(json_number(0x1p63), 7), 7);
    assert_int_equal(json_int64_or(json_number(-0x1p63), 7), INT64_MIN);
    assert_int_equal(json_int64_or(json_string(STR("3")), 7), 7);
    assert_int_equal(json_int64_or((struct json){ 0 }, 7), 7);
    static const int64_t values[] = { 0, 1, -1, 1LL << 53, (1LL << 53) + 1, -(1LL << 53) - 1,
        INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct json value = json_int64(values[i], *state);
        assert_int_equal(json_int64_or(value, 99), values[i]);
        expect_text(value, str_format(*state, "%lld", (long long)values[i]).data, *state);
    }
}

/* Taken from jq 1.6, but for whole numbers from 1e16, which jq writes as 1e+16. */
static void test_written_as_jq(void **state) {
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        { 0, "0" },
        { -0.0, "-0" },
        { 1, "1" },
        { -1, "-1" },
        { 10, "10" },
        { 99, "99" },
        { 100, "100" },
        { 12345, "12345" },
        { 1e15, "1000000000000000" },
        { 1e16, "10000000000000000" },
        { 1e17, "1e+17" },
        { 1e18, "1e+18" },
        { 123e17, "1.23e+19" },
        { 12345678901234567890.0, "12345678901234567000" },
        { 12345678909876543212345.0, "12345678909876543000000" },
        { 9007199254740993.0, "9007199254740992" },
        { 72057594037927936.0, "72057594037927940" },
        { 0.1, "0.1" },
        { 0.5, "0.5" },
        { -0.5, "-0.5" },
        { 0.001, "0.001" },
        { 0.0001, "0.0001" },
        { 0.00001, "1e-05" },
        { 0.000012, "1.2e-05" },
        { 0.000123456789, "0.000123456789" },
        { 1e-7, "1e-07" },
        { 1.5e300, "1.5e+300" },
        { 1e100, "1e+100" },
        { 5e-324, "5e-324" },
        { 3.14, "3.14" },
        { 19.99, "19.99" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 1.0 / 3, "0.3333333333333333" },
        { 123456.789, "123456.789" },
        { 1e9 + 0.5, "1000000000.5" },
        { DBL_MAX, "1.7976931348623157e+308" },
        { INFINITY, "1.7976931348623157e+308" },
        { -INFINITY, "-1.7976931348623157e+308" },
        { NAN, "null" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        expect_text(json_number(rows[i].value), rows[i].text, *state);
    }
}

static void test_written_reads_back(void **state) {
    uint64_t seed = 88172645463325252u;

    for (int i = 0; i < 200 * 1000; i++) {
        double value;
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        memcpy(&value, &seed, sizeof(value));
        if (i % 2) value = (double)(int64_t)(seed % 2000000000) / (i % 4 == 1 ? 1000.0 : 7.0);
        if (!isfinite(value)) continue;
        struct str text = json_to_str(json_number(value), *state);
        if (strtod(text.data, NULL) != value) fail_msg("%.17g: " STR_FMT, value, STR_ARG(text));
        if (i % 1000 == 0) arena_reset(*state);
    }
}

static void test_compare(void **state) {
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        { "1", "2", -1 },
        { "1", "1.0", 0 },
        { "100", "1e2", 0 },
        { "0", "-0", 0 },
        { "-0.0", "0e5", 0 },
        { "-1", "1", -1 },
        { "-2", "-1", -1 },
        { "9007199254740992", "9007199254740993", -1 },
        { "9007199254740993", "9007199254740993.0", 0 },
        { "9007199254740993", "9007199254740992.0", 1 },
        { "-9007199254740993", "-9007199254740992", -1 },
        { "9007199254740993e0", "9007199254740993", 0 },
        { "1e400", "1e401", -1 },
        { "-1e400", "-1e401", 1 },
        { "1e400", "10e399", 0 },
        { "123456789012345678901234567890", "123456789012345678901234567891", -1 },
        { "12345678901234567890123456789", "123456789012345678901234567890", -1 },
        { "12345678901234567890123456789.0", "1.2345678901234567890123456789e28", 0 },
        { "0.1", "0.10", 0 },
        { "0.1", "0.2", -1 },
        { "1e-400", "0", 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json a = number_of(rows[i].a, *state), b = number_of(rows[i].b, *state);
        if (json_compare(a, b) != rows[i].order || json_compare(b, a) != -rows[i].order) {
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        }
        assert_int_equal(json_equal(a, b), rows[i].order == 0);
    }
    /* What was computed is equal to what it is written as. */
    static const double values[] = { 1e23, 0x1p60, 1e300, 0.1, 5, -0x1p70 };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct json value = json_number(values[i]);
        assert_true(json_equal(value, number_of(json_to_str(value, *state).data, *state)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_digits_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_double, setup, teardown),
        cmocka_unit_test_setup_teardown(test_int64, setup, teardown),
        cmocka_unit_test_setup_teardown(test_written_as_jq, setup, teardown),
        cmocka_unit_test_setup_teardown(test_written_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_compare, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct buf *buf, const char *text) {
    if (!str_equal(buf_str(buf), str_from(text)))
        fail_msg(STR_FMT " instead of %s", STR_ARG(buf_str(buf)), text);
    if (buf->size) assert_int_equal(buf->data[buf->size], '\0');
}

static void test_append(void **state) {
    struct buf buf;
    (void)state;

    buf_init(&buf, 1024);
    expect(&buf, "");
    buf_append(&buf, STR("ab"));
    buf_append(&buf, STR_NULL);
    buf_append_c(&buf, "cd");
    buf_append_char(&buf, 'e');
    buf_append_format(&buf, "-%d-%s", 12, "f");
    expect(&buf, "abcde-12-f");
    buf_reset(&buf);
    expect(&buf, "");
    buf_append_c(&buf, "again");
    expect(&buf, "again");
    buf_clear(&buf);
    buf_append_c(&buf, "and again");
    expect(&buf, "and again");
    buf_clear(&buf);
}

static void test_reserve(void **state) {
    struct buf buf;
    (void)state;

    buf_init(&buf, 5000);
    char *to = buf_reserve(&buf, 3000);
    assert_non_null(to);
    memset(to, 'x', 3000);
    buf.size += 2500;
    assert_null(buf_reserve(&buf, 2501));
    assert_true(buf_is_over(&buf));
    assert_int_equal(buf.size, 2500);
    buf_clear(&buf);
}

/* At the limit all is there; one byte past it, nothing of the last piece, and nothing after. */
static void test_limit(void **state) {
    struct buf buf;
    (void)state;

    buf_init(&buf, 10);
    buf_append_c(&buf, "0123456789");
    assert_false(buf_is_over(&buf));
    buf_append_c(&buf, "");
    assert_false(buf_is_over(&buf));
    buf_append_char(&buf, 'x');
    assert_true(buf_is_over(&buf));
    expect(&buf, "0123456789");
    buf_reset(&buf);
    assert_false(buf_is_over(&buf));
    buf_append_format(&buf, "%s", "01234567890");
    assert_true(buf_is_over(&buf));
    buf_append_c(&buf, "short");
    expect(&buf, "");
    buf_clear(&buf);
    assert_false(buf_is_over(&buf));
    assert_null(buf_reserve(&buf, SIZE_MAX));
}

static void test_growth(void **state) {
    struct buf buf;
    (void)state;

    buf_init(&buf, SIZE_MAX / 2);
    for (int i = 0; i < 100 * 1000; i++)
        buf_append_format(&buf, "%05d,", i);
    assert_int_equal(buf.size, 600 * 1000);
    assert_memory_equal(buf.data + 6 * 12345, "12345,", 6);
    buf_clear(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_growth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

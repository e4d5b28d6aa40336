#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state) {
    struct err err;
    (void)state;

    assert_false(err_set(&err, ERR_NOT_FOUND, "no workflow '%s'", "x"));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.message, "no workflow 'x'");
}

static void test_wrap(void **state) {
    struct err err;
    (void)state;

    (void)err_set(&err, ERR_UNAVAILABLE, "no answer");
    assert_false(err_wrap(&err, "load record '%s'", "x"));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_string_equal(err.message, "load record 'x': no answer");
    assert_false(err_wrap(&err, "step"));
    assert_string_equal(err.message, "step: load record 'x': no answer");
}

/* Long texts are cut, the innermost first, and end with their NUL. */
static void test_long_messages(void **state) {
    char text[2 * ERR_MESSAGE_SIZE];
    struct err err;
    (void)state;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)err_set(&err, ERR_INVALID, "%s", text);
    assert_int_equal(strlen(err.message), ERR_MESSAGE_SIZE - 1);
    for (int i = 0; i < 10; i++) {
        (void)err_wrap(&err, "context %d", i);
        assert_true(strlen(err.message) < ERR_MESSAGE_SIZE);
    }
    assert_int_equal(strncmp(err.message, "context 9: context 8: ", 22), 0);
    (void)err_wrap(&err, "%s", text);
    assert_true(strlen(err.message) < ERR_MESSAGE_SIZE);
    assert_int_equal(err.code, ERR_INVALID);
}

static void test_rows(void **state) {
    (void)state;
    assert_int_equal(err_status(ERR_NONE), 200);
#define ERR(code, status, retryable, text)                     \
    assert_int_equal(err_status(ERR_##code), status);          \
    assert_int_equal(err_is_retryable(ERR_##code), retryable); \
    assert_string_equal(err_text(ERR_##code), text);           \
    assert_in_range(status, 400, 599);
#include "common/err.def"
#undef ERR
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

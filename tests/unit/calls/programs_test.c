#include "calls/programs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_a_text_is_compiled_once(void **state) {
    struct programs *programs = programs_new();
    const struct expression *first, *second, *other;
    struct err err;

    (void)state;
    assert_true(programs_get(programs, STR("$secrets.a"), &first, &err));
    assert_true(programs_get(programs, STR("$secrets.b"), &other, &err));
    assert_true(programs_get(programs, STR("$secrets.a"), &second, &err));
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    assert_true(expression_uses(first, STR("secrets")));
    assert_false(programs_get(programs, STR("$secrets.("), &first, &err));
    assert_int_equal(err.code, ERR_INVALID);
    programs_free(programs);
}

static void test_the_least_used_is_forgotten(void **state) {
    struct programs *programs = programs_new();
    const struct expression *kept, *again, *expression;
    char text[32];
    struct err err;

    (void)state;
    assert_true(programs_get(programs, STR(".kept"), &kept, &err));
    for (int i = 0; i < 3 * PROGRAMS_MAX; i++) {
        snprintf(text, sizeof(text), ".f%d", i);
        assert_true(programs_get(programs, str_from(text), &expression, &err));
        assert_true(programs_get(programs, STR(".kept"), &again, &err));
        assert_ptr_equal(again, kept);
    }
    assert_true(programs_get(programs, STR(".f0"), &expression, &err));
    programs_free(programs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_compiled_once),
        cmocka_unit_test(test_the_least_used_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

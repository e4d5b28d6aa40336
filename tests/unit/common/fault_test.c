#include "common/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"

static void test_add(void **state) {
    struct arena *arena = arena_new();
    char pointer[] = "/do/0";
    struct faults faults;
    (void)state;

    faults_init(&faults, arena);
    assert_int_equal(faults.count, 0);
    faults_add(&faults, str_from(pointer), "'%s' is %d too long", "name", 3);
    memset(pointer, 'x', sizeof(pointer) - 1);
    assert_int_equal(faults.count, 1);
    assert_true(str_equal(faults.items[0].pointer, STR("/do/0")));
    assert_true(str_equal(faults.items[0].detail, STR("'name' is 3 too long")));
    assert_int_equal(faults.items[0].line, 0);
    arena_free(arena);
}

static void test_limit(void **state) {
    struct arena *arena = arena_new();
    struct faults faults;
    (void)state;

    faults_init(&faults, arena);
    for (int i = 0; i < LIMIT_FAULTS + 7; i++)
        faults_add(&faults, STR(""), "fault %d", i);
    assert_int_equal(faults.count, LIMIT_FAULTS);
    assert_int_equal(faults.left_out, 7);
    for (size_t i = 0; i < LIMIT_FAULTS; i++) {
        assert_true(str_equal(faults.items[i].detail, str_format(arena, "fault %zu", i)));
    }
    arena_free(arena);
}

static void test_long_detail(void **state) {
    struct arena *arena = arena_new();
    struct faults faults;
    char text[5000];
    (void)state;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    faults_init(&faults, arena);
    faults_add(&faults, STR("/x"), "%s", text);
    assert_in_range(faults.items[0].detail.size, 500, sizeof(text) - 1);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_long_detail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

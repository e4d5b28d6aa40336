#include "apps/cli/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/arena.h"

static void assert_str(struct str got, const char *expected) {
    assert_int_equal(got.size, str_from(expected).size);
    assert_memory_equal(got.data, expected, got.size);
}

static void width_counts_columns_not_bytes(void **state) {
    (void)state;
    assert_int_equal(text_width(STR("")), 0);
    assert_int_equal(text_width(STR("order")), 5);
    assert_int_equal(text_width(STR("Zoë")), 3);
    assert_int_equal(text_width(STR("山田")), 4);
    assert_int_equal(text_width(STR("🦊x")), 3);
    assert_int_equal(text_width(STR("e\u0301")), 1);
}

static void broken_utf8_is_counted_and_not_overrun(void **state) {
    (void)state;
    assert_int_equal(text_width((struct str){ "\xe5\xb1", 2 }), 2);
    assert_int_equal(text_width((struct str){ "\xff\x80", 2 }), 2);
}

static void fit_cuts_at_whole_letters(void **state) {
    struct arena *arena = *state;

    assert_str(text_fit(STR("order"), 5, arena), "order");
    assert_str(text_fit(STR("orders"), 5, arena), "orde…");
    assert_str(text_fit(STR("山田太郎"), 5, arena), "山田…");
    /* Half a letter does not fit. */
    assert_str(text_fit(STR("山田太郎"), 4, arena), "山…");
    assert_str(text_fit(STR("x"), 0, arena), "");
}

static void data_cannot_steer_the_terminal(void **state) {
    struct arena *arena = *state;

    assert_str(text_fit(STR("a\033[31mb\nc\x7f"), 100, arena), "a?[31mb?c?");
    assert_str(text_fit(STR("a\xc2\x9b" "b"), 100, arena), "a?b");
    /* Right-to-left override. */
    assert_str(text_fit(STR("a\u202eb"), 100, arena), "a?b");
}

static void table_aligns_by_width(void **state) {
    static const char *const heads[] = { "KEY", "STATUS", "END", NULL };
    struct arena *arena = *state;
    char *printed = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&printed, &size);
    struct table table;

    table_init(&table, arena, heads);
    table_add(&table, (struct str[]){ STR("山田"), STR("completed"), STR("x") });
    table_add(&table, (struct str[]){ STR("b"), STR("faulted"), STR("a long cell") });
    table_print(&table, file, 24, false);
    fclose(file);
    assert_string_equal(printed, "KEY   STATUS     END\n"
                                 "山田  completed  x\n"
                                 "b     faulted    a long…\n");
    free(printed);
}

static void statuses_have_colours(void **state) {
    static const char *const heads[] = { "STATUS", NULL };
    struct arena *arena = *state;
    char *printed = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&printed, &size);
    struct table table;

    table_init(&table, arena, heads);
    table_add(&table, (struct str[]){ STR("faulted") });
    table_print(&table, file, 0, true);
    fclose(file);
    assert_string_equal(printed, "\033[1mSTATUS\033[0m\n\033[31mfaulted\033[0m\n");
    free(printed);
}

static void table_grows(void **state) {
    static const char *const heads[] = { "N", NULL };
    struct arena *arena = *state;
    struct table table;

    table_init(&table, arena, heads);
    for (int i = 0; i < 1000; i++) table_add(&table, (struct str[]){ str_format(arena, "%d", i) });
    assert_int_equal(table.row_count, 1001);
    assert_str(table.cells[1000], "999");
}

static void times_lose_their_fraction(void **state) {
    struct arena *arena = *state;

    assert_str(output_time(json_string(STR("2026-07-29T12:00:01.234Z")), arena), "2026-07-29 12:00:01");
    assert_str(output_time(json_string(STR("soon")), arena), "soon");
    assert_str(output_time(json_null(), arena), "");
}

static int setup(void **state) {
    *state = arena_new();
    return 0;
}

static int teardown(void **state) {
    arena_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(width_counts_columns_not_bytes),
        cmocka_unit_test(broken_utf8_is_counted_and_not_overrun),
        cmocka_unit_test(fit_cuts_at_whole_letters),
        cmocka_unit_test(data_cannot_steer_the_terminal),
        cmocka_unit_test(table_aligns_by_width),
        cmocka_unit_test(statuses_have_colours),
        cmocka_unit_test(table_grows),
        cmocka_unit_test(times_lose_their_fraction),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

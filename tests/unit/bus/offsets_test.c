#include "bus/offsets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SPAN = 200, ROUNDS = 500 };

static void give_all(struct offsets *offsets, int64_t from, int64_t to) {
    for (int64_t o = from; o < to; o++)
        assert_true(offsets_give(offsets, o));
}

static void the_lowest_waits_for_the_last(void **state) {
    struct offsets offsets;

    (void)state;
    offsets_init(&offsets, 10, 3);
    give_all(&offsets, 10, 20);
    assert_true(offsets_done(&offsets, 11, 3));
    assert_true(offsets_done(&offsets, 13, 3));
    assert_int_equal(offsets.lowest, 10);
    assert_true(offsets_is_done(&offsets, 13));
    assert_false(offsets_is_done(&offsets, 12));
    assert_int_equal(offsets_undone(&offsets, 20), 8);
    assert_true(offsets_done(&offsets, 10, 3));
    assert_int_equal(offsets.lowest, 12);
    assert_true(offsets_done(&offsets, 12, 3));
    assert_int_equal(offsets.lowest, 14);
    assert_int_equal(offsets.count, 0);
    assert_false(offsets_done(&offsets, 12, 3));
    offsets_clear(&offsets);
}

static void another_epoch_moves_nothing(void **state) {
    struct offsets offsets;

    (void)state;
    offsets_init(&offsets, 0, 2);
    give_all(&offsets, 0, 3);
    assert_false(offsets_done(&offsets, 0, 1));
    assert_false(offsets_done(&offsets, 0, 3));
    assert_int_equal(offsets.lowest, 0);
    assert_false(offsets.changed);
    offsets_clear(&offsets);
}

static void what_does_not_exist_is_done(void **state) {
    struct offsets offsets;

    (void)state;
    offsets_init(&offsets, 0, 1);
    give_all(&offsets, 0, 2);
    assert_true(offsets_give(&offsets, 5));
    assert_true(offsets_done(&offsets, 5, 1));
    assert_int_equal(offsets.lowest, 0);
    assert_true(offsets_done(&offsets, 0, 1));
    assert_true(offsets_done(&offsets, 1, 1));
    assert_int_equal(offsets.lowest, 6);
    offsets_skip(&offsets, 9);
    assert_int_equal(offsets.lowest, 9);
    offsets_clear(&offsets);
}

static void marks_are_read_back(void **state) {
    struct offsets offsets, again;
    char text[OFFSETS_TEXT_MAX];

    (void)state;
    offsets_init(&offsets, 100, 1);
    give_all(&offsets, 100, 120);
    offsets_done(&offsets, 102, 1);
    offsets_done(&offsets, 103, 1);
    offsets_done(&offsets, 110, 1);
    struct str marks = offsets_write(&offsets, text, sizeof(text));
    assert_true(str_equal(marks, STR("2+2,6+1")));
    offsets_init(&again, 100, 2);
    assert_true(offsets_read(&again, marks));
    assert_false(again.changed);
    for (int64_t o = 100; o < 120; o++)
        assert_int_equal(offsets_give(&again, o), !offsets_is_done(&offsets, o));
    offsets_clear(&offsets);
    offsets_clear(&again);
}

static void what_does_not_fit_is_left_out(void **state) {
    struct offsets offsets, again;
    char text[10];

    (void)state;
    offsets_init(&offsets, 0, 1);
    give_all(&offsets, 0, 100);
    for (int64_t o = 1; o < 100; o += 2)
        offsets_done(&offsets, o, 1);
    struct str marks = offsets_write(&offsets, text, sizeof(text));
    assert_true(str_equal(marks, STR("1+1,1+1")));
    offsets_init(&again, 0, 1);
    assert_true(offsets_read(&again, marks));
    assert_true(offsets_is_done(&again, 3));
    assert_false(offsets_is_done(&again, 5));
    offsets_clear(&offsets);
    offsets_clear(&again);
}

static void other_text_is_refused(void **state) {
    static const char *const bad[] = { "x", "1", "1+", "+1", "0+1", "1+0", "-1+1", "1+-1", "1+1,",
        ",1+1", "1+1,,1+1", "9223372036854775807+1", "1+9223372036854775807",
        "99999999999999999999+1" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct offsets offsets;
        offsets_init(&offsets, 5, 1);
        bool read = offsets_read(&offsets, str_from(bad[i]));
        /* A comma at the end is the one thing that may be passed over. */
        if (read) assert_string_equal(bad[i], "1+1,");
        if (!read) assert_int_equal(offsets.count, 0);
        assert_int_equal(offsets.lowest, 5);
        offsets_clear(&offsets);
    }
}

/* Against a row of flags. */
static void agrees_with_a_plain_row(void **state) {
    (void)state;
    srandom(1);
    for (int round = 0; round < ROUNDS; round++) {
        bool done[SPAN] = { false };
        struct offsets offsets;
        char text[OFFSETS_TEXT_MAX];
        offsets_init(&offsets, 0, 1);
        give_all(&offsets, 0, SPAN);
        for (int i = 0; i < SPAN; i++) {
            int64_t lowest = 0, undone = 0;
            int64_t o = random() % SPAN;
            assert_int_equal(offsets_done(&offsets, o, 1), !done[o]);
            done[o] = true;
            while (lowest < SPAN && done[lowest])
                lowest++;
            for (int k = 0; k < SPAN; k++)
                undone += !done[k];
            assert_int_equal(offsets.lowest, lowest);
            assert_int_equal(offsets_undone(&offsets, SPAN), undone);
        }
        struct offsets again;
        offsets_init(&again, offsets.lowest, 1);
        assert_true(offsets_read(&again, offsets_write(&offsets, text, sizeof(text))));
        for (int64_t o = offsets.lowest; o < SPAN; o++)
            assert_int_equal(offsets_is_done(&again, o), done[o]);
        offsets_clear(&offsets);
        offsets_clear(&again);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_waits_for_the_last),
        cmocka_unit_test(another_epoch_moves_nothing),
        cmocka_unit_test(what_does_not_exist_is_done),
        cmocka_unit_test(marks_are_read_back),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(other_text_is_refused),
        cmocka_unit_test(agrees_with_a_plain_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "services/api/waits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 8, BEGIN_MS = 1000 };

#define ALL (1u << WAIT_START | 1u << WAIT_END | 1u << WAIT_STREAM)

struct fixture {
    struct waits *waits;
    struct call calls[COUNT];
};

static struct str id_of(int number, char text[UUID_TEXT_SIZE]) {
    snprintf(text, UUID_TEXT_SIZE, "00000000-0000-8000-8000-%012d", number);
    return (struct str){ text, UUID_TEXT_SIZE - 1 };
}

/* Call `index` waits for instance `number`. */
static void add(struct fixture *fixture, int index, int number, enum wait_kind kind, int64_t due_ms) {
    struct call *call = &fixture->calls[index];

    memset(call, 0, sizeof(*call));
    list_init(&call->wait.bucket);
    list_init(&call->wait.slot);
    id_of(number, call->wait.id);
    call->wait.kind = kind;
    call->wait.due_ms = due_ms;
    call->wait.serial = (uint64_t)index + 1;
    assert_true(waits_add(fixture->waits, call));
}

static int set_up(void **state) {
    static struct fixture fixture;

    fixture.waits = waits_new(BEGIN_MS);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    struct call *taken[COUNT];

    waits_take_any(fixture->waits, taken, COUNT);
    waits_free(fixture->waits);
    return 0;
}

static void takes_what_waits_for_an_instance(void **state) {
    struct fixture *fixture = *state;
    struct call *taken[COUNT];
    char text[UUID_TEXT_SIZE];

    add(fixture, 0, 7, WAIT_START, 5000);
    add(fixture, 1, 7, WAIT_END, 5000);
    add(fixture, 2, 8, WAIT_START, 5000);
    assert_true(waits_has(fixture->waits, id_of(7, text)));
    assert_int_equal(waits_take_of(fixture->waits, id_of(7, text), 1u << WAIT_END, taken, COUNT), 1);
    assert_ptr_equal(taken[0], &fixture->calls[1]);
    assert_int_equal(waits_take_of(fixture->waits, id_of(7, text), ALL, taken, COUNT), 1);
    assert_false(waits_has(fixture->waits, id_of(7, text)));
    assert_int_equal(waits_count(fixture->waits), 1);
}

static void a_serial_is_taken_once(void **state) {
    struct fixture *fixture = *state;
    char text[UUID_TEXT_SIZE];

    add(fixture, 0, 1, WAIT_START, 5000);
    assert_null(waits_take(fixture->waits, id_of(1, text), 99));
    assert_ptr_equal(waits_take(fixture->waits, id_of(1, text), 1), &fixture->calls[0]);
    assert_null(waits_take(fixture->waits, id_of(1, text), 1));
}

static void comes_due_in_time(void **state) {
    struct fixture *fixture = *state;
    struct call *taken[COUNT];

    add(fixture, 0, 1, WAIT_START, BEGIN_MS + 200);
    add(fixture, 1, 2, WAIT_END, BEGIN_MS + 60 * 1000);
    add(fixture, 2, 3, WAIT_END, 0); /* overdue when it comes */
    assert_int_equal(waits_take_due(fixture->waits, BEGIN_MS + 100, taken, COUNT), 1);
    assert_ptr_equal(taken[0], &fixture->calls[2]);
    assert_int_equal(waits_take_due(fixture->waits, BEGIN_MS + 200, taken, COUNT), 0);
    assert_int_equal(waits_take_due(fixture->waits, BEGIN_MS + 300, taken, COUNT), 1);
    assert_ptr_equal(taken[0], &fixture->calls[0]);
    assert_int_equal(waits_take_due(fixture->waits, BEGIN_MS + 60 * 1000, taken, COUNT), 0);
    assert_int_equal(waits_take_due(fixture->waits, BEGIN_MS + 60 * 1000 + 100, taken, COUNT), 1);
}

static void no_more_are_taken_than_fit(void **state) {
    struct fixture *fixture = *state;
    struct call *taken[COUNT];
    size_t count = 0, round;

    for (int i = 0; i < COUNT; i++) add(fixture, i, i, WAIT_START, BEGIN_MS + 200 + i);
    while ((round = waits_take_due(fixture->waits, BEGIN_MS + 1000, taken, 3)) > 0) {
        assert_true(round <= 3);
        count += round;
    }
    assert_int_equal(count, COUNT);
}

/* After a standstill of hours, one that is far off may come early, and is put back. */
static void a_standstill_loses_nobody(void **state) {
    struct fixture *fixture = *state;
    struct call *taken[COUNT];
    int64_t late_ms = BEGIN_MS + 5 * 3600 * 1000;

    add(fixture, 0, 1, WAIT_END, late_ms + 50 * 1000);
    for (int round = 0; round < 100000 && waits_take_due(fixture->waits, late_ms, taken, COUNT) > 0; round++) {
        assert_ptr_equal(taken[0], &fixture->calls[0]);
        assert_true(waits_add(fixture->waits, taken[0]));
    }
    assert_int_equal(waits_take_due(fixture->waits, late_ms + 50 * 1000 + 200, taken, COUNT), 1);
}

static void a_busy_stream_is_touched(void **state) {
    struct fixture *fixture = *state;
    struct call *taken[COUNT], *stream = &fixture->calls[0];
    char text[UUID_TEXT_SIZE];

    memset(stream, 0, sizeof(*stream));
    stream->wait.is_busy = true;
    list_init(&stream->wait.bucket);
    list_init(&stream->wait.slot);
    id_of(1, stream->wait.id);
    stream->wait.kind = WAIT_STREAM;
    assert_true(waits_add(fixture->waits, stream));
    assert_int_equal(waits_take_of(fixture->waits, id_of(1, text), ALL, taken, COUNT), 0);
    assert_int_equal(waits_take_due(fixture->waits, BEGIN_MS + 5000, taken, COUNT), 0);
    assert_int_equal(waits_take_any(fixture->waits, taken, COUNT), 0);
    assert_true(waits_rest(fixture->waits, stream, BEGIN_MS + 6000)); /* it was touched: goes on */
    assert_false(waits_rest(fixture->waits, stream, BEGIN_MS + 6000));
    assert_int_equal(waits_take_due(fixture->waits, BEGIN_MS + 6100, taken, COUNT), 1);
    assert_int_equal(waits_take_due(fixture->waits, BEGIN_MS + 9000, taken, COUNT), 0);
    assert_false(waits_rest(fixture->waits, stream, BEGIN_MS + 12000));
    assert_int_equal(waits_take_of(fixture->waits, id_of(1, text), ALL, taken, COUNT), 1);
    waits_remove(fixture->waits, stream);
    assert_int_equal(waits_count(fixture->waits), 0);
}

static void there_is_a_limit(void **state) {
    struct fixture *fixture = *state;
    struct call *many = test_calloc(WAITS_MAX + 1, sizeof(*many)), *taken[1];

    for (int i = 0; i <= WAITS_MAX; i++) {
        list_init(&many[i].wait.bucket);
        list_init(&many[i].wait.slot);
        id_of(i, many[i].wait.id);
        assert_int_equal(waits_add(fixture->waits, &many[i]), i < WAITS_MAX);
    }
    while (waits_take_any(fixture->waits, taken, 1) > 0) {
    }
    test_free(many);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_what_waits_for_an_instance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_serial_is_taken_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(comes_due_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_more_are_taken_than_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_standstill_loses_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_busy_stream_is_touched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_is_a_limit, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("waits", tests, NULL, NULL);
}

#include "system/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/assert.h"

static void test_the_systems_clock(void **state) {
    struct clock clock = clock_system();
    int64_t monotonic_ms = clock_monotonic_ms(&clock);

    (void)state;
    assert_true(clock_now_ms(&clock) > 1700000000000);
    for (int i = 0; i < 1000; i++) {
        int64_t next_ms = clock_monotonic_ms(&clock);
        assert_true(next_ms >= monotonic_ms);
        monotonic_ms = next_ms;
    }
}

static void test_randomness_fills_every_byte(void **state) {
    struct clock clock = clock_system();
    unsigned char bytes[1000] = { 0 }, seen[1000] = { 0 };

    (void)state;
    for (int round = 0; round < 20; round++) {
        clock_random(&clock, bytes + 1, sizeof(bytes) - 2);
        for (size_t i = 0; i < sizeof(bytes); i++)
            seen[i] |= bytes[i];
    }
    assert_int_equal(seen[0], 0);
    assert_int_equal(seen[sizeof(seen) - 1], 0);
    for (size_t i = 1; i < sizeof(seen) - 1; i++)
        assert_int_not_equal(seen[i], 0);
    clock_random(&clock, bytes, 0);
}

static int64_t fixed(void *user) {
    return *(int64_t *)user;
}

static void zeros(void *user, void *bytes, size_t size) {
    (void)user;
    memset(bytes, 0, size);
}

static void test_a_handed_in_clock(void **state) {
    int64_t now_ms = 42;
    struct clock clock = { fixed, fixed, zeros, &now_ms };
    char bytes[3] = "ab";

    (void)state;
    assert_int_equal(clock_now_ms(&clock), 42);
    assert_int_equal(clock_monotonic_ms(&clock), 42);
    clock_random(&clock, bytes, 2);
    assert_int_equal(bytes[0] | bytes[1], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_systems_clock),
        cmocka_unit_test(test_randomness_fills_every_byte),
        cmocka_unit_test(test_a_handed_in_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "services/trigger/timers.h"

static void test_order(void **state) {
    struct timers *timers = timers_new();

    (void)state;
    assert_int_equal(timers_next_ms(timers), INT64_MAX);
    assert_null(timers_due(timers, INT64_MAX));
    assert_true(timers_add(timers, STR("b"), 2, 300, false));
    assert_true(timers_add(timers, STR("a"), 1, 100, false));
    assert_true(timers_add(timers, STR("c"), 3, 200, false));
    assert_int_equal(timers_count(timers), 3);
    assert_int_equal(timers_next_ms(timers), 100);
    assert_null(timers_due(timers, 99));
    const struct timer *timer = timers_due(timers, 100);
    assert_non_null(timer);
    assert_true(str_equal(timer->instance, STR("a")));
    assert_int_equal(timer->frame, 1);
    assert_ptr_equal(timers_due(timers, 100), timer);
    timers_fired(timers, 105);
    assert_null(timers_due(timers, 199));
    assert_int_equal(timers_next_ms(timers), 200);
    timers_free(timers);
    timers_free(NULL);
}

/* A timer is its instance, its frame and its time; each stands once, and once fired it is not taken up by a sweep. */
static void test_known(void **state) {
    struct timers *timers = timers_new();

    (void)state;
    assert_true(timers_add(timers, STR("a"), 1, 100, false));
    assert_false(timers_add(timers, STR("a"), 1, 100, false));
    assert_false(timers_add(timers, STR("a"), 1, 100, true));
    assert_true(timers_add(timers, STR("a"), 2, 100, false));
    assert_true(timers_add(timers, STR("a"), 1, 101, false));
    assert_true(timers_add(timers, STR("b"), 1, 100, false));
    assert_int_equal(timers_count(timers), 4);
    while (timers_due(timers, 200)) timers_fired(timers, 200);
    assert_int_equal(timers_count(timers), 0);
    assert_false(timers_add(timers, STR("a"), 1, 100, false));
    assert_int_equal(timers_count(timers), 0);
    timers_free(timers);
}

/* Armed anew by its instance it fires again; a sweep does not take it up beside that. */
static void test_again(void **state) {
    struct timers *timers = timers_new();

    (void)state;
    assert_true(timers_add(timers, STR("a"), 1, 100, true));
    timers_fired(timers, 100);
    assert_true(timers_add(timers, STR("a"), 1, 100, true));
    assert_false(timers_add(timers, STR("a"), 1, 100, true));
    assert_false(timers_add(timers, STR("a"), 1, 100, false));
    assert_non_null(timers_due(timers, 100));
    timers_fired(timers, 150);
    assert_null(timers_due(timers, 1000));
    timers_forget_fired(timers, 120); /* the first */
    assert_false(timers_add(timers, STR("a"), 1, 100, false));
    timers_forget_fired(timers, 151); /* the second */
    assert_true(timers_add(timers, STR("a"), 1, 100, false));
    timers_free(timers);
}

static void test_forget(void **state) {
    struct timers *timers = timers_new();

    (void)state;
    assert_true(timers_add(timers, STR("a"), 1, 100, false));
    assert_true(timers_add(timers, STR("b"), 1, 110, false));
    timers_fired(timers, 100);
    timers_fired(timers, 110);
    timers_forget_fired(timers, 100);
    assert_false(timers_add(timers, STR("a"), 1, 100, false));
    timers_forget_fired(timers, 101);
    assert_true(timers_add(timers, STR("a"), 1, 100, false));
    assert_false(timers_add(timers, STR("b"), 1, 110, false));
    timers_forget_fired(timers, INT64_MAX);
    assert_true(timers_add(timers, STR("b"), 1, 110, false));
    timers_free(timers);
}

/* ---- against a list ---- */

enum { MODEL_MAX = 1000, ROUNDS = 3000, FORGET_MS = 50 };

struct row {
    int64_t at, fired_at; /* fired_at 0: pending */
    int instance, frame;
    bool is_there;
};

static uint64_t next_random(uint64_t *random) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static bool model_knows(const struct row *rows, const struct row *wanted, bool again) {
    for (size_t i = 0; i < MODEL_MAX; i++) {
        bool same = rows[i].is_there && rows[i].at == wanted->at && rows[i].instance == wanted->instance && rows[i].frame == wanted->frame;
        if (same && !(again && rows[i].fired_at)) return true;
    }
    return false;
}

static int64_t model_next(const struct row *rows) {
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < MODEL_MAX; i++) {
        if (rows[i].is_there && !rows[i].fired_at) next = MIN(next, rows[i].at);
    }
    return next;
}

static void model_fire(struct row *rows, const struct timer *timer, int64_t now) {
    for (size_t i = 0; i < MODEL_MAX; i++) {
        char name[16];
        snprintf(name, sizeof(name), "i%d", rows[i].instance);
        bool same = rows[i].is_there && !rows[i].fired_at && rows[i].at == timer->at_ms && rows[i].frame == timer->frame
                && str_equal(timer->instance, str_from(name));
        if (!same) continue;
        rows[i].fired_at = now;
        return;
    }
    fail_msg("fired what is not there");
}

static void model_add(struct row *rows, const struct row *row) {
    for (size_t i = 0; i < MODEL_MAX; i++) {
        if (rows[i].is_there) continue;
        rows[i] = *row;
        rows[i].is_there = true;
        return;
    }
    fail_msg("the model is full");
}

static void step_model(struct timers *timers, struct row *rows, uint64_t *random, int64_t now) {
    struct row row = { .at = now + (int64_t)(next_random(random) % 60), .instance = (int)(next_random(random) % 8), .frame = (int)(next_random(random) % 3) };
    bool again = next_random(random) % 4 == 0;
    const struct timer *timer;
    char name[16];

    snprintf(name, sizeof(name), "i%d", row.instance);
    bool known = model_knows(rows, &row, again);
    assert_int_equal(timers_add(timers, str_from(name), row.frame, row.at, again), !known);
    if (!known) model_add(rows, &row);
    assert_int_equal(timers_next_ms(timers), model_next(rows));
    while ((timer = timers_due(timers, now))) {
        assert_int_equal(timer->at_ms, model_next(rows));
        model_fire(rows, timer, now);
        timers_fired(timers, now);
    }
    assert_true(model_next(rows) > now);
    timers_forget_fired(timers, now - FORGET_MS);
    for (size_t i = 0; i < MODEL_MAX; i++) {
        if (rows[i].is_there && rows[i].fired_at && rows[i].fired_at < now - FORGET_MS) rows[i].is_there = false;
    }
}

static void test_against_a_list(void **state) {
    const char *seed = getenv("SEED");
    uint64_t random = seed ? strtoull(seed, NULL, 10) : 42;
    struct row *rows = calloc(MODEL_MAX, sizeof(*rows));
    struct timers *timers = timers_new();
    int64_t now = 1000;
    size_t pending = 0;

    (void)state;
    assert_non_null(rows);
    print_message("seed %llu\n", (unsigned long long)random);
    random = random * 2 + 1;
    for (int i = 0; i < ROUNDS; i++) {
        now += (int64_t)(next_random(&random) % 3);
        step_model(timers, rows, &random, now);
    }
    for (size_t i = 0; i < MODEL_MAX; i++) pending += rows[i].is_there && !rows[i].fired_at;
    assert_int_equal(timers_count(timers), pending);
    timers_free(timers);
    free(rows);
}

/* The ring of fired ones is bounded: the oldest are forgotten first. */
static void test_many_fired(void **state) {
    enum { COUNT = 100 * 1000 + 10 };
    struct timers *timers = timers_new();
    char name[16];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "i%d", i);
        assert_true(timers_add(timers, str_from(name), 1, 100, false));
        timers_fired(timers, 100 + i);
    }
    assert_true(timers_add(timers, STR("i0"), 1, 100, false));
    snprintf(name, sizeof(name), "i%d", COUNT - 1);
    assert_false(timers_add(timers, str_from(name), 1, 100, false));
    timers_free(timers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_against_a_list),
        cmocka_unit_test(test_many_fired),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The loop, turned by hand, with a service that fails as it is told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/macros.h"
#include "runtime/loop.h"
#include "tests/support/fake_world.h"

enum { SEEN_SIZE = 4096 };

struct probe {
    struct seat *seat;
    char seen[SEEN_SIZE];  /* batches that were handled, as "a b|c|" */
    int failures;          /* batches to refuse */
    int refused;           /* that were */
    bool keeps;            /* handles, but is not done */
    bool open_fails;
    int ticks, tick_failures, stops, closes, assigned, revoked;
    int64_t next_tick_ms, tick_at;
};

static struct probe *probe; /* of the test that runs: a service's table has no room for it */

static bool on_open(struct seat *seat, void **ret_state, struct err *err) {
    if (probe->open_fails) return err_set(err, ERR_INVALID, "it will not open");
    probe->seat = seat;
    *ret_state = probe;
    return true;
}

static void done(const struct message *message) {
    consumer_done(probe->seat->consumer, message->topic, message->partition, message->offset, message->epoch);
}

static bool on_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err) {
    size_t size = strlen(probe->seen);

    (void)state;
    (void)arena;
    if (probe->failures) {
        probe->failures--;
        probe->refused++;
        return err_set(err, ERR_UNAVAILABLE, "the store is away");
    }
    for (size_t i = 0; i < batch->count; i++) {
        size += (size_t)snprintf(&probe->seen[size], SEEN_SIZE - size, "%s" STR_FMT, i ? " " : "", STR_ARG(batch->messages[i].value));
        if (!probe->keeps) done(&batch->messages[i]);
    }
    snprintf(&probe->seen[size], SEEN_SIZE - size, "|");
    return true;
}

static bool on_tick(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    (void)state;
    (void)arena;
    probe->ticks++;
    probe->tick_at = now_ms;
    if (probe->next_tick_ms) *next_ms = now_ms + probe->next_tick_ms;
    if (!probe->tick_failures) return true;
    probe->tick_failures--;
    return err_set(err, ERR_UNAVAILABLE, "not now");
}

static void on_assign(void *state, enum topic topic, int32_t partition, uint32_t epoch) {
    (void)state;
    (void)topic;
    (void)partition;
    (void)epoch;
    probe->assigned++;
}

static void on_revoke(void *state, enum topic topic, int32_t partition, bool lost) {
    (void)state;
    (void)topic;
    (void)partition;
    (void)lost;
    probe->revoked++;
}

static void on_stop(void *state) {
    (void)state;
    probe->stops++;
}

static void on_close(void *state) {
    (void)state;
    probe->closes++;
}

static const enum topic inboxes[] = { TOPIC_EXECUTOR, TOPIC_NONE };
static const struct service service = { .name = "probe", .inboxes = inboxes, .open = on_open, .on_batch = on_batch, .on_assign = on_assign,
    .on_revoke = on_revoke, .on_tick = on_tick, .stop = on_stop, .close = on_close };
static const struct service deaf = { .name = "deaf", .open = on_open, .on_batch = on_batch, .on_tick = on_tick, .close = on_close };

struct fixture {
    struct fake_world fake;
    struct probe probe;
    struct loop *loop;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct err err;

    fake_world_open(&fixture->fake, "loop", NULL);
    probe = &fixture->probe;
    assert_true(loop_open(&fixture->fake.world, &service, &fixture->loop, &err));
    loop_turn(fixture->loop, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    loop_close(fixture->loop);
    fake_world_close(&fixture->fake);
    free(fixture);
    return 0;
}

static void publish(struct fixture *fixture, const char *values) {
    for (; *values; values++) {
        struct outgoing message = { .topic = TOPIC_EXECUTOR, .key = STR("k"), .value = { values, 1 } };
        struct err err;
        assert_true(bus_publish(fixture->fake.world.bus, &message, 1, &err));
    }
}

static void turn(struct fixture *fixture, int64_t pass_ms) {
    fake_world_pass(&fixture->fake, pass_ms);
    loop_turn(fixture->loop, 0);
}

static void test_order(void **state) {
    struct fixture *fixture = *state;

    publish(fixture, "abc");
    turn(fixture, 0);
    publish(fixture, "d");
    turn(fixture, 0);
    turn(fixture, 0);
    assert_string_equal(fixture->probe.seen, "a b c|d|");
    assert_int_equal(loop_lag(fixture->loop), 0);
    assert_true(fixture->probe.assigned > 0);
}

/* A batch that failed is held, given again after a growing pause, and nothing passes it by. */
static void test_held(void **state) {
    struct fixture *fixture = *state;

    fixture->probe.failures = 3;
    publish(fixture, "ab");
    turn(fixture, 0);
    assert_int_equal(fixture->probe.refused, 1);
    publish(fixture, "cd");
    turn(fixture, 49);
    assert_int_equal(fixture->probe.refused, 1);
    assert_string_equal(fixture->probe.seen, "");
    turn(fixture, 1);
    assert_int_equal(fixture->probe.refused, 2);
    turn(fixture, 99);
    assert_int_equal(fixture->probe.refused, 2);
    turn(fixture, 1);
    assert_int_equal(fixture->probe.refused, 3);
    turn(fixture, 199);
    assert_string_equal(fixture->probe.seen, "");
    assert_true(loop_lag(fixture->loop) > 0);
    turn(fixture, 1);
    assert_string_equal(fixture->probe.seen, "a b|");
    turn(fixture, 0);
    assert_string_equal(fixture->probe.seen, "a b|c d|");
    assert_int_equal(loop_lag(fixture->loop), 0);
    /* The pause begins small again. */
    fixture->probe.failures = 1;
    publish(fixture, "e");
    turn(fixture, 0);
    turn(fixture, 50);
    assert_string_equal(fixture->probe.seen, "a b|c d|e|");
}

static void test_longest_pause(void **state) {
    struct fixture *fixture = *state;

    fixture->probe.failures = 1000;
    publish(fixture, "a");
    for (int i = 0; i < 20; i++) turn(fixture, 5000);
    int refused = fixture->probe.refused;
    turn(fixture, 4999);
    assert_int_equal(fixture->probe.refused, refused);
    turn(fixture, 1);
    assert_int_equal(fixture->probe.refused, refused + 1);
    fixture->probe.failures = 0;
    turn(fixture, 5000);
    assert_string_equal(fixture->probe.seen, "a|");
}

/* A service that waits for the store still has its ticks. */
static void test_ticks_while_held(void **state) {
    struct fixture *fixture = *state;

    fixture->probe.failures = 1000;
    publish(fixture, "a");
    turn(fixture, 0);
    int ticks = fixture->probe.ticks;
    turn(fixture, 1);
    turn(fixture, 1);
    assert_int_equal(fixture->probe.ticks, ticks + 2);
    fixture->probe.failures = 0;
    turn(fixture, 5000);
    assert_string_equal(fixture->probe.seen, "a|");
}

/* What was not done comes again after a restart; what was does not. */
static void test_not_done(void **state) {
    struct fixture *fixture = *state;
    struct err err;

    publish(fixture, "a");
    turn(fixture, 0);
    fixture->probe.keeps = true;
    publish(fixture, "bc");
    turn(fixture, 0);
    assert_string_equal(fixture->probe.seen, "a|b c|");
    assert_int_equal(loop_lag(fixture->loop), 2);
    loop_close(fixture->loop);
    assert_int_equal(fixture->probe.closes, 1);
    fixture->probe.seen[0] = '\0';
    fixture->probe.keeps = false;
    assert_true(loop_open(&fixture->fake.world, &service, &fixture->loop, &err));
    for (int i = 0; i < 3; i++) turn(fixture, 0);
    assert_string_equal(fixture->probe.seen, "b c|");
}

/* A batch that is held when the service stops is not lost. */
static void test_closed_while_held(void **state) {
    struct fixture *fixture = *state;
    struct err err;

    fixture->probe.failures = 1000;
    publish(fixture, "ab");
    turn(fixture, 0);
    loop_close(fixture->loop);
    fixture->probe.failures = 0;
    assert_true(loop_open(&fixture->fake.world, &service, &fixture->loop, &err));
    for (int i = 0; i < 3; i++) turn(fixture, 0);
    assert_string_equal(fixture->probe.seen, "a b|");
}

static void test_failing_tick(void **state) {
    struct fixture *fixture = *state;

    fixture->probe.tick_failures = 1;
    turn(fixture, 10);
    assert_int_equal(metrics_get(fixture->fake.world.metrics, METRIC_ERRORS), 1);
    publish(fixture, "a");
    turn(fixture, 10);
    assert_string_equal(fixture->probe.seen, "a|");
    assert_int_equal(fixture->probe.tick_at, fixture->fake.now_ms);
}

static void test_life(void **state) {
    struct fixture *fixture = *state;
    struct probe other = { .open_fails = true };
    struct loop *loop;
    struct err err;

    loop_stop(fixture->loop);
    assert_int_equal(fixture->probe.stops, 1);
    loop_wake(fixture->loop);
    loop_close(fixture->loop);
    assert_int_equal(fixture->probe.closes, 1);
    assert_true(fixture->probe.revoked == fixture->probe.assigned);
    fixture->loop = NULL;
    probe = &other;
    assert_false(loop_open(&fixture->fake.world, &deaf, &loop, &err));
    assert_non_null(strstr(err.message, "deaf"));
    assert_int_equal(other.closes, 0);
    /* A service without inboxes has its ticks. */
    other.open_fails = false;
    assert_true(loop_open(&fixture->fake.world, &deaf, &loop, &err));
    loop_turn(loop, 0);
    assert_int_equal(other.ticks, 1);
    assert_int_equal(loop_lag(loop), 0);
    loop_wake(loop);
    loop_close(loop);
    assert_int_equal(other.closes, 1);
    loop_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_longest_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ticks_while_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closed_while_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failing_tick, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the bus does to a caller, played by hooks: it does not take answers, partitions go and come back, what a call needs is away. The
 * services with a bus are in service_test.c. */
#include "calls/caller.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"
#include "http/server.h"
#include "system/clock.h"
#include "system/metrics.h"
#include "wire/wire.h"

enum { WAIT_MS = 20 * 1000, EVENTS_MAX = 64, PARTITION = 3, KEPT_MAX = 64 };

struct fixture {
    struct arena *arena;
    struct metrics *metrics;
    struct clock clock;
    int64_t skipped_ms; /* the clocks are ahead by this much */
    struct server *server;
    pthread_mutex_t lock;
    struct request *kept[KEPT_MAX];
    size_t kept_count, heard_count;
    struct caller *caller;

    bool bus_is_away, store_is_away;
    size_t publish_count;
    struct str published[EVENTS_MAX];
    size_t published_count;
    struct delivery done[EVENTS_MAX];
    size_t done_count;
    bool held;
    int wake_count; /* atomic */
    int64_t offset, next_ms;
};

/* ---- the outside ---- */

static void on_request(void *user, struct request *request) {
    struct fixture *fixture = user;

    pthread_mutex_lock(&fixture->lock);
    fixture->heard_count++;
    fixture->kept[fixture->kept_count++] = request;
    pthread_mutex_unlock(&fixture->lock);
}

static size_t heard(struct fixture *fixture) {
    pthread_mutex_lock(&fixture->lock);
    size_t count = fixture->heard_count;
    pthread_mutex_unlock(&fixture->lock);
    return count;
}

static void answer_all(struct fixture *fixture) {
    struct answer answer = { .status = 200, .content_type = STR("text/plain"), .body = STR("ok") };

    pthread_mutex_lock(&fixture->lock);
    for (size_t i = 0; i < fixture->kept_count; i++) request_answer(fixture->kept[i], &answer);
    fixture->kept_count = 0;
    pthread_mutex_unlock(&fixture->lock);
}

/* ---- hooks ---- */

static enum prepared prepare(void *user, struct preparation *preparation) {
    struct fixture *fixture = user;
    struct str what = json_str(json_get(preparation->task->call, STR("needs")));
    struct arena *arena = preparation->arena;

    if (fixture->store_is_away && str_equal(what, STR("store"))) {
        err_set(&preparation->err, ERR_UNAVAILABLE, "the store is away");
        return PREPARED_LATER;
    }
    struct http_arguments arguments = {
        .method = STR("get"),
        .uri = str_format(arena, "http://127.0.0.1:%u/", server_port(fixture->server)),
        .key = preparation->task->key,
    };
    bool ok = http_call_build(&arguments, preparation->redact, arena, preparation->call, &preparation->error);
    return ok ? PREPARED : PREPARED_ERROR;
}

static bool publish(void *user, const struct posting *postings, size_t count, struct err *err) {
    struct fixture *fixture = user;

    fixture->publish_count++;
    if (fixture->bus_is_away) return err_set(err, ERR_UNAVAILABLE, "the bus is away");
    for (size_t i = 0; i < count; i++) {
        assert_true(fixture->published_count < EVENTS_MAX);
        fixture->published[fixture->published_count++] = str_copy(postings[i].value, fixture->arena);
    }
    return true;
}

static void done(void *user, const struct delivery *delivery) {
    struct fixture *fixture = user;

    assert_true(fixture->done_count < EVENTS_MAX);
    fixture->done[fixture->done_count++] = *delivery;
}

static void hold(void *user, int32_t partition, bool hold) {
    struct fixture *fixture = user;

    assert_int_equal(partition, PARTITION);
    fixture->held = hold;
}

static void wake(void *user) {
    __atomic_fetch_add(&((struct fixture *)user)->wake_count, 1, __ATOMIC_SEQ_CST);
}

static int64_t now_ms(void *user) {
    struct clock system = clock_system();

    return clock_now_ms(&system) + ((struct fixture *)user)->skipped_ms;
}

static int64_t monotonic_ms(void *user) {
    struct clock system = clock_system();

    return clock_monotonic_ms(&system) + ((struct fixture *)user)->skipped_ms;
}

static void read_random(void *user, void *bytes, size_t size) {
    (void)user;
    memset(bytes, 0, size);
}

static int set_up_with(void **state, uint32_t in_flight_max) {
    static struct fixture fixture;
    struct server_options server = { .listen = "127.0.0.1:0" };
    struct caller_hooks hooks = { prepare, publish, done, hold, wake, &fixture };
    struct err err;

    fixture = (struct fixture){ .arena = arena_new(), .metrics = metrics_new() };
    fixture.clock = (struct clock){ now_ms, monotonic_ms, read_random, &fixture };
    pthread_mutex_init(&fixture.lock, NULL);
    if (!server_open(&server, on_request, &fixture, &fixture.server, &err)) return -1;
    struct caller_options options = {
        .in_flight_max = in_flight_max,
        .client = { .egress_any = true },
        .clock = &fixture.clock,
        .metrics = fixture.metrics,
    };
    if (!caller_open(&options, &hooks, &fixture.caller, &err)) return -1;
    caller_assign(fixture.caller, PARTITION);
    *state = &fixture;
    return 0;
}

static int set_up(void **state) {
    return set_up_with(state, 8);
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    caller_close(fixture->caller);
    answer_all(fixture);
    server_close(fixture->server, 1000);
    metrics_free(fixture->metrics);
    arena_free(fixture->arena);
    return 0;
}

/* ---- steps ---- */

static void take(struct fixture *fixture, const char *command, const char *needs, int64_t offset, uint32_t epoch) {
    struct delivery delivery = { "penstock.executor", PARTITION, offset, epoch };
    struct str value = str_format(fixture->arena,
            "{\"kind\":\"task\",\"body\":{\"instance\":\"i\",\"command\":\"%s\",\"key\":\"i/1/1\",\"call\":{\"needs\":\"%s\"}}}", command, needs);

    caller_take(fixture->caller, &delivery, STR("i"), value, now_ms(fixture));
}

static void take_new(struct fixture *fixture, const char *command) {
    take(fixture, command, "", fixture->offset++, 1);
}

static bool turn(struct fixture *fixture) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct err err;

    fixture->next_ms = INT64_MAX;
    return caller_turn(fixture->caller, arena, now_ms(fixture), &fixture->next_ms, &err);
}

#define TURN_UNTIL(fixture, condition)                                                                                 \
    do {                                                                                                               \
        struct clock system_clock = clock_system();                                                                    \
        int64_t end = clock_monotonic_ms(&system_clock) + WAIT_MS;                                                     \
        while (!(condition) && clock_monotonic_ms(&system_clock) < end) (void)!turn(fixture);                          \
        assert_true(condition);                                                                                        \
    } while (0)

/* ---- tests ---- */

static void test_answers_are_published_before_their_message_is_done(void **state) {
    struct fixture *fixture = *state;

    take_new(fixture, "1.1");
    take_new(fixture, "2.1");
    TURN_UNTIL(fixture, heard(fixture) == 2);
    assert_int_equal(fixture->done_count, 0);
    answer_all(fixture);
    TURN_UNTIL(fixture, fixture->done_count == 2);
    assert_int_equal(fixture->published_count, 2);
    assert_int_equal(caller_count(fixture->caller), 0);
    assert_true(__atomic_load_n(&fixture->wake_count, __ATOMIC_SEQ_CST) > 0);
}

static void test_answers_outlast_a_bus_that_is_away(void **state) {
    struct fixture *fixture = *state;

    fixture->bus_is_away = true;
    take_new(fixture, "1.1");
    TURN_UNTIL(fixture, heard(fixture) == 1);
    answer_all(fixture);
    TURN_UNTIL(fixture, fixture->publish_count == 1);
    assert_int_equal(fixture->done_count, 0);
    /* Not at once again, and it says when. */
    assert_true(turn(fixture));
    assert_int_equal(fixture->publish_count, 1);
    assert_true(fixture->next_ms < INT64_MAX);
    fixture->skipped_ms += 60 * 1000;
    assert_false(turn(fixture));
    assert_int_equal(fixture->publish_count, 2);
    fixture->bus_is_away = false;
    fixture->skipped_ms += 60 * 1000;
    assert_true(turn(fixture));
    assert_int_equal(fixture->done_count, 1);
    assert_int_equal(fixture->published_count, 1);
}

static void test_one_publish_for_many_answers(void **state) {
    struct fixture *fixture = *state;

    fixture->bus_is_away = true;
    for (int i = 0; i < 6; i++) {
        char command[16];
        snprintf(command, sizeof(command), "%d.1", i);
        take_new(fixture, command);
    }
    TURN_UNTIL(fixture, heard(fixture) == 6);
    answer_all(fixture);
    TURN_UNTIL(fixture, metrics_get(fixture->metrics, METRIC_TASKS_DONE) == 6);
    fixture->bus_is_away = false;
    fixture->skipped_ms += 60 * 1000;
    size_t before = fixture->publish_count;
    assert_true(turn(fixture));
    assert_int_equal(fixture->publish_count, before + 1);
    assert_int_equal(fixture->done_count, 6);
}

static void test_what_a_call_needs_is_away(void **state) {
    struct fixture *fixture = *state;

    fixture->store_is_away = true;
    take(fixture, "1.1", "store", 0, 1);
    take(fixture, "2.1", "", 1, 1);
    TURN_UNTIL(fixture, heard(fixture) == 1); /* the other does not wait for it */
    answer_all(fixture);
    TURN_UNTIL(fixture, fixture->done_count == 1);
    assert_int_equal(fixture->done[0].offset, 1);
    fixture->store_is_away = false;
    assert_true(fixture->next_ms < INT64_MAX);
    fixture->skipped_ms += 60 * 1000;
    TURN_UNTIL(fixture, heard(fixture) == 2);
    answer_all(fixture);
    TURN_UNTIL(fixture, fixture->done_count == 2);
}

static void test_a_partition_that_comes_back_is_not_called_twice(void **state) {
    struct fixture *fixture = *state;

    take(fixture, "1.1", "", 7, 1);
    TURN_UNTIL(fixture, heard(fixture) == 1);
    caller_revoke(fixture->caller, PARTITION);
    caller_assign(fixture->caller, PARTITION);
    take(fixture, "1.1", "", 7, 2);
    for (int i = 0; i < 20; i++) assert_true(turn(fixture));
    answer_all(fixture);
    TURN_UNTIL(fixture, fixture->done_count == 1);
    assert_int_equal(heard(fixture), 1);
    assert_int_equal(fixture->done[0].epoch, 2);
    assert_int_equal(fixture->published_count, 1);
}

static void test_what_was_not_sent_goes_with_its_partition(void **state) {
    struct fixture *fixture = *state;

    fixture->store_is_away = true;
    take(fixture, "1.1", "store", 7, 1);
    assert_true(turn(fixture));
    caller_revoke(fixture->caller, PARTITION);
    assert_int_equal(caller_count(fixture->caller), 0);
    assert_int_equal(fixture->done_count, 0);
    fixture->store_is_away = false;
    caller_assign(fixture->caller, PARTITION);
    take(fixture, "1.1", "store", 7, 2);
    TURN_UNTIL(fixture, heard(fixture) == 1);
}

/* The lowest offset of a command is done with last, so that a crash between brings it again. */
static void test_repeats_are_done_with_in_order(void **state) {
    struct fixture *fixture = *state;

    take(fixture, "1.1", "", 5, 1);
    take(fixture, "1.1", "", 5, 1); /* the same batch again */
    assert_int_equal(fixture->done_count, 0);
    take(fixture, "1.1", "", 9, 1);
    assert_int_equal(fixture->done_count, 1);
    assert_int_equal(fixture->done[0].offset, 9);
    TURN_UNTIL(fixture, heard(fixture) == 1);
    answer_all(fixture);
    TURN_UNTIL(fixture, fixture->done_count == 2);
    assert_int_equal(fixture->done[1].offset, 5);
}

static void test_the_inbox_is_held_and_let_go(void **state) {
    struct fixture *fixture = *state;

    for (int i = 0; i < 7; i++) {
        char command[16];
        snprintf(command, sizeof(command), "%d.1", i);
        take_new(fixture, command);
    }
    assert_true(turn(fixture));
    assert_false(fixture->held);
    take_new(fixture, "8.1");
    assert_true(turn(fixture));
    assert_true(fixture->held);
    /* A partition that comes now is held as well. */
    fixture->held = false;
    caller_assign(fixture->caller, PARTITION);
    assert_true(fixture->held);
    TURN_UNTIL(fixture, heard(fixture) == 8);
    answer_all(fixture);
    TURN_UNTIL(fixture, fixture->done_count == 8);
    assert_false(fixture->held);
}

static void test_large_messages_hold_the_inbox_too(void **state) {
    enum { SIZE = 900 * 1000 };
    struct fixture *fixture = *state;
    char *padding = arena_alloc(fixture->arena, SIZE);

    caller_close(fixture->caller);
    struct caller_hooks hooks = { prepare, publish, done, hold, wake, fixture };
    struct caller_options options = { .in_flight_max = 1000, .client = { .egress_any = true }, .clock = &fixture->clock, .metrics = fixture->metrics };
    struct err err;
    assert_true(caller_open(&options, &hooks, &fixture->caller, &err));
    caller_assign(fixture->caller, PARTITION);
    fixture->store_is_away = true;
    memset(padding, ' ', SIZE);
    int taken = 0;
    while (!fixture->held && taken < 1000) {
        struct delivery delivery = { "penstock.executor", PARTITION, taken, 1 };
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct str value = str_format(arena, "{\"kind\":\"task\",\"body\":{\"instance\":\"i\",\"command\":\"%d.1\",\"call\":{\"needs\":\"store\"}}}%.*s",
                taken++, SIZE, padding);
        caller_take(fixture->caller, &delivery, STR("i"), value, now_ms(fixture));
        assert_true(turn(fixture));
    }
    assert_true(fixture->held);
    assert_in_range(taken, 64, 128);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_answers_are_published_before_their_message_is_done),
        TEST(test_answers_outlast_a_bus_that_is_away),
        TEST(test_one_publish_for_many_answers),
        TEST(test_what_a_call_needs_is_away),
        TEST(test_a_partition_that_comes_back_is_not_called_twice),
        TEST(test_what_was_not_sent_goes_with_its_partition),
        TEST(test_repeats_are_done_with_in_order),
        TEST(test_the_inbox_is_held_and_let_go),
        TEST(test_large_messages_hold_the_inbox_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

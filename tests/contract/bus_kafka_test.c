/* What the Kafka bus promises beyond bus.h. PENSTOCK_TEST_KAFKA=kafka://HOST:PORT names a broker; where
 * PENSTOCK_TEST_STACK names the folder of a stack (tools/stack up --dir), its broker is paused too. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/kafka_internal.h"
#include "common/arena.h"
#include "system/clock.h"
#include "system/queue.h"
#include "system/thread.h"
#include "tests/support/bus_fixture.h"
#include "tests/support/kafka_topics.h"

enum { PARTITIONS = 4, POLL_MS = 100 };

struct fixture {
    char prefix[64];
    char url[512];
    struct bus *bus;
};

static const enum topic executor_topics[] = { TOPIC_EXECUTOR, TOPIC_NONE };

static struct bus *open_bus(const struct fixture *fixture, int64_t timeout_ms) {
    struct bus_options options = {
        .client_id = "bus-test", .partitions = PARTITIONS, .timeout_ms = timeout_ms
    };
    struct bus *bus;
    struct err err;

    if (!bus_open(fixture->url, &options, &bus, &err))
        fail_msg("%s: %s", fixture->url, err.message);
    return bus;
}

static int name_topics_for(void **state, int64_t session_ms) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct clock clock = clock_system();
    uint64_t random;

    if (!fixture) return -1;
    clock_random(&clock, &random, sizeof(random));
    snprintf(fixture->prefix, sizeof(fixture->prefix), "test-%016llx", (unsigned long long)random);
    snprintf(fixture->url, sizeof(fixture->url), "%.200s/%s?session_ms=%lld",
            getenv("PENSTOCK_TEST_KAFKA"), fixture->prefix, (long long)session_ms);
    *state = fixture;
    return 0;
}

static int name_topics(void **state) {
    return name_topics_for(state, 6000);
}

/* A session that outlasts the test's patience. */
static int name_topics_for_long(void **state) {
    return name_topics_for(state, 3 * FIXTURE_WAIT_MS);
}

static int set_up(void **state) {
    if (name_topics(state)) return -1;
    struct fixture *fixture = *state;
    fixture->bus = open_bus(fixture, 0);
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    bus_close(fixture->bus);
    kafka_topics_delete(getenv("PENSTOCK_TEST_KAFKA"), fixture->prefix);
    free(fixture);
    return 0;
}

static struct consumer *open_consumer(struct bus *bus, const struct consumer_callbacks *callbacks) {
    struct consumer *consumer;
    struct err err;

    if (!consumer_open(bus, "g", executor_topics, callbacks, &consumer, &err))
        fail_msg("%s", err.message);
    return consumer;
}

static void commit(struct consumer *consumer) {
    struct err err;

    assert_true(consumer_commit(consumer, &err));
}

static void publish_numbers(struct bus *bus, int from, int to) {
    for (int i = from; i < to; i++) {
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        fixture_publish(bus, TOPIC_EXECUTOR, "k", value);
    }
}

/* ---- crashes ---- */

/* Takes one message and says so; never commits, never leaves. */
static void consume_until_killed(const struct fixture *fixture, int fd) {
    struct bus *bus = open_bus(fixture, 0);
    struct inbox inbox = { 0 };

    publish_numbers(bus, 0, 1);
    struct consumer *consumer = open_consumer(bus, NULL);
    inbox_fill(&inbox, consumer, 1);
    if (write(fd, "x", 1) != 1) _exit(1);
    for (;;)
        inbox_poll(&inbox, consumer, POLL_MS);
}

/* A member that comes back under its name takes its partitions without waiting for its old session. This test
 * comes first: the child needs a process without threads. */
static void a_killed_member_comes_back_at_once(void **state) {
    struct fixture *fixture = *state;
    struct clock clock = clock_system();
    struct inbox inbox = { 0 };
    int fds[2];
    char byte;

    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) consume_until_killed(fixture, fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    int64_t began_ms = clock_monotonic_ms(&clock);
    fixture->bus = open_bus(fixture, 0);
    struct consumer *consumer = open_consumer(fixture->bus, NULL);
    inbox_fill(&inbox, consumer, 1);
    print_message("again after %lld ms\n", (long long)(clock_monotonic_ms(&clock) - began_ms));
    assert_string_equal(inbox.items[0].value, "0");
    consumer_close(consumer);
    inbox_clear(&inbox);
    close(fds[0]);
    close(fds[1]);
}

/* ---- offsets ---- */

/* More marks than fit the metadata of an offset: the highest are left out, nothing is lost. */
static void marks_are_cut_where_they_do_not_fit(void **state) {
    struct fixture *fixture = *state;
    enum { NUMBERS = 3000, BATCH = 500 };
    struct inbox first = { 0 }, second = { 0 };
    static char values[BATCH][16];
    bool again[NUMBERS] = { false };

    for (int i = 0; i < NUMBERS; i += BATCH) {
        struct outgoing messages[BATCH];
        struct err err;
        for (int k = 0; k < BATCH; k++) {
            snprintf(values[k], sizeof(values[k]), "%d", i + k);
            messages[k] = (struct outgoing){
                .topic = TOPIC_EXECUTOR, .key = STR("k"), .value = str_from(values[k])
            };
        }
        if (!bus_publish(fixture->bus, messages, BATCH, &err)) fail_msg("%s", err.message);
    }
    struct consumer *consumer = open_consumer(fixture->bus, NULL);
    inbox_fill(&first, consumer, NUMBERS);
    for (size_t i = 1; i < NUMBERS; i += 2)
        fixture_done(consumer, &first.items[i]);
    commit(consumer);
    consumer_close(consumer);

    publish_numbers(fixture->bus, NUMBERS, NUMBERS + 1);
    consumer = open_consumer(fixture->bus, NULL);
    inbox_until(&second, consumer, "3000");
    for (size_t i = 0; i + 1 < second.count; i++)
        again[atoi(second.items[i].value)] = true;
    for (int i = 0; i < NUMBERS; i += 2)
        assert_true(again[i]);
    assert_false(again[1]);
    assert_true(second.count < NUMBERS);
    consumer_close(consumer);
    inbox_clear(&first);
    inbox_clear(&second);
}

static void delete_executor_topic(const struct fixture *fixture) {
    char name[128];

    snprintf(name, sizeof(name), "%s.executor", fixture->prefix);
    assert_true(kafka_topic_delete(getenv("PENSTOCK_TEST_KAFKA"), name));
}

static void a_topic_made_anew_is_another_incarnation(void **state) {
    struct fixture *fixture = *state;
    struct inbox first = { 0 }, second = { 0 }, third = { 0 };

    publish_numbers(fixture->bus, 0, 5);
    struct consumer *consumer = open_consumer(fixture->bus, NULL);
    inbox_fill(&first, consumer, 5);
    fixture_done(consumer, &first.items[0]);
    commit(consumer);
    consumer_close(consumer);
    consumer = open_consumer(fixture->bus, NULL);
    inbox_fill(&second, consumer, 4);
    assert_true(second.items[0].incarnation == first.items[0].incarnation);
    fixture_done_all(consumer, &second);
    consumer_close(consumer);
    bus_close(fixture->bus);

    delete_executor_topic(fixture);
    fixture->bus = open_bus(fixture, 0);
    publish_numbers(fixture->bus, 10, 12);
    consumer = open_consumer(fixture->bus, NULL);
    inbox_fill(&third, consumer, 2);
    assert_string_equal(third.items[0].value, "10");
    assert_int_equal(third.items[0].offset, 0);
    assert_true(third.items[0].incarnation > first.items[0].incarnation);
    consumer_close(consumer);
    inbox_clear(&first);
    inbox_clear(&second);
    inbox_clear(&third);
}

struct losses {
    int assigned, revoked, lost;
};

static void count_assign(void *user, enum topic topic, int32_t partition, uint32_t epoch) {
    struct losses *losses = user;

    (void)topic;
    (void)partition;
    (void)epoch;
    losses->assigned++;
}

static void count_revoke(void *user, enum topic topic, int32_t partition, bool lost) {
    struct losses *losses = user;

    (void)topic;
    (void)partition;
    losses->revoked++;
    losses->lost += lost;
}

/* The same under a consumer that is at work, whose position is of a log that is no more. */
static void make_anew(void **state, int count, bool paused) {
    struct fixture *fixture = *state;
    struct losses losses = { 0 };
    struct consumer_callbacks callbacks = { count_assign, count_revoke, &losses };
    struct inbox inbox = { 0 };

    publish_numbers(fixture->bus, 0, 5);
    struct consumer *consumer = open_consumer(fixture->bus, &callbacks);
    inbox_fill(&inbox, consumer, 5);
    fixture_done_all(consumer, &inbox);
    commit(consumer);
    inbox_poll(&inbox, consumer, 10 * POLL_MS); /* the commit is out */
    for (int32_t i = 0; paused && i < PARTITIONS; i++)
        consumer_pause(consumer, TOPIC_EXECUTOR, i);
    delete_executor_topic(fixture);
    struct bus *other = open_bus(fixture, 0); /* makes it */
    publish_numbers(other, 10, 10 + count);
    for (int32_t i = 0; paused && i < PARTITIONS; i++)
        consumer_resume(consumer, TOPIC_EXECUTOR, i);
    inbox_until(&inbox, consumer, "10");
    const struct received *fresh = inbox_find(&inbox, "10");
    assert_int_equal(fresh->offset, 0);
    assert_true(fresh->incarnation > inbox.items[0].incarnation);
    assert_true(fresh->epoch > inbox.items[0].epoch);
    assert_true(losses.revoked > 0 && losses.assigned > PARTITIONS);
    fixture_done_all(consumer, &inbox); /* the old ones are passed over */
    consumer_close(consumer);
    bus_close(other);
    inbox_clear(&inbox);
}

static void a_topic_may_be_made_anew_under_a_consumer(void **state) {
    make_anew(state, 2, false);
}

/* Here the position is in range again before anyone looks there. */
static void a_topic_made_anew_may_be_longer(void **state) {
    make_anew(state, 20, true);
}

/* Work goes on while a consumer is replaced, and is marked with the one that came after. */
static void marks_of_a_consumer_before_are_passed_over(void **state) {
    struct fixture *fixture = *state;
    struct inbox first = { 0 }, second = { 0 }, third = { 0 };

    publish_numbers(fixture->bus, 0, 5);
    struct consumer *consumer = open_consumer(fixture->bus, NULL);
    inbox_fill(&first, consumer, 5);
    consumer_close(consumer);
    consumer = open_consumer(fixture->bus, NULL);
    inbox_fill(&second, consumer, 1);
    assert_true(second.items[0].epoch > first.items[0].epoch);
    fixture_done_all(consumer, &first);
    consumer_close(consumer);
    consumer = open_consumer(fixture->bus, NULL);
    inbox_fill(&third, consumer, 5);
    consumer_close(consumer);
    inbox_clear(&first);
    inbox_clear(&second);
    inbox_clear(&third);
}

/* ---- errors ---- */

static void a_broken_producer_is_replaced(void **state) {
    struct fixture *fixture = *state;
    struct kafka *kafka = (struct kafka *)fixture->bus;
    struct outgoing message = { .topic = TOPIC_EXECUTOR, .key = STR("k"), .value = STR("v") };
    struct err err;

    fixture_publish(fixture->bus, TOPIC_EXECUTOR, "k", "before");
    rd_kafka_t *handle = kafka_producer_handle(kafka->producer);
    rd_kafka_test_fatal_error(
            handle, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "for the test");
    assert_false(bus_publish(fixture->bus, &message, 1, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    fixture_publish(fixture->bus, TOPIC_EXECUTOR, "k", "after");
}

static void no_broker_is_told_in_time(void **state) {
    struct bus_options options = { .client_id = "bus-test", .timeout_ms = 500 };
    struct bus *bus;
    struct err err;

    (void)state;
    assert_false(bus_open("kafka://127.0.0.1:1/p", &options, &bus, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "127.0.0.1:1"));
}

static void urls_are_checked(void **state) {
    static const char *const bad[] = { "kafka://", "kafka:///p", "kafka://h:1/p q",
        "kafka://h:1?linger=5", "kafka://h:1?session_ms=5", "http://h", "", "memory:x" };
    struct bus_options options = { .client_id = "bus-test", .timeout_ms = 500 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct bus *bus;
        struct err err;
        assert_false(bus_open(bad[i], &options, &bus, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

/* ---- a broker that hangs ---- */

static void stack(const char *verb) {
    char command[512];

    snprintf(command, sizeof(command), "tools/stack %s kafka --dir '%.300s' 2>&1", verb,
            getenv("PENSTOCK_TEST_STACK"));
    assert_int_equal(system(command), 0);
}

struct publishing {
    struct bus *bus;
    struct latch begun;
    bool ok;
    struct err err;
};

static void publish_one(void *user) {
    struct publishing *publishing = user;
    struct outgoing message = {
        .topic = TOPIC_EXECUTOR, .key = STR("k"), .value = STR("while it hung")
    };

    latch_set(&publishing->begun);
    publishing->ok = bus_publish(publishing->bus, &message, 1, &publishing->err);
}

static void a_hanging_broker_is_waited_for(void **state) {
    struct fixture *fixture = *state;
    struct publishing publishing = { .bus = fixture->bus };
    struct inbox inbox = { 0 };

    if (!getenv("PENSTOCK_TEST_STACK")) {
        print_message("skipped, PENSTOCK_TEST_STACK is not set\n");
        skip();
    }
    struct consumer *consumer = open_consumer(fixture->bus, NULL);
    publish_numbers(fixture->bus, 0, 1);
    inbox_fill(&inbox, consumer, 1);
    latch_init(&publishing.begun);
    stack("pause");
    struct thread *thread = thread_start("publisher", publish_one, &publishing);
    assert_true(latch_wait(&publishing.begun, FIXTURE_WAIT_MS));
    inbox_poll(&inbox, consumer, 1000);
    stack("resume");
    thread_join(thread);
    if (!publishing.ok) fail_msg("%s", publishing.err.message);
    inbox_until(&inbox, consumer, "while it hung");
    consumer_close(consumer);
    inbox_clear(&inbox);
}

static void a_broker_that_hangs_too_long_is_told(void **state) {
    struct fixture *fixture = *state;
    struct arena *arena = arena_new();
    struct inbox inbox = { 0 };
    struct batch batch;
    struct err err;

    if (!getenv("PENSTOCK_TEST_STACK")) {
        print_message("skipped, PENSTOCK_TEST_STACK is not set\n");
        arena_free(arena);
        skip();
    }
    struct bus *bus = open_bus(fixture, 1000); /* three seconds for a message */
    struct consumer *consumer = open_consumer(bus, NULL);
    publish_numbers(bus, 0, 1);
    inbox_fill(&inbox, consumer, 1);
    stack("pause");
    struct outgoing message = { .topic = TOPIC_EXECUTOR, .key = STR("k"), .value = STR("late") };
    bool published = bus_publish(bus, &message, 1, &err);
    bool answers = bus_ping(bus, 500, &err);
    bool told = true;
    for (int i = 0; i < 30 && told; i++)
        told = consumer_poll(consumer, 1000, 10, arena, &batch, &err);
    stack("resume");
    assert_false(published);
    assert_false(answers);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_false(told);
    /* The old one may come twice, or not at all; what is published now comes. */
    bool back = false;
    for (int i = 0; i < 20 && !back; i++)
        back = bus_publish(bus, &message, 1, &err);
    assert_true(back);
    while (!inbox_find(&inbox, "late")) {
        arena_reset(arena);
        if (!consumer_poll(consumer, 1000, 10, arena, &batch, &err)) continue;
        for (size_t i = 0; i < batch.count; i++) {
            if (str_equal(batch.messages[i].value, STR("late"))) goto found;
        }
    }
found:
    consumer_close(consumer);
    bus_close(bus);
    arena_free(arena);
    inbox_clear(&inbox);
}

#define BUS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(urls_are_checked),
        cmocka_unit_test(no_broker_is_told_in_time),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
                a_killed_member_comes_back_at_once, name_topics_for_long, tear_down),
        BUS_TEST(marks_are_cut_where_they_do_not_fit),
        BUS_TEST(a_topic_made_anew_is_another_incarnation),
        BUS_TEST(a_topic_may_be_made_anew_under_a_consumer),
        BUS_TEST(a_topic_made_anew_may_be_longer),
        BUS_TEST(marks_of_a_consumer_before_are_passed_over),
        BUS_TEST(a_broken_producer_is_replaced),
        BUS_TEST(a_hanging_broker_is_waited_for),
        BUS_TEST(a_broker_that_hangs_too_long_is_told),
    };
    int failed = 0;

    if (getenv("PENSTOCK_TEST_KAFKA")) {
        failed += cmocka_run_group_tests_name("kafka", tests, NULL, NULL);
    } else {
        print_message("kafka: skipped, PENSTOCK_TEST_KAFKA=kafka://HOST:PORT is not set\n");
    }
    return failed + cmocka_run_group_tests_name("kafka without a broker", alone, NULL, NULL);
}

/* What every bus promises (bus.h), against the memory bus, the embedded bus, and Kafka where
 * PENSTOCK_TEST_KAFKA=kafka://HOST:PORT names one. Each test has a bus of its own: a folder, or a prefix of topics. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/bus_internal.h"
#include "bus/partition.h"
#include "common/arena.h"
#include "common/limits.h"
#include "system/clock.h"
#include "system/queue.h"
#include "system/thread.h"
#include "tests/support/bus_fixture.h"
#include "tests/support/kafka_topics.h"

enum { PARTITIONS = 4, EVENTS_MAX = 256, POLL_MS = 100 };

struct fixture {
    const char *backend; /* "memory", "embedded", "kafka" */
    struct bus *bus;
    char folder[FIXTURE_PATH_MAX];
    char prefix[64];
};

static const enum topic executor_topics[] = { TOPIC_EXECUTOR, TOPIC_NONE };

/* ---- opening ---- */

static void make_url(struct fixture *fixture, char *url, size_t size) {
    struct clock clock = clock_system();
    uint64_t random;

    if (strcmp(fixture->backend, "kafka") == 0) {
        clock_random(&clock, &random, sizeof(random));
        snprintf(fixture->prefix, sizeof(fixture->prefix), "test-%016llx",
                (unsigned long long)random);
        snprintf(
                url, size, "%s/%s?session_ms=6000", getenv("PENSTOCK_TEST_KAFKA"), fixture->prefix);
    } else if (strcmp(fixture->backend, "embedded") == 0) {
        assert_true(fixture_folder(fixture->folder));
        snprintf(url, size, "embedded:%s/bus.db", fixture->folder);
    } else {
        snprintf(url, size, "memory:");
    }
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct bus_options options = { .client_id = "bus-test", .partitions = PARTITIONS };
    char url[1024];
    struct err err;

    assert_non_null(fixture);
    fixture->backend = *state;
    make_url(fixture, url, sizeof(url));
    if (!bus_open(url, &options, &fixture->bus, &err)) {
        print_message("%s: %s\n", url, err.message);
        return -1;
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    bus_close(fixture->bus);
    if (fixture->folder[0]) fixture_remove_folder(fixture->folder);
    if (fixture->prefix[0]) kafka_topics_delete(getenv("PENSTOCK_TEST_KAFKA"), fixture->prefix);
    free(fixture);
    return 0;
}

static struct consumer *open_consumer(
        struct fixture *fixture, const char *group, const struct consumer_callbacks *callbacks) {
    struct consumer *consumer;
    struct err err;

    if (!consumer_open(fixture->bus, group, executor_topics, callbacks, &consumer, &err))
        fail_msg("%s", err.message);
    return consumer;
}

static void commit(struct consumer *consumer) {
    struct err err;

    assert_true(consumer_commit(consumer, &err));
}

/* ---- messages ---- */

static void messages_arrive_as_they_were_sent(void **state) {
    struct fixture *fixture = *state;
    static const char binary[] = { 'a', '\0', (char)0xff, 'b' };
    struct header headers[] = { { STR("type"), STR("start") }, { STR("empty"), STR("") } };
    struct outgoing messages[] = {
        { TOPIC_EXECUTOR, STR("k"), { binary, sizeof(binary) }, headers, ARRAY_SIZE(headers) },
        { TOPIC_EXECUTOR, STR("k"), STR(""), NULL, 0 },
        { TOPIC_EXECUTOR, STR(""), STR("without a key"), NULL, 0 },
    };
    struct clock clock = clock_system();
    struct inbox inbox = { 0 };
    struct err err;

    assert_true(bus_publish(fixture->bus, messages, ARRAY_SIZE(messages), &err));
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    inbox_fill(&inbox, consumer, ARRAY_SIZE(messages));
    assert_int_equal(inbox.count, ARRAY_SIZE(messages));
    size_t seen = 0;
    for (size_t i = 0; i < inbox.count; i++) {
        const struct received *message = &inbox.items[i];
        assert_int_equal(message->topic, TOPIC_EXECUTOR);
        assert_true(message->time_ms > clock_now_ms(&clock) - 60 * 1000
                && message->time_ms < clock_now_ms(&clock) + 1000);
        assert_true(message->incarnation != 0 && message->epoch > 0);
        if (strcmp(message->key, "k") != 0) {
            assert_string_equal(message->value, "without a key");
            continue;
        }
        seen++;
        if (message->value_size == 0) {
            assert_int_equal(message->header_count, 0);
            assert_int_equal(seen, 2);
            continue;
        }
        assert_memory_equal(message->value, binary, sizeof(binary));
        assert_int_equal(message->value_size, sizeof(binary));
        assert_string_equal(message->headers, "type=start;empty=;");
    }
    assert_int_equal(seen, 2);
    inbox_clear(&inbox);
    consumer_close(consumer);
}

static void keys_keep_their_order_and_partition(void **state) {
    struct fixture *fixture = *state;
    enum { KEYS = 20, EACH = 30 };
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    struct inbox inbox = { 0 };
    int next[KEYS] = { 0 };

    for (int i = 0; i < EACH; i++) {
        char keys[KEYS][16], values[KEYS][16];
        struct outgoing messages[KEYS];
        struct err err;
        for (int k = 0; k < KEYS; k++) {
            snprintf(keys[k], sizeof(keys[k]), "key-%d", k);
            snprintf(values[k], sizeof(values[k]), "%d", i);
            messages[k] = (struct outgoing){
                .topic = TOPIC_EXECUTOR, .key = str_from(keys[k]), .value = str_from(values[k])
            };
        }
        assert_true(bus_publish(fixture->bus, messages, KEYS, &err));
    }
    inbox_fill(&inbox, consumer, KEYS * EACH);
    for (size_t i = 0; i < inbox.count; i++) {
        const struct received *message = &inbox.items[i];
        int key = atoi(message->key + 4);
        assert_int_equal(atoi(message->value), next[key]++);
        assert_int_equal(message->partition, partition_of(str_from(message->key), PARTITIONS));
    }
    inbox_clear(&inbox);
    consumer_close(consumer);
}

static void sizes_are_limited(void **state) {
    struct fixture *fixture = *state;
    char *large = calloc(1, LIMIT_MESSAGE + 1);
    struct inbox inbox = { 0 };
    struct err err;

    assert_non_null(large);
    memset(large, 'x', LIMIT_MESSAGE + 1);
    struct outgoing messages[] = {
        { .topic = TOPIC_EXECUTOR, .key = STR("k"), .value = STR("first") },
        { .topic = TOPIC_EXECUTOR, .key = STR("k"), .value = { large, LIMIT_MESSAGE + 1 } },
    };
    assert_false(bus_publish(fixture->bus, messages, 2, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    struct outgoing key = {
        .topic = TOPIC_EXECUTOR, .key = { large, BUS_HEAD_SIZE_MAX + 1 }, .value = STR("v")
    };
    assert_false(bus_publish(fixture->bus, &key, 1, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    messages[1].value.size = LIMIT_MESSAGE;
    for (int i = 0; i < 5; i++) {
        if (!bus_publish(fixture->bus, &messages[1], 1, &err)) fail_msg("%s", err.message);
    }
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    inbox_fill(&inbox, consumer, 5);
    assert_int_equal(inbox.count, 5); /* nothing of the call that failed */
    assert_int_equal(inbox.items[4].value_size, LIMIT_MESSAGE);
    assert_memory_equal(inbox.items[4].value, large, LIMIT_MESSAGE);
    inbox_clear(&inbox);
    consumer_close(consumer);
    free(large);
}

static void a_poll_gives_no_more_than_asked(void **state) {
    struct fixture *fixture = *state;
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    struct arena *arena = arena_new();
    size_t seen = 0;
    struct batch batch;
    struct err err;

    for (int i = 0; i < 20; i++)
        fixture_publish(fixture->bus, TOPIC_EXECUTOR, "k", "v");
    while (seen < 20) {
        assert_true(consumer_poll(consumer, FIXTURE_WAIT_MS, 3, arena, &batch, &err));
        assert_true(batch.count <= 3);
        seen += batch.count;
    }
    assert_int_equal(seen, 20);
    arena_free(arena);
    consumer_close(consumer);
}

struct publisher {
    struct bus *bus;
    struct thread *thread;
    int number, count, failed;
};

static void publish_many(void *user) {
    struct publisher *publisher = user;
    char key[16], value[16];

    snprintf(key, sizeof(key), "thread-%d", publisher->number);
    for (int i = 0; i < publisher->count; i++) {
        snprintf(value, sizeof(value), "%d", i);
        struct outgoing message = {
            .topic = TOPIC_EXECUTOR, .key = str_from(key), .value = str_from(value)
        };
        struct err err;
        if (!bus_publish(publisher->bus, &message, 1, &err)) publisher->failed++;
    }
}

static void threads_publish_at_once(void **state) {
    struct fixture *fixture = *state;
    enum { THREADS = 8, EACH = 200 };
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    struct publisher publishers[THREADS];
    struct inbox inbox = { 0 };
    int next[THREADS] = { 0 };

    for (int i = 0; i < THREADS; i++) {
        publishers[i] = (struct publisher){ .bus = fixture->bus, .number = i, .count = EACH };
        publishers[i].thread = thread_start("publisher", publish_many, &publishers[i]);
    }
    inbox_fill(&inbox, consumer, THREADS * EACH);
    for (int i = 0; i < THREADS; i++) {
        thread_join(publishers[i].thread);
        assert_int_equal(publishers[i].failed, 0);
    }
    for (size_t i = 0; i < inbox.count; i++) {
        int thread = atoi(inbox.items[i].key + 7);
        assert_int_equal(atoi(inbox.items[i].value), next[thread]++);
    }
    assert_int_equal(inbox.count, THREADS * EACH);
    inbox_clear(&inbox);
    consumer_close(consumer);
}

/* ---- offsets ---- */

static void publish_numbers(struct bus *bus, const char *key, int count) {
    for (int i = 0; i < count; i++) {
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        fixture_publish(bus, TOPIC_EXECUTOR, key, value);
    }
}

static void what_is_not_done_comes_again(void **state) {
    struct fixture *fixture = *state;
    static const int marked[] = { 4, 0, 7, 1, 3 };
    static const char *const again[] = { "2", "5", "6", "8", "9", "end" };
    struct inbox first = { 0 }, second = { 0 };

    publish_numbers(fixture->bus, "k", 10);
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    inbox_fill(&first, consumer, 10);
    for (size_t i = 0; i < ARRAY_SIZE(marked); i++)
        fixture_done(consumer, &first.items[marked[i]]);
    commit(consumer);
    consumer_close(consumer);

    fixture_publish(fixture->bus, TOPIC_EXECUTOR, "k", "end");
    consumer = open_consumer(fixture, "g", NULL);
    inbox_until(&second, consumer, "end");
    assert_int_equal(second.count, ARRAY_SIZE(again));
    for (size_t i = 0; i < second.count; i++) {
        assert_string_equal(second.items[i].value, again[i]);
        assert_int_equal(second.items[i].incarnation, first.items[0].incarnation);
    }
    assert_int_equal(second.items[0].offset, first.items[2].offset);
    inbox_clear(&first);
    inbox_clear(&second);
    consumer_close(consumer);
}

static void nothing_moves_without_done(void **state) {
    struct fixture *fixture = *state;
    struct inbox first = { 0 }, second = { 0 };

    publish_numbers(fixture->bus, "k", 3);
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    inbox_fill(&first, consumer, 3);
    commit(consumer);
    consumer_close(consumer);
    consumer = open_consumer(fixture, "g", NULL);
    inbox_fill(&second, consumer, 3);
    assert_string_equal(second.items[0].value, "0");
    inbox_clear(&first);
    inbox_clear(&second);
    consumer_close(consumer);
}

static void groups_do_not_share_offsets(void **state) {
    struct fixture *fixture = *state;
    struct inbox one = { 0 }, two = { 0 };
    struct consumer *first = open_consumer(fixture, "one", NULL);
    struct consumer *second = open_consumer(fixture, "two", NULL);

    publish_numbers(fixture->bus, "k", 5);
    inbox_fill(&one, first, 5);
    fixture_done_all(first, &one);
    commit(first);
    consumer_close(first);
    inbox_fill(&two, second, 5);
    assert_int_equal(two.count, 5);
    inbox_clear(&one);
    inbox_clear(&two);
    consumer_close(second);
}

static void lag_counts_what_is_not_done(void **state) {
    struct fixture *fixture = *state;
    struct inbox inbox = { 0 };

    publish_numbers(fixture->bus, "k", 5);
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    inbox_fill(&inbox, consumer, 5);
    while (consumer_lag(consumer) < 0)
        inbox_poll(&inbox, consumer, POLL_MS); /* not all partitions were asked yet */
    assert_int_equal(consumer_lag(consumer), 5);
    fixture_done(consumer, &inbox.items[0]);
    fixture_done(consumer, &inbox.items[3]);
    assert_int_equal(consumer_lag(consumer), 3);
    fixture_done_all(consumer, &inbox);
    assert_int_equal(consumer_lag(consumer), 0);
    inbox_clear(&inbox);
    consumer_close(consumer);
}

/* ---- assignments ---- */

/* What the callbacks were told, of all members in one row. */
struct event {
    int member;
    bool assigned, lost;
    int32_t partition;
    uint32_t epoch;
};

struct events {
    struct event items[EVENTS_MAX];
    size_t count;
};

struct member {
    int number;
    struct events *events;
    struct consumer *consumer;
    struct inbox inbox;
    bool mine[PARTITIONS];
    uint32_t epochs[PARTITIONS];
    bool done_on_revoke; /* marks what it has of the partition inside the callback */
};

static void add_event(struct member *member, struct event event) {
    assert_true(member->events->count < EVENTS_MAX);
    event.member = member->number;
    member->events->items[member->events->count++] = event;
}

static void on_assign(void *user, enum topic topic, int32_t partition, uint32_t epoch) {
    struct member *member = user;

    assert_int_equal(topic, TOPIC_EXECUTOR);
    assert_false(member->mine[partition]);
    assert_true(epoch > member->epochs[partition]);
    member->mine[partition] = true;
    member->epochs[partition] = epoch;
    add_event(member, (struct event){ .assigned = true, .partition = partition, .epoch = epoch });
}

static void on_revoke(void *user, enum topic topic, int32_t partition, bool lost) {
    struct member *member = user;

    assert_true(member->mine[partition]);
    member->mine[partition] = false;
    add_event(member, (struct event){ .lost = lost, .partition = partition });
    for (size_t i = 0; member->done_on_revoke && i < member->inbox.count; i++) {
        const struct received *message = &member->inbox.items[i];
        if (message->partition == partition) {
            consumer_done(member->consumer, topic, partition, message->offset, message->epoch);
        }
    }
}

static void join(
        struct fixture *fixture, struct member *member, int number, struct events *events) {
    struct consumer_callbacks callbacks = { on_assign, on_revoke, member };

    *member = (struct member){ .number = number, .events = events };
    member->consumer = open_consumer(fixture, "g", &callbacks);
}

static int count_mine(const struct member *member) {
    int count = 0;

    for (int i = 0; i < PARTITIONS; i++)
        count += member->mine[i];
    return count;
}

/* Polls all until each holds its part and no partition is without an owner. */
static void balance(struct member *const *members, size_t count) {
    struct clock clock = clock_system();
    int64_t deadline_ms = clock_monotonic_ms(&clock) + 2 * FIXTURE_WAIT_MS;
    bool even = false;

    while (!even && clock_monotonic_ms(&clock) < deadline_ms) {
        int total = 0;
        even = true;
        /* The last first: who joined must not get what the others have not given back. */
        for (size_t i = count; i-- > 0;) {
            inbox_poll(
                    &members[i]->inbox, members[i]->consumer, count > 1 ? POLL_MS / 10 : POLL_MS);
        }
        for (size_t i = 0; i < count; i++) {
            int mine = count_mine(members[i]);
            total += mine;
            if (mine < PARTITIONS / (int)count || mine > (PARTITIONS + (int)count - 1) / (int)count)
                even = false;
        }
        if (total != PARTITIONS) even = false;
    }
    if (!even) fail_msg("the group of %zu did not settle", count);
}

/* No partition may be given to one member before the other gave it back. */
static void check_events(const struct events *events) {
    int owner[PARTITIONS];

    for (int i = 0; i < PARTITIONS; i++)
        owner[i] = -1;
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->items[i];
        if (event->assigned) {
            assert_int_equal(owner[event->partition], -1);
            owner[event->partition] = event->member;
        } else {
            assert_int_equal(owner[event->partition], event->member);
            owner[event->partition] = -1;
        }
    }
}

/* One message for each partition, with the partition's number as its value behind `name`. */
static void publish_round(struct bus *bus, const char *name) {
    for (int32_t i = 0; i < PARTITIONS; i++) {
        char key[32], value[32];
        fixture_key_for(i, PARTITIONS, key);
        snprintf(value, sizeof(value), "%s-%d", name, i);
        fixture_publish(bus, TOPIC_EXECUTOR, key, value);
    }
}

static bool any_has(struct member *const *members, size_t count, const char *name) {
    for (int32_t i = 0; i < PARTITIONS; i++) {
        char value[32];
        bool found = false;
        snprintf(value, sizeof(value), "%s-%d", name, i);
        for (size_t m = 0; m < count; m++)
            found = found || inbox_find(&members[m]->inbox, value);
        if (!found) return false;
    }
    return true;
}

static void await_round(struct member *const *members, size_t count, const char *name) {
    struct clock clock = clock_system();
    int64_t deadline_ms = clock_monotonic_ms(&clock) + FIXTURE_WAIT_MS;

    while (!any_has(members, count, name) && clock_monotonic_ms(&clock) < deadline_ms) {
        for (size_t i = 0; i < count; i++)
            inbox_poll(&members[i]->inbox, members[i]->consumer, POLL_MS / 10);
    }
    assert_true(any_has(members, count, name));
}

static void partitions_move_without_loss(void **state) {
    struct fixture *fixture = *state;
    struct events events = { .count = 0 };
    struct member a, b, c;
    struct member *members[] = { &a, &b, &c };

    join(fixture, &a, 0, &events);
    balance(members, 1);
    publish_round(fixture->bus, "one");
    await_round(members, 1, "one");

    join(fixture, &b, 1, &events);
    balance(members, 2);
    assert_int_equal(count_mine(&b), 2);
    /* What A had and did not mark is B's now, where B has the partition; A's marks come too late. */
    fixture_done_all(a.consumer, &a.inbox);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        char value[32];
        snprintf(value, sizeof(value), "one-%d", i);
        if (b.mine[i]) inbox_until(&b.inbox, b.consumer, value);
    }
    commit(a.consumer);

    join(fixture, &c, 2, &events);
    publish_round(fixture->bus, "two");
    balance(members, 3);
    await_round(members, 3, "two");
    for (size_t i = 0; i < 3; i++) {
        fixture_done_all(members[i]->consumer, &members[i]->inbox);
        commit(members[i]->consumer);
    }
    consumer_close(b.consumer);
    members[1] = &c;
    balance(members, 2);
    publish_round(fixture->bus, "three");
    await_round(members, 2, "three");
    check_events(&events);
    consumer_close(a.consumer);
    consumer_close(c.consumer);
    assert_int_equal(count_mine(&a) + count_mine(&b) + count_mine(&c), 0);
    inbox_clear(&a.inbox);
    inbox_clear(&b.inbox);
    inbox_clear(&c.inbox);
}

static void done_inside_revoke_is_committed(void **state) {
    struct fixture *fixture = *state;
    struct events events = { .count = 0 };
    struct member a, b;
    struct member *members[] = { &a, &b };

    join(fixture, &a, 0, &events);
    balance(members, 1);
    publish_round(fixture->bus, "one");
    await_round(members, 1, "one");
    a.done_on_revoke = true;
    join(fixture, &b, 1, &events);
    balance(members, 2);
    publish_round(fixture->bus, "two");
    await_round(members, 2, "two");
    for (size_t i = 0; i < b.inbox.count; i++)
        assert_int_equal(strncmp(b.inbox.items[i].value, "one", 3) == 0, 0);
    consumer_close(a.consumer);
    consumer_close(b.consumer);
    inbox_clear(&a.inbox);
    inbox_clear(&b.inbox);
}

static void marks_of_an_older_epoch_are_passed_over(void **state) {
    struct fixture *fixture = *state;
    struct events events = { .count = 0 };
    struct member a, b;
    struct member *members[] = { &a, &b };
    struct inbox old;

    join(fixture, &a, 0, &events);
    balance(members, 1);
    publish_round(fixture->bus, "one");
    await_round(members, 1, "one");
    /* All goes to B in part, and comes back to A. */
    join(fixture, &b, 1, &events);
    balance(members, 2);
    consumer_close(b.consumer);
    old = a.inbox;
    a.inbox = (struct inbox){ 0 };
    balance(members, 1);
    bool moved[PARTITIONS] = { false };
    for (size_t i = 0; i < old.count; i++) {
        const struct received *message = &old.items[i];
        moved[message->partition] = message->epoch != a.epochs[message->partition];
        fixture_done(a.consumer, message);
    }
    commit(a.consumer);
    consumer_close(a.consumer);

    inbox_clear(&a.inbox);
    struct consumer *last = open_consumer(fixture, "g", NULL);
    publish_round(fixture->bus, "end");
    int count = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        char value[32];
        snprintf(value, sizeof(value), "end-%d", i);
        inbox_until(&a.inbox, last, value);
    }
    for (int32_t i = 0; i < PARTITIONS; i++) {
        char value[32];
        snprintf(value, sizeof(value), "one-%d", i);
        assert_int_equal(inbox_find(&a.inbox, value) != NULL, moved[i]);
        count += moved[i];
    }
    assert_true(count >= 2);
    inbox_clear(&a.inbox);
    inbox_clear(&b.inbox);
    inbox_clear(&old);
    consumer_close(last);
}

/* ---- flow ---- */

static void paused_partitions_give_nothing(void **state) {
    struct fixture *fixture = *state;
    struct events events = { .count = 0 };
    struct member a;
    struct member *members[] = { &a };
    char key0[32], key1[32];

    fixture_key_for(0, PARTITIONS, key0);
    fixture_key_for(1, PARTITIONS, key1);
    join(fixture, &a, 0, &events);
    balance(members, 1);
    fixture_publish(fixture->bus, TOPIC_EXECUTOR, key0, "before");
    inbox_until(&a.inbox, a.consumer, "before");
    consumer_pause(a.consumer, TOPIC_EXECUTOR, 0);
    fixture_publish(fixture->bus, TOPIC_EXECUTOR, key0, "held");
    fixture_publish(fixture->bus, TOPIC_EXECUTOR, key0, "held too");
    fixture_publish(fixture->bus, TOPIC_EXECUTOR, key1, "other");
    inbox_until(&a.inbox, a.consumer, "other");
    inbox_poll(&a.inbox, a.consumer, 2 * POLL_MS);
    assert_null(inbox_find(&a.inbox, "held"));
    consumer_resume(a.consumer, TOPIC_EXECUTOR, 0);
    inbox_until(&a.inbox, a.consumer, "held too");
    assert_non_null(inbox_find(&a.inbox, "held"));
    assert_int_equal(a.inbox.count, 4); /* none twice */
    consumer_close(a.consumer);
    inbox_clear(&a.inbox);
}

struct sleeper {
    struct consumer *consumer;
    struct latch started;
    bool stop;
    int polls;
};

static void sleep_in_poll(void *user) {
    struct sleeper *sleeper = user;
    struct arena *arena = arena_new();

    do {
        struct batch batch;
        struct err err;
        latch_set(&sleeper->started);
        if (consumer_poll(sleeper->consumer, 10 * FIXTURE_WAIT_MS, 1, arena, &batch, &err))
            sleeper->polls++;
    } while (!__atomic_load_n(&sleeper->stop, __ATOMIC_ACQUIRE));
    arena_free(arena);
}

static void wake_ends_a_poll(void **state) {
    struct fixture *fixture = *state;
    struct consumer *consumer = open_consumer(fixture, "g", NULL);
    struct sleeper sleeper = { .consumer = consumer };
    struct inbox inbox = { 0 };

    /* The next one, where none waits. Without the wake this would take five minutes. */
    consumer_wake(consumer);
    assert_int_equal(inbox_poll(&inbox, consumer, 10 * FIXTURE_WAIT_MS), 0);

    latch_init(&sleeper.started);
    struct thread *thread = thread_start("sleeper", sleep_in_poll, &sleeper);
    assert_true(latch_wait(&sleeper.started, FIXTURE_WAIT_MS));
    __atomic_store_n(&sleeper.stop, true, __ATOMIC_RELEASE);
    consumer_wake(consumer);
    thread_join(thread);
    assert_true(sleeper.polls > 0);
    consumer_close(consumer);
    inbox_clear(&inbox);
}

static void tails_read_what_comes(void **state) {
    struct fixture *fixture = *state;
    static const enum topic results[] = { TOPIC_RESULTS, TOPIC_EXECUTOR, TOPIC_NONE };
    struct consumer *first, *second;
    struct inbox one = { 0 }, two = { 0 };
    struct err err;

    fixture_publish(fixture->bus, TOPIC_RESULTS, "k", "old");
    fixture_publish(fixture->bus, TOPIC_EXECUTOR, "k", "old");
    assert_true(consumer_open(fixture->bus, NULL, results, NULL, &first, &err));
    assert_true(consumer_open(fixture->bus, NULL, results, NULL, &second, &err));
    for (int i = 0; i < 10; i++) {
        char value[16], key[16];
        snprintf(value, sizeof(value), "%d", i);
        snprintf(key, sizeof(key), "k%d", i);
        fixture_publish(fixture->bus, i % 2 ? TOPIC_RESULTS : TOPIC_EXECUTOR, key, value);
    }
    inbox_fill(&one, first, 10);
    consumer_close(first);
    inbox_fill(&two, second, 10);
    assert_null(inbox_find(&one, "old"));
    assert_null(inbox_find(&two, "old"));
    assert_int_equal(one.count, 10);
    assert_int_equal(two.count, 10);
    inbox_clear(&one);
    inbox_clear(&two);
    consumer_close(second);
}

static void the_bus_answers(void **state) {
    struct fixture *fixture = *state;
    struct err err;

    assert_true(bus_ping(fixture->bus, FIXTURE_WAIT_MS, &err));
}

/* ---- all of it ---- */

#define BUS_TEST(test, backend) \
    cmocka_unit_test_prestate_setup_teardown(test, set_up, tear_down, backend)

static int run(const char *name) {
    char backend[16];

    snprintf(backend, sizeof(backend), "%s", name);
    const struct CMUnitTest tests[] = {
        BUS_TEST(messages_arrive_as_they_were_sent, backend),
        BUS_TEST(keys_keep_their_order_and_partition, backend),
        BUS_TEST(sizes_are_limited, backend),
        BUS_TEST(a_poll_gives_no_more_than_asked, backend),
        BUS_TEST(threads_publish_at_once, backend),
        BUS_TEST(what_is_not_done_comes_again, backend),
        BUS_TEST(nothing_moves_without_done, backend),
        BUS_TEST(groups_do_not_share_offsets, backend),
        BUS_TEST(lag_counts_what_is_not_done, backend),
        BUS_TEST(partitions_move_without_loss, backend),
        BUS_TEST(done_inside_revoke_is_committed, backend),
        BUS_TEST(marks_of_an_older_epoch_are_passed_over, backend),
        BUS_TEST(paused_partitions_give_nothing, backend),
        BUS_TEST(wake_ends_a_poll, backend),
        BUS_TEST(tails_read_what_comes, backend),
        BUS_TEST(the_bus_answers, backend),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void) {
    int failed = run("memory") + run("embedded");

    if (getenv("PENSTOCK_TEST_KAFKA")) {
        failed += run("kafka");
    } else {
        print_message("kafka: skipped, PENSTOCK_TEST_KAFKA=kafka://HOST:PORT is not set\n");
    }
    return failed;
}

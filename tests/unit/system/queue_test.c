#include "system/queue.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/assert.h"
#include "system/thread.h"

enum { PRODUCERS = 3, CONSUMERS = 3, ITEMS_EACH = 20 * 1000, BATCH = 7 };

static int values[16];

static void test_first_in_first_out_across_growth(void **state) {
    static int many[1000];
    struct queue *queue = queue_new(1000);
    void *items[BATCH];
    int next = 0;

    (void)state;
    /* A few in and out first, so that the ring has wrapped when it grows. */
    for (int i = 0; i < 50; i++)
        assert_true(queue_push(queue, &many[i]));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(queue_pop(queue, items, BATCH, 0), BATCH);
        for (int j = 0; j < BATCH; j++)
            assert_ptr_equal(items[j], &many[next++]);
    }
    for (int i = 50; i < 1000; i++)
        assert_true(queue_push(queue, &many[i]));
    assert_int_equal(queue_size(queue), (size_t)(1000 - next));
    while (next < 1000) {
        size_t count = queue_pop(queue, items, BATCH, 0);
        assert_true(count > 0);
        for (size_t j = 0; j < count; j++)
            assert_ptr_equal(items[j], &many[next++]);
    }
    queue_free(queue);
}

static void test_full_and_closed_refuse(void **state) {
    struct queue *queue = queue_new(2);
    void *items[4];

    (void)state;
    assert_true(queue_push(queue, &values[0]));
    assert_true(queue_push(queue, &values[1]));
    assert_false(queue_push(queue, &values[2]));
    assert_false(queue_is_closed(queue));
    queue_close(queue);
    assert_true(queue_is_closed(queue));
    assert_false(queue_push(queue, &values[2]));
    assert_int_equal(queue_pop(queue, items, 4, -1), 2);
    assert_int_equal(queue_pop(queue, items, 4, -1), 0);
    queue_free(queue);
}

static void test_pop_ends_at_the_timeout(void **state) {
    struct queue *queue = queue_new(2);
    void *item;

    (void)state;
    assert_int_equal(queue_pop(queue, &item, 1, 0), 0);
    assert_int_equal(queue_pop(queue, &item, 1, 5), 0);
    queue_free(queue);
}

struct crowd {
    struct queue *queue;
    int *numbers; /* PRODUCERS × ITEMS_EACH, each its own index */
    uint32_t *seen;
    int producer;
};

static void produce(void *user) {
    struct crowd *crowd = user;
    int producer = __atomic_fetch_add(&crowd->producer, 1, __ATOMIC_RELAXED);

    for (int i = 0; i < ITEMS_EACH; i++) {
        while (!queue_push(crowd->queue, &crowd->numbers[producer * ITEMS_EACH + i])) {
            sched_yield(); /* full: push never blocks, so the producer gives way */
        }
    }
}

static void consume(void *user) {
    struct crowd *crowd = user;
    void *items[BATCH];
    size_t count;

    while ((count = queue_pop(crowd->queue, items, BATCH, -1)) > 0) {
        for (size_t i = 0; i < count; i++) {
            __atomic_fetch_add(&crowd->seen[*(int *)items[i]], 1, __ATOMIC_RELAXED);
        }
    }
}

static void test_many_threads_lose_and_double_nothing(void **state) {
    struct crowd crowd = { .queue = queue_new(100) };
    struct thread *producers[PRODUCERS], *consumers[CONSUMERS];

    (void)state;
    crowd.numbers = calloc(PRODUCERS * ITEMS_EACH, sizeof(*crowd.numbers));
    crowd.seen = calloc(PRODUCERS * ITEMS_EACH, sizeof(*crowd.seen));
    for (int i = 0; i < PRODUCERS * ITEMS_EACH; i++)
        crowd.numbers[i] = i;
    for (int i = 0; i < CONSUMERS; i++)
        consumers[i] = thread_start("consumer", consume, &crowd);
    for (int i = 0; i < PRODUCERS; i++)
        producers[i] = thread_start("producer", produce, &crowd);
    for (int i = 0; i < PRODUCERS; i++)
        thread_join(producers[i]);
    queue_close(crowd.queue);
    for (int i = 0; i < CONSUMERS; i++)
        thread_join(consumers[i]);
    for (int i = 0; i < PRODUCERS * ITEMS_EACH; i++)
        assert_int_equal(crowd.seen[i], 1);
    queue_free(crowd.queue);
    free(crowd.numbers);
    free(crowd.seen);
}

struct meeting {
    struct lock *lock;
    struct condition_variable *changed;
    int turn;
};

static void answer_turns(void *user) {
    struct meeting *meeting = user;

    lock_acquire(meeting->lock);
    while (meeting->turn < 100) {
        if (meeting->turn % 2 == 1) {
            meeting->turn++;
            condition_variable_signal_all(meeting->changed);
        } else {
            condition_variable_wait(meeting->changed, meeting->lock, -1);
        }
    }
    lock_release(meeting->lock);
}

static void test_condition_hands_over(void **state) {
    struct meeting meeting = { lock_new(), condition_variable_new(), 0 };
    struct thread *thread = thread_start("answers", answer_turns, &meeting);

    (void)state;
    lock_acquire(meeting.lock);
    while (meeting.turn < 100) {
        if (meeting.turn % 2 == 0) {
            meeting.turn++;
            condition_variable_signal_all(meeting.changed);
        } else {
            condition_variable_wait(meeting.changed, meeting.lock, -1);
        }
    }
    condition_variable_signal_all(meeting.changed);
    lock_release(meeting.lock);
    thread_join(thread);
    lock_acquire(meeting.lock);
    assert_false(condition_variable_wait(meeting.changed, meeting.lock, 1));
    lock_release(meeting.lock);
    condition_variable_free(meeting.changed);
    lock_free(meeting.lock);
}

static void set_latch(void *user) {
    latch_set(user);
}

static void test_latch_before_during_never(void **state) {
    struct latch latch;

    (void)state;
    latch_init(&latch);
    assert_false(latch_wait(&latch, 0));
    assert_false(latch_wait(&latch, 2));
    latch_set(&latch);
    assert_true(latch_wait(&latch, 0));
    /* Often, so that the setter meets the waiter before, in and after its call. */
    for (int i = 0; i < 300; i++) {
        struct latch own;
        latch_init(&own);
        struct thread *thread = thread_start("setter", set_latch, &own);
        assert_true(latch_wait(&own, -1));
        thread_join(thread);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out_across_growth),
        cmocka_unit_test(test_full_and_closed_refuse),
        cmocka_unit_test(test_pop_ends_at_the_timeout),
        cmocka_unit_test(test_many_threads_lose_and_double_nothing),
        cmocka_unit_test(test_condition_hands_over),
        cmocka_unit_test(test_latch_before_during_never),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

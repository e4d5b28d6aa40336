#include "system/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/assert.h"
#include "system/thread.h"

enum { THREADS = 4, ROUNDS = 10 * 1000, TEXT_MAX = 256 * 1024 };

static void count(void *user) {
    struct metrics *metrics = user;

    for (int i = 0; i < ROUNDS; i++) {
        metrics_add(metrics, METRIC_REQUESTS, 1);
        metrics_add(metrics, METRIC_TASKS_IN_FLIGHT, i % 2 ? -1 : 1);
        metrics_observe(metrics, METRIC_REQUEST_SECONDS, 0.002);
    }
}

static void test_threads_count_together(void **state) {
    struct metrics *metrics = metrics_new();
    struct thread *threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start("counter", count, metrics);
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    assert_int_equal(metrics_get(metrics, METRIC_REQUESTS), THREADS * ROUNDS);
    assert_int_equal(metrics_get(metrics, METRIC_TASKS_IN_FLIGHT), 0);
    assert_int_equal(metrics_get(metrics, METRIC_REQUEST_SECONDS), THREADS * ROUNDS);
    metrics_free(metrics);
}

static void contains(const struct buf *buf, const char *text) {
    if (!strstr(buf->data, text)) fail_msg("not found: %s", text);
}

static void test_text_format(void **state) {
    struct metrics *metrics = metrics_new();
    struct buf buf;

    (void)state;
    buf_init(&buf, TEXT_MAX);
    metrics_add(metrics, METRIC_TRANSITIONS, 41);
    metrics_add(metrics, METRIC_TRANSITIONS, 1);
    metrics_set(metrics, METRIC_CLOCK_SKEW_MS, -12);
    metrics_observe(metrics, METRIC_BATCH_SECONDS, 0.001); /* a bound belongs to its bucket */
    metrics_observe(metrics, METRIC_BATCH_SECONDS, 0.0011);
    metrics_observe(metrics, METRIC_BATCH_SECONDS, 3600);
    metrics_observe(metrics, METRIC_BATCH_SECONDS, -1);
    metrics_observe(metrics, METRIC_BATCH_SECONDS, (double)NAN);
    metrics_write(metrics, &buf);
    contains(&buf,
            "# HELP penstock_transitions_total Journal entries inserted\n"
            "# TYPE penstock_transitions_total counter\npenstock_transitions_total 42\n");
    contains(&buf, "# TYPE penstock_clock_skew_ms gauge\npenstock_clock_skew_ms -12\n");
    contains(&buf,
            "# TYPE penstock_batch_seconds histogram\npenstock_batch_seconds_bucket{le=\"0.0005\"} "
            "2\n"
            "penstock_batch_seconds_bucket{le=\"0.001\"} "
            "3\npenstock_batch_seconds_bucket{le=\"0.0025\"} 4\n");
    contains(&buf,
            "penstock_batch_seconds_bucket{le=\"60\"} "
            "4\npenstock_batch_seconds_bucket{le=\"+Inf\"} 5\n"
            "penstock_batch_seconds_sum 3600.002100000\npenstock_batch_seconds_count 5\n");
    buf_clear(&buf);
    metrics_free(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_count_together),
        cmocka_unit_test(test_text_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

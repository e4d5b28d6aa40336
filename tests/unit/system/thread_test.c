#include "system/thread.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/assert.h"
#include "system/queue.h"

struct report {
    struct latch done;
    sigset_t mask;
    char name[16];
};

static void look_at_own_mask(void *user) {
    struct report *report = user;

    pthread_sigmask(SIG_BLOCK, NULL, &report->mask);
    pthread_getname_np(pthread_self(), report->name, sizeof(report->name));
    latch_set(&report->done);
}

static void test_only_the_main_thread_takes_signals(void **state) {
    struct report report;
    sigset_t own;

    (void)state;
    latch_init(&report.done);
    struct thread *thread = thread_start("a name that is too long", look_at_own_mask, &report);
    assert_true(latch_wait(&report.done, -1));
    thread_join(thread);
    thread_join(NULL);
    assert_string_equal(report.name, "a name that is ");
    assert_true(sigismember(&report.mask, SIGTERM));
    assert_true(sigismember(&report.mask, SIGINT));
    assert_false(sigismember(&report.mask, SIGSEGV));
    pthread_sigmask(SIG_BLOCK, NULL, &own);
    assert_false(sigismember(&own, SIGTERM));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_main_thread_takes_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

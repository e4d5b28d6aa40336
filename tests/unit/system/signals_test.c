#include "system/signals.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/assert.h"

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd watched = { .fd = fd, .events = POLLIN };

    return poll(&watched, 1, timeout_ms) == 1;
}

static void test_a_stop_is_remembered(void **state) {
    (void)state;
    signals_install();
    assert_false(signals_stop_requested());
    assert_false(is_readable(signals_fd(), 0));
    raise(SIGPIPE);
    assert_false(signals_stop_requested());
    raise(SIGTERM);
    assert_true(signals_stop_requested());
    assert_true(is_readable(signals_fd(), 0));
    raise(SIGTERM);
    assert_true(is_readable(signals_fd(), 0));
}

static void test_the_second_interrupt_ends_the_process(void **state) {
    int status;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        signals_install();
        raise(SIGINT);
        if (!signals_stop_requested()) _exit(1);
        raise(SIGINT);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stop_is_remembered),
        cmocka_unit_test(test_the_second_interrupt_ends_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

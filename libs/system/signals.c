/* A signal is delivered to a process, not to an object, and a handler is given no pointer: what it
 * writes has to be global. These two are the only mutable globals of the platform. */
#include "system/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/assert.h"

static volatile sig_atomic_t stop_requested;
static int stop_fd = -1;

static void on_signal(int number) {
    uint64_t one = 1;
    int errno_before = errno;

    (void)number;
    stop_requested = 1;
    /* Cannot fail in a way that matters: the counter only has to be above zero. */
    ssize_t written = write(stop_fd, &one, sizeof(one));
    (void)written;
    errno = errno_before;
}

static void handle(int number, void (*handler)(int), int flags) {
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART | flags };

    sigemptyset(&action.sa_mask);
    int result = sigaction(number, &action, NULL);
    assert(result == 0);
}

void signals_install(void) {
    if (stop_fd < 0) stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(stop_fd >= 0);
    handle(SIGPIPE, SIG_IGN, 0);
    handle(SIGXFSZ, SIG_IGN, 0); /* a limit on file sizes is a full disk: an error of a write, not the end */
    handle(SIGTERM, on_signal, 0);
    /* A person who presses Ctrl-C twice does not want to wait: the second one ends the process. */
    handle(SIGINT, on_signal, (int)SA_RESETHAND);
}

bool signals_stop_requested(void) {
    return stop_requested != 0;
}

int signals_fd(void) {
    assert(stop_fd >= 0);
    return stop_fd;
}

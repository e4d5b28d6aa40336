#include "system/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"

enum { NAME_SIZE = 16 }; /* what Linux keeps, with its NUL */

struct thread {
    pthread_t id;
    char name[NAME_SIZE];
    void (*run)(void *user);
    void *user;
};

static void *thread_main(void *argument) {
    struct thread *thread = argument;

    pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->user);
    return NULL;
}

/* Everything but what a thread raises by its own fault, which must end the process where it happened. */
static void block_signals(sigset_t *ret_before) {
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF };
    sigset_t blocked;

    sigfillset(&blocked);
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        sigdelset(&blocked, own[i]);
    int result = pthread_sigmask(SIG_BLOCK, &blocked, ret_before);
    assert(result == 0);
}

struct thread *thread_start(const char *name, void (*run)(void *user), void *user) {
    struct thread *thread = calloc(1, sizeof(*thread));
    sigset_t before;

    assert(thread);
    assert(run);
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    thread->run = run;
    thread->user = user;
    /* A new thread inherits the mask: set it around the start, so that there is no moment without it. */
    block_signals(&before);
    int result = pthread_create(&thread->id, NULL, thread_main, thread);
    assert(result == 0);
    result = pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert(result == 0);
    return thread;
}

void thread_join(struct thread *thread) {
    if (!thread) return;
    int result = pthread_join(thread->id, NULL);
    assert(result == 0);
    free(thread);
}

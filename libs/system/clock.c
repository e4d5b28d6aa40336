#include "system/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "common/assert.h"

enum { MS_PER_S = 1000, NS_PER_MS = 1000 * 1000 };

static int64_t read_ms(clockid_t id) {
    struct timespec now;
    int result = clock_gettime(id, &now);

    assert(result == 0);
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

static int64_t system_now_ms(void *user) {
    (void)user;
    return read_ms(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(void *user) {
    (void)user;
    return read_ms(CLOCK_MONOTONIC);
}

static void system_random(void *user, void *bytes, size_t size) {
    char *to = bytes;

    (void)user;
    while (size > 0) {
        ssize_t got = getrandom(to, size, 0);
        assert(got >= 0 || errno == EINTR);
        if (got <= 0) continue;
        to += got;
        size -= (size_t)got;
    }
}

struct clock clock_system(void) {
    return (struct clock){
        .now_ms = system_now_ms,
        .monotonic_ms = system_monotonic_ms,
        .random = system_random,
    };
}

int64_t clock_now_ms(const struct clock *clock) {
    return clock->now_ms(clock->user);
}

int64_t clock_monotonic_ms(const struct clock *clock) {
    return clock->monotonic_ms(clock->user);
}

void clock_random(const struct clock *clock, void *bytes, size_t size) {
    clock->random(clock->user, bytes, size);
}

#pragma once
/* Time and randomness, handed in so that a test can hand in others. */

#include "common/macros.h"

struct clock {
    int64_t (*now_ms)(void *user);        /* wall clock, ms since 1970 */
    int64_t (*monotonic_ms)(void *user);  /* for deadlines inside the process */
    void (*random)(void *user, void *bytes, size_t size);
    void *user;
};

struct clock clock_system(void);
int64_t clock_now_ms(const struct clock *clock);
int64_t clock_monotonic_ms(const struct clock *clock);
void clock_random(const struct clock *clock, void *bytes, size_t size);

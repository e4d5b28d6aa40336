#pragma once
/* Timers near enough to be kept in memory: a heap by time, each timer once. Memory only makes them punctual; the heads in the
 * store are what they are (reliability.md, 6). Internal to the trigger. */

#include "common/str.h"

struct timers;

struct timer {
    int64_t at_ms;
    int64_t frame;
    int64_t fired_at_ms; /* 0: not yet; kept a while so that a sweep does not fire it again at once */
    struct str instance; /* owned */
};

struct timers *timers_new(void);
void timers_free(struct timers *timers);

/* False if it is known already, or if there is no room (the sweep finds it again). `again`: also where it was fired
 * before, as its instance has armed it anew. */
bool timers_add(struct timers *timers, struct str instance, int64_t frame, int64_t at_ms, bool again);

/* The next that is due at now_ms and not fired, or NULL. It stays until timers_fired() or timers_forget(). */
const struct timer *timers_due(struct timers *timers, int64_t now_ms);
void timers_fired(struct timers *timers, int64_t now_ms); /* the one that timers_due() gave */

/* When the next one is due; INT64_MAX: none. */
int64_t timers_next_ms(const struct timers *timers);

/* Drops what was fired before `before_ms`, so that a sweep that still finds it fires it again. */
void timers_forget_fired(struct timers *timers, int64_t before_ms);
size_t timers_count(const struct timers *timers);

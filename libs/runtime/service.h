#pragma once
/* A service is a table of functions; the runtime owns its loop and its thread. */

#include "common/err.h"
#include "runtime/world.h"

struct arena;
struct lock;

/* A running service, as the runtime sees it. Services hold the pointer from open to close. */
struct seat {
    const struct world *world;
    struct consumer *consumer; /* of its inboxes; NULL while open() runs, and in services without inboxes */
    struct lock *lock;         /* over `can_wake` */
    bool can_wake;
};

/* Makes the service's loop turn at once (on_tick is called). Any thread. */
void seat_wake(struct seat *seat);

struct service {
    const char *name;             /* also the consumer group: penstock.NAME */
    const enum topic *inboxes;    /* what it reads, up to TOPIC_NONE */
    bool tail;                    /* read the inboxes from their end, all partitions, in every replica */

    /* Opens the service's own state. Must not block for long; the store and the bus are open. */
    bool (*open)(struct seat *seat, void **ret_state, struct err *err);

    /* Handles messages. The service marks each as done with consumer_done when its work is acknowledged, now or later.
     * On false with a retryable error the runtime pauses the inbox, waits (50 ms … 5 s), and gives the same batch again. */
    bool (*on_batch)(void *state, struct arena *arena, const struct batch *batch, struct err *err);

    /* A partition came or goes: drop what is held of it (reliability.md, R2). May be NULL. */
    void (*on_assign)(void *state, enum topic topic, int32_t partition, uint32_t epoch);
    void (*on_revoke)(void *state, enum topic topic, int32_t partition, bool lost);

    /* Called after each turn of the loop, at *next_ms of its last call at the latest (wall clock, ms; the runtime's
     * default is a second). Sets *next_ms to when it wants to be called again. May be NULL. */
    bool (*on_tick)(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err);

    /* Stop taking work from outside (close listeners); the loop still turns. May be NULL. */
    void (*stop)(void *state);
    void (*close)(void *state);
};

#pragma once
/* Queues between threads: the one place with mutexes. */

#include "common/macros.h"

/* A bounded queue of pointers; any number of producers and consumers. */
struct queue;

struct queue *queue_new(size_t limit);
void queue_free(struct queue *queue); /* must be empty */
MUST_USE bool queue_push(struct queue *queue, void *item); /* false if full or closed; never blocks */

/* Waits up to timeout_ms (negative: without end) for items and takes up to `max`; returns how many: 0 at the
 * timeout, or once the queue is closed and empty. */
size_t queue_pop(struct queue *queue, void **ret_items, size_t max, int64_t timeout_ms);
void queue_close(struct queue *queue); /* wakes all that wait; what is in can still be taken */
bool queue_is_closed(struct queue *queue);
size_t queue_size(struct queue *queue);

/* A lock for short, bounded sections over data that threads share (caches, registries). */
struct lock;

struct lock *lock_new(void);
void lock_free(struct lock *lock);
void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);

/* A condition inside a lock: wait releases the lock, waits up to timeout_ms (negative: without end), takes it again;
 * false at the timeout. */
struct condition_variable;
struct condition_variable *condition_variable_new(void);
void condition_variable_free(struct condition_variable *variable);
bool condition_variable_wait(struct condition_variable *variable, struct lock *lock, int64_t timeout_ms);
void condition_variable_signal_all(struct condition_variable *variable);

/* Something to wait for, once: one thread sets it, one waits. Lives in the waiter's frame. */
struct latch {
    uint32_t state;
};

void latch_init(struct latch *latch);
void latch_set(struct latch *latch);
bool latch_wait(struct latch *latch, int64_t timeout_ms); /* false at the timeout; negative: without end */

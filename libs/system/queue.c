#include "system/queue.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/assert.h"

enum {
    QUEUE_CAPACITY_MIN = 64,
    MS_PER_S = 1000,
    NS_PER_MS = 1000 * 1000,
    NS_PER_S = 1000 * 1000 * 1000
};

/* The ring starts small and doubles up to the limit, so that a generous limit costs nothing. */
struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    void **items;
    size_t capacity;
    size_t limit;
    size_t first;
    size_t count;
    size_t waiting;
    bool closed;
};

struct lock {
    pthread_mutex_t mutex;
};

struct condition_variable {
    pthread_cond_t condition;
};

/* ---- time ---- */

/* Waiting is measured on the monotonic clock: setting the wall clock must not stretch a timeout. */
static struct timespec deadline_after(int64_t timeout_ms) {
    struct timespec deadline;

    assert(timeout_ms >= 0);
    int result = clock_gettime(CLOCK_MONOTONIC, &deadline);
    assert(result == 0);
    timeout_ms = MIN(timeout_ms, (int64_t)INT_MAX * MS_PER_S);
    deadline.tv_sec += (time_t)(timeout_ms / MS_PER_S);
    deadline.tv_nsec += (long)(timeout_ms % MS_PER_S) * NS_PER_MS;
    if (deadline.tv_nsec >= NS_PER_S) {
        deadline.tv_nsec -= NS_PER_S;
        deadline.tv_sec++;
    }
    return deadline;
}

static void condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    int result = pthread_condattr_init(&attributes);

    assert(result == 0);
    result = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    assert(result == 0);
    result = pthread_cond_init(condition, &attributes);
    assert(result == 0);
    pthread_condattr_destroy(&attributes);
}

static void mutex_lock(pthread_mutex_t *mutex) {
    int result = pthread_mutex_lock(mutex);

    assert(result == 0);
}

static void mutex_unlock(pthread_mutex_t *mutex) {
    int result = pthread_mutex_unlock(mutex);

    assert(result == 0);
}

/* False at the deadline; NULL means none. */
static bool condition_wait(
        pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
    int result = deadline ? pthread_cond_timedwait(condition, mutex, deadline)
                          : pthread_cond_wait(condition, mutex);

    assert(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

/* ---- queue ---- */

struct queue *queue_new(size_t limit) {
    struct queue *queue = calloc(1, sizeof(*queue));

    assert(queue);
    assert(limit > 0);
    int result = pthread_mutex_init(&queue->mutex, NULL);
    assert(result == 0);
    condition_init(&queue->filled);
    queue->limit = limit;
    return queue;
}

void queue_free(struct queue *queue) {
    if (!queue) return;
    assert(queue->count == 0);
    assert(queue->waiting == 0);
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->mutex);
    free(queue->items);
    free(queue);
}

static void grow(struct queue *queue) {
    size_t capacity = MIN(MAX(queue->capacity * 2, (size_t)QUEUE_CAPACITY_MIN), queue->limit);
    void **items = calloc(capacity, sizeof(*items));

    assert(items);
    assert(capacity > queue->count);
    for (size_t i = 0; i < queue->count; i++) {
        items[i] = queue->items[(queue->first + i) % queue->capacity];
    }
    free(queue->items);
    queue->items = items;
    queue->capacity = capacity;
    queue->first = 0;
}

bool queue_push(struct queue *queue, void *item) {
    assert(item);
    mutex_lock(&queue->mutex);
    bool taken = !queue->closed && queue->count < queue->limit;
    if (taken) {
        if (queue->count == queue->capacity) grow(queue);
        queue->items[(queue->first + queue->count) % queue->capacity] = item;
        queue->count++;
        /* Inside the mutex: the queue may be freed by a consumer as soon as the item can be seen. */
        if (queue->waiting) pthread_cond_signal(&queue->filled);
    }
    mutex_unlock(&queue->mutex);
    return taken;
}

static size_t take(struct queue *queue, void **ret_items, size_t max) {
    size_t count = MIN(max, queue->count);

    for (size_t i = 0; i < count; i++) {
        ret_items[i] = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
    }
    queue->count -= count;
    return count;
}

size_t queue_pop(struct queue *queue, void **ret_items, size_t max, int64_t timeout_ms) {
    struct timespec deadline = { 0 };
    bool in_time = timeout_ms != 0;

    assert(max > 0);
    if (timeout_ms > 0) deadline = deadline_after(timeout_ms);
    mutex_lock(&queue->mutex);
    while (queue->count == 0 && !queue->closed && in_time) {
        queue->waiting++;
        in_time = condition_wait(&queue->filled, &queue->mutex, timeout_ms > 0 ? &deadline : NULL);
        queue->waiting--;
    }
    size_t count = take(queue, ret_items, max);
    mutex_unlock(&queue->mutex);
    return count;
}

void queue_close(struct queue *queue) {
    mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    mutex_unlock(&queue->mutex);
}

bool queue_is_closed(struct queue *queue) {
    mutex_lock(&queue->mutex);
    bool closed = queue->closed;
    mutex_unlock(&queue->mutex);
    return closed;
}

size_t queue_size(struct queue *queue) {
    mutex_lock(&queue->mutex);
    size_t count = queue->count;
    mutex_unlock(&queue->mutex);
    return count;
}

/* ---- lock, condition ---- */

struct lock *lock_new(void) {
    struct lock *lock = calloc(1, sizeof(*lock));

    assert(lock);
    int result = pthread_mutex_init(&lock->mutex, NULL);
    assert(result == 0);
    return lock;
}

void lock_free(struct lock *lock) {
    if (!lock) return;
    int result = pthread_mutex_destroy(&lock->mutex);
    assert(result == 0);
    free(lock);
}

void lock_acquire(struct lock *lock) {
    mutex_lock(&lock->mutex);
}

void lock_release(struct lock *lock) {
    mutex_unlock(&lock->mutex);
}

struct condition_variable *condition_variable_new(void) {
    struct condition_variable *variable = calloc(1, sizeof(*variable));

    assert(variable);
    condition_init(&variable->condition);
    return variable;
}

void condition_variable_free(struct condition_variable *variable) {
    if (!variable) return;
    pthread_cond_destroy(&variable->condition);
    free(variable);
}

bool condition_variable_wait(
        struct condition_variable *variable, struct lock *lock, int64_t timeout_ms) {
    struct timespec deadline = { 0 };

    if (timeout_ms >= 0) deadline = deadline_after(timeout_ms);
    return condition_wait(&variable->condition, &lock->mutex, timeout_ms >= 0 ? &deadline : NULL);
}

void condition_variable_signal_all(struct condition_variable *variable) {
    pthread_cond_broadcast(&variable->condition);
}

/* ---- latch ----
 *
 * A futex, so that it needs no destruction: the waiter may return, and its frame be gone, between the
 * setter's exchange and its wake-up call. Such a late wake-up touches no memory; at worst another waiter
 * at the same address wakes once too often and looks again. */

enum latch_state { LATCH_OPEN, LATCH_AWAITED, LATCH_SET };

void latch_init(struct latch *latch) {
    __atomic_store_n(&latch->state, LATCH_OPEN, __ATOMIC_RELAXED);
}

void latch_set(struct latch *latch) {
    uint32_t before = __atomic_exchange_n(&latch->state, LATCH_SET, __ATOMIC_ACQ_REL);

    if (before == LATCH_AWAITED) {
        syscall(SYS_futex, &latch->state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    }
}

bool latch_wait(struct latch *latch, int64_t timeout_ms) {
    struct timespec deadline = { 0 };
    uint32_t open = LATCH_OPEN;

    if (__atomic_load_n(&latch->state, __ATOMIC_ACQUIRE) == LATCH_SET) return true;
    if (timeout_ms >= 0) deadline = deadline_after(timeout_ms);
    __atomic_compare_exchange_n(
            &latch->state, &open, LATCH_AWAITED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    while (__atomic_load_n(&latch->state, __ATOMIC_ACQUIRE) != LATCH_SET) {
        long result = syscall(SYS_futex, &latch->state, FUTEX_WAIT_BITSET_PRIVATE, LATCH_AWAITED,
                timeout_ms >= 0 ? &deadline : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
        if (result < 0 && errno == ETIMEDOUT) {
            return __atomic_load_n(&latch->state, __ATOMIC_ACQUIRE) == LATCH_SET;
        }
    }
    return true;
}

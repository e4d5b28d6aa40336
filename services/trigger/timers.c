#include "services/trigger/timers.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

enum { TIMERS_MAX = 200 * 1000, BUCKETS = 64 * 1024, FIRED_MAX = 100 * 1000 };

struct node {
    struct timer timer;
    struct node *next; /* in its bucket */
    size_t slot;       /* in the heap */
};

/* Fired ones stand in a ring, in the order they were fired. */
struct timers {
    struct node **heap;
    size_t count, capacity;
    struct node *buckets[BUCKETS];
    struct node *fired[FIRED_MAX];
    size_t fired_first, fired_count;
};

struct timers *timers_new(void) {
    struct timers *timers = calloc(1, sizeof(*timers));

    assert(timers);
    return timers;
}

static struct node **bucket_of(struct timers *timers, struct str instance, int64_t at_ms) {
    return &timers->buckets[(str_hash(instance) ^ (uint64_t)at_ms) % BUCKETS];
}

static void free_node(struct timers *timers, struct node *node) {
    struct node **at = bucket_of(timers, node->timer.instance, node->timer.at_ms);

    while (*at != node) at = &(*at)->next;
    *at = node->next;
    free((void *)(uintptr_t)node->timer.instance.data);
    free(node);
}

void timers_free(struct timers *timers) {
    if (!timers) return;
    for (size_t i = 0; i < timers->count; i++) free_node(timers, timers->heap[i]);
    for (size_t i = 0; i < timers->fired_count; i++) free_node(timers, timers->fired[(timers->fired_first + i) % FIRED_MAX]);
    free(timers->heap);
    free(timers);
}

static void place(struct timers *timers, size_t slot, struct node *node) {
    timers->heap[slot] = node;
    node->slot = slot;
}

static void sift_up(struct timers *timers, struct node *node) {
    size_t slot = node->slot;

    while (slot > 0 && timers->heap[(slot - 1) / 2]->timer.at_ms > node->timer.at_ms) {
        place(timers, slot, timers->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    place(timers, slot, node);
}

static void sift_down(struct timers *timers, struct node *node) {
    size_t slot = node->slot;

    for (;;) {
        size_t child = slot * 2 + 1;
        if (child >= timers->count) break;
        bool right = child + 1 < timers->count && timers->heap[child + 1]->timer.at_ms < timers->heap[child]->timer.at_ms;
        if (right) child++;
        if (timers->heap[child]->timer.at_ms >= node->timer.at_ms) break;
        place(timers, slot, timers->heap[child]);
        slot = child;
    }
    place(timers, slot, node);
}

static struct node *take_top(struct timers *timers) {
    struct node *top = timers->heap[0], *last = timers->heap[--timers->count];

    if (timers->count > 0) {
        place(timers, 0, last);
        sift_down(timers, last);
    }
    return top;
}

static bool is_known(struct timers *timers, struct str instance, int64_t frame, int64_t at_ms, bool again) {
    for (struct node *node = *bucket_of(timers, instance, at_ms); node; node = node->next) {
        const struct timer *timer = &node->timer;
        if (again && timer->fired_at_ms) continue;
        if (timer->at_ms == at_ms && timer->frame == frame && str_equal(timer->instance, instance)) return true;
    }
    return false;
}

bool timers_add(struct timers *timers, struct str instance, int64_t frame, int64_t at_ms, bool again) {
    if (timers->count == TIMERS_MAX || is_known(timers, instance, frame, at_ms, again)) return false;
    if (timers->count == timers->capacity) {
        timers->capacity = MAX(timers->capacity * 2, (size_t)64);
        timers->heap = realloc(timers->heap, timers->capacity * sizeof(struct node *));
        assert(timers->heap);
    }
    struct node *node = calloc(1, sizeof(*node));
    char *copy = malloc(instance.size + 1);
    assert(node && copy);
    memcpy(copy, instance.data, instance.size);
    node->timer = (struct timer){ at_ms, frame, 0, { copy, instance.size } };
    struct node **bucket = bucket_of(timers, instance, at_ms);
    node->next = *bucket;
    *bucket = node;
    place(timers, timers->count++, node);
    sift_up(timers, node);
    return true;
}

const struct timer *timers_due(struct timers *timers, int64_t now_ms) {
    return timers->count && timers->heap[0]->timer.at_ms <= now_ms ? &timers->heap[0]->timer : NULL;
}

void timers_fired(struct timers *timers, int64_t now_ms) {
    struct node *node = take_top(timers);

    if (timers->fired_count == FIRED_MAX) {
        free_node(timers, timers->fired[timers->fired_first]);
        timers->fired_first = (timers->fired_first + 1) % FIRED_MAX;
        timers->fired_count--;
    }
    node->timer.fired_at_ms = now_ms;
    timers->fired[(timers->fired_first + timers->fired_count++) % FIRED_MAX] = node;
}

int64_t timers_next_ms(const struct timers *timers) {
    return timers->count ? timers->heap[0]->timer.at_ms : INT64_MAX;
}

void timers_forget_fired(struct timers *timers, int64_t before_ms) {
    while (timers->fired_count && timers->fired[timers->fired_first]->timer.fired_at_ms < before_ms) {
        free_node(timers, timers->fired[timers->fired_first]);
        timers->fired_first = (timers->fired_first + 1) % FIRED_MAX;
        timers->fired_count--;
    }
}

size_t timers_count(const struct timers *timers) {
    return timers->count;
}

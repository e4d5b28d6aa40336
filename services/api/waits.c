#include "services/api/waits.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "system/queue.h"

/* A table by instance, and a wheel by time: a slot for every SLOT_MS of the next WHEEL_MS, so that coming and going cost the same however
 * many wait. What is due later than the wheel reaches (after a standstill) is handed out early, which only costs a look. */
enum {
    BUCKETS = 4096,
    SLOTS = 1024,
    SLOT_MS = 100,
    WHEEL_MS = SLOTS * SLOT_MS,
};

struct waits {
    struct lock *lock;
    struct list buckets[BUCKETS];
    struct list slots[SLOTS];
    int64_t slot_ms; /* beginning of the slot that is looked at next */
    size_t count, stream_count;
};

static int64_t round_down(int64_t time_ms) {
    return time_ms - time_ms % SLOT_MS;
}

struct waits *waits_new(int64_t now_ms) {
    struct waits *waits = calloc(1, sizeof(*waits));

    assert(waits);
    waits->lock = lock_new();
    for (size_t i = 0; i < BUCKETS; i++) list_init(&waits->buckets[i]);
    for (size_t i = 0; i < SLOTS; i++) list_init(&waits->slots[i]);
    waits->slot_ms = round_down(now_ms);
    return waits;
}

void waits_free(struct waits *waits) {
    if (!waits) return;
    assert(waits->count == 0 && waits->stream_count == 0);
    lock_free(waits->lock);
    free(waits);
}

static struct list *bucket_of(struct waits *waits, struct str id) {
    return &waits->buckets[str_hash(id) % BUCKETS];
}

static struct str id_of(const struct call *call) {
    return (struct str){ call->wait.id, UUID_TEXT_SIZE - 1 };
}

static void set_slot(struct waits *waits, struct call *call) {
    int64_t furthest = waits->slot_ms + WHEEL_MS - SLOT_MS;
    int64_t at = MIN(MAX(call->wait.due_ms, waits->slot_ms), furthest);

    list_append(&waits->slots[at / SLOT_MS % SLOTS], &call->wait.slot);
}

/* ---- under the lock ---- */

static void put_in(struct waits *waits, struct call *call) {
    list_append(bucket_of(waits, id_of(call)), &call->wait.bucket);
    if (!call->wait.is_busy) set_slot(waits, call);
    if (call->wait.kind == WAIT_STREAM) waits->stream_count++;
    else waits->count++;
}

static void take_out(struct waits *waits, struct call *call) {
    list_remove(&call->wait.bucket);
    list_remove(&call->wait.slot);
    if (call->wait.kind == WAIT_STREAM) waits->stream_count--;
    else waits->count--;
}

/* True if the caller has it now. */
static bool hand_out(struct waits *waits, struct call *call) {
    struct wait *wait = &call->wait;

    if (wait->kind != WAIT_STREAM) {
        take_out(waits, call);
        return true;
    }
    if (wait->is_busy) {
        wait->is_touched = true;
        return false;
    }
    wait->is_busy = true;
    list_remove(&wait->slot);
    return true;
}

static struct call *of_bucket(struct list *item) {
    return list_entry(item, struct call, wait.bucket);
}

/* ---- calls ---- */

bool waits_add(struct waits *waits, struct call *call) {
    bool is_stream = call->wait.kind == WAIT_STREAM;

    lock_acquire(waits->lock);
    bool fits = is_stream ? waits->stream_count < WAITS_STREAMS_MAX : waits->count < WAITS_MAX;
    if (fits) put_in(waits, call);
    lock_release(waits->lock);
    return fits;
}

struct call *waits_take(struct waits *waits, struct str id, uint64_t serial) {
    struct call *found = NULL;

    lock_acquire(waits->lock);
    list_foreach(item, bucket_of(waits, id)) {
        if (of_bucket(item)->wait.serial == serial) found = of_bucket(item);
    }
    if (found) take_out(waits, found);
    lock_release(waits->lock);
    return found;
}

size_t waits_take_of(struct waits *waits, struct str id, unsigned kinds, struct call **ret, size_t max) {
    size_t count = 0;

    lock_acquire(waits->lock);
    list_foreach(item, bucket_of(waits, id)) {
        struct call *call = of_bucket(item);
        if (count == max) break;
        if (!(kinds & 1u << call->wait.kind) || !str_equal(id_of(call), id)) continue;
        if (hand_out(waits, call)) ret[count++] = call;
    }
    lock_release(waits->lock);
    return count;
}

bool waits_has(struct waits *waits, struct str id) {
    bool found = false;

    lock_acquire(waits->lock);
    list_foreach(item, bucket_of(waits, id)) {
        found |= str_equal(id_of(of_bucket(item)), id);
    }
    lock_release(waits->lock);
    return found;
}

size_t waits_take_due(struct waits *waits, int64_t now_ms, struct call **ret, size_t max) {
    size_t count = 0;

    lock_acquire(waits->lock);
    /* Once around the wheel is enough. */
    if (now_ms - waits->slot_ms > WHEEL_MS) waits->slot_ms = round_down(now_ms - WHEEL_MS);
    while (waits->slot_ms + SLOT_MS <= now_ms && count < max) {
        struct list *slot = &waits->slots[waits->slot_ms / SLOT_MS % SLOTS];
        list_foreach(item, slot) {
            struct call *call = list_entry(item, struct call, wait.slot);
            if (count == max) break;
            if (hand_out(waits, call)) ret[count++] = call;
        }
        if (!list_is_empty(slot)) break; /* more than `max`: the same slot again */
        waits->slot_ms += SLOT_MS;
    }
    lock_release(waits->lock);
    return count;
}

bool waits_rest(struct waits *waits, struct call *call, int64_t due_ms) {
    struct wait *wait = &call->wait;

    lock_acquire(waits->lock);
    assert(wait->kind == WAIT_STREAM && wait->is_busy);
    bool goes_on = wait->is_touched;
    wait->is_touched = false;
    if (!goes_on) {
        wait->is_busy = false;
        wait->due_ms = due_ms;
        set_slot(waits, call);
    }
    lock_release(waits->lock);
    return goes_on;
}

void waits_remove(struct waits *waits, struct call *call) {
    lock_acquire(waits->lock);
    take_out(waits, call);
    lock_release(waits->lock);
}

size_t waits_take_any(struct waits *waits, struct call **ret, size_t max) {
    size_t count = 0;

    lock_acquire(waits->lock);
    for (size_t i = 0; i < BUCKETS && count < max; i++) {
        list_foreach(item, &waits->buckets[i]) {
            struct call *call = of_bucket(item);
            if (count == max) break;
            if (call->wait.kind == WAIT_STREAM && call->wait.is_busy) continue;
            take_out(waits, call);
            ret[count++] = call;
        }
    }
    lock_release(waits->lock);
    return count;
}

size_t waits_count(struct waits *waits) {
    lock_acquire(waits->lock);
    size_t count = waits->count + waits->stream_count;
    lock_release(waits->lock);
    return count;
}

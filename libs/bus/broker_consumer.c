#include <stdlib.h>
#include <string.h>

#include "bus/broker_internal.h"
#include "common/arena.h"
#include "common/assert.h"

static struct broker_consumer *cast(struct consumer *consumer) {
    return (struct broker_consumer *)consumer;
}

/* ---- polling ---- */

/* A message that was chosen under the lock and is read without it, if it lies in the spool. */
struct pick {
    struct held *held;
    enum topic topic;
    int64_t offset;
    slot value;  /* in the spool */
    char *bytes; /* in the arena */
    size_t size;
};

struct picks {
    struct pick *items;
    size_t count, max;
    size_t size;
};

static struct held *held_at(struct broker_consumer *consumer, size_t index, enum topic *ret_topic,
        int32_t *ret_partition) {
    size_t count = (size_t)consumer->broker->options.partitions;

    *ret_topic = consumer->order[index / count];
    *ret_partition = (int32_t)(index % count);
    return &consumer->topics[*ret_topic][*ret_partition];
}

static bool is_readable(const struct held *held) {
    return held->mine && !held->paused && !offsets_is_full(&held->offsets);
}

/* How many messages may be there, for the size of the row. */
static size_t count_ready(struct broker_consumer *consumer, size_t max) {
    size_t total = consumer->topic_count * (size_t)consumer->broker->options.partitions;
    size_t ready = 0;

    for (size_t i = 0; i < total && ready < max; i++) {
        enum topic topic;
        int32_t number;
        const struct held *held = held_at(consumer, i, &topic, &number);
        const struct partition *partition = broker_partition(consumer->broker, topic, number);
        if (!is_readable(held)) continue;
        int64_t from = MAX(held->offsets.position, partition->first);
        if (from < partition->next) ready += (size_t)(partition->next - from);
    }
    return MIN(ready, max);
}

/* Fills in the bytes, or pins them in the spool. */
static void pick_bytes(struct broker_consumer *consumer, struct pick *pick,
        struct partition *partition, struct arena *arena) {
    struct broker *broker = consumer->broker;
    slot value = broker_slot_at(partition, pick->offset);
    const struct stored *stored = broker_slot_memory(value);

    pick->size = stored ? stored->size : broker_slot_size(value);
    pick->bytes = arena_alloc(arena, pick->size);
    if (!stored) {
        pick->value = value;
        spool_pin(broker->spool, broker_slot_position(value));
        return;
    }
    memcpy(pick->bytes, stored->bytes, stored->size);
    /* Given once, it is seldom wanted again: a new owner reads it back. */
    if (consumer->group && stored->position) broker_forget_memory(broker, partition, pick->offset);
}

static void pick_from(struct broker_consumer *consumer, enum topic topic, int32_t number,
        struct arena *arena, struct picks *picks) {
    struct held *held = &consumer->topics[topic][number];
    struct partition *partition = broker_partition(consumer->broker, topic, number);

    offsets_skip(&held->offsets, partition->first);
    for (int64_t offset = held->offsets.position; offset < partition->next; offset++) {
        if (picks->count == picks->max || offsets_is_full(&held->offsets)) break;
        slot value = broker_slot_at(partition, offset);
        if (picks->count && picks->size + broker_slot_size(value) > BUS_BATCH_SIZE_MAX) break;
        /* One that is not there was done with before the restart. */
        bool fresh = offsets_give(&held->offsets, offset);
        if (value && fresh) {
            struct pick *pick = &picks->items[picks->count++];
            *pick = (struct pick){ .held = held, .topic = topic, .offset = offset };
            pick_bytes(consumer, pick, partition, arena);
            picks->size += pick->size;
        } else if (fresh) {
            offsets_done(&held->offsets, offset, held->offsets.epoch);
        }
    }
    if (consumer->group) return;
    held->offsets.lowest = held->offsets.position;
    broker_trim(consumer->broker, topic, number);
}

/* Goes round the partitions, each time from the next one, so that none starves the others. */
static void collect(
        struct broker_consumer *consumer, size_t max, struct arena *arena, struct picks *ret) {
    size_t total = consumer->topic_count * (size_t)consumer->broker->options.partitions;
    size_t ready = count_ready(consumer, max);

    *ret = (struct picks){ .max = ready };
    if (ready == 0) return;
    ret->items = arena_new_many(arena, struct pick, ready);
    size_t start = consumer->rotor++;
    for (size_t i = 0; i < total && ret->count < ready; i++) {
        enum topic topic;
        int32_t number;
        const struct held *held = held_at(consumer, (start + i) % total, &topic, &number);
        if (is_readable(held)) pick_from(consumer, topic, number, arena, ret);
    }
}

/* Waits for a change, at most until the deadline; false once it is over. */
static bool wait_for_more(struct broker_consumer *consumer, int64_t deadline_ms) {
    struct broker *broker = consumer->broker;
    int64_t now_ms = clock_monotonic_ms(&broker->clock);
    int64_t timeout_ms = deadline_ms - now_ms;

    if (timeout_ms <= 0) return false;
    if (broker->spool && broker->changed) {
        int64_t due_ms = broker->changed_ms + BROKER_FLUSH_MS - now_ms;
        if (due_ms <= 0) {
            broker_flush(broker);
            if (!broker->changed) return true;
            due_ms = BROKER_FLUSH_MS;
        }
        timeout_ms = MIN(timeout_ms, due_ms);
    }
    consumer->waiting = true;
    (void)condition_variable_wait(consumer->condition, broker->lock, timeout_ms);
    consumer->waiting = false;
    return true;
}

static bool read_spooled(struct broker *broker, struct picks *picks, struct err *err) {
    bool ok = true, any = false;

    for (size_t i = 0; i < picks->count; i++) {
        struct pick *pick = &picks->items[i];
        if (!pick->value) continue;
        any = true;
        if (!ok) continue;
        ok = spool_read(broker->spool, broker_slot_position(pick->value), pick->size, pick->bytes,
                &pick->size, err);
    }
    if (!any) return true;
    lock_acquire(broker->lock);
    for (size_t i = 0; i < picks->count; i++) {
        const struct pick *pick = &picks->items[i];
        if (pick->value) spool_unpin(broker->spool, broker_slot_position(pick->value));
        if (!ok) pick->held->offsets.position = MIN(pick->held->offsets.position, pick->offset);
    }
    lock_release(broker->lock);
    return ok;
}

static bool decode(struct broker *broker, const struct picks *picks, struct arena *arena,
        struct batch *ret, struct err *err) {
    struct message *messages =
            picks->count ? arena_new_many(arena, struct message, picks->count) : NULL;

    for (size_t i = 0; i < picks->count; i++) {
        const struct pick *pick = &picks->items[i];
        struct spool_record record;
        size_t size;
        if (!spool_record_decode((struct str){ pick->bytes, pick->size }, arena, &record, &size)
                || record.offset != pick->offset) {
            return err_set(err, ERR_INTERNAL, "bus: a message read back is damaged");
        }
        messages[i] = (struct message){
            .topic = pick->topic,
            .partition = record.partition,
            .offset = record.offset,
            .incarnation = broker->topics[pick->topic].incarnation,
            .epoch = pick->held->offsets.epoch,
            .time_ms = record.time_ms,
            .key = record.key,
            .value = record.value,
            .headers = record.headers,
            .header_count = record.header_count,
        };
    }
    *ret = (struct batch){ messages, picks->count };
    return true;
}

static bool poll_broker(struct consumer *base, int64_t timeout_ms, size_t max, struct arena *arena,
        struct batch *ret, struct err *err) {
    struct broker_consumer *consumer = cast(base);
    struct broker *broker = consumer->broker;
    int64_t deadline_ms = timeout_ms > 0 ? clock_monotonic_ms(&broker->clock) + timeout_ms : 0;
    struct picks picks;

    lock_acquire(broker->lock);
    for (;;) {
        broker_settle(consumer);
        collect(consumer, max, arena, &picks);
        if (picks.count || consumer->woken) break;
        if (timeout_ms <= 0 || !wait_for_more(consumer, deadline_ms)) break;
    }
    consumer->woken = false;
    lock_release(broker->lock);
    return read_spooled(broker, &picks, err) && decode(broker, &picks, arena, ret, err);
}

/* ---- the rest ---- */

static struct held *find_held(
        struct broker_consumer *consumer, enum topic topic, int32_t partition) {
    assert(topic < TOPIC_COUNT && consumer->topics[topic]);
    assert(partition >= 0 && partition < consumer->broker->options.partitions);
    return &consumer->topics[topic][partition];
}

static void done(struct consumer *base, enum topic topic, int32_t partition, int64_t offset,
        uint32_t epoch) {
    struct broker_consumer *consumer = cast(base);
    struct held *held = find_held(consumer, topic, partition);

    if (consumer->group && held->mine) offsets_done(&held->offsets, offset, epoch);
}

static bool commit(struct consumer *base, struct err *err) {
    struct broker_consumer *consumer = cast(base);

    (void)err;
    lock_acquire(consumer->broker->lock);
    broker_commit_held(consumer);
    lock_release(consumer->broker->lock);
    return true;
}

static void pause_partition(
        struct consumer *base, enum topic topic, int32_t partition, bool paused) {
    struct broker_consumer *consumer = cast(base);
    struct held *held = find_held(consumer, topic, partition);

    lock_acquire(consumer->broker->lock);
    if (held->mine) held->paused = paused;
    lock_release(consumer->broker->lock);
}

static void wake(struct consumer *base) {
    struct broker_consumer *consumer = cast(base);

    lock_acquire(consumer->broker->lock);
    consumer->woken = true;
    if (consumer->waiting) {
        consumer->waiting = false;
        condition_variable_signal_all(consumer->condition);
    }
    lock_release(consumer->broker->lock);
}

static int64_t lag(struct consumer *base) {
    struct broker_consumer *consumer = cast(base);
    size_t total = consumer->topic_count * (size_t)consumer->broker->options.partitions;
    int64_t sum = 0;

    lock_acquire(consumer->broker->lock);
    for (size_t i = 0; i < total; i++) {
        enum topic topic;
        int32_t number;
        const struct held *held = held_at(consumer, i, &topic, &number);
        if (held->mine)
            sum += offsets_undone(
                    &held->offsets, broker_partition(consumer->broker, topic, number)->next);
    }
    lock_release(consumer->broker->lock);
    return sum;
}

/* ---- opening and closing ---- */

static void free_consumer(struct broker_consumer *consumer) {
    for (size_t t = 0; t < consumer->topic_count; t++) {
        struct held *row = consumer->topics[consumer->order[t]];
        for (int32_t i = 0; i < consumer->broker->options.partitions; i++)
            offsets_clear(&row[i].offsets);
        free(row);
    }
    condition_variable_free(consumer->condition);
    free(consumer);
}

static void leave_tails(struct broker_consumer *consumer) {
    list_remove(&consumer->item);
    for (size_t t = 0; t < consumer->topic_count; t++) {
        consumer->broker->topics[consumer->order[t]].tail_count--;
        for (int32_t i = 0; i < consumer->broker->options.partitions; i++) {
            broker_trim(consumer->broker, consumer->order[t], i);
        }
    }
}

static void close_consumer(struct consumer *base) {
    struct broker_consumer *consumer = cast(base);
    struct lock *lock = consumer->broker->lock;

    lock_acquire(lock);
    if (consumer->group) {
        broker_settle(consumer);
        broker_leave(consumer);
    } else {
        leave_tails(consumer);
    }
    lock_release(lock);
    free_consumer(consumer);
}

static const struct consumer_backend broker_consumer_backend = {
    .close = close_consumer,
    .poll = poll_broker,
    .done = done,
    .commit = commit,
    .pause = pause_partition,
    .wake = wake,
    .lag = lag,
};

static void subscribe(struct broker_consumer *consumer, const enum topic *topics) {
    int32_t count = consumer->broker->options.partitions;

    for (; *topics != TOPIC_NONE; topics++) {
        if (consumer->topics[*topics]) continue;
        struct held *row = calloc((size_t)count, sizeof(*row));
        assert(row);
        consumer->topics[*topics] = row;
        consumer->order[consumer->topic_count++] = *topics;
    }
}

static void join_tails(struct broker_consumer *consumer) {
    struct broker *broker = consumer->broker;

    for (size_t t = 0; t < consumer->topic_count; t++) {
        enum topic topic = consumer->order[t];
        broker->topics[topic].tail_count++;
        for (int32_t i = 0; i < broker->options.partitions; i++) {
            struct held *held = &consumer->topics[topic][i];
            offsets_init(&held->offsets, broker_partition(broker, topic, i)->next, 1);
            held->mine = true;
        }
    }
    list_append(&broker->tails, &consumer->item);
}

static bool join_group(struct broker_consumer *consumer, const char *name, struct err *err) {
    struct broker *broker = consumer->broker;
    struct group *group = broker_group(broker, str_from(name));

    if (!group) return err_set(err, ERR_FULL, "bus: more than %d groups", BROKER_GROUPS_MAX);
    group->opened = true;
    consumer->group = group;
    for (size_t t = 0; t < consumer->topic_count; t++)
        broker_group_subscribe(broker, group, consumer->order[t]);
    list_append(&group->members, &consumer->item);
    broker_group_balance(broker, group);
    return true;
}

bool broker_consumer_open(struct bus *bus, const char *group, const enum topic *topics,
        const struct consumer_callbacks *callbacks, struct consumer **ret, struct err *err) {
    struct broker *broker = (struct broker *)bus;
    struct broker_consumer *consumer = calloc(1, sizeof(*consumer));
    bool ok = true;

    assert(consumer);
    consumer->base.backend = &broker_consumer_backend;
    consumer->broker = broker;
    consumer->condition = condition_variable_new();
    if (callbacks) consumer->callbacks = *callbacks;
    subscribe(consumer, topics);
    lock_acquire(broker->lock);
    if (group) {
        ok = join_group(consumer, group, err);
    } else {
        join_tails(consumer);
    }
    lock_release(broker->lock);
    if (!ok) {
        free_consumer(consumer);
        return false;
    }
    *ret = &consumer->base;
    return true;
}

/* ---- for tests ---- */

/* Takes the consumer's partitions away without asking it. */
static void expire(struct broker_consumer *consumer) {
    struct group *group = consumer->group;

    list_remove(&consumer->item);
    consumer->expired = true;
    for (size_t t = 0; t < consumer->topic_count; t++) {
        for (int32_t i = 0; i < consumer->broker->options.partitions; i++) {
            struct share *share = &group->topics[consumer->order[t]][i];
            if (share->owner == consumer) share->owner = NULL;
        }
    }
    broker_group_balance(consumer->broker, group);
}

void consumer_expire(struct consumer *base) {
    struct broker_consumer *consumer = cast(base);

    assert(base->backend == &broker_consumer_backend && consumer->group);
    lock_acquire(consumer->broker->lock);
    if (!consumer->expired) expire(consumer);
    lock_release(consumer->broker->lock);
}

void consumer_abandon(struct consumer *base) {
    struct broker_consumer *consumer = cast(base);

    assert(base->backend == &broker_consumer_backend);
    lock_acquire(consumer->broker->lock);
    if (!consumer->group) {
        leave_tails(consumer);
    } else if (!consumer->expired) {
        expire(consumer);
    }
    lock_release(consumer->broker->lock);
    free_consumer(consumer);
}

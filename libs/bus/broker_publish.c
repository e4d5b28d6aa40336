#include <stdlib.h>
#include <string.h>

#include "bus/broker_internal.h"
#include "bus/partition.h"
#include "common/assert.h"

enum { COMMITS_SIZE_MAX = 1024 * 1024 /* of offsets that ride along in one block */ };

/* One call of broker_publish that waits; lives in its frame. */
struct request {
    struct list item;
    const struct outgoing *messages;
    size_t count;
    size_t size;   /* of its durable messages, encoded */
    bool promoted; /* woken to lead, not because it is done */
    bool ok;
    struct err err; /* where not ok */
    struct latch latch;
};

/* One message in the leader's block. */
struct entry {
    enum topic topic;
    int32_t partition;
    int64_t offset;
    int64_t time_ms;
    size_t at, size;       /* in the block */
    struct stored *stored; /* NULL: not kept in memory */
};

static int32_t choose_partition(struct broker *broker, const struct outgoing *message) {
    int32_t count = broker->options.partitions;

    if (message->key.size) return partition_of(message->key, count);
    return (int32_t)(broker->topics[message->topic].rotor++ % (uint32_t)count);
}

static struct spool_record record_of(
        const struct outgoing *message, int32_t partition, int64_t offset, int64_t time_ms) {
    return (struct spool_record){
        .kind = SPOOL_MESSAGE,
        .topic = (uint8_t)message->topic,
        .partition = partition,
        .offset = offset,
        .time_ms = time_ms,
        .key = message->key,
        .value = message->value,
        .headers = message->headers,
        .header_count = message->header_count,
    };
}

void broker_wake_readers(struct broker *broker, enum topic topic, int32_t partition) {
    list_foreach(item, &broker->groups) {
        const struct group *group = list_entry(item, struct group, item);
        struct broker_consumer *owner =
                group->topics[topic] ? group->topics[topic][partition].owner : NULL;
        if (!owner || !owner->waiting || owner->topics[topic][partition].paused) continue;
        owner->waiting = false;
        condition_variable_signal_all(owner->condition);
    }
    list_foreach(item, &broker->tails) {
        struct broker_consumer *tail = list_entry(item, struct broker_consumer, item);
        if (!tail->waiting || !tail->topics[topic] || tail->topics[topic][partition].paused)
            continue;
        tail->waiting = false;
        condition_variable_signal_all(tail->condition);
    }
}

/* ---- without a disk ---- */

static void publish_stored(struct broker *broker, const struct outgoing *message, int64_t time_ms) {
    int32_t number = choose_partition(broker, message);
    const struct partition *partition = broker_partition(broker, message->topic, number);
    struct spool_record record = record_of(message, number, partition->next, time_ms);
    size_t size = spool_record_size(&record);
    struct stored *stored = malloc(sizeof(*stored) + size);

    assert(stored);
    stored->position = 0;
    stored->size = (uint32_t)size;
    spool_record_encode(&record, stored->bytes);
    broker_append(broker, message->topic, number, broker_slot_stored(stored), time_ms);
    broker_wake_readers(broker, message->topic, number);
}

static bool is_spooled(const struct broker *broker, const struct outgoing *message) {
    return broker->spool && broker->topics[message->topic].durable;
}

static void publish_passing(struct broker *broker, const struct outgoing *messages, size_t count) {
    int64_t time_ms = clock_now_ms(&broker->clock);

    for (size_t i = 0; i < count; i++) {
        if (!is_spooled(broker, &messages[i])) publish_stored(broker, &messages[i], time_ms);
    }
}

/* ---- the leader's block ---- */

static void add_commit(
        struct broker *broker, const struct group *group, enum topic topic, int32_t partition) {
    struct share *share = &group->topics[topic][partition];
    struct spool_record record = {
        .kind = SPOOL_COMMIT,
        .topic = (uint8_t)topic,
        .partition = partition,
        .offset = share->lowest,
        .key = str_from(group->name),
        .value = { share->done, share->done_size },
    };

    if (!share->changed || broker->block.size > COMMITS_SIZE_MAX) return;
    spool_block_add(&broker->block, &record);
    share->changed = false;
    share->writing = true;
    broker->changed--;
}

/* Ends the writing of commits; those that failed have to be written again. */
static void finish_commit(struct broker *broker, struct share *share, bool ok) {
    if (!share->writing) return;
    share->writing = false;
    if (ok || share->changed) return;
    share->changed = true;
    broker->changed++;
}

static void add_commits(struct broker *broker) {
    if (broker->changed == 0) return;
    list_foreach(item, &broker->groups) {
        const struct group *group = list_entry(item, struct group, item);
        for (size_t t = 0; t < TOPIC_COUNT; t++) {
            if (!group->topics[t]) continue;
            for (int32_t i = 0; i < broker->options.partitions; i++)
                add_commit(broker, group, (enum topic)t, i);
        }
    }
    broker->changed_ms = clock_monotonic_ms(&broker->clock);
}

static void finish_commits(struct broker *broker, bool ok) {
    list_foreach(item, &broker->groups) {
        const struct group *group = list_entry(item, struct group, item);
        for (size_t t = 0; t < TOPIC_COUNT; t++) {
            if (!group->topics[t]) continue;
            for (int32_t i = 0; i < broker->options.partitions; i++)
                finish_commit(broker, &group->topics[t][i], ok);
        }
    }
}

static void add_message(struct broker *broker, const struct outgoing *message, int64_t time_ms) {
    int32_t number = choose_partition(broker, message);
    struct partition *partition = broker_partition(broker, message->topic, number);
    struct spool_record record = record_of(message, number, partition->writing, time_ms);

    if (broker->entry_count == broker->entry_capacity) {
        broker->entry_capacity = MAX(broker->entry_capacity * 2, (size_t)64);
        broker->entries =
                realloc(broker->entries, broker->entry_capacity * sizeof(*broker->entries));
        assert(broker->entries);
    }
    partition->writing++;
    struct entry *entry = &broker->entries[broker->entry_count++];
    *entry = (struct entry){
        .topic = message->topic, .partition = number, .offset = record.offset, .time_ms = time_ms
    };
    entry->size = spool_record_size(&record);
    entry->at = spool_block_add(&broker->block, &record);
}

/* Puts what is on disk where readers see it: from now on its offsets are taken. */
static void show_entries(struct broker *broker, uint64_t position) {
    for (size_t i = 0; i < broker->entry_count; i++) {
        struct entry *entry = &broker->entries[i];
        slot value = broker_slot_spooled(position + entry->at, entry->size);
        if (entry->stored) {
            entry->stored->position = position + entry->at;
            value = broker_slot_stored(entry->stored);
        }
        assert(broker_partition(broker, entry->topic, entry->partition)->next == entry->offset);
        broker_append(broker, entry->topic, entry->partition, value, entry->time_ms);
        broker_wake_readers(broker, entry->topic, entry->partition);
    }
}

static void forget_entries(struct broker *broker) {
    for (size_t i = 0; i < broker->entry_count; i++) {
        struct partition *partition =
                broker_partition(broker, broker->entries[i].topic, broker->entries[i].partition);
        partition->writing = partition->next;
    }
    broker->entry_count = 0;
    spool_block_begin(&broker->block);
}

static bool write_block(struct broker *broker, struct err *err) {
    uint64_t position;

    if (spool_block_is_empty(&broker->block)) return true;
    if (spool_is_rotation_due(broker->spool, broker->block.size) && !broker_rotate(broker, err))
        return false;
    if (!spool_write(broker->spool, &broker->block, &position, err)) return false;
    lock_acquire(broker->lock);
    uint64_t memory = broker->memory;
    lock_release(broker->lock);
    for (size_t i = 0; i < broker->entry_count; i++) {
        struct entry *entry = &broker->entries[i];
        memory += entry->size;
        if (memory > broker->options.limits.memory_max) break;
        entry->stored = broker_stored_new(broker->block.data + entry->at, entry->size);
    }
    lock_acquire(broker->lock);
    show_entries(broker, position);
    lock_release(broker->lock);
    broker->entry_count = 0;
    spool_block_begin(&broker->block);
    return true;
}

static bool write_batch(struct broker *broker, const struct list *batch, struct err *err) {
    int64_t time_ms = clock_now_ms(&broker->clock);

    list_foreach(item, batch) {
        const struct request *request = list_entry(item, struct request, item);
        for (size_t i = 0; i < request->count; i++) {
            if (!is_spooled(broker, &request->messages[i])) continue;
            if (broker->block.size > SPOOL_BLOCK_SIZE_MAX && !write_block(broker, err))
                return false;
            add_message(broker, &request->messages[i], time_ms);
        }
    }
    return write_block(broker, err);
}

/* ---- leading ---- */

/* What fits one block; or one request alone that does not, which then takes several. */
static void take_batch(struct broker *broker, struct list *batch) {
    size_t size = 0;

    list_init(batch);
    list_foreach(item, &broker->queue) {
        const struct request *request = list_entry(item, struct request, item);
        if (size && size + request->size > SPOOL_BLOCK_SIZE_MAX) break;
        size += request->size;
        list_remove(item);
        list_append(batch, item);
    }
}

/* Writes one batch and hands the lead on. Called and left with the lock; `own` is not woken. */
static void lead(struct broker *broker, const struct request *own) {
    struct list batch;
    struct err err;

    assert(broker->leading);
    take_batch(broker, &batch);
    add_commits(broker);
    lock_release(broker->lock);
    bool ok = write_batch(broker, &batch, &err);
    if (!ok) forget_entries(broker);

    lock_acquire(broker->lock);
    finish_commits(broker, ok);
    list_foreach(item, &batch) {
        struct request *request = list_entry(item, struct request, item);
        request->ok = ok;
        if (ok) {
            publish_passing(broker, request->messages, request->count);
        } else {
            request->err = err;
        }
    }
    struct request *next = NULL;
    if (list_is_empty(&broker->queue)) {
        broker->leading = false;
    } else {
        next = list_entry(broker->queue.next, struct request, item);
        next->promoted = true;
    }
    lock_release(broker->lock);
    if (next) latch_set(&next->latch);
    list_foreach(item, &batch) {
        struct request *request = list_entry(item, struct request, item);
        if (request != own) latch_set(&request->latch);
    }
    lock_acquire(broker->lock);
}

void broker_flush(struct broker *broker) {
    if (!broker->spool || broker->changed == 0 || broker->leading) return;
    broker->leading = true;
    lead(broker, NULL);
}

static bool check_room(const struct broker *broker, size_t count, size_t size, struct err *err) {
    bool memory_full = !broker->spool && broker->memory + size > broker->options.limits.memory_max;

    if (!memory_full && broker->messages + count <= BROKER_MESSAGES_MAX) return true;
    return err_set(err, ERR_FULL, "bus: the backlog of %llu messages has reached its limit",
            (unsigned long long)broker->messages);
}

bool broker_publish(
        struct bus *bus, const struct outgoing *messages, size_t count, struct err *err) {
    struct broker *broker = (struct broker *)bus;
    struct request request = { .messages = messages, .count = count };
    size_t spooled = 0, durable = 0, size = 0;

    for (size_t i = 0; i < count; i++) {
        struct spool_record record = record_of(&messages[i], 0, 0, 0);
        if (!broker->topics[messages[i].topic].durable) continue;
        durable++;
        size += spool_record_size(&record);
        if (!is_spooled(broker, &messages[i])) continue;
        spooled++;
    }
    request.size = size;
    lock_acquire(broker->lock);
    bool ok = check_room(broker, durable, size, err);
    if (!ok || !spooled) {
        if (ok) publish_passing(broker, messages, count);
        lock_release(broker->lock);
        return ok;
    }
    latch_init(&request.latch);
    list_append(&broker->queue, &request.item);
    if (broker->leading) {
        lock_release(broker->lock);
        bool set = latch_wait(&request.latch, -1);
        assert(set);
        if (request.promoted) lock_acquire(broker->lock);
    } else {
        broker->leading = true;
        request.promoted = true;
    }
    if (request.promoted) {
        lead(broker, &request);
        lock_release(broker->lock);
    }
    if (!request.ok) *err = request.err;
    return request.ok;
}

#include "bus/broker.h"

#include <stdlib.h>
#include <string.h>

#include "bus/broker_internal.h"
#include "common/assert.h"

enum {
    PARTITIONS_SPOOLED_MAX = 256,
    CHECKPOINT_MARKS_MAX = SPOOL_BLOCK_SIZE_MAX
            - 1024 * 1024, /* then marks are left out: those messages come again */
};

static const bool durable[TOPIC_COUNT] = {
#define TOPIC(code, name, durable) [TOPIC_##code] = durable,
#include "bus/topics.def"
#undef TOPIC
};

/* ---- checkpoints ---- */

/* All that a later recovery needs to know from before the segment, but for messages. With the lock. */
static void add_checkpoint_topic(struct broker *broker, enum topic topic) {
    struct spool_record name = {
        .kind = SPOOL_TOPIC,
        .topic = (uint8_t)topic,
        .partition = broker->options.partitions,
        .key = str_from(topic_name(topic)),
    };

    spool_block_add(&broker->side, &name);
    for (int32_t i = 0; durable[topic] && i < broker->options.partitions; i++) {
        struct spool_record next = {
            .kind = SPOOL_NEXT,
            .topic = (uint8_t)topic,
            .partition = i,
            .offset = broker_partition(broker, topic, i)->next,
        };
        if (next.offset) spool_block_add(&broker->side, &next);
    }
}

static void add_checkpoint_group(
        struct broker *broker, const struct group *group, enum topic topic) {
    for (int32_t i = 0; i < broker->options.partitions; i++) {
        const struct share *share = &group->topics[topic][i];
        struct spool_record record = {
            .kind = SPOOL_COMMIT,
            .topic = (uint8_t)topic,
            .partition = i,
            .offset = share->lowest,
            .key = str_from(group->name),
        };
        if (broker->side.size < CHECKPOINT_MARKS_MAX)
            record.value = (struct str){ share->done, share->done_size };
        spool_block_add(&broker->side, &record);
    }
}

static void write_checkpoint(struct broker *broker) {
    struct spool_record segment = {
        .kind = SPOOL_SEGMENT,
        .offset = spool_next_segment(broker->spool),
        .time_ms = spool_era(broker->spool),
    };

    spool_block_begin(&broker->side);
    spool_block_add(&broker->side, &segment);
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        add_checkpoint_topic(broker, (enum topic)t);
    list_foreach(item, &broker->groups) {
        const struct group *group = list_entry(item, struct group, item);
        for (size_t t = 0; t < TOPIC_COUNT; t++) {
            if (group->topics[t] && durable[t]) add_checkpoint_group(broker, group, (enum topic)t);
        }
    }
}

/* ---- letting go ---- */

/* A group that nobody has opened for so long is not coming back. */
static void forget_groups(struct broker *broker) {
    if (clock_monotonic_ms(&broker->clock) - broker->opened_ms < BROKER_KEEP_MS) return;
    list_foreach(item, &broker->groups) {
        struct group *group = list_entry(item, struct group, item);
        if (!group->opened) broker_group_free(broker, group);
    }
}

static void trim_all(struct broker *broker) {
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        for (int32_t i = 0; i < broker->options.partitions; i++)
            broker_trim(broker, (enum topic)t, i);
    }
}

static void forget_old(struct broker *broker) {
    if (!spool_oldest_is_before(broker->spool, clock_now_ms(&broker->clock) - BROKER_KEEP_MS))
        return;
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        if (!durable[t] || broker->topics[t].group_count) continue;
        for (int32_t i = 0; i < broker->options.partitions; i++) {
            struct partition *partition = broker_partition(broker, (enum topic)t, i);
            while (partition->first < partition->next) {
                slot value = broker_slot_at(partition, partition->first);
                if (value && !spool_is_in_oldest(broker->spool, broker_slot_position(value))) break;
                broker_pop(broker, (enum topic)t, partition);
            }
        }
    }
}

static void drop_segments(struct broker *broker) {
    int64_t segment;

    for (;;) {
        lock_acquire(broker->lock);
        forget_old(broker);
        bool detached = spool_detach_oldest(broker->spool, &segment);
        lock_release(broker->lock);
        if (!detached) return;
        spool_remove(broker->spool, segment);
    }
}

/* ---- reading the spool ---- */

/* Topics have numbers in a segment, and names that last. */
struct replay {
    struct broker *broker;
    enum topic topics[UINT8_MAX + 1]; /* TOPIC_NONE: not known to this program */
};

static void replay_init(struct replay *replay, struct broker *broker) {
    replay->broker = broker;
    for (size_t i = 0; i <= UINT8_MAX; i++)
        replay->topics[i] = TOPIC_NONE;
}

static void replay_topic(struct replay *replay, const struct spool_record *record) {
    replay->topics[record->topic] = TOPIC_NONE;
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        if (!str_equal(record->key, str_from(topic_name((enum topic)t))) || !durable[t]) continue;
        replay->topics[record->topic] = (enum topic)t;
    }
}

static bool replay_check(const struct broker *broker, const struct partition *partition,
        const struct spool_record *record, struct err *err) {
    int64_t first = partition->first == partition->next ? record->offset
                                                        : MIN(partition->first, record->offset);

    if (record->offset >= 0 && MAX(partition->next, record->offset) - first <= BROKER_MESSAGES_MAX)
        return true;
    return err_set(err, ERR_INTERNAL, "bus '%s': offset %lld of %s cannot be", broker->options.path,
            (long long)record->offset, topic_name((enum topic)record->topic));
}

static bool recover_record(
        void *user, const struct spool_record *record, uint64_t position, struct err *err) {
    struct replay *replay = user;
    struct broker *broker = replay->broker;
    enum topic topic = replay->topics[record->topic];

    if (record->kind == SPOOL_TOPIC) replay_topic(replay, record);
    if (record->kind != SPOOL_MESSAGE && record->kind != SPOOL_NEXT && record->kind != SPOOL_COMMIT)
        return true;
    if (topic == TOPIC_NONE) return true;
    if (record->partition < 0 || record->partition >= broker->options.partitions) {
        return err_set(err, ERR_INTERNAL, "bus '%s': there is no partition %d",
                broker->options.path, record->partition);
    }
    if (record->kind == SPOOL_COMMIT) {
        struct group *group = broker_group(broker, record->key);
        if (!group || record->offset < 0)
            return err_set(err, ERR_INTERNAL, "bus '%s': too many groups", broker->options.path);
        broker_group_subscribe(broker, group, topic);
        broker_share_commit(
                broker, &group->topics[topic][record->partition], record->offset, record->value);
        return true;
    }
    if (!replay_check(broker, broker_partition(broker, topic, record->partition), record, err))
        return false;
    if (record->kind == SPOOL_NEXT) {
        broker_extend(broker, topic, record->partition, record->offset);
    } else {
        slot value = broker_slot_spooled(position, spool_record_size(record));
        broker_put(broker, topic, record->partition, record->offset, value, record->time_ms);
    }
    return true;
}

/* ---- carrying forward: few old messages must not keep many files ---- */

struct moved {
    enum topic topic;
    int32_t partition;
    int64_t offset, time_ms;
    uint64_t from;
    size_t at, size;
};

enum { MOVED_MAX = 1024, MOVED_SIZE_MAX = 1024 * 1024 };

struct carrier {
    struct replay replay;
    struct moved moved[MOVED_MAX]; /* in broker->side */
    size_t count;
};

static bool is_still_at(struct broker *broker, const struct moved *moved) {
    slot value =
            broker_slot_at(broker_partition(broker, moved->topic, moved->partition), moved->offset);

    return value && broker_slot_position(value) == moved->from;
}

static bool carry_write(struct carrier *carrier, struct err *err) {
    struct broker *broker = carrier->replay.broker;
    uint64_t to;

    if (carrier->count && !spool_write(broker->spool, &broker->side, &to, err)) return false;
    lock_acquire(broker->lock);
    for (size_t i = 0; i < carrier->count; i++) {
        const struct moved *moved = &carrier->moved[i];
        if (!is_still_at(broker, moved)) continue;
        slot value = broker_slot_spooled(to + moved->at, moved->size);
        broker_put(broker, moved->topic, moved->partition, moved->offset, value, moved->time_ms);
    }
    lock_release(broker->lock);
    carrier->count = 0;
    spool_block_begin(&broker->side);
    return true;
}

/* A message that is still needed where it is: it is written again, with its offset. */
static bool carry_record(
        void *user, const struct spool_record *record, uint64_t position, struct err *err) {
    struct carrier *carrier = user;
    struct broker *broker = carrier->replay.broker;
    struct moved moved = {
        .topic = carrier->replay.topics[record->topic],
        .partition = record->partition,
        .offset = record->offset,
        .time_ms = record->time_ms,
        .from = position,
        .size = spool_record_size(record),
    };

    if (record->kind == SPOOL_TOPIC) replay_topic(&carrier->replay, record);
    if (record->kind != SPOOL_MESSAGE || moved.topic == TOPIC_NONE) return true;
    lock_acquire(broker->lock);
    bool needed = is_still_at(broker, &moved);
    lock_release(broker->lock);
    if (!needed) return true;
    if (carrier->count == MOVED_MAX || broker->side.size > MOVED_SIZE_MAX) {
        if (!carry_write(carrier, err)) return false;
    }
    /* What has no room in this segment is carried at the next rotation. */
    if (!spool_has_room(broker->spool, broker->side.size)) return true;
    struct spool_record copy = *record;
    copy.topic = (uint8_t)moved.topic;
    moved.at = spool_block_add(&broker->side, &copy);
    carrier->moved[carrier->count++] = moved;
    return true;
}

static bool carry_forward(struct broker *broker, struct err *err) {
    size_t count = spool_segment_count(broker->spool);

    lock_acquire(broker->lock);
    uint64_t live = spool_live_size(broker->spool);
    lock_release(broker->lock);
    if (count <= broker->options.limits.compact_count) return true;
    if ((uint64_t)count * broker->options.limits.segment_size <= 4 * live) return true;

    struct carrier *carrier = calloc(1, sizeof(*carrier));
    assert(carrier);
    replay_init(&carrier->replay, broker);
    spool_block_begin(&broker->side);
    struct spool_visitor visitor = { carry_record, carrier };
    bool ok = spool_scan_oldest(broker->spool, &visitor, err) && carry_write(carrier, err);
    free(carrier);
    if (ok) drop_segments(broker);
    return ok;
}

/* ---- opening and closing ---- */

static bool begin_segment(struct broker *broker, struct err *err) {
    lock_acquire(broker->lock);
    forget_groups(broker);
    trim_all(broker);
    write_checkpoint(broker);
    lock_release(broker->lock);
    return spool_rotate(broker->spool, &broker->side, err);
}

bool broker_rotate(struct broker *broker, struct err *err) {
    /* Let go first: what is freed is used again for the new segment, also on a full disk. */
    drop_segments(broker);
    if (!begin_segment(broker, err)) return false;
    drop_segments(broker);
    return carry_forward(broker, err);
}

static void open_topics(struct broker *broker) {
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        struct topic_log *log = &broker->topics[t];
        log->durable = durable[t];
        log->partitions = calloc((size_t)broker->options.partitions, sizeof(*log->partitions));
        assert(log->partitions);
        /* Where nothing is kept, every open is a new life. */
        log->incarnation = bus_incarnation(clock_now_ms(&broker->clock), t);
    }
}

static bool recover(struct broker *broker, struct err *err) {
    struct replay replay;
    struct spool_visitor visitor = { recover_record, &replay };

    replay_init(&replay, broker);
    if (!spool_recover(broker->spool, &visitor, err)) return false;
    trim_all(broker);
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        if (durable[t]) broker->topics[t].incarnation = spool_incarnation(broker->spool);
        for (int32_t i = 0; i < broker->options.partitions; i++) {
            struct partition *partition = broker_partition(broker, (enum topic)t, i);
            partition->writing = partition->next;
        }
    }
    spool_block_begin(&broker->block);
    return broker_rotate(broker, err);
}

static bool open_spool(struct broker *broker, struct err *err) {
    struct spool_options options = {
        .segment_size = broker->options.limits.segment_size,
        .partitions = broker->options.partitions,
        .clock = &broker->clock,
    };

    if (broker->options.partitions > PARTITIONS_SPOOLED_MAX) {
        return err_set(err, ERR_INVALID, "bus: %d partitions; an embedded bus takes up to %d",
                broker->options.partitions, PARTITIONS_SPOOLED_MAX);
    }
    if (!spool_open(broker->options.path, &options, &broker->spool, err)) return false;
    broker->options.partitions = spool_partitions(broker->spool);
    return true;
}

static void free_topics(struct broker *broker) {
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        struct topic_log *log = &broker->topics[t];
        for (int32_t i = 0; log->partitions && i < broker->options.partitions; i++) {
            struct partition *partition = &log->partitions[i];
            while (partition->first < partition->next)
                broker_pop(broker, (enum topic)t, partition);
            free(partition->slots);
        }
        free(log->partitions);
    }
}

static void close_broker(struct bus *bus) {
    struct broker *broker = (struct broker *)bus;

    assert(list_is_empty(&broker->tails) && list_is_empty(&broker->queue));
    lock_acquire(broker->lock);
    if (broker->ready) broker_flush(broker);
    lock_release(broker->lock);
    free_topics(broker);
    list_foreach(item, &broker->groups)
        broker_group_free(broker, list_entry(item, struct group, item));
    spool_close(broker->spool);
    buf_clear(&broker->block);
    buf_clear(&broker->side);
    free(broker->entries);
    lock_free(broker->lock);
    free(broker);
}

static bool ping(struct bus *bus, int64_t timeout_ms, struct err *err) {
    struct broker *broker = (struct broker *)bus;

    (void)timeout_ms;
    return !broker->spool || spool_check(broker->spool, err);
}

static const struct bus_backend broker_backend = {
    .close = close_broker,
    .ping = ping,
    .publish = broker_publish,
    .consumer_open = broker_consumer_open,
};

bool broker_open(const struct broker_options *options, struct bus **ret, struct err *err) {
    struct broker *broker = calloc(1, sizeof(*broker));

    assert(broker);
    broker->base.backend = &broker_backend;
    broker->options = *options;
    broker->clock = *options->clock;
    broker->opened_ms = clock_monotonic_ms(&broker->clock);
    broker->lock = lock_new();
    list_init(&broker->groups);
    list_init(&broker->tails);
    list_init(&broker->queue);
    buf_init(&broker->block, SPOOL_BLOCK_LIMIT);
    buf_init(&broker->side, SPOOL_BLOCK_LIMIT);
    bool ok = !options->path || open_spool(broker, err);
    if (ok) {
        open_topics(broker);
        ok = !options->path || recover(broker, err);
    }
    broker->options.clock = NULL;
    broker->options.path = NULL;
    if (!ok) {
        close_broker(&broker->base);
        return false;
    }
    broker->ready = true;
    *ret = &broker->base;
    return true;
}

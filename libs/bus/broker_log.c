#include <stdlib.h>
#include <string.h>

#include "bus/broker_internal.h"
#include "common/assert.h"

/* Of a slot in the spool: bit 0 is set, then 8 bits of size, 55 bits of position / 8. The size is rounded
 * up to 3 bits behind the highest: enough to count by, and to read by. */
enum {
    SIZE_SHIFT = 1,
    SIZE_BITS = 8,
    POSITION_SHIFT = SIZE_SHIFT + SIZE_BITS,
    MANTISSA_BITS = 3,
    MANTISSA_MASK = (1 << MANTISSA_BITS) - 1,
    CAPACITY_MIN = 64,
};

_Static_assert(SPOOL_POSITION_BITS - 3 + 32 + POSITION_SHIFT <= 64, "a slot holds 2^32 segments");

struct partition *broker_partition(struct broker *broker, enum topic topic, int32_t partition) {
    assert(partition >= 0 && partition < broker->options.partitions);
    return &broker->topics[topic].partitions[partition];
}

struct stored *broker_stored_new(const char *bytes, size_t size) {
    struct stored *stored = malloc(sizeof(*stored) + size);

    assert(stored);
    stored->position = 0;
    stored->size = (uint32_t)size;
    memcpy(stored->bytes, bytes, size);
    return stored;
}

/* ---- slots ---- */

/* The lowest code whose size is at least `size`. */
static unsigned code_of(size_t size) {
    unsigned exponent = 0;

    while (size > (size_t)(MANTISSA_MASK + 1 + MANTISSA_MASK) << exponent)
        exponent++;
    size_t mantissa = (size + ((size_t)1 << exponent) - 1) >> exponent;
    mantissa = MAX(mantissa, (size_t)MANTISSA_MASK + 1);
    return exponent << MANTISSA_BITS | (unsigned)(mantissa & MANTISSA_MASK);
}

static size_t size_of(unsigned code) {
    return (size_t)(MANTISSA_MASK + 1 + (code & MANTISSA_MASK)) << (code >> MANTISSA_BITS);
}

slot broker_slot_stored(struct stored *stored) {
    assert(((uintptr_t)stored & 1) == 0);
    return (slot)(uintptr_t)stored;
}

slot broker_slot_spooled(uint64_t position, size_t size) {
    unsigned code = code_of(size);

    assert(position % 8 == 0 && position / 8 < (uint64_t)1 << (64 - POSITION_SHIFT));
    assert(code < 1u << SIZE_BITS && size_of(code) >= size);
    return 1 | (slot)code << SIZE_SHIFT | (slot)(position / 8) << POSITION_SHIFT;
}

struct stored *broker_slot_memory(slot value) {
    return value & 1 ? NULL : (struct stored *)(uintptr_t)value;
}

size_t broker_slot_size(slot value) {
    const struct stored *stored = broker_slot_memory(value);

    if (value == 0) return 0;
    if (stored) return size_of(code_of(stored->size));
    return size_of((unsigned)(value >> SIZE_SHIFT) & ((1u << SIZE_BITS) - 1));
}

uint64_t broker_slot_position(slot value) {
    const struct stored *stored = broker_slot_memory(value);

    return stored ? stored->position : (value >> POSITION_SHIFT) * 8;
}

slot broker_slot_at(const struct partition *partition, int64_t offset) {
    if (offset < partition->first || offset >= partition->next) return 0;
    return partition->slots[(size_t)offset & (partition->capacity - 1)];
}

static slot *slot_of(struct partition *partition, int64_t offset) {
    assert(offset >= partition->first && offset < partition->next);
    return &partition->slots[(size_t)offset & (partition->capacity - 1)];
}

/* ---- what a partition holds ---- */

/* Makes the row hold offsets from `first` to below `next`; new ones are 0. */
static void reach(struct partition *partition, int64_t first, int64_t next) {
    size_t needed = (size_t)(next - first);
    size_t capacity = MAX(partition->capacity, (size_t)CAPACITY_MIN);

    while (capacity < needed)
        capacity *= 2;
    if (capacity != partition->capacity) {
        slot *slots = calloc(capacity, sizeof(*slots));
        assert(slots);
        for (int64_t o = partition->first; o < partition->next; o++) {
            slots[(size_t)o & (capacity - 1)] =
                    partition->slots[(size_t)o & (partition->capacity - 1)];
        }
        free(partition->slots);
        partition->slots = slots;
        partition->capacity = capacity;
    }
    for (int64_t o = first; o < partition->first; o++)
        partition->slots[(size_t)o & (capacity - 1)] = 0;
    for (int64_t o = partition->next; o < next; o++)
        partition->slots[(size_t)o & (capacity - 1)] = 0;
    partition->first = first;
    partition->next = next;
}

/* A row that a backlog has grown is given back once the backlog is gone. */
static void shrink(struct partition *partition) {
    size_t used = (size_t)(partition->next - partition->first);

    if (partition->capacity <= 16 * CAPACITY_MIN || used > partition->capacity / 8) return;
    size_t capacity = partition->capacity / 4;
    slot *slots = calloc(capacity, sizeof(*slots));
    assert(slots);
    for (int64_t o = partition->first; o < partition->next; o++) {
        slots[(size_t)o & (capacity - 1)] = partition->slots[(size_t)o & (partition->capacity - 1)];
    }
    free(partition->slots);
    partition->slots = slots;
    partition->capacity = capacity;
}

static void hold(struct broker *broker, struct topic_log *log, slot value, int64_t time_ms) {
    const struct stored *stored = broker_slot_memory(value);

    if (stored) broker->memory += stored->size;
    log->size += broker_slot_size(value);
    if (!log->durable) return;
    broker->messages++;
    if (broker->spool)
        spool_hold(broker->spool, broker_slot_position(value), broker_slot_size(value), time_ms);
}

static void release(struct broker *broker, struct topic_log *log, slot value) {
    struct stored *stored = broker_slot_memory(value);

    if (value == 0) return;
    log->size -= broker_slot_size(value);
    if (log->durable) {
        broker->messages--;
        if (broker->spool)
            spool_release(broker->spool, broker_slot_position(value), broker_slot_size(value));
    }
    if (!stored) return;
    broker->memory -= stored->size;
    free(stored);
}

void broker_pop(struct broker *broker, enum topic topic, struct partition *partition) {
    slot *at = slot_of(partition, partition->first);

    release(broker, &broker->topics[topic], *at);
    *at = 0;
    partition->first++;
    shrink(partition);
}

/* Keeps a topic that nobody takes from within its size, at the expense of the partition that grew. */
static void bound(struct broker *broker, enum topic topic, struct partition *partition) {
    const struct topic_log *log = &broker->topics[topic];
    uint64_t most = log->durable ? broker->options.limits.keep_size : BROKER_PASSING_MAX;

    if (log->durable && log->group_count) return;
    while (log->size > most && partition->next - partition->first > 1)
        broker_pop(broker, topic, partition);
}

void broker_append(
        struct broker *broker, enum topic topic, int32_t number, slot value, int64_t time_ms) {
    struct topic_log *log = &broker->topics[topic];
    struct partition *partition = broker_partition(broker, topic, number);
    bool passing = !log->durable && !log->group_count && !log->tail_count;

    reach(partition, partition->first, partition->next + 1);
    hold(broker, log, value, time_ms);
    *slot_of(partition, partition->next - 1) = value;
    if (passing) {
        while (partition->first < partition->next)
            broker_pop(broker, topic, partition);
    } else {
        bound(broker, topic, partition);
    }
}

void broker_put(struct broker *broker, enum topic topic, int32_t number, int64_t offset, slot value,
        int64_t time_ms) {
    struct topic_log *log = &broker->topics[topic];
    struct partition *partition = broker_partition(broker, topic, number);

    if (partition->first == partition->next) partition->first = partition->next = offset;
    reach(partition, MIN(partition->first, offset), MAX(partition->next, offset + 1));
    slot *at = slot_of(partition, offset);
    hold(broker, log, value, time_ms);
    release(broker, log, *at);
    *at = value;
}

void broker_extend(struct broker *broker, enum topic topic, int32_t number, int64_t next) {
    struct partition *partition = broker_partition(broker, topic, number);

    (void)topic;
    if (next <= partition->next) return;
    if (partition->first == partition->next) partition->first = partition->next = next;
    reach(partition, partition->first, next);
}

void broker_forget_memory(struct broker *broker, struct partition *partition, int64_t offset) {
    slot *at = slot_of(partition, offset);
    struct stored *stored = broker_slot_memory(*at);

    if (!stored) return;
    *at = broker_slot_spooled(stored->position, stored->size);
    broker->memory -= stored->size;
    free(stored);
}

/* ---- how long ---- */

/* The lowest offset that a reader still needs; first: everything is kept for now. */
static int64_t needed_from(struct broker *broker, enum topic topic, int32_t number) {
    const struct topic_log *log = &broker->topics[topic];
    const struct partition *partition = &log->partitions[number];
    int64_t lowest = log->durable && log->group_count == 0 ? partition->first : partition->next;

    list_foreach(item, &broker->groups) {
        const struct group *group = list_entry(item, struct group, item);
        if (group->topics[topic]) lowest = MIN(lowest, group->topics[topic][number].lowest);
    }
    list_foreach(item, &broker->tails) {
        const struct broker_consumer *tail = list_entry(item, struct broker_consumer, item);
        if (!tail->topics[topic]) continue;
        int64_t position = tail->topics[topic][number].offsets.position;
        lowest = MIN(lowest, MAX(position, partition->next - BROKER_TAIL_LAG_MAX));
    }
    return lowest;
}

void broker_trim(struct broker *broker, enum topic topic, int32_t number) {
    struct partition *partition = broker_partition(broker, topic, number);
    int64_t lowest = needed_from(broker, topic, number);

    while (partition->first < MIN(lowest, partition->next))
        broker_pop(broker, topic, partition);
    while (partition->first < partition->next && *slot_of(partition, partition->first) == 0)
        partition->first++;
}

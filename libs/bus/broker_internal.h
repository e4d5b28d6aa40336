#pragma once
/* What the files of the broker share:
 *
 *     broker.c           opening, recovery, checkpoints, closing
 *     broker_publish.c   leader and followers
 *     broker_log.c       what a partition holds, and how long
 *     broker_group.c     who owns which partition
 *     broker_consumer.c  polling */

#include "bus/broker.h"
#include "bus/offsets.h"
#include "bus/spool.h"
#include "common/buf.h"
#include "common/list.h"
#include "system/clock.h"
#include "system/queue.h"

enum {
    BROKER_MESSAGES_MAX = 16 * 1024 * 1024, /* kept at once, over all topics */
    BROKER_PASSING_MAX =
            32 * 1024 * 1024, /* bytes of one topic that is not durable; then the oldest go */
    BROKER_TAIL_LAG_MAX = 100 * 1000, /* messages a reader without a group may be behind */
    BROKER_GROUPS_MAX = 64,
    BROKER_KEEP_MS =
            7 * 24 * 3600 * 1000, /* of a topic that no group reads; of a group nobody opens */
    BROKER_FLUSH_MS = 1000,       /* offsets that nothing carries along are written after this */
};

/* A message in memory, encoded as on disk. */
struct stored {
    uint64_t position; /* in the spool; without one, or not durable: 0 */
    uint32_t size;
    char bytes[];
};

/* One message of a partition, in 8 bytes: 0 (not there), a struct stored (even), or where it lies in
 * the spool (odd). */
typedef uint64_t slot;

struct partition {
    int64_t first, next; /* offsets; first ≤ kept < next */
    slot *slots;         /* of offset o: slots[o & (capacity - 1)] */
    size_t capacity;     /* 0 or a power of two */
    int64_t writing;     /* the leader's: `next` once its block is on disk */
};

struct topic_log {
    struct partition *partitions;
    bool durable;
    uint32_t rotor;       /* for empty keys */
    uint32_t group_count; /* groups that read it */
    uint32_t tail_count;
    uint64_t size; /* bytes of its messages */
    uint64_t incarnation;
};

/* What a group knows of a partition. */
struct share {
    int64_t lowest; /* committed */
    char *done;     /* owned; offsets_write's text */
    size_t done_size;
    uint32_t epoch;
    bool changed; /* since it was last written to the spool */
    bool writing; /* in the leader's block */
    struct broker_consumer *owner;
    struct broker_consumer *target; /* who is to own it */
};

struct group {
    struct list item;
    char *name;
    struct share *topics[TOPIC_COUNT]; /* a row of shares, or NULL: never read */
    struct list members;               /* broker_consumer.item */
    uint64_t changes;                  /* of owners and targets */
    bool opened;                       /* in the life of this process */
};

/* What a consumer knows of a partition; its thread's, but for what collecting and `lag` do. */
struct held {
    struct offsets offsets;
    bool mine;
    bool paused; /* held */
};

struct broker_consumer {
    struct consumer base;
    struct broker *broker;
    struct list item;    /* in group->members or broker->tails */
    struct group *group; /* NULL: a tail */
    struct held *topics[TOPIC_COUNT];
    enum topic order[TOPIC_COUNT]; /* the subscribed ones */
    size_t topic_count;
    struct consumer_callbacks callbacks;
    struct condition_variable *condition;
    bool waiting, woken, expired;
    uint64_t seen; /* group->changes as last looked at */
    size_t rotor;
};

struct request;

struct broker {
    struct bus base;
    struct broker_options options;
    struct clock clock;
    struct lock *lock;
    struct topic_log topics[TOPIC_COUNT];
    struct list groups;
    size_t group_count;
    struct list tails;
    struct list queue; /* of requests that wait for a leader */
    bool leading;
    bool ready;          /* opened as a whole */
    uint64_t memory;     /* bytes of stored messages */
    uint64_t messages;   /* slots that hold something, of durable topics */
    size_t changed;      /* shares */
    int64_t changed_ms;  /* monotonic; when the first of them did */
    int64_t opened_ms;   /* monotonic */
    struct spool *spool; /* NULL: none */
    /* The leader's. */
    struct buf block;
    struct buf side; /* checkpoints, and messages carried forward */
    struct entry *entries;
    size_t entry_count, entry_capacity;
};

/* ---- broker_log.c; all with the lock ---- */

struct partition *broker_partition(struct broker *broker, enum topic topic, int32_t partition);
struct stored *broker_stored_new(const char *bytes, size_t size);
slot broker_slot_stored(struct stored *stored);
slot broker_slot_spooled(uint64_t position, size_t size);
struct stored *broker_slot_memory(slot value); /* NULL if it is only in the spool */
size_t broker_slot_size(slot value);           /* rounded up, the same in memory and in the spool */
uint64_t broker_slot_position(slot value);

slot broker_slot_at(const struct partition *partition, int64_t offset); /* 0 where there is none */
void broker_append(
        struct broker *broker, enum topic topic, int32_t partition, slot value, int64_t time_ms);
void broker_put(struct broker *broker, enum topic topic, int32_t partition, int64_t offset,
        slot value, int64_t time_ms); /* anywhere: recovery, and what is carried forward */
void broker_extend(struct broker *broker, enum topic topic, int32_t partition, int64_t next);
void broker_forget_memory(struct broker *broker, struct partition *partition, int64_t offset);
void broker_trim(struct broker *broker, enum topic topic,
        int32_t partition); /* lets go of what nobody needs */
void broker_pop(struct broker *broker, enum topic topic, struct partition *partition);

/* ---- broker_group.c; all with the lock, callbacks without ---- */

struct group *broker_group(struct broker *broker, struct str name); /* NULL: too many */
void broker_group_free(struct broker *broker, struct group *group);
void broker_group_subscribe(struct broker *broker, struct group *group, enum topic topic);
void broker_group_changed(struct group *group);
void broker_group_balance(struct broker *broker, struct group *group);
void broker_share_commit(
        struct broker *broker, struct share *share, int64_t lowest, struct str done);

/* Brings what the consumer holds in line with what it is to hold. */
void broker_settle(struct broker_consumer *consumer);
void broker_commit_held(struct broker_consumer *consumer);
void broker_leave(struct broker_consumer *consumer);

/* ---- broker_publish.c ---- */

bool broker_publish(
        struct bus *bus, const struct outgoing *messages, size_t count, struct err *err);
void broker_wake_readers(struct broker *broker, enum topic topic, int32_t partition);
void broker_flush(struct broker
                *broker); /* writes changed offsets, unless a leader is at work; with the lock */

/* ---- broker.c ---- */

/* Begins a segment and lets old ones go; the leader's, without the lock. */
MUST_USE bool broker_rotate(struct broker *broker, struct err *err);

/* ---- broker_consumer.c ---- */

bool broker_consumer_open(struct bus *bus, const char *group, const enum topic *topics,
        const struct consumer_callbacks *callbacks, struct consumer **ret, struct err *err);

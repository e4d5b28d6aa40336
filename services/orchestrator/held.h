#pragma once
/* Instances in memory between two batches: a snapshot as text, and what is owed of their head. Nothing here is needed after a crash:
 * all of it can be loaded again. Internal to the orchestrator. */

#include "bus/bus.h"
#include "common/buf.h"
#include "common/list.h"
#include "core/instance.h"

/* A message that is done with once the head is written. */
struct owed {
    int32_t partition;
    int64_t offset;
    uint32_t epoch;
};

struct held {
    struct list by_use;      /* least recently used first */
    struct list by_age;      /* heads owed, oldest first; itself: none owed */
    struct held *next;       /* in its bucket */
    struct str id;           /* owned */
    int32_t partition;       /* of the inbox */
    struct buf snapshot;
    const struct definition *definition; /* acquired */
    int64_t dirty_since_ms;
    struct owed *owed;       /* owned */
    size_t owed_count, owed_capacity;
    bool stale;              /* what is stored decides: to be loaded before it is used or written */
    bool waiting;            /* a caller waits for the end: STATUS carries the snapshot */
};

struct held_table;

struct held_table *held_table_new(void);
void held_table_free(struct held_table *table, void (*release)(void *user, const struct definition *definition), void *user);

struct held *held_find(struct held_table *table, struct str id); /* NULL: not there; else it is now the last used */
struct held *held_add(struct held_table *table, struct str id, int32_t partition);
void held_remove(struct held_table *table, struct held *held);   /* frees it; its definition must be released before */
void held_owe(struct held *held, const struct message *message);
void held_keep(struct held_table *table, struct held *held, struct buf *snapshot); /* takes the buffer over */

/* The one to drop when there are too many; NULL while there is room, or if all that are left owe a head. */
struct held *held_surplus(struct held_table *table);

/* Owing a head, oldest first. */
void held_set_dirty(struct held_table *table, struct held *held, int64_t now_ms);
void held_set_clean(struct held *held);
struct held *held_oldest_dirty(struct held_table *table); /* NULL: none */

/* No longer to be trusted (a lost insert, a failure half-way). What is owed stays owed: its head comes after a load. */
void held_distrust(struct held_table *table, struct held *held, int64_t now_ms);

/* Any held instance of a partition; NULL: none. For revocation. */
struct held *held_of_partition(struct held_table *table, int32_t partition);

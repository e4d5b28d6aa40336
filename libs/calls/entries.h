#pragma once
/* The table of a caller: one entry for each message under way, found by command and by tag, in a list for each state. Internal to this
 * folder. */

#include "calls/caller.h"
#include "common/list.h"

enum entry_state { ENTRY_READY, ENTRY_SENT, ENTRY_DROPPED, ENTRY_ANSWERED, ENTRY_STATES };

struct entry {
    struct list item;             /* of entries->lists[state] */
    struct entry *next_in_bucket; /* while it is found by its command */
    enum entry_state state;
    uint64_t tag;
    struct delivery delivery;
    size_t size;                  /* of the message, and of what is to be published */
    struct arena *arena;
    struct task_call task;        /* zeroed: a message that is no task */
    bool is_prepared, is_named;
    struct redact redact;
    struct http_call call;
    unsigned tries;
    int64_t start_at_ms;          /* READY: not before; monotonic */
    int64_t later_ms;             /* the last wait for what the preparation needs */
    struct posting posting;       /* ANSWERED */
};

enum { ENTRY_BUCKETS = 4096 };

struct entries {
    size_t count;                 /* but for those DROPPED */
    struct list lists[ENTRY_STATES];
    struct entry *by_command[ENTRY_BUCKETS], **by_tag;
    size_t slot_count, slot_used;
    uint32_t *free_slots;
    size_t free_count;
    uint32_t generation;
};

void entries_init(struct entries *entries);
void entries_clear(struct entries *entries);

/* A new entry, READY, that is not found by a command yet. */
struct entry *entries_add(struct entries *entries, const struct delivery *delivery, size_t size);

/* Copies the body of a TASK, which has been read before, and makes the entry found by its command. */
void entry_set_task(struct entries *entries, struct entry *entry, struct json body);

/* Wipes and frees all but what is to be published. Copies key and value. */
void entry_post(struct entry *entry, bool is_dead, struct str key, struct str value);

struct entry *entries_find(const struct entries *entries, struct str instance, struct str command);
struct entry *entries_by_tag(const struct entries *entries, uint64_t tag); /* NULL if it is gone */

/* To the end of the list of another state. A DROPPED one is not found by its command any more. */
void entries_move(struct entries *entries, struct entry *entry, enum entry_state state);

/* READY again, not before `start_at_ms`. */
void entries_again(struct entries *entries, struct entry *entry, int64_t start_at_ms);
void entries_remove(struct entries *entries, struct entry *entry);

#pragma once
/* What the files of the orchestrator share. Internal. */

#include "ledger/ledger.h"
#include "runtime/service.h"
#include "services/orchestrator/held.h"
#include "wire/journal.h"
#include "wire/wire.h"

enum { PARTITIONS_MAX = 4096 };

struct orchestrator {
    struct seat *seat;
    struct definitions *definitions;
    struct held_table *held;
    uint32_t epochs[PARTITIONS_MAX]; /* of the current assignment; 0: not ours */
};

/* One message for an instance, decoded. */
struct arrival {
    const struct message *message;
    struct input input;
    bool waiting;  /* a START whose caller waits for the end */
    bool dropped;  /* answered or dead-lettered already: to be marked done at the end */
};

/* All that came for one instance in a batch; folded into one journal entry. */
struct work {
    struct work *next_in_bucket;
    struct str id;
    struct arrival *arrivals;
    size_t count, capacity;
    struct held *held;                   /* NULL: not held */
    const struct instance *before;       /* NULL: there is none yet */
    const struct definition *definition; /* acquired by this work unless `held` has it */
    bool acquired;
    bool fresh;                          /* starts without a look: the insert tells whether the id is taken */
    bool loaded;
    const struct journal_entry *above;   /* entries whose effects are owed */
    size_t above_count;
    struct input *inputs;                /* those not found applied already */
    size_t input_count;
    struct step_result result;
    struct journal_entry entry;
    struct record record;
    struct buf snapshot;                 /* of the result, until heads_hold takes it */
    bool must_load;                      /* lost an insert: what is stored decides */
    bool commits, lost;
    bool settled;                        /* nothing more to decide: refused, quarantined, or through */
    bool finished;                       /* its messages are done, or owed by its head */
};

struct works {
    struct arena *arena;
    struct work *items;
    size_t count;
};

/* outbox.c: effects and statuses as messages. */
struct outbox {
    struct arena *arena;
    int64_t now_ms;
    struct outgoing *messages;
    size_t count, capacity;
};

void outbox_add(struct outbox *outbox, enum topic topic, struct str key, struct str value);
void outbox_add_effects(struct outbox *outbox, const struct effect *effects, size_t count);
void outbox_add_status(struct outbox *outbox, const struct work *work, bool with_snapshot);
void outbox_add_refusal(struct outbox *outbox, const struct arrival *arrival, struct str id, const struct err *err);
void outbox_add_dead(struct outbox *outbox, const struct message *message, const char *reason);
MUST_USE bool outbox_publish(struct outbox *outbox, struct orchestrator *orchestrator, struct err *err);

/* heads.c: what follows a commit: the held snapshot, the head, the word to the trigger, the offsets. */
void heads_hold(struct orchestrator *orchestrator, struct work *work, int64_t now_ms);
MUST_USE bool heads_write(struct orchestrator *orchestrator, struct held **helds, size_t count, struct arena *arena, struct err *err);
MUST_USE bool heads_write_due(struct orchestrator *orchestrator, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err);

/* partition.c: loads those that are not to be trusted and carries out what their journal says is owed. */
MUST_USE bool partition_repair(struct orchestrator *orchestrator, struct held **helds, size_t count, struct arena *arena, struct err *err);
bool heads_is_urgent(const struct instance *instance, int64_t now_ms);
void heads_settle(struct orchestrator *orchestrator, struct held *held, bool drop); /* what it owes is done */
void heads_drop(struct orchestrator *orchestrator, struct held *held);
void heads_trim(struct orchestrator *orchestrator);

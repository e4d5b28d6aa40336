#pragma once
/* Journal entries and heads as records: what is stored of an instance (reliability.md, section 2). Pure.
 *
 * An entry holds the inputs that were applied in one commit (those of one batch are folded into it), the facts, and the
 * effects; no snapshot: the head carries one, and what is above the head is replayed, since the engine is pure. */

#include "common/buf.h"
#include "common/err.h"
#include "core/step.h"

struct arena;

/* Where an input came from: orders redeliveries (R13). */
struct origin {
    uint64_t incarnation;
    int32_t partition;
    int64_t offset;
};

struct journal_entry {
    struct str instance;
    int64_t version;
    struct str commit;            /* 32 hexadecimal digits: tells our insert from another's (R4) */
    struct str definition;        /* namespace/name/version */
    struct input *inputs;
    size_t input_count;
    struct origin applied;        /* of the last input */
    const struct effect *effects;
    size_t effect_count;
    const struct fact *facts;     /* encode only */
    size_t fact_count;
    struct json fact_rows;        /* decode only: as written: { seq, time, type, task?, name?, data? } */
    bool emptied;                 /* retention has cut the body */
};

/* "instance/0000000001": sorts by version. */
struct str journal_id(struct str instance, int64_t version, struct arena *arena);

/* Appends the body. Outputs over LIMIT_INLINE_VALUE are left out of facts ({ "omitted": bytes }). */
void journal_encode(const struct journal_entry *entry, struct buf *buf);

/* Errors   INVALID  not an entry of this format */
MUST_USE bool journal_decode(struct str text, struct arena *arena, struct journal_entry *ret, struct err *err);

/* The fields of a head's record (collections.def, INSTANCES); its body is the snapshot (instance_encode). */
struct json head_fields(const struct instance *instance, struct arena *arena);

/* The shard of a timer: 0 … HEAD_SHARDS − 1. */
enum { HEAD_SHARDS = 64 };
int64_t head_shard(struct str instance);

#pragma once
/* The state of one workflow instance: what a snapshot holds, and what step() takes and gives. Plain data in an arena; never
 * changed after it is made. */

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "core/definition.h"

struct arena;

enum instance_status {
    INSTANCE_PENDING,
    INSTANCE_RUNNING,
    INSTANCE_WAITING,
    INSTANCE_SUSPENDED,
    INSTANCE_CANCELLED,
    INSTANCE_FAULTED,
    INSTANCE_COMPLETED,
};

enum frame_phase {
    FRAME_READY,   /* to be entered */
    FRAME_ADVANCE, /* to go on with `value` */
    FRAME_OPEN,    /* waits: for a child, an answer, a time, an event */
};

/* One task being run. Ids grow; a child's id is above its parent's. The fields below `position` mean what the
 * kind of the task says in its step_*.c. */
struct frame {
    uint32_t id, parent; /* the workflow's own frame is 1, its parent 0 */
    const struct task *task;
    enum frame_phase phase;
    struct json raw, input; /* before and after input.from */
    struct json value;      /* on its way up: the last child's output */
    struct json variables;  /* declared here, seen by all inside */
    struct json context;    /* its own ($context of a branch); absent: the one around */
    int64_t started_at;
    int64_t due_at;         /* wait, retry delay, end of an attempt; 0: none */
    int64_t deadline_at;    /* its timeout; 0: none */
    struct directive directive; /* what the last child said */
    int32_t position;       /* of the child in its list; -1: none yet */
    int32_t stage;
    int64_t count;          /* turns, retries, branches that failed */
    struct json items;
    struct json more;
    uint32_t round;         /* of the command that is open; 0: none */
    uint32_t run;           /* names the run in the idempotency key; 0: `id` */
};

struct instance {
    struct str id, namespace_, name, version_of; /* the definition's triple */
    int64_t version;         /* journal entries so far */
    enum instance_status status;
    bool suspended;
    struct str key, hash;    /* the business key; the hash of the start's content */
    struct json tags, input, context, output, error;
    struct json parent;      /* { instance, command } of the task that waits for us; absent: none */
    struct json callback;    /* as given at the start */
    int64_t created_at, started_at, ended_at, suspended_at, now_ms;
    uint32_t next_frame;     /* id of the next frame */
    int64_t next_fact;       /* sequence number of the next fact */
    int64_t wake_at;         /* the earliest due_at or deadline_at; 0: none */
    uint32_t wake_frame;     /* whose */
    struct json seen;        /* array of { id, at }: inputs from outside that were applied */
    struct json signals;     /* events for this instance that no listener took yet */
    struct json applied;     /* { incarnation, partition, offset } of the last input */
    struct frame **frames;   /* in order of id */
    size_t frame_count;
    struct json queue;       /* ids of frames that are READY or ADVANCE, in order */
};

const char *instance_status_name(enum instance_status status);
bool instance_has_ended(const struct instance *instance);
struct frame *instance_frame(const struct instance *instance, uint32_t id); /* NULL: not there */

/* Appends the snapshot as JSON. */
void instance_encode(const struct instance *instance, struct buf *buf);

/* Reads a snapshot back from its JSON; `definition` must be the one it was made with. What is read shares the value.
 * Errors   INVALID  not a snapshot of this format or definition */
MUST_USE bool instance_decode(struct json snapshot, const struct definition *definition, struct arena *arena,
        const struct instance **ret, struct err *err);

/* The definition that a snapshot was made with. */
void instance_definition_of(struct json snapshot, struct str *ret_namespace, struct str *ret_name, struct str *ret_version);

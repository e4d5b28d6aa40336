#pragma once
/* The calls of a service that are under way: from a TASK message to its ANSWER. Shared by executor and integration, which differ in how a
 * task becomes a request.
 *
 * Knows nothing of the bus: messages come in as bytes with a note of where they came from, and leave through hooks. One thread, but for
 * the hook `wake`. A command that comes again while it is under way is not sent twice. Answers are published together, once a turn, and
 * only then is their message done with, in whatever order the calls end. */

#include "calls/http_call.h"
#include "calls/task.h"
#include "common/err.h"

struct arena;
struct caller;
struct clock;
struct metrics;
struct secrets;

/* Where a message came from. */
struct delivery {
    const char *topic;
    int32_t partition;
    int64_t offset;
    uint32_t epoch; /* of the partition's assignment */
};

struct posting {
    bool is_dead;   /* to the dead letters; else an ANSWER, to the orchestrator */
    struct str key; /* the instance */
    struct str value;
};

struct caller_hooks {
    enum prepared (*prepare)(void *user, struct preparation *preparation); /* makes the request of a task */
    bool (*publish)(void *user, const struct posting *postings, size_t count, struct err *err);
    void (*done)(void *user, const struct delivery *delivery);
    void (*hold)(void *user, int32_t partition, bool hold); /* holds back, or lets go on, the messages of a partition */
    void (*wake)(void *user); /* caller_turn has something to do; any thread */
    void *user;
};

struct caller_options {
    uint32_t in_flight_max;
    struct client_options client; /* on_complete and user are the caller's */
    const struct clock *clock;    /* copied */
    struct metrics *metrics;
};

/* Errors   INVALID  a setting of the client */
MUST_USE bool caller_open(const struct caller_options *options, const struct caller_hooks *hooks, struct caller **ret, struct err *err);
void caller_close(struct caller *caller); /* what is under way is dropped, and comes again; NULL is taken */

/* Takes a message of the inbox; copies it. It is done with at once where there is nothing to answer, else in a later turn. */
void caller_take(struct caller *caller, const struct delivery *delivery, struct str key, struct str value, int64_t now_ms);

/* A partition is ours now, or no longer. Calls of one that went go on, so that one that comes back is not called twice; their answers are
 * harmless. */
void caller_assign(struct caller *caller, int32_t partition);
void caller_revoke(struct caller *caller, int32_t partition);

/* Starts what is due, collects responses, publishes answers. `*next_ms` (wall clock) is lowered to when it wants to be called again.
 * Errors   those of the hook `publish`, once; the answers are kept, and published later */
MUST_USE bool caller_turn(struct caller *caller, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err);

/* Messages taken and not yet done with. */
size_t caller_count(const struct caller *caller);

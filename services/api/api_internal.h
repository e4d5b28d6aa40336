#pragma once
/* The state of the service. */

#include "runtime/service.h"

struct definitions;
struct guard;
struct queue;
struct secrets;
struct server;
struct thread;
struct waits;

enum {
    STARTS_QUEUED_MAX = 10 * 1000,
    CALLS_QUEUED_MAX = 20 * 1000,
    WORKERS_MAX = 64 + 1,
};

struct api {
    struct seat *seat;
    const struct world *world;
    struct server *server;
    struct definitions *definitions;
    struct waits *waits;
    struct guard *guard;
    struct secrets *secrets;
    struct queue *starts; /* starts are taken many at a time: one publish, one answer of the bus */
    struct queue *calls;  /* all else, one at a time, so that a slow read delays nobody */
    struct thread *workers[WORKERS_MAX];
    size_t worker_count;
    int64_t opened_ms;
    int64_t swept_ms;     /* atomic: when answers past their time were last removed */
    uint64_t serial;      /* atomic: of the last wait */
    struct turn *loop;    /* the turn of the service's loop */
};

/* Hands a call to a worker, which goes on with call->resume; answers 503 where too much is queued. */
struct call;
void api_give(struct api *api, struct call *call);

#pragma once
/* Starts of instances: from the request to the START message, and from its outcome to the answer. */

#include "services/api/call.h"

struct instance;
struct wire_message;

/* Publishes what the turn has prepared; callers of what could not be published get their 503. */
void start_publish(struct turn *turn);

/* True for a request that start_post will serve: its queue is chosen before its route is known. */
bool start_is_one(const struct request *request);

/* The same start for the next generation of its key. A route_handler. */
void start_again(struct turn *turn, struct call *call);

/* What became of the start of a call that was taken out of `waits`: answers, or puts it back. `instance` NULL: not there (yet). May block. */
void start_settle(struct turn *turn, struct call *call, const struct instance *instance);

/* The same by the word of the orchestrator, in the service's loop: what needs the store is given to a worker. */
void start_hear(struct turn *turn, struct call *call, const struct wire_message *message);

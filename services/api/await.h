#pragma once
/* Calls that wait for an instance: what a STATUS message, a look into the store, or the end of patience makes of them. */

#include "services/api/call.h"

struct instance;
struct message;
struct loaded;

/* Loads an instance, also one whose definition is gone: then without its current tasks. *ret is NULL where there is none. */
MUST_USE bool await_load(struct turn *turn, struct str id, struct loaded *loaded, const struct instance **ret, struct err *err);

/* Loads for a handler: true with an instance that the caller may see, released by await_release(). Answers 404, 403, 503 and is false
 * otherwise. */
MUST_USE bool await_find(struct turn *turn, struct call *call, struct str id, struct loaded *loaded, const struct instance **ret);
void await_release(struct turn *turn, struct loaded *loaded);

/* Fills call->wait; the deadlines are the caller's to set. */
void await_init(struct call *call, enum wait_kind kind, struct str id, int64_t now_ms);

/* Puts a call to wait until the next look, or answers 503 where too many wait. */
void await_add(struct turn *turn, struct call *call);

/* A look into the store: answers, or waits on. A route_handler of workers; may block. */
void await_look(struct turn *turn, struct call *call);

/* A call that waits for the end and has this instance before it: answers 200, 202, or waits on. */
void await_settle(struct turn *turn, struct call *call, const struct instance *instance);

/* 200 or 202 with the instance. */
void await_answer(struct turn *turn, struct call *call, int status, const struct instance *instance);

/* A message on the results topic. In the service's loop; never blocks. */
void await_hear(struct turn *turn, const struct message *message);

/* What is due by now is given to workers. In the service's loop. */
void await_tick(struct turn *turn, int64_t now_ms);

/* The service stops: answers all that wait with 503. */
void await_stop(struct turn *turn);

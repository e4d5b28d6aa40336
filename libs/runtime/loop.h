#pragma once
/* The loop of one service: poll, handle, tick, commit. Internal to the runtime; the simulator turns it by hand. */

#include "runtime/service.h"

struct loop;

/* Opens the service and its inboxes.
 * Errors   those of service->open and consumer_open */
MUST_USE bool loop_open(const struct world *world, const struct service *service, struct loop **ret, struct err *err);

/* One turn: waits for messages up to wait_ms (less where a tick is due), handles them. */
void loop_turn(struct loop *loop, int64_t wait_ms);
void loop_stop(struct loop *loop);  /* asks the service to stop taking work from outside */
void loop_wake(struct loop *loop);  /* any thread */

/* Messages not yet done with; -1 if not known. */
int64_t loop_lag(const struct loop *loop);

/* Leaves the group, closes the service. NULL is taken. */
void loop_close(struct loop *loop);

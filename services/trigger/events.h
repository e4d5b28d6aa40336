#pragma once
/* Events: stored, then matched with who waits for them (reliability.md, R12). Internal to the trigger. */

#include "bus/bus.h"
#include "common/err.h"
#include "runtime/world.h"

struct arena;
struct events;

struct events *events_new(const struct world *world);
void events_free(struct events *events);

/* Stores the events of these messages and hands each to every instance that waits for it. On return all is acknowledged.
 * What is no CloudEvent goes to the dead letters.
 * Errors   UNAVAILABLE, UNKNOWN, FULL: do it again; repeats are harmless */
MUST_USE bool events_arrive(struct events *events, const struct message *const *messages, size_t count, struct arena *arena, struct err *err);

/* An instance listens under these keys from now on: hands it the events that are kept for them. */
MUST_USE bool events_subscribed(struct events *events, struct str instance, struct json keys, struct arena *arena, struct err *err);

/* Deletes a page of events and answers past their time. Low priority; *ret_more: there are more. */
MUST_USE bool events_expire(struct events *events, struct arena *arena, bool *ret_more, struct err *err);

#pragma once
/* The calls that wait: for the start of an instance, for its end, or for news of it. By instance, and by the time at which they are looked
 * at again. Any thread. */

#include "services/api/call.h"

struct waits;

enum { WAITS_MAX = 10 * 1000, WAITS_STREAMS_MAX = 1000 };

struct waits *waits_new(int64_t now_ms);
void waits_free(struct waits *waits); /* must be empty */

/* Gives a call away; call->wait is filled but for its lists. False, and nothing happens, where too many wait. A stream may come in busy: it
 * stays its worker's until waits_rest(). */
MUST_USE bool waits_add(struct waits *waits, struct call *call);

/* Takes the call with this serial back; NULL if it is not here any more. */
struct call *waits_take(struct waits *waits, struct str id, uint64_t serial);

/* Takes up to `max` calls of an instance whose kind is in `kinds` (1 << WAIT_…). Streams stay: those that are idle are marked as busy and
 * returned, those that are busy are marked as touched. */
size_t waits_take_of(struct waits *waits, struct str id, unsigned kinds, struct call **ret, size_t max);
bool waits_has(struct waits *waits, struct str id);

/* Takes up to `max` calls that are due; streams as above. */
size_t waits_take_due(struct waits *waits, int64_t now_ms, struct call **ret, size_t max);

/* A worker is through with a stream: true if a message came meanwhile, and it goes on; else it is idle until due_ms. */
MUST_USE bool waits_rest(struct waits *waits, struct call *call, int64_t due_ms);

/* Takes a stream out for good. */
void waits_remove(struct waits *waits, struct call *call);

/* Takes up to `max` calls, whatever they wait for; streams that are busy stay. */
size_t waits_take_any(struct waits *waits, struct call **ret, size_t max);
size_t waits_count(struct waits *waits);

#pragma once
/* POSTs that are sent twice under one Idempotency-Key have one effect and one answer, for 24 hours.
 *
 * The first request reserves the key with the digest of its content; the answer is added when it is known. A request whose reservation is
 * there without an answer (its first one is under way, or its replica died) is carried out again: everything that it makes has
 * an id made of the key, so that nothing happens twice. Refusals are not kept, as nothing came of them. */

#include "services/api/call.h"

/* True: go on; call->idempotency is set if the answer has to be kept. False: answered. May block. */
MUST_USE bool idempotency_admit(struct turn *turn, struct call *call);

/* Keeps an answer below 300. May block; what cannot be kept is carried out again by the next request. */
void idempotency_keep(struct turn *turn, struct call *call, const struct answer *answer);

/* The id of what this call makes: made of its Idempotency-Key, or new. */
struct str idempotency_id(const struct call *call, char text[UUID_TEXT_SIZE]);

/* Removes what is past its time. May block. */
void idempotency_sweep(struct turn *turn);

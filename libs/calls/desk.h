#pragma once
/* A service that carries out the TASKs of one topic and answers to the orchestrator. Executor and integration are this, and differ in the
 * topic and in how a task becomes a request. The functions are those of runtime/service.h, for its table. */

#include "calls/prepare.h"
#include "runtime/service.h"

/* prepare_http or prepare_connection (prepare.h). */
typedef enum prepared desk_prepare(const struct preparer *preparer, struct preparation *preparation);

/* Errors   INVALID  the master key, a setting of the client */
MUST_USE bool desk_open(struct seat *seat, enum topic topic, desk_prepare *prepare, void **ret_state, struct err *err);
bool desk_on_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err);
void desk_on_assign(void *state, enum topic topic, int32_t partition, uint32_t epoch);
void desk_on_revoke(void *state, enum topic topic, int32_t partition, bool lost);
bool desk_on_tick(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err);
void desk_close(void *state);

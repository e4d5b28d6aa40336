/* TASKs of penstock.executor become HTTP requests as a definition spells them out. */
#include "services/executor/executor.h"

#include "calls/desk.h"

static bool open_executor(struct seat *seat, void **ret_state, struct err *err) {
    return desk_open(seat, TOPIC_EXECUTOR, prepare_http, ret_state, err);
}

static const enum topic inboxes[] = { TOPIC_EXECUTOR, TOPIC_NONE };

const struct service executor_service = {
    .name = "executor",
    .inboxes = inboxes,
    .open = open_executor,
    .on_batch = desk_on_batch,
    .on_assign = desk_on_assign,
    .on_revoke = desk_on_revoke,
    .on_tick = desk_on_tick,
    .close = desk_close,
};

/* TASKs of penstock.integration become requests through a named connection, with its credentials. */
#include "services/integration/integration.h"

#include "calls/desk.h"

static bool open_integration(struct seat *seat, void **ret_state, struct err *err) {
    return desk_open(seat, TOPIC_INTEGRATION, prepare_connection, ret_state, err);
}

static const enum topic inboxes[] = { TOPIC_INTEGRATION, TOPIC_NONE };

const struct service integration_service = {
    .name = "integration",
    .inboxes = inboxes,
    .open = open_integration,
    .on_batch = desk_on_batch,
    .on_assign = desk_on_assign,
    .on_revoke = desk_on_revoke,
    .on_tick = desk_on_tick,
    .close = desk_close,
};

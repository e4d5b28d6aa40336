#include "apps/allinone/allinone.h"

#include "runtime/runtime.h"
#include "services/api/api.h"
#include "services/executor/executor.h"
#include "services/integration/integration.h"
#include "services/orchestrator/orchestrator.h"
#include "services/trigger/trigger.h"

int allinone_main(int argc, char **argv) {
    static const struct service *const services[] = { &orchestrator_service, &executor_service, &integration_service,
        &trigger_service, &api_service, NULL };
    static const struct runtime_defaults defaults = {
        .program = "penstock dev",
        .about = "All of Penstock in one process, on SQLite and an embedded bus below --data. Durable: what it answered is\n"
                 "still there after any crash. The REST interface is at --listen, health and metrics at --admin-listen.",
        .listen = "127.0.0.1:8000",
        .admin_listen = "127.0.0.1:8001",
        .embedded = true,
    };

    return runtime_main(argc, argv, services, &defaults);
}

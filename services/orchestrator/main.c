#include "runtime/runtime.h"
#include "services/orchestrator/orchestrator.h"

int main(int argc, char **argv) {
    static const struct service *const services[] = { &orchestrator_service, NULL };
    static const struct runtime_defaults defaults = {
        .program = "penstock-orchestrator",
        .about = "Applies inputs to workflow instances: the engine, the journal, the outbox. Run as many as you like:\n"
                 "partitions of penstock.orchestrator are shared among them.",
        .admin_listen = "127.0.0.1:8011",
    };

    return runtime_main(argc, argv, services, &defaults);
}

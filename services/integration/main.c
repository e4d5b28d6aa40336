#include "runtime/runtime.h"
#include "services/integration/integration.h"

int main(int argc, char **argv) {
    static const struct service *const services[] = { &integration_service, NULL };
    static const struct runtime_defaults defaults = {
        .program = "penstock-integration",
        .about = "Carries out the calls of workflows through named connections, whose credentials no workflow sees. Run as many as you\n"
                 "like: partitions of penstock.integration are shared among them.",
        .admin_listen = "127.0.0.1:8041",
    };

    return runtime_main(argc, argv, services, &defaults);
}

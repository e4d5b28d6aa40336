#include "services/api/api.h"

#include "runtime/runtime.h"

int main(int argc, char **argv) {
    static const struct service *const services[] = { &api_service, NULL };
    static const struct runtime_defaults defaults = {
        .program = "penstock-api",
        .about = "Serves Penstock's REST interface: takes definitions, starts, signals and events, and answers what became of them.",
        .listen = "127.0.0.1:8000",
        .admin_listen = "127.0.0.1:8001",
    };

    return runtime_main(argc, argv, services, &defaults);
}

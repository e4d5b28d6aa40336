#include "runtime/runtime.h"
#include "services/executor/executor.h"

int main(int argc, char **argv) {
    static const struct service *const services[] = { &executor_service, NULL };
    static const struct runtime_defaults defaults = {
        .program = "penstock-executor",
        .about = "Carries out the HTTP calls of workflows, with inline authentication and $secrets. Run as many as you like:\n"
                 "partitions of penstock.executor are shared among them.",
        .admin_listen = "127.0.0.1:8021",
    };

    return runtime_main(argc, argv, services, &defaults);
}

#include "runtime/runtime.h"
#include "services/trigger/trigger.h"

int main(int argc, char **argv) {
    static const struct service *const services[] = { &trigger_service, NULL };
    static const struct runtime_defaults defaults = {
        .program = "penstock-trigger",
        .about = "Owns time and arrivals: fires due timers, stores events and finds who waits for them. Run as many as you like:\n"
                 "shards of timers and partitions of events are shared among them.",
        .admin_listen = "127.0.0.1:8031",
    };

    return runtime_main(argc, argv, services, &defaults);
}

#pragma once
/* Turns a list of services into a process: configuration, world, admin port, a thread and a loop for each, shutdown. */

#include "runtime/service.h"

/* The main of a service: reads the configuration (environment and flags), runs until SIGTERM or SIGINT, returns the exit code: 0
 * stopped, 1 could not go on, 2 bad configuration. `services` ends with NULL. `defaults` may be NULL. */
struct runtime_defaults {
    const char *program;      /* for --help */
    const char *about;        /* one paragraph for --help */
    const char *listen;       /* PENSTOCK_LISTEN if not set; may be NULL */
    const char *admin_listen;
    bool embedded;            /* store and bus default to files below PENSTOCK_DATA; a master key is made there */
};

int runtime_main(int argc, char **argv, const struct service *const *services, const struct runtime_defaults *defaults);

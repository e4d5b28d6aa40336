#pragma once
/* All that a service may use of the world. The runtime builds a real one from the configuration; the simulator builds its own. No
 * service can tell the difference, and none opens a connection itself. */

#include "bus/bus.h"
#include "store/store.h"
#include "system/clock.h"
#include "system/config.h"
#include "system/log.h"
#include "system/metrics.h"

struct world {
    const struct config *config;
    struct clock clock;
    struct log *log;
    struct metrics *metrics;
    struct store *store;
    struct bus *bus;
    const char *name; /* of this replica */
    bool embedded;    /* `penstock dev` */
};

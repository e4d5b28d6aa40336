#pragma once
/* A world in memory whose time stands still until the test moves it. Several may share a store and a bus, as replicas do. */

#include "runtime/world.h"

struct fake_world {
    struct world world;
    struct config config;
    int64_t now_ms, monotonic_ms;
    uint64_t random;
    bool owns;
};

/* `share` (may be NULL): whose store and bus to use; it is closed last. */
void fake_world_open(struct fake_world *fake, const char *name, const struct fake_world *share);
void fake_world_close(struct fake_world *fake);
void fake_world_pass(struct fake_world *fake, int64_t ms);

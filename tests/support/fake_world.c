#include "tests/support/fake_world.h"

#include <string.h>

#include "common/assert.h"
#include "tests/support/fake_store.h"

static int64_t now_ms(void *user) {
    const struct fake_world *fake = user;

    return fake->now_ms;
}

static int64_t monotonic_ms(void *user) {
    const struct fake_world *fake = user;

    return fake->monotonic_ms;
}

static void fill_random(void *user, void *bytes, size_t size) {
    struct fake_world *fake = user;
    unsigned char *out = bytes;

    for (size_t i = 0; i < size; i++) {
        fake->random = fake->random * 6364136223846793005u + 1442695040888963407u;
        out[i] = (unsigned char)(fake->random >> 56);
    }
}

static bool open_bus(struct fake_world *fake) {
    struct bus_options options = { .client_id = fake->world.name, .partitions = 1, .timeout_ms = 1000, .clock = &fake->world.clock };
    struct err err;

    return bus_open("memory:", &options, &fake->world.bus, &err);
}

void fake_world_open(struct fake_world *fake, const char *name, const struct fake_world *share) {
    *fake = (struct fake_world){ .now_ms = 1000 * 1000, .monotonic_ms = 5000, .random = (uint64_t)strlen(name) * 77 + (unsigned char)name[0],
        .owns = !share };
    fake->config.events_keep_s = 60;
    fake->world = (struct world){ .config = &fake->config, .clock = { now_ms, monotonic_ms, fill_random, fake }, .log = log_new("test", LOG_OFF),
        .metrics = metrics_new(), .name = name };
    if (share) {
        fake->world.store = share->world.store;
        fake->world.bus = share->world.bus;
        return;
    }
    fake->world.store = fake_store_new(fake->world.clock);
    bool opened = open_bus(fake);
    assert(opened);
}

void fake_world_close(struct fake_world *fake) {
    if (fake->owns) {
        bus_close(fake->world.bus);
        store_close(fake->world.store);
    }
    metrics_free(fake->world.metrics);
    log_free(fake->world.log);
}

void fake_world_pass(struct fake_world *fake, int64_t ms) {
    fake->now_ms += ms;
    fake->monotonic_ms += ms;
}

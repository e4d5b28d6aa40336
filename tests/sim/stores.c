#include "tests/sim/stores.h"

#include "store/store_internal.h"

struct store *stores_memory(struct clock clock) {
    return store_memory_new(clock);
}

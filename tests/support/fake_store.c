#include "tests/support/fake_store.h"

#include "store/store_internal.h"

struct store *fake_store_new(struct clock clock) {
    return store_memory_new(clock);
}

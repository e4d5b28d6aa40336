#pragma once
/* The memory store with a clock of our own; apart, as the store's internals and the bus both have a `struct batch`. */

#include "system/clock.h"

struct store;

struct store *fake_store_new(struct clock clock);

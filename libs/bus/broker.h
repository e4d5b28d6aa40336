#pragma once
/* A broker inside the process: the whole of the memory bus, and with a spool under it the embedded bus.
 *
 * One lock guards everything that threads share; nothing is written or read on disk while it is held.
 * Publishers write by leader and followers: the first to come writes what all have queued, one block,
 * one sync, and hands the lead to the next. A lone publisher therefore pays no change of threads. */

#include "bus/bus_internal.h"

struct broker_options {
    int32_t partitions;
    const struct clock *clock;
    const char *path; /* NULL: in memory only */
    struct embedded_limits limits;
};

/* Errors as spool_open. */
MUST_USE bool broker_open(const struct broker_options *options, struct bus **ret, struct err *err);

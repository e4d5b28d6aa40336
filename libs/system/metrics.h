#pragma once
/* Counters, gauges and histograms, written out in Prometheus' text format. Each thread updates with
 * relaxed atomics: no locks on the way. The names are the rows of metrics.def. */

#include "common/buf.h"

enum metric {
#define METRIC(code, kind, name, help) METRIC_##code,
#include "system/metrics.def"
#undef METRIC
    METRIC_COUNT,
};

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount);
void metrics_set(struct metrics *metrics, enum metric metric, int64_t value);
void metrics_observe(struct metrics *metrics, enum metric metric, double seconds); /* histograms */
int64_t metrics_get(const struct metrics *metrics, enum metric metric);
void metrics_write(const struct metrics *metrics, struct buf *buf);

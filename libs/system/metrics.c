#include "system/metrics.h"

#include <stdlib.h>

#include "common/assert.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };

enum { CACHE_LINE = 64, NS_PER_S = 1000 * 1000 * 1000, OBSERVED_MAX_S = 1000 * 1000 };

static const struct {
    enum kind kind;
    const char *name;
    const char *help;
} rows[METRIC_COUNT] = {
#define METRIC(code, kind, name, help) [METRIC_##code] = { kind, name, help },
#include "system/metrics.def"
#undef METRIC
};

/* Upper bounds as they are written, and in nanoseconds; above the last is +Inf. */
static const struct {
    const char *text;
    int64_t ns;
} bounds[] = {
    { "0.0005", 500 * 1000 },
    { "0.001", 1000 * 1000 },
    { "0.0025", 2500 * 1000 },
    { "0.005", 5000 * 1000 },
    { "0.01", 10 * 1000 * 1000 },
    { "0.025", 25 * 1000 * 1000 },
    { "0.05", 50 * 1000 * 1000 },
    { "0.1", 100 * 1000 * 1000 },
    { "0.25", 250 * 1000 * 1000 },
    { "0.5", 500 * 1000 * 1000 },
    { "1", 1000LL * 1000 * 1000 },
    { "2.5", 2500LL * 1000 * 1000 },
    { "5", 5000LL * 1000 * 1000 },
    { "10", 10000LL * 1000 * 1000 },
    { "30", 30000LL * 1000 * 1000 },
    { "60", 60000LL * 1000 * 1000 },
};

enum { BOUND_COUNT = ARRAY_SIZE(bounds) };

/* On cache lines of its own, so that threads that count different things do not slow each other. */
struct cell {
    _Alignas(CACHE_LINE) int64_t value; /* of a histogram: the sum in nanoseconds */
    int64_t buckets[BOUND_COUNT + 1];   /* each alone, not cumulative */
};

struct metrics {
    struct cell cells[METRIC_COUNT];
};

struct metrics *metrics_new(void) {
    struct metrics *metrics = aligned_alloc(CACHE_LINE, sizeof(*metrics));

    assert(metrics);
    *metrics = (struct metrics){ 0 };
    return metrics;
}

void metrics_free(struct metrics *metrics) {
    free(metrics);
}

static void add(int64_t *value, int64_t amount) {
    __atomic_fetch_add(value, amount, __ATOMIC_RELAXED);
}

static int64_t get(const int64_t *value) {
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

void metrics_add(struct metrics *metrics, enum metric metric, int64_t amount) {
    assert(metric < METRIC_COUNT);
    assert(rows[metric].kind == GAUGE || (rows[metric].kind == COUNTER && amount >= 0));
    add(&metrics->cells[metric].value, amount);
}

void metrics_set(struct metrics *metrics, enum metric metric, int64_t value) {
    assert(metric < METRIC_COUNT);
    assert(rows[metric].kind == GAUGE);
    __atomic_store_n(&metrics->cells[metric].value, value, __ATOMIC_RELAXED);
}

void metrics_observe(struct metrics *metrics, enum metric metric, double seconds) {
    struct cell *cell = &metrics->cells[metric];
    size_t bucket = 0;

    assert(metric < METRIC_COUNT);
    assert(rows[metric].kind == HISTOGRAM);
    /* Clocks of two machines may disagree: what seems to have taken less than nothing took nothing. */
    if (!(seconds > 0)) seconds = 0;
    int64_t ns = (int64_t)(MIN(seconds, (double)OBSERVED_MAX_S) * NS_PER_S);
    while (bucket < BOUND_COUNT && ns > bounds[bucket].ns)
        bucket++;
    add(&cell->value, ns);
    add(&cell->buckets[bucket], 1);
}

static int64_t observations(const struct cell *cell) {
    int64_t count = 0;

    for (size_t i = 0; i <= BOUND_COUNT; i++)
        count += get(&cell->buckets[i]);
    return count;
}

int64_t metrics_get(const struct metrics *metrics, enum metric metric) {
    const struct cell *cell = &metrics->cells[metric];

    assert(metric < METRIC_COUNT);
    return rows[metric].kind == HISTOGRAM ? observations(cell) : get(&cell->value);
}

static void write_histogram(const struct cell *cell, const char *name, struct buf *buf) {
    int64_t below = 0;

    for (size_t i = 0; i < BOUND_COUNT; i++) {
        below += get(&cell->buckets[i]);
        buf_append_format(
                buf, "%s_bucket{le=\"%s\"} %lld\n", name, bounds[i].text, (long long)below);
    }
    below += get(&cell->buckets[BOUND_COUNT]);
    buf_append_format(buf, "%s_bucket{le=\"+Inf\"} %lld\n", name, (long long)below);
    buf_append_format(buf, "%s_sum %.9f\n", name, (double)get(&cell->value) / NS_PER_S);
    /* From what was summed above: it may not differ from +Inf while other threads count on. */
    buf_append_format(buf, "%s_count %lld\n", name, (long long)below);
}

void metrics_write(const struct metrics *metrics, struct buf *buf) {
    static const char *const kinds[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"
    };

    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct cell *cell = &metrics->cells[i];
        buf_append_format(buf, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].help,
                rows[i].name, kinds[rows[i].kind]);
        if (rows[i].kind == HISTOGRAM) {
            write_histogram(cell, rows[i].name, buf);
        } else {
            buf_append_format(buf, "%s %lld\n", rows[i].name, (long long)get(&cell->value));
        }
    }
}

#include <stdlib.h>

#include "common/assert.h"
#include "store/store_internal.h"
#include "tests/sim/faults_point.h"

struct faulty {
    struct store *inner;
    struct faults_plan *plan;
};

static bool away(struct err *err) {
    return err_set(err, ERR_UNAVAILABLE, "simulated: the store is away");
}

static bool ping(void *state, int64_t timeout_ms, struct err *err) {
    (void)state, (void)timeout_ms, (void)err;
    return true;
}

static bool now(void *state, int64_t *ret_ms, struct err *err) {
    struct faulty *faulty = state;
    return faulty->inner->backend->now(faulty->inner->state, ret_ms, err);
}

static bool get_many(void *state, const struct id_list *list, struct arena *arena, const struct record **ret_records, struct err *err) {
    struct faulty *faulty = state;
    enum point point = point_enter(faulty->plan);

    if (point == POINT_FAIL) return away(err);
    bool ok = faulty->inner->backend->get_many(faulty->inner->state, list, arena, ret_records, err);
    return point_fails(faulty->plan, point) ? away(err) : ok;
}

/* A write: what was done or not is not known to the caller after a failure. */
typedef bool (*write_many)(void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err);

static bool write(struct faulty *faulty, write_many inner, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    enum point point = point_enter(faulty->plan);
    bool ok = point == POINT_FAIL || inner(faulty->inner->state, batch, ret_verdicts, err);

    if (point != POINT_FAIL && !point_fails(faulty->plan, point)) return ok;
    batch_set_all(ret_verdicts, batch->count, VERDICT_UNKNOWN);
    return err_set(err, ERR_UNKNOWN, "simulated: no answer");
}

static bool insert_many(void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    struct faulty *faulty = state;
    return write(faulty, faulty->inner->backend->insert_many, batch, ret_verdicts, err);
}

static bool put_many(void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    struct faulty *faulty = state;
    return write(faulty, faulty->inner->backend->put_many, batch, ret_verdicts, err);
}

static bool compare_and_set(void *state, const struct batch *one, int64_t expected, bool *ret_won, struct err *err) {
    struct faulty *faulty = state;
    enum point point = point_enter(faulty->plan);

    if (point == POINT_FAIL) return away(err);
    bool ok = faulty->inner->backend->compare_and_set(faulty->inner->state, one, expected, ret_won, err);
    return point_fails(faulty->plan, point) ? err_set(err, ERR_UNKNOWN, "simulated: no answer") : ok;
}

static bool delete_many(void *state, const struct id_list *list, struct err *err) {
    struct faulty *faulty = state;
    enum point point = point_enter(faulty->plan);

    if (point == POINT_FAIL) return away(err);
    bool ok = faulty->inner->backend->delete_many(faulty->inner->state, list, err);
    return point_fails(faulty->plan, point) ? away(err) : ok;
}

static bool find(void *state, const struct find *find, struct arena *arena, struct found *ret, struct err *err) {
    struct faulty *faulty = state;
    enum point point = point_enter(faulty->plan);

    if (point == POINT_FAIL) return away(err);
    bool ok = faulty->inner->backend->find(faulty->inner->state, find, arena, ret, err);
    return point_fails(faulty->plan, point) ? away(err) : ok;
}

static bool count(void *state, const struct find *find, int64_t *ret_count, struct err *err) {
    struct faulty *faulty = state;
    return faulty->inner->backend->count(faulty->inner->state, find, ret_count, err);
}

static void close_faulty(void *state) {
    free(state);
}

struct store *faults_store(struct store *inner, struct faults_plan *plan) {
    static const struct store_backend backend = { ping, now, get_many, insert_many, put_many, compare_and_set, delete_many, find, count,
        close_faulty };
    struct faulty *faulty = calloc(1, sizeof(*faulty));

    assert(faulty);
    *faulty = (struct faulty){ inner, plan };
    return store_new(&backend, faulty);
}

/* Two and three replicas on one store, in a time of our own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "services/trigger/leases.h"
#include "tests/support/fake_world.h"

enum { REPLICAS_MAX = 3, LEASE_MS = 15000, RENEW_MS = 5000 };

struct replica {
    struct fake_world fake;
    struct leases *leases; /* NULL: down */
};

struct cluster {
    struct arena *arena;
    struct replica replicas[REPLICAS_MAX];
    size_t count;
};

static void open_cluster(struct cluster *cluster, size_t count) {
    static const char *const names[REPLICAS_MAX] = { "alpha", "beta", "gamma" };

    *cluster = (struct cluster){ .arena = arena_new(), .count = count };
    for (size_t i = 0; i < count; i++) {
        fake_world_open(&cluster->replicas[i].fake, names[i], i ? &cluster->replicas[0].fake : NULL);
        cluster->replicas[i].leases = leases_new(&cluster->replicas[i].fake.world);
    }
}

static void close_cluster(struct cluster *cluster) {
    for (size_t i = cluster->count; i-- > 0;) {
        leases_free(cluster->replicas[i].leases);
        fake_world_close(&cluster->replicas[i].fake);
    }
    arena_free(cluster->arena);
}

static void pass(struct cluster *cluster, int64_t ms) {
    for (size_t i = 0; i < cluster->count; i++) fake_world_pass(&cluster->replicas[i].fake, ms);
}

static void renew(struct cluster *cluster, size_t number) {
    struct err err;

    if (cluster->replicas[number].leases) assert_true(leases_renew(cluster->replicas[number].leases, cluster->arena, &err));
}

static size_t held(struct cluster *cluster, size_t number) {
    struct leases *leases = cluster->replicas[number].leases;

    return leases ? json_size(leases_held(leases, cluster->arena)) : 0;
}

/* No shard is with two, and so many are with nobody. */
static size_t assert_disjoint(struct cluster *cluster) {
    int owners[HEAD_SHARDS] = { 0 };
    size_t free_ones = 0;

    for (size_t i = 0; i < cluster->count; i++) {
        if (!cluster->replicas[i].leases) continue;
        struct json shards = leases_held(cluster->replicas[i].leases, cluster->arena);
        for (size_t s = 0; s < json_size(shards); s++) owners[json_int64_or(json_at(shards, s), 0)]++;
    }
    for (size_t s = 0; s < HEAD_SHARDS; s++) {
        assert_in_range(owners[s], 0, 1);
        free_ones += owners[s] == 0;
    }
    return free_ones;
}

static void run(struct cluster *cluster, int rounds) {
    for (int i = 0; i < rounds; i++) {
        for (size_t r = 0; r < cluster->count; r++) renew(cluster, r);
        assert_disjoint(cluster);
        pass(cluster, RENEW_MS);
    }
    for (size_t r = 0; r < cluster->count; r++) renew(cluster, r);
}

static void test_alone(void **state) {
    struct cluster cluster;

    (void)state;
    open_cluster(&cluster, 1);
    assert_int_equal(held(&cluster, 0), 0);
    renew(&cluster, 0);
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS);
    assert_int_equal(leases_next_ms(cluster.replicas[0].leases), cluster.replicas[0].fake.monotonic_ms + RENEW_MS);
    run(&cluster, 5);
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS);
    /* Without a renewal they are not ours any more, before they are another's. */
    pass(&cluster, LEASE_MS - 1);
    assert_int_equal(held(&cluster, 0), 0);
    renew(&cluster, 0);
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS);
    close_cluster(&cluster);
}

static void test_fair_share(void **state) {
    struct cluster cluster;

    (void)state;
    open_cluster(&cluster, 2);
    renew(&cluster, 0);
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS);
    run(&cluster, 4);
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS / 2);
    assert_int_equal(held(&cluster, 1), HEAD_SHARDS / 2);
    assert_int_equal(assert_disjoint(&cluster), 0);
    close_cluster(&cluster);
    open_cluster(&cluster, 3);
    run(&cluster, 6);
    for (size_t i = 0; i < 3; i++) assert_in_range(held(&cluster, i), HEAD_SHARDS / 4, HEAD_SHARDS * 3 / 8);
    assert_int_equal(assert_disjoint(&cluster), 0);
    close_cluster(&cluster);
}

/* One that is gone without a word is replaced within a lease and a renewal. */
static void test_takeover(void **state) {
    struct cluster cluster;

    (void)state;
    open_cluster(&cluster, 2);
    run(&cluster, 4);
    leases_free(cluster.replicas[0].leases);
    cluster.replicas[0].leases = NULL;
    assert_int_equal(assert_disjoint(&cluster), HEAD_SHARDS / 2);
    for (int64_t waited = 0; waited <= LEASE_MS; waited += RENEW_MS) {
        pass(&cluster, RENEW_MS);
        renew(&cluster, 1);
    }
    assert_int_equal(held(&cluster, 1), HEAD_SHARDS);
    close_cluster(&cluster);
}

/* One that says goodbye is replaced at the next renewal. */
static void test_release(void **state) {
    struct cluster cluster;

    (void)state;
    open_cluster(&cluster, 2);
    run(&cluster, 4);
    leases_release(cluster.replicas[0].leases, cluster.arena);
    assert_int_equal(held(&cluster, 0), 0);
    renew(&cluster, 1);
    assert_int_equal(held(&cluster, 1), HEAD_SHARDS);
    close_cluster(&cluster);
}

/* A replica that was held up comes back to find its shards another's, and believes it. */
static void test_sleeper(void **state) {
    struct cluster cluster;

    (void)state;
    open_cluster(&cluster, 2);
    run(&cluster, 4);
    for (int i = 0; i < 5; i++) {
        pass(&cluster, RENEW_MS);
        renew(&cluster, 1);
        assert_disjoint(&cluster);
    }
    assert_int_equal(held(&cluster, 0), 0);
    assert_int_equal(held(&cluster, 1), HEAD_SHARDS);
    run(&cluster, 3);
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS / 2);
    assert_int_equal(assert_disjoint(&cluster), 0);
    close_cluster(&cluster);
}

/* Replicas that went without a word leave nothing behind for ever. */
static void test_owners_are_forgotten(void **state) {
    enum { RESTARTS = 400 };
    struct query query = { .limit = 512 };
    struct cluster cluster;
    const struct record *records;
    struct err err;
    size_t count;

    (void)state;
    open_cluster(&cluster, 2);
    for (int i = 0; i < RESTARTS; i++) {
        renew(&cluster, 0);
        leases_free(cluster.replicas[0].leases);
        cluster.replicas[0].leases = leases_new(&cluster.replicas[0].fake.world);
        pass(&cluster, LEASE_MS);
        if (i % 10 == 0) arena_reset(cluster.arena);
    }
    run(&cluster, 4);
    assert_int_equal(held(&cluster, 0) + held(&cluster, 1), HEAD_SHARDS);
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS / 2);
    assert_true(store_find(cluster.replicas[0].fake.world.store, COLLECTION_LEASES, &query, cluster.arena, &records, &count, NULL, &err));
    assert_true(count < 64);
    close_cluster(&cluster);
}

static void test_embedded(void **state) {
    struct cluster cluster;

    (void)state;
    open_cluster(&cluster, 1);
    cluster.replicas[0].fake.world.embedded = true;
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS);
    renew(&cluster, 0);
    pass(&cluster, 10 * LEASE_MS);
    assert_int_equal(held(&cluster, 0), HEAD_SHARDS);
    leases_release(cluster.replicas[0].leases, cluster.arena);
    close_cluster(&cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_fair_share),
        cmocka_unit_test(test_takeover),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_sleeper),
        cmocka_unit_test(test_owners_are_forgotten),
        cmocka_unit_test(test_embedded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

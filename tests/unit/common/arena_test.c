#include "common/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_alignment_and_zeroes(void **state) {
    struct arena *arena = arena_new();
    (void)state;

    for (size_t size = 0; size < 100; size++) {
        char *memory = arena_alloc(arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 8, 0);
        memset(memory, 0xFF, size);
    }
    arena_reset(arena);
    unsigned char *zeroes = arena_zalloc(arena, 25, 4);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeroes[i], 0);
    arena_free(arena);
    arena_free(NULL);
}

/* Blocks of many sizes keep what was written to them. */
static void test_blocks_do_not_overlap(void **state) {
    enum { BLOCKS = 2000 };
    struct arena *arena = arena_new();
    unsigned char *blocks[BLOCKS];
    (void)state;

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t size = i % 500 == 499 ? 100 * 1000 : i % 97;
            blocks[i] = arena_alloc(arena, size);
            memset(blocks[i], (int)(i % 251), size);
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t size = i % 500 == 499 ? 100 * 1000 : i % 97;
            for (size_t j = 0; j < size; j++)
                assert_int_equal(blocks[i][j], i % 251);
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

static void test_used(void **state) {
    struct arena *arena = arena_new();
    (void)state;

    assert_int_equal(arena_used(arena), 0);
    (void)arena_alloc(arena, 3);
    assert_int_equal(arena_used(arena), 8);
    (void)arena_alloc(arena, 16);
    assert_int_equal(arena_used(arena), 24);
    (void)arena_alloc(arena, 10 * 1000 * 1000);
    assert_int_equal(arena_used(arena), 24 + 10 * 1000 * 1000);
    arena_reset(arena);
    assert_int_equal(arena_used(arena), 0);
    (void)arena_alloc(arena, 8);
    arena_free(arena);
}

static void test_typed(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    uint64_t *one = arena_new_one(arena, uint64_t), *many = arena_new_many(arena, uint64_t, 1000);
    (void)state;

    assert_int_equal(*one, 0);
    assert_int_equal(many[999], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_zeroes),
        cmocka_unit_test(test_blocks_do_not_overlap),
        cmocka_unit_test(test_used),
        cmocka_unit_test(test_typed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "common/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 9562, A.6. */
static void test_v7_example(void **state) {
    static const uint8_t random[10] = { 0x0C, 0xC3, 0x18, 0xC4, 0xDC, 0x0C, 0x0C, 0x07, 0x39,
        0x8F };
    char text[UUID_TEXT_SIZE];
    (void)state;

    struct str id = uuid_v7(0x017F22E279B0, random, text);
    assert_true(str_equal(id, STR("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")));
    assert_true(uuid_is_valid(id));
    assert_int_equal(text[UUID_TEXT_SIZE - 1], '\0');
}

static int compare_ids(const void *a, const void *b) {
    return memcmp(a, b, UUID_TEXT_SIZE);
}

/* Ids sort by time, and within a millisecond differ. */
static void test_v7_order_and_uniqueness(void **state) {
    enum { COUNT = 20000, PER_MS = 16 };
    char(*ids)[UUID_TEXT_SIZE] = calloc(COUNT, sizeof(*ids));
    uint64_t seed = 20260729;
    (void)state;

    assert_non_null(ids);
    for (int i = 0; i < COUNT; i++) {
        uint8_t random[10];
        for (size_t j = 0; j < sizeof(random); j++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            random[j] = (uint8_t)(seed >> 56);
        }
        struct str id = uuid_v7(1785326400000 + i / PER_MS, random, ids[i]);
        assert_true(uuid_is_valid(id));
        assert_int_equal(ids[i][14], '7');
        assert_true(strchr("89ab", ids[i][19]) != NULL);
        if (i >= PER_MS) assert_true(memcmp(ids[i - PER_MS], ids[i], 13) < 0);
    }
    qsort(ids, COUNT, sizeof(*ids), compare_ids);
    for (int i = 1; i < COUNT; i++)
        assert_true(memcmp(ids[i - 1], ids[i], UUID_TEXT_SIZE) < 0);
    free(ids);
}

static void test_v8(void **state) {
    const struct str ab[] = { STR("a"), STR("b") }, joined[] = { STR("ab") },
                     moved[] = { STR("ab"), STR("") };
    char one[UUID_TEXT_SIZE], two[UUID_TEXT_SIZE];
    (void)state;

    struct str id = uuid_v8(ab, 2, one);
    assert_true(uuid_is_valid(id));
    assert_int_equal(one[14], '8');
    assert_true(strchr("89ab", one[19]) != NULL);
    assert_true(str_equal(uuid_v8(ab, 2, two), id)); /* the same parts, the same id */
    assert_false(str_equal(uuid_v8(joined, 1, two), id));
    assert_false(str_equal(uuid_v8(moved, 2, two), id));
    assert_false(str_equal(uuid_v8(ab, 1, two), id));
    assert_true(uuid_is_valid(uuid_v8(NULL, 0, two)));
    /* Stored ids depend on it: it may never change. */
    assert_string_equal(one, "3c9d5910-45bc-8876-b9d0-399bbfb05c6a");
}

static void test_validity(void **state) {
    static const char *const wrong[] = { "", "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e279b07cc398c4dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", "017f22e2+79b0-7cc3-98c4-dc0c0c07398f",
        "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}" };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(uuid_is_valid(str_from(wrong[i])));
    assert_true(uuid_is_valid(STR("00000000-0000-0000-0000-000000000000")));
    assert_true(uuid_is_valid(STR("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v7_example),
        cmocka_unit_test(test_v7_order_and_uniqueness),
        cmocka_unit_test(test_v8),
        cmocka_unit_test(test_validity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "examples/order-fulfilment/orders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

enum { FILE_MAX = 4 * 1024 * 1024 };

static void read_text(const char *text, struct arena *arena, struct order **ret, size_t *ret_count) {
    struct err err;

    assert_true(orders_read(str_from(text), arena, ret, ret_count, &err));
}

#define ORDER(id, customer, items, token, carrier)                                                 \
    "{\"orderId\":\"" id "\",\"customer\":{\"id\":\"" customer "\",\"name\":\"x\"},\"items\":[" items "]," \
    "\"taxPercent\":19,\"payment\":{\"token\":\"" token "\"},\"carrier\":\"" carrier "\",\"handOverWithin\":\"PT1S\"}\n"
#define TEA "{\"sku\":\"tea\",\"quantity\":3,\"unitPriceCents\":333,\"discountPercent\":10}"
#define SOLD_OUT "{\"sku\":\"sold-out-x\",\"quantity\":1,\"unitPriceCents\":1}"

static void what_an_order_is_decides_how_it_ends(void **state) {
    static const enum outcome expected[] = { OUTCOME_COMPLETED, OUTCOME_NOT_HANDED_OVER, OUTCOME_DECLINED_CARD,
        OUTCOME_DECLINED_CREDIT, OUTCOME_OUT_OF_STOCK, OUTCOME_OUT_OF_STOCK, OUTCOME_SAME_INSTANCE, OUTCOME_CONFLICT,
        OUTCOME_NOT_JSON, OUTCOME_BREAKS_SCHEMA };
    struct order *orders;
    size_t count;

    read_text(ORDER("a", "c-1", TEA, "tok-visa", "post") ORDER("b", "c-1", TEA, "tok-busy3", "lost")
                    ORDER("c", "c-1", TEA, "tok-declined", "lost") ORDER("d", "blocked-1", TEA, "tok-declined", "post")
                            ORDER("e", "c-1", TEA "," SOLD_OUT, "tok-visa", "post") ORDER("f", "blocked-1", SOLD_OUT, "tok-visa", "bulk")
                                    ORDER("a", "c-1", TEA, "tok-visa", "post") ORDER("a", "c-2", TEA, "tok-visa", "post")
                                            "{\"orderId\":\n" ORDER("g", "c-1", "", "tok-visa", "post"),
            *state, &orders, &count);
    assert_int_equal(count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < count; i++) assert_int_equal(orders[i].expected, expected[i]);
    assert_ptr_equal(orders[6].first, &orders[0]);
    assert_null(orders[1].first);
}

static void totals_are_rounded_by_line_and_by_tax(void **state) {
    struct order *orders;
    size_t count;

    /* 3 × 333 = 999, less 10 %: 899.1 → 899; 19 % of it 170.81 → 171. */
    read_text(ORDER("a", "c-1", TEA, "tok-visa", "post"), *state, &orders, &count);
    assert_int_equal(orders[0].total_cents, 899 + 171);
}

static void the_committed_orders_are_what_they_were_made_to_be(void **state) {
    static const size_t expected[OUTCOME_COUNT] = { [OUTCOME_COMPLETED] = 410, [OUTCOME_DECLINED_CARD] = 26,
        [OUTCOME_DECLINED_CREDIT] = 16, [OUTCOME_OUT_OF_STOCK] = 22, [OUTCOME_NOT_HANDED_OVER] = 18,
        [OUTCOME_SAME_INSTANCE] = 4, [OUTCOME_CONFLICT] = 2, [OUTCOME_NOT_JSON] = 1, [OUTCOME_BREAKS_SCHEMA] = 1 };
    size_t got[OUTCOME_COUNT] = { 0 }, count;
    FILE *file = fopen("examples/order-fulfilment/orders.jsonl", "r");
    struct arena *arena = *state;
    char *text = arena_alloc(arena, FILE_MAX);
    struct order *orders;
    int64_t most = 0;

    assert_non_null(file);
    text[fread(text, 1, FILE_MAX - 1, file)] = '\0';
    fclose(file);
    read_text(text, arena, &orders, &count);
    for (size_t i = 0; i < count; i++) {
        got[orders[i].expected]++;
        most = MAX(most, orders[i].total_cents);
    }
    assert_int_equal(count, 500);
    assert_memory_equal(got, expected, sizeof(got));
    /* Beyond 32 bits by far, and exact in a double even where it is multiplied by a hundred. */
    assert_true(most > 1000000000000 && most < 70000000000000);
}

static int setup(void **state) {
    *state = arena_new();
    return 0;
}

static int teardown(void **state) {
    arena_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_order_is_decides_how_it_ends),
        cmocka_unit_test(totals_are_rounded_by_line_and_by_tax),
        cmocka_unit_test(the_committed_orders_are_what_they_were_made_to_be),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

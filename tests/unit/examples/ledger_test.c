#include "examples/order-fulfilment/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/json.h"

static struct json read_ledger(const struct ledger *ledger, struct arena *arena) {
    struct json value;
    struct buf buf;
    struct err err;

    buf_init(&buf, 1024 * 1024);
    ledger_write(ledger, true, &buf);
    assert_true(json_read(buf_str(&buf), NULL, arena, &value, NULL, &err));
    buf_clear(&buf);
    return value;
}

static int64_t total(struct json ledger, const char *name) {
    return json_int64_or(json_get(json_get(ledger, STR("totals")), str_from(name)), -1);
}

static void work_under_two_keys_is_a_duplicate(void **state) {
    struct ledger *ledger = ledger_new();
    struct arena *arena = arena_new();

    (void)state;
    ledger_order(ledger, STR("a"))->charges = 2;
    ledger_order(ledger, STR("b"))->charges = 1;
    ledger_order(ledger, STR("b"))->reservations = 3;
    ledger_order(ledger, STR("b"))->repeats = 5;
    struct json written = read_ledger(ledger, arena);
    assert_int_equal(total(written, "orders"), 2);
    assert_int_equal(total(written, "charges"), 3);
    assert_int_equal(total(written, "duplicates"), 1 + 2);
    assert_int_equal(total(written, "repeats"), 5);
    arena_free(arena);
    ledger_free(ledger);
}

static void an_answer_is_found_by_its_key(void **state) {
    struct ledger *ledger = ledger_new();
    char key[] = "i/1/0";
    struct ledger_answer answer = { .key = str_from(key), .request_hash = 7, .status = 503, .body = STR("{}"), .uses = 1 };

    (void)state;
    assert_null(ledger_find_answer(ledger, STR("i/1/0")));
    assert_true(ledger_keep_answer(ledger, &answer));
    /* It was copied. */
    key[0] = 'x';
    struct ledger_answer *found = ledger_find_answer(ledger, STR("i/1/0"));
    assert_non_null(found);
    assert_int_equal(found->status, 503);
    assert_null(ledger_find_answer(ledger, STR("x/1/0")));
    ledger_free(ledger);
}

static void many_orders_are_all_found_again(void **state) {
    struct ledger *ledger = ledger_new();
    char name[32];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "order-%d", i);
        ledger_order(ledger, str_from(name))->charges = i;
    }
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "order-%d", i);
        assert_int_equal(ledger_find_order(ledger, str_from(name))->charges, i);
    }
    assert_null(ledger_find_order(ledger, STR("order-20000")));
    ledger_free(ledger);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_under_two_keys_is_a_duplicate),
        cmocka_unit_test(an_answer_is_found_by_its_key),
        cmocka_unit_test(many_orders_are_all_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

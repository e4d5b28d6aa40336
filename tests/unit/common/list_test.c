#include "common/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct item {
    int number;
    struct list list;
};

static void test_order(void **state) {
    struct item items[5];
    struct list head;
    int expected = 0;
    (void)state;

    list_init(&head);
    assert_true(list_is_empty(&head));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_append(&head, &items[i].list);
    }
    assert_false(list_is_empty(&head));
    list_foreach(it, &head) {
        assert_int_equal(list_entry(it, struct item, list)->number, expected++);
    }
    assert_int_equal(expected, 5);
}

static void test_remove(void **state) {
    struct item items[5];
    struct list head;
    int sum = 0;
    (void)state;

    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_append(&head, &items[i].list);
    }
    list_remove(&items[0].list);
    list_remove(&items[4].list);
    list_remove(&items[4].list); /* one that is in no list is left alone */
    list_foreach(it, &head) {
        struct item *item = list_entry(it, struct item, list);
        sum += item->number;
        list_remove(it);
    }
    assert_int_equal(sum, 1 + 2 + 3);
    assert_true(list_is_empty(&head));
    list_append(&head, &items[0].list);
    assert_ptr_equal(head.next, &items[0].list);
    assert_ptr_equal(head.prev, &items[0].list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

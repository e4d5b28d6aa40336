#include "calls/entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/arena.h"

static struct entries *entries;
static struct arena *arena;

static int set_up(void **state) {
    (void)state;
    entries = malloc(sizeof(*entries));
    arena = arena_new();
    entries_init(entries);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    entries_clear(entries);
    free(entries);
    arena_free(arena);
    return 0;
}

static struct entry *add(int number) {
    struct delivery delivery = { "topic", 0, number, 1 };
    struct entry *entry = entries_add(entries, &delivery, 10);
    struct str text = str_format(arena, "{\"instance\":\"i\",\"command\":\"%d.1\",\"call\":{}}", number);
    struct json body;
    struct err err;

    assert_true(json_read(text, NULL, arena, &body, NULL, &err));
    entry_set_task(entries, entry, body);
    return entry;
}

static struct entry *find(int number) {
    char command[16];

    snprintf(command, sizeof(command), "%d.1", number);
    return entries_find(entries, STR("i"), str_from(command));
}

static void test_found_by_command_and_by_tag(void **state) {
    enum { MANY = 10000 };
    static struct entry *all[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++) all[i] = add(i);
    assert_int_equal(entries->count, MANY);
    for (int i = 0; i < MANY; i += 2) entries_remove(entries, all[i]);
    for (int i = 0; i < MANY; i++) assert_ptr_equal(find(i), i % 2 ? all[i] : NULL);
    for (int i = 1; i < MANY; i += 2) assert_ptr_equal(entries_by_tag(entries, all[i]->tag), all[i]);
    assert_null(entries_find(entries, STR("j"), STR("1.1")));
}

static void test_a_tag_of_one_that_is_gone_finds_nothing(void **state) {
    struct entry *entry = add(1);
    uint64_t tag = entry->tag;

    (void)state;
    entries_remove(entries, entry);
    assert_null(entries_by_tag(entries, tag));
    entry = add(2);
    assert_null(entries_by_tag(entries, tag));
    assert_ptr_equal(entries_by_tag(entries, entry->tag), entry);
    assert_null(entries_by_tag(entries, UINT64_MAX));
}

static void test_one_that_is_posted_keeps_its_command(void **state) {
    struct entry *entry = add(1);

    (void)state;
    entry_post(entry, false, entry->task.instance, STR("answer"));
    entries_move(entries, entry, ENTRY_ANSWERED);
    assert_ptr_equal(find(1), entry);
    assert_true(str_equal(entry->posting.key, STR("i")));
    assert_true(str_equal(entry->posting.value, STR("answer")));
}

static void test_one_that_is_dropped_makes_room_for_its_command(void **state) {
    struct entry *dropped = add(1);

    (void)state;
    entries_move(entries, dropped, ENTRY_DROPPED);
    assert_null(find(1));
    assert_int_equal(entries->count, 0);
    assert_ptr_equal(entries_by_tag(entries, dropped->tag), dropped);
    struct entry *next = add(1);
    assert_ptr_equal(find(1), next);
    entries_remove(entries, dropped);
    assert_ptr_equal(find(1), next);
    assert_int_equal(entries->count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_found_by_command_and_by_tag),
        TEST(test_a_tag_of_one_that_is_gone_finds_nothing),
        TEST(test_one_that_is_posted_keeps_its_command),
        TEST(test_one_that_is_dropped_makes_room_for_its_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

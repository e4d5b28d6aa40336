#include "calls/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

static struct arena *arena;

static int set_up(void **state) {
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_free(arena);
    return 0;
}

static struct json parse(const char *text) {
    struct json value;
    struct err err;

    assert_true(json_read(str_from(text), NULL, arena, &value, NULL, &err));
    return value;
}

static void check_text(const struct redact *redact, const char *text, const char *expected) {
    assert_string_equal(str_to_c(redact_text(redact, str_from(text), REDACT_OWN_SIZE_MIN, arena), arena), expected);
}

static void test_every_form_is_found(void **state) {
    struct redact redact = { NULL, 0, 0 };

    (void)state;
    assert_true(redact_add(&redact, parse("{\"token\": \"s\\\"cret/42\", \"pin\": 123456}"), arena));
    check_text(&redact, "Bearer s\"cret/42!", "Bearer ***!");
    check_text(&redact, "twice s\"cret/42s\"cret/42", "twice ******");
    check_text(&redact, "?token=s%22cret%2F42&x=1", "?token=***&x=1");
    check_text(&redact, "{\"echo\":\"s\\\"cret/42\"}", "{\"echo\":\"***\"}");
    check_text(&redact, "Basic cyJjcmV0LzQy", "Basic ***");
    check_text(&redact, "pin 123456.", "pin ***.");
    check_text(&redact, "s\"cret/4 is not it", "s\"cret/4 is not it");
}

static void test_clean_text_is_given_back_as_it_is(void **state) {
    struct redact redact = { NULL, 0, 0 };
    struct str text = STR("nothing here"), empty = STR("");

    (void)state;
    assert_ptr_equal(redact_text(&redact, text, REDACT_OWN_SIZE_MIN, arena).data, text.data);
    assert_true(redact_add_text(&redact, STR("secret"), arena));
    assert_ptr_equal(redact_text(&redact, text, REDACT_OWN_SIZE_MIN, arena).data, text.data);
    assert_int_equal(redact_text(&redact, empty, REDACT_OWN_SIZE_MIN, arena).size, 0);
}

static void test_the_longest_secret_wins(void **state) {
    struct redact redact = { NULL, 0, 0 };

    (void)state;
    assert_true(redact_add_text(&redact, STR("secret"), arena));
    assert_true(redact_add_text(&redact, STR("secret-and-more"), arena));
    assert_true(redact_add_text(&redact, STR("secret-and"), arena));
    check_text(&redact, "a secret-and-more b secret c", "a *** b *** c");
}

static void test_short_secrets_and_user_names_leave_answers_alone(void **state) {
    struct redact redact = { NULL, 0, 0 };

    (void)state;
    assert_true(redact_add(&redact, parse("{\"username\": \"integration-user\", \"password\": \"pw12\", \"x\": \"ab\"}"), arena));
    struct json answer = parse("{\"user\": \"integration-user\", \"code\": \"pw12\"}");
    assert_true(json_equal(redact_json(&redact, answer, arena), answer));
    check_text(&redact, "user integration-user, password pw12, ab", "user integration-user, password ***, ab");
}

static void test_values_are_cleaned_at_any_depth(void **state) {
    struct redact redact = { NULL, 0, 0 };

    (void)state;
    assert_true(redact_add_text(&redact, STR("canary-1"), arena));
    struct json dirty = parse("{\"a\": [1.50, {\"b canary-1\": \"x canary-1 y\"}], \"c\": \"clean\"}");
    struct json clean = redact_json(&redact, dirty, arena);
    assert_string_equal(json_to_str(clean, arena).data, "{\"a\":[1.50,{\"b ***\":\"x *** y\"}],\"c\":\"clean\"}");
    clean = redact_json(&redact, parse("[{\"canary-1\": 1}]"), arena);
    assert_string_equal(json_to_str(clean, arena).data, "[{\"***\":1}]");
}

static void test_too_many_are_refused(void **state) {
    struct redact redact = { NULL, 0, 0 };
    char text[32];
    bool ok = true;

    (void)state;
    for (int i = 0; ok && i < REDACT_SECRETS_MAX; i++) {
        snprintf(text, sizeof(text), "secret number %d", i);
        ok = redact_add_text(&redact, str_from(text), arena);
    }
    assert_false(ok);
    assert_int_equal(redact.count, REDACT_SECRETS_MAX);
}

static void test_wiping_leaves_nothing(void **state) {
    struct redact redact = { NULL, 0, 0 };

    (void)state;
    assert_true(redact_add_text(&redact, STR("secret"), arena));
    struct str needle = redact.needles[0];
    assert_memory_equal(needle.data, "secret", 6);
    redact_wipe(&redact);
    assert_memory_equal(needle.data, "\0\0\0\0\0\0", 6);
    check_text(&redact, "secret", "secret");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_every_form_is_found),
        TEST(test_clean_text_is_given_back_as_it_is),
        TEST(test_the_longest_secret_wins),
        TEST(test_short_secrets_and_user_names_leave_answers_alone),
        TEST(test_values_are_cleaned_at_any_depth),
        TEST(test_too_many_are_refused),
        TEST(test_wiping_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

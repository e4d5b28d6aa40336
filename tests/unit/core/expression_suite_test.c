/* The cases that come with jq 1.8. Those that ask for what 1.6 has not, or has otherwise, or for
 * what we refuse, are listed with the reason; that list is exact, so that nothing can begin to
 * fail, or to pass, unnoticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "expression_cases.h"

enum reason {
    REFUSED,  /* reaches outside: modules, input, debug, $ENV, env */
    LATER,    /* jq 1.6 does otherwise, or does not know it */
    WORDS,    /* an error in the words of a later version */
    DEEP,     /* values or paths deeper than we allow */
    READER,   /* the input is no JSON: nan, a byte order mark; or the text of a reader's error */
    EXACT,    /* big integers compare by all their digits, not as doubles */
    LOCATION, /* $__loc__'s file; a private function; a variable that whoever evaluates may know */
    STREAM,   /* results before an error: an evaluation has either */
    LIBRARY,  /* the regular expression library counts a combining mark as a letter */
};

struct exception {
    int line;
    enum reason reason;
};

static const struct exception jq_exceptions[] = {
    { 48, READER },
    { 1306, READER },
    { 2319, READER },
    { 2324, READER },
    { 2407, READER },
    { 2498, READER },
    { 353, LATER },
    { 373, LATER },
    { 401, LATER },
    { 405, LATER },
    { 512, LATER },
    { 516, LATER },
    { 637, LATER },
    { 915, LATER },
    { 1625, LATER },
    { 2390, LATER },
    { 2516, LATER },
    { 2523, LATER },
    { 560, LOCATION },
    { 1499, LOCATION },
    { 1553, LOCATION },
    { 1557, LOCATION },
    { 2304, LOCATION },
    { 1258, WORDS },
    { 1448, WORDS },
    { 1872, WORDS },
    { 1885, WORDS },
    { 1997, WORDS },
    { 2001, WORDS },
    { 2005, WORDS },
    { 2014, WORDS },
    { 2034, WORDS },
    { 2411, WORDS },
    { 2479, WORDS },
    { 2487, WORDS },
    { 2494, WORDS },
    { 1900, REFUSED },
    { 1904, REFUSED },
    { 1908, REFUSED },
    { 1912, REFUSED },
    { 1917, REFUSED },
    { 1921, REFUSED },
    { 1925, REFUSED },
    { 1929, REFUSED },
    { 1969, REFUSED },
    { 1973, REFUSED },
    { 1977, REFUSED },
    { 1993, REFUSED },
    { 2337, REFUSED },
    { 2341, REFUSED },
    { 2241, EXACT },
    { 2359, STREAM },
    { 2558, DEEP },
    { 2563, DEEP },
    { 2568, DEEP },
    { 2573, DEEP },
    { 2581, DEEP },
    { 2589, DEEP },
    { 2602, DEEP },
    { 2607, DEEP },
    { 2611, DEEP },
    { 2616, DEEP },
    { 2621, DEEP },
    { 2625, DEEP },
    { 2629, DEEP },
    { 2633, DEEP },
};

static const struct exception man_exceptions[] = {
    { 21, EXACT },
    { 341, LOCATION },
    { 686, REFUSED },
    { 690, REFUSED },
    { 903, LATER },
};

static const struct exception onig_exceptions[] = {
    { 32, LIBRARY },
};

static const struct exception base64_exceptions[] = {
    { 40, WORDS },
};

static bool is_excepted(const struct exception *exceptions, size_t count, int line) {
    for (size_t i = 0; i < count; i++) {
        if (exceptions[i].line == line) return true;
    }
    return false;
}

/* Runs a file; `passes` of its cases must pass, and exactly the exceptions must not. */
static void run_file(const char *name, const struct exception *exceptions, size_t exception_count,
        size_t passes) {
    const char *shared = getenv("PENSTOCK_SHARED");
    struct expression_env env = { .now_ms = 1425599621678 };
    struct arena *arena = arena_new();
    struct str path =
            str_format(arena, "%s/data/jq-tests/tests/%s", shared ? shared : "../shared", name);
    struct str text = cases_read(path.data), rest = text;
    struct expression_case test;
    size_t passed = 0, wrong = 0;
    const char *why;
    int line = 0;

    if (!text.data) {
        print_message("skipped: no %s\n", path.data);
        arena_free(arena);
        skip();
    }
    while (cases_next(&rest, &line, &test)) {
        arena_reset(arena);
        bool ok = cases_run(&test, &env, arena, &why);
        passed += ok;
        if (ok != is_excepted(exceptions, exception_count, test.line)) continue;
        wrong++;
        print_message("%s:%d: " STR_FMT "\n    %s\n", name, test.line, STR_ARG(test.program),
                ok ? "passes" : why);
    }
    char *owned = (char *)(uintptr_t)text.data;
    free(owned);
    arena_free(arena);
    assert_int_equal(wrong, 0);
    assert_int_equal(passed, passes);
}

static void passes_jq(void **state) {
    (void)state;
    run_file("jq.test", jq_exceptions, ARRAY_SIZE(jq_exceptions), 484);
}

static void passes_manual(void **state) {
    (void)state;
    run_file("man.test", man_exceptions, ARRAY_SIZE(man_exceptions), 226);
}

static void passes_onig(void **state) {
    (void)state;
    run_file("onig.test", onig_exceptions, ARRAY_SIZE(onig_exceptions), 46);
}

static void passes_base64(void **state) {
    (void)state;
    run_file("base64.test", base64_exceptions, ARRAY_SIZE(base64_exceptions), 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_jq),
        cmocka_unit_test(passes_manual),
        cmocka_unit_test(passes_onig),
        cmocka_unit_test(passes_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

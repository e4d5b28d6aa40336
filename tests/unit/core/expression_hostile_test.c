/* Programs that want to harm: each must end soon in an error, or as harmless as it looks, on a
 * small stack. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/limits.h"
#include "core/expression.h"

enum { STACK_SIZE = 2 * 1024 * 1024 }; /* a quarter of what threads have */

struct attempt {
    const char *program, *input;
    enum err_code code;
    struct err err;
};

static void *run(void *user) {
    struct attempt *attempt = user;
    struct arena *arena = arena_new();
    const struct expression *expression;
    struct json input, result;

    memset(&attempt->err, 0, sizeof(attempt->err));
    if (json_read(str_from(attempt->input ? attempt->input : "null"), NULL, arena, &input, NULL,
                &attempt->err)
            && expression_compile(
                    str_from(attempt->program), NULL, arena, &expression, &attempt->err)) {
        (void)!expression_eval_all(expression, input, NULL, arena, &result, &attempt->err);
    }
    arena_free(arena);
    return NULL;
}

/* Runs an attempt on a thread of its own, whose stack is small. */
static enum err_code run_apart(struct attempt *attempt) {
    pthread_attr_t attributes;
    pthread_t thread;

    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run, attempt), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    return attempt->err.code;
}

static struct attempt attempts[] = {
    /* No end. */
    { "def f: f; f", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f: 1 + f; f", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f: [f]; f", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f: f | f; f", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f(g): f(g | g); f(.)", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f($x): f($x + 1); f(0)", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f: try f catch f; f", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f: (f // f); f", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f: label $x | f; f", NULL, ERR_TOO_LARGE, { 0 } },
    { "def f: reduce f as $x (0; 1); f", NULL, ERR_TOO_LARGE, { 0 } },
    { "def a: 1, b0; def b0: 2; def f: 1, f; f", NULL, ERR_INVALID, { 0 } },
    { "def f: 1, f; last(f)", NULL, ERR_TOO_LARGE, { 0 } },
    { "repeat(1)", NULL, ERR_TOO_LARGE, { 0 } },
    { "repeat(empty)", NULL, ERR_TOO_LARGE, { 0 } },
    { "[limit(1e9; repeat(1))]", NULL, ERR_TOO_LARGE, { 0 } },
    { "range(infinite)", NULL, ERR_TOO_LARGE, { 0 } },
    { "last(range(infinite))", NULL, ERR_TOO_LARGE, { 0 } },
    { "[range(0; 1; 1e-12)] | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "0 | until(false; . + 1)", NULL, ERR_TOO_LARGE, { 0 } },
    { "last(0 | while(true; . + 1))", NULL, ERR_TOO_LARGE, { 0 } },
    { "last(0 | recurse(. + 1))", NULL, ERR_TOO_LARGE, { 0 } },
    { "[recurse([.])]", NULL, ERR_TOO_LARGE, { 0 } },
    { "try repeat(1) catch 2", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(1e9) as $i (0; . + 1)", NULL, ERR_TOO_LARGE, { 0 } },
    { "first(foreach range(1e9) as $i (0; . + 1; empty))", NULL, ERR_TOO_LARGE, { 0 } },
    { "any(range(1e9); false)", NULL, ERR_TOO_LARGE, { 0 } },
    { "[combinations(30)] | length", "[0,1]", ERR_TOO_LARGE, { 0 } },
    /* No bounds. */
    { "\"x\" * 1e9", NULL, ERR_INVALID, { 0 } },
    { "reduce range(60) as $i (\"x\"; . + .)", NULL, ERR_TOO_LARGE, { 0 } },
    { "[limit(60; \"x\" | recurse(. + .))] | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([1]; . + .)", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([1]; [., .])", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([1]; [., .]) | tojson | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([1]; [., .]) | flatten | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([1]; [., .]) | [..] | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([1]; [., .]) | walk(.)", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([1]; [., .]) | [tostream] | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "[reduce range(60) as $i ([1]; [., .]), reduce range(60) as $i ([1]; [., .])] | .[0] == .[1]",
            NULL, ERR_TOO_LARGE, { 0 } },
    { "[reduce range(60) as $i ([1]; [., .]), reduce range(60) as $i ([1]; [., .])] | sort", NULL,
            ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([1]; [., .]) | . as $x | contains($x)", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(60) as $i ([[\"a\"]]; [., .]) | try @csv catch .", NULL, ERR_NONE, { 0 } },
    { "reduce range(40) as $i (\"'\"; @sh)", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(40) as $i (\"\\\"\"; tojson)", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(40) as $i (\"&\"; @html)", NULL, ERR_NONE, { 0 } },
    { "reduce range(60) as $i (\"&&&&\"; . + . | @uri)", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(100000) as $i (1; [.])", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(100000) as $i (1; {a: .}) | tojson | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "reduce range(100000) as $i (1; {a: .}) | . * .", NULL, ERR_TOO_LARGE, { 0 } },
    { "[reduce range(100000) as $i (1; [.]), reduce range(100000) as $i (1; [.])] | unique", NULL,
            ERR_TOO_LARGE, { 0 } },
    { ".[1e9] = 1", NULL, ERR_INVALID, { 0 } },
    { ".[16000000] = 1", NULL, ERR_TOO_LARGE, { 0 } },
    { ".[1e300] = 1", NULL, ERR_INVALID, { 0 } },
    { "setpath([range(1e6) | 0]; 1)", NULL, ERR_TOO_LARGE, { 0 } },
    { "setpath([range(10000) | 0]; 1)", NULL, ERR_INVALID, { 0 } },
    { "[range(300000)] | combinations(3)", NULL, ERR_TOO_LARGE, { 0 } },
    { "[range(1000000)] | group_by(. % 7)", NULL, ERR_TOO_LARGE, { 0 } },
    { "[range(2000)] - [range(2000)]", NULL, ERR_TOO_LARGE, { 0 } },
    { "[[range(1000)]] | until(length > 1e9; . + .)", NULL, ERR_TOO_LARGE, { 0 } },
    { "[range(100000)] | .[] |= [range(100)]", NULL, ERR_TOO_LARGE, { 0 } },
    { "[range(100000)] | map(tostring) | join(\",\") | [splits(\",\")] | length", NULL,
            ERR_TOO_LARGE, { 0 } },
    { "[paths(true)]", "[[[[[[[[[[]]]]]]]]]]", ERR_NONE, { 0 } },
    { "\"a\" * 1000000 | [range(1000000) as $i | explode] | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "\"a\" * 8000000 | last(range(1000000) as $i | length)", NULL, ERR_TOO_LARGE, { 0 } },
    { "(\"ab\" * 4000000) as $x | last(range(1000000) as $i | $x == ($x | ltrimstr(\"q\")))", NULL,
            ERR_TOO_LARGE, { 0 } },
    { "(\"ab\" * 100000) as $x | last(range(100000) | $x | index(\"ba\"))", NULL, ERR_TOO_LARGE,
            { 0 } },
    /* Regular expressions. */
    { "\"a\" * 40 + \"b\" | test(\"(a+)+$\")", NULL, ERR_TOO_LARGE, { 0 } },
    { "\"a\" * 40 | test(\"(a|a)*[bc]\")", NULL, ERR_TOO_LARGE, { 0 } },
    { "\"a\" * 100000 | [match(\"\"; \"g\")] | length", NULL, ERR_TOO_LARGE, { 0 } },
    { "\"a\" * 1000 | [range(100000) as $i | test(\"(a*)*b\")]", NULL, ERR_TOO_LARGE, { 0 } },
    { "[range(100000) | . as $i | \"a\" | test(\"a\\($i)\")] | length", NULL, ERR_TOO_LARGE,
            { 0 } },
    { "\"x\" | test(\"(\" * 10000)", NULL, ERR_INVALID, { 0 } },
    { "\"a\" * 100000 | gsub(\"\"; \"b\") | gsub(\"\"; \"c\") | length", NULL, ERR_TOO_LARGE,
            { 0 } },
    /* What is no value. */
    { "[1e300, -1, 55296, 1114112, 0.5] | implode | length", NULL, ERR_NONE, { 0 } },
    { "[nan] | implode", NULL, ERR_INVALID, { 0 } },
    { "\"[\" * 100000 | fromjson", NULL, ERR_INVALID, { 0 } },
    { "[infinite, -infinite, nan] | map(floor, sqrt, ldexp(.; 1e9), gmtime?, todate?)", NULL,
            ERR_NONE, { 0 } },
    { "1e300 | todate", NULL, ERR_INVALID, { 0 } },
    { "[1e18, 0, 0, 0, 0, 0, 0, 0] | mktime", NULL, ERR_INVALID, { 0 } },
    { "0 | strftime(\"%1000000000d\" * 1000)", NULL, ERR_NONE, { 0 } },
    { "\"1\" | strptime(\"%\")", NULL, ERR_INVALID, { 0 } },
    { "{} | .[\"\\u0000\"] = \"\\u0000\" | tojson | fromjson | keys", NULL, ERR_NONE, { 0 } },
    { "[.[nan], .[-1e300], .[1e300:], .[nan:nan], .[-1e300:1e300]] | length", "[1,2,3]", ERR_NONE,
            { 0 } },
    { "jn(1e300; 1), yn(-1e300; 1), scalbln(1; 1e300), frexp, modf, significand, logb, gamma",
            "1e300", ERR_NONE, { 0 } },
    { "error(error(error))", "{\"a\":[1,2,3]}", ERR_INVALID, { 0 } },
};

static void ends_in_time(void **state) {
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        struct attempt *attempt = &attempts[i];
        if (run_apart(attempt) == attempt->code) continue;
        wrong++;
        print_message("%s\n    gives %d (%s), not %d\n", attempt->program, (int)attempt->err.code,
                attempt->err.message, (int)attempt->code);
    }
    assert_int_equal(wrong, 0);
}

/* `opening` many times, `middle`, `closing` as often. */
static void nested_is(const char *opening, const char *middle, const char *closing, size_t times,
        enum err_code code) {
    struct buf text;

    buf_init(&text, 1024 * 1024);
    for (size_t i = 0; i < times; i++)
        buf_append_c(&text, opening);
    buf_append_c(&text, middle);
    for (size_t i = 0; i < times; i++)
        buf_append_c(&text, closing);
    struct attempt attempt = { .program = text.data };
    if (run_apart(&attempt) != code) {
        fail_msg("%s %zu times gives %d (%s)", opening, times, (int)attempt.err.code,
                attempt.err.message);
    }
    buf_clear(&text);
}

static void nesting_has_a_limit(void **state) {
    static const char *const rows[][3] = { { "(", "1", ")" }, { "[", "1", "]" },
        { "{a:", "1", "}" }, { "\"\\(", "1", ")\"" }, { "if ", "1", " then 1 else 2 end" },
        { "try ", "1", "" }, { "-", "1", "" }, { "1 as $x | ", "1", "" }, { "def f: ", "1", "; 1" },
        { "reduce (", "1", ") as $x (0; 1)" }, { "label $x | ", "1", "" },
        { ". as [", "$x", "] | 1" }, { ".[", "1", "]" }, { "1 // ", "1", "" },
        { "if 1 then 1 elif ", "1", " then 1 end" }, { "path(", ".", ")" }, { "1?//", "1", "" },
        { "first(", "1", ")" }, { "map(", "1", ")" }, { "{a:1|", "1", "}" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        nested_is(rows[i][0], rows[i][1], rows[i][2], 3000, ERR_INVALID);
    nested_is("[", "1", "]", 100, ERR_NONE);
    nested_is("(", "1", ")", 200, ERR_NONE);
}

/* Long, not deep. */
static void length_has_a_limit(void **state) {
    (void)state;
    nested_is("1,", "1", "", 15000, ERR_NONE);
    nested_is(".|", ".", "", 500, ERR_NONE);
    nested_is("1+", "1", "", 500, ERR_NONE);
    nested_is("1+", "1", "", 15000, ERR_INVALID);
    nested_is(".a", "", "", 15000, ERR_INVALID);
    nested_is(".|", ".", "", 15000, ERR_INVALID);
    nested_is("1 +", "1", "", LIMIT_EXPRESSION_SIZE, ERR_INVALID);
    nested_is("def f: 1;", "f", "", 5000, ERR_NONE);
    nested_is("def f(g): g;", "f(1)", "", 5000, ERR_NONE);
    nested_is("\\", "", "", 30000, ERR_INVALID);
    nested_is("\"\\(1)", "", "\"", 10000, ERR_INVALID);
    nested_is("\"", "", "", 30001, ERR_INVALID);
}

/* Loops that a workflow may well want take no more than their budget. */
static void loops_run_for_long(void **state) {
    static const char *const programs[] = {
        "def f: if . > 99999 then . else . + 1 | f end; 0 | f",
        "def f($n): if $n > 20000 then $n else f($n + 1) end; f(0)",
        "0 | until(. >= 50000; . + 1)",
        "last(0 | while(. < 30000; . + 1))",
        "[limit(50000; repeat(1))] | length",
        "last(range(100000))",
        "reduce range(100000) as $i (0; . + $i)",
        "last(foreach range(50000) as $i (0; . + $i))",
        "[0 | recurse(if . < 20000 then . + 1 else empty end)] | length",
        "def f: if . == 0 then 0 else 1 + (. - 1 | f) end; 5000 | f",
        "[range(20000)] | map(. * 2) | add",
        "reduce range(20000) as $i ([]; . + [$i]) | length",
        "reduce range(20000) as $i ({}; .[$i | tostring] = $i) | length",
        "reduce range(20000) as $i ({}; . + {($i | tostring): $i}) | length",
        "[range(5000)] | .[] |= . + 1 | add",
        "[range(5000) | {a: .}] | .[].a |= . + 1 | length",
        "[range(20000) | tostring] | join(\",\") | length",
        "[range(20000) | . % 100] | group_by(.) | length",
        "[range(3000) | tostring] | map(test(\"^[0-9]+$\")) | all",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        struct attempt attempt = { .program = programs[i] };
        if (run_apart(&attempt) == ERR_NONE) continue;
        fail_msg("%s gives %d (%s)", programs[i], (int)attempt.err.code, attempt.err.message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_in_time),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(length_has_a_limit),
        cmocka_unit_test(loops_run_for_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The cases in the files beside this one, and what a file of cases cannot say: variables,
 * errors, `now`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/limits.h"
#include "expression_cases.h"

/* ---- cases ---- */

static void run_file(const char *name, size_t expected) {
    struct expression_env env = { .now_ms = 1425599621678 };
    struct arena *arena = arena_new();
    struct str path = str_format(arena, "tests/unit/core/%s", name), text = cases_read(path.data),
               rest = text;
    struct expression_case test;
    size_t count = 0, wrong = 0;
    const char *why;
    int line = 0;

    if (!text.data) fail_msg("no %s; tests run from the root of the repository", path.data);
    for (; cases_next(&rest, &line, &test); count++) {
        arena_reset(arena);
        if (cases_run(&test, &env, arena, &why)) continue;
        wrong++;
        print_message("%s:%d: " STR_FMT "\n    %s\n", name, test.line, STR_ARG(test.program), why);
    }
    free((char *)(uintptr_t)text.data);
    arena_free(arena);
    assert_int_equal(wrong, 0);
    assert_int_equal(count, expected);
}

static void language(void **state) {
    (void)state;
    run_file("expression_core.jq", 308);
}

static void paths(void **state) {
    (void)state;
    run_file("expression_paths.jq", 126);
}

static void builtins(void **state) {
    (void)state;
    run_file("expression_builtins.jq", 148);
}

static void text(void **state) {
    (void)state;
    run_file("expression_text.jq", 93);
}

static void dates(void **state) {
    (void)state;
    run_file("expression_dates.jq", 44);
}

static void refused(void **state) {
    (void)state;
    run_file("expression_refused.jq", 71);
}

/* ---- one program ---- */

struct fixture {
    struct arena *arena;
    const struct expression *expression;
    struct json input, result;
    struct err err;
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->arena = arena_new();
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;

    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static void compile(
        struct fixture *fixture, const char *program, const struct expression_options *options) {
    bool ok = expression_compile(
            str_from(program), options, fixture->arena, &fixture->expression, &fixture->err);

    if (!ok) fail_msg("%s: %s", program, fixture->err.message);
}

static bool eval(struct fixture *fixture, const struct expression_env *env) {
    return expression_eval(fixture->expression, fixture->input, env, fixture->arena,
            &fixture->result, &fixture->err);
}

static void assert_result(const struct fixture *fixture, const char *wanted) {
    assert_string_equal(json_to_str(fixture->result, fixture->arena).data, wanted);
}

static void assert_compile_error(
        struct fixture *fixture, const char *program, const char *message) {
    bool ok = expression_compile(
            str_from(program), NULL, fixture->arena, &fixture->expression, &fixture->err);

    assert_false(ok);
    assert_int_equal(fixture->err.code, ERR_INVALID);
    assert_string_equal(fixture->err.message, message);
}

static void says_what_was_meant(void **state) {
    struct fixture *fixture = *state;

    assert_compile_error(fixture, "1 | lenght",
            "expression: lenght/0 is not defined (did you mean length?) at offset 4");
    assert_compile_error(
            fixture, "map(1; 2)", "expression: map/2 is not defined (map takes 1) at offset 0");
    assert_compile_error(
            fixture, "1 as $foo | $fooo | .[0]  ] ", "expression: unexpected ']' at offset 26");
    assert_compile_error(
            fixture, "qwertyuiop", "expression: qwertyuiop/0 is not defined at offset 0");
    assert_compile_error(fixture, ".a | input",
            "expression: 'input' is not available in expressions at offset 5");
    assert_compile_error(
            fixture, "$ENV.A", "expression: $ENV is not available in expressions at offset 0");
    assert_compile_error(
            fixture, "if 1 then 2", "expression: unexpected the end, expected 'end' at offset 11");
    assert_compile_error(fixture, "[1, \"a", "expression: the string at offset 4 has no end");
    assert_compile_error(fixture, "@bas64", "expression: bas64 is not a valid format at offset 0");
    assert_compile_error(fixture, "", "expression: unexpected the end at offset 0");
    assert_compile_error(fixture, "\xff", "expression: not valid UTF-8");
}

static void text_has_a_limit(void **state) {
    struct fixture *fixture = *state;
    char *program = malloc(LIMIT_EXPRESSION_SIZE + 1);
    struct str whole = { program, LIMIT_EXPRESSION_SIZE };

    assert_non_null(program);
    memset(program, ' ', LIMIT_EXPRESSION_SIZE + 1);
    program[0] = '.';
    assert_true(
            expression_compile(whole, NULL, fixture->arena, &fixture->expression, &fixture->err));
    whole.size++;
    assert_false(
            expression_compile(whole, NULL, fixture->arena, &fixture->expression, &fixture->err));
    free(program);
}

/* ---- variables ---- */

struct variables {
    int asked;
};

static bool variable(void *user, struct str name, struct arena *arena, struct json *ret) {
    struct variables *variables = user;

    variables->asked++;
    if (!str_equal(name, STR("context"))) return false;
    *ret = json_set(json_object(arena, 1), STR("n"), json_number(5), arena);
    return true;
}

static void asks_for_a_variable_once(void **state) {
    struct fixture *fixture = *state;
    struct variables variables = { 0 };
    struct expression_env env = { .variable = variable, .user = &variables };

    compile(fixture, "[range(10) | $context.n] | add + $context.n", NULL);
    assert_true(eval(fixture, &env));
    assert_result(fixture, "55");
    assert_int_equal(variables.asked, 1);
    compile(fixture,
            "def f: $context.n; [1, 2 | select(. > 0) | f, (label $x | $context.n)] | length",
            NULL);
    assert_true(eval(fixture, &env));
    assert_result(fixture, "4");
    assert_int_equal(variables.asked, 2);
}

static void a_variable_may_be_missing(void **state) {
    struct fixture *fixture = *state;
    struct variables variables = { 0 };
    struct expression_env env = { .variable = variable, .user = &variables };

    compile(fixture, "$other", NULL);
    assert_false(eval(fixture, &env));
    assert_int_equal(fixture->err.code, ERR_INVALID);
    assert_string_equal(fixture->err.message, "$other is not defined");
    assert_false(eval(fixture, NULL));
    compile(fixture, "if false then $other else 1 end", NULL);
    assert_true(eval(fixture, &env));
    assert_result(fixture, "1");
}

static void only_known_names_compile(void **state) {
    struct fixture *fixture = *state;
    const struct str names[] = { STR("context"), STR("input") };
    struct expression_options options = { names, ARRAY_SIZE(names) };

    compile(fixture, "$context.a + $input + (1 as $mine | $mine)", &options);
    assert_true(expression_uses(fixture->expression, STR("context")));
    assert_true(expression_uses(fixture->expression, STR("input")));
    assert_false(expression_uses(fixture->expression, STR("mine")));
    assert_false(expression_compile(
            STR("$contxt"), &options, fixture->arena, &fixture->expression, &fixture->err));
    assert_string_equal(fixture->err.message,
            "expression: $contxt is not defined (did you mean $context?) at offset 0");
    options.variable_count = 0;
    assert_false(expression_compile(
            STR("$context"), &options, fixture->arena, &fixture->expression, &fixture->err));
}

/* ---- results and errors ---- */

static void one_result_is_wanted(void **state) {
    struct fixture *fixture = *state;

    compile(fixture, "empty", NULL);
    assert_true(eval(fixture, NULL));
    assert_result(fixture, "null");
    compile(fixture, ".[]?", NULL);
    assert_true(eval(fixture, NULL));
    assert_result(fixture, "null");
    compile(fixture, "1, 2", NULL);
    assert_false(eval(fixture, NULL));
    assert_int_equal(fixture->err.code, ERR_INVALID);
    compile(fixture, "repeat(1)", NULL);
    assert_false(eval(fixture, NULL));
    assert_int_equal(fixture->err.code, ERR_INVALID);
}

static void all_results_are_an_array(void **state) {
    struct fixture *fixture = *state;

    compile(fixture, "1, empty, \"a\", [2]", NULL);
    assert_true(expression_eval_all(fixture->expression, json_null(), NULL, fixture->arena,
            &fixture->result, &fixture->err));
    assert_result(fixture, "[1,\"a\",[2]]");
    compile(fixture, "range(1e9)", NULL);
    assert_false(expression_eval_all(fixture->expression, json_null(), NULL, fixture->arena,
            &fixture->result, &fixture->err));
    assert_int_equal(fixture->err.code, ERR_TOO_LARGE);
}

static void assert_error(
        struct fixture *fixture, const char *program, enum err_code code, const char *message) {
    compile(fixture, program, NULL);
    assert_false(eval(fixture, NULL));
    assert_int_equal(fixture->err.code, code);
    assert_string_equal(fixture->err.message, message);
}

static void errors_have_jqs_words(void **state) {
    struct fixture *fixture = *state;

    assert_error(fixture, "1 | .a", ERR_INVALID, "Cannot index number with string \"a\"");
    assert_error(
            fixture, "null + 1 + {}", ERR_INVALID, "number (1) and object ({}) cannot be added");
    assert_error(fixture, "error(\"mine\")", ERR_INVALID, "mine");
    assert_error(fixture, "error({a: 1})", ERR_INVALID, "{\"a\":1} (not a string)");
    assert_error(fixture, "error(null)", ERR_INVALID, "null (not a string)");
    assert_error(fixture, "error(\"\u00e9\" * 1000)|.", ERR_INVALID, fixture->err.message);
    assert_true(str_is_utf8(str_from(fixture->err.message)));
    assert_error(fixture, "def f: f; f", ERR_TOO_LARGE,
            "expression: more steps than an evaluation may use");
    assert_error(fixture, "try (def f: f; f) catch 1", ERR_TOO_LARGE,
            "expression: more steps than an evaluation may use");
}

static void results_can_be_written(void **state) {
    struct fixture *fixture = *state;

    compile(fixture, "[nan, infinite, -infinite, {a: nan}]", NULL);
    assert_true(eval(fixture, NULL));
    assert_result(fixture, "[null,1.7976931348623157e+308,-1.7976931348623157e+308,{\"a\":null}]");
    compile(fixture, "nan", NULL);
    assert_true(eval(fixture, NULL));
    assert_result(fixture, "null");
    compile(fixture, "reduce range(100) as $i (1; [.])", NULL);
    assert_true(eval(fixture, NULL));
    compile(fixture, "reduce range(1000) as $i (1; [.])", NULL);
    assert_false(eval(fixture, NULL));
    assert_int_equal(fixture->err.code, ERR_TOO_LARGE);
}

static void an_absent_input_is_null(void **state) {
    struct fixture *fixture = *state;

    compile(fixture, "[., .a, length, (. == null)]", NULL);
    assert_true(eval(fixture, NULL));
    assert_result(fixture, "[null,null,0,true]");
    compile(fixture, ".", NULL);
    assert_true(eval(fixture, NULL));
    assert_result(fixture, "null");
}

static void now_is_the_time_of_the_input(void **state) {
    struct fixture *fixture = *state;
    struct expression_env env = { .now_ms = 1500 };

    compile(fixture, "now, now | todate", NULL);
    assert_true(expression_eval_all(fixture->expression, json_null(), &env, fixture->arena,
            &fixture->result, &fixture->err));
    assert_result(fixture, "[\"1970-01-01T00:00:01Z\",\"1970-01-01T00:00:01Z\"]");
}

/* What an expression gives shares its input, and leaves it as it was. */
static void inputs_are_left_alone(void **state) {
    static const char *const programs[] = { ".a += 1", ".l[0] = 9", ".l + [4]", "del(.a)",
        ".l |= map(. + 1)", ".o.x = 1 | .o.y = 2",
        "reduce range(9) as $i (.; .l[$i] = $i | .o[\"k\\($i)\"] = $i | .a += 1)", ".. |= .",
        "(.. | numbers) += 1", "to_entries | from_entries | .l += [1] | .l[0] = 5", "walk(.)",
        ".l as $l | reduce range(3) as $i ($l; . + [$i] | .[0] += 1)", "[.l, .l] | .[0][0] = 7",
        "reduce (1, 2) as $i (.o; .z.w += $i) | .z.w", ". * {o: {x: 5}}", "add?",
        ".l | sort | reverse | .[0] = 1" };
    struct fixture *fixture = *state;
    const char *input = "{\"a\":1,\"l\":[3,1,2],\"o\":{\"x\":0}}";

    assert_true(
            json_read(str_from(input), NULL, fixture->arena, &fixture->input, NULL, &fixture->err));
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        compile(fixture, programs[i], NULL);
        if (!eval(fixture, NULL)) fail_msg("%s: %s", programs[i], fixture->err.message);
        struct str first = json_to_str(fixture->result, fixture->arena);
        assert_string_equal(json_to_str(fixture->input, fixture->arena).data, input);
        assert_true(eval(fixture, NULL));
        assert_string_equal(json_to_str(fixture->result, fixture->arena).data, first.data);
    }
}

/* Every function that is named can be called. */
static void builtins_are_found(void **state) {
    struct fixture *fixture = *state;
    struct json names;

    compile(fixture, "builtins", NULL);
    assert_true(eval(fixture, NULL));
    names = fixture->result;
    assert_true(json_size(names) > 200);
    for (size_t i = 0; i < json_size(names); i++) {
        struct str rest = json_str(json_at(names, i)), name = str_cut(&rest, '/');
        static const char *const arguments[] = { "", "(.)", "(.; .)", "(.; .; .)", "(.; .; .; .)" };
        size_t arity = (size_t)(rest.data[0] - '0');
        assert_true(arity < ARRAY_SIZE(arguments));
        struct str program =
                str_format(fixture->arena, STR_FMT "%s", STR_ARG(name), arguments[arity]);
        compile(fixture, program.data, NULL);
    }
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(language),
        cmocka_unit_test(paths),
        cmocka_unit_test(builtins),
        cmocka_unit_test(text),
        cmocka_unit_test(dates),
        cmocka_unit_test(refused),
        WITH_FIXTURE(says_what_was_meant),
        WITH_FIXTURE(text_has_a_limit),
        WITH_FIXTURE(asks_for_a_variable_once),
        WITH_FIXTURE(a_variable_may_be_missing),
        WITH_FIXTURE(only_known_names_compile),
        WITH_FIXTURE(one_result_is_wanted),
        WITH_FIXTURE(all_results_are_an_array),
        WITH_FIXTURE(errors_have_jqs_words),
        WITH_FIXTURE(results_can_be_written),
        WITH_FIXTURE(an_absent_input_is_null),
        WITH_FIXTURE(now_is_the_time_of_the_input),
        WITH_FIXTURE(inputs_are_left_alone),
        WITH_FIXTURE(builtins_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

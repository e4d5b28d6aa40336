/* The public face: compiling, and an evaluation from its budget to its result. */
#include "core/expression.h"

#include <string.h>

#include "core/expression_internal.h"

/* ---- compiling ---- */

MUST_USE bool expression_compile(struct str text, const struct expression_options *options,
        struct arena *arena, const struct expression **ret, struct err *err) {
    struct expression *expression = arena_new_one(arena, struct expression);
    struct library *library = NULL;
    struct err problem = { .code = ERR_NONE };
    uint32_t nodes = 0;

    if (text.size > LIMIT_EXPRESSION_SIZE) {
        return err_set(
                err, ERR_INVALID, "expression: longer than %d bytes", (int)LIMIT_EXPRESSION_SIZE);
    }
    if (!str_is_utf8(text)) return err_set(err, ERR_INVALID, "expression: not valid UTF-8");
    struct parser parser = {
        .lexer = { .text = str_copy(text, arena), .arena = arena },
        .arena = arena,
        .err = &problem,
        .options = options,
        .expression = expression,
        .library = &library,
        .nodes = &nodes,
    };
    if (!parser_run(&parser, &expression->root)) {
        assert(problem.code != ERR_NONE);
        *err = problem;
        return false;
    }
    *ret = expression;
    return true;
}

bool expression_uses(const struct expression *expression, struct str name) {
    for (uint32_t i = 0; i < expression->global_count; i++) {
        if (str_equal(expression->globals[i], name)) return true;
    }
    return false;
}

/* ---- evaluating ---- */

bool global_get(struct machine *machine, uint32_t index, struct json *ret) {
    const struct expression *expression = machine->expression;
    const struct expression_env *environment = machine->environment;

    if (!machine->globals) {
        machine->globals = arena_new_many(machine->arena, struct global, expression->global_count);
    }
    struct global *global = &machine->globals[index];
    if (!global->asked) {
        struct str name = expression->globals[index];
        global->asked = true;
        global->found = environment && environment->variable
                && environment->variable(environment->user, name, machine->arena, &global->value);
    }
    if (!global->found) {
        return fail(machine, "$" STR_FMT " is not defined", STR_ARG(expression->globals[index]));
    }
    *ret = json_is_absent(global->value) ? json_null() : global->value;
    return true;
}

/* Results leave only if they can be written and read again: finite numbers, a depth that the
 * reader takes, and a size that was not made by naming one part over and over. */
static bool weigh(struct machine *machine, struct json value, uint32_t depth, size_t *items) {
    struct json key, item;

    if (depth == 0) return spend(machine, "depth");
    *items += value.count + 1;
    if (*items > LIMIT_EXPRESSION_BYTES / sizeof(struct json)) return spend(machine, "bytes");
    for (size_t i = 0; item_at(value, i, &key, &item); i++) {
        if (json_size(item) && !weigh(machine, item, depth - 1, items)) return false;
    }
    return true;
}

static bool check_result(struct machine *machine, struct json value, struct json *ret) {
    size_t items = 0;

    *ret = json_is_absent(value) ? json_null() : value;
    if (machine->odd && !value_clean(machine, value, ret)) return false;
    if (machine->built <= BUILT_LITTLE || json_size(value) == 0) return true;
    return weigh(machine, value, LIMIT_DEPTH + 1, &items);
}

/* Says why an evaluation failed. Always false. */
static bool explain(struct machine *machine, struct err *err) {
    struct json error = machine->error;
    struct str text;

    if (machine->spent) {
        return err_set(err, ERR_TOO_LARGE, "expression: more %s than an evaluation may use",
                machine->spent);
    }
    if (error.type == JSON_STRING) {
        text = str_slice(json_str(error), 0, ERR_MESSAGE_SIZE - 1);
        while (text.size && !str_is_utf8(text))
            text.size--;
        return err_set(err, ERR_INVALID, STR_FMT, STR_ARG(text));
    }
    return err_set(err, ERR_INVALID, "%s (not a string)",
            short_text(machine, error, ERR_MESSAGE_SIZE / 2));
}

static void start(struct machine *machine, const struct expression *expression,
        const struct expression_env *env, struct arena *arena) {
    memset(machine, 0, sizeof(*machine));
    machine->arena = arena;
    machine->results = json_array(arena, 0);
    machine->expression = expression;
    machine->environment = env;
    machine->bytes_before = arena_used(arena);
    machine->steps = LIMIT_EXPRESSION_STEPS;
}

MUST_USE bool expression_eval(const struct expression *expression, struct json input,
        const struct expression_env *env, struct arena *arena, struct json *ret, struct err *err) {
    struct machine machine;
    struct json value = json_null();

    start(&machine, expression, env, arena);
    if (json_is_absent(input)) input = json_null();
    if (expression->root->simple) {
        enum outcome outcome = simple_eval(&machine, expression->root, NULL, input, &value);
        if (outcome == FAILED) return explain(&machine, err);
        if (outcome == NONE) value = json_null();
    } else {
        machine.result_max = 2;
        machine.single = true;
        if (!machine_run(&machine, expression->root, input)) return explain(&machine, err);
        if (machine.results.count > 1) {
            return err_set(
                    err, ERR_INVALID, "the expression gives several results where one is wanted");
        }
        if (machine.results.count) value = json_at(machine.results, 0);
    }
    if (!check_result(&machine, value, &value)) return explain(&machine, err);
    *ret = value;
    return true;
}

MUST_USE bool expression_eval_all(const struct expression *expression, struct json input,
        const struct expression_env *env, struct arena *arena, struct json *ret, struct err *err) {
    struct machine machine;
    struct json results;

    start(&machine, expression, env, arena);
    machine.result_max = LIMIT_EXPRESSION_RESULTS;
    if (json_is_absent(input)) input = json_null();
    if (!machine_run(&machine, expression->root, input)) return explain(&machine, err);
    machine.built += machine.results.count;
    if (!check_result(&machine, machine.results, &results)) return explain(&machine, err);
    *ret = results;
    return true;
}

#pragma once
/* jq expressions: compiled once, evaluated with bounds, pure.
 *
 * The language is jq 1.6's, but for what reaches outside: $ENV, env, input, inputs, debug, stderr,
 * input_filename, input_line_number, halt, halt_error, get_search_list, import, include, $__loc__'s file are refused when
 * compiling. Numbers that no arithmetic touched keep their digits. `now` is the time of the input. An evaluation
 * has a budget of steps, bytes and depth (limits.h); over it, it is an error, and harms nobody. */

#include "common/err.h"
#include "common/json.h"

struct arena;
struct expression;

struct expression_options {
    /* Names that `$name` may refer to, without the dollar; others are a fault. NULL: any name is taken. */
    const struct str *variables;
    size_t variable_count;
};

/* Compiles bare jq text (without `${ }`).
 *
 * Out      *ret, in `arena`, immutable, may be shared by threads
 * Errors   INVALID  the message says what, where (offset in the text), and what was meant
 * Threads  any */
MUST_USE bool expression_compile(struct str text, const struct expression_options *options,
        struct arena *arena, const struct expression **ret, struct err *err);

/* True if the expression refers to `$name`. */
bool expression_uses(const struct expression *expression, struct str name);

/* What an evaluation may ask. */
struct expression_env {
    /* Gives the value of `$name`; false: not defined here. Called at most once for each name and evaluation. */
    bool (*variable)(void *user, struct str name, struct arena *arena, struct json *ret);
    void *user;
    int64_t now_ms;
};

/* Evaluates to one value: none (`empty`) gives null, several are an error (language.md, E44).
 *
 * Out      *ret, in `arena`; shares parts of `input`
 * Errors   INVALID    the expression raised an error; the message is jq's
 *          TOO_LARGE  a budget was spent
 * Threads  any */
MUST_USE bool expression_eval(const struct expression *expression, struct json input,
        const struct expression_env *env, struct arena *arena, struct json *ret, struct err *err);

/* The same, with all results as an array (at most LIMIT_EXPRESSION_RESULTS). */
MUST_USE bool expression_eval_all(const struct expression *expression, struct json input,
        const struct expression_env *env, struct arena *arena, struct json *ret, struct err *err);

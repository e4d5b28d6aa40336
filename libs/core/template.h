#pragma once
/* Values in a definition that may hold expressions at any depth: strings that are `${ … }` as a whole are evaluated,
 * all else is literal (language.md, E40–E43). Compiled once, immutable, pure. */

#include "core/expression.h"

struct template;


/* If `text` is `${ … }` as a whole (white space around it, line breaks inside): true, with the jq text inside. */
bool template_is_expression(struct str text, struct str *ret_inside);

/* The jq text of a property that admits nothing but an expression, with or without `${ }`. */
struct str template_bare(struct str text);

/* Compiles a value. The value must outlive the template.
 * Errors   INVALID  an expression is wrong; *ret_pointer says which, relative to `value` */
MUST_USE bool template_compile(struct json value, const struct expression_options *options, struct arena *arena,
        const struct template **ret, struct str *ret_pointer, struct err *err);

/* A template that is one expression, from bare jq text. */
MUST_USE bool template_compile_bare(struct str text, const struct expression_options *options, struct arena *arena,
        const struct template **ret, struct err *err);

bool template_uses(const struct template *template, struct str variable);

/* Where `$secrets` is used first, relative to the value compiled; false if nowhere. */
bool template_find_secrets(const struct template *template, struct arena *arena, struct str *ret_pointer);

/* If the template holds no expression: true, with its value. */
bool template_literal(const struct template *template, struct json *ret);

/* Evaluates to one value. */
MUST_USE bool template_eval(const struct template *template, struct json input, const struct expression_env *env,
        struct arena *arena, struct json *ret, struct err *err);

/* The same, but leaves null where an expression uses `$secrets`, which only the executor may read. *ret_deferred
 * is an array of { pointer: where the result goes (RFC 6901), text: the jq text }. */
MUST_USE bool template_eval_public(const struct template *template, struct json input, const struct expression_env *env,
        struct arena *arena, struct json *ret, struct json *ret_deferred, struct err *err);

#include "core/template.h"

#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

enum template_kind { TEMPLATE_LITERAL, TEMPLATE_EXPRESSION, TEMPLATE_ARRAY, TEMPLATE_OBJECT };

/* An array or object node holds one template for each item; keys are those of `value`. A subtree without expressions
 * is one literal node. */
struct template {
    enum template_kind kind;
    struct json value;
    struct str text;
    const struct expression *expression;
    const struct template **items;
    bool uses_secrets;
};

struct evaluation {
    struct json input;
    const struct expression_env *env;
    struct arena *arena;
    struct json *deferred; /* NULL: evaluate all */
    struct err *err;
};

bool template_is_expression(struct str text, struct str *ret_inside) {
    struct str trimmed = str_trim(text);

    if (!str_starts_with(trimmed, STR("${")) || !str_ends_with(trimmed, STR("}"))) return false;
    *ret_inside = str_trim(str_slice(trimmed, 2, trimmed.size - 1));
    return true;
}

struct str template_bare(struct str text) {
    struct str inside;

    return template_is_expression(text, &inside) ? inside : str_trim(text);
}

static struct template *literal(struct json value, struct arena *arena) {
    struct template *node = arena_new_one(arena, struct template);

    node->kind = TEMPLATE_LITERAL;
    node->value = value;
    return node;
}

MUST_USE bool template_compile_bare(struct str text, const struct expression_options *options, struct arena *arena,
        const struct template **ret, struct err *err) {
    struct template *node = arena_new_one(arena, struct template);

    node->kind = TEMPLATE_EXPRESSION;
    node->text = template_bare(text);
    if (!expression_compile(node->text, options, arena, &node->expression, err)) return false;
    node->uses_secrets = expression_uses(node->expression, STR("secrets"));
    *ret = node;
    return true;
}

static struct str escape(struct str key, struct arena *arena) {
    char *text = arena_alloc(arena, key.size * 2 + 1);
    size_t size = 0;

    for (size_t i = 0; i < key.size; i++) {
        char c = key.data[i];
        if (c == '~' || c == '/') text[size++] = '~';
        text[size++] = c == '~' ? '0' : c == '/' ? '1' : c;
    }
    return (struct str){ text, size };
}

static struct str pointer_of(struct json value, size_t index, struct str below, struct arena *arena) {
    if (json_type(value) == JSON_ARRAY) return str_format(arena, "/%zu" STR_FMT, index, STR_ARG(below));
    struct str key = escape(json_member_at(value, index)->key, arena);
    return str_format(arena, "/" STR_FMT STR_FMT, STR_ARG(key), STR_ARG(below));
}

static struct json child_of(struct json value, size_t index) {
    return json_type(value) == JSON_ARRAY ? json_at(value, index) : json_member_at(value, index)->value;
}

MUST_USE bool template_compile(struct json value, const struct expression_options *options, struct arena *arena,
        const struct template **ret, struct str *ret_pointer, struct err *err) {
    enum json_type type = json_type(value);
    struct str inside;

    if (type == JSON_STRING && template_is_expression(json_str(value), &inside)) {
        *ret_pointer = STR("");
        return template_compile_bare(inside, options, arena, ret, err);
    }
    struct template *node = literal(value, arena);
    *ret = node;
    if ((type != JSON_ARRAY && type != JSON_OBJECT) || json_size(value) == 0) return true;
    size_t count = json_size(value);
    const struct template **items = arena_new_many(arena, const struct template *, count);
    bool constant = true;
    for (size_t i = 0; i < count; i++) {
        struct str below;
        if (!template_compile(child_of(value, i), options, arena, &items[i], &below, err)) {
            *ret_pointer = pointer_of(value, i, below, arena);
            return false;
        }
        constant &= items[i]->kind == TEMPLATE_LITERAL;
        node->uses_secrets |= items[i]->uses_secrets;
    }
    if (constant) return true;
    node->kind = type == JSON_ARRAY ? TEMPLATE_ARRAY : TEMPLATE_OBJECT;
    node->items = items;
    return true;
}

bool template_uses(const struct template *template, struct str variable) {
    switch (template->kind) {
    case TEMPLATE_LITERAL: return false;
    case TEMPLATE_EXPRESSION: return expression_uses(template->expression, variable);
    case TEMPLATE_ARRAY:
    case TEMPLATE_OBJECT:
        for (size_t i = 0; i < json_size(template->value); i++) {
            if (template_uses(template->items[i], variable)) return true;
        }
        return false;
    }
    return false;
}

bool template_find_secrets(const struct template *template, struct arena *arena, struct str *ret_pointer) {
    struct str below;

    if (!template->uses_secrets) return false;
    *ret_pointer = STR("");
    if (template->kind == TEMPLATE_EXPRESSION) return true;
    for (size_t i = 0; i < json_size(template->value); i++) {
        if (!template_find_secrets(template->items[i], arena, &below)) continue;
        *ret_pointer = pointer_of(template->value, i, below, arena);
        return true;
    }
    return true;
}

bool template_literal(const struct template *template, struct json *ret) {
    if (template->kind != TEMPLATE_LITERAL) return false;
    *ret = template->value;
    return true;
}

static void defer(struct evaluation *evaluation, const struct template *node, struct str pointer) {
    struct arena *arena = evaluation->arena;
    struct json row = json_object(arena, 2);

    row = json_set(row, STR("pointer"), json_string(pointer), arena);
    row = json_set(row, STR("text"), json_string(node->text), arena);
    *evaluation->deferred = json_append(*evaluation->deferred, row, arena);
}

static bool eval(struct evaluation *evaluation, const struct template *node, struct str pointer, struct json *ret);

static bool eval_items(struct evaluation *evaluation, const struct template *node, struct str pointer, struct json *ret) {
    struct arena *arena = evaluation->arena;
    size_t count = json_size(node->value);
    bool is_array = node->kind == TEMPLATE_ARRAY;
    struct json result = is_array ? json_array(arena, count) : json_object(arena, count);

    for (size_t i = 0; i < count; i++) {
        struct json item;
        struct str below = STR("");
        if (evaluation->deferred && node->items[i]->uses_secrets) {
            struct str own = pointer_of(node->value, i, STR(""), arena);
            below = str_format(arena, STR_FMT STR_FMT, STR_ARG(pointer), STR_ARG(own));
        }
        if (!eval(evaluation, node->items[i], below, &item)) return false;
        result = is_array ? json_append(result, item, arena)
                          : json_set(result, json_member_at(node->value, i)->key, item, arena);
    }
    *ret = result;
    return true;
}

static bool eval(struct evaluation *evaluation, const struct template *node, struct str pointer, struct json *ret) {
    switch (node->kind) {
    case TEMPLATE_LITERAL: *ret = node->value; return true;
    case TEMPLATE_EXPRESSION:
        if (evaluation->deferred && node->uses_secrets) {
            defer(evaluation, node, pointer);
            *ret = json_null();
            return true;
        }
        return expression_eval(node->expression, evaluation->input, evaluation->env, evaluation->arena, ret,
                evaluation->err);
    case TEMPLATE_ARRAY:
    case TEMPLATE_OBJECT: return eval_items(evaluation, node, pointer, ret);
    }
    return false;
}

MUST_USE bool template_eval(const struct template *template, struct json input, const struct expression_env *env,
        struct arena *arena, struct json *ret, struct err *err) {
    struct evaluation evaluation = { .input = input, .env = env, .arena = arena, .err = err };

    return eval(&evaluation, template, STR(""), ret);
}

MUST_USE bool template_eval_public(const struct template *template, struct json input, const struct expression_env *env,
        struct arena *arena, struct json *ret, struct json *ret_deferred, struct err *err) {
    struct json deferred = json_array(arena, 0);
    struct evaluation evaluation = { .input = input, .env = env, .arena = arena, .deferred = &deferred, .err = err };

    if (!eval(&evaluation, template, STR(""), ret)) return false;
    *ret_deferred = deferred;
    return true;
}

/* Making nodes, and finding out what names mean. */
#include <string.h>

#include "core/expression_internal.h"

/* ---- nodes ---- */

struct node *node_new(struct parser *parser, enum node_type type) {
    struct node *node = arena_new_one(parser->arena, struct node);

    node->type = (uint8_t)type;
    node->offset = parser->token.offset;
    return node;
}

/* True for all of `list`, from every `stride`th on. */
static bool all_simple(const struct node *node) {
    for (uint32_t i = 0; i < node->count; i++) {
        if (!node->list[i]->simple) return false;
    }
    return true;
}

static bool all_loops(const struct node *node) {
    for (uint32_t i = 0; i < node->count; i++) {
        if (!node->list[i]->loop) return false;
    }
    return true;
}

static bool is_simple(const struct node *node) {
    const struct node *first = node->first, *second = node->second, *third = node->third;

    switch ((enum node_type)node->type) {
    case NODE_IDENTITY:
    case NODE_LITERAL:
    case NODE_VARIABLE:
    case NODE_GLOBAL:
    case NODE_EMPTY: return true;
    case NODE_FIELD:
    case NODE_NEGATE:
    case NODE_ERROR:
    case NODE_GETPATH: return first->simple;
    case NODE_PIPE:
    case NODE_INDEX:
    case NODE_BINARY:
    case NODE_AND:
    case NODE_OR:
    case NODE_ALTERNATIVE:
    case NODE_AS: return first->simple && second->simple;
    case NODE_SLICE:
        return first->simple && (!second || second->simple) && (!third || third->simple);
    case NODE_IF: return first->simple && second->simple && (!third || third->simple);
    case NODE_TRY: return first->simple && (!second || second->simple);
    case NODE_STEP: return first->simple && !second;
    case NODE_ARRAY:
    case NODE_ANY:
    case NODE_FIRST: return first->loop;
    case NODE_OBJECT:
    case NODE_STRING:
    case NODE_NATIVE: return all_simple(node);
    case NODE_REDUCE: return first->loop && second->simple && third->simple;
    case NODE_UPDATE: return first->structural && second->simple;
    case NODE_INVOKE:
        return node->function->complete && node->count == 0 && node->function->body->simple;
    case NODE_ITERATE:
    case NODE_COMMA:
    case NODE_DESTRUCTURE:
    case NODE_FOREACH:
    case NODE_LABEL:
    case NODE_BREAK:
    case NODE_PARAMETER:
    case NODE_RECURSE:
    case NODE_PATH:
    case NODE_LIMIT:
    case NODE_RANGE: break;
    }
    return false;
}

static bool is_loop(const struct node *node) {
    const struct node *first = node->first, *second = node->second, *third = node->third;

    if (node->simple) return true;
    switch (node->type) {
    case NODE_ITERATE: return first->simple;
    case NODE_COMMA: return all_loops(node);
    case NODE_PIPE: return first->loop && second->loop;
    case NODE_AS: return first->loop && second->loop;
    case NODE_IF: return first->simple && second->loop && (!third || third->loop);
    case NODE_RANGE: return first->simple && second->simple && third->simple;
    case NODE_INVOKE:
        return node->function->complete && node->count == 0 && node->function->body->loop;
    default: return false;
    }
}

static bool is_structural(const struct node *node) {
    const struct node *first = node->first, *second = node->second, *third = node->third;

    switch (node->type) {
    case NODE_IDENTITY:
    case NODE_EMPTY: return true;
    case NODE_FIELD:
    case NODE_ITERATE: return first->structural;
    case NODE_INDEX: return first->structural && second->simple;
    case NODE_PIPE: return first->structural && second->structural;
    case NODE_IF: return first->simple && second->structural && (!third || third->structural);
    default: return false;
    }
}

static bool is_blind(const struct node *node) {
    const struct node *first = node->first, *second = node->second, *third = node->third;

    switch (node->type) {
    case NODE_LITERAL:
    case NODE_VARIABLE:
    case NODE_GLOBAL: return true;
    case NODE_PIPE: return first->blind;
    case NODE_FIELD:
    case NODE_NEGATE:
    case NODE_ITERATE: return first->blind;
    case NODE_ARRAY: return first->blind;
    case NODE_INDEX:
    case NODE_BINARY:
    case NODE_AND:
    case NODE_OR:
    case NODE_ALTERNATIVE: return first->blind && second->blind;
    case NODE_IF: return first->blind && second->blind && third && third->blind;
    case NODE_COMMA:
    case NODE_OBJECT:
    case NODE_STRING: break;
    default: return false;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        if (!node->list[i]->blind) return false;
    }
    return true;
}

static void raise_height(uint32_t *height, const struct node *child) {
    if (child) *height = MAX(*height, child->height);
}

const struct node *node_done(struct parser *parser, struct node *node) {
    uint32_t height = 0;

    raise_height(&height, node->first);
    raise_height(&height, node->second);
    raise_height(&height, node->third);
    for (uint32_t i = 0; i < node->count; i++)
        raise_height(&height, node->list[i]);
    if (node->type == NODE_INVOKE && node->function->complete)
        raise_height(&height, node->function->body);
    if (height >= EXPRESSION_HEIGHT || ++*parser->nodes > EXPRESSION_NODES) {
        return parser_fail(parser, node->offset, "too complex");
    }
    node->height = (uint16_t)(height + 1);
    node->simple = is_simple(node);
    node->loop = is_loop(node);
    node->structural = is_structural(node);
    node->blind = is_blind(node);
    return node;
}

const struct node *node_literal(struct parser *parser, struct json value) {
    struct node *node = node_new(parser, NODE_LITERAL);

    node->value = value;
    return node_done(parser, node);
}

static bool takes_second(enum node_type type) {
    return type == NODE_PIPE || type == NODE_INDEX || type == NODE_AS || type == NODE_ALTERNATIVE
            || type == NODE_BINARY || type == NODE_UPDATE || type == NODE_LIMIT;
}

const struct node *node_of(struct parser *parser, enum node_type type, const struct node *first,
        const struct node *second) {
    if (!first || (!second && takes_second(type))) return NULL;
    struct node *node = node_new(parser, type);
    node->offset = first->offset;
    node->first = first;
    node->second = second;
    return node_done(parser, node);
}

/* ---- names ---- */

void scope_push(struct parser *parser, enum scope_kind kind, struct str name,
        const struct function *function) {
    struct scope *scope = arena_new_one(parser->arena, struct scope);

    scope->outer = parser->scope;
    scope->kind = kind;
    scope->name = name;
    scope->level = parser->level;
    scope->function = function;
    parser->scope = scope;
    if (kind != SCOPE_FUNCTION) parser->level++;
}

static const struct scope *scope_find(
        const struct parser *parser, enum scope_kind kind, struct str name) {
    for (const struct scope *scope = parser->scope; scope; scope = scope->outer) {
        if (scope->kind == kind && str_equal(scope->name, name)) return scope;
    }
    return NULL;
}

/* The best of the names that were offered, for "did you mean". */
struct guess {
    struct str wanted, best;
    size_t distance;
};

enum { GUESS_SIZE = 32 };

/* How many letters must be added, removed, changed or swapped to make one of the other. */
static size_t edit_distance(struct str a, struct str b) {
    size_t rows[3][GUESS_SIZE + 1];

    for (size_t j = 0; j <= b.size; j++)
        rows[1][j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t *row = rows[(i + 1) % 3], *above = rows[i % 3], *over = rows[(i + 2) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            bool same = a.data[i - 1] == b.data[j - 1];
            size_t cost = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + !same);
            bool swapped = i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2]
                    && a.data[i - 2] == b.data[j - 1];
            if (swapped) cost = MIN(cost, over[j - 2] + 1);
            row[j] = cost;
        }
    }
    return rows[(a.size + 1) % 3][b.size];
}

static void guess_offer(struct guess *guess, struct str name) {
    if (name.size == 0 || name.data[0] == '_') return;
    if (name.size > GUESS_SIZE || guess->wanted.size > GUESS_SIZE) return;
    size_t distance = edit_distance(guess->wanted, name);
    if (distance >= guess->distance) return;
    guess->distance = distance;
    guess->best = name;
}

static struct guess guess_start(struct str wanted) {
    return (struct guess){ .wanted = wanted, .distance = wanted.size > 5 ? 3 : 2 };
}

/* Complains of a name; `sigil` stands before names of its kind. */
static void *fail_name(
        struct parser *parser, const struct guess *guess, size_t offset, const char *sigil) {
    if (guess->best.size == 0) {
        return parser_fail(
                parser, offset, "%s" STR_FMT " is not defined", sigil, STR_ARG(guess->wanted));
    }
    return parser_fail(parser, offset, "%s" STR_FMT " is not defined (did you mean %s" STR_FMT "?)",
            sigil, STR_ARG(guess->wanted), sigil, STR_ARG(guess->best));
}

/* ---- variables and labels ---- */

static bool global_allowed(struct parser *parser, struct str name, uint32_t offset) {
    const struct expression_options *options = parser->options;
    struct guess guess = guess_start(name);

    if (str_equal(name, STR("ENV"))) {
        parser_fail(parser, offset, "$ENV is not available in expressions");
        return false;
    }
    bool named = options && options->variables;
    if (!named && !str_starts_with(name, STR("__"))) return true;
    for (size_t i = 0; named && i < options->variable_count; i++) {
        if (str_equal(options->variables[i], name)) return true;
        guess_offer(&guess, options->variables[i]);
    }
    for (const struct scope *scope = parser->scope; scope; scope = scope->outer) {
        if (scope->kind == SCOPE_VARIABLE) guess_offer(&guess, scope->name);
    }
    fail_name(parser, &guess, offset, "$");
    return false;
}

static uint32_t global_index(struct parser *parser, struct str name) {
    struct expression *expression = parser->expression;

    for (uint32_t i = 0; i < expression->global_count; i++) {
        if (str_equal(expression->globals[i], name)) return i;
    }
    if (expression->global_count == expression->global_capacity) {
        uint32_t capacity = MAX(4u, expression->global_capacity * 2);
        struct str *globals = arena_new_many(parser->arena, struct str, capacity);
        for (uint32_t i = 0; i < expression->global_count; i++)
            globals[i] = expression->globals[i];
        expression->globals = globals;
        expression->global_capacity = capacity;
    }
    expression->globals[expression->global_count] = str_copy(name, parser->arena);
    return expression->global_count++;
}

const struct node *node_variable(struct parser *parser, struct str name, uint32_t offset) {
    const struct scope *scope = scope_find(parser, SCOPE_VARIABLE, name);
    struct node *node = node_new(parser, scope ? NODE_VARIABLE : NODE_GLOBAL);

    node->offset = offset;
    if (scope) {
        node->index = parser->level - scope->level - 1;
    } else {
        if (!global_allowed(parser, name, offset)) return NULL;
        node->index = global_index(parser, name);
    }
    return node_done(parser, node);
}

const struct node *node_break(struct parser *parser, struct str name, uint32_t offset) {
    const struct scope *scope = scope_find(parser, SCOPE_LABEL, name);
    struct node *node = node_new(parser, NODE_BREAK);

    if (!scope)
        return parser_fail(parser, offset, "$*label-" STR_FMT " is not defined", STR_ARG(name));
    node->index = parser->level - scope->level - 1;
    return node_done(parser, node);
}

/* ---- functions ---- */

static struct node *node_list(
        struct parser *parser, enum node_type type, const struct node **list, uint32_t count) {
    struct node *node = node_new(parser, type);

    node->list = arena_new_many(parser->arena, const struct node *, count);
    if (count) memcpy(node->list, list, count * sizeof(*list));
    node->count = count;
    return node;
}

const struct node *node_native(
        struct parser *parser, const char *name, const struct node **list, uint32_t count) {
    struct node *node = node_list(parser, NODE_NATIVE, list, count);

    node->native = native_find(str_from(name), count);
    assert(node->native);
    return node_done(parser, node);
}

static const struct node *call_function(struct parser *parser, const struct function *function,
        const struct node **list, uint32_t count) {
    struct node *node = node_list(parser, NODE_INVOKE, list, count);

    node->function = function;
    node->index = parser->level - function->level;
    return node_done(parser, node);
}

/* Compiles one of jq's functions that are written in jq, once for each expression that uses it. */
static const struct function *library_function(
        struct parser *parser, const struct definition_text *definition) {
    struct str name = str_from(definition->name);

    for (const struct library *known = *parser->library; known; known = known->next) {
        if (known->function->arity == definition->arity && str_equal(known->function->name, name)) {
            return known->function;
        }
    }
    struct parser inner = {
        .lexer = { .text = str_from(definition->text), .arena = parser->arena },
        .arena = parser->arena,
        .err = parser->err,
        .options = parser->options,
        .expression = parser->expression,
        .library = parser->library,
        .nodes = parser->nodes,
        .internal = true,
    };
    const struct node *ignored;
    if (!parser_run(&inner, &ignored)) return NULL;
    assert(inner.scope && inner.scope->function && inner.scope->function->complete);
    struct library *known = arena_new_one(parser->arena, struct library);
    known->function = inner.scope->function;
    known->next = *parser->library;
    *parser->library = known;
    return known->function;
}

static bool is_refused(struct str name) {
    static const char *const refused[] = { "env", "input", "inputs", "debug", "stderr",
        "input_filename", "input_line_number", "halt", "halt_error", "get_search_list",
        "get_prog_origin", "get_jq_origin", "modulemeta", "getpath_debug" };

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        if (str_equal(name, str_from(refused[i]))) return true;
    }
    return false;
}

static void *fail_call(struct parser *parser, struct str name, uint32_t count) {
    uint32_t offset = parser->token.offset;
    struct guess guess = guess_start(name);
    int64_t arity = -1;

    if (is_refused(name)) {
        return parser_fail(
                parser, offset, "'" STR_FMT "' is not available in expressions", STR_ARG(name));
    }
    for (const struct scope *scope = parser->scope; scope; scope = scope->outer) {
        if (scope->kind == SCOPE_FUNCTION || scope->kind == SCOPE_PARAMETER)
            guess_offer(&guess, scope->name);
        if (scope->kind == SCOPE_FUNCTION && str_equal(scope->name, name))
            arity = scope->function->arity;
    }
    for (size_t i = 0; native_at(i); i++) {
        guess_offer(&guess, str_from(native_at(i)->name));
        if (str_equal(str_from(native_at(i)->name), name)) arity = native_at(i)->arity;
    }
    for (size_t i = 0; definition_at(i); i++) {
        guess_offer(&guess, str_from(definition_at(i)->name));
        if (str_equal(str_from(definition_at(i)->name), name)) arity = definition_at(i)->arity;
    }
    if (arity >= 0 && guess.distance == 0) {
        return parser_fail(parser, offset, STR_FMT "/%u is not defined (" STR_FMT " takes %d)",
                STR_ARG(name), count, STR_ARG(name), (int)arity);
    }
    if (guess.best.size) {
        return parser_fail(parser, offset, STR_FMT "/%u is not defined (did you mean " STR_FMT "?)",
                STR_ARG(name), count, STR_ARG(guess.best));
    }
    return parser_fail(parser, offset, STR_FMT "/%u is not defined", STR_ARG(name), count);
}

static const struct node *call_builtin(
        struct parser *parser, struct str name, const struct node **list, uint32_t count) {
    bool hidden = name.size && name.data[0] == '_' && !parser->internal;
    const struct definition_text *definition = hidden ? NULL : definition_find(name, count);

    if (definition && definition->make) return definition->make(parser, list);
    if (definition) {
        const struct function *function = library_function(parser, definition);
        return function ? call_function(parser, function, list, count) : NULL;
    }
    const struct native *native = hidden ? NULL : native_find(name, count);
    if (!native) return fail_call(parser, name, count);
    struct node *node = node_list(parser, NODE_NATIVE, list, count);
    node->native = native;
    return node_done(parser, node);
}

const struct node *node_call(
        struct parser *parser, struct str name, const struct node **list, uint32_t count) {
    for (const struct scope *scope = parser->scope; scope; scope = scope->outer) {
        if (scope->kind == SCOPE_FUNCTION && scope->function->arity == count
                && str_equal(scope->name, name)) {
            return call_function(parser, scope->function, list, count);
        }
        if (scope->kind == SCOPE_PARAMETER && count == 0 && str_equal(scope->name, name)) {
            struct node *node = node_new(parser, NODE_PARAMETER);
            node->index = parser->level - scope->level - 1;
            return node_done(parser, node);
        }
    }
    return call_builtin(parser, name, list, count);
}

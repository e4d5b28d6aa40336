/* Evaluation by recursion, for nodes that give one value at most, and for loops inside of them.
 *
 * Recursion follows the tree alone, never a function that calls itself, so its depth is
 * EXPRESSION_HEIGHT at most. */
#include <string.h>

#include "core/expression_internal.h"

/* Gets the values of a loop one by one: ONE goes on, NONE ends the loop. */
typedef enum outcome emit_value(
        struct machine *machine, struct json value, const struct env *env, void *user);

struct emit {
    emit_value *call;
    void *user;
};

static enum outcome each(struct machine *machine, const struct node *node, const struct env *env,
        struct json input, struct emit emit);

static enum outcome given(bool ok) {
    return ok ? ONE : FAILED;
}

/* ---- paths ---- */

static enum outcome eval_field(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    if (node->first->type != NODE_IDENTITY) {
        enum outcome outcome = simple_eval(machine, node->first, env, input, &input);
        if (outcome != ONE) return outcome;
    }
    if (input.type == JSON_OBJECT) {
        *ret = json_get(input, (struct str){ node->value.text, node->value.count });
        if (ret->type == JSON_ABSENT) *ret = json_null();
        return ONE;
    }
    if (node->optional && !json_is_null(input)) return NONE;
    return given(value_field(machine, input, node->value, ret));
}

/* The key is asked for first, as jq does. */
static enum outcome eval_index(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct json key, value;
    enum outcome outcome = simple_eval(machine, node->second, env, input, &key);

    if (outcome == ONE) outcome = simple_eval(machine, node->first, env, input, &value);
    if (outcome != ONE) return outcome;
    if (value_index(machine, value, key, ret)) return ONE;
    return node->optional && !machine->spent ? NONE : FAILED;
}

static enum outcome eval_slice(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct json from = json_null(), upto = json_null(), value;
    enum outcome outcome = ONE;

    if (node->second) outcome = simple_eval(machine, node->second, env, input, &from);
    if (outcome == ONE && node->third)
        outcome = simple_eval(machine, node->third, env, input, &upto);
    if (outcome == ONE) outcome = simple_eval(machine, node->first, env, input, &value);
    if (outcome != ONE) return outcome;
    if (value_slice(machine, value, from, upto, ret)) return ONE;
    return node->optional && !machine->spent ? NONE : FAILED;
}

static enum outcome eval_getpath(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct json path;
    enum outcome outcome = simple_eval(machine, node->first, env, input, &path);

    return outcome == ONE ? given(path_get(machine, input, path, ret)) : outcome;
}

/* ---- operators ---- */

static enum outcome eval_binary(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct json left, right;
    enum outcome outcome = simple_eval(machine, node->second, env, input, &right);

    if (outcome == ONE) outcome = simple_eval(machine, node->first, env, input, &left);
    if (outcome != ONE) return outcome;
    return given(operator_apply(machine, (enum operator)node->op, left, right, ret));
}

static enum outcome eval_logic(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    enum outcome outcome = simple_eval(machine, node->first, env, input, ret);
    bool decided = node->type == NODE_OR;

    if (outcome != ONE) return outcome;
    if (json_is_truthy(*ret) != decided) {
        outcome = simple_eval(machine, node->second, env, input, ret);
        if (outcome != ONE) return outcome;
        decided = json_is_truthy(*ret);
    }
    *ret = json_bool(decided);
    return ONE;
}

static enum outcome eval_try(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    enum outcome outcome = simple_eval(machine, node->first, env, input, ret);

    if (outcome != FAILED || machine->spent) return outcome;
    if (!node->second) return NONE;
    return simple_eval(machine, node->second, env, machine->error, ret);
}

/* ---- construction ---- */

struct gather {
    struct machine *machine;
    struct json items;
};

static enum outcome gather_item(
        struct machine *machine, struct json value, const struct env *env, void *user) {
    struct gather *gather = user;

    (void)env;
    if ((gather->items.count & (gather->items.count + 1)) == 0 && gather->items.count >= 255
            && !charge_bytes(machine, (size_t)gather->items.count * 2 * sizeof(struct json))) {
        return FAILED;
    }
    gather->items = json_append(gather->items, value, machine->arena);
    machine->built++;
    return ONE;
}

static enum outcome eval_array(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct gather gather = { machine, json_array(machine->arena, 0) };
    enum outcome outcome =
            each(machine, node->first, env, input, (struct emit){ gather_item, &gather });

    if (outcome == FAILED) return FAILED;
    *ret = gather.items;
    return ONE;
}

static enum outcome eval_object(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct json object = json_object(machine->arena, node->count / 2), key, value;

    for (uint32_t i = 0; i < node->count; i += 2) {
        enum outcome outcome = simple_eval(machine, node->list[i], env, input, &key);
        if (outcome == ONE) outcome = simple_eval(machine, node->list[i + 1], env, input, &value);
        if (outcome != ONE) return outcome;
        if (key.type != JSON_STRING) return given(fail_key(machine, key));
        object = json_set(object, json_str(key), value, machine->arena);
    }
    machine->built += node->count / 2;
    *ret = object;
    return ONE;
}

/* Evaluates from the last part to the first, since that is the order of jq's errors. */
static enum outcome eval_string(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct str local[8];
    struct str *pieces = node->count <= ARRAY_SIZE(local)
            ? local
            : arena_alloc(machine->arena, node->count * sizeof(*pieces));

    for (uint32_t i = node->count; i > 0; i--) {
        const struct node *part = node->list[i - 1];
        struct json value = part->value;
        if (part->type != NODE_LITERAL || !part->op) {
            enum outcome outcome = simple_eval(machine, part, env, input, &value);
            if (outcome != ONE) return outcome;
            if (!node->native->call(machine, &value, &value)) return FAILED;
        }
        pieces[i - 1] = json_str(value);
    }
    return given(join_strings(machine, pieces, node->count, ret));
}

/* Arguments are evaluated from the last to the first. */
static enum outcome eval_native(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct json values[4] = { input };

    assert(node->count < ARRAY_SIZE(values));
    for (uint32_t i = node->count; i > 0; i--) {
        enum outcome outcome = simple_eval(machine, node->list[i - 1], env, input, &values[i]);
        if (outcome != ONE) return outcome;
    }
    return given(node->native->call(machine, values, ret));
}

/* ---- loops ---- */

struct find {
    bool wanted; /* what ends the loop */
    enum any_kind kind;
    bool found;
    struct json value;
};

static enum outcome find_value(
        struct machine *machine, struct json value, const struct env *env, void *user) {
    struct find *find = user;

    (void)machine, (void)env;
    if (find->kind != ANY_VALUE && json_is_truthy(value) != (find->kind == ANY_TRUE)) return ONE;
    find->found = true;
    find->value = value;
    return NONE;
}

static enum outcome eval_any(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct find find = { .kind = (enum any_kind)node->op };
    enum outcome outcome =
            each(machine, node->first, env, input, (struct emit){ find_value, &find });

    *ret = json_bool(find.found == (find.kind == ANY_TRUE));
    return outcome == FAILED ? FAILED : ONE;
}

static enum outcome eval_first(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct find find = { .kind = ANY_VALUE };
    enum outcome outcome =
            each(machine, node->first, env, input, (struct emit){ find_value, &find });

    if (outcome == FAILED) return FAILED;
    *ret = find.value;
    return find.found ? ONE : NONE;
}

struct fold {
    const struct node *step;
    const struct env *outer;
    struct state state;
};

/* Binds the state and the item, and takes the step. */
static enum outcome fold_item(
        struct machine *machine, struct json value, const struct env *env, void *user) {
    struct fold *fold = user;
    struct env state = { .next = fold->outer, .state = &fold->state };
    struct env item = { .next = &state, .value = value };
    struct json ignored;

    (void)env;
    enum outcome outcome = simple_eval(machine, fold->step, &item, value, &ignored);
    return outcome == FAILED ? FAILED : ONE;
}

static enum outcome eval_reduce(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    struct owned owned = { 0 };
    struct fold fold = { .step = node->third, .outer = env, .state.owned = &owned };
    enum outcome outcome = simple_eval(machine, node->second, env, input, &fold.state.value);

    if (outcome != ONE) return outcome;
    outcome = each(machine, node->first, env, input, (struct emit){ fold_item, &fold });
    *ret = fold.state.value;
    return outcome == FAILED ? FAILED : ONE;
}

/* A step that gives nothing leaves null, as in jq. */
static enum outcome eval_step(
        struct machine *machine, const struct node *node, const struct env *env, struct json *ret) {
    struct state *state = env_at(env, node->index)->state;
    struct json before = state->value;

    if (state->owned && is_update_step(node->first)) {
        enum outcome stepped = update_step(machine, node->first, env, state);
        *ret = state->value;
        return stepped;
    }
    state->value = json_null();
    enum outcome outcome = simple_eval(machine, node->first, env, before, ret);
    if (outcome == ONE) state->value = *ret;
    return outcome;
}

struct chain {
    const struct node *node;
    const struct env *env;
    struct json input;
    struct emit emit;
};

static enum outcome emit_rest(
        struct machine *machine, struct json value, const struct env *env, void *user) {
    struct chain *chain = user;

    (void)env;
    return each(machine, chain->node, chain->env, value, chain->emit);
}

static enum outcome emit_bound(
        struct machine *machine, struct json value, const struct env *env, void *user) {
    struct chain *chain = user;
    struct env bound = { .next = chain->env, .value = value };

    (void)env;
    return each(machine, chain->node, &bound, chain->input, chain->emit);
}

static enum outcome each_item(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct emit emit) {
    struct json container, key, item;
    enum outcome outcome = simple_eval(machine, node->first, env, input, &container);

    if (outcome != ONE) return outcome == NONE ? ONE : FAILED;
    if (container.type != JSON_ARRAY && container.type != JSON_OBJECT) {
        return node->optional ? ONE : given(fail_iterate(machine, container));
    }
    for (size_t i = 0; item_at(container, i, &key, &item); i++) {
        if (!charge(machine, 1)) return FAILED;
        outcome = emit.call(machine, item, env, emit.user);
        if (outcome != ONE) return outcome;
    }
    return ONE;
}

static enum outcome each_number(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct emit emit) {
    struct json from, upto, by;
    enum outcome outcome = simple_eval(machine, node->first, env, input, &from);

    if (outcome == ONE) outcome = simple_eval(machine, node->second, env, input, &upto);
    if (outcome == ONE) outcome = simple_eval(machine, node->third, env, input, &by);
    if (outcome != ONE) return outcome == NONE ? ONE : FAILED;
    if (from.type != JSON_NUMBER || upto.type != JSON_NUMBER || by.type != JSON_NUMBER) {
        return given(fail(machine, "Range bounds must be numeric"));
    }
    double at = number_value(from), end = number_value(upto), step = number_value(by);
    while ((step > 0 && at < end) || (step < 0 && at > end)) {
        if (!charge(machine, 1)) return FAILED;
        outcome = emit.call(machine, number_of(at), env, emit.user);
        if (outcome != ONE) return outcome;
        at += step;
    }
    return ONE;
}

/* Gives every value of `node` to `emit`. Returns ONE, also where there were none; NONE if `emit`
 * wanted no more. */
static enum outcome each(struct machine *machine, const struct node *node, const struct env *env,
        struct json input, struct emit emit) {
    struct chain chain = { .emit = emit, .node = node->second, .env = env, .input = input };
    struct json value;
    enum outcome outcome;

    if (node->simple) {
        outcome = simple_eval(machine, node, env, input, &value);
        if (outcome != ONE) return outcome == NONE ? ONE : FAILED;
        return emit.call(machine, value, env, emit.user);
    }
    switch (node->type) {
    case NODE_ITERATE: return each_item(machine, node, env, input, emit);
    case NODE_RANGE: return each_number(machine, node, env, input, emit);
    case NODE_PIPE:
        return each(machine, node->first, env, input, (struct emit){ emit_rest, &chain });
    case NODE_AS:
        return each(machine, node->first, env, input, (struct emit){ emit_bound, &chain });
    case NODE_INVOKE:
        return each(machine, node->function->body, env_at(env, node->index), input, emit);
    case NODE_IF:
        outcome = simple_eval(machine, node->first, env, input, &value);
        if (outcome != ONE) return outcome == NONE ? ONE : FAILED;
        if (json_is_truthy(value)) return each(machine, node->second, env, input, emit);
        if (node->third) return each(machine, node->third, env, input, emit);
        return emit.call(machine, input, env, emit.user);
    default: break;
    }
    assert(node->type == NODE_COMMA);
    for (uint32_t i = 0; i < node->count; i++) {
        outcome = each(machine, node->list[i], env, input, emit);
        if (outcome != ONE) return outcome;
    }
    return ONE;
}

/* ---- all of it ---- */

static enum outcome eval_as(struct machine *machine, const struct node *node, const struct env *env,
        struct json input, struct json *ret) {
    struct env bound = { .next = env };
    enum outcome outcome = simple_eval(machine, node->first, env, input, &bound.value);

    return outcome == ONE ? simple_eval(machine, node->second, &bound, input, ret) : outcome;
}

static enum outcome eval_raise(struct machine *machine, const struct node *node,
        const struct env *env, struct json input) {
    struct json value;
    enum outcome outcome = simple_eval(machine, node->first, env, input, &value);

    return outcome == ONE ? given(fail_with(machine, value)) : outcome;
}

/* The rarer ones. */
static enum outcome eval_other(struct machine *machine, const struct node *node,
        const struct env *env, struct json input, struct json *ret) {
    enum outcome outcome;

    switch (node->type) {
    case NODE_EMPTY: return NONE;
    case NODE_ERROR: return eval_raise(machine, node, env, input);
    case NODE_TRY: return eval_try(machine, node, env, input, ret);
    case NODE_AS: return eval_as(machine, node, env, input, ret);
    case NODE_SLICE: return eval_slice(machine, node, env, input, ret);
    case NODE_GETPATH: return eval_getpath(machine, node, env, input, ret);
    case NODE_ANY: return eval_any(machine, node, env, input, ret);
    case NODE_FIRST: return eval_first(machine, node, env, input, ret);
    case NODE_REDUCE: return eval_reduce(machine, node, env, input, ret);
    case NODE_STEP: return eval_step(machine, node, env, ret);
    case NODE_NEGATE:
        outcome = simple_eval(machine, node->first, env, input, ret);
        return outcome == ONE ? given(value_negate(machine, *ret, ret)) : outcome;
    case NODE_ALTERNATIVE:
        outcome = simple_eval(machine, node->first, env, input, ret);
        if (outcome == FAILED || (outcome == ONE && json_is_truthy(*ret))) return outcome;
        return simple_eval(machine, node->second, env, input, ret);
    default: break;
    }
    assert(node->type == NODE_UPDATE); /* no other is simple */
    return simple_update(machine, node, env, input, ret);
}

enum outcome simple_eval(struct machine *machine, const struct node *node, const struct env *env,
        struct json input, struct json *ret) {
    enum outcome outcome;

    for (;;) {
        if (!charge(machine, 1)) return FAILED;
        switch (node->type) {
        case NODE_IDENTITY: *ret = input; return ONE;
        case NODE_LITERAL: *ret = node->value; return ONE;
        case NODE_VARIABLE: *ret = env_at(env, node->index)->value; return ONE;
        case NODE_GLOBAL: return given(global_get(machine, node->index, ret));
        case NODE_FIELD: return eval_field(machine, node, env, input, ret);
        case NODE_INDEX: return eval_index(machine, node, env, input, ret);
        case NODE_BINARY: return eval_binary(machine, node, env, input, ret);
        case NODE_AND:
        case NODE_OR: return eval_logic(machine, node, env, input, ret);
        case NODE_ARRAY: return eval_array(machine, node, env, input, ret);
        case NODE_OBJECT: return eval_object(machine, node, env, input, ret);
        case NODE_STRING: return eval_string(machine, node, env, input, ret);
        case NODE_NATIVE: return eval_native(machine, node, env, input, ret);
        case NODE_PIPE:
            outcome = simple_eval(machine, node->first, env, input, &input);
            if (outcome != ONE) return outcome;
            node = node->second;
            break;
        case NODE_IF:
            outcome = simple_eval(machine, node->first, env, input, ret);
            if (outcome != ONE) return outcome;
            node = json_is_truthy(*ret) ? node->second : node->third;
            if (!node) {
                *ret = input;
                return ONE;
            }
            break;
        case NODE_INVOKE:
            env = env_at(env, node->index);
            node = node->function->body;
            break;
        default: return eval_other(machine, node, env, input, ret);
        }
    }
}

/* `path = value`, `path |= filter`, `path += value`, … where the path is made of fields, items
 * and conditions: goes down the value once and builds what changes on the way back, where jq
 * would set one path after the other. */
#include <string.h>

#include "core/expression_internal.h"

/* What is left to be done at a place: nothing (the value is there), a key, every item, or a path
 * of its own. */
enum pending_kind { PENDING_KEY, PENDING_ITEMS, PENDING_NODE };

struct pending {
    enum pending_kind kind;
    bool optional;
    struct json key;
    const struct node *node;
    const struct pending *next;
};

struct update {
    struct machine *machine;
    const struct node *node; /* the update */
    const struct env *env;
    struct json operand;
    struct owned *owned; /* what may be changed in place; NULL: nothing */
};

static enum outcome go_down(const struct update *update, const struct node *path, struct json value,
        const struct pending *next, struct json *ret);

/* Gives the new value, NONE to delete it, KEPT to leave all as it is. */
static enum outcome change(const struct update *update, struct json value, struct json *ret) {
    uint8_t op = update->node->op;

    if (op == UPDATE_FILTER)
        return simple_eval(update->machine, update->node->second, update->env, value, ret);
    if (op == UPDATE_SET || (op == UPDATE_DEFAULT && !json_is_truthy(value))) {
        *ret = update->operand;
    } else if (op == UPDATE_DEFAULT) {
        *ret = value;
    } else {
        return operator_apply(update->machine, (enum operator)op, value, update->operand, ret)
                ? ONE
                : FAILED;
    }
    return ONE;
}

static enum outcome proceed(const struct update *update, struct json value,
        const struct pending *next, struct json *ret);

static enum outcome update_key(const struct update *update, struct json value,
        const struct pending *pending, struct json *ret) {
    struct machine *machine = update->machine;
    struct json item;

    if (!value_index(machine, value, pending->key, &item)) {
        return pending->optional && !machine->spent ? KEPT : FAILED;
    }
    enum outcome outcome = proceed(update, item, pending->next, &item);
    struct place place = { value, pending->key };
    if (outcome == ONE) return value_set(machine, place, item, update->owned, ret) ? ONE : FAILED;
    if (outcome != NONE) return outcome;
    if (json_is_null(value)) return KEPT;
    struct json path = json_append(json_null(), pending->key, machine->arena);
    struct json paths = json_append(json_null(), path, machine->arena);
    return path_delete(machine, value, paths, ret) ? ONE : FAILED;
}

static enum outcome update_items(const struct update *update, struct json value,
        const struct pending *pending, struct json *ret) {
    struct machine *machine = update->machine;
    struct json key, item;
    bool is_array = value.type == JSON_ARRAY;

    if (!is_array && value.type != JSON_OBJECT) {
        if (pending->optional) return KEPT;
        return fail_iterate(machine, value) ? ONE : FAILED;
    }
    if (!charge_bytes(
                machine, value.count * (is_array ? sizeof(struct json) : 2 * sizeof(struct json))))
        return FAILED;
    struct json items = is_array ? json_array(machine->arena, value.count)
                                 : json_object(machine->arena, value.count);
    for (size_t i = 0; item_at(value, i, &key, &item); i++) {
        struct json before = item;
        enum outcome outcome = proceed(update, item, pending->next, &item);
        if (outcome == FAILED) return FAILED;
        if (outcome == NONE) continue;
        if (outcome == KEPT) item = before;
        items = is_array ? json_append(items, item, machine->arena)
                         : json_set(items, json_str(key), item, machine->arena);
    }
    machine->built += items.count;
    *ret = items;
    return ONE;
}

static enum outcome proceed(const struct update *update, struct json value,
        const struct pending *next, struct json *ret) {
    if (!charge(update->machine, 1)) return FAILED;
    if (!next) return change(update, value, ret);
    switch (next->kind) {
    case PENDING_KEY: return update_key(update, value, next, ret);
    case PENDING_ITEMS: return update_items(update, value, next, ret);
    case PENDING_NODE: break;
    }
    return go_down(update, next->node, value, next->next, ret);
}

/* Takes the path from its outermost part, which is the last to be applied, to its first. */
static enum outcome go_down(const struct update *update, const struct node *path, struct json value,
        const struct pending *next, struct json *ret) {
    struct pending pending = { .next = next, .optional = path->optional };
    struct machine *machine = update->machine;
    enum outcome outcome;

    switch (path->type) {
    case NODE_EMPTY: return KEPT;
    case NODE_IDENTITY: return proceed(update, value, next, ret);
    case NODE_FIELD:
        pending.kind = PENDING_KEY;
        pending.key = path->value;
        break;
    case NODE_INDEX:
        pending.kind = PENDING_KEY;
        outcome = simple_eval(machine, path->second, update->env, value, &pending.key);
        if (outcome != ONE) return outcome == NONE ? KEPT : outcome;
        break;
    case NODE_ITERATE: pending.kind = PENDING_ITEMS; break;
    case NODE_PIPE:
        pending.kind = PENDING_NODE;
        pending.node = path->second;
        break;
    default: {
        assert(path->type == NODE_IF);
        struct json condition;
        outcome = simple_eval(machine, path->first, update->env, value, &condition);
        if (outcome != ONE) return outcome == NONE ? KEPT : outcome;
        const struct node *branch = json_is_truthy(condition) ? path->second : path->third;
        return branch ? go_down(update, branch, value, next, ret)
                      : proceed(update, value, next, ret);
    }
    }
    return go_down(update, path->first, value, &pending, ret);
}

static enum outcome run_update(struct update *update, struct json input, struct json *ret) {
    const struct node *node = update->node;
    enum outcome outcome;

    if (node->op != UPDATE_FILTER) {
        outcome = simple_eval(update->machine, node->second, update->env, input, &update->operand);
        if (outcome != ONE) return outcome;
    }
    outcome = go_down(update, node->first, input, NULL, ret);
    if (outcome == FAILED) return FAILED;
    if (outcome == KEPT) *ret = input;
    if (outcome == NONE) *ret = json_null(); /* `. |= empty` deletes the whole */
    return ONE;
}

enum outcome simple_update(struct machine *machine, const struct node *node, const struct env *env,
        struct json input, struct json *ret) {
    struct update update = { .machine = machine, .node = node, .env = env };

    return run_update(&update, input, ret);
}

bool is_update_step(const struct node *node) {
    if (node->type == NODE_PIPE) return is_update_step(node->first) && is_update_step(node->second);
    return node->type == NODE_UPDATE && node->op != UPDATE_FILTER && node->simple
            && node->second->blind;
}

/* Nobody else sees the state between two steps: the operands are blind, and keys are no
 * containers. So rows that were made here can be changed where they are, and counting by key in
 * a loop takes time for each step, not for each key. */
enum outcome update_step(struct machine *machine, const struct node *node, const struct env *env,
        struct state *state) {
    struct update update = { .machine = machine, .node = node, .env = env, .owned = state->owned };

    if (node->type == NODE_PIPE) {
        enum outcome outcome = update_step(machine, node->first, env, state);
        return outcome == ONE ? update_step(machine, node->second, env, state) : outcome;
    }
    struct json before = state->value;
    state->value = json_null();
    return run_update(&update, before, &state->value);
}

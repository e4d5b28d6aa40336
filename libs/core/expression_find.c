/* Nodes that find values in others, and keep account of the path there; and updates along paths. */
#include <math.h>

#include "core/expression_machine.h"

/* ---- .a, .[k], .[i:j], .[] ---- */

static enum mode found(struct machine *machine, struct json key, struct json value) {
    if (machine->path) machine->path = path_add(machine, machine->path, key);
    return deliver(machine, value);
}

static enum mode resume_iterate(struct machine *machine, struct fork *fork) {
    struct json container = fork->input, key, item;
    size_t index = ++fork->index;

    if (!charge(machine, 1)) return MODE_RAISE;
    fork_enter(machine, fork);
    if (index + 1 == container.count) fork_pop(machine);
    item_at(container, index, &key, &item);
    return found(machine, key, item);
}

enum mode iterate(struct machine *machine) {
    struct json key, item, container = machine->value;

    if (container.count == 0) return MODE_BACKTRACK;
    if (container.count > 1) fork_push(machine, resume_iterate, NULL);
    item_at(container, 0, &key, &item);
    return found(machine, key, item);
}

/* The error of an access; `?` behind it turns it into nothing. */
static enum mode access_failed(const struct machine *machine, const struct node *node) {
    return node->optional && !machine->spent ? MODE_BACKTRACK : MODE_RAISE;
}

static enum mode access_key(struct machine *machine, const struct node *node, struct json key) {
    struct json value;

    if (is_lost(machine)) {
        fail_lost(machine, key, machine->value);
        return MODE_RAISE;
    }
    if (!value_index(machine, machine->value, key, &value)) return access_failed(machine, node);
    return found(machine, key, value);
}

static enum mode access_slice(
        struct machine *machine, const struct node *node, struct json from, struct json upto) {
    struct json value;

    if (machine->path) return access_key(machine, node, slice_key(machine, from, upto));
    if (!value_slice(machine, machine->value, from, upto, &value))
        return access_failed(machine, node);
    return deliver(machine, value);
}

static enum mode access_items(struct machine *machine, const struct node *node) {
    struct json value = machine->value;

    if (is_lost(machine)) {
        fail_lost(machine, (struct json){ 0 }, value);
        return MODE_RAISE;
    }
    if (value.type != JSON_ARRAY && value.type != JSON_OBJECT) {
        fail_iterate(machine, value);
        return access_failed(machine, node);
    }
    return iterate(machine);
}

/* The value to look into is there; the keys are in the continuation. */
static enum mode resume_access(struct machine *machine, const struct kont *kont) {
    const struct node *node = kont->node;

    if (node->type == NODE_FIELD) return access_key(machine, node, node->value);
    if (node->type == NODE_INDEX) return access_key(machine, node, kont->first);
    if (node->type == NODE_SLICE) return access_slice(machine, node, kont->first, kont->second);
    return access_items(machine, node);
}

static enum mode find_target(
        struct machine *machine, const struct node *node, struct json first, struct json second) {
    struct kont *kont = kont_push(machine, resume_access, node);

    kont->first = first;
    kont->second = second;
    return go(machine, node->first);
}

static enum mode resume_upto(struct machine *machine, const struct kont *kont) {
    struct json upto = machine->value;

    kont_enter(machine, kont);
    return find_target(machine, kont->node, kont->first, upto);
}

static enum mode find_upto(struct machine *machine, const struct node *node, struct json from) {
    if (!node->third) return find_target(machine, node, from, json_null());
    kont_push(machine, resume_upto, node)->first = from;
    return go_aside(machine, node->third, machine->value);
}

static enum mode resume_key(struct machine *machine, const struct kont *kont) {
    struct json key = machine->value;

    kont_enter(machine, kont);
    if (kont->node->type == NODE_SLICE) return find_upto(machine, kont->node, key);
    return find_target(machine, kont->node, key, json_null());
}

enum mode eval_access(struct machine *machine, const struct node *node) {
    if (node->type == NODE_SLICE && !node->second) return find_upto(machine, node, json_null());
    if (node->second) {
        kont_push(machine, resume_key, node);
        return go_aside(machine, node->second, machine->value);
    }
    if (node->first->type != NODE_IDENTITY)
        return find_target(machine, node, json_null(), json_null());
    return node->type == NODE_FIELD ? access_key(machine, node, node->value)
                                    : access_items(machine, node);
}

/* ---- path(f), getpath(p), recurse(f) ---- */

static enum mode resume_path(struct machine *machine, const struct kont *kont) {
    (void)kont;
    if (is_lost(machine)) {
        fail(machine, "Invalid path expression with result %s",
                short_text(machine, machine->value, LONG_TEXT));
        return MODE_RAISE;
    }
    machine->value = path_to_json(machine, machine->path);
    machine->path = NULL;
    return delivered(!machine->spent);
}

enum mode eval_path(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_path, node);
    machine->path = &path_root;
    return go(machine, node->first);
}

static enum mode resume_getpath(struct machine *machine, const struct kont *kont) {
    struct json path = machine->value, value;

    kont_enter(machine, kont);
    if (is_lost(machine)) {
        fail_lost(machine, path, machine->value);
        return MODE_RAISE;
    }
    if (!path_get(machine, machine->value, path, &value)) return MODE_RAISE;
    for (uint32_t i = 0; machine->path && i < path.count; i++) {
        machine->path = path_add(machine, machine->path, json_at(path, i));
    }
    return deliver(machine, value);
}

enum mode eval_getpath(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_getpath, node);
    return go_aside(machine, node->first, machine->value);
}

static enum mode resume_recurse(struct machine *machine, struct fork *fork);

/* Gives the value itself, and leaves a fork that goes further down from it. */
static enum mode visit(struct machine *machine, const struct node *node) {
    bool leaf = !node->first && json_size(machine->value) == 0;

    if (!leaf) fork_push(machine, resume_recurse, node);
    return MODE_DELIVER;
}

static enum mode visit_next(struct machine *machine, const struct kont *kont) {
    machine->env = kont->env;
    return visit(machine, kont->node);
}

static enum mode resume_recurse(struct machine *machine, struct fork *fork) {
    const struct node *node = fork->node;

    fork_enter(machine, fork);
    fork_pop(machine);
    if (!charge(machine, 1)) return MODE_RAISE;
    kont_push(machine, visit_next, node);
    if (node->first) return go(machine, node->first);
    if (is_lost(machine)) {
        fail_lost(machine, (struct json){ 0 }, machine->value);
        return MODE_RAISE;
    }
    return iterate(machine);
}

enum mode eval_recurse(struct machine *machine, const struct node *node) {
    return visit(machine, node);
}

/* ---- updates: the fork holds the value as it has become so far, and the paths to delete at the
 * end ---- */

static enum mode resume_update(struct machine *machine, struct fork *fork) {
    struct json value = fork->state.value, gone = fork->extra;
    bool deletes = fork->node->op == UPDATE_FILTER && gone.count;

    fork_enter(machine, fork);
    fork_pop(machine);
    if (deletes && !path_delete(machine, value, gone, &value)) return MODE_RAISE;
    return deliver(machine, value);
}

/* The filter gave nothing for a path: what is there goes, once all paths are known. */
static enum mode resume_nothing(struct machine *machine, struct fork *fork) {
    struct fork *update = fork->owner;
    struct json path = fork->extra;

    fork_pop(machine);
    update->extra = json_append(update->extra, path, machine->arena);
    return MODE_BACKTRACK;
}

static enum mode set_at(
        struct machine *machine, struct fork *update, struct json path, struct json value) {
    struct place place = { update->state.value, path };
    bool ok = path_set(machine, place, value, &update->owned, &update->state.value);

    return ok ? MODE_BACKTRACK : MODE_RAISE;
}

/* The filter's first value counts. */
static enum mode take_update(struct machine *machine, const struct kont *kont) {
    struct fork *update = kont->fork->owner;
    struct json path = kont->first;

    fork_cut(machine, kont->fork);
    return set_at(machine, update, path, machine->value);
}

static enum mode update_filtered(
        struct machine *machine, struct fork *update, struct json path, struct json before) {
    machine->env = update->env;
    machine->value = before;
    struct fork *fork = fork_push(machine, resume_nothing, update->node);
    fork->owner = update;
    fork->extra = path;
    struct kont *kont = kont_push(machine, take_update, update->node);
    kont->fork = fork;
    kont->first = path;
    return go(machine, update->node->second);
}

static enum mode take_path(struct machine *machine, const struct kont *kont) {
    struct fork *update = kont->fork;
    uint8_t op = update->node->op;
    struct json path, before, after = update->extra;

    if (is_lost(machine)) {
        fail(machine, "Invalid path expression with result %s",
                short_text(machine, machine->value, LONG_TEXT));
        return MODE_RAISE;
    }
    path = path_to_json(machine, machine->path);
    machine->path = NULL;
    if (machine->spent) return MODE_RAISE;
    if (op == UPDATE_SET) return set_at(machine, update, path, after);
    if (!path_get(machine, update->state.value, path, &before)) return MODE_RAISE;
    /* Others may come to see what is ours. */
    if (owned_has(&update->owned, before)) owned_clear(&update->owned);
    if (op == UPDATE_FILTER) return update_filtered(machine, update, path, before);
    if (op == UPDATE_DEFAULT)
        return set_at(machine, update, path, json_is_truthy(before) ? before : after);
    if (!operator_apply(machine, (enum operator)op, before, after, &after)) return MODE_RAISE;
    return set_at(machine, update, path, after);
}

/* Goes through the paths of the value; `operand` is what to set or to apply. */
static enum mode start_update(
        struct machine *machine, const struct node *node, struct json operand) {
    struct fork *update = fork_push(machine, resume_update, node);

    update->state.value = machine->value;
    update->owned = (struct owned){ 0 };
    update->extra = operand;
    kont_push(machine, take_path, node)->fork = update;
    machine->path = &path_root;
    return go(machine, node->first);
}

static enum mode resume_operand(struct machine *machine, const struct kont *kont) {
    struct json operand = machine->value;

    kont_enter(machine, kont);
    return start_update(machine, kont->node, operand);
}

enum mode eval_update(struct machine *machine, const struct node *node) {
    if (node->op == UPDATE_FILTER)
        return start_update(machine, node, json_array(machine->arena, 0));
    kont_push(machine, resume_operand, node);
    return go(machine, node->second);
}

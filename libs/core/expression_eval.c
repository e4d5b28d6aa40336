/* Nodes that combine values. */
#include "core/expression_machine.h"

/* ---- a | b, and a, b ---- */

static enum mode resume_pipe(struct machine *machine, const struct kont *kont) {
    machine->env = kont->env;
    return go(machine, kont->node->second);
}

enum mode eval_pipe(struct machine *machine, const struct node *node) {
    if (node->first->simple && !machine->path) {
        enum outcome outcome =
                simple_eval(machine, node->first, machine->env, machine->value, &machine->value);
        if (outcome == FAILED) return MODE_RAISE;
        return outcome == ONE ? go(machine, node->second) : MODE_BACKTRACK;
    }
    kont_push(machine, resume_pipe, node);
    return go(machine, node->first);
}

static enum mode resume_comma(struct machine *machine, struct fork *fork) {
    const struct node *next = fork->node->list[++fork->index];

    fork_enter(machine, fork);
    if (fork->index + 1 == fork->node->count) fork_pop(machine);
    return go(machine, next);
}

enum mode eval_comma(struct machine *machine, const struct node *node) {
    fork_push(machine, resume_comma, node);
    return go(machine, node->list[0]);
}

/* ---- a // b ---- */

static enum mode resume_alternative(struct machine *machine, struct fork *fork) {
    fork_enter(machine, fork);
    bool found = fork->index;
    const struct node *otherwise = fork->node->second;
    fork_pop(machine);
    return found ? MODE_BACKTRACK : go(machine, otherwise);
}

static enum mode take_alternative(struct machine *machine, const struct kont *kont) {
    if (!json_is_truthy(machine->value)) return MODE_BACKTRACK;
    kont->fork->index = 1;
    if (machine->fork == kont->fork) fork_pop(machine);
    return MODE_DELIVER;
}

enum mode eval_alternative(struct machine *machine, const struct node *node) {
    struct fork *fork = fork_push(machine, resume_alternative, node);

    kont_push(machine, take_alternative, node)->fork = fork;
    return go(machine, node->first);
}

/* ---- if, and, or ---- */

static enum mode resume_if(struct machine *machine, const struct kont *kont) {
    const struct node *branch =
            json_is_truthy(machine->value) ? kont->node->second : kont->node->third;

    kont_enter(machine, kont);
    return branch ? go(machine, branch) : MODE_DELIVER;
}

enum mode eval_if(struct machine *machine, const struct node *node) {
    if (node->first->simple) {
        struct json condition;
        enum outcome outcome =
                simple_eval(machine, node->first, machine->env, machine->value, &condition);
        if (outcome != ONE) return outcome == NONE ? MODE_BACKTRACK : MODE_RAISE;
        const struct node *branch = json_is_truthy(condition) ? node->second : node->third;
        return branch ? go(machine, branch) : MODE_DELIVER;
    }
    kont_push(machine, resume_if, node);
    return go_aside(machine, node->first, machine->value);
}

static enum mode resume_logic_second(struct machine *machine, const struct kont *kont) {
    (void)kont;
    return deliver(machine, json_bool(json_is_truthy(machine->value)));
}

static enum mode resume_logic(struct machine *machine, const struct kont *kont) {
    bool decided = kont->node->type == NODE_OR;

    if (json_is_truthy(machine->value) == decided) return deliver(machine, json_bool(decided));
    kont_enter(machine, kont);
    kont_push(machine, resume_logic_second, kont->node);
    return go(machine, kont->node->second);
}

enum mode eval_logic(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_logic, node);
    return go(machine, node->first);
}

/* ---- operators; the right side is asked first, so that the left changes fastest ---- */

static enum mode resume_left(struct machine *machine, const struct kont *kont) {
    enum operator op =(enum operator) kont->node->op;

    return delivered(operator_apply(machine, op, machine->value, kont->first, &machine->value));
}

static enum mode resume_right(struct machine *machine, const struct kont *kont) {
    struct json right = machine->value;

    kont_enter(machine, kont);
    kont_push(machine, resume_left, kont->node)->first = right;
    return go(machine, kont->node->first);
}

enum mode eval_operator(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_right, node);
    return go(machine, node->second);
}

static enum mode resume_negate(struct machine *machine, const struct kont *kont) {
    (void)kont;
    return delivered(value_negate(machine, machine->value, &machine->value));
}

enum mode eval_negate(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_negate, node);
    return go(machine, node->first);
}

/* ---- errors ---- */

static enum mode resume_error(struct machine *machine, const struct kont *kont) {
    (void)kont;
    fail_with(machine, machine->value);
    return MODE_RAISE;
}

enum mode eval_error(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_error, node);
    return go_aside(machine, node->first, machine->value);
}

enum mode resume_older(struct machine *machine, struct fork *fork) {
    (void)fork;
    fork_pop(machine);
    return MODE_BACKTRACK;
}

static enum mode catch_try(struct machine *machine, struct fork *fork) {
    const struct node *handler = fork->node->second;

    fork_enter(machine, fork);
    fork_pop(machine);
    if (!handler) return MODE_BACKTRACK;
    if (machine->path) machine->path = &path_lost;
    machine->value = machine->error;
    return go(machine, handler);
}

/* An error from behind the `try` is none of its business: it passes by all that the body left. */
static enum mode pass_try(struct machine *machine, struct fork *fork) {
    fork_cut(machine, fork->owner);
    return MODE_RAISE;
}

enum mode leave_try(struct machine *machine, const struct kont *kont) {
    if (machine->fork == kont->fork) {
        fork_pop(machine);
        return MODE_DELIVER;
    }
    struct fork *fork = fork_push(machine, resume_older, kont->node);
    fork->caught = pass_try;
    fork->owner = kont->fork;
    return MODE_DELIVER;
}

enum mode eval_try(struct machine *machine, const struct node *node) {
    struct fork *fork = fork_push(machine, resume_older, node);

    fork->caught = catch_try;
    kont_push(machine, leave_try, node)->fork = fork;
    return go(machine, node->first);
}

/* ---- arrays and objects ---- */

static enum mode resume_array(struct machine *machine, struct fork *fork) {
    fork_enter(machine, fork);
    machine->value = fork->state.value;
    fork_pop(machine);
    return MODE_DELIVER;
}

static enum mode take_item(struct machine *machine, const struct kont *kont) {
    struct json *items = &kont->fork->state.value;

    *items = json_append(*items, machine->value, machine->arena);
    machine->built++;
    return charge_bytes(machine, items->count >= 256 ? items->count * sizeof(struct json) / 4 : 0)
            ? MODE_BACKTRACK
            : MODE_RAISE;
}

enum mode eval_array(struct machine *machine, const struct node *node) {
    struct fork *fork = fork_push(machine, resume_array, node);

    fork->state.value = json_array(machine->arena, 0);
    kont_push(machine, take_item, node)->fork = fork;
    return go(machine, node->first);
}

static enum mode next_member(
        struct machine *machine, const struct node *node, struct json object, uint32_t index);

static enum mode resume_member_value(struct machine *machine, const struct kont *kont) {
    if (kont->second.type != JSON_STRING) {
        fail_key(machine, kont->second);
        return MODE_RAISE;
    }
    struct json object =
            json_set(kont->first, json_str(kont->second), machine->value, machine->arena);

    machine->built++;
    kont_enter(machine, kont);
    return next_member(machine, kont->node, object, kont->index + 2);
}

static enum mode resume_member_key(struct machine *machine, const struct kont *kont) {
    struct json key = machine->value;

    kont_enter(machine, kont);
    struct kont *value = kont_push(machine, resume_member_value, kont->node);
    value->first = kont->first;
    value->second = key;
    value->index = kont->index;
    return go(machine, kont->node->list[kont->index + 1]);
}

static enum mode next_member(
        struct machine *machine, const struct node *node, struct json object, uint32_t index) {
    if (index == node->count) return deliver(machine, object);
    struct kont *kont = kont_push(machine, resume_member_key, node);
    kont->first = object;
    kont->index = index;
    return go(machine, node->list[index]);
}

enum mode eval_object(struct machine *machine, const struct node *node) {
    return next_member(machine, node, json_object(machine->arena, node->count / 2), 0);
}

/* ---- strings and functions of values, from the last part to the first ---- */

static enum mode next_part(
        struct machine *machine, const struct node *node, struct json behind, uint32_t index);

static enum mode resume_part(struct machine *machine, const struct kont *kont) {
    const struct node *part = kont->node->list[kont->index];
    struct json text = machine->value, pieces[2];

    if (part->type != NODE_LITERAL || !part->op) {
        if (!kont->node->native->call(machine, &text, &text)) return MODE_RAISE;
    }
    pieces[0] = text;
    pieces[1] = kont->first;
    if (!operator_apply(machine, OPERATOR_ADD, pieces[0], pieces[1], &text)) return MODE_RAISE;
    kont_enter(machine, kont);
    return next_part(machine, kont->node, text, kont->index);
}

static enum mode next_part(
        struct machine *machine, const struct node *node, struct json behind, uint32_t index) {
    if (index == 0) return deliver(machine, behind);
    struct kont *kont = kont_push(machine, resume_part, node);
    kont->first = behind;
    kont->index = index - 1;
    return go(machine, node->list[index - 1]);
}

enum mode eval_string(struct machine *machine, const struct node *node) {
    return next_part(machine, node, json_string(STR("")), node->count);
}

static enum mode next_argument(struct machine *machine, const struct node *node, struct json first,
        struct json second, uint32_t index);

static enum mode resume_argument(struct machine *machine, const struct kont *kont) {
    struct json value = machine->value;

    kont_enter(machine, kont);
    if (kont->index > 0) return next_argument(machine, kont->node, value, kont->first, kont->index);
    const struct json values[] = { kont->input, value, kont->first, kont->second };
    return delivered(kont->node->native->call(machine, values, &machine->value));
}

/* `first` and `second` are the arguments behind the one to be evaluated. */
static enum mode next_argument(struct machine *machine, const struct node *node, struct json first,
        struct json second, uint32_t index) {
    struct kont *kont = kont_push(machine, resume_argument, node);

    kont->first = first;
    kont->second = second;
    kont->index = index - 1;
    return go(machine, node->list[index - 1]);
}

enum mode eval_native(struct machine *machine, const struct node *node) {
    return next_argument(machine, node, json_null(), json_null(), node->count);
}

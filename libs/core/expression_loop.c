/* Nodes that bind names, call functions, and repeat or cut short. */
#include <math.h>
#include <stddef.h>

#include "core/expression_machine.h"

/* ---- … as $x | … ---- */

static enum mode bind_value(struct machine *machine, const struct node *body, struct json value) {
    struct env *env = env_push(machine, machine->env);

    env->value = value;
    machine->env = env;
    return go(machine, body);
}

static enum mode resume_as(struct machine *machine, const struct kont *kont) {
    struct json value = machine->value;

    kont_enter(machine, kont);
    return bind_value(machine, kont->node->second, value);
}

enum mode eval_as(struct machine *machine, const struct node *node) {
    struct json value;

    if (!node->first->simple) {
        kont_push(machine, resume_as, node);
        return go_aside(machine, node->first, machine->value);
    }
    enum outcome outcome = simple_eval(machine, node->first, machine->env, machine->value, &value);
    if (outcome != ONE) return outcome == NONE ? MODE_BACKTRACK : MODE_RAISE;
    return bind_value(machine, node->second, value);
}

/* An alternative gave the array of all names' values. */
static enum mode take_values(struct machine *machine, const struct kont *kont) {
    struct json values = machine->value;

    kont_enter(machine, kont);
    return bind_value(machine, kont->node->first, values);
}

static enum mode try_alternative(
        struct machine *machine, const struct node *node, struct json value, uint32_t index);

static enum mode next_alternative(struct machine *machine, struct fork *fork) {
    const struct node *node = fork->node;
    struct json value = fork->extra;
    uint32_t index = fork->index + 1;

    fork_enter(machine, fork);
    fork_pop(machine);
    return try_alternative(machine, node, value, index);
}

/* Errors of all but the last alternative, and of what sees its names, lead to the next. */
static enum mode try_alternative(
        struct machine *machine, const struct node *node, struct json value, uint32_t index) {
    if (index + 1 < node->count) {
        struct fork *fork = fork_push(machine, resume_older, node);
        fork->caught = next_alternative;
        fork->extra = value;
        fork->index = index;
        kont_push(machine, leave_try, node)->fork = fork;
    }
    kont_push(machine, take_values, node);
    return go_aside(machine, node->list[index], value);
}

static enum mode resume_destructure(struct machine *machine, const struct kont *kont) {
    struct json value = machine->value;

    kont_enter(machine, kont);
    return try_alternative(machine, kont->node, value, 0);
}

enum mode eval_destructure(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_destructure, node);
    return go_aside(machine, node->second, machine->value);
}

/* ---- reduce and foreach: the fork below all items holds the state ---- */

static enum mode finish_loop(struct machine *machine, struct fork *fork) {
    bool reduces = fork->node->type == NODE_REDUCE;

    fork_enter(machine, fork);
    machine->value = fork->state.value;
    machine->path = fork->state.path;
    fork_pop(machine);
    return reduces ? MODE_DELIVER : MODE_BACKTRACK;
}

static enum mode drop(struct machine *machine, const struct kont *kont) {
    (void)machine, (void)kont;
    return MODE_BACKTRACK;
}

static enum mode take_loop_item(struct machine *machine, const struct kont *kont) {
    struct json item = machine->value;

    if (!charge(machine, 1)) return MODE_RAISE;
    if (kont->node->type == NODE_REDUCE) kont_push(machine, drop, kont->node);
    struct env *state = env_push(machine, kont->env);
    state->state = &kont->fork->state;
    machine->env = state;
    machine->path = kont->fork->state.path;
    return bind_value(machine, kont->node->third, item);
}

static enum mode start_loop(struct machine *machine, const struct kont *kont) {
    struct state state = { machine->value, machine->path, NULL };

    kont_enter(machine, kont);
    struct fork *fork = fork_push(machine, finish_loop, kont->node);
    fork->state = state;
    kont_push(machine, take_loop_item, kont->node)->fork = fork;
    return go_aside(machine, kont->node->first, machine->value);
}

enum mode eval_loop(struct machine *machine, const struct node *node) {
    kont_push(machine, start_loop, node);
    return go(machine, node->second);
}

static enum mode take_state(struct machine *machine, const struct kont *kont) {
    kont->fork->state = (struct state){ machine->value, machine->path, NULL };
    machine->env = kont->env;
    return kont->node->second ? go(machine, kont->node->second) : MODE_DELIVER;
}

/* A step that gives nothing leaves null, as in jq. */
enum mode eval_step(struct machine *machine, const struct node *node) {
    struct state *state = env_at(machine->env, node->index)->state;
    struct fork *fork = (struct fork *)(void *)((char *)state - offsetof(struct fork, state));

    machine->value = state->value;
    machine->path = state->path;
    state->value = json_null();
    kont_push(machine, take_state, node)->fork = fork;
    return go(machine, node->first);
}

/* ---- label $x | … break $x ---- */

enum mode eval_label(struct machine *machine, const struct node *node) {
    struct fork *fork = fork_push(machine, resume_older, node);
    struct env *env = env_push(machine, machine->env);

    env->label = fork;
    machine->env = env;
    return go(machine, node->first);
}

enum mode eval_break(struct machine *machine, const struct node *node) {
    fork_cut(machine, env_at(machine->env, node->index)->label);
    return MODE_BACKTRACK;
}

/* ---- functions ---- */

/* Arguments are closures; one that only names a parameter of ours is handed on, so that chains
 * do not grow. */
enum mode eval_invoke(struct machine *machine, const struct node *node) {
    const struct env *caller = machine->env, *env = env_at(caller, node->index);

    for (uint32_t i = 0; i < node->count; i++) {
        const struct node *argument = node->list[i];
        struct env *bound = env_push(machine, env);
        if (argument->type == NODE_PARAMETER) {
            const struct env *handed = env_at(caller, argument->index);
            bound->closure.node = handed->closure.node;
            bound->closure.env = handed->closure.env;
        } else {
            bound->closure.node = argument;
            bound->closure.env = caller;
        }
        env = bound;
    }
    machine->env = env;
    return go(machine, node->function->body);
}

enum mode eval_parameter(struct machine *machine, const struct node *node) {
    const struct env *bound = env_at(machine->env, node->index);

    machine->env = bound->closure.env;
    return go(machine, bound->closure.node);
}

/* ---- first(f), limit(n; f), any, all, isempty ---- */

static enum mode take_first(struct machine *machine, const struct kont *kont) {
    fork_cut(machine, kont->fork);
    return MODE_DELIVER;
}

enum mode eval_first(struct machine *machine, const struct node *node) {
    struct fork *fork = fork_push(machine, resume_older, node);

    kont_push(machine, take_first, node)->fork = fork;
    return go(machine, node->first);
}

static enum mode take_limited(struct machine *machine, const struct kont *kont) {
    kont->fork->number -= 1;
    if (kont->fork->number <= 0) fork_cut(machine, kont->fork);
    return MODE_DELIVER;
}

/* A negative limit is none, as in jq 1.6. */
static enum mode resume_limit(struct machine *machine, const struct kont *kont) {
    struct json limit = machine->value;

    if (limit.type != JSON_NUMBER) {
        fail_types(machine, limit, number_of(1), "cannot be subtracted");
        return MODE_RAISE;
    }
    kont_enter(machine, kont);
    double count = number_value(limit);
    if (count == 0) return MODE_BACKTRACK;
    if (count > 0) {
        struct fork *fork = fork_push(machine, resume_older, kont->node);
        fork->number = count;
        kont_push(machine, take_limited, kont->node)->fork = fork;
    }
    return go(machine, kont->node->second);
}

enum mode eval_limit(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_limit, node);
    return go_aside(machine, node->first, machine->value);
}

static enum mode resume_any(struct machine *machine, struct fork *fork) {
    bool found = fork->node->op == ANY_TRUE;

    fork_enter(machine, fork);
    fork_pop(machine);
    return deliver(machine, json_bool(!found));
}

static enum mode take_any(struct machine *machine, const struct kont *kont) {
    uint8_t kind = kont->node->op;

    if (kind != ANY_VALUE && json_is_truthy(machine->value) != (kind == ANY_TRUE))
        return MODE_BACKTRACK;
    fork_cut(machine, kont->fork);
    return deliver(machine, json_bool(kind == ANY_TRUE));
}

enum mode eval_any(struct machine *machine, const struct node *node) {
    struct fork *fork = fork_push(machine, resume_any, node);

    kont_push(machine, take_any, node)->fork = fork;
    return go(machine, node->first);
}

/* ---- range ---- */

static bool is_within(double at, double end, double step) {
    return step > 0 ? at < end : step < 0 && at > end;
}

static enum mode resume_range(struct machine *machine, struct fork *fork) {
    double at = fork->number;

    if (!charge(machine, 1)) return MODE_RAISE;
    fork_enter(machine, fork);
    fork->number = at + fork->step;
    if (!is_within(fork->number, fork->end, fork->step)) fork_pop(machine);
    return deliver(machine, number_of(at));
}

static enum mode start_range(
        struct machine *machine, struct json from, struct json upto, struct json by) {
    if (from.type != JSON_NUMBER || upto.type != JSON_NUMBER || by.type != JSON_NUMBER) {
        fail(machine, "Range bounds must be numeric");
        return MODE_RAISE;
    }
    double at = number_value(from), end = number_value(upto), step = number_value(by);
    if (!is_within(at, end, step)) return MODE_BACKTRACK;
    struct fork *fork = fork_push(machine, resume_range, NULL);
    fork->number = at;
    fork->end = end;
    fork->step = step;
    return resume_range(machine, fork);
}

static enum mode resume_by(struct machine *machine, const struct kont *kont) {
    struct json by = machine->value;

    kont_enter(machine, kont);
    return start_range(machine, kont->first, kont->second, by);
}

static enum mode resume_upto(struct machine *machine, const struct kont *kont) {
    struct json upto = machine->value;

    kont_enter(machine, kont);
    struct kont *next = kont_push(machine, resume_by, kont->node);
    next->first = kont->first;
    next->second = upto;
    return go(machine, kont->node->third);
}

static enum mode resume_from(struct machine *machine, const struct kont *kont) {
    struct json from = machine->value;

    kont_enter(machine, kont);
    kont_push(machine, resume_upto, kont->node)->first = from;
    return go(machine, kont->node->second);
}

enum mode eval_range(struct machine *machine, const struct node *node) {
    kont_push(machine, resume_from, node);
    return go(machine, node->first);
}

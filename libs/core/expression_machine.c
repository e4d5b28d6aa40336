/* The loop of the machine, its stack, and which node is evaluated where. */
#include "core/expression_machine.h"

#include <string.h>

/* ---- the stack ---- */

static void *stack_push(struct machine *machine, size_t size, size_t *ret_position) {
    while (machine->top + size > machine->chunk->start + machine->chunk->size) {
        struct chunk *chunk = machine->chunk->newer;
        if (!chunk) {
            size_t chunk_size = MIN(machine->chunk->size * 2, (size_t)1024 * 1024);
            chunk = arena_new_one(machine->arena, struct chunk);
            chunk->data = arena_alloc(machine->arena, chunk_size);
            chunk->size = chunk_size;
            chunk->start = machine->chunk->start + machine->chunk->size;
            chunk->older = machine->chunk;
            machine->chunk->newer = chunk;
        }
        machine->chunk = chunk;
        machine->top = chunk->start;
    }
    *ret_position = machine->top;
    char *place = machine->chunk->data + (machine->top - machine->chunk->start);
    machine->top += size;
    return place;
}

/* Gives back all from `position` on that no fork may come back to. */
static void stack_release(struct machine *machine, size_t position) {
    if (position < machine->pinned) position = machine->pinned;
    if (position > machine->top) return;
    while (position < machine->chunk->start)
        machine->chunk = machine->chunk->older;
    machine->top = position;
}

struct kont *kont_push(struct machine *machine, resume_kont *resume, const struct node *node) {
    size_t position;
    struct kont *kont = stack_push(machine, sizeof(*kont), &position);

    kont->resume = resume;
    kont->next = machine->kont;
    kont->node = node;
    kont->env = machine->env;
    kont->path = machine->path;
    kont->input = machine->value;
    kont->position = position;
    machine->kont = kont;
    return kont;
}

struct fork *fork_push(struct machine *machine, resume_fork *resume, const struct node *node) {
    size_t position;
    struct fork *fork = stack_push(machine, sizeof(*fork), &position);

    fork->resume = resume;
    fork->caught = NULL;
    fork->older = machine->fork;
    fork->kont = machine->kont;
    fork->node = node;
    fork->env = machine->env;
    fork->path = machine->path;
    fork->input = machine->value;
    fork->index = 0;
    fork->position = position;
    machine->fork = fork;
    machine->pinned = position + sizeof(*fork);
    return fork;
}

void fork_cut(struct machine *machine, const struct fork *fork) {
    size_t position = fork->position;

    machine->fork = fork->older;
    machine->pinned = fork->older ? fork->older->position + sizeof(*fork) : 0;
    /* The continuation the fork goes on with may be younger than the fork below it, never than
     * the fork itself. */
    stack_release(machine, position);
}

void fork_pop(struct machine *machine) {
    fork_cut(machine, machine->fork);
}

void fork_enter(struct machine *machine, const struct fork *fork) {
    machine->kont = fork->kont;
    machine->env = fork->env;
    machine->value = fork->input;
    machine->path = fork->path;
}

struct env *env_push(struct machine *machine, const struct env *next) {
    size_t position;
    struct env *env = stack_push(machine, sizeof(*env), &position);

    env->next = next;
    return env;
}

/* ---- nodes ---- */

static enum mode resume_value(struct machine *machine, const struct kont *kont) {
    bool same = value_same(machine->value, kont->input);

    machine->path = same ? kont->path : &path_lost;
    return MODE_DELIVER;
}

/* True for nodes that make values; the others find them, and know about paths. */
static bool makes_value(const struct node *node) {
    switch ((enum node_type)node->type) {
    case NODE_LITERAL:
    case NODE_VARIABLE:
    case NODE_GLOBAL:
    case NODE_NEGATE:
    case NODE_BINARY:
    case NODE_AND:
    case NODE_OR:
    case NODE_ARRAY:
    case NODE_OBJECT:
    case NODE_STRING:
    case NODE_NATIVE:
    case NODE_PATH:
    case NODE_ANY:
    case NODE_RANGE:
    case NODE_UPDATE: return true;
    case NODE_IDENTITY:
    case NODE_FIELD:
    case NODE_INDEX:
    case NODE_SLICE:
    case NODE_ITERATE:
    case NODE_PIPE:
    case NODE_COMMA:
    case NODE_ALTERNATIVE:
    case NODE_IF:
    case NODE_TRY:
    case NODE_AS:
    case NODE_DESTRUCTURE:
    case NODE_REDUCE:
    case NODE_FOREACH:
    case NODE_STEP:
    case NODE_LABEL:
    case NODE_BREAK:
    case NODE_INVOKE:
    case NODE_PARAMETER:
    case NODE_EMPTY:
    case NODE_ERROR:
    case NODE_RECURSE:
    case NODE_GETPATH:
    case NODE_FIRST:
    case NODE_LIMIT: break;
    }
    return false;
}

static enum mode eval_identity(struct machine *machine, const struct node *node) {
    (void)machine, (void)node;
    return MODE_DELIVER;
}

static enum mode eval_empty(struct machine *machine, const struct node *node) {
    (void)machine, (void)node;
    return MODE_BACKTRACK;
}

static eval_node *const evaluators[] = {
    [NODE_IDENTITY] = eval_identity,
    [NODE_FIELD] = eval_access,
    [NODE_INDEX] = eval_access,
    [NODE_SLICE] = eval_access,
    [NODE_ITERATE] = eval_access,
    [NODE_PIPE] = eval_pipe,
    [NODE_COMMA] = eval_comma,
    [NODE_NEGATE] = eval_negate,
    [NODE_BINARY] = eval_operator,
    [NODE_AND] = eval_logic,
    [NODE_OR] = eval_logic,
    [NODE_ALTERNATIVE] = eval_alternative,
    [NODE_IF] = eval_if,
    [NODE_TRY] = eval_try,
    [NODE_ARRAY] = eval_array,
    [NODE_OBJECT] = eval_object,
    [NODE_STRING] = eval_string,
    [NODE_NATIVE] = eval_native,
    [NODE_AS] = eval_as,
    [NODE_DESTRUCTURE] = eval_destructure,
    [NODE_REDUCE] = eval_loop,
    [NODE_FOREACH] = eval_loop,
    [NODE_STEP] = eval_step,
    [NODE_LABEL] = eval_label,
    [NODE_BREAK] = eval_break,
    [NODE_INVOKE] = eval_invoke,
    [NODE_PARAMETER] = eval_parameter,
    [NODE_EMPTY] = eval_empty,
    [NODE_ERROR] = eval_error,
    [NODE_RECURSE] = eval_recurse,
    [NODE_PATH] = eval_path,
    [NODE_GETPATH] = eval_getpath,
    [NODE_FIRST] = eval_first,
    [NODE_LIMIT] = eval_limit,
    [NODE_ANY] = eval_any,
    [NODE_RANGE] = eval_range,
    [NODE_UPDATE] = eval_update,
};

static enum mode evaluate(struct machine *machine) {
    const struct node *node = machine->node;

    if (!charge(machine, 1)) return MODE_RAISE;
    if (machine->path && makes_value(node)) {
        kont_push(machine, resume_value, node);
        machine->path = NULL;
    }
    if (node->simple && !machine->path) {
        struct json value;
        enum outcome outcome = simple_eval(machine, node, machine->env, machine->value, &value);
        if (outcome == ONE) return deliver(machine, value);
        return outcome == NONE ? MODE_BACKTRACK : MODE_RAISE;
    }
    assert(evaluators[node->type]); /* what has none is always simple */
    return evaluators[node->type](machine, node);
}

/* ---- the loop ---- */

static enum mode continue_with(struct machine *machine) {
    struct kont kont = *machine->kont;

    machine->kont = kont.next;
    stack_release(machine, kont.position);
    return kont.resume(machine, &kont);
}

static enum mode backtrack(struct machine *machine) {
    struct fork *fork = machine->fork;

    if (!fork) return MODE_END;
    stack_release(machine, fork->position + sizeof(*fork));
    return fork->resume(machine, fork);
}

static enum mode raise_error(struct machine *machine) {
    while (!machine->spent && machine->fork) {
        struct fork *fork = machine->fork;
        if (fork->caught) return fork->caught(machine, fork);
        fork_pop(machine);
    }
    return MODE_END;
}

static enum mode take_result(struct machine *machine, const struct kont *kont) {
    (void)kont;
    if (machine->results.count == machine->result_max) {
        spend(machine, "results");
        return MODE_RAISE;
    }
    machine->results = json_append(machine->results, machine->value, machine->arena);
    return machine->single && machine->results.count > 1 ? MODE_END : MODE_BACKTRACK;
}

bool machine_run(struct machine *machine, const struct node *root, struct json input) {
    _Alignas(16) char local[MACHINE_CHUNK];
    struct chunk chunk = { .size = sizeof(local), .data = local };
    enum mode mode = MODE_EVAL;

    machine->chunk = &chunk;
    machine->value = input;
    machine->node = root;
    kont_push(machine, take_result, root);
    for (;;) {
        switch (mode) {
        case MODE_EVAL: mode = evaluate(machine); break;
        case MODE_DELIVER: mode = continue_with(machine); break;
        case MODE_BACKTRACK: mode = backtrack(machine); break;
        case MODE_RAISE:
            mode = raise_error(machine);
            if (mode == MODE_END) return false;
            break;
        case MODE_END: return !machine->spent;
        }
    }
}

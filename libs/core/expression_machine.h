#pragma once
/* The machine that evaluates what expression_simple.c cannot, for libs/core/expression_*.c
 * alone.
 *
 * It has no recursion: what is to be done with a value is a chain of `struct kont`
 * (continuations), and where to go on when no more values come is a chain of `struct fork`. Both
 * live, with the bindings, on one stack of chunks. A continuation that gets its value is popped;
 * its memory is used again unless a fork was made since, which may come back to it (`pinned`). A
 * call in tail position leaves nothing behind, so loops written as functions run for long.
 *
 * A fork is resumed when evaluation comes back to it for more (MODE_BACKTRACK), and caught when
 * an error passes it (MODE_RAISE); most let errors pass. Values flow with the path that led to
 * them, or NULL outside of `path()`. */

#include "core/expression_internal.h"

enum mode { MODE_EVAL, MODE_DELIVER, MODE_BACKTRACK, MODE_RAISE, MODE_END };

/* What to do with the value in machine->value; gets a copy, its place on the stack may be used
 * already. */
typedef enum mode resume_kont(struct machine *machine, const struct kont *kont);
typedef enum mode resume_fork(struct machine *machine, struct fork *fork);

struct kont {
    resume_kont *resume;
    struct kont *next;
    const struct node *node;
    const struct env *env;
    const struct path *path;
    struct fork *fork;
    struct json input;
    struct json first, second; /* what was computed before */
    uint32_t index;
    size_t position;
};

struct fork {
    resume_fork *resume;
    resume_fork *caught; /* NULL: errors pass */
    struct fork *older;
    struct kont *kont;
    const struct node *node;
    const struct env *env;
    const struct path *path;
    struct fork *owner;
    struct json input;
    struct json extra;
    struct state state;
    struct owned owned; /* of an update */
    double number, end, step;
    uint32_t index;
    size_t position;
};

/* Pushes what is to be done with the next value; `machine`'s value and path are kept in it. */
struct kont *kont_push(struct machine *machine, resume_kont *resume, const struct node *node);

/* Pushes a place to come back to, with all that is needed to evaluate `node` there. */
struct fork *fork_push(struct machine *machine, resume_fork *resume, const struct node *node);

/* Takes away the newest fork, or all down to and with `fork`. The struct stays readable until
 * the next push. */
void fork_pop(struct machine *machine);
void fork_cut(struct machine *machine, const struct fork *fork);

/* Goes on where `fork` was made: its continuation, bindings, input and path. */
void fork_enter(struct machine *machine, const struct fork *fork);

struct env *env_push(struct machine *machine, const struct env *next);

/* Evaluates `node` with the same bindings, value and path. */
static inline enum mode go(struct machine *machine, const struct node *node) {
    machine->node = node;
    return MODE_EVAL;
}

/* Evaluates `node` on `input`, not following paths. */
static inline enum mode go_aside(
        struct machine *machine, const struct node *node, struct json input) {
    machine->value = input;
    machine->path = NULL;
    machine->node = node;
    return MODE_EVAL;
}

static inline enum mode deliver(struct machine *machine, struct json value) {
    machine->value = value;
    return MODE_DELIVER;
}

static inline enum mode delivered(bool ok) {
    return ok ? MODE_DELIVER : MODE_RAISE;
}

/* Restores input, path and bindings of the place that pushed `kont`. */
static inline void kont_enter(struct machine *machine, const struct kont *kont) {
    machine->value = kont->input;
    machine->path = kont->path;
    machine->env = kont->env;
}

typedef enum mode eval_node(struct machine *machine, const struct node *node);
eval_node eval_pipe, eval_comma, eval_alternative, eval_if, eval_try, eval_array, eval_object,
        eval_string, eval_native, eval_operator, eval_logic, eval_negate, eval_error;
eval_node eval_access, eval_path, eval_getpath, eval_recurse, eval_update;
eval_node eval_as, eval_destructure, eval_loop, eval_step, eval_label, eval_break, eval_invoke,
        eval_parameter, eval_first, eval_limit, eval_any, eval_range;

/* A fork that has nothing more to give. */
resume_fork resume_older;

/* Leaves the part whose errors kont->fork catches. */
resume_kont leave_try;

/* Delivers the items of the value one after the other. */
enum mode iterate(struct machine *machine);

/* True where paths are followed but the value was made rather than found. */
static inline bool is_lost(const struct machine *machine) {
    return machine->path == &path_lost;
}

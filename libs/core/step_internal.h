#pragma once
/* What the files step*.c share: the machine that runs one step. Not for other folders. */

#include "core/error.h"
#include "core/step.h"

/* The instance is a copy of `before` that the step may change; frames are copied with it. */
struct machine {
    struct arena *arena;
    const struct definition *definition;
    const struct input *input;
    struct instance *instance;
    size_t frame_capacity;
    struct effect *effects;
    size_t effect_count, effect_capacity;
    struct fact *facts;
    size_t fact_count, fact_capacity;
    size_t queue_head;   /* of instance->queue */
    uint32_t turns, turns_max;
    size_t arena_before;
    bool applied;
};

/* An evaluation in the scope of a frame. `output` is for $output and $task.output, where there is one. */
struct scope {
    struct machine *machine;
    const struct frame *frame;
    struct json output;
    struct str extra_name; /* one more variable, as the error that is being filtered */
    struct json extra;
};

struct expression_env scope_env(struct scope *scope);

/* Evaluations in the scope of a frame; on failure they fill *ret_error with an expression error. */
MUST_USE bool scope_eval(struct scope *scope, const struct expression *expression, struct json value, struct json *ret,
        struct json *ret_error);
MUST_USE bool scope_template(struct scope *scope, const struct template *template, struct json value, struct json *ret,
        struct json *ret_error);
MUST_USE bool scope_validate(struct scope *scope, const struct schema *schema, struct json value, const char *what,
        struct json *ret_error);

/* A span as a moment after `start_ms`. */
MUST_USE bool scope_span(struct scope *scope, const struct span *span, struct json value, int64_t start_ms, int64_t *ret_ms,
        struct json *ret_error);

/* Frames. */
struct frame *machine_push(struct machine *machine, const struct task *task, struct frame *parent, struct json raw);
void machine_queue(struct machine *machine, struct frame *frame, enum frame_phase phase);
struct frame *machine_parent(const struct machine *machine, const struct frame *frame);
void machine_effect(struct machine *machine, enum effect_kind kind, struct str key, struct json body);
void machine_fact(struct machine *machine, const char *type, const struct task *task, struct json data);

/* The nearest own context around a frame, and where it is kept. */
struct json machine_context(const struct machine *machine, const struct frame *frame);
void machine_set_context(struct machine *machine, struct frame *frame, struct json context);

/* A task has its raw output: transforms, exports, and tells the parent. `directive` overrides `then` unless NULL. The
 * frame is gone afterwards. */
void machine_complete(struct machine *machine, struct frame *frame, struct json output, const struct directive *directive);

/* A task fails: it and all inside it end, and the error rises. The frame is gone afterwards. */
void machine_fault(struct machine *machine, struct frame *frame, struct json error);

/* Ends all inside a frame (not the frame itself): commands and children are cancelled. */
void machine_cancel_inside(struct machine *machine, const struct frame *frame);

/* By kind: enter a task, go on after a child. Each either completes, faults, or leaves the frame OPEN. */
void do_enter(struct machine *machine, struct frame *frame);
/* The next task of a frame's list, by what the last child said; false at the end, with the last value. */
bool list_next(struct machine *machine, struct frame *frame, const struct task_list *list, struct json *ret_value);
void list_advance(struct machine *machine, struct frame *frame, const struct task_list *list);
void set_enter(struct machine *machine, struct frame *frame);
void raise_enter(struct machine *machine, struct frame *frame);
void emit_enter(struct machine *machine, struct frame *frame);
void switch_enter(struct machine *machine, struct frame *frame);
void for_enter(struct machine *machine, struct frame *frame);
void for_advance(struct machine *machine, struct frame *frame);
void step_fork_enter(struct machine *machine, struct frame *frame);
void step_fork_child_done(struct machine *machine, struct frame *frame, const struct frame *child, struct json output, bool skipped);
bool step_fork_child_faulted(struct machine *machine, struct frame *frame, struct json error);
void try_enter(struct machine *machine, struct frame *frame);
void try_advance(struct machine *machine, struct frame *frame);
void try_due(struct machine *machine, struct frame *frame);
bool try_catch(struct machine *machine, struct frame *frame, struct json *error);
void try_note_unanswered(struct machine *machine, const struct frame *call);
uint32_t try_take_unanswered(struct machine *machine, const struct frame *call);
void wait_enter(struct machine *machine, struct frame *frame);
void listen_enter(struct machine *machine, struct frame *frame);
void listen_advance(struct machine *machine, struct frame *frame);
bool listen_offer(struct machine *machine, struct frame *frame, struct json event);
void listen_subscriptions(const struct frame *frame, struct arena *arena, struct json *keys);
void call_enter(struct machine *machine, struct frame *frame);
void function_enter(struct machine *machine, struct frame *frame);
void run_enter(struct machine *machine, struct frame *frame);
void call_answered(struct machine *machine, struct frame *frame, struct json body);
struct str call_command(struct machine *machine, const struct frame *frame);

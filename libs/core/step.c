/* The machine. Frames that can move stand in a queue; each turn takes one, enters it or advances it, and what comes of that
 * (a child, a completion, a fault) puts others into the queue. Nothing recurses over the workflow, so neither a million turns
 * nor deep nesting costs stack. When the budget is spent, the queue stays in the state and a CONTINUE effect is left. */

#include "core/step.h"

#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"
#include "core/event.h"
#include "core/step_internal.h"

void machine_effect(struct machine *machine, enum effect_kind kind, struct str key, struct json body) {
    if (machine->effect_count == machine->effect_capacity) {
        size_t capacity = MAX(machine->effect_capacity * 2, (size_t)8);
        struct effect *effects = arena_new_many(machine->arena, struct effect, capacity);
        if (machine->effect_count) memcpy(effects, machine->effects, machine->effect_count * sizeof(*effects));
        machine->effects = effects;
        machine->effect_capacity = capacity;
    }
    machine->effects[machine->effect_count++] = (struct effect){ kind, key, body };
}

void machine_fact(struct machine *machine, const char *type, const struct task *task, struct json data) {
    if (machine->fact_count == machine->fact_capacity) {
        size_t capacity = MAX(machine->fact_capacity * 2, (size_t)8);
        struct fact *facts = arena_new_many(machine->arena, struct fact, capacity);
        if (machine->fact_count) memcpy(facts, machine->facts, machine->fact_count * sizeof(*facts));
        machine->facts = facts;
        machine->fact_capacity = capacity;
    }
    machine->facts[machine->fact_count++] = (struct fact){
        .seq = machine->instance->next_fact++,
        .time_ms = machine->instance->now_ms,
        .type = type,
        .task = task ? task->pointer : STR_NULL,
        .name = task ? task->name : STR_NULL,
        .data = data,
    };
}

static struct json data_with(struct machine *machine, const char *key, struct json value) {
    return json_set(json_object(machine->arena, 1), str_from(key), value, machine->arena);
}

struct frame *machine_push(struct machine *machine, const struct task *task, struct frame *parent, struct json raw) {
    struct instance *instance = machine->instance;
    struct frame *frame = arena_new_one(machine->arena, struct frame);

    if (instance->frame_count == machine->frame_capacity) {
        size_t capacity = MAX(machine->frame_capacity * 2, (size_t)8);
        struct frame **frames = arena_new_many(machine->arena, struct frame *, capacity);
        if (instance->frame_count) memcpy(frames, instance->frames, instance->frame_count * sizeof(struct frame *));
        instance->frames = frames;
        machine->frame_capacity = capacity;
    }
    frame->id = instance->next_frame++;
    frame->parent = parent ? parent->id : 0;
    frame->task = task;
    frame->raw = raw;
    frame->position = -1;
    instance->frames[instance->frame_count++] = frame;
    machine_queue(machine, frame, FRAME_READY);
    return frame;
}

void machine_queue(struct machine *machine, struct frame *frame, enum frame_phase phase) {
    struct instance *instance = machine->instance;

    frame->phase = phase;
    instance->queue = json_append(instance->queue, json_int64(frame->id, machine->arena), machine->arena);
}

struct frame *machine_parent(const struct machine *machine, const struct frame *frame) {
    return frame->parent ? instance_frame(machine->instance, frame->parent) : NULL;
}

static void remove_frame(struct machine *machine, const struct frame *frame) {
    struct instance *instance = machine->instance;
    size_t at = 0;

    /* Most removals are of the newest frames. */
    for (at = instance->frame_count; at-- > 0;) {
        if (instance->frames[at] == frame) break;
    }
    assert(at < instance->frame_count);
    memmove(&instance->frames[at], &instance->frames[at + 1], (instance->frame_count - at - 1) * sizeof(struct frame *));
    instance->frame_count--;
}

struct json machine_context(const struct machine *machine, const struct frame *frame) {
    for (const struct frame *at = frame; at; at = machine_parent(machine, at)) {
        if (!json_is_absent(at->context)) return at->context;
    }
    return machine->instance->context;
}

void machine_set_context(struct machine *machine, struct frame *frame, struct json context) {
    if (json_is_absent(context)) context = json_null();
    for (struct frame *at = frame; at; at = machine_parent(machine, at)) {
        if (json_is_absent(at->context)) continue;
        at->context = context;
        return;
    }
    machine->instance->context = context;
}

/* ---- ends ---- */

static bool is_inside(const struct machine *machine, const struct frame *frame, uint32_t outer) {
    for (; frame && frame->id > outer; frame = machine_parent(machine, frame)) {
        if (frame->parent == outer) return true;
    }
    return false;
}

/* Takes back what a frame sent out and still waits for. */
static void take_back(struct machine *machine, struct frame *frame) {
    struct arena *arena = machine->arena;
    struct json empty = json_object(arena, 0);

    if (frame->phase == FRAME_OPEN && frame->round && frame->task->kind == TASK_CALL) {
        try_note_unanswered(machine, frame);
        struct json body = json_set(empty, STR("instance"), json_string(machine->instance->id), arena);
        body = json_set(body, STR("command"), json_string(call_command(machine, frame)), arena);
        body = json_set(body, STR("what"), json_string(frame->task->call.what), arena);
        machine_effect(machine, EFFECT_TASK_CANCEL, machine->instance->id, body);
    }
    if (frame->phase == FRAME_OPEN && frame->round && frame->task->kind == TASK_RUN) {
        machine_effect(machine, EFFECT_CANCEL, json_str(frame->more), empty);
    }
}

static void cancel_one(struct machine *machine, struct frame *frame) {
    take_back(machine, frame);
    if (frame->started_at) machine_fact(machine, "task.cancelled", frame->task, (struct json){ .type = JSON_ABSENT });
}

void machine_cancel_inside(struct machine *machine, const struct frame *frame) {
    struct instance *instance = machine->instance;
    size_t kept = 0, count = instance->frame_count;
    bool *inside = arena_new_many(machine->arena, bool, count);

    for (size_t i = 0; i < count; i++) inside[i] = is_inside(machine, instance->frames[i], frame->id);
    for (size_t i = count; i-- > 0;) {
        if (inside[i]) cancel_one(machine, instance->frames[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!inside[i]) instance->frames[kept++] = instance->frames[i];
    }
    instance->frame_count = kept;
}

static void answer_parent(struct machine *machine, bool ok) {
    struct instance *instance = machine->instance;
    struct arena *arena = machine->arena;
    struct json body = json_object(arena, 4);

    if (json_is_absent(instance->parent)) return;
    body = json_set(body, STR("command"), json_get(instance->parent, STR("command")), arena);
    body = json_set(body, STR("ok"), json_bool(ok), arena);
    body = json_set(body, STR("answered"), json_bool(true), arena);
    body = ok ? json_set(body, STR("output"), instance->output, arena) : json_set(body, STR("error"), instance->error, arena);
    machine_effect(machine, EFFECT_ANSWER, json_str(json_get(instance->parent, STR("instance"))), body);
}

static void end_instance(struct machine *machine, enum instance_status status, const char *fact, struct json data) {
    struct instance *instance = machine->instance;

    instance->status = status;
    instance->ended_at = instance->now_ms;
    instance->suspended = false;
    instance->frame_count = 0;
    instance->queue = json_array(machine->arena, 0);
    machine->queue_head = 0;
    instance->signals = (struct json){ .type = JSON_ABSENT };
    machine_fact(machine, fact, NULL, data);
}

static void fault_instance(struct machine *machine, struct json error) {
    machine->instance->error = error;
    end_instance(machine, INSTANCE_FAULTED, "workflow.faulted", data_with(machine, "error", error));
    answer_parent(machine, false);
}

static void complete_instance(struct machine *machine, struct json output) {
    machine->instance->output = json_is_absent(output) ? json_null() : output;
    end_instance(machine, INSTANCE_COMPLETED, "workflow.completed", data_with(machine, "output", output));
    answer_parent(machine, true);
}

/* `end`: the workflow, or the function body around, ends gracefully with this output; `inside` is the innermost that goes on. */
static void end_scope(struct machine *machine, struct frame *inside, struct json output) {
    struct frame *stop = inside;

    while (stop->parent && stop->task->kind != TASK_FUNCTION) stop = machine_parent(machine, stop);
    for (struct frame *at = inside; at != stop; at = machine_parent(machine, at)) {
        machine_fact(machine, "task.completed", at->task, data_with(machine, "output", output));
        at->started_at = 0; /* completed, not cancelled */
    }
    machine_cancel_inside(machine, stop);
    machine_complete(machine, stop, output, NULL);
}

/* Tells the parent that a child is through. */
static void child_done(struct machine *machine, struct frame *child, struct json output, struct directive directive, bool skipped) {
    struct frame *parent = machine_parent(machine, child);

    remove_frame(machine, child);
    if (!parent) {
        complete_instance(machine, output);
        return;
    }
    if (directive.kind == DIRECTIVE_END) {
        end_scope(machine, parent, output);
        return;
    }
    if (parent->task->kind == TASK_FORK) {
        step_fork_child_done(machine, parent, child, output, skipped);
        return;
    }
    parent->value = output;
    parent->directive = directive;
    machine_queue(machine, parent, FRAME_ADVANCE);
}

static bool transform_output(struct scope *scope, struct json output, struct json *ret, struct json *error) {
    const struct task *task = scope->frame->task;

    *ret = output;
    scope->output = output;
    if (task->output.as && !scope_template(scope, task->output.as, output, ret, error)) return false;
    scope->output = *ret;
    if (task->output.schema && !scope_validate(scope, task->output.schema, *ret, "output", error)) return false;
    return true;
}

static bool export_context(struct scope *scope, struct frame *frame, struct json output, struct json *error) {
    struct json context = output;

    if (!frame->task->export.as && !frame->task->export.schema) return true;
    if (frame->task->export.as && !scope_template(scope, frame->task->export.as, output, &context, error)) return false;
    if (frame->task->export.schema && !scope_validate(scope, frame->task->export.schema, context, "export", error)) return false;
    if (frame->task->export.as) machine_set_context(scope->machine, frame, context);
    return true;
}

void machine_complete(struct machine *machine, struct frame *frame, struct json output, const struct directive *directive) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json transformed, error;

    if (!transform_output(&scope, output, &transformed, &error) || !export_context(&scope, frame, transformed, &error)) {
        machine_fault(machine, frame, error);
        return;
    }
    if (frame->parent) machine_fact(machine, "task.completed", frame->task, data_with(machine, "output", transformed));
    child_done(machine, frame, transformed, directive ? *directive : frame->task->then, false);
}

void machine_fault(struct machine *machine, struct frame *frame, struct json error) {
    if (json_is_null(json_get(error, STR("instance")))) {
        error = json_set(error, STR("instance"), json_string(frame->task->pointer), machine->arena);
    }
    for (;;) {
        struct frame *parent = machine_parent(machine, frame);
        machine_cancel_inside(machine, frame);
        if (!parent) {
            fault_instance(machine, error);
            return;
        }
        machine_fact(machine, "task.faulted", frame->task, data_with(machine, "error", error));
        remove_frame(machine, frame);
        if (parent->task->kind == TASK_TRY && try_catch(machine, parent, &error)) return;
        if (parent->task->kind == TASK_FORK && step_fork_child_faulted(machine, parent, error)) return;
        frame = parent;
    }
}

/* ---- entering ---- */

static void enter_kind(struct machine *machine, struct frame *frame) {
    switch (frame->task->kind) {
    case TASK_DO: do_enter(machine, frame); return;
    case TASK_SET: set_enter(machine, frame); return;
    case TASK_SWITCH: switch_enter(machine, frame); return;
    case TASK_FOR: for_enter(machine, frame); return;
    case TASK_FORK: step_fork_enter(machine, frame); return;
    case TASK_TRY: try_enter(machine, frame); return;
    case TASK_RAISE: raise_enter(machine, frame); return;
    case TASK_WAIT: wait_enter(machine, frame); return;
    case TASK_EMIT: emit_enter(machine, frame); return;
    case TASK_LISTEN: listen_enter(machine, frame); return;
    case TASK_CALL: call_enter(machine, frame); return;
    case TASK_FUNCTION: function_enter(machine, frame); return;
    case TASK_RUN: run_enter(machine, frame); return;
    }
}

/* Validates, transforms the input, arms the timeout. */
static bool prepare(struct machine *machine, struct frame *frame, struct json *error) {
    const struct task *task = frame->task;
    struct scope scope = { .machine = machine, .frame = frame };

    if (task->input.schema && !scope_validate(&scope, task->input.schema, frame->raw, "input", error)) return false;
    struct json input = frame->raw;
    if (task->input.as && !scope_template(&scope, task->input.as, frame->raw, &input, error)) return false;
    frame->input = json_is_absent(input) ? json_null() : input;
    if (!task->timeout.is_set) return true;
    return scope_span(&scope, &task->timeout, frame->input, frame->started_at, &frame->deadline_at, error);
}

/* False, and the frame is gone, where `if` says no: the raw input goes on, `then` is not taken (language.md, E2). */
static bool passes_condition(struct machine *machine, struct frame *frame) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json value, error;

    if (!frame->task->condition) return true;
    if (!scope_eval(&scope, frame->task->condition, frame->raw, &value, &error)) {
        machine_fault(machine, frame, error);
        return false;
    }
    if (json_is_truthy(value)) return true;
    child_done(machine, frame, frame->raw, (struct directive){ DIRECTIVE_CONTINUE, 0 }, true);
    return false;
}

static void enter(struct machine *machine, struct frame *frame) {
    struct json absent = { .type = JSON_ABSENT }, error;

    frame->phase = FRAME_OPEN;
    if (!passes_condition(machine, frame)) return;
    frame->started_at = machine->instance->now_ms;
    if (frame->parent) {
        machine_fact(machine, "task.created", frame->task, absent);
        machine_fact(machine, "task.started", frame->task, absent);
    }
    if (!prepare(machine, frame, &error)) {
        machine_fault(machine, frame, error);
        return;
    }
    enter_kind(machine, frame);
}

static void advance(struct machine *machine, struct frame *frame) {
    struct json value = frame->value;

    frame->phase = FRAME_OPEN;
    switch (frame->task->kind) {
    case TASK_DO: list_advance(machine, frame, &frame->task->list); return;
    case TASK_FOR: for_advance(machine, frame); return;
    case TASK_TRY: try_advance(machine, frame); return;
    case TASK_LISTEN: listen_advance(machine, frame); return;
    case TASK_SET:
    case TASK_SWITCH:
    case TASK_FORK:
    case TASK_RAISE:
    case TASK_WAIT:
    case TASK_EMIT:
    case TASK_CALL:
    case TASK_FUNCTION:
    case TASK_RUN:
        frame->value = (struct json){ .type = JSON_ABSENT };
        machine_complete(machine, frame, value, NULL);
        return;
    }
}

static bool has_budget(const struct machine *machine) {
    if (machine->turns >= machine->turns_max) return false;
    if (machine->input->budget) return true;
    return arena_used(machine->arena) - machine->arena_before < LIMIT_STEP_BYTES && machine->effect_count < LIMIT_EFFECTS;
}

static void run(struct machine *machine) {
    struct instance *instance = machine->instance;

    while (!instance->suspended && machine->queue_head < json_size(instance->queue) && has_budget(machine)) {
        uint32_t id = (uint32_t)json_int64_or(json_at(instance->queue, machine->queue_head++), 0);
        struct frame *frame = instance_frame(instance, id);
        if (!frame || frame->phase == FRAME_OPEN) continue;
        machine->turns++;
        if (frame->phase == FRAME_READY) {
            enter(machine, frame);
        } else {
            advance(machine, frame);
        }
    }
    struct json rest = json_array(machine->arena, 0);
    for (size_t i = machine->queue_head; i < json_size(instance->queue); i++) {
        rest = json_append(rest, json_at(instance->queue, i), machine->arena);
    }
    instance->queue = rest;
    machine->queue_head = 0;
}

/* ---- inputs ---- */

static struct frame *frame_of_command(struct machine *machine, struct str command) {
    int64_t id, round;
    struct str rest = command, first = str_cut(&rest, '.');

    if (!str_to_int64(first, &id) || !str_to_int64(rest, &round) || id <= 0 || id > UINT32_MAX) return NULL;
    struct frame *frame = instance_frame(machine->instance, (uint32_t)id);
    return frame && frame->phase == FRAME_OPEN && frame->round && frame->round == round ? frame : NULL;
}

static bool apply_answer(struct machine *machine) {
    struct frame *frame = frame_of_command(machine, json_str(json_get(machine->input->body, STR("command"))));

    if (!frame) return false;
    call_answered(machine, frame, machine->input->body);
    return true;
}

static void fire(struct machine *machine, struct frame *frame, int64_t at) {
    if (frame->deadline_at && frame->deadline_at <= at) {
        struct json error = error_make(ERROR_TIMEOUT, STR("the task did not end within its timeout"), machine->arena);
        take_back(machine, frame);
        machine_fault(machine, frame, error);
        return;
    }
    if (!frame->due_at || frame->due_at > at) return;
    frame->due_at = 0;
    if (frame->task->kind == TASK_TRY) {
        try_due(machine, frame);
    } else {
        machine_complete(machine, frame, frame->input, NULL);
    }
}

static bool is_due(const struct frame *frame, int64_t at) {
    return (frame->due_at && frame->due_at <= at) || (frame->deadline_at && frame->deadline_at <= at);
}

/* Fires all that is due at the `wakeAt` it names, outermost first. Whether it counts does not depend on the clock (R15). */
static bool apply_wake(struct machine *machine) {
    struct instance *instance = machine->instance;
    int64_t at = json_int64_or(json_get(machine->input->body, STR("at")), 0);
    int64_t frame_id = json_int64_or(json_get(machine->input->body, STR("frame")), 0);
    size_t count = instance->frame_count;

    if (!at || at != instance->wake_at || frame_id != instance->wake_frame) return false;
    uint32_t *ids = arena_new_many(machine->arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) ids[i] = instance->frames[i]->id;
    for (size_t i = 0; i < count; i++) {
        struct frame *frame = instance_frame(instance, ids[i]);
        if (frame && is_due(frame, at)) fire(machine, frame, at);
    }
    return true;
}

static bool was_seen(struct machine *machine, struct str id) {
    struct instance *instance = machine->instance;

    for (size_t i = 0; i < json_size(instance->seen); i++) {
        if (str_equal(json_str(json_get(json_at(instance->seen, i), STR("id"))), id)) return true;
    }
    return false;
}

/* Keeps the id as long as it may be offered again; only those over a day old make room (R12). */
static void note_seen(struct machine *machine, struct str id) {
    enum { KEEP_MS = 24 * 3600 * 1000 };
    struct instance *instance = machine->instance;
    struct arena *arena = machine->arena;
    size_t count = json_size(instance->seen);

    if (count >= LIMIT_SEEN) {
        struct json kept = json_array(arena, count);
        for (size_t i = 0; i < count; i++) {
            struct json row = json_at(instance->seen, i);
            bool young = json_int64_or(json_get(row, STR("at")), 0) > instance->now_ms - KEEP_MS;
            bool room = count - i <= LIMIT_SEEN_EVENTS;
            if (young && room) kept = json_append(kept, row, arena);
        }
        instance->seen = kept;
    }
    struct json row = json_set(json_object(arena, 2), STR("id"), json_string(id), arena);
    row = json_set(row, STR("at"), json_int64(instance->now_ms, arena), arena);
    instance->seen = json_append(json_is_absent(instance->seen) ? json_array(arena, 4) : instance->seen, row, arena);
}

/* Offers an event to every listener that stands now; true if one took it. */
static bool offer(struct machine *machine, struct json event) {
    struct instance *instance = machine->instance;
    size_t count = instance->frame_count;
    uint32_t *ids = arena_new_many(machine->arena, uint32_t, count);
    bool taken = false;

    for (size_t i = 0; i < count; i++) ids[i] = instance->frames[i]->id;
    for (size_t i = 0; i < count; i++) {
        struct frame *frame = instance_frame(instance, ids[i]);
        if (!frame || frame->task->kind != TASK_LISTEN || frame->phase == FRAME_READY || !frame->started_at) continue;
        taken |= listen_offer(machine, frame, event);
    }
    return taken;
}

static bool apply_event(struct machine *machine, bool is_signal) {
    enum { SIGNALS_MAX = 1000 };
    struct instance *instance = machine->instance;
    struct json event = json_get(machine->input->body, STR("event"));
    bool taken = offer(machine, event);

    if (!taken && !is_signal) return false;
    if (!taken) {
        struct json signals = json_is_absent(instance->signals) ? json_array(machine->arena, 1) : instance->signals;
        if (json_size(signals) >= SIGNALS_MAX) return false;
        instance->signals = json_append(signals, event, machine->arena);
    }
    note_seen(machine, event_identity(event, machine->arena));
    return true;
}

static bool apply_suspend(struct machine *machine) {
    struct instance *instance = machine->instance;

    if (instance->suspended) return false;
    instance->suspended = true;
    instance->suspended_at = instance->now_ms;
    machine_fact(machine, "workflow.suspended", NULL, (struct json){ .type = JSON_ABSENT });
    return true;
}

/* Waits ran on meanwhile (language.md, E94); timeouts did not (E70). */
static bool apply_resume(struct machine *machine) {
    struct instance *instance = machine->instance;

    if (!instance->suspended) return false;
    instance->suspended = false;
    for (size_t i = 0; i < instance->frame_count; i++) {
        struct frame *frame = instance->frames[i];
        if (frame->deadline_at) frame->deadline_at += instance->now_ms - instance->suspended_at;
    }
    instance->suspended_at = 0;
    machine_fact(machine, "workflow.resumed", NULL, (struct json){ .type = JSON_ABSENT });
    return true;
}

static bool apply_cancel(struct machine *machine) {
    struct instance *instance = machine->instance;
    struct frame *root = instance_frame(instance, 1);

    if (root) machine_cancel_inside(machine, root);
    end_instance(machine, INSTANCE_CANCELLED, "workflow.cancelled", (struct json){ .type = JSON_ABSENT });
    instance->error = error_make(ERROR_RUNTIME, STR("the workflow was cancelled"), machine->arena);
    answer_parent(machine, false);
    instance->error = (struct json){ .type = JSON_ABSENT };
    return true;
}

/* What grew too large to be stored goes: the context, not the input. */
static bool apply_fault(struct machine *machine) {
    struct frame *root = instance_frame(machine->instance, 1);

    if (root) machine_cancel_inside(machine, root);
    machine->instance->context = json_null();
    fault_instance(machine, json_get(machine->input->body, STR("error")));
    return true;
}

static void apply_start(struct machine *machine) {
    struct instance *instance = machine->instance;
    struct json body = machine->input->body;
    const struct task *root = definition_root(machine->definition);
    struct json about = json_object(machine->arena, 3);

    instance->id = json_str(json_get(body, STR("id")));
    instance->namespace_ = definition_namespace(machine->definition);
    instance->name = definition_name(machine->definition);
    instance->version_of = definition_version(machine->definition);
    instance->key = json_str(json_get(body, STR("key")));
    instance->hash = json_str(json_get(body, STR("hash")));
    instance->tags = json_get(body, STR("tags"));
    instance->parent = json_get(body, STR("parent"));
    instance->callback = json_get(body, STR("callback"));
    struct json input = json_get(body, STR("input"));
    instance->input = json_is_absent(input) ? json_null() : input;
    instance->context = json_null();
    instance->created_at = json_int64_or(json_get(body, STR("createdAt")), instance->now_ms);
    instance->started_at = instance->now_ms;
    instance->next_frame = 1;
    about = json_set(about, STR("namespace"), json_string(instance->namespace_), machine->arena);
    about = json_set(about, STR("name"), json_string(instance->name), machine->arena);
    about = json_set(about, STR("version"), json_string(instance->version_of), machine->arena);
    machine_fact(machine, "workflow.started", NULL, data_with(machine, "definition", about));
    machine_push(machine, root, NULL, instance->input);
}

static bool apply_continue(struct machine *machine) {
    return json_int64_or(json_get(machine->input->body, STR("version")), -1) == machine->instance->version;
}

static bool apply(struct machine *machine) {
    switch (machine->input->kind) {
    case INPUT_START: apply_start(machine); return true;
    case INPUT_ANSWER: return apply_answer(machine);
    case INPUT_WAKE: return apply_wake(machine);
    case INPUT_EVENT: return apply_event(machine, false);
    case INPUT_SIGNAL: return apply_event(machine, true);
    case INPUT_SUSPEND: return apply_suspend(machine);
    case INPUT_RESUME: return apply_resume(machine);
    case INPUT_CANCEL:
    case INPUT_TERMINATE: return apply_cancel(machine);
    case INPUT_CONTINUE: return apply_continue(machine);
    case INPUT_FAULT: return apply_fault(machine);
    }
    return false;
}

/* ---- around it ---- */

/* A copy to work on: frames too, as they change in place. */
static struct instance *copy(const struct instance *before, struct arena *arena) {
    struct instance *instance = arena_new_one(arena, struct instance);

    if (!before) return instance;
    *instance = *before;
    instance->frames = arena_new_many(arena, struct frame *, before->frame_count);
    for (size_t i = 0; i < before->frame_count; i++) {
        struct frame *frame = arena_new_one(arena, struct frame);
        *frame = *before->frames[i];
        instance->frames[i] = frame;
    }
    return instance;
}

static void arm(struct instance *instance) {
    instance->wake_at = 0;
    instance->wake_frame = 0;
    if (instance->suspended) return;
    for (size_t i = 0; i < instance->frame_count; i++) {
        const struct frame *frame = instance->frames[i];
        int64_t at = frame->due_at;
        if (frame->deadline_at && (!at || frame->deadline_at < at)) at = frame->deadline_at;
        if (!at || (instance->wake_at && instance->wake_at <= at)) continue;
        instance->wake_at = at;
        instance->wake_frame = frame->id;
    }
}

/* Waiting: every leaf waits for time or events; a call is work under way (language.md, E22). */
static enum instance_status status_of(const struct instance *instance) {
    bool waits = instance->frame_count > 0 && json_size(instance->queue) == 0;

    if (instance_has_ended(instance)) return instance->status;
    if (instance->suspended) return INSTANCE_SUSPENDED;
    for (size_t i = 0; i < instance->frame_count; i++) {
        const struct frame *frame = instance->frames[i];
        if (frame->round) waits = false;
        if (frame->task->kind == TASK_TRY && frame->due_at && frame->round == 0 && frame->stage == 1) waits = false;
    }
    return waits ? INSTANCE_WAITING : INSTANCE_RUNNING;
}

static void settle(struct machine *machine) {
    struct instance *instance = machine->instance;

    arm(instance);
    instance->status = status_of(instance);
    instance->version = machine->input->version;
    if (json_size(instance->queue) == 0 || instance->suspended || instance_has_ended(instance)) return;
    struct json body = json_set(json_object(machine->arena, 1), STR("version"), json_int64(instance->version, machine->arena),
            machine->arena);
    machine_effect(machine, EFFECT_CONTINUE, instance->id, body);
}

static bool is_repeat(struct machine *machine, const struct instance *before) {
    const struct input *input = machine->input;

    if (!before) return false;
    if (input->kind == INPUT_START) return true;
    if (input->kind == INPUT_EVENT || input->kind == INPUT_SIGNAL) {
        return was_seen(machine, event_identity(json_get(input->body, STR("event")), machine->arena));
    }
    return input->id.size && was_seen(machine, input->id);
}

void step(struct arena *arena, const struct definition *definition, const struct instance *before,
        const struct input *input, struct step_result *ret) {
    struct machine machine = {
        .arena = arena,
        .definition = definition,
        .input = input,
        .instance = copy(before, arena),
        .frame_capacity = before ? before->frame_count : 0,
        .turns_max = input->budget ? input->budget - 1 : LIMIT_STEP_TASKS,
        .arena_before = arena_used(arena),
    };
    struct instance *instance = machine.instance;

    *ret = (struct step_result){ .verdict = STEP_DUPLICATE, .instance = before };
    if (is_repeat(&machine, before)) return;
    ret->verdict = STEP_LATE;
    if (before && instance_has_ended(before)) return;
    instance->now_ms = MAX(input->now_ms, instance->now_ms);
    if (json_is_absent(instance->queue)) instance->queue = json_array(arena, 8);
    if (!apply(&machine)) return;
    if (input->id.size) note_seen(&machine, input->id);
    run(&machine);
    settle(&machine);
    *ret = (struct step_result){
        .verdict = STEP_APPLIED,
        .turns = machine.turns,
        .instance = instance,
        .effects = machine.effects,
        .effect_count = machine.effect_count,
        .facts = machine.facts,
        .fact_count = machine.fact_count,
    };
}

struct json step_subscriptions(const struct instance *instance, struct arena *arena) {
    struct json keys = json_array(arena, 4);

    if (instance_has_ended(instance)) return keys;
    for (size_t i = 0; i < instance->frame_count; i++) {
        const struct frame *frame = instance->frames[i];
        if (frame->task->kind == TASK_LISTEN && frame->started_at && frame->phase != FRAME_READY) {
            listen_subscriptions(frame, arena, &keys);
        }
    }
    return keys;
}

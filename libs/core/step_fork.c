/* fork: branches on the fork's input, each with a context of its own (language.md, E17–E22).
 *
 * items  of each branch that ended: { position, output, context, skipped } · count  branches that faulted
 * more   the context they started from · value  the last error of a race */

#include "common/arena.h"
#include "core/step_internal.h"

void step_fork_enter(struct machine *machine, struct frame *frame) {
    const struct task_list *branches = &frame->task->list;
    struct json context = machine_context(machine, frame);

    if (json_is_absent(context)) context = json_null();
    if (branches->count == 0) {
        machine_complete(machine, frame, frame->input, NULL);
        return;
    }
    frame->more = context;
    frame->items = json_array(machine->arena, branches->count);
    for (uint32_t i = 0; i < branches->count; i++) {
        machine_push(machine, branches->items[i], frame, frame->input)->context = context;
    }
}

static struct json row_at(const struct frame *frame, size_t position) {
    for (size_t i = 0; i < json_size(frame->items); i++) {
        struct json row = json_at(frame->items, i);
        if (json_int64_or(json_get(row, STR("position")), -1) == (int64_t)position) return row;
    }
    return (struct json){ .type = JSON_ABSENT };
}

/* What a branch wrote goes over what stands: top-level keys, later branches win. */
static struct json merge(struct json base, struct json context, struct json started, struct arena *arena) {
    if (json_equal(context, started)) return base;
    if (json_type(context) != JSON_OBJECT || (json_type(base) != JSON_OBJECT && !json_is_null(base))) return context;
    if (json_is_null(base)) base = json_object(arena, json_size(context));
    for (size_t i = 0; i < json_size(context); i++) {
        const struct json_member *member = json_member_at(context, i);
        struct json old = json_get(started, member->key);
        bool written = json_is_absent(old) || !json_equal(old, member->value);
        if (written) base = json_set(base, member->key, member->value, arena);
    }
    return base;
}

static void join(struct machine *machine, struct frame *frame) {
    struct arena *arena = machine->arena;
    size_t count = frame->task->list.count;
    struct json outputs = json_array(arena, count), context = frame->more;
    struct json *rows = arena_new_many(arena, struct json, count);

    for (size_t i = 0; i < json_size(frame->items); i++) {
        struct json row = json_at(frame->items, i);
        rows[json_int64_or(json_get(row, STR("position")), 0)] = row;
    }
    for (size_t i = 0; i < count; i++) {
        struct json output = json_get(rows[i], STR("output"));
        outputs = json_append(outputs, json_is_absent(output) ? json_null() : output, arena);
        context = merge(context, json_get(rows[i], STR("context")), frame->more, arena);
    }
    machine_set_context(machine, frame, context);
    machine_complete(machine, frame, outputs, NULL);
}

static bool all_ended(const struct frame *frame) {
    return json_size(frame->items) + (size_t)frame->count == frame->task->list.count;
}

/* Nobody won: all faulted, or were skipped. */
static void lose(struct machine *machine, struct frame *frame) {
    if (frame->count) {
        machine_fault(machine, frame, frame->value);
    } else {
        machine_complete(machine, frame, frame->input, NULL);
    }
}

void step_fork_child_done(struct machine *machine, struct frame *frame, const struct frame *child, struct json output, bool skipped) {
    struct arena *arena = machine->arena;

    if (frame->task->fork.compete && !skipped) {
        machine_cancel_inside(machine, frame);
        machine_set_context(machine, frame, child->context);
        machine_complete(machine, frame, output, NULL);
        return;
    }
    struct json row = json_set(json_object(arena, 3), STR("position"), json_int64(child->task->position, arena), arena);
    row = json_set(row, STR("output"), output, arena);
    row = json_set(row, STR("context"), child->context, arena);
    if (json_is_absent(row_at(frame, child->task->position))) frame->items = json_append(frame->items, row, arena);
    if (!all_ended(frame)) return;
    if (frame->task->fork.compete) {
        lose(machine, frame);
    } else {
        join(machine, frame);
    }
}

/* True where the fork goes on: in a race a fault does not win (language.md, E20). */
bool step_fork_child_faulted(struct machine *machine, struct frame *frame, struct json error) {
    if (!frame->task->fork.compete) return false;
    frame->count++;
    frame->value = error;
    if (!all_ended(frame)) return true;
    lose(machine, frame);
    return true;
}

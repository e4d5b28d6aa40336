/* for: a turn for each item, each on the output of the last (language.md, E11–E15, E27).
 *
 * items  the collection · count  turns begun · position  task of the turn; -1 between turns */

#include "common/arena.h"
#include "core/step_internal.h"

/* Begins the next turn on `value`, or completes. A body without tasks passes its value on. */
static void next_turn(struct machine *machine, struct frame *frame, struct json value) {
    const struct task *task = frame->task;
    struct scope scope = { .machine = machine, .frame = frame };
    struct arena *arena = machine->arena;
    struct json goes_on, error;

    if (frame->count >= (int64_t)json_size(frame->items)) {
        machine_complete(machine, frame, value, NULL);
        return;
    }
    struct json variables = json_set(json_object(arena, 2), task->for_.each, json_at(frame->items, (size_t)frame->count), arena);
    frame->variables = json_set(variables, task->for_.at, json_int64(frame->count, arena), arena);
    if (task->for_.while_) {
        if (!scope_eval(&scope, task->for_.while_, value, &goes_on, &error)) {
            machine_fault(machine, frame, error);
            return;
        }
        if (!json_is_truthy(goes_on)) {
            machine_complete(machine, frame, value, NULL);
            return;
        }
    }
    frame->count++;
    frame->position = 0;
    if (task->list.count) {
        machine_push(machine, task->list.items[0], frame, value);
        return;
    }
    frame->value = value;
    machine_queue(machine, frame, FRAME_ADVANCE);
}

void for_enter(struct machine *machine, struct frame *frame) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json items, error;

    if (!scope_template(&scope, frame->task->for_.in, frame->input, &items, &error)) {
        machine_fault(machine, frame, error);
        return;
    }
    if (!json_is_null(items) && json_type(items) != JSON_ARRAY) {
        struct str text = str_format(machine->arena, "for.in gave %s; an array was expected", json_type_name(items));
        machine_fault(machine, frame, error_make(ERROR_EXPRESSION, text, machine->arena));
        return;
    }
    frame->items = items;
    next_turn(machine, frame, frame->input);
}

void for_advance(struct machine *machine, struct frame *frame) {
    struct json value;

    if (!list_next(machine, frame, &frame->task->list, &value)) next_turn(machine, frame, value);
}

/* wait: a moment that the state keeps; no thread is held (language.md, E23, E94). */

#include "core/step_internal.h"

void wait_enter(struct machine *machine, struct frame *frame) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json error;

    if (!scope_span(&scope, &frame->task->wait, frame->input, frame->started_at, &frame->due_at, &error)) {
        machine_fault(machine, frame, error);
        return;
    }
    if (frame->due_at > machine->instance->now_ms) return;
    frame->due_at = 0;
    machine_complete(machine, frame, frame->input, NULL);
}

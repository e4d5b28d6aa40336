/* switch: the first case that holds; the case without `when` last, wherever it stands (language.md, E33–E35). */

#include "core/step_internal.h"

void switch_enter(struct machine *machine, struct frame *frame) {
    const struct task *task = frame->task;
    struct scope scope = { .machine = machine, .frame = frame };
    const struct switch_case *chosen = NULL;
    struct json value, error;

    for (uint32_t i = 0; i < task->switch_.count && (!chosen || !chosen->when); i++) {
        const struct switch_case *candidate = &task->switch_.cases[i];
        if (!candidate->when) {
            chosen = candidate;
            continue;
        }
        if (!scope_eval(&scope, candidate->when, frame->input, &value, &error)) {
            machine_fault(machine, frame, error);
            return;
        }
        if (json_is_truthy(value)) chosen = candidate;
    }
    machine_complete(machine, frame, frame->input, chosen ? &chosen->then : NULL);
}

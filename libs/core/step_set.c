/* Tasks that end where they start: do, set, raise, emit; and how a list goes on. */

#include "common/arena.h"
#include "common/time.h"
#include "common/uuid.h"
#include "core/step_internal.h"

/* The first task of a list, or its end where it is empty. */
void do_enter(struct machine *machine, struct frame *frame) {
    frame->value = frame->input;
    list_advance(machine, frame, &frame->task->list);
}

bool list_next(struct machine *machine, struct frame *frame, const struct task_list *list, struct json *ret_value) {
    uint32_t next = (uint32_t)(frame->position + 1);

    *ret_value = frame->value;
    if (frame->directive.kind == DIRECTIVE_TASK) next = frame->directive.position;
    if (frame->directive.kind == DIRECTIVE_EXIT) next = list->count;
    frame->directive = (struct directive){ DIRECTIVE_CONTINUE, 0 };
    frame->value = (struct json){ .type = JSON_ABSENT };
    if (next >= list->count) return false;
    frame->position = (int32_t)next;
    machine_push(machine, list->items[next], frame, *ret_value);
    return true;
}

void list_advance(struct machine *machine, struct frame *frame, const struct task_list *list) {
    struct json value;

    if (!list_next(machine, frame, list, &value)) machine_complete(machine, frame, value, NULL);
}

void set_enter(struct machine *machine, struct frame *frame) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json value, error;

    if (scope_template(&scope, frame->task->set, frame->input, &value, &error)) {
        machine_complete(machine, frame, value, NULL);
    } else {
        machine_fault(machine, frame, error);
    }
}

/* `type` and `status` are always there; `instance` is the task's, whatever was given (language.md, E74). */
static struct json finish_error(struct machine *machine, const struct frame *frame, struct json error) {
    struct arena *arena = machine->arena;
    struct json status = json_get(error, STR("status"));
    int64_t code;

    if (json_type(error) != JSON_OBJECT) {
        return error_make(ERROR_EXPRESSION, STR("raise: an error is an object with type and status"), arena);
    }
    if (json_type(status) == JSON_STRING && str_to_int64(json_str(status), &code)) {
        error = json_set(error, STR("status"), json_int64(code, arena), arena);
    }
    if (json_is_null(json_get(error, STR("type")))) error = json_set(error, STR("type"), json_string(STR("about:blank")), arena);
    if (json_is_null(status)) error = json_set(error, STR("status"), json_int64(500, arena), arena);
    return json_set(error, STR("instance"), json_string(frame->task->pointer), arena);
}

void raise_enter(struct machine *machine, struct frame *frame) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json error, failure;

    if (scope_template(&scope, frame->task->raise, frame->input, &error, &failure)) {
        machine_fault(machine, frame, finish_error(machine, frame, error));
    } else {
        machine_fault(machine, frame, failure);
    }
}

static struct json with_default(struct json event, struct str key, struct str value, struct arena *arena) {
    return json_is_null(json_get(event, key)) ? json_set(event, key, json_string(value), arena) : event;
}

/* What is missing is made by the runtime: id (the same when the step is replayed), source, time. */
static struct json finish_event(struct machine *machine, const struct frame *frame, struct json given) {
    struct instance *instance = machine->instance;
    struct arena *arena = machine->arena;
    char time_text[TIME_TEXT_SIZE], id_text[UUID_TEXT_SIZE];
    struct str parts[] = { STR("event"), instance->id, str_format(arena, "%u", frame->id) };
    struct str source = str_format(arena, "/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(instance->namespace_),
            STR_ARG(instance->name), STR_ARG(instance->version_of));
    struct json event = json_set(json_object(arena, 8), STR("specversion"), json_string(STR("1.0")), arena);

    event = json_merge(event, given, arena);
    event = with_default(event, STR("id"), str_copy(uuid_v8(parts, ARRAY_SIZE(parts), id_text), arena), arena);
    event = with_default(event, STR("source"), source, arena);
    event = with_default(event, STR("time"), str_copy(time_format(instance->now_ms, time_text), arena), arena);
    bool has_data = !json_is_absent(json_get(event, STR("data")));
    if (has_data) event = with_default(event, STR("datacontenttype"), STR("application/json"), arena);
    return event;
}

void emit_enter(struct machine *machine, struct frame *frame) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json given, error;

    if (!scope_template(&scope, frame->task->emit, frame->input, &given, &error)) {
        machine_fault(machine, frame, error);
        return;
    }
    if (json_str(json_get(given, STR("type"))).size == 0) {
        error = error_make(ERROR_EXPRESSION, STR("emit: the event's type is not a text"), machine->arena);
        machine_fault(machine, frame, error);
        return;
    }
    struct json event = finish_event(machine, frame, given);
    machine_effect(machine, EFFECT_EVENT, machine->instance->id, event);
    machine_complete(machine, frame, event, NULL);
}

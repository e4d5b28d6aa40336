/* Calls leave as TASK effects and come back as answers; functions run inside; sub-workflows are instances of their own.
 *
 * A TASK's body: { instance, namespace, task (pointer), command, key, what, call: { with, uri, authentication? },
 *                  deadlineAt?, deferred?, scope? }
 * `deferred` names the places in `call` whose expressions read $secrets: the executor evaluates them with `scope` (input and
 * variables) and puts the results there. */

#include "common/arena.h"
#include "common/uuid.h"
#include "core/step_internal.h"
#include "core/uri_template.h"

struct str call_command(struct machine *machine, const struct frame *frame) {
    return str_format(machine->arena, "%u.%u", frame->id, frame->round);
}

static struct json set(struct machine *machine, struct json object, const char *key, struct json value) {
    return json_set(object, str_from(key), value, machine->arena);
}

/* Evaluates a template for the outside; what reads $secrets is added to *deferred under `prefix`. */
static bool evaluate(struct scope *scope, const struct template *template, const char *prefix, struct json *ret,
        struct json *deferred, struct json *error) {
    struct machine *machine = scope->machine;
    struct expression_env env = scope_env(scope);
    struct json left;
    struct err err;

    if (!template_eval_public(template, scope->frame->input, &env, machine->arena, ret, &left, &err)) {
        *error = error_make(ERROR_EXPRESSION, str_copy(str_from(err.message), machine->arena), machine->arena);
        return false;
    }
    for (size_t i = 0; i < json_size(left); i++) {
        struct json row = json_at(left, i);
        struct str below = json_str(json_get(row, STR("pointer")));
        struct str pointer = str_format(machine->arena, "%s" STR_FMT, prefix, STR_ARG(below));
        *deferred = json_append(*deferred, set(machine, row, "pointer", json_string(pointer)), machine->arena);
    }
    return true;
}

static bool evaluate_uri(struct scope *scope, struct json *call, struct json *deferred, struct json *error) {
    struct machine *machine = scope->machine;
    const struct task *task = scope->frame->task;
    struct json value;
    struct str uri;
    struct err err;

    if (!task->call.endpoint) return true;
    if (!evaluate(scope, task->call.endpoint, "/uri", &value, deferred, error)) return false;
    if (task->call.endpoint_is_template) {
        if (!uri_template_expand(json_str(value), scope->frame->input, machine->arena, &uri, &err)) {
            *error = error_make(ERROR_EXPRESSION, str_copy(str_from(err.message), machine->arena), machine->arena);
            return false;
        }
        value = json_string(uri);
    }
    *call = set(machine, *call, "uri", value);
    return true;
}

/* All the variables in scope, for what the executor evaluates. */
static struct json describe_scope(struct scope *scope) {
    static const char *const names[] = { "context", "input", "task", "workflow", "runtime" };
    struct machine *machine = scope->machine;
    struct expression_env env = scope_env(scope);
    struct json variables = json_object(machine->arena, 8), value;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (env.variable(env.user, str_from(names[i]), machine->arena, &value)) {
            variables = set(machine, variables, names[i], value);
        }
    }
    for (const struct frame *at = scope->frame; at; at = machine_parent(machine, at)) {
        for (size_t i = 0; i < json_size(at->variables); i++) {
            const struct json_member *member = json_member_at(at->variables, i);
            if (!json_has(variables, member->key)) {
                variables = json_set(variables, member->key, member->value, machine->arena);
            }
        }
    }
    struct json result = set(machine, json_object(machine->arena, 2), "variables", variables);
    return set(machine, result, "now", json_int64(machine->instance->now_ms, machine->arena));
}

/* The earliest deadline around: no executor need work past it. */
static int64_t deadline_around(const struct machine *machine, const struct frame *frame) {
    int64_t earliest = 0;

    for (const struct frame *at = frame; at; at = machine_parent(machine, at)) {
        int64_t end = at->deadline_at;
        if (at->task->kind == TASK_TRY && at->stage == 0 && at->due_at && (!end || at->due_at < end)) end = at->due_at;
        if (end && (!earliest || end < earliest)) earliest = end;
    }
    return earliest;
}

static void dispatch(struct machine *machine, struct frame *frame, struct scope *scope, struct json call, struct json deferred) {
    struct instance *instance = machine->instance;
    struct json body = json_object(machine->arena, 12);
    int64_t deadline = deadline_around(machine, frame);

    frame->round = 1;
    frame->run = try_take_unanswered(machine, frame);
    struct str key = str_format(machine->arena, STR_FMT "/%u/%u", STR_ARG(instance->id), frame->run ? frame->run : frame->id,
            frame->round);
    body = set(machine, body, "instance", json_string(instance->id));
    body = set(machine, body, "namespace", json_string(instance->namespace_));
    body = set(machine, body, "task", json_string(frame->task->pointer));
    body = set(machine, body, "command", json_string(call_command(machine, frame)));
    body = set(machine, body, "key", json_string(key));
    body = set(machine, body, "what", json_string(frame->task->call.what));
    body = set(machine, body, "call", call);
    if (deadline) body = set(machine, body, "deadlineAt", json_int64(deadline, machine->arena));
    if (json_size(deferred)) {
        body = set(machine, body, "deferred", deferred);
        body = set(machine, body, "scope", describe_scope(scope));
    }
    machine_effect(machine, EFFECT_TASK, instance->id, body);
}

void call_enter(struct machine *machine, struct frame *frame) {
    const struct task *task = frame->task;
    struct scope scope = { .machine = machine, .frame = frame };
    struct json deferred = json_array(machine->arena, 0), call = json_object(machine->arena, 4);
    struct json with = json_object(machine->arena, 0), authentication, error;

    bool ok = (!task->call.with || evaluate(&scope, task->call.with, "/with", &with, &deferred, &error))
            && evaluate_uri(&scope, &call, &deferred, &error);
    call = set(machine, call, "with", with);
    if (ok && task->call.authentication) {
        ok = evaluate(&scope, task->call.authentication, "/authentication", &authentication, &deferred, &error);
        if (ok) call = set(machine, call, "authentication", authentication);
    }
    if (ok) {
        dispatch(machine, frame, &scope, call, deferred);
    } else {
        machine_fault(machine, frame, error);
    }
}

/* A task of use.functions: `with` is its raw input (language.md, E25). */
void function_enter(struct machine *machine, struct frame *frame) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json with = frame->input, error;

    if (frame->task->function.with && !scope_template(&scope, frame->task->function.with, frame->input, &with, &error)) {
        machine_fault(machine, frame, error);
        return;
    }
    machine_push(machine, frame->task->function.function, frame, with);
}

static bool evaluate_text(struct scope *scope, const struct template *template, const char *what, struct json *ret, struct json *error) {
    *ret = json_string(STR("latest"));
    if (template && !scope_template(scope, template, scope->frame->input, ret, error)) return false;
    if (json_str(*ret).size) return true;
    struct str text = str_format(scope->machine->arena, "run.workflow.%s is not a text", what);
    *error = error_make(ERROR_EXPRESSION, text, scope->machine->arena);
    return false;
}

/* The child's id follows from ours, so that a repeated start finds it. */
void run_enter(struct machine *machine, struct frame *frame) {
    const struct task *task = frame->task;
    struct instance *instance = machine->instance;
    struct scope scope = { .machine = machine, .frame = frame };
    struct json namespace, name, version, input = json_null(), error;
    char id[UUID_TEXT_SIZE];

    if (!evaluate_text(&scope, task->run.namespace_, "namespace", &namespace, &error)
            || !evaluate_text(&scope, task->run.name, "name", &name, &error)
            || !evaluate_text(&scope, task->run.version, "version", &version, &error)
            || (task->run.input && !scope_template(&scope, task->run.input, frame->input, &input, &error))) {
        machine_fault(machine, frame, error);
        return;
    }
    struct str parts[] = { STR("child"), instance->id, str_format(machine->arena, "%u", frame->id) };
    struct json child = json_string_copy(uuid_v8(parts, ARRAY_SIZE(parts), id), machine->arena);
    struct json body = set(machine, json_object(machine->arena, 8), "id", child);
    body = set(machine, body, "namespace", namespace);
    body = set(machine, body, "name", name);
    body = set(machine, body, "version", version);
    body = set(machine, body, "input", input);
    body = set(machine, body, "createdAt", json_int64(instance->now_ms, machine->arena));
    if (!task->run.await) {
        machine_effect(machine, EFFECT_START, json_str(child), body);
        machine_complete(machine, frame, frame->input, NULL);
        return;
    }
    frame->round = 1;
    frame->more = child;
    struct json parent = set(machine, json_object(machine->arena, 2), "instance", json_string(instance->id));
    parent = set(machine, parent, "command", json_string(call_command(machine, frame)));
    machine_effect(machine, EFFECT_START, json_str(child), set(machine, body, "parent", parent));
}

void call_answered(struct machine *machine, struct frame *frame, struct json body) {
    struct json error = json_get(body, STR("error"));

    if (json_bool_or(json_get(body, STR("ok")), false)) {
        struct json output = json_get(body, STR("output"));
        frame->round = 0;
        machine_complete(machine, frame, json_is_absent(output) ? json_null() : output, NULL);
        return;
    }
    if (!json_bool_or(json_get(body, STR("answered")), true)) try_note_unanswered(machine, frame);
    frame->round = 0;
    if (json_type(error) != JSON_OBJECT) error = error_make(ERROR_RUNTIME, STR("the task failed"), machine->arena);
    machine_fault(machine, frame, set(machine, error, "instance", json_string(frame->task->pointer)));
}

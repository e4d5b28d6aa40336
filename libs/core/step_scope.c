/* Evaluations in the scope of a frame: which variables an expression sees (dsl.md, Runtime Expression Arguments). */

#include "common/arena.h"
#include "common/time.h"
#include "core/step_internal.h"

static struct json set(struct json object, const char *key, struct json value, struct arena *arena) {
    return json_set(object, str_from(key), value, arena);
}

/* dsl.md, DateTime Descriptor */
static struct json date_time(int64_t time_ms, struct arena *arena) {
    char text[TIME_TEXT_SIZE];
    struct json epoch = set(json_object(arena, 2), "seconds", json_int64(time_ms / 1000, arena), arena);

    epoch = set(epoch, "milliseconds", json_int64(time_ms, arena), arena);
    struct json result = set(json_object(arena, 2), "iso8601", json_string_copy(time_format(time_ms, text), arena), arena);
    return set(result, "epoch", epoch, arena);
}

static struct json describe_task(const struct scope *scope, struct arena *arena) {
    const struct frame *frame = scope->frame;
    struct json task = json_object(arena, 6);

    task = set(task, "name", json_string(frame->task->name), arena);
    task = set(task, "reference", json_string(frame->task->pointer), arena);
    task = set(task, "definition", frame->task->source, arena);
    task = set(task, "input", frame->raw, arena);
    task = set(task, "output", scope->output, arena);
    return set(task, "startedAt", date_time(frame->started_at, arena), arena);
}

static struct json describe_workflow(const struct scope *scope, struct arena *arena) {
    const struct instance *instance = scope->machine->instance;
    struct json workflow = json_object(arena, 4);

    workflow = set(workflow, "id", json_string(instance->id), arena);
    workflow = set(workflow, "definition", definition_document(scope->machine->definition), arena);
    workflow = set(workflow, "input", instance->input, arena);
    return set(workflow, "startedAt", date_time(instance->started_at, arena), arena);
}

static struct json describe_runtime(struct arena *arena) {
    struct json runtime = set(json_object(arena, 3), "name", json_string(STR("penstock")), arena);

    runtime = set(runtime, "version", json_string(STR("1.0.0")), arena);
    return set(runtime, "metadata", json_object(arena, 0), arena);
}

/* Loop and catch variables: the nearest around; a function body sees none of its caller's. */
static bool find_variable(const struct scope *scope, struct str name, struct json *ret) {
    for (const struct frame *at = scope->frame; at; at = machine_parent(scope->machine, at)) {
        struct json value = json_get(at->variables, name);
        if (!json_is_absent(value)) {
            *ret = value;
            return true;
        }
        if (at->task->kind == TASK_FUNCTION && at != scope->frame) return false;
    }
    return false;
}

static bool variable(void *user, struct str name, struct arena *arena, struct json *ret) {
    const struct scope *scope = user;

    if (scope->extra_name.size && str_equal(name, scope->extra_name)) {
        *ret = scope->extra;
        return true;
    }
    if (find_variable(scope, name, ret)) return true;
    if (str_equal(name, STR("context"))) {
        *ret = machine_context(scope->machine, scope->frame);
    } else if (str_equal(name, STR("input"))) {
        *ret = json_is_absent(scope->frame->input) ? json_null() : scope->frame->input;
    } else if (str_equal(name, STR("output"))) {
        *ret = json_is_absent(scope->output) ? json_null() : scope->output;
    } else if (str_equal(name, STR("task"))) {
        *ret = describe_task(scope, arena);
    } else if (str_equal(name, STR("workflow"))) {
        *ret = describe_workflow(scope, arena);
    } else if (str_equal(name, STR("runtime"))) {
        *ret = describe_runtime(arena);
    } else if (str_equal(name, STR("authorization"))) {
        *ret = json_null();
    } else {
        return false;
    }
    return true;
}

struct expression_env scope_env(struct scope *scope) {
    return (struct expression_env){ variable, scope, scope->machine->instance->now_ms };
}

static bool expression_failed(struct scope *scope, const struct err *err, struct json *ret_error) {
    struct arena *arena = scope->machine->arena;

    *ret_error = error_make(ERROR_EXPRESSION, str_copy(str_from(err->message), arena), arena);
    return false;
}

MUST_USE bool scope_eval(struct scope *scope, const struct expression *expression, struct json value, struct json *ret,
        struct json *ret_error) {
    struct expression_env env = scope_env(scope);
    struct err err;

    if (expression_eval(expression, value, &env, scope->machine->arena, ret, &err)) return true;
    return expression_failed(scope, &err, ret_error);
}

MUST_USE bool scope_template(struct scope *scope, const struct template *template, struct json value, struct json *ret,
        struct json *ret_error) {
    struct expression_env env = scope_env(scope);
    struct err err;

    if (template_eval(template, value, &env, scope->machine->arena, ret, &err)) return true;
    return expression_failed(scope, &err, ret_error);
}

MUST_USE bool scope_validate(struct scope *scope, const struct schema *schema, struct json value, const char *what,
        struct json *ret_error) {
    struct arena *arena = scope->machine->arena;
    struct faults faults;

    faults_init(&faults, arena);
    if (schema_validate(schema, value, arena, &faults)) return true;
    struct str pointer = faults.count ? faults.items[0].pointer : STR("");
    struct str detail = faults.count ? faults.items[0].detail : STR("does not fit");
    struct str text = str_format(arena, "the %s does not fit its schema: at '" STR_FMT "': " STR_FMT, what, STR_ARG(pointer),
            STR_ARG(detail));
    *ret_error = error_make(ERROR_VALIDATION, text, arena);
    return false;
}

MUST_USE bool scope_span(struct scope *scope, const struct span *span, struct json value, int64_t start_ms, int64_t *ret_ms,
        struct json *ret_error) {
    struct duration duration = span->constant;
    struct json result;

    if (span->template) {
        if (!scope_template(scope, span->template, value, &result, ret_error)) return false;
        if (!duration_of_value(result, &duration)) {
            struct str text = str_format(scope->machine->arena, "a duration was expected, as 'PT30S' or { seconds: 30 }, not %s",
                    json_type_name(result));
            *ret_error = error_make(ERROR_EXPRESSION, text, scope->machine->arena);
            return false;
        }
    }
    *ret_ms = duration_add(start_ms, duration);
    return true;
}

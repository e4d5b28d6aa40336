/* Compiles what is particular to each kind of task. */

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "core/definition_internal.h"

/* Adds a variable for the scope inside; the caller restores compiler->variable_count behind it. */
static void declare(struct compiler *compiler, struct str name, struct str pointer) {
    if (compiler->variable_count < VARIABLES_MAX) {
        compiler->variables[compiler->variable_count++] = name;
        return;
    }
    faults_add(compiler->faults, pointer, "more than %d variables are in scope here", VARIABLES_MAX);
}

struct str compile_variable_name(struct json name, struct str otherwise) {
    struct str text = json_str_or(name, otherwise);

    return str_starts_with(text, STR("$")) ? str_slice(text, 1, text.size) : text;
}

static void compile_switch(struct compiler *compiler, struct task *task) {
    struct json list = json_get(task->source, STR("switch"));
    uint32_t count = (uint32_t)json_size(list);
    struct switch_case *cases = arena_new_many(compiler->arena, struct switch_case, count);
    struct str pointer = pointer_append(compiler, task->pointer, "switch");
    uint32_t defaults = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct json_member *member = json_member_at(json_at(list, i), 0);
        struct str at = pointer_append_str(compiler, pointer_append_index(compiler, pointer, i), member->key);
        cases[i].name = member->key;
        cases[i].when = compile_bare(compiler, json_get(member->value, STR("when")), pointer_append(compiler, at, "when"));
        cases[i].then = compile_directive(compiler, json_get(member->value, STR("then")), task, pointer_append(compiler, at, "then"));
        if (json_is_absent(json_get(member->value, STR("when"))) && ++defaults == 2) {
            faults_add(compiler->faults, at, "a switch has one default at most: this is the second case without 'when'");
        }
    }
    task->switch_.cases = cases;
    task->switch_.count = count;
}

static void compile_for(struct compiler *compiler, struct task *task) {
    struct json rule = json_get(task->source, STR("for"));
    struct str pointer = pointer_append(compiler, task->pointer, "for");
    size_t outer = compiler->variable_count;

    task->for_.in = compile_rule(compiler, json_get(rule, STR("in")), pointer_append(compiler, pointer, "in"));
    task->for_.each = compile_variable_name(json_get(rule, STR("each")), STR("item"));
    task->for_.at = compile_variable_name(json_get(rule, STR("at")), STR("index"));
    declare(compiler, task->for_.each, pointer);
    declare(compiler, task->for_.at, pointer);
    task->for_.while_ = compile_bare(compiler, json_get(task->source, STR("while")), pointer_append(compiler, task->pointer, "while"));
    compile_list(compiler, json_get(task->source, STR("do")), pointer_append(compiler, task->pointer, "do"), task, &task->list);
    compiler->variable_count = outer;
}

static const struct retry_policy *compile_retry(struct compiler *compiler, struct json policy, struct str pointer) {
    struct retry_policy *retry = arena_new_one(compiler->arena, struct retry_policy);

    if (json_type(policy) == JSON_STRING) {
        struct str name = json_str(policy);
        policy = compile_reference(compiler, "retries", name, pointer);
        pointer = pointer_append_str(compiler, STR("/use/retries"), name);
    }
    if (json_is_absent(policy)) return NULL;
    struct json backoff = json_get(policy, STR("backoff"));
    struct json jitter = json_get(policy, STR("jitter"));
    struct json limit = json_get(policy, STR("limit"));
    struct json attempt = json_get(limit, STR("attempt"));
    retry->when = compile_bare(compiler, json_get(policy, STR("when")), pointer_append(compiler, pointer, "when"));
    retry->except_when = compile_bare(compiler, json_get(policy, STR("exceptWhen")), pointer_append(compiler, pointer, "exceptWhen"));
    retry->delay = compile_span(compiler, json_get(policy, STR("delay")), pointer_append(compiler, pointer, "delay"));
    struct str at = pointer_append(compiler, pointer, "jitter");
    retry->jitter_from = compile_span(compiler, json_get(jitter, STR("from")), pointer_append(compiler, at, "from"));
    retry->jitter_to = compile_span(compiler, json_get(jitter, STR("to")), pointer_append(compiler, at, "to"));
    retry->backoff = json_has(backoff, STR("exponential")) ? BACKOFF_EXPONENTIAL
            : json_has(backoff, STR("linear"))             ? BACKOFF_LINEAR
                                                           : BACKOFF_CONSTANT;
    retry->has_count = json_to_int64(json_get(attempt, STR("count")), &retry->count);
    at = pointer_append(compiler, pointer, "limit");
    retry->total_duration = compile_span(compiler, json_get(limit, STR("duration")), pointer_append(compiler, at, "duration"));
    at = pointer_append(compiler, at, "attempt");
    retry->attempt_duration = compile_span(compiler, json_get(attempt, STR("duration")), pointer_append(compiler, at, "duration"));
    return retry;
}

void compile_try(struct compiler *compiler, struct task *task) {
    struct json catch = json_get(task->source, STR("catch"));
    struct str pointer = pointer_append(compiler, task->pointer, "catch");
    size_t outer = compiler->variable_count;

    compile_list(compiler, json_get(task->source, STR("try")), pointer_append(compiler, task->pointer, "try"), task, &task->list);
    task->try_.filter = json_get(json_get(catch, STR("errors")), STR("with"));
    task->try_.filter_template = compile_template(compiler, task->try_.filter,
            pointer_append(compiler, pointer_append(compiler, pointer, "errors"), "with"));
    task->try_.as = compile_variable_name(json_get(catch, STR("as")), STR("error"));
    declare(compiler, task->try_.as, pointer);
    task->try_.when = compile_bare(compiler, json_get(catch, STR("when")), pointer_append(compiler, pointer, "when"));
    task->try_.except_when = compile_bare(compiler, json_get(catch, STR("exceptWhen")), pointer_append(compiler, pointer, "exceptWhen"));
    struct json retry = json_get(catch, STR("retry"));
    if (!json_is_absent(retry)) task->try_.retry = compile_retry(compiler, retry, pointer_append(compiler, pointer, "retry"));
    struct json handler = json_get(catch, STR("do"));
    task->try_.has_handler = !json_is_absent(handler);
    compile_list(compiler, handler, pointer_append(compiler, pointer, "do"), task, &task->try_.handler);
    task->try_.has_then = json_has(catch, STR("then"));
    task->try_.then = compile_directive(compiler, json_get(catch, STR("then")), task, pointer_append(compiler, pointer, "then"));
    compiler->variable_count = outer;
}

static void compile_raise(struct compiler *compiler, struct task *task) {
    struct json error = json_get(json_get(task->source, STR("raise")), STR("error"));
    struct str pointer = pointer_append(compiler, pointer_append(compiler, task->pointer, "raise"), "error");
    struct str inside;

    if (json_type(error) == JSON_STRING && !template_is_expression(json_str(error), &inside)) {
        struct str name = json_str(error);
        error = compile_reference(compiler, "errors", name, pointer);
        pointer = pointer_append_str(compiler, STR("/use/errors"), name);
    }
    task->raise = compile_template(compiler, error, pointer);
}

static void compile_run(struct compiler *compiler, struct task *task) {
    struct json run = json_get(task->source, STR("run"));
    struct json workflow = json_get(run, STR("workflow"));
    struct str pointer = pointer_append(compiler, pointer_append(compiler, task->pointer, "run"), "workflow");

    if (json_is_absent(workflow)) {
        faults_add(compiler->faults, pointer_append(compiler, task->pointer, "run"),
                "containers, scripts and shell commands cannot be run by this build; run.workflow can");
        return;
    }
    task->run.namespace_ = compile_template(compiler, json_get(workflow, STR("namespace")), pointer_append(compiler, pointer, "namespace"));
    task->run.name = compile_template(compiler, json_get(workflow, STR("name")), pointer_append(compiler, pointer, "name"));
    task->run.version = compile_template(compiler, json_get(workflow, STR("version")), pointer_append(compiler, pointer, "version"));
    task->run.input = compile_template(compiler, json_get(workflow, STR("input")), pointer_append(compiler, pointer, "input"));
    task->run.await = json_bool_or(json_get(run, STR("await")), true);
}

/* The kind follows from the keyword; intake_check has made sure that there is one. */
static enum task_kind kind_of(struct json source) {
    static const struct {
        struct str keyword;
        enum task_kind kind;
    } keywords[] = { { STR_INIT("for"), TASK_FOR }, { STR_INIT("try"), TASK_TRY }, { STR_INIT("fork"), TASK_FORK },
        { STR_INIT("set"), TASK_SET }, { STR_INIT("switch"), TASK_SWITCH }, { STR_INIT("raise"), TASK_RAISE },
        { STR_INIT("wait"), TASK_WAIT }, { STR_INIT("emit"), TASK_EMIT }, { STR_INIT("listen"), TASK_LISTEN },
        { STR_INIT("call"), TASK_CALL }, { STR_INIT("run"), TASK_RUN } };

    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        if (json_has(source, keywords[i].keyword)) return keywords[i].kind;
    }
    return TASK_DO;
}

void compile_kind(struct compiler *compiler, struct task *task) {
    struct json source = task->source;

    task->kind = kind_of(source);
    switch (task->kind) {
    case TASK_DO:
        compile_list(compiler, json_get(source, STR("do")), pointer_append(compiler, task->pointer, "do"), task, &task->list);
        return;
    case TASK_SET:
        task->set = compile_template(compiler, json_get(source, STR("set")), pointer_append(compiler, task->pointer, "set"));
        return;
    case TASK_SWITCH: compile_switch(compiler, task); return;
    case TASK_FOR: compile_for(compiler, task); return;
    case TASK_FORK: {
        struct json fork = json_get(source, STR("fork"));
        struct str pointer = pointer_append(compiler, task->pointer, "fork");
        task->fork.compete = json_bool_or(json_get(fork, STR("compete")), false);
        compile_list(compiler, json_get(fork, STR("branches")), pointer_append(compiler, pointer, "branches"), task, &task->list);
        return;
    }
    case TASK_TRY: compile_try(compiler, task); return;
    case TASK_RAISE: compile_raise(compiler, task); return;
    case TASK_WAIT:
        task->wait = compile_span(compiler, json_get(source, STR("wait")), pointer_append(compiler, task->pointer, "wait"));
        return;
    case TASK_EMIT:
        task->emit = compile_template(compiler, json_get(json_get(json_get(source, STR("emit")), STR("event")), STR("with")),
                str_format(compiler->arena, STR_FMT "/emit/event/with", STR_ARG(task->pointer)));
        return;
    case TASK_LISTEN: compile_listen(compiler, task); return;
    case TASK_CALL:
    case TASK_FUNCTION: compile_call(compiler, task); return;
    case TASK_RUN: compile_run(compiler, task); return;
    }
}

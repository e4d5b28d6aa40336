/* try: catch, retry, handle (language.md, E55–E69).
 *
 * stage  below · count  retries so far · due_at  end of the attempt, or of the delay · started_at  of the first attempt
 * more   commands that faulted without an answer, by path: they keep their idempotency key (E101) */

#include <math.h>

#include "common/arena.h"
#include "core/step_internal.h"

enum stage { STAGE_TRYING, STAGE_DELAYED, STAGE_HANDLING };

/* The end of this attempt by the policy's limits; 0: none. */
static bool attempt_end(struct machine *machine, struct frame *frame, int64_t *ret_ms, struct json *error) {
    const struct retry_policy *retry = frame->task->try_.retry;
    struct scope scope = { .machine = machine, .frame = frame };
    int64_t attempt = 0, total = 0;

    *ret_ms = 0;
    if (!retry) return true;
    if (retry->attempt_duration.is_set
            && !scope_span(&scope, &retry->attempt_duration, frame->input, machine->instance->now_ms, &attempt, error)) {
        return false;
    }
    if (retry->total_duration.is_set
            && !scope_span(&scope, &retry->total_duration, frame->input, frame->started_at, &total, error)) {
        return false;
    }
    *ret_ms = !attempt ? total : !total ? attempt : MIN(attempt, total);
    return true;
}

static void begin_attempt(struct machine *machine, struct frame *frame) {
    struct json error;

    frame->stage = STAGE_TRYING;
    frame->position = -1;
    frame->directive = (struct directive){ DIRECTIVE_CONTINUE, 0 };
    if (!attempt_end(machine, frame, &frame->due_at, &error)) {
        machine_fault(machine, frame, error);
        return;
    }
    frame->value = frame->input;
    machine_queue(machine, frame, FRAME_ADVANCE);
}

void try_enter(struct machine *machine, struct frame *frame) {
    begin_attempt(machine, frame);
}

void try_advance(struct machine *machine, struct frame *frame) {
    const struct task *task = frame->task;
    const struct task_list *list = frame->stage == STAGE_HANDLING ? &task->try_.handler : &task->list;
    bool ends = frame->directive.kind == DIRECTIVE_EXIT
            || (frame->directive.kind == DIRECTIVE_CONTINUE && (uint32_t)(frame->position + 1) >= list->count);

    if (ends && frame->stage == STAGE_HANDLING && task->try_.has_then) {
        machine_complete(machine, frame, frame->value, &task->try_.then);
        return;
    }
    if (ends) frame->due_at = 0;
    list_advance(machine, frame, list);
}

/* ---- catching ---- */

static bool matches_filter(struct scope *scope, struct json error, bool *ret, struct json *failure) {
    const struct task *task = scope->frame->task;
    struct json filter;

    *ret = true;
    if (json_is_absent(task->try_.filter)) return true;
    if (!scope_template(scope, task->try_.filter_template, scope->frame->input, &filter, failure)) return false;
    for (size_t i = 0; i < json_size(filter) && *ret; i++) {
        const struct json_member *member = json_member_at(filter, i);
        struct json actual = json_get(error, member->key);
        if (str_equal(member->key, STR("type"))) {
            *ret = error_type_equal(json_str(member->value), json_str(actual));
        } else {
            *ret = json_equal(member->value, actual);
        }
    }
    return true;
}

/* `when` (true if absent) and not `exceptWhen`, with the error as a variable. */
static bool holds(struct scope *scope, const struct expression *when, const struct expression *except_when, bool *ret,
        struct json *failure) {
    struct json value;

    *ret = true;
    if (when) {
        if (!scope_eval(scope, when, scope->frame->input, &value, failure)) return false;
        *ret = json_is_truthy(value);
    }
    if (*ret && except_when) {
        if (!scope_eval(scope, except_when, scope->frame->input, &value, failure)) return false;
        *ret = !json_is_truthy(value);
    }
    return true;
}

/* Deterministic in place of random: from instance, frame and retry. 0 … 1. FNV-1a, as a replay by another build or on another machine
 * must give the same. */
static double fraction(const struct machine *machine, const struct frame *frame) {
    struct str id = machine->instance->id;
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < id.size; i++) hash = (hash ^ (unsigned char)id.data[i]) * 1099511628211u;
    hash ^= ((uint64_t)frame->id << 32) ^ (uint64_t)frame->count;
    hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDu;
    hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53u;
    return (double)(hash >> 11) / 9007199254740992.0;
}

/* The moment of the next attempt (language.md, E62): constant d, linear d·k, exponential d·2^(k−1), and jitter. */
static bool next_attempt(struct scope *scope, int64_t *ret_ms, struct json *failure) {
    const struct retry_policy *retry = scope->frame->task->try_.retry;
    struct json input = scope->frame->input;
    int64_t now = scope->machine->instance->now_ms, delayed = now, from = now, to = now;
    double turn = (double)(scope->frame->count + 1);

    if (retry->delay.is_set && !scope_span(scope, &retry->delay, input, now, &delayed, failure)) return false;
    if (retry->jitter_from.is_set && !scope_span(scope, &retry->jitter_from, input, now, &from, failure)) return false;
    if (retry->jitter_to.is_set && !scope_span(scope, &retry->jitter_to, input, now, &to, failure)) return false;
    double factor = retry->backoff == BACKOFF_CONSTANT ? 1 : retry->backoff == BACKOFF_LINEAR ? turn : exp2(fmin(turn - 1, 62));
    double delay = (double)(delayed - now) * factor + (double)(from - now);
    delay += (double)MAX(to - from, 0) * fraction(scope->machine, scope->frame);
    *ret_ms = now + (int64_t)fmin(delay, 9e15);
    return true;
}

/* Whether the policy allows one more attempt, and when. */
static bool may_retry(struct scope *scope, bool *ret, int64_t *ret_at, struct json *failure) {
    const struct frame *frame = scope->frame;
    const struct retry_policy *retry = frame->task->try_.retry;
    int64_t end;

    *ret = false;
    if (!retry || (retry->has_count && frame->count >= retry->count)) return true;
    if (!holds(scope, retry->when, retry->except_when, ret, failure)) return false;
    if (!*ret) return true;
    if (!next_attempt(scope, ret_at, failure)) return false;
    if (!retry->total_duration.is_set) return true;
    if (!scope_span(scope, &retry->total_duration, frame->input, frame->started_at, &end, failure)) return false;
    *ret = *ret_at < end;
    return true;
}

static void retry_at(struct machine *machine, struct frame *frame, int64_t at, struct json error) {
    struct json data = json_set(json_object(machine->arena, 2), STR("attempt"), json_int64(++frame->count, machine->arena), machine->arena);

    data = json_set(data, STR("error"), error, machine->arena);
    machine_fact(machine, "task.retried", frame->task, data);
    if (at <= machine->instance->now_ms) {
        begin_attempt(machine, frame);
        return;
    }
    frame->stage = STAGE_DELAYED;
    frame->due_at = at;
}

static void handle(struct machine *machine, struct frame *frame, struct json error) {
    frame->stage = STAGE_HANDLING;
    frame->due_at = 0;
    frame->position = -1;
    frame->directive = (struct directive){ DIRECTIVE_CONTINUE, 0 };
    frame->variables = json_set(json_object(machine->arena, 1), frame->task->try_.as, error, machine->arena);
    frame->value = frame->input;
    machine_queue(machine, frame, FRAME_ADVANCE);
}

/* True if the error ends here; false: it rises, as *error (perhaps another one). The child is gone already. */
bool try_catch(struct machine *machine, struct frame *frame, struct json *error) {
    const struct task *task = frame->task;
    struct scope scope = { .machine = machine, .frame = frame, .extra_name = task->try_.as, .extra = *error };
    struct json failure;
    bool caught, again;
    int64_t at = 0;

    if (frame->stage != STAGE_TRYING) return false;
    machine_cancel_inside(machine, frame);
    if (!matches_filter(&scope, *error, &caught, &failure)
            || (caught && !holds(&scope, task->try_.when, task->try_.except_when, &caught, &failure))
            || (caught && !may_retry(&scope, &again, &at, &failure))) {
        *error = json_set(failure, STR("instance"), json_string(task->pointer), machine->arena);
        return false;
    }
    if (!caught) return false;
    if (again) {
        retry_at(machine, frame, at, *error);
        return true;
    }
    if (task->try_.retry && !task->try_.has_handler && !task->try_.has_then) return false;
    handle(machine, frame, *error);
    return true;
}

/* The end of a delay, or of the time for an attempt. */
void try_due(struct machine *machine, struct frame *frame) {
    if (frame->stage == STAGE_DELAYED) {
        begin_attempt(machine, frame);
        return;
    }
    struct json error = error_make(ERROR_TIMEOUT, STR("the attempt did not end within its limit"), machine->arena);
    error = json_set(error, STR("instance"), json_string(frame->task->pointer), machine->arena);
    machine_cancel_inside(machine, frame);
    if (!try_catch(machine, frame, &error)) machine_fault(machine, frame, error);
}

/* ---- commands without an answer keep their key ---- */

/* A call by its place: the task, and the turns of the loops around it. */
static struct str path_of(struct machine *machine, const struct frame *call) {
    struct str path = str_format(machine->arena, "%u", call->task->index);

    for (const struct frame *at = machine_parent(machine, call); at; at = machine_parent(machine, at)) {
        if (at->task->kind != TASK_FOR && at->task->kind != TASK_LISTEN) continue;
        path = str_format(machine->arena, STR_FMT "@%lld", STR_ARG(path), (long long)at->count);
    }
    return path;
}

void try_note_unanswered(struct machine *machine, const struct frame *call) {
    if (call->task->kind != TASK_CALL || !call->round) return;
    struct str path = path_of(machine, call);
    struct json run = json_int64(call->run ? call->run : call->id, machine->arena);

    for (struct frame *at = machine_parent(machine, call); at; at = machine_parent(machine, at)) {
        if (at->task->kind != TASK_TRY || at->stage != STAGE_TRYING) continue;
        struct json more = json_is_absent(at->more) ? json_object(machine->arena, 1) : at->more;
        at->more = json_set(more, path, run, machine->arena);
    }
}

uint32_t try_take_unanswered(struct machine *machine, const struct frame *call) {
    struct str path = path_of(machine, call);
    uint32_t run = 0;

    for (struct frame *at = machine_parent(machine, call); at; at = machine_parent(machine, at)) {
        if (at->task->kind != TASK_TRY || at->stage != STAGE_TRYING || json_is_absent(json_get(at->more, path))) continue;
        run = (uint32_t)json_int64_or(json_get(at->more, path), 0);
        at->more = json_remove(at->more, path, machine->arena);
    }
    return run;
}

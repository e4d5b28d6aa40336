/* listen: events that fit are taken in order, until the strategy is satisfied (dsl-reference.md, Listen; language.md 3.5).
 *
 * items  what goes into the output · count  turns of foreach begun · stage  1 while a turn runs
 * more   { expect: { "filter/name": value }, bound: { name: value }, matched: [filter], until: [filter], queue: [event], done }
 *        Filters of an until strategy are numbered behind those of the strategy itself. */

#include "common/arena.h"
#include "common/regex.h"
#include "core/event.h"
#include "core/step_internal.h"

static struct json more_get(const struct frame *frame, const char *key) {
    return json_get(frame->more, str_from(key));
}

static void more_set(struct machine *machine, struct frame *frame, const char *key, struct json value) {
    frame->more = json_set(frame->more, str_from(key), value, machine->arena);
}

static void more_append(struct machine *machine, struct frame *frame, const char *key, struct json value) {
    struct json list = more_get(frame, key);

    if (json_is_absent(list)) list = json_array(machine->arena, 2);
    more_set(machine, frame, key, json_append(list, value, machine->arena));
}

static bool contains(struct json list, uint32_t number) {
    for (size_t i = 0; i < json_size(list); i++) {
        if (json_int64_or(json_at(list, i), -1) == (int64_t)number) return true;
    }
    return false;
}

/* ---- matching ---- */

static bool attribute_fits(struct scope *scope, const struct attribute_filter *filter, struct json event) {
    struct json actual = json_get(event, filter->name), result, ignored;

    if (!filter->expression) {
        if (filter->regex) return json_type(actual) == JSON_STRING && regex_matches(filter->regex, json_str(actual));
        return json_equal(filter->literal, actual);
    }
    if (!scope_eval(scope, filter->expression, actual, &result, &ignored)) return false;
    if (json_type(result) == JSON_TRUE || json_type(result) == JSON_FALSE) return json_type(result) == JSON_TRUE;
    return !json_is_null(result) && json_equal(result, actual);
}

static struct str expect_key(uint32_t number, struct str name, struct arena *arena) {
    return str_format(arena, "%u/" STR_FMT, number, STR_ARG(name));
}

/* What a correlation must equal: what was expected at the start, or what was bound; absent: anything yet. */
static struct json expected(const struct frame *frame, uint32_t number, const struct correlation *correlation, struct arena *arena) {
    if (correlation->expect) return json_get(more_get(frame, "expect"), expect_key(number, correlation->name, arena));
    return json_get(more_get(frame, "bound"), correlation->name);
}

static bool correlations_fit(struct scope *scope, const struct frame *frame, const struct event_filter *filter, uint32_t number,
        struct json event, struct json *bound) {
    struct machine *machine = scope->machine;
    struct json value, ignored;

    for (uint32_t i = 0; i < filter->correlation_count; i++) {
        const struct correlation *correlation = &filter->correlations[i];
        if (!scope_eval(scope, correlation->from, event, &value, &ignored) || json_is_null(value)) return false;
        struct json wanted = expected(frame, number, correlation, machine->arena);
        if (json_is_absent(wanted)) {
            *bound = json_set(*bound, correlation->name, value, machine->arena);
        } else if (!json_equal(wanted, value)) {
            return false;
        }
    }
    return true;
}

/* A filter without a type does not hear the engine's own lifecycle (language.md, E100). */
static bool is_lifecycle(struct json event) {
    return str_starts_with(json_str(json_get(event, STR("type"))), STR("io.serverlessworkflow."));
}

static bool names_lifecycle(const struct event_filter *filter) {
    for (uint32_t i = 0; i < filter->attribute_count; i++) {
        const struct attribute_filter *attribute = &filter->attributes[i];
        if (!str_equal(attribute->name, STR("type"))) continue;
        if (str_find(attribute->text, STR("io.serverlessworkflow")) < attribute->text.size) return true;
    }
    return false;
}

static bool filter_fits(struct machine *machine, struct frame *frame, const struct event_filter *filter, uint32_t number,
        struct json event) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json bound = more_get(frame, "bound");

    if (filter->type.size && !str_equal(filter->type, json_str(json_get(event, STR("type"))))) return false;
    if (is_lifecycle(event) && !names_lifecycle(filter)) return false;
    for (uint32_t i = 0; i < filter->attribute_count; i++) {
        if (!attribute_fits(&scope, &filter->attributes[i], event)) return false;
    }
    if (json_is_absent(bound)) bound = json_object(machine->arena, 1);
    if (!correlations_fit(&scope, frame, filter, number, event, &bound)) return false;
    more_set(machine, frame, "bound", bound);
    return true;
}

/* Marks the filters of a strategy that the event fits; true if one did. A filter that `all` has met already takes no more. */
static bool strategy_takes(struct machine *machine, struct frame *frame, const struct strategy *strategy, uint32_t base,
        const char *key, struct json event) {
    for (uint32_t i = 0; i < strategy->filter_count; i++) {
        bool met = contains(more_get(frame, key), base + i);
        if (met && strategy->kind == STRATEGY_ALL) continue;
        if (!filter_fits(machine, frame, &strategy->filters[i], base + i, event)) continue;
        if (!met) more_append(machine, frame, key, json_int64(base + i, machine->arena));
        return true;
    }
    return false;
}

static bool strategy_satisfied(const struct frame *frame, const struct strategy *strategy, const char *key) {
    size_t met = json_size(more_get(frame, key));

    return strategy->kind == STRATEGY_ALL ? met == strategy->filter_count : met > 0;
}

/* ---- taking ---- */

static struct json read_event(struct machine *machine, const struct frame *frame, struct json event) {
    struct json data = json_get(event, STR("data")), binary = json_get(event, STR("data_base64"));

    switch (frame->task->listen.read) {
    case READ_ENVELOPE: return event;
    case READ_RAW:
        if (!json_is_absent(binary)) return binary;
        if (json_type(data) == JSON_STRING) return data;
        return json_is_absent(data) ? json_null() : json_string(json_to_str(data, machine->arena));
    case READ_DATA: break;
    }
    if (!json_is_absent(binary)) return binary;
    return json_is_absent(data) ? json_null() : data;
}

/* Tests `until` on what was read so far, after an event or its turn (language.md, E78, E87). */
static bool test_until(struct machine *machine, struct frame *frame, struct json *error) {
    const struct expression *until = frame->task->listen.strategy.until;
    struct scope scope = { .machine = machine, .frame = frame };
    struct json value;

    if (!until) return true;
    if (!scope_eval(&scope, until, frame->items, &value, error)) return false;
    if (json_is_truthy(value)) more_set(machine, frame, "done", json_bool(true));
    return true;
}

static bool is_over(const struct frame *frame) {
    const struct strategy *strategy = &frame->task->listen.strategy;

    if (json_bool_or(more_get(frame, "done"), false)) return true;
    return !strategy->until && !strategy->until_strategy && strategy_satisfied(frame, strategy, "matched");
}

static void begin_turn(struct machine *machine, struct frame *frame) {
    const struct task *task = frame->task;
    struct arena *arena = machine->arena;
    struct json queue = more_get(frame, "queue"), rest = json_array(arena, json_size(queue)), item = json_at(queue, 0);

    for (size_t i = 1; i < json_size(queue); i++) rest = json_append(rest, json_at(queue, i), arena);
    more_set(machine, frame, "queue", rest);
    struct json variables = json_set(json_object(arena, 2), task->listen.item, item, arena);
    frame->variables = json_set(variables, task->listen.at, json_int64(frame->count, arena), arena);
    frame->count++;
    frame->stage = 1;
    frame->position = 0;
    if (task->list.count) {
        machine_push(machine, task->list.items[0], frame, item);
        return;
    }
    frame->value = item;
    machine_queue(machine, frame, FRAME_ADVANCE);
}

/* Completes where all is over and nothing waits in the queue, which `until` drops; else begins the next turn. */
static void go_on(struct machine *machine, struct frame *frame) {
    bool over = is_over(frame), queued = json_size(more_get(frame, "queue")) > 0;
    bool until = frame->task->listen.strategy.until || frame->task->listen.strategy.until_strategy;

    if (frame->stage) return;
    if (queued && !(over && until)) {
        begin_turn(machine, frame);
    } else if (over) {
        machine_complete(machine, frame, frame->items, NULL);
    }
}

/* One more item of the output. */
static void add_item(struct machine *machine, struct frame *frame, struct json item) {
    struct json error;

    frame->items = json_append(frame->items, item, machine->arena);
    if (test_until(machine, frame, &error)) {
        go_on(machine, frame);
    } else {
        machine_fault(machine, frame, error);
    }
}

static void end_turn(struct machine *machine, struct frame *frame, struct json output) {
    const struct data_rule *as = &frame->task->listen.foreach_output, *export = &frame->task->listen.foreach_export;
    struct scope scope = { .machine = machine, .frame = frame };
    struct json context, error;

    frame->stage = 0;
    bool ok = (!as->as || scope_template(&scope, as->as, output, &output, &error))
            && (!as->schema || scope_validate(&scope, as->schema, output, "foreach.output", &error));
    scope.output = output;
    if (ok && export->as) {
        ok = scope_template(&scope, export->as, output, &context, &error)
                && (!export->schema || scope_validate(&scope, export->schema, context, "foreach.export", &error));
        if (ok) machine_set_context(machine, frame, context);
    }
    if (!ok) {
        machine_fault(machine, frame, error);
        return;
    }
    add_item(machine, frame, output);
}

void listen_advance(struct machine *machine, struct frame *frame) {
    struct json value;

    if (!list_next(machine, frame, &frame->task->list, &value)) end_turn(machine, frame, value);
}

static bool can_take(const struct frame *frame) {
    const struct strategy *strategy = &frame->task->listen.strategy;

    if (json_bool_or(more_get(frame, "done"), false)) return false;
    if (strategy->until || strategy->until_strategy) return true;
    return !strategy_satisfied(frame, strategy, "matched");
}

bool listen_offer(struct machine *machine, struct frame *frame, struct json event) {
    const struct strategy *strategy = &frame->task->listen.strategy;
    const struct strategy *until = strategy->until_strategy;

    if (!can_take(frame)) return false;
    if (until && strategy_takes(machine, frame, until, strategy->filter_count, "until", event)) {
        if (strategy_satisfied(frame, until, "until")) more_set(machine, frame, "done", json_bool(true));
        go_on(machine, frame);
        return true;
    }
    if (!strategy_takes(machine, frame, strategy, 0, "matched", event)) return false;
    struct json item = read_event(machine, frame, event);
    if (!frame->task->listen.has_foreach) {
        add_item(machine, frame, item);
        return true;
    }
    more_append(machine, frame, "queue", item);
    go_on(machine, frame);
    return true;
}

/* ---- entering ---- */

static bool evaluate_expectations(struct machine *machine, struct frame *frame, const struct strategy *strategy, uint32_t base,
        struct json *expect, struct json *error) {
    struct scope scope = { .machine = machine, .frame = frame };
    struct json value;

    for (uint32_t i = 0; i < strategy->filter_count; i++) {
        const struct event_filter *filter = &strategy->filters[i];
        for (uint32_t c = 0; c < filter->correlation_count; c++) {
            const struct correlation *correlation = &filter->correlations[c];
            if (!correlation->expect) continue;
            if (!scope_template(&scope, correlation->expect, frame->input, &value, error)) return false;
            struct str key = expect_key(base + i, correlation->name, machine->arena);
            *expect = json_set(*expect, key, json_is_absent(value) ? json_null() : value, machine->arena);
        }
    }
    return true;
}

/* Signals that came before anybody listened, oldest first. */
static void take_signals(struct machine *machine, struct frame *frame) {
    struct instance *instance = machine->instance;
    struct json kept = json_array(machine->arena, 0);
    uint32_t id = frame->id;

    for (size_t i = 0; i < json_size(instance->signals); i++) {
        struct json event = json_at(instance->signals, i);
        bool standing = instance_frame(instance, id) == frame;
        if (!standing || !listen_offer(machine, frame, event)) kept = json_append(kept, event, machine->arena);
    }
    if (!instance_has_ended(instance)) {
        instance->signals = json_size(kept) ? kept : (struct json){ .type = JSON_ABSENT };
    }
}

void listen_enter(struct machine *machine, struct frame *frame) {
    const struct strategy *strategy = &frame->task->listen.strategy;
    struct json expect = json_object(machine->arena, 2), error;

    frame->items = json_array(machine->arena, 2);
    frame->more = json_object(machine->arena, 4);
    if (!evaluate_expectations(machine, frame, strategy, 0, &expect, &error)
            || (strategy->until_strategy
                    && !evaluate_expectations(machine, frame, strategy->until_strategy, strategy->filter_count, &expect, &error))) {
        machine_fault(machine, frame, error);
        return;
    }
    if (json_size(expect)) more_set(machine, frame, "expect", expect);
    if (strategy->kind == STRATEGY_ALL && strategy->filter_count == 0) {
        machine_complete(machine, frame, frame->items, NULL);
        return;
    }
    if (json_size(machine->instance->signals)) take_signals(machine, frame);
}

/* ---- where it is found ---- */

static struct str key_of(const struct frame *frame, const struct event_filter *filter, uint32_t number, struct arena *arena) {
    for (uint32_t i = 0; i < filter->correlation_count && filter->type.size; i++) {
        struct json value = expected(frame, number, &filter->correlations[i], arena);
        if (!json_is_absent(value)) return event_key_correlated(filter->type, filter->correlations[i].from_text, value, arena);
    }
    return event_key(filter->type, arena);
}

static void add_keys(const struct frame *frame, const struct strategy *strategy, uint32_t base, const char *key, struct arena *arena,
        struct json *keys) {
    for (uint32_t i = 0; i < strategy->filter_count; i++) {
        if (strategy->kind == STRATEGY_ALL && contains(more_get(frame, key), base + i)) continue;
        struct json own = json_string(key_of(frame, &strategy->filters[i], base + i, arena));
        bool known = false;
        for (size_t k = 0; k < json_size(*keys); k++) known |= json_equal(json_at(*keys, k), own);
        if (!known) *keys = json_append(*keys, own, arena);
    }
}

void listen_subscriptions(const struct frame *frame, struct arena *arena, struct json *keys) {
    const struct strategy *strategy = &frame->task->listen.strategy;

    if (!can_take(frame)) return;
    add_keys(frame, strategy, 0, "matched", arena, keys);
    if (strategy->until_strategy) add_keys(frame, strategy->until_strategy, strategy->filter_count, "until", arena, keys);
}

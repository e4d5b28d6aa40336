/* Compiles listen tasks: filters, correlations, strategies. */

#include <string.h>

#include "common/arena.h"
#include "common/regex.h"
#include "core/definition_internal.h"

/* A constant with any of these is a regular expression; a dot alone makes none, as types are full of them. */
static bool is_pattern(struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (strchr("^$*+?()[]{}|\\", text.data[i])) return true;
    }
    return false;
}

static struct attribute_filter compile_attribute(struct compiler *compiler, const struct json_member *member, struct str pointer) {
    struct attribute_filter filter = { .name = member->key, .literal = member->value };
    struct str inside;
    struct err err;

    if (json_type(member->value) != JSON_STRING) return filter;
    filter.text = json_str(member->value);
    if (template_is_expression(filter.text, &inside)) {
        filter.text = inside;
        filter.expression = compile_bare(compiler, json_string(inside), pointer);
        return filter;
    }
    if (!is_pattern(filter.text)) return filter;
    struct str whole = str_format(compiler->arena, "^(?:" STR_FMT ")$", STR_ARG(filter.text));
    if (!regex_compile(whole, 0, compiler->arena, &filter.regex, &err)) {
        faults_add(compiler->faults, pointer, "the regular expression is wrong: %s", err.message);
    }
    return filter;
}

static const struct correlation *compile_correlations(struct compiler *compiler, struct json correlate, struct str pointer) {
    size_t count = json_size(correlate);
    struct correlation *correlations = arena_new_many(compiler->arena, struct correlation, count);

    for (size_t i = 0; i < count; i++) {
        const struct json_member *member = json_member_at(correlate, i);
        struct str at = pointer_append_str(compiler, pointer, member->key);
        struct json from = json_get(member->value, STR("from"));
        struct json expect = json_get(member->value, STR("expect"));
        correlations[i].name = member->key;
        correlations[i].from_text = template_bare(json_str(from));
        correlations[i].from = compile_bare(compiler, from, pointer_append(compiler, at, "from"));
        if (!json_is_absent(expect)) {
            correlations[i].expect = compile_template(compiler, expect, pointer_append(compiler, at, "expect"));
        }
    }
    return correlations;
}

/* What the trigger needs to find this filter's listeners: its type, and what its correlations read. */
static void note_type(struct compiler *compiler, const struct event_filter *filter) {
    struct definition *definition = compiler->definition;
    struct arena *arena = compiler->arena;
    struct json from = json_array(arena, filter->correlation_count);

    for (uint32_t i = 0; i < filter->correlation_count; i++) {
        from = json_append(from, json_string(filter->correlations[i].from_text), arena);
    }
    struct json row = json_set(json_object(arena, 2), STR("type"), json_string(filter->type.size ? filter->type : STR("*")), arena);
    row = json_set(row, STR("from"), from, arena);
    definition->event_types = json_append(definition->event_types, row, arena);
}

static void compile_filter(struct compiler *compiler, struct json source, struct str pointer, struct event_filter *ret) {
    struct json with = json_get(source, STR("with"));
    struct json correlate = json_get(source, STR("correlate"));
    struct str at = pointer_append(compiler, pointer, "with");
    uint32_t count = (uint32_t)json_size(with);
    struct attribute_filter *attributes = arena_new_many(compiler->arena, struct attribute_filter, count);

    for (uint32_t i = 0; i < count; i++) {
        const struct json_member *member = json_member_at(with, i);
        attributes[i] = compile_attribute(compiler, member, pointer_append_str(compiler, at, member->key));
        bool literal = !attributes[i].expression && !attributes[i].regex;
        if (literal && str_equal(member->key, STR("type"))) ret->type = json_str(member->value);
    }
    ret->attributes = attributes;
    ret->attribute_count = count;
    ret->correlations = compile_correlations(compiler, correlate, pointer_append(compiler, pointer, "correlate"));
    ret->correlation_count = (uint32_t)json_size(correlate);
    note_type(compiler, ret);
}

static void compile_strategy(struct compiler *compiler, struct json source, struct str pointer, struct strategy *ret) {
    static const struct {
        const char *keyword;
        enum strategy_kind kind;
    } kinds[] = { { "one", STRATEGY_ONE }, { "any", STRATEGY_ANY }, { "all", STRATEGY_ALL } };
    struct json filters = { .type = JSON_ABSENT };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct json value = json_get(source, str_from(kinds[i].keyword));
        if (json_is_absent(value)) continue;
        ret->kind = kinds[i].kind;
        filters = value;
        pointer = pointer_append(compiler, pointer, kinds[i].keyword);
    }
    bool one = ret->kind == STRATEGY_ONE;
    /* `any: []` hears every event: one filter without attributes. */
    uint32_t count = one ? 1 : MAX((uint32_t)json_size(filters), 1u);
    struct event_filter *compiled = arena_new_many(compiler->arena, struct event_filter, count);
    for (uint32_t i = 0; i < count; i++) {
        struct json filter = one ? filters : json_at(filters, i);
        compile_filter(compiler, filter, one ? pointer : pointer_append_index(compiler, pointer, i), &compiled[i]);
    }
    ret->filters = compiled;
    ret->filter_count = count;
    if (ret->kind == STRATEGY_ALL && json_size(filters) == 0) ret->filter_count = 0;
}

static void compile_until(struct compiler *compiler, struct json until, struct str pointer, struct strategy *ret) {
    if (json_type(until) == JSON_STRING) {
        ret->until = compile_bare(compiler, until, pointer);
    } else if (json_type(until) == JSON_OBJECT) {
        struct strategy *strategy = arena_new_one(compiler->arena, struct strategy);
        compile_strategy(compiler, until, pointer, strategy);
        ret->until_strategy = strategy;
    }
}

void compile_listen(struct compiler *compiler, struct task *task) {
    struct json listen = json_get(task->source, STR("listen"));
    struct json to = json_get(listen, STR("to"));
    struct json foreach = json_get(task->source, STR("foreach"));
    struct str pointer = pointer_append(compiler, pointer_append(compiler, task->pointer, "listen"), "to");
    struct str read = json_str_or(json_get(listen, STR("read")), STR("data"));
    size_t outer = compiler->variable_count;

    compile_strategy(compiler, to, pointer, &task->listen.strategy);
    compile_until(compiler, json_get(to, STR("until")), pointer_append(compiler, pointer, "until"), &task->listen.strategy);
    task->listen.read = str_equal(read, STR("envelope")) ? READ_ENVELOPE : str_equal(read, STR("raw")) ? READ_RAW : READ_DATA;
    task->listen.has_foreach = !json_is_absent(foreach);
    if (!task->listen.has_foreach) return;
    pointer = pointer_append(compiler, task->pointer, "foreach");
    task->listen.item = compile_variable_name(json_get(foreach, STR("item")), STR("item"));
    task->listen.at = compile_variable_name(json_get(foreach, STR("at")), STR("index"));
    if (compiler->variable_count + 2 <= VARIABLES_MAX) {
        compiler->variables[compiler->variable_count++] = task->listen.item;
        compiler->variables[compiler->variable_count++] = task->listen.at;
    }
    compile_list(compiler, json_get(foreach, STR("do")), pointer_append(compiler, pointer, "do"), task, &task->list);
    task->listen.foreach_output = compile_data(compiler, json_get(foreach, STR("output")), "as", pointer_append(compiler, pointer, "output"));
    task->listen.foreach_export = compile_data(compiler, json_get(foreach, STR("export")), "as", pointer_append(compiler, pointer, "export"));
    compiler->variable_count = outer;
}

#include "core/definition.h"

#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "common/limits.h"
#include "core/definition_internal.h"

static const struct str standard_variables[] = { STR_INIT("context"), STR_INIT("input"), STR_INIT("output"), STR_INIT("task"),
    STR_INIT("workflow"), STR_INIT("runtime"), STR_INIT("secrets"), STR_INIT("authorization") };

struct str pointer_append(struct compiler *compiler, struct str pointer, const char *key) {
    return pointer_append_str(compiler, pointer, str_from(key));
}

struct str pointer_append_str(struct compiler *compiler, struct str pointer, struct str key) {
    char *text = arena_alloc(compiler->arena, pointer.size + key.size * 2 + 1);
    size_t size = pointer.size;

    if (size) memcpy(text, pointer.data, size);
    text[size++] = '/';
    for (size_t i = 0; i < key.size; i++) {
        char c = key.data[i];
        if (c == '~' || c == '/') text[size++] = '~';
        text[size++] = c == '~' ? '0' : c == '/' ? '1' : c;
    }
    return (struct str){ text, size };
}

struct str pointer_append_index(struct compiler *compiler, struct str pointer, size_t index) {
    return str_format(compiler->arena, STR_FMT "/%zu", STR_ARG(pointer), index);
}

static struct expression_options options_of(const struct compiler *compiler) {
    return (struct expression_options){ compiler->variables, compiler->variable_count };
}

/* A secret may leave, but not be stored (language.md, E47). */
static void refuse_secrets(struct compiler *compiler, struct str pointer) {
    faults_add(compiler->faults, pointer, "$secrets would be stored here; use it in the arguments or the authentication of a call");
}

static const struct template *without_secrets(struct compiler *compiler, const struct template *template, struct str pointer) {
    struct str below;

    if (!compiler->takes_secrets && template_find_secrets(template, compiler->arena, &below)) {
        refuse_secrets(compiler, str_format(compiler->arena, STR_FMT STR_FMT, STR_ARG(pointer), STR_ARG(below)));
    }
    return template;
}

const struct expression *compile_bare(struct compiler *compiler, struct json text, struct str pointer) {
    const struct expression *expression;
    struct expression_options options = options_of(compiler);
    struct err err;

    if (json_is_null(text)) return NULL;
    if (expression_compile(template_bare(json_str(text)), &options, compiler->arena, &expression, &err)) {
        if (expression_uses(expression, STR("secrets"))) refuse_secrets(compiler, pointer);
        return expression;
    }
    faults_add(compiler->faults, pointer, "the expression is wrong: %s", err.message);
    return NULL;
}

const struct template *compile_template(struct compiler *compiler, struct json value, struct str pointer) {
    const struct template *template;
    struct expression_options options = options_of(compiler);
    struct str below;
    struct err err;

    if (json_is_absent(value)) return NULL;
    if (template_compile(value, &options, compiler->arena, &template, &below, &err)) return without_secrets(compiler, template, pointer);
    struct str at = str_format(compiler->arena, STR_FMT STR_FMT, STR_ARG(pointer), STR_ARG(below));
    faults_add(compiler->faults, at, "the expression is wrong: %s", err.message);
    return NULL;
}

const struct template *compile_rule(struct compiler *compiler, struct json value, struct str pointer) {
    const struct template *template;
    struct expression_options options = options_of(compiler);
    struct err err;

    if (json_type(value) != JSON_STRING) return compile_template(compiler, value, pointer);
    if (template_compile_bare(json_str(value), &options, compiler->arena, &template, &err)) {
        return without_secrets(compiler, template, pointer);
    }
    faults_add(compiler->faults, pointer, "the expression is wrong: %s", err.message);
    return NULL;
}

const struct schema *compile_schema(struct compiler *compiler, struct json schema, struct str pointer) {
    const struct schema *compiled;
    struct json document = json_get(schema, STR("document"));
    struct str format = json_str_or(json_get(schema, STR("format")), STR("json"));
    struct str kind = str_cut(&format, ':');

    if (json_is_absent(schema)) return NULL;
    if (!str_equal(kind, STR("json"))) {
        faults_add(compiler->faults, pointer_append(compiler, pointer, "format"),
                "the schema format '" STR_FMT "' is not known; write 'json'", STR_ARG(kind));
        return NULL;
    }
    if (json_is_absent(document)) {
        faults_add(compiler->faults, pointer_append(compiler, pointer, "resource"),
                "external schemas cannot be fetched by this build; write the schema inline under 'document'");
        return NULL;
    }
    struct faults own;
    struct schema_options options = { .assert_formats = true,
        .draft_07 = str_equal(format, STR("draft-07")) || str_equal(format, STR("7")) };
    faults_init(&own, compiler->arena);
    if (schema_compile(document, &options, compiler->arena, &compiled, &own)) return compiled;
    for (size_t i = 0; i < own.count; i++) {
        struct str at = str_format(compiler->arena, STR_FMT "/document" STR_FMT, STR_ARG(pointer),
                STR_ARG(own.items[i].pointer));
        faults_add(compiler->faults, at, STR_FMT, STR_ARG(own.items[i].detail));
    }
    return NULL;
}

struct data_rule compile_data(struct compiler *compiler, struct json rule, const char *property, struct str pointer) {
    struct data_rule data = { NULL, NULL };

    if (json_is_absent(rule)) return data;
    struct json as = json_get(rule, str_from(property));
    if (!json_is_absent(as)) data.as = compile_rule(compiler, as, pointer_append(compiler, pointer, property));
    data.schema = compile_schema(compiler, json_get(rule, STR("schema")), pointer_append(compiler, pointer, "schema"));
    return data;
}

static struct duration duration_of_object(struct json object) {
    static const struct {
        struct str name;
        int64_t ms;
    } units[] = { { STR_INIT("days"), 86400000 }, { STR_INIT("hours"), 3600000 }, { STR_INIT("minutes"), 60000 },
        { STR_INIT("seconds"), 1000 }, { STR_INIT("milliseconds"), 1 } };
    double ms = 0;

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        ms += json_double(json_get(object, units[i].name)) * (double)units[i].ms;
    }
    return (struct duration){ .ms = ms < 9e15 ? (int64_t)ms : (int64_t)9e15 };
}

bool duration_of_value(struct json value, struct duration *ret) {
    if (json_type(value) == JSON_OBJECT) {
        *ret = duration_of_object(value);
        return true;
    }
    return json_type(value) == JSON_STRING && duration_parse(json_str(value), ret);
}

struct span compile_span(struct compiler *compiler, struct json value, struct str pointer) {
    struct span span = { .is_set = true };
    struct json literal;

    if (json_is_absent(value)) return (struct span){ .is_set = false };
    const struct template *template = compile_template(compiler, value, pointer);
    if (!template) return span;
    if (!template_literal(template, &literal)) {
        span.template = template;
        return span;
    }
    if (!duration_of_value(literal, &span.constant)) {
        faults_add(compiler->faults, pointer, "this is no duration; write ISO 8601 as in 'PT30S', or an object such as { seconds: 30 }");
    }
    return span;
}

struct json compile_reference(struct compiler *compiler, const char *kind, struct str name, struct str pointer) {
    struct json all = json_get(json_get(compiler->definition->document, STR("use")), str_from(kind));
    struct json found = json_get(all, name);
    struct str names[64];
    size_t count = MIN(json_size(all), ARRAY_SIZE(names));

    if (!json_is_absent(found)) return found;
    for (size_t i = 0; i < count; i++) names[i] = json_member_at(all, i)->key;
    struct str near = intake_nearest(name, names, count);
    if (near.size) {
        faults_add(compiler->faults, pointer, "there is no '" STR_FMT "' in use.%s; did you mean '" STR_FMT "'?",
                STR_ARG(name), kind, STR_ARG(near));
    } else {
        faults_add(compiler->faults, pointer, "there is no '" STR_FMT "' in use.%s", STR_ARG(name), kind);
    }
    return (struct json){ .type = JSON_ABSENT };
}

/* A timeout: { after: … } or a name of use.timeouts. */
static struct span compile_timeout(struct compiler *compiler, struct json timeout, struct str pointer) {
    if (json_type(timeout) == JSON_STRING) {
        struct str name = json_str(timeout);
        timeout = compile_reference(compiler, "timeouts", name, pointer);
        pointer = pointer_append_str(compiler, STR("/use/timeouts"), name);
    }
    return compile_span(compiler, json_get(timeout, STR("after")), pointer_append(compiler, pointer, "after"));
}

struct directive compile_directive(struct compiler *compiler, struct json then, const struct task *task, struct str pointer) {
    struct str name = json_str(then);
    struct str names[64];
    /* Branches stand side by side, none behind another (language.md, E31). */
    bool is_branch = task->parent && task->parent->kind == TASK_FORK;
    uint32_t count = task->siblings && !is_branch ? task->siblings->count : 0;

    if (name.size == 0 || str_equal(name, STR("continue"))) return (struct directive){ DIRECTIVE_CONTINUE, 0 };
    if (str_equal(name, STR("exit"))) return (struct directive){ DIRECTIVE_EXIT, 0 };
    if (str_equal(name, STR("end"))) return (struct directive){ DIRECTIVE_END, 0 };
    for (uint32_t i = 0; i < count; i++) {
        if (str_equal(task->siblings->items[i]->name, name)) return (struct directive){ DIRECTIVE_TASK, i };
    }
    for (uint32_t i = 0; i < MIN(count, (uint32_t)ARRAY_SIZE(names)); i++) names[i] = task->siblings->items[i]->name;
    struct str near = intake_nearest(name, names, MIN((size_t)count, ARRAY_SIZE(names)));
    struct str hint = near.size ? str_format(compiler->arena, "; did you mean '" STR_FMT "'?", STR_ARG(near)) : STR("");
    faults_add(compiler->faults, pointer,
            "'then' names '" STR_FMT "', which is no task of the same list (nor continue, exit or end)" STR_FMT,
            STR_ARG(name), STR_ARG(hint));
    return (struct directive){ DIRECTIVE_CONTINUE, 0 };
}

struct task *compile_task(struct compiler *compiler, struct str name, struct json source, struct str pointer,
        const struct task *parent) {
    struct definition *definition = compiler->definition;
    struct task *task = arena_new_one(compiler->arena, struct task);

    task->index = definition->task_count;
    task->name = name;
    task->pointer = pointer;
    task->source = source;
    task->parent = parent;
    if (definition->task_count == definition->task_capacity) {
        uint32_t capacity = MAX(definition->task_capacity * 2, 64u);
        struct task **tasks = arena_new_many(compiler->arena, struct task *, capacity);
        if (definition->task_count) memcpy(tasks, definition->tasks, definition->task_count * sizeof(*tasks));
        definition->tasks = tasks;
        definition->task_capacity = capacity;
    }
    definition->tasks[definition->task_count++] = task;
    return task;
}

static void compile_common(struct compiler *compiler, struct task *task) {
    struct json source = task->source;
    struct str pointer = task->pointer;

    task->condition = compile_bare(compiler, json_get(source, STR("if")), pointer_append(compiler, pointer, "if"));
    task->input = compile_data(compiler, json_get(source, STR("input")), "from", pointer_append(compiler, pointer, "input"));
    task->output = compile_data(compiler, json_get(source, STR("output")), "as", pointer_append(compiler, pointer, "output"));
    task->export = compile_data(compiler, json_get(source, STR("export")), "as", pointer_append(compiler, pointer, "export"));
    task->timeout = compile_timeout(compiler, json_get(source, STR("timeout")), pointer_append(compiler, pointer, "timeout"));
    task->then = compile_directive(compiler, json_get(source, STR("then")), task, pointer_append(compiler, pointer, "then"));
}

/* Two passes: all names first, so that `then` may point forward. */
void compile_list(struct compiler *compiler, struct json list, struct str pointer, struct task *parent,
        struct task_list *ret) {
    uint32_t count = (uint32_t)json_size(list);
    struct task **tasks = arena_new_many(compiler->arena, struct task *, count);
    const struct task **items = arena_new_many(compiler->arena, const struct task *, count);

    for (uint32_t i = 0; i < count; i++) {
        const struct json_member *member = json_member_at(json_at(list, i), 0);
        assert(member);
        struct str at = pointer_append_str(compiler, pointer_append_index(compiler, pointer, i), member->key);
        items[i] = tasks[i] = compile_task(compiler, member->key, member->value, at, parent);
        tasks[i]->position = i;
        tasks[i]->siblings = ret;
    }
    *ret = (struct task_list){ items, count };
    for (uint32_t i = 0; i < count; i++) {
        compile_common(compiler, tasks[i]);
        compile_kind(compiler, tasks[i]);
    }
}

const struct task *compile_single(struct compiler *compiler, struct str name, struct json source, struct str pointer) {
    struct task *task = compile_task(compiler, name, source, pointer, NULL);

    compile_common(compiler, task);
    compile_kind(compiler, task);
    return task;
}

/* The workflow is a `do` without a name of its own. */
static void compile_root(struct compiler *compiler) {
    struct definition *definition = compiler->definition;
    struct json document = definition->document;
    struct task *root = compile_task(compiler, definition->name, document, STR(""), NULL);

    definition->root = root;
    root->kind = TASK_DO;
    root->input = compile_data(compiler, json_get(document, STR("input")), "from", STR("/input"));
    root->output = compile_data(compiler, json_get(document, STR("output")), "as", STR("/output"));
    root->timeout = compile_timeout(compiler, json_get(document, STR("timeout")), STR("/timeout"));
    compile_list(compiler, json_get(document, STR("do")), STR("/do"), root, &root->list);
}

static void refuse_unsupported(struct compiler *compiler) {
    struct json document = compiler->definition->document;
    struct json use = json_get(document, STR("use"));
    struct str language = json_str(json_get(json_get(document, STR("evaluate")), STR("language")));

    if (language.size && !str_equal(language, STR("jq"))) {
        faults_add(compiler->faults, STR("/evaluate/language"), "the expression language '" STR_FMT "' is not available; write 'jq'",
                STR_ARG(language));
    }
    if (str_equal(json_str(json_get(json_get(document, STR("evaluate")), STR("mode"))), STR("loose"))) {
        faults_add(compiler->faults, STR("/evaluate/mode"), "loose evaluation is not available in this build; write 'strict'");
    }
    if (json_size(json_get(use, STR("extensions")))) {
        faults_add(compiler->faults, STR("/use/extensions"), "extensions are not available in this build");
    }
    if (!json_is_absent(json_get(document, STR("schedule")))) {
        faults_add(compiler->faults, STR("/schedule"), "schedules are not available in this build; start instances by REST");
    }
}

static bool compile_document(struct json document, struct arena *arena, struct definition **ret, struct faults *faults) {
    struct definition *definition = arena_new_one(arena, struct definition);
    struct compiler compiler = { .definition = definition, .arena = arena, .faults = faults };
    struct json about = json_get(document, STR("document"));
    size_t before = faults->count;

    definition->arena = arena;
    definition->document = document;
    definition->namespace_ = json_str(json_get(about, STR("namespace")));
    definition->name = json_str(json_get(about, STR("name")));
    definition->version = json_str(json_get(about, STR("version")));
    definition->event_types = json_array(arena, 0);
    for (size_t i = 0; i < ARRAY_SIZE(standard_variables); i++) compiler.variables[i] = standard_variables[i];
    compiler.variable_count = ARRAY_SIZE(standard_variables);
    struct json functions = json_get(json_get(document, STR("use")), STR("functions"));
    compiler.functions = arena_new_many(arena, const struct task *, json_size(functions));
    compiler.functions_open = json_object(arena, 0);
    refuse_unsupported(&compiler);
    compile_root(&compiler);
    *ret = definition;
    return faults->count == before;
}

MUST_USE bool definition_compile(struct json document, struct arena *arena, const struct definition **ret,
        struct faults *faults) {
    struct definition *definition;
    bool ok = compile_document(document, arena, &definition, faults);

    *ret = definition;
    return ok;
}

MUST_USE bool definition_load(struct str text, enum intake_format format, const struct definition **ret,
        struct faults *faults, struct err *err) {
    struct arena *arena = arena_new();
    char hash[SHA256_HEX_SIZE];
    struct definition *definition;
    struct json document;

    struct str kept = str_copy(text, arena);
    if (!intake_read(kept, format, arena, &document, err)) {
        arena_free(arena);
        return false;
    }
    if (intake_check(document, faults) && compile_document(document, arena, &definition, faults)) {
        definition->hash = str_copy(sha256_hex(text, hash), arena);
        *ret = definition;
        return true;
    }
    intake_locate(kept, format, faults);
    arena_free(arena);
    return err_set(err, ERR_INVALID, "the definition has %zu fault%s", faults->count, faults->count == 1 ? "" : "s");
}

void definition_free(const struct definition *definition) {
    if (definition) arena_free(definition->arena);
}

struct str definition_namespace(const struct definition *definition) {
    return definition->namespace_;
}

struct str definition_name(const struct definition *definition) {
    return definition->name;
}

struct str definition_version(const struct definition *definition) {
    return definition->version;
}

struct str definition_hash(const struct definition *definition) {
    return definition->hash;
}

struct json definition_document(const struct definition *definition) {
    return definition->document;
}

const struct task *definition_root(const struct definition *definition) {
    return definition->root;
}

const struct task *definition_task(const struct definition *definition, uint32_t index) {
    return index < definition->task_count ? definition->tasks[index] : NULL;
}

uint32_t definition_task_count(const struct definition *definition) {
    return definition->task_count;
}

struct json definition_event_types(const struct definition *definition) {
    return definition->event_types;
}

static bool is_numeric(struct str part) {
    for (size_t i = 0; i < part.size; i++) {
        if (part.data[i] < '0' || part.data[i] > '9') return false;
    }
    return part.size > 0;
}

static int compare_numeric(struct str a, struct str b) {
    while (a.size > 1 && a.data[0] == '0') a = str_slice(a, 1, a.size);
    while (b.size > 1 && b.data[0] == '0') b = str_slice(b, 1, b.size);
    if (a.size != b.size) return a.size < b.size ? -1 : 1;
    return str_compare(a, b);
}

/* Identifiers between dots: numeric ones by value and before others; a longer list wins. */
static int compare_identifiers(struct str a, struct str b) {
    while (a.size || b.size) {
        if (!a.size || !b.size) return a.size ? 1 : -1;
        struct str x = str_cut(&a, '.'), y = str_cut(&b, '.');
        bool x_numeric = is_numeric(x), y_numeric = is_numeric(y);
        int order = x_numeric && y_numeric ? compare_numeric(x, y)
                : x_numeric != y_numeric   ? (x_numeric ? -1 : 1)
                                           : str_compare(x, y);
        if (order) return order < 0 ? -1 : 1;
    }
    return 0;
}

int definition_version_compare(struct str a, struct str b) {
    a = str_cut(&a, '+');
    b = str_cut(&b, '+');
    struct str a_rest = a, b_rest = b;
    struct str a_core = str_cut(&a_rest, '-'), b_core = str_cut(&b_rest, '-');
    int order = compare_identifiers(a_core, b_core);

    if (order) return order;
    if (!a_rest.size || !b_rest.size) return a_rest.size ? -1 : b_rest.size ? 1 : 0;
    return compare_identifiers(a_rest, b_rest);
}

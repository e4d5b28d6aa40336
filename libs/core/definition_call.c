/* Compiles calls: HTTP, connections, functions of use.functions. */

#include "common/arena.h"
#include "core/definition_internal.h"

/* `with` but for what is compiled apart. */
static struct json without(struct json with, const char *const *keys, size_t count, struct arena *arena) {
    for (size_t i = 0; i < count; i++) with = json_remove(with, str_from(keys[i]), arena);
    return with;
}

static struct json resolve_policy(struct compiler *compiler, struct json policy, struct str *pointer) {
    struct str name = json_str(json_get(policy, STR("use")));

    if (json_is_absent(json_get(policy, STR("use")))) return policy;
    policy = compile_reference(compiler, "authentications", name, pointer_append(compiler, *pointer, "use"));
    *pointer = pointer_append_str(compiler, STR("/use/authentications"), name);
    return policy;
}

static void check_secret_names(struct compiler *compiler, struct json policy, struct str pointer) {
    for (size_t i = 0; i < json_size(policy); i++) {
        const struct json_member *scheme = json_member_at(policy, i);
        struct json name = json_get(scheme->value, STR("use"));
        struct json declared = json_get(json_get(compiler->definition->document, STR("use")), STR("secrets"));
        bool found = json_is_absent(name);
        for (size_t s = 0; s < json_size(declared); s++) found |= json_equal(json_at(declared, s), name);
        if (!found) {
            faults_add(compiler->faults, pointer_append_str(compiler, pointer, scheme->key),
                    "the secret '" STR_FMT "' is not listed in use.secrets", STR_ARG(json_str(name)));
        }
    }
}

static void compile_authentication(struct compiler *compiler, struct task *task, struct json policy, struct str pointer) {
    static const struct str available[] = { STR_INIT("basic"), STR_INIT("bearer"), STR_INIT("digest") };

    if (json_is_absent(policy)) return;
    policy = resolve_policy(compiler, policy, &pointer);
    const struct json_member *scheme = json_member_at(policy, 0);
    if (!scheme) return;
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(available); i++) known |= str_equal(scheme->key, available[i]);
    if (!known) {
        faults_add(compiler->faults, pointer_append_str(compiler, pointer, scheme->key),
                "authentication by '" STR_FMT "' is not available in this build; basic, bearer and digest are", STR_ARG(scheme->key));
        return;
    }
    check_secret_names(compiler, policy, pointer);
    task->call.authentication = compile_template(compiler, policy, pointer);
}

static void compile_endpoint(struct compiler *compiler, struct task *task, struct json endpoint, struct str pointer) {
    struct str inside;

    if (json_type(endpoint) == JSON_OBJECT) {
        compile_authentication(compiler, task, json_get(endpoint, STR("authentication")),
                pointer_append(compiler, pointer, "authentication"));
        endpoint = json_get(endpoint, STR("uri"));
        pointer = pointer_append(compiler, pointer, "uri");
    }
    task->call.endpoint = compile_template(compiler, endpoint, pointer);
    task->call.endpoint_is_template = !template_is_expression(json_str(endpoint), &inside);
}

static void compile_http(struct compiler *compiler, struct task *task) {
    static const char *const apart[] = { "endpoint" };
    struct json with = json_get(task->source, STR("with"));
    struct str pointer = pointer_append(compiler, task->pointer, "with");

    task->call.what = STR("http");
    compile_endpoint(compiler, task, json_get(with, STR("endpoint")), pointer_append(compiler, pointer, "endpoint"));
    task->call.with = compile_template(compiler, without(with, apart, ARRAY_SIZE(apart), compiler->arena), pointer);
}

/* connection:1.0.0@default of the built-in catalog: a call through a named connection. */
static void compile_connection(struct compiler *compiler, struct task *task) {
    static const struct str known[] = { STR_INIT("connection"), STR_INIT("method"), STR_INIT("path"), STR_INIT("query"), STR_INIT("headers"),
        STR_INIT("body"), STR_INIT("output"), STR_INIT("redirect") };
    struct json with = json_get(task->source, STR("with"));
    struct str pointer = pointer_append(compiler, task->pointer, "with");

    task->call.what = STR("connection");
    for (size_t i = 0; i < json_size(with); i++) {
        struct str key = json_member_at(with, i)->key;
        bool found = false;
        for (size_t k = 0; k < ARRAY_SIZE(known); k++) found |= str_equal(key, known[k]);
        if (!found) {
            faults_add(compiler->faults, pointer_append_str(compiler, pointer, key),
                    "a connection has no argument '" STR_FMT "'; it takes connection, method, path, query, headers, body, output and redirect",
                    STR_ARG(key));
        }
    }
    static const char *const required[] = { "connection", "method" };
    for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
        if (!json_is_absent(json_get(with, str_from(required[i])))) continue;
        faults_add(compiler->faults, pointer, "'%s' is missing", required[i]);
    }
    task->call.with = compile_template(compiler, with, pointer);
}

static const struct task *compile_body(struct compiler *compiler, struct str name, struct json source, size_t position) {
    struct str pointer = pointer_append_str(compiler, STR("/use/functions"), name);

    if (compiler->functions[position]) return compiler->functions[position];
    /* Functions see none of the caller's variables. */
    size_t outer = compiler->variable_count;
    compiler->variable_count = 8;
    compiler->functions_open = json_set(compiler->functions_open, name, json_bool(true), compiler->arena);
    compiler->functions[position] = compile_single(compiler, name, source, pointer);
    compiler->functions_open = json_remove(compiler->functions_open, name, compiler->arena);
    compiler->variable_count = outer;
    return compiler->functions[position];
}

static void compile_function(struct compiler *compiler, struct task *task, struct str name) {
    struct str pointer = pointer_append(compiler, task->pointer, "call");
    struct json functions = json_get(json_get(compiler->definition->document, STR("use")), STR("functions"));

    task->kind = TASK_FUNCTION;
    task->function.with = compile_template(compiler, json_get(task->source, STR("with")), pointer_append(compiler, task->pointer, "with"));
    struct json source = compile_reference(compiler, "functions", name, pointer);
    if (json_is_absent(source)) return;
    if (json_has(compiler->functions_open, name)) {
        faults_add(compiler->faults, pointer, "the function '" STR_FMT "' calls itself; functions may not be cyclic", STR_ARG(name));
        return;
    }
    for (size_t i = 0; i < json_size(functions); i++) {
        if (!str_equal(json_member_at(functions, i)->key, name)) continue;
        task->function.function = compile_body(compiler, name, source, i);
    }
}

void compile_call(struct compiler *compiler, struct task *task) {
    static const struct str protocols[] = { STR_INIT("openapi"), STR_INIT("grpc"), STR_INIT("asyncapi"), STR_INIT("a2a"), STR_INIT("mcp") };
    struct str what = json_str(json_get(task->source, STR("call")));
    struct str pointer = pointer_append(compiler, task->pointer, "call");

    bool is_http = str_equal(what, STR("http"));
    if (is_http || str_equal(what, STR("connection:1.0.0@default"))) {
        compiler->takes_secrets = true;
        if (is_http) {
            compile_http(compiler, task);
        } else {
            compile_connection(compiler, task);
        }
        compiler->takes_secrets = false;
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (!str_equal(what, protocols[i])) continue;
        faults_add(compiler->faults, pointer, "calls of '" STR_FMT "' are not available in this build", STR_ARG(what));
        return;
    }
    if (str_find_char(what, '@') < what.size || str_find(what, STR("://")) < what.size) {
        faults_add(compiler->faults, pointer, "the catalog function '" STR_FMT "' is not available; the built-in catalog has connection:1.0.0@default",
                STR_ARG(what));
        return;
    }
    compile_function(compiler, task, what);
}

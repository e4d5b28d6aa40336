#include "calls/task.h"

#include "calls/programs.h"
#include "calls/secrets.h"
#include "common/arena.h"
#include "core/error.h"

bool task_call_read(struct json body, struct task_call *ret, struct err *err) {
    *ret = (struct task_call){
        .instance = json_str(json_get(body, STR("instance"))),
        .namespace = json_str(json_get(body, STR("namespace"))),
        .command = json_str(json_get(body, STR("command"))),
        .key = json_str(json_get(body, STR("key"))),
        .what = json_str(json_get(body, STR("what"))),
        .deadline_ms = json_int64_or(json_get(body, STR("deadlineAt")), 0),
        .call = json_get(body, STR("call")),
        .deferred = json_get(body, STR("deferred")),
        .scope = json_get(body, STR("scope")),
    };
    if (!ret->instance.size || !ret->command.size) return err_set(err, ERR_MALFORMED, "the task names no instance and command");
    if (json_type(ret->call) != JSON_OBJECT) return err_set(err, ERR_MALFORMED, "the task has no call");
    return true;
}

struct resolution {
    struct preparation *preparation;
    const struct task_call *task;
    const struct secrets *secrets;
    struct programs *programs;
    struct arena *arena;
    struct str text; /* of the expression that is evaluated */
    enum prepared verdict;
};

/* ---- secrets ---- */

static enum prepared refuse(struct resolution *resolution, enum error_kind kind, struct str detail) {
    resolution->preparation->error = error_make(kind, detail, resolution->arena);
    resolution->verdict = PREPARED_ERROR;
    return PREPARED_ERROR;
}

/* dsl.md, Secret: what is not there, or not to be had, is an authorization error with status 403. */
static enum prepared read_secret(struct resolution *resolution, struct str name, bool is_optional, struct json *ret) {
    struct err err;

    *ret = (struct json){ .type = JSON_ABSENT };
    if (secrets_get(resolution->secrets, resolution->task->namespace, name, resolution->arena, ret, &err)) {
        if (redact_add(resolution->preparation->redact, *ret, resolution->arena)) return PREPARED;
        struct str detail = str_format(resolution->arena, "the call uses more than %d secrets", REDACT_SECRETS_MAX);
        return refuse(resolution, ERROR_CONFIGURATION, detail);
    }
    if (is_optional && err.code == ERR_NOT_FOUND) return PREPARED;
    if (!err_is_retryable(err.code)) return refuse(resolution, ERROR_AUTHORIZATION, str_copy(str_from(err.message), resolution->arena));
    resolution->preparation->err = err;
    resolution->verdict = PREPARED_LATER;
    return PREPARED_LATER;
}

/* The secrets that the definition lists. One that is missing is an error only if the expression may mean it. */
static bool read_listed(struct resolution *resolution, struct json *ret) {
    struct json definition = json_pointer_get(resolution->task->scope, STR("/variables/workflow/definition"));
    struct json names = json_pointer_get(definition, STR("/use/secrets"));
    struct json known = json_object(resolution->arena, json_size(names));

    for (size_t i = 0; i < json_size(names); i++) {
        struct str name = json_str(json_at(names, i));
        struct json value;
        bool is_meant = str_find(resolution->text, name) < resolution->text.size;
        if (read_secret(resolution, name, !is_meant, &value) != PREPARED) return false;
        known = json_set(known, name, value, resolution->arena);
    }
    *ret = known;
    return true;
}

static bool variable(void *user, struct str name, struct arena *arena, struct json *ret) {
    struct resolution *resolution = user;

    (void)arena;
    if (str_equal(name, STR("secrets"))) {
        return read_listed(resolution, ret);
    }
    struct json value = json_get(json_get(resolution->task->scope, STR("variables")), name);
    if (json_is_absent(value)) return false;
    *ret = value;
    return true;
}

/* ---- places ---- */

/* The key of a pointer's next step, unescaped; *rest is what follows. */
static struct str next_step(struct str *rest, struct arena *arena) {
    struct str text = str_slice(*rest, 1, rest->size);
    size_t end = str_find_char(text, '/');
    char *key = arena_alloc(arena, end);
    size_t size = 0;

    *rest = str_slice(text, end, text.size);
    for (size_t i = 0; i < end; i++) {
        bool escaped = text.data[i] == '~' && i + 1 < end;
        if (escaped) i++;
        key[size++] = (char)(!escaped ? text.data[i] : text.data[i] == '1' ? '/' : '~');
    }
    return (struct str){ key, size };
}

/* `value` with `item` at the place that `pointer` names; places that are not there are left out. */
static struct json put_at(struct json value, struct str pointer, struct json item, struct arena *arena) {
    if (!pointer.size) return item;
    struct str key = next_step(&pointer, arena);
    if (json_type(value) == JSON_OBJECT) {
        return json_set(value, key, put_at(json_get(value, key), pointer, item, arena), arena);
    }
    int64_t index;
    if (json_type(value) != JSON_ARRAY || !str_to_int64(key, &index)) return value;
    struct json items = json_array(arena, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        struct json old = json_at(value, i);
        items = json_append(items, (int64_t)i == index ? put_at(old, pointer, item, arena) : old, arena);
    }
    return items;
}

/* What an evaluator says of its values may hold a part of a secret, so its words are not passed on. */
static enum prepared expression_failed(struct resolution *resolution, struct str pointer, const struct err *err) {
    const char *why = err->code == ERR_TOO_LARGE ? "took too much time or memory" : "failed";

    return refuse(resolution, ERROR_EXPRESSION,
            str_format(resolution->arena, "the expression at '" STR_FMT "', which uses $secrets, %s", STR_ARG(pointer), why));
}

static enum prepared evaluate(struct resolution *resolution, struct json row, struct json *ret) {
    struct json scope = resolution->task->scope, input = json_pointer_get(scope, STR("/variables/input"));
    struct expression_env env = { variable, resolution, json_int64_or(json_get(scope, STR("now")), 0) };
    struct str pointer = json_str(json_get(row, STR("pointer")));
    const struct expression *expression;
    struct err err;

    resolution->text = json_str(json_get(row, STR("text")));
    if (!programs_get(resolution->programs, resolution->text, &expression, &err)) {
        return refuse(resolution, ERROR_EXPRESSION, str_copy(str_from(err.message), resolution->arena));
    }
    bool ok = expression_eval(expression, json_is_absent(input) ? json_null() : input, &env, resolution->arena, ret, &err);
    if (resolution->verdict != PREPARED) return resolution->verdict;
    return ok ? PREPARED : expression_failed(resolution, pointer, &err);
}

/* Notes what of the request may not be shown, because it was made of a secret. */
static void note_place(struct task_resolved *resolved, struct str pointer, bool *all_headers, struct arena *arena) {
    static const struct str headers = STR_INIT("/with/headers");

    if (str_equal(pointer, STR("/uri")) || str_equal(pointer, STR("/with/path"))) resolved->uri_is_secret = true;
    if (str_starts_with(pointer, STR("/with/query"))) resolved->query_is_secret = true;
    if (str_equal(pointer, STR("/with"))) resolved->uri_is_secret = resolved->query_is_secret = *all_headers = true;
    if (str_equal(pointer, headers)) *all_headers = true;
    if (!str_starts_with(pointer, headers) || pointer.size <= headers.size + 1) return;
    struct str rest = str_slice(pointer, headers.size, pointer.size);
    resolved->hidden_headers = json_set(resolved->hidden_headers, next_step(&rest, arena), json_bool(true), arena);
}

/* ---- authentication ---- */

/* { basic: { use: NAME } } → { basic: the value of the secret }; a bearer's secret may be the token alone. */
static enum prepared resolve_policy(struct resolution *resolution, struct json *authentication) {
    const struct json_member *scheme = json_member_at(*authentication, 0);
    struct arena *arena = resolution->arena;
    struct json value;

    if (!scheme) return PREPARED;
    struct str name = json_str(json_get(scheme->value, STR("use")));
    if (!name.size) return PREPARED;
    enum prepared verdict = read_secret(resolution, name, false, &value);
    if (verdict != PREPARED) return verdict;
    if (json_type(value) == JSON_STRING && str_equal(scheme->key, STR("bearer"))) {
        value = json_set(json_object(arena, 1), STR("token"), value, arena);
    }
    *authentication = json_set(json_object(arena, 1), scheme->key, value, arena);
    return PREPARED;
}

static enum prepared resolve(struct resolution *resolution, struct task_resolved *ret) {
    struct json call = resolution->task->call, deferred = resolution->task->deferred;
    struct arena *arena = resolution->arena;
    bool all_headers = false;

    *ret = (struct task_resolved){ .hidden_headers = json_object(arena, 0) };
    for (size_t i = 0; i < json_size(deferred); i++) {
        struct json row = json_at(deferred, i), value;
        struct str pointer = json_str(json_get(row, STR("pointer")));
        enum prepared verdict = evaluate(resolution, row, &value);
        if (verdict != PREPARED) return verdict;
        call = put_at(call, pointer, value, arena);
        note_place(ret, pointer, &all_headers, arena);
    }
    ret->with = json_get(call, STR("with"));
    ret->uri = json_str(json_get(call, STR("uri")));
    ret->authentication = json_get(call, STR("authentication"));
    if (all_headers) ret->hidden_headers = json_get(ret->with, STR("headers"));
    return resolve_policy(resolution, &ret->authentication);
}

static struct resolution begin(struct preparation *preparation, const struct secrets *secrets, struct programs *programs) {
    return (struct resolution){
        .preparation = preparation,
        .task = preparation->task,
        .secrets = secrets,
        .programs = programs,
        .arena = preparation->arena,
        .verdict = PREPARED,
    };
}

enum prepared task_resolve(struct preparation *preparation, const struct secrets *secrets, struct programs *programs,
        struct task_resolved *ret) {
    struct resolution resolution = begin(preparation, secrets, programs);

    return resolve(&resolution, ret);
}

enum prepared task_resolve_authentication(struct preparation *preparation, const struct secrets *secrets, struct json *authentication) {
    struct resolution resolution = begin(preparation, secrets, NULL);

    return resolve_policy(&resolution, authentication);
}

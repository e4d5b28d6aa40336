#include "calls/prepare.h"

#include "calls/connection.h"
#include "calls/http_body.h"
#include "common/arena.h"
#include "core/error.h"

static struct http_arguments arguments_of(const struct task_call *task, const struct task_resolved *resolved) {
    struct json with = resolved->with;

    return (struct http_arguments){
        .method = json_str(json_get(with, STR("method"))),
        .uri = resolved->uri,
        .query = json_get(with, STR("query")),
        .headers = json_get(with, STR("headers")),
        .hidden_headers = resolved->hidden_headers,
        .body = json_get(with, STR("body")),
        .output = json_get(with, STR("output")),
        .redirect = json_get(with, STR("redirect")),
        .authentication = resolved->authentication,
        .key = task->key,
        .uri_is_secret = resolved->uri_is_secret,
        .query_is_secret = resolved->query_is_secret,
    };
}

static enum prepared build(struct preparation *preparation, const struct http_arguments *arguments) {
    bool ok = http_call_build(arguments, preparation->redact, preparation->arena, preparation->call, &preparation->error);

    return ok ? PREPARED : PREPARED_ERROR;
}

enum prepared prepare_http(const struct preparer *preparer, struct preparation *preparation) {
    struct task_resolved resolved;
    enum prepared verdict = task_resolve(preparation, preparer->secrets, preparer->programs, &resolved);

    if (verdict != PREPARED) return verdict;
    struct http_arguments arguments = arguments_of(preparation->task, &resolved);
    return build(preparation, &arguments);
}

/* The task's headers over the connection's, whatever the case of their names. */
static struct json merge_headers(struct json own, struct json given, struct arena *arena) {
    struct json merged = json_object(arena, json_size(own) + json_size(given));

    for (size_t i = 0; i < json_size(own); i++) {
        const struct json_member *member = json_member_at(own, i);
        bool replaced = false;
        for (size_t k = 0; k < json_size(given); k++) replaced |= str_equal_nocase(json_member_at(given, k)->key, member->key);
        if (!replaced) merged = json_set(merged, member->key, member->value, arena);
    }
    return json_merge(merged, given, arena);
}

static enum prepared refuse(struct preparation *preparation, struct str name, const char *reason) {
    struct str detail = str_format(preparation->arena, "the connection '" STR_FMT "': %s", STR_ARG(name), reason);

    preparation->error = error_make(ERROR_CONFIGURATION, detail, preparation->arena);
    return PREPARED_ERROR;
}

static enum prepared build_connection(struct preparation *preparation, struct task_resolved *resolved,
        const struct connection *connection) {
    struct str name = json_str(json_get(resolved->with, STR("connection"))), path;
    struct arena *arena = preparation->arena;
    struct err err;

    if (!http_text_of(json_get(resolved->with, STR("path")), arena, &path)) return refuse(preparation, name, "'path' is no text");
    if (!connection_join(connection->base_url, path, arena, &resolved->uri, &err)) return refuse(preparation, name, err.message);
    struct http_arguments arguments = arguments_of(preparation->task, resolved);
    arguments.hidden_headers = json_merge(resolved->hidden_headers, connection->hidden_headers, arena);
    arguments.authentication = connection->authentication;
    bool mergeable = json_type(arguments.headers) == JSON_OBJECT || json_is_null(arguments.headers);
    if (mergeable) arguments.headers = merge_headers(connection->headers, arguments.headers, arena);
    return build(preparation, &arguments);
}

enum prepared prepare_connection(const struct preparer *preparer, struct preparation *preparation) {
    struct task_resolved resolved;
    struct connection connection;
    enum prepared verdict = task_resolve(preparation, preparer->secrets, preparer->programs, &resolved);

    if (verdict != PREPARED) return verdict;
    struct str name = json_str(json_get(resolved.with, STR("connection")));
    bool is_secret = redact_text(preparation->redact, name, REDACT_OWN_SIZE_MIN, preparation->arena).data != name.data;
    if (is_secret) return refuse(preparation, STR(REDACTED), "its name is a secret");
    if (!name.size || str_find_char(name, '/') < name.size) return refuse(preparation, name, "'connection' is no name");
    verdict = connections_find(preparer->connections, preparation, name, &connection);
    return verdict == PREPARED ? build_connection(preparation, &resolved, &connection) : verdict;
}

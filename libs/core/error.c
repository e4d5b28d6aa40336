#include "core/error.h"

#include "common/arena.h"

#define TYPE_PREFIX "https://open-workflow-specification.org/spec/1.0.0/errors/"

static const struct {
    struct str type, title;
    int64_t status;
} kinds[] = {
    [ERROR_CONFIGURATION] = { STR_INIT(TYPE_PREFIX "configuration"), STR_INIT("Configuration Error"), 400 },
    [ERROR_VALIDATION] = { STR_INIT(TYPE_PREFIX "validation"), STR_INIT("Validation Error"), 400 },
    [ERROR_EXPRESSION] = { STR_INIT(TYPE_PREFIX "expression"), STR_INIT("Expression Error"), 400 },
    [ERROR_AUTHENTICATION] = { STR_INIT(TYPE_PREFIX "authentication"), STR_INIT("Authentication Error"), 401 },
    [ERROR_AUTHORIZATION] = { STR_INIT(TYPE_PREFIX "authorization"), STR_INIT("Authorization Error"), 403 },
    [ERROR_TIMEOUT] = { STR_INIT(TYPE_PREFIX "timeout"), STR_INIT("Timeout"), 408 },
    [ERROR_COMMUNICATION] = { STR_INIT(TYPE_PREFIX "communication"), STR_INIT("Communication Error"), 500 },
    [ERROR_RUNTIME] = { STR_INIT(TYPE_PREFIX "runtime"), STR_INIT("Runtime Error"), 500 },
};

struct json error_make(enum error_kind kind, struct str detail, struct arena *arena) {
    struct json error = json_object(arena, 5);

    error = json_set(error, STR("type"), json_string(kinds[kind].type), arena);
    error = json_set(error, STR("status"), json_int64(kinds[kind].status, arena), arena);
    error = json_set(error, STR("title"), json_string(kinds[kind].title), arena);
    if (detail.size) error = json_set(error, STR("detail"), json_string(detail), arena);
    return error;
}

struct json error_with_status(struct json error, int64_t status, struct str title, struct arena *arena) {
    error = json_set(error, STR("status"), json_int64(status, arena), arena);
    if (title.size) error = json_set(error, STR("title"), json_string(title), arena);
    return error;
}

/* The short name of a standard error's URI, or the whole URI. */
static struct str short_type(struct str type) {
    static const struct str hosts[] = { STR_INIT("https://open-workflow-specification.org/"),
        STR_INIT("https://serverlessworkflow.io/") };
    static const struct str paths[] = { STR_INIT("spec/1.0.0/errors/"), STR_INIT("dsl/errors/types/") };

    for (size_t h = 0; h < ARRAY_SIZE(hosts); h++) {
        if (!str_starts_with(type, hosts[h])) continue;
        struct str path = str_slice(type, hosts[h].size, type.size);
        for (size_t p = 0; p < ARRAY_SIZE(paths); p++) {
            if (str_starts_with(path, paths[p])) return str_slice(path, paths[p].size, path.size);
        }
    }
    return type;
}

bool error_type_equal(struct str a, struct str b) {
    return str_equal(short_type(a), short_type(b));
}

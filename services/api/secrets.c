/* Secrets: written, named, deleted; never read back. */

#include "calls/secrets.h"

#include "common/arena.h"
#include "services/api/api_internal.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "store/store.h"

static struct str secret_id(const struct call *call, struct arena *arena) {
    return str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(call_parameter(call, 0)), STR_ARG(call_parameter(call, 1)));
}

static struct json describe(struct str id, struct arena *arena) {
    struct str name = id, namespace = str_cut(&name, '/');
    struct json item = json_set(json_object(arena, 2), STR("namespace"), json_string(namespace), arena);

    return json_set(item, STR("name"), json_string(name), arena);
}

void secret_list(struct turn *turn, struct call *call) {
    static const char *const names[] = { "limit", "cursor", "namespace" };
    struct str values[ARRAY_SIZE(names)] = { STR_NULL, STR_NULL, STR_NULL }, next, in_path = call_parameter(call, 0);
    struct json items = json_array(turn->arena, 16);
    const struct record *records;
    struct query query = { .sort = "_id", .without_body = true };
    struct err err;
    size_t count;

    size_t known = in_path.data ? ARRAY_SIZE(names) - 1 : ARRAY_SIZE(names);
    if (!call_query(turn, call, names, known, values) || !call_limit(turn, call, values[0], &query.limit)) return;
    if (!guard_list(turn, call, in_path.data ? in_path : values[2], &query)) return;
    query.after = values[1];
    if (!store_find(turn->api->world->store, COLLECTION_SECRETS, &query, turn->arena, &records, &count, &next, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    for (size_t i = 0; i < count; i++) items = json_append(items, describe(records[i].id, turn->arena), turn->arena);
    answer_page(turn, call, items, next);
}

/* Answers and is false unless it is there and may be touched. */
static bool find(struct turn *turn, struct call *call, struct str id) {
    const struct record *record;
    struct err err;

    if (!guard_namespace(turn, call, call_parameter(call, 0))) return false;
    if (!store_get_many(turn->api->world->store, COLLECTION_SECRETS, &id, 1, turn->arena, &record, &err)) {
        answer_err(turn, call, &err);
        return false;
    }
    if (!record) answer_problem(turn, call, 404, "There is no secret '" STR_FMT "'.", STR_ARG(id));
    return record != NULL;
}

void secret_get(struct turn *turn, struct call *call) {
    struct str id = secret_id(call, turn->arena);

    if (find(turn, call, id)) answer_json(turn, call, 200, describe(id, turn->arena));
}

void secret_put(struct turn *turn, struct call *call) {
    static const char *const names[] = { "value" };
    struct str namespace = call_parameter(call, 0), name = call_parameter(call, 1);
    struct faults faults;
    struct json body;
    struct err err;

    if (!guard_namespace(turn, call, namespace) || !call_object(turn, call, names, ARRAY_SIZE(names), &body)) return;
    faults_init(&faults, turn->arena);
    if (!json_has(body, STR("value"))) faults_add(&faults, STR("/value"), "the value is missing");
    if (!is_label(namespace)) faults_add(&faults, STR(""), "a namespace has lower-case letters, digits and '-', at most 63");
    if (!is_name(name)) faults_add(&faults, STR(""), "a name has letters, digits, '-', '_' and '.', at most 63");
    if (faults.count) {
        answer_faults(turn, call, &faults, "This is no secret.");
        return;
    }
    if (secrets_put(turn->api->secrets, namespace, name, json_get(body, STR("value")), &err)) {
        answer_empty(turn, call, 204);
    } else {
        answer_err(turn, call, &err);
    }
}

void secret_delete(struct turn *turn, struct call *call) {
    struct str id = secret_id(call, turn->arena);
    struct err err;

    if (!find(turn, call, id)) return;
    if (store_delete_many(turn->api->world->store, COLLECTION_SECRETS, &id, 1, &err)) answer_empty(turn, call, 204);
    else answer_err(turn, call, &err);
}

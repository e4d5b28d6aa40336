/* Definitions: deployed, listed, read, deleted. */

#include "common/arena.h"
#include "common/hash.h"
#include "common/limits.h"
#include "core/definition.h"
#include "ledger/definitions.h"
#include "services/api/api_internal.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "store/store.h"

enum { SCAN_COUNT = 512, SCANS_MAX = 40, VERSIONS_MAX = 512, COUNTED_MAX = 100 };

static const struct str media_yaml = STR_INIT("application/yaml"), media_json = STR_INIT("application/json");

/* A definition about to be deployed. */
struct deployment {
    const struct definition *definition;
    struct str id; /* namespace/name/version */
    struct str text, content_type;
    char hash[DIGEST_SIZE];
    int64_t created_ms;
};

static struct str member(struct json object, const char *key) {
    return json_str(json_get(object, str_from(key)));
}

static struct str workflow_id(struct str namespace, struct str name, struct arena *arena) {
    return str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(name));
}

/* ---- deploy ---- */

static bool read_format(struct turn *turn, struct call *call, enum intake_format *ret) {
    static const char *const yaml[] = { "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml" };
    struct str type = request_header(call->request, "Content-Type");

    *ret = INTAKE_JSON;
    if (is_media_type(type, media_json)) return true;
    *ret = INTAKE_YAML;
    for (size_t i = 0; i < ARRAY_SIZE(yaml); i++) {
        if (is_media_type(type, str_from(yaml[i]))) return true;
    }
    answer_problem(turn, call, 415, "A definition has to be application/yaml or application/json in UTF-8, not '" STR_FMT "'.",
            STR_ARG(type));
    return false;
}

/* What a definition says of itself, or null. */
static struct json about(struct json from, const char *key) {
    struct json value = json_get(from, str_from(key));

    return json_is_absent(value) ? json_null() : value;
}

static struct json document_of(const struct definition *definition) {
    return json_get(definition_document(definition), STR("document"));
}

static struct json event_types(const struct definition *definition, struct arena *arena) {
    struct json types = definition_event_types(definition), names = json_array(arena, json_size(types));

    for (size_t i = 0; i < json_size(types); i++) {
        struct json name = json_get(json_at(types, i), STR("type"));
        bool known = false;
        for (size_t k = 0; k < json_size(names); k++) known |= json_equal(json_at(names, k), name);
        if (!known) names = json_append(names, name, arena);
    }
    return names;
}

static struct json describe(const struct deployment *deployment, struct arena *arena) {
    const struct definition *definition = deployment->definition;
    struct json document = document_of(definition), body = json_object(arena, 8);

    body = json_set(body, STR("namespace"), json_string(definition_namespace(definition)), arena);
    body = json_set(body, STR("name"), json_string(definition_name(definition)), arena);
    body = json_set(body, STR("version"), json_string(definition_version(definition)), arena);
    body = json_set(body, STR("title"), about(document, "title"), arena);
    body = json_set(body, STR("summary"), about(document, "summary"), arena);
    body = json_set(body, STR("hash"), json_string(str_from(deployment->hash)), arena);
    return json_set(body, STR("createdAt"), time_json(deployment->created_ms, arena), arena);
}

static struct record make_record(const struct deployment *deployment, struct arena *arena) {
    const struct definition *definition = deployment->definition;
    struct str namespace = definition_namespace(definition);
    struct str workflow = workflow_id(namespace, definition_name(definition), arena);
    struct json fields = json_object(arena, 4), body = json_object(arena, 8), document = document_of(definition);

    fields = json_set(fields, STR("namespace"), json_string(namespace), arena);
    fields = json_set(fields, STR("workflow"), json_string(workflow), arena);
    fields = json_set(fields, STR("createdAt"), json_int64(deployment->created_ms, arena), arena);
    fields = json_set(fields, STR("eventTypes"), event_types(definition, arena), arena);
    body = json_set(body, STR("contentType"), json_string(deployment->content_type), arena);
    body = json_set(body, STR("hash"), json_string(str_from(deployment->hash)), arena);
    body = json_set(body, STR("title"), about(document, "title"), arena);
    body = json_set(body, STR("summary"), about(document, "summary"), arena);
    body = json_set(body, STR("eventTypes"), definition_event_types(definition), arena);
    body = json_set(body, STR("text"), json_string(deployment->text), arena);
    return (struct record){ .id = deployment->id, .version = 1, .fields = fields, .body = json_to_str(body, arena) };
}

/* One that is there already: the same again, or another under the same version. */
static void answer_deployed(struct turn *turn, struct call *call, struct deployment *deployment) {
    const struct record *record;
    struct json body;
    struct err err;

    bool ok = store_get_many(turn->api->world->store, COLLECTION_WORKFLOWS, &deployment->id, 1, turn->arena, &record, &err);
    if (ok && !record) ok = err_set(&err, ERR_UNAVAILABLE, "'" STR_FMT "' is being deleted; try again", STR_ARG(deployment->id));
    if (!ok || !json_read(record->body, NULL, turn->arena, &body, NULL, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    if (!str_equal(member(body, "hash"), str_from(deployment->hash))) {
        answer_problem(turn, call, 409, "'" STR_FMT "' is deployed with other content, and a version never changes: give this one another "
                                        "version.", STR_ARG(deployment->id));
        return;
    }
    deployment->created_ms = json_int64_or(json_get(record->fields, STR("createdAt")), 0);
    call_header(call, "Location", str_format(turn->arena, "/v1/workflows/" STR_FMT, STR_ARG(deployment->id)));
    answer_json(turn, call, 200, describe(deployment, turn->arena));
}

/* A version that instances ran on never means another content: what was compiled of it is held in many places, and they are replayed
 * with it. So a version that is deleted leaves the digest of its text behind. */
static struct str grave_id(struct str definition, struct arena *arena) {
    return str_format(arena, "deleted/" STR_FMT, STR_ARG(definition));
}

/* True unless a version of this id with another content was deleted; answers 409 or 503 and is false otherwise. */
static bool check_grave(struct turn *turn, struct call *call, const struct deployment *deployment) {
    struct str id = grave_id(deployment->id, turn->arena);
    const struct record *record;
    struct err err;

    if (!store_get_many(turn->api->world->store, COLLECTION_REQUESTS, &id, 1, turn->arena, &record, &err)) {
        answer_err(turn, call, &err);
        return false;
    }
    if (!record || str_equal(record->body, str_from(deployment->hash))) return true;
    answer_problem(turn, call, 409, "Instances ran on another '" STR_FMT "', which was deleted since; a version never changes: give this one "
                                    "another version.", STR_ARG(deployment->id));
    return false;
}

static bool dig_grave(struct turn *turn, struct str definition, struct str hash, struct err *err) {
    struct record record = { .id = grave_id(definition, turn->arena), .version = 1, .fields = json_object(turn->arena, 0), .body = hash };
    enum verdict verdict;

    return store_insert_many(turn->api->world->store, COLLECTION_REQUESTS, &record, 1, &verdict, err);
}

static void deploy(struct turn *turn, struct call *call, struct deployment *deployment) {
    enum verdict verdict;
    struct err err;

    if (!check_grave(turn, call, deployment)) return;
    struct record record = make_record(deployment, turn->arena);
    if (!store_insert_many(turn->api->world->store, COLLECTION_WORKFLOWS, &record, 1, &verdict, &err)) {
        answer_err(turn, call, &err);
    } else if (verdict == VERDICT_EXISTS) {
        answer_deployed(turn, call, deployment);
    } else {
        call_header(call, "Location", str_format(turn->arena, "/v1/workflows/" STR_FMT, STR_ARG(deployment->id)));
        answer_json(turn, call, 201, describe(deployment, turn->arena));
    }
}

void workflows_deploy(struct turn *turn, struct call *call) {
    static const char *const names[] = { "dryRun" };
    struct deployment deployment = { .text = request_body(call->request) };
    enum intake_format format;
    struct faults faults;
    struct str dry_run;
    struct err err;

    if (!call_query(turn, call, names, 1, &dry_run) || !read_format(turn, call, &format)) return;
    bool dry = str_equal(dry_run, STR("true"));
    if (dry_run.data && !dry && !str_equal(dry_run, STR("false"))) {
        answer_problem(turn, call, 400, "dryRun is true or false, not '" STR_FMT "'.", STR_ARG(dry_run));
        return;
    }
    faults_init(&faults, turn->arena);
    if (!definition_load(deployment.text, format, &deployment.definition, &faults, &err)) {
        if (err.code == ERR_INVALID && faults.count) answer_faults(turn, call, &faults, err.message);
        else answer_err(turn, call, &err);
        return;
    }
    const struct definition *definition = deployment.definition;
    deployment.id = str_format(turn->arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(definition_namespace(definition)),
            STR_ARG(definition_name(definition)), STR_ARG(definition_version(definition)));
    deployment.content_type = format == INTAKE_JSON ? media_json : media_yaml;
    deployment.created_ms = clock_now_ms(&turn->api->world->clock);
    sha256_hex(deployment.text, deployment.hash);
    if (guard_namespace(turn, call, definition_namespace(definition))) {
        if (dry) answer_json(turn, call, 200, describe(&deployment, turn->arena));
        else deploy(turn, call, &deployment);
    }
    definition_free(definition);
}

/* ---- list ---- */

/* Goes through what is deployed in order of id, which keeps the versions of a workflow together. */
struct scan {
    struct query query;
    struct str workflow; /* the group that is open */
    struct str newest;   /* its newest version */
    struct str *ids;     /* of the newest of each group that is closed */
    size_t count, limit;
    bool more;           /* others are behind */
};

static struct str version_in(struct str id) {
    struct str rest = id;

    str_cut(&rest, '/');
    str_cut(&rest, '/');
    return rest;
}

static void close_group(struct scan *scan, struct arena *arena) {
    if (!scan->workflow.data) return;
    scan->ids[scan->count++] = str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(scan->workflow), STR_ARG(scan->newest));
    scan->workflow = STR_NULL;
}

static void scan_records(struct scan *scan, const struct record *records, size_t count, struct arena *arena) {
    for (size_t i = 0; i < count; i++) {
        struct str workflow = json_str(json_get(records[i].fields, STR("workflow"))), version = version_in(records[i].id);
        if (!str_equal(workflow, scan->workflow)) {
            close_group(scan, arena);
            scan->more = scan->count == scan->limit;
            if (scan->more) return;
            scan->workflow = workflow;
            scan->newest = version;
        } else if (definitions_is_newer(version, scan->newest)) {
            scan->newest = version;
        }
    }
}

/* One workflow of the list, or absent where it is not searched for or may not be seen. */
static struct json summarise(struct turn *turn, const struct call *call, const struct record *record, struct str search) {
    struct json item = json_object(turn->arena, 8), body, absent = { .type = JSON_ABSENT };
    struct str rest = record->id, namespace = str_cut(&rest, '/'), name = str_cut(&rest, '/');
    struct err err;

    if (!grant_covers(call->grant, namespace) || !json_read(record->body, NULL, turn->arena, &body, NULL, &err)) return absent;
    bool found = contains_nocase(workflow_id(namespace, name, turn->arena), search) || contains_nocase(member(body, "title"), search)
            || contains_nocase(member(body, "summary"), search);
    if (!found) return absent;
    item = json_set(item, STR("namespace"), json_string(namespace), turn->arena);
    item = json_set(item, STR("name"), json_string(name), turn->arena);
    item = json_set(item, STR("version"), json_string(rest), turn->arena);
    item = json_set(item, STR("title"), about(body, "title"), turn->arena);
    item = json_set(item, STR("summary"), about(body, "summary"), turn->arena);
    item = json_set(item, STR("hash"), json_get(body, STR("hash")), turn->arena);
    return json_set(item, STR("createdAt"), time_json(json_int64_or(json_get(record->fields, STR("createdAt")), 0), turn->arena),
            turn->arena);
}

/* Fills scan->ids with up to scan->limit workflows. */
static bool scan_groups(struct turn *turn, struct scan *scan, struct err *err) {
    const struct record *records;
    size_t count;
    int pages = 0;

    do {
        if (!store_find(turn->api->world->store, COLLECTION_WORKFLOWS, &scan->query, turn->arena, &records, &count, &scan->query.after,
                    err)) {
            return false;
        }
        scan_records(scan, records, count, turn->arena);
        pages++;
    } while (!scan->more && scan->query.after.size && pages < SCANS_MAX);
    if (!scan->more) close_group(scan, turn->arena);
    scan->more |= scan->query.after.size > 0;
    return true;
}

/* A cursor is the workflow that was listed last; '0' is the character behind '/'. */
static void begin_scan(struct turn *turn, struct scan *scan, struct str namespace, struct str cursor) {
    struct query *query = &scan->query;

    *query = (struct query){ .sort = "_id", .limit = SCAN_COUNT, .without_body = true };
    if (namespace.data) query->conditions[query->condition_count++] = (struct condition){ "namespace", OP_EQUAL, json_string(namespace) };
    if (cursor.size) {
        struct str behind = str_format(turn->arena, STR_FMT "0", STR_ARG(cursor));
        query->conditions[query->condition_count++] = (struct condition){ "_id", OP_GREATER_EQUAL, json_string(behind) };
    }
    scan->ids = arena_new_many(turn->arena, struct str, scan->limit);
}

void workflows_list(struct turn *turn, struct call *call) {
    static const char *const names[] = { "namespace", "search", "limit", "cursor" };
    struct str values[ARRAY_SIZE(names)], cursor = STR_NULL;
    struct json items;
    struct scan scan = { .count = 0 };
    uint32_t limit;
    struct err err;

    if (!call_query(turn, call, names, ARRAY_SIZE(names), values) || !call_limit(turn, call, values[2], &limit)) return;
    if (values[0].data && !guard_namespace(turn, call, values[0])) return;
    if (values[3].data && !hex_decode(values[3], turn->arena, &cursor)) {
        answer_problem(turn, call, 400, "The cursor is not one that was given out.");
        return;
    }
    scan.limit = limit;
    begin_scan(turn, &scan, values[0], cursor);
    const struct record **records = arena_new_many(turn->arena, const struct record *, limit);
    if (!scan_groups(turn, &scan, &err)
            || !store_get_many(turn->api->world->store, COLLECTION_WORKFLOWS, scan.ids, scan.count, turn->arena, records, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    items = json_array(turn->arena, scan.count);
    for (size_t i = 0; i < scan.count; i++) {
        struct json item = records[i] ? summarise(turn, call, records[i], values[1]) : (struct json){ .type = JSON_ABSENT };
        if (!json_is_absent(item)) items = json_append(items, item, turn->arena);
    }
    struct str last = scan.count ? scan.ids[scan.count - 1] : STR("");
    last.size -= version_in(last).size + (last.size > 0);
    answer_page(turn, call, items, scan.more ? hex_encode(last, turn->arena) : STR_NULL);
}

/* ---- one workflow ---- */

static bool count_instances(struct turn *turn, struct str definition, bool only_running, int64_t *ret, struct err *err) {
    static const char *const running[] = { "pending", "running", "waiting", "suspended" };
    struct json statuses = json_array(turn->arena, ARRAY_SIZE(running));
    struct query query = { .conditions = { { "definition", OP_EQUAL, json_string(definition) } }, .condition_count = 1, .limit = 1 };

    for (size_t i = 0; i < ARRAY_SIZE(running); i++) statuses = json_append(statuses, json_string(str_from(running[i])), turn->arena);
    if (only_running) query.conditions[query.condition_count++] = (struct condition){ "status", OP_IN, statuses };
    return store_count(turn->api->world->store, COLLECTION_INSTANCES, &query, ret, err);
}

static bool describe_version(struct turn *turn, const struct record *record, bool counted, struct json *ret, struct err *err) {
    struct json item = json_object(turn->arena, 4), instances = json_object(turn->arena, 2);
    int64_t running, total;

    item = json_set(item, STR("version"), json_string(version_in(record->id)), turn->arena);
    *ret = json_set(item, STR("createdAt"), time_json(json_int64_or(json_get(record->fields, STR("createdAt")), 0), turn->arena),
            turn->arena);
    if (!counted) return true;
    if (!count_instances(turn, record->id, true, &running, err) || !count_instances(turn, record->id, false, &total, err)) return false;
    instances = json_set(instances, STR("running"), json_int64(running, turn->arena), turn->arena);
    instances = json_set(instances, STR("total"), json_int64(total, turn->arena), turn->arena);
    *ret = json_set(*ret, STR("instances"), instances, turn->arena);
    return true;
}

static bool find_versions(struct turn *turn, struct str workflow, const struct record **ret_records, size_t *ret_count,
        struct err *err) {
    struct query query = {
        .conditions = { { "workflow", OP_EQUAL, json_string(workflow) } },
        .condition_count = 1,
        .sort = "createdAt",
        .descending = true,
        .limit = VERSIONS_MAX,
        .without_body = true,
    };

    return store_find(turn->api->world->store, COLLECTION_WORKFLOWS, &query, turn->arena, ret_records, ret_count, NULL, err);
}

void workflows_get(struct turn *turn, struct call *call) {
    struct str namespace = call_parameter(call, 0), name = call_parameter(call, 1), newest = STR_NULL;
    struct json body = json_object(turn->arena, 6), versions = json_array(turn->arena, 8), item;
    const struct record *records;
    struct err err;
    size_t count;

    if (!guard_namespace(turn, call, namespace)) return;
    bool ok = find_versions(turn, workflow_id(namespace, name, turn->arena), &records, &count, &err);
    for (size_t i = 0; ok && i < count; i++) {
        struct str version = version_in(records[i].id);
        if (!newest.data || definitions_is_newer(version, newest)) newest = version;
        ok = describe_version(turn, &records[i], i < COUNTED_MAX, &item, &err);
        if (ok) versions = json_append(versions, item, turn->arena);
    }
    if (!ok) {
        answer_err(turn, call, &err);
        return;
    }
    if (count == 0) {
        answer_problem(turn, call, 404, "There is no workflow '" STR_FMT "/" STR_FMT "'.", STR_ARG(namespace), STR_ARG(name));
        return;
    }
    body = json_set(body, STR("namespace"), json_string(namespace), turn->arena);
    body = json_set(body, STR("name"), json_string(name), turn->arena);
    body = json_set(body, STR("latest"), json_string(newest), turn->arena);
    struct json routing = json_set(json_object(turn->arena, 1), STR("default"), json_string(newest), turn->arena);
    body = json_set(body, STR("routing"), routing, turn->arena);
    answer_json(turn, call, 200, json_set(body, STR("versions"), versions, turn->arena));
}

/* Loads the record that the path names; answers and is false where there is none. */
static bool find_record(struct turn *turn, struct call *call, const struct record **ret, struct json *ret_body) {
    struct str namespace = call_parameter(call, 0), name = call_parameter(call, 1), version = call_parameter(call, 2);
    struct err err;

    if (!guard_namespace(turn, call, namespace)) return false;
    bool ok = true;
    if (str_equal(version, STR("latest"))) {
        ok = definitions_latest(turn->api->definitions, namespace, name, turn->arena, &version, &err);
    }
    struct str id = str_format(turn->arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(name), STR_ARG(version));
    ok = ok && store_get_many(turn->api->world->store, COLLECTION_WORKFLOWS, &id, 1, turn->arena, ret, &err);
    if (ok && !*ret) ok = err_set(&err, ERR_NOT_FOUND, "there is no workflow '" STR_FMT "'", STR_ARG(id));
    if (ok) ok = json_read((*ret)->body, NULL, turn->arena, ret_body, NULL, &err);
    if (!ok) answer_err(turn, call, &err);
    return ok;
}

/* True if `type` stands in Accept, or anything does. Weights are not looked at: a client that names a type can read it. */
static bool accepts(struct str accept, struct str type) {
    struct str rest = accept;

    while (rest.size) {
        struct str item = str_cut(&rest, ','), range = str_trim(str_cut(&item, ';'));
        if (str_equal(range, STR("*/*")) || str_equal(range, STR("application/*")) || str_equal_nocase(range, type)) return true;
    }
    return accept.size == 0;
}

/* Exactly as deployed, unless only the other format can be read: JSON is YAML too, and YAML is turned into JSON. */
void workflows_document(struct turn *turn, struct call *call) {
    struct str accept = request_header(call->request, "Accept"), text, type;
    const struct record *record;
    struct json body, document;
    struct err err;

    if (!find_record(turn, call, &record, &body)) return;
    text = member(body, "text");
    type = member(body, "contentType");
    call_header(call, "ETag", str_format(turn->arena, "\"" STR_FMT "\"", STR_ARG(member(body, "hash"))));
    if (accepts(accept, type)) {
        answer_text(turn, call, 200, type, text);
    } else if (str_equal(type, media_json) && accepts(accept, media_yaml)) {
        answer_text(turn, call, 200, media_yaml, text);
    } else if (str_equal(type, media_yaml) && accepts(accept, media_json)) {
        if (intake_read(text, INTAKE_YAML, turn->arena, &document, &err)) answer_json(turn, call, 200, document);
        else answer_err(turn, call, &err);
    } else {
        answer_problem(turn, call, 406, "A definition can be had as application/yaml or application/json.");
    }
}

static bool delete_version(struct turn *turn, struct str id, struct str hash, struct err *err) {
    int64_t total;

    return count_instances(turn, id, false, &total, err) && (total == 0 || dig_grave(turn, id, hash, err))
            && store_delete_many(turn->api->world->store, COLLECTION_WORKFLOWS, &id, 1, err);
}

void workflows_delete(struct turn *turn, struct call *call) {
    static const char *const names[] = { "force" };
    const struct record *record;
    struct json body;
    struct str force;
    struct err err;
    int64_t running = 0;

    if (!call_query(turn, call, names, 1, &force) || !find_record(turn, call, &record, &body)) return;
    if (force.data && !str_equal(force, STR("true")) && !str_equal(force, STR("false"))) {
        answer_problem(turn, call, 400, "force is true or false, not '" STR_FMT "'.", STR_ARG(force));
        return;
    }
    bool ok = str_equal(force, STR("true")) || count_instances(turn, record->id, true, &running, &err);
    if (ok && running > 0) {
        answer_problem(turn, call, 409, "%lld instances run on '" STR_FMT "'; with ?force=true it is deleted all the same, and they cannot "
                                        "go on.", (long long)running, STR_ARG(record->id));
        return;
    }
    if (!ok || !delete_version(turn, record->id, member(body, "hash"), &err)) {
        answer_err(turn, call, &err);
        return;
    }
    definitions_forget(turn->api->definitions, call_parameter(call, 0), call_parameter(call, 1), version_in(record->id));
    answer_empty(turn, call, 204);
}

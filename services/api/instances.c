/* Reading instances: one, many, and how many. */

#include "common/arena.h"
#include "common/time.h"
#include "core/definition.h"
#include "core/instance.h"
#include "ledger/ledger.h"
#include "services/api/api_internal.h"
#include "services/api/await.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "services/api/waits.h"
#include "store/store.h"

enum { ROUNDS_MAX = 20, TAGS_MAX = 3, STATUS_COUNT = INSTANCE_COMPLETED + 1, BUCKETS_MAX = 60, QUERY_CONDITIONS_MAX = 8 };

/* ---- one ---- */

/* It is put to wait before it is looked at once more: what comes between the looks is heard of. */
static void wait_for_end(struct turn *turn, struct call *call, struct str id) {
    const struct instance *instance;
    struct loaded loaded;
    struct err err;

    await_init(call, WAIT_END, id, turn->now_ms);
    uint64_t serial = call->wait.serial;
    await_add(turn, call);
    if (!await_load(turn, id, &loaded, &instance, &err)) return; /* it is looked at again */
    struct call *own = instance && instance_has_ended(instance) ? waits_take(turn->api->waits, id, serial) : NULL;
    if (own) await_answer(turn, own, 200, instance);
    await_release(turn, &loaded);
}

void instances_get(struct turn *turn, struct call *call) {
    struct str id = call_parameter(call, 0);
    const struct instance *instance;
    struct loaded loaded;

    call_read_prefer(call);
    if (!await_find(turn, call, id, &loaded, &instance)) return;
    if (call->wait_s && !instance_has_ended(instance)) wait_for_end(turn, call, instance->id);
    else await_answer(turn, call, 200, instance);
    await_release(turn, &loaded);
}

/* ---- which ---- */

/* What a list is asked for: conditions that the store serves, and the rest, which is compared here. */
struct filter {
    struct query query;
    struct str workflow, version, search; /* empty: any */
};

enum { NAMESPACE, WORKFLOW, VERSION, KEY, STATUS, TAG, FROM, TO, SEARCH, FILTER_COUNT };

#define FILTER_NAMES "namespace", "workflow", "version", "key", "status*", "tag*", "from", "to", "search"

static void add_condition(struct filter *filter, const char *field, enum operator operator, struct json value) {
    filter->query.conditions[filter->query.condition_count++] = (struct condition){ field, operator, value };
}

static bool is_status(struct str text) {
    for (int i = 0; i < STATUS_COUNT; i++) {
        if (str_equal(text, str_from(instance_status_name((enum instance_status)i)))) return true;
    }
    return false;
}

/* "running", "running,waiting", or given several times. */
static bool add_statuses(struct turn *turn, struct call *call, struct str text, struct filter *filter) {
    struct json values = json_array(turn->arena, 4);

    if (!text.data) return true;
    while (text.data) {
        struct str line = str_cut(&text, '\n');
        while (line.data) {
            struct str status = str_cut(&line, ',');
            if (!is_status(status)) {
                answer_problem(turn, call, 400, "status is pending, running, waiting, suspended, cancelled, faulted or completed, not '"
                                                STR_FMT "'.", STR_ARG(status));
                return false;
            }
            values = json_append(values, json_string(status), turn->arena);
        }
    }
    if (json_size(values) == 1) add_condition(filter, "status", OP_EQUAL, json_at(values, 0));
    else add_condition(filter, "status", OP_IN, values);
    return true;
}

static bool add_tags(struct turn *turn, struct call *call, struct str text, struct filter *filter) {
    size_t count = 0;

    while (text.data) {
        struct str tag = str_cut(&text, '\n');
        if (str_find_char(tag, ':') == tag.size || ++count > TAGS_MAX) {
            answer_problem(turn, call, 400, "tag is NAME:VALUE, at most %d times; not '" STR_FMT "'.", TAGS_MAX, STR_ARG(tag));
            return false;
        }
        add_condition(filter, "tags", OP_EQUAL, json_string(tag));
    }
    return true;
}

static bool add_time(struct turn *turn, struct call *call, struct str text, enum operator operator, struct filter *filter) {
    int64_t time_ms;

    if (!text.data) return true;
    if (!time_parse(text, &time_ms)) {
        answer_problem(turn, call, 400, "from and to are RFC 3339 times, as 2026-07-29T12:00:00Z, not '" STR_FMT "'.", STR_ARG(text));
        return false;
    }
    add_condition(filter, "createdAt", operator, json_int64(time_ms, turn->arena));
    return true;
}

/* "NAME" with a namespace beside it, or "NAMESPACE/NAME", or a name in any namespace. */
static void add_workflow(struct turn *turn, const struct str *values, struct filter *filter) {
    struct str namespace = values[NAMESPACE], workflow = values[WORKFLOW], version = values[VERSION];
    bool whole = str_find_char(workflow, '/') < workflow.size;

    if (workflow.data && (namespace.data || whole)) {
        struct str id = whole ? workflow : str_format(turn->arena, STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(workflow));
        if (version.data) {
            struct str definition = str_format(turn->arena, STR_FMT "/" STR_FMT, STR_ARG(id), STR_ARG(version));
            add_condition(filter, "definition", OP_EQUAL, json_string(definition));
        } else {
            add_condition(filter, "workflow", OP_EQUAL, json_string(id));
        }
        return;
    }
    filter->workflow = workflow;
    filter->version = version;
}

static bool read_filter(struct turn *turn, struct call *call, const struct str *values, struct filter *filter) {
    *filter = (struct filter){ .query = { .sort = "createdAt", .descending = true, .without_body = true }, .search = values[SEARCH] };
    if (!guard_list(turn, call, values[NAMESPACE], &filter->query)) return false;
    add_workflow(turn, values, filter);
    if (values[KEY].data) add_condition(filter, "key", OP_EQUAL, json_string(values[KEY]));
    if (!add_statuses(turn, call, values[STATUS], filter)) return false;
    if (!add_time(turn, call, values[FROM], OP_GREATER_EQUAL, filter) || !add_time(turn, call, values[TO], OP_LESS, filter)) return false;
    size_t tags = values[TAG].data ? 1 : 0;
    for (size_t i = 0; i < values[TAG].size; i++) tags += values[TAG].data[i] == '\n';
    if (filter->query.condition_count + tags <= QUERY_CONDITIONS_MAX) return add_tags(turn, call, values[TAG], filter);
    answer_problem(turn, call, 400, "These are too many conditions at once; %d are possible.", QUERY_CONDITIONS_MAX);
    return false;
}

/* ---- what a head shows ---- */

static struct str field(const struct record *record, const char *name) {
    return json_str(json_get(record->fields, str_from(name)));
}

static struct json read_tags(struct json values, struct arena *arena) {
    struct json tags = json_object(arena, json_size(values));

    for (size_t i = 0; i < json_size(values); i++) {
        struct str value = json_str(json_at(values, i)), name = str_cut(&value, ':');
        tags = json_set(tags, name, json_string(value), arena);
    }
    return tags;
}

static struct json summarise(const struct record *record, struct arena *arena) {
    struct str version = field(record, "definition"), key = field(record, "key");
    struct str namespace = str_cut(&version, '/'), name = str_cut(&version, '/');
    struct json item = json_object(arena, 10), fields = record->fields;

    item = json_set(item, STR("id"), json_string(record->id), arena);
    item = json_set(item, STR("key"), key.size ? json_string(key) : json_null(), arena);
    item = json_set(item, STR("namespace"), json_string(namespace), arena);
    item = json_set(item, STR("workflow"), json_string(name), arena);
    item = json_set(item, STR("version"), json_string(version), arena);
    item = json_set(item, STR("status"), json_get(fields, STR("status")), arena);
    item = json_set(item, STR("tags"), read_tags(json_get(fields, STR("tags")), arena), arena);
    item = json_set(item, STR("createdAt"), time_json(json_int64_or(json_get(fields, STR("createdAt")), 0), arena), arena);
    return json_set(item, STR("endedAt"), time_json(json_int64_or(json_get(fields, STR("endedAt")), 0), arena), arena);
}

static bool passes(const struct filter *filter, const struct record *record) {
    struct str version = field(record, "definition"), search = filter->search;

    str_cut(&version, '/');
    struct str name = str_cut(&version, '/');
    if (filter->workflow.data && !str_equal(filter->workflow, name)) return false;
    if (filter->version.data && !str_equal(filter->version, version)) return false;
    if (search.size == 0 || contains_nocase(record->id, search) || contains_nocase(field(record, "key"), search)
            || contains_nocase(field(record, "workflow"), search)) {
        return true;
    }
    struct json tags = json_get(record->fields, STR("tags"));
    for (size_t i = 0; i < json_size(tags); i++) {
        if (contains_nocase(json_str(json_at(tags, i)), search)) return true;
    }
    return false;
}

/* Reads on until the page is full, the end is reached, or enough was looked at: a page may be short and still have a next one. */
static bool fill_page(struct turn *turn, struct filter *filter, uint32_t limit, struct json *ret_items, struct err *err) {
    struct json items = json_array(turn->arena, limit);
    const struct record *records;
    size_t count;

    for (int round = 0; round < ROUNDS_MAX; round++) {
        filter->query.limit = limit - (uint32_t)json_size(items);
        if (!store_find(turn->api->world->store, COLLECTION_INSTANCES, &filter->query, turn->arena, &records, &count,
                    &filter->query.after, err)) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            if (passes(filter, &records[i])) items = json_append(items, summarise(&records[i], turn->arena), turn->arena);
        }
        if (filter->query.after.size == 0 || json_size(items) == limit) break;
    }
    *ret_items = items;
    return true;
}

void instances_list(struct turn *turn, struct call *call) {
    static const char *const names[] = { FILTER_NAMES, "limit", "cursor" };
    struct str values[ARRAY_SIZE(names)];
    struct filter filter;
    struct json items;
    uint32_t limit;
    struct err err;

    if (!call_query(turn, call, names, ARRAY_SIZE(names), values)) return;
    if (!call_limit(turn, call, values[FILTER_COUNT], &limit) || !read_filter(turn, call, values, &filter)) return;
    filter.query.after = values[FILTER_COUNT + 1];
    if (fill_page(turn, &filter, limit, &items, &err)) answer_page(turn, call, items, filter.query.after);
    else answer_err(turn, call, &err);
}

/* ---- how many ---- */

static bool count_statuses(struct turn *turn, const struct filter *filter, struct json *ret, struct err *err) {
    struct json counts = json_object(turn->arena, STATUS_COUNT);

    for (int i = 0; i < STATUS_COUNT; i++) {
        struct query query = filter->query;
        struct str status = str_from(instance_status_name((enum instance_status)i));
        int64_t count;
        query.conditions[query.condition_count++] = (struct condition){ "status", OP_EQUAL, json_string(status) };
        query.limit = 1;
        if (!store_count(turn->api->world->store, COLLECTION_INSTANCES, &query, &count, err)) return false;
        counts = json_set(counts, status, json_int64(count, turn->arena), turn->arena);
    }
    *ret = counts;
    return true;
}

static int64_t sum(struct json counts) {
    int64_t total = 0;

    for (size_t i = 0; i < json_size(counts); i++) total += json_int64_or(json_member_at(counts, i)->value, 0);
    return total;
}

struct buckets {
    int64_t from_ms, to_ms, width_ms;
};

/* A bucket is a fixed width of time between `from` and `to`. */
static bool read_buckets(struct turn *turn, struct call *call, const struct str *values, struct str width, struct buckets *ret) {
    struct duration duration = { 0, 0 };

    if (!width.data) return true;
    bool ok = duration_parse(width, &duration) && duration.months == 0 && duration.ms > 0 && time_parse(values[FROM], &ret->from_ms)
            && time_parse(values[TO], &ret->to_ms) && ret->to_ms > ret->from_ms
            && (ret->to_ms - ret->from_ms) / duration.ms < BUCKETS_MAX;
    ret->width_ms = duration.ms;
    if (ok) return true;
    answer_problem(turn, call, 400, "bucket is a duration without months, as PT1H, together with from and to, and makes at most %d buckets.",
            BUCKETS_MAX);
    return false;
}

/* from and to are conditions of the filter already; those of a bucket are within them. */
static bool count_buckets(struct turn *turn, const struct filter *filter, const struct buckets *buckets, struct json *ret,
        struct err *err) {
    struct json rows = json_array(turn->arena, BUCKETS_MAX);

    for (int64_t at = buckets->from_ms; at < buckets->to_ms; at += buckets->width_ms) {
        struct filter one = *filter;
        struct json counts, row = json_object(turn->arena, 2);
        for (size_t i = 0; i < one.query.condition_count; i++) {
            struct condition *condition = &one.query.conditions[i];
            if (condition->operator == OP_GREATER_EQUAL) condition->value = json_int64(at, turn->arena);
            if (condition->operator == OP_LESS) {
                condition->value = json_int64(MIN(at + buckets->width_ms, buckets->to_ms), turn->arena);
            }
        }
        if (!count_statuses(turn, &one, &counts, err)) return false;
        row = json_set(row, STR("from"), time_json(at, turn->arena), turn->arena);
        rows = json_append(rows, json_set(row, STR("statuses"), counts, turn->arena), turn->arena);
    }
    *ret = rows;
    return true;
}

void instances_stats(struct turn *turn, struct call *call) {
    static const char *const names[] = { FILTER_NAMES, "bucket" };
    struct str values[ARRAY_SIZE(names)];
    struct json body = json_object(turn->arena, 3), counts, rows = { .type = JSON_ABSENT };
    struct buckets buckets = { 0, 0, 0 };
    struct filter filter;
    struct err err;

    if (!call_query(turn, call, names, ARRAY_SIZE(names), values)) return;
    if (!read_filter(turn, call, values, &filter) || !read_buckets(turn, call, values, values[FILTER_COUNT], &buckets)) return;
    if (filter.workflow.data || filter.version.data || filter.search.size || values[STATUS].data
            || filter.query.condition_count >= QUERY_CONDITIONS_MAX) {
        answer_problem(turn, call, 400, "Counted can be by namespace, workflow (with its namespace), version (with its workflow), key, tag, "
                                        "from and to; by status it is counted anyway.");
        return;
    }
    bool ok = count_statuses(turn, &filter, &counts, &err);
    if (ok && buckets.width_ms) ok = count_buckets(turn, &filter, &buckets, &rows, &err);
    if (!ok) {
        answer_err(turn, call, &err);
        return;
    }
    body = json_set(body, STR("total"), json_int64(sum(counts), turn->arena), turn->arena);
    body = json_set(body, STR("statuses"), counts, turn->arena);
    answer_json(turn, call, 200, json_set(body, STR("buckets"), rows, turn->arena));
}

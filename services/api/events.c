/* Events: taken in as CloudEvents 1.0 over HTTP (structured, binary, batched), and read back from the store of events. */

#include "bus/bus.h"
#include "common/arena.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/time.h"
#include "core/event.h"
#include "services/api/api_internal.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "store/store.h"

enum { BATCH_MAX = 1000, ATTRIBUTE_MAX = 64 };

static const struct str structured = STR_INIT("application/cloudevents+json"), batched = STR_INIT("application/cloudevents-batch+json");

/* ---- binary mode (CloudEvents, HTTP protocol binding 1.0.2, 3.1) ---- */

struct attributes {
    struct arena *arena;
    struct json event;
    size_t count;
    bool malformed;
};

static struct str lower_case(struct str text, struct arena *arena) {
    char *lower = arena_alloc(arena, text.size);

    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (struct str){ lower, text.size };
}

/* "ce-" and the attribute's name; the value is percent-encoded. */
static void take_header(void *user, struct str name, struct str value) {
    struct attributes *attributes = user;
    struct str prefix = str_slice(name, 0, 3), decoded;

    if (!str_equal_nocase(prefix, STR("ce-"))) return;
    if (++attributes->count > ATTRIBUTE_MAX || !percent_decode(value, false, attributes->arena, &decoded)) {
        attributes->malformed = true;
        return;
    }
    struct str key = lower_case(str_slice(name, 3, name.size), attributes->arena);
    attributes->malformed |= json_has(attributes->event, key);
    attributes->event = json_set(attributes->event, key, json_string(decoded), attributes->arena);
}

static bool is_json_type(struct str type) {
    struct str media = str_trim(str_slice(type, 0, str_find_char(type, ';')));

    return str_equal_nocase(media, STR("application/json")) || str_equal_nocase(media, STR("text/json"))
            || (media.size > 5 && str_equal_nocase(str_slice(media, media.size - 5, media.size), STR("+json")));
}

/* Data as it is told by its type: a value, a text, or bytes. */
static bool add_data(struct turn *turn, struct call *call, struct str type, struct json *event, struct err *err) {
    static const struct json_read_options options = { .depth_max = LIMIT_DEPTH, .borrow = true };
    struct str body = request_body(call->request);
    struct json data;

    if (type.size) *event = json_set(*event, STR("datacontenttype"), json_string(type), turn->arena);
    if (body.size == 0) return true;
    if (is_json_type(type)) {
        if (!json_read(body, &options, turn->arena, &data, NULL, err)) return false;
        *event = json_set(*event, STR("data"), data, turn->arena);
    } else if (str_equal_nocase(str_slice(type, 0, 5), STR("text/")) && str_is_utf8(body)) {
        *event = json_set(*event, STR("data"), json_string(body), turn->arena);
    } else {
        *event = json_set(*event, STR("data_base64"), json_string(base64_encode(body, turn->arena)), turn->arena);
    }
    return true;
}

/* False: answered. */
static bool read_binary(struct turn *turn, struct call *call, struct json *ret) {
    struct attributes attributes = { .arena = turn->arena, .event = json_object(turn->arena, 8) };
    struct str type = request_header(call->request, "Content-Type");
    struct err err;

    request_each_header(call->request, take_header, &attributes);
    if (attributes.count == 0) {
        answer_problem(turn, call, 415, "An event comes as " STR_FMT ", a batch as " STR_FMT ", or with its attributes in headers: "
                                        "ce-specversion, ce-id, ce-source, ce-type.", STR_ARG(structured), STR_ARG(batched));
        return false;
    }
    if (attributes.malformed) {
        answer_problem(turn, call, 400, "The headers ce-… are not percent-encoded UTF-8, come twice, or are more than %d.", ATTRIBUTE_MAX);
        return false;
    }
    *ret = attributes.event;
    if (add_data(turn, call, type, ret, &err)) return true;
    answer_err(turn, call, &err);
    return false;
}

/* ---- reading and checking ---- */

/* False: answered. */
static bool read_structured(struct turn *turn, struct call *call, struct json *ret) {
    static const struct json_read_options options = { .depth_max = LIMIT_DEPTH, .borrow = true };
    struct err err;

    if (json_read(request_body(call->request), &options, turn->arena, ret, NULL, &err)) return true;
    answer_err(turn, call, &err);
    return false;
}

static void check_event(struct json event, struct str pointer, struct faults *faults) {
    struct json time = json_get(event, STR("time"));
    struct str bytes;
    int64_t time_ms;
    struct err err;

    if (!event_check(event, &err)) faults_add(faults, pointer, "%s", err.message);
    if (!json_is_null(time) && !time_parse(json_str(time), &time_ms)) {
        faults_add(faults, str_format(faults->arena, STR_FMT "/time", STR_ARG(pointer)), "this is an RFC 3339 time");
    }
    if (json_has(event, STR("data_base64")) && !base64_decode(json_str(json_get(event, STR("data_base64"))), faults->arena, &bytes)) {
        faults_add(faults, str_format(faults->arena, STR_FMT "/data_base64", STR_ARG(pointer)), "this is no base64");
    }
    if (json_has(event, STR("data_base64")) && json_has(event, STR("data"))) {
        faults_add(faults, pointer, "an event has data or data_base64, not both");
    }
}

/* Fills *ret_events; answers and is false where they cannot be taken. */
static bool read_events(struct turn *turn, struct call *call, struct json *ret_events) {
    struct str type = request_header(call->request, "Content-Type");
    bool is_batch = is_media_type(type, batched), is_structured = is_media_type(type, structured);
    struct faults faults;
    struct json value;

    bool ok = is_batch || is_structured ? read_structured(turn, call, &value) : read_binary(turn, call, &value);
    if (!ok) return false;
    faults_init(&faults, turn->arena);
    if (is_batch && (json_type(value) != JSON_ARRAY || json_size(value) > BATCH_MAX)) {
        faults_add(&faults, STR(""), "a batch is an array of at most %d events", BATCH_MAX);
    } else if (is_batch) {
        for (size_t i = 0; i < json_size(value); i++) {
            check_event(json_at(value, i), str_format(turn->arena, "/%zu", i), &faults);
        }
    } else {
        check_event(value, STR(""), &faults);
    }
    if (faults.count) {
        answer_faults(turn, call, &faults, "This is no CloudEvent as of version 1.0.");
        return false;
    }
    *ret_events = is_batch ? value : json_array_from(&value, 1, turn->arena);
    return true;
}

/* ---- taking in ---- */

void events_post(struct turn *turn, struct call *call) {
    static const struct header headers[] = { { STR_INIT("content-type"), STR_INIT("application/cloudevents+json") } };
    struct json events, body = json_object(turn->arena, 1);
    struct err err;

    if (!guard_everywhere(turn, call) || !read_events(turn, call, &events)) return;
    size_t count = json_size(events);
    struct outgoing *messages = arena_new_many(turn->arena, struct outgoing, count);
    for (size_t i = 0; i < count; i++) {
        struct json event = json_at(events, i);
        struct str subject = json_str(json_get(event, STR("subject")));
        messages[i] = (struct outgoing){
            .topic = TOPIC_EVENTS_IN,
            .key = subject.size ? subject : json_str(json_get(event, STR("id"))),
            .value = json_to_str(event, turn->arena),
            .headers = headers,
            .header_count = ARRAY_SIZE(headers),
        };
        if (messages[i].value.size <= LIMIT_MESSAGE) continue;
        answer_problem(turn, call, 413, "An event of %zu bytes; %d are possible.", messages[i].value.size, LIMIT_MESSAGE);
        return;
    }
    if (!bus_publish(turn->api->world->bus, messages, count, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    answer_json(turn, call, 202, json_set(body, STR("accepted"), json_int64((int64_t)count, turn->arena), turn->arena));
}

/* ---- reading back ---- */

static struct json describe(const struct record *record, struct arena *arena) {
    struct json item = json_object(arena, 4), body, received;
    struct err err;

    if (!json_read(record->body, NULL, arena, &body, NULL, &err)) return item;
    received = json_get(body, STR("receivedAt"));
    if (json_type(received) == JSON_NUMBER) received = time_json(json_int64_or(received, 0), arena);
    struct json instances = json_get(body, STR("instances"));
    item = json_set(item, STR("key"), json_string(record->id), arena);
    item = json_set(item, STR("receivedAt"), received, arena);
    item = json_set(item, STR("instances"), json_is_null(instances) ? json_array(arena, 0) : instances, arena);
    return json_set(item, STR("event"), json_get(body, STR("event")), arena);
}

enum { TYPE, SOURCE, ID, FROM, TO, LIMIT, CURSOR };

static bool read_query(struct turn *turn, struct call *call, const struct str *values, struct query *query) {
    static const char *const fields[] = { "type", "source", "eventId" };
    int64_t time_ms;

    *query = (struct query){ .sort = "time", .descending = true, .after = values[CURSOR] };
    if (!call_limit(turn, call, values[LIMIT], &query->limit)) return false;
    for (int i = TYPE; i <= ID; i++) {
        if (!values[i].data) continue;
        query->conditions[query->condition_count++] = (struct condition){ fields[i], OP_EQUAL, json_string(values[i]) };
    }
    for (int i = FROM; i <= TO; i++) {
        if (!values[i].data) continue;
        if (!time_parse(values[i], &time_ms)) {
            answer_problem(turn, call, 400, "from and to are RFC 3339 times, not '" STR_FMT "'.", STR_ARG(values[i]));
            return false;
        }
        query->conditions[query->condition_count++] = (struct condition){ "time", i == FROM ? OP_GREATER_EQUAL : OP_LESS,
            json_int64(time_ms, turn->arena) };
    }
    return true;
}

void events_list(struct turn *turn, struct call *call) {
    static const char *const names[] = { "type", "source", "id", "from", "to", "limit", "cursor" };
    struct str values[ARRAY_SIZE(names)], next;
    const struct record *records;
    struct json items;
    struct query query;
    struct err err;
    size_t count;

    if (!guard_everywhere(turn, call) || !call_query(turn, call, names, ARRAY_SIZE(names), values)) return;
    if (!read_query(turn, call, values, &query)) return;
    if (!store_find(turn->api->world->store, COLLECTION_EVENTS, &query, turn->arena, &records, &count, &next, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    items = json_array(turn->arena, count);
    for (size_t i = 0; i < count; i++) items = json_append(items, describe(&records[i], turn->arena), turn->arena);
    answer_page(turn, call, items, next);
}

void events_get(struct turn *turn, struct call *call) {
    struct str key = call_parameter(call, 0);
    const struct record *record;
    struct err err;

    if (!guard_everywhere(turn, call)) return;
    if (!store_get_many(turn->api->world->store, COLLECTION_EVENTS, &key, 1, turn->arena, &record, &err)) {
        answer_err(turn, call, &err);
    } else if (!record) {
        answer_problem(turn, call, 404, "There is no event '" STR_FMT "'.", STR_ARG(key));
    } else {
        answer_json(turn, call, 200, describe(record, turn->arena));
    }
}

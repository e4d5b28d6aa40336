#include "services/api/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus.h"
#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"
#include "common/time.h"
#include "core/intake.h"
#include "ledger/definitions.h"
#include "services/api/api_internal.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"
#include "services/api/idempotency.h"
#include "services/api/start.h"

enum { DETAIL_SIZE = 1024, NAMES_MAX = 16, NAME_SIZE_MAX = 63, QUERY_NAME_SIZE = 64, MS_PER_S = 1000, WAIT_S_MAX = 60 };

/* ---- lives ---- */

struct str new_id(struct api *api, char text[UUID_TEXT_SIZE]) {
    uint8_t random[10];

    clock_random(&api->world->clock, random, sizeof(random));
    return uuid_v7(clock_now_ms(&api->world->clock), random, text);
}

static bool is_visible(struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7F) return false;
    }
    return text.size > 0;
}

struct call *call_new(struct api *api, struct request *request) {
    struct str id = request_header(request, "X-Request-Id");
    struct call *call = calloc(1, sizeof(*call));

    assert(call);
    call->api = api;
    call->request = request;
    call->received_ms = clock_monotonic_ms(&api->world->clock);
    call->resume = call_handle;
    list_init(&call->wait.bucket);
    list_init(&call->wait.slot);
    if (is_visible(id) && id.size < REQUEST_ID_SIZE) {
        memcpy(call->request_id, id.data, id.size);
        call->request_id[id.size] = '\0';
    } else {
        new_id(api, call->request_id);
    }
    return call;
}

void call_free(struct call *call) {
    grant_release(call->grant);
    free(call->accepted);
    free(call);
}

void turn_init(struct turn *turn, struct api *api) {
    *turn = (struct turn){ .api = api, .arena = arena_new() };
    buf_init(&turn->out, ANSWER_SIZE_MAX);
    turn->outgoing = calloc(TURN_CALLS_MAX, sizeof(*turn->outgoing));
    assert(turn->outgoing);
}

void turn_clear(struct turn *turn) {
    assert(turn->starting_count == 0);
    buf_clear(&turn->out);
    arena_free(turn->arena);
    free(turn->outgoing);
}

void turn_end(struct turn *turn) {
    enum { OUT_KEPT = 1024 * 1024 };

    start_publish(turn);
    definitions_release(turn->api->definitions, turn->definition);
    turn->definition = NULL;
    turn->definition_namespace = turn->definition_name = turn->definition_version = STR_NULL;
    if (turn->out.capacity > OUT_KEPT) buf_clear(&turn->out);
    if (!turn->out.data) buf_init(&turn->out, ANSWER_SIZE_MAX);
    arena_reset(turn->arena);
}

/* ---- dispatch ---- */

static void answer_unknown_path(struct turn *turn, struct call *call) {
    struct str path = request_path(call->request), nearest = routes_nearest(path, turn->arena);

    if (nearest.size) {
        answer_problem(turn, call, 404, "There is nothing at '" STR_FMT "'; did you mean '" STR_FMT "'?", STR_ARG(path),
                STR_ARG(nearest));
    } else {
        answer_problem(turn, call, 404, "There is nothing at '" STR_FMT "'; /openapi.json says what there is.", STR_ARG(path));
    }
}

static void answer_other_method(struct turn *turn, struct call *call) {
    struct str allowed = routes_allowed(request_path(call->request), turn->arena);

    call_header(call, "Allow", allowed);
    answer_problem(turn, call, 405, "This takes " STR_FMT ", not " STR_FMT ".", STR_ARG(allowed),
            STR_ARG(request_method(call->request)));
}

void call_handle(struct turn *turn, struct call *call) {
    struct request *request = call->request;

    switch (routes_find(request_method(request), request_path(request), turn->arena, &call->route, call->parameters)) {
    case ROUTE_FOUND: break;
    case ROUTE_OTHER_METHOD: answer_other_method(turn, call); return;
    case ROUTE_UNKNOWN: answer_unknown_path(turn, call); return;
    case ROUTE_MALFORMED: answer_problem(turn, call, 400, "The path is not percent-encoded UTF-8."); return;
    }
    if (!guard_admit(turn, call)) return;
    if (!idempotency_admit(turn, call)) return;
    call->route->handler(turn, call);
}

/* ---- reading ---- */

struct str call_parameter(const struct call *call, size_t index) {
    assert(index < ROUTE_PARAMETERS_MAX);
    return call->parameters[index];
}

static bool query_name_is(const char *name, struct str given, bool *ret_many) {
    struct str known = str_from(name);

    *ret_many = str_ends_with(known, STR("*"));
    if (*ret_many) known.size--;
    return str_equal(known, given);
}

static bool take_query(struct turn *turn, struct call *call, struct str name, struct str value, const char *const *names,
        struct str *values) {
    bool many;

    for (size_t i = 0; names[i]; i++) {
        if (!query_name_is(names[i], name, &many)) continue;
        if (values[i].data && !many) {
            answer_problem(turn, call, 400, "The query parameter '" STR_FMT "' is given twice.", STR_ARG(name));
            return false;
        }
        values[i] = values[i].data ? str_format(turn->arena, STR_FMT "\n" STR_FMT, STR_ARG(values[i]), STR_ARG(value)) : value;
        if (!values[i].data) values[i] = STR("");
        return true;
    }
    struct str known = STR("none");
    for (size_t i = 0; names[i]; i++) {
        size_t size = strlen(names[i]) - (names[i][strlen(names[i]) - 1] == '*');
        known = str_format(turn->arena, STR_FMT "%s%.*s", STR_ARG(i ? known : STR("")), i ? ", " : "", (int)size, names[i]);
    }
    answer_problem(turn, call, 400, "There is no query parameter '" STR_FMT "' here; known: " STR_FMT ".", STR_ARG(name),
            STR_ARG(known));
    return false;
}

bool call_query(struct turn *turn, struct call *call, const char *const *names, size_t count, struct str *ret_values) {
    const char *known[NAMES_MAX + 1] = { NULL };
    struct str rest = request_query(call->request);

    assert(count <= NAMES_MAX);
    for (size_t i = 0; i < count; i++) {
        known[i] = names[i];
        ret_values[i] = STR_NULL;
    }
    while (rest.size) {
        struct str value = str_cut(&rest, '&'), name = str_cut(&value, '=');
        if (name.size == 0 && !value.data) continue;
        if (!percent_decode(name, true, turn->arena, &name) || !percent_decode(value, true, turn->arena, &value)) {
            answer_problem(turn, call, 400, "The query is not percent-encoded UTF-8.");
            return false;
        }
        if (!take_query(turn, call, name, value, known, ret_values)) return false;
    }
    return true;
}

bool call_limit(struct turn *turn, struct call *call, struct str text, uint32_t *ret) {
    int64_t limit = LIMIT_LIST_DEFAULT;

    if (text.data && (!str_to_int64(text, &limit) || limit < 1 || limit > LIMIT_LIST_MAX)) {
        answer_problem(turn, call, 400, "limit is a number from 1 to %d, not '" STR_FMT "'.", LIMIT_LIST_MAX, STR_ARG(text));
        return false;
    }
    *ret = (uint32_t)limit;
    return true;
}

bool is_media_type(struct str content_type, struct str type) {
    struct str rest = content_type;

    if (!str_equal_nocase(str_trim(str_cut(&rest, ';')), type)) return false;
    while (rest.data) {
        struct str value = str_trim(str_cut(&rest, ';')), name = str_cut(&value, '=');
        bool charset = str_equal_nocase(str_trim(name), STR("charset"));
        value = str_trim(value);
        if (charset && !str_equal_nocase(value, STR("utf-8")) && !str_equal_nocase(value, STR("\"utf-8\""))) return false;
    }
    return true;
}

bool call_json(struct turn *turn, struct call *call, struct json *ret) {
    static const struct json_read_options options = { .depth_max = LIMIT_DEPTH, .borrow = true };
    struct str type = request_header(call->request, "Content-Type"), body = request_body(call->request);
    struct err err;

    *ret = (struct json){ .type = JSON_ABSENT };
    if (body.size == 0) return true;
    if (!is_media_type(type, STR("application/json"))) {
        answer_problem(turn, call, 415, "The body has to be application/json in UTF-8, not '" STR_FMT "'.", STR_ARG(type));
        return false;
    }
    if (json_read(body, &options, turn->arena, ret, NULL, &err)) return true;
    answer_err(turn, call, &err);
    return false;
}

struct str pointer_to(struct str parent, struct str key, struct arena *arena) {
    char *text = arena_alloc(arena, parent.size + 1 + 2 * key.size), *to = text;

    if (parent.size) memcpy(to, parent.data, parent.size);
    to += parent.size;
    *to++ = '/';
    for (size_t i = 0; i < key.size; i++) {
        bool escaped = key.data[i] == '~' || key.data[i] == '/';
        if (escaped) *to++ = '~';
        *to++ = !escaped ? key.data[i] : key.data[i] == '~' ? '0' : '1';
    }
    return (struct str){ text, (size_t)(to - text) };
}

void check_members(struct json object, struct str pointer, const char *const *names, size_t count, struct faults *faults) {
    struct str candidates[NAMES_MAX];

    assert(count <= NAMES_MAX);
    for (size_t i = 0; i < count; i++) candidates[i] = str_from(names[i]);
    for (size_t i = 0; i < json_size(object); i++) {
        struct str key = json_member_at(object, i)->key;
        bool known = false;
        for (size_t k = 0; k < count && !known; k++) known = str_equal(candidates[k], key);
        if (known) continue;
        struct str nearest = intake_nearest(key, candidates, count);
        faults_add(faults, pointer_to(pointer, key, faults->arena), "there is no property '" STR_FMT "' here%s" STR_FMT "%s", STR_ARG(key),
                nearest.size ? "; did you mean '" : "", STR_ARG(nearest), nearest.size ? "'?" : "");
    }
}

bool call_object(struct turn *turn, struct call *call, const char *const *names, size_t count, struct json *ret) {
    struct faults faults;

    if (!call_json(turn, call, ret)) return false;
    faults_init(&faults, turn->arena);
    if (json_type(*ret) != JSON_OBJECT) {
        faults_add(&faults, STR(""), "the body has to be an object, not %s",
                json_is_absent(*ret) ? "empty" : json_type_name(*ret));
    } else {
        check_members(*ret, STR(""), names, count, &faults);
    }
    if (faults.count == 0) return true;
    answer_faults(turn, call, &faults, "The body is not what this takes.");
    return false;
}

/* RFC 7240: preferences that are not understood are passed over. */
void call_read_prefer(struct call *call) {
    struct str rest = request_header(call->request, "Prefer");

    while (rest.size) {
        struct str value = str_trim(str_cut(&rest, ',')), name = str_trim(str_cut(&value, '='));
        int64_t seconds;
        if (!str_equal_nocase(name, STR("wait"))) continue;
        value = str_trim(str_slice(value, 0, str_find_char(value, ';')));
        if (str_to_int64(value, &seconds) && seconds > 0) call->wait_s = MIN(seconds, (int64_t)WAIT_S_MAX);
    }
}

static bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool contains_nocase(struct str text, struct str part) {
    for (size_t i = 0; i + part.size <= text.size; i++) {
        if (str_equal_nocase(str_slice(text, i, i + part.size), part)) return true;
    }
    return part.size == 0;
}

bool is_label(struct str text) {
    if (text.size == 0 || text.size > LIMIT_NAME) return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool inside = c == '-' && i > 0 && i + 1 < text.size;
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || inside)) return false;
    }
    return true;
}

bool is_name(struct str text) {
    if (text.size == 0 || text.size > NAME_SIZE_MAX || !is_alphanumeric(text.data[0])) return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!is_alphanumeric(c) && c != '-' && c != '_' && c != '.') return false;
    }
    return true;
}

/* ---- answering ---- */

void call_header(struct call *call, const char *name, struct str value) {
    assert(call->header_count < CALL_HEADERS_MAX);
    call->headers[call->header_count].name = str_from(name);
    call->headers[call->header_count++].value = value;
}

void answer_text(struct turn *turn, struct call *call, int status, struct str content_type, struct str body) {
    struct metrics *metrics = turn->api->world->metrics;
    struct answer answer = { .status = status, .content_type = content_type, .body = body };
    int64_t took_ms = clock_monotonic_ms(&turn->api->world->clock) - call->received_ms;

    if (call->idempotency[0]) idempotency_keep(turn, call, &answer);
    answer.headers[answer.header_count].name = STR("X-Request-Id");
    answer.headers[answer.header_count++].value = str_from(call->request_id);
    for (size_t i = 0; i < call->header_count; i++) {
        answer.headers[answer.header_count].name = call->headers[i].name;
        answer.headers[answer.header_count++].value = call->headers[i].value;
    }
    metrics_add(metrics, METRIC_REQUESTS, 1);
    metrics_observe(metrics, METRIC_REQUEST_SECONDS, (double)took_ms / MS_PER_S);
    request_answer(call->request, &answer);
    call_free(call);
}

void answer_json(struct turn *turn, struct call *call, int status, struct json body) {
    buf_reset(&turn->out);
    json_write(&turn->out, body, JSON_COMPACT);
    answer_text(turn, call, status, STR("application/json"), buf_str(&turn->out));
}

void answer_empty(struct turn *turn, struct call *call, int status) {
    answer_text(turn, call, status, STR_NULL, STR_NULL);
}

static const char *phrase_of(int status) {
    static const struct { int status; const char *phrase; } phrases[] = {
        { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
        { 405, "Method Not Allowed" }, { 406, "Not Acceptable" }, { 409, "Conflict" }, { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
        { 500, "Internal Server Error" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" }, { 507, "Insufficient Storage" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(phrases); i++) {
        if (phrases[i].status == status) return phrases[i].phrase;
    }
    return "Error";
}

static void begin_problem(struct json_writer *writer, struct buf *out, int status, struct str detail) {
    buf_reset(out);
    json_writer_init(writer, out);
    json_begin_object(writer, NULL);
    json_put_c(writer, "type", "about:blank");
    json_put_c(writer, "title", phrase_of(status));
    json_put_int64(writer, "status", status);
    json_put_str(writer, "detail", detail);
}

static void end_problem(struct turn *turn, struct call *call, struct json_writer *writer, int status) {
    json_end_object(writer);
    if (status == 503 || status == 429) call_header(call, "Retry-After", STR("1"));
    answer_text(turn, call, status, STR("application/problem+json"), buf_str(&turn->out));
}

/* Cuts a text that was cut by its size in the middle of a character. */
static struct str whole_characters(struct str text) {
    while (text.size && !str_is_utf8(text)) text.size--;
    return text;
}

void answer_problem(struct turn *turn, struct call *call, int status, const char *format, ...) {
    struct json_writer writer;
    char detail[DETAIL_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    begin_problem(&writer, &turn->out, status, whole_characters(str_from(detail)));
    end_problem(turn, call, &writer, status);
}

void answer_faults(struct turn *turn, struct call *call, const struct faults *faults, const char *detail) {
    struct json_writer writer;

    begin_problem(&writer, &turn->out, 422, str_from(detail));
    json_begin_array(&writer, "errors");
    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *fault = &faults->items[i];
        json_begin_object(&writer, NULL);
        json_put_str(&writer, "pointer", whole_characters(fault->pointer));
        if (fault->line) json_put_int64(&writer, "line", fault->line);
        if (fault->line) json_put_int64(&writer, "column", fault->column);
        json_put_str(&writer, "detail", whole_characters(fault->detail));
        json_end_object(&writer);
    }
    json_end_array(&writer);
    if (faults->left_out) json_put_int64(&writer, "leftOut", (int64_t)faults->left_out);
    end_problem(turn, call, &writer, 422);
}

void answer_err(struct turn *turn, struct call *call, const struct err *err) {
    int status = err_status(err->code);

    if (status < 500) {
        answer_problem(turn, call, status, "%s", err->message);
        return;
    }
    log_event(turn->api->world->log, err_is_retryable(err->code) ? LOG_WARN : LOG_ERROR, "api.failed", "request", call->request_id,
            "route", call->route ? call->route->name : "", "error", err->message, NULL);
    metrics_add(turn->api->world->metrics, METRIC_ERRORS, 1);
    if (err_is_retryable(err->code)) {
        answer_problem(turn, call, status, "Something that this needs is not available at the moment; try again.");
    } else {
        answer_problem(turn, call, status, "This failed inside; the log names it by the request's id.");
    }
}

void answer_page(struct turn *turn, struct call *call, struct json items, struct str next) {
    struct json page = json_object(turn->arena, 2);

    page = json_set(page, STR("items"), items, turn->arena);
    page = json_set(page, STR("next"), next.size ? json_string(next) : json_null(), turn->arena);
    answer_json(turn, call, 200, page);
}

/* ---- texts ---- */

struct json time_json(int64_t time_ms, struct arena *arena) {
    char text[TIME_TEXT_SIZE];

    return time_ms ? json_string_copy(time_format(time_ms, text), arena) : json_null();
}

void put_time(struct json_writer *writer, const char *key, int64_t time_ms) {
    char text[TIME_TEXT_SIZE];

    if (time_ms) json_put_str(writer, key, time_format(time_ms, text));
    else json_put(writer, key, json_null());
}

/* Runs feature files through the REST interface of a real `penstock dev`: the published conformance kit (where PENSTOCK_SHARED has
 * it) and our own scenarios in tests/conformance/features, in the same vocabulary and a few steps more:
 *
 *   Given another workflow with definition:           deployed, not started
 *   When the workflow is started                      as "is executed", but does not wait for the end
 *   When the event is published: / When the signal 'NAME' is sent: / When the workflow is cancelled|suspended|resumed
 *   When it has ended                                 waits for the end of what was started
 *   Then the workflow should wait                     awaits the status waiting
 *   Then the definition should be refused at 'POINTER'
 *   Then the input should be refused at 'POINTER'
 *   Then 'TASK' should have been retried N times
 *   Then the service should have been called N times at '/PATH'
 *   Given the secret 'NAME' is 'VALUE'               in the namespace default; a value that is YAML of a mapping is one
 *   When N ms pass
 *   Then the workflow should be STATUS               awaits it
 *   Then the instances of 'WORKFLOW' should be STATUS  the newest of them, awaited
 *   Then 'TASK' should have been retried after N, N … ms    at least, each
 *   Then the history should be:                      a list of "TYPE" or "TYPE TASK", all of it
 *   Then TASK should not have run
 *
 * Hosts of the kit, and service.test in our own, are rewritten to a server of the test (world.c). Output is TAP. */

#include <dirent.h>
#include <poll.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/buf.h"
#include "common/time.h"
#include "common/yaml.h"
#include "tests/conformance/gherkin.h"
#include "tests/conformance/world.h"
#include "tests/support/rest.h"

enum { FILE_MAX = 1024 * 1024, PATH_MAX_SIZE = 1024, TRIES = 200, TRY_MS = 25, FAILURE_SIZE = 2048 };

struct kit {
    struct rest *rest;
    struct world_server *world;
    struct arena *arena;
    struct str definition;   /* as text, rewritten */
    struct json document;    /* the same, read */
    struct json input;
    struct str id;
    struct json instance;    /* as last answered */
    struct json history;
    struct rest_answer deployed, started;
    char failure[FAILURE_SIZE];
    unsigned number, failed;
};

static PRINTF(2, 3) bool fail(struct kit *kit, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(kit->failure, sizeof(kit->failure), format, arguments);
    va_end(arguments);
    return false;
}

static bool read_yaml(struct kit *kit, struct str text, struct json *ret) {
    struct yaml_limits limits = { FILE_MAX, 64, 100000 };
    struct err err;

    if (yaml_read(text, &limits, kit->arena, ret, &err)) return true;
    return fail(kit, "the scenario's own YAML cannot be read: %s", err.message);
}

static struct str replace_all(struct str text, const char *from, const char *to, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, FILE_MAX * 2);
    for (;;) {
        size_t at = str_find(text, str_from(from));
        buf_append(&buf, str_slice(text, 0, at));
        if (at == text.size) break;
        buf_append_c(&buf, to);
        text = str_slice(text, at + strlen(from), text.size);
    }
    struct str result = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return result;
}

static struct str rewrite(struct kit *kit, struct str text) {
    static const char *const hosts[] = { "https://petstore.swagger.io", "https://httpbin.org", "http://service.test" };

    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) text = replace_all(text, hosts[i], world_url(kit->world), kit->arena);
    return text;
}

/* The first text in single quotes; *rest is what follows. */
static struct str quoted(struct str text, struct str *rest) {
    size_t from = str_find_char(text, '\'');
    struct str inside = str_slice(text, from + 1, text.size);
    size_t to = str_find_char(inside, '\'');

    if (rest) *rest = str_slice(inside, to + 1, inside.size);
    return str_slice(inside, 0, to);
}

/* ---- arrange and act ---- */

static bool deploy(struct kit *kit, struct str definition) {
    /* Scenarios share names and versions: what is there is taken away first. */
    struct json about;

    if (!read_yaml(kit, definition, &kit->document)) return false;
    about = json_get(kit->document, STR("document"));
    const char *path = str_to_c(str_format(kit->arena, "/v1/workflows/" STR_FMT "/" STR_FMT "/" STR_FMT "?force=true",
            STR_ARG(json_str(json_get(about, STR("namespace")))), STR_ARG(json_str(json_get(about, STR("name")))),
            STR_ARG(json_str(json_get(about, STR("version"))))), kit->arena);
    rest_call(kit->rest, "DELETE", path, NULL, STR_NULL, kit->arena);
    kit->deployed = rest_post(kit->rest, "/v1/workflows", "application/yaml", definition, kit->arena);
    return true;
}

/* The same under the version 1.0.N, of the scenario: one that instances ran on is not given away again. */
static struct str renumber(struct kit *kit, struct str definition) {
    struct str version = json_str(json_get(json_get(kit->document, STR("document")), STR("version")));
    size_t key = str_find(definition, STR("version")), at = key + str_find(str_slice(definition, key, definition.size), version);

    return str_format(kit->arena, STR_FMT "1.0.%u" STR_FMT, STR_ARG(str_slice(definition, 0, at)), kit->number,
            STR_ARG(str_slice(definition, at + version.size, definition.size)));
}

static bool must_deploy(struct kit *kit, struct str definition) {
    if (!deploy(kit, definition)) return false;
    if (kit->deployed.status == 409 && !deploy(kit, renumber(kit, definition))) return false;
    if (kit->deployed.status == 201 || kit->deployed.status == 200) return true;
    return fail(kit, "deployment answered %d: " STR_FMT, kit->deployed.status, STR_ARG(kit->deployed.body));
}

static bool start(struct kit *kit, bool wait) {
    struct json about = json_get(kit->document, STR("document")), body = json_object(kit->arena, 1);
    const char *const headers[] = { "Content-Type: application/json", wait ? "Prefer: wait=20" : NULL, NULL };

    if (kit->deployed.status == 0 && !must_deploy(kit, kit->definition)) return false;
    about = json_get(kit->document, STR("document"));
    const char *path = str_to_c(str_format(kit->arena, "/v1/workflows/" STR_FMT "/" STR_FMT "/instances",
            STR_ARG(json_str(json_get(about, STR("namespace")))), STR_ARG(json_str(json_get(about, STR("name"))))), kit->arena);
    if (!json_is_absent(kit->input)) body = json_set(body, STR("input"), kit->input, kit->arena);
    body = json_set(body, STR("version"), json_get(about, STR("version")), kit->arena);
    kit->started = rest_call(kit->rest, "POST", path, headers, json_to_str(body, kit->arena), kit->arena);
    kit->instance = kit->started.json;
    kit->id = json_str(json_get(kit->instance, STR("id")));
    return true;
}

static bool must_start(struct kit *kit, bool wait) {
    if (!start(kit, wait)) return false;
    if (kit->id.size) return true;
    return fail(kit, "the start answered %d: " STR_FMT, kit->started.status, STR_ARG(kit->started.body));
}

static const char *instance_path(struct kit *kit, const char *below) {
    return str_to_c(str_format(kit->arena, "/v1/instances/" STR_FMT "%s", STR_ARG(kit->id), below), kit->arena);
}

static bool refresh(struct kit *kit) {
    kit->instance = rest_get(kit->rest, instance_path(kit, ""), kit->arena).json;
    return !json_is_absent(kit->instance) || fail(kit, "the instance cannot be read");
}

static struct str status_of(struct kit *kit) {
    return json_str(json_get(kit->instance, STR("status")));
}

/* Looks until the status is one of two. */
static bool await_status(struct kit *kit, const char *wanted, bool or_ended) {
    for (int i = 0; i < TRIES; i++) {
        if (!refresh(kit)) return false;
        bool ended = str_equal(status_of(kit), STR("completed")) || str_equal(status_of(kit), STR("faulted"))
                || str_equal(status_of(kit), STR("cancelled"));
        if ((wanted && str_equal(status_of(kit), str_from(wanted))) || (or_ended && ended)) return true;
        poll(NULL, 0, TRY_MS);
    }
    return fail(kit, "the workflow is %.*s after %d ms", STR_ARG(status_of(kit)), TRIES * TRY_MS);
}

static bool command(struct kit *kit, const char *below, struct json body) {
    struct str text = json_is_absent(body) ? STR("{}") : json_to_str(body, kit->arena);
    struct rest_answer answer = rest_post(kit->rest, instance_path(kit, below), "application/json", text, kit->arena);

    if (answer.status >= 200 && answer.status < 300) return true;
    return fail(kit, "%s answered %d: " STR_FMT, below, answer.status, STR_ARG(answer.body));
}

static bool publish(struct kit *kit, struct str document) {
    struct str text = replace_all(document, "{id}", str_to_c(kit->id, kit->arena), kit->arena);
    struct json event;

    if (!read_yaml(kit, text, &event)) return false;
    struct rest_answer answer = rest_post(kit->rest, "/v1/events", "application/cloudevents+json", json_to_str(event, kit->arena), kit->arena);
    return answer.status == 202 || fail(kit, "the event was answered %d: " STR_FMT, answer.status, STR_ARG(answer.body));
}

static bool send_signal(struct kit *kit, const struct gherkin_step *step) {
    struct json data = { .type = JSON_ABSENT };

    if (step->document.data && !read_yaml(kit, step->document, &data)) return false;
    struct str name = quoted(step->text, NULL);
    return command(kit, str_to_c(str_format(kit->arena, "/signals/" STR_FMT, STR_ARG(name)), kit->arena), data);
}

static bool put_secret(struct kit *kit, struct str text) {
    struct json value, body = json_object(kit->arena, 1);
    struct str rest, name = quoted(text, &rest), given = quoted(rest, NULL);

    if (!read_yaml(kit, given, &value)) return false;
    if (json_type(value) != JSON_OBJECT) value = json_string(given);
    body = json_set(body, STR("value"), value, kit->arena);
    const char *path = str_to_c(str_format(kit->arena, "/v1/secrets/default/" STR_FMT, STR_ARG(name)), kit->arena);
    const char *const headers[] = { "Content-Type: application/json", NULL };
    struct rest_answer answer = rest_call(kit->rest, "PUT", path, headers, json_to_str(body, kit->arena), kit->arena);
    return (answer.status >= 200 && answer.status < 300) || fail(kit, "the secret was answered %d: " STR_FMT, answer.status, STR_ARG(answer.body));
}

/* The first number of a text, and what follows it; -1: none. */
static int64_t take_number(struct str *text) {
    int64_t number = 0;

    while (text->size && (text->data[0] < '0' || text->data[0] > '9')) *text = str_slice(*text, 1, text->size);
    if (!text->size) return -1;
    for (; text->size && text->data[0] >= '0' && text->data[0] <= '9'; *text = str_slice(*text, 1, text->size)) {
        number = number * 10 + (text->data[0] - '0');
    }
    return number;
}

/* ---- assert ---- */

static struct json at_path(struct json value, struct str path) {
    while (path.size) {
        struct str key = str_cut(&path, '.');
        int64_t index;
        bool is_item = json_type(value) == JSON_ARRAY && str_to_int64(key, &index) && index >= 0;
        value = is_item ? json_at(value, (size_t)index) : json_get(value, key);
    }
    return value;
}

/* Numbers equal by value, so that 1 and 1.0 do. */
static bool same(struct json expected, struct json actual) {
    return json_compare(expected, actual) == 0;
}

static bool completed(struct kit *kit) {
    if (!await_status(kit, NULL, true)) return false;
    if (str_equal(status_of(kit), STR("completed"))) return true;
    return fail(kit, "it is %.*s: " STR_FMT, STR_ARG(status_of(kit)), STR_ARG(json_to_str(json_get(kit->instance, STR("error")), kit->arena)));
}

static bool equals_document(struct kit *kit, const struct gherkin_step *step, struct json actual) {
    struct json expected;

    if (!read_yaml(kit, rewrite(kit, step->document), &expected)) return false;
    if (same(expected, actual)) return true;
    return fail(kit, "expected " STR_FMT ", got " STR_FMT, STR_ARG(json_to_str(expected, kit->arena)), STR_ARG(json_to_str(actual, kit->arena)));
}

/* Errors are compared by the keys that the scenario gives. */
static bool error_has(struct kit *kit, const struct gherkin_step *step, struct json error) {
    struct json expected;

    if (!read_yaml(kit, step->document, &expected)) return false;
    for (size_t i = 0; i < json_size(expected); i++) {
        const struct json_member *member = json_member_at(expected, i);
        if (same(member->value, json_get(error, member->key))) continue;
        return fail(kit, "the error's '" STR_FMT "': expected " STR_FMT ", got " STR_FMT, STR_ARG(member->key),
                STR_ARG(json_to_str(member->value, kit->arena)), STR_ARG(json_to_str(error, kit->arena)));
    }
    return true;
}

static bool faulted(struct kit *kit, const struct gherkin_step *step) {
    if (!await_status(kit, NULL, true)) return false;
    if (!str_equal(status_of(kit), STR("faulted"))) return fail(kit, "it is %.*s", STR_ARG(status_of(kit)));
    return !step->document.data || error_has(kit, step, json_get(kit->instance, STR("error")));
}

static bool has_properties(struct kit *kit, struct str text) {
    struct json output = json_get(kit->instance, STR("output"));
    struct str rest = text;

    while (str_find_char(rest, '\'') < rest.size) {
        struct str path = quoted(rest, &rest);
        if (json_is_absent(at_path(output, path))) {
            return fail(kit, "the output has no '" STR_FMT "': " STR_FMT, STR_ARG(path), STR_ARG(json_to_str(output, kit->arena)));
        }
    }
    return true;
}

static bool load_history(struct kit *kit) {
    struct str cursor = STR_NULL;

    if (!json_is_absent(kit->history)) return true;
    kit->history = json_array(kit->arena, 16);
    do {
        const char *path = instance_path(kit, str_to_c(str_format(kit->arena, "/history?limit=500%s" STR_FMT, cursor.size ? "&cursor=" : "",
                STR_ARG(cursor)), kit->arena));
        struct json page = rest_get(kit->rest, path, kit->arena).json, items = json_get(page, STR("items"));
        for (size_t i = 0; i < json_size(items); i++) kit->history = json_append(kit->history, json_at(items, i), kit->arena);
        cursor = json_str(json_get(page, STR("next")));
    } while (cursor.size);
    return json_size(kit->history) > 0 || fail(kit, "there is no history");
}

static struct str last_token(struct str pointer) {
    size_t at = pointer.size;

    while (at > 0 && pointer.data[at - 1] != '/') at--;
    return str_slice(pointer, at, pointer.size);
}

/* The nth fact of a type, of a task by name (empty: any); -1: none. */
static int find_fact(struct kit *kit, const char *type, struct str task, bool last) {
    int found = -1;

    for (size_t i = 0; i < json_size(kit->history); i++) {
        struct json row = json_at(kit->history, i);
        if (!str_equal(json_str(json_get(row, STR("type"))), str_from(type))) continue;
        if (task.size && !str_equal(last_token(json_str(json_get(row, STR("task")))), task)) continue;
        found = (int)i;
        if (!last) break;
    }
    return found;
}

static bool ran_at(struct kit *kit, struct str task, bool last) {
    if (!load_history(kit)) return false;
    int own = find_fact(kit, "task.started", task, last), any = find_fact(kit, "task.started", STR_NULL, last);
    if (own >= 0 && own == any) return true;
    return fail(kit, "'" STR_FMT "' did not run %s", STR_ARG(task), last ? "last" : "first");
}

static bool ran_before(struct kit *kit, struct str first, struct str second) {
    if (!load_history(kit)) return false;
    int a = find_fact(kit, "task.started", first, false), b = find_fact(kit, "task.started", second, false);
    return (a >= 0 && b >= 0 && a < b) || fail(kit, "'" STR_FMT "' did not run before '" STR_FMT "'", STR_ARG(first), STR_ARG(second));
}

static bool task_ended(struct kit *kit, const struct gherkin_step *step, struct str task, const char *type) {
    if (!load_history(kit)) return false;
    int at = find_fact(kit, type, task, true);
    if (at < 0) return fail(kit, "'" STR_FMT "' has no %s", STR_ARG(task), type);
    struct json data = json_get(json_at(kit->history, (size_t)at), STR("data"));
    if (!step->document.data) return true;
    if (strcmp(type, "task.faulted") == 0) return error_has(kit, step, json_get(data, STR("error")));
    return equals_document(kit, step, json_get(data, STR("output")));
}

static bool retried(struct kit *kit, struct str task, struct str text) {
    int64_t wanted = 0, count = 0;
    struct str rest = text;

    if (!load_history(kit)) return false;
    while (rest.size && !str_to_int64(str_cut(&rest, ' '), &wanted)) continue;
    for (size_t i = 0; i < json_size(kit->history); i++) {
        struct json row = json_at(kit->history, i);
        count += str_equal(json_str(json_get(row, STR("type"))), STR("task.retried"))
                && str_equal(last_token(json_str(json_get(row, STR("task")))), task);
    }
    return count == wanted || fail(kit, "'" STR_FMT "' was retried %d times", STR_ARG(task), (int)count);
}

/* The attempt behind each retry began so much later, at least. */
static bool retried_after(struct kit *kit, struct str task, struct str text) {
    size_t count = json_size(kit->history), found = 0;

    if (!load_history(kit)) return false;
    count = json_size(kit->history);
    for (size_t i = 0; i < count; i++) {
        struct json row = json_at(kit->history, i), next = { .type = JSON_ABSENT };
        struct str own = json_str(json_get(row, STR("task")));
        if (!str_equal(json_str(json_get(row, STR("type"))), STR("task.retried")) || !str_equal(last_token(own), task)) continue;
        for (size_t k = i + 1; k < count && json_is_absent(next); k++) {
            bool inside = str_starts_with(json_str(json_get(json_at(kit->history, k), STR("task"))), own);
            if (inside && str_equal(json_str(json_get(json_at(kit->history, k), STR("type"))), STR("task.started"))) next = json_at(kit->history, k);
        }
        int64_t retried_at, started_at, wanted = take_number(&text);
        bool timed = time_parse(json_str(json_get(row, STR("time"))), &retried_at) && time_parse(json_str(json_get(next, STR("time"))), &started_at);
        if (wanted < 0 || !timed) return fail(kit, "retry %d was not expected, or has no attempt", (int)found + 1);
        if (started_at - retried_at < wanted) return fail(kit, "retry %d came after %d ms", (int)found + 1, (int)(started_at - retried_at));
        found++;
    }
    return take_number(&text) < 0 || fail(kit, "there were %d retries", (int)found);
}

static bool history_is(struct kit *kit, const struct gherkin_step *step) {
    struct json told = json_array(kit->arena, 16);

    if (!await_status(kit, NULL, true) || !load_history(kit)) return false;
    for (size_t i = 0; i < json_size(kit->history); i++) {
        struct json row = json_at(kit->history, i);
        struct str type = json_str(json_get(row, STR("type"))), task = last_token(json_str(json_get(row, STR("task"))));
        told = json_append(told, json_string_format(kit->arena, STR_FMT "%s" STR_FMT, STR_ARG(type), task.size ? " " : "", STR_ARG(task)),
                kit->arena);
    }
    return equals_document(kit, step, told);
}

/* The newest instance of another workflow. */
static bool await_other(struct kit *kit, struct str text) {
    struct str rest, name = quoted(text, &rest), wanted = str_trim(rest), status = STR_NULL;
    const char *path = str_to_c(str_format(kit->arena, "/v1/instances?workflow=" STR_FMT "&limit=1", STR_ARG(name)), kit->arena);

    while (wanted.size && str_find_char(wanted, ' ') < wanted.size) str_cut(&wanted, ' ');
    for (int i = 0; i < TRIES; i++) {
        struct json items = json_get(rest_get(kit->rest, path, kit->arena).json, STR("items"));
        status = json_str(json_get(json_at(items, 0), STR("status")));
        if (str_equal(status, wanted)) return true;
        poll(NULL, 0, TRY_MS);
    }
    return fail(kit, "the newest is '" STR_FMT "'", STR_ARG(status));
}

static bool refused(struct kit *kit, struct rest_answer answer, struct str pointer) {
    struct json errors = json_get(answer.json, STR("errors"));

    if (answer.status != 422) return fail(kit, "it was answered %d: " STR_FMT, answer.status, STR_ARG(answer.body));
    for (size_t i = 0; i < json_size(errors); i++) {
        if (str_equal(json_str(json_get(json_at(errors, i), STR("pointer"))), pointer)) return true;
    }
    return fail(kit, "no fault at '" STR_FMT "': " STR_FMT, STR_ARG(pointer), STR_ARG(answer.body));
}

static bool called(struct kit *kit, struct str text) {
    struct str path = quoted(text, NULL), rest = text;
    int64_t wanted = -1;

    while (rest.size && !str_to_int64(str_cut(&rest, ' '), &wanted)) continue;
    int count = world_calls(kit->world, path);
    return count == wanted || fail(kit, "'" STR_FMT "' was called %d times", STR_ARG(path), count);
}

/* ---- steps ---- */

static bool check_output(struct kit *kit, const struct gherkin_step *step) {
    struct json output = json_get(kit->instance, STR("output"));
    struct str rest, path = quoted(step->text, &rest);
    int64_t count = -1;

    if (str_find(step->text, STR("should have properties")) < step->text.size) return has_properties(kit, step->text);
    if (str_find(step->text, STR("with value")) < step->text.size) return equals_document(kit, step, at_path(output, path));
    rest = str_trim(rest);
    while (rest.size && !str_to_int64(str_cut(&rest, ' '), &count)) continue;
    int64_t size = (int64_t)json_size(at_path(output, path));
    return size == count || fail(kit, "'" STR_FMT "' has %d items", STR_ARG(path), (int)size);
}

static bool check_task(struct kit *kit, const struct gherkin_step *step) {
    struct str rest = step->text, task = str_cut(&rest, ' ');

    if (task.size > 1 && task.data[0] == '\'') task = str_slice(task, 1, task.size - 1);
    if (str_starts_with(rest, STR("should run first"))) return ran_at(kit, task, false);
    if (str_starts_with(rest, STR("should run last"))) return ran_at(kit, task, true);
    if (str_starts_with(rest, STR("should run before "))) return ran_before(kit, task, str_slice(rest, 18, rest.size));
    if (str_starts_with(rest, STR("should run after "))) return ran_before(kit, str_slice(rest, 17, rest.size), task);
    if (str_starts_with(rest, STR("should cancel"))) return task_ended(kit, step, task, "task.cancelled");
    if (str_starts_with(rest, STR("should complete"))) return task_ended(kit, step, task, "task.completed");
    if (str_starts_with(rest, STR("should fault"))) return task_ended(kit, step, task, "task.faulted");
    if (str_starts_with(rest, STR("should have been retried after"))) return retried_after(kit, task, str_slice(rest, 30, rest.size));
    if (str_starts_with(rest, STR("should have been retried"))) return retried(kit, task, rest);
    if (str_starts_with(rest, STR("should not have run"))) {
        if (!load_history(kit)) return false;
        return find_fact(kit, "task.started", task, false) < 0 || fail(kit, "'" STR_FMT "' ran", STR_ARG(task));
    }
    return fail(kit, "the step is not known");
}

static bool act(struct kit *kit, const struct gherkin_step *step, bool *known) {
    struct str text = step->text;

    *known = true;
    if (str_starts_with(text, STR("a workflow with definition"))) {
        kit->definition = rewrite(kit, step->document);
        return true;
    }
    if (str_starts_with(text, STR("another workflow with definition"))) {
        bool ok = must_deploy(kit, rewrite(kit, step->document));
        kit->deployed = (struct rest_answer){ .status = 0 };
        return ok;
    }
    if (str_starts_with(text, STR("the workflow input is"))) return read_yaml(kit, rewrite(kit, step->document), &kit->input);
    if (str_starts_with(text, STR("the workflow is executed"))) return must_start(kit, true);
    if (str_starts_with(text, STR("the workflow is started"))) return must_start(kit, false);
    if (str_starts_with(text, STR("the event is published"))) return publish(kit, step->document);
    if (str_starts_with(text, STR("the signal "))) return send_signal(kit, step);
    if (str_starts_with(text, STR("the workflow is cancelled"))) return command(kit, "/cancel", (struct json){ .type = JSON_ABSENT });
    if (str_starts_with(text, STR("the workflow is suspended"))) {
        return command(kit, "/suspend", (struct json){ .type = JSON_ABSENT }) && await_status(kit, "suspended", true);
    }
    if (str_starts_with(text, STR("the workflow is resumed"))) return command(kit, "/resume", (struct json){ .type = JSON_ABSENT });
    if (str_starts_with(text, STR("it has ended"))) return await_status(kit, NULL, true);
    if (str_starts_with(text, STR("the secret "))) return put_secret(kit, text);
    if (str_ends_with(text, STR(" ms pass"))) {
        poll(NULL, 0, (int)take_number(&text));
        return true;
    }
    *known = false;
    return true;
}

static bool run_step(struct kit *kit, const struct gherkin_step *step) {
    struct str text = step->text;
    bool known, ok = act(kit, step, &known);

    if (known) return ok;
    if (str_starts_with(text, STR("the workflow output should"))) return completed(kit) && check_output(kit, step);
    if (str_starts_with(text, STR("the workflow should complete with output"))) {
        return completed(kit) && equals_document(kit, step, json_get(kit->instance, STR("output")));
    }
    if (str_starts_with(text, STR("the workflow should complete"))) return completed(kit);
    if (str_starts_with(text, STR("the workflow should fault"))) return faulted(kit, step);
    if (str_starts_with(text, STR("the workflow should cancel"))) return await_status(kit, "cancelled", false);
    if (str_starts_with(text, STR("the workflow should wait"))) return await_status(kit, "waiting", false);
    if (str_starts_with(text, STR("the workflow should be "))) {
        return await_status(kit, str_to_c(str_slice(text, 23, text.size), kit->arena), false);
    }
    if (str_starts_with(text, STR("the history should be"))) return history_is(kit, step);
    if (str_starts_with(text, STR("the instances of "))) return await_other(kit, text);
    if (str_starts_with(text, STR("the workflow context should be"))) {
        return refresh(kit) && equals_document(kit, step, json_get(kit->instance, STR("context")));
    }
    if (str_starts_with(text, STR("the definition should be refused"))) {
        return deploy(kit, kit->definition) && refused(kit, kit->deployed, quoted(text, NULL));
    }
    if (str_starts_with(text, STR("the input should be refused"))) {
        return start(kit, false) && refused(kit, kit->started, quoted(text, NULL));
    }
    if (str_starts_with(text, STR("the service should have been called"))) return called(kit, text);
    return check_task(kit, step);
}

static void run_scenario(struct kit *kit, const char *file, const struct gherkin_scenario *scenario) {
    const struct gherkin_step *failed = NULL;

    kit->definition = kit->id = STR_NULL;
    kit->document = kit->input = kit->instance = kit->history = (struct json){ .type = JSON_ABSENT };
    kit->deployed = kit->started = (struct rest_answer){ .status = 0 };
    world_reset(kit->world);
    bool openapi = false;
    for (size_t i = 0; i < scenario->step_count; i++) {
        openapi |= str_find(scenario->steps[i].document, STR("call: openapi")) < scenario->steps[i].document.size;
    }
    kit->number++;
    if (openapi) {
        printf("ok %u - %s: " STR_FMT " # SKIP OpenAPI calls are not part of this build\n", kit->number, file, STR_ARG(scenario->name));
        return;
    }
    for (size_t i = 0; i < scenario->step_count && !failed; i++) {
        if (!run_step(kit, &scenario->steps[i])) failed = &scenario->steps[i];
    }
    printf("%s %u - %s: " STR_FMT "\n", failed ? "not ok" : "ok", kit->number, file, STR_ARG(scenario->name));
    if (!failed) return;
    printf("# line %u: " STR_FMT "\n# %s\n", failed->line, STR_ARG(failed->text), kit->failure);
    kit->failed++;
}

static struct str read_file(const char *path, struct arena *arena) {
    char *text = arena_alloc(arena, FILE_MAX);
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(text, 1, FILE_MAX, file) : 0;

    if (file) fclose(file);
    return (struct str){ text, size };
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void run_folder(struct kit *kit, const char *folder, const char *only) {
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, by_name);

    if (count < 0) {
        printf("ok %u - %s # SKIP it is not there\n", ++kit->number, folder);
        return;
    }
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX_SIZE];
        struct gherkin_feature feature;
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        bool wanted = str_ends_with(str_from(path), STR(".feature")) && (!only || strstr(path, only));
        if (wanted) {
            arena_reset(kit->arena);
            gherkin_read(read_file(path, kit->arena), kit->arena, &feature);
            for (size_t s = 0; s < feature.scenario_count; s++) run_scenario(kit, entries[i]->d_name, &feature.scenarios[s]);
        }
        free(entries[i]);
    }
    free(entries);
}

/* Arguments: one, the part of a feature file's name to run alone. PENSTOCK_URL: a Penstock that runs already (either stack). */
int main(int argc, char **argv) {
    const char *shared = getenv("PENSTOCK_SHARED"), *url = getenv("PENSTOCK_URL");
    struct kit kit = { .arena = arena_new() };
    char folder[PATH_MAX_SIZE];
    struct dev dev = { .pid = 0 };

    setvbuf(stdout, NULL, _IOLBF, 0);
    unsetenv("PENSTOCK_SHARED");
    unsetenv("PENSTOCK_URL");
    kit.world = world_open();
    if (!url && !dev_start(&dev, "kit", NULL)) return 1;
    kit.rest = rest_new(url ? url : dev.url);
    run_folder(&kit, "tests/conformance/features", argc > 1 ? argv[1] : NULL);
    snprintf(folder, sizeof(folder), "%s/spec/ctk/features", shared ? shared : "../shared");
    run_folder(&kit, folder, argc > 1 ? argv[1] : NULL);
    printf("1..%u\n", kit.number);
    rest_free(kit.rest);
    if (!url) dev_remove(&dev);
    world_close(kit.world);
    arena_free(kit.arena);
    return kit.failed ? 1 : 0;
}

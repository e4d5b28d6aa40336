/* Commands to instances: suspend, resume, cancel, terminate, signals. They are durable when they are answered. */

#include "bus/bus.h"
#include "common/arena.h"
#include "common/limits.h"
#include "common/time.h"
#include "core/instance.h"
#include "ledger/ledger.h"
#include "services/api/api_internal.h"
#include "services/api/await.h"
#include "services/api/call.h"
#include "services/api/handlers.h"
#include "services/api/idempotency.h"
#include "services/api/view.h"
#include "wire/wire.h"

/* Answers and is false unless the instance is there and goes on. */
static bool find_running(struct turn *turn, struct call *call, struct str id) {
    const struct instance *instance;
    struct loaded loaded;

    if (!await_find(turn, call, id, &loaded, &instance)) return false;
    bool ended = instance_has_ended(instance);
    if (ended) answer_problem(turn, call, 409, "The instance has ended: it is %s.", instance_status_name(instance->status));
    await_release(turn, &loaded);
    return !ended;
}

static void publish(struct turn *turn, struct call *call, const struct outgoing *message, struct json body) {
    struct str location = view_location(message->key, turn->arena);
    struct err err;

    if (message->value.size > LIMIT_MESSAGE) {
        answer_problem(turn, call, 413, "This has %zu bytes; %d are possible.", message->value.size, LIMIT_MESSAGE);
        return;
    }
    if (!bus_publish(turn->api->world->bus, message, 1, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    call_header(call, "Location", location);
    answer_json(turn, call, 202, body);
}

/* A body has nothing to say here; `{}` is taken. */
static bool has_no_body(struct turn *turn, struct call *call) {
    struct json body;

    return request_body(call->request).size == 0 || call_object(turn, call, NULL, 0, &body);
}

static void command(struct turn *turn, struct call *call, enum message_kind kind) {
    struct str id = call_parameter(call, 0);
    struct json body = json_object(turn->arena, 2);
    char message_id[UUID_TEXT_SIZE];

    if (!has_no_body(turn, call) || !find_running(turn, call, id)) return;
    struct str text = wire_encode(kind, idempotency_id(call, message_id), clock_now_ms(&turn->api->world->clock),
            json_object(turn->arena, 0), turn->arena);
    body = json_set(body, STR("id"), json_string(id), turn->arena);
    body = json_set(body, STR("requested"), json_string(str_from(message_name(kind))), turn->arena);
    publish(turn, call, &(struct outgoing){ .topic = TOPIC_ORCHESTRATOR, .key = id, .value = text }, body);
}

void control_suspend(struct turn *turn, struct call *call) {
    command(turn, call, MESSAGE_SUSPEND);
}

void control_resume(struct turn *turn, struct call *call) {
    command(turn, call, MESSAGE_RESUME);
}

void control_cancel(struct turn *turn, struct call *call) {
    command(turn, call, MESSAGE_CANCEL);
}

void control_terminate(struct turn *turn, struct call *call) {
    command(turn, call, MESSAGE_TERMINATE);
}

/* ---- signals ---- */

static struct json make_event(struct turn *turn, struct str event_id, struct str instance, struct str name, struct json data) {
    struct arena *arena = turn->arena;
    struct json event = json_object(arena, 8);

    event = json_set(event, STR("specversion"), json_string(STR("1.0")), arena);
    event = json_set(event, STR("id"), json_string(event_id), arena);
    event = json_set(event, STR("source"), json_string(STR("/penstock/api")), arena);
    event = json_set(event, STR("type"), json_string_format(arena, "io.penstock.signal." STR_FMT ".v1", STR_ARG(name)), arena);
    event = json_set(event, STR("subject"), json_string(instance), arena);
    event = json_set(event, STR("time"), time_json(clock_now_ms(&turn->api->world->clock), arena), arena);
    event = json_set(event, STR("datacontenttype"), json_string(STR("application/json")), arena);
    return json_set(event, STR("data"), json_is_absent(data) ? json_null() : data, arena);
}

void control_signal(struct turn *turn, struct call *call) {
    struct str id = call_parameter(call, 0), name = call_parameter(call, 1);
    struct json data, body = json_object(turn->arena, 3), message = json_object(turn->arena, 1);
    char text[UUID_TEXT_SIZE];

    if (!is_name(name)) {
        answer_problem(turn, call, 422, "A signal's name has 1 to 63 letters, digits, '-', '_' and '.', and begins with a letter or digit.");
        return;
    }
    if (!call_json(turn, call, &data) || !find_running(turn, call, id)) return;
    struct str event_id = idempotency_id(call, text);
    message = json_set(message, STR("event"), make_event(turn, event_id, id, name, data), turn->arena);
    struct str value = wire_encode(MESSAGE_SIGNAL, event_id, clock_now_ms(&turn->api->world->clock), message, turn->arena);
    body = json_set(body, STR("id"), json_string(id), turn->arena);
    body = json_set(body, STR("signal"), json_string(name), turn->arena);
    body = json_set(body, STR("event"), json_string(event_id), turn->arena);
    publish(turn, call, &(struct outgoing){ .topic = TOPIC_ORCHESTRATOR, .key = id, .value = value }, body);
}

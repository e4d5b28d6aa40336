/* Executor and integration on a bus and a store in memory, against real servers: a TASK goes in, an ANSWER comes out. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "calls/connection.h"
#include "calls/secrets.h"
#include "common/arena.h"
#include "common/hash.h"
#include "common/limits.h"
#include "http/server.h"
#include "runtime/loop.h"
#include "services/executor/executor.h"
#include "services/integration/integration.h"
#include "tests/support/bus_fixture.h"
#include "wire/wire.h"

#define MASTER_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { WAIT_MS = 20 * 1000, KEPT_MAX = 2048, PORT_TEXT = 8 };

/* ---- the outside ---- */

/* What a server was asked, and the requests whose answers it owes. */
struct outside {
    struct server *server;
    char port[PORT_TEXT];
    pthread_mutex_t lock;
    struct buf heard; /* a line for each request: METHOD PATH?QUERY IDEMPOTENCY-KEY AUTHORIZATION BODY */
    size_t count;
    struct request *kept[KEPT_MAX];
    size_t kept_count;
};

static void answer_with(struct request *request, int status, const char *type, struct str body) {
    struct answer answer = { .status = status, .content_type = str_from(type), .body = body };

    request_answer(request, &answer);
}

static void note(struct outside *outside, struct request *request) {
    struct str method = request_method(request), path = request_path(request), query = request_query(request);
    struct str key = request_header(request, "idempotency-key"), authorization = request_header(request, "authorization");
    struct str body = request_body(request);

    buf_append_format(&outside->heard, STR_FMT " " STR_FMT "?" STR_FMT " " STR_FMT " " STR_FMT " " STR_FMT "\n", STR_ARG(method), STR_ARG(path),
            STR_ARG(query), STR_ARG(key), STR_ARG(authorization), STR_ARG(body));
    outside->count++;
}

static void echo(struct request *request) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct json echoed = json_object(arena, 4);

    echoed = json_set(echoed, STR("path"), json_string(request_path(request)), arena);
    echoed = json_set(echoed, STR("authorization"), json_string(request_header(request, "authorization")), arena);
    echoed = json_set(echoed, STR("api-key"), json_string(request_header(request, "x-api-key")), arena);
    echoed = json_set(echoed, STR("body"), json_string(request_body(request)), arena);
    answer_with(request, 200, "application/json", json_to_str(echoed, arena));
}

static void ask_for_digest(struct request *request) {
    struct str given = request_header(request, "authorization");
    struct answer answer = { .status = 401, .header_count = 1 };

    if (str_starts_with(given, STR("Digest username=\"me\"")) && str_find(given, STR("response=\"")) < given.size) {
        answer_with(request, 200, "application/json", STR("{\"in\":true}"));
        return;
    }
    answer.headers[0].name = STR("WWW-Authenticate");
    answer.headers[0].value = STR("Digest realm=\"here\", nonce=\"n0nce\", qop=\"auth\", algorithm=SHA-256");
    request_answer(request, &answer);
}

static void on_request(void *user, struct request *request) {
    struct outside *outside = user;
    struct str path = request_path(request);
    int64_t status;

    pthread_mutex_lock(&outside->lock);
    note(outside, request);
    bool keep = str_starts_with(path, STR("/keep"));
    if (keep) outside->kept[outside->kept_count++] = request;
    pthread_mutex_unlock(&outside->lock);
    if (keep) return;
    if (str_starts_with(path, STR("/status/")) && str_to_int64(str_slice(path, 8, path.size), &status)) {
        answer_with(request, (int)status, "text/plain", STR("as you wished"));
    } else if (str_equal(path, STR("/digest"))) {
        ask_for_digest(request);
    } else if (str_equal(path, STR("/large"))) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        /* Each of these takes six bytes in JSON. */
        char *text = arena_alloc(arena, LIMIT_BODY);
        memset(text, 1, LIMIT_BODY);
        answer_with(request, 200, "text/plain", (struct str){ text, LIMIT_BODY });
    } else if (str_equal(path, STR("/not-json"))) {
        answer_with(request, 200, "application/json", STR("<html>"));
    } else {
        echo(request);
    }
}

static size_t heard_count(struct outside *outside) {
    pthread_mutex_lock(&outside->lock);
    size_t count = outside->count;
    pthread_mutex_unlock(&outside->lock);
    return count;
}

static bool was_heard(struct outside *outside, const char *part) {
    pthread_mutex_lock(&outside->lock);
    struct str heard = buf_str(&outside->heard);
    bool found = heard.size && memmem(heard.data, heard.size, part, strlen(part));
    pthread_mutex_unlock(&outside->lock);
    return found;
}

/* Takes the kept request of this path out; NULL if it has not come. */
static struct request *take_kept(struct outside *outside, const char *path) {
    struct request *found = NULL;

    pthread_mutex_lock(&outside->lock);
    for (size_t i = 0; i < outside->kept_count && !found; i++) {
        if (!str_equal(request_path(outside->kept[i]), str_from(path))) continue;
        found = outside->kept[i];
        outside->kept[i] = outside->kept[--outside->kept_count];
    }
    pthread_mutex_unlock(&outside->lock);
    return found;
}

/* A server that hangs up on its first calls, and answers the later ones. */
struct breaker {
    int listener;
    int breaks_left; /* atomic */
    int count;       /* atomic */
    char port[PORT_TEXT];
    pthread_t thread;
};

static void serve_one(struct breaker *breaker, int connection) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\nback";
    char request[4096];

    ssize_t size = recv(connection, request, sizeof(request), 0);
    __atomic_fetch_add(&breaker->count, 1, __ATOMIC_SEQ_CST);
    if (size > 0 && __atomic_fetch_sub(&breaker->breaks_left, 1, __ATOMIC_SEQ_CST) <= 0) {
        size = send(connection, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    }
    close(connection);
}

static void *run_breaker(void *user) {
    struct breaker *breaker = user;

    for (;;) {
        int connection = accept(breaker->listener, NULL, NULL);
        if (connection < 0) return NULL;
        serve_one(breaker, connection);
    }
}

/* A port of loopback; with `listening` 0 nobody listens there. */
static int bind_port(int listening, char port[PORT_TEXT]) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int handle = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(handle, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(handle, (struct sockaddr *)&address, &size), 0);
    if (listening) assert_int_equal(listen(handle, 16), 0);
    snprintf(port, PORT_TEXT, "%u", ntohs(address.sin_port));
    return handle;
}

static void breaker_open(struct breaker *breaker, int breaks) {
    *breaker = (struct breaker){ .breaks_left = breaks };
    breaker->listener = bind_port(1, breaker->port);
    pthread_create(&breaker->thread, NULL, run_breaker, breaker);
}

static void breaker_close(struct breaker *breaker) {
    shutdown(breaker->listener, SHUT_RDWR);
    pthread_join(breaker->thread, NULL);
    close(breaker->listener);
}

/* ---- the inside ---- */

struct fixture {
    struct arena *arena;
    struct config config;
    struct world world;
    struct loop *executor, *integration;
    struct consumer *answers;
    struct inbox inbox;
    struct outside outside;
    int serial;
};

static void open_loops(struct fixture *fixture) {
    struct err err;

    if (!loop_open(&fixture->world, &executor_service, &fixture->executor, &err)) fail_msg("%s", err.message);
    if (!loop_open(&fixture->world, &integration_service, &fixture->integration, &err)) fail_msg("%s", err.message);
}

static void close_loops(struct fixture *fixture) {
    loop_close(fixture->executor);
    loop_close(fixture->integration);
}

static int set_up(void **state) {
    static const enum topic topics[] = { TOPIC_ORCHESTRATOR, TOPIC_DEAD, TOPIC_NONE };
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct server_options options = { .listen = "127.0.0.1:0" };
    struct bus_options bus_options = { .client_id = "test" };
    struct consumer_callbacks callbacks = { NULL, NULL, NULL };
    struct err err;

    assert_non_null(fixture);
    fixture->arena = arena_new();
    fixture->config = (struct config){ .executor_in_flight = 1000, .egress = "any", .master_key = MASTER_KEY };
    fixture->world = (struct world){ .config = &fixture->config, .clock = clock_system(), .log = log_new("test", LOG_DEBUG),
        .metrics = metrics_new(), .name = "test" };
    assert_true(store_open("memory:", 1000, &fixture->world.store, &err));
    assert_true(bus_open("memory:", &bus_options, &fixture->world.bus, &err));
    assert_true(consumer_open(fixture->world.bus, "test", topics, &callbacks, &fixture->answers, &err));
    pthread_mutex_init(&fixture->outside.lock, NULL);
    buf_init(&fixture->outside.heard, LIMIT_RESPONSE_UNPACKED);
    assert_true(server_open(&options, on_request, &fixture->outside, &fixture->outside.server, &err));
    snprintf(fixture->outside.port, sizeof(fixture->outside.port), "%u", server_port(fixture->outside.server));
    open_loops(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    close_loops(fixture);
    for (size_t i = 0; i < fixture->outside.kept_count; i++) answer_with(fixture->outside.kept[i], 200, "", STR(""));
    server_close(fixture->outside.server, 1000);
    buf_clear(&fixture->outside.heard);
    consumer_close(fixture->answers);
    inbox_clear(&fixture->inbox);
    bus_close(fixture->world.bus);
    store_close(fixture->world.store);
    metrics_free(fixture->world.metrics);
    log_free(fixture->world.log);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static void turn(struct fixture *fixture) {
    loop_turn(fixture->executor, 2);
    loop_turn(fixture->integration, 2);
    inbox_poll(&fixture->inbox, fixture->answers, 0);
}

#define TURN_UNTIL(fixture, condition)                                                                                 \
    do {                                                                                                               \
        int64_t end = clock_monotonic_ms(&(fixture)->world.clock) + WAIT_MS;                                           \
        while (!(condition) && clock_monotonic_ms(&(fixture)->world.clock) < end) turn(fixture);                       \
        assert_true(condition);                                                                                        \
    } while (0)

static void turn_a_few(struct fixture *fixture) {
    for (int i = 0; i < 20; i++) turn(fixture);
}

static void publish(struct fixture *fixture, enum topic topic, struct str key, struct str value) {
    struct outgoing message = { .topic = topic, .key = key, .value = value };
    struct err err;

    assert_true(bus_publish(fixture->world.bus, &message, 1, &err));
}

/* `text` with the server's port in place of each PORT. */
static struct str with_port(struct fixture *fixture, const char *text) {
    struct str rest = str_from(text), result = STR("");

    while (rest.data) {
        size_t at = str_find(rest, STR("PORT"));
        bool found = at < rest.size;
        result = str_format(fixture->arena, STR_FMT STR_FMT "%s", STR_ARG(result), STR_ARG(str_slice(rest, 0, at)),
                found ? fixture->outside.port : "");
        rest = found ? str_slice(rest, at + 4, rest.size) : STR_NULL;
    }
    return result;
}

/* `call` is the JSON of a task's `call`, in which PORT is the server's; `more` is put behind it (", \"deadlineAt\": 1"). */
static void send_task(struct fixture *fixture, enum topic topic, const char *instance, const char *command, const char *call,
        const char *more) {
    struct str text = with_port(fixture, call);
    struct str value = str_format(fixture->arena,
            "{\"kind\":\"task\",\"sent\":1,\"body\":{\"instance\":\"%s\",\"namespace\":\"shop\",\"task\":\"/do/0/x\",\"command\":\"%s\","
            "\"key\":\"%s/%s/1\",\"what\":\"%s\",\"call\":" STR_FMT "%s}}",
            instance, command, instance, command, topic == TOPIC_EXECUTOR ? "http" : "connection", STR_ARG(text), more);
    publish(fixture, topic, str_from(instance), value);
}

/* The body of the ANSWER to a command; absent if it has not come. */
static struct json answer_to(struct fixture *fixture, const char *instance, const char *command) {
    for (size_t i = 0; i < fixture->inbox.count; i++) {
        const struct received *received = &fixture->inbox.items[i];
        struct wire_message message;
        struct err err;
        if (received->topic != TOPIC_ORCHESTRATOR || strcmp(received->key, instance) != 0) continue;
        struct str text = { received->value, received->value_size };
        if (!wire_decode(text, fixture->arena, &message, &err)) fail_msg("%s", err.message);
        assert_int_equal(message.kind, MESSAGE_ANSWER);
        if (str_equal(json_str(json_get(message.body, STR("command"))), str_from(command))) return message.body;
    }
    return (struct json){ .type = JSON_ABSENT };
}

static struct json await_answer(struct fixture *fixture, const char *instance, const char *command) {
    TURN_UNTIL(fixture, !json_is_absent(answer_to(fixture, instance, command)));
    return answer_to(fixture, instance, command);
}

static struct json call(struct fixture *fixture, enum topic topic, const char *task, const char *more) {
    char instance[32];

    snprintf(instance, sizeof(instance), "instance-%d", ++fixture->serial);
    send_task(fixture, topic, instance, "4.1", task, more);
    return await_answer(fixture, instance, "4.1");
}

static const char *text_of(struct fixture *fixture, struct json value) {
    return str_to_c(json_to_str(value, fixture->arena), fixture->arena);
}

static void check_output(struct fixture *fixture, struct json answer, const char *expected) {
    if (!json_bool_or(json_get(answer, STR("ok")), false)) fail_msg("%s", text_of(fixture, answer));
    assert_string_equal(text_of(fixture, json_get(answer, STR("output"))), expected);
}

static void check_error(struct fixture *fixture, struct json answer, const char *type, int status, bool answered) {
    struct json error = json_get(answer, STR("error"));

    if (json_bool_or(json_get(answer, STR("ok")), true)) fail_msg("no error: %s", text_of(fixture, answer));
    bool same = str_ends_with(json_str(json_get(error, STR("type"))), str_from(type))
            && json_int64_or(json_get(error, STR("status")), 0) == status
            && json_bool_or(json_get(answer, STR("answered")), !answered) == answered;
    if (!same) fail_msg("%s", text_of(fixture, answer));
}

/* All messages are done with, and would not come again. */
static void check_all_done(struct fixture *fixture) {
    TURN_UNTIL(fixture, loop_lag(fixture->executor) == 0 && loop_lag(fixture->integration) == 0);
}

/* ---- http ---- */

static void test_a_call_is_answered(void **state) {
    struct fixture *fixture = *state;
    struct json answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/orders\",\"with\":{\"method\":\"post\","
                                                      "\"query\":{\"a\":1},\"body\":{\"n\":9007199254740993}}}", "");

    check_output(fixture, answer, "{\"path\":\"/orders\",\"authorization\":\"\",\"api-key\":\"\",\"body\":\"{\\\"n\\\":9007199254740993}\"}");
    assert_true(was_heard(&fixture->outside, "POST /orders?a=1 instance-1/4.1/1  {\"n\":9007199254740993}\n"));
    check_all_done(fixture);
    assert_int_equal(metrics_get(fixture->world.metrics, METRIC_TASKS_DONE), 1);
    assert_int_equal(metrics_get(fixture->world.metrics, METRIC_TASKS_IN_FLIGHT), 0);
}

static void test_statuses(void **state) {
    struct fixture *fixture = *state;
    struct json answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/status/404\",\"with\":{\"method\":\"get\"}}", "");

    check_error(fixture, answer, "/communication", 404, true);
    assert_true(str_equal(json_str(json_pointer_get(answer, STR("/error/title"))), STR("Not Found")));
    assert_true(str_equal(json_str(json_pointer_get(answer, STR("/error/detail"))), STR("as you wished")));
    answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/status/304\",\"with\":{\"method\":\"get\"}}", "");
    check_error(fixture, answer, "/communication", 304, true);
    answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/not-json\",\"with\":{\"method\":\"get\"}}", "");
    check_error(fixture, answer, "/communication", 500, true);
}

static void test_what_is_too_large_for_a_message(void **state) {
    struct fixture *fixture = *state;
    struct json answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/large\",\"with\":{\"method\":\"get\"}}", "");

    check_error(fixture, answer, "/communication", 500, true);
    assert_non_null(strstr(text_of(fixture, answer), "that a message takes"));
}

static void test_authentications(void **state) {
    struct fixture *fixture = *state;
    struct json answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/digest\",\"with\":{\"method\":\"get\"},"
                                                      "\"authentication\":{\"digest\":{\"username\":\"me\",\"password\":\"pass\"}}}", "");

    check_output(fixture, answer, "{\"in\":true}");
    call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/b\",\"with\":{\"method\":\"get\"},"
                                  "\"authentication\":{\"basic\":{\"username\":\"me\",\"password\":\"pass\"}}}", "");
    assert_true(was_heard(&fixture->outside, "Basic bWU6cGFzcw=="));
    call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/c\",\"with\":{\"method\":\"get\"},"
                                  "\"authentication\":{\"bearer\":{\"token\":\"t0ken\"}}}", "");
    assert_true(was_heard(&fixture->outside, "Bearer t0ken"));
}

static void test_nobody_there(void **state) {
    struct fixture *fixture = *state;
    char port[PORT_TEXT], task[128];
    int handle = bind_port(0, port);

    snprintf(task, sizeof(task), "{\"uri\":\"http://127.0.0.1:%s/\",\"with\":{\"method\":\"get\"}}", port);
    check_error(fixture, call(fixture, TOPIC_EXECUTOR, task, ""), "/communication", 500, false);
    check_error(fixture, call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://nobody.invalid/\",\"with\":{\"method\":\"get\"}}", ""),
            "/communication", 500, false);
    close(handle);
}

static void test_no_answer_is_tried_again_under_the_same_key(void **state) {
    struct fixture *fixture = *state;
    struct breaker breaker;
    char task[128];

    breaker_open(&breaker, 2);
    snprintf(task, sizeof(task), "{\"uri\":\"http://127.0.0.1:%s/\",\"with\":{\"method\":\"post\",\"body\":1}}", breaker.port);
    check_output(fixture, call(fixture, TOPIC_EXECUTOR, task, ""), "\"back\"");
    assert_int_equal(__atomic_load_n(&breaker.count, __ATOMIC_SEQ_CST), 3);
    breaker_close(&breaker);

    breaker_open(&breaker, 100);
    snprintf(task, sizeof(task), "{\"uri\":\"http://127.0.0.1:%s/\",\"with\":{\"method\":\"post\",\"body\":1}}", breaker.port);
    check_error(fixture, call(fixture, TOPIC_EXECUTOR, task, ""), "/communication", 500, false);
    assert_int_equal(__atomic_load_n(&breaker.count, __ATOMIC_SEQ_CST), 3);
    breaker_close(&breaker);
}

static void test_where_calls_may_not_go(void **state) {
    struct fixture *fixture = *state;

    close_loops(fixture);
    fixture->config.egress = "public";
    open_loops(fixture);
    struct json answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/\",\"with\":{\"method\":\"get\"}}", "");
    check_error(fixture, answer, "/authorization", 403, true);
    assert_non_null(strstr(text_of(fixture, answer), "loopback"));
    answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:99999/\",\"with\":{\"method\":\"get\"}}", "");
    check_error(fixture, answer, "/configuration", 400, true);
    assert_int_equal(heard_count(&fixture->outside), 0);
}

static void test_past_its_deadline_nothing_is_sent(void **state) {
    struct fixture *fixture = *state;

    send_task(fixture, TOPIC_EXECUTOR, "i", "1.1", "{\"uri\":\"http://127.0.0.1:PORT/\",\"with\":{\"method\":\"get\"}}", ",\"deadlineAt\":1000");
    check_all_done(fixture);
    assert_int_equal(heard_count(&fixture->outside), 0);
    turn_a_few(fixture);
    assert_int_equal(metrics_get(fixture->world.metrics, METRIC_TASKS_DONE), 0);
    assert_true(json_is_absent(answer_to(fixture, "i", "1.1")));
}

/* ---- order, repeats, cancels ---- */

static void test_answers_come_in_any_order(void **state) {
    struct fixture *fixture = *state;
    struct request *slow;

    /* One key: one partition, and so one order of offsets. */
    send_task(fixture, TOPIC_EXECUTOR, "i", "1.1", "{\"uri\":\"http://127.0.0.1:PORT/keep/slow\",\"with\":{\"method\":\"get\"}}", "");
    for (int i = 2; i < 6; i++) {
        char command[16];
        snprintf(command, sizeof(command), "%d.1", i);
        send_task(fixture, TOPIC_EXECUTOR, "i", command, "{\"uri\":\"http://127.0.0.1:PORT/fast\",\"with\":{\"method\":\"get\"}}", "");
    }
    for (int i = 2; i < 6; i++) {
        char command[16];
        snprintf(command, sizeof(command), "%d.1", i);
        await_answer(fixture, "i", command);
    }
    assert_true(json_is_absent(answer_to(fixture, "i", "1.1")));
    assert_int_equal(loop_lag(fixture->executor), 1);

    /* What is behind the slow one is done with: after a restart only the slow one comes again. */
    close_loops(fixture);
    size_t before = heard_count(&fixture->outside);
    open_loops(fixture);
    TURN_UNTIL(fixture, heard_count(&fixture->outside) > before);
    turn_a_few(fixture);
    assert_int_equal(heard_count(&fixture->outside), before + 1);
    while ((slow = take_kept(&fixture->outside, "/keep/slow"))) answer_with(slow, 200, "", STR(""));
    await_answer(fixture, "i", "1.1");
    check_all_done(fixture);
}

static void test_a_command_under_way_is_not_sent_again(void **state) {
    struct fixture *fixture = *state;
    struct request *kept = NULL;
    static const char task[] = "{\"uri\":\"http://127.0.0.1:PORT/keep/x\",\"with\":{\"method\":\"get\"}}";

    for (int i = 0; i < 3; i++) send_task(fixture, TOPIC_EXECUTOR, "i", "1.1", task, "");
    send_task(fixture, TOPIC_EXECUTOR, "i", "2.1", task, "");
    TURN_UNTIL(fixture, heard_count(&fixture->outside) == 2);
    turn_a_few(fixture);
    assert_int_equal(heard_count(&fixture->outside), 2);
    assert_int_equal(metrics_get(fixture->world.metrics, METRIC_DUPLICATES_DROPPED), 2);
    while ((kept = take_kept(&fixture->outside, "/keep/x"))) answer_with(kept, 200, "", STR(""));
    await_answer(fixture, "i", "1.1");
    await_answer(fixture, "i", "2.1");
    check_all_done(fixture);
    assert_int_equal(fixture->inbox.count, 2);
}

static void cancel(struct fixture *fixture, const char *instance, const char *command) {
    struct str value = str_format(fixture->arena,
            "{\"kind\":\"task.cancel\",\"sent\":1,\"body\":{\"instance\":\"%s\",\"command\":\"%s\",\"what\":\"http\"}}", instance, command);

    publish(fixture, TOPIC_EXECUTOR, str_from(instance), value);
}

static void test_a_cancelled_call_is_done_with(void **state) {
    struct fixture *fixture = *state;

    send_task(fixture, TOPIC_EXECUTOR, "i", "1.1", "{\"uri\":\"http://127.0.0.1:PORT/keep/x\",\"with\":{\"method\":\"get\"}}", "");
    TURN_UNTIL(fixture, heard_count(&fixture->outside) == 1);
    cancel(fixture, "i", "1.1");
    cancel(fixture, "i", "unknown");
    check_all_done(fixture);
    TURN_UNTIL(fixture, metrics_get(fixture->world.metrics, METRIC_TASKS_IN_FLIGHT) == 0);
    turn_a_few(fixture);
    assert_int_equal(fixture->inbox.count, 0);
    /* The command may come again, and is a call like any other. */
    send_task(fixture, TOPIC_EXECUTOR, "i", "1.1", "{\"uri\":\"http://127.0.0.1:PORT/x\",\"with\":{\"method\":\"get\"}}", "");
    await_answer(fixture, "i", "1.1");
}

static void test_a_cancel_before_the_start(void **state) {
    struct fixture *fixture = *state;

    fixture->config.executor_in_flight = 1;
    close_loops(fixture);
    open_loops(fixture);
    send_task(fixture, TOPIC_EXECUTOR, "i", "1.1", "{\"uri\":\"http://127.0.0.1:PORT/keep/x\",\"with\":{\"method\":\"get\"}}", "");
    send_task(fixture, TOPIC_EXECUTOR, "i", "2.1", "{\"uri\":\"http://127.0.0.1:PORT/never\",\"with\":{\"method\":\"get\"}}", "");
    cancel(fixture, "i", "2.1");
    TURN_UNTIL(fixture, heard_count(&fixture->outside) == 1);
    answer_with(take_kept(&fixture->outside, "/keep/x"), 200, "", STR(""));
    await_answer(fixture, "i", "1.1");
    check_all_done(fixture);
    assert_int_equal(heard_count(&fixture->outside), 1);
}

static void test_what_cannot_be_read_is_a_dead_letter(void **state) {
    static const char *const bad[] = { "{", "{\"kind\":\"nothing\"}", "{\"kind\":\"answer\",\"body\":{}}", "{\"kind\":\"task\",\"body\":{}}",
        "{\"kind\":\"task\",\"body\":{\"instance\":\"i\",\"command\":\"1.1\"}}" };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) publish(fixture, TOPIC_EXECUTOR, STR("i"), str_from(bad[i]));
    char *large = arena_alloc(fixture->arena, LIMIT_MESSAGE - 100);
    memset(large, 'x', LIMIT_MESSAGE - 100);
    publish(fixture, TOPIC_EXECUTOR, STR("i"), (struct str){ large, LIMIT_MESSAGE - 100 });
    TURN_UNTIL(fixture, fixture->inbox.count == ARRAY_SIZE(bad) + 1);
    check_all_done(fixture);
    for (size_t i = 0; i < fixture->inbox.count; i++) {
        struct wire_message message;
        struct str text = { fixture->inbox.items[i].value, fixture->inbox.items[i].value_size }, original;
        struct err err;
        assert_int_equal(fixture->inbox.items[i].topic, TOPIC_DEAD);
        assert_true(wire_decode(text, fixture->arena, &message, &err));
        assert_int_equal(message.kind, MESSAGE_DEAD);
        assert_true(str_equal(json_str(json_get(message.body, STR("topic"))), STR("penstock.executor")));
        assert_true(json_str(json_get(message.body, STR("reason"))).size > 0);
        assert_true(base64_decode(json_str(json_get(message.body, STR("message"))), fixture->arena, &original));
        assert_true(original.size > 0);
    }
    assert_int_equal(metrics_get(fixture->world.metrics, METRIC_DEAD_LETTERS), (int64_t)ARRAY_SIZE(bad) + 1);
}

static void test_many_at_once(void **state) {
    enum { MANY = 500 };
    struct fixture *fixture = *state;

    for (int i = 0; i < MANY; i++) {
        char instance[32];
        snprintf(instance, sizeof(instance), "many-%d", i);
        send_task(fixture, TOPIC_EXECUTOR, instance, "1.1", "{\"uri\":\"http://127.0.0.1:PORT/keep/all\",\"with\":{\"method\":\"get\"}}", "");
    }
    /* The server takes 100 connections from one address; the rest waits with the client. */
    TURN_UNTIL(fixture, metrics_get(fixture->world.metrics, METRIC_TASKS_IN_FLIGHT) == MANY);
    for (int answered = 0; answered < MANY;) {
        struct request *kept = take_kept(&fixture->outside, "/keep/all");
        if (kept) answer_with(kept, 200, "", STR(""));
        answered += kept != NULL;
        if (!kept) turn(fixture);
    }
    TURN_UNTIL(fixture, fixture->inbox.count == MANY);
    check_all_done(fixture);
}

static void test_the_inbox_is_held_back(void **state) {
    enum { MANY = 100, AT_ONCE = 10 };
    struct fixture *fixture = *state;

    fixture->config.executor_in_flight = AT_ONCE;
    close_loops(fixture);
    open_loops(fixture);
    for (int i = 0; i < MANY; i++) {
        char instance[32];
        snprintf(instance, sizeof(instance), "many-%d", i);
        send_task(fixture, TOPIC_EXECUTOR, instance, "1.1", "{\"uri\":\"http://127.0.0.1:PORT/keep/all\",\"with\":{\"method\":\"get\"}}", "");
    }
    int answered = 0;
    while (answered < MANY) {
        assert_true(metrics_get(fixture->world.metrics, METRIC_TASKS_IN_FLIGHT) <= AT_ONCE);
        struct request *kept = take_kept(&fixture->outside, "/keep/all");
        if (kept) answer_with(kept, 200, "", STR(""));
        answered += kept != NULL;
        turn(fixture);
    }
    TURN_UNTIL(fixture, fixture->inbox.count == MANY);
    check_all_done(fixture);
}

/* ---- secrets and connections ---- */

static void put_secret(struct fixture *fixture, const char *name, const char *value) {
    struct secrets *secrets;
    struct json json;
    struct err err;

    assert_true(secrets_new(fixture->world.store, MASTER_KEY, &fixture->world.clock, &secrets, &err));
    assert_true(json_read(str_from(value), NULL, fixture->arena, &json, NULL, &err));
    assert_true(secrets_put(secrets, STR("shop"), str_from(name), json, &err));
    secrets_free(secrets);
}

static void put_connection(struct fixture *fixture, const char *name, const char *text) {
    struct str body = with_port(fixture, text);
    struct secrets *secrets;
    struct json json;
    struct err err;
    bool won;

    assert_true(secrets_new(fixture->world.store, MASTER_KEY, &fixture->world.clock, &secrets, &err));
    assert_true(json_read(body, NULL, fixture->arena, &json, NULL, &err));
    assert_true(connection_seal(secrets, (struct secret_place){ STR("shop"), str_from(name) }, json, fixture->arena, &json, &err));
    struct record record = { .id = str_format(fixture->arena, "shop/%s", name), .version = 1, .fields = json_object(fixture->arena, 0),
        .body = json_to_str(json, fixture->arena) };
    assert_true(store_compare_and_set(fixture->world.store, COLLECTION_CONNECTIONS, &record, 0, &won, &err) && won);
    secrets_free(secrets);
}

#define SCOPE                                                                                                          \
    ",\"scope\":{\"now\":1,\"variables\":{\"input\":{\"id\":7},\"workflow\":{\"definition\":{\"use\":{\"secrets\":[\"api\",\"gone\"]}}}}}"

static void test_expressions_read_secrets(void **state) {
    struct fixture *fixture = *state;

    put_secret(fixture, "api", "{\"key\":\"canary-key\"}");
    struct json answer = call(fixture, TOPIC_EXECUTOR,
            "{\"uri\":\"http://127.0.0.1:PORT/x\",\"with\":{\"method\":\"post\",\"headers\":{\"X-Api-Key\":null},\"body\":{\"deep\":[null]}}}",
            ",\"deferred\":[{\"pointer\":\"/with/headers/X-Api-Key\",\"text\":\"$secrets.api.key\"},"
            "{\"pointer\":\"/with/body/deep/0\",\"text\":\"\\\"\\\\($input.id)-\\\\($secrets.api.key)\\\"\"}]" SCOPE);
    check_output(fixture, answer, "{\"path\":\"/x\",\"authorization\":\"\",\"api-key\":\"***\",\"body\":\"{\\\"deep\\\":[\\\"7-***\\\"]}\"}");
    assert_true(was_heard(&fixture->outside, "{\"deep\":[\"7-canary-key\"]}"));
}

static void test_a_missing_secret_is_an_authorization_error(void **state) {
    struct fixture *fixture = *state;
    struct json answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/x\",\"with\":{\"method\":\"get\",\"headers\":{\"A\":null}}}",
            ",\"deferred\":[{\"pointer\":\"/with/headers/A\",\"text\":\"$secrets.gone\"}]" SCOPE);

    check_error(fixture, answer, "/authorization", 403, true);
    answer = call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/x\",\"with\":{\"method\":\"get\"},"
                                          "\"authentication\":{\"bearer\":{\"use\":\"gone\"}}}", "");
    check_error(fixture, answer, "/authorization", 403, true);
    assert_int_equal(heard_count(&fixture->outside), 0);
}

static void test_authentication_from_a_secret(void **state) {
    struct fixture *fixture = *state;

    put_secret(fixture, "pair", "{\"username\":\"me\",\"password\":\"pass\"}");
    put_secret(fixture, "bearer", "{\"token\":\"t0ken-1\"}");
    put_secret(fixture, "plain", "\"t0ken-2\"");
    call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/b\",\"with\":{\"method\":\"get\"},\"authentication\":{\"basic\":{\"use\":\"pair\"}}}", "");
    assert_true(was_heard(&fixture->outside, "Basic bWU6cGFzcw=="));
    call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/b\",\"with\":{\"method\":\"get\"},\"authentication\":{\"bearer\":{\"use\":\"bearer\"}}}", "");
    assert_true(was_heard(&fixture->outside, "Bearer t0ken-1"));
    call(fixture, TOPIC_EXECUTOR, "{\"uri\":\"http://127.0.0.1:PORT/b\",\"with\":{\"method\":\"get\"},\"authentication\":{\"bearer\":{\"use\":\"plain\"}}}", "");
    assert_true(was_heard(&fixture->outside, "Bearer t0ken-2"));
}

static void test_calls_through_a_connection(void **state) {
    struct fixture *fixture = *state;

    put_connection(fixture, "erp", "{\"type\":\"http\",\"settings\":{\"baseUrl\":\"http://127.0.0.1:PORT/base/\",\"headers\":{\"X-Api-Key\":\"canary-h\",\"X-Pin-Token\":\"42\"}},"
                                   "\"authentication\":{\"bearer\":{\"token\":\"canary-t\"}}}");
    struct json answer = call(fixture, TOPIC_INTEGRATION,
            "{\"with\":{\"connection\":\"erp\",\"method\":\"put\",\"path\":\"/orders/1\",\"query\":{\"q\":\"a b\"},\"body\":{\"a\":1},\"output\":\"response\"}}", "");
    assert_true(was_heard(&fixture->outside, "PUT /base/orders/1?q=a%20b instance-1/4.1/1 Bearer canary-t {\"a\":1}\n"));
    const char *text = text_of(fixture, answer);
    assert_null(strstr(text, "canary"));
    assert_non_null(strstr(text, "\"X-Pin-Token\":\"***\""));
    assert_non_null(strstr(text, "\"statusCode\":200"));

    answer = call(fixture, TOPIC_INTEGRATION, "{\"with\":{\"connection\":\"erp\",\"method\":\"get\",\"path\":\"../admin\"}}", "");
    check_error(fixture, answer, "/configuration", 400, true);
    answer = call(fixture, TOPIC_INTEGRATION, "{\"with\":{\"connection\":\"nope\",\"method\":\"get\"}}", "");
    check_error(fixture, answer, "/configuration", 400, true);
    assert_non_null(strstr(text_of(fixture, answer), "'nope'"));
    answer = call(fixture, TOPIC_INTEGRATION, "{\"with\":{\"connection\":\"other/erp\",\"method\":\"get\"}}", "");
    check_error(fixture, answer, "/configuration", 400, true);
    assert_int_equal(heard_count(&fixture->outside), 1);
}

/* I15: planted secrets are in no message, log or error; only the server they are for hears them. */
static void test_secrets_go_to_their_server_alone(void **state) {
    static const char *const tasks[] = {
        "{\"uri\":\"http://127.0.0.1:PORT/x\",\"with\":{\"method\":\"post\",\"output\":\"response\",\"headers\":{\"X-Api-Key\":null},\"query\":{\"k\":null},\"body\":null}}",
        "{\"uri\":\"http://127.0.0.1:1/\",\"with\":{\"method\":\"post\",\"headers\":{\"X-Api-Key\":null},\"query\":{\"k\":null},\"body\":null}}",
        "{\"uri\":\"http://127.0.0.1:PORT/status/500\",\"with\":{\"method\":\"post\",\"output\":\"all\",\"headers\":{\"X-Api-Key\":null},\"query\":{\"k\":null},\"body\":null}}",
    };
    static const char deferred[] = ",\"deferred\":[{\"pointer\":\"/with/headers/X-Api-Key\",\"text\":\"$secrets.api.key\"},"
                                   "{\"pointer\":\"/with/query/k\",\"text\":\"$secrets.api.key\"},"
                                   "{\"pointer\":\"/with/body\",\"text\":\"$secrets.api\"}]" SCOPE;
    static const char fails[] = ",\"deferred\":[{\"pointer\":\"/with/body\",\"text\":\"$secrets.api.key | tonumber\"}]" SCOPE;
    static const char uri[] = ",\"deferred\":[{\"pointer\":\"/uri\",\"text\":\"\\\"ftp://\\\\($secrets.api.key)/\\\"\"}]" SCOPE;
    struct fixture *fixture = *state;
    FILE *log = tmpfile();
    int before = dup(STDERR_FILENO);
    static char written[1024 * 1024];

    assert_non_null(log);
    dup2(fileno(log), STDERR_FILENO);
    put_secret(fixture, "api", "{\"key\":\"canary-0x1\"}");
    put_secret(fixture, "gone", "\"canary-0x2\"");
    put_connection(fixture, "erp", "{\"type\":\"http\",\"settings\":{\"baseUrl\":\"http://127.0.0.1:PORT/\"},"
                                   "\"authentication\":{\"basic\":{\"username\":\"me\",\"password\":\"canary-0x3\"}}}");
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) call(fixture, TOPIC_EXECUTOR, tasks[i], deferred);
    call(fixture, TOPIC_EXECUTOR, tasks[0], fails);
    call(fixture, TOPIC_EXECUTOR, tasks[0], uri);
    call(fixture, TOPIC_INTEGRATION, "{\"with\":{\"connection\":\"erp\",\"method\":\"get\",\"output\":\"response\"}}", "");
    call(fixture, TOPIC_INTEGRATION, "{\"with\":{\"connection\":\"erp\",\"method\":\"get\",\"path\":\"/status/500\"}}", "");
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);

    rewind(log);
    size_t size = fread(written, 1, sizeof(written), log);
    assert_null(memmem(written, size, "canary", 6));
    fclose(log);
    assert_true(was_heard(&fixture->outside, "canary-0x1"));
    assert_true(was_heard(&fixture->outside, "bWU6Y2FuYXJ5LTB4Mw==")); /* me:canary-0x3 */
    assert_int_equal(fixture->inbox.count, 7);
    for (size_t i = 0; i < fixture->inbox.count; i++) {
        assert_null(strstr(fixture->inbox.items[i].value, "canary"));
        assert_null(strstr(fixture->inbox.items[i].value, "bWU6Y2Fu"));
        assert_null(strstr(fixture->inbox.items[i].value, "Y2FuYXJ5")); /* canary */
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_call_is_answered),
        TEST(test_statuses),
        TEST(test_what_is_too_large_for_a_message),
        TEST(test_authentications),
        TEST(test_nobody_there),
        TEST(test_no_answer_is_tried_again_under_the_same_key),
        TEST(test_where_calls_may_not_go),
        TEST(test_past_its_deadline_nothing_is_sent),
        TEST(test_answers_come_in_any_order),
        TEST(test_a_command_under_way_is_not_sent_again),
        TEST(test_a_cancelled_call_is_done_with),
        TEST(test_a_cancel_before_the_start),
        TEST(test_what_cannot_be_read_is_a_dead_letter),
        TEST(test_many_at_once),
        TEST(test_the_inbox_is_held_back),
        TEST(test_expressions_read_secrets),
        TEST(test_a_missing_secret_is_an_authorization_error),
        TEST(test_authentication_from_a_secret),
        TEST(test_calls_through_a_connection),
        TEST(test_secrets_go_to_their_server_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/api/harness.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"
#include "ledger/ledger.h"
#include "services/api/api.h"
#include "system/queue.h"
#include "system/thread.h"
#include "wire/wire.h"

enum { POLL_MS = 20, ANSWER_MS = 70 * 1000, REPLY_MAX = 32 * 1024 * 1024, SEEN_SIZE = 64 * 1024 };

/* What was published to a topic, for tests to look at. */
static struct {
    struct lock *lock;
    size_t count;
    char newest[SEEN_SIZE];
} seen[TOPIC_COUNT];

static void note_seen(const struct message *message) {
    lock_acquire(seen[message->topic].lock);
    size_t size = MIN(message->value.size, (size_t)SEEN_SIZE - 1);
    memcpy(seen[message->topic].newest, message->value.data, size);
    seen[message->topic].newest[size] = '\0';
    seen[message->topic].count++;
    lock_release(seen[message->topic].lock);
}

size_t harness_count(struct harness *harness, enum topic topic) {
    (void)harness;
    lock_acquire(seen[topic].lock);
    size_t count = seen[topic].count;
    lock_release(seen[topic].lock);
    return count;
}

const char *harness_newest(struct harness *harness, enum topic topic) {
    lock_acquire(seen[topic].lock);
    const char *newest = str_copy(str_from(seen[topic].newest), harness->arena).data;
    lock_release(seen[topic].lock);
    return newest;
}

/* ---- the orchestrator: one message, one entry, one head ---- */

void harness_behave(struct harness *harness, struct behaviour behaviour) {
    lock_acquire(harness->lock);
    harness->behaviour = behaviour;
    lock_release(harness->lock);
}

static struct behaviour behaviour_of(struct harness *harness) {
    lock_acquire(harness->lock);
    struct behaviour behaviour = harness->behaviour;
    lock_release(harness->lock);
    return behaviour;
}

static bool is_stopping(const struct harness *harness) {
    return __atomic_load_n(&harness->stopping, __ATOMIC_ACQUIRE) != 0;
}

static void say(struct harness *harness, struct str id, struct json body, struct arena *arena) {
    struct str text = wire_encode(MESSAGE_STATUS, STR_NULL, 1, body, arena);
    struct err err;

    if (behaviour_of(harness).is_silent) return;
    if (!bus_publish(harness->world.bus, &(struct outgoing){ .topic = TOPIC_RESULTS, .key = id, .value = text }, 1, &err)) {
        fprintf(stderr, "harness: %s\n", err.message);
    }
}

static void say_status(struct harness *harness, const struct instance *instance, bool is_start, bool is_new, struct arena *arena) {
    struct json body = json_object(arena, 8), snapshot;
    struct buf text;
    struct err err;

    body = json_set(body, STR("id"), json_string(instance->id), arena);
    body = json_set(body, STR("version"), json_int64(instance->version, arena), arena);
    body = json_set(body, STR("status"), json_string(str_from(instance_status_name(instance->status))), arena);
    if (is_start) {
        struct str hash = behaviour_of(harness).says_foreign_hash ? STR("another") : instance->hash;
        body = json_set(body, STR("started"), json_bool(is_new), arena);
        body = json_set(body, STR("hash"), json_string(hash), arena);
    }
    if (instance_has_ended(instance) && !behaviour_of(harness).sends_no_snapshot) {
        buf_init(&text, LIMIT_RECORD);
        instance_encode(instance, &text);
        if (json_read(str_copy(buf_str(&text), arena), NULL, arena, &snapshot, NULL, &err)) {
            body = json_set(body, STR("snapshot"), snapshot, arena);
        }
        buf_clear(&text);
    }
    say(harness, instance->id, body, arena);
}

static void store_entry(struct harness *harness, struct input *input, const struct step_result *result, struct arena *arena) {
    const struct instance *instance = result->instance;
    struct journal_entry entry = {
        .instance = instance->id,
        .version = instance->version,
        .commit = STR("00000000000000000000000000000000"),
        .definition = str_format(arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(instance->namespace_), STR_ARG(instance->name),
                STR_ARG(instance->version_of)),
        .inputs = input,
        .input_count = 1,
        .effects = result->effects,
        .effect_count = result->effect_count,
        .facts = result->facts,
        .fact_count = result->fact_count,
    };
    struct buf journal, head;
    enum verdict verdict;
    struct err err;

    buf_init(&journal, LIMIT_RECORD);
    buf_init(&head, LIMIT_RECORD);
    journal_encode(&entry, &journal);
    instance_encode(instance, &head);
    struct record in_journal = { .id = journal_id(instance->id, instance->version, arena), .version = instance->version,
        .fields = json_object(arena, 0), .body = buf_str(&journal) };
    struct record as_head = { .id = instance->id, .version = instance->version, .fields = head_fields(instance, arena),
        .body = buf_str(&head) };
    bool ok = store_insert_many(harness->world.store, COLLECTION_JOURNAL, &in_journal, 1, &verdict, &err)
            && store_put_many(harness->world.store, COLLECTION_INSTANCES, &as_head, 1, &verdict, &err);
    if (!ok) fprintf(stderr, "harness: %s\n", err.message);
    buf_clear(&journal);
    buf_clear(&head);
}

static bool acquire(struct harness *harness, const struct instance *before, struct json body, const struct definition **ret) {
    struct err err;

    if (before) {
        return definitions_acquire(harness->definitions, before->namespace_, before->name, before->version_of, ret, &err);
    }
    return definitions_acquire(harness->definitions, json_str(json_get(body, STR("namespace"))), json_str(json_get(body, STR("name"))),
            json_str(json_get(body, STR("version"))), ret, &err);
}

static void apply(struct harness *harness, const struct message *message, const struct wire_message *decoded, struct arena *arena) {
    const struct definition *definition = NULL;
    struct step_result result;
    struct loaded loaded;
    struct input input;
    struct err err;

    if (!wire_input(decoded, &input)) return;
    if (!ledger_load(harness->world.store, harness->definitions, &message->key, 1, arena, &loaded, &err)) return;
    bool is_start = decoded->kind == MESSAGE_START;
    if ((loaded.instance || is_start) && acquire(harness, loaded.instance, decoded->body, &definition)) {
        input.now_ms = clock_now_ms(&harness->world.clock);
        int64_t version = loaded.instance ? loaded.instance->version + 1 : 1;
        ledger_apply(definition, loaded.instance, &input, 1, version, (struct origin){ 1, message->partition, message->offset }, arena,
                &result, NULL);
        input.version = version;
        if (result.verdict == STEP_APPLIED) store_entry(harness, &input, &result, arena);
        if (result.instance) say_status(harness, result.instance, is_start, !loaded.instance, arena);
    }
    definitions_release(harness->definitions, definition);
    ledger_release(harness->definitions, &loaded, 1);
}

static void handle(struct harness *harness, const struct message *message, struct arena *arena) {
    struct wire_message decoded;
    struct err err;

    note_seen(message);
    if (behaviour_of(harness).is_deaf) return;
    if (message->topic != TOPIC_ORCHESTRATOR || !wire_decode(message->value, arena, &decoded, &err)) return;
    if (decoded.kind == MESSAGE_START && behaviour_of(harness).refuses) {
        struct json body = json_set(json_object(arena, 2), STR("id"), json_string(message->key), arena);
        body = json_set(body, STR("error"), json_string(str_from(behaviour_of(harness).refuses)), arena);
        say(harness, message->key, body, arena);
        return;
    }
    apply(harness, message, &decoded, arena);
}

static void run_orchestrator(void *user) {
    static const enum topic inboxes[] = { TOPIC_ORCHESTRATOR, TOPIC_EVENTS_IN, TOPIC_NONE };
    struct harness *harness = user;
    struct arena *arena = arena_new();
    struct consumer *consumer;
    struct batch batch;
    struct err err;

    if (!consumer_open(harness->world.bus, "penstock.orchestrator", inboxes, NULL, &consumer, &err)) {
        fprintf(stderr, "harness: %s\n", err.message);
        arena_free(arena);
        return;
    }
    while (!is_stopping(harness)) {
        if (!consumer_poll(consumer, POLL_MS, 64, arena, &batch, &err)) continue;
        for (size_t i = 0; i < batch.count; i++) {
            const struct message *message = &batch.messages[i];
            handle(harness, message, arena);
            consumer_done(consumer, message->topic, message->partition, message->offset, message->epoch);
        }
        if (!consumer_commit(consumer, &err)) fprintf(stderr, "harness: %s\n", err.message);
        arena_reset(arena);
    }
    consumer_close(consumer);
    arena_free(arena);
}

/* ---- time: the system's, and what a test adds ---- */

static int64_t now_ms(void *user) {
    const struct harness *harness = user;
    struct clock clock = clock_system();

    return clock_now_ms(&clock) + __atomic_load_n(&harness->later_ms, __ATOMIC_RELAXED);
}

static int64_t monotonic_ms(void *user) {
    const struct harness *harness = user;
    struct clock clock = clock_system();

    return clock_monotonic_ms(&clock) + __atomic_load_n(&harness->later_ms, __ATOMIC_RELAXED);
}

static void random_bytes(void *user, void *bytes, size_t size) {
    struct clock clock = clock_system();

    (void)user;
    clock_random(&clock, bytes, size);
}

void harness_pass(struct harness *harness, int64_t ms) {
    __atomic_fetch_add(&harness->later_ms, ms, __ATOMIC_RELAXED);
}

/* ---- the loop of the service ---- */

static void run_loop(void *user) {
    struct harness *harness = user;
    struct arena *arena = arena_new();
    struct batch batch;
    int64_t next_ms;
    struct err err;

    while (!is_stopping(harness)) {
        if (consumer_poll(harness->inbox, POLL_MS, 64, arena, &batch, &err) && batch.count) {
            assert_true(api_service.on_batch(harness->state, arena, &batch, &err));
        }
        assert_true(api_service.on_tick(harness->state, arena, clock_now_ms(&harness->world.clock), &next_ms, &err));
        arena_reset(arena);
    }
    arena_free(arena);
}

static void open_world(struct harness *harness, const struct harness_options *options) {
    struct bus_options bus_options = { .client_id = "test", .partitions = 2 };
    struct err err;

    harness->config = (struct config){ .listen = options->listen ? options->listen : "127.0.0.1:0", .api_threads = 4,
        .admin_key = options->admin_key, .master_key = options->master_key };
    harness->world = (struct world){ .config = &harness->config, 
        .clock = { now_ms, monotonic_ms, random_bytes, harness }, .log = log_new("api", LOG_OFF),
        .metrics = metrics_new(), .name = "api-1" };
    assert_true(store_open("memory:", 1000, &harness->world.store, &err));
    assert_true(bus_open("memory:", &bus_options, &harness->world.bus, &err));
}

static void close_world(struct harness *harness) {
    bus_close(harness->world.bus);
    store_close(harness->world.store);
    metrics_free(harness->world.metrics);
    log_free(harness->world.log);
}

bool harness_open(struct harness *harness, const struct harness_options *options, struct err *err) {
    static const struct harness_options plain = { .listen = NULL };

    *harness = (struct harness){ .stopping = 0 };
    open_world(harness, options ? options : &plain);
    harness->seat.world = &harness->world;
    harness->seat.lock = lock_new();
    harness->lock = lock_new();
    for (size_t i = 0; i < TOPIC_COUNT; i++) {
        seen[i].lock = lock_new();
        seen[i].count = 0;
    }
    if (!api_service.open(&harness->seat, &harness->state, err)) {
        for (size_t i = 0; i < TOPIC_COUNT; i++) lock_free(seen[i].lock);
        lock_free(harness->seat.lock);
        lock_free(harness->lock);
        close_world(harness);
        return false;
    }
    struct str address = api_address(harness->state);
    harness->port = (int)strtol(strrchr(address.data, ':') + 1, NULL, 10);
    harness->arena = arena_new();
    harness->definitions = definitions_new(harness->world.store);
    assert_true(consumer_open(harness->world.bus, NULL, api_service.inboxes, NULL, &harness->inbox, err));
    harness->seat.consumer = harness->inbox;
    harness->loop = thread_start("loop", run_loop, harness);
    harness->orchestrator = thread_start("orchestrator", run_orchestrator, harness);
    return true;
}

void harness_close(struct harness *harness) {
    api_service.stop(harness->state);
    __atomic_store_n(&harness->stopping, 1u, __ATOMIC_RELEASE);
    thread_join(harness->loop);
    thread_join(harness->orchestrator);
    api_service.close(harness->state);
    consumer_close(harness->inbox);
    definitions_free(harness->definitions);
    close_world(harness);
    for (size_t i = 0; i < TOPIC_COUNT; i++) lock_free(seen[i].lock);
    lock_free(harness->seat.lock);
    lock_free(harness->lock);
    arena_free(harness->arena);
}

/* ---- sockets ---- */

int ask_begin(struct harness *harness, const char *method, const char *path, const char *headers, const char *body) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)harness->port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t body_size = body ? strlen(body) : 0;
    struct buf text;

    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    buf_init(&text, REPLY_MAX);
    buf_append_format(&text, "%s %s HTTP/1.1\r\nConnection: close\r\n", method, path);
    if (!headers || !strstr(headers, "Host:")) buf_append_c(&text, "Host: localhost\r\n");
    if (harness->key[0]) buf_append_format(&text, "Authorization: Bearer %s\r\n", harness->key);
    if (headers) buf_append_c(&text, headers);
    if (body) buf_append_format(&text, "Content-Length: %zu\r\n", body_size);
    buf_append_c(&text, "\r\n");
    if (body) buf_append_c(&text, body);
    for (size_t sent = 0; sent < text.size;) {
        ssize_t size = send(fd, text.data + sent, text.size - sent, MSG_NOSIGNAL);
        if (size <= 0) break; /* refused before all was sent: the answer says why */
        sent += (size_t)size;
    }
    buf_clear(&text);
    return fd;
}

static bool read_some(int fd, struct buf *text, int timeout_ms) {
    struct pollfd waited = { .fd = fd, .events = POLLIN };

    if (poll(&waited, 1, timeout_ms) != 1) return false;
    char *to = buf_reserve(text, 65536);
    assert_non_null(to);
    ssize_t size = recv(fd, to, 65536, 0);
    if (size <= 0) return false;
    text->size += (size_t)size;
    return true;
}

static struct str join_chunks(struct str text, struct arena *arena) {
    struct buf joined;

    buf_init(&joined, REPLY_MAX);
    while (text.size) {
        size_t size = strtoul(text.data, NULL, 16), at = str_find(text, STR("\r\n")) + 2;
        buf_append(&joined, str_slice(text, at, at + size));
        text = str_slice(text, at + size + 2, text.size);
        if (size == 0) break;
    }
    struct str result = str_copy(buf_str(&joined), arena);
    buf_clear(&joined);
    return result;
}

struct str reply_header(const struct reply *reply, const char *name) {
    struct str rest = reply->head;

    while (rest.size) {
        struct str value = str_cut(&rest, '\n'), own = str_cut(&value, ':');
        if (str_equal_nocase(own, str_from(name))) return str_trim(value);
    }
    return STR_NULL;
}

const char *reply_text(const struct reply *reply, const char *pointer) {
    struct json value = json_pointer_get(reply->json, str_from(pointer));

    return json_type(value) == JSON_STRING ? json_str(value).data : "";
}

/* Texts of the body are NUL-terminated copies, so that tests can compare them as C strings. */
static struct json terminated(struct json value, struct arena *arena) {
    switch (json_type(value)) {
    case JSON_STRING: return json_string(str_copy(json_str(value), arena));
    case JSON_ARRAY: {
        struct json array = json_array(arena, json_size(value));
        for (size_t i = 0; i < json_size(value); i++) array = json_append(array, terminated(json_at(value, i), arena), arena);
        return array;
    }
    case JSON_OBJECT: {
        struct json object = json_object(arena, json_size(value));
        for (size_t i = 0; i < json_size(value); i++) {
            const struct json_member *member = json_member_at(value, i);
            object = json_set(object, member->key, terminated(member->value, arena), arena);
        }
        return object;
    }
    case JSON_ABSENT:
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_NUMBER: return value;
    }
    return value;
}

struct reply ask_end(struct harness *harness, int fd) {
    struct reply reply = { .status = 0 };
    struct json json;
    struct buf text;
    struct err err;

    buf_init(&text, REPLY_MAX);
    while (read_some(fd, &text, ANSWER_MS)) {
    }
    close(fd);
    struct str all = str_copy(buf_str(&text), harness->arena);
    buf_clear(&text);
    size_t end = str_find(all, STR("\r\n\r\n"));
    if (all.size < 12 || end == all.size) return reply;
    reply.status = (int)strtol(all.data + 9, NULL, 10);
    reply.head = str_slice(all, 0, end);
    reply.body = str_slice(all, end + 4, all.size);
    if (reply_header(&reply, "Transfer-Encoding").size) reply.body = join_chunks(reply.body, harness->arena);
    if (reply.body.size && json_read(reply.body, NULL, harness->arena, &json, NULL, &err)) reply.json = terminated(json, harness->arena);
    return reply;
}

struct reply ask(struct harness *harness, const char *method, const char *path, const char *headers, const char *body) {
    return ask_end(harness, ask_begin(harness, method, path, headers, body));
}

struct reply ask_json(struct harness *harness, const char *method, const char *path, const char *body) {
    return ask(harness, method, path, body ? "Content-Type: application/json\r\n" : NULL, body);
}

const char *read_until(struct harness *harness, int fd, const char *text) {
    struct buf all;

    buf_init(&all, REPLY_MAX);
    buf_append_c(&all, "");
    while (str_find(buf_str(&all), str_from(text)) == all.size) {
        if (read_some(fd, &all, 20 * 1000)) continue;
        buf_clear(&all);
        return NULL;
    }
    const char *copy = str_copy(buf_str(&all), harness->arena).data;
    buf_clear(&all);
    return copy;
}

/* ---- short cuts ---- */

void deploy(struct harness *harness, const char *name, const char *version, const char *tasks) {
    struct str text = str_format(harness->arena,
            "document:\n  dsl: '1.0.3'\n  namespace: shop\n  name: %s\n  version: '%s'\n  title: The %s\ndo:\n%s", name, version, name, tasks);
    struct reply reply = ask(harness, "POST", "/v1/workflows", "Content-Type: application/yaml\r\n", text.data);

    if (reply.status != 201) fprintf(stderr, STR_FMT "\n", STR_ARG(reply.body));
    assert_int_equal(reply.status, 201);
}

const char *start(struct harness *harness, const char *name, const char *body, bool wait) {
    struct str path = str_format(harness->arena, "/v1/workflows/shop/%s/instances", name);
    struct reply reply = ask(harness, "POST", path.data,
            wait ? "Content-Type: application/json\r\nPrefer: wait=30\r\n" : "Content-Type: application/json\r\n", body);

    if (reply.status != (wait ? 200 : 202)) fprintf(stderr, "%d " STR_FMT "\n", reply.status, STR_ARG(reply.body));
    assert_int_equal(reply.status, wait ? 200 : 202);
    return reply_text(&reply, "/id");
}

void await_status(struct harness *harness, const char *id, const char *status) {
    struct str path = str_format(harness->arena, "/v1/instances/%s", id);

    for (int i = 0; i < 1000; i++) {
        struct reply reply = ask(harness, "GET", path.data, NULL, NULL);
        if (strcmp(reply_text(&reply, "/status"), status) == 0) return;
        (void)poll(NULL, 0, POLL_MS);
    }
    fail_msg("instance %s never became %s", id, status);
}

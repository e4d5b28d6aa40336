#include "tests/conformance/world.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "common/json.h"
#include "http/server.h"
#include "system/queue.h"
#include "system/thread.h"

enum { PATHS_MAX = 4096, PATH_SIZE = 256, SLOW_MAX = 1024 };

struct world_server {
    struct server *server;
    struct lock *lock;
    char url[64];
    char paths[PATHS_MAX][PATH_SIZE];
    size_t path_count;
    struct thread *slow[SLOW_MAX]; /* joined at the end */
    size_t slow_count;
};

struct slow {
    struct request *request;
    int ms;
};

const char *world_url(const struct world_server *world) {
    return world->url;
}

void world_reset(struct world_server *world) {
    lock_acquire(world->lock);
    world->path_count = 0;
    lock_release(world->lock);
}

int world_calls(struct world_server *world, struct str path) {
    int count = 0;

    lock_acquire(world->lock);
    for (size_t i = 0; i < world->path_count; i++) count += str_equal(str_from(world->paths[i]), path);
    lock_release(world->lock);
    return count;
}

static void note(struct world_server *world, struct str path) {
    lock_acquire(world->lock);
    if (world->path_count < PATHS_MAX) {
        snprintf(world->paths[world->path_count++], PATH_SIZE, STR_FMT, STR_ARG(path));
    }
    lock_release(world->lock);
}

static void answer(struct request *request, int status, const char *type, struct str body) {
    struct answer reply = { .status = status, .content_type = str_from(type), .body = body };

    request_answer(request, &reply);
}

static void answer_echo(struct request *request, struct arena *arena) {
    static const char *const names[] = { "content-type", "authorization", "idempotency-key", "x-test", "accept" };
    struct json_read_options options = { .borrow = true };
    struct json echo = json_object(arena, 8), headers = json_object(arena, 8), body;
    struct err ignored;

    echo = json_set(echo, STR("method"), json_string(request_method(request)), arena);
    echo = json_set(echo, STR("path"), json_string(request_path(request)), arena);
    echo = json_set(echo, STR("query"), json_string(request_query(request)), arena);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct str value = request_header(request, names[i]);
        if (value.data) headers = json_set(headers, str_from(names[i]), json_string(value), arena);
    }
    echo = json_set(echo, STR("headers"), headers, arena);
    if (!json_read(request_body(request), &options, arena, &body, NULL, &ignored)) body = json_string(request_body(request));
    echo = json_set(echo, STR("body"), body, arena);
    answer(request, 200, "application/json", json_to_str(echo, arena));
}

static void answer_pet(struct request *request, struct str path) {
    if (str_starts_with(path, STR("findByStatus"))) {
        answer(request, 200, "application/json", STR("[{\"id\":1,\"name\":\"Rex\",\"status\":\"available\"},{\"id\":2,\"name\":\"Tom\",\"status\":\"available\"}]"));
    } else if (str_equal(path, STR("1"))) {
        answer(request, 200, "application/json", STR("{\"id\":1,\"name\":\"Rex\",\"status\":\"available\"}"));
    } else if (str_equal(path, STR("2"))) {
        answer(request, 200, "application/json", STR("{\"id\":2,\"name\":\"Tom\",\"status\":\"available\"}"));
    } else {
        answer(request, 404, "application/json", STR("{\"message\":\"Pet not found\"}"));
    }
}

static void answer_basic(struct request *request, struct str path, struct arena *arena) {
    struct str password = path, user = str_cut(&password, '/');
    struct str pair = str_format(arena, STR_FMT ":" STR_FMT, STR_ARG(user), STR_ARG(password));
    struct str wanted = str_format(arena, "Basic " STR_FMT, STR_ARG(base64_encode(pair, arena)));

    bool right = str_equal(request_header(request, "authorization"), wanted);
    answer(request, right ? 200 : 401, "application/json", right ? STR("{\"authenticated\":true}") : STR("{}"));
}

static void answer_flaky(struct world_server *world, struct request *request, struct str path, struct arena *arena) {
    struct str rest = path;
    int64_t failures = 0;
    int calls = world_calls(world, request_path(request));

    str_cut(&rest, '/');
    bool valid = str_to_int64(rest, &failures);
    assert(valid);
    struct str body = str_format(arena, "{\"calls\":%d}", calls);
    answer(request, calls <= failures ? 503 : 200, "application/json", body);
}

static void answer_slowly(void *user) {
    struct slow *slow = user;

    poll(NULL, 0, slow->ms);
    answer(slow->request, 200, "application/json", STR("{\"slow\":true}"));
    free(slow);
}

static void begin_slow(struct world_server *world, struct request *request, struct str path) {
    struct slow *slow = calloc(1, sizeof(*slow));
    int64_t ms = 0;

    assert(slow && str_to_int64(path, &ms));
    *slow = (struct slow){ request, (int)ms };
    lock_acquire(world->lock);
    assert(world->slow_count < SLOW_MAX);
    world->slow[world->slow_count++] = thread_start("slow", answer_slowly, slow);
    lock_release(world->lock);
}

static void on_request(void *user, struct request *request) {
    struct world_server *world = user;
    struct str path = request_path(request), rest;
    struct arena *arena = arena_new();
    int64_t status = 0;

    note(world, path);
    rest = str_slice(path, 1, path.size);
    struct str first = str_cut(&rest, '/');
    if (str_equal(first, STR("echo"))) {
        answer_echo(request, arena);
    } else if (str_starts_with(path, STR("/v2/pet/"))) {
        answer_pet(request, str_slice(path, 8, path.size));
    } else if (str_equal(first, STR("basic-auth"))) {
        answer_basic(request, rest, arena);
    } else if (str_equal(first, STR("status")) && str_to_int64(rest, &status)) {
        answer(request, (int)status, "application/json", str_format(arena, "{\"status\":%d}", (int)status));
    } else if (str_equal(first, STR("flaky"))) {
        answer_flaky(world, request, rest, arena);
    } else if (str_equal(first, STR("slow"))) {
        begin_slow(world, request, rest);
    } else if (str_equal(first, STR("text"))) {
        answer(request, 200, "text/plain", STR("hello"));
    } else if (str_equal(first, STR("empty"))) {
        answer(request, 204, "", STR(""));
    } else if (str_equal(first, STR("redirect"))) {
        struct answer reply = { .status = 302, .headers = { { STR("Location"), STR("/echo") } }, .header_count = 1 };
        request_answer(request, &reply);
    } else {
        answer(request, 404, "application/json", STR("{}"));
    }
    arena_free(arena);
}

struct world_server *world_open(void) {
    struct world_server *world = calloc(1, sizeof(*world));
    struct server_options options = { .listen = "127.0.0.1:0" };
    struct err err;

    assert(world);
    world->lock = lock_new();
    bool opened = server_open(&options, on_request, world, &world->server, &err);
    assert(opened);
    snprintf(world->url, sizeof(world->url), "http://127.0.0.1:%d", server_port(world->server));
    return world;
}

void world_close(struct world_server *world) {
    for (size_t i = 0; i < world->slow_count; i++) thread_join(world->slow[i]);
    server_close(world->server, 100);
    lock_free(world->lock);
    free(world);
}

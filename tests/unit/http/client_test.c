#include "http/client.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/buf.h"
#include "common/limits.h"
#include "http/client_internal.h"
#include "http/server.h"
#include "system/queue.h"
#include "system/thread.h"

enum { WAIT_MS = 30 * 1000, KEPT_MAX = 4096, TEXT_SIZE = 4096, RESPONSES_MAX = 64 };

/* ---- a client with something to wait for ---- */

struct user {
    struct client *client;
    struct lock *lock;
    struct condition_variable *changed;
    int completions;
    struct arena *arena;
};

static void on_complete(void *argument) {
    struct user *user = argument;

    lock_acquire(user->lock);
    user->completions++;
    condition_variable_signal_all(user->changed);
    lock_release(user->lock);
}

static void user_start(struct user *user, const struct client_options *given) {
    struct client_options options = *given;
    struct err err;

    *user = (struct user){
        .lock = lock_new(), .changed = condition_variable_new(), .arena = arena_new()
    };
    options.on_complete = on_complete;
    options.user = user;
    if (!client_open(&options, &user->client, &err)) fail_msg("%s", err.message);
}

static void user_stop(struct user *user) {
    client_close(user->client);
    condition_variable_free(user->changed);
    lock_free(user->lock);
    arena_free(user->arena);
}

/* Waits for some responses, `max` at most. */
static size_t await_some(struct user *user, size_t max, struct client_response *ret) {
    for (;;) {
        lock_acquire(user->lock);
        int before = user->completions;
        lock_release(user->lock);
        size_t count = client_collect(user->client, max, user->arena, ret);
        if (count) return count;
        lock_acquire(user->lock);
        bool in_time = true;
        while (user->completions == before && in_time) {
            in_time = condition_variable_wait(user->changed, user->lock, WAIT_MS);
        }
        lock_release(user->lock);
        assert_true(in_time);
    }
}

static struct client_response await_one(struct user *user) {
    struct client_response response;

    await_some(user, 1, &response);
    return response;
}

static struct client_response call(struct user *user, const struct client_request *request) {
    client_send(user->client, request);
    return await_one(user);
}

static struct client_response get(struct user *user, const char *url) {
    return call(user,
            &(struct client_request){
                    .method = STR("GET"), .url = str_from(url), .follow_redirects = true });
}

static void expect_failure(
        struct client_response response, enum client_failure failure, const char *part) {
    if (response.failure != failure) {
        fail_msg("failure %d, not %d: " STR_FMT " (status %d)", (int)response.failure, (int)failure,
                STR_ARG(response.reason), response.status);
    }
    assert_int_equal(response.status, 0);
    assert_int_equal(response.body.size, 0);
    if (str_find(response.reason, str_from(part)) == response.reason.size) {
        fail_msg("'%s' is not in: " STR_FMT, part, STR_ARG(response.reason));
    }
}

static void expect_ok(struct client_response response, int status, const char *part) {
    if (response.failure != CLIENT_OK)
        fail_msg("failure %d: " STR_FMT, (int)response.failure, STR_ARG(response.reason));
    assert_int_equal(response.status, status);
    if (part[0] && str_find(response.body, str_from(part)) == response.body.size) {
        fail_msg("'%s' is not in: " STR_FMT, part, STR_ARG(response.body));
    }
}

static struct str header(const struct client_response *response, const char *name) {
    for (size_t i = 0; i < response->header_count; i++) {
        if (str_equal_nocase(response->headers[i].name, str_from(name)))
            return response->headers[i].value;
    }
    return STR_NULL;
}

static const struct client_options anywhere = { .egress_any = true };

/* ---- servers ---- */

static struct str query_value(const struct request *request, const char *name) {
    struct str rest = request_query(request);

    while (rest.data) {
        struct str value = str_cut(&rest, '&');
        struct str key = str_cut(&value, '=');
        if (str_equal(key, str_from(name))) return value;
    }
    return STR_NULL;
}

/* /redirect?status=303&to=URL; anything else is told back. */
static void serve(void *user, struct request *request) {
    char text[TEXT_SIZE];
    struct answer answer = { .status = 200, .content_type = STR("text/plain") };
    int64_t status;

    (void)user;
    if (str_equal(request_path(request), STR("/redirect"))) {
        if (str_to_int64(query_value(request, "status"), &status)) answer.status = (int)status;
        answer.headers[0].name = STR("Location");
        answer.headers[0].value = query_value(request, "to");
        answer.header_count = 1;
        request_answer(request, &answer);
        return;
    }
    int size = snprintf(text, sizeof(text),
            "[" STR_FMT "|" STR_FMT "|body:" STR_FMT "|length:" STR_FMT "|type:" STR_FMT
            "|auth:" STR_FMT "|cookie:" STR_FMT "|x:" STR_FMT "|empty:%s|expect:" STR_FMT "]",
            STR_ARG(request_method(request)), STR_ARG(request_path(request)),
            STR_ARG(str_slice(request_body(request), 0, 1000)),
            STR_ARG(request_header(request, "content-length")),
            STR_ARG(request_header(request, "content-type")),
            STR_ARG(request_header(request, "authorization")),
            STR_ARG(request_header(request, "cookie")), STR_ARG(request_header(request, "x-one")),
            request_header(request, "x-empty").data ? "there" : "absent",
            STR_ARG(request_header(request, "expect")));
    answer.body = (struct str){ text, (size_t)size };
    request_answer(request, &answer);
}

static void keep(void *user, struct request *request) {
    bool kept = queue_push(user, request);

    assert_true(kept);
}

static struct server *serve_with(server_handler *handler, void *user) {
    struct server_options options = { .listen = "127.0.0.1:0" };
    struct server *server;
    struct err err;

    if (!server_open(&options, handler, user, &server, &err)) fail_msg("%s", err.message);
    return server;
}

static const char *url_of(const struct server *server, const char *rest) {
    static char urls[4][TEXT_SIZE];
    static unsigned next;
    char *url = urls[next++ % ARRAY_SIZE(urls)];

    snprintf(url, TEXT_SIZE, "http://127.0.0.1:%d%s", server_port(server), rest);
    return url;
}

/* A server that says one thing to every request, whatever it is, and closes. */
struct parrot {
    int fd;
    uint16_t port;
    struct str words;
    struct thread *thread;
    uint32_t requests; /* atomic */
};

static void parrot_run(void *user) {
    struct parrot *parrot = user;
    int fd;

    while ((fd = accept(parrot->fd, NULL, NULL)) >= 0) {
        char text[TEXT_SIZE];
        size_t size = 0;
        text[0] = '\0';
        while (!strstr(text, "\r\n\r\n") && size < sizeof(text) - 1) {
            ssize_t got = recv(fd, text + size, sizeof(text) - 1 - size, 0);
            if (got <= 0) break;
            size += (size_t)got;
            text[size] = '\0';
        }
        if (strstr(text, "\r\n\r\n")) __atomic_fetch_add(&parrot->requests, 1, __ATOMIC_ACQ_REL);
        struct str rest = parrot->words;
        while (rest.size) {
            ssize_t sent = send(fd, rest.data, rest.size, MSG_NOSIGNAL);
            if (sent <= 0) break;
            rest = str_slice(rest, (size_t)sent, rest.size);
        }
        shutdown(fd, SHUT_WR);
        while (recv(fd, text, sizeof(text), 0) > 0)
            continue;
        close(fd);
    }
}

static void parrot_start(struct parrot *parrot, struct str words) {
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(any);

    *parrot =
            (struct parrot){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .words = words };
    assert_int_equal(bind(parrot->fd, (struct sockaddr *)&any, size), 0);
    assert_int_equal(listen(parrot->fd, 64), 0);
    assert_int_equal(getsockname(parrot->fd, (struct sockaddr *)&any, &size), 0);
    parrot->port = ntohs(any.sin_port);
    parrot->thread = thread_start("parrot", parrot_run, parrot);
}

static void parrot_stop(struct parrot *parrot) {
    shutdown(parrot->fd, SHUT_RDWR);
    thread_join(parrot->thread);
    close(parrot->fd);
}

static struct client_response hear_parrot(struct user *user, struct str words) {
    struct parrot parrot;
    char url[64];

    parrot_start(&parrot, words);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", parrot.port);
    struct client_response response = get(user, url);
    parrot_stop(&parrot);
    return response;
}

/* ---- tests ---- */

static void test_what_is_sent(void **state) {
    struct server *server = serve_with(serve, NULL);
    struct client_header headers[] = {
        { STR("X-One"), STR(" 1 2 ") },
        { STR("X-Empty"), STR("") },
        { STR("Content-Length"), STR("99") },
        { STR("Content-Type"), STR("application/json") },
        { STR("Transfer-Encoding"), STR("chunked") },
    };
    struct client_request request = { .tag = 77, .url = str_from(url_of(server, "/a?b=%20")) };
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    request.method = STR("GET");
    struct client_response response = call(&user, &request);
    expect_ok(response, 200, "[GET|/a|body:|length:|type:|auth:|cookie:|x:|empty:absent|expect:]");
    assert_int_equal(response.tag, 77);
    assert_true(str_equal(response.url, request.url));
    assert_true(str_equal(header(&response, "content-type"), STR("text/plain")));
    request.method = STR("DELETE");
    expect_ok(call(&user, &request), 200, "[DELETE|/a|body:|length:|");
    request.method = STR("POST");
    expect_ok(call(&user, &request), 200, "[POST|/a|body:|length:0|type:|");
    request.method = STR("HEAD");
    response = call(&user, &request);
    expect_ok(response, 200, "");
    assert_int_equal(response.body.size, 0);
    request.headers = headers;
    request.header_count = ARRAY_SIZE(headers);
    request.has_body = true;
    request.body = STR("{\"a\":1}");
    for (int i = 0; i < 3; i++) {
        request.method = ((const struct str[]){ STR("POST"), STR("PATCH"), STR("GET") })[i];
        char expected[200];
        snprintf(expected, sizeof(expected),
                "[" STR_FMT "|/a|body:{\"a\":1}|length:7|type:application/json|auth:|cookie:|x:1 "
                            "2|empty:there|expect:]",
                STR_ARG(request.method));
        expect_ok(call(&user, &request), 200, expected);
    }
    user_stop(&user);
    server_close(server, 0);
}

static void test_a_large_body_both_ways(void **state) {
    struct server *server = serve_with(serve, NULL);
    char *body = malloc(LIMIT_BODY);
    struct user user;

    (void)state;
    memset(body, 'b', LIMIT_BODY);
    user_start(&user, &anywhere);
    struct client_request request = { .method = STR("POST"),
        .url = str_from(url_of(server, "/")),
        .body = { body, LIMIT_BODY },
        .has_body = true };
    expect_ok(call(&user, &request), 200, "|length:4194304|");
    user_stop(&user);
    server_close(server, 0);
    free(body);
}

static void test_a_thousand_at_once(void **state) {
    enum { CALLS = 1000 };
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = serve_with(keep, queue);
    static bool seen[CALLS];
    static struct request *requests[CALLS];
    struct client_response responses[RESPONSES_MAX];
    struct client_options options = {
        .egress_any = true, .per_host_max = CALLS, .in_flight_max = CALLS
    };
    struct user user;
    void *item;

    (void)state;
    user_start(&user, &options);
    for (uint64_t i = 0; i < CALLS; i++) {
        client_send(user.client,
                &(struct client_request){
                        .tag = i, .method = STR("GET"), .url = str_from(url_of(server, "/x")) });
    }
    assert_int_equal(client_in_flight(user.client), CALLS);
    /* All are there before the first is answered. */
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(queue_pop(queue, &item, 1, WAIT_MS), 1);
        requests[i] = item;
    }
    for (size_t i = 0; i < CALLS; i++) {
        request_answer(requests[i], &(struct answer){ .status = 204 });
    }
    for (size_t got = 0; got < CALLS;) {
        size_t count = await_some(&user, RESPONSES_MAX, responses);
        for (size_t i = 0; i < count; i++) {
            expect_ok(responses[i], 204, "");
            assert_false(seen[responses[i].tag]);
            seen[responses[i].tag] = true;
        }
        got += count;
    }
    assert_int_equal(client_in_flight(user.client), 0);
    user_stop(&user);
    server_close(server, 0);
    queue_free(queue);
}

static void test_more_than_in_flight_wait_in_order(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = serve_with(keep, queue);
    struct client_options options = { .egress_any = true, .in_flight_max = 2 };
    struct client_request request = { .method = STR("GET"), .url = str_from(url_of(server, "/x")) };
    struct user user;
    void *items[4];

    (void)state;
    user_start(&user, &options);
    for (request.tag = 0; request.tag < 6; request.tag++)
        client_send(user.client, &request);
    request.timeout_ms = 50;
    request.tag = 99;
    client_send(user.client, &request); /* never gets its turn */
    struct client_response late = await_one(&user);
    expect_failure(late, CLIENT_TIMEOUT, "before the call could be sent");
    assert_int_equal(late.tag, 99);
    client_cancel(user.client, 3); /* waits still */
    struct client_response cancelled = await_one(&user);
    expect_failure(cancelled, CLIENT_CANCELLED, "cancelled");
    assert_int_equal(cancelled.tag, 3);
    for (size_t answered = 0; answered < 5;) {
        size_t count = queue_pop(queue, items, 4, WAIT_MS);
        assert_in_range(count, 1, 2);
        for (size_t i = 0; i < count; i++)
            request_answer(items[i], &(struct answer){ .status = 200 });
        for (size_t i = 0; i < count; i++)
            expect_ok(await_one(&user), 200, "");
        answered += count;
    }
    user_stop(&user);
    server_close(server, 0);
    queue_free(queue);
}

static void test_timeout_and_cancel(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = serve_with(keep, queue);
    struct client_request request = {
        .method = STR("GET"), .url = str_from(url_of(server, "/x")), .timeout_ms = 50
    };
    struct user user;
    void *item;

    (void)state;
    user_start(&user, &anywhere);
    expect_failure(call(&user, &request), CLIENT_TIMEOUT, "no answer in time");
    assert_int_equal(queue_pop(queue, &item, 1, WAIT_MS), 1);
    request_answer(item, &(struct answer){ .status = 200 });
    request.timeout_ms = 0;
    request.tag = 5;
    client_send(user.client, &request);
    assert_int_equal(queue_pop(queue, &item, 1, WAIT_MS), 1);
    client_cancel(user.client, 6); /* nobody's */
    client_cancel(user.client, 5);
    struct client_response response = await_one(&user);
    expect_failure(response, CLIENT_CANCELLED, "cancelled");
    assert_int_equal(response.tag, 5);
    request_answer(item, &(struct answer){ .status = 200 });
    client_cancel(user.client, 5); /* was already there */
    /* The handle is used again, as if nothing had been. */
    client_send(user.client, &request);
    assert_int_equal(queue_pop(queue, &item, 1, WAIT_MS), 1);
    request_answer(item, &(struct answer){ .status = 202, .body = STR("fine") });
    expect_ok(await_one(&user), 202, "fine");
    user_stop(&user);
    server_close(server, 0);
    queue_free(queue);
}

static void test_close_drops_what_is_in_flight(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = serve_with(keep, queue);
    struct client_options options = { .egress_any = true, .in_flight_max = 2 };
    struct client_request request = { .method = STR("GET"), .url = str_from(url_of(server, "/x")) };
    struct user user;
    void *item;

    (void)state;
    user_start(&user, &options);
    for (int i = 0; i < 5; i++)
        client_send(user.client, &request);
    assert_int_equal(queue_pop(queue, &item, 1, WAIT_MS), 1);
    user_stop(&user);
    request_answer(item, &(struct answer){ .status = 200 });
    server_close(server, 0);
    while (queue_pop(queue, &item, 1, 0))
        request_answer(item, &(struct answer){ .status = 200 });
    queue_free(queue);
    client_close(NULL);
}

static void test_what_is_never_sent(void **state) {
    static const struct {
        const char *method, *url, *part;
    } calls[] = {
        { "GET", "ftp://127.0.0.1/", "http:// or https://" },
        { "GET", "file:///etc/hostname", "http:// or https://" },
        { "GET", "127.0.0.1:80", "http:// or https://" },
        { "GET", "", "http:// or https://" },
        { "GET", "http://", "URL" },
        { "GET", "http://a b/", "URL" },
        { "GET", "http://h/\r\nX: y", "control characters" },
        { "GET", "http://h:99999/", "URL" },
        { "G T", "http://h/", "method" },
        { "", "http://h/", "method" },
        { "CONNECT", "http://h/", "method" },
        { "GET", "http://169.254.169.254/latest/meta-data/", "metadata" },
        { "GET", "http://[fe80::1]/", "link-local" },
        { "GET", "http://0.0.0.0:1/", "this host" },
        { "GET", "http://[::ffff:169.254.169.254]/", "metadata" },
    };
    struct client_header bad_name = { STR("a b"), STR("c") },
                         bad_value = { STR("X"), STR("a\r\nY: b") };
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        struct client_request request = { .method = str_from(calls[i].method),
            .url = str_from(calls[i].url) };
        expect_failure(call(&user, &request), CLIENT_REFUSED, calls[i].part);
    }
    struct client_request request = {
        .method = STR("GET"), .url = STR("http://127.0.0.1:1/"), .header_count = 1
    };
    request.headers = &bad_name;
    expect_failure(call(&user, &request), CLIENT_REFUSED, "header");
    request.headers = &bad_value;
    expect_failure(call(&user, &request), CLIENT_REFUSED, "header 'X'");
    user_stop(&user);
}

static void test_public_refuses_this_machine_in_every_spelling(void **state) {
    static const char *const hosts[] = {
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "10.0.0.1",
        "192.168.1.1",
        "[fd00::1]",
    };
    struct server *server = serve_with(serve, NULL);
    struct client_options public_only = { 0 }, excepted = { .egress_allow = "127.0.0.0/8" };
    struct user user;
    char url[128];

    (void)state;
    user_start(&user, &public_only);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        snprintf(url, sizeof(url), "http://%s:%d/", hosts[i], server_port(server));
        expect_failure(get(&user, url), CLIENT_REFUSED, "calls may not go to a ");
    }
    user_stop(&user);
    user_start(&user, &excepted);
    expect_ok(get(&user, url_of(server, "/")), 200, "[GET|/|");
    snprintf(url, sizeof(url), "http://2130706433:%d/", server_port(server));
    expect_ok(get(&user, url), 200, "[GET|/|");
    user_stop(&user);
    server_close(server, 0);
}

static void test_nothing_is_taken_from_the_environment(void **state) {
    struct server *server = serve_with(serve, NULL);
    struct user user;

    (void)state;
    setenv("http_proxy", "http://127.0.0.1:9/", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9/", 1);
    user_start(&user, &anywhere);
    expect_ok(get(&user, url_of(server, "/")), 200, "[GET|/|");
    user_stop(&user);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    server_close(server, 0);
}

static void test_unreachable_and_broken(void **state) {
    struct parrot parrot;
    char url[64];
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    parrot_start(&parrot, STR_NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", parrot.port);
    expect_failure(get(&user, url), CLIENT_BROKEN, "sent, but no whole answer");
    assert_int_equal(
            __atomic_load_n(&parrot.requests, __ATOMIC_ACQUIRE), 1); /* and not sent twice */
    parrot_stop(&parrot);
    expect_failure(get(&user, url), CLIENT_UNREACHABLE, "no connection");
    expect_failure(get(&user, "http://host.invalid/"), CLIENT_UNREACHABLE, "no connection");
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", 1);
    expect_failure(get(&user, url), CLIENT_UNREACHABLE, "no connection");
    expect_failure(hear_parrot(&user, STR("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")),
            CLIENT_BROKEN, "no whole answer");
    expect_failure(
            hear_parrot(&user, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")),
            CLIENT_BROKEN, "");
    expect_failure(hear_parrot(&user, STR("HTTP/1.1 200")), CLIENT_BROKEN, "");
    expect_failure(hear_parrot(&user, STR("220 mail.example ESMTP\r\n")), CLIENT_BROKEN, "");
    expect_failure(
            hear_parrot(&user, STR("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip")),
            CLIENT_BROKEN, "");
    user_stop(&user);
}

static void test_what_an_answer_holds(void **state) {
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    struct client_response response = hear_parrot(&user,
            STR("HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\nHTTP/1.1 418 Teapot\r\nX-Two:  a  "
                "\r\nx-two: b\r\nX-None:\r\n\r\nto the end"));
    expect_ok(response, 418, "to the end");
    assert_int_equal(response.header_count, 3);
    assert_true(str_equal(response.headers[0].name, STR("X-Two")));
    assert_true(str_equal(response.headers[0].value, STR("a")));
    assert_true(str_equal(response.headers[1].value, STR("b")));
    assert_int_equal(response.headers[2].value.size, 0);
    user_stop(&user);
}

/* An answer with a body of `size` bytes; with or without its length in front. */
static struct client_response hear_large(struct user *user, size_t size, bool with_length) {
    struct buf buf;

    buf_init(&buf, size + TEXT_SIZE);
    buf_append_c(&buf, "HTTP/1.1 200 OK\r\nConnection: close\r\n");
    if (with_length) buf_append_format(&buf, "Content-Length: %zu\r\n", size);
    buf_append_c(&buf, "\r\n");
    char *to = buf_reserve(&buf, size);
    memset(to, 'l', size);
    buf.size += size;
    struct client_response response = hear_parrot(user, buf_str(&buf));
    buf_clear(&buf);
    return response;
}

/* A gzip answer that unpacks to `size` zeros. */
static struct client_response hear_bomb(struct user *user, size_t size) {
    char command[128];
    struct buf buf;
    size_t got;

    buf_init(&buf, LIMIT_BODY);
    buf_append_c(&buf, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    snprintf(command, sizeof(command), "head -c %zu /dev/zero | gzip -1", size);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    do {
        char *to = buf_reserve(&buf, TEXT_SIZE);
        got = fread(to, 1, TEXT_SIZE, pipe);
        buf.size += got;
    } while (got > 0);
    assert_int_equal(pclose(pipe), 0);
    struct client_response response = hear_parrot(user, buf_str(&buf));
    buf_clear(&buf);
    return response;
}

static struct client_response hear_headers(struct user *user, size_t count) {
    struct buf buf;

    buf_init(&buf, LIMIT_BODY);
    buf_append_c(&buf, "HTTP/1.1 200 OK\r\nConnection: close\r\n");
    for (size_t i = 0; i < count; i++)
        buf_append_format(&buf, "X-Header-%05zu: 1234567890\r\n", i);
    buf_append_c(&buf, "Content-Length: 2\r\n\r\nok");
    struct client_response response = hear_parrot(user, buf_str(&buf));
    buf_clear(&buf);
    return response;
}

static void test_answers_over_a_limit(void **state) {
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    expect_ok(hear_large(&user, LIMIT_BODY, true), 200, "llll");
    expect_ok(hear_large(&user, LIMIT_BODY, false), 200, "llll");
    expect_failure(hear_large(&user, LIMIT_BODY + 1, true), CLIENT_TOO_LARGE, "over 4194304 bytes");
    expect_failure(
            hear_large(&user, LIMIT_BODY + 1, false), CLIENT_TOO_LARGE, "over 4194304 bytes");
    struct client_response unpacked = hear_bomb(&user, LIMIT_RESPONSE_UNPACKED);
    expect_ok(unpacked, 200, "");
    assert_int_equal(unpacked.body.size, LIMIT_RESPONSE_UNPACKED);
    expect_failure(hear_bomb(&user, LIMIT_RESPONSE_UNPACKED + 1), CLIENT_TOO_LARGE,
            "16777216 bytes when unpacked");
    expect_failure(hear_bomb(&user, 256 * 1024 * 1024), CLIENT_TOO_LARGE, "when unpacked");
    struct client_response many = hear_headers(&user, 2000);
    expect_ok(many, 200, "ok");
    assert_int_equal(many.header_count, 2002);
    expect_failure(hear_headers(&user, 3000), CLIENT_TOO_LARGE, "header");
    user_stop(&user);
}

/* ---- redirects ---- */

static void test_redirects(void **state) {
    static const struct {
        const char *method;
        int status;
        const char *expected;
    } rows[] = {
        { "GET", 301, "[GET|/end|body:|" },
        { "GET", 308, "[GET|/end|body:|" },
        { "POST", 301, "[GET|/end|body:|length:|type:|" },
        { "POST", 302, "[GET|/end|body:|" },
        { "POST", 303, "[GET|/end|body:|length:|type:|" },
        { "PUT", 303, "[GET|/end|body:|length:|type:|" },
        { "PUT", 302, "[PUT|/end|body:data|length:4|type:t/t|" },
        { "POST", 307, "[POST|/end|body:data|length:4|type:t/t|" },
        { "PUT", 308, "[PUT|/end|body:data|length:4|type:t/t|" },
        { "DELETE", 303, "[GET|/end|body:|" },
    };
    struct server *server = serve_with(serve, NULL);
    struct client_header type = { STR("Content-Type"), STR("t/t") };
    struct user user;
    char rest[64];

    (void)state;
    user_start(&user, &anywhere);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        snprintf(rest, sizeof(rest), "/redirect?status=%d&to=/end", rows[i].status);
        bool has_body = rows[i].method[0] == 'P';
        struct client_request request = { .method = str_from(rows[i].method),
            .url = str_from(url_of(server, rest)),
            .headers = &type,
            .header_count = has_body ? 1 : 0,
            .has_body = has_body,
            .body = has_body ? STR("data") : STR_NULL,
            .follow_redirects = true };
        struct client_response response = call(&user, &request);
        expect_ok(response, 200, rows[i].expected);
        assert_true(str_equal(response.url, str_from(url_of(server, "/end"))));
        request.follow_redirects = false;
        expect_ok(call(&user, &request), rows[i].status, "");
    }
    user_stop(&user);
    server_close(server, 0);
}

static void test_redirects_to_the_metadata_service(void **state) {
    struct server *server = serve_with(serve, NULL);
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    expect_failure(
            get(&user, url_of(server, "/redirect?status=302&to=http://169.254.169.254/latest/")),
            CLIENT_REFUSED, "metadata");
    expect_failure(get(&user, url_of(server, "/redirect?status=302&to=//0xa9fea9fe/")),
            CLIENT_REFUSED, "metadata");
    expect_failure(get(&user, url_of(server, "/redirect?status=302&to=file:///etc/passwd")),
            CLIENT_REFUSED, "http");
    expect_failure(get(&user, url_of(server, "/redirect?status=302&to=gopher://127.0.0.1/")),
            CLIENT_REFUSED, "http");
    user_stop(&user);
    server_close(server, 0);
}

static void test_redirects_without_end(void **state) {
    struct parrot parrot;
    char words[128], url[64];
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    parrot_start(&parrot, STR_NULL);
    snprintf(words, sizeof(words),
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nConnection: "
            "close\r\nContent-Length: 0\r\n\r\n",
            parrot.port);
    parrot.words = str_from(words);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", parrot.port);
    expect_failure(get(&user, url), CLIENT_BROKEN, "more than 5 redirects");
    assert_int_equal(__atomic_load_n(&parrot.requests, __ATOMIC_ACQUIRE), 1 + LIMIT_REDIRECTS);
    parrot_stop(&parrot);
    user_stop(&user);
}

static void test_credentials_stay_with_their_host(void **state) {
    struct server *server = serve_with(serve, NULL), *other = serve_with(serve, NULL);
    struct client_header headers[] = { { STR("Authorization"), STR("Bearer secret") },
        { STR("Cookie"), STR("s=1") }, { STR("X-One"), STR("kept") } };
    struct client_request request = {
        .method = STR("GET"), .headers = headers, .header_count = 3, .follow_redirects = true
    };
    struct user user;
    char rest[128];

    (void)state;
    user_start(&user, &anywhere);
    request.url = str_from(url_of(server, "/redirect?status=302&to=/end"));
    expect_ok(call(&user, &request), 200, "|auth:Bearer secret|cookie:s=1|x:kept|");
    snprintf(rest, sizeof(rest), "/redirect?status=302&to=http://127.0.0.1:%d/end",
            server_port(other));
    request.url = str_from(url_of(server, rest));
    expect_ok(call(&user, &request), 200, "|auth:|cookie:|x:kept|");
    snprintf(rest, sizeof(rest), "/redirect?status=302&to=http://localhost:%d/end",
            server_port(server));
    request.url = str_from(url_of(server, rest));
    expect_ok(call(&user, &request), 200, "|auth:|cookie:|x:kept|");
    user_stop(&user);
    server_close(server, 0);
    server_close(other, 0);
}

/* ---- digest ---- */

static void demand_digest(void *user, struct request *request) {
    struct answer answer = { .status = 200, .body = request_body(request) };
    struct str given = request_header(request, "authorization");
    uint32_t *challenges = user;

    if (!str_starts_with(given, STR("Digest username=\"me\", realm=\"r\", nonce=\"n1\""))) {
        __atomic_fetch_add(challenges, 1, __ATOMIC_RELAXED);
        answer.status = 401;
        answer.body = STR("who are you");
        answer.headers[0].name = STR("WWW-Authenticate");
        answer.headers[0].value =
                STR("Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256");
        answer.header_count = 1;
    }
    request_answer(request, &answer);
}

static void test_digest(void **state) {
    uint32_t challenges = 0;
    struct server *server = serve_with(demand_digest, &challenges);
    struct client_request request = { .method = STR("POST"),
        .url = str_from(url_of(server, "/")),
        .body = STR("data"),
        .has_body = true,
        .username = STR("me"),
        .password = STR("pass") };
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    struct client_response response = call(&user, &request);
    expect_ok(response, 200, "data");
    assert_null(header(&response, "www-authenticate").data);
    /* Nobody else is given what was agreed upon. */
    request.username = STR_NULL;
    expect_ok(call(&user, &request), 401, "who are you");
    request.username = STR("me");
    expect_ok(call(&user, &request), 200, "data");
    user_stop(&user);
    server_close(server, 0);
    assert_int_equal(challenges, 3);
}

/* ---- names, TLS ---- */

static void test_resolve(void **state) {
    struct server *server = serve_with(serve, NULL);
    char resolve[200];
    struct client_options options = { .egress_any = true, .resolve = resolve };
    struct user user;
    struct err err;

    (void)state;
    snprintf(resolve, sizeof(resolve), "one.example:80=127.0.0.1:%d, two.example:8080=127.0.0.1:%d",
            server_port(server), server_port(server));
    user_start(&user, &options);
    expect_ok(get(&user, "http://one.example/1"), 200, "[GET|/1|");
    expect_ok(get(&user, "http://two.example:8080/2"), 200, "[GET|/2|");
    user_stop(&user);
    options.egress_any = false; /* what counts is where the connection goes */
    user_start(&user, &options);
    expect_failure(get(&user, "http://one.example/1"), CLIENT_REFUSED, "loopback");
    user_stop(&user);
    server_close(server, 0);
    static const char *const bad[] = { "one.example=127.0.0.1:1", "one.example:80=127.0.0.1",
        "nonsense" };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        options.resolve = bad[i];
        assert_false(client_open(&options, &user.client, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
    options.resolve = NULL;
    options.egress_allow = "10.0.0.0/99";
    assert_false(client_open(&options, &user.client, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

struct tls {
    char folder[32];
    char ca[64];
    pid_t process;
    int port;
};

static bool shell(const char *folder, const char *command) {
    char line[1024];

    snprintf(line, sizeof(line), "cd %s && { %s; } >log 2>&1", folder, command);
    return system(line) == 0;
}

/* A certificate authority that lives as long as the test, a certificate for "tls.example", and a server. */
static bool tls_start(struct tls *tls) {
    int ends[2];
    char line[256] = "";

    snprintf(tls->folder, sizeof(tls->folder), "/tmp/client_test_XXXXXX");
    assert_non_null(mkdtemp(tls->folder));
    snprintf(tls->ca, sizeof(tls->ca), "%s/ca.pem", tls->folder);
    bool made = shell(tls->folder,
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key "
            "-out ca.pem -days 2 "
            "-subj /CN=authority && "
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out "
            "request.pem -subj /CN=tls.example && "
            "printf 'subjectAltName=DNS:tls.example' >extensions && "
            "openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
            "-extfile extensions -out cert.pem");
    if (!made) return false;
    assert_int_equal(pipe(ends), 0);
    tls->process = fork();
    if (tls->process == 0) {
        if (chdir(tls->folder) != 0) _exit(1);
        dup2(ends[1], STDOUT_FILENO);
        close(STDERR_FILENO);
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem",
                "-key", "key.pem", "-www", NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    while (fgets(line, sizeof(line), output) && !strstr(line, "ACCEPT "))
        continue;
    const char *colon = strrchr(line, ':');
    tls->port = colon ? (int)strtol(colon + 1, NULL, 10) : 0;
    fclose(output);
    return tls->port > 0;
}

static void tls_stop(struct tls *tls) {
    if (tls->process > 0) {
        kill(tls->process, SIGKILL);
        waitpid(tls->process, NULL, 0);
    }
    shell(tls->folder, "rm -f ca.* key.pem request.pem extensions cert.pem");
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", tls->folder);
    assert_int_equal(system(command), 0);
}

static size_t count_certificates(const char *path) {
    FILE *file = fopen(path, "r");
    char line[1024];
    size_t count = 0;

    if (!file) return 0;
    while (fgets(line, sizeof(line), file))
        count += strstr(line, "BEGIN CERTIFICATE") != NULL;
    fclose(file);
    return count;
}

static void test_tls(void **state) {
    struct tls tls = { .process = 0 };
    char resolve[128];
    struct client_options options = { .egress_any = true, .resolve = resolve };
    struct user user;
    struct trust trust;
    struct err err;

    (void)state;
    if (system("openssl version >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no openssl program\n");
        skip();
    }
    assert_true(tls_start(&tls));
    snprintf(resolve, sizeof(resolve), "tls.example:443=127.0.0.1:%d,else.example:443=127.0.0.1:%d",
            tls.port, tls.port);
    user_start(&user, &options);
    expect_failure(get(&user, "https://tls.example/"), CLIENT_UNREACHABLE, "certificate");
    user_stop(&user);
    options.ca_file = tls.ca;
    user_start(&user, &options);
    for (int i = 0; i < 3; i++)
        expect_ok(get(&user, "https://tls.example/"), 200, "Ciphers supported");
    expect_failure(get(&user, "https://else.example/"), CLIENT_UNREACHABLE, "no connection");
    user_stop(&user);
    /* One more, and none less. */
    assert_true(trust_init(&trust, NULL, &err));
    size_t of_system = count_certificates(trust.path);
    trust_clear(&trust);
    assert_true(trust_init(&trust, tls.ca, &err));
    assert_int_equal(count_certificates(trust.path), of_system + 1);
    trust_clear(&trust);
    tls_stop(&tls);
}

static void test_a_bad_authority(void **state) {
    struct client_options options = { .ca_file = "/nowhere/ca.pem" };
    struct client *client;
    struct err err;

    (void)state;
    assert_false(client_open(&options, &client, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.message, "/nowhere/ca.pem"));
    options.ca_file = "/etc/hostname";
    assert_false(client_open(&options, &client, &err));
    assert_non_null(strstr(err.message, "no certificate"));
}

/* Sends and cancels from several threads while another collects. */
struct sender {
    struct user *user;
    const char *url;
    uint64_t first;
};

static void send_and_cancel(void *argument) {
    struct sender *sender = argument;

    for (uint64_t i = 0; i < 200; i++) {
        client_send(sender->user->client,
                &(struct client_request){ .tag = sender->first + i,
                        .method = STR("GET"),
                        .url = str_from(sender->url) });
        if (i % 5 == 0) client_cancel(sender->user->client, sender->first + i);
    }
}

static void test_many_threads(void **state) {
    enum { SENDERS = 4, CALLS = SENDERS * 200 };
    struct server *server = serve_with(serve, NULL);
    const char *url = url_of(server, "/m");
    struct client_response responses[RESPONSES_MAX];
    struct thread *threads[SENDERS];
    struct sender senders[SENDERS];
    static bool seen[CALLS];
    struct user user;

    (void)state;
    user_start(&user, &anywhere);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ &user, url, (uint64_t)i * 200 };
        threads[i] = thread_start("sender", send_and_cancel, &senders[i]);
    }
    for (size_t got = 0; got < CALLS;) {
        size_t count = await_some(&user, RESPONSES_MAX, responses);
        for (size_t i = 0; i < count; i++) {
            assert_false(seen[responses[i].tag]);
            seen[responses[i].tag] = true;
            bool cancelled = responses[i].failure == CLIENT_CANCELLED && responses[i].tag % 5 == 0;
            if (!cancelled) expect_ok(responses[i], 200, "[GET|/m|");
        }
        got += count;
        arena_reset(user.arena);
    }
    for (int i = 0; i < SENDERS; i++)
        thread_join(threads[i]);
    user_stop(&user);
    server_close(server, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_a_large_body_both_ways),
        cmocka_unit_test(test_a_thousand_at_once),
        cmocka_unit_test(test_more_than_in_flight_wait_in_order),
        cmocka_unit_test(test_timeout_and_cancel),
        cmocka_unit_test(test_close_drops_what_is_in_flight),
        cmocka_unit_test(test_what_is_never_sent),
        cmocka_unit_test(test_public_refuses_this_machine_in_every_spelling),
        cmocka_unit_test(test_nothing_is_taken_from_the_environment),
        cmocka_unit_test(test_unreachable_and_broken),
        cmocka_unit_test(test_what_an_answer_holds),
        cmocka_unit_test(test_answers_over_a_limit),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_redirects_to_the_metadata_service),
        cmocka_unit_test(test_redirects_without_end),
        cmocka_unit_test(test_credentials_stay_with_their_host),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_a_bad_authority),
        cmocka_unit_test(test_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/assert.h"
#include "common/buf.h"
#include "common/limits.h"
#include "system/clock.h"
#include "system/queue.h"
#include "system/thread.h"

enum { TEXT_SIZE = 256 * 1024, WAIT_MS = 20 * 1000, KEPT_MAX = 4096, ANSWERERS = 4 };

/* ---- a client of bare sockets ---- */

static int dial(const struct server *server) {
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_port = htons(server_port(server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct timeval limit = { .tv_sec = WAIT_MS / 1000 };

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void put(int fd, const char *text, size_t size) {
    while (size) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        assert_true(sent > 0);
        text += sent;
        size -= (size_t)sent;
    }
}

static void say(int fd, const char *text) {
    put(fd, text, strlen(text));
}

/* Reads until `end` was read (NULL: to the end of the connection); returns all of it. */
static const char *hear(int fd, const char *end) {
    static char text[TEXT_SIZE];
    size_t size = 0;

    text[0] = '\0';
    while (!end || !strstr(text, end)) {
        ssize_t got = recv(fd, text + size, 1, 0);
        if (got == 0) break;
        if (got < 0) fail_msg("%s, after: %s", strerror(errno), text);
        size += (size_t)got;
        assert_true(size < sizeof(text));
        text[size] = '\0';
    }
    return text;
}

static void contains(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("'%s' is not in: %s", part, text);
}

/* One request on a connection of its own, to its end. */
static const char *ask(const struct server *server, const char *request) {
    int fd = dial(server);

    say(fd, request);
    const char *answer = hear(fd, NULL);
    close(fd);
    return answer;
}

/* ---- handlers ---- */

static void answer_text(struct request *request, int status, const char *text) {
    struct answer answer = {
        .status = status, .content_type = STR("text/plain"), .body = str_from(text)
    };

    request_answer(request, &answer);
}

/* Tells what was asked. */
static void echo(void *user, struct request *request) {
    char text[2048];

    (void)user;
    snprintf(text, sizeof(text),
            "[" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT "|" STR_FMT "]",
            STR_ARG(request_method(request)), STR_ARG(request_path(request)),
            STR_ARG(request_query(request)), STR_ARG(request_header(request, "x-one")),
            STR_ARG(str_slice(request_body(request), 0, 1000)), STR_ARG(request_peer(request)));
    answer_text(request, 200, text);
}

/* Keeps requests in a queue. */
static void keep(void *user, struct request *request) {
    bool kept = queue_push(user, request);

    assert_true(kept);
}

static struct request *next_kept(struct queue *queue) {
    void *item;

    assert_int_equal(queue_pop(queue, &item, 1, WAIT_MS), 1);
    return item;
}

static struct server *open_server(
        const struct server_options *options, server_handler *handler, void *user) {
    struct server_options with_address = *options;
    struct server *server;
    struct err err;

    with_address.listen = "127.0.0.1:0";
    if (!server_open(&with_address, handler, user, &server, &err)) fail_msg("%s", err.message);
    return server;
}

static const struct server_options plain;

/* ---- tests ---- */

static void test_what_was_asked(void **state) {
    struct server *server = open_server(&plain, echo, NULL);

    (void)state;
    contains(ask(server,
                     "GET /a%2Fb/c?x=%20&y HTTP/1.1\r\nHost: h\r\nX-ONE: 1 2\r\nConnection: "
                     "close\r\n\r\n"),
            "\r\n\r\n[GET|/a%2Fb/c|x=%20&y|1 2||127.0.0.1]");
    contains(ask(server,
                     "PUT http://h:80/p?q HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: "
                     "close\r\n\r\nabc"),
            "[PUT|/p|q||abc|127.0.0.1]");
    contains(ask(server,
                     "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: "
                     "close\r\n\r\n"
                     "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
            "[POST|/|||abcde|127.0.0.1]");
    contains(ask(server, "OPTIONS * HTTP/1.0\r\n\r\n"), "[OPTIONS|*|||");
    const char *head = ask(server, "HEAD /h HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    contains(head, "Content-Length: 22\r\n");
    assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
    server_close(server, 0);
}

static void answer_with_headers(void *user, struct request *request) {
    static char long_value[2000];
    struct answer answer = { .status = 201, .body = STR("made") };

    (void)user;
    memset(long_value, 'v', sizeof(long_value));
    answer.headers[answer.header_count].name = STR("Location");
    answer.headers[answer.header_count++].value = STR("/there");
    answer.headers[answer.header_count].name = STR("X-Long");
    answer.headers[answer.header_count++].value = (struct str){ long_value, sizeof(long_value) };
    answer.headers[answer.header_count].name = STR("X-Split");
    answer.headers[answer.header_count++].value = STR("a\r\nX-Injected: b");
    request_answer(request, &answer);
}

static void test_headers_of_an_answer(void **state) {
    struct server *server = open_server(&plain, answer_with_headers, NULL);
    const char *answer = ask(server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

    (void)state;
    contains(answer, "HTTP/1.1 201 Created\r\n");
    contains(answer, "Location: /there\r\n");
    contains(answer, "X-Long: vvvvvvvv");
    assert_null(strstr(answer, "X-Injected"));
    assert_null(strstr(answer, "Content-Type"));
    server_close(server, 0);
}

static void expect_pipeline(const struct server *server) {
    int fd = dial(server);

    say(fd,
            "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: "
            "2\r\n\r\nhi"
            "GET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    const char *answers = hear(fd, NULL);
    const char *first = strstr(answers, "/1"), *second = strstr(answers, "/2"),
               *third = strstr(answers, "/3");
    assert_true(first && second && third && first < second && second < third);
    close(fd);
}

static void answer_path(void *user, struct request *request) {
    char text[64];

    (void)user;
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(request_path(request)));
    answer_text(request, 200, text);
}

static void answer_kept(void *user) {
    struct queue *queue = user;
    void *item;

    while (queue_pop(queue, &item, 1, -1))
        answer_path(NULL, item);
}

static void test_pipelined_requests_are_answered_in_order(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct thread *answerer = thread_start("answerer", answer_kept, queue);
    struct server *at_once = open_server(&plain, answer_path, NULL);
    struct server *later = open_server(&plain, keep, queue);

    (void)state;
    for (int i = 0; i < 20; i++) {
        expect_pipeline(at_once);
        expect_pipeline(later);
    }
    server_close(at_once, 0);
    server_close(later, 0);
    queue_close(queue);
    thread_join(answerer);
    queue_free(queue);
}

struct user_of_server {
    const struct server *server;
    int number;
};

static void ask_often(void *user) {
    struct user_of_server *self = user;
    char request[128], expected[64];
    int fd = dial(self->server);

    for (int i = 0; i < 100; i++) {
        snprintf(request, sizeof(request), "GET /%d-%d. HTTP/1.1\r\nHost: h\r\n\r\n", self->number,
                i);
        snprintf(expected, sizeof(expected), "\r\n\r\n/%d-%d.", self->number, i);
        say(fd, request);
        char text[1024];
        size_t size = 0;
        text[0] = '\0';
        while (!strstr(text, expected)) {
            ssize_t got = recv(fd, text + size, sizeof(text) - 1 - size, 0);
            assert_true(got > 0);
            size += (size_t)got;
            text[size] = '\0';
        }
    }
    close(fd);
}

/* Answered in the callback, from other threads, and by both at once. */
static void sometimes_keep(void *user, struct request *request) {
    struct str path = request_path(request);

    if (path.data[path.size - 2] % 2) {
        answer_path(NULL, request);
    } else {
        keep(user, request);
    }
}

static void test_answers_from_other_threads(void **state) {
    enum { USERS = 16 };
    struct queue *queue = queue_new(KEPT_MAX);
    struct server_options options = { .thread_count = 2 };
    struct server *server = open_server(&options, sometimes_keep, queue);
    struct thread *answerers[ANSWERERS], *users[USERS];
    struct user_of_server selves[USERS];

    (void)state;
    for (int i = 0; i < ANSWERERS; i++)
        answerers[i] = thread_start("answerer", answer_kept, queue);
    for (int i = 0; i < USERS; i++) {
        selves[i] = (struct user_of_server){ server, i };
        users[i] = thread_start("user", ask_often, &selves[i]);
    }
    for (int i = 0; i < USERS; i++)
        thread_join(users[i]);
    queue_close(queue);
    for (int i = 0; i < ANSWERERS; i++)
        thread_join(answerers[i]);
    server_close(server, 0);
    queue_free(queue);
}

/* Hands each request to a thread that waits for it in a loop, and answers a little later each time: before
 * the handler has returned, after it, and in between. */
struct relay {
    struct request *request; /* atomic */
    bool stop;               /* atomic */
};

static void relay_run(void *user) {
    struct relay *relay = user;

    for (uint32_t count = 0; !__atomic_load_n(&relay->stop, __ATOMIC_ACQUIRE);) {
        struct request *request = __atomic_exchange_n(&relay->request, NULL, __ATOMIC_ACQ_REL);
        if (!request) continue;
        for (uint32_t i = 0; i < count % 400 * 16; i++)
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
        count++;
        answer_text(request, 200, "relayed.");
    }
}

static void hand_to_relay(void *user, struct request *request) {
    struct relay *relay = user;

    __atomic_store_n(&relay->request, request, __ATOMIC_RELEASE);
}

static void test_answers_at_every_moment(void **state) {
    struct relay relay = { .request = NULL };
    struct server *server = open_server(&plain, hand_to_relay, &relay);
    struct thread *thread = thread_start("relay", relay_run, &relay);
    int fd = dial(server);

    (void)state;
    for (int i = 0; i < 4000; i++) {
        say(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        hear(fd, "relayed.");
    }
    close(fd);
    __atomic_store_n(&relay.stop, true, __ATOMIC_RELEASE);
    thread_join(thread);
    server_close(server, 0);
}

static void test_a_client_that_went_away(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = open_server(&plain, keep, queue);
    struct linger reset = { .l_onoff = 1 };

    (void)state;
    for (int i = 0; i < 10; i++) {
        int fd = dial(server);
        say(fd, "GET /gone HTTP/1.1\r\nHost: h\r\n\r\n");
        struct request *request = next_kept(queue);
        if (i % 2) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
        answer_text(request, 200, "nobody hears this");
    }
    int fd = dial(server);
    say(fd, "GET /here HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    struct request *request = next_kept(queue);
    request_set_user(request, queue);
    assert_ptr_equal(request_user(request), queue);
    answer_text(request, 200, "somebody hears this");
    contains(hear(fd, NULL), "somebody hears this");
    server_close(server, 0);
    close(fd);
    queue_free(queue);
}

static void expect_problem(const char *answer, int status) {
    char line[64], member[64];

    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    snprintf(member, sizeof(member), "\"status\":%d,\"detail\":\"", status);
    if (strncmp(answer, line, strlen(line)) != 0) fail_msg("not %d: %s", status, answer);
    contains(answer, "\r\nContent-Type: application/problem+json\r\n");
    contains(answer, "\r\nConnection: close\r\n");
    contains(answer, member);
}

static void never(void *user, struct request *request) {
    (void)user;
    (void)request;
    fail_msg("a refused request reached the handler");
}

static void test_bodies_over_the_limit(void **state) {
    enum { BLOCK = 64 * 1024, BLOCKS = 100 };
    struct server_options options = { .body_max = 1000 };
    struct server *server = open_server(&options, never, NULL);
    static char block[BLOCK];
    char head[200];

    (void)state;
    memset(block, 'x', sizeof(block));
    /* Told beforehand, and sent all the same: the answer has to get through. */
    int fd = dial(server);
    snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
            BLOCK * BLOCKS);
    say(fd, head);
    for (int i = 0; i < BLOCKS; i++)
        put(fd, block, BLOCK);
    expect_problem(hear(fd, NULL), 413);
    close(fd);
    /* At once: before the body is sent. */
    fd = dial(server);
    say(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
    expect_problem(hear(fd, NULL), 413);
    close(fd);
    /* Found out on the way. */
    fd = dial(server);
    say(fd, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < BLOCKS; i++) {
        say(fd, "10000\r\n");
        put(fd, block, BLOCK);
        say(fd, "\r\n");
    }
    say(fd, "0\r\n\r\n");
    expect_problem(hear(fd, NULL), 413);
    close(fd);
    /* Who asks first is told no, and not to go on. */
    const char *answer = ask(server,
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n");
    expect_problem(answer, 413);
    server_close(server, 0);
}

static void test_a_body_at_the_limit(void **state) {
    struct server_options options = { .body_max = 1000 };
    struct server *server = open_server(&options, echo, NULL);
    char request[2000];
    int size = snprintf(request, sizeof(request),
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\nConnection: "
            "close\r\n\r\n%01000d",
            7);

    (void)state;
    int fd = dial(server);
    put(fd, request, (size_t)size);
    contains(hear(fd, NULL), "HTTP/1.1 200 OK");
    close(fd);
    server_close(server, 0);
}

static void test_headers_over_the_limit(void **state) {
    struct server *server = open_server(&plain, never, NULL);
    static const int sizes[] = { LIMIT_HEADER, LIMIT_HEADER + 4000, 4 * LIMIT_HEADER };
    static char request[8 * LIMIT_HEADER];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        int size = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: h\r\nX-Filler: ");
        memset(request + size, 'f', (size_t)sizes[i]);
        strncpy(request + size + sizes[i], "\r\n\r\n", 5);
        int fd = dial(server);
        put(fd, request, (size_t)(size + sizes[i] + 4));
        const char *answer = hear(fd, "\r\n\r\n");
        contains(answer, "HTTP/1.1 431 ");
        /* Far over the limit the library has no room to read on, and answers for itself. */
        if (i < 2) contains(answer, "application/problem+json");
        close(fd);
    }
    server_close(server, 0);
}

static void test_a_header_at_the_limit(void **state) {
    struct server *server = open_server(&plain, echo, NULL);
    static char request[2 * LIMIT_HEADER];
    int size = snprintf(request, sizeof(request),
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Filler: ");

    (void)state;
    while (size < LIMIT_HEADER - 4)
        request[size++] = 'f';
    strncpy(request + size, "\r\n\r\n", 5);
    contains(ask(server, request), "HTTP/1.1 200 OK");
    server_close(server, 0);
}

static void test_requests_that_can_be_read_in_two_ways(void **state) {
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: h\r\nX[]: 1\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    };
    struct server *server = open_server(&plain, never, NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        int fd = dial(server);
        say(fd, requests[i]);
        shutdown(fd, SHUT_WR);
        /* Nothing follows it: what came behind is not taken for another request. */
        const char *answer = hear(fd, NULL);
        expect_problem(answer, 400);
        assert_null(strstr(answer + 1, "HTTP/1.1"));
        close(fd);
    }
    /* The library deals with these by itself. */
    assert_string_equal(ask(server, "nonsense\r\n\r\n"), "");
    contains(ask(server, "GET / HTTP/1.x\r\nHost: h\r\n\r\n"), "HTTP/1.1 400 ");
    contains(ask(server, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"), "HTTP/1.1 505 ");
    contains(ask(server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n"),
            "HTTP/1.1 400 ");
    server_close(server, 0);
}

static void test_a_header_that_dribbles_in(void **state) {
    struct server_options options = { .header_ms = 300 };
    struct server *server = open_server(&options, never, NULL);
    struct pollfd watched = { .fd = dial(server), .events = POLLIN };
    const char *request = "GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ";
    int sent = 0;
    char c;

    (void)state;
    /* A byte every 50 ms, for ever: the server has to be the one that ends it. */
    while (poll(&watched, 1, 50) == 0 && sent < WAIT_MS / 50) {
        c = request[sent] ? request[sent] : 'x';
        if (send(watched.fd, &c, 1, MSG_NOSIGNAL) != 1) break;
        sent += request[sent] ? 1 : 0;
    }
    assert_true(sent < WAIT_MS / 50);
    assert_true(recv(watched.fd, &c, 1, 0) <= 0);
    close(watched.fd);
    server_close(server, 0);
}

/* ---- streams ---- */

static void begin(struct request *request) {
    struct answer head = { .status = 200, .content_type = STR("text/event-stream") };

    request_begin(request, &head);
}

static void test_a_stream(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = open_server(&plain, keep, queue);
    int fd = dial(server);

    (void)state;
    say(fd, "GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    struct request *request = next_kept(queue);
    begin(request);
    contains(hear(fd, "\r\n\r\n"), "Content-Type: text/event-stream\r\n");
    for (int i = 0; i < 50; i++) {
        char event[32];
        snprintf(event, sizeof(event), "data: %d\n\n", i);
        assert_true(request_send(request, str_from(event)));
        if (i % 2) hear(fd, event); /* arrives without another push behind it */
    }
    assert_true(request_send(request, STR_NULL));
    request_end(request);
    contains(hear(fd, "0\r\n\r\n"), "0\r\n\r\n");
    /* The connection goes on. */
    say(fd, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    answer_text(next_kept(queue), 200, "next");
    contains(hear(fd, "next"), "next");
    close(fd);
    server_close(server, 0);
    queue_free(queue);
}

static void stream_at_once(void *user, struct request *request) {
    (void)user;
    begin(request);
    bool taken = request_send(request, STR("data: 1\n\n"));
    assert_true(taken);
    request_end(request);
}

static void test_a_stream_begun_and_ended_at_once(void **state) {
    struct server *server = open_server(&plain, stream_at_once, NULL);

    (void)state;
    contains(ask(server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "data: 1\n\n");
    contains(ask(server, "GET / HTTP/1.0\r\n\r\n"), "data: 1\n\n");
    const char *head = ask(server, "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    contains(head, "HTTP/1.1 200 OK");
    assert_null(strstr(head, "data"));
    server_close(server, 0);
}

static void test_a_reader_that_falls_behind(void **state) {
    enum { BLOCK = 64 * 1024, BLOCKS_MAX = 1000 };
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = open_server(&plain, keep, queue);
    static char block[BLOCK];
    int fd = dial(server), taken = 0;

    (void)state;
    memset(block, 'e', sizeof(block));
    say(fd, "GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    struct request *request = next_kept(queue);
    begin(request);
    /* Not read at all: the sockets fill, then the megabyte, then it is false. */
    while (taken < BLOCKS_MAX && request_send(request, (struct str){ block, BLOCK }))
        taken++;
    assert_in_range(taken, 16, BLOCKS_MAX - 1);
    assert_false(request_send(request, STR("x")));
    request_end(request);
    close(fd);
    server_close(server, WAIT_MS);
    queue_free(queue);
}

static void test_a_reader_that_is_slow_but_keeps_up(void **state) {
    enum { BLOCK = 100 * 1000, BLOCKS = 60 };
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = open_server(&plain, keep, queue);
    static char block[BLOCK];
    size_t received = 0;
    int fd = dial(server);

    (void)state;
    say(fd, "GET /events HTTP/1.0\r\n\r\n"); /* without chunks, so that bytes can be counted */
    struct request *request = next_kept(queue);
    begin(request);
    hear(fd, "\r\n\r\n");
    for (int i = 0; i < BLOCKS; i++) {
        memset(block, 'a' + i % 26, sizeof(block));
        assert_true(request_send(request, (struct str){ block, BLOCK }));
        for (size_t got = 0; i >= 5 && got < BLOCK;) {
            char bytes[1000];
            ssize_t size = recv(fd, bytes, MIN(sizeof(bytes), BLOCK - got), 0);
            assert_true(size > 0);
            for (ssize_t j = 0; j < size; j++) {
                assert_int_equal(bytes[j], 'a' + (int)((received + (size_t)j) / BLOCK) % 26);
            }
            got += (size_t)size;
            received += (size_t)size;
        }
    }
    request_end(request);
    char bytes[1000];
    for (ssize_t size; (size = recv(fd, bytes, sizeof(bytes), 0)) > 0;)
        received += (size_t)size;
    assert_int_equal(received, (size_t)BLOCK * BLOCKS);
    close(fd);
    server_close(server, 0);
    queue_free(queue);
}

static void test_a_reader_that_went_away(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = open_server(&plain, keep, queue);
    struct linger reset = { .l_onoff = 1 };
    struct clock clock = clock_system();
    int fd = dial(server);

    (void)state;
    say(fd, "GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    struct request *request = next_kept(queue);
    begin(request);
    hear(fd, "\r\n\r\n");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    /* The loop finds out by sending; nothing more is put in meanwhile, so it cannot be the megabyte. */
    bool there = request_send(request, STR("data: x\n\n"));
    int64_t until_ms = clock_monotonic_ms(&clock) + WAIT_MS;
    while (there && clock_monotonic_ms(&clock) < until_ms) {
        sched_yield();
        there = request_send(request, STR_NULL);
    }
    assert_false(there);
    request_end(request);
    server_close(server, 0);
    queue_free(queue);
}

/* ---- closing ---- */

struct closing {
    struct server *server;
    int64_t grace_ms;
};

static void close_server(void *user) {
    struct closing *closing = user;

    server_close(closing->server, closing->grace_ms);
}

static void test_close_waits_for_what_is_kept(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct closing closing = { open_server(&plain, keep, queue), WAIT_MS };
    int fd = dial(closing.server), other = dial(closing.server);

    (void)state;
    say(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    struct request *request = next_kept(queue);
    struct thread *closer = thread_start("closer", close_server, &closing);
    /* A connection that was open: as soon as the closing has begun, its requests are refused. */
    for (bool refused = false; !refused;) {
        say(other, "GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
        void *item;
        if (queue_pop(queue, &item, 1, 10)) {
            answer_text(item, 200, "in time.");
            hear(other, "in time.");
            continue;
        }
        expect_problem(hear(other, "\"detail\":\"The server is shutting down.\"}"), 503);
        refused = true;
    }
    answer_text(request, 200, "answered in the grace");
    contains(hear(fd, NULL), "answered in the grace");
    thread_join(closer);
    close(fd);
    close(other);
    queue_free(queue);
}

static void test_close_drops_what_is_not_answered(void **state) {
    struct queue *queue = queue_new(KEPT_MAX);
    struct server *server = open_server(&plain, keep, queue);
    int kept = dial(server), streaming = dial(server), half = dial(server), begun = dial(server);

    (void)state;
    say(kept, "GET /kept HTTP/1.1\r\nHost: h\r\n\r\n");
    struct request *never_answered = next_kept(queue);
    say(begun, "GET /begun HTTP/1.1\r\nHost: h\r\n\r\n");
    struct request *begun_late = next_kept(queue);
    say(streaming, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    struct request *stream = next_kept(queue);
    begin(stream);
    hear(streaming, "\r\n\r\n");
    say(half, "POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    server_close(server, 50);
    assert_string_equal(hear(kept, NULL), "");
    assert_string_equal(hear(streaming, NULL), "");
    /* Too late, and without effect. */
    answer_text(never_answered, 200, "x");
    assert_false(request_send(stream, STR("x")));
    request_end(stream);
    begin(begun_late);
    assert_false(request_send(begun_late, STR("x")));
    request_end(begun_late);
    close(kept);
    close(streaming);
    close(half);
    close(begun);
    queue_free(queue);
}

/* Answers race with the end of the grace, from both sides. */
static void test_close_while_answers_come(void **state) {
    (void)state;
    for (int round = 0; round < 30; round++) {
        struct queue *queue = queue_new(KEPT_MAX);
        struct closing closing = { open_server(&plain, keep, queue), round % 3 };
        struct request *requests[20];
        int fds[20];

        for (int i = 0; i < 20; i++) {
            fds[i] = dial(closing.server);
            say(fds[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            requests[i] = next_kept(queue);
        }
        struct thread *closer = thread_start("closer", close_server, &closing);
        for (int i = 0; i < 20; i++)
            answer_text(requests[i], 200, "x");
        thread_join(closer);
        for (int i = 0; i < 20; i++)
            close(fds[i]);
        queue_free(queue);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_asked),
        cmocka_unit_test(test_headers_of_an_answer),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_answers_from_other_threads),
        cmocka_unit_test(test_answers_at_every_moment),
        cmocka_unit_test(test_a_client_that_went_away),
        cmocka_unit_test(test_bodies_over_the_limit),
        cmocka_unit_test(test_a_body_at_the_limit),
        cmocka_unit_test(test_headers_over_the_limit),
        cmocka_unit_test(test_a_header_at_the_limit),
        cmocka_unit_test(test_requests_that_can_be_read_in_two_ways),
        cmocka_unit_test(test_a_header_that_dribbles_in),
        cmocka_unit_test(test_a_stream),
        cmocka_unit_test(test_a_stream_begun_and_ended_at_once),
        cmocka_unit_test(test_a_reader_that_falls_behind),
        cmocka_unit_test(test_a_reader_that_is_slow_but_keeps_up),
        cmocka_unit_test(test_a_reader_that_went_away),
        cmocka_unit_test(test_close_waits_for_what_is_kept),
        cmocka_unit_test(test_close_drops_what_is_not_answered),
        cmocka_unit_test(test_close_while_answers_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

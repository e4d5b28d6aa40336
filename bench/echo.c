/* An HTTP/1.1 echo on loopback, for benchmarks: one thread, epoll, keep-alive, pipelining.
 *
 *     bench-echo PORT
 *
 *     POST /  {"n": 1}  → {"n": 2}
 *     GET  /            → {"posts": 12345}
 *
 * It stands alone, as the peers' echo does, so that what it costs is the same for all of them. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_MAX = 64 * 1024, OUTPUT_MAX = 64 * 1024, ANSWER_MAX = 256, EVENTS_MAX = 256, BACKLOG = 1024 };

struct connection {
    int fd;
    size_t size;
    char input[INPUT_MAX];
};

struct echo {
    int listen_fd, epoll_fd;
    unsigned long long posts;
};

/* One whole request in the input. */
struct request {
    size_t size; /* head and body */
    bool is_post, is_last;
    const char *body, *end;
};

/* The value of a header in head[0..size), or NULL. */
static const char *find_header(const char *head, size_t size, const char *name) {
    size_t name_size = strlen(name);
    const char *line = head, *end = head + size;

    while (line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (!next) return NULL;
        if ((size_t)(next - line) > name_size && strncasecmp(line, name, name_size) == 0) {
            line += name_size;
            while (*line == ' ') line++;
            return line;
        }
        line = next + 1;
    }
    return NULL;
}

enum found { FOUND_NONE, FOUND_REQUEST, FOUND_ERROR };

static enum found find_request(const char *input, size_t size, struct request *ret) {
    const char *blank = memmem(input, size, "\r\n\r\n", 4);

    if (!blank) return size == INPUT_MAX ? FOUND_ERROR : FOUND_NONE;
    size_t head_size = (size_t)(blank - input) + 4;
    const char *length = find_header(input, head_size, "content-length:");
    const char *connection = find_header(input, head_size, "connection:");
    /* Our clients know what they send; chunks are not for them. */
    if (find_header(input, head_size, "transfer-encoding:")) return FOUND_ERROR;
    size_t body_size = length ? strtoul(length, NULL, 10) : 0;
    if (body_size > INPUT_MAX - head_size) return FOUND_ERROR;
    if (size - head_size < body_size) return FOUND_NONE;
    *ret = (struct request){
        .size = head_size + body_size,
        .is_post = input[0] == 'P',
        .is_last = connection && strncasecmp(connection, "close", 5) == 0,
        .body = input + head_size,
        .end = input + head_size + body_size,
    };
    return FOUND_REQUEST;
}

static long long read_n(const struct request *request) {
    const char *at = memmem(request->body, (size_t)(request->end - request->body), "\"n\"", 3);
    long long n = 0;

    if (!at) return 0;
    at += 3;
    while (at < request->end && (*at == ' ' || *at == ':')) at++;
    bool is_negative = at < request->end && *at == '-';
    if (is_negative) at++;
    while (at < request->end && *at >= '0' && *at <= '9' && n < 1000000000000000000) n = n * 10 + (*at++ - '0');
    return is_negative ? -n : n;
}

static size_t write_answer(struct echo *echo, const struct request *request, char *output) {
    char body[64];
    int body_size, size;

    if (request->is_post) {
        echo->posts++;
        body_size = snprintf(body, sizeof(body), "{\"n\":%lld}", read_n(request) + 1);
    } else {
        body_size = snprintf(body, sizeof(body), "{\"posts\":%llu}", echo->posts);
    }
    size = snprintf(output, ANSWER_MAX, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
            body_size, body);
    return (size_t)size;
}

static bool send_all(int fd, const char *output, size_t size) {
    /* An answer is smaller than a socket's buffer; a client that does not read is not served. */
    return size == 0 || write(fd, output, size) == (ssize_t)size;
}

/* Answers every whole request in the input; false: the connection is over. */
static bool serve(struct echo *echo, struct connection *connection) {
    char output[OUTPUT_MAX];
    size_t at = 0, output_size = 0;
    bool is_last = false;

    while (!is_last) {
        struct request request;
        enum found found = find_request(connection->input + at, connection->size - at, &request);
        if (found == FOUND_ERROR) return false;
        if (found == FOUND_NONE) break;
        if (output_size + ANSWER_MAX > OUTPUT_MAX) {
            if (!send_all(connection->fd, output, output_size)) return false;
            output_size = 0;
        }
        output_size += write_answer(echo, &request, output + output_size);
        at += request.size;
        is_last = request.is_last;
    }
    memmove(connection->input, connection->input + at, connection->size - at);
    connection->size -= at;
    return send_all(connection->fd, output, output_size) && !is_last;
}

static void take_connections(const struct echo *echo) {
    int fd, one = 1;

    while ((fd = accept4(echo->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = malloc(sizeof(*connection));
        if (!connection) abort();
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        connection->fd = fd;
        connection->size = 0;
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
        epoll_ctl(echo->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void read_connection(struct echo *echo, struct connection *connection) {
    ssize_t size = read(connection->fd, connection->input + connection->size, INPUT_MAX - connection->size);

    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size > 0) {
        connection->size += (size_t)size;
        if (serve(echo, connection)) return;
    }
    close(connection->fd);
    free(connection);
}

static bool open_echo(struct echo *echo, uint16_t port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    int one = 1;

    echo->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    echo->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    setsockopt(echo->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return bind(echo->listen_fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) == 0
            && listen(echo->listen_fd, BACKLOG) == 0
            && epoll_ctl(echo->epoll_fd, EPOLL_CTL_ADD, echo->listen_fd, &event) == 0;
}

int main(int argc, char **argv) {
    struct epoll_event events[EVENTS_MAX];
    struct echo echo = { 0 };
    unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

    if (port == 0 || port > 65535) {
        fputs("usage: bench-echo PORT\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!open_echo(&echo, (uint16_t)port)) {
        perror("bench-echo");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(echo.epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (!events[i].data.ptr) {
                take_connections(&echo);
            } else {
                read_connection(&echo, events[i].data.ptr);
            }
        }
    }
}

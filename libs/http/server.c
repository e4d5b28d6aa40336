/* The server is one or more loops: a thread each, with a daemon of libmicrohttpd that it alone runs. All
 * loops accept from the same socket.
 *
 * A request that is answered inside on_request never leaves its thread: no lock, no wake-up. One that is
 * kept is suspended; whoever answers it builds the response in its own thread, moves the request's state and
 * wakes the loop, which sends. The state decides every race:
 *
 *     HANDLING ── request_answer, request_begin ──▶ ANSWERED     sent when on_request returns
 *         │ on_request returned
 *         ▼
 *       KEPT ──── request_answer, request_begin ──▶ ANSWERED     resumed, then sent
 *         └────── the grace of server_close is over ▶ DROPPED    resumed, then closed; answers go nowhere
 *
 * Who moves KEPT away is the one who may resume, so libmicrohttpd's connection is there when it is touched.
 * A request is referenced by its connection, by its keeper, and by the stream it became. */
#include "http/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "common/assert.h"
#include "common/buf.h"
#include "common/limits.h"
#include "common/list.h"
#include "http/listen.h"
#include "system/clock.h"
#include "system/queue.h"
#include "system/thread.h"

enum {
    /* Header, parsed header and the header of the answer; cleared by the library for each request. */
    CONNECTION_MEMORY = 2 * LIMIT_HEADER,
    HEADER_MS = 10 * 1000,
    IDLE_S = 30,
    IDLE_MS = IDLE_S * 1000,
    BODY_MS = 5 * 60 * 1000,
    SWEEP_MS = 1000,
    CLOSING_POLL_MS = 20,
    LINGER_MS = 1000,             /* for answers that are under way when the grace is over */
    DRAIN_MAX = 64 * 1024 * 1024, /* what is read and thrown away so that a refusal arrives */
    DRAIN_MS = 30 * 1000,
    BODY_RESERVED = 256 * 1024,
    STREAM_BEHIND_MAX = 1024 * 1024,
    STREAM_BLOCK = 4096,
    REFUSAL_SIZE = 1024,
    HEADER_SHORT = 512,
    ANSWER_HEADERS_MAX = 8,
};

static_assert((int)CONNECTION_MEMORY > (int)LIMIT_HEADER,
        "a header over the limit has to be seen to be refused");

struct loop {
    struct server *server;
    struct MHD_Daemon *daemon;
    struct thread *thread;
    struct list connections;
    struct list requests;
    int64_t swept_ms;
    int wake_fd;
    uint32_t wake;     /* enum wake, atomic */
    uint32_t resuming; /* threads inside request_resume: the loop has to outlive them */
};

/* A loop under load finds what was resumed without being woken; only one that sleeps costs a system call. */
enum wake { WAKE_RUNNING, WAKE_SLEEPING, WAKE_SIGNALLED };

struct server {
    server_handler *on_request;
    void *user;
    size_t body_max;
    int64_t header_ms;
    struct clock clock;
    struct peers *peers;
    char address[LISTEN_ADDRESS_SIZE];
    uint16_t port;
    int listen_fd;
    bool closing;
    int64_t close_by_ms;
    size_t loop_count;
    struct loop *loops;
};

struct connection {
    struct list item;
    struct peer peer;
    char address[INET6_ADDRSTRLEN];
    int fd;
    int64_t deadline_ms; /* for what the client owes us now; 0: nothing */
};

enum phase { PHASE_HEADER, PHASE_BODY, PHASE_DELIVERED, PHASE_REFUSED, PHASE_DRAINING };

enum state { STATE_HANDLING, STATE_KEPT, STATE_ANSWERED, STATE_DROPPED };

struct stream {
    struct lock *lock;
    struct buf pending;
    size_t sent;    /* of pending */
    bool suspended; /* waits for more, or for its end */
    bool gone;      /* nobody reads any more */
    bool ended;
};

struct request {
    struct list item;
    struct loop *loop;
    struct MHD_Connection *mhd;
    struct connection *connection;
    uint32_t references;
    uint32_t state; /* enum state, atomic */
    enum phase phase;
    const char *method;
    struct buf body;
    uint64_t drained;
    void *user;
    int status;
    struct MHD_Response *response;
    struct stream stream;
    size_t target_size;
    char target[]; /* path and query as sent */
};

/* ---- lifetime ---- */

/* "http://host/path" as to a proxy means "/path" (RFC 9112, 3.2.2). */
static const char *without_authority(const char *target) {
    const char *authority = strstr(target, "://");

    if (target[0] == '/' || !authority) return target;
    const char *path = strchr(authority + strlen("://"), '/');
    return path ? path : "/";
}

static struct request *request_new(
        struct loop *loop, struct MHD_Connection *mhd, const char *target) {
    size_t size = strlen(target);
    struct request *request = malloc(sizeof(*request) + size + 1);

    assert(request);
    *request = (struct request){ .loop = loop, .mhd = mhd, .references = 1, .target_size = size };
    memcpy(request->target, target, size + 1);
    list_append(&loop->requests, &request->item);
    return request;
}

static void request_reference(struct request *request) {
    __atomic_fetch_add(&request->references, 1, __ATOMIC_RELAXED);
}

static void request_release(struct request *request) {
    if (__atomic_sub_fetch(&request->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    if (request->stream.lock) {
        lock_free(request->stream.lock);
        buf_clear(&request->stream.pending);
    }
    buf_clear(&request->body);
    free(request);
}

static bool request_move(struct request *request, enum state from, enum state to) {
    uint32_t expected = from;

    return __atomic_compare_exchange_n(
            &request->state, &expected, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static enum state request_state(const struct request *request) {
    return (enum state)__atomic_load_n(&request->state, __ATOMIC_ACQUIRE);
}

static void loop_wake(struct loop *loop) {
    uint64_t one = 1;

    if (__atomic_exchange_n(&loop->wake, WAKE_SIGNALLED, __ATOMIC_ACQ_REL) != WAKE_SLEEPING) return;
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));
    assert(written == sizeof(one));
}

/* Only for who moved the request out of KEPT, or found its stream suspended: until the loop has seen this,
 * the connection, and with it the loop, stays. */
static void request_resume(struct request *request) {
    struct loop *loop = request->loop;

    __atomic_fetch_add(&loop->resuming, 1, __ATOMIC_ACQ_REL);
    MHD_resume_connection(request->mhd);
    loop_wake(loop);
    __atomic_fetch_sub(&loop->resuming, 1, __ATOMIC_ACQ_REL);
}

static int64_t now_ms(const struct loop *loop) {
    return clock_monotonic_ms(&loop->server->clock);
}

/* ---- refusals: what never reaches on_request ---- */

struct refusal {
    int status;
    const char *detail;
};

static size_t refusal_body(const struct refusal *refusal, char body[REFUSAL_SIZE]) {
    int size = snprintf(body, REFUSAL_SIZE,
            "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}",
            MHD_get_reason_phrase_for((unsigned)refusal->status), refusal->status, refusal->detail);

    assert(size > 0 && size < REFUSAL_SIZE);
    return (size_t)size;
}

static enum MHD_Result queue_refusal(struct request *request, const struct refusal *refusal) {
    char body[REFUSAL_SIZE];
    size_t size = refusal_body(refusal, body);
    struct MHD_Response *response =
            MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_COPY);

    assert(response);
    MHD_add_response_header(response, "Content-Type", "application/problem+json");
    MHD_add_response_header(response, "Connection", "close");
    if (refusal->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, "Retry-After", "1");
    enum MHD_Result result = MHD_queue_response(request->mhd, (unsigned)refusal->status, response);
    MHD_destroy_response(response);
    request->phase = PHASE_REFUSED;
    return result;
}

/* A body is on its way. An answer through the library would be followed by a close with bytes unread, which
 * the kernel turns into a reset, and the client would never see the answer. So it is written past the
 * library (nothing of ours can be under way on this connection), the sending half is closed, and what still
 * comes is read and dropped, within limits. */
static enum MHD_Result send_refusal_and_drain(
        struct request *request, const struct refusal *refusal) {
    struct connection *connection = request->connection;
    char body[REFUSAL_SIZE], head[REFUSAL_SIZE];
    size_t body_size = refusal_body(refusal, body);
    int head_size = snprintf(head, sizeof(head),
            "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n%s"
            "Connection: close\r\n\r\n",
            refusal->status, MHD_get_reason_phrase_for((unsigned)refusal->status), body_size,
            refusal->status == MHD_HTTP_SERVICE_UNAVAILABLE ? "Retry-After: 1\r\n" : "");

    assert(head_size > 0 && (size_t)head_size < sizeof(head));
    bool with_body = strcmp(request->method, MHD_HTTP_METHOD_HEAD) != 0;
    if (send(connection->fd, head, (size_t)head_size, MSG_NOSIGNAL) != head_size) return MHD_NO;
    if (with_body && send(connection->fd, body, body_size, MSG_NOSIGNAL) != (ssize_t)body_size)
        return MHD_NO;
    shutdown(connection->fd, SHUT_WR);
    buf_clear(&request->body);
    request->phase = PHASE_DRAINING;
    connection->deadline_ms = now_ms(request->loop) + DRAIN_MS;
    return MHD_YES;
}

static enum MHD_Result drain(struct request *request, size_t *size) {
    request->drained += *size;
    if (*size == 0 || request->drained > DRAIN_MAX) return MHD_NO;
    *size = 0;
    return MHD_YES;
}

/* ---- header ---- */

/* What the header says about where the request ends, and what is wrong with it. */
struct framing {
    size_t lengths, encodings, hosts;
    struct str length, encoding, expect;
    bool malformed;
};

static bool is_token(const char *name, size_t size) {
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !memchr(others, c, sizeof(others) - 1)) return false;
    }
    return size > 0;
}

static enum MHD_Result note_header(void *user, enum MHD_ValueKind kind, const char *name,
        size_t name_size, const char *value, size_t value_size) {
    struct framing *framing = user;
    struct str key = { name, name_size }, text = { value, value_size };

    (void)kind;
    if (!is_token(name, name_size)) framing->malformed = true;
    if (str_equal_nocase(key, STR("content-length"))) {
        framing->lengths++;
        framing->length = text;
    } else if (str_equal_nocase(key, STR("transfer-encoding"))) {
        framing->encodings++;
        framing->encoding = text;
    } else if (str_equal_nocase(key, STR("host"))) {
        framing->hosts++;
    } else if (str_equal_nocase(key, STR("expect"))) {
        framing->expect = text;
    }
    return MHD_YES;
}

static bool has_forbidden_bytes(const struct request *request) {
    for (size_t i = 0; i < request->target_size; i++) {
        unsigned char c = (unsigned char)request->target[i];
        if (c <= 0x20 || c == 0x7F) return true;
    }
    return false;
}

static struct refusal judge_header(
        const struct request *request, const struct framing *framing, const char *version) {
    const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const struct server *server = request->loop->server;
    bool chunked = framing->encodings == 1 && str_equal_nocase(framing->encoding, STR("chunked"));
    int64_t length = 0;

    if (info && info->header_size > LIMIT_HEADER)
        return (struct refusal){ 431, "The header is over 16 KB." };
    /* Whoever stands in front of us may read such a request differently (RFC 9112, 6.3 and 11.2). */
    if (framing->malformed)
        return (struct refusal){ 400, "The name of a header field is malformed." };
    if (has_forbidden_bytes(request))
        return (struct refusal){ 400, "The target holds spaces or control characters." };
    if (framing->lengths > 1 || framing->encodings > 1
            || (framing->lengths && framing->encodings)) {
        return (struct refusal){ 400,
            "Content-Length and Transfer-Encoding may be given once, and not together." };
    }
    if (framing->encodings && !chunked)
        return (struct refusal){ 400, "The only transfer encoding taken is chunked." };
    bool is_http_1_1 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    if (is_http_1_1 && framing->hosts != 1)
        return (struct refusal){ 400, "Exactly one Host is needed." };
    if (framing->lengths && !str_to_int64(framing->length, &length)) {
        return (struct refusal){ 400, "Content-Length is no number." };
    }
    if (length < 0) return (struct refusal){ 400, "Content-Length is negative." };
    if ((uint64_t)length > server->body_max)
        return (struct refusal){ 413, "The body is too large." };
    if (__atomic_load_n(&server->closing, __ATOMIC_ACQUIRE)) {
        return (struct refusal){ 503, "The server is shutting down." };
    }
    return (struct refusal){ 0 };
}

static enum MHD_Result on_header(struct request *request, const char *method, const char *version) {
    struct framing framing = { 0 };
    int64_t length = 0;

    request->method = method;
    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, note_header, &framing);
    bool has_body = framing.encodings || (framing.lengths && !str_equal(framing.length, STR("0")));
    request->connection->deadline_ms = has_body ? now_ms(request->loop) + BODY_MS : 0;
    struct refusal refusal = judge_header(request, &framing, version);
    if (refusal.status) {
        bool asks_first = str_equal_nocase(framing.expect, STR("100-continue"));
        return has_body && !asks_first ? send_refusal_and_drain(request, &refusal)
                                       : queue_refusal(request, &refusal);
    }
    buf_init(&request->body, request->loop->server->body_max);
    /* The length is only what was promised: memory beyond a little is taken as bytes arrive. */
    if (framing.lengths && str_to_int64(framing.length, &length) && length > 0) {
        buf_reserve(&request->body, (size_t)MIN(length, (int64_t)BODY_RESERVED));
    }
    request->phase = PHASE_BODY;
    return MHD_YES;
}

/* ---- body, delivery ---- */

static enum MHD_Result on_body(struct request *request, const char *data, size_t *size) {
    static const struct refusal too_large = { 413, "The body is too large." };

    buf_append(&request->body, (struct str){ data, *size });
    *size = 0;
    return buf_is_over(&request->body) ? send_refusal_and_drain(request, &too_large) : MHD_YES;
}

static enum MHD_Result queue_response(struct request *request) {
    struct MHD_Response *response = request->response;
    enum MHD_Result result = MHD_queue_response(request->mhd, (unsigned)request->status, response);

    request->response = NULL;
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result deliver(struct request *request) {
    struct server *server = request->loop->server;

    request->phase = PHASE_DELIVERED;
    request->connection->deadline_ms = 0;
    request_reference(request); /* the keeper's */
    server->on_request(server->user, request);
    if (request_state(request) == STATE_ANSWERED) return queue_response(request);
    MHD_suspend_connection(request->mhd);
    /* Answered by another thread in between: that one saw HANDLING and left the resuming to us. */
    if (!request_move(request, STATE_HANDLING, STATE_KEPT)) request_resume(request);
    return MHD_YES;
}

static enum MHD_Result on_access(void *user, struct MHD_Connection *mhd, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **context) {
    struct request *request = *context;

    (void)user;
    (void)mhd;
    (void)url;
    switch (request->phase) {
    case PHASE_HEADER: return on_header(request, method, version);
    case PHASE_BODY: return *size ? on_body(request, data, size) : deliver(request);
    case PHASE_DELIVERED:
        return request_state(request) == STATE_ANSWERED ? queue_response(request) : MHD_NO;
    case PHASE_DRAINING: return drain(request, size);
    case PHASE_REFUSED: return MHD_NO;
    }
    return MHD_NO;
}

/* The first sign of a request: its first line has been read. */
static void *on_target(void *user, const char *target, struct MHD_Connection *mhd) {
    struct request *request = request_new(user, mhd, without_authority(target));
    int64_t header_by_ms = now_ms(request->loop) + request->loop->server->header_ms;

    request->connection =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    request->connection->deadline_ms = MIN(request->connection->deadline_ms, header_by_ms);
    return request;
}

static void stream_lose(struct stream *stream) {
    lock_acquire(stream->lock);
    stream->gone = true;
    lock_release(stream->lock);
}

static void on_completed(void *user, struct MHD_Connection *mhd, void **context,
        enum MHD_RequestTerminationCode code) {
    struct request *request = *context;

    (void)user;
    (void)mhd;
    (void)code;
    if (!request) return;
    *context = NULL;
    /* In any other state response and stream are the keeper's alone. */
    if (request_state(request) == STATE_ANSWERED) {
        if (request->stream.lock) stream_lose(&request->stream);
        if (request->response) MHD_destroy_response(request->response);
        request->response = NULL;
    }
    request->connection->deadline_ms = now_ms(request->loop) + IDLE_MS;
    list_remove(&request->item);
    request_release(request);
}

/* Paths are handed out as they were sent; nothing is to be unescaped. */
static size_t leave_escaped(void *user, struct MHD_Connection *mhd, char *text) {
    (void)user;
    (void)mhd;
    return strlen(text);
}

/* ---- connections ---- */

static enum MHD_Result on_accept(void *user, const struct sockaddr *address, socklen_t size) {
    struct loop *loop = user;
    struct peer peer = peer_of(address);

    (void)size;
    return peers_is_full(loop->server->peers, &peer) ? MHD_NO : MHD_YES;
}

static void connection_open(struct loop *loop, struct MHD_Connection *mhd, void **context) {
    const struct sockaddr *address =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    struct connection *connection = calloc(1, sizeof(*connection));

    assert(connection);
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->deadline_ms = now_ms(loop) + loop->server->header_ms;
    connection->peer = peer_of(address);
    socklen_t size = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                    : sizeof(struct sockaddr_in);
    getnameinfo(address, size, connection->address, sizeof(connection->address), NULL, 0,
            NI_NUMERICHOST);
    peers_enter(loop->server->peers, &connection->peer);
    list_append(&loop->connections, &connection->item);
    *context = connection;
}

static void on_connection(void *user, struct MHD_Connection *mhd, void **context,
        enum MHD_ConnectionNotificationCode code) {
    struct loop *loop = user;
    struct connection *connection = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_open(loop, mhd, context);
        return;
    }
    peers_leave(loop->server->peers, &connection->peer);
    list_remove(&connection->item);
    free(connection);
}

/* Ends connections whose client owes something for too long. The library only knows a time without any
 * byte, which a byte now and then defeats. */
static void sweep(struct loop *loop) {
    int64_t now = now_ms(loop);

    if (now - loop->swept_ms < SWEEP_MS) return;
    loop->swept_ms = now;
    list_foreach(item, &loop->connections) {
        struct connection *connection = list_entry(item, struct connection, item);
        if (connection->deadline_ms == 0 || connection->deadline_ms > now) continue;
        shutdown(connection->fd, SHUT_RDWR);
        connection->deadline_ms = 0;
    }
}

/* ---- loops ---- */

static void drop_stream(struct request *request) {
    struct stream *stream = &request->stream;

    lock_acquire(stream->lock);
    stream->gone = true;
    bool resume = stream->suspended;
    stream->suspended = false;
    if (resume) request_resume(request);
    lock_release(stream->lock);
}

/* The grace is over: what is still kept is closed without an answer. */
static void drop_requests(struct loop *loop) {
    list_foreach(item, &loop->requests) {
        struct request *request = list_entry(item, struct request, item);
        if (request_move(request, STATE_KEPT, STATE_DROPPED)) {
            request_resume(request);
        } else if (request->stream.lock) {
            drop_stream(request);
        }
    }
}

static void cut_connections(struct loop *loop) {
    list_foreach(item, &loop->connections) {
        shutdown(list_entry(item, struct connection, item)->fd, SHUT_RDWR);
    }
}

/* Waits for sockets, a wake-up or the time, and does what there is to do. */
static void loop_turn(struct loop *loop, int timeout_ms) {
    int epoll_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct pollfd watched[] = { { .fd = epoll_fd, .events = POLLIN },
        { .fd = loop->wake_fd, .events = POLLIN } };
    MHD_UNSIGNED_LONG_LONG next_ms;
    uint32_t running = WAKE_RUNNING;
    uint64_t count;

    if (MHD_get_timeout(loop->daemon, &next_ms) && next_ms < (unsigned)timeout_ms)
        timeout_ms = (int)next_ms;
    bool may_sleep = timeout_ms > 0
            && __atomic_compare_exchange_n(&loop->wake, &running, WAKE_SLEEPING, false,
                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    if (may_sleep && poll(watched, ARRAY_SIZE(watched), timeout_ms) > 0 && watched[1].revents) {
        ssize_t size = read(loop->wake_fd, &count, sizeof(count));
        assert(size == sizeof(count));
    }
    /* Before the library looks: who resumes from here on finds us running, and we do not sleep next. */
    __atomic_store_n(&loop->wake, WAKE_RUNNING, __ATOMIC_SEQ_CST);
    MHD_run(loop->daemon);
}

/* Waits until no request is under way: with answers until the grace is over, then without. */
static void wind_down(struct loop *loop) {
    int64_t close_by_ms = loop->server->close_by_ms;
    bool cut = false;

    while (loop->requests.next != &loop->requests && now_ms(loop) < close_by_ms) {
        loop_turn(loop, CLOSING_POLL_MS);
    }
    drop_requests(loop);
    /* No end is given up waiting for: who has moved a request to ANSWERED is about to resume it. */
    while (loop->requests.next != &loop->requests) {
        loop_turn(loop, CLOSING_POLL_MS);
        if (cut || now_ms(loop) < close_by_ms + LINGER_MS) continue;
        cut_connections(loop);
        cut = true;
    }
    while (__atomic_load_n(&loop->resuming, __ATOMIC_ACQUIRE) > 0)
        sched_yield();
}

static void loop_run(void *user) {
    struct loop *loop = user;

    while (!__atomic_load_n(&loop->server->closing, __ATOMIC_ACQUIRE)) {
        loop_turn(loop, SWEEP_MS);
        sweep(loop);
    }
    int listen_fd = MHD_quiesce_daemon(loop->daemon);
    wind_down(loop);
    MHD_stop_daemon(loop->daemon);
    close(listen_fd); /* given back by quiescing */
    close(loop->wake_fd);
}

static bool loop_open(struct loop *loop, struct server *server, struct err *err) {
    int fd = fcntl(server->listen_fd, F_DUPFD_CLOEXEC, 0); /* each daemon has its own */

    *loop = (struct loop){ .server = server, .swept_ms = clock_monotonic_ms(&server->clock) };
    list_init(&loop->connections);
    list_init(&loop->requests);
    if (fd < 0) return err_set(err, ERR_UNAVAILABLE, "no more files can be opened");
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(loop->wake_fd >= 0);
    loop->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, loop,
            on_access, loop, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned)LIMIT_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
            MHD_OPTION_URI_LOG_CALLBACK, on_target, loop, MHD_OPTION_UNESCAPE_CALLBACK,
            leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, loop,
            MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop, MHD_OPTION_END);
    if (!loop->daemon) {
        close(fd);
        close(loop->wake_fd);
        return err_set(err, ERR_UNAVAILABLE, "the HTTP server cannot be started");
    }
    return true;
}

/* ---- open, close ---- */

static void server_free(struct server *server) {
    if (server->listen_fd >= 0) close(server->listen_fd);
    peers_free(server->peers);
    free(server->loops);
    free(server);
}

bool server_open(const struct server_options *options, server_handler *on_request, void *user,
        struct server **ret, struct err *err) {
    struct server *server = calloc(1, sizeof(*server));
    uint32_t threads = options->thread_count ? options->thread_count : 1;

    assert(server);
    assert(on_request);
    server->on_request = on_request;
    server->user = user;
    server->body_max = options->body_max ? options->body_max : (size_t)LIMIT_BODY;
    server->header_ms = options->header_ms ? options->header_ms : (int64_t)HEADER_MS;
    server->clock = clock_system();
    server->listen_fd = -1;
    server->peers = peers_new(LIMIT_CONNECTIONS_PER_ADDRESS);
    server->loops = calloc(threads, sizeof(*server->loops));
    assert(server->loops);
    bool ok = listen_open(options->listen, &server->listen_fd, server->address, &server->port, err);
    for (; ok && server->loop_count < threads; server->loop_count += ok) {
        ok = loop_open(&server->loops[server->loop_count], server, err);
    }
    if (!ok) {
        for (size_t i = 0; i < server->loop_count; i++) {
            MHD_stop_daemon(server->loops[i].daemon);
            close(server->loops[i].wake_fd);
        }
        server_free(server);
        return false;
    }
    for (size_t i = 0; i < threads; i++) {
        server->loops[i].thread = thread_start("http-server", loop_run, &server->loops[i]);
    }
    *ret = server;
    return true;
}

struct str server_address(const struct server *server) {
    return str_from(server->address);
}

uint16_t server_port(const struct server *server) {
    return server->port;
}

void server_close(struct server *server, int64_t grace_ms) {
    if (!server) return;
    server->close_by_ms = clock_monotonic_ms(&server->clock) + MAX(grace_ms, (int64_t)0);
    __atomic_store_n(&server->closing, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < server->loop_count; i++)
        loop_wake(&server->loops[i]);
    for (size_t i = 0; i < server->loop_count; i++)
        thread_join(server->loops[i].thread);
    server_free(server);
}

/* ---- what was asked ---- */

static struct str request_target(const struct request *request) {
    return (struct str){ request->target, request->target_size };
}

struct str request_method(const struct request *request) {
    return str_from(request->method);
}

struct str request_path(const struct request *request) {
    struct str rest = request_target(request);

    return str_cut(&rest, '?');
}

struct str request_query(const struct request *request) {
    struct str rest = request_target(request);

    str_cut(&rest, '?');
    return rest;
}

struct str request_header(const struct request *request, const char *name) {
    return str_from(MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name));
}

struct header_visit {
    void (*each)(void *user, struct str name, struct str value);
    void *user;
};

static enum MHD_Result visit_header(void *user, enum MHD_ValueKind kind, const char *name,
        size_t name_size, const char *value, size_t value_size) {
    const struct header_visit *visit = user;

    (void)kind;
    visit->each(visit->user, (struct str){ name, name_size }, (struct str){ value, value_size });
    return MHD_YES;
}

void request_each_header(const struct request *request,
        void (*each)(void *user, struct str name, struct str value), void *user) {
    struct header_visit visit = { each, user };

    MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, visit_header, &visit);
}

struct str request_body(const struct request *request) {
    return buf_str(&request->body);
}

struct str request_peer(const struct request *request) {
    return str_from(request->connection->address);
}

void request_set_user(struct request *request, void *user) {
    request->user = user;
}

void *request_user(const struct request *request) {
    return request->user;
}

/* ---- answers ---- */

/* A value with a line end is left out by the library: it would be the start of another header. */
static void add_header(struct MHD_Response *response, struct str name, struct str value) {
    char short_text[HEADER_SHORT];
    size_t size = name.size + value.size + 2;
    char *text = size <= sizeof(short_text) ? short_text : malloc(size);

    assert(text);
    assert(name.size > 0);
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    if (value.size) memcpy(text + name.size + 1, value.data, value.size);
    text[size - 1] = '\0';
    MHD_add_response_header(response, text, text + name.size + 1);
    if (text != short_text) free(text);
}

static void add_headers(struct MHD_Response *response, const struct answer *answer) {
    assert(answer->header_count <= ANSWER_HEADERS_MAX);
    if (answer->content_type.size) add_header(response, STR("Content-Type"), answer->content_type);
    for (size_t i = 0; i < answer->header_count; i++) {
        add_header(response, answer->headers[i].name, answer->headers[i].value);
    }
}

/* Hands the response to the loop, or throws it away if the request was dropped, and is false then. */
static bool hand_over(struct request *request, int status, struct MHD_Response *response) {
    assert(status >= 200 && status <= 599);
    assert(!request->response);
    request->status = status;
    request->response = response;
    if (request_move(request, STATE_HANDLING, STATE_ANSWERED)) return true;
    if (request_move(request, STATE_KEPT, STATE_ANSWERED)) {
        request_resume(request);
        return true;
    }
    assert(request_state(request) == STATE_DROPPED); /* and not answered twice */
    request->response = NULL;
    MHD_destroy_response(response);
    return false;
}

void request_answer(struct request *request, const struct answer *answer) {
    static char nothing[1];
    /* The library takes a plain pointer, and copies from it. */
    union {
        const char *read;
        void *take;
    } body = { answer->body.size ? answer->body.data : nothing };
    struct MHD_Response *response =
            MHD_create_response_from_buffer(answer->body.size, body.take, MHD_RESPMEM_MUST_COPY);

    assert(response);
    add_headers(response, answer);
    hand_over(request, answer->status, response);
    request_release(request);
}

/* ---- streams ---- */

static ssize_t stream_take(struct stream *stream, char *to, size_t max) {
    size_t size = MIN(max, stream->pending.size - stream->sent);

    memcpy(to, stream->pending.data + stream->sent, size);
    stream->sent += size;
    if (stream->sent == stream->pending.size) {
        buf_reset(&stream->pending);
        stream->sent = 0;
    }
    return (ssize_t)size;
}

/* Called by the library when the connection can take more. */
static ssize_t stream_read(void *user, uint64_t position, char *to, size_t max) {
    struct request *request = user;
    struct stream *stream = &request->stream;
    ssize_t result = 0;

    (void)position;
    lock_acquire(stream->lock);
    if (stream->gone) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (stream->pending.size > 0) {
        result = stream_take(stream, to, max);
    } else if (stream->ended) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->suspended = true;
        MHD_suspend_connection(request->mhd);
    }
    lock_release(stream->lock);
    return result;
}

static void stream_forget(void *user) {
    request_release(user);
}

void request_begin(struct request *request, const struct answer *head) {
    struct stream *stream = &request->stream;

    stream->lock = lock_new();
    buf_init(&stream->pending, STREAM_BEHIND_MAX);
    request_reference(request); /* the response's */
    struct MHD_Response *response = MHD_create_response_from_callback(
            MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, request, stream_forget);
    assert(response);
    add_headers(response, head);
    if (!hand_over(request, head->status, response)) stream_lose(stream);
}

static void stream_wake(struct request *request) {
    if (!request->stream.suspended) return;
    request->stream.suspended = false;
    request_resume(request);
}

bool request_send(struct request *request, struct str bytes) {
    struct stream *stream = &request->stream;

    lock_acquire(stream->lock);
    bool fits = stream->pending.size - stream->sent + bytes.size <= STREAM_BEHIND_MAX;
    if (!fits) stream->gone = true; /* its reader ends the connection */
    bool taken = !stream->gone;
    if (taken && bytes.size) {
        if (stream->sent && stream->pending.size + bytes.size > STREAM_BEHIND_MAX) {
            stream->pending.size -= stream->sent;
            memmove(stream->pending.data, stream->pending.data + stream->sent,
                    stream->pending.size);
            stream->sent = 0;
        }
        buf_append(&stream->pending, bytes);
        assert(!buf_is_over(&stream->pending));
        stream_wake(request);
    }
    lock_release(stream->lock);
    return taken;
}

void request_end(struct request *request) {
    struct stream *stream = &request->stream;

    lock_acquire(stream->lock);
    stream->ended = true;
    if (!stream->gone) stream_wake(request);
    lock_release(stream->lock);
    request_release(request);
}

#pragma once
/* An HTTP/1.1 server (libmicrohttpd). Requests come whole; answers may be given at once or later, from any
 * thread. Limits: limits.h (header 431, body 413), 10 s for a header, 30 s for a stalled sender. */

#include "common/err.h"
#include "common/str.h"

struct server;
struct request; /* owned by the server; valid until it is answered */

struct server_options {
    const char *listen;       /* ADDRESS:PORT, [v6]:PORT; port 0 chooses one */
    size_t body_max;          /* 0: LIMIT_BODY */
    uint32_t thread_count;    /* threads that read requests and call on_request; 0: 1 */
    int64_t header_ms;        /* for a whole header; 0: 10,000 */
};

/* Called on a server thread with a whole request: must not block; answers it or keeps it for later. */
typedef void server_handler(void *user, struct request *request);

/* Errors   INVALID      the address; CONFLICT  it is taken */
MUST_USE bool server_open(const struct server_options *options, server_handler *on_request, void *user,
        struct server **ret, struct err *err);
struct str server_address(const struct server *server); /* ADDRESS:PORT as bound */
uint16_t server_port(const struct server *server);

/* Stops listening; waits up to grace_ms for requests that are kept, then drops them: their answers go nowhere,
 * and nothing else of them may be looked at. New requests on open connections get 503. NULL is taken. */
void server_close(struct server *server, int64_t grace_ms);

/* What was asked. All borrowed from the request. */
struct str request_method(const struct request *request);
struct str request_path(const struct request *request);    /* as sent, without the query; not unescaped */
struct str request_query(const struct request *request);   /* as sent, without '?' */
struct str request_header(const struct request *request, const char *name); /* {NULL, 0} if absent; any case */
void request_each_header(const struct request *request, void (*each)(void *user, struct str name, struct str value), void *user);
struct str request_body(const struct request *request);
struct str request_peer(const struct request *request);    /* the address of the client */
void request_set_user(struct request *request, void *user);
void *request_user(const struct request *request);

struct answer {
    int status;
    struct str content_type;               /* empty: none */
    struct { struct str name, value; } headers[8];
    size_t header_count;
    struct str body;                       /* copied */
};

/* Answers and gives the request back. Any thread, once. A client that went away is no error. */
void request_answer(struct request *request, const struct answer *answer);

/* Server-sent events and other streams: sends the head now; then request_send any number of times;
 * request_end ends it. request_send is false once the client has gone or has fallen 1 MB behind:
 * call request_end then. */
void request_begin(struct request *request, const struct answer *head);
MUST_USE bool request_send(struct request *request, struct str bytes);
void request_end(struct request *request);

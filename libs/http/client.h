#pragma once
/* An HTTP client (libcurl): hundreds of calls in flight on one thread of its own, connections kept alive.
 * Limits: limits.h. No proxy or other setting is taken from the environment. */

#include "common/err.h"
#include "common/str.h"

struct arena;
struct client;

struct client_options {
    uint32_t in_flight_max;      /* 0: LIMIT_EXECUTOR_IN_FLIGHT; more wait in order */
    uint32_t per_host_max;       /* connections to one host; 0: 256 */
    bool egress_any;             /* also loopback and private addresses (reliability.md, 11) */
    const char *egress_allow;    /* CIDRs, comma-separated, allowed whatever else; may be NULL */
    const char *ca_file;         /* one more certificate authority; may be NULL */
    const char *resolve;         /* host:port=address:port,… for tests; may be NULL */
    void (*on_complete)(void *user); /* on the client's thread: something can be collected */
    void *user;
};

struct client_header {
    struct str name, value;
};

/* What to send. Copied by client_send. */
struct client_request {
    uint64_t tag;                /* comes back with the response */
    struct str method, url;
    const struct client_header *headers;
    size_t header_count;
    struct str body;
    bool has_body;
    int64_t timeout_ms;          /* for the whole call; 0: 30,000 */
    bool follow_redirects;       /* at most LIMIT_REDIRECTS */
    struct str username, password; /* digest authentication, where username is set */
};

enum client_failure {
    CLIENT_OK,          /* an answer was received, of whatever status */
    CLIENT_REFUSED,     /* not sent: bad URL, scheme or address not allowed */
    CLIENT_UNREACHABLE, /* no connection: DNS, TCP, TLS */
    CLIENT_BROKEN,      /* sent, perhaps done, no whole answer */
    CLIENT_TIMEOUT,
    CLIENT_TOO_LARGE,   /* the answer is over a limit */
    CLIENT_CANCELLED,
};

struct client_response {
    uint64_t tag;
    enum client_failure failure;
    struct str reason;           /* a sentence without secrets, for a failure */
    int status;
    const struct client_header *headers;
    size_t header_count;
    struct str body;
    struct str url;              /* the last one, after redirects */
};

MUST_USE bool client_open(const struct client_options *options, struct client **ret, struct err *err);
void client_close(struct client *client); /* drops what is in flight; NULL is taken */

/* Queues a call; never blocks. Any thread. */
void client_send(struct client *client, const struct client_request *request);

/* Asks to end a call early; its response comes as CANCELLED unless it was already there. */
void client_cancel(struct client *client, uint64_t tag);

/* Takes up to `max` responses that are there, into `arena`; returns how many. Any one thread. */
size_t client_collect(struct client *client, size_t max, struct arena *arena, struct client_response *ret);
size_t client_in_flight(const struct client *client);

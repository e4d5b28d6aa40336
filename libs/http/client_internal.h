#pragma once
/* Shared by client.c (calls in order, the thread), client_call.c (one call) and client_trust.c. The one
 * header of the project that includes libcurl's. */

#include <curl/curl.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/list.h"
#include "http/client.h"
#include "http/egress.h"
#include "system/clock.h"

enum { CALL_REASON_SIZE = 320, CALL_REFUSED_SIZE = 128 };

/* Certificate authorities, as a file that libcurl keeps read (client_trust.c). */
struct trust {
    int fd;        /* of what was put together; -1: none */
    char path[64]; /* empty: libcurl's default */
};

struct call {
    struct list item; /* of client->waiting or client->active */
    struct client *client;
    struct arena *arena;
    bool is_cancel; /* only a tag: ends the call that has it */

    /* The request; changed by a redirect. */
    uint64_t tag;
    const char *method, *url, *username, *password; /* username: NULL without authentication */
    struct curl_slist *headers;
    struct str body;
    bool has_body, follow_redirects, authenticates;
    int64_t deadline_ms;

    /* On its way. */
    CURL *easy;
    unsigned redirects;
    unsigned addresses_tried, addresses_refused;
    char refused[CALL_REFUSED_SIZE];
    char error[CURL_ERROR_SIZE];

    /* The response. */
    enum client_failure failure;
    char reason[CALL_REASON_SIZE];
    int status;
    struct client_header *response_headers;
    size_t response_header_count, response_header_capacity, response_header_size;
    struct buf response_body;
};

struct client {
    struct client_options options;
    struct egress egress;
    struct trust trust;
    struct curl_slist *resolve;
    struct clock clock;
    CURLM *multi;
    struct thread *thread;
    struct queue *inbox; /* struct call, from any thread */
    struct queue *done;  /* struct call, with a response */
    struct list waiting, active;
    size_t active_count;
    CURL **idle; /* handles to use again */
    size_t idle_count;
    int64_t expired_ms; /* when `waiting` was last looked through */
    uint32_t in_flight; /* atomic: sent, and not among `done` */
    uint32_t wake;      /* enum wake, atomic */
    bool closing;       /* atomic */
};

enum wake { WAKE_RUNNING, WAKE_SLEEPING, WAKE_SIGNALLED };

/* Copies a request; its failure is set if it may not be sent. */
struct call *client_call_new(struct client *client, const struct client_request *request);
void client_call_free(struct call *call);

/* Makes a handle ready for the call. False, with the failure set, if the call cannot be sent. */
bool call_prepare(struct call *call, CURL *easy);

/* Judges how the transfer ended. True if the call has to be prepared and sent again: a redirect. */
bool call_finish(struct call *call, CURLcode code);

PRINTF(3, 4)
void call_fail(struct call *call, enum client_failure failure, const char *format, ...);

/* What all calls of a client have in common. */
CURL *call_handle_new(struct client *client);

MUST_USE bool trust_init(struct trust *ret, const char *ca_file, struct err *err);
void trust_clear(struct trust *trust);

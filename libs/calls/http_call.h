#pragma once
/* One HTTP call of a task: from its arguments to a request, and from a response to the task's output or error. Pure. */

#include "calls/redact.h"
#include "common/json.h"
#include "http/client.h"

struct arena;

enum {
    HTTP_CALL_TIMEOUT_MS = 60 * 1000, /* of a call whose task has no deadline */
    HTTP_CALL_EXCERPT = 500,          /* bytes of an error's body that its `detail` shows */
    HTTP_CALL_HEADERS_MAX = 128,
    HTTP_CALL_URI_MAX = 32 * 1024,
};

/* What a call is made of. */
struct http_arguments {
    struct str method;          /* any case */
    struct str uri;
    struct json query;          /* an object, or absent */
    struct json headers;        /* the same */
    struct json hidden_headers; /* names (members) whose values are never shown; an object, or absent */
    struct json body;           /* absent or null: none */
    struct json output;         /* "content", "raw", "response", or absent */
    struct json redirect;       /* true, false or absent */
    struct json authentication; /* { basic | bearer | digest: { … } } with all values in place, or absent */
    struct str key;             /* for Idempotency-Key; empty: none */
    bool uri_is_secret;         /* no part of the URI is shown but its scheme */
    bool query_is_secret;       /* nothing behind its '?' is shown */
};

enum http_output { HTTP_OUTPUT_CONTENT, HTTP_OUTPUT_RAW, HTTP_OUTPUT_RESPONSE };

struct http_call {
    struct client_request request; /* without tag and timeout */
    enum http_output output;
    bool follows;
    struct str method, shown_uri;  /* as they are shown: the method as it was written */
    struct json shown_headers;
    const struct redact *redact;
};

/* How a task ended. `answered`: the other side was heard (language.md, E101). */
struct http_outcome {
    bool ok, answered;
    struct json output, error;
};

/* Makes a request. Secrets that are used have been added to `redact`; what is made of them here is added too.
 *
 * Out   *ret_call, in `arena`, borrowing from the arguments and from `redact`; *ret_error, of the language, on failure */
MUST_USE bool http_call_build(const struct http_arguments *arguments, struct redact *redact, struct arena *arena,
        struct http_call *ret_call, struct json *ret_error);

/* Judges a response. Without secrets, in `arena`; borrows from the response. */
void http_call_answer(const struct http_call *call, const struct client_response *response, struct arena *arena,
        struct http_outcome *ret);

/* True if the request may be sent again as it is: nothing was answered. */
bool http_call_may_repeat(const struct client_response *response);

/* "Not Found" of 404; empty for a status nobody has named. */
struct str http_reason(int status);

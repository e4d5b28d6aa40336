#pragma once
/* A TASK: what the orchestrator asks for (core/step_call.c), and its places that wait for secrets. */

#include "calls/redact.h"
#include "common/err.h"
#include "common/json.h"

struct arena;
struct http_call;
struct programs;
struct secrets;

struct task_call {
    struct str instance, namespace, command, key, what;
    int64_t deadline_ms; /* wall clock; 0: none */
    struct json call;    /* { with, uri?, authentication? } */
    struct json deferred, scope;
};

/* Reads the body of a TASK message; borrows from it.
 * Errors   MALFORMED  something is missing, or of the wrong type */
MUST_USE bool task_call_read(struct json body, struct task_call *ret, struct err *err);

/* What became of the preparation of a call. */
enum prepared {
    PREPARED,
    PREPARED_ERROR, /* the task ends with an error of the language */
    PREPARED_LATER, /* what is needed is away: try again */
};

/* A call that is being prepared. */
struct preparation {
    const struct task_call *task;
    struct redact *redact;   /* secrets that are used are added */
    struct arena *arena;     /* what is made lives here */
    struct http_call *call;  /* set for PREPARED */
    struct json error;       /* of the language; set for PREPARED_ERROR */
    struct err err;          /* set for PREPARED_LATER */
};

/* A task with all secrets in place. */
struct task_resolved {
    struct json with, authentication;
    struct str uri;
    struct json hidden_headers; /* members: the headers that were made of secrets */
    bool uri_is_secret, query_is_secret;
};

/* Evaluates the places that use $secrets, and looks up the secrets that the authentication names. *ret lives in the arena. */
enum prepared task_resolve(struct preparation *preparation, const struct secrets *secrets, struct programs *programs,
        struct task_resolved *ret);

/* Puts the values of a secret of the task's namespace in place of { SCHEME: { use: NAME } }. */
enum prepared task_resolve_authentication(struct preparation *preparation, const struct secrets *secrets, struct json *authentication);

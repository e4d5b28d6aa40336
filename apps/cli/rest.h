#pragma once
/* One call to the server after the other. */

#include "apps/cli/cli.h"

struct rest_request {
    const char *method;
    struct str path;          /* from "/v1", with its query */
    const char *content_type; /* with a body */
    struct str body;
    bool has_body;
    int64_t wait_s;           /* Prefer: wait; 0: none */
};

struct rest_answer {
    int status;
    struct str body;
    struct json json; /* absent if the body is not JSON */
};

MUST_USE bool rest_open(struct cli *cli, struct rest **ret, struct err *err);
void rest_close(struct rest *rest); /* NULL is taken */

/* Asks, and waits for the answer, whatever its status.
 *
 * Out      *ret, in the arena of `cli`
 * Errors   UNAVAILABLE  no answer; the message says why */
MUST_USE bool rest_call(struct cli *cli, const struct rest_request *request, struct rest_answer *ret, struct err *err);

/* Asks, and prints what went wrong: no answer, or a refusal (of `file`, where it is about one; may be empty).
 * CLI_OK: *ret is an answer below 400. */
enum cli_exit rest_ask(struct cli *cli, const struct rest_request *request, struct str file, struct rest_answer *ret);
enum cli_exit rest_get(struct cli *cli, struct str path, struct rest_answer *ret);
enum cli_exit rest_post(struct cli *cli, struct str path, struct str json, struct rest_answer *ret); /* empty: no body */

/* Percent-encodes all but RFC 3986's unreserved characters. */
struct str rest_escape(struct str text, struct arena *arena);

/* Appends "?name=value" or "&name=value" to a path; nothing where `value` is NULL. */
struct str rest_with_query(struct str path, const char *name, const char *value, struct arena *arena);

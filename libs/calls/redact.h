#pragma once
/* Takes secrets out of what is about to leave: errors, descriptions of requests, and answers of a server that says back what it was told
 * (reliability.md, I15). Pure.
 *
 * What is looked for are the secrets a call has used: as they are, in base64, percent-encoded and as they stand in JSON text. A short one
 * would be found in innocent text, so the shortest are left alone. */

#include "common/json.h"

struct arena;

enum {
    REDACT_SIZE_MIN = 6,       /* bytes of a secret that is looked for in the answer of a server */
    REDACT_OWN_SIZE_MIN = 3,   /* … in texts of ours */
    REDACT_SECRETS_MAX = 1024, /* forms of secrets in one call; a call that has more is refused */
};

#define REDACTED "***"

/* Zeroed: nothing is looked for. */
struct redact {
    struct str *needles; /* in the arena of the call */
    size_t count, capacity;
};

/* Adds all strings and numbers inside `value`, but for a member `username`. False: there are too many. */
MUST_USE bool redact_add(struct redact *redact, struct json value, struct arena *arena);
MUST_USE bool redact_add_text(struct redact *redact, struct str secret, struct arena *arena);

/* `text` with REDACTED in place of each secret of at least `size_min` bytes; the same text if there is none. */
struct str redact_text(const struct redact *redact, struct str text, size_t size_min, struct arena *arena);

/* The same for all strings and keys inside a value; shares what it does not change. */
struct json redact_json(const struct redact *redact, struct json value, struct arena *arena);

/* Overwrites what is looked for with zeros: the last use of a call. */
void redact_wipe(struct redact *redact);

#pragma once
/* One request from its arrival to its answer, and the turn of a thread that works on it.
 *
 * A call belongs to one thread at a time: the listener's, then a queue, then a worker; a call that waits belongs to `waits` until it is
 * taken out again. Whoever has it answers it, once; then it is gone. */

#include "common/buf.h"
#include "common/err.h"
#include "common/fault.h"
#include "common/json.h"
#include "common/list.h"
#include "common/uuid.h"
#include "http/server.h"
#include "services/api/routes.h"

struct api;
struct arena;
struct call;
struct definition;
struct grant;
struct outgoing;

enum {
    TURN_CALLS_MAX = 64,              /* calls of one turn */
    TURN_MEMORY_MAX = 32 * 1024 * 1024, /* beyond it a turn takes no more calls */
    ANSWER_SIZE_MAX = 64 * 1024 * 1024,
    CALL_HEADERS_MAX = 6,
    REQUEST_ID_SIZE = 129,
    DIGEST_SIZE = 65,                 /* SHA-256, hexadecimal */
};

/* A start that is prepared: published with the others of its turn. */
struct starting {
    char id[UUID_TEXT_SIZE];
    uint64_t serial;
};

/* What a thread works with until its arena is reset. */
struct turn {
    struct api *api;
    struct arena *arena;
    int64_t now_ms;                /* monotonic */
    struct buf out;                /* for texts; kept from turn to turn */
    struct outgoing *outgoing;     /* TURN_CALLS_MAX: starts, published together at the end of the turn */
    struct starting starting[TURN_CALLS_MAX];
    size_t starting_count;
    const struct definition *definition; /* of the last start: the next one often has the same; acquired */
    struct str definition_namespace, definition_name, definition_version; /* as asked for */
    bool on_loop;                  /* the service's loop: nothing may block */
};

enum wait_kind { WAIT_START, WAIT_END, WAIT_STREAM };

/* What a call waits for; the part that `waits` looks after. */
struct wait {
    struct list bucket, slot;
    enum wait_kind kind;
    uint64_t serial;               /* tells this wait from others of the same instance */
    char id[UUID_TEXT_SIZE];
    char hash[DIGEST_SIZE];        /* of a start's content; empty: its id is nobody else's */
    int64_t began_ms, due_ms;      /* monotonic */
    int64_t start_by_ms, end_by_ms; /* WAIT_START: 503; WAIT_END: 202. 0: does not wait for the end */
    uint32_t looks;                /* how often the store was asked */
    bool is_busy, is_touched;      /* streams: with a worker; a message came meanwhile */
    int64_t next_seq;
    int64_t spoke_ms;
};

struct call {
    struct api *api;
    struct request *request;
    int64_t received_ms;           /* monotonic */
    route_handler *resume;         /* what a worker does next with it */
    const struct route *route;
    struct str parameters[ROUTE_PARAMETERS_MAX]; /* in the arena of the first turn */
    const struct grant *grant;     /* what the caller may; NULL: everything */
    bool is_known;                 /* false: has shown no key where one is needed, and the route is PUBLIC */
    char request_id[REQUEST_ID_SIZE];
    struct { struct str name, value; } headers[CALL_HEADERS_MAX];
    size_t header_count;
    char *accepted;                /* the 202 of a start, made beforehand; owned */
    size_t accepted_size;
    int64_t wait_s;                /* Prefer: wait; 0: none */
    int64_t generation;            /* of a key that was started afresh; 0: the first */
    char start_id[UUID_TEXT_SIZE]; /* of the START that may start a key afresh: tells our instance from one before it */
    bool may_restart;
    char idempotency[DIGEST_SIZE]; /* id of the record that keeps the answer; empty: none is kept */
    char content[DIGEST_SIZE];     /* of the request, with it */
    bool is_stream;
    struct wait wait;
};

/* ---- lives ---- */

struct call *call_new(struct api *api, struct request *request);
void call_free(struct call *call);

void turn_init(struct turn *turn, struct api *api);
void turn_clear(struct turn *turn);

/* Publishes the starts that were prepared, gives back what is held, and forgets the arena. */
void turn_end(struct turn *turn);

/* Finds the route, checks the caller, and lets the handler work. */
void call_handle(struct turn *turn, struct call *call);

/* ---- reading ---- */

/* The value of the parameter at `index` of the route's path. */
struct str call_parameter(const struct call *call, size_t index);

/* The query by name: values[i] is that of names[i], {NULL, 0} where it is not given. A name that ends in "*" may come several times: its
 * values are joined by a line feed. Other names are refused: answers 400 and is false. */
MUST_USE bool call_query(struct turn *turn, struct call *call, const char *const *names, size_t count, struct str *ret_values);

/* limit and cursor of a list. Answers 400 and is false where they are no numbers. */
MUST_USE bool call_limit(struct turn *turn, struct call *call, struct str text, uint32_t *ret);

/* The body as JSON; borrows from the request. Absent where there is no body. Answers 400, 415 and is false otherwise. */
MUST_USE bool call_json(struct turn *turn, struct call *call, struct json *ret);

/* The same for a body that has to be an object with no other members than `names`. */
MUST_USE bool call_object(struct turn *turn, struct call *call, const char *const *names, size_t count, struct json *ret);

/* The pointer of a member (RFC 6901). */
struct str pointer_to(struct str parent, struct str key, struct arena *arena);

/* Adds a fault for each member that is none of `names`, with the name that was meant. */
void check_members(struct json object, struct str pointer, const char *const *names, size_t count, struct faults *faults);

/* True if the media type is this one, parameters aside; they may only say charset=utf-8. */
bool is_media_type(struct str content_type, struct str type);

/* Prefer: wait=N, in call->wait_s. */
void call_read_prefer(struct call *call);

/* For searches: ASCII letters of any case alike; an empty part is in every text. */
bool contains_nocase(struct str text, struct str part);

/* A name as of a DNS label, or a longer one with dots and underscores. */
bool is_label(struct str text);
bool is_name(struct str text);

/* ---- answering: the call is gone afterwards ---- */

/* For the answer that comes next; the value lives until then. */
void call_header(struct call *call, const char *name, struct str value);

void answer_text(struct turn *turn, struct call *call, int status, struct str content_type, struct str body);
void answer_json(struct turn *turn, struct call *call, int status, struct json body);
void answer_empty(struct turn *turn, struct call *call, int status);
PRINTF(4, 5) void answer_problem(struct turn *turn, struct call *call, int status, const char *format, ...);
void answer_faults(struct turn *turn, struct call *call, const struct faults *faults, const char *detail);

/* By the code of the error; what is ours to mend is logged, and answered without details. */
void answer_err(struct turn *turn, struct call *call, const struct err *err);

/* A page of a list: { items, next }. An empty `next` is null. */
void answer_page(struct turn *turn, struct call *call, struct json items, struct str next);

/* ---- texts ---- */

/* "2026-07-29T12:00:00.000Z", or null for 0. */
struct json time_json(int64_t time_ms, struct arena *arena);
void put_time(struct json_writer *writer, const char *key, int64_t time_ms);

/* A UUIDv7 of now. */
struct str new_id(struct api *api, char text[UUID_TEXT_SIZE]);

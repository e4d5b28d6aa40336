#pragma once
/* The API service in this process, on a store and a bus in memory, with an orchestrator of a hundred lines behind it; and plain sockets to
 * talk to it. */

#include "common/json.h"
#include "runtime/service.h"

struct arena;

struct harness_options {
    const char *listen;     /* NULL: 127.0.0.1:0 */
    const char *admin_key;  /* NULL: none */
    const char *master_key; /* NULL: none */
};

/* How the orchestrator behaves. */
struct behaviour {
    bool is_silent;         /* applies inputs, but says nothing of it */
    bool is_deaf;           /* drops what it reads */
    bool says_foreign_hash; /* answers starts as if another content had come first */
    bool sends_no_snapshot;
    const char *refuses;    /* every start, with this reason */
};

struct harness {
    struct world world;
    struct config config;
    struct seat seat;
    struct definitions *definitions;
    struct lock *lock;      /* over `behaviour` */
    struct behaviour behaviour;
    void *state;            /* of the service */
    struct thread *loop, *orchestrator;
    struct consumer *inbox;
    struct arena *arena;    /* of the test */
    uint32_t stopping;
    int64_t later_ms;       /* that both clocks are ahead of the system's */
    int port;
    char key[128];          /* sent as Authorization; empty: none */
};

/* False with the error where the service does not open. */
bool harness_open(struct harness *harness, const struct harness_options *options, struct err *err);
void harness_close(struct harness *harness);

/* From now on, while it runs. */
void harness_behave(struct harness *harness, struct behaviour behaviour);

/* Lets time pass for the service, at once. */
void harness_pass(struct harness *harness, int64_t ms);

/* An answer: its text in harness->arena. */
struct reply {
    int status;             /* 0: the connection was closed without one */
    struct str head;        /* all headers */
    struct str body;
    struct json json;       /* absent unless the body is JSON */
};

struct str reply_header(const struct reply *reply, const char *name); /* {NULL, 0} if absent */
const char *reply_text(const struct reply *reply, const char *pointer); /* a text of the body by JSON pointer; "" if absent */

/* Sends a request and reads the answer. `headers`: whole lines, each ended by \r\n; may be NULL. */
struct reply ask(struct harness *harness, const char *method, const char *path, const char *headers, const char *body);
struct reply ask_json(struct harness *harness, const char *method, const char *path, const char *body);

/* The same in two halves, for requests whose answer comes late. */
int ask_begin(struct harness *harness, const char *method, const char *path, const char *headers, const char *body);
struct reply ask_end(struct harness *harness, int fd);

/* Reads from a stream until `text` has come, or 20 s are over; all that came, or NULL. */
const char *read_until(struct harness *harness, int fd, const char *text);

/* Deploys a definition that has to be right; `do` is the YAML of its tasks, indented by two. */
void deploy(struct harness *harness, const char *name, const char *version, const char *tasks);

/* Starts an instance, and waits for its end if `wait`; its id, in harness->arena. */
const char *start(struct harness *harness, const char *name, const char *body, bool wait);

/* Asks for an instance until its status is this one. */
void await_status(struct harness *harness, const char *id, const char *status);

/* How many messages of the orchestrator's and the events' topics were seen, and the newest of a kind. */
size_t harness_count(struct harness *harness, enum topic topic);
const char *harness_newest(struct harness *harness, enum topic topic);

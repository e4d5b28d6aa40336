#pragma once
/* The heart: one instance, one input, the next instance and what to do about it. Pure: no clock, no random number, no
 * I/O; the same arguments give the same result, bit for bit, so that replay is a loop over step(). */

#include "core/instance.h"

struct arena;

/* Kinds of input, and what their `body` holds:
 *
 *   START      { id, namespace, name, version, input, key?, tags?, parent?, hash, definition?, callback?, createdAt }
 *   ANSWER     { command, ok, output | error, answered }   of a task or a child; `answered`: the other side was heard
 *   WAKE       { frame, at }                               counts only while both are the record's (reliability.md, R15)
 *   EVENT      { event }                                   a CloudEvent that may match a listener
 *   SIGNAL     { event }                                   the same, kept until a listener takes it
 *   SUSPEND, RESUME, CANCEL, TERMINATE  { }
 *   CONTINUE   { version }                                 goes on after a step that yielded
 *   FAULT      { error }                                   ends an instance whose next commit could not be stored */
enum input_kind {
    INPUT_START,
    INPUT_ANSWER,
    INPUT_WAKE,
    INPUT_EVENT,
    INPUT_SIGNAL,
    INPUT_SUSPEND,
    INPUT_RESUME,
    INPUT_CANCEL,
    INPUT_TERMINATE,
    INPUT_CONTINUE,
    INPUT_FAULT,
};

struct input {
    enum input_kind kind;
    int64_t now_ms;    /* stamped by the runtime; step() never goes back behind the record's (R7) */
    int64_t version;   /* of the journal entry that will hold it; inputs of one entry share it */
    uint32_t budget;   /* turns the step may take, plus one; 0: it decides by itself. A replay gives what was taken, as what
                          memory a step needs is not part of its result */
    struct str id;     /* of a request from outside, to find repeats; empty: none */
    struct json body;
};

/* Effects, and what their `body` holds; `key` is the instance they are for, or about:
 *
 *   TASK         { instance, command, key, what, with, uri, deferred?, … }  step_call.c
 *   TASK_CANCEL  { instance, command }
 *   EVENT        a CloudEvent
 *   START        the body of a START, to `key`
 *   ANSWER       the body of an ANSWER, to `key`
 *   CANCEL       { }, to `key`
 *   CONTINUE     { version }, to ourselves */
enum effect_kind {
    EFFECT_TASK,
    EFFECT_TASK_CANCEL,
    EFFECT_EVENT,
    EFFECT_START,
    EFFECT_ANSWER,
    EFFECT_CANCEL,
    EFFECT_CONTINUE,
};

struct effect {
    enum effect_kind kind;
    struct str key;
    struct json body;
};

/* A row of history; `type` is the lifecycle event's name without prefix and version. */
struct fact {
    int64_t seq, time_ms;
    const char *type;
    struct str task, name; /* pointer and name; empty for facts of the workflow */
    struct json data;      /* absent: none */
};

enum step_verdict {
    STEP_APPLIED,
    STEP_DUPLICATE, /* applied before: nothing changed */
    STEP_LATE,      /* its command is closed, or nobody waits for it: nothing changed */
};

struct step_result {
    enum step_verdict verdict;
    uint32_t turns;                  /* taken */
    const struct instance *instance; /* `before` unless APPLIED */
    const struct effect *effects;
    size_t effect_count;
    const struct fact *facts;
    size_t fact_count;
};

/* Advances one instance by one input.
 *
 * Total: whatever the workflow does wrong becomes a faulted instance, never an error here.
 * A stale or duplicate input returns `before` and no effects. With `before` NULL the input is a START.
 *
 * In       everything is borrowed and left unchanged; `definition` is the instance's own
 * Out      *ret, in `arena`; shares unchanged parts with `before` and the input, so keep both
 * Threads  any, on any number of instances at once */
void step(struct arena *arena, const struct definition *definition, const struct instance *before,
        const struct input *input, struct step_result *ret);

/* Keys under which the instance's open listeners are found (event.h); an array of strings. */
struct json step_subscriptions(const struct instance *instance, struct arena *arena);

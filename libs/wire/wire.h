#pragma once
/* Messages between services: one JSON object each, under the instance's id as key. Pure.
 *
 *   { "kind": "start", "id"?: "…", "sent": ms, "body": { … } }
 *
 * Bodies beside those of core/step.h:
 *   TASK, TASK_CANCEL  core/step_call.c                               to executor or integration
 *   TIMER              { instance, frame, at }                        to the trigger: fire WAKE { frame, at } at `at`
 *   SUBSCRIBED         { instance, keys: […] }                        to the trigger: offer the events kept for these keys
 *   STATUS             { id, version, status, started?, hash?, snapshot? }  to every API replica; `started`: answers a START (true: made
 *                      by it, false: it was there before, with `hash` of its content); `error`: the START was refused
 *   DEAD               { topic, partition, offset, reason, message (base64) }
 * Events on penstock.events.in and .out are CloudEvents in Kafka's structured or binary mode, not these. */

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "core/step.h"

struct arena;

/* A timer nearer than this is told to the trigger; its sweep finds the others. */
enum { TIMER_HORIZON_MS = 30 * 1000 };

enum message_kind {
#define MESSAGE(code, name) MESSAGE_##code,
#include "wire/messages.def"
#undef MESSAGE
    MESSAGE_COUNT,
};

struct wire_message {
    enum message_kind kind;
    struct str id; /* of a request from outside, to find repeats; empty: none */
    int64_t sent_ms;
    struct json body;
};

const char *message_name(enum message_kind kind);

/* The text of a message, in `arena`. */
struct str wire_encode(enum message_kind kind, struct str id, int64_t sent_ms, struct json body, struct arena *arena);

/* Reads a message; what is read borrows from `text`.
 * Errors   MALFORMED  not a message of a kind we know */
MUST_USE bool wire_decode(struct str text, struct arena *arena, struct wire_message *ret, struct err *err);

/* The input of step() that a message is; false for messages that are none. */
MUST_USE bool wire_input(const struct wire_message *message, struct input *ret);

#include <string.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/limits.h"
#include "core/error.h"
#include "core/event.h"
#include "services/orchestrator/pipeline.h"

void outbox_add(struct outbox *outbox, enum topic topic, struct str key, struct str value) {
    if (outbox->count == outbox->capacity) {
        size_t capacity = MAX(outbox->capacity * 2, (size_t)64);
        struct outgoing *messages = arena_new_many(outbox->arena, struct outgoing, capacity);
        if (outbox->count) memcpy(messages, outbox->messages, outbox->count * sizeof(*messages));
        outbox->messages = messages;
        outbox->capacity = capacity;
    }
    outbox->messages[outbox->count++] = (struct outgoing){ .topic = topic, .key = key, .value = value };
}

/* CloudEvents in Kafka's structured mode, out to the world and in to our own listeners. */
static void add_event(struct outbox *outbox, struct str key, struct json event) {
    static const struct header structured[] = { { STR_INIT("content-type"), STR_INIT("application/cloudevents+json") } };
    struct str text = json_to_str(event, outbox->arena);

    outbox_add(outbox, TOPIC_EVENTS_OUT, key, text);
    outbox_add(outbox, TOPIC_EVENTS_IN, key, text);
    for (size_t i = outbox->count - 2; i < outbox->count; i++) {
        outbox->messages[i].headers = structured;
        outbox->messages[i].header_count = ARRAY_SIZE(structured);
    }
}

static enum topic topic_of_task(struct json body) {
    return str_equal(json_str(json_get(body, STR("what"))), STR("connection")) ? TOPIC_INTEGRATION : TOPIC_EXECUTOR;
}

static void add_effect(struct outbox *outbox, const struct effect *effect) {
    enum topic topic = TOPIC_ORCHESTRATOR;
    enum message_kind kind = MESSAGE_CONTINUE;

    switch (effect->kind) {
    case EFFECT_EVENT: add_event(outbox, effect->key, effect->body); return;
    case EFFECT_TASK: kind = MESSAGE_TASK, topic = topic_of_task(effect->body); break;
    case EFFECT_TASK_CANCEL: kind = MESSAGE_TASK_CANCEL, topic = topic_of_task(effect->body); break;
    case EFFECT_START: kind = MESSAGE_START; break;
    case EFFECT_ANSWER: kind = MESSAGE_ANSWER; break;
    case EFFECT_CANCEL: kind = MESSAGE_CANCEL; break;
    case EFFECT_CONTINUE: break;
    }
    outbox_add(outbox, topic, effect->key, wire_encode(kind, STR_NULL, outbox->now_ms, effect->body, outbox->arena));
}

void outbox_add_effects(struct outbox *outbox, const struct effect *effects, size_t count) {
    for (size_t i = 0; i < count; i++) add_effect(outbox, &effects[i]);
}

static void begin_status(struct json_writer *writer, struct buf *buf, int64_t now_ms, struct str id) {
    buf_init(buf, LIMIT_MESSAGE);
    json_writer_init(writer, buf);
    json_begin_object(writer, NULL);
    json_put_c(writer, "kind", message_name(MESSAGE_STATUS));
    json_put_int64(writer, "sent", now_ms);
    json_begin_object(writer, "body");
    json_put_str(writer, "id", id);
}

static void end_status(struct outbox *outbox, struct json_writer *writer, struct str id) {
    json_end_object(writer);
    json_end_object(writer);
    outbox_add(outbox, TOPIC_RESULTS, id, str_copy(buf_str(writer->buf), outbox->arena));
    buf_clear(writer->buf);
}

static const struct arrival *start_of(const struct work *work) {
    for (size_t i = 0; i < work->count; i++) {
        if (work->arrivals[i].input.kind == INPUT_START && !work->arrivals[i].dropped) return &work->arrivals[i];
    }
    return NULL;
}

void outbox_add_status(struct outbox *outbox, const struct work *work, bool with_snapshot) {
    const struct instance *instance = work->result.instance ? work->result.instance : work->before;
    struct json_writer writer;
    struct buf buf;

    begin_status(&writer, &buf, outbox->now_ms, work->id);
    json_put_int64(&writer, "version", instance->version);
    json_put_c(&writer, "status", instance_status_name(instance->status));
    if (start_of(work)) {
        json_put_bool(&writer, "started", work->before == NULL);
        json_put_str(&writer, "hash", instance->hash);
    }
    if (with_snapshot && work->held && work->held->snapshot.size < LIMIT_MESSAGE / 2) {
        json_put_raw(&writer, "snapshot", buf_str(&work->held->snapshot));
    }
    end_status(outbox, &writer, work->id);
}

/* A START that cannot be: its caller hears why, and so does the parent that waits. */
void outbox_add_refusal(struct outbox *outbox, const struct arrival *arrival, struct str id, const struct err *err) {
    struct json parent = json_get(arrival->input.body, STR("parent"));
    struct arena *arena = outbox->arena;
    struct json_writer writer;
    struct buf buf;

    begin_status(&writer, &buf, outbox->now_ms, id);
    json_put_c(&writer, "error", err->message);
    end_status(outbox, &writer, id);
    if (json_is_absent(parent)) return;
    struct json error = error_make(ERROR_CONFIGURATION, str_copy(str_from(err->message), arena), arena);
    struct json body = json_set(json_object(arena, 4), STR("command"), json_get(parent, STR("command")), arena);
    body = json_set(body, STR("ok"), json_bool(false), arena);
    body = json_set(body, STR("answered"), json_bool(true), arena);
    body = json_set(body, STR("error"), error, arena);
    outbox_add(outbox, TOPIC_ORCHESTRATOR, json_str(json_get(parent, STR("instance"))),
            wire_encode(MESSAGE_ANSWER, STR_NULL, outbox->now_ms, body, arena));
}

void outbox_add_dead(struct outbox *outbox, const struct message *message, const char *reason) {
    struct arena *arena = outbox->arena;
    struct json body = json_object(arena, 6);

    body = json_set(body, STR("topic"), json_string(str_from(topic_name(message->topic))), arena);
    body = json_set(body, STR("partition"), json_int64(message->partition, arena), arena);
    body = json_set(body, STR("offset"), json_int64(message->offset, arena), arena);
    body = json_set(body, STR("reason"), json_string_copy(str_from(reason), arena), arena);
    body = json_set(body, STR("message"), json_string(base64_encode(message->value, arena)), arena);
    outbox_add(outbox, TOPIC_DEAD, message->key, wire_encode(MESSAGE_DEAD, STR_NULL, outbox->now_ms, body, arena));
}

MUST_USE bool outbox_publish(struct outbox *outbox, struct orchestrator *orchestrator, struct err *err) {
    if (outbox->count == 0) return true;
    bool ok = bus_publish(orchestrator->seat->world->bus, outbox->messages, outbox->count, err);
    outbox->count = 0;
    return ok;
}

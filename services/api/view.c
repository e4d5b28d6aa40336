#include "services/api/view.h"

#include "common/arena.h"

static void put_text(struct json_writer *writer, const char *key, struct str value) {
    if (value.size) json_put_str(writer, key, value);
    else json_put(writer, key, json_null());
}

static bool is_leaf(const struct instance *instance, const struct frame *frame) {
    for (size_t i = 0; i < instance->frame_count; i++) {
        if (instance->frames[i]->parent == frame->id) return false;
    }
    return true;
}

/* A call has a command under way; all else that is open waits for a time or an event. */
static const char *status_of(const struct instance *instance, const struct frame *frame) {
    if (instance->suspended) return "suspended";
    if (frame->phase != FRAME_OPEN || frame->round) return "running";
    return "waiting";
}

/* Where it stands: the innermost tasks. */
static void put_tasks(struct json_writer *writer, const struct instance *instance) {
    json_begin_array(writer, "tasks");
    for (size_t i = 0; i < instance->frame_count; i++) {
        const struct frame *frame = instance->frames[i];
        if (!frame->parent || !is_leaf(instance, frame)) continue;
        json_begin_object(writer, NULL);
        json_put_str(writer, "pointer", frame->task->pointer);
        json_put_str(writer, "name", frame->task->name);
        json_put_c(writer, "status", status_of(instance, frame));
        put_time(writer, "startedAt", frame->started_at);
        if (frame->due_at) put_time(writer, "dueAt", frame->due_at);
        if (frame->deadline_at) put_time(writer, "timeoutAt", frame->deadline_at);
        json_end_object(writer);
    }
    json_end_array(writer);
}

void view_instance(const struct instance *instance, struct arena *arena, struct buf *out) {
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_begin_object(&writer, NULL);
    json_put_str(&writer, "id", instance->id);
    put_text(&writer, "key", instance->key);
    json_put_str(&writer, "namespace", instance->namespace_);
    json_put_str(&writer, "workflow", instance->name);
    json_put_str(&writer, "version", instance->version_of);
    json_put_c(&writer, "status", instance_status_name(instance->status));
    json_put(&writer, "input", instance->input);
    json_put(&writer, "output", instance->output);
    json_put(&writer, "error", instance->error);
    json_put(&writer, "context", instance->context);
    json_put(&writer, "tags", json_is_null(instance->tags) ? json_object(arena, 0) : instance->tags);
    put_time(&writer, "createdAt", instance->created_at);
    put_time(&writer, "startedAt", instance->started_at);
    put_time(&writer, "endedAt", instance->ended_at);
    put_tasks(&writer, instance);
    json_end_object(&writer);
}

bool view_decode(struct json snapshot, struct arena *arena, const struct instance **ret, struct err *err) {
    struct json without = json_set(snapshot, STR("frames"), json_array(arena, 0), arena);

    return instance_decode(without, NULL, arena, ret, err);
}

struct json view_accepted(const struct instance *instance, struct arena *arena) {
    struct json body = json_object(arena, 6);

    body = json_set(body, STR("id"), json_string(instance->id), arena);
    body = json_set(body, STR("key"), instance->key.size ? json_string(instance->key) : json_null(), arena);
    body = json_set(body, STR("namespace"), json_string(instance->namespace_), arena);
    body = json_set(body, STR("workflow"), json_string(instance->name), arena);
    body = json_set(body, STR("version"), json_string(instance->version_of), arena);
    return json_set(body, STR("status"), json_string(STR("pending")), arena);
}

struct str view_location(struct str id, struct arena *arena) {
    return str_format(arena, "/v1/instances/" STR_FMT, STR_ARG(id));
}

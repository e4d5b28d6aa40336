#include "core/instance.h"

#include "common/arena.h"
#include "common/assert.h"

enum { FORMAT = 1 };

static const char *const status_names[] = { "pending", "running", "waiting", "suspended", "cancelled", "faulted",
    "completed" };

const char *instance_status_name(enum instance_status status) {
    return status_names[status];
}

bool instance_has_ended(const struct instance *instance) {
    return instance->status >= INSTANCE_CANCELLED;
}

struct frame *instance_frame(const struct instance *instance, uint32_t id) {
    size_t low = 0, high = instance->frame_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (instance->frames[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < instance->frame_count && instance->frames[low]->id == id;
    return found ? instance->frames[low] : NULL;
}

/* Values that are absent and numbers that are 0 are left out. */
static void put(struct json_writer *writer, const char *key, struct json value) {
    if (!json_is_absent(value)) json_put(writer, key, value);
}

static void put_number(struct json_writer *writer, const char *key, int64_t value) {
    if (value) json_put_int64(writer, key, value);
}

static void put_text(struct json_writer *writer, const char *key, struct str value) {
    if (value.size) json_put_str(writer, key, value);
}

static void encode_frame(const struct frame *frame, struct json_writer *writer) {
    json_begin_object(writer, NULL);
    json_put_int64(writer, "id", frame->id);
    put_number(writer, "parent", frame->parent);
    json_put_int64(writer, "task", frame->task->index);
    put_number(writer, "phase", frame->phase);
    put(writer, "raw", frame->raw);
    put(writer, "input", frame->input);
    put(writer, "value", frame->value);
    put(writer, "variables", frame->variables);
    put(writer, "context", frame->context);
    put_number(writer, "startedAt", frame->started_at);
    put_number(writer, "dueAt", frame->due_at);
    put_number(writer, "deadlineAt", frame->deadline_at);
    put_number(writer, "directive", frame->directive.kind);
    put_number(writer, "target", frame->directive.position);
    json_put_int64(writer, "position", frame->position);
    put_number(writer, "stage", frame->stage);
    put_number(writer, "count", frame->count);
    put(writer, "items", frame->items);
    put(writer, "more", frame->more);
    put_number(writer, "round", frame->round);
    put_number(writer, "run", frame->run);
    json_end_object(writer);
}

void instance_encode(const struct instance *instance, struct buf *buf) {
    struct json_writer writer;

    json_writer_init(&writer, buf);
    json_begin_object(&writer, NULL);
    json_put_int64(&writer, "format", FORMAT);
    json_put_str(&writer, "id", instance->id);
    json_put_str(&writer, "namespace", instance->namespace_);
    json_put_str(&writer, "name", instance->name);
    json_put_str(&writer, "definition", instance->version_of);
    json_put_int64(&writer, "version", instance->version);
    json_put_int64(&writer, "status", instance->status);
    put_number(&writer, "suspended", instance->suspended);
    put_text(&writer, "key", instance->key);
    put_text(&writer, "hash", instance->hash);
    put(&writer, "tags", instance->tags);
    put(&writer, "input", instance->input);
    put(&writer, "context", instance->context);
    put(&writer, "output", instance->output);
    put(&writer, "error", instance->error);
    put(&writer, "parent", instance->parent);
    put(&writer, "callback", instance->callback);
    json_put_int64(&writer, "createdAt", instance->created_at);
    put_number(&writer, "startedAt", instance->started_at);
    put_number(&writer, "endedAt", instance->ended_at);
    put_number(&writer, "suspendedAt", instance->suspended_at);
    json_put_int64(&writer, "now", instance->now_ms);
    json_put_int64(&writer, "nextFrame", instance->next_frame);
    json_put_int64(&writer, "nextFact", instance->next_fact);
    put_number(&writer, "wakeAt", instance->wake_at);
    put_number(&writer, "wakeFrame", instance->wake_frame);
    put(&writer, "seen", instance->seen);
    put(&writer, "signals", instance->signals);
    put(&writer, "applied", instance->applied);
    put(&writer, "queue", instance->queue);
    json_begin_array(&writer, "frames");
    for (size_t i = 0; i < instance->frame_count; i++) encode_frame(instance->frames[i], &writer);
    json_end_array(&writer);
    json_end_object(&writer);
}

static int64_t number(struct json object, struct str key) {
    return json_int64_or(json_get(object, key), 0);
}

static struct frame *decode_frame(struct json row, const struct definition *definition, struct arena *arena) {
    struct frame *frame = arena_new_one(arena, struct frame);

    frame->id = (uint32_t)number(row, STR("id"));
    frame->parent = (uint32_t)number(row, STR("parent"));
    frame->task = definition_task(definition, (uint32_t)number(row, STR("task")));
    frame->phase = (enum frame_phase)number(row, STR("phase"));
    frame->raw = json_get(row, STR("raw"));
    frame->input = json_get(row, STR("input"));
    frame->value = json_get(row, STR("value"));
    frame->variables = json_get(row, STR("variables"));
    frame->context = json_get(row, STR("context"));
    frame->started_at = number(row, STR("startedAt"));
    frame->due_at = number(row, STR("dueAt"));
    frame->deadline_at = number(row, STR("deadlineAt"));
    frame->directive.kind = (enum directive_kind)number(row, STR("directive"));
    frame->directive.position = (uint32_t)number(row, STR("target"));
    frame->position = (int32_t)number(row, STR("position"));
    frame->stage = (int32_t)number(row, STR("stage"));
    frame->count = number(row, STR("count"));
    frame->items = json_get(row, STR("items"));
    frame->more = json_get(row, STR("more"));
    frame->round = (uint32_t)number(row, STR("round"));
    frame->run = (uint32_t)number(row, STR("run"));
    return frame;
}

void instance_definition_of(struct json snapshot, struct str *ret_namespace, struct str *ret_name, struct str *ret_version) {
    *ret_namespace = json_str(json_get(snapshot, STR("namespace")));
    *ret_name = json_str(json_get(snapshot, STR("name")));
    *ret_version = json_str(json_get(snapshot, STR("definition")));
}

static void decode_head(struct json root, struct instance *instance) {
    instance->id = json_str(json_get(root, STR("id")));
    instance_definition_of(root, &instance->namespace_, &instance->name, &instance->version_of);
    instance->version = number(root, STR("version"));
    instance->status = (enum instance_status)number(root, STR("status"));
    instance->suspended = number(root, STR("suspended")) != 0;
    instance->key = json_str(json_get(root, STR("key")));
    instance->hash = json_str(json_get(root, STR("hash")));
    instance->tags = json_get(root, STR("tags"));
    instance->input = json_get(root, STR("input"));
    instance->context = json_get(root, STR("context"));
    instance->output = json_get(root, STR("output"));
    instance->error = json_get(root, STR("error"));
    instance->parent = json_get(root, STR("parent"));
    instance->callback = json_get(root, STR("callback"));
    instance->created_at = number(root, STR("createdAt"));
    instance->started_at = number(root, STR("startedAt"));
    instance->ended_at = number(root, STR("endedAt"));
    instance->suspended_at = number(root, STR("suspendedAt"));
    instance->now_ms = number(root, STR("now"));
    instance->next_frame = (uint32_t)number(root, STR("nextFrame"));
    instance->next_fact = number(root, STR("nextFact"));
    instance->wake_at = number(root, STR("wakeAt"));
    instance->wake_frame = (uint32_t)number(root, STR("wakeFrame"));
    instance->seen = json_get(root, STR("seen"));
    instance->signals = json_get(root, STR("signals"));
    instance->applied = json_get(root, STR("applied"));
    instance->queue = json_get(root, STR("queue"));
}

MUST_USE bool instance_decode(struct json root, const struct definition *definition, struct arena *arena,
        const struct instance **ret, struct err *err) {
    struct instance *instance = arena_new_one(arena, struct instance);

    if (number(root, STR("format")) != FORMAT) return err_set(err, ERR_INVALID, "the snapshot has another format");
    decode_head(root, instance);
    struct json rows = json_get(root, STR("frames"));
    instance->frame_count = json_size(rows);
    instance->frames = arena_new_many(arena, struct frame *, instance->frame_count);
    for (size_t i = 0; i < instance->frame_count; i++) {
        instance->frames[i] = decode_frame(json_at(rows, i), definition, arena);
        if (!instance->frames[i]->task) return err_set(err, ERR_INVALID, "the snapshot is of another definition");
    }
    *ret = instance;
    return true;
}

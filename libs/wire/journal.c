#include "wire/journal.h"

#include "common/arena.h"
#include "common/limits.h"
#include "wire/wire.h"

enum { FORMAT = 1 };

static const char *const effect_names[] = { "task", "task.cancel", "event", "start", "answer", "cancel", "continue" };

struct str journal_id(struct str instance, int64_t version, struct arena *arena) {
    return str_format(arena, STR_FMT "/%010lld", STR_ARG(instance), (long long)version);
}

static void encode_inputs(const struct journal_entry *entry, struct json_writer *writer) {
    json_begin_array(writer, "inputs");
    for (size_t i = 0; i < entry->input_count; i++) {
        const struct input *input = &entry->inputs[i];
        json_begin_object(writer, NULL);
        json_put_c(writer, "kind", message_name((enum message_kind)input->kind));
        if (input->id.size) json_put_str(writer, "id", input->id);
        json_put_int64(writer, "now", input->now_ms);
        json_put_int64(writer, "budget", input->budget);
        json_put(writer, "body", input->body);
        json_end_object(writer);
    }
    json_end_array(writer);
}

static void encode_effects(const struct journal_entry *entry, struct json_writer *writer) {
    json_begin_array(writer, "effects");
    for (size_t i = 0; i < entry->effect_count; i++) {
        json_begin_object(writer, NULL);
        json_put_c(writer, "kind", effect_names[entry->effects[i].kind]);
        json_put_str(writer, "key", entry->effects[i].key);
        json_put(writer, "body", entry->effects[i].body);
        json_end_object(writer);
    }
    json_end_array(writer);
}

static void encode_fact(const struct fact *fact, struct json_writer *writer) {
    json_begin_object(writer, NULL);
    json_put_int64(writer, "seq", fact->seq);
    json_put_int64(writer, "time", fact->time_ms);
    json_put_c(writer, "type", fact->type);
    if (fact->task.size) json_put_str(writer, "task", fact->task);
    if (fact->name.size) json_put_str(writer, "name", fact->name);
    if (!json_is_absent(fact->data)) {
        struct json_writer before = *writer;
        size_t from = writer->buf->size;
        json_put(writer, "data", fact->data);
        size_t size = writer->buf->size - from;
        if (size > LIMIT_INLINE_VALUE) {
            writer->buf->size = from;
            *writer = before;
            json_begin_object(writer, "data");
            json_put_int64(writer, "omitted", (int64_t)size);
            json_end_object(writer);
        }
    }
    json_end_object(writer);
}

void journal_encode(const struct journal_entry *entry, struct buf *buf) {
    struct json_writer writer;

    json_writer_init(&writer, buf);
    json_begin_object(&writer, NULL);
    json_put_int64(&writer, "format", FORMAT);
    json_put_str(&writer, "commit", entry->commit);
    json_put_str(&writer, "instance", entry->instance);
    json_put_int64(&writer, "version", entry->version);
    json_put_str(&writer, "definition", entry->definition);
    json_begin_object(&writer, "applied");
    json_put_int64(&writer, "incarnation", (int64_t)entry->applied.incarnation);
    json_put_int64(&writer, "partition", entry->applied.partition);
    json_put_int64(&writer, "offset", entry->applied.offset);
    json_end_object(&writer);
    encode_inputs(entry, &writer);
    json_begin_array(&writer, "facts");
    for (size_t i = 0; i < entry->fact_count; i++) encode_fact(&entry->facts[i], &writer);
    json_end_array(&writer);
    encode_effects(entry, &writer);
    json_end_object(&writer);
}

static bool decode_input(struct json row, struct input *ret) {
    struct str name = json_str(json_get(row, STR("kind")));

    for (int kind = 0; kind <= MESSAGE_FAULT; kind++) {
        if (!str_equal(name, str_from(message_name((enum message_kind)kind)))) continue;
        *ret = (struct input){ .kind = (enum input_kind)kind, .id = json_str(json_get(row, STR("id"))),
            .now_ms = json_int64_or(json_get(row, STR("now")), 0),
            .budget = (uint32_t)json_int64_or(json_get(row, STR("budget")), 0), .body = json_get(row, STR("body")) };
        return true;
    }
    return false;
}

static bool decode_effect(struct json row, struct effect *ret) {
    struct str name = json_str(json_get(row, STR("kind")));

    for (size_t kind = 0; kind < ARRAY_SIZE(effect_names); kind++) {
        if (!str_equal(name, str_from(effect_names[kind]))) continue;
        *ret = (struct effect){ (enum effect_kind)kind, json_str(json_get(row, STR("key"))), json_get(row, STR("body")) };
        return true;
    }
    return false;
}

MUST_USE bool journal_decode(struct str text, struct arena *arena, struct journal_entry *ret, struct err *err) {
    struct json_read_options options = { .depth_max = 100000, .borrow = true };
    struct json root;

    *ret = (struct journal_entry){ .emptied = text.size == 0 };
    if (ret->emptied) return true;
    if (!json_read(text, &options, arena, &root, NULL, err)) return err_wrap(err, "journal entry");
    if (json_int64_or(json_get(root, STR("format")), 0) != FORMAT) {
        return err_set(err, ERR_INVALID, "journal entry: another format");
    }
    struct json inputs = json_get(root, STR("inputs")), effects = json_get(root, STR("effects"));
    struct json applied = json_get(root, STR("applied"));
    struct input *input_rows = arena_new_many(arena, struct input, json_size(inputs));
    struct effect *effect_rows = arena_new_many(arena, struct effect, json_size(effects));
    bool known = true;
    for (size_t i = 0; i < json_size(inputs); i++) known &= decode_input(json_at(inputs, i), &input_rows[i]);
    for (size_t i = 0; i < json_size(effects); i++) known &= decode_effect(json_at(effects, i), &effect_rows[i]);
    if (!known) return err_set(err, ERR_INVALID, "journal entry: an input or effect of an unknown kind");
    ret->instance = json_str(json_get(root, STR("instance")));
    ret->version = json_int64_or(json_get(root, STR("version")), 0);
    ret->commit = json_str(json_get(root, STR("commit")));
    ret->definition = json_str(json_get(root, STR("definition")));
    ret->applied.incarnation = (uint64_t)json_int64_or(json_get(applied, STR("incarnation")), 0);
    ret->applied.partition = (int32_t)json_int64_or(json_get(applied, STR("partition")), 0);
    ret->applied.offset = json_int64_or(json_get(applied, STR("offset")), -1);
    ret->inputs = input_rows;
    ret->input_count = json_size(inputs);
    ret->effects = effect_rows;
    ret->effect_count = json_size(effects);
    ret->fact_rows = json_get(root, STR("facts"));
    return true;
}

int64_t head_shard(struct str instance) {
    uint64_t hash = 14695981039346656037u;

    /* FNV-1a: stable across versions, as shards are stored. */
    for (size_t i = 0; i < instance.size; i++) hash = (hash ^ (unsigned char)instance.data[i]) * 1099511628211u;
    return (int64_t)((hash >> 32) % HEAD_SHARDS);
}

static struct json set_text(struct json fields, const char *key, struct str value, struct arena *arena) {
    return value.size ? json_set(fields, str_from(key), json_string(value), arena) : fields;
}

static struct json tag_values(struct json tags, struct arena *arena) {
    struct json values = json_array(arena, json_size(tags));

    for (size_t i = 0; i < json_size(tags); i++) {
        const struct json_member *member = json_member_at(tags, i);
        struct str value = json_type(member->value) == JSON_STRING ? json_str(member->value) : json_to_str(member->value, arena);
        values = json_append(values, json_string_format(arena, STR_FMT ":" STR_FMT, STR_ARG(member->key), STR_ARG(value)), arena);
    }
    return values;
}

struct json head_fields(const struct instance *instance, struct arena *arena) {
    struct str workflow = str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(instance->namespace_), STR_ARG(instance->name));
    struct str definition = str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(workflow), STR_ARG(instance->version_of));
    struct json fields = json_object(arena, 12), subscriptions = step_subscriptions(instance, arena);

    fields = set_text(fields, "namespace", instance->namespace_, arena);
    fields = set_text(fields, "workflow", workflow, arena);
    fields = set_text(fields, "definition", definition, arena);
    fields = set_text(fields, "key", instance->key, arena);
    fields = set_text(fields, "status", str_from(instance_status_name(instance->status)), arena);
    fields = json_set(fields, STR("createdAt"), json_int64(instance->created_at, arena), arena);
    if (instance->ended_at) fields = json_set(fields, STR("endedAt"), json_int64(instance->ended_at, arena), arena);
    if (instance->wake_at) {
        fields = json_set(fields, STR("shard"), json_int64(head_shard(instance->id), arena), arena);
        fields = json_set(fields, STR("wakeAt"), json_int64(instance->wake_at, arena), arena);
        fields = json_set(fields, STR("wakeFrame"), json_int64(instance->wake_frame, arena), arena);
    }
    if (json_size(instance->tags)) fields = json_set(fields, STR("tags"), tag_values(instance->tags, arena), arena);
    if (json_size(subscriptions)) fields = json_set(fields, STR("subscriptions"), subscriptions, arena);
    return fields;
}

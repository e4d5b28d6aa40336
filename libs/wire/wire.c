#include "wire/wire.h"

#include "common/arena.h"
#include "common/limits.h"

static const char *const names[] = {
#define MESSAGE(code, name) name,
#include "wire/messages.def"
#undef MESSAGE
};

_Static_assert((int)MESSAGE_START == (int)INPUT_START && (int)MESSAGE_FAULT == (int)INPUT_FAULT,
        "the first messages are the inputs of step(), in order");

const char *message_name(enum message_kind kind) {
    return names[kind];
}

struct str wire_encode(enum message_kind kind, struct str id, int64_t sent_ms, struct json body, struct arena *arena) {
    struct json_writer writer;
    struct buf buf;

    buf_init(&buf, LIMIT_RECORD * 2);
    json_writer_init(&writer, &buf);
    json_begin_object(&writer, NULL);
    json_put_c(&writer, "kind", names[kind]);
    if (id.size) json_put_str(&writer, "id", id);
    json_put_int64(&writer, "sent", sent_ms);
    json_put(&writer, "body", body);
    json_end_object(&writer);
    struct str text = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

MUST_USE bool wire_decode(struct str text, struct arena *arena, struct wire_message *ret, struct err *err) {
    struct json_read_options options = { .depth_max = 4 * LIMIT_DEPTH, .borrow = true };
    struct json root;

    if (!json_read(text, &options, arena, &root, NULL, err)) return err_wrap(err, "message");
    struct str name = json_str(json_get(root, STR("kind")));
    for (int kind = 0; kind < MESSAGE_COUNT; kind++) {
        if (!str_equal(name, str_from(names[kind]))) continue;
        ret->kind = (enum message_kind)kind;
        ret->id = json_str(json_get(root, STR("id")));
        ret->sent_ms = json_int64_or(json_get(root, STR("sent")), 0);
        ret->body = json_get(root, STR("body"));
        return true;
    }
    return err_set(err, ERR_MALFORMED, "message: kind '" STR_FMT "' is not known", STR_ARG(name));
}

MUST_USE bool wire_input(const struct wire_message *message, struct input *ret) {
    if (message->kind > MESSAGE_FAULT) return false;
    *ret = (struct input){ .kind = (enum input_kind)message->kind, .id = message->id, .body = message->body };
    return true;
}

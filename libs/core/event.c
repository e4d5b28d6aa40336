#include "core/event.h"

#include "common/arena.h"
#include "common/hash.h"

struct str event_key(struct str type, struct arena *arena) {
    return type.size ? str_copy(type, arena) : STR("*");
}

struct str event_key_correlated(struct str type, struct str from_text, struct json value, struct arena *arena) {
    enum { KEPT = 24 };
    char hash[SHA256_HEX_SIZE];
    struct buf buf;

    buf_init(&buf, SIZE_MAX / 2);
    buf_append(&buf, from_text);
    buf_append_char(&buf, '\n');
    json_write(&buf, value, JSON_SORTED);
    struct str text = str_slice(sha256_hex(buf_str(&buf), hash), 0, KEPT);
    struct str key = str_format(arena, STR_FMT "|" STR_FMT, STR_ARG(event_key(type, arena)), STR_ARG(text));
    buf_clear(&buf);
    return key;
}

static bool is_attribute_name(struct str name) {
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) return false;
    }
    return name.size > 0;
}

MUST_USE bool event_check(struct json event, struct err *err) {
    static const char *const required[] = { "id", "source", "type" };

    if (json_type(event) != JSON_OBJECT) return err_set(err, ERR_INVALID, "an event is an object");
    if (!str_equal(json_str(json_get(event, STR("specversion"))), STR("1.0"))) {
        return err_set(err, ERR_INVALID, "specversion must be '1.0'");
    }
    for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
        struct json value = json_get(event, str_from(required[i]));
        if (json_str(value).size == 0) return err_set(err, ERR_INVALID, "the attribute '%s' is missing or empty", required[i]);
    }
    for (size_t i = 0; i < json_size(event); i++) {
        struct str name = json_member_at(event, i)->key;
        if (str_equal(name, STR("data_base64")) || is_attribute_name(name)) continue;
        return err_set(err, ERR_INVALID, "'" STR_FMT "' is no attribute name: lower-case letters and digits only", STR_ARG(name));
    }
    return true;
}

struct str event_identity(struct json event, struct arena *arena) {
    struct str source = json_str(json_get(event, STR("source"))), id = json_str(json_get(event, STR("id")));

    return str_format(arena, STR_FMT " " STR_FMT, STR_ARG(source), STR_ARG(id));
}

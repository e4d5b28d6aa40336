#include "core/uri_template.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"

/* RFC 3986: unreserved characters stay. */
static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static void append_encoded(struct buf *buf, struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (is_unreserved(text.data[i])) {
            buf_append_char(buf, text.data[i]);
        } else {
            buf_append_format(buf, "%%%02X", (unsigned char)text.data[i]);
        }
    }
}

static bool append_value(struct buf *buf, struct str name, struct json value, struct arena *arena, struct err *err) {
    enum json_type type = json_type(value);

    if (type == JSON_OBJECT || type == JSON_ARRAY) {
        return err_set(err, ERR_INVALID, "the endpoint's '{" STR_FMT "}' is an %s; a text or a number was expected", STR_ARG(name),
                json_type_name(value));
    }
    if (json_is_null(value)) return true;
    append_encoded(buf, type == JSON_STRING ? json_str(value) : json_to_str(value, arena));
    return true;
}

MUST_USE bool uri_template_expand(struct str template, struct json input, struct arena *arena, struct str *ret, struct err *err) {
    struct buf buf;
    bool ok = true;

    if (str_find_char(template, '{') == template.size) {
        *ret = template;
        return true;
    }
    buf_init(&buf, LIMIT_BODY);
    while (template.size && ok) {
        size_t open = str_find_char(template, '{'), close;
        buf_append(&buf, str_slice(template, 0, open));
        template = str_slice(template, open, template.size);
        if (!template.size) break;
        close = str_find_char(template, '}');
        struct str name = str_slice(template, 1, close);
        if (close == template.size) {
            ok = err_set(err, ERR_INVALID, "the endpoint has a '{' without a '}'");
        } else {
            ok = append_value(&buf, name, json_get(input, name), arena, err);
            template = str_slice(template, close + 1, template.size);
        }
    }
    if (ok) *ret = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return ok;
}

#include "calls/http_body.h"

#include <string.h>

#include "calls/media_type.h"
#include "calls/percent.h"
#include "common/arena.h"
#include "common/hash.h"
#include "common/limits.h"

bool http_text_of(struct json value, struct arena *arena, struct str *ret) {
    switch (json_type(value)) {
    case JSON_ARRAY:
    case JSON_OBJECT: return false;
    case JSON_ABSENT:
    case JSON_NULL: *ret = STR(""); return true;
    case JSON_STRING: *ret = json_str(value); return true;
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_NUMBER: *ret = json_to_str(value, arena); return true;
    }
    return false;
}

struct str http_text_mend(struct str text, struct arena *arena) {
    if (str_is_utf8(text)) return text;
    char *mended = arena_alloc(arena, text.size);
    for (size_t i = 0; i < text.size; i++) mended[i] = (char)((unsigned char)text.data[i] < 0x80 ? text.data[i] : '?');
    return (struct str){ mended, text.size };
}

/* ---- writing ---- */

static bool take(struct buf *buf, struct arena *arena, struct str *ret, struct err *err) {
    bool fits = !buf_is_over(buf);

    if (fits) *ret = str_copy(buf_str(buf), arena);
    buf_clear(buf);
    return fits || err_set(err, ERR_TOO_LARGE, "the body is over %d bytes", LIMIT_BODY);
}

static bool write_json(struct json body, struct arena *arena, struct str *ret, struct err *err) {
    struct buf buf;

    buf_init(&buf, LIMIT_BODY);
    json_write(&buf, body, JSON_COMPACT);
    return take(&buf, arena, ret, err);
}

/* A value of a form: what is no scalar is sent as JSON. */
static struct str field_text(struct json value, struct arena *arena) {
    struct str text;

    return http_text_of(value, arena, &text) ? text : json_to_str(value, arena);
}

static void append_field(struct buf *buf, struct str name, struct json value, struct arena *arena) {
    if (json_is_null(value)) return;
    if (buf->size) buf_append_char(buf, '&');
    percent_append(buf, name);
    buf_append_char(buf, '=');
    percent_append(buf, field_text(value, arena));
}

/* Arrays repeat their name. */
static bool write_form(struct json body, struct arena *arena, struct str *ret, struct err *err) {
    struct buf buf;

    buf_init(&buf, LIMIT_BODY);
    for (size_t i = 0; i < json_size(body); i++) {
        const struct json_member *member = json_member_at(body, i);
        if (json_type(member->value) != JSON_ARRAY) {
            append_field(&buf, member->key, member->value, arena);
            continue;
        }
        for (size_t k = 0; k < json_size(member->value); k++) append_field(&buf, member->key, json_at(member->value, k), arena);
    }
    return take(&buf, arena, ret, err);
}

/* A quote or line break would end the name early (WHATWG, multipart/form-data). */
static void append_quoted(struct buf *buf, struct str name) {
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (c == '"' || c == '\r' || c == '\n') {
            buf_append_format(buf, "%%%02X", (unsigned char)c);
        } else {
            buf_append_char(buf, c);
        }
    }
}

static void append_part(struct buf *buf, struct str boundary, struct str name, struct json value, struct arena *arena) {
    enum json_type type = json_type(value);

    if (json_is_null(value)) return;
    buf_append_format(buf, "--" STR_FMT "\r\nContent-Disposition: form-data; name=\"", STR_ARG(boundary));
    append_quoted(buf, name);
    buf_append_c(buf, type == JSON_OBJECT || type == JSON_ARRAY ? "\"\r\nContent-Type: application/json\r\n\r\n" : "\"\r\n\r\n");
    buf_append(buf, field_text(value, arena));
    buf_append_c(buf, "\r\n");
}

/* A boundary that follows from the content, so that a repeated request is the same bytes. */
static bool write_multipart(struct json body, struct str content_type, struct arena *arena, struct str *ret, struct str *ret_content_type,
        struct err *err) {
    struct str boundary = media_parameter(content_type, STR("boundary"));
    char hash[SHA256_HEX_SIZE];
    struct buf buf;

    if (!boundary.size) {
        boundary = str_format(arena, "penstock-" STR_FMT, STR_ARG(sha256_hex(json_to_str(body, arena), hash)));
        *ret_content_type = str_format(arena, STR_FMT "; boundary=" STR_FMT, STR_ARG(content_type), STR_ARG(boundary));
    }
    buf_init(&buf, LIMIT_BODY);
    for (size_t i = 0; i < json_size(body); i++) {
        const struct json_member *member = json_member_at(body, i);
        append_part(&buf, boundary, member->key, member->value, arena);
    }
    buf_append_format(&buf, "--" STR_FMT "--\r\n", STR_ARG(boundary));
    return take(&buf, arena, ret, err);
}

static bool write_text(struct json body, struct arena *arena, struct str *ret, struct err *err) {
    if (!http_text_of(body, arena, ret)) return write_json(body, arena, ret, err);
    return ret->size <= LIMIT_BODY || err_set(err, ERR_TOO_LARGE, "the body is over %d bytes", LIMIT_BODY);
}

/* Bytes cannot stand in a value: they come as base64, as they go in an answer. */
static bool write_binary(struct json body, struct str content_type, struct arena *arena, struct str *ret, struct err *err) {
    if (json_type(body) == JSON_STRING && base64_decode(json_str(body), arena, ret)) return true;
    return err_set(err, ERR_INVALID, "a body of type '" STR_FMT "' has to be a base64 text", STR_ARG(content_type));
}

bool http_body_write(struct json body, struct str content_type, struct arena *arena, struct str *ret, struct str *ret_content_type,
        struct err *err) {
    bool is_object = json_type(body) == JSON_OBJECT;

    *ret_content_type = content_type;
    switch (media_of(content_type)) {
    case MEDIA_NONE: *ret_content_type = STR("application/json"); return write_json(body, arena, ret, err);
    case MEDIA_JSON: return write_json(body, arena, ret, err);
    case MEDIA_FORM: return is_object ? write_form(body, arena, ret, err) : write_text(body, arena, ret, err);
    case MEDIA_MULTIPART:
        if (is_object) return write_multipart(body, content_type, arena, ret, ret_content_type, err);
        return write_text(body, arena, ret, err);
    case MEDIA_TEXT: return write_text(body, arena, ret, err);
    case MEDIA_BINARY: return write_binary(body, content_type, arena, ret, err);
    }
    return false;
}

/* ---- reading ---- */

static struct json read_base64(struct str bytes, struct arena *arena) {
    return json_string(base64_encode(bytes, arena));
}

/* ISO 8859-1 is what text without a declared character set was for long; each byte is its code point. */
static struct json read_latin1(struct str bytes, struct arena *arena) {
    char *text = arena_alloc(arena, bytes.size * 2 + 1), *to = text;

    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c < 0x80) {
            *to++ = (char)c;
        } else {
            *to++ = (char)(0xC0 | c >> 6);
            *to++ = (char)(0x80 | (c & 0x3F));
        }
    }
    return json_string((struct str){ text, (size_t)(to - text) });
}

static struct json read_text(struct str bytes, struct str content_type, struct arena *arena) {
    struct str charset = media_parameter(content_type, STR("charset"));
    bool latin1 = str_equal_nocase(charset, STR("iso-8859-1")) || str_equal_nocase(charset, STR("latin1"));
    bool utf8 = !charset.size || str_equal_nocase(charset, STR("utf-8")) || str_equal_nocase(charset, STR("utf8"))
            || str_equal_nocase(charset, STR("us-ascii"));

    if (latin1) return read_latin1(bytes, arena);
    return utf8 && str_is_utf8(bytes) ? json_string(bytes) : read_base64(bytes, arena);
}

/* Without a word about it, only what begins like an object or array is taken for JSON. */
static struct json read_unknown(struct str bytes, struct arena *arena) {
    struct json_read_options options = { .borrow = true };
    struct str text = str_trim(bytes);
    struct json value;
    struct err err;

    bool promising = text.size && (text.data[0] == '{' || text.data[0] == '[');
    if (promising && json_read(text, &options, arena, &value, NULL, &err)) return value;
    return str_is_utf8(bytes) ? json_string(bytes) : read_base64(bytes, arena);
}

bool http_body_read(struct str bytes, struct str content_type, struct arena *arena, struct json *ret, struct err *err) {
    struct json_read_options options = { .borrow = true };

    *ret = json_null();
    if (!bytes.size) return true;
    switch (media_of(content_type)) {
    case MEDIA_NONE: *ret = read_unknown(bytes, arena); return true;
    case MEDIA_JSON:
        if (str_starts_with(bytes, STR("\xEF\xBB\xBF"))) bytes = str_slice(bytes, 3, bytes.size);
        if (!str_trim(bytes).size) return true;
        return json_read(bytes, &options, arena, ret, NULL, err);
    case MEDIA_FORM:
    case MEDIA_TEXT:
    case MEDIA_MULTIPART: *ret = read_text(bytes, content_type, arena); return true;
    case MEDIA_BINARY: *ret = read_base64(bytes, arena); return true;
    }
    return false;
}

/* The writer. */
#include "common/json_internal.h"

#include <endian.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

/* buf_reserve and buf_append for the many short pieces. */
static inline char *room(struct buf *buf, size_t size) {
    size_t needed = buf->size + size;

    if (needed >= buf->capacity || needed > buf->limit || buf->over) return buf_reserve(buf, size);
    return buf->data + buf->size;
}

static inline void put(struct buf *buf, const char *data, size_t size) {
    size_t needed = buf->size + size;

    if (needed >= buf->capacity || needed > buf->limit || buf->over) {
        buf_append(buf, (struct str){ data, size });
        return;
    }
    memcpy(buf->data + buf->size, data, size);
    buf->size = needed;
    buf->data[needed] = '\0';
}

static inline void put_char(struct buf *buf, char c) {
    put(buf, &c, 1);
}

/* ---- scalars ---- */

/* Skips up to a quote, a backslash or a control character; see the reader's twin. */
static const char *skip_plain(const char *p, const char *end) {
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;

    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
        word = le64toh(word);
        uint64_t quote = (word ^ ones * '"') - ones;
        uint64_t backslash = (word ^ ones * '\\') - ones;
        uint64_t marks = (quote | backslash | (word - ones * 0x20)) & ~word & high;
        if (marks) return p + (__builtin_ctzll(marks) >> 3);
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
        p++;
    return p;
}

static void put_escape(struct buf *buf, char c) {
    static const char shorts[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
    };
    static const char hex[] = "0123456789abcdef";
    unsigned char byte = (unsigned char)c;

    if (c == '"' || c == '\\') {
        put(buf, (char[]){ '\\', c }, 2);
    } else if (byte < sizeof(shorts) && shorts[byte]) {
        put(buf, (char[]){ '\\', shorts[byte] }, 2);
    } else {
        put(buf, (char[]){ '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] }, 6);
    }
}

void json_write_string(struct buf *buf, struct str text) {
    const char *p = text.data ? text.data : "", *end = p + text.size;
    const char *plain = skip_plain(p, end);

    if (plain == end) {
        char *to = room(buf, text.size + 2);
        if (!to) return;
        to[0] = '"';
        memcpy(to + 1, p, text.size);
        to[text.size + 1] = '"';
        to[text.size + 2] = '\0';
        buf->size += text.size + 2;
        return;
    }
    put_char(buf, '"');
    for (;;) {
        put(buf, p, (size_t)(plain - p));
        if (plain == end) break;
        put_escape(buf, *plain);
        p = plain + 1;
        plain = skip_plain(p, end);
    }
    put_char(buf, '"');
}

static void write_number(struct buf *buf, struct json value) {
    char text[JSON_NUMBER_TEXT_SIZE];

    if (value.count) {
        put(buf, value.text, value.count);
    } else {
        put(buf, text, json_number_format(value.number, text));
    }
}

/* Writes all but containers with something in them. */
static void write_leaf(struct buf *buf, struct json value) {
    switch (json_type(value)) {
    case JSON_ABSENT:
    case JSON_NULL: put(buf, "null", 4); break;
    case JSON_FALSE: put(buf, "false", 5); break;
    case JSON_TRUE: put(buf, "true", 4); break;
    case JSON_NUMBER: write_number(buf, value); break;
    case JSON_STRING: json_write_string(buf, json_str(value)); break;
    case JSON_ARRAY: put(buf, "[]", 2); break;
    case JSON_OBJECT: put(buf, "{}", 2); break;
    }
}

/* ---- containers ---- */

static void put_line(struct buf *buf, size_t depth) {
    put_char(buf, '\n');
    for (size_t i = 0; i < depth; i++)
        put(buf, "  ", 2);
}

static void open_container(
        struct json_walk *walk, struct buf *buf, struct json value, enum json_style style) {
    struct json_frame *frame = json_walk_push(walk, value, (struct json){ 0 });

    if (style == JSON_SORTED && value.type == JSON_OBJECT)
        frame->sorted = json_members_sorted(value);
    put_char(buf, value.type == JSON_ARRAY ? '[' : '{');
}

static void close_container(struct json_walk *walk, struct buf *buf, enum json_style style) {
    char bracket = json_walk_top(walk)->value.type == JSON_ARRAY ? ']' : '}';

    json_walk_pop(walk);
    if (style == JSON_PRETTY) put_line(buf, walk->depth);
    put_char(buf, bracket);
}

/* Writes the next item of the innermost container, or its opening bracket, or its closing one. */
static void write_next(struct json_walk *walk, struct buf *buf, enum json_style style) {
    struct json_frame *frame = json_walk_top(walk);
    struct json container = frame->value;
    uint32_t index = frame->next++;
    struct json item;

    if (index == container.count) {
        close_container(walk, buf, style);
        return;
    }
    if (index) put_char(buf, ',');
    if (style == JSON_PRETTY) put_line(buf, walk->depth);
    if (container.type == JSON_OBJECT) {
        const struct json_member *member =
                frame->sorted ? frame->sorted[index] : &container.object->members[index];
        json_write_string(buf, member->key);
        put(buf, ": ", style == JSON_PRETTY ? 2 : 1);
        item = member->value;
    } else {
        item = container.array->items[index];
    }
    if (json_size(item)) {
        open_container(walk, buf, item, style);
    } else {
        write_leaf(buf, item);
    }
}

void json_write(struct buf *buf, struct json value, enum json_style style) {
    struct json_walk walk;

    if (json_size(value) == 0) {
        write_leaf(buf, value);
        return;
    }
    json_walk_init(&walk);
    open_container(&walk, buf, value, style);
    while (walk.depth && !buf->over)
        write_next(&walk, buf, style);
    json_walk_clear(&walk);
}

struct str json_to_str(struct json value, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, UINT32_MAX);
    json_write(&buf, value, JSON_COMPACT);
    assert(!buf_is_over(&buf));
    struct str text = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

/* ---- streaming ---- */

static void prefix(struct json_writer *writer, const char *key) {
    if (writer->comma) put_char(writer->buf, ',');
    writer->comma = true;
    if (!key) return;
    json_write_string(writer->buf, str_from(key));
    put_char(writer->buf, ':');
}

void json_writer_init(struct json_writer *writer, struct buf *buf) {
    *writer = (struct json_writer){ .buf = buf };
}

void json_begin_object(struct json_writer *writer, const char *key) {
    prefix(writer, key);
    put_char(writer->buf, '{');
    writer->comma = false;
}

void json_end_object(struct json_writer *writer) {
    put_char(writer->buf, '}');
    writer->comma = true;
}

void json_begin_array(struct json_writer *writer, const char *key) {
    prefix(writer, key);
    put_char(writer->buf, '[');
    writer->comma = false;
}

void json_end_array(struct json_writer *writer) {
    put_char(writer->buf, ']');
    writer->comma = true;
}

void json_put(struct json_writer *writer, const char *key, struct json value) {
    prefix(writer, key);
    json_write(writer->buf, value, JSON_COMPACT);
}

void json_put_str(struct json_writer *writer, const char *key, struct str value) {
    prefix(writer, key);
    json_write_string(writer->buf, value);
}

void json_put_c(struct json_writer *writer, const char *key, const char *value) {
    json_put_str(writer, key, str_from(value));
}

void json_put_int64(struct json_writer *writer, const char *key, int64_t value) {
    char text[24];
    size_t at = sizeof(text);
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    prefix(writer, key);
    do {
        text[--at] = (char)('0' + size % 10);
        size /= 10;
    } while (size);
    if (value < 0) text[--at] = '-';
    put(writer->buf, text + at, sizeof(text) - at);
}

void json_put_bool(struct json_writer *writer, const char *key, bool value) {
    prefix(writer, key);
    write_leaf(writer->buf, json_bool(value));
}

void json_put_raw(struct json_writer *writer, const char *key, struct str text) {
    prefix(writer, key);
    put(writer->buf, text.data, text.size);
}

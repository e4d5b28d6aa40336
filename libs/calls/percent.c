#include "calls/percent.h"

#include <string.h>

#include "common/arena.h"

static void append_byte(struct buf *buf, char c) {
    buf_append_format(buf, "%%%02X", (unsigned char)c);
}

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

void percent_append(struct buf *buf, struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (is_unreserved(text.data[i])) {
            buf_append_char(buf, text.data[i]);
        } else {
            append_byte(buf, text.data[i]);
        }
    }
}

static struct str take(struct buf *buf, struct arena *arena) {
    struct str result = str_copy(buf_str(buf), arena);

    buf_clear(buf);
    return result;
}

struct str percent_encode(struct str text, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, text.size * 3 + 1);
    percent_append(&buf, text);
    return take(&buf, arena);
}

struct str percent_mend(struct str uri, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, uri.size * 3 + 1);
    for (size_t i = 0; i < uri.size; i++) {
        char c = uri.data[i];
        if (c <= ' ' || c > '~' || strchr("\"<>\\^`{|}", c)) {
            append_byte(&buf, c);
        } else {
            buf_append_char(&buf, c);
        }
    }
    return take(&buf, arena);
}

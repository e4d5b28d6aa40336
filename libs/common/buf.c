#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

enum { CAPACITY_MIN = 256 };

void buf_init(struct buf *buf, size_t limit) {
    *buf = (struct buf){ .limit = limit };
}

void buf_clear(struct buf *buf) {
    free(buf->data);
    *buf = (struct buf){ .limit = buf->limit };
}

void buf_reset(struct buf *buf) {
    buf->size = 0;
    buf->over = false;
}

char *buf_reserve(struct buf *buf, size_t size) {
    if (buf->over || size > buf->limit || buf->size > buf->limit - size) {
        buf->over = true;
        return NULL;
    }
    size_t needed = buf->size + size + 1;
    if (needed > buf->capacity) {
        size_t capacity = MAX(buf->capacity, (size_t)CAPACITY_MIN);
        while (capacity < needed) capacity *= 2;
        buf->data = realloc(buf->data, capacity);
        assert(buf->data);
        buf->capacity = capacity;
    }
    return buf->data + buf->size;
}

void buf_append(struct buf *buf, struct str bytes) {
    char *to = buf_reserve(buf, bytes.size);

    if (!to || bytes.size == 0) return;
    memcpy(to, bytes.data, bytes.size);
    buf->size += bytes.size;
    buf->data[buf->size] = '\0';
}

void buf_append_c(struct buf *buf, const char *text) {
    buf_append(buf, str_from(text));
}

void buf_append_char(struct buf *buf, char c) {
    buf_append(buf, (struct str){ &c, 1 });
}

void buf_append_format(struct buf *buf, const char *format, ...) {
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    char *to = buf_reserve(buf, (size_t)size);
    if (to) {
        vsnprintf(to, (size_t)size + 1, format, again);
        buf->size += (size_t)size;
    }
    va_end(again);
}

bool buf_is_over(const struct buf *buf) {
    return buf->over;
}

struct str buf_str(const struct buf *buf) {
    return (struct str){ buf->data, buf->size };
}

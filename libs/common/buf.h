#pragma once
/* A byte buffer that grows up to a limit. Past the limit it stops growing and remembers it:
 * check buf_is_over() once, after writing. */

#include "common/str.h"

struct buf {
    char *data; /* owned; NUL behind `size` where size > 0 */
    size_t size;
    size_t capacity;
    size_t limit;
    bool over;
};

void buf_init(struct buf *buf, size_t limit);
void buf_clear(struct buf *buf); /* frees; the buffer may be initialised again */
void buf_reset(struct buf *buf); /* empties, keeps the memory */
void buf_append(struct buf *buf, struct str bytes);
void buf_append_c(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
PRINTF(2, 3) void buf_append_format(struct buf *buf, const char *format, ...);

/* Makes room for `size` more bytes and returns where they go, or NULL at the limit; the caller
 * then adds what was written to buf->size. */
char *buf_reserve(struct buf *buf, size_t size);

bool buf_is_over(const struct buf *buf);
struct str buf_str(const struct buf *buf); /* borrowed, until the next change */

/* A line is built in the caller's frame and leaves with one write, so that lines of several threads and
 * processes do not mix: a pipe takes up to PIPE_BUF bytes as a whole. What does not fit is cut, never the
 * closing brace: every line stays valid JSON. */
#include "system/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/str.h"
#include "common/time.h"
#include "system/clock.h"

enum { LINE_SIZE = PIPE_BUF, LINE_END = 2 /* }\n */, VALUE_SIZE_MAX = 1024, ESCAPED_SIZE_MAX = 6 };

struct log {
    char *service;
    enum log_level level;
    struct clock clock;
};

struct line {
    size_t size;
    char data[LINE_SIZE];
};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
    [LOG_OFF] = "off",
};

struct log *log_new(const char *service, enum log_level level) {
    struct log *log = calloc(1, sizeof(*log));

    assert(log);
    log->service = strdup(service);
    assert(log->service);
    log->level = level;
    log->clock = clock_system();
    return log;
}

void log_free(struct log *log) {
    if (!log) return;
    free(log->service);
    free(log);
}

static void append_raw(struct line *line, const char *text) {
    size_t size = strlen(text);

    assert(line->size + size <= LINE_SIZE);
    memcpy(line->data + line->size, text, size);
    line->size += size;
}

/* The size of the UTF-8 sequence at the start of `rest`, 0 if there is none. */
static size_t sequence_size(struct str rest) {
    for (size_t size = 1; size <= MIN(rest.size, (size_t)4); size++) {
        if (str_is_utf8(str_slice(rest, 0, size))) return size;
    }
    return 0;
}

/* One character of a JSON string. Bytes that are no UTF-8 become U+FFFD: a log must take anything. */
static size_t escape(struct str rest, char escaped[ESCAPED_SIZE_MAX + 1]) {
    unsigned char c = (unsigned char)rest.data[0];
    size_t size = sequence_size(rest);

    if (size == 0) {
        snprintf(escaped, ESCAPED_SIZE_MAX + 1, "\\ufffd");
        return 1;
    }
    if (c == '"' || c == '\\') {
        snprintf(escaped, ESCAPED_SIZE_MAX + 1, "\\%c", c);
    } else if (c == '\n') {
        snprintf(escaped, ESCAPED_SIZE_MAX + 1, "\\n");
    } else if (c < 0x20 || c == 0x7F) {
        snprintf(escaped, ESCAPED_SIZE_MAX + 1, "\\u%04x", c);
    } else {
        memcpy(escaped, rest.data, size);
        escaped[size] = '\0';
    }
    return size;
}

/* Appends a quoted string, cut where it would leave no room for the quote and the end of the line. */
static void append_string(struct line *line, const char *text) {
    struct str rest = str_slice(str_from(text), 0, VALUE_SIZE_MAX);

    append_raw(line, "\"");
    while (rest.size) {
        char escaped[ESCAPED_SIZE_MAX + 1];
        size_t used = escape(rest, escaped);
        if (line->size + strlen(escaped) + 1 + LINE_END > LINE_SIZE) break;
        append_raw(line, escaped);
        rest = str_slice(rest, used, rest.size);
    }
    append_raw(line, "\"");
}

static void append_pair(struct line *line, const char *key, const char *value) {
    /* Room for the key at its worst, the punctuation, and a value worth having. */
    size_t least = strlen(key) * ESCAPED_SIZE_MAX + 16;

    if (line->size + least + LINE_END > LINE_SIZE) return;
    append_raw(line, line->size > 1 ? "," : "");
    append_string(line, key);
    append_raw(line, ":");
    if (value) {
        append_string(line, value);
    } else {
        append_raw(line, "null");
    }
}

static void write_line(const struct line *line) {
    ssize_t result;

    do {
        result = write(STDERR_FILENO, line->data, line->size);
    } while (result < 0 && errno == EINTR);
    /* A full disk or a closed pipe must not stop the work: the line is lost. */
}

void log_event(struct log *log, enum log_level level, const char *event, ...) {
    struct line line;
    char time_text[TIME_TEXT_SIZE];
    va_list pairs;

    assert(level < LOG_OFF);
    if (level < log->level) return;
    line.size = 0;
    append_raw(&line, "{");
    time_format(clock_now_ms(&log->clock), time_text);
    append_pair(&line, "time", time_text);
    append_pair(&line, "level", level_names[level]);
    append_pair(&line, "service", log->service);
    append_pair(&line, "event", event);
    va_start(pairs, event);
    for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
        const char *value = va_arg(pairs, const char *);
        append_pair(&line, key, value);
        if (!value)
            break; /* a missing value cannot be told from the end: stop rather than read beyond */
    }
    va_end(pairs);
    append_raw(&line, "}\n");
    write_line(&line);
}

bool log_level_parse(const char *text, enum log_level *ret) {
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
        if (strcmp(text, level_names[i]) != 0) continue;
        *ret = (enum log_level)i;
        return true;
    }
    return false;
}

#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/assert.h"

static const struct {
    int status;
    bool retryable;
    const char *text;
} rows[] = {
    [ERR_NONE] = { 200, false, "OK" },
#define ERR(code, status, retryable, text) [ERR_##code] = { status, retryable, text },
#include "common/err.def"
#undef ERR
};

bool err_set(struct err *err, enum err_code code, const char *format, ...) {
    va_list arguments;

    assert(code != ERR_NONE);
    err->code = code;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof(err->message), format, arguments);
    va_end(arguments);
    return false;
}

bool err_wrap(struct err *err, const char *format, ...) {
    char context[ERR_MESSAGE_SIZE];
    struct err inner = *err;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(context, sizeof(context), format, arguments);
    va_end(arguments);
    size_t used = (size_t)snprintf(err->message, sizeof(err->message), "%.200s: ", context);
    snprintf(err->message + used, sizeof(err->message) - used, "%.*s",
            (int)(sizeof(err->message) - used - 1), inner.message);
    return false;
}

int err_status(enum err_code code) {
    return rows[code].status;
}

bool err_is_retryable(enum err_code code) {
    return rows[code].retryable;
}

const char *err_text(enum err_code code) {
    return rows[code].text;
}

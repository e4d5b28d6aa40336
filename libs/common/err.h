#pragma once
/* An error as a plain value in the caller's frame: programs branch on the code, people read the
 * message. Written only on failure. The codes are the rows of err.def. */

#include "common/macros.h"

enum err_code {
    ERR_NONE,
#define ERR(code, status, retryable, text) ERR_##code,
#include "common/err.def"
#undef ERR
};

enum { ERR_MESSAGE_SIZE = 512 };

struct err {
    enum err_code code;
    char message[ERR_MESSAGE_SIZE];
};

/* Sets code and message. Always returns false, so that a guard is one line:
 * `if (!x) return err_set(err, ERR_NOT_FOUND, "no workflow '%s'", name);` */
PRINTF(3, 4) bool err_set(struct err *err, enum err_code code, const char *format, ...);

/* Puts context before the message ("load record 'x': …"), keeps the code. Always returns false. */
PRINTF(2, 3) bool err_wrap(struct err *err, const char *format, ...);

int err_status(enum err_code code); /* the HTTP status; 200 for ERR_NONE */
bool err_is_retryable(enum err_code code);
const char *err_text(enum err_code code); /* the title, as in err.def */

#pragma once
/* Settings by environment, each also a flag; the rows of config.def. PENSTOCK_STORE is --store. A
 * variable with _FILE behind its name gives a file to read the value from. */

#include "common/err.h"

struct config {
#define CONFIG_STRING(field, name, fallback, help) const char *field;
#define CONFIG_INT(field, name, fallback, least, most, help) int64_t field;
#define CONFIG_BOOL(field, name, help) bool field;
#define CONFIG_SECRET(field, name, help) const char *field;
#include "system/config.def"
#undef CONFIG_STRING
#undef CONFIG_INT
#undef CONFIG_BOOL
#undef CONFIG_SECRET
    void *storage; /* owned */
};

/* Reads the environment, then the flags of argv (from argv[1]; "--name VALUE" or "--name=VALUE").
 *
 * Errors   INVALID  an unknown PENSTOCK_ variable or flag ("did you mean"), a bad value; the message names
 *                   it, what was given (never of a secret) and what is allowed
 * *ret_help is true where --help was given. */
MUST_USE bool config_load(struct config *ret, int argc, char **argv, bool *ret_help, struct err *err);
void config_clear(struct config *config);

/* All settings with defaults and explanations, for --help and for the documentation. Caller frees. */
char *config_help(void);

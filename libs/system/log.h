#pragma once
/* One event, one line of JSON, one write to standard error. No payloads, no secrets.
 *
 *     log_event(log, LOG_WARN, "store.away", "collection", name, "error", err.message, NULL);
 *
 * Keys and values in pairs of C strings, ended by NULL. Adds time, level, service. Any thread. */

#include "common/macros.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

struct log;

struct log *log_new(const char *service, enum log_level level);
void log_free(struct log *log);
__attribute__((sentinel)) void log_event(struct log *log, enum log_level level, const char *event, ...);
bool log_level_parse(const char *text, enum log_level *ret); /* debug, info, warn, error, off */

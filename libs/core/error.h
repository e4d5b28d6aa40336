#pragma once
/* Errors of the language: RFC 7807 objects with type, status, title, detail, instance (dsl.md, Errors). */

#include "common/json.h"

struct arena;

enum error_kind {
    ERROR_CONFIGURATION,
    ERROR_VALIDATION,
    ERROR_EXPRESSION,
    ERROR_AUTHENTICATION,
    ERROR_AUTHORIZATION,
    ERROR_TIMEOUT,
    ERROR_COMMUNICATION,
    ERROR_RUNTIME,
};

/* A standard error with its default status and title; `instance` is set when it is raised. */
struct json error_make(enum error_kind kind, struct str detail, struct arena *arena);
struct json error_with_status(struct json error, int64_t status, struct str title, struct arena *arena);

/* The same type, where both families of URIs of a standard error (two hosts; /spec/1.0.0/errors/x and
 * /dsl/errors/types/x) are equal (language.md, E55). */
bool error_type_equal(struct str a, struct str b);

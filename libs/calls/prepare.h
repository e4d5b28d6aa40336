#pragma once
/* How the tasks of the two services become requests. One thread each. */

#include "calls/http_call.h"
#include "calls/task.h"

struct connections;
struct programs;
struct secrets;

struct preparer {
    const struct secrets *secrets;
    struct programs *programs;
    struct connections *connections; /* NULL in a service that has none */
};

/* `call: http`. */
enum prepared prepare_http(const struct preparer *preparer, struct preparation *preparation);

/* `call: connection:1.0.0@default`: a request through a named connection of the task's namespace. */
enum prepared prepare_connection(const struct preparer *preparer, struct preparation *preparation);

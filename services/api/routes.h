#pragma once
/* Which handler serves a request: the rows of routes.def. */

#include "common/str.h"

struct arena;
struct call;
struct turn;

enum right { RIGHT_PUBLIC, RIGHT_ANY, RIGHT_VIEWER, RIGHT_OPERATOR, RIGHT_AUTHOR, RIGHT_ADMIN };

/* Handles a call: answers it, or keeps it for later (call.h). */
typedef void route_handler(struct turn *turn, struct call *call);

enum { ROUTE_PARAMETERS_MAX = 4 };

struct route {
    struct str method;
    struct str path;  /* with {parameters} */
    const char *name; /* of the handler */
    enum right right;
    route_handler *handler;
};

enum route_verdict {
    ROUTE_FOUND,
    ROUTE_OTHER_METHOD, /* the path is there */
    ROUTE_UNKNOWN,
    ROUTE_MALFORMED, /* a segment is not percent-encoded UTF-8 */
};

/* Finds the route. HEAD is taken for GET.
 *
 * Out   *ret_route and the values of its parameters in order, unescaped, in `arena`; borrowed from `path` where nothing was escaped */
enum route_verdict routes_find(struct str method, struct str path, struct arena *arena, const struct route **ret_route,
        struct str ret_parameters[ROUTE_PARAMETERS_MAX]);

/* "GET, HEAD, POST": what a path takes; empty for an unknown path. */
struct str routes_allowed(struct str path, struct arena *arena);

/* The path nearest to one that is not there, with its parameters taken over; empty if none is near. */
struct str routes_nearest(struct str path, struct arena *arena);

/* All rows, for checks. */
const struct route *routes_at(size_t index); /* NULL behind the last */

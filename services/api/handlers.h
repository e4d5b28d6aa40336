#pragma once
/* The handlers of routes.def, and what reads the text of a target. */

#include "services/api/routes.h"

#define ROUTE(method, path, handler, right) route_handler handler;
#include "services/api/routes.def"
#undef ROUTE

/* False if `text` is not percent-encoded UTF-8, or holds NUL. */
MUST_USE bool percent_decode(struct str text, bool plus_is_space, struct arena *arena, struct str *ret);

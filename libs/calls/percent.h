#pragma once
/* Percent-encoding (RFC 3986). Pure. */

#include "common/buf.h"

struct arena;

/* All but unreserved characters is encoded. */
void percent_append(struct buf *buf, struct str text);
struct str percent_encode(struct str text, struct arena *arena);

/* A URI that somebody wrote: what may not stand in one at all (space, quotes, bytes above 0x7E) is encoded, the rest stays. */
struct str percent_mend(struct str uri, struct arena *arena);

#pragma once
/* The systems that scenarios call, as one real HTTP server on loopback:
 *
 *   /v2/pet/…, /v2/pet/findByStatus, /basic-auth/USER/PASSWORD   what the kit's hosts answer
 *   /echo                 200 { method, path, query, headers, body }
 *   /status/CODE          that status, a JSON body { status }
 *   /flaky/NAME/N         503 N times, then 200 { calls }
 *   /text, /empty         text/plain; 204
 *   /redirect             302 to /echo
 *   /slow/MS              200 { } after MS milliseconds */

#include "common/str.h"

struct world_server;

struct world_server *world_open(void);
void world_close(struct world_server *world);
const char *world_url(const struct world_server *world); /* http://127.0.0.1:PORT */
void world_reset(struct world_server *world);            /* forgets calls */
int world_calls(struct world_server *world, struct str path);

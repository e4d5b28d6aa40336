#pragma once
/* The facts of an instance as they look from outside. */

#include "common/json.h"

struct arena;

/* A row of ledger_history() with its time as text. */
struct json history_row(struct json fact, struct arena *arena);

#pragma once
/* Server-sent events of one instance: its history, then what comes. */

#include "services/api/call.h"

/* Ends a stream that was taken out of `waits`; the call is gone. */
void stream_end(struct call *call);

#pragma once
/* One call through a port: what becomes of it. Internal to faults*.c. */

#include "tests/sim/faults.h"

enum point {
    POINT_GO_ON,
    POINT_FAIL,        /* do nothing, fail */
    POINT_UNKNOWN,     /* do it, then fail */
    POINT_CRASH_AFTER, /* do it, then crash */
};

enum point point_enter(struct faults_plan *plan);

/* Behind the call: true if it must fail now. */
bool point_fails(struct faults_plan *plan, enum point point);

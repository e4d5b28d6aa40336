#pragma once
/* Our assert: never compiled out. What must hold inside the process is asserted; data from outside
 * is validated instead. */

#include "common/macros.h"

#define assert(condition)                                                                          \
    ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, __func__, #condition))

#define static_assert _Static_assert

/* Writes one line to standard error and aborts. */
NORETURN void assert_failed(const char *file, int line, const char *function, const char *condition);

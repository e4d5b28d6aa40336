#pragma once
/* SIGTERM and SIGINT as something to ask for. */

#include "common/macros.h"

void signals_install(void);             /* main thread, before threads start; ignores SIGPIPE */
bool signals_stop_requested(void);
int signals_fd(void);                   /* readable once a stop was requested */

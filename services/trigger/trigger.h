#pragma once
/* Owns time and arrivals: due timers, events and who waits for them. See trigger.c. */

#include "runtime/service.h"

extern const struct service trigger_service;

#pragma once
/* Owns instances: loads, steps, commits, publishes. See partition.c. */

#include "runtime/service.h"

extern const struct service orchestrator_service;

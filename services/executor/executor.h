#pragma once
/* Carries out the calls that a definition spells out. See executor.c. */

#include "runtime/service.h"

extern const struct service executor_service;

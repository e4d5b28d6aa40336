#pragma once
/* Carries out the calls through named connections. See integration.c. */

#include "runtime/service.h"

extern const struct service integration_service;

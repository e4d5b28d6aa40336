#pragma once
/* The API service: REST in, commands out; reads of what is stored. README.md says where to start reading. */

#include "runtime/service.h"

extern const struct service api_service;

/* Where its listener is bound, "ADDRESS:PORT"; `state` is what api_service.open() made. For tests. */
struct str api_address(const void *state);

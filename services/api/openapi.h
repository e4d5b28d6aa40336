#pragma once
/* The description of the interface, compiled in: contracts/openapi.json. */

#include "common/str.h"

struct str openapi_document(void);

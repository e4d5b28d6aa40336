#pragma once
/* UUIDs as lower-case text (RFC 9562). Pure: time and random bytes are handed in. */

#include "common/str.h"

enum { UUID_TEXT_SIZE = 37 };

/* Version 7: sorts by time. `random`: 10 bytes. Returns the str in `text`. */
struct str uuid_v7(int64_t time_ms, const uint8_t random[10], char text[UUID_TEXT_SIZE]);

/* Version 8, made of a SHA-256 over the parts, each with its size before it: the same parts give the same id. */
struct str uuid_v8(const struct str *parts, size_t count, char text[UUID_TEXT_SIZE]);
bool uuid_is_valid(struct str text);

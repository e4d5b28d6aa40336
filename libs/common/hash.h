#pragma once
/* SHA-256, hexadecimal and base64. Pure. */

#include "common/str.h"

struct arena;

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = 65 };

void sha256(struct str bytes, uint8_t ret[SHA256_SIZE]);
struct str sha256_hex(struct str bytes, char text[SHA256_HEX_SIZE]);
struct str hex_encode(struct str bytes, struct arena *arena);
MUST_USE bool hex_decode(struct str text, struct arena *arena, struct str *ret);
struct str base64_encode(struct str bytes, struct arena *arena); /* RFC 4648, padded */
MUST_USE bool base64_decode(struct str text, struct arena *arena, struct str *ret); /* padding optional; also URL-safe */

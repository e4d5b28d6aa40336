#pragma once
/* A borrowed piece of text: a pointer and a size, not NUL-terminated, UTF-8 unless said otherwise. */

#include "common/macros.h"

struct arena;

struct str {
    const char *data;
    size_t size;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
/* The same where the compiler wants a constant: static tables. */
#define STR_INIT(literal) { "" literal, sizeof(literal) - 1 }
#define STR_NULL ((struct str){ NULL, 0 })

/* For printf: printf("'" STR_FMT "'", STR_ARG(name)). */
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).size, ((s).data ? (s).data : "")

struct str str_from(const char *text); /* NULL gives an empty str */
bool str_equal(struct str a, struct str b);
bool str_equal_nocase(struct str a, struct str b); /* ASCII letters only */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
int str_compare(struct str a, struct str b); /* by bytes, as memcmp; a prefix sorts first */
struct str str_slice(struct str s, size_t from, size_t to); /* bounds are clipped */
struct str str_trim(struct str s); /* ASCII white space at both ends */

/* Returns the index of the first `c`, or s.size. */
size_t str_find_char(struct str s, char c);

/* Returns the index of the first `needle`, or s.size. */
size_t str_find(struct str s, struct str needle);

/* Cuts *rest at the first `separator`: returns what is before it and leaves what is behind it in
 * *rest; without one, returns all and leaves {NULL, 0}. */
struct str str_cut(struct str *rest, char separator);

/* Reads all of `s` as a decimal integer with an optional minus sign; false on anything else or on
 * overflow. */
MUST_USE bool str_to_int64(struct str s, int64_t *ret);

/* A hash for tables (not for secrets, not stable across versions). */
uint64_t str_hash(struct str s);

struct str str_copy(struct str s, struct arena *arena); /* NUL-terminated behind its size */
const char *str_to_c(struct str s, struct arena *arena); /* a NUL-terminated copy */
PRINTF(2, 3) struct str str_format(struct arena *arena, const char *format, ...);

/* True if all of `s` is valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);

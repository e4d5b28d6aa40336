#pragma once
/* Regular expressions (PCRE2, UTF-8), with limits on matching (limits.h). The only file that includes pcre2.h is regex.c. */

#include "common/err.h"
#include "common/str.h"

struct arena;
struct regex;

enum { REGEX_NOCASE = 1, REGEX_EXTENDED = 2, REGEX_DOTALL = 4, REGEX_MULTILINE = 8, REGEX_BYTES = 16 };

/* Compiles a pattern; all memory is the arena's, nothing is to be freed.
 * Errors   INVALID  with the offset in the pattern */
MUST_USE bool regex_compile(struct str pattern, unsigned flags, struct arena *arena, const struct regex **ret,
        struct err *err);

struct regex_group {
    size_t from, to;  /* bytes; from > to: the group took no part */
    struct str name;  /* empty: none */
};

/* Searches from byte `from`. *ret_count is 0 if nothing matched, else groups with the whole match first, in `arena`.
 * Errors   TOO_LARGE  a limit on matching was met
 * Threads  a regex may be shared */
MUST_USE bool regex_search(const struct regex *regex, struct str text, size_t from, struct arena *arena,
        const struct regex_group **ret_groups, size_t *ret_count, struct err *err);

/* True if the pattern matches anywhere; false too where a limit was met. */
bool regex_matches(const struct regex *regex, struct str text);

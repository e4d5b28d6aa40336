#include "common/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"

enum { MESSAGE_SIZE = 256, HEAP_KIB_MAX = LIMIT_EXPRESSION_BYTES / 1024 };

struct regex {
    pcre2_code *code;
    const struct str *names; /* of each group; empty: none */
    uint32_t group_count;    /* with the whole match */
    bool bytes;
};

/* A compiled pattern lives in its arena and is never freed: no JIT, whose memory would be. */
static void *allocate(size_t size, void *arena) {
    return arena_alloc(arena, size);
}

static void release(void *memory, void *arena) {
    (void)memory;
    (void)arena;
}

static uint32_t options_of(unsigned flags) {
    uint32_t options = PCRE2_NEVER_BACKSLASH_C; /* would cut characters in two */

    if (flags & REGEX_NOCASE) options |= PCRE2_CASELESS;
    if (flags & REGEX_EXTENDED) options |= PCRE2_EXTENDED;
    if (flags & REGEX_DOTALL) options |= PCRE2_DOTALL;
    if (flags & REGEX_MULTILINE) options |= PCRE2_MULTILINE;
    return options | (flags & REGEX_BYTES ? PCRE2_NEVER_UTF : PCRE2_UTF | PCRE2_NO_UTF_CHECK);
}

static uint32_t info_number(const pcre2_code *code, uint32_t what) {
    uint32_t number = 0;
    int failed = pcre2_pattern_info(code, what, &number);

    assert(!failed);
    return number;
}

/* The table has an entry for each name: two bytes of group number, then the name with its NUL. */
static const struct str *name_groups(
        const pcre2_code *code, uint32_t group_count, struct arena *arena) {
    struct str *names = arena_new_many(arena, struct str, group_count);
    uint32_t count = info_number(code, PCRE2_INFO_NAMECOUNT);
    uint32_t size = info_number(code, PCRE2_INFO_NAMEENTRYSIZE);
    const uint8_t *entry = NULL;
    int failed = pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &entry);

    assert(!failed);
    for (uint32_t i = 0; i < count; i++, entry += size) {
        names[entry[0] << 8 | entry[1]] = str_from((const char *)entry + 2);
    }
    return names;
}

bool regex_compile(struct str pattern, unsigned flags, struct arena *arena,
        const struct regex **ret, struct err *err) {
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, arena);
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    int code;
    PCRE2_SIZE offset;

    pcre2_set_max_pattern_length(context, LIMIT_EXPRESSION_SIZE);
    struct regex *regex = arena_new_one(arena, struct regex);
    regex->bytes = flags & REGEX_BYTES;
    regex->code = pcre2_compile((PCRE2_SPTR)(pattern.size ? pattern.data : ""), pattern.size,
            options_of(flags), &code, &offset, context);
    if (!regex->code) {
        PCRE2_UCHAR message[MESSAGE_SIZE] = "";
        (void)pcre2_get_error_message(code, message, sizeof(message));
        return err_set(err, ERR_INVALID, "regular expression, at offset %zu: %s", (size_t)offset,
                (const char *)message);
    }
    regex->group_count = info_number(regex->code, PCRE2_INFO_CAPTURECOUNT) + 1;
    regex->names = name_groups(regex->code, regex->group_count, arena);
    *ret = regex;
    return true;
}

/* Room for a match, by malloc and not in an arena: a search may need much, and searches come in
 * loops. (..._create_from_pattern would take it from the pattern's arena, which others share.) */
static pcre2_match_data *match_data_new(const struct regex *regex) {
    pcre2_match_data *data = pcre2_match_data_create(regex->group_count, NULL);

    assert(data);
    return data;
}

/* Runs a match with its limits. */
static int match(const struct regex *regex, struct str text, size_t from, pcre2_match_data *data) {
    uint32_t options = regex->bytes ? 0 : PCRE2_NO_UTF_CHECK;
    pcre2_match_context *context = pcre2_match_context_create(NULL);

    assert(context && from <= text.size);
    assert(regex->bytes || from == text.size || ((unsigned char)text.data[from] & 0xC0) != 0x80);
    pcre2_set_match_limit(context, LIMIT_REGEX_MATCH);
    pcre2_set_depth_limit(context, LIMIT_REGEX_DEPTH);
    pcre2_set_heap_limit(context, HEAP_KIB_MAX);
    int found = pcre2_match(regex->code, (PCRE2_SPTR)(text.size ? text.data : ""), text.size, from,
            options, data, context);
    pcre2_match_context_free(context);
    assert(found != PCRE2_ERROR_NOMEMORY);
    return found;
}

static bool match_fail(int code, struct err *err) {
    PCRE2_UCHAR message[MESSAGE_SIZE] = "";

    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT
            || code == PCRE2_ERROR_HEAPLIMIT) {
        return err_set(err, ERR_TOO_LARGE, "regular expression: matching takes too many steps");
    }
    (void)pcre2_get_error_message(code, message, sizeof(message));
    return err_set(err, ERR_INVALID, "regular expression: %s", (const char *)message);
}

static const struct regex_group *copy_groups(
        const struct regex *regex, pcre2_match_data *data, struct arena *arena) {
    uint32_t count = regex->group_count;
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
    struct regex_group *groups = arena_new_many(arena, struct regex_group, count);

    for (size_t i = 0; i < count; i++) {
        bool unset = ends[2 * i] == PCRE2_UNSET;
        groups[i] = (struct regex_group){
            .from = unset ? 1 : ends[2 * i],
            .to = unset ? 0 : ends[2 * i + 1],
            .name = regex->names[i],
        };
    }
    return groups;
}

bool regex_search(const struct regex *regex, struct str text, size_t from, struct arena *arena,
        const struct regex_group **ret_groups, size_t *ret_count, struct err *err) {
    pcre2_match_data *data = match_data_new(regex);
    int found = match(regex, text, from, data);
    bool done = found > 0 || found == PCRE2_ERROR_NOMATCH;

    assert(found != 0); /* the vector has room for all groups */
    if (!done) {
        match_fail(found, err);
    } else if (found > 0) {
        *ret_groups = copy_groups(regex, data, arena);
        *ret_count = regex->group_count;
    } else {
        *ret_groups = NULL;
        *ret_count = 0;
    }
    pcre2_match_data_free(data);
    return done;
}

bool regex_matches(const struct regex *regex, struct str text) {
    pcre2_match_data *data = match_data_new(regex);
    int found = match(regex, text, 0, data);

    pcre2_match_data_free(data);
    return found > 0;
}

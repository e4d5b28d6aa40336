#pragma once
/* Reads cases in groups of lines: a program, an input, and its results. Empty lines and lines
 * with # part groups; a group that begins with %%FAIL is a program that must not compile. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "core/expression.h"

enum { CASE_RESULTS = 64 };

struct expression_case {
    bool fails;
    int line; /* of the program, from 1 */
    struct str program, input;
    struct str results[CASE_RESULTS];
    size_t count;
};

/* Returns the text of a file, or {NULL, 0}; free() is for the caller. */
static inline struct str cases_read(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0;

    if (!file) return STR_NULL;
    for (;;) {
        text = realloc(text, size + 65536 + 1);
        assert(text);
        size_t got = fread(text + size, 1, 65536, file);
        size += got;
        if (got == 0) break;
    }
    fclose(file);
    return (struct str){ text, size };
}

static inline struct str cases_line(struct str *rest, int *line) {
    (*line)++;
    struct str text = str_cut(rest, '\n');
    while (text.size && text.data[text.size - 1] == '\r')
        text.size--;
    return text;
}

static inline bool cases_skips(struct str line) {
    struct str trimmed = str_trim(line);

    return trimmed.size == 0 || trimmed.data[0] == '#';
}

/* Takes the next group from *rest; false at the end. */
static inline bool cases_next(struct str *rest, int *line, struct expression_case *ret) {
    struct str text = { 0 };

    memset(ret, 0, sizeof(*ret));
    do {
        if (!rest->data) return false;
        text = cases_line(rest, line);
    } while (cases_skips(text));
    if (str_starts_with(text, STR("%%FAIL"))) {
        ret->fails = true;
        text = cases_line(rest, line);
    }
    ret->line = *line;
    ret->program = text;
    if (!ret->fails && rest->data) ret->input = cases_line(rest, line);
    while (rest->data) {
        text = cases_line(rest, line);
        if (str_trim(text).size == 0) break;
        if (str_starts_with(text, STR("#"))) break;
        assert(ret->count < CASE_RESULTS);
        ret->results[ret->count++] = text;
    }
    return true;
}

/* Runs a case. True if it did what it says; otherwise *ret_why has the reason, in `arena`. A
 * program without results may end in an error. */
static inline bool cases_run(const struct expression_case *test, const struct expression_env *env,
        struct arena *arena, const char **ret_why) {
    const struct expression *expression;
    struct json input, results, wanted;
    struct err err = { .code = ERR_NONE };
    bool compiled = expression_compile(test->program, NULL, arena, &expression, &err);
    struct json_read_options options = { .borrow = true };

    *ret_why = NULL;
    if (test->fails) {
        if (compiled) *ret_why = "compiles";
        return !compiled;
    }
    if (!compiled) {
        *ret_why = str_format(arena, "does not compile: %s", err.message).data;
        return false;
    }
    if (!json_read(test->input, &options, arena, &input, NULL, &err)) {
        *ret_why = str_format(arena, "input: %s", err.message).data;
        return false;
    }
    if (!expression_eval_all(expression, input, env, arena, &results, &err)) {
        if (test->count == 0) return true;
        *ret_why = str_format(arena, "error: %s", err.message).data;
        return false;
    }
    for (size_t i = 0; i < test->count || i < json_size(results); i++) {
        struct str have =
                i < json_size(results) ? json_to_str(json_at(results, i), arena) : STR("nothing");
        struct str want = i < test->count ? test->results[i] : STR("nothing");
        bool same = i < test->count && i < json_size(results);
        if (same && !json_read(want, &options, arena, &wanted, NULL, &err)) same = false;
        if (same && json_compare(wanted, json_at(results, i)) == 0) continue;
        *ret_why = str_format(
                arena, "result %zu is " STR_FMT ", not " STR_FMT, i, STR_ARG(have), STR_ARG(want))
                           .data;
        return false;
    }
    return true;
}

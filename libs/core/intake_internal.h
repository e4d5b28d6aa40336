#pragma once
/* The structure of a definition as tables (intake_shapes.c), for the checker (intake_check.c). */

#include "core/intake.h"

/* What a value may be; several may be said. */
enum {
    IS_TEXT = 1,
    IS_BOOLEAN = 2,
    IS_INTEGER = 4,
    IS_MAPPING = 8,
    IS_LIST = 16,
    IS_ANYTHING = 32,
};

enum text_kind {
    TEXT_ANY,
    TEXT_FILLED,     /* not empty */
    TEXT_WORD,       /* one of `words` */
    TEXT_EXPRESSION, /* ${ } */
    TEXT_DURATION,   /* ISO 8601, or an expression */
    TEXT_URI,        /* a URI reference or template (RFC 3986, 6570) */
    TEXT_URI_OR_EXPRESSION,
    TEXT_POINTER_OR_EXPRESSION,
    TEXT_TIME_OR_EXPRESSION,
    TEXT_VERSION, /* semantic versioning 2.0 */
    TEXT_LABEL,   /* a DNS label */
    TEXT_HOST,
};

enum special { SPECIAL_NONE, SPECIAL_TASK, SPECIAL_TASKS };

struct rule {
    unsigned types;
    enum text_kind text;
    const char *const *words;   /* NULL behind the last */
    const struct shape *shape;  /* of a mapping with known properties */
    const struct shape *if_use; /* instead of it, if the mapping has `use` */
    const struct rule *values;  /* of a mapping of any names */
    const struct rule *items;   /* of a list */
    bool is_single;             /* the mapping has one member: a name and what it names */
    enum special special;
    unsigned count_min;   /* of members or items */
    int64_t integer_max;  /* 0: none; else integers from 0 */
    const char *expected; /* the end of "expected …"; NULL: said by the types */
};

/* Properties of one choice: one of them must be there, and only one. */
enum { NEEDED = 1, CHOICE_1 = 2, CHOICE_2 = 4 };

struct property {
    const char *name; /* NULL behind the last */
    const struct rule *rule;
    unsigned flags;
};

struct shape {
    const char *what; /* "a retry policy" */
    const struct property *properties;
    const struct shape *base; /* has properties, too */
    bool is_open;             /* other properties are let pass */
    /* A sentence on what is wrong between properties; NULL: nothing. May be NULL. */
    const char *(*conflict)(struct json value);
};

struct task_kind {
    const char *keyword;
    const struct shape *shape;
};

extern const struct rule intake_root;
extern const struct task_kind intake_tasks[]; /* by keyword; NULL behind the last */
extern const struct task_kind intake_calls[]; /* by the value of `call`; NULL: functions */

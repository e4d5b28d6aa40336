#pragma once
/* A workflow definition, compiled: a tree of tasks with their expressions, schemas and targets resolved. Immutable; made
 * once and shared by threads. Rules: dsl-reference.md; language.md part 3 for what the text leaves open. */

#include "common/fault.h"
#include "common/time.h"
#include "core/expression.h"
#include "core/intake.h"
#include "core/schema.h"
#include "core/template.h"

struct arena;
struct definition;
struct task;

enum task_kind {
    TASK_DO,
    TASK_SET,
    TASK_SWITCH,
    TASK_FOR,
    TASK_FORK,
    TASK_TRY,
    TASK_RAISE,
    TASK_WAIT,
    TASK_EMIT,
    TASK_LISTEN,
    TASK_CALL,     /* carried out by an executor or by integration */
    TASK_FUNCTION, /* a call of a task of use.functions */
    TASK_RUN,      /* run.workflow */
};

enum directive_kind { DIRECTIVE_CONTINUE, DIRECTIVE_EXIT, DIRECTIVE_END, DIRECTIVE_TASK };

struct directive {
    enum directive_kind kind;
    uint32_t position; /* DIRECTIVE_TASK: in the same list */
};

/* Tasks in order, one scope. */
struct task_list {
    const struct task **items;
    uint32_t count;
};

/* A constant, or a template that gives an ISO 8601 text or an object of days … milliseconds. */
struct span {
    bool is_set;
    struct duration constant;
    const struct template *template; /* NULL: constant */
};

struct data_rule {
    const struct template *as; /* `from` of an input, `as` of an output or export; NULL: as it is */
    const struct schema *schema;
};

struct switch_case {
    struct str name;
    const struct expression *when; /* NULL: the default */
    struct directive then;
};

struct retry_policy {
    const struct expression *when, *except_when;
    struct span delay, jitter_from, jitter_to;
    enum { BACKOFF_CONSTANT, BACKOFF_LINEAR, BACKOFF_EXPONENTIAL } backoff;
    bool has_count;
    int64_t count;            /* retries after the first attempt */
    struct span attempt_duration, total_duration;
};

struct correlation {
    struct str name;
    struct str from_text;
    const struct expression *from;   /* on the whole event */
    const struct template *expect;   /* NULL: the first value binds */
};

struct attribute_filter {
    struct str name;
    struct str text;                   /* the literal, or the expression's text */
    const struct expression *expression; /* NULL: a literal */
    const struct regex *regex;         /* NULL: no pattern */
    struct json literal;
};

struct event_filter {
    struct str type; /* empty unless a literal */
    const struct attribute_filter *attributes;
    uint32_t attribute_count;
    const struct correlation *correlations;
    uint32_t correlation_count;
};

enum strategy_kind { STRATEGY_ONE, STRATEGY_ANY, STRATEGY_ALL };

struct strategy {
    enum strategy_kind kind;
    const struct event_filter *filters;
    uint32_t filter_count;
    const struct expression *until;          /* on what was read so far */
    const struct strategy *until_strategy;
};

enum event_read { READ_DATA, READ_ENVELOPE, READ_RAW };

struct task {
    uint32_t index;        /* in the definition, in document order */
    enum task_kind kind;
    struct str name;
    struct str pointer;    /* RFC 6901, into the definition */
    struct json source;    /* as written */
    const struct task *parent; /* NULL: the workflow itself, or the body of a function */
    uint32_t position;     /* in its list */
    const struct task_list *siblings;

    const struct expression *condition; /* `if` */
    struct data_rule input, output, export;
    struct span timeout;
    struct directive then;

    struct task_list list; /* do, for, try, fork branches, foreach of listen; body of a function: one task */
    union {
        const struct template *set;
        struct {
            const struct switch_case *cases;
            uint32_t count;
        } switch_;
        struct {
            struct str each, at;
            const struct template *in;
            const struct expression *while_;
        } for_;
        struct {
            bool compete;
        } fork;
        struct {
            struct task_list handler; /* catch.do */
            bool has_handler;
            struct json filter;       /* errors.with; absent: every error */
            const struct template *filter_template;
            struct str as;
            const struct expression *when, *except_when;
            const struct retry_policy *retry;
            struct directive then;
            bool has_then;
        } try_;
        const struct template *raise;
        struct span wait;
        const struct template *emit;
        struct {
            struct strategy strategy;
            enum event_read read;
            struct str item, at;
            bool has_foreach;
            struct data_rule foreach_output, foreach_export;
        } listen;
        struct {
            struct str what;                     /* "http", or "connection" */
            const struct template *with;         /* without endpoint and authentication */
            const struct template *endpoint;     /* evaluates to a URI or URI template */
            bool endpoint_is_template;           /* `{name}` is replaced from the input */
            const struct template *authentication; /* NULL: none */
        } call;
        struct {
            const struct template *with;
            const struct task *function;
        } function;
        struct {
            const struct template *namespace_, *name, *version, *input;
            bool await;
        } run;
    };
};

/* Compiles a definition that intake_check accepted.
 *
 * Out      *ret, in `arena`, which then belongs to it: free with definition_free
 * Faults   all that is wrong in meaning, by pointer: targets, references, expressions, schemas, what this build cannot do
 * Threads  any */
MUST_USE bool definition_compile(struct json document, struct arena *arena, const struct definition **ret,
        struct faults *faults);
void definition_free(const struct definition *definition); /* with its arena; NULL is taken */

/* Reads, checks and compiles text in one go; faults carry line and column.
 * Errors   MALFORMED, TOO_LARGE: unreadable; INVALID: see faults */
MUST_USE bool definition_load(struct str text, enum intake_format format, const struct definition **ret,
        struct faults *faults, struct err *err);

struct str definition_namespace(const struct definition *definition);
struct str definition_name(const struct definition *definition);
struct str definition_version(const struct definition *definition);
struct str definition_hash(const struct definition *definition); /* of its text, SHA-256 in hexadecimal; empty if it was not loaded from one */
struct json definition_document(const struct definition *definition); /* as written */
const struct task *definition_root(const struct definition *definition); /* the workflow as a `do` with pointer "" */
const struct task *definition_task(const struct definition *definition, uint32_t index); /* NULL outside */
uint32_t definition_task_count(const struct definition *definition);

/* For event matching: every literal event type a listener of this definition names ("*" for a filter without one), with
 * the `from` texts of its correlations: an array of { type, from: […] }. */
struct json definition_event_types(const struct definition *definition);

/* An ISO 8601 text, or an object of days, hours, minutes, seconds, milliseconds; false for anything else. */
MUST_USE bool duration_of_value(struct json value, struct duration *ret);

/* -1, 0, 1 by semver precedence (semver.org, 11); texts that are no semver sort by bytes. */
int definition_version_compare(struct str a, struct str b);

#pragma once
/* The inside of the expression evaluator, for libs/core/expression*.c alone.
 *
 * An expression is a tree of nodes whose names are resolved when it is parsed. It is evaluated
 * in one of two ways: what gives one value at most, whatever its input (`node->simple`), by
 * plain recursion over the tree, whose depth the parser limits (expression_simple.c); all else
 * by a machine with a stack of its own (expression_machine.c), so that no expression can use up
 * the thread's stack. */

#include <stdarg.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"
#include "core/expression.h"

enum {
    EXPRESSION_NESTING = 256, /* parentheses, brackets, branches in one another */
    EXPRESSION_HEIGHT = 1000, /* of the tree of nodes */
    EXPRESSION_ARGUMENTS = 16,
    EXPRESSION_NODES = 200 * 1000,
    BUILT_LITTLE = 16, /* items: a result made of so few new ones need not be weighed */
};

/* ---- the tree ---- */

enum node_type {
    NODE_IDENTITY,
    NODE_LITERAL,     /* value */
    NODE_VARIABLE,    /* index: how many bindings further out */
    NODE_GLOBAL,      /* index: into expression->globals */
    NODE_FIELD,       /* first: of what; value: the key */
    NODE_INDEX,       /* first: of what; second: the key */
    NODE_SLICE,       /* first: of what; second, third: from, up to; NULL: open */
    NODE_ITERATE,     /* first: of what */
    NODE_PIPE,        /* first, second */
    NODE_COMMA,       /* list */
    NODE_NEGATE,      /* first */
    NODE_BINARY,      /* op, first, second */
    NODE_AND,         /* first, second */
    NODE_OR,          /* first, second */
    NODE_ALTERNATIVE, /* first // second */
    NODE_IF,          /* first, then second, else third (NULL: the input) */
    NODE_TRY,         /* first, catch second (NULL: nothing) */
    NODE_ARRAY,       /* first: its items; NULL: none */
    NODE_OBJECT,      /* list: key, value, key, value, … */
    NODE_STRING, /* list: parts; those with `op` are text, the others get the format `native` */
    NODE_NATIVE, /* native, list: its arguments */
    NODE_AS,     /* first: what to bind; second: where it is seen */
    NODE_DESTRUCTURE, /* list: alternatives, each an array of values; first: what sees it */
    NODE_REDUCE,    /* first: source, second: start, third: a NODE_STEP, perhaps behind bindings */
    NODE_FOREACH,   /* the same */
    NODE_STEP,      /* first: update; second: extract (NULL: none); index: the loop's state */
    NODE_LABEL,     /* first */
    NODE_BREAK,     /* index: the label */
    NODE_INVOKE,    /* function, list: arguments; index: how many bindings further out it is */
    NODE_PARAMETER, /* index: the closure */
    NODE_EMPTY,
    NODE_ERROR,   /* first: what to raise */
    NODE_RECURSE, /* first: how to get down; NULL: .[]? */
    NODE_PATH,    /* first */
    NODE_GETPATH, /* first: the path */
    NODE_FIRST,   /* first */
    NODE_LIMIT,   /* first: how many, second: of what */
    NODE_ANY,     /* first; op: enum any_kind */
    NODE_RANGE,   /* first, second, third: from, up to, by */
    NODE_UPDATE,  /* first: paths, second: filter or operand; op: enum update_kind or operator */
};

enum operator{
    OPERATOR_ADD,
    OPERATOR_SUBTRACT,
    OPERATOR_MULTIPLY,
    OPERATOR_DIVIDE,
    OPERATOR_MODULO,
    OPERATOR_EQUAL,
    OPERATOR_UNEQUAL,
    OPERATOR_LESS,
    OPERATOR_LESS_EQUAL,
    OPERATOR_GREATER,
    OPERATOR_GREATER_EQUAL,
};

enum update_kind { UPDATE_FILTER = OPERATOR_GREATER_EQUAL + 1, UPDATE_SET, UPDATE_DEFAULT };
enum any_kind { ANY_TRUE, ANY_FALSE, ANY_VALUE };

struct machine;

/* A function of values: values[0] is the input. False: an error was raised. */
typedef bool native_call(struct machine *machine, const struct json *values, struct json *ret);

struct native {
    const char *name;
    uint32_t arity;
    native_call *call;
};

struct node {
    uint8_t type; /* enum node_type */
    uint8_t op;
    uint16_t height;
    bool optional;   /* `?` behind an index: its own errors are nothing */
    bool simple;     /* gives one value, none, or an error; no closures */
    bool loop;       /* gives any number of them */
    bool structural; /* a path that can be updated in one go down the value */
    bool blind;      /* does not look at its input */
    uint32_t offset; /* in the text */
    uint32_t index;
    uint32_t count; /* of list */
    const struct node *first, *second, *third;
    const struct node **list;
    struct json value;
    union {
        const struct function *function;
        const struct native *native;
    };
};

struct function {
    struct str name;
    uint32_t arity;
    uint32_t level; /* bindings around its definition */
    bool complete;
    const struct node *body;
};

struct expression {
    const struct node *root;
    struct str *globals;
    uint32_t global_count, global_capacity;
};

/* ---- text ---- */

enum token_type {
    TOKEN_END,
    TOKEN_WORD,     /* a name, perhaps a keyword */
    TOKEN_FIELD,    /* .name */
    TOKEN_VARIABLE, /* $name */
    TOKEN_FORMAT,   /* @name */
    TOKEN_NUMBER,
    TOKEN_QUOTE, /* the string begins behind it */
    TOKEN_SYMBOL,
    TOKEN_BAD,
};

/* `text` is the whole of the token but for names, where it is the name alone. */
struct token {
    enum token_type type;
    uint32_t offset;
    struct str text;
};

struct lexer {
    struct str text;
    size_t at;
    struct arena *arena;
};

struct token lexer_next(struct lexer *lexer);

/* Reads a string up to its end or the next `\(`; the lexer stands behind it then.
 * Errors   INVALID */
MUST_USE bool lexer_string(
        struct lexer *lexer, struct str *ret_piece, bool *ret_interpolated, struct err *err);
bool lexer_is_keyword(struct str word);

/* What a name means. */
enum scope_kind { SCOPE_VARIABLE, SCOPE_PARAMETER, SCOPE_FUNCTION, SCOPE_LABEL };

struct scope {
    const struct scope *outer;
    enum scope_kind kind;
    uint32_t level; /* bindings around it, itself not counted */
    struct str name;
    const struct function *function;
};

/* Functions of jq's own that are written in jq, compiled when first met. */
struct library {
    struct library *next;
    const struct function *function;
};

struct parser {
    struct lexer lexer;
    struct token token;
    struct arena *arena;
    struct err *err;
    const struct expression_options *options;
    struct expression *expression;
    const struct scope *scope;
    struct library **library;
    uint32_t *nodes;
    uint32_t level; /* bindings around the text that is being read */
    uint32_t nesting;
    bool internal; /* reads our own definitions: names with an underscore are known */
};

MUST_USE bool parser_run(struct parser *parser, const struct node **ret);
const struct node *parse_pipe(struct parser *parser);
const struct node *parse_source(struct parser *parser);
const struct node *parse_string(struct parser *parser, struct str format);
const struct node *parse_binding(struct parser *parser, const struct node *source);
const struct node *parse_loop(struct parser *parser, enum node_type type);
bool parser_next(struct parser *parser);
bool parser_is(const struct parser *parser, const char *symbol);
bool parser_take(struct parser *parser, const char *symbol);
bool parser_expect(struct parser *parser, const char *symbol);
PRINTF(3, 4) void *parser_fail(struct parser *parser, size_t offset, const char *format, ...);

/* Nodes; they take NULL for an operand that could not be read and then give NULL. */
struct node *node_new(struct parser *parser, enum node_type type);
const struct node *node_done(struct parser *parser, struct node *node);
const struct node *node_literal(struct parser *parser, struct json value);
const struct node *node_of(struct parser *parser, enum node_type type, const struct node *first,
        const struct node *second);
const struct node *node_native(
        struct parser *parser, const char *name, const struct node **list, uint32_t count);
const struct node *node_variable(struct parser *parser, struct str name, uint32_t offset);
const struct node *node_break(struct parser *parser, struct str name, uint32_t offset);
const struct node *node_call(
        struct parser *parser, struct str name, const struct node **list, uint32_t count);
void scope_push(struct parser *parser, enum scope_kind kind, struct str name,
        const struct function *function);

/* ---- tables ---- */

/* A function of jq's own: its definition in jq, or what makes nodes of it. */
typedef const struct node *form_maker(struct parser *parser, const struct node **list);

struct definition_text {
    const char *name;
    uint32_t arity;
    const char *text;
    form_maker *make;
};

const struct native *native_find(struct str name, uint32_t arity);
const struct native *native_at(size_t index);
const struct native *math_find(struct str name, uint32_t arity);
const struct native *math_at(size_t index);
const struct definition_text *definition_find(struct str name, uint32_t arity);
const struct definition_text *definition_at(size_t index);
struct json builtin_names(struct arena *arena);

/* ---- evaluation ---- */

/* Bindings from the innermost out. */
struct env {
    const struct env *next;
    union {
        struct json value;
        struct {
            const struct node *node;
            const struct env *env;
        } closure;
        struct state *state;
        struct fork *label;
    };
};

/* The way from where `path()` began. path_root: there; path_lost: a value that was made, not
 * found. */
struct path {
    const struct path *parent;
    struct json key;
};

extern const struct path path_root, path_lost;

/* The state of reduce and foreach. */
struct state {
    struct json value;
    const struct path *path;
    struct owned *owned; /* NULL: the state may be seen by others */
};

struct pattern_cache {
    struct str pattern;
    unsigned flags;
    const struct regex *regex;
};

struct global {
    bool asked, found;
    struct json value;
};

enum { MACHINE_PATTERNS = 8, MACHINE_CHUNK = 4096 };

struct chunk {
    struct chunk *older, *newer;
    size_t start, size;
    char *data;
};

struct machine {
    struct arena *arena;
    const struct expression *expression;
    const struct expression_env *environment;
    size_t bytes_before;
    int64_t steps;     /* left */
    const char *spent; /* the budget that was spent; not to be caught */
    bool odd;          /* numbers that are not finite may be about */
    uint32_t built;    /* items of arrays and objects that were made */
    struct json error; /* the value that was raised */
    struct global *globals;
    struct pattern_cache patterns[MACHINE_PATTERNS];
    uint32_t pattern_next;
    struct json results;
    uint32_t result_max;
    bool single; /* one result is wanted: the second ends it */
    /* The registers and the stack; see expression_machine.c. */
    const struct node *node;
    const struct env *env;
    struct json value;
    const struct path *path;
    struct kont *kont;
    struct fork *fork;
    size_t top, pinned;
    struct chunk *chunk;
};

/* What the evaluation of a simple node, or an update on the way down, comes to. */
enum outcome { ONE, NONE, FAILED, KEPT };

/* Raises an error; both return false and FAILED's meaning. */
PRINTF(2, 3) bool fail(struct machine *machine, const char *format, ...);
bool fail_with(struct machine *machine, struct json error);

/* "number (1) <what>", "number (1) and string ("a") <what>". */
bool fail_type(struct machine *machine, struct json value, const char *what);
bool fail_types(struct machine *machine, struct json a, struct json b, const char *what);

/* The text of a value for an error message, cut to size - 1 bytes. */
enum { SHORT_TEXT = 15, LONG_TEXT = 30, SHORT_TEXT_SOURCE = 64 * 1024 };
const char *short_text(struct machine *machine, struct json value, size_t size);

/* Take from the budgets; false: one is spent. `work` is in steps; `bytes` are about to be
 * allocated. */
bool charge(struct machine *machine, size_t work);
bool charge_bytes(struct machine *machine, size_t bytes);
bool charge_value(struct machine *machine, struct json value); /* for going through all of it */
bool spend(struct machine *machine, const char *budget);

enum outcome simple_eval(struct machine *machine, const struct node *node, const struct env *env,
        struct json input, struct json *ret);
enum outcome simple_update(struct machine *machine, const struct node *node, const struct env *env,
        struct json input, struct json *ret);

/* Takes a step that consists of updates whose operands do not look at the state, which then is
 * changed in place. */
bool is_update_step(const struct node *node);
enum outcome update_step(struct machine *machine, const struct node *node, const struct env *env,
        struct state *state);
bool global_get(struct machine *machine, uint32_t index, struct json *ret);

/* Runs the whole expression; results go to machine->results. False: an error, or a spent budget. */
bool machine_run(struct machine *machine, const struct node *root, struct json input);

static inline const struct env *env_at(const struct env *env, uint32_t hops) {
    while (hops--)
        env = env->next;
    return env;
}

/* ---- values ---- */

static inline struct json number_of(double value) {
    return (struct json){ .type = JSON_NUMBER, .number = value };
}

static inline double number_value(struct json value) {
    return value.count ? json_double(value) : value.number;
}

struct json string_of(struct machine *machine, const char *text);
bool is_nan(struct json value);

/* Replaces numbers that are not finite by what JSON can hold. */
bool value_clean(struct machine *machine, struct json value, struct json *ret);
/* How long a text may be that is yet to be made: bytes, and eight of them for a step. */
size_t text_limit(const struct machine *machine);
bool value_to_text(struct machine *machine, struct json value, struct str *ret); /* as JSON */
bool value_to_string(
        struct machine *machine, struct json value, struct str *ret); /* strings as they are */
bool value_compare(struct machine *machine, struct json a, struct json b, int *ret);
bool value_same(struct json a, struct json b);
bool operator_apply(
        struct machine *machine, enum operator op, struct json a, struct json b, struct json *ret);
bool value_negate(struct machine *machine, struct json value, struct json *ret);
bool value_sort(struct machine *machine, struct json array, struct json keys, uint32_t *order);

bool value_field(struct machine *machine, struct json value, struct json key, struct json *ret);
bool value_index(struct machine *machine, struct json value, struct json key, struct json *ret);
bool value_slice(struct machine *machine, struct json value, struct json from, struct json upto,
        struct json *ret);

/* Rows of arrays and objects that one update made, and that nothing but its own value refers to:
 * those it changes in place, where it would have to copy others. */
struct owned {
    const void **rows; /* a hash table; NULL: free */
    uint32_t count, capacity;
};

bool owned_has(const struct owned *owned, struct json value);
void owned_clear(struct owned *owned);

struct place {
    struct json value, key;
};

/* `owned` may be NULL. */
bool value_set(struct machine *machine, struct place place, struct json item, struct owned *owned,
        struct json *ret);
struct json slice_key(struct machine *machine, struct json from, struct json upto);
bool path_get(struct machine *machine, struct json value, struct json path, struct json *ret);
bool path_set(struct machine *machine, struct place place, struct json item, struct owned *owned,
        struct json *ret);
bool path_delete(struct machine *machine, struct json value, struct json paths, struct json *ret);
struct json path_to_json(struct machine *machine, const struct path *path);
const struct path *path_add(struct machine *machine, const struct path *path, struct json key);
bool item_at(struct json container, size_t index, struct json *ret_key, struct json *ret);
bool fail_iterate(struct machine *machine, struct json value);
bool fail_key(struct machine *machine, struct json key);
bool fail_lost(struct machine *machine, struct json key, struct json value);
size_t string_length(struct str text); /* in code points */
size_t string_offset(struct str text, size_t from, size_t points);

native_call native_getpath, native_setpath, native_delpaths, native_has, native_keys,
        native_keys_unsorted, native_to_entries, native_from_entries;
native_call native_add, native_length, native_sort, native_sort_by, native_group_by, native_unique,
        native_unique_by, native_min, native_max, native_min_by, native_max_by, native_reverse,
        native_flatten, native_flatten_to, native_contains, native_inside, native_indices,
        native_index, native_rindex, native_bsearch, native_transpose, native_not, native_type;
native_call native_tostring, native_tojson, native_fromjson, native_tonumber, native_toboolean,
        native_explode, native_implode, native_split, native_join, native_startswith,
        native_endswith, native_ltrimstr, native_rtrimstr, native_trimstr, native_trim,
        native_ltrim, native_rtrim, native_downcase, native_upcase, native_bytes, native_ascii_code;
bool reverse_string(struct machine *machine, struct json value, struct json *ret);
native_call native_format, format_csv, format_tsv, format_html, format_uri, format_urid, format_sh,
        format_base64, format_base64d, format_base32, format_base32d;
native_call native_match, native_match_flags, native_test, native_test_flags, native_split_by,
        native_split_flags, native_captured, native_edits, native_edit;
native_call native_now, native_mktime, native_gmtime, native_strftime, native_strptime,
        native_todate, native_fromdate;
native_call native_infinite, native_nan, native_isinfinite, native_isnan, native_isnormal,
        native_isfinite;
native_call native_frexp, native_modf, native_lgamma_r, native_ldexp, native_fma;

const struct native *format_find(struct str name);
bool join_strings(
        struct machine *machine, const struct str *pieces, size_t count, struct json *ret);

#pragma once
/* JSON values of users: a strict reader, an immutable tree in an arena, a writer.
 *
 * A value is 16 bytes and passed by value. Values never change after they are built, so they are
 * shared, not copied; they live as long as the arena they were made in (and the text they were
 * read from: strings without escapes and long numbers borrow it).
 * Accessors are total: what is not there is JSON_ABSENT, which every accessor takes for null, so
 * that chains need no checks. Numbers keep the digits they came with (reliability.md, I16).
 * RFC 8259; UTF-8 checked, NUL characters kept, duplicate keys refused, no recursion in the reader. */

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

struct arena;
struct json_array;
struct json_object;

enum json_type {
    JSON_ABSENT, /* a zeroed value: not there; reads as null */
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json {
    uint32_t type;  /* enum json_type */
    uint32_t count; /* items, members, bytes of a string; of a number: bytes of its literal, 0 = none */
    union {
        double number;    /* JSON_NUMBER without a literal */
        const char *text; /* JSON_STRING, JSON_NUMBER with a literal */
        const struct json_array *array;
        const struct json_object *object;
    };
};

struct json_member {
    struct str key;
    struct json value;
};

/* ---- reading ---- */

struct json_read_options {
    uint32_t depth_max;  /* 0: LIMIT_DEPTH */
    bool borrow;         /* strings and literals may point into `text`, which then must live as long */
};

/* Where the reader stopped. */
struct json_position {
    size_t offset; /* bytes */
    uint32_t line, column; /* from 1; columns in code points */
};

/* Reads one JSON text, with nothing but white space around it.
 *
 * Out      *ret, in `arena`; *position (may be NULL) on failure
 * Errors   MALFORMED  not JSON, bad UTF-8, a lone surrogate, a duplicate key, nested too deeply;
 *                     the message names line and column
 * Threads  any */
MUST_USE bool json_read(struct str text, const struct json_read_options *options, struct arena *arena,
        struct json *ret, struct json_position *position, struct err *err);

/* ---- looking ---- */

bool json_is_null(struct json value);   /* null or absent */
bool json_is_absent(struct json value);
bool json_is_truthy(struct json value); /* jq's truth: all but null, absent and false */
enum json_type json_type(struct json value);
const char *json_type_name(struct json value); /* "null", "boolean", "number", "string", "array", "object" */

struct str json_str(struct json value);                            /* of a string; else empty */
struct str json_str_or(struct json value, struct str otherwise);
double json_double(struct json value);                             /* of a number; else 0 */
bool json_to_int64(struct json value, int64_t *ret);               /* false unless an integer in range */
int64_t json_int64_or(struct json value, int64_t otherwise);
bool json_bool_or(struct json value, bool otherwise);

size_t json_size(struct json value);                               /* items or members; else 0 */
struct json json_at(struct json array, size_t index);              /* absent outside */
struct json json_get(struct json object, struct str key);          /* absent if missing */
bool json_has(struct json object, struct str key);
const struct json_member *json_member_at(struct json object, size_t index); /* in order of insertion; NULL outside */
const struct json_member *json_find(struct json object, struct str key);    /* NULL if missing */
const struct json *json_items(struct json array);                  /* contiguous; NULL if empty */

/* jq's order: null < false < true < numbers < strings < arrays < objects; -1, 0, 1. Objects compare
 * by sorted key sets, then values. Numbers compare exactly where both are integers. */
int json_compare(struct json a, struct json b);
bool json_equal(struct json a, struct json b);

/* Follows an RFC 6901 pointer ("" is the value itself); absent where it leads nowhere. */
struct json json_pointer_get(struct json value, struct str pointer);

/* ---- building ---- */

struct json json_null(void);
struct json json_bool(bool value);
struct json json_number(double value);                        /* not finite: as jq prints it, null or ±1.797e308 */
struct json json_int64(int64_t value, struct arena *arena);   /* exact: a literal above 2^53 */
struct json json_string(struct str borrowed);                 /* valid UTF-8; not copied */
struct json json_string_copy(struct str text, struct arena *arena);
struct json json_number_literal(struct str borrowed);         /* a valid JSON number */
PRINTF(2, 3) struct json json_string_format(struct arena *arena, const char *format, ...);

/* Arrays and objects grow by appending: the result shares the memory of the argument where that is
 * the newest (amortised O(1)), and is a copy otherwise; the argument stays what it was. */
struct json json_array(struct arena *arena, size_t capacity);
struct json json_append(struct json array, struct json item, struct arena *arena);
struct json json_array_from(const struct json *items, size_t count, struct arena *arena); /* copies the items' row */
struct json json_object(struct arena *arena, size_t capacity);

/* Sets a key: replaces in place of order, or appends. `key` is borrowed. Absent values are not set. */
struct json json_set(struct json object, struct str key, struct json value, struct arena *arena);
struct json json_remove(struct json object, struct str key, struct arena *arena);

/* Members of `b` over those of `a` (not deep). */
struct json json_merge(struct json a, struct json b, struct arena *arena);

/* A deep copy that shares nothing with its source. */
struct json json_copy(struct json value, struct arena *arena);

/* ---- writing ---- */

enum json_style { JSON_COMPACT, JSON_PRETTY /* two spaces */, JSON_SORTED /* compact, keys sorted */ };

/* Appends the text of `value`; absent is written as null. Numbers with a literal are written as
 * they came, others as jq writes them (17 significant digits at most, integers without exponent below 1e17). */
void json_write(struct buf *buf, struct json value, enum json_style style);
struct str json_to_str(struct json value, struct arena *arena); /* compact, in `arena` */

/* Appends `text` as a JSON string with its quotes. */
void json_write_string(struct buf *buf, struct str text);

/* Streaming: commas are set by the writer. For messages and records, where no tree is wanted.
 * `key` is NULL inside arrays and at the top. */
struct json_writer {
    struct buf *buf;
    bool comma;
};

void json_writer_init(struct json_writer *writer, struct buf *buf);
void json_begin_object(struct json_writer *writer, const char *key);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer, const char *key);
void json_end_array(struct json_writer *writer);
void json_put(struct json_writer *writer, const char *key, struct json value);
void json_put_str(struct json_writer *writer, const char *key, struct str value);
void json_put_c(struct json_writer *writer, const char *key, const char *value);
void json_put_int64(struct json_writer *writer, const char *key, int64_t value);
void json_put_bool(struct json_writer *writer, const char *key, bool value);
void json_put_raw(struct json_writer *writer, const char *key, struct str text); /* text is JSON already */

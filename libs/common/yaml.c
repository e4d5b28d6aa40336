#include "common/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"
#include "common/locate.h"

/* The reader keeps its own stack of open containers and never recurses. An alias shares the
 * value of its anchor, but counts as many nodes as a copy would, so that a bomb is met by the
 * limit before anyone walks it.
 *
 * libyaml compares each %TAG directive with all before it; their number is therefore checked
 * before it starts. */

enum { TAG_DIRECTIVES_MAX = 16, ANCHORS_CAPACITY_MIN = 16 };

#define TAG_PREFIX "tag:yaml.org,2002:"

struct anchor {
    struct str name;
    struct json value;
    size_t nodes;
    uint32_t height;
};

struct frame {
    struct json value;
    struct str key;
    struct str anchor;
    struct json merged; /* the mappings of `<<`, in an array */
    size_t nodes_before;
    uint32_t height; /* containers nested in this one */
    bool is_object, has_key, is_merge;
};

struct reader {
    yaml_parser_t parser;
    const struct yaml_limits *limits;
    struct arena *arena;
    struct err *err;
    struct frame *frames;
    uint32_t depth;
    size_t nodes;
    struct anchor *anchors; /* a hash table, open addressing */
    size_t anchor_count, anchor_capacity;
    struct json root;
    bool has_root, done;
};

/* ---- messages ---- */

/* What to do about the scanner's more puzzling complaints. */
static const struct {
    const char *problem, *hint;
} hints[] = {
    { "found character that cannot start any token",
            "indent with spaces, not tabs, and quote a text that begins with @, ` or %" },
    { "found a tab character that violates indentation", "indent with spaces" },
    { "found a tab character where an indentation space is expected", "indent with spaces" },
    { "mapping values are not allowed in this context",
            "quote a text that contains ': ', and check the indentation" },
    { "did not find expected key", "check the indentation of this line and the quotes before it" },
    { "could not find expected ':'", "a key needs ': ' behind it; check the indentation" },
    { "did not find expected '-' indicator", "items of one list stand at one indentation" },
    { "found undefined tag handle",
            "tags other than the core schema's (!!str, !!int, ...) are not supported" },
    { "block sequence entries are not allowed in this context",
            "begin the list on a line of its own" },
};

static bool fail(struct reader *reader, enum err_code code, yaml_mark_t mark, const char *what) {
    return err_set(
            reader->err, code, "line %zu, column %zu: %s", mark.line + 1, mark.column + 1, what);
}

/* libyaml's reader gives the byte where the text is no text. */
static bool fail_encoding(struct reader *reader) {
    const yaml_parser_t *parser = &reader->parser;
    const unsigned char *start = parser->input.string.start;
    size_t line = 1, column = 1;

    for (size_t i = 0; i < parser->problem_offset && start + i < parser->input.string.end; i++) {
        if (start[i] == '\n') {
            line++;
            column = 1;
        } else if ((start[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    return err_set(reader->err, ERR_MALFORMED, "line %zu, column %zu: %s", line, column,
            parser->problem ? parser->problem : "not readable");
}

static bool fail_parser(struct reader *reader) {
    const yaml_parser_t *parser = &reader->parser;
    const char *hint = NULL;

    assert(parser->error != YAML_MEMORY_ERROR);
    if (parser->error == YAML_READER_ERROR) return fail_encoding(reader);
    for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
        if (parser->problem && strcmp(parser->problem, hints[i].problem) == 0) hint = hints[i].hint;
    }
    fail(reader, ERR_MALFORMED, parser->problem_mark,
            parser->problem ? parser->problem : "not YAML");
    size_t used = strlen(reader->err->message);
    char *to = reader->err->message + used;
    if (parser->context) {
        int size = snprintf(to, sizeof(reader->err->message) - used,
                " %s from line %zu, column %zu", parser->context, parser->context_mark.line + 1,
                parser->context_mark.column + 1);
        assert(size > 0);
        used = MIN(used + (size_t)size, sizeof(reader->err->message) - 1);
        to = reader->err->message + used;
    }
    if (hint) (void)snprintf(to, sizeof(reader->err->message) - used, "; %s", hint);
    return false;
}

/* ---- scalars: the core schema, YAML 1.2.2, 10.3.2 ---- */

enum scalar_kind { SCALAR_NULL, SCALAR_BOOL, SCALAR_INT, SCALAR_FLOAT, SCALAR_STR, SCALAR_BAD };

struct scalar {
    enum scalar_kind kind;
    struct json value;
    const char *problem; /* of SCALAR_BAD */
};

static bool is_one_of(struct str text, const char *const words[3]) {
    for (size_t i = 0; i < 3; i++) {
        if (str_equal(text, str_from(words[i]))) return true;
    }
    return false;
}

static size_t digits_at(struct str text, size_t from) {
    size_t at = from;

    while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9')
        at++;
    return at - from;
}

/* 0x1F and 0o17: as the decimal digits of their value. */
static struct scalar resolve_based(struct str digits, unsigned base, struct arena *arena) {
    uint64_t value = 0;

    if (digits.size == 0) return (struct scalar){ .kind = SCALAR_STR };
    for (size_t i = 0; i < digits.size; i++) {
        char c = digits.data[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                : c >= 'a' && c <= 'f'        ? (unsigned)(c - 'a' + 10)
                : c >= 'A' && c <= 'F'        ? (unsigned)(c - 'A' + 10)
                                              : base;
        if (digit >= base) return (struct scalar){ .kind = SCALAR_STR };
        if (value > (UINT64_MAX - digit) / base) {
            return (struct scalar){ SCALAR_BAD, { 0 },
                "this number is too large; write it in decimal, or quote it" };
        }
        value = value * base + digit;
    }
    struct str literal = str_format(arena, "%llu", (unsigned long long)value);
    return (struct scalar){ SCALAR_INT, json_number_literal(literal), NULL };
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?  The digits are kept; what
 * JSON does not allow around them (a plus, leading zeros, a bare point) goes. */
static struct scalar resolve_decimal(struct str text, struct arena *arena) {
    struct scalar none = { .kind = SCALAR_STR };
    size_t at = text.data[0] == '-' || text.data[0] == '+';
    struct str sign = text.data[0] == '-' ? STR("-") : STR("");
    size_t whole_at = at, whole = digits_at(text, at), fraction_at = 0, fraction = 0;

    at += whole;
    bool has_point = at < text.size && text.data[at] == '.';
    if (has_point) {
        fraction_at = at + 1;
        fraction = digits_at(text, fraction_at);
        at = fraction_at + fraction;
    }
    if (whole + fraction == 0) return none;
    struct str exponent = str_slice(text, at, text.size);
    if (exponent.size) {
        if (exponent.data[0] != 'e' && exponent.data[0] != 'E') return none;
        size_t digits =
                exponent.size > 1 && (exponent.data[1] == '-' || exponent.data[1] == '+') ? 2 : 1;
        if (digits == exponent.size || digits_at(exponent, digits) != exponent.size - digits)
            return none;
    }
    while (whole > 1 && text.data[whole_at] == '0') {
        whole_at++;
        whole--;
    }
    struct str whole_text = whole ? str_slice(text, whole_at, whole_at + whole) : STR("0");
    struct str literal = str_format(arena, STR_FMT STR_FMT "%s" STR_FMT STR_FMT, STR_ARG(sign),
            STR_ARG(whole_text), fraction ? "." : "",
            STR_ARG(str_slice(text, fraction_at, fraction_at + fraction)), STR_ARG(exponent));
    return (struct scalar){ has_point || exponent.size ? SCALAR_FLOAT : SCALAR_INT,
        json_number_literal(literal), NULL };
}

static struct scalar resolve(struct str text, struct arena *arena) {
    static const char *const nulls[] = { "null", "Null", "NULL" };
    static const char *const trues[] = { "true", "True", "TRUE" };
    static const char *const falses[] = { "false", "False", "FALSE" };
    static const char *const infinities[] = { ".inf", ".Inf", ".INF" };
    static const char *const nans[] = { ".nan", ".NaN", ".NAN" };

    if (text.size == 0 || str_equal(text, STR("~")) || is_one_of(text, nulls)) {
        return (struct scalar){ SCALAR_NULL, json_null(), NULL };
    }
    if (is_one_of(text, trues)) return (struct scalar){ SCALAR_BOOL, json_bool(true), NULL };
    if (is_one_of(text, falses)) return (struct scalar){ SCALAR_BOOL, json_bool(false), NULL };
    if (is_one_of(text, nans)
            || is_one_of(str_slice(text, text.data[0] == '-' || text.data[0] == '+', text.size),
                    infinities)) {
        return (struct scalar){ SCALAR_BAD, { 0 },
            "infinity and NaN cannot be written in JSON; quote it if a text is meant" };
    }
    if (str_starts_with(text, STR("0x")))
        return resolve_based(str_slice(text, 2, text.size), 16, arena);
    if (str_starts_with(text, STR("0o")))
        return resolve_based(str_slice(text, 2, text.size), 8, arena);
    return resolve_decimal(text, arena);
}

/* A tag demands a kind; an integer will do for a float. */
static struct scalar resolve_tagged(struct str text, struct str tag, struct arena *arena) {
    static const char *const kinds[] = { [SCALAR_NULL] = "null",
        [SCALAR_BOOL] = "bool",
        [SCALAR_INT] = "int",
        [SCALAR_FLOAT] = "float" };
    struct scalar scalar = { .kind = SCALAR_STR };
    struct str name = str_slice(tag, sizeof(TAG_PREFIX) - 1, tag.size);

    if (str_equal(tag, STR("!"))
            || (str_starts_with(tag, STR(TAG_PREFIX)) && str_equal(name, STR("str"))))
        return scalar;
    for (size_t i = 0; str_starts_with(tag, STR(TAG_PREFIX)) && i < ARRAY_SIZE(kinds); i++) {
        if (!str_equal(name, str_from(kinds[i]))) continue;
        scalar = resolve(text, arena);
        if (scalar.kind == (enum scalar_kind)i || scalar.kind == SCALAR_BAD) return scalar;
        if (i == SCALAR_FLOAT && scalar.kind == SCALAR_INT) return scalar;
        return (struct scalar){ SCALAR_BAD, { 0 },
            "this text is not of the kind that its tag names" };
    }
    return (struct scalar){ SCALAR_BAD, { 0 },
        "tags other than the core schema's (!!str, !!int, ...) are not supported" };
}

/* ---- anchors ---- */

static struct anchor *anchor_slot(struct anchor *anchors, size_t capacity, struct str name) {
    size_t at = (size_t)str_hash(name) & (capacity - 1);

    while (anchors[at].name.data && !str_equal(anchors[at].name, name))
        at = (at + 1) & (capacity - 1);
    return &anchors[at];
}

static void anchors_grow(struct reader *reader) {
    size_t capacity = MAX(reader->anchor_capacity * 2, (size_t)ANCHORS_CAPACITY_MIN);
    struct anchor *anchors = arena_new_many(reader->arena, struct anchor, capacity);

    for (size_t i = 0; i < reader->anchor_capacity; i++) {
        struct anchor *old = &reader->anchors[i];
        if (old->name.data) *anchor_slot(anchors, capacity, old->name) = *old;
    }
    reader->anchors = anchors;
    reader->anchor_capacity = capacity;
}

static void anchor_set(struct reader *reader, struct anchor anchor) {
    if (reader->anchor_count * 2 >= reader->anchor_capacity) anchors_grow(reader);
    struct anchor *slot = anchor_slot(reader->anchors, reader->anchor_capacity, anchor.name);
    if (!slot->name.data) reader->anchor_count++;
    *slot = anchor;
}

static const struct anchor *anchor_get(const struct reader *reader, struct str name) {
    if (reader->anchor_capacity == 0) return NULL;
    const struct anchor *slot = anchor_slot(reader->anchors, reader->anchor_capacity, name);
    return slot->name.data ? slot : NULL;
}

static struct str anchor_name(struct reader *reader, const yaml_char_t *name) {
    return name ? str_copy(str_from((const char *)name), reader->arena) : STR_NULL;
}

/* ---- building ---- */

static bool count_nodes(struct reader *reader, size_t nodes, yaml_mark_t mark) {
    if (nodes > reader->limits->nodes_max - reader->nodes) {
        return fail(reader, ERR_TOO_LARGE, mark, "too many values (after aliases are expanded)");
    }
    reader->nodes += nodes;
    return true;
}

static struct frame *top(struct reader *reader) {
    return reader->depth ? &reader->frames[reader->depth - 1] : NULL;
}

static bool wants_key(struct reader *reader) {
    struct frame *frame = top(reader);

    return frame && frame->is_object && !frame->has_key;
}

static bool take_key(struct reader *reader, struct str key, bool is_merge, yaml_mark_t mark) {
    struct frame *frame = top(reader);

    if (is_merge ? json_size(frame->merged) > 0 : json_has(frame->value, key)) {
        fail(reader, ERR_MALFORMED, mark, "");
        size_t used = strlen(reader->err->message);
        (void)snprintf(reader->err->message + used, sizeof(reader->err->message) - used,
                "the key '%.*s' stands twice in this mapping", (int)MIN(key.size, (size_t)100),
                key.data);
        return false;
    }
    frame->key = key;
    frame->has_key = true;
    frame->is_merge = is_merge;
    return true;
}

/* `<<: *base` and `<<: [ *a, *b ]`: kept aside until the mapping ends, since its own keys win
 * wherever they stand. */
static bool take_merge(
        struct reader *reader, struct frame *frame, struct json value, yaml_mark_t mark) {
    size_t count = json_type(value) == JSON_ARRAY ? json_size(value) : 1;

    frame->merged = json_array(reader->arena, count);
    for (size_t i = 0; i < count; i++) {
        struct json source = json_type(value) == JSON_ARRAY ? json_at(value, i) : value;
        if (json_type(source) != JSON_OBJECT) {
            return fail(reader, ERR_MALFORMED, mark,
                    "'<<' merges a mapping or a list of mappings; quote the key if it is a name");
        }
        frame->merged = json_append(frame->merged, source, reader->arena);
    }
    return true;
}

/* Puts a finished value where it belongs. */
static bool take_value(
        struct reader *reader, struct json value, uint32_t height, yaml_mark_t mark) {
    struct frame *frame = top(reader);

    if (!frame) {
        reader->root = value;
        reader->has_root = true;
        return true;
    }
    frame->height = MAX(frame->height, height);
    if (!frame->is_object) {
        frame->value = json_append(frame->value, value, reader->arena);
        return true;
    }
    assert(frame->has_key);
    frame->has_key = false;
    if (frame->is_merge) return take_merge(reader, frame, value, mark);
    frame->value = json_set(frame->value, frame->key, value, reader->arena);
    return true;
}

static bool on_scalar(struct reader *reader, const yaml_event_t *event) {
    struct str text = str_copy(
            (struct str){ (const char *)event->data.scalar.value, event->data.scalar.length },
            reader->arena);
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const char *tag = (const char *)event->data.scalar.tag;
    struct scalar scalar = { .kind = SCALAR_STR };

    if (!count_nodes(reader, 1, event->start_mark)) return false;
    if (tag) {
        scalar = resolve_tagged(text, str_from(tag), reader->arena);
    } else if (is_plain && !wants_key(reader)) {
        scalar = resolve(text, reader->arena);
    }
    if (scalar.kind == SCALAR_BAD)
        return fail(reader, ERR_MALFORMED, event->start_mark, scalar.problem);
    if (scalar.kind == SCALAR_STR) scalar.value = json_string(text);
    struct str anchor = anchor_name(reader, event->data.scalar.anchor);
    if (anchor.data) anchor_set(reader, (struct anchor){ anchor, scalar.value, 1, 0 });
    if (!wants_key(reader)) return take_value(reader, scalar.value, 0, event->start_mark);
    return take_key(
            reader, text, is_plain && !tag && str_equal(text, STR("<<")), event->start_mark);
}

static bool on_alias(struct reader *reader, const yaml_event_t *event) {
    const struct anchor *anchor =
            anchor_get(reader, str_from((const char *)event->data.alias.anchor));

    if (!anchor) {
        return fail(reader, ERR_MALFORMED, event->start_mark,
                "this alias has no finished anchor before it");
    }
    if (!count_nodes(reader, anchor->nodes, event->start_mark)) return false;
    if (anchor->height > reader->limits->depth_max - reader->depth) {
        return fail(reader, ERR_MALFORMED, event->start_mark,
                "nested too deeply (after aliases are expanded)");
    }
    if (!wants_key(reader))
        return take_value(reader, anchor->value, anchor->height, event->start_mark);
    if (anchor->height) {
        return fail(reader, ERR_MALFORMED, event->start_mark,
                "a key is a text, not a mapping or a list");
    }
    struct str key = json_type(anchor->value) == JSON_STRING
            ? json_str(anchor->value)
            : json_to_str(anchor->value, reader->arena);
    return take_key(reader, key, false, event->start_mark);
}

static bool on_open(struct reader *reader, const yaml_event_t *event, bool is_object) {
    const char *tag = (const char *)(is_object ? event->data.mapping_start.tag
                                               : event->data.sequence_start.tag);
    const yaml_char_t *anchor =
            is_object ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;

    if (!count_nodes(reader, 1, event->start_mark)) return false;
    if (wants_key(reader)) {
        return fail(reader, ERR_MALFORMED, event->start_mark,
                "a key is a text, not a mapping or a list");
    }
    if (tag && strcmp(tag, "!") != 0
            && strcmp(tag, is_object ? TAG_PREFIX "map" : TAG_PREFIX "seq") != 0) {
        return fail(reader, ERR_MALFORMED, event->start_mark,
                "tags other than the core schema's (!!str, !!int, ...) are not supported");
    }
    if (reader->depth == reader->limits->depth_max)
        return fail(reader, ERR_MALFORMED, event->start_mark, "nested too deeply");
    reader->frames[reader->depth++] = (struct frame){
        .value = is_object ? json_object(reader->arena, 0) : json_array(reader->arena, 0),
        .anchor = anchor_name(reader, anchor),
        .nodes_before = reader->nodes - 1,
        .is_object = is_object,
    };
    return true;
}

static bool on_close(struct reader *reader, const yaml_event_t *event) {
    struct frame frame = *top(reader);

    for (size_t i = 0; i < json_size(frame.merged); i++) {
        struct json source = json_at(frame.merged, i);
        for (size_t j = 0; j < json_size(source); j++) {
            const struct json_member *member = json_member_at(source, j);
            if (!json_has(frame.value, member->key))
                frame.value = json_set(frame.value, member->key, member->value, reader->arena);
        }
    }
    reader->depth--;
    if (frame.anchor.data) {
        anchor_set(reader,
                (struct anchor){ frame.anchor, frame.value, reader->nodes - frame.nodes_before,
                        frame.height + 1 });
    }
    return take_value(reader, frame.value, frame.height + 1, event->start_mark);
}

static bool on_event(struct reader *reader, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT: return true;
    case YAML_STREAM_END_EVENT:
        reader->done = true;
        if (reader->has_root) return true;
        return fail(reader, ERR_MALFORMED, event->start_mark, "there is nothing in this text");
    case YAML_DOCUMENT_START_EVENT:
        if (!reader->has_root) return true;
        return fail(reader, ERR_MALFORMED, event->start_mark,
                "a second document begins here; only one is allowed");
    case YAML_ALIAS_EVENT: return on_alias(reader, event);
    case YAML_SCALAR_EVENT: return on_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT: return on_open(reader, event, false);
    case YAML_MAPPING_START_EVENT: return on_open(reader, event, true);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return on_close(reader, event);
    }
    return false;
}

/* ---- the text ---- */

static bool has_few_tag_directives(struct str text) {
    static const struct str directive = { "\n%TAG", 5 };
    size_t count = str_starts_with(text, str_slice(directive, 1, 5));

    while (count <= TAG_DIRECTIVES_MAX) {
        size_t at = str_find(text, directive);
        if (at == text.size) return true;
        text = str_slice(text, at + directive.size, text.size);
        count++;
    }
    return false;
}

static struct str without_bom(struct str text) {
    return str_starts_with(text, STR("\xEF\xBB\xBF")) ? str_slice(text, 3, text.size) : text;
}

static void parser_start(yaml_parser_t *parser, struct str text) {
    int ok = yaml_parser_initialize(parser);

    assert(ok);
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(
            parser, (const unsigned char *)(text.data ? text.data : ""), text.size);
}

static bool read_events(struct reader *reader) {
    while (!reader->done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event)) return fail_parser(reader);
        bool ok = on_event(reader, &event);
        yaml_event_delete(&event);
        if (!ok) return false;
    }
    return true;
}

bool yaml_read(struct str text, const struct yaml_limits *limits, struct arena *arena,
        struct json *ret, struct err *err) {
    struct reader reader = { .limits = limits, .arena = arena, .err = err };

    assert(limits->depth_max && limits->nodes_max && limits->size_max);
    if (text.size > limits->size_max) {
        return err_set(err, ERR_TOO_LARGE, "the text has %zu bytes; %zu are allowed", text.size,
                limits->size_max);
    }
    text = without_bom(text);
    if (!has_few_tag_directives(text))
        return err_set(err, ERR_TOO_LARGE, "line 1, column 1: too many %%TAG directives");
    reader.frames = arena_new_many(arena, struct frame, limits->depth_max);
    parser_start(&reader.parser, text);
    bool ok = read_events(&reader);
    yaml_parser_delete(&reader.parser);
    if (ok) *ret = reader.root;
    return ok;
}

/* ---- finding places ---- */

struct place {
    size_t index;
    bool is_object, wants_key;
};

struct finder {
    struct locate_target *targets;
    size_t count;
    uint32_t depth;
    struct place places[LIMIT_DEPTH + 1];
    bool started, done;
};

static struct json_position position_of(yaml_mark_t mark) {
    return (struct json_position){ .line = (uint32_t)mark.line + 1,
        .column = (uint32_t)mark.column + 1 };
}

/* A value begins (or, with `key`, a key stands here); the innermost place is told. */
static void find_node(struct finder *finder, const struct str *key, yaml_mark_t mark) {
    struct place *place = &finder->places[finder->depth];

    if (!finder->started) locate_begin(finder->targets, finder->count, position_of(mark));
    finder->started = true;
    if (finder->depth == 0) return;
    if (!place->is_object) {
        locate_item(
                finder->targets, finder->count, finder->depth, place->index++, position_of(mark));
    } else if (place->wants_key && key) {
        locate_key(finder->targets, finder->count, finder->depth, *key, position_of(mark));
    }
}

/* A value has ended, or a key. */
static void find_end(struct finder *finder) {
    struct place *place = &finder->places[finder->depth];
    bool was_key = finder->depth && place->is_object && place->wants_key;

    if (finder->depth) place->wants_key = !place->wants_key;
    if (!was_key) locate_leave(finder->targets, finder->count, finder->depth);
}

static bool find_open(struct finder *finder, bool is_object, yaml_mark_t mark) {
    struct place *place = &finder->places[finder->depth];

    if (finder->depth == LIMIT_DEPTH || (finder->depth && place->is_object && place->wants_key))
        return false;
    find_node(finder, NULL, mark);
    finder->places[++finder->depth] = (struct place){ .is_object = is_object, .wants_key = true };
    return true;
}

static bool find_event(struct finder *finder, const yaml_event_t *event) {
    struct str text = STR_NULL;

    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_START_EVENT: return true;
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: finder->done = true; return true;
    case YAML_SCALAR_EVENT:
        text = (struct str){ (const char *)event->data.scalar.value, event->data.scalar.length };
        find_node(finder, &text, event->start_mark);
        find_end(finder);
        return true;
    case YAML_ALIAS_EVENT:
        find_node(finder, NULL, event->start_mark);
        find_end(finder);
        return true;
    case YAML_SEQUENCE_START_EVENT: return find_open(finder, false, event->start_mark);
    case YAML_MAPPING_START_EVENT: return find_open(finder, true, event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        finder->depth--;
        find_end(finder);
        return true;
    }
    return false;
}

bool yaml_locate_all(struct str text, struct locate_target *targets, size_t count) {
    struct finder finder = { .targets = targets, .count = count };
    yaml_parser_t parser;
    bool ok = true;

    text = without_bom(text);
    if (!has_few_tag_directives(text)) return false;
    parser_start(&parser, text);
    while (ok && !finder.done) {
        yaml_event_t event;
        ok = yaml_parser_parse(&parser, &event);
        if (!ok) break;
        ok = find_event(&finder, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return ok && finder.started;
}

/* libyaml counts characters and takes a carriage return, NEL, LS and PS for line ends too; so
 * the way back to bytes is by its count. */
static size_t offset_of(struct str text, struct json_position position) {
    size_t offset = str_starts_with(text, STR("\xEF\xBB\xBF")) ? 3 : 0;

    for (uint32_t line = 1; line < position.line && offset < text.size; line++) {
        while (offset < text.size) {
            struct str rest = str_slice(text, offset, text.size);
            size_t size =
                    str_starts_with(rest, STR("\r\n")) || str_starts_with(rest, STR("\xC2\x85")) ? 2
                    : rest.data[0] == '\n' || rest.data[0] == '\r'                               ? 1
                    : str_starts_with(rest, STR("\xE2\x80\xA8"))
                            || str_starts_with(rest, STR("\xE2\x80\xA9"))
                    ? 3
                    : 0;
            offset += size ? size : 1;
            if (size) break;
        }
    }
    for (uint32_t column = 1; column < position.column && offset < text.size; column++) {
        offset++;
        while (offset < text.size && ((unsigned char)text.data[offset] & 0xC0) == 0x80)
            offset++;
    }
    return offset;
}

bool yaml_locate(struct str text, struct str pointer, struct json_position *ret) {
    struct locate_target target = { .pointer = pointer };

    if (!yaml_locate_all(text, &target, 1)) return false;
    target.position.offset = offset_of(text, target.position);
    *ret = target.position;
    return true;
}

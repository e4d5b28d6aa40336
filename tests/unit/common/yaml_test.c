#include "common/yaml.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/limits.h"
#include "common/locate.h"

static const struct yaml_limits limits = {
    .size_max = LIMIT_DEFINITION,
    .depth_max = LIMIT_DEPTH_DEFINITION,
    .nodes_max = LIMIT_YAML_NODES,
};

/* ---- what is read ---- */

static const struct {
    const char *yaml, *json;
} readings[] = {
    { "a: 1", "{\"a\":1}" },
    { "", NULL },
    { "# nothing\n", NULL },
    { "--- ~", "null" },
    { "[NO, no, yes, on, off, y, 12:30, 1_000, 0777x, 1e, .e1, -, +, 0x, 0b1, 1.2.3, 2026-07-29]",
            "[\"NO\",\"no\",\"yes\",\"on\",\"off\",\"y\",\"12:30\",\"1_000\",\"0777x\",\"1e\",\"."
            "e1\",\"-\",\"+\",\"0x\",\"0b1\",\"1.2.3\",\"2026-07-29\"]" },
    { "[null, Null, NULL, ~, nULL, '']", "[null,null,null,null,\"nULL\",\"\"]" },
    { "[true, True, TRUE, tRUE, false, False, FALSE]",
            "[true,true,true,\"tRUE\",false,false,false]" },
    { "[0, -0, 7, +7, 007, -007, 0x1F, 0xfF, 0o17, 0777]", "[0,-0,7,7,7,-7,31,255,15,777]" },
    { "[1.50, .5, 5., -.5, 1e3, 1E+3, 1.e2, 00.10, 9007199254740993, 0.30000000000000004]",
            "[1.50,0.5,5,-0.5,1e3,1E+3,1e2,0.10,9007199254740993,0.30000000000000004]" },
    { "[0xFFFFFFFFFFFFFFFF, 123456789012345678901234567890]",
            "[18446744073709551615,123456789012345678901234567890]" },
    { "0x10000000000000000", NULL },
    { ".inf", NULL },
    { "-.INF", NULL },
    { ".NaN", NULL },
    { "'.inf'", "\".inf\"" },
    { "[!!str 1, !!int '1', !!float 1, !!null '', !!bool 'true', !!seq [], !!map {}]",
            "[\"1\",1,1,null,true,[],{}]" },
    { "!!int x", NULL },
    { "!!binary aGk=", NULL },
    { "!mine x", NULL },
    { "!!set {a}", NULL },
    { "!!map []", NULL },
    { "{1: a, true: b, ~: c, 1.50: d, '': e}",
            "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\",\"1.50\":\"d\",\"\":\"e\"}" },
    { "{a: 1, a: 2}", NULL },
    { "{a: 1, 'a': 2}", NULL },
    { "? [a]\n: b", NULL },
    { "? {a: b}\n: c", NULL },
    { "{&x a: 1, b: *x}", "{\"a\":1,\"b\":\"a\"}" },
    { "{b: &x 0x10, *x : 1}", "{\"b\":16,\"16\":1}" },
    { "{a: &x [1, 2], b: *x, c: *x}", "{\"a\":[1,2],\"b\":[1,2],\"c\":[1,2]}" },
    { "[&x 1, &x 2, *x]", "[1,2,2]" },
    { "[*x]", NULL },
    { "&x [*x]", NULL },
    { "{a: &x {p: 1, q: 2}, b: {<<: *x, q: 3}}",
            "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1}}" },
    { "{a: &x {p: 1}, b: &y {p: 2, r: 3}, c: {<<: [*x, *y]}}",
            "{\"a\":{\"p\":1},\"b\":{\"p\":2,\"r\":3},\"c\":{\"p\":1,\"r\":3}}" },
    { "{a: {q: 3, <<: {q: 4, p: 1}}}", "{\"a\":{\"q\":3,\"p\":1}}" },
    { "{'<<': 1}", "{\"<<\":1}" },
    { "{<<: 1}", NULL },
    { "{<<: [1]}", NULL },
    { "{<<: {a: 1}, <<: {b: 1}}", NULL },
    { "a: 1\n---\nb: 2", NULL },
    { "a: 1\n...\n", "{\"a\":1}" },
    { "\xEF\xBB\xBF"
      "a: 1",
            "{\"a\":1}" },
    { "a: \"\\0\\u00e9\\U0001F600\"", "{\"a\":\"\\u0000\xC3\xA9\xF0\x9F\x98\x80\"}" },
    { "a: '\xC3'", NULL },
    { "a: |\n  x\n  y\nb: >-\n  p\n  q\n", "{\"a\":\"x\\ny\\n\",\"b\":\"p q\"}" },
    { "%TAG ! tag:yaml.org,2002:\n--- !int 3", "3" },
    { "{\"a\": [1, {\"b\": null}]}", "{\"a\":[1,{\"b\":null}]}" },
};

static void reads_the_core_schema(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(readings); i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct json value;
        struct err err = { 0 };
        bool ok = yaml_read(str_from(readings[i].yaml), &limits, arena, &value, &err);
        if (ok != (readings[i].json != NULL))
            fail_msg("%s: %s", readings[i].yaml, ok ? "read" : err.message);
        if (!ok) {
            assert_int_equal(err.code, ERR_MALFORMED);
            assert_non_null(strstr(err.message, "line "));
            continue;
        }
        const char *text = str_to_c(json_to_str(value, arena), arena);
        if (strcmp(text, readings[i].json) != 0)
            fail_msg("%s: %s, not %s", readings[i].yaml, text, readings[i].json);
    }
}

static const struct {
    const char *yaml, *message;
} messages[] = {
    { "a: 1\nb:\n  c: 2\n  c: 3\n", "line 4, column 3: the key 'c' stands twice in this mapping" },
    { "a:\n\tb: 2\n",
            "line 2, column 1: found character that cannot start any token while scanning for the "
            "next token from line 2, column 1; "
            "indent with spaces, not tabs, and quote a text that begins with @, ` or %" },
    { "a: 1\n\tb: 2\n",
            "line 2, column 1: found a tab character that violates indentation while scanning a "
            "plain scalar from line 1, column 4; "
            "indent with spaces" },
    { "a: b: c\n",
            "line 1, column 5: mapping values are not allowed in this context; quote a text that "
            "contains ': ', and check the indentation" },
    { "a: .inf\n",
            "line 1, column 4: infinity and NaN cannot be written in JSON; quote it if a text is "
            "meant" },
    { "a: 1\n---\nb: 1\n", "line 2, column 1: a second document begins here; only one is allowed" },
    { "a: 1\n\xC3\xA9: '\xC3(", "line 2, column 6: invalid trailing UTF-8 octet" },
    { "a: !x y\n",
            "line 1, column 4: tags other than the core schema's (!!str, !!int, ...) are not "
            "supported" },
};

static void names_line_and_column(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct json value;
        struct err err;
        assert_false(yaml_read(str_from(messages[i].yaml), &limits, arena, &value, &err));
        assert_string_equal(err.message, messages[i].message);
    }
}

/* ---- bombs ---- */

enum { BOMB_MEMORY_MAX = 32 * 1024 * 1024 };

static void repeat(struct buf *buf, const char *text, size_t count) {
    for (size_t i = 0; i < count; i++)
        buf_append_c(buf, text);
}

/* Each alias doubles, or multiplies by ten, what the one before it stands for. */
static void aliases(
        struct buf *buf, unsigned levels, unsigned width, const char *open, const char *close) {
    buf_append_format(buf, "a0: &a0 [x]\n");
    for (unsigned i = 1; i <= levels; i++) {
        buf_append_format(buf, "a%u: &a%u %s", i, i, open);
        for (unsigned j = 0; j < width; j++) {
            buf_append_format(
                    buf, *open == '{' ? "k%u: *a%u, " : "%.0u*a%u, ", *open == '{' ? j : 0, i - 1);
        }
        buf_append_format(buf, "%s\n", close);
    }
}

static void bomb_flow_sequences(struct buf *buf) {
    repeat(buf, "[", 200 * 1000);
}
static void bomb_flow_mappings(struct buf *buf) {
    repeat(buf, "{a: ", 200 * 1000);
}
static void bomb_block_sequences(struct buf *buf) {
    repeat(buf, "- ", 400 * 1000);
}
static void bomb_explicit_keys(struct buf *buf) {
    repeat(buf, "? ", 400 * 1000);
}
static void bomb_laughs(struct buf *buf) {
    aliases(buf, 9, 10, "[", "]");
}
static void bomb_laughs_in_mappings(struct buf *buf) {
    aliases(buf, 9, 10, "{", "}");
}
static void bomb_quadratic_alias(struct buf *buf) {
    buf_append_c(buf, "a: &a [");
    repeat(buf, "1,", 50 * 1000);
    buf_append_c(buf, "]\nb: [");
    repeat(buf, "*a,", 50 * 1000);
    buf_append_c(buf, "]\n");
}
static void bomb_alias_depth(struct buf *buf) {
    aliases(buf, 100, 1, "[", "]");
}
static void bomb_merges(struct buf *buf) {
    buf_append_c(buf, "a: &a {");
    for (unsigned i = 0; i < 2000; i++)
        buf_append_format(buf, "k%u: 1, ", i);
    buf_append_c(buf, "}\n");
    for (unsigned i = 0; i < 20 * 1000; i++)
        buf_append_format(buf, "b%u: {<<: *a}\n", i);
}
static void bomb_scalar(struct buf *buf) {
    buf_append_c(buf, "a: '");
    repeat(buf, "x", LIMIT_DEFINITION);
    buf_append_c(buf, "'");
}
static void bomb_items(struct buf *buf) {
    buf_append_c(buf, "[");
    repeat(buf, "[],", 300 * 1000);
    buf_append_c(buf, "]");
}
static void bomb_tag_directives(struct buf *buf) {
    for (unsigned i = 0; i < 60 * 1000; i++)
        buf_append_format(buf, "%%TAG !%u! a\n", i);
    buf_append_c(buf, "--- a\n");
}
static void bomb_directives_of_a_second_document(struct buf *buf) {
    buf_append_c(buf, "a: 1\n...\n");
    for (unsigned i = 0; i < 17; i++)
        buf_append_format(buf, "%%TAG !%u! a\n", i);
}

static const struct {
    const char *name;
    void (*make)(struct buf *buf);
    enum err_code code;
} bombs[] = {
    { "flow sequences in flow sequences", bomb_flow_sequences, ERR_MALFORMED },
    { "flow mappings in flow mappings", bomb_flow_mappings, ERR_MALFORMED },
    { "block sequences on one line", bomb_block_sequences, ERR_MALFORMED },
    { "explicit keys in explicit keys", bomb_explicit_keys, ERR_MALFORMED },
    { "a billion laughs", bomb_laughs, ERR_TOO_LARGE },
    { "a billion laughs in mappings", bomb_laughs_in_mappings, ERR_TOO_LARGE },
    { "a long list, many times", bomb_quadratic_alias, ERR_TOO_LARGE },
    { "depth by aliases", bomb_alias_depth, ERR_MALFORMED },
    { "a large mapping merged often", bomb_merges, ERR_TOO_LARGE },
    { "a scalar larger than a definition", bomb_scalar, ERR_TOO_LARGE },
    { "many empty lists", bomb_items, ERR_TOO_LARGE },
    { "tag directives", bomb_tag_directives, ERR_TOO_LARGE },
    { "tag directives behind the document", bomb_directives_of_a_second_document, ERR_TOO_LARGE },
};

static void refuses_bombs(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bombs); i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        SCOPED(buf_clear) struct buf buf = { 0 };
        struct json value;
        struct err err = { 0 };
        buf_init(&buf, 8 * 1024 * 1024);
        bombs[i].make(&buf);
        assert_false(buf_is_over(&buf));
        if (yaml_read(buf_str(&buf), &limits, arena, &value, &err))
            fail_msg("%s: read", bombs[i].name);
        if (err.code != bombs[i].code) fail_msg("%s: %s", bombs[i].name, err.message);
        if (arena_used(arena) > BOMB_MEMORY_MAX)
            fail_msg("%s: %zu bytes", bombs[i].name, arena_used(arena));
    }
}

/* Within the limits all is well: as many anchors, keys and items as the node limit allows. */
static void reads_large_documents(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    SCOPED(buf_clear) struct buf buf = { 0 };
    struct json value;
    struct err err = { 0 };

    (void)state;
    buf_init(&buf, LIMIT_DEFINITION);
    for (unsigned i = 0; i < 30 * 1000; i++)
        buf_append_format(&buf, "k%u: &a%u v\n", i, i);
    assert_false(buf_is_over(&buf));
    if (!yaml_read(buf_str(&buf), &limits, arena, &value, &err)) fail_msg("%s", err.message);
    assert_int_equal(json_size(value), 30 * 1000);
    buf_reset(&buf);
    repeat(&buf, "[", LIMIT_DEPTH_DEFINITION);
    repeat(&buf, "]", LIMIT_DEPTH_DEFINITION);
    if (!yaml_read(buf_str(&buf), &limits, arena, &value, &err)) fail_msg("%s", err.message);
    buf_reset(&buf);
    repeat(&buf, "[", LIMIT_DEPTH_DEFINITION + 1);
    repeat(&buf, "]", LIMIT_DEPTH_DEFINITION + 1);
    assert_false(yaml_read(buf_str(&buf), &limits, arena, &value, &err));
    assert_int_equal(err.code, ERR_MALFORMED);
}

/* ---- places ---- */

static const char placed[] = "# a comment\n"
                             "document:\n"
                             "  dsl: '1.0.3'\n"
                             "do:\n"
                             "  - first:\n"
                             "      set: { a/b: 1, \xC3\xA9: [10, 20], z~: 3 }\n"
                             "  - second: &x\n"
                             "      call: http\n"
                             "  - third: *x\n";

static const struct {
    const char *pointer, *text;
    uint32_t line, column;
} places[] = {
    { "", "document", 2, 1 },
    { "/document", "document", 2, 1 },
    { "/document/dsl", "dsl", 3, 3 },
    { "/document/none", "document", 2, 1 },
    { "/do/0", "first", 5, 5 },
    { "/do/0/first", "first", 5, 5 },
    { "/do/0/first/set/a~1b", "a/b", 6, 14 },
    { "/do/0/first/set/\xC3\xA9", "\xC3\xA9", 6, 22 },
    { "/do/0/first/set/\xC3\xA9/1", "20", 6, 30 },
    { "/do/0/first/set/z~0", "z~", 6, 35 },
    { "/do/1/second/call", "call", 8, 7 },
    { "/do/2/third/call", "third", 9, 5 },
    { "/do/7", "do", 4, 1 },
    { "/document/0", "document", 2, 1 },
    { "/do/1/first", "second", 7, 5 },
};

static void finds_places_in_yaml(void **state) {
    struct locate_target targets[ARRAY_SIZE(places)];

    (void)state;
    memset(targets, 0, sizeof(targets));
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct json_position at;
        assert_true(yaml_locate(str_from(placed), str_from(places[i].pointer), &at));
        if (at.line != places[i].line || at.column != places[i].column) {
            fail_msg("%s: line %u, column %u", places[i].pointer, at.line, at.column);
        }
        assert_memory_equal(placed + at.offset, places[i].text, strlen(places[i].text));
        targets[i].pointer = str_from(places[i].pointer);
    }
    assert_true(yaml_locate_all(str_from(placed), targets, ARRAY_SIZE(targets)));
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        assert_int_equal(targets[i].position.line, places[i].line);
        assert_int_equal(targets[i].position.column, places[i].column);
    }
    struct json_position at;
    assert_false(yaml_locate(STR("["), STR("/0"), &at));
    assert_false(yaml_locate(STR(""), STR("/0"), &at));
}

static const char placed_json[] =
        "{\n"
        "  \"a\" : [1, {\"b\": null}, \"]\\\"\"],\n"
        "  \"\\u00e9\\ud83d\\ude00\": {\"c/d\": {}, \"e\": [[], -1.5e3]},\n"
        "  \"last\":true\n"
        "}\n";

static const struct {
    const char *pointer;
    uint32_t line, column;
} places_json[] = {
    { "", 1, 1 },
    { "/a", 2, 3 },
    { "/a/0", 2, 10 },
    { "/a/1/b", 2, 14 },
    { "/a/2", 2, 26 },
    { "/a/3", 2, 3 },
    { "/\xC3\xA9\xF0\x9F\x98\x80/c~1d", 3, 26 },
    { "/\xC3\xA9\xF0\x9F\x98\x80/e/1", 3, 47 },
    { "/last", 4, 3 },
    { "/last/x", 4, 3 },
    { "/none", 1, 1 },
    { "/a/e", 2, 3 },
};

static void finds_places_in_json(void **state) {
    struct locate_target targets[ARRAY_SIZE(places_json)];

    (void)state;
    memset(targets, 0, sizeof(targets));
    for (size_t i = 0; i < ARRAY_SIZE(places_json); i++)
        targets[i].pointer = str_from(places_json[i].pointer);
    assert_true(json_locate(str_from(placed_json), targets, ARRAY_SIZE(targets)));
    for (size_t i = 0; i < ARRAY_SIZE(places_json); i++) {
        if (targets[i].position.line != places_json[i].line
                || targets[i].position.column != places_json[i].column) {
            fail_msg("%s: line %u, column %u", places_json[i].pointer, targets[i].position.line,
                    targets[i].position.column);
        }
    }
    for (size_t size = 0; size < sizeof(placed_json) - 1; size++) {
        bool whole =
                size == sizeof(placed_json) - 2; /* without the last line end it is whole, too */
        assert_true(
                json_locate(str_slice(str_from(placed_json), 0, size), targets, ARRAY_SIZE(targets))
                == whole);
    }
}

/* ---- the YAML test suite ---- */

/* Cases that we refuse on purpose, and those that libyaml 0.2.5 reads otherwise than YAML 1.2.2
 * says. */
static const struct {
    const char *id;
    int index;
    const char *reason;
} excluded[] = {
    { "2XXW", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "565N", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "6CK3", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "7FWL", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "C4HZ", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "CC74", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "CUP7", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "J7PZ", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "M5C3", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "P76L", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "UGM3", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "Z67P", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "Z9M4", 0, "a tag that is not the core schema's is refused, on purpose" },
    { "2LFX", 0, "a directive of no known name, or for a YAML to come, is refused" },
    { "6LVF", 0, "a directive of no known name, or for a YAML to come, is refused" },
    { "MUS6", 5, "a directive of no known name, or for a YAML to come, is refused" },
    { "MUS6", 6, "a directive of no known name, or for a YAML to come, is refused" },
    { "ZYU8", 1, "a directive of no known name, or for a YAML to come, is refused" },
    { "ZYU8", 2, "a directive of no known name, or for a YAML to come, is refused" },
    { "ZYU8", 3, "a directive of no known name, or for a YAML to come, is refused" },
    { "BEC7", 0, "a directive of no known name, or for a YAML to come, is refused" },
    { "6BCT", 0, "libyaml: tabs between tokens or in blank lines are refused" },
    { "6CA3", 0, "libyaml: tabs between tokens or in blank lines are refused" },
    { "96NN", 0, "libyaml: tabs between tokens or in blank lines are refused" },
    { "96NN", 1, "libyaml: tabs between tokens or in blank lines are refused" },
    { "A2M4", 0, "libyaml: tabs between tokens or in blank lines are refused" },
    { "DK95", 0, "libyaml: tabs between tokens or in blank lines are refused" },
    { "DK95", 3, "libyaml: tabs between tokens or in blank lines are refused" },
    { "DK95", 4, "libyaml: tabs between tokens or in blank lines are refused" },
    { "Q5MG", 0, "libyaml: tabs between tokens or in blank lines are refused" },
    { "R4YG", 0, "libyaml: tabs between tokens or in blank lines are refused" },
    { "Y79Y", 1, "libyaml: tabs between tokens or in blank lines are refused" },
    { "Y79Y", 10, "libyaml: tabs between tokens or in blank lines are refused" },
    { "4MUZ", 0, "libyaml: in flow, the colon stands on the line of its key" },
    { "4MUZ", 1, "libyaml: in flow, the colon stands on the line of its key" },
    { "4MUZ", 2, "libyaml: in flow, the colon stands on the line of its key" },
    { "5MUD", 0, "libyaml: in flow, the colon stands on the line of its key" },
    { "9SA2", 0, "libyaml: in flow, the colon stands on the line of its key" },
    { "K3WX", 0, "libyaml: in flow, the colon stands on the line of its key" },
    { "NJ66", 0, "libyaml: in flow, the colon stands on the line of its key" },
    { "VJP3", 1, "libyaml: in flow, the colon stands on the line of its key" },
    { "58MP", 0, "libyaml: in flow, a plain text does not begin with a colon or a question mark" },
    { "5T43", 0, "libyaml: in flow, a plain text does not begin with a colon or a question mark" },
    { "652Z", 0, "libyaml: in flow, a plain text does not begin with a colon or a question mark" },
    { "DBG4", 0, "libyaml: in flow, a plain text does not begin with a colon or a question mark" },
    { "HM87", 0, "libyaml: in flow, a plain text does not begin with a colon or a question mark" },
    { "HM87", 1, "libyaml: in flow, a plain text does not begin with a colon or a question mark" },
    { "Y2GN", 0, "libyaml: in flow, a plain text does not begin with a colon or a question mark" },
    { "2SXE", 0, "libyaml: names of anchors are letters, digits, - and _" },
    { "8XYN", 0, "libyaml: names of anchors are letters, digits, - and _" },
    { "W5VH", 0, "libyaml: names of anchors are letters, digits, - and _" },
    { "DK3J", 0, "libyaml: a block text at the top is indented" },
    { "FP8R", 0, "libyaml: a block text at the top is indented" },
    { "JEF9", 2, "libyaml: a last line of spaces without its end is no line" },
    { "L24T", 1, "libyaml: a last line of spaces without its end is no line" },
};

enum { SUITE_PASSED = 204, SUITE_REFUSED = 82, SUITE_ACCEPTED = 12 /* libyaml is lenient there */ };

struct suite {
    struct arena *arena;
    size_t passed, refused, excluded, left_out, accepted;
};

static bool is_excluded(struct str id, int index) {
    for (size_t i = 0; i < ARRAY_SIZE(excluded); i++) {
        if (str_equal(id, str_from(excluded[i].id)) && excluded[i].index == index) return true;
    }
    return false;
}

/* The suite shows spaces, tabs and line ends by visible characters. */
static struct str unmasked(struct str text, struct arena *arena) {
    static const struct {
        const char *shown, *meant;
    } masks[] = {
        { "\xE2\x90\xA3", " " },
        { "\xC2\xBB", "\t" },
        { "\xE2\x80\x94", "" },
        { "\xE2\x86\xB5", "" },
        { "\xE2\x88\x8E\n", "" },
        { "\xE2\x86\x90", "\r" },
        { "\xE2\x87\x94", "\xEF\xBB\xBF" },
    };
    char *out = arena_alloc(arena, text.size + 1);
    size_t size = 0;

    for (size_t i = 0; i < text.size;) {
        struct str rest = str_slice(text, i, text.size);
        size_t mask = 0;
        while (mask < ARRAY_SIZE(masks) && !str_starts_with(rest, str_from(masks[mask].shown)))
            mask++;
        if (mask == ARRAY_SIZE(masks)) {
            out[size++] = text.data[i++];
            continue;
        }
        for (const char *c = masks[mask].meant; *c; c++)
            out[size++] = *c;
        i += strlen(masks[mask].shown);
    }
    return (struct str){ out, size };
}

static void run_case(struct suite *suite, struct str id, int index, struct json item) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct str yaml = unmasked(json_str(json_get(item, STR("yaml"))), arena);
    struct json expected, value;
    struct err err = { 0 };
    bool must_fail = json_is_truthy(json_get(item, STR("fail")));
    bool ok = yaml_read(yaml, &limits, arena, &value, &err);

    if (must_fail) {
        ok ? suite->accepted++ : suite->refused++;
        return;
    }
    if (!json_read(json_str(json_get(item, STR("json"))), &(struct json_read_options){ 0 }, arena,
                &expected, NULL, &(struct err){ 0 })) {
        suite->left_out++; /* no JSON form, or several documents */
        return;
    }
    if (is_excluded(id, index)) {
        if (ok && json_equal(value, expected))
            fail_msg(STR_FMT "/%d passes; its exclusion can go", STR_ARG(id), index);
        suite->excluded++;
        return;
    }
    if (!ok || !json_equal(value, expected)) {
        print_error("{ \"" STR_FMT "\", %d, \"%s\" },\n", STR_ARG(id), index,
                ok ? str_to_c(json_to_str(value, arena), arena) : err.message);
        return;
    }
    suite->passed++;
}

/* Cases of one file take over what they do not say from the case before. */
static void run_file(struct suite *suite, const char *path, struct str id) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    SCOPED(buf_clear) struct buf buf = { 0 };
    FILE *file = fopen(path, "rb");
    struct json cases, inherited = json_object(arena, 0);
    struct err err = { 0 };

    assert_non_null(file);
    buf_init(&buf, LIMIT_DEFINITION);
    char *to = buf_reserve(&buf, 256 * 1024);
    buf.size = fread(to, 1, 256 * 1024, file);
    fclose(file);
    if (!yaml_read(buf_str(&buf), &limits, arena, &cases, &err))
        fail_msg("%s: %s", path, err.message);
    for (size_t i = 0; i < json_size(cases); i++) {
        struct json item = json_at(cases, i);
        inherited = json_merge(json_remove(inherited, STR("fail"), arena), item, arena);
        if (!json_has(item, STR("skip"))) run_case(suite, id, (int)i, inherited);
    }
}

static void passes_the_suite(void **state) {
    const char *shared = getenv("PENSTOCK_SHARED");
    char folder[1024], path[2048];
    struct suite suite = { 0 };
    struct dirent *entry;

    (void)state;
    snprintf(folder, sizeof(folder), "%s/data/yaml-test-suite/src", shared ? shared : "../shared");
    DIR *dir = opendir(folder);
    if (!dir) {
        printf("skipped: %s is not there; PENSTOCK_SHARED names the folder of test data\n", folder);
        skip();
    }
    while ((entry = readdir(dir))) {
        struct str name = str_from(entry->d_name);
        if (!str_ends_with(name, STR(".yaml"))) continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        run_file(&suite, path, str_slice(name, 0, name.size - 5));
    }
    closedir(dir);
    printf("yaml-test-suite: %zu passed, %zu refused as they should; %zu accepted though wrong; "
           "%zu excluded; %zu without one JSON document\n",
            suite.passed, suite.refused, suite.accepted, suite.excluded, suite.left_out);
    assert_int_equal(suite.passed, SUITE_PASSED);
    assert_int_equal(suite.refused, SUITE_REFUSED);
    assert_int_equal(suite.accepted, SUITE_ACCEPTED);
    assert_int_equal(suite.excluded, ARRAY_SIZE(excluded));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_core_schema),
        cmocka_unit_test(names_line_and_column),
        cmocka_unit_test(refuses_bombs),
        cmocka_unit_test(reads_large_documents),
        cmocka_unit_test(finds_places_in_yaml),
        cmocka_unit_test(finds_places_in_json),
        cmocka_unit_test(passes_the_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Functions of jq's own that are not functions of values: some become nodes, where that is
 * cheaper or where no definition in jq would do; the others are written in jq, and compiled by
 * whoever uses them. */
#include <string.h>

#include "core/expression_internal.h"

static const struct node *make(struct parser *parser, enum node_type type) {
    return node_done(parser, node_new(parser, type));
}

static const struct node *identity(struct parser *parser) {
    return make(parser, NODE_IDENTITY);
}

static const struct node *number(struct parser *parser, double value) {
    return node_literal(parser, json_number(value));
}

static const struct node *items(struct parser *parser) {
    return node_of(parser, NODE_ITERATE, identity(parser), NULL);
}

static const struct node *each(struct parser *parser, const struct node *node) {
    return node_of(parser, NODE_PIPE, items(parser), node);
}

static const struct node *array(struct parser *parser, const struct node *node) {
    return node_of(parser, NODE_ARRAY, node, NULL);
}

static const struct node *call(struct parser *parser, const char *name) {
    return node_native(parser, name, NULL, 0);
}

static const struct node *with_op(struct parser *parser, enum node_type type, uint8_t op,
        const struct node *first, const struct node *second) {
    if (!first) return NULL;
    struct node *node = node_new(parser, type);
    node->op = op;
    node->first = first;
    node->second = second;
    return node_done(parser, node);
}

static const struct node *choose(struct parser *parser, const struct node *condition) {
    struct node *node = node_new(parser, NODE_IF);

    node->first = condition;
    node->second = identity(parser);
    node->third = make(parser, NODE_EMPTY);
    return node_done(parser, node);
}

static const struct node *make_empty(struct parser *parser, const struct node **list) {
    (void)list;
    return make(parser, NODE_EMPTY);
}

static const struct node *make_error(struct parser *parser, const struct node **list) {
    (void)list;
    return node_of(parser, NODE_ERROR, identity(parser), NULL);
}

static const struct node *make_error_of(struct parser *parser, const struct node **list) {
    return node_of(parser, NODE_ERROR, list[0], NULL);
}

static const struct node *make_map(struct parser *parser, const struct node **list) {
    return array(parser, each(parser, list[0]));
}

static const struct node *make_select(struct parser *parser, const struct node **list) {
    return choose(parser, list[0]);
}

static const struct node *make_path(struct parser *parser, const struct node **list) {
    return node_of(parser, NODE_PATH, list[0], NULL);
}

static const struct node *make_getpath(struct parser *parser, const struct node **list) {
    return node_of(parser, NODE_GETPATH, list[0], NULL);
}

static const struct node *make_recurse(struct parser *parser, const struct node **list) {
    (void)list;
    return make(parser, NODE_RECURSE);
}

static const struct node *make_recurse_by(struct parser *parser, const struct node **list) {
    return node_of(parser, NODE_RECURSE, list[0], NULL);
}

static const struct node *make_recurse_while(struct parser *parser, const struct node **list) {
    return node_of(parser, NODE_RECURSE,
            node_of(parser, NODE_PIPE, list[0], choose(parser, list[1])), NULL);
}

static const struct node *make_first(struct parser *parser, const struct node **list) {
    return node_of(parser, NODE_FIRST, list[0], NULL);
}

static const struct node *make_limit(struct parser *parser, const struct node **list) {
    return node_of(parser, NODE_LIMIT, list[0], list[1]);
}

static const struct node *make_item(struct parser *parser, const struct node *index) {
    return node_of(parser, NODE_INDEX, identity(parser), index);
}

static const struct node *make_first_item(struct parser *parser, const struct node **list) {
    (void)list;
    return make_item(parser, number(parser, 0));
}

static const struct node *make_last_item(struct parser *parser, const struct node **list) {
    (void)list;
    return make_item(parser, number(parser, -1));
}

static const struct node *make_nth_item(struct parser *parser, const struct node **list) {
    return make_item(parser, list[0]);
}

static const struct node *make_any(struct parser *parser, const struct node **list) {
    (void)list;
    return with_op(parser, NODE_ANY, ANY_TRUE, items(parser), NULL);
}

static const struct node *make_any_by(struct parser *parser, const struct node **list) {
    return with_op(parser, NODE_ANY, ANY_TRUE, each(parser, list[0]), NULL);
}

static const struct node *make_any_of(struct parser *parser, const struct node **list) {
    return with_op(parser, NODE_ANY, ANY_TRUE, node_of(parser, NODE_PIPE, list[0], list[1]), NULL);
}

static const struct node *make_all(struct parser *parser, const struct node **list) {
    (void)list;
    return with_op(parser, NODE_ANY, ANY_FALSE, items(parser), NULL);
}

static const struct node *make_all_by(struct parser *parser, const struct node **list) {
    return with_op(parser, NODE_ANY, ANY_FALSE, each(parser, list[0]), NULL);
}

static const struct node *make_all_of(struct parser *parser, const struct node **list) {
    return with_op(parser, NODE_ANY, ANY_FALSE, node_of(parser, NODE_PIPE, list[0], list[1]), NULL);
}

static const struct node *make_isempty(struct parser *parser, const struct node **list) {
    return with_op(parser, NODE_ANY, ANY_VALUE, list[0], NULL);
}

static const struct node *make_in(struct parser *parser, const struct node **list) {
    const struct node *same =
            with_op(parser, NODE_BINARY, OPERATOR_EQUAL, list[0], identity(parser));

    return with_op(parser, NODE_ANY, ANY_TRUE, same, NULL);
}

static const struct node *make_in_of(struct parser *parser, const struct node **list) {
    const struct node *same = with_op(parser, NODE_BINARY, OPERATOR_EQUAL, list[0], list[1]);

    return with_op(parser, NODE_ANY, ANY_TRUE, same, NULL);
}

static const struct node *range(struct parser *parser, const struct node *from,
        const struct node *upto, const struct node *by) {
    struct node *node = node_new(parser, NODE_RANGE);

    node->first = from;
    node->second = upto;
    node->third = by;
    return node_done(parser, node);
}

static const struct node *make_range(struct parser *parser, const struct node **list) {
    return range(parser, number(parser, 0), list[0], number(parser, 1));
}

static const struct node *make_range_from(struct parser *parser, const struct node **list) {
    return range(parser, list[0], list[1], number(parser, 1));
}

static const struct node *make_range_by(struct parser *parser, const struct node **list) {
    return range(parser, list[0], list[1], list[2]);
}

static const struct node *make_del(struct parser *parser, const struct node **list) {
    const struct node *paths = array(parser, node_of(parser, NODE_PATH, list[0], NULL));

    return paths ? node_native(parser, "delpaths", &paths, 1) : NULL;
}

static const struct node *make_map_values(struct parser *parser, const struct node **list) {
    return with_op(parser, NODE_UPDATE, UPDATE_FILTER, items(parser), list[0]);
}

static const struct node *make_with_entries(struct parser *parser, const struct node **list) {
    const struct node *mapped = array(parser, each(parser, list[0]));
    const struct node *rest = node_of(parser, NODE_PIPE, mapped, call(parser, "from_entries"));

    return node_of(parser, NODE_PIPE, call(parser, "to_entries"), rest);
}

static const struct node *make_add_of(struct parser *parser, const struct node **list) {
    return node_of(parser, NODE_PIPE, array(parser, list[0]), call(parser, "add"));
}

/* The functions that look at an array by a key: the native gets an array of the keys, each an
 * array itself. */
static const struct node *by_key(
        struct parser *parser, const char *native, const struct node *key) {
    const struct node *keys = array(parser, each(parser, array(parser, key)));

    return keys ? node_native(parser, native, &keys, 1) : NULL;
}

static const struct node *make_sort_by(struct parser *parser, const struct node **list) {
    return by_key(parser, "_sort_by", list[0]);
}

static const struct node *make_group_by(struct parser *parser, const struct node **list) {
    return by_key(parser, "_group_by", list[0]);
}

static const struct node *make_unique_by(struct parser *parser, const struct node **list) {
    return by_key(parser, "_unique_by", list[0]);
}

static const struct node *make_min_by(struct parser *parser, const struct node **list) {
    return by_key(parser, "_min_by", list[0]);
}

static const struct node *make_max_by(struct parser *parser, const struct node **list) {
    return by_key(parser, "_max_by", list[0]);
}

static const struct node *items_of(
        struct parser *parser, const char *native, const struct node **list, uint32_t count) {
    return node_of(parser, NODE_ITERATE, node_native(parser, native, list, count), NULL);
}

static const struct node *make_match(struct parser *parser, const struct node **list) {
    return items_of(parser, "_match", list, 1);
}

static const struct node *make_match_flags(struct parser *parser, const struct node **list) {
    return items_of(parser, "_match", list, 2);
}

static const struct node *make_splits(struct parser *parser, const struct node **list) {
    return items_of(parser, "_split", list, 1);
}

static const struct node *make_splits_flags(struct parser *parser, const struct node **list) {
    return items_of(parser, "_split", list, 2);
}

/* Sorted by name, then arity. */
static const struct definition_text definitions[] = {
    { "IN", 1, NULL, make_in },
    { "IN", 2, NULL, make_in_of },
    { "INDEX", 1, "def INDEX(f): INDEX(.[]; f);", NULL },
    { "INDEX", 2,
            "def INDEX(stream; f): reduce stream as $row ({};"
            " .[$row | f | if type != \"string\" then tojson else . end] = $row);",
            NULL },
    { "JOIN", 2, "def JOIN($index; f): [.[] | [., $index[f]]];", NULL },
    { "JOIN", 3, "def JOIN($index; stream; f): stream | [., $index[f]];", NULL },
    { "JOIN", 4, "def JOIN($index; stream; f; g): stream | [., $index[f]] | g;", NULL },
    { "abs", 0, "def abs: if . < 0 then -. else . end;", NULL },
    { "add", 1, NULL, make_add_of },
    { "all", 0, NULL, make_all },
    { "all", 1, NULL, make_all_by },
    { "all", 2, NULL, make_all_of },
    { "any", 0, NULL, make_any },
    { "any", 1, NULL, make_any_by },
    { "any", 2, NULL, make_any_of },
    { "arrays", 0, "def arrays: select(type == \"array\");", NULL },
    { "booleans", 0, "def booleans: select(type == \"boolean\");", NULL },
    { "capture", 1, "def capture($what): match($what) | _captured;", NULL },
    { "capture", 2, "def capture(re; flags): match(re; flags) | _captured;", NULL },
    { "combinations", 0,
            "def combinations: if length == 0 then [] else"
            " .[0][] as $x | (.[1:] | combinations) as $y | [$x] + $y end;",
            NULL },
    { "combinations", 1, "def combinations(n): . as $dot | [range(n) | $dot] | combinations;",
            NULL },
    { "date", 0, "def date: todate;", NULL },
    { "dateadd", 2, "def dateadd(u; n): . + n;", NULL },
    { "datesub", 2, "def datesub(u; n): . - n;", NULL },
    { "del", 1, NULL, make_del },
    { "empty", 0, NULL, make_empty },
    { "error", 0, NULL, make_error },
    { "error", 1, NULL, make_error_of },
    { "finites", 0, "def finites: select(isfinite);", NULL },
    { "first", 0, NULL, make_first_item },
    { "first", 1, NULL, make_first },
    { "fromstream", 1,
            "def fromstream(i): {x: null, e: false} as $start | foreach i as $i ($start;"
            " if .e then $start else . end | if $i | length == 2"
            " then setpath([\"e\"]; $i[0] | length == 0) | setpath([\"x\"] + $i[0]; $i[1])"
            " else setpath([\"e\"]; $i[0] | length == 1) end; if .e then .x else empty end);",
            NULL },
    { "getpath", 1, NULL, make_getpath },
    { "group_by", 1, NULL, make_group_by },
    { "gsub", 2, "def gsub($re; str): sub($re; str; \"g\");", NULL },
    { "gsub", 3, "def gsub($re; str; $flags): sub($re; str; $flags + \"g\");", NULL },
    { "in", 1, "def in(xs): . as $x | xs | has($x);", NULL },
    { "inside", 1, "def inside(xs): . as $x | xs | contains($x);", NULL },
    { "isempty", 1, NULL, make_isempty },
    { "isvalid", 1, "def isvalid(f): try (f | true) catch false;", NULL },
    { "iterables", 0, "def iterables: select(type | . == \"array\" or . == \"object\");", NULL },
    { "last", 0, NULL, make_last_item },
    { "last", 1, "def last(f): reduce f as $x (null; $x);", NULL },
    { "leaf_paths", 0, "def leaf_paths: paths(scalars);", NULL },
    { "limit", 2, NULL, make_limit },
    { "map", 1, NULL, make_map },
    { "map_values", 1, NULL, make_map_values },
    { "match", 1, NULL, make_match },
    { "match", 2, NULL, make_match_flags },
    { "max_by", 1, NULL, make_max_by },
    { "min_by", 1, NULL, make_min_by },
    { "normals", 0, "def normals: select(isnormal);", NULL },
    { "nth", 1, NULL, make_nth_item },
    { "nth", 2,
            "def nth($n; f): if $n < 0 then error(\"nth doesn't support negative indices\")"
            " else last(limit($n + 1; f)) end;",
            NULL },
    { "nulls", 0, "def nulls: select(. == null);", NULL },
    { "numbers", 0, "def numbers: select(type == \"number\");", NULL },
    { "objects", 0, "def objects: select(type == \"object\");", NULL },
    { "path", 1, NULL, make_path },
    { "paths", 0, "def paths: path(..) | select(length > 0);", NULL },
    { "paths", 1, "def paths(f): . as $dot | paths | select(. as $p | $dot | getpath($p) | f);",
            NULL },
    { "pick", 1,
            "def pick(f): . as $in | reduce path(f) as $p (null; setpath($p; $in | getpath($p)));",
            NULL },
    { "range", 1, NULL, make_range },
    { "range", 2, NULL, make_range_from },
    { "range", 3, NULL, make_range_by },
    { "recurse", 0, NULL, make_recurse },
    { "recurse", 1, NULL, make_recurse_by },
    { "recurse", 2, NULL, make_recurse_while },
    { "recurse_down", 0, NULL, make_recurse },
    { "repeat", 1, "def repeat(f): def r: f, r; r;", NULL },
    { "scalars", 0, "def scalars: select(type | . != \"array\" and . != \"object\");", NULL },
    { "scalars_or_empty", 0,
            "def scalars_or_empty:"
            " select((type | . != \"array\" and . != \"object\") or length == 0);",
            NULL },
    { "scan", 1, "def scan($re): scan($re; null);", NULL },
    { "scan", 2,
            "def scan($re; $flags): match($re; \"g\" + $flags)"
            " | if (.captures | length) > 0 then [.captures[].string] else .string end;",
            NULL },
    { "select", 1, NULL, make_select },
    { "skip", 2,
            "def skip($n; f): if $n < 0 then error(\"skip doesn't support negative count\")"
            " else foreach f as $x ($n; . - 1; if . < 0 then $x else empty end) end;",
            NULL },
    { "sort_by", 1, NULL, make_sort_by },
    { "splits", 1, NULL, make_splits },
    { "splits", 2, NULL, make_splits_flags },
    { "strings", 0, "def strings: select(type == \"string\");", NULL },
    { "sub", 2, "def sub($re; str): sub($re; str; \"\");", NULL },
    { "sub", 3,
            "def sub($re; str; $flags): _edits($re; $flags) as $edits"
            " | if $edits == null then . else $edits | _edit([.captures[] | [str]])[] end;",
            NULL },
    { "toarray", 0, "def toarray: if type == \"array\" then . else [.] end;", NULL },
    { "tostream", 0,
            "def tostream: path(def r: (.[]?|r), .; r) as $p | getpath($p)"
            " | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);",
            NULL },
    { "truncate_stream", 1,
            "def truncate_stream(stream): . as $n | null | stream | . as $input"
            " | if (.[0] | length) > $n then setpath([0]; $input[0][$n:]) else empty end;",
            NULL },
    { "unique_by", 1, NULL, make_unique_by },
    { "until", 2, "def until(cond; next): def r: if cond then . else next | r end; r;", NULL },
    { "values", 0, "def values: select(. != null);", NULL },
    { "walk", 1,
            "def walk(f): def w: if type == \"object\" then map_values(w)"
            " elif type == \"array\" then map(w) else . end | f; w;",
            NULL },
    { "while", 2, "def while(cond; update): def r: if cond then ., (update | r) else empty end; r;",
            NULL },
    { "with_entries", 1, NULL, make_with_entries },
};

const struct definition_text *definition_find(struct str name, uint32_t arity) {
    size_t low = 0, high = ARRAY_SIZE(definitions);

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct definition_text *row = &definitions[middle];
        int order = str_compare(name, str_from(row->name));
        if (order == 0) order = (arity > row->arity) - (arity < row->arity);
        if (order == 0) return row;
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct definition_text *definition_at(size_t index) {
    return index < ARRAY_SIZE(definitions) ? &definitions[index] : NULL;
}

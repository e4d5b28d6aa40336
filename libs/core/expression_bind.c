/* `… as pattern | …`, reduce and foreach. A pattern becomes a chain of plain bindings: `. as
 * [$a, {b: $c}] | body` is `. as $1 | $1[0] as $a | $1[1] as $2 | $2.b as $c | body`, where $1
 * and $2 have no name. */
#include <string.h>

#include "core/expression_internal.h"

enum { PATTERN_STEPS = 64, PATTERN_ALTERNATIVES = 16 };

/* What one pattern binds, in order; the first source is put in by whoever knows it. */
struct pattern {
    const struct node *sources[PATTERN_STEPS];
    struct str names[PATTERN_STEPS]; /* empty: none */
    uint32_t count;
    uint32_t level; /* bindings around the first */
};

static bool parse_pattern(
        struct parser *parser, struct pattern *pattern, const struct node *source);

static bool bind(struct parser *parser, struct pattern *pattern, const struct node *source,
        struct str name) {
    if (!source && pattern->count) return false;
    if (pattern->count == PATTERN_STEPS) {
        parser_fail(parser, parser->token.offset, "too many names in a pattern");
        return false;
    }
    pattern->sources[pattern->count] = source;
    pattern->names[pattern->count++] = name;
    scope_push(parser, SCOPE_VARIABLE, name, NULL);
    return true;
}

/* The value that was bound when `level` bindings were around. */
static const struct node *bound(struct parser *parser, uint32_t level) {
    struct node *node = node_new(parser, NODE_VARIABLE);

    node->index = parser->level - level - 1;
    return node_done(parser, node);
}

static bool unexpected(struct parser *parser) {
    parser_fail(parser, parser->token.offset, "unexpected '" STR_FMT "' in a pattern",
            STR_ARG(parser->token.text));
    return false;
}

static bool parse_items(struct parser *parser, struct pattern *pattern, uint32_t level) {
    double index = 0;

    do {
        const struct node *key = node_literal(parser, json_number(index++));
        const struct node *source = node_of(parser, NODE_INDEX, bound(parser, level), key);
        if (!parse_pattern(parser, pattern, source)) return false;
    } while (parser_take(parser, ","));
    return parser_expect(parser, "]");
}

/* A key that is computed sees the value that is taken apart as its input. */
static const struct node *parse_pattern_key(struct parser *parser, uint32_t level) {
    const struct node *key;

    if (parser->token.type == TOKEN_WORD) {
        key = node_literal(parser, json_string(parser->token.text));
        if (!parser_next(parser)) return NULL;
    } else if (parser->token.type == TOKEN_QUOTE) {
        key = parse_string(parser, STR("text"));
    } else if (parser_take(parser, "(")) {
        key = parse_pipe(parser);
        if (!key || !parser_expect(parser, ")")) return NULL;
    } else {
        unexpected(parser);
        return NULL;
    }
    if (key && key->type == NODE_LITERAL && key->value.type != JSON_STRING) {
        return parser_fail(
                parser, key->offset, "Cannot use %s as object key", json_type_name(key->value));
    }
    const struct node *input = node_done(parser, node_new(parser, NODE_IDENTITY));
    return node_of(
            parser, NODE_PIPE, bound(parser, level), node_of(parser, NODE_INDEX, input, key));
}

static bool parse_member(struct parser *parser, struct pattern *pattern, uint32_t level) {
    const struct node *source;

    if (parser->token.type == TOKEN_VARIABLE) {
        struct str name = parser->token.text;
        uint32_t own = parser->level;
        const struct node *key = node_literal(parser, json_string(name));
        if (!parser_next(parser)) return false;
        source = node_of(parser, NODE_INDEX, bound(parser, level), key);
        if (!bind(parser, pattern, source, name)) return false;
        if (!parser_take(parser, ":")) return true;
        return parse_pattern(parser, pattern, bound(parser, own));
    }
    source = parse_pattern_key(parser, level);
    return source && parser_expect(parser, ":") && parse_pattern(parser, pattern, source);
}

static bool parse_members(struct parser *parser, struct pattern *pattern, uint32_t level) {
    do {
        if (!parse_member(parser, pattern, level)) return false;
    } while (parser_take(parser, ","));
    return parser_expect(parser, "}");
}

static bool parse_pattern(
        struct parser *parser, struct pattern *pattern, const struct node *source) {
    uint32_t level = parser->level;
    struct str name = parser->token.text;
    bool ok;

    if (++parser->nesting > EXPRESSION_NESTING) {
        parser_fail(parser, parser->token.offset, "nested too deeply");
        return false;
    }
    if (parser->token.type == TOKEN_VARIABLE) {
        ok = parser_next(parser) && bind(parser, pattern, source, name);
    } else if (parser_take(parser, "[")) {
        ok = bind(parser, pattern, source, STR("")) && parse_items(parser, pattern, level);
    } else if (parser_take(parser, "{")) {
        ok = bind(parser, pattern, source, STR("")) && parse_members(parser, pattern, level);
    } else {
        ok = unexpected(parser);
    }
    parser->nesting--;
    return ok;
}

/* Puts the bindings of `pattern` around `body`. */
static const struct node *wrap(
        struct parser *parser, const struct pattern *pattern, const struct node *body) {
    for (uint32_t i = pattern->count; i > 0; i--) {
        body = node_of(parser, NODE_AS, pattern->sources[i - 1], body);
    }
    return body;
}

/* ---- p1 ?// p2 ---- */

struct alternatives {
    struct pattern *patterns[PATTERN_ALTERNATIVES];
    uint32_t count;
    struct str names[PATTERN_STEPS];
    uint32_t name_count;
};

static bool collect_names(struct parser *parser, struct alternatives *all) {
    for (uint32_t i = 0; i < all->count; i++) {
        const struct pattern *pattern = all->patterns[i];
        for (uint32_t j = 0; j < pattern->count; j++) {
            uint32_t k = 0;
            if (pattern->names[j].size == 0) continue;
            while (k < all->name_count && !str_equal(all->names[k], pattern->names[j]))
                k++;
            if (k < all->name_count) continue;
            if (all->name_count == PATTERN_STEPS) {
                parser_fail(parser, parser->token.offset, "too many names in a pattern");
                return false;
            }
            all->names[all->name_count++] = pattern->names[j];
        }
    }
    return true;
}

/* The array of all names' values as this pattern binds them, null for those it does not. */
static const struct node *alternative_values(
        struct parser *parser, const struct alternatives *all, struct pattern *pattern) {
    uint32_t level = parser->level;
    struct node *list = node_new(parser, NODE_COMMA);

    parser->level = pattern->level + pattern->count;
    list->list = arena_new_many(parser->arena, const struct node *, all->name_count);
    list->count = all->name_count;
    for (uint32_t i = 0; i < all->name_count; i++) {
        list->list[i] = node_literal(parser, json_null());
        for (uint32_t j = 0; j < pattern->count; j++) {
            if (!str_equal(all->names[i], pattern->names[j])) continue;
            list->list[i] = bound(parser, pattern->level + j);
        }
    }
    const struct node *values = node_of(parser, NODE_ARRAY, node_done(parser, list), NULL);
    parser->level = level;
    pattern->sources[0] = node_done(parser, node_new(parser, NODE_IDENTITY));
    return wrap(parser, pattern, values);
}

/* Makes the node, and binds its names for the body, which the caller reads and hands to
 * finish_alternatives. */
static struct node *start_alternatives(struct parser *parser, struct alternatives *all,
        const struct node *source, struct pattern *names) {
    struct node *node = node_new(parser, NODE_DESTRUCTURE);

    if (!collect_names(parser, all)) return NULL;
    node->second = source;
    node->list = arena_new_many(parser->arena, const struct node *, all->count);
    node->count = all->count;
    for (uint32_t i = 0; i < all->count; i++) {
        node->list[i] = alternative_values(parser, all, all->patterns[i]);
        if (!node->list[i]) return NULL;
    }
    uint32_t level = parser->level;
    scope_push(parser, SCOPE_VARIABLE, STR(""), NULL);
    for (uint32_t i = 0; i < all->name_count; i++) {
        const struct node *key = node_literal(parser, json_number(i));
        const struct node *value = node_of(parser, NODE_INDEX, bound(parser, level), key);
        if (!value) return NULL;
        names->sources[names->count] = value;
        names->names[names->count++] = all->names[i];
        scope_push(parser, SCOPE_VARIABLE, all->names[i], NULL);
    }
    return node;
}

static const struct node *finish_alternatives(struct parser *parser, struct node *node,
        const struct pattern *names, const struct node *body) {
    node->first = wrap(parser, names, body);
    return node->first ? node_done(parser, node) : NULL;
}

/* ---- the three that bind ---- */

/* Reads `pattern ?// pattern …`, each from the same bindings around it. */
static bool parse_patterns(struct parser *parser, struct alternatives *all) {
    const struct scope *outer = parser->scope;
    uint32_t level = parser->level;

    do {
        if (all->count == PATTERN_ALTERNATIVES) {
            parser_fail(parser, parser->token.offset, "too many alternatives");
            return false;
        }
        if (all->count) {
            parser->scope = outer;
            parser->level = level;
        }
        struct pattern *pattern = arena_new_one(parser->arena, struct pattern);
        pattern->level = level;
        all->patterns[all->count++] = pattern;
        if (!parse_pattern(parser, pattern, NULL)) return false;
    } while (parser_take(parser, "?//"));
    if (all->count > 1) {
        parser->scope = outer;
        parser->level = level;
    }
    return true;
}

typedef const struct node *parse_inside(struct parser *parser, void *user);

/* Binds `source` to the patterns around what `inside` reads. */
static const struct node *bind_around(struct parser *parser, struct alternatives *all,
        const struct node *source, parse_inside *inside, void *user) {
    if (all->count == 1) {
        all->patterns[0]->sources[0] = source;
        return wrap(parser, all->patterns[0], inside(parser, user));
    }
    struct pattern *names = arena_new_one(parser->arena, struct pattern);
    struct node *node = start_alternatives(parser, all, source, names);
    if (!node) return NULL;
    return finish_alternatives(parser, node, names, inside(parser, user));
}

static const struct node *parse_rest(struct parser *parser, void *user) {
    (void)user;
    return parser_expect(parser, "|") ? parse_pipe(parser) : NULL;
}

/* True for a name that is all of the pattern, which is what nearly all are. */
static bool is_plain(const struct parser *parser) {
    struct lexer ahead = parser->lexer;

    if (parser->token.type != TOKEN_VARIABLE) return false;
    return !str_equal(lexer_next(&ahead).text, STR("?//"));
}

/* `source as patterns | body`; the token is `as`. */
const struct node *parse_binding(struct parser *parser, const struct node *source) {
    const struct scope *outer = parser->scope;
    uint32_t level = parser->level;
    const struct node *node;

    if (!parser_next(parser)) return NULL;
    if (is_plain(parser)) {
        struct str name = parser->token.text;
        if (!parser_next(parser)) return NULL;
        scope_push(parser, SCOPE_VARIABLE, name, NULL);
        node = node_of(parser, NODE_AS, source, parse_rest(parser, NULL));
    } else {
        struct alternatives *all = arena_new_one(parser->arena, struct alternatives);
        if (!parse_patterns(parser, all)) return NULL;
        node = bind_around(parser, all, source, parse_rest, NULL);
    }
    parser->scope = outer;
    parser->level = level;
    return node;
}

/* What reduce and foreach do for each item, with the state one binding further out than the
 * item. */
struct loop {
    uint32_t level;
    const struct scope *outer;
    const struct node *start;
    bool extracts;
};

static const struct node *parse_step(struct parser *parser, void *user) {
    struct loop *loop = user;
    const struct scope *scope = parser->scope;
    uint32_t level = parser->level;
    struct node *step = node_new(parser, NODE_STEP);

    if (!parser_expect(parser, "(")) return NULL;
    parser->scope = loop->outer; /* the start does not see what the pattern binds */
    parser->level = loop->level;
    loop->start = parse_pipe(parser);
    parser->scope = scope;
    parser->level = level;
    if (!loop->start || !parser_expect(parser, ";")) return NULL;
    step->index = level - loop->level - 1;
    step->first = parse_pipe(parser);
    if (!step->first) return NULL;
    if (loop->extracts) {
        if (parser_take(parser, ";")) {
            step->second = parse_pipe(parser);
        } else {
            step->second = node_done(parser, node_new(parser, NODE_IDENTITY));
        }
        if (!step->second) return NULL;
    }
    return parser_expect(parser, ")") ? node_done(parser, step) : NULL;
}

/* The patterns of a loop, whose item is bound without a name around them. */
static const struct node *parse_loop_patterns(struct parser *parser, struct loop *loop) {
    struct alternatives *all = arena_new_one(parser->arena, struct alternatives);

    scope_push(parser, SCOPE_VARIABLE, STR(""), NULL);
    uint32_t level = parser->level;
    if (!parse_patterns(parser, all)) return NULL;
    uint32_t inside = parser->level;
    parser->level = level;
    const struct node *source = bound(parser, level - 1);
    parser->level = inside;
    return bind_around(parser, all, source, parse_step, loop);
}

const struct node *parse_loop(struct parser *parser, enum node_type type) {
    struct loop loop = {
        .level = parser->level, .outer = parser->scope, .extracts = type == NODE_FOREACH
    };
    struct node *node = node_new(parser, type);

    if (!parser_next(parser)) return NULL;
    node->first = parse_source(parser);
    if (!node->first || !parser_expect(parser, "as")) return NULL;
    scope_push(parser, SCOPE_VARIABLE, STR(""), NULL); /* the state */
    if (is_plain(parser)) {
        struct str name = parser->token.text;
        if (!parser_next(parser)) return NULL;
        scope_push(parser, SCOPE_VARIABLE, name, NULL);
        node->third = parse_step(parser, &loop);
    } else {
        node->third = parse_loop_patterns(parser, &loop);
    }
    parser->scope = loop.outer;
    parser->level = loop.level;
    node->second = loop.start;
    return node->third ? node_done(parser, node) : NULL;
}

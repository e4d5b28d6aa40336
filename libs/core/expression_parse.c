/* The grammar, by precedence; names are resolved as they are read, since jq defines before it
 * uses.
 *
 * A function that reads gives NULL after an error, which is then in parser->err; making a node
 * of a missing operand gives a missing node, so that most of the grammar need not ask. */
#include <stdio.h>
#include <string.h>

#include "core/expression_internal.h"

/* ---- tokens ---- */

void *parser_fail(struct parser *parser, size_t offset, const char *format, ...) {
    char message[ERR_MESSAGE_SIZE / 2];
    va_list arguments;

    if (parser->err->code != ERR_NONE) return NULL; /* the first error is the one that helps */
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    err_set(parser->err, ERR_INVALID, "expression: %s at offset %zu", message, offset);
    return NULL;
}

bool parser_next(struct parser *parser) {
    parser->token = lexer_next(&parser->lexer);
    if (parser->token.type != TOKEN_BAD) return true;
    struct token token = parser->token;
    parser_fail(parser, token.offset, "unexpected character '" STR_FMT "'", STR_ARG(token.text));
    return false;
}

bool parser_is(const struct parser *parser, const char *symbol) {
    enum token_type type = parser->token.type;

    if (type != TOKEN_SYMBOL && type != TOKEN_WORD) return false;
    return str_equal(parser->token.text, str_from(symbol));
}

bool parser_take(struct parser *parser, const char *symbol) {
    return parser_is(parser, symbol) && parser_next(parser);
}

static struct str token_text(const struct parser *parser) {
    switch (parser->token.type) {
    case TOKEN_END: return STR("the end");
    case TOKEN_QUOTE: return STR("a string");
    case TOKEN_WORD:
    case TOKEN_FIELD:
    case TOKEN_VARIABLE:
    case TOKEN_FORMAT:
    case TOKEN_NUMBER:
    case TOKEN_SYMBOL:
    case TOKEN_BAD: break;
    }
    return str_format(parser->arena, "'" STR_FMT "'", STR_ARG(parser->token.text));
}

bool parser_expect(struct parser *parser, const char *symbol) {
    if (parser_take(parser, symbol)) return true;
    struct str text = token_text(parser);
    parser_fail(parser, parser->token.offset, "unexpected " STR_FMT ", expected '%s'",
            STR_ARG(text), symbol);
    return false;
}

static void *unexpected(struct parser *parser) {
    struct str text = token_text(parser);

    return parser_fail(parser, parser->token.offset, "unexpected " STR_FMT, STR_ARG(text));
}

static bool is_keyword(const struct parser *parser) {
    return parser->token.type == TOKEN_WORD && lexer_is_keyword(parser->token.text);
}

/* ---- strings, arrays, objects ---- */

/* A growing row of nodes. */
struct row {
    const struct node **items;
    uint32_t count, capacity;
};

static bool row_add(struct parser *parser, struct row *row, const struct node *node) {
    if (!node) return false;
    if (row->count == row->capacity) {
        uint32_t capacity = row->capacity ? row->capacity * 2 : 4;
        const struct node **items = arena_new_many(parser->arena, const struct node *, capacity);
        if (row->count) memcpy(items, row->items, row->count * sizeof(*items));
        row->items = items;
        row->capacity = capacity;
    }
    row->items[row->count++] = node;
    return true;
}

static const struct node *row_node(
        struct parser *parser, enum node_type type, const struct row *row) {
    struct node *node = node_new(parser, type);

    node->list = row->items;
    node->count = row->count;
    return node_done(parser, node);
}

static const struct node *text_piece(struct parser *parser, struct str piece) {
    struct node *node = node_new(parser, NODE_LITERAL);

    node->value = json_string(piece);
    node->op = 1; /* as it is, without the format */
    return node_done(parser, node);
}

/* The token is the opening quote; afterwards it is what follows the string. */
const struct node *parse_string(struct parser *parser, struct str format) {
    uint32_t offset = parser->token.offset;
    struct row row = { 0 };
    struct str piece;
    bool interpolated;

    for (;;) {
        if (!lexer_string(&parser->lexer, &piece, &interpolated, parser->err)) return NULL;
        if (piece.size && !row_add(parser, &row, text_piece(parser, piece))) return NULL;
        if (!interpolated) break;
        if (!parser_next(parser)) return NULL;
        const struct node *part = parse_pipe(parser);
        if (!row_add(parser, &row, part)) return NULL;
        if (!parser_is(parser, ")")) return unexpected(parser);
    }
    if (!parser_next(parser)) return NULL;
    if (row.count == 0) return node_literal(parser, json_string(STR("")));
    if (row.count == 1 && row.items[0]->type == NODE_LITERAL && row.items[0]->op)
        return row.items[0];
    struct node *node = node_new(parser, NODE_STRING);
    node->offset = offset;
    node->native = format_find(format);
    node->list = row.items;
    node->count = row.count;
    return node_done(parser, node);
}

static const struct node *parse_format(struct parser *parser) {
    struct token token = parser->token;
    const struct native *native = format_find(token.text);

    if (!native) {
        return parser_fail(
                parser, token.offset, STR_FMT " is not a valid format", STR_ARG(token.text));
    }
    if (!parser_next(parser)) return NULL;
    if (parser->token.type == TOKEN_QUOTE) return parse_string(parser, token.text);
    struct node *node = node_new(parser, NODE_NATIVE);
    node->native = native;
    return node_done(parser, node);
}

static const struct node *parse_array(struct parser *parser) {
    const struct node *items = NULL;

    if (!parser_next(parser)) return NULL;
    if (!parser_is(parser, "]")) {
        items = parse_pipe(parser);
        if (!items) return NULL;
    }
    if (!parser_expect(parser, "]")) return NULL;
    if (!items) return node_literal(parser, json_array(parser->arena, 0));
    return node_of(parser, NODE_ARRAY, items, NULL);
}

static const struct node *parse_binary(struct parser *parser, int strength);

enum {
    STRENGTH_COMMA = 1,
    STRENGTH_ALTERNATIVE,
    STRENGTH_ASSIGN,
    STRENGTH_OR,
    STRENGTH_AND,
    STRENGTH_COMPARE,
    STRENGTH_SUM,
    STRENGTH_PRODUCT
};

/* The value of a member: no commas, but pipes. */
static const struct node *parse_member_value(struct parser *parser) {
    const struct node *value = parse_binary(parser, STRENGTH_ALTERNATIVE);

    if (!value || !parser_is(parser, "|")) return value;
    if (!parser_next(parser)) return NULL;
    if (++parser->nesting > EXPRESSION_NESTING) {
        return parser_fail(parser, parser->token.offset, "nested too deeply");
    }
    const struct node *rest = parse_member_value(parser);
    parser->nesting--;
    return node_of(parser, NODE_PIPE, value, rest);
}

static const struct node *field_of_input(struct parser *parser, const struct node *key) {
    const struct node *input = node_done(parser, node_new(parser, NODE_IDENTITY));

    return node_of(parser, NODE_INDEX, input, key);
}

static const struct node *location(struct parser *parser, uint32_t offset) {
    struct json value = json_object(parser->arena, 2);
    double line = 1;

    for (uint32_t i = 0; i < offset; i++)
        line += parser->lexer.text.data[i] == '\n';
    value = json_set(value, STR("file"), json_string(STR("<expression>")), parser->arena);
    value = json_set(value, STR("line"), json_number(line), parser->arena);
    return node_literal(parser, value);
}

static const struct node *variable_value(struct parser *parser, struct token token) {
    if (str_equal(token.text, STR("__loc__"))) return location(parser, token.offset);
    return node_variable(parser, token.text, token.offset);
}

/* Reads a key; *ret_short is the value the key stands for where none is written. */
static const struct node *parse_key(struct parser *parser, const struct node **ret_short) {
    struct token token = parser->token;
    const struct node *key;

    *ret_short = NULL;
    switch (token.type) {
    case TOKEN_WORD:
    case TOKEN_VARIABLE:
        if (!parser_next(parser)) return NULL;
        key = node_literal(parser, json_string(token.text));
        if (token.type == TOKEN_WORD && str_equal(token.text, STR("__loc__"))) return key;
        *ret_short = token.type == TOKEN_WORD ? field_of_input(parser, key)
                                              : variable_value(parser, token);
        /* `{$x: 1}`: the value of the variable is the key. */
        return token.type == TOKEN_VARIABLE && parser_is(parser, ":") ? *ret_short : key;
    case TOKEN_FORMAT:
    case TOKEN_QUOTE:
        key = token.type == TOKEN_QUOTE ? parse_string(parser, STR("text")) : parse_format(parser);
        if (key) *ret_short = field_of_input(parser, key);
        return key;
    case TOKEN_NUMBER:
        return parser_fail(parser, token.offset, "Cannot use number (" STR_FMT ") as object key",
                STR_ARG(token.text));
    case TOKEN_SYMBOL:
        if (!parser_take(parser, "(")) break;
        key = parse_pipe(parser);
        return key && parser_expect(parser, ")") ? key : NULL;
    case TOKEN_END:
    case TOKEN_FIELD:
    case TOKEN_BAD: break;
    }
    return unexpected(parser);
}

static bool check_key(struct parser *parser, const struct node *key) {
    if (!key) return false;
    if (key->type != NODE_LITERAL || key->value.type == JSON_STRING) return true;
    struct str text = json_to_str(key->value, parser->arena);
    parser_fail(parser, key->offset, "Cannot use %s (" STR_FMT ") as object key",
            json_type_name(key->value), STR_ARG(text));
    return false;
}

static const struct node *parse_object(struct parser *parser) {
    struct row row = { 0 };
    const struct node *value;

    if (!parser_next(parser)) return NULL;
    while (!parser_is(parser, "}")) {
        const struct node *key = parse_key(parser, &value);
        if (!check_key(parser, key)) return NULL;
        if (parser_is(parser, ":")) {
            value = parser_next(parser) ? parse_member_value(parser) : NULL;
        } else if (!value) {
            return unexpected(parser);
        }
        if (!row_add(parser, &row, key) || !row_add(parser, &row, value)) return NULL;
        if (!parser_take(parser, ",")) break;
    }
    if (!parser_expect(parser, "}")) return NULL;
    if (row.count == 0) return node_literal(parser, json_object(parser->arena, 0));
    return row_node(parser, NODE_OBJECT, &row);
}

/* ---- terms ---- */

static const struct node *parse_if(struct parser *parser) {
    struct node *node = node_new(parser, NODE_IF);

    if (++parser->nesting > EXPRESSION_NESTING) {
        return parser_fail(parser, parser->token.offset, "nested too deeply");
    }
    if (!parser_next(parser)) return NULL;
    node->first = parse_pipe(parser);
    if (!node->first || !parser_expect(parser, "then")) return NULL;
    node->second = parse_pipe(parser);
    if (!node->second) return NULL;
    if (parser_is(parser, "elif")) {
        node->third = parse_if(parser);
        if (!node->third) return NULL;
    } else {
        if (parser_take(parser, "else")) {
            node->third = parse_pipe(parser);
            if (!node->third) return NULL;
        }
        if (!parser_expect(parser, "end")) return NULL;
    }
    parser->nesting--;
    return node_done(parser, node);
}

static const struct node *parse_number(struct parser *parser) {
    struct str text = parser->token.text;
    struct json value;
    struct err ignored;

    if (!json_read(text, &(struct json_read_options){ .borrow = true }, parser->arena, &value, NULL,
                &ignored)) {
        /* jq also takes `1.`, `.5` and `01`: a zero on either side makes JSON of them. */
        while (text.size > 1 && text.data[0] == '0' && text.data[1] >= '0' && text.data[1] <= '9') {
            text = str_slice(text, 1, text.size);
        }
        size_t point = str_find_char(text, '.');
        bool bare = point + 1 < text.size ? text.data[point + 1] < '0' || text.data[point + 1] > '9'
                                          : point + 1 == text.size;
        struct str whole = str_slice(text, 0, point),
                   rest = str_slice(text, MIN(point + 1, text.size), text.size);
        text = str_format(parser->arena, "%s" STR_FMT "%s" STR_FMT, whole.size ? "" : "0",
                STR_ARG(whole),
                bare                        ? ".0"
                        : point < text.size ? "."
                                            : "",
                STR_ARG(rest));
        value = json_number_literal(text);
    }
    return parser_next(parser) ? node_literal(parser, value) : NULL;
}

/* null, true and false are no functions, so that nobody can define them. */
static bool constant(struct str word, struct json *ret) {
    bool is_true = str_equal(word, STR("true"));

    *ret = is_true || str_equal(word, STR("false")) ? json_bool(is_true) : json_null();
    return ret->type != JSON_NULL || str_equal(word, STR("null"));
}

static const struct node *parse_call(struct parser *parser) {
    struct token token = parser->token;
    struct json value;
    const struct node *list[EXPRESSION_ARGUMENTS];
    uint32_t count = 0;

    if (!parser_next(parser)) return NULL;
    if (constant(token.text, &value)) return node_literal(parser, value);
    if (parser_take(parser, "(")) {
        do {
            if (count == EXPRESSION_ARGUMENTS) {
                return parser_fail(parser, token.offset, "'" STR_FMT "' has too many arguments",
                        STR_ARG(token.text));
            }
            list[count] = parse_pipe(parser);
            if (!list[count++]) return NULL;
        } while (parser_take(parser, ";"));
        if (!parser_expect(parser, ")")) return NULL;
    }
    struct token after = parser->token;
    parser->token = token; /* nodes take their offset from it */
    const struct node *node = node_call(parser, token.text, list, count);
    parser->token = after;
    return node;
}

static const struct node *parse_break(struct parser *parser) {
    if (!parser_next(parser)) return NULL;
    struct token token = parser->token;
    if (token.type != TOKEN_VARIABLE)
        return parser_fail(parser, token.offset, "break requires a label to break to");
    return parser_next(parser) ? node_break(parser, token.text, token.offset) : NULL;
}

static const struct node *parse_word(struct parser *parser) {
    if (parser_is(parser, "if")) return parse_if(parser);
    if (parser_is(parser, "reduce")) return parse_loop(parser, NODE_REDUCE);
    if (parser_is(parser, "foreach")) return parse_loop(parser, NODE_FOREACH);
    if (parser_is(parser, "break")) return parse_break(parser);
    if (parser_is(parser, "import") || parser_is(parser, "include")
            || parser_is(parser, "module")) {
        struct token token = parser->token;
        return parser_fail(parser, token.offset, "'" STR_FMT "' is not available in expressions",
                STR_ARG(token.text));
    }
    return is_keyword(parser) ? unexpected(parser) : parse_call(parser);
}

static const struct node *identity(struct parser *parser) {
    return node_done(parser, node_new(parser, NODE_IDENTITY));
}

static const struct node *parse_field(struct parser *parser, const struct node *of) {
    struct node *node = node_new(parser, NODE_FIELD);

    node->first = of;
    node->value = json_string(parser->token.text);
    return parser_next(parser) ? node_done(parser, node) : NULL;
}

/* `[…]` behind `of`: an index, a slice, or every item. */
static const struct node *parse_bracket(struct parser *parser, const struct node *of) {
    struct node *node = node_new(parser, NODE_INDEX);

    node->first = of;
    if (!parser_next(parser)) return NULL;
    if (parser_take(parser, "]")) {
        node->type = NODE_ITERATE;
        return node_done(parser, node);
    }
    if (!parser_is(parser, ":")) {
        node->second = parse_pipe(parser);
        if (!node->second) return NULL;
    }
    if (parser_take(parser, ":")) {
        node->type = NODE_SLICE;
        if (!parser_is(parser, "]")) {
            node->third = parse_pipe(parser);
            if (!node->third) return NULL;
        }
        if (!node->second && !node->third) return unexpected(parser);
    }
    if (!parser_expect(parser, "]")) return NULL;
    if (node->type == NODE_INDEX && node->second->type == NODE_LITERAL
            && node->second->value.type == JSON_STRING) {
        node->type = NODE_FIELD;
        node->value = node->second->value;
        node->second = NULL;
    }
    return node_done(parser, node);
}

static const struct node *parse_quoted_key(struct parser *parser, const struct node *of) {
    struct node *node = node_new(parser, NODE_INDEX);

    node->first = of;
    node->second = parser->token.type == TOKEN_FORMAT ? parse_format(parser)
                                                      : parse_string(parser, STR("text"));
    if (!node->second) return NULL;
    if (node->second->type == NODE_LITERAL) {
        node->type = NODE_FIELD;
        node->value = node->second->value;
        node->second = NULL;
    }
    return node_done(parser, node);
}

static const struct node *parse_dot(struct parser *parser) {
    if (!parser_next(parser)) return NULL;
    const struct node *input = identity(parser);
    if (parser_is(parser, "[")) return parse_bracket(parser, input);
    if (parser->token.type == TOKEN_QUOTE || parser->token.type == TOKEN_FORMAT)
        return parse_quoted_key(parser, input);
    return input;
}

static const struct node *parse_symbol(struct parser *parser) {
    if (parser_is(parser, ".")) return parse_dot(parser);
    if (parser_is(parser, "[")) return parse_array(parser);
    if (parser_is(parser, "{")) return parse_object(parser);
    if (parser_take(parser, "..")) return node_done(parser, node_new(parser, NODE_RECURSE));
    if (parser_take(parser, "(")) {
        const struct node *node = parse_pipe(parser);
        return node && parser_expect(parser, ")") ? node : NULL;
    }
    return unexpected(parser);
}

static const struct node *parse_term(struct parser *parser) {
    struct token token = parser->token;

    switch (token.type) {
    case TOKEN_WORD: return parse_word(parser);
    case TOKEN_FIELD: return parse_field(parser, identity(parser));
    case TOKEN_VARIABLE: return parser_next(parser) ? variable_value(parser, token) : NULL;
    case TOKEN_FORMAT: return parse_format(parser);
    case TOKEN_NUMBER: return parse_number(parser);
    case TOKEN_QUOTE: return parse_string(parser, STR("text"));
    case TOKEN_SYMBOL: return parse_symbol(parser);
    case TOKEN_END:
    case TOKEN_BAD: break;
    }
    return unexpected(parser);
}

/* `?`: an index that was just read keeps its own errors to itself; all else is tried. */
static const struct node *parse_question(
        struct parser *parser, const struct node *of, bool is_index) {
    if (!is_index || of->optional) return node_of(parser, NODE_TRY, of, NULL);
    struct node *node = node_new(parser, NODE_IDENTITY);
    *node = *of;
    node->optional = true;
    return node_done(parser, node);
}

static const struct node *parse_postfix(struct parser *parser) {
    bool dotted = parser_is(parser, ".") || parser->token.type == TOKEN_FIELD;
    const struct node *node = parse_term(parser);
    bool is_index = dotted && node && node->type != NODE_IDENTITY;

    while (node) {
        if (parser->token.type == TOKEN_FIELD) {
            node = parse_field(parser, node);
            is_index = true;
        } else if (parser_is(parser, "[")) {
            node = parse_bracket(parser, node);
            is_index = true;
        } else if (parser_is(parser, "?") || parser_is(parser, "?//")) {
            bool both = parser_is(parser, "?//");
            if (both) {
                /* An alternative right behind a `?`: jq 1.6 takes both for one
                 * token and fails; we read what is meant. */
                parser->token.text = STR("//");
            } else if (!parser_next(parser)) {
                return NULL;
            }
            node = parse_question(parser, node, is_index);
            if (both) break;
        } else if (parser_is(parser, ".")) {
            if (!parser_next(parser)) return NULL;
            bool quoted = parser->token.type == TOKEN_QUOTE || parser->token.type == TOKEN_FORMAT;
            if (!quoted && !parser_is(parser, "[")) return unexpected(parser);
            node = quoted ? parse_quoted_key(parser, node) : parse_bracket(parser, node);
            is_index = true;
        } else {
            break;
        }
    }
    return node;
}

/* A term, perhaps negated. */
static const struct node *parse_try_part(struct parser *parser) {
    if (!parser_take(parser, "-")) return parse_postfix(parser);
    return node_of(parser, NODE_NEGATE, parse_postfix(parser), NULL);
}

/* What reduce and foreach go through. */
const struct node *parse_source(struct parser *parser) {
    return parse_try_part(parser);
}

static const struct node *parse_try(struct parser *parser) {
    struct node *node = node_new(parser, NODE_TRY);

    if (!parser_next(parser)) return NULL;
    node->first = parser_is(parser, "try") ? parse_try(parser) : parse_try_part(parser);
    if (!node->first) return NULL;
    if (parser_take(parser, "catch")) {
        node->second = parser_is(parser, "try") ? parse_try(parser) : parse_try_part(parser);
        if (!node->second) return NULL;
    }
    return node_done(parser, node);
}

/* ---- definitions, operators, pipes ---- */

static bool parse_parameters(struct parser *parser, struct token *names, uint32_t *ret_count) {
    *ret_count = 0;
    if (!parser_take(parser, "(")) return true;
    do {
        if (*ret_count == EXPRESSION_ARGUMENTS) {
            parser_fail(parser, parser->token.offset, "too many parameters");
            return false;
        }
        names[*ret_count] = parser->token;
        enum token_type type = parser->token.type;
        if (type != TOKEN_VARIABLE && (type != TOKEN_WORD || is_keyword(parser))) {
            unexpected(parser);
            return false;
        }
        (*ret_count)++;
        if (!parser_next(parser)) return false;
    } while (parser_take(parser, ";"));
    return parser_expect(parser, ")");
}

/* Reads a body in the scope of its parameters. `$x` is `x as $x` before the body. */
static const struct node *parse_body(
        struct parser *parser, const struct token *names, uint32_t count) {
    const struct node *sources[EXPRESSION_ARGUMENTS];
    uint32_t values = 0;

    for (uint32_t i = 0; i < count; i++)
        scope_push(parser, SCOPE_PARAMETER, names[i].text, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (names[i].type != TOKEN_VARIABLE) continue;
        sources[values++] = node_call(parser, names[i].text, NULL, 0);
        scope_push(parser, SCOPE_VARIABLE, names[i].text, NULL);
    }
    const struct node *body = parse_pipe(parser);
    while (values)
        body = node_of(parser, NODE_AS, sources[--values], body);
    return body;
}

static bool parse_definition(struct parser *parser) {
    struct token names[EXPRESSION_ARGUMENTS];
    const struct scope *outer = parser->scope;
    struct function *function = arena_new_one(parser->arena, struct function);
    uint32_t level = parser->level;

    if (!parser_next(parser)) return false;
    if (parser->token.type != TOKEN_WORD || is_keyword(parser)) return unexpected(parser);
    function->name = parser->token.text;
    function->level = level;
    if (!parser_next(parser) || !parse_parameters(parser, names, &function->arity)) return false;
    if (!parser_expect(parser, ":")) return false;
    scope_push(parser, SCOPE_FUNCTION, function->name, function);
    function->body = parse_body(parser, names, function->arity);
    parser->scope = outer;
    parser->level = level;
    if (!function->body || !parser_expect(parser, ";")) return false;
    function->complete = true;
    scope_push(parser, SCOPE_FUNCTION, function->name, function);
    return true;
}

/* `def …; body`, and `label $x | body`, which reach as far as they can. */
static const struct node *parse_scoped(struct parser *parser) {
    const struct scope *outer = parser->scope;
    uint32_t level = parser->level;
    const struct node *node;

    if (parser_is(parser, "def")) {
        while (parser_is(parser, "def")) {
            if (!parse_definition(parser)) return NULL;
        }
        node = parser->internal && parser->token.type == TOKEN_END ? identity(parser)
                                                                   : parse_pipe(parser);
    } else {
        if (!parser_next(parser)) return NULL;
        struct token token = parser->token;
        if (token.type != TOKEN_VARIABLE) return unexpected(parser);
        if (!parser_next(parser) || !parser_expect(parser, "|")) return NULL;
        scope_push(parser, SCOPE_LABEL, token.text, NULL);
        node = node_of(parser, NODE_LABEL, parse_pipe(parser), NULL);
    }
    if (!parser->internal || parser->level != 0) parser->scope = outer;
    parser->level = level;
    return node;
}

static const struct node *parse_operand(struct parser *parser) {
    if (parser_is(parser, "def") || parser_is(parser, "label")) return parse_scoped(parser);
    if (parser_is(parser, "try")) return parse_try(parser);
    if (parser_take(parser, "-")) {
        const struct node *operand = parse_binary(parser, STRENGTH_PRODUCT);
        if (operand && operand->type == NODE_LITERAL && operand->value.type == JSON_NUMBER
                && !operand->value.count) {
            return node_literal(parser, json_number(-operand->value.number));
        }
        return node_of(parser, NODE_NEGATE, operand, NULL);
    }
    const struct node *node = parse_postfix(parser);
    return node && parser_is(parser, "as") ? parse_binding(parser, node) : node;
}

enum { SIDE_LEFT, SIDE_RIGHT, SIDE_NONE };

struct operator_row {
    const char *symbol;
    int strength, side;
    enum node_type type;
    uint8_t op;
};

static const struct operator_row *operator_find(const struct parser *parser) {
    static const struct operator_row rows[] = {
        { ",", STRENGTH_COMMA, SIDE_LEFT, NODE_COMMA, 0 },
        { "//", STRENGTH_ALTERNATIVE, SIDE_RIGHT, NODE_ALTERNATIVE, 0 },
        { "=", STRENGTH_ASSIGN, SIDE_NONE, NODE_UPDATE, UPDATE_SET },
        { "|=", STRENGTH_ASSIGN, SIDE_NONE, NODE_UPDATE, UPDATE_FILTER },
        { "+=", STRENGTH_ASSIGN, SIDE_NONE, NODE_UPDATE, OPERATOR_ADD },
        { "-=", STRENGTH_ASSIGN, SIDE_NONE, NODE_UPDATE, OPERATOR_SUBTRACT },
        { "*=", STRENGTH_ASSIGN, SIDE_NONE, NODE_UPDATE, OPERATOR_MULTIPLY },
        { "/=", STRENGTH_ASSIGN, SIDE_NONE, NODE_UPDATE, OPERATOR_DIVIDE },
        { "%=", STRENGTH_ASSIGN, SIDE_NONE, NODE_UPDATE, OPERATOR_MODULO },
        { "//=", STRENGTH_ASSIGN, SIDE_NONE, NODE_UPDATE, UPDATE_DEFAULT },
        { "or", STRENGTH_OR, SIDE_LEFT, NODE_OR, 0 },
        { "and", STRENGTH_AND, SIDE_LEFT, NODE_AND, 0 },
        { "==", STRENGTH_COMPARE, SIDE_NONE, NODE_BINARY, OPERATOR_EQUAL },
        { "!=", STRENGTH_COMPARE, SIDE_NONE, NODE_BINARY, OPERATOR_UNEQUAL },
        { "<", STRENGTH_COMPARE, SIDE_NONE, NODE_BINARY, OPERATOR_LESS },
        { "<=", STRENGTH_COMPARE, SIDE_NONE, NODE_BINARY, OPERATOR_LESS_EQUAL },
        { ">", STRENGTH_COMPARE, SIDE_NONE, NODE_BINARY, OPERATOR_GREATER },
        { ">=", STRENGTH_COMPARE, SIDE_NONE, NODE_BINARY, OPERATOR_GREATER_EQUAL },
        { "+", STRENGTH_SUM, SIDE_LEFT, NODE_BINARY, OPERATOR_ADD },
        { "-", STRENGTH_SUM, SIDE_LEFT, NODE_BINARY, OPERATOR_SUBTRACT },
        { "*", STRENGTH_PRODUCT, SIDE_LEFT, NODE_BINARY, OPERATOR_MULTIPLY },
        { "/", STRENGTH_PRODUCT, SIDE_LEFT, NODE_BINARY, OPERATOR_DIVIDE },
        { "%", STRENGTH_PRODUCT, SIDE_LEFT, NODE_BINARY, OPERATOR_MODULO },
    };

    if (parser->token.type != TOKEN_SYMBOL && parser->token.type != TOKEN_WORD) return NULL;
    if (parser_is(parser, "|") || parser_is(parser, ")") || parser_is(parser, "]")) return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (parser_is(parser, rows[i].symbol)) return &rows[i];
    }
    return NULL;
}

/* One or more operands with commas between them, the first of which was read. */
static const struct node *parse_commas(struct parser *parser, const struct node *first) {
    struct row row = { 0 };

    row_add(parser, &row, first);
    while (parser_take(parser, ",")) {
        if (!row_add(parser, &row, parse_binary(parser, STRENGTH_COMMA + 1))) return NULL;
    }
    return row_node(parser, NODE_COMMA, &row);
}

static const struct node *parse_operator(
        struct parser *parser, const struct operator_row *row, const struct node *left) {
    struct node *node = node_new(parser, row->type);

    if (!parser_next(parser)) return NULL;
    node->op = row->op;
    node->first = left;
    node->second = parse_binary(parser, row->strength + (row->side != SIDE_RIGHT));
    if (!node->second) return NULL;
    const struct operator_row *next = operator_find(parser);
    if (row->side == SIDE_NONE && next && next->strength == row->strength)
        return unexpected(parser);
    return node_done(parser, node);
}

static const struct node *parse_binary(struct parser *parser, int strength) {
    if (++parser->nesting > EXPRESSION_NESTING) {
        return parser_fail(parser, parser->token.offset, "nested too deeply");
    }
    const struct node *node = parse_operand(parser);
    while (node) {
        const struct operator_row *row = operator_find(parser);
        if (!row || row->strength < strength) break;
        node = row->type == NODE_COMMA ? parse_commas(parser, node)
                                       : parse_operator(parser, row, node);
    }
    parser->nesting--;
    return node;
}

/* Steps of a pipe are read one after the other and put together from the last: `a | (b | c)`. */
const struct node *parse_pipe(struct parser *parser) {
    struct row row = { 0 };
    const struct node *node = parse_binary(parser, STRENGTH_COMMA);

    if (!node || !parser_is(parser, "|")) return node;
    row_add(parser, &row, node);
    while (parser_take(parser, "|")) {
        if (!row_add(parser, &row, parse_binary(parser, STRENGTH_COMMA))) return NULL;
    }
    node = row.items[--row.count];
    while (row.count)
        node = node_of(parser, NODE_PIPE, row.items[--row.count], node);
    return node;
}

MUST_USE bool parser_run(struct parser *parser, const struct node **ret) {
    if (!parser_next(parser)) return false;
    *ret = parse_pipe(parser);
    if (!*ret) return false;
    if (parser->token.type == TOKEN_END) return true;
    unexpected(parser);
    return false;
}

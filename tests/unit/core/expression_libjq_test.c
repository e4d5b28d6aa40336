/* Our evaluator and libjq 1.6 must agree, message by message, on programs and inputs made at
 * random from a grammar.
 *
 * Known and wanted differences, which the grammar leaves out: numbers that no arithmetic touched
 * keep their digits; `|= empty` deletes what it names, all of it; an index with a fraction is
 * rounded down; positions in strings count code points; `try` catches the errors of its body
 * alone, null among them; `limit(0; …)` gives nothing; `@uri` keeps what RFC 3986 keeps; `gsub`
 * with an empty match ends; `reverse` takes strings; a remainder by nan is nan; `any` and `all`
 * take conditions of several values; `IN(a; b)` asks both for the same input; `bsearch` and
 * `tonumber` complain in the words of later versions. */
#include <jq.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/buf.h"
#include "core/expression.h"

enum { BATCHES = 24, PROGRAMS = 150, DEPTH = 4, PROGRAM_SIZE = 2048, WORK_MAX = 128 * 1024 };

struct generator {
    uint64_t state;
    struct buf *text;
    uint32_t variables; /* $v0 … are bound */
};

static uint32_t pick(struct generator *generator, uint32_t count) {
    generator->state ^= generator->state << 13;
    generator->state ^= generator->state >> 7;
    generator->state ^= generator->state << 17;
    return (uint32_t)((generator->state >> 11) % count);
}

static const char *one_of(struct generator *generator, const char *const *texts, size_t count) {
    return texts[pick(generator, (uint32_t)count)];
}

#define ONE_OF(generator, texts) one_of(generator, texts, ARRAY_SIZE(texts))

/* ---- inputs ---- */

static void put_value(struct generator *generator, int depth) {
    static const char *const leaves[] = { "null", "true", "false", "0", "1", "2", "3", "-1", "2.5",
        "10", "\"a\"", "\"b\"", "\"\"", "\"a,b\"", "\"abc\"", "\"3\"", "[]", "{}" };
    static const char *const keys[] = { "a", "b", "c", "key", "value" };
    uint32_t count = pick(generator, 4), kind = depth > 0 ? pick(generator, 5) : 0;
    bool used[ARRAY_SIZE(keys)] = { false };

    if (kind < 2) {
        buf_append_c(generator->text, ONE_OF(generator, leaves));
        return;
    }
    buf_append_c(generator->text, kind == 2 ? "[" : "{");
    for (uint32_t i = 0, put = 0; i < count; i++) {
        uint32_t key = pick(generator, ARRAY_SIZE(keys));
        if (kind != 2 && used[key]) continue;
        used[key] = true;
        if (put++) buf_append_c(generator->text, ",");
        if (kind != 2) buf_append_format(generator->text, "\"%s\":", keys[key]);
        put_value(generator, depth - 1);
    }
    buf_append_c(generator->text, kind == 2 ? "]" : "}");
}

/* ---- programs; in the templates, E is any expression, P a path, B what binds, F a filter with
 * one value ---- */

static const char *const leaves[] = { ".", ".", ".a", ".b", ".a.b", ".[0]", ".[-1]", ".[1:]",
    ".[:-1]", ".a?", ".[]?", ".[]", "1", "0", "-1", "2.5", "\"a\"", "\"b,c\"", "null", "true",
    "false", "[]", "{}", "[1,2,3]", "{\"a\":1,\"b\":[2]}", "[[1,2],[3]]", "\"x\"", "..", "empty",
    "[.[]?]", "length", "keys", "type", "tostring", "tojson", "not", "add", "sort", "unique",
    "[arrays|reverse]", "floor", "sqrt", "numbers|tonumber", "explode", "to_entries",
    "from_entries", "paths", "flatten", "min", "max", "any", "all", "first", "last",
    "ascii_downcase", "ascii_upcase", "utf8bytelength", "values", "nulls", "strings", "numbers",
    "arrays", "objects", "booleans", "scalars", "iterables", "leaf_paths", "tostream",
    "keys_unsorted", "fabs", "isinfinite", "recurse", "[implode?]", "@json", "@text", "@csv",
    "@tsv", "@html", "@sh", "@base64", "combinations", "error(\"e\")", "ceil", "round" };

static const char *const composed[] = { "(E)|(E)", "(E),(E)", "(E)+(E)", "(E)-(E)", "(E)*(E)",
    "first(E)/(E)", "first(E)%(E)", "(E)==(E)", "(E)!=(E)", "(E)<(E)", "(E)<=(E)", "(E)>(E)",
    "(E)>=(E)", "(E) and (E)", "(E) or (E)", "(E)//(E)", "if E then E else E end",
    "if E then E elif E then E else E end", "[try (E) catch (E)]", "[(E)?]", "[E]", "{a:(E)}",
    "{a:(E),b:(E)}", "{(first(E)):(E)}", "{\"a\\(E)\":1}", "\"<\\(E)>\"", "\"\\(E)-\\(E)\"", "-(E)",
    "map(E)", "map(E)", "select(E)", "[.[]?|E]", "first(E)", "limit(2;E)", "[limit(3;E)]",
    "path(P)", "[path(P)]", "getpath([E])", "del(P)", "to_entries|map(E)", "with_entries(F)",
    "sort_by(E)", "group_by(E)", "unique_by(E)", "min_by(E)", "max_by(E)", "any(first(E))",
    "all(first(E))", "any([E][];first(E))", "all([E][];first(E))", "has(E)", "contains(E)",
    "inside(E)", "join(E)", "split(E)", "startswith(E)", "endswith(E)", "ltrimstr(E)",
    "rtrimstr(E)", "flatten(1)", "recurse(.[]?)", "recurse(.[]?;E)", "range(3)", "range(1;4)",
    "range(0;6;2)", "[range(E)|.]|length", "isempty(E)", "(E) as B | E", "reduce (E) as B (S;E)",
    "[foreach (E) as B (S;E;E)]", "[foreach (E) as B (S;E)]", "label $l | (E), break $l, (E)",
    "[label $l | (E) | ., break $l]", "def f: E; f", "def f(g): E | g; f(E)", "def f($p): E; f(E)",
    "def f: if type == \"number\" and . > 0 then . - 1 | f else E end; f", "P = (E)", "P |= F",
    "P += (E)", "P -= (E)", "P *= (E)", "(P) //= (E)", "[paths(E)]",
    "until(type != \"number\" or . >= 3; . + 1)", "[while(type == \"number\" and . < 3; . + 1)]",
    "walk(F)", "indices(1)", "index(E)", "[limit(5;repeat(E))]", "first(E)//(E)",
    "[.[]?|tostring]|join(\",\")", "map_values(F)", "test(\"a\")", "[match(\"[ab]\";\"g\").offset]",
    "sub(\"a\";\"z\")", "gsub(\"b\";\"y\")", "capture(\"(?<x>a)\")", "[scan(\"[a-c]\")]",
    "splits(\",\")", "ascii_downcase|explode", "tojson|fromjson", "[tostream]|length",
    "fromstream(tostream)", "IN(E)", "INDEX(E)", "[1,2,4]|bsearch(3)", "setpath([\"a\"];E)",
    "delpaths([[\"a\"]])", "getpath([\"a\",\"b\"])", "last(E)", "nth(1;E)", "in(E)",
    "[splits(\"a|b\")]", "@text \"x\\(E)\"", "@json \"y\\(E)\"", "@sh \"z\\(E)\"",
    "[. as B ?// B | E]", "[.[]?|[(E)?]]", "[E][0]", "[E][1:]", "{a:1}|.[\"a\",\"b\"]",
    "(E)|tojson", "map(E)|add", "[.[]?|select(E)]", "reduce range(4) as $i ([];.+[$i])",
    "[try error(E|tojson) catch .]", "floor|tostring" };

static const char *const paths[] = { ".", ".a", ".b", ".a.b", ".[0]", ".[1]", ".[]", ".[]?",
    ".a[]?", "..", ".[1:]", "(P,P)", "(P|P)", "(P|select(E))", "first(P)",
    "(if E then P else P end)", "((P)//(P))", "getpath([\"a\"])", "(P|P)", "recurse", "(P|first)",
    "(P|last)", ".[\"a\",\"b\"]?", "empty", "limit(1;P)" };

static const char *const filters[] = { ".", ".", "1", "null", "\"f\"", "[.]", "{a:.}", "tojson",
    "type", "[length?]", "[(.+1)?]", "[E|tojson]", "[E]" };

static const char *const bindings[] = { "$v", "$v", "$v", "[$v]", "{a:$v}", "{$v}", "[$v,{b:$w}]",
    "{\"a\":[$v]}" };

static void put(struct generator *generator, const char *text, int depth);

static void put_expression(struct generator *generator, int depth) {
    if (generator->variables && pick(generator, 6) == 0) {
        buf_append_c(generator->text, "$v");
    } else if (depth <= 0 || pick(generator, 5) == 0) {
        put(generator, ONE_OF(generator, leaves), 0);
    } else {
        put(generator, ONE_OF(generator, composed), depth - 1);
    }
}

static void put_path(struct generator *generator, int depth) {
    enum { PLAIN = 11 };

    put(generator, depth > 0 ? ONE_OF(generator, paths) : paths[pick(generator, PLAIN)], depth - 1);
}

/* Replaces the letters that stand alone. */
static void put(struct generator *generator, const char *text, int depth) {
    uint32_t variables = generator->variables;
    bool after_letter = false;

    for (const char *at = text; *at; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_'
                || *at == '$';
        bool alone = letter && !after_letter && !((at[1] | 0x20) >= 'a' && (at[1] | 0x20) <= 'z');
        after_letter = letter;
        if (alone && *at == 'E') {
            put_expression(generator, depth);
        } else if (alone && *at == 'P') {
            put_path(generator, depth);
        } else if (alone && *at == 'F') {
            put(generator, ONE_OF(generator, filters), depth - 1);
        } else if (alone && *at == 'S') {
            put(generator, ONE_OF(generator, leaves), 0);
        } else if (alone && *at == 'B') {
            buf_append_c(generator->text, ONE_OF(generator, bindings));
            generator->variables = 1;
        } else {
            buf_append_char(generator->text, *at);
        }
    }
    generator->variables = variables;
}

/* ---- both sides ---- */

struct batch {
    struct str programs[PROGRAMS];
    struct str input;
    struct arena *arena;
};

/* What each side runs: errors become values, and with them their messages. */
static const char before[] = "try ([limit(40;", after[] = ")]|tojson|fromjson) catch {e: .}";

static void complain(void *user, jv message) {
    (void)user;
    if (jv_get_kind(message) == JV_KIND_STRING) print_message("%.600s\n", jv_string_value(message));
    jv_free(message);
}

/* Evaluates all programs of a batch at once, since libjq takes as long to start for one as for
 * all. */
static void run_libjq(const struct batch *batch, struct json *ret) {
    jq_state *jq = jq_init();
    struct buf text;
    struct err err;
    jv result;
    size_t count = 0;

    assert_non_null(jq);
    jq_set_error_cb(jq, complain, NULL);
    buf_init(&text, 16 * 1024 * 1024);
    for (size_t i = 0; i < PROGRAMS; i++) {
        buf_append_format(&text, "%s(%s" STR_FMT "%s)", i ? "," : "", before,
                STR_ARG(batch->programs[i]), after);
    }
    if (!jq_compile(jq, text.data)) fail_msg("libjq does not compile a batch");
    jq_start(jq, jv_parse(batch->input.data), 0);
    while (jv_is_valid(result = jq_next(jq))) {
        jv dumped = jv_dump_string(result, 0);
        struct str copy = str_copy(str_from(jv_string_value(dumped)), batch->arena);
        jv_free(dumped);
        assert_true(count < PROGRAMS);
        struct json_read_options options = { .borrow = true, .depth_max = 10000 };
        if (!json_read(copy, &options, batch->arena, &ret[count++], NULL, &err))
            fail_msg("%s", err.message);
    }
    jv_free(result);
    assert_int_equal(count, PROGRAMS);
    buf_clear(&text);
    jq_teardown(&jq);
}

static bool same_values(struct json a, struct json b) {
    if (json_type(a) != json_type(b) || json_size(a) != json_size(b)) return false;
    if (json_type(a) == JSON_NUMBER) return json_double(a) == json_double(b);
    for (size_t i = 0; json_type(a) == JSON_ARRAY && i < json_size(a); i++) {
        if (!same_values(json_at(a, i), json_at(b, i))) return false;
    }
    if (json_type(a) == JSON_OBJECT) {
        for (size_t i = 0; i < json_size(a); i++) {
            const struct json_member *member = json_member_at(a, i);
            if (!json_has(b, member->key) || !same_values(member->value, json_get(b, member->key)))
                return false;
        }
        return true;
    }
    return json_type(a) == JSON_ARRAY || json_equal(a, b);
}

struct outcome {
    bool ok;
    struct json value;
    struct err err;
};

static struct outcome run_ours(const struct batch *batch, struct str program, struct arena *arena) {
    struct str whole = str_format(arena, "%s" STR_FMT "%s", before, STR_ARG(program), after);
    struct outcome outcome = { .value = json_null() };
    const struct expression *expression;
    struct json input;

    outcome.ok = json_read(batch->input, NULL, arena, &input, NULL, &outcome.err)
            && expression_compile(whole, NULL, arena, &expression, &outcome.err)
            && expression_eval(expression, input, NULL, arena, &outcome.value, &outcome.err);
    return outcome;
}

/* False if they disagree, which is then printed. */
static bool compare(const struct batch *batch, struct str program, struct json wanted) {
    struct outcome outcome = run_ours(batch, program, batch->arena);

    if (outcome.ok && same_values(outcome.value, wanted)) return true;
    struct str have =
            outcome.ok ? json_to_str(outcome.value, batch->arena) : str_from(outcome.err.message);
    struct str want = json_to_str(wanted, batch->arena);
    print_message("program  " STR_FMT "\ninput    " STR_FMT "\n  libjq  %.300s\n  ours   %.300s\n",
            STR_ARG(program), STR_ARG(batch->input), want.data, have.data);
    return false;
}

/* True if a program ends soon: libjq has no budget that would end it. */
static bool is_short(const struct batch *batch, struct str program) {
    struct arena *arena = arena_new();
    struct outcome outcome = run_ours(batch, program, arena);
    bool is_short = outcome.ok && arena_used(arena) < WORK_MAX;

    if (!outcome.ok && outcome.err.code != ERR_TOO_LARGE)
        print_message("%s\n", outcome.err.message);
    arena_free(arena);
    return is_short;
}

/* libjq 1.6 loses a little memory with some errors; that is not for us to find. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void) {
    return "leak:libjq\n";
}

static uint64_t seed_of(void) {
    const char *text = getenv("SEED");

    return text ? strtoull(text, NULL, 10) : 20240607;
}

static void agrees_with_libjq(void **state) {
    struct arena *arena = arena_new();
    struct buf text;
    size_t different = 0;
    struct generator generator = { .state = seed_of() * 2654435761u + 1, .text = &text };

    (void)state;
    print_message("SEED=%llu\n", (unsigned long long)seed_of());
    buf_init(&text, PROGRAM_SIZE);
    for (size_t i = 0; i < BATCHES; i++) {
        struct batch batch = { .arena = arena };
        struct json wanted[PROGRAMS];
        buf_reset(&text);
        put_value(&generator, 4);
        batch.input = str_copy(buf_str(&text), arena);
        for (size_t j = 0; j < PROGRAMS; j++) {
            do {
                buf_reset(&text);
                put_expression(&generator, DEPTH);
            } while (buf_is_over(&text) || !is_short(&batch, buf_str(&text)));
            batch.programs[j] = str_copy(buf_str(&text), arena);
        }
        run_libjq(&batch, wanted);
        for (size_t j = 0; j < PROGRAMS; j++)
            different += !compare(&batch, batch.programs[j], wanted[j]);
        arena_reset(arena);
    }
    buf_clear(&text);
    arena_free(arena);
    assert_int_equal(different, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(agrees_with_libjq) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/macros.h"
#include "core/definition.h"

#define HEAD "document: { dsl: '1.0.3', namespace: default, name: test, version: '1.0.0' }\n"

struct fixture {
    struct arena *arena;
    struct faults faults;
    const struct definition *definition;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->arena = arena_new();
    faults_init(&fixture->faults, fixture->arena);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    definition_free(fixture->definition);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static bool load(struct fixture *fixture, struct str text) {
    struct err err;

    definition_free(fixture->definition);
    fixture->definition = NULL;
    faults_init(&fixture->faults, fixture->arena);
    if (definition_load(text, INTAKE_YAML, &fixture->definition, &fixture->faults, &err)) return true;
    fixture->definition = NULL;
    if (err.code != ERR_INVALID) print_error("%s\n", err.message);
    assert_int_equal(err.code, ERR_INVALID);
    return false;
}

static void must_load(struct fixture *fixture, const char *body) {
    bool ok = load(fixture, str_format(fixture->arena, HEAD "%s", body));

    for (size_t i = 0; i < fixture->faults.count; i++) {
        print_error(STR_FMT ": " STR_FMT "\n", STR_ARG(fixture->faults.items[i].pointer), STR_ARG(fixture->faults.items[i].detail));
    }
    assert_true(ok);
}

static void assert_str(struct str actual, const char *expected) {
    if (!str_equal(actual, str_from(expected))) print_error("'" STR_FMT "' is not '%s'\n", STR_ARG(actual), expected);
    assert_true(str_equal(actual, str_from(expected)));
}

/* ---- what is refused ---- */

static const struct {
    const char *body;    /* below HEAD */
    const char *pointer;
    const char *detail;  /* a part of it */
} refused[] = {
    /* expressions: bare, in a template, in a rule */
    { "do: [ { a: { if: '.a |', set: { a: 1 } } } ]", "/do/0/a/if", "the expression is wrong" },
    { "do: [ { a: { set: { x: [ { y: '${ .a + }' } ] } } } ]", "/do/0/a/set/x/0/y", "the expression is wrong" },
    { "do: [ { a: { set: '${ $nobody }' } } ]", "/do/0/a/set", "nobody" },
    { "do: [ { a: { input: { from: '.a +' }, set: { a: 1 } } } ]", "/do/0/a/input/from", "the expression is wrong" },
    { "do: [ { a: { output: { as: { b: '${ ) }' } }, set: { a: 1 } } } ]", "/do/0/a/output/as/b", "the expression is wrong" },
    { "do: [ { a: { export: { as: 'nothing()' }, set: { a: 1 } } } ]", "/do/0/a/export/as", "the expression is wrong" },
    { "do: [ { a/b: { if: '(', set: { a: 1 } } } ]", "/do/0/a~1b/if", "the expression is wrong" },
    { "input: { from: '(' }\ndo: []", "/input/from", "the expression is wrong" },
    { "output: { as: '(' }\ndo: []", "/output/as", "the expression is wrong" },
    { "do: [ { a: { switch: [ { b: { when: '(', then: end } } ] } } ]", "/do/0/a/switch/0/b/when", "the expression is wrong" },
    { "do: [ { a: { for: { in: '(' }, do: [] } } ]", "/do/0/a/for/in", "the expression is wrong" },
    { "do: [ { a: { for: { in: . }, while: '(', do: [] } } ]", "/do/0/a/while", "the expression is wrong" },
    { "do: [ { a: { try: [], catch: { when: '(' } } } ]", "/do/0/a/catch/when", "the expression is wrong" },
    { "do: [ { a: { try: [], catch: { exceptWhen: '(' } } } ]", "/do/0/a/catch/exceptWhen", "the expression is wrong" },
    { "do: [ { a: { try: [], catch: { retry: { when: '(' } } } } ]", "/do/0/a/catch/retry/when", "the expression is wrong" },
    { "use: { retries: { r: { exceptWhen: '(' } } }\ndo: [ { a: { try: [], catch: { retry: r } } } ]", "/use/retries/r/exceptWhen", "wrong" },
    { "do: [ { a: { wait: '${ ( }' } } ]", "/do/0/a/wait", "the expression is wrong" },
    { "do: [ { a: { emit: { event: { with: { source: 'https://e.com', type: t, data: { n: '${ ( }' } } } } } } ]", "/do/0/a/emit/event/with/data/n", "wrong" },
    { "do: [ { a: { raise: { error: { type: 'https://e.com', status: 400, title: '${ ( }' } } } } ]", "/do/0/a/raise/error/title", "wrong" },
    { "use: { errors: { e: { type: 'https://e.com', status: 400, title: '${ ( }' } } }\ndo: [ { a: { raise: { error: e } } } ]", "/use/errors/e/title", "wrong" },
    { "do: [ { a: { listen: { to: { one: { with: { data: '${ ( }' } } } } } } ]", "/do/0/a/listen/to/one/with/data", "wrong" },
    { "do: [ { a: { listen: { to: { any: [ { with: { type: t }, correlate: { c: { from: '(' } } } ] } } } } ]", "/do/0/a/listen/to/any/0/correlate/c/from", "wrong" },
    { "do: [ { a: { listen: { to: { any: [ { with: { type: t }, correlate: { c: { from: ., expect: '${ ( }' } } } ] } } } } ]", "/do/0/a/listen/to/any/0/correlate/c/expect", "wrong" },
    { "do: [ { a: { listen: { to: { any: [], until: '(' } } } } ]", "/do/0/a/listen/to/until", "wrong" },
    { "do: [ { a: { listen: { to: { any: [], until: { all: [ { with: { data: '${ ( }' } } ] } } } } } ]", "/do/0/a/listen/to/until/all/0/with/data", "wrong" },
    { "do: [ { a: { listen: { to: { any: [] } }, foreach: { do: [], output: { as: '(' } } } } ]", "/do/0/a/foreach/output/as", "wrong" },
    { "do: [ { a: { listen: { to: { any: [] } }, foreach: { do: [], export: { as: '(' } } } } ]", "/do/0/a/foreach/export/as", "wrong" },
    { "do: [ { a: { run: { workflow: { namespace: n, name: n, version: '1.0.0', input: { x: '${ ( }' } } } } } ]", "/do/0/a/run/workflow/input/x", "wrong" },
    { "do: [ { a: { call: http, with: { method: get, endpoint: '${ ( }' } } } ]", "/do/0/a/with/endpoint", "wrong" },
    { "do: [ { a: { call: http, with: { method: get, endpoint: { uri: '${ ( }' } } } } ]", "/do/0/a/with/endpoint/uri", "wrong" },
    { "do: [ { a: { call: http, with: { method: get, endpoint: 'http://e.com', body: [ '${ ( }' ] } } } ]", "/do/0/a/with/body/0", "wrong" },
    /* variables have a scope */
    { "do: [ { a: { for: { in: '[]' }, do: [] } }, { b: { set: '${ $item }' } } ]", "/do/1/b/set", "item" },
    { "do: [ { a: { for: { in: '$item' }, do: [] } } ]", "/do/0/a/for/in", "item" },
    { "do: [ { a: { try: [ { b: { set: '${ $error }' } } ], catch: {} } } ]", "/do/0/a/try/0/b/set", "error" },
    { "do: [ { a: { try: [], catch: { as: e, do: [ { b: { set: '${ $error }' } } ] } } } ]", "/do/0/a/catch/do/0/b/set", "error" },
    { "use: { functions: { f: { set: '${ $item }' } } }\ndo: [ { a: { for: { in: '[]' }, do: [ { b: { call: f } } ] } } ]", "/use/functions/f/set", "item" },
    /* schemas */
    { "do: [ { a: { input: { schema: { format: avro, document: {} } }, set: { a: 1 } } } ]", "/do/0/a/input/schema/format", "'avro' is not known; write 'json'" },
    { "do: [ { a: { output: { schema: { resource: { endpoint: 'https://e.com/s.json' } } }, set: { a: 1 } } } ]", "/do/0/a/output/schema/resource", "write the schema inline" },
    { "do: [ { a: { export: { schema: { document: { type: 7 } } }, set: { a: 1 } } } ]", "/do/0/a/export/schema/document/type", "" },
    { "input: { schema: { document: { properties: { a: { pattern: '(' } } } } }\ndo: []", "/input/schema/document/properties/a/pattern", "" },
    /* durations */
    { "do: [ { a: { wait: soon } } ]", "/do/0/a/wait", "not a duration" },
    { "do: [ { a: { wait: P99999999999999999999D } } ]", "/do/0/a/wait", "duration" },
    /* references */
    { "do: [ { a: { wait: PT1S, timeout: quick } } ]", "/do/0/a/timeout", "there is no 'quick' in use.timeouts" },
    { "use: { timeouts: { quickly: { after: PT1S } } }\ndo: [ { a: { wait: PT1S, timeout: quickyl } } ]", "/do/0/a/timeout", "did you mean 'quickly'?" },
    { "timeout: quick\ndo: []", "/timeout", "there is no 'quick' in use.timeouts" },
    { "do: [ { a: { try: [], catch: { retry: often } } } ]", "/do/0/a/catch/retry", "there is no 'often' in use.retries" },
    { "do: [ { a: { raise: { error: e } } } ]", "/do/0/a/raise/error", "there is no 'e' in use.errors" },
    { "do: [ { a: { call: f } } ]", "/do/0/a/call", "there is no 'f' in use.functions" },
    { "do: [ { a: { call: http, with: { method: get, endpoint: { uri: 'http://e.com', authentication: { use: me } } } } } ]", "/do/0/a/with/endpoint/authentication/use", "there is no 'me' in use.authentications" },
    { "use: { authentications: { me: { basic: { use: login } } } }\ndo: [ { a: { call: http, with: { method: get, endpoint: { uri: 'http://e.com', authentication: { use: me } } } } } ]", "/use/authentications/me/basic", "'login' is not listed in use.secrets" },
    { "use: { functions: { f: { call: f } } }\ndo: [ { a: { call: f } } ]", "/use/functions/f/call", "calls itself" },
    /* directives */
    { "do: [ { a: { set: { a: 1 }, then: nowhere } } ]", "/do/0/a/then", "'nowhere', which is no task of the same list" },
    { "do: [ { first: { set: { a: 1 }, then: lsat } }, { last: { set: { a: 1 } } } ]", "/do/0/first/then", "did you mean 'last'?" },
    { "do: [ { a: { do: [ { b: { set: { a: 1 }, then: c } } ] } }, { c: { set: { a: 1 } } } ]", "/do/0/a/do/0/b/then", "no task of the same list" },
    { "do: [ { a: { fork: { branches: [ { b: { set: { a: 1 }, then: c } }, { c: { set: { a: 1 } } } ] } } } ]", "/do/0/a/fork/branches/0/b/then", "no task of the same list" },
    { "do: [ { a: { switch: [ { b: { when: 'true', then: nowhere } } ] } } ]", "/do/0/a/switch/0/b/then", "nowhere" },
    { "do: [ { a: { try: [ { b: { set: { a: 1 } } } ], catch: { then: b } } } ]", "/do/0/a/catch/then", "no task of the same list" },
    { "use: { functions: { f: { set: { a: 1 }, then: b } } }\ndo: [ { a: { call: f } }, { b: { set: { a: 1 } } } ]", "/use/functions/f/then", "no task of the same list" },
    { "do: [ { a: { switch: [ { b: { then: end } }, { c: { then: exit } } ] } } ]", "/do/0/a/switch/1/c", "one default at most" },
    /* secrets do not go where they would be stored */
    { "use: { secrets: [ s ] }\ndo: [ { a: { set: { x: [ 1, '${ $secrets.s }' ] } } } ]", "/do/0/a/set/x/1", "$secrets would be stored here" },
    { "use: { secrets: [ s ] }\ndo: [ { a: { if: '$secrets.s', set: { a: 1 } } } ]", "/do/0/a/if", "$secrets would be stored here" },
    { "use: { secrets: [ s ] }\ndo: [ { a: { set: { a: 1 }, output: { as: $secrets.s } } } ]", "/do/0/a/output/as", "$secrets would be stored here" },
    { "use: { secrets: [ s ] }\ndo: [ { a: { run: { workflow: { namespace: n, name: n, version: '1.0.0', input: { x: '${ $secrets.s }' } } } } } ]", "/do/0/a/run/workflow/input/x", "$secrets would be stored here" },
    { "use: { secrets: [ s ], functions: { f: { set: '${ . }' } } }\ndo: [ { a: { call: f, with: { x: '${ $secrets.s }' } } } ]", "/do/0/a/with/x", "$secrets would be stored here" },
    /* calls */
    { "do: [ { a: { call: grpc, with: { proto: { endpoint: 'http://e.com' }, service: { name: s, host: h }, method: m } } } ]", "/do/0/a/call", "calls of 'grpc' are not available" },
    { "do: [ { a: { call: openapi, with: { document: { endpoint: 'http://e.com' }, operationId: o } } } ]", "/do/0/a/call", "calls of 'openapi' are not available" },
    { "do: [ { a: { call: 'ship:1.0.0@default' } } ]", "/do/0/a/call", "the catalog function 'ship:1.0.0@default' is not available" },
    { "do: [ { a: { call: 'https://e.com/f.yaml' } } ]", "/do/0/a/call", "is not available" },
    { "do: [ { a: { call: 'connection:1.0.0@default', with: { connection: c } } } ]", "/do/0/a/with", "'method' is missing" },
    { "do: [ { a: { call: 'connection:1.0.0@default', with: { method: get } } } ]", "/do/0/a/with", "'connection' is missing" },
    { "do: [ { a: { call: 'connection:1.0.0@default', with: { connection: c, method: get, url: x } } } ]", "/do/0/a/with/url", "no argument 'url'" },
    { "do: [ { a: { call: http, with: { method: get, endpoint: { uri: 'http://e.com', authentication: { oauth2: { authority: 'http://e.com', grant: client_credentials, client: { id: a, secret: b } } } } } } } ]", "/do/0/a/with/endpoint/authentication/oauth2", "authentication by 'oauth2' is not available" },
    /* listeners */
    { "do: [ { a: { listen: { to: { one: { with: { type: '(' } } } } } } ]", "/do/0/a/listen/to/one/with/type", "the regular expression is wrong" },
    /* what this build leaves out */
    { "evaluate: { language: js }\ndo: []", "/evaluate/language", "'js' is not available; write 'jq'" },
    { "evaluate: { mode: loose }\ndo: []", "/evaluate/mode", "write 'strict'" },
    { "use: { extensions: [ { e: { extend: all } } ] }\ndo: []", "/use/extensions", "extensions are not available" },
    { "schedule: { every: PT1S }\ndo: []", "/schedule", "schedules are not available" },
    { "do: [ { a: { run: { shell: { command: ls } } } } ]", "/do/0/a/run", "run.workflow can" },
    { "do: [ { a: { run: { container: { image: i } } } } ]", "/do/0/a/run", "run.workflow can" },
    { "do: [ { a: { run: { script: { language: js, code: x } } } } ]", "/do/0/a/run", "run.workflow can" },
};

static bool has_fault(const struct faults *faults, const char *pointer, const char *detail) {
    for (size_t i = 0; i < faults->count; i++) {
        const struct fault *fault = &faults->items[i];
        bool same = str_equal(fault->pointer, str_from(pointer));
        if (same && str_find(fault->detail, str_from(detail)) <= fault->detail.size - strlen(detail)) return true;
    }
    return false;
}

static void test_faults(void **state) {
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct str text = str_format(fixture->arena, HEAD "%s\n", refused[i].body);
        bool loaded = load(fixture, text);
        bool found = !loaded && has_fault(&fixture->faults, refused[i].pointer, refused[i].detail);
        if (!found) print_error("%s\n  expected %s: %s\n", refused[i].body, refused[i].pointer, refused[i].detail);
        for (size_t f = 0; !found && f < fixture->faults.count; f++) {
            const struct fault *fault = &fixture->faults.items[f];
            print_error("  got " STR_FMT ": " STR_FMT "\n", STR_ARG(fault->pointer), STR_ARG(fault->detail));
        }
        assert_true(found);
        assert_true(fixture->faults.items[0].line > 0);
    }
}

/* All that is wrong is told, not only the first. */
static void test_all_faults(void **state) {
    struct fixture *fixture = *state;

    assert_false(load(fixture, STR(HEAD "do:\n- a: { if: '(', set: { x: '${ ( }' }, then: nowhere }\n- b: { raise: { error: e } }\n")));
    assert_int_equal(fixture->faults.count, 4);
    for (size_t i = 0; i < 3; i++) assert_int_equal(fixture->faults.items[i].line, 3);
    assert_int_equal(fixture->faults.items[3].line, 4);
}

static void test_nested_loops(void **state) {
    struct fixture *fixture = *state;
    struct buf buf;

    buf_init(&buf, LIMIT_DEFINITION);
    buf_append_c(&buf, HEAD "do: [ ");
    for (int i = 0; i < 8; i++) buf_append_format(&buf, "{ a%d: { for: { each: e%d, at: i%d, in: '[]' }, do: [ ", i, i, i);
    for (int i = 0; i < 8; i++) buf_append_c(&buf, "] } } ");
    buf_append_c(&buf, "]\n");
    assert_true(load(fixture, buf_str(&buf)));
    buf_clear(&buf);
}

/* ---- what is made ---- */

static void test_tree(void **state) {
    struct fixture *fixture = *state;

    must_load(fixture,
            "use: { functions: { f: { do: [ { inner: { set: { a: 1 } } } ] } }, timeouts: { t: { after: { minutes: 1, seconds: 5 } } } }\n"
            "do:\n"
            "- one: { set: { a: 1 }, then: three, timeout: t }\n"
            "- two: { try: [ { tried: { wait: PT1S } } ], catch: { do: [ { caught: { call: f } } ], then: exit } }\n"
            "- three: { fork: { compete: true, branches: [ { branch: { listen: { to: { any: [] } }, foreach: { do: [ { turn: { set: { a: 1 } } } ] } } } ] } }\n"
            "- four: { for: { each: $e, in: '[]' }, do: [ { again: { switch: [ { x: { then: end } } ] } } ] }\n");
    static const struct {
        const char *pointer;
        enum task_kind kind;
    } expected[] = {
        { "", TASK_DO }, { "/do/0/one", TASK_SET }, { "/do/1/two", TASK_TRY }, { "/do/2/three", TASK_FORK }, { "/do/3/four", TASK_FOR },
        { "/do/1/two/try/0/tried", TASK_WAIT }, { "/do/1/two/catch/do/0/caught", TASK_FUNCTION }, { "/use/functions/f", TASK_DO },
        { "/use/functions/f/do/0/inner", TASK_SET }, { "/do/2/three/fork/branches/0/branch", TASK_LISTEN },
        { "/do/2/three/fork/branches/0/branch/foreach/do/0/turn", TASK_SET }, { "/do/3/four/do/0/again", TASK_SWITCH },
    };
    const struct definition *definition = fixture->definition;
    assert_int_equal(definition_task_count(definition), ARRAY_SIZE(expected));
    assert_null(definition_task(definition, ARRAY_SIZE(expected)));
    for (uint32_t i = 0; i < ARRAY_SIZE(expected); i++) {
        const struct task *task = definition_task(definition, i);
        assert_int_equal(task->index, i);
        bool found = false;
        for (size_t e = 0; e < ARRAY_SIZE(expected); e++) {
            found |= str_equal(task->pointer, str_from(expected[e].pointer)) && task->kind == expected[e].kind;
        }
        if (!found) print_error("unexpected: " STR_FMT "\n", STR_ARG(task->pointer));
        assert_true(found);
        /* A pointer leads to what it names. */
        struct json source = json_pointer_get(definition_document(definition), task->pointer);
        assert_true(json_equal(source, task->source));
    }
    const struct task *root = definition_root(definition);
    assert_int_equal(root->list.items[0]->then.kind, DIRECTIVE_TASK);
    assert_int_equal(root->list.items[0]->then.position, 2);
    assert_int_equal(root->list.items[0]->timeout.constant.ms, 65000);
    assert_true(root->list.items[1]->try_.has_then);
    assert_int_equal(root->list.items[1]->try_.then.kind, DIRECTIVE_EXIT);
    assert_true(root->list.items[2]->fork.compete);
    assert_str(root->list.items[3]->for_.each, "e");
    assert_str(root->list.items[3]->for_.at, "index");
    assert_str(definition_namespace(definition), "default");
    assert_str(definition_name(definition), "test");
    assert_str(definition_version(definition), "1.0.0");
}

static void test_hash(void **state) {
    struct fixture *fixture = *state;
    char first[80];

    must_load(fixture, "do: []\n");
    snprintf(first, sizeof(first), STR_FMT, STR_ARG(definition_hash(fixture->definition)));
    assert_int_equal(strlen(first), 64);
    must_load(fixture, "do: []\n");
    assert_str(definition_hash(fixture->definition), first);
    must_load(fixture, "do: [ ]\n");
    assert_false(str_equal(definition_hash(fixture->definition), str_from(first)));
}

static void test_event_types(void **state) {
    struct fixture *fixture = *state;

    must_load(fixture,
            "do:\n"
            "- a: { listen: { to: { all: [ { with: { type: a.v1 }, correlate: { x: { from: '${ .data.x }' }, y: { from: .subject, expect: '1' } } }, { with: { source: s } } ] } } }\n"
            "- b: { listen: { to: { any: [ { with: { type: 'b\\..*' } } ], until: { one: { with: { type: c.v1 } } } } } }\n"
            "- c: { listen: { to: { any: [] } } }\n");
    struct str text = json_to_str(definition_event_types(fixture->definition), fixture->arena);
    assert_str(text, "[{\"type\":\"a.v1\",\"from\":[\".data.x\",\".subject\"]},{\"type\":\"*\",\"from\":[]},{\"type\":\"*\",\"from\":[]},"
            "{\"type\":\"c.v1\",\"from\":[]},{\"type\":\"*\",\"from\":[]}]");
}

static void test_durations(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *json;
        bool valid;
        int64_t ms;
    } cases[] = {
        { "\"PT1.5S\"", true, 1500 }, { "\"P1DT2H\"", true, 93600000 }, { "{\"days\":1,\"hours\":1,\"minutes\":1,\"seconds\":1,\"milliseconds\":1}", true, 90061001 },
        { "{}", true, 0 }, { "\"1s\"", false, 0 }, { "5", false, 0 }, { "null", false, 0 }, { "[]", false, 0 }, { "\"\"", false, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct json_read_options options = { .borrow = true };
        struct duration duration = { 0 };
        struct json value;
        struct err err;
        assert_true(json_read(str_from(cases[i].json), &options, fixture->arena, &value, NULL, &err));
        assert_int_equal(duration_of_value(value, &duration), cases[i].valid);
        if (cases[i].valid) assert_int_equal(duration.ms, cases[i].ms);
    }
}

/* semver.org, 11: each is below all that follow. */
static void test_versions(void **state) {
    static const char *const sorted[] = { "0.0.1", "0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
        "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-0", "2.0.0", "10.0.0", "99999999999999999999.0.0" };

    (void)state;
    for (size_t a = 0; a < ARRAY_SIZE(sorted); a++) {
        for (size_t b = 0; b < ARRAY_SIZE(sorted); b++) {
            int expected = a < b ? -1 : a > b;
            assert_int_equal(definition_version_compare(str_from(sorted[a]), str_from(sorted[b])), expected);
        }
    }
    assert_int_equal(definition_version_compare(STR("1.0.0+a"), STR("1.0.0+b")), 0);
    assert_int_equal(definition_version_compare(STR("1.0.0-rc+a"), STR("1.0.0+b")), -1);
}

/* The specification's examples load, or are refused for what this build leaves out, and nothing else. */
static void test_examples(void **state) {
    struct fixture *fixture = *state;
    const char *shared = getenv("PENSTOCK_SHARED");
    char folder[512], path[1024];
    struct dirent **entries;
    size_t seen = 0, loaded = 0;

    snprintf(folder, sizeof(folder), "%s/spec/examples", shared ? shared : "../shared");
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0) {
        print_message("%s is not there\n", folder);
        skip();
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        bool wanted = str_ends_with(str_from(path), STR(".yaml"));
        free(entries[i]);
        if (!wanted) continue;
        char *text = arena_alloc(fixture->arena, LIMIT_DEFINITION);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        size_t size = fread(text, 1, LIMIT_DEFINITION, file);
        fclose(file);
        seen++;
        if (load(fixture, (struct str){ text, size })) {
            loaded++;
            continue;
        }
        for (size_t f = 0; f < fixture->faults.count; f++) {
            const struct fault *fault = &fixture->faults.items[f];
            bool left_out = str_find(fault->detail, STR("available")) < fault->detail.size
                    || str_find(fault->detail, STR("this build")) < fault->detail.size;
            if (!left_out) print_error("%s: " STR_FMT ": " STR_FMT "\n", path, STR_ARG(fault->pointer), STR_ARG(fault->detail));
            assert_true(left_out);
        }
    }
    free(entries);
    print_message("%zu of %zu examples load\n", loaded, seen);
    assert_true(seen >= 40 && loaded >= 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_faults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nested_loops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_event_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_durations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_examples, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

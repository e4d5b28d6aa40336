#include "core/intake.h"

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
#include "core/schema.h"

/* ---- helpers ---- */

static const char *shared(void) {
    const char *folder = getenv("PENSTOCK_SHARED");

    return folder ? folder : "../shared";
}

static bool read_file(const char *name, struct arena *arena, struct str *ret) {
    char path[4096];
    char *text = arena_alloc(arena, LIMIT_DEFINITION);

    snprintf(path, sizeof(path), "%s/%s", shared(), name);
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    *ret = (struct str){ text, fread(text, 1, LIMIT_DEFINITION, file) };
    fclose(file);
    return true;
}

static struct json read_yaml(struct str text, struct arena *arena) {
    struct json value = { 0 };
    struct err err;

    if (!intake_read(text, INTAKE_YAML, arena, &value, &err)) fail_msg("%s", err.message);
    return value;
}

static const char *told(const struct faults *faults, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, 256 * 1024);
    for (size_t i = 0; i < faults->count; i++) {
        buf_append_format(&buf, STR_FMT ": " STR_FMT "\n", STR_ARG(faults->items[i].pointer),
                STR_ARG(faults->items[i].detail));
    }
    const char *text = str_to_c(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

/* Calls `visit` for each .yaml of a folder; skips the test where there is none. */
static void each_file(const char *folder,
        void (*visit)(void *user, const char *name, struct str text), void *user) {
    char path[4096];
    struct dirent *entry;
    size_t count = 0;

    snprintf(path, sizeof(path), "%s/%s", shared(), folder);
    DIR *dir = opendir(path);
    if (!dir) {
        printf("skipped: %s is not there; PENSTOCK_SHARED names the folder of test data\n", path);
        skip();
    }
    while ((entry = readdir(dir))) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct str text;
        if (!str_ends_with(str_from(entry->d_name), STR(".yaml"))) continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        assert_true(read_file(path, arena, &text));
        visit(user, entry->d_name, text);
        count++;
    }
    closedir(dir);
    assert_true(count > 0);
}

/* ---- reading ---- */

static void reads_yaml_and_json_alike(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct json a, b;
    struct err err;

    (void)state;
    assert_true(intake_read(STR("do:\n- a: { set: { b: 1.50 } }\n"), INTAKE_YAML, arena, &a, &err));
    assert_true(intake_read(
            STR("{\"do\":[{\"a\":{\"set\":{\"b\":1.50}}}]}"), INTAKE_JSON, arena, &b, &err));
    assert_true(json_equal(a, b));
    assert_string_equal(json_to_str(a, arena).data, json_to_str(b, arena).data);
    assert_false(intake_read(STR("{\"a\":1,\"a\":2}"), INTAKE_JSON, arena, &b, &err));
    assert_int_equal(err.code, ERR_MALFORMED);
    char *large = arena_alloc(arena, LIMIT_DEFINITION + 1);
    memset(large, ' ', LIMIT_DEFINITION + 1);
    assert_false(
            intake_read((struct str){ large, LIMIT_DEFINITION + 1 }, INTAKE_JSON, arena, &b, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_false(
            intake_read((struct str){ large, LIMIT_DEFINITION + 1 }, INTAKE_YAML, arena, &b, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
}

static void finds_the_nearest_name(void **state) {
    static const struct {
        const char *name, *nearest;
    } cases[] = {
        { "retyr", "retry" },
        { "Retry", "retry" },
        { "retri", "retry" },
        { "rety", "retry" },
        { "reetry", "retry" },
        { "exceptwhen", "exceptWhen" },
        { "iff", "if" },
        { "x", "" },
        { "ab", "" },
        { "", "" },
        { "completely", "" },
        { "fo", "for" },
        { "fro", "for" },
    };
    const struct str candidates[] = { STR("if"), STR("for"), STR("retry"), STR("exceptWhen"),
        STR("metadata") };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct str found =
                intake_nearest(str_from(cases[i].name), candidates, ARRAY_SIZE(candidates));
        if (!str_equal(found, str_from(cases[i].nearest)))
            fail_msg("%s: " STR_FMT, cases[i].name, STR_ARG(found));
    }
}

/* ---- a definition with everything in it ---- */

static const char everything_above[] =
        "document: { dsl: '1.0.3', namespace: test, name: everything, version: 1.0.0-rc.1+build.5, "
        "title: T, summary: S, tags: { a: b }, metadata: { c: 1 } }\n"
        "input: { schema: { format: json, document: { type: object } }, from: { a: '${ .b }' } }\n"
        "output: { as: '${ . }', schema: { resource: { name: out, endpoint: "
        "https://example.com/out.json } } }\n"
        "timeout: { after: PT1H }\n"
        "evaluate: { language: jq, mode: strict }\n"
        "schedule: { every: { minutes: 5 }, cron: '0 0 * * *', after: PT5M, read: envelope,\n"
        "  on: { any: [ { with: { type: a.b, source: 'https://example.com/{id}' } } ], until: { "
        "one: { with: { type: c } } } } }\n"
        "use:\n"
        "  authentications:\n"
        "    a: { basic: { username: u, password: p } }\n"
        "    b: { bearer: { token: '${ $secrets.t }' } }\n"
        "    c: { digest: { use: secret } }\n"
        "    d: { oauth2: { authority: https://login.example.com/, grant: client_credentials, "
        "endpoints: { token: /t, revocation: /r, introspection: /i },\n"
        "        client: { id: i, secret: s, assertion: x, authentication: private_key_jwt }, "
        "request: { encoding: application/json },\n"
        "        issuers: [ i ], scopes: [ s ], audiences: [ a ], username: u, password: p, "
        "subject: { token: t, type: y }, actor: { token: t, type: y } } }\n"
        "    e: { oidc: { authority: https://login.example.com/, grant: password } }\n"
        "    f: { oidc: { use: secret } }\n"
        "  errors: { e: { type: https://example.com/e, status: 500, instance: /do/0, title: T, "
        "detail: '${ .d }' } }\n"
        "  extensions:\n"
        "    - log: { extend: all, when: '${ true }', before: [ { x: { set: { a: 1 } } } ], after: "
        "[ { y: { wait: PT1S } } ] }\n"
        "  functions: { f: { call: http, with: { method: get, endpoint: https://example.com } } }\n"
        "  retries: { r: { when: .a, exceptWhen: .b, delay: { seconds: 1 }, backoff: { "
        "exponential: {} }, jitter: { from: PT0S, to: PT1S },\n"
        "      limit: { attempt: { count: 3, duration: PT1M }, duration: '${ .d }' } } }\n"
        "  secrets: [ s, t ]\n"
        "  timeouts: { t: { after: { days: 1, hours: 1, minutes: 1, seconds: 1, milliseconds: 1 } "
        "} }\n"
        "  catalogs: { k: { endpoint: { uri: https://example.com/catalog, authentication: { use: a "
        "} } } }\n";

static const char everything_to_do[] =
        "do:\n"
        "  - http: { call: http, if: .a, then: end, timeout: t, metadata: { m: 1 }, input: { from: "
        ".a }, export: { as: .b }, output: { as: .c },\n"
        "      with: { method: post, endpoint: { uri: '${ .u }', authentication: { basic: { use: s "
        "} } }, headers: { A: b }, query: '${ .q }',\n"
        "        body: [ 1 ], output: response, redirect: true } }\n"
        "  - grpc: { call: grpc, with: { proto: { endpoint: file://a.proto }, service: { name: S, "
        "host: localhost, port: 50051, authentication: { use: a } },\n"
        "      method: M, arguments: { a: 1 } } }\n"
        "  - openapi: { call: openapi, with: { document: { endpoint: https://example.com/o }, "
        "operationId: o, parameters: { a: 1 },\n"
        "      authentication: { use: a }, output: raw, redirect: false } }\n"
        "  - publish: { call: asyncapi, with: { document: { endpoint: https://example.com/a }, "
        "operation: o, server: { name: s, variables: { v: 1 } },\n"
        "      protocol: kafka, message: { payload: { a: 1 }, headers: { h: 1 } }, authentication: "
        "{ use: a } } }\n"
        "  - subscribe: { call: asyncapi, with: { document: { endpoint: https://example.com/a }, "
        "channel: c,\n"
        "      subscription: { filter: '${ .f }', consume: { amount: 3, for: PT1M }, foreach: { "
        "item: i, at: n, do: [ { a: { set: { b: 1 } } } ] } } } }\n"
        "  - consume: { call: asyncapi, with: { document: { endpoint: https://example.com/a }, "
        "channel: c, subscription: { consume: { while: '${ .w }' } } } }\n"
        "  - a2a: { call: a2a, with: { agentCard: { endpoint: https://example.com/card }, server: "
        "https://example.com, method: message/send,\n"
        "      parameters: { message: { a: 1 } } } }\n"
        "  - mcp: { call: mcp, with: { protocolVersion: '2025-06-18', method: tools/call, "
        "parameters: { name: n }, timeout: PT10S,\n"
        "      transport: { http: { endpoint: https://example.com/mcp, headers: { a: b } }, "
        "options: { o: p } }, client: { name: n, version: v } } }\n"
        "  - stdio: { call: mcp, with: { method: tools/list, transport: { stdio: { command: c, "
        "arguments: [ a ], environment: { e: f } } } } }\n"
        "  - function: { call: 'f:1.0.0@default', with: { a: 1 } }\n"
        "  - inner: { do: [ { a: { set: '${ . }' } } ] }\n"
        "  - emit: { emit: { event: { with: { id: i, source: /s, type: t, time: "
        "'2026-07-29T12:00:00Z', subject: s, datacontenttype: d,\n"
        "      dataschema: https://example.com/s, data: { a: 1 }, other: 1 } } } }\n"
        "  - for: { for: { each: x, in: [ { a: 1 } ], at: n }, while: .c, do: [ { a: { wait: { "
        "seconds: 1 } } } ] }\n"
        "  - fork: { fork: { compete: true, branches: [ { a: { set: { b: 1 } } }, { b: { set: { b: "
        "1 } } } ] } }\n"
        "  - all: { listen: { to: { all: [ { with: { type: t }, correlate: { k: { from: .a, "
        "expect: .b } } } ] }, read: raw },\n"
        "      foreach: { item: i, do: [ { a: { set: { b: 1 } } } ], output: { as: .a }, export: { "
        "as: .b } } }\n"
        "  - any: { listen: { to: { any: [], until: '${ true }' } } }\n"
        "  - one: { listen: { to: { one: { with: { data: '${ .a }' } } } } }\n"
        "  - raise: { raise: { error: { type: '${ .t }', status: 400, title: t, detail: d } } }\n"
        "  - named: { raise: { error: e } }\n"
        "  - container: { run: { container: { image: i, name: n, command: c, ports: { 80: 8080 }, "
        "volumes: { a: b }, environment: { e: f }, stdin: s,\n"
        "      arguments: [ a ], lifetime: { cleanup: eventually, after: PT1M }, pullPolicy: "
        "always }, await: false, return: all } }\n"
        "  - script: { run: { script: { language: js, code: c, stdin: s, arguments: [ a ], "
        "environment: { e: f } } } }\n"
        "  - source: { run: { script: { language: python, source: { endpoint: "
        "https://example.com/s.py } } } }\n"
        "  - shell: { run: { shell: { command: c, stdin: s, arguments: [ a ], environment: { e: f "
        "} }, return: none } }\n"
        "  - workflow: { run: { workflow: { namespace: n, name: w, version: latest, input: { a: 1 "
        "} } } }\n"
        "  - switch: { switch: [ { a: { when: .a, then: end } }, { default: { then: continue } } ] "
        "}\n"
        "  - try: { try: [ { a: { call: f } } ], catch: { errors: { with: { type: t, status: 404, "
        "instance: /i, title: t, detail: d } }, as: e, when: .w,\n"
        "      exceptWhen: .x, retry: { delay: PT1S, backoff: { linear: {} } }, do: [ { b: { set: "
        "{ c: 1 } } } ], then: exit } }\n"
        "  - again: { try: [ { a: { call: f } } ], catch: { retry: r } }\n"
        "  - wait: { wait: PT0.5S }\n";

static struct str everything(struct arena *arena) {
    return str_format(arena, "%s%s", everything_above, everything_to_do);
}

static void accepts_everything(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct faults faults;

    (void)state;
    faults_init(&faults, arena);
    if (!intake_check(read_yaml(everything(arena), arena), &faults))
        fail_msg("%s", told(&faults, arena));
}

/* ---- faults ---- */

#define HEAD "document: { dsl: '1.0.3', namespace: test, name: faults, version: 1.0.0 }\n"

static const struct {
    const char *yaml, *faults;
} wrong[] = {
    { "[]", ": expected a workflow: a mapping with `document` and `do`, found a list\n" },
    { "a: 1", ": a workflow needs 'document'\n: a workflow needs 'do'\n" },
    { "document: { dsl: 1.0, namespace: a_b, name: '', version: '1.0' }\ndo: []",
            "/document/dsl: expected a version in quotes, such as '1.0.0', found a number\n"
            "/document/namespace: 'a_b' is not a name of this kind; write letters, digits and '-' "
            "(not at the ends), at most 63, as in 'order-intake'\n"
            "/document/name: '' is not a name of this kind; write letters, digits and '-' (not at "
            "the ends), at most 63, as in 'order-intake'\n"
            "/document/version: '1.0' is not a version; write three numbers as in '1.0.3', perhaps "
            "with a pre-release as in '1.0.3-beta.1'\n" },
    { HEAD "do: []\nschedul: { every: PT1S }\nx-vendor: 1",
            "/schedul: unknown property 'schedul'; did you mean 'schedule'?\n" },
    { HEAD "do: { a: { set: { b: 1 } } }",
            "/do: expected a list of tasks, each a mapping of one name to its task, found a "
            "mapping\n" },
    { HEAD "do: [ a ]",
            "/do/0: expected a task: a mapping of its name to what it is, found a text\n" },
    { HEAD "do: [ {} ]",
            "/do/0: expected a task: a mapping of its name to what it is, found an empty one\n" },
    { HEAD "do: [ { a: { set: { b: 1 } }, c: { set: { d: 1 } } } ]",
            "/do/0: an item of this list has one name, but this one has 'a' and 'c'; put a '-' "
            "before each, or indent what belongs to the first\n" },
    { HEAD "do: [ { a: 1 } ]",
            "/do/0/a: expected a task: a mapping such as { set: { answer: 42 } }, found a "
            "number\n" },
    { HEAD "do: [ { a: { then: end } } ]",
            "/do/0/a: this task does not say what it does; it needs call, do, emit, for, fork, "
            "listen, raise, run, set, switch, try or wait\n" },
    { HEAD "do: [ { a: { wiat: PT1S } } ]",
            "/do/0/a/wiat: unknown property 'wiat'; did you mean 'wait'?\n" },
    { HEAD "do: [ { a: { set: { b: 1 }, wait: PT1S } } ]",
            "/do/0/a: a task does one thing, but this one has both 'set' and 'wait'; make two "
            "tasks of it\n" },
    { HEAD "do: [ { a: { set: {} } } ]", "/do/0/a/set: this mapping may not be empty\n" },
    { HEAD "do: [ { a: { set: { b: 1 }, thne: end } } ]",
            "/do/0/a/thne: unknown property 'thne'; did you mean 'then'?\n" },
    { HEAD "do: [ { a: { set: { b: 1 }, colour: red } } ]",
            "/do/0/a/colour: unknown property 'colour'; a set task has set, if, input, output, "
            "export, timeout, then and metadata\n" },
    { HEAD "do: [ { end: { set: { b: 1 } } } ]",
            "/do/0/end: a task cannot be called 'end': 'then: end' means something else; choose "
            "another name\n" },
    { HEAD "do: [ { a: { set: { b: 1 } } }, { c: { set: { b: 1 } } }, { a: { set: { b: 1 } } } ]",
            "/do/2/a: two tasks of this list are called 'a' (the first is item 0); 'then' could "
            "not tell them apart\n" },
    { HEAD "do: [ { a: { call: http } } ]", "/do/0/a: an HTTP call task needs 'with'\n" },
    { HEAD "do: [ { a: { call: http, with: { method: get, endpoint: 'no uri', query: { limit: 10 } "
           "} } } ]",
            "/do/0/a/with/endpoint: 'no uri' is not a URI, such as https://example.com/pets/{id}, "
            "nor an expression ${ }\n"
            "/do/0/a/with/query/limit: expected a text, found a number; put it in quotes\n" },
    { HEAD "do: [ { a: { call: http, with: { method: get, endpoint: https://e.com, output: contnet "
           "} } } ]",
            "/do/0/a/with/output: 'contnet' is not known here; did you mean 'content'?\n" },
    { HEAD "do: [ { a: { call: asyncapi, with: { document: { endpoint: https://e.com }, channel: "
           "c, operation: o } } } ]",
            "/do/0/a/with: an AsyncAPI call has one of channel and operation, not "
            "all\n/do/0/a/with: an AsyncAPI call needs message or subscription\n" },
    { HEAD "do: [ { a: { call: grpc, with: { proto: { endpoint: file://p }, method: m, service: { "
           "name: s, host: h, port: 65536 } } } } ]",
            "/do/0/a/with/service/port: expected a whole number from 0 to 65535\n" },
    { HEAD "do: [ { a: { wait: 30 } } ]",
            "/do/0/a/wait: expected a duration: a mapping such as { seconds: 30 }, a text such as "
            "PT30S, or an expression ${ }, found a number\n" },
    { HEAD "do: [ { a: { wait: 30s } } ]",
            "/do/0/a/wait: '30s' is not a duration; write ISO 8601 such as PT30S or P1DT12H, a "
            "mapping such as { seconds: 30 }, or an expression ${ }\n" },
    { HEAD "do: [ { a: { wait: { second: 1 } } } ]",
            "/do/0/a/wait/second: unknown property 'second'; did you mean 'seconds'?\n" },
    { HEAD "do: [ { a: { listen: { to: { one: { with: { type: t } }, until: .a } } } } ]",
            "/do/0/a/listen/to: 'until' goes with 'any' only: 'all' and 'one' know by themselves "
            "when they end\n" },
    { HEAD "do: [ { a: { listen: { to: { any: [], until: { any: [], until: .a } } } } } ]",
            "/do/0/a/listen/to/until/until: unknown property 'until'; the events that end the "
            "listening has all, any and one\n" },
    { HEAD "do: []\nschedule: { cron: '* * * * *', read: data }",
            "/schedule: 'read' goes with 'on' only: it says how its events are read\n" },
    { HEAD "do: [ { a: { run: { container: { image: i, lifetime: { cleanup: eventually } } } } } ]",
            "/do/0/a/run/container/lifetime: 'cleanup: eventually' needs 'after', the duration\n" },
    { HEAD "do: [ { a: { switch: [] } } ]", "/do/0/a/switch: this list may not be empty\n" },
    { HEAD "do: [ { a: { switch: [ { b: { when: .c } } ] } } ]",
            "/do/0/a/switch/0/b: a case needs 'then'\n" },
    { HEAD "do: [ { a: { try: [], catch: { retyr: {} } } } ]",
            "/do/0/a/catch/retyr: unknown property 'retyr'; did you mean 'retry'?\n" },
    { HEAD "do: [ { a: { for: { in: 3 }, do: [] } } ]",
            "/do/0/a/for/in: expected an expression, or a list of mappings, found a number\n" },
    { HEAD "do: [ { a: { raise: { error: { type: t } } } } ]",
            "/do/0/a/raise/error: an error needs 'status'\n" },
    { HEAD "do: [ { a/b: { set: } } ]",
            "/do/0/a~1b/set: expected a mapping of values, or an expression ${ }, found "
            "nothing\n" },
    { HEAD "do: []\nuse: { authentications: { a: { basic: { username: u } } } }",
            "/use/authentications/a/basic: an authentication by name and password needs "
            "'password'\n" },
    { HEAD "do: []\nuse: { functions: { f: { wait: PT1S, set: { a: 1 } } } }",
            "/use/functions/f: a task does one thing, but this one has both 'set' and 'wait'; make "
            "two tasks of it\n" },
};

static void says_what_to_write_instead(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct faults faults;
        faults_init(&faults, arena);
        bool ok = intake_check(read_yaml(str_from(wrong[i].yaml), arena), &faults);
        assert_true(ok == (faults.count == 0));
        if (strcmp(told(&faults, arena), wrong[i].faults) != 0)
            fail_msg("%s\n%s", wrong[i].yaml, told(&faults, arena));
    }
}

/* Expressions may go over several lines, and hosts may be longer than a label, whatever the
 * schema's patterns say. */
static void is_kinder_than_the_schema(void **state) {
    static const char *const kind[] = {
        HEAD "do: []\ninput: {}\ninputs: 1", /* no slip of the pen: both are there */
        HEAD "do: [ { a: { wait: \"${ .a\\n  // 3 }\" } } ]",
        HEAD "do: [ { a: { call: grpc, with: { proto: { endpoint: file://p }, method: m, service: "
             "{ name: s, host: "
             "internal-service-with-a-long-name-0123456789.eu-central-1.elb.example.com } } } } ]",
        HEAD "do: [ { a: { raise: { error: { type: t, status: 400, instance: '${ .i }' } } } } ]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kind); i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct faults faults;
        faults_init(&faults, arena);
        if (!intake_check(read_yaml(str_from(kind[i]), arena), &faults))
            fail_msg("%s", told(&faults, arena));
    }
}

/* ---- places ---- */

static void locates_faults(void **state) {
    static const char yaml[] = "document:\n  dsl: 1.0.3\n  namespace: a\n  name: b\n  version: "
                               "1\ndo:\n  - a:\n      set: {}\n";
    static const char json[] = "{\"document\":{\"dsl\":\"1.0.3\",\"namespace\":\"a\",\"name\":"
                               "\"b\",\n\"version\":1},\n\"do\":[{\"a\":\n  {\"set\":{}}}]}";
    static const struct {
        enum intake_format format;
        const char *text;
        uint32_t lines[2], columns[2];
    } cases[] = { { INTAKE_YAML, yaml, { 5, 8 }, { 3, 7 } },
        { INTAKE_JSON, json, { 2, 4 }, { 1, 4 } } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct faults faults;
        struct json value;
        struct err err;
        faults_init(&faults, arena);
        assert_true(intake_read(str_from(cases[i].text), cases[i].format, arena, &value, &err));
        assert_false(intake_check(value, &faults));
        intake_locate(str_from(cases[i].text), cases[i].format, &faults);
        assert_int_equal(faults.count, 2);
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(faults.items[j].line, cases[i].lines[j]);
            assert_int_equal(faults.items[j].column, cases[i].columns[j]);
        }
    }
}

/* ---- size ---- */

static void checks_many_tasks(void **state) {
    enum { TASKS = 5000 };
    SCOPED(arena_freep) struct arena *arena = arena_new();
    SCOPED(buf_clear) struct buf buf = { 0 };
    struct faults faults;

    (void)state;
    buf_init(&buf, LIMIT_DEFINITION);
    buf_append_c(&buf, HEAD "do:\n");
    for (int i = 0; i < TASKS; i++) {
        buf_append_format(&buf,
                "  - task%d: { call: http, with: { method: get, endpoint: "
                "'https://example.com/{id}' } }\n",
                i);
    }
    assert_false(buf_is_over(&buf));
    faults_init(&faults, arena);
    struct json value = read_yaml(buf_str(&buf), arena);
    assert_int_equal(json_size(json_get(value, STR("do"))), TASKS);
    assert_true(intake_check(value, &faults));
    buf_append_c(&buf, "  - task7: { wait: PT1S }\n");
    assert_false(intake_check(read_yaml(buf_str(&buf), arena), &faults));
    assert_int_equal(faults.count, 1);
}

static void counts_faults_without_end(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    SCOPED(buf_clear) struct buf buf = { 0 };
    struct faults faults;

    (void)state;
    buf_init(&buf, LIMIT_DEFINITION);
    buf_append_c(&buf, HEAD "do:\n");
    for (int i = 0; i < 5000; i++)
        buf_append_format(&buf, "  - t%d: { wiat: PT1S }\n", i);
    faults_init(&faults, arena);
    assert_false(intake_check(read_yaml(buf_str(&buf), arena), &faults));
    assert_int_equal(faults.count, LIMIT_FAULTS);
    assert_int_equal(faults.count + faults.left_out, 5000);
}

/* ---- the published examples ---- */

struct examples {
    size_t count;
};

static void accept_example(void *user, const char *name, struct str text) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct examples *examples = user;
    struct faults faults;

    faults_init(&faults, arena);
    if (!intake_check(read_yaml(text, arena), &faults))
        fail_msg("%s: %s", name, told(&faults, arena));
    examples->count++;
}

static void refuse_example(void *user, const char *name, struct str text) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct examples *examples = user;
    struct faults faults;

    faults_init(&faults, arena);
    if (intake_check(read_yaml(text, arena), &faults)) fail_msg("%s: accepted", name);
    assert_int_equal(faults.count, 1);
    printf("%s: %s", name, told(&faults, arena));
    examples->count++;
}

static void accepts_the_examples(void **state) {
    struct examples examples = { 0 };

    (void)state;
    each_file("spec/examples", accept_example, &examples);
    assert_int_equal(examples.count, 45);
}

static void refuses_the_invalid_ones(void **state) {
    struct examples examples = { 0 };

    (void)state;
    each_file("spec/invalid", refuse_example, &examples);
    assert_int_equal(examples.count, 2);
}

/* ---- against the schema ---- */

/* Where we say no and the schema yes, on purpose; a part of our message. */
static const struct {
    const char *detail, *reason;
} stricter[] = {
    { "a task cannot be called", "the directive of that name would win (language.md, E37)" },
    { "two tasks of this list", "`then` could not tell them apart (language.md, E36)" },
    { "an authentication policy has one of",
            "the schema lets a second policy pass, if it is broken" },
};

struct comparison {
    struct arena *arena; /* of the schema */
    const struct schema *schema;
    struct json *documents;
    size_t document_count;
    size_t compared, accepted, deliberate;
};

enum { MUTATIONS = 10, DOCUMENTS_MAX = 64, GRAFTS = 10000 };

/* One change of one member. */
static bool mutate_member(
        struct json *object, const struct json_member *member, int mutation, struct arena *arena) {
    switch (mutation) {
    case 0: *object = json_remove(*object, member->key, arena); return true;
    case 1:
        *object = json_set(json_remove(*object, member->key, arena),
                str_format(arena, STR_FMT "Extra", STR_ARG(member->key)), member->value, arena);
        return true;
    case 2: *object = json_set(*object, member->key, json_null(), arena); return true;
    case 3: *object = json_set(*object, member->key, json_number(42), arena); return true;
    case 4:
        *object = json_set(*object, member->key, json_string(STR("no such ${ thing")), arena);
        return true;
    case 5: *object = json_set(*object, member->key, json_array(arena, 0), arena); return true;
    case 6: *object = json_set(*object, member->key, json_object(arena, 0), arena); return true;
    case 7: *object = json_set(*object, member->key, json_bool(true), arena); return true;
    case 8:
        *object = json_set(*object, member->key, json_string(STR("${ .expression }")), arena);
        return true;
    case 9: *object = json_set(*object, STR("surplus"), json_number(1), arena); return true;
    }
    return false;
}

/* A copy of `value` with the member number *left (from 0, in order of reading) changed by
 * `mutation`. */
static struct json mutate(struct json value, int64_t *left, int mutation, struct arena *arena) {
    struct json result = value;

    for (size_t i = 0; i < json_size(value) && *left >= 0 && json_type(value) == JSON_OBJECT; i++) {
        const struct json_member *member = json_member_at(value, i);
        if ((*left)-- == 0) {
            mutate_member(&result, member, mutation, arena);
            return result;
        }
        struct json inner = mutate(member->value, left, mutation, arena);
        if (*left < 0) return json_set(result, member->key, inner, arena);
    }
    for (size_t i = 0; i < json_size(value) && *left >= 0 && json_type(value) == JSON_ARRAY; i++) {
        struct json inner = mutate(json_at(value, i), left, mutation, arena);
        if (*left >= 0) continue;
        result = json_array(arena, json_size(value));
        for (size_t j = 0; j < json_size(value); j++)
            result = json_append(result, j == i ? inner : json_at(value, j), arena);
        return result;
    }
    return result;
}

static bool is_deliberate(const struct fault *fault) {
    const char *detail = fault->detail.data;
    bool is_at_top =
            fault->pointer.size && !memchr(fault->pointer.data + 1, '/', fault->pointer.size - 1);

    if (is_at_top && strstr(detail, "unknown property"))
        return true; /* the schema leaves the top open; a slip of the pen is told */
    for (size_t i = 0; i < ARRAY_SIZE(stricter); i++) {
        if (strstr(detail, stricter[i].detail)) return true;
    }
    return false;
}

static void compare(struct comparison *comparison, struct json definition, struct arena *arena) {
    struct faults ours, theirs;

    faults_init(&ours, arena);
    faults_init(&theirs, arena);
    bool our_verdict = intake_check(definition, &ours);
    bool their_verdict = schema_validate(comparison->schema, definition, arena, &theirs);
    comparison->compared++;
    comparison->accepted += our_verdict;
    if (our_verdict == their_verdict) return;
    bool is_meant = their_verdict;
    for (size_t i = 0; i < ours.count; i++)
        is_meant = is_meant && is_deliberate(&ours.items[i]);
    if (!is_meant) {
        fail_msg("%s\nours: %s\ntheirs: %s\n", json_to_str(definition, arena).data,
                told(&ours, arena), told(&theirs, arena));
    }
    comparison->deliberate++;
}

static void mutate_everywhere(struct comparison *comparison, struct json definition) {
    bool was_last = false;

    for (int64_t at = 0; !was_last; at++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        for (int mutation = 0; mutation < MUTATIONS && !was_last; mutation++) {
            int64_t left = at;
            struct json mutant = mutate(definition, &left, mutation, arena);
            was_last = left >= 0;
            if (!was_last) compare(comparison, mutant, arena);
        }
    }
}

/* A copy of `value` with another one at `pointer`, which leads somewhere and has no escapes. */
static struct json replace(
        struct json value, struct str pointer, struct json by, struct arena *arena) {
    if (pointer.size == 0) return by;
    struct str rest = str_slice(pointer, 1, pointer.size);
    struct str token = str_slice(rest, 0, str_find_char(rest, '/'));
    struct json inner = json_pointer_get(value, str_slice(pointer, 0, 1 + token.size));
    int64_t index;

    assert_false(json_is_absent(inner));
    inner = replace(inner, str_slice(rest, token.size, rest.size), by, arena);
    if (json_type(value) == JSON_OBJECT) return json_set(value, token, inner, arena);
    assert_true(str_to_int64(token, &index));
    struct json result = json_array(arena, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        result = json_append(result, (int64_t)i == index ? inner : json_at(value, i), arena);
    }
    return result;
}

static void add_document(void *user, const char *name, struct str text) {
    struct comparison *comparison = user;

    (void)name;
    assert_true(comparison->document_count < DOCUMENTS_MAX);
    comparison->documents[comparison->document_count++] =
            read_yaml(str_copy(text, comparison->arena), comparison->arena);
}

/* Walks to a random member: *ret_object holds it, at its `*ret_index`. */
static bool random_member(
        struct json value, uint64_t *random, struct json *ret_object, size_t *ret_index) {
    struct json at = value;
    bool found = false;

    for (;;) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        size_t size = json_size(at), pick = size ? (size_t)(*random >> 33) % size : 0;
        if (size == 0 || json_type(at) == JSON_STRING) return found;
        if (json_type(at) == JSON_OBJECT) {
            *ret_object = at;
            *ret_index = pick;
            found = true;
            if ((*random >> 20) % 4 == 0) return true;
            at = json_member_at(at, pick)->value;
        } else {
            at = json_at(at, pick);
        }
    }
}

/* The number of a member in order of reading, found by its object's identity. */
static bool number_of(struct json value, struct json object, size_t index, int64_t *number) {
    for (size_t i = 0; i < json_size(value)
            && (json_type(value) == JSON_OBJECT || json_type(value) == JSON_ARRAY);
            i++) {
        if (json_type(value) == JSON_ARRAY) {
            if (number_of(json_at(value, i), object, index, number)) return true;
            continue;
        }
        if (value.object == object.object && i == index) return true;
        (*number)++;
        if (number_of(json_member_at(value, i)->value, object, index, number)) return true;
    }
    return false;
}

static struct json graft(
        struct json value, int64_t *left, const struct json_member *scion, struct arena *arena) {
    struct json result = value;

    for (size_t i = 0; i < json_size(value) && *left >= 0 && json_type(value) == JSON_OBJECT; i++) {
        const struct json_member *member = json_member_at(value, i);
        if ((*left)-- == 0) return json_set(result, scion->key, scion->value, arena);
        struct json inner = graft(member->value, left, scion, arena);
        if (*left < 0) return json_set(result, member->key, inner, arena);
    }
    for (size_t i = 0; i < json_size(value) && *left >= 0 && json_type(value) == JSON_ARRAY; i++) {
        struct json inner = graft(json_at(value, i), left, scion, arena);
        if (*left >= 0) continue;
        result = json_array(arena, json_size(value));
        for (size_t j = 0; j < json_size(value); j++)
            result = json_append(result, j == i ? inner : json_at(value, j), arena);
        return result;
    }
    return result;
}

/* Members of one document set into another: nearly right things in nearly right places. */
static void graft_often(struct comparison *comparison, uint64_t seed) {
    uint64_t random = seed;

    printf("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < GRAFTS; i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct json from = comparison->documents[(random >> 40) % comparison->document_count];
        struct json into = comparison->documents[(random >> 12) % comparison->document_count];
        struct json donor, place;
        size_t donor_index, place_index;
        int64_t number = 0;
        if (!random_member(from, &random, &donor, &donor_index)
                || !random_member(into, &random, &place, &place_index))
            continue;
        assert_true(number_of(into, place, place_index, &number));
        struct json_member scion = *json_member_at(donor, donor_index);
        if (random >> 62 == 0) scion.key = json_member_at(place, place_index)->key;
        compare(comparison, graft(into, &number, &scion, arena), arena);
    }
}

/* Texts on the edge of a pattern, each in every place that has a pattern or a format. */
static void compare_texts(struct comparison *comparison) {
    static const char *const texts[] = { "", " ", "a", "-", "a-", "-a", "a-b", "a_b", "a.b", "A9",
        "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123",
        "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234", "1", "1.0", "1.0.0",
        "01.0.0", "1.00.0", "1.0.0.0", "1.0.0-", "1.0.0-rc", "1.0.0-rc.01", "1.0.0-0a",
        "1.0.0-a..b", "1.0.0+01", "1.0.0+a+b", "1.0.0-a+b", "1.0.0-a-b.c", "v1.0.0", "P", "PT",
        "P1D", "P1DT", "P1DT1H", "PT1S", "PT1.5S", "PT.5S", "PT1.S", "P1M1Y", "P1Y2M3W4DT5H6M7.8S",
        "P1S", "PT1D", "p1d", "P-1D", "PT1S ", "P1D2D", "${ .a }", " ${ .a } ", "${}", "${ }",
        "${ .a", "$ { .a }", "x ${ .a }", "${ .a } x", "https://example.com/{id}",
        "https://example.com/{", "https://example.com/{a b}", "https://example.com/a b",
        "//example.com", "/a/b", "a/b", "?q", "#f", "urn:a:b", "http://[::1]:80/", "http://[",
        "%zz", "/~2", "/a~1b", "2026-07-29T12:00:00Z", "2026-07-29", "2026-13-29T12:00:00Z" };
    static const char *const places[] = { "/document/name", "/document/dsl", "/do/0/a/wait",
        "/do/1/b/with/endpoint", "/do/2/c/raise/error/instance", "/do/2/c/raise/error/type",
        "/do/3/d/emit/event/with/time", "/do/3/d/emit/event/with/source",
        "/use/authentications/a/oidc/authority", "/do/1/b/with/headers" };
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct json base = read_yaml(
            str_from(HEAD
                    "use: { authentications: { a: { oidc: { authority: a, grant: password } } } }\n"
                    "do: [ { a: { wait: PT1S } }, { b: { call: http, with: { method: m, endpoint: "
                    "a, headers: {} } } },\n"
                    "{ c: { raise: { error: { type: t, status: 400, instance: /i } } } },\n"
                    "{ d: { emit: { event: { with: { type: t, source: s, time: "
                    "'2026-07-29T12:00:00Z' } } } } } ]"),
            arena);

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            struct json text = json_string(str_from(texts[j]));
            compare(comparison, replace(base, str_from(places[i]), text, arena), arena);
        }
    }
}

static void agrees_with_the_schema(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct comparison comparison = { .arena = arena,
        .documents = arena_new_many(arena, struct json, DOCUMENTS_MAX) };
    struct schema_options options = { .assert_formats = true };
    const char *seed = getenv("SEED");
    struct faults faults;
    struct str text;

    (void)state;
    each_file("spec/examples", add_document, &comparison);
    add_document(&comparison, "everything", everything(arena));
    assert_true(read_file("spec/schema/workflow.yaml", arena, &text));
    faults_init(&faults, arena);
    if (!schema_compile(read_yaml(text, arena), &options, arena, &comparison.schema, &faults))
        fail_msg("%s", told(&faults, arena));
    for (size_t i = 0; i < comparison.document_count; i++) {
        compare(&comparison, comparison.documents[i], arena);
        mutate_everywhere(&comparison, comparison.documents[i]);
    }
    compare_texts(&comparison);
    graft_often(&comparison, seed ? strtoull(seed, NULL, 10) : 20260729);
    printf("%zu definitions compared with the schema: %zu accepted, %zu refused on purpose against "
           "it\n",
            comparison.compared, comparison.accepted, comparison.deliberate);
    assert_true(comparison.accepted > 1000 && comparison.compared - comparison.accepted > 1000);
}

/* What the schema at tag v1.0.3 accepts, but main's is said to change; oauth2 needs its
 * authority and grant in both. */
static void accepts_documents_of_the_tag(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct schema_options options = { .assert_formats = true };
    const struct schema *schema;
    struct faults faults;
    struct str text;

    (void)state;
    static const char *const documents[] = {
        HEAD
        "do: [ { a: { emit: { event: { with: { source: https://example.com, type: t } } } } } ]",
        HEAD "do: [ { a: { for: { in: '${ .a }' }, do: [] } } ]",
        HEAD "do: [ { a: { try: [], catch: { errors: { with: { type: "
             "https://serverlessworkflow.io/spec/1.0.0/errors/timeout, details: d } } } } } ]",
        HEAD "do: [ { a: { call: mcp, with: { method: tools/list, transport: { stdio: { command: c "
             "} }, client: { name: n, version: v, description: d } } } } ]",
        HEAD "do: [ { a: { run: { script: { language: javascript, code: c } } } } ]",
    };
    if (!read_file("spec/schema/workflow-v1.0.3-tag.yaml", arena, &text)) {
        printf("skipped: the tag's schema is not there; PENSTOCK_SHARED names the folder of test "
               "data\n");
        skip();
    }
    faults_init(&faults, arena);
    assert_true(schema_compile(read_yaml(text, arena), &options, arena, &schema, &faults));
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        struct json document = read_yaml(str_from(documents[i]), arena);
        if (!schema_validate(schema, document, arena, &faults))
            fail_msg("%s: %s", documents[i], told(&faults, arena));
        if (!intake_check(document, &faults))
            fail_msg("%s: %s", documents[i], told(&faults, arena));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_yaml_and_json_alike),
        cmocka_unit_test(finds_the_nearest_name),
        cmocka_unit_test(accepts_everything),
        cmocka_unit_test(says_what_to_write_instead),
        cmocka_unit_test(is_kinder_than_the_schema),
        cmocka_unit_test(locates_faults),
        cmocka_unit_test(checks_many_tasks),
        cmocka_unit_test(counts_faults_without_end),
        cmocka_unit_test(accepts_the_examples),
        cmocka_unit_test(refuses_the_invalid_ones),
        cmocka_unit_test(accepts_documents_of_the_tag),
        cmocka_unit_test(agrees_with_the_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "core/schema.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/buf.h"

static struct json parse(const char *text, struct arena *arena) {
    struct json value;
    struct err err;

    if (!json_read(str_from(text), &(struct json_read_options){ 0 }, arena, &value, NULL, &err))
        fail_msg("%s: %s", text, err.message);
    return value;
}

/* ---- faults of values ---- */

/* The outermost dynamic anchor on the way counts. */
#define THREE_ANCHORS                                                                           \
    "{'$id':'https://e.com/"                                                                    \
    "outer','$ref':'middle','$defs':{'o':{'$dynamicAnchor':'t','type':'string'},"               \
    "'m':{'$id':'middle','$ref':'inner','$defs':{'m':{'$dynamicAnchor':'t','type':'number'}}}," \
    "'i':{'$id':'inner','$dynamicRef':'#t','$defs':{'i':{'$dynamicAnchor':'t','type':'null'}}}}}"

static const struct {
    const char *schema, *value, *faults; /* "pointer: detail" lines; NULL: valid */
} verdicts[] = {
    { "true", "1", NULL },
    { "{}", "1", NULL },
    { "false", "1", ": nothing is allowed here\n" },
    { "{'type':'string'}", "12", ": expected string, found number 12\n" },
    { "{'type':['string','null','integer']}", "1.5",
            ": expected null, string or integer, found number 1.5\n" },
    { "{'type':'integer'}", "1.0", NULL },
    { "{'type':'integer'}", "1e2", NULL },
    { "{'type':'integer'}", "123456789012345678901234567890", NULL },
    { "{'const':{'a':1}}", "{'a':2}", ": expected {\"a\":1}, found {\"a\":2}\n" },
    { "{'const':1}", "1.0", NULL },
    { "{'enum':['approve','refuse']}", "'aprove'",
            ": expected one of 'approve', 'refuse', found 'aprove'; did you mean 'approve'?\n" },
    { "{'enum':['approve',1]}", "2", ": expected one of 'approve', 1, found 2\n" },
    { "{'properties':{'a':{'properties':{'b/c':{'type':'null'}}}}}", "{'a':{'b/c':[]}}",
            "/a/b~1c: expected null, found array\n" },
    { "{'properties':{'retry':true},'additionalProperties':false}", "{'retyr':1}",
            "/retyr: unknown property 'retyr'; did you mean 'retry'?\n" },
    { "{'allOf':[{'properties':{'retry':true}}],'unevaluatedProperties':false}", "{'retyr':1}",
            "/retyr: unknown property 'retyr'; did you mean 'retry'?\n" },
    { "{'additionalProperties':false}", "{'x':1}", "/x: unknown property 'x'\n" },
    { "{'dependencies':{'a':['b'],'c':{'type':'null'}},'dependentRequired':{'a':['d']},'"
      "dependentSchemas':{'a':{'maxProperties':1}}}",
            "{'a':1,'c':2}",
            ": the property 'b' is missing; 'a' needs it\n: the property 'd' is missing; 'a' needs "
            "it\n: expected null, found object\n"
            ": expected at most 1 properties, found 2\n" },
    { "{'required':['a','b']}", "{}",
            ": the property 'a' is missing\n: the property 'b' is missing\n" },
    { "{'dependentRequired':{'a':['b']}}", "{'a':1}",
            ": the property 'b' is missing; 'a' needs it\n" },
    { "{'minimum':2,'maximum':1,'exclusiveMinimum':3,'exclusiveMaximum':0}", "1.5",
            ": expected a number of at least 2, found 1.5\n: expected a number of at most 1, found "
            "1.5\n"
            ": expected a number above 3, found 1.5\n: expected a number below 0, found 1.5\n" },
    { "{'maximum':9007199254740992}", "9007199254740993",
            ": expected a number of at most 9007199254740992, found 9007199254740993\n" },
    { "{'multipleOf':0.01}", "19.99", NULL },
    { "{'multipleOf':0.01}", "1.1", NULL },
    { "{'multipleOf':0.01}", "0.305",
            ": expected a number that is a multiple of 0.01, found 0.305\n" },
    { "{'multipleOf':0.1}", "100000000000000000000000.1", NULL },
    { "{'multipleOf':3}", "1e30", ": expected a number that is a multiple of 3, found 1e30\n" },
    { "{'multipleOf':1e-8}", "12391239123", NULL },
    { "{'minLength':2}", "'\\u00e9'", ": expected a text of at least 2 characters, found 1\n" },
    { "{'maxLength':1}", "'\\u00e9\\ud83d\\ude00'",
            ": expected a text of at most 1 characters, found 2\n" },
    { "{'pattern':'^a+$'}", "'a\\n'", ": 'a\n' does not match the pattern ^a+$\n" },
    { "{'format':'date'}", "'2026-02-29'", ": '2026-02-29' is not of the format date\n" },
    { "{'format':'nobody-knows'}", "'x'", NULL },
    { "{'items':{'type':'null'},'maxItems':1}", "[null,1]",
            ": expected at most 1 items, found 2\n/1: expected null, found number 1\n" },
    { "{'uniqueItems':true}", "[1,{'a':[1,2]},'1',{'a':[1.0,2]}]",
            ": the items must differ from one another\n" },
    { "{'contains':{'const':1}}", "[2]",
            ": expected at least 1 items that match 'contains', found 0\n" },
    { "{'propertyNames':{'pattern':'^x'}}", "{'y':1}", "/y: 'y' does not match the pattern ^x\n" },
    { "{'not':{'type':'null'}}", "null", ": this value is one that 'not' excludes\n" },
    { "{'oneOf':[{'type':'integer'},{'minimum':2}]}", "3",
            ": exactly one alternative may fit, but number 1 and number 2 both do\n" },
    { "{'anyOf':[{'type':'string'},{'type':'null'}]}", "3",
            ": none of the 2 alternatives fits: expected string, found number 3; or expected null, "
            "found number 3\n" },
    { "{'anyOf':[{'type':'string'},{'type':'object','properties':{'after':{'type':'object'}},'"
      "required':['after']}]}",
            "{'after':1}", "/after: expected object, found number 1\n" },
    { "{'$ref':'#/$defs/a','$defs':{'a':{'type':'object','additionalProperties':{'$ref':'#'}}}}",
            "{'x':{'y':[]}}", "/x/y: expected object, found array\n" },
    { THREE_ANCHORS, "'x'", NULL },
    { THREE_ANCHORS, "1", ": expected string, found number 1\n" },
    { "{'$schema':'http://json-schema.org/draft-07/"
      "schema#','items':[{'type':'null'}],'additionalItems':false}",
            "[null,1]", "/1: nothing is allowed here\n" },
};

static const char *double_quoted(const char *text, struct arena *arena) {
    char *copy = arena_alloc(arena, strlen(text) + 1);

    for (size_t i = 0; i <= strlen(text); i++)
        copy[i] = text[i] == '\'' ? '"' : text[i];
    return copy;
}

static const char *told(const struct faults *faults, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, 64 * 1024);
    for (size_t i = 0; i < faults->count; i++) {
        buf_append_format(&buf, STR_FMT ": " STR_FMT "\n", STR_ARG(faults->items[i].pointer),
                STR_ARG(faults->items[i].detail));
    }
    const char *text = str_to_c(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

static void says_what_is_wrong(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct schema_options options = { .assert_formats = true };
        const struct schema *schema;
        struct faults faults;
        faults_init(&faults, arena);
        if (!schema_compile(parse(double_quoted(verdicts[i].schema, arena), arena), &options, arena,
                    &schema, &faults)) {
            fail_msg("%s: %s", verdicts[i].schema, told(&faults, arena));
        }
        bool ok = schema_validate(
                schema, parse(double_quoted(verdicts[i].value, arena), arena), arena, &faults);
        assert_true(ok == (faults.count == 0));
        const char *expected = verdicts[i].faults ? verdicts[i].faults : "";
        if (strcmp(told(&faults, arena), expected) != 0)
            fail_msg("%s, %s: %s", verdicts[i].schema, verdicts[i].value, told(&faults, arena));
    }
}

/* ---- faults of schemas ---- */

static const struct {
    const char *schema, *faults;
} wrong[] = {
    { "12", ": a schema is an object, true or false, not number\n" },
    { "{'type':'text'}",
            "/type: 'type' is one of null, boolean, object, array, number, integer, string, or a "
            "list of these\n" },
    { "{'minLength':-1}", "/minLength: 'minLength' wants a whole number, 0 or more\n" },
    { "{'maximum':'1'}", "/maximum: 'maximum' wants a number, not string\n" },
    { "{'multipleOf':0}", "/multipleOf: 'multipleOf' wants a number above 0\n" },
    { "{'required':'a'}", "/required: 'required' wants a list of property names, not string\n" },
    { "{'properties':{'a/b':{'items':[]}}}",
            "/properties/a~1b/items: a schema is an object, true or false, not array\n" },
    { "{'anyOf':[]}", "/anyOf: 'anyOf' wants one schema at least\n" },
    { "{'pattern':'('}",
            "/pattern: '(': regular expression, at offset 1: missing closing parenthesis\n" },
    { "{'pattern':'\\\\Z'}",
            "/pattern: '\\Z': regular expression, at offset 1: ECMA-262 has no such escape\n" },
    { "{'$ref':'#/$defs/none'}", "/$ref: '#/$defs/none' leads to no schema\n" },
    { "{'$ref':'other.json'}", "/$ref: 'other.json' leads to no schema\n" },
    { "{'$ref':'#'}",
            ": this schema applies itself to the same value again and would never end; refer to it "
            "from 'properties' or 'items' instead\n" },
    { "{'$defs':{'a':{'allOf':[{'$ref':'#/$defs/b'}]},'b':{'not':{'$ref':'#/$defs/a'}}}}",
            "/$defs/a: this schema applies itself to the same value again and would never end; "
            "refer to it from 'properties' or 'items' instead\n" },
    { "{'$schema':'http://json-schema.org/draft-04/schema#'}",
            "/$schema: the draft 'http://json-schema.org/draft-04/schema#' is not supported; write "
            "'https://json-schema.org/draft/2020-12/schema' or "
            "'http://json-schema.org/draft-07/schema#'\n" },
};

static void refuses_wrong_schemas(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        const struct schema *schema;
        struct faults faults;
        faults_init(&faults, arena);
        assert_false(schema_compile(parse(double_quoted(wrong[i].schema, arena), arena), NULL,
                arena, &schema, &faults));
        if (strcmp(told(&faults, arena), wrong[i].faults) != 0)
            fail_msg("%s: %s", wrong[i].schema, told(&faults, arena));
    }
}

/* ---- hostile schemas ---- */

/* Each definition applies the next one twice to the same value: 2^64 steps, if nobody counted. */
static void ends_in_spite_of_doubling(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    SCOPED(buf_clear) struct buf buf = { 0 };
    const struct schema *schema;
    struct faults faults;

    (void)state;
    buf_init(&buf, 1024 * 1024);
    buf_append_c(&buf, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 64; i++) {
        buf_append_format(&buf,
                "\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},", i,
                i + 1, i + 1);
    }
    buf_append_c(&buf, "\"d64\":{\"type\":\"null\"}}}");
    faults_init(&faults, arena);
    assert_true(schema_compile(parse(buf_str(&buf).data, arena), NULL, arena, &schema, &faults));
    assert_false(schema_validate(schema, parse("null", arena), arena, &faults));
    assert_non_null(strstr(told(&faults, arena), "too many steps"));
}

static void ends_in_spite_of_depth(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    SCOPED(buf_clear) struct buf buf = { 0 };
    const struct schema *schema;
    struct faults faults;

    (void)state;
    buf_init(&buf, 1024 * 1024);
    buf_append_c(&buf, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 5000; i++)
        buf_append_format(&buf, "\"d%d\":{\"$ref\":\"#/$defs/d%d\"},", i, i + 1);
    buf_append_c(&buf, "\"d5000\":{\"type\":\"null\"}}}");
    faults_init(&faults, arena);
    assert_true(schema_compile(parse(buf_str(&buf).data, arena), NULL, arena, &schema, &faults));
    assert_false(schema_validate(schema, parse("null", arena), arena, &faults));
    assert_int_equal(faults.count, 1);
}

/* What is valid is found so without memory. */
static void allocates_nothing_on_success(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    SCOPED(arena_freep) struct arena *scratch = arena_new();
    const struct schema *schema;
    struct faults faults;

    (void)state;
    faults_init(&faults, arena);
    struct json document =
            parse(double_quoted("{'type':'object','required':['a'],'properties':{'a':{'type':'"
                                "array','items':{'anyOf':"
                                "[{'type':'string','pattern':'^x','minLength':1},{'type':'integer',"
                                "'minimum':1,'multipleOf':2}]}}},'unevaluatedProperties':false}",
                          arena),
                    arena);
    assert_true(schema_compile(document, NULL, arena, &schema, &faults));
    assert_true(schema_validate(
            schema, parse(double_quoted("{'a':['x','xy',2,4]}", arena), arena), scratch, &faults));
    assert_int_equal(arena_used(scratch), 0);
}

/* ---- the official suite ---- */

struct suite {
    const char *shared;
    struct arena *arena;
    bool draft_07;
    size_t passed, failed, excluded;
};

#define CONTENT "content is described, not asserted, as in 2020-12"
#define BIDI    "the Bidi rule (RFC 5893) is not checked"

/* Tests of what is beside the contract of schema.h. */
static const struct {
    const char *file, *group, *test,
            *reason; /* test NULL: all of the group; group NULL: all of the file */
} excluded[] = {
    { "draft7/optional/content.json", NULL, "an invalid JSON document", CONTENT },
    { "draft7/optional/content.json", NULL, "an invalid base64 string (% is not a valid character)",
            CONTENT },
    { "draft7/optional/content.json", NULL, "a validly-encoded invalid JSON document", CONTENT },
    { "draft7/optional/content.json", NULL, "an invalid base64 string that is valid JSON",
            CONTENT },
    { "cross-draft.json", "refs to historic drafts are processed as historic drafts", NULL,
            "draft 2019-09 is not supported" },
    { "cross-draft.json", "refs to future drafts are processed as future drafts", NULL,
            "draft 2019-09 is not supported" },
    { "ecmascript-regex.json", NULL, "a variable-width lookbehind (ES2018)",
            "PCRE2 wants lookbehinds of a fixed width" },
    { "idn-hostname.json", NULL, "Bidi domain name with a digit-first label is invalid", BIDI },
    { "idn-hostname.json", NULL,
            "label starting with a digit before a right-to-left letter is invalid", BIDI },
    { "idn-hostname.json", NULL, "left-to-right label containing a right-to-left letter is invalid",
            BIDI },
    { "idn-hostname.json", NULL, "right-to-left label mixing both digit types is invalid", BIDI },
    { "idn-hostname.json", NULL, "A-label that decodes to a Bidi rule violation is invalid", BIDI },
    { "idn-hostname.json", NULL,
            "non-canonical Punycode that does not re-encode to itself is invalid", "only decoded" },
};

static bool is_excluded(const char *file, const char *group, const char *test) {
    for (size_t i = 0; i < ARRAY_SIZE(excluded); i++) {
        size_t size = strlen(file), end = strlen(excluded[i].file);
        if (end == 0 || size < end || strcmp(file + size - end, excluded[i].file) != 0) continue;
        if (excluded[i].group && strcmp(group, excluded[i].group) != 0) continue;
        if (!excluded[i].test || strcmp(test, excluded[i].test) == 0) return true;
    }
    return false;
}

static bool read_file(const char *path, struct arena *arena, struct json *ret) {
    FILE *file = fopen(path, "rb");
    struct buf buf;
    struct err err;

    if (!file) return false;
    buf_init(&buf, 4 * 1024 * 1024);
    char *to = buf_reserve(&buf, 2 * 1024 * 1024);
    buf.size = fread(to, 1, 2 * 1024 * 1024, file);
    fclose(file);
    bool ok = json_read(str_copy(buf_str(&buf), arena), &(struct json_read_options){ 0 }, arena,
            ret, NULL, &err);
    buf_clear(&buf);
    return ok;
}

static bool resolve(void *user, struct str uri, struct arena *arena, struct json *ret) {
    const struct suite *suite = user;
    const struct str host = str_from("http://localhost:1234/");
    char path[4096];

    if (!str_starts_with(uri, host)) return false;
    snprintf(path, sizeof(path), "%s/data/json-schema-suite/remotes/" STR_FMT, suite->shared,
            STR_ARG(str_slice(uri, host.size, uri.size)));
    return read_file(path, arena, ret);
}

static void run_group(
        struct suite *suite, const char *path, struct json group, bool assert_formats) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct schema_options options = { .resolve = resolve,
        .user = suite,
        .assert_formats = assert_formats,
        .draft_07 = suite->draft_07 };
    const char *name = str_to_c(json_str(json_get(group, STR("description"))), arena);
    struct json tests = json_get(group, STR("tests"));
    const struct schema *schema = NULL;
    struct faults faults;

    faults_init(&faults, arena);
    bool compiled =
            schema_compile(json_get(group, STR("schema")), &options, arena, &schema, &faults);
    for (size_t i = 0; i < json_size(tests); i++) {
        struct json test = json_at(tests, i);
        const char *title = str_to_c(json_str(json_get(test, STR("description"))), arena);
        struct faults found;
        if (is_excluded(path, name, title)) {
            suite->excluded++;
            continue;
        }
        faults_init(&found, arena);
        bool expected = json_bool_or(json_get(test, STR("valid")), false);
        if (compiled
                && schema_validate(schema, json_get(test, STR("data")), arena, &found)
                        == expected) {
            suite->passed++;
            continue;
        }
        suite->failed++;
        print_error("%s | %s | %s: %s\n", path, name, title,
                compiled ? told(&found, arena) : told(&faults, arena));
    }
}

static void run_folder(struct suite *suite, const char *folder, bool assert_formats) {
    char path[4096];
    struct dirent *entry;

    snprintf(path, sizeof(path), "%s/data/json-schema-suite/tests/%s", suite->shared, folder);
    DIR *dir = opendir(path);
    if (!dir) {
        printf("skipped: %s is not there; PENSTOCK_SHARED names the folder of test data\n", path);
        skip();
    }
    while ((entry = readdir(dir))) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        struct json groups;
        if (!str_ends_with(str_from(entry->d_name), STR(".json"))) continue;
        snprintf(path, sizeof(path), "%s/data/json-schema-suite/tests/%s/%s", suite->shared, folder,
                entry->d_name);
        assert_true(read_file(path, arena, &groups));
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        for (size_t i = 0; i < json_size(groups); i++)
            run_group(suite, path, json_at(groups, i), assert_formats);
    }
    closedir(dir);
}

static void run_suite(
        const char *folder, bool draft_07, bool assert_formats, size_t passed, size_t left_out) {
    const char *shared = getenv("PENSTOCK_SHARED");
    struct suite suite = { .shared = shared ? shared : "../shared", .draft_07 = draft_07 };

    run_folder(&suite, folder, assert_formats);
    printf("%s: %zu passed, %zu failed, %zu excluded\n", folder, suite.passed, suite.failed,
            suite.excluded);
    assert_int_equal(suite.failed, 0);
    assert_int_equal(suite.passed, passed);
    assert_int_equal(suite.excluded, left_out);
}

static void passes_draft_2020_12(void **state) {
    (void)state;
    run_suite("draft2020-12", false, false, 1299, 0);
}

static void passes_draft_07(void **state) {
    (void)state;
    run_suite("draft7", true, false, 927, 0);
}

static void passes_optional_2020_12(void **state) {
    (void)state;
    run_suite("draft2020-12/optional", false, false, 161, 1);
}

static void passes_optional_07(void **state) {
    (void)state;
    run_suite("draft7/optional", true, false, 112, 6);
}

static void passes_formats_2020_12(void **state) {
    (void)state;
    run_suite("draft2020-12/optional/format", false, true, 757, 7);
}

static void passes_formats_07(void **state) {
    (void)state;
    run_suite("draft7/optional/format", true, true, 669, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(refuses_wrong_schemas),
        cmocka_unit_test(ends_in_spite_of_doubling),
        cmocka_unit_test(ends_in_spite_of_depth),
        cmocka_unit_test(allocates_nothing_on_success),
        cmocka_unit_test(passes_draft_2020_12),
        cmocka_unit_test(passes_draft_07),
        cmocka_unit_test(passes_optional_2020_12),
        cmocka_unit_test(passes_optional_07),
        cmocka_unit_test(passes_formats_2020_12),
        cmocka_unit_test(passes_formats_07),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

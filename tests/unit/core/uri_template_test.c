#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/macros.h"
#include "core/uri_template.h"

static const struct {
    const char *template, *input, *expected; /* NULL: an error */
} cases[] = {
    { "https://e.com/plain", "{}", "https://e.com/plain" },
    { "https://e.com/{id}", "{\"id\":7}", "https://e.com/7" },
    { "https://e.com/{a}/{b}?c={c}", "{\"a\":\"x\",\"b\":\"y\",\"c\":\"z\"}", "https://e.com/x/y?c=z" },
    { "{a}{b}{a}", "{\"a\":1,\"b\":2}", "121" },
    { "/{pet.id}", "{\"pet.id\":7,\"pet\":{\"id\":9}}", "/7" }, /* the key verbatim */
    { "/{missing}/x", "{}", "//x" },
    { "/{nothing}", "{\"nothing\":null}", "/" },
    { "/{t}/{f}", "{\"t\":true,\"f\":false}", "/true/false" },
    { "/{n}", "{\"n\":1.50}", "/1.50" },           /* digits as they came */
    { "/{n}", "{\"n\":9007199254740993}", "/9007199254740993" },
    { "/{t}", "{\"t\":\"a b/c?d&e=f%20g+h#i\"}", "/a%20b%2Fc%3Fd%26e%3Df%2520g%2Bh%23i" },
    { "/{t}", "{\"t\":\"-._~AZaz09\"}", "/-._~AZaz09" },
    { "/{t}", "{\"t\":\"\xC3\xA9\xE2\x82\xAC\"}", "/%C3%A9%E2%82%AC" },
    { "/{t}", "{\"t\":\"\\u0000\"}", "/%00" },
    { "/{t}", "{\"t\":\"\"}", "/" },
    { "/{}", "{\"\":\"empty\"}", "/empty" },
    { "/{a b}", "{\"a b\":1}", "/1" },
    { "/a}b", "{}", "/a}b" },
    { "/{t}", "{\"t\":\"{u}\",\"u\":\"evil\"}", "/%7Bu%7D" }, /* what was put in is not expanded again */
    { "/{id}", "[1]", "/" },
    { "/{id}", "null", "/" },
    { "", "{}", "" },
    { "/{o}", "{\"o\":{\"a\":1}}", NULL },
    { "/{o}", "{\"o\":[1]}", NULL },
    { "/{a}/{o}", "{\"a\":1,\"o\":{}}", NULL },
    { "/{open", "{\"open\":1}", NULL },
    { "/{", "{}", NULL },
};

static void test_cases(void **state) {
    struct arena *arena = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct json_read_options options = { .borrow = true };
        struct str result = STR_NULL;
        struct json input;
        struct err err = { ERR_NONE, "" };
        assert_true(json_read(str_from(cases[i].input), &options, arena, &input, NULL, &err));
        bool ok = uri_template_expand(str_from(cases[i].template), input, arena, &result, &err);
        bool right = cases[i].expected ? ok && str_equal(result, str_from(cases[i].expected)) : !ok && err.code == ERR_INVALID;
        if (!right) print_error("%s with %s: '" STR_FMT "' %s\n", cases[i].template, cases[i].input, STR_ARG(result), err.message);
        assert_true(right);
    }
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

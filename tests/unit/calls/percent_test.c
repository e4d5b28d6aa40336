#include "calls/percent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

static void check(struct str got, const char *expected) {
    SCOPED(arena_freep) struct arena *arena = arena_new();

    assert_string_equal(str_to_c(got, arena), expected);
}

static void test_all_but_unreserved_is_encoded(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();

    (void)state;
    check(percent_encode(STR("azAZ09-._~"), arena), "azAZ09-._~");
    check(percent_encode(STR("a b&c=d/e?f#g%h+i"), arena), "a%20b%26c%3Dd%2Fe%3Ff%23g%25h%2Bi");
    check(percent_encode(STR("\xC3\xA9\xE2\x82\xAC"), arena), "%C3%A9%E2%82%AC");
    check(percent_encode((struct str){ "a\0b", 3 }, arena), "a%00b");
    check(percent_encode(STR(""), arena), "");
}

static void test_mending_keeps_what_a_uri_may_hold(void **state) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    static const struct str fine = STR_INIT("https://user@[::1]:80/a%20b/c;d=1,2?e=f&g=(h)!*'$#i");

    (void)state;
    assert_true(str_equal(percent_mend(fine, arena), fine));
    check(percent_mend(STR("http://h/a b/\xC3\xA9\"<>\\^`{|}\x7F\n"), arena),
            "http://h/a%20b/%C3%A9%22%3C%3E%5C%5E%60%7B%7C%7D%7F%0A");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_but_unreserved_is_encoded),
        cmocka_unit_test(test_mending_keeps_what_a_uri_may_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

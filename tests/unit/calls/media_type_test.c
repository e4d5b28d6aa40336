#include "calls/media_type.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_kinds(void **state) {
    static const struct {
        struct str content_type;
        enum media media;
    } cases[] = {
        { STR_INIT(""), MEDIA_NONE },
        { STR_INIT(" ; charset=utf-8"), MEDIA_NONE },
        { STR_INIT("application/json"), MEDIA_JSON },
        { STR_INIT("Application/JSON; charset=utf-8"), MEDIA_JSON },
        { STR_INIT("text/json"), MEDIA_JSON },
        { STR_INIT("application/problem+json"), MEDIA_JSON },
        { STR_INIT("application/vnd.a.b+JSON ;v=1"), MEDIA_JSON },
        { STR_INIT("+json"), MEDIA_BINARY },
        { STR_INIT("application/jsonx"), MEDIA_BINARY },
        { STR_INIT("application/x-www-form-urlencoded"), MEDIA_FORM },
        { STR_INIT("multipart/form-data; boundary=x"), MEDIA_MULTIPART },
        { STR_INIT("text/plain"), MEDIA_TEXT },
        { STR_INIT("TEXT/CSV"), MEDIA_TEXT },
        { STR_INIT("application/xml"), MEDIA_TEXT },
        { STR_INIT("image/svg+xml"), MEDIA_TEXT },
        { STR_INIT("application/yaml"), MEDIA_TEXT },
        { STR_INIT("application/octet-stream"), MEDIA_BINARY },
        { STR_INIT("image/png"), MEDIA_BINARY },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) assert_int_equal(media_of(cases[i].content_type), cases[i].media);
}

static void test_parameters(void **state) {
    (void)state;
    assert_true(str_equal(media_parameter(STR("text/plain; charset=utf-8"), STR("charset")), STR("utf-8")));
    assert_true(str_equal(media_parameter(STR("text/plain;a=b; CHARSET = \"x y\" "), STR("charset")), STR("x y")));
    assert_int_equal(media_parameter(STR("text/plain; charset"), STR("charset")).size, 0);
    assert_int_equal(media_parameter(STR("charset=utf-8"), STR("charset")).size, 0);
    assert_int_equal(media_parameter(STR(""), STR("charset")).size, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

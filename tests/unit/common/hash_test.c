#include "common/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

static int setup(void **state) {
    *state = arena_new();
    return 0;
}

static int teardown(void **state) {
    arena_free(*state);
    return 0;
}

static void expect(struct str s, const char *text) {
    if (!str_equal(s, str_from(text))) fail_msg("'" STR_FMT "' instead of '%s'", STR_ARG(s), text);
}

/* FIPS 180-2, appendix B, and the digest of nothing. */
static void test_sha256(void **state) {
    char text[SHA256_HEX_SIZE];
    (void)state;

    expect(sha256_hex(STR("abc"), text),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(sha256_hex(STR_NULL, text),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(sha256_hex(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), text),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_int_equal(text[SHA256_HEX_SIZE - 1], '\0');
}

static void test_hex(void **state) {
    struct str bytes;

    expect(hex_encode(STR("\0\x01\x7F\x80\xFF"), *state), "00017f80ff");
    expect(hex_encode(STR_NULL, *state), "");
    assert_true(hex_decode(STR("00017f80FFaB"), *state, &bytes));
    assert_true(str_equal(bytes, STR("\0\x01\x7F\x80\xFF\xAB")));
    assert_true(hex_decode(STR(""), *state, &bytes));
    assert_int_equal(bytes.size, 0);
    assert_false(hex_decode(STR("0"), *state, &bytes));
    assert_false(hex_decode(STR("0g"), *state, &bytes));
    assert_false(hex_decode(STR("g0"), *state, &bytes));
}

/* RFC 4648, 10. */
static void test_base64(void **state) {
    static const struct {
        const char *bytes, *padded, *plain;
    } rows[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xFB\xEF\xFF", "++//", "--__" },
    };
    struct str bytes;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        expect(base64_encode(str_from(rows[i].bytes), *state), rows[i].padded);
        assert_true(base64_decode(str_from(rows[i].padded), *state, &bytes));
        expect(bytes, rows[i].bytes);
        assert_true(base64_decode(str_from(rows[i].plain), *state, &bytes));
        expect(bytes, rows[i].bytes);
    }
    static const char *const wrong[] = { "Z", "Zg=", "Zg===", "=", "====", "Z===", "Zm9vY", "Zm 9v",
        "Zm9v\n", "Zg==Zg==", "Z!==", "Zh==", "Zm9" };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        if (base64_decode(str_from(wrong[i]), *state, &bytes)) fail_msg("%s", wrong[i]);
    }
}

static void test_each_size(void **state) {
    char all[256];
    struct str bytes;

    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    for (size_t size = 0; size <= sizeof(all); size++) {
        struct str from = { all + (sizeof(all) - size) / 2, size };
        assert_true(base64_decode(base64_encode(from, *state), *state, &bytes));
        assert_true(str_equal(bytes, from));
        assert_true(hex_decode(hex_encode(from, *state), *state, &bytes));
        assert_true(str_equal(bytes, from));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sha256, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hex, setup, teardown),
        cmocka_unit_test_setup_teardown(test_base64, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_size, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "http/egress.h"

#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "common/assert.h"

enum verdict { ALWAYS_REFUSED, NOT_PUBLIC, PUBLIC };

/* Spellings as they may stand in a URL; the resolver turns them into what is judged. */
static const struct {
    const char *host;
    enum verdict verdict;
} spellings[] = {
    { "127.0.0.1", NOT_PUBLIC },
    { "127.1", NOT_PUBLIC },
    { "127.0.1", NOT_PUBLIC },
    { "0x7f000001", NOT_PUBLIC },
    { "0x7f.1", NOT_PUBLIC },
    { "0177.0.0.1", NOT_PUBLIC },
    { "2130706433", NOT_PUBLIC },
    { "017700000001", NOT_PUBLIC },
    { "127.255.255.254", NOT_PUBLIC },
    { "localhost", NOT_PUBLIC },
    { "::1", NOT_PUBLIC },
    { "0:0:0:0:0:0:0:1", NOT_PUBLIC },
    { "::ffff:127.0.0.1", NOT_PUBLIC },
    { "::ffff:7f00:1", NOT_PUBLIC },
    { "::127.0.0.1", NOT_PUBLIC },
    { "::ffff:0:127.0.0.1", NOT_PUBLIC },
    { "64:ff9b::127.0.0.1", NOT_PUBLIC },
    { "64:ff9b::7f00:1", NOT_PUBLIC },
    { "64:ff9b:1::127.0.0.1", NOT_PUBLIC },
    { "2002:7f00:1::", NOT_PUBLIC },
    { "2001:0:4136:e378:8000:63bf:3fff:fdd2", NOT_PUBLIC },
    { "10.0.0.1", NOT_PUBLIC },
    { "10.255.255.255", NOT_PUBLIC },
    { "10.1", NOT_PUBLIC },
    { "0x0a000001", NOT_PUBLIC },
    { "172.16.0.1", NOT_PUBLIC },
    { "172.31.255.255", NOT_PUBLIC },
    { "192.168.0.1", NOT_PUBLIC },
    { "192.168.257", NOT_PUBLIC },
    { "::ffff:192.168.1.1", NOT_PUBLIC },
    { "64:ff9b::10.0.0.1", NOT_PUBLIC },
    { "2002:c0a8:101::1", NOT_PUBLIC },
    { "100.64.0.1", NOT_PUBLIC },
    { "100.127.255.255", NOT_PUBLIC },
    { "192.0.0.1", NOT_PUBLIC },
    { "198.18.0.1", NOT_PUBLIC },
    { "203.0.113.9", NOT_PUBLIC },
    { "fc00::1", NOT_PUBLIC },
    { "fdff:ffff::1", NOT_PUBLIC },
    { "fec0::1", NOT_PUBLIC },
    { "2001:db8::1", NOT_PUBLIC },
    { "169.254.169.254", ALWAYS_REFUSED },
    { "169.254.1", ALWAYS_REFUSED },
    { "0xa9fea9fe", ALWAYS_REFUSED },
    { "2852039166", ALWAYS_REFUSED },
    { "0251.0376.0251.0376", ALWAYS_REFUSED },
    { "::ffff:169.254.169.254", ALWAYS_REFUSED },
    { "::169.254.169.254", ALWAYS_REFUSED },
    { "64:ff9b::169.254.169.254", ALWAYS_REFUSED },
    { "2002:a9fe:a9fe::", ALWAYS_REFUSED },
    { "fe80::1", ALWAYS_REFUSED },
    { "febf::1", ALWAYS_REFUSED },
    { "fd00:ec2::254", ALWAYS_REFUSED },
    { "fd20:ce::254", ALWAYS_REFUSED },
    { "100.100.100.200", ALWAYS_REFUSED },
    { "168.63.129.16", ALWAYS_REFUSED },
    { "192.0.0.192", ALWAYS_REFUSED },
    { "0.0.0.0", ALWAYS_REFUSED },
    { "0", ALWAYS_REFUSED },
    { "0.1.2.3", ALWAYS_REFUSED },
    { "::", ALWAYS_REFUSED },
    { "::ffff:0.0.0.0", ALWAYS_REFUSED },
    { "224.0.0.1", ALWAYS_REFUSED },
    { "239.255.255.250", ALWAYS_REFUSED },
    { "240.0.0.1", ALWAYS_REFUSED },
    { "255.255.255.255", ALWAYS_REFUSED },
    { "ff02::1", ALWAYS_REFUSED },
    { "::ffff:224.0.0.1", ALWAYS_REFUSED },
    { "1.1.1.1", PUBLIC },
    { "8.8.8.8", PUBLIC },
    { "9.255.255.255", PUBLIC },
    { "11.0.0.0", PUBLIC },
    { "126.255.255.255", PUBLIC },
    { "128.0.0.1", PUBLIC },
    { "172.15.255.255", PUBLIC },
    { "172.32.0.1", PUBLIC },
    { "192.167.255.255", PUBLIC },
    { "192.169.0.1", PUBLIC },
    { "100.63.255.255", PUBLIC },
    { "100.128.0.1", PUBLIC },
    { "169.253.255.255", PUBLIC },
    { "169.255.0.1", PUBLIC },
    { "223.255.255.255", PUBLIC },
    { "2606:4700::1111", PUBLIC },
    { "2a00:1450::1", PUBLIC },
    { "64:ff9b::8.8.8.8", PUBLIC },
    { "2002:808:808::1", PUBLIC },
    { "::ffff:8.8.8.8", PUBLIC },
};

static void resolve(const char *host, uint8_t ret[EGRESS_ADDRESS_SIZE]) {
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (getaddrinfo(host, NULL, &hints, &found) != 0) fail_msg("'%s' is not understood", host);
    if (found->ai_family == AF_INET) {
        memcpy(&v4, found->ai_addr, sizeof(v4));
        egress_map((const uint8_t *)&v4.sin_addr, ret);
    } else {
        memcpy(&v6, found->ai_addr, sizeof(v6));
        memcpy(ret, &v6.sin6_addr, EGRESS_ADDRESS_SIZE);
    }
    freeaddrinfo(found);
}

static struct egress make(bool any, const char *allow) {
    struct egress egress;
    struct err err;

    if (!egress_init(&egress, any, allow, &err)) fail_msg("%s", err.message);
    return egress;
}

static bool passes(const struct egress *egress, const char *host) {
    uint8_t address[EGRESS_ADDRESS_SIZE];

    resolve(host, address);
    return !egress_refusal(egress, address);
}

static void test_spellings(void **state) {
    struct egress public_only = make(false, NULL), any = make(true, "");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        const char *host = spellings[i].host;
        enum verdict verdict = spellings[i].verdict;
        if (passes(&public_only, host) != (verdict == PUBLIC)) fail_msg("'%s' with public", host);
        if (passes(&any, host) != (verdict != ALWAYS_REFUSED)) fail_msg("'%s' with any", host);
    }
}

static void test_exceptions(void **state) {
    struct egress egress = make(false, " 127.0.0.0/8, 10.1.2.0/24,fd12::/16,169.254.7.7 ,,::1");

    (void)state;
    assert_true(passes(&egress, "127.1"));
    assert_true(passes(&egress, "::ffff:127.0.0.1"));
    assert_true(passes(&egress, "::1"));
    assert_true(passes(&egress, "10.1.2.255"));
    assert_false(passes(&egress, "10.1.3.0"));
    assert_true(passes(&egress, "fd12:1::1"));
    assert_false(passes(&egress, "fd13::1"));
    assert_true(passes(&egress, "169.254.7.7"));
    assert_false(passes(&egress, "169.254.169.254"));
}

static void test_a_wide_exception_opens_no_metadata(void **state) {
    struct egress egress = make(false, "0.0.0.0/0,::/0");

    (void)state;
    assert_true(passes(&egress, "10.0.0.1"));
    assert_true(passes(&egress, "127.0.0.1"));
    assert_true(passes(&egress, "fc00::1"));
    assert_false(passes(&egress, "169.254.169.254"));
    assert_false(passes(&egress, "fd00:ec2::254"));
    assert_false(passes(&egress, "0.0.0.0"));
    struct egress named = make(false, "169.254.0.0/16");
    assert_true(passes(&named, "169.254.169.254"));
}

static void test_bad_lists(void **state) {
    static const char *const lists[] = {
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.0/x",
        "10.0.0.1/8",
        "10.0.0/8",
        "localhost",
        "fc00::/129",
        "10.0.0.0/8;127.0.0.0/8",
        "/8",
    };
    struct egress egress;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        if (egress_init(&egress, false, lists[i], &err)) fail_msg("'%s' was taken", lists[i]);
        assert_int_equal(err.code, ERR_INVALID);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_a_wide_exception_opens_no_metadata),
        cmocka_unit_test(test_bad_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "http/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/assert.h"

static void test_addresses(void **state) {
    char address[LISTEN_ADDRESS_SIZE], again[LISTEN_ADDRESS_SIZE];
    uint16_t port, port_again;
    struct err err;
    int fd, fd_again;

    (void)state;
    assert_true(listen_open("127.0.0.1:0", &fd, address, &port, &err));
    assert_memory_equal(address, "127.0.0.1:", 10);
    assert_int_not_equal(port, 0);
    assert_false(listen_open(address, &fd_again, again, &port_again, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_non_null(strstr(err.message, address));
    close(fd);
    assert_true(listen_open("localhost:0", &fd, address, &port, &err));
    close(fd);
    if (listen_open("[::1]:0", &fd, address, &port, &err)) {
        assert_memory_equal(address, "[::1]:", 6);
        close(fd);
    } else {
        print_message("no IPv6 here: %s\n", err.message);
    }
}

static void test_what_is_no_address(void **state) {
    static const char *const texts[] = {
        "",
        "127.0.0.1",
        ":80",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "::1:80",
        "[::1]",
        "[]:80",
        "[::1:80",
        "host.invalid:80",
        "8.8.8.8:0",
    };
    char address[LISTEN_ADDRESS_SIZE];
    uint16_t port;
    struct err err;
    int fd;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (listen_open(texts[i], &fd, address, &port, &err)) fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static struct peer peer_from(const char *text) {
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) return peer_of((struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return peer_of((struct sockaddr *)&v6);
}

static bool same(const char *a, const char *b) {
    struct peer first = peer_from(a), second = peer_from(b);

    return memcmp(first.bytes, second.bytes, sizeof(first.bytes)) == 0;
}

static void test_whom_a_connection_counts_for(void **state) {
    (void)state;
    assert_true(same("192.0.2.1", "::ffff:192.0.2.1"));
    assert_false(same("192.0.2.1", "192.0.2.2"));
    assert_true(same("2001:db8::1", "2001:db8::ffff:1"));
    assert_false(same("2001:db8::1", "2001:db8:0:1::1"));
    assert_true(peer_from("127.0.0.1").exempt);
    assert_true(peer_from("::1").exempt);
    assert_true(peer_from("::ffff:127.0.0.1").exempt);
    assert_false(peer_from("192.0.2.1").exempt);
}

static void test_counting(void **state) {
    struct peers *peers = peers_new(2);
    struct peer own = peer_from("127.0.0.1");
    char text[INET_ADDRSTRLEN];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3000; i++) {
            struct in_addr address = { htonl(0x0B000000u + i) };
            struct peer peer = peer_from(inet_ntop(AF_INET, &address, text, sizeof(text)));
            assert_int_equal(peers_is_full(peers, &peer), round == 1);
            if (round == 0) {
                peers_enter(peers, &peer);
                assert_false(peers_is_full(peers, &peer));
                peers_enter(peers, &peer);
            }
            assert_true(peers_is_full(peers, &peer));
            if (round == 1) {
                peers_leave(peers, &peer);
                assert_false(peers_is_full(peers, &peer));
                peers_leave(peers, &peer);
            }
        }
    }
    for (int i = 0; i < 10; i++)
        peers_enter(peers, &own);
    assert_false(peers_is_full(peers, &own));
    peers_free(peers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_is_no_address),
        cmocka_unit_test(test_whom_a_connection_counts_for),
        cmocka_unit_test(test_counting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

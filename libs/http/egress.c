#include "http/egress.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/assert.h"
#include "common/str.h"

enum { TEXT_SIZE = 64, V4_OFFSET = 12, V4_BITS = 32, V6_BITS = 128, MAPPED_BITS = 96 };

static const struct {
    const char *network;
    const char *name;
    bool always;
} table[] = {
    /* On Linux a connection to 0.0.0.0 or :: arrives at this very machine. */
    { "0.0.0.0/8", "an address of this host", true },
    { "::/128", "an address of this host", true },
    { "169.254.0.0/16", "a link-local or metadata address", true },
    { "fe80::/10", "a link-local address", true },
    /* Metadata services that do not live in a link-local range: AWS, Google, Alibaba, Oracle, Azure. */
    { "fd00:ec2::254/128", "a metadata address", true },
    { "fd20:ce::254/128", "a metadata address", true },
    { "100.100.100.200/32", "a metadata address", true },
    { "192.0.0.192/32", "a metadata address", true },
    { "168.63.129.16/32", "a metadata address", true },
    { "224.0.0.0/4", "a multicast address", true },
    { "ff00::/8", "a multicast address", true },
    { "240.0.0.0/4", "a reserved or broadcast address", true },
    { "127.0.0.0/8", "a loopback address", false },
    { "::1/128", "a loopback address", false },
    { "10.0.0.0/8", "a private address", false },
    { "172.16.0.0/12", "a private address", false },
    { "192.168.0.0/16", "a private address", false },
    { "100.64.0.0/10", "a shared (carrier) address", false },
    { "192.0.0.0/24", "a reserved address", false },
    { "192.0.2.0/24", "a documentation address", false },
    { "198.18.0.0/15", "a benchmarking address", false },
    { "198.51.100.0/24", "a documentation address", false },
    { "203.0.113.0/24", "a documentation address", false },
    { "fc00::/7", "a private address", false },
    { "fec0::/10", "a private address", false },
    { "100::/64", "a discard address", false },
    { "2001:db8::/32", "a documentation address", false },
    /* Where IPv4 hides at places that depend on somebody's configuration, nothing can be looked through. */
    { "64:ff9b:1::/48", "a local NAT64 address", false },
    { "2001::/32", "a tunnel (Teredo) address", false },
};

static_assert(ARRAY_SIZE(table) <= EGRESS_RULES_MAX, "room for the table");

void egress_map(const uint8_t v4[4], uint8_t ret[EGRESS_ADDRESS_SIZE]) {
    memset(ret, 0, EGRESS_ADDRESS_SIZE);
    ret[10] = ret[11] = 0xFF;
    memcpy(ret + V4_OFFSET, v4, 4);
}

static bool contains(const struct network *network, const uint8_t address[EGRESS_ADDRESS_SIZE]) {
    unsigned bytes = network->bits / 8, rest = network->bits % 8;

    if (memcmp(network->bytes, address, bytes) != 0) return false;
    if (rest == 0) return true;
    return ((network->bytes[bytes] ^ address[bytes]) & (0xFF00u >> rest) & 0xFFu) == 0;
}

/* "10.0.0.0/8", "fc00::/7", or an address alone. Bits behind the prefix have to be zero: 10.1.2.3/8 is more
 * likely a mistake than meant. */
static bool network_parse(struct str text, struct network *ret) {
    struct str rest = text;
    struct str address = str_cut(&rest, '/');
    char copy[TEXT_SIZE];
    uint8_t v4[4];
    int64_t bits;

    if (address.size == 0 || address.size >= sizeof(copy)) return false;
    snprintf(copy, sizeof(copy), STR_FMT, STR_ARG(address));
    bool is_v4 = inet_pton(AF_INET, copy, v4) == 1;
    if (is_v4) egress_map(v4, ret->bytes);
    if (!is_v4 && inet_pton(AF_INET6, copy, ret->bytes) != 1) return false;
    int64_t most = is_v4 ? V4_BITS : V6_BITS;
    if (!rest.data) bits = most;
    if (rest.data && (!str_to_int64(rest, &bits) || bits < 0 || bits > most)) return false;
    ret->bits = (unsigned)bits + (is_v4 ? (unsigned)MAPPED_BITS : 0);
    for (unsigned i = ret->bits; i < V6_BITS; i++) {
        if (ret->bytes[i / 8] & (0x80u >> (i % 8))) return false;
    }
    return true;
}

bool egress_init(struct egress *ret, bool any, const char *allow, struct err *err) {
    struct str rest = str_from(allow);

    *ret = (struct egress){ .any = any, .rule_count = ARRAY_SIZE(table) };
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        bool ok = network_parse(str_from(table[i].network), &ret->rules[i].network);
        assert(ok);
        ret->rules[i].name = table[i].name;
        ret->rules[i].always = table[i].always;
    }
    while (rest.data) {
        struct str entry = str_trim(str_cut(&rest, ','));
        if (entry.size == 0) continue;
        if (ret->allow_count == EGRESS_ALLOW_MAX) {
            return err_set(err, ERR_INVALID, "more than %d networks are allowed", EGRESS_ALLOW_MAX);
        }
        if (!network_parse(entry, &ret->allow[ret->allow_count++])) {
            return err_set(err, ERR_INVALID, "'%.*s' is no network: write 10.1.0.0/16 or fd12::/16",
                    (int)MIN(entry.size, (size_t)TEXT_SIZE), entry.data);
        }
    }
    return true;
}

/* IPv6 addresses that mean an IPv4 one: they are judged as what they lead to. */
static void look_through(
        const uint8_t address[EGRESS_ADDRESS_SIZE], uint8_t ret[EGRESS_ADDRESS_SIZE]) {
    static const uint8_t zeros[EGRESS_ADDRESS_SIZE] = { 0 };
    static const uint8_t nat64[V4_OFFSET] = { 0x00, 0x64, 0xFF, 0x9B };
    static const uint8_t translated[V4_OFFSET] = {
        [8] = 0xFF, [9] = 0xFF
    }; /* ::ffff:0:a.b.c.d, RFC 2765 */
    bool compatible = memcmp(address, zeros, V4_OFFSET) == 0 && memcmp(address, zeros, 15) != 0;

    memcpy(ret, address, EGRESS_ADDRESS_SIZE);
    if (compatible || memcmp(address, nat64, V4_OFFSET) == 0
            || memcmp(address, translated, V4_OFFSET) == 0) {
        egress_map(address + V4_OFFSET, ret);
    } else if (address[0] == 0x20 && address[1] == 0x02) {
        egress_map(address + 2, ret); /* 6to4 */
    }
}

static bool is_allowed(const struct egress *egress, const uint8_t address[EGRESS_ADDRESS_SIZE],
        unsigned bits_least) {
    for (size_t i = 0; i < egress->allow_count; i++) {
        if (egress->allow[i].bits >= bits_least && contains(&egress->allow[i], address))
            return true;
    }
    return false;
}

const char *egress_refusal(const struct egress *egress, const uint8_t given[EGRESS_ADDRESS_SIZE]) {
    uint8_t address[EGRESS_ADDRESS_SIZE];

    look_through(given, address);
    for (size_t i = 0; i < egress->rule_count; i++) {
        const struct egress_rule *rule = &egress->rules[i];
        if (!contains(&rule->network, address)) continue;
        if (!rule->always && egress->any) continue;
        if (!is_allowed(egress, address, rule->always ? rule->network.bits : 0)) return rule->name;
    }
    return NULL;
}

#pragma once
/* Which addresses calls may go to (reliability.md, 11). Pure: judges an address as the socket will be
 * connected to it, so that no spelling of a name or number gets past. Private to this folder. */

#include "common/err.h"

enum { EGRESS_ADDRESS_SIZE = 16, EGRESS_ALLOW_MAX = 64, EGRESS_RULES_MAX = 48 };

/* An IPv6 network; IPv4 is ::ffff:a.b.c.d with 96 more bits. */
struct network {
    uint8_t bytes[EGRESS_ADDRESS_SIZE];
    unsigned bits;
};

struct egress_rule {
    struct network network;
    const char *name;
    bool always; /* not only without `any` */
};

struct egress {
    bool any;
    size_t rule_count, allow_count;
    struct egress_rule rules[EGRESS_RULES_MAX];
    struct network allow[EGRESS_ALLOW_MAX];
};

/* `any` lets loopback and private addresses through; `allow` lists networks in CIDR notation, separated by
 * commas, that are let through whatever else (NULL: none). An exception from what is always refused has
 * to be as narrow as the rule it breaks: 0.0.0.0/0 does not open the metadata service.
 *
 * Errors   INVALID  the list */
MUST_USE bool egress_init(struct egress *ret, bool any, const char *allow, struct err *err);

/* Returns NULL if the address may be called, else what it is ("a loopback address"). The address is given
 * as IPv6, IPv4 mapped into it; other embeddings of IPv4 are looked through. */
const char *egress_refusal(const struct egress *egress, const uint8_t address[EGRESS_ADDRESS_SIZE]);

/* Writes an IPv4 address as IPv6. */
void egress_map(const uint8_t v4[4], uint8_t ret[EGRESS_ADDRESS_SIZE]);

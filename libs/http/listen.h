#pragma once
/* Listening sockets, and how many connections each peer has. Private to this folder. */

#include <sys/socket.h>

#include "common/err.h"

enum { LISTEN_ADDRESS_SIZE = 64 };

/* Opens a socket that listens on `listen` (ADDRESS:PORT, [v6]:PORT; port 0 chooses one).
 *
 * Out      *ret_fd, to be closed; ret_address: as bound, in the same form
 * Errors   INVALID  no such address; CONFLICT  it is taken */
MUST_USE bool listen_open(const char *listen, int *ret_fd, char ret_address[LISTEN_ADDRESS_SIZE],
        uint16_t *ret_port, struct err *err);

/* Whom a connection is counted for: an IPv4 address (also mapped into IPv6), or an IPv6 network of 64 bits,
 * which is what one customer of a provider has. */
struct peer {
    uint8_t bytes[16];
    bool exempt; /* loopback */
};

struct peer peer_of(const struct sockaddr *address);

/* Counts connections by peer. Any thread. */
struct peers;

struct peers *peers_new(uint32_t limit);
void peers_free(struct peers *peers);
bool peers_is_full(struct peers *peers, const struct peer *peer);
void peers_enter(struct peers *peers, const struct peer *peer);
void peers_leave(struct peers *peers, const struct peer *peer);

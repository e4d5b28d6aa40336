#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/str.h"
#include "system/queue.h"

enum { BACKLOG = 1024, HOST_SIZE = 256, PORT_SIZE = 8, BUCKET_COUNT = 1024, PORT_MAX = 65535 };

/* ---- sockets ---- */

static bool split(const char *listen, char host[HOST_SIZE], char port[PORT_SIZE]) {
    struct str text = str_from(listen);
    const char *colon = strrchr(listen, ':');
    int64_t number;

    if (!colon) return false;
    struct str address = { text.data, (size_t)(colon - text.data) };
    struct str digits = str_slice(text, address.size + 1, text.size);
    if (!str_to_int64(digits, &number) || number < 0 || number > PORT_MAX) return false;
    if (address.size >= 2 && address.data[0] == '[' && address.data[address.size - 1] == ']') {
        address = str_slice(address, 1, address.size - 1);
    } else if (str_find_char(address, ':') < address.size) {
        return false;
    }
    if (address.size == 0 || address.size >= HOST_SIZE) return false;
    snprintf(host, HOST_SIZE, STR_FMT, STR_ARG(address));
    snprintf(port, PORT_SIZE, "%d", (int)number);
    return true;
}

static bool listen_on(
        const struct addrinfo *address, const char *listen_text, int *ret_fd, struct err *err) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int yes = 1;

    if (fd < 0) {
        return err_set(
                err, ERR_UNAVAILABLE, "no socket for '%s': %s", listen_text, strerror(errno));
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int reason = errno;
        close(fd);
        return err_set(err, reason == EADDRINUSE ? ERR_CONFLICT : ERR_INVALID,
                "cannot listen on '%s': %s", listen_text,
                reason == EADDRINUSE ? "the address is taken" : strerror(reason));
    }
    *ret_fd = fd;
    return true;
}

static void describe(int fd, char ret_address[LISTEN_ADDRESS_SIZE], uint16_t *ret_port) {
    struct sockaddr_storage bound = { 0 };
    socklen_t size = sizeof(bound);
    char host[INET6_ADDRSTRLEN], port[PORT_SIZE];
    int64_t number = 0;

    int result = getsockname(fd, (struct sockaddr *)&bound, &size);
    assert(result == 0);
    result = getnameinfo((struct sockaddr *)&bound, size, host, sizeof(host), port, sizeof(port),
            NI_NUMERICHOST | NI_NUMERICSERV);
    assert(result == 0);
    bool is_number = str_to_int64(str_from(port), &number);
    assert(is_number && number > 0 && number <= PORT_MAX);
    bool v6 = bound.ss_family == AF_INET6;
    snprintf(ret_address, LISTEN_ADDRESS_SIZE, v6 ? "[%s]:%s" : "%s:%s", host, port);
    *ret_port = (uint16_t)number;
}

bool listen_open(const char *listen_text, int *ret_fd, char ret_address[LISTEN_ADDRESS_SIZE],
        uint16_t *ret_port, struct err *err) {
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV
    };
    struct addrinfo *found;
    char host[HOST_SIZE], port[PORT_SIZE];
    int fd = -1;

    if (!split(listen_text, host, port)) {
        return err_set(err, ERR_INVALID,
                "'%.100s' is no address to listen on: write ADDRESS:PORT or [V6]:PORT",
                listen_text);
    }
    int result = getaddrinfo(host, port, &hints, &found);
    if (result != 0) {
        return err_set(err, ERR_INVALID, "'%.100s' is no address to listen on: %s", listen_text,
                gai_strerror(result));
    }
    bool ok = listen_on(found, listen_text, &fd, err);
    freeaddrinfo(found);
    if (!ok) return false;
    describe(fd, ret_address, ret_port);
    *ret_fd = fd;
    return true;
}

/* ---- peers ---- */

struct entry {
    struct entry *next;
    uint8_t bytes[16];
    uint32_t count;
};

struct peers {
    struct lock *lock;
    uint32_t limit;
    struct entry *buckets[BUCKET_COUNT];
};

struct peer peer_of(const struct sockaddr *address) {
    static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    struct peer peer = { .exempt = false };

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        memcpy(peer.bytes, mapped, sizeof(mapped));
        memcpy(peer.bytes + sizeof(mapped), &v4.sin_addr, sizeof(v4.sin_addr));
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof(v6));
        memcpy(peer.bytes, &v6.sin6_addr, sizeof(v6.sin6_addr));
        peer.exempt = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
    if (memcmp(peer.bytes, mapped, sizeof(mapped)) == 0) {
        peer.exempt = peer.bytes[12] == 127;
    } else {
        memset(peer.bytes + 8, 0, 8);
    }
    return peer;
}

struct peers *peers_new(uint32_t limit) {
    struct peers *peers = calloc(1, sizeof(*peers));

    assert(peers);
    peers->lock = lock_new();
    peers->limit = limit;
    return peers;
}

void peers_free(struct peers *peers) {
    if (!peers) return;
    for (size_t i = 0; i < BUCKET_COUNT; i++)
        assert(!peers->buckets[i]);
    lock_free(peers->lock);
    free(peers);
}

/* Where the entry of a peer hangs, or would. */
static struct entry **find(struct peers *peers, const struct peer *peer) {
    struct str key = { (const char *)peer->bytes, sizeof(peer->bytes) };
    struct entry **at = &peers->buckets[str_hash(key) % BUCKET_COUNT];

    while (*at && memcmp((*at)->bytes, peer->bytes, sizeof(peer->bytes)) != 0)
        at = &(*at)->next;
    return at;
}

bool peers_is_full(struct peers *peers, const struct peer *peer) {
    if (peer->exempt) return false;
    lock_acquire(peers->lock);
    struct entry *entry = *find(peers, peer);
    bool full = entry && entry->count >= peers->limit;
    lock_release(peers->lock);
    return full;
}

void peers_enter(struct peers *peers, const struct peer *peer) {
    if (peer->exempt) return;
    lock_acquire(peers->lock);
    struct entry **at = find(peers, peer);
    if (!*at) {
        *at = calloc(1, sizeof(**at));
        assert(*at);
        memcpy((*at)->bytes, peer->bytes, sizeof(peer->bytes));
    }
    (*at)->count++;
    lock_release(peers->lock);
}

void peers_leave(struct peers *peers, const struct peer *peer) {
    if (peer->exempt) return;
    lock_acquire(peers->lock);
    struct entry **at = find(peers, peer);
    struct entry *entry = *at;
    assert(entry && entry->count > 0);
    if (--entry->count == 0) {
        *at = entry->next;
        free(entry);
    }
    lock_release(peers->lock);
}

#pragma once
/* The bus: topics of messages under a key, in order for each key.
 *
 * Knows nothing of workflows. Backends: Kafka (bus_kafka.c), embedded (bus_embedded.c: a durable
 * log in one directory entry, one process), memory (bus_memory.c, for tests and the simulator); one
 * contract suite runs against all. Messages may come twice; they are not lost once acknowledged. */

#include "common/err.h"
#include "common/str.h"

struct arena;
struct bus;
struct clock;
struct consumer;

enum topic {
#define TOPIC(code, name, durable) TOPIC_##code,
#include "bus/topics.def"
#undef TOPIC
    TOPIC_COUNT,
    TOPIC_NONE = TOPIC_COUNT,
};

const char *topic_name(enum topic topic);

struct header {
    struct str name, value;
};

/* A message to publish. The partition follows from the key (murmur2, as Java's clients do); an empty
 * key goes to any partition. */
struct outgoing {
    enum topic topic;
    struct str key;
    struct str value;
    const struct header *headers; /* may be NULL */
    size_t header_count;
};

/* A message received. `incarnation` names the topic's life and era, as noted when its partition was
 * assigned (R13); `epoch` counts the assignments of this partition to this consumer (R2). */
struct message {
    enum topic topic;
    int32_t partition;
    int64_t offset;
    uint64_t incarnation;
    uint32_t epoch;
    int64_t time_ms; /* when it was published */
    struct str key;
    struct str value;
    const struct header *headers;
    size_t header_count;
};

struct batch {
    const struct message *messages;
    size_t count;
};

struct bus_options {
    const char *client_id;  /* service and host, for the broker's logs; never NULL */
    int32_t partitions;     /* for topics that are to be created; 0: 48 (embedded and memory: 8) */
    int64_t timeout_ms;     /* for opening and for each call that waits for the broker; 0: 10,000 */
    const struct clock *clock; /* NULL: the system's; copied */
};

/* Opens the bus that `url` names: kafka://HOST:PORT,…  embedded:PATH  memory:. Creates missing topics:
 * replication min(3, brokers).
 *
 * Errors   INVALID      the URL
 *          UNAVAILABLE  no broker within the timeout
 * Threads  bus_publish from any thread; a consumer belongs to one thread, but for consumer_wake */
MUST_USE bool bus_open(const char *url, const struct bus_options *options, struct bus **ret, struct err *err);
void bus_close(struct bus *bus); /* after its consumers; NULL is taken; 30 s at most */
MUST_USE bool bus_ping(struct bus *bus, int64_t timeout_ms, struct err *err);

/* Publishes messages and waits until all are acknowledged (acks=all, or synced to disk; for topics
 * that are not durable: handed on). Messages of one key keep their order. Concurrent callers share one
 * group commit.
 *
 * Errors   UNAVAILABLE, TIMEOUT, FULL  some may have been published; publishing again is safe
 *          TOO_LARGE                   a message over the limit: nothing was published */
MUST_USE bool bus_publish(struct bus *bus, const struct outgoing *messages, size_t count, struct err *err);

struct consumer_callbacks {
    /* Called inside consumer_poll or consumer_close, on the consumer's thread. */
    void (*on_assign)(void *user, enum topic topic, int32_t partition, uint32_t epoch);
    /* Drop or finish what is held of this partition; consumer_done of it is still taken inside the
     * call, and committed after it. `lost`: another owner may be at work already. */
    void (*on_revoke)(void *user, enum topic topic, int32_t partition, bool lost);
    void *user;
};

/* Joins `group` for these topics. With group NULL: reads all partitions from their end, without
 * offsets (every replica reads all). `topics` ends with TOPIC_NONE. */
MUST_USE bool consumer_open(struct bus *bus, const char *group, const enum topic *topics,
        const struct consumer_callbacks *callbacks, struct consumer **ret, struct err *err);

/* Finishes rebalancing, commits what is done, leaves. NULL is taken. */
void consumer_close(struct consumer *consumer);

/* Waits up to timeout_ms for messages and returns up to `max` that are there (at least one, or none
 * at the timeout or after consumer_wake). What comes in later polls waits in the bus: no linger.
 * Messages live in `arena`. Messages that were marked done before a restart are not given again where
 * the bus could keep that mark.
 *
 * Errors   UNAVAILABLE  the bus is away; call again (the call itself waited)
 *          CANCELLED    the broker has shut this consumer out, which happens when it comes back after a long silence: close
 *                       it and open another; what was not done is given again */
MUST_USE bool consumer_poll(struct consumer *consumer, int64_t timeout_ms, size_t max, struct arena *arena,
        struct batch *ret, struct err *err);

/* Marks a message as done with. In any order: the offset that is committed is the lowest one not
 * done (I10). A message of an earlier epoch is passed over (R2). */
void consumer_done(struct consumer *consumer, enum topic topic, int32_t partition, int64_t offset, uint32_t epoch);

/* Commits what is done, if anything new is; does not wait for the broker. Call once a loop. */
MUST_USE bool consumer_commit(struct consumer *consumer, struct err *err);

/* Holds back the messages of a partition; polling goes on (backpressure is pause + poll). */
void consumer_pause(struct consumer *consumer, enum topic topic, int32_t partition);
void consumer_resume(struct consumer *consumer, enum topic topic, int32_t partition);

/* Makes a consumer_poll that waits, or the next one, return at once. Any thread. */
void consumer_wake(struct consumer *consumer);

/* Messages not yet done with, over all assigned partitions; -1 if not known. */
int64_t consumer_lag(struct consumer *consumer);

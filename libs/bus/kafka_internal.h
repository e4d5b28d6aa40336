#pragma once
/* The Kafka backend (librdkafka 2.0.2), the only place that knows librdkafka:
 *
 *     bus_kafka.c        the URL, opening, topics
 *     kafka_producer.c   publishing
 *     kafka_consumer.c   groups, polling, offsets */

#include <librdkafka/rdkafka.h>

#include "bus/bus_internal.h"
#include "common/limits.h"
#include "common/list.h"
#include "system/clock.h"

struct producer;

enum {
    KAFKA_TEXT_MAX = 512,
    KAFKA_MESSAGE_SIZE_MAX =
            LIMIT_MESSAGE + BUS_HEAD_SIZE_MAX + 16 * 1024, /* with what the protocol adds */
    KAFKA_SESSION_MS = 10 * 1000,
    KAFKA_SESSION_MIN_MS = 6 * 1000, /* what brokers take by default */
    KAFKA_CLOSE_MS = 30 * 1000,
};

struct kafka {
    struct bus base;
    struct clock clock;
    char *brokers; /* owned, as all below */
    char *prefix;
    char *client_id;
    char *topics[TOPIC_COUNT]; /* full names */
    int32_t partitions;        /* of topics that are created */
    int64_t timeout_ms;
    int64_t session_ms;
    uint32_t identity[TOPIC_COUNT]; /* of cluster and name */
    uint32_t epochs;                /* atomic: the last that was given to an assignment */
    struct lock *lock;
    struct producer *producer; /* with the lock: it is replaced after a fatal error */
    struct list members;       /* with the lock: consumers with a group */
};

/* A configuration with what producers and consumers share. Settings are ours: one that librdkafka does
 * not take is a bug. Nothing is written to standard error. */
rd_kafka_conf_t *kafka_conf(const struct kafka *kafka);
void kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value);
void kafka_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value);

/* Which topic has this full name; TOPIC_NONE if none. */
enum topic kafka_topic(const struct kafka *kafka, const char *name);

/* The error of ours for one of librdkafka's. Always false. */
bool kafka_fail(struct err *err, const char *what, rd_kafka_resp_err_t code);

/* Ends the process if what follows hangs: before librdkafka 2.1, closing can. */
struct watchdog *kafka_watchdog_start(void);
void kafka_watchdog_stop(struct watchdog *watchdog);

/* ---- kafka_producer.c ---- */

MUST_USE bool kafka_producer_open(struct kafka *kafka, struct producer **ret, struct err *err);
void kafka_producer_close(struct producer *producer); /* NULL is taken */
rd_kafka_t *kafka_producer_handle(struct producer *producer);

/* The one in use, kept from being closed until it is let go. */
struct producer *kafka_producer_use(struct kafka *kafka);
void kafka_producer_let_go(struct kafka *kafka, struct producer *producer);
bool kafka_publish(struct bus *bus, const struct outgoing *messages, size_t count, struct err *err);

/* ---- kafka_consumer.c ---- */

bool kafka_consumer_open(struct bus *bus, const char *group, const enum topic *topics,
        const struct consumer_callbacks *callbacks, struct consumer **ret, struct err *err);

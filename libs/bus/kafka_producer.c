/* One producer for the process. bus_publish queues its messages and waits for their delivery reports;
 * reports are taken by the callers themselves, one at a time (the poller), who serves all: a thread of
 * its own for it would cost a lone publisher one more change of threads. */

#include <stdlib.h>
#include <string.h>

#include "bus/kafka_internal.h"
#include "common/assert.h"
#include "common/list.h"
#include "system/queue.h"

enum { POLL_MS = 100, TIMEOUT_FACTOR = 3 };

struct producer {
    rd_kafka_t *handle;
    struct lock *lock;
    struct list waiting; /* deliveries */
    struct delivery *poller;
    size_t users;
    bool retired; /* after a fatal error; the last user closes it */
};

/* One call of kafka_publish; lives in its frame. With the lock. */
struct delivery {
    struct list item;
    struct producer *producer;
    size_t pending;           /* reports to come */
    rd_kafka_resp_err_t code; /* the first error */
    struct latch latch;       /* set when all have come, or when it is to poll */
};

/* ---- the handle ---- */

static void report(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque) {
    struct delivery *delivery = message->_private;
    struct lock *lock = delivery->producer->lock;

    (void)handle;
    (void)opaque;
    lock_acquire(lock);
    assert(delivery->pending > 0);
    if (message->err && !delivery->code) delivery->code = message->err;
    if (--delivery->pending == 0) latch_set(&delivery->latch);
    lock_release(lock);
}

bool kafka_producer_open(struct kafka *kafka, struct producer **ret, struct err *err) {
    char text[KAFKA_TEXT_MAX];
    rd_kafka_conf_t *conf = kafka_conf(kafka);

    kafka_set(conf, "enable.idempotence", "true");
    kafka_set(conf, "acks", "all");
    /* One request at a time. With more, the first batch of a partition may be refused (its leader is
     * just being made), the next be taken, as brokers take any sequence from a producer they do not know,
     * and the first, tried again, pass for a duplicate: acknowledged, and lost. Seen with librdkafka 2.0.2
     * and Kafka 3.9 about once in 25 first uses of a topic. */
    kafka_set(conf, "max.in.flight.requests.per.connection", "1");
    kafka_set(conf, "linger.ms", "0");
    kafka_set(conf, "partitioner", "murmur2_random");
    kafka_set_int(conf, "message.max.bytes", KAFKA_MESSAGE_SIZE_MAX);
    kafka_set_int(conf, "message.timeout.ms", TIMEOUT_FACTOR * kafka->timeout_ms);
    kafka_set_int(conf, "request.timeout.ms", kafka->timeout_ms);
    rd_kafka_conf_set_dr_msg_cb(conf, report);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (!handle) {
        rd_kafka_conf_destroy(conf);
        return err_set(err, ERR_INVALID, "bus: %s", text);
    }
    struct producer *producer = calloc(1, sizeof(*producer));
    assert(producer);
    producer->handle = handle;
    producer->lock = lock_new();
    list_init(&producer->waiting);
    *ret = producer;
    return true;
}

void kafka_producer_close(struct producer *producer) {
    if (!producer) return;
    assert(list_is_empty(&producer->waiting));
    rd_kafka_destroy(producer->handle);
    lock_free(producer->lock);
    free(producer);
}

rd_kafka_t *kafka_producer_handle(struct producer *producer) {
    return producer->handle;
}

/* ---- which producer ---- */

struct producer *kafka_producer_use(struct kafka *kafka) {
    lock_acquire(kafka->lock);
    struct producer *producer = kafka->producer;
    producer->users++;
    lock_release(kafka->lock);
    return producer;
}

void kafka_producer_let_go(struct kafka *kafka, struct producer *producer) {
    lock_acquire(kafka->lock);
    bool last = --producer->users == 0 && producer->retired;
    lock_release(kafka->lock);
    if (last) kafka_producer_close(producer);
}

/* A producer that met a fatal error never sends again. What it still held is in the outbox. */
static void replace(struct kafka *kafka, struct producer *producer) {
    struct producer *fresh;
    struct err ignored;

    if (!rd_kafka_fatal_error(producer->handle, NULL, 0)) return;
    lock_acquire(kafka->lock);
    if (!producer->retired && kafka_producer_open(kafka, &fresh, &ignored)) {
        assert(kafka->producer == producer);
        producer->retired = true;
        kafka->producer = fresh;
    }
    lock_release(kafka->lock);
}

/* ---- publishing ---- */

static rd_kafka_resp_err_t produce(
        struct kafka *kafka, struct delivery *delivery, const struct outgoing *message) {
    rd_kafka_headers_t *headers =
            message->header_count ? rd_kafka_headers_new(message->header_count) : NULL;
    union {
        const char *from;
        void *data;
    } key = { .from = message->key.size ? message->key.data : NULL },
      value = { .from = message->value.data };

    for (size_t i = 0; i < message->header_count; i++) {
        const struct header *header = &message->headers[i];
        rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.size,
                header->value.data, (ssize_t)header->value.size);
    }
    /* An empty value is not a missing one. */
    if (!value.from) value.from = "";
    rd_kafka_vu_t parts[] = {
        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = kafka->topics[message->topic] },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { key.data, message->key.size } },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { value.data, message->value.size } },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = delivery },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
    };
    rd_kafka_error_t *error =
            rd_kafka_produceva(delivery->producer->handle, parts, ARRAY_SIZE(parts) - !headers);
    if (!error) return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (headers) rd_kafka_headers_destroy(headers); /* taken over on success only */
    return code;
}

/* Queues all; where the queue is full, waits for reports, whosever they are. */
static void produce_all(struct kafka *kafka, struct delivery *delivery,
        const struct outgoing *messages, size_t count) {
    int64_t deadline_ms = clock_monotonic_ms(&kafka->clock) + TIMEOUT_FACTOR * kafka->timeout_ms;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    size_t queued = 0;

    while (queued < count && !code) {
        code = produce(kafka, delivery, &messages[queued]);
        if (!code) queued++;
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL
                || clock_monotonic_ms(&kafka->clock) >= deadline_ms)
            continue;
        rd_kafka_poll(delivery->producer->handle, POLL_MS / 10);
        code = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    lock_acquire(delivery->producer->lock);
    if (code && !delivery->code) delivery->code = code;
    delivery->pending -= count - queued + 1; /* and the one that kept it open so far */
    if (delivery->pending == 0) latch_set(&delivery->latch);
    lock_release(delivery->producer->lock);
}

/* Leaves the polling to the next who still waits. */
static void hand_over(struct producer *producer) {
    producer->poller = NULL;
    list_foreach(item, &producer->waiting) {
        struct delivery *next = list_entry(item, struct delivery, item);
        if (producer->poller || next->pending == 0) continue;
        producer->poller = next;
        latch_set(&next->latch);
    }
}

static void wait_for_reports(struct delivery *delivery) {
    struct producer *producer = delivery->producer;

    lock_acquire(producer->lock);
    list_append(&producer->waiting, &delivery->item);
    if (!producer->poller) producer->poller = delivery;
    while (delivery->pending) {
        bool polls = producer->poller == delivery;
        lock_release(producer->lock);
        if (polls) {
            rd_kafka_poll(producer->handle, POLL_MS);
        } else {
            bool set = latch_wait(&delivery->latch, -1);
            assert(set);
        }
        lock_acquire(producer->lock);
    }
    list_remove(&delivery->item);
    if (producer->poller == delivery) hand_over(producer);
    lock_release(producer->lock);
}

bool kafka_publish(
        struct bus *bus, const struct outgoing *messages, size_t count, struct err *err) {
    struct kafka *kafka = (struct kafka *)bus;
    struct producer *producer = kafka_producer_use(kafka);
    struct delivery delivery = { .producer = producer, .pending = count + 1 };

    latch_init(&delivery.latch);
    produce_all(kafka, &delivery, messages, count);
    wait_for_reports(&delivery);
    if (delivery.code) replace(kafka, producer);
    kafka_producer_let_go(kafka, producer);
    return delivery.code ? kafka_fail(err, "messages were not acknowledged", delivery.code) : true;
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/kafka_internal.h"
#include "bus/spool_record.h"
#include "common/assert.h"
#include "system/queue.h"
#include "system/thread.h"

enum { PARTITIONS_DEFAULT = 48, REPLICATION_MAX = 3, WAIT_MS = 50, PREFIX_MAX = 100 };

/* ---- what all handles share ---- */

static void drop_log(const rd_kafka_t *handle, int level, const char *facility, const char *text) {
    (void)handle;
    (void)level;
    (void)facility;
    (void)text;
}

void kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char text[KAFKA_TEXT_MAX];
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, text, sizeof(text));

    assert(result == RD_KAFKA_CONF_OK);
}

void kafka_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value) {
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    kafka_set(conf, name, text);
}

rd_kafka_conf_t *kafka_conf(const struct kafka *kafka) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    assert(conf);
    kafka_set(conf, "bootstrap.servers", kafka->brokers);
    kafka_set(conf, "client.id", kafka->client_id);
    kafka_set(conf, "socket.nagle.disable", "true");
    kafka_set(conf, "socket.keepalive.enable", "true");
    kafka_set(conf, "socket.timeout.ms", "10000");
    kafka_set(conf, "reconnect.backoff.ms", "50");
    kafka_set(conf, "reconnect.backoff.max.ms", "1000");
    kafka_set(conf, "topic.metadata.refresh.interval.ms", "10000");
    kafka_set(conf, "topic.metadata.refresh.fast.interval.ms", "50");
    rd_kafka_conf_set_log_cb(conf, drop_log);
    return conf;
}

enum topic kafka_topic(const struct kafka *kafka, const char *name) {
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        if (strcmp(kafka->topics[t], name) == 0) return (enum topic)t;
    }
    return TOPIC_NONE;
}

bool kafka_fail(struct err *err, const char *what, rd_kafka_resp_err_t code) {
    enum err_code ours =
            code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? ERR_TOO_LARGE : ERR_UNAVAILABLE;

    return err_set(err, ours, "bus: %s: %s", what, rd_kafka_err2str(code));
}

/* ---- the watchdog ---- */

struct watchdog {
    struct latch latch;
    struct thread *thread;
};

static void watch(void *user) {
    struct watchdog *watchdog = user;
    static const char line[] = "{\"level\":\"error\",\"event\":\"bus.close_hangs\"}\n";

    if (latch_wait(&watchdog->latch, KAFKA_CLOSE_MS)) return;
    ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);
    (void)ignored;
    _exit(EXIT_FAILURE);
}

struct watchdog *kafka_watchdog_start(void) {
    struct watchdog *watchdog = calloc(1, sizeof(*watchdog));

    assert(watchdog);
    latch_init(&watchdog->latch);
    watchdog->thread = thread_start("bus-watchdog", watch, watchdog);
    return watchdog;
}

void kafka_watchdog_stop(struct watchdog *watchdog) {
    latch_set(&watchdog->latch);
    thread_join(watchdog->thread);
    free(watchdog);
}

/* ---- topics ---- */

/* Partitions of a topic as the brokers know it; 0: not there, or still without leaders. */
static int count_partitions(const rd_kafka_metadata_t *metadata, const char *name) {
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];
        if (strcmp(topic->topic, name) != 0) continue;
        if (topic->err) return 0;
        for (int p = 0; p < topic->partition_cnt; p++) {
            if (topic->partitions[p].err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) return 0;
        }
        return topic->partition_cnt;
    }
    return 0;
}

static rd_kafka_NewTopic_t *new_topic(const struct kafka *kafka, enum topic topic, int brokers) {
    int replication = MIN(brokers, REPLICATION_MAX);
    char size[32];
    rd_kafka_NewTopic_t *created =
            rd_kafka_NewTopic_new(kafka->topics[topic], kafka->partitions, replication, NULL, 0);

    assert(created);
    snprintf(size, sizeof(size), "%d", KAFKA_MESSAGE_SIZE_MAX);
    rd_kafka_NewTopic_set_config(created, "max.message.bytes", size);
    rd_kafka_NewTopic_set_config(created, "cleanup.policy", "delete");
    rd_kafka_NewTopic_set_config(created, "retention.ms", "604800000");
    rd_kafka_NewTopic_set_config(created, "unclean.leader.election.enable", "false");
    if (replication == REPLICATION_MAX)
        rd_kafka_NewTopic_set_config(created, "min.insync.replicas", "2");
    return created;
}

static bool check_created(rd_kafka_event_t *event, struct err *err) {
    size_t count = 0;

    if (!event) return err_set(err, ERR_UNAVAILABLE, "bus: topics could not be created: no answer");
    if (rd_kafka_event_error(event))
        return kafka_fail(err, "topics could not be created", rd_kafka_event_error(event));
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[i]);
        /* Another service was quicker. */
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            continue;
        const char *text = rd_kafka_topic_result_error_string(topics[i]);
        return err_set(err, ERR_UNAVAILABLE, "bus: topic '%s' could not be created: %s",
                rd_kafka_topic_result_name(topics[i]), text ? text : rd_kafka_err2str(code));
    }
    return true;
}

static bool create_topics(struct kafka *kafka, rd_kafka_t *handle,
        const rd_kafka_metadata_t *metadata, struct err *err) {
    rd_kafka_NewTopic_t *topics[TOPIC_COUNT];
    char text[KAFKA_TEXT_MAX];
    size_t count = 0;

    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        if (count_partitions(metadata, kafka->topics[t])) continue;
        topics[count++] = new_topic(kafka, (enum topic)t, metadata->broker_cnt);
    }
    if (count == 0) return true;
    int timeout_ms = (int)kafka->timeout_ms;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_AdminOptions_t *options =
            rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof(text));
    rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms / 2, text, sizeof(text));
    rd_kafka_CreateTopics(handle, topics, count, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    bool ok = check_created(event, err);
    rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy_array(topics, count);
    return ok;
}

static bool all_there(const struct kafka *kafka, const rd_kafka_metadata_t *metadata) {
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        if (!count_partitions(metadata, kafka->topics[t])) return false;
    }
    return true;
}

/* Creates what is missing and waits until every broker that is asked knows all of it. All topics are
 * asked for: to name one that is not there would make some brokers create it with their defaults. */
static bool ensure_topics(struct kafka *kafka, rd_kafka_t *handle, struct err *err) {
    int64_t deadline_ms = clock_monotonic_ms(&kafka->clock) + kafka->timeout_ms;
    bool asked = false;

    for (;;) {
        const rd_kafka_metadata_t *metadata;
        int64_t left_ms = deadline_ms - clock_monotonic_ms(&kafka->clock);
        if (left_ms <= 0)
            return err_set(err, ERR_UNAVAILABLE, "bus: the topics are not there in time");
        rd_kafka_resp_err_t code = rd_kafka_metadata(handle, 1, NULL, &metadata, (int)left_ms);
        if (code) {
            kafka_fail(err, "no broker", code);
            return err_wrap(err, "%s", kafka->brokers);
        }
        bool there = all_there(kafka, metadata);
        bool ok = there || asked || create_topics(kafka, handle, metadata, err);
        rd_kafka_metadata_destroy(metadata);
        if (there || !ok) return ok;
        asked = true;
        rd_kafka_poll(handle, WAIT_MS);
    }
}

/* What makes the same name on another cluster another topic. Topic ids are not to be had (librdkafka
 * 2.0.2): a topic that was deleted and made again is told by the era, see kafka_consumer.c. */
static void identify_topics(struct kafka *kafka, rd_kafka_t *handle) {
    char *cluster = rd_kafka_clusterid(handle, (int)kafka->timeout_ms);

    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        uint32_t crc = spool_crc32c(0, str_from(cluster));
        kafka->identity[t] = spool_crc32c(crc, str_from(kafka->topics[t]));
    }
    if (cluster) rd_kafka_mem_free(handle, cluster);
}

/* ---- the URL ---- */

static char *copy(struct str text) {
    char *copied = calloc(1, text.size + 1);

    assert(copied);
    if (text.size) memcpy(copied, text.data, text.size);
    return copied;
}

/* "penstock.results" under the prefix "p" is "p.results". */
static char *full_name(struct str prefix, const char *name) {
    size_t size = prefix.size + strlen(name) + 2;
    char *full = calloc(1, size);

    assert(full && strchr(name, '.'));
    snprintf(full, size, STR_FMT "%s", STR_ARG(prefix), strchr(name, '.'));
    return full;
}

static bool parse_option(struct kafka *kafka, struct str option, struct err *err) {
    struct str value = option;
    struct str name = str_cut(&value, '=');

    if (str_equal(name, STR("session_ms")) && str_to_int64(value, &kafka->session_ms)
            && kafka->session_ms >= KAFKA_SESSION_MIN_MS
            && kafka->session_ms <= 10 * KAFKA_SESSION_MS) {
        return true;
    }
    return err_set(err, ERR_INVALID, "bus: '" STR_FMT "' is no option; session_ms=%d..%d is",
            STR_ARG(option), KAFKA_SESSION_MIN_MS, 10 * KAFKA_SESSION_MS);
}

static bool is_prefix(struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                || c == '-' || c == '_';
        if (!fine && c != '.') return false;
    }
    return text.size <= PREFIX_MAX;
}

/* HOST:PORT,…[/PREFIX][?session_ms=MS] */
static bool parse_address(struct kafka *kafka, struct str address, struct err *err) {
    struct str options = address;
    struct str path = str_cut(&options, '?');
    struct str brokers = str_cut(&path, '/');

    if (brokers.size == 0)
        return err_set(err, ERR_INVALID, "bus: use kafka://HOST:PORT,...[/PREFIX]");
    if (!is_prefix(path)) {
        return err_set(err, ERR_INVALID,
                "bus: a prefix of topics has letters, digits, '.', '-' and '_', %d at most",
                PREFIX_MAX);
    }
    kafka->brokers = copy(brokers);
    kafka->prefix = copy(path.size ? path : STR("penstock"));
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        kafka->topics[t] = full_name(str_from(kafka->prefix), topic_name((enum topic)t));
    }
    while (options.size) {
        if (!parse_option(kafka, str_cut(&options, '&'), err)) return false;
    }
    return true;
}

/* ---- opening and closing ---- */

static void close_kafka(struct bus *bus) {
    struct kafka *kafka = (struct kafka *)bus;
    struct watchdog *watchdog = kafka_watchdog_start();

    kafka_producer_close(kafka->producer);
    kafka_watchdog_stop(watchdog);
    for (size_t t = 0; t < TOPIC_COUNT; t++)
        free(kafka->topics[t]);
    free(kafka->brokers);
    free(kafka->prefix);
    free(kafka->client_id);
    lock_free(kafka->lock);
    free(kafka);
}

static bool ping(struct bus *bus, int64_t timeout_ms, struct err *err) {
    struct kafka *kafka = (struct kafka *)bus;
    const rd_kafka_metadata_t *metadata;

    struct producer *producer = kafka_producer_use(kafka);
    rd_kafka_resp_err_t code =
            rd_kafka_metadata(kafka_producer_handle(producer), 0, NULL, &metadata, (int)timeout_ms);
    kafka_producer_let_go(kafka, producer);
    if (code) return kafka_fail(err, "no broker", code);
    rd_kafka_metadata_destroy(metadata);
    return true;
}

static const struct bus_backend kafka_backend = {
    .close = close_kafka,
    .ping = ping,
    .publish = kafka_publish,
    .consumer_open = kafka_consumer_open,
};

bool bus_open_kafka(const struct bus_settings *settings, struct bus **ret, struct err *err) {
    struct kafka *kafka = calloc(1, sizeof(*kafka));

    assert(kafka);
    kafka->base.backend = &kafka_backend;
    kafka->clock = *settings->clock;
    kafka->client_id = copy(str_from(settings->client_id));
    kafka->partitions = settings->partitions ? settings->partitions : PARTITIONS_DEFAULT;
    kafka->timeout_ms = settings->timeout_ms;
    kafka->session_ms = KAFKA_SESSION_MS;
    kafka->lock = lock_new();
    list_init(&kafka->members);
    bool ok = parse_address(kafka, str_from(settings->address), err)
            && kafka_producer_open(kafka, &kafka->producer, err)
            && ensure_topics(kafka, kafka_producer_handle(kafka->producer), err);
    if (!ok) {
        close_kafka(&kafka->base);
        return false;
    }
    identify_topics(kafka, kafka_producer_handle(kafka->producer));
    *ret = &kafka->base;
    return true;
}

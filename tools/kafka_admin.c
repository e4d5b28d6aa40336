/* The few things that scripts ask of Kafka, without waiting for a Java process.
 *
 *     kafka_admin BROKERS wait [S]                until the broker takes work (60 s)
 *     kafka_admin BROKERS list                    one topic on each line
 *     kafka_admin BROKERS delete-topics PREFIX
 *     kafka_admin BROKERS send TOPIC TEXT         acknowledged by all replicas
 *     kafka_admin BROKERS read TOPIC              every message there is, one on each line
 *
 * BROKERS is HOST:PORT,... with or without kafka:// before it.
 * Built by tools/stack. Exits 0 when done, 1 when refused or too late, 2 on wrong use. */
#include <librdkafka/rdkafka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_DEFAULT_S = 60,
    WAIT_MAX_S = 3600,
    RETRY_EVERY_US = 100 * 1000,
    ANSWER_MS = 10 * 1000,
    TOPICS_MAX = 1000,
};

static const char usage_text[] =
        "usage: kafka_admin BROKERS wait [SECONDS] | list | delete-topics PREFIX"
        " | send TOPIC TEXT | read TOPIC\n";

static int fail(const char *what, const char *why) {
    (void)fprintf(stderr, "kafka_admin: %s: %s\n", what, why);
    return 1;
}

static int64_t now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Opens a client with `settings`, pairs of name and value up to NULL. `conf` is consumed. */
static rd_kafka_t *client_open(
        rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *const *settings) {
    char error[256] = "";
    bool valid = true;

    for (; settings[0] && valid; settings += 2) {
        valid = rd_kafka_conf_set(conf, settings[0], settings[1], error, sizeof error)
                == RD_KAFKA_CONF_OK;
    }
    /* Refused connections are what waiting is made of. */
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_t *client = valid ? rd_kafka_new(type, conf, error, sizeof error) : NULL;
    if (!client) {
        fail("client", error);
        rd_kafka_conf_destroy(conf);
    }
    return client;
}

/* A broker that still starts answers too, with a list that lacks itself. */
static bool is_ready(rd_kafka_t *client, const char **ret_why) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, NULL, &metadata, 1000);

    if (error) {
        *ret_why = rd_kafka_err2str(error);
        return false;
    }
    bool ready = metadata->broker_cnt > 0;
    *ret_why = "the broker is not registered yet";
    rd_kafka_metadata_destroy(metadata);
    return ready;
}

static int wait_ready(rd_kafka_t *client, const char *seconds) {
    long limit_s = seconds ? strtol(seconds, NULL, 10) : WAIT_DEFAULT_S;
    const char *why = "";

    if (limit_s < 1 || limit_s > WAIT_MAX_S) {
        (void)fprintf(stderr, "kafka_admin: wait between 1 and %d seconds\n", WAIT_MAX_S);
        return 2;
    }
    int64_t deadline_ms = now_ms() + limit_s * 1000;
    while (!is_ready(client, &why)) {
        if (now_ms() > deadline_ms) return fail("not ready", why);
        usleep(RETRY_EVERY_US);
    }
    return 0;
}

/* Kafka's own topics are taken only by a prefix that names them. */
static bool is_chosen(const char *topic, const char *prefix) {
    if (strncmp(topic, prefix, strlen(prefix)) != 0) return false;
    return strncmp(topic, "__", 2) != 0 || strncmp(prefix, "__", 2) == 0;
}

static int list(rd_kafka_t *client) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 1, NULL, &metadata, ANSWER_MS);

    if (error) return fail("list", rd_kafka_err2str(error));
    for (int i = 0; i < metadata->topic_cnt; i++) {
        puts(metadata->topics[i].topic);
    }
    rd_kafka_metadata_destroy(metadata);
    return 0;
}

/* How many topics carry the prefix; up to TOPICS_MAX of them in `ret_topics` where it is not NULL. */
static int find_topics(
        rd_kafka_t *client, const char *prefix, rd_kafka_DeleteTopic_t **ret_topics) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 1, NULL, &metadata, ANSWER_MS);
    int count = 0;

    if (error) {
        fail("list", rd_kafka_err2str(error));
        return -1;
    }
    for (int i = 0; i < metadata->topic_cnt && count < TOPICS_MAX; i++) {
        const char *topic = metadata->topics[i].topic;

        if (!is_chosen(topic, prefix)) continue;
        if (ret_topics) ret_topics[count] = rd_kafka_DeleteTopic_new(topic);
        count++;
    }
    rd_kafka_metadata_destroy(metadata);
    return count;
}

static int check_deleted(rd_kafka_event_t *event) {
    size_t count = 0;
    int status = 0;

    if (!event) return fail("delete-topics", "no answer");
    if (rd_kafka_event_error(event))
        return fail("delete-topics", rd_kafka_event_error_string(event));
    const rd_kafka_DeleteTopics_result_t *result = rd_kafka_event_DeleteTopics_result(event);
    const rd_kafka_topic_result_t **topics = rd_kafka_DeleteTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(topics[i]);

        /* Somebody else deleted it first: that is what was wanted. */
        if (!error || error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) continue;
        status = fail(rd_kafka_topic_result_name(topics[i]), rd_kafka_err2str(error));
    }
    return status;
}

static int delete_topics(rd_kafka_t *client, const char *prefix) {
    static rd_kafka_DeleteTopic_t *topics[TOPICS_MAX];
    int count = find_topics(client, prefix, topics);

    if (count <= 0) return count < 0;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteTopics(client, topics, (size_t)count, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * ANSWER_MS);
    int status = check_deleted(event);
    if (event) rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteTopic_destroy_array(topics, (size_t)count);

    /* Who creates a topic of the same name next must not meet the old one. */
    int64_t deadline_ms = now_ms() + ANSWER_MS;
    while (status == 0 && find_topics(client, prefix, NULL) != 0) {
        if (now_ms() > deadline_ms) return fail("delete-topics", "still listed");
        usleep(RETRY_EVERY_US);
    }
    return status;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    *(rd_kafka_resp_err_t *)message->_private = message->err;
}

static int send_text(const char *brokers, const char *topic, const char *text) {
    const char *settings[] = { "bootstrap.servers", brokers, "acks", "all", NULL };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_resp_err_t delivered = RD_KAFKA_RESP_ERR__TIMED_OUT;

    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = client_open(RD_KAFKA_PRODUCER, conf, settings);
    if (!client) return 1;
    rd_kafka_resp_err_t error = rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)text, strlen(text)),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(&delivered),
            RD_KAFKA_V_END);
    if (!error) rd_kafka_flush(client, 2 * ANSWER_MS);
    if (!error) error = delivered;
    rd_kafka_destroy(client);
    return error ? fail("send", rd_kafka_err2str(error)) : 0;
}

static bool assign_all(rd_kafka_t *client, const char *topic, int *ret_partitions) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handle, &metadata, ANSWER_MS);

    rd_kafka_topic_destroy(handle);
    if (error) return false;
    int count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++) {
        rd_kafka_topic_partition_list_add(partitions, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    error = rd_kafka_assign(client, partitions);
    rd_kafka_topic_partition_list_destroy(partitions);
    *ret_partitions = count;
    return !error && count > 0;
}

static int read_topic(rd_kafka_t *client, const char *topic) {
    int open_count = 0;
    int status = 0;

    if (!assign_all(client, topic, &open_count)) return fail(topic, "no such topic");
    while (open_count > 0 && status == 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, ANSWER_MS);

        if (!message) return fail(topic, "no answer");
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            open_count--;
        } else if (message->err) {
            status = fail(topic, rd_kafka_message_errstr(message));
        } else {
            printf("%.*s\n", (int)message->len, (const char *)message->payload);
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(client);
    return status;
}

static int read_all(const char *brokers, const char *topic) {
    const char *settings[] = { "bootstrap.servers", brokers, "group.id", "kafka_admin",
        "enable.auto.commit", "false", "enable.partition.eof", "true", NULL };
    rd_kafka_t *client = client_open(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), settings);

    if (!client) return 1;
    int status = read_topic(client, topic);
    rd_kafka_destroy(client);
    return status;
}

static int run_with_client(const char *brokers, int count, char **words) {
    const char *settings[] = { "bootstrap.servers", brokers, "reconnect.backoff.ms", "50",
        "reconnect.backoff.max.ms", "200", NULL };
    rd_kafka_t *client = client_open(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), settings);
    int status = 2;

    if (!client) return 1;
    if (count <= 2 && strcmp(words[0], "wait") == 0) {
        status = wait_ready(client, count == 2 ? words[1] : NULL);
    } else if (count == 1 && strcmp(words[0], "list") == 0) {
        status = list(client);
    } else if (count == 2 && strcmp(words[0], "delete-topics") == 0) {
        status = delete_topics(client, words[1]);
    } else {
        (void)fputs(usage_text, stderr);
    }
    rd_kafka_destroy(client);
    return status;
}

static int run(const char *brokers, int count, char **words) {
    if (count == 3 && strcmp(words[0], "send") == 0) return send_text(brokers, words[1], words[2]);
    if (count == 2 && strcmp(words[0], "read") == 0) return read_all(brokers, words[1]);
    return run_with_client(brokers, count, words);
}

int main(int argc, char **argv) {
    static const char scheme[] = "kafka://";

    if (argc < 3) {
        (void)fputs(usage_text, stderr);
        return 2;
    }
    const char *brokers = argv[1];
    if (strncmp(brokers, scheme, sizeof scheme - 1) == 0) brokers += sizeof scheme - 1;
    return run(brokers, argc - 2, argv + 2);
}

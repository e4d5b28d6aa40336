#include "tests/support/kafka_topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "common/str.h"
#include "system/clock.h"

enum { TOPICS_MAX = 64, WAIT_MS = 20 * 1000 };

static rd_kafka_t *open_handle(const char *url) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct str address = str_from(url);
    char brokers[256], text[256];

    address = str_slice(address, strlen("kafka://"), address.size);
    address = str_cut(&address, '/');
    snprintf(brokers, sizeof(brokers), STR_FMT, STR_ARG(address));
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof(text)),
            RD_KAFKA_CONF_OK);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
}

static void delete_topics(rd_kafka_t *handle, rd_kafka_DeleteTopic_t **topics, size_t count) {
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);

    rd_kafka_DeleteTopics(handle, topics, count, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, WAIT_MS);
    if (event) rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteTopic_destroy_array(topics, count);
}

void kafka_topics_delete(const char *url, const char *prefix) {
    rd_kafka_t *handle = open_handle(url);
    const rd_kafka_metadata_t *metadata;
    rd_kafka_DeleteTopic_t *topics[TOPICS_MAX];
    size_t count = 0;

    if (handle && !rd_kafka_metadata(handle, 1, NULL, &metadata, WAIT_MS)) {
        for (int i = 0; i < metadata->topic_cnt && count < TOPICS_MAX; i++) {
            struct str name = str_from(metadata->topics[i].topic);
            if (str_starts_with(name, str_from(prefix)))
                topics[count++] = rd_kafka_DeleteTopic_new(name.data);
        }
        rd_kafka_metadata_destroy(metadata);
        if (count) delete_topics(handle, topics, count);
    }
    if (handle) rd_kafka_destroy(handle);
}

static bool is_there(rd_kafka_t *handle, const char *name) {
    const rd_kafka_metadata_t *metadata;
    bool found = false;

    if (rd_kafka_metadata(handle, 1, NULL, &metadata, WAIT_MS)) return true;
    for (int i = 0; i < metadata->topic_cnt; i++)
        found = found || strcmp(metadata->topics[i].topic, name) == 0;
    rd_kafka_metadata_destroy(metadata);
    return found;
}

bool kafka_topic_delete(const char *url, const char *name) {
    struct clock clock = clock_system();
    int64_t deadline_ms = clock_monotonic_ms(&clock) + WAIT_MS;
    rd_kafka_t *handle = open_handle(url);
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);

    if (!handle) return false;
    delete_topics(handle, &topic, 1);
    bool there = true;
    while (there && clock_monotonic_ms(&clock) < deadline_ms) {
        there = is_there(handle, name);
        if (there) rd_kafka_poll(handle, 50);
    }
    rd_kafka_destroy(handle);
    return !there;
}

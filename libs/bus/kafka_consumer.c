/* Consumers. What is committed with an offset is a line of text, "1 ERA MARKS":
 *
 * ERA     ms since 1970 at which the partition's life began as this group knows it. A new one begins where
 *         there is no committed offset (brokers drop them with the topic), and where our position is out
 *         of range: the partition then starts at its beginning. Both are looked for at each assignment
 *         and while it lasts. With the hash of cluster and topic it is
 *         the incarnation (R13): librdkafka 2.0.2 cannot tell topic ids.
 * MARKS   what is done above the offset (offsets_write).
 *
 * Messages are taken by rd_kafka_consumer_poll only: with the batch calls, pausing skips offsets before
 * librdkafka 2.1. All callbacks run inside our calls, on the consumer's thread. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/kafka_internal.h"
#include "bus/offsets.h"
#include "common/arena.h"
#include "common/assert.h"
#include "system/queue.h"

enum {
    HEARTBEAT_MS = 1000, /* a member learns of a rebalance by its heartbeat */
    POLL_MAX_MS = 120 * 1000,
    FETCH_WAIT_MS = 50,
    COMMIT_WAIT_MS = 5000,
    LEAVE_MS = 5000,
    BATCH_MAX = 4096,
    PARTITIONS_MAX = 4096,
    RESOLVE_MS = 2000,
    RETRY_MS = 20,
    ANEW_MS = 500,
    ASK_MS = 10 * 1000,
};

static const int64_t ERA_MAX = (int64_t)1 << 43; /* ms: the year 2248 */

/* A partition of ours. */
struct held {
    struct offsets offsets;
    int64_t era;
    uint32_t epoch; /* of the last assignment */
    bool mine;
    bool begun;  /* the offsets are known: there was a committed one, or a message */
    bool paused; /* by the caller */
    bool full;   /* held back: too many marks */
    bool kept;   /* the group has a committed offset */
    bool gone;   /* its topic may not be the one it was: nothing is committed until that is known */
    bool lapsed; /* its log is another one: begins anew */
};

struct row {
    struct held *held; /* owned */
    int32_t count;
};

struct kafka_consumer {
    struct consumer base;
    struct kafka *kafka;
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue;
    struct list item; /* in kafka->members */
    char *group;      /* owned; NULL: a tail */
    uint32_t ordinal; /* among the members of this group in this process */
    struct consumer_callbacks callbacks;
    bool subscribed[TOPIC_COUNT];
    struct row topics[TOPIC_COUNT];
    int64_t commit_sent_ms; /* 0: none under way */
    bool away;              /* told since the last message that no broker answers */
    bool fatal;             /* the handle is of no use any more */
    bool anew;              /* some partition is lapsed or gone */
    int64_t anew_ms;        /* when that was last looked at */
    int64_t asked_ms;       /* when the group's offsets were last asked for */
};

static struct kafka_consumer *cast(struct consumer *consumer) {
    return (struct kafka_consumer *)consumer;
}

/* ---- what is held ---- */

/* NULL: a partition that cannot be. The row grows: partitions may be added to a topic. */
static struct held *find_held(
        struct kafka_consumer *consumer, enum topic topic, int32_t partition) {
    struct row *row = topic == TOPIC_NONE ? NULL : &consumer->topics[topic];

    if (!row || partition < 0 || partition >= PARTITIONS_MAX) return NULL;
    if (partition >= row->count) {
        size_t size = sizeof(*row->held);
        row->held = realloc(row->held, (size_t)(partition + 1) * size);
        assert(row->held);
        memset(row->held + row->count, 0, (size_t)(partition + 1 - row->count) * size);
        row->count = partition + 1;
    }
    return &row->held[partition];
}

static struct held *held_of(
        struct kafka_consumer *consumer, const rd_kafka_topic_partition_t *item, enum topic *ret) {
    *ret = kafka_topic(consumer->kafka, item->topic);
    return find_held(consumer, *ret, item->partition);
}

static int64_t new_era(const struct kafka_consumer *consumer, int64_t before) {
    return MAX(before + 1, clock_now_ms(&consumer->kafka->clock));
}

static void pause_partition(
        struct kafka_consumer *consumer, enum topic topic, int32_t partition, bool paused) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, consumer->kafka->topics[topic], partition);
    if (paused) {
        rd_kafka_pause_partitions(consumer->handle, list);
    } else {
        rd_kafka_resume_partitions(consumer->handle, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- offsets ---- */

static void add_commit(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
        enum topic topic, int32_t partition) {
    const struct held *held = &consumer->topics[topic].held[partition];
    rd_kafka_topic_partition_t *item =
            rd_kafka_topic_partition_list_add(list, consumer->kafka->topics[topic], partition);
    char marks[OFFSETS_TEXT_MAX];
    struct str text = offsets_write(&held->offsets, marks, sizeof(marks));
    size_t size = text.size + 32;
    char *metadata = malloc(size); /* freed with the list */

    assert(metadata);
    int used = snprintf(metadata, size, "1 %lld " STR_FMT, (long long)held->era, STR_ARG(text));
    item->offset = held->offsets.lowest;
    item->metadata = metadata;
    item->metadata_size = (size_t)used;
}

/* What has changed; NULL: nothing. */
static rd_kafka_topic_partition_list_t *changed(struct kafka_consumer *consumer) {
    rd_kafka_topic_partition_list_t *list = NULL;

    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        for (int32_t p = 0; p < consumer->topics[t].count; p++) {
            struct held *held = &consumer->topics[t].held[p];
            if (!held->mine || !held->begun || !held->offsets.changed || held->lapsed || held->gone)
                continue;
            if (!list) list = rd_kafka_topic_partition_list_new(16);
            add_commit(consumer, list, (enum topic)t, p);
            held->offsets.changed = false;
        }
    }
    return list;
}

/* A commit that failed is sent again with the next. */
static void committed(rd_kafka_t *handle, rd_kafka_resp_err_t code,
        rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct kafka_consumer *consumer = opaque;

    (void)handle;
    consumer->commit_sent_ms = 0;
    for (int i = 0; list && i < list->cnt; i++) {
        enum topic topic;
        struct held *held = held_of(consumer, &list->elems[i], &topic);
        rd_kafka_resp_err_t failed = code ? code : list->elems[i].err;
        if (!held || !held->mine) continue;
        if (failed) held->offsets.changed = true;
        if (failed == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) held->gone = consumer->anew = true;
        if (!failed) held->kept = true;
    }
}

static void send_commit(struct kafka_consumer *consumer) {
    rd_kafka_topic_partition_list_t *list = changed(consumer);

    if (!list) return;
    consumer->commit_sent_ms = clock_monotonic_ms(&consumer->kafka->clock);
    rd_kafka_resp_err_t code = rd_kafka_commit(consumer->handle, list, 1);
    if (code) committed(consumer->handle, code, list, consumer);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Commits and waits, but not for ever: rd_kafka_commit would, for a broker that is away. */
static void commit_and_wait(struct kafka_consumer *consumer) {
    rd_kafka_topic_partition_list_t *list = changed(consumer);

    if (!list) return;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->handle);
    if (rd_kafka_commit_queue(consumer->handle, list, queue, NULL, NULL)
            == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, COMMIT_WAIT_MS);
        if (event) rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Reads "1 ERA MARKS". What others wrote is passed over: the offset is good without it. */
static void read_metadata(struct held *held, const rd_kafka_topic_partition_t *item) {
    struct str text = { item->metadata, item->metadata ? item->metadata_size : 0 };
    struct str version = str_cut(&text, ' ');
    struct str era = str_cut(&text, ' ');
    int64_t value;

    while (text.size && text.data[text.size - 1] == '\0')
        text.size--;
    if (!str_equal(version, STR("1")) || !str_to_int64(era, &value) || value <= 0
            || value > ERA_MAX)
        return;
    held->era = value;
    if (!offsets_read(&held->offsets, text)) held->offsets.changed = true;
}

/* ---- where partitions begin and end ---- */

static bool is_resolved(const rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].err || list->elems[i].offset < 0) return false;
    }
    return true;
}

/* Asks the brokers for the offsets that BEGINNING or END stand for. librdkafka would do it by itself
 * after an assignment, but waits half a second where it has not met a leader yet; and what is published
 * before it asks for the end would be missed. A topic just made has no leaders for a moment. */
static rd_kafka_resp_err_t resolve(struct kafka_consumer *consumer,
        rd_kafka_topic_partition_list_t *list, int64_t which, int64_t timeout_ms) {
    const struct clock *clock = &consumer->kafka->clock;
    int64_t deadline_ms = clock_monotonic_ms(clock) + timeout_ms;
    rd_kafka_queue_t *nothing = rd_kafka_queue_new(consumer->handle);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    int64_t left_ms = timeout_ms;

    do {
        /* Nothing arrives there: this is the pause between two attempts. */
        if (code) rd_kafka_queue_poll(nothing, RETRY_MS);
        for (int i = 0; i < list->cnt; i++) {
            list->elems[i].offset = which; /* a "time" to the protocol */
            list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        code = rd_kafka_offsets_for_times(consumer->handle, list, (int)left_ms);
        if (!code && !is_resolved(list)) code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
        left_ms = deadline_ms - clock_monotonic_ms(clock);
    } while (code && left_ms > 0);
    rd_kafka_queue_destroy(nothing);
    return code;
}

/* Gives those of the list that have no offset their beginning; without an answer, leaves them be. */
static void resolve_begin(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *unknown = rd_kafka_topic_partition_list_new(list->cnt);

    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *item = &list->elems[i];
        if (item->offset < 0)
            rd_kafka_topic_partition_list_add(unknown, item->topic, item->partition);
    }
    if (unknown->cnt && !resolve(consumer, unknown, RD_KAFKA_OFFSET_BEGINNING, RESOLVE_MS)) {
        for (int i = 0; i < unknown->cnt; i++) {
            const rd_kafka_topic_partition_t *item = &unknown->elems[i];
            rd_kafka_topic_partition_list_set_offset(
                    list, item->topic, item->partition, item->offset);
        }
    }
    rd_kafka_topic_partition_list_destroy(unknown);
}

/* ---- assignments ---- */

static void call_assign(struct kafka_consumer *consumer, enum topic topic, int32_t partition) {
    const struct held *held = &consumer->topics[topic].held[partition];

    if (!consumer->callbacks.on_assign) return;
    consumer->callbacks.on_assign(consumer->callbacks.user, topic, partition, held->epoch);
}

static void call_revoke(
        struct kafka_consumer *consumer, enum topic topic, int32_t partition, bool lost) {
    if (!consumer->callbacks.on_revoke) return;
    consumer->callbacks.on_revoke(consumer->callbacks.user, topic, partition, lost);
}

/* Counted over all consumers of the bus: what is marked late, when a consumer has taken the place of one
 * that was shut out, is of an earlier epoch then, too. */
static uint32_t next_epoch(struct kafka_consumer *consumer) {
    return __atomic_add_fetch(&consumer->kafka->epochs, 1, __ATOMIC_RELAXED);
}

static void begin(struct held *held, int64_t offset) {
    offsets_clear(&held->offsets);
    offsets_init(&held->offsets, offset, held->epoch);
    held->begun = true;
}

/* Takes one partition: where the group left it, or from the start. */
static void take(struct kafka_consumer *consumer, rd_kafka_topic_partition_t *item) {
    enum topic topic;
    struct held *held = held_of(consumer, item, &topic);

    if (!held) return;
    held->mine = true;
    held->paused = held->full = held->begun = held->kept = held->lapsed = held->gone = false;
    held->epoch = next_epoch(consumer);
    held->era = 0;
    offsets_clear(&held->offsets);
    if (item->offset >= 0 && !item->err) {
        begin(held, item->offset);
        held->kept = item->metadata_size > 0;
        read_metadata(held, item);
    } else {
        item->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    if (held->era == 0) {
        held->era = new_era(consumer, 0);
        held->offsets.changed = true; /* so that it is kept */
    }
    item->err = RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void assign(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_resp_err_t code =
            rd_kafka_committed(consumer->handle, list, (int)consumer->kafka->timeout_ms);

    if (!code) resolve_begin(consumer, list);
    /* Without an answer the offsets are left to librdkafka: the first message then says where we are. */
    for (int i = 0; i < list->cnt; i++) {
        if (code) list->elems[i].err = code;
        take(consumer, &list->elems[i]);
        if (code) list->elems[i].offset = RD_KAFKA_OFFSET_STORED;
    }
    rd_kafka_resume_partitions(consumer->handle, list);
    rd_kafka_assign(consumer->handle, list);
    for (int i = 0; i < list->cnt; i++) {
        enum topic topic;
        if (held_of(consumer, &list->elems[i], &topic))
            call_assign(consumer, topic, list->elems[i].partition);
    }
}

static void revoke(
        struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list, bool lost) {
    for (int i = 0; i < list->cnt; i++) {
        enum topic topic;
        const struct held *held = held_of(consumer, &list->elems[i], &topic);
        if (held && held->mine) call_revoke(consumer, topic, list->elems[i].partition, lost);
    }
    if (!lost) commit_and_wait(consumer);
    for (int i = 0; i < list->cnt; i++) {
        enum topic topic;
        struct held *held = held_of(consumer, &list->elems[i], &topic);
        if (!held) continue;
        held->mine = false;
        offsets_clear(&held->offsets);
    }
    rd_kafka_assign(consumer->handle, NULL);
}

static void rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
        rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct kafka_consumer *consumer = opaque;

    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        assign(consumer, list);
    } else {
        bool lost =
                code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS || rd_kafka_assignment_lost(handle);
        revoke(consumer, list, lost);
    }
}

/* ---- partitions whose log is another one ---- */

/* Notes an error of a partition, or of a topic (partition < 0). */
static void note_lapsed(
        struct kafka_consumer *consumer, enum topic topic, int32_t partition, bool gone) {
    for (int32_t p = 0; topic != TOPIC_NONE && p < consumer->topics[topic].count; p++) {
        struct held *held = &consumer->topics[topic].held[p];
        if (!held->mine || (partition >= 0 && p != partition)) continue;
        if (gone) held->gone = true;
        if (!gone) held->lapsed = true;
        consumer->anew = true;
    }
}

static rd_kafka_topic_partition_list_t *list_held(
        struct kafka_consumer *consumer, bool (*choose)(const struct held *held)) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);

    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        for (int32_t p = 0; p < consumer->topics[t].count; p++) {
            if (!choose(&consumer->topics[t].held[p])) continue;
            rd_kafka_topic_partition_list_add(list, consumer->kafka->topics[t], p);
        }
    }
    return list;
}

static bool is_mine(const struct held *held) {
    return held->mine;
}

static bool is_gone(const struct held *held) {
    return held->mine && held->gone;
}

static bool is_lapsed(const struct held *held) {
    return held->mine && held->lapsed;
}

/* Now and then suspects every partition that has a committed offset: a topic that was made anew, and had
 * soon more messages than the old one, shows nothing else. One that is busy learns it by its commits. */
static void suspect(struct kafka_consumer *consumer, int64_t now_ms) {
    if (!consumer->group || now_ms - consumer->asked_ms < ASK_MS || consumer->commit_sent_ms)
        return;
    consumer->asked_ms = now_ms;
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        for (int32_t p = 0; p < consumer->topics[t].count; p++) {
            struct held *held = &consumer->topics[t].held[p];
            if (held->mine && held->kept) held->gone = consumer->anew = true;
        }
    }
}

/* A broker that just started, too, may say that it does not know a topic. If the group's offset is still
 * there, the topic is the old one. */
static bool judge_gone(struct kafka_consumer *consumer) {
    rd_kafka_topic_partition_list_t *list = list_held(consumer, is_gone);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (list->cnt && consumer->group) code = rd_kafka_committed(consumer->handle, list, ANEW_MS);
    for (int i = 0; i < list->cnt && !code; i++) {
        enum topic topic;
        struct held *held = held_of(consumer, &list->elems[i], &topic);
        held->gone = false;
        held->lapsed = held->lapsed || list->elems[i].offset < 0;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return !code;
}

/* What is held of the partition is void; it begins at `offset`, in a new era. */
static void begin_again(
        struct kafka_consumer *consumer, enum topic topic, int32_t partition, int64_t offset) {
    call_revoke(consumer, topic, partition, true);
    struct held *held = find_held(consumer, topic, partition);
    held->epoch = next_epoch(consumer);
    held->era = new_era(consumer, held->era);
    begin(held, offset);
    held->offsets.changed = true;
    held->paused = held->full = held->kept = held->lapsed = held->gone = false;
    call_assign(consumer, topic, partition);
}

/* Assigns all again, each at its position: a partition that is out of range cannot be sought in. */
static void assign_again(struct kafka_consumer *consumer) {
    rd_kafka_topic_partition_list_t *list = list_held(consumer, is_mine);

    for (int i = 0; i < list->cnt; i++) {
        enum topic topic;
        const struct held *held = held_of(consumer, &list->elems[i], &topic);
        list->elems[i].offset = held->begun ? held->offsets.position : RD_KAFKA_OFFSET_STORED;
    }
    rd_kafka_assign(consumer->handle, list);
    for (int i = 0; i < list->cnt; i++) {
        enum topic topic;
        const struct held *held = held_of(consumer, &list->elems[i], &topic);
        pause_partition(consumer, topic, list->elems[i].partition, held->paused || held->full);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void begin_anew(struct kafka_consumer *consumer) {
    int64_t now_ms = clock_monotonic_ms(&consumer->kafka->clock);

    suspect(consumer, now_ms);
    if (!consumer->anew || now_ms - consumer->anew_ms < ANEW_MS) return;
    consumer->anew_ms = now_ms;
    if (!judge_gone(consumer)) return;
    rd_kafka_topic_partition_list_t *list = list_held(consumer, is_lapsed);
    if (list->cnt == 0) {
        consumer->anew = false;
    } else if (!resolve(consumer, list, RD_KAFKA_OFFSET_BEGINNING, ANEW_MS)) {
        consumer->anew = false;
        for (int i = 0; i < list->cnt; i++) {
            enum topic topic = kafka_topic(consumer->kafka, list->elems[i].topic);
            begin_again(consumer, topic, list->elems[i].partition, list->elems[i].offset);
        }
        assign_again(consumer);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- polling ---- */

/* Notes a message; false if it is not to be given. */
static bool admit(
        struct kafka_consumer *consumer, enum topic topic, int32_t partition, int64_t offset) {
    struct held *held = find_held(consumer, topic, partition);

    if (!held || !held->mine || held->lapsed) return false;
    if (!held->begun) {
        begin(held, offset);
        held->offsets.changed = true; /* so that the era is kept */
    }
    /* After resuming, librdkafka may give the last ones again. */
    if (offset < held->offsets.position) return false;
    bool fresh = offsets_give(&held->offsets, offset);
    if (!consumer->group) offsets_done(&held->offsets, offset, held->epoch);
    if (!held->full && offsets_is_full(&held->offsets)) {
        held->full = true;
        pause_partition(consumer, topic, partition, true);
    }
    return fresh;
}

static void copy_headers(const rd_kafka_message_t *from, struct arena *arena, struct message *ret) {
    rd_kafka_headers_t *headers;

    if (rd_kafka_message_headers(from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
    size_t count = rd_kafka_header_cnt(headers);
    struct header *copies = arena_new_many(arena, struct header, count);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t size;
        if (rd_kafka_header_get_all(headers, i, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        copies[i].name = str_copy(str_from(name), arena);
        copies[i].value = str_copy((struct str){ value, size }, arena);
        ret->header_count = i + 1;
    }
    ret->headers = copies;
}

static void copy_message(struct kafka_consumer *consumer, const rd_kafka_message_t *from,
        enum topic topic, struct arena *arena, struct message *ret) {
    const struct held *held = find_held(consumer, topic, from->partition);
    rd_kafka_timestamp_type_t type;

    *ret = (struct message){
        .topic = topic,
        .partition = from->partition,
        .offset = from->offset,
        .incarnation = bus_incarnation(held->era, consumer->kafka->identity[topic]),
        .epoch = held->epoch,
        .time_ms = rd_kafka_message_timestamp(from, &type),
        .key = str_copy((struct str){ from->key, from->key_len }, arena),
        .value = str_copy((struct str){ from->payload, from->len }, arena),
    };
    copy_headers(from, arena, ret);
}

static void note_error(struct kafka_consumer *consumer, rd_kafka_resp_err_t code) {
    if (code == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_fatal_error(consumer->handle, NULL, 0))
        consumer->fatal = true;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) consumer->away = true;
}

static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque) {
    (void)handle;
    (void)reason;
    note_error(opaque, (rd_kafka_resp_err_t)code);
}

/* Partitions that were held back for their marks, and have fewer now. */
static void resume_full(struct kafka_consumer *consumer) {
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        for (int32_t p = 0; p < consumer->topics[t].count; p++) {
            struct held *held = &consumer->topics[t].held[p];
            if (!held->full || offsets_is_full(&held->offsets)) continue;
            held->full = false;
            if (held->mine && !held->paused) pause_partition(consumer, (enum topic)t, p, false);
        }
    }
}

/* Takes one message; false if there was none. */
static bool take_message(struct kafka_consumer *consumer, int timeout_ms, struct arena *arena,
        struct message *row, size_t *count) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->handle, timeout_ms);

    if (!message) return false;
    enum topic topic = message->rkt
            ? kafka_topic(consumer->kafka, rd_kafka_topic_name(message->rkt))
            : TOPIC_NONE;
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        note_lapsed(consumer, topic, message->partition, false);
    } else if (message->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        note_lapsed(consumer, topic, -1, true);
    } else if (message->err) {
        note_error(consumer, message->err);
    } else {
        consumer->away = false;
        if (admit(consumer, topic, message->partition, message->offset)) {
            copy_message(consumer, message, topic, arena, &row[(*count)++]);
        }
    }
    rd_kafka_message_destroy(message);
    return true;
}

static bool poll_kafka(struct consumer *base, int64_t timeout_ms, size_t max, struct arena *arena,
        struct batch *ret, struct err *err) {
    struct kafka_consumer *consumer = cast(base);
    const struct clock *clock = &consumer->kafka->clock;
    int64_t deadline_ms = clock_monotonic_ms(clock) + MAX(timeout_ms, 0);
    size_t used = arena_used(arena);
    size_t count = 0;

    max = MIN(max, (size_t)BATCH_MAX);
    struct message *row = arena_alloc(arena, max * sizeof(*row));
    resume_full(consumer);
    begin_anew(consumer);
    while (count < max && arena_used(arena) - used < BUS_BATCH_SIZE_MAX) {
        int64_t left_ms = count ? 0 : MAX(deadline_ms - clock_monotonic_ms(clock), 0);
        if (!take_message(consumer, (int)MIN(left_ms, INT_MAX), arena, row, &count)) break;
    }
    *ret = (struct batch){ row, count };
    if (count) return true;
    if (consumer->fatal) {
        char text[KAFKA_TEXT_MAX] = "";
        rd_kafka_fatal_error(consumer->handle, text, sizeof(text));
        return err_set(err, ERR_CANCELLED, "bus: this consumer was shut out: %s", text);
    }
    if (!consumer->away) return true;
    consumer->away = false;
    return err_set(err, ERR_UNAVAILABLE, "bus: no broker of %s answers", consumer->kafka->brokers);
}

/* ---- the rest ---- */

static void done(struct consumer *base, enum topic topic, int32_t partition, int64_t offset,
        uint32_t epoch) {
    struct kafka_consumer *consumer = cast(base);
    struct held *held = find_held(consumer, topic, partition);

    assert(held);
    if (held->mine && consumer->group) offsets_done(&held->offsets, offset, epoch);
}

/* One commit is under way at a time: what is done meanwhile goes with the next. */
static bool commit(struct consumer *base, struct err *err) {
    struct kafka_consumer *consumer = cast(base);
    int64_t now_ms = clock_monotonic_ms(&consumer->kafka->clock);

    (void)err;
    if (!consumer->group) return true;
    if (consumer->commit_sent_ms && now_ms - consumer->commit_sent_ms < COMMIT_WAIT_MS) return true;
    send_commit(consumer);
    return true;
}

static void set_paused(struct consumer *base, enum topic topic, int32_t partition, bool paused) {
    struct kafka_consumer *consumer = cast(base);
    struct held *held = find_held(consumer, topic, partition);

    assert(held);
    if (!held->mine || held->paused == paused) return;
    held->paused = paused;
    if (!held->full) pause_partition(consumer, topic, partition, paused);
}

static void wake(struct consumer *base) {
    rd_kafka_queue_yield(cast(base)->queue);
}

static int64_t lag(struct consumer *base) {
    struct kafka_consumer *consumer = cast(base);
    int64_t sum = 0;

    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        for (int32_t p = 0; p < consumer->topics[t].count; p++) {
            const struct held *held = &consumer->topics[t].held[p];
            int64_t low, high;
            if (!held->mine) continue;
            rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(
                    consumer->handle, consumer->kafka->topics[t], p, &low, &high);
            if (code || high < 0) return -1;
            sum += held->begun ? offsets_undone(&held->offsets, high) : high - MAX(low, 0);
        }
    }
    return sum;
}

/* ---- opening and closing ---- */

/* Leaves the group for good, so that the others need not wait for our session to end; the revoke callback
 * runs here. A static member that is only closed would be waited for. */
static void leave(struct kafka_consumer *consumer) {
    int64_t deadline_ms = clock_monotonic_ms(&consumer->kafka->clock) + LEAVE_MS;
    rd_kafka_topic_partition_list_t *list;
    bool left = false;

    rd_kafka_unsubscribe(consumer->handle);
    while (!left && clock_monotonic_ms(&consumer->kafka->clock) < deadline_ms) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->handle, HEARTBEAT_MS / 50);
        if (message) rd_kafka_message_destroy(message);
        if (rd_kafka_assignment(consumer->handle, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
        left = list->cnt == 0;
        rd_kafka_topic_partition_list_destroy(list);
    }
}

static void close_kafka(struct consumer *base) {
    struct kafka_consumer *consumer = cast(base);
    struct watchdog *watchdog = kafka_watchdog_start();

    if (consumer->handle) {
        if (consumer->group && !consumer->fatal) leave(consumer);
        if (consumer->queue) rd_kafka_queue_destroy(consumer->queue);
        rd_kafka_consumer_close(consumer->handle);
        rd_kafka_destroy(consumer->handle);
    }
    kafka_watchdog_stop(watchdog);
    if (consumer->group) {
        lock_acquire(consumer->kafka->lock);
        list_remove(&consumer->item);
        lock_release(consumer->kafka->lock);
        free(consumer->group);
    }
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        for (int32_t p = 0; p < consumer->topics[t].count; p++)
            offsets_clear(&consumer->topics[t].held[p].offsets);
        free(consumer->topics[t].held);
    }
    free(consumer);
}

static const struct consumer_backend kafka_consumer_backend = {
    .close = close_kafka,
    .poll = poll_kafka,
    .done = done,
    .commit = commit,
    .pause = set_paused,
    .wake = wake,
    .lag = lag,
};

/* A static member needs a name of its own that a restart finds again: the lowest ordinal that is free. */
static void join_members(struct kafka_consumer *consumer, const char *group) {
    struct kafka *kafka = consumer->kafka;
    bool taken = true;

    consumer->group = strdup(group);
    assert(consumer->group);
    lock_acquire(kafka->lock);
    for (consumer->ordinal = 0; taken; consumer->ordinal += taken) {
        taken = false;
        list_foreach(item, &kafka->members) {
            const struct kafka_consumer *other = list_entry(item, struct kafka_consumer, item);
            if (strcmp(other->group, group) == 0 && other->ordinal == consumer->ordinal)
                taken = true;
        }
    }
    list_append(&kafka->members, &consumer->item);
    lock_release(kafka->lock);
}

static bool open_handle(struct kafka_consumer *consumer, struct err *err) {
    const struct kafka *kafka = consumer->kafka;
    rd_kafka_conf_t *conf = kafka_conf(kafka);
    char text[KAFKA_TEXT_MAX];

    if (consumer->group) {
        snprintf(text, sizeof(text), "%s/%s/%u", kafka->client_id, consumer->group,
                consumer->ordinal);
        kafka_set(conf, "group.instance.id", text);
        kafka_set_int(conf, "session.timeout.ms", kafka->session_ms);
        kafka_set_int(conf, "heartbeat.interval.ms", HEARTBEAT_MS);
        rd_kafka_conf_set_rebalance_cb(conf, rebalance);
        rd_kafka_conf_set_offset_commit_cb(conf, committed);
    }
    snprintf(
            text, sizeof(text), "%s.%s", kafka->prefix, consumer->group ? consumer->group : "none");
    kafka_set(conf, "group.id", text); /* needed by librdkafka; without subscribing nobody joins */
    kafka_set(conf, "enable.auto.commit", "false");
    kafka_set(conf, "enable.auto.offset.store", "false");
    /* As `earliest`, but not in silence: see begin_anew. */
    kafka_set(conf, "auto.offset.reset", "error");
    kafka_set(conf, "partition.assignment.strategy", "range");
    kafka_set_int(conf, "max.poll.interval.ms", POLL_MAX_MS);
    kafka_set_int(conf, "fetch.wait.max.ms", FETCH_WAIT_MS);
    kafka_set(conf, "fetch.error.backoff.ms", "20");
    kafka_set(conf, "queued.min.messages", "10000");
    kafka_set(conf, "queued.max.messages.kbytes", "16384");
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, consumer);
    consumer->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (!consumer->handle) {
        rd_kafka_conf_destroy(conf);
        return err_set(err, ERR_INVALID, "bus: %s", text);
    }
    rd_kafka_poll_set_consumer(consumer->handle);
    consumer->queue = rd_kafka_queue_get_consumer(consumer->handle);
    return true;
}

static bool subscribe(struct kafka_consumer *consumer, struct err *err) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(TOPIC_COUNT);

    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        if (!consumer->subscribed[t]) continue;
        rd_kafka_topic_partition_list_add(list, consumer->kafka->topics[t], RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? kafka_fail(err, "subscribe", code) : true;
}

static bool list_partitions(
        struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list, struct err *err) {
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(
            consumer->handle, 1, NULL, &metadata, (int)consumer->kafka->timeout_ms);

    if (code) return kafka_fail(err, "no broker", code);
    for (int i = 0; i < metadata->topic_cnt; i++) {
        enum topic topic = kafka_topic(consumer->kafka, metadata->topics[i].topic);
        if (topic == TOPIC_NONE || !consumer->subscribed[topic]) continue;
        for (int p = 0; p < metadata->topics[i].partition_cnt; p++) {
            rd_kafka_topic_partition_list_add(list, metadata->topics[i].topic, p);
        }
    }
    rd_kafka_metadata_destroy(metadata);
    return true;
}

/* Reads all partitions from where they end now. */
static bool assign_tail(
        struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list, struct err *err) {
    if (!list_partitions(consumer, list, err)) return false;
    rd_kafka_resp_err_t code =
            resolve(consumer, list, RD_KAFKA_OFFSET_END, consumer->kafka->timeout_ms);
    if (code) return kafka_fail(err, "ends of topics", code);
    for (int i = 0; i < list->cnt; i++) {
        enum topic topic;
        struct held *held = held_of(consumer, &list->elems[i], &topic);
        if (!held) continue;
        held->mine = true;
        held->epoch = 1;
        begin(held, list->elems[i].offset);
    }
    code = rd_kafka_assign(consumer->handle, list);
    return code ? kafka_fail(err, "assign", code) : true;
}

static bool join_tails(struct kafka_consumer *consumer, struct err *err) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    bool ok = assign_tail(consumer, list, err);

    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}

bool kafka_consumer_open(struct bus *bus, const char *group, const enum topic *topics,
        const struct consumer_callbacks *callbacks, struct consumer **ret, struct err *err) {
    struct kafka_consumer *consumer = calloc(1, sizeof(*consumer));

    assert(consumer);
    consumer->base.backend = &kafka_consumer_backend;
    consumer->kafka = (struct kafka *)bus;
    if (callbacks) consumer->callbacks = *callbacks;
    for (; *topics != TOPIC_NONE; topics++)
        consumer->subscribed[*topics] = true;
    if (group) join_members(consumer, group);
    bool ok = open_handle(consumer, err)
            && (group ? subscribe(consumer, err) : join_tails(consumer, err));
    if (!ok) {
        close_kafka(&consumer->base);
        return false;
    }
    *ret = &consumer->base;
    return true;
}

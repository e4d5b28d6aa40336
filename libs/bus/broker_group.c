#include <stdlib.h>
#include <string.h>

#include "bus/broker_internal.h"
#include "common/assert.h"

/* ---- groups ---- */

struct group *broker_group(struct broker *broker, struct str name) {
    list_foreach(item, &broker->groups) {
        struct group *group = list_entry(item, struct group, item);
        if (str_equal(str_from(group->name), name)) return group;
    }
    if (broker->group_count == BROKER_GROUPS_MAX) return NULL;
    struct group *group = calloc(1, sizeof(*group));
    assert(group);
    group->name = calloc(1, name.size + 1);
    assert(group->name);
    memcpy(group->name, name.data, name.size);
    list_init(&group->members);
    list_append(&broker->groups, &group->item);
    broker->group_count++;
    return group;
}

void broker_group_free(struct broker *broker, struct group *group) {
    assert(list_is_empty(&group->members));
    for (size_t topic = 0; topic < TOPIC_COUNT; topic++) {
        if (!group->topics[topic]) continue;
        broker->topics[topic].group_count--;
        for (int32_t i = 0; i < broker->options.partitions; i++) {
            const struct share *share = &group->topics[topic][i];
            if (share->changed) broker->changed--;
            free(share->done);
        }
        free(group->topics[topic]);
    }
    list_remove(&group->item);
    broker->group_count--;
    free(group->name);
    free(group);
}

static void note_change(struct broker *broker, struct share *share) {
    if (share->changed) return;
    share->changed = true;
    if (broker->changed++ == 0) broker->changed_ms = clock_monotonic_ms(&broker->clock);
}

/* A group that is new to a topic reads what is there from its start. */
void broker_group_subscribe(struct broker *broker, struct group *group, enum topic topic) {
    if (group->topics[topic]) return;
    struct share *shares = calloc((size_t)broker->options.partitions, sizeof(*shares));
    assert(shares);
    for (int32_t i = 0; i < broker->options.partitions; i++) {
        shares[i].lowest = broker_partition(broker, topic, i)->first;
        note_change(broker, &shares[i]);
    }
    group->topics[topic] = shares;
    broker->topics[topic].group_count++;
}

void broker_share_commit(
        struct broker *broker, struct share *share, int64_t lowest, struct str done) {
    share->lowest = lowest;
    if (done.size > share->done_size) {
        share->done = realloc(share->done, done.size);
        assert(share->done);
    }
    if (done.size) memcpy(share->done, done.data, done.size);
    share->done_size = done.size;
    note_change(broker, share);
}

void broker_group_changed(struct group *group) {
    group->changes++;
    list_foreach(item, &group->members) {
        struct broker_consumer *member = list_entry(item, struct broker_consumer, item);
        if (!member->waiting) continue;
        member->waiting = false;
        condition_variable_signal_all(member->condition);
    }
}

/* As Kafka's range assignor: each topic on its own, the first members take one more. */
static void balance_topic(struct broker *broker, struct group *group, enum topic topic) {
    int32_t count = 0, taken = 0, index = 0;

    list_foreach(item, &group->members) {
        if (list_entry(item, struct broker_consumer, item)->topics[topic]) count++;
    }
    for (int32_t i = 0; i < broker->options.partitions; i++)
        group->topics[topic][i].target = NULL;
    list_foreach(item, &group->members) {
        struct broker_consumer *member = list_entry(item, struct broker_consumer, item);
        if (!member->topics[topic]) continue;
        int32_t size =
                broker->options.partitions / count + (index++ < broker->options.partitions % count);
        for (int32_t i = 0; i < size; i++)
            group->topics[topic][taken++].target = member;
    }
}

void broker_group_balance(struct broker *broker, struct group *group) {
    for (size_t topic = 0; topic < TOPIC_COUNT; topic++) {
        if (group->topics[topic]) balance_topic(broker, group, (enum topic)topic);
    }
    broker_group_changed(group);
}

/* ---- one consumer ---- */

static struct share *share_of(
        struct broker_consumer *consumer, enum topic topic, int32_t partition) {
    return &consumer->group->topics[topic][partition];
}

static void commit_one(struct broker_consumer *consumer, enum topic topic, int32_t partition) {
    struct held *held = &consumer->topics[topic][partition];
    struct share *share = share_of(consumer, topic, partition);
    char text[OFFSETS_TEXT_MAX];

    if (!held->mine || !held->offsets.changed || share->owner != consumer) return;
    held->offsets.changed = false;
    struct str done = offsets_write(&held->offsets, text, sizeof(text));
    broker_share_commit(consumer->broker, share, held->offsets.lowest, done);
    broker_trim(consumer->broker, topic, partition);
}

void broker_commit_held(struct broker_consumer *consumer) {
    if (!consumer->group) return;
    for (size_t t = 0; t < consumer->topic_count; t++) {
        for (int32_t i = 0; i < consumer->broker->options.partitions; i++)
            commit_one(consumer, consumer->order[t], i);
    }
}

/* Gives a partition back: the callback may still mark messages as done. */
static void revoke(struct broker_consumer *consumer, enum topic topic, int32_t partition) {
    struct broker *broker = consumer->broker;
    struct held *held = &consumer->topics[topic][partition];
    struct share *share = share_of(consumer, topic, partition);
    bool lost = share->owner != consumer;

    if (consumer->callbacks.on_revoke) {
        lock_release(broker->lock);
        consumer->callbacks.on_revoke(consumer->callbacks.user, topic, partition, lost);
        lock_acquire(broker->lock);
    }
    commit_one(consumer, topic, partition);
    held->mine = held->paused = false;
    offsets_clear(&held->offsets);
    if (share->owner != consumer) return;
    share->owner = NULL;
    broker_group_changed(consumer->group);
}

static void take(struct broker_consumer *consumer, enum topic topic, int32_t partition) {
    struct broker *broker = consumer->broker;
    struct held *held = &consumer->topics[topic][partition];
    struct share *share = share_of(consumer, topic, partition);

    share->owner = consumer;
    share->epoch++;
    offsets_init(&held->offsets, share->lowest, share->epoch);
    /* Marks that cannot be read only mean that messages come again. */
    if (!offsets_read(&held->offsets, (struct str){ share->done, share->done_size })) {
        held->offsets.changed = true;
    }
    offsets_skip(&held->offsets, broker_partition(broker, topic, partition)->first);
    held->mine = true;
    held->paused = false;
    if (!consumer->callbacks.on_assign) return;
    lock_release(broker->lock);
    consumer->callbacks.on_assign(consumer->callbacks.user, topic, partition, held->offsets.epoch);
    lock_acquire(broker->lock);
}

/* Revokes what is not to be held, then takes what is free. The lock is given up during callbacks, so
 * that owners and targets may change on the way: then it goes round again. */
static void settle_once(struct broker_consumer *consumer) {
    int32_t count = consumer->broker->options.partitions;

    for (size_t t = 0; t < consumer->topic_count; t++) {
        enum topic topic = consumer->order[t];
        for (int32_t i = 0; i < count; i++) {
            const struct share *share = share_of(consumer, topic, i);
            bool wanted = share->owner == consumer && share->target == consumer;
            if (consumer->topics[topic][i].mine && !wanted) revoke(consumer, topic, i);
        }
    }
    for (size_t t = 0; t < consumer->topic_count; t++) {
        enum topic topic = consumer->order[t];
        for (int32_t i = 0; i < count; i++) {
            const struct share *share = share_of(consumer, topic, i);
            if (share->target == consumer && !share->owner) take(consumer, topic, i);
        }
    }
}

void broker_settle(struct broker_consumer *consumer) {
    struct group *group = consumer->group;

    if (!group) return;
    while (consumer->seen != group->changes) {
        consumer->seen = group->changes;
        settle_once(consumer);
        if (!consumer->expired) continue;
        consumer->expired = false;
        list_append(&group->members, &consumer->item);
        broker_group_balance(consumer->broker, group);
    }
}

void broker_leave(struct broker_consumer *consumer) {
    if (!consumer->expired) list_remove(&consumer->item);
    if (!consumer->group) return;
    for (size_t t = 0; t < consumer->topic_count; t++) {
        for (int32_t i = 0; i < consumer->broker->options.partitions; i++) {
            if (consumer->topics[consumer->order[t]][i].mine)
                revoke(consumer, consumer->order[t], i);
        }
    }
    broker_group_balance(consumer->broker, consumer->group);
}

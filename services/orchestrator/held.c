#include "services/orchestrator/held.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"

enum { BUCKETS = 64 * 1024, HELD_MAX = 50 * 1000, HELD_SIZE_MAX = 64 * 1024 * 1024 };

struct held_table {
    struct held *buckets[BUCKETS];
    struct list by_use, by_age;
    size_t count, size;
};

struct held_table *held_table_new(void) {
    struct held_table *table = calloc(1, sizeof(*table));

    assert(table);
    list_init(&table->by_use);
    list_init(&table->by_age);
    return table;
}

void held_table_free(struct held_table *table, void (*release)(void *user, const struct definition *definition), void *user) {
    if (!table) return;
    list_foreach(item, &table->by_use) {
        struct held *held = list_entry(item, struct held, by_use);
        release(user, held->definition);
        held_remove(table, held);
    }
    free(table);
}

static struct held **bucket_of(struct held_table *table, struct str id) {
    return &table->buckets[str_hash(id) % BUCKETS];
}

struct held *held_find(struct held_table *table, struct str id) {
    struct held *held = *bucket_of(table, id);

    while (held && !str_equal(held->id, id)) held = held->next;
    if (!held) return NULL;
    list_remove(&held->by_use);
    list_append(&table->by_use, &held->by_use);
    return held;
}

struct held *held_add(struct held_table *table, struct str id, int32_t partition) {
    struct held *held = calloc(1, sizeof(*held)), **bucket = bucket_of(table, id);
    char *copy = malloc(id.size + 1);

    assert(held && copy);
    memcpy(copy, id.data, id.size);
    held->id = (struct str){ copy, id.size };
    held->partition = partition;
    held->next = *bucket;
    *bucket = held;
    list_append(&table->by_use, &held->by_use);
    list_init(&held->by_age);
    table->count++;
    return held;
}

void held_remove(struct held_table *table, struct held *held) {
    struct held **at = bucket_of(table, held->id);

    while (*at != held) at = &(*at)->next;
    *at = held->next;
    list_remove(&held->by_use);
    list_remove(&held->by_age);
    table->count--;
    table->size -= held->snapshot.capacity;
    buf_clear(&held->snapshot);
    free(held->owed);
    free((void *)(uintptr_t)held->id.data);
    free(held);
}

void held_owe(struct held *held, const struct message *message) {
    if (held->owed_count == held->owed_capacity) {
        held->owed_capacity = MAX(held->owed_capacity * 2, (size_t)4);
        held->owed = realloc(held->owed, held->owed_capacity * sizeof(*held->owed));
        assert(held->owed);
    }
    held->owed[held->owed_count++] = (struct owed){ message->partition, message->offset, message->epoch };
}

void held_keep(struct held_table *table, struct held *held, struct buf *snapshot) {
    table->size += snapshot->capacity - held->snapshot.capacity;
    buf_clear(&held->snapshot);
    held->snapshot = *snapshot;
    *snapshot = (struct buf){ .limit = 0 };
    held->stale = false;
}

void held_distrust(struct held_table *table, struct held *held, int64_t now_ms) {
    table->size -= held->snapshot.capacity;
    buf_clear(&held->snapshot);
    held->stale = true;
    held_set_dirty(table, held, now_ms);
}

struct held *held_surplus(struct held_table *table) {
    if (table->count <= HELD_MAX && table->size <= HELD_SIZE_MAX) return NULL;
    list_foreach(item, &table->by_use) {
        struct held *held = list_entry(item, struct held, by_use);
        if (list_is_empty(&held->by_age)) return held;
    }
    return NULL;
}

void held_set_dirty(struct held_table *table, struct held *held, int64_t now_ms) {
    if (!list_is_empty(&held->by_age)) return;
    held->dirty_since_ms = now_ms;
    list_append(&table->by_age, &held->by_age);
}

void held_set_clean(struct held *held) {
    list_remove(&held->by_age);
    held->owed_count = 0;
}

struct held *held_oldest_dirty(struct held_table *table) {
    if (list_is_empty(&table->by_age)) return NULL;
    return list_entry(table->by_age.next, struct held, by_age);
}

struct held *held_of_partition(struct held_table *table, int32_t partition) {
    list_foreach(item, &table->by_use) {
        struct held *held = list_entry(item, struct held, by_use);
        if (held->partition == partition) return held;
    }
    return NULL;
}

#include "calls/entries.h"

#include <stdlib.h>

#include "common/arena.h"
#include "common/assert.h"

/* A tag is the entry's slot and a generation, so that a tag of an entry that is gone finds nothing. */
enum { SLOT_BITS = 20, SLOTS_FIRST = 64, SLOTS_MAX = 1 << SLOT_BITS };

void entries_init(struct entries *entries) {
    *entries = (struct entries){ .slot_count = 0 };
    for (size_t i = 0; i < ENTRY_STATES; i++) list_init(&entries->lists[i]);
}

void entries_clear(struct entries *entries) {
    for (size_t i = 0; i < ENTRY_STATES; i++) {
        list_foreach(item, &entries->lists[i]) entries_remove(entries, list_entry(item, struct entry, item));
    }
    free(entries->by_tag);
    free(entries->free_slots);
}

/* ---- slots ---- */

static void more_slots(struct entries *entries) {
    size_t count = entries->slot_count ? entries->slot_count * 2 : SLOTS_FIRST;

    assert(count <= SLOTS_MAX); /* the inbox is held back long before */
    entries->by_tag = realloc(entries->by_tag, count * sizeof(*entries->by_tag));
    entries->free_slots = realloc(entries->free_slots, count * sizeof(*entries->free_slots));
    assert(entries->by_tag && entries->free_slots);
    for (size_t slot = count; slot-- > entries->slot_count;) {
        entries->by_tag[slot] = NULL;
        entries->free_slots[entries->free_count++] = (uint32_t)slot;
    }
    entries->slot_count = count;
}

static size_t slot_of(uint64_t tag) {
    return (size_t)(tag & (SLOTS_MAX - 1));
}

struct entry *entries_by_tag(const struct entries *entries, uint64_t tag) {
    struct entry *entry = slot_of(tag) < entries->slot_count ? entries->by_tag[slot_of(tag)] : NULL;

    return entry && entry->tag == tag ? entry : NULL;
}

struct entry *entries_add(struct entries *entries, const struct delivery *delivery, size_t size) {
    struct entry *entry = calloc(1, sizeof(*entry));

    assert(entry);
    if (!entries->free_count) more_slots(entries);
    size_t slot = entries->free_slots[--entries->free_count];
    entry->tag = (uint64_t)++entries->generation << SLOT_BITS | slot;
    entry->delivery = *delivery;
    entry->size = size;
    entry->arena = arena_new();
    entries->by_tag[slot] = entry;
    entries->count++;
    list_append(&entries->lists[ENTRY_READY], &entry->item);
    return entry;
}

/* ---- commands ---- */

static size_t bucket_of(struct str instance, struct str command) {
    return (size_t)((str_hash(instance) ^ str_hash(command) * 31) % ENTRY_BUCKETS);
}

static void forget_name(struct entries *entries, struct entry *entry) {
    if (!entry->is_named) return;
    struct entry **at = &entries->by_command[bucket_of(entry->task.instance, entry->task.command)];

    while (*at != entry) at = &(*at)->next_in_bucket;
    *at = entry->next_in_bucket;
    entry->is_named = false;
}

void entry_set_task(struct entries *entries, struct entry *entry, struct json body) {
    struct err err;
    bool read = task_call_read(json_copy(body, entry->arena), &entry->task, &err);

    assert(read);
    struct entry **bucket = &entries->by_command[bucket_of(entry->task.instance, entry->task.command)];
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    entry->is_named = true;
}

struct entry *entries_find(const struct entries *entries, struct str instance, struct str command) {
    for (struct entry *entry = entries->by_command[bucket_of(instance, command)]; entry; entry = entry->next_in_bucket) {
        if (str_equal(entry->task.instance, instance) && str_equal(entry->task.command, command)) return entry;
    }
    return NULL;
}

/* ---- states ---- */

void entry_post(struct entry *entry, bool is_dead, struct str key, struct str value) {
    struct arena *arena = arena_new();

    entry->posting = (struct posting){ is_dead, str_copy(key, arena), str_copy(value, arena) };
    /* It is still found by its command. */
    struct task_call task = { .instance = str_copy(entry->task.instance, arena), .command = str_copy(entry->task.command, arena) };
    redact_wipe(&entry->redact);
    arena_free(entry->arena);
    entry->arena = arena;
    entry->task = task;
}

void entries_move(struct entries *entries, struct entry *entry, enum entry_state state) {
    list_remove(&entry->item);
    list_append(&entries->lists[state], &entry->item);
    entry->state = state;
    if (state != ENTRY_DROPPED) return;
    forget_name(entries, entry);
    entries->count--;
}

void entries_again(struct entries *entries, struct entry *entry, int64_t start_at_ms) {
    entry->start_at_ms = start_at_ms;
    entries_move(entries, entry, ENTRY_READY);
}

void entries_remove(struct entries *entries, struct entry *entry) {
    if (entry->state != ENTRY_DROPPED) entries->count--;
    forget_name(entries, entry);
    list_remove(&entry->item);
    entries->by_tag[slot_of(entry->tag)] = NULL;
    entries->free_slots[entries->free_count++] = (uint32_t)slot_of(entry->tag);
    redact_wipe(&entry->redact);
    arena_free(entry->arena);
    free(entry);
}

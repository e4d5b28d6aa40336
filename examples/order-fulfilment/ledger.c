#include "examples/order-fulfilment/ledger.h"

#include <stdlib.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/json.h"

enum {
    ENTRIES_MAX = 1000 * 1000, /* orders, and keys */
    SLOTS_MIN = 1024,          /* a power of two */
};

/* A hash table of pointers to structs whose first member is their name; also the list of them in order of arrival. */
struct table {
    struct str **entries;
    size_t count;
    size_t *slots; /* index + 1; 0 is free */
    size_t slot_count;
};

struct ledger {
    struct arena *arena;
    struct table orders, answers;
};

static size_t slot_of(const struct table *table, struct str name) {
    size_t mask = table->slot_count - 1;
    size_t slot = (size_t)str_hash(name) & mask;

    while (table->slots[slot] && !str_equal(*table->entries[table->slots[slot] - 1], name)) slot = (slot + 1) & mask;
    return slot;
}

static void table_grow(struct table *table) {
    table->slot_count = table->slot_count ? table->slot_count * 2 : (size_t)SLOTS_MIN;
    free(table->slots);
    table->slots = calloc(table->slot_count, sizeof(*table->slots));
    table->entries = realloc(table->entries, table->slot_count / 2 * sizeof(struct str *));
    assert(table->slots && table->entries);
    for (size_t i = 0; i < table->count; i++) table->slots[slot_of(table, *table->entries[i])] = i + 1;
}

static struct str *table_find(const struct table *table, struct str name) {
    if (table->count == 0) return NULL;
    size_t index = table->slots[slot_of(table, name)];
    return index ? table->entries[index - 1] : NULL;
}

/* `entry` is not in the table yet. */
static bool table_add(struct table *table, struct str *entry) {
    if (table->count == ENTRIES_MAX) return false;
    if (table->count == table->slot_count / 2) table_grow(table);
    table->slots[slot_of(table, *entry)] = table->count + 1;
    table->entries[table->count++] = entry;
    return true;
}

static void table_clear(struct table *table) {
    free(table->entries);
    free(table->slots);
}

struct ledger *ledger_new(void) {
    struct ledger *ledger = calloc(1, sizeof(*ledger));

    assert(ledger);
    ledger->arena = arena_new();
    return ledger;
}

void ledger_free(struct ledger *ledger) {
    if (!ledger) return;
    table_clear(&ledger->orders);
    table_clear(&ledger->answers);
    arena_free(ledger->arena);
    free(ledger);
}

_Static_assert(offsetof(struct ledger_order, id) == 0, "the name comes first");
_Static_assert(offsetof(struct ledger_answer, key) == 0, "the name comes first");

struct ledger_order *ledger_order(struct ledger *ledger, struct str id) {
    struct ledger_order *order = (struct ledger_order *)(void *)table_find(&ledger->orders, id);

    if (order) return order;
    order = arena_new_one(ledger->arena, struct ledger_order);
    order->id = str_copy(id, ledger->arena);
    return table_add(&ledger->orders, &order->id) ? order : NULL;
}

const struct ledger_order *ledger_find_order(const struct ledger *ledger, struct str id) {
    return (const struct ledger_order *)(void *)table_find(&ledger->orders, id);
}

struct ledger_answer *ledger_find_answer(struct ledger *ledger, struct str key) {
    return (struct ledger_answer *)(void *)table_find(&ledger->answers, key);
}

bool ledger_keep_answer(struct ledger *ledger, const struct ledger_answer *answer) {
    struct ledger_answer *kept = arena_new_one(ledger->arena, struct ledger_answer);

    *kept = *answer;
    kept->key = str_copy(answer->key, ledger->arena);
    kept->body = str_copy(answer->body, ledger->arena);
    return table_add(&ledger->answers, &kept->key);
}

static int64_t beyond_first(int64_t count) {
    return count > 1 ? count - 1 : 0;
}

/* Work that was done again under another key: what must never happen. */
static int64_t duplicates_of(const struct ledger_order *order) {
    return beyond_first(order->reservations) + beyond_first(order->releases) + beyond_first(order->charges);
}

static void write_counts(struct json_writer *writer, const struct ledger_order *counts, int64_t duplicates) {
    json_put_int64(writer, "reservations", counts->reservations);
    json_put_int64(writer, "releases", counts->releases);
    json_put_int64(writer, "charges", counts->charges);
    json_put_int64(writer, "creditChecks", counts->credit_checks);
    json_put_int64(writer, "busy", counts->busy);
    json_put_int64(writer, "repeats", counts->repeats);
    json_put_int64(writer, "unkeyed", counts->unkeyed);
    json_put_int64(writer, "duplicates", duplicates);
}

void ledger_write_order(const struct ledger_order *order, struct buf *buf) {
    struct json_writer writer;

    json_writer_init(&writer, buf);
    json_begin_object(&writer, NULL);
    json_put_str(&writer, "orderId", order->id);
    write_counts(&writer, order, duplicates_of(order));
    json_end_object(&writer);
}

static void write_totals(const struct ledger *ledger, struct json_writer *writer) {
    struct ledger_order sum = { 0 };
    int64_t duplicates = 0;

    for (size_t i = 0; i < ledger->orders.count; i++) {
        const struct ledger_order *order = (const struct ledger_order *)(void *)ledger->orders.entries[i];
        sum.reservations += order->reservations;
        sum.releases += order->releases;
        sum.charges += order->charges;
        sum.credit_checks += order->credit_checks;
        sum.busy += order->busy;
        sum.repeats += order->repeats;
        sum.unkeyed += order->unkeyed;
        duplicates += duplicates_of(order);
    }
    json_begin_object(writer, "totals");
    json_put_int64(writer, "orders", (int64_t)ledger->orders.count);
    json_put_int64(writer, "keys", (int64_t)ledger->answers.count);
    write_counts(writer, &sum, duplicates);
    json_end_object(writer);
}

void ledger_write(const struct ledger *ledger, bool with_keys, struct buf *buf) {
    struct json_writer writer;

    json_writer_init(&writer, buf);
    json_begin_object(&writer, NULL);
    write_totals(ledger, &writer);
    json_begin_array(&writer, "orders");
    for (size_t i = 0; i < ledger->orders.count; i++) {
        const struct ledger_order *order = (const struct ledger_order *)(void *)ledger->orders.entries[i];
        json_begin_object(&writer, NULL);
        json_put_str(&writer, "orderId", order->id);
        write_counts(&writer, order, duplicates_of(order));
        json_end_object(&writer);
    }
    json_end_array(&writer);
    if (with_keys) {
        json_begin_array(&writer, "keys");
        for (size_t i = 0; i < ledger->answers.count; i++) {
            const struct ledger_answer *answer = (const struct ledger_answer *)(void *)ledger->answers.entries[i];
            json_begin_object(&writer, NULL);
            json_put_str(&writer, "key", answer->key);
            json_put_int64(&writer, "uses", answer->uses);
            json_put_int64(&writer, "status", answer->status);
            json_end_object(&writer);
        }
        json_end_array(&writer);
    }
    json_end_object(&writer);
}

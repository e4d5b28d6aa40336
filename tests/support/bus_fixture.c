#include "tests/support/bus_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/partition.h"
#include "common/arena.h"
#include "system/clock.h"

enum { POLL_MS = 200, POLL_MAX = 500, HEADERS_SIZE = 1024 };

static char *copy(struct str text) {
    char *copied = calloc(1, text.size + 1);

    assert_non_null(copied);
    if (text.size) memcpy(copied, text.data, text.size);
    return copied;
}

static char *copy_headers(const struct message *message) {
    char *text = calloc(1, HEADERS_SIZE);
    size_t used = 0;

    assert_non_null(text);
    for (size_t i = 0; i < message->header_count; i++) {
        const struct header *header = &message->headers[i];
        used += (size_t)snprintf(text + used, HEADERS_SIZE - used, STR_FMT "=" STR_FMT ";",
                STR_ARG(header->name), STR_ARG(header->value));
        assert_true(used < HEADERS_SIZE);
    }
    return text;
}

static void keep(struct inbox *inbox, const struct message *message) {
    if (inbox->count == inbox->capacity) {
        inbox->capacity = inbox->capacity ? 2 * inbox->capacity : 64;
        inbox->items = realloc(inbox->items, inbox->capacity * sizeof(*inbox->items));
        assert_non_null(inbox->items);
    }
    inbox->items[inbox->count++] = (struct received){
        .topic = message->topic,
        .partition = message->partition,
        .offset = message->offset,
        .incarnation = message->incarnation,
        .epoch = message->epoch,
        .time_ms = message->time_ms,
        .key = copy(message->key),
        .value = copy(message->value),
        .value_size = message->value.size,
        .header_count = message->header_count,
        .headers = copy_headers(message),
    };
}

void inbox_clear(struct inbox *inbox) {
    for (size_t i = 0; i < inbox->count; i++) {
        free(inbox->items[i].key);
        free(inbox->items[i].value);
        free(inbox->items[i].headers);
    }
    free(inbox->items);
    *inbox = (struct inbox){ 0 };
}

const struct received *inbox_find(const struct inbox *inbox, const char *value) {
    for (size_t i = 0; i < inbox->count; i++) {
        if (strcmp(inbox->items[i].value, value) == 0) return &inbox->items[i];
    }
    return NULL;
}

size_t inbox_poll(struct inbox *inbox, struct consumer *consumer, int64_t timeout_ms) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct batch batch;
    struct err err;

    if (!consumer_poll(consumer, timeout_ms, POLL_MAX, arena, &batch, &err))
        fail_msg("poll: %s", err.message);
    for (size_t i = 0; i < batch.count; i++)
        keep(inbox, &batch.messages[i]);
    return batch.count;
}

void inbox_fill(struct inbox *inbox, struct consumer *consumer, size_t count) {
    struct clock clock = clock_system();
    int64_t deadline_ms = clock_monotonic_ms(&clock) + FIXTURE_WAIT_MS;

    while (inbox->count < count && clock_monotonic_ms(&clock) < deadline_ms)
        inbox_poll(inbox, consumer, POLL_MS);
    if (inbox->count < count) fail_msg("%zu messages instead of %zu", inbox->count, count);
}

void inbox_until(struct inbox *inbox, struct consumer *consumer, const char *value) {
    struct clock clock = clock_system();
    int64_t deadline_ms = clock_monotonic_ms(&clock) + FIXTURE_WAIT_MS;

    while (!inbox_find(inbox, value) && clock_monotonic_ms(&clock) < deadline_ms)
        inbox_poll(inbox, consumer, POLL_MS);
    if (!inbox_find(inbox, value)) fail_msg("'%s' did not come", value);
}

void fixture_done(struct consumer *consumer, const struct received *message) {
    consumer_done(consumer, message->topic, message->partition, message->offset, message->epoch);
}

void fixture_done_all(struct consumer *consumer, const struct inbox *inbox) {
    for (size_t i = 0; i < inbox->count; i++)
        fixture_done(consumer, &inbox->items[i]);
}

void fixture_publish(struct bus *bus, enum topic topic, const char *key, const char *value) {
    struct outgoing message = { .topic = topic, .key = str_from(key), .value = str_from(value) };
    struct err err;

    if (!bus_publish(bus, &message, 1, &err)) fail_msg("publish: %s", err.message);
}

void fixture_key_for(int32_t partition, int32_t count, char key[32]) {
    for (int i = 0; i < 100 * count; i++) {
        snprintf(key, 32, "key%d", i);
        if (partition_of(str_from(key), count) == partition) return;
    }
    fail_msg("no key for partition %d", partition);
}

bool fixture_folder(char path[FIXTURE_PATH_MAX]) {
    const char *parent = getenv("TMPDIR");

    snprintf(path, FIXTURE_PATH_MAX, "%s/penstock-bus-XXXXXX", parent && *parent ? parent : "/tmp");
    return mkdtemp(path) != NULL;
}

void fixture_remove_folder(const char *path) {
    DIR *dir = opendir(path);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char file[2 * FIXTURE_PATH_MAX + 16];
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') unlink(file);
    }
    if (dir) closedir(dir);
    rmdir(path);
}

uint64_t fixture_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

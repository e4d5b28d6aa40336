#pragma once
/* Helpers for tests of the bus: a folder that goes away, messages that outlive their arena. */

#include "bus/bus.h"

enum { FIXTURE_PATH_MAX = 256, FIXTURE_WAIT_MS = 30 * 1000 };

/* A message with copies of its own, NUL-terminated. */
struct received {
    enum topic topic;
    int32_t partition;
    int64_t offset;
    uint64_t incarnation;
    uint32_t epoch;
    int64_t time_ms;
    char *key;
    char *value;
    size_t value_size;
    size_t header_count;
    char *headers; /* "name=value;name=value;" */
};

struct inbox {
    struct received *items;
    size_t count, capacity;
};

void inbox_clear(struct inbox *inbox);
const struct received *inbox_find(
        const struct inbox *inbox, const char *value); /* by value; NULL: not there */

/* Polls once and keeps what came; how many. Fails the test on an error. */
size_t inbox_poll(struct inbox *inbox, struct consumer *consumer, int64_t timeout_ms);

/* Polls until `count` are there, or FIXTURE_WAIT_MS are over. */
void inbox_fill(struct inbox *inbox, struct consumer *consumer, size_t count);

/* Polls until a message with this value is there. */
void inbox_until(struct inbox *inbox, struct consumer *consumer, const char *value);

void fixture_done(struct consumer *consumer, const struct received *message);
void fixture_done_all(struct consumer *consumer, const struct inbox *inbox);
void fixture_publish(struct bus *bus, enum topic topic, const char *key, const char *value);

/* A key of the form "keyN" that goes to this partition out of `count`. */
void fixture_key_for(int32_t partition, int32_t count, char key[32]);

/* A new folder under TMPDIR; false if none can be made. */
bool fixture_folder(char path[FIXTURE_PATH_MAX]);
void fixture_remove_folder(const char *path); /* with the files in it */

/* SplitMix64: seeds are printed, so that a failing run can be repeated. */
uint64_t fixture_random(uint64_t *state);

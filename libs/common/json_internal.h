#pragma once
/* The inside of arrays and objects, for libs/common/json*.c alone. */

#include "common/json.h"

enum {
    JSON_INDEX_MIN = 16,        /* objects with more members have an index */
    JSON_NUMBER_TEXT_SIZE = 40, /* of a double, with room to spare */
    JSON_WALK_LOCAL = 16,
};

#define JSON_NONE UINT32_MAX

/* Rows grow as Go's slices do: several values may look at one row, each at its first `count`
 * items. The value whose count is `used` is the newest and appends in place, if it does so in the
 * arena that owns the row: so a row that other threads read is never written to. */
struct json_array {
    struct arena *arena;
    uint32_t used, capacity;
    struct json items[];
};

struct json_object {
    struct arena *arena;
    struct json_index *index; /* NULL up to JSON_INDEX_MIN members */
    uint32_t used, capacity;
    struct json_member members[];
};

struct json_array *json_array_make(struct arena *arena, size_t capacity);
struct json_object *json_object_make(struct arena *arena, size_t capacity);

/* Indexes all members of an object whose row was filled by hand, if they are many; returns the
 * position of a key that was there before, or JSON_NONE. */
uint32_t json_object_index(struct json_object *object);

/* A number from its text, which is a valid JSON number: a double if that prints as the same text. */
struct json json_number_from(const char *text, size_t size);

/* Writes a finite double the way jq does; returns the size, no NUL behind it. */
size_t json_number_format(double value, char text[JSON_NUMBER_TEXT_SIZE]);

/* Compares two numbers: -1, 0, 1. */
int json_number_compare(struct json a, struct json b);

static inline bool json_is_container(struct json value) {
    return value.type == JSON_ARRAY || value.type == JSON_OBJECT;
}

/* A way through nested values with a stack of its own, since their depth has no bound that the
 * thread's stack would be sure to hold. */
struct json_frame {
    struct json value, other;
    const struct json_member **sorted, **sorted_other; /* owned */
    uint32_t next;
};

struct json_walk {
    struct json_frame *frames;
    size_t depth, capacity;
    struct json_frame local[JSON_WALK_LOCAL];
};

void json_walk_init(struct json_walk *walk);
struct json_frame *json_walk_push(struct json_walk *walk, struct json value, struct json other);
struct json_frame *json_walk_top(struct json_walk *walk);
void json_walk_pop(struct json_walk *walk);
void json_walk_clear(struct json_walk *walk);

/* The members of an object by key, from malloc; NULL if there are none. */
const struct json_member **json_members_sorted(struct json object);

/* What goes through nested values: comparing and copying, with a stack of its own. */
#include "common/json_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

void json_walk_init(struct json_walk *walk) {
    walk->frames = walk->local;
    walk->depth = 0;
    walk->capacity = JSON_WALK_LOCAL;
}

struct json_frame *json_walk_push(struct json_walk *walk, struct json value, struct json other) {
    if (walk->depth == walk->capacity) {
        bool local = walk->frames == walk->local;
        struct json_frame *frames =
                realloc(local ? NULL : walk->frames, walk->capacity * 2 * sizeof(*frames));
        assert(frames);
        if (local) memcpy(frames, walk->local, sizeof(walk->local));
        walk->frames = frames;
        walk->capacity *= 2;
    }
    struct json_frame *frame = &walk->frames[walk->depth++];
    *frame = (struct json_frame){ .value = value, .other = other };
    return frame;
}

struct json_frame *json_walk_top(struct json_walk *walk) {
    assert(walk->depth);
    return &walk->frames[walk->depth - 1];
}

void json_walk_pop(struct json_walk *walk) {
    struct json_frame *frame = json_walk_top(walk);

    free(frame->sorted);
    free(frame->sorted_other);
    walk->depth--;
}

void json_walk_clear(struct json_walk *walk) {
    while (walk->depth)
        json_walk_pop(walk);
    if (walk->frames != walk->local) free(walk->frames);
}

/* ---- comparing ---- */

static int compare_members(const void *a, const void *b) {
    const struct json_member *const *member_a = a, *const *member_b = b;

    return str_compare((*member_a)->key, (*member_b)->key);
}

const struct json_member **json_members_sorted(struct json object) {
    if (object.count == 0) return NULL;
    const struct json_member **sorted = malloc(object.count * sizeof(void *));

    assert(sorted);
    for (uint32_t i = 0; i < object.count; i++)
        sorted[i] = &object.object->members[i];
    qsort(sorted, object.count, sizeof(void *), compare_members);
    return sorted;
}

static int order_of(uint32_t a, uint32_t b) {
    return (a > b) - (a < b);
}

static int compare_keys(const struct json_frame *frame) {
    uint32_t count = MIN(frame->value.count, frame->other.count);

    for (uint32_t i = 0; i < count; i++) {
        int order = str_compare(frame->sorted[i]->key, frame->sorted_other[i]->key);
        if (order) return order < 0 ? -1 : 1;
    }
    return order_of(frame->value.count, frame->other.count);
}

/* Compares what can be compared at once, and leaves the rest on the walk. */
static int compare_start(struct json_walk *walk, struct json a, struct json b) {
    uint32_t type_a = MAX(a.type, (uint32_t)JSON_NULL), type_b = MAX(b.type, (uint32_t)JSON_NULL);

    if (type_a != type_b) return type_a < type_b ? -1 : 1;
    if (type_a == JSON_NUMBER) return json_number_compare(a, b);
    if (type_a == JSON_STRING) {
        int order = str_compare(json_str(a), json_str(b));
        return (order > 0) - (order < 0);
    }
    if (!json_is_container(a) || (a.count == b.count && a.array == b.array)) return 0;
    struct json_frame *frame = json_walk_push(walk, a, b);
    if (type_a == JSON_ARRAY) return 0;
    frame->sorted = json_members_sorted(a);
    frame->sorted_other = json_members_sorted(b);
    return compare_keys(frame);
}

/* Compares the next two items of the innermost containers; at the end of one, their sizes. */
static int compare_next(struct json_walk *walk) {
    struct json_frame *frame = json_walk_top(walk);
    struct json a = frame->value, b = frame->other;
    uint32_t index = frame->next++;

    if (index == MIN(a.count, b.count)) {
        json_walk_pop(walk);
        return order_of(a.count, b.count);
    }
    if (a.type == JSON_ARRAY)
        return compare_start(walk, a.array->items[index], b.array->items[index]);
    return compare_start(walk, frame->sorted[index]->value, frame->sorted_other[index]->value);
}

int json_compare(struct json a, struct json b) {
    struct json_walk walk;

    json_walk_init(&walk);
    int order = compare_start(&walk, a, b);
    while (order == 0 && walk.depth)
        order = compare_next(&walk);
    json_walk_clear(&walk);
    return order;
}

bool json_equal(struct json a, struct json b) {
    return json_compare(a, b) == 0;
}

/* ---- copying ---- */

/* Copies a leaf, or makes the row of a container and leaves the filling to the walk. */
static struct json copy_start(struct json_walk *walk, struct json value, struct arena *arena) {
    struct json copy = value;

    if ((value.type == JSON_STRING || value.type == JSON_NUMBER) && value.count) {
        copy.text = str_copy((struct str){ value.text, value.count }, arena).data;
    } else if (value.type == JSON_STRING) {
        copy.text = "";
    } else if (json_is_container(value) && value.count == 0) {
        copy.array = NULL;
    } else if (value.type == JSON_ARRAY) {
        copy.array = json_array_make(arena, value.count);
        json_walk_push(walk, value, copy);
    } else if (value.type == JSON_OBJECT) {
        copy.object = json_object_make(arena, value.count);
        json_walk_push(walk, value, copy);
    }
    return copy;
}

static void copy_next(struct json_walk *walk, struct arena *arena) {
    struct json_frame *frame = json_walk_top(walk);
    struct json from = frame->value, to = frame->other;
    uint32_t index = frame->next++;

    /* The rows of `to` are ours and not yet shared. */
    struct json_array *array = (struct json_array *)(uintptr_t)to.array;
    struct json_object *object = (struct json_object *)(uintptr_t)to.object;
    if (to.type == JSON_ARRAY) {
        if (index < from.count) {
            array->items[index] = copy_start(walk, from.array->items[index], arena);
            array->used = index + 1;
            return;
        }
    } else if (index < from.count) {
        const struct json_member *member = &from.object->members[index];
        struct str key = str_copy(member->key, arena);
        object->members[index] =
                (struct json_member){ key, copy_start(walk, member->value, arena) };
        object->used = index + 1;
        return;
    } else {
        uint32_t twice = json_object_index(object);
        assert(twice == JSON_NONE);
    }
    json_walk_pop(walk);
}

struct json json_copy(struct json value, struct arena *arena) {
    struct json_walk walk;

    json_walk_init(&walk);
    struct json copy = copy_start(&walk, value, arena);
    while (walk.depth)
        copy_next(&walk, arena);
    json_walk_clear(&walk);
    return copy;
}

#pragma once
/* Where values stand in a text: readers of JSON and YAML report keys and items as they pass
 * them, and each target follows its pointer for as long as the text goes its way. One pass
 * serves all targets. */

#include "common/json.h"

struct locate_target {
    struct str pointer;            /* RFC 6901 */
    struct json_position position; /* of the value, or of its nearest parent that is there */
    struct str rest;               /* the reader's: what of the pointer is still to be found */
    uint32_t
            inside; /* the reader's: depth of the container in which `rest` is sought; 0: settled */
};

/* Starts all targets at the root value. Depths count containers: members of the root have depth
 * 1. */
void locate_begin(struct locate_target *targets, size_t count, struct json_position root);
void locate_key(struct locate_target *targets, size_t count, uint32_t depth, struct str key,
        struct json_position at);
void locate_item(struct locate_target *targets, size_t count, uint32_t depth, size_t index,
        struct json_position at);

/* All containers deeper than `depth` have ended. */
void locate_leave(struct locate_target *targets, size_t count, uint32_t depth);

/* Fills the positions in a JSON text: the key of a member, the item of an array. False if the
 * text cannot be followed; what was found until then stands. */
bool json_locate(struct str text, struct locate_target *targets, size_t count);

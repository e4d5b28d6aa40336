#pragma once
/* YAML 1.2 with the core schema, read from libyaml's events into a JSON value. Limits bite at
 * each event: size, depth, nodes after expansion of aliases; one document; duplicate keys and
 * other tags than the core schema's are refused. */

#include "common/err.h"
#include "common/json.h"

struct arena;
struct locate_target;

struct yaml_limits {
    size_t size_max;
    uint32_t depth_max;
    size_t nodes_max; /* after aliases are expanded */
};

/* Errors   MALFORMED  the message names line and column, also where it is nested too deeply; TOO_LARGE  size or nodes */
MUST_USE bool yaml_read(struct str text, const struct yaml_limits *limits, struct arena *arena,
        struct json *ret, struct err *err);

/* Finds where the value at `pointer` (RFC 6901) stands in the text: the key of a member, the
 * item of an array; its nearest parent that is there otherwise. False if the text cannot be
 * read. */
bool yaml_locate(struct str text, struct str pointer, struct json_position *ret);

/* The same for many pointers in one pass (locate.h). Offsets stay 0: they would cost a pass
 * each. */
bool yaml_locate_all(struct str text, struct locate_target *targets, size_t count);

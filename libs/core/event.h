#pragma once
/* How an event finds its listeners: the keys under which both are indexed. Pure.
 *
 * A listener stands under one key for each of its filters: "type" alone, or type and the value of one of its correlations;
 * "*" where no type is named. An event is looked up under "*", its type, and its type with the value of every `from`
 * that a deployed definition names for it. */

#include "common/json.h"

struct arena;

struct str event_key(struct str type, struct arena *arena); /* an empty type gives "*" */
struct str event_key_correlated(struct str type, struct str from_text, struct json value, struct arena *arena);

/* An event as the CloudEvents 1.0 specification wants it: specversion, id, source, type are non-empty texts, attribute names are
 * lower-case letters and digits. False with the reason. */
MUST_USE bool event_check(struct json event, struct err *err);

/* source and id together: the event's identity. */
struct str event_identity(struct json event, struct arena *arena);

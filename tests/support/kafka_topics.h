#pragma once
/* Topics of a test on a Kafka that others use too. */

#include "common/macros.h"

/* Deletes all topics under the prefix. `url` is kafka://HOST:PORT. Best effort. */
void kafka_topics_delete(const char *url, const char *prefix);

/* Deletes one, and waits until no broker shows it. */
MUST_USE bool kafka_topic_delete(const char *url, const char *name);

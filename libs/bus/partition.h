#pragma once
/* Which partition a key belongs to. The same as the default partitioner of Java's clients, so that
 * other producers agree. */

#include "common/str.h"

uint32_t murmur2(struct str bytes); /* as org.apache.kafka.common.utils.Utils.murmur2 */

/* `count` > 0. The key may not be empty: an empty key goes anywhere, which is the backend's choice. */
int32_t partition_of(struct str key, int32_t count);

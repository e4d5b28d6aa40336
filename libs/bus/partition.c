#include "bus/partition.h"

#include "common/assert.h"

enum { SHIFT = 24 };

static const uint32_t SEED = 0x9747b28c;
static const uint32_t MIX = 0x5bd1e995;

uint32_t murmur2(struct str bytes) {
    const unsigned char *data = (const unsigned char *)bytes.data;
    uint32_t hash = SEED ^ (uint32_t)bytes.size;
    size_t left = bytes.size;

    for (; left >= 4; data += 4, left -= 4) {
        uint32_t word = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16
                | (uint32_t)data[3] << 24;
        word *= MIX;
        word ^= word >> SHIFT;
        word *= MIX;
        hash *= MIX;
        hash ^= word;
    }
    if (left >= 3) hash ^= (uint32_t)data[2] << 16;
    if (left >= 2) hash ^= (uint32_t)data[1] << 8;
    if (left >= 1) {
        hash ^= data[0];
        hash *= MIX;
    }
    hash ^= hash >> 13;
    hash *= MIX;
    return hash ^ (hash >> 15);
}

int32_t partition_of(struct str key, int32_t count) {
    assert(count > 0 && key.size > 0);
    return (int32_t)((murmur2(key) & 0x7fffffffu) % (uint32_t)count);
}

#include "bus/spool_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

static void the_checksum_is_castagnolis(void **state) {
    char zeros[32] = { 0 };

    (void)state;
    assert_int_equal(spool_crc32c(0, STR("123456789")), 0xE3069283u);
    assert_int_equal(
            spool_crc32c(0, (struct str){ zeros, sizeof(zeros) }), 0x8A9136AAu); /* RFC 3720, B.4 */
    uint32_t half = spool_crc32c(0, STR("12345"));
    assert_int_equal(spool_crc32c(half, STR("6789")), 0xE3069283u);
}

static struct spool_record sample(const struct header *headers, size_t count) {
    return (struct spool_record){
        .kind = SPOOL_MESSAGE,
        .topic = 3,
        .partition = 7,
        .offset = 123456789012,
        .time_ms = 1700000000000,
        .key = STR("key"),
        .value = STR("a value"),
        .headers = headers,
        .header_count = count,
    };
}

static void records_come_back(void **state) {
    struct header headers[] = { { STR("name"), STR("value") }, { STR("empty"), STR("") } };
    struct spool_record record = sample(headers, 2), back;
    struct arena *arena = arena_new();
    char bytes[256];
    size_t size;

    (void)state;
    assert_true(spool_record_size(&record) <= sizeof(bytes) && spool_record_size(&record) % 8 == 0);
    spool_record_encode(&record, bytes);
    assert_true(spool_record_decode((struct str){ bytes, sizeof(bytes) }, arena, &back, &size));
    assert_int_equal(size, spool_record_size(&record));
    assert_int_equal(back.kind, SPOOL_MESSAGE);
    assert_int_equal(back.topic, 3);
    assert_int_equal(back.partition, 7);
    assert_int_equal(back.offset, record.offset);
    assert_int_equal(back.time_ms, record.time_ms);
    assert_true(str_equal(back.key, record.key) && str_equal(back.value, record.value));
    assert_int_equal(back.header_count, 2);
    assert_true(str_equal(back.headers[0].value, STR("value")) && back.headers[1].value.size == 0);
    arena_free(arena);
}

/* Every cut and every flipped bit is noticed; nothing is read beyond the end (for the sanitizer). */
static void damage_is_noticed(void **state) {
    struct header headers[] = { { STR("n"), STR("v") } };
    struct spool_record record = sample(headers, 1), back;
    size_t size = spool_record_size(&record), ignored;

    (void)state;
    for (size_t cut = 0; cut < size; cut++) {
        char *bytes = malloc(size);
        assert_non_null(bytes);
        spool_record_encode(&record, bytes);
        char *part = malloc(cut + 1);
        memcpy(part, bytes, cut);
        assert_false(spool_record_decode((struct str){ part, cut }, NULL, &back, &ignored));
        for (int bit = 0; bit < 8; bit++) {
            bytes[cut] ^= (char)(1 << bit);
            assert_false(spool_record_decode((struct str){ bytes, size }, NULL, &back, &ignored));
            bytes[cut] ^= (char)(1 << bit);
        }
        free(part);
        free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_castagnolis),
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

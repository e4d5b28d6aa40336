#include "bus/partition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The vectors of Kafka's own test (UtilsTest.testMurmur2). */
static void hashes_as_java_does(void **state) {
    static const struct {
        struct str key;
        int32_t hash;
    } cases[] = {
        { { "21", 2 }, -973932308 },
        { { "foobar", 6 }, -790332482 },
        { { "a-little-bit-long-string", 24 }, -985981536 },
        { { "a-little-bit-longer-string", 26 }, -1486304829 },
        { { "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 48 }, -58897971 },
        { { "abc", 3 }, 479470107 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal((int32_t)murmur2(cases[i].key), cases[i].hash);
        /* toPositive(murmur2(key)) % partitions */
        assert_int_equal(partition_of(cases[i].key, 48), (cases[i].hash & 0x7fffffff) % 48);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(hashes_as_java_does) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

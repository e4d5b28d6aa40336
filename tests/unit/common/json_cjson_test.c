/* Our reader and writer against cJSON, on documents that both can hold: small numbers, no NUL, no duplicate keys. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "common/arena.h"
#include "common/json.h"

enum { DOCUMENTS = 2000, DEPTH_MAX = 5 };

static uint64_t next(uint64_t *state) {
    uint64_t mixed = (*state += 0x9E3779B97F4A7C15u);

    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    return mixed ^ (mixed >> 27);
}

static struct json make(uint64_t *random, int depth, struct arena *arena) {
    static const struct str texts[] = { STR_INIT(""), STR_INIT("plain"), STR_INIT("a \"quote\" and a \\"), STR_INIT("line\nand\ttab"),
        STR_INIT("h\xc3\xa9llo \xf0\x9f\x99\x82") };
    uint64_t choice = next(random) % (depth < DEPTH_MAX ? 7 : 5), count = next(random) % 5;
    struct json value = choice == 5 ? json_array(arena, count) : json_object(arena, count);

    switch (choice) {
    case 0: return json_null();
    case 1: return json_bool(next(random) % 2);
    case 2: return json_number((double)(int64_t)(next(random) % 2000001) - 1000000);
    case 3: return json_number((double)(next(random) % 4096) / 8);
    case 4: return json_string(texts[next(random) % ARRAY_SIZE(texts)]);
    case 5:
        for (uint64_t i = 0; i < count; i++) value = json_append(value, make(random, depth + 1, arena), arena);
        return value;
    default:
        for (uint64_t i = 0; i < count; i++) {
            value = json_set(value, str_format(arena, "key %d", (int)i), make(random, depth + 1, arena), arena);
        }
        return value;
    }
}

/* What we write, cJSON reads and writes again; what it writes, we read: it must be the value we began with. */
static void reads_what_the_other_writes(void **state) {
    uint64_t random = 7;

    (void)state;
    for (int i = 0; i < DOCUMENTS; i++) {
        struct arena *arena = arena_new();
        struct json value = make(&random, 0, arena), back;
        const char *text = str_to_c(json_to_str(value, arena), arena);
        struct err err;
        cJSON *other = cJSON_Parse(text);
        assert_non_null(other);
        char *written = cJSON_PrintUnformatted(other);
        assert_true(json_read(str_from(written), NULL, arena, &back, NULL, &err));
        if (!json_equal(value, back)) fail_msg("ours %s, cJSON's %s", text, written);
        free(written);
        cJSON_Delete(other);
        arena_free(arena);
    }
}

/* Why users' JSON is not cJSON's: what it changes, we keep. */
static void keeps_what_the_other_changes(void **state) {
    static const char *const texts[] = { "9007199254740993", "0.30000000000000004", "\"a\\u0000b\"", "1.0" };
    struct arena *arena = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct json value;
        struct err err;
        assert_true(json_read(str_from(texts[i]), NULL, arena, &value, NULL, &err));
        assert_string_equal(str_to_c(json_to_str(value, arena), arena), texts[i]);
    }
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_other_writes),
        cmocka_unit_test(keeps_what_the_other_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

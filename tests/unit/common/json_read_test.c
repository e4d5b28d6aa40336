#include "common/json.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/arena.h"

static int setup(void **state) {
    *state = arena_new();
    return 0;
}

static int teardown(void **state) {
    arena_free(*state);
    return 0;
}

/* ---- the suite ---- */

/* Texts that RFC 8259 leaves to the reader. Numbers keep their digits, so that none is too large;
 * whatever is not UTF-8, or could not be written as UTF-8, is refused. */
static const struct {
    const char *name;
    bool accepted;
} verdicts[] = {
    { "i_number_double_huge_neg_exp.json", true },
    { "i_number_huge_exp.json", true },
    { "i_number_neg_int_huge_exp.json", true },
    { "i_number_pos_double_huge_exp.json", true },
    { "i_number_real_neg_overflow.json", true },
    { "i_number_real_pos_overflow.json", true },
    { "i_number_real_underflow.json", true },
    { "i_number_too_big_neg_int.json", true },
    { "i_number_too_big_pos_int.json", true },
    { "i_number_very_big_negative_int.json", true },
    { "i_object_key_lone_2nd_surrogate.json", false },
    { "i_string_1st_surrogate_but_2nd_missing.json", false },
    { "i_string_1st_valid_surrogate_2nd_invalid.json", false },
    { "i_string_UTF-16LE_with_BOM.json", false },
    { "i_string_UTF-8_invalid_sequence.json", false },
    { "i_string_UTF8_surrogate_U+D800.json", false },
    { "i_string_incomplete_surrogate_and_escape_valid.json", false },
    { "i_string_incomplete_surrogate_pair.json", false },
    { "i_string_incomplete_surrogates_escape_valid.json", false },
    { "i_string_invalid_lonely_surrogate.json", false },
    { "i_string_invalid_surrogate.json", false },
    { "i_string_invalid_utf-8.json", false },
    { "i_string_inverted_surrogates_U+1D11E.json", false },
    { "i_string_iso_latin_1.json", false },
    { "i_string_lone_second_surrogate.json", false },
    { "i_string_lone_utf8_continuation_byte.json", false },
    { "i_string_not_in_unicode_range.json", false },
    { "i_string_overlong_sequence_2_bytes.json", false },
    { "i_string_overlong_sequence_6_bytes.json", false },
    { "i_string_overlong_sequence_6_bytes_null.json", false },
    { "i_string_truncated-utf-8.json", false },
    { "i_string_utf16BE_no_BOM.json", false },
    { "i_string_utf16LE_no_BOM.json", false },
    { "i_structure_500_nested_arrays.json", false }, /* deeper than LIMIT_DEPTH */
    { "i_structure_UTF-8_BOM_empty_object.json", false },
    /* The grammar allows a key twice; we refuse it, since readers differ on what it means. */
    { "y_object_duplicated_key.json", false },
    { "y_object_duplicated_key_and_value.json", false },
};

static bool expected(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        if (strcmp(verdicts[i].name, name) == 0) return verdicts[i].accepted;
    }
    if (name[0] == 'i') fail_msg("no verdict on %s", name);
    return name[0] == 'y';
}

static struct str file_read(const char *path, struct arena *arena) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *data = arena_alloc(arena, (size_t)size);
    assert_int_equal(fread(data, 1, (size_t)size, file), (size_t)size);
    (void)fclose(file);
    return (struct str){ data, (size_t)size };
}

/* What is accepted must come back from its own text, borrowed or not. */
static bool accepts(struct str text, struct arena *arena, struct err *err) {
    struct json value, again;
    struct json_read_options borrow = { .borrow = true };

    if (!json_read(text, &borrow, arena, &value, NULL, err)) return false;
    struct str written = json_to_str(value, arena);
    assert_true(json_read(written, NULL, arena, &again, NULL, err));
    assert_true(json_equal(value, again));
    assert_true(str_equal(json_to_str(again, arena), written));
    return true;
}

static void test_suite(void **state) {
    char path[1024];
    const char *shared = getenv("PENSTOCK_SHARED");
    size_t count = 0;
    struct err err;

    (void)snprintf(path, sizeof(path), "%s/data/json-parsing-suite/test_parsing",
            shared ? shared : "../shared");
    DIR *folder = opendir(path);
    if (!folder) {
        print_message("skipped: there is no %s\n", path);
        skip();
    }
    size_t folder_size = strlen(path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strstr(entry->d_name, ".json")) continue;
        (void)snprintf(path + folder_size, sizeof(path) - folder_size, "/%s", entry->d_name);
        bool accepted = accepts(file_read(path, *state), *state, &err);
        if (accepted != expected(entry->d_name)) {
            fail_msg("%s: %s", entry->d_name, accepted ? "accepted" : err.message);
        }
        arena_reset(*state);
        count++;
    }
    closedir(folder);
    assert_true(count > 300);
}

/* ---- our own cases ---- */

static void test_positions(void **state) {
    static const struct {
        const char *text;
        size_t offset;
        uint32_t line, column;
        const char *message;
    } rows[] = {
        { "", 0, 1, 1, "too early" },
        { " \n\t", 3, 2, 2, "too early" },
        { "{\"a\":1,\n \"b\" 2}", 13, 2, 6, "colon" },
        { "[\"\xC3\xA4\xE2\x82\xAC\", x]", 10, 1, 8, "value" },
        { "[1,]", 3, 1, 4, "value" },
        { "{\"a\":1,}", 7, 1, 8, "key" },
        { "{\"a\":1,\n\n\"a\":2}", 9, 3, 1, "'a'" },
        { "[01]", 1, 1, 2, "begin with 0" },
        { "[1.]", 3, 1, 4, "point" },
        { "[1e+]", 4, 1, 5, "exponent" },
        { "[-]", 2, 1, 3, "digit" },
        { "\"\\ud800\"", 1, 1, 2, "surrogate" },
        { "\"ab\\q\"", 3, 1, 4, "escape" },
        { "\"ab\\u12g4\"", 3, 1, 4, "hexadecimal" },
        { "\"ab\x01\"", 3, 1, 4, "control" },
        { "\"ab\xFF\"", 3, 1, 4, "UTF-8" },
        { "\"ab", 3, 1, 4, "within a string" },
        { "\"ab\\", 3, 1, 4, "within a string" },
        { "1 2", 2, 1, 3, "behind" },
        { "[1}", 2, 1, 3, "]" },
        { "{\"a\":1]", 6, 1, 7, "}" },
        { "\xEF\xBB\xBF{}", 0, 1, 1, "value" },
        { "nul", 0, 1, 1, "value" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json value = json_bool(true);
        struct json_position position = { 0, 0, 0 };
        struct err err;
        if (json_read(str_from(rows[i].text), NULL, *state, &value, &position, &err)) {
            fail_msg("accepted: %s", rows[i].text);
        }
        assert_int_equal(err.code, ERR_MALFORMED);
        if (!strstr(err.message, rows[i].message)) fail_msg("%s: %s", rows[i].text, err.message);
        char where[64];
        (void)snprintf(where, sizeof(where), "line %u, column %u: ", rows[i].line, rows[i].column);
        if (!strstr(err.message, where)) fail_msg("%s: %s", rows[i].text, err.message);
        assert_int_equal(position.offset, rows[i].offset);
        assert_int_equal(position.line, rows[i].line);
        assert_int_equal(position.column, rows[i].column);
        assert_int_equal(json_type(value), JSON_TRUE); /* written on success only */
    }
}

static void test_strings(void **state) {
    static const struct {
        const char *text;
        struct str value;
    } rows[] = {
        { "\"\"", { "", 0 } },
        { "\"a\\u0000b\"", { "a\0b", 3 } },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", { "\"\\/\b\f\n\r\t", 8 } },
        { "\"\\u00e4\\u20AC\\ud83d\\uDE00\"", { "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9 } },
        { "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"",
                { "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9 } },
        { "\"0123456\x7F\\n89abcdef\xC3\xA4\"", { "0123456\x7F\n89abcdef\xC3\xA4", 19 } },
        { "\"\\uffff\"", { "\xEF\xBF\xBF", 3 } },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json value;
        struct err err;
        assert_true(json_read(str_from(rows[i].text), NULL, *state, &value, NULL, &err));
        assert_int_equal(json_str(value).size, rows[i].value.size);
        assert_true(str_equal(json_str(value), rows[i].value));
    }
}

/* Every byte at every place of a run that is read eight bytes at a time. */
static void test_each_byte_at_each_place(void **state) {
    for (size_t place = 0; place < 20; place++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[24];
            struct json value;
            struct err err;
            memset(text, 'x', sizeof(text));
            text[0] = text[21] = '"';
            text[1 + place] = (char)byte;
            bool allowed = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            bool done = json_read((struct str){ text, 22 }, NULL, *state, &value, NULL, &err);
            assert_int_equal(done, allowed);
            if (done) assert_memory_equal(json_str(value).data, text + 1, 20);
        }
        arena_reset(*state);
    }
}

static void test_borrowing(void **state) {
    char text[] = "[\"plain\",\"esc\\n\",12345678901234567890]";
    struct json_read_options options = { .borrow = true };
    struct json borrowed, copied;
    struct err err;

    assert_true(json_read(str_from(text), &options, *state, &borrowed, NULL, &err));
    options.borrow = false;
    assert_true(json_read(str_from(text), &options, *state, &copied, NULL, &err));
    assert_ptr_equal(json_str(json_at(borrowed, 0)).data, text + 2);
    memset(text, 'x', sizeof(text) - 1);
    struct str written = json_to_str(copied, *state);
    assert_true(str_equal(written, STR("[\"plain\",\"esc\\n\",12345678901234567890]")));
}

static void test_depth(void **state) {
    enum { DEEP = 100 * 1000 };
    char *text = arena_alloc(*state, 2 * DEEP);
    struct json_read_options options = { .depth_max = DEEP };
    struct json value, again;
    struct err err;

    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    assert_true(json_read((struct str){ text, 2 * DEEP }, &options, *state, &value, NULL, &err));
    struct str written = json_to_str(value, *state);
    assert_int_equal(written.size, 2 * DEEP);
    assert_memory_equal(written.data, text, 2 * DEEP);
    again = json_copy(value, *state);
    assert_true(json_equal(value, again));
    options.depth_max = DEEP - 1;
    assert_false(json_read((struct str){ text, 2 * DEEP }, &options, *state, &value, NULL, &err));
    assert_non_null(strstr(err.message, "deep"));
    assert_true(json_read(str_slice((struct str){ text, 2 * DEEP }, DEEP - 128, DEEP + 128), NULL,
            *state, &value, NULL, &err));
    assert_false(json_read(str_slice((struct str){ text, 2 * DEEP }, DEEP - 129, DEEP + 129), NULL,
            *state, &value, NULL, &err));
}

/* Keys twice, at every pair of places, in objects without an index and with one. */
static void test_keys_twice(void **state) {
    for (size_t count = 2; count <= 40; count += 2) {
        for (size_t first = 0; first < count; first++) {
            size_t second = first + 1 + (first * 7) % (count - first);
            struct buf buf;
            struct json value;
            struct err err;
            buf_init(&buf, 4096);
            for (size_t i = 0; i < count; i++) {
                size_t name = i == second ? first : i;
                buf_append_format(&buf, "%c\"k%s%zu\":%zu", i ? ',' : '{',
                        i == second ? "\\u0065" : "e", name, i);
            }
            buf_append_char(&buf, '}');
            bool done = json_read(buf_str(&buf), NULL, *state, &value, NULL, &err);
            assert_int_equal(done, second >= count);
            if (!done) assert_non_null(strstr(err.message, "twice"));
            buf_clear(&buf);
        }
        arena_reset(*state);
    }
}

static void test_large_object(void **state) {
    enum { MEMBERS = 5000 };
    struct buf buf;
    struct json value;
    struct err err;

    buf_init(&buf, 1024 * 1024);
    for (int i = 0; i < MEMBERS; i++)
        buf_append_format(&buf, "%c\"key %d\":%d", i ? ',' : '{', i, i);
    buf_append_char(&buf, '}');
    assert_true(json_read(buf_str(&buf), NULL, *state, &value, NULL, &err));
    assert_int_equal(json_size(value), MEMBERS);
    for (int i = 0; i < MEMBERS; i++) {
        struct str key = str_format(*state, "key %d", i);
        assert_int_equal(json_int64_or(json_get(value, key), -1), i);
        assert_true(str_equal(json_member_at(value, (size_t)i)->key, key)); /* the order is kept */
    }
    assert_true(json_is_absent(json_get(value, STR("key 5000"))));
    assert_true(str_equal(json_to_str(value, *state), buf_str(&buf)));
    buf_clear(&buf);
}

/* ---- any value comes back from its text ---- */

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static struct str random_text(uint64_t *seed, struct arena *arena) {
    static const char *const pieces[] = { "a", "Z", "\"", "\\", "/", "\n", "\x01", "\x1F", "\x7F",
        "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBF", "plain words", " " };
    struct buf buf;

    buf_init(&buf, 4096);
    for (uint64_t i = next_random(seed) % 12; i > 0; i--) {
        uint64_t piece = next_random(seed) % (ARRAY_SIZE(pieces) + 1);
        if (piece == ARRAY_SIZE(pieces)) {
            buf_append_char(&buf, '\0');
        } else {
            buf_append_c(&buf, pieces[piece]);
        }
    }
    struct str text = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

static struct json random_number(uint64_t *seed, struct arena *arena) {
    uint64_t bits = next_random(seed);
    double number;

    switch (next_random(seed) % 5) {
    case 0: return json_int64((int64_t)bits, arena);
    case 1: return json_number((double)(bits % 2000) - 1000);
    case 2: return json_number((double)(bits % 1000000) / 100);
    case 3:
        return json_number_literal(str_format(arena, "-%u.%030uE-%u", (unsigned)(bits & 0xFFFF),
                (unsigned)(bits >> 40), (unsigned)(bits >> 20 & 0x1FF)));
    default: break;
    }
    memcpy(&number, &bits, sizeof(number));
    return json_number(number); /* null for a NaN */
}

static struct json random_value(uint64_t *seed, int depth, struct arena *arena) {
    struct json value;
    uint64_t count = next_random(seed) % (next_random(seed) % 8 == 0 ? 40 : 6);

    switch (next_random(seed) % (depth ? 8 : 6)) {
    case 0: return json_null();
    case 1: return json_bool(true);
    case 2: return json_bool(false);
    case 3:
    case 4: return random_number(seed, arena);
    case 5: return json_string(random_text(seed, arena));
    case 6:
        value = json_array(arena, 0);
        for (uint64_t i = 0; i < count; i++) {
            value = json_append(value, random_value(seed, depth - 1, arena), arena);
        }
        return value;
    default:
        value = json_object(arena, 0);
        for (uint64_t i = 0; i < count; i++) {
            struct str key = random_text(seed, arena);
            value = json_set(value, key, random_value(seed, depth - 1, arena), arena);
        }
        return value;
    }
}

/* Writes the value and reads it back; borrowed or not, it is the same value. */
static void check_round_trip(
        struct json value, enum json_style style, bool borrow, struct arena *arena) {
    struct json_read_options options = { .borrow = borrow };
    struct str text = json_to_str(value, arena);
    struct json again;
    struct buf buf;
    struct err err;

    buf_init(&buf, SIZE_MAX / 2);
    json_write(&buf, value, style);
    if (!json_read(buf_str(&buf), &options, arena, &again, NULL, &err)) {
        fail_msg("%s in " STR_FMT, err.message, STR_ARG(buf_str(&buf)));
    }
    assert_int_equal(json_compare(value, again), 0);
    if (style != JSON_SORTED) assert_true(str_equal(json_to_str(again, arena), text));
    assert_true(str_equal(json_to_str(json_copy(value, arena), arena), text));
    buf_clear(&buf);
}

static void test_round_trip(void **state) {
    const char *given = getenv("PENSTOCK_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u;

    print_message("PENSTOCK_SEED=%llu\n", (unsigned long long)seed);
    seed |= 1;
    for (int i = 0; i < 3000; i++) {
        struct json value = random_value(&seed, 5, *state);
        check_round_trip(value, JSON_COMPACT, i % 2, *state);
        check_round_trip(value, JSON_PRETTY, i % 2, *state);
        check_round_trip(value, JSON_SORTED, i % 2, *state);
        arena_reset(*state);
    }
}

/* A text that was cut or changed is refused, or read; it never leads outside. */
static void test_damaged_text(void **state) {
    static const char text[] =
            "{\"a\":[1,-2.5e+3,true,null,\"\\ud83d\\ude00\xC3\xA4\"],\"b\":{\"c\":\"x\\n\"}} ";
    uint64_t seed = 20260729;
    struct json value;
    struct err err;

    for (size_t size = 0; size < sizeof(text) - 2; size++) {
        char *exact = malloc(size + 1); /* so that a sanitizer sees each byte behind the end */
        assert_non_null(exact);
        memcpy(exact, text, size);
        struct json_read_options options = { .borrow = true };
        assert_false(json_read((struct str){ exact, size }, &options, *state, &value, NULL, &err));
        free(exact);
    }
    for (int i = 0; i < 20000; i++) {
        char damaged[sizeof(text)];
        memcpy(damaged, text, sizeof(text));
        for (int j = 0; j < 2; j++) {
            damaged[next_random(&seed) % (sizeof(text) - 1)] = (char)next_random(&seed);
        }
        (void)accepts((struct str){ damaged, sizeof(text) - 1 }, *state, &err);
        arena_reset(*state);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_suite, setup, teardown),
        cmocka_unit_test_setup_teardown(test_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_byte_at_each_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_borrowing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_text, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

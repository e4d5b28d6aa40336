#include "system/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/assert.h"

enum { OUTPUT_SIZE = 64 * 1024 };

/* Standard error goes into a pipe while a test logs. */
static char output[OUTPUT_SIZE];
static int saved, reading;

static void capture(void) {
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reading = ends[0];
}

static const char *captured(void) {
    size_t size = 0;
    ssize_t got;

    dup2(saved, STDERR_FILENO);
    close(saved);
    while ((got = read(reading, output + size, sizeof(output) - 1 - size)) > 0)
        size += (size_t)got;
    output[size] = '\0';
    close(reading);
    return output;
}

static void test_a_line(void **state) {
    struct log *log = log_new("api", LOG_INFO);

    (void)state;
    capture();
    log_event(log, LOG_DEBUG, "unseen", NULL);
    log_event(log, LOG_WARN, "store.away", "collection", "heads", "error",
            "a \"b\"\n\\ \x01 \xc3\xa4 \xff", NULL);
    const char *line = captured();
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_non_null(strstr(line,
            "Z\",\"level\":\"warn\",\"service\":\"api\",\"event\":\"store.away\","
            "\"collection\":\"heads\",\"error\":\"a \\\"b\\\"\\n\\\\ \\u0001 \xc3\xa4 "
            "\\ufffd\"}\n"));
    assert_null(strstr(line, "unseen"));
    log_free(log);
}

static void test_a_missing_value_ends_the_line(void **state) {
    struct log *log = log_new("api", LOG_INFO);

    (void)state;
    capture();
    log_event(log, LOG_ERROR, "x", "a", (char *)NULL, "b", "c", NULL);
    assert_non_null(strstr(captured(), "\"event\":\"x\",\"a\":null}\n"));
    log_free(log);
}

static void test_long_lines_are_cut_and_stay_whole(void **state) {
    struct log *log = log_new("api", LOG_DEBUG);
    char text[8000];

    (void)state;
    for (int fill = 0; fill < 3; fill++) {
        memset(text, "x\x01\""[fill], sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        for (size_t cut = 0; cut < 40; cut++) {
            capture();
            log_event(log, LOG_INFO, "long", "a", text + cut, "b", text + 7000 + cut, "c",
                    text + cut, "d", text, "e", text, "f", text, NULL);
            const char *line = captured();
            size_t size = strlen(line);
            assert_in_range(size, 3000, 4096);
            assert_string_equal(line + size - 3, "\"}\n");
            assert_ptr_equal(strchr(line, '\n'), line + size - 1);
        }
    }
    log_free(log);
}

static void test_levels(void **state) {
    struct log *log = log_new("api", LOG_OFF);
    enum log_level level = LOG_INFO;

    (void)state;
    capture();
    log_event(log, LOG_ERROR, "unseen", NULL);
    assert_string_equal(captured(), "");
    log_free(log);
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(log_level_parse("off", &level));
    assert_int_equal(level, LOG_OFF);
    assert_false(log_level_parse("", &level));
    assert_false(log_level_parse("WARN", &level));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line),
        cmocka_unit_test(test_a_missing_value_ends_the_line),
        cmocka_unit_test(test_long_lines_are_cut_and_stay_whole),
        cmocka_unit_test(test_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

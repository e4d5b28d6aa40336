#include "common/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int64_t minute_ms = 60000, hour_ms = 3600000, day_ms = 86400000;

static void expect_time(int64_t time_ms, const char *text) {
    char written[TIME_TEXT_SIZE];
    struct str s = time_format(time_ms, written);

    if (!str_equal(s, str_from(text))) fail_msg(STR_FMT " instead of %s", STR_ARG(s), text);
    assert_int_equal(written[s.size], '\0');
}

static int64_t time_of(const char *text) {
    int64_t time_ms;

    if (!time_parse(str_from(text), &time_ms)) fail_msg("refused: %s", text);
    return time_ms;
}

static void test_format(void **state) {
    static const struct {
        int64_t time_ms;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { 951868799999, "2000-02-29T23:59:59.999Z" },
        { 1785326400000, "2026-07-29T12:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
        { 253402300800000, "+010000-01-01T00:00:00.000Z" },
        { -62167219200000, "0000-01-01T00:00:00.000Z" },
        { -62167219200001, "-000001-12-31T23:59:59.999Z" },
        { INT64_MAX, "+292278994-08-17T07:12:55.807Z" },
        { INT64_MIN, "-292275055-05-16T16:47:04.192Z" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        expect_time(rows[i].time_ms, rows[i].text);
        if (strlen(rows[i].text) == 24) assert_int_equal(time_of(rows[i].text), rows[i].time_ms);
    }
}

static void test_parse(void **state) {
    static const struct {
        const char *text, *utc;
    } rows[] = {
        { "2026-07-29T12:00:00Z", "2026-07-29T12:00:00.000Z" },
        { "2026-07-29t12:00:00z", "2026-07-29T12:00:00.000Z" },
        { "2026-07-29T12:00:00.1Z", "2026-07-29T12:00:00.100Z" },
        { "2026-07-29T12:00:00.123456789012345Z", "2026-07-29T12:00:00.123Z" },
        { "2026-07-29T12:00:00.0009Z", "2026-07-29T12:00:00.000Z" },
        { "2026-07-29T12:00:00+02:00", "2026-07-29T10:00:00.000Z" },
        { "2026-07-29T23:30:00-01:45", "2026-07-30T01:15:00.000Z" },
        { "2026-01-01T00:00:00+23:59", "2025-12-31T00:01:00.000Z" },
        { "2026-07-29T12:00:00-00:00", "2026-07-29T12:00:00.000Z" },
        { "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z" },
        { "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z" },
        { "1998-12-31T23:59:60Z", "1999-01-01T00:00:00.000Z" },
        { "1998-12-31T15:59:60.123-08:00", "1999-01-01T00:00:00.123Z" },
        { "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z" },
    };
    static const char *const wrong[] = { "", "2026-07-29", "2026-07-29T12:00:00",
        "2026-07-29 12:00:00Z", "2026-07-29T12:00Z", "2026-07-29T12:00:00.Z",
        "2026-07-29T12:00:00,5Z", "2026-7-29T12:00:00Z", "26-07-29T12:00:00Z",
        "2026-00-29T12:00:00Z", "2026-13-29T12:00:00Z", "2026-07-00T12:00:00Z",
        "2026-07-32T12:00:00Z", "2026-06-31T12:00:00Z", "2026-02-29T12:00:00Z",
        "1900-02-29T12:00:00Z", "2026-07-29T24:00:00Z", "2026-07-29T12:60:00Z",
        "2026-07-29T12:00:61Z", "2026-07-29T22:59:60Z", "2026-07-29T12:00:00+24:00",
        "2026-07-29T12:00:00+02:60", "2026-07-29T12:00:00+0200", "2026-07-29T12:00:00+02",
        "2026-07-29T12:00:00ZZ", " 2026-07-29T12:00:00Z", "2026-07-29T12:00:00Z ",
        "+02026-07-29T12:00:00Z", "2026-07-29T12:00:00\342\210\22202:00" };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect_time(time_of(rows[i].text), rows[i].utc);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        int64_t time_ms = 42;
        if (time_parse(str_from(wrong[i]), &time_ms)) fail_msg("accepted: %s", wrong[i]);
        assert_int_equal(time_ms, 42);
    }
}

/* Every day of twelve thousand years, counted one by one by the rules of the calendar. */
static void test_each_day(void **state) {
    static const unsigned month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t days = time_days_from_civil(-2000, 1, 1);
    (void)state;

    assert_int_equal(time_days_from_civil(1970, 1, 1), 0);
    for (int64_t year = -2000; year < 10000; year++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (unsigned month = 1; month <= 12; month++) {
            unsigned last = month_days[month - 1] + (month == 2 && leap);
            for (unsigned day = 1; day <= last; day++, days++) {
                int64_t civil_year;
                unsigned civil_month, civil_day;
                time_civil_from_days(days, &civil_year, &civil_month, &civil_day);
                if (civil_year != year || civil_month != month || civil_day != day
                        || time_days_from_civil(year, month, day) != days) {
                    fail_msg("%lld-%02u-%02u", (long long)year, month, day);
                }
            }
        }
    }
    assert_int_equal(days, time_days_from_civil(10000, 1, 1));
}

static void test_duration_parse(void **state) {
    const struct {
        const char *text;
        int64_t months, ms;
    } rows[] = {
        { "PT0S", 0, 0 },
        { "PT1S", 0, 1000 },
        { "PT1M", 0, minute_ms },
        { "PT1H", 0, hour_ms },
        { "P1D", 0, day_ms },
        { "P1W", 0, 7 * day_ms },
        { "P1M", 1, 0 },
        { "P1Y", 12, 0 },
        { "P2Y3M", 27, 0 },
        { "P1Y2M3W4DT5H6M7.089S", 14, 25 * day_ms + 5 * hour_ms + 6 * minute_ms + 7089 },
        { "PT0.5S", 0, 500 },
        { "PT0.0019S", 0, 1 },
        { "PT1.5M", 0, 90000 },
        { "PT0.1H", 0, 6 * minute_ms },
        { "P0.5D", 0, 12 * hour_ms },
        { "P1.5W", 0, 252 * hour_ms },
        { "PT36H", 0, 36 * hour_ms },
        { "PT0.000000000001S", 0, 0 },
        { "P1MT1M", 1, minute_ms },
        { "P007D", 0, 7 * day_ms },
        { "PT9223372036854775S", 0, 9223372036854775000 },
    };
    static const char *const wrong[] = { "", "P", "PT", "P1", "1D", "P1DT", "PD", "P1.5Y", "P1.5M",
        "P1.D", "P.5D", "P1H", "PT1D", "P1D1W", "PT1S1M", "P1D1D", "P-1D", "-P1D", "+P1D", "P1D ",
        "p1d", "PT1,5S", "P1DX", "PT9223372036854776S", "P99999999999999999999D",
        "P9223372036854775807Y", "P1DT1", "PT1M1" };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct duration duration;
        if (!duration_parse(str_from(rows[i].text), &duration))
            fail_msg("refused: %s", rows[i].text);
        if (duration.months != rows[i].months || duration.ms != rows[i].ms) {
            fail_msg("%s: %lld, %lld", rows[i].text, (long long)duration.months,
                    (long long)duration.ms);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct duration duration = { 42, 42 };
        if (duration_parse(str_from(wrong[i]), &duration)) fail_msg("accepted: %s", wrong[i]);
        assert_int_equal(duration.months, 42);
    }
}

static void test_duration_add(void **state) {
    static const struct {
        const char *start, *duration, *end;
    } rows[] = {
        { "2026-01-31T10:00:00.000Z", "P1M", "2026-02-28T10:00:00.000Z" },
        { "2024-01-31T10:00:00.000Z", "P1M", "2024-02-29T10:00:00.000Z" },
        { "2024-02-29T23:59:59.999Z", "P1Y", "2025-02-28T23:59:59.999Z" },
        { "2024-02-29T00:00:00.000Z", "P4Y", "2028-02-29T00:00:00.000Z" },
        { "2096-02-29T00:00:00.000Z", "P4Y", "2100-02-28T00:00:00.000Z" },
        { "2026-12-31T00:00:00.000Z", "P1M", "2027-01-31T00:00:00.000Z" },
        { "2026-12-31T00:00:00.000Z", "P2M", "2027-02-28T00:00:00.000Z" },
        { "2026-03-31T00:00:00.000Z", "P1M", "2026-04-30T00:00:00.000Z" },
        { "2026-01-31T00:00:00.000Z", "P1M1D", "2026-03-01T00:00:00.000Z" }, /* months first */
        { "2026-02-28T00:00:00.000Z", "P1D", "2026-03-01T00:00:00.000Z" },
        { "1969-12-31T23:00:00.000Z", "P2M", "1970-02-28T23:00:00.000Z" },
        { "2026-07-29T12:00:00.000Z", "P1Y2M3DT4H5M6.007S", "2027-10-02T16:05:06.007Z" },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct duration duration;
        assert_true(duration_parse(str_from(rows[i].duration), &duration));
        expect_time(duration_add(time_of(rows[i].start), duration), rows[i].end);
    }
    struct duration back = { .months = -1 };
    expect_time(duration_add(time_of("2026-03-31T00:00:00Z"), back), "2026-02-28T00:00:00.000Z");
    back.months = -15;
    expect_time(duration_add(time_of("2026-03-31T00:00:00Z"), back), "2024-12-31T00:00:00.000Z");
}

static void test_saturation(void **state) {
    const struct {
        int64_t start_ms;
        struct duration duration;
        int64_t end_ms;
    } rows[] = {
        { 0, { 0, INT64_MAX }, INT64_MAX },
        { 1, { 0, INT64_MAX }, INT64_MAX },
        { -2, { 0, INT64_MIN }, INT64_MIN },
        { 0, { INT64_MAX, 0 }, INT64_MAX },
        { 0, { INT64_MIN, 0 }, INT64_MIN },
        { 0, { INT64_MAX, INT64_MAX }, INT64_MAX },
        { INT64_MAX, { 1, 0 }, INT64_MAX },
        { INT64_MIN, { -1, 0 }, INT64_MIN },
        { 0, { (int64_t)12 * 300 * 1000 * 1000, 0 }, INT64_MAX },
        { INT64_MAX, { 0, -1 }, INT64_MAX - 1 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(duration_add(rows[i].start_ms, rows[i].duration), rows[i].end_ms);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_each_day),
        cmocka_unit_test(test_duration_parse),
        cmocka_unit_test(test_duration_add),
        cmocka_unit_test(test_saturation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

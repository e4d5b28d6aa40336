#include "common/time.h"

#include <stdio.h>

#include "common/assert.h"

enum {
    MS_PER_SECOND = 1000,
    MS_PER_MINUTE = 60 * MS_PER_SECOND,
    MS_PER_HOUR = 60 * MS_PER_MINUTE,
    MS_PER_DAY = 24 * MS_PER_HOUR,
    MS_PER_WEEK = 7 * MS_PER_DAY,
    MINUTES_PER_DAY = 24 * 60,
    DAYS_PER_ERA = 146097, /* 400 years */
    DAYS_TO_1970 = 719468, /* from 0000-03-01 */
    FRACTION_DIGITS = 9,
    FRACTION_ONE = 1000 * 1000 * 1000,
};

/* More months than int64_t milliseconds hold, by a little. */
static const int64_t months_max = (int64_t)12 * 300 * 1000 * 1000;

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* What floor_div leaves: 0 to b - 1. */
static int64_t floor_rest(int64_t a, int64_t b) {
    return a % b < 0 ? a % b + b : a % b;
}

/* Years begin in March here, so that the leap day is the last (Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms"). */
int64_t time_days_from_civil(int64_t year, unsigned month, unsigned day) {
    assert(month >= 1 && month <= 12 && day >= 1 && day <= 31);
    if (month <= 2) year--;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

void time_civil_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day) {
    int64_t from_march = days + DAYS_TO_1970;
    int64_t era = floor_div(from_march, DAYS_PER_ERA);
    int64_t day_of_era = from_march - era * DAYS_PER_ERA;
    int64_t year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    *ret_day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (unsigned)(month < 10 ? month + 3 : month - 9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static unsigned days_in_month(int64_t year, unsigned month) {
    static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

/* Years of other than four digits get a sign, as ISO 8601 has it. */
struct str time_format(int64_t time_ms, char text[TIME_TEXT_SIZE]) {
    int64_t days = floor_div(time_ms, MS_PER_DAY), year;
    int ms = (int)floor_rest(time_ms, MS_PER_DAY);
    unsigned month, day;

    time_civil_from_days(days, &year, &month, &day);
    int size = snprintf(text, TIME_TEXT_SIZE,
            year >= 0 && year <= 9999 ? "%04lld-%02u-%02uT%02d:%02d:%02d.%03dZ"
                                      : "%+07lld-%02u-%02uT%02d:%02d:%02d.%03dZ",
            (long long)year, month, day, ms / MS_PER_HOUR, ms / MS_PER_MINUTE % 60,
            ms / MS_PER_SECOND % 60, ms % MS_PER_SECOND);
    assert(size > 0 && size < TIME_TEXT_SIZE);
    return (struct str){ text, (size_t)size };
}

/* ---- parsing: what is taken is cut from the text ---- */

static bool take_char(struct str *text, char c) {
    if (text->size == 0 || text->data[0] != c) return false;
    *text = str_slice(*text, 1, text->size);
    return true;
}

static bool next_is_digit(struct str text) {
    return text.size && text.data[0] >= '0' && text.data[0] <= '9';
}

/* Takes just `count` digits. */
static bool take_digits(struct str *text, size_t count, unsigned *ret) {
    unsigned number = 0;

    for (size_t i = 0; i < count; i++) {
        if (!next_is_digit(*text)) return false;
        number = number * 10 + (unsigned)(text->data[0] - '0');
        *text = str_slice(*text, 1, text->size);
    }
    *ret = number;
    return true;
}

/* Takes digits behind a point, in 1/FRACTION_ONE; more than nine change nothing. */
static bool take_fraction(struct str *text, int64_t *ret) {
    int64_t fraction = 0, place = FRACTION_ONE / 10;

    if (!next_is_digit(*text)) return false;
    while (next_is_digit(*text)) {
        fraction += (text->data[0] - '0') * place;
        place /= 10;
        *text = str_slice(*text, 1, text->size);
    }
    *ret = fraction;
    return true;
}

static bool take_date(struct str *text, int64_t *ret_days) {
    unsigned year, month, day;

    if (!take_digits(text, 4, &year) || !take_char(text, '-')) return false;
    if (!take_digits(text, 2, &month) || !take_char(text, '-')) return false;
    if (!take_digits(text, 2, &day)) return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
    *ret_days = time_days_from_civil(year, month, day);
    return true;
}

/* Takes hh:mm as minutes. */
static bool take_minutes(struct str *text, unsigned *ret) {
    unsigned hour, minute;

    if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute))
        return false;
    if (hour > 23 || minute > 59) return false;
    *ret = hour * 60 + minute;
    return true;
}

static bool take_offset(struct str *text, int64_t *ret_minutes) {
    unsigned minutes;

    if (take_char(text, 'Z') || take_char(text, 'z')) {
        *ret_minutes = 0;
        return true;
    }
    bool west = take_char(text, '-');
    if (!west && !take_char(text, '+')) return false;
    if (!take_minutes(text, &minutes)) return false;
    *ret_minutes = west ? -(int64_t)minutes : (int64_t)minutes;
    return true;
}

bool time_parse(struct str text, int64_t *ret_ms) {
    int64_t days, offset, fraction = 0;
    unsigned minutes, second;

    if (!take_date(&text, &days)) return false;
    if (!take_char(&text, 'T') && !take_char(&text, 't')) return false;
    if (!take_minutes(&text, &minutes) || !take_char(&text, ':')) return false;
    if (!take_digits(&text, 2, &second) || second > 60) return false;
    if (take_char(&text, '.') && !take_fraction(&text, &fraction)) return false;
    if (!take_offset(&text, &offset) || text.size) return false;
    int64_t utc = days * MINUTES_PER_DAY + minutes - offset;
    /* A leap second is the last of a day in UTC, and here the first of the next. */
    if (second == 60 && (utc + 1) % MINUTES_PER_DAY != 0) return false;
    *ret_ms = utc * MS_PER_MINUTE + (int64_t)second * MS_PER_SECOND
            + fraction / (FRACTION_ONE / 1000);
    return true;
}

/* ---- durations ---- */

/* Takes a number with its designator, times `unit`; 0 if the next is another's. */
static bool take_component(
        struct str *text, char designator, int64_t unit, bool fractions, int64_t *sum) {
    struct str rest = *text;
    int64_t whole = 0, fraction = 0;

    if (!next_is_digit(rest)) return rest.size == 0 || rest.data[0] == 'T';
    while (next_is_digit(rest)) {
        if (__builtin_mul_overflow(whole, 10, &whole)) return false;
        if (__builtin_add_overflow(whole, rest.data[0] - '0', &whole)) return false;
        rest = str_slice(rest, 1, rest.size);
    }
    bool point = take_char(&rest, '.');
    if (point && !take_fraction(&rest, &fraction)) return false;
    if (!take_char(&rest, designator)) return true; /* a later component's number, or nobody's */
    if (point && !fractions) return false;
    if (__builtin_mul_overflow(whole, unit, &whole)) return false;
    if (__builtin_add_overflow(whole, fraction * unit / FRACTION_ONE, &whole)) return false;
    if (__builtin_add_overflow(*sum, whole, sum)) return false;
    *text = rest;
    return true;
}

bool duration_parse(struct str text, struct duration *ret) {
    struct duration duration = { 0, 0 };

    if (!take_char(&text, 'P') || text.size == 0) return false;
    if (!take_component(&text, 'Y', 12, false, &duration.months)) return false;
    if (!take_component(&text, 'M', 1, false, &duration.months)) return false;
    if (!take_component(&text, 'W', MS_PER_WEEK, true, &duration.ms)) return false;
    if (!take_component(&text, 'D', MS_PER_DAY, true, &duration.ms)) return false;
    if (take_char(&text, 'T')) {
        if (!next_is_digit(text)) return false;
        if (!take_component(&text, 'H', MS_PER_HOUR, true, &duration.ms)) return false;
        if (!take_component(&text, 'M', MS_PER_MINUTE, true, &duration.ms)) return false;
        if (!take_component(&text, 'S', MS_PER_SECOND, true, &duration.ms)) return false;
    }
    if (text.size) return false;
    *ret = duration;
    return true;
}

static int64_t saturated(bool past) {
    return past ? INT64_MIN : INT64_MAX;
}

static int64_t add_months(int64_t start_ms, int64_t months) {
    int64_t days = floor_div(start_ms, MS_PER_DAY), year, result;
    int64_t ms_of_day = floor_rest(start_ms, MS_PER_DAY);
    unsigned month, day;

    if (months > months_max || months < -months_max) return saturated(months < 0);
    time_civil_from_days(days, &year, &month, &day);
    int64_t total = year * 12 + (month - 1) + months;
    year = floor_div(total, 12);
    month = (unsigned)(total - year * 12) + 1;
    day = MIN(day, days_in_month(year, month));
    days = time_days_from_civil(year, month, day);
    if (__builtin_mul_overflow(days, (int64_t)MS_PER_DAY, &result)) return saturated(months < 0);
    if (__builtin_add_overflow(result, ms_of_day, &result)) return saturated(months < 0);
    return result;
}

int64_t duration_add(int64_t start_ms, struct duration duration) {
    int64_t result = duration.months ? add_months(start_ms, duration.months) : start_ms;

    if (__builtin_add_overflow(result, duration.ms, &result)) return saturated(duration.ms < 0);
    return result;
}

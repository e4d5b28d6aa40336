/* strptime: text to a broken-down time, by a format; in the C locale, as glibc reads it. */
#include <string.h>

#include "core/expression_date.h"

struct reader {
    const char *at;
    struct moment *moment;
    bool afternoon, has_hour12, has_yearday, has_month, has_day, has_weekday, has_century;
    int century, offset_seconds;
    bool has_seconds;
    int64_t seconds; /* %s */
};

static void skip_blanks(struct reader *reader) {
    while (*reader->at && strchr(" \t\n\v\f\r", *reader->at))
        reader->at++;
}

static bool read_digits(struct reader *reader, int min, int max, int digits, int *ret) {
    int number = 0, count = 0;

    skip_blanks(reader);
    for (; count < digits && *reader->at >= '0' && *reader->at <= '9'; count++)
        number = number * 10 + (*reader->at++ - '0');
    if (count == 0 || number < min || number > max) return false;
    *ret = number;
    return true;
}

static bool same_letters(const char *text, const char *name, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if ((text[i] | 0x20) != (name[i] | 0x20)) return false;
    }
    return true;
}

/* A name in full or its first three letters, in any case. */
static bool read_name(struct reader *reader, const char *const *names, int count, int *ret) {
    for (int i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        bool whole = same_letters(reader->at, names[i], size);
        if (!whole && !same_letters(reader->at, names[i], 3)) continue;
        reader->at += whole ? size : 3;
        *ret = i;
        return true;
    }
    return false;
}

static bool read_half(struct reader *reader) {
    if (!same_letters(reader->at, "am", 2) && !same_letters(reader->at, "pm", 2)) return false;
    reader->afternoon = (*reader->at | 0x20) == 'p';
    reader->at += 2;
    return true;
}

/* Z, or a sign with two or four digits, perhaps with a colon. jq looks at the time alone, and so
 * do we. */
static bool read_zone(struct reader *reader) {
    int hours, minutes = 0;

    skip_blanks(reader);
    if (*reader->at == 'Z') {
        reader->at++;
        return true;
    }
    if (*reader->at != '+' && *reader->at != '-') return false;
    reader->at++;
    if (!read_digits(reader, 0, 99, 2, &hours)) return false;
    if (*reader->at == ':') reader->at++;
    if (*reader->at >= '0' && *reader->at <= '9') return read_digits(reader, 0, 59, 2, &minutes);
    return true;
}

static bool read_year(struct reader *reader) {
    int number, digits = 4;
    bool negative;

    skip_blanks(reader);
    negative = *reader->at == '-';
    if (negative || *reader->at == '+') reader->at++;
    if (!read_digits(reader, 0, 9999, digits, &number)) return false;
    reader->moment->year = negative ? -number : number;
    reader->has_century = false;
    return true;
}

static bool read_epoch(struct reader *reader) {
    int64_t seconds = 0;
    int count = 0;

    for (; count < 13 && *reader->at >= '0' && *reader->at <= '9'; count++)
        seconds = seconds * 10 + (*reader->at++ - '0');
    if (count == 0) return false;
    reader->has_seconds = true;
    reader->seconds = seconds;
    return true;
}

static bool read_format(struct reader *reader, const char *format);

static bool read_short_year(struct reader *reader) {
    int number;

    if (!read_digits(reader, 0, 99, 2, &number)) return false;
    reader->moment->year = number < 69 ? 2000 + number : 1900 + number;
    return true;
}

static bool read_hour12(struct reader *reader) {
    int number;

    if (!read_digits(reader, 1, 12, 2, &number)) return false;
    reader->moment->hour = number % 12;
    reader->has_hour12 = true;
    return true;
}

static bool read_date_part(struct reader *reader, char c) {
    struct moment *moment = reader->moment;
    int number;

    switch (c) {
    case 'Y': return read_year(reader);
    case 'y': return read_short_year(reader);
    case 'C':
        reader->has_century = read_digits(reader, 0, 99, 2, &reader->century);
        return reader->has_century;
    case 'm':
        if (!read_digits(reader, 1, 12, 2, &number)) return false;
        moment->month = number - 1;
        return reader->has_month = true;
    case 'b':
    case 'B':
    case 'h': return reader->has_month = read_name(reader, date_month_names, 12, &moment->month);
    case 'd':
    case 'e': return reader->has_day = read_digits(reader, 1, 31, 2, &moment->day);
    case 'j':
        if (!read_digits(reader, 1, 366, 3, &number)) return false;
        moment->yearday = number - 1;
        return reader->has_yearday = true;
    case 'a':
    case 'A': return reader->has_weekday = read_name(reader, date_day_names, 7, &moment->weekday);
    case 'u':
        if (!read_digits(reader, 1, 7, 1, &number)) return false;
        moment->weekday = number % 7;
        return reader->has_weekday = true;
    case 'w': return reader->has_weekday = read_digits(reader, 0, 6, 1, &moment->weekday);
    case 'U':
    case 'W':
    case 'V': return read_digits(reader, 0, 53, 2, &number);
    case 'G': return read_digits(reader, 0, 9999, 4, &number);
    case 'g': return read_digits(reader, 0, 99, 2, &number);
    default: return false;
    }
}

static bool read_conversion(struct reader *reader, char c) {
    struct moment *moment = reader->moment;
    const char *others = date_composed(c);

    if (others) return read_format(reader, others);
    switch (c) {
    case 'H':
    case 'k': reader->has_hour12 = false; return read_digits(reader, 0, 23, 2, &moment->hour);
    case 'I':
    case 'l': return read_hour12(reader);
    case 'M': return read_digits(reader, 0, 59, 2, &moment->minute);
    case 'S': return read_digits(reader, 0, 61, 2, &moment->second);
    case 'p':
    case 'P': return read_half(reader);
    case 's': return read_epoch(reader);
    case 'z': return read_zone(reader);
    case 'Z':
        while ((*reader->at | 0x20) >= 'a' && (*reader->at | 0x20) <= 'z')
            reader->at++;
        return true;
    case 'n':
    case 't': skip_blanks(reader); return true;
    case '%': return *reader->at++ == '%';
    default: return read_date_part(reader, c);
    }
}

static bool read_format(struct reader *reader, const char *format) {
    for (; *format; format++) {
        if (strchr(" \t\n\v\f\r", *format)) {
            skip_blanks(reader);
        } else if (*format != '%') {
            if (*reader->at++ != *format) return false;
        } else {
            format++;
            while (*format && strchr("-_0^#", *format))
                format++;
            if ((*format == 'E' || *format == 'O') && format[1]) format++;
            if (!*format || !read_conversion(reader, *format)) return false;
        }
    }
    return true;
}

/* Puts together what was read: the day of the year may stand for month and day. */
static void complete(struct reader *reader) {
    struct moment *moment = reader->moment;
    unsigned month, day;

    if (reader->has_seconds) {
        date_from_seconds((double)reader->seconds, moment);
        return;
    }
    if (reader->has_hour12 && reader->afternoon) moment->hour += 12;
    if (reader->has_century) {
        int64_t rest = moment->year - moment->year / 100 * 100;
        moment->year = (int64_t)reader->century * 100 + rest;
    }
    if (reader->has_yearday && !reader->has_month && !reader->has_day) {
        int64_t year;
        time_civil_from_days(
                time_days_from_civil(moment->year, 1, 1) + moment->yearday, &year, &month, &day);
        moment->month = (int)month - 1;
        moment->day = (int)day;
    }
    if (moment->day > 0) {
        date_set_days(moment,
                time_days_from_civil(moment->year, (unsigned)moment->month + 1, 1) + moment->day
                        - 1);
    }
}

static bool fail_date(struct machine *machine, const struct json *values) {
    return fail(machine, "date \"" STR_FMT "\" does not match format \"" STR_FMT "\"",
            STR_ARG(str_slice(json_str(values[0]), 0, 150)),
            STR_ARG(str_slice(json_str(values[1]), 0, 150)));
}

bool native_strptime(struct machine *machine, const struct json *values, struct json *ret) {
    struct moment moment = { .year = 1900, .day = 0 };
    struct reader reader = { .moment = &moment };

    if (values[0].type != JSON_STRING || values[1].type != JSON_STRING) {
        return fail(machine, "strptime/1 requires string inputs and arguments");
    }
    if (!charge(machine, (values[0].count + values[1].count) / 8)) return false;
    if (!charge_bytes(machine, (size_t)values[0].count + values[1].count)) return false;
    reader.at = str_to_c(json_str(values[0]), machine->arena);
    if (!read_format(&reader, str_to_c(json_str(values[1]), machine->arena)))
        return fail_date(machine, values);
    bool blank = *reader.at && strchr(" \t\n\v\f\r", *reader.at);
    if (*reader.at && !blank) return fail_date(machine, values);
    complete(&reader);
    *ret = date_to_json(machine, &moment);
    if (blank) *ret = json_append(*ret, json_string(str_from(reader.at)), machine->arena);
    return true;
}

bool native_fromdate(struct machine *machine, const struct json *values, struct json *ret) {
    const struct json both[] = { values[0], json_string(STR("%Y-%m-%dT%H:%M:%SZ")) };
    struct json parsed;

    return native_strptime(machine, both, &parsed) && native_mktime(machine, &parsed, ret);
}

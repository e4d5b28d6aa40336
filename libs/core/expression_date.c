/* Dates: broken-down times as jq's arrays [year, month from 0, day, hours, minutes, seconds, day
 * of the week, day of the year]. UTC and the C locale only, and no clock: `now` is the time of
 * the input. */
#include "core/expression_date.h"

#include <math.h>
#include <string.h>

enum { DAY_SECONDS = 24 * 60 * 60, YEAR_LIMIT = 1000 * 1000, DATE_TEXT_SIZE = 64 * 1024 };

const char *const date_day_names[7] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
    "Friday", "Saturday" };
const char *const date_month_names[12] = { "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December" };

static int64_t floor_divide(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

void date_set_days(struct moment *moment, int64_t days) {
    moment->weekday =
            (int)(days + 4 - floor_divide(days + 4, 7) * 7); /* 1970 began on a Thursday */
    moment->yearday = (int)(days - time_days_from_civil(moment->year, 1, 1));
}

bool date_from_seconds(double seconds, struct moment *ret) {
    unsigned month, day;

    if (!(fabs(seconds) < (double)YEAR_LIMIT * 366 * DAY_SECONDS)) return false;
    int64_t whole = (int64_t)floor(seconds), days = floor_divide(whole, DAY_SECONDS);
    int rest = (int)(whole - days * DAY_SECONDS);
    memset(ret, 0, sizeof(*ret));
    time_civil_from_days(days, &ret->year, &month, &day);
    ret->month = (int)month - 1;
    ret->day = (int)day;
    ret->hour = rest / 3600;
    ret->minute = rest / 60 % 60;
    ret->second = rest % 60;
    ret->fraction = seconds - floor(seconds);
    date_set_days(ret, days);
    return true;
}

struct json date_to_json(struct machine *machine, const struct moment *moment) {
    const struct json fields[] = { number_of((double)moment->year), number_of(moment->month),
        number_of(moment->day), number_of(moment->hour), number_of(moment->minute),
        number_of(moment->second + moment->fraction), number_of(moment->weekday),
        number_of(moment->yearday) };

    return json_array_from(fields, ARRAY_SIZE(fields), machine->arena);
}

/* Seconds since 1970; fields out of range carry over, as with timegm. */
static double moment_seconds(const struct moment *moment) {
    int64_t year = moment->year + floor_divide(moment->month, 12);
    int64_t month = moment->month - floor_divide(moment->month, 12) * 12;
    int64_t days = time_days_from_civil(year, (unsigned)month + 1, 1) + moment->day - 1;

    return (double)(days * DAY_SECONDS + (int64_t)moment->hour * 3600 + (int64_t)moment->minute * 60
            + moment->second);
}

/* Six fields at least, all of them numbers. */
static bool moment_from_json(struct json value, struct moment *ret) {
    double fields[8] = { 0 };

    if (value.type != JSON_ARRAY || value.count < 3) return false;
    for (uint32_t i = 0; i < MIN(value.count, 8u); i++) {
        struct json field = json_at(value, i);
        if (field.type != JSON_NUMBER) return false;
        fields[i] = number_value(field);
        if (!(fabs(fields[i]) < YEAR_LIMIT)) return false;
    }
    *ret = (struct moment){ (int64_t)fields[0], (int)fields[1], (int)fields[2], (int)fields[3],
        (int)fields[4], (int)fields[5], (int)fields[6], (int)fields[7], 0 };
    return true;
}

bool native_now(struct machine *machine, const struct json *values, struct json *ret) {
    (void)values;
    *ret = number_of(machine->environment ? (double)machine->environment->now_ms / 1000.0 : 0);
    return true;
}

bool native_gmtime(struct machine *machine, const struct json *values, struct json *ret) {
    struct moment moment;

    if (values[0].type != JSON_NUMBER) return fail(machine, "gmtime() requires numeric inputs");
    if (!date_from_seconds(number_value(values[0]), &moment)) {
        return fail(machine, "error converting number of seconds since epoch to datetime");
    }
    *ret = date_to_json(machine, &moment);
    return true;
}

bool native_mktime(struct machine *machine, const struct json *values, struct json *ret) {
    struct moment moment;

    if (values[0].type != JSON_ARRAY) return fail(machine, "mktime requires array inputs");
    if (!moment_from_json(values[0], &moment))
        return fail(machine, "mktime requires parsed datetime inputs");
    *ret = number_of(moment_seconds(&moment));
    return true;
}

/* ---- writing ---- */

/* The week of the year and the year it belongs to (ISO 8601). */
static int iso_week(const struct moment *moment, int64_t *ret_year) {
    int monday_based = (moment->weekday + 6) % 7, week = (moment->yearday - monday_based + 10) / 7;

    *ret_year = moment->year;
    if (week < 1) {
        struct moment last = { .year = moment->year - 1, .month = 11, .day = 31 };
        date_set_days(&last, time_days_from_civil(last.year, 12, 31));
        return iso_week(&last, ret_year);
    }
    if (week == 53) {
        int64_t days = time_days_from_civil(moment->year + 1, 1, 1);
        int first = (int)(days + 3 - floor_divide(days + 3, 7) * 7); /* from Monday */
        if (first <= 3) {
            *ret_year = moment->year + 1;
            return 1;
        }
    }
    return week;
}

static const char *name_at(const char *const *names, int count, int index) {
    return index >= 0 && index < count ? names[index] : "?";
}

static void put_text(struct buf *buf, const char *text, size_t size, char flag) {
    for (size_t i = 0; i < size && text[i]; i++) {
        bool lower = text[i] >= 'a' && text[i] <= 'z', upper = text[i] >= 'A' && text[i] <= 'Z';
        bool flip = (flag == '^' && lower) || (flag == '#' && (lower || upper));
        buf_append_char(buf, flip ? (char)((unsigned char)text[i] ^ 0x20u) : text[i]);
    }
}

/* A number, filled up to `width` with zeroes or blanks, unless a flag says otherwise. */
static void put_number(struct buf *buf, int64_t number, int width, char fill, char flag) {
    if (flag == '-') {
        buf_append_format(buf, "%lld", (long long)number);
    } else if (flag == '_' || (fill == ' ' && flag != '0')) {
        buf_append_format(buf, "%*lld", width, (long long)number);
    } else {
        buf_append_format(buf, "%0*lld", width, (long long)number);
    }
}

static void put_format(struct buf *buf, const struct moment *moment, const char *format);

/* The conversions that stand for others. */
const char *date_composed(char c) {
    switch (c) {
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'T':
    case 'X': return "%H:%M:%S";
    case 'R': return "%H:%M";
    case 'r': return "%I:%M:%S %p";
    default: return NULL;
    }
}

static bool put_name(struct buf *buf, const struct moment *moment, char c, char flag) {
    const char *day = name_at(date_day_names, 7, moment->weekday),
               *month = name_at(date_month_names, 12, moment->month);

    switch (c) {
    case 'a': put_text(buf, day, 3, flag); return true;
    case 'A': put_text(buf, day, 16, flag); return true;
    case 'b':
    case 'h': put_text(buf, month, 3, flag); return true;
    case 'B': put_text(buf, month, 16, flag); return true;
    case 'p': put_text(buf, moment->hour < 12 ? "AM" : "PM", 2, flag); return true;
    case 'P': put_text(buf, moment->hour < 12 ? "am" : "pm", 2, flag); return true;
    case 'Z': put_text(buf, "UTC", 3, flag); return true;
    case 'z': put_text(buf, "+0000", 5, 0); return true;
    case 'n': buf_append_char(buf, '\n'); return true;
    case 't': buf_append_char(buf, '\t'); return true;
    case '%': buf_append_char(buf, '%'); return true;
    default: return false;
    }
}

struct field {
    int64_t number;
    int width;
    char fill;
};

static bool find_field(const struct moment *moment, char c, struct field *ret) {
    int64_t iso_year = 0;
    int week = c == 'V' || c == 'G' || c == 'g' ? iso_week(moment, &iso_year) : 0;
    int hour = moment->hour % 12 ? moment->hour % 12 : 12;
    int monday_based = (moment->weekday + 6) % 7;

    switch (c) {
    case 'Y': *ret = (struct field){ moment->year, 1, '0' }; break;
    case 'G': *ret = (struct field){ iso_year, 1, '0' }; break;
    case 'C': *ret = (struct field){ floor_divide(moment->year, 100), 2, '0' }; break;
    case 'y':
        *ret = (struct field){ moment->year - floor_divide(moment->year, 100) * 100, 2, '0' };
        break;
    case 'g': *ret = (struct field){ iso_year - floor_divide(iso_year, 100) * 100, 2, '0' }; break;
    case 'm': *ret = (struct field){ moment->month + 1, 2, '0' }; break;
    case 'd': *ret = (struct field){ moment->day, 2, '0' }; break;
    case 'e': *ret = (struct field){ moment->day, 2, ' ' }; break;
    case 'H': *ret = (struct field){ moment->hour, 2, '0' }; break;
    case 'k': *ret = (struct field){ moment->hour, 2, ' ' }; break;
    case 'I': *ret = (struct field){ hour, 2, '0' }; break;
    case 'l': *ret = (struct field){ hour, 2, ' ' }; break;
    case 'M': *ret = (struct field){ moment->minute, 2, '0' }; break;
    case 'S': *ret = (struct field){ moment->second, 2, '0' }; break;
    case 'j': *ret = (struct field){ moment->yearday + 1, 3, '0' }; break;
    case 'u': *ret = (struct field){ moment->weekday ? moment->weekday : 7, 1, '0' }; break;
    case 'w': *ret = (struct field){ moment->weekday, 1, '0' }; break;
    case 'U': *ret = (struct field){ (moment->yearday - moment->weekday + 7) / 7, 2, '0' }; break;
    case 'W': *ret = (struct field){ (moment->yearday - monday_based + 7) / 7, 2, '0' }; break;
    case 'V': *ret = (struct field){ week, 2, '0' }; break;
    case 's': *ret = (struct field){ (int64_t)moment_seconds(moment), 1, '0' }; break;
    default: return false;
    }
    return true;
}

static bool put_conversion(
        struct buf *buf, const struct moment *moment, char c, char flag, int width) {
    const char *others = date_composed(c);
    struct field field;

    if (others) {
        put_format(buf, moment, others);
        return true;
    }
    if (put_name(buf, moment, c, flag)) return true;
    if (!find_field(moment, c, &field)) return false;
    put_number(buf, field.number, MAX(width, field.width), field.fill, flag);
    return true;
}

/* As strftime in the C locale, with glibc's flags and widths; what it does not know stays as it
 * is. */
static void put_format(struct buf *buf, const struct moment *moment, const char *format) {
    for (const char *at = format; *at && !buf->over; at++) {
        const char *start = at;
        char flag = 0;
        int width = 0;
        if (*at != '%') {
            buf_append_char(buf, *at);
            continue;
        }
        at++;
        while (*at && strchr("-_0^#", *at))
            flag = *at++;
        while (*at >= '0' && *at <= '9' && width < 100)
            width = width * 10 + (*at++ - '0');
        if ((*at == 'E' || *at == 'O') && at[1]) at++;
        if (*at && put_conversion(buf, moment, *at, flag, width)) continue;
        if (!*at) at--;
        buf_append(buf, (struct str){ start, (size_t)(at - start) + 1 });
    }
}

bool native_strftime(struct machine *machine, const struct json *values, struct json *ret) {
    struct moment moment;
    struct buf buf;
    bool is_number = values[0].type == JSON_NUMBER, ok = is_number || values[0].type == JSON_ARRAY;

    if (ok && values[1].type != JSON_STRING)
        return fail(machine, "strftime/1 requires a string format");
    ok = is_number ? date_from_seconds(number_value(values[0]), &moment)
                   : moment_from_json(values[0], &moment);
    if (!ok) return fail(machine, "strftime/1 requires parsed datetime inputs");
    /* Parts that follow from the date need not be there, and are not believed. */
    if (moment.month >= 0 && moment.month < 12 && values[0].count < 8) {
        date_set_days(&moment,
                time_days_from_civil(moment.year, (unsigned)moment.month + 1, 1) + moment.day - 1);
    }
    if (!charge(machine, values[1].count / 4)
            || !charge_bytes(machine, (size_t)values[1].count * 4))
        return false;
    buf_init(&buf, DATE_TEXT_SIZE);
    put_format(&buf, &moment, str_to_c(json_str(values[1]), machine->arena));
    ok = !buf_is_over(&buf);
    if (ok) *ret = json_string_copy(buf_str(&buf), machine->arena);
    buf_clear(&buf);
    return ok || fail(machine, "strftime/1: unknown system failure");
}

bool native_todate(struct machine *machine, const struct json *values, struct json *ret) {
    const struct json both[] = { values[0], json_string(STR("%Y-%m-%dT%H:%M:%SZ")) };

    return native_strftime(machine, both, ret);
}

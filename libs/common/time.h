#pragma once
/* Dates and durations as text (RFC 3339, ISO 8601). Pure: UTC only, no zones, no clock. */

#include "common/str.h"

enum { TIME_TEXT_SIZE = 32 };

/* ms since 1970 → "2026-07-29T12:00:00.000Z"; returns the str in `text`. */
struct str time_format(int64_t time_ms, char text[TIME_TEXT_SIZE]);

/* RFC 3339 with any offset and any number of fraction digits. */
MUST_USE bool time_parse(struct str text, int64_t *ret_ms);

/* Civil date ↔ days since 1970, proleptic Gregorian. */
int64_t time_days_from_civil(int64_t year, unsigned month, unsigned day);
void time_civil_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);

/* A duration: calendar months and the rest, since P1M has no fixed length (language.md, E93). */
struct duration {
    int64_t months;
    int64_t ms;
};

/* ISO 8601: PnYnMnWnDTnHnMnS with fractions in any component but years and months. */
MUST_USE bool duration_parse(struct str text, struct duration *ret);

/* start + duration, calendar arithmetic in UTC: the day is clipped to the month's last. Saturates. */
int64_t duration_add(int64_t start_ms, struct duration duration);

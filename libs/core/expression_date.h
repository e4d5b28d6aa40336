#pragma once
/* Broken-down times, for libs/core/expression_date*.c alone. */

#include "common/time.h"
#include "core/expression_internal.h"

struct moment {
    int64_t year;
    int month, day, hour, minute, second, weekday,
            yearday; /* month from 0, day from 1, weekday from Sunday */
    double fraction;
};

extern const char *const date_day_names[7], *const date_month_names[12];

/* Sets what follows from the date, which is `days` after 1970 began. */
void date_set_days(struct moment *moment, int64_t days);
bool date_from_seconds(double seconds, struct moment *ret);
struct json date_to_json(struct machine *machine, const struct moment *moment);

/* The format a conversion stands for, NULL if it is one of its own. */
const char *date_composed(char c);

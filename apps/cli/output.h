#pragma once
/* What people read: tables in columns, statuses in colour, problems with their places. Control characters in data are
 * shown as '?', so that nobody's data steers a terminal. */

#include <stdio.h>

#include "apps/cli/cli.h"

enum { TABLE_COLUMNS_MAX = 8 };

struct table {
    struct arena *arena;
    size_t column_count, row_count, row_capacity;
    struct str *cells; /* row by row, the head first */
};

/* Heads are C strings, ended by NULL. */
void table_init(struct table *table, struct arena *arena, const char *const *heads);

/* Adds a row of column_count cells; they are borrowed. */
void table_add(struct table *table, const struct str *cells);

/* `width`: of the terminal, 0 for any; longer rows are cut. A cell that is a status gets its colour. */
void table_print(const struct table *table, FILE *file, size_t width, bool is_colour);

/* Columns that a text takes on a terminal; combining marks take none, East Asian letters and emoji two. */
size_t text_width(struct str text);

/* A copy that fits into `width` columns, cut with "…" if need be, and without control characters. */
struct str text_fit(struct str text, size_t width, struct arena *arena);

size_t output_width(void);              /* of standard output; 0: it is no terminal */
void output_text(const struct cli *cli, struct str text);  /* a line */
void output_json(const struct cli *cli, struct json value); /* indented, digits as they came */
void output_answer(struct str body);    /* as it came, with a line end */
void output_status(const struct cli *cli, struct str status, FILE *file); /* in colour where there is colour */

/* Prints an RFC 9457 problem to standard error: what it is, and each fault as FILE:LINE:COLUMN pointer detail. */
void output_problem(const struct cli *cli, int status, struct json problem, struct str file);

/* "2026-07-29T12:00:00.000Z" as "2026-07-29 12:00:00"; what is no time stays as it is. */
struct str output_time(struct json time, struct arena *arena);

#include "apps/cli/output.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/assert.h"

enum { GAP = 2 /* columns between columns */, ROWS_FIRST = 64 };

/* ---- width ---- */

/* One code point from valid UTF-8; anything else is taken as one byte of width 1. */
static uint32_t next_code_point(struct str text, size_t *at) {
    unsigned char c = (unsigned char)text.data[*at];
    size_t size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || *at + size > text.size) size = 1;
    uint32_t code = size == 1 ? c : c & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) code = code << 6 | ((unsigned char)text.data[*at + i] & 0x3f);
    *at += size;
    return code;
}

struct range {
    uint32_t from, to;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t code) {
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].from && code <= ranges[i].to) return true;
    }
    return false;
}

/* Blocks, not single letters: near enough for columns of names. */
static size_t code_width(uint32_t code) {
    static const struct range zero[] = { { 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x610, 0x61a },
        { 0x64b, 0x65f }, { 0x93c, 0x93c }, { 0xe31, 0xe31 }, { 0xe34, 0xe3a }, { 0xe47, 0xe4e }, { 0x1ab0, 0x1aff },
        { 0x1dc0, 0x1dff }, { 0x200b, 0x200f }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f } };
    static const struct range wide[] = { { 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf }, { 0xac00, 0xd7a3 },
        { 0xf900, 0xfaff }, { 0xfe30, 0xfe4f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f },
        { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd } };

    if (code < 0x300) return 1;
    if (is_in(zero, ARRAY_SIZE(zero), code)) return 0;
    return is_in(wide, ARRAY_SIZE(wide), code) ? 2 : 1;
}

size_t text_width(struct str text) {
    size_t width = 0;

    for (size_t at = 0; at < text.size;) width += code_width(next_code_point(text, &at));
    return width;
}

static bool is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e)
            || (code >= 0x2066 && code <= 0x2069);
}

struct str text_fit(struct str text, size_t width, struct arena *arena) {
    static const struct str dots = STR_INIT("…");
    bool is_cut = text_width(text) > width;
    size_t room = is_cut && width ? width - 1 : width, taken = 0, size = 0;
    char *fitted = arena_alloc(arena, text.size + dots.size);

    for (size_t at = 0; at < text.size;) {
        size_t from = at;
        uint32_t code = next_code_point(text, &at);
        if (taken + code_width(code) > room) break;
        taken += code_width(code);
        if (is_control(code)) {
            fitted[size++] = '?';
            continue;
        }
        memcpy(fitted + size, text.data + from, at - from);
        size += at - from;
    }
    if (is_cut && width) {
        memcpy(fitted + size, dots.data, dots.size);
        size += dots.size;
    }
    return (struct str){ fitted, size };
}

/* ---- colour ---- */

static const char *colour_of(struct str text) {
    static const struct {
        const char *status, *colour;
    } colours[] = { { "completed", "\033[32m" }, { "faulted", "\033[31m" }, { "cancelled", "\033[33m" },
        { "terminated", "\033[33m" }, { "suspended", "\033[33m" }, { "running", "\033[36m" }, { "waiting", "\033[34m" } };

    for (size_t i = 0; i < ARRAY_SIZE(colours); i++) {
        if (str_equal(text, str_from(colours[i].status))) return colours[i].colour;
    }
    return NULL;
}

static void print_cell(FILE *file, struct str shown, const char *colour) {
    fprintf(file, "%s" STR_FMT "%s", colour ? colour : "", STR_ARG(shown), colour ? "\033[0m" : "");
}

void output_status(const struct cli *cli, struct str status, FILE *file) {
    print_cell(file, text_fit(status, SIZE_MAX, cli->arena), cli->is_colour ? colour_of(status) : NULL);
}

/* ---- tables ---- */

void table_init(struct table *table, struct arena *arena, const char *const *heads) {
    struct str cells[TABLE_COLUMNS_MAX];

    *table = (struct table){ .arena = arena };
    while (heads[table->column_count]) {
        assert(table->column_count < TABLE_COLUMNS_MAX);
        cells[table->column_count] = str_from(heads[table->column_count]);
        table->column_count++;
    }
    table_add(table, cells);
}

void table_add(struct table *table, const struct str *cells) {
    size_t row_size = table->column_count * sizeof(struct str);

    if (table->row_count == table->row_capacity) {
        size_t capacity = table->row_capacity ? table->row_capacity * 2 : (size_t)ROWS_FIRST;
        struct str *grown = arena_alloc(table->arena, capacity * row_size);
        if (table->row_count) memcpy(grown, table->cells, table->row_count * row_size);
        table->cells = grown;
        table->row_capacity = capacity;
    }
    memcpy(table->cells + table->row_count * table->column_count, cells, row_size);
    table->row_count++;
}

static void print_row(const struct table *table, size_t row, const size_t *widths, FILE *file, bool is_colour) {
    const struct str *cells = table->cells + row * table->column_count;

    for (size_t i = 0; i < table->column_count; i++) {
        struct str shown = text_fit(cells[i], widths[i], table->arena);
        const char *colour = row == 0 ? "\033[1m" : colour_of(cells[i]);
        print_cell(file, shown, is_colour ? colour : NULL);
        if (i + 1 == table->column_count) break;
        size_t padding = widths[i] - text_width(shown) + GAP;
        fprintf(file, "%*s", (int)padding, "");
    }
    fputc('\n', file);
}

void table_print(const struct table *table, FILE *file, size_t width, bool is_colour) {
    size_t widths[TABLE_COLUMNS_MAX] = { 0 }, used = 0;

    for (size_t i = 0; i < table->row_count * table->column_count; i++) {
        size_t *widest = &widths[i % table->column_count];
        *widest = MAX(*widest, text_width(table->cells[i]));
    }
    for (size_t i = 0; i + 1 < table->column_count; i++) used += widths[i] + GAP;
    size_t *last = &widths[table->column_count - 1];
    if (width > used && *last > width - used) *last = width - used;
    for (size_t row = 0; row < table->row_count; row++) print_row(table, row, widths, file, is_colour);
}

/* ---- the rest ---- */

size_t output_width(void) {
    struct winsize size;

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

void output_text(const struct cli *cli, struct str text) {
    printf(STR_FMT "\n", STR_ARG(text_fit(text, SIZE_MAX, cli->arena)));
}

void output_json(const struct cli *cli, struct json value) {
    struct buf buf;

    (void)cli;
    buf_init(&buf, CLI_TEXT_MAX);
    json_write(&buf, value, JSON_PRETTY);
    output_answer(buf_str(&buf));
    buf_clear(&buf);
}

void output_answer(struct str body) {
    (void)fwrite(body.data ? body.data : "", 1, body.size, stdout);
    if (body.size == 0 || body.data[body.size - 1] != '\n') putchar('\n');
}

static void print_fault(const struct cli *cli, struct json fault, struct str file) {
    int64_t line = json_int64_or(json_get(fault, STR("line")), 0);
    int64_t column = json_int64_or(json_get(fault, STR("column")), 0);
    struct str pointer = text_fit(json_str(json_get(fault, STR("pointer"))), SIZE_MAX, cli->arena);
    struct str detail = text_fit(json_str(json_get(fault, STR("detail"))), SIZE_MAX, cli->arena);

    if (file.size && line) {
        fprintf(stderr, STR_FMT ":%lld:%lld: ", STR_ARG(file), (long long)line, (long long)column);
    } else {
        fprintf(stderr, "  ");
    }
    fprintf(stderr, STR_FMT "%s" STR_FMT "\n", STR_ARG(pointer), pointer.size ? "  " : "", STR_ARG(detail));
}

void output_problem(const struct cli *cli, int status, struct json problem, struct str file) {
    struct str title = text_fit(json_str_or(json_get(problem, STR("title")), STR("Refused")), SIZE_MAX, cli->arena);
    struct str detail = text_fit(json_str(json_get(problem, STR("detail"))), SIZE_MAX, cli->arena);
    struct json faults = json_get(problem, STR("errors"));

    fprintf(stderr, "penstock: %d " STR_FMT "%s" STR_FMT "\n", status, STR_ARG(title), detail.size ? ": " : "",
            STR_ARG(detail));
    for (size_t i = 0; i < json_size(faults); i++) print_fault(cli, json_at(faults, i), file);
}

struct str output_time(struct json time, struct arena *arena) {
    struct str text = json_str(time);

    if (text.size < 20 || text.data[10] != 'T') return text;
    return str_format(arena, STR_FMT " " STR_FMT, STR_ARG(str_slice(text, 0, 10)), STR_ARG(str_slice(text, 11, 19)));
}

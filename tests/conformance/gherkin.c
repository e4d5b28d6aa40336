#include "tests/conformance/gherkin.h"

#include <string.h>

#include "common/arena.h"
#include "common/buf.h"

enum { SCENARIOS_MAX = 256, STEPS_MAX = 64 };

static size_t indent_of(struct str line) {
    size_t i = 0;

    while (i < line.size && line.data[i] == ' ') i++;
    return i;
}

/* Everything up to the closing """, less the indentation of the opening one. */
static struct str read_document(struct str *rest, size_t indent, unsigned *line_number, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, 1024 * 1024);
    while (rest->size) {
        struct str line = str_cut(rest, '\n');
        ++*line_number;
        if (str_starts_with(str_trim(line), STR("\"\"\""))) break;
        buf_append(&buf, str_slice(line, MIN(indent, indent_of(line)), line.size));
        buf_append_char(&buf, '\n');
    }
    struct str text = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

/* Keywords come in odd pairs ("And given …"): all of them go. */
static struct str without_keywords(struct str line) {
    static const struct str keywords[] = { STR_INIT("given "), STR_INIT("when "), STR_INIT("then "), STR_INIT("and "), STR_INIT("but ") };

    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        if (!str_equal_nocase(str_slice(line, 0, keywords[i].size), keywords[i])) continue;
        line = str_trim(str_slice(line, keywords[i].size, line.size));
        i = (size_t)-1;
    }
    return line;
}

void gherkin_read(struct str text, struct arena *arena, struct gherkin_feature *ret) {
    struct gherkin_scenario *scenario = NULL;
    unsigned number = 0;

    *ret = (struct gherkin_feature){ .scenarios = arena_new_many(arena, struct gherkin_scenario, SCENARIOS_MAX) };
    while (text.size) {
        struct str line = str_cut(&text, '\n'), trimmed = str_trim(line);
        number++;
        if (trimmed.size == 0 || trimmed.data[0] == '#') continue;
        if (str_starts_with(trimmed, STR("Feature:"))) {
            ret->name = str_trim(str_slice(trimmed, 8, trimmed.size));
        } else if (str_starts_with(trimmed, STR("Scenario:"))) {
            if (ret->scenario_count == SCENARIOS_MAX) return;
            scenario = &ret->scenarios[ret->scenario_count++];
            scenario->name = str_trim(str_slice(trimmed, 9, trimmed.size));
            scenario->steps = arena_new_many(arena, struct gherkin_step, STEPS_MAX);
        } else if (str_starts_with(trimmed, STR("\"\"\"")) && scenario && scenario->step_count) {
            scenario->steps[scenario->step_count - 1].document = read_document(&text, indent_of(line), &number, arena);
        } else if (scenario && scenario->step_count < STEPS_MAX) {
            scenario->steps[scenario->step_count++] = (struct gherkin_step){ .text = without_keywords(trimmed), .line = number };
        }
    }
}

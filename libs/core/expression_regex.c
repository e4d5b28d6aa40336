/* match, test, capture, splits, sub, and what they need. */
#include <math.h>
#include <string.h>

#include "common/regex.h"
#include "core/expression_internal.h"

struct pattern {
    const struct regex *regex;
    bool global, not_empty;
};

/* Reads jq's flags into those of the library; `g` and `n` are ours. */
static bool read_flags(
        struct machine *machine, struct json flags, struct pattern *pattern, unsigned *ret) {
    unsigned options = 0;

    if (json_is_null(flags)) flags = json_string(STR(""));
    if (flags.type != JSON_STRING) return fail_type(machine, flags, "is not a string");
    for (uint32_t i = 0; i < flags.count; i++) {
        switch (flags.text[i]) {
        case 'g': pattern->global = true; break;
        case 'n': pattern->not_empty = true; break;
        case 'i': options |= REGEX_NOCASE; break;
        case 'x': options |= REGEX_EXTENDED; break;
        case 'p': options |= REGEX_DOTALL; break;
        case 'm': options |= REGEX_DOTALL; break;
        case 's':
        case 'l': break;
        default:
            return fail(
                    machine, STR_FMT " is not a valid modifier string", STR_ARG(json_str(flags)));
        }
    }
    *ret = options;
    return true;
}

/* Patterns are compiled once for each evaluation, the last few of them. */
static bool compile(
        struct machine *machine, struct json text, unsigned flags, const struct regex **ret) {
    struct err err;

    for (size_t i = 0; i < MACHINE_PATTERNS; i++) {
        const struct pattern_cache *known = &machine->patterns[i];
        if (known->regex && known->flags == flags && str_equal(known->pattern, json_str(text))) {
            *ret = known->regex;
            return true;
        }
    }
    if (!charge(machine, 100 + text.count / 4) || !charge_bytes(machine, (size_t)text.count * 32))
        return false;
    /* Classes know all of Unicode and a name may be given twice, as with jq's own library. */
    struct str pattern = str_format(machine->arena, "(*UCP)(?J)" STR_FMT, STR_ARG(json_str(text)));
    if (!regex_compile(pattern, flags, machine->arena, ret, &err)) {
        const char *why = strstr(err.message, ": "); /* its offset counts what we put before */
        return fail(machine, "Regex failure: %s", why ? why + 2 : err.message);
    }
    machine->patterns[machine->pattern_next++ % MACHINE_PATTERNS] =
            (struct pattern_cache){ json_str(text), flags, *ret };
    return true;
}

/* The pattern and its flags come as two values, or as one, perhaps an array of both. */
static bool find_pattern(struct machine *machine, const struct json *values, bool has_flags,
        struct pattern *pattern) {
    struct json text = values[1], flags = has_flags ? values[2] : json_null();
    unsigned options = 0;

    if (!has_flags && text.type == JSON_ARRAY && text.count > 0) {
        flags = text.count > 1 ? json_at(text, 1) : json_null();
        text = json_at(text, 0);
    } else if (!has_flags && text.type != JSON_STRING) {
        return fail(machine, "%s not a string or array", json_type_name(text));
    }
    if (values[0].type != JSON_STRING)
        return fail_type(machine, values[0], "cannot be matched, as it is not a string");
    if (text.type != JSON_STRING) return fail_type(machine, text, "is not a string");
    if (!read_flags(machine, flags, pattern, &options)) return false;
    return compile(machine, text, options, &pattern->regex);
}

/* ---- one match after the other ---- */

struct search {
    struct machine *machine;
    struct pattern pattern;
    struct str text;
    size_t at; /* where to look next */
    bool done;
    const struct regex_group *groups;
    size_t count;
    size_t counted, points; /* code points up to byte `counted` */
};

/* Finds the next match; *ret_found is false when there is none. */
static bool search_next(struct search *search, bool *ret_found) {
    struct machine *machine = search->machine;
    struct err err;

    for (*ret_found = false; !search->done && !*ret_found;) {
        if (!charge(machine, 4 + (search->text.size - search->at) / 256)) return false;
        if (!regex_search(search->pattern.regex, search->text, search->at, machine->arena,
                    &search->groups, &search->count, &err)) {
            if (err.code == ERR_TOO_LARGE) return spend(machine, "steps of a regular expression");
            return fail(machine, "Regex failure: %s", err.message);
        }
        if (search->count == 0) return true;
        struct regex_group whole = search->groups[0];
        bool empty = whole.from == whole.to;
        search->at = empty ? string_offset(search->text, whole.to, 1) : whole.to;
        search->done = !search->pattern.global || (empty && whole.to == search->text.size);
        *ret_found = !empty || !search->pattern.not_empty;
        if (!*ret_found && !search->pattern.global) search->done = whole.to == search->text.size;
    }
    return true;
}

static struct json text_between(const struct search *search, size_t from, size_t upto) {
    return json_string(str_slice(search->text, from, upto));
}

/* Code points before byte `at`, counted on from where we counted last. */
static double points_before(struct search *search, size_t at) {
    if (at < search->counted) search->counted = search->points = 0;
    search->points += string_length(str_slice(search->text, search->counted, at));
    search->counted = at;
    return (double)search->points;
}

static struct json put(
        struct search *search, struct json object, struct str key, struct json value) {
    return json_set(object, key, value, search->machine->arena);
}

static struct json describe(struct search *search, size_t index) {
    struct regex_group group = search->groups[index];
    bool took_part = group.from <= group.to;
    struct json object = json_object(search->machine->arena, 4);
    struct json text = took_part ? text_between(search, group.from, group.to) : json_null();
    double length = took_part ? (double)string_length(json_str(text)) : 0;

    object = put(search, object, STR("offset"),
            number_of(took_part ? points_before(search, group.from) : -1));
    object = put(search, object, STR("length"), number_of(length));
    return put(search, object, STR("string"), text);
}

static struct json describe_all(struct search *search) {
    struct arena *arena = search->machine->arena;
    struct json captures = json_array(arena, search->count - 1), match = describe(search, 0);

    for (size_t i = 1; i < search->count; i++) {
        struct str name = search->groups[i].name;
        struct json capture = describe(search, i);
        capture = put(search, capture, STR("name"), name.size ? json_string(name) : json_null());
        captures = json_append(captures, capture, arena);
    }
    search->machine->built += BUILT_LITTLE;
    return put(search, match, STR("captures"), captures);
}

static bool search_start(
        struct machine *machine, const struct json *values, bool has_flags, struct search *search) {
    *search = (struct search){ .machine = machine, .text = json_str(values[0]) };
    return find_pattern(machine, values, has_flags, &search->pattern);
}

static bool match(
        struct machine *machine, const struct json *values, bool has_flags, struct json *ret) {
    struct json matches = json_array(machine->arena, 0);
    struct search search;
    bool found;

    if (!search_start(machine, values, has_flags, &search)) return false;
    for (;;) {
        if (!search_next(&search, &found)) return false;
        if (!found) break;
        matches = json_append(matches, describe_all(&search), machine->arena);
    }
    *ret = matches;
    return true;
}

bool native_match(struct machine *machine, const struct json *values, struct json *ret) {
    return match(machine, values, false, ret);
}

bool native_match_flags(struct machine *machine, const struct json *values, struct json *ret) {
    return match(machine, values, true, ret);
}

static bool test(
        struct machine *machine, const struct json *values, bool has_flags, struct json *ret) {
    struct search search;
    bool found;

    if (!search_start(machine, values, has_flags, &search) || !search_next(&search, &found))
        return false;
    *ret = json_bool(found);
    return true;
}

bool native_test(struct machine *machine, const struct json *values, struct json *ret) {
    return test(machine, values, false, ret);
}

bool native_test_flags(struct machine *machine, const struct json *values, struct json *ret) {
    return test(machine, values, true, ret);
}

/* ---- what is made of matches ---- */

/* The named captures of a match, as an object. */
bool native_captured(struct machine *machine, const struct json *values, struct json *ret) {
    struct json captures = json_get(values[0], STR("captures"));
    struct json object = json_object(machine->arena, captures.count);

    for (uint32_t i = 0; i < json_size(captures); i++) {
        struct json capture = json_at(captures, i), name = json_get(capture, STR("name"));
        if (name.type != JSON_STRING) continue;
        object = json_set(object, json_str(name), json_get(capture, STR("string")), machine->arena);
    }
    *ret = object;
    return true;
}

static bool split(
        struct machine *machine, const struct json *values, bool has_flags, struct json *ret) {
    struct json pieces = json_array(machine->arena, 0);
    struct search search;
    size_t from = 0;
    bool found;

    if (!has_flags && values[1].type != JSON_STRING)
        return fail_type(machine, values[1], "is not a string");
    if (!search_start(machine, values, has_flags, &search)) return false;
    search.pattern.global = true;
    for (;;) {
        if (!search_next(&search, &found)) return false;
        if (!found) break;
        pieces = json_append(
                pieces, text_between(&search, from, search.groups[0].from), machine->arena);
        from = search.groups[0].to;
    }
    *ret = json_append(pieces, text_between(&search, from, search.text.size), machine->arena);
    return true;
}

bool native_split_by(struct machine *machine, const struct json *values, struct json *ret) {
    return split(machine, values, false, ret);
}

bool native_split_flags(struct machine *machine, const struct json *values, struct json *ret) {
    return split(machine, values, true, ret);
}

static struct json named_captures(struct search *search) {
    struct json object = json_object(search->machine->arena, search->count - 1);

    for (size_t i = 1; i < search->count; i++) {
        struct regex_group group = search->groups[i];
        if (group.name.size == 0) continue;
        struct json text =
                group.from <= group.to ? text_between(search, group.from, group.to) : json_null();
        object = put(search, object, group.name, text);
    }
    return object;
}

/* For `sub`: the text, the gaps before each match and behind the last, and the captures of each
 * match; null if there is no match. */
bool native_edits(struct machine *machine, const struct json *values, struct json *ret) {
    struct json gaps = json_array(machine->arena, 0), captures = json_array(machine->arena, 0);
    struct search search;
    size_t from = 0;
    bool found;

    if (!search_start(machine, values, true, &search)) return false;
    for (;;) {
        if (!search_next(&search, &found)) return false;
        if (!found) break;
        gaps = json_append(
                gaps, text_between(&search, from, search.groups[0].from), machine->arena);
        captures = json_append(captures, named_captures(&search), machine->arena);
        from = search.groups[0].to;
    }
    gaps = json_append(gaps, text_between(&search, from, search.text.size), machine->arena);
    struct json edits = json_object(machine->arena, 3);
    edits = put(&search, edits, STR("text"), values[0]);
    edits = put(&search, edits, STR("gaps"), gaps);
    edits = put(&search, edits, STR("captures"), captures);
    *ret = captures.count ? edits : json_null();
    return true;
}

/* The text with the `index`th replacement of every match that has so many. */
static bool edit(struct machine *machine, struct json gaps, struct json inserts, uint32_t index,
        struct json *ret) {
    struct str *pieces;
    size_t count = 0;

    if (!charge(machine, inserts.count)
            || !charge_bytes(machine, (size_t)inserts.count * 2 * sizeof(*pieces)))
        return false;
    pieces = arena_alloc(machine->arena, ((size_t)inserts.count * 2 + 1) * sizeof(*pieces));
    for (uint32_t i = 0; i < inserts.count; i++) {
        struct json insert = json_at(json_at(inserts, i), index);
        if (json_is_absent(insert)) continue;
        pieces[count++] = json_str(json_at(gaps, i));
        if (insert.type != JSON_STRING && !json_is_null(insert)) {
            return fail_types(machine, json_at(gaps, i), insert, "cannot be added");
        }
        pieces[count++] = json_str(insert);
    }
    pieces[count++] = json_str(json_at(gaps, gaps.count - 1));
    return join_strings(machine, pieces, count, ret);
}

/* Puts replacements into what native_edits gave; values[1] has an array of them for each match. */
bool native_edit(struct machine *machine, const struct json *values, struct json *ret) {
    struct json gaps = json_get(values[0], STR("gaps")), inserts = values[1];
    struct json results = json_array(machine->arena, 0), text = { 0 };
    uint32_t most = 0;

    for (uint32_t i = 0; i < inserts.count; i++)
        most = MAX(most, json_at(inserts, i).count);
    for (uint32_t i = 0; i < most; i++) {
        if (!edit(machine, gaps, inserts, i, &text)) return false;
        results = json_append(results, text, machine->arena);
    }
    *ret = most ? results : json_append(results, json_get(values[0], STR("text")), machine->arena);
    return true;
}

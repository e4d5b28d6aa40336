#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/buf.h"
#include "common/limits.h"
#include "core/intake_internal.h"
#include "core/schema_internal.h"

enum {
    NAMES_MAX = 64,
    TEXT_SIZE_MAX = 800,
    SHOWN_SIZE = 60,
    DEPTH_MAX = LIMIT_DEPTH,
    HOST_SIZE_MAX = 253
};

struct path {
    const struct path *up;
    struct str key; /* data NULL: an item */
    size_t index;
};

struct checker {
    struct faults *faults;
    uint32_t depth;
};

static void check_value(struct checker *checker, const struct rule *rule, struct json value,
        const struct path *path);

/* ---- telling ---- */

static struct str pointer_of(struct checker *checker, const struct path *path) {
    const struct path *steps[DEPTH_MAX * 3 + 8]; /* a task is three steps deeper, and one value */
    SCOPED(buf_clear) struct buf buf = { 0 };
    size_t count = 0;

    buf_init(&buf, LIMIT_BODY);
    for (; path && count < ARRAY_SIZE(steps); path = path->up)
        steps[count++] = path;
    while (count) {
        const struct path *step = steps[--count];
        buf_append_char(&buf, '/');
        if (!step->key.data) buf_append_format(&buf, "%zu", step->index);
        for (size_t i = 0; i < step->key.size; i++) {
            if (step->key.data[i] == '~') {
                buf_append_c(&buf, "~0");
            } else if (step->key.data[i] == '/') {
                buf_append_c(&buf, "~1");
            } else {
                buf_append_char(&buf, step->key.data[i]);
            }
        }
    }
    return str_copy(buf_str(&buf), checker->faults->arena);
}

#define TELL(checker, path, ...) \
    faults_add((checker)->faults, pointer_of(checker, path), __VA_ARGS__)

static struct str shown(struct str text) {
    size_t size = SHOWN_SIZE;

    if (text.size <= size) return text;
    while (size && ((unsigned char)text.data[size] & 0xC0) == 0x80)
        size--;
    return str_slice(text, 0, size);
}

static struct path below(const struct path *up, struct str key) {
    return (struct path){ .up = up, .key = key.data ? key : STR("") };
}

/* "a, b and c" */
static void list_names(struct buf *buf, const struct str *names, size_t count, const char *last) {
    for (size_t i = 0; i < count; i++) {
        buf_append_format(buf, "%s" STR_FMT,
                i == 0                   ? ""
                        : i + 1 == count ? last
                                         : ", ",
                STR_ARG(names[i]));
    }
}

static const char *kind_of(struct json value) {
    switch (json_type(value)) {
    case JSON_ABSENT:
    case JSON_NULL: return "nothing";
    case JSON_FALSE:
    case JSON_TRUE: return "true or false";
    case JSON_NUMBER: return "a number";
    case JSON_STRING: return "a text";
    case JSON_ARRAY: return "a list";
    case JSON_OBJECT: return "a mapping";
    }
    return "";
}

static void tell_kind(struct checker *checker, const struct rule *rule, struct json value,
        const struct path *path) {
    static const char *const kinds[] = { "a text", "true or false", "a whole number", "a mapping",
        "a list" };
    struct str names[ARRAY_SIZE(kinds)];
    SCOPED(buf_clear) struct buf buf = { 0 };
    size_t count = 0;

    buf_init(&buf, TEXT_SIZE_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (rule->types >> i & 1) names[count++] = str_from(kinds[i]);
    }
    if (rule->expected) {
        buf_append_c(&buf, rule->expected);
    } else {
        list_names(&buf, names, count, " or ");
    }
    bool is_unquoted = rule->types & IS_TEXT && !rule->expected
            && (json_type(value) == JSON_NUMBER || json_type(value) == JSON_TRUE
                    || json_type(value) == JSON_FALSE);
    TELL(checker, path, "expected " STR_FMT ", found %s%s", STR_ARG(buf_str(&buf)), kind_of(value),
            is_unquoted ? "; put it in quotes" : "");
}

/* ---- texts ---- */

static bool is_expression(struct str text) {
    struct str trimmed = str_trim(text);

    return trimmed.size > 3 && str_starts_with(trimmed, STR("${"))
            && str_ends_with(trimmed, STR("}"));
}

static bool has_format(const char *name, struct str text) {
    return schema_format_find(str_from(name))(text);
}

/* The schema's uriTemplate: a template or a reference, not empty, no expression. */
static bool is_uri(struct str text) {
    if (text.size == 0 || str_starts_with(str_trim(text), STR("${"))) return false;
    return has_format("uri-template", text) || has_format("uri-reference", text);
}

static size_t digits_of(struct str text) {
    size_t count = 0;

    while (count < text.size && text.data[count] >= '0' && text.data[count] <= '9')
        count++;
    return count;
}

/* Takes numbers, with or without a fraction, each with its unit; they stand in order. */
static bool take_units(struct str *rest, const char *units) {
    while (*units && digits_of(*rest)) {
        size_t size = digits_of(*rest);
        if (size < rest->size && rest->data[size] == '.') {
            size_t fraction = digits_of(str_slice(*rest, size + 1, rest->size));
            if (fraction == 0) return false;
            size += 1 + fraction;
        }
        if (size == rest->size) return false;
        while (*units && *units != rest->data[size])
            units++;
        if (!*units++) return false;
        *rest = str_slice(*rest, size + 1, rest->size);
    }
    return true;
}

static bool is_duration(struct str text) {
    if (text.size < 2 || text.data[0] != 'P') return false;
    text = str_slice(text, 1, text.size);
    if (!take_units(&text, "YMWD")) return false;
    if (text.size == 0) return true;
    if (text.data[0] != 'T' || digits_of(str_slice(text, 1, text.size)) == 0) return false;
    text = str_slice(text, 1, text.size);
    return take_units(&text, "HMS") && text.size == 0;
}

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name(struct str text, const char *inner, size_t size_max) {
    if (text.size == 0 || text.size > size_max) return false;
    for (size_t i = 0; i < text.size; i++) {
        bool is_end = i == 0 || i + 1 == text.size;
        if (!is_letter_or_digit(text.data[i])
                && (is_end || text.data[i] == '\0' || !strchr(inner, text.data[i])))
            return false;
    }
    return true;
}

static bool are_identifiers(struct str text, bool are_numbers_plain) {
    for (struct str rest = text; rest.data;) {
        struct str part = str_cut(&rest, '.');
        if (part.size == 0) return false;
        for (size_t i = 0; i < part.size; i++) {
            if (!is_letter_or_digit(part.data[i]) && part.data[i] != '-') return false;
        }
        if (are_numbers_plain && part.size > 1 && part.data[0] == '0'
                && digits_of(part) == part.size)
            return false;
    }
    return text.size > 0;
}

static bool is_version(struct str text) {
    size_t plus = str_find_char(text, '+');
    struct str core = str_slice(text, 0, plus);

    if (plus < text.size && !are_identifiers(str_slice(text, plus + 1, text.size), false))
        return false;
    size_t hyphen = str_find_char(core, '-');
    if (hyphen < core.size && !are_identifiers(str_slice(core, hyphen + 1, core.size), true))
        return false;
    struct str rest = str_slice(core, 0, hyphen);
    for (int i = 0; i < 3; i++) {
        struct str number = str_cut(&rest, '.');
        if (number.size == 0 || digits_of(number) != number.size
                || (number.size > 1 && number.data[0] == '0'))
            return false;
    }
    return !rest.data;
}

/* What is wrong with a text, as the end of "'…' is …"; NULL: nothing. */
static const char *complaint(enum text_kind kind, struct str text) {
    switch (kind) {
    case TEXT_ANY:
    case TEXT_WORD: return NULL;
    case TEXT_FILLED: return text.size ? NULL : "empty";
    case TEXT_EXPRESSION:
        return is_expression(text) ? NULL : "not an expression; write ${ } around it";
    case TEXT_DURATION:
        return is_duration(text) || is_expression(text)
                ? NULL
                : "not a duration; write ISO 8601 such as PT30S or P1DT12H, a mapping such as { "
                  "seconds: 30 }, or an expression ${ }";
    case TEXT_URI: return is_uri(text) ? NULL : "not a URI, such as https://example.com/pets/{id}";
    case TEXT_URI_OR_EXPRESSION:
        return is_uri(text) || is_expression(text)
                ? NULL
                : "not a URI, such as https://example.com/pets/{id}, nor an expression ${ }";
    case TEXT_POINTER_OR_EXPRESSION:
        return has_format("json-pointer", text) || is_expression(text)
                ? NULL
                : "not a JSON pointer, such as /do/0/check, nor an expression ${ }";
    case TEXT_TIME_OR_EXPRESSION:
        return has_format("date-time", text) || is_expression(text)
                ? NULL
                : "not a time, such as 2026-07-29T12:00:00Z, nor an expression ${ }";
    case TEXT_VERSION:
        return is_version(text) ? NULL
                                : "not a version; write three numbers as in '1.0.3', perhaps with "
                                  "a pre-release as in '1.0.3-beta.1'";
    case TEXT_LABEL:
        return is_name(text, "-", LIMIT_NAME)
                ? NULL
                : "not a name of this kind; write letters, digits and '-' (not at the ends), at "
                  "most 63, as in 'order-intake'";
    case TEXT_HOST:
        return is_name(text, "-.", HOST_SIZE_MAX)
                ? NULL
                : "not the name of a host, such as grpc.example.com";
    }
    return NULL;
}

static void check_word(struct checker *checker, const struct rule *rule, struct str text,
        const struct path *path) {
    struct str words[NAMES_MAX];
    SCOPED(buf_clear) struct buf buf = { 0 };
    size_t count = 0;

    for (; rule->words[count] && count < NAMES_MAX; count++) {
        words[count] = str_from(rule->words[count]);
        if (str_equal(text, words[count])) return;
    }
    buf_init(&buf, TEXT_SIZE_MAX);
    list_names(&buf, words, count, " or ");
    struct str nearest = intake_nearest(text, words, count), cut = shown(text);
    if (nearest.size) {
        TELL(checker, path, "'" STR_FMT "' is not known here; did you mean '" STR_FMT "'?",
                STR_ARG(cut), STR_ARG(nearest));
    } else {
        TELL(checker, path, "'" STR_FMT "' is not known here; write " STR_FMT, STR_ARG(cut),
                STR_ARG(buf_str(&buf)));
    }
}

static void check_text(struct checker *checker, const struct rule *rule, struct str text,
        const struct path *path) {
    if (rule->text == TEXT_WORD) {
        check_word(checker, rule, text, path);
        return;
    }
    const char *what = complaint(rule->text, text);
    struct str cut = shown(text);
    if (what) TELL(checker, path, "'" STR_FMT "' is %s", STR_ARG(cut), what);
}

/* ---- mappings with known properties ---- */

static const struct property *property_of(const struct shape *shape, struct str name) {
    for (; shape; shape = shape->base) {
        for (const struct property *property = shape->properties; property->name; property++) {
            if (str_equal(name, str_from(property->name))) return property;
        }
    }
    return NULL;
}

static size_t names_of(const struct shape *shape, unsigned flags, struct str names[NAMES_MAX]) {
    size_t count = 0;

    for (; shape; shape = shape->base) {
        for (const struct property *property = shape->properties;
                property->name && count < NAMES_MAX; property++) {
            if (!flags || property->flags & flags) names[count++] = str_from(property->name);
        }
    }
    return count;
}

static void tell_unknown(struct checker *checker, const struct shape *shape, struct str name,
        const struct path *path) {
    struct str names[NAMES_MAX];
    SCOPED(buf_clear) struct buf buf = { 0 };

    assert(shape);
    size_t count = names_of(shape, 0, names);
    struct str nearest = intake_nearest(name, names, count), cut = shown(name);

    if (nearest.size) {
        TELL(checker, path, "unknown property '" STR_FMT "'; did you mean '" STR_FMT "'?",
                STR_ARG(cut), STR_ARG(nearest));
        return;
    }
    buf_init(&buf, TEXT_SIZE_MAX);
    list_names(&buf, names, count, " and ");
    TELL(checker, path, "unknown property '" STR_FMT "'; %s has " STR_FMT, STR_ARG(cut),
            shape->what, STR_ARG(buf_str(&buf)));
}

static void check_choice(struct checker *checker, const struct shape *shape, unsigned choice,
        struct json value, const struct path *path) {
    struct str names[NAMES_MAX], found[NAMES_MAX];
    SCOPED(buf_clear) struct buf buf = { 0 };

    assert(shape);
    size_t count = names_of(shape, choice, names), there = 0;

    for (size_t i = 0; i < count; i++) {
        if (json_has(value, names[i])) found[there++] = names[i];
    }
    if (count == 0 || there == 1) return;
    buf_init(&buf, TEXT_SIZE_MAX);
    list_names(&buf, there ? found : names, there ? there : count, there ? " and " : " or ");
    if (there) {
        TELL(checker, path, "%s has one of " STR_FMT ", not all", shape->what,
                STR_ARG(buf_str(&buf)));
    } else {
        TELL(checker, path, "%s needs " STR_FMT, shape->what, STR_ARG(buf_str(&buf)));
    }
}

static void check_shape(struct checker *checker, const struct shape *shape, struct json value,
        const struct path *path) {
    assert(shape);
    for (const struct shape *part = shape; part; part = part->base) {
        for (const struct property *property = part->properties; property->name; property++) {
            if (!(property->flags & NEEDED) || json_has(value, str_from(property->name))) continue;
            TELL(checker, path, "%s needs '%s'", shape->what, property->name);
        }
    }
    check_choice(checker, shape, CHOICE_1, value, path);
    check_choice(checker, shape, CHOICE_2, value, path);
    const char *conflict = shape->conflict ? shape->conflict(value) : NULL;
    if (conflict) TELL(checker, path, "%s", conflict);
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        const struct property *property = property_of(shape, member->key);
        struct path at = below(path, member->key);
        if (property) {
            check_value(checker, property->rule, member->value, &at);
        } else if (!shape->is_open) {
            tell_unknown(checker, shape, member->key, &at);
        }
    }
}

/* ---- tasks ---- */

/* A `for` has a `do` of its own. */
static size_t keywords_of(struct json task, struct str found[NAMES_MAX]) {
    bool is_loop = json_has(task, STR("for"));
    size_t count = 0;

    for (const struct task_kind *kind = intake_tasks; kind->keyword; kind++) {
        if (is_loop && strcmp(kind->keyword, "do") == 0) continue;
        if (json_has(task, str_from(kind->keyword))) found[count++] = str_from(kind->keyword);
    }
    return count;
}

static void tell_no_keyword(struct checker *checker, struct json task, const struct path *path) {
    struct str keywords[NAMES_MAX];
    SCOPED(buf_clear) struct buf buf = { 0 };
    size_t count = 0;

    for (const struct task_kind *kind = intake_tasks; kind->keyword; kind++)
        keywords[count++] = str_from(kind->keyword);
    for (size_t i = 0; i < json_size(task); i++) {
        struct str key = json_member_at(task, i)->key,
                   nearest = intake_nearest(key, keywords, count), cut = shown(key);
        struct path at = below(path, key);
        if (nearest.size == 0) continue;
        TELL(checker, &at, "unknown property '" STR_FMT "'; did you mean '" STR_FMT "'?",
                STR_ARG(cut), STR_ARG(nearest));
        return;
    }
    buf_init(&buf, TEXT_SIZE_MAX);
    list_names(&buf, keywords, count, " or ");
    TELL(checker, path, "this task does not say what it does; it needs " STR_FMT,
            STR_ARG(buf_str(&buf)));
}

static const struct shape *shape_of_call(struct json task) {
    const struct task_kind *kind = intake_calls;
    struct str name = json_str(json_get(task, STR("call")));

    while (kind->keyword && !str_equal(name, str_from(kind->keyword)))
        kind++;
    return kind->shape;
}

static void check_task(struct checker *checker, struct json task, const struct path *path) {
    struct str found[NAMES_MAX];
    size_t count = keywords_of(task, found);
    const struct task_kind *kind = intake_tasks;

    if (count == 0) {
        tell_no_keyword(checker, task, path);
        return;
    }
    if (count > 1) {
        TELL(checker, path,
                "a task does one thing, but this one has both '" STR_FMT "' and '" STR_FMT
                "'; make two tasks of it",
                STR_ARG(found[0]), STR_ARG(found[1]));
        return;
    }
    while (!str_equal(found[0], str_from(kind->keyword)))
        kind++;
    check_shape(checker, str_equal(found[0], STR("call")) ? shape_of_call(task) : kind->shape, task,
            path);
}

/* Where names stand in a list: a hash table, open addressing, since a list may be long. */
struct name_table {
    struct str *names; /* data NULL: free */
    size_t *indexes;
    size_t capacity;
};

static struct name_table name_table_new(size_t count, struct arena *arena) {
    struct name_table table = { .capacity = 8 };

    while (table.capacity < count * 2)
        table.capacity *= 2;
    table.names = arena_new_many(arena, struct str, table.capacity);
    table.indexes = arena_new_many(arena, size_t, table.capacity);
    return table;
}

/* True if the name was there before; then *ret_index says where. */
static bool name_table_add(
        struct name_table *table, struct str name, size_t index, size_t *ret_index) {
    size_t at = (size_t)str_hash(name) & (table->capacity - 1);

    while (table->names[at].data && !str_equal(table->names[at], name))
        at = (at + 1) & (table->capacity - 1);
    bool is_known = table->names[at].data != NULL;
    if (is_known) {
        *ret_index = table->indexes[at];
        return true;
    }
    table->names[at] = name.data ? name : STR("");
    table->indexes[at] = index;
    return false;
}

static void check_name(struct checker *checker, struct name_table *table, struct str name,
        size_t index, const struct path *path) {
    size_t first;
    struct str cut = shown(name);

    if (str_equal(name, STR("continue")) || str_equal(name, STR("exit"))
            || str_equal(name, STR("end"))) {
        TELL(checker, path,
                "a task cannot be called '" STR_FMT "': 'then: " STR_FMT
                "' means something else; choose another name",
                STR_ARG(cut), STR_ARG(cut));
    }
    if (name_table_add(table, name, index, &first)) {
        TELL(checker, path,
                "two tasks of this list are called '" STR_FMT
                "' (the first is item %zu); 'then' could not tell them apart",
                STR_ARG(cut), first);
    }
}

/* A mapping of one name to what it names; false if it is not one, and told. */
static bool check_single(
        struct checker *checker, struct json item, const struct path *path, const char *what) {
    if (json_type(item) != JSON_OBJECT) {
        TELL(checker, path, "expected %s: a mapping of its name to what it is, found %s", what,
                kind_of(item));
        return false;
    }
    if (json_size(item) == 1) return true;
    if (json_size(item) == 0) {
        TELL(checker, path, "expected %s: a mapping of its name to what it is, found an empty one",
                what);
        return false;
    }
    struct str first = shown(json_member_at(item, 0)->key),
               second = shown(json_member_at(item, 1)->key);
    TELL(checker, path,
            "an item of this list has one name, but this one has '" STR_FMT "' and '" STR_FMT
            "'; put a '-' before each, "
            "or indent what belongs to the first",
            STR_ARG(first), STR_ARG(second));
    return false;
}

static void check_tasks(struct checker *checker, struct json tasks, const struct path *path) {
    struct name_table table = name_table_new(json_size(tasks), checker->faults->arena);

    for (size_t i = 0; i < json_size(tasks); i++) {
        struct path at = { .up = path, .index = i };
        struct json item = json_at(tasks, i);
        if (!check_single(checker, item, &at, "a task")) continue;
        const struct json_member *member = json_member_at(item, 0);
        struct path named = below(&at, member->key);
        check_name(checker, &table, member->key, i, &named);
        if (json_type(member->value) == JSON_OBJECT) {
            check_task(checker, member->value, &named);
        } else {
            TELL(checker, &named,
                    "expected a task: a mapping such as { set: { answer: 42 } }, found %s",
                    kind_of(member->value));
        }
    }
}

/* ---- values ---- */

static unsigned type_of(struct json value) {
    switch (json_type(value)) {
    case JSON_ABSENT:
    case JSON_NULL: return 0;
    case JSON_FALSE:
    case JSON_TRUE: return IS_BOOLEAN;
    case JSON_NUMBER: return schema_is_integer(value) ? IS_INTEGER : 0;
    case JSON_STRING: return IS_TEXT;
    case JSON_ARRAY: return IS_LIST;
    case JSON_OBJECT: return IS_MAPPING;
    }
    return 0;
}

static void check_mapping(struct checker *checker, const struct rule *rule, struct json value,
        const struct path *path) {
    if (rule->special == SPECIAL_TASK) {
        check_task(checker, value, path);
        return;
    }
    if (rule->is_single && !check_single(checker, value, path, "an item")) return;
    if (json_size(value) < rule->count_min) {
        TELL(checker, path, "%s may not be empty",
                rule->shape ? rule->shape->what : "this mapping");
        return;
    }
    if (rule->shape) {
        check_shape(checker,
                rule->if_use && json_has(value, STR("use")) ? rule->if_use : rule->shape, value,
                path);
    }
    for (size_t i = 0; rule->values && i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        struct path at = below(path, member->key);
        check_value(checker, rule->values, member->value, &at);
    }
}

static void check_list(struct checker *checker, const struct rule *rule, struct json value,
        const struct path *path) {
    if (rule->special == SPECIAL_TASKS) {
        check_tasks(checker, value, path);
        return;
    }
    if (json_size(value) < rule->count_min) TELL(checker, path, "this list may not be empty");
    for (size_t i = 0; rule->items && i < json_size(value); i++) {
        struct path at = { .up = path, .index = i };
        check_value(checker, rule->items, json_at(value, i), &at);
    }
}

static void check_value(struct checker *checker, const struct rule *rule, struct json value,
        const struct path *path) {
    unsigned type = type_of(value);

    if (rule->types & IS_ANYTHING) return;
    if (!(rule->types & type)) {
        tell_kind(checker, rule, value, path);
        return;
    }
    if (checker->depth == DEPTH_MAX) {
        TELL(checker, path, "nested too deeply");
        return;
    }
    checker->depth++;
    if (type == IS_TEXT) check_text(checker, rule, json_str(value), path);
    if (type == IS_MAPPING) check_mapping(checker, rule, value, path);
    if (type == IS_LIST) check_list(checker, rule, value, path);
    bool is_outside = rule->integer_max
            && (json_double(value) < 0 || json_double(value) > (double)rule->integer_max);
    if (type == IS_INTEGER && is_outside)
        TELL(checker, path, "expected a whole number from 0 to %lld", (long long)rule->integer_max);
    checker->depth--;
}

/* The schema lets the top have other properties; one that is nearly a known one is told all the
 * same. */
static void check_top(struct checker *checker, struct json definition) {
    struct str names[NAMES_MAX];
    size_t count = names_of(intake_root.shape, 0, names);

    for (size_t i = 0; i < json_size(definition); i++) {
        struct str key = json_member_at(definition, i)->key;
        struct path at = below(NULL, key);
        if (property_of(intake_root.shape, key)) continue;
        struct str nearest = intake_nearest(key, names, count), cut = shown(key);
        if (nearest.size == 0 || json_has(definition, nearest)) continue;
        TELL(checker, &at, "unknown property '" STR_FMT "'; did you mean '" STR_FMT "'?",
                STR_ARG(cut), STR_ARG(nearest));
    }
}

bool intake_check(struct json definition, struct faults *faults) {
    struct checker checker = { .faults = faults };
    size_t faults_before = faults->count + faults->left_out;

    if (json_type(definition) == JSON_OBJECT) {
        check_top(&checker, definition);
        check_value(&checker, &intake_root, definition, NULL);
    } else {
        faults_add(faults, STR(""),
                "expected a workflow: a mapping with `document` and `do`, found %s",
                kind_of(definition));
    }
    return faults->count + faults->left_out == faults_before;
}

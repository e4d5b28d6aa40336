#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/buf.h"
#include "common/limits.h"
#include "common/regex.h"
#include "core/intake.h"
#include "core/schema_internal.h"

/* A value is first tried without a word, which allocates nothing for most schemas; only what
 * fails is gone through again, for the faults. What of an object or array was evaluated is
 * remembered only where somebody asks: for unevaluatedProperties and unevaluatedItems, and for
 * what applies to the same value within them. */

enum {
    SEEN_WORDS_LOCAL = 2,
    WORD_BITS = 64,
    PATTERN_STEPS = 20,
    SIZE_FOR_A_STEP = 64,
    VALUES_LISTED_MAX = 12,
    VALUE_SHOWN_SIZE = 60,
    CANDIDATES_MAX = 128,
    CANDIDATES_DEPTH_MAX = 4,
    BRANCHES_TOLD_MAX = 3,
    BRANCH_SHOWN_SIZE = 280,
    TEXT_SIZE_MAX = 900,
};

struct run {
    struct arena *arena;
    struct faults *faults; /* NULL: nobody wants to know why */
    uint64_t steps;
    uint32_t depth;
    bool is_over;
};

struct path {
    const struct path *up;
    struct str key; /* data NULL: an item */
    size_t index;
};

/* The resources on the way to here, for $dynamicRef. */
struct scope {
    const struct scope *outer;
    const struct resource *resource;
};

struct at {
    struct json value;
    const struct path *path;
    const struct scope *scope;
};

struct seen {
    uint64_t *words;
    size_t count; /* bits */
};

static bool apply(struct run *run, const struct node *node, const struct at *at, struct seen *seen);

/* ---- telling ---- */

static struct str pointer_of(const struct run *run, const struct path *path) {
    const struct path *steps[SCHEMA_DEPTH_MAX];
    SCOPED(buf_clear) struct buf buf = { 0 };
    size_t count = 0;

    buf_init(&buf, LIMIT_BODY);
    for (; path && count < SCHEMA_DEPTH_MAX; path = path->up)
        steps[count++] = path;
    while (count) {
        const struct path *step = steps[--count];
        buf_append_char(&buf, '/');
        if (!step->key.data) {
            buf_append_format(&buf, "%zu", step->index);
            continue;
        }
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
    return str_copy(buf_str(&buf), run->arena);
}

/* A fault at the value; false, for the one who returns it. */
#define TELL(run, at, ...)                                                               \
    ((run)->faults ? faults_add((run)->faults, pointer_of(run, (at)->path), __VA_ARGS__) \
                   : (void)0,                                                            \
            false)

/* Cut where a character begins. */
static struct str shown(struct str text, size_t size_max) {
    if (text.size <= size_max) return text;
    while (size_max && ((unsigned char)text.data[size_max] & 0xC0) == 0x80)
        size_max--;
    return str_slice(text, 0, size_max);
}

static void show_value(struct buf *buf, const struct run *run, struct json value) {
    struct str text =
            json_type(value) == JSON_STRING ? json_str(value) : json_to_str(value, run->arena);
    struct str cut = shown(text, VALUE_SHOWN_SIZE);
    const char *quote = json_type(value) == JSON_STRING ? "'" : "";

    buf_append_format(buf, "%s" STR_FMT "%s%s", quote, STR_ARG(cut),
            cut.size < text.size ? "..." : "", quote);
}

static bool tell_type(struct run *run, const struct node *node, const struct at *at) {
    static const char *const names[] = { "null", "boolean", "object", "array", "number", "string",
        "integer" };
    SCOPED(buf_clear) struct buf buf = { 0 };

    if (!run->faults) return false;
    buf_init(&buf, TEXT_SIZE_MAX);
    for (unsigned bit = 0; bit < ARRAY_SIZE(names); bit++) {
        if (!(node->types >> bit & 1)) continue;
        bool is_last = node->types >> bit == 1;
        buf_append_format(&buf, "%s%s", buf.size == 0 ? "" : is_last ? " or " : ", ", names[bit]);
    }
    buf_append_format(&buf, ", found %s", json_type_name(at->value));
    if (json_type(at->value) == JSON_NUMBER || json_type(at->value) == JSON_STRING) {
        buf_append_char(&buf, ' ');
        show_value(&buf, run, at->value);
    }
    return TELL(run, at, "expected " STR_FMT, STR_ARG(buf_str(&buf)));
}

static bool tell_enum(struct run *run, const struct node *node, const struct at *at) {
    SCOPED(buf_clear) struct buf buf = { 0 };
    struct str names[CANDIDATES_MAX];
    size_t count = json_size(node->enumeration), name_count = 0;

    if (!run->faults) return false;
    buf_init(&buf, TEXT_SIZE_MAX);
    for (size_t i = 0; i < count && i < VALUES_LISTED_MAX; i++) {
        if (i) buf_append_c(&buf, ", ");
        show_value(&buf, run, json_at(node->enumeration, i));
    }
    if (count > VALUES_LISTED_MAX)
        buf_append_format(&buf, " and %zu more", count - VALUES_LISTED_MAX);
    buf_append_c(&buf, ", found ");
    show_value(&buf, run, at->value);
    for (size_t i = 0; i < count && name_count < CANDIDATES_MAX; i++) {
        struct json value = json_at(node->enumeration, i);
        if (json_type(value) == JSON_STRING) names[name_count++] = json_str(value);
    }
    struct str nearest = intake_nearest(json_str(at->value), names, name_count);
    if (nearest.size) buf_append_format(&buf, "; did you mean '" STR_FMT "'?", STR_ARG(nearest));
    return TELL(run, at, "expected one of " STR_FMT, STR_ARG(buf_str(&buf)));
}

static void collect_names(
        const struct node *node, struct str names[CANDIDATES_MAX], size_t *count, uint32_t depth) {
    for (size_t i = 0;
            node->object && i < node->object->properties.count && *count < CANDIDATES_MAX; i++) {
        names[(*count)++] = node->object->properties.items[i].name;
    }
    for (size_t i = 0; depth < CANDIDATES_DEPTH_MAX && i < node->in_place.count; i++) {
        collect_names(node->in_place.items[i], names, count, depth + 1);
    }
}

static bool tell_unknown(struct run *run, const struct node *node, const struct at *at) {
    struct str names[CANDIDATES_MAX];
    size_t count = 0;

    if (!run->faults) return false;
    collect_names(node, names, &count, 0);
    struct str nearest = intake_nearest(at->path->key, names, count),
               key = shown(at->path->key, VALUE_SHOWN_SIZE);
    if (nearest.size) {
        return TELL(run, at, "unknown property '" STR_FMT "'; did you mean '" STR_FMT "'?",
                STR_ARG(key), STR_ARG(nearest));
    }
    return TELL(run, at, "unknown property '" STR_FMT "'", STR_ARG(key));
}

/* ---- what was evaluated ---- */

static void seen_add(struct seen *seen, size_t index) {
    if (seen) seen->words[index / WORD_BITS] |= (uint64_t)1 << index % WORD_BITS;
}

static bool seen_has(const struct seen *seen, size_t index) {
    return seen->words[index / WORD_BITS] >> index % WORD_BITS & 1;
}

static void seen_merge(struct seen *into, const struct seen *from) {
    for (size_t i = 0; i * WORD_BITS < from->count; i++)
        into->words[i] |= from->words[i];
}

/* ---- applying ---- */

/* True if the caller may stop: it failed, and nobody asks for all the reasons. */
static bool is_decided(const struct run *run, bool ok) {
    return !ok && !run->faults;
}

static bool spend(struct run *run, uint64_t steps) {
    run->steps += steps;
    if (run->steps > SCHEMA_STEPS_MAX) run->is_over = true;
    return !run->is_over;
}

static bool apply_quietly(
        struct run *run, const struct node *node, const struct at *at, struct seen *seen) {
    struct faults *faults = run->faults;

    run->faults = NULL;
    bool ok = apply(run, node, at, seen);
    run->faults = faults;
    return ok;
}

static bool apply_member(struct run *run, const struct node *node, const struct at *at,
        const struct json_member *member) {
    struct path path = { .up = at->path, .key = member->key.data ? member->key : STR("") };

    return apply(run, node, &(struct at){ member->value, &path, at->scope }, NULL);
}

static bool apply_item(
        struct run *run, const struct node *node, const struct at *at, size_t index) {
    struct path path = { .up = at->path, .index = index };

    return apply(run, node, &(struct at){ json_at(at->value, index), &path, at->scope }, NULL);
}

static bool has_match(struct run *run, const struct regex *regex, struct str text) {
    return spend(run, PATTERN_STEPS) && regex_matches(regex, text);
}

/* ---- plain values ---- */

static unsigned type_bits(struct json value) {
    switch (json_type(value)) {
    case JSON_ABSENT:
    case JSON_NULL: return TYPE_NULL;
    case JSON_FALSE:
    case JSON_TRUE: return TYPE_BOOLEAN;
    case JSON_NUMBER: return TYPE_NUMBER | (schema_is_integer(value) ? TYPE_INTEGER : 0);
    case JSON_STRING: return TYPE_STRING;
    case JSON_ARRAY: return TYPE_ARRAY;
    case JSON_OBJECT: return TYPE_OBJECT;
    }
    return 0;
}

static bool apply_values(struct run *run, const struct node *node, const struct at *at) {
    if (node->types && !(node->types & type_bits(at->value))) return tell_type(run, node, at);
    if (node->has_constant && !json_equal(node->constant, at->value)) {
        SCOPED(buf_clear) struct buf buf = { 0 };
        if (!run->faults) return false;
        buf_init(&buf, TEXT_SIZE_MAX);
        show_value(&buf, run, node->constant);
        buf_append_c(&buf, ", found ");
        show_value(&buf, run, at->value);
        return TELL(run, at, "expected " STR_FMT, STR_ARG(buf_str(&buf)));
    }
    if (json_is_absent(node->enumeration)) return true;
    size_t count = json_size(node->enumeration);
    if (!spend(run, count)) return false;
    for (size_t i = 0; i < count; i++) {
        if (json_equal(json_at(node->enumeration, i), at->value)) return true;
    }
    return tell_enum(run, node, at);
}

static bool check_bound(
        struct run *run, const struct at *at, struct json bound, bool ok, const char *relation) {
    if (json_is_absent(bound) || ok || !run->faults) return json_is_absent(bound) || ok;
    struct str wanted = shown(json_to_str(bound, run->arena), VALUE_SHOWN_SIZE),
               found = shown(json_to_str(at->value, run->arena), VALUE_SHOWN_SIZE);
    return TELL(run, at, "expected a number %s " STR_FMT ", found " STR_FMT, relation,
            STR_ARG(wanted), STR_ARG(found));
}

static bool apply_number(struct run *run, const struct number_rules *rules, const struct at *at) {
    struct json value = at->value;
    bool is_multiple = json_is_absent(rules->multiple_of)
            || schema_is_multiple(value, rules->multiple_of, run->arena);
    bool ok = check_bound(
            run, at, rules->minimum, json_compare(value, rules->minimum) >= 0, "of at least");

    ok = check_bound(
                 run, at, rules->maximum, json_compare(value, rules->maximum) <= 0, "of at most")
            && ok;
    ok = check_bound(run, at, rules->exclusive_minimum,
                 json_compare(value, rules->exclusive_minimum) > 0, "above")
            && ok;
    ok = check_bound(run, at, rules->exclusive_maximum,
                 json_compare(value, rules->exclusive_maximum) < 0, "below")
            && ok;
    return check_bound(run, at, rules->multiple_of, is_multiple, "that is a multiple of") && ok;
}

static int64_t count_characters(struct str text) {
    int64_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return count;
}

static bool apply_string(struct run *run, const struct string_rules *rules, const struct at *at) {
    struct str text = json_str(at->value);
    int64_t length = rules->length_min || rules->length_max >= 0 ? count_characters(text) : 0;
    bool ok = true;

    if (length < rules->length_min) {
        ok = TELL(run, at, "expected a text of at least %lld characters, found %lld",
                (long long)rules->length_min, (long long)length);
    }
    if (rules->length_max >= 0 && length > rules->length_max) {
        ok = TELL(run, at, "expected a text of at most %lld characters, found %lld",
                (long long)rules->length_max, (long long)length);
    }
    struct str cut = shown(text, VALUE_SHOWN_SIZE);
    if (rules->pattern && !is_decided(run, ok) && !has_match(run, rules->pattern, text)) {
        ok = TELL(run, at, "'" STR_FMT "' does not match the pattern " STR_FMT, STR_ARG(cut),
                STR_ARG(shown(rules->pattern_text, TEXT_SIZE_MAX)));
    }
    if (rules->format && !is_decided(run, ok) && !rules->format(text)) {
        ok = TELL(run, at, "'" STR_FMT "' is not of the format " STR_FMT, STR_ARG(cut),
                STR_ARG(rules->format_name));
    }
    return ok;
}

/* ---- counts ---- */

static bool check_count(
        struct run *run, const struct at *at, int64_t min, int64_t max, const char *what) {
    int64_t size = (int64_t)json_size(at->value);

    if (size < min) {
        return TELL(run, at, "expected at least %lld %s, found %lld", (long long)min, what,
                (long long)size);
    }
    if (max >= 0 && size > max) {
        return TELL(run, at, "expected at most %lld %s, found %lld", (long long)max, what,
                (long long)size);
    }
    return true;
}

/* ---- arrays ---- */

static int compare_items(const void *a, const void *b) {
    return json_compare(*(const struct json *)a, *(const struct json *)b);
}

static bool are_unique(struct run *run, struct json array) {
    size_t count = json_size(array);

    if (count < 2 || !spend(run, count)) return true;
    struct json *items = malloc(count * sizeof(*items));
    bool ok = true;
    assert(items);
    memcpy(items, json_items(array), count * sizeof(*items));
    qsort(items, count, sizeof(*items), compare_items);
    for (size_t i = 1; i < count && ok; i++)
        ok = !json_equal(items[i - 1], items[i]);
    free(items);
    return ok;
}

static bool apply_contains(
        struct run *run, const struct array_rules *rules, const struct at *at, struct seen *seen) {
    int64_t found = 0;

    for (size_t i = 0; i < json_size(at->value); i++) {
        struct path path = { .up = at->path, .index = i };
        if (!apply_quietly(run, rules->contains,
                    &(struct at){ json_at(at->value, i), &path, at->scope }, NULL))
            continue;
        found++;
        seen_add(seen, i);
    }
    if (found < rules->contains_min) {
        return TELL(run, at, "expected at least %lld items that match 'contains', found %lld",
                (long long)rules->contains_min, (long long)found);
    }
    if (rules->contains_max >= 0 && found > rules->contains_max) {
        return TELL(run, at, "expected at most %lld items that match 'contains', found %lld",
                (long long)rules->contains_max, (long long)found);
    }
    return true;
}

static bool apply_array(
        struct run *run, const struct array_rules *rules, const struct at *at, struct seen *seen) {
    bool ok = check_count(run, at, rules->count_min, rules->count_max, "items");
    size_t count = json_size(at->value);

    for (size_t i = 0; i < count && !is_decided(run, ok); i++) {
        const struct node *node = i < rules->prefix.count ? rules->prefix.items[i] : rules->items;
        if (!node) break;
        ok = apply_item(run, node, at, i) && ok;
        seen_add(seen, i);
    }
    if (rules->contains && !is_decided(run, ok)) ok = apply_contains(run, rules, at, seen) && ok;
    if (rules->unique && !is_decided(run, ok) && !are_unique(run, at->value))
        ok = TELL(run, at, "the items must differ from one another");
    return ok;
}

static bool apply_unevaluated_items(
        struct run *run, const struct node *node, const struct at *at, struct seen *seen) {
    bool ok = true;

    assert(seen);
    for (size_t i = 0; i < json_size(at->value) && !is_decided(run, ok); i++) {
        if (seen_has(seen, i)) continue;
        ok = apply_item(run, node->array->unevaluated, at, i) && ok;
        seen_add(seen, i);
    }
    return ok;
}

/* ---- objects ---- */

static const struct node *map_find(const struct node_map *map, struct str name) {
    size_t from = 0, to = map->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = str_compare(map->items[middle].name, name);
        if (order == 0) return map->items[middle].node;
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return NULL;
}

static bool is_never(const struct node *node) {
    return node->is_boolean && !node->boolean;
}

static bool apply_unknown(struct run *run, const struct node *node, const struct node *rule,
        const struct at *at, const struct json_member *member) {
    struct path path = { .up = at->path, .key = member->key.data ? member->key : STR("") };

    if (is_never(rule))
        return tell_unknown(run, node, &(struct at){ member->value, &path, at->scope });
    return apply_member(run, rule, at, member);
}

static bool apply_properties(
        struct run *run, const struct node *node, const struct at *at, struct seen *seen) {
    const struct object_rules *rules = node->object;
    bool ok = true;

    if (!rules->properties.count && !rules->pattern_count && !rules->additional && !rules->names)
        return true;
    for (size_t i = 0; i < json_size(at->value) && !is_decided(run, ok); i++) {
        const struct json_member *member = json_member_at(at->value, i);
        const struct node *property = map_find(&rules->properties, member->key);
        bool is_known = property != NULL;
        if (property) ok = apply_member(run, property, at, member) && ok;
        for (size_t j = 0; j < rules->pattern_count && !is_decided(run, ok); j++) {
            if (!has_match(run, rules->patterns[j].regex, member->key)) continue;
            is_known = true;
            ok = apply_member(run, rules->patterns[j].node, at, member) && ok;
        }
        if (!is_known && rules->additional)
            ok = apply_unknown(run, node, rules->additional, at, member) && ok;
        if (is_known || rules->additional) seen_add(seen, i);
        if (rules->names) {
            ok = apply_member(run, rules->names, at,
                         &(struct json_member){ member->key, json_string(member->key) })
                    && ok;
        }
    }
    return ok;
}

static bool check_required(struct run *run, const struct name_list *required, const struct at *at,
        struct str because) {
    bool ok = true;

    for (size_t i = 0; i < required->count && !is_decided(run, ok); i++) {
        struct str name = required->items[i];
        if (json_has(at->value, name)) continue;
        if (because.data) {
            ok = TELL(run, at, "the property '" STR_FMT "' is missing; '" STR_FMT "' needs it",
                    STR_ARG(name), STR_ARG(because));
        } else {
            ok = TELL(run, at, "the property '" STR_FMT "' is missing", STR_ARG(name));
        }
    }
    return ok;
}

static bool apply_object(
        struct run *run, const struct node *node, const struct at *at, struct seen *seen) {
    const struct object_rules *rules = node->object;
    bool ok = check_count(run, at, rules->count_min, rules->count_max, "properties");

    if (!is_decided(run, ok)) ok = check_required(run, &rules->required, at, STR_NULL) && ok;
    for (size_t i = 0; i < rules->dependent_required_count && !is_decided(run, ok); i++) {
        const struct dependency *dependency = &rules->dependent_required[i];
        if (json_has(at->value, dependency->name))
            ok = check_required(run, &dependency->required, at, dependency->name) && ok;
    }
    if (!is_decided(run, ok)) ok = apply_properties(run, node, at, seen) && ok;
    for (size_t i = 0; i < rules->dependent_schemas.count && !is_decided(run, ok); i++) {
        const struct node_named *dependency = &rules->dependent_schemas.items[i];
        if (json_has(at->value, dependency->name))
            ok = apply(run, dependency->node, at, seen) && ok;
    }
    return ok;
}

static bool apply_unevaluated_properties(
        struct run *run, const struct node *node, const struct at *at, struct seen *seen) {
    bool ok = true;

    assert(seen);
    for (size_t i = 0; i < json_size(at->value) && !is_decided(run, ok); i++) {
        if (seen_has(seen, i)) continue;
        ok = apply_unknown(run, node, node->object->unevaluated, at, json_member_at(at->value, i))
                && ok;
        seen_add(seen, i);
    }
    return ok;
}

/* ---- logic ---- */

/* The branch whose faults all lie deeper than the value itself fits its kind and is the one that
 * was meant; of several, the one with the fewest faults; `count` if there is none. */
static size_t nearest_branch(const struct faults *branches, size_t count, size_t pointer_size) {
    size_t nearest = count;

    for (size_t i = 0; i < count; i++) {
        bool is_deeper = branches[i].count > 0;
        for (size_t j = 0; j < branches[i].count; j++) {
            is_deeper = is_deeper && branches[i].items[j].pointer.size > pointer_size;
        }
        bool is_nearer = nearest == count || branches[i].count < branches[nearest].count;
        if (is_deeper && is_nearer) nearest = i;
    }
    return count == 1 ? 0 : nearest;
}

/* No branch fits: tells the faults of the nearest, else the first fault of a few. Only now are the
 * branches gone through for their faults, so that what fits costs nothing at any level. */
static bool tell_branches(struct run *run, const struct node_list *list, const struct at *at) {
    struct faults *faults = run->faults;
    SCOPED(buf_clear) struct buf buf = { 0 };
    size_t told = 0;

    if (!faults) return false;
    struct faults *branches = arena_new_many(run->arena, struct faults, list->count);
    for (size_t i = 0; i < list->count; i++) {
        faults_init(&branches[i], run->arena);
        run->faults = &branches[i];
        (void)apply(run, list->items[i], at, NULL);
    }
    run->faults = faults;
    size_t nearest = nearest_branch(branches, list->count, pointer_of(run, at->path).size);
    if (nearest < list->count) {
        for (size_t i = 0; i < branches[nearest].count; i++) {
            const struct fault *fault = &branches[nearest].items[i];
            faults_add(faults, fault->pointer, STR_FMT, STR_ARG(fault->detail));
        }
        return false;
    }
    buf_init(&buf, TEXT_SIZE_MAX);
    for (size_t i = 0; i < list->count && told < BRANCHES_TOLD_MAX; i++) {
        if (branches[i].count == 0) continue;
        struct str detail = shown(branches[i].items[0].detail, BRANCH_SHOWN_SIZE);
        buf_append_format(&buf, "%s" STR_FMT, told++ ? "; or " : "", STR_ARG(detail));
    }
    return TELL(run, at, "none of the %zu alternatives fits: " STR_FMT, list->count,
            STR_ARG(buf_str(&buf)));
}

static bool apply_any(
        struct run *run, const struct node_list *list, const struct at *at, struct seen *seen) {
    bool ok = false;

    for (size_t i = 0; i < list->count && !(ok && !seen); i++) {
        ok = apply_quietly(run, list->items[i], at, seen) || ok;
    }
    return ok || tell_branches(run, list, at);
}

static bool apply_one(
        struct run *run, const struct node_list *list, const struct at *at, struct seen *seen) {
    size_t fitting = 0, first = 0, second = 0;

    for (size_t i = 0; i < list->count && fitting < 2; i++) {
        if (!apply_quietly(run, list->items[i], at, seen)) continue;
        if (fitting == 0) first = i;
        if (fitting == 1) second = i;
        fitting++;
    }
    if (fitting == 0) return tell_branches(run, list, at);
    if (fitting == 1) return true;
    return TELL(run, at, "exactly one alternative may fit, but number %zu and number %zu both do",
            first + 1, second + 1);
}

static bool apply_logic(
        struct run *run, const struct logic_rules *rules, const struct at *at, struct seen *seen) {
    bool ok = true;

    for (size_t i = 0; i < rules->all.count && !is_decided(run, ok); i++)
        ok = apply(run, rules->all.items[i], at, seen) && ok;
    if (rules->any.count && !is_decided(run, ok)) ok = apply_any(run, &rules->any, at, seen) && ok;
    if (rules->one.count && !is_decided(run, ok)) ok = apply_one(run, &rules->one, at, seen) && ok;
    if (rules->negated && !is_decided(run, ok) && apply_quietly(run, rules->negated, at, NULL))
        ok = TELL(run, at, "this value is one that 'not' excludes");
    if (rules->condition && !is_decided(run, ok)) {
        const struct node *branch =
                apply_quietly(run, rules->condition, at, seen) ? rules->then : rules->otherwise;
        if (branch) ok = apply(run, branch, at, seen) && ok;
    }
    return ok;
}

/* The outermost resource on the way here that has the anchor (2020-12 core, 8.2.3.2). */
static const struct node *find_dynamic(const struct node *node, const struct scope *scope) {
    const struct node *found = node->dynamic_ref;

    for (; node->dynamic_anchor.size && scope; scope = scope->outer) {
        const struct anchor *anchor = scope->resource->dynamic_anchors;
        while (anchor && !str_equal(anchor->name, node->dynamic_anchor))
            anchor = anchor->next;
        if (anchor) found = anchor->node;
    }
    return found;
}

/* ---- a node ---- */

static bool apply_rules(
        struct run *run, const struct node *node, const struct at *at, struct seen *seen) {
    enum json_type type = json_type(at->value);
    bool ok = apply_values(run, node, at);

    if (node->ref && !is_decided(run, ok)) ok = apply(run, node->ref, at, seen) && ok;
    if (node->dynamic_ref && !is_decided(run, ok))
        ok = apply(run, find_dynamic(node, at->scope), at, seen) && ok;
    if (is_decided(run, ok)) return false;
    if (node->number && type == JSON_NUMBER) ok = apply_number(run, node->number, at) && ok;
    if (node->string && type == JSON_STRING) ok = apply_string(run, node->string, at) && ok;
    if (node->array && type == JSON_ARRAY) ok = apply_array(run, node->array, at, seen) && ok;
    if (node->object && type == JSON_OBJECT) ok = apply_object(run, node, at, seen) && ok;
    if (node->logic && !is_decided(run, ok)) ok = apply_logic(run, node->logic, at, seen) && ok;
    if (is_decided(run, ok)) return false;
    if (node->array && node->array->unevaluated && type == JSON_ARRAY)
        ok = apply_unevaluated_items(run, node, at, seen) && ok;
    if (node->object && node->object->unevaluated && type == JSON_OBJECT)
        ok = apply_unevaluated_properties(run, node, at, seen) && ok;
    return ok;
}

static bool wants_seen(const struct node *node) {
    return (node->array && node->array->unevaluated) || (node->object && node->object->unevaluated);
}

static bool apply_seeing(
        struct run *run, const struct node *node, const struct at *at, struct seen *seen) {
    uint64_t local[SEEN_WORDS_LOCAL] = { 0 };
    size_t count = json_size(at->value), words = count / WORD_BITS + 1;
    struct seen own = { .words = local, .count = count };

    if (words > SEEN_WORDS_LOCAL) {
        own.words = calloc(words, sizeof(*own.words));
        assert(own.words);
    }
    bool ok = apply_rules(run, node, at, &own);
    if (ok && seen) seen_merge(seen, &own);
    if (own.words != local) free(own.words);
    return ok;
}

static bool apply(
        struct run *run, const struct node *node, const struct at *at, struct seen *seen) {
    struct scope scope = { at->scope, node->resource };
    struct at here = *at;
    bool ok;

    if (node->is_boolean) return node->boolean || TELL(run, at, "nothing is allowed here");
    if (!spend(run, 1 + at->value.count / SIZE_FOR_A_STEP)) return false;
    if (run->depth == SCHEMA_DEPTH_MAX) {
        run->is_over = true;
        return false;
    }
    if (!at->scope || at->scope->resource != node->resource) here.scope = &scope;
    run->depth++;
    bool is_container = json_type(at->value) == JSON_ARRAY || json_type(at->value) == JSON_OBJECT;
    if (is_container && (seen || wants_seen(node))) {
        ok = apply_seeing(run, node, &here, seen);
    } else {
        ok = apply_rules(run, node, &here, NULL);
    }
    run->depth--;
    return ok;
}

bool schema_validate(const struct schema *schema, struct json value, struct arena *arena,
        struct faults *faults) {
    struct run run = { .arena = arena };
    struct at at = { .value = value };
    size_t faults_before = faults->count + faults->left_out;

    if (apply(&run, schema->root, &at, NULL) && !run.is_over) return true;
    run = (struct run){ .arena = arena, .faults = faults, .is_over = run.is_over };
    if (!run.is_over) (void)apply(&run, schema->root, &at, NULL);
    if (run.is_over) {
        faults_add(faults, STR(""),
                "the value cannot be checked: the schema demands too many steps, or too deep a "
                "nesting");
    }
    assert(faults->count + faults->left_out > faults_before);
    return false;
}

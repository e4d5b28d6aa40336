#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/regex.h"
#include "core/schema_internal.h"

/* What each keyword puts into a node. A keyword's row says which draft has it, where it holds
 * schemas, and which field it fills. */

/* ---- groups of rules, made when first needed ---- */

static struct number_rules *number_of(const struct site *site) {
    if (!site->node->number) site->node->number = arena_new_one(site->arena, struct number_rules);
    return site->node->number;
}

static struct string_rules *string_of(const struct site *site) {
    if (!site->node->string) {
        site->node->string = arena_new_one(site->arena, struct string_rules);
        site->node->string->length_max = -1;
    }
    return site->node->string;
}

static struct array_rules *array_of(const struct site *site) {
    if (!site->node->array) {
        site->node->array = arena_new_one(site->arena, struct array_rules);
        site->node->array->count_max = site->node->array->contains_max = -1;
        site->node->array->contains_min = 1;
    }
    return site->node->array;
}

static struct object_rules *object_of(const struct site *site) {
    if (!site->node->object) {
        site->node->object = arena_new_one(site->arena, struct object_rules);
        site->node->object->count_max = -1;
    }
    return site->node->object;
}

static struct logic_rules *logic_of(const struct site *site) {
    if (!site->node->logic) site->node->logic = arena_new_one(site->arena, struct logic_rules);
    return site->node->logic;
}

static void *field(void *group, const struct keyword *keyword) {
    return (char *)group + keyword->offset;
}

/* ---- shapes of values ---- */

static bool wants(const struct site *site, const struct keyword *keyword, struct json value,
        enum json_type type, const char *what) {
    if (json_type(value) == type) return true;
    schema_site_fault(site, keyword->name, "'%s' wants %s, not %s", keyword->name, what,
            json_type_name(value));
    return false;
}

static struct name_list names_of(
        const struct site *site, const struct keyword *keyword, struct json value) {
    struct name_list names = { 0 };

    if (!wants(site, keyword, value, JSON_ARRAY, "a list of property names")) return names;
    names.items = arena_new_many(site->arena, struct str, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        struct json name = json_at(value, i);
        if (!wants(site, keyword, name, JSON_STRING, "a list of property names")) return names;
        names.items[names.count++] = json_str(name);
    }
    return names;
}

static int compare_named(const void *a, const void *b) {
    return str_compare(((const struct node_named *)a)->name, ((const struct node_named *)b)->name);
}

static struct node_map map_of(
        const struct site *site, const struct keyword *keyword, struct json value) {
    struct node_map map = { 0 };

    if (!wants(site, keyword, value, JSON_OBJECT, "an object of schemas")) return map;
    map.items = arena_new_many(site->arena, struct node_named, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        map.items[map.count++] = (struct node_named){ member->key,
            schema_site_sub(site, keyword->name, member->key, member->value) };
    }
    if (map.count) qsort(map.items, map.count, sizeof(*map.items), compare_named);
    return map;
}

static struct node_list list_of(
        const struct site *site, const struct keyword *keyword, struct json value) {
    struct node_list list = { 0 };

    if (!wants(site, keyword, value, JSON_ARRAY, "a list of schemas")) return list;
    if (json_size(value) == 0)
        schema_site_fault(site, keyword->name, "'%s' wants one schema at least", keyword->name);
    for (size_t i = 0; i < json_size(value); i++) {
        struct str index = str_format(site->arena, "%zu", i);
        schema_list_add(
                &list, schema_site_sub(site, keyword->name, index, json_at(value, i)), site->arena);
    }
    return list;
}

static void add_in_place(const struct site *site, const struct node *node) {
    schema_list_add(&site->node->in_place, node, site->arena);
}

/* ---- any value ---- */

static unsigned type_bit(struct str name) {
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = {
        { "null", TYPE_NULL },
        { "boolean", TYPE_BOOLEAN },
        { "object", TYPE_OBJECT },
        { "array", TYPE_ARRAY },
        { "number", TYPE_NUMBER },
        { "string", TYPE_STRING },
        { "integer", TYPE_INTEGER },
    };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (str_equal(name, str_from(types[i].name))) return types[i].bit;
    }
    return 0;
}

static void on_type(const struct site *site, const struct keyword *keyword, struct json value) {
    size_t count = json_type(value) == JSON_ARRAY ? json_size(value) : 1;

    for (size_t i = 0; i < count; i++) {
        struct json name = json_type(value) == JSON_ARRAY ? json_at(value, i) : value;
        unsigned bit = type_bit(json_str(name));
        if (!bit) {
            schema_site_fault(site, keyword->name,
                    "'type' is one of null, boolean, object, array, number, integer, string, or a "
                    "list of these");
        }
        site->node->types |= bit;
    }
}

static void on_const(const struct site *site, const struct keyword *keyword, struct json value) {
    (void)keyword;
    site->node->has_constant = true;
    site->node->constant = value;
}

static void on_enum(const struct site *site, const struct keyword *keyword, struct json value) {
    if (wants(site, keyword, value, JSON_ARRAY, "a list of values"))
        site->node->enumeration = value;
}

/* ---- numbers ---- */

static void on_number(const struct site *site, const struct keyword *keyword, struct json value) {
    if (wants(site, keyword, value, JSON_NUMBER, "a number"))
        *(struct json *)field(number_of(site), keyword) = value;
}

static void on_multiple_of(
        const struct site *site, const struct keyword *keyword, struct json value) {
    if (json_type(value) == JSON_NUMBER && json_double(value) <= 0) {
        schema_site_fault(site, keyword->name, "'multipleOf' wants a number above 0");
        return;
    }
    on_number(site, keyword, value);
}

/* ---- counts ---- */

static void take_count(
        const struct site *site, const struct keyword *keyword, struct json value, void *group) {
    int64_t count = INT64_MAX;

    if (!schema_is_integer(value) || json_double(value) < 0) {
        schema_site_fault(
                site, keyword->name, "'%s' wants a whole number, 0 or more", keyword->name);
        return;
    }
    if (json_double(value) < 0x1p53) count = (int64_t)json_double(value);
    *(int64_t *)field(group, keyword) = count;
}

static void on_string_count(
        const struct site *site, const struct keyword *keyword, struct json value) {
    take_count(site, keyword, value, string_of(site));
}

static void on_array_count(
        const struct site *site, const struct keyword *keyword, struct json value) {
    take_count(site, keyword, value, array_of(site));
}

static void on_object_count(
        const struct site *site, const struct keyword *keyword, struct json value) {
    take_count(site, keyword, value, object_of(site));
}

/* ---- texts ---- */

static const struct regex *regex_of(
        const struct site *site, const struct keyword *keyword, struct str pattern) {
    const struct regex *regex = NULL;
    struct err err;

    if (!schema_pattern_compile(pattern, site->arena, &regex, &err))
        schema_site_fault(site, keyword->name, "'" STR_FMT "': %s", STR_ARG(pattern), err.message);
    return regex;
}

static void on_pattern(const struct site *site, const struct keyword *keyword, struct json value) {
    if (!wants(site, keyword, value, JSON_STRING, "a regular expression")) return;
    string_of(site)->pattern_text = json_str(value);
    string_of(site)->pattern = regex_of(site, keyword, json_str(value));
}

static void on_format(const struct site *site, const struct keyword *keyword, struct json value) {
    if (!wants(site, keyword, value, JSON_STRING, "the name of a format") || !site->assert_formats)
        return;
    string_of(site)->format_name = json_str(value);
    string_of(site)->format = schema_format_find(json_str(value));
}

/* ---- arrays ---- */

static void on_items(const struct site *site, const struct keyword *keyword, struct json value) {
    if (site->resource->draft_07 && json_type(value) == JSON_ARRAY) {
        if (json_size(value)) array_of(site)->prefix = list_of(site, keyword, value);
        return;
    }
    array_of(site)->items = schema_site_sub(site, keyword->name, STR(""), value);
}

static void on_prefix_items(
        const struct site *site, const struct keyword *keyword, struct json value) {
    array_of(site)->prefix = list_of(site, keyword, value);
}

/* draft-07: counts only beside a list of `items`. */
static void on_additional_items(
        const struct site *site, const struct keyword *keyword, struct json value) {
    const struct node *node = schema_site_sub(site, keyword->name, STR(""), value);

    if (json_type(json_get(site->source, STR("items"))) == JSON_ARRAY) array_of(site)->items = node;
}

static void on_unique_items(
        const struct site *site, const struct keyword *keyword, struct json value) {
    if (json_type(value) == JSON_TRUE) {
        array_of(site)->unique = true;
    } else {
        (void)wants(site, keyword, value, JSON_FALSE, "true or false");
    }
}

static void on_array_one(
        const struct site *site, const struct keyword *keyword, struct json value) {
    *(const struct node **)field(array_of(site), keyword) =
            schema_site_sub(site, keyword->name, STR(""), value);
}

/* ---- objects ---- */

static void on_object_one(
        const struct site *site, const struct keyword *keyword, struct json value) {
    *(const struct node **)field(object_of(site), keyword) =
            schema_site_sub(site, keyword->name, STR(""), value);
}

static void on_properties(
        const struct site *site, const struct keyword *keyword, struct json value) {
    object_of(site)->properties = map_of(site, keyword, value);
}

static void on_pattern_properties(
        const struct site *site, const struct keyword *keyword, struct json value) {
    struct object_rules *object = object_of(site);

    if (!wants(site, keyword, value, JSON_OBJECT, "an object of schemas")) return;
    object->patterns = arena_new_many(site->arena, struct node_pattern, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        struct node_pattern pattern = {
            .pattern = member->key,
            .regex = regex_of(site, keyword, member->key),
            .node = schema_site_sub(site, keyword->name, member->key, member->value),
        };
        if (pattern.regex) object->patterns[object->pattern_count++] = pattern;
    }
}

static void on_required(const struct site *site, const struct keyword *keyword, struct json value) {
    object_of(site)->required = names_of(site, keyword, value);
}

static void on_dependent_required(
        const struct site *site, const struct keyword *keyword, struct json value) {
    struct object_rules *object = object_of(site);

    if (!wants(site, keyword, value, JSON_OBJECT, "an object of lists of property names")) return;
    struct dependency *all = arena_new_many(
            site->arena, struct dependency, object->dependent_required_count + json_size(value));
    if (object->dependent_required_count)
        memcpy(all, object->dependent_required, object->dependent_required_count * sizeof(*all));
    object->dependent_required = all; /* `dependencies` may stand beside `dependentRequired` */
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        struct dependency dependency = { member->key, names_of(site, keyword, member->value) };
        object->dependent_required[object->dependent_required_count++] = dependency;
    }
}

static void on_dependent_schemas(
        const struct site *site, const struct keyword *keyword, struct json value) {
    struct node_map *old = &object_of(site)->dependent_schemas, map = map_of(site, keyword, value);
    struct node_named *all = arena_new_many(site->arena, struct node_named, old->count + map.count);

    for (size_t i = 0; i < old->count; i++)
        all[i] = old->items[i];
    for (size_t i = 0; i < map.count; i++) {
        all[old->count + i] = map.items[i];
        add_in_place(site, map.items[i].node);
    }
    *old = (struct node_map){ all, old->count + map.count };
}

/* Lists are dependentRequired, the others dependentSchemas; 2020-12 knows it for the sake of
 * older schemas. */
static void on_dependencies(
        const struct site *site, const struct keyword *keyword, struct json value) {
    struct json lists = json_object(site->arena, 0), schemas = lists;

    if (!wants(site, keyword, value, JSON_OBJECT,
                "an object of schemas or lists of property names"))
        return;
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = json_member_at(value, i);
        struct json *to = json_type(member->value) == JSON_ARRAY ? &lists : &schemas;
        *to = json_set(*to, member->key, member->value, site->arena);
    }
    if (json_size(lists)) on_dependent_required(site, keyword, lists);
    if (json_size(schemas)) on_dependent_schemas(site, keyword, schemas);
}

/* ---- logic and references ---- */

static void on_logic_list(
        const struct site *site, const struct keyword *keyword, struct json value) {
    struct node_list list = list_of(site, keyword, value);

    *(struct node_list *)field(logic_of(site), keyword) = list;
    for (size_t i = 0; i < list.count; i++)
        add_in_place(site, list.items[i]);
}

static void on_logic_one(
        const struct site *site, const struct keyword *keyword, struct json value) {
    const struct node *node = schema_site_sub(site, keyword->name, STR(""), value);

    *(const struct node **)field(logic_of(site), keyword) = node;
    add_in_place(site, node);
}

static void on_reference(
        const struct site *site, const struct keyword *keyword, struct json value) {
    if (!wants(site, keyword, value, JSON_STRING, "the URI of a schema")) return;
    schema_site_refer(
            site, keyword->name, json_str(value), strcmp(keyword->name, "$dynamicRef") == 0);
}

/* $defs and definitions hold schemas that count only where something refers to them; faults in
 * them are told all the same. */
static void on_definitions(
        const struct site *site, const struct keyword *keyword, struct json value) {
    (void)map_of(site, keyword, value);
}

/* ---- the table ---- */

#define NUMBER(name) offsetof(struct number_rules, name)
#define STRING(name) offsetof(struct string_rules, name)
#define ARRAY(name)  offsetof(struct array_rules, name)
#define OBJECT(name) offsetof(struct object_rules, name)
#define LOGIC(name)  offsetof(struct logic_rules, name)

static const struct keyword keywords[] = {
    { "$ref", DRAFT_BOTH, SUB_NONE, false, on_reference, 0 },
    { "$dynamicRef", DRAFT_2020, SUB_NONE, false, on_reference, 0 },
    { "$defs", DRAFT_2020, SUB_MAP, false, on_definitions, 0 },
    { "definitions", DRAFT_BOTH, SUB_MAP, false, on_definitions, 0 },
    { "type", DRAFT_BOTH, SUB_NONE, true, on_type, 0 },
    { "const", DRAFT_BOTH, SUB_NONE, true, on_const, 0 },
    { "enum", DRAFT_BOTH, SUB_NONE, true, on_enum, 0 },
    { "minimum", DRAFT_BOTH, SUB_NONE, true, on_number, NUMBER(minimum) },
    { "maximum", DRAFT_BOTH, SUB_NONE, true, on_number, NUMBER(maximum) },
    { "exclusiveMinimum", DRAFT_BOTH, SUB_NONE, true, on_number, NUMBER(exclusive_minimum) },
    { "exclusiveMaximum", DRAFT_BOTH, SUB_NONE, true, on_number, NUMBER(exclusive_maximum) },
    { "multipleOf", DRAFT_BOTH, SUB_NONE, true, on_multiple_of, NUMBER(multiple_of) },
    { "minLength", DRAFT_BOTH, SUB_NONE, true, on_string_count, STRING(length_min) },
    { "maxLength", DRAFT_BOTH, SUB_NONE, true, on_string_count, STRING(length_max) },
    { "pattern", DRAFT_BOTH, SUB_NONE, true, on_pattern, 0 },
    { "format", DRAFT_BOTH, SUB_NONE, false, on_format, 0 },
    { "items", DRAFT_BOTH, SUB_LIST, false, on_items, 0 },
    { "prefixItems", DRAFT_2020, SUB_LIST, false, on_prefix_items, 0 },
    { "additionalItems", DRAFT_07, SUB_ONE, false, on_additional_items, 0 },
    { "contains", DRAFT_BOTH, SUB_ONE, false, on_array_one, ARRAY(contains) },
    { "unevaluatedItems", DRAFT_2020, SUB_ONE, false, on_array_one, ARRAY(unevaluated) },
    { "minContains", DRAFT_2020, SUB_NONE, true, on_array_count, ARRAY(contains_min) },
    { "maxContains", DRAFT_2020, SUB_NONE, true, on_array_count, ARRAY(contains_max) },
    { "minItems", DRAFT_BOTH, SUB_NONE, true, on_array_count, ARRAY(count_min) },
    { "maxItems", DRAFT_BOTH, SUB_NONE, true, on_array_count, ARRAY(count_max) },
    { "uniqueItems", DRAFT_BOTH, SUB_NONE, true, on_unique_items, 0 },
    { "properties", DRAFT_BOTH, SUB_MAP, false, on_properties, 0 },
    { "patternProperties", DRAFT_BOTH, SUB_MAP, false, on_pattern_properties, 0 },
    { "additionalProperties", DRAFT_BOTH, SUB_ONE, false, on_object_one, OBJECT(additional) },
    { "unevaluatedProperties", DRAFT_2020, SUB_ONE, false, on_object_one, OBJECT(unevaluated) },
    { "propertyNames", DRAFT_BOTH, SUB_ONE, false, on_object_one, OBJECT(names) },
    { "required", DRAFT_BOTH, SUB_NONE, true, on_required, 0 },
    { "dependentRequired", DRAFT_2020, SUB_NONE, true, on_dependent_required, 0 },
    { "dependentSchemas", DRAFT_2020, SUB_MAP, false, on_dependent_schemas, 0 },
    { "dependencies", DRAFT_BOTH, SUB_MAP, false, on_dependencies, 0 },
    { "minProperties", DRAFT_BOTH, SUB_NONE, true, on_object_count, OBJECT(count_min) },
    { "maxProperties", DRAFT_BOTH, SUB_NONE, true, on_object_count, OBJECT(count_max) },
    { "allOf", DRAFT_BOTH, SUB_LIST, false, on_logic_list, LOGIC(all) },
    { "anyOf", DRAFT_BOTH, SUB_LIST, false, on_logic_list, LOGIC(any) },
    { "oneOf", DRAFT_BOTH, SUB_LIST, false, on_logic_list, LOGIC(one) },
    { "not", DRAFT_BOTH, SUB_ONE, false, on_logic_one, LOGIC(negated) },
    { "if", DRAFT_BOTH, SUB_ONE, false, on_logic_one, LOGIC(condition) },
    { "then", DRAFT_BOTH, SUB_ONE, false, on_logic_one, LOGIC(then) },
    { "else", DRAFT_BOTH, SUB_ONE, false, on_logic_one, LOGIC(otherwise) },
};

const struct keyword *schema_keyword(struct str name, bool draft_07) {
    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        if (keywords[i].drafts & (draft_07 ? DRAFT_07 : DRAFT_2020)
                && str_equal(name, str_from(keywords[i].name)))
            return &keywords[i];
    }
    return NULL;
}

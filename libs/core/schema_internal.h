#pragma once
/* The inside of compiled schemas, shared by schema*.c alone.
 *
 * A schema becomes a graph of nodes, one for each schema object; $ref is an edge. What a node
 * demands of numbers, texts, arrays and objects, and its applicators, stand in groups of their
 * own, NULL where it demands nothing of the kind. */

#include "common/json.h"
#include "core/schema.h"

struct node;
struct regex;
struct resource;

enum {
    SCHEMA_DEPTH_MAX = 1024,            /* schemas applied within schemas, while validating */
    SCHEMA_STEPS_MAX = 5 * 1000 * 1000, /* nodes applied in one validation */
    SCHEMA_NODES_MAX = 100 * 1000,      /* nodes of one schema with all it refers to */
    SCHEMA_DOCUMENTS_MAX = 100,         /* documents of one schema */
};

typedef bool format_check(struct str text);

enum type_bit {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_OBJECT = 4,
    TYPE_ARRAY = 8,
    TYPE_NUMBER = 16,
    TYPE_STRING = 32,
    TYPE_INTEGER = 64,
};

struct node_list {
    const struct node **items;
    size_t count, capacity;
};

struct node_named {
    struct str name;
    const struct node *node;
};

struct node_map { /* sorted by name, but for dependentSchemas */
    struct node_named *items;
    size_t count;
};

struct node_pattern {
    struct str pattern;
    const struct regex *regex;
    const struct node *node;
};

struct name_list {
    struct str *items;
    size_t count;
};

struct dependency {
    struct str name;
    struct name_list required;
};

struct number_rules { /* absent where there is none */
    struct json minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of;
};

struct string_rules {
    int64_t length_min, length_max; /* in code points; -1: none */
    struct str pattern_text;
    const struct regex *pattern;
    struct str format_name;
    format_check *format;
};

struct array_rules {
    struct node_list prefix;
    const struct node *items; /* of those behind the prefix */
    const struct node *contains;
    int64_t contains_min, contains_max;
    int64_t count_min, count_max;
    bool unique;
    const struct node *unevaluated;
};

struct object_rules {
    struct node_map properties;
    struct node_pattern *patterns;
    size_t pattern_count;
    const struct node *additional;
    const struct node *names;
    struct name_list required;
    struct dependency *dependent_required;
    size_t dependent_required_count;
    struct node_map dependent_schemas;
    int64_t count_min, count_max;
    const struct node *unevaluated;
};

struct logic_rules {
    struct node_list all, any, one;
    const struct node *negated, *condition, *then, *otherwise; /* not, if, then, else */
};

struct node {
    bool is_boolean, boolean;
    enum { NODE_NEW, NODE_ON_PATH, NODE_DONE } color; /* of the search for cycles */
    unsigned types;                                   /* 0: any */
    bool has_constant;
    struct json constant;
    struct json enumeration; /* absent: none */
    struct number_rules *number;
    struct string_rules *string;
    struct array_rules *array;
    struct object_rules *object;
    struct logic_rules *logic;
    const struct node *ref;
    const struct node *dynamic_ref; /* where it leads without a dynamic scope */
    struct str dynamic_anchor;      /* the name to look for in the dynamic scope; empty: none */
    const struct resource *resource;
    struct node_list in_place; /* nodes applied to the same value */
    struct str pointer;        /* where it stands in the document, for faults */
};

struct anchor {
    struct anchor *next; /* of the resource's dynamic ones */
    struct str name;
    struct json schema;
    const struct node *node; /* set for dynamic ones when all is compiled */
    bool is_dynamic;
};

/* A schema with an identity of its own: a document, or a part of one with an $id. */
struct resource {
    struct str uri; /* absolute, without a fragment */
    struct json root;
    struct anchor *dynamic_anchors;
    bool draft_07, validates, asserts_formats;
};

struct schema {
    const struct node *root;
};

/* ---- schema_registry.c: which schemas there are, by URI and anchor ---- */

struct schema_map { /* names to pointers; a hash table, open addressing */
    struct schema_entry *entries;
    size_t count, capacity;
};

struct schema_registry {
    struct arena *arena;
    struct faults *faults;
    const struct schema_options *options;
    struct schema_map by_uri;
    struct schema_map by_object; /* resources, by the identity of the object they begin with */
    struct schema_map by_anchor;
    struct resource **resources;
    size_t count, capacity;
    size_t document_count;
};

void *schema_map_get(const struct schema_map *map, struct str key);
void schema_map_set(struct schema_map *map, struct str key, void *value,
        struct arena *arena); /* the key is copied */

/* Takes a document in, with all resources and anchors in it. */
struct resource *schema_registry_add(
        struct schema_registry *registry, struct str uri, struct json document);

/* Finds a resource by its URI: known, a metaschema, or fetched through the options; NULL: not
 * there. */
struct resource *schema_registry_find(struct schema_registry *registry, struct str uri);

/* The resource that begins with this object, or `otherwise`. */
struct resource *schema_registry_owner(
        const struct schema_registry *registry, struct json object, struct resource *otherwise);

struct anchor *schema_registry_anchor(
        const struct schema_registry *registry, const struct resource *resource, struct str name);

/* ---- schema_keywords.c ---- */

enum schema_sub {
    SUB_NONE,
    SUB_ONE,
    SUB_LIST,
    SUB_MAP
}; /* where a keyword holds schemas; a list or a map may hold other things, too */

struct compiler;
struct site;

struct keyword {
    const char *name;
    unsigned drafts; /* DRAFT_… */
    enum schema_sub sub;
    bool is_validation; /* of the vocabulary that a metaschema may leave out */
    void (*compile)(const struct site *site, const struct keyword *keyword, struct json value);
    size_t offset; /* of the field that the keyword fills, in its group of rules */
};

enum { DRAFT_07 = 1, DRAFT_2020 = 2, DRAFT_BOTH = 3 };

/* NULL if the draft has no such keyword. */
const struct keyword *schema_keyword(struct str name, bool draft_07);

/* ---- schema_compile.c ---- */

/* One schema object while it becomes a node. */
struct site {
    struct compiler *compiler;
    struct arena *arena;
    struct node *node;
    struct json source;
    struct resource *resource;
    struct str pointer;
    bool assert_formats;
};

PRINTF(3, 4)
void schema_site_fault(const struct site *site, const char *keyword, const char *format, ...);

/* Compiles a schema that stands below this one; `key` (may be empty) is what follows the keyword
 * in its pointer. */
const struct node *schema_site_sub(
        const struct site *site, const char *keyword, struct str key, struct json schema);

/* Makes a note of a reference, to be resolved when all is compiled. */
void schema_site_refer(
        const struct site *site, const char *keyword, struct str reference, bool is_dynamic);

void schema_list_add(struct node_list *list, const struct node *node, struct arena *arena);

/* ---- schema_number.c ---- */

/* True if the number has no fraction: 1, 1.0 and 1e2 have none. */
bool schema_is_integer(struct json number);

/* True if value = multiple × an integer, in decimals of any length; `multiple` has 18
 * significant digits at most, else doubles decide. */
bool schema_is_multiple(struct json value, struct json multiple, struct arena *arena);

/* ---- schema_uri.c ---- */

/* Resolves a reference against a base (RFC 3986, 5.2), the fragment included. */
struct str schema_uri_resolve(struct str base, struct str reference, struct arena *arena);
struct str schema_uri_fragment(
        struct str uri, struct str *ret_without); /* behind the '#'; data NULL: there is none */
struct str schema_uri_unescape(struct str text, struct arena *arena); /* %41 → A */

/* ---- schema_format.c ---- */

/* The check of a format, or NULL if the format is not known. */
format_check *schema_format_find(struct str name);

/* ---- schema_idna.c ---- */

/* Labels of internationalised names (RFC 5891, 5892): of letters, and in their ASCII form
 * "xn--…". Normal forms are not checked. */
bool schema_idna_is_label(struct str label);
bool schema_idna_is_ascii_label(struct str label);

/* ---- schema_pattern.c ---- */

/* Compiles a pattern of ECMA-262 (the dialect of JSON Schema) to what PCRE2 takes the same way. */
MUST_USE bool schema_pattern_compile(
        struct str pattern, struct arena *arena, const struct regex **ret, struct err *err);

/* ---- schema_meta.c ---- */

/* The text of a metaschema that we know by its URI (no fragment); empty: unknown. */
struct str schema_meta_find(struct str uri);

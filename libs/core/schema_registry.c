#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "core/schema_internal.h"

enum { MAP_CAPACITY_MIN = 16 };

struct schema_entry {
    struct str key; /* data NULL: free */
    void *value;
};

/* ---- maps ---- */

static struct schema_entry *map_slot(
        struct schema_entry *entries, size_t capacity, struct str key) {
    size_t at = (size_t)str_hash(key) & (capacity - 1);

    while (entries[at].key.data && !str_equal(entries[at].key, key))
        at = (at + 1) & (capacity - 1);
    return &entries[at];
}

void *schema_map_get(const struct schema_map *map, struct str key) {
    return map->capacity ? map_slot(map->entries, map->capacity, key)->value : NULL;
}

void schema_map_set(struct schema_map *map, struct str key, void *value, struct arena *arena) {
    if (map->count * 2 >= map->capacity) {
        size_t capacity = MAX(map->capacity * 2, (size_t)MAP_CAPACITY_MIN);
        struct schema_entry *entries = arena_new_many(arena, struct schema_entry, capacity);
        for (size_t i = 0; i < map->capacity; i++) {
            if (map->entries[i].key.data)
                *map_slot(entries, capacity, map->entries[i].key) = map->entries[i];
        }
        map->entries = entries;
        map->capacity = capacity;
    }
    struct schema_entry *slot = map_slot(map->entries, map->capacity, key);
    if (!slot->key.data) {
        slot->key = str_copy(key, arena);
        map->count++;
    }
    slot->value = value;
}

/* ---- drafts ---- */

enum draft { DRAFT_IS_07, DRAFT_IS_2020, DRAFT_IS_OWN, DRAFT_IS_OLD };

static enum draft draft_of(struct str uri) {
    static const struct {
        const char *uri;
        enum draft draft;
    } known[] = {
        { "//json-schema.org/draft/2020-12/schema", DRAFT_IS_2020 },
        { "//json-schema.org/schema", DRAFT_IS_2020 },
        { "//json-schema.org/draft-07/schema", DRAFT_IS_07 },
        { "//json-schema.org/draft-06/schema", DRAFT_IS_07 },
        { "//json-schema.org/draft/2019-09/schema", DRAFT_IS_OLD },
        { "//json-schema.org/draft-04/schema", DRAFT_IS_OLD },
        { "//json-schema.org/draft-03/schema", DRAFT_IS_OLD },
    };
    struct str bare;

    schema_uri_fragment(uri, &bare);
    bare = str_slice(bare, str_find_char(bare, ':') + 1, bare.size);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (str_equal(bare, str_from(known[i].uri))) return known[i].draft;
    }
    return DRAFT_IS_OWN;
}

static bool fetch(struct schema_registry *registry, struct str uri, struct json *ret) {
    struct str text = schema_meta_find(uri);
    static const struct json_read_options options = { .depth_max = LIMIT_DEPTH };
    struct err ignored;

    if (text.size) return json_read(text, &options, registry->arena, ret, NULL, &ignored);
    if (!registry->options || !registry->options->resolve
            || registry->document_count >= SCHEMA_DOCUMENTS_MAX)
        return false;
    registry->document_count++;
    return registry->options->resolve(registry->options->user, uri, registry->arena, ret);
}

/* A metaschema of somebody's own: its vocabularies say what counts (2020-12 core, 8.1.2). */
static void apply_own_metaschema(
        struct schema_registry *registry, struct resource *resource, struct str uri) {
    struct json metaschema;
    struct str bare;

    schema_uri_fragment(uri, &bare);
    if (!fetch(registry, bare, &metaschema)) {
        faults_add(registry->faults, STR("/$schema"),
                "the metaschema '" STR_FMT "' is not known; write "
                "'https://json-schema.org/draft/2020-12/schema' or "
                "'http://json-schema.org/draft-07/schema#'",
                STR_ARG(uri));
        return;
    }
    resource->draft_07 = draft_of(json_str(json_get(metaschema, STR("$schema")))) == DRAFT_IS_07;
    struct json vocabularies = json_get(metaschema, STR("$vocabulary"));
    if (json_type(vocabularies) != JSON_OBJECT) return;
    resource->validates =
            json_has(vocabularies, STR("https://json-schema.org/draft/2020-12/vocab/validation"));
    resource->asserts_formats = json_has(
            vocabularies, STR("https://json-schema.org/draft/2020-12/vocab/format-assertion"));
}

static void apply_metaschema(struct schema_registry *registry, struct resource *resource) {
    struct str uri = json_str(json_get(resource->root, STR("$schema")));

    if (uri.size == 0) return;
    resource->validates = true;
    resource->asserts_formats = false;
    switch (draft_of(uri)) {
    case DRAFT_IS_07: resource->draft_07 = true; return;
    case DRAFT_IS_2020: resource->draft_07 = false; return;
    case DRAFT_IS_OLD:
        faults_add(registry->faults, STR("/$schema"),
                "the draft '" STR_FMT "' is not supported; write "
                "'https://json-schema.org/draft/2020-12/schema' or "
                "'http://json-schema.org/draft-07/schema#'",
                STR_ARG(uri));
        return;
    case DRAFT_IS_OWN: apply_own_metaschema(registry, resource, uri); return;
    }
}

/* ---- resources ---- */

/* A value by its identity: where it lies and how much of it there is. */
static struct str key_of(const struct json *value) {
    _Static_assert(sizeof(*value) == 16, "a value has no padding");
    return (struct str){ (const char *)value, sizeof(*value) };
}

static struct str anchor_key(
        const struct resource *resource, struct str name, struct arena *arena) {
    return str_format(arena, "%p#" STR_FMT, (const void *)resource, STR_ARG(name));
}

static struct resource *resource_new(struct schema_registry *registry, struct str uri,
        struct json root, const struct resource *outer) {
    struct resource *resource = arena_new_one(registry->arena, struct resource);

    *resource = (struct resource){
        .uri = uri,
        .root = root,
        .draft_07 = outer ? outer->draft_07 : registry->options && registry->options->draft_07,
        .validates = outer ? outer->validates : true,
        .asserts_formats = outer && outer->asserts_formats,
    };
    if (registry->count == registry->capacity) {
        size_t capacity = MAX(registry->capacity * 2, (size_t)8);
        struct resource **resources = arena_new_many(registry->arena, struct resource *, capacity);
        for (size_t i = 0; i < registry->count; i++)
            resources[i] = registry->resources[i];
        registry->resources = resources;
        registry->capacity = capacity;
    }
    registry->resources[registry->count++] = resource;
    if (json_type(root) == JSON_OBJECT)
        schema_map_set(&registry->by_object, key_of(&root), resource, registry->arena);
    return resource;
}

static void anchor_add(struct schema_registry *registry, struct resource *resource, struct str name,
        struct json schema, bool is_dynamic) {
    if (name.size == 0) return;
    struct anchor *anchor = arena_new_one(registry->arena, struct anchor);
    *anchor = (struct anchor){ .name = name, .schema = schema, .is_dynamic = is_dynamic };
    schema_map_set(&registry->by_anchor, anchor_key(resource, name, registry->arena), anchor,
            registry->arena);
    if (!is_dynamic) return;
    anchor->next = resource->dynamic_anchors;
    resource->dynamic_anchors = anchor;
}

struct anchor *schema_registry_anchor(
        const struct schema_registry *registry, const struct resource *resource, struct str name) {
    return schema_map_get(&registry->by_anchor, anchor_key(resource, name, registry->arena));
}

/* ---- the walk through a document ---- */

/* Takes the identity of a schema object; returns the resource that it belongs to. */
static struct resource *identify(
        struct schema_registry *registry, struct json schema, struct resource *resource) {
    bool is_root = resource->root.object == schema.object;
    struct str id = json_str(json_get(schema, STR("$id"))), bare;

    if (resource->draft_07 && json_has(schema, STR("$ref")))
        return resource; /* draft-07: its siblings do not count */
    struct str fragment = schema_uri_fragment(id, &bare);
    if (bare.size) {
        struct str uri = schema_uri_resolve(resource->uri, bare, registry->arena);
        if (!is_root) {
            resource = resource_new(registry, uri, schema, resource);
            apply_metaschema(registry, resource);
        }
        resource->uri = uri;
        if (!schema_map_get(&registry->by_uri, uri))
            schema_map_set(&registry->by_uri, uri, resource, registry->arena);
    }
    if (resource->draft_07) {
        anchor_add(registry, resource, fragment, schema, false);
    } else {
        anchor_add(registry, resource, json_str(json_get(schema, STR("$anchor"))), schema, false);
        anchor_add(registry, resource, json_str(json_get(schema, STR("$dynamicAnchor"))), schema,
                true);
    }
    return resource;
}

/* Finds the schemas where keywords hold them: an "$id" in an enum or under a name nobody knows
 * is only data. */
static void walk(struct schema_registry *registry, struct json schema, struct resource *resource,
        uint32_t depth) {
    if (json_type(schema) != JSON_OBJECT || depth > LIMIT_DEPTH * 2) return;
    resource = identify(registry, schema, resource);
    for (size_t i = 0; i < json_size(schema); i++) {
        const struct json_member *member = json_member_at(schema, i);
        const struct keyword *keyword = schema_keyword(member->key, resource->draft_07);
        enum schema_sub sub = keyword ? keyword->sub : SUB_NONE;
        if (sub == SUB_ONE || sub == SUB_LIST) walk(registry, member->value, resource, depth + 1);
        for (size_t j = 0; sub == SUB_MAP && j < json_size(member->value)
                && json_type(member->value) == JSON_OBJECT;
                j++) {
            walk(registry, json_member_at(member->value, j)->value, resource, depth + 1);
        }
        for (size_t j = 0; sub == SUB_LIST && json_type(member->value) == JSON_ARRAY
                && j < json_size(member->value);
                j++) {
            walk(registry, json_at(member->value, j), resource, depth + 1);
        }
    }
}

struct resource *schema_registry_add(
        struct schema_registry *registry, struct str uri, struct json document) {
    struct resource *resource = resource_new(registry, uri, document, NULL);

    apply_metaschema(registry, resource);
    schema_map_set(&registry->by_uri, uri, resource, registry->arena);
    walk(registry, document, resource, 0);
    return resource;
}

struct resource *schema_registry_find(struct schema_registry *registry, struct str uri) {
    struct resource *found = schema_map_get(&registry->by_uri, uri);
    struct json document;

    if (found) return found;
    if (!fetch(registry, uri, &document)) return NULL;
    return schema_registry_add(registry, uri, document);
}

struct resource *schema_registry_owner(
        const struct schema_registry *registry, struct json object, struct resource *otherwise) {
    struct resource *owner = json_type(object) == JSON_OBJECT
            ? schema_map_get(&registry->by_object, key_of(&object))
            : NULL;

    return owner ? owner : otherwise;
}

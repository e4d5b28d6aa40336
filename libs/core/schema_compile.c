#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/limits.h"
#include "core/schema_internal.h"

/* First the registry learns which schemas there are, then each schema becomes a node, then
 * references become edges: resolving one may compile schemas where nobody looked before, and
 * these bring references of their own, until none is left. At last, cycles of nodes that all
 * apply to the same value are refused: validation would never end there. */

enum { DEPTH_MAX = LIMIT_DEPTH * 2, FAULT_SIZE_MAX = 1024 };

struct reference {
    struct node *node;
    struct str uri; /* absolute, with its fragment */
    struct str text;
    struct str pointer;
    bool is_dynamic;
};

struct compiler {
    struct schema_registry registry;
    struct arena *arena;
    struct faults *faults;
    const struct schema_options *options;
    struct schema_map nodes; /* by identity of the value and resource */
    struct node **all;
    size_t count, capacity;
    struct reference *references;
    size_t reference_count, reference_capacity;
    uint32_t depth;
    bool is_full;
};

static const struct node always = { .is_boolean = true, .boolean = true };
static const struct node never = { .is_boolean = true, .boolean = false };

/* ---- for keywords ---- */

static void escape_into(struct buf *buf, struct str token) {
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] == '~') {
            buf_append_c(buf, "~0");
        } else if (token.data[i] == '/') {
            buf_append_c(buf, "~1");
        } else {
            buf_append_char(buf, token.data[i]);
        }
    }
}

static struct str pointer_below(const struct site *site, const char *keyword, struct str key) {
    SCOPED(buf_clear) struct buf buf = { 0 };

    buf_init(&buf, LIMIT_BODY);
    buf_append(&buf, site->pointer);
    buf_append_char(&buf, '/');
    escape_into(&buf, str_from(keyword));
    if (key.size) buf_append_char(&buf, '/');
    escape_into(&buf, key);
    return str_copy(buf_str(&buf), site->arena);
}

void schema_site_fault(const struct site *site, const char *keyword, const char *format, ...) {
    char message[FAULT_SIZE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    faults_add(site->compiler->faults, pointer_below(site, keyword, STR("")), "%s", message);
}

void schema_list_add(struct node_list *list, const struct node *node, struct arena *arena) {
    if (list->count == list->capacity) {
        size_t capacity = MAX(list->capacity * 2, (size_t)4);
        const struct node **items = arena_alloc(arena, capacity * sizeof(const struct node *));
        for (size_t i = 0; i < list->count; i++)
            items[i] = list->items[i];
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = node;
}

void schema_site_refer(
        const struct site *site, const char *keyword, struct str reference, bool is_dynamic) {
    struct compiler *compiler = site->compiler;

    if (compiler->reference_count == compiler->reference_capacity) {
        size_t capacity = MAX(compiler->reference_capacity * 2, (size_t)16);
        struct reference *references = arena_new_many(compiler->arena, struct reference, capacity);
        if (compiler->reference_count) {
            memcpy(references, compiler->references,
                    compiler->reference_count * sizeof(*references));
        }
        compiler->references = references;
        compiler->reference_capacity = capacity;
    }
    compiler->references[compiler->reference_count++] = (struct reference){
        .node = site->node,
        .uri = schema_uri_resolve(site->resource->uri, reference, site->arena),
        .text = reference,
        .pointer = pointer_below(site, keyword, STR("")),
        .is_dynamic = is_dynamic,
    };
}

/* ---- nodes ---- */

struct node_key {
    struct json schema;
    const struct resource *resource;
};

static struct node *node_new(
        struct compiler *compiler, const struct resource *resource, struct str pointer) {
    struct node *node = arena_new_one(compiler->arena, struct node);

    node->resource = resource;
    node->pointer = pointer;
    if (compiler->count == compiler->capacity) {
        size_t capacity = MAX(compiler->capacity * 2, (size_t)64);
        struct node **all = arena_new_many(compiler->arena, struct node *, capacity);
        for (size_t i = 0; i < compiler->count; i++)
            all[i] = compiler->all[i];
        compiler->all = all;
        compiler->capacity = capacity;
    }
    compiler->all[compiler->count++] = node;
    return node;
}

static void compile_keywords(const struct site *site) {
    bool only_reference = site->resource->draft_07 && json_has(site->source, STR("$ref"));

    for (size_t i = 0; i < json_size(site->source); i++) {
        const struct json_member *member = json_member_at(site->source, i);
        const struct keyword *keyword = schema_keyword(member->key, site->resource->draft_07);
        if (!keyword || (keyword->is_validation && !site->resource->validates)) continue;
        bool is_definitions = keyword->sub == SUB_MAP
                && (strcmp(keyword->name, "definitions") == 0
                        || strcmp(keyword->name, "$defs") == 0);
        if (only_reference && !is_definitions && strcmp(keyword->name, "$ref") != 0) continue;
        keyword->compile(site, keyword, member->value);
    }
}

static const struct node *compile(struct compiler *compiler, struct json schema,
        struct resource *resource, struct str pointer) {
    if (json_type(schema) == JSON_TRUE) return &always;
    if (json_type(schema) == JSON_FALSE) return &never;
    if (json_type(schema) != JSON_OBJECT) {
        faults_add(compiler->faults, pointer, "a schema is an object, true or false, not %s",
                json_type_name(schema));
        return &never;
    }
    if (json_size(schema) == 0) return &always;
    resource = schema_registry_owner(&compiler->registry, schema, resource);
    struct node_key identity = { schema, resource };
    struct str key = { (const char *)&identity, sizeof(identity) };
    struct node *node = schema_map_get(&compiler->nodes, key);
    if (node) return node;
    if (compiler->count == SCHEMA_NODES_MAX || compiler->depth == DEPTH_MAX) {
        if (!compiler->is_full) faults_add(compiler->faults, pointer, "the schema is too large");
        compiler->is_full = true;
        return &never;
    }
    node = node_new(compiler, resource, pointer);
    schema_map_set(&compiler->nodes, key, node, compiler->arena);
    struct site site = {
        .compiler = compiler,
        .arena = compiler->arena,
        .node = node,
        .source = schema,
        .resource = resource,
        .pointer = pointer,
        .assert_formats = resource->asserts_formats
                || (compiler->options && compiler->options->assert_formats),
    };
    compiler->depth++;
    compile_keywords(&site);
    compiler->depth--;
    return node;
}

const struct node *schema_site_sub(
        const struct site *site, const char *keyword, struct str key, struct json schema) {
    return compile(site->compiler, schema, site->resource, pointer_below(site, keyword, key));
}

/* ---- references ---- */

/* Follows a pointer from the root of a resource; a schema with its own $id on the way becomes
 * the resource. */
static struct json follow(
        const struct compiler *compiler, struct resource **resource, struct str pointer) {
    struct json value = (*resource)->root;

    while (pointer.size) {
        size_t size = 1 + str_find_char(str_slice(pointer, 1, pointer.size), '/');
        size = MIN(size, pointer.size);
        value = json_pointer_get(value, str_slice(pointer, 0, size));
        *resource = schema_registry_owner(&compiler->registry, value, *resource);
        pointer = str_slice(pointer, size, pointer.size);
    }
    return value;
}

static const struct node *find(
        struct compiler *compiler, struct reference *reference, struct str *ret_dynamic) {
    struct str bare, fragment = schema_uri_fragment(reference->uri, &bare);
    struct resource *resource = schema_registry_find(&compiler->registry, bare);

    if (!resource) return NULL;
    fragment = schema_uri_unescape(fragment, compiler->arena);
    if (fragment.size == 0) return compile(compiler, resource->root, resource, reference->pointer);
    if (fragment.data[0] == '/') {
        struct json schema = follow(compiler, &resource, fragment);
        return json_is_absent(schema) ? NULL
                                      : compile(compiler, schema, resource, reference->pointer);
    }
    const struct anchor *anchor = schema_registry_anchor(&compiler->registry, resource, fragment);
    if (!anchor) return NULL;
    if (anchor->is_dynamic) *ret_dynamic = anchor->name;
    return compile(compiler, anchor->schema, resource, reference->pointer);
}

static void resolve(struct compiler *compiler, struct reference *reference) {
    struct str dynamic = STR_NULL;
    const struct node *target = find(compiler, reference, &dynamic);

    if (!target) {
        faults_add(compiler->faults, reference->pointer, "'" STR_FMT "' leads to no schema",
                STR_ARG(reference->text));
        return;
    }
    schema_list_add(&reference->node->in_place, target, compiler->arena);
    if (!reference->is_dynamic) {
        reference->node->ref = target;
        return;
    }
    reference->node->dynamic_ref = target;
    reference->node->dynamic_anchor = dynamic;
}

static void compile_dynamic_anchors(struct compiler *compiler) {
    for (size_t i = 0; i < compiler->registry.count; i++) {
        struct resource *resource = compiler->registry.resources[i];
        for (struct anchor *anchor = resource->dynamic_anchors; anchor; anchor = anchor->next) {
            if (!anchor->node) anchor->node = compile(compiler, anchor->schema, resource, STR(""));
        }
    }
}

static void resolve_all(struct compiler *compiler) {
    size_t done = 0, resources;

    do {
        while (done < compiler->reference_count) {
            struct reference reference = compiler->references[done++];
            resolve(compiler, &reference);
        }
        resources = compiler->registry.count;
        compile_dynamic_anchors(compiler);
    } while (done < compiler->reference_count || resources < compiler->registry.count);
}

/* ---- cycles ---- */

struct step {
    struct node *node;
    size_t next;
};

/* Nodes are ours until the schema is handed out, so they may be coloured. */
static struct node *mutable_node(const struct node *node) {
    union {
        const struct node *in;
        struct node *out;
    } cast = { .in = node };

    return cast.out;
}

static void refuse_cycle(struct compiler *compiler, const struct node *node) {
    faults_add(compiler->faults, node->pointer,
            "this schema applies itself to the same value again and would never end; "
            "refer to it from 'properties' or 'items' instead");
}

static void search_from(struct compiler *compiler, struct node *start, struct step *path) {
    size_t depth = 0;

    if (start->color != NODE_NEW) return;
    start->color = NODE_ON_PATH;
    path[depth++] = (struct step){ start, 0 };
    while (depth) {
        struct step *step = &path[depth - 1];
        if (step->next == step->node->in_place.count) {
            step->node->color = NODE_DONE;
            depth--;
            continue;
        }
        const struct node *next = step->node->in_place.items[step->next++];
        if (next->is_boolean || next->color == NODE_DONE) continue;
        if (next->color == NODE_ON_PATH) {
            refuse_cycle(compiler, next);
            continue;
        }
        mutable_node(next)->color = NODE_ON_PATH;
        path[depth++] = (struct step){ mutable_node(next), 0 };
    }
}

static void refuse_cycles(struct compiler *compiler) {
    struct step *path = arena_new_many(compiler->arena, struct step, compiler->count + 1);

    for (size_t i = 0; i < compiler->count; i++)
        search_from(compiler, compiler->all[i], path);
}

bool schema_compile(struct json document, const struct schema_options *options, struct arena *arena,
        const struct schema **ret, struct faults *faults) {
    size_t faults_before = faults->count + faults->left_out;
    struct compiler compiler = { .arena = arena, .faults = faults, .options = options };
    struct schema *schema = arena_new_one(arena, struct schema);

    compiler.registry =
            (struct schema_registry){ .arena = arena, .faults = faults, .options = options };
    struct resource *root = schema_registry_add(&compiler.registry, STR(""), document);
    schema->root = compile(&compiler, document, root, STR(""));
    resolve_all(&compiler);
    refuse_cycles(&compiler);
    if (faults->count + faults->left_out > faults_before) return false;
    *ret = schema;
    return true;
}

#include "ledger/definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"
#include "store/store.h"
#include "system/queue.h"

enum { BUCKETS = 1024 };

enum { ID_SIZE_MAX = 512 };

/* One compiled definition. One that was forgotten while in use waits in a list of its own for its last user. */
struct entry {
    struct entry *next;
    const struct definition *definition;
    uint64_t used_at;
    size_t users;
    size_t id_size;
    char id[];
};

struct definitions {
    struct store *store;
    struct lock *lock;
    struct entry *buckets[BUCKETS];
    struct entry *forgotten;
    size_t count;
    uint64_t clock;
};

static struct str id_of(struct str namespace, struct str name, struct str version, char text[ID_SIZE_MAX]) {
    int size = snprintf(text, ID_SIZE_MAX, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(name), STR_ARG(version));

    return (struct str){ text, size > 0 ? MIN((size_t)size, (size_t)ID_SIZE_MAX - 1) : 0 };
}

static struct str entry_id(const struct entry *entry) {
    return (struct str){ entry->id, entry->id_size };
}

static struct entry *new_entry(struct str id, const struct definition *definition) {
    struct entry *entry = calloc(1, sizeof(*entry) + id.size);

    assert(entry);
    memcpy(entry->id, id.data, id.size);
    entry->id_size = id.size;
    entry->definition = definition;
    return entry;
}

struct definitions *definitions_new(struct store *store) {
    struct definitions *definitions = calloc(1, sizeof(*definitions));

    assert(definitions);
    definitions->store = store;
    definitions->lock = lock_new();
    return definitions;
}

static void free_entry(struct entry *entry) {
    definition_free(entry->definition);
    free(entry);
}

void definitions_free(struct definitions *definitions) {
    if (!definitions) return;
    for (size_t i = 0; i <= BUCKETS; i++) {
        struct entry *next, *entry = i < BUCKETS ? definitions->buckets[i] : definitions->forgotten;
        for (; entry; entry = next) {
            next = entry->next;
            free_entry(entry);
        }
    }
    lock_free(definitions->lock);
    free(definitions);
}

static struct entry **bucket_of(struct definitions *definitions, struct str id) {
    return &definitions->buckets[str_hash(id) % BUCKETS];
}

static struct entry *find(struct definitions *definitions, struct str id) {
    for (struct entry *entry = *bucket_of(definitions, id); entry; entry = entry->next) {
        if (str_equal(entry_id(entry), id)) return entry;
    }
    return NULL;
}

/* Makes room: the one not in use that was used longest ago. */
static void evict(struct definitions *definitions) {
    struct entry **oldest = NULL;

    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry **at = &definitions->buckets[i]; *at; at = &(*at)->next) {
            if (!(*at)->users && (!oldest || (*at)->used_at < (*oldest)->used_at)) oldest = at;
        }
    }
    if (!oldest) return;
    struct entry *entry = *oldest;
    *oldest = entry->next;
    free_entry(entry);
    definitions->count--;
}

static const struct definition *use(struct definitions *definitions, struct entry *entry) {
    entry->users++;
    entry->used_at = ++definitions->clock;
    return entry->definition;
}

/* Takes over a definition that was just compiled, unless another thread was faster. */
static const struct definition *adopt(struct definitions *definitions, struct str id, const struct definition *definition) {
    lock_acquire(definitions->lock);
    struct entry *entry = find(definitions, id);
    const struct definition *unwanted = entry ? definition : NULL;
    if (!entry) {
        if (definitions->count >= LIMIT_DEFINITIONS_HELD) evict(definitions);
        entry = new_entry(id, definition);
        struct entry **bucket = bucket_of(definitions, id);
        entry->next = *bucket;
        *bucket = entry;
        definitions->count++;
    }
    const struct definition *result = use(definitions, entry);
    lock_release(definitions->lock);
    definition_free(unwanted);
    return result;
}

static bool compile(const struct record *record, struct arena *arena, const struct definition **ret, struct err *err) {
    struct json_read_options options = { .depth_max = LIMIT_DEPTH, .borrow = true };
    struct faults faults;
    struct json body;

    faults_init(&faults, arena);
    if (!json_read(record->body, &options, arena, &body, NULL, err)) return err_wrap(err, "stored definition");
    bool is_json = str_find(json_str(json_get(body, STR("contentType"))), STR("json")) < json_str(json_get(body, STR("contentType"))).size;
    if (definition_load(json_str(json_get(body, STR("text"))), is_json ? INTAKE_JSON : INTAKE_YAML, ret, &faults, err)) return true;
    if (faults.count) {
        err_set(err, ERR_INVALID, "the stored definition cannot be compiled: at '" STR_FMT "': " STR_FMT,
                STR_ARG(faults.items[0].pointer), STR_ARG(faults.items[0].detail));
    }
    return false;
}

MUST_USE bool definitions_acquire(struct definitions *definitions, struct str namespace, struct str name, struct str version,
        const struct definition **ret, struct err *err) {
    SCOPED(arena_freep) struct arena *arena = NULL;
    char text[ID_SIZE_MAX];
    struct str id = id_of(namespace, name, version, text);
    const struct record *record;

    lock_acquire(definitions->lock);
    struct entry *entry = find(definitions, id);
    if (entry) *ret = use(definitions, entry);
    lock_release(definitions->lock);
    if (entry) return true;
    arena = arena_new();
    if (!store_get_many(definitions->store, COLLECTION_WORKFLOWS, &id, 1, arena, &record, err)) return err_wrap(err, "workflow '%s'", text);
    if (!record) return err_set(err, ERR_NOT_FOUND, "there is no workflow '%s'", text);
    if (!compile(record, arena, ret, err)) return err_wrap(err, "workflow '%s'", text);
    *ret = adopt(definitions, id, *ret);
    return true;
}

static struct str id_of_definition(const struct definition *definition, char text[ID_SIZE_MAX]) {
    return id_of(definition_namespace(definition), definition_name(definition), definition_version(definition), text);
}

static void release_forgotten(struct definitions *definitions, const struct definition *definition) {
    for (struct entry **at = &definitions->forgotten; *at; at = &(*at)->next) {
        struct entry *entry = *at;
        if (entry->definition != definition) continue;
        if (--entry->users > 0) return;
        *at = entry->next;
        free_entry(entry);
        return;
    }
}

void definitions_release(struct definitions *definitions, const struct definition *definition) {
    char text[ID_SIZE_MAX];

    if (!definition) return;
    lock_acquire(definitions->lock);
    struct entry *entry = find(definitions, id_of_definition(definition, text));
    if (entry && entry->definition == definition) {
        assert(entry->users > 0);
        entry->users--;
    } else {
        release_forgotten(definitions, definition);
    }
    lock_release(definitions->lock);
}

void definitions_forget(struct definitions *definitions, struct str namespace, struct str name, struct str version) {
    char text[ID_SIZE_MAX];
    struct str id = id_of(namespace, name, version, text);

    lock_acquire(definitions->lock);
    for (struct entry **at = bucket_of(definitions, id); *at; at = &(*at)->next) {
        struct entry *entry = *at;
        if (!str_equal(entry_id(entry), id)) continue;
        *at = entry->next;
        definitions->count--;
        if (entry->users) {
            entry->next = definitions->forgotten;
            definitions->forgotten = entry;
        } else {
            free_entry(entry);
        }
        break;
    }
    lock_release(definitions->lock);
}

static struct str version_of(const struct record *record) {
    struct str rest = record->id;

    str_cut(&rest, '/');
    str_cut(&rest, '/');
    return rest;
}

static bool is_prerelease(struct str version) {
    version = str_slice(version, 0, str_find_char(version, '+'));
    return str_find_char(version, '-') < version.size;
}

bool definitions_is_newer(struct str version, struct str than) {
    if (is_prerelease(version) != is_prerelease(than)) return is_prerelease(than);
    return definition_version_compare(version, than) > 0;
}

MUST_USE bool definitions_latest(struct definitions *definitions, struct str namespace, struct str name, struct arena *arena,
        struct str *ret_version, struct err *err) {
    struct str workflow = str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(name));
    struct query query = { .conditions = { { "workflow", OP_EQUAL, json_string(workflow) } }, .condition_count = 1,
        .limit = LIMIT_BATCH, .without_body = true };
    const struct record *records;
    struct str best = STR_NULL;
    size_t count;

    do {
        if (!store_find(definitions->store, COLLECTION_WORKFLOWS, &query, arena, &records, &count, &query.after, err)) return false;
        for (size_t i = 0; i < count; i++) {
            struct str version = version_of(&records[i]);
            if (!best.size || definitions_is_newer(version, best)) best = version;
        }
    } while (query.after.size);
    if (!best.size) return err_set(err, ERR_NOT_FOUND, "there is no workflow '" STR_FMT "'", STR_ARG(workflow));
    *ret_version = best;
    return true;
}

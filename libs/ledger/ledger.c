#include "ledger/ledger.h"

#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/limits.h"
#include "store/store.h"

/* ---- applying ---- */

struct collected {
    struct arena *arena;
    struct effect *effects;
    size_t effect_count;
    struct fact *facts;
    size_t fact_count;
};

static void collect(struct collected *all, const struct step_result *one) {
    if (one->effect_count) {
        struct effect *effects = arena_new_many(all->arena, struct effect, all->effect_count + one->effect_count);
        if (all->effect_count) memcpy(effects, all->effects, all->effect_count * sizeof(*effects));
        memcpy(effects + all->effect_count, one->effects, one->effect_count * sizeof(*effects));
        all->effects = effects;
        all->effect_count += one->effect_count;
    }
    if (one->fact_count) {
        struct fact *facts = arena_new_many(all->arena, struct fact, all->fact_count + one->fact_count);
        if (all->fact_count) memcpy(facts, all->facts, all->fact_count * sizeof(*facts));
        memcpy(facts + all->fact_count, one->facts, one->fact_count * sizeof(*facts));
        all->facts = facts;
        all->fact_count += one->fact_count;
    }
}

/* Incarnations use all 64 bits, JSON's integers 63. */
static struct json describe(struct origin origin, struct arena *arena) {
    struct json applied = json_object(arena, 3);

    applied = json_set(applied, STR("incarnation"), json_int64((int64_t)origin.incarnation, arena), arena);
    applied = json_set(applied, STR("partition"), json_int64(origin.partition, arena), arena);
    return json_set(applied, STR("offset"), json_int64(origin.offset, arena), arena);
}

void ledger_apply(const struct definition *definition, const struct instance *before, struct input *inputs, size_t count,
        int64_t version, struct origin applied, struct arena *arena, struct step_result *ret, enum step_verdict *ret_verdicts) {
    struct collected all = { .arena = arena };
    const struct instance *instance = before;
    enum step_verdict verdict = STEP_DUPLICATE;

    for (size_t i = 0; i < count; i++) {
        struct step_result one;
        inputs[i].version = version;
        step(arena, definition, instance, &inputs[i], &one);
        inputs[i].budget = one.turns + 1;
        if (ret_verdicts) ret_verdicts[i] = one.verdict;
        if (one.verdict != STEP_APPLIED) {
            if (verdict != STEP_APPLIED) verdict = one.verdict;
            continue;
        }
        verdict = STEP_APPLIED;
        instance = one.instance;
        collect(&all, &one);
    }
    *ret = (struct step_result){ .verdict = verdict, .instance = before };
    if (verdict != STEP_APPLIED) return;
    struct instance *noted = arena_new_one(arena, struct instance);
    *noted = *instance;
    noted->applied = describe(applied, arena);
    *ret = (struct step_result){ .verdict = verdict, .instance = noted, .effects = all.effects, .effect_count = all.effect_count,
        .facts = all.facts, .fact_count = all.fact_count };
}

/* ---- loading ---- */

struct loader {
    struct store *store;
    struct definitions *definitions;
    struct arena *arena;
    struct err *err;
};

static bool decode_head(struct loader *loader, const struct record *head, struct loaded *loaded) {
    struct json_read_options options = { .depth_max = 100000, .borrow = true };
    struct str namespace, name, version;
    struct json snapshot;

    if (!json_read(head->body, &options, loader->arena, &snapshot, NULL, loader->err)) return err_wrap(loader->err, "head");
    instance_definition_of(snapshot, &namespace, &name, &version);
    return definitions_acquire(loader->definitions, namespace, name, version, &loaded->definition, loader->err)
            && instance_decode(snapshot, loaded->definition, loader->arena, &loaded->instance, loader->err);
}

static bool load_heads(struct loader *loader, struct loaded *loaded, size_t count) {
    struct str *ids = arena_new_many(loader->arena, struct str, count);
    const struct record **heads = arena_new_many(loader->arena, const struct record *, count);

    for (size_t i = 0; i < count; i++) ids[i] = loaded[i].id;
    if (!store_get_many(loader->store, COLLECTION_INSTANCES, ids, count, loader->arena, heads, loader->err)) return false;
    for (size_t i = 0; i < count; i++) {
        if (!heads[i]) continue;
        if (!decode_head(loader, heads[i], &loaded[i])) return err_wrap(loader->err, "instance '" STR_FMT "'", STR_ARG(ids[i]));
        loaded[i].head_version = loaded[i].instance->version;
    }
    return true;
}

static bool acquire_for(struct loader *loader, struct str definition, struct loaded *loaded) {
    struct str version = definition;
    struct str namespace = str_cut(&version, '/');
    struct str name = str_cut(&version, '/');

    return definitions_acquire(loader->definitions, namespace, name, version, &loaded->definition, loader->err);
}

static bool replay(struct loader *loader, const struct record *record, struct loaded *loaded) {
    struct journal_entry *above = arena_new_many(loader->arena, struct journal_entry, loaded->above_count + 1);
    struct journal_entry *entry = &above[loaded->above_count];
    struct step_result result;

    if (loaded->above_count) memcpy(above, loaded->above, loaded->above_count * sizeof(*above));
    if (!journal_decode(record->body, loader->arena, entry, loader->err)) return false;
    if (entry->emptied) return err_set(loader->err, ERR_UNAVAILABLE, "the head has moved on; load again");
    if (!loaded->definition && !acquire_for(loader, entry->definition, loaded)) return false;
    ledger_apply(loaded->definition, loaded->instance, entry->inputs, entry->input_count, entry->version, entry->applied,
            loader->arena, &result, NULL);
    if (result.verdict != STEP_APPLIED) return err_set(loader->err, ERR_INVALID, "the journal does not replay");
    loaded->instance = result.instance;
    loaded->above = above;
    loaded->above_count++;
    return true;
}

static int64_t version_of(const struct loaded *loaded) {
    return loaded->instance ? loaded->instance->version : 0;
}

/* One read for all that may have an entry more; *ret_found says how many had. */
static bool load_entries(struct loader *loader, struct loaded **pending, size_t *pending_count) {
    size_t count = *pending_count, found = 0;
    struct str *ids = arena_new_many(loader->arena, struct str, count);
    const struct record **entries = arena_new_many(loader->arena, const struct record *, count);

    for (size_t i = 0; i < count; i++) ids[i] = journal_id(pending[i]->id, version_of(pending[i]) + 1, loader->arena);
    if (!store_get_many(loader->store, COLLECTION_JOURNAL, ids, count, loader->arena, entries, loader->err)) return false;
    for (size_t i = 0; i < count; i++) {
        if (!entries[i]) continue;
        if (!replay(loader, entries[i], pending[i])) return err_wrap(loader->err, "journal entry '" STR_FMT "'", STR_ARG(ids[i]));
        pending[found++] = pending[i];
    }
    *pending_count = found;
    return true;
}

MUST_USE bool ledger_load(struct store *store, struct definitions *definitions, const struct str *ids, size_t count,
        struct arena *arena, struct loaded *ret, struct err *err) {
    struct loader loader = { store, definitions, arena, err };
    struct loaded **pending = arena_new_many(arena, struct loaded *, count);
    size_t pending_count = count;

    for (size_t i = 0; i < count; i++) {
        ret[i] = (struct loaded){ .id = ids[i] };
        pending[i] = &ret[i];
    }
    bool ok = load_heads(&loader, ret, count);
    while (ok && pending_count > 0) ok = load_entries(&loader, pending, &pending_count);
    if (!ok) ledger_release(definitions, ret, count);
    return ok;
}

void ledger_release(struct definitions *definitions, struct loaded *loaded, size_t count) {
    for (size_t i = 0; i < count; i++) {
        definitions_release(definitions, loaded[i].definition);
        loaded[i].definition = NULL;
    }
}

/* ---- history ---- */

MUST_USE bool ledger_history(struct store *store, struct str id, int64_t from, uint32_t limit, struct arena *arena, struct json *ret,
        int64_t *ret_next, struct err *err) {
    struct query query = {
        .conditions = { { "_id", OP_GREATER_EQUAL, json_string(journal_id(id, 0, arena)) },
                { "_id", OP_LESS, json_string(str_format(arena, STR_FMT "0", STR_ARG(id))) } },
        .condition_count = 2,
        .sort = "_id",
        .limit = 64,
    };
    struct json rows = json_array(arena, limit);
    const struct record *records;
    size_t count;

    *ret_next = 0;
    do {
        if (!store_find(store, COLLECTION_JOURNAL, &query, arena, &records, &count, &query.after, err)) return false;
        for (size_t i = 0; i < count; i++) {
            struct journal_entry entry;
            if (!journal_decode(records[i].body, arena, &entry, err)) return false;
            for (size_t f = 0; f < json_size(entry.fact_rows); f++) {
                struct json row = json_at(entry.fact_rows, f);
                int64_t seq = json_int64_or(json_get(row, STR("seq")), 0);
                if (seq < from) continue;
                if (json_size(rows) == limit) {
                    *ret_next = seq;
                    *ret = rows;
                    return true;
                }
                rows = json_append(rows, row, arena);
            }
        }
    } while (query.after.size);
    *ret = rows;
    return true;
}

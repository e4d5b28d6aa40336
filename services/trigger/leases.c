/* A record for each group of shards, taken and renewed by compare-and-set. A replica announces itself in a record of its own, so that the others know how many share. */

#include "services/trigger/leases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"

/* Shards are leased in groups: a renewal is a few writes, which the loop can afford. */
enum { LEASE_MS = 15000, RENEW_MS = 5000, MARGIN_MS = 3000, OWNERS_MAX = 256, GROUPS = 16, GROUP_SHARDS = HEAD_SHARDS / GROUPS };

struct group {
    int64_t version;    /* of the record as we know it */
    int64_t held_until; /* monotonic; 0: not ours */
};

struct leases {
    const struct world *world;
    struct group groups[GROUPS];
    int64_t next_ms;
    char owner[256];
};

struct leases *leases_new(const struct world *world) {
    struct leases *leases = calloc(1, sizeof(*leases));
    uint64_t token;

    assert(leases);
    leases->world = world;
    clock_random(&world->clock, &token, sizeof(token));
    snprintf(leases->owner, sizeof(leases->owner), "%s#%08llx", world->name, (unsigned long long)(token & 0xffffffff));
    return leases;
}

void leases_free(struct leases *leases) {
    free(leases);
}

/* Embedded there is one process, and all is its own. */
static bool is_held(const struct leases *leases, const struct group *group) {
    return leases->world->embedded || group->held_until > clock_monotonic_ms(&leases->world->clock);
}

struct json leases_held(const struct leases *leases, struct arena *arena) {
    struct json held = json_array(arena, HEAD_SHARDS);

    for (int i = 0; i < HEAD_SHARDS; i++) {
        if (is_held(leases, &leases->groups[i / GROUP_SHARDS])) held = json_append(held, json_int64(i, arena), arena);
    }
    return held;
}

int64_t leases_next_ms(const struct leases *leases) {
    return leases->next_ms;
}

static struct str describe(const struct leases *leases, int64_t until, struct arena *arena) {
    struct json body = json_set(json_object(arena, 2), STR("owner"), json_string(str_from(leases->owner)), arena);

    return json_to_str(json_set(body, STR("until"), json_int64(until, arena), arena), arena);
}

/* Takes, renews or (until 0) gives back one group. */
static bool set_group(struct leases *leases, int number, int64_t until, int64_t now_ms, struct arena *arena, struct err *err) {
    struct group *group = &leases->groups[number];
    struct record record = { .id = str_format(arena, "group/%02d", number), .version = group->version + 1,
        .body = describe(leases, until, arena) };
    int64_t monotonic = clock_monotonic_ms(&leases->world->clock);
    bool won;

    if (!store_compare_and_set(leases->world->store, COLLECTION_LEASES, &record, group->version, &won, err)) {
        /* Unknown: read again before the next try. */
        group->held_until = 0;
        return false;
    }
    if (won) group->version++;
    group->held_until = won && until ? monotonic + (until - now_ms) - MARGIN_MS : 0;
    return true;
}

struct view {
    struct str owners[OWNERS_MAX];
    size_t owner_count;
    struct str gone[OWNERS_MAX]; /* records of owners that have not announced themselves for long */
    size_t gone_count;
    struct str group_owner[GROUPS];
    int64_t group_until[GROUPS];
};

static void note_owner(struct view *view, struct str owner) {
    for (size_t i = 0; i < view->owner_count; i++) {
        if (str_equal(view->owners[i], owner)) return;
    }
    if (view->owner_count < OWNERS_MAX) view->owners[view->owner_count++] = owner;
}

static void note_record(struct leases *leases, struct view *view, const struct record *record, int64_t now_ms, struct arena *arena) {
    struct json_read_options options = { .borrow = true };
    struct str id = record->id, kind = str_cut(&id, '/');
    struct json body;
    struct err ignored;
    int64_t number;

    if (!json_read(record->body, &options, arena, &body, NULL, &ignored)) return;
    struct str owner = json_str(json_get(body, STR("owner")));
    int64_t until = json_int64_or(json_get(body, STR("until")), 0);
    if (until > now_ms) note_owner(view, owner);
    bool is_gone = str_equal(kind, STR("owner")) && until < now_ms - LEASE_MS;
    if (is_gone && view->gone_count < OWNERS_MAX) view->gone[view->gone_count++] = record->id;
    if (!str_equal(kind, STR("group")) || !str_to_int64(id, &number) || number < 0 || number >= GROUPS) return;
    view->group_owner[number] = owner;
    view->group_until[number] = until;
    leases->groups[number].version = record->version;
}

static bool look(struct leases *leases, struct view *view, int64_t now_ms, struct arena *arena, struct err *err) {
    struct query query = { .limit = GROUPS + OWNERS_MAX };
    const struct record *records;
    size_t count;

    if (!store_find(leases->world->store, COLLECTION_LEASES, &query, arena, &records, &count, NULL, err)) return false;
    note_owner(view, str_from(leases->owner));
    for (size_t i = 0; i < count; i++) note_record(leases, view, &records[i], now_ms, arena);
    /* A replica has another name after each start: what ended without a word would be there for ever. */
    return view->gone_count == 0 || store_delete_many(leases->world->store, COLLECTION_LEASES, view->gone, view->gone_count, err);
}

static bool announce(struct leases *leases, int64_t now_ms, struct arena *arena, struct err *err) {
    struct record record = { .id = str_format(arena, "owner/%s", leases->owner), .version = now_ms,
        .body = describe(leases, now_ms + LEASE_MS, arena) };
    enum verdict verdict;

    return store_put_many(leases->world->store, COLLECTION_LEASES, &record, 1, &verdict, err);
}

/* Ours are renewed up to the fair part, the rest given back; free ones are taken while we have less. */
static bool share(struct leases *leases, const struct view *view, int64_t now_ms, struct arena *arena, struct err *err) {
    struct str self = str_from(leases->owner);
    size_t fair = (GROUPS + view->owner_count - 1) / view->owner_count, held = 0;

    for (int i = 0; i < GROUPS; i++) {
        bool ours = str_equal(view->group_owner[i], self) && view->group_until[i] > now_ms;
        if (!ours) continue;
        if (!set_group(leases, i, held < fair ? now_ms + LEASE_MS : 0, now_ms, arena, err)) return false;
        held++;
    }
    for (int i = 0; i < GROUPS && held < fair; i++) {
        if (view->group_until[i] > now_ms) continue;
        if (!set_group(leases, i, now_ms + LEASE_MS, now_ms, arena, err)) return false;
        if (leases->groups[i].held_until) held++;
    }
    return true;
}

MUST_USE bool leases_renew(struct leases *leases, struct arena *arena, struct err *err) {
    struct view *view = arena_new_one(arena, struct view);
    int64_t now_ms;

    leases->next_ms = clock_monotonic_ms(&leases->world->clock) + RENEW_MS;
    if (leases->world->embedded) return true;
    return store_now(leases->world->store, &now_ms, err) && announce(leases, now_ms, arena, err)
            && look(leases, view, now_ms, arena, err) && share(leases, view, now_ms, arena, err);
}

void leases_release(struct leases *leases, struct arena *arena) {
    struct str self = str_format(arena, "owner/%s", leases->owner);
    struct err ignored;

    if (leases->world->embedded) return;
    for (int i = 0; i < GROUPS; i++) {
        if (is_held(leases, &leases->groups[i]) && !set_group(leases, i, 0, 0, arena, &ignored)) return;
    }
    if (!store_delete_many(leases->world->store, COLLECTION_LEASES, &self, 1, &ignored)) return;
}

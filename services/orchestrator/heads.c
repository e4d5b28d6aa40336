/* After a commit: the snapshot is held, the head written (at once where the instance blocks or ends, within 250 ms
 * otherwise), then the trigger is told, and only then are the messages done (reliability.md, R10, R12). */

#include "common/arena.h"
#include "common/limits.h"
#include "services/orchestrator/pipeline.h"

enum { HEAD_AFTER_MS = 250, TIMER_SOON_MS = 1000, HEADS_AT_ONCE = 512 };

bool heads_is_urgent(const struct instance *instance, int64_t now_ms) {
    bool moves = instance->status == INSTANCE_RUNNING || instance->status == INSTANCE_PENDING;

    return !moves || (instance->wake_at && instance->wake_at < now_ms + TIMER_SOON_MS);
}

/* Keeps what the work came to; the held entry owes a head from now on. */
void heads_hold(struct orchestrator *orchestrator, struct work *work, int64_t now_ms) {
    struct held *held = work->held;

    if (!held) {
        held = held_add(orchestrator->held, work->id, work->arrivals[0].message->partition);
        held->definition = work->definition;
        work->acquired = false;
        work->held = held;
    }
    if (!work->commits) {
        buf_init(&work->snapshot, SIZE_MAX / 4);
        instance_encode(work->before, &work->snapshot);
    }
    held_keep(orchestrator->held, held, &work->snapshot);
    for (size_t i = 0; i < work->count; i++) held->waiting |= work->arrivals[i].waiting;
    held_set_dirty(orchestrator->held, held, now_ms);
}

void heads_drop(struct orchestrator *orchestrator, struct held *held) {
    definitions_release(orchestrator->definitions, held->definition);
    held_remove(orchestrator->held, held);
}

void heads_trim(struct orchestrator *orchestrator) {
    struct held *held;

    while ((held = held_surplus(orchestrator->held))) heads_drop(orchestrator, held);
}

static void tell_timer(struct outbox *outbox, struct held *held, const struct instance *instance) {
    struct arena *arena = outbox->arena;

    if (!instance->wake_at || instance->wake_at > outbox->now_ms + TIMER_HORIZON_MS) return;
    struct json body = json_set(json_object(arena, 3), STR("instance"), json_string(instance->id), arena);
    body = json_set(body, STR("frame"), json_int64(instance->wake_frame, arena), arena);
    body = json_set(body, STR("at"), json_int64(instance->wake_at, arena), arena);
    outbox_add(outbox, TOPIC_TRIGGER, held->id, wire_encode(MESSAGE_TIMER, STR_NULL, outbox->now_ms, body, arena));
}

static void tell_subscriptions(struct outbox *outbox, struct held *held, const struct instance *instance) {
    struct arena *arena = outbox->arena;
    struct json keys = step_subscriptions(instance, arena);

    if (json_size(keys) == 0) return;
    struct json body = json_set(json_object(arena, 2), STR("instance"), json_string(instance->id), arena);
    body = json_set(body, STR("keys"), keys, arena);
    outbox_add(outbox, TOPIC_TRIGGER, held->id, wire_encode(MESSAGE_SUBSCRIBED, STR_NULL, outbox->now_ms, body, arena));
}

static bool decode(struct held *held, struct arena *arena, const struct instance **ret, struct err *err) {
    struct json_read_options options = { .depth_max = 100000, .borrow = true };
    struct json snapshot;

    return json_read(buf_str(&held->snapshot), &options, arena, &snapshot, NULL, err)
            && instance_decode(snapshot, held->definition, arena, ret, err);
}

void heads_settle(struct orchestrator *orchestrator, struct held *held, bool drop) {
    for (size_t i = 0; i < held->owed_count; i++) {
        const struct owed *owed = &held->owed[i];
        consumer_done(orchestrator->seat->consumer, TOPIC_ORCHESTRATOR, owed->partition, owed->offset, owed->epoch);
    }
    held_set_clean(held);
    if (drop) heads_drop(orchestrator, held);
}

static bool put(struct orchestrator *orchestrator, const struct record *records, size_t count, struct arena *arena, struct err *err) {
    enum verdict *verdicts = arena_new_many(arena, enum verdict, count);

    /* EXISTS: a newer head is there, which is as good. */
    return store_put_many(orchestrator->seat->world->store, COLLECTION_INSTANCES, records, count, verdicts, err);
}

MUST_USE bool heads_write(struct orchestrator *orchestrator, struct held **helds, size_t count, struct arena *arena, struct err *err) {
    struct outbox outbox = { .arena = arena, .now_ms = clock_now_ms(&orchestrator->seat->world->clock) };
    struct record *records = arena_new_many(arena, struct record, count);
    const struct instance **instances = arena_new_many(arena, const struct instance *, count);

    if (count == 0) return true;
    for (size_t i = 0; i < count; i++) {
        if (!decode(helds[i], arena, &instances[i], err)) return err_wrap(err, "held '" STR_FMT "'", STR_ARG(helds[i]->id));
        records[i] = (struct record){ helds[i]->id, instances[i]->version, head_fields(instances[i], arena), buf_str(&helds[i]->snapshot) };
    }
    if (!put(orchestrator, records, count, arena, err)) return err_wrap(err, "heads");
    for (size_t i = 0; i < count; i++) {
        tell_timer(&outbox, helds[i], instances[i]);
        tell_subscriptions(&outbox, helds[i], instances[i]);
    }
    if (!outbox_publish(&outbox, orchestrator, err)) return err_wrap(err, "telling the trigger");
    for (size_t i = 0; i < count; i++) heads_settle(orchestrator, helds[i], instance_has_ended(instances[i]));
    return true;
}

/* Takes those whose time has come off the list of those that owe a head. */
static size_t take_due(struct orchestrator *orchestrator, int64_t now_ms, struct held **trusted, struct held **stale, size_t *ret_stale) {
    struct held *oldest;
    size_t count = 0;

    *ret_stale = 0;
    while ((oldest = held_oldest_dirty(orchestrator->held)) && count + *ret_stale < HEADS_AT_ONCE) {
        if (oldest->dirty_since_ms + HEAD_AFTER_MS > now_ms) break;
        list_remove(&oldest->by_age);
        if (oldest->stale) {
            stale[(*ret_stale)++] = oldest;
        } else {
            trusted[count++] = oldest;
        }
    }
    return count;
}

MUST_USE bool heads_write_due(struct orchestrator *orchestrator, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    struct held *trusted[HEADS_AT_ONCE], *stale[HEADS_AT_ONCE];
    bool ok = true;

    while (ok) {
        size_t stale_count, count = take_due(orchestrator, now_ms, trusted, stale, &stale_count);
        if (count + stale_count == 0) break;
        /* They owe a head until it is written. */
        int64_t again_ms = clock_now_ms(&orchestrator->seat->world->clock);
        for (size_t i = 0; i < count; i++) held_set_dirty(orchestrator->held, trusted[i], again_ms);
        for (size_t i = 0; i < stale_count; i++) held_set_dirty(orchestrator->held, stale[i], again_ms);
        ok = heads_write(orchestrator, trusted, count, arena, err) && partition_repair(orchestrator, stale, stale_count, arena, err);
    }
    struct held *oldest = held_oldest_dirty(orchestrator->held);
    if (oldest) *next_ms = MIN(*next_ms, oldest->dirty_since_ms + HEAD_AFTER_MS);
    return ok;
}

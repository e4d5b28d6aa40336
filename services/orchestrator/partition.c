/* One batch through the pipeline (architecture.md, "One transition"):
 *
 *   group by instance -> state (held, or loaded) -> step -> insert journal entries -> publish effects -> write heads,
 *   tell the trigger -> mark the messages done
 *
 * Inserting an entry is the compare-and-set. What a crash leaves undone is done by redelivery: the input is found applied, and the
 * effects and the head of the entries above the head are carried out again. Rules cited are those of reliability.md. */

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "common/limits.h"
#include "core/error.h"
#include "services/orchestrator/orchestrator.h"
#include "services/orchestrator/pipeline.h"

enum { ROUNDS_MAX = 16, RECORD_ROOM = 64 * 1024, INSERT_TRIES = 3, COMMIT_BYTES = 16, WORK_BUCKETS = 1024 };

struct pass {
    struct orchestrator *orchestrator;
    struct arena *arena;
    struct works works;
    struct outbox outbox;
    int64_t now_ms;
};

/* ---- grouping ---- */

static struct work *work_of(struct pass *pass, struct work **buckets, struct str id) {
    struct work **bucket = &buckets[str_hash(id) % WORK_BUCKETS];

    for (struct work *work = *bucket; work; work = work->next_in_bucket) {
        if (str_equal(work->id, id)) return work;
    }
    struct work *work = &pass->works.items[pass->works.count++];
    *work = (struct work){ .next_in_bucket = *bucket, .id = id };
    *bucket = work;
    return work;
}

static void add_arrival(struct pass *pass, struct work *work, const struct arrival *arrival) {
    if (work->count == work->capacity) {
        size_t capacity = MAX(work->capacity * 2, (size_t)2);
        struct arrival *arrivals = arena_new_many(pass->arena, struct arrival, capacity);
        if (work->count) memcpy(arrivals, work->arrivals, work->count * sizeof(*arrivals));
        work->arrivals = arrivals;
        work->capacity = capacity;
    }
    work->arrivals[work->count++] = *arrival;
}

/* A message of an earlier assignment is another owner's by now (R2). */
static bool is_ours(const struct pass *pass, const struct message *message) {
    return message->partition < PARTITIONS_MAX && pass->orchestrator->epochs[message->partition] == message->epoch;
}

static void done(struct pass *pass, const struct message *message) {
    consumer_done(pass->orchestrator->seat->consumer, message->topic, message->partition, message->offset, message->epoch);
}

static void dead(struct pass *pass, const struct message *message, const char *reason) {
    struct world const *world = pass->orchestrator->seat->world;

    outbox_add_dead(&pass->outbox, message, reason);
    log_event(world->log, LOG_WARN, "message.dead", "topic", topic_name(message->topic), "reason", reason, NULL);
    metrics_add(world->metrics, METRIC_DEAD_LETTERS, 1);
}

/* Decodes and groups; what cannot be decoded goes to the dead letters at once. */
static bool group(struct pass *pass, const struct batch *batch, struct err *err) {
    struct work *buckets[WORK_BUCKETS] = { NULL };
    const struct message **refused = arena_new_many(pass->arena, const struct message *, batch->count);
    size_t refused_count = 0;

    pass->works.items = arena_new_many(pass->arena, struct work, batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = &batch->messages[i];
        struct arrival arrival = { .message = message };
        struct wire_message decoded;
        struct err reason;
        if (!is_ours(pass, message)) continue;
        if (!wire_decode(message->value, pass->arena, &decoded, &reason) || !wire_input(&decoded, &arrival.input) || !message->key.size) {
            dead(pass, message, message->key.size ? "no input of an instance" : "no key");
            refused[refused_count++] = message;
            continue;
        }
        arrival.input.now_ms = pass->now_ms;
        arrival.waiting = json_bool_or(json_get(decoded.body, STR("waiting")), false);
        add_arrival(pass, work_of(pass, buckets, message->key), &arrival);
    }
    if (refused_count && !outbox_publish(&pass->outbox, pass->orchestrator, err)) return false;
    for (size_t i = 0; i < refused_count; i++) done(pass, refused[i]);
    return true;
}

/* ---- state ---- */

/* A version that was deleted and deployed anew has another text; the start says which one the API took. What is held of the old is then
 * read again, once. */
static bool acquire(struct pass *pass, struct work *work, struct json start, struct err *err) {
    struct str namespace = json_str(json_get(start, STR("namespace"))), name = json_str(json_get(start, STR("name")));
    struct str version = json_str(json_get(start, STR("version"))), hash = json_str(json_get(start, STR("definition")));
    struct definitions *definitions = pass->orchestrator->definitions;

    work->acquired = definitions_acquire(definitions, namespace, name, version, &work->definition, err);
    if (!work->acquired || !hash.size || str_equal(hash, definition_hash(work->definition))) return work->acquired;
    definitions_forget(definitions, namespace, name, version);
    definitions_release(definitions, work->definition);
    work->acquired = definitions_acquire(definitions, namespace, name, version, &work->definition, err);
    return work->acquired;
}

/* `latest` is resolved once, here, and noted in the input, so that a replay asks nobody. */
static bool resolve_latest(struct pass *pass, struct arrival *arrival, struct err *err) {
    struct json body = arrival->input.body;
    struct str version;

    if (!str_equal(json_str(json_get(body, STR("version"))), STR("latest"))) return true;
    if (!definitions_latest(pass->orchestrator->definitions, json_str(json_get(body, STR("namespace"))),
                json_str(json_get(body, STR("name"))), pass->arena, &version, err)) {
        return false;
    }
    arrival->input.body = json_set(body, STR("version"), json_string(version), pass->arena);
    return true;
}

/* A START for an instance we hold nothing of: most are new, so the insert is tried without a look. */
static bool prepare_start(struct pass *pass, struct work *work, struct err *err) {
    struct arrival *first = &work->arrivals[0];
    struct err reason;

    if (resolve_latest(pass, first, &reason) && acquire(pass, work, first->input.body, &reason)) {
        work->fresh = true;
        return true;
    }
    if (err_is_retryable(reason.code)) {
        *err = reason;
        return false;
    }
    outbox_add_refusal(&pass->outbox, first, work->id, &reason);
    for (size_t i = 0; i < work->count; i++) work->arrivals[i].dropped = true;
    work->settled = true;
    return true;
}

static bool use_held(struct pass *pass, struct work *work, struct held *held, struct err *err) {
    struct json_read_options options = { .depth_max = 100000, .borrow = true };
    struct json snapshot;
    struct str text = str_copy(buf_str(&held->snapshot), pass->arena);

    work->held = held;
    work->definition = held->definition;
    return json_read(text, &options, pass->arena, &snapshot, NULL, err)
            && instance_decode(snapshot, held->definition, pass->arena, &work->before, err);
}

/* An instance whose records cannot be read: its messages are kept as dead letters, the others go on (I11). */
static void quarantine(struct pass *pass, struct work *work, const struct err *err) {
    for (size_t i = 0; i < work->count; i++) {
        dead(pass, work->arrivals[i].message, err->message);
        work->arrivals[i].dropped = true;
    }
    work->settled = true;
}

static void take_loaded(struct work *work, const struct loaded *loaded) {
    work->before = loaded->instance;
    work->definition = loaded->definition;
    work->acquired = loaded->definition != NULL;
    work->above = loaded->above;
    work->above_count = loaded->above_count;
    work->loaded = true;
}

static bool load(struct pass *pass, struct work **missing, size_t count, struct err *err) {
    const struct world *world = pass->orchestrator->seat->world;
    struct str *ids = arena_new_many(pass->arena, struct str, count);
    struct loaded *loaded = arena_new_many(pass->arena, struct loaded, count);

    if (count == 0) return true;
    for (size_t i = 0; i < count; i++) ids[i] = missing[i]->id;
    if (ledger_load(world->store, pass->orchestrator->definitions, ids, count, pass->arena, loaded, err)) {
        for (size_t i = 0; i < count; i++) take_loaded(missing[i], &loaded[i]);
        return true;
    }
    if (err_is_retryable(err->code)) return false;
    for (size_t i = 0; i < count; i++) {
        struct err reason;
        if (ledger_load(world->store, pass->orchestrator->definitions, &ids[i], 1, pass->arena, &loaded[i], &reason)) {
            take_loaded(missing[i], &loaded[i]);
        } else if (err_is_retryable(reason.code)) {
            *err = reason;
            return false;
        } else {
            quarantine(pass, missing[i], &reason);
        }
    }
    return true;
}

static bool find_state(struct pass *pass, struct err *err) {
    struct work **missing = arena_new_many(pass->arena, struct work *, pass->works.count);
    size_t count = 0;

    for (size_t i = 0; i < pass->works.count; i++) {
        struct work *work = &pass->works.items[i];
        if (work->settled || work->before || work->loaded || work->fresh) continue;
        struct held *held = held_find(pass->orchestrator->held, work->id);
        if (held && held->stale) {
            work->held = held;
            missing[count++] = work;
        } else if (held) {
            if (!use_held(pass, work, held, err)) return false;
        } else if (work->arrivals[0].input.kind == INPUT_START && !work->must_load) {
            if (!prepare_start(pass, work, err)) return false;
        } else {
            missing[count++] = work;
        }
    }
    return load(pass, missing, count, err);
}

/* ---- stepping ---- */

/* Found by its offset, where the offsets are of one life of the topic (R13). */
static bool is_redelivered(const struct work *work, const struct message *message) {
    struct json applied = work->before ? work->before->applied : (struct json){ .type = JSON_ABSENT };

    if (json_is_absent(applied)) return false;
    return json_int64_or(json_get(applied, STR("incarnation")), 0) == (int64_t)message->incarnation
            && json_int64_or(json_get(applied, STR("partition")), -1) == message->partition
            && message->offset <= json_int64_or(json_get(applied, STR("offset")), -1);
}

static void make_entry(struct pass *pass, struct work *work, struct origin origin) {
    uint8_t commit[COMMIT_BYTES];
    struct buf buf;

    clock_random(&pass->orchestrator->seat->world->clock, commit, sizeof(commit));
    work->entry = (struct journal_entry){
        .instance = work->id,
        .version = work->result.instance->version,
        .commit = hex_encode((struct str){ (const char *)commit, sizeof(commit) }, pass->arena),
        .definition = str_format(pass->arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(work->result.instance->namespace_),
                STR_ARG(work->result.instance->name), STR_ARG(work->result.instance->version_of)),
        .inputs = work->inputs,
        .input_count = work->input_count,
        .applied = origin,
        .effects = work->result.effects,
        .effect_count = work->result.effect_count,
        .facts = work->result.facts,
        .fact_count = work->result.fact_count,
    };
    buf_init(&buf, SIZE_MAX / 4);
    journal_encode(&work->entry, &buf);
    work->record = (struct record){ .id = journal_id(work->id, work->entry.version, pass->arena), .version = work->entry.version,
        .body = str_copy(buf_str(&buf), pass->arena) };
    buf_clear(&buf);
}

static void count_verdict(struct pass *pass, enum step_verdict verdict) {
    struct metrics *metrics = pass->orchestrator->seat->world->metrics;

    if (verdict == STEP_DUPLICATE) metrics_add(metrics, METRIC_DUPLICATES_DROPPED, 1);
    if (verdict == STEP_LATE) metrics_add(metrics, METRIC_LATE_ANSWERS, 1);
}

/* The next state and its entry, as bytes. False where one is over the store's limit. */
static bool prepare_commit(struct pass *pass, struct work *work, struct origin origin, size_t *ret_size) {
    make_entry(pass, work, origin);
    buf_clear(&work->snapshot);
    buf_init(&work->snapshot, SIZE_MAX / 4);
    instance_encode(work->result.instance, &work->snapshot);
    *ret_size = MAX(work->record.body.size, work->snapshot.size);
    return *ret_size + RECORD_ROOM <= LIMIT_RECORD;
}

/* A state or an entry that cannot be stored ends the instance, with the reason; the inputs are kept out of the journal. */
static void fault_instead(struct pass *pass, struct work *work, struct origin origin, size_t size) {
    struct arena *arena = pass->arena;
    struct str text = str_format(arena, "the workflow's state or its next transition is %zu bytes; the limit is %d", size, LIMIT_RECORD);
    struct json error = json_set(error_make(ERROR_RUNTIME, text, arena), STR("instance"), json_string(STR("/do")), arena);
    struct input *inputs = arena_new_many(arena, struct input, 2);
    size_t count = 0;

    if (!work->before) inputs[count++] = work->inputs[0];
    inputs[count++] = (struct input){ .kind = INPUT_FAULT, .now_ms = pass->now_ms, .body = json_set(json_object(arena, 1), STR("error"), error, arena) };
    work->inputs = inputs;
    work->input_count = count;
    ledger_apply(work->definition, work->before, inputs, count, work->before ? work->before->version + 1 : 1, origin, arena, &work->result, NULL);
    work->result.effect_count = work->before ? work->result.effect_count : 0;
    prepare_commit(pass, work, origin, &size);
}

/* Those that are not found applied already; the last one's message in *ret_last. */
static void collect_inputs(struct pass *pass, struct work *work, const struct message **ret_last) {
    work->input_count = 0;
    work->inputs = arena_new_many(pass->arena, struct input, work->count);
    for (size_t i = 0; i < work->count; i++) {
        const struct arrival *arrival = &work->arrivals[i];
        if (arrival->dropped) continue;
        if (is_redelivered(work, arrival->message)) {
            count_verdict(pass, STEP_DUPLICATE);
            continue;
        }
        work->inputs[work->input_count++] = arrival->input;
        *ret_last = arrival->message;
    }
}

static void apply(struct pass *pass, struct work *work) {
    const struct message *last = NULL;
    bool starts = work->count && work->arrivals[0].input.kind == INPUT_START;
    size_t kept = 0, size;

    work->commits = false;
    if (!work->before && !starts) return; /* nobody of that name: late */
    collect_inputs(pass, work, &last);
    if (!last) return;
    struct origin origin = { last->incarnation, last->partition, last->offset };
    int64_t version = work->before ? work->before->version + 1 : 1;
    enum step_verdict *verdicts = arena_new_many(pass->arena, enum step_verdict, work->input_count);
    ledger_apply(work->definition, work->before, work->inputs, work->input_count, version, origin, pass->arena, &work->result, verdicts);
    for (size_t i = 0; i < work->input_count; i++) {
        if (verdicts[i] == STEP_APPLIED) work->inputs[kept++] = work->inputs[i];
        count_verdict(pass, verdicts[i]);
    }
    work->input_count = kept;
    work->commits = work->result.verdict == STEP_APPLIED;
    if (work->commits && !prepare_commit(pass, work, origin, &size)) fault_instead(pass, work, origin, size);
}

/* ---- committing ---- */

/* After an unknown outcome an entry under our key may be our own (R4). */
static bool is_own_entry(struct pass *pass, struct work *work, bool *ret, struct err *err) {
    const struct record *record;
    struct journal_entry entry;

    if (!store_get_many(pass->orchestrator->seat->world->store, COLLECTION_JOURNAL, &work->record.id, 1, pass->arena, &record, err)) return false;
    *ret = record && journal_decode(record->body, pass->arena, &entry, err) && str_equal(entry.commit, work->entry.commit);
    return true;
}

static bool judge(struct pass *pass, struct work *work, enum verdict verdict, bool was_unknown, struct err *err) {
    struct metrics *metrics = pass->orchestrator->seat->world->metrics;
    bool own = verdict == VERDICT_DONE;

    if (verdict == VERDICT_EXISTS && was_unknown) {
        metrics_add(metrics, METRIC_CAS_UNKNOWN, 1);
        if (!is_own_entry(pass, work, &own, err)) return false;
    }
    work->lost = !own;
    metrics_add(metrics, own ? METRIC_TRANSITIONS : METRIC_CAS_CONFLICTS, 1);
    return true;
}

/* Inserts the entries of `works`; the same bytes are sent again where the outcome is unknown, never a new step. */
static bool insert(struct pass *pass, struct work **works, size_t count, struct err *err) {
    struct store *store = pass->orchestrator->seat->world->store;
    struct record *records = arena_new_many(pass->arena, struct record, count);
    enum verdict *verdicts = arena_new_many(pass->arena, enum verdict, count);
    bool unknown = false;

    for (size_t i = 0; i < count; i++) records[i] = works[i]->record;
    for (int turn = 0; count > 0; turn++) {
        bool ok = store_insert_many(store, COLLECTION_JOURNAL, records, count, verdicts, err);
        size_t left = 0;
        for (size_t i = 0; i < count; i++) {
            bool decided = verdicts[i] == VERDICT_DONE || verdicts[i] == VERDICT_EXISTS;
            if (decided) {
                if (!judge(pass, works[i], verdicts[i], unknown, err)) return false;
                continue;
            }
            works[left] = works[i];
            records[left++] = records[i];
        }
        count = left;
        if (ok) break;
        if (count > 0 && (turn + 1 == INSERT_TRIES || !err_is_retryable(err->code))) return false;
        unknown = true;
    }
    return true;
}

static bool commit(struct pass *pass, struct err *err) {
    struct work **works = arena_new_many(pass->arena, struct work *, pass->works.count);
    size_t count = 0;

    for (size_t i = 0; i < pass->works.count; i++) {
        struct work *work = &pass->works.items[i];
        if (work->settled) continue;
        apply(pass, work);
        if (work->commits) works[count++] = work;
    }
    return count == 0 || insert(pass, works, count, err);
}

/* ---- what follows ---- */

static bool status_changed(const struct work *work) {
    return !work->before || work->before->status != work->result.instance->status;
}

static bool has_start(const struct work *work) {
    for (size_t i = 0; i < work->count; i++) {
        if (work->arrivals[i].input.kind == INPUT_START && !work->arrivals[i].dropped) return true;
    }
    return false;
}

/* Effects of this commit, or of those above the head that a crash may have kept back (R10); and the status. */
static void collect_effects(struct pass *pass, struct work *work) {
    const struct instance *instance = work->commits ? work->result.instance : work->before;

    for (size_t i = 0; i < work->above_count; i++) {
        outbox_add_effects(&pass->outbox, work->above[i].effects, work->above[i].effect_count);
        metrics_add(pass->orchestrator->seat->world->metrics, METRIC_OUTBOX_REPUBLISHED, 1);
    }
    if (work->commits) outbox_add_effects(&pass->outbox, work->result.effects, work->result.effect_count);
    if (!instance) return;
    bool news = work->commits ? status_changed(work) : work->above_count > 0;
    bool ended = instance_has_ended(instance);
    if (!news && !has_start(work)) return;
    if (!work->commits) work->result.instance = instance;
    outbox_add_status(&pass->outbox, work, ended && work->held && work->held->waiting);
}

static void count_ends(struct pass *pass, const struct work *work) {
    struct metrics *metrics = pass->orchestrator->seat->world->metrics;

    if (!work->commits) return;
    if (!work->before) metrics_add(metrics, METRIC_INSTANCES_STARTED, 1);
    if (instance_has_ended(work->result.instance)) metrics_add(metrics, METRIC_INSTANCES_ENDED, 1);
}

/* A work that changed nothing and owes nothing is done with at once, unless a head that is owed holds it. */
static bool keeps(const struct work *work) {
    return work->commits || work->above_count > 0;
}

static bool follow_up(struct pass *pass, struct err *err) {
    struct orchestrator *orchestrator = pass->orchestrator;
    struct held **urgent = arena_new_many(pass->arena, struct held *, pass->works.count);
    size_t count = 0;

    for (size_t i = 0; i < pass->works.count; i++) {
        struct work *work = &pass->works.items[i];
        if (work->settled || work->lost) continue;
        if (keeps(work)) heads_hold(orchestrator, work, pass->now_ms);
        collect_effects(pass, work);
    }
    if (!outbox_publish(&pass->outbox, orchestrator, err)) return err_wrap(err, "publish");
    for (size_t i = 0; i < pass->works.count; i++) {
        struct work *work = &pass->works.items[i];
        if (work->lost || work->finished) continue;
        bool dirty = work->held && !list_is_empty(&work->held->by_age);
        for (size_t m = 0; m < work->count; m++) {
            if (dirty) {
                held_owe(work->held, work->arrivals[m].message);
            } else {
                done(pass, work->arrivals[m].message);
            }
        }
        count_ends(pass, work);
        work->settled = work->finished = true;
        const struct instance *instance = work->commits ? work->result.instance : work->before;
        if (dirty && work->held->stale) {
            /* Loaded, and nothing stands above the head: nothing is owed any more. */
            heads_settle(orchestrator, work->held, true);
        } else if (dirty && heads_is_urgent(instance, pass->now_ms)) {
            urgent[count++] = work->held;
        }
    }
    return heads_write(orchestrator, urgent, count, pass->arena, err);
}

/* Those that lost their insert drop what they believed, and take the input up again (R6). */
static size_t restart_lost(struct pass *pass) {
    size_t count = 0;

    for (size_t i = 0; i < pass->works.count; i++) {
        struct work *work = &pass->works.items[i];
        if (work->settled || !work->lost) continue;
        if (work->held) held_distrust(pass->orchestrator->held, work->held, pass->now_ms);
        if (work->acquired) definitions_release(pass->orchestrator->definitions, work->definition);
        buf_clear(&work->snapshot);
        struct work again = { .id = work->id, .arrivals = work->arrivals, .count = work->count, .capacity = work->capacity, .must_load = true };
        *work = again;
        count++;
    }
    return count;
}

static void release(struct pass *pass) {
    for (size_t i = 0; i < pass->works.count; i++) {
        struct work *work = &pass->works.items[i];
        if (work->acquired) definitions_release(pass->orchestrator->definitions, work->definition);
        buf_clear(&work->snapshot);
    }
}

/* A failure in the middle leaves held states that may be ahead of what was published: they are loaded again. */
static void distrust(struct pass *pass) {
    for (size_t i = 0; i < pass->works.count; i++) {
        struct held *held = held_find(pass->orchestrator->held, pass->works.items[i].id);
        if (held) held_distrust(pass->orchestrator->held, held, pass->now_ms);
    }
}

static bool run(struct pass *pass, struct err *err) {
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!find_state(pass, err) || !commit(pass, err) || !follow_up(pass, err)) return false;
        if (restart_lost(pass) == 0) return true;
    }
    return err_set(err, ERR_BUSY, "an instance's journal moves faster than it can be followed");
}

static struct pass begin(struct orchestrator *orchestrator, struct arena *arena) {
    int64_t now_ms = clock_now_ms(&orchestrator->seat->world->clock);

    return (struct pass){ .orchestrator = orchestrator, .arena = arena, .now_ms = now_ms, .outbox = { .arena = arena, .now_ms = now_ms } };
}

static bool finish(struct pass *pass, bool ok) {
    if (!ok) distrust(pass);
    release(pass);
    heads_trim(pass->orchestrator);
    return ok;
}

static bool on_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err) {
    struct pass pass = begin(state, arena);

    return finish(&pass, group(&pass, batch, err) && run(&pass, err));
}

/* A pass without inputs: what the journal says is owed of these is carried out. */
MUST_USE bool partition_repair(struct orchestrator *orchestrator, struct held **helds, size_t count, struct arena *arena, struct err *err) {
    struct pass pass = begin(orchestrator, arena);

    if (count == 0) return true;
    pass.works.items = arena_new_many(arena, struct work, count);
    for (size_t i = 0; i < count; i++) pass.works.items[i] = (struct work){ .id = str_copy(helds[i]->id, arena), .must_load = true };
    pass.works.count = count;
    return finish(&pass, run(&pass, err));
}

static bool on_tick(void *state, struct arena *arena, int64_t now_ms, int64_t *next_ms, struct err *err) {
    return heads_write_due(state, arena, now_ms, next_ms, err);
}

static void on_assign(void *state, enum topic topic, int32_t partition, uint32_t epoch) {
    struct orchestrator *orchestrator = state;

    (void)topic;
    if (partition < PARTITIONS_MAX) orchestrator->epochs[partition] = epoch;
}

/* What is held ends with the assignment (R2); the messages whose heads are owed come again, to the next owner. */
static void on_revoke(void *state, enum topic topic, int32_t partition, bool lost) {
    struct orchestrator *orchestrator = state;
    struct held *held;
    struct err err;

    (void)topic;
    if (!lost) {
        SCOPED(arena_freep) struct arena *arena = arena_new();
        int64_t next_ms = 0;
        if (!heads_write_due(orchestrator, arena, INT64_MAX / 2, &next_ms, &err)) {
            log_event(orchestrator->seat->world->log, LOG_WARN, "heads.not_written", "error", err.message, NULL);
        }
    }
    while ((held = held_of_partition(orchestrator->held, partition))) heads_drop(orchestrator, held);
    if (partition < PARTITIONS_MAX) orchestrator->epochs[partition] = 0;
}

static bool open_orchestrator(struct seat *seat, void **ret_state, struct err *err) {
    struct orchestrator *orchestrator = calloc(1, sizeof(*orchestrator));

    (void)err;
    assert(orchestrator);
    orchestrator->seat = seat;
    orchestrator->definitions = definitions_new(seat->world->store);
    orchestrator->held = held_table_new();
    *ret_state = orchestrator;
    return true;
}

static void release_definition(void *user, const struct definition *definition) {
    definitions_release(user, definition);
}

static void close_orchestrator(void *state) {
    struct orchestrator *orchestrator = state;

    held_table_free(orchestrator->held, release_definition, orchestrator->definitions);
    definitions_free(orchestrator->definitions);
    free(orchestrator);
}

static const enum topic inboxes[] = { TOPIC_ORCHESTRATOR, TOPIC_NONE };

const struct service orchestrator_service = {
    .name = "orchestrator",
    .inboxes = inboxes,
    .open = open_orchestrator,
    .on_batch = on_batch,
    .on_assign = on_assign,
    .on_revoke = on_revoke,
    .on_tick = on_tick,
    .close = close_orchestrator,
};

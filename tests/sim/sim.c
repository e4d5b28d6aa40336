/* The simulator: the real orchestrator and trigger above doubles of store and bus, in one thread and in simulated time. Each seed draws
 * a workload, runs it without faults, then again with crashes at the ports, calls that fail before or after they did their work, messages
 * that come twice, and processes that come and go; both must end the same.
 *
 *   sim [--seed N] [--seeds COUNT]     COUNT seeds from N on (1 and 1000); a failing one is printed with how to replay it
 *
 * Checked at the end of each run, from what is stored and from the world's own ledger (reliability.md, section 1):
 *   every instance ended, with the output, error and context of the quiet run (I1, I4, I12)
 *   the journal has no gap, and replaying it gives the head's snapshot, byte for byte (I2)
 *   the world saw every key with one content only, and as many keys as the quiet run: no side effect under two keys (I4)
 *   no offset is held back: the inboxes are empty (I10, I13) */

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_internal.h"
#include "common/arena.h"
#include "common/assert.h"
#include "common/list.h"
#include "ledger/ledger.h"
#include "runtime/loop.h"
#include "services/orchestrator/orchestrator.h"
#include "services/trigger/trigger.h"
#include "system/queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/stores.h"
#include "tests/sim/workload.h"
#include "wire/wire.h"

enum {
    PROCESSES_MAX = 8,
    INSTANCES_MAX = 8,
    SIGNALS = 40,           /* for each instance; those nobody waits for are kept */
    KEYS_MAX = 20000,
    TURNS_MAX = 400 * 1000,
    QUIET_LOOKS = 8,
    DOWN_MS = 300,
    FAULTS_END_MS = 20 * 1000,
    START_MS = 1000 * 1000,
};

struct world_key {
    char key[96];
    uint64_t content;
    char task[160];         /* instance and task: attempts are counted by it */
    int attempt;
};

struct simulation;

struct process {
    struct simulation *simulation;
    const struct service *service;
    struct world world;
    struct faults_plan plan;
    struct loop *loop;      /* NULL: down */
    int64_t down_until;
};

struct outcome {
    char text[4096];        /* status, output, error, context */
    int keys;
};

struct simulation {
    uint64_t seed, random;
    bool quiet;
    int64_t now_ms;
    struct config config;
    struct log *log;
    struct metrics *metrics;
    struct store *store;
    struct bus *bus;
    struct process processes[PROCESSES_MAX];
    size_t process_count;
    struct world_key *keys;
    size_t key_count;
    char ids[INSTANCES_MAX][40];
    size_t instance_count;
    struct outcome outcomes[INSTANCES_MAX];
    int64_t crashes, duplicates, transitions; /* said at the end: a run without any shows nothing */
    char failure[8192];
};

static PRINTF(2, 3) bool fail(struct simulation *simulation, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(simulation->failure, sizeof(simulation->failure), format, arguments);
    va_end(arguments);
    return false;
}

/* ---- time and chance ---- */

static int64_t now_ms(void *user) {
    return ((struct simulation *)user)->now_ms;
}

static void random_bytes(void *user, void *bytes, size_t size) {
    struct simulation *simulation = user;
    unsigned char *to = bytes;

    for (size_t i = 0; i < size; i++) to[i] = (unsigned char)faults_random(&simulation->random);
}

static struct clock clock_of(struct simulation *simulation) {
    return (struct clock){ now_ms, now_ms, random_bytes, simulation };
}

/* ---- the world: answers tasks, and keeps a ledger of keys ---- */

static struct world_key *note_key(struct simulation *simulation, struct json task) {
    struct str key = json_str(json_get(task, STR("key"))), instance = json_str(json_get(task, STR("instance")));
    struct arena *arena = arena_new();
    uint64_t content = str_hash(json_to_str(json_get(task, STR("call")), arena));
    struct world_key *row = NULL;
    char name[160];
    int attempt = 1;

    arena_free(arena);
    snprintf(name, sizeof(name), STR_FMT " " STR_FMT, STR_ARG(instance), STR_ARG(json_str(json_get(task, STR("task")))));
    for (size_t i = 0; i < simulation->key_count; i++) {
        row = &simulation->keys[i];
        if (str_equal(str_from(row->key), key)) {
            if (row->content != content) fail(simulation, "the key %s came with two contents", row->key);
            return row;
        }
        attempt += strcmp(row->task, name) == 0;
    }
    assert(simulation->key_count < KEYS_MAX);
    row = &simulation->keys[simulation->key_count++];
    snprintf(row->key, sizeof(row->key), STR_FMT, STR_ARG(key));
    snprintf(row->task, sizeof(row->task), "%s", name);
    row->content = content;
    row->attempt = attempt;
    return row;
}

/* One that knows keys gives the same answer to the same key. */
static struct outgoing answer_task(struct simulation *simulation, struct json task, struct arena *arena) {
    const struct world_key *row = note_key(simulation, task);
    struct json call = json_get(task, STR("call")), body = json_object(arena, 4);
    bool flaky = str_ends_with(json_str(json_get(call, STR("uri"))), STR("flaky")) && row->attempt % 3 != 0;
    struct json n = json_get(json_get(json_get(call, STR("with")), STR("body")), STR("n"));

    body = json_set(body, STR("command"), json_get(task, STR("command")), arena);
    body = json_set(body, STR("ok"), json_bool(!flaky), arena);
    body = json_set(body, STR("answered"), json_bool(true), arena);
    if (flaky) {
        struct json error = json_set(json_object(arena, 2), STR("type"), json_string(STR("https://sim.test/unavailable")), arena);
        body = json_set(body, STR("error"), json_set(error, STR("status"), json_number(503), arena), arena);
    } else {
        struct json output = json_set(json_object(arena, 1), STR("n"), json_number(json_double(n) + 3), arena);
        body = json_set(body, STR("output"), output, arena);
    }
    return (struct outgoing){ .topic = TOPIC_ORCHESTRATOR, .key = json_str(json_get(task, STR("instance"))),
        .value = wire_encode(MESSAGE_ANSWER, STR_NULL, simulation->now_ms, body, arena) };
}

static bool executor_batch(void *state, struct arena *arena, const struct batch *batch, struct err *err) {
    struct seat *seat = *(struct seat **)state;
    struct process *process = list_entry((uintptr_t)seat->world, struct process, world);

    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = &batch->messages[i];
        struct wire_message word;
        if (!wire_decode(message->value, arena, &word, err)) return false;
        if (word.kind == MESSAGE_TASK && !process->plan.dead) {
            struct outgoing answer = answer_task(process->simulation, word.body, arena);
            if (!bus_publish(seat->world->bus, &answer, 1, err)) return false;
        }
        consumer_done(seat->consumer, message->topic, message->partition, message->offset, message->epoch);
    }
    return true;
}

static bool executor_open(struct seat *seat, void **ret_state, struct err *err) {
    struct seat **state = malloc(sizeof(struct seat *));

    (void)err;
    assert(state);
    *state = seat;
    *ret_state = state;
    return true;
}

static const enum topic executor_inboxes[] = { TOPIC_EXECUTOR, TOPIC_NONE };
static const struct service executor_double = { .name = "executor", .inboxes = executor_inboxes, .open = executor_open,
    .on_batch = executor_batch, .close = free };

/* ---- processes ---- */

static void add_process(struct simulation *simulation, const struct service *service) {
    struct process *process = &simulation->processes[simulation->process_count++];

    process->simulation = simulation;
    process->service = service;
    process->plan.random = faults_random(&simulation->random);
    process->world = (struct world){
        .config = &simulation->config,
        .clock = clock_of(simulation),
        .log = simulation->log,
        .metrics = simulation->metrics,
        .store = faults_store(simulation->store, &process->plan),
        .bus = faults_bus(simulation->bus, &process->plan),
        .name = service->name,
        .embedded = true,
    };
}

/* New strengths of each fault for each life of a process; none after the faults' time, none in a quiet run. */
static void draw_faults(struct simulation *simulation, struct faults_plan *plan) {
    uint64_t *random = &simulation->random;

    plan->dead = false;
    plan->calls = 0;
    plan->crash_at = 0;
    plan->crash_per_mille = plan->fail_per_mille = plan->unknown_per_mille = plan->twice_per_mille = 0;
    if (simulation->quiet || simulation->now_ms > START_MS + FAULTS_END_MS) return;
    plan->crash_after = faults_random(random) % 2;
    if (faults_random(random) % 2) plan->crash_at = 1 + (int64_t)(faults_random(random) % 60);
    plan->crash_per_mille = (unsigned)(faults_random(random) % 20);
    plan->fail_per_mille = (unsigned)(faults_random(random) % 50);
    plan->unknown_per_mille = (unsigned)(faults_random(random) % 50);
    plan->twice_per_mille = (unsigned)(faults_random(random) % 300);
}

static bool open_process(struct process *process) {
    struct err err;

    draw_faults(process->simulation, &process->plan);
    if (loop_open(&process->world, process->service, &process->loop, &err)) return true;
    process->loop = NULL;
    return false;
}

static void close_process(struct process *process) {
    loop_close(process->loop);
    process->loop = NULL;
}

static void turn_process(struct process *process) {
    struct simulation *simulation = process->simulation;

    if (!process->loop && (simulation->now_ms < process->down_until || !open_process(process))) return;
    loop_turn(process->loop, 0);
    if (process->plan.dead) {
        simulation->crashes++;
        close_process(process);
        process->down_until = simulation->now_ms + (int64_t)(faults_random(&simulation->random) % DOWN_MS);
        return;
    }
    /* The time of faults is over: the next life is a quiet one. */
    if (simulation->now_ms > START_MS + FAULTS_END_MS && (process->plan.fail_per_mille || process->plan.crash_per_mille)) {
        process->plan.crash_at = 0;
        process->plan.crash_per_mille = process->plan.fail_per_mille = process->plan.unknown_per_mille = 0;
    }
}

/* ---- clients ---- */

static bool deploy(struct simulation *simulation, struct json definition, struct arena *arena) {
    struct json about = json_get(definition, STR("document")), body = json_object(arena, 3);
    struct str id = str_format(arena, "sim/" STR_FMT "/1.0.0", STR_ARG(json_str(json_get(about, STR("name")))));
    struct str text = json_to_str(definition, arena);
    const struct definition *compiled;
    struct faults faults;
    enum verdict verdict;
    struct err err;

    faults_init(&faults, arena);
    if (!definition_load(text, INTAKE_JSON, &compiled, &faults, &err)) {
        return fail(simulation, "the workload is no definition: %s: " STR_FMT " " STR_FMT, err.message,
                STR_ARG(faults.count ? faults.items[0].pointer : STR("")), STR_ARG(faults.count ? faults.items[0].detail : STR("")));
    }
    body = json_set(body, STR("text"), json_string(text), arena);
    body = json_set(body, STR("contentType"), json_string(STR("application/json")), arena);
    body = json_set(body, STR("eventTypes"), json_copy(definition_event_types(compiled), arena), arena);
    definition_free(compiled);
    struct json fields = json_set(json_object(arena, 1), STR("workflow"), json_string(str_slice(id, 0, id.size - 6)), arena);
    struct record record = { .id = id, .version = 1, .fields = fields, .body = json_to_str(body, arena) };
    bool stored = store_insert_many(simulation->store, COLLECTION_WORKFLOWS, &record, 1, &verdict, &err);
    return stored || fail(simulation, "deploy: %s", err.message);
}

static void send(struct simulation *simulation, enum message_kind kind, const char *id, struct str request, struct json body, struct arena *arena) {
    struct outgoing message = { .topic = TOPIC_ORCHESTRATOR, .key = str_from(id),
        .value = wire_encode(kind, request, simulation->now_ms, body, arena) };
    struct err err;
    bool sent = bus_publish(simulation->bus, &message, 1, &err);

    assert(sent);
}

/* Every request is sent twice, as by a client that saw no answer (H31). */
static void start_instance(struct simulation *simulation, size_t index, struct arena *arena) {
    char *id = simulation->ids[index];
    struct json body = json_object(arena, 6);

    snprintf(id, sizeof(simulation->ids[index]), "instance-%zu", index);
    body = json_set(body, STR("id"), json_string(str_from(id)), arena);
    body = json_set(body, STR("namespace"), json_string(STR("sim")), arena);
    body = json_set(body, STR("name"), json_string(STR("main")), arena);
    body = json_set(body, STR("version"), json_string(STR("latest")), arena);
    body = json_set(body, STR("input"), json_set(json_object(arena, 1), STR("n"), json_number((double)index), arena), arena);
    body = json_set(body, STR("hash"), json_string(STR("h")), arena);
    for (int i = 0; i < 2; i++) send(simulation, MESSAGE_START, id, STR_NULL, body, arena);
    for (int i = 0; i < SIGNALS; i++) {
        struct json event = json_object(arena, 5);
        event = json_set(event, STR("specversion"), json_string(STR("1.0")), arena);
        event = json_set(event, STR("id"), json_string_format(arena, "s%d", i), arena);
        event = json_set(event, STR("source"), json_string(STR("/sim")), arena);
        event = json_set(event, STR("type"), json_string(STR("io.penstock.signal.go.v1")), arena);
        event = json_set(event, STR("subject"), json_string(str_from(id)), arena);
        struct json signal = json_set(json_object(arena, 1), STR("event"), event, arena);
        for (int turn = 0; turn < 2; turn++) send(simulation, MESSAGE_SIGNAL, id, STR_NULL, signal, arena);
    }
}

/* ---- checks ---- */

static bool load(struct simulation *simulation, struct definitions *definitions, const char *id, struct arena *arena, struct loaded *ret) {
    struct str name = str_from(id);
    struct err err;

    return ledger_load(simulation->store, definitions, &name, 1, arena, ret, &err) || fail(simulation, "%s cannot be loaded: %s", id, err.message);
}

static bool all_ended(struct simulation *simulation, struct definitions *definitions) {
    bool ended = true;

    for (size_t i = 0; i < simulation->instance_count && ended; i++) {
        struct arena *arena = arena_new();
        struct loaded loaded;
        ended = load(simulation, definitions, simulation->ids[i], arena, &loaded) && loaded.instance && instance_has_ended(loaded.instance);
        ledger_release(definitions, &loaded, 1);
        arena_free(arena);
    }
    return ended;
}

/* Replays the journal alone, from its first entry, and compares with the head. */
static bool check_replay(struct simulation *simulation, const char *id, const struct definition *definition, struct arena *arena) {
    const struct instance *instance = NULL;
    const struct record *record;
    struct buf buf;
    struct err err;

    for (int64_t version = 1;; version++) {
        struct str key = journal_id(str_from(id), version, arena);
        struct journal_entry entry;
        struct step_result result;
        if (!store_get_many(simulation->store, COLLECTION_JOURNAL, &key, 1, arena, &record, &err)) return fail(simulation, "%s", err.message);
        if (!record) break;
        if (!journal_decode(record->body, arena, &entry, &err)) return fail(simulation, "%s", err.message);
        ledger_apply(definition, instance, entry.inputs, entry.input_count, version, entry.applied, arena, &result, NULL);
        if (result.verdict != STEP_APPLIED) return fail(simulation, "%s: entry %d does not replay", id, (int)version);
        instance = result.instance;
    }
    struct str name = str_from(id);
    if (!store_get_many(simulation->store, COLLECTION_INSTANCES, &name, 1, arena, &record, &err)) return fail(simulation, "%s", err.message);
    if (!record || !instance) return fail(simulation, "%s: %s", id, record ? "no journal" : "no head");
    buf_init(&buf, SIZE_MAX / 4);
    instance_encode(instance, &buf);
    bool same = str_equal(buf_str(&buf), record->body);
    if (!same) {
        fail(simulation, "%s: the journal replays to\n  " STR_FMT "\nbut the head holds\n  " STR_FMT, id, STR_ARG(buf_str(&buf)), STR_ARG(record->body));
    }
    buf_clear(&buf);
    return same;
}

/* Ids and times differ between runs where they are made; the outputs of the workload hold none. */
static void note_outcome(struct simulation *simulation, size_t index, const struct instance *instance, struct arena *arena) {
    struct outcome *outcome = &simulation->outcomes[index];
    struct str output = json_to_str(instance->output, arena), error = json_to_str(instance->error, arena);
    struct buf context;

    buf_init(&context, SIZE_MAX / 4);
    json_write(&context, instance->context, JSON_SORTED);
    snprintf(outcome->text, sizeof(outcome->text), "%s output " STR_FMT " error " STR_FMT " context " STR_FMT,
            instance_status_name(instance->status), STR_ARG(output), STR_ARG(error), STR_ARG(buf_str(&context)));
    buf_clear(&context);
    outcome->keys = 0;
    for (size_t k = 0; k < simulation->key_count; k++) {
        outcome->keys += str_starts_with(str_from(simulation->keys[k].key), str_format(arena, "%s/", simulation->ids[index]));
    }
}

static bool check_instances(struct simulation *simulation, struct definitions *definitions) {
    bool ok = true;

    for (size_t i = 0; i < simulation->instance_count && ok; i++) {
        struct arena *arena = arena_new();
        struct loaded loaded;
        ok = load(simulation, definitions, simulation->ids[i], arena, &loaded);
        if (ok && loaded.head_version != loaded.instance->version) {
            ok = fail(simulation, "%s: its head is at %d, its journal at %d", simulation->ids[i], (int)loaded.head_version,
                    (int)loaded.instance->version);
        }
        if (ok) ok = check_replay(simulation, simulation->ids[i], loaded.definition, arena);
        if (ok) note_outcome(simulation, i, loaded.instance, arena);
        if (ok) ledger_release(definitions, &loaded, 1);
        arena_free(arena);
    }
    return ok;
}

static bool inboxes_are_empty(const struct simulation *simulation) {
    for (size_t i = 0; i < simulation->process_count; i++) {
        const struct loop *loop = simulation->processes[i].loop;
        if (!loop || loop_lag(loop) > 0) return false;
    }
    return true;
}

/* ---- one run ---- */

static bool prepare(struct simulation *simulation) {
    uint64_t workload = simulation->seed * 2654435761u + 17; /* the same for the quiet run and the other */
    struct arena *arena = arena_new();

    struct json child = workload_definition(&workload, "child", true, arena), definition = workload_definition(&workload, "main", false, arena);
    bool ok = deploy(simulation, child, arena) && deploy(simulation, definition, arena);
    simulation->instance_count = 1 + faults_random(&workload) % INSTANCES_MAX;
    for (size_t i = 0; i < simulation->instance_count && ok; i++) start_instance(simulation, i, arena);
    arena_free(arena);
    return ok;
}

/* Who still moves, and what he waits for. */
static bool describe_stuck(struct simulation *simulation, struct definitions *definitions) {
    struct arena *arena = arena_new();
    size_t used = (size_t)snprintf(simulation->failure, sizeof(simulation->failure), "at %d s not everything has ended (I12):",
            (int)((simulation->now_ms - START_MS) / 1000));

    for (size_t i = 0; i < simulation->instance_count && used < sizeof(simulation->failure) - 400; i++) {
        struct loaded loaded;
        if (!load(simulation, definitions, simulation->ids[i], arena, &loaded)) break;
        const struct instance *instance = loaded.instance;
        used += (size_t)snprintf(simulation->failure + used, sizeof(simulation->failure) - used, "\n  %s %s version %d head %d wake in %d ms frames",
                simulation->ids[i], instance ? instance_status_name(instance->status) : "none", instance ? (int)instance->version : 0,
                (int)loaded.head_version, instance && instance->wake_at ? (int)(instance->wake_at - simulation->now_ms) : 0);
        for (size_t f = 0; instance && f < instance->frame_count && used < sizeof(simulation->failure) - 200; f++) {
            used += (size_t)snprintf(simulation->failure + used, sizeof(simulation->failure) - used, " %.*s/%d", STR_ARG(instance->frames[f]->task->name),
                    instance->frames[f]->phase);
        }
        ledger_release(definitions, &loaded, 1);
    }
    for (size_t i = 0; i < simulation->process_count && used < sizeof(simulation->failure) - 100; i++) {
        const struct process *process = &simulation->processes[i];
        used += (size_t)snprintf(simulation->failure + used, sizeof(simulation->failure) - used, "\n  %s lag %d", process->service->name,
                process->loop ? (int)loop_lag(process->loop) : -2);
    }
    arena_free(arena);
    return false;
}

static bool run_to_end(struct simulation *simulation, struct definitions *definitions) {
    int quiet_looks = 0;

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        turn_process(&simulation->processes[faults_random(&simulation->random) % simulation->process_count]);
        if (simulation->failure[0]) return false;
        if (turn % 8 == 0) simulation->now_ms += (int64_t)(faults_random(&simulation->random) % 20);
        if (turn % 64) continue;
        /* Once is not enough: a partition whose owner has just crashed is nobody's for a while. */
        quiet_looks = inboxes_are_empty(simulation) && all_ended(simulation, definitions) ? quiet_looks + 1 : 0;
        if (quiet_looks == QUIET_LOOKS) return true;
    }
    return describe_stuck(simulation, definitions);
}

static void set_up(struct simulation *simulation) {
    struct bus_settings settings = { .address = "", .client_id = "sim", .partitions = 4, .timeout_ms = 1000 };
    struct clock clock = clock_of(simulation);
    struct err err;

    settings.clock = &clock;
    simulation->now_ms = START_MS;
    simulation->random = simulation->seed ^ (simulation->quiet ? 0 : 0x5DEECE66Du);
    simulation->config.events_keep_s = 3600;
    simulation->log = log_new("sim", LOG_OFF);
    simulation->metrics = metrics_new();
    simulation->store = stores_memory(clock);
    simulation->keys = calloc(KEYS_MAX, sizeof(*simulation->keys));
    bool opened = bus_open_memory(&settings, &simulation->bus, &err);
    assert(opened && simulation->keys);
    size_t orchestrators = simulation->quiet ? 1 : 1 + faults_random(&simulation->random) % 3;
    for (size_t i = 0; i < orchestrators; i++) add_process(simulation, &orchestrator_service);
    for (size_t i = 0; i < (simulation->quiet ? 1 : 1 + faults_random(&simulation->random) % 2); i++) add_process(simulation, &trigger_service);
    add_process(simulation, &executor_double);
}

static void tear_down(struct simulation *simulation) {
    simulation->duplicates = metrics_get(simulation->metrics, METRIC_DUPLICATES_DROPPED);
    simulation->transitions = metrics_get(simulation->metrics, METRIC_TRANSITIONS);
    for (size_t i = 0; i < simulation->process_count; i++) {
        struct process *process = &simulation->processes[i];
        if (process->loop) close_process(process);
        bus_close(process->world.bus);
        store_close(process->world.store);
    }
    bus_close(simulation->bus);
    store_close(simulation->store);
    metrics_free(simulation->metrics);
    log_free(simulation->log);
    free(simulation->keys);
}

static bool run(struct simulation *simulation, uint64_t seed, bool quiet) {
    *simulation = (struct simulation){ .seed = seed, .quiet = quiet };
    set_up(simulation);
    struct definitions *definitions = definitions_new(simulation->store);
    bool ok = prepare(simulation) && run_to_end(simulation, definitions) && check_instances(simulation, definitions);
    definitions_free(definitions);
    tear_down(simulation);
    return ok;
}

static bool compare(struct simulation *with_faults, const struct simulation *quiet) {
    for (size_t i = 0; i < quiet->instance_count; i++) {
        const struct outcome *expected = &quiet->outcomes[i], *got = &with_faults->outcomes[i];
        if (strcmp(expected->text, got->text) != 0) {
            return fail(with_faults, "%s: the quiet run came to\n  %s\nthis one to\n  %s", quiet->ids[i], expected->text, got->text);
        }
        if (expected->keys != got->keys) {
            return fail(with_faults, "%s: %d side effects in the quiet run, %d here", quiet->ids[i], expected->keys, got->keys);
        }
    }
    return true;
}

struct totals {
    int64_t crashes, duplicates, transitions;
};

static bool run_seed(uint64_t seed, struct totals *totals) {
    struct simulation *quiet = calloc(1, sizeof(*quiet)), *with_faults = calloc(1, sizeof(*with_faults));
    const char *which = "quiet";

    assert(quiet && with_faults);
    bool ok = run(quiet, seed, true);
    const char *failure = quiet->failure;
    if (ok) {
        ok = run(with_faults, seed, false) && compare(with_faults, quiet);
        failure = with_faults->failure;
        which = "with faults";
    }
    if (!ok) printf("not ok - seed %llu (%s): %s\n# replay: make sim SEED=%llu SEEDS=1\n", (unsigned long long)seed, which, failure, (unsigned long long)seed);
    totals->crashes += with_faults->crashes;
    totals->duplicates += with_faults->duplicates;
    totals->transitions += with_faults->transitions;
    free(quiet);
    free(with_faults);
    return ok;
}

int main(int argc, char **argv) {
    static const struct option options[] = { { "seed", required_argument, NULL, 's' }, { "seeds", required_argument, NULL, 'n' }, { NULL, 0, NULL, 0 } };
    int64_t first = 1, count = 1000;
    struct totals totals = { 0, 0, 0 };
    uint64_t good = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        bool known = option != '?' && str_to_int64(str_from(optarg), option == 's' ? &first : &count);
        if (!known) return 2;
    }
    for (int64_t seed = first; seed < first + count; seed++) good += run_seed((uint64_t)seed, &totals);
    printf("# %lld transitions, %lld crashes, %lld duplicates dropped\n", (long long)totals.transitions, (long long)totals.crashes,
            (long long)totals.duplicates);
    printf("%s - %llu of %lld seeds, from %lld on\n", (int64_t)good == count ? "ok" : "not ok", (unsigned long long)good, (long long)count, (long long)first);
    return (int64_t)good == count ? 0 : 1;
}

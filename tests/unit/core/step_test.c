/* The engine against scripts: the files of steps hold a definition, inputs, and what comes of each. With --accept what comes is written into the
 * scripts, to be reviewed as a diff.
 *
 *   definition                 the lines below, indented, are YAML
 *   KIND NOW [BODY]            an input: start, answer, wake, event, …; BODY is JSON. `start` needs no id, `wake` and `continue` without
 *                              a body give what is armed; a member "_id" is the id of the request
 *       …                      indented: what came of it
 *
 * For every input of every script it is also seen to that the same arguments give the same bytes, that a snapshot survives
 * encoding, and that a step from the decoded snapshot is the step from the state it was made of. */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/macros.h"
#include "core/step.h"
#include "ledger/ledger.h"

enum { TEXT_MAX = 1024 * 1024, SCRIPTS_MAX = 64, PATH_SIZE = 512 };

#define FOLDER "tests/unit/core/steps"

static const char *const kinds[] = { "start", "answer", "wake", "event", "signal", "suspend", "resume", "cancel", "terminate", "continue", "fault" };
static const char *const effects[] = { "task", "task.cancel", "event", "start", "answer", "cancel", "continue" };

struct script {
    char path[PATH_SIZE];
    bool accept;
};

struct runner {
    struct arena *arena;
    const struct definition *definition;
    const struct instance *instance;
    struct buf out;
};

static const struct definition *compile(const char *text) {
    const struct definition *definition = NULL;
    struct arena *arena = arena_new();
    struct faults faults;
    struct err err;

    faults_init(&faults, arena);
    bool ok = definition_load(str_from(text), INTAKE_YAML, &definition, &faults, &err);
    for (size_t i = 0; i < faults.count; i++) {
        print_error(STR_FMT ": " STR_FMT "\n", STR_ARG(faults.items[i].pointer), STR_ARG(faults.items[i].detail));
    }
    arena_free(arena);
    if (!ok) print_error("%s\n", err.message);
    assert_true(ok);
    return definition;
}

static struct json parse(struct str text, struct arena *arena) {
    struct json_read_options options = { .depth_max = 100000 };
    struct json value;
    struct err err;

    bool ok = json_read(text, &options, arena, &value, NULL, &err);
    if (!ok) print_error(STR_FMT ": %s\n", STR_ARG(text), err.message);
    assert_true(ok);
    return value;
}

static struct str encode(const struct instance *instance, struct arena *arena) {
    struct buf buf;

    if (!instance) return STR_NULL;
    buf_init(&buf, SIZE_MAX / 4);
    instance_encode(instance, &buf);
    struct str text = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

/* ---- what always holds ---- */

static struct str describe(const struct step_result *result, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, SIZE_MAX / 4);
    buf_append_format(&buf, "%d\n", (int)result->verdict);
    buf_append(&buf, encode(result->instance, arena));
    for (size_t i = 0; i < result->effect_count; i++) {
        buf_append_format(&buf, "\n%s " STR_FMT " ", effects[result->effects[i].kind], STR_ARG(result->effects[i].key));
        json_write(&buf, result->effects[i].body, JSON_COMPACT);
    }
    for (size_t i = 0; i < result->fact_count; i++) {
        const struct fact *fact = &result->facts[i];
        buf_append_format(&buf, "\n%lld %lld %s " STR_FMT " ", (long long)fact->seq, (long long)fact->time_ms, fact->type, STR_ARG(fact->task));
        json_write(&buf, fact->data, JSON_COMPACT);
    }
    struct str text = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

static void assert_same(struct str a, struct str b) {
    if (!str_equal(a, b)) print_error("first:  " STR_FMT "\nsecond: " STR_FMT "\n", STR_ARG(a), STR_ARG(b));
    assert_true(str_equal(a, b));
}

/* Steps, and holds the result against the same step once more, and against the step from the snapshot; in arenas of their own, so that
 * nothing is shared by chance. */
static void step_checked(struct runner *runner, const struct input *input, struct step_result *ret) {
    struct arena *other = arena_new();
    struct str before = encode(runner->instance, runner->arena);
    const struct instance *decoded = NULL;
    struct step_result again;
    struct err err;

    step(runner->arena, runner->definition, runner->instance, input, ret);
    assert_same(before, encode(runner->instance, runner->arena));
    struct str described = describe(ret, runner->arena);
    step(other, runner->definition, runner->instance, input, &again);
    assert_same(described, describe(&again, other));
    if (runner->instance) {
        assert_true(instance_decode(parse(before, other), runner->definition, other, &decoded, &err));
        assert_same(before, encode(decoded, other));
        step(other, runner->definition, decoded, input, &again);
        assert_same(described, describe(&again, other));
    }
    arena_free(other);
}

/* ---- scripts ---- */

static void put_json(struct runner *runner, const char *key, struct json value) {
    if (json_is_absent(value)) return;
    buf_append_format(&runner->out, "    %s ", key);
    json_write(&runner->out, value, JSON_COMPACT);
    buf_append_char(&runner->out, '\n');
}

static void tell_fact(struct runner *runner, const struct fact *fact) {
    if (strcmp(fact->type, "task.created") == 0) return;
    buf_append_format(&runner->out, "    fact %s%s" STR_FMT, fact->type, fact->task.size ? " " : "", STR_ARG(fact->task));
    if (!json_is_absent(fact->data)) {
        buf_append_char(&runner->out, ' ');
        json_write(&runner->out, fact->data, JSON_COMPACT);
    }
    buf_append_char(&runner->out, '\n');
}

static void tell(struct runner *runner, const struct step_result *result) {
    const struct instance *instance = result->instance;

    if (result->verdict != STEP_APPLIED) {
        buf_append_format(&runner->out, "    %s\n", result->verdict == STEP_LATE ? "late" : "duplicate");
        return;
    }
    for (size_t i = 0; i < result->fact_count; i++) tell_fact(runner, &result->facts[i]);
    for (size_t i = 0; i < result->effect_count; i++) {
        const struct effect *effect = &result->effects[i];
        buf_append_format(&runner->out, "    effect %s " STR_FMT " ", effects[effect->kind], STR_ARG(effect->key));
        json_write(&runner->out, effect->body, JSON_COMPACT);
        buf_append_char(&runner->out, '\n');
    }
    struct json keys = step_subscriptions(instance, runner->arena);
    if (json_size(keys)) put_json(runner, "listens", keys);
    if (!json_is_null(instance->context)) put_json(runner, "context", instance->context);
    if (json_size(instance->signals)) put_json(runner, "signals", instance->signals);
    put_json(runner, "output", instance->output);
    put_json(runner, "error", instance->error);
    buf_append_format(&runner->out, "    %s", instance_status_name(instance->status));
    if (instance->wake_at) buf_append_format(&runner->out, ", wakes %u at %lld", instance->wake_frame, (long long)instance->wake_at);
    buf_append_char(&runner->out, '\n');
}

static struct json complete_body(struct runner *runner, enum input_kind kind, struct json body) {
    struct arena *arena = runner->arena;

    if (kind == INPUT_START && json_is_absent(json_get(body, STR("id")))) body = json_set(body, STR("id"), json_string(STR("i1")), arena);
    if (kind == INPUT_WAKE && json_size(body) == 0) {
        body = json_set(body, STR("frame"), json_int64(runner->instance->wake_frame, arena), arena);
        body = json_set(body, STR("at"), json_int64(runner->instance->wake_at, arena), arena);
    }
    if (kind == INPUT_CONTINUE && json_size(body) == 0) {
        body = json_set(body, STR("version"), json_int64(runner->instance->version, arena), arena);
    }
    return body;
}

static void run_input(struct runner *runner, struct str line) {
    struct str rest = line, name = str_cut(&rest, ' '), now = str_cut(&rest, ' ');
    struct input input = { .version = runner->instance ? runner->instance->version + 1 : 1 };
    struct step_result result;
    size_t kind = 0;

    while (kind < ARRAY_SIZE(kinds) && !str_equal(name, str_from(kinds[kind]))) kind++;
    if (kind == ARRAY_SIZE(kinds)) print_error("no input: " STR_FMT "\n", STR_ARG(line));
    assert_true(kind < ARRAY_SIZE(kinds));
    assert_true(str_to_int64(now, &input.now_ms));
    input.kind = (enum input_kind)kind;
    struct json body = rest.size ? parse(rest, runner->arena) : json_object(runner->arena, 2);
    input.id = json_str(json_get(body, STR("_id")));
    input.body = complete_body(runner, input.kind, json_remove(body, STR("_id"), runner->arena));
    step_checked(runner, &input, &result);
    tell(runner, &result);
    runner->instance = result.instance;
}

static struct str read_file(const char *path, struct arena *arena) {
    char *text = arena_alloc(arena, TEXT_MAX);
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    size_t size = fread(text, 1, TEXT_MAX - 1, file);
    fclose(file);
    text[size] = '\0';
    return (struct str){ text, size };
}

/* Takes the indented lines that follow, and those that are empty between them. */
static struct str take_block(struct str *rest) {
    struct str block = { rest->data, 0 };

    while (rest->size && (rest->data[0] == ' ' || rest->data[0] == '\n')) {
        size_t end = str_find_char(*rest, '\n');
        block.size += MIN(end + 1, rest->size);
        *rest = str_slice(*rest, end + 1, rest->size);
    }
    return block;
}

static void run_text(struct runner *runner, struct str text) {
    while (text.size) {
        struct str line = str_cut(&text, '\n');
        buf_append(&runner->out, line);
        buf_append_char(&runner->out, '\n');
        if (line.size == 0 || line.data[0] == '#') continue;
        struct str block = take_block(&text);
        if (str_equal(line, STR("definition"))) {
            runner->definition = compile(str_to_c(block, runner->arena));
            buf_append(&runner->out, block);
            continue;
        }
        assert_non_null(runner->definition);
        run_input(runner, line);
        if (text.size) buf_append_char(&runner->out, '\n');
    }
}

static void run_script(void **state) {
    const struct script *script = *state;
    struct runner runner = { .arena = arena_new() };
    struct str text = read_file(script->path, runner.arena);

    buf_init(&runner.out, TEXT_MAX * 4);
    run_text(&runner, text);
    if (script->accept && !str_equal(text, buf_str(&runner.out))) {
        FILE *file = fopen(script->path, "w");
        assert_non_null(file);
        fwrite(runner.out.data, 1, runner.out.size, file);
        fclose(file);
    } else {
        struct str told = buf_str(&runner.out);
        for (size_t number = 1; text.size || told.size; number++) {
            struct str expected = str_cut(&text, '\n'), actual = str_cut(&told, '\n');
            if (!str_equal(expected, actual)) {
                print_error("%s:%zu\nexpected: " STR_FMT "\n     got: " STR_FMT "\n", script->path, number, STR_ARG(expected), STR_ARG(actual));
            }
            assert_true(str_equal(expected, actual));
        }
    }
    buf_clear(&runner.out);
    definition_free(runner.definition);
    arena_free(runner.arena);
}

/* ---- budgets and replay ---- */

#define HEAD "document: { dsl: '1.0.3', namespace: default, name: test, version: '1.0.0' }\n"

static struct input start_with(struct json input, struct arena *arena) {
    struct json body = json_set(json_object(arena, 2), STR("id"), json_string(STR("i1")), arena);

    return (struct input){ .kind = INPUT_START, .now_ms = 1000, .version = 1, .body = json_set(body, STR("input"), input, arena) };
}

static size_t count_effects(const struct step_result *result, enum effect_kind kind) {
    size_t count = 0;

    for (size_t i = 0; i < result->effect_count; i++) count += result->effects[i].kind == kind;
    return count;
}

/* Given the turns that were taken, a replay takes as many, and comes to the same; given fewer it stops there. */
static void assert_replayed(struct runner *runner, const struct input *input, const struct step_result *result) {
    struct arena *other = arena_new();
    struct input replay = *input;
    struct step_result again;

    replay.budget = result->turns + 1;
    step(other, runner->definition, runner->instance, &replay, &again);
    assert_same(describe(result, other), describe(&again, other));
    assert_int_equal(again.turns, result->turns);
    replay.budget = result->turns / 2 + 1;
    step(other, runner->definition, runner->instance, &replay, &again);
    assert_int_equal(again.turns, result->turns / 2);
    assert_int_equal(again.instance->status, INSTANCE_RUNNING);
    arena_free(other);
}

/* A loop of 5,000 turns yields, goes on with each CONTINUE, and ends with what one long step would have given. A step takes no more than its
 * budget, a CONTINUE of another version is nothing, and one given twice is late. */
static void test_budget(void **state) {
    (void)state;
    const struct definition *definition = compile(HEAD "do:\n- loop: { for: { in: '[ range(5000) ]' }, do: [ { add: { set: '${ . + $item }' } } ] }\n");
    struct arena *arena = arena_new();
    struct runner runner = { .arena = arena, .definition = definition };
    struct input input = start_with(json_int64(0, arena), arena);
    struct step_result result;
    int steps = 0;

    for (;;) {
        step_checked(&runner, &input, &result);
        assert_int_equal(result.verdict, STEP_APPLIED);
        size_t started = 0;
        for (size_t i = 0; i < result.fact_count; i++) started += strcmp(result.facts[i].type, "task.started") == 0;
        assert_true(result.turns <= LIMIT_STEP_TASKS);
        assert_true(started <= result.turns);
        assert_replayed(&runner, &input, &result);
        assert_int_equal(result.facts[0].seq + (int64_t)result.fact_count, result.instance->next_fact);
        runner.instance = result.instance;
        steps++;
        if (instance_has_ended(runner.instance)) break;
        assert_int_equal(result.instance->status, INSTANCE_RUNNING);
        assert_int_equal(count_effects(&result, EFFECT_CONTINUE), 1);
        const struct effect *effect = &result.effects[result.effect_count - 1];
        assert_string_equal(str_to_c(effect->key, arena), "i1");
        input = (struct input){ .kind = INPUT_CONTINUE, .now_ms = 1000, .version = result.instance->version + 1, .body = effect->body };
        struct input old = input;
        old.body = json_set(json_object(arena, 1), STR("version"), json_int64(result.instance->version - 1, arena), arena);
        step_checked(&runner, &old, &result);
        assert_int_equal(result.verdict, STEP_LATE);
        assert_true(result.instance == runner.instance);
    }
    assert_in_range(steps, 5, 20);
    assert_int_equal(json_int64_or(runner.instance->output, 0), 12497500);
    assert_int_equal(runner.instance->frame_count, 0);
    arena_free(arena);
    definition_free(definition);
}

/* Suspended between two steps of a loop it stands, with no CONTINUE; resumed it goes on. */
static void test_suspended_between_steps(void **state) {
    (void)state;
    const struct definition *definition = compile(HEAD "do:\n- loop: { for: { in: '[ range(1500) ]' }, do: [ { add: { set: '${ . + 1 }' } } ] }\n");
    struct arena *arena = arena_new();
    struct runner runner = { .arena = arena, .definition = definition };
    struct input input = start_with(json_int64(0, arena), arena);
    struct step_result result;
    struct json empty = json_object(arena, 0);

    step_checked(&runner, &input, &result);
    runner.instance = result.instance;
    struct json word = result.effects[result.effect_count - 1].body;
    input = (struct input){ .kind = INPUT_SUSPEND, .now_ms = 1000, .version = 2, .body = empty };
    step_checked(&runner, &input, &result);
    runner.instance = result.instance;
    assert_int_equal(result.instance->status, INSTANCE_SUSPENDED);
    assert_int_equal(result.effect_count, 0);
    input = (struct input){ .kind = INPUT_CONTINUE, .now_ms = 1000, .version = 3, .body = word };
    step_checked(&runner, &input, &result);
    assert_int_equal(result.verdict, STEP_LATE);
    input = (struct input){ .kind = INPUT_RESUME, .now_ms = 1000, .version = 3, .body = empty };
    do {
        step_checked(&runner, &input, &result);
        assert_int_equal(result.verdict, STEP_APPLIED);
        runner.instance = result.instance;
        if (result.effect_count) word = result.effects[result.effect_count - 1].body;
        input = (struct input){ .kind = INPUT_CONTINUE, .now_ms = 1000, .version = result.instance->version + 1, .body = word };
    } while (!instance_has_ended(runner.instance));
    assert_int_equal(json_int64_or(runner.instance->output, 0), 1500);
    arena_free(arena);
    definition_free(definition);
}

/* The effects of one commit are bounded too. */
static void test_effects_budget(void **state) {
    (void)state;
    const struct definition *definition = compile(HEAD "do:\n- loop: { for: { in: '[ range(600) ]' },"
            " do: [ { tell: { emit: { event: { with: { source: 'https://example.com', type: t.v1 } } } } } ] }\n");
    struct arena *arena = arena_new();
    struct runner runner = { .arena = arena, .definition = definition };
    struct input input = start_with(json_null(), arena);
    struct step_result result;
    size_t events = 0;

    do {
        step_checked(&runner, &input, &result);
        assert_int_equal(result.verdict, STEP_APPLIED);
        assert_true(result.effect_count <= LIMIT_EFFECTS + 1);
        events += count_effects(&result, EFFECT_EVENT);
        runner.instance = result.instance;
        if (result.effect_count == 0) break;
        input = (struct input){ .kind = INPUT_CONTINUE, .now_ms = 1000, .version = result.instance->version + 1,
            .body = result.effects[result.effect_count - 1].body };
    } while (!instance_has_ended(runner.instance));
    assert_int_equal(runner.instance->status, INSTANCE_COMPLETED);
    assert_int_equal(events, 600);
    arena_free(arena);
    definition_free(definition);
}

/* Time never goes back behind what was recorded (reliability.md, R7). */
static void test_clock(void **state) {
    (void)state;
    const struct definition *definition = compile(HEAD "do:\n- a: { wait: PT1S }\n- b: { wait: PT1S }\n");
    struct arena *arena = arena_new();
    struct runner runner = { .arena = arena, .definition = definition };
    struct input input = start_with(json_null(), arena);
    struct step_result result;

    step_checked(&runner, &input, &result);
    runner.instance = result.instance;
    assert_int_equal(runner.instance->wake_at, 2000);
    struct json body = json_set(json_object(arena, 2), STR("frame"), json_int64(runner.instance->wake_frame, arena), arena);
    input = (struct input){ .kind = INPUT_WAKE, .now_ms = 10, .version = 2, .body = json_set(body, STR("at"), json_int64(2000, arena), arena) };
    step_checked(&runner, &input, &result);
    assert_int_equal(result.verdict, STEP_APPLIED);
    assert_int_equal(result.instance->now_ms, 1000);
    assert_int_equal(result.instance->wake_at, 2000);
    assert_int_equal(result.facts[0].time_ms, 1000);
    arena_free(arena);
    definition_free(definition);
}

static struct input event_of(struct arena *arena, int number, int64_t version) {
    struct json event = parse(str_format(arena, "{\"specversion\":\"1.0\",\"id\":\"e%d\",\"source\":\"/t\",\"type\":\"t.v1\",\"data\":%d}", number, number), arena);

    return (struct input){ .kind = INPUT_EVENT, .now_ms = 1000 + number, .version = version,
        .body = json_set(json_object(arena, 1), STR("event"), event, arena) };
}

/* A batch folded into one entry, twice over: the same bytes; and the same state as one by one, but for the version. */
static void test_folding(void **state) {
    (void)state;
    enum { COUNT = 40 };
    const struct definition *definition = compile(HEAD "do:\n- hear: { listen: { to: { any: [ { with: { type: t.v1 } } ], until: '(. | length) >= 30' } } }\n");
    struct arena *arena = arena_new(), *other = arena_new();
    struct origin origin = { 7, 3, 99 };
    struct input inputs[COUNT + 1] = { start_with(json_null(), arena) };
    enum step_verdict verdicts[COUNT + 1];
    struct step_result once, twice;

    for (int i = 0; i < COUNT; i++) inputs[i + 1] = event_of(arena, i < 35 ? i / 2 * 2 : i, 1); /* each of the first comes twice */
    ledger_apply(definition, NULL, inputs, COUNT + 1, 1, origin, arena, &once, verdicts);
    ledger_apply(definition, NULL, inputs, COUNT + 1, 1, origin, other, &twice, NULL);
    assert_same(describe(&once, arena), describe(&twice, other));
    assert_int_equal(verdicts[0], STEP_APPLIED);
    assert_int_equal(verdicts[1], STEP_APPLIED);
    assert_int_equal(verdicts[2], STEP_DUPLICATE);
    assert_int_equal(json_int64_or(json_get(once.instance->applied, STR("offset")), 0), 99);
    struct runner runner = { .arena = arena, .definition = definition };
    for (int i = 0; i <= COUNT; i++) {
        struct step_result one;
        inputs[i].version = 1;
        step_checked(&runner, &inputs[i], &one);
        if (one.verdict == STEP_APPLIED) runner.instance = one.instance;
    }
    struct instance bare = *once.instance;
    bare.applied = (struct json){ .type = JSON_ABSENT };
    assert_same(encode(&bare, arena), encode(runner.instance, arena));
    arena_free(other);
    arena_free(arena);
    definition_free(definition);
}

/* Identities of events are kept while they may come again, and room is made for more. */
static void test_seen(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    const struct definition *definition = compile(HEAD "do:\n- hear: { listen: { to: { any: [ { with: { type: t.v1 } } ], until: 'false' } } }\n");
    struct arena *arena = arena_new();
    struct input input = start_with(json_null(), arena);
    struct step_result result;

    step(arena, definition, NULL, &input, &result);
    for (int i = 0; i < COUNT; i++) {
        input = event_of(arena, i, i + 2);
        step(arena, definition, result.instance, &input, &result);
        assert_int_equal(result.verdict, STEP_APPLIED);
    }
    for (int i = 0; i < COUNT; i++) {
        struct step_result again;
        input = event_of(arena, i, COUNT + 2);
        step(arena, definition, result.instance, &input, &again);
        assert_int_equal(again.verdict, STEP_DUPLICATE);
    }
    assert_int_equal(json_size(json_get(parse(encode(result.instance, arena), arena), STR("seen"))), COUNT);
    arena_free(arena);
    definition_free(definition);
}

static void test_snapshot_of_another(void **state) {
    (void)state;
    const struct definition *definition = compile(HEAD "do:\n- a: { do: [ { b: { wait: PT1S } } ] }\n");
    const struct definition *smaller = compile(HEAD "do:\n- a: { wait: PT1S }\n");
    struct arena *arena = arena_new();
    struct input input = start_with(json_null(), arena);
    const struct instance *decoded;
    struct step_result result;
    struct err err;

    step(arena, definition, NULL, &input, &result);
    struct json snapshot = parse(encode(result.instance, arena), arena);
    assert_true(instance_decode(snapshot, definition, arena, &decoded, &err));
    assert_false(instance_decode(snapshot, smaller, arena, &decoded, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(instance_decode(json_set(snapshot, STR("format"), json_int64(2, arena), arena), definition, arena, &decoded, &err));
    assert_int_equal(err.code, ERR_INVALID);
    arena_free(arena);
    definition_free(definition);
    definition_free(smaller);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv) {
    static struct script scripts[SCRIPTS_MAX];
    static struct CMUnitTest script_tests[SCRIPTS_MAX];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_suspended_between_steps),
        cmocka_unit_test(test_effects_budget),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_seen),
        cmocka_unit_test(test_snapshot_of_another),
    };
    struct dirent **entries;
    size_t count = 0;
    int found = scandir(FOLDER, &entries, NULL, by_name);

    if (found < 0) {
        fprintf(stderr, "%s is not there: run from the root of the repository\n", FOLDER);
        return 1;
    }
    for (int i = 0; i < found; i++) {
        struct script *script = &scripts[count];
        bool wanted = str_ends_with(str_from(entries[i]->d_name), STR(".txt")) && count < SCRIPTS_MAX;
        if (wanted) {
            snprintf(script->path, sizeof(script->path), FOLDER "/%s", entries[i]->d_name);
            script->accept = argc > 1 && strcmp(argv[1], "--accept") == 0;
            script_tests[count++] = (struct CMUnitTest){ script->path, run_script, NULL, NULL, script };
        }
        free(entries[i]);
    }
    free(entries);
    int failed = _cmocka_run_group_tests("scripts", script_tests, count, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}

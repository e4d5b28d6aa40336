/* What happened in an instance: its facts in order, and the executions of tasks that they tell of. */

#include "services/api/history.h"

#include "common/arena.h"
#include "common/limits.h"
#include "ledger/ledger.h"
#include "services/api/api_internal.h"
#include "services/api/await.h"
#include "services/api/call.h"
#include "services/api/guard.h"
#include "services/api/handlers.h"

enum { FACTS_MAX = 50 * 1000, FACTS_PAGE = 1000 };

struct json history_row(struct json fact, struct arena *arena) {
    struct json row = json_object(arena, 6);

    row = json_set(row, STR("seq"), json_get(fact, STR("seq")), arena);
    row = json_set(row, STR("time"), time_json(json_int64_or(json_get(fact, STR("time")), 0), arena), arena);
    row = json_set(row, STR("type"), json_get(fact, STR("type")), arena);
    row = json_set(row, STR("task"), json_get(fact, STR("task")), arena);
    row = json_set(row, STR("name"), json_get(fact, STR("name")), arena);
    return json_set(row, STR("data"), json_get(fact, STR("data")), arena);
}

/* Answers and is false unless the instance is there and may be seen. */
static bool is_there(struct turn *turn, struct call *call, struct str id) {
    const struct instance *instance;
    struct loaded loaded;

    if (!await_find(turn, call, id, &loaded, &instance)) return false;
    await_release(turn, &loaded);
    return true;
}

static bool read_cursor(struct turn *turn, struct call *call, struct str text, int64_t *ret) {
    *ret = 0;
    if (!text.data || (str_to_int64(text, ret) && *ret >= 0)) return true;
    answer_problem(turn, call, 400, "The cursor is not one that was given out.");
    return false;
}

void history_get(struct turn *turn, struct call *call) {
    static const char *const names[] = { "limit", "cursor" };
    struct str values[ARRAY_SIZE(names)], id = call_parameter(call, 0);
    struct json facts, rows = json_array(turn->arena, 64);
    int64_t from, next;
    uint32_t limit;
    struct err err;

    if (!call_query(turn, call, names, ARRAY_SIZE(names), values) || !call_limit(turn, call, values[0], &limit)) return;
    if (!read_cursor(turn, call, values[1], &from) || !is_there(turn, call, id)) return;
    if (!ledger_history(turn->api->world->store, id, from, limit, turn->arena, &facts, &next, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    for (size_t i = 0; i < json_size(facts); i++) rows = json_append(rows, history_row(json_at(facts, i), turn->arena), turn->arena);
    answer_page(turn, call, rows, next ? str_format(turn->arena, "%lld", (long long)next) : STR_NULL);
}

/* ---- executions ---- */

/* One run of a task, from task.created on. */
struct execution {
    struct json pointer, name, data, error;
    const char *status;
    int64_t attempt, iteration;
    int64_t started_ms, ended_ms;
    int64_t first_seq, last_seq;
};

struct executions {
    struct arena *arena;
    struct execution *items;
    size_t count, capacity;
};

static struct execution *add(struct executions *all, struct json fact) {
    struct json pointer = json_get(fact, STR("task"));
    int64_t iteration = 1;

    if (all->count == all->capacity) {
        size_t capacity = MAX(all->capacity * 2, (size_t)64);
        struct execution *items = arena_new_many(all->arena, struct execution, capacity);
        for (size_t i = 0; i < all->count; i++) items[i] = all->items[i];
        all->items = items;
        all->capacity = capacity;
    }
    for (size_t i = all->count; i-- > 0;) {
        if (!json_equal(all->items[i].pointer, pointer)) continue;
        iteration = all->items[i].iteration + 1;
        break;
    }
    struct execution *execution = &all->items[all->count++];
    *execution = (struct execution){ .pointer = pointer, .name = json_get(fact, STR("name")), .status = "pending", .attempt = 1,
        .iteration = iteration };
    execution->first_seq = json_int64_or(json_get(fact, STR("seq")), 0);
    return execution;
}

/* The newest run of the task that has not ended; facts name no run, and a task that runs many times at once is told apart by order. */
static struct execution *find_open(struct executions *all, struct json pointer) {
    for (size_t i = all->count; i-- > 0;) {
        if (!all->items[i].ended_ms && json_equal(all->items[i].pointer, pointer)) return &all->items[i];
    }
    return NULL;
}

static void note(struct executions *all, struct json fact) {
    struct str type = json_str(json_get(fact, STR("type")));
    struct json pointer = json_get(fact, STR("task")), data = json_get(fact, STR("data"));
    int64_t time_ms = json_int64_or(json_get(fact, STR("time")), 0);

    if (json_is_null(pointer)) return;
    if (str_equal(type, STR("task.created"))) {
        add(all, fact);
        return;
    }
    struct execution *execution = find_open(all, pointer);
    if (!execution) execution = add(all, fact);
    execution->last_seq = json_int64_or(json_get(fact, STR("seq")), 0);
    if (str_equal(type, STR("task.started"))) {
        execution->status = "running";
        execution->started_ms = time_ms;
    } else if (str_equal(type, STR("task.retried"))) {
        execution->attempt++;
    } else if (str_equal(type, STR("task.completed")) || str_equal(type, STR("task.faulted")) || str_equal(type, STR("task.cancelled"))) {
        execution->status = str_equal(type, STR("task.completed")) ? "completed"
                : str_equal(type, STR("task.faulted"))             ? "faulted"
                                                                   : "cancelled";
        execution->ended_ms = time_ms;
        execution->data = json_get(data, STR("output"));
        execution->error = json_get(data, STR("error"));
    }
}

static struct json describe(const struct execution *execution, struct arena *arena) {
    struct json row = json_object(arena, 12);
    bool ended = execution->ended_ms != 0, has_output = ended && !json_is_absent(execution->data);

    row = json_set(row, STR("pointer"), execution->pointer, arena);
    row = json_set(row, STR("name"), execution->name, arena);
    row = json_set(row, STR("attempt"), json_int64(execution->attempt, arena), arena);
    row = json_set(row, STR("iteration"), json_int64(execution->iteration, arena), arena);
    row = json_set(row, STR("status"), json_string(str_from(execution->status)), arena);
    row = json_set(row, STR("startedAt"), time_json(execution->started_ms, arena), arena);
    row = json_set(row, STR("endedAt"), time_json(execution->ended_ms, arena), arena);
    row = json_set(row, STR("error"), json_is_absent(execution->error) ? json_null() : execution->error, arena);
    struct json size = has_output ? json_int64((int64_t)json_to_str(execution->data, arena).size, arena) : json_null();
    row = json_set(row, STR("outputSize"), size, arena);
    return json_set(row, STR("outputSeq"), has_output ? json_int64(execution->last_seq, arena) : json_null(), arena);
}

static bool read_all(struct turn *turn, struct str id, struct executions *all, struct err *err) {
    struct json facts;
    int64_t from = 0, next, seen = 0;

    do {
        if (!ledger_history(turn->api->world->store, id, from, FACTS_PAGE, turn->arena, &facts, &next, err)) return false;
        for (size_t i = 0; i < json_size(facts); i++) note(all, json_at(facts, i));
        seen += (int64_t)json_size(facts);
        from = next;
    } while (next && seen < FACTS_MAX);
    return true;
}

void tasks_get(struct turn *turn, struct call *call) {
    static const char *const names[] = { "limit", "cursor" };
    struct str values[ARRAY_SIZE(names)], id = call_parameter(call, 0);
    struct executions all = { .arena = turn->arena };
    struct json rows = json_array(turn->arena, 64);
    int64_t from;
    uint32_t limit;
    struct err err;

    if (!call_query(turn, call, names, ARRAY_SIZE(names), values) || !call_limit(turn, call, values[0], &limit)) return;
    if (!read_cursor(turn, call, values[1], &from) || !is_there(turn, call, id)) return;
    if (!read_all(turn, id, &all, &err)) {
        answer_err(turn, call, &err);
        return;
    }
    size_t at = (size_t)from, end = MIN(at + limit, all.count);
    for (; at < end; at++) rows = json_append(rows, describe(&all.items[at], turn->arena), turn->arena);
    answer_page(turn, call, rows, end < all.count ? str_format(turn->arena, "%zu", end) : STR_NULL);
}

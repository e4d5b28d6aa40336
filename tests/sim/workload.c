#include "tests/sim/workload.h"

#include "common/arena.h"
#include "tests/sim/faults.h"

enum { DEPTH_MAX = 3, LIST_MAX = 3 };

struct generator {
    uint64_t *random;
    struct arena *arena;
    bool child;
    unsigned forks; /* around: a branch that faults ends the others, when is a matter of time */
    unsigned names;
};

static unsigned pick(struct generator *generator, unsigned count) {
    return (unsigned)(faults_random(generator->random) % count);
}

static struct json parse(struct generator *generator, struct str text) {
    struct json value;
    struct err err;

    if (!json_read(text, NULL, generator->arena, &value, NULL, &err)) return json_null();
    return value;
}

static struct json set(struct generator *generator, struct json object, const char *key, struct json value) {
    return json_set(object, str_from(key), value, generator->arena);
}

static struct json one(struct generator *generator, const char *key, struct json value) {
    return set(generator, json_object(generator->arena, 2), key, value);
}

static struct json list(struct generator *generator, int depth);

static struct json output_as(struct generator *generator, struct json task, const char *text) {
    return set(generator, task, "output", one(generator, "as", json_string(str_from(text))));
}

static struct json make_set(struct generator *generator) {
    struct str text = str_format(generator->arena, "${ { n: ((.n // 0) + %u) } }", 1 + pick(generator, 9));
    struct json task = one(generator, "set", json_string(text));

    if (pick(generator, 3)) return task;
    struct str as = str_format(generator->arena, "${ $context + { c%u: .n } }", generator->names);
    return set(generator, task, "export", one(generator, "as", json_string(as)));
}

static struct json make_for(struct generator *generator, int depth) {
    struct str in = str_format(generator->arena, "[range(%u)]", pick(generator, 4));
    struct json task = one(generator, "for", one(generator, "in", json_string(in)));

    return set(generator, task, "do", list(generator, depth + 1));
}

static struct json make_fork(struct generator *generator, int depth) {
    struct json branches = json_array(generator->arena, 3), fork;
    unsigned count = 1 + pick(generator, 3);

    generator->forks++;
    for (unsigned i = 0; i < count; i++) {
        struct json body = one(generator, "do", list(generator, depth + 1));
        struct json named = json_set(json_object(generator->arena, 1), str_format(generator->arena, "b%u", ++generator->names), body, generator->arena);
        branches = json_append(branches, named, generator->arena);
    }
    generator->forks--;
    fork = one(generator, "fork", one(generator, "branches", branches));
    return output_as(generator, fork, "{ n: (map(.n // 0) | add) }");
}

static struct json make_try(struct generator *generator, int depth) {
    static const char *const catches[] = {
        "{ \"retry\": { \"delay\": { \"milliseconds\": 300 }, \"limit\": { \"attempt\": { \"count\": 2 } } }, \"do\": [ { \"h\": { \"set\": { \"n\": 7 } } } ] }",
        "{ \"as\": \"err\", \"do\": [ { \"h\": { \"set\": { \"n\": \"${ $err.status }\" } } } ] }",
        "{ \"errors\": { \"with\": { \"status\": 503 } }, \"retry\": { \"backoff\": { \"exponential\": {} }, \"delay\": \"PT0.1S\", \"limit\": { \"attempt\": { \"count\": 4 } } } }",
    };
    struct json tasks = list(generator, depth + 1);

    if (pick(generator, 2)) {
        struct json raise = parse(generator, STR("{ \"boom\": { \"raise\": { \"error\": { \"type\": \"https://sim.test/boom\", \"status\": 500 } } } }"));
        tasks = json_append(tasks, raise, generator->arena);
    }
    struct json task = one(generator, "try", tasks);
    return set(generator, task, "catch", parse(generator, str_from(catches[pick(generator, generator->forks ? 2 : (unsigned)ARRAY_SIZE(catches))])));
}

/* The world answers 503 to the first attempts of some tasks, and n otherwise. */
static struct json make_call(struct generator *generator) {
    static const char *const calls[] = {
        "{ \"call\": \"http\", \"with\": { \"method\": \"post\", \"endpoint\": \"http://world/steady\", \"body\": { \"n\": \"${ .n }\" } } }",
        "{ \"try\": [ { \"again\": { \"call\": \"http\", \"with\": { \"method\": \"post\", \"endpoint\": \"http://world/flaky\", \"body\": { \"n\": \"${ .n }\" } } } } ],"
        "  \"catch\": { \"errors\": { \"with\": { \"status\": 503 } }, \"retry\": { \"delay\": \"PT0.2S\", \"limit\": { \"attempt\": { \"count\": 5 } } } } }",
    };

    return parse(generator, str_from(calls[pick(generator, ARRAY_SIZE(calls))]));
}

static struct json make_wait(struct generator *generator) {
    return one(generator, "wait", one(generator, "milliseconds", json_number(pick(generator, 1500))));
}

static struct json make_listen(struct generator *generator) {
    struct json task = parse(generator, STR("{ \"listen\": { \"to\": { \"one\": { \"with\": { \"type\": \"io.penstock.signal.go.v1\" } } } } }"));

    return output_as(generator, task, "{ n: length }");
}

/* An event of the instance's own, heard by itself: the listener stands before or after, both must do. */
static struct json make_emit(struct generator *generator) {
    struct json task = parse(generator, STR("{ \"emit\": { \"event\": { \"with\": { \"type\": \"sim.told.v1\", \"subject\": \"${ $workflow.id }\", \"data\": { \"n\": 1 } } } } }"));

    return output_as(generator, task, "{ n: .data.n }");
}

static struct json make_run(struct generator *generator) {
    struct json task = parse(generator,
            STR("{ \"run\": { \"workflow\": { \"namespace\": \"sim\", \"name\": \"child\", \"version\": \"1.0.0\", \"input\": { \"n\": \"${ .n }\" } } } }"));

    return task;
}

static struct json make_switch(struct generator *generator) {
    return parse(generator, STR("{ \"switch\": [ { \"odd\": { \"when\": \"((.n // 0) % 2) == 1\", \"then\": \"exit\" } }, { \"even\": { \"then\": \"continue\" } } ] }"));
}

static struct json make_task(struct generator *generator, int depth) {
    unsigned leaf = depth >= DEPTH_MAX;

    switch (pick(generator, leaf ? 8 : 12)) {
    case 0:
    case 1: return make_set(generator);
    case 2: return make_wait(generator);
    case 3: return make_call(generator);
    case 4: return make_emit(generator);
    case 5: return make_switch(generator);
    case 6: return generator->child ? make_set(generator) : make_listen(generator);
    case 7: return generator->child ? make_call(generator) : make_run(generator);
    case 8: return make_for(generator, depth);
    case 9: return make_fork(generator, depth);
    case 10: return make_try(generator, depth);
    default: return one(generator, "do", list(generator, depth + 1));
    }
}

static struct json list(struct generator *generator, int depth) {
    struct json tasks = json_array(generator->arena, LIST_MAX);
    unsigned count = 1 + pick(generator, LIST_MAX);

    for (unsigned i = 0; i < count; i++) {
        struct str name = str_format(generator->arena, "t%u", ++generator->names);
        struct json named = json_set(json_object(generator->arena, 1), name, make_task(generator, depth), generator->arena);
        tasks = json_append(tasks, named, generator->arena);
    }
    return tasks;
}

struct json workload_definition(uint64_t *random, const char *name, bool child, struct arena *arena) {
    struct generator generator = { random, arena, child, child ? 1 : 0, 0 }; /* children run inside forks, too */
    struct json document = parse(&generator, STR("{ \"dsl\": \"1.0.3\", \"namespace\": \"sim\", \"version\": \"1.0.0\" }"));

    document = set(&generator, document, "name", json_string_copy(str_from(name), arena));
    struct json definition = one(&generator, "document", document);
    return set(&generator, definition, "do", list(&generator, child ? 2 : 1));
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/macros.h"
#include "common/uuid.h"
#include "wire/journal.h"
#include "wire/wire.h"

static struct json parse(const char *text, struct arena *arena) {
    struct json_read_options options = { .borrow = true };
    struct json value;
    struct err err;

    assert_true(json_read(str_from(text), &options, arena, &value, NULL, &err));
    return value;
}

/* ---- messages ---- */

static void test_messages(void **state) {
    struct arena *arena = arena_new();
    struct json body = parse("{\"a\":[1,null,\"\\u0000\\n\"],\"n\":9007199254740993}", arena);

    (void)state;
    for (int kind = 0; kind < MESSAGE_COUNT; kind++) {
        struct wire_message message;
        struct input input;
        struct err err;
        struct str text = wire_encode((enum message_kind)kind, kind % 2 ? STR("request-1") : STR_NULL, 1234567890123, body, arena);
        assert_true(wire_decode(text, arena, &message, &err));
        assert_int_equal(message.kind, kind);
        assert_int_equal(message.sent_ms, 1234567890123);
        assert_true(str_equal(message.id, kind % 2 ? STR("request-1") : STR("")));
        assert_true(json_equal(message.body, body));
        assert_true(str_equal(json_to_str(message.body, arena), json_to_str(body, arena)));
        bool is_input = kind <= MESSAGE_FAULT;
        assert_int_equal(wire_input(&message, &input), is_input);
        if (!is_input) continue;
        assert_int_equal(input.kind, kind);
        assert_true(str_equal(input.id, message.id));
        assert_true(json_equal(input.body, body));
    }
    arena_free(arena);
}

/* The inputs of step() have these names in journals that are stored for years. */
static void test_names(void **state) {
    static const char *const names[] = { "start", "answer", "wake", "event", "signal", "suspend", "resume", "cancel", "terminate", "continue",
        "fault", "task", "task.cancel", "timer", "subscribed", "status", "dead" };

    (void)state;
    assert_int_equal(MESSAGE_COUNT, ARRAY_SIZE(names));
    for (int kind = 0; kind < MESSAGE_COUNT; kind++) assert_string_equal(message_name((enum message_kind)kind), names[kind]);
    assert_int_equal(MESSAGE_WAKE, INPUT_WAKE);
    assert_int_equal(MESSAGE_TERMINATE, INPUT_TERMINATE);
}

static void test_unreadable(void **state) {
    static const char *const texts[] = { "", "x", "[]", "{}", "null", "{\"kind\":\"begin\",\"body\":{}}", "{\"kind\":7}", "{\"kind\":\"start\"",
        "{\"kind\":\"start\",\"kind\":\"start\"}" };
    struct arena *arena = arena_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct wire_message message;
        struct err err = { ERR_NONE, "" };
        assert_false(wire_decode(str_from(texts[i]), arena, &message, &err));
        assert_int_equal(err.code, ERR_MALFORMED);
    }
    struct wire_message bare;
    struct err err;
    assert_true(wire_decode(STR("{\"kind\":\"cancel\"}"), arena, &bare, &err));
    assert_int_equal(bare.kind, MESSAGE_CANCEL);
    assert_true(json_is_absent(bare.body));
    arena_free(arena);
}

/* ---- the journal ---- */

static struct str encode(const struct journal_entry *entry, struct arena *arena) {
    struct buf buf;

    buf_init(&buf, LIMIT_RECORD);
    journal_encode(entry, &buf);
    assert_false(buf_is_over(&buf));
    struct str text = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return text;
}

static void test_entry(void **state) {
    struct arena *arena = arena_new();
    struct input inputs[INPUT_FAULT + 1];
    struct effect effects[EFFECT_CONTINUE + 1];
    struct fact facts[] = { { 7, 1001, "task.started", STR("/do/0/a"), STR("a"), { .type = JSON_ABSENT } },
        { 8, 1002, "workflow.completed", STR_NULL, STR_NULL, parse("{\"output\":1.50}", arena) } };
    struct journal_entry decoded;
    struct err err;

    (void)state;
    for (int i = 0; i <= INPUT_FAULT; i++) {
        inputs[i] = (struct input){ .kind = (enum input_kind)i, .now_ms = 1000 + i, .id = i % 2 ? STR("r") : STR_NULL, .budget = (uint32_t)i, .body = parse("{\"x\":1}", arena) };
    }
    for (int i = 0; i <= EFFECT_CONTINUE; i++) effects[i] = (struct effect){ (enum effect_kind)i, STR("key"), parse("{\"y\":[2]}", arena) };
    struct journal_entry entry = { .instance = STR("i1"), .version = 42, .commit = STR("0123456789abcdef0123456789abcdef"), .definition = STR("n/w/1.0.0"),
        .inputs = inputs, .input_count = ARRAY_SIZE(inputs), .applied = { 0x7fffffffffffffff, 3, 99 }, .effects = effects,
        .effect_count = ARRAY_SIZE(effects), .facts = facts, .fact_count = ARRAY_SIZE(facts) };
    struct str text = encode(&entry, arena);
    assert_true(journal_decode(text, arena, &decoded, &err));
    assert_false(decoded.emptied);
    assert_true(str_equal(decoded.instance, entry.instance));
    assert_int_equal(decoded.version, 42);
    assert_true(str_equal(decoded.commit, entry.commit));
    assert_true(str_equal(decoded.definition, entry.definition));
    assert_true(decoded.applied.incarnation == entry.applied.incarnation);
    assert_int_equal(decoded.applied.partition, 3);
    assert_int_equal(decoded.applied.offset, 99);
    assert_int_equal(decoded.input_count, entry.input_count);
    for (size_t i = 0; i < entry.input_count; i++) {
        assert_int_equal(decoded.inputs[i].kind, inputs[i].kind);
        assert_int_equal(decoded.inputs[i].now_ms, inputs[i].now_ms);
        assert_int_equal(decoded.inputs[i].budget, inputs[i].budget);
        assert_true(str_equal(decoded.inputs[i].id, inputs[i].id));
        assert_true(json_equal(decoded.inputs[i].body, inputs[i].body));
    }
    assert_int_equal(decoded.effect_count, entry.effect_count);
    for (size_t i = 0; i < entry.effect_count; i++) {
        assert_int_equal(decoded.effects[i].kind, effects[i].kind);
        assert_true(str_equal(decoded.effects[i].key, effects[i].key));
        assert_true(json_equal(decoded.effects[i].body, effects[i].body));
    }
    assert_true(str_equal(json_to_str(decoded.fact_rows, arena), STR("[{\"seq\":7,\"time\":1001,\"type\":\"task.started\",\"task\":\"/do/0/a\",\"name\":\"a\"},"
            "{\"seq\":8,\"time\":1002,\"type\":\"workflow.completed\",\"data\":{\"output\":1.50}}]")));
    arena_free(arena);
}

/* All 64 bits of an incarnation come back. */
static void test_incarnation(void **state) {
    struct arena *arena = arena_new();
    struct journal_entry entry = { .instance = STR("i"), .version = 1, .applied = { 0xfedcba9876543210, 0, -1 } }, decoded;
    struct err err;

    (void)state;
    assert_true(journal_decode(encode(&entry, arena), arena, &decoded, &err));
    assert_true(decoded.applied.incarnation == entry.applied.incarnation);
    assert_int_equal(decoded.applied.offset, -1);
    arena_free(arena);
}

/* A fact's data over the limit is left out and its size told; what stands around it is as it was. */
static void test_large_fact(void **state) {
    struct arena *arena = arena_new();
    char *text = arena_alloc(arena, LIMIT_INLINE_VALUE);
    struct journal_entry decoded;
    struct err err;

    (void)state;
    memset(text, 'x', LIMIT_INLINE_VALUE);
    for (int over = 0; over <= 1; over++) {
        /* ,"data":"…": the key and the quotes count. */
        struct json data = json_string((struct str){ text, (size_t)LIMIT_INLINE_VALUE - 12 + (over ? 12 : 0) });
        struct fact facts[] = { { 1, 5, "a", STR_NULL, STR_NULL, data }, { 2, 6, "b", STR_NULL, STR_NULL, json_bool(true) } };
        struct journal_entry entry = { .instance = STR("i"), .version = 1, .facts = facts, .fact_count = 2 };
        assert_true(journal_decode(encode(&entry, arena), arena, &decoded, &err));
        assert_int_equal(json_size(decoded.fact_rows), 2);
        struct json kept = json_get(json_at(decoded.fact_rows, 0), STR("data"));
        assert_int_equal(json_type(kept) == JSON_STRING, !over);
        if (over) assert_in_range(json_int64_or(json_get(kept, STR("omitted")), 0), LIMIT_INLINE_VALUE, LIMIT_INLINE_VALUE + 20);
        assert_int_equal(json_type(json_get(json_at(decoded.fact_rows, 1), STR("data"))), JSON_TRUE);
        assert_int_equal(json_int64_or(json_get(json_at(decoded.fact_rows, 1), STR("seq")), 0), 2);
    }
    arena_free(arena);
}

static void test_bad_entries(void **state) {
    static const char *const texts[] = { "x", "{}", "{\"format\":2}", "{\"format\":1,\"inputs\":[{\"kind\":\"begin\"}]}",
        "{\"format\":1,\"inputs\":[{\"kind\":\"task\"}]}", "{\"format\":1,\"effects\":[{\"kind\":\"begin\"}]}" };
    struct arena *arena = arena_new();
    struct journal_entry decoded;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) assert_false(journal_decode(str_from(texts[i]), arena, &decoded, &err));
    assert_true(journal_decode(STR(""), arena, &decoded, &err));
    assert_true(decoded.emptied);
    arena_free(arena);
}

static void test_ids(void **state) {
    struct arena *arena = arena_new();

    (void)state;
    assert_true(str_equal(journal_id(STR("i"), 1, arena), STR("i/0000000001")));
    assert_true(str_compare(journal_id(STR("i"), 9, arena), journal_id(STR("i"), 10, arena)) < 0);
    assert_true(str_compare(journal_id(STR("i"), 999999999, arena), journal_id(STR("i"), 1000000000, arena)) < 0);
    arena_free(arena);
}

/* ---- heads ---- */

/* Stored for years: a shard never changes. All are used. */
static void test_shards(void **state) {
    bool used[HEAD_SHARDS] = { false };

    (void)state;
    assert_int_equal(head_shard(STR("")), head_shard(STR_NULL));
    assert_int_equal(head_shard(STR("01a1fe62-77d7-75d5-8508-754328dc532d")), 54);
    for (int i = 0; i < 4096; i++) {
        char number[16], id[UUID_TEXT_SIZE];
        snprintf(number, sizeof(number), "%d", i);
        struct str part = str_from(number);
        int64_t shard = head_shard(uuid_v8(&part, 1, id));
        assert_in_range(shard, 0, HEAD_SHARDS - 1);
        used[shard] = true;
    }
    for (int i = 0; i < HEAD_SHARDS; i++) assert_true(used[i]);
}

static void test_head_fields(void **state) {
    struct arena *arena = arena_new();
    struct instance instance = { .id = STR("i1"), .namespace_ = STR("n"), .name = STR("w"), .version_of = STR("1.0.0"), .status = INSTANCE_COMPLETED,
        .created_at = 5, .ended_at = 9 };

    (void)state;
    assert_true(str_equal(json_to_str(head_fields(&instance, arena), arena),
            STR("{\"namespace\":\"n\",\"workflow\":\"n/w\",\"definition\":\"n/w/1.0.0\",\"status\":\"completed\",\"createdAt\":5,\"endedAt\":9}")));
    instance.status = INSTANCE_WAITING;
    instance.ended_at = 0;
    instance.key = STR("order-7");
    instance.tags = parse("{\"a\":\"b\",\"n\":1}", arena);
    instance.wake_at = 77;
    instance.wake_frame = 3;
    struct json fields = head_fields(&instance, arena);
    assert_true(str_equal(json_to_str(json_get(fields, STR("tags")), arena), STR("[\"a:b\",\"n:1\"]")));
    assert_int_equal(json_int64_or(json_get(fields, STR("wakeAt")), 0), 77);
    assert_int_equal(json_int64_or(json_get(fields, STR("wakeFrame")), 0), 3);
    assert_int_equal(json_int64_or(json_get(fields, STR("shard")), -1), head_shard(STR("i1")));
    assert_true(str_equal(json_str(json_get(fields, STR("key"))), STR("order-7")));
    assert_false(json_has(fields, STR("endedAt")));
    assert_false(json_has(fields, STR("subscriptions")));
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_entry),
        cmocka_unit_test(test_incarnation),
        cmocka_unit_test(test_large_fact),
        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_head_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

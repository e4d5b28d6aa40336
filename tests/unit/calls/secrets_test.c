#include "calls/secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "store/store.h"
#include "system/clock.h"
#include "system/thread.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct fixture {
    struct arena *arena;
    struct store *store;
    struct clock clock;
    int64_t monotonic_ms;
    struct secrets *secrets;
};

static int64_t read_monotonic(void *user) {
    return ((struct fixture *)user)->monotonic_ms;
}

static void read_random(void *user, void *bytes, size_t size) {
    struct clock system = clock_system();

    (void)user;
    clock_random(&system, bytes, size);
}

static int64_t read_wall(void *user) {
    (void)user;
    return 0;
}

static struct secrets *open_with(struct fixture *fixture, const char *key) {
    struct secrets *secrets;
    struct err err;

    if (!secrets_new(fixture->store, key, &fixture->clock, &secrets, &err)) fail_msg("%s", err.message);
    return secrets;
}

static int set_up(void **state) {
    static struct fixture fixture;
    struct err err;

    fixture = (struct fixture){ .arena = arena_new(), .monotonic_ms = 1000 };
    fixture.clock = (struct clock){ read_wall, read_monotonic, read_random, &fixture };
    if (!store_open("memory:", 1000, &fixture.store, &err)) return -1;
    fixture.secrets = open_with(&fixture, KEY_A);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    secrets_free(fixture->secrets);
    store_close(fixture->store);
    arena_free(fixture->arena);
    return 0;
}

static struct json parse(struct fixture *fixture, const char *text) {
    struct json value;
    struct err err;

    assert_true(json_read(str_from(text), NULL, fixture->arena, &value, NULL, &err));
    return value;
}

static struct str seal(struct fixture *fixture, const char *namespace, const char *name, const char *value) {
    struct str sealed;
    struct err err;

    if (!secrets_seal(fixture->secrets, (struct secret_place){ str_from(namespace), str_from(name) }, parse(fixture, value), fixture->arena, &sealed, &err)) {
        fail_msg("%s", err.message);
    }
    return sealed;
}

static bool open_sealed(struct fixture *fixture, const char *namespace, const char *name, struct str sealed, struct json *ret, struct err *err) {
    return secrets_open(fixture->secrets, (struct secret_place){ str_from(namespace), str_from(name) }, sealed, fixture->arena, ret, err);
}

static void test_what_is_sealed_opens(void **state) {
    struct fixture *fixture = *state;
    static const char value[] = "{\"username\":\"u\",\"n\":9007199254740993}";
    struct str sealed = seal(fixture, "shop", "card", value);
    struct json opened;
    struct err err;

    assert_true(open_sealed(fixture, "shop", "card", sealed, &opened, &err));
    assert_string_equal(json_to_str(opened, fixture->arena).data, value);
    assert_null(memmem(sealed.data, sealed.size, "username", 8));
    /* A nonce is used once. */
    assert_false(str_equal(sealed, seal(fixture, "shop", "card", value)));
}

static void test_another_process_opens_it_with_the_same_key(void **state) {
    struct fixture *fixture = *state;
    struct str sealed = seal(fixture, "shop", "card", "\"x\"");
    struct secrets *other = open_with(fixture, KEY_A);
    struct json opened;
    struct err err;

    assert_true(secrets_open(other, (struct secret_place){ STR("shop"), STR("card") }, sealed, fixture->arena, &opened, &err));
    assert_true(str_equal(json_str(opened), STR("x")));
    secrets_free(other);
    other = open_with(fixture, KEY_B);
    assert_false(secrets_open(other, (struct secret_place){ STR("shop"), STR("card") }, sealed, fixture->arena, &opened, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.message, "another PENSTOCK_MASTER_KEY"));
    secrets_free(other);
}

static void test_it_opens_in_its_place_alone(void **state) {
    struct fixture *fixture = *state;
    struct str sealed = seal(fixture, "shop", "card", "\"x\"");
    struct json opened;
    struct err err;

    assert_false(open_sealed(fixture, "shop", "cart", sealed, &opened, &err));
    assert_int_equal(err.code, ERR_INVALID);
    seal(fixture, "bank", "card", "\"y\"");
    assert_false(open_sealed(fixture, "bank", "card", sealed, &opened, &err));
    assert_false(open_sealed(fixture, "none", "card", sealed, &opened, &err));
}

/* Every byte counts: the prefix, the key's id, the version, the nonce, the text, the tag. */
static void test_a_changed_byte_is_noticed(void **state) {
    struct fixture *fixture = *state;
    struct str sealed = seal(fixture, "shop", "card", "\"x\"");
    struct json opened;
    struct err err;

    for (size_t i = 0; i < sealed.size; i++) {
        char *changed = (char *)(uintptr_t)str_copy(sealed, fixture->arena).data;
        changed[i] = (char)(changed[i] == 'A' ? 'B' : 'A');
        assert_false(open_sealed(fixture, "shop", "card", (struct str){ changed, sealed.size }, &opened, &err));
    }
    /* The padding of base64 carries nothing. */
    size_t whole = str_find_char(sealed, '=');
    for (size_t size = 0; size < whole; size++) {
        assert_false(open_sealed(fixture, "shop", "card", str_slice(sealed, 0, size), &opened, &err));
    }
}

static void test_the_master_key_is_64_digits(void **state) {
    static const char *const bad[] = { "", "00", KEY_A "00", "0011", "x0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" };
    struct fixture *fixture = *state;
    struct secrets *secrets;
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(secrets_new(fixture->store, bad[i], &fixture->clock, &secrets, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.message, "PENSTOCK_MASTER_KEY"));
        assert_true(!bad[i][0] || !strstr(err.message, bad[i]));
    }
    secrets = open_with(fixture, "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF");
    secrets_free(secrets);
}

static void test_without_a_master_key_each_try_says_so(void **state) {
    struct fixture *fixture = *state;
    struct secrets *secrets = open_with(fixture, NULL);
    struct str sealed;
    struct err err;

    assert_false(secrets_seal(secrets, (struct secret_place){ STR("shop"), STR("card") }, json_bool(true), fixture->arena, &sealed, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.message, "PENSTOCK_MASTER_KEY is not set"));
    secrets_free(secrets);
}

static void test_a_value_has_a_limit(void **state) {
    struct fixture *fixture = *state;
    char *text = arena_alloc(fixture->arena, SECRETS_VALUE_MAX);
    struct str sealed;
    struct err err;

    memset(text, 'x', SECRETS_VALUE_MAX);
    assert_false(secrets_seal(fixture->secrets, (struct secret_place){ STR("shop"), STR("card") }, json_string((struct str){ text, SECRETS_VALUE_MAX }), fixture->arena,
            &sealed, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_true(secrets_seal(fixture->secrets, (struct secret_place){ STR("shop"), STR("card") }, json_string((struct str){ text, SECRETS_VALUE_MAX - 3 }),
            fixture->arena, &sealed, &err));
}

static bool get(struct fixture *fixture, const struct secrets *secrets, const char *name, struct json *ret, struct err *err) {
    return secrets_get(secrets, STR("shop"), str_from(name), fixture->arena, ret, err);
}

static void test_put_and_get(void **state) {
    struct fixture *fixture = *state;
    struct json value;
    struct err err;

    assert_false(get(fixture, fixture->secrets, "card", &value, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(secrets_put(fixture->secrets, STR("shop"), STR("card"), parse(fixture, "{\"token\":\"one\"}"), &err));
    assert_true(get(fixture, fixture->secrets, "card", &value, &err));
    assert_string_equal(json_to_str(value, fixture->arena).data, "{\"token\":\"one\"}");
    assert_true(secrets_put(fixture->secrets, STR("shop"), STR("card"), parse(fixture, "{\"token\":\"two\"}"), &err));
    assert_true(get(fixture, fixture->secrets, "card", &value, &err));
    assert_string_equal(json_to_str(value, fixture->arena).data, "{\"token\":\"two\"}");
}

/* Another process sees a change once what it keeps has aged. */
static void test_a_value_is_kept_for_a_while(void **state) {
    struct fixture *fixture = *state;
    struct secrets *other = open_with(fixture, KEY_A);
    struct json value;
    struct err err;

    assert_true(secrets_put(fixture->secrets, STR("shop"), STR("card"), json_string(STR("one")), &err));
    assert_true(get(fixture, other, "card", &value, &err));
    assert_true(secrets_put(fixture->secrets, STR("shop"), STR("card"), json_string(STR("two")), &err));
    fixture->monotonic_ms += SECRETS_KEPT_MS - 1;
    assert_true(get(fixture, other, "card", &value, &err));
    assert_true(str_equal(json_str(value), STR("one")));
    fixture->monotonic_ms += 1;
    assert_true(get(fixture, other, "card", &value, &err));
    assert_true(str_equal(json_str(value), STR("two")));
    secrets_free(other);
}

static const struct record *record_of(struct fixture *fixture, enum collection collection, const char *id) {
    const struct record *record;
    struct str key = str_from(id);
    struct err err;

    assert_true(store_get_many(fixture->store, collection, &key, 1, fixture->arena, &record, &err));
    return record;
}

static void test_an_older_value_cannot_be_put_back(void **state) {
    struct fixture *fixture = *state;
    struct json value;
    struct err err;

    assert_true(secrets_put(fixture->secrets, STR("shop"), STR("card"), json_string(STR("old")), &err));
    struct record old = *record_of(fixture, COLLECTION_SECRETS, "shop/card");
    assert_true(secrets_put(fixture->secrets, STR("shop"), STR("card"), json_string(STR("new")), &err));
    bool won;
    old.version = 3;
    assert_true(store_compare_and_set(fixture->store, COLLECTION_SECRETS, &old, 2, &won, &err) && won);
    assert_false(get(fixture, fixture->secrets, "card", &value, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void test_nothing_clear_is_stored(void **state) {
    struct fixture *fixture = *state;
    struct err err;

    assert_true(secrets_put(fixture->secrets, STR("shop"), STR("card"), json_string(STR("canary-in-store")), &err));
    struct str body = record_of(fixture, COLLECTION_SECRETS, "shop/card")->body;
    struct str keys = record_of(fixture, COLLECTION_SETTINGS, "seal/shop")->body;
    assert_null(memmem(body.data, body.size, "canary", 6));
    assert_null(memmem(body.data, body.size, "Y2FuYXJ5", 8)); /* in base64 */
    assert_null(memmem(keys.data, keys.size, "00112233", 8));
}

static void test_records_of_others_are_read(void **state) {
    struct fixture *fixture = *state;
    struct str sealed = seal(fixture, "shop", "card", "\"v\"");
    struct str bodies[] = { sealed, str_format(fixture->arena, "{\"sealed\":\"%s\",\"by\":\"x\"}", sealed.data),
        str_format(fixture->arena, "\"%s\"", sealed.data) };
    struct json value;
    struct err err;

    for (int64_t i = 0; i < (int64_t)ARRAY_SIZE(bodies); i++) {
        struct record record = { .id = STR("shop/card"), .version = i + 1, .fields = json_object(fixture->arena, 0), .body = bodies[i] };
        bool won;
        assert_true(store_compare_and_set(fixture->store, COLLECTION_SECRETS, &record, i, &won, &err) && won);
        fixture->monotonic_ms += SECRETS_KEPT_MS;
        assert_true(get(fixture, fixture->secrets, "card", &value, &err));
        assert_true(str_equal(json_str(value), STR("v")));
    }
}

static void seal_many(void *user) {
    struct fixture *fixture = user;
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct json value;
    struct str sealed;
    struct err err;

    for (int i = 0; i < 200; i++) {
        struct str namespace = str_format(arena, "n%d", i % 20);
        bool ok = secrets_seal(fixture->secrets, (struct secret_place){ namespace, STR("card") }, json_bool(true), arena, &sealed, &err)
                && secrets_open(fixture->secrets, (struct secret_place){ namespace, STR("card") }, sealed, arena, &value, &err);
        if (!ok) fail_msg("%s", err.message);
    }
}

/* Threads that need a namespace's first key at the same time agree on one. */
static void test_threads(void **state) {
    struct fixture *fixture = *state;
    struct thread *threads[4];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) threads[i] = thread_start("sealer", seal_many, fixture);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) thread_join(threads[i]);
}

/* More namespaces than keys are held for. */
static void test_keys_come_and_go(void **state) {
    struct fixture *fixture = *state;
    struct str first = seal(fixture, "n0", "card", "\"x\"");
    struct json value;
    struct err err;

    for (int i = 1; i < 300; i++) seal(fixture, str_format(fixture->arena, "n%d", i).data, "card", "\"x\"");
    assert_true(open_sealed(fixture, "n0", "card", first, &value, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_sealed_opens),
        TEST(test_another_process_opens_it_with_the_same_key),
        TEST(test_it_opens_in_its_place_alone),
        TEST(test_a_changed_byte_is_noticed),
        TEST(test_the_master_key_is_64_digits),
        TEST(test_without_a_master_key_each_try_says_so),
        TEST(test_a_value_has_a_limit),
        TEST(test_put_and_get),
        TEST(test_a_value_is_kept_for_a_while),
        TEST(test_an_older_value_cannot_be_put_back),
        TEST(test_nothing_clear_is_stored),
        TEST(test_records_of_others_are_read),
        TEST(test_threads),
        TEST(test_keys_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

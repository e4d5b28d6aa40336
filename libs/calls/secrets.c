#include "calls/secrets.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/hash.h"
#include "common/list.h"
#include "store/store.h"
#include "system/clock.h"
#include "system/queue.h"

/* A sealed text: "sealed.1.KEY.VERSION.BYTES": the id of the data key, the version it was stored as (0: none), and nonce and
 * ciphertext in base64. The associated data is "sealed/NAMESPACE/NAME/VERSION"; a namespace has no '/', so no two places share one. */
enum {
    KEY_SIZE = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    KEY_ID_BYTES = 8,
    KEY_ID_SIZE = KEY_ID_BYTES * 2 + 1,
    DATA_KEYS_MAX = 256, /* held in memory */
    VALUES_MAX = 1024,
    WRITE_TRIES = 8,
    AWAY_MS = 1000,      /* after the store did not answer, it is not asked again for so long */
};

static const char prefix[] = "sealed.1.";

struct data_key {
    struct list item; /* the newest use is last */
    char *namespace;
    char id[KEY_ID_SIZE];
    uint8_t *key; /* locked memory */
};

/* A value that was read; clear text, wiped when it is given up. */
struct kept {
    struct list item; /* the oldest is first */
    char *id;
    char *text;
    size_t size;
    int64_t until_ms;
};

/* What changes, under the lock. */
struct vault {
    struct list data_keys, values;
    size_t data_key_count, value_count;
    int64_t away_until_ms;
};

struct secrets {
    struct store *store;
    struct clock clock;
    struct lock *lock;
    uint8_t *master; /* locked memory; NULL: none */
    char master_id[KEY_ID_SIZE];
    struct vault *vault;
};

/* ---- lives ---- */

/* Names a master key without telling anything of it. */
static void name_master(const uint8_t *master, char ret[KEY_ID_SIZE]) {
    static const uint8_t what[] = "penstock master key";
    uint8_t hash[crypto_generichash_BYTES];

    crypto_generichash(hash, sizeof(hash), what, sizeof(what) - 1, master, KEY_SIZE);
    sodium_bin2hex(ret, KEY_ID_SIZE, hash, KEY_ID_BYTES);
}

static bool read_master(struct secrets *secrets, const char *text, struct err *err) {
    size_t size = 0;
    const char *end = NULL;

    secrets->master = sodium_malloc(KEY_SIZE);
    assert(secrets->master);
    int bad = sodium_hex2bin(secrets->master, KEY_SIZE, text, strlen(text), NULL, &size, &end);
    if (bad || size != KEY_SIZE || *end) {
        return err_set(err, ERR_INVALID,
                "PENSTOCK_MASTER_KEY is no key: it has to be %d hexadecimal digits, as `openssl rand -hex %d` makes them", KEY_SIZE * 2,
                KEY_SIZE);
    }
    name_master(secrets->master, secrets->master_id);
    sodium_mprotect_readonly(secrets->master);
    return true;
}

bool secrets_new(struct store *store, const char *master_key, const struct clock *clock, struct secrets **ret, struct err *err) {
    struct secrets *secrets = calloc(1, sizeof(*secrets));
    int initialised = sodium_init();

    assert(secrets && initialised >= 0);
    secrets->store = store;
    secrets->clock = *clock;
    secrets->lock = lock_new();
    secrets->vault = calloc(1, sizeof(*secrets->vault));
    assert(secrets->vault);
    list_init(&secrets->vault->data_keys);
    list_init(&secrets->vault->values);
    if (master_key && !read_master(secrets, master_key, err)) {
        secrets_free(secrets);
        return false;
    }
    *ret = secrets;
    return true;
}

static void drop_key(struct vault *vault, struct data_key *key) {
    list_remove(&key->item);
    vault->data_key_count--;
    sodium_free(key->key);
    free(key->namespace);
    free(key);
}

static void drop_value(struct vault *vault, struct kept *kept) {
    list_remove(&kept->item);
    vault->value_count--;
    sodium_memzero(kept->text, kept->size);
    free(kept->text);
    free(kept->id);
    free(kept);
}

void secrets_free(struct secrets *secrets) {
    if (!secrets) return;
    list_foreach(item, &secrets->vault->data_keys) drop_key(secrets->vault, list_entry(item, struct data_key, item));
    list_foreach(item, &secrets->vault->values) drop_value(secrets->vault, list_entry(item, struct kept, item));
    sodium_free(secrets->master);
    lock_free(secrets->lock);
    free(secrets->vault);
    free(secrets);
}

/* ---- boxes ---- */

/* nonce and ciphertext of `clear`, in base64. */
static struct str box_seal(const struct secrets *secrets, const uint8_t *key, struct str bound_to, struct str clear, struct arena *arena) {
    uint8_t *bytes = arena_alloc(arena, NONCE_SIZE + clear.size + TAG_SIZE);
    unsigned long long size = 0;

    clock_random(&secrets->clock, bytes, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + NONCE_SIZE, &size, (const uint8_t *)clear.data, clear.size,
            (const uint8_t *)bound_to.data, bound_to.size, NULL, bytes, key);
    assert(size == clear.size + TAG_SIZE);
    return base64_encode((struct str){ (const char *)bytes, NONCE_SIZE + (size_t)size }, arena);
}

static bool box_open(const uint8_t *key, struct str bound_to, struct str text, struct arena *arena, struct str *ret) {
    unsigned long long size = 0;
    struct str box;

    if (!base64_decode(text, arena, &box) || box.size < NONCE_SIZE + TAG_SIZE) return false;
    const uint8_t *bytes = (const uint8_t *)box.data;
    uint8_t *clear = arena_alloc(arena, box.size - NONCE_SIZE - TAG_SIZE + 1);
    int bad = crypto_aead_xchacha20poly1305_ietf_decrypt(clear, &size, NULL, bytes + NONCE_SIZE, box.size - NONCE_SIZE,
            (const uint8_t *)bound_to.data, bound_to.size, bytes, key);
    *ret = (struct str){ (const char *)clear, (size_t)size };
    return !bad;
}

static void wipe(struct str clear) {
    if (clear.size) sodium_memzero((char *)(uintptr_t)clear.data, clear.size);
}

/* ---- the store, which may be away ---- */

static bool is_away(const struct secrets *secrets) {
    lock_acquire(secrets->lock);
    bool away = clock_monotonic_ms(&secrets->clock) < secrets->vault->away_until_ms;
    lock_release(secrets->lock);
    return away;
}

/* Reads one record; *ret is NULL where there is none. While the store is away only one call in AWAY_MS waits for it. */
static bool look_up(const struct secrets *secrets, enum collection collection, struct str id, struct arena *arena,
        const struct record **ret, struct err *err) {
    if (is_away(secrets)) return err_set(err, ERR_UNAVAILABLE, "the store is away");
    if (store_get_many(secrets->store, collection, &id, 1, arena, ret, err)) return true;
    lock_acquire(secrets->lock);
    secrets->vault->away_until_ms = clock_monotonic_ms(&secrets->clock) + AWAY_MS;
    lock_release(secrets->lock);
    return false;
}

/* ---- data keys ---- */

/* In locked memory, to be freed by the caller; NULL if it is not held. An empty `id`: the newest. */
static uint8_t *held_key(const struct secrets *secrets, struct str namespace, struct str id, char ret_id[KEY_ID_SIZE]) {
    struct vault *vault = secrets->vault;
    uint8_t *copy = NULL;

    lock_acquire(secrets->lock);
    list_foreach(item, &vault->data_keys) {
        struct data_key *key = list_entry(item, struct data_key, item);
        bool same = str_equal(str_from(key->namespace), namespace) && (!id.size || str_equal(str_from(key->id), id));
        if (!same) continue;
        copy = sodium_malloc(KEY_SIZE);
        assert(copy);
        memcpy(copy, key->key, KEY_SIZE);
        memcpy(ret_id, key->id, KEY_ID_SIZE);
        list_remove(&key->item);
        list_append(&vault->data_keys, &key->item);
        break;
    }
    lock_release(secrets->lock);
    return copy;
}

static void hold_key(const struct secrets *secrets, struct str namespace, struct str id, struct str clear) {
    struct vault *vault = secrets->vault;
    struct data_key *key = calloc(1, sizeof(*key));

    assert(key && clear.size == KEY_SIZE && id.size == KEY_ID_SIZE - 1);
    key->key = sodium_malloc(KEY_SIZE);
    key->namespace = strndup(namespace.data, namespace.size);
    assert(key->key && key->namespace);
    memcpy(key->key, clear.data, KEY_SIZE);
    memcpy(key->id, id.data, id.size);
    lock_acquire(secrets->lock);
    list_append(&vault->data_keys, &key->item);
    if (++vault->data_key_count > DATA_KEYS_MAX) drop_key(vault, list_entry(vault->data_keys.next, struct data_key, item));
    lock_release(secrets->lock);
}

static struct str key_bound_to(struct str namespace, struct str id, struct arena *arena) {
    return str_format(arena, "data-key/" STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(id));
}

/* A new data key, as the body of its record. */
static struct str make_key(const struct secrets *secrets, struct str namespace, struct arena *arena) {
    uint8_t id_bytes[KEY_ID_BYTES], *key = sodium_malloc(KEY_SIZE);
    char id[KEY_ID_SIZE];

    assert(key);
    clock_random(&secrets->clock, id_bytes, sizeof(id_bytes));
    clock_random(&secrets->clock, key, KEY_SIZE);
    sodium_bin2hex(id, sizeof(id), id_bytes, sizeof(id_bytes));
    struct str wrapped = box_seal(secrets, secrets->master, key_bound_to(namespace, str_from(id), arena),
            (struct str){ (const char *)key, KEY_SIZE }, arena);
    sodium_free(key);
    struct json row = json_object(arena, 3);
    row = json_set(row, STR("id"), json_string_copy(str_from(id), arena), arena);
    row = json_set(row, STR("master"), json_string_copy(str_from(secrets->master_id), arena), arena);
    row = json_set(row, STR("wrapped"), json_string(wrapped), arena);
    struct json body = json_set(json_object(arena, 2), STR("format"), json_int64(1, arena), arena);
    return json_to_str(json_set(body, STR("keys"), json_append(json_array(arena, 1), row, arena), arena), arena);
}

/* Writes the first key of a namespace; another process may have been faster. */
static bool found_keys(const struct secrets *secrets, struct str namespace, struct str record_id, struct arena *arena, struct err *err) {
    struct record record = { .id = record_id, .version = 1, .fields = json_object(arena, 0), .body = make_key(secrets, namespace, arena) };
    bool won;

    if (store_compare_and_set(secrets->store, COLLECTION_SETTINGS, &record, 0, &won, err)) return true;
    return err_wrap(err, "data key of namespace '" STR_FMT "'", STR_ARG(namespace));
}

static bool unwrap(const struct secrets *secrets, struct str namespace, struct json row, struct arena *arena, struct err *err) {
    struct str id = json_str(json_get(row, STR("id"))), clear;

    if (!str_equal(json_str(json_get(row, STR("master"))), str_from(secrets->master_id))) {
        return err_set(err, ERR_INVALID,
                "the secrets of namespace '" STR_FMT "' were sealed under another PENSTOCK_MASTER_KEY than this process has",
                STR_ARG(namespace));
    }
    bool opened = id.size == KEY_ID_SIZE - 1
            && box_open(secrets->master, key_bound_to(namespace, id, arena), json_str(json_get(row, STR("wrapped"))), arena, &clear)
            && clear.size == KEY_SIZE;
    if (!opened) return err_set(err, ERR_INVALID, "the data key of namespace '" STR_FMT "' is damaged", STR_ARG(namespace));
    hold_key(secrets, namespace, id, clear);
    wipe(clear);
    return true;
}

/* Reads the keys of a namespace and holds the one that is asked for: `id`, or the newest; makes the first if `may_make`. */
static bool load_key(const struct secrets *secrets, struct str namespace, struct str id, bool may_make, struct arena *arena,
        struct err *err) {
    struct str record_id = str_format(arena, "seal/" STR_FMT, STR_ARG(namespace));
    const struct record *record;
    struct json body;

    if (!look_up(secrets, COLLECTION_SETTINGS, record_id, arena, &record, err)) return false;
    if (!record && may_make) {
        if (!found_keys(secrets, namespace, record_id, arena, err)) return false;
        if (!look_up(secrets, COLLECTION_SETTINGS, record_id, arena, &record, err)) return false;
    }
    if (!record) return err_set(err, ERR_INVALID, "namespace '" STR_FMT "' has no data key", STR_ARG(namespace));
    if (!json_read(record->body, NULL, arena, &body, NULL, err)) return err_wrap(err, "data keys of '" STR_FMT "'", STR_ARG(namespace));
    struct json keys = json_get(body, STR("keys"));
    for (size_t i = json_size(keys); i-- > 0;) {
        struct json row = json_at(keys, i);
        if (!id.size || str_equal(json_str(json_get(row, STR("id"))), id)) return unwrap(secrets, namespace, row, arena, err);
    }
    return err_set(err, ERR_INVALID, "namespace '" STR_FMT "' has no data key '" STR_FMT "'", STR_ARG(namespace), STR_ARG(id));
}

/* The key in locked memory, to be freed by the caller with sodium_free; NULL on failure. */
static uint8_t *key_of(const struct secrets *secrets, struct str namespace, struct str id, bool may_make, char ret_id[KEY_ID_SIZE],
        struct err *err) {
    if (!secrets->master) {
        err_set(err, ERR_INVALID, "PENSTOCK_MASTER_KEY is not set: this process can neither seal nor open secrets");
        return NULL;
    }
    uint8_t *key = held_key(secrets, namespace, id, ret_id);
    if (key) return key;
    SCOPED(arena_freep) struct arena *arena = arena_new();
    if (!load_key(secrets, namespace, id, may_make, arena, err)) return NULL;
    key = held_key(secrets, namespace, id, ret_id);
    if (!key) err_set(err, ERR_BUSY, "more than %d namespaces use their data keys at once", DATA_KEYS_MAX);
    return key;
}

/* ---- sealing ---- */

/* A place, at a version of its record; 0: it is no record of its own. */
struct sealing {
    struct secret_place place;
    int64_t version;
};

static struct str bound_to(const struct sealing *sealing, struct arena *arena) {
    return str_format(arena, "sealed/" STR_FMT "/" STR_FMT "/%lld", STR_ARG(sealing->place.namespace), STR_ARG(sealing->place.name),
            (long long)sealing->version);
}

static bool seal(const struct secrets *secrets, const struct sealing *sealing, struct str clear, struct arena *arena, struct str *ret,
        struct err *err) {
    struct str namespace = sealing->place.namespace;
    char id[KEY_ID_SIZE];

    if (str_find_char(namespace, '/') < namespace.size) return err_set(err, ERR_INVALID, "a namespace has no '/'");
    uint8_t *key = key_of(secrets, namespace, STR_NULL, true, id, err);
    if (!key) return false;
    struct str box = box_seal(secrets, key, bound_to(sealing, arena), clear, arena);
    sodium_free(key);
    *ret = str_format(arena, "%s%s.%lld." STR_FMT, prefix, id, (long long)sealing->version, STR_ARG(box));
    return true;
}

static bool seal_value(const struct secrets *secrets, const struct sealing *sealing, struct json value, struct arena *arena, struct str *ret,
        struct err *err) {
    struct buf buf;
    bool ok = false;

    buf_init(&buf, SECRETS_VALUE_MAX);
    json_write(&buf, value, JSON_COMPACT);
    if (buf_is_over(&buf)) {
        err_set(err, ERR_TOO_LARGE, "the secret is over %d bytes", SECRETS_VALUE_MAX);
    } else {
        ok = seal(secrets, sealing, buf_str(&buf), arena, ret, err);
    }
    wipe(buf_str(&buf));
    buf_clear(&buf);
    return ok;
}

bool secrets_seal(const struct secrets *secrets, struct secret_place place, struct json value, struct arena *arena,
        struct str *ret_sealed, struct err *err) {
    struct sealing sealing = { place, 0 };

    return seal_value(secrets, &sealing, value, arena, ret_sealed, err);
}

/* The clear JSON text of a sealed text; sets sealing->version to the one that it was sealed as. */
static bool open_text(const struct secrets *secrets, struct sealing *sealing, struct str sealed, struct arena *arena, struct str *ret,
        struct err *err) {
    struct str namespace = sealing->place.namespace, name = sealing->place.name;
    struct str rest = str_slice(sealed, sizeof(prefix) - 1, sealed.size);
    struct str key_id = str_cut(&rest, '.'), version_text = str_cut(&rest, '.');
    char id[KEY_ID_SIZE];

    if (!str_starts_with(sealed, str_from(prefix)) || key_id.size != KEY_ID_SIZE - 1 || !str_to_int64(version_text, &sealing->version)) {
        return err_set(err, ERR_INVALID, "'" STR_FMT "' of namespace '" STR_FMT "' is not a sealed text", STR_ARG(name),
                STR_ARG(namespace));
    }
    uint8_t *key = key_of(secrets, namespace, key_id, false, id, err);
    if (!key) return false;
    bool opened = box_open(key, bound_to(sealing, arena), rest, arena, ret);
    sodium_free(key);
    if (opened) return true;
    return err_set(err, ERR_INVALID,
            "'" STR_FMT "' of namespace '" STR_FMT "' cannot be opened: it is damaged, or was sealed for another place", STR_ARG(name),
            STR_ARG(namespace));
}

bool secrets_open(const struct secrets *secrets, struct secret_place place, struct str sealed, struct arena *arena, struct json *ret_value,
        struct err *err) {
    struct sealing sealing = { place, 0 };
    struct str clear;

    if (!open_text(secrets, &sealing, sealed, arena, &clear, err)) return false;
    bool ok = json_read(clear, NULL, arena, ret_value, NULL, err);
    wipe(clear);
    return ok;
}

/* ---- records ---- */

static struct str record_id(struct str namespace, struct str name, struct arena *arena) {
    return str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(namespace), STR_ARG(name));
}

static void forget_value(const struct secrets *secrets, struct str id) {
    lock_acquire(secrets->lock);
    list_foreach(item, &secrets->vault->values) {
        struct kept *kept = list_entry(item, struct kept, item);
        if (str_equal(str_from(kept->id), id)) drop_value(secrets->vault, kept);
    }
    lock_release(secrets->lock);
}

static bool write_version(const struct secrets *secrets, struct str namespace, struct str name, struct json value, bool *ret_won,
        struct err *err) {
    SCOPED(arena_freep) struct arena *arena = arena_new();
    struct str id = record_id(namespace, name, arena), sealed;
    const struct record *before;

    if (!look_up(secrets, COLLECTION_SECRETS, id, arena, &before, err)) return false;
    int64_t version = before ? before->version + 1 : 1;
    struct sealing sealing = { { namespace, name }, version };
    if (!seal_value(secrets, &sealing, value, arena, &sealed, err)) return false;
    struct json body = json_set(json_object(arena, 1), STR("sealed"), json_string(sealed), arena);
    struct record record = {
        .id = id,
        .version = version,
        .fields = json_set(json_object(arena, 1), STR("namespace"), json_string(namespace), arena),
        .body = json_to_str(body, arena),
    };
    return store_compare_and_set(secrets->store, COLLECTION_SECRETS, &record, version - 1, ret_won, err);
}

bool secrets_put(const struct secrets *secrets, struct str namespace, struct str name, struct json value, struct err *err) {
    for (int i = 0; i < WRITE_TRIES; i++) {
        bool won = false;
        if (!write_version(secrets, namespace, name, value, &won, err)) return false;
        if (!won) continue;
        SCOPED(arena_freep) struct arena *arena = arena_new();
        forget_value(secrets, record_id(namespace, name, arena));
        return true;
    }
    return err_set(err, ERR_CONFLICT, "the secret '" STR_FMT "' is written by others at the same time", STR_ARG(name));
}

static bool kept_value(const struct secrets *secrets, struct str id, struct arena *arena, struct str *ret) {
    int64_t now_ms = clock_monotonic_ms(&secrets->clock);
    bool found = false;

    lock_acquire(secrets->lock);
    list_foreach(item, &secrets->vault->values) {
        struct kept *kept = list_entry(item, struct kept, item);
        if (kept->until_ms <= now_ms) {
            drop_value(secrets->vault, kept);
        } else if (str_equal(str_from(kept->id), id)) {
            *ret = str_copy((struct str){ kept->text, kept->size }, arena);
            found = true;
        }
    }
    lock_release(secrets->lock);
    return found;
}

static void keep_value(const struct secrets *secrets, struct str id, struct str clear) {
    struct vault *vault = secrets->vault;
    struct kept *kept = calloc(1, sizeof(*kept));

    assert(kept);
    kept->id = strndup(id.data, id.size);
    kept->text = malloc(clear.size + 1);
    assert(kept->id && kept->text);
    memcpy(kept->text, clear.data, clear.size);
    kept->size = clear.size;
    kept->until_ms = clock_monotonic_ms(&secrets->clock) + SECRETS_KEPT_MS;
    lock_acquire(secrets->lock);
    list_append(&vault->values, &kept->item);
    if (++vault->value_count > VALUES_MAX) drop_value(vault, list_entry(vault->values.next, struct kept, item));
    lock_release(secrets->lock);
}

/* The sealed text in the body of a record. */
static struct str sealed_of(struct str body, struct arena *arena) {
    struct json value;
    struct err err;

    if (str_starts_with(body, str_from(prefix)) || !json_read(body, NULL, arena, &value, NULL, &err)) return body;
    return json_type(value) == JSON_STRING ? json_str(value) : json_str(json_get(value, STR("sealed")));
}

static bool read_value(const struct secrets *secrets, struct secret_place place, struct str id, struct arena *arena, struct str *ret,
        struct err *err) {
    struct str namespace = place.namespace, name = place.name;
    struct sealing sealing = { place, 0 };
    const struct record *record;

    if (!look_up(secrets, COLLECTION_SECRETS, id, arena, &record, err)) return false;
    if (!record) {
        return err_set(err, ERR_NOT_FOUND, "namespace '" STR_FMT "' has no secret '" STR_FMT "'", STR_ARG(namespace), STR_ARG(name));
    }
    if (!open_text(secrets, &sealing, sealed_of(record->body, arena), arena, ret, err)) return false;
    /* An older value put back into the record would open, but not at this version. */
    if (sealing.version == 0 || sealing.version == record->version) return true;
    wipe(*ret);
    return err_set(err, ERR_INVALID, "the secret '" STR_FMT "' was sealed as version %lld and is stored as %lld", STR_ARG(name),
            (long long)sealing.version, (long long)record->version);
}

bool secrets_get(const struct secrets *secrets, struct str namespace, struct str name, struct arena *arena, struct json *ret_value,
        struct err *err) {
    struct str id = record_id(namespace, name, arena), clear;

    if (!kept_value(secrets, id, arena, &clear)) {
        if (!read_value(secrets, (struct secret_place){ namespace, name }, id, arena, &clear, err)) return false;
        keep_value(secrets, id, clear);
    }
    bool ok = json_read(clear, NULL, arena, ret_value, NULL, err);
    wipe(clear);
    return ok;
}

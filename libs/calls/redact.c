#include "calls/redact.h"

#include <string.h>

#include "calls/percent.h"
#include "common/arena.h"
#include "common/hash.h"

enum { NEEDLES_FIRST = 16 };

static bool add(struct redact *redact, struct str needle, struct arena *arena) {
    if (needle.size < REDACT_OWN_SIZE_MIN) return true;
    for (size_t i = 0; i < redact->count; i++) {
        if (str_equal(redact->needles[i], needle)) return true;
    }
    if (redact->count == REDACT_SECRETS_MAX) return false;
    if (redact->count == redact->capacity) {
        size_t capacity = MAX(redact->capacity * 2, (size_t)NEEDLES_FIRST);
        struct str *needles = arena_new_many(arena, struct str, capacity);
        if (redact->count) memcpy(needles, redact->needles, redact->count * sizeof(*needles));
        redact->needles = needles;
        redact->capacity = capacity;
    }
    redact->needles[redact->count++] = str_copy(needle, arena);
    return true;
}

/* The text as it stands between the quotes of a JSON string. */
static struct str json_form(struct str secret, struct arena *arena) {
    struct str quoted = json_to_str(json_string(secret), arena);

    return str_slice(quoted, 1, quoted.size - 1);
}

bool redact_add_text(struct redact *redact, struct str secret, struct arena *arena) {
    if (secret.size < REDACT_OWN_SIZE_MIN) return true;
    struct str base64 = base64_encode(secret, arena);
    while (str_ends_with(base64, STR("="))) base64.size--;
    return add(redact, secret, arena) && add(redact, base64, arena) && add(redact, percent_encode(secret, arena), arena)
            && add(redact, json_form(secret, arena), arena);
}

static bool add_inside(struct redact *redact, struct json value, struct arena *arena, unsigned depth) {
    enum json_type type = json_type(value);

    if (type == JSON_STRING) return redact_add_text(redact, json_str(value), arena);
    if (type == JSON_NUMBER) return redact_add_text(redact, json_to_str(value, arena), arena);
    if (depth == 0) return json_size(value) == 0;
    for (size_t i = 0; i < json_size(value); i++) {
        if (type == JSON_ARRAY) {
            if (!add_inside(redact, json_at(value, i), arena, depth - 1)) return false;
            continue;
        }
        const struct json_member *member = json_member_at(value, i);
        if (str_equal_nocase(member->key, STR("username"))) continue;
        if (!add_inside(redact, member->value, arena, depth - 1)) return false;
    }
    return true;
}

bool redact_add(struct redact *redact, struct json value, struct arena *arena) {
    enum { DEPTH_MAX = 32 };

    return add_inside(redact, value, arena, DEPTH_MAX);
}

/* The secret that begins at `at`, the longest where several do; 0 if none. */
static size_t match(const struct redact *redact, struct str text, size_t at, size_t size_min) {
    size_t longest = 0;

    for (size_t i = 0; i < redact->count; i++) {
        struct str needle = redact->needles[i];
        if (needle.size < size_min || needle.size <= longest || needle.size > text.size - at) continue;
        if (text.data[at] == needle.data[0] && memcmp(text.data + at, needle.data, needle.size) == 0) longest = needle.size;
    }
    return longest;
}

static bool is_clean(const struct redact *redact, struct str text, size_t size_min) {
    for (size_t i = 0; i < redact->count; i++) {
        struct str needle = redact->needles[i];
        if (needle.size < size_min || needle.size > text.size) continue;
        if (memmem(text.data, text.size, needle.data, needle.size)) return false;
    }
    return true;
}

struct str redact_text(const struct redact *redact, struct str text, size_t size_min, struct arena *arena) {
    if (is_clean(redact, text, size_min)) return text;
    struct buf buf;
    buf_init(&buf, text.size * sizeof(REDACTED));
    for (size_t at = 0; at < text.size;) {
        size_t size = match(redact, text, at, size_min);
        if (size) {
            buf_append_c(&buf, REDACTED);
        } else {
            buf_append_char(&buf, text.data[at]);
        }
        at += MAX(size, (size_t)1);
    }
    struct str result = str_copy(buf_str(&buf), arena);
    buf_clear(&buf);
    return result;
}

static bool is_clean_json(const struct redact *redact, struct json value, unsigned depth) {
    enum json_type type = json_type(value);

    if (type == JSON_STRING) return is_clean(redact, json_str(value), REDACT_SIZE_MIN);
    if (depth == 0) return false;
    for (size_t i = 0; i < json_size(value); i++) {
        const struct json_member *member = type == JSON_OBJECT ? json_member_at(value, i) : NULL;
        if (member && !is_clean(redact, member->key, REDACT_SIZE_MIN)) return false;
        if (!is_clean_json(redact, member ? member->value : json_at(value, i), depth - 1)) return false;
    }
    return true;
}

/* A body is not nested deeper than this: the reader has seen to it. */
enum { VALUE_DEPTH_MAX = 4 * 128 };

static struct json clean(const struct redact *redact, struct json value, struct arena *arena, unsigned depth) {
    enum json_type type = json_type(value);

    if (type == JSON_STRING) return json_string(redact_text(redact, json_str(value), REDACT_SIZE_MIN, arena));
    if (type != JSON_ARRAY && type != JSON_OBJECT) return value;
    if (depth == 0) return json_string(STR(REDACTED));
    struct json result = type == JSON_ARRAY ? json_array(arena, json_size(value)) : json_object(arena, json_size(value));
    for (size_t i = 0; i < json_size(value); i++) {
        if (type == JSON_ARRAY) {
            result = json_append(result, clean(redact, json_at(value, i), arena, depth - 1), arena);
            continue;
        }
        const struct json_member *member = json_member_at(value, i);
        struct str key = redact_text(redact, member->key, REDACT_SIZE_MIN, arena);
        result = json_set(result, key, clean(redact, member->value, arena, depth - 1), arena);
    }
    return result;
}

struct json redact_json(const struct redact *redact, struct json value, struct arena *arena) {
    if (redact->count == 0 || is_clean_json(redact, value, VALUE_DEPTH_MAX)) return value;
    return clean(redact, value, arena, VALUE_DEPTH_MAX);
}

void redact_wipe(struct redact *redact) {
    for (size_t i = 0; i < redact->count; i++) {
        struct str needle = redact->needles[i];
        explicit_bzero((char *)(uintptr_t)needle.data, needle.size);
    }
    redact->count = 0;
}

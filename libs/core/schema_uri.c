#include <string.h>

#include "common/arena.h"
#include "core/schema_internal.h"

struct parts {
    struct str scheme, authority, path, query, fragment; /* data NULL: not there */
};

static bool is_scheme(struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_letter && (i == 0 || !is_other)) return false;
    }
    return text.size > 0;
}

/* Cuts what is before the first of `stops`; the rest begins with the stop. */
static struct str cut_at(struct str *rest, const char *stops) {
    size_t at = 0;

    while (at < rest->size && !strchr(stops, rest->data[at]))
        at++;
    struct str head = str_slice(*rest, 0, at);
    *rest = str_slice(*rest, at, rest->size);
    return head;
}

static struct parts split(struct str uri) {
    struct parts parts = { 0 };
    struct str rest = uri;
    size_t colon = str_find_char(uri, ':');

    if (colon < uri.size && is_scheme(str_slice(uri, 0, colon))) {
        parts.scheme = str_slice(uri, 0, colon);
        rest = str_slice(uri, colon + 1, uri.size);
    }
    if (str_starts_with(rest, STR("//"))) {
        rest = str_slice(rest, 2, rest.size);
        parts.authority = cut_at(&rest, "/?#");
        if (!parts.authority.data) parts.authority = STR("");
    }
    parts.path = cut_at(&rest, "?#");
    if (rest.size && rest.data[0] == '?') {
        rest = str_slice(rest, 1, rest.size);
        parts.query = cut_at(&rest, "#");
    }
    if (rest.size) parts.fragment = str_slice(rest, 1, rest.size);
    return parts;
}

/* RFC 3986, 5.2.4. */
static struct str without_dots(struct str path, struct arena *arena) {
    char *out = arena_alloc(arena, path.size + 1);
    size_t size = 0;

    while (path.size) {
        if (str_starts_with(path, STR("../"))) {
            path = str_slice(path, 3, path.size);
        } else if (str_starts_with(path, STR("./"))) {
            path = str_slice(path, 2, path.size);
        } else if (str_starts_with(path, STR("/./"))) {
            path = str_slice(path, 2, path.size);
        } else if (str_equal(path, STR("/."))) {
            path = STR("/");
        } else if (str_starts_with(path, STR("/../")) || str_equal(path, STR("/.."))) {
            path = path.size == 3 ? STR("/") : str_slice(path, 3, path.size);
            while (size && out[size - 1] != '/')
                size--;
            if (size) size--;
        } else if (str_equal(path, STR(".")) || str_equal(path, STR(".."))) {
            path = STR("");
        } else {
            size_t next = 1 + str_find_char(str_slice(path, 1, path.size), '/');
            next = MIN(next, path.size);
            memcpy(out + size, path.data, next);
            size += next;
            path = str_slice(path, next, path.size);
        }
    }
    return (struct str){ out, size };
}

static struct str merged(struct parts base, struct str path, struct arena *arena) {
    if (base.authority.data && base.path.size == 0)
        return str_format(arena, "/" STR_FMT, STR_ARG(path));
    size_t folder = base.path.size;
    while (folder && base.path.data[folder - 1] != '/')
        folder--;
    return str_format(
            arena, STR_FMT STR_FMT, STR_ARG(str_slice(base.path, 0, folder)), STR_ARG(path));
}

struct str schema_uri_resolve(struct str base, struct str reference, struct arena *arena) {
    struct parts from = split(base), to = split(reference);

    if (!to.scheme.data) {
        to.scheme = from.scheme;
        if (!to.authority.data) {
            to.authority = from.authority;
            if (to.path.size == 0) {
                to.path = from.path;
                if (!to.query.data) to.query = from.query;
            } else if (to.path.data[0] != '/') {
                to.path = merged(from, to.path, arena);
            }
        }
    }
    if (to.authority.data || (to.path.size && to.path.data[0] == '/'))
        to.path = without_dots(to.path, arena);
    return str_format(arena, STR_FMT "%s%s" STR_FMT STR_FMT "%s" STR_FMT "%s" STR_FMT,
            STR_ARG(to.scheme), to.scheme.data ? ":" : "", to.authority.data ? "//" : "",
            STR_ARG(to.authority), STR_ARG(to.path), to.query.data ? "?" : "", STR_ARG(to.query),
            to.fragment.data ? "#" : "", STR_ARG(to.fragment));
}

struct str schema_uri_fragment(struct str uri, struct str *ret_without) {
    size_t at = str_find_char(uri, '#');

    *ret_without = str_slice(uri, 0, at);
    return at < uri.size ? str_slice(uri, at + 1, uri.size) : STR_NULL;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

struct str schema_uri_unescape(struct str text, struct arena *arena) {
    char *out = arena_alloc(arena, text.size + 1);
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        bool is_escape = text.data[i] == '%' && i + 2 < text.size
                && hex_digit(text.data[i + 1]) >= 0 && hex_digit(text.data[i + 2]) >= 0;
        if (!is_escape) {
            out[size++] = text.data[i];
            continue;
        }
        out[size++] = (char)(hex_digit(text.data[i + 1]) << 4 | hex_digit(text.data[i + 2]));
        i += 2;
    }
    return (struct str){ out, size };
}

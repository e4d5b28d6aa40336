#include "services/api/routes.h"

#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/buf.h"
#include "core/intake.h"
#include "services/api/handlers.h"

static const struct route routes[] = {
#define ROUTE(method, path, handler, right) { STR_INIT(#method), STR_INIT(path), #handler, RIGHT_##right, handler },
#include "services/api/routes.def"
#undef ROUTE
};

enum { SEGMENTS_MAX = 8 };

const struct route *routes_at(size_t index) {
    return index < ARRAY_SIZE(routes) ? &routes[index] : NULL;
}

static bool is_parameter(struct str segment) {
    return segment.size > 0 && segment.data[0] == '{';
}

/* Walks pattern and path side by side; *ret_parameters are as sent. */
static bool matches(struct str pattern, struct str path, struct str *ret_parameters, size_t *ret_count) {
    size_t count = 0;

    while (pattern.data && path.data) {
        struct str wanted = str_cut(&pattern, '/'), given = str_cut(&path, '/');
        if (is_parameter(wanted) && given.size > 0) {
            assert(count < ROUTE_PARAMETERS_MAX);
            ret_parameters[count++] = given;
        } else if (!str_equal(wanted, given)) {
            return false;
        }
    }
    *ret_count = count;
    return !pattern.data && !path.data;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    char letter = (char)(c | 0x20);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool percent_decode(struct str text, bool plus_is_space, struct arena *arena, struct str *ret) {
    bool plain = str_find_char(text, '%') == text.size && (!plus_is_space || str_find_char(text, '+') == text.size);
    char *decoded = plain ? NULL : arena_alloc(arena, text.size);
    size_t size = 0;

    if (plain) {
        *ret = text;
        return str_is_utf8(text);
    }
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex_value(text.data[i + 1]) : -1, low = high >= 0 ? hex_value(text.data[i + 2]) : -1;
            if (low < 0) return false;
            c = (char)(high << 4 | low);
            i += 2;
            if (c == '\0') return false;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        decoded[size++] = c;
    }
    *ret = (struct str){ decoded, size };
    return str_is_utf8(*ret);
}

static bool same_method(const struct route *route, struct str method) {
    return str_equal(route->method, method) || (str_equal(method, STR("HEAD")) && str_equal(route->method, STR("GET")));
}

enum route_verdict routes_find(struct str method, struct str path, struct arena *arena, const struct route **ret_route,
        struct str ret_parameters[ROUTE_PARAMETERS_MAX]) {
    struct str raw[ROUTE_PARAMETERS_MAX];
    enum route_verdict verdict = ROUTE_UNKNOWN;
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        if (!matches(routes[i].path, path, raw, &count)) continue;
        verdict = ROUTE_OTHER_METHOD;
        if (!same_method(&routes[i], method)) continue;
        for (size_t k = 0; k < count; k++) {
            if (!percent_decode(raw[k], false, arena, &ret_parameters[k])) return ROUTE_MALFORMED;
        }
        *ret_route = &routes[i];
        return ROUTE_FOUND;
    }
    return verdict;
}

struct str routes_allowed(struct str path, struct arena *arena) {
    struct str raw[ROUTE_PARAMETERS_MAX], allowed = STR("");
    size_t count;

    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        if (!matches(routes[i].path, path, raw, &count)) continue;
        /* A literal that stands beside a parameter may bring a method twice. */
        struct str method = routes[i].method;
        if (str_find(allowed, method) < allowed.size) continue;
        const char *more = str_equal(method, STR("GET")) ? ", HEAD" : "";
        allowed = str_format(arena, STR_FMT "%s" STR_FMT "%s", STR_ARG(allowed), allowed.size ? ", " : "", STR_ARG(method), more);
    }
    return allowed;
}

static size_t split(struct str path, struct str segments[SEGMENTS_MAX]) {
    size_t count = 0;

    while (path.data && count < SEGMENTS_MAX) segments[count++] = str_cut(&path, '/');
    return path.data ? SEGMENTS_MAX + 1 : count;
}

/* The pattern with its parameters as given; empty where it has another number of segments. */
static struct str fill(struct str pattern, const struct str *given, size_t given_count, struct arena *arena) {
    struct str wanted[SEGMENTS_MAX], path = STR("");

    if (split(pattern, wanted) != given_count) return STR("");
    for (size_t i = 0; i < given_count; i++) {
        struct str segment = is_parameter(wanted[i]) && given[i].size ? given[i] : wanted[i];
        path = str_format(arena, STR_FMT "%s" STR_FMT, STR_ARG(path), i ? "/" : "", STR_ARG(segment));
    }
    return path;
}

struct str routes_nearest(struct str path, struct arena *arena) {
    struct str given[SEGMENTS_MAX], candidates[ARRAY_SIZE(routes)];
    size_t count = 0, given_count;

    if (path.size > 1 && path.data[path.size - 1] == '/') path.size--;
    given_count = split(path, given);
    if (given_count > SEGMENTS_MAX) return STR("");
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        struct str candidate = fill(routes[i].path, given, given_count, arena);
        if (str_equal(candidate, path)) return candidate;
        if (candidate.size > 1) candidates[count++] = candidate;
    }
    return intake_nearest(path, candidates, count);
}

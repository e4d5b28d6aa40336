/* From a task's arguments to a request. */
#include "calls/http_call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "calls/http_body.h"
#include "calls/percent.h"
#include "common/arena.h"
#include "common/hash.h"
#include "core/error.h"

#define USER_AGENT "penstock/1.0.0"

struct building {
    const struct http_arguments *arguments;
    struct redact *redact;
    struct arena *arena;
    struct http_call *call;
    struct client_header *headers;
    size_t header_count;
    struct json error;
};

/* Always false. */
PRINTF(3, 4) static bool fail(struct building *building, enum error_kind kind, const char *format, ...) {
    char text[ERR_MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct str detail = http_text_mend(str_copy(str_from(text), building->arena), building->arena);
    building->error = error_make(kind, detail, building->arena);
    return false;
}

/* What was given, for a sentence about it: without secrets, and not too long. Redacted before it is cut, so that no half of one is left. */
static struct str shown(const struct building *building, struct str text) {
    enum { SHOWN_MAX = 200 };

    return str_slice(redact_text(building->redact, text, REDACT_OWN_SIZE_MIN, building->arena), 0, SHOWN_MAX);
}

/* ---- the URI ---- */

static void append_parameter(struct building *building, struct buf *buf, struct str name, struct json value) {
    struct arena *arena = building->arena;
    struct str text;

    if (json_is_null(value)) return;
    if (!http_text_of(value, arena, &text)) text = json_to_str(value, arena);
    char last = buf->size ? buf->data[buf->size - 1] : '?';
    if (last != '?' && last != '&') buf_append_char(buf, memchr(buf->data, '?', buf->size) ? '&' : '?');
    percent_append(buf, name);
    buf_append_char(buf, '=');
    percent_append(buf, text);
}

static void append_query(struct building *building, struct buf *buf) {
    struct json query = building->arguments->query;

    for (size_t i = 0; i < json_size(query); i++) {
        const struct json_member *member = json_member_at(query, i);
        if (json_type(member->value) != JSON_ARRAY) {
            append_parameter(building, buf, member->key, member->value);
            continue;
        }
        for (size_t k = 0; k < json_size(member->value); k++) {
            append_parameter(building, buf, member->key, json_at(member->value, k));
        }
    }
}

/* A URI that may be shown: without credentials before '@', without secrets. */
static struct str show_uri(struct building *building, struct str uri) {
    struct arena *arena = building->arena;
    size_t scheme = str_find(uri, STR("://"));

    if (scheme == uri.size) return STR("");
    struct str rest = str_slice(uri, scheme + 3, uri.size);
    if (building->arguments->uri_is_secret) return str_format(arena, STR_FMT "://" REDACTED, STR_ARG(str_slice(uri, 0, scheme)));
    size_t end = strcspn(str_to_c(rest, arena), "/?#"), at = end;
    while (at > 0 && rest.data[at - 1] != '@') at--;
    if (at > 0) {
        struct str name = str_slice(uri, 0, scheme), host = str_slice(rest, at, rest.size);
        uri = str_format(arena, STR_FMT "://" REDACTED "@" STR_FMT, STR_ARG(name), STR_ARG(host));
    }
    if (building->arguments->query_is_secret) {
        uri = str_format(arena, STR_FMT "?" REDACTED, STR_ARG(str_slice(uri, 0, str_find_char(uri, '?'))));
    }
    return redact_text(building->redact, uri, REDACT_OWN_SIZE_MIN, arena);
}

static bool build_uri(struct building *building) {
    const struct http_arguments *arguments = building->arguments;
    struct str uri = percent_mend(str_trim(arguments->uri), building->arena);
    enum json_type type = json_type(arguments->query);
    struct buf buf;

    bool is_http = str_equal_nocase(str_slice(uri, 0, 7), STR("http://")) || str_equal_nocase(str_slice(uri, 0, 8), STR("https://"));
    if (!is_http) {
        struct str given = arguments->uri_is_secret ? STR(REDACTED) : shown(building, arguments->uri);
        return fail(building, ERROR_CONFIGURATION, "the endpoint '" STR_FMT "' is no http or https URI", STR_ARG(given));
    }
    if (type != JSON_OBJECT && !json_is_null(arguments->query)) {
        return fail(building, ERROR_VALIDATION, "'query' has to be an object, not %s", json_type_name(arguments->query));
    }
    buf_init(&buf, HTTP_CALL_URI_MAX);
    buf_append(&buf, str_slice(uri, 0, str_find_char(uri, '#')));
    append_query(building, &buf);
    bool over = buf_is_over(&buf);
    building->call->request.url = over ? STR_NULL : str_copy(buf_str(&buf), building->arena);
    buf_clear(&buf);
    if (over) return fail(building, ERROR_VALIDATION, "the URI is over %d bytes", HTTP_CALL_URI_MAX);
    building->call->shown_uri = show_uri(building, building->call->request.url);
    return true;
}

/* ---- headers ---- */

static struct str header_of(const struct building *building, struct str name) {
    for (size_t i = 0; i < building->header_count; i++) {
        if (str_equal_nocase(building->headers[i].name, name)) return building->headers[i].value;
    }
    return STR_NULL;
}

static void remove_header(struct building *building, struct str name) {
    size_t kept = 0;

    for (size_t i = 0; i < building->header_count; i++) {
        if (!str_equal_nocase(building->headers[i].name, name)) building->headers[kept++] = building->headers[i];
    }
    building->header_count = kept;
}

/* Room for those that are added here: Content-Type, Accept, User-Agent, Idempotency-Key, Authorization. */
enum { HEADERS_OURS = 8 };

static void set_header(struct building *building, struct str name, struct str value) {
    building->headers[building->header_count++] = (struct client_header){ name, value };
}

static bool has_line_break(struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == '\0') return true;
    }
    return false;
}

static bool add_header(struct building *building, struct str name, struct json value) {
    struct str text;

    if (json_is_null(value)) return true;
    if (building->header_count == HTTP_CALL_HEADERS_MAX) {
        return fail(building, ERROR_VALIDATION, "more than %d headers", HTTP_CALL_HEADERS_MAX);
    }
    if (has_line_break(name) || !name.size) return fail(building, ERROR_VALIDATION, "the name of a header is empty or holds a line break");
    if (!http_text_of(value, building->arena, &text)) {
        return fail(building, ERROR_VALIDATION, "the header '" STR_FMT "' has to be a text, a number or a boolean, not %s",
                STR_ARG(shown(building, name)), json_type_name(value));
    }
    if (has_line_break(text)) {
        return fail(building, ERROR_VALIDATION, "the header '" STR_FMT "' holds a line break", STR_ARG(shown(building, name)));
    }
    set_header(building, name, text);
    return true;
}

static bool build_headers(struct building *building) {
    struct json headers = building->arguments->headers;

    building->headers = arena_new_many(building->arena, struct client_header, HTTP_CALL_HEADERS_MAX + HEADERS_OURS);
    if (json_type(headers) != JSON_OBJECT && !json_is_null(headers)) {
        return fail(building, ERROR_VALIDATION, "'headers' has to be an object, not %s", json_type_name(headers));
    }
    for (size_t i = 0; i < json_size(headers); i++) {
        const struct json_member *member = json_member_at(headers, i);
        if (json_type(member->value) != JSON_ARRAY) {
            if (!add_header(building, member->key, member->value)) return false;
            continue;
        }
        for (size_t k = 0; k < json_size(member->value); k++) {
            if (!add_header(building, member->key, json_at(member->value, k))) return false;
        }
    }
    if (!header_of(building, STR("accept")).data) set_header(building, STR("Accept"), STR("application/json, */*;q=0.8"));
    if (!header_of(building, STR("user-agent")).data) set_header(building, STR("User-Agent"), STR(USER_AGENT));
    if (building->arguments->key.size && !header_of(building, STR("idempotency-key")).data) {
        set_header(building, STR("Idempotency-Key"), building->arguments->key);
    }
    return true;
}

static bool is_hidden(const struct building *building, struct str name) {
    static const struct str always[] = { STR_INIT("authorization"), STR_INIT("proxy-authorization"), STR_INIT("cookie") };
    struct json hidden = building->arguments->hidden_headers;

    for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
        if (str_equal_nocase(name, always[i])) return true;
    }
    for (size_t i = 0; i < json_size(hidden); i++) {
        if (str_equal_nocase(name, json_member_at(hidden, i)->key)) return true;
    }
    return false;
}

static void show_headers(struct building *building) {
    struct arena *arena = building->arena;
    struct json shown = json_object(arena, building->header_count);

    for (size_t i = 0; i < building->header_count; i++) {
        const struct client_header *header = &building->headers[i];
        struct str value = is_hidden(building, header->name)
                ? STR(REDACTED)
                : redact_text(building->redact, header->value, REDACT_OWN_SIZE_MIN, arena);
        shown = json_set(shown, header->name, json_string(value), arena);
    }
    building->call->shown_headers = shown;
}

/* ---- authentication ---- */

static bool credential(struct building *building, struct json policy, const char *scheme, const char *name, struct str *ret) {
    struct json value = json_get(policy, str_from(name));

    if (json_is_null(value) || !http_text_of(value, building->arena, ret)) {
        return fail(building, ERROR_CONFIGURATION, "the %s authentication has no text '%s'", scheme, name);
    }
    if (has_line_break(*ret)) return fail(building, ERROR_CONFIGURATION, "'%s' of the %s authentication holds a line break", name, scheme);
    return true;
}

static bool hide(struct building *building, struct str secret) {
    if (redact_add_text(building->redact, secret, building->arena)) return true;
    return fail(building, ERROR_CONFIGURATION, "the call uses more than %d secrets", REDACT_SECRETS_MAX);
}

static bool build_basic(struct building *building, struct json policy) {
    struct arena *arena = building->arena;
    struct str username, password;

    if (!credential(building, policy, "basic", "username", &username) || !credential(building, policy, "basic", "password", &password)) {
        return false;
    }
    if (str_find_char(username, ':') < username.size) {
        return fail(building, ERROR_CONFIGURATION, "the user name of a basic authentication may not hold a ':'");
    }
    struct str pair = base64_encode(str_format(arena, STR_FMT ":" STR_FMT, STR_ARG(username), STR_ARG(password)), arena);
    set_header(building, STR("Authorization"), str_format(arena, "Basic " STR_FMT, STR_ARG(pair)));
    return hide(building, password) && hide(building, pair);
}

static bool build_bearer(struct building *building, struct json policy) {
    struct str token;

    if (!credential(building, policy, "bearer", "token", &token)) return false;
    set_header(building, STR("Authorization"), str_format(building->arena, "Bearer " STR_FMT, STR_ARG(token)));
    return hide(building, token);
}

static bool build_digest(struct building *building, struct json policy) {
    struct client_request *request = &building->call->request;

    return credential(building, policy, "digest", "username", &request->username)
            && credential(building, policy, "digest", "password", &request->password) && hide(building, request->password);
}

static bool build_authentication(struct building *building) {
    struct json authentication = building->arguments->authentication;
    struct json basic = json_get(authentication, STR("basic")), bearer = json_get(authentication, STR("bearer"));
    struct json digest = json_get(authentication, STR("digest"));

    if (json_is_null(authentication)) return true;
    remove_header(building, STR("authorization"));
    if (!json_is_null(basic)) return build_basic(building, basic);
    if (!json_is_null(bearer)) return build_bearer(building, bearer);
    if (!json_is_null(digest)) return build_digest(building, digest);
    return fail(building, ERROR_CONFIGURATION, "the authentication names none of basic, bearer and digest");
}

/* ---- the rest ---- */

static bool build_method(struct building *building) {
    struct str method = str_trim(building->arguments->method);

    if (!method.size) return fail(building, ERROR_CONFIGURATION, "'method' is not a text");
    char *upper = arena_alloc(building->arena, method.size);
    for (size_t i = 0; i < method.size; i++) {
        char c = method.data[i];
        upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    building->call->method = method;
    building->call->request.method = (struct str){ upper, method.size };
    return true;
}

static bool build_body(struct building *building) {
    struct client_request *request = &building->call->request;
    struct str given = header_of(building, STR("content-type")), content_type;
    struct err err;

    if (json_is_null(building->arguments->body)) return true;
    if (!http_body_write(building->arguments->body, given, building->arena, &request->body, &content_type, &err)) {
        return fail(building, ERROR_VALIDATION, STR_FMT, STR_ARG(shown(building, str_from(err.message))));
    }
    request->has_body = true;
    if (str_equal(given, content_type)) return true;
    remove_header(building, STR("content-type"));
    set_header(building, STR("Content-Type"), content_type);
    return true;
}

static bool build_options(struct building *building) {
    static const struct str outputs[] = {
        [HTTP_OUTPUT_CONTENT] = STR_INIT("content"),
        [HTTP_OUTPUT_RAW] = STR_INIT("raw"),
        [HTTP_OUTPUT_RESPONSE] = STR_INIT("response"),
    };
    const struct http_arguments *arguments = building->arguments;
    struct str output = json_str_or(arguments->output, STR("content"));

    building->call->follows = json_bool_or(arguments->redirect, false);
    building->call->request.follow_redirects = building->call->follows;
    for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
        if (!str_equal(output, outputs[i])) continue;
        building->call->output = (enum http_output)i;
        return true;
    }
    return fail(building, ERROR_CONFIGURATION, "'output' has to be content, raw or response, not '" STR_FMT "'",
            STR_ARG(shown(building, output)));
}

bool http_call_build(const struct http_arguments *arguments, struct redact *redact, struct arena *arena, struct http_call *ret_call,
        struct json *ret_error) {
    struct http_call call = { .redact = redact };
    struct building building = { .arguments = arguments, .redact = redact, .arena = arena, .call = &call };

    bool ok = build_method(&building) && build_options(&building) && build_headers(&building) && build_authentication(&building)
            && build_body(&building) && build_uri(&building);
    if (!ok) {
        *ret_error = building.error;
        return false;
    }
    show_headers(&building);
    call.request.headers = building.headers;
    call.request.header_count = building.header_count;
    *ret_call = call;
    return true;
}

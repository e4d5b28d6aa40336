/* From a response to the output or the error of a task. */
#include "calls/http_call.h"

#include "calls/http_body.h"
#include "calls/media_type.h"
#include "common/arena.h"
#include "common/hash.h"
#include "core/error.h"

static const struct {
    int status;
    struct str reason;
} reasons[] = { /* IANA, HTTP Status Code Registry */
    { 100, STR_INIT("Continue") }, { 101, STR_INIT("Switching Protocols") }, { 102, STR_INIT("Processing") },
    { 103, STR_INIT("Early Hints") }, { 200, STR_INIT("OK") }, { 201, STR_INIT("Created") }, { 202, STR_INIT("Accepted") },
    { 203, STR_INIT("Non-Authoritative Information") }, { 204, STR_INIT("No Content") }, { 205, STR_INIT("Reset Content") },
    { 206, STR_INIT("Partial Content") }, { 207, STR_INIT("Multi-Status") }, { 208, STR_INIT("Already Reported") },
    { 226, STR_INIT("IM Used") }, { 300, STR_INIT("Multiple Choices") }, { 301, STR_INIT("Moved Permanently") },
    { 302, STR_INIT("Found") }, { 303, STR_INIT("See Other") }, { 304, STR_INIT("Not Modified") }, { 305, STR_INIT("Use Proxy") },
    { 307, STR_INIT("Temporary Redirect") }, { 308, STR_INIT("Permanent Redirect") }, { 400, STR_INIT("Bad Request") },
    { 401, STR_INIT("Unauthorized") }, { 402, STR_INIT("Payment Required") }, { 403, STR_INIT("Forbidden") },
    { 404, STR_INIT("Not Found") }, { 405, STR_INIT("Method Not Allowed") }, { 406, STR_INIT("Not Acceptable") },
    { 407, STR_INIT("Proxy Authentication Required") }, { 408, STR_INIT("Request Timeout") }, { 409, STR_INIT("Conflict") },
    { 410, STR_INIT("Gone") }, { 411, STR_INIT("Length Required") }, { 412, STR_INIT("Precondition Failed") },
    { 413, STR_INIT("Content Too Large") }, { 414, STR_INIT("URI Too Long") }, { 415, STR_INIT("Unsupported Media Type") },
    { 416, STR_INIT("Range Not Satisfiable") }, { 417, STR_INIT("Expectation Failed") }, { 418, STR_INIT("I'm a teapot") },
    { 421, STR_INIT("Misdirected Request") }, { 422, STR_INIT("Unprocessable Content") }, { 423, STR_INIT("Locked") },
    { 424, STR_INIT("Failed Dependency") }, { 425, STR_INIT("Too Early") }, { 426, STR_INIT("Upgrade Required") },
    { 428, STR_INIT("Precondition Required") }, { 429, STR_INIT("Too Many Requests") },
    { 431, STR_INIT("Request Header Fields Too Large") }, { 451, STR_INIT("Unavailable For Legal Reasons") },
    { 500, STR_INIT("Internal Server Error") }, { 501, STR_INIT("Not Implemented") }, { 502, STR_INIT("Bad Gateway") },
    { 503, STR_INIT("Service Unavailable") }, { 504, STR_INIT("Gateway Timeout") }, { 505, STR_INIT("HTTP Version Not Supported") },
    { 506, STR_INIT("Variant Also Negotiates") }, { 507, STR_INIT("Insufficient Storage") }, { 508, STR_INIT("Loop Detected") },
    { 510, STR_INIT("Not Extended") }, { 511, STR_INIT("Network Authentication Required") },
};

struct str http_reason(int status) {
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (reasons[i].status == status) return reasons[i].reason;
    }
    return STR_NULL;
}

bool http_call_may_repeat(const struct client_response *response) {
    return response->failure == CLIENT_UNREACHABLE || response->failure == CLIENT_BROKEN;
}

/* The target of a call as a person names it: without the query, which is long, and personal at times. */
static struct str target(const struct http_call *call, struct arena *arena) {
    struct str uri = call->shown_uri;

    return str_format(arena, STR_FMT " " STR_FMT, STR_ARG(call->request.method), STR_ARG(str_slice(uri, 0, str_find_char(uri, '?'))));
}

static struct str header_of(const struct client_response *response, struct str name) {
    for (size_t i = 0; i < response->header_count; i++) {
        if (str_equal_nocase(response->headers[i].name, name)) return response->headers[i].value;
    }
    return STR_NULL;
}

/* ---- failures ---- */

static struct http_outcome failed(enum error_kind kind, bool answered, struct str detail, const struct http_call *call,
        struct arena *arena) {
    detail = redact_text(call->redact, str_copy(http_text_mend(detail, arena), arena), REDACT_OWN_SIZE_MIN, arena);
    return (struct http_outcome){ .answered = answered, .error = error_make(kind, detail, arena) };
}

/* Where calls may not go is a matter of rights; the rest is a request that can never be sent. */
static enum error_kind refusal_kind(struct str reason) {
    return str_starts_with(reason, STR("calls may not go to ")) ? ERROR_AUTHORIZATION : ERROR_CONFIGURATION;
}

/* E97: no connection, and no answer, are communication errors with status 500. */
static struct http_outcome without_response(const struct http_call *call, const struct client_response *response, struct arena *arena) {
    struct str what = target(call, arena);
    struct str detail = str_format(arena, STR_FMT ": " STR_FMT, STR_ARG(what), STR_ARG(response->reason));

    switch (response->failure) {
    case CLIENT_OK: break;
    case CLIENT_REFUSED: return failed(refusal_kind(response->reason), true, detail, call, arena);
    case CLIENT_TIMEOUT:
        detail = str_format(arena, STR_FMT ": timed out: " STR_FMT, STR_ARG(what), STR_ARG(response->reason));
        return failed(ERROR_COMMUNICATION, false, detail, call, arena);
    case CLIENT_UNREACHABLE:
    case CLIENT_BROKEN:
    case CLIENT_CANCELLED: return failed(ERROR_COMMUNICATION, false, detail, call, arena);
    case CLIENT_TOO_LARGE: return failed(ERROR_COMMUNICATION, true, detail, call, arena);
    }
    return failed(ERROR_RUNTIME, true, what, call, arena);
}

/* Cut between two characters. */
static struct str excerpt(struct str text) {
    size_t size = MIN(text.size, (size_t)HTTP_CALL_EXCERPT);

    while (size < text.size && size > 0 && ((unsigned char)text.data[size] & 0xC0) == 0x80) size--;
    return str_slice(text, 0, size);
}

/* E96: the status is the error's, its reason phrase the title. Secrets are taken out of the whole body before it is cut, so that no
 * half of one is left at the end. */
static struct http_outcome bad_status(const struct http_call *call, const struct client_response *response, struct arena *arena) {
    enum media media = media_of(header_of(response, STR("content-type")));
    bool is_text = media != MEDIA_BINARY && str_is_utf8(response->body);
    struct str body = is_text ? redact_text(call->redact, str_trim(response->body), REDACT_OWN_SIZE_MIN, arena) : STR_NULL;
    struct str title = http_reason(response->status);

    struct str detail = body.size ? excerpt(body)
                                  : str_format(arena, STR_FMT " answered %d", STR_ARG(target(call, arena)), response->status);
    struct http_outcome outcome = failed(ERROR_COMMUNICATION, true, detail, call, arena);
    if (!title.size) title = str_format(arena, "HTTP status %d", response->status);
    outcome.error = error_with_status(outcome.error, response->status, title, arena);
    return outcome;
}

/* ---- outputs ---- */

/* Fields that come several times are joined, as RFC 9110, 5.2 has it. Names are as they came. */
static struct json headers_of(const struct http_call *call, const struct client_response *response, struct arena *arena) {
    struct json headers = json_object(arena, response->header_count);

    for (size_t i = 0; i < response->header_count; i++) {
        const struct client_header *header = &response->headers[i];
        struct str value = str_is_utf8(header->value) ? header->value : base64_encode(header->value, arena);
        struct json before = json_get(headers, header->name);
        if (!str_is_utf8(header->name)) continue;
        if (!json_is_absent(before)) value = str_format(arena, STR_FMT ", " STR_FMT, STR_ARG(json_str(before)), STR_ARG(value));
        headers = json_set(headers, header->name, json_string(value), arena);
    }
    return redact_json(call->redact, headers, arena);
}

static struct json describe(const struct http_call *call, const struct client_response *response, struct json content,
        struct arena *arena) {
    struct json request = json_object(arena, 3), result = json_object(arena, 4);

    request = json_set(request, STR("method"), json_string(call->method), arena);
    request = json_set(request, STR("uri"), json_string(call->shown_uri), arena);
    request = json_set(request, STR("headers"), call->shown_headers, arena);
    result = json_set(result, STR("request"), request, arena);
    result = json_set(result, STR("statusCode"), json_int64(response->status, arena), arena);
    result = json_set(result, STR("headers"), headers_of(call, response, arena), arena);
    return json_set(result, STR("content"), content, arena);
}

static struct http_outcome good(const struct http_call *call, const struct client_response *response, struct arena *arena) {
    struct http_outcome outcome = { .ok = true, .answered = true };
    struct json content;
    struct err err;

    if (call->output == HTTP_OUTPUT_RAW) {
        struct str body = redact_text(call->redact, response->body, REDACT_SIZE_MIN, arena);
        outcome.output = json_string(base64_encode(body, arena));
        return outcome;
    }
    if (!http_body_read(response->body, header_of(response, STR("content-type")), arena, &content, &err)) {
        struct str what = target(call, arena);
        struct str detail = str_format(arena, STR_FMT ": the answer is said to be JSON and cannot be read: %s", STR_ARG(what), err.message);
        return failed(ERROR_COMMUNICATION, true, detail, call, arena);
    }
    content = redact_json(call->redact, content, arena);
    outcome.output = call->output == HTTP_OUTPUT_RESPONSE ? describe(call, response, content, arena) : content;
    return outcome;
}

void http_call_answer(const struct http_call *call, const struct client_response *response, struct arena *arena,
        struct http_outcome *ret) {
    int end = call->follows ? 400 : 300;

    if (response->failure != CLIENT_OK) {
        *ret = without_response(call, response, arena);
    } else if (response->status < 200 || response->status >= end) {
        *ret = bad_status(call, response, arena);
    } else {
        *ret = good(call, response, arena);
    }
}

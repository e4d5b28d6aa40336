/* One call: from a request to a prepared handle, what comes in, and how it ended. Redirects are followed
 * here and not by libcurl, which would keep a method that is not POST where 303 says GET, and would hand
 * headers of ours to other hosts. */
#include "http/client_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/assert.h"
#include "common/limits.h"

enum {
    CONNECT_MS = 5 * 1000,
    TIMEOUT_DEFAULT_MS = 30 * 1000,
    TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000,
    METHOD_SIZE_MAX = 32,
    URL_SIZE_MAX = 64 * 1024,
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 30,
    NAME_SHOWN = 64,
    HEADERS_FIRST = 16,
};

void call_fail(struct call *call, enum client_failure failure, const char *format, ...) {
    va_list arguments;

    call->failure = failure;
    va_start(arguments, format);
    vsnprintf(call->reason, sizeof(call->reason), format, arguments);
    va_end(arguments);
}

/* ---- the request ---- */

static bool is_token(struct str text) {
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !memchr(others, c, sizeof(others) - 1)) return false;
    }
    return text.size > 0;
}

static bool has_control(struct str text) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) return true;
    }
    return false;
}

static bool is_one_of(struct str name, const char *const *names) {
    for (; *names; names++) {
        if (str_equal_nocase(name, str_from(*names))) return true;
    }
    return false;
}

static void add_header(struct call *call, struct str name, struct str value) {
    /* How a message is framed, and when it is sent, is not the caller's. */
    static const char *const ours[] = { "content-length", "transfer-encoding", "connection",
        "expect", "te", "upgrade", NULL };

    value = str_trim(value);
    if (!is_token(name) || has_control(value)) {
        call_fail(call, CLIENT_REFUSED, "the header '%.*s' is malformed",
                (int)MIN(name.size, (size_t)NAME_SHOWN), is_token(name) ? name.data : "");
        return;
    }
    if (is_one_of(name, ours)) return;
    /* libcurl's notation: "name;" sends an empty header, "name:" would suppress it. */
    struct str line = str_format(call->arena,
            value.size ? STR_FMT ": " STR_FMT : STR_FMT ";" STR_FMT, STR_ARG(name), STR_ARG(value));
    call->headers = curl_slist_append(call->headers, line.data);
    assert(call->headers);
}

static bool has_header(const struct client_request *request, struct str name) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (str_equal_nocase(request->headers[i].name, name)) return true;
    }
    return false;
}

static void copy_headers(struct call *call, const struct client_request *request) {
    for (size_t i = 0; i < request->header_count; i++) {
        add_header(call, request->headers[i].name, request->headers[i].value);
    }
    /* What libcurl would add by itself. */
    call->headers = curl_slist_append(call->headers, "Expect:");
    if (!has_header(request, STR("content-type"))) {
        call->headers = curl_slist_append(call->headers, "Content-Type:");
    }
    assert(call->headers);
}

static bool is_http(struct str url) {
    return str_equal_nocase(str_slice(url, 0, 7), STR("http://"))
            || str_equal_nocase(str_slice(url, 0, 8), STR("https://"));
}

static void judge_request(struct call *call, const struct client_request *request) {
    if (!is_token(request->method) || request->method.size > METHOD_SIZE_MAX
            || str_equal_nocase(request->method, STR("CONNECT"))) {
        call_fail(call, CLIENT_REFUSED, "the method is malformed or not allowed");
    } else if (!is_http(request->url)) {
        call_fail(call, CLIENT_REFUSED, "the URL does not begin with http:// or https://");
    } else if (request->url.size > URL_SIZE_MAX || has_control(request->url)) {
        call_fail(call, CLIENT_REFUSED, "the URL is too long, or holds control characters");
    } else if (has_control(request->username)) {
        call_fail(call, CLIENT_REFUSED, "the user name holds control characters");
    }
}

struct call *client_call_new(struct client *client, const struct client_request *request) {
    struct call *call = calloc(1, sizeof(*call));
    int64_t timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_DEFAULT_MS;

    assert(call);
    list_init(&call->item);
    call->client = client;
    call->arena = arena_new();
    call->tag = request->tag;
    call->method = str_to_c(request->method, call->arena);
    call->url = str_to_c(request->url, call->arena);
    call->authenticates = request->username.size > 0;
    if (call->authenticates) {
        call->username = str_to_c(request->username, call->arena);
        call->password = str_to_c(request->password, call->arena);
    }
    call->body = str_copy(request->body, call->arena);
    call->has_body = request->has_body;
    call->follow_redirects = request->follow_redirects;
    call->deadline_ms =
            clock_monotonic_ms(&client->clock) + MIN(timeout_ms, (int64_t)TIMEOUT_MAX_MS);
    buf_init(&call->response_body, LIMIT_RESPONSE_UNPACKED);
    copy_headers(call, request);
    judge_request(call, request);
    return call;
}

void client_call_free(struct call *call) {
    assert(!call->easy);
    curl_slist_free_all(call->headers);
    buf_clear(&call->response_body);
    if (call->arena) arena_free(call->arena);
    free(call);
}

/* ---- what comes in ---- */

static size_t on_body(char *data, size_t one, size_t size, void *user) {
    struct call *call = user;
    curl_off_t wire_size = 0;

    (void)one;
    curl_easy_getinfo(call->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire_size);
    if (wire_size > LIMIT_BODY) {
        call_fail(call, CLIENT_TOO_LARGE, "the answer is over %d bytes", LIMIT_BODY);
        return 0;
    }
    buf_append(&call->response_body, (struct str){ data, size });
    if (buf_is_over(&call->response_body)) {
        call_fail(call, CLIENT_TOO_LARGE, "the answer is over %d bytes when unpacked",
                LIMIT_RESPONSE_UNPACKED);
        return 0;
    }
    return size;
}

static void keep_header(struct call *call, struct str name, struct str value) {
    if (call->response_header_count == call->response_header_capacity) {
        size_t capacity = MAX(call->response_header_capacity * 2, (size_t)HEADERS_FIRST);
        struct client_header *headers = arena_new_many(call->arena, struct client_header, capacity);
        if (call->response_header_count) {
            memcpy(headers, call->response_headers, call->response_header_count * sizeof(*headers));
        }
        call->response_headers = headers;
        call->response_header_capacity = capacity;
    }
    call->response_headers[call->response_header_count++] =
            (struct client_header){ str_copy(str_trim(name), call->arena),
                str_copy(str_trim(value), call->arena) };
}

/* Takes one line. A status line begins a new answer: what came before was 100 Continue, or asked for
 * authentication. The limit is for all of them together. */
static size_t on_header(char *data, size_t one, size_t size, void *user) {
    struct call *call = user;
    struct str line = { data, size };

    (void)one;
    call->response_header_size += size;
    if (call->response_header_size > LIMIT_RESPONSE_HEADER) {
        call_fail(call, CLIENT_TOO_LARGE, "the header of the answer is over %d bytes",
                LIMIT_RESPONSE_HEADER);
        return 0;
    }
    if (str_starts_with(line, STR("HTTP/"))) {
        call->response_header_count = 0;
        return size;
    }
    struct str name = str_cut(&line, ':');
    if (line.data) keep_header(call, name, line);
    return size;
}

/* ---- egress ---- */

static bool socket_address(const struct curl_sockaddr *given, uint8_t ret[EGRESS_ADDRESS_SIZE]) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (given->family == AF_INET) {
        memcpy(&v4, &given->addr, sizeof(v4));
        egress_map((const uint8_t *)&v4.sin_addr, ret);
        return true;
    }
    if (given->family == AF_INET6) {
        memcpy(&v6, &given->addr, sizeof(v6));
        memcpy(ret, &v6.sin6_addr, EGRESS_ADDRESS_SIZE);
        return true;
    }
    return false;
}

/* The one place where a socket of a call is made, whatever name, number or redirect led here. */
static curl_socket_t on_socket(void *user, curlsocktype purpose, struct curl_sockaddr *given) {
    struct call *call = user;
    uint8_t address[EGRESS_ADDRESS_SIZE];

    (void)purpose;
    call->addresses_tried++;
    bool known = socket_address(given, address);
    const char *refusal =
            known ? egress_refusal(&call->client->egress, address) : "no internet address";
    if (refusal) {
        call->addresses_refused++;
        snprintf(call->refused, sizeof(call->refused), "%s", refusal);
        return CURL_SOCKET_BAD;
    }
    return socket(given->family, given->socktype | SOCK_CLOEXEC, given->protocol);
}

/* ---- handles ---- */

CURL *call_handle_new(struct client *client) {
    CURL *easy = curl_easy_init();

    assert(easy);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "penstock");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)LIMIT_BODY);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (client->trust.path[0]) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->trust.path);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    /* A call whose name is still looked up can be ended without waiting for the resolver, which would
     * hold up all others. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    if (client->resolve) curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->resolve);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    return easy;
}

static void prepare_method(struct call *call, CURL *easy) {
    static const char *const with_body[] = { "POST", "PUT", "PATCH", NULL };
    struct str method = str_from(call->method);
    const char *custom = call->method;

    if (str_equal(method, STR("HEAD"))) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        custom = NULL;
    } else if (call->has_body || is_one_of(method, with_body)) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.data);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, custom);
}

bool call_prepare(struct call *call, CURL *easy) {
    int64_t left_ms = call->deadline_ms - clock_monotonic_ms(&call->client->clock);

    if (left_ms <= 0) {
        call_fail(call, CLIENT_TIMEOUT, "the time was over before the call could be sent");
        return false;
    }
    call->easy = easy;
    call->error[0] = '\0';
    call->addresses_tried = call->addresses_refused = 0;
    call->response_header_count = call->response_header_size = 0;
    buf_reset(&call->response_body);
    prepare_method(call, easy);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, call->username ? CURLAUTH_DIGEST : CURLAUTH_BASIC);
    curl_easy_setopt(easy, CURLOPT_USERNAME, call->username);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, call->password);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    if (curl_easy_setopt(easy, CURLOPT_URL, call->url) == CURLE_OK) return true;
    call_fail(call, CLIENT_REFUSED, "the URL is malformed");
    return false;
}

/* ---- redirects ---- */

struct origin {
    char *scheme, *host, *port;
};

static void origin_clear(struct origin *origin) {
    curl_free(origin->scheme);
    curl_free(origin->host);
    curl_free(origin->port);
}

static bool origin_of(const char *url, struct origin *ret) {
    CURLU *parsed = curl_url();

    assert(parsed);
    *ret = (struct origin){ 0 };
    bool ok = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK
            && curl_url_get(parsed, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK
            && curl_url_get(parsed, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK
            && curl_url_get(parsed, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_url_cleanup(parsed);
    return ok;
}

static bool same_origin(const char *a, const char *b) {
    struct origin first = { 0 }, second = { 0 };
    bool known = origin_of(a, &first) && origin_of(b, &second);
    bool same = known && strcmp(first.scheme, second.scheme) == 0
            && strcmp(first.port, second.port) == 0
            && str_equal_nocase(str_from(first.host), str_from(second.host));

    origin_clear(&first);
    origin_clear(&second);
    return same;
}

static void drop_headers(struct call *call, const char *const *names) {
    struct curl_slist *kept = NULL;

    for (struct curl_slist *line = call->headers; line; line = line->next) {
        struct str rest = str_from(line->data);
        struct str name = str_cut(&rest, ':');
        if (is_one_of(str_cut(&name, ';'), names)) continue;
        kept = curl_slist_append(kept, line->data);
        assert(kept);
    }
    curl_slist_free_all(call->headers);
    call->headers = kept;
}

/* RFC 9110, 15.4: 303 asks for a GET; after 301 and 302 every client makes one of a POST. */
static void redirect_method(struct call *call) {
    static const char *const about_body[] = { "content-type", "content-encoding",
        "content-language", "content-location", "digest", NULL };
    bool is_post = strcmp(call->method, "POST") == 0, is_head = strcmp(call->method, "HEAD") == 0;
    bool to_get = call->status == 303 ? !is_head
                                      : is_post && (call->status == 301 || call->status == 302);

    if (!to_get) return;
    call->method = "GET";
    call->body = str_copy(STR_NULL, call->arena);
    call->has_body = false;
    drop_headers(call, about_body);
}

/* True if the call goes on elsewhere. */
static bool redirect(struct call *call) {
    static const char *const credentials[] = { "authorization", "cookie", "proxy-authorization",
        "host", NULL };
    bool moved = call->status == 301 || call->status == 302 || call->status == 303
            || call->status == 307 || call->status == 308;
    char *found = NULL;

    if (!call->follow_redirects || !moved) return false;
    curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &found);
    if (!found) return false;
    const char *target = str_to_c(str_from(found), call->arena);
    if (!is_http(str_from(target))) {
        call_fail(call, CLIENT_REFUSED, "redirected to a URL that is neither http nor https");
        return false;
    }
    if (call->redirects == LIMIT_REDIRECTS) {
        call_fail(call, CLIENT_BROKEN, "more than %d redirects", LIMIT_REDIRECTS);
        return false;
    }
    call->redirects++;
    if (!same_origin(call->url, target)) {
        drop_headers(call, credentials);
        call->username = call->password = NULL;
    }
    redirect_method(call);
    call->url = target;
    return true;
}

/* ---- the end ---- */

static const char *explain(const struct call *call, CURLcode code) {
    return call->error[0] ? call->error : curl_easy_strerror(code);
}

/* Whether anything of the request may have reached the other side. */
static bool was_sent(const struct call *call) {
    long size = 0;

    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &size);
    return size > 0;
}

static void judge_failure(struct call *call, CURLcode code) {
    bool sent = was_sent(call);
    bool late = clock_monotonic_ms(&call->client->clock) >= call->deadline_ms;
    bool bad_url = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;

    if (!sent && bad_url) {
        call_fail(call, CLIENT_REFUSED, "the URL is malformed: %s", explain(call, code));
    } else if (code == CURLE_FILESIZE_EXCEEDED) {
        call_fail(call, CLIENT_TOO_LARGE, "the answer is over %d bytes", LIMIT_BODY);
    } else if (!sent && call->addresses_refused
            && call->addresses_refused == call->addresses_tried) {
        call_fail(call, CLIENT_REFUSED, "calls may not go to %s", call->refused);
    } else if (code == CURLE_OPERATION_TIMEDOUT && (sent || late)) {
        call_fail(call, CLIENT_TIMEOUT, "no answer in time");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        call_fail(call, CLIENT_UNREACHABLE, "no connection within %d ms", CONNECT_MS);
    } else if (sent) {
        call_fail(call, CLIENT_BROKEN, "sent, but no whole answer: %s", explain(call, code));
    } else {
        call_fail(call, CLIENT_UNREACHABLE, "no connection: %s", explain(call, code));
    }
}

bool call_finish(struct call *call, CURLcode code) {
    long status = 0;

    if (call->failure != CLIENT_OK) return false; /* a limit, found while it came in */
    if (code != CURLE_OK) {
        judge_failure(call, code);
        return false;
    }
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    return redirect(call);
}

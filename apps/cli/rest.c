#include "apps/cli/rest.h"

#include <stdlib.h>
#include <string.h>

#include "apps/cli/output.h"
#include "common/arena.h"
#include "common/assert.h"
#include "http/client.h"
#include "system/queue.h"

enum { CALL_TIMEOUT_MS = 30 * 1000, HEADERS_MAX = 8 };

struct rest {
    struct client *client;
    struct latch answered; /* set by the client's thread */
};

static void on_complete(void *user) {
    struct rest *rest = user;

    latch_set(&rest->answered);
}

bool rest_open(struct cli *cli, struct rest **ret, struct err *err) {
    struct rest *rest = calloc(1, sizeof(*rest));

    (void)cli;
    assert(rest);
    latch_init(&rest->answered);
    struct client_options options = { .egress_any = true, .in_flight_max = 1, .on_complete = on_complete, .user = rest };
    if (!client_open(&options, &rest->client, err)) {
        free(rest);
        return false;
    }
    *ret = rest;
    return true;
}

void rest_close(struct rest *rest) {
    if (!rest) return;
    client_close(rest->client);
    free(rest);
}

static size_t make_headers(const struct cli *cli, const struct rest_request *request, struct client_header *headers) {
    size_t count = 0;

    headers[count++] = (struct client_header){ STR("Accept"), STR("application/json, application/problem+json") };
    if (cli->api_key) {
        headers[count++] = (struct client_header){ STR("Authorization"), str_format(cli->arena, "Bearer %s", cli->api_key) };
    }
    if (request->has_body) {
        headers[count++] = (struct client_header){ STR("Content-Type"), str_from(request->content_type) };
    }
    if (request->wait_s > 0) {
        headers[count++] = (struct client_header){ STR("Prefer"),
            str_format(cli->arena, "wait=%lld", (long long)request->wait_s) };
    }
    assert(count <= HEADERS_MAX);
    return count;
}

bool rest_call(struct cli *cli, const struct rest_request *request, struct rest_answer *ret, struct err *err) {
    struct client_header headers[HEADERS_MAX];
    struct client_response response;
    struct err ignored;

    if (!cli->rest && !rest_open(cli, &cli->rest, err)) return false;
    latch_init(&cli->rest->answered);
    client_send(cli->rest->client, &(struct client_request){
            .method = str_from(request->method),
            .url = str_format(cli->arena, "%s" STR_FMT, cli->url, STR_ARG(request->path)),
            .headers = headers,
            .header_count = make_headers(cli, request, headers),
            .body = request->body,
            .has_body = request->has_body,
            .timeout_ms = CALL_TIMEOUT_MS + request->wait_s * 1000,
    });
    /* The client has a timeout of its own, so this ends. */
    while (client_collect(cli->rest->client, 1, cli->arena, &response) == 0) {
        (void)latch_wait(&cli->rest->answered, -1);
    }
    if (response.failure != CLIENT_OK) return err_set(err, ERR_UNAVAILABLE, STR_FMT, STR_ARG(response.reason));
    *ret = (struct rest_answer){ .status = response.status, .body = response.body };
    if (!json_read(response.body, NULL, cli->arena, &ret->json, NULL, &ignored)) ret->json = (struct json){ 0 };
    return true;
}

enum cli_exit rest_ask(struct cli *cli, const struct rest_request *request, struct str file, struct rest_answer *ret) {
    struct err err;

    if (!rest_call(cli, request, ret, &err)) {
        fprintf(stderr,
                "penstock: no answer from %s: %s\n"
                "  `penstock dev` starts a server; PENSTOCK_URL or --url says where it is\n",
                cli->url, err.message);
        return CLI_UNREACHABLE;
    }
    if (ret->status < 400) return CLI_OK;
    if (cli->is_json) output_answer(ret->body);
    output_problem(cli, ret->status, ret->json, file);
    return CLI_REFUSED;
}

enum cli_exit rest_get(struct cli *cli, struct str path, struct rest_answer *ret) {
    return rest_ask(cli, &(struct rest_request){ .method = "GET", .path = path }, STR_NULL, ret);
}

enum cli_exit rest_post(struct cli *cli, struct str path, struct str json, struct rest_answer *ret) {
    return rest_ask(cli, &(struct rest_request){
            .method = "POST",
            .path = path,
            .content_type = "application/json",
            .body = json,
            .has_body = json.size > 0,
    }, STR_NULL, ret);
}

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

struct str rest_escape(struct str text, struct arena *arena) {
    static const char digits[] = "0123456789ABCDEF";
    char *escaped = arena_alloc(arena, text.size * 3);
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_unreserved((char)c)) {
            escaped[size++] = (char)c;
            continue;
        }
        escaped[size++] = '%';
        escaped[size++] = digits[c >> 4];
        escaped[size++] = digits[c & 15];
    }
    return (struct str){ escaped, size };
}

struct str rest_with_query(struct str path, const char *name, const char *value, struct arena *arena) {
    if (!value) return path;
    const char *separator = str_find_char(path, '?') < path.size ? "&" : "?";
    return str_format(arena, STR_FMT "%s%s=" STR_FMT, STR_ARG(path), separator, name,
            STR_ARG(rest_escape(str_from(value), arena)));
}

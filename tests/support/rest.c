#include "tests/support/rest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "http/client.h"
#include "system/queue.h"
#include "tests/support/process.h"

enum { HEADERS_MAX = 16, CALL_MS = 70000, READY_MS = 20000 };

struct rest {
    char base_url[256];
    struct client *client;
    struct latch answered;
    uint64_t tag;
};

static void on_complete(void *user) {
    struct rest *rest = user;

    latch_set(&rest->answered);
}

struct rest *rest_new(const char *base_url) {
    struct rest *rest = calloc(1, sizeof(*rest));
    struct client_options options = { .egress_any = true, .on_complete = on_complete, .user = rest };
    struct err err;

    assert(rest);
    snprintf(rest->base_url, sizeof(rest->base_url), "%s", base_url);
    bool opened = client_open(&options, &rest->client, &err);
    assert(opened);
    return rest;
}

void rest_free(struct rest *rest) {
    if (!rest) return;
    client_close(rest->client);
    free(rest);
}

static size_t split_headers(const char *const *lines, struct client_header headers[HEADERS_MAX]) {
    size_t count = 0;

    for (; lines && lines[count] && count < HEADERS_MAX; count++) {
        struct str value = str_from(lines[count]);
        headers[count].name = str_trim(str_cut(&value, ':'));
        headers[count].value = str_trim(value);
    }
    return count;
}

static struct rest_answer convert(const struct client_response *response, struct arena *arena) {
    struct rest_answer answer = { .status = response->failure == CLIENT_OK ? response->status : 0, .body = response->body };
    struct json_read_options options = { .borrow = true };
    struct err ignored;

    for (size_t i = 0; i < response->header_count; i++) {
        if (str_equal_nocase(response->headers[i].name, STR("location"))) answer.location = response->headers[i].value;
        if (str_equal_nocase(response->headers[i].name, STR("content-type"))) answer.content_type = response->headers[i].value;
    }
    bool is_json = str_find(answer.content_type, STR("json")) < answer.content_type.size;
    if (is_json && !json_read(answer.body, &options, arena, &answer.json, NULL, &ignored)) answer.json = (struct json){ .type = JSON_ABSENT };
    return answer;
}

struct rest_answer rest_call(struct rest *rest, const char *method, const char *path, const char *const *headers, struct str body,
        struct arena *arena) {
    struct client_header rows[HEADERS_MAX];
    struct client_response response;
    char url[2048];

    snprintf(url, sizeof(url), "%s%s", rest->base_url, path);
    struct client_request request = { .tag = ++rest->tag, .method = str_from(method), .url = str_from(url), .headers = rows,
        .header_count = split_headers(headers, rows), .body = body, .has_body = body.data != NULL, .timeout_ms = CALL_MS };
    latch_init(&rest->answered);
    client_send(rest->client, &request);
    for (;;) {
        if (client_collect(rest->client, 1, arena, &response) == 1) return convert(&response, arena);
        latch_wait(&rest->answered, CALL_MS);
        latch_init(&rest->answered);
    }
}

struct rest_answer rest_get(struct rest *rest, const char *path, struct arena *arena) {
    return rest_call(rest, "GET", path, NULL, STR_NULL, arena);
}

struct rest_answer rest_post(struct rest *rest, const char *path, const char *content_type, struct str body, struct arena *arena) {
    const char *const headers[] = { str_to_c(str_format(arena, "Content-Type: %s", content_type), arena), NULL };

    return rest_call(rest, "POST", path, headers, body, arena);
}

static void print_log(const struct dev *dev) {
    char line[1024];
    FILE *file = fopen(dev->log, "r");

    while (file && fgets(line, sizeof(line), file)) printf("# %s", line);
    if (file) fclose(file);
}

bool dev_restart(struct dev *dev, const char *const *settings) {
    char listen[64], admin[64];
    const char *const arguments[] = { "penstock", "dev", "--data", dev->folder, "--listen", listen, "--admin-listen", admin, NULL };

    snprintf(listen, sizeof(listen), "127.0.0.1:%d", dev->port);
    snprintf(admin, sizeof(admin), "127.0.0.1:%d", dev->admin_port);
    dev->pid = process_start("bin/penstock", arguments, settings, dev->log);
    if (process_await(dev->pid, dev->admin_port, "/readyz", READY_MS)) return true;
    print_log(dev);
    return false;
}

bool dev_start(struct dev *dev, const char *name, const char *const *settings) {
    process_make_folder(name, dev->folder);
    snprintf(dev->log, sizeof(dev->log), "%s/log", dev->folder);
    dev->port = process_free_port();
    dev->admin_port = process_free_port();
    snprintf(dev->url, sizeof(dev->url), "http://127.0.0.1:%d", dev->port);
    return dev_restart(dev, settings);
}

void dev_stop(struct dev *dev, int signal_number) {
    if (dev->pid) process_end(dev->pid, signal_number);
    dev->pid = 0;
}

void dev_remove(struct dev *dev) {
    dev_stop(dev, SIGTERM);
    process_remove_folder(dev->folder);
}

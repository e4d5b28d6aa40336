/* Commands that start instances and look at them. */

#include <poll.h>

#include "apps/cli/cli.h"
#include "apps/cli/output.h"
#include "apps/cli/rest.h"
#include "common/arena.h"

enum {
    WAIT_MAX_S = 60,       /* of one call; longer waits are several */
    PAGE_MAX = 500,
    FOLLOW_EVERY_MS = 300,
};

static struct json get(struct json object, const char *key) {
    return json_get(object, str_from(key));
}

static struct str get_str(struct json object, const char *key) {
    return json_str(get(object, key));
}

static bool has_ended(struct str status) {
    return str_equal(status, STR("completed")) || str_equal(status, STR("faulted")) || str_equal(status, STR("cancelled"));
}

/* "shop/order" → the two; false if it is not two. */
static bool split_workflow(struct str text, struct str *ret_namespace, struct str *ret_name) {
    struct str rest = text;

    *ret_namespace = str_cut(&rest, '/');
    *ret_name = rest;
    return ret_namespace->size > 0 && rest.size > 0 && str_find_char(rest, '/') == rest.size;
}

static struct str instance_path(struct cli *cli, const char *rest) {
    return str_format(cli->arena, "/v1/instances/" STR_FMT "%s", STR_ARG(rest_escape(cli->arguments[0], cli->arena)), rest);
}

/* ---- start ---- */

static bool put_tags(struct json_writer *writer, const struct cli *cli, struct err *err) {
    if (!cli_has(cli, "tag")) return true;
    json_begin_object(writer, "tags");
    for (size_t i = 0; cli_flag_at(cli, "tag", i); i++) {
        struct str value = str_from(cli_flag_at(cli, "tag", i)), key = str_cut(&value, ':');
        if (key.size == 0 || !value.data) return err_set(err, ERR_INVALID, "--tag is KEY:VALUE, not '" STR_FMT "'", STR_ARG(key));
        json_put_str(writer, str_to_c(key, cli->arena), value);
    }
    json_end_object(writer);
    return true;
}

/* The input goes in as text, so that its numbers keep their digits. */
static bool make_start(const struct cli *cli, struct buf *body, struct err *err) {
    struct json_writer writer;
    struct str input;

    if (!cli_json_flag(cli, "input", &input, err)) return false;
    json_writer_init(&writer, body);
    json_begin_object(&writer, NULL);
    if (input.size) json_put_raw(&writer, "input", input);
    if (cli_flag(cli, "key")) json_put_c(&writer, "key", cli_flag(cli, "key"));
    if (cli_flag(cli, "version")) json_put_c(&writer, "version", cli_flag(cli, "version"));
    if (cli_has(cli, "restart")) json_put_c(&writer, "ifExists", "restart");
    if (!put_tags(&writer, cli, err)) return false;
    json_end_object(&writer);
    return true;
}

/* --wait: 0 without it, INT64_MAX without a number of seconds. */
static bool read_wait(const struct cli *cli, int64_t *ret_s) {
    const char *value = cli_flag(cli, "wait");

    *ret_s = cli_has(cli, "wait") ? INT64_MAX : 0;
    return !value || (str_to_int64(str_from(value), ret_s) && *ret_s > 0);
}

/* Asks again until the instance has ended or the time is up. */
static enum cli_exit wait_for_end(struct cli *cli, int64_t left_s, struct rest_answer *answer) {
    struct str id = rest_escape(get_str(answer->json, "id"), cli->arena);

    while (!has_ended(get_str(answer->json, "status")) && left_s > 0) {
        int64_t now_s = MIN(left_s, (int64_t)WAIT_MAX_S);
        enum cli_exit status = rest_ask(cli, &(struct rest_request){
                .method = "GET",
                .path = str_format(cli->arena, "/v1/instances/" STR_FMT, STR_ARG(id)),
                .wait_s = now_s,
        }, STR_NULL, answer);
        if (status != CLI_OK) return status;
        /* 200: it ended, or stands at a human task, and will for longer than this. */
        if (answer->status == 200) break;
        if (left_s != INT64_MAX) left_s -= now_s;
    }
    return CLI_OK;
}

static enum cli_exit exit_of(struct json instance) {
    struct str status = get_str(instance, "status");

    if (str_equal(status, STR("completed"))) return CLI_OK;
    return has_ended(status) ? CLI_ENDED_BADLY : CLI_STILL_RUNNING;
}

static void print_started(const struct cli *cli, const struct rest_answer *answer, bool is_waited) {
    struct json error = get(answer->json, "error");

    if (cli->is_json) {
        output_answer(answer->body);
        return;
    }
    /* The id alone on standard output can be given to the next command; a result can be piped on. */
    if (!is_waited) {
        output_text(cli, get_str(answer->json, "id"));
        return;
    }
    fprintf(stderr, STR_FMT "  ", STR_ARG(text_fit(get_str(answer->json, "id"), SIZE_MAX, cli->arena)));
    output_status(cli, get_str(answer->json, "status"), stderr);
    fputc('\n', stderr);
    if (has_ended(get_str(answer->json, "status"))) {
        output_json(cli, json_is_null(error) ? get(answer->json, "output") : error);
    }
}

static enum cli_exit run_start(struct cli *cli) {
    struct str namespace, name;
    struct rest_answer answer;
    struct buf body;
    struct err err;
    int64_t wait_s;

    if (!split_workflow(cli->arguments[0], &namespace, &name)) {
        return cli_usage_error(cli, "a workflow is NAMESPACE/NAME, not '" STR_FMT "'", STR_ARG(cli->arguments[0]));
    }
    if (!read_wait(cli, &wait_s)) return cli_usage_error(cli, "--wait=S: S is a number of seconds");
    buf_init(&body, CLI_TEXT_MAX);
    if (!make_start(cli, &body, &err)) {
        buf_clear(&body);
        return cli_usage_error(cli, "%s", err.message);
    }
    enum cli_exit status = rest_ask(cli, &(struct rest_request){
            .method = "POST",
            .path = str_format(cli->arena, "/v1/workflows/" STR_FMT "/" STR_FMT "/instances",
                    STR_ARG(rest_escape(namespace, cli->arena)), STR_ARG(rest_escape(name, cli->arena))),
            .content_type = "application/json",
            .body = buf_str(&body),
            .has_body = true,
            .wait_s = MIN(wait_s, (int64_t)WAIT_MAX_S),
    }, STR_NULL, &answer);
    buf_clear(&body);
    if (status != CLI_OK) return status;
    if (wait_s > 0 && answer.status != 200) {
        status = wait_for_end(cli, wait_s == INT64_MAX ? wait_s : wait_s - MIN(wait_s, (int64_t)WAIT_MAX_S), &answer);
        if (status != CLI_OK) return status;
    }
    print_started(cli, &answer, wait_s > 0);
    return wait_s > 0 ? exit_of(answer.json) : CLI_OK;
}

static const struct flag start_flags[] = {
    { .name = "input", .value = "JSON", .kind = FLAG_VALUE, .help = "the input: JSON, @FILE, or - for standard input" },
    { .name = "key", .value = "K", .kind = FLAG_VALUE,
        .help = "a business key: starting with it again gives the same instance" },
    { .name = "version", .value = "V", .kind = FLAG_VALUE, .help = "this version, not the one that routing chooses" },
    { .name = "tag", .value = "K:V", .kind = FLAG_VALUE, .help = "a tag to find it by; may be given many times" },
    { .name = "restart", .kind = FLAG_SWITCH, .help = "with --key: start afresh if the one with that key has ended" },
    { .name = "wait", .value = "S", .kind = FLAG_OPTIONAL, .help = "wait until it ends (at most S seconds) and print its result" },
};

const struct command command_start = {
    .name = "start",
    .arguments = "NAMESPACE/NAME",
    .summary = "starts an instance; --wait prints its result",
    .details = "Without --wait it prints the id of the instance. With it, the result goes to standard output and the status to\n"
               "standard error.\n",
    .example = "  penstock start examples/hello --input '{\"name\": \"world\"}' --wait\n"
               "  id=$(penstock start shop/order-fulfilment --input @order.json --key ord-00001 --tag shop:berlin)\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .flags = start_flags,
    .flag_count = ARRAY_SIZE(start_flags),
    .run = run_start,
};

/* ---- list ---- */

static bool make_list_path(const struct cli *cli, struct str *ret_path) {
    static const char *const same[] = { "status", "tag", "key", "from", "to", "search", "namespace", "limit" };
    struct str path = STR("/v1/instances"), namespace, name;
    const char *workflow = cli_flag(cli, "workflow");

    if (workflow && !split_workflow(str_from(workflow), &namespace, &name)) return false;
    if (workflow) {
        path = rest_with_query(path, "namespace", str_to_c(namespace, cli->arena), cli->arena);
        path = rest_with_query(path, "workflow", str_to_c(name, cli->arena), cli->arena);
    }
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        for (size_t k = 0; cli_flag_at(cli, same[i], k); k++) {
            path = rest_with_query(path, same[i], cli_flag_at(cli, same[i], k), cli->arena);
        }
    }
    *ret_path = path;
    return true;
}

static void add_instance(struct table *table, struct json item, struct arena *arena) {
    table_add(table, (struct str[]){
            get_str(item, "id"),
            get_str(item, "key"),
            str_format(arena, STR_FMT "/" STR_FMT, STR_ARG(get_str(item, "namespace")), STR_ARG(get_str(item, "workflow"))),
            get_str(item, "version"),
            get_str(item, "status"),
            output_time(get(item, "createdAt"), arena),
            output_time(get(item, "endedAt"), arena),
    });
}

static enum cli_exit run_list(struct cli *cli) {
    static const char *const heads[] = { "ID", "KEY", "WORKFLOW", "VERSION", "STATUS", "CREATED", "ENDED", NULL };
    struct rest_answer answer;
    struct table table;
    struct str path;

    if (!make_list_path(cli, &path)) return cli_usage_error(cli, "--workflow is NAMESPACE/NAME");
    enum cli_exit status = rest_get(cli, path, &answer);
    if (status != CLI_OK) return status;
    if (cli->is_json) {
        output_answer(answer.body);
        return CLI_OK;
    }
    struct json items = get(answer.json, "items");
    table_init(&table, cli->arena, heads);
    for (size_t i = 0; i < json_size(items); i++) add_instance(&table, json_at(items, i), cli->arena);
    table_print(&table, stdout, output_width(), cli->is_colour);
    if (!json_is_null(get(answer.json, "next"))) fprintf(stderr, "There are more: --limit N, at most %d\n", PAGE_MAX);
    return CLI_OK;
}

static const char *const statuses[] = { "pending", "running", "waiting", "suspended", "cancelled", "faulted", "completed",
    NULL };

static const struct flag list_flags[] = {
    { .name = "workflow", .value = "NS/NAME", .kind = FLAG_VALUE, .help = "only of this workflow" },
    { .name = "namespace", .value = "NS", .kind = FLAG_VALUE, .help = "only of this namespace" },
    { .name = "status", .value = "STATUS", .kind = FLAG_VALUE, .choices = statuses,
        .help = "pending, running, waiting, suspended, cancelled, faulted or completed" },
    { .name = "tag", .value = "K:V", .kind = FLAG_VALUE, .help = "only with this tag" },
    { .name = "key", .value = "K", .kind = FLAG_VALUE, .help = "only with this business key" },
    { .name = "search", .value = "TEXT", .kind = FLAG_VALUE, .help = "only with this text" },
    { .name = "from", .value = "TIME", .kind = FLAG_VALUE, .help = "created at or after (RFC 3339)" },
    { .name = "to", .value = "TIME", .kind = FLAG_VALUE, .help = "created before" },
    { .name = "limit", .value = "N", .kind = FLAG_VALUE, .help = "at most N (50, at most 500)" },
};

const struct command command_list = {
    .name = "list",
    .arguments = "",
    .summary = "lists instances, the newest first",
    .example = "  penstock list --workflow shop/order-fulfilment --status faulted\n"
               "  penstock list --tag shop:berlin --limit 10 --output json\n",
    .flags = list_flags,
    .flag_count = ARRAY_SIZE(list_flags),
    .run = run_list,
};

/* ---- show ---- */

static void print_field(const struct cli *cli, const char *name, struct str value) {
    if (value.size == 0) return;
    printf("%-10s ", name);
    output_status(cli, value, stdout);
    putchar('\n');
}

static void print_value(const struct cli *cli, const char *name, struct json value) {
    if (json_is_null(value)) return;
    printf("%s\n", name);
    output_json(cli, value);
}

static void print_instance(const struct cli *cli, struct json instance) {
    struct json tasks = get(instance, "tasks");

    print_field(cli, "id", get_str(instance, "id"));
    print_field(cli, "key", get_str(instance, "key"));
    print_field(cli, "workflow", str_format(cli->arena, STR_FMT "/" STR_FMT " " STR_FMT, STR_ARG(get_str(instance, "namespace")),
            STR_ARG(get_str(instance, "workflow")), STR_ARG(get_str(instance, "version"))));
    print_field(cli, "status", get_str(instance, "status"));
    print_field(cli, "created", output_time(get(instance, "createdAt"), cli->arena));
    print_field(cli, "started", output_time(get(instance, "startedAt"), cli->arena));
    print_field(cli, "ended", output_time(get(instance, "endedAt"), cli->arena));
    if (json_size(get(instance, "tags"))) print_field(cli, "tags", json_to_str(get(instance, "tags"), cli->arena));
    for (size_t i = 0; i < json_size(tasks); i++) {
        struct json task = json_at(tasks, i);
        print_field(cli, i ? "" : "now at", str_format(cli->arena, STR_FMT " (" STR_FMT ")", STR_ARG(get_str(task, "pointer")),
                STR_ARG(get_str(task, "status"))));
    }
    print_value(cli, "input", get(instance, "input"));
    print_value(cli, "context", get(instance, "context"));
    print_value(cli, "output", get(instance, "output"));
    print_value(cli, "error", get(instance, "error"));
}

static enum cli_exit run_show(struct cli *cli) {
    struct rest_answer answer;
    enum cli_exit status = rest_get(cli, instance_path(cli, ""), &answer);

    if (status != CLI_OK) return status;
    if (cli->is_json) {
        output_answer(answer.body);
    } else {
        print_instance(cli, answer.json);
    }
    return CLI_OK;
}

const struct command command_show = {
    .name = "show",
    .arguments = "ID",
    .summary = "shows an instance: where it stands, its input, its result or its error",
    .example = "  penstock show 0198f0c2-7d2e-7c3a-9a53-8a5d0c3c1f10\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_show,
};

/* ---- history ---- */

static void print_entry(const struct cli *cli, struct json entry, size_t width) {
    struct json data = get(entry, "data");
    struct str rest = json_is_null(data) ? STR("") : json_to_str(data, cli->arena);
    int64_t seq = json_int64_or(get(entry, "seq"), 0);
    struct str task = get_str(entry, "task");

    struct str line = str_format(cli->arena, "%5lld  " STR_FMT "  %-22.*s  " STR_FMT "  " STR_FMT, (long long)seq,
            STR_ARG(output_time(get(entry, "time"), cli->arena)), STR_ARG(get_str(entry, "type")),
            STR_ARG(task.size ? task : STR("-")), STR_ARG(rest));
    output_text(cli, width ? text_fit(line, width, cli->arena) : line);
}

struct history {
    struct str cursor; /* of the page that was read last; the first is empty */
    int64_t seq;       /* of the last entry that was printed */
};

/* Prints what is new; pages are read on until the last. */
static enum cli_exit print_new(struct cli *cli, struct history *history) {
    size_t width = output_width();

    for (;;) {
        struct rest_answer answer;
        struct str path = rest_with_query(instance_path(cli, "/history"), "limit", "500", cli->arena);
        if (history->cursor.size) {
            path = rest_with_query(path, "cursor", str_to_c(history->cursor, cli->arena), cli->arena);
        }
        enum cli_exit status = rest_get(cli, path, &answer);
        if (status != CLI_OK) return status;
        struct json items = get(answer.json, "items");
        for (size_t i = 0; i < json_size(items); i++) {
            int64_t seq = json_int64_or(get(json_at(items, i), "seq"), INT64_MAX);
            if (seq <= history->seq) continue;
            if (cli->is_json) {
                output_answer(json_to_str(json_at(items, i), cli->arena));
            } else {
                print_entry(cli, json_at(items, i), width);
            }
            history->seq = seq;
        }
        struct str next = get_str(answer.json, "next");
        if (next.size == 0) break;
        history->cursor = next;
    }
    return CLI_OK;
}

static enum cli_exit follow(struct cli *cli, struct history *history) {
    struct arena *outer = cli->arena;
    enum cli_exit status = CLI_OK;
    bool is_over = false;

    /* An instance may live for years; what one round needs is given back after it. */
    cli->arena = arena_new();
    while (status == CLI_OK && !is_over) {
        struct rest_answer answer;
        (void)poll(NULL, 0, FOLLOW_EVERY_MS);
        status = rest_get(cli, instance_path(cli, ""), &answer);
        if (status != CLI_OK) break;
        /* Asked before the entries are, so that the last of them are not missed. */
        is_over = has_ended(get_str(answer.json, "status"));
        status = print_new(cli, history);
        history->cursor = str_copy(history->cursor, outer);
        arena_reset(cli->arena);
        fflush(stdout);
    }
    arena_free(cli->arena);
    cli->arena = outer;
    return status;
}

static enum cli_exit run_history(struct cli *cli) {
    struct history history = { .cursor = STR_NULL, .seq = INT64_MIN };
    struct rest_answer answer;

    if (cli->is_json && !cli_has(cli, "follow")) {
        struct str path = rest_with_query(instance_path(cli, "/history"), "limit", "500", cli->arena);
        enum cli_exit asked = rest_get(cli, path, &answer);
        if (asked == CLI_OK) output_answer(answer.body);
        return asked;
    }
    enum cli_exit status = print_new(cli, &history);
    return status == CLI_OK && cli_has(cli, "follow") ? follow(cli, &history) : status;
}

static const struct flag history_flags[] = {
    { .name = "follow", .kind = FLAG_SWITCH, .help = "go on printing until the instance ends; with json, a fact a line" },
};

const struct command command_history = {
    .name = "history",
    .arguments = "ID",
    .summary = "prints what happened in an instance, in order",
    .example = "  penstock history 0198f0c2-7d2e-7c3a-9a53-8a5d0c3c1f10 --follow\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .flags = history_flags,
    .flag_count = ARRAY_SIZE(history_flags),
    .run = run_history,
};

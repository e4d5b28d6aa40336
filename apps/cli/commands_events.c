/* Commands about events. */

#include "apps/cli/cli.h"
#include "apps/cli/output.h"
#include "apps/cli/rest.h"
#include "common/arena.h"
#include "common/uuid.h"
#include "system/clock.h"

static struct json get(struct json object, const char *key) {
    return json_get(object, str_from(key));
}

/* ---- events ---- */

/* An entry of the store holds the event, and beside it when it came and whom it reached. */
static void add_event(struct table *table, struct json item, struct arena *arena) {
    struct json inner = get(item, "event");
    struct json event = json_is_null(inner) ? item : inner;
    struct json time = get(item, "receivedAt");

    table_add(table, (struct str[]){
            output_time(json_is_null(time) ? get(event, "time") : time, arena),
            json_str(get(event, "type")),
            json_str(get(event, "source")),
            json_str(get(event, "id")),
            json_str(get(event, "subject")),
            str_format(arena, "%zu", json_size(get(item, "instances"))),
            json_str(get(item, "key")),
    });
}

static enum cli_exit run_events(struct cli *cli) {
    static const char *const heads[] = { "TIME", "TYPE", "SOURCE", "ID", "SUBJECT", "REACHED", "KEY", NULL };
    static const char *const same[] = { "type", "source", "id", "from", "to", "limit" };
    struct str path = STR("/v1/events");
    struct rest_answer answer;
    struct table table;

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        path = rest_with_query(path, same[i], cli_flag(cli, same[i]), cli->arena);
    }
    enum cli_exit status = rest_get(cli, path, &answer);
    if (status != CLI_OK) return status;
    if (cli->is_json) {
        output_answer(answer.body);
        return CLI_OK;
    }
    struct json items = get(answer.json, "items");
    table_init(&table, cli->arena, heads);
    for (size_t i = 0; i < json_size(items); i++) add_event(&table, json_at(items, i), cli->arena);
    table_print(&table, stdout, output_width(), cli->is_colour);
    return CLI_OK;
}

static const struct flag events_flags[] = {
    { .name = "type", .value = "TYPE", .kind = FLAG_VALUE, .help = "only of this type" },
    { .name = "source", .value = "URI", .kind = FLAG_VALUE, .help = "only from this source" },
    { .name = "id", .value = "ID", .kind = FLAG_VALUE, .help = "only with this id" },
    { .name = "from", .value = "TIME", .kind = FLAG_VALUE, .help = "at or after (RFC 3339)" },
    { .name = "to", .value = "TIME", .kind = FLAG_VALUE, .help = "before" },
    { .name = "limit", .value = "N", .kind = FLAG_VALUE, .help = "at most N (50, at most 500)" },
};

const struct command command_events = {
    .name = "events",
    .arguments = "",
    .summary = "lists events, and how many instances each reached",
    .example = "  penstock events --type shop.order.completed.v1 --limit 10\n",
    .flags = events_flags,
    .flag_count = ARRAY_SIZE(events_flags),
    .run = run_events,
};

/* ---- emit ---- */

static struct str new_id(struct arena *arena) {
    struct clock clock = clock_system();
    char text[UUID_TEXT_SIZE];
    uint8_t random[10];

    clock_random(&clock, random, sizeof(random));
    return str_copy(uuid_v7(clock_now_ms(&clock), random, text), arena);
}

static enum cli_exit run_emit(struct cli *cli) {
    const char *source = cli_flag(cli, "source"), *id = cli_flag(cli, "id"), *subject = cli_flag(cli, "subject");
    struct str event_id = id ? str_from(id) : new_id(cli->arena), data;
    struct json_writer writer;
    struct rest_answer answer;
    struct buf body;
    struct err err;

    if (!cli_json_flag(cli, "data", &data, &err)) return cli_usage_error(cli, "%s", err.message);
    buf_init(&body, CLI_TEXT_MAX);
    json_writer_init(&writer, &body);
    json_begin_object(&writer, NULL);
    json_put_c(&writer, "specversion", "1.0");
    json_put_str(&writer, "id", event_id);
    json_put_c(&writer, "source", source ? source : "/penstock/cli");
    json_put_str(&writer, "type", cli->arguments[0]);
    if (subject) json_put_c(&writer, "subject", subject);
    if (data.size) {
        json_put_c(&writer, "datacontenttype", "application/json");
        json_put_raw(&writer, "data", data);
    }
    json_end_object(&writer);
    enum cli_exit status = rest_ask(cli, &(struct rest_request){
            .method = "POST",
            .path = STR("/v1/events"),
            .content_type = "application/cloudevents+json",
            .body = buf_str(&body),
            .has_body = true,
    }, STR_NULL, &answer);
    buf_clear(&body);
    if (status != CLI_OK) return status;
    if (cli->is_json && answer.body.size) {
        output_answer(answer.body);
    } else {
        output_text(cli, event_id);
    }
    return CLI_OK;
}

static const struct flag emit_flags[] = {
    { .name = "data", .value = "JSON", .kind = FLAG_VALUE, .help = "what it carries: JSON, @FILE, or - for standard input" },
    { .name = "source", .value = "URI", .kind = FLAG_VALUE, .help = "who says so (/penstock/cli)" },
    { .name = "subject", .value = "TEXT", .kind = FLAG_VALUE, .help = "what it is about" },
    { .name = "id", .value = "ID", .kind = FLAG_VALUE, .help = "the same source and id are delivered once (a new UUID)" },
};

const struct command command_emit = {
    .name = "emit",
    .arguments = "TYPE",
    .summary = "publishes an event (CloudEvents 1.0) and prints its id",
    .example = "  penstock emit shop.parcel.handed-over.v1 --source https://carrier.example/parcels \\\n"
               "      --data '{\"orderId\": \"ord-00001\", \"tracking\": \"T1\"}'\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .flags = emit_flags,
    .flag_count = ARRAY_SIZE(emit_flags),
    .run = run_emit,
};

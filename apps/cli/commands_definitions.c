/* Commands about definitions. */

#include "apps/cli/cli.h"
#include "apps/cli/output.h"
#include "apps/cli/rest.h"
#include "common/arena.h"

static struct json get(struct json object, const char *key) {
    return json_get(object, str_from(key));
}

/* ---- deploy ---- */

static void print_deployed(const struct cli *cli, const struct rest_answer *answer, struct str file) {
    const char *what = cli_has(cli, "dry-run") ? "is valid" : answer->status == 201 ? "deployed" : "is deployed already";

    if (cli->is_json) {
        output_answer(answer->body);
        return;
    }
    output_text(cli, str_format(cli->arena, STR_FMT ": " STR_FMT "/" STR_FMT " " STR_FMT " %s", STR_ARG(file),
            STR_ARG(json_str_or(get(answer->json, "namespace"), STR("?"))),
            STR_ARG(json_str_or(get(answer->json, "name"), STR("?"))),
            STR_ARG(json_str_or(get(answer->json, "version"), STR("?"))), what));
}

static enum cli_exit deploy_file(struct cli *cli, struct str file) {
    struct str path = STR("/v1/workflows"), text;
    struct rest_answer answer;
    struct err err;

    if (!cli_read_file(cli, file, &text, &err)) return cli_usage_error(cli, "%s", err.message);
    enum cli_exit status = rest_ask(cli, &(struct rest_request){
            .method = "POST",
            .path = rest_with_query(path, "dryRun", cli_has(cli, "dry-run") ? "true" : NULL, cli->arena),
            .content_type = str_ends_with(file, STR(".json")) ? "application/json" : "application/yaml",
            .body = text,
            .has_body = true,
    }, file, &answer);
    if (status == CLI_OK) print_deployed(cli, &answer, file);
    return status;
}

static enum cli_exit run_deploy(struct cli *cli) {
    enum cli_exit worst = CLI_OK;

    for (size_t i = 0; i < cli->argument_count; i++) {
        enum cli_exit status = deploy_file(cli, cli->arguments[i]);
        worst = MAX(worst, status);
    }
    return worst;
}

static const struct flag deploy_flags[] = {
    { .name = "dry-run", .kind = FLAG_SWITCH, .help = "only check; nothing is deployed" },
};

const struct command command_deploy = {
    .name = "deploy",
    .arguments = "FILE...",
    .summary = "deploys definitions, or says everything that is wrong with them",
    .details = "FILE is YAML, or JSON where it ends in .json; - is standard input. A fault is printed as\n"
               "FILE:LINE:COLUMN, so that an editor can jump to it. A version that is deployed never changes: give changed\n"
               "content a new version.\n",
    .example = "  penstock deploy examples/order-fulfilment/order.yaml\n"
               "  penstock deploy --dry-run *.yaml\n",
    .arguments_min = 1,
    .arguments_max = CLI_ARGUMENTS_MAX,
    .flags = deploy_flags,
    .flag_count = ARRAY_SIZE(deploy_flags),
    .run = run_deploy,
};

/* ---- workflows ---- */

static enum cli_exit run_workflows(struct cli *cli) {
    static const char *const heads[] = { "WORKFLOW", "VERSION", "TITLE", "DEPLOYED", NULL };
    struct str path = STR("/v1/workflows");
    struct rest_answer answer;
    struct table table;

    path = rest_with_query(path, "namespace", cli_flag(cli, "namespace"), cli->arena);
    path = rest_with_query(path, "search", cli_flag(cli, "search"), cli->arena);
    path = rest_with_query(path, "limit", cli_flag(cli, "limit"), cli->arena);
    enum cli_exit status = rest_get(cli, path, &answer);
    if (status != CLI_OK) return status;
    if (cli->is_json) {
        output_answer(answer.body);
        return CLI_OK;
    }
    struct json items = get(answer.json, "items");
    table_init(&table, cli->arena, heads);
    for (size_t i = 0; i < json_size(items); i++) {
        struct json item = json_at(items, i);
        table_add(&table, (struct str[]){
                str_format(cli->arena, STR_FMT "/" STR_FMT, STR_ARG(json_str(get(item, "namespace"))),
                        STR_ARG(json_str(get(item, "name")))),
                json_str(get(item, "version")),
                json_str(get(item, "title")),
                output_time(get(item, "createdAt"), cli->arena),
        });
    }
    table_print(&table, stdout, output_width(), cli->is_colour);
    return CLI_OK;
}

static const struct flag workflows_flags[] = {
    { .name = "namespace", .value = "NS", .kind = FLAG_VALUE, .help = "only of this namespace" },
    { .name = "search", .value = "TEXT", .kind = FLAG_VALUE, .help = "only with this in name or title" },
    { .name = "limit", .value = "N", .kind = FLAG_VALUE, .help = "at most N (50, at most 500)" },
};

const struct command command_workflows = {
    .name = "workflows",
    .arguments = "",
    .summary = "lists what is deployed, the newest version of each",
    .example = "  penstock workflows --namespace shop\n",
    .flags = workflows_flags,
    .flag_count = ARRAY_SIZE(workflows_flags),
    .run = run_workflows,
};

/* Commands that ask no server. */

#include "apps/allinone/allinone.h"
#include "apps/cli/cli.h"
#include "apps/cli/help.h"

const struct command command_dev = {
    .name = "dev",
    .arguments = "[--data DIR] [SETTINGS]",
    .summary = "runs a whole server in this process, for development and small installations",
    .details = "The API is on http://127.0.0.1:8000, health and metrics on http://127.0.0.1:8001. What it knows is kept in\n"
               "DIR (./penstock-data) and survives any crash. `penstock dev --help` lists all settings.\n",
    .example = "  penstock dev --data /var/lib/penstock\n"
               "  PENSTOCK_LISTEN=127.0.0.1:9000 penstock dev\n",
    .run_raw = allinone_main,
};

static enum cli_exit run_completion(struct cli *cli) {
    if (!str_equal(cli->arguments[0], STR("bash"))) {
        return cli_usage_error(cli, "there is a completion for bash, not for '" STR_FMT "'", STR_ARG(cli->arguments[0]));
    }
    help_completion(stdout);
    return CLI_OK;
}

const struct command command_completion = {
    .name = "completion",
    .arguments = "bash",
    .summary = "prints a script that completes commands and flags",
    .example = "  source <(penstock completion bash)\n"
               "  penstock completion bash >/etc/bash_completion.d/penstock\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_completion,
};

static enum cli_exit run_help(struct cli *cli) {
    if (cli->argument_count == 0) {
        help_all(stdout);
        return CLI_OK;
    }
    const struct command *command = cli_find_command(cli->arguments[0]);
    if (!command) return cli_usage_error(cli, "there is no command '" STR_FMT "'", STR_ARG(cli->arguments[0]));
    help_command(command, stdout);
    return CLI_OK;
}

const struct command command_help = {
    .name = "help",
    .arguments = "[COMMAND]",
    .summary = "explains a command, or lists all",
    .example = "  penstock help start\n",
    .arguments_max = 1,
    .run = run_help,
};

static enum cli_exit run_version(struct cli *cli) {
    if (cli->is_json) {
        printf("{\"version\":\"%s\",\"dsl\":\"1.0.3\"}\n", CLI_VERSION);
    } else {
        printf("penstock %s (DSL 1.0.3)\n", CLI_VERSION);
    }
    return CLI_OK;
}

const struct command command_version = {
    .name = "version",
    .arguments = "",
    .summary = "prints the version of this program",
    .example = "  penstock version\n",
    .run = run_version,
};

/* Commands that steer an instance. */

#include "apps/cli/cli.h"
#include "apps/cli/output.h"
#include "apps/cli/rest.h"
#include "common/arena.h"

static struct str path_of(struct cli *cli, const char *action) {
    return str_format(cli->arena, "/v1/instances/" STR_FMT "/%s", STR_ARG(rest_escape(cli->arguments[0], cli->arena)), action);
}

/* It was taken down and will be done; `penstock show` says when it is. */
static void print_accepted(const struct cli *cli, const struct rest_answer *answer) {
    if (cli->is_json) {
        output_answer(answer->body);
    } else {
        output_text(cli, str_format(cli->arena, STR_FMT "  %s requested", STR_ARG(cli->arguments[0]), cli->command->name));
    }
}

/* Every action is a POST to the path of its name. */
static enum cli_exit run_action(struct cli *cli) {
    struct rest_answer answer;
    enum cli_exit status = rest_post(cli, path_of(cli, cli->command->name), STR_NULL, &answer);

    if (status == CLI_OK) print_accepted(cli, &answer);
    return status;
}

#define ACTION(command_name, what, more)                                                           \
    {                                                                                              \
        .name = command_name, .arguments = "ID", .summary = what, .details = more,                 \
        .example = "  penstock " command_name " 0198f0c2-7d2e-7c3a-9a53-8a5d0c3c1f10\n",            \
        .arguments_min = 1, .arguments_max = 1, .run = run_action,                                 \
    }

const struct command command_cancel = ACTION("cancel", "cancels an instance and lets it compensate",
        "What the definition compensates is compensated before it ends. `penstock terminate` does not do that.\n");
const struct command command_terminate = ACTION("terminate", "ends an instance at once, without compensation", NULL);
const struct command command_suspend = ACTION("suspend", "holds an instance before its next task",
        "Time that it waits for goes on; what became due is done when it is resumed.\n");
const struct command command_resume = ACTION("resume", "lets a suspended instance go on", NULL);
const struct command command_retry = ACTION("retry", "runs a faulted instance again, from the task that faulted", NULL);

/* ---- signal ---- */

static enum cli_exit run_signal(struct cli *cli) {
    struct rest_answer answer;
    struct str data;
    struct err err;

    if (!cli_json_flag(cli, "data", &data, &err)) return cli_usage_error(cli, "%s", err.message);
    struct str path = str_format(cli->arena, STR_FMT "/" STR_FMT, STR_ARG(path_of(cli, "signals")),
            STR_ARG(rest_escape(cli->arguments[1], cli->arena)));
    enum cli_exit status = rest_post(cli, path, data.size ? data : STR("null"), &answer);
    if (status == CLI_OK) print_accepted(cli, &answer);
    return status;
}

static const struct flag signal_flags[] = {
    { .name = "data", .value = "JSON", .kind = FLAG_VALUE, .help = "what the signal carries: JSON, @FILE, or -" },
};

const struct command command_signal = {
    .name = "signal",
    .arguments = "ID NAME",
    .summary = "sends a signal to one instance",
    .example = "  penstock signal 0198f0c2-7d2e-7c3a-9a53-8a5d0c3c1f10 approve --data '{\"by\": \"ada\"}'\n",
    .arguments_min = 2,
    .arguments_max = 2,
    .flags = signal_flags,
    .flag_count = ARRAY_SIZE(signal_flags),
    .run = run_signal,
};

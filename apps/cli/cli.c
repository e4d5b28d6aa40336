#include "apps/cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/cli/help.h"
#include "apps/cli/rest.h"
#include "common/arena.h"
#include "common/assert.h"

enum { WORD_MAX = 64, DISTANCE_MAX = 2 /* typing mistakes that are still a suggestion */ };

const struct command *const commands[] = {
    &command_dev,
    &command_deploy,
    &command_workflows,
    &command_start,
    &command_list,
    &command_show,
    &command_history,
    &command_suspend,
    &command_resume,
    &command_cancel,
    &command_terminate,
    &command_retry,
    &command_signal,
    &command_events,
    &command_emit,
    &command_completion,
    &command_help,
    &command_version,
    NULL,
};

const struct command *cli_find_command(struct str name) {
    for (size_t i = 0; commands[i]; i++) {
        if (str_equal(str_from(commands[i]->name), name)) return commands[i];
    }
    return NULL;
}

/* ---- did you mean ---- */

/* Levenshtein's distance; words that are too long are far from everything. */
static size_t distance(struct str a, struct str b) {
    size_t row[WORD_MAX + 1];

    if (a.size > WORD_MAX || b.size > WORD_MAX) return WORD_MAX;
    for (size_t j = 0; j <= b.size; j++) row[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t above = row[j], change = diagonal + (a.data[i - 1] != b.data[j - 1]);
            row[j] = MIN(MIN(above, row[j - 1]) + 1, change);
            diagonal = above;
        }
    }
    return row[b.size];
}

const char *cli_suggest(struct str word, const char *const *names) {
    const char *best = NULL;
    size_t best_distance = DISTANCE_MAX + 1;

    for (size_t i = 0; names[i]; i++) {
        struct str name = str_from(names[i]);
        size_t far = distance(word, name);
        /* A beginning is meant, too: "comp" for "completion". */
        if (word.size >= 3 && str_starts_with(name, word)) far = MIN(far, (size_t)1);
        if (far >= best_distance || far >= name.size) continue;
        best = names[i];
        best_distance = far;
    }
    return best;
}

static void print_suggestion(struct str word, const char *const *names, const char *prefix) {
    const char *name = cli_suggest(word, names);

    if (name) fprintf(stderr, "  did you mean %s%s?\n", prefix, name);
}

static enum cli_exit unknown_command(struct str name) {
    const char *names[WORD_MAX + 1] = { NULL };

    if (str_starts_with(name, STR("-"))) {
        fputs("penstock: the command comes first, flags behind it: penstock list --url URL\n", stderr);
        return CLI_USAGE;
    }
    for (size_t i = 0; commands[i] && i < WORD_MAX; i++) names[i] = commands[i]->name;
    fprintf(stderr, "penstock: there is no command '" STR_FMT "'\n", STR_ARG(name));
    print_suggestion(name, names, "");
    fputs("  `penstock help` lists all\n", stderr);
    return CLI_USAGE;
}

/* ---- flags ---- */

static const struct flag global_flags[] = {
    { .name = "output", .value = "FORMAT", .kind = FLAG_VALUE,
        .help = "table (default), or json: the server's answer as it came" },
    { .name = "url", .value = "URL", .kind = FLAG_VALUE,
        .help = "where the server is; else PENSTOCK_URL, else http://127.0.0.1:8000" },
    { .name = "help", .kind = FLAG_SWITCH, .help = "what this command does, with an example" },
};

const struct flag *help_global_flags(size_t *ret_count) {
    *ret_count = ARRAY_SIZE(global_flags);
    return global_flags;
}

static const struct flag *find_in(const struct flag *flags, size_t count, struct str name) {
    for (size_t i = 0; i < count; i++) {
        if (str_equal(str_from(flags[i].name), name)) return &flags[i];
    }
    return NULL;
}

static const struct flag *find_flag(const struct command *command, struct str name) {
    const struct flag *flag = find_in(command->flags, command->flag_count, name);

    return flag ? flag : find_in(global_flags, ARRAY_SIZE(global_flags), name);
}

static enum cli_exit unknown_flag(const struct cli *cli, struct str name) {
    const char *names[WORD_MAX + 1] = { NULL };
    size_t count = 0;

    for (size_t i = 0; i < cli->command->flag_count; i++) names[count++] = cli->command->flags[i].name;
    for (size_t i = 0; i < ARRAY_SIZE(global_flags); i++) names[count++] = global_flags[i].name;
    fprintf(stderr, "penstock %s: there is no --" STR_FMT "\n", cli->command->name, STR_ARG(name));
    print_suggestion(name, names, "--");
    fprintf(stderr, "  `penstock help %s` lists all\n", cli->command->name);
    return CLI_USAGE;
}

static enum cli_exit add_given(struct cli *cli, const struct flag *flag, const char *value) {
    if (cli->given_count == CLI_FLAGS_MAX) return cli_usage_error(cli, "more than %d flags", (int)CLI_FLAGS_MAX);
    cli->given[cli->given_count].flag = flag;
    cli->given[cli->given_count++].value = value;
    return CLI_OK;
}

/* Takes the flag at argv[*at], and its value, which may be the next word. */
static enum cli_exit take_flag(struct cli *cli, char **argv, int argc, int *at) {
    struct str rest = str_from(argv[*at] + 2), name = str_slice(rest, 0, str_find_char(rest, '='));
    const struct flag *flag = find_flag(cli->command, name);
    const char *value = name.size < rest.size ? rest.data + name.size + 1 : NULL;

    if (!flag) return unknown_flag(cli, name);
    if (flag->kind == FLAG_SWITCH && value) return cli_usage_error(cli, "--%s takes no value", flag->name);
    if (flag->kind == FLAG_VALUE && !value) {
        if (*at + 1 >= argc) return cli_usage_error(cli, "--%s needs a value: --%s %s", flag->name, flag->name, flag->value);
        value = argv[++*at];
    }
    return add_given(cli, flag, value);
}

bool cli_has(const struct cli *cli, const char *flag) {
    for (size_t i = 0; i < cli->given_count; i++) {
        if (strcmp(cli->given[i].flag->name, flag) == 0) return true;
    }
    return false;
}

const char *cli_flag_at(const struct cli *cli, const char *flag, size_t index) {
    for (size_t i = 0; i < cli->given_count; i++) {
        if (strcmp(cli->given[i].flag->name, flag) == 0 && index-- == 0) return cli->given[i].value;
    }
    return NULL;
}

const char *cli_flag(const struct cli *cli, const char *flag) {
    for (size_t i = cli->given_count; i-- > 0;) {
        if (strcmp(cli->given[i].flag->name, flag) == 0) return cli->given[i].value;
    }
    return NULL;
}

enum cli_exit cli_usage_error(const struct cli *cli, const char *format, ...) {
    va_list arguments;

    fprintf(stderr, "penstock %s: ", cli->command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n  usage: penstock %s%s%s    (more: penstock help %s)\n", cli->command->name,
            *cli->command->arguments ? " " : "", cli->command->arguments, cli->command->name);
    return CLI_USAGE;
}

/* ---- input ---- */

static bool read_stream(FILE *file, struct cli *cli, struct str *ret_text, struct err *err) {
    enum { PIECE = 64 * 1024 };
    struct buf buf;
    size_t size = 1;

    buf_init(&buf, CLI_TEXT_MAX);
    while (size > 0) {
        char *to = buf_reserve(&buf, PIECE);
        size = to ? fread(to, 1, PIECE, file) : 0;
        buf.size += size;
    }
    bool is_over = buf_is_over(&buf), is_read = !ferror(file);
    *ret_text = str_copy(buf_str(&buf), cli->arena);
    buf_clear(&buf);
    if (is_over) return err_set(err, ERR_INVALID, "more than %d MB", CLI_TEXT_MAX / 1024 / 1024);
    return is_read || err_set(err, ERR_INVALID, "cannot be read");
}

bool cli_read_file(struct cli *cli, struct str path, struct str *ret_text, struct err *err) {
    bool is_stdin = str_equal(path, STR("-"));
    FILE *file = is_stdin ? stdin : fopen(str_to_c(path, cli->arena), "r");

    if (!file) return err_set(err, ERR_INVALID, STR_FMT ": %s", STR_ARG(path), strerrordesc_np(errno));
    bool ok = read_stream(file, cli, ret_text, err);
    if (!is_stdin) (void)fclose(file);
    return ok || err_wrap(err, STR_FMT, STR_ARG(path));
}

bool cli_json_flag(const struct cli *cli, const char *flag, struct str *ret_text, struct err *err) {
    const char *value = cli_flag(cli, flag);
    struct cli reader = { .arena = cli->arena };
    struct str text = str_from(value);
    struct json parsed;

    if (value && (value[0] == '@' || strcmp(value, "-") == 0)) {
        struct str path = value[0] == '@' ? str_from(value + 1) : STR("-");
        if (!cli_read_file(&reader, path, &text, err)) return err_wrap(err, "--%s", flag);
    }
    if (value && !json_read(text, NULL, cli->arena, &parsed, NULL, err)) return err_wrap(err, "--%s is not JSON", flag);
    *ret_text = text;
    return true;
}

/* ---- the program ---- */

static enum cli_exit parse(struct cli *cli, int argc, char **argv) {
    bool are_flags_over = false;

    for (int i = 2; i < argc; i++) {
        enum cli_exit taken = CLI_OK;
        if (!are_flags_over && strcmp(argv[i], "--") == 0) {
            are_flags_over = true;
        } else if (!are_flags_over && strncmp(argv[i], "--", 2) == 0) {
            taken = take_flag(cli, argv, argc, &i);
        } else if (!are_flags_over && strcmp(argv[i], "-h") == 0) {
            taken = add_given(cli, find_flag(cli->command, STR("help")), NULL);
        } else if (cli->argument_count == CLI_ARGUMENTS_MAX) {
            taken = cli_usage_error(cli, "too many arguments");
        } else {
            cli->arguments[cli->argument_count++] = str_from(argv[i]);
        }
        if (taken != CLI_OK) return taken;
    }
    return CLI_OK;
}

static enum cli_exit check_arguments(const struct cli *cli) {
    const struct command *command = cli->command;
    const char *output = cli_flag(cli, "output");

    if (output && strcmp(output, "json") != 0 && strcmp(output, "table") != 0) {
        return cli_usage_error(cli, "--output is table or json, not '%s'", output);
    }
    if (cli->argument_count < command->arguments_min) return cli_usage_error(cli, "something is missing");
    if (cli->argument_count <= command->arguments_max) return CLI_OK;
    return cli_usage_error(cli, "'" STR_FMT "' is one too many", STR_ARG(cli->arguments[command->arguments_max]));
}

static void read_settings(struct cli *cli) {
    const char *url = cli_flag(cli, "url"), *key = getenv("PENSTOCK_API_KEY"), *no_colour = getenv("NO_COLOR");
    const char *output = cli_flag(cli, "output");

    if (!url) url = getenv("PENSTOCK_URL");
    struct str base = str_from(url && *url ? url : "http://127.0.0.1:8000");
    while (str_ends_with(base, STR("/"))) base.size--;
    cli->url = str_to_c(base, cli->arena);
    cli->api_key = key && *key ? key : NULL;
    cli->is_json = output && strcmp(output, "json") == 0;
    cli->is_colour = isatty(STDOUT_FILENO) == 1 && !(no_colour && *no_colour);
}

static enum cli_exit run(struct cli *cli, int argc, char **argv) {
    enum cli_exit status = parse(cli, argc, argv);

    if (status != CLI_OK) return status;
    if (cli_has(cli, "help")) {
        help_command(cli->command, stdout);
        return CLI_OK;
    }
    status = check_arguments(cli);
    if (status != CLI_OK) return status;
    read_settings(cli);
    return cli->command->run(cli);
}

int cli_main(int argc, char **argv) {
    struct str name = str_from(argc > 1 ? argv[1] : "");

    if (argc < 2 || str_equal(name, STR("--help")) || str_equal(name, STR("-h"))) {
        help_all(argc < 2 ? stderr : stdout);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    if (str_equal(name, STR("--version"))) name = STR("version");
    struct cli cli = { .command = cli_find_command(name) };
    if (!cli.command) return (int)unknown_command(name);
    if (cli.command->run_raw) return cli.command->run_raw(argc - 1, argv + 1);
    cli.arena = arena_new();
    /* A server that hangs up is an answer, not our end. */
    signal(SIGPIPE, SIG_IGN);
    enum cli_exit status = run(&cli, argc, argv);
    rest_close(cli.rest);
    arena_free(cli.arena);
    /* What was not written was not said. */
    if (fflush(stdout) != 0 && status == CLI_OK) status = CLI_REFUSED;
    return (int)status;
}

#pragma once
/* The command line client: one table of commands, each with its arguments, flags and an example. Help, completion and
 * the parser are made from the table. */

#include <stdio.h>

#include "common/err.h"
#include "common/json.h"
#include "common/str.h"

struct arena;
struct rest;

#define CLI_VERSION "0.1.0"

enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1,       /* the server said no */
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3,
    CLI_ENDED_BADLY = 4,   /* --wait: the instance ended faulted or cancelled */
    CLI_STILL_RUNNING = 5, /* --wait=S: it has not ended yet */
};

enum cli_limit {
    CLI_ARGUMENTS_MAX = 32,
    CLI_FLAGS_MAX = 64,
    CLI_TEXT_MAX = 64 * 1024 * 1024, /* a file, an answer */
};

enum flag_kind {
    FLAG_SWITCH,   /* --dry-run */
    FLAG_VALUE,    /* --key K, --key=K */
    FLAG_OPTIONAL, /* --wait, --wait=S */
};

struct flag {
    const char *name, *value, *help; /* `value`: its name in help */
    enum flag_kind kind;
    const char *const *choices;      /* for completion, ended by NULL; may be NULL */
};

struct cli;

struct command {
    const char *name, *arguments, *summary; /* `arguments` as in help: "NS/NAME" */
    const char *details;                    /* lines that explain; may be NULL */
    const char *example;
    uint32_t arguments_min, arguments_max;
    const struct flag *flags;
    size_t flag_count;
    enum cli_exit (*run)(struct cli *cli);
    int (*run_raw)(int argc, char **argv);  /* in place of `run`: reads its words itself; argv[0] is its name */
};

/* One run of the program. */
struct cli {
    struct arena *arena;
    const struct command *command;
    struct str arguments[CLI_ARGUMENTS_MAX];
    size_t argument_count;
    struct {
        const struct flag *flag;
        const char *value; /* NULL: none was given */
    } given[CLI_FLAGS_MAX];
    size_t given_count;
    const char *url, *api_key;
    bool is_json;   /* print answers as they are */
    bool is_colour;
    struct rest *rest;
};

int cli_main(int argc, char **argv);

/* ---- for commands ---- */

bool cli_has(const struct cli *cli, const char *flag);
const char *cli_flag(const struct cli *cli, const char *flag); /* the last value; NULL if not given */
const char *cli_flag_at(const struct cli *cli, const char *flag, size_t index); /* of a flag given many times */

/* Says what is wrong with how the command was called, and gives CLI_USAGE. */
PRINTF(2, 3) enum cli_exit cli_usage_error(const struct cli *cli, const char *format, ...);

/* Reads the JSON of a flag: as it stands, @FILE, or - for standard input. *ret_text keeps its digits; empty where the
 * flag was not given.
 * Errors   INVALID  cannot be read; MALFORMED  not JSON */
MUST_USE bool cli_json_flag(const struct cli *cli, const char *flag, struct str *ret_text, struct err *err);

/* Reads a file, or standard input for "-". */
MUST_USE bool cli_read_file(struct cli *cli, struct str path, struct str *ret_text, struct err *err);

/* The command of that name, or NULL. */
const struct command *cli_find_command(struct str name);

/* The entry of `names` (ended by NULL) that a typing mistake away from `word`, or NULL. */
const char *cli_suggest(struct str word, const char *const *names);

/* ---- commands, by file ---- */

extern const struct command *const commands[]; /* ended by NULL; cli.c */

extern const struct command command_deploy, command_workflows; /* commands_definitions.c */
extern const struct command command_start, command_list, command_show, command_history; /* commands_instances.c */
extern const struct command command_cancel, command_terminate, command_suspend, command_resume, command_retry,
        command_signal; /* commands_control.c */
extern const struct command command_events, command_emit; /* commands_events.c */
extern const struct command command_dev, command_completion, command_help, command_version; /* commands_local.c */

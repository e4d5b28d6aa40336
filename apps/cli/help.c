#include "apps/cli/help.h"

#include <string.h>

static const char exit_codes[] =
    "Exit status\n"
    "  0  done\n"
    "  1  the server refused; it says why\n"
    "  2  the command was not understood\n"
    "  3  no answer from the server\n"
    "  4  --wait: the instance ended faulted or cancelled\n"
    "  5  --wait=S: the instance has not ended yet\n";

static const char environment_text[] =
    "Environment\n"
    "  PENSTOCK_URL      where the server is (http://127.0.0.1:8000)\n"
    "  PENSTOCK_API_KEY  sent with every call\n"
    "  NO_COLOR          no colours, whatever it says\n";

void help_all(FILE *file) {
    fputs("penstock: durable workflows\n\nusage: penstock COMMAND [ARGUMENTS] [FLAGS]\n\nCommands\n", file);
    for (size_t i = 0; commands[i]; i++) fprintf(file, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nStart here\n"
          "  penstock dev                          a whole server in one process; leave it running\n"
          "  penstock deploy examples/hello.yaml   in another terminal\n"
          "  penstock start examples/hello --input '{\"name\": \"world\"}' --wait\n"
          "\nEach command explains itself: penstock help COMMAND\n\n", file);
    fputs(environment_text, file);
    fputc('\n', file);
    fputs(exit_codes, file);
}

static void print_flag(const struct flag *flag, FILE *file) {
    char text[64];

    switch (flag->kind) {
    case FLAG_SWITCH: snprintf(text, sizeof(text), "--%s", flag->name); break;
    case FLAG_VALUE: snprintf(text, sizeof(text), "--%s %s", flag->name, flag->value); break;
    case FLAG_OPTIONAL: snprintf(text, sizeof(text), "--%s[=%s]", flag->name, flag->value); break;
    }
    fprintf(file, "  %-20s %s\n", text, flag->help);
}

void help_command(const struct command *command, FILE *file) {
    size_t global_count;
    const struct flag *globals = help_global_flags(&global_count);

    fprintf(file, "penstock %s: %s\n\nusage: penstock %s%s%s%s\n", command->name, command->summary, command->name,
            *command->arguments ? " " : "", command->arguments, command->run_raw ? "" : " [FLAGS]");
    if (command->details) fprintf(file, "\n%s", command->details);
    if (!command->run_raw) {
        fputs("\nFlags\n", file);
        for (size_t i = 0; i < command->flag_count; i++) print_flag(&command->flags[i], file);
        for (size_t i = 0; i < global_count; i++) print_flag(&globals[i], file);
    }
    fprintf(file, "\nExample\n%s\n", command->example);
    fputs(exit_codes, file);
}

/* ---- completion ---- */

static void print_flag_words(const struct flag *flags, size_t count, FILE *file) {
    for (size_t i = 0; i < count; i++) fprintf(file, " --%s", flags[i].name);
}

static void print_choices(const struct command *command, FILE *file) {
    for (size_t i = 0; i < command->flag_count; i++) {
        const struct flag *flag = &command->flags[i];
        if (!flag->choices) continue;
        fprintf(file, "        %s:--%s) words=\"", command->name, flag->name);
        for (size_t k = 0; flag->choices[k]; k++) fprintf(file, "%s%s", k ? " " : "", flag->choices[k]);
        fputs("\" ;;\n", file);
    }
}

void help_completion(FILE *file) {
    size_t global_count;
    const struct flag *globals = help_global_flags(&global_count);

    fputs("# Completion for bash:  source <(penstock completion bash)\n"
          "_penstock() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words=\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        words=\"", file);
    for (size_t i = 0; commands[i]; i++) fprintf(file, "%s%s", i ? " " : "", commands[i]->name);
    fputs("\"\n    elif [[ $command == help ]]; then\n        words=\"", file);
    for (size_t i = 0; commands[i]; i++) fprintf(file, "%s%s", i ? " " : "", commands[i]->name);
    fputs("\"\n    else\n        case $command:$before in\n        *:--output) words=\"table json\" ;;\n", file);
    for (size_t i = 0; commands[i]; i++) print_choices(commands[i], file);
    fputs("        completion:*) words=bash ;;\n        esac\n"
          "        if [[ -z $words && $word == -* ]]; then\n            case $command in\n", file);
    for (size_t i = 0; commands[i]; i++) {
        if (commands[i]->run_raw) continue;
        fprintf(file, "            %s) words=\"", commands[i]->name);
        print_flag_words(commands[i]->flags, commands[i]->flag_count, file);
        print_flag_words(globals, global_count, file);
        fputs("\" ;;\n", file);
    }
    /* Without words of ours the default completes file names. */
    fputs("            esac\n        fi\n    fi\n"
          "    if [[ $words ]]; then mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\"); fi\n"
          "}\n"
          "complete -o default -F _penstock penstock\n", file);
}

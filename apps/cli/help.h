#pragma once
/* What the program says about itself, made from the table of commands. */

#include "apps/cli/cli.h"

void help_all(FILE *file);
void help_command(const struct command *command, FILE *file);
void help_completion(FILE *file); /* a script for bash */

const struct flag *help_global_flags(size_t *ret_count);

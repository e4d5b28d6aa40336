#pragma once
/* `penstock dev`: the five services in one process, on SQLite and the embedded bus. */

/* argv[0] is the name, the settings follow (system/config.h). Returns the process's exit status. */
int allinone_main(int argc, char **argv);

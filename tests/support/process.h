#pragma once
/* Real processes for tests: started, awaited, killed. */

#include <sys/types.h>

#include "common/str.h"

/* A folder of its own under build/, made empty; removed with process_remove_folder. */
void process_make_folder(const char *name, char path[256]);
void process_remove_folder(const char *path);

/* Starts `program` with NULL-ended arguments and settings ("NAME=VALUE", NULL-ended, added to the environment); its output goes to
 * `log` (a path, appended). Ends with us. Returns its pid. */
pid_t process_start(const char *program, const char *const *arguments, const char *const *settings, const char *log);

/* Sends a signal and waits for the end; returns the wait status. */
int process_end(pid_t pid, int signal_number);

/* A TCP port on loopback that was free a moment ago. */
int process_free_port(void);

/* Asks http://127.0.0.1:PORT/PATH until it answers 200; false after `timeout_ms`, or when the process has ended. */
bool process_await(pid_t pid, int port, const char *path, int64_t timeout_ms);

int64_t process_now_ms(void); /* monotonic */

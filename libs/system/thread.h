#pragma once
/* Threads with a name; signals are blocked in all of them but the main one. */

#include "common/macros.h"

struct thread;

struct thread *thread_start(const char *name, void (*run)(void *user), void *user);
void thread_join(struct thread *thread); /* waits and frees; NULL is taken */

#pragma once
/* Attributes and small macros that every file may use. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#define NORETURN __attribute__((noreturn))

/* Runs `free_function` on the variable's address when its scope ends. */
#define SCOPED(free_function) __attribute__((cleanup(free_function)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#pragma once
/* What is wrong with a document from outside: one row of `errors` in a problem document. */

#include "common/str.h"

struct arena;

struct fault {
    struct str pointer;    /* RFC 6901, into the document */
    uint32_t line, column; /* from 1; 0 where the document has no text of its own */
    struct str detail;     /* a sentence that says what is wrong, and what to write instead */
};

/* Collects faults, LIMIT_FAULTS at most; the rest is counted only. */
struct faults {
    struct arena *arena;
    struct fault *items;
    size_t count, capacity;
    size_t left_out;
};

void faults_init(struct faults *faults, struct arena *arena);
PRINTF(3, 4) void faults_add(struct faults *faults, struct str pointer, const char *format, ...);

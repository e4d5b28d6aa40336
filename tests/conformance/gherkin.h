#pragma once
/* The part of Gherkin that the conformance kit uses: features, scenarios, steps with a text below. */

#include "common/str.h"

struct arena;

struct gherkin_step {
    struct str text;     /* without its keywords: "the workflow should complete" */
    struct str document; /* the text between """ lines, its indentation taken off; NULL: none */
    unsigned line;
};

struct gherkin_scenario {
    struct str name;
    struct gherkin_step *steps;
    size_t step_count;
};

struct gherkin_feature {
    struct str name;
    struct gherkin_scenario *scenarios;
    size_t scenario_count;
};

/* Reads a feature file; what it gives borrows from `text` or lives in `arena`. */
void gherkin_read(struct str text, struct arena *arena, struct gherkin_feature *ret);

#pragma once
/* What goes wrong at the ports of one simulated process: before and after each call of its store and its bus. */

#include "common/macros.h"

struct bus;
struct store;

/* Each call through a port is a numbered point. A process that crashed goes on until its turn ends, but nothing it does has an
 * effect any more: to the world that is the same as being gone. */
struct faults_plan {
    uint64_t random;          /* state of its own stream */
    int64_t calls;            /* so far */
    int64_t crash_at;         /* the call to crash at; 0: none */
    bool crash_after;         /* crash behind the call's effect, not before it */
    bool dead;
    unsigned fail_per_mille;     /* calls that fail before they do anything */
    unsigned unknown_per_mille;  /* calls that do their work and then fail */
    unsigned crash_per_mille;
    unsigned twice_per_mille;    /* publishes that happen twice */
};

uint64_t faults_random(uint64_t *state);
bool faults_chance(uint64_t *state, unsigned per_mille);

/* Stands before `inner`, which it does not own. */
struct store *faults_store(struct store *inner, struct faults_plan *plan);
struct bus *faults_bus(struct bus *inner, struct faults_plan *plan);

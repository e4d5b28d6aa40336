#include "tests/sim/faults.h"

#include "tests/sim/faults_point.h"

uint64_t faults_random(uint64_t *state) {
    uint64_t mixed = (*state += 0x9E3779B97F4A7C15u);

    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

bool faults_chance(uint64_t *state, unsigned per_mille) {
    return per_mille && faults_random(state) % 1000 < per_mille;
}

enum point point_enter(struct faults_plan *plan) {
    if (plan->dead) return POINT_FAIL;
    plan->calls++;
    bool crash = plan->calls == plan->crash_at || faults_chance(&plan->random, plan->crash_per_mille);
    if (crash && !plan->crash_after) {
        plan->dead = true;
        return POINT_FAIL;
    }
    if (crash) return POINT_CRASH_AFTER;
    if (faults_chance(&plan->random, plan->fail_per_mille)) return POINT_FAIL;
    if (faults_chance(&plan->random, plan->unknown_per_mille)) return POINT_UNKNOWN;
    return POINT_GO_ON;
}

bool point_fails(struct faults_plan *plan, enum point point) {
    if (point == POINT_CRASH_AFTER) plan->dead = true;
    return point != POINT_GO_ON;
}

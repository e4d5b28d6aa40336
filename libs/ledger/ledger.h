#pragma once
/* What the store knows of an instance: head, and the journal above it (architecture.md, "One transition"). Used by the
 * orchestrator to load, by the API to read, by the trigger to audit. */

#include "common/err.h"
#include "core/instance.h"
#include "ledger/definitions.h"
#include "wire/journal.h"

struct arena;
struct store;

/* An instance as it stands: the head's snapshot, with the entries above it replayed. */
struct loaded {
    struct str id;
    const struct instance *instance;     /* NULL: there is none */
    const struct definition *definition; /* acquired: release it */
    int64_t head_version;                /* 0: no head yet */
    const struct journal_entry *above;   /* entries above the head, whose effects are owed (R10) */
    size_t above_count;
};

/* Applies the inputs of one journal entry, in order, to an instance (NULL: there is none yet): the loop over step() that a commit and
 * its replay share. All inputs get `version`; each gets the budget that its step took, which the entry has to keep.
 *
 * Out      *ret: the last step's instance with `applied` noted, all effects and facts; verdict APPLIED if one input was.
           ret_verdicts (may be NULL): one for each input */
void ledger_apply(const struct definition *definition, const struct instance *before, struct input *inputs, size_t count,
        int64_t version, struct origin applied, struct arena *arena, struct step_result *ret, enum step_verdict *ret_verdicts);

/* Loads instances by id, in as few reads as there are entries above the furthest behind head (majority reads, R11).
 * `ids` may not repeat.
 *
 * Out      ret[i] for ids[i], in `arena`
 * Errors   UNAVAILABLE  nothing may be decided
 *          INVALID      a record that cannot be read; the message names the instance */
MUST_USE bool ledger_load(struct store *store, struct definitions *definitions, const struct str *ids, size_t count,
        struct arena *arena, struct loaded *ret, struct err *err);
void ledger_release(struct definitions *definitions, struct loaded *loaded, size_t count);

/* Facts of an instance in order, from sequence number `from` on, at most `limit`; rows as in journal.h. *ret_next is the number
 * to go on from, 0 at the end.
 * Errors   UNAVAILABLE */
MUST_USE bool ledger_history(struct store *store, struct str id, int64_t from, uint32_t limit, struct arena *arena, struct json *ret,
        int64_t *ret_next, struct err *err);

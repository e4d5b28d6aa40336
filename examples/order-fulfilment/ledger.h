#pragma once
/* What the shop's services have done, by order and by Idempotency-Key: work asked for twice under one key is done once.
 * One thread owns a ledger. */

#include "common/buf.h"
#include "common/str.h"

struct ledger;

/* What was done for one order. More than one charge is a customer who paid twice. */
struct ledger_order {
    struct str id;
    int64_t reservations, releases, charges, credit_checks;
    int64_t busy;    /* payments that were answered with 503 */
    int64_t repeats; /* requests under a key that was seen before */
    int64_t unkeyed; /* requests without a key */
};

/* The answer that was given under a key. */
struct ledger_answer {
    struct str key;
    uint64_t request_hash; /* of method, path and body */
    int status;
    struct str body;
    int64_t uses;
};

struct ledger *ledger_new(void);
void ledger_free(struct ledger *ledger); /* NULL is taken */

/* Finds an order, or begins one; NULL where the ledger is full. Valid as long as the ledger. */
struct ledger_order *ledger_order(struct ledger *ledger, struct str id);
const struct ledger_order *ledger_find_order(const struct ledger *ledger, struct str id);

struct ledger_answer *ledger_find_answer(struct ledger *ledger, struct str key);

/* Keeps a copy of an answer under its key; false where the ledger is full. */
MUST_USE bool ledger_keep_answer(struct ledger *ledger, const struct ledger_answer *answer);

/* Appends the whole ledger as JSON: totals, orders, and each key's number of uses where `with_keys`. */
void ledger_write(const struct ledger *ledger, bool with_keys, struct buf *buf);
void ledger_write_order(const struct ledger_order *order, struct buf *buf);

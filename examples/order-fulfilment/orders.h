#pragma once
/* The orders of a file, what has to become of each, and what became of it. */

#include "common/err.h"
#include "common/json.h"
#include "common/str.h"

struct arena;

enum outcome {
    OUTCOME_COMPLETED,
    OUTCOME_DECLINED_CARD,
    OUTCOME_DECLINED_CREDIT,
    OUTCOME_OUT_OF_STOCK,
    OUTCOME_NOT_HANDED_OVER,
    OUTCOME_SAME_INSTANCE,   /* the same order again: answered with the instance that is there */
    OUTCOME_CONFLICT,        /* another order under an id that is taken: 409 */
    OUTCOME_NOT_JSON,        /* 400 */
    OUTCOME_BREAKS_SCHEMA,   /* 422 */
    OUTCOME_OTHER,           /* anything else; never expected */
    OUTCOME_COUNT,
};

enum carrier { CARRIER_POST, CARRIER_COURIER, CARRIER_BULK, CARRIER_LOST };

enum order_state { ORDER_TO_START, ORDER_STARTING, ORDER_RUNNING, ORDER_TO_FETCH, ORDER_FETCHING, ORDER_DONE };
enum parcel_state { PARCEL_NONE, PARCEL_DUE, PARCEL_SENDING, PARCEL_HANDED_OVER };

struct order {
    size_t line;              /* from 1 */
    struct str text, id;      /* no id where the line is not JSON */
    struct json input;
    enum carrier carrier;
    enum outcome expected;
    int64_t total_cents;      /* what it has to cost */
    const struct order *first; /* the earlier order of the same id */

    enum order_state state;
    enum parcel_state parcel;
    uint32_t tries;
    int64_t not_before_ms;    /* of the next try */
    struct str instance;
    enum outcome got;
    struct str note;          /* why it was refused, or what is wrong */
};

const char *outcome_text(enum outcome outcome);

/* Reads a file of one order a line, and works out how each has to end.
 *
 * Out      *ret_orders, in `arena`, borrows `text`
 * Errors   TOO_LARGE  more than 5,000 lines */
MUST_USE bool orders_read(struct str text, struct arena *arena, struct order **ret_orders, size_t *ret_count,
        struct err *err);

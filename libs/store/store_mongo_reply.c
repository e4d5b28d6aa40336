#include "store/store_mongo_internal.h"

enum { CODE_DUPLICATE_KEY = 11000, CODE_DISK_FULL = 14031 };

int64_t reply_number(const bson_t *reply, const char *key) {
    bson_iter_t at;

    return bson_iter_init_find(&at, reply, key) ? bson_iter_as_int64(&at) : 0;
}

static bool reply_has_items(const bson_t *reply, const char *key) {
    bson_iter_t at, item;

    return bson_iter_init_find(&at, reply, key) && BSON_ITER_HOLDS_ARRAY(&at)
            && bson_iter_recurse(&at, &item) && bson_iter_next(&item);
}

/* One member of writeErrors: {index, code, errmsg}. */
struct write_error {
    int64_t index, code;
    const char *message;
};

static struct write_error write_error_of(const bson_iter_t *item) {
    struct write_error error = { -1, 0, "" };
    bson_iter_t at;

    if (!BSON_ITER_HOLDS_DOCUMENT(item) || !bson_iter_recurse(item, &at)) return error;
    while (bson_iter_next(&at)) {
        if (BSON_ITER_IS_KEY(&at, "index"))
            error.index = bson_iter_as_int64(&at);
        else if (BSON_ITER_IS_KEY(&at, "code"))
            error.code = bson_iter_as_int64(&at);
        else if (BSON_ITER_IS_KEY(&at, "errmsg") && BSON_ITER_HOLDS_UTF8(&at))
            error.message = bson_iter_utf8(&at, NULL);
    }
    return error;
}

/* Sets the verdicts of the records that writeErrors names; counts them. Any other error than
 * these may be one of a server that is about to step down: unknown. */
static bool read_write_errors(const bson_t *reply, size_t count, enum verdict *verdicts,
        size_t *ret_named, struct err *err) {
    bson_iter_t at, item;
    bool ok = true;

    *ret_named = 0;
    if (!bson_iter_init_find(&at, reply, "writeErrors") || !bson_iter_recurse(&at, &item))
        return true;
    while (bson_iter_next(&item)) {
        struct write_error error = write_error_of(&item);
        if (error.index < 0 || (size_t)error.index >= count) continue;
        bool is_full = error.code == CODE_DISK_FULL;
        enum verdict refused = is_full ? VERDICT_FAILED : VERDICT_UNKNOWN;
        verdicts[error.index] = error.code == CODE_DUPLICATE_KEY ? VERDICT_EXISTS : refused;
        (*ret_named)++;
        if (error.code == CODE_DUPLICATE_KEY) continue;
        if (ok) err_set(err, is_full ? ERR_FULL : ERR_UNKNOWN, "mongodb: %s", error.message);
        ok = false;
    }
    return ok;
}

bool reply_verdicts(const bson_t *reply, const bson_error_t *error, size_t count,
        enum verdict *verdicts, struct err *err) {
    size_t named;

    if (!error) {
        batch_set_all(verdicts, count, VERDICT_DONE);
        return true;
    }
    if (error->domain == MONGOC_ERROR_SERVER_SELECTION) {
        /* The driver gives this one only where it had no server to send to; when it tries a
         * second time, it keeps the error of the first. */
        batch_set_all(verdicts, count, VERDICT_FAILED);
        return err_set(err, ERR_UNAVAILABLE, "mongodb: %s", error->message);
    }
    if (reply_has_items(reply, "writeConcernErrors")) {
        /* Also of those that met their id: the record that is there may yet be taken back (R5). */
        batch_set_all(verdicts, count, VERDICT_UNKNOWN);
        return err_set(err, ERR_UNKNOWN, "mongodb: no majority has confirmed: %s", error->message);
    }
    batch_set_all(verdicts, count, VERDICT_DONE);
    bool ok = read_write_errors(reply, count, verdicts, &named, err);
    int64_t done = reply_number(reply, "nInserted") + reply_number(reply, "nMatched")
            + reply_number(reply, "nUpserted");
    /* A command that was carried out accounts for every record; one that failed as a whole does
     * not. */
    if (named > 0 && done >= 0 && (size_t)done + named == count) return ok;
    batch_set_all(verdicts, count, VERDICT_UNKNOWN);
    return err_set(err, ERR_UNKNOWN, "mongodb: %s", error->message);
}

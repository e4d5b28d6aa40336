#pragma once
/* Records, conditions and indexes as BSON, and what is behind a mongodb: URL. The one header that
 * includes mongoc.h.
 *
 * A record is {_id, version, one member for each field, body: binary}. */

/* Functions in its headers do not pass our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <mongoc/mongoc.h>
#pragma GCC diagnostic pop

#include "store/store_internal.h"

/* ---- store_mongo_document.c ---- */

void document_encode(
        const struct schema *schema, const struct record *record, bson_t *document); /* appends */
void document_decode(const struct schema *schema, const bson_t *document, struct arena *arena,
        struct record *ret);

void append_str(bson_t *document, const char *key, struct str value);
void append_ids(bson_t *filter, const struct id_list *list); /* {_id: {$in: …}} */
void append_find(bson_t *filter, const struct find *find, enum segment segment);
void append_sort(bson_t *sort, const struct find *find);

/* ---- store_mongo_reply.c ---- */

int64_t reply_number(const bson_t *reply, const char *key); /* 0 if it is not there */

/* The verdicts of an unordered bulk of `count` inserts or upserts that went as one command.
 * `error` is the driver's, or NULL where it has none. Returns true if all are DONE or EXISTS. */
MUST_USE bool reply_verdicts(const bson_t *reply, const bson_error_t *error, size_t count,
        enum verdict *verdicts, struct err *err);

/* ---- store_mongo_open.c ---- */

struct mongo_address {
    mongoc_uri_t *uri;
    char *database;
    bool allow_standalone;
};

/* Reads the URL, sets what reliability.md (5) asks for where the URL does not. */
MUST_USE bool mongo_address_parse(const char *url, struct mongo_address *ret, struct err *err);
void mongo_address_clear(struct mongo_address *address);

/* A client of its own whose every wait ends at `timeout_ms`: those of a pool have the URL's long
 * ones. NULL: see err. */
mongoc_client_t *mongo_probe_new(
        const struct mongo_address *address, int64_t timeout_ms, struct err *err);

/* Replica set, version, collections, indexes. */
MUST_USE bool mongo_prepare(
        mongoc_client_t *client, const struct mongo_address *address, struct err *err);

/* {w: majority, j: true, wtimeout: 5000}, as a member of the options of a command. */
void append_write_concern(bson_t *options);

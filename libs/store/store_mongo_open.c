#include "store/store_mongo_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/assert.h"
#include "common/buf.h"

enum {
    URL_SIZE_MAX = 16 * 1024,
    WRITE_TIMEOUT_MS = 5000,
    SOCKET_TIMEOUT_MS = 10 * 1000,
    SELECTION_TIMEOUT_MS = 15 * 1000,
    HEARTBEAT_MS = 2000,
    POOL_WAIT_MS = 10 * 1000,
    WIRE_VERSION_MIN = 13, /* MongoDB 5.0 */
    FEATURE_VERSION_MIN = 5,
    CODE_NAMESPACE_EXISTS = 48,
};

/* ---- the URL ---- */

/* Takes allowStandalone, which is ours, out of the query. *ret_url is to be freed. */
static bool cut_own_option(const char *url, char **ret_url, bool *ret_allow, struct err *err) {
    struct str rest = str_from(url);
    struct str before = str_cut(&rest, '?');
    struct buf buf;
    bool first = true;

    buf_init(&buf, URL_SIZE_MAX);
    buf_append(&buf, before);
    *ret_allow = false;
    while (rest.size > 0) {
        struct str option = str_cut(&rest, '&');
        struct str value = option;
        struct str name = str_cut(&value, '=');
        if (str_equal_nocase(name, STR("allowStandalone"))) {
            *ret_allow = str_equal_nocase(value, STR("true"));
            if (*ret_allow || str_equal_nocase(value, STR("false"))) continue;
            buf_clear(&buf);
            return err_set(err, ERR_INVALID, "mongodb: allowStandalone is true or false");
        }
        buf_append_char(&buf, first ? '?' : '&');
        buf_append(&buf, option);
        first = false;
    }
    if (buf_is_over(&buf)) {
        buf_clear(&buf);
        return err_set(err, ERR_INVALID, "mongodb: the URL is longer than %d bytes", URL_SIZE_MAX);
    }
    *ret_url = buf.data;
    return true;
}

static void set_default(mongoc_uri_t *uri, const char *option, int32_t value) {
    if (!mongoc_uri_has_option(uri, option)) mongoc_uri_set_option_as_int32(uri, option, value);
}

static void set_default_flag(mongoc_uri_t *uri, const char *option, bool value) {
    if (!mongoc_uri_has_option(uri, option)) mongoc_uri_set_option_as_bool(uri, option, value);
}

bool mongo_address_parse(const char *url, struct mongo_address *ret, struct err *err) {
    char *plain = NULL;
    bson_error_t error;
    bool allow;

    if (!cut_own_option(url, &plain, &allow, err)) return false;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(plain, &error);
    free(plain);
    if (!uri) return err_set(err, ERR_INVALID, "mongodb: the URL is not valid: %s", error.message);
    set_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_TIMEOUT_MS);
    set_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, SELECTION_TIMEOUT_MS);
    set_default(uri, MONGOC_URI_HEARTBEATFREQUENCYMS, HEARTBEAT_MS);
    set_default(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, POOL_WAIT_MS);
    /* A server by itself has no log of operations to recognise a repeated write by. */
    set_default_flag(uri, MONGOC_URI_RETRYWRITES, !allow);
    set_default_flag(uri, MONGOC_URI_RETRYREADS, true);
    if (!mongoc_uri_has_option(uri, MONGOC_URI_APPNAME)) mongoc_uri_set_appname(uri, "penstock");
    const char *database = mongoc_uri_get_database(uri);
    ret->uri = uri;
    ret->database = strdup(database && database[0] ? database : "penstock");
    ret->allow_standalone = allow;
    assert(ret->database);
    return true;
}

void mongo_address_clear(struct mongo_address *address) {
    if (address->uri) mongoc_uri_destroy(address->uri);
    free(address->database);
    *address = (struct mongo_address){ 0 };
}

/* ---- probing ---- */

mongoc_client_t *mongo_probe_new(
        const struct mongo_address *address, int64_t timeout_ms, struct err *err) {
    mongoc_uri_t *uri = mongoc_uri_copy(address->uri);
    int32_t timeout = (int32_t)MIN(MAX(timeout_ms, (int64_t)1), (int64_t)INT32_MAX);
    bson_error_t error;

    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, timeout);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, false);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, timeout);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, timeout);
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(uri, &error);
    mongoc_uri_destroy(uri);
    if (!client)
        err_set(err, ERR_INVALID, "mongodb: the URL is not valid: %s", error.message);
    else
        mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
    return client;
}

/* ---- the server ---- */

static bool check_kind(mongoc_client_t *client, bool allow_standalone, int64_t *ret_wire_version,
        struct err *err) {
    bson_t *command = BCON_NEW("hello", BCON_INT32(1));
    bson_t reply;
    bson_error_t error;
    bson_iter_t at;

    bool ok = mongoc_client_command_simple(client, "admin", command, NULL, &reply, &error);
    bson_destroy(command);
    if (!ok) {
        bson_destroy(&reply);
        return err_set(err, ERR_UNAVAILABLE, "mongodb: no server: %s", error.message);
    }
    bool is_set =
            bson_iter_init_find(&at, &reply, "setName") || bson_iter_init_find(&at, &reply, "msg");
    *ret_wire_version =
            bson_iter_init_find(&at, &reply, "maxWireVersion") ? bson_iter_as_int64(&at) : 0;
    bson_destroy(&reply);
    if (is_set || allow_standalone) return true;
    return err_set(err, ERR_UNAVAILABLE,
            "mongodb: the server is no replica set, so that nothing it acknowledges is sure to "
            "stay; make it one (of "
            "one member, if need be), or add allowStandalone=true to the URL");
}

/* The version whose formats the servers write; lower than that of the programs in the middle of
 * an upgrade. Not told by a mongos, nor without the right to ask: then the programs' own version
 * has to do. */
static bool check_version(mongoc_client_t *client, int64_t wire_version, struct err *err) {
    bson_t *command =
            BCON_NEW("getParameter", BCON_INT32(1), "featureCompatibilityVersion", BCON_INT32(1));
    bson_t reply;
    bson_error_t error;
    bson_iter_t at, version;
    long major = FEATURE_VERSION_MIN;

    bool ok = mongoc_client_command_simple(client, "admin", command, NULL, &reply, &error);
    bson_destroy(command);
    if (ok && bson_iter_init(&at, &reply)
            && bson_iter_find_descendant(&at, "featureCompatibilityVersion.version", &version)
            && BSON_ITER_HOLDS_UTF8(&version)) {
        major = strtol(bson_iter_utf8(&version, NULL), NULL, 10);
    }
    bson_destroy(&reply);
    if (major >= FEATURE_VERSION_MIN && wire_version >= WIRE_VERSION_MIN) return true;
    return err_set(err, ERR_UNAVAILABLE,
            "mongodb: the server is too old; version 5.0 with featureCompatibilityVersion 5.0 is "
            "the first that will do");
}

/* ---- collections and indexes ---- */

void append_write_concern(bson_t *options) {
    mongoc_write_concern_t *concern = mongoc_write_concern_new();

    mongoc_write_concern_set_wmajority(concern, WRITE_TIMEOUT_MS);
    mongoc_write_concern_set_journal(concern, true);
    bool ok = mongoc_write_concern_append(concern, options);
    mongoc_write_concern_destroy(concern);
    assert(ok);
}

/* Appends {name, key, partialFilterExpression?}. `_id` ends every key: ties are in its order,
 * and pages go on from it. Where the first of several fields is absent, nobody looks: heads
 * without a timer are not in (shard, wakeAt). */
static void append_index(
        bson_t *indexes, uint32_t number, const struct schema *schema, const struct index *index) {
    bool is_many =
            schema->fields[schema_field(schema, index->fields[0])].kind == FIELD_KIND_STRINGS;
    char text[16], name[256] = "";
    const char *place;
    bson_t row, key;

    bson_uint32_to_string(number, &place, text, sizeof(text));
    bson_append_document_begin(indexes, place, -1, &row);
    bson_append_document_begin(&row, "key", -1, &key);
    for (int i = 0; i < STORE_INDEX_FIELDS_MAX && index->fields[i]; i++) {
        size_t used = strlen(name);
        bson_append_int32(&key, index->fields[i], -1, 1);
        snprintf(name + used, sizeof(name) - used, "%s%s", i > 0 ? "." : "", index->fields[i]);
    }
    bson_append_int32(&key, "_id", -1, 1);
    bson_append_document_end(&row, &key);
    bson_append_utf8(&row, "name", -1, name, -1);
    if (is_many || index->fields[1]) {
        bson_t *filter = BCON_NEW(index->fields[0], "{", "$exists", BCON_BOOL(true), "}");
        bson_append_document(&row, "partialFilterExpression", -1, filter);
        bson_destroy(filter);
    }
    bson_append_document_end(indexes, &row);
}

static bool run(
        mongoc_client_t *client, const char *database, bson_t *command, bson_error_t *ret_error) {
    append_write_concern(command);
    return mongoc_client_command_simple(client, database, command, NULL, NULL, ret_error);
}

static bool make_collection(mongoc_client_t *client, const char *database,
        const struct schema *schema, struct err *err) {
    bson_t *create = BCON_NEW("create", BCON_UTF8(schema->name));
    bson_t *index = BCON_NEW("createIndexes", BCON_UTF8(schema->name));
    bson_t rows;
    bson_error_t error;

    /* Several processes start at once: that another one was first is as good. */
    bool ok = run(client, database, create, &error)
            || (error.domain == MONGOC_ERROR_SERVER && error.code == CODE_NAMESPACE_EXISTS);
    bson_append_array_begin(index, "indexes", -1, &rows);
    for (uint32_t i = 0; i < schema->index_count; i++)
        append_index(&rows, i, schema, &schema->indexes[i]);
    bson_append_array_end(index, &rows);
    if (ok && schema->index_count > 0) ok = run(client, database, index, &error);
    bson_destroy(create);
    bson_destroy(index);
    if (ok) return true;
    return err_set(err, ERR_UNAVAILABLE,
            "mongodb: collection '%s' or its indexes cannot be made: %s", schema->name,
            error.message);
}

bool mongo_prepare(mongoc_client_t *client, const struct mongo_address *address, struct err *err) {
    int64_t wire_version;

    if (!check_kind(client, address->allow_standalone, &wire_version, err)) return false;
    if (!check_version(client, wire_version, err)) return false;
    for (unsigned i = 0; i < COLLECTION_COUNT; i++) {
        struct schema schema = schema_of((enum collection)i);
        if (!make_collection(client, address->database, &schema, err)) return false;
    }
    return true;
}

/* The few things that scripts ask of MongoDB, for machines without mongosh.
 *
 *     mongo_admin URI initiate            make the first host of URI a replica set of one
 *     mongo_admin URI wait-primary [S]    until a primary takes writes (30 s)
 *     mongo_admin URI drop DB
 *     mongo_admin URI put DB ID TEXT      one document, acknowledged by a majority
 *     mongo_admin URI get DB ID           prints the text
 *
 * Built by tools/stack. Exits 0 when done, 1 when refused or too late, 2 on wrong use. */
#include <mongoc/mongoc.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WAIT_DEFAULT_S = 30,
    WAIT_MAX_S = 3600,
    RETRY_EVERY_US = 100 * 1000,
    ANSWER_MS = 5000,
    ALREADY_INITIALIZED = 23, /* the server's error code */
};

static const char usage_text[] =
        "usage: mongo_admin URI initiate | wait-primary [SECONDS] | drop DB"
        " | put DB ID TEXT | get DB ID\n";

static int fail(const char *what, const bson_error_t *error) {
    (void)fprintf(stderr, "mongo_admin: %s: %s\n", what, error->message);
    return 1;
}

/* A fresh client each time: one that saw the node before its initiation refuses sessions. */
static mongoc_client_t *client_open(const mongoc_uri_t *uri) {
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(uri, &error);

    if (!client) {
        fail("connect", &error);
        return NULL;
    }
    mongoc_client_set_appname(client, "mongo_admin");
    return client;
}

/* The first host alone: a replica set that does not exist yet cannot be discovered. */
static mongoc_client_t *client_open_direct(const mongoc_uri_t *uri) {
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
    mongoc_uri_t *direct = mongoc_uri_new_for_host_port(host->host, host->port);

    mongoc_uri_set_option_as_bool(direct, MONGOC_URI_DIRECTCONNECTION, true);
    mongoc_uri_set_option_as_int32(direct, MONGOC_URI_SOCKETTIMEOUTMS, ANSWER_MS);
    mongoc_client_t *client = client_open(direct);
    mongoc_uri_destroy(direct);
    return client;
}

static int initiate(const mongoc_uri_t *uri) {
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
    const char *set = mongoc_uri_get_replica_set(uri);
    mongoc_client_t *client = client_open_direct(uri);
    bson_error_t error;

    if (!client) return 1;
    bson_t *command = BCON_NEW("replSetInitiate", "{", "_id", BCON_UTF8(set ? set : "rs0"),
            "members", "[", "{", "_id", BCON_INT32(0), "host", BCON_UTF8(host->host_and_port), "}",
            "]", "}");
    bool done = mongoc_client_command_simple(client, "admin", command, NULL, NULL, &error);
    bson_destroy(command);
    mongoc_client_destroy(client);
    if (!done && error.code != ALREADY_INITIALIZED) return fail("initiate", &error);
    return 0;
}

static bool is_writable(const mongoc_uri_t *uri, bson_error_t *error) {
    mongoc_client_t *client = client_open(uri);
    bson_t reply = BSON_INITIALIZER;
    bson_iter_t field;

    if (!client) return false;
    bson_t *command = BCON_NEW("hello", BCON_INT32(1));
    bool answered = mongoc_client_command_simple(client, "admin", command, NULL, &reply, error);
    bool writable = answered && bson_iter_init_find(&field, &reply, "isWritablePrimary")
            && bson_iter_as_bool(&field);
    if (answered && !writable) bson_set_error(error, 0, 0, "the node is not a primary");
    bson_destroy(command);
    bson_destroy(&reply);
    mongoc_client_destroy(client);
    return writable;
}

static int wait_primary(const mongoc_uri_t *uri, const char *seconds) {
    long limit_s = seconds ? strtol(seconds, NULL, 10) : WAIT_DEFAULT_S;
    bson_error_t error = { 0 };

    if (limit_s < 1 || limit_s > WAIT_MAX_S) {
        (void)fprintf(stderr, "mongo_admin: wait between 1 and %d seconds\n", WAIT_MAX_S);
        return 2;
    }
    int64_t deadline_us = bson_get_monotonic_time() + limit_s * 1000000;
    while (!is_writable(uri, &error)) {
        if (bson_get_monotonic_time() > deadline_us) return fail("no primary", &error);
        usleep(RETRY_EVERY_US);
    }
    return 0;
}

static int drop(mongoc_client_t *client, const char *database_name) {
    mongoc_database_t *database = mongoc_client_get_database(client, database_name);
    bson_error_t error;
    bool done = mongoc_database_drop_with_opts(database, NULL, &error);

    mongoc_database_destroy(database);
    return done ? 0 : fail("drop", &error);
}

static int put(mongoc_client_t *client, const char *database, const char *id, const char *text) {
    mongoc_collection_t *collection = mongoc_client_get_collection(client, database, "notes");
    bson_t *selector = BCON_NEW("_id", BCON_UTF8(id));
    bson_t *document = BCON_NEW("_id", BCON_UTF8(id), "text", BCON_UTF8(text));
    bson_t *options =
            BCON_NEW("upsert", BCON_BOOL(true), "writeConcern", "{", "w", "majority", "}");
    bson_error_t error;
    bool done =
            mongoc_collection_replace_one(collection, selector, document, options, NULL, &error);

    bson_destroy(options);
    bson_destroy(document);
    bson_destroy(selector);
    mongoc_collection_destroy(collection);
    return done ? 0 : fail("put", &error);
}

static int get(mongoc_client_t *client, const char *database, const char *id) {
    mongoc_collection_t *collection = mongoc_client_get_collection(client, database, "notes");
    bson_t *filter = BCON_NEW("_id", BCON_UTF8(id));
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, NULL, NULL);
    const bson_t *document = NULL;
    bson_iter_t field;
    bson_error_t error = { .message = "no such document" };
    bool found = mongoc_cursor_next(cursor, &document)
            && bson_iter_init_find(&field, document, "text") && BSON_ITER_HOLDS_UTF8(&field);

    if (found) {
        puts(bson_iter_utf8(&field, NULL));
    } else {
        mongoc_cursor_error(cursor, &error);
    }
    mongoc_cursor_destroy(cursor);
    bson_destroy(filter);
    mongoc_collection_destroy(collection);
    return found ? 0 : fail("get", &error);
}

static int run_with_client(const mongoc_uri_t *uri, int count, char **words) {
    mongoc_client_t *client = client_open(uri);
    int status = 2;

    if (!client) return 1;
    if (count == 2 && strcmp(words[0], "drop") == 0) {
        status = drop(client, words[1]);
    } else if (count == 4 && strcmp(words[0], "put") == 0) {
        status = put(client, words[1], words[2], words[3]);
    } else if (count == 3 && strcmp(words[0], "get") == 0) {
        status = get(client, words[1], words[2]);
    } else {
        (void)fputs(usage_text, stderr);
    }
    mongoc_client_destroy(client);
    return status;
}

static int run(const char *address, int count, char **words) {
    bson_error_t error;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(address, &error);
    int status;

    if (!uri) return fail(address, &error);
    if (count == 1 && strcmp(words[0], "initiate") == 0) {
        status = initiate(uri);
    } else if (count <= 2 && strcmp(words[0], "wait-primary") == 0) {
        status = wait_primary(uri, count == 2 ? words[1] : NULL);
    } else {
        status = run_with_client(uri, count, words);
    }
    mongoc_uri_destroy(uri);
    return status;
}

/* The driver's own log repeats what the error says. */
static void log_nothing(
        mongoc_log_level_t level, const char *domain, const char *message, void *data) {
    (void)level;
    (void)domain;
    (void)message;
    (void)data;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        (void)fputs(usage_text, stderr);
        return 2;
    }
    mongoc_init();
    mongoc_log_set_handler(log_nothing, NULL);
    int status = run(argv[1], argc - 2, argv + 2);
    mongoc_cleanup();
    return status;
}

#pragma once
/* A connection to the SQLite file with its prepared statements: what store_sqlite.c writes and
 * reads through. The one header that includes sqlite3.h. A connection is used by one thread at a
 * time. */

#include <sqlite3.h>

#include "common/buf.h"
#include "store/store_internal.h"

struct connection;

/* Opens the file that is there already; `is_writer` decides about rights, cache and checkpoints. */
MUST_USE bool connection_open(
        const char *path, bool is_writer, struct connection **ret, struct err *err);
void connection_close(struct connection *connection); /* NULL is taken */
sqlite3 *connection_db(struct connection *connection);

/* Reads fail with TIMEOUT from `timeout_ms` on. */
void connection_set_deadline(struct connection *connection, int64_t timeout_ms);

/* Runs a statement without parameters and rows; returns SQLite's code. */
int connection_run(struct connection *connection, const char *sql);

/* Statements on one record, prepared once for each collection. */
enum record_statement {
    STATEMENT_GET,
    STATEMENT_STATE,
    STATEMENT_INSERT,
    STATEMENT_DELETE,
    STATEMENT_COUNT
};

/* Returns SQLite's code. The statement is the connection's; sqlite3_reset() it after use. */
int connection_record_statement(struct connection *connection, enum collection collection,
        enum record_statement statement, sqlite3_stmt **ret);
int connection_statement(
        struct connection *connection, const char *sql, sqlite3_stmt **ret); /* kept by text */

int bind_text(sqlite3_stmt *statement, int parameter, struct str text);
int bind_value(sqlite3_stmt *statement, int parameter, struct json value,
        struct arena *arena); /* absent: NULL */

struct str column_text(sqlite3_stmt *statement, int column); /* borrowed until the next step */
struct json column_value(
        sqlite3_stmt *statement, int column, enum field_kind kind, struct arena *arena);

/* The row that the statement stands on, as sql_get and sql_find select it. */
void column_record(sqlite3_stmt *statement, const struct schema *schema, struct arena *arena,
        struct record *ret);

/* Sets `err` from SQLite's code, for a reader. */
bool read_error(struct connection *connection, int code, struct err *err);

#include "store/store_sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/assert.h"
#include "store/store_sql.h"
#include "system/clock.h"

enum {
    KEPT_MAX = 64, /* statements kept by text */
    CHECK_SIZE_MAX =
            64 * 1024 * 1024,    /* files up to this size are checked whole when they are opened */
    APPLICATION_ID = 0x50656e73, /* "Pens": tells our files from those of others */
    SCHEMA_VERSION = 1,
    BUSY_TIMEOUT_MS = 5000,            /* recovery after a crash, on another connection */
    PROGRESS_INSTRUCTIONS = 10 * 1000, /* between two looks at the clock: well under 1 ms */
};

struct connection {
    sqlite3 *db;
    sqlite3_stmt *of_records[COLLECTION_COUNT][STATEMENT_COUNT];
    sqlite3_stmt *kept[KEPT_MAX];
    size_t kept_next; /* the oldest makes room */
    struct buf sql;
    struct clock clock;
    int64_t deadline_ms;
};

/* ---- opening ---- */

static int on_progress(void *user) {
    const struct connection *connection = user;

    return clock_monotonic_ms(&connection->clock) >= connection->deadline_ms;
}

void connection_set_deadline(struct connection *connection, int64_t timeout_ms) {
    connection->deadline_ms = clock_monotonic_ms(&connection->clock) + timeout_ms;
}

static int read_number(struct connection *connection, const char *sql, int64_t *ret) {
    sqlite3_stmt *statement;
    int code = connection_statement(connection, sql, &statement);

    if (code != SQLITE_OK) return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) *ret = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* Looks whose file this is, before anything in it is changed; marks an empty one as ours. */
static bool identify(struct connection *writer, struct err *err) {
    int64_t id = 0, version = 0, objects = 0;
    int code = read_number(writer, "PRAGMA application_id", &id);

    if (code == SQLITE_OK) code = read_number(writer, "PRAGMA user_version", &version);
    if (code == SQLITE_OK)
        code = read_number(writer, "SELECT count(*) FROM sqlite_schema", &objects);
    if (code != SQLITE_OK) return read_error(writer, code, err);
    bool is_empty = id == 0 && version == 0 && objects == 0;
    if (!is_empty && id != APPLICATION_ID) {
        return err_set(err, ERR_INVALID, "sqlite: the file is the database of another program");
    }
    if (version > SCHEMA_VERSION) {
        return err_set(err, ERR_INVALID,
                "sqlite: the file was made by a newer version (layout %lld, known is %d)",
                (long long)version, SCHEMA_VERSION);
    }
    if (!is_empty) return true;
    char sql[128];
    snprintf(sql, sizeof(sql),
            "BEGIN; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", APPLICATION_ID,
            SCHEMA_VERSION);
    code = sqlite3_exec(writer->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || read_error(writer, code, err);
}

/* A crash does not damage the file, disks and people do. Large files are not checked whole:
 * damage is then reported by the call that meets it. */
static bool check_content(struct connection *writer, struct err *err) {
    sqlite3_stmt *statement;
    int64_t pages = 0, page_size = 0;
    int code = read_number(writer, "PRAGMA page_count", &pages);

    if (code == SQLITE_OK) code = read_number(writer, "PRAGMA page_size", &page_size);
    if (code == SQLITE_OK && pages * page_size > CHECK_SIZE_MAX) return true;
    if (code == SQLITE_OK) code = connection_statement(writer, "PRAGMA quick_check(1)", &statement);
    if (code != SQLITE_OK) return read_error(writer, code, err);
    code = sqlite3_step(statement);
    bool is_sound = code == SQLITE_ROW && str_equal(column_text(statement, 0), STR("ok"));
    if (code == SQLITE_ROW && !is_sound) {
        err_set(err, ERR_INTERNAL, "sqlite: the file is damaged: " STR_FMT,
                STR_ARG(column_text(statement, 0)));
    }
    sqlite3_reset(statement);
    return is_sound || (code == SQLITE_ROW ? false : read_error(writer, code, err));
}

static bool set_up(struct connection *connection, bool is_writer, struct err *err) {
    static const char writer[] =
            /* What was overwritten need not be zeroed: the file has the rights of its owner. */
            "PRAGMA secure_delete = OFF; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = "
            "67108864;"
            "PRAGMA wal_autocheckpoint = 0;";
    static const char reader[] =
            "PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA query_only = ON;";

    sqlite3_busy_timeout(connection->db, BUSY_TIMEOUT_MS);
    if (is_writer && !identify(connection, err)) return false;
    int code = sqlite3_exec(connection->db, is_writer ? writer : reader, NULL, NULL, NULL);
    if (code != SQLITE_OK) return read_error(connection, code, err);
    if (is_writer) return check_content(connection, err);
    sqlite3_progress_handler(connection->db, PROGRESS_INSTRUCTIONS, on_progress, connection);
    return true;
}

bool connection_open(const char *path, bool is_writer, struct connection **ret, struct err *err) {
    struct connection *connection = calloc(1, sizeof(*connection));
    int flags = (is_writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX;

    assert(connection);
    buf_init(&connection->sql, SQL_SIZE_MAX);
    connection->clock = clock_system();
    connection_set_deadline(connection, BUSY_TIMEOUT_MS);
    int code = sqlite3_open_v2(path, &connection->db, flags, NULL);
    assert(connection->db); /* NULL only without memory */
    sqlite3_extended_result_codes(connection->db, 1);
    bool ok = code == SQLITE_OK ? set_up(connection, is_writer, err)
                                : read_error(connection, code, err);
    if (!ok) {
        connection_close(connection);
        return false;
    }
    *ret = connection;
    return true;
}

void connection_close(struct connection *connection) {
    if (!connection) return;
    for (size_t i = 0; i < COLLECTION_COUNT; i++) {
        for (size_t j = 0; j < STATEMENT_COUNT; j++)
            sqlite3_finalize(connection->of_records[i][j]);
    }
    for (size_t i = 0; i < KEPT_MAX; i++)
        sqlite3_finalize(connection->kept[i]);
    int code = sqlite3_close(connection->db);
    assert(code == SQLITE_OK); /* else a statement was not finalized */
    buf_clear(&connection->sql);
    free(connection);
}

sqlite3 *connection_db(struct connection *connection) {
    return connection->db;
}

/* ---- statements ---- */

static int prepare(struct connection *connection, const char *sql, sqlite3_stmt **ret) {
    return sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
}

int connection_record_statement(struct connection *connection, enum collection collection,
        enum record_statement statement, sqlite3_stmt **ret) {
    sqlite3_stmt **place = &connection->of_records[collection][statement];
    struct schema schema = schema_of(collection);
    struct buf *sql = &connection->sql;

    if (!*place) {
        buf_reset(sql);
        switch (statement) {
        case STATEMENT_GET: sql_get(&schema, sql); break;
        case STATEMENT_STATE: sql_state(&schema, sql); break;
        case STATEMENT_INSERT: sql_insert(&schema, sql); break;
        case STATEMENT_DELETE: sql_delete(&schema, sql); break;
        case STATEMENT_COUNT: assert(false);
        }
        int code = prepare(connection, sql->data, place);
        if (code != SQLITE_OK) return code;
    }
    *ret = *place;
    return SQLITE_OK;
}

int connection_statement(struct connection *connection, const char *sql, sqlite3_stmt **ret) {
    for (size_t i = 0; i < KEPT_MAX; i++) {
        if (!connection->kept[i] || strcmp(sqlite3_sql(connection->kept[i]), sql) != 0) continue;
        *ret = connection->kept[i];
        return SQLITE_OK;
    }
    size_t place = connection->kept_next;
    connection->kept_next = (place + 1) % KEPT_MAX;
    sqlite3_finalize(connection->kept[place]);
    connection->kept[place] = NULL;
    int code = prepare(connection, sql, &connection->kept[place]);
    *ret = connection->kept[place];
    return code;
}

int connection_run(struct connection *connection, const char *sql) {
    sqlite3_stmt *statement;
    int code = connection_statement(connection, sql, &statement);

    if (code != SQLITE_OK) return code;
    code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

/* ---- values ---- */

int bind_text(sqlite3_stmt *statement, int parameter, struct str text) {
    return sqlite3_bind_text64(statement, parameter, text.data ? text.data : "", text.size,
            SQLITE_STATIC, SQLITE_UTF8);
}

int bind_value(sqlite3_stmt *statement, int parameter, struct json value, struct arena *arena) {
    switch (json_type(value)) {
    case JSON_NUMBER: return sqlite3_bind_int64(statement, parameter, json_int64_or(value, 0));
    case JSON_STRING: return bind_text(statement, parameter, json_str(value));
    case JSON_ARRAY: return bind_text(statement, parameter, json_to_str(value, arena));
    case JSON_ABSENT:
    case JSON_NULL: return sqlite3_bind_null(statement, parameter);
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_OBJECT: break;
    }
    assert(false); /* fields and conditions have been checked */
}

struct str column_text(sqlite3_stmt *statement, int column) {
    /* In this order: asking for the value may convert it. */
    const char *data = sqlite3_column_blob(statement, column);

    return (struct str){ data, (size_t)sqlite3_column_bytes(statement, column) };
}

struct json column_value(
        sqlite3_stmt *statement, int column, enum field_kind kind, struct arena *arena) {
    struct json array;
    struct err ignored;

    if (sqlite3_column_type(statement, column) == SQLITE_NULL) return (struct json){ 0 };
    switch (kind) {
    case FIELD_KIND_STRING: return json_string_copy(column_text(statement, column), arena);
    case FIELD_KIND_INT: return json_int64(sqlite3_column_int64(statement, column), arena);
    case FIELD_KIND_STRINGS:
        /* We wrote it ourselves; were it damaged all the same, the record is still to be had. */
        if (!json_read(column_text(statement, column), &(struct json_read_options){ 0 }, arena,
                    &array, NULL, &ignored)) {
            return (struct json){ 0 };
        }
        return array;
    }
    return (struct json){ 0 };
}

void column_record(sqlite3_stmt *statement, const struct schema *schema, struct arena *arena,
        struct record *ret) {
    struct json values[STORE_FIELDS_MAX];

    for (int i = 0; i < schema->field_count; i++) {
        values[i] = column_value(statement, COLUMN_FIRST_FIELD + i, schema->fields[i].kind, arena);
    }
    struct record borrowed = {
        .id = column_text(statement, COLUMN_ID),
        .version = sqlite3_column_int64(statement, COLUMN_VERSION),
        .body = column_text(statement, COLUMN_FIRST_FIELD + schema->field_count),
    };
    record_build(schema, &borrowed, values, arena, ret);
}

bool read_error(struct connection *connection, int code, struct err *err) {
    const char *message = sqlite3_errmsg(connection->db);

    switch (code & 0xff) {
    case SQLITE_INTERRUPT: return err_set(err, ERR_TIMEOUT, "sqlite: the query takes too long");
    case SQLITE_NOTADB: return err_set(err, ERR_INVALID, "sqlite: the file is no SQLite database");
    case SQLITE_CORRUPT:
        return err_set(err, ERR_INTERNAL, "sqlite: the file is damaged: %s", message);
    case SQLITE_FULL: return err_set(err, ERR_FULL, "sqlite: the disk is full");
    }
    assert((code & 0xff) != SQLITE_NOMEM);
    assert((code & 0xff) != SQLITE_MISUSE);
    return err_set(err, ERR_UNAVAILABLE, "sqlite: %s (code %d)", message, code);
}

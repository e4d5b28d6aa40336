#include "store/store_internal.h"

/* One file in WAL mode with synchronous=FULL. Writes go to one thread of the store: a caller puts its
 * operation, which lives in the caller's frame, into a queue and waits; the thread takes all that is
 * queued, runs it in one transaction, commits, and wakes the callers. So a single write commits at
 * once, and many share one flush: while a commit is under way the next group gathers. Nobody waits
 * for company.
 *
 * Reads run on the callers' threads over a few read-only connections. Each starts a snapshot of its
 * own after the call began, so that it sees every write that was acknowledged before.
 *
 * A lock file beside the database keeps other processes away; the kernel drops the lock with its
 * holder. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/assert.h"
#include "store/store_sql.h"
#include "store/store_sqlite_internal.h"
#include "system/queue.h"
#include "system/thread.h"

enum {
    READERS = 8,
    GROUP_MAX = 256,         /* operations of one transaction */
    WRITES_MAX = 64 * 1024,  /* that wait; each is a thread of the caller */
    CHECKPOINT_PAGES = 4000, /* 16 MB of WAL */
    CHECKPOINT_PAGES_MAX = 40
            * 1000, /* from here on the writer waits for readers, else the WAL never starts anew */
    PATH_SIZE_MAX = 4000,
};

struct sqlite {
    char *path;
    int lock_fd;
    struct connection *writer; /* the writer thread's */
    struct arena *scratch;     /* likewise; reset for each group */
    struct queue *readers;     /* those at rest */
    size_t reader_count;
    struct queue *writes; /* struct write */
    struct thread *thread;
    struct clock clock;
};

enum write_kind { WRITE_INSERT, WRITE_PUT, WRITE_COMPARE_AND_SET, WRITE_DELETE };

/* Lives in the frame of the caller, who waits until `done`. */
struct write {
    enum write_kind kind;
    enum collection collection;
    const struct record *records;
    const struct str *ids; /* delete */
    size_t count;
    int64_t expected; /* compare and set */
    enum verdict *verdicts;
    struct err err; /* set where not `ok` */
    bool ok;
    struct latch done;
};

/* ---- writing: one record ---- */

static int step_once(sqlite3_stmt *statement) {
    int code = sqlite3_step(statement);

    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

static int bind_head(sqlite3_stmt *statement, const struct record *record) {
    int code = bind_text(statement, SQL_ID, record->id);

    if (code == SQLITE_OK) code = sqlite3_bind_int64(statement, SQL_VERSION, record->version);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_blob64(statement, SQL_BODY,
                record->body.size > 0 ? record->body.data : "", record->body.size, SQLITE_STATIC);
    }
    return code;
}

/* Adds the values of a STRINGS field to its side table, or takes them out. */
static int write_side(struct sqlite *sqlite, enum collection collection, int field,
        struct json values, struct str id, bool add) {
    struct schema schema = schema_of(collection);
    struct buf sql;
    sqlite3_stmt *statement;

    if (json_size(values) == 0) return SQLITE_OK;
    buf_init(&sql, SQL_SIZE_MAX);
    if (add)
        sql_side_insert(&schema, field, &sql);
    else
        sql_side_delete(&schema, field, &sql);
    int code = connection_statement(sqlite->writer, sql.data, &statement);
    buf_clear(&sql);
    for (size_t i = 0; code == SQLITE_OK && i < json_size(values); i++) {
        code = bind_text(statement, 1, json_str(json_at(values, i)));
        if (code == SQLITE_OK) code = bind_text(statement, 2, id);
        if (code == SQLITE_OK) code = step_once(statement);
    }
    return code;
}

static int insert_record(struct sqlite *sqlite, enum collection collection,
        const struct record *record, bool *ret_done) {
    struct schema schema = schema_of(collection);
    struct json values[STORE_FIELDS_MAX];
    sqlite3_stmt *statement;

    fields_split(&schema, record->fields, values);
    int code =
            connection_record_statement(sqlite->writer, collection, STATEMENT_INSERT, &statement);
    if (code == SQLITE_OK) code = bind_head(statement, record);
    for (int i = 0; code == SQLITE_OK && i < schema.field_count; i++) {
        code = bind_value(statement, SQL_FIRST_FIELD + i, values[i], sqlite->scratch);
    }
    if (code == SQLITE_OK) code = step_once(statement);
    if (code != SQLITE_OK) return code;
    *ret_done = sqlite3_changes(connection_db(sqlite->writer)) > 0;
    for (int i = 0; *ret_done && code == SQLITE_OK && i < schema.field_count; i++) {
        if (schema.fields[i].kind != FIELD_KIND_STRINGS) continue;
        code = write_side(sqlite, collection, i, values[i], record->id, true);
    }
    return code;
}

/* What is stored of a record, less its body. */
struct stored {
    bool is_there;
    int64_t version;
    struct json values[STORE_FIELDS_MAX];
};

static int read_stored(
        struct sqlite *sqlite, enum collection collection, struct str id, struct stored *ret) {
    struct schema schema = schema_of(collection);
    sqlite3_stmt *statement;
    int code = connection_record_statement(sqlite->writer, collection, STATEMENT_STATE, &statement);

    if (code == SQLITE_OK) code = bind_text(statement, SQL_ID, id);
    if (code != SQLITE_OK) return code;
    code = sqlite3_step(statement);
    ret->is_there = code == SQLITE_ROW;
    if (ret->is_there) {
        ret->version = sqlite3_column_int64(statement, COLUMN_VERSION);
        for (int i = 0; i < schema.field_count; i++) {
            ret->values[i] = column_value(
                    statement, COLUMN_FIRST_FIELD + i, schema.fields[i].kind, sqlite->scratch);
        }
    }
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Overwrites a record. Only fields that change are named: SQLite then leaves the other indexes
 * alone. */
static int update_record(struct sqlite *sqlite, enum collection collection,
        const struct record *record, const struct stored *stored) {
    struct schema schema = schema_of(collection);
    struct json values[STORE_FIELDS_MAX];
    sqlite3_stmt *statement;
    struct buf sql;
    uint32_t changed = 0;

    fields_split(&schema, record->fields, values);
    for (int i = 0; i < schema.field_count; i++) {
        if (!json_equal(values[i], stored->values[i])) changed |= 1u << i;
    }
    buf_init(&sql, SQL_SIZE_MAX);
    sql_update(&schema, changed, &sql);
    int code = connection_statement(sqlite->writer, sql.data, &statement);
    buf_clear(&sql);
    if (code == SQLITE_OK) code = bind_head(statement, record);
    for (int i = 0; code == SQLITE_OK && i < schema.field_count; i++) {
        if (changed >> i & 1)
            code = bind_value(statement, SQL_FIRST_FIELD + i, values[i], sqlite->scratch);
    }
    if (code == SQLITE_OK) code = step_once(statement);
    for (int i = 0; code == SQLITE_OK && i < schema.field_count; i++) {
        if (!(changed >> i & 1) || schema.fields[i].kind != FIELD_KIND_STRINGS) continue;
        code = write_side(sqlite, collection, i, stored->values[i], record->id, false);
        if (code == SQLITE_OK)
            code = write_side(sqlite, collection, i, values[i], record->id, true);
    }
    return code;
}

static int delete_record(struct sqlite *sqlite, enum collection collection, struct str id) {
    struct schema schema = schema_of(collection);
    struct stored stored;
    sqlite3_stmt *statement;
    int code = read_stored(sqlite, collection, id, &stored);

    if (code != SQLITE_OK || !stored.is_there) return code;
    for (int i = 0; code == SQLITE_OK && i < schema.field_count; i++) {
        if (schema.fields[i].kind != FIELD_KIND_STRINGS) continue;
        code = write_side(sqlite, collection, i, stored.values[i], id, false);
    }
    if (code == SQLITE_OK) {
        code = connection_record_statement(
                sqlite->writer, collection, STATEMENT_DELETE, &statement);
    }
    if (code == SQLITE_OK) code = bind_text(statement, SQL_ID, id);
    return code == SQLITE_OK ? step_once(statement) : code;
}

/* ---- writing: operations and groups ---- */

static int write_one(struct sqlite *sqlite, struct write *write, size_t i) {
    const struct record *record = &write->records[i];
    struct stored stored;
    bool done = true;
    int code;

    if (write->kind == WRITE_INSERT) {
        code = insert_record(sqlite, write->collection, record, &done);
    } else {
        code = read_stored(sqlite, write->collection, record->id, &stored);
        if (code != SQLITE_OK) return code;
        if (write->kind == WRITE_PUT)
            done = !stored.is_there || stored.version < record->version;
        else if (write->expected == 0)
            done = !stored.is_there;
        else
            done = stored.is_there && stored.version == write->expected;
        if (done && stored.is_there)
            code = update_record(sqlite, write->collection, record, &stored);
        else if (done)
            code = insert_record(sqlite, write->collection, record, &done);
    }
    write->verdicts[i] = done ? VERDICT_DONE : VERDICT_EXISTS;
    return code;
}

static int write_run(struct sqlite *sqlite, struct write *write) {
    int code = SQLITE_OK;

    for (size_t i = 0; code == SQLITE_OK && i < write->count; i++) {
        if (write->kind == WRITE_DELETE)
            code = delete_record(sqlite, write->collection, write->ids[i]);
        else
            code = write_one(sqlite, write, i);
    }
    return code;
}

/* After a commit that failed while flushing, the records may be found after a crash, or not. In
 * every other case the last frame of the transaction is not in the WAL, and nothing of it ever
 * will be. */
static enum verdict verdict_of(int code, bool in_commit) {
    bool in_flush = code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;

    return in_commit && in_flush ? VERDICT_UNKNOWN : VERDICT_FAILED;
}

static void write_fail(struct sqlite *sqlite, struct write *write, int code, enum verdict verdict) {
    sqlite3 *db = connection_db(sqlite->writer);

    assert((code & 0xff) != SQLITE_NOMEM);
    assert((code & 0xff) != SQLITE_MISUSE);
    write->ok = false;
    if (write->verdicts) batch_set_all(write->verdicts, write->count, verdict);
    if (verdict == VERDICT_UNKNOWN) {
        err_set(&write->err, ERR_UNKNOWN, "sqlite: flushing failed: %s",
                strerror(sqlite3_system_errno(db)));
    } else if ((code & 0xff) == SQLITE_FULL || (code & 0xff) == SQLITE_IOERR) {
        int error = sqlite3_system_errno(db);
        err_set(&write->err, ERR_FULL, "sqlite: '%s' cannot be written: %s", sqlite->path,
                strerror(error ? error : ENOSPC));
    } else {
        read_error(sqlite->writer, code, &write->err);
    }
}

/* Runs operations as one transaction. False: it was rolled back, and all have failed. */
static bool group_run(
        struct sqlite *sqlite, struct write **writes, size_t count, enum verdict *ret_verdict) {
    int code = connection_run(sqlite->writer, "BEGIN IMMEDIATE");
    bool in_commit = false;

    arena_reset(sqlite->scratch);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
        writes[i]->ok = true;
        code = write_run(sqlite, writes[i]);
    }
    if (code == SQLITE_OK) {
        in_commit = true;
        code = connection_run(sqlite->writer, "COMMIT");
    }
    if (code == SQLITE_OK) return true;
    *ret_verdict = verdict_of(code, in_commit);
    for (size_t i = 0; i < count; i++)
        write_fail(sqlite, writes[i], code, *ret_verdict);
    /* Some errors have rolled back already. */
    if (!sqlite3_get_autocommit(connection_db(sqlite->writer))) {
        code = connection_run(sqlite->writer, "ROLLBACK");
        assert(code == SQLITE_OK);
    }
    return false;
}

/* Where the WAL ends after a commit; noted by a hook, looked at when the callers have been
 * woken. */
static int on_wal(void *user, sqlite3 *db, const char *name, int pages) {
    int *wal_pages = user;

    (void)db, (void)name;
    *wal_pages = pages;
    return SQLITE_OK;
}

/* A checkpoint that fails is tried again with the next commit; the WAL holds all meanwhile. */
static void checkpoint(struct sqlite *sqlite, int *wal_pages) {
    bool insist = *wal_pages >= CHECKPOINT_PAGES_MAX;

    if (*wal_pages < CHECKPOINT_PAGES) return;
    sqlite3_wal_checkpoint_v2(connection_db(sqlite->writer), NULL,
            insist ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    *wal_pages = 0;
}

static void writer_main(void *user) {
    struct sqlite *sqlite = user;
    struct write *writes[GROUP_MAX];
    int wal_pages = 0;
    size_t count;

    sqlite3_wal_hook(connection_db(sqlite->writer), on_wal, &wal_pages);
    while ((count = queue_pop(sqlite->writes, (void **)writes, GROUP_MAX, -1)) > 0) {
        enum verdict verdict = VERDICT_FAILED;
        bool ok = group_run(sqlite, writes, count, &verdict);
        for (size_t i = 0; i < count; i++) {
            /* One that asks for too much shall not take the others with it: each gets a
             * transaction of its own. */
            if (!ok && count > 1 && verdict == VERDICT_FAILED)
                (void)group_run(sqlite, &writes[i], 1, &verdict);
            latch_set(&writes[i]->done);
        }
        checkpoint(sqlite, &wal_pages);
    }
    sqlite3_wal_hook(connection_db(sqlite->writer), NULL, NULL);
}

/* Hands a write to the writer thread and waits for the commit that holds it. */
static bool write_wait(struct sqlite *sqlite, struct write *write, struct err *err) {
    latch_init(&write->done);
    if (!queue_push(sqlite->writes, write))
        return err_set(err, ERR_UNAVAILABLE, "sqlite: too many writes wait");
    latch_wait(&write->done, -1);
    if (!write->ok) *err = write->err;
    return write->ok;
}

static bool sqlite_insert_many(
        void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    struct write write = {
        .kind = WRITE_INSERT,
        .collection = batch->collection,
        .records = batch->records,
        .count = batch->count,
        .verdicts = ret_verdicts,
    };

    return write_wait(state, &write, err);
}

static bool sqlite_put_many(
        void *state, const struct batch *batch, enum verdict *ret_verdicts, struct err *err) {
    struct write write = {
        .kind = WRITE_PUT,
        .collection = batch->collection,
        .records = batch->records,
        .count = batch->count,
        .verdicts = ret_verdicts,
    };

    return write_wait(state, &write, err);
}

static bool sqlite_compare_and_set(
        void *state, const struct batch *one, int64_t expected, bool *ret_won, struct err *err) {
    enum verdict verdict = VERDICT_FAILED;
    struct write write = {
        .kind = WRITE_COMPARE_AND_SET,
        .collection = one->collection,
        .records = one->records,
        .count = 1,
        .expected = expected,
        .verdicts = &verdict,
    };

    if (!write_wait(state, &write, err)) return false;
    *ret_won = verdict == VERDICT_DONE;
    return true;
}

static bool sqlite_delete_many(void *state, const struct id_list *list, struct err *err) {
    struct write write = {
        .kind = WRITE_DELETE,
        .collection = list->collection,
        .ids = list->ids,
        .count = list->count,
    };

    return write_wait(state, &write, err);
}

/* ---- reading ---- */

/* Returns NULL, and sets `err`, if none comes to rest in time. */
static struct connection *reader_take(struct sqlite *sqlite, int64_t timeout_ms, struct err *err) {
    void *reader = NULL;

    if (queue_pop(sqlite->readers, &reader, 1, timeout_ms) == 0) {
        err_set(err, ERR_TIMEOUT, "sqlite: too many reads are under way");
        return NULL;
    }
    connection_set_deadline(reader, timeout_ms);
    return reader;
}

static void reader_give_back(struct sqlite *sqlite, struct connection *reader) {
    bool pushed = queue_push(sqlite->readers, reader);

    assert(pushed);
}

static int get_one(struct connection *reader, enum collection collection, struct str id,
        struct arena *arena, const struct record **ret_record) {
    struct schema schema = schema_of(collection);
    sqlite3_stmt *statement;
    int code = connection_record_statement(reader, collection, STATEMENT_GET, &statement);

    if (code == SQLITE_OK) code = bind_text(statement, SQL_ID, id);
    if (code != SQLITE_OK) return code;
    code = sqlite3_step(statement);
    *ret_record = NULL;
    if (code == SQLITE_ROW) {
        struct record *record = arena_new_one(arena, struct record);
        column_record(statement, &schema, arena, record);
        *ret_record = record;
    }
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Ends a snapshot. A read transaction has nothing to lose. */
static void end_read(struct connection *reader) {
    int code = connection_run(reader, "COMMIT");

    if (code != SQLITE_OK && !sqlite3_get_autocommit(connection_db(reader)))
        connection_run(reader, "ROLLBACK");
}

static bool sqlite_get_many(void *state, const struct id_list *list, struct arena *arena,
        const struct record **ret_records, struct err *err) {
    struct sqlite *sqlite = state;
    bool one = list->count == 1;

    struct connection *reader = reader_take(sqlite, STORE_TIMEOUT_MS, err);
    if (!reader) return false;
    int code = one ? SQLITE_OK : connection_run(reader, "BEGIN");
    for (size_t i = 0; code == SQLITE_OK && i < list->count; i++) {
        code = get_one(reader, list->collection, list->ids[i], arena, &ret_records[i]);
    }
    if (code != SQLITE_OK) read_error(reader, code, err);
    if (!one) end_read(reader);
    reader_give_back(sqlite, reader);
    return code == SQLITE_OK;
}

static int bind_conditions(sqlite3_stmt *statement, const struct find *find, int *parameter) {
    int code = SQLITE_OK;

    for (size_t i = 0; code == SQLITE_OK && i < find->condition_count; i++) {
        const struct find_condition *condition = &find->conditions[i];
        if (condition->operator!= OP_IN) {
            code = bind_value(statement, (*parameter)++, condition->value, NULL);
            continue;
        }
        size_t count = json_size(condition->value);
        for (size_t j = 0; code == SQLITE_OK && j < sql_in_size(count); j++) {
            code = bind_value(
                    statement, (*parameter)++, json_at(condition->value, MIN(j, count - 1)), NULL);
        }
    }
    return code;
}

static int bind_segment(
        sqlite3_stmt *statement, const struct find *find, enum segment segment, int *parameter) {
    int code = SQLITE_OK;

    if (segment == SEGMENT_BEHIND_KEY)
        code = bind_value(statement, (*parameter)++, find->after_value, NULL);
    if (code == SQLITE_OK
            && (segment == SEGMENT_BEHIND_KEY || segment == SEGMENT_BEHIND_ID
                    || segment == SEGMENT_BEHIND_NULL)) {
        code = bind_text(statement, (*parameter)++, find->after_id);
    }
    return code;
}

/* Appends what the segment has to *ret, up to find->limit in all. */
static int find_segment(struct connection *reader, const struct find *find, enum segment segment,
        struct arena *arena, struct found *ret) {
    struct schema schema = schema_of(find->collection);
    sqlite3_stmt *statement;
    struct buf sql;
    int parameter = 1;

    buf_init(&sql, SQL_SIZE_MAX);
    sql_find(&schema, find, segment, &sql);
    int code = connection_statement(reader, sql.data, &statement);
    buf_clear(&sql);
    if (code == SQLITE_OK) code = bind_conditions(statement, find, &parameter);
    if (code == SQLITE_OK) code = bind_segment(statement, find, segment, &parameter);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, parameter, (int64_t)(find->limit - ret->count));
    if (code != SQLITE_OK) return code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        column_record(statement, &schema, arena, &ret->records[ret->count++]);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement); /* they borrow from the caller */
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static bool sqlite_find(void *state, const struct find *find, struct arena *arena,
        struct found *ret, struct err *err) {
    struct sqlite *sqlite = state;
    enum segment segments[2];
    size_t segment_count = find_segments(find, segments);

    struct connection *reader = reader_take(sqlite, STORE_TIMEOUT_MS, err);
    if (!reader) return false;
    ret->count = 0;
    ret->records = arena_new_many(arena, struct record, find->limit);
    int code = connection_run(reader, "BEGIN");
    for (size_t i = 0; code == SQLITE_OK && i < segment_count && ret->count < find->limit; i++) {
        code = find_segment(reader, find, segments[i], arena, ret);
    }
    if (code != SQLITE_OK) read_error(reader, code, err);
    end_read(reader);
    reader_give_back(sqlite, reader);
    return code == SQLITE_OK;
}

static int count_rows(struct connection *reader, const struct find *find, int64_t *ret_count) {
    struct schema schema = schema_of(find->collection);
    sqlite3_stmt *statement;
    struct buf sql;
    int parameter = 1;

    buf_init(&sql, SQL_SIZE_MAX);
    sql_count(&schema, find, &sql);
    int code = connection_statement(reader, sql.data, &statement);
    buf_clear(&sql);
    if (code == SQLITE_OK) code = bind_conditions(statement, find, &parameter);
    if (code != SQLITE_OK) return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) *ret_count = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

static bool sqlite_count(
        void *state, const struct find *find, int64_t *ret_count, struct err *err) {
    struct sqlite *sqlite = state;

    struct connection *reader = reader_take(sqlite, STORE_TIMEOUT_MS, err);
    if (!reader) return false;
    int code = count_rows(reader, find, ret_count);
    if (code != SQLITE_OK) read_error(reader, code, err);
    reader_give_back(sqlite, reader);
    return code == SQLITE_OK;
}

static bool sqlite_ping(void *state, int64_t timeout_ms, struct err *err) {
    struct sqlite *sqlite = state;

    struct connection *reader = reader_take(sqlite, timeout_ms, err);
    if (!reader) return false;
    int code = connection_run(reader, "SELECT count(*) FROM sqlite_schema");
    if (code != SQLITE_OK) read_error(reader, code, err);
    reader_give_back(sqlite, reader);
    return code == SQLITE_OK;
}

static bool sqlite_now(void *state, int64_t *ret_ms, struct err *err) {
    const struct sqlite *sqlite = state;

    (void)err;
    *ret_ms = clock_now_ms(&sqlite->clock);
    return true;
}

/* ---- opening ---- */

static bool make_folders(const char *path, struct err *err) {
    char part[PATH_SIZE_MAX + 1];
    size_t size = strlen(path);

    for (size_t i = 1; i < size; i++) {
        if (path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            return err_set(err, ERR_INVALID, "sqlite: the folder '%s' cannot be made: %s", part,
                    strerror(errno));
        }
    }
    return true;
}

/* The lock is on the open file, not on the process: it goes when the last descriptor is closed,
 * however the holder ends, and it also refuses a second store in this process. It is not on the
 * database itself: closing any descriptor of that one would drop the locks of SQLite. */
static bool take_lock(struct sqlite *sqlite, struct err *err) {
    char path[PATH_SIZE_MAX + sizeof("-lock")];

    snprintf(path, sizeof(path), "%s-lock", sqlite->path);
    sqlite->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (sqlite->lock_fd < 0) {
        return err_set(
                err, ERR_INVALID, "sqlite: '%s' cannot be opened: %s", path, strerror(errno));
    }
    if (flock(sqlite->lock_fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) {
        return err_set(err, ERR_UNAVAILABLE,
                "sqlite: '%s' is in use by another process; one process at a time may open it",
                sqlite->path);
    }
    return err_set(
            err, ERR_UNAVAILABLE, "sqlite: '%s' cannot be locked: %s", path, strerror(errno));
}

static bool make_file(const char *path, struct err *err) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (file < 0)
        return err_set(
                err, ERR_INVALID, "sqlite: '%s' cannot be opened: %s", path, strerror(errno));
    close(file);
    return true;
}

static int run_text(struct connection *connection, struct buf *sql) {
    int code = sqlite3_exec(connection_db(connection), sql->data, NULL, NULL, NULL);

    buf_reset(sql);
    return code;
}

/* A file made before a field was declared lacks its column; records stored since then have
 * nothing in it. */
static int make_column(
        struct connection *writer, const struct schema *schema, int field, struct buf *sql) {
    sqlite3_stmt *statement;
    int code = connection_statement(
            writer, "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2", &statement);

    if (code == SQLITE_OK) code = bind_text(statement, 1, str_from(schema->name));
    if (code == SQLITE_OK) code = bind_text(statement, 2, str_from(schema->fields[field].name));
    if (code != SQLITE_OK) return code;
    code = sqlite3_step(statement);
    bool is_there = code == SQLITE_ROW && sqlite3_column_int64(statement, 0) > 0;
    sqlite3_reset(statement);
    if (code != SQLITE_ROW) return code;
    if (is_there) return SQLITE_OK;
    sql_add_column(schema, field, sql);
    return run_text(writer, sql);
}

static int make_collection(struct connection *writer, enum collection collection, struct buf *sql) {
    struct schema schema = schema_of(collection);

    sql_create_table(&schema, sql);
    int code = run_text(writer, sql);
    for (int i = 0; code == SQLITE_OK && i < schema.field_count; i++) {
        code = make_column(writer, &schema, i, sql);
        if (code != SQLITE_OK || schema.fields[i].kind != FIELD_KIND_STRINGS) continue;
        sql_create_side_table(&schema, i, sql);
        code = run_text(writer, sql);
    }
    for (size_t i = 0; code == SQLITE_OK && i < schema.index_count; i++) {
        if (sql_create_index(&schema, &schema.indexes[i], sql)) code = run_text(writer, sql);
    }
    return code;
}

static bool make_tables(struct connection *writer, struct err *err) {
    struct buf sql;
    int code = connection_run(writer, "BEGIN IMMEDIATE");

    buf_init(&sql, SQL_SIZE_MAX);
    for (unsigned i = 0; code == SQLITE_OK && i < COLLECTION_COUNT; i++) {
        code = make_collection(writer, (enum collection)i, &sql);
    }
    buf_clear(&sql);
    if (code == SQLITE_OK) code = connection_run(writer, "COMMIT");
    return code == SQLITE_OK || read_error(writer, code, err);
}

static bool open_readers(struct sqlite *sqlite, struct err *err) {
    for (int i = 0; i < READERS; i++) {
        struct connection *reader;
        if (!connection_open(sqlite->path, false, &reader, err)) return false;
        reader_give_back(sqlite, reader);
        sqlite->reader_count++;
    }
    return true;
}

static bool open_all(struct sqlite *sqlite, struct err *err) {
    if (!make_folders(sqlite->path, err)) return false;
    if (!take_lock(sqlite, err)) return false;
    if (!make_file(sqlite->path, err)) return false;
    if (!connection_open(sqlite->path, true, &sqlite->writer, err))
        return err_wrap(err, "'%s'", sqlite->path);
    if (!make_tables(sqlite->writer, err)) return err_wrap(err, "'%s'", sqlite->path);
    return open_readers(sqlite, err);
}

static void sqlite_close(void *state) {
    struct sqlite *sqlite = state;
    void *reader;

    queue_close(sqlite->writes); /* what is queued is written yet */
    thread_join(sqlite->thread);
    for (size_t i = 0; i < sqlite->reader_count; i++) {
        size_t taken =
                queue_pop(sqlite->readers, &reader, 1, -1); /* waits for reads that are under way */
        assert(taken == 1);
        connection_close(reader);
    }
    connection_close(sqlite->writer); /* the last one: it brings the WAL into the file */
    if (sqlite->lock_fd >= 0) close(sqlite->lock_fd);
    queue_free(sqlite->writes);
    queue_free(sqlite->readers);
    arena_free(sqlite->scratch);
    free(sqlite->path);
    free(sqlite);
}

static const struct store_backend sqlite_backend = {
    .ping = sqlite_ping,
    .now = sqlite_now,
    .get_many = sqlite_get_many,
    .insert_many = sqlite_insert_many,
    .put_many = sqlite_put_many,
    .compare_and_set = sqlite_compare_and_set,
    .delete_many = sqlite_delete_many,
    .find = sqlite_find,
    .count = sqlite_count,
    .close = sqlite_close,
};

bool store_sqlite_open(const char *rest, struct store **ret, struct err *err) {
    /* sqlite:///absolute/path as well, as other programs write it. */
    const char *path = strncmp(rest, "///", 3) == 0 ? rest + 2 : rest;

    if (path[0] == '\0' || strncmp(path, "//", 2) == 0 || strlen(path) > PATH_SIZE_MAX) {
        return err_set(err, ERR_INVALID, "store: write sqlite:PATH, with the path of a file");
    }
    struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
    assert(sqlite);
    sqlite->lock_fd = -1;
    sqlite->path = strdup(path);
    assert(sqlite->path);
    sqlite->scratch = arena_new();
    sqlite->readers = queue_new(READERS);
    sqlite->writes = queue_new(WRITES_MAX);
    sqlite->clock = clock_system();
    if (!open_all(sqlite, err)) {
        sqlite_close(sqlite);
        return false;
    }
    sqlite->thread = thread_start("store-writer", writer_main, sqlite);
    *ret = store_new(&sqlite_backend, sqlite);
    return true;
}

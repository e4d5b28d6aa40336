#include "store/store.h"

/* What SQLite's backend promises beyond the common suite: files, other processes, SIGKILL, a
 * full disk. The program starts itself again as the process that writes and is killed. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "system/thread.h"

enum {
    OPEN_TIMEOUT_MS = 5000,
    KILLS = 8,
    KILLED_AFTER = 400, /* acknowledged records, and some more each time */
    WRITERS = 4,
    BODY_SIZE = 1024,
    EXIT_REFUSED = 3,
};

struct fixture {
    char folder[64];
    char path[96];
    char url[112];
    struct arena *arena;
};

static int set_up(void **state) {
    struct fixture *at = calloc(1, sizeof(*at));

    if (!at) return -1;
    snprintf(at->folder, sizeof(at->folder), "/tmp/penstock-sqlite-XXXXXX");
    if (!mkdtemp(at->folder)) return -1;
    snprintf(at->path, sizeof(at->path), "%s/store.db", at->folder);
    snprintf(at->url, sizeof(at->url), "sqlite:%s", at->path);
    at->arena = arena_new();
    *state = at;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *at = *state;
    static const char *const endings[] = { "", "-wal", "-shm", "-lock" };
    char path[128];

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        snprintf(path, sizeof(path), "%s%s", at->path, endings[i]);
        unlink(path);
    }
    rmdir(at->folder);
    arena_free(at->arena);
    free(at);
    return 0;
}

static struct store *open_store(const char *url) {
    struct store *store;
    struct err err;

    if (!store_open(url, OPEN_TIMEOUT_MS, &store, &err)) fail_msg("%s: %s", url, err.message);
    return store;
}

static void assert_refused(const char *url, enum err_code code, const char *part) {
    struct store *store;
    struct err err;

    assert_false(store_open(url, OPEN_TIMEOUT_MS, &store, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, part)) fail_msg("'%s' does not say '%s'", err.message, part);
}

static bool insert(struct store *store, const char *id, struct str body, struct err *err) {
    struct record record = { .id = str_from(id), .version = 1, .body = body };
    enum verdict verdict;

    return store_insert_many(store, COLLECTION_JOURNAL, &record, 1, &verdict, err)
            && verdict == VERDICT_DONE;
}

static const struct record *get(
        struct fixture *at, struct store *store, enum collection collection, const char *id) {
    const struct record *record;
    struct str ids[] = { str_from(id) };
    struct err err;

    if (!store_get_many(store, collection, ids, 1, at->arena, &record, &err))
        fail_msg("%s", err.message);
    return record;
}

/* ---- files ---- */

static void test_everything_is_there_after_opening_again(void **state) {
    struct fixture *at = *state;
    struct store *store = open_store(at->url);
    struct json fields = json_object(at->arena, 2), tags = json_array(at->arena, 1);
    struct query query = { .conditions = { { "tags", OP_EQUAL, json_string(STR("t")) } },
        .condition_count = 1,
        .limit = 9 };
    const struct record *found;
    size_t count;
    struct err err;
    enum verdict verdict;

    tags = json_append(tags, json_string(STR("t")), at->arena);
    fields = json_set(json_set(fields, STR("tags"), tags, at->arena), STR("wakeAt"), json_number(7),
            at->arena);
    struct record record = { .id = STR("i"), .version = 3, .fields = fields, .body = STR("body") };
    assert_true(store_put_many(store, COLLECTION_INSTANCES, &record, 1, &verdict, &err));
    store_close(store);
    store = open_store(at->url);
    const struct record *back = get(at, store, COLLECTION_INSTANCES, "i");
    assert_non_null(back);
    assert_int_equal(back->version, 3);
    assert_true(str_equal(back->body, STR("body")));
    assert_int_equal(json_int64_or(json_get(back->fields, STR("wakeAt")), 0), 7);
    assert_true(
            store_find(store, COLLECTION_INSTANCES, &query, at->arena, &found, &count, NULL, &err));
    assert_int_equal(count, 1);
    store_close(store);
}

static void overwrite(const char *path, off_t offset, const void *bytes, size_t size) {
    int file = open(path, O_RDWR | O_CREAT, 0600);

    assert_true(file >= 0);
    assert_int_equal(pwrite(file, bytes, size, offset), size);
    close(file);
}

static void test_files_of_others_are_refused(void **state) {
    struct fixture *at = *state;
    char folder_url[128];

    overwrite(at->path, 0, "Dear diary, today I opened a file.\n", 35);
    assert_refused(at->url, ERR_INVALID, "no SQLite database");
    unlink(at->path);
    store_close(open_store(at->url));
    overwrite(at->path, 68, "\0\0\x12\x34", 4); /* the application's number, in the header */
    assert_refused(at->url, ERR_INVALID, "another program");
    overwrite(at->path, 68, "Pens", 4);
    overwrite(at->path, 60, "\0\0\0\x63", 4); /* the layout's */
    assert_refused(at->url, ERR_INVALID, "newer version");
    overwrite(at->path, 60, "\0\0\0\x01", 4);
    store_close(open_store(at->url)); /* nothing was changed by refusing */
    snprintf(folder_url, sizeof(folder_url), "sqlite:%s", at->folder);
    assert_refused(folder_url, ERR_INVALID, "cannot be opened");
    char lock[128];
    snprintf(lock, sizeof(lock), "%s-lock", at->folder);
    unlink(lock);
}

static void test_damage_is_reported(void **state) {
    struct fixture *at = *state;
    struct store *store = open_store(at->url);
    char junk[4096], id[32];
    struct err err;

    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof(id), "%d", i);
        assert_true(insert(store, id, (struct str){ junk, sizeof(junk) / 8 }, &err));
    }
    store_close(store);
    memset(junk, 0x5a, sizeof(junk));
    for (off_t page = 40; page < 80; page++)
        overwrite(at->path, page * (off_t)sizeof(junk), junk, sizeof(junk));
    assert_refused(at->url, ERR_INTERNAL, "damaged");
}

/* ---- other processes ---- */

/* Starts this program as `--writer URL` or `--open URL`; *ret_output reads what it writes. */
static pid_t start(const char *what, const char *url, int *ret_output) {
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "store_sqlite_test", what, url, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *ret_output = ends[0];
    return pid;
}

static int wait_exit(pid_t pid) {
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_a_second_opener_is_refused(void **state) {
    struct fixture *at = *state;
    struct store *store = open_store(at->url);
    struct err err;
    int output;

    assert_refused(at->url, ERR_UNAVAILABLE, "in use by another process");
    pid_t pid = start("--open", at->url, &output);
    assert_int_equal(wait_exit(pid), EXIT_REFUSED);
    close(output);
    assert_true(insert(store, "still", STR("works"), &err));
    store_close(store);
    pid = start("--open", at->url, &output);
    assert_int_equal(wait_exit(pid), 0);
    close(output);
}

/* What the writer reports when a record has been acknowledged. */
struct report {
    uint32_t writer, number;
};

struct writer {
    struct store *store;
    uint32_t number;
    uint32_t run; /* makes ids of one run differ from those of the next */
    struct thread *thread;
};

static void make_id(char id[64], uint32_t run, uint32_t writer, uint32_t number) {
    snprintf(id, 64, "%u/%u/%010u", run, writer, number);
}

static void fill(char body[BODY_SIZE], const char *id) {
    memset(body, id[strlen(id) - 1], BODY_SIZE);
    memcpy(body, id, strlen(id));
}

static void write_on(void *user) {
    struct writer *writer = user;
    char id[64], body[BODY_SIZE];
    struct err err;

    for (uint32_t i = 0;; i++) {
        struct report report = { writer->number, i };
        make_id(id, writer->run, writer->number, i);
        fill(body, id);
        if (!insert(writer->store, id, (struct str){ body, sizeof(body) }, &err)) abort();
        if (write(STDOUT_FILENO, &report, sizeof(report)) != sizeof(report)) return;
    }
}

static int write_until_killed(const char *url) {
    struct writer writers[WRITERS];
    struct store *store;
    struct err err;

    if (!store_open(url, OPEN_TIMEOUT_MS, &store, &err)) return EXIT_REFUSED;
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .store = store, .number = i, .run = (uint32_t)getpid() };
        writers[i].thread = thread_start("writer", write_on, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        thread_join(writers[i].thread);
    store_close(store);
    return 0;
}

/* Lets a process write, kills it, and returns how far each writer's records were acknowledged: 0
 * … count - 1. */
static void kill_a_writer(
        struct fixture *at, uint32_t kill_after, uint32_t *ret_run, uint32_t counts[WRITERS]) {
    struct report report;
    uint32_t total = 0;
    int output;
    pid_t pid = start("--writer", at->url, &output);

    memset(counts, 0, WRITERS * sizeof(*counts));
    while (read(output, &report, sizeof(report)) == sizeof(report)) {
        assert_int_equal(report.number, counts[report.writer]);
        counts[report.writer]++;
        if (++total == kill_after) assert_int_equal(kill(pid, SIGKILL), 0);
    }
    assert_int_equal(wait_exit(pid), -SIGKILL);
    assert_true(total >= kill_after);
    close(output);
    *ret_run = (uint32_t)pid;
}

static void test_what_was_acknowledged_survives_sigkill(void **state) {
    struct fixture *at = *state;
    uint32_t runs[KILLS], counts[KILLS][WRITERS];
    char id[64], body[BODY_SIZE];

    for (uint32_t i = 0; i < KILLS; i++)
        kill_a_writer(at, KILLED_AFTER + i * 37, &runs[i], counts[i]);
    struct store *store = open_store(at->url); /* checks the file's integrity, too */
    for (uint32_t i = 0; i < KILLS * WRITERS; i++) {
        uint32_t run = i / WRITERS, writer = i % WRITERS;
        for (uint32_t j = 0; j < counts[run][writer]; j++) {
            arena_reset(at->arena);
            make_id(id, runs[run], writer, j);
            fill(body, id);
            const struct record *record = get(at, store, COLLECTION_JOURNAL, id);
            assert_non_null(record);
            assert_true(str_equal(record->body, (struct str){ body, sizeof(body) }));
        }
    }
    store_close(store);
}

/* ---- a full disk ---- */

/* The limit on file sizes stands in for the end of the disk: it needs no rights, and the write
 * fails in the same place. */
static void set_file_limit(rlim_t size) {
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = MIN(size, limit.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_full_disk_is_an_error_that_passes(void **state) {
    struct fixture *at = *state;
    struct store *store = open_store(at->url);
    static char body[64 * 1024];
    char id[32];
    struct err err;
    int done = 0;

    signal(SIGXFSZ, SIG_IGN);
    set_file_limit(2 * 1024 * 1024);
    do {
        snprintf(id, sizeof(id), "%d", done);
        memset(body, 'a' + done % 26, sizeof(body));
    } while (insert(store, id, (struct str){ body, sizeof(body) }, &err) && ++done < 1000);
    assert_int_equal(err.code, ERR_FULL);
    assert_true(done > 5);
    assert_null(get(at, store, COLLECTION_JOURNAL, id)); /* certainly not written */
    for (int i = 0; i < done; i++) {
        snprintf(id, sizeof(id), "%d", i);
        const struct record *record = get(at, store, COLLECTION_JOURNAL, id);
        assert_non_null(record);
        assert_int_equal(record->body.data[0], 'a' + i % 26);
    }
    set_file_limit(RLIM_INFINITY);
    snprintf(id, sizeof(id), "%d", done);
    assert_true(insert(store, id, (struct str){ body, sizeof(body) }, &err));
    store_close(store);
    store = open_store(at->url);
    for (int i = 0; i <= done; i++) {
        snprintf(id, sizeof(id), "%d", i);
        assert_non_null(get(at, store, COLLECTION_JOURNAL, id));
    }
    store_close(store);
}

enum { LARGE_WRITERS = 2, SMALL_WRITERS = 4, LARGE_EACH = 20, SMALL_EACH = 50 };

struct sized_writer {
    struct store *store;
    int number;
    int failed;
    struct thread *thread;
};

static void write_large(void *user) {
    struct sized_writer *writer = user;
    static const char body[4 * 1024 * 1024];
    struct err err;

    for (int i = 0; i < LARGE_EACH; i++) {
        if (!insert(writer->store, "large", (struct str){ body, sizeof(body) }, &err))
            writer->failed++;
    }
}

static void write_small(void *user) {
    struct sized_writer *writer = user;
    struct err err;
    char id[32];

    for (int i = 0; i < SMALL_EACH; i++) {
        snprintf(id, sizeof(id), "small/%d/%d", writer->number, i);
        if (!insert(writer->store, id, STR("small"), &err)) writer->failed++;
    }
}

static void test_one_that_asks_for_too_much_fails_alone(void **state) {
    struct fixture *at = *state;
    struct sized_writer writers[LARGE_WRITERS + SMALL_WRITERS];
    struct store *store = open_store(at->url);

    signal(SIGXFSZ, SIG_IGN);
    set_file_limit(3 * 1024 * 1024);
    /* So many at once share transactions. */
    for (int i = 0; i < LARGE_WRITERS + SMALL_WRITERS; i++) {
        writers[i] = (struct sized_writer){ .store = store, .number = i };
        writers[i].thread =
                thread_start("writer", i < LARGE_WRITERS ? write_large : write_small, &writers[i]);
    }
    for (int i = 0; i < LARGE_WRITERS + SMALL_WRITERS; i++)
        thread_join(writers[i].thread);
    set_file_limit(RLIM_INFINITY);
    for (int i = 0; i < LARGE_WRITERS + SMALL_WRITERS; i++) {
        assert_int_equal(writers[i].failed, i < LARGE_WRITERS ? LARGE_EACH : 0);
    }
    store_close(store);
}

int main(int argc, char **argv) {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_everything_is_there_after_opening_again),
        TEST(test_files_of_others_are_refused),
        TEST(test_damage_is_reported),
        TEST(test_a_second_opener_is_refused),
        TEST(test_what_was_acknowledged_survives_sigkill),
        TEST(test_a_full_disk_is_an_error_that_passes),
        TEST(test_one_that_asks_for_too_much_fails_alone),
    };
#undef TEST
    struct store *store;
    struct err err;

    if (argc == 3 && strcmp(argv[1], "--writer") == 0) return write_until_killed(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--open") == 0) {
        if (!store_open(argv[2], OPEN_TIMEOUT_MS, &store, &err)) return EXIT_REFUSED;
        store_close(store);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

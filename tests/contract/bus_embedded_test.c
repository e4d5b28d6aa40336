/* What the embedded bus promises beyond bus.h: nothing acknowledged is lost by a crash, nothing is
 * invented from damaged files, memory and disk stay bounded. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/bus_internal.h"
#include "common/arena.h"
#include "system/clock.h"
#include "tests/support/bus_fixture.h"

enum {
    PARTITIONS = 4,
    SEGMENT_SIZE = 64 * 1024,
    PATH_MAX_ = 2 * FIXTURE_PATH_MAX + 32,
    VALUE_SIZE = 500,
    BATCH_MAX = 100
};

struct fixture {
    char folder[FIXTURE_PATH_MAX];
    char path[PATH_MAX_];
    struct embedded_limits limits;
    struct bus *bus;
};

static const enum topic executor_topics[] = { TOPIC_EXECUTOR, TOPIC_NONE };

static bool open_at(
        const char *path, const struct embedded_limits *limits, struct bus **ret, struct err *err) {
    struct clock clock = clock_system();
    struct bus_settings settings = {
        .address = path,
        .client_id = "bus-test",
        .partitions = PARTITIONS,
        .timeout_ms = FIXTURE_WAIT_MS,
        .clock = &clock,
    };

    return bus_open_embedded_limited(&settings, limits, ret, err);
}

static void open_bus(struct fixture *fixture) {
    struct err err;

    if (!open_at(fixture->path, &fixture->limits, &fixture->bus, &err))
        fail_msg("open: %s", err.message);
}

static void close_bus(struct fixture *fixture) {
    bus_close(fixture->bus);
    fixture->bus = NULL;
}

static void reopen_bus(struct fixture *fixture) {
    close_bus(fixture);
    open_bus(fixture);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    if (!fixture || !fixture_folder(fixture->folder)) return -1;
    fixture->limits = embedded_limits_default;
    snprintf(fixture->path, sizeof(fixture->path), "%s/bus.db", fixture->folder);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    bus_close(fixture->bus);
    fixture_remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static struct consumer *open_consumer(struct bus *bus) {
    struct consumer *consumer;
    struct err err;

    if (!consumer_open(bus, "g", executor_topics, NULL, &consumer, &err))
        fail_msg("%s", err.message);
    return consumer;
}

static void commit(struct consumer *consumer) {
    struct err err;

    assert_true(consumer_commit(consumer, &err));
}

/* A message with its text. */
struct numbered {
    char key[16], value[VALUE_SIZE + 1];
    struct outgoing message;
};

/* Keys spread over the partitions; the value says which message it is. */
static void make_numbered(struct numbered *numbered, enum topic topic, int number) {
    snprintf(numbered->key, sizeof(numbered->key), "key%d", number % 16);
    memset(numbered->value, 'x', sizeof(numbered->value));
    numbered->value[snprintf(numbered->value, VALUE_SIZE, "%d", number)] = ' ';
    numbered->message = (struct outgoing){
        .topic = topic,
        .key = str_from(numbered->key),
        .value = { numbered->value, VALUE_SIZE },
    };
}

static bool publish_number(struct bus *bus, enum topic topic, int number, struct err *err) {
    struct numbered numbered;

    make_numbered(&numbered, topic, number);
    return bus_publish(bus, &numbered.message, 1, err);
}

/* Many with one sync. */
static void publish_together(struct bus *bus, enum topic topic, int from, int to) {
    static struct numbered numbered[BATCH_MAX];
    struct outgoing messages[BATCH_MAX];
    struct err err;

    for (int i = from; i < to; i += BATCH_MAX) {
        int count = MIN(BATCH_MAX, to - i);
        for (int k = 0; k < count; k++) {
            make_numbered(&numbered[k], topic, i + k);
            messages[k] = numbered[k].message;
        }
        if (!bus_publish(bus, messages, (size_t)count, &err)) fail_msg("publish: %s", err.message);
    }
}

static void publish_numbers(struct bus *bus, enum topic topic, int from, int to) {
    for (int i = from; i < to; i++) {
        struct err err;
        if (!publish_number(bus, topic, i, &err)) fail_msg("publish: %s", err.message);
    }
}

/* Takes all that is there, marks it done if asked; returns how many. */
static int drain(struct bus *bus, bool done, unsigned char *seen, int seen_max) {
    struct consumer *consumer = open_consumer(bus);
    struct arena *arena = arena_new();
    struct batch batch;
    struct err err;
    int count = 0;

    do {
        arena_reset(arena);
        if (!consumer_poll(consumer, 0, 1000, arena, &batch, &err))
            fail_msg("poll: %s", err.message);
        for (size_t i = 0; i < batch.count; i++) {
            const struct message *message = &batch.messages[i];
            int number = atoi(str_to_c(message->value, arena));
            assert_int_equal(message->value.size, VALUE_SIZE);
            assert_true(number >= 0 && number < seen_max);
            seen[number]++;
            if (done)
                consumer_done(consumer, message->topic, message->partition, message->offset,
                        message->epoch);
        }
        count += (int)batch.count;
        commit(consumer);
    } while (batch.count);
    arena_free(arena);
    consumer_close(consumer);
    return count;
}

static int count_files(const struct fixture *fixture, const char *part) {
    DIR *dir = opendir(fixture->folder);
    int count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strstr(entry->d_name, part) != NULL;
    closedir(dir);
    return count;
}

/* ---- reopening ---- */

static void what_was_published_is_there_after_reopening(void **state) {
    struct fixture *fixture = *state;
    unsigned char seen[300] = { 0 };
    struct stat status;

    open_bus(fixture);
    assert_int_equal(stat(fixture->path, &status), 0);
    publish_numbers(fixture->bus, TOPIC_EXECUTOR, 0, 100);
    reopen_bus(fixture);
    publish_numbers(fixture->bus, TOPIC_EXECUTOR, 100, 200);
    reopen_bus(fixture);
    assert_int_equal(drain(fixture->bus, true, seen, 200), 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(seen[i], 1);
    reopen_bus(fixture);
    publish_numbers(fixture->bus, TOPIC_EXECUTOR, 200, 210);
    assert_int_equal(drain(fixture->bus, true, seen, 210), 10);
}

static void marks_survive_reopening(void **state) {
    struct fixture *fixture = *state;
    struct inbox first = { 0 }, second = { 0 };

    open_bus(fixture);
    for (int i = 0; i < 6; i++)
        fixture_publish(fixture->bus, TOPIC_EXECUTOR, "k", (char[]){ (char)('a' + i), '\0' });
    struct consumer *consumer = open_consumer(fixture->bus);
    inbox_fill(&first, consumer, 6);
    fixture_done(consumer, &first.items[0]);
    fixture_done(consumer, &first.items[2]);
    fixture_done(consumer, &first.items[4]);
    consumer_close(consumer);
    reopen_bus(fixture);
    consumer = open_consumer(fixture->bus);
    inbox_fill(&second, consumer, 3);
    assert_int_equal(inbox_poll(&second, consumer, 0), 0);
    assert_string_equal(second.items[0].value, "b");
    assert_string_equal(second.items[1].value, "d");
    assert_string_equal(second.items[2].value, "f");
    assert_true(second.items[0].incarnation == first.items[0].incarnation);
    inbox_clear(&first);
    inbox_clear(&second);
    consumer_close(consumer);
}

static void offsets_go_on_when_all_is_gone(void **state) {
    struct fixture *fixture = *state;
    unsigned char seen[1000] = { 0 };
    struct inbox inbox = { 0 };

    fixture->limits.segment_size = SEGMENT_SIZE;
    open_bus(fixture);
    publish_together(fixture->bus, TOPIC_EXECUTOR, 0, 1000);
    assert_int_equal(drain(fixture->bus, true, seen, 1000), 1000);
    for (int i = 0; i < 3; i++)
        reopen_bus(fixture);
    assert_true(count_files(fixture, "bus.db-0") <= 2);
    publish_numbers(fixture->bus, TOPIC_EXECUTOR, 0, 16);
    struct consumer *consumer = open_consumer(fixture->bus);
    inbox_fill(&inbox, consumer, 16);
    for (size_t i = 0; i < inbox.count; i++)
        assert_true(inbox.items[i].offset > 100);
    consumer_close(consumer);
    inbox_clear(&inbox);
}

static void one_process_has_it(void **state) {
    struct fixture *fixture = *state;
    struct bus *second;
    struct err err;

    open_bus(fixture);
    assert_false(open_at(fixture->path, &fixture->limits, &second, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "in use by another process"));
    close_bus(fixture);
    assert_true(open_at(fixture->path, &fixture->limits, &second, &err));
    bus_close(second);
    assert_false(open_at("/nowhere/at/all/bus.db", &fixture->limits, &second, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void a_call_may_be_larger_than_a_block(void **state) {
    struct fixture *fixture = *state;
    enum { COUNT = 20, SIZE = 800 * 1024 };
    struct outgoing messages[COUNT];
    struct inbox inbox = { 0 };
    char *value = calloc(1, SIZE);
    struct err err;

    assert_non_null(value);
    for (int i = 0; i < COUNT; i++)
        messages[i] = (struct outgoing){ TOPIC_EXECUTOR, STR("k"), { value, SIZE }, NULL, 0 };
    open_bus(fixture);
    if (!bus_publish(fixture->bus, messages, COUNT, &err)) fail_msg("%s", err.message);
    reopen_bus(fixture);
    struct consumer *consumer = open_consumer(fixture->bus);
    inbox_fill(&inbox, consumer, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(inbox.items[i].offset, i);
    consumer_close(consumer);
    inbox_clear(&inbox);
    free(value);
}

/* ---- crashes ---- */

/* In a child: publishes without end and tells the parent of each acknowledgement. */
static void publish_for_ever(const struct fixture *fixture, int pipe_fd, int from) {
    struct bus *bus;
    struct err err;

    if (!open_at(fixture->path, &fixture->limits, &bus, &err)) _exit(1);
    for (int i = from;; i++) {
        if (!publish_number(bus, TOPIC_EXECUTOR, i, &err)) _exit(2);
        if (write(pipe_fd, &i, sizeof(i)) != sizeof(i)) _exit(3);
    }
}

static int read_acks(int fd, int count, int last) {
    for (int number; count > 0 && read(fd, &number, sizeof(number)) == sizeof(number); count--)
        last = number;
    return last;
}

static void killed_processes_lose_nothing(void **state) {
    struct fixture *fixture = *state;
    enum { ROUNDS = 15, NUMBERS_MAX = 100000 };
    unsigned char *seen = calloc(1, NUMBERS_MAX);
    uint64_t random = 7;
    int last = -1;

    assert_non_null(seen);
    fixture->limits.segment_size = SEGMENT_SIZE;
    for (int round = 0; round < ROUNDS; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            publish_for_ever(fixture, fds[1], last + 1);
        }
        close(fds[1]);
        last = read_acks(fds[0], (int)(1 + fixture_random(&random) % 300), last);
        kill(child, SIGKILL);
        last = read_acks(fds[0], NUMBERS_MAX, last);
        close(fds[0]);
        waitpid(child, NULL, 0);
    }
    open_bus(fixture);
    int count = drain(fixture->bus, true, seen, NUMBERS_MAX);
    for (int i = 0; i <= last; i++) {
        if (!seen[i]) fail_msg("message %d of %d was acknowledged and is not there", i, last);
    }
    assert_true(count >= last + 1 && count <= last + 1 + ROUNDS);
    free(seen);
}

/* In a child: takes all, commits, stays idle, ends without closing. */
static void consume_and_end(const struct fixture *fixture) {
    struct inbox inbox = { 0 };
    struct bus *bus;
    struct err err;

    if (!open_at(fixture->path, &fixture->limits, &bus, &err)) _exit(1);
    struct consumer *consumer = open_consumer(bus);
    inbox_fill(&inbox, consumer, 10);
    fixture_done_all(consumer, &inbox);
    if (!consumer_commit(consumer, &err)) _exit(2);
    inbox_poll(&inbox, consumer,
            1500); /* offsets that nothing carries along are written after a second */
    _exit(0);
}

static void idle_offsets_reach_the_disk(void **state) {
    struct fixture *fixture = *state;
    unsigned char seen[10] = { 0 };
    int status;

    open_bus(fixture);
    publish_numbers(fixture->bus, TOPIC_EXECUTOR, 0, 10);
    close_bus(fixture);
    pid_t child = fork();
    if (child == 0) consume_and_end(fixture);
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    open_bus(fixture);
    assert_int_equal(drain(fixture->bus, true, seen, 10), 0);
}

/* ---- damage ---- */

struct damage {
    char name[64];
    char *bytes;
    size_t size;
};

enum { FILES_MAX = 64 };

static size_t read_files(const struct fixture *fixture, struct damage *files) {
    DIR *dir = opendir(fixture->folder);
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[PATH_MAX_ + 256];
        struct stat status;
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof(path), "%.255s/%.255s", fixture->folder, entry->d_name);
        int fd = open(path, O_RDONLY);
        assert_true(fd >= 0 && fstat(fd, &status) == 0 && count < FILES_MAX);
        struct damage *file = &files[count++];
        snprintf(file->name, sizeof(file->name), "%.60s", entry->d_name);
        file->size = (size_t)status.st_size;
        file->bytes = malloc(file->size + 1);
        assert_int_equal(read(fd, file->bytes, file->size), (ssize_t)file->size);
        close(fd);
    }
    closedir(dir);
    return count;
}

static void write_files(const char *folder, const struct damage *files, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX_ + 256];
        if (!files[i].bytes) continue;
        snprintf(path, sizeof(path), "%.255s/%.63s", folder, files[i].name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, files[i].bytes, files[i].size), (ssize_t)files[i].size);
        close(fd);
    }
}

/* Cuts a file, flips a few bits, or takes a file away: any but the oldest segment, which might as well have been
 * let go. */
static void harm(struct damage *files, size_t count, uint64_t *random) {
    struct damage *file = &files[fixture_random(random) % count];

    switch (fixture_random(random) % 4) {
    case 0: file->size = fixture_random(random) % (file->size + 1); return;
    case 1:
        if (!strstr(file->name, "-0000000001")) file->bytes = NULL;
        return;
    default:
        if (file->size == 0) return;
        for (uint64_t i = fixture_random(random) % 3 + 1; i; i--) {
            file->bytes[fixture_random(random) % file->size] ^=
                    (char)(1 << fixture_random(random) % 8);
        }
    }
}

/* After damage: refused, or messages 0…k, each once, none other. Returns k + 1, or -1. */
static int check_damaged(const struct fixture *fixture, const char *folder, int count) {
    unsigned char *seen = calloc(1, (size_t)count);
    char path[PATH_MAX_];
    struct bus *bus;
    struct err err;
    int found = -1;

    assert_non_null(seen);
    snprintf(path, sizeof(path), "%s/bus.db", folder);
    if (open_at(path, &fixture->limits, &bus, &err)) {
        found = drain(bus, false, seen, count);
        for (int i = 0; i < found; i++)
            assert_int_equal(seen[i], 1);
        assert_true(publish_number(bus, TOPIC_EXECUTOR, 0, &err));
        bus_close(bus);
    } else {
        assert_int_equal(err.code, ERR_INTERNAL);
    }
    free(seen);
    return found;
}

static void damaged_files_give_a_prefix_or_nothing(void **state) {
    struct fixture *fixture = *state;
    enum { NUMBERS = 300, ROUNDS = 300 };
    struct damage files[FILES_MAX], harmed[FILES_MAX];
    int refused = 0, whole = 0, part = 0;
    const char *seed = getenv("SEED");
    uint64_t random = seed ? strtoull(seed, NULL, 10) : 42;

    print_message("SEED=%llu\n", (unsigned long long)random);
    fixture->limits.segment_size = SEGMENT_SIZE;
    open_bus(fixture);
    publish_numbers(fixture->bus, TOPIC_EXECUTOR, 0, NUMBERS);
    size_t count = read_files(fixture, files); /* as a crash would leave them */
    for (int round = 0; round < ROUNDS; round++) {
        char folder[FIXTURE_PATH_MAX];
        assert_true(fixture_folder(folder));
        for (size_t i = 0; i < count; i++) {
            harmed[i] = files[i];
            harmed[i].bytes = malloc(files[i].size + 1);
            memcpy(harmed[i].bytes, files[i].bytes, files[i].size);
        }
        struct damage kept[FILES_MAX];
        memcpy(kept, harmed, sizeof(kept));
        harm(harmed, count, &random);
        write_files(folder, harmed, count);
        int found = check_damaged(fixture, folder, NUMBERS);
        refused += found < 0;
        whole += found == NUMBERS;
        part += found >= 0 && found < NUMBERS;
        for (size_t i = 0; i < count; i++)
            free(kept[i].bytes);
        fixture_remove_folder(folder);
    }
    print_message("refused %d, a part %d, whole %d\n", refused, part, whole);
    assert_true(refused > 0 && part > 0);
    for (size_t i = 0; i < count; i++)
        free(files[i].bytes);
}

static uint64_t incarnation_of(struct fixture *fixture) {
    struct inbox inbox = { 0 };
    struct consumer *consumer = open_consumer(fixture->bus);

    inbox_fill(&inbox, consumer, 1);
    uint64_t incarnation = inbox.items[0].incarnation;
    inbox_clear(&inbox);
    consumer_close(consumer);
    return incarnation;
}

/* Offsets behind a cut may have been given to others: they may not be compared with those that follow. */
static void a_cut_log_begins_a_new_era(void **state) {
    struct fixture *fixture = *state;
    char path[PATH_MAX_ + 256];
    struct err err;

    open_bus(fixture);
    publish_numbers(fixture->bus, TOPIC_EXECUTOR, 0, 20);
    uint64_t before = incarnation_of(fixture);
    reopen_bus(fixture);
    assert_true(incarnation_of(fixture) == before);
    close_bus(fixture);

    pid_t child = fork();
    if (child == 0) {
        struct bus *bus;
        bool ok = open_at(fixture->path, &fixture->limits, &bus, &err)
                && publish_number(bus, TOPIC_EXECUTOR, 20, &err);
        _exit(ok ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    open_bus(fixture); /* a crash between two publishes cuts nothing */
    assert_true(incarnation_of(fixture) == before);
    close_bus(fixture);

    snprintf(path, sizeof(path), "%s-0000000004", fixture->path);
    struct stat size;
    assert_int_equal(stat(path, &size), 0);
    assert_int_equal(truncate(path, 1000), 0);
    open_bus(fixture);
    assert_true(incarnation_of(fixture) > before);
}

static void a_damaged_identity_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct bus *bus;
    struct err err;

    open_bus(fixture);
    close_bus(fixture);
    int fd = open(fixture->path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "?", 1, 20), 1);
    close(fd);
    assert_false(open_at(fixture->path, &fixture->limits, &bus, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
}

/* ---- bounds ---- */

static size_t resident_size(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
    fclose(file);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void a_backlog_stays_on_disk(void **state) {
    struct fixture *fixture = *state;
    enum { NUMBERS = 100 * 1000, GROWTH_MAX = 24 * 1024 * 1024 };
    unsigned char *seen = calloc(1, NUMBERS);

    assert_non_null(seen);
    fixture->limits.memory_max = 1024 * 1024;
    open_bus(fixture);
    size_t before = resident_size();
    publish_together(fixture->bus, TOPIC_EXECUTOR, 0, NUMBERS);
    size_t after = resident_size();
    print_message("%d messages of %d bytes: memory grew by %zu KB\n", NUMBERS, VALUE_SIZE,
            (after - before) / 1024);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(after < before + GROWTH_MAX);
#endif
    assert_int_equal(drain(fixture->bus, true, seen, NUMBERS), NUMBERS);
    for (int i = 0; i < NUMBERS; i++)
        assert_int_equal(seen[i], 1);
    free(seen);
}

static void consumed_segments_go(void **state) {
    struct fixture *fixture = *state;
    unsigned char seen[500];

    fixture->limits.segment_size = SEGMENT_SIZE;
    open_bus(fixture);
    for (int round = 0; round < 20; round++) {
        memset(seen, 0, sizeof(seen));
        publish_together(fixture->bus, TOPIC_EXECUTOR, 0, 500);
        assert_int_equal(drain(fixture->bus, true, seen, 500), 500);
    }
    int files = count_files(fixture, "bus.db-");
    print_message("20 x 500 messages, all consumed: %d files\n", files);
    assert_true(files <= 8); /* 500 messages take five */
}

/* One message that nobody takes must not keep all that was written behind it. */
static void old_messages_are_carried_forward(void **state) {
    struct fixture *fixture = *state;
    static const enum topic trigger_topics[] = { TOPIC_TRIGGER, TOPIC_NONE };
    unsigned char seen[500];
    struct inbox inbox = { 0 };
    struct consumer *consumer;
    struct err err;

    fixture->limits.segment_size = SEGMENT_SIZE;
    open_bus(fixture);
    assert_true(consumer_open(fixture->bus, "late", trigger_topics, NULL, &consumer, &err));
    fixture_publish(fixture->bus, TOPIC_TRIGGER, "k", "old one");
    fixture_publish(fixture->bus, TOPIC_TRIGGER, "k", "old two");
    for (int round = 0; round < 20; round++) {
        memset(seen, 0, sizeof(seen));
        publish_together(fixture->bus, TOPIC_EXECUTOR, 0, 500);
        assert_int_equal(drain(fixture->bus, true, seen, 500), 500);
        if (round == 10) fixture_publish(fixture->bus, TOPIC_TRIGGER, "k", "new");
    }
    int files = count_files(fixture, "bus.db-");
    print_message("with three that stay: %d files\n", files);
    assert_true(files <= 16);
    consumer_close(consumer);
    reopen_bus(fixture);
    assert_true(consumer_open(fixture->bus, "late", trigger_topics, NULL, &consumer, &err));
    inbox_fill(&inbox, consumer, 3);
    assert_string_equal(inbox.items[0].value, "old one");
    assert_string_equal(inbox.items[1].value, "old two");
    assert_string_equal(inbox.items[2].value, "new");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(inbox.items[i].offset, i);
    inbox_clear(&inbox);
    consumer_close(consumer);
}

static void topics_that_nobody_reads_are_bounded(void **state) {
    struct fixture *fixture = *state;
    static const enum topic out_topics[] = { TOPIC_EVENTS_OUT, TOPIC_NONE };
    struct inbox inbox = { 0 };
    struct consumer *consumer;
    struct err err;

    fixture->limits.segment_size = SEGMENT_SIZE;
    fixture->limits.keep_size = 2 * SEGMENT_SIZE;
    open_bus(fixture);
    publish_together(fixture->bus, TOPIC_EVENTS_OUT, 0, 5000);
    assert_true(count_files(fixture, "bus.db-") <= 12);
    assert_true(consumer_open(fixture->bus, "late", out_topics, NULL, &consumer, &err));
    inbox_fill(&inbox, consumer, 100);
    while (inbox_poll(&inbox, consumer, 0))
        continue;
    assert_true(inbox.count < 5000 && inbox.count * VALUE_SIZE <= 2 * SEGMENT_SIZE);
    consumer_close(consumer);
    inbox_clear(&inbox);
}

static void passing_messages_never_touch_the_disk(void **state) {
    struct fixture *fixture = *state;
    static const enum topic result_topics[] = { TOPIC_RESULTS, TOPIC_NONE };
    struct inbox inbox = { 0 };
    struct consumer *consumer;
    struct err err;

    fixture->limits.segment_size = SEGMENT_SIZE;
    open_bus(fixture);
    publish_numbers(fixture->bus, TOPIC_RESULTS, 0, 1000);
    assert_int_equal(count_files(fixture, "bus.db-"), 1);
    assert_true(consumer_open(fixture->bus, "g", result_topics, NULL, &consumer, &err));
    assert_int_equal(inbox_poll(&inbox, consumer, 0), 0); /* nobody read them: gone */
    publish_numbers(fixture->bus, TOPIC_RESULTS, 0, 3);
    inbox_fill(&inbox, consumer, 3);
    consumer_close(consumer);
    inbox_clear(&inbox);
    reopen_bus(fixture);
    assert_true(consumer_open(fixture->bus, "g", result_topics, NULL, &consumer, &err));
    assert_int_equal(inbox_poll(&inbox, consumer, 0), 0);
    consumer_close(consumer);
}

/* In a child, since the limit is the process's: files may not grow beyond 300 KB for a while. */
static int fill_the_disk(const struct fixture *fixture) {
    struct rlimit limit;
    struct bus *bus;
    struct err err;
    int count = 0, full = 0;

    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0
            || !open_at(fixture->path, &fixture->limits, &bus, &err))
        return 1;
    limit.rlim_cur = 300 * 1024;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
    while (full < 5 && count < 5000) {
        if (publish_number(bus, TOPIC_EXECUTOR, count, &err)) {
            count++;
        } else {
            if (err.code != ERR_FULL) return 3;
            full++;
        }
    }
    if (full < 5) return 4;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 5;
    for (; count < 2000; count++) {
        if (!publish_number(bus, TOPIC_EXECUTOR, count, &err)) return 6;
    }
    return 0;
}

static void a_full_disk_is_told_and_survived(void **state) {
    struct fixture *fixture = *state;
    unsigned char seen[2000] = { 0 };
    int status;

    fixture->limits.segment_size = 16 * SEGMENT_SIZE;
    pid_t child = fork();
    if (child == 0) _exit(fill_the_disk(fixture));
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    open_bus(fixture);
    assert_int_equal(drain(fixture->bus, true, seen, 2000), 2000);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(seen[i], 1);
}

/* ---- members that are taken for dead ---- */

struct zombie {
    int assigned, lost;
};

static void zombie_assign(void *user, enum topic topic, int32_t partition, uint32_t epoch) {
    struct zombie *zombie = user;

    (void)topic;
    (void)partition;
    (void)epoch;
    zombie->assigned++;
}

static void zombie_revoke(void *user, enum topic topic, int32_t partition, bool lost) {
    struct zombie *zombie = user;

    (void)topic;
    (void)partition;
    zombie->lost += lost;
}

static void a_zombie_commits_nothing(void **state) {
    struct fixture *fixture = *state;
    struct zombie zombie = { 0 };
    struct consumer_callbacks callbacks = { zombie_assign, zombie_revoke, &zombie };
    struct inbox stale = { 0 }, fresh = { 0 };
    struct consumer *first;
    struct err err;

    open_bus(fixture);
    fixture_publish(fixture->bus, TOPIC_EXECUTOR, "k", "a");
    assert_true(consumer_open(fixture->bus, "g", executor_topics, &callbacks, &first, &err));
    inbox_fill(&stale, first, 1);
    assert_int_equal(zombie.assigned, PARTITIONS);
    consumer_expire(first);
    struct consumer *second = open_consumer(fixture->bus);
    inbox_fill(&fresh, second, 1);
    fixture_done_all(first, &stale); /* by the clock of a zombie */
    commit(first);
    consumer_abandon(second);
    assert_int_equal(
            inbox_poll(&stale, first, 0), 1); /* told, joined again, and "a" is not done with */
    assert_int_equal(zombie.lost, PARTITIONS);
    assert_string_equal(stale.items[1].value, "a");
    assert_true(stale.items[1].epoch > fresh.items[0].epoch);
    consumer_close(first);
    inbox_clear(&stale);
    inbox_clear(&fresh);
}

#define BUS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        BUS_TEST(what_was_published_is_there_after_reopening),
        BUS_TEST(marks_survive_reopening),
        BUS_TEST(offsets_go_on_when_all_is_gone),
        BUS_TEST(one_process_has_it),
        BUS_TEST(a_call_may_be_larger_than_a_block),
        BUS_TEST(killed_processes_lose_nothing),
        BUS_TEST(idle_offsets_reach_the_disk),
        BUS_TEST(damaged_files_give_a_prefix_or_nothing),
        BUS_TEST(a_cut_log_begins_a_new_era),
        BUS_TEST(a_damaged_identity_is_refused),
        BUS_TEST(a_backlog_stays_on_disk),
        BUS_TEST(consumed_segments_go),
        BUS_TEST(old_messages_are_carried_forward),
        BUS_TEST(topics_that_nobody_reads_are_bounded),
        BUS_TEST(passing_messages_never_touch_the_disk),
        BUS_TEST(a_full_disk_is_told_and_survived),
        BUS_TEST(a_zombie_commits_nothing),
    };
    return cmocka_run_group_tests_name("embedded", tests, NULL, NULL);
}

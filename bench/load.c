/* A load generator: starts workflows over HTTP, waits for their results, checks each, and says how long they took.
 *
 *     bench-load --api HOST:PORT --echo HOST:PORT --workload NAME --mode MODE [options]; see usage()
 *
 *     first    tries until one workflow has completed: a cold start
 *     seq      --count workflows, one at a time
 *     closed   --clients clients for --seconds; each starts its next workflow when the last one's result is there
 *     open     --rate starts a second for --seconds, each waited for
 *
 * One thread, raw sockets and epoll, keep-alive: it has to cost much less than what it measures. The processor time of
 * the processes in --processes is read at both ends of the window. It prints "key value" lines, and JSON where asked. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 96,         /* the server takes 100 from one address */
    INPUT_MAX = 64 * 1024,
    OUTPUT_MAX = 2048,
    DEFINITION_MAX = 64 * 1024,
    PROCESSES_MAX = 16,
    SAMPLES_FIRST = 65536,
    DRAIN_S = 70,                 /* for what is under way when the window closes */
    ERRORS_MAX = 1000,            /* then there is nothing to measure */
    WAIT_S = 60,                  /* Prefer: wait */
};

enum mode { MODE_FIRST, MODE_SEQ, MODE_CLOSED, MODE_OPEN };
enum workload { WORKLOAD_NOOP, WORKLOAD_HTTP3, WORKLOAD_FAN10, WORKLOAD_TIMER };

static const char *const mode_names[] = { "first", "seq", "closed", "open" };
static const char *const workload_names[] = { "noop", "http3", "fan10", "timer" };

struct process {
    char name[32];
    int pid;
    double before_s, used_s; /* processor time */
};

struct options {
    struct sockaddr_in api;
    const char *echo, *definitions, *json, *api_key, *label;
    enum workload workload;
    enum mode mode;
    long clients, count, seconds, rate;
    long long since_ms; /* first: when the server was started, ms since 1970 */
    struct process processes[PROCESSES_MAX];
    size_t process_count;
};

struct connection {
    int fd;                /* -1: none */
    bool is_busy;
    int64_t began_ns;
    long long n;           /* the input of the workflow under way */
    size_t output_size, output_at, input_size;
    char output[OUTPUT_MAX], input[INPUT_MAX];
};

struct load {
    struct options options;
    int epoll_fd;
    struct connection *connections; /* CONNECTIONS_MAX */
    long long next_n;
    int64_t began_ns, until_ns;
    long long started, errors, late; /* late: completed after the window */
    size_t under_way;
    int64_t *samples_ns;   /* of those that completed in the window */
    size_t sample_count, sample_capacity;
    char first_error[256];
    double elapsed_s, machine_busy_percent;
};

static int64_t now_ns(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void note_error(struct load *load, const char *what, const char *detail, size_t detail_size) {
    if (load->errors++ > 0) return;
    snprintf(load->first_error, sizeof(load->first_error), "%s %.*s", what, (int)(detail_size > 200 ? 200 : detail_size), detail);
    /* It becomes a line of ours and a string in JSON. */
    for (char *c = load->first_error; *c; c++) {
        if (*c < ' ' || *c == '"' || *c == '\\') *c = ' ';
    }
}

/* ---- HTTP ---- */

/* The whole answer in input[0..size): its status, and where its body is; 0 while it is not all there, -1 if it is broken. */
static int find_answer(const char *input, size_t size, const char **ret_body, size_t *ret_body_size) {
    const char *blank = memmem(input, size, "\r\n\r\n", 4);
    size_t body_size = 0;

    if (!blank) return size < INPUT_MAX - 1 ? 0 : -1;
    size_t head_size = (size_t)(blank - input) + 4;
    const char *line = memchr(input, '\n', head_size);
    for (; line && line < blank; line = memchr(line + 1, '\n', head_size - (size_t)(line + 1 - input))) {
        if (strncasecmp(line + 1, "content-length:", 15) == 0) body_size = strtoul(line + 16, NULL, 10);
        if (strncasecmp(line + 1, "transfer-encoding:", 18) == 0) return -1;
    }
    if (size < 12 || strncmp(input, "HTTP/1.1 ", 9) != 0 || body_size > INPUT_MAX - 1 - head_size) return -1;
    if (size - head_size < body_size) return 0;
    *ret_body = input + head_size;
    *ret_body_size = body_size;
    return (int)strtol(input + 9, NULL, 10);
}

static int open_socket(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (const struct sockaddr *)(const void *)address, sizeof(*address)) == 0) return fd;
    close(fd);
    return -1;
}

/* One request and its answer, blocking; for what is not measured. Returns the status, or -1. */
static int exchange(const struct sockaddr_in *address, const char *request, size_t size, char *input) {
    int fd = open_socket(address), status = 0;
    size_t input_size = 0, body_size;
    const char *body;

    if (fd < 0) return -1;
    if (write(fd, request, size) != (ssize_t)size) status = -1;
    while (status == 0) {
        ssize_t got = read(fd, input + input_size, INPUT_MAX - 1 - input_size);
        if (got <= 0) {
            status = -1;
            break;
        }
        input_size += (size_t)got;
        input[input_size] = '\0';
        status = find_answer(input, input_size, &body, &body_size);
    }
    close(fd);
    return status;
}

static int write_head(const struct options *options, const char *path, const char *type, size_t body_size, const char *more,
        char *head, size_t head_max) {
    return snprintf(head, head_max,
            "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s%sContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
            path, ntohs(options->api.sin_port), options->api_key ? "Authorization: Bearer " : "",
            options->api_key ? options->api_key : "", options->api_key ? "\r\n" : "", type, body_size, more);
}

/* ---- the definition ---- */

/* Reads the workload's definition and puts the echo's address into it. Returns its size, 0 on failure. */
static size_t read_definition(const struct options *options, char *text) {
    static const char mark[] = "@ECHO@";
    char path[512], raw[DEFINITION_MAX];
    size_t size = 0, echo_size = strlen(options->echo);

    snprintf(path, sizeof(path), "%s/%s.yaml", options->definitions, workload_names[options->workload]);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t raw_size = fread(raw, 1, sizeof(raw) - 1, file);
    (void)fclose(file);
    for (size_t i = 0; i < raw_size;) {
        bool is_mark = raw_size - i >= sizeof(mark) - 1 && memcmp(raw + i, mark, sizeof(mark) - 1) == 0;
        if (size + echo_size + 1 > DEFINITION_MAX) return 0;
        memcpy(text + size, is_mark ? options->echo : raw + i, is_mark ? echo_size : 1);
        size += is_mark ? echo_size : 1;
        i += is_mark ? sizeof(mark) - 1 : 1;
    }
    return size;
}

static bool deploy(const struct options *options, char *why, size_t why_max) {
    char *request = malloc(DEFINITION_MAX * 2), *text = malloc(DEFINITION_MAX), *input = malloc(INPUT_MAX);
    int status = -1;

    if (!request || !text || !input) abort();
    input[0] = '\0';
    size_t size = read_definition(options, text);
    if (size > 0) {
        int head = write_head(options, "/v1/workflows", "application/yaml", size, "", request, DEFINITION_MAX);
        memcpy(request + head, text, size);
        status = exchange(&options->api, request, (size_t)head + size, input);
    }
    snprintf(why, why_max, "%s: %d %.300s", size ? "deploy" : "no definition", status, input);
    free(request);
    free(text);
    free(input);
    return status == 200 || status == 201;
}

/* ---- checking ---- */

static bool read_number(const char *output, const char *key, long long *ret) {
    const char *at = strstr(output, key);

    if (!at) return false;
    char *end;
    *ret = strtoll(at + strlen(key), &end, 10);
    return end != at + strlen(key);
}

/* True if the instance completed with what its input has to give. */
static bool is_right(enum workload workload, long long n, const char *body) {
    const char *output = strstr(body, "\"output\":");
    char greeting[64];
    long long got;

    if (!strstr(body, "\"status\":\"completed\"") || !output) return false;
    switch (workload) {
    case WORKLOAD_NOOP:
        snprintf(greeting, sizeof(greeting), "\"hello w%lld\"", n);
        return read_number(output, "\"n\":", &got) && got == n + 1 && strstr(output, greeting);
    case WORKLOAD_HTTP3: return read_number(output, "\"n\":", &got) && got == n + 3;
    case WORKLOAD_FAN10: return read_number(output, "\"sum\":", &got) && got == 10 * n + 55;
    case WORKLOAD_TIMER: return read_number(output, "\"n\":", &got) && got == n;
    }
    return false;
}

static void add_sample(struct load *load, int64_t took_ns) {
    if (load->sample_count == load->sample_capacity) {
        load->sample_capacity = load->sample_capacity ? load->sample_capacity * 2 : SAMPLES_FIRST;
        load->samples_ns = realloc(load->samples_ns, load->sample_capacity * sizeof(*load->samples_ns));
        if (!load->samples_ns) abort();
    }
    load->samples_ns[load->sample_count++] = took_ns;
}

/* ---- one workflow ---- */

static void drop(struct load *load, struct connection *connection) {
    if (connection->is_busy) load->under_way--;
    close(connection->fd);
    *connection = (struct connection){ .fd = -1 };
}

static bool flush_output(struct connection *connection) {
    while (connection->output_at < connection->output_size) {
        ssize_t sent = send(connection->fd, connection->output + connection->output_at,
                connection->output_size - connection->output_at, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        connection->output_at += (size_t)sent;
    }
    return true;
}

static bool ensure_open(struct load *load, struct connection *connection) {
    if (connection->fd >= 0) return true;
    connection->fd = open_socket(&load->options.api);
    if (connection->fd < 0) return false;
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection };
    return epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) == 0;
}

static void start_one(struct load *load, struct connection *connection) {
    char body[128], path[64], prefer[32];

    if (!ensure_open(load, connection)) {
        note_error(load, "connect", "", 0);
        return;
    }
    connection->n = ++load->next_n;
    int body_size = snprintf(body, sizeof(body), "{\"input\":{\"n\":%lld,\"name\":\"w%lld\"}}", connection->n, connection->n);
    snprintf(path, sizeof(path), "/v1/workflows/bench/%s/instances", workload_names[load->options.workload]);
    snprintf(prefer, sizeof(prefer), "Prefer: wait=%d\r\n", WAIT_S);
    int head_size = write_head(&load->options, path, "application/json", (size_t)body_size, prefer, connection->output,
            OUTPUT_MAX - sizeof(body));
    memcpy(connection->output + head_size, body, (size_t)body_size);
    connection->output_size = (size_t)head_size + (size_t)body_size;
    connection->output_at = connection->input_size = 0;
    connection->is_busy = true;
    connection->began_ns = now_ns();
    load->under_way++;
    load->started++;
    if (!flush_output(connection)) {
        note_error(load, "send", "", 0);
        drop(load, connection);
    }
}

static void finish_one(struct load *load, struct connection *connection, int status, const char *body, size_t body_size) {
    int64_t now = now_ns();

    connection->is_busy = false;
    connection->input_size = 0;
    load->under_way--;
    if (status != 200 || !is_right(load->options.workload, connection->n, body)) {
        char what[32];
        snprintf(what, sizeof(what), "%d", status);
        note_error(load, what, body, body_size);
    } else if (load->options.mode == MODE_CLOSED && now > load->until_ns) {
        load->late++;
    } else {
        add_sample(load, now - connection->began_ns);
    }
}

/* Reads what there is. The connection may be gone afterwards. */
static void on_readable(struct load *load, struct connection *connection) {
    const char *body;
    size_t body_size;

    for (;;) {
        ssize_t got = read(connection->fd, connection->input + connection->input_size, INPUT_MAX - 1 - connection->input_size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            if (connection->is_busy) note_error(load, "connection lost", "", 0);
            drop(load, connection);
            return;
        }
        connection->input_size += (size_t)got;
        connection->input[connection->input_size] = '\0';
        int status = find_answer(connection->input, connection->input_size, &body, &body_size);
        if (status < 0 || (status > 0 && !connection->is_busy)) {
            note_error(load, "broken answer", connection->input, connection->input_size);
            drop(load, connection);
            return;
        }
        if (status > 0) finish_one(load, connection, status, body, body_size);
    }
}

static void wait_for_events(struct load *load, int timeout_ms) {
    struct epoll_event events[CONNECTIONS_MAX];
    int count = epoll_wait(load->epoll_fd, events, CONNECTIONS_MAX, timeout_ms);

    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection->fd < 0) continue;
        if ((events[i].events & EPOLLOUT) && !flush_output(connection)) {
            note_error(load, "send", "", 0);
            drop(load, connection);
        } else {
            on_readable(load, connection);
        }
    }
}

static struct connection *find_idle(struct load *load, size_t limit) {
    for (size_t i = 0; i < limit; i++) {
        if (!load->connections[i].is_busy) return &load->connections[i];
    }
    return NULL;
}

/* ---- modes ---- */

static void run_closed(struct load *load, long count_max) {
    size_t clients = (size_t)load->options.clients;

    while (now_ns() < load->until_ns && load->errors < ERRORS_MAX) {
        struct connection *idle;
        while ((count_max == 0 || load->started < count_max) && (idle = find_idle(load, clients))) {
            start_one(load, idle);
            if (!idle->is_busy) break;
        }
        if (count_max != 0 && load->started >= count_max && load->under_way == 0) return;
        int64_t left_ms = (load->until_ns - now_ns()) / 1000000 + 1;
        wait_for_events(load, (int)(left_ms > 0 ? left_ms : 0));
    }
}

static void run_open(struct load *load) {
    int64_t step_ns = 1000000000 / load->options.rate, next_ns = load->began_ns;

    while (now_ns() < load->until_ns && load->errors < ERRORS_MAX) {
        struct connection *idle = find_idle(load, CONNECTIONS_MAX);
        if (now_ns() >= next_ns) {
            next_ns += step_ns;
            if (idle) {
                start_one(load, idle);
            } else {
                note_error(load, "every connection is taken", "", 0);
            }
        }
        int64_t left_ms = (next_ns - now_ns()) / 1000000;
        wait_for_events(load, (int)(left_ms > 0 ? left_ms : 0));
    }
}

static void drain(struct load *load) {
    int64_t until_ns = now_ns() + (int64_t)DRAIN_S * 1000000000;

    while (load->under_way > 0 && now_ns() < until_ns) wait_for_events(load, 100);
    if (load->under_way > 0) note_error(load, "no result", "", 0);
}

/* Deploys and runs one, again and again until it works; *ret_ms is when it did, since --since-ms. */
static bool run_first(struct load *load, long long *ret_ms) {
    char why[512];
    struct timespec time;

    while (now_ns() < load->until_ns) {
        int fd = open_socket(&load->options.api);
        if (fd >= 0) close(fd);
        if (fd >= 0 && deploy(&load->options, why, sizeof(why))) {
            start_one(load, &load->connections[0]);
            drain(load);
            if (load->sample_count > 0) {
                clock_gettime(CLOCK_REALTIME, &time);
                *ret_ms = (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000 - load->options.since_ms;
                load->errors = 0;
                return true;
            }
        }
        (void)poll(NULL, 0, 2);
    }
    return false;
}

/* ---- what it cost ---- */

static double processor_s(int pid) {
    char path[64], text[1024];
    unsigned long user = 0, system = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    /* The name is in parentheses and may hold anything; the times are the 12th and 13th fields behind it. */
    const char *at = strrchr(text, ')');
    if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void read_machine(double *ret_busy, double *ret_all) {
    unsigned long long field[8] = { 0 };
    FILE *file = fopen("/proc/stat", "r");

    *ret_busy = *ret_all = 0;
    if (!file) return;
    int count = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &field[0], &field[1], &field[2], &field[3],
            &field[4], &field[5], &field[6], &field[7]);
    (void)fclose(file);
    for (int i = 0; i < count; i++) {
        *ret_all += (double)field[i];
        /* The 4th is idle, the 5th waits for a disk. */
        if (i != 3 && i != 4) *ret_busy += (double)field[i];
    }
}

static void measure(struct load *load) {
    struct options *options = &load->options;
    double busy_before, all_before, busy, all;

    for (size_t i = 0; i < options->process_count; i++) options->processes[i].before_s = processor_s(options->processes[i].pid);
    read_machine(&busy_before, &all_before);
    load->began_ns = now_ns();
    load->until_ns = load->began_ns + (int64_t)options->seconds * 1000000000;
    switch (options->mode) {
    case MODE_SEQ: run_closed(load, options->count); break;
    case MODE_CLOSED: run_closed(load, 0); break;
    case MODE_OPEN:
        run_open(load);
        drain(load);
        break;
    case MODE_FIRST: break;
    }
    load->elapsed_s = (double)(now_ns() - load->began_ns) / 1e9;
    for (size_t i = 0; i < options->process_count; i++) {
        options->processes[i].used_s = processor_s(options->processes[i].pid) - options->processes[i].before_s;
    }
    read_machine(&busy, &all);
    load->machine_busy_percent = all > all_before ? 100 * (busy - busy_before) / (all - all_before) : 0;
    drain(load);
}

/* ---- the report ---- */

static int compare_int64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(const struct load *load, double percent) {
    if (load->sample_count == 0) return 0;
    size_t rank = (size_t)((double)load->sample_count * percent / 100.0 + 0.999999);
    if (rank > 0) rank--;
    return (double)load->samples_ns[rank < load->sample_count ? rank : load->sample_count - 1] / 1e6;
}

static void print_lines(const struct load *load) {
    const struct options *options = &load->options;
    double done = (double)load->sample_count;

    printf("label %s\nworkload %s\nmode %s\nclients %ld\n", options->label, workload_names[options->workload], mode_names[options->mode],
            options->clients);
    printf("done %zu\nlate %lld\nerrors %lld\nelapsed_s %.3f\nper_s %.2f\n", load->sample_count, load->late, load->errors,
            load->elapsed_s, load->elapsed_s > 0 ? done / load->elapsed_s : 0);
    printf("min_ms %.3f\np50_ms %.3f\np90_ms %.3f\np99_ms %.3f\nmax_ms %.3f\n", percentile_ms(load, 0), percentile_ms(load, 50),
            percentile_ms(load, 90), percentile_ms(load, 99), percentile_ms(load, 100));
    printf("machine_busy_percent %.1f\n", load->machine_busy_percent);
    for (size_t i = 0; i < options->process_count; i++) {
        const struct process *process = &options->processes[i];
        printf("cpu_s_%s %.2f\ncpu_s_per_1000_%s %.3f\n", process->name, process->used_s, process->name,
                done > 0 ? process->used_s / done * 1000 : 0);
    }
    if (load->errors) printf("first_error %s\n", load->first_error);
}

static bool write_json(const struct load *load, const char *path, long long first_ms) {
    const struct options *options = &load->options;
    FILE *file = fopen(path, "w");

    if (!file) return false;
    fprintf(file, "{\"label\":\"%s\",\"workload\":\"%s\",\"mode\":\"%s\",\"clients\":%ld,", options->label,
            workload_names[options->workload], mode_names[options->mode], options->clients);
    if (options->mode == MODE_FIRST) fprintf(file, "\"first_ms\":%lld,", first_ms);
    fprintf(file, "\"done\":%zu,\"late\":%lld,\"errors\":%lld,\"first_error\":\"%s\",\"elapsed_s\":%.3f,\"per_s\":%.2f,",
            load->sample_count, load->late, load->errors, load->first_error, load->elapsed_s,
            load->elapsed_s > 0 ? (double)load->sample_count / load->elapsed_s : 0);
    fprintf(file, "\"min_ms\":%.3f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,", percentile_ms(load, 0),
            percentile_ms(load, 50), percentile_ms(load, 90), percentile_ms(load, 99), percentile_ms(load, 100));
    fprintf(file, "\"machine_busy_percent\":%.1f,\"cpu_s\":{", load->machine_busy_percent);
    for (size_t i = 0; i < options->process_count; i++) {
        fprintf(file, "%s\"%s\":%.2f", i ? "," : "", options->processes[i].name, options->processes[i].used_s);
    }
    fputs("}}\n", file);
    return fclose(file) == 0;
}

/* ---- options ---- */

static int usage(const char *why) {
    fprintf(stderr,
            "bench-load: %s\n"
            "usage: bench-load --api HOST:PORT --echo HOST:PORT --workload noop|http3|fan10|timer\n"
            "           --mode first|seq|closed|open [--clients N] [--count N] [--seconds S] [--rate R]\n"
            "           [--definitions DIR] [--processes NAME:PID,...] [--since-ms MS] [--label NAME] [--json FILE]\n",
            why);
    return 2;
}

static int find_name(const char *const *names, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) return (int)i;
    }
    return -1;
}

static bool parse_address(const char *text, struct sockaddr_in *ret) {
    const char *colon = strrchr(text, ':');
    char host[64];

    if (!colon || (size_t)(colon - text) >= sizeof(host)) return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    unsigned long port = strtoul(colon + 1, NULL, 10);
    *ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    return port > 0 && port < 65536 && inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static bool parse_processes(struct options *options, const char *text) {
    while (*text) {
        struct process *process = &options->processes[options->process_count];
        int used = 0;
        if (options->process_count == PROCESSES_MAX) return false;
        if (sscanf(text, "%31[^:]:%d%n", process->name, &process->pid, &used) != 2) return false;
        options->process_count++;
        text += used;
        if (*text == ',') text++;
    }
    return true;
}

enum option { OPTION_API = 1, OPTION_ECHO, OPTION_WORKLOAD, OPTION_MODE, OPTION_CLIENTS, OPTION_COUNT, OPTION_SECONDS,
    OPTION_RATE,
    OPTION_DEFINITIONS, OPTION_PROCESSES, OPTION_SINCE, OPTION_LABEL, OPTION_JSON };

static bool take_option(struct options *options, int option, const char *value) {
    int index;

    switch ((enum option)option) {
    case OPTION_API: return parse_address(value, &options->api);
    case OPTION_ECHO: options->echo = value; return true;
    case OPTION_WORKLOAD:
        index = find_name(workload_names, sizeof(workload_names) / sizeof(*workload_names), value);
        options->workload = (enum workload)index;
        return index >= 0;
    case OPTION_MODE:
        index = find_name(mode_names, sizeof(mode_names) / sizeof(*mode_names), value);
        options->mode = (enum mode)index;
        return index >= 0;
    case OPTION_CLIENTS:
        options->clients = strtol(value, NULL, 10);
        return options->clients > 0 && options->clients <= CONNECTIONS_MAX;
    case OPTION_COUNT: options->count = strtol(value, NULL, 10); return options->count > 0;
    case OPTION_SECONDS: options->seconds = strtol(value, NULL, 10); return options->seconds > 0;
    case OPTION_RATE: options->rate = strtol(value, NULL, 10); return options->rate > 0 && options->rate <= 1000000;
    case OPTION_DEFINITIONS: options->definitions = value; return true;
    case OPTION_PROCESSES: return parse_processes(options, value);
    case OPTION_SINCE: options->since_ms = strtoll(value, NULL, 10); return true;
    case OPTION_LABEL: options->label = value; return true;
    case OPTION_JSON: options->json = value; return true;
    }
    return false;
}

static bool parse_options(struct options *options, int argc, char **argv) {
    static const struct option_row {
        const char *name;
        int option;
    } rows[] = { { "api", OPTION_API }, { "echo", OPTION_ECHO }, { "workload", OPTION_WORKLOAD }, { "mode", OPTION_MODE },
        { "clients", OPTION_CLIENTS }, { "count", OPTION_COUNT }, { "seconds", OPTION_SECONDS }, { "rate", OPTION_RATE },
        { "definitions", OPTION_DEFINITIONS }, { "processes", OPTION_PROCESSES }, { "since-ms", OPTION_SINCE },
        { "label", OPTION_LABEL }, { "json", OPTION_JSON } };

    for (int i = 1; i < argc; i += 2) {
        const struct option_row *row = NULL;
        for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); k++) {
            if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, rows[k].name) == 0) row = &rows[k];
        }
        if (!row || i + 1 >= argc || !take_option(options, row->option, argv[i + 1])) {
            fprintf(stderr, "bench-load: bad option %s\n", argv[i]);
            return false;
        }
    }
    return options->api.sin_port != 0 && options->echo;
}

static bool prepare(struct load *load) {
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->connections = calloc(CONNECTIONS_MAX, sizeof(*load->connections));
    if (!load->connections || load->epoll_fd < 0) return false;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) load->connections[i].fd = -1;
    /* Two runs against one server ask for different things. */
    load->next_n = (long long)time(NULL) % 1000000 * 1000;
    return true;
}

int main(int argc, char **argv) {
    struct load load = { .options = { .definitions = "bench/workloads", .label = "penstock", .clients = 64, .count = 200,
            .seconds = 20, .rate = 20, .api_key = getenv("PENSTOCK_API_KEY") } };
    long long first_ms = 0;
    char why[512];

    signal(SIGPIPE, SIG_IGN);
    if (!parse_options(&load.options, argc, argv)) return usage("options");
    if (load.options.mode == MODE_SEQ) load.options.clients = 1;
    if (!prepare(&load)) return 1;
    if (load.options.mode == MODE_FIRST) {
        load.until_ns = now_ns() + (int64_t)load.options.seconds * 1000000000;
        if (!run_first(&load, &first_ms)) note_error(&load, "no first result", "", 0);
        printf("first_ms %lld\n", first_ms);
    } else if (!deploy(&load.options, why, sizeof(why))) {
        fprintf(stderr, "bench-load: %s\n", why);
        return 1;
    } else {
        measure(&load);
    }
    qsort(load.samples_ns, load.sample_count, sizeof(*load.samples_ns), compare_int64);
    print_lines(&load);
    if (load.options.json && !write_json(&load, load.options.json, first_ms)) perror(load.options.json);
    free(load.samples_ns);
    free(load.connections);
    return load.errors ? 1 : 0;
}

/* A process: configuration, world, admin port, one thread and loop for each service, shutdown in order. */

#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/buf.h"
#include "http/server.h"
#include "runtime/loop.h"
#include "system/signals.h"
#include "system/thread.h"

enum {
    SERVICES_MAX = 8,
    TURN_MS = 1000,
    PING_EVERY_MS = 2000,
    PING_MS = 1500,
    OPEN_TRY_MS = 5000,
    OPEN_AGAIN_MS = 1000,
    GRACE_S = 30,
    PATH_SIZE = 4096,
    KEY_BYTES = 32,
};

struct process;

struct runner {
    struct process *process;
    const struct service *service;
    struct loop *loop;
    struct thread *thread;
    atomic_bool failed;
};

struct process {
    struct config config;
    struct world world;
    struct server *admin;
    struct runner runners[SERVICES_MAX];
    size_t runner_count;
    atomic_bool stopping;
    atomic_bool store_ready, bus_ready, open;
    char store_url[PATH_SIZE], bus_url[PATH_SIZE], name[256], key_text[KEY_BYTES * 2 + 1];
};

/* ---- admin port ---- */

static void answer_text(struct request *request, int status, const char *type, struct str body) {
    struct answer answer = { .status = status, .content_type = str_from(type), .body = body };

    request_answer(request, &answer);
}

static void answer_ready(struct process *process, struct request *request) {
    bool store = atomic_load(&process->store_ready), bus = atomic_load(&process->bus_ready);
    bool ready = store && bus && atomic_load(&process->open) && !atomic_load(&process->stopping);
    char text[256];

    int size = snprintf(text, sizeof(text), "{\"status\":\"%s\",\"store\":\"%s\",\"bus\":\"%s\"}\n", ready ? "ready" : "not ready",
            store ? "ok" : "away", bus ? "ok" : "away");
    answer_text(request, ready ? 200 : 503, "application/json", (struct str){ text, (size_t)size });
}

static void on_admin(void *user, struct request *request) {
    struct process *process = user;
    struct str path = request_path(request);
    struct buf buf;

    if (str_equal(path, STR("/healthz"))) {
        answer_text(request, 200, "application/json", STR("{\"status\":\"ok\"}\n"));
    } else if (str_equal(path, STR("/readyz"))) {
        answer_ready(process, request);
    } else if (str_equal(path, STR("/metrics"))) {
        buf_init(&buf, 1024 * 1024);
        metrics_write(process->world.metrics, &buf);
        answer_text(request, 200, "text/plain; version=0.0.4", buf_str(&buf));
        buf_clear(&buf);
    } else {
        answer_text(request, 404, "application/problem+json",
                STR("{\"type\":\"about:blank\",\"title\":\"Not found\",\"status\":404,\"detail\":\"here are /healthz, /readyz and /metrics\"}\n"));
    }
}

/* ---- configuration ---- */

/* A key of our own for `penstock dev`, made once, readable by its owner alone. */
static bool own_master_key(struct process *process, struct err *err) {
    char path[PATH_SIZE];
    uint8_t bytes[KEY_BYTES];

    if (process->config.master_key) return true;
    snprintf(path, sizeof(path), "%s/master.key", process->config.data);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t size = read(file, process->key_text, KEY_BYTES * 2);
        close(file);
        if (size != KEY_BYTES * 2) return err_set(err, ERR_INVALID, "%s is not a key of %d hexadecimal digits", path, KEY_BYTES * 2);
    } else {
        clock_random(&process->world.clock, bytes, sizeof(bytes));
        for (size_t i = 0; i < KEY_BYTES; i++) snprintf(&process->key_text[i * 2], 3, "%02x", bytes[i]);
        file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        bool written = file >= 0 && write(file, process->key_text, KEY_BYTES * 2) == KEY_BYTES * 2 && fsync(file) == 0;
        if (file >= 0) close(file);
        if (!written) return err_set(err, ERR_FULL, "cannot write %s: %s", path, strerror(errno));
    }
    process->config.master_key = process->key_text;
    return true;
}

static bool embedded_defaults(struct process *process, struct err *err) {
    struct config *config = &process->config;

    if (mkdir(config->data, 0755) != 0 && errno != EEXIST) {
        return err_set(err, ERR_INVALID, "PENSTOCK_DATA: cannot make the folder '%s': %s", config->data, strerror(errno));
    }
    snprintf(process->store_url, sizeof(process->store_url), "sqlite:%s/store.db", config->data);
    snprintf(process->bus_url, sizeof(process->bus_url), "embedded:%s/bus.db", config->data);
    if (!config->store) config->store = process->store_url;
    if (!config->bus) config->bus = process->bus_url;
    if (!config->egress) config->egress = "any";
    return own_master_key(process, err);
}

static void allow_standalone(struct process *process) {
    struct config *config = &process->config;
    char separator = strchr(config->store, '?') ? '&' : '?';

    snprintf(process->store_url, sizeof(process->store_url), "%s%callowStandalone=true", config->store, separator);
    config->store = process->store_url;
}

static bool settle_config(struct process *process, const struct runtime_defaults *defaults, struct err *err) {
    struct config *config = &process->config;
    char host[128] = "localhost";

    if (!config->listen) config->listen = defaults->listen;
    if (!config->admin_listen) config->admin_listen = defaults->admin_listen;
    if (defaults->embedded && !embedded_defaults(process, err)) return false;
    if (!config->store) return err_set(err, ERR_INVALID, "PENSTOCK_STORE is not set: write mongodb://HOST:PORT/DB?replicaSet=RS");
    if (!config->bus) return err_set(err, ERR_INVALID, "PENSTOCK_BUS is not set: write kafka://HOST:PORT");
    if (!config->egress) config->egress = "public";
    if (config->allow_standalone && strncmp(config->store, "mongodb", 7) == 0) allow_standalone(process);
    gethostname(host, sizeof(host) - 1);
    const char *port = strrchr(config->admin_listen, ':');
    snprintf(process->name, sizeof(process->name), "%s-%s", host, port ? port + 1 : "0");
    if (!config->name) config->name = process->name;
    return true;
}

static void build_world(struct process *process, const char *program, bool embedded) {
    enum log_level level = LOG_INFO;
    bool known = log_level_parse(process->config.log, &level);

    assert(known); /* config_load has checked it */
    process->world = (struct world){
        .config = &process->config,
        .clock = clock_system(),
        .log = log_new(program, level),
        .metrics = metrics_new(),
        .name = process->config.name,
        .embedded = embedded,
    };
}

/* ---- opening ---- */

/* Waits for the signal or `ms`; true once a stop was asked for. */
static bool wait_for_stop(int64_t ms) {
    struct pollfd waiting = { .fd = signals_fd(), .events = POLLIN };

    poll(&waiting, 1, (int)ms);
    return signals_stop_requested();
}

static bool may_try_again(const struct world *world, const char *event, const struct err *err) {
    if (!err_is_retryable(err->code)) return false;
    log_event(world->log, LOG_WARN, event, "error", err->message, "next", "trying again", NULL);
    return true;
}

/* A store or bus that is away at the start is waited for: other processes may still be starting. What is wrong in the
 * settings ends the process. */
static bool open_world(struct process *process, struct err *err) {
    struct world *world = &process->world;
    struct bus_options options = { .client_id = world->name, .partitions = (int32_t)process->config.partitions, .timeout_ms = OPEN_TRY_MS };
    struct err bus_err;

    while (!world->store || !world->bus) {
        /* Each is tried whatever became of the other, so that /readyz names what is away and nothing else. */
        bool store = world->store || store_open(process->config.store, OPEN_TRY_MS, &world->store, err);
        bool bus = world->bus || bus_open(process->config.bus, &options, &world->bus, &bus_err);
        atomic_store(&process->store_ready, store);
        atomic_store(&process->bus_ready, bus);
        if (!store && !may_try_again(world, "store.away", err)) return err_wrap(err, "PENSTOCK_STORE");
        if (!bus && !may_try_again(world, "bus.away", &bus_err)) {
            *err = bus_err;
            return err_wrap(err, "PENSTOCK_BUS");
        }
        if (!(store && bus) && wait_for_stop(OPEN_AGAIN_MS)) return err_set(err, ERR_CANCELLED, "stopped while waiting");
    }
    return true;
}

static void check_dependencies(struct process *process) {
    const struct world *world = &process->world;
    struct err err;

    bool store = store_ping(world->store, PING_MS, &err);
    if (store != atomic_load(&process->store_ready)) {
        log_event(world->log, store ? LOG_INFO : LOG_WARN, store ? "store.back" : "store.away", "error", store ? "" : err.message, NULL);
    }
    bool bus = bus_ping(world->bus, PING_MS, &err);
    if (bus != atomic_load(&process->bus_ready)) {
        log_event(world->log, bus ? LOG_INFO : LOG_WARN, bus ? "bus.back" : "bus.away", "error", bus ? "" : err.message, NULL);
    }
    atomic_store(&process->store_ready, store);
    atomic_store(&process->bus_ready, bus);
}

static void run_service(void *user) {
    struct runner *runner = user;

    while (!atomic_load(&runner->process->stopping)) loop_turn(runner->loop, TURN_MS);
}

static bool start_services(struct process *process, const struct service *const *services, struct err *err) {
    for (size_t i = 0; services[i]; i++) {
        struct runner *runner = &process->runners[process->runner_count];
        assert(process->runner_count < SERVICES_MAX);
        runner->process = process;
        runner->service = services[i];
        while (!loop_open(&process->world, services[i], &runner->loop, err)) {
            if (!may_try_again(&process->world, "service.not_open", err)) return false;
            check_dependencies(process);
            if (wait_for_stop(OPEN_AGAIN_MS)) return err_set(err, ERR_CANCELLED, "stopped while waiting");
        }
        process->runner_count++;
    }
    for (size_t i = 0; i < process->runner_count; i++) {
        struct runner *runner = &process->runners[i];
        runner->thread = thread_start(runner->service->name, run_service, runner);
    }
    atomic_store(&process->open, true);
    return true;
}

/* ---- running and ending ---- */

/* Stopping is a courtesy; past the grace period the process ends as by SIGKILL, which is the tested way (SIGALRM's default). */
static void stop_services(struct process *process) {
    alarm(GRACE_S);
    for (size_t i = 0; i < process->runner_count; i++) loop_stop(process->runners[i].loop);
    atomic_store(&process->stopping, true);
    for (size_t i = 0; i < process->runner_count; i++) loop_wake(process->runners[i].loop);
    for (size_t i = 0; i < process->runner_count; i++) {
        thread_join(process->runners[i].thread);
        loop_close(process->runners[i].loop);
    }
}

static void close_process(struct process *process) {
    server_close(process->admin, 0);
    bus_close(process->world.bus);
    store_close(process->world.store);
    metrics_free(process->world.metrics);
    log_free(process->world.log);
    config_clear(&process->config);
}

static bool run_process(struct process *process, const struct service *const *services, struct err *err) {
    struct server_options options = { .listen = process->config.admin_listen };
    const struct world *world = &process->world;

    if (!server_open(&options, on_admin, process, &process->admin, err)) return err_wrap(err, "PENSTOCK_ADMIN_LISTEN");
    if (!open_world(process, err)) return false;
    bool ok = start_services(process, services, err);
    if (ok) {
        log_event(world->log, LOG_INFO, "started", "name", world->name, "admin", process->config.admin_listen, NULL);
        while (!wait_for_stop(PING_EVERY_MS)) check_dependencies(process);
        log_event(world->log, LOG_INFO, "stopping", NULL);
    }
    stop_services(process);
    return ok;
}

static void print_help(const struct runtime_defaults *defaults) {
    char *settings = config_help();

    printf("Usage: %s [--SETTING VALUE]...\n\n%s\n\n%s", defaults->program, defaults->about, settings);
    free(settings);
}

int runtime_main(int argc, char **argv, const struct service *const *services, const struct runtime_defaults *defaults) {
    struct process *process = calloc(1, sizeof(*process));
    struct err err;
    bool help = false;

    assert(process);
    bool valid = config_load(&process->config, argc, argv, &help, &err);
    if (valid && help) {
        print_help(defaults);
        config_clear(&process->config);
        free(process);
        return 0;
    }
    process->world.clock = clock_system();
    if (!valid || !settle_config(process, defaults, &err)) {
        fprintf(stderr, "%s: %s\n", defaults->program, err.message);
        if (valid) config_clear(&process->config);
        free(process);
        return 2;
    }
    signals_install();
    build_world(process, defaults->program, defaults->embedded);
    bool ok = run_process(process, services, &err);
    if (!ok && err.code != ERR_CANCELLED) fprintf(stderr, "%s: %s\n", defaults->program, err.message);
    close_process(process);
    free(process);
    if (ok || err.code == ERR_CANCELLED) return 0;
    return err.code == ERR_INVALID ? 2 : 1;
}

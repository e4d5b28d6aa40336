#include "tests/support/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/assert.h"

enum { SETTINGS_MAX = 32, TRY_MS = 20 };

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where) {
    (void)about, (void)kind, (void)where;
    return remove(path);
}

void process_remove_folder(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void process_make_folder(const char *name, char path[256]) {
    mkdir("build", 0755);
    mkdir("build/tests", 0755);
    snprintf(path, 256, "build/tests/%s-%d", name, (int)getpid());
    process_remove_folder(path);
    assert(mkdir(path, 0755) == 0);
}

pid_t process_start(const char *program, const char *const *arguments, const char *const *settings, const char *log) {
    pid_t parent = getpid(), pid = fork();

    assert(pid >= 0);
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file >= 0) {
        dup2(file, 1);
        dup2(file, 2);
    }
    for (size_t i = 0; settings && settings[i]; i++) putenv((char *)(uintptr_t)settings[i]);
    execv(program, (char *const *)(uintptr_t)arguments);
    fprintf(stderr, "cannot start %s: %s\n", program, strerror(errno));
    _exit(127);
}

int process_end(pid_t pid, int signal_number) {
    int status = 0;

    kill(pid, signal_number);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

int process_free_port(void) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert(file >= 0 && bind(file, (struct sockaddr *)&address, size) == 0);
    assert(getsockname(file, (struct sockaddr *)&address, &size) == 0);
    close(file);
    return ntohs(address.sin_port);
}

int64_t process_now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool answers(int port, const char *path) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval wait = { .tv_sec = 2 };
    char text[512];
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = false;

    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (connect(file, (struct sockaddr *)&address, sizeof(address)) == 0) {
        int size = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n", path, port);
        if (write(file, text, (size_t)size) == size) {
            ssize_t got = read(file, text, sizeof(text) - 1);
            ok = got > 12 && memcmp(text + 9, "200", 3) == 0;
        }
    }
    close(file);
    return ok;
}

bool process_await(pid_t pid, int port, const char *path, int64_t timeout_ms) {
    int64_t end = process_now_ms() + timeout_ms;

    while (process_now_ms() < end) {
        if (answers(port, path)) return true;
        if (waitpid(pid, NULL, WNOHANG) == pid) return false;
        poll(NULL, 0, TRY_MS);
    }
    return false;
}

#pragma once
/* Blocking HTTP calls for tests, and a Penstock of one process to make them to. */

#include "common/json.h"

struct arena;
struct rest;

struct rest_answer {
    int status;        /* 0: no answer */
    struct str body, location, content_type;
    struct json json;  /* absent unless the body is JSON */
};

struct rest *rest_new(const char *base_url);
void rest_free(struct rest *rest);

/* `headers`: "Name: value" lines, NULL-ended; may be NULL. What comes back lives in `arena`. */
struct rest_answer rest_call(struct rest *rest, const char *method, const char *path, const char *const *headers, struct str body,
        struct arena *arena);
struct rest_answer rest_get(struct rest *rest, const char *path, struct arena *arena);
struct rest_answer rest_post(struct rest *rest, const char *path, const char *content_type, struct str body, struct arena *arena);

/* `bin/penstock dev` in a folder of its own on free ports. */
struct dev {
    char folder[256], url[64], log[300];
    int port, admin_port;
    int pid;
};

/* Starts it (again: in the same folder, on the same ports) and waits until it is ready; false with the log printed otherwise. */
bool dev_start(struct dev *dev, const char *name, const char *const *settings);
bool dev_restart(struct dev *dev, const char *const *settings);
void dev_stop(struct dev *dev, int signal_number);
void dev_remove(struct dev *dev); /* stops it and removes the folder */

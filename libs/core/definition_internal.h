#pragma once
/* The compiler's own: not for other folders. */

#include "core/definition.h"

struct definition {
    struct arena *arena;
    struct json document;
    struct str namespace_, name, version, hash;
    struct task *root;
    struct task **tasks;
    uint32_t task_count, task_capacity;
    struct json event_types;
};

/* Names that expressions may refer to: the language's own, then those of the scopes around. */
enum { VARIABLES_MAX = 128 };

struct compiler {
    struct definition *definition;
    struct arena *arena;
    struct faults *faults;
    struct str variables[VARIABLES_MAX];
    size_t variable_count;
    bool takes_secrets; /* what is compiled now only leaves for the outside */
    struct json functions_open; /* names being compiled, to find cycles */
    const struct task **functions; /* compiled bodies, by position in use.functions */
};

/* Each reports its faults itself, under `pointer`, and leaves NULL or zero where it failed. */
const struct expression *compile_bare(struct compiler *compiler, struct json text, struct str pointer);
const struct template *compile_template(struct compiler *compiler, struct json value, struct str pointer);

/* A string is bare jq (`from`, `as`, `in`), an object a template. */
const struct template *compile_rule(struct compiler *compiler, struct json value, struct str pointer);
struct span compile_span(struct compiler *compiler, struct json value, struct str pointer);
struct data_rule compile_data(struct compiler *compiler, struct json rule, const char *property, struct str pointer);
struct directive compile_directive(struct compiler *compiler, struct json then, const struct task *task, struct str pointer);
void compile_list(struct compiler *compiler, struct json list, struct str pointer, struct task *parent,
        struct task_list *ret);
/* A task that stands in no list: the body of a function. */
const struct task *compile_single(struct compiler *compiler, struct str name, struct json source, struct str pointer);
struct task *compile_task(struct compiler *compiler, struct str name, struct json source, struct str pointer,
        const struct task *parent);
const struct schema *compile_schema(struct compiler *compiler, struct json schema, struct str pointer);

/* By kind: definition_task.c and definition_event.c. */
void compile_kind(struct compiler *compiler, struct task *task);
void compile_listen(struct compiler *compiler, struct task *task);
void compile_try(struct compiler *compiler, struct task *task);
void compile_call(struct compiler *compiler, struct task *task);

/* use.KIND.NAME; absent, with a fault at `pointer`, if it is not there. */
struct json compile_reference(struct compiler *compiler, const char *kind, struct str name, struct str pointer);

/* The name of a loop or catch variable: as given, with or without the dollar, or the default. */
struct str compile_variable_name(struct json name, struct str otherwise);

struct str pointer_append(struct compiler *compiler, struct str pointer, const char *key);
struct str pointer_append_str(struct compiler *compiler, struct str pointer, struct str key);
struct str pointer_append_index(struct compiler *compiler, struct str pointer, size_t index);

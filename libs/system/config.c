/* One table, made of config.def, is walked for everything: the environment, the flags, the defaults, the
 * help. Settings are found by name; a field is written through its offset in struct config. */
#include "system/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/buf.h"
#include "common/str.h"
#include "system/log.h"

enum {
    FILE_SIZE_MAX = 64 * 1024,
    NAME_SIZE_MAX = 64,
    DISTANCE_MAX = 3,
    HELP_SIZE_MAX = 256 * 1024,
    SHOWN_MAX = 80
};

enum kind { KIND_STRING, KIND_INT, KIND_BOOL, KIND_SECRET };

struct setting {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *text;            /* the default of a string */
    int64_t number, least, most; /* of an integer */
    const char *help;
};

static const struct setting settings[] = {
#define CONFIG_STRING(field, name, fallback, help) \
    { name, KIND_STRING, offsetof(struct config, field), fallback, 0, 0, 0, help },
#define CONFIG_INT(field, name, fallback, least, most, help) \
    { name, KIND_INT, offsetof(struct config, field), NULL, fallback, least, most, help },
#define CONFIG_BOOL(field, name, help) \
    { name, KIND_BOOL, offsetof(struct config, field), NULL, 0, 0, 0, help },
#define CONFIG_SECRET(field, name, help) \
    { name, KIND_SECRET, offsetof(struct config, field), NULL, 0, 0, 0, help },
#include "system/config.def"
#undef CONFIG_STRING
#undef CONFIG_INT
#undef CONFIG_BOOL
#undef CONFIG_SECRET
};

static const struct str prefix = { "PENSTOCK_", sizeof("PENSTOCK_") - 1 };
static const struct str file_suffix = { "_FILE", sizeof("_FILE") - 1 };

/* Variables of ours that are no settings of a service: the command line's, and those of tests and tools. */
static const char *const foreign[] = { "PENSTOCK_URL", "PENSTOCK_API_KEY", "PENSTOCK_SHARED" };

/* A value on its way into the configuration, and what to call it when it is refused. */
struct given {
    const struct setting *setting;
    const char *label; /* the variable or the flag, as it was written */
    struct str value;
};

/* ---- names ---- */

/* "--admin-listen" → "PENSTOCK_ADMIN_LISTEN"; false if it cannot be the flag of anything. */
static bool variable_of_flag(struct str flag, char name[NAME_SIZE_MAX]) {
    size_t size = prefix.size;

    if (flag.size == 0 || flag.size + prefix.size >= NAME_SIZE_MAX) return false;
    memcpy(name, prefix.data, prefix.size);
    for (size_t i = 0; i < flag.size; i++) {
        char c = flag.data[i];
        bool letter = c >= 'a' && c <= 'z';
        if (!letter && c != '-' && !(c >= '0' && c <= '9')) return false;
        name[size++] = letter ? (char)(c - 'a' + 'A') : c == '-' ? '_' : c;
    }
    name[size] = '\0';
    return true;
}

/* "PENSTOCK_ADMIN_LISTEN" → "admin-listen". */
static void flag_of_variable(struct str variable, char flag[NAME_SIZE_MAX]) {
    size_t size = 0;

    assert(str_starts_with(variable, prefix) && variable.size < NAME_SIZE_MAX);
    for (size_t i = prefix.size; i < variable.size; i++) {
        char c = variable.data[i];
        flag[size++] = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    flag[size] = '\0';
}

static const struct setting *find(struct str name) {
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        if (str_equal(str_from(settings[i].name), name)) return &settings[i];
    }
    return NULL;
}

/* Finds NAME or NAME_FILE. */
static const struct setting *find_or_file(struct str name, bool *ret_is_file) {
    const struct setting *setting = find(name);

    *ret_is_file = false;
    if (setting || !str_ends_with(name, file_suffix)) return setting;
    *ret_is_file = true;
    return find(str_slice(name, 0, name.size - file_suffix.size));
}

/* Levenshtein's distance, by rows. */
static size_t distance(struct str a, struct str b) {
    size_t row[NAME_SIZE_MAX];

    if (a.size >= NAME_SIZE_MAX || b.size >= NAME_SIZE_MAX) return NAME_SIZE_MAX;
    for (size_t j = 0; j <= b.size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t above = row[j];
            size_t change = diagonal + (a.data[i - 1] != b.data[j - 1]);
            row[j] = MIN(change, MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[b.size];
}

static const struct setting *nearest(struct str name) {
    const struct setting *best = NULL;
    size_t best_distance = DISTANCE_MAX + 1;

    if (str_ends_with(name, file_suffix)) name = str_slice(name, 0, name.size - file_suffix.size);
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        size_t away = distance(name, str_from(settings[i].name));
        if (away >= best_distance) continue;
        best = &settings[i];
        best_distance = away;
    }
    return best;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Kubernetes and Docker describe every service "penstock-…" of the namespace to each container, by
 * PENSTOCK_…_SERVICE_HOST, …_SERVICE_PORT…, …_PORT=tcp://…, …_PORT_8000_TCP…: neither ours nor a mistake. */
static bool is_service_link(struct str name, struct str value) {
    struct str port = STR("_PORT_");
    size_t at = str_find(name, port);

    if (str_ends_with(name, STR("_SERVICE_HOST"))) return true;
    if (str_find(name, STR("_SERVICE_PORT")) < name.size) return true;
    if (str_ends_with(name, STR("_PORT"))) return str_find(value, STR("://")) < value.size;
    return at + port.size < name.size && is_digit(name.data[at + port.size]);
}

static bool is_foreign(struct str name, struct str value) {
    if (str_starts_with(name, STR("PENSTOCK_TEST_")) || str_starts_with(name, STR("PENSTOCK_STACK_"))) return true;
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
        if (str_equal(name, str_from(foreign[i]))) return true;
    }
    return is_service_link(name, value);
}

static bool refuse_unknown(struct str name, const char *label, bool is_flag, struct err *err) {
    const struct setting *guess = nearest(name);
    char flag[NAME_SIZE_MAX];

    if (!guess) {
        return err_set(err, ERR_INVALID, "%s '%.*s' is unknown; --help lists the settings",
                is_flag ? "flag" : "variable", SHOWN_MAX, label);
    }
    flag_of_variable(str_from(guess->name), flag);
    return err_set(err, ERR_INVALID, "%s '%.*s' is unknown; did you mean '%s%s'?",
            is_flag ? "flag" : "variable", SHOWN_MAX, label, is_flag ? "--" : "",
            is_flag ? flag : guess->name);
}

/* ---- values ---- */

static bool refuse(const struct given *given, const char *allowed, struct err *err) {
    int shown = (int)MIN(given->value.size, (size_t)SHOWN_MAX);

    if (given->setting->kind == KIND_SECRET) {
        return err_set(err, ERR_INVALID, "%s has a value that cannot be used: it must be %s",
                given->label, allowed);
    }
    return err_set(err, ERR_INVALID, "%s is '%.*s': it must be %s", given->label, shown,
            given->value.data, allowed);
}

static bool is_log_level(struct str value) {
    char text[NAME_SIZE_MAX];
    enum log_level level;

    snprintf(text, sizeof(text), STR_FMT, STR_ARG(value));
    return log_level_parse(text, &level);
}

static bool is_egress(struct str value) {
    return str_equal(value, STR("public")) || str_equal(value, STR("any"));
}

static bool is_key(struct str value) {
    for (size_t i = 0; i < value.size; i++) {
        if (!strchr("0123456789abcdefABCDEF", value.data[i])) return false;
    }
    return value.size == 64;
}

/* Strings that only few values make sense for; the others are judged by whoever opens what they name. */
static const struct {
    const char *name;
    bool (*is_valid)(struct str value);
    const char *allowed;
} checks[] = {
    { "PENSTOCK_LOG", is_log_level, "debug, info, warn, error or off" },
    { "PENSTOCK_EGRESS", is_egress, "public or any" },
    { "PENSTOCK_MASTER_KEY", is_key, "64 hexadecimal digits" },
};

static void *field_of(struct config *config, const struct setting *setting) {
    return (char *)config + setting->offset;
}

static void set_default(struct config *config, const struct setting *setting) {
    void *field = field_of(config, setting);
    bool no = false;

    switch (setting->kind) {
    case KIND_STRING:
    case KIND_SECRET: memcpy(field, &setting->text, sizeof(setting->text)); break;
    case KIND_INT: memcpy(field, &setting->number, sizeof(setting->number)); break;
    case KIND_BOOL: memcpy(field, &no, sizeof(no)); break;
    }
}

static bool set_text(struct config *config, const struct given *given, struct err *err) {
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        if (strcmp(checks[i].name, given->setting->name) != 0) continue;
        if (!checks[i].is_valid(given->value)) return refuse(given, checks[i].allowed, err);
    }
    if (str_find_char(given->value, '\0') < given->value.size) {
        return refuse(given, "text without NUL bytes", err);
    }
    const char *copy = str_to_c(given->value, config->storage);
    memcpy(field_of(config, given->setting), &copy, sizeof(copy));
    return true;
}

static bool set_int(struct config *config, const struct given *given, struct err *err) {
    const struct setting *setting = given->setting;
    char allowed[NAME_SIZE_MAX];
    int64_t value;

    if (!str_to_int64(given->value, &value) || value < setting->least || value > setting->most) {
        snprintf(allowed, sizeof(allowed), "a whole number from %lld to %lld",
                (long long)setting->least, (long long)setting->most);
        return refuse(given, allowed, err);
    }
    memcpy(field_of(config, setting), &value, sizeof(value));
    return true;
}

static bool set_bool(struct config *config, const struct given *given, struct err *err) {
    bool yes = str_equal(given->value, STR("true")) || str_equal(given->value, STR("1"));
    bool no = str_equal(given->value, STR("false")) || str_equal(given->value, STR("0"));

    if (!yes && !no) return refuse(given, "true, false, 1 or 0", err);
    memcpy(field_of(config, given->setting), &yes, sizeof(yes));
    return true;
}

/* An empty value is none: compose files and charts pass on what is not set as an empty string. */
static bool set(struct config *config, const struct given *given, struct err *err) {
    if (given->value.size == 0) {
        set_default(config, given->setting);
        return true;
    }
    switch (given->setting->kind) {
    case KIND_STRING:
    case KIND_SECRET: return set_text(config, given, err);
    case KIND_INT: return set_int(config, given, err);
    case KIND_BOOL: return set_bool(config, given, err);
    }
    assert(false);
    return false;
}

static bool set_from_file(struct config *config, struct given given, struct err *err) {
    const char *path = str_to_c(given.value, config->storage);
    char *content = arena_alloc(config->storage, FILE_SIZE_MAX + 1);
    FILE *file = fopen(path, "re");

    if (!file) {
        return err_set(err, ERR_INVALID, "%s: cannot open '%.200s': %s", given.label, path,
                strerror(errno));
    }
    size_t size = fread(content, 1, FILE_SIZE_MAX + 1, file);
    bool broken = ferror(file) != 0;
    int reason = errno;
    fclose(file);
    if (broken) {
        return err_set(err, ERR_INVALID, "%s: cannot read '%.200s': %s", given.label, path,
                strerror(reason));
    }
    if (size > FILE_SIZE_MAX) {
        return err_set(err, ERR_INVALID, "%s: '%.200s' is larger than %d bytes", given.label, path,
                FILE_SIZE_MAX);
    }
    /* Editors end the last line, and `echo` does; no value of ours ends with one. */
    while (size > 0 && (content[size - 1] == '\n' || content[size - 1] == '\r'))
        size--;
    given.value = (struct str){ content, size };
    return set(config, &given, err);
}

static bool take(struct config *config, const struct given *given, bool is_file, struct err *err) {
    if (is_file && given->value.size) return set_from_file(config, *given, err);
    return is_file || set(config, given, err);
}

/* ---- environment ---- */

static bool take_variable(struct config *config, const char *entry, struct err *err) {
    struct str value = str_from(entry);
    struct str name = str_cut(&value, '=');
    bool is_file;

    if (!str_starts_with(name, prefix) || is_foreign(name, value)) return true;
    const char *label = str_to_c(name, config->storage);
    const struct setting *setting = find_or_file(name, &is_file);
    if (!setting) return refuse_unknown(name, label, false, err);
    const char *direct = is_file && value.size ? getenv(setting->name) : NULL;
    if (direct && *direct) {
        return err_set(
                err, ERR_INVALID, "both %s and %s are set: keep one of them", setting->name, label);
    }
    return take(config, &(struct given){ setting, label, value }, is_file, err);
}

static bool take_environment(struct config *config, struct err *err) {
    for (char **entry = environ; entry && *entry; entry++) {
        if (!take_variable(config, *entry, err)) return false;
    }
    return true;
}

/* ---- flags ---- */

static bool is_help(const char *argument) {
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* Takes one flag, and the argument behind it where its value stands there; *ret_used is 1 or 2. */
static bool take_flag(struct config *config, const char *argument, const char *next, int *ret_used,
        struct err *err) {
    struct str value = str_from(argument);
    struct str flag = str_cut(&value, '=');
    char name[NAME_SIZE_MAX];
    bool is_file = false;

    if (!str_starts_with(flag, STR("--"))) {
        return err_set(err, ERR_INVALID, "'" STR_FMT "' is not a setting: flags begin with '--'",
                STR_ARG(str_slice(flag, 0, SHOWN_MAX)));
    }
    const char *label = str_to_c(flag, config->storage);
    bool is_name = variable_of_flag(str_slice(flag, 2, flag.size), name);
    const struct setting *setting = is_name ? find_or_file(str_from(name), &is_file) : NULL;
    if (!setting) return refuse_unknown(str_from(is_name ? name : ""), label, true, err);
    *ret_used = 1;
    if (!value.data && setting->kind == KIND_BOOL && !is_file) {
        value = STR("true");
    } else if (!value.data) {
        if (!next || strncmp(next, "--", 2) == 0) {
            return err_set(err, ERR_INVALID, "%s needs a value: %s VALUE", label, label);
        }
        value = str_from(next);
        *ret_used = 2;
    }
    return take(config, &(struct given){ setting, label, value }, is_file, err);
}

static bool take_flags(struct config *config, int argc, char **argv, struct err *err) {
    int used = 1;

    for (int i = 1; i < argc; i += used) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (!take_flag(config, argv[i], next, &used, err)) return false;
    }
    return true;
}

bool config_load(struct config *ret, int argc, char **argv, bool *ret_help, struct err *err) {
    struct config config = { .storage = arena_new() };
    bool help = false;

    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        set_default(&config, &settings[i]);
    for (int i = 1; i < argc; i++)
        help = help || is_help(argv[i]);
    /* Who asks for help may have come because of a wrong setting: nothing is judged then. */
    if (!help && (!take_environment(&config, err) || !take_flags(&config, argc, argv, err))) {
        config_clear(&config);
        return false;
    }
    *ret = config;
    *ret_help = help;
    return true;
}

void config_clear(struct config *config) {
    arena_free(config->storage);
    *config = (struct config){ 0 };
}

/* ---- help ---- */

static void help_default(const struct setting *setting, struct buf *buf) {
    switch (setting->kind) {
    case KIND_STRING:
        if (setting->text) buf_append_format(buf, "      Default: %s\n", setting->text);
        break;
    case KIND_INT:
        buf_append_format(buf, "      Default: %lld; from %lld to %lld\n",
                (long long)setting->number, (long long)setting->least, (long long)setting->most);
        break;
    case KIND_BOOL: buf_append_c(buf, "      Default: false\n"); break;
    case KIND_SECRET:
        buf_append_format(
                buf, "      Secret: better by %s_FILE than here; never printed\n", setting->name);
        break;
    }
}

char *config_help(void) {
    static const char *const placeholders[] = {
        [KIND_STRING] = " VALUE", [KIND_INT] = " NUMBER", [KIND_BOOL] = "", [KIND_SECRET] = " VALUE"
    };
    char flag[NAME_SIZE_MAX];
    struct buf buf;

    buf_init(&buf, HELP_SIZE_MAX);
    buf_append_c(&buf,
            "Settings\n"
            "  Each is a flag and a variable of the environment; the flag has precedence.\n"
            "  PENSTOCK_NAME_FILE, or --name-file, names a file that holds the value.\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        const struct setting *setting = &settings[i];
        char usage[NAME_SIZE_MAX + 16];
        flag_of_variable(str_from(setting->name), flag);
        snprintf(usage, sizeof(usage), "--%s%s", flag, placeholders[setting->kind]);
        buf_append_format(&buf, "  %-32s %s\n      %s\n", usage, setting->name, setting->help);
        help_default(setting, &buf);
    }
    assert(!buf_is_over(&buf));
    return buf.data;
}

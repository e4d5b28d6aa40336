#include "system/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/assert.h"

enum { ARGUMENTS_MAX = 8 };

/* Loads with this environment ("NAME=value", NULL at the end) and these flags. */
static bool load(struct config *config, const char *const *environment, const char *const *flags,
        struct err *err) {
    char *argv[ARGUMENTS_MAX] = { strdup("program") };
    int argc = 1;
    bool help;

    clearenv();
    for (; environment && *environment; environment++) {
        char *entry = strdup(*environment);
        char *value = strchr(entry, '=');
        *value++ = '\0';
        setenv(entry, value, 1);
        free(entry);
    }
    for (; flags && *flags; flags++)
        argv[argc++] = strdup(*flags);
    bool ok = config_load(config, argc, argv, &help, err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return ok;
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void refused(const char *const *environment, const char *const *flags, const char *message) {
    struct config config;
    struct err err;

    assert_false(load(&config, environment, flags, &err));
    assert_int_equal(err.code, ERR_INVALID);
    if (!strstr(err.message, message)) fail_msg("'%s' does not contain '%s'", err.message, message);
}

static void test_defaults(void **state) {
    struct config config;
    struct err err;

    (void)state;
    assert_true(load(&config, NULL, NULL, &err));
    assert_null(config.store);
    assert_null(config.egress);
    assert_string_equal(config.data, "./penstock-data");
    assert_string_equal(config.log, "info");
    assert_int_equal(config.executor_in_flight, 1000);
    assert_false(config.allow_standalone);
    assert_null(config.master_key);
    config_clear(&config);
}

static void test_environment_then_flags(void **state) {
    struct config config;
    struct err err;

    (void)state;
    assert_true(load(&config,
            LIST("PENSTOCK_STORE=sqlite:a", "PENSTOCK_BUS=embedded:b", "PENSTOCK_PARTITIONS=12",
                    "PENSTOCK_ALLOW_STANDALONE=1", "PENSTOCK_LISTEN="),
            LIST("--store", "sqlite:c", "--admin-listen=[::1]:80", "--partitions=7", "--data=a=b"),
            &err));
    assert_string_equal(config.store, "sqlite:c");
    assert_string_equal(config.bus, "embedded:b");
    assert_string_equal(config.admin_listen, "[::1]:80");
    assert_string_equal(config.data, "a=b");
    assert_int_equal(config.partitions, 7);
    assert_true(config.allow_standalone);
    assert_null(config.listen);
    config_clear(&config);
    assert_true(load(&config, LIST("PENSTOCK_ALLOW_STANDALONE=true"),
            LIST("--allow-standalone=false"), &err));
    assert_false(config.allow_standalone);
    config_clear(&config);
    assert_true(load(&config, NULL, LIST("--allow-standalone", "--log", "off"), &err));
    assert_true(config.allow_standalone);
    config_clear(&config);
}

static void test_unknown_names_are_refused_with_a_guess(void **state) {
    (void)state;
    refused(LIST("PENSTOCK_STOER=x"), NULL,
            "'PENSTOCK_STOER' is unknown; did you mean 'PENSTOCK_STORE'?");
    refused(LIST("PENSTOCK_EGRES_ALLOW=x"), NULL, "did you mean 'PENSTOCK_EGRESS_ALLOW'?");
    refused(LIST("PENSTOCK_ADMIN_KEI_FILE=x"), NULL, "did you mean 'PENSTOCK_ADMIN_KEY'?");
    refused(LIST("PENSTOCK_WHATEVER_ELSE=x"), NULL, "is unknown; --help lists");
    refused(NULL, LIST("--stoer", "x"), "flag '--stoer' is unknown; did you mean '--store'?");
    refused(NULL, LIST("--admin_listen=x"), "flag '--admin_listen' is unknown");
    refused(NULL, LIST("--"), "is unknown");
    refused(NULL, LIST("sqlite:x"), "'sqlite:x' is not a setting");
    refused(NULL, LIST("-admin-key=hush"), "'-admin-key' is not a setting");
    refused(NULL, LIST("--store"), "--store needs a value");
    refused(NULL, LIST("--store", "--bus=x"), "--store needs a value");
}

static void test_other_variables_are_left_alone(void **state) {
    struct config config;
    struct err err;

    (void)state;
    assert_true(load(&config,
            LIST("PENSTOCK_URL=http://x", "PENSTOCK_API_KEY=k", "PENSTOCK_SHARED=/s",
                    "PENSTOCK_TEST_KAFKA=k", "PENSTOCK_STACK_CACHE=/c", "PATH=/bin", "PENSTOCK_API_SERVICE_HOST=10.0.0.1",
                    "PENSTOCK_API_SERVICE_PORT=8000", "PENSTOCK_API_SERVICE_PORT_HTTP=8000",
                    "PENSTOCK_API_PORT=tcp://10.0.0.1:8000",
                    "PENSTOCK_API_PORT_8000_TCP=tcp://10.0.0.1:8000",
                    "PENSTOCK_API_PORT_8000_TCP_ADDR=10.0.0.1"),
            NULL, &err));
    config_clear(&config);
    refused(LIST("PENSTOCK_API_PORT=8000"), NULL, "'PENSTOCK_API_PORT' is unknown");
}

static void test_bad_values_are_named(void **state) {
    (void)state;
    refused(LIST("PENSTOCK_PARTITIONS=5000"), NULL,
            "PENSTOCK_PARTITIONS is '5000': it must be a whole number from 0 to 4096");
    refused(NULL, LIST("--api-threads=4x"), "--api-threads is '4x'");
    refused(LIST("PENSTOCK_API_THREADS=99999999999999999999"), NULL, "from 1 to 64");
    refused(LIST("PENSTOCK_ALLOW_STANDALONE=maybe"), NULL, "must be true, false, 1 or 0");
    refused(LIST("PENSTOCK_LOG=loud"), NULL,
            "PENSTOCK_LOG is 'loud': it must be debug, info, warn, error or off");
    refused(LIST("PENSTOCK_EGRESS=private"), NULL, "must be public or any");
}

static void test_secrets_are_never_shown(void **state) {
    struct config config;
    struct err err;

    (void)state;
    assert_false(load(&config, LIST("PENSTOCK_MASTER_KEY=hushhush"), NULL, &err));
    assert_null(strstr(err.message, "hush"));
    assert_non_null(strstr(err.message, "PENSTOCK_MASTER_KEY"));
    assert_non_null(strstr(err.message, "64 hexadecimal digits"));
    assert_false(load(&config, NULL, LIST("--admin-keys=hushhush"), &err));
    assert_null(strstr(err.message, "hush"));
}

static void write_file(const char *path, const char *content, size_t size) {
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void test_values_from_files(void **state) {
    char path[] = "/tmp/config_test_XXXXXX";
    char entry[64], other[64];
    struct config config;
    struct err err;

    (void)state;
    close(mkstemp(path));
    write_file(path, "the key\r\n\n", 10);
    snprintf(entry, sizeof(entry), "PENSTOCK_ADMIN_KEY_FILE=%s", path);
    assert_true(load(&config, LIST(entry), NULL, &err));
    assert_string_equal(config.admin_key, "the key");
    config_clear(&config);
    refused(LIST(entry, "PENSTOCK_ADMIN_KEY=k"), NULL,
            "both PENSTOCK_ADMIN_KEY and PENSTOCK_ADMIN_KEY_FILE are set");
    assert_true(
            load(&config, LIST(entry, "PENSTOCK_ADMIN_KEY="), LIST("--admin-key", "flag"), &err));
    assert_string_equal(config.admin_key, "flag");
    config_clear(&config);
    snprintf(other, sizeof(other), "--partitions-file=%s", path);
    write_file(path, "33\n", 3);
    assert_true(load(&config, NULL, LIST(other), &err));
    assert_int_equal(config.partitions, 33);
    config_clear(&config);
    write_file(path, "a\0b", 3);
    refused(LIST(entry), NULL, "PENSTOCK_ADMIN_KEY_FILE has a value");
    unlink(path);
    refused(LIST(entry), NULL, "PENSTOCK_ADMIN_KEY_FILE: cannot open '/tmp/config_test_");
    refused(LIST("PENSTOCK_CA_FILE=/"), NULL, "cannot read '/'");
    refused(LIST("PENSTOCK_CA_FILE=/dev/zero"), NULL, "larger than 65536 bytes");
}

static void test_help(void **state) {
    char *argv[] = { strdup("program"), strdup("--nonsense"), strdup("--help") };
    char *help = config_help();
    struct config config;
    struct err err;
    bool asked = false;

    (void)state;
    setenv("PENSTOCK_NONSENSE", "1", 1);
    assert_true(config_load(&config, 3, argv, &asked, &err));
    assert_true(asked);
    config_clear(&config);
    unsetenv("PENSTOCK_NONSENSE");
#define CONFIG_STRING(field, name, fallback, help_text) \
    assert_non_null(strstr(help, name)), assert_non_null(strstr(help, help_text));
#define CONFIG_INT(field, name, fallback, least, most, help_text) \
    CONFIG_STRING(field, name, fallback, help_text)
#define CONFIG_BOOL(field, name, help_text)   CONFIG_STRING(field, name, 0, help_text)
#define CONFIG_SECRET(field, name, help_text) CONFIG_STRING(field, name, 0, help_text)
#include "system/config.def"
#undef CONFIG_STRING
#undef CONFIG_INT
#undef CONFIG_BOOL
#undef CONFIG_SECRET
    assert_non_null(strstr(help, "--admin-listen VALUE"));
    assert_non_null(strstr(help, "Default: 1000; from 1 to 10000"));
    free(help);
    for (size_t i = 0; i < ARRAY_SIZE(argv); i++)
        free(argv[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_environment_then_flags),
        cmocka_unit_test(test_unknown_names_are_refused_with_a_guess),
        cmocka_unit_test(test_other_variables_are_left_alone),
        cmocka_unit_test(test_bad_values_are_named),
        cmocka_unit_test(test_secrets_are_never_shown),
        cmocka_unit_test(test_values_from_files),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

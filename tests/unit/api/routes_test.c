/* The table of routes against the document that describes them, and the document against itself. */

#include "services/api/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/json.h"
#include "services/api/openapi.h"

static int set_up(void **state) {
    *state = arena_new();
    return 0;
}

static int tear_down(void **state) {
    arena_free(*state);
    return 0;
}

static struct json read_document(struct arena *arena) {
    struct json document;
    struct err err;

    if (!json_read(openapi_document(), NULL, arena, &document, NULL, &err)) fail_msg("%s", err.message);
    return document;
}

static struct str lower(struct str method, struct arena *arena) {
    char *text = arena_alloc(arena, method.size);

    for (size_t i = 0; i < method.size; i++) text[i] = (char)(method.data[i] + ('a' - 'A'));
    return (struct str){ text, method.size };
}

static void every_route_is_documented(void **state) {
    struct json paths = json_get(read_document(*state), STR("paths"));

    for (size_t i = 0; routes_at(i); i++) {
        const struct route *route = routes_at(i);
        struct json operation = json_get(json_get(paths, route->path), lower(route->method, *state));
        if (json_is_absent(operation)) fail_msg("%s %s is not documented", route->method.data, route->path.data);
        bool open = json_size(json_get(operation, STR("security"))) == 1;
        if (open != (route->right == RIGHT_PUBLIC)) fail_msg("%s %s: security says otherwise", route->method.data, route->path.data);
        if (!open && json_is_absent(json_pointer_get(operation, STR("/responses/401")))) fail_msg("%s: no 401", route->path.data);
    }
}

static void every_documented_path_is_served(void **state) {
    struct json paths = json_get(read_document(*state), STR("paths"));

    for (size_t i = 0; i < json_size(paths); i++) {
        const struct json_member *path = json_member_at(paths, i);
        for (size_t k = 0; k < json_size(path->value); k++) {
            struct str method = json_member_at(path->value, k)->key;
            bool found = false;
            for (size_t r = 0; routes_at(r) && !found; r++) {
                found = str_equal(path->key, routes_at(r)->path) && str_equal(method, lower(routes_at(r)->method, *state));
            }
            if (!found) fail_msg(STR_FMT " " STR_FMT " is not served", STR_ARG(method), STR_ARG(path->key));
        }
    }
}

/* Parameters of a path: each in its text is declared. */
static void path_parameters_are_declared(void **state) {
    struct json document = read_document(*state), paths = json_get(document, STR("paths"));

    for (size_t i = 0; routes_at(i); i++) {
        struct str rest = routes_at(i)->path;
        struct json operation = json_get(json_get(paths, rest), lower(routes_at(i)->method, *state));
        struct json parameters = json_get(operation, STR("parameters"));
        size_t wanted = 0, declared = 0;
        while (rest.data) wanted += str_starts_with(str_cut(&rest, '/'), STR("{"));
        for (size_t k = 0; k < json_size(parameters); k++) {
            struct json parameter = json_at(parameters, k);
            struct str reference = json_str(json_get(parameter, STR("$ref")));
            if (reference.size) parameter = json_pointer_get(document, str_slice(reference, 1, reference.size));
            declared += str_equal(json_str(json_get(parameter, STR("in"))), STR("path"));
        }
        if (wanted != declared) fail_msg("%s: %zu parameters, %zu declared", routes_at(i)->path.data, wanted, declared);
    }
}

static void check_references(struct json document, struct json value) {
    struct str reference = json_str(json_get(value, STR("$ref")));

    if (reference.size && json_is_absent(json_pointer_get(document, str_slice(reference, 1, reference.size)))) {
        fail_msg(STR_FMT " leads nowhere", STR_ARG(reference));
    }
    for (size_t i = 0; json_type(value) == JSON_ARRAY && i < json_size(value); i++) check_references(document, json_at(value, i));
    for (size_t i = 0; json_type(value) == JSON_OBJECT && i < json_size(value); i++) {
        check_references(document, json_member_at(value, i)->value);
    }
}

static void references_lead_somewhere(void **state) {
    struct json document = read_document(*state);

    assert_true(str_equal(json_str(json_get(document, STR("openapi"))), STR("3.1.0")));
    check_references(document, document);
}

static enum route_verdict find(const char *method, const char *path, const char **ret_name, struct str *parameters, struct arena *arena) {
    const struct route *route = NULL;
    enum route_verdict verdict = routes_find(str_from(method), str_from(path), arena, &route, parameters);

    *ret_name = route ? route->name : "";
    return verdict;
}

static void paths_find_their_handler(void **state) {
    struct str parameters[ROUTE_PARAMETERS_MAX];
    const char *name;

    assert_int_equal(find("GET", "/v1/instances/stats", &name, parameters, *state), ROUTE_FOUND);
    assert_string_equal(name, "instances_stats");
    assert_int_equal(find("HEAD", "/v1/instances/x", &name, parameters, *state), ROUTE_FOUND);
    assert_string_equal(name, "instances_get");
    assert_true(str_equal(parameters[0], STR("x")));
    assert_int_equal(find("POST", "/v1/workflows/a%2Fb/c%C3%A9/instances", &name, parameters, *state), ROUTE_FOUND);
    assert_true(str_equal(parameters[0], STR("a/b")));
    assert_true(str_equal(parameters[1], STR("cé")));
    assert_int_equal(find("GET", "/v1/instances/", &name, parameters, *state), ROUTE_UNKNOWN);
    assert_int_equal(find("GET", "", &name, parameters, *state), ROUTE_UNKNOWN);
    assert_int_equal(find("GET", "//", &name, parameters, *state), ROUTE_UNKNOWN);
    assert_int_equal(find("GET", "/v1//x", &name, parameters, *state), ROUTE_UNKNOWN);
    assert_int_equal(find("PUT", "/v1/instances", &name, parameters, *state), ROUTE_OTHER_METHOD);
    assert_int_equal(find("GET", "/v1/instances/%c3%28", &name, parameters, *state), ROUTE_MALFORMED);
    assert_int_equal(find("GET", "/v1/instances/%4", &name, parameters, *state), ROUTE_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_route_is_documented, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_documented_path_is_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(path_parameters_are_declared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(references_lead_somewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths_find_their_handler, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}

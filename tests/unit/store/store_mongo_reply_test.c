#include "store/store_mongo_internal.h"

/* What becomes of a batch, by what the server answers and the driver makes of it. Most of this
 * cannot be had from a server at will. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 4 };

struct answer {
    const char *reply;      /* as mongoc_bulk_operation_execute() gives it */
    uint32_t domain, code;  /* of its error; domain 0: it succeeded */
    const char *verdicts;   /* D one, E xists, U nknown, F ailed */
    enum err_code err_code; /* ERR_NONE: true */
};

static const struct answer answers[] = {
    { "{\"nInserted\":4,\"nMatched\":0,\"nUpserted\":0,\"writeErrors\":[]}", 0, 0, "DDDD",
            ERR_NONE },
    /* Losers are named by index, in any order. */
    { "{\"nInserted\":2,\"writeErrors\":[{\"index\":3,\"code\":11000,\"errmsg\":\"E11000\"},"
      "{\"index\":0,\"code\":11000,\"errmsg\":\"E11000\"}]}",
            MONGOC_ERROR_SERVER, 11000, "EDDE", ERR_NONE },
    { "{\"nInserted\":0,\"nMatched\":1,\"nUpserted\":2,\"writeErrors\":[{\"index\":1,\"code\":"
      "11000,\"errmsg\":\"\"}]}",
            MONGOC_ERROR_SERVER, 11000, "DEDD", ERR_NONE },
    /* No majority yet: neither those that were written are sure, nor those that met their id. */
    { "{\"nInserted\":4,\"writeErrors\":[],\"writeConcernErrors\":[{\"code\":64,\"errmsg\":"
      "\"waiting\"}]}",
            MONGOC_ERROR_WRITE_CONCERN, 64, "UUUU", ERR_UNKNOWN },
    { "{\"nInserted\":3,\"writeErrors\":[{\"index\":1,\"code\":11000,\"errmsg\":\"E11000\"}],"
      "\"writeConcernErrors\":[{\"code\":91,\"errmsg\":\"shutdown\"}]}",
            MONGOC_ERROR_SERVER, 11000, "UUUU", ERR_UNKNOWN },
    /* The disk of the server. */
    { "{\"nInserted\":2,\"writeErrors\":[{\"index\":1,\"code\":14031,\"errmsg\":\"no space\"},"
      "{\"index\":2,\"code\":11000,\"errmsg\":\"E11000\"}]}",
            MONGOC_ERROR_SERVER, 14031, "DFED", ERR_FULL },
    /* Any other reason may be that of a server that steps down. */
    { "{\"nInserted\":3,\"writeErrors\":[{\"index\":2,\"code\":11602,\"errmsg\":\"interrupted\"}]}",
            MONGOC_ERROR_SERVER, 11602, "DDUD", ERR_UNKNOWN },
    /* No answer; an answer for all; an answer that does not account for every record. */
    { "{\"nInserted\":0,\"writeErrors\":[]}", MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET,
            "UUUU", ERR_UNKNOWN },
    { "{\"nInserted\":0,\"writeErrors\":[]}", MONGOC_ERROR_SERVER, 10107, "UUUU", ERR_UNKNOWN },
    { "{\"nInserted\":1,\"writeErrors\":[{\"index\":0,\"code\":11000,\"errmsg\":\"E11000\"}]}",
            MONGOC_ERROR_SERVER, 11000, "UUUU", ERR_UNKNOWN },
    { "{\"nInserted\":3,\"writeErrors\":[{\"index\":7,\"code\":11000,\"errmsg\":\"E11000\"}]}",
            MONGOC_ERROR_SERVER, 11000, "UUUU", ERR_UNKNOWN },
    { "{\"nInserted\":3,\"writeErrors\":[{\"code\":11000}]}", MONGOC_ERROR_SERVER, 11000, "UUUU",
            ERR_UNKNOWN },
    { "{}", MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, "UUUU", ERR_UNKNOWN },
    /* Nobody to send to: certainly not written. */
    { "{}", MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_FAILURE, "FFFF",
            ERR_UNAVAILABLE },
};

static void test_verdicts(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        const struct answer *answer = &answers[i];
        bson_error_t error;
        bson_t *reply = bson_new_from_json((const uint8_t *)answer->reply, -1, &error);
        enum verdict verdicts[COUNT];
        char text[COUNT + 1] = "";
        struct err err = { .code = ERR_NONE };
        assert_non_null(reply);
        bson_set_error(&error, answer->domain, answer->code, "the driver's words");
        bool ok = reply_verdicts(reply, answer->domain ? &error : NULL, COUNT, verdicts, &err);
        for (size_t j = 0; j < COUNT; j++)
            text[j] = "DEUF"[verdicts[j]];
        if (strcmp(text, answer->verdicts) != 0)
            fail_msg("%s: %s, not %s", answer->reply, text, answer->verdicts);
        assert_int_equal(ok, answer->err_code == ERR_NONE);
        assert_int_equal(err.code, answer->err_code);
        bson_destroy(reply);
    }
}

struct address_case {
    const char *url, *database;
    bool allow_standalone, retry_writes;
    int32_t socket_timeout_ms;
};

static void test_addresses(void **state) {
    static const struct address_case cases[] = {
        { "mongodb://h", "penstock", false, true, 10000 },
        { "mongodb://h/", "penstock", false, true, 10000 },
        { "mongodb://h/?replicaSet=rs0", "penstock", false, true, 10000 },
        { "mongodb://u:p@h:1,i:2/flows?replicaSet=rs0&socketTimeoutMS=700", "flows", false, true,
                700 },
        { "mongodb://h/flows?allowStandalone=true", "flows", true, false, 10000 },
        { "mongodb://h/flows?retryWrites=true&AllowStandalone=TRUE&socketTimeoutMS=5", "flows",
                true, true, 5 },
        { "mongodb://h/flows?allowStandalone=false&retryWrites=false", "flows", false, false,
                10000 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct mongo_address address;
        struct err err;
        if (!mongo_address_parse(cases[i].url, &address, &err))
            fail_msg("%s: %s", cases[i].url, err.message);
        assert_string_equal(address.database, cases[i].database);
        assert_int_equal(address.allow_standalone, cases[i].allow_standalone);
        assert_int_equal(mongoc_uri_get_option_as_bool(address.uri, MONGOC_URI_RETRYWRITES, false),
                cases[i].retry_writes);
        assert_int_equal(mongoc_uri_get_option_as_int32(address.uri, MONGOC_URI_SOCKETTIMEOUTMS, 0),
                cases[i].socket_timeout_ms);
        assert_int_equal(
                mongoc_uri_get_option_as_int32(address.uri, MONGOC_URI_HEARTBEATFREQUENCYMS, 0),
                2000);
        mongo_address_clear(&address);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_addresses) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

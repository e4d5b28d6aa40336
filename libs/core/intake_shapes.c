#include "core/intake_internal.h"

/* The structure of a definition, after the specification's schema (main). Read from the bottom:
 * a table refers to those above it. */

#define SHAPE(name, ...)      static const struct shape name = { __VA_ARGS__ }
#define RULE(name, ...)       static const struct rule name = { __VA_ARGS__ }
#define PROPERTIES(name, ...) static const struct property name[] = { __VA_ARGS__, { 0 } }
#define WORDS(name, ...)      static const char *const name[] = { __VA_ARGS__, NULL }

/* ---- plain values ---- */

RULE(anything, .types = IS_ANYTHING);
RULE(text, .types = IS_TEXT);
RULE(filled, .types = IS_TEXT, .text = TEXT_FILLED);
RULE(boolean, .types = IS_BOOLEAN);
RULE(integer, .types = IS_INTEGER);
RULE(mapping, .types = IS_MAPPING);
RULE(texts, .types = IS_LIST, .items = &text);
RULE(map_of_texts, .types = IS_MAPPING, .values = &text);
RULE(map_of_texts_or_expression, .types = IS_TEXT | IS_MAPPING, .text = TEXT_EXPRESSION,
        .values = &text, .expected = "a mapping of texts, or an expression ${ }");
RULE(expression, .types = IS_TEXT, .text = TEXT_EXPRESSION);
RULE(text_or_mapping, .types = IS_TEXT | IS_MAPPING);
RULE(tasks, .types = IS_LIST, .special = SPECIAL_TASKS,
        .expected = "a list of tasks, each a mapping of one name to its task");
RULE(then, .types = IS_TEXT, .expected = "continue, exit, end, or the name of a task");
RULE(uri, .types = IS_TEXT, .text = TEXT_URI);
RULE(uri_or_expression, .types = IS_TEXT, .text = TEXT_URI_OR_EXPRESSION);

/* ---- durations ---- */

PROPERTIES(duration_properties, { "days", &integer, 0 }, { "hours", &integer, 0 },
        { "minutes", &integer, 0 }, { "seconds", &integer, 0 }, { "milliseconds", &integer, 0 });
SHAPE(duration_shape, .what = "a duration", .properties = duration_properties);
RULE(duration, .types = IS_TEXT | IS_MAPPING, .text = TEXT_DURATION, .shape = &duration_shape,
        .count_min = 1,
        .expected = "a duration: a mapping such as { seconds: 30 }, a text such as PT30S, or an "
                    "expression ${ }");

PROPERTIES(timeout_properties, { "after", &duration, NEEDED });
SHAPE(timeout_shape, .what = "a timeout", .properties = timeout_properties);
RULE(timeout, .types = IS_MAPPING, .shape = &timeout_shape);
RULE(timeout_or_name, .types = IS_TEXT | IS_MAPPING, .shape = &timeout_shape,
        .expected = "a timeout such as { after: PT30S }, or the name of one");

/* ---- authentication ---- */

PROPERTIES(use_properties, { "use", &filled, NEEDED });
SHAPE(use_shape, .what = "a reference to a secret", .properties = use_properties);
SHAPE(use_policy_shape, .what = "a reference to an authentication policy",
        .properties = use_properties);

PROPERTIES(basic_properties, { "username", &text, NEEDED }, { "password", &text, NEEDED });
SHAPE(basic_shape, .what = "an authentication by name and password",
        .properties = basic_properties);
RULE(basic, .types = IS_MAPPING, .shape = &basic_shape, .if_use = &use_shape);

PROPERTIES(bearer_properties, { "token", &text, NEEDED });
SHAPE(bearer_shape, .what = "an authentication by token", .properties = bearer_properties);
RULE(bearer, .types = IS_MAPPING, .shape = &bearer_shape, .if_use = &use_shape);

WORDS(grants, "authorization_code", "client_credentials", "password", "refresh_token",
        "urn:ietf:params:oauth:grant-type:token-exchange");
RULE(grant, .types = IS_TEXT, .text = TEXT_WORD, .words = grants);
WORDS(client_authentications, "client_secret_basic", "client_secret_post", "client_secret_jwt",
        "private_key_jwt", "none");
RULE(client_authentication, .types = IS_TEXT, .text = TEXT_WORD, .words = client_authentications);
PROPERTIES(oauth2_client_properties, { "id", &text, 0 }, { "secret", &text, 0 },
        { "assertion", &text, 0 }, { "authentication", &client_authentication, 0 });
SHAPE(oauth2_client_shape, .what = "an OAuth2 client", .properties = oauth2_client_properties);
RULE(oauth2_client, .types = IS_MAPPING, .shape = &oauth2_client_shape);
WORDS(encodings, "application/x-www-form-urlencoded", "application/json");
RULE(encoding, .types = IS_TEXT, .text = TEXT_WORD, .words = encodings);
PROPERTIES(oauth2_request_properties, { "encoding", &encoding, 0 });
SHAPE(oauth2_request_shape, .what = "a token request", .properties = oauth2_request_properties,
        .is_open = true);
RULE(oauth2_request, .types = IS_MAPPING, .shape = &oauth2_request_shape);
PROPERTIES(oauth2_token_properties, { "token", &text, NEEDED }, { "type", &text, NEEDED });
SHAPE(oauth2_token_shape, .what = "a token", .properties = oauth2_token_properties);
RULE(oauth2_token, .types = IS_MAPPING, .shape = &oauth2_token_shape);
PROPERTIES(oidc_properties, { "authority", &uri, NEEDED }, { "grant", &grant, NEEDED },
        { "client", &oauth2_client, 0 }, { "request", &oauth2_request, 0 },
        { "issuers", &texts, 0 }, { "scopes", &texts, 0 }, { "audiences", &texts, 0 },
        { "username", &text, 0 }, { "password", &text, 0 }, { "subject", &oauth2_token, 0 },
        { "actor", &oauth2_token, 0 });
SHAPE(oidc_shape, .what = "an authentication by OpenID Connect", .properties = oidc_properties);
RULE(oidc, .types = IS_MAPPING, .shape = &oidc_shape, .if_use = &use_shape);
PROPERTIES(oauth2_endpoint_properties, { "token", &uri, 0 }, { "revocation", &uri, 0 },
        { "introspection", &uri, 0 });
SHAPE(oauth2_endpoint_shape, .what = "the endpoints of an authority",
        .properties = oauth2_endpoint_properties, .is_open = true);
RULE(oauth2_endpoints, .types = IS_MAPPING, .shape = &oauth2_endpoint_shape);
PROPERTIES(oauth2_properties, { "endpoints", &oauth2_endpoints, 0 });
SHAPE(oauth2_shape, .what = "an authentication by OAuth2", .properties = oauth2_properties,
        .base = &oidc_shape);
RULE(oauth2, .types = IS_MAPPING, .shape = &oauth2_shape, .if_use = &use_shape);

PROPERTIES(policy_properties, { "basic", &basic, CHOICE_1 }, { "bearer", &bearer, CHOICE_1 },
        { "digest", &basic, CHOICE_1 }, { "oauth2", &oauth2, CHOICE_1 },
        { "oidc", &oidc, CHOICE_1 });
SHAPE(policy_shape, .what = "an authentication policy", .properties = policy_properties);
SHAPE(open_policy_shape, .what = "an authentication policy", .properties = policy_properties,
        .is_open = true);
RULE(policy, .types = IS_MAPPING,
        .shape = &open_policy_shape); /* the schema leaves those under `use` open */
RULE(policies, .types = IS_MAPPING, .values = &policy);
RULE(authentication, .types = IS_MAPPING, .shape = &policy_shape, .if_use = &use_policy_shape);

/* ---- endpoints and resources ---- */

PROPERTIES(endpoint_properties, { "uri", &uri_or_expression, NEEDED },
        { "authentication", &authentication, 0 });
SHAPE(endpoint_shape, .what = "an endpoint", .properties = endpoint_properties);
RULE(endpoint, .types = IS_TEXT | IS_MAPPING, .text = TEXT_URI_OR_EXPRESSION,
        .shape = &endpoint_shape, .expected = "a URI, an expression ${ }, or a mapping with `uri`");

PROPERTIES(resource_properties, { "name", &text, 0 }, { "endpoint", &endpoint, NEEDED });
SHAPE(resource_shape, .what = "an external resource", .properties = resource_properties);
RULE(resource, .types = IS_MAPPING, .shape = &resource_shape);

PROPERTIES(catalog_properties, { "endpoint", &endpoint, NEEDED });
SHAPE(catalog_shape, .what = "a catalog", .properties = catalog_properties);
RULE(catalog, .types = IS_MAPPING, .shape = &catalog_shape);
RULE(catalogs, .types = IS_MAPPING, .values = &catalog);

/* ---- data flow ---- */

PROPERTIES(schema_properties, { "format", &text, 0 }, { "document", &anything, CHOICE_1 },
        { "resource", &resource, CHOICE_1 });
SHAPE(schema_shape, .what = "a schema", .properties = schema_properties);
RULE(schema, .types = IS_MAPPING, .shape = &schema_shape);
PROPERTIES(input_properties, { "schema", &schema, 0 }, { "from", &text_or_mapping, 0 });
SHAPE(input_shape, .what = "an input", .properties = input_properties);
RULE(input, .types = IS_MAPPING, .shape = &input_shape);
PROPERTIES(output_properties, { "schema", &schema, 0 }, { "as", &text_or_mapping, 0 });
SHAPE(output_shape, .what = "an output", .properties = output_properties);
RULE(output, .types = IS_MAPPING, .shape = &output_shape);
SHAPE(export_shape, .what = "an export", .properties = output_properties);
RULE(export, .types = IS_MAPPING, .shape = &export_shape);

/* ---- errors and retries ---- */

RULE(error_type, .types = IS_TEXT, .text = TEXT_URI_OR_EXPRESSION);
RULE(error_instance, .types = IS_TEXT, .text = TEXT_POINTER_OR_EXPRESSION);
PROPERTIES(error_properties, { "type", &error_type, NEEDED }, { "status", &integer, NEEDED },
        { "instance", &error_instance, 0 }, { "title", &text, 0 }, { "detail", &text, 0 });
SHAPE(error_shape, .what = "an error", .properties = error_properties);
RULE(error, .types = IS_MAPPING, .shape = &error_shape);
RULE(errors, .types = IS_MAPPING, .values = &error);
RULE(error_or_name, .types = IS_TEXT | IS_MAPPING, .shape = &error_shape,
        .expected = "an error with `type` and `status`, or the name of one");

PROPERTIES(error_filter_properties, { "type", &text, 0 }, { "status", &integer, 0 },
        { "instance", &text, 0 }, { "title", &text, 0 }, { "detail", &text, 0 });
SHAPE(error_filter_shape, .what = "an error filter", .properties = error_filter_properties,
        .is_open = true);
RULE(error_filter, .types = IS_MAPPING, .shape = &error_filter_shape, .count_min = 1);
PROPERTIES(caught_properties, { "with", &error_filter, 0 });
SHAPE(caught_shape, .what = "the errors to catch", .properties = caught_properties,
        .is_open = true);
RULE(caught, .types = IS_MAPPING, .shape = &caught_shape);

PROPERTIES(backoff_properties, { "constant", &mapping, CHOICE_1 },
        { "exponential", &mapping, CHOICE_1 }, { "linear", &mapping, CHOICE_1 });
SHAPE(backoff_shape, .what = "a backoff", .properties = backoff_properties);
RULE(backoff, .types = IS_MAPPING, .shape = &backoff_shape);
PROPERTIES(attempt_properties, { "count", &integer, 0 }, { "duration", &duration, 0 });
SHAPE(attempt_shape, .what = "a limit of attempts", .properties = attempt_properties);
RULE(attempt, .types = IS_MAPPING, .shape = &attempt_shape);
PROPERTIES(limit_properties, { "attempt", &attempt, 0 }, { "duration", &duration, 0 });
SHAPE(limit_shape, .what = "a limit of retries", .properties = limit_properties);
RULE(limit, .types = IS_MAPPING, .shape = &limit_shape);
PROPERTIES(jitter_properties, { "from", &duration, NEEDED }, { "to", &duration, NEEDED });
SHAPE(jitter_shape, .what = "a jitter", .properties = jitter_properties);
RULE(jitter, .types = IS_MAPPING, .shape = &jitter_shape);
PROPERTIES(retry_properties, { "when", &text, 0 }, { "exceptWhen", &text, 0 },
        { "delay", &duration, 0 }, { "backoff", &backoff, 0 }, { "limit", &limit, 0 },
        { "jitter", &jitter, 0 });
SHAPE(retry_shape, .what = "a retry policy", .properties = retry_properties);
RULE(retry, .types = IS_MAPPING, .shape = &retry_shape);
RULE(retries, .types = IS_MAPPING, .values = &retry);
RULE(retry_or_name, .types = IS_TEXT | IS_MAPPING, .shape = &retry_shape,
        .expected = "a retry policy, or the name of one");

/* ---- events ---- */

RULE(event_time, .types = IS_TEXT, .text = TEXT_TIME_OR_EXPRESSION);
#define EVENT_PROPERTIES(type_flags)                                                              \
    { "id", &text, 0 }, { "source", &uri_or_expression, 0 }, { "type", &text, type_flags },       \
            { "time", &event_time, 0 }, { "subject", &text, 0 }, { "datacontenttype", &text, 0 }, \
            { "dataschema", &uri_or_expression, 0 }, {                                            \
        "data", &anything, 0                                                                      \
    }
PROPERTIES(event_properties, EVENT_PROPERTIES(0));
SHAPE(event_shape, .what = "an event", .properties = event_properties, .is_open = true);
RULE(event_with, .types = IS_MAPPING, .shape = &event_shape, .count_min = 1);
PROPERTIES(emitted_with_properties, EVENT_PROPERTIES(NEEDED));
SHAPE(emitted_with_shape, .what = "an event to emit", .properties = emitted_with_properties,
        .is_open = true);
RULE(emitted_with, .types = IS_MAPPING, .shape = &emitted_with_shape);
PROPERTIES(emitted_properties, { "with", &emitted_with, 0 });
SHAPE(emitted_shape, .what = "an event to emit", .properties = emitted_properties, .is_open = true);
RULE(emitted, .types = IS_MAPPING, .shape = &emitted_shape);

PROPERTIES(correlation_properties, { "from", &text, NEEDED }, { "expect", &text, 0 });
SHAPE(correlation_shape, .what = "a correlation", .properties = correlation_properties,
        .is_open = true);
RULE(correlation, .types = IS_MAPPING, .shape = &correlation_shape);
RULE(correlations, .types = IS_MAPPING, .values = &correlation);
PROPERTIES(filter_properties, { "with", &event_with, NEEDED }, { "correlate", &correlations, 0 });
SHAPE(filter_shape, .what = "an event filter", .properties = filter_properties);
RULE(filter, .types = IS_MAPPING, .shape = &filter_shape);
RULE(filters, .types = IS_LIST, .items = &filter);

#define STRATEGY_PROPERTIES                                         \
    { "all", &filters, CHOICE_1 }, { "any", &filters, CHOICE_1 }, { \
        "one", &filter, CHOICE_1                                    \
    }
PROPERTIES(until_properties, STRATEGY_PROPERTIES);
SHAPE(until_shape, .what = "the events that end the listening", .properties = until_properties);
RULE(until, .types = IS_TEXT | IS_MAPPING, .shape = &until_shape,
        .expected = "an expression, or the events that end the listening");
PROPERTIES(strategy_properties, STRATEGY_PROPERTIES, { "until", &until, 0 });

static const char *strategy_conflict(struct json value) {
    bool is_alone = json_has(value, STR("until")) && !json_has(value, STR("any"));

    return is_alone
            ? "'until' goes with 'any' only: 'all' and 'one' know by themselves when they end"
            : NULL;
}
SHAPE(strategy_shape, .what = "the events to listen to", .properties = strategy_properties,
        .conflict = strategy_conflict);
RULE(strategy, .types = IS_MAPPING, .shape = &strategy_shape);

WORDS(readings, "data", "envelope", "raw");
RULE(read_as, .types = IS_TEXT, .text = TEXT_WORD, .words = readings);

PROPERTIES(iterator_properties, { "item", &text, 0 }, { "at", &text, 0 }, { "do", &tasks, 0 },
        { "output", &output, 0 }, { "export", &export, 0 });
SHAPE(iterator_shape, .what = "an iterator", .properties = iterator_properties);
RULE(iterator, .types = IS_MAPPING, .shape = &iterator_shape);

/* ---- tasks: what all have ---- */

PROPERTIES(base_properties, { "if", &text, 0 }, { "input", &input, 0 }, { "output", &output, 0 },
        { "export", &export, 0 }, { "timeout", &timeout_or_name, 0 }, { "then", &then, 0 },
        { "metadata", &mapping, 0 });
SHAPE(base_shape, .what = "a task", .properties = base_properties);

#define TASK(name, text, ...)                   \
    PROPERTIES(name##_properties, __VA_ARGS__); \
    SHAPE(name, .what = text, .properties = name##_properties, .base = &base_shape)

/* ---- call ---- */

WORDS(outputs, "raw", "content", "response");
RULE(output_as, .types = IS_TEXT, .text = TEXT_WORD, .words = outputs);

PROPERTIES(http_properties, { "method", &text, NEEDED }, { "endpoint", &endpoint, NEEDED },
        { "headers", &map_of_texts_or_expression, 0 }, { "body", &anything, 0 },
        { "query", &map_of_texts_or_expression, 0 }, { "output", &output_as, 0 },
        { "redirect", &boolean, 0 });
SHAPE(http_shape, .what = "an HTTP call", .properties = http_properties);
RULE(http, .types = IS_MAPPING, .shape = &http_shape);
TASK(call_http, "an HTTP call task", { "call", &text, NEEDED }, { "with", &http, NEEDED });

RULE(host, .types = IS_TEXT, .text = TEXT_HOST);
RULE(port, .types = IS_INTEGER, .integer_max = 65535);
PROPERTIES(grpc_service_properties, { "name", &text, NEEDED }, { "host", &host, NEEDED },
        { "port", &port, 0 }, { "authentication", &authentication, 0 });
SHAPE(grpc_service_shape, .what = "a gRPC service", .properties = grpc_service_properties);
RULE(grpc_service, .types = IS_MAPPING, .shape = &grpc_service_shape);
PROPERTIES(grpc_properties, { "proto", &resource, NEEDED }, { "service", &grpc_service, NEEDED },
        { "method", &text, NEEDED }, { "arguments", &mapping, 0 });
SHAPE(grpc_shape, .what = "a gRPC call", .properties = grpc_properties);
RULE(grpc, .types = IS_MAPPING, .shape = &grpc_shape);
TASK(call_grpc, "a gRPC call task", { "call", &text, NEEDED }, { "with", &grpc, NEEDED });

PROPERTIES(openapi_properties, { "document", &resource, NEEDED }, { "operationId", &text, NEEDED },
        { "parameters", &mapping, 0 }, { "authentication", &authentication, 0 },
        { "output", &output_as, 0 }, { "redirect", &boolean, 0 });
SHAPE(openapi_shape, .what = "an OpenAPI call", .properties = openapi_properties);
RULE(openapi, .types = IS_MAPPING, .shape = &openapi_shape);
TASK(call_openapi, "an OpenAPI call task", { "call", &text, NEEDED }, { "with", &openapi, NEEDED });

PROPERTIES(asyncapi_server_properties, { "name", &text, NEEDED }, { "variables", &mapping, 0 });
SHAPE(asyncapi_server_shape, .what = "an AsyncAPI server",
        .properties = asyncapi_server_properties);
RULE(asyncapi_server, .types = IS_MAPPING, .shape = &asyncapi_server_shape);
WORDS(protocols, "amqp", "amqp1", "anypointmq", "googlepubsub", "http", "ibmmq", "jms", "kafka",
        "mercure", "mqtt", "mqtt5", "nats", "pulsar", "redis", "sns", "solace", "sqs", "stomp",
        "ws");
RULE(protocol, .types = IS_TEXT, .text = TEXT_WORD, .words = protocols);
PROPERTIES(message_properties, { "payload", &mapping, 0 }, { "headers", &mapping, 0 });
SHAPE(message_shape, .what = "a message", .properties = message_properties);
RULE(message, .types = IS_MAPPING, .shape = &message_shape);
PROPERTIES(consume_properties, { "for", &duration, 0 }, { "amount", &integer, CHOICE_1 },
        { "while", &expression, CHOICE_1 }, { "until", &expression, CHOICE_1 });
SHAPE(consume_shape, .what = "a consumption policy", .properties = consume_properties);
RULE(consume, .types = IS_MAPPING, .shape = &consume_shape);
PROPERTIES(subscription_properties, { "filter", &expression, 0 }, { "consume", &consume, NEEDED },
        { "foreach", &iterator, 0 });
SHAPE(subscription_shape, .what = "a subscription", .properties = subscription_properties);
RULE(subscription, .types = IS_MAPPING, .shape = &subscription_shape);
PROPERTIES(asyncapi_properties, { "document", &resource, NEEDED }, { "channel", &text, CHOICE_1 },
        { "operation", &text, CHOICE_1 }, { "server", &asyncapi_server, 0 },
        { "protocol", &protocol, 0 }, { "message", &message, CHOICE_2 },
        { "subscription", &subscription, CHOICE_2 }, { "authentication", &authentication, 0 });
SHAPE(asyncapi_shape, .what = "an AsyncAPI call", .properties = asyncapi_properties);
RULE(asyncapi, .types = IS_MAPPING, .shape = &asyncapi_shape);
TASK(call_asyncapi, "an AsyncAPI call task", { "call", &text, NEEDED },
        { "with", &asyncapi, NEEDED });

WORDS(a2a_methods, "message/send", "message/stream", "tasks/get", "tasks/list", "tasks/cancel",
        "tasks/resubscribe", "tasks/pushNotificationConfig/set", "tasks/pushNotificationConfig/get",
        "tasks/pushNotificationConfig/list", "tasks/pushNotificationConfig/delete",
        "agent/getAuthenticatedExtendedCard");
RULE(a2a_method, .types = IS_TEXT, .text = TEXT_WORD, .words = a2a_methods);
RULE(a2a_parameters, .types = IS_TEXT | IS_MAPPING, .count_min = 1);
PROPERTIES(a2a_properties, { "agentCard", &resource, 0 }, { "server", &endpoint, 0 },
        { "method", &a2a_method, NEEDED }, { "parameters", &a2a_parameters, 0 });
SHAPE(a2a_shape, .what = "an A2A call", .properties = a2a_properties);
RULE(a2a, .types = IS_MAPPING, .shape = &a2a_shape);
TASK(call_a2a, "an A2A call task", { "call", &text, NEEDED }, { "with", &a2a, NEEDED });

WORDS(mcp_methods, "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list",
        "resources/read", "resources/templates/list");
RULE(mcp_method, .types = IS_TEXT, .text = TEXT_WORD, .words = mcp_methods);
PROPERTIES(mcp_http_properties, { "endpoint", &endpoint, NEEDED }, { "headers", &map_of_texts, 0 });
SHAPE(mcp_http_shape, .what = "an HTTP transport", .properties = mcp_http_properties,
        .is_open = true);
RULE(mcp_http, .types = IS_MAPPING, .shape = &mcp_http_shape);
PROPERTIES(mcp_stdio_properties, { "command", &text, NEEDED }, { "arguments", &texts, 0 },
        { "environment", &map_of_texts, 0 });
SHAPE(mcp_stdio_shape, .what = "a stdio transport", .properties = mcp_stdio_properties,
        .is_open = true);
RULE(mcp_stdio, .types = IS_MAPPING, .shape = &mcp_stdio_shape);
PROPERTIES(mcp_transport_properties, { "http", &mcp_http, CHOICE_1 },
        { "stdio", &mcp_stdio, CHOICE_1 }, { "options", &map_of_texts, 0 });
SHAPE(mcp_transport_shape, .what = "a transport", .properties = mcp_transport_properties,
        .is_open = true);
RULE(mcp_transport, .types = IS_MAPPING, .shape = &mcp_transport_shape);
PROPERTIES(mcp_client_properties, { "name", &text, NEEDED }, { "version", &text, NEEDED });
SHAPE(mcp_client_shape, .what = "an MCP client", .properties = mcp_client_properties,
        .is_open = true);
RULE(mcp_client, .types = IS_MAPPING, .shape = &mcp_client_shape);
PROPERTIES(mcp_properties, { "protocolVersion", &text, 0 }, { "method", &mcp_method, NEEDED },
        { "parameters", &text_or_mapping, 0 }, { "timeout", &duration, 0 },
        { "transport", &mcp_transport, NEEDED }, { "client", &mcp_client, 0 });
SHAPE(mcp_shape, .what = "an MCP call", .properties = mcp_properties, .is_open = true);
RULE(mcp, .types = IS_MAPPING, .shape = &mcp_shape);
TASK(call_mcp, "an MCP call task", { "call", &text, NEEDED }, { "with", &mcp, NEEDED });

TASK(call_function, "a function call task", { "call", &text, NEEDED }, { "with", &mapping, 0 });

const struct task_kind intake_calls[] = {
    { "http", &call_http },
    { "grpc", &call_grpc },
    { "openapi", &call_openapi },
    { "asyncapi", &call_asyncapi },
    { "a2a", &call_a2a },
    { "mcp", &call_mcp },
    { NULL, &call_function },
};

/* ---- run ---- */

WORDS(cleanups, "always", "never", "eventually");
RULE(cleanup, .types = IS_TEXT, .text = TEXT_WORD, .words = cleanups);
PROPERTIES(lifetime_properties, { "cleanup", &cleanup, NEEDED }, { "after", &duration, 0 });

static const char *lifetime_conflict(struct json value) {
    bool is_eventual = str_equal(json_str(json_get(value, STR("cleanup"))), STR("eventually"));

    if (is_eventual == json_has(value, STR("after")) || !json_has(value, STR("cleanup")))
        return NULL;
    return is_eventual ? "'cleanup: eventually' needs 'after', the duration"
                       : "'after' goes with 'cleanup: eventually' only";
}
SHAPE(lifetime_shape, .what = "a container's lifetime", .properties = lifetime_properties,
        .conflict = lifetime_conflict);
RULE(lifetime, .types = IS_MAPPING, .shape = &lifetime_shape);
WORDS(pull_policies, "ifNotPresent", "always", "never");
RULE(pull_policy, .types = IS_TEXT, .text = TEXT_WORD, .words = pull_policies);
PROPERTIES(container_properties, { "image", &text, NEEDED }, { "name", &text, 0 },
        { "command", &text, 0 }, { "ports", &mapping, 0 }, { "volumes", &mapping, 0 },
        { "environment", &mapping, 0 }, { "stdin", &text, 0 }, { "arguments", &texts, 0 },
        { "lifetime", &lifetime, 0 }, { "pullPolicy", &pull_policy, 0 });
SHAPE(container_shape, .what = "a container", .properties = container_properties);
RULE(container, .types = IS_MAPPING, .shape = &container_shape);

PROPERTIES(script_properties, { "language", &text, NEEDED }, { "stdin", &text, 0 },
        { "arguments", &texts, 0 }, { "environment", &mapping, 0 }, { "code", &text, CHOICE_1 },
        { "source", &resource, CHOICE_1 });
SHAPE(script_shape, .what = "a script", .properties = script_properties);
RULE(script, .types = IS_MAPPING, .shape = &script_shape);

PROPERTIES(shell_properties, { "command", &text, NEEDED }, { "stdin", &text, 0 },
        { "arguments", &texts, 0 }, { "environment", &mapping, 0 });
SHAPE(shell_shape, .what = "a shell command", .properties = shell_properties);
RULE(shell, .types = IS_MAPPING, .shape = &shell_shape);

PROPERTIES(subflow_properties, { "namespace", &text, NEEDED }, { "name", &text, NEEDED },
        { "version", &text, NEEDED }, { "input", &mapping, 0 });
SHAPE(subflow_shape, .what = "a workflow to run", .properties = subflow_properties);
RULE(subflow, .types = IS_MAPPING, .shape = &subflow_shape);

WORDS(returns, "stdout", "stderr", "code", "all", "none");
RULE(return_as, .types = IS_TEXT, .text = TEXT_WORD, .words = returns);
PROPERTIES(run_properties, { "container", &container, CHOICE_1 }, { "script", &script, CHOICE_1 },
        { "shell", &shell, CHOICE_1 }, { "workflow", &subflow, CHOICE_1 }, { "await", &boolean, 0 },
        { "return", &return_as, 0 });
SHAPE(run_shape, .what = "what to run", .properties = run_properties);
RULE(run, .types = IS_MAPPING, .shape = &run_shape);

/* ---- the other tasks ---- */

PROPERTIES(fork_properties, { "branches", &tasks, NEEDED }, { "compete", &boolean, 0 });
SHAPE(fork_shape, .what = "a fork", .properties = fork_properties);
RULE(forked, .types = IS_MAPPING, .shape = &fork_shape);

PROPERTIES(emit_properties, { "event", &emitted, NEEDED });
SHAPE(emit_shape, .what = "what to emit", .properties = emit_properties);
RULE(emit, .types = IS_MAPPING, .shape = &emit_shape);

RULE(collection, .types = IS_TEXT | IS_LIST, .items = &mapping,
        .expected = "an expression, or a list of mappings");
PROPERTIES(for_properties, { "each", &text, 0 }, { "in", &collection, NEEDED }, { "at", &text, 0 });
SHAPE(for_shape, .what = "a loop", .properties = for_properties);
RULE(loop, .types = IS_MAPPING, .shape = &for_shape);

PROPERTIES(listen_properties, { "to", &strategy, NEEDED }, { "read", &read_as, 0 });
SHAPE(listen_shape, .what = "what to listen to", .properties = listen_properties);
RULE(listen, .types = IS_MAPPING, .shape = &listen_shape);

PROPERTIES(raise_properties, { "error", &error_or_name, NEEDED });
SHAPE(raise_shape, .what = "what to raise", .properties = raise_properties);
RULE(raise, .types = IS_MAPPING, .shape = &raise_shape);

RULE(set, .types = IS_TEXT | IS_MAPPING, .count_min = 1,
        .expected = "a mapping of values, or an expression ${ }");

PROPERTIES(case_properties, { "when", &text, 0 }, { "then", &then, NEEDED });
SHAPE(case_shape, .what = "a case", .properties = case_properties);
RULE(one_case, .types = IS_MAPPING, .shape = &case_shape);
RULE(case_item, .types = IS_MAPPING, .values = &one_case, .is_single = true);
RULE(cases, .types = IS_LIST, .items = &case_item, .count_min = 1);

PROPERTIES(catch_properties, { "errors", &caught, 0 }, { "as", &text, 0 }, { "when", &text, 0 },
        { "exceptWhen", &text, 0 }, { "retry", &retry_or_name, 0 }, { "do", &tasks, 0 },
        { "then", &then, 0 });
SHAPE(catch_shape, .what = "a catch", .properties = catch_properties);
RULE(caught_how, .types = IS_MAPPING, .shape = &catch_shape);

TASK(do_task, "a do task", { "do", &tasks, NEEDED });
TASK(emit_task, "an emit task", { "emit", &emit, NEEDED });
TASK(for_task, "a for task", { "for", &loop, NEEDED }, { "while", &text, 0 },
        { "do", &tasks, NEEDED });
TASK(fork_task, "a fork task", { "fork", &forked, NEEDED });
TASK(listen_task, "a listen task", { "listen", &listen, NEEDED }, { "foreach", &iterator, 0 });
TASK(raise_task, "a raise task", { "raise", &raise, NEEDED });
TASK(run_task, "a run task", { "run", &run, NEEDED });
TASK(set_task, "a set task", { "set", &set, NEEDED });
TASK(switch_task, "a switch task", { "switch", &cases, NEEDED });
TASK(try_task, "a try task", { "try", &tasks, NEEDED }, { "catch", &caught_how, NEEDED });
TASK(wait_task, "a wait task", { "wait", &duration, NEEDED });

const struct task_kind intake_tasks[] = {
    { "call", &call_function },
    { "do", &do_task },
    { "emit", &emit_task },
    { "for", &for_task },
    { "fork", &fork_task },
    { "listen", &listen_task },
    { "raise", &raise_task },
    { "run", &run_task },
    { "set", &set_task },
    { "switch", &switch_task },
    { "try", &try_task },
    { "wait", &wait_task },
    { 0 },
};

/* ---- the document ---- */

RULE(version, .types = IS_TEXT, .text = TEXT_VERSION,
        .expected = "a version in quotes, such as '1.0.0'");
RULE(label, .types = IS_TEXT, .text = TEXT_LABEL);
PROPERTIES(document_properties, { "dsl", &version, NEEDED }, { "namespace", &label, NEEDED },
        { "name", &label, NEEDED }, { "version", &version, NEEDED }, { "title", &text, 0 },
        { "summary", &text, 0 }, { "tags", &mapping, 0 }, { "metadata", &mapping, 0 });
SHAPE(document_shape, .what = "a document", .properties = document_properties);
RULE(document, .types = IS_MAPPING, .shape = &document_shape);

WORDS(extended, "call", "composite", "emit", "for", "listen", "raise", "run", "set", "switch",
        "try", "wait", "all");
RULE(extend, .types = IS_TEXT, .text = TEXT_WORD, .words = extended);
PROPERTIES(extension_properties, { "extend", &extend, NEEDED }, { "when", &text, 0 },
        { "before", &tasks, 0 }, { "after", &tasks, 0 });
SHAPE(extension_shape, .what = "an extension", .properties = extension_properties);
RULE(extension, .types = IS_MAPPING, .shape = &extension_shape);
RULE(extension_item, .types = IS_MAPPING, .values = &extension, .is_single = true);
RULE(extensions, .types = IS_LIST, .items = &extension_item);

RULE(task, .types = IS_MAPPING, .special = SPECIAL_TASK);
RULE(functions, .types = IS_MAPPING, .values = &task);
RULE(timeouts, .types = IS_MAPPING, .values = &timeout);
PROPERTIES(reusable_properties, { "authentications", &policies, 0 }, { "errors", &errors, 0 },
        { "extensions", &extensions, 0 }, { "functions", &functions, 0 },
        { "retries", &retries, 0 }, { "secrets", &texts, 0 }, { "timeouts", &timeouts, 0 },
        { "catalogs", &catalogs, 0 });
SHAPE(reusable_shape, .what = "the reusable components", .properties = reusable_properties);
RULE(reusable, .types = IS_MAPPING, .shape = &reusable_shape);

PROPERTIES(schedule_properties, { "every", &duration, 0 }, { "cron", &text, 0 },
        { "after", &duration, 0 }, { "on", &strategy, 0 }, { "read", &read_as, 0 });

static const char *schedule_conflict(struct json value) {
    return json_has(value, STR("read")) && !json_has(value, STR("on"))
            ? "'read' goes with 'on' only: it says how its events are read"
            : NULL;
}
SHAPE(schedule_shape, .what = "a schedule", .properties = schedule_properties,
        .conflict = schedule_conflict);
RULE(schedule, .types = IS_MAPPING, .shape = &schedule_shape);

WORDS(modes, "strict", "loose");
RULE(mode, .types = IS_TEXT, .text = TEXT_WORD, .words = modes);
PROPERTIES(evaluate_properties, { "language", &text, 0 }, { "mode", &mode, 0 });
SHAPE(evaluate_shape, .what = "the evaluation of expressions", .properties = evaluate_properties);
RULE(evaluate, .types = IS_MAPPING, .shape = &evaluate_shape);

/* The schema leaves the top open; the checker refuses there what looks like a slip of the pen. */
PROPERTIES(root_properties, { "document", &document, NEEDED }, { "input", &input, 0 },
        { "use", &reusable, 0 }, { "do", &tasks, NEEDED }, { "timeout", &timeout_or_name, 0 },
        { "output", &output, 0 }, { "schedule", &schedule, 0 }, { "evaluate", &evaluate, 0 });
SHAPE(root_shape, .what = "a workflow", .properties = root_properties, .is_open = true);
const struct rule intake_root = { .types = IS_MAPPING, .shape = &root_shape };

#pragma once
/* Every limit of the platform, in one place. Bytes unless the name says otherwise. */

enum {
    LIMIT_BODY = 4 * 1024 * 1024,          /* a request or response body */
    LIMIT_DEFINITION = 1024 * 1024,        /* a workflow definition, as text */
    LIMIT_HEADER = 16 * 1024,              /* the header of a request to us */
    LIMIT_RESPONSE_HEADER = 64 * 1024,     /* the header of an answer to us */
    LIMIT_RESPONSE_UNPACKED = 16 * 1024 * 1024,
    LIMIT_DEPTH = 128,                     /* nesting of JSON from outside */
    LIMIT_DEPTH_DEFINITION = 64,           /* nesting of a definition */
    LIMIT_YAML_NODES = 100 * 1000,         /* after expansion of aliases */
    LIMIT_RECORD = 8 * 1024 * 1024,        /* a stored record */
    LIMIT_MESSAGE = LIMIT_RECORD + 64 * 1024, /* a bus message: what a journal entry holds, and its envelope */
    LIMIT_RECORD_WARN = 1024 * 1024,
    LIMIT_NAME = 63,                       /* a DNS label */
    LIMIT_KEY = 128,                       /* a business key of an instance */
    LIMIT_LIST_DEFAULT = 50,               /* items of a page */
    LIMIT_LIST_MAX = 500,
    LIMIT_TAGS = 64,                       /* tags of an instance */
    LIMIT_FAULTS = 100,                    /* faults named in one answer */
    LIMIT_EFFECTS = 256,                   /* effects of one commit */
    LIMIT_EFFECTS_SIZE = 512 * 1024,
    LIMIT_STEP_TASKS = 1000,               /* task starts of one step, then it yields */
    LIMIT_STEP_BYTES = 16 * 1024 * 1024,   /* memory of one step, then it yields */
    LIMIT_INPUTS_FOLDED = 1000,            /* inputs of one instance in one batch */
    LIMIT_SEEN = 256,                      /* ids of inputs from outside kept in the state */
    LIMIT_SEEN_EVENTS = 4096,
    LIMIT_EXPRESSION_SIZE = 64 * 1024,     /* the text of an expression */
    LIMIT_EXPRESSION_STEPS = 1000 * 1000,
    LIMIT_EXPRESSION_BYTES = 16 * 1024 * 1024,
    LIMIT_EXPRESSION_DEPTH = 2000,         /* calls in calls */
    LIMIT_EXPRESSION_RESULTS = 100 * 1000,
    LIMIT_REGEX_MATCH = 100 * 1000,
    LIMIT_REGEX_DEPTH = 10 * 1000,
    LIMIT_REDIRECTS = 5,
    LIMIT_CONNECTIONS = 10 * 1000,
    LIMIT_CONNECTIONS_PER_ADDRESS = 100,
    LIMIT_EXECUTOR_IN_FLIGHT = 1000,       /* tasks in flight in one executor */
    LIMIT_INLINE_VALUE = 64 * 1024,
    LIMIT_DEFINITIONS_HELD = 1000,         /* compiled definitions kept in a process */
    LIMIT_BATCH = 512,                     /* messages taken from the bus at once */
    LIMIT_SUBSCRIPTIONS = 256,             /* index keys of one instance's listeners */
};

/* Runs a file of orders through Penstock and compares what became of each with what had to become of it.
 *
 *     order-demo --api URL --services URL ORDERS
 *
 * It plays the shop (starts an instance for each order), the carriers (events for the parcels, in all three modes of
 * CloudEvents over HTTP) and the auditor (results, totals, and the services' ledger). Exit status 1: something is wrong. */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/assert.h"
#include "common/json.h"
#include "examples/order-fulfilment/orders.h"
#include "http/client.h"
#include "system/clock.h"

enum {
    IN_FLIGHT_MAX = 32,
    RESPONSES_MAX = 64,
    FILE_MAX = 64 * 1024 * 1024,
    LIST_EVERY_MS = 300,
    REPORT_EVERY = 100,      /* orders, where there is no terminal */
    RETRY_MS = 250,
    TRIES_MAX = 40,
    BATCH_MAX = 25,          /* events in one batch */
    QUIET_MAX_MS = 60000,    /* without any progress: give up */
    CALL_TIMEOUT_MS = 30000,
    PUBLISHED_WITHIN_MS = 10000,
    SHOWN_MAX = 10,          /* orders that are listed one by one */
};

/* What a response belongs to; in the upper half of its tag. */
enum kind { KIND_START, KIND_FETCH, KIND_EVENT, KIND_BATCH, KIND_LIST, KIND_LEDGER, KIND_PUBLISHED };

struct demo {
    struct order *orders;
    size_t count;
    struct arena *arena;     /* lives as long as the run */
    struct arena *scratch;   /* of one turn of the loop */
    struct client *client;
    struct clock clock;
    const char *api, *services, *api_key;
    int wake_fd;             /* written by the client's thread */

    size_t in_flight, done, started, handed_over;
    int64_t next_list_ms, progress_ms;
    bool is_listing, is_terminal;
    struct json ledger;      /* absent until it was read */
    int64_t published;       /* completed orders that were announced; -1: not known */
    size_t reported;
};

static struct json get(struct json object, const char *key) {
    return json_get(object, str_from(key));
}

static void on_complete(void *user) {
    const struct demo *demo = user;
    uint64_t one = 1;

    /* A full counter has woken the reader already. */
    if (write(demo->wake_fd, &one, sizeof(one)) < 0) return;
}

/* ---- sending ---- */

struct call {
    enum kind kind;
    size_t index;
    const char *method, *content_type;
    struct str url, body;
    struct client_header extra[8];
    size_t extra_count;
};

static void send_call(struct demo *demo, const struct call *call) {
    struct client_header headers[12];
    size_t count = 0;

    if (call->content_type) {
        headers[count++] = (struct client_header){ STR("Content-Type"), str_from(call->content_type) };
    }
    if (demo->api_key && call->kind != KIND_LEDGER) {
        headers[count++] = (struct client_header){ STR("Authorization"),
            str_format(demo->scratch, "Bearer %s", demo->api_key) };
    }
    for (size_t i = 0; i < call->extra_count; i++) headers[count++] = call->extra[i];
    client_send(demo->client, &(struct client_request){
            .tag = (uint64_t)call->kind << 32 | call->index,
            .method = str_from(call->method),
            .url = call->url,
            .headers = headers,
            .header_count = count,
            .body = call->body,
            .has_body = call->body.size > 0,
            .timeout_ms = CALL_TIMEOUT_MS,
    });
    demo->in_flight++;
}

/* The line goes in as it stands: its digits are its own, and a broken one makes a broken request. */
static void send_start(struct demo *demo, struct order *order) {
    struct buf body;

    buf_init(&body, FILE_MAX);
    buf_append_c(&body, "{");
    if (order->id.size) {
        buf_append_c(&body, "\"key\":");
        json_write_string(&body, order->id);
        buf_append_c(&body, ",\"tags\":{\"carrier\":");
        json_write_string(&body, json_str(get(order->input, "carrier")));
        buf_append_c(&body, "},");
    }
    buf_append_c(&body, "\"input\":");
    buf_append(&body, order->text);
    buf_append_c(&body, "}");
    send_call(demo, &(struct call){
            .kind = KIND_START,
            .index = order->line - 1,
            .method = "POST",
            .content_type = "application/json",
            .url = str_format(demo->scratch, "%s/v1/workflows/shop/order-fulfilment/instances", demo->api),
            .body = buf_str(&body),
    });
    buf_clear(&body);
    order->state = ORDER_STARTING;
}

static void send_fetch(struct demo *demo, struct order *order) {
    send_call(demo, &(struct call){
            .kind = KIND_FETCH,
            .index = order->line - 1,
            .method = "GET",
            .url = str_format(demo->scratch, "%s/v1/instances/" STR_FMT, demo->api, STR_ARG(order->instance)),
    });
    order->state = ORDER_FETCHING;
}

static struct str tracking_of(const struct order *order, struct arena *arena) {
    return str_format(arena, "T%06zu", order->line);
}

static void put_event_data(struct json_writer *writer, const char *key, const struct order *order, struct arena *arena) {
    json_begin_object(writer, key);
    json_put_str(writer, "orderId", order->id);
    json_put_str(writer, "tracking", tracking_of(order, arena));
    json_end_object(writer);
}

static void put_event(struct json_writer *writer, const struct order *order, struct arena *arena) {
    json_begin_object(writer, NULL);
    json_put_c(writer, "specversion", "1.0");
    json_put_str(writer, "id", str_format(arena, "handed-over-%zu", order->line));
    json_put_c(writer, "source", "https://carrier.example/parcels");
    json_put_c(writer, "type", "shop.parcel.handed-over.v1");
    json_put_str(writer, "subject", order->id);
    json_put_c(writer, "datacontenttype", "application/json");
    put_event_data(writer, "data", order, arena);
    json_end_object(writer);
}

static void send_event_structured(struct demo *demo, struct order *order) {
    struct json_writer writer;
    struct buf body;

    buf_init(&body, FILE_MAX);
    json_writer_init(&writer, &body);
    put_event(&writer, order, demo->scratch);
    send_call(demo, &(struct call){
            .kind = KIND_EVENT,
            .index = order->line - 1,
            .method = "POST",
            .content_type = "application/cloudevents+json",
            .url = str_format(demo->scratch, "%s/v1/events", demo->api),
            .body = buf_str(&body),
    });
    buf_clear(&body);
}

static void send_event_binary(struct demo *demo, struct order *order) {
    struct json_writer writer;
    struct buf body;

    buf_init(&body, FILE_MAX);
    json_writer_init(&writer, &body);
    put_event_data(&writer, NULL, order, demo->scratch);
    send_call(demo, &(struct call){
            .kind = KIND_EVENT,
            .index = order->line - 1,
            .method = "POST",
            .content_type = "application/json",
            .url = str_format(demo->scratch, "%s/v1/events", demo->api),
            .body = buf_str(&body),
            .extra = {
                { STR("ce-specversion"), STR("1.0") },
                { STR("ce-id"), str_format(demo->scratch, "handed-over-%zu", order->line) },
                { STR("ce-source"), STR("https://carrier.example/parcels") },
                { STR("ce-type"), STR("shop.parcel.handed-over.v1") },
                { STR("ce-subject"), order->id },
            },
            .extra_count = 5,
    });
    buf_clear(&body);
}

/* Batches are told apart by the line of their first order; the others follow it in the file. */
static void send_batch(struct demo *demo) {
    struct json_writer writer;
    struct order *first = NULL;
    struct buf body;
    size_t size = 0;

    buf_init(&body, FILE_MAX);
    json_writer_init(&writer, &body);
    json_begin_array(&writer, NULL);
    for (size_t i = 0; i < demo->count && size < BATCH_MAX; i++) {
        struct order *order = &demo->orders[i];
        if (order->carrier != CARRIER_BULK || order->parcel != PARCEL_DUE) continue;
        if (!first) first = order;
        put_event(&writer, order, demo->scratch);
        order->parcel = PARCEL_SENDING;
        size++;
    }
    json_end_array(&writer);
    if (first) {
        send_call(demo, &(struct call){
                .kind = KIND_BATCH,
                .method = "POST",
                .content_type = "application/cloudevents-batch+json",
                .url = str_format(demo->scratch, "%s/v1/events", demo->api),
                .body = buf_str(&body),
        });
    }
    buf_clear(&body);
}

static void send_list(struct demo *demo, struct str cursor) {
    send_call(demo, &(struct call){
            .kind = KIND_LIST,
            .method = "GET",
            .url = str_format(demo->scratch, "%s/v1/instances?namespace=shop&workflow=order-fulfilment&limit=500%s" STR_FMT,
                    demo->api, cursor.size ? "&cursor=" : "", STR_ARG(cursor)),
    });
    demo->is_listing = true;
}

static void send_published(struct demo *demo, struct str cursor) {
    send_call(demo, &(struct call){
            .kind = KIND_PUBLISHED,
            .method = "GET",
            .url = str_format(demo->scratch, "%s/v1/events?type=shop.order.completed.v1&limit=500%s" STR_FMT,
                    demo->api, cursor.size ? "&cursor=" : "", STR_ARG(cursor)),
    });
}

/* Results, events and batches first, so that what has begun goes on; then new orders. */
static void send_due(struct demo *demo, int64_t now_ms) {
    size_t bulk_due = 0;

    for (size_t i = 0; i < demo->count && demo->in_flight < IN_FLIGHT_MAX; i++) {
        struct order *order = &demo->orders[i];
        if (now_ms < order->not_before_ms) continue;
        if (order->state == ORDER_TO_FETCH) send_fetch(demo, order);
        if (order->parcel != PARCEL_DUE) continue;
        if (order->carrier == CARRIER_BULK) {
            bulk_due++;
            continue;
        }
        order->parcel = PARCEL_SENDING;
        if (order->carrier == CARRIER_COURIER) {
            send_event_binary(demo, order);
        } else {
            send_event_structured(demo, order);
        }
    }
    if (bulk_due >= BATCH_MAX || (bulk_due && demo->started == demo->count)) send_batch(demo);
    for (size_t i = 0; i < demo->count && demo->in_flight < IN_FLIGHT_MAX; i++) {
        struct order *order = &demo->orders[i];
        if (order->state != ORDER_TO_START || now_ms < order->not_before_ms) continue;
        /* Which of two orders with one id is the first has to be certain. */
        if (order->first && order->first->state <= ORDER_STARTING) continue;
        send_start(demo, order);
    }
}

/* ---- receiving ---- */

static void finish(struct demo *demo, struct order *order, enum outcome got, struct str note) {
    order->state = ORDER_DONE;
    order->got = got;
    order->note = str_copy(note, demo->arena);
    demo->done++;
}

/* True where the call should be made again: nothing was decided about it. */
static bool should_retry(const struct client_response *response) {
    return response->failure != CLIENT_OK || response->status == 429 || response->status >= 500;
}

static struct str why(struct demo *demo, const struct client_response *response, struct json body) {
    if (response->failure != CLIENT_OK) return response->reason;
    struct buf buf;

    buf_init(&buf, FILE_MAX);
    buf_append_format(&buf, "%d " STR_FMT, response->status, STR_ARG(json_str(get(body, "title"))));
    if (json_str(get(body, "detail")).size) buf_append_format(&buf, ": " STR_FMT, STR_ARG(json_str(get(body, "detail"))));
    struct json faults = get(body, "errors");
    for (size_t i = 0; i < json_size(faults); i++) {
        struct json fault = json_at(faults, i);
        buf_append_format(&buf, "\n      " STR_FMT "  " STR_FMT, STR_ARG(json_str(get(fault, "pointer"))),
                STR_ARG(json_str(get(fault, "detail"))));
    }
    struct str text = str_copy(buf_str(&buf), demo->scratch);
    buf_clear(&buf);
    return text;
}

/* Puts an order back for another try; gives it up after too many. */
static void try_again(struct demo *demo, struct order *order, enum order_state state, struct str reason) {
    if (++order->tries > TRIES_MAX) {
        finish(demo, order, OUTCOME_OTHER, reason);
        return;
    }
    order->state = state;
    order->not_before_ms = clock_monotonic_ms(&demo->clock) + RETRY_MS;
}

static void on_started(struct demo *demo, struct order *order, struct json body) {
    order->instance = str_copy(json_str(get(body, "id")), demo->arena);
    if (order->first) {
        bool is_same = str_equal(order->instance, order->first->instance);
        finish(demo, order, is_same ? OUTCOME_SAME_INSTANCE : OUTCOME_OTHER, is_same ? STR("") : STR("a second instance"));
        return;
    }
    order->state = ORDER_RUNNING;
    if (order->carrier == CARRIER_COURIER || order->carrier == CARRIER_BULK) order->parcel = PARCEL_DUE;
}

static void on_start_answer(struct demo *demo, struct order *order, const struct client_response *response,
        struct json body) {
    if (should_retry(response)) {
        try_again(demo, order, ORDER_TO_START, why(demo, response, body));
        return;
    }
    demo->started++;
    switch (response->status) {
    case 200:
    case 201:
    case 202: on_started(demo, order, body); break;
    case 400: finish(demo, order, OUTCOME_NOT_JSON, why(demo, response, body)); break;
    case 409: finish(demo, order, OUTCOME_CONFLICT, why(demo, response, body)); break;
    case 422: finish(demo, order, OUTCOME_BREAKS_SCHEMA, why(demo, response, body)); break;
    default: finish(demo, order, OUTCOME_OTHER, why(demo, response, body)); break;
    }
}

static enum outcome read_outcome(struct json output) {
    struct str outcome = json_str(get(output, "outcome"));

    if (str_equal(outcome, STR("completed"))) return OUTCOME_COMPLETED;
    if (str_equal(outcome, STR("out-of-stock"))) return OUTCOME_OUT_OF_STOCK;
    if (str_equal(outcome, STR("not-handed-over"))) return OUTCOME_NOT_HANDED_OVER;
    if (!str_equal(outcome, STR("declined"))) return OUTCOME_OTHER;
    return str_equal(json_str(get(output, "reason")), STR("card")) ? OUTCOME_DECLINED_CARD : OUTCOME_DECLINED_CREDIT;
}

/* Looks at everything that the instance says of its order; empty: nothing is wrong. */
static struct str find_fault(struct demo *demo, const struct order *order, struct json instance) {
    struct json output = get(instance, "output");
    struct str status = json_str(get(instance, "status"));

    if (!str_equal(status, STR("completed"))) {
        return str_format(demo->scratch, STR_FMT ": " STR_FMT, STR_ARG(status),
                STR_ARG(json_to_str(get(instance, "error"), demo->scratch)));
    }
    if (!str_equal(json_str(get(output, "orderId")), order->id)) return STR("the result is another order's");
    int64_t total = json_int64_or(get(output, "totalCents"), -1);
    if (total != order->total_cents) {
        return str_format(demo->scratch, "total is %" PRId64 " instead of %" PRId64, total, order->total_cents);
    }
    if (!json_equal(get(instance, "input"), order->input)) return STR("the input is not what was sent");
    if (order->expected == OUTCOME_COMPLETED
            && !str_equal(json_str(get(output, "tracking")), tracking_of(order, demo->scratch))) {
        return STR("the parcel is another order's");
    }
    return STR("");
}

static void on_fetched(struct demo *demo, struct order *order, const struct client_response *response, struct json body) {
    if (should_retry(response)) {
        try_again(demo, order, ORDER_TO_FETCH, why(demo, response, body));
        return;
    }
    if (response->status != 200) {
        finish(demo, order, OUTCOME_OTHER, why(demo, response, body));
        return;
    }
    struct str fault = find_fault(demo, order, body);
    finish(demo, order, fault.size ? OUTCOME_OTHER : read_outcome(get(body, "output")), fault);
}

static void on_event_answer(struct demo *demo, struct order *order, const struct client_response *response,
        struct json body) {
    if (response->failure == CLIENT_OK && response->status == 202) {
        order->parcel = PARCEL_HANDED_OVER;
        demo->handed_over++;
        return;
    }
    order->parcel = PARCEL_DUE;
    order->not_before_ms = clock_monotonic_ms(&demo->clock) + RETRY_MS;
    if (++order->tries <= TRIES_MAX) return;
    order->parcel = PARCEL_NONE;
    order->note = str_copy(why(demo, response, body), demo->arena);
}

static void on_batch_answer(struct demo *demo, const struct client_response *response, struct json body) {
    for (size_t i = 0; i < demo->count; i++) {
        struct order *order = &demo->orders[i];
        if (order->carrier == CARRIER_BULK && order->parcel == PARCEL_SENDING) on_event_answer(demo, order, response, body);
    }
}

static struct order *find_running(struct demo *demo, struct str instance) {
    for (size_t i = 0; i < demo->count; i++) {
        struct order *order = &demo->orders[i];
        if (order->state == ORDER_RUNNING && str_equal(order->instance, instance)) return order;
    }
    return NULL;
}

static void on_list(struct demo *demo, const struct client_response *response, struct json body) {
    struct json items = get(body, "items");
    struct str next = json_str(get(body, "next"));

    demo->is_listing = false;
    demo->next_list_ms = clock_monotonic_ms(&demo->clock) + LIST_EVERY_MS;
    if (should_retry(response)) return;
    for (size_t i = 0; i < json_size(items); i++) {
        struct json item = json_at(items, i);
        struct order *order = find_running(demo, json_str(get(item, "id")));
        struct str status = json_str(get(item, "status"));
        if (!order) continue;
        if (str_equal(status, STR("completed")) || str_equal(status, STR("faulted")) || str_equal(status, STR("cancelled"))) {
            order->state = ORDER_TO_FETCH;
        } else if (str_equal(status, STR("waiting")) && order->carrier == CARRIER_POST && order->parcel == PARCEL_NONE) {
            order->parcel = PARCEL_DUE;
        }
    }
    if (next.size) send_list(demo, next);
}

static void on_published(struct demo *demo, const struct client_response *response, struct json body) {
    struct str next = json_str(get(body, "next"));

    if (response->failure != CLIENT_OK || response->status != 200) {
        demo->published = -1;
        return;
    }
    demo->published += (int64_t)json_size(get(body, "items"));
    if (next.size) send_published(demo, next);
}

static void on_response(struct demo *demo, const struct client_response *response) {
    size_t index = (uint32_t)response->tag;
    struct order *order = &demo->orders[index];
    struct json body = { 0 };
    struct err err;

    demo->in_flight--;
    /* What is not JSON reads as nothing at all. */
    if (!json_read(response->body, NULL, demo->scratch, &body, NULL, &err)) body = (struct json){ 0 };
    switch ((enum kind)(response->tag >> 32)) {
    case KIND_START: on_start_answer(demo, order, response, body); break;
    case KIND_FETCH: on_fetched(demo, order, response, body); break;
    case KIND_EVENT: on_event_answer(demo, order, response, body); break;
    case KIND_BATCH: on_batch_answer(demo, response, body); break;
    case KIND_LIST: on_list(demo, response, body); break;
    case KIND_PUBLISHED: on_published(demo, response, body); break;
    case KIND_LEDGER: demo->ledger = json_copy(body, demo->arena); break;
    }
}

/* ---- the run ---- */

static void show_progress(struct demo *demo, bool is_end) {
    char line[128];

    snprintf(line, sizeof(line), "%zu of %zu orders started, %zu parcels handed over, %zu ended", demo->started, demo->count,
            demo->handed_over, demo->done);
    if (demo->is_terminal) {
        printf("\r\033[K  %s%s", line, is_end ? "\n" : "");
    } else if (is_end || demo->done >= demo->reported + REPORT_EVERY) {
        printf("  %s\n", line);
        demo->reported = demo->done;
    }
    fflush(stdout);
}

static void wait_for_responses(struct demo *demo) {
    struct pollfd wake = { .fd = demo->wake_fd, .events = POLLIN };
    uint64_t count;

    if (poll(&wake, 1, LIST_EVERY_MS / 3) > 0 && read(demo->wake_fd, &count, sizeof(count)) < 0) return;
}

/* Takes what has come in; false once nothing has come for too long. */
static bool turn(struct demo *demo) {
    struct client_response responses[RESPONSES_MAX];
    size_t before = demo->done + demo->started + demo->handed_over;
    int64_t now_ms;

    wait_for_responses(demo);
    arena_reset(demo->scratch);
    size_t count = client_collect(demo->client, ARRAY_SIZE(responses), demo->scratch, responses);
    for (size_t i = 0; i < count; i++) on_response(demo, &responses[i]);
    now_ms = clock_monotonic_ms(&demo->clock);
    if (demo->done + demo->started + demo->handed_over != before) {
        demo->progress_ms = now_ms;
        show_progress(demo, false);
    }
    return now_ms - demo->progress_ms < QUIET_MAX_MS;
}

static bool run_orders(struct demo *demo) {
    demo->progress_ms = clock_monotonic_ms(&demo->clock);
    while (demo->done < demo->count) {
        int64_t now_ms = clock_monotonic_ms(&demo->clock);
        send_due(demo, now_ms);
        if (!demo->is_listing && now_ms >= demo->next_list_ms) send_list(demo, STR(""));
        if (!turn(demo)) return false;
    }
    return true;
}

static int64_t count_expected(const struct demo *demo, enum outcome outcome) {
    int64_t count = 0;

    for (size_t i = 0; i < demo->count; i++) count += demo->orders[i].expected == outcome;
    return count;
}

static bool finish_calls(struct demo *demo) {
    while (demo->in_flight > 0) {
        if (!turn(demo)) return false;
    }
    return true;
}

/* Asks the services what they did, and Penstock what it published: the last events may be on their way still. */
static bool run_audit(struct demo *demo) {
    int64_t until_ms = clock_monotonic_ms(&demo->clock) + PUBLISHED_WITHIN_MS;

    demo->progress_ms = clock_monotonic_ms(&demo->clock);
    arena_reset(demo->scratch);
    send_call(demo, &(struct call){
            .kind = KIND_LEDGER, .method = "GET", .url = str_format(demo->scratch, "%s/ledger", demo->services) });
    do {
        demo->published = 0;
        send_published(demo, STR(""));
        if (!finish_calls(demo)) return false;
    } while (demo->published < count_expected(demo, OUTCOME_COMPLETED) && clock_monotonic_ms(&demo->clock) < until_ms);
    return true;
}

/* ---- the report ---- */

static bool report_outcomes(const struct demo *demo) {
    size_t expected[OUTCOME_COUNT] = { 0 }, got[OUTCOME_COUNT] = { 0 }, wrong[OUTCOME_COUNT] = { 0 };
    bool ok = true;

    for (size_t i = 0; i < demo->count; i++) {
        const struct order *order = &demo->orders[i];
        enum outcome outcome = order->state == ORDER_DONE ? order->got : OUTCOME_OTHER;
        expected[order->expected]++;
        got[outcome]++;
        if (outcome != order->expected) wrong[order->expected]++;
    }
    printf("\n  %-34s %8s %8s   ok\n", "outcome", "expected", "got");
    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        bool is_right = expected[i] == got[i] && wrong[i] == 0;
        if (expected[i] == 0 && got[i] == 0) continue;
        printf("  %-34s %8zu %8zu   %s\n", outcome_text((enum outcome)i), expected[i], got[i], is_right ? "yes" : "NO");
        ok = ok && is_right;
    }
    return ok;
}

static void report_refusals(const struct demo *demo) {
    printf("\nRefused, and why:\n");
    for (size_t i = 0; i < demo->count; i++) {
        const struct order *order = &demo->orders[i];
        if (order->state != ORDER_DONE || order->got < OUTCOME_CONFLICT || order->got > OUTCOME_BREAKS_SCHEMA) continue;
        printf("  line %zu  " STR_FMT "\n", order->line, STR_ARG(order->note));
    }
}

static void report_wrong(const struct demo *demo) {
    size_t shown = 0;

    for (size_t i = 0; i < demo->count; i++) {
        const struct order *order = &demo->orders[i];
        if (order->state == ORDER_DONE && order->got == order->expected) continue;
        if (shown++ == 0) printf("\nWrong:\n");
        if (shown > SHOWN_MAX) continue;
        printf("  line %zu, order " STR_FMT ": expected %s, got %s; " STR_FMT " " STR_FMT "\n", order->line, STR_ARG(order->id),
                outcome_text(order->expected), order->state == ORDER_DONE ? outcome_text(order->got) : "nothing",
                STR_ARG(order->instance), STR_ARG(order->note));
    }
    if (shown > SHOWN_MAX) printf("  … and %zu more\n", shown - SHOWN_MAX);
}

struct tally {
    int64_t reservations, releases, charges;
};

/* What the services have to have done for an order that ended like this. */
static struct tally tally_of(enum outcome outcome) {
    switch (outcome) {
    case OUTCOME_COMPLETED:
    case OUTCOME_NOT_HANDED_OVER: return (struct tally){ 1, 0, 1 };
    case OUTCOME_DECLINED_CARD:
    case OUTCOME_DECLINED_CREDIT: return (struct tally){ 1, 1, 0 };
    case OUTCOME_OUT_OF_STOCK:
    case OUTCOME_SAME_INSTANCE:
    case OUTCOME_CONFLICT:
    case OUTCOME_NOT_JSON:
    case OUTCOME_BREAKS_SCHEMA:
    case OUTCOME_OTHER:
    case OUTCOME_COUNT: break;
    }
    return (struct tally){ 0, 0, 0 };
}

static bool report_tally(const char *what, int64_t expected, int64_t got) {
    printf("  %-34s %8" PRId64 " %8" PRId64 "   %s\n", what, expected, got, expected == got ? "yes" : "NO");
    return expected == got;
}

/* The same sums hold for wrong pairs, so each order is looked at too. */
static size_t count_wrong_orders(const struct demo *demo) {
    struct json rows = get(demo->ledger, "orders");
    size_t wrong = 0;

    for (size_t i = 0; i < json_size(rows); i++) {
        struct json row = json_at(rows, i);
        struct tally tally = { 0 };
        for (size_t k = 0; k < demo->count; k++) {
            const struct order *order = &demo->orders[k];
            if (order->first || !str_equal(order->id, json_str(get(row, "orderId")))) continue;
            tally = tally_of(order->expected);
        }
        wrong += tally.reservations != json_int64_or(get(row, "reservations"), -1)
                || tally.releases != json_int64_or(get(row, "releases"), -1)
                || tally.charges != json_int64_or(get(row, "charges"), -1);
    }
    return wrong;
}

static bool report_ledger(const struct demo *demo) {
    struct json totals = get(demo->ledger, "totals");
    struct tally sum = { 0 };
    bool ok = true;

    for (size_t i = 0; i < demo->count; i++) {
        struct tally tally = tally_of(demo->orders[i].expected);
        sum.reservations += tally.reservations;
        sum.releases += tally.releases;
        sum.charges += tally.charges;
    }
    printf("\n  %-34s %8s %8s   ok\n", "what the services did", "expected", "got");
    ok &= report_tally("stock reserved", sum.reservations, json_int64_or(get(totals, "reservations"), -1));
    ok &= report_tally("stock given back", sum.releases, json_int64_or(get(totals, "releases"), -1));
    ok &= report_tally("cards charged", sum.charges, json_int64_or(get(totals, "charges"), -1));
    ok &= report_tally("done twice for one order", 0, json_int64_or(get(totals, "duplicates"), -1));
    ok &= report_tally("requests without a key", 0, json_int64_or(get(totals, "unkeyed"), -1));
    ok &= report_tally("orders with a wrong ledger", 0, (int64_t)count_wrong_orders(demo));
    ok &= report_tally("events shop.order.completed.v1", count_expected(demo, OUTCOME_COMPLETED), demo->published);
    printf("  %" PRId64 " payments were answered with 503 and tried again\n", json_int64_or(get(totals, "busy"), 0));
    return ok;
}

static void report_next_steps(const struct demo *demo) {
    const struct order *shown = NULL;

    for (size_t i = 0; i < demo->count && !shown; i++) {
        if (demo->orders[i].instance.size && demo->orders[i].got == OUTCOME_DECLINED_CARD) shown = &demo->orders[i];
    }
    if (!shown) return;
    printf("\nLook at one of them, an order whose card was declined:\n"
           "  curl %s/v1/instances/" STR_FMT "\n"
           "  curl %s/v1/instances/" STR_FMT "/history\n"
           "  export PENSTOCK_URL=%s\n"
           "  bin/penstock history " STR_FMT "\n"
           "  bin/penstock list --workflow shop/order-fulfilment --limit 10\n"
           "  bin/penstock events --type shop.order.completed.v1 --limit 10\n",
            demo->api, STR_ARG(shown->instance), demo->api, STR_ARG(shown->instance), demo->api, STR_ARG(shown->instance));
}

static bool report(struct demo *demo, bool is_complete, int64_t took_ms) {
    bool ok = report_outcomes(demo);

    if (is_complete) ok = report_ledger(demo) && ok;
    report_refusals(demo);
    report_wrong(demo);
    report_next_steps(demo);
    printf("\n%zu orders in %.1f s: %s\n", demo->count, (double)took_ms / 1000.0,
            !is_complete ? "stopped, because nothing happened any more" : ok ? "all as expected" : "something is wrong");
    return ok && is_complete;
}

/* ---- main ---- */

static bool read_file(const char *path, struct buf *buf) {
    FILE *file = fopen(path, "r");
    bool ok = true;

    if (!file) return false;
    for (;;) {
        char *to = buf_reserve(buf, 65536);
        size_t size = to ? fread(to, 1, 65536, file) : 0;
        if (size == 0) break;
        buf->size += size;
    }
    ok = !ferror(file) && !buf_is_over(buf);
    (void)fclose(file);
    return ok;
}

static int usage(void) {
    fputs("usage: order-demo --api URL --services URL ORDERS\n", stderr);
    return 2;
}

static int run(struct demo *demo) {
    struct client_options options = {
        .in_flight_max = IN_FLIGHT_MAX * 2, .egress_any = true, .on_complete = on_complete, .user = demo };
    struct err err;

    demo->clock = clock_system();
    demo->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    demo->is_terminal = isatty(STDOUT_FILENO) == 1;
    assert(demo->wake_fd >= 0);
    if (!client_open(&options, &demo->client, &err)) {
        fprintf(stderr, "order-demo: %s\n", err.message);
        return 1;
    }
    int64_t began_ms = clock_monotonic_ms(&demo->clock);
    bool is_complete = run_orders(demo);
    int64_t took_ms = clock_monotonic_ms(&demo->clock) - began_ms;
    show_progress(demo, true);
    is_complete = is_complete && run_audit(demo);
    bool ok = report(demo, is_complete, took_ms);
    client_close(demo->client);
    close(demo->wake_fd);
    return ok ? 0 : 1;
}

int main(int argc, char **argv) {
    struct demo demo = { 0 };
    struct buf text;
    struct err err;

    if (argc != 6 || strcmp(argv[1], "--api") != 0 || strcmp(argv[3], "--services") != 0) return usage();
    demo.api = argv[2];
    demo.services = argv[4];
    demo.api_key = getenv("PENSTOCK_API_KEY");
    demo.arena = arena_new();
    demo.scratch = arena_new();
    buf_init(&text, FILE_MAX);
    int status = 1;
    if (!read_file(argv[5], &text)) {
        fprintf(stderr, "order-demo: cannot read %s\n", argv[5]);
    } else if (!orders_read(buf_str(&text), demo.arena, &demo.orders, &demo.count, &err)) {
        fprintf(stderr, "order-demo: %s\n", err.message);
    } else {
        status = run(&demo);
    }
    buf_clear(&text);
    arena_free(demo.scratch);
    arena_free(demo.arena);
    return status;
}

#include "services/api/stream.h"

#include "common/arena.h"
#include "core/instance.h"
#include "ledger/ledger.h"
#include "services/api/api_internal.h"
#include "services/api/await.h"
#include "services/api/handlers.h"
#include "services/api/history.h"
#include "services/api/waits.h"

/* A stream reads the journal: when a message says that something changed, and every POLL_MS, as not every fact is told. */
enum { POLL_MS = 1000, QUIET_MS = 15 * 1000, PAGE = 200 };

void stream_end(struct call *call) {
    request_end(call->request);
    call_free(call);
}

/* data: has no line ends, as JSON is written compactly. */
static bool send_row(struct turn *turn, struct call *call, struct json fact) {
    int64_t seq = json_int64_or(json_get(fact, STR("seq")), 0);

    buf_reset(&turn->out);
    buf_append_format(&turn->out, "id: %lld\nevent: " STR_FMT "\ndata: ", (long long)seq, STR_ARG(json_str(json_get(fact, STR("type")))));
    json_write(&turn->out, history_row(fact, turn->arena), JSON_COMPACT);
    buf_append_c(&turn->out, "\n\n");
    if (!request_send(call->request, buf_str(&turn->out))) return false;
    call->wait.next_seq = seq + 1;
    call->wait.spoke_ms = turn->now_ms;
    return true;
}

static bool is_last(struct json fact) {
    struct str type = json_str(json_get(fact, STR("type")));

    return str_equal(type, STR("workflow.completed")) || str_equal(type, STR("workflow.faulted"))
            || str_equal(type, STR("workflow.cancelled"));
}

/* Sends what is new; false: the stream is over. */
static bool send_new(struct turn *turn, struct call *call) {
    struct str id = str_from(call->wait.id);
    struct json facts;
    int64_t next = call->wait.next_seq;
    struct err err;

    while (next || call->wait.next_seq == 0) {
        if (!ledger_history(turn->api->world->store, id, call->wait.next_seq, PAGE, turn->arena, &facts, &next, &err)) return true;
        for (size_t i = 0; i < json_size(facts); i++) {
            if (!send_row(turn, call, json_at(facts, i)) || is_last(json_at(facts, i))) return false;
        }
        if (!next) break;
    }
    if (turn->now_ms - call->wait.spoke_ms < QUIET_MS) return true;
    call->wait.spoke_ms = turn->now_ms;
    return request_send(call->request, STR(": still here\n\n"));
}

static void go_on(struct turn *turn, struct call *call) {
    do {
        if (send_new(turn, call)) continue;
        waits_remove(turn->api->waits, call);
        stream_end(call);
        return;
    } while (waits_rest(turn->api->waits, call, turn->now_ms + POLL_MS));
}

static void begin(struct turn *turn, struct call *call) {
    struct answer head = { .status = 200, .content_type = STR("text/event-stream") };

    head.headers[head.header_count].name = STR("Cache-Control");
    head.headers[head.header_count++].value = STR("no-store");
    head.headers[head.header_count].name = STR("X-Request-Id");
    head.headers[head.header_count++].value = str_from(call->request_id);
    metrics_add(turn->api->world->metrics, METRIC_REQUESTS, 1);
    request_begin(call->request, &head);
}

void stream_get(struct turn *turn, struct call *call) {
    struct str id = call_parameter(call, 0), last = request_header(call->request, "Last-Event-ID");
    const struct instance *instance;
    struct loaded loaded;
    int64_t seq = -1;

    if (last.size && (!str_to_int64(last, &seq) || seq < 0)) {
        answer_problem(turn, call, 400, "Last-Event-ID is the number of a fact, not '" STR_FMT "'.", STR_ARG(last));
        return;
    }
    if (!await_find(turn, call, id, &loaded, &instance)) return;
    await_release(turn, &loaded);
    await_init(call, WAIT_STREAM, id, turn->now_ms);
    call->is_stream = true;
    call->wait.is_busy = true;
    call->wait.next_seq = seq + 1;
    call->wait.spoke_ms = turn->now_ms;
    call->resume = go_on;
    if (!waits_add(turn->api->waits, call)) {
        answer_problem(turn, call, 503, "Too many streams are open already; try again.");
        return;
    }
    begin(turn, call);
    go_on(turn, call);
}

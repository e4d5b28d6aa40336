/* The shop's services, for examples and tests: stock, credit, payment, and a ledger of what they did.
 *
 *     order-services [--listen ADDRESS:PORT]
 *
 * What they answer follows from the order alone, so that everybody can say beforehand how an order ends:
 *
 *     POST /stock/reservations {orderId, items}        409 where a SKU begins with "sold-out-", else 201
 *     POST /stock/releases     {orderId, reservationId}  200
 *     POST /credit/checks      {orderId, customerId}   200; approved unless the customer begins with "blocked-"
 *     POST /payments           {orderId, amountCents, token}
 *          tok-declined…  402
 *          tok-busyN…     503 for the first N attempts, then 201
 *          tok-…          201; anything else 400
 *     GET  /ledger[?keys=true], /ledger/{orderId}      what was done; see ledger.h
 *     GET  /healthz
 *
 * A request with an Idempotency-Key that was seen before gets the answer that was given then, and nothing is done. */

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/json.h"
#include "examples/order-fulfilment/ledger.h"
#include "http/server.h"
#include "system/signals.h"

enum {
    NAME_MAX_SIZE = 512,           /* an order's id, a key */
    LEDGER_TEXT_MAX = 256 * 1024 * 1024,
    CLOSE_GRACE_MS = 1000,
};

struct shop {
    struct ledger *ledger;
    struct arena *arena; /* of the request that is being answered */
};

/* What a service makes of a request. */
struct verdict {
    int status;
    struct str body;
};

typedef struct verdict service_handler(struct shop *shop, struct ledger_order *order, struct json request);

static struct verdict problem(struct shop *shop, int status, const char *title) {
    return (struct verdict){ status, str_format(shop->arena, "{\"title\":\"%s\",\"status\":%d}", title, status) };
}

static bool is_sold_out(struct json items) {
    for (size_t i = 0; i < json_size(items); i++) {
        if (str_starts_with(json_str(json_get(json_at(items, i), STR("sku"))), STR("sold-out-"))) return true;
    }
    return false;
}

static struct verdict reserve(struct shop *shop, struct ledger_order *order, struct json request) {
    if (is_sold_out(json_get(request, STR("items")))) return problem(shop, 409, "Out of stock");
    order->reservations++;
    return (struct verdict){ 201, str_format(shop->arena, "{\"reservationId\":\"r-" STR_FMT "\"}", STR_ARG(order->id)) };
}

static struct verdict release(struct shop *shop, struct ledger_order *order, struct json request) {
    if (json_is_null(json_get(request, STR("reservationId")))) return problem(shop, 400, "No reservationId");
    order->releases++;
    return (struct verdict){ 200, STR("{\"released\":true}") };
}

static struct verdict check_credit(struct shop *shop, struct ledger_order *order, struct json request) {
    struct str customer = json_str(json_get(request, STR("customerId")));

    (void)shop;
    order->credit_checks++;
    if (str_starts_with(customer, STR("blocked-"))) return (struct verdict){ 200, STR("{\"approved\":false}") };
    return (struct verdict){ 200, STR("{\"approved\":true}") };
}

/* tok-busy3-visa → 3. */
static int64_t busy_count(struct str token) {
    const struct str prefix = STR("tok-busy");

    if (!str_starts_with(token, prefix) || token.size == prefix.size) return 0;
    char digit = token.data[prefix.size];
    return digit >= '0' && digit <= '9' ? digit - '0' : 0;
}

static struct verdict charge(struct shop *shop, struct ledger_order *order, struct json request) {
    struct str token = json_str(json_get(request, STR("token")));
    int64_t amount_cents;

    if (!json_to_int64(json_get(request, STR("amountCents")), &amount_cents) || amount_cents < 0) {
        return problem(shop, 400, "amountCents is no whole amount");
    }
    if (!str_starts_with(token, STR("tok-"))) return problem(shop, 400, "Unknown token");
    if (str_starts_with(token, STR("tok-declined"))) return problem(shop, 402, "Card declined");
    if (order->busy < busy_count(token)) {
        order->busy++;
        return problem(shop, 503, "Payment service is busy");
    }
    order->charges++;
    return (struct verdict){ 201, str_format(shop->arena, "{\"paymentId\":\"p-" STR_FMT "\",\"amountCents\":%lld}",
            STR_ARG(order->id), (long long)amount_cents) };
}

static const struct service {
    struct str path;
    service_handler *handle;
} services[] = {
    { STR_INIT("/stock/reservations"), reserve },
    { STR_INIT("/stock/releases"), release },
    { STR_INIT("/credit/checks"), check_credit },
    { STR_INIT("/payments"), charge },
};

static const struct service *find_service(struct str path) {
    for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
        if (str_equal(services[i].path, path)) return &services[i];
    }
    return NULL;
}

static void answer(struct request *request, struct verdict verdict, bool is_repeat) {
    struct answer text = { .status = verdict.status, .content_type = STR("application/json"), .body = verdict.body };

    if (is_repeat) {
        text.headers[text.header_count].name = STR("Idempotent-Replayed");
        text.headers[text.header_count++].value = STR("true");
    }
    request_answer(request, &text);
}

static uint64_t hash_request(struct str path, struct str body) {
    return str_hash(path) * 31 + str_hash(body);
}

/* An order's id ends up in our JSON as it is, so it may hold nothing that would have to be escaped. */
static bool is_order_id(struct str id) {
    if (id.size == 0 || id.size > NAME_MAX_SIZE) return false;
    for (size_t i = 0; i < id.size; i++) {
        if (id.data[i] <= ' ' || id.data[i] > '~' || id.data[i] == '"' || id.data[i] == '\\') return false;
    }
    return true;
}

/* Does the work for a request that was not seen before, and keeps the answer under its key. */
static struct verdict serve_new(struct shop *shop, const struct service *service, const struct request *request) {
    struct str key = request_header(request, "Idempotency-Key");
    struct json body;
    struct err err;

    if (key.size > NAME_MAX_SIZE) return problem(shop, 400, "Idempotency-Key is too long");
    if (!json_read(request_body(request), NULL, shop->arena, &body, NULL, &err)) return problem(shop, 400, "Not JSON");
    struct str id = json_str(json_get(body, STR("orderId")));
    if (!is_order_id(id)) return problem(shop, 400, "No orderId");
    struct ledger_order *order = ledger_order(shop->ledger, id);
    if (!order) return problem(shop, 507, "The ledger is full");

    struct verdict verdict = service->handle(shop, order, body);
    if (key.size == 0) {
        order->unkeyed++;
        return verdict;
    }
    struct ledger_answer kept = {
        .key = key,
        .request_hash = hash_request(service->path, request_body(request)),
        .status = verdict.status,
        .body = verdict.body,
        .uses = 1,
    };
    return ledger_keep_answer(shop->ledger, &kept) ? verdict : problem(shop, 507, "The ledger is full");
}

static void count_repeat(struct shop *shop, const struct request *request) {
    struct json body;
    struct err err;

    if (!json_read(request_body(request), NULL, shop->arena, &body, NULL, &err)) return;
    struct ledger_order *order = ledger_order(shop->ledger, json_str(json_get(body, STR("orderId"))));
    if (order) order->repeats++;
}

static void serve_post(struct shop *shop, const struct service *service, struct request *request) {
    struct str key = request_header(request, "Idempotency-Key");
    struct ledger_answer *before = key.size ? ledger_find_answer(shop->ledger, key) : NULL;

    if (!before) {
        answer(request, serve_new(shop, service, request), false);
        return;
    }
    before->uses++;
    if (before->request_hash != hash_request(service->path, request_body(request))) {
        answer(request, problem(shop, 422, "The Idempotency-Key belongs to another request"), false);
        return;
    }
    count_repeat(shop, request);
    answer(request, (struct verdict){ before->status, before->body }, true);
}

static void serve_ledger(struct shop *shop, struct request *request) {
    const struct str prefix = STR("/ledger/");
    struct str path = request_path(request);
    struct buf buf;

    buf_init(&buf, LEDGER_TEXT_MAX);
    if (str_starts_with(path, prefix)) {
        const struct ledger_order *order = ledger_find_order(shop->ledger, str_slice(path, prefix.size, path.size));
        if (order) ledger_write_order(order, &buf);
    } else {
        ledger_write(shop->ledger, str_equal(request_query(request), STR("keys=true")), &buf);
    }
    answer(request, buf.size && !buf_is_over(&buf) ? (struct verdict){ 200, buf_str(&buf) }
                                                   : problem(shop, 404, "No such order"), false);
    buf_clear(&buf);
}

static void on_request(void *user, struct request *request) {
    struct shop *shop = user;
    struct str path = request_path(request), method = request_method(request);
    const struct service *service = find_service(path);

    arena_reset(shop->arena);
    if (service && str_equal(method, STR("POST"))) {
        serve_post(shop, service, request);
    } else if (service) {
        answer(request, problem(shop, 405, "POST only"), false);
    } else if (str_equal(path, STR("/healthz"))) {
        answer(request, (struct verdict){ 200, STR("{\"status\":\"ok\"}") }, false);
    } else if (str_equal(path, STR("/ledger")) || str_starts_with(path, STR("/ledger/"))) {
        serve_ledger(shop, request);
    } else {
        answer(request, problem(shop, 404, "No such service"), false);
    }
}

static void wait_for_stop(void) {
    struct pollfd stop = { .fd = signals_fd(), .events = POLLIN };

    while (!signals_stop_requested()) (void)poll(&stop, 1, -1);
}

static int usage(void) {
    fputs("usage: order-services [--listen ADDRESS:PORT]    (127.0.0.1:9100; port 0 chooses one)\n", stderr);
    return 2;
}

int main(int argc, char **argv) {
    const char *listen = "127.0.0.1:9100";
    struct server *server;
    struct err err;

    if (argc == 3 && strcmp(argv[1], "--listen") == 0) {
        listen = argv[2];
    } else if (argc != 1) {
        return usage();
    }
    signals_install();
    struct shop shop = { .ledger = ledger_new(), .arena = arena_new() };
    /* One thread: the ledger has one owner. */
    if (!server_open(&(struct server_options){ .listen = listen, .thread_count = 1 }, on_request, &shop, &server, &err)) {
        fprintf(stderr, "order-services: %s\n", err.message);
        return 1;
    }
    printf("order services on http://" STR_FMT "\n", STR_ARG(server_address(server)));
    fflush(stdout);
    wait_for_stop();
    server_close(server, CLOSE_GRACE_MS);
    arena_free(shop.arena);
    ledger_free(shop.ledger);
    return 0;
}

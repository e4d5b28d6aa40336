#include "examples/order-fulfilment/orders.h"

#include "common/arena.h"

enum { ORDERS_MAX = 5000 };

static const char *const texts[OUTCOME_COUNT] = {
    [OUTCOME_COMPLETED] = "completed",
    [OUTCOME_DECLINED_CARD] = "declined (card)",
    [OUTCOME_DECLINED_CREDIT] = "declined (credit)",
    [OUTCOME_OUT_OF_STOCK] = "out-of-stock",
    [OUTCOME_NOT_HANDED_OVER] = "not-handed-over",
    [OUTCOME_SAME_INSTANCE] = "same order again, same instance",
    [OUTCOME_CONFLICT] = "other order, same id: 409",
    [OUTCOME_NOT_JSON] = "not JSON: 400",
    [OUTCOME_BREAKS_SCHEMA] = "breaks the schema: 422",
    [OUTCOME_OTHER] = "anything else",
};

const char *outcome_text(enum outcome outcome) {
    return texts[outcome];
}

static struct json get(struct json object, const char *key) {
    return json_get(object, str_from(key));
}

static int64_t get_int64(struct json object, const char *key) {
    return json_int64_or(get(object, key), 0);
}

/* The definition's arithmetic: whole cents, halves rounded up, once for each line and once for the tax. */
static int64_t total_cents(struct json input) {
    struct json items = get(input, "items");
    int64_t net = 0;

    for (size_t i = 0; i < json_size(items); i++) {
        struct json item = json_at(items, i);
        int64_t hundredths = get_int64(item, "quantity") * get_int64(item, "unitPriceCents")
                * (100 - get_int64(item, "discountPercent"));
        net += (hundredths + 50) / 100;
    }
    net -= MIN(net, get_int64(input, "voucherCents"));
    return net + (net * get_int64(input, "taxPercent") + 50) / 100;
}

static bool is_sold_out(struct json input) {
    struct json items = get(input, "items");

    for (size_t i = 0; i < json_size(items); i++) {
        if (str_starts_with(json_str(get(json_at(items, i), "sku")), STR("sold-out-"))) return true;
    }
    return false;
}

/* Enough of the schema for the faults that the file has. */
static bool breaks_schema(struct json input) {
    return json_size(get(input, "items")) == 0 || json_type(get(input, "taxPercent")) != JSON_NUMBER
            || json_type(get(get(input, "payment"), "token")) != JSON_STRING;
}

static enum outcome expect(const struct order *order) {
    struct json input = order->input;

    if (breaks_schema(input)) return OUTCOME_BREAKS_SCHEMA;
    if (order->first) return json_equal(order->first->input, input) ? OUTCOME_SAME_INSTANCE : OUTCOME_CONFLICT;
    if (is_sold_out(input)) return OUTCOME_OUT_OF_STOCK;
    if (str_starts_with(json_str(get(get(input, "customer"), "id")), STR("blocked-"))) return OUTCOME_DECLINED_CREDIT;
    if (str_starts_with(json_str(get(get(input, "payment"), "token")), STR("tok-declined"))) return OUTCOME_DECLINED_CARD;
    return order->carrier == CARRIER_LOST ? OUTCOME_NOT_HANDED_OVER : OUTCOME_COMPLETED;
}

static enum carrier read_carrier(struct json input) {
    struct str name = json_str(get(input, "carrier"));

    if (str_equal(name, STR("courier"))) return CARRIER_COURIER;
    if (str_equal(name, STR("bulk"))) return CARRIER_BULK;
    return str_equal(name, STR("lost")) ? CARRIER_LOST : CARRIER_POST;
}

static const struct order *find_first(const struct order *orders, size_t count, struct str id) {
    for (size_t i = 0; i < count; i++) {
        if (orders[i].expected <= OUTCOME_NOT_HANDED_OVER && str_equal(orders[i].id, id)) return &orders[i];
    }
    return NULL;
}

static void read_order(struct order *orders, size_t index, struct str text, struct arena *arena) {
    struct order *order = &orders[index];
    struct err err;

    order->line = index + 1;
    order->text = text;
    if (!json_read(text, NULL, arena, &order->input, NULL, &err)) {
        order->expected = OUTCOME_NOT_JSON;
        return;
    }
    order->id = json_str(get(order->input, "orderId"));
    order->carrier = read_carrier(order->input);
    order->first = find_first(orders, index, order->id);
    order->expected = expect(order);
    order->total_cents = total_cents(order->input);
}

bool orders_read(struct str text, struct arena *arena, struct order **ret_orders, size_t *ret_count, struct err *err) {
    struct order *orders = arena_new_many(arena, struct order, ORDERS_MAX);
    size_t count = 0;

    while (text.size) {
        struct str line = str_cut(&text, '\n');
        if (str_trim(line).size == 0) continue;
        if (count == ORDERS_MAX) return err_set(err, ERR_TOO_LARGE, "more than %d orders", (int)ORDERS_MAX);
        read_order(orders, count++, line, arena);
    }
    *ret_orders = orders;
    *ret_count = count;
    return true;
}

/* Writes orders.jsonl: orders of varied shape, the same for the same seed.
 *
 *     order-generate [COUNT [SEED]] >orders.jsonl      500 orders, seed 1
 *
 * A line is the input of one start, as it stands. What an order is decides how it ends (services.c, order.yaml), and
 * its carrier says what the demonstration does with the parcel:
 *
 *     post     handed over once the workflow waits for it
 *     courier  handed over at once, often before the workflow waits for it
 *     bulk     handed over with others, in one batch of events
 *     lost     never handed over
 *
 * Fixed lines break the rules: see special_lines. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/str.h"

enum { LINES_DEFAULT = 500, LINES_MAX = 1000 * 1000, ITEMS_MAX = 6 };

enum special { PLAIN, NOT_JSON, BREAKS_SCHEMA, SAME_AGAIN, OTHER_UNDER_SAME_ID, LONGEST_ID };

static const struct {
    int64_t line;
    enum special special;
    int64_t of; /* the line that is repeated */
} special_lines[] = {
    { 7, LONGEST_ID, 0 },
    { 137, NOT_JSON, 0 },
    { 251, BREAKS_SCHEMA, 0 },
    { 180, SAME_AGAIN, 30 },
    { 260, SAME_AGAIN, 61 },
    { 333, SAME_AGAIN, 120 },
    { 471, SAME_AGAIN, 400 },
    { 210, OTHER_UNDER_SAME_ID, 45 },
    { 405, OTHER_UNDER_SAME_ID, 90 },
};

static const char *const names[] = {
    "Ada Lovelace", "Zoë Müller", "Łukasz Żółć", "山田 太郎", "Олена Шевченко", "محمد علي", "José Ñandú", "Þóra Jónsdóttir",
    "Nguyễn Thị Ánh", "🦊 Foxworth & Sons", "O'Brien \\\"Bob\\\" \\\\ Co", "Ren\\u00e9e \\ud83c\\udf3b Dupont", "Grace Hopper",
    "Ιωάννα Παππά", "한지민", "ไพลิน ศรีสุข",
};
static const char *const cities[] = { "Köln", "São Paulo", "東京", "Reykjavík", "Nairobi", "Kraków", "Montréal", "Auckland" };
static const char *const goods[] = { "tea-green", "teapot", "kettle-steel", "lamp-brass", "chair-oak", "rug-wool", "book-atlas",
    "pen-steel", "radio-valve", "map-1932" };
static const int taxes[] = { 0, 7, 19, 20, 25 };

/* splitmix64: small, and the same everywhere. */
struct dice {
    uint64_t state;
};

static uint64_t roll(struct dice *dice, uint64_t sides) {
    uint64_t z = dice->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % sides;
}

static bool chance(struct dice *dice, uint64_t percent) {
    return roll(dice, 100) < percent;
}

static void print_id(int64_t line, enum special special) {
    if (special == LONGEST_ID) {
        for (int i = 0; i < 121; i++) putchar("0123456789abcdef"[i % 16]);
        printf("~%06" PRId64, line);
    } else if (line % 50 == 0) {
        printf("web:2026~%05" PRId64, line);
    } else {
        printf("ord-%05" PRId64, line);
    }
}

static void print_item(struct dice *dice, bool is_big) {
    uint64_t quantity = is_big ? 100000 + roll(dice, 200000) : 1 + roll(dice, 12);
    uint64_t price = is_big ? 5000000 + roll(dice, 15000000) : 99 + roll(dice, 40000);

    printf("{\"sku\":\"%s\",\"quantity\":%" PRIu64 ",\"unitPriceCents\":%" PRIu64, goods[roll(dice, ARRAY_SIZE(goods))],
            quantity, price);
    if (chance(dice, 30)) printf(",\"discountPercent\":%" PRIu64, 1 + roll(dice, 50));
    putchar('}');
}

static void print_items(struct dice *dice) {
    bool is_big = chance(dice, 3), is_sold_out = chance(dice, 6);
    uint64_t count = 1 + roll(dice, ITEMS_MAX);

    printf("\"items\":[");
    for (uint64_t i = 0; i < count; i++) {
        if (i) putchar(',');
        print_item(dice, is_big);
    }
    if (is_sold_out) printf(",{\"sku\":\"sold-out-gramophone\",\"quantity\":1,\"unitPriceCents\":129900}");
    printf("],");
    if (chance(dice, 15)) printf("\"voucherCents\":%" PRIu64 ",", 500 + roll(dice, 4000));
}

static void print_payment(struct dice *dice) {
    static const char *const brands[] = { "visa", "maestro", "giro" };
    const char *brand = brands[roll(dice, ARRAY_SIZE(brands))];
    uint64_t kind = roll(dice, 100);

    if (kind < 6) {
        printf("\"payment\":{\"token\":\"tok-declined-%s\"},", brand);
    } else if (kind < 24) {
        printf("\"payment\":{\"token\":\"tok-busy%" PRIu64 "-%s\"},", 1 + roll(dice, 3), brand);
    } else {
        printf("\"payment\":{\"token\":\"tok-%s\"},", brand);
    }
}

static void print_carrier(struct dice *dice) {
    uint64_t kind = roll(dice, 100);
    const char *carrier = kind < 55 ? "post" : kind < 80 ? "courier" : kind < 95 ? "bulk" : "lost";

    printf("\"carrier\":\"%s\",", carrier);
}

static void print_order(int64_t line, enum special special, uint64_t seed) {
    /* Dice of its own for each line, so that a line can be written again. */
    struct dice dice = { seed * 1000003 + (uint64_t)line };
    const char *customer = chance(&dice, 4) ? "blocked" : "c";

    printf("{\"orderId\":\"");
    print_id(line, special);
    printf("\",\"customer\":{\"id\":\"%s-%" PRIu64 "\",\"name\":\"%s\"},", customer, 1000 + roll(&dice, 9000),
            names[roll(&dice, ARRAY_SIZE(names))]);
    print_items(&dice);
    printf("\"taxPercent\":%d,", taxes[roll(&dice, ARRAY_SIZE(taxes))]);
    print_payment(&dice);
    print_carrier(&dice);
    if (chance(&dice, 30)) printf("\"shipTo\":{\"city\":\"%s\"},", cities[roll(&dice, ARRAY_SIZE(cities))]);
    /* Nobody computes with it, so its digits have to come out as they went in. */
    if (chance(&dice, 10)) printf("\"invoiceNumber\":9007199254740993%03" PRIu64 ",", roll(&dice, 1000));
    printf("\"handOverWithin\":\"PT20S\"}\n");
}

static void print_other(int64_t line) {
    printf("{\"orderId\":\"");
    print_id(line, PLAIN);
    printf("\",\"customer\":{\"id\":\"c-1\",\"name\":\"Somebody Else\"},\"items\":[{\"sku\":\"teapot\",\"quantity\":1,"
           "\"unitPriceCents\":4900}],\"taxPercent\":19,\"payment\":{\"token\":\"tok-visa\"},\"carrier\":\"post\","
           "\"handOverWithin\":\"PT20S\"}\n");
}

static void print_line(int64_t line, uint64_t seed) {
    enum special special = PLAIN;
    int64_t of = 0;

    for (size_t i = 0; i < ARRAY_SIZE(special_lines); i++) {
        if (special_lines[i].line != line) continue;
        special = special_lines[i].special;
        of = special_lines[i].of;
    }
    switch (special) {
    case PLAIN:
    case LONGEST_ID: print_order(line, special, seed); break;
    case NOT_JSON: printf("{\"orderId\":\"ord-%05" PRId64 "\",\"customer\":{\"id\":\"c-1\",\"name\":\"Cut off\n", line); break;
    case BREAKS_SCHEMA:
        printf("{\"orderId\":\"ord-%05" PRId64 "\",\"customer\":{\"id\":\"c-1\",\"name\":\"No Items\"},\"items\":[],"
               "\"taxPercent\":\"19\",\"payment\":{},\"carrier\":\"post\",\"handOverWithin\":\"PT20S\"}\n", line);
        break;
    case SAME_AGAIN: print_order(of, PLAIN, seed); break;
    case OTHER_UNDER_SAME_ID: print_other(of); break;
    }
}

int main(int argc, char **argv) {
    int64_t count = LINES_DEFAULT, seed = 1;

    if (argc > 3 || (argc > 1 && (!str_to_int64(str_from(argv[1]), &count) || count < 1 || count > LINES_MAX))
            || (argc > 2 && (!str_to_int64(str_from(argv[2]), &seed) || seed < 0))) {
        fputs("usage: order-generate [COUNT [SEED]] >orders.jsonl\n", stderr);
        return 2;
    }
    for (int64_t line = 1; line <= count; line++) print_line(line, (uint64_t)seed);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* All calls are served by one thread with libcurl's multi interface; nobody else touches its handles.
 * Requests come in through one queue and responses leave through another. The thread sleeps in
 * curl_multi_poll; a sender wakes it only if it does, so that a busy client costs no system call for each
 * request. */
#include "http/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "common/limits.h"
#include "http/client_internal.h"
#include "system/queue.h"
#include "system/thread.h"

enum {
    CALLS_MAX = 100 * 1000, /* sent and not yet answered; more are refused */
    QUEUE_MAX = 4 * CALLS_MAX,
    PER_HOST_DEFAULT = 256,
    TAKE_MAX = 64,
    IDLE_POLL_MS = 1000,
    EXPIRY_MS = 100,
    RESOLVE_MAX = 256,
};

/* ---- completion ---- */

static void complete(struct client *client, struct call *call) {
    if (call->failure != CLIENT_OK) buf_clear(&call->response_body);
    bool queued = queue_push(client->done, call);
    assert(queued); /* responses are collected: there are at most QUEUE_MAX */
    __atomic_fetch_sub(&client->in_flight, 1, __ATOMIC_ACQ_REL);
}

/* Takes the handle from a call; keeps it for another one. */
static void give_back(struct client *client, struct call *call) {
    CURL *easy = call->easy;

    if (!easy) return;
    call->easy = NULL;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL); /* it is the call's */
    bool keep = !call->authenticates && client->idle_count < client->options.in_flight_max;
    if (keep) {
        client->idle[client->idle_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

static void end_active(struct client *client, struct call *call) {
    curl_multi_remove_handle(client->multi, call->easy);
    give_back(client, call);
    list_remove(&call->item);
    client->active_count--;
    complete(client, call);
}

/* ---- start ---- */

static void add_to_multi(struct client *client, struct call *call) {
    CURLMcode code = curl_multi_add_handle(client->multi, call->easy);

    assert(code == CURLM_OK);
}

/* A handle remembers the last challenge it was given, by whomever; so who authenticates gets, and leaves, none
 * that was used. */
static CURL *take_handle(struct client *client, const struct call *call) {
    bool reuse = client->idle_count > 0 && !call->authenticates;

    return reuse ? client->idle[--client->idle_count] : call_handle_new(client);
}

/* True if the call is on its way. */
static bool start(struct client *client, struct call *call) {
    CURL *easy = take_handle(client, call);

    if (!call_prepare(call, easy)) {
        call->easy = easy;
        give_back(client, call);
        complete(client, call);
        return false;
    }
    list_append(&client->active, &call->item);
    client->active_count++;
    add_to_multi(client, call);
    return true;
}

static size_t start_waiting(struct client *client) {
    size_t failed = 0;

    while (client->active_count < client->options.in_flight_max
            && client->waiting.next != &client->waiting) {
        struct call *call = list_entry(client->waiting.next, struct call, item);
        list_remove(&call->item);
        if (!start(client, call)) failed++;
    }
    return failed;
}

/* Ends calls whose time was over before it was their turn. */
static size_t expire_waiting(struct client *client) {
    int64_t now_ms = clock_monotonic_ms(&client->clock);
    size_t expired = 0;

    if (client->waiting.next == &client->waiting || now_ms - client->expired_ms < EXPIRY_MS)
        return 0;
    client->expired_ms = now_ms;
    list_foreach(item, &client->waiting) {
        struct call *call = list_entry(item, struct call, item);
        if (call->deadline_ms > now_ms) continue;
        list_remove(&call->item);
        call_fail(call, CLIENT_TIMEOUT, "the time was over before the call could be sent");
        complete(client, call);
        expired++;
    }
    return expired;
}

/* ---- cancel ---- */

static struct call *find(struct list *calls, uint64_t tag) {
    list_foreach(item, calls) {
        struct call *call = list_entry(item, struct call, item);
        if (call->tag == tag) return call;
    }
    return NULL;
}

static size_t cancel(struct client *client, uint64_t tag) {
    struct call *call = find(&client->waiting, tag);

    if (call) {
        call_fail(call, CLIENT_CANCELLED, "cancelled");
        list_remove(&call->item);
        complete(client, call);
        return 1;
    }
    call = find(&client->active, tag);
    if (!call) return 0;
    call_fail(call, CLIENT_CANCELLED, "cancelled");
    end_active(client, call);
    return 1;
}

/* ---- the thread ---- */

/* Returns how many calls were completed. */
static size_t take_inbox(struct client *client) {
    void *items[TAKE_MAX];
    size_t completed = 0, count;

    do {
        count = queue_pop(client->inbox, items, TAKE_MAX, 0);
        for (size_t i = 0; i < count; i++) {
            struct call *call = items[i];
            if (call->is_cancel) {
                completed += cancel(client, call->tag);
                client_call_free(call);
            } else if (call->failure != CLIENT_OK) {
                complete(client, call);
                completed++;
            } else {
                list_append(&client->waiting, &call->item);
            }
        }
    } while (count == TAKE_MAX);
    return completed;
}

static size_t reap(struct client *client) {
    size_t completed = 0;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct call *call;
        if (message->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        bool again = call_finish(call, message->data.result);
        if (again) {
            curl_multi_remove_handle(client->multi, call->easy);
            again = call_prepare(call, call->easy);
            if (again) add_to_multi(client, call);
        }
        if (again) continue;
        end_active(client, call);
        completed++;
    }
    return completed;
}

static void sleep_for_work(struct client *client) {
    uint32_t running = WAKE_RUNNING;
    int timeout_ms = client->waiting.next == &client->waiting ? IDLE_POLL_MS : EXPIRY_MS;

    if (__atomic_compare_exchange_n(&client->wake, &running, WAKE_SLEEPING, false, __ATOMIC_ACQ_REL,
                __ATOMIC_ACQUIRE)) {
        curl_multi_poll(client->multi, NULL, 0, timeout_ms, NULL);
    }
    /* Before the inbox is looked into: who pushes from here on finds us running, and we do not sleep next. */
    __atomic_store_n(&client->wake, WAKE_RUNNING, __ATOMIC_SEQ_CST);
}

static void run(void *user) {
    struct client *client = user;

    while (!__atomic_load_n(&client->closing, __ATOMIC_ACQUIRE)) {
        size_t completed = take_inbox(client);
        int running;
        completed += expire_waiting(client);
        completed += start_waiting(client);
        curl_multi_perform(client->multi, &running);
        completed += reap(client);
        completed += start_waiting(client);
        if (completed && client->options.on_complete)
            client->options.on_complete(client->options.user);
        sleep_for_work(client);
    }
}

static void wake_up(struct client *client) {
    if (__atomic_exchange_n(&client->wake, WAKE_SIGNALLED, __ATOMIC_ACQ_REL) != WAKE_SLEEPING)
        return;
    curl_multi_wakeup(client->multi);
}

/* ---- open, close ---- */

/* "host:port=address:port" → libcurl's "host:port:address:port". */
static bool add_resolve(struct client *client, struct str entry, struct err *err) {
    size_t equals = str_find_char(entry, '=');
    struct str from = str_slice(entry, 0, equals), to = str_slice(entry, equals + 1, entry.size);
    char text[RESOLVE_MAX];

    bool ok = equals < entry.size && entry.size < sizeof(text)
            && str_find_char(from, ':') < from.size && str_find_char(to, ':') < to.size;
    if (!ok) {
        return err_set(err, ERR_INVALID, "'%.*s' is no mapping: write HOST:PORT=ADDRESS:PORT",
                (int)MIN(entry.size, (size_t)RESOLVE_MAX), entry.data);
    }
    snprintf(text, sizeof(text), STR_FMT ":" STR_FMT, STR_ARG(from), STR_ARG(to));
    client->resolve = curl_slist_append(client->resolve, text);
    assert(client->resolve);
    return true;
}

static bool add_resolves(struct client *client, const char *list, struct err *err) {
    struct str rest = str_from(list);

    while (rest.data) {
        struct str entry = str_trim(str_cut(&rest, ','));
        if (entry.size && !add_resolve(client, entry, err)) return false;
    }
    return true;
}

static void client_free(struct client *client) {
    for (size_t i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    if (client->multi) curl_multi_cleanup(client->multi);
    queue_free(client->inbox);
    queue_free(client->done);
    curl_slist_free_all(client->resolve);
    trust_clear(&client->trust);
    free(client->idle);
    free(client);
    curl_global_cleanup(); /* counts; see client_open */
}

static bool configure(struct client *client, struct err *err) {
    const struct client_options *options = &client->options;

    if (!egress_init(&client->egress, options->egress_any, options->egress_allow, err)) return err_wrap(err, "PENSTOCK_EGRESS_ALLOW");
    if (!trust_init(&client->trust, options->ca_file, err)) return err_wrap(err, "PENSTOCK_CA");
    return add_resolves(client, options->resolve, err) || err_wrap(err, "PENSTOCK_RESOLVE");
}

bool client_open(const struct client_options *options, struct client **ret, struct err *err) {
    struct client *client = calloc(1, sizeof(*client));

    assert(client);
    /* Counted, and safe from any thread since 7.84: no flag of ours is needed for "once". */
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    assert(code == CURLE_OK);
    client->options = *options;
    if (!client->options.in_flight_max) client->options.in_flight_max = LIMIT_EXECUTOR_IN_FLIGHT;
    if (!client->options.per_host_max) client->options.per_host_max = PER_HOST_DEFAULT;
    client->clock = clock_system();
    client->trust.fd = -1;
    client->inbox = queue_new(QUEUE_MAX);
    client->done = queue_new(QUEUE_MAX);
    list_init(&client->waiting);
    list_init(&client->active);
    client->idle = calloc(client->options.in_flight_max, sizeof(*client->idle));
    client->multi = curl_multi_init();
    assert(client->idle && client->multi);
    if (!configure(client, err)) {
        client_free(client);
        return false;
    }
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->options.in_flight_max);
    curl_multi_setopt(
            client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)client->options.per_host_max);
    client->thread = thread_start("http-client", run, client);
    *ret = client;
    return true;
}

static void drop(struct client *client, struct call *call) {
    if (call->easy) {
        curl_multi_remove_handle(client->multi, call->easy);
        give_back(client, call);
    }
    list_remove(&call->item);
    client_call_free(call);
}

static void empty(struct queue *queue) {
    void *item;

    while (queue_pop(queue, &item, 1, 0))
        client_call_free(item);
}

void client_close(struct client *client) {
    if (!client) return;
    __atomic_store_n(&client->closing, true, __ATOMIC_RELEASE);
    wake_up(client);
    thread_join(client->thread);
    list_foreach(item, &client->waiting)
        drop(client, list_entry(item, struct call, item));
    list_foreach(item, &client->active)
        drop(client, list_entry(item, struct call, item));
    empty(client->inbox);
    empty(client->done);
    client_free(client);
}

/* ---- calls ---- */

void client_send(struct client *client, const struct client_request *request) {
    struct call *call = client_call_new(client, request);

    if (__atomic_fetch_add(&client->in_flight, 1, __ATOMIC_ACQ_REL) >= CALLS_MAX) {
        call_fail(call, CLIENT_REFUSED, "more than %d calls are waiting", CALLS_MAX);
    }
    bool queued = queue_push(client->inbox, call);
    assert(queued); /* CALLS_MAX bounds what a caller that minds refusals can have in here */
    wake_up(client);
}

void client_cancel(struct client *client, uint64_t tag) {
    struct call *call = calloc(1, sizeof(*call));

    assert(call);
    list_init(&call->item);
    call->is_cancel = true;
    call->tag = tag;
    if (!queue_push(client->inbox, call)) client_call_free(call); /* it then ends by its timeout */
    wake_up(client);
}

static const struct client_header *copy_headers(const struct call *call, struct arena *arena) {
    struct client_header *headers =
            arena_new_many(arena, struct client_header, call->response_header_count);

    for (size_t i = 0; i < call->response_header_count; i++) {
        headers[i].name = str_copy(call->response_headers[i].name, arena);
        headers[i].value = str_copy(call->response_headers[i].value, arena);
    }
    return headers;
}

static void describe(const struct call *call, struct arena *arena, struct client_response *ret) {
    *ret = (struct client_response){
        .tag = call->tag,
        .failure = call->failure,
        .url = str_copy(str_from(call->url), arena),
    };
    if (call->failure != CLIENT_OK) {
        ret->reason = str_copy(str_from(call->reason), arena);
        return;
    }
    ret->status = call->status;
    ret->headers = copy_headers(call, arena);
    ret->header_count = call->response_header_count;
    ret->body = str_copy(buf_str(&call->response_body), arena);
}

size_t client_collect(
        struct client *client, size_t max, struct arena *arena, struct client_response *ret) {
    size_t collected = 0;

    while (collected < max) {
        void *items[TAKE_MAX];
        size_t count = queue_pop(client->done, items, MIN(max - collected, (size_t)TAKE_MAX), 0);
        if (count == 0) break;
        for (size_t i = 0; i < count; i++) {
            describe(items[i], arena, &ret[collected++]);
            client_call_free(items[i]);
        }
    }
    return collected;
}

size_t client_in_flight(const struct client *client) {
    return __atomic_load_n(&client->in_flight, __ATOMIC_ACQUIRE);
}

#!/usr/bin/env bash
# Every examples/*.yaml deploys and runs to the end that its head promises, against a shop of forty lines; what it called, and
# how often, is compared too.
set -euo pipefail
# shellcheck source=tests/integration/tap.sh
source "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

# A card "tok-busyN" is answered with 503 N times, "tok-declined" with 402. GET /calls tells what was asked for, in order.
write_shop() {
    cat >"$run/shop.py" <<'PYTHON'
import http.server, json, re, sys

calls, refused = [], {}

class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path.startswith("/ledger/"):
            calls.append("GET " + self.path)
            return self.answer(200, {"charges": 1})
        self.answer(200, calls)

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        calls.append("POST %s %s" % (self.path, order["orderId"]))
        if self.path == "/payments":
            return self.pay(order)
        self.answer(201 if self.path == "/stock/reservations" else 200, {"reservationId": "r-1"})

    def pay(self, order):
        key, busy = order["orderId"], re.match("tok-busy([0-9]+)", order["token"])
        if order["token"].startswith("tok-declined"):
            return self.answer(402, {"title": "Declined"})
        if busy and refused.get(key, 0) < int(busy.group(1)):
            refused[key] = refused.get(key, 0) + 1
            return self.answer(503, {"title": "Busy"})
        self.answer(201, {"paymentId": "p-" + key})

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
PYTHON
}

deploys() { # FILE
    sed "s|http://127\.0\.0\.1:9100|$shop|g;s|seconds: 1 }|milliseconds: 20 }|g" "$1" >"$run/${1##*/}"
    penstock deploy "$run/${1##*/}"
}

# ends STATUS RESULT NAME INPUT: the result is compared as JSON with sorted keys.
ends() {
    local id

    id=$(penstock start "examples/$3" --input "$4") || return 1
    is_ended "$1" "$2" "$id"
}

is_ended() { # STATUS RESULT ID
    request "/v1/instances/$3" -H 'Prefer: wait=60'
    equals 200 "$status" || return 1
    equals "$1 $2" "$(json 'it["status"] + " " + json.dumps(it["output"] if it["error"] is None else it["error"]["title"], sort_keys=True)')" || {
        cat "$run/body"
        return 1
    }
}

look() { seen=$(curl -s "$shop/calls" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'); }

# What was asked of the shop since we looked.
called() {
    curl -s "$shop/calls" >"$run/calls"
    equals "$1" "$(python3 -c 'import json, sys; print(", ".join(json.load(open(sys.argv[1]))[int(sys.argv[2]):]))' "$run/calls" "$seen")"
}

retry_pays() {
    ends completed '{"paymentId": "p-b-1"}' retry '{"orderId": "b-1", "amountCents": 1200, "token": "tok-busy2-visa"}' \
        && called "POST /payments b-1, POST /payments b-1, POST /payments b-1"
}

# A limit of five is five tries after the first.
retry_gives_up() {
    ends completed '{"failed": "Service Unavailable", "status": 503}' retry '{"orderId": "b-2", "amountCents": 1200, "token": "tok-busy99-visa"}' \
        && equals 6 "$(attempts b-2)"
}

attempts() { curl -s "$shop/calls" | python3 -c 'import json, sys; print(json.load(sys.stdin).count("POST /payments " + sys.argv[1]))' "$1"; }

retry_does_not_repeat() {
    ends completed '{"failed": "Payment Required", "status": 402}' retry '{"orderId": "b-3", "amountCents": 1200, "token": "tok-declined"}' \
        && called "POST /payments b-3"
}

saga_is_undone() {
    ends faulted '"Rolled back"' saga '{"orderId": "c-1", "items": [], "amountCents": 1200, "token": "tok-declined-visa"}' \
        && called "POST /stock/reservations c-1, POST /payments c-1, POST /stock/releases c-1"
}

saga_is_paid() {
    ends completed '{"paymentId": "p-c-2"}' saga '{"orderId": "c-2", "items": [], "amountCents": 1200, "token": "tok-visa"}' \
        && called "POST /stock/reservations c-2, POST /payments c-2"
}

# The event for one order must not wake the other.
event_wakes_one() {
    local mine other

    mine=$(penstock start examples/wait-for-event --input '{"orderId": "A-1"}' --key A-1) || return 1
    other=$(penstock start examples/wait-for-event --input '{"orderId": "A-2"}' --key A-2) || return 1
    penstock emit shop.paid.v1 --data '{"orderId": "A-1", "amountCents": 1200}' || return 1
    is_ended completed '{"amountCents": 1200, "orderId": "A-1"}' "$mine" || return 1
    request "/v1/instances/$other"
    equals waiting "$(json 'it["status"]')" || return 1
    penstock emit shop.paid.v1 --data '{"orderId": "A-2", "amountCents": 7}' || return 1
    is_ended completed '{"amountCents": 7, "orderId": "A-2"}' "$other"
}

http_call_keeps_a_field() {
    ends completed '{"charged": true}' http-call '{"orderId": "ord-00001"}' && called "GET /ledger/ord-00001"
}

# What each example has to do; one that is not known here fails.
run_example() {
    check "$1.yaml deploys" deploys "$root/examples/$1.yaml"
    look
    case $1 in
    hello) check "hello greets" ends completed '{"greeting": "Hello, world!"}' hello '{"name": "world"}' ;;
    http-call) check "http-call keeps one field of the answer" http_call_keeps_a_field ;;
    parallel) check "parallel joins its branches in order" ends completed '{"area": 12, "outline": 14}' parallel '{"width": 3, "height": 4}' ;;
    retry)
        check "retry pays in the third attempt" retry_pays
        check "retry gives up after the limit, and says so" retry_gives_up
        look
        check "retry does not repeat what cannot succeed" retry_does_not_repeat
        ;;
    saga)
        check "saga undoes the first step when the second fails" saga_is_undone
        look
        check "saga undoes nothing when all went well" saga_is_paid
        ;;
    wait-for-event) check "wait-for-event wakes for its own event alone" event_wakes_one ;;
    *) check "$1.yaml: nobody has said here how it ends" false ;;
    esac
}

start_embedded "$run/data"
wait_for penstock "$admin/readyz"
write_shop
shop=http://127.0.0.1:$(free_port)
start shop python3 "$run/shop.py" "${shop##*:}"
wait_for shop "$shop/calls"
for example in "$root"/examples/*.yaml; do
    name=${example##*/}
    run_example "${name%.yaml}"
done
for example in "$root"/examples/*/*.yaml; do
    check "${example#"$root/examples/"} has no fault" penstock deploy --dry-run "$example"
done
conclude

#!/usr/bin/env bash
# 1,000 order workflows on the real stack, and kill -9 of one service after the other in the middle of them; then ten times
# kill -9 of `penstock dev` under 500. The auditor of the demo checks the end: none lost, none wrong, each side effect
# under one idempotency key.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
run=$(mktemp -d "${TMPDIR:-/tmp}/penstock-kill.XXXXXX")
failed=0
say() { printf '# %s\n' "$*"; }
# shellcheck source=tools/servers.sh
source "$root/tools/servers.sh"

finish() {
    local status=$?
    trap - EXIT
    stop_all >/dev/null 2>&1
    stop_stack >/dev/null 2>&1
    if [ "$status" -eq 0 ]; then rm -rf "$run"; else say "logs are in $run"; fi
    exit "$status"
}
trap finish EXIT

verdict() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - $2"
    else
        echo "not ok - $2"
        tail -n 40 "$run/order-demo.log" | sed 's/^/# /'
        failed=1
    fi
}

start_shop() {
    services=http://127.0.0.1:$(free_port)
    start order-services "$root/bin/order-services" --listen "${services#http://}"
    wait_for order-services "$services/healthz"
}

deploy() {
    sed "s|http://127\.0\.0\.1:9100|$services|g" "$root/examples/order-fulfilment/order.yaml" >"$run/order.yaml"
    PENSTOCK_URL=$api "$root/bin/penstock" deploy "$run/order.yaml" >/dev/null
}

# Runs the orders in the background; HIT is called KILLS times while they run.
under_fire() { # NAME HIT KILLS SECONDS-BETWEEN ORDERS
    local name=$1 hit=$2 kills=$3 between=$4 status=0
    start order-demo "$root/bin/order-demo" --api "$api" --services "$services" "$5"
    for ((kill_number = 0; kill_number < kills; kill_number++)); do
        sleep "$between" # the harm is meant to come at any moment, not after an event
        kill -0 "${pids[order-demo]}" 2>/dev/null || break
        "$hit"
    done
    wait "${pids[order-demo]}" || status=$?
    unset 'pids[order-demo]'
    verdict "$status" "$name: $kill_number kills"
    [ "$kill_number" -gt 0 ] || verdict 1 "$name: something was killed in the middle"
}

# The five take turns.
hit_service() {
    local names=(orchestrator executor trigger api integration) name
    name=${names[kill_number % 5]}
    kill -KILL "${pids[$name]}" 2>/dev/null || true
    wait "${pids[$name]}" 2>/dev/null || true
    mv "$run/$name.log" "$run/$name.$kill_number.log"
    start_service "$name" "${admins[$name]}"
}

hit_dev() {
    kill -KILL "${pids[penstock]}" 2>/dev/null || true
    wait "${pids[penstock]}" 2>/dev/null || true
    mv "$run/penstock.log" "$run/penstock.$kill_number.log"
    PENSTOCK_LISTEN=${api#http://} PENSTOCK_ADMIN_LISTEN=${admin#http://} PENSTOCK_LOG=warn PENSTOCK_EGRESS=any \
        start penstock "$root/bin/penstock" dev --data "$run/data"
}

real() {
    "$root/bin/order-generate" 1000 >"$run/orders.jsonl"
    start_shop
    start_stack "$run/stack"
    start_services
    wait_for_services
    deploy
    under_fire "1,000 orders on Kafka and MongoDB" hit_service 10 1.5 "$run/orders.jsonl"
    stop_all
    stop_stack
}

embedded() {
    start_shop
    start_embedded "$run/data"
    wait_for penstock "$admin/readyz"
    deploy
    under_fire "500 orders in one process" hit_dev 10 0.7 "$root/examples/order-fulfilment/orders.jsonl"
    stop_all
}

[ "${1:-}" = real ] || embedded
[ "${1:-}" = embedded ] || real
exit "$failed"

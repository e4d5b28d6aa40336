#!/usr/bin/env bash
# What Penstock takes when nothing happens: each process under 30 MB of resident memory, after it has worked. How long it is from
# the start of a process to the end of its first workflow is told, not judged: that is the machine's affair too.
set -euo pipefail
# shellcheck source=tests/integration/tap.sh
source "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

readonly RSS_MAX_KB=$((30 * 1024)) IDLE_S=3

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

field_of() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$2/status"; } # FIELD PID

is_small() { # NAME
    local rss

    rss=$(field_of VmRSS "${pids[$1]}")
    echo "$1 has $rss KB"
    grep -E '^(VmRSS|RssAnon|RssFile|Threads)' "/proc/${pids[$1]}/status"
    ((rss < RSS_MAX_KB))
}

tell() { # NAME
    local pid=${pids[$1]}

    say "$1: $(field_of VmRSS "$pid") KB resident, $(field_of RssAnon "$pid") KB of it its own, $(field_of Threads "$pid") threads"
}

greets() {
    local output

    output=$(penstock start examples/hello --input '{"name":"Ada"}' --wait) && has "$output" '"Hello, Ada!"'
}

embedded() {
    local began ready deployed ended

    began=$(now_ms)
    start_embedded "$run/data"
    wait_for penstock "$admin/readyz"
    ready=$(now_ms)
    check "penstock dev: a definition is deployed" penstock deploy "$root/examples/hello.yaml"
    deployed=$(now_ms)
    check "penstock dev: the first workflow completes" greets
    ended=$(now_ms)
    say "penstock dev, from the start of the process: ready after $((ready - began)) ms, deployed after $((deployed - began)) ms," \
        "first workflow completed after $((ended - began)) ms"
    sleep "$IDLE_S" # idle is what is measured
    tell penstock
    check "penstock dev: under 30 MB when idle" is_small penstock
    again
    stop_all
}

# A start on a folder with data in it.
again() {
    local began

    stop_all
    began=$(now_ms)
    start_embedded "$run/data"
    wait_for penstock "$admin/readyz"
    check "penstock dev, started again: the deployed workflow completes" greets
    say "penstock dev, started again: first workflow completed after $(($(now_ms) - began)) ms"
}

real() {
    local began service

    start_stack "$run/stack"
    began=$(now_ms)
    start_services
    wait_for_services
    say "five services: ready after $(($(now_ms) - began)) ms, their topics made"
    check "five services: a definition is deployed" penstock deploy "$root/examples/hello.yaml"
    check "five services: a workflow completes" greets
    say "five services: first workflow completed after $(($(now_ms) - began)) ms"
    sleep "$IDLE_S"
    for service in api orchestrator executor trigger integration; do
        tell "$service"
        check "$service: under 30 MB when idle" is_small "$service"
    done
}

embedded
[[ ${1:-} == embedded ]] || real
conclude

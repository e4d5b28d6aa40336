# shellcheck shell=bash
# Starts and stops Penstock and what it needs, for tools/demo and tools/bench. Sourced; wants $root, $run (a folder for logs
# and data) and `say`. Whatever is started is stopped by stop_all, by its pid.

# Global even where this is sourced from a function.
declare -gA pids=() # name → pid
declare -gA admins=() # service → address of its admin port
stack_dir=         # of a real stack that we started

readonly PORT_FIRST=12000 PORT_LAST=19999 # below tools/stack's and those of outgoing connections
readonly READY_S=60 STOP_S=15

fail() {
    say "$@"
    exit 1
}

is_port_used() {
    grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$1") " /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

free_port() {
    local port

    while :; do
        port=$(shuf -n 1 -i "$PORT_FIRST-$PORT_LAST")
        is_port_used "$port" || break
    done
    echo "$port"
}

# The usual port where something is to be kept for people to look at, and nobody else has it.
choose_port() {
    if [[ ${KEEP:-0} == 1 ]] && ! is_port_used "$1"; then echo "$1"; else free_port; fi
}

# start NAME COMMAND...: in the background, out of reach of the terminal's Ctrl-C, so that we stop it in our order.
start() {
    local name=$1

    shift
    (
        # Settings of tools and tests are none of Penstock's, and it refuses what it does not know.
        unset PENSTOCK_SHARED "${!PENSTOCK_STACK_@}"
        exec setsid "$@" </dev/null >"$run/$name.log" 2>&1
    ) &
    pids[$name]=$!
}

fail_with_log() {
    local name=$1

    say "$name $2; the end of $run/$name.log:"
    tail -n 20 "$run/$name.log" >&2 || true
    exit 1
}

# wait_for NAME URL: until the URL answers 200, the process is dead, or the time is up.
wait_for() {
    local name=$1 url=$2 began=$SECONDS

    until curl -fs -o "$run/$name.ready" --max-time 2 "$url"; do
        kill -0 "${pids[$name]}" 2>/dev/null || fail_with_log "$name" "ended while it was starting"
        ((SECONDS - began < READY_S)) || fail_with_log "$name" "was not ready within $READY_S s"
        sleep 0.02
    done
}

# Sets api and admin; data is a folder that begins empty.
start_embedded() {
    local data=$1

    api=http://127.0.0.1:$(choose_port 8000)
    admin=http://127.0.0.1:$(choose_port 8001)
    PENSTOCK_LISTEN=${api#http://} PENSTOCK_ADMIN_LISTEN=${admin#http://} PENSTOCK_LOG=${PENSTOCK_LOG:-warn} PENSTOCK_EGRESS=any \
        start penstock "$root/bin/penstock" dev --data "$data"
}

# A stack of its own, so that nobody else's work is in it. stack_env holds its addresses.
start_stack() {
    stack_dir=$1
    "$root/tools/stack" up --dir "$stack_dir" >"$run/stack.env" || fail "the real stack did not start"
    mapfile -t stack_env <"$run/stack.env"
}

# The five services on the stack. Sets api and admin.
start_services() {
    local service

    api=http://127.0.0.1:$(choose_port 8000)
    for service in orchestrator executor trigger integration api; do
        start_service "$service" "127.0.0.1:$(free_port)"
    done
    admin=http://${admins[api]}
}

start_service() {
    local service=$1

    admins[$service]=$2
    start "$service" env "${stack_env[@]}" PENSTOCK_LISTEN="${api#http://}" PENSTOCK_ADMIN_LISTEN="$2" \
        PENSTOCK_LOG="${PENSTOCK_LOG:-warn}" PENSTOCK_EGRESS=any "$root/bin/penstock-$service"
}

wait_for_services() {
    local service

    for service in "${!admins[@]}"; do wait_for "$service" "http://${admins[$service]}/readyz"; done
}

# Ends what we started: asks, waits, insists.
stop_all() {
    local name pid deadline=$((SECONDS + STOP_S))

    for name in "${!pids[@]}"; do kill -TERM "${pids[$name]}" 2>/dev/null || true; done
    for name in "${!pids[@]}"; do
        pid=${pids[$name]}
        while kill -0 "$pid" 2>/dev/null; do
            if ((SECONDS >= deadline)); then
                say "$name did not stop in time"
                kill -KILL "$pid" 2>/dev/null || true
                break
            fi
            sleep 0.05
        done
        wait "$pid" 2>/dev/null || true
    done
    pids=()
    admins=()
}

stop_stack() {
    [[ -z $stack_dir ]] || "$root/tools/stack" down --wipe --dir "$stack_dir" || true
    stack_dir=
}

#!/usr/bin/env bash
# tools/stack keeps its promises: two stacks side by side, crashes that lose nothing, no process left behind.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root
readonly cache=${PENSTOCK_STACK_CACHE:-$root/build/stack}
work=$(mktemp -d)
readonly work
count=0
failures=0

stack() { "$root/tools/stack" "$@" --dir "$work/one"; }

other_stack() { "$root/tools/stack" "$@" --dir "$work/two"; }

clean_up() {
    stack down --wipe >/dev/null 2>&1 || true
    other_stack down --wipe >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT

# check NAME COMMAND...    one line of TAP; what the command printed is shown when it fails.
check() {
    local name=$1

    shift
    count=$((count + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/said"
        failures=$((failures + 1))
    fi
}

# equals EXPECTED COMMAND...
equals() {
    local expected=$1 got

    shift
    got=$("$@") || return 1
    [[ $got == "$expected" ]] || {
        printf 'expected %s\ngot      %s\n' "$expected" "$got"
        return 1
    }
}

# exits CODE COMMAND...
exits() {
    local expected=$1 got=0

    shift
    "$@" || got=$?
    ((got == expected)) || {
        echo "expected exit $expected, got $got"
        return 1
    }
}

pids() { cat "$work/one/kafka.pid" "$work/one/mongo.pid"; }

# Looks at every process, whatever the pid files say.
processes_of() {
    local arguments

    for arguments in /proc/[0-9]*/cmdline; do
        { tr '\0' ' ' <"$arguments"; } 2>/dev/null | grep -F -e "$1/" || true
    done
}

no_process() { equals "" processes_of "$1"; }

both_up_at_once() {
    local first=0 second=0

    stack up >"$work/env.one" 2>"$work/log.one" &
    other_stack up >"$work/env.two" 2>"$work/log.two" || second=$?
    wait $! || first=$?
    cat "$work/log.one" "$work/log.two"
    ((first == 0 && second == 0))
}

no_shared_port() { equals "" sh -c "cat '$work'/one/ports '$work'/two/ports | sed 's/.*=//' | sort | uniq -d"; }

up_again_changes_nothing() {
    local before

    before=$(pids)
    equals "$(cat "$work/env.one")" stack up || return 1
    equals "$before" pids
}

status_says() { [[ $(stack status || true) =~ $1[[:space:]]+$2 ]]; }

mongo() { "$cache/mongo_admin" "$PENSTOCK_STORE" "$@"; }

kafka() { "$cache/kafka_admin" "$PENSTOCK_BUS" "$@"; }

crashes_keep_data() {
    check "a document is written" mongo put stack_test one "before the crash"
    check "a message is sent" kafka send stack_test "before the crash"
    check "kill mongo" stack kill mongo
    check "kill kafka" stack kill kafka
    check "nothing runs after a kill" no_process "$work/one"
    check "status exits 3" exits 3 stack status
    check "start mongo" stack start mongo
    check "start kafka" stack start kafka
    check "the document is still there" equals "before the crash" mongo get stack_test one
    check "the message is still there" equals "before the crash" kafka read stack_test
}

pauses() {
    check "pause kafka" stack pause kafka
    check "status says paused" status_says kafka paused
    check "status exits 3 while one is paused" exits 3 stack status
    check "resume kafka" stack resume kafka
    check "kafka works again" kafka wait 20
    check "pause mongo" stack pause mongo
    check "up wakes what is paused" stack up
    check "status exits 0" stack status
    check "a paused stack goes down" stack pause mongo
}

stops() {
    check "down" stack down
    check "no process is left" no_process "$work/one"
    check "the other stack still runs" other_stack status
    check "up on the old data" stack up
    check "same addresses as before" equals "$(cat "$work/env.one")" stack env
    check "the document survived" equals "before the crash" mongo get stack_test one
    check "delete-topics" kafka delete-topics stack_
    check "the topic is gone" equals "" sh -c "'$cache/kafka_admin' '$PENSTOCK_BUS' list | grep stack_ || true"
    check "drop" mongo drop stack_test
    check "the document is gone" exits 1 mongo get stack_test one
    check "down --wipe" stack down --wipe
    check "no data is left" test ! -e "$work/one"
    check "down of the other" other_stack down --wipe
    check "no process is left at all" no_process "$work"
    check "down twice is harmless" stack down
}

refuses() {
    check "an unknown command is refused" exits 1 stack fly
    check "env without a stack is refused" exits 1 stack env
    check "kill needs to know which" exits 1 stack kill
}

main() {
    refuses
    check "two stacks come up at once" both_up_at_once
    check "they share no port" no_shared_port
    check "env prints what up printed" equals "$(cat "$work/env.one")" stack env
    check "status exits 0" stack status
    check "up again changes nothing" up_again_changes_nothing
    set -a
    eval "$(stack env)"
    set +a
    crashes_keep_data
    pauses
    stops
    echo "1..$count"
    ((failures == 0))
}

main

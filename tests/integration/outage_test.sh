#!/usr/bin/env bash
# Kafka and MongoDB go away at the start and under work, the disk fills up: services wait, say what for, and go on. Every start
# that was acknowledged has to end with the right result.
set -euo pipefail
# shellcheck source=tests/integration/tap.sh
source "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

readonly SERVICES=(orchestrator executor trigger integration api)
readonly PAUSE_S=15
mounted=

clean_up() { [[ -z $mounted ]] || umount "$mounted"; }

# Twenty waits and twenty additions: about five seconds, so that an outage finds every instance in the middle.
write_workflow() {
    cat >"$run/count.yaml" <<'TEXT'
document: { dsl: '1.0.3', namespace: outage, name: count, version: '1.0.0' }
do:
  - counting:
      for: { each: step, in: '${ [range(20)] }' }
      do:
        - pause: { wait: { milliseconds: 200 } }
        - add: { set: { number: '${ .number }', sum: '${ (.sum // 0) + .number + $step }' } }
TEXT
}

# load.py start API FILE PREFIX COUNT: starts until each has been acknowledged, and notes the ids.
# load.py try API FILE PREFIX COUNT: starts each once, with a long input; notes the ids of those that were acknowledged, in
#     FILE.unsure the numbers of those that may or may not have been started, and prints how the others were answered.
# load.py again API FILE PREFIX: starts what is in FILE.unsure again, as it was, until each has been acknowledged.
# load.py verify API FILE: waits until all of the file have ended, and compares their results.
write_load() {
    cat >"$run/load.py" <<'PYTHON'
import concurrent.futures, json, re, sys, time, urllib.error, urllib.request

mode, api, name = sys.argv[1:4]

def call(path, body=None, headers={}):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(api + path, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        kind, text = error.headers.get("Content-Type"), error.read()
        return error.code, json.loads(text) if kind == "application/problem+json" else {"detail": "no problem: %r" % text}
    except OSError as error:
        return 0, {"detail": str(error)}

def start(number):
    body = {"key": "%s-%d" % (prefix, number), "input": {"number": number, "text": "x" * size}}
    deadline = time.monotonic() + seconds
    while True:
        status, answer = call("/v1/workflows/outage/count/instances", body)
        if status in (200, 202) or time.monotonic() >= deadline:
            return number, status, answer
        time.sleep(0.3)

def verify(line):
    number, id = line.split()
    expected = 20 * int(number) + 190
    while time.monotonic() < deadline:
        status, answer = call("/v1/instances/" + id, None, {"Prefer": "wait=20"})
        if status == 200 and answer["status"] in ("completed", "faulted", "cancelled"):
            right = answer["status"] == "completed" and answer["output"]["sum"] == expected
            return None if right else "%s: %s" % (id, json.dumps(answer)[:400])
        if status == 404:
            return id + ": lost"
        time.sleep(0 if status == 200 or status == 202 else 0.3)
    return "%s: not ended: %s" % (id, json.dumps(answer)[:400])

with concurrent.futures.ThreadPoolExecutor(16) as pool:
    if mode == "verify":
        deadline = time.monotonic() + 90
        lines = open(name).read().splitlines()
        wrong = [text for text in pool.map(verify, lines) if text]
        print("\n".join(wrong[:10]))
        print("%d acknowledged, %d wrong" % (len(lines), len(wrong)))
        sys.exit(1 if wrong or not lines else 0)
    prefix = sys.argv[4]
    seconds = 0 if mode == "try" else 90
    size = 10 if mode == "start" else 20000
    numbers = [int(line) for line in open(name + ".unsure")] if mode == "again" else range(int(sys.argv[5]))
    refused = []
    with open(name, "a") as file, open(name + ".unsure", "w") as unsure:
        for number, status, answer in pool.map(start, numbers):
            if status in (200, 202):
                file.write("%d %s\n" % (number, answer["id"]))
                continue
            refused.append("%d %s" % (status, re.sub("'[0-9a-f-]{36}'", "ID", answer["detail"])))
            if "may still happen" in answer["detail"]:
                unsure.write("%d\n" % number)
    for text in sorted(set(refused)):
        print("%s (%d times)" % (text, refused.count(text)))
    sys.exit(1 if mode != "try" and refused else 0)
PYTHON
}

load() { python3 "$run/load.py" "$@"; }

stack() { "$root/tools/stack" "$@" --dir "$run/stack"; }

# ready_says SERVICE STATUS STORE BUS
ready_says() {
    local got

    got=$(curl -s -w ' %{http_code}' --max-time 5 "http://${admins[$1]}/readyz") || return 1
    has "$got" "\"store\":\"$3\",\"bus\":\"$4\"" " $2\$"
}

# all_say STATUS STORE BUS: each of the five, and all run.
all_say() {
    local service

    for service in "${SERVICES[@]}"; do
        alive "$service" || { echo "$service has ended"; tail -n 5 "$run/$service.log"; return 1; }
        ready_says "$service" "$@" || { echo "of $service"; return 1; }
        curl -fs -o "$run/healthz" "http://${admins[$service]}/healthz" || { echo "$service is not healthy"; return 1; }
    done
}

# ---- away at the start

away_at_start() { # NAME STORE BUS
    check "$1 is killed" stack kill "$1"
    start_services
    check "$1 away at the start: all wait, and say for what" within 40 all_say 503 "$2" "$3"
    check "$1 is back" stack start "$1"
    check "$1 back: all become ready" within 60 all_say 200 ok ok
    check "$1 back: a definition is deployed" penstock deploy "$run/count.yaml"
    check "$1 back: workflows are started" load start "$api" "$run/$1.ids" "$1-first" 5
    check "$1 back: workflows complete" load verify "$api" "$run/$1.ids"
}

# ---- away under work

# under_work NAME HARM HEAL: a hundred are running and another hundred are being started when the harm is done.
under_work() {
    local name=$1 harm=$2 heal=$3 ids=$run/ids.$2 pid

    check "$name: 100 are running" load start "$api" "$ids" "$harm" 100
    load start "$api" "$ids.more" "$harm-more" 100 >"$run/more.log" 2>&1 &
    pid=$!
    pids[more]=$pid
    "$harm"
    "$heal"
    check "$name: 100 more were acknowledged in the end" wait "$pid"
    unset 'pids[more]'
    check "$name: all are ready again" within 60 all_say 200 ok ok
    cat "$ids.more" >>"$ids"
    check "$name: all 200 ended right" load verify "$api" "$ids"
    check "$name: none is there twice" equals 200 "$(sort -u "$ids" | wc -l)"
}

kill_mongo() {
    check "MongoDB is killed" stack kill mongo
    check "MongoDB away: all say so" within 30 all_say 503 away ok
}
heal_mongo() { check "MongoDB is back" stack start mongo; }

pause_kafka() {
    local until=$((SECONDS + PAUSE_S))

    check "Kafka hangs" stack pause kafka
    check "Kafka hangs: all say so" within 30 all_say 503 ok away
    while ((SECONDS < until)); do sleep 0.2; done # the length of the outage is the point
}
heal_kafka() { check "Kafka is back" stack resume kafka; }

harm_both() {
    check "Kafka is killed" stack kill kafka
    check "MongoDB hangs" stack pause mongo
    check "both away: all say so" within 30 all_say 503 away away
}
heal_both() {
    check "MongoDB is back" stack resume mongo
    check "Kafka is back" stack start kafka
}

real() {
    start_stack "$run/stack"
    away_at_start kafka ok away
    stop_all
    away_at_start mongo away ok
    under_work "MongoDB killed" kill_mongo heal_mongo
    under_work "Kafka paused for $PAUSE_S s" pause_kafka heal_kafka
    under_work "both away" harm_both heal_both
    stop_all
    stop_stack
}

# ---- a full disk

start_on() { # DATA
    start_embedded "$1"
    wait_for penstock "$admin/readyz"
    penstock deploy "$run/count.yaml" >/dev/null
}

# Starts until one is refused, and says with what.
refuses_when_full() {
    local answers

    answers=$(load try "$api" "$run/$1.ids" "$1-full" 400) || return 1
    echo "$answers" | tee "$run/refusals"
    [[ -n $answers ]] || { echo "none was refused"; return 1; }
    ! grep -vE '^(507|503) ' <<<"$answers" || return 1
    ! grep -F 'no problem' <<<"$answers"
}

reads() { request "/v1/instances?limit=5" && equals 200 "$status"; }

# when_full NAME FILL FREE
when_full() {
    local name=$1

    check "$name: 50 are running" load start "$api" "$run/$name.ids" "$name" 50
    "$2"
    check "$name: starts are refused, with 507 or 503" refuses_when_full "$name"
    check "$name: the server still runs" alive penstock
    check "$name: it still reads" reads
    sed 's/^/# refused: /' "$run/refusals"
    say "$name: $(wc -l <"$run/$name.ids") acknowledged"
    "$3"
    check "$name: with space again, starts are taken" load start "$api" "$run/$name.ids" "$name-again" 20
    check "$name: what may have been started is repeated" load again "$api" "$run/$name.ids" "$name-full"
    check "$name: all that were acknowledged ended right" load verify "$api" "$run/$name.ids"
    check "$name: it says that it is ready" within 20 curl -fs "$admin/readyz"
    check "$name: its log tells of it" grep -q '"level":"\(warn\|error\)"' "$run/penstock.log"
}

fill_disk() { dd if=/dev/zero of="$mounted/filler" bs=64k >/dev/null 2>&1 || true; }
free_disk() { rm "$mounted/filler"; }

on_small_disk() {
    mkdir "$run/small"
    if ! mount -t tmpfs -o size=64m tmpfs "$run/small" 2>/dev/null; then
        echo "ok - disk full # SKIP only root may mount one"
        return
    fi
    mounted=$run/small
    start_on "$mounted/data"
    when_full disk fill_disk free_disk
    stop_all
    umount "$mounted"
    mounted=
}

# Files may not grow over what they have: what a quota does, without being root.
limit_files() { prlimit --pid "${pids[penstock]}" --fsize=300000:unlimited; }
lift_limit() { prlimit --pid "${pids[penstock]}" --fsize=unlimited:unlimited; }

on_limited_files() {
    start_on "$run/limited"
    when_full limit limit_files lift_limit
    stop_all
}

write_workflow
write_load
on_small_disk
on_limited_files
[[ ${1:-} == embedded ]] || real
conclude

# shellcheck shell=bash
# What the tests here share: a folder that goes when they pass, lines of TAP, calls of the REST interface. Sourced; sets root and
# run, and brings tools/servers.sh. Nothing that a test starts outlives it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
run=$(mktemp -d "${TMPDIR:-/tmp}/penstock-test.XXXXXX")
passed=0
failed=0

say() { printf '# %s\n' "$*"; }

# shellcheck source=tools/servers.sh
source "$root/tools/servers.sh"

# Overridden by a test that has more to take away.
clean_up() { :; }

finish() {
    local status=$?

    trap - EXIT
    stop_all >/dev/null 2>&1
    stop_stack >/dev/null 2>&1
    clean_up >/dev/null 2>&1 || true
    if ((status == 0)); then rm -rf "$run"; else say "logs and data are in $run"; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# check NAME COMMAND...: one line of TAP; what the command printed is shown when it fails.
check() {
    local name=$1

    shift
    if "$@" >"$run/said" 2>&1; then
        passed=$((passed + 1))
        echo "ok - $name"
    else
        failed=$((failed + 1))
        echo "not ok - $name"
        tail -n 40 "$run/said" | cut -c 1-500 | sed 's/^/# /'
    fi
}

# The last line of a test.
conclude() {
    echo "1..$((passed + failed))"
    ((failed == 0))
}

# equals EXPECTED GOT
equals() {
    [[ $2 == "$1" ]] || {
        printf 'expected %s\ngot      %s\n' "$1" "$2"
        return 1
    }
}

# has TEXT PATTERN...: each extended regular expression matches somewhere in the text.
has() {
    local text=$1 pattern

    shift
    for pattern; do
        grep -qE -e "$pattern" <<<"$text" || {
            printf 'not found: %s\nin:        %s\n' "$pattern" "$text"
            return 1
        }
    done
}

# request PATH [CURL-ARGUMENT...]: sets status and body; the header is in $run/head.
request() {
    local path=$1

    shift
    status=$(curl -s --max-time 90 -D "$run/head" -o "$run/body" -w '%{http_code}' "$@" "$api$path" || true)
    body=$(tr -d '\0' <"$run/body" 2>/dev/null || true)
}

# json PYTHON-EXPRESSION: of the last body, which is `it`.
json() { python3 -c "import json, sys; it = json.load(open(sys.argv[1])); print($1)" "$run/body"; }

# within SECONDS COMMAND...: until it succeeds.
within() {
    local deadline=$((SECONDS + $1))

    shift
    until "$@" >"$run/tried" 2>&1; do
        ((SECONDS < deadline)) || {
            cat "$run/tried"
            return 1
        }
        sleep 0.1
    done
}

# alive NAME: the process that was started under the name still runs.
alive() { kill -0 "${pids[$1]}" 2>/dev/null; }

penstock() { PENSTOCK_URL=$api "$root/bin/penstock" "$@"; }

#!/usr/bin/env bash
# Does what README.md and the heads of examples/*.yaml say, each command as it stands there, in a fresh copy of the repository.
# Only the ports are others: somebody may be using 8000.
set -euo pipefail
# shellcheck source=tests/integration/tap.sh
source "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

copy=$run/penstock
export PENSTOCK_LISTEN=127.0.0.1:$(free_port) PENSTOCK_ADMIN_LISTEN=127.0.0.1:$(free_port)
api=http://$PENSTOCK_LISTEN
shop=http://127.0.0.1:$(free_port)
export PENSTOCK_URL=$api

# What git would hand out, with the objects that were built from it already: only make's own work is left.
clone() {
    (cd "$root" && git ls-files -z -co --exclude-standard | while IFS= read -r -d '' file; do
        if [[ -e $file ]]; then printf '%s\0' "$file"; fi
    done | tar -cf - --null -T -) | tar -xf - --one-top-level="$copy"
    mkdir -p "$copy/build"
    if [[ -d $root/build/cc ]]; then cp -a "$root/build/cc" "$copy/build/"; fi
    grep -rlF -e http://127.0.0.1:9100 --include='*.yaml' "$copy/examples" | xargs sed -i "s|http://127\.0\.0\.1:9100|$shop|g"
}

# Prints the blocks of a page: those indented by four, a command a line, as "run COMMAND"; fenced ones as "file CONTENT", newlines as \n.
blocks() {
    python3 - "$1" <<'PYTHON'
import re, sys

fence = None
for line in open(sys.argv[1], encoding="utf-8"):
    line = line.rstrip("\n")
    if line.startswith("```"):
        if fence is not None:
            print("file " + "\\n".join(fence))
        fence = [] if fence is None else None
    elif fence is not None:
        fence.append(line)
    elif line.startswith("    ") and line.strip():
        print("run " + re.sub(r"\s+#.*", "", line.strip()))
PYTHON
}

# The commands of a definition's head.
head_of() { sed -n '/^[^#]/q;s/^#   *\(bin\/\|curl \)/\1/p' "$1"; }

in_copy() { (cd "$copy" && bash -c "$1"); }

# The command, with the ports of this run.
here() { printf '%s\n' "$1" | sed "s|http://127\.0\.0\.1:8000|$api|g;s|http://127\.0\.0\.1:9100|$shop|g"; }

is_dry_run_fine() { in_copy "make -n ${1#make }"; }

starts() {
    (cd "$copy" && exec setsid bash -c "exec ${1%&}" </dev/null >"$run/penstock.log" 2>&1) &
    pids[penstock]=$!
    wait_for penstock "http://$PENSTOCK_ADMIN_LISTEN/readyz"
}

# says PATTERN COMMAND: it succeeds, and what it prints matches.
says() {
    local output

    output=$(in_copy "$2") || {
        echo "exit status $?: $output"
        return 1
    }
    has "$output" "$1"
}

# What each command has to print; a command that is not known here has to succeed.
expected() {
    case $1 in
    *'penstock deploy hello.yaml') echo 'default/hello 1\.0\.0 deployed' ;;
    *'penstock start default/hello '*) echo '"greeting": "Hello, Ada!"' ;;
    *'penstock list') echo 'default/hello +1\.0\.0 +completed' ;;
    'curl '*/v1/workflows) echo '"name":"hello"' ;;
    *) echo '' ;;
    esac
}

follow_readme() {
    local kind text command

    # Read from a descriptor of its own: a command must not eat the rest of the page.
    while read -r -u 4 kind text; do
        command=$(here "$text")
        case $kind:$text in
        file:*) printf '%b\n' "$text" >"$copy/hello.yaml" ;;
        run:'git clone '*) check "a copy of the repository" clone ;;
        'run:make '*) check "make knows: $text" is_dry_run_fine "$text" ;;
        run:*'&') check "$text" starts "$command" ;;
        run:*) check "$text" says "$(expected "$text")" "$command" ;;
        esac
    done 4< <(blocks "$root/README.md")
    check "the data is in ./penstock-data" test -s "$copy/penstock-data/store.db"
}

# What the page names has to be there: files, programs, settings.
names_exist() {
    local name missing=0

    for name in $(grep -oE '\]\([^)]+\)' "$copy/README.md" | tr -d '])(' | grep -v '^http'); do
        [[ -e $copy/$name ]] || { echo "no file $name"; missing=1; }
    done
    for name in $(grep -oE '`(bin|tools)/[a-z/-]+' "$copy/README.md" | tr -d '`' | sort -u); do
        [[ -x $copy/$name ]] || { echo "no program $name"; missing=1; }
    done
    for name in orchestrator executor trigger integration api; do
        [[ -x $copy/bin/penstock-$name ]] || { echo "no program bin/penstock-$name"; missing=1; }
    done
    for name in $(grep -oE 'PENSTOCK_[A-Z_]+' "$copy/README.md" | sort -u); do
        "$copy/bin/penstock-orchestrator" --help | grep -qw "$name" || { echo "no setting $name"; missing=1; }
    done
    ((missing == 0))
}

teaches() {
    has "$(in_copy 'bin/penstock --help')" 'deploy' 'start' 'list' || return 1
    has "$(in_copy 'bin/penstock-orchestrator --help')" '--store VALUE +PENSTOCK_STORE' || return 1
    has "$(in_copy 'tools/setup --help')" 'stack' || return 1
    has "$(curl -s "$api/openapi.json")" '"openapi"'
}

refuses_other_addresses() {
    local output

    output=$(cd "$copy" && PENSTOCK_LISTEN=0.0.0.0:0 PENSTOCK_ADMIN_LISTEN=127.0.0.1:0 timeout 20 bin/penstock dev --data "$run/other" 2>&1) && return 1
    has "$output" 'PENSTOCK_ADMIN_KEY'
}

# Runs the commands of one head. `saga` is rolled back, which its exit status says.
example_runs() {
    local file=$1 command status last=0

    while read -r -u 5 command; do
        status=0
        in_copy "$(here "$command")" || status=$?
        echo "exit status $status: $command"
        last=$status
        ((status == 0)) || [[ $command == *--wait* && $status -eq 4 ]] || return 1
    done 5< <(head_of "$file")
    if [[ $file == */saga.yaml ]]; then equals 4 "$last"; else equals 0 "$last"; fi
}

all_ended() { ! in_copy 'bin/penstock list' | grep -E ' (pending|running|waiting) '; }

follow_examples() {
    local file

    check "make bin/order-services" in_copy 'make -s bin/order-services'
    start order-services "$copy/bin/order-services" --listen "${shop#http://}"
    wait_for order-services "$shop/healthz"
    for file in "$copy"/examples/*.yaml; do
        check "the head of examples/${file##*/}: $(head_of "$file" | grep -c .) commands" example_runs "$file"
    done
    check "every one has ended" within 30 all_ended
}

follow_readme
check "make knows: make demo STACK=real" is_dry_run_fine "make demo STACK=real"
check "what the page names is there" names_exist
check "what explains itself does" teaches
check "another address than loopback is refused without a key" refuses_other_addresses
follow_examples
conclude

#!/usr/bin/env bash
# What users get wrong, against `penstock dev`: each mistake is refused with the status that the contract names and with a sentence
# that helps, and none of it disturbs what runs.
set -euo pipefail
# shellcheck source=tests/integration/tap.sh
source "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

readonly YAML='Content-Type: application/yaml' JSON='Content-Type: application/json'
readonly STARTS=/v1/workflows/bad/hello/instances NOBODY=00000000-0000-7000-8000-000000000000

# refuses STATUS PATTERN PATH CURL-ARGUMENTS...: a problem of that status, whose text matches.
refuses() {
    local expected=$1 pattern=$2

    shift 2
    request "$@"
    equals "$expected" "$status" || {
        echo "$body"
        return 1
    }
    has "$(cat "$run/head")" '^Content-Type: application/problem\+json' || return 1
    equals "$expected" "$(json 'it["status"] if it["title"] and it["type"] else "no problem"')" || return 1
    has "$body" "$pattern"
}

# make_text PYTHON-EXPRESSION: prints the name of a file that holds the text.
make_text() {
    python3 -c "import sys; sys.stdout.buffer.write($1)" >"$run/text"
    echo "$run/text"
}

sends() { refuses "$1" "$2" "$3" -H "$4" --data-binary "@$(make_text "$5")"; }

deploy_hello() {
    cat >"$run/hello.yaml" <<'TEXT'
document: { dsl: '1.0.3', namespace: bad, name: hello, version: '1.0.0' }
input:
  schema: { document: { type: object, properties: { age: { type: integer, minimum: 18 } } } }
do:
  - pause: { listen: { to: { one: { with: { type: bad.go } } } }, output: { as: '${ $input }' } }
  - greet: { set: { greeting: '${ "Hello, \(.name)!" }' } }
TEXT
    penstock deploy "$run/hello.yaml"
}

ends_well() {
    penstock emit bad.go >/dev/null
    request "/v1/instances/$1" -H 'Prefer: wait=30'
    equals 200 "$status" && equals "completed: Hello, Ada!" "$(json 'it["status"] + ": " + it["output"]["greeting"]')"
}

# ---- definitions

# Every fault has to be told, each with its place and with words.
faults_are_told() {
    request /v1/workflows -H "$YAML" --data-binary "@$run/faulty.yaml"
    equals 422 "$status" || return 1
    json '"\n".join("{pointer} {line}:{column} {detail}".format(**fault) for fault in it["errors"])' >"$run/faults"
    cat "$run/faults"
    equals "$(grep -c . "$run/expected")" "$(grep -c . "$run/faults")" || return 1
    while read -r -u 4 expected; do has "$(cat "$run/faults")" "$expected" || return 1; done 4<"$run/expected"
}

wrong_structure() {
    cat >"$run/faulty.yaml" <<'TEXT'
document: { dsl: '1.0.3', namespace: Bad_NS, name: hello, version: '1' }
do:
  - b:
      cal: http
  - c:
      wait: { second: 1 }
  - d:
      call: http
      with: { method: get }
  - d:
      set: { a: 1 }
TEXT
    cat >"$run/expected" <<'TEXT'
^/document/namespace 1:[0-9]+ .*Bad_NS
^/document/version 1:[0-9]+ .*'1\.0\.3'
^/do/0/b/cal 4:7 .*did you mean 'call'
^/do/1/c/wait/second 6:15 .*did you mean 'seconds'
^/do/2/d/with 9:7 .*'endpoint'
^/do/3/d 10:5 .*'d'
TEXT
    faults_are_told
}

wrong_meaning() {
    cat >"$run/faulty.yaml" <<'TEXT'
document: { dsl: '1.0.3', namespace: bad, name: hello, version: '1.0.1' }
do:
  - a:
      set: { x: '${ .a + }' }
  - b:
      switch:
        - x: { then: nowhere }
  - c:
      call: missing
  - d:
      try: [ { x: { set: { a: 1 } } } ]
      catch: { retry: never }
TEXT
    cat >"$run/expected" <<'TEXT'
^/do/0/a/set/x 4:[0-9]+ .*expression
^/do/1/b/switch/0/x/then 7:[0-9]+ .*'nowhere'
^/do/2/c/call 9:[0-9]+ .*'missing'
^/do/3/d/catch/retry 12:[0-9]+ .*'never'
TEXT
    faults_are_told
}

# The command line prints them as an editor wants them.
command_line_tells_faults() {
    local output status=0

    output=$(penstock deploy "$run/faulty.yaml" 2>&1) || status=$?
    equals 1 "$status" && has "$output" "faulty.yaml:7:[0-9]+.*nowhere" "faulty.yaml:9:[0-9]+.*missing"
}

definitions() {
    check "broken YAML: 400 with line and column" sends 400 'line 4, column [0-9]+.*line 2, column 4' /v1/workflows "$YAML" 'b"a: 1\nb: \"2\nc: [\n"'
    check "the same key twice in YAML: 400" sends 400 "line 2, column 1.*'a' stands twice" /v1/workflows "$YAML" 'b"a: 1\na: 2\n"'
    check "YAML that is not UTF-8: 400" sends 400 'UTF-8' /v1/workflows "$YAML" 'b"a: \xff\n"'
    check "an empty definition: 400" sends 400 'nothing' /v1/workflows "$YAML" 'b"\n"'
    check "YAML nested over 64: 400" sends 400 'nested too deeply' /v1/workflows "$YAML" 'b"["*65 + b"]"*65'
    check "JSON nested over 64: 400" sends 400 'nested too deeply' /v1/workflows "$JSON" 'b"["*65 + b"]"*65'
    check "a definition over 1 MB: 413" sends 413 '1048576' /v1/workflows "$YAML" 'b"a: 1\n#" + b"x"*1048576'
    check "what is no definition: 422" sends 422 "'document'" /v1/workflows "$YAML" 'b"do: []\n"'
    check "wrong structure: each fault with its place" wrong_structure
    check "wrong meaning: each fault with its place" wrong_meaning
    check "the command line names file, line and column" command_line_tells_faults
    check "a deployed version does not change: 409" sends 409 'bad/hello' /v1/workflows "$YAML" \
        'open("'"$run"'/hello.yaml", "rb").read().replace(b"Hello", b"Goodbye")'
}

# ---- starts and other calls

starts() {
    check "unknown version: 404" sends 404 "bad/hello/9\.9\.9" $STARTS "$JSON" 'b"{\"version\": \"9.9.9\"}"'
    check "unknown workflow: 404" sends 404 'bad/nobody' /v1/workflows/bad/nobody/instances "$JSON" 'b"{}"'
    check "broken JSON: 400 with line and column" sends 400 'line 2, column [0-9]+' $STARTS "$JSON" 'b"{\"input\":\n nul}"'
    check "JSON that ends too early: 400" sends 400 'ends too early' $STARTS "$JSON" 'b"{\"input\": "'
    check "a lone surrogate: 400" sends 400 'surrogate' $STARTS "$JSON" 'b"{\"input\": \"\\ud800\"}"'
    check "JSON that is not UTF-8: 400" sends 400 'UTF-8' $STARTS "$JSON" 'b"{\"input\": \"\xff\"}"'
    check "the same key twice in JSON: 400" sends 400 'twice' $STARTS "$JSON" 'b"{\"input\": 1, \"input\": 2}"'
    check "nested over 128: 400" sends 400 'nested too deeply' $STARTS "$JSON" 'b"{\"input\":" + b"["*128 + b"]"*128 + b"}"'
    check "a body over 4 MB: 413" sends 413 'too large' $STARTS "$JSON" 'b"{\"input\":\"" + b"x"*4194304 + b"\"}"'
    check "a body over 4 MB, in chunks: 413" refuses 413 'too large' $STARTS -H "$JSON" -H 'Transfer-Encoding: chunked' --data-binary "@$run/text"
    check "another content type: 415" sends 415 "application/json.*'text/plain'" $STARTS 'Content-Type: text/plain' 'b"{}"'
    check "an unknown field: 422" sends 422 "/inptu.*did you mean 'input'" $STARTS "$JSON" 'b"{\"inptu\": 1}"'
    check "a field of another type: 422" sends 422 '/tags' $STARTS "$JSON" 'b"{\"tags\": 5}"'
    check "a key that is none: 422" sends 422 '/key.*\[A-Za-z0-9\]' $STARTS "$JSON" 'b"{\"key\": \"a b\"}"'
    check "an input that breaks the schema: 422" sends 422 '/input/age.*18' $STARTS "$JSON" 'b"{\"input\": {\"age\": 17}}"'
    check "a body that is no object: 422" sends 422 'object' $STARTS "$JSON" 'b"[]"'
}

allows() { # METHODS
    has "$(tr -d '\r' <"$run/head")" "^Allow: $1\$"
}

wrong_method() { refuses 405 PATCH /v1/workflows -X PATCH -H "$JSON" -d '{}' && allows 'GET, HEAD, POST'; }

calls() {
    check "a wrong method: 405 with Allow" wrong_method
    check "an unknown route: 404" refuses 404 '/v1/nothing' /v1/nothing
    check "an unknown instance: 404" refuses 404 "$NOBODY" /v1/instances/$NOBODY
    check "an id that is none: 404" refuses 404 'nope' /v1/instances/nope
    check "control of an unknown instance: 404" refuses 404 "$NOBODY" /v1/instances/$NOBODY/cancel -X POST
    check "an unknown parameter: 400" refuses 400 "'colour'.*known: namespace" '/v1/instances?colour=red'
    check "a limit out of range: 400" refuses 400 "from 1 to 500" '/v1/instances?limit=501'
    check "a cursor of nowhere: 400" refuses 400 'cursor' '/v1/instances?cursor=xyz'
    check "a header over 16 KB: 431" refuses 431 '16 KB' /v1/workflows -H "X-Long: $(printf '%017000d' 0)"
    check "an event that is none: 422" sends 422 "'?type'?" /v1/events 'Content-Type: application/cloudevents+json' \
        'b"{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"/a\"}"'
    check "an event of another content type: 415" sends 415 'application/cloudevents\+json' /v1/events "$JSON" 'b"{}"'
    check "a Host of elsewhere: 403" refuses 403 'localhost' /v1/workflows -H 'Host: evil.example'
}

# ---- settings

# ends_with STATUS PATTERN [VARIABLE=VALUE...] -- [FLAG...]: the server refuses to run, and says why.
ends_with() {
    local expected=$1 pattern=$2 got=0 variables=() output

    shift 2
    while [[ $1 != -- ]]; do
        variables+=("$1")
        shift
    done
    shift
    output=$(env PENSTOCK_LISTEN=127.0.0.1:0 PENSTOCK_ADMIN_LISTEN=127.0.0.1:0 "${variables[@]}" \
        timeout 20 "$root/bin/penstock" dev --data "$run/other" --log error "$@" 2>&1 </dev/null) || got=$?
    equals "$expected" "$got" && has "$output" "$pattern"
}

settings() {
    check "an unknown variable" ends_with 2 "'PENSTOCK_LISTNE' is unknown; did you mean 'PENSTOCK_LISTEN'" PENSTOCK_LISTNE=x --
    check "a variable like no other" ends_with 2 "'PENSTOCK_COLOUR' is unknown" PENSTOCK_COLOUR=red --
    check "an unknown flag" ends_with 2 "'--listne' is unknown; did you mean '--listen'" -- --listne x
    check "an argument that is no flag" ends_with 2 "'stray'" -- stray
    check "a flag without its value" ends_with 2 '--log needs a value' -- --log
    check "a level that is none" ends_with 2 "PENSTOCK_LOG is 'loud'.*debug, info" PENSTOCK_LOG=loud --
    check "a number that is none" ends_with 2 "PENSTOCK_API_THREADS is 'many'.*1 to 64" PENSTOCK_API_THREADS=many --
    check "a number out of range" ends_with 2 "--partitions is '5000'.*0 to 4096" -- --partitions 5000
    check "a yes that is none" ends_with 2 "PENSTOCK_ALLOW_STANDALONE is 'maybe'.*true" PENSTOCK_ALLOW_STANDALONE=maybe --
    check "a key that is none, and is not shown" ends_with 2 'PENSTOCK_MASTER_KEY has a value .* 64 hex' PENSTOCK_MASTER_KEY=tooshort --
    check "a file that is not there" ends_with 2 "PENSTOCK_ADMIN_KEY_FILE.*/nowhere/key" PENSTOCK_ADMIN_KEY_FILE=/nowhere/key --
    check "a store of no kind" ends_with 2 "PENSTOCK_STORE.*'mysql'.*mongodb://" PENSTOCK_STORE=mysql://x --
    check "a store without an address" ends_with 2 'PENSTOCK_STORE.*not valid' -- --store mongodb://
    check "a bus of no kind" ends_with 2 "PENSTOCK_BUS.*rabbit.*kafka://" PENSTOCK_BUS=rabbit://x --
    check "a bus without an address" ends_with 2 'PENSTOCK_BUS.*kafka://HOST' -- --bus kafka://
    check "a bus option of no kind" ends_with 2 'PENSTOCK_BUS.*colour' -- --bus 'kafka://127.0.0.1:9?colour=red'
    check "networks that are none" ends_with 2 "PENSTOCK_EGRESS_ALLOW.*'10.1'" PENSTOCK_EGRESS_ALLOW=10.1 --
    check "an authority that is not there" ends_with 2 'PENSTOCK_CA.*/nowhere/ca' -- --ca /nowhere/ca
    check "a mapping that is none" ends_with 2 "PENSTOCK_RESOLVE.*HOST:PORT=" -- --resolve x
    check "a folder that cannot be" ends_with 2 "PENSTOCK_DATA.*'/dev/null/data'" -- --data /dev/null/data
    check "an address that is none" ends_with 2 "PENSTOCK_LISTEN.*'nonsense'.*ADDRESS:PORT" -- --listen nonsense
    check "an admin address that is none" ends_with 2 "PENSTOCK_ADMIN_LISTEN.*'nonsense'" -- --admin-listen nonsense
    check "other machines and no key" ends_with 2 "PENSTOCK_LISTEN is '0.0.0.0:0'.*PENSTOCK_ADMIN_KEY" -- --listen 0.0.0.0:0
    check "the port is taken" ends_with 1 'PENSTOCK_LISTEN.*taken' -- --listen "${api#http://}"
    check "the admin port is taken" ends_with 1 'PENSTOCK_ADMIN_LISTEN.*taken' -- --admin-listen "${admin#http://}"
    check "a service without a store" service_needs_a_store
}

service_needs_a_store() {
    local output status=0

    output=$(timeout 20 "$root/bin/penstock-orchestrator" --admin-listen 127.0.0.1:0 2>&1) || status=$?
    equals 2 "$status" && has "$output" 'PENSTOCK_STORE is not set'
}

command_line() {
    local status=0 output

    output=$(penstock fly 2>&1) || status=$?
    equals 2 "$status" && has "$output" "no command 'fly'" || return 1
    status=0
    output=$(penstock list --url http://127.0.0.1:1 2>&1) || status=$?
    equals 3 "$status" && has "$output" 'no answer' || return 1
    status=0
    output=$(penstock start bad/hello --input '{' 2>&1) || status=$?
    equals 2 "$status" && has "$output" '--input'
}

start_embedded "$run/data"
wait_for penstock "$admin/readyz"
check "a definition is deployed" deploy_hello
waiting=$(penstock start bad/hello --input '{"name":"Ada"}')
definitions
starts
calls
settings
check "the command line says what it did not understand" command_line
check "the server still runs" alive penstock
check "it is still ready" curl -fs "$admin/readyz"
check "what was started before has ended well" ends_well "$waiting"
check "what is started now ends well" ends_well "$(penstock start bad/hello --input '{"name":"Ada"}')"
check "nothing of it became an instance" equals 2 "$(penstock list --output json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["items"]))')"
conclude

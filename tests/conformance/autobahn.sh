#!/usr/bin/env bash
# Runs the Autobahn WebSocket test suite against an echo server or an echo client, and holds the
# verdicts against the pinned ones in `expected`.
#
#   autobahn.sh server URL [CASES]       URL of an echo server, such as ws://127.0.0.1:9001
#   autobahn.sh client COMMAND [CASES]   COMMAND of an echo client; it is given the URL of one case
#                                        as its last argument, echoes until the suite closes, and ends
#
# CASES: globs between commas; without them, every pinned case. The cases are the original ones of
# Autobahn, run by kosoku (PyPI), which is installed into ${CAMPANILE_TOOLS:-target/tools} when it
# is not there. Prints what differs, then the tally.
# Exit: 0 all as pinned, 1 some verdict differs, 2 the suite could not be run.
set -euo pipefail

fail() { echo "autobahn: $*" >&2; exit 2; }

role=${1:-}
peer=${2:-}
cases=${3:-*}
[[ $role =~ ^(server|client)$ && -n $peer ]] || fail "usage: autobahn.sh server URL | client COMMAND [CASES]"
cd "$(dirname "$0")/../.."
tools=${CAMPANILE_TOOLS:-target/tools}
env=$tools/kosoku

if [ ! -e "$env/.ready" ]; then
    rm -rf "$env"; mkdir -p "$tools"
    { python3 -m venv "$env" && "$env/bin/pip" install -q --disable-pip-version-check 'kosoku==0.1.0'; } >&2 ||
        fail "kosoku 0.1.0 cannot be installed from PyPI; Python 3.10 or newer is needed"
    touch "$env/.ready"
fi

report=$(mktemp -d)
suite=
trap '[ -z "$suite" ] || kill "$suite" 2>/dev/null || true; rm -rf "$report"' EXIT
picks=()
IFS=, read -ra globs <<<"$cases"
for glob in "${globs[@]}"; do picks+=(-i "$glob"); done

# The text message with which the suite's server answers on a path, if it sends one before it closes.
ask() {
    python3 - "$address" "$1" <<'PY'
import base64, os, socket, sys

address, path = sys.argv[1:]
host, port = address.rsplit(":", 1)
key = base64.b64encode(os.urandom(16)).decode()
server = socket.create_connection((host, int(port)), timeout=60)
server.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
said = server.makefile("rb")
while said.readline().strip():  # the head of the answer
    pass
while len(head := said.read(2)) == 2 and head[0] & 0x0F != 8:  # short frames, up to a Close
    payload = said.read(head[1])
    if head[0] & 0x0F == 1:
        print(payload.decode())
PY
}

against_server() {
    local address=${peer#*://} status=0
    # One case at a time: each has 25 seconds, which those of groups 12 and 13 need on a busy machine.
    timeout 2400 "$env/bin/kosoku" -m fuzzingclient "${picks[@]}" -o "$report" "${address%%/*}" >"$report/log" 2>&1 ||
        status=$?
    # 1 is its opinion of the verdicts, too.
    [[ $status -le 1 && -s $report/index.json ]] || {
        tail -n 20 "$report/log" >&2
        fail "the suite did not run to its end"
    }
}

against_client() {
    local address='' count number command
    "$env/bin/kosoku" -m fuzzingserver "${picks[@]}" -o "$report" 127.0.0.1:0 >"$report/log" 2>&1 &
    suite=$!
    for _ in {1..100}; do
        address=$(sed -n 's|^fuzzingserver listening on ws://||p' "$report/log")
        [ -z "$address" ] || break
        sleep 0.1
    done
    [ -n "$address" ] || { cat "$report/log" >&2; fail "the suite's server did not start"; }
    count=$(ask /getCaseCount)
    [[ $count =~ ^[1-9][0-9]*$ ]] || fail "the suite does not say how many cases there are"
    read -ra command <<<"$peer"
    for ((number = 1; number <= count; number++)); do
        # Many a case breaks a rule, and its connection does not end well: that is for the suite to judge.
        timeout 300 "${command[@]}" "ws://$address/runCase?case=$number&agent=campanile" >>"$report/client" 2>&1 || {
            [ $? -lt 124 ] || {
                tail -n 3 "$report/client" >&2
                fail "the client crashed, did not end, or cannot be run, at case $number of $count: $peer"
            }
        }
    done
    ask '/updateReports?agent=campanile' >/dev/null
    for _ in {1..100}; do
        [ ! -s "$report/index.json" ] || break
        sleep 0.1
    done
    [ -s "$report/index.json" ] || {
        cat "$report/log" >&2
        tail -n 3 "$report/client" >&2
        fail "the suite wrote no report"
    }
}

"against_$role"
python3 tests/conformance/verdicts.py "$report/index.json" "$cases"

#!/usr/bin/env bash
# Runs the Autobahn WebSocket test suite against an echo server and judges the result.
#
#   autobahn.sh URL [CASES]     URL such as ws://127.0.0.1:9001; CASES: globs between commas
#
# The cases are the original ones of Autobahn, run by kosoku (PyPI), which is installed into
# ${CAMPANILE_TOOLS:-target/tools} when it is not there. Every case must be OK; only those
# in `informational` may be informational. Prints the others, then the tally.
# Exit: 0 all as expected, 1 some case is not, 2 the suite could not be run.
set -euo pipefail

url=${1:?usage: autobahn.sh URL [CASES]}
# 12 and 13 are compression, which is not offered yet.
cases=${2:-1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*}
cd "$(dirname "$0")/../.."
tools=${CAMPANILE_TOOLS:-target/tools}
env=$tools/kosoku

if [ ! -e "$env/.ready" ]; then
    rm -rf "$env"; mkdir -p "$tools"
    { python3 -m venv "$env" && "$env/bin/pip" install -q --disable-pip-version-check 'kosoku==0.1.0'; } >&2 || {
        echo "autobahn: kosoku 0.1.0 cannot be installed from PyPI; Python 3.10 or newer is needed" >&2
        exit 2
    }
    touch "$env/.ready"
fi

report=$(mktemp -d)
trap 'rm -rf "$report"' EXIT
picks=()
IFS=, read -ra globs <<<"$cases"
for glob in "${globs[@]}"; do picks+=(-i "$glob"); done
address=${url#*://}
timeout 600 "$env/bin/kosoku" -m fuzzingclient -p 2 "${picks[@]}" -o "$report" "${address%%/*}" >"$report/log" 2>&1 || {
    tail -n 20 "$report/log" >&2
    echo "autobahn: the suite did not run to its end" >&2
    exit 2
}
python3 - "$report/index.json" tests/conformance/informational <<'PY'
import json, sys
from collections import Counter

index, allowed = sys.argv[1:]
informational = {line.split("#")[0].strip() for line in open(allowed)} - {""}
(results,) = json.load(open(index)).values()
tally, wrong = Counter(), []
for case, verdict in results.items():
    both = verdict["behavior"], verdict["behaviorClose"]
    tally[both[0]] += 1
    fine = both == ("OK", "OK") or (case in informational and set(both) <= {"OK", "INFORMATIONAL"})
    if not fine:
        wrong.append((case, *both))
for case, behavior, close in sorted(wrong):
    print(f"case {case}: {behavior}, close {close}")
print("autobahn: " + ", ".join(f"{count} {name}" for name, count in tally.most_common()))
sys.exit(1 if wrong or not results else 0)
PY

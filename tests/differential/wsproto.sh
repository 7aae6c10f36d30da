#!/bin/sh
# The same bytes through wsproto, an implementation in Python.
#
#   wsproto.sh CACHE
#
# wsproto is installed from PyPI into a folder of CACHE; running it again installs nothing.
set -eu
cache=${1:?usage: wsproto.sh CACHE}
mkdir -p "$cache"
cache=$(CDPATH='' cd -- "$cache" && pwd)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd -- "$here/../.."

venv=$cache/wsproto
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp -- "$here/requirements.txt" "$venv/requirements.txt"
fi

verdicts=$(mktemp)
trap 'rm -f "$verdicts"' EXIT
cargo run --quiet --locked -p campanile-differential --bin verdicts >"$verdicts"
"$venv/bin/python" "$here/compare_wsproto.py" "$verdicts" docs/differences.md

#!/usr/bin/env bash
# The Debian package in a system of its own: installed, used by a user without rights on a disk that
# nobody can write to, installed again, removed, purged.
#
#   tests/deploy/package.sh PACKAGE ROOT, where ROOT is the folder of a minimal Debian
set -euo pipefail

package=$1
root=$2
nobody=65534
fail() { echo "$*" >&2; exit 1; }
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C chroot "$@"; }
as_root() { inside "$root" "$@"; }
as_nobody() { inside --userspec=$nobody:$nobody "$root" "$@"; }
# All that is there, but for what dpkg remembers of packages that were there.
list() { (cd "$root" && find . -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -print | sort); }

# A minimal Debian has no systemd; what units refer to is this machine's.
units=$root/usr/lib/systemd/system
mkdir -p "$units"
cp /usr/lib/systemd/system/*.target "$units/"

list >"$root.before"
cp "$package" "$root/tmp/campanile.deb"
as_root dpkg --install /tmp/campanile.deb >/dev/null

conffile=$root/etc/campanile/campanile.toml
as_nobody campanile --version
as_nobody campanile check --config /etc/campanile/campanile.toml >/dev/null
for unit in multi-user.target.wants/campanile.service sockets.target.wants/campanile.socket; do
    [ -L "$root/etc/systemd/system/$unit" ] || fail "$unit is not enabled"
done
for page in "$root"/usr/share/man/man1/campanile*.1.gz; do
    zcat "$page" | mandoc -T lint -W error >/dev/null || fail "$page is no manual page"
done
bash -n "$root/usr/share/bash-completion/completions/campanile"
grep -q '^License: Apache-2.0' "$root/usr/share/doc/campanile/copyright"

# What systemd makes of the units where they are.
systemd-analyze verify --man=no --root="$root" "$units"/campanile.{socket,service} ||
    fail "systemd does not like the units"
systemd-analyze security --offline=true --threshold=15 "$units/campanile.service" | tail -n 1

# It needs to write nowhere: on a disk that is read-only, as a user who owns nothing, no file is even
# tried to be opened for writing, nor made, changed or removed.
cat >"$root.run" <<'RUN'
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
exec strace -f -qq -o "$1.trace" -e signal=none \
    chroot --userspec="$2:$2" "$1" campanile serve --config /etc/campanile/campanile.toml \
    --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0
RUN
coproc SERVE { exec unshare --mount sh "$root.run" "$root" "$nobody" 2>"$root.log"; }
serve_pid=$SERVE_PID
trap 'kill "$serve_pid" 2>/dev/null || true' EXIT
read -r -t 30 line <&"${SERVE[0]}" || fail "the server did not start: $(cat "$root.log")"
url=ws://127.0.0.1:${line#*ws://127.0.0.1:}
url=${url%% *}
campanile=$root/usr/bin/campanile
"$campanile" subscribe "$url" --package p --page q --count 1 --timeout 30 &>"$root.heard" &
heard=$!
for _ in {1..100}; do
    "$campanile" publish "$url" --package p --page q >/dev/null
    kill -0 "$heard" 2>/dev/null || break
    sleep 0.1
done
wait "$heard" || fail "nobody heard what was published: $(cat "$root.heard")"
server=$(pgrep --full --parent "$serve_pid" 'campanile serve')
[ "$(stat -c %u "/proc/$server")" = "$nobody" ] || fail "the server runs as somebody else"
kill -HUP "$server"
for _ in {1..100}; do grep -q '"configuration reloaded"' "$root.log" && break; sleep 0.1; done
grep -q '"configuration reloaded"' "$root.log" || fail "it was not reloaded: $(cat "$root.log")"
kill -TERM "$server"
wait "$serve_pid" || fail "the server failed: $(cat "$root.log")"
trap - EXIT
grep -q 'openat(.*"/etc/campanile/campanile.toml", O_RDONLY' "$root.trace" || fail "strace saw nothing"
calls='creat|mk(dir|nod)(at)?|(sym|un)?link(at)?|rmdir|rename(at2?)?|f?(truncate|chmod|chown)(at)?|utime[a-z]*'
writes="O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|\\b($calls)\\("
if grep -E "$writes" "$root.trace" >&2; then fail "the server writes to files"; fi
python3 "$(dirname "$0")/system_calls.py" "$root.trace" "$units/campanile.service"

# Installed again, it keeps what somebody has changed.
echo '# mine' >>"$conffile"
as_root dpkg --install /tmp/campanile.deb >/dev/null
grep -q '^# mine' "$conffile" || fail "an upgrade lost the configuration"

as_root dpkg --remove campanile >/dev/null 2>&1
[ ! -e "$campanile" ] || fail "the program is there after its removal"
[ -e "$conffile" ] || fail "the configuration is gone before a purge"
as_root dpkg --purge campanile >/dev/null 2>&1
rm "$root/tmp/campanile.deb"
list | diff "$root.before" - || fail "the package leaves something behind"
as_root dpkg --status campanile >/dev/null 2>&1 && fail "dpkg still knows it"
echo "installed, used by nobody without writing, removed without a trace"

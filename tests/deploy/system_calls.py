"""That what the daemon asks of the kernel is what its unit allows: every system call in a trace of
strace's, from the start of the program on, and every address family.

    python3 tests/deploy/system_calls.py TRACE UNIT
"""

import re
import subprocess
import sys

trace_path, unit_path = sys.argv[1:]

sets = {}
listing = ["systemd-analyze", "--no-pager", "syscall-filter"]
for line in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines():
    if line.startswith("@"):
        members = sets.setdefault(line, [])
    elif line.strip() and not line.strip().startswith("#"):
        members.append(line.strip())


def expand(name):
    if not name.startswith("@"):
        return {name}
    return set().union(*(expand(member) for member in sets[name]))


allowed, families = set(), set()
with open(unit_path) as unit:
    for line in unit:
        key, _, value = line.strip().partition("=")
        if key == "SystemCallFilter" and value.startswith("~"):
            for name in value[1:].split():
                allowed -= expand(name)
        elif key == "SystemCallFilter":
            for name in value.split():
                allowed |= expand(name)
        elif key == "RestrictAddressFamilies":
            families |= set(value.split())
allowed |= expand("@default")  # these are never refused
assert allowed and families, f"{unit_path} restricts nothing"

called, opened, starts = set(), set(), False
with open(trace_path) as trace:
    for line in trace:
        starts = starts or 'execve("/usr/bin/campanile"' in line
        call = re.match(r"\d+ +([a-z0-9_]+)\((?:(AF_[A-Z0-9_]+),)?", line)
        if starts and call:
            called.add(call[1])
            if call[1] in ("socket", "socketpair"):
                opened.add(call[2])
assert {"execve", "listen", "accept4"} <= called and opened, f"{trace_path} is no trace of a server"
if refused := called - allowed:
    sys.exit(f"{unit_path} refuses {', '.join(sorted(refused))}")
if refused := opened - families:
    sys.exit(f"{unit_path} refuses sockets of {refused}")
print(f"the unit allows all {len(called)} system calls, and sockets of {', '.join(sorted(opened))}")

"""Holds a report of the Autobahn test suite against the pinned verdicts in `expected`.

    verdicts.py REPORT [CASES]

REPORT is the suite's index.json, of one agent, whichever engine wrote it; CASES are globs between
commas. A line of `expected` is a case, the verdicts on the behaviour and on the close, and the close
code that the suite received. Anything else than OK needs a reason behind a `#`, and cannot be more
than informational. What differs is printed as lines of that form: `-` as pinned, `+` as seen.

Exit: 0 all as pinned, 1 some verdict differs, 2 there is nothing to compare or the pins are wrong.
"""

import json
import re
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path


def fail(text):
    print(f"autobahn: {text}", file=sys.stderr)
    sys.exit(2)


def read_pins(path):
    pins = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        verdict, _, reason = (part.strip() for part in line.partition("#"))
        if not verdict:
            continue
        found = re.fullmatch(r"([\d.]+) (OK|INFORMATIONAL) (OK|INFORMATIONAL) (\d{4}|None)", verdict)
        if not found:
            fail(f"{path}:{number}: {line!r} is no pin that is allowed")
        case = found[1]
        if "INFORMATIONAL" in verdict and not reason:
            fail(f"{path}:{number}: {case} is not OK, and no reason is given")
        if case in pins:
            fail(f"{path}:{number}: {case} is pinned twice")
        pins[case] = verdict
    return pins


def read_report(path):
    try:
        (cases,) = json.loads(path.read_text()).values()
    except (OSError, ValueError) as error:
        fail(f"{path} is no report about one agent: {error}")
    return {
        case: f"{case} {verdict['behavior']} {verdict['behaviorClose']} {verdict['remoteCloseCode']}"
        for case, verdict in cases.items()
    }


def main(report, selection="*"):
    globs = selection.split(",")
    pins = read_pins(Path(__file__).with_name("expected"))
    pinned = {case: pin for case, pin in pins.items() if any(fnmatchcase(case, glob) for glob in globs)}
    seen = read_report(Path(report))
    if not pinned:
        fail(f"no pinned case is among {selection}")
    differing = {case for case in pinned | seen if pinned.get(case) != seen.get(case)}
    for case in sorted(differing, key=lambda case: [int(number) for number in case.split(".")]):
        print(f"-{pinned.get(case, f'{case} is not pinned')}")
        print(f"+{seen.get(case, f'{case} has no verdict')}")
    tally = Counter(verdict.split()[1] for verdict in seen.values())
    print("autobahn: " + ", ".join(f"{count} {name}" for name, count in tally.most_common()))
    if differing:
        print(f"autobahn: {len(differing)} of {len(pinned | seen)} verdicts are not as pinned")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        fail("usage: verdicts.py REPORT [CASES]")
    main(*sys.argv[1:])

"""Compares what wsproto hears with what Campanile hears.

    compare_wsproto.py VERDICTS DOCUMENT

VERDICTS is what the program `verdicts` prints, DOCUMENT is docs/differences.md. Every difference
must belong to a class of the document, and every class must be met.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import cycle

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

# Zeroes that bring every frame to its end which is not beyond the limits.
FILL = bytes(70_000)

# The end of a text, with a byte that continues a character: masked with zeroes, and not masked.
CONTINUATION = {"server": b"\x80\x81" + bytes(4) + b"\x80", "client": b"\x80\x01\x80"}


@dataclass
class Stream:
    name: str
    role: str
    data: bytes
    pieces: list
    heard: list
    end: str
    rule: str
    # How many bytes Campanile needed for its verdict.
    needed: int


def read(line):
    name, role, data, pieces, heard, end, rule, needed = line.rstrip("\n").split("\t")
    return Stream(
        name,
        role,
        bytes.fromhex(data),
        [int(piece) for piece in pieces.split(",")],
        [item for item in heard.split(",") if item],
        end,
        rule,
        int(needed),
    )


def theirs(stream, data=None):
    """What wsproto hears of the stream, or of other bytes, and how it ends."""
    role = ConnectionType.SERVER if stream.role == "server" else ConnectionType.CLIENT
    connection = Connection(role)
    heard, message = [], b""
    data, lengths = stream.data if data is None else data, cycle(stream.pieces)
    while data:
        length = len(data) if len(data) > 60_000 else next(lengths)
        piece, data = data[:length], data[length:]
        connection.receive_data(piece)
        for event in connection.events():
            if isinstance(event, (TextMessage, BytesMessage)):
                is_text = isinstance(event, TextMessage)
                message += event.data.encode() if is_text else event.data
                if event.message_finished:
                    heard.append(("text:" if is_text else "binary:") + message.hex())
                    message = b""
            elif isinstance(event, Ping):
                heard.append("ping:" + event.payload.hex())
            elif isinstance(event, Pong):
                heard.append("pong:" + event.payload.hex())
            elif isinstance(event, CloseConnection):
                # A broken rule is told like a Close frame, but leaves the state as it was.
                code = int(event.code)
                if connection.state is ConnectionState.OPEN:
                    return heard, f"failed {code}"
                return heard, "closed" if code == 1005 else f"closed {code}"
            else:
                raise AssertionError(f"{stream.name}: {event}")
    return heard, "open"


def goes_on(stream, heard, end):
    """Where we fail the connection, they hear the same and then something else."""
    return heard[: len(stream.heard)] == stream.heard and (heard, end) != (stream.heard, stream.end)


def later(stream, more):
    """Where we fail the connection, they wait, and with these bytes they fail it alike."""
    data = stream.data[: stream.needed]
    return theirs(stream, data) == (stream.heard, "open") and theirs(stream, data + more) == (
        stream.heard,
        stream.end,
    )


def ends_with_close_1014(stream):
    """Whether the last frame that we heard is a Close frame with this code."""
    data = stream.data[: stream.needed]
    masked = stream.role == "server"
    for length in range(2, 126):
        frame = data[-(length + (6 if masked else 2)) :]
        if frame[:2] == bytes([0x88, length | (0x80 if masked else 0)]):
            key = frame[2:4] if masked else bytes(2)
            code = bytes(a ^ b for a, b in zip(frame[-length:], key))
            return code == b"\x03\xf6"
    return False


# The classes by the names in the document, each with what belongs to it.
CLASSES = {
    "messages without bound": lambda stream, *they: (
        stream.rule == "MessageTooBig" and goes_on(stream, *they)
    ),
    "fragments without bound": lambda stream, *they: (
        stream.rule == "TooManyFragments" and goes_on(stream, *they)
    ),
    "control frames without bound": lambda stream, *they: (
        stream.rule == "ControlFlood" and goes_on(stream, *they)
    ),
    "close code 1014": lambda stream, *they: (
        # The reason may be bad as well.
        (stream.end == "closed 1014" or stream.rule == "InvalidCloseReason")
        and they == (stream.heard, "failed 1002")
        and ends_with_close_1014(stream)
    ),
    "surrogate in pieces": lambda stream, *they: (
        stream.rule == "InvalidUtf8" and later(stream, CONTINUATION[stream.role])
    ),
    "later verdict": lambda stream, *they: stream.rule != "-" and later(stream, FILL),
}


def documented(document):
    with open(document, encoding="utf-8") as file:
        section = file.read().split("\n## wsproto")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)


def main(verdicts, document):
    equal, met, unexplained = 0, Counter(), []
    with open(verdicts, encoding="utf-8") as file:
        streams = [read(line) for line in file]
    for stream in streams:
        heard, end = theirs(stream)
        if (heard, end) == (stream.heard, stream.end):
            equal += 1
            continue
        names = (name for name, belongs in CLASSES.items() if belongs(stream, heard, end))
        name = next(names, None)
        if name is None:
            unexplained.append(
                f"{stream.name} ({stream.role}), {stream.data.hex()}\n"
                f"    we: {stream.heard} {stream.end} {stream.rule}\n    they: {heard} {end}"
            )
        else:
            met[name] += 1
    print(f"wsproto: {equal} streams are heard alike, and these are not: {dict(met)}")
    problems = [f"no stream differs by: {name}" for name in CLASSES if not met[name]]
    if documented(document) != list(CLASSES):
        problems.append(f"{document} has other classes: {documented(document)}")
    if unexplained:
        problems.append(
            f"{len(unexplained)} differences that {document} does not explain, the first of them:"
        )
        problems.extend(unexplained[:5])
    for problem in problems:
        print(f"wsproto: {problem}", file=sys.stderr)
    return 1 if problems or not streams else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

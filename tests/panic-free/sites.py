"""The places in an ELF library that can still panic, as `file:line`, one a line.

    python3 sites.py LIBRARY

Each such place hands a `core::panic::Location` to the panic handler: a pointer to the file's name,
its length, the line and the column. In position-independent code that pointer is a relocation, so
all relocations are looked at, and those that begin a plausible `Location` are shown. Paths are
shortened to begin at the package (`httparse-1.10.1/src/lib.rs`) or at `core`.
"""

import re
import struct
import sys

R_RELATIVE = {62: 8, 183: 1027}  # by machine: x86-64, aarch64


def sites(data):
    if data[:6] != b"\x7fELF\x02\x01":
        sys.exit("no 64-bit little-endian ELF")
    machine, = struct.unpack_from("<H", data, 18)
    programs, sections = struct.unpack_from("<QQ", data, 32)
    program_size, program_count, section_size, section_count = struct.unpack_from("<4H", data, 54)
    segments = []
    for at in range(programs, programs + program_size * program_count, program_size):
        kind, _, offset, address, _, size = struct.unpack_from("<2I4Q", data, at)
        if kind == 1:  # PT_LOAD
            segments.append((address, data[offset:offset + size]))

    def read(address, count):
        for start, body in segments:
            if start <= address and address + count <= start + len(body):
                return body[address - start:address - start + count]
        return b""

    found = set()
    for at in range(sections, sections + section_size * section_count, section_size):
        _, kind, _, _, offset, size = struct.unpack_from("<2I4Q", data, at)
        if kind != 4:  # SHT_RELA
            continue
        for place, info, target in struct.iter_unpack("<3Q", data[offset:offset + size]):
            rest = read(place + 8, 16)
            if info & 0xFFFFFFFF != R_RELATIVE[machine] or len(rest) < 16:
                continue
            length, line, column = struct.unpack("<Q2I", rest)
            name = read(target, length) if 4 < length < 4096 and line and column else b""
            if name.endswith(b".rs") and name.isascii():
                file = re.sub(r"^.*/registry/src/[^/]*/|^.*/library/(?=core/)", "", name.decode())
                found.add((re.sub(r"^.*/(?=core/src/)", "", file), line))
    return sorted(found)


for file, line in sites(open(sys.argv[1], "rb").read()):
    print(f"{file}:{line}")

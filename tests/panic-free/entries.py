"""Fails when the core has a public entry point that the proof does not call.

    python3 entries.py CORE_SOURCE PROOF_SOURCE

Entry points are functions (`wire::decode`), methods (`Connection::receive`) and implementations of
traits that were written by hand or are `Debug` (`<CloseCode as Display>`), as often as the core has
them. What is behind the feature `alloc` is not looked for.
"""

import collections
import pathlib
import re
import sys

EXCEPTIONS = {
    **dict.fromkeys(
        (
            *("<Addresses as Debug>", "<Header as Debug>", "<Parsed as Debug>", "<Network as Debug>", "<Network as Display>"),
            *("<Origin as Debug>", "<OriginPattern as Debug>"),
        ),
        "writes addresses as the standard library does, into a buffer that it asserts is long enough",
    ),
    "<Config as Debug>": "holds times, whose `Debug` asserts much; no peer has a say in them",
    "<Scalar as TryFrom>": "from a type that is not public; `notify::parse` calls it",
}

GENERICS = re.compile(r"(?:::)?<(?!&?[\w:]+ as )[\w:, &()'+*\[\];=-]*>")


def plain(text):
    """The text without lifetimes and generic arguments."""
    while (shorter := GENERICS.sub("", text)) != text:
        text = shorter
    return re.sub(r"&'\w+ ", "&", text)


def needed(root):
    files = [root / "time.rs"]
    for module in ("wire", "conn", "deflate", "handshake", "notify", "proxy"):
        for declarations in sorted((root / module).rglob("mod.rs")):
            folder = declarations.parent
            if "tests" in folder.parts:
                continue
            behind_alloc = re.findall(r'feature = "alloc"\)\]\nmod (\w+);', declarations.read_text())
            files += [path for path in sorted(folder.glob("*.rs")) if path.stem not in behind_alloc]
    sources = {path: path.read_text().split("\n#[cfg(test)]\nmod tests {")[0] for path in files}
    types = set(re.findall(r"^ *pub (?:struct|enum|trait) (\w+)", "\n".join(sources.values()), re.M))

    entries = collections.Counter()
    for path, source in sources.items():
        owner, before = None, ""
        for line in source.split("\n"):
            if line.startswith("impl"):
                header = plain(re.sub(r"^impl(<.*?>)? (?=\S)", "", re.sub(r"-> [^>]*", "", line)))
                trait, _, target = header.removesuffix(" {}").removesuffix(" {").rpartition(" for ")
                owner, trait = target.lstrip("&"), trait.rpartition("::")[2]
                ours = owner in types or "::" in owner
                # An empty implementation has no code of ours.
                if trait and ours and not line.endswith("{}") and "alloc" not in before:
                    entries[f"<{target} as {trait}>"] += 1
            elif line.startswith("}"):
                owner = None
            elif function := re.match(r"( *)pub (?:const )?fn (\w+)", line):
                scope = owner if function[1] else path.parent.name
                entries[f"{scope}::{function[2]}"] += 1
            before = line
        for name in re.findall(r"derive\([^)]*Debug[^)]*\)\](?:\n#.*)*\npub (?:struct|enum) (\w+)", source):
            entries[f"<{name} as Debug>"] += 1
    for entry in EXCEPTIONS:
        del entries[entry]
    return entries


core, proof = map(pathlib.Path, sys.argv[1:])
entries = needed(core)
called = plain("\n".join(path.read_text() for path in sorted(proof.glob("*.rs"))))
missing = []
for entry, count in sorted(entries.items()):
    if len(re.findall(rf"(?<![\w:]){re.escape(entry)}(?!\w)", called)) < count:
        missing.append(entry)
for entry in missing:
    print(f"not in the proof: {entry}; call it in {proof}", file=sys.stderr)
if missing:
    sys.exit(1)
print(f"{sum(entries.values())} public entry points are in the proof")

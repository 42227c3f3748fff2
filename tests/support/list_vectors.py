"""Test vectors of an exclusion list, for implementations in any language (docs/formats/exclusion-list.md).

    python -m tests.support.list_vectors

writes tests/vectors/exclusion-list anew. Parquet files name the library that wrote them, so another PyArrow gives other bytes and other
digests in the heads; entries, leaves and roots are always the same.
"""

import json
import shutil
from pathlib import Path

from demur.exclusions import Entry, KeyKind, Version
from demur.exclusions.entry_proof import EntryProver
from demur.exclusions.rotation import announce
from demur.tlog import merkle
from tests.support.exclusion_lists import LIST_ID, build, publish_version, uids
from tests.support.receipt_vectors import VECTORS, fixed_key

LISTS = VECTORS / "exclusion-list"
OLD_KEY, NEW_KEY = fixed_key("op.example/opt-outs"), fixed_key("op.example/opt-outs-2")
FROM_VERSION = 3

FIRST = [
    *uids("a", "photo-1", "photo-2", "é", "\ufffd", "📷", 'quote " slash \\ / line\n tab\t bell\x07', "http://not-a-url"),
    Entry(KeyKind.OWNER, "ada"),
    Entry(KeyKind.SHA256, "0123456789abcdef" * 4),
    Entry(KeyKind.URL, "https://photos.example/a%20b.jpg?x=1&y=2"),
    Entry(KeyKind.PHASH, "00ff00ff00ff00ff", "1" * 64),
    Entry(KeyKind.PHASH, "00ff00ff00ff00ff", "2" * 64),
]
STEPS = [FIRST, [*FIRST[1:], *uids("b", "c")], [*FIRST[2:], *uids("a", "d")], []]


def versions() -> list[Version]:
    """Four versions; the third and fourth are signed by the new key, and the last one is empty."""
    built: list[Version] = []
    for entries in STEPS:
        built.append(build(entries, built[-1] if built else None))
    return built


def told(version: Version) -> dict[str, object]:
    """What an implementation must find in a version."""
    rows = [{"entry": [e.kind.value, e.key, e.pdq], "leaf_hash": merkle.leaf_hash(e.leaf).hex()} for e in version.entries]
    return {"version": version.head.version, "root": version.head.root, "entries": rows}


def write(directory: Path) -> None:
    for version in versions():
        if version.head.version == FROM_VERSION:
            announce(directory, OLD_KEY, NEW_KEY, LIST_ID, FROM_VERSION)
        publish_version(directory, NEW_KEY if version.head.version >= FROM_VERSION else OLD_KEY, version)


if __name__ == "__main__":
    readme = (LISTS / "README.txt").read_text()
    shutil.rmtree(LISTS)
    (LISTS / "list").mkdir(parents=True)
    (LISTS / "README.txt").write_text(readme)
    write(LISTS / "list")
    for name, key in (("old", OLD_KEY), ("new", NEW_KEY)):
        (LISTS / f"{name}.vkey").write_text(f"{key.verifier}\n")
    (LISTS / "expected.json").write_text(json.dumps([told(version) for version in versions()], ensure_ascii=False, indent=1) + "\n")
    third = versions()[2]
    (LISTS / "entry-proof.json").write_text(EntryProver(third.head, third.entries).prove(uids("photo-2")).to_json())

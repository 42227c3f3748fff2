"""Files that one reader could read otherwise than another: the demur command and the browser have to say the same of each."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator

from demur.digests import canonical_json
from tests.support.receipt_vectors import RECEIPTS

GOOD = (RECEIPTS / "good" / "opt_out_filed.json").read_bytes()
BAD = canonical_json(json.loads(GOOD) | {"salt": "00" * 32}) + b"\n"


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


class _Pipe(io.RawIOBase):
    """A file in which nobody goes back: what is known of a file only when it was packed follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += data
        return len(data)


def streamed(name: str, data: bytes, *, large: bool = False) -> bytes:
    """`large`: as a program packs that does not know whether more than 4 GiB will come."""
    out = _Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(zipfile.ZipInfo(name), "w", force_zip64=large) as file:
        file.write(data)
    return out.written


def large(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
        file.write(data)
    return out.getvalue()


def odd_bundles() -> Iterator[tuple[str, bytes, list[str]]]:
    """What is odd about each, its bytes, and the answer to each of its files; to all of it where nothing of it is read."""
    refused, holds = ["could not be checked"], "holds"
    three = zipped(("a.json", GOOD), ("b.json", GOOD), ("bad.json", BAD))
    plain = zipped(("a.json", GOOD), method=zipfile.ZIP_STORED)
    yield "nothing", three, [holds, holds, "does not hold"]
    yield "stored", plain, [holds]
    yield "bytes before it", b"#!/bin/sh\n" + three, [holds, holds, "does not hold"]
    yield "a folder and what is only told", zipped(("x/", b""), ("README.txt", b"hello"), ("x/a.json", GOOD)), [holds]
    for count in (0, 2, 4):
        yield f"an end that counts {count} of 3", at_end(three, 8, struct.pack("<HH", count, count)), refused
    yield "an end that counts 2 here and 3 in all", at_end(three, 8, struct.pack("<HH", 2, 3)), refused
    yield "another disk", at_end(three, 4, struct.pack("<HH", 1, 0)), refused
    yield "a directory one byte shorter", at_end(three, 12, struct.pack("<L", size_of_directory(three) - 1)), refused
    yield "a directory elsewhere", at_end(three, 16, struct.pack("<L", len(three))), refused
    yield "a comment longer than the file", at_end(three, 20, struct.pack("<H", 5)), refused
    yield "bytes after it", three + b"\n", refused
    yield "a second end before its end", three[:-22] + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1) + three[-22:], refused
    yield "its end inside of its comment", at_end(three, 20, struct.pack("<H", 22)) + three[-22:], refused
    yield "another name before its bytes", plain.replace(b"a.json", b"b.json", 1), refused
    yield "a wrong checksum", in_both(plain, 16, struct.pack("<L", zlib.crc32(GOOD) ^ 1)), refused
    yield "another byte than its checksum", plain.replace(b"demur-receipt/1", b"demur-receipt/2", 1), refused
    yield "a size one larger", in_both(plain, 24, struct.pack("<L", len(GOOD) + 1)), refused
    yield "a packed size one larger", in_both(plain, 20, struct.pack("<L", len(GOOD) + 1)), refused
    yield "cut short, with the checksum of what is left", cut(), refused
    yield "bytes after what is packed", trailing(), refused
    yield "encrypted", in_both(plain, 8, struct.pack("<H", 1)), refused
    yield "a patch", in_both(plain, 8, struct.pack("<H", 0x20)), refused
    yield "a version to come", in_both(plain, 6, struct.pack("<H", 64)), refused
    yield "a method to come", in_both(plain, 10, struct.pack("<H", 93)), refused
    yield "a name of bytes", plain.replace(b"a.json", b"\xff.json"), refused
    yield "a name with an end", plain.replace(b"a.json", b"a\0json"), refused
    yield "a name of letters beyond ASCII", zipped(("é📷.json", GOOD)), [holds]
    yield "the same without saying that it is UTF-8", zipped(("é.json", GOOD)).replace(b"\0\x08", b"\0\0"), refused
    yield from _said_twice(plain)
    yield "one name twice", zipped(("a.json", GOOD), ("b.json", BAD)).replace(b"b.json", b"a.json"), refused
    yield "two names for the same bytes", twice(plain), refused
    yield "nothing in it", zipped(("README.txt", b"hello")), refused
    yield "no file", zipped(), refused
    yield "no bytes", b"PK\5\6", refused


def _said_twice(plain: bytes) -> Iterator[tuple[str, bytes, list[str]]]:
    """What stands before a file's bytes and in the directory, too: some readers believe the one, some the other."""
    refused, holds = ["could not be checked"], ["holds"]
    one_more, piped, unknown = struct.pack("<L", len(GOOD) + 1), streamed("a.json", GOOD), streamed("a.json", GOOD, large=True)
    yield "deflated before its bytes, and listed as stored", before_bytes(plain, 10, struct.pack("<H", 8)), refused
    yield "UTF-8 before its bytes alone", before_bytes(plain, 8, struct.pack("<H", 0x800)), refused
    yield "UTF-8 in the directory alone", in_directory(plain, 8, struct.pack("<H", 0x800)), refused
    yield "described after its bytes, in the directory alone", in_directory(plain, 8, struct.pack("<H", 8)), refused
    for offset, what in ((16, "checksum"), (20, "packed size"), (24, "size")):
        yield f"another {what} before its bytes", before_bytes(plain, offset, one_more), refused
        yield f"no {what} before its bytes", before_bytes(plain, offset, bytes(4)), refused
        yield f"another {what} before bytes that are described after them", before_bytes(piped, offset, one_more), refused
    yield "from a pipe", piped, holds
    yield "from a pipe, with the size that the program was told", before_bytes(piped, 24, struct.pack("<L", len(GOOD))), holds
    yield "from a pipe, of any size", unknown, holds
    yield "sizes as of a large file", large("a.json", GOOD), holds
    told = struct.pack("<2H2Q", 1, 16, len(GOOD), len(GOOD))
    for wrong in (
        struct.pack("<2H2Q", 1, 16, len(GOOD) + 1, len(GOOD)),
        struct.pack("<2H2Q", 2, 16, 0, 0),
        struct.pack("<2H2Q", 1, 12, 0, 0),
    ):
        yield f"sizes as of a large file, that say {wrong.hex()}", large("a.json", GOOD).replace(told, wrong), refused


def at_end(bundle: bytes, offset: int, data: bytes) -> bytes:
    place = len(bundle) - 22 + offset
    return bundle[:place] + data + bundle[place + len(data) :]


def size_of_directory(bundle: bytes) -> int:
    size: int = struct.unpack_from("<L", bundle, len(bundle) - 10)[0]
    return size


def in_directory(bundle: bytes, offset: int, data: bytes) -> bytes:
    place = bundle.index(b"PK\1\2") + offset
    return bundle[:place] + data + bundle[place + len(data) :]


def in_both(bundle: bytes, offset: int, data: bytes) -> bytes:
    """In the directory, and where the same stands before the first file's bytes."""
    return in_directory(before_bytes(bundle, offset, data), offset, data)


def before_bytes(bundle: bytes, offset: int, data: bytes) -> bytes:
    """Where what lies at `offset` of the directory's entry stands before the first file's bytes."""
    place = bundle.index(b"PK\3\4") + offset - 2
    return bundle[:place] + data + bundle[place + len(data) :]


def cut() -> bytes:
    """The first half of a receipt, told to be half as long, packed whole."""
    half = GOOD[: len(GOOD) // 2]
    packed = in_both(zipped(("a.json", GOOD)), 16, struct.pack("<L", zlib.crc32(half)))
    return in_both(packed, 24, struct.pack("<L", len(half)))


def trailing() -> bytes:
    """Of its packed bytes, the last are none of the deflated stream."""
    whole = zipped(("a.json", GOOD))
    packed: int = struct.unpack_from("<L", whole, whole.index(b"PK\1\2") + 20)[0]
    longer = whole.replace(b"PK\1\2", b"xxxPK\1\2", 1)
    return at_end(in_both(longer, 20, struct.pack("<L", packed + 3)), 16, struct.pack("<L", whole.index(b"PK\1\2") + 3))


def twice(plain: bytes) -> bytes:
    """A directory that lists the same place under the same name once more."""
    first = plain.index(b"PK\1\2")
    entry = plain[first:-22]
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, 2 * len(entry), first, 0)
    return plain[:first] + entry + entry + end


def odd_spellings(proof: bytes) -> Iterator[tuple[str, bytes]]:
    """The same proof, spelled so that one reader could take it and another not: none of them is a proof."""
    told = json.loads(proof)
    text = proof.decode()
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        yield encoding, text.encode(encoding)
    yield "with two line feeds", proof + b"\n\n"
    yield "with spaces", json.dumps(told).encode()
    yield "in another order", canonical_json(told)[:-1] + b',"a":1}'
    yield "with a field more", canonical_json(told | {"x": 1})
    yield "with no number", proof[:-1] + b',"x":NaN}'
    yield "with a fraction", proof.replace(b'"leaf_index":', b'"leaf_index":0.0,"x":')
    yield "with an index that is a fraction", spelled(proof, b".0")
    yield "with an index that has an exponent", spelled(proof, b"e0")
    yield "with an index of many digits", spelled(proof, b"0" * 30)
    yield "with a field twice", proof[:-1] + b"," + proof[1:]
    yield "with an escape", proof.replace(b"demur", b"\\u0064emur", 1)
    yield "deep", proof[:-1] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    yield "deeper than it may", proof[:-1] + b',"x":' + b"[" * 101 + b"]" * 101 + b"}"


def spelled(proof: bytes, after: bytes) -> bytes:
    """With something after the digits of an index."""
    place = proof.index(b'"leaf_index":') + len(b'"leaf_index":')
    while proof[place : place + 1].isdigit():
        place += 1
    return proof[:place] + after + proof[place:]

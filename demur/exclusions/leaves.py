"""The Merkle root over millions of entries: leaves and tree are made in compiled code, on all cores, in bounded memory."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from demur.exclusions.ordering import Columns
from demur.similarity.kernels import compiled
from demur.tlog import merkle
from demur.tlog.sha256 import LANES, SPARE, Words, digests, tree_root

_BLOCK = 1 << 16  # leaves of one subtree: aligned blocks of 2**k leaves can stand in for leaf hashes
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_SHORT = np.zeros(256, dtype=np.uint8)  # the letter after the backslash, for the bytes that canonical JSON escapes by a letter
_SHORT[list(b'"\\\b\f\n\r\t')] = list(b'"\\bfnrt')


def root(entries: Columns, kinds: list[str]) -> str:
    """The root (hex) over entries in canonical order; `kinds` are the names of KeyKind by position."""
    return merkle.root(subtree_roots(entries, kinds, _BLOCK)).hex()


def subtree_roots(entries: Columns, kinds: list[str], block: int) -> Iterator[bytes]:
    """The roots over aligned blocks of entries, `block` being a power of two; the last one may be smaller."""
    openings = np.zeros((len(kinds), 32), dtype=np.uint8)
    for opening, kind in zip(openings, kinds, strict=True):
        text = b'\x00["%s","' % kind.encode()
        opening[: len(text) + 1] = [len(text), *text]

    def subtree(start: int) -> bytes:
        hashes = np.empty((min(block, len(entries.kinds) - start), 8), dtype=np.uint32)
        _hash_leaves(entries, start, openings, hashes)
        tree_root(hashes)
        return hashes[0].astype(">u4").tobytes()

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(subtree, range(0, len(entries.kinds), block))


@compiled
def _hash_leaves(entries: Columns, start: int, openings: NDArray[np.uint8], hashes: Words) -> None:
    """SHA-256(0x00 ‖ canonical JSON of [kind, key, pdq]) of the entries from `start` on, one a row."""
    longest = 0
    for row in range(len(hashes)):
        longest = max(longest, entries.offsets[start + row + 1] - entries.offsets[start + row])
    messages, lengths = np.empty((LANES, 6 * longest + 192 + SPARE), dtype=np.uint8), np.empty(LANES, dtype=np.int64)
    for first in range(0, len(hashes), LANES):
        rows = min(LANES, len(hashes) - first)
        for row in range(rows):
            opening = openings[entries.kinds[start + first + row]]
            messages[row, : opening[0]] = opening[1 : opening[0] + 1]
            lengths[row] = _write_leaf(entries, start + first + row, messages[row], int(opening[0]))
        digests(messages[:rows], lengths[:rows], hashes[first : first + rows])


@compiled
def _write_leaf(entries: Columns, entry: int, message: NDArray[np.uint8], at: int) -> int:
    """The leaf after `["kind","` into `message` from `at` on; says where it ends."""
    for place in range(entries.offsets[entry], entries.offsets[entry + 1]):
        at = _write_byte(entries.data[place], message, at)
    message[at], message[at + 1], message[at + 2] = 0x22, 0x2C, 0x22
    at += 3
    if entries.kinds[entry] == entries.phash:
        for byte in entries.pdqs[entry - entries.first]:
            message[at], message[at + 1] = _HEX[byte >> 4], _HEX[byte & 15]
            at += 2
    message[at], message[at + 1] = 0x22, 0x5D
    return at + 2


@compiled
def _write_byte(byte: np.uint8, message: NDArray[np.uint8], at: int) -> int:
    if _SHORT[byte]:
        message[at], message[at + 1] = 0x5C, _SHORT[byte]
        return at + 2
    if byte >= 0x20:
        message[at] = byte
        return at + 1
    message[at], message[at + 1], message[at + 2], message[at + 3] = 0x5C, 0x75, 0x30, 0x30
    message[at + 4], message[at + 5] = _HEX[byte >> 4], _HEX[byte & 15]
    return at + 6

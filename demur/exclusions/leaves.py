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
    width = 6 * longest + 192 + SPARE
    text, lengths = np.empty(LANES * width, dtype=np.uint8), np.empty(LANES, dtype=np.int64)
    messages = text.reshape(LANES, width)
    for first in range(0, len(hashes), LANES):
        rows = min(LANES, len(hashes) - first)
        for row in range(rows):
            entry, at = start + first + row, row * width
            opening = int(openings[entries.kinds[entry], 0])
            for letter in range(opening):
                text[at + letter] = openings[entries.kinds[entry], letter + 1]
            at = _write_key(entries.data, entries.offsets[entry], entries.offsets[entry + 1], text, at + opening)
            if entries.kinds[entry] == entries.phash:
                at = _write_pdq(entries.pdqs, entry - entries.first, text, at)
            text[at], text[at + 1] = 0x22, 0x5D
            lengths[row] = at + 2 - row * width
        digests(messages[:rows], lengths[:rows], hashes[first : first + rows])


@compiled
def _write_key(data: NDArray[np.uint8], start: int, stop: int, text: NDArray[np.uint8], at: int) -> int:
    """The key and what follows it up to the pdq into `text` from `at` on; says where that ends."""
    for place in range(start, stop):
        byte = data[place]
        if byte < 0x20 or byte == 0x22 or byte == 0x5C:
            at = _write_escaped(byte, text, at)
        else:
            text[at] = byte
            at += 1
    text[at], text[at + 1], text[at + 2] = 0x22, 0x2C, 0x22
    return at + 3


@compiled
def _write_escaped(byte: np.uint8, text: NDArray[np.uint8], at: int) -> int:
    text[at] = 0x5C
    if _SHORT[byte]:
        text[at + 1] = _SHORT[byte]
        return at + 2
    text[at + 1], text[at + 2], text[at + 3] = 0x75, 0x30, 0x30
    text[at + 4], text[at + 5] = _HEX[byte >> 4], _HEX[byte & 15]
    return at + 6


@compiled
def _write_pdq(pdqs: NDArray[np.uint8], row: int, text: NDArray[np.uint8], at: int) -> int:
    for place in range(32):
        text[at], text[at + 1] = _HEX[pdqs[row, place] >> 4], _HEX[pdqs[row, place] & 15]
        at += 2
    return at

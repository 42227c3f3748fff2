"""What stands in a column of text, found in one pass: each byte is looked at once, while it is at hand."""

from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demur.exclusions.columns.spellings import BLANKS
from demur.exclusions.texts import Texts, byte_at, texts, word_at
from demur.similarity.kernels import compiled

TextArray: TypeAlias = pa.StringArray | pa.LargeStringArray

_EMPTY, _BLANK_ENDS, _NUL, _NOT_ASCII, _PATHS, _ODD = 1, 2, 4, 8, 16, 32
_SLASHES = np.uint64(0x2F2F2F2F2F2F2F2F)
_PLUS, _DOT, _SLASH, _BYTE = 43, 46, 47, np.uint64(0xFF)
_ONES, _HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_NO_NULLS = np.zeros(0, dtype=np.bool_)
_BLANK_BYTES = np.zeros(256, dtype=np.bool_)
_BLANK_BYTES[[*b" \t\n\v\f\r\x1c\x1d\x1e\x1f", *range(0x80, 0x100)]] = True  # of what is not ASCII, the slow way decides


class Seen(NamedTuple):
    """What some text of a column holds or is, also one in the place of a null."""

    empty: bool
    blank_ends: bool  # or ends that are not ASCII, which may be blank
    nul: bool
    longest: int | np.int64  # bytes of the longest
    dots: bool = False  # "//", "/." or a dot at the beginning, as paths in another form have
    odd: bool = False  # what may be a number that a program rounded, or its word for no value


def seen_in(column: TextArray) -> Seen | None:
    """None where a text is not UTF-8: Parquet promises that all is, and its readers do not check it."""
    if not _is_valid(column, full=False):
        return None
    asked = texts(column)
    found, longest = _scan(asked, _BLANK_BYTES)
    if found & _NOT_ASCII and not _is_valid(column, full=True):
        return None
    dots = bool(found & _PATHS) and _has_dots(asked)
    return Seen(bool(found & _EMPTY), bool(found & _BLANK_ENDS), bool(found & _NUL), longest, dots, bool(found & _ODD))


def trimmed(column: TextArray, seen: Seen | None = None) -> TextArray:
    """The texts of valid UTF-8 without blank ends; null where nothing is left. `seen`: in the column, if it was looked at."""
    seen = seen or seen_in(column)
    assert seen is not None
    if seen.blank_ends:
        column = pc.utf8_trim(column, characters=BLANKS)
    if seen.blank_ends or seen.empty:
        empty = pc.equal(pc.binary_length(column), 0)
        column = pc.if_else(empty, pa.scalar(None, column.type), column) if pc.any(empty).as_py() else column
    return column


def trimmed_and_seen(column: TextArray, seen: Seen) -> tuple[TextArray, Seen]:
    """The texts without blank ends, and what they hold then: behind a blank, `seen_in` takes no text for what it is."""
    plain = trimmed(column, seen)
    again = seen_in(plain) if seen.blank_ends else seen
    assert again is not None
    return plain, again


def all_hex(column: TextArray, digits: int) -> bool:
    """Whether every text consists of so many lower-case hex digits; every one that is there: a null has to be empty."""
    if not _is_valid(column, full=False):
        return False
    return bool(_are_hex(texts(column), digits, column.is_null().to_numpy(zero_copy_only=False) if column.null_count else _NO_NULLS))


def _is_valid(column: TextArray, *, full: bool) -> bool:
    """Whether its buffers are as large as they should be; in full, whether its offsets ascend, too, and its texts are UTF-8."""
    try:
        column.validate(full=full)
    except pa.ArrowInvalid:
        return False
    return True


@compiled
def _are_hex(asked: Texts, digits: int, null: NDArray[np.bool_]) -> bool:
    offsets, base = asked
    for text in range(len(offsets) - 1):
        length = offsets[text + 1] - offsets[text]
        if length == 0 and len(null) and null[text]:
            continue
        if length != digits or offsets[text + 1] > offsets[-1]:
            return False
        start = base + np.uint64(offsets[text])
        bad = False
        for place in range(digits):
            byte = byte_at(start + np.uint64(place))
            bad |= not ((byte >= 48 and byte <= 57) or (byte >= 97 and byte <= 102))
        if bad:
            return False
    return True


@compiled
def _is_odd(start: np.uint64, length: np.int64) -> bool:
    """Whether a short text begins as a word for no value does, or ends as e+5, e+05 or e+005 does."""
    if length <= 4:
        first = byte_at(start)
        if first | np.uint64(32) == 110 or first == 92 or first == 60 or first == 35:  # N n \ < #
            return True
    end = start + np.uint64(length)
    if length < 4:
        return False
    second, third, fourth = byte_at(end - np.uint64(2)), byte_at(end - np.uint64(3)), byte_at(end - np.uint64(4))
    return bool(second == _PLUS or third == _PLUS or fourth == _PLUS)


@compiled
def _ends_oddly(tail: np.uint64, length: np.int64) -> bool:
    """Whether a text whose last eight bytes these are ends as e+5, e+05 or e+005 does or, if it is long, as .0 does."""
    second, third, fourth = tail >> np.uint64(48), tail >> np.uint64(40), tail >> np.uint64(32)
    second, third, fourth = second & _BYTE, third & _BYTE, fourth & _BYTE
    fifth = (tail >> np.uint64(24)) & _BYTE
    if second == _PLUS:
        return bool(third | np.uint64(32) == 101)
    if third == _PLUS:
        return bool(fourth | np.uint64(32) == 101)
    if fourth == _PLUS:
        return bool(fifth | np.uint64(32) == 101)
    return bool(second == _DOT and length >= 18)


@compiled
def _short(start: np.uint64, length: np.uint64, end: np.uint64) -> np.uint64:
    """A text of less than eight bytes, filled up with ones. `end`: of the column."""
    if start + np.uint64(8) <= end:
        bits = length * np.uint64(8)
        return (word_at(start) & ((np.uint64(1) << bits) - np.uint64(1))) | (_ONES << bits)
    bytes_ = _ONES
    for place in range(length):
        shift = np.uint64(8) * np.uint64(place)
        bytes_ ^= (byte_at(start + np.uint64(place)) ^ np.uint64(1)) << shift
    return bytes_


@compiled
def _scan(asked: Texts, blank: NDArray[np.bool_]) -> tuple[int, np.int64]:
    """What is found in any of the texts, and the bytes of the longest."""
    offsets, base = asked
    word, end, found, longest = np.uint64(8), base + np.uint64(offsets[-1]), 0, np.int64(0)
    octets, nul, slash = np.uint64(0), np.uint64(0), np.uint64(0)
    for text in range(len(offsets) - 1):
        length = np.int64(offsets[text + 1]) - np.int64(offsets[text])
        if length < 0 or offsets[text + 1] > offsets[-1]:  # a look at the bytes would leave the column
            return _NOT_ASCII, longest
        longest = max(longest, length)
        if length == 0:
            found |= _EMPTY
            continue
        at = base + np.uint64(offsets[text])
        last = at + np.uint64(length - 1)
        if blank[byte_at(at)] or blank[byte_at(last)]:
            found |= _BLANK_ENDS
        if length < 8:
            if _is_odd(at, length):
                found |= _ODD
            bytes_ = _short(at, np.uint64(length), end)
            octets |= bytes_
            nul |= (bytes_ - _ONES) & ~bytes_
            apart = bytes_ ^ _SLASHES
            slash |= (apart - _ONES) & ~apart
            continue
        stop = last - np.uint64(7)
        if _ends_oddly(word_at(stop), length):
            found |= _ODD
        while True:
            bytes_ = word_at(min(at, stop))
            octets |= bytes_
            nul |= (bytes_ - _ONES) & ~bytes_
            apart = bytes_ ^ _SLASHES
            slash |= (apart - _ONES) & ~apart
            if at >= stop:
                break
            at += word
    if slash & _HIGH:
        found |= _PATHS
    if nul & _HIGH:
        found |= _NUL
    if octets & _HIGH:
        found |= _NOT_ASCII
    return found, longest


@compiled
def _has_dots(asked: Texts) -> bool:
    """Whether any of the texts begins with a dot, or has one, or a slash, behind a slash."""
    offsets, base = asked
    for text in range(len(offsets) - 1):
        before = np.uint64(_SLASH)
        for place in range(offsets[text], offsets[text + 1]):
            byte = byte_at(base + np.uint64(place))
            if before == _SLASH and (byte == _DOT or (byte == _SLASH and place > offsets[text])):
                return True
            before = byte
    return False

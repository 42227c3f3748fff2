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

_EMPTY, _BLANK_ENDS, _NUL, _NOT_ASCII, _DOTS, _ODD = 1, 2, 4, 8, 16, 32
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
    dots: bool = False  # or "//", "/." or a dot at the beginning, as paths in another form have
    odd: bool = False  # or what may be a number that a program rounded, or its word for no value


def seen_in(column: TextArray) -> Seen | None:
    """None where a text is not UTF-8: Parquet promises that all is, and its readers do not check it."""
    if not _is_valid(column, full=False):
        return None
    found, longest = _scan(texts(column), _BLANK_BYTES)
    if found & _NOT_ASCII and not _is_valid(column, full=True):
        return None
    return Seen(bool(found & _EMPTY), bool(found & _BLANK_ENDS), bool(found & _NUL), longest, bool(found & _DOTS), bool(found & _ODD))


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
def _dots_and_slashes(bytes_: np.uint64) -> np.uint64:
    """The upper bit of each byte that is a dot or a slash: with their lowest bit set, both are one character."""
    apart = (bytes_ | _ONES) ^ _SLASHES
    return (apart - _ONES) & ~apart & _HIGH


@compiled
def _is_odd(start: np.uint64, length: np.int64) -> bool:
    """Whether a short text begins as a word for no value does, or ends as e+05 or E+5 does."""
    if length <= 4:
        first = byte_at(start)
        if first | np.uint64(32) == 110 or first == 92 or first == 60 or first == 35:  # N n \ < #
            return True
    end = start + np.uint64(length)
    return bool(length >= 4 and (byte_at(end - np.uint64(2)) == _PLUS or byte_at(end - np.uint64(3)) == _PLUS))


@compiled
def _ends_oddly(tail: np.uint64, length: np.int64) -> bool:
    """Whether a text whose last eight bytes these are ends as e+05 or E+5 does or, if it is long, as .0 does."""
    second, third, fourth = tail >> np.uint64(48), tail >> np.uint64(40), tail >> np.uint64(32)
    second, third, fourth = second & _BYTE, third & _BYTE, fourth & _BYTE
    if second == _PLUS:
        return bool(third | np.uint64(32) == 101)
    if third == _PLUS:
        return bool(fourth | np.uint64(32) == 101)
    return bool(second == _DOT and length >= 18)


@compiled
def _scan(asked: Texts, blank: NDArray[np.bool_]) -> tuple[int, np.int64]:
    """What is found in any of the texts, and the bytes of the longest."""
    offsets, base = asked
    word, found, longest = np.uint64(8), 0, np.int64(0)
    octets, nul, dots = np.uint64(0), np.uint64(0), np.uint64(0)
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
        if byte_at(at) == _DOT:
            found |= _DOTS
        if length < 8:
            if _is_odd(at, length):
                found |= _ODD
            before = np.uint64(0)
            while at <= last:
                byte = byte_at(at)
                octets |= byte
                nul |= (byte - np.uint64(1)) & ~byte
                if before == _SLASH and byte in (_SLASH, _DOT):
                    found |= _DOTS
                before = byte
                at += np.uint64(1)
            continue
        stop, after = last - np.uint64(7), np.uint64(0)
        while at < stop:
            bytes_ = word_at(at)
            octets |= bytes_
            nul |= (bytes_ - _ONES) & ~bytes_
            dotted = _dots_and_slashes(bytes_)
            slashed = dotted & (bytes_ << np.uint64(7))
            dots |= dotted & ((slashed << word) | after)
            after = slashed >> np.uint64(56)
            at += word
        bytes_ = word_at(stop)
        octets |= bytes_
        nul |= (bytes_ - _ONES) & ~bytes_
        if _ends_oddly(bytes_, length):
            found |= _ODD
        dotted = _dots_and_slashes(bytes_)
        after = after if stop == at else np.uint64(0)  # else these bytes begin before the last ones ended
        dots |= dotted & (((dotted & (bytes_ << np.uint64(7))) << word) | after)
    if dots:
        found |= _DOTS
    if nul & _HIGH:
        found |= _NUL
    if octets & _HIGH:
        found |= _NOT_ASCII
    return found, longest

"""Uids and owners as they are compared: two spellings of one identifier are one key.

Blank ends do not count; a UUID is the same in upper and lower case, with and without hyphens, in braces and as urn:uuid:…; 1001.0, which is
what is left of a whole number after a float column, is 1001. Everything else is compared byte for byte: 07 is not 7, and Ada is not ada.
"""

import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demur.exclusions.columns.scanning import TextArray
from demur.exclusions.columns.spellings import BLANKS, plain_number, plain_path
from demur.exclusions.texts import Texts, byte_at, texts, word_at
from demur.similarity.kernels import compiled

_UUID_KEY = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER_KEY = re.compile("-?(0|[1-9][0-9]*)")
_UUID, _BARE = 36, 32  # characters with hyphens, and without
_WRAPPED, _URN = 38, 45  # {…} and urn:uuid:…
_OTHER, _MARKED = 1, 2
_PREFIXED = 34  # 0x… without hyphens
_SPREADSHEETS = r"^(?:=\"[^\"]+\"|['+][+-]?[0-9].*|-?[0-9]+(?:,[0-9]+)+\.?0*|-?[0-9]+\.|-?[0-9]\.?[0-9]*[eE]\+[0-9]{1,3})$"
"""What may be a whole number as spreadsheets write it, with one of their marks."""
_CASE = np.uint64(0x4040404040404040)
_USUAL: tuple[Callable[[pa.LargeStringArray], pa.LargeStringArray], ...] = (
    lambda key: folded(key, hyphens=False),
    lambda key: pc.ascii_upper(key),
    lambda key: pc.ascii_upper(folded(key, hyphens=False)),
    lambda key: _around("", key, ".0"),
    lambda key: pc.utf8_normalize(key, form="NFD"),
    lambda key: _around("{", key, "}"),
    lambda key: _around("{", pc.ascii_upper(key), "}"),
    lambda key: _around("urn:uuid:", key, ""),
)
"""What `all_spellings` gives of a key besides itself. Of keys of another kind, they make other keys."""


def hyphenated(column: TextArray) -> bool:
    """Whether UUIDs among these keys are better compared with hyphens: none of them lacks these."""
    return not _other_forms(texts(column), True) & _OTHER


def folded(column: TextArray, *, hyphens: bool) -> TextArray:
    """Trimmed texts in the one form in which they are compared, characters composed (Unicode's NFC). The same array where all have it.

    hyphens: whether UUIDs get them, or lose them.
    """
    if _is_beyond_ascii(column):
        composed = pc.utf8_normalize(column, form="NFC")
        column = column if composed.equals(column) else composed
    asked = texts(column)
    found = _other_forms(asked, hyphens)
    if found & _MARKED:
        column = _without_marks(column)
        asked = texts(column)
        found = _other_forms(asked, hyphens)
    if not found & _OTHER:
        return column
    size = int(asked.offsets[-1] - asked.offsets[0]) + (_UUID - _BARE) * len(column)
    offsets, data = np.zeros(len(column) + 1, dtype=np.int64), np.empty(max(size, 1), dtype=np.uint8)
    _fold(asked, hyphens, offsets, data)
    whole = pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(offsets), pa.py_buffer(data))
    return pc.if_else(column.is_valid(), whole, pa.scalar(None, pa.large_string())) if column.null_count else whole


def _without_marks(column: TextArray) -> TextArray:
    """Without what spreadsheets make of whole numbers."""
    marked = pc.fill_null(pc.match_substring_regex(column, _SPREADSHEETS), False)
    if not pc.any(marked).as_py():
        return column
    return pc.replace_with_mask(column, marked, pa.array(map(plain_number, column.filter(marked).to_pylist()), column.type))


def _is_beyond_ascii(column: TextArray) -> bool:
    data = column.buffers()[2]
    places, _ = texts(column)
    octets = np.frombuffer(data, dtype=np.uint8)[places[0] : places[-1]] if data is not None else np.zeros(0, dtype=np.uint8)
    return bool(len(octets) and octets.max() >= 0x80)


def fold(identifier: str, kind: str = "uid") -> str:
    """One identifier, a uid or an owner, in the form in which it is compared, a UUID with hyphens."""
    plain = identifier.strip(BLANKS)
    return str(folded(pa.array([plain_path(plain) if kind == "uid" else plain], pa.large_string()), hyphens=True)[0].as_py())


def all_spellings(identifier: str, kind: str = "uid") -> tuple[str, ...]:
    """The usual ways to write what is compared as one uid or owner, for a search byte for byte; of further ones there is no end.

    What is searched holds no others, or is looked at besides (`usual`).
    """
    key = fold(identifier, kind)
    if _UUID_KEY.fullmatch(key):
        bare, upper = key.replace("-", ""), key.upper()
        usually: tuple[str, ...] = (key, bare, upper, bare.upper(), f"{{{key}}}", f"{{{upper}}}", f"urn:uuid:{key}")
    else:
        usually = (key, f"{key}.0") if _NUMBER_KEY.fullmatch(key) else (key, unicodedata.normalize("NFD", key))
    return tuple(dict.fromkeys((identifier, identifier.strip(BLANKS), *usually)))


def usual(column: TextArray) -> TextArray:
    """Trimmed uids or owners, each in a spelling that `all_spellings` gives: any other is folded. The same array where none is."""
    key = folded(column, hyphens=True)
    if key is column:
        return column
    text, key = column.cast(pa.large_string()), key.cast(pa.large_string())
    found = pc.equal(text, key)
    for spell in _USUAL:
        if pc.all(found).as_py() is not False:
            return column
        found = pc.or_(found, pc.equal(text, spell(key)))
    return column if pc.all(found).as_py() is not False else pc.if_else(found, text, key)


def _around(before: str, texts: pa.LargeStringArray, behind: str) -> pa.LargeStringArray:
    kind = texts.type
    return pc.binary_join_element_wise(pa.scalar(before, kind), texts, pa.scalar(behind, kind), pa.scalar("", kind))


@compiled
def _is_hex(byte: np.uint64) -> bool:
    return bool((byte >= 48 and byte <= 57) or (byte >= 97 and byte <= 102) or (byte >= 65 and byte <= 70))


@compiled
def _has_upper(start: np.uint64, length: int) -> bool:
    """Whether any of a multiple of four bytes is "@", an upper-case letter or one of the signs after them."""
    for word in range(length // 8):
        bytes_ = word_at(start + np.uint64(8 * word))
        if bytes_ & ~(bytes_ << np.uint64(1)) & _CASE:
            return True
    bytes_ = word_at(start + np.uint64(length - 8))
    return bool(bytes_ & ~(bytes_ << np.uint64(1)) & _CASE)


@compiled
def _uuid_start(start: np.uint64, length: int) -> np.int64:
    """How many characters stand before a UUID in a text that is one, in whatever spelling; else -1."""
    skipped = 0
    if length == _WRAPPED and byte_at(start) == 123 and byte_at(start + np.uint64(37)) == 125:
        skipped = 1
    elif length == _URN:
        skipped = 9
        for place in range(9):
            if (byte_at(start + np.uint64(place)) | np.uint64(32)) != np.uint64(b"urn:uuid:"[place]):
                return np.int64(-1)
    elif length == _PREFIXED and byte_at(start) == 48 and byte_at(start + np.uint64(1)) | np.uint64(32) == 120:
        skipped = 2
    elif length != _UUID and length != _BARE:
        return np.int64(-1)
    bare = length in (_BARE, _PREFIXED)
    for place in range(_BARE if bare else _UUID):
        byte = byte_at(start + np.uint64(skipped + place))
        hyphen = not bare and (place == 8 or place == 13 or place == 18 or place == 23)
        if (byte != 45) if hyphen else (not _is_hex(byte)):
            return np.int64(-1)
    return np.int64(skipped)


@compiled
def _whole_length(start: np.uint64, length: int) -> int:
    """How much of a text like 1001.0 or -7.00 stands before the point; of any other text, all of it."""
    at = length - 1
    while at > 0 and byte_at(start + np.uint64(at)) == 48:
        at -= 1
    if at <= 0 or at == length - 1 or byte_at(start + np.uint64(at)) != 46:
        return length
    first = 1 if byte_at(start) == 45 else 0
    if at == first or (byte_at(start + np.uint64(first)) == 48 and at - first > 1):
        return length
    for place in range(first, at):
        byte = byte_at(start + np.uint64(place))
        if byte < 48 or byte > 57:
            return length
    return int(at)


@compiled
def _has_marks(start: np.uint64, length: int, first: np.uint64) -> bool:
    """Whether a text begins or ends as a number does that a spreadsheet wrote: with a plus, a quote, a point, 1,001, 1,001.00 or e+03."""
    if first == 61 or first == 39 or first == 43:  # = ' +
        return True
    if first > 57 or (first < 48 and first != 45):
        return False
    end = start + np.uint64(length)
    if byte_at(end - np.uint64(1)) == 46:
        return True
    if length < 4:
        return False
    if byte_at(end - np.uint64(4)) == 44 or byte_at(end - np.uint64(4)) == 43:
        return True
    return bool(byte_at(end - np.uint64(3)) == 43 or byte_at(end - np.uint64(2)) == 43 or _has_comma(start, length))


@compiled
def _has_comma(start: np.uint64, length: int) -> bool:
    """Whether a comma stands before the last three digits of a text like 1,001.00."""
    at = length - 1
    while at > 4 and byte_at(start + np.uint64(at)) == 48:
        at -= 1
    return bool(at > 4 and byte_at(start + np.uint64(at)) == 46 and byte_at(start + np.uint64(at - 4)) == 44)


@compiled
def _other_forms(asked: Texts, hyphens: bool) -> int:
    """Whether any of the texts is compared in another form than its own: UUIDs and 1001.0 (_OTHER), or marked numbers."""
    offsets, base = asked
    found = 0
    for text in range(len(offsets) - 1):
        length = offsets[text + 1] - offsets[text]
        start = base + np.uint64(offsets[text])
        if length == 0:
            continue
        if found & _OTHER == 0:
            if length in (_BARE, _UUID):
                if (hyphens == (length == _BARE) or _has_upper(start, length)) and _uuid_start(start, length) >= 0:
                    found |= _OTHER
            elif length in (_WRAPPED, _URN, _PREFIXED):
                if _uuid_start(start, length) >= 0:
                    found |= _OTHER
            elif byte_at(start + np.uint64(length - 1)) == 48 and _whole_length(start, length) != length:
                found |= _OTHER
        first = byte_at(start)
        if first < 62 and _has_marks(start, length, first):
            found |= _MARKED
    return found


@compiled
def _fold(asked: Texts, hyphens: bool, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
    places, base = asked
    at = 0
    for text in range(len(places) - 1):
        length = places[text + 1] - places[text]
        start = base + np.uint64(places[text])
        skipped = _uuid_start(start, length)
        if skipped < 0:
            for place in range(_whole_length(start, length) if length else 0):
                data[at] = byte_at(start + np.uint64(place))
                at += 1
        else:
            digit = 0
            for place in range(_BARE if length in (_BARE, _PREFIXED) else _UUID):
                byte = byte_at(start + np.uint64(skipped + place))
                if byte == 45:
                    continue
                if hyphens and (digit == 8 or digit == 12 or digit == 16 or digit == 20):
                    data[at] = 45
                    at += 1
                data[at] = byte | np.uint64(32) if byte > 57 else byte
                at, digit = at + 1, digit + 1
        offsets[text + 1] = at

"""The spellings of each kind of key, one value at a time. Pure: a value comes in, its canonical form goes out.

Each function takes any Python value but None, and returns the canonical form, or None for a value that stands for none ("", NaN). A value
in no known spelling raises Misspelled, whose text says what it is, where that can be told: an MD5 digest, a hash of 16 × 16.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from demur.exclusions.columns.reading import Misspelled
from demur.text_rules import text_fault

INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
"""Characters without a width, which copying leaves at the ends of a text."""
BLANKS = " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))) + INVISIBLE
"""What is cut off at both ends of a text: Unicode's white space, and what cannot be seen."""
NO_VALUES = ("NULL", "null", "\\N", "nan", "NaN", "None", "<NA>", "#N/A")
"""What databases and programs write into a cell of text where a uid is missing."""
NESTED = ("$oid", "$uuid", "$numberLong")
"""How MongoDB's exports wrap an id: `{"$oid": "…"}`. Such an object of one field is read as what it wraps."""
_HEX = re.compile("[0-9a-fA-F]+")
_HEX_OCTETS = re.compile(b"[0-9a-fA-F]+")
_FORMULA = re.compile(r'="([^"]+)"')
_NUMBER = re.compile(r"'?(?P<sign>[+-]?)(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+|0|[1-9][0-9]*)(?:\.0*)?")
_POWER = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9])\.?(?P<rest>[0-9]*)[eE]\+(?P<power>[0-9]{1,3})")
_LARGE_FLOAT = re.compile(r"-?([0-9]{16,})\.0")
_DIGEST_PREFIX = re.compile(r"(?:sha-?256[:=-]|0x|\\x)", re.IGNORECASE)
_HASH_PREFIX = re.compile(r"(?:0x|\\x)", re.IGNORECASE)
_OTHER_DIGESTS = {32: "an MD5 digest", 40: "a SHA-1 digest", 56: "a SHA-224 digest", 96: "a SHA-384 digest", 128: "a SHA-512 digest"}


def exact_below(kind: type[np.floating[Any]]) -> int:
    """Below this a float of the type holds every whole number, and is that of no other one: 2**24 as float32 may have been 2**24 + 1."""
    return int(2 ** (np.finfo(kind).nmant + 1))


def identifier(kind: str, value: object) -> str | None:
    """A uid or an owner, as it is spelled: text, a whole number, or 16 bytes that are a UUID."""
    value = _unwrapped(value)
    if isinstance(value, UUID):
        return str(value)
    text = _kept(kind, _octets(value)) if isinstance(value, bytes) else address(kind, value)
    if text is None or not isinstance(value, str | bytes):
        return text
    if kind == "uid":
        text = None if text in NO_VALUES else plain_path(text)
    if text is not None and is_rounded(text):
        raise Misspelled("a number of which a program left some digits out")
    return text


def plain_path(text: str) -> str:
    """A path without `./`, `//` and `x/../`; any other text, and an address, as it is."""
    *folders, name = text.split("/")
    if not folders or "://" in text or name in (".", ".."):
        return text
    kept: list[str] = []
    for folder in folders:
        if folder == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif folder not in ("", "."):
            kept.append(folder)
    return "/".join([*([""] if text.startswith("/") else []), *kept, name])


def plain_number(text: str) -> str:
    """`1001` of what spreadsheets make of it: `+1001`, `1001.`, `1,001`, `'1001`, `="1001"`, `1.001e+03`; other text as it is."""
    if quoted := _FORMULA.fullmatch(text):
        inner = quoted[1].strip(BLANKS)
        return plain_number(inner) if inner else text
    number = _NUMBER.fullmatch(text)
    if number is not None:
        return ("-" if number["sign"] == "-" else "") + number["digits"].replace(",", "")
    power = _POWER.fullmatch(text)
    if power is None or is_rounded(text):
        return text
    return ("-" if power["sign"] == "-" else "") + str(int(power["whole"] + power["rest"][: int(power["power"])]))


def is_rounded(text: str) -> bool:
    """Whether it is a number such as 1.23457E+12, of which digits are missing, or one that passed through a float that cannot hold it."""
    if power := _POWER.fullmatch(text):
        rest, places = power["rest"], int(power["power"])
        return len(rest) < places or bool(rest[places:].strip("0")) or places > 15 or int(power["whole"] + rest[:places]) >= 2**53
    whole = _LARGE_FLOAT.fullmatch(text)
    return whole is not None and int(whole[1]) >= 2**53


def address(kind: str, value: object) -> str | None:
    """A URL, as it is spelled."""
    if isinstance(value, bytes):
        return _kept(kind, _decoded(value))
    return _whole(value) if _is_number(value) else _kept(kind, _text(value))


def sha256(value: object) -> str | None:
    """64 lower-case hex digits, from these in any case, raw bytes, base64, or either after sha256:, sha256- (SRI), 0x or \\x."""
    digest = _hash(value, 32, _DIGEST_PREFIX, _OTHER_DIGESTS, "not a SHA-256 digest")
    return digest if digest is None else digest.hex()


def phash(value: object) -> int | None:
    """64 bits as a number, from a number (negative: the same bits as int64), 16 hex digits, 64 binary ones, or 8 raw bytes."""
    if isinstance(value, float):
        if value != value:
            return None
        raise Misspelled("a float, which cannot hold 64 bits")
    if isinstance(value, Decimal) and value.is_finite() and value == int(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if -(2**63) <= value < 2**64:
            return value % 2**64
        raise Misspelled("a number of more than 64 bits")
    large = {64: "a hash of 16 × 16 = 256 bits, where a phash has 8 × 8 = 64"}
    octets = _hash(value, 8, _HASH_PREFIX, large, "not a phash of 64 bits")
    return octets if octets is None else int.from_bytes(octets, "big")


def pdq(value: object) -> bytes | None:
    """32 bytes, from 64 hex digits, 256 binary ones, base64, or raw bytes."""
    return _hash(value, 32, _HASH_PREFIX, {16: "a hash of 64 bits, where a PDQ has 256"}, "not a PDQ hash of 256 bits")


def quality(value: object) -> int | None:
    """0 to 100. A column of fractions of 1 is read as a whole or not at all: of one value alone, 1.0 could be either."""
    if isinstance(value, np.floating):
        value = float(value)
    if isinstance(value, str | bytes):
        value = _number_in(_decoded(value) if isinstance(value, bytes) else _text(value))
    if isinstance(value, float | Decimal) and value == 1:
        raise Misspelled("1.0, which may be 1 or 100 of 100")
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Misspelled("not a number from 0 to 100")
    if not 0 <= value <= 100 or value != int(value):
        raise Misspelled("not a whole number from 0 to 100")
    return int(value)


def _unwrapped(value: object) -> object:
    if isinstance(value, dict) and len(value) == 1:
        name, wrapped = next(iter(value.items()))
        return wrapped if name in NESTED else value
    return value


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        raise Misspelled("a truth value" if isinstance(value, bool) else "a nested value")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Misspelled("text with half a character (a lone surrogate)") from error
    return value.strip(BLANKS) or None


def _kept(kind: str, text: str | None) -> str | None:
    """The text, if it keeps the rule for text from outside."""
    if text is not None and (fault := text_fault(text, kind)):
        raise Misspelled(f"text that {fault}")
    return text


def _decoded(value: bytes) -> str | None:
    try:
        return _text(value.decode())
    except UnicodeDecodeError as error:
        raise Misspelled("bytes that are not UTF-8 text") from error


def _octets(value: bytes) -> str | None:
    """Text, or a UUID where 16 bytes are none. Where 16 bytes are text, but could be a UUID as well, nobody knows.

    The ninth byte of a UUID is never ASCII (RFC 9562: its upper bits are 10), so ASCII is always text.
    """
    if len(value) != 16 or value.isascii():
        return _decoded(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return str(UUID(bytes=value))
    if 0x80 <= value[8] < 0xC0 and text.isprintable():
        raise Misspelled("16 bytes that may be text or a UUID")
    return _decoded(value) if text.isprintable() else str(UUID(bytes=value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.floating | Decimal) and not isinstance(value, bool)


def _whole(value: object) -> str | None:
    """The decimal text of a whole number; None for NaN, and for what is no number."""
    if not _is_number(value) or value != value:
        return None
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, float | np.floating | Decimal)
    if not isinstance(value, Decimal) and abs(float(value)) >= exact_below(np.float64 if isinstance(value, float) else type(value)):
        raise Misspelled("a float too large to hold a whole number exactly")
    if not math.isfinite(value) or value != int(value):
        raise Misspelled("a number that is not whole")
    return str(int(value))


def _hash(value: object, size: int, prefix: re.Pattern[str], others: Mapping[int, str], otherwise: str) -> bytes | None:
    """`size` bytes from any spelling of them. `others`: what so many hex digits are instead."""
    if isinstance(value, bytes) and not _HEX_OCTETS.fullmatch(value):  # no real hash consists of hex digits' codes
        if len(value) == size:
            return value
        if 2 * len(value) in others and not value.isascii():
            raise Misspelled(others[2 * len(value)])
    if not isinstance(value, str | bytes):
        raise Misspelled(otherwise)
    text = _decoded_or(value, otherwise) if isinstance(value, bytes) else _text(value)
    if text is None:
        return None
    spelled = text[found.end() :] if (found := prefix.match(text)) else text
    if len(spelled) == 8 * size and set(spelled) <= {"0", "1"}:
        return int(spelled, 2).to_bytes(size, "big")
    if _HEX.fullmatch(spelled) and len(spelled) in (2 * size, *others):
        if len(spelled) == 2 * size:
            return bytes.fromhex(spelled)
        raise Misspelled(others[len(spelled)])
    return _from_base64(spelled, size, otherwise)


def _decoded_or(value: bytes, otherwise: str) -> str | None:
    try:
        return _decoded(value)
    except Misspelled as error:
        raise Misspelled(otherwise) from error


def _from_base64(text: str, size: int, otherwise: str) -> bytes:
    """Of 32 bytes only: eight bytes have spellings that hex digits could be."""
    padded = text + "=" * (-len(text) % 4)
    try:
        octets = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Misspelled(otherwise) from error
    if len(octets) != size or size != 32:
        raise Misspelled("an MD5 digest" if len(octets) == 16 and size == 32 else otherwise)
    return octets


def _number_in(text: str | None) -> int | float | None:
    try:
        return None if text is None else int(text) if text.isdecimal() else float(text)
    except ValueError as error:
        raise Misspelled("not a number from 0 to 100") from error

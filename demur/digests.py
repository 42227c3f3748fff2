"""Cryptographic digests, and the one JSON spelling that is ever signed or digested."""

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from demur.errors import DemurError

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=True).encode


MOST_VALUES = 500_000  # of one document: a statement about 80,000 photos has as many, and commas in their names count, too
DEEPEST = 100  # lists and objects in each other: more than any format has, and less than any reader can follow
_NO_MORE_EXACT = 2**53


class NotJson(DemurError, ValueError):
    """The bytes are not JSON in UTF-8, or hold more values than any file of ours."""


class NotCanonical(DemurError, ValueError):
    """The value has no single canonical JSON spelling (a float, a key that is not text, a lone surrogate, …)."""


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes as 64 lowercase hex digits, read in bounded memory. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(paths: Iterable[Path]) -> str:
    """SHA-256 (hex) over the names and digests of files, in the order given: of canonical JSON [[name, sha256], …]. Raises OSError."""
    return hashlib.sha256(canonical_json([[path.name, sha256_file(path)] for path in paths])).hexdigest()


def exact(value: Any) -> Any:
    """The same value without floats, which have more than one spelling: they become decimal text."""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    return value


def canonical_json(value: object) -> bytes:
    """The canonical JSON of a value: keys sorted by code point, no spaces, UTF-8, nothing escaped that need not be.

    Numbers are integers only, because two programs rarely spell a float alike. Raises NotCanonical.
    """
    _refuse_ambiguous(value, DEEPEST)
    try:
        return _encode(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("canonical JSON cannot hold a lone surrogate") from error


def parse_json(data: bytes, most_values: int = MOST_VALUES) -> Any:
    """The value of bytes that are JSON in UTF-8, of any spelling that every reader understands: NaN is none.

    Raises NotJson, and before anything is made of the bytes where more than ``most_values`` values may lie in them: two letters become
    an object of sixty bytes.
    """
    if sum(map(data.count, (b",", b"[", b"{"))) > most_values:
        raise NotJson(f"it may hold more than {most_values:,} values, which no file of this kind does")
    try:
        value = json.loads(data.decode(), parse_int=_whole_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NotJson("it is not JSON in UTF-8") from error
    if is_deeper(value):
        raise NotJson(f"it has more than {DEEPEST} lists and objects in each other")
    return value


def parse_canonical(data: bytes, most_values: int = MOST_VALUES) -> Any:
    """The value of bytes that are its canonical JSON. Raises NotJson, NotCanonical for any other bytes."""
    value = parse_json(data, most_values)
    if canonical_json(value) != data:
        raise NotCanonical("it is not spelled as canonical JSON")
    return value


def is_deeper(value: object, levels: int = DEEPEST) -> bool:
    """Whether more than so many lists and objects are in each other."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return items is not None and (not levels or any(is_deeper(item, levels - 1) for item in items if isinstance(item, dict | list)))


def _whole_number(digits: str) -> int | float:
    """A float for a number that not every reader of JSON can hold as a whole one: it has no canonical spelling."""
    number = float(digits)
    return int(digits) if abs(number) < _NO_MORE_EXACT else number


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _refuse_ambiguous(value: object, levels: int) -> None:
    if value is None or isinstance(value, str | int):
        return
    if not levels:
        raise NotCanonical(f"canonical JSON has at most {DEEPEST} lists and objects in each other")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical(f"canonical JSON has text keys only, not {key!r}")
            _refuse_ambiguous(item, levels - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_ambiguous(item, levels - 1)
    else:
        raise NotCanonical(f"canonical JSON cannot hold a {type(value).__name__}")

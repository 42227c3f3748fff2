"""Cryptographic digests, and the one JSON spelling that is ever signed or digested."""

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from demur.errors import DemurError

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=True).encode


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
    _refuse_ambiguous(value)
    try:
        return _encode(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("canonical JSON cannot hold a lone surrogate") from error


def _refuse_ambiguous(value: object) -> None:
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical(f"canonical JSON has text keys only, not {key!r}")
            _refuse_ambiguous(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_ambiguous(item)
    else:
        raise NotCanonical(f"canonical JSON cannot hold a {type(value).__name__}")

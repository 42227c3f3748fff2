"""Entries of an exclusion list: what they mean, their one byte form, and their Parquet form (docs/formats/exclusion-list.md)."""

import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring
from typing import TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from demur.errors import DemurError
from demur.tlog import merkle


class KeyKind(StrEnum):
    """By what an entry excludes."""

    UID = "uid"
    SHA256 = "sha256"
    PHASH = "phash"
    URL = "url"
    OWNER = "owner"


class ChangeOp(StrEnum):
    """What a delta does with an entry."""

    ADD = "add"
    REMOVE = "remove"


class BadEntry(DemurError, ValueError):
    """The key is not of the form that its kind demands."""


class UnknownWord(DemurError, ValueError):
    """A kind of key, or an operation of a delta, that this program does not know."""


_KEY_FORM = {KeyKind.SHA256: re.compile("[0-9a-f]{64}"), KeyKind.PHASH: re.compile("[0-9a-f]{16}")}
_PDQ_FORM = re.compile("[0-9a-f]{64}")
ENTRY_SCHEMA = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("kind", "key", "pdq")])
DELTA_SCHEMA = pa.schema([pa.field("op", pa.string(), nullable=False), *ENTRY_SCHEMA])
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, order=True, slots=True)
class Entry:
    """Excludes every sample whose `kind` is `key`. Sorts by (kind, key, pdq), by code point: the canonical order.

    `key`: 64 hex digits for sha256, 16 for phash, any non-empty text for uid, url and owner. `pdq`: 64 hex digits for phash (its quality
    is at least 50, which the writer vouches for), else empty. Raises BadEntry.
    """

    kind: KeyKind
    key: str
    pdq: str = ""

    def __post_init__(self) -> None:
        form = _KEY_FORM.get(self.kind)
        if not (form.fullmatch(self.key) if form else self.key):
            raise BadEntry(f"{self.key!r} is not a {self.kind} key")
        if not (_PDQ_FORM.fullmatch(self.pdq) if self.kind is KeyKind.PHASH else self.pdq == ""):
            raise BadEntry(f"{self.pdq!r} is not a pdq for a {self.kind} entry")

    def __hash__(self) -> int:
        return hash(self.key)  # the kind adds little, and hashing an enum member is slow

    @property
    def order(self) -> tuple[str, str, str]:
        """The canonical order as plain text, several times faster to compare than entries are."""
        return self.kind.value, self.key, self.pdq

    @property
    def leaf(self) -> bytes:
        """The leaf of the Merkle tree: canonical JSON of [kind, key, pdq]. Raises BadEntry when the key is no Unicode text."""
        try:
            return f'["{self.kind}",{encode_basestring(self.key)},"{self.pdq}"]'.encode()
        except UnicodeEncodeError as error:
            raise BadEntry(f"{self.key!r} holds a lone surrogate") from error


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a delta."""

    op: ChangeOp
    entry: Entry


@dataclass(frozen=True)
class FileDigest:
    """SHA-256 (hex) and length of a file, so that nothing is parsed that was not signed."""

    sha256: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> "FileDigest":
        return cls(hashlib.sha256(data).hexdigest(), len(data))


def entries_root(entries: Iterable[Entry]) -> str:
    """The Merkle root (hex) over entries that are in canonical order."""
    return merkle.root(merkle.leaf_hash(entry.leaf) for entry in entries).hex()


def count_kinds(entries: Iterable[Entry]) -> dict[KeyKind, int]:
    """How many entries there are of each kind; kinds without entries are left out."""
    return dict(sorted(Counter(entry.kind for entry in entries).items()))


def entries_parquet(entries: Iterable[Entry]) -> bytes:
    """Parquet bytes of entries, in the order given."""
    rows = [(entry.kind.value, entry.key, entry.pdq) for entry in entries]
    return _parquet(rows, ENTRY_SCHEMA)


def delta_parquet(changes: Iterable[Change]) -> bytes:
    """Parquet bytes of a delta, in the order given."""
    rows = [(change.op.value, change.entry.kind.value, change.entry.key, change.entry.pdq) for change in changes]
    return _parquet(rows, DELTA_SCHEMA)


def read_entries(data: bytes) -> Iterator[Entry]:
    """Entries of a Parquet file. Raises pa.ArrowException (not Parquet, other columns), UnknownWord, BadEntry."""
    for kind, key, pdq in _rows(data, ENTRY_SCHEMA):
        yield Entry(_word(KeyKind, kind), key, pdq)


def read_delta(data: bytes) -> Iterator[Change]:
    """Changes of a delta's Parquet file. Raises as `read_entries` does."""
    for op, kind, key, pdq in _rows(data, DELTA_SCHEMA):
        yield Change(_word(ChangeOp, op), Entry(_word(KeyKind, kind), key, pdq))


def _parquet(rows: Sequence[tuple[str, ...]], schema: pa.Schema) -> bytes:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    table = pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _rows(data: bytes, schema: pa.Schema) -> Iterator[tuple[str, ...]]:
    # Not pq.read_table: its threads may still be starting when a short program ends, and then abort it (pyarrow 26, about 1 in 60).
    table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    if table.schema.names != schema.names or table.schema.types != schema.types or any(column.null_count for column in table.columns):
        raise pa.ArrowInvalid(f"the columns are not {', '.join(schema.names)} as text without gaps")
    columns = [cast("list[str]", column.to_pylist()) for column in table.columns]
    return zip(*columns, strict=True)


def _word(words: type[_Word], text: str) -> _Word:
    try:
        return words(text)
    except ValueError as error:
        raise UnknownWord(repr(text)) from error

"""The entries of a version as columns in canonical order. Ten million take about the room of their keys; an `Entry` is made on demand."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, Self, TypeVar, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demur.errors import DemurError
from demur.exclusions import leaves, ordering
from demur.exclusions.entries import BadEntry, Entry, KeyKind
from demur.exclusions.ordering import Columns
from demur.exclusions.parquet import ENTRY_SCHEMA, KINDS, PHASH, Rows, read_rows, write_rows

_RANKS = np.array([sorted(KINDS).index(kind) for kind in KINDS], dtype=np.int8)
Scalar = TypeVar("Scalar", bound=np.generic)
_AT_ONCE = 1 << 16  # rows turned into Python objects at a time


class BadOrder(DemurError, ValueError):
    """Entries are not in canonical order, or one of them is there twice."""


@dataclass(frozen=True, eq=False)
class EntryTable(Sequence[Entry]):
    """Entries in canonical order, each once.

    kinds: (n,) position in KeyKind. keys: (n,) without nulls. pdqs: (p, 32) bytes, one row for each phash entry, in their order.
    """

    kinds: NDArray[np.int8]
    keys: pa.LargeStringArray
    pdqs: NDArray[np.uint8]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Sorts, and keeps each once. Raises BadEntry when a key is no Unicode text."""
        listed = sorted(set(entries), key=lambda entry: entry.order)
        try:
            keys = pa.array([entry.key for entry in listed], pa.large_string())
        except UnicodeEncodeError as error:
            raise BadEntry(f"{error.object!r} holds a lone surrogate") from error
        codes = {kind: code for code, kind in enumerate(KINDS)}
        kinds = np.array([codes[entry.kind] for entry in listed], dtype=np.int8)
        return cls(kinds, keys, _pdqs(bytes.fromhex("".join(entry.pdq for entry in listed))))

    @classmethod
    def read(cls, file: BinaryIO, most: int | None = None, most_bytes: int | None = None) -> Self:
        """Entries of a Parquet file of at most so many rows, in texts of at most so many bytes.

        Raises pa.ArrowException (not Parquet, other columns), TooMany, TooLarge, UnknownWord, BadEntry, BadOrder."""
        return cls.from_rows(read_rows(file, ENTRY_SCHEMA, most, most_bytes))

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """Raises BadOrder."""
        table = cls(np.frombuffer(rows.kinds, dtype=np.int8), rows.keys, _pdqs(rows.pdqs))
        if not ordering.in_order(table.columns):
            raise BadOrder("the entries are not in canonical order, each once")
        return table

    def parquet(self) -> bytes:
        """Parquet bytes of the entries."""
        return write_rows(None, self.kinds, *ordering.text_buffers(self.keys), self.pdqs)

    @cached_property
    def columns(self) -> Columns:
        """The entries as compiled code reads them."""
        offsets, data = ordering.text_buffers(self.keys)
        first = int(np.argmax(self.kinds == PHASH)) if len(self.pdqs) else 0
        return Columns(_read_only(self.kinds), offsets, data, _read_only(self.pdqs), first, PHASH, _RANKS)

    @cached_property
    def counts(self) -> dict[KeyKind, int]:
        """How many entries there are of each kind; kinds without entries are left out."""
        numbers = ((kind, int(np.count_nonzero(self.kinds == code))) for code, kind in enumerate(KINDS))
        return dict(sorted((kind, number) for kind, number in numbers if number))

    def span(self, kind: KeyKind) -> slice:
        """Where the entries of a kind stand: together."""
        start = sum(number for other, number in self.counts.items() if other < kind)
        return slice(start, start + self.counts.get(kind, 0))

    def keys_of(self, kind: KeyKind) -> pa.LargeStringArray:
        """The keys of a kind."""
        return self.keys[self.span(kind)]

    def root(self) -> str:
        """The Merkle root, hex."""
        return leaves.root(self.columns, [kind.value for kind in KINDS])

    def subtree_roots(self, block: int) -> Iterator[bytes]:
        """The Merkle roots over aligned blocks of entries, `block` being a power of two."""
        return leaves.subtree_roots(self.columns, [kind.value for kind in KINDS], block)

    def where(self, wanted: NDArray[np.bool_]) -> Self:
        """The entries that are wanted. (n,) bool."""
        return type(self)(self.kinds[wanted], self.keys.filter(pa.array(wanted)), self.pdqs[wanted[self.span(KeyKind.PHASH)]])

    def shared(self, other: "EntryTable") -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For each entry of this table, and for each of the other one, whether both tables have it."""
        here, there = np.zeros(len(self), dtype=np.bool_), np.zeros(len(other), dtype=np.bool_)
        ordering.mark_shared(self.columns, other.columns, here, there)
        return here, there

    def places(self, asked: "EntryTable") -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """For each asked entry its position here, or that of the first one after it, and whether it is here."""
        positions, found = np.empty(len(asked), dtype=np.int64), np.empty(len(asked), dtype=np.bool_)
        ordering.locate(self.columns, asked.columns, positions, found)
        return positions, found

    def changed(self, changes: "EntryTable", adds: NDArray[np.bool_], positions: NDArray[np.int64]) -> Self:
        """A new table with some entries more and others less. adds: (c,) bool: the entry is added, else removed.

        `positions`: their `places`, by which what is added is not here, and what is removed is.
        """
        size = len(self) + int(adds.sum()) - int((~adds).sum())
        kept = np.ones(len(self), dtype=np.bool_)
        kept[positions[~adds]] = False
        stays = np.insert(kept, positions[adds], True)
        kinds = np.insert(self.kinds, positions[adds], changes.kinds[adds])[stays]
        start, hashes = self.span(KeyKind.PHASH).start, changes.span(KeyKind.PHASH)
        new = adds[hashes]
        pdqs = np.insert(self.pdqs, positions[hashes][new] - start, changes.pdqs[new], axis=0)
        stays = np.insert(kept[self.span(KeyKind.PHASH)], positions[hashes][new] - start, True)
        return type(self)(kinds, self._woven_keys(changes, positions, adds, size), pdqs[stays])

    def _woven_keys(self, changes: "EntryTable", positions: NDArray[np.int64], adds: NDArray[np.bool_], size: int) -> pa.LargeStringArray:
        lengths, own = np.diff(changes.columns.offsets), self.columns.offsets
        gone = positions[~adds]
        more = int(lengths[adds].sum()) - int((own[gone + 1] - own[gone]).sum())
        offsets, data = np.empty(size + 1, dtype=np.int64), np.empty(int(own[-1] - own[0]) + more, dtype=np.uint8)
        ordering.weave_keys(self.columns, changes.columns, positions, adds, offsets, data)
        return pa.LargeStringArray.from_buffers(size, pa.py_buffer(offsets), pa.py_buffer(data))

    def __len__(self) -> int:
        return len(self.kinds)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Entry | Self:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return self.where(_marked(len(self), start, stop, step))
        position = range(len(self))[index]
        kind = KINDS[self.kinds[position]]
        pdq = self.pdqs[position - self.columns.first].tobytes().hex() if kind is KeyKind.PHASH else ""
        return Entry(kind, self.keys[position].as_py(), pdq)

    def __iter__(self) -> Iterator[Entry]:
        hashes = iter(self.pdqs)
        for start in range(0, len(self), _AT_ONCE):
            keys = self.keys.slice(start, _AT_ONCE).to_pylist()
            for code, key in zip(self.kinds[start : start + _AT_ONCE], keys, strict=True):
                yield Entry(KINDS[code], key, next(hashes).tobytes().hex() if code == PHASH else "")

    def __contains__(self, entry: object) -> bool:
        return isinstance(entry, Entry) and bool(self.places(EntryTable.of([entry]))[1][0])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EntryTable):
            return NotImplemented
        same_kinds, same_pdqs = np.array_equal(self.kinds, other.kinds), np.array_equal(self.pdqs, other.pdqs)
        return bool(same_kinds and same_pdqs and self.keys.equals(other.keys))

    __hash__ = None  # type: ignore[assignment]


def _pdqs(data: bytes | bytearray) -> NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, 32)


def _read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A view, so that compiled code meets one type of array and is compiled once."""
    view = array.view()
    view.flags.writeable = False
    return view


def _marked(size: int, start: int, stop: int, step: int) -> NDArray[np.bool_]:
    marks = np.zeros(size, dtype=np.bool_)
    marks[start:stop:step] = True
    return marks

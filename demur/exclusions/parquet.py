"""Entries and deltas as Parquet: written in row groups, and read batch by batch into columns, so that no row becomes a Python object."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from demur.exclusions.entries import ChangeOp, Entry, KeyKind, UnknownWord
from demur.exclusions.pages import BadPages, pages_of

ENTRY_SCHEMA = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("kind", "key", "pdq")])
DELTA_SCHEMA = pa.schema([pa.field("op", pa.string(), nullable=False), *ENTRY_SCHEMA])
KINDS, OPS = list(KeyKind), list(ChangeOp)
PHASH = KINDS.index(KeyKind.PHASH)
_KEY_LENGTH = np.array([{KeyKind.SHA256: 64, KeyKind.PHASH: 16}.get(kind, 0) for kind in KINDS])  # 0: any but none
_IS_HEX = np.zeros(256, dtype=np.bool_)
_IS_HEX[list(b"0123456789abcdef")] = True
_BATCH, _GROUP = 1 << 16, 1 << 17  # rows
_SHORT = 64  # bytes of a text, as a PDQ has


@dataclass
class Rows:
    """Columns that grow batch by batch. The keys lie in one bytearray, which grows in place: two copies of them never exist."""

    ops: "array[int]" = field(default_factory=lambda: array("b"))  # positions in ChangeOp; empty for entries
    kinds: "array[int]" = field(default_factory=lambda: array("b"))  # positions in KeyKind
    offsets: "array[int]" = field(default_factory=lambda: array("q", [0]))
    text: bytearray = field(default_factory=bytearray)
    pdqs: bytearray = field(default_factory=bytearray)  # 32 bytes for each phash row

    @property
    def keys(self) -> pa.LargeStringArray:
        return pa.LargeStringArray.from_buffers(len(self.kinds), pa.py_buffer(self.offsets), pa.py_buffer(self.text))


def read_rows(file: BinaryIO, schema: pa.Schema, most: int | None = None, most_bytes: int | None = None) -> Rows:
    """The rows of a Parquet file of entries or of a delta: `most` at most, in texts of `most_bytes` at most.

    Nothing is unpacked before its pages were seen to claim no more bytes, and no text of a dictionary is repeated beyond them.

    Raises pa.ArrowException (not Parquet, other columns), TooMany, TooLarge, UnknownWord, BadEntry.
    """
    rows = Rows()
    for batch in _batches(file, schema, most, most_bytes):
        if "op" in schema.names:
            rows.ops.frombytes(_codes(batch.column("op"), OPS).tobytes())
        kinds, keys, pdqs = _codes(batch.column("kind"), KINDS), batch.column("key"), batch.column("pdq")
        _refuse_malformed(kinds, keys, pdqs)
        rows.kinds.frombytes(kinds.tobytes())
        rows.offsets.frombytes((len(rows.text) + np.cumsum(_lengths(keys), dtype=np.int64)).tobytes())
        rows.text += _text(keys).data
        rows.pdqs += bytes.fromhex(bytes(_text(pdqs)).decode())
    return rows


def _batches(file: BinaryIO, schema: pa.Schema, most: int | None, most_bytes: int | None) -> Iterator[pa.RecordBatch]:
    # Without threads: they may still be starting when a short program ends, and then abort it (pyarrow 26, about 1 in 60).
    packed = _packed_columns(file, schema, most_bytes) if most_bytes is not None else []
    parquet = pq.ParquetFile(file, read_dictionary=packed)
    found = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in parquet.schema_arrow]
    if parquet.schema_arrow.names != schema.names or found != schema.types:
        raise pa.ArrowInvalid(f"the columns are not {', '.join(schema.names)} as text")
    if most is not None and parquet.metadata.num_rows > most:
        raise TooMany(f"there are {parquet.metadata.num_rows} rows, more than {most}")
    texts = 0
    for batch in parquet.iter_batches(_BATCH, use_threads=False):
        batch.validate(full=True)  # Parquet readers do not look whether text is UTF-8
        if any(column.null_count for column in batch.columns):
            raise pa.ArrowInvalid("the columns have gaps")
        texts += sum(map(_unpacked, batch.columns))
        if most_bytes is not None and texts > most_bytes:
            raise TooLarge(f"its texts are more than {most_bytes} bytes long")
        yield pa.RecordBatch.from_arrays([_plain(column) for column in batch.columns], names=batch.schema.names)


class TooLarge(pa.ArrowInvalid):
    """A file would take more memory than a list of its size can need."""


class TooMany(pa.ArrowInvalid):
    """A file has more rows than the list's head counts."""


def _packed_columns(file: BinaryIO, schema: pa.Schema, most_bytes: int) -> list[str]:
    """The columns to be read as numbers of a dictionary: those with long texts there, which rows could repeat. Raises TooLarge."""
    try:
        pages = list(pages_of(file, len(schema)))
        claimed = sum(page.unpacked for page in pages)
        if claimed > most_bytes:
            raise TooLarge(f"its pages unpack to {claimed} bytes")
        long = {page.column for page in pages if page.dictionary and page.longest_text(file) > _SHORT}
    except BadPages as error:
        raise pa.ArrowInvalid(str(error)) from error
    return [schema.names[number] for number in sorted(long)]


def _unpacked(column: pa.StringArray | pa.DictionaryArray) -> int:
    """Bytes of its texts once each row has its own."""
    if pa.types.is_dictionary(column.type):
        return int(_lengths(column.dictionary.cast(pa.string()))[column.indices.to_numpy()].sum())
    return len(_text(column))


def _plain(column: pa.StringArray | pa.DictionaryArray) -> pa.StringArray:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _codes(column: pa.StringArray, words: list[KeyKind] | list[ChangeOp]) -> NDArray[np.int8]:
    encoded = column.dictionary_encode()
    known = {word.value: code for code, word in enumerate(words)}
    for text in encoded.dictionary.to_pylist():
        if text not in known:
            raise UnknownWord(repr(text))
    codes = np.array([known[text] for text in encoded.dictionary.to_pylist()], dtype=np.int8)
    return codes[encoded.indices.to_numpy()]


def _refuse_malformed(kinds: NDArray[np.int8], keys: pa.StringArray, pdqs: pa.StringArray) -> None:
    """Judges whole columns; only where something is wrong, row by row, as `Entry` names what it is. Raises BadEntry."""
    demanded, found = _KEY_LENGTH[kinds], _lengths(keys)
    by_length = np.where(demanded == 0, found > 0, found == demanded) & (_lengths(pdqs) == np.where(kinds == PHASH, 64, 0))
    digests = keys.filter(pa.array(demanded > 0))
    if not (by_length.all() and _IS_HEX[_text(digests)].all() and _IS_HEX[_text(pdqs)].all()):
        for kind, key, pdq in zip(kinds, keys.to_pylist(), pdqs.to_pylist(), strict=True):
            Entry(KINDS[kind], key, pdq)


def _offsets(column: pa.StringArray) -> NDArray[np.int32]:
    return np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset : column.offset + len(column) + 1]


def _lengths(column: pa.StringArray) -> NDArray[np.int32]:
    return np.diff(_offsets(column)) if len(column) else np.empty(0, dtype=np.int32)


def _text(column: pa.StringArray) -> NDArray[np.uint8]:
    data = column.buffers()[2]
    if len(column) == 0 or data is None:
        return np.empty(0, dtype=np.uint8)
    return np.frombuffer(data, dtype=np.uint8)[_offsets(column)[0] : _offsets(column)[-1]]


def write_rows(
    ops: NDArray[np.int8] | None, kinds: NDArray[np.int8], offsets: NDArray[np.int64], text: NDArray[np.uint8], pdqs: NDArray[np.uint8]
) -> bytes:
    """Parquet bytes of entries (`ops` None) or of a delta. pdqs: (p, 32), one for each phash row."""
    schema = ENTRY_SCHEMA if ops is None else DELTA_SCHEMA
    sink = pa.BufferOutputStream()
    hashes = np.concatenate([[0], np.cumsum(kinds == PHASH)])  # how many phash rows there are before each row
    with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=["op", "kind", "pdq"]) as writer:
        for start in range(0, len(kinds), _GROUP):
            stop = min(start + _GROUP, len(kinds))
            columns = [] if ops is None else [_words(ops[start:stop], OPS)]
            columns += [_words(kinds[start:stop], KINDS), _slice(offsets[start : stop + 1], text)]
            spelt = np.frombuffer(pdqs[hashes[start] : hashes[stop]].tobytes().hex().encode(), dtype=np.uint8)
            columns.append(_slice(64 * (hashes[start : stop + 1] - hashes[start]), spelt))
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return sink.getvalue().to_pybytes()


def _words(codes: NDArray[np.int8], words: list[KeyKind] | list[ChangeOp]) -> pa.StringArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([word.value for word in words])).cast(pa.string())


def _slice(offsets: NDArray[np.int64], text: NDArray[np.uint8]) -> pa.StringArray:
    """A slice of large text as text with 32-bit offsets, which is what the format's column type is in Arrow."""
    piece = text[offsets[0] : offsets[-1]]
    places = (offsets - offsets[0]).astype(np.int32)
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(places), pa.py_buffer(piece))

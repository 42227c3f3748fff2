"""The columns of a manifest that entries speak about, brought to one form each."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demur.errors import DemurError
from demur.exclusions.entries import KeyKind

TEXT_KINDS = (KeyKind.UID, KeyKind.SHA256, KeyKind.URL, KeyKind.OWNER)
PERCEPTUAL_COLUMNS = ("phash", "pdq", "pdq_quality")


class NoKeyColumn(DemurError):
    """The table has no column by which a list could exclude anything."""


class BadKeyColumn(DemurError):
    """A column that entries speak about has a type that cannot be compared with them."""


def text_column(table: pa.Table, kind: KeyKind) -> pa.StringArray | pa.LargeStringArray | None:
    """The column of a kind as one array of text, or None when the table has none; digests in lower case. Raises BadKeyColumn."""
    column = _column(table, kind.value)
    if column is None:
        return None
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (_is_text(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise BadKeyColumn(f"the column {kind.value} holds {column.type}, which cannot be compared with the list's text keys")
    one_array = column.num_chunks == 1 and pa.types.is_string(column.type)
    text = column.chunk(0) if one_array else column.cast(pa.large_string()).combine_chunks()  # 32-bit offsets end at 2 GiB of text
    return pc.ascii_lower(text) if kind is KeyKind.SHA256 else text


def number_column(table: pa.Table, kind: KeyKind) -> pa.Int64Array | None:
    """The column of a kind of text keys as one array of whole numbers, or None when it holds anything else. Raises BadKeyColumn."""
    column = _column(table, kind.value) if kind in TEXT_KINDS else None
    if column is None or not pa.types.is_integer(column.type):
        return None
    try:
        return column.cast(pa.int64()).combine_chunks()
    except pa.ArrowInvalid:  # too large
        return None


def perceptual_columns(table: pa.Table) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint8]] | None:
    """phash (n,) uint64, pdq (n, 4) uint64, quality (n,) uint8, or None when one of the columns is missing.

    Quality is 0 where any of the three is null: such a row has no near duplicates. Raises BadKeyColumn.
    """
    found = [_column(table, name) for name in PERCEPTUAL_COLUMNS]
    columns = [column.combine_chunks() for column in found if column is not None]
    if len(columns) < len(PERCEPTUAL_COLUMNS):
        return None
    phash, pdq, quality = columns
    try:
        phash = phash.view(pa.uint64()) if phash.type == pa.int64() else phash.cast(pa.uint64())
        pdq, quality = pdq.cast(pa.binary(32)), quality.cast(pa.uint8())
    except pa.ArrowException as error:
        raise BadKeyColumn(f"the columns phash, pdq and pdq_quality are not perceptual hashes: {error}") from error
    known = pc.and_(pc.and_(phash.is_valid(), pdq.is_valid()), quality.is_valid()).to_numpy(zero_copy_only=False)
    words = np.frombuffer(pdq.buffers()[1], dtype="<u8", count=4 * len(pdq), offset=32 * pdq.offset).reshape(-1, 4)
    return phash.fill_null(0).to_numpy(), words, np.where(known, quality.fill_null(0).to_numpy(), 0).astype(np.uint8)


def _column(table: pa.Table, name: str) -> pa.ChunkedArray | None:
    positions = table.schema.get_all_field_indices(name)
    if len(positions) > 1:
        raise BadKeyColumn(f"the table has {len(positions)} columns named {name}")
    if not positions:
        return None
    return table.column(positions[0])


def _is_text(kind: Any) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)

"""The key columns: one for each kind of key that a list excludes by, three for near duplicates."""

from functools import partial

import pyarrow as pa

from demur.exclusions.columns import spellings, whole
from demur.exclusions.columns.column import NUMBERS, TEXT_OR_OCTETS, WIDE_NUMBERS, KeyColumn
from demur.exclusions.entries import KeyKind

TEXT_KINDS = (KeyKind.UID, KeyKind.SHA256, KeyKind.URL, KeyKind.OWNER)
PERCEPTUAL_COLUMNS = ("phash", "pdq", "pdq_quality")
PATHS = ("path", "file_name")
"""A row without a uid is named by the path of its picture."""

_UID = ("uid", "key", "id", "sample_id")
_OWNER = ("owner", "user", "user_id", "account")

KEY_COLUMNS = {
    column.name: column
    for column in (
        KeyColumn(
            "uid",
            (*_UID, *PATHS),
            (*TEXT_OR_OCTETS, *NUMBERS),
            pa.string(),
            partial(whole.identifiers, "uid"),
            partial(spellings.identifier, "uid"),
        ),
        KeyColumn("sha256", ("sha256",), TEXT_OR_OCTETS, pa.string(), whole.sha256, spellings.sha256),
        KeyColumn(
            "url",
            ("url", "image_url"),
            (*TEXT_OR_OCTETS, *NUMBERS),
            pa.string(),
            partial(whole.addresses, "url"),
            partial(spellings.address, "url"),
        ),
        KeyColumn(
            "owner",
            _OWNER,
            (*TEXT_OR_OCTETS, *NUMBERS),
            pa.string(),
            partial(whole.identifiers, "owner"),
            partial(spellings.identifier, "owner"),
        ),
        KeyColumn("phash", ("phash",), (*TEXT_OR_OCTETS, *WIDE_NUMBERS), pa.uint64(), whole.phash, spellings.phash),
        KeyColumn("pdq", ("pdq",), TEXT_OR_OCTETS, pa.binary(32), whole.pdq, spellings.pdq),
        KeyColumn("pdq_quality", ("pdq_quality",), (*TEXT_OR_OCTETS, *NUMBERS), pa.uint8(), whole.quality, spellings.quality),
    )
}
"""Our name → how the column is found and read."""

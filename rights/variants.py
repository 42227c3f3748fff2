"""How the variants of a picture are kept: in an opt-out's column, and in the token of a lookup on its way through forms.

Layout, numbers unsigned and big-endian: one byte 1, the layout's number; one byte, how many names of edits follow; each name as one
byte of length and ASCII; then 43 bytes a variant: number of its edit's name, dihedral, quality, phash (8 bytes), PDQ (32 bytes).
The names stand in the value itself, so that what was stored still says what it is when a later version drops or renames an edit.
"""

from collections.abc import Sequence

import numpy as np

from demur.errors import DemurError
from demur.similarity.query import Variant

LAYOUT = 1
_RECORD = np.dtype([("edit", "u1"), ("dihedral", "u1"), ("quality", "u1"), ("phash", ">u8"), ("pdq", "u1", 32)])


class UnknownLayout(DemurError):
    """The stored variants were not written by this version, or are damaged."""


def pack(variants: Sequence[Variant]) -> bytes:
    """``variants`` in the layout above."""
    names = list(dict.fromkeys(variant.edit for variant in variants))
    records = np.zeros(len(variants), _RECORD)
    for record, variant in zip(records, variants, strict=True):
        record["edit"], record["dihedral"], record["quality"] = names.index(variant.edit), variant.dihedral, variant.quality
        record["phash"], record["pdq"] = variant.phash, np.frombuffer(variant.pdq, np.uint8)
    return bytes([LAYOUT, len(names)]) + b"".join(bytes([len(name)]) + name.encode("ascii") for name in names) + records.tobytes()


def unpack(data: bytes) -> tuple[Variant, ...]:
    """What was packed. Raises UnknownLayout."""
    try:
        names, rest = _names(data)
        records = np.frombuffer(rest, _RECORD)
        return tuple(
            Variant(names[edit], int(dihedral), int(phash), pdq.tobytes(), int(quality)) for edit, dihedral, quality, phash, pdq in records
        )
    except (ValueError, IndexError) as error:
        raise UnknownLayout("these stored hashes of a picture were not written by this version, or are damaged") from error


def _names(data: bytes) -> tuple[list[str], bytes]:
    """The names of the edits, and what follows them."""
    if data[0] != LAYOUT:
        raise ValueError(data[0])
    names, at = [], 2
    for _ in range(data[1]):
        end = at + 1 + data[at]
        if end > len(data):
            raise ValueError(end)
        names.append(data[at + 1 : end].decode("ascii"))
        at = end
    return names, data[at:]

"""Finds rows whose uid came before, over a whole manifest, by 64-bit digests: 8 bytes of memory a row.

Only rows whose digest occurs twice are candidates, and only candidates' uids are compared, so two uids that share a digest both stay.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from demur.manifests.digest_table import U64

Ordinals = npt.NDArray[np.int64]


def repeated(digests: Sequence[U64]) -> U64:
    """The digests that occur more than once, ascending."""
    everything = np.sort(np.concatenate(digests)) if digests else np.empty(0, dtype=np.uint64)
    return np.unique(everything[1:][everything[1:] == everything[:-1]])


def later_copies(rows: Iterable[pa.RecordBatch], suspect: U64) -> tuple[Ordinals, list[str]]:
    """The rows to drop, by ascending ordinal, with the uid of each: every row of a uid but the one with the lowest ordinal.

    Args:
        rows: batches with `uid`, `digest` (u8) and `ordinal` (i8: the row's place in the manifest).
        suspect: the digests that `repeated` found.
    """
    if not len(suspect):
        return np.empty(0, dtype=np.int64), []
    candidates = pa.Table.from_batches([batch.filter(pa.array(_is_in(batch["digest"].to_numpy(), suspect))) for batch in rows])
    candidates = candidates.select(["uid", "ordinal"]).sort_by([("uid", "ascending"), ("ordinal", "ascending")]).combine_chunks()
    uids = candidates["uid"].combine_chunks()
    copy_of_previous = np.zeros(len(uids), dtype=np.bool_)
    copy_of_previous[1:] = pa.compute.equal(uids.slice(1), uids.slice(0, len(uids) - 1)).to_numpy(zero_copy_only=False)
    dropped = candidates.filter(pa.array(copy_of_previous)).sort_by("ordinal")
    return dropped["ordinal"].to_numpy(), dropped["uid"].slice(0, 64).to_pylist()


def rows_of(rows: Iterable[pa.RecordBatch], digests: U64) -> tuple[Ordinals, list[str]]:
    """The rows whose uid has one of these digests, by ascending ordinal, with the uids of the first few.

    For uids that must not enter: should another uid share the digest (two in 10^19 pairs), its row stays out as well.
    """
    if not len(digests):
        return np.empty(0, dtype=np.int64), []
    found = pa.Table.from_batches([batch.filter(pa.array(_is_in(batch["digest"].to_numpy(), digests))) for batch in rows])
    found = found.sort_by("ordinal")
    return found["ordinal"].to_numpy(), found["uid"].slice(0, 64).to_pylist()


def _is_in(values: U64, ascending: U64) -> npt.NDArray[np.bool_]:
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: npt.NDArray[np.bool_] = ascending[places] == values
    return found

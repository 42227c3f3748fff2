"""Fills the fingerprint columns of rows that lack them and whose picture is at hand."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demur.manifests.fingerprints import Failure, FingerprintPool, Outcome
from demur.manifests.pictures import has_pictures
from demur.manifests.rejections import Rejections
from demur.manifests.schema import SCHEMA
from demur.similarity.fingerprint import Fingerprint

COMPUTED = ("sha256", "phash", "pdq", "pdq_quality", "width", "height")
"""A row that lacks one of the first four gets all six from its picture: digest and hashes are then of the bytes that training reads,
which are not those that a downloader re-encoded."""
NEEDED = COMPUTED[:4]


def complete(batch: pa.RecordBatch, pool: FingerprintPool, rejected: Rejections, advanced: Callable[[int], None]) -> pa.RecordBatch:
    """The batch with fingerprints, without the rows whose picture cannot be read."""
    lacking = _lacking(batch)
    places = np.flatnonzero(lacking)
    advanced(batch.num_rows - len(places))
    if not len(places):
        return batch
    shards, rows = batch["shard"].take(places).to_pylist(), batch["row"].take(places).to_pylist()
    outcomes = pool.compute(list(zip(shards, rows, strict=True)), advanced)
    for shard, row, outcome in zip(shards, rows, outcomes, strict=True):
        if isinstance(outcome, Failure):
            rejected.add(outcome.reason, [f"{shard}, row {row + 1}: {outcome.message}"])
    filled = _filled(batch, lacking, outcomes)
    readable = np.ones(batch.num_rows, dtype=np.bool_)
    readable[places] = [not isinstance(outcome, Failure) for outcome in outcomes]
    return filled.filter(pa.array(readable))


def _lacking(batch: pa.RecordBatch) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    lacking = np.zeros(batch.num_rows, dtype=np.bool_)
    for name in NEEDED:
        if batch[name].null_count:
            lacking |= batch[name].is_null().to_numpy(zero_copy_only=False)
    if lacking.any():
        shards = batch["shard"].dictionary_encode()
        at_hand = np.array([has_pictures(shard) for shard in shards.dictionary.to_pylist()], dtype=np.bool_)
        lacking &= at_hand[shards.indices.to_numpy()]
    return lacking


def _filled(batch: pa.RecordBatch, lacking: np.ndarray[tuple[int], np.dtype[np.bool_]], outcomes: list[Outcome]) -> pa.RecordBatch:
    found = [outcome if isinstance(outcome, Fingerprint) else None for outcome in outcomes]
    for name in COMPUTED:
        field = SCHEMA.field(name)
        values = pa.array([getattr(one, name) if one else None for one in found], field.type)
        column = pc.replace_with_mask(batch[name], pa.array(lacking), values)
        batch = batch.set_column(SCHEMA.get_field_index(name), field, column)
    return batch

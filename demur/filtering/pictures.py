"""Judges samples by their pictures themselves: the digest of the file as it is now, and how it looks in all eight orientations."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from demur.exclusions.entries import KeyKind
from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.filtering.report import FilterReport
from demur.similarity.fingerprint import Fingerprint, PictureError, fingerprint

_ORIENTATIONS = 8


def judge_seen(written: Judgement, pictures: Sequence[bytes], exclusions: ExclusionList, report: FilterReport) -> Judgement:
    """What is `written` about samples comes first, then their pictures, in the same order; b"" where a sample has none.

    Pictures that cannot be decoded are counted as unchecked: they are judged by what is written and by their digest only.
    """
    seen = _judge_pictures(pictures, exclusions, report)
    kinds = np.where(written.kinds >= 0, written.kinds, seen.kinds)
    return Judgement(kinds, tuple(kind for kind in written.not_applied if kind in seen.not_applied))


def _judge_pictures(pictures: Sequence[bytes], exclusions: ExclusionList, report: FilterReport) -> Judgement:
    by_digest = exclusions.judge(pa.table({"sha256": [hashlib.sha256(picture).hexdigest() for picture in pictures]}))
    if KeyKind.PHASH not in exclusions.head.counts:
        return by_digest
    fingerprints = [_fingerprint(picture) for picture in pictures]
    report.unchecked_pictures += fingerprints.count(None)
    by_look = exclusions.judge(_orientations(fingerprints)).kinds.reshape(-1, _ORIENTATIONS).max(axis=1)
    kinds = np.where(by_digest.kinds >= 0, by_digest.kinds, by_look)
    return Judgement(kinds, tuple(kind for kind in by_digest.not_applied if kind is not KeyKind.PHASH))


def _fingerprint(picture: bytes) -> Fingerprint | None:
    try:
        return fingerprint(picture)
    except PictureError:
        return None


def _orientations(fingerprints: list[Fingerprint | None]) -> pa.Table:
    """Eight rows a picture; rows without hashes for a picture that cannot be decoded."""
    nothing = (None,) * _ORIENTATIONS
    phashes = [phash for each in fingerprints for phash in (each.dihedral_phash if each else nothing)]
    pdqs = [pdq for each in fingerprints for pdq in (each.dihedral_pdq if each else nothing)]
    qualities = [each.pdq_quality if each else 0 for each in fingerprints for _ in range(_ORIENTATIONS)]
    return pa.table(
        {"phash": pa.array(phashes, pa.uint64()), "pdq": pa.array(pdqs, pa.binary(32)), "pdq_quality": pa.array(qualities, pa.uint8())}
    )

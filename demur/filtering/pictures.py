"""Judges samples by their pictures themselves: the digest of the file as it is now, and how it looks in all eight orientations."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from demur.errors import DemurError
from demur.exclusions.entries import KeyKind
from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.filtering.report import FilterReport
from demur.filtering.seeing import fingerprints
from demur.manifests.pictures import begins_as_picture
from demur.similarity.fingerprint import Fingerprint

_ORIENTATIONS = 8
_URL_SAFE = str.maketrans("-_", "+/")
_SHOWN = 160


class PictureGone(DemurError):
    """A row names a picture that cannot be read, so that nobody knows whether the list excludes it."""


def picture_files(value: object, read: Callable[[str], bytes]) -> list[bytes]:
    """The encoded pictures that a cell of a table holds: none, one or several.

    Args:
        value: bytes in any form, base64 text (also as a data: address), the path of a file, an Arrow Image struct, or a list of these.
        read: gives the file at a path; raises OSError or ValueError.

    Raises PictureGone.
    """
    match value:
        case None | "" | b"":
            return []
        case bytes() | bytearray() | memoryview():
            return [bytes(value)]
        case Mapping():
            return picture_files(value.get("bytes") or value.get("path"), read)
        case str():
            return [_base64(value) or _at_path(value, read)]
        case Sequence():
            return [file for each in value for file in picture_files(each, read)]
    raise PictureGone(f"a picture cannot be read out of a {type(value).__name__}")


def _base64(text: str) -> bytes:
    """The picture that a text spells; b"" where it spells none, as a path does, which can look like base64."""
    spelled = "".join(text.partition(";base64,")[2].split() if text.startswith("data:") else text.split())
    try:
        found = base64.b64decode(spelled.translate(_URL_SAFE) + "=" * (-len(spelled) % 4), validate=True)
    except ValueError:
        return b""
    return found if begins_as_picture(found) else b""


def _at_path(path: str, read: Callable[[str], bytes]) -> bytes:
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise PictureGone(f"its picture is gone: {path[:_SHOWN]!r}") from error


def judge_seen(written: Judgement, pictures: Sequence[Sequence[bytes]], exclusions: ExclusionList, report: FilterReport) -> Judgement:
    """What is `written` about samples comes first, then all pictures of each, in the same order: one that is excluded excludes its sample.

    Pictures that cannot be decoded are counted as unchecked: they are judged by what is written and by their digest only.
    """
    of_sample = np.repeat(np.arange(len(pictures)), [len(each) for each in pictures])
    seen = _judge_pictures([picture for each in pictures for picture in each], exclusions, report)
    kinds = np.full(len(pictures), -1, dtype=np.int8)
    np.maximum.at(kinds, of_sample, seen.kinds)
    not_applied = tuple(kind for kind in written.not_applied if kind in seen.not_applied)
    return replace(written, kinds=np.where(written.kinds >= 0, written.kinds, kinds), not_applied=not_applied)


def _judge_pictures(pictures: Sequence[bytes], exclusions: ExclusionList, report: FilterReport) -> Judgement:
    digests = pa.array([hashlib.sha256(picture).hexdigest() for picture in pictures], pa.string())
    by_digest = exclusions.judge(pa.table({"sha256": digests}))
    if KeyKind.PHASH not in exclusions.head.counts:
        return by_digest
    seen = fingerprints(pictures)
    report.unchecked_pictures += seen.count(None)
    by_look = exclusions.judge(_orientations(seen)).kinds.reshape(-1, _ORIENTATIONS).max(axis=1)
    kinds = np.where(by_digest.kinds >= 0, by_digest.kinds, by_look)
    return Judgement(kinds, tuple(kind for kind in by_digest.not_applied if kind is not KeyKind.PHASH))


def _orientations(seen: list[Fingerprint | None]) -> pa.Table:
    """Eight rows a picture; rows without hashes for a picture that cannot be decoded."""
    nothing = (None,) * _ORIENTATIONS
    phashes = [phash for each in seen for phash in (each.dihedral_phash if each else nothing)]
    pdqs = [pdq for each in seen for pdq in (each.dihedral_pdq if each else nothing)]
    qualities = [each.pdq_quality if each else 0 for each in seen for _ in range(_ORIENTATIONS)]
    return pa.table(
        {"phash": pa.array(phashes, pa.uint64()), "pdq": pa.array(pdqs, pa.binary(32)), "pdq_quality": pa.array(qualities, pa.uint8())}
    )

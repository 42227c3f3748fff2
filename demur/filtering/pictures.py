"""Judges samples by their pictures themselves: the digest of the file as it is now, and how it looks in all eight orientations."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demur.errors import DemurError
from demur.exclusions.columns.reading import faults_of
from demur.exclusions.entries import KeyKind
from demur.exclusions.matching import Judgement
from demur.exclusions.reader import ExclusionList
from demur.filtering.seeing import fingerprints
from demur.manifests.pictures import begins_as_picture
from demur.similarity.fingerprint import Fingerprint

PICTURES = frozenset({KeyKind.SHA256, KeyKind.PHASH})
"""Kinds of entries that say what a picture is, whatever it is called."""
NO_PICTURE = "no picture, while the list has pictures to compare"
"""Why a sample is unreadable of whose picture nothing is there: what was made of it may be in the sample."""
UNDECODED = "a picture that cannot be decoded, while the list has pictures to compare"
"""Why a sample is unreadable whose pictures cannot all be looked at."""
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


@dataclass(frozen=True)
class Held:
    """What a sample holds.

    Attributes:
        pictures: its picture files, which are looked at.
        others: its other files. Any of them may be a picture of a kind that we do not know, so their digests are compared, too.
        decoded: whether it holds what is no file any more, so that nothing is there to compare.
    """

    pictures: Sequence[bytes]
    others: Sequence[bytes] = ()
    decoded: bool = False


def judge_held(written: Judgement, samples: Sequence[Held], exclusions: ExclusionList) -> Judgement:
    """What is `written` about samples comes first, then all that each holds, in the same order. A sample that holds no picture is
    unreadable where the list has pictures to compare."""
    judgement = judge_seen(written, [each.pictures for each in samples], exclusions) if any(each.pictures for each in samples) else written
    if not PICTURES & exclusions.head.counts.keys():
        return judgement
    bare = {place: (NO_PICTURE, "") for place, each in enumerate(samples) if not each.pictures and not each.decoded}
    return replace(judgement.also(_by_digest([each.others for each in samples], exclusions)), faults=(*judgement.faults, *faults_of(bare)))


def judge_seen(written: Judgement, pictures: Sequence[Sequence[bytes]], exclusions: ExclusionList) -> Judgement:
    """What is `written` about samples comes first, then all pictures of each, in the same order: one that is excluded excludes its sample,
    and one that cannot be decoded makes it unreadable where the list has looks to compare."""
    seen = _judge_pictures([picture for each in pictures for picture in each], exclusions)
    return written.also(seen.grouped(_of_sample(pictures), len(pictures)))


def _by_digest(files: Sequence[Sequence[bytes]], exclusions: ExclusionList) -> Judgement:
    """Says nothing of samples that hold no such files."""
    found = _judge_digests([file for each in files for file in each], exclusions).grouped(_of_sample(files), len(files))
    return replace(found, not_applied=tuple(exclusions.head.counts), uncompared=np.ones(len(files), dtype=np.bool_))


def _of_sample(files: Sequence[Sequence[bytes]]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(files)), [len(each) for each in files])


def _judge_digests(files: Sequence[bytes], exclusions: ExclusionList) -> Judgement:
    digests = pa.array([hashlib.sha256(file).hexdigest() for file in files], pa.string())
    return exclusions.judge(pa.table({"sha256": digests}))


def _judge_pictures(pictures: Sequence[bytes], exclusions: ExclusionList) -> Judgement:
    by_digest = _judge_digests(pictures, exclusions)
    if KeyKind.PHASH not in exclusions.head.counts:
        return by_digest
    seen = fingerprints(pictures)
    by_look = exclusions.judge(_orientations(seen)).kinds.reshape(-1, _ORIENTATIONS).max(axis=1)
    kinds = np.where(by_digest.kinds >= 0, by_digest.kinds, by_look)
    undecoded = {position: (UNDECODED, "") for position, each in enumerate(seen) if each is None}
    return Judgement(kinds, tuple(kind for kind in by_digest.not_applied if kind is not KeyKind.PHASH), faults_of(undecoded))


def _orientations(seen: list[Fingerprint | None]) -> pa.Table:
    """Eight rows a picture; rows without hashes for a picture that cannot be decoded."""
    nothing = (None,) * _ORIENTATIONS
    phashes = [phash for each in seen for phash in (each.dihedral_phash if each else nothing)]
    pdqs = [pdq for each in seen for pdq in (each.dihedral_pdq if each else nothing)]
    qualities = [each.pdq_quality if each else 0 for each in seen for _ in range(_ORIENTATIONS)]
    return pa.table(
        {"phash": pa.array(phashes, pa.uint64()), "pdq": pa.array(pdqs, pa.binary(32)), "pdq_quality": pa.array(qualities, pa.uint8())}
    )

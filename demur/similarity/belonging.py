"""Whether hashes that somebody sends can all be of one picture.

The hashes of the eight orientations follow from one another (demur.similarity.orientations): each bit moves to another place and may be
inverted, and few bits differ from that, because the median shifts a little. An edit is less bound: a fifth of a picture cut off leaves
hashes as far from its own as a stranger's. But between the picture and its heaviest edit lie the lighter ones of the table, each a short
step from the next. So the variants of one picture hang together in a few *groups*, while those of unrelated pictures are as many groups as
pictures. The figures: docs/formats/fingerprint.md, section 7.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from demur.similarity.orientations import ORIENTATIONS, moved
from demur.similarity.query import Variant
from demur.similarity.rules import MIN_QUALITY

LINKED = 130
"""Two variants hang together when PDQ's distance and twice pHash's, turned back to one orientation, are at most this many bits. Of pairs
of different pictures one in two thousand is; of unrelated random bits none in a million (192 are expected, 11 the deviation)."""
MOST_GROUPS = 32
"""Of 1,227 pictures the variants of the worst one were 23 groups."""

Bits = npt.NDArray[np.uint8]
Distances = npt.NDArray[np.float32]


def groups(variants: Sequence[Variant]) -> int:
    """How many pictures these variants are of, as far as that can be told; those of too little texture, which match nothing, left out."""
    compared = [variant for variant in variants if variant.quality >= MIN_QUALITY]
    if not compared:
        return 1
    bits = _bits([(variant.phash, variant.pdq) for variant in compared])
    upright = _turned_back(bits, [variant.dihedral for variant in compared])
    return _parts(_distances(upright, upright))


def alike(pictures: Sequence[tuple[int, bytes]]) -> bool:
    """Whether pictures, each by its pHash and PDQ (32 bytes), hang together, whichever way each of them is turned."""
    if len(pictures) < 2:
        return True
    bits = _bits(pictures)
    nearest = [_distances(bits, _turned_back(bits, [dihedral] * len(bits))) for dihedral in range(len(ORIENTATIONS))]
    return _parts(np.minimum.reduce(nearest)) == 1


def _parts(distances: Distances) -> int:
    return int(connected_components(distances <= LINKED, directed=False, return_labels=False))


def _bits(hashes: Sequence[tuple[int, bytes]]) -> Bits:
    """Of each picture the 64 bits of its pHash twice, since each counts twice, and the 256 of its PDQ; each row by row."""
    small = np.array([phash for phash, _ in hashes], ">u8").view(np.uint8).reshape(-1, 8)
    large = np.frombuffer(b"".join(pdq for _, pdq in hashes), np.uint8).reshape(-1, 32)
    small, large = np.unpackbits(small, axis=1), np.unpackbits(large, axis=1)[:, ::-1]
    return np.concatenate([small, small, large], axis=1)


def _turned_back(bits: Bits, dihedrals: Sequence[int]) -> Bits:
    """The bits as they would be, had each picture stood upright."""
    places, inverted = _back()
    turns = np.asarray(dihedrals)
    upright: Bits = np.take_along_axis(bits, places[turns], axis=1) ^ inverted[turns]
    return upright


@cache
def _back() -> tuple[npt.NDArray[np.int64], Bits]:
    """Of each orientation and bit of the upright hashes: where it is in those of the orientation, and whether it is inverted there."""
    small, large = moved(8, lowest=0), moved(16, lowest=1)
    places = np.concatenate([small[0], small[0] + 64, large[0] + 128], axis=1)
    inverted = np.concatenate([small[1], small[1], large[1]], axis=1)
    back = np.argsort(places, axis=1)
    return back, np.take_along_axis(inverted, back, axis=1)


def _distances(one: Bits, other: Bits) -> Distances:
    """In how many bits they differ; sums this small are exact in 32-bit floats."""
    some, more = one.astype(np.float32), other.astype(np.float32)
    differing: Distances = some.sum(1)[:, None] + more.sum(1)[None, :] - 2 * some @ more.T
    return differing

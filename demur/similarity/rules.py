"""When two pictures count as the same (docs/adr/0007-search-under-edits.md). Pure: distances and qualities in, a kind of match out."""

from enum import StrEnum

PHASH_RADIUS = 10
"""Bits of 64 within which a picture is searched as it stands; also the bound of a proposed match."""
EDIT_RADIUS = 6
"""Bits of 64 within which a photo is searched mirrored, turned or under an edit. These are many, and each step outwards finds several times
as many rows that show something else; what they would find further out is one copy in two hundred."""
PDQ_CONFIRMED = 40
"""Bits of 256: no false match in 23 million pairs of different photos, 15 million of them with one galaxy among stars against another; the
nearest pair had 44 (docs/adr/0007-search-under-edits.md)."""
PDQ_PROPOSED = 80
"""Bits of 256: with phash ≤ 10, a few false matches in a million pairs. A person decides."""
MIN_QUALITY = 50
"""PDQ's quality is 0 to 100. Below this, perceptual hashes say nothing: every rule has a thousand times more false matches."""
QUALITY_FOR_EDITS = 100
"""Of a photo that is searched under edits. Nineteen photos of twenty have it; for the others a border says more than the photo does."""


class MatchKind(StrEnum):
    """How sure a match is: the same bytes, a confirmed near duplicate, or one to propose to a person."""

    EXACT = "exact"
    CONFIRMED = "confirmed"
    PROPOSED = "proposed"


def search_radius(edit: str, dihedral: int) -> int:
    """Bits of 64 within which a photo is searched under the edit of this name (empty for none), in this of its eight orientations."""
    return EDIT_RADIUS if edit or dihedral else PHASH_RADIUS


def comparable(quality: int, other: int) -> bool:
    """Whether both pictures have enough texture for their perceptual hashes to be compared."""
    return min(quality, other) >= MIN_QUALITY


def classify(*, same_bytes: bool, phash_distance: int, pdq_distance: int, quality: int, other_quality: int) -> MatchKind | None:
    """The kind of match between two pictures, or None. Distances are in bits, qualities are PDQ's."""
    if same_bytes:
        return MatchKind.EXACT
    if not comparable(quality, other_quality):
        return None
    if pdq_distance <= PDQ_CONFIRMED:
        return MatchKind.CONFIRMED
    if phash_distance <= PHASH_RADIUS and pdq_distance <= PDQ_PROPOSED:
        return MatchKind.PROPOSED
    return None

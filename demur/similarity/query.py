"""What a search for a picture asks: its digest, and the hashes of every way in which a copy of it may look."""

from dataclasses import dataclass

from demur.similarity.rules import MIN_QUALITY


@dataclass(frozen=True)
class Variant:
    """A picture after one edit (`edits`), in one of its eight orientations (`fingerprint.ORIENTATIONS[dihedral]`).

    `edit` is the edit's name, empty for the picture as it stands. `phash` has 64 bits, `pdq` 32 bytes, `quality` is PDQ's of the edited
    picture, 0 to 100.
    """

    edit: str
    dihedral: int
    phash: int
    pdq: bytes
    quality: int


@dataclass(frozen=True)
class Query:
    """Finds rows with this SHA-256 (hex), and near duplicates of any of the variants."""

    sha256: str
    variants: tuple[Variant, ...]

    @property
    def too_plain(self) -> bool:
        """Whether no variant has enough texture to be compared: only rows with this SHA-256 can be found."""
        return all(variant.quality < MIN_QUALITY for variant in self.variants)

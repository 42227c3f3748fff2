"""What differs between a picture that was looked up and the row that shows it, in words."""

from demur.similarity.rules import MatchKind
from rights.copies import Likeness
from rights.lookup import OwnMatch

_TURNED = (
    "",
    "turned a quarter to the left",
    "turned upside down",
    "turned a quarter to the right",
    "mirrored top to bottom",
    "mirrored",
    "mirrored and turned a quarter",
    "mirrored and turned a quarter",
)


def difference(match: OwnMatch) -> str:
    """For example ``A copy: cropped 8 % at the top, mirrored``."""
    if match.kind is MatchKind.EXACT:
        return "The same file"
    return f"{'A copy' if match.certain else 'Looks like it'}: {_ways(match.edit, match.dihedral)}"


def alike(likeness: Likeness) -> str:
    """For example ``cropped 8 % at the top, mirrored``."""
    if likeness.kind is MatchKind.EXACT:
        return "the same file"
    if likeness.edit is None or likeness.dihedral is None:
        return "a close copy"
    return _ways(likeness.edit, likeness.dihedral)


def _ways(edit: str, dihedral: int) -> str:
    return ", ".join([way for way in (edit, _TURNED[dihedral]) if way] or ["resized or saved again"])

"""What differs between a picture that was looked up and the row that shows it, in words."""

from demur.similarity.rules import MatchKind
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
    ways = [way for way in (match.edit, _TURNED[match.dihedral]) if way] or ["resized or saved again"]
    return f"{'A copy' if match.certain else 'Looks like it'}: {', '.join(ways)}"

"""A picture's fingerprint as a browser or a partner sends it, in place of the picture.

``{"version": "demur-2", "sha256": "<64 hex>", "width": 4000, "height": 3000, "variants": [{"edit": "", "dihedral": 0,
"phash": "<16 hex>", "pdq": "<64 hex>", "quality": 100}, …]}``. Nothing else is taken, so that a mistake is told and not searched for.
Hashes that cannot all be of one picture are refused (demur.similarity.belonging), and what hangs together loosely counts as several
lookups.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from demur.errors import DemurError
from demur.similarity.belonging import MOST_GROUPS, groups
from demur.similarity.decoding import MAX_PIXELS
from demur.similarity.edits import AS_IS_AND_MIRRORED, EDITS, TRIMMED
from demur.similarity.fingerprint import FINGERPRINT_VERSION, ORIENTATIONS
from demur.similarity.query import Query, Variant
from rights.optouts import Picture

_FIELDS = {"version", "sha256", "width", "height", "variants"}
_VARIANT_FIELDS = {"edit", "dihedral", "phash", "pdq", "quality"}
_DIGEST, _PHASH = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{16}")
_EDITS = frozenset({"", TRIMMED, *(edit.name for edit in EDITS)})
MAX_FINGERPRINT_BYTES = 200_000
GROUPS_PER_LOOKUP = 4
"""Groups of variants that count as one lookup: nine pictures of ten have no more."""
MAX_VARIANTS = 2 * len(ORIENTATIONS) + len(AS_IS_AND_MIRRORED) * len(EDITS)


class BadFingerprint(DemurError):
    """What was sent is no fingerprint of the form above."""


class OtherFingerprintVersion(BadFingerprint):
    """The fingerprint was taken by another decode path, so that its hashes cannot be compared with ours."""


def parse_fingerprint(text: str | bytes) -> Picture:
    """The picture that a fingerprint is of. Raises BadFingerprint, OtherFingerprintVersion."""
    _require(len(text) <= MAX_FINGERPRINT_BYTES, f"it takes at most {MAX_FINGERPRINT_BYTES} bytes")
    try:
        sent = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFingerprint("The fingerprint is not JSON.") from error
    if not isinstance(sent, dict):
        raise BadFingerprint("The fingerprint is not a JSON object.")
    if sent.get("version") != FINGERPRINT_VERSION:
        raise OtherFingerprintVersion(
            f"Fingerprints of the version {FINGERPRINT_VERSION} are compared here. Reload the page, or send the picture."
        )
    _require(set(sent) == _FIELDS, f"a fingerprint has exactly the fields {', '.join(sorted(_FIELDS))}")
    _require(_is_text(sent["sha256"], _DIGEST), "sha256 is 64 hexadecimal digits in small letters")
    width, height = sent["width"], sent["height"]
    _require(_is_number(width, 1, MAX_PIXELS) and _is_number(height, 1, MAX_PIXELS), "width and height are pixels")
    return Picture(Query(sent["sha256"], _variants(sent["variants"])), width, height)


def lookups_asked(text: str | bytes) -> int:
    """For how many lookups a fingerprint counts; one for what is refused."""
    try:
        return math.ceil(groups(parse_fingerprint(text).query.variants) / GROUPS_PER_LOOKUP)
    except BadFingerprint:
        return 1


def _variants(sent: Any) -> tuple[Variant, ...]:
    _require(isinstance(sent, list) and 0 < len(sent) <= MAX_VARIANTS, f"variants are 1 to {MAX_VARIANTS}")
    variants = tuple(_variant(one) for one in sent)
    places = [(variant.edit, variant.dihedral) for variant in variants]
    _require(len(set(places)) == len(places), "each variant stands once")
    _require(places[0] == ("", 0), "the first variant is the picture as it stands")
    _require(groups(variants) <= MOST_GROUPS, "its variants are of one picture")
    return variants


def _variant(sent: Any) -> Variant:
    _require(isinstance(sent, Mapping) and set(sent) == _VARIANT_FIELDS, f"a variant has exactly {', '.join(sorted(_VARIANT_FIELDS))}")
    _require(isinstance(sent["edit"], str) and sent["edit"] in _EDITS, "edit is one that this version knows")
    _require(_is_number(sent["dihedral"], 0, len(ORIENTATIONS) - 1), "dihedral is 0 to 7")
    whole = sent["edit"] in ("", TRIMMED)
    _require(whole or sent["dihedral"] in AS_IS_AND_MIRRORED, "an edit stands as it is (0) or mirrored (5)")
    _require(_is_text(sent["phash"], _PHASH), "phash is 16 hexadecimal digits in small letters")
    _require(_is_text(sent["pdq"], _DIGEST), "pdq is 64 hexadecimal digits in small letters")
    _require(_is_number(sent["quality"], 0, 100), "quality is 0 to 100")
    return Variant(sent["edit"], sent["dihedral"], int(sent["phash"], 16), bytes.fromhex(sent["pdq"]), sent["quality"])


def _is_text(value: Any, form: re.Pattern[str]) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _is_number(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise BadFingerprint(f"The fingerprint is not as it should be: {rule}.")

"""Pictures as a lookup sees them."""

import hashlib
from dataclasses import asdict
from typing import Any

from demur.similarity.edits import variants
from demur.similarity.fingerprint import FINGERPRINT_VERSION, decode
from demur.similarity.query import Query
from rights.optouts import Picture


def picture_of(data: bytes) -> Picture:
    """As when the file itself was sent."""
    luma, (width, height) = decode(data)
    return Picture(Query(hashlib.sha256(data).hexdigest(), variants(luma)), width, height, decoded=True)


def fingerprint_of(data: bytes) -> dict[str, Any]:
    """As a browser sends it."""
    picture = picture_of(data)
    variants = [asdict(variant) | {"phash": f"{variant.phash:016x}", "pdq": variant.pdq.hex()} for variant in picture.query.variants]
    size = {"width": picture.width, "height": picture.height}
    return {"version": FINGERPRINT_VERSION, "sha256": picture.query.sha256, **size, "variants": variants}

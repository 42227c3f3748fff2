"""A browser as a device that takes fingerprints: bytes and planes go into its page, and what the modules of static/hash say comes out."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from demur.similarity.edits import variants
from demur.similarity.fingerprint import decode
from demur.similarity.query import Query, Variant
from portal.fingerprints import parse_fingerprint
from rights.optouts import Picture

_FILE = "(text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))"
_FINGERPRINT = f"""async (text) => {{
  const {{ fingerprintFile, CannotDecode }} = await import("/static/hash/fingerprint.js");
  try {{ return await fingerprintFile(new Blob([({_FILE})(text)])); }}
  catch (error) {{ if (error instanceof CannotDecode) return {{ reason: error.reason, message: error.message }}; throw error; }}
}}"""
_VARIANTS = f"""async ([width, height, text]) => {{
  const {{ variants }} = await import("/static/hash/edits.js");
  return variants({{ width, height, data: ({_FILE})(text) }});
}}"""


class NotFingerprinted(Exception):
    """The page threw CannotDecode; the message is its reason."""


@dataclass(frozen=True)
class Device:
    page: Page

    def fingerprint(self, data: bytes) -> Picture:
        """Of a file, in the page. Raises NotFingerprinted."""
        said = self.page.evaluate(_FINGERPRINT, text(data))
        if "reason" in said:
            raise NotFingerprinted(said["reason"])
        return parse_fingerprint(json.dumps(said))

    def variants(self, luma: Image.Image) -> tuple[Variant, ...]:
        """Of a plane of mode "L"."""
        return tuple(_variant(one) for one in self.page.evaluate(_VARIANTS, [*luma.size, text(luma.tobytes())]))


def on_the_server(data: bytes) -> Picture:
    luma, (width, height) = decode(data)
    return Picture(Query(hashlib.sha256(data).hexdigest(), variants(luma)), width, height)


def distances(one: Picture, other: Picture) -> tuple[int, int]:
    """Bits between two pictures as they stand: (pHash, PDQ)."""
    mine, theirs = one.query.variants[0], other.query.variants[0]
    return bits(mine.phash.to_bytes(8, "big"), theirs.phash.to_bytes(8, "big")), bits(mine.pdq, theirs.pdq)


def bits(one: bytes, other: bytes) -> int:
    """By how many they differ."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def text(data: bytes) -> str:
    """Bytes on their way into a page."""
    return base64.b64encode(data).decode()


def _variant(said: dict[str, Any]) -> Variant:
    return Variant(said["edit"], said["dihedral"], int(said["phash"], 16), bytes.fromhex(said["pdq"]), said["quality"])

"""What is known of a picture: its digest and perceptual hashes, as opt-outs and catalogues keep them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demur.exclusions import Entry, KeyKind
from demur.similarity.fingerprint import Fingerprint
from demur.similarity.rules import MIN_QUALITY
from demur.similarity.search import Query, StoredFingerprint
from models import OptOut

ROW_COLUMNS = ("sha256", "phash", "pdq", "pdq_quality")
NO_DIGEST = "0" * 64  # asked for where a row came without its digest; no file has it


@dataclass(frozen=True)
class Hashes:
    """``sha256`` and ``pdq`` are 64 hex digits, ``phash`` 16. ``dihedral`` has phash and pdq of each of the eight orientations as 80 hex
    digits, or nothing when the picture itself was not at hand."""

    sha256: str | None = None
    phash: str | None = None
    pdq: str | None = None
    pdq_quality: int | None = None
    dihedral: tuple[str, ...] = ()

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Hashes":
        """From the columns ROW_COLUMNS of a manifest row."""
        phash, pdq = row["phash"], row["pdq"]
        return cls(row["sha256"], None if phash is None else f"{phash:016x}", None if pdq is None else pdq.hex(), row["pdq_quality"])

    @classmethod
    def of_picture(cls, fingerprint: Fingerprint) -> "Hashes":
        turned = zip(fingerprint.dihedral_phash, fingerprint.dihedral_pdq, strict=True)
        return cls(
            fingerprint.sha256,
            f"{fingerprint.phash:016x}",
            fingerprint.pdq.hex(),
            fingerprint.pdq_quality,
            tuple(f"{phash:016x}{pdq.hex()}" for phash, pdq in turned),
        )

    @classmethod
    def of_opt_out(cls, opt_out: OptOut) -> "Hashes":
        return cls(opt_out.sha256, opt_out.phash, opt_out.pdq, opt_out.pdq_quality, tuple(opt_out.dihedral))

    @property
    def known(self) -> bool:
        return self.sha256 is not None or self.phash is not None

    @property
    def identity(self) -> str:
        """Equal for the same picture; empty when nothing is known."""
        return self.sha256 or f"{self.phash or ''}{self.pdq or ''}"

    def columns(self) -> dict[str, Any]:
        """As columns of an opt-out."""
        return {
            "sha256": self.sha256,
            "phash": self.phash,
            "pdq": self.pdq,
            "pdq_quality": self.pdq_quality,
            "dihedral": list(self.dihedral),
        }

    def query(self) -> Query:
        """What to search catalogues by. Without perceptual hashes the quality is 0, so that only the digest counts."""
        comparable = self.phash is not None and self.pdq is not None
        sha256 = self.sha256 or NO_DIGEST
        phash, pdq = int(self.phash or "0", 16), bytes.fromhex(self.pdq or NO_DIGEST)
        quality = (self.pdq_quality or 0) if comparable else 0
        if not self.dihedral:
            return StoredFingerprint(sha256, phash, pdq, quality)
        phashes = tuple(int(turned[:16], 16) for turned in self.dihedral)
        pdqs = tuple(bytes.fromhex(turned[16:]) for turned in self.dihedral)
        return Fingerprint(sha256, phash, pdq, quality, 0, 0, phashes, pdqs)  # a picture's size plays no part in a search

    def entries(self, *, near: bool) -> list[Entry]:
        """The list entries that exclude this picture: by its bytes and, if ``near`` and it has texture enough, by its looks."""
        entries = [Entry(KeyKind.SHA256, self.sha256)] if self.sha256 else []
        if near and self.phash and self.pdq and (self.pdq_quality or 0) >= MIN_QUALITY:
            entries.append(Entry(KeyKind.PHASH, self.phash, self.pdq))
        return entries

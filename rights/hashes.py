"""What is known of a picture: its digest and perceptual hashes, as opt-outs and catalogues keep them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demur.exclusions import Entry, KeyKind
from demur.similarity.query import Query, Variant
from demur.similarity.rules import MIN_QUALITY
from models import OptOut
from rights.variants import pack, unpack

ROW_COLUMNS = ("sha256", "phash", "pdq", "pdq_quality")
NO_DIGEST = "0" * 64  # asked for where a row came without its digest; no file has it


@dataclass(frozen=True)
class Hashes:
    """``sha256`` and ``pdq`` are 64 hex digits, ``phash`` 16. ``variants``: the hashes of every way in which a copy may look, or nothing
    when the picture itself was not at hand."""

    sha256: str | None = None
    phash: str | None = None
    pdq: str | None = None
    pdq_quality: int | None = None
    variants: tuple[Variant, ...] = ()

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Hashes":
        """From the columns ROW_COLUMNS of a manifest row."""
        phash, pdq = row["phash"], row["pdq"]
        return cls(row["sha256"], None if phash is None else f"{phash:016x}", None if pdq is None else pdq.hex(), row["pdq_quality"])

    @classmethod
    def of_picture(cls, query: Query) -> "Hashes":
        """Of a picture that was at hand: its first variant is the picture as it stands."""
        upright = query.variants[0]
        return cls(query.sha256, f"{upright.phash:016x}", upright.pdq.hex(), upright.quality, query.variants)

    @classmethod
    def of_opt_out(cls, opt_out: OptOut) -> "Hashes":
        """Reads the deferred column of variants: load it with the rows where there are many."""
        variants = unpack(opt_out.variants) if opt_out.variants else ()
        return cls(opt_out.sha256, opt_out.phash, opt_out.pdq, opt_out.pdq_quality, variants)

    @property
    def known(self) -> bool:
        return self.sha256 is not None or self.phash is not None

    @property
    def identity(self) -> str:
        """Equal for the same picture; empty when nothing is known."""
        return self.sha256 or f"{self.phash or ''}{self.pdq or ''}"

    @property
    def looks(self) -> tuple[int, bytes] | None:
        """pHash and PDQ of a picture with texture enough to be compared."""
        if self.phash is None or self.pdq is None or (self.pdq_quality or 0) < MIN_QUALITY:
            return None
        return int(self.phash, 16), bytes.fromhex(self.pdq)

    def columns(self) -> dict[str, Any]:
        """As columns of an opt-out."""
        return {
            "sha256": self.sha256,
            "phash": self.phash,
            "pdq": self.pdq,
            "pdq_quality": self.pdq_quality,
            "variants": pack(self.variants) if self.variants else None,
        }

    def query(self) -> Query:
        """What to search catalogues by. Without perceptual hashes there are no variants, so that only the digest counts."""
        if self.variants or self.phash is None or self.pdq is None:
            return Query(self.sha256 or NO_DIGEST, self.variants)
        as_listed = Variant("", 0, int(self.phash, 16), bytes.fromhex(self.pdq), self.pdq_quality or 0)
        return Query(self.sha256 or NO_DIGEST, (as_listed,))

    def entries(self, *, near: bool) -> list[Entry]:
        """The list entries that exclude this picture: by its bytes and, if ``near`` and it has texture enough, by its looks."""
        entries = [Entry(KeyKind.SHA256, self.sha256)] if self.sha256 else []
        if near and self.phash and self.pdq and (self.pdq_quality or 0) >= MIN_QUALITY:
            entries.append(Entry(KeyKind.PHASH, self.phash, self.pdq))
        return entries

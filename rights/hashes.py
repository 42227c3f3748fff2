"""Fingerprints as opt-outs keep them: hex text, from a catalogue's row or from a picture itself."""

from collections.abc import Mapping
from typing import Any

from demur.similarity.fingerprint import Fingerprint


def hashes_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of an opt-out from the columns sha256, phash, pdq and pdq_quality of a manifest row."""
    return {
        "sha256": row["sha256"],
        "phash": None if row["phash"] is None else f"{row['phash']:016x}",
        "pdq": None if row["pdq"] is None else row["pdq"].hex(),
        "pdq_quality": row["pdq_quality"],
        "dihedral": [],
    }


def hashes_of_picture(fingerprint: Fingerprint) -> dict[str, Any]:
    """Columns of an opt-out from a picture's own fingerprint, with all eight orientations."""
    return {
        "sha256": fingerprint.sha256,
        "phash": f"{fingerprint.phash:016x}",
        "pdq": fingerprint.pdq.hex(),
        "pdq_quality": fingerprint.pdq_quality,
        "dihedral": dihedral_of(fingerprint),
    }


def dihedral_of(fingerprint: Fingerprint) -> list[str]:
    """Each orientation's phash and pdq as 80 hex digits."""
    return [f"{phash:016x}{pdq.hex()}" for phash, pdq in zip(fingerprint.dihedral_phash, fingerprint.dihedral_pdq, strict=True)]

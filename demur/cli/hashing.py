"""`demur hash`: the fingerprints of pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from demur.cli.output import FILE, note, print_json


@click.command("hash")
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.pass_context
def hash_command(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """Print the fingerprint of each picture as one line of JSON: digest, phash, PDQ with quality, and all eight orientations.

    A file without a fingerprint is named on stderr with the reason, the others are hashed, and the exit code is 1.
    """
    from demur.similarity.fingerprint import PictureError

    failed = 0
    for file in files:
        try:
            print_json(_fields(file))
        except PictureError as error:
            failed = 1
            note(f"{file}: {error}")
    ctx.exit(failed)


def _fields(file: Path) -> dict[str, Any]:
    """Raises PictureError, OSError."""
    from demur.similarity.fingerprint import FINGERPRINT_VERSION, fingerprint

    found = fingerprint(file.read_bytes())
    return asdict(found) | {
        "file": str(file),
        "version": FINGERPRINT_VERSION,
        "phash": f"{found.phash:016x}",
        "pdq": found.pdq.hex(),
        "dihedral_phash": [f"{phash:016x}" for phash in found.dihedral_phash],
        "dihedral_pdq": [pdq.hex() for pdq in found.dihedral_pdq],
    }

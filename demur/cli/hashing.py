"""`demur hash`: the fingerprints of pictures."""

from dataclasses import asdict
from pathlib import Path

import click

from demur.cli.output import FILE, print_json


@click.command("hash")
@click.argument("files", nargs=-1, required=True, type=FILE)
def hash_command(files: tuple[Path, ...]) -> None:
    """Print the fingerprint of each picture as one line of JSON: digest, phash, PDQ with quality, and all eight orientations."""
    from demur.similarity.fingerprint import FINGERPRINT_VERSION, fingerprint

    for file in files:
        found = fingerprint(file.read_bytes())
        fields = asdict(found) | {
            "file": str(file),
            "version": FINGERPRINT_VERSION,
            "phash": f"{found.phash:016x}",
            "pdq": found.pdq.hex(),
            "dihedral_phash": [f"{phash:016x}" for phash in found.dihedral_phash],
            "dihedral_pdq": [pdq.hex() for pdq in found.dihedral_pdq],
        }
        print_json(fields)

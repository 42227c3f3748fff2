"""`demur hash`: the fingerprints of pictures."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.output import FILE, note, print_json
from demur.printing import printable

if TYPE_CHECKING:
    from demur.similarity.sandbox import Picture


@click.command("hash")
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--queries", type=FILE, help="Write a Parquet table of what a search for each picture asks, under every edit, instead.")
@click.option("--lookup", is_flag=True, help="Print what the API's /lookups takes, hashes under every edit included, instead.")
@click.pass_context
def hash_command(ctx: click.Context, files: tuple[Path, ...], queries: Path | None, lookup: bool) -> None:
    """Print the fingerprint of each picture as one line of JSON: digest, phash, PDQ with quality, and all eight orientations.

    A file without a fingerprint is named on stderr with the reason, the others are hashed, and the exit code is 1.
    """
    if queries and lookup:
        raise click.UsageError("--queries and --lookup are two forms of the same; choose one.")
    files = tuple(dict.fromkeys(files))
    done = _write_queries(files, queries) if queries else _print_each(files, _lookup if lookup else _fields, under_edits=lookup)
    ctx.exit(0 if done == len(files) else 1)


def _print_each(files: tuple[Path, ...], fields: "Callable[[Path, Picture], dict[str, Any]]", *, under_edits: bool) -> int:
    done = 0
    for file, picture in _of_each(files, under_edits=under_edits):
        print_json(fields(file, picture))
        done += 1
    return done


def _write_queries(files: tuple[Path, ...], target: Path) -> int:
    from demur.similarity.query_table import write_queries

    asked = {printable(str(file)): picture.query for file, picture in _of_each(files, under_edits=True)}
    write_queries(target, asked)
    return len(asked)


def _of_each(files: tuple[Path, ...], *, under_edits: bool) -> "Iterator[tuple[Path, Picture]]":
    """Each file that has a fingerprint, with its picture; of the others, the reason on stderr."""
    from demur.cli.pictures import read_pictures
    from demur.similarity.formats import PictureError

    for file, found in read_pictures(files, under_edits=under_edits):
        if isinstance(found, PictureError):
            note(f"{file}: {found}")
        else:
            yield file, found


def _fields(file: Path, picture: "Picture") -> dict[str, Any]:
    from demur.similarity.fingerprint import FINGERPRINT_VERSION

    found = picture.fingerprint
    return asdict(found) | {
        "file": str(file),
        "version": FINGERPRINT_VERSION,
        "phash": f"{found.phash:016x}",
        "pdq": found.pdq.hex(),
        "dihedral_phash": [f"{phash:016x}" for phash in found.dihedral_phash],
        "dihedral_pdq": [pdq.hex() for pdq in found.dihedral_pdq],
    }


def _lookup(_: Path, picture: "Picture") -> dict[str, Any]:
    from demur.similarity.fingerprint import FINGERPRINT_VERSION

    found = picture.fingerprint
    variants = [asdict(variant) | {"phash": f"{variant.phash:016x}", "pdq": variant.pdq.hex()} for variant in picture.variants]
    return {
        "version": FINGERPRINT_VERSION,
        "sha256": found.sha256,
        "width": found.width,
        "height": found.height,
        "variants": variants,
    }

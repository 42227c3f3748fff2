"""`demur hash`: the fingerprints of pictures."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from demur.cli.output import FILE, note, print_json
from demur.printing import printable

if TYPE_CHECKING:
    from demur.similarity.query import Query

T = TypeVar("T")


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
    done = _write_queries(files, queries) if queries else _print_each(files, _lookup if lookup else _fields)
    ctx.exit(0 if done == len(files) else 1)


def _print_each(files: tuple[Path, ...], work: Callable[[Path], dict[str, Any]]) -> int:
    done = 0
    for _, fields in _of_each(files, work):
        print_json(fields)
        done += 1
    return done


def _write_queries(files: tuple[Path, ...], target: Path) -> int:
    from demur.similarity.query_table import write_queries

    asked = {printable(str(file)): query for file, query in _of_each(files, _query)}
    write_queries(target, asked)
    return len(asked)


def _of_each(files: tuple[Path, ...], work: Callable[[Path], T]) -> Iterator[tuple[Path, T]]:
    """What `work` gives for each file that has a fingerprint; of the others, the reason on stderr."""
    from demur.similarity.fingerprint import PictureError

    for file in files:
        try:
            yield file, work(file)
        except PictureError as error:
            note(f"{file}: {error}")


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


def _lookup(file: Path) -> dict[str, Any]:
    """Raises PictureError, OSError."""
    from demur.similarity.fingerprint import FINGERPRINT_VERSION

    query, (width, height) = _asked(file)
    variants = [asdict(variant) | {"phash": f"{variant.phash:016x}", "pdq": variant.pdq.hex()} for variant in query.variants]
    return {"version": FINGERPRINT_VERSION, "sha256": query.sha256, "width": width, "height": height, "variants": variants}


def _query(file: Path) -> "Query":
    """Raises PictureError, OSError."""
    return _asked(file)[0]


def _asked(file: Path) -> "tuple[Query, tuple[int, int]]":
    """What a search for the picture asks, and its upright (width, height). Raises PictureError, OSError."""
    from demur.similarity.edits import variants
    from demur.similarity.fingerprint import decode
    from demur.similarity.query import Query

    data = file.read_bytes()
    luma, size = decode(data)
    return Query(hashlib.sha256(data).hexdigest(), variants(luma)), size

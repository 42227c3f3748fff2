"""`demur index`: a similarity index of one's own over any manifests, without a portal."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.output import FILE, json_option, note, print_json, progress

if TYPE_CHECKING:
    from demur.manifests.indexing import Unreadable
    from demur.similarity.index import Found, SimilarityIndex, SourceRows

    Brought = tuple[SourceRows, Unreadable]

INDEX = click.argument("path", metavar="INDEX", type=FILE)


def _row_range(value: str) -> slice:
    """`A:B`, rows A to B - 1 counted from 0; either may be left out. Raises BadParameter."""
    ends = value.split(":")
    if len(ends) != 2 or not all(end == "" or end.isdigit() for end in ends):
        raise click.BadParameter(f"a range of rows is written A:B, for example 0:1000000000, not {value}")
    return slice(*(int(end) if end else None for end in ends))


def _phash(value: str) -> int:
    """16 hex digits. Raises BadParameter."""
    if not re.fullmatch("[0-9a-fA-F]{16}", value):
        raise click.BadParameter(f"{value} is not 16 hex digits")
    return int(value, 16)


@click.group("index")
def index_group() -> None:
    """Find rows of manifests that look like a picture, by a similarity index."""


@index_group.command("build")
@INDEX
@click.argument("manifests", metavar="MANIFEST...", nargs=-1, required=True, type=FILE)
@click.option(
    "--rows", type=_row_range, metavar="A:B", default=":", help="Index rows A to B - 1 alone, of a single manifest: one shard of many."
)
@json_option
def build(path: Path, manifests: tuple[Path, ...], rows: slice, as_json: bool) -> None:
    """Make the index INDEX of these manifests: catalogues, or Parquet files with the columns phash and pdq_quality.

    Their names become the names of the index's sources. A build that was cut short is gone on with by the same command. Rows whose hashes
    cannot be read are left out, and told.
    """
    from demur.similarity.index import SimilarityIndex

    if rows != slice(None) and len(manifests) > 1:
        raise click.UsageError("--rows is for one manifest")
    brought = [_rows(manifest, rows) for manifest in manifests]
    wanted = [source for source, _ in brought]
    names = [source.source for source in wanted]
    if len(set(names)) < len(names):
        raise click.UsageError(f"two of these manifests have the same name: {', '.join(sorted(names))}")
    with _bar(f"Indexing {path.name}") as move:
        built = SimilarityIndex.build(path, lambda: wanted, move)
    _show(built, as_json, brought)


@index_group.command("add")
@INDEX
@click.argument("manifest", type=FILE)
@json_option
def add(path: Path, manifest: Path, as_json: bool) -> None:
    """Add MANIFEST, or replace the one of its name."""
    from demur.similarity.index import SimilarityIndex

    rows, unreadable = _rows(manifest, slice(None))
    with _bar(f"Indexing {rows.source}") as move:
        added = SimilarityIndex.open(path).add(rows.source, rows.batches, rows.rows, identity=rows.identity, progress=move)
    _show(added, as_json, [(rows, unreadable)])


@index_group.command("remove")
@INDEX
@click.argument("name")
@json_option
def remove(path: Path, name: str, as_json: bool) -> None:
    """Remove the manifest NAME. Its rows are found no longer; their space is free after `demur index compact`."""
    from demur.similarity.index import SimilarityIndex

    _show(SimilarityIndex.open(path).remove(name), as_json)


@index_group.command("compact")
@INDEX
@json_option
def compact(path: Path, as_json: bool) -> None:
    """Merge all tables into one, without rows that were removed."""
    from demur.similarity.index import SimilarityIndex

    with _bar(f"Compacting {path.name}") as move:
        compacted = SimilarityIndex.open(path).compact(move)
    _show(compacted, as_json)


@index_group.command("show")
@INDEX
@json_option
def show(path: Path, as_json: bool) -> None:
    """Show what INDEX holds."""
    from demur.similarity.index import SimilarityIndex

    _show(SimilarityIndex.open(path), as_json)


@index_group.command("verify")
@INDEX
@json_option
def verify(path: Path, as_json: bool) -> None:
    """Read all of INDEX and compare its digests."""
    from demur.similarity.index import SimilarityIndex

    index = SimilarityIndex.open(path)
    with _bar(f"Verifying {path.name}") as move:
        index.verify(move)
    if as_json:
        print_json({"verified": True, "generation": index.generation, "bytes": index.bytes_on_disk})
    else:
        click.echo(f"every file of {path} is as it was written")


@index_group.command("query")
@INDEX
@click.argument("pictures", nargs=-1, type=FILE)
@click.option("--phash", "phashes", multiple=True, type=_phash, metavar="HEX", help="Search for this hash, not pictures. Repeatable.")
@click.option("--radius", type=click.IntRange(0, 11), default=10, show_default=True, help="Bits that may differ.")
@click.option("--shard", "shards", multiple=True, type=FILE, help="Search this index too, of other rows of the same manifests. Repeatable.")
@json_option
def query(path: Path, pictures: tuple[Path, ...], phashes: tuple[int, ...], radius: int, shards: tuple[Path, ...], as_json: bool) -> None:
    """Find the rows whose phash is near that of PICTURES, under the edits that people make (or of the hashes given, as they stand).

    A near phash says that a row may show the picture. Whether it does, its PDQ tells, which stands in the manifest.
    """
    from demur.similarity.index import Shards, SimilarityIndex

    if bool(pictures) == bool(phashes):
        raise click.UsageError("give pictures, or hashes by --phash")
    index = Shards(tuple(SimilarityIndex.open(one) for one in (path, *shards)))
    asked = [*_variants(pictures)] + [[(phash, "", 0)] for phash in phashes]
    names = [*map(str, pictures), *(f"{phash:016x}" for phash in phashes)]
    for name, variants in zip(names, asked, strict=True):
        rows = _closest(index, variants, radius)
        if as_json:
            print_json({"query": name, "rows": rows})
        for row in () if as_json else rows:
            click.echo("\t".join(map(str, (name, *row.values()))))


Asked = tuple[int, str, int]  # phash, edit, orientation


def _variants(pictures: Sequence[Path]) -> Iterator[Sequence[Asked]]:
    """Raises PictureError, with the file's name; OSError, SandboxCannotStart."""
    from demur.cli.pictures import read_pictures
    from demur.similarity.formats import PictureError

    for file, found in read_pictures(pictures, under_edits=True) if pictures else ():
        if isinstance(found, PictureError):
            raise type(found)(f"{file}: {found}") from found
        yield [(variant.phash, variant.edit, variant.dihedral) for variant in found.variants]


def _closest(index: Any, asked: Sequence[Asked], radius: int) -> list[dict[str, Any]]:
    """Each row once, by the variant that came closest; the closest rows first."""
    import numpy as np

    from demur.similarity.rules import search_radius

    found: Found = index.query(np.array([phash for phash, _, _ in asked], dtype=np.uint64), radius)
    best: dict[tuple[str, int], tuple[int, int]] = {}
    hits = zip(found.queries.tolist(), found.sources.tolist(), found.positions.tolist(), found.distances.tolist(), strict=True)
    for number, source, position, distance in hits:
        row = (index.sources[source], position)
        if distance <= search_radius(*asked[number][1:]):
            best[row] = min(best.get(row, (distance, number)), (distance, number))
    return [
        {"source": source, "row": position, "distance": distance, "edit": asked[number][1], "dihedral": asked[number][2]}
        for (source, position), (distance, number) in sorted(best.items(), key=lambda item: (item[1][0], item[0]))
    ]


def _rows(manifest: Path, part: slice) -> "Brought":
    from demur.manifests import Catalogue
    from demur.manifests.indexing import Unreadable, catalogue_rows, table_rows

    unreadable = Unreadable()
    if manifest.is_dir():
        return catalogue_rows(Catalogue.open(manifest), manifest.resolve().name, part), unreadable
    return table_rows(manifest, manifest.stem, part, unreadable), unreadable


def _show(index: "SimilarityIndex", as_json: bool, brought: Sequence["Brought"] = ()) -> None:
    """What the index holds; and what could not be read of the manifests that were just brought."""
    facts = {
        "generation": index.generation,
        "hashes": index.rows,
        "bytes": index.bytes_on_disk,
        "segments": len(index.described.segments),
        "sources": {source.name: source.rows for source in index.described.sources},
    }
    unreadable = {source.source: count.rows for source, count in brought if count.rows}
    for name, rows in unreadable.items():
        note(f"{rows:,} rows of {name} are left out: their phash, PDQ or quality cannot be read")
    if as_json:
        print_json({**facts, "unreadable": unreadable} if brought else facts)
        return
    segments = len(index.described.segments)
    click.echo(f"{index.rows:,} hashes in {segments} segments, {index.bytes_on_disk:,} bytes")
    for source in index.described.sources:
        click.echo(f"  {source.name}: {source.rows:,} rows")


@contextmanager
def _bar(words: str) -> Iterator[Callable[[int, int], None]]:
    with progress() as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

"""`demur vectors`: which rows of a manifest's shards the list excludes, verified and written out for other loaders."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from demur.cli.keyrings import list_key_option
from demur.cli.output import FILE, json_option, print_json, progress
from demur.fields import rfc3339
from demur.signing import VerifyKey

if TYPE_CHECKING:
    from demur.vectors import DeletionVectors

_options: list[Callable[..., Any]] = [
    click.argument("vectors_source", metavar="URL_OR_DIR"),
    click.option("--manifest", required=True, metavar="NAME", help="The manifest, by the name it was registered under."),
    list_key_option,
    click.option("--token", envvar="DEMUR_TOKEN", help="API token for vectors over HTTP."),
    click.option("--state", type=FILE, help="File that remembers the newest version trusted of this manifest's vectors: shows a rollback."),
]


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_options):
        command = option(command)
    return command


@click.group("vectors")
def vectors_group() -> None:
    """Deletion vectors: which rows of a manifest's shards may not be used."""


@vectors_group.command("show")
@_with_options
@json_option
def show(vectors_source: str, manifest: str, key: VerifyKey, token: str | None, state: Path | None, as_json: bool) -> None:
    """Pull and verify a manifest's vectors, those of every shard, and print what they say."""
    from demur.vectors import DeletionVectors

    vectors = DeletionVectors.open(vectors_source, manifest=manifest, key=key, token=token, state=state)
    touched = {shard: len(deleted) for shard, deleted in _each(vectors) if deleted}
    head = vectors.head
    if as_json:
        print_json(json.loads(head.payload()) | {"number_of_shards": len(vectors.shards), "deleted_by_shard": touched})
        return
    rows = [("manifest", head.manifest.name), ("rows", f"{head.manifest.rows:,}"), ("shards", f"{len(vectors.shards):,}")]
    rows += [("deleted", f"{head.deleted:,} in {len(touched):,} shards"), ("by list", f"{head.list.list_id}, version {head.list.version}")]
    rows += [("root", head.list.root), ("good until", rfc3339(head.list.expires_at))]
    for name, value in rows:
        click.echo(f"{name:<16}{value}")


@vectors_group.command("export")
@_with_options
@click.option("--shard", metavar="NAME", help="Only this shard.")
@click.option("--out", required=True, type=FILE, help="FILE.npy: the places of one shard; FILE.parquet: every (shard, place).")
def export(vectors_source: str, manifest: str, key: VerifyKey, token: str | None, state: Path | None, shard: str | None, out: Path) -> None:
    """Write the places that the list excludes, ascending: as an npy array of uint32 for one shard, or as Parquet with the columns shard and
    place. Places outside registered rows, which may not be used either, are not among them."""
    if out.suffix not in (".npy", ".parquet") or (out.suffix == ".npy" and shard is None):
        raise click.UsageError("--out is a .npy file, together with --shard, or a .parquet file")
    from demur.vectors import DeletionVectors
    from demur.vectors.exports import write_npy, write_parquet

    vectors = DeletionVectors.open(vectors_source, manifest=manifest, key=key, token=token, state=state)
    if out.suffix == ".npy" and shard is not None:
        write_npy(vectors, shard, out)
    else:
        write_parquet(vectors, vectors.shards if shard is None else (shard,), out)


def _each(vectors: "DeletionVectors") -> Iterator[tuple[str, Any]]:
    with progress() as bar:
        for shard in bar.track(vectors.shards, description=vectors.head.manifest.name):
            yield shard, vectors.of(shard)

"""``flask manifest``: lists of photos for training, imported into catalogues."""

from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from demur.errors import DemurError
from demur.manifests import rebuild_tables
from models import Manifest
from portal.cli.output import bar, json_option, plainly, show, show_rows
from portal.site import now, site
from rights.catalogues import registered_manifests
from rights.imports import import_and_register, make_thumbnails_again, propagate_again
from rights.indexing import index_catalogue


@click.group("manifest")
def manifests() -> None:
    """Manifests: lists of photos that a model may be trained on."""


@manifests.command("import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--name", required=True, help="What members and run records call the manifest.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes that take fingerprints. Default: one a core.")
@click.option("--skip-empty", is_flag=True, help="Leave shards of 0 bytes out of a directory, instead of stopping at the first.")
@json_option
@with_appcontext
@plainly
def import_(path: Path, name: str, workers: int | None, skip_empty: bool, as_json: bool) -> None:
    """Import the manifest at PATH: Parquet (img2dataset, LAION), CSV, TSV, JSONL, WebDataset tars, or a folder of pictures.

    Rows that cannot be used are counted by reason and left out. A missing column or a truncated file stops the import, and leaves
    nothing behind.
    """
    with bar(f"Importing {name}") as move:
        manifest, report = import_and_register(
            site().writing,
            site().catalogues,
            path,
            name,
            clock=now,
            progress=lambda progress: move(progress.done, progress.total, progress.stage),
            workers=workers,
            skip_empty=skip_empty,
        )
    show(_facts(manifest) | {"seconds": round(report.seconds, 1)}, as_json)
    if not as_json:
        for reason, examples in report.examples.items():
            click.echo(f"{reason.replace('_', ' ')}: {report.rejected[reason]:,}, for example {', '.join(examples)}", err=True)
        for what, number in report.notes.items():
            click.echo(f"met: {number:,} {what}", err=True)


@manifests.command()
@click.argument("name")
@json_option
@with_appcontext
@plainly
def rebuild(name: str, as_json: bool) -> None:
    """Make the tables of the manifest NAME again from its rows, and its part of the index, after damage or a change of format."""
    with site().reading.begin() as session:
        [manifest] = registered_manifests(session, [name])
    rebuild_tables(site().config.catalogues_dir / manifest.catalogue)
    with bar(f"Indexing {name}") as move:
        index_catalogue(site().catalogues, manifest.catalogue, move)
    if as_json:
        show(_facts(manifest), as_json)
    click.echo(f"{name} is rebuilt; restart the portal and its workers so that they open the new tables", err=as_json)


@manifests.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@json_option
@with_appcontext
@plainly
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Read these manifests' catalogues, or all, and compare their digests.

    Run it now and then: damage may hide photos from those who own them, and copies from the search.
    """
    with site().reading.begin() as session:
        manifests = registered_manifests(session, names)
    found = [(manifest.name, _state(manifest)) for manifest in manifests]
    show_rows([{"manifest": name, "state": state} for name, state in found], as_json)
    if any(state not in (_WHOLE, _UNKNOWN) for _, state in found):
        raise click.exceptions.Exit(1)


_WHOLE, _UNKNOWN = "as it was imported", "its rows are as they were imported; `flask manifest rebuild` gives its tables digests"


def _state(manifest: Manifest) -> str:
    try:
        return _WHOLE if site().catalogues.opened(manifest).verify() else _UNKNOWN
    except (DemurError, OSError) as error:
        return str(error)


@manifests.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@with_appcontext
@plainly
def propagate(names: tuple[str, ...]) -> None:
    """Have the worker carry the standing opt-outs into these manifests once more, or into all: after an update that lists more of them."""
    with site().writing.begin() as session:
        chosen = propagate_again(session, names, now())
    click.echo(f"the worker carries the standing opt-outs into {', '.join(chosen) or 'no manifest: none is registered'}")


@manifests.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@with_appcontext
@plainly
def thumbnails(names: tuple[str, ...]) -> None:
    """Have the worker make the thumbnails that these manifests, or all, lack: after pictures came back, or the store was emptied."""
    with site().writing.begin() as session:
        chosen = make_thumbnails_again(session, names, now())
    click.echo(f"the worker makes the thumbnails of {', '.join(chosen) or 'no manifest: none is registered'}")


@manifests.command("list")
@json_option
@with_appcontext
def list_manifests(as_json: bool) -> None:
    """List manifests, oldest first."""
    with site().reading.begin() as session:
        rows = session.scalars(select(Manifest).order_by(Manifest.id)).all()
    show_rows([_facts(manifest) for manifest in rows], as_json)


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "state": manifest.state.value,
        "rows": manifest.rows,
        "registered_at": manifest.registered_at,
        "rejected": manifest.rejected,
        "id": manifest.public_id,
        "digest": manifest.digest,
    }

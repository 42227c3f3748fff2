"""``flask index``: the one similarity index over all manifests, which can be made anew from them at any time."""

from dataclasses import asdict

import click
from flask.cli import with_appcontext

from demur.similarity.index import SimilarityIndex
from portal.cli.output import bar, json_option, plainly, show
from portal.site import site
from rights.indexing import compact_index, index_state, rebuild_index


@click.group("index")
def index() -> None:
    """The similarity index: finds every row that looks like a picture."""


@index.command()
@json_option
@with_appcontext
@plainly
def rebuild(as_json: bool) -> None:
    """Make the index anew from all manifests. The portal answers from the old one until then; a missing or damaged one is made good."""
    with bar("Indexing") as move:
        rebuild_index(site().reading, site().catalogues, move)
    _show(as_json)


@index.command()
@json_option
@with_appcontext
@plainly
def compact(as_json: bool) -> None:
    """Drop rows that no manifest has any more, and merge all tables into one: lookups get faster, and disk space free."""
    with bar("Compacting") as move:
        compact_index(site().reading, site().catalogues, move)
    _show(as_json)


@index.command("show")
@json_option
@with_appcontext
@plainly
def show_index(as_json: bool) -> None:
    """Show what the index holds, and which manifests it lacks."""
    _show(as_json)


@index.command()
@json_option
@with_appcontext
@plainly
def verify(as_json: bool) -> None:
    """Read the whole index and compare its digests."""
    opened = SimilarityIndex.open(site().config.similarity_dir)
    with bar("Verifying") as move:
        opened.verify(move)
    if as_json:
        show({"verified": True, "generation": opened.generation, "bytes_on_disk": opened.bytes_on_disk}, as_json)
    else:
        click.echo("every file of the index is as it was written")


def _show(as_json: bool) -> None:
    show(asdict(index_state(site().reading, site().catalogues)), as_json)

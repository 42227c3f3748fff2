"""``flask vectors``: which rows of each manifest's shards the list excludes, made anew from catalogues and list at any time."""

from dataclasses import asdict

import click
from flask.cli import with_appcontext

from portal.cli.output import bar, json_option, plainly, show_rows
from portal.site import site
from rights.signing_keys import SigningKeys
from rights.vectors import VectorsOffice, vectors_state


@click.group("vectors")
def vectors() -> None:
    """Deletion vectors: which rows of each manifest's shards the list excludes."""


@vectors.command()
@click.argument("names", nargs=-1, metavar="[NAME]…")
@json_option
@with_appcontext
@plainly
def rebuild(names: tuple[str, ...], as_json: bool) -> None:
    """Make the vectors of the manifests NAME… (default: of all) anew. Loaders read the old ones until then."""
    config = site().config
    key = SigningKeys(config.keys_dir, config.list_dir).list_key()
    office = VectorsOffice(site().reading, site().catalogues, config.list_dir, config.vectors_dir, key)
    with bar("Deriving") as move:
        office.update(move, names=names, afresh=True)
    _show(as_json)


@vectors.command("show")
@json_option
@with_appcontext
@plainly
def show_vectors(as_json: bool) -> None:
    """Show of which version of the list each manifest's vectors are, and how many rows they delete."""
    _show(as_json)


def _show(as_json: bool) -> None:
    config = site().config
    key = SigningKeys(config.keys_dir, config.list_dir).list_key().verifier
    with site().reading.begin() as session:
        states = vectors_state(session, config.vectors_dir, key)
    show_rows([asdict(state) for state in states], as_json)

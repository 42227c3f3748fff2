"""``flask keys``: what signs the exclusion list and this machine's run records."""

import click
from flask.cli import with_appcontext

from portal.cli.output import plainly
from portal.lists import list_verifier
from portal.site import site
from rights.keys import make_keys


@click.group("keys")
def keys() -> None:
    """The keys that sign the exclusion list and run records."""


@keys.command()
@with_appcontext
@plainly
def make() -> None:
    """Make the keys that are missing, and print the list's verifier key, to be handed to trainers out of band."""
    config = site().config
    make_keys(config.keys_dir, config.list_name)
    click.echo(str(list_verifier()))

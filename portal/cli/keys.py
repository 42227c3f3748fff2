"""``flask keys``: what signs the exclusion list and this machine's run records."""

import click
from flask.cli import with_appcontext

from portal.cli.output import json_option, plainly, show
from portal.site import now, site
from rights.list_keys import rotate as rotate_list_key
from rights.signing_keys import make_keys


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
    click.echo(str(site().keys.list_key()))


@keys.command()
@json_option
@with_appcontext
@plainly
def rotate(as_json: bool) -> None:
    """Make a new key for the exclusion list, announce it by the old one, and sign everything from the next version on by it."""
    config = site().config
    with site().writing.begin() as session:
        rotation = rotate_list_key(session, config.keys_dir, config.list_dir, config.list_name, now())
    show({"number": rotation.number, "key": str(rotation.new), "from_version": rotation.from_version}, as_json)

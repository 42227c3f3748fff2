"""``flask log``: the transparency log."""

import click
from flask.cli import with_appcontext

from demur.tlog.files import LogFiles
from portal.cli.output import json_option, plainly, show
from portal.site import site
from rights.log import compare_log


@click.group("log")
def log() -> None:
    """The transparency log."""


@log.command("verify")
@json_option
@with_appcontext
@plainly
def verify_log(as_json: bool) -> None:
    """Read all of the log, and compare it with the database: after a restore, or whenever in doubt."""
    verifier = site().keys.log_key()
    if verifier is None:
        raise click.ClickException("the keys of this portal are not made yet: flask keys make")
    with site().reading.begin() as session:
        compared = compare_log(session, LogFiles(site().config.log_dir), verifier)
    witnesses = [witness.name for witness in site().keys.witnesses() if compared.checkpoint.signed_by(witness)]
    facts = {
        "log": compared.checkpoint.origin,
        "leaves": compared.checkpoint.size,
        "root": compared.checkpoint.root.hex(),
        "waiting": compared.waiting,
        "cosigned_by": witnesses,
        "key": str(verifier),
    }
    show(facts, as_json)

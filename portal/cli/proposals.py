"""``flask proposals``: rows that may show an opted-out photo, for the operator to decide."""

from dataclasses import asdict

import click
from flask.cli import with_appcontext

from portal.cli.output import json_option, plainly, show_rows
from portal.site import now, site
from rights.proposals import OPERATOR, accept_proposals, decline_proposals, proposals_for


@click.group("proposals")
def proposals() -> None:
    """Rows that look like an opted-out photo, but not enough to go by themselves."""


@proposals.command("list")
@json_option
@with_appcontext
def list_proposals(as_json: bool) -> None:
    """List what waits for a decision. `held`: the opt-out reaches so many rows of others that none of them went by itself."""
    with site().reading.begin() as session:
        show_rows([asdict(proposal) for proposal in proposals_for(session, OPERATOR)], as_json)


@proposals.command()
@click.argument("matches", nargs=-1, type=int, required=True, metavar="MATCH_ID…")
@with_appcontext
@plainly
def accept(matches: tuple[int, ...]) -> None:
    """Take these rows out of training, too: all of them, or none if one cannot be decided."""
    with site().writing.begin() as session:
        accept_proposals(session, site().catalogues, OPERATOR, matches, now())
    click.echo(f"{len(matches)} taken out")


@proposals.command()
@click.argument("matches", nargs=-1, type=int, required=True, metavar="MATCH_ID…")
@with_appcontext
@plainly
def decline(matches: tuple[int, ...]) -> None:
    """Leave these rows alone, for good: all of them, or none if one cannot be decided."""
    with site().writing.begin() as session:
        decline_proposals(session, OPERATOR, matches, now())
    click.echo(f"{len(matches)} left as they are")

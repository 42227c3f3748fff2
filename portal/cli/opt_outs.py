"""``flask opt-outs``: who opted what out, what it takes from others, and the way to end it."""

from dataclasses import asdict

import click
from flask.cli import with_appcontext

from portal.cli.output import json_option, plainly, show_rows
from portal.site import now, site
from rights.denials import Choice, DenialReason, active, chosen, deny


@click.group("opt-outs")
def opt_outs() -> None:
    """Opt-outs of members: find them, and end those that take others' photos out."""


@opt_outs.command("list")
@click.option("--member", default="", help="Public id of the member who filed them.")
@click.option("--held", is_flag=True, help="Only those that wait for a person.")
@click.option("--ended", is_flag=True, help="Also those that are over, and how they ended.")
@json_option
@with_appcontext
@plainly
def list_opt_outs(member: str, held: bool, ended: bool, as_json: bool) -> None:
    """List active opt-outs, with how many photos of others each takes out, and of how many owners."""
    _show(Choice(member=member, held=held, ended=ended), as_json)


@opt_outs.command()
@click.argument("reference")
@json_option
@with_appcontext
@plainly
def show(reference: str, as_json: bool) -> None:
    """Show the opt-outs of one request, by its reference (DM-…), also those that are over, and how they ended."""
    _show(Choice(reference=reference, ended=True), as_json)


@opt_outs.command("deny")
@click.argument("references", nargs=-1, metavar="[REFERENCE]…")
@click.option("--member", "members", multiple=True, help="Public id of a member, all of whose opt-outs end. May be given several times.")
@click.option("--held", is_flag=True, help="Of these, only the held ones.")
@click.option(
    "--reason", type=click.Choice([one.value for one in DenialReason]), required=True, help="As the Data Rights Protocol names it."
)
@click.option("--dry-run", is_flag=True, help="List what would end, and end nothing.")
@json_option
@with_appcontext
@plainly
def deny_opt_outs(references: tuple[str, ...], members: tuple[str, ...], held: bool, reason: str, dry_run: bool, as_json: bool) -> None:
    """End opt-outs, by a statement in the transparency log: all of these requests and members, or none if nothing of one is active."""
    if not references and not members:
        raise click.UsageError("name a request by its reference, or a member by --member")
    choices = [Choice(reference=one, held=held) for one in references] + [Choice(member=one, held=held) for one in members]
    with site().reading.begin() as session:
        ending = [filed for choice in choices for filed in active(session, choice)]
    show_rows([asdict(filed) for filed in ending], as_json)
    if dry_run:
        return
    with site().writing.begin() as session:
        ended = sum(deny(session, choice, DenialReason(reason), now()) for choice in choices)
    click.echo(f"{ended} ended, from the next version of the list on", err=as_json)


def _show(choice: Choice, as_json: bool) -> None:
    with site().reading.begin() as session:
        show_rows([asdict(filed) for filed in chosen(session, choice)], as_json)

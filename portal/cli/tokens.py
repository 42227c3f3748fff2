"""``flask token``: bearer tokens of machines."""

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from models import ApiToken
from portal.cli.output import json_option, plainly, show, show_rows
from portal.site import now, site
from rights import tokens as use
from rights.tokens import Scope


@click.group("token")
def tokens() -> None:
    """Bearer tokens for training jobs and other machines."""


@tokens.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice(list(map(str, Scope))), help="What it may do; repeatable."
)
@json_option
@with_appcontext
@plainly
def create(name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a token. Its text is printed once and not kept."""
    with site().writing.begin() as session:
        text = use.create(session, name, [Scope(scope) for scope in scopes], now())
    show({"name": name, "scopes": list(scopes), "token": text}, as_json)


@tokens.command()
@click.argument("name")
@with_appcontext
@plainly
def revoke(name: str) -> None:
    """End a token at once."""
    with site().writing.begin() as session:
        use.revoke(session, name, now())
    click.echo(f"{name} is revoked")


@tokens.command("list")
@json_option
@with_appcontext
def list_tokens(as_json: bool) -> None:
    """List tokens, without their text."""
    with site().reading.begin() as session:
        rows = session.scalars(select(ApiToken).order_by(ApiToken.id)).all()
    show_rows([{"name": t.name, "scopes": t.scopes, "created_at": t.created_at, "revoked_at": t.revoked_at} for t in rows], as_json)

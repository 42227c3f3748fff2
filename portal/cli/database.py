"""``flask db``: the database's tables, brought up or down by Alembic."""

import click
from alembic import command
from flask.cli import with_appcontext

from models.migrating import alembic_config
from portal.site import site


@click.group("db")
def database() -> None:
    """The database's tables."""


@database.command()
@click.argument("revision", default="head")
@with_appcontext
def upgrade(revision: str) -> None:
    """Bring the tables up to REVISION (default: the newest)."""
    command.upgrade(alembic_config(site().config.database), revision)


@database.command()
@click.argument("revision")
@with_appcontext
def downgrade(revision: str) -> None:
    """Take the tables down to REVISION, or to `base`: nothing."""
    command.downgrade(alembic_config(site().config.database), revision)


@database.command()
@with_appcontext
def current() -> None:
    """Print the revision that the tables are at."""
    command.current(alembic_config(site().config.database))

"""``flask db``: the database's tables, brought up or down by Alembic."""

from pathlib import Path

import click
from alembic import command
from alembic.config import Config as AlembicConfig
from flask.cli import with_appcontext

from config import Config
from portal.site import site

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def alembic_config(config: Config) -> AlembicConfig:
    """Alembic's settings for a portal's database; there is no alembic.ini."""
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.set_main_option("sqlalchemy.url", config.database.replace("%", "%%"))
    return settings


@click.group("db")
def database() -> None:
    """The database's tables."""


@database.command()
@click.argument("revision", default="head")
@with_appcontext
def upgrade(revision: str) -> None:
    """Bring the tables up to REVISION (default: the newest)."""
    command.upgrade(alembic_config(site().config), revision)


@database.command()
@click.argument("revision")
@with_appcontext
def downgrade(revision: str) -> None:
    """Take the tables down to REVISION, or to `base`: nothing."""
    command.downgrade(alembic_config(site().config), revision)


@database.command()
@with_appcontext
def current() -> None:
    """Print the revision that the tables are at."""
    command.current(alembic_config(site().config))

"""Bringing a database to the tables of this code."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def alembic_config(url: str) -> AlembicConfig:
    """Alembic's settings for the database at ``url``; there is no alembic.ini."""
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return settings


def migrate(url: str) -> None:
    """Brings the database at ``url`` to the newest tables."""
    command.upgrade(alembic_config(url), "head")

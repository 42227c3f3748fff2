"""Every migration goes up, comes down, and ends where the tables are, on both databases."""

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from models import make_engine
from models.migrating import alembic_config


@pytest.fixture
def alembic(database_url: str) -> AlembicConfig:
    return alembic_config(database_url)


def tables(url: str) -> set[str]:
    engine = make_engine(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


def test_the_migrations_build_exactly_the_tables_of_the_code(alembic):
    command.check(alembic)  # raises when autogenerate would change anything


def test_each_migration_can_be_taken_down_and_put_up_again(alembic, database_url):
    for script in ScriptDirectory.from_config(alembic).walk_revisions():
        below = script.down_revision or "base"
        command.downgrade(alembic, below)
        command.upgrade(alembic, script.revision)
        command.downgrade(alembic, below)
    assert tables(database_url) == {"alembic_version"}
    command.upgrade(alembic, "head")
    command.check(alembic)

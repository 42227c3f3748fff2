"""Every migration goes up, comes down, and ends where the tables are, on both databases."""

import json

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, column, inspect, select, text

from demur.similarity.query import Variant
from models import make_engine
from models.migrating import alembic_config
from rights.variants import unpack


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


OPT_OUT = """INSERT INTO opt_out (id, public_id, origin, scope, owner, subject, note, pdq_quality, dihedral, filed_at, held)
VALUES (:id, :public_id, 'member', 'picture', 'ada', :public_id, '', 77, :dihedral, '2026-11-21 14:02:00', :held)"""


def test_orientations_become_variants_and_variants_orientations(alembic, database_url):
    orientations = [f"{number:016x}{number + 8:064x}" for number in range(8)]
    command.downgrade(alembic, "0001")
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for number, dihedral in ((1, orientations), (2, [])):
            row = {"id": number, "public_id": str(number), "dihedral": json.dumps(dihedral), "held": False}
            connection.execute(text(OPT_OUT), row)
    command.upgrade(alembic, "head")
    with engine.connect() as connection:
        packed, nothing = connection.scalars(text("SELECT variants FROM opt_out ORDER BY id"))
    assert nothing is None
    assert list(unpack(packed)) == [Variant("", number, number, (number + 8).to_bytes(32, "big"), 77) for number in range(8)]
    command.downgrade(alembic, "0001")
    with engine.connect() as connection:
        kept = connection.execute(select(column("dihedral", JSON())).select_from(text("opt_out")).order_by(text("id")))
        assert list(kept.scalars()) == [orientations, []]
    engine.dispose()

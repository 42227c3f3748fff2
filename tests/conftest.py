"""Real parts for every test: SQLite and PostgreSQL, a Valkey, generated photos, Chromium. Nothing of ours is mocked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from demur.manifests import Catalogue, import_manifest
from models import make_engine, make_sessions, writing
from tests.support.brokers import Broker
from tests.support.databases import PostgresDatabases, SqliteDatabases
from tests.support.pictures import write_photo_folder

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    databases = PostgresDatabases()
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests of a process: Playwright is started once in each."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty, migrated database; the test runs once on SQLite and once on PostgreSQL."""
    databases = request.getfixturevalue({"sqlite": "sqlite_databases", "postgresql": "postgres_databases"}[request.param])
    with databases.fresh() as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions that may write."""
    return make_sessions(writing(engine))


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[Broker]:
    broker = Broker()
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def broker(shared_broker: Broker) -> Broker:
    """The test session's Valkey, empty."""
    shared_broker.flush()
    return shared_broker


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A Valkey for this test alone, which it may kill."""
    broker = Broker()
    broker.start()
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def photos_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest's source: generated photos of a few owners, copies among them, and photos.csv (see write_photo_folder). Read only."""
    return write_photo_folder(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def catalogue(photos_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """``photos_dir`` imported. Read only."""
    target = tmp_path_factory.mktemp("catalogues") / "generated"
    import_manifest(photos_dir, target, name="generated")
    return Catalogue.open(target)

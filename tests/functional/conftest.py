"""A portal for a test, with a provider to sign in at and members' photos registered."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.mail import SENDER, Inbox, smtp_server
from tests.support.portals import TestedPortal, import_for_members, portal_for_tests

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def member_catalogues(photos_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_for_members(photos_dir, tmp_path_factory.mktemp("members"))


@pytest.fixture
def portal(tmp_path: Path, database_url: str, member_catalogues: Path) -> Iterator[TestedPortal]:
    with portal_for_tests(tmp_path, database_url, member_catalogues) as portal:
        yield portal


@pytest.fixture
def portal_without_provider(tmp_path: Path, database_url: str, member_catalogues: Path) -> Iterator[TestedPortal]:
    """Its provider does not answer."""
    with portal_for_tests(tmp_path, database_url, member_catalogues, provider=False) as portal:
        yield portal


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with smtp_server() as inbox:
        yield inbox


@pytest.fixture
def mailing(tmp_path: Path, database_url: str, member_catalogues: Path, inbox: Inbox) -> Iterator[TestedPortal]:
    """A portal that sends mail."""
    with portal_for_tests(tmp_path, database_url, member_catalogues, smtp_url=inbox.url, mail_from=SENDER) as portal:
        yield portal


@pytest.fixture(scope="session")
def spark() -> Iterator["SparkSession"]:
    """A Spark of two cores on this machine."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYSPARK_PYTHON", sys.executable)
        environment.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .getOrCreate()
        )
        yield session
        session.stop()

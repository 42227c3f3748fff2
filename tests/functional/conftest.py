"""A portal for a test, with a provider to sign in at and members' photos registered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.portals import TestedPortal, import_for_members, portal_for_tests


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

"""Who obeys which version of the list, and who has fallen behind."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from models import ApiToken
from rights import tokens
from rights.consumers import Application, Consumer, NotPublished, Standing, acknowledge, consumers, standing
from rights.tokens import Scope
from tests.factories import NOW, make_list_version

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ROOTS = {version: f"{version:064x}" for version in (1, 2, 3)}


@pytest.fixture
def published(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Versions 1 to 3, a day apart, the last of them now; and two tokens that may read the list."""
    with sessions.begin() as session:
        for version, root in ROOTS.items():
            make_list_version(session, version=version, root=root, published_at=NOW - (3 - version) * DAY)
        for name, scope in (("trainer", Scope.LIST_READ), ("lab", Scope.LIST_READ), ("partner", Scope.LOOKUP_READ)):
            tokens.create(session, name, [scope], NOW)
    return sessions


def told(sessions: sessionmaker[Session], name: str, version: int, root: str | None = None, dropped: int = 3) -> int:
    with sessions.begin() as session:
        token = session.scalars(select(ApiToken).where(ApiToken.name == name)).one()
        return acknowledge(session, token, Application(version, root or ROOTS[version], "train.parquet", 1000, dropped), NOW)


def seen(sessions: sessionmaker[Session], after: timedelta = timedelta(), grace: timedelta = DAY) -> dict[str, Consumer]:
    with sessions() as session:
        return {consumer.name: consumer for consumer in consumers(session, grace, NOW + after)}


def test_a_consumer_is_who_may_read_the_list(published: sessionmaker[Session]):
    assert set(seen(published)) == {"lab", "trainer"}
    with published.begin() as session:
        tokens.revoke(session, "lab", NOW)
    assert set(seen(published)) == {"trainer"}


def test_what_was_said_last_counts(published: sessionmaker[Session]):
    assert told(published, "trainer", 3) == 3
    assert told(published, "trainer", 2, dropped=7) == 3, "it is told of the newest"
    trainer = seen(published)["trainer"]
    assert trainer.last is not None
    assert (trainer.last.version, trainer.last.manifest, trainer.last.rows, trainer.last.dropped) == (2, "train.parquet", 1000, 7)
    assert (trainer.versions_behind, trainer.behind_since, trainer.standing) == (1, NOW, Standing.BEHIND)


def test_who_is_behind_for_long_is_stale_and_catches_up(published: sessionmaker[Session]):
    told(published, "trainer", 1)
    assert seen(published, after=timedelta())["trainer"].standing is Standing.BEHIND, "version 2 is a day old, and no more"
    assert seen(published, after=HOUR)["trainer"].standing is Standing.STALE
    assert seen(published, after=HOUR, grace=2 * DAY)["trainer"].standing is Standing.BEHIND
    told(published, "trainer", 3)
    caught_up = seen(published, after=30 * DAY)["trainer"]
    assert (caught_up.standing, caught_up.versions_behind, caught_up.behind_since) == (Standing.CURRENT, 0, None)


def test_who_never_said_anything_is_said_to_have_not(published: sessionmaker[Session]):
    told(published, "trainer", 1)
    silent = seen(published, after=30 * DAY)["lab"]
    assert (silent.standing, silent.last, silent.versions_behind) == (Standing.NEVER_ACKNOWLEDGED, None, 3)


def test_another_list_than_ours_is_not_acknowledged(published: sessionmaker[Session]):
    for version, root in ((3, ROOTS[2]), (4, "f" * 64), (2**53 - 1, "f" * 64)):
        with pytest.raises(NotPublished):
            told(published, "trainer", version, root)
    assert seen(published)["trainer"].last is None


def test_before_the_first_version_nothing_can_be_acknowledged(sessions: sessionmaker[Session]):
    with sessions.begin() as session:
        tokens.create(session, "trainer", [Scope.LIST_READ], NOW)
    with pytest.raises(NotPublished):
        told(sessions, "trainer", 1)
    assert seen(sessions)["trainer"].versions_behind == 0


@pytest.mark.parametrize(
    ("acknowledged", "behind_for", "expected"),
    [
        (False, None, Standing.NEVER_ACKNOWLEDGED),
        (False, 90 * DAY, Standing.NEVER_ACKNOWLEDGED),
        (True, None, Standing.CURRENT),
        (True, timedelta(), Standing.BEHIND),
        (True, DAY, Standing.BEHIND),
        (True, DAY + timedelta(seconds=1), Standing.STALE),
    ],
)
def test_the_rule(acknowledged: bool, behind_for: timedelta | None, expected: Standing):
    since = None if behind_for is None else NOW - behind_for
    assert standing(acknowledged, since, DAY, NOW) is expected

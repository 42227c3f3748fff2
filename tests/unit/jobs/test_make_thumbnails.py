"""Thumbnails of manifests and of owners who look, made by the job in turns."""

import pytest
from sqlalchemy import select

from demur.manifests import Catalogue
from jobs.workplace import Workplace, now
from models import Manifest, Outbox
from rights.thumbnails import MAKE_THUMBNAILS, STAGE, ThumbnailStore, promise_for_manifest, promise_for_owners
from tests.support.settling import settle


def digests(catalogue: Catalogue, rows: range) -> list[str]:
    return [str(value) for value in catalogue.read(rows.start, rows.stop, ["sha256"])["sha256"].to_pylist()]


def promised(workplace: Workplace) -> list[dict[str, object]]:
    with workplace.reading() as session:
        return list(session.scalars(select(Outbox.payload).where(Outbox.topic == MAKE_THUMBNAILS, Outbox.done_at.is_(None))))


def test_every_picture_of_a_manifest_gets_its_thumbnails(workplace: Workplace, catalogue: Catalogue) -> None:
    with workplace.writing.begin() as session:
        promise_for_manifest(session, session.scalars(select(Manifest.id)).one(), now())
    settle(workplace)
    assert all(workplace.thumbnails.find(digest, 320) for digest in digests(catalogue, range(catalogue.rows)))
    with workplace.reading() as session:
        manifest = session.scalars(select(Manifest)).one()
    assert (manifest.stage, manifest.done, manifest.total) == ("", catalogue.rows, catalogue.rows)
    assert manifest.stage != STAGE


def test_an_owner_who_looks_gets_theirs_without_waiting_for_all(workplace: Workplace, catalogue: Catalogue) -> None:
    with workplace.writing.begin() as session:
        promise_for_owners(session, ["ben"], now())
    settle(workplace)
    own = catalogue.owner_rows("ben")
    assert all(workplace.thumbnails.find(digest, 320) for digest in digests(catalogue, own))
    assert not workplace.thumbnails.is_settled(digests(catalogue, range(own.stop, own.stop + 1))[0])


def test_who_looks_twice_is_promised_once(workplace: Workplace) -> None:
    for owners in (["ben", "ada"], ["ada", "ben"], ["ada"]):
        with workplace.writing.begin() as session:
            promise_for_owners(session, owners, now())
    assert promised(workplace) == [{"owners": ["ada", "ben"], "start": 0}, {"owners": ["ada"], "start": 0}]


@pytest.fixture
def tiny(workplace: Workplace) -> Workplace:
    """Its store is full with its first picture."""
    object.__setattr__(workplace, "thumbnails", ThumbnailStore(workplace.config.thumbnails_dir, 1))
    return workplace


def test_a_full_store_takes_what_is_looked_at_and_nothing_ahead_of_that(tiny: Workplace, catalogue: Catalogue) -> None:
    tiny.thumbnails.put("ab" * 32, {320: b"old"})
    assert tiny.thumbnails.is_full
    with tiny.writing.begin() as session:
        promise_for_manifest(session, session.scalars(select(Manifest.id)).one(), now())
    settle(tiny)
    assert promised(tiny) == []
    assert not any(map(tiny.thumbnails.is_settled, digests(catalogue, range(catalogue.rows))))
    with tiny.writing.begin() as session:
        promise_for_owners(session, ["ben"], now())
    settle(tiny)
    assert not tiny.thumbnails.is_settled("ab" * 32)
    assert all(map(tiny.thumbnails.is_settled, digests(catalogue, catalogue.owner_rows("ben"))))

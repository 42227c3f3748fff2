"""Vectors after publications: of all manifests, in turn, and whatever else goes on meanwhile."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from demur.vectors import DeletionVectors
from demur.vectors.reader import manifest_directory
from demur.vectors.tables import BadVectors
from models import Outbox
from rights.accounts import sign_in
from rights.catalogues import IndexIncomplete, NoSuchManifest
from rights.imports import import_and_register
from rights.indexing import forget_catalogue
from rights.optouts import Photos
from rights.outbox import UPDATE_VECTORS
from rights.vectors import VectorsOffice, vectors_state
from tests.factories import ISSUER, NOW
from tests.support.waiting import wait_until
from tests.unit.rights.office import Office


@pytest.fixture
def vectors(office: Office, tmp_path: Path) -> VectorsOffice:
    return VectorsOffice(office.sessions, office.catalogues, office.list_dir, tmp_path / "vectors", office.key)


def silent(done: int, total: int, stage: str) -> None:
    pass


def opt_out(office: Office, uid: str) -> None:
    owner = uid.partition("-")[0]
    with office.sessions.begin() as session:
        account = sign_in(session, iss=ISSUER, sub=owner, owner=owner, display_name=owner, now=NOW)
    office.file(account, Photos((uid,)))
    office.carry()


def opened(vectors: VectorsOffice, manifest: str = "generated") -> DeletionVectors:
    return DeletionVectors.open(vectors.directory, key=vectors.key.verifier, manifest=manifest, now=NOW)


def deleted(vectors: VectorsOffice, manifest: str = "generated") -> set[str]:
    read = opened(vectors, manifest)
    return {shard for shard in read.shards if read.of(shard)}


def test_before_the_first_version_there_is_nothing_to_derive(vectors: VectorsOffice):
    assert vectors.update(silent) == []
    with vectors.sessions() as session:
        (state,) = vectors_state(session, vectors.directory, vectors.key.verifier)
    assert (state.manifest, state.version, state.deleted) == ("generated", 0, 0)


def test_every_publication_promises_vectors(office: Office):
    opt_out(office, "ada-1")
    with office.sessions() as session:
        assert len(session.scalars(select(Outbox).where(Outbox.topic == UPDATE_VECTORS)).all()) == 1


def test_all_manifests_come_to_the_newest_version(office: Office, vectors: VectorsOffice, photos_dir: Path):
    import_and_register(office.sessions, office.catalogues, photos_dir, "again", clock=lambda: NOW, workers=0)
    opt_out(office, "ada-1")
    assert vectors.update(silent) == ["generated", "again"]
    assert vectors.update(silent) == []
    opt_out(office, "ben-1")
    assert vectors.update(silent, names=["again"]) == ["again"]
    assert deleted(vectors) == {"ada/ada-1.jpg"}
    assert deleted(vectors, "again") == {"ada/ada-1.jpg", "ben/ben-1.jpg"}
    with pytest.raises(NoSuchManifest):
        vectors.update(silent, names=["again", "unheard of"])


def test_damaged_vectors_are_named_in_the_log_and_made_anew(office: Office, vectors: VectorsOffice, caplog: pytest.LogCaptureFixture):
    opt_out(office, "ada-1")
    vectors.update(silent)
    place = vectors.directory / manifest_directory("generated")
    (place / "head.dsse.json").write_text("{}")
    with vectors.sessions() as session, pytest.raises(BadVectors):
        vectors_state(session, vectors.directory, vectors.key.verifier)
    assert vectors.update(silent) == ["generated"]
    assert f"the vectors in {place.name} are damaged (BadVectors: the vectors' head is unreadable" in caplog.text
    assert deleted(vectors) == {"ada/ada-1.jpg"}


def test_without_the_index_vectors_stay_as_they_are(office: Office, vectors: VectorsOffice):
    opt_out(office, "ada-1")
    vectors.update(silent)
    opt_out(office, "ada-2")
    forget_catalogue(office.catalogues, "generated")
    with pytest.raises(IndexIncomplete):
        vectors.update_in_turn(silent)
    assert deleted(vectors) == {"ada/ada-1.jpg"}


def test_who_comes_while_another_is_at_it_leaves_the_work_to_them(office: Office, vectors: VectorsOffice):
    opt_out(office, "ada-1")
    begun, go_on, changed = threading.Event(), threading.Event(), list[list[str]]()

    def slow(done: int, total: int, stage: str) -> None:
        begun.set()
        assert go_on.wait(60)

    worker = threading.Thread(target=lambda: changed.append(vectors.update_in_turn(slow)))
    worker.start()
    try:
        wait_until("the first one is at work", begun.is_set)
        opt_out(office, "ada-2")
        assert vectors.update_in_turn(silent) == []
    finally:
        go_on.set()
        worker.join()
    assert changed == [["generated", "generated"]]
    assert deleted(vectors) == {"ada/ada-1.jpg", "ada/ada-2.jpg"}
    assert opened(vectors).head.list.version == 2


def test_who_fails_leaves_the_turn_to_others(office: Office, vectors: VectorsOffice):
    opt_out(office, "ada-1")

    def fail(done: int, total: int, stage: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        vectors.update_in_turn(fail)
    assert vectors.update_in_turn(silent) == ["generated"]

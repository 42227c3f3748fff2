"""A catalogue that is damaged or gone: what speaks of all manifests says so, and what does not need it goes on."""

import json
import shutil
from pathlib import Path

import pytest

from demur.manifests import NotACatalogue
from rights import tokens
from rights.imports import import_and_register
from rights.tokens import Scope
from rights.vectors import VectorsOffice
from tests.support.portals import ADA, MANIFEST, TestedPortal, now


@pytest.fixture
def two(portal: TestedPortal, photos_dir: Path) -> TestedPortal:
    """With a second manifest, "again", and catalogues of its own."""
    catalogues = portal.config.catalogues_dir
    shared = catalogues.resolve()
    catalogues.unlink()
    shutil.copytree(shared, catalogues)
    import_and_register(portal.workplace.writing, portal.workplace.catalogues, photos_dir, "again", clock=now, workers=0)
    portal.settle()
    return portal


def gone(portal: TestedPortal) -> None:
    (portal.config.catalogues_dir / MANIFEST).rename(portal.config.data_dir / "elsewhere")


def damaged(portal: TestedPortal) -> None:
    (portal.config.catalogues_dir / MANIFEST / "catalogue.json").write_text("{")


def states(portal: TestedPortal, *names: str) -> tuple[int, dict[str, str]]:
    ended = portal.run("manifest", "verify", *names, "--json")
    return ended.exit_code, {row["manifest"]: row["state"] for row in json.loads(ended.output)}


@pytest.mark.parametrize(("harm", "said"), [(gone, "cannot be opened: No such file"), (damaged, "is not a catalogue")])
def test_a_catalogue_that_cannot_be_opened_is_named_and_the_others_are_verified(two: TestedPortal, harm, said: str):
    assert states(two) == (0, {MANIFEST: "as it was imported", "again": "as it was imported"})
    harm(two)
    code, found = states(two)
    assert (code, found["again"]) == (1, "as it was imported")
    assert said in found[MANIFEST]
    assert states(two, "again") == (0, {"again": "as it was imported"})
    unknown = two.run("manifest", "verify", "unheard-of")
    assert (unknown.exit_code, "no registered manifest named unheard-of" in unknown.output) == (1, True)


@pytest.mark.parametrize("harm", [gone, damaged])
def test_photos_are_not_shown_as_if_they_were_all(two: TestedPortal, harm):
    ada = two.member(ADA)
    harm(two)
    answer = ada.get("/photos")
    assert (answer.status_code, "Your photos cannot be shown right now" in answer.text) == (503, True)


@pytest.mark.parametrize("harm", [gone, damaged])
def test_vectors_of_one_manifest_do_not_wait_for_another(two: TestedPortal, harm):
    ada = two.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs", {"uid": "ada-1"})
    two.settle()
    workplace, config = two.workplace, two.config
    shutil.rmtree(config.vectors_dir)
    harm(two)
    office = VectorsOffice(workplace.reading, workplace.catalogues, config.list_dir, config.vectors_dir, workplace.keys.list_key())
    with pytest.raises(NotACatalogue):
        office.update(lambda done, total, stage: None)
    shown = two.run("vectors", "show", "--json")
    assert {row["manifest"]: row["version"] > 0 for row in json.loads(shown.output)} == {MANIFEST: False, "again": True}
    assert office.update(lambda done, total, stage: None, names=["again"], afresh=True) == ["again"]


def test_trainers_are_told_where_the_vectors_lie(two: TestedPortal):
    with two.workplace.writing.begin() as session:
        bearer = {"Authorization": f"Bearer {tokens.create(session, 'trainer', [Scope.LIST_READ], now())}"}
    gone(two)
    answer = two.app.test_client().get("/api/v1/deletion-vectors/", headers=bearer)
    assert [told["manifest"] for told in answer.get_json()["manifests"]] == [MANIFEST, "again"]

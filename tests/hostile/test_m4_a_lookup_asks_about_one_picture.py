"""M4: one lookup carried the hashes of 154 pictures, so that 40 lookups a minute asked about 6,160 pictures."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import SqliteDatabases
from tests.support.lookups import fingerprint_of
from tests.support.pictures import photo_bytes
from tests.support.portals import TestedPortal, import_for_members, portal_for_tests

OWN = fingerprint_of(photo_bytes("ada", 0))
STRANGERS = [fingerprint_of(photo_bytes(owner, number)) for owner in ("ada", "ben", "cleo") for number in range(7)]


@pytest.fixture
def portal(tmp_path: Path, sqlite_databases: SqliteDatabases, photos_dir: Path) -> Iterator[TestedPortal]:
    catalogues = import_for_members(photos_dir, tmp_path / "members")
    (tmp_path / "data").mkdir()
    with (
        sqlite_databases.fresh() as url,
        portal_for_tests(tmp_path / "data", url, catalogues, lookups_of_strangers="6 per minute") as portal,
    ):
        yield portal


def forged(pictures: int) -> dict[str, Any]:
    """The own picture's fingerprint, with the hashes of that many others as if they were its edits; with noise when there are none left."""
    sent = [dict(variant) for variant in OWN["variants"]]
    edits = [index for index, variant in enumerate(sent) if variant["edit"] and variant["dihedral"] == 0]
    for number, index in enumerate(edits[:pictures]):
        noise = hashlib.sha256(str(number).encode()).hexdigest()
        stranger = STRANGERS[number]["variants"][0] if number < len(STRANGERS) else {"phash": noise[:16], "pdq": noise}
        sent[index] |= {"phash": stranger["phash"], "pdq": stranger["pdq"], "quality": 100}
    return OWN | {"variants": sent}


def ask(portal: TestedPortal, sent: dict[str, Any]) -> Any:
    return portal.app.test_client().post("/api/v1/lookups", json=sent)


def test_hashes_of_sixty_unrelated_pictures_are_refused(portal: TestedPortal):
    refused = ask(portal, forged(60))
    assert refused.status_code == 422
    assert "its variants are of one picture" in refused.json["detail"]


def test_hashes_of_a_few_unrelated_pictures_count_as_several_lookups(portal: TestedPortal):
    assert [ask(portal, forged(20)).status_code for _ in range(2)] == [200, 429]


def test_an_honest_fingerprint_counts_once(portal: TestedPortal):
    assert [ask(portal, OWN).status_code for _ in range(7)] == [200] * 6 + [429]


def test_an_edit_in_an_orientation_that_no_edit_has_is_refused(portal: TestedPortal):
    turned = OWN | {"variants": [OWN["variants"][0], OWN["variants"][-1] | {"dihedral": 3}]}
    assert ask(portal, turned).status_code == 422

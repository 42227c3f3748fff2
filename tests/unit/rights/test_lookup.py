from typing import Any

import pytest

from demur.manifests import Catalogue
from demur.similarity.rules import MatchKind
from rights.lookup import LookupResult, look_up, stands
from tests.support.lookups import picture_of
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.unit.rights.office import Office


def look(office: Office, data: bytes, *owners: str) -> LookupResult:
    with office.sessions() as session:
        return look_up(session, office.catalogues, picture_of(data).query, owners)


def test_a_stranger_learns_whether_it_stands(office: Office):
    with office.sessions() as session:
        listed, not_listed = picture_of(photo_bytes("ada", 2)), picture_of(jpeg(textured_picture(seed=4711)))
        assert stands(session, office.catalogues, listed.query) is True
        assert stands(session, office.catalogues, not_listed.query) is False


@pytest.mark.parametrize("data", [photo_bytes("ada", 0), jpeg(textured_picture(seed=4711))], ids=["listed", "not-listed"])
def test_of_nobodys_row_more_than_the_digest_is_read_for_a_stranger(office: Office, monkeypatch: pytest.MonkeyPatch, data: bytes):
    read: set[str] = set()
    take = Catalogue.take

    def noted(catalogue: Catalogue, positions: Any, columns: Any) -> Any:
        read.update(columns)
        return take(catalogue, positions, columns)

    monkeypatch.setattr(Catalogue, "take", noted)
    with office.sessions() as session:
        stands(session, office.catalogues, picture_of(data).query)
        assert read <= {"sha256"}
        look_up(session, office.catalogues, picture_of(photo_bytes("ada", 0)).query, ["ada"])
        assert "caption" in read


def test_the_owner_sees_their_rows(office: Office):
    mine = look(office, photo_bytes("ada", 2), "ada")
    assert [(match.uid, match.kind, match.manifests) for match in mine.own] == [("ada-2", MatchKind.EXACT, ("generated",))]
    assert (mine.found, mine.others) == (True, False)


def test_copies_under_other_accounts_are_a_yes_without_a_name(office: Office):
    mine = look(office, photo_bytes("ada", 0), "ada")
    assert [match.uid for match in mine.own] == ["ada-0"]
    assert mine.others


def test_an_edited_copy_is_found(office: Office):
    mine = look(office, jpeg(textured_picture(seed=3), quality=55), "ada")
    assert [(match.uid, match.kind) for match in mine.own] == [("ada-3", MatchKind.CONFIRMED)]


def test_a_mirrored_copy_says_how_it_is_turned(office: Office):
    [match] = look(office, jpeg(textured_picture(seed=3).transpose(0)), "ada").own
    assert (match.uid, match.edit, match.dihedral) == ("ada-3", "", 5)

from demur.similarity.fingerprint import fingerprint
from demur.similarity.rules import MatchKind
from rights.lookup import look_up
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.unit.rights.office import Office


def look(office: Office, data: bytes, owners: tuple[str, ...] | None):
    with office.sessions() as session:
        return look_up(session, office.catalogues, fingerprint(data), owners)


def test_a_stranger_gets_yes_or_no(office: Office):
    yes, no = look(office, photo_bytes("ada", 2), None), look(office, jpeg(textured_picture(seed=4711)), None)
    assert (yes.found, yes.own) == (True, ())
    assert (no.found, no.own, no.others) == (False, (), False)


def test_the_owner_sees_their_rows(office: Office):
    mine = look(office, photo_bytes("ada", 2), ("ada",))
    assert [(match.uid, match.kind, match.manifests) for match in mine.own] == [("ada-2", MatchKind.EXACT, ("generated",))]
    assert (mine.found, mine.others) == (True, False)


def test_copies_under_other_accounts_are_a_yes_without_a_name(office: Office):
    mine = look(office, photo_bytes("ada", 0), ("ada",))
    assert [match.uid for match in mine.own] == ["ada-0"]
    assert mine.others


def test_an_edited_copy_is_found(office: Office):
    mine = look(office, jpeg(textured_picture(seed=3), quality=55), ("ada",))
    assert [(match.uid, match.kind) for match in mine.own] == [("ada-3", MatchKind.CONFIRMED)]

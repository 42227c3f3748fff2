"""Photos of a member's linked sign-ins are their own; once unlinked, they are somebody else's."""

from datetime import timedelta

from sqlalchemy import select

from demur.exclusions import KeyKind
from demur.similarity.rules import MatchKind
from models import Account, ExclusionEntry, OptOut, OptOutMatch
from rights.accounts import link_identity, unlink_identity
from rights.denials import Choice, chosen
from rights.naming import name_opt_outs, with_others_bytes
from rights.optouts import Photos
from rights.reach_limits import Hold, Limits, Most
from rights.taken import count_taken, taken_by_others
from tests.factories import ISSUER, NOW
from tests.support.lookups import picture_of
from tests.support.pictures import photo_bytes
from tests.unit.rights.office import Office

LATER = NOW + timedelta(hours=1)
NOBODYS = Limits(fingerprint=0, picture=Most(0, 0), request=Most(0, 0), day=Most(0, 0), photos=0)
"""Whatever is taken of others is held."""


def unlinked(office: Office, account: Account, owner: str) -> None:
    with office.sessions.begin() as session:
        mine = session.get_one(Account, account.id)
        gone, kept = (next(one for one in mine.identities if (one.owner == owner) is same) for same in (True, False))
        unlink_identity(session, mine, gone.id, in_use=(kept.iss, kept.sub), now=LATER)


def linked(office: Office, account: Account, owner: str) -> None:
    with office.sessions.begin() as session:
        link_identity(session, session.get_one(Account, account.id), iss=ISSUER, sub=owner, owner=owner, now=LATER)


def the_opt_out(office: Office) -> OptOut:
    with office.sessions() as session:
        return session.scalars(select(OptOut)).one()


def taken(office: Office, owner: str) -> set[str]:
    with office.sessions() as session:
        rows = select(OptOutMatch.uid).where(OptOutMatch.owner == owner, OptOutMatch.kind != MatchKind.PROPOSED)
        return set(session.scalars(rows))


def listed(office: Office, kind: KeyKind = KeyKind.UID) -> set[str]:
    with office.sessions() as session:
        return set(session.scalars(select(ExclusionEntry.key).where(ExclusionEntry.kind == kind, ExclusionEntry.ended.is_(False))))


def test_copies_under_a_linked_sign_in_are_counted_as_own_whichever_of_both_the_opt_out_is_of(office: Office):
    office.limits = NOBODYS
    both = office.account("ben", "ada", "cleo")
    office.file(both, Photos(("ada-0",), (picture_of(photo_bytes("ada", 1)),)))
    office.carry()
    with office.sessions() as session:
        assert not any(session.scalars(select(OptOut.held)))
        assert {(row.photos, row.owners) for row in chosen(session, Choice())} == {(0, 0)}
        assert count_taken(session, both.owners) == 0
    assert {"ada-1", "ben-exact", "cleo-mirrored"} <= listed(office)


def test_without_the_link_the_same_copies_are_others(office: Office):
    office.limits = NOBODYS
    office.file(office.account("ada"), Photos(("ada-0",)))
    office.carry()
    assert the_opt_out(office).held
    assert listed(office) == {"ada-0"}


def test_after_unlinking_they_are_others_and_the_opt_out_is_looked_at_again(office: Office):
    ada = office.account("ada", "ben", "cleo")
    office.limits = NOBODYS
    office.file(ada, Photos(("ada-0",)))
    office.carry()
    for owner in ("ben", "cleo"):
        unlinked(office, ada, owner)
    assert the_opt_out(office).propagated_at is None, "it is searched again"
    with office.sessions() as session:
        gone = taken_by_others(session, ["ben"], 100)
        assert ("ben-exact" in gone, count_taken(session, ["ben"])) == (True, len(gone))
        assert taken_by_others(session, ["ben"], 1) == gone[:1]
    office.carry(LATER)
    assert the_opt_out(office).held_because == Hold.REACH
    assert listed(office) == {"ada-0"}
    assert taken(office, "ben") == set()


def test_once_linked_what_was_held_goes_for_it_is_the_members_own(office: Office):
    ada = office.account("ada")
    office.limits = NOBODYS
    office.file(ada, Photos(("ada-0",)))
    office.carry()
    linked(office, ada, "ben")
    office.carry(LATER)
    assert {"ben-exact", "ben-recompressed"} <= taken(office, "ben")
    assert {"ada-0", "ben-exact", "ben-recompressed"} <= listed(office)
    assert "cleo-mirrored" not in listed(office), "that one is still somebody else's"


def test_the_files_digest_is_named_at_once_where_nobody_else_has_the_file(office: Office):
    photos = {"ada": "ada-0", "cleo": "cleo-1"}
    for owner, uid in photos.items():
        office.file(office.account(owner), Photos((uid,)))
    with office.sessions() as session:
        by_owner = {one.owner: one for one in session.scalars(select(OptOut))}
    for one in by_owner.values():
        with office.sessions() as session:
            shared = with_others_bytes(session, office.catalogues, opt_out_id=one.id)
        with office.sessions.begin() as session:
            name_opt_outs(session, NOW, shared, opt_out_id=one.id)
    assert listed(office) == {"ada-0", "cleo-1"}
    assert listed(office, KeyKind.SHA256) == {by_owner["cleo"].sha256}, "ben-exact has the bytes of ada-0, so that one waits for the search"


def test_the_digest_of_a_file_that_a_linked_sign_in_has_too_is_named_at_once(office: Office):
    office.file(office.account("ada", "ben"), Photos(("ada-0",)))
    with office.sessions() as session:
        one = session.scalars(select(OptOut)).one()
        assert with_others_bytes(session, office.catalogues, request_id=one.request_id) == frozenset()


def test_a_held_picture_is_neither_named_nor_listed_though_its_bytes_are(office: Office):
    office.limits = NOBODYS
    office.file(office.account("ada"), Photos((), (picture_of(photo_bytes("ada", 0) + b" "),)))
    version = office.carry()
    one = the_opt_out(office)
    assert (one.held, one.named_at, one.effective_version) == (True, None, None)
    assert version is not None
    assert one.subject in listed(office, KeyKind.SHA256), "these very bytes are nobody else's row"

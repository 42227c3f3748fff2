"""What a hold leaves in the list, what it takes back, and how a held picture takes effect in the end."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from demur.exclusions import Entry, KeyKind
from demur.receipts import LogKind
from demur.similarity.rules import MatchKind
from models import Account, ExclusionEntry, LogEntry, OptOut, OptOutMatch, RequestState, RightsRequest
from rights.accounts import link_identity
from rights.contests import contest_photos
from rights.naming import name_opt_outs, with_others_bytes
from rights.optouts import Photos
from rights.proposals import OPERATOR, accept_proposals, decline_proposals, proposals_for
from rights.reach_limits import Limits, Most
from tests.factories import ISSUER, NOW
from tests.support.lookups import picture_of
from tests.support.pictures import jpeg, photo_bytes, textured_picture
from tests.unit.rights.office import Office
from tests.unit.rights.test_new_manifests import propagate_manifest, register

LATER = NOW + timedelta(hours=1)
NOBODYS = Limits(fingerprint=0, picture=Most(0, 0), request=Most(0, 0), day=Most(0, 0), photos=0)
"""Whatever is taken of others is held."""


def the_opt_out(office: Office) -> OptOut:
    with office.sessions() as session:
        return session.scalars(select(OptOut)).one()


def listed(office: Office) -> set[Entry]:
    with office.sessions() as session:
        rows = session.execute(select(ExclusionEntry.kind, ExclusionEntry.key, ExclusionEntry.pdq).where(ExclusionEntry.ended.is_(False)))
        return {Entry(KeyKind(kind), key, pdq) for kind, key, pdq in rows}


def name(office: Office, opt_out: OptOut) -> None:
    with office.sessions() as session:
        shared = with_others_bytes(session, office.catalogues, opt_out_id=opt_out.id)
    with office.sessions.begin() as session:
        name_opt_outs(session, NOW, shared, opt_out_id=opt_out.id)


def stated(office: Office, kind: LogKind) -> int:
    with office.sessions() as session:
        return len(session.scalars(select(LogEntry.id).where(LogEntry.kind == kind)).all())


def state(office: Office) -> RequestState:
    with office.sessions() as session:
        return session.scalars(select(RightsRequest)).one().state


def contested(office: Office, owner: str, *uids: str) -> Account:
    account = office.account(owner)
    with office.sessions.begin() as session:
        assert contest_photos(session, account, uids, LATER) == len(uids)
    return account


def decide(office: Office, *, accept: bool) -> None:
    """The operator decides about all that waits."""
    with office.sessions.begin() as session:
        ids = [one.match_id for one in proposals_for(session, OPERATOR)]
        if accept:
            accept_proposals(session, office.catalogues, OPERATOR, ids, LATER)
        else:
            decline_proposals(session, OPERATOR, ids, LATER)


def test_a_photo_that_the_first_search_holds_stays_listed_by_its_own_digest(office: Office, tmp_path: Path):
    register(office, tmp_path / "more", {"dan-2": ("dan", jpeg(textured_picture(seed=2), quality=50))})
    office.limits = NOBODYS
    office.file(office.account("ada"), Photos(("ada-2",)))
    name(office, the_opt_out(office))
    digest = Entry(KeyKind.SHA256, the_opt_out(office).sha256 or "")
    assert digest in listed(office), "nobody else has the file"
    office.carry()
    one = the_opt_out(office)
    assert one.held
    assert one.propagated_at is not None, "no other search names it again"
    assert listed(office) == {Entry(KeyKind.UID, "ada-2"), Entry(KeyKind.URL, "https://photos.example/ada-2"), digest}
    assert listed(office) == office.entries(1)


def test_a_later_manifest_that_has_a_photo_held_takes_back_what_is_of_others_alone(office: Office, tmp_path: Path):
    office.limits = NOBODYS
    office.file(office.account("ada"), Photos(("ada-2",)))
    office.carry()
    own = {Entry(KeyKind.UID, "ada-2"), Entry(KeyKind.SHA256, the_opt_out(office).sha256 or "")}
    late = register(office, tmp_path / "late", {"dan-2": ("dan", jpeg(textured_picture(seed=2), quality=50))})
    propagate_manifest(office, late)
    assert the_opt_out(office).held
    assert the_opt_out(office).propagated_at is None, "the search of all manifests names the other addresses of its own again"
    office.carry(LATER)
    assert listed(office) == own | {Entry(KeyKind.URL, "https://photos.example/ada-2")}


def test_a_picture_contested_before_its_first_version_is_not_stated_as_listed(office: Office):
    office.file(office.account("ada"), Photos((), (picture_of(photo_bytes("ben", 1)),)))
    office.propagate()
    assert the_opt_out(office).named_at is not None
    contested(office, "ben", "ben-1")
    assert the_opt_out(office).named_at is None
    office.carry(LATER)
    assert (the_opt_out(office).effective_version, stated(office, LogKind.OPT_OUT_LISTED)) == (None, 0)
    assert listed(office) == set()
    decide(office, accept=True)
    version = office.publish(LATER)
    assert version is not None
    assert (the_opt_out(office).effective_version, stated(office, LogKind.OPT_OUT_LISTED)) == (version.version, 1)
    assert Entry(KeyKind.UID, "ben-1") in office.entries(version.version)


def test_a_picture_that_a_later_manifest_has_held_before_its_first_version_is_not_stated_as_listed(office: Office, tmp_path: Path):
    office.limits = Limits(picture=Most(1, 1))
    office.file(office.account("ada"), Photos((), (picture_of(photo_bytes("ben", 1)),)))
    office.propagate()
    assert the_opt_out(office).named_at is not None
    propagate_manifest(office, register(office, tmp_path / "late", {"dan-1": ("dan", photo_bytes("ben", 1))}))
    office.carry(LATER)
    one = the_opt_out(office)
    assert (one.held, one.named_at, one.effective_version) == (True, None, None)
    assert stated(office, LogKind.OPT_OUT_LISTED) == 0


def test_a_picture_held_after_its_first_version_stays_in_effect_since_then(office: Office):
    office.file(office.account("ada"), Photos((), (picture_of(photo_bytes("ben", 1)),)))
    office.carry()
    contested(office, "ben", "ben-1")
    office.carry(LATER)
    assert the_opt_out(office).effective_version == 1
    assert stated(office, LogKind.OPT_OUT_LISTED) == 1


def held_picture(office: Office) -> Account:
    """ada looked ada-0 up by bytes that no row has; its copies, ada-0 among them, are others' of whom ben has three and cleo two."""
    ada = office.account("ada")
    office.limits = NOBODYS
    office.file(ada, Photos((), (picture_of(photo_bytes("ada", 0) + b" "),)))
    office.carry()
    assert (the_opt_out(office).held, the_opt_out(office).named_at) == (True, None)
    return ada


def linked(office: Office, account: Account, *owners: str) -> None:
    for owner in owners:
        with office.sessions.begin() as session:
            link_identity(session, session.get_one(Account, account.id), iss=ISSUER, sub=owner, owner=owner, now=LATER)


def test_a_held_picture_takes_effect_once_all_that_it_reaches_is_the_members_own(office: Office):
    ada = held_picture(office)
    linked(office, ada, "ben", "cleo")
    version = office.carry(LATER)
    assert version is not None
    assert (the_opt_out(office).effective_version, state(office)) == (version.version, RequestState.FULFILLED)
    with office.sessions() as session:
        assert MatchKind.PROPOSED not in session.scalars(select(OptOutMatch.kind)).all()
    assert {Entry(KeyKind.UID, uid) for uid in ("ada-0", "ben-exact", "cleo-mirrored")} <= office.entries(version.version)


def test_a_held_picture_of_which_something_still_waits_does_not(office: Office):
    linked(office, held_picture(office), "ben")
    office.carry(LATER)
    assert (the_opt_out(office).named_at, state(office)) == (None, RequestState.IN_PROGRESS)
    decide(office, accept=False)
    office.publish(LATER)
    assert (the_opt_out(office).effective_version, state(office)) == (2, RequestState.FULFILLED)


def test_where_the_operator_decides_before_the_search_the_picture_takes_effect_by_the_search(office: Office):
    bytes_of_nobody = photo_bytes("ben", 1) + b" "
    office.file(office.account("dora"), Photos((), (picture_of(bytes_of_nobody),)))
    office.propagate()
    contested(office, "ben", "ben-1")
    decide(office, accept=False)
    assert (the_opt_out(office).named_at, listed(office)) == (None, set()), "its own bytes are named again by the search"
    version = office.carry(LATER)
    assert version is not None
    assert the_opt_out(office).effective_version == version.version
    assert office.entries(version.version) == {Entry(KeyKind.SHA256, the_opt_out(office).subject)}

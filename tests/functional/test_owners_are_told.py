"""An owner whose photos other people's opt-outs take out is told by mail, once a day, and never by whom; and finds the way back."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from demur.exclusions import KeyKind
from demur.receipts import LogKind, Statement
from jobs.workplace import now
from models import Account, ExclusionEntry, LogEntry, OptOutMatch, Outbox
from rights import outbox
from rights.optouts import Photos, file_opt_outs
from tests.support.lookups import picture_of
from tests.support.mail import Inbox
from tests.support.pictures import photo_bytes
from tests.support.portals import ADA, BEN, CLEO, TestedPortal, portal_for_tests

ADDRESS = f"{BEN}@lantern.example"


@pytest.fixture
def mailing(mailing: TestedPortal) -> TestedPortal:
    """With two members."""
    mailing.member(ADA)
    mailing.member(BEN)
    return mailing


def takes(portal: TestedPortal, *numbers: int, owner: str = ADA) -> None:
    """Opts out pictures that are photos of ben's."""
    workplace = portal.workplace
    with workplace.writing.begin() as session:
        account = session.scalars(select(Account).where(Account.identities.any(owner=owner))).one()
        pictures = tuple(picture_of(photo_bytes("ben", number)) for number in numbers)
        file_opt_outs(session, workplace.catalogues, account, Photos((), pictures), now=now())
    portal.settle()


def passes(portal: TestedPortal, time: timedelta) -> None:
    """Time passes."""
    with portal.workplace.writing.begin() as session:
        waiting = update(Outbox).where(Outbox.topic == outbox.MAIL_TAKEN_NOTICE, Outbox.done_at.is_(None))
        for row in session.scalars(select(Outbox).where(Outbox.topic == outbox.MAIL_TAKEN_NOTICE, Outbox.done_at.is_(None))):
            session.execute(waiting.where(Outbox.id == row.id).values(available_at=row.available_at - time))
        for match in session.scalars(select(OptOutMatch).where(OptOutMatch.told_at.is_not(None))):
            match.told_at = match.told_at - time if match.told_at else None
    portal.settle()


def told(inbox: Inbox) -> list[str]:
    """Subjects of the mails to ben."""
    mails = zip(inbox.mails, inbox.envelopes, strict=True)
    return [mail["Subject"] for mail, (_, recipients) in mails if recipients == [ADDRESS]]


def test_an_owner_gets_one_mail_however_many_photos_were_taken_out(mailing: TestedPortal, inbox: Inbox):
    takes(mailing, 1, 2)
    takes(mailing, 3)
    assert told(inbox) == [], "it waits a little for those that come with it"
    passes(mailing, timedelta(minutes=6))
    assert told(inbox) == ["3 photos of yours were taken out of training"]


def test_the_mail_leads_to_the_way_back_and_says_neither_who_nor_which(mailing: TestedPortal, inbox: Inbox):
    takes(mailing, 1)
    passes(mailing, timedelta(minutes=6))
    [mail] = [mail for mail, (_, to) in zip(inbox.mails, inbox.envelopes, strict=True) if to == [ADDRESS]]
    text = mail.get_content()
    assert mail["Subject"] == "A photo of yours was taken out of training"
    assert ADA not in mail.as_string()
    assert "Amara" not in mail.as_string()
    assert "DM-" not in mail.as_string()
    assert "ben-1" not in mail.as_string()
    [link] = re.findall(rf"{re.escape(mailing.config.base_url)}(/\S+)", text)
    page = mailing.member(BEN).get(link)
    assert page.status_code == 200
    assert "ben-1" in page.text
    assert ADA not in page.text


def test_more_photos_of_the_same_day_wait_for_the_next_mail(mailing: TestedPortal, inbox: Inbox):
    takes(mailing, 1)
    passes(mailing, timedelta(minutes=6))
    takes(mailing, 2)
    passes(mailing, timedelta(hours=23))
    assert len(told(inbox)) == 1
    passes(mailing, timedelta(hours=2))
    assert told(inbox) == ["A photo of yours was taken out of training"] * 2, "the first one is not told again"


def test_a_mail_that_is_put_off_for_a_day_is_not_recalled_as_if_a_clock_had_been_ahead(mailing: TestedPortal, inbox: Inbox):
    takes(mailing, 1)
    passes(mailing, timedelta(minutes=6))
    takes(mailing, 2)
    with mailing.workplace.writing.begin() as session:
        assert outbox.recall(session, timedelta(seconds=20), now()) == 0
    mailing.settle()
    assert len(told(inbox)) == 1


def test_two_promises_of_one_moment_are_one_mail_a_day(mailing: TestedPortal, inbox: Inbox):
    """As when two workers found photos of one owner at once, and neither saw the other's promise."""
    takes(mailing, 1)
    with mailing.workplace.writing.begin() as session:
        promised = session.scalars(select(Outbox).where(Outbox.topic == outbox.MAIL_TAKEN_NOTICE)).one()
        outbox.add(session, outbox.MAIL_TAKEN_NOTICE, promised.payload, now()).turn = promised.turn
    mailing.settle()
    takes(mailing, 2)
    passes(mailing, timedelta(minutes=6))
    assert len(told(inbox)) == 1
    passes(mailing, timedelta(days=1))
    assert len(told(inbox)) == 2


def test_what_is_put_back_or_withdrawn_before_the_mail_is_not_told(mailing: TestedPortal, inbox: Inbox):
    takes(mailing, 1)
    ben = mailing.member(BEN)
    ben.get("/taken-out")
    assert ben.post("/taken-out", {"uid": ["ben-1"]}).status_code == 303
    passes(mailing, timedelta(minutes=6))
    assert not [subject for subject in told(inbox) if "taken out" in subject]


def test_without_a_confirmed_address_no_mail_is_promised(portal: TestedPortal):
    portal.member(ADA)
    portal.member(BEN)
    takes(portal, 1)
    with portal.workplace.reading() as session:
        assert session.scalars(select(Outbox).where(Outbox.topic == outbox.MAIL_TAKEN_NOTICE)).all() == []
    assert "put it back" in portal.member(BEN).get("/photos").text


def test_the_grid_names_the_first_of_many_and_counts_the_rest(portal: TestedPortal):
    portal.member(ADA)
    takes(portal, 1)
    with portal.workplace.writing.begin() as session:
        row = session.scalars(select(OptOutMatch).where(OptOutMatch.uid == "ben-1")).one()
        session.add_all(match_like(row, position=1000 + number, uid=f"zz-{number}") for number in range(60))
    notice = portal.member(BEN).get("/photos").text.split('<div class="said">')[1].split("</div>")[0]
    assert "61 photos of yours were taken out" in notice
    assert notice.count("<a href=") == 2, "ben-1, and the way back; the others are in no manifest"
    assert "and 60 more" in notice
    assert "61 photos of yours are out of training" in portal.member(BEN).get("/taken-out").text


def match_like(row: OptOutMatch, **values: object) -> OptOutMatch:
    names = ("opt_out_id", "manifest_id", "owner", "kind", "phash_distance", "pdq_distance", "edit", "dihedral")
    return OptOutMatch(**{name: getattr(row, name) for name in names} | values)


def test_several_photos_are_put_back_at_once_and_each_has_its_receipt(mailing: TestedPortal, inbox: Inbox):
    takes(mailing, 1, 2)
    ben = mailing.member(BEN)
    ben.get("/taken-out")
    ben.post("/taken-out", {"uid": ["ben-1", "ben-2"]})
    mailing.settle()
    assert "Nobody else’s opt-out" in ben.get("/taken-out").text
    with mailing.workplace.reading() as session:
        kept = session.scalars(select(ExclusionEntry.key).where(ExclusionEntry.kind == KeyKind.UID, ExclusionEntry.ended.is_(False)))
        assert not {"ben-1", "ben-2"} & set(kept)
    receipts = re.findall(r'href="(/receipts/[^".]+)"', ben.get("/photos/ben-2").text)
    assert ben.get(receipts[0]).status_code == 200
    assert "Contested" in ben.page
    assert "Your photos: put back" in told(inbox)


def statements(portal: TestedPortal) -> list[Statement]:
    with portal.workplace.reading() as session:
        return [Statement.parse(one) for one in session.scalars(select(LogEntry.statement).order_by(LogEntry.id))]


def of_kind(portal: TestedPortal, kind: LogKind) -> list[Statement]:
    return [one for one in statements(portal) if one.kind is kind]


def contested(portal: TestedPortal) -> list[int]:
    """ben contests ben-1, which ada took; returns the proposals that wait for the operator."""
    takes(portal, 1)
    ben = portal.member(BEN)
    ben.get("/taken-out")
    ben.post("/taken-out", {"uid": ["ben-1"]})
    portal.settle()
    with portal.workplace.reading() as session:
        return list(session.scalars(select(OptOutMatch.id).where(OptOutMatch.contested_at.is_not(None))))


def test_a_contest_and_the_hold_that_follows_are_stated_each_for_its_person_alone(mailing: TestedPortal, inbox: Inbox):
    contested(mailing)
    [contest], [held] = of_kind(mailing, LogKind.PHOTO_CONTESTED), of_kind(mailing, LogKind.OPT_OUT_HELD)
    assert (contest.photos, contest.reference, contest.pictures) == (("ben-1",), "", ())
    assert held.reference.startswith("DM-")
    assert held.photos == (), "whoever opted out does not learn which photo of whom"
    with mailing.workplace.reading() as session:
        leaves = session.scalars(select(LogEntry).where(LogEntry.kind.in_([LogKind.PHOTO_CONTESTED, LogKind.OPT_OUT_HELD]))).all()
    assert all(entry.leaf_index is not None for entry in leaves)
    subjects = {to[0]: mail["Subject"] for mail, (_, to) in zip(inbox.mails, inbox.envelopes, strict=True)}
    assert subjects[ADDRESS] == "Your photos: put back"
    assert subjects[f"{ADA}@lantern.example"].endswith("a person looks at it")


def test_a_contest_that_the_operator_accepts_is_stated(mailing: TestedPortal, inbox: Inbox):
    [match] = contested(mailing)
    assert mailing.run("proposals", "decline", str(match)).exit_code == 0
    mailing.settle()
    assert [one.photos for one in of_kind(mailing, LogKind.CONTEST_ACCEPTED)] == [("ben-1",)]
    assert len(of_kind(mailing, LogKind.OPT_OUT_LIMITED)) == 1
    assert "Your photos: put back for good" in told(inbox)


def test_a_contest_that_the_operator_refuses_is_stated_and_shown_to_the_owner(mailing: TestedPortal, inbox: Inbox):
    [match] = contested(mailing)
    assert mailing.run("proposals", "accept", str(match)).exit_code == 0
    mailing.settle()
    assert [one.photos for one in of_kind(mailing, LogKind.CONTEST_REFUSED)] == [("ben-1",)]
    assert len(of_kind(mailing, LogKind.OPT_OUT_RELEASED)) == 1
    assert "Your photos: out again" in told(inbox)
    assert "The operator disagreed" in mailing.member(BEN).get("/photos/ben-1").text
    passes(mailing, timedelta(days=1))
    assert "A photo of yours was taken out of training" not in told(inbox), "that mail said so already"


def test_a_denial_agrees_with_whoever_contested(mailing: TestedPortal):
    contested(mailing)
    [held] = of_kind(mailing, LogKind.OPT_OUT_HELD)
    assert mailing.run("opt-outs", "deny", held.reference, "--reason", "suspected_fraud").exit_code == 0
    assert [one.photos for one in of_kind(mailing, LogKind.CONTEST_ACCEPTED)] == [("ben-1",)]
    assert len(of_kind(mailing, LogKind.OPT_OUT_DENIED)) == 1


def test_a_hold_by_the_limits_is_stated_once_a_request(tmp_path: Path, database_url: str, member_catalogues: Path):
    with portal_for_tests(tmp_path, database_url, member_catalogues, reach_of_picture=0) as portal:
        portal.member(ADA)
        takes(portal, 1, 2)
        [held] = of_kind(portal, LogKind.OPT_OUT_HELD)
    assert len(held.pictures) == 2


def test_nobody_puts_back_a_photo_of_somebody_else(mailing: TestedPortal):
    takes(mailing, 1)
    cleo = mailing.member(CLEO)
    cleo.get("/taken-out")
    assert cleo.post("/taken-out", {"uid": ["ben-1"]}).status_code == 404

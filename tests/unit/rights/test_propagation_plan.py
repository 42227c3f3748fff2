"""The rules of propagation, over any rows that a search may find."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.exclusions import Entry, KeyKind
from demur.similarity.rules import MatchKind
from models import OptOutScope
from rights.hashes import Hashes
from rights.propagation_plan import FoundRow, Plan, Subject, plan_propagation, row_entries
from rights.reach_limits import Hold, Limits, Most

PICTURE = Hashes(sha256="a" * 64, phash="b" * 16, pdq="c" * 64, pdq_quality=90)

kinds = st.sampled_from(MatchKind)
subjects = st.builds(
    Subject, scope=st.sampled_from(OptOutScope), owner=st.just("ada"), key=st.just("ada-0"), hold=st.sampled_from([None, Hold.REACH])
)
rows = st.builds(
    FoundRow,
    manifest_id=st.integers(1, 2),
    position=st.integers(0, 9),
    uid=st.just(""),
    owner=st.sampled_from(["ada", "ben", ""]),
    kind=kinds,
    phash_distance=st.integers(0, 10),
    pdq_distance=st.integers(0, 80),
).map(lambda row: replace(row, uid=f"{row.manifest_id}-{row.position}", url=f"https://photos.example/{row.manifest_id}-{row.position}"))
founds = st.lists(rows, max_size=30).map(lambda found: [replace(row, owner=owner_of(row)) for row in found])


def owner_of(row: FoundRow) -> str:
    """A row has one owner, however often it is found."""
    return ("ada", "ben", "")[row.position % 3]


def listed(plan: Plan, kind: KeyKind) -> set[str]:
    return {entry.key for entry in plan.entries if entry.kind is kind}


def at_most(photos: int) -> Limits:
    return Limits(picture=Most(photos, 100), photos=photos)


@given(subjects, founds, st.integers(0, 6))
def test_the_rules(subject: Subject, found: list[FoundRow], limit: int):
    plan = plan_propagation(subject, [PICTURE], found, at_most(limit))
    places = [(row.manifest_id, row.position) for row in plan.rows]
    assert len(places) == len(set(places)), "each row once"
    assert set(places) == {(row.manifest_id, row.position) for row in found}
    going = {row.uid for row in found if row.kind is not MatchKind.PROPOSED}
    elsewhere = {row.uid for row in found if row.uid in going and row.owner != "ada"}
    assert plan.held == (subject.hold is not None or len(elsewhere) > limit)
    gone = listed(plan, KeyKind.UID) - ({"ada-0"} if subject.scope is OptOutScope.PHOTO else set())
    assert gone == (going - elsewhere if plan.held else going), "of a held opt-out nothing of others is listed"
    assert listed(plan, KeyKind.URL) == {f"https://photos.example/{uid}" for uid in gone}
    assert bool(listed(plan, KeyKind.PHASH)) is not plan.held, "a phash in the list would exclude what is held"
    assert listed(plan, KeyKind.SHA256) == {PICTURE.sha256}, "no row of others has these bytes"


@given(subjects, founds, st.integers(0, 6), st.randoms())
def test_the_order_of_finding_does_not_matter(subject: Subject, found: list[FoundRow], limit: int, rng):
    shuffled = list(found)
    rng.shuffle(shuffled)
    first, second = (plan_propagation(subject, [PICTURE], some, at_most(limit)) for some in (found, shuffled))
    assert (first.held, first.entries) == (second.held, second.entries)
    assert [(row.uid, row.kind) for row in first.rows] == [(row.uid, row.kind) for row in second.rows]


def copy_of(owner: str, uid: str, kind: MatchKind = MatchKind.CONFIRMED, hashes: Hashes = PICTURE) -> FoundRow:
    return FoundRow(1, int(uid), uid, owner, kind, 2, 8, hashes=hashes)


def test_photos_that_were_taken_before_count_towards_the_limit_once():
    row, before = copy_of("ben", "4"), frozenset({("ben", "1"), ("ben", "4")})
    subject = Subject(OptOutScope.PHOTO, "ada", "ada-0", before=before)
    assert not plan_propagation(subject, [PICTURE], [row], at_most(2)).held
    assert plan_propagation(subject, [PICTURE], [row], at_most(1)).hold is Hold.REACH


def test_a_photo_in_three_manifests_counts_once():
    rows = [replace(copy_of("ben", "4"), manifest_id=manifest) for manifest in (1, 2, 3)]
    assert not plan_propagation(Subject(OptOutScope.PHOTO, "ada", "ada-0"), [PICTURE], rows, at_most(1)).held


def test_a_held_opt_out_does_not_name_bytes_that_others_have():
    subject = Subject(OptOutScope.PHOTO, "ada", "ada-0", hold=Hold.REACH)
    assert not listed(plan_propagation(subject, [PICTURE], [copy_of("ben", "4", MatchKind.EXACT)], Limits()), KeyKind.SHA256)
    assert listed(plan_propagation(subject, [PICTURE], [copy_of("ada", "4", MatchKind.EXACT)], Limits()), KeyKind.SHA256)


FINGERPRINT = Subject(OptOutScope.PICTURE, "ada", "a" * 64, decoded=False)
UNLIKE = Hashes(sha256="e" * 64, phash="0123456789abcdef", pdq="5a" * 32, pdq_quality=90)


def test_a_fingerprint_takes_a_handful_of_others_photos_and_a_decoded_picture_more():
    rows = [copy_of("ben", str(number)) for number in range(6)]
    assert not plan_propagation(FINGERPRINT, [PICTURE], rows[:5], Limits()).held
    assert plan_propagation(FINGERPRINT, [PICTURE], rows, Limits()).hold is Hold.FINGERPRINT
    assert not plan_propagation(replace(FINGERPRINT, decoded=True), [PICTURE], rows, Limits()).held


def test_rows_that_do_not_resemble_each_other_are_held_at_once():
    rows = [copy_of("ben", "1"), copy_of("ben", "2", hashes=UNLIKE)]
    assert plan_propagation(FINGERPRINT, [PICTURE], rows, Limits()).hold is Hold.UNLIKE


def test_photos_of_too_many_owners_are_held():
    rows = [copy_of(f"owner {number}", str(number)) for number in range(11)]
    assert plan_propagation(replace(FINGERPRINT, decoded=True), [PICTURE], rows, Limits()).hold is Hold.REACH


def test_a_fingerprint_that_is_nowhere_is_not_listed_and_a_decoded_picture_is():
    assert plan_propagation(FINGERPRINT, [PICTURE], [], Limits()).entries == ()
    assert listed(plan_propagation(replace(FINGERPRINT, decoded=True), [PICTURE], [], Limits()), KeyKind.SHA256)


def test_neither_looks_nor_a_digest_that_no_row_has_are_listed_for_a_fingerprint_that_matches_by_looks():
    row = copy_of("ben", "1", hashes=replace(PICTURE, sha256="f" * 64))
    plan = plan_propagation(FINGERPRINT, [PICTURE], [row], Limits())
    assert not listed(plan, KeyKind.SHA256) | listed(plan, KeyKind.PHASH)
    assert listed(plan, KeyKind.UID) == {row.uid}


def test_a_proposal_that_a_person_accepted_goes_however_it_is_found_again():
    row = FoundRow(1, 4, "1-4", "ben", MatchKind.CONFIRMED, 2, 8, "https://photos.example/1-4")
    by_row = {Entry(KeyKind.UID, "1-4"), Entry(KeyKind.URL, "https://photos.example/1-4")}
    held = Subject(OptOutScope.PHOTO, "ada", "ada-0", hold=Hold.REACH)
    assert not by_row & set(plan_propagation(held, [PICTURE], [row], Limits()).entries)
    accepted = replace(held, accepted=frozenset({(1, 4)}))
    assert by_row <= set(plan_propagation(accepted, [PICTURE], [row], Limits()).entries)


@pytest.mark.parametrize("url", ["https://photos.example/a b?x=ü", "http://photos.example:8080/", "s3://bucket/0001.jpg"])
def test_a_whole_address_is_listed_as_the_manifest_spells_it(url: str):
    assert row_entries("1-4", url) == [Entry(KeyKind.UID, "1-4"), Entry(KeyKind.URL, url)]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        " ",
        "images/0001.jpg",
        "/images/0001.jpg",
        "0001.jpg",
        "data:image/png;base64,AAAA",
        "http://[",
        "https://a/\0",
        "https://a/\n",
        "https://photos.example/" + "x" * 2000,
    ],
)
def test_what_may_name_several_pictures_or_cannot_be_kept_is_not(url: str | None):
    assert row_entries("1-4", url) == [Entry(KeyKind.UID, "1-4")]


def test_a_photo_in_no_manifest_is_listed_by_its_uid():
    plan = plan_propagation(Subject(OptOutScope.PHOTO, "ada", "ada-0"), [], [], Limits())
    assert plan.entries == (Entry(KeyKind.UID, "ada-0"),)


def test_a_plain_picture_is_listed_by_its_bytes_only():
    plan = plan_propagation(Subject(OptOutScope.PICTURE, "ada", "a" * 64), [replace(PICTURE, pdq_quality=49)], [], Limits())
    assert plan.entries == (Entry(KeyKind.SHA256, "a" * 64),)


def test_two_photos_that_share_a_phash_are_both_listed():
    twin = replace(PICTURE, sha256="d" * 64, pdq="e" * 64)
    plan = plan_propagation(Subject(OptOutScope.OWNER, "ada", ""), [PICTURE, twin], [], Limits())
    assert {entry.pdq for entry in plan.entries if entry.kind is KeyKind.PHASH} == {PICTURE.pdq, twin.pdq}
    assert Entry(KeyKind.OWNER, "ada") in plan.entries

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

PICTURE = Hashes(sha256="a" * 64, phash="b" * 16, pdq="c" * 64, pdq_quality=90)

kinds = st.sampled_from(MatchKind)
subjects = st.builds(Subject, scope=st.sampled_from(OptOutScope), owner=st.just("ada"), key=st.just("ada-0"), held=st.booleans())
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


@given(subjects, founds, st.integers(0, 6))
def test_the_rules(subject: Subject, found: list[FoundRow], limit: int):
    plan = plan_propagation(subject, [PICTURE], found, limit)
    places = [(row.manifest_id, row.position) for row in plan.rows]
    assert len(places) == len(set(places)), "each row once"
    assert set(places) == {(row.manifest_id, row.position) for row in found}
    exact = {row.uid for row in found if row.kind is MatchKind.EXACT}
    assert exact <= listed(plan, KeyKind.UID), "exact rows always go"
    confirmed = {row.uid for row in found if row.kind is MatchKind.CONFIRMED} - exact
    elsewhere = {row.uid for row in found if row.uid in confirmed and row.owner != "ada"}
    assert plan.held == (subject.held or len(elsewhere) > limit)
    gone = listed(plan, KeyKind.UID) - ({"ada-0"} if subject.scope is OptOutScope.PHOTO else set())
    assert gone == exact | (confirmed - elsewhere if plan.held else confirmed), "proposals wait for a person"
    assert listed(plan, KeyKind.URL) == {f"https://photos.example/{uid}" for uid in gone}
    assert bool(listed(plan, KeyKind.PHASH)) is not plan.held, "a phash in the list would exclude what is held"
    assert listed(plan, KeyKind.SHA256) == {PICTURE.sha256}


@given(subjects, founds, st.integers(0, 6), st.randoms())
def test_the_order_of_finding_does_not_matter(subject: Subject, found: list[FoundRow], limit: int, rng):
    shuffled = list(found)
    rng.shuffle(shuffled)
    first, second = (plan_propagation(subject, [PICTURE], some, limit) for some in (found, shuffled))
    assert (first.held, first.entries) == (second.held, second.entries)
    assert [(row.uid, row.kind) for row in first.rows] == [(row.uid, row.kind) for row in second.rows]


@given(founds, st.integers(0, 6))
def test_finding_more_never_excludes_by_row_what_was_exact_less(found: list[FoundRow], limit: int):
    subject = Subject(OptOutScope.PHOTO, "ada", "ada-0")
    few, all_of_them = (plan_propagation(subject, [PICTURE], some, limit) for some in (found[: len(found) // 2], found))
    exact = {row.uid for row in few.rows if row.kind is MatchKind.EXACT}
    assert exact <= listed(all_of_them, KeyKind.UID)


def test_earlier_near_duplicates_count_towards_the_limit():
    row = FoundRow(1, 4, "1-4", "ben", MatchKind.CONFIRMED, 2, 8)
    assert not plan_propagation(Subject(OptOutScope.PHOTO, "ada", "ada-0", others=1), [PICTURE], [row], 2).held
    assert plan_propagation(Subject(OptOutScope.PHOTO, "ada", "ada-0", others=2), [PICTURE], [row], 2).held


def test_a_proposal_that_a_person_accepted_goes_however_it_is_found_again():
    row = FoundRow(1, 4, "1-4", "ben", MatchKind.CONFIRMED, 2, 8, "https://photos.example/1-4")
    by_row = {Entry(KeyKind.UID, "1-4"), Entry(KeyKind.URL, "https://photos.example/1-4")}
    held = Subject(OptOutScope.PHOTO, "ada", "ada-0", held=True)
    assert not by_row & set(plan_propagation(held, [PICTURE], [row], 10).entries)
    accepted = replace(held, accepted=frozenset({(1, 4)}))
    assert by_row <= set(plan_propagation(accepted, [PICTURE], [row], 10).entries)


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
    plan = plan_propagation(Subject(OptOutScope.PHOTO, "ada", "ada-0"), [], [], 10)
    assert plan.entries == (Entry(KeyKind.UID, "ada-0"),)


def test_a_plain_picture_is_listed_by_its_bytes_only():
    plan = plan_propagation(Subject(OptOutScope.PICTURE, "ada", "a" * 64), [replace(PICTURE, pdq_quality=49)], [], 10)
    assert plan.entries == (Entry(KeyKind.SHA256, "a" * 64),)


def test_two_photos_that_share_a_phash_are_both_listed():
    twin = replace(PICTURE, sha256="d" * 64, pdq="e" * 64)
    plan = plan_propagation(Subject(OptOutScope.OWNER, "ada", ""), [PICTURE, twin], [], 10)
    assert {entry.pdq for entry in plan.entries if entry.kind is KeyKind.PHASH} == {PICTURE.pdq, twin.pdq}
    assert Entry(KeyKind.OWNER, "ada") in plan.entries

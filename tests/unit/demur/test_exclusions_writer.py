import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.exclusions import Entry, EntryTable, KeyKind, build_version, point_head, written_version
from demur.exclusions.delta import Delta
from demur.exclusions.entries import FileDigest
from demur.exclusions.head import MOST_DELTAS, NO_ROOT, BadHead, Head
from demur.exclusions.trusted import apply_delta, check_entries, open_delta, open_whole
from demur.exclusions.writer import SMALL_TRAIL, TRAIL_SHARE, VersionMismatch, VersionMissing, VersionPublished, trail_of
from demur.signing import SigningKey
from tests.support.exclusion_lists import LIFETIME, LIST_ID, NOW, build, publish, uids, write_version

KEY = SigningKey.generate("op.example")
names = st.sets(st.sampled_from("abcdefgh"))


def test_the_first_version_follows_on_the_empty_list() -> None:
    head = build(uids("b", "a", "b")).head
    assert (head.version, head.previous_version, head.previous_root) == (1, 0, NO_ROOT)
    assert (head.total, head.added, head.removed, head.counts) == (2, 2, 0, {KeyKind.UID: 2})


@given(names, names)
def test_a_version_and_its_delta_tell_the_same(before: set[str], after: set[str]) -> None:
    old = build(uids(*before))
    new = build(uids(*after), old)
    assert apply_delta(old.entries, open_delta(new.delta_file, new.head), 2) == new.entries == EntryTable.of(uids(*after))
    check_entries(new.entries, new.head)
    assert (new.head.added, new.head.removed) == (len(after - before), len(before - after))


@given(names)
def test_building_is_pure_and_blind_to_order(listed: set[str]) -> None:
    assert build(uids(*sorted(listed))) == build(reversed(uids(*sorted(listed))))


def test_the_head_reads_back() -> None:
    head = build([Entry(KeyKind.PHASH, "0" * 16, "1" * 64), *uids("é")]).head
    assert Head.parse(head.payload()) == head
    logged = replace(head, log_leaf_index=7)
    assert Head.parse(logged.payload()) == logged


def test_times_are_utc_and_lose_their_fractions() -> None:
    moment = datetime(2026, 11, 21, 13, 0, 0, 999, timezone(timedelta(hours=1)))
    assert build(uids("a"), published_at=moment).head.published_at == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_dates_and_predecessors_that_do_not_belong_together_are_refused() -> None:
    first, nothing = build(uids("a")), EntryTable.of(())
    times = {"published_at": NOW, "expires_at": NOW + LIFETIME}
    with pytest.raises(VersionMismatch):
        build_version(Delta.of(()), first.head, nothing, list_id=LIST_ID, **times)
    with pytest.raises(VersionMismatch):
        build_version(Delta.of(()), None, first.entries, list_id=LIST_ID, **times)
    with pytest.raises(VersionMismatch):
        build_version(Delta.of(()), first.head, first.entries, list_id="another", **times)
    with pytest.raises(VersionMismatch):
        build_version(Delta.of(()), None, nothing, list_id=LIST_ID, published_at=NOW, expires_at=NOW)
    with pytest.raises(VersionMismatch):
        build_version(Delta.of(()), None, nothing, list_id=LIST_ID, published_at=NOW.replace(tzinfo=None), expires_at=NOW)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":1', b'"version":2'),
        (b'"version":1', b'"version":1.0'),
        (b'"version":1', b'"version":true'),
        (b'"total":1', b'"total":-1'),
        (b'"total":1', b'"total":"1"'),
        (b'"counts":{"uid":1}', b'"counts":[]'),
        (b'"2026-11-21T12:00:00Z"', b'"2026-11-21T12:00:00+00:00"'),
        (b'"2026-11-21T12:00:00Z"', b'"2027-11-21T12:00:00Z"'),
        (b'"2026-11-21T12:00:00Z"', b"null"),
        (b'"format":"demur-exclusion-list/1"', b'"format":"demur-exclusion-list/2"'),
        (b'"list_id":', b'"list_name":'),
        (b'"list_id":', b' "list_id":'),
        (b"}", b""),
    ],
)
def test_heads_of_another_form_are_refused(old: bytes, new: bytes) -> None:
    payload = build(uids("a")).head.payload()
    assert old in payload
    with pytest.raises(BadHead):
        Head.parse(payload.replace(old, new))


def test_a_version_is_unseen_until_the_head_points_at_it(tmp_path: Path) -> None:
    write_version(tmp_path, build(uids("a")), KEY)
    assert not (tmp_path / "head.dsse.json").exists()
    point_head(tmp_path, 1)
    point_head(tmp_path, 1)
    assert (tmp_path / "head.dsse.json").read_bytes() == (tmp_path / "versions/1/head.dsse.json").read_bytes()


def test_the_head_never_moves_back(tmp_path: Path) -> None:
    first = publish(tmp_path, KEY, uids("a"))
    publish(tmp_path, KEY, uids("b"), first)
    point_head(tmp_path, 1)
    assert (tmp_path / "head.dsse.json").read_bytes() == (tmp_path / "versions/2/head.dsse.json").read_bytes()


def test_the_head_points_at_nothing_that_was_not_written(tmp_path: Path) -> None:
    with pytest.raises(VersionMissing):
        point_head(tmp_path, 1)


def test_a_version_that_is_not_placed_leaves_nothing(tmp_path: Path) -> None:
    with written_version(tmp_path, build(uids("a")), KEY) as written:
        assert (written.files / "head.dsse.json").exists()
    assert list((tmp_path / "versions").iterdir()) == []


def test_remains_of_a_crash_are_replaced_but_a_published_version_is_not(tmp_path: Path) -> None:
    write_version(tmp_path, build(uids("lost in a crash")), KEY)
    kept = publish(tmp_path, KEY, uids("a"))
    with open(tmp_path / "versions/1/entries.parquet", "rb") as file:
        assert open_whole(file, kept.head) == kept.entries
    with pytest.raises(VersionPublished):
        write_version(tmp_path, build(uids("changed")), KEY)
    assert sorted(path.name for path in (tmp_path / "versions").iterdir()) == ["1"]


def test_a_whole_file_is_written_at_first_and_after_so_many_versions() -> None:
    versions = [build(uids("0"))]
    for number in range(1, 2 * MOST_DELTAS):
        versions.append(build(uids(str(number)), replace(versions[-1], trail=0)))  # as if the deltas had no length
    built_on = [version.head.entries.version for version in versions]
    assert built_on == [1] * MOST_DELTAS + [MOST_DELTAS + 1] * MOST_DELTAS
    assert [version.head.version for version in versions if version.entries_file] == [1, MOST_DELTAS + 1]


def test_a_whole_file_is_written_when_the_deltas_since_outgrow_a_quarter_of_it(tmp_path: Path) -> None:
    names = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(20_000)]
    version = publish(tmp_path, KEY, uids(*names[:14_000]))
    whole_files = []
    for stop in range(14_500, 20_001, 500):
        version = publish(tmp_path, KEY, uids(*names[:stop]), version)
        assert version.trail == trail_of(tmp_path, version.head) <= max(TRAIL_SHARE * version.head.entries.size, SMALL_TRAIL)
        whole = tmp_path / "versions" / str(version.head.version) / "entries.parquet"
        assert whole.exists() is (version.entries_file is not None) is (version.head.entries.version == version.head.version)
        if whole.exists():
            assert FileDigest.of(whole.read_bytes()) == FileDigest(version.head.entries.sha256, version.head.entries.size)
            whole_files.append(version.head.version)
    assert len(whole_files) == 1


@pytest.mark.parametrize("built_on", [0, 2, 100 - MOST_DELTAS - 1, 101])
def test_a_head_builds_on_a_version_before_it_and_not_too_far_back(built_on: int) -> None:
    head = replace(build(uids("a")).head, version=100, previous_version=99)
    for version in (100, 100 - MOST_DELTAS):
        assert Head.parse(replace(head, entries=replace(head.entries, version=version)).payload())
    with pytest.raises(BadHead, match="builds"):
        Head.parse(replace(head, entries=replace(head.entries, version=built_on)).payload())

"""The reader against real directories and a real HTTP server."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.exclusions import Entry, EntryTable, ExclusionList, KeyKind, ListRefused, Version
from demur.exclusions.delta import Delta
from demur.exclusions.entries import FileDigest
from demur.exclusions.head import WholeFile
from demur.exclusions.history import History, read_keys
from demur.exclusions.sources import HttpSource, Missing
from demur.exclusions.state import BadState
from demur.exclusions.trusted import BadListFormat, Expired, Fork, Gap, Rollback, Unreachable, WrongCount, WrongDigest, WrongRoot
from demur.exclusions.writer import SMALL_TRAIL
from demur.signing import SigningKey
from tests.support.exclusion_lists import LIFETIME, NOW, ListServer, build, publish, publish_version, serve, sign_head, uids, write_version

KEY = SigningKey.generate("op.example")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    target = tmp_path / "list"
    target.mkdir()
    return target


@pytest.fixture
def first(directory: Path) -> Version:
    return publish(directory, KEY, uids("a", "b"))


@pytest.fixture
def server(directory: Path, first: Version) -> Iterator[ListServer]:
    with serve(directory) as running:
        yield running


def opened(place: str | Path, state: Path | None = None) -> ExclusionList:
    return ExclusionList.open(place, key=KEY.verifier, token="secret", state=state, now=NOW)


def kept(exclusions: ExclusionList, *names: str) -> list[bool]:
    return list(exclusions.keep(pa.table({"uid": list(names)})).to_pylist())


def test_a_list_reads_the_same_from_a_directory_and_over_http(server: ListServer, directory: Path, first: Version) -> None:
    for exclusions in (opened(directory), opened(server.url), opened(server.url.rstrip("/"))):
        assert exclusions.head == first.head
        assert exclusions.entries == first.entries
        assert kept(exclusions, "a", "x", "b") == [False, True, False]
        assert exclusions.explain({"uid": "a"}) == Entry(KeyKind.UID, "a")
        assert exclusions.explain({"uid": "x"}) is None
        assert exclusions.reasons(pa.table({"uid": ["a", "x", "b"]})) == {KeyKind.UID: 2}


def test_an_unchanged_list_costs_one_304_and_a_look_for_new_keys(server: ListServer, first: Version) -> None:
    exclusions = opened(server.url)
    server.answers.clear()
    assert not exclusions.update(NOW)
    assert server.answers == [("/head.dsse.json", 304), ("/rotations.json", 404)]


def test_the_next_version_travels_as_its_own_delta(server: ListServer, directory: Path, first: Version) -> None:
    exclusions = opened(server.url)
    second = publish(directory, KEY, uids("b", "c"), first)
    server.answers.clear()
    assert exclusions.update(NOW)
    assert exclusions.entries == second.entries
    assert kept(exclusions, "a", "b", "c") == [True, False, False]
    assert [path for path, _ in server.answers] == ["/head.dsse.json", "/rotations.json", "/versions/2/delta.parquet"]


def test_several_versions_travel_as_one_delta(server: ListServer, directory: Path, first: Version) -> None:
    exclusions = opened(server.url)
    third = publish(directory, KEY, uids("b", "c", "d"), publish(directory, KEY, uids("b", "c", "x"), first))
    (directory / "versions/3/delta-from-1.parquet").write_bytes(Delta.between(first.entries, third.entries).parquet())
    server.answers.clear()
    assert exclusions.update(NOW)
    assert exclusions.head == third.head
    assert exclusions.entries == third.entries
    assert [path for path, _ in server.answers] == ["/head.dsse.json", "/rotations.json", "/versions/3/delta-from-1.parquet"]


def test_without_one_delta_the_chain_is_followed(server: ListServer, directory: Path, first: Version) -> None:
    exclusions = opened(server.url)
    third = publish(directory, KEY, uids("b", "c", "d"), publish(directory, KEY, uids("b", "c"), first))
    server.answers.clear()
    assert exclusions.update(NOW)
    assert exclusions.entries == third.entries
    assert [path for path, status in server.answers if status == 200] == [
        "/head.dsse.json",
        "/versions/2/head.dsse.json",
        "/versions/2/delta.parquet",
        "/versions/3/delta.parquet",
    ]


def with_whole_file(directory: Path, names: str, previous: Version) -> Version:
    """A version after so long deltas that it is written whole."""
    version = build(uids(*names), replace(previous, trail=SMALL_TRAIL))
    publish_version(directory, KEY, version)
    return version


def test_a_list_opens_from_its_newest_whole_file_and_the_deltas_since(server: ListServer, directory: Path, first: Version) -> None:
    third = with_whole_file(directory, "bc", publish(directory, KEY, uids("c"), first))
    fifth = publish(directory, KEY, uids("d", "e"), publish(directory, KEY, uids("c", "d"), third))
    assert fifth.head.entries.version == 3
    assert not (directory / "versions/5/entries.parquet").exists()
    for place in (server.url, directory):
        assert opened(place).entries == fifth.entries
    assert not any(path.startswith(("/versions/1/", "/versions/2/")) for path, _ in server.answers)


def test_many_versions_are_read_by_reading_one_whole(server: ListServer, directory: Path, first: Version) -> None:
    versions = [first]
    for number in range(4):
        versions.append(publish(directory, KEY, [*versions[-1].entries, *uids(f"photo-{number}")], versions[-1]))
    source = HttpSource(server.url, "secret")
    history = History(source, read_keys(source, KEY.verifier))
    server.answers.clear()
    assert [(head, list(entries)) for head, entries in history.each([1, 2, 4, 5])] == [
        (versions[number].head, list(versions[number].entries)) for number in (0, 1, 3, 4)
    ]
    read = [path.rpartition("/")[2] for path, status in server.answers if status == 200]
    assert (read.count("entries.parquet"), read.count("delta.parquet")) == (1, 4)


def test_pruned_deltas_lead_to_the_newest_whole_file(server: ListServer, directory: Path, first: Version) -> None:
    exclusions = opened(server.url)
    second = publish(directory, KEY, uids("c"), first)
    fourth = publish(directory, KEY, uids("d", "e"), with_whole_file(directory, "d", second))
    shutil.rmtree(directory / "versions/2")
    assert exclusions.update(NOW)
    assert exclusions.entries == fourth.entries


def test_a_whole_file_that_is_shorter_than_the_deltas_is_taken_instead(server: ListServer, directory: Path, first: Version) -> None:
    names = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(4000)]
    many = publish(directory, KEY, uids(*names), first)
    exclusions = opened(server.url)
    most = publish(directory, KEY, uids(*names[1:]), many)
    few = with_whole_file(directory, "ab", publish(directory, KEY, uids(), most))
    (directory / f"versions/{few.head.version}/delta-from-2.parquet").write_bytes(bytes(few.head.entries.size + (1 << 17)))
    server.answers.clear()
    assert exclusions.update(NOW)
    assert exclusions.entries == few.entries
    paths = [path for path, _ in server.answers]
    assert "/versions/5/entries.parquet" in paths
    assert not [path for path in paths if path.endswith("/delta.parquet")]


def test_one_delta_that_leads_elsewhere_is_refused(directory: Path, first: Version) -> None:
    exclusions = opened(directory)
    third = publish(directory, KEY, uids("b", "c", "d"), publish(directory, KEY, uids("b", "c"), first))
    place = directory / "versions/3/delta-from-1.parquet"
    other = EntryTable.of(uids("b", "c", "e"))
    for file, error in [
        (Delta.between(first.entries, other).parquet(), WrongRoot),
        (Delta.between(first.entries, EntryTable.of(uids("b"))).parquet(), WrongCount),
        (Delta.between(other, third.entries).parquet(), Gap),
        (Delta.between(EntryTable.of(()), EntryTable.of(uids(*map(str, range(9))))).parquet(), WrongCount),
        (b"PAR1", BadListFormat),
        (third.entries.parquet(), BadListFormat),
    ]:
        place.write_bytes(file)
        with pytest.raises(error):
            exclusions.update(NOW)
        assert exclusions.head == first.head
    place.unlink()
    assert exclusions.update(NOW)


def test_a_whole_file_that_another_version_does_not_own_is_a_gap(directory: Path, first: Version) -> None:
    data = EntryTable.of(uids("x")).parquet()
    forged = replace(build(uids("a", "b", "c"), first).head, entries=WholeFile(FileDigest.of(data).sha256, len(data), 1))
    (directory / "versions/1/entries.parquet").write_bytes(data)
    (directory / "head.dsse.json").write_bytes(sign_head(forged, KEY))
    with pytest.raises(Gap, match="other entries"):
        opened(directory)


histories = st.lists(st.sets(st.sampled_from("abcdefg"), max_size=5), min_size=2, max_size=6)


@settings(deadline=None, max_examples=40)
@given(histories, st.data())
def test_every_way_leads_to_the_same_entries(history: list[set[str]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        versions: list[Version] = []
        readers: list[ExclusionList] = []
        for names in history:
            previous = versions[-1] if versions else None
            if previous and data.draw(st.booleans(), label="written whole"):
                previous = replace(previous, trail=SMALL_TRAIL)
            versions.append(publish(directory, KEY, uids(*names), previous))
            readers.append(opened(directory))
        newest = versions[-1]
        for version in versions:
            if data.draw(st.booleans(), label="one delta"):
                way = f"versions/{newest.head.version}/delta-from-{version.head.version}.parquet"
                (directory / way).write_bytes(Delta.between(version.entries, newest.entries).parquet())
        for reader in (*readers, opened(directory)):
            reader.update(NOW)
            assert reader.head == newest.head
            assert reader.entries == EntryTable.of(uids(*history[-1]))


def test_versions_that_do_not_chain_are_a_gap(directory: Path, first: Version) -> None:
    exclusions = opened(directory)
    second = build(uids("c"), build(uids("something else")))
    write_version(directory, second, KEY)
    publish(directory, KEY, uids("d"), second)
    with pytest.raises(Gap):
        exclusions.update(NOW)
    assert exclusions.head == first.head
    assert kept(exclusions, "a", "d") == [False, True]


def test_a_version_in_the_place_of_another_is_a_gap(directory: Path, first: Version) -> None:
    exclusions = opened(directory)
    second = publish(directory, KEY, uids("c"), first)
    publish(directory, KEY, uids("d"), second)
    shutil.copy(directory / "versions/1/head.dsse.json", directory / "versions/2/head.dsse.json")
    with pytest.raises(Gap):
        exclusions.update(NOW)


def test_an_update_to_an_older_or_other_history_is_refused(directory: Path, first: Version) -> None:
    second = publish(directory, KEY, uids("c"), first)
    exclusions = opened(directory)
    (directory / "head.dsse.json").write_bytes(sign_head(first.head, KEY))
    with pytest.raises(Rollback):
        exclusions.update(NOW)
    (directory / "head.dsse.json").write_bytes(sign_head(build(uids("z"), first).head, KEY))
    with pytest.raises(Fork):
        exclusions.update(NOW)
    assert exclusions.head == second.head


def test_the_state_file_sees_rollback_and_fork_across_invocations(directory: Path, first: Version, tmp_path: Path) -> None:
    state = tmp_path / "state" / "trusted.json"
    publish(directory, KEY, uids("c"), first)
    opened(directory, state)
    (directory / "head.dsse.json").write_bytes(sign_head(first.head, KEY))
    with pytest.raises(Rollback):
        opened(directory, state)
    assert opened(directory).head == first.head, "without a state file nobody can know"
    (directory / "head.dsse.json").write_bytes(sign_head(build(uids("z"), first).head, KEY))
    with pytest.raises(Fork):
        opened(directory, state)
    assert json.loads(state.read_bytes())["version"] == 2


def test_an_update_moves_the_state_file(directory: Path, first: Version, tmp_path: Path) -> None:
    state = tmp_path / "trusted.json"
    exclusions = opened(directory, state)
    publish(directory, KEY, uids("c"), first)
    exclusions.update(NOW)
    assert json.loads(state.read_bytes())["version"] == 2


NO_KEY = b'{"key":{"number":0,"text":"a+b+c"},"list_id":"a","root":"%s","version":1}' % (b"0" * 64)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"list_id":"a","version":"1","root":"00"}', NO_KEY, b"\xff"])
def test_a_broken_state_file_stops_the_run(directory: Path, first: Version, tmp_path: Path, content: bytes) -> None:
    state = tmp_path / "trusted.json"
    state.write_bytes(content)
    with pytest.raises(BadState):
        opened(directory, state)
    assert state.read_bytes() == content


def test_a_refused_list_leaves_no_state(directory: Path, first: Version, tmp_path: Path) -> None:
    entries = directory / "versions/1/entries.parquet"
    entries.write_bytes(entries.read_bytes()[:-1])
    with pytest.raises(WrongDigest):
        opened(directory, tmp_path / "trusted.json")
    assert not (tmp_path / "trusted.json").exists()


def test_expiry_is_judged_at_every_pull(server: ListServer, first: Version) -> None:
    exclusions = opened(server.url)
    with pytest.raises(Expired):
        exclusions.update(NOW + LIFETIME)
    with pytest.raises(Expired):
        ExclusionList.open(server.url, key=KEY.verifier, token="secret", now=NOW + LIFETIME + timedelta(days=1))


def test_every_changed_byte_of_the_published_head_is_refused(directory: Path, first: Version) -> None:
    file = directory / "head.dsse.json"
    honest = file.read_bytes()
    for position in range(0, len(honest), 7):
        file.write_bytes(honest[:position] + bytes([honest[position] ^ 4]) + honest[position + 1 :])
        with pytest.raises(ListRefused):
            opened(directory)


def test_a_missing_list_or_file_is_unreachable(directory: Path, server: ListServer) -> None:
    (directory / "versions/1/entries.parquet").unlink()
    for place in (directory, server.url, directory / "nowhere", server.url + "nowhere/"):
        with pytest.raises(Missing):
            opened(place)


def test_a_refused_token_a_dead_server_and_an_odd_answer_are_unreachable(server: ListServer, directory: Path) -> None:
    with pytest.raises(Unreachable, match="wants a token, and none was given"):
        ExclusionList.open(server.url, key=KEY.verifier, now=NOW)
    with pytest.raises(Unreachable, match=r"refused the token \(401: there is no such token\)"):
        ExclusionList.open(server.url, key=KEY.verifier, token="another", now=NOW)
    with pytest.raises(Unreachable, match="no connection"):
        opened("http://127.0.0.1:9/")
    with pytest.raises(Unreachable, match="not an address"):
        opened("http://[")
    server.failures = 100
    with pytest.raises(Unreachable, match="503"):
        opened(server.url)
    with pytest.raises(Unreachable, match="cannot be read"):
        opened(directory / "head.dsse.json")


def test_a_short_failure_of_the_server_is_survived(server: ListServer, first: Version) -> None:
    server.failures = 2
    assert opened(server.url).head == first.head


def test_endless_answers_are_cut_off(server: ListServer) -> None:
    server.endless = "/versions/1/entries.parquet"
    with pytest.raises(WrongDigest):
        opened(server.url)
    server.endless = "/head.dsse.json"
    with pytest.raises(BadListFormat):
        opened(server.url)

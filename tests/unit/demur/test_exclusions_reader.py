"""The reader against real directories and a real HTTP server."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from demur.exclusions import Entry, ExclusionList, KeyKind, ListRefused, Version, write_version
from demur.exclusions.sources import Missing
from demur.exclusions.state import BadState
from demur.exclusions.trusted import BadListFormat, Expired, Fork, Gap, Rollback, Unreachable, WrongDigest
from demur.signing import SigningKey
from tests.support.exclusion_lists import LIFETIME, NOW, ListServer, build, publish, serve, sign_head, uids

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


def test_an_unchanged_head_costs_one_304(server: ListServer, first: Version) -> None:
    exclusions = opened(server.url)
    server.answers.clear()
    assert not exclusions.update(NOW)
    assert server.answers == [("/head.dsse.json", 304)]


def test_updates_travel_as_deltas(server: ListServer, directory: Path, first: Version) -> None:
    exclusions = opened(server.url)
    second = publish(directory, KEY, uids("b", "c"), first)
    third = publish(directory, KEY, uids("b", "c", "d"), second)
    server.answers.clear()
    assert exclusions.update(NOW)
    assert exclusions.head == third.head
    assert exclusions.entries == third.entries
    assert kept(exclusions, "a", "b", "c", "d") == [True, False, False, False]
    paths = [path for path, _ in server.answers]
    assert paths == ["/head.dsse.json", "/versions/2/head.dsse.json", "/versions/2/delta.parquet", "/versions/3/delta.parquet"]


def test_a_pruned_version_leads_to_the_whole_newest(server: ListServer, directory: Path, first: Version) -> None:
    exclusions = opened(server.url)
    second = publish(directory, KEY, uids("c"), first)
    third = publish(directory, KEY, uids("d"), second)
    shutil.rmtree(directory / "versions/2")
    assert exclusions.update(NOW)
    assert exclusions.entries == third.entries


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


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"list_id":"a","version":"1","root":"00"}', b"\xff"])
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
    with pytest.raises(Unreachable, match="token"):
        ExclusionList.open(server.url, key=KEY.verifier, now=NOW)
    with pytest.raises(Unreachable, match="no connection"):
        opened("http://127.0.0.1:9/")
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

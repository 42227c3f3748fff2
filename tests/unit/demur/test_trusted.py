"""The reader's rules, each broken once, and all of them under random histories and random damage."""

import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demur.errors import DemurError
from demur.exclusions import ChangeOp, Entry, EntryTable, Head, KeyKind
from demur.exclusions.delta import Delta
from demur.exclusions.entries import Change, FileDigest
from demur.exclusions.head import WholeFile
from demur.exclusions.trusted import (
    BadListFormat,
    BadSignature,
    Expired,
    Fork,
    Gap,
    ListRefused,
    Rollback,
    Trusted,
    UnknownKey,
    UnknownKeyKind,
    WrongCount,
    WrongDigest,
    WrongRoot,
    accept,
    apply_delta,
    check_entries,
    follow,
    open_delta,
    open_head,
    open_whole,
)
from demur.signing import SigningKey
from tests.support.exclusion_lists import LIFETIME, NOW, as_listed, build, parquet, sign_fields, sign_head, uids


def open_entries(data: bytes, head: Head) -> EntryTable:
    entries = open_whole(io.BytesIO(data), head)
    check_entries(entries, head)
    return entries


def whole(data: bytes) -> WholeFile:
    return WholeFile(FileDigest.of(data).sha256, len(data), 1)


KEY = SigningKey.generate("op.example")
FIRST = build([*uids("a", "b"), Entry(KeyKind.PHASH, "0" * 16, "f" * 64)])
SECOND = build(uids("b", "c"), FIRST)
HEAD, TRUSTED = FIRST.head, Trusted.of(FIRST.head)


def test_an_honest_head_is_accepted() -> None:
    head = open_head(sign_head(HEAD, KEY), [KEY.verifier])
    assert accept(None, head, NOW) == accept(TRUSTED, head, NOW) == TRUSTED
    assert accept(TRUSTED, SECOND.head, NOW) == Trusted.of(SECOND.head)


def test_every_changed_byte_of_a_head_is_refused() -> None:
    envelope = sign_head(HEAD, KEY)
    for position in range(len(envelope)):
        broken = bytearray(envelope)
        broken[position] ^= 1
        with pytest.raises(ListRefused):
            open_head(bytes(broken), [KEY.verifier])


@pytest.mark.parametrize("data", [FIRST.entries_file, FIRST.delta_file])
def test_every_changed_byte_of_entries_and_delta_is_refused(data: bytes) -> None:
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= 1
        with pytest.raises(WrongDigest):
            open_entries(bytes(broken), HEAD)
        with pytest.raises(WrongDigest):
            open_delta(bytes(broken), HEAD)


@given(st.binary(max_size=300))
def test_rubbish_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(ListRefused):
        open_head(data, [KEY.verifier])
    with pytest.raises(ListRefused):
        open_head(KEY.sign(data, "application/vnd.demur.exclusion-list-head+json"), [KEY.verifier])
    with pytest.raises(ListRefused):
        open_entries(data, HEAD)
    with pytest.raises(ListRefused):
        open_entries(data, replace(HEAD, entries=whole(data)))


def test_signatures_by_others_are_refused() -> None:
    other = SigningKey.generate("op.example")
    with pytest.raises(UnknownKey):
        open_head(sign_head(HEAD, other), [KEY.verifier])
    envelope = json.loads(sign_head(HEAD, KEY))
    envelope["payload"] = json.loads(sign_head(SECOND.head, KEY))["payload"]
    with pytest.raises(BadSignature):
        open_head(json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode(), [KEY.verifier])


def test_a_signed_statement_of_another_type_is_no_head() -> None:
    with pytest.raises(BadListFormat):
        open_head(KEY.sign(HEAD.payload(), "application/vnd.in-toto+json"), [KEY.verifier])


def test_a_kind_of_key_from_the_future_is_refused_in_head_and_entries() -> None:
    fields = json.loads(HEAD.payload())
    fields["counts"] = {"iris": 3}
    with pytest.raises(UnknownKeyKind, match="iris"):
        open_head(sign_fields(fields, KEY), [KEY.verifier])
    data = parquet(kind=["iris"], key=["a"], pdq=[""])
    with pytest.raises(UnknownKeyKind, match="iris"):
        open_entries(data, replace(HEAD, entries=whole(data)))


def test_expiry_is_judged_by_the_clock_given() -> None:
    accept(None, HEAD, NOW + LIFETIME - timedelta(seconds=1))
    with pytest.raises(Expired):
        accept(None, HEAD, NOW + LIFETIME)


def test_rollback_and_fork_are_refused() -> None:
    with pytest.raises(Rollback):
        accept(Trusted.of(SECOND.head), HEAD, NOW)
    with pytest.raises(Fork, match="other entries"):
        accept(TRUSTED, build(uids("x")).head, NOW)
    with pytest.raises(Fork, match="does not continue"):
        accept(TRUSTED, build(uids("y"), build(uids("x"))).head, NOW)
    with pytest.raises(Fork, match="another"):
        accept(replace(TRUSTED, list_id="another"), HEAD, NOW)


def test_deltas_must_chain() -> None:
    assert follow(TRUSTED, SECOND.head) == Trusted.of(SECOND.head)
    third = build(uids("c"), SECOND)
    for head in (HEAD, third.head, replace(SECOND.head, previous_root="0" * 64), replace(SECOND.head, list_id="another")):
        with pytest.raises(Gap):
            follow(TRUSTED, head)


def test_a_delta_that_does_not_fit_is_refused() -> None:
    for change in (Change(ChangeOp.ADD, uids("a")[0]), Change(ChangeOp.REMOVE, uids("z")[0])):
        with pytest.raises(Gap):
            apply_delta(FIRST.entries, Delta.of([change]), 2)
    data = Delta.of([Change(ChangeOp.ADD, uids("z")[0])]).parquet()
    with pytest.raises(WrongCount):
        open_delta(data, replace(HEAD, delta=FileDigest.of(data)))


def test_entries_must_be_those_of_the_head() -> None:
    def signed(entries: list[Entry]) -> None:
        data = as_listed(entries)
        open_entries(data, replace(HEAD, entries=whole(data)))

    honest = list(FIRST.entries)
    signed(honest)
    with pytest.raises(WrongRoot):
        signed([*honest[:-1], *uids("z")])
    with pytest.raises(WrongCount):
        signed(honest[:-1])
    with pytest.raises(WrongCount):
        signed([*honest[1:], Entry(KeyKind.URL, "z")])
    with pytest.raises(BadListFormat):
        signed(honest[::-1])
    with pytest.raises(BadListFormat):
        signed([*honest[:1], *honest[:-1]])
    with pytest.raises(WrongCount, match="4 rows, more than 3"):
        signed([*honest, honest[-1]])


histories = st.lists(st.sets(st.sampled_from("abcdef")), min_size=1, max_size=6)


@given(histories, st.data())
def test_random_histories_are_followed_forwards_only(history: list[set[str]], data: st.DataObject) -> None:
    versions = [build(uids(*history[0]))]
    for names in history[1:]:
        versions.append(build(uids(*names), versions[-1]))
    seen = data.draw(st.lists(st.integers(0, len(versions) - 1), min_size=1))
    trusted, highest = None, -1
    for position in seen:
        if position >= highest:
            trusted, highest = accept(trusted, versions[position].head, NOW), position
        else:
            with pytest.raises(Rollback):
                accept(trusted, versions[position].head, NOW)


@given(histories)
def test_deltas_lead_to_the_same_entries_as_the_whole_version(history: list[set[str]]) -> None:
    version = build(uids(*history[0]))
    trusted, entries = Trusted.of(version.head), version.entries
    for names in history[1:]:
        version = build(uids(*names), version)
        trusted = follow(trusted, version.head)
        entries = apply_delta(entries, open_delta(version.delta_file, version.head), version.head.version)
    assert entries == version.entries
    check_entries(entries, version.head)


def test_every_refusal_is_a_demur_error() -> None:
    assert issubclass(ListRefused, DemurError)
    for error in (
        BadSignature,
        UnknownKey,
        Rollback,
        Gap,
        Fork,
        Expired,
        WrongCount,
        WrongRoot,
        WrongDigest,
        UnknownKeyKind,
        BadListFormat,
    ):
        assert issubclass(error, ListRefused)

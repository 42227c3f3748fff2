"""Every single changed byte of a list is refused by name, whichever way a reader takes, and never with a stack trace."""

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demur.exclusions import Entry, ExclusionList, KeyKind, ListRefused
from demur.exclusions import trusted as errors
from demur.exclusions.delta import Delta
from demur.exclusions.rotation import Keyring, announce
from demur.exclusions.state import BadState
from demur.exclusions.writer import SMALL_TRAIL
from demur.signing import SigningKey
from tests.support.exclusion_lists import LIST_ID, NOW, build, publish, publish_version, uids

OLD, KEY = SigningKey.generate("op.example"), SigningKey.generate("op.example")
PICTURE = Entry(KeyKind.PHASH, "0123456789abcdef", "5" * 64)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 by the old key; 2, whole, and 3 and 4 by the new one."""
    target = tmp_path_factory.mktemp("list")
    first = publish(target, OLD, uids("a", "b"))
    announce(target, OLD, KEY, LIST_ID, 2)
    second = build([*uids("a", "c"), PICTURE], replace(first, trail=SMALL_TRAIL))
    publish_version(target, KEY, second)
    fourth = publish(target, KEY, uids("a", "e"), publish(target, KEY, [*uids("a", "d"), PICTURE], second))
    (target / "versions/4/delta-from-1.parquet").write_bytes(Delta.between(first.entries, fourth.entries).parquet())
    (target / "versions/4/delta-from-2.parquet").write_bytes(Delta.between(second.entries, fourth.entries).parquet())
    return target


def opened(directory: Path) -> ExclusionList:
    return ExclusionList.open(directory, key=OLD.verifier, now=NOW)


@pytest.fixture(scope="module")
def entries(directory: Path) -> list[Entry]:
    return list(opened(directory).entries)


def bits_of(data: bytes) -> Iterator[bytes]:
    """Every change of one bit."""
    for position, byte in enumerate(data):
        for bit in range(8):
            yield data[:position] + bytes([byte ^ 1 << bit]) + data[position + 1 :]


def changed(file: Path) -> Iterator[int]:
    """Puts a change of every byte into the file, of each a bit of its own, and then the honest bytes again."""
    honest = file.read_bytes()
    try:
        for position, byte in enumerate(honest):
            file.write_bytes(honest[:position] + bytes([byte ^ 1 << position % 8]) + honest[position + 1 :])
            yield position
    finally:
        file.write_bytes(honest)


def cut(file: Path) -> Iterator[int]:
    """Many beginnings of the file, and one byte too many."""
    honest = file.read_bytes()
    try:
        for length in (*range(0, len(honest), 17), len(honest) - 1):
            file.write_bytes(honest[:length])
            yield length
        file.write_bytes(honest + b"\n")
        yield len(honest)
    finally:
        file.write_bytes(honest)


def ways(directory: Path, tmp_path: Path) -> dict[str, Path]:
    """By the chain: a copy that has no joined deltas."""
    chain = tmp_path / "chain"
    shutil.copytree(directory, chain)
    for joined in (chain / "versions/4").glob("delta-from-*"):
        joined.unlink()
    return {"joined": directory, "chain": chain}


SIGNED = [
    ("joined", "head.dsse.json"),
    ("joined", "rotations.json"),
    ("joined", "versions/2/head.dsse.json"),
    ("joined", "versions/2/entries.parquet"),
    ("chain", "versions/3/head.dsse.json"),
    ("chain", "versions/3/delta.parquet"),
    ("chain", "versions/4/delta.parquet"),
]


@pytest.mark.parametrize(("way", "name"), SIGNED)
def test_every_changed_byte_is_refused(directory: Path, entries: list[Entry], tmp_path: Path, way: str, name: str) -> None:
    place = ways(directory, tmp_path)[way]
    for _ in changed(place / name):
        with pytest.raises(ListRefused):
            opened(place)
    assert list(opened(place).entries) == entries, "the honest list is still good"


@pytest.mark.parametrize(("way", "name"), SIGNED)
def test_every_cut_file_is_refused(directory: Path, tmp_path: Path, way: str, name: str) -> None:
    place = ways(directory, tmp_path)[way]
    for _ in cut(place / name):
        with pytest.raises(ListRefused):
            opened(place)


def test_every_changed_bit_is_refused_where_it_is_read(directory: Path) -> None:
    ring = Keyring.of(OLD.verifier, (directory / "rotations.json").read_bytes())
    envelope = (directory / "versions/4/head.dsse.json").read_bytes()
    head, second = ring.open_head(envelope), ring.open_head((directory / "versions/2/head.dsse.json").read_bytes())
    readers: list[tuple[str, Callable[[bytes], object]]] = [
        ("rotations.json", lambda data: Keyring.of(OLD.verifier, data)),
        ("versions/4/head.dsse.json", ring.open_head),
        ("versions/4/delta.parquet", lambda data: errors.open_delta(data, head)),
        ("versions/2/entries.parquet", lambda data: errors.open_whole(io.BytesIO(data), second)),
    ]
    for name, read in readers:
        honest = (directory / name).read_bytes()
        read(honest)
        for damaged in bits_of(honest):
            with pytest.raises(ListRefused):
                read(damaged)


def test_unsigned_bytes_never_break_the_reader(directory: Path) -> None:
    """Every changed bit of a joined delta: it is read, or refused by name."""
    ring = Keyring.of(OLD.verifier, (directory / "rotations.json").read_bytes())
    before, head = (ring.open_head((directory / f"versions/{version}/head.dsse.json").read_bytes()) for version in (2, 4))
    refused = 0
    for damaged in bits_of((directory / "versions/4/delta-from-2.parquet").read_bytes()):
        try:
            errors.open_unsigned_delta(io.BytesIO(damaged), before, head, len(damaged))
        except ListRefused:
            refused += 1
    assert refused > 2000


@pytest.mark.parametrize("damage", [changed, cut])
def test_a_damaged_joined_delta_is_refused_or_leads_to_the_same_entries(directory: Path, entries: list[Entry], damage) -> None:
    """Nobody signed it, and some of its bytes mean nothing (who wrote it, statistics): what it leads to is what counts."""
    refused = 0
    for _ in damage(directory / "versions/4/delta-from-2.parquet"):
        try:
            assert list(opened(directory).entries) == entries
        except ListRefused:
            refused += 1
    assert refused > 50


def test_every_changed_byte_of_an_update_is_refused(directory: Path, tmp_path: Path) -> None:
    """A reader that trusts version 1 already."""
    place = tmp_path / "list"
    shutil.copytree(directory, place)
    shutil.copy(place / "versions/1/head.dsse.json", place / "head.dsse.json")
    running = opened(place)
    assert running.head.version == 1
    shutil.copy(place / "versions/4/head.dsse.json", place / "head.dsse.json")
    for file in (place / "head.dsse.json", place / "rotations.json"):
        for _ in changed(file):
            with pytest.raises(ListRefused):
                running.update(NOW)
    assert running.head.version == 1
    assert running.update(NOW)


def test_every_changed_byte_of_the_state_file_is_refused_or_changes_no_verdict(directory: Path, tmp_path: Path) -> None:
    """The reader's own memory is not signed: a changed digit of the version may still be one that the list has passed."""
    state = tmp_path / "state.json"
    ExclusionList.open(directory, key=OLD.verifier, state=state, now=NOW)
    refused = 0
    for _ in changed(state):
        try:
            ExclusionList.open(directory, key=OLD.verifier, state=state, now=NOW)
        except ListRefused:
            refused += 1
    assert refused > 200


def test_each_refusal_has_one_name() -> None:
    names = {"BadSignature", "UnknownKey", "Rollback", "Gap", "Fork", "Expired", "WrongCount", "WrongRoot", "WrongDigest", "UnknownKeyKind"}
    names |= {"BadListFormat", "BadRotation", "KeyTakenBack", "Unreachable"}
    assert names <= {error.__name__ for error in vars(errors).values() if isinstance(error, type) and issubclass(error, ListRefused)}
    assert issubclass(BadState, ListRefused)

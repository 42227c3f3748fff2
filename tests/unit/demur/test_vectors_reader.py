"""The reader of deletion vectors: what it answers, and each way in which it refuses, by name."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap

from demur.exclusions.entries import FileDigest
from demur.exclusions.rotation import ROTATIONS_FILE, Keyring, announce
from demur.exclusions.sources import Missing
from demur.exclusions.trusted import BadRotation, BadSignature, Expired, Fork, KeyTakenBack, ListRefused, Rollback, UnknownKey, WrongDigest
from demur.fields import parse_rfc3339
from demur.runs import ManifestReference
from demur.signing import SigningKey, VerifyKey
from demur.vectors import DeletionVectors
from demur.vectors.bitmaps import BadBitmap, decoded, encoded
from demur.vectors.head import PAYLOAD_TYPE, ListVersion, VectorsHead
from demur.vectors.reader import HEAD_FILE, file_name, manifest_directory
from demur.vectors.rules import OtherManifest, OtherRows, open_deletions, open_head, open_shards
from demur.vectors.tables import DELETIONS_SCHEMA, SHARDS_SCHEMA, BadVectors, Line, UnknownShard, write_table
from tests.support.deletion_vector_vectors import DIRECTORY, digest, expected
from tests.support.exclusion_lists import LIFETIME, LIST_ID, NOW, ListServer, serve

KEY = SigningKey.generate("op.example")
SHARDS = {"00000.parquet": range(100_000), "00001.parquet": [0, 1, 2, 5, 7], "00002.tar": [0, 210, 419]}
DELETED = {"00000.parquet": [0, 17, 99_999], "00002.tar": [210]}


@dataclass
class Publisher:
    """Writes any vectors, honest or not, and signs them."""

    directory: Path
    shards: FileDigest
    deletions: FileDigest

    @classmethod
    def of(cls, directory: Path) -> "Publisher":
        (directory / manifest_directory("photos")).mkdir(parents=True)
        publisher = cls(directory, FileDigest("", 0), FileDigest("", 0))
        publisher.write_shards((name, len(places), encoded(BitMap(places))) for name, places in SHARDS.items())
        publisher.write_deletions((name, len(places), encoded(BitMap(places))) for name, places in DELETED.items())
        publisher.publish()
        return publisher

    def write_shards(self, lines: Iterable[tuple[str, int, bytes]]) -> None:
        self.shards = self._write(SHARDS_SCHEMA, lines)

    def write_deletions(self, lines: Iterable[tuple[str, int, bytes]]) -> None:
        self.deletions = self._write(DELETIONS_SCHEMA, lines)

    def _write(self, schema: object, lines: Iterable[tuple[str, int, bytes]]) -> FileDigest:
        scratch = self.directory / "scratch"
        write_table(scratch, schema, (Line(*line) for line in lines))
        return self.place(scratch.read_bytes())

    def place(self, data: bytes) -> FileDigest:
        told = FileDigest.of(data)
        self.file(told).write_bytes(data)
        return told

    def file(self, told: FileDigest) -> Path:
        return self.directory / manifest_directory("photos") / file_name(told.sha256)

    @property
    def head_file(self) -> Path:
        return self.directory / manifest_directory("photos") / HEAD_FILE

    def head(self, version: int = 3, root: str = "3" * 64) -> VectorsHead:
        used = ListVersion(LIST_ID, version, root, NOW + LIFETIME)
        return VectorsHead(ManifestReference("photos", "2" * 64, 100_008), used, 4, self.shards, self.deletions)

    def publish(self, head: VectorsHead | None = None, key: SigningKey = KEY) -> None:
        self.head_file.write_bytes(key.sign((head or self.head()).payload(), PAYLOAD_TYPE))

    def open(self, state: Path | None = None) -> DeletionVectors:
        return DeletionVectors.open(self.directory, key=KEY.verifier, manifest="photos", state=state, now=NOW)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher.of(tmp_path / "vectors")


def test_what_is_deleted_and_what_is_kept(publisher: Publisher) -> None:
    vectors = publisher.open()
    assert vectors.shards == tuple(SHARDS)
    assert {shard: list(vectors.of(shard)) for shard in vectors.shards} == DELETED | {"00001.parquet": []}
    assert list(vectors.kept("00001.parquet")) == [0, 1, 2, 5, 7]
    assert list(vectors.kept("00002.tar")) == [0, 419]
    assert vectors.rows("00000.parquet") == 100_000


@pytest.mark.parametrize(("start", "stop"), [(0, 100_000), (10, 20), (99_990, 100_010), (5, 5), (200_000, 200_003)])
def test_masks_keep_registered_rows_that_are_not_deleted(publisher: Publisher, start: int, stop: int) -> None:
    vectors = publisher.open()
    for shard, places in SHARDS.items():
        kept = set(places) - set(DELETED.get(shard, []))
        mask = vectors.keep(shard, start, stop)
        assert mask.dtype == np.bool_
        assert mask.tolist() == [place in kept for place in range(start, stop)]


def test_a_shard_that_nobody_registered_is_refused(publisher: Publisher) -> None:
    vectors = publisher.open()
    for ask in (vectors.of, vectors.kept, vectors.rows, lambda shard: vectors.keep(shard, 0, 1)):
        with pytest.raises(UnknownShard):
            ask("00003.parquet")


def test_a_shard_shorter_than_what_was_registered_of_it_is_refused(publisher: Publisher) -> None:
    vectors = publisher.open()
    vectors.check_length("00001.parquet", 8)
    vectors.check_length("00001.parquet", 11)  # rows behind the last registered one are not kept
    with pytest.raises(OtherRows):
        vectors.check_length("00001.parquet", 7)


@pytest.fixture
def server(publisher: Publisher) -> ListServer:
    with serve(publisher.directory) as server:
        yield server


def test_an_update_reads_what_changed_and_nothing_else(publisher: Publisher, server: ListServer) -> None:
    vectors = DeletionVectors.open(server.url, key=KEY.verifier, manifest="photos", token="secret", now=NOW)
    base = manifest_directory("photos")
    server.answers.clear()
    assert not vectors.update(NOW)
    assert server.answers == [(f"/{base}/{HEAD_FILE}", 304), ("/rotations.json", 404)]
    publisher.publish(publisher.head(4, "4" * 64))
    server.answers.clear()
    assert vectors.update(NOW)
    assert [path for path, _ in server.answers] == [f"/{base}/{HEAD_FILE}", "/rotations.json"]
    publisher.write_deletions([("00001.parquet", 4, encoded(BitMap([1, 2, 5, 7])))])
    publisher.publish(publisher.head(5, "5" * 64))
    server.answers.clear()
    assert vectors.update(NOW)
    changed = f"/{base}/{file_name(publisher.deletions.sha256)}"
    assert [path for path, _ in server.answers] == [f"/{base}/{HEAD_FILE}", "/rotations.json", changed]
    assert vectors.head.list.version == 5
    assert vectors.keep("00001.parquet", 0, 3).tolist() == [True, False, False]
    assert vectors.keep("00002.tar", 210, 211).tolist() == [True]


def test_nothing_there_is_unreachable(publisher: Publisher) -> None:
    for file in (publisher.file(publisher.deletions), publisher.file(publisher.shards), publisher.head_file):
        file.unlink()
        with pytest.raises(Missing):
            publisher.open()


def test_another_key_and_another_signature_are_refused(publisher: Publisher) -> None:
    publisher.publish(key=SigningKey.generate("op.example"))
    with pytest.raises(UnknownKey):
        publisher.open()
    publisher.publish()
    honest = publisher.head_file.read_bytes()
    publisher.publish(publisher.head(4))
    other = publisher.head_file.read_bytes()
    publisher.head_file.write_bytes(other[: other.index(b'"signatures"')] + honest[honest.index(b'"signatures"') :])
    with pytest.raises(BadSignature):
        publisher.open()


def test_readers_follow_the_lists_key(publisher: Publisher, tmp_path: Path) -> None:
    newer, state = SigningKey.generate("op.example/2"), tmp_path / "state.json"
    vectors = publisher.open(state)
    announce(publisher.directory, KEY, newer, LIST_ID, 4)
    assert not vectors.update(NOW), "version 3 is still good by the key that signed it"
    publisher.publish(publisher.head(3), newer)  # made anew after the rotation
    assert publisher.open(state).head == vectors.head
    publisher.publish(publisher.head(4), newer)
    assert vectors.update(NOW)
    publisher.publish(publisher.head(5), KEY)
    with pytest.raises(UnknownKey):
        vectors.update(NOW)
    publisher.publish(publisher.head(5), newer)
    (publisher.directory / ROTATIONS_FILE).unlink()
    with pytest.raises(KeyTakenBack):
        publisher.open(state)


def test_the_rotations_of_another_list_are_refused(publisher: Publisher) -> None:
    announce(publisher.directory, KEY, SigningKey.generate("op.example/2"), "another list", 4)
    with pytest.raises(BadRotation):
        publisher.open()


def test_another_manifests_vectors_are_refused(publisher: Publisher) -> None:
    head = publisher.head()
    publisher.publish(replace(head, manifest=replace(head.manifest, name="other photos")))
    with pytest.raises(OtherManifest):
        publisher.open()


def test_the_state_sees_rollback_and_fork_across_invocations(publisher: Publisher, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    publisher.open(state)
    for head, error in (
        (publisher.head(2), Rollback),
        (publisher.head(3, "4" * 64), Fork),
        (replace(publisher.head(), list=replace(publisher.head().list, list_id="another list")), Fork),
    ):
        publisher.publish(head)
        with pytest.raises(error):
            publisher.open(state)


def test_an_update_goes_neither_back_nor_astray(publisher: Publisher, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    vectors = publisher.open(state)
    for head, error in ((publisher.head(2), Rollback), (publisher.head(3, "4" * 64), Fork)):
        publisher.publish(head)
        with pytest.raises(error):
            vectors.update(NOW)
    publisher.publish(publisher.head(5))
    publisher.open(state)
    publisher.publish(publisher.head(4))
    with pytest.raises(Rollback):
        vectors.update(NOW)
    assert vectors.head.list.version == 3


def test_vectors_expire_with_the_list(publisher: Publisher) -> None:
    vectors = publisher.open()
    with pytest.raises(Expired):
        vectors.update(NOW + LIFETIME)
    with pytest.raises(Expired):
        DeletionVectors.open(publisher.directory, key=KEY.verifier, manifest="photos", now=NOW + LIFETIME + timedelta(days=1))


def test_files_other_than_the_signed_ones_are_refused(publisher: Publisher) -> None:
    for told in (publisher.shards, publisher.deletions):
        honest = publisher.file(told).read_bytes()
        for data in (honest[:-1], honest + b" ", b""):
            publisher.file(told).write_bytes(data)
            with pytest.raises(WrongDigest):
                publisher.open()
        publisher.file(told).write_bytes(honest)


def test_every_changed_byte_is_refused(publisher: Publisher) -> None:
    head = publisher.head()
    envelope, shards = publisher.head_file.read_bytes(), publisher.file(publisher.shards).read_bytes()
    deletions = publisher.file(publisher.deletions).read_bytes()
    opened: list[tuple[bytes, Callable[[bytes], object]]] = [
        (envelope, lambda data: open_head(data, Keyring((KEY.verifier,)))),
        (shards, lambda data: open_shards(data, head)),
        (deletions, lambda data: open_deletions(data, head, open_shards(shards, head))),
    ]
    for honest, read in opened:
        read(honest)
        for position in range(len(honest)):
            for bit in (1, 128):
                changed = bytearray(honest)
                changed[position] ^= bit
                with pytest.raises(ListRefused):
                    read(bytes(changed))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b'"deleted":4', b'"deleted":4.0'),
        (b'"deleted":4', b'"deleted":-4'),
        (b'"format"', b'"another":1,"format"'),
        (b"vectors/1", b"vectors/2"),
    ],
)
def test_a_signed_head_of_another_form_is_refused(publisher: Publisher, field: bytes, value: bytes) -> None:
    payload = publisher.head().payload()
    assert field in payload
    publisher.head_file.write_bytes(KEY.sign(payload.replace(field, value), PAYLOAD_TYPE))
    with pytest.raises(BadVectors):
        publisher.open()


def test_a_signed_file_that_is_no_table_of_this_form_is_refused(publisher: Publisher) -> None:
    for data in (b"", b"PAR1", publisher.file(publisher.deletions).read_bytes()):
        publisher.shards = publisher.place(data)
        publisher.publish()
        with pytest.raises(BadVectors):
            publisher.open()


PLACES = encoded(BitMap([1]))


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([("00001.parquet", 4, PLACES[:-1])], BadBitmap),
        ([("00001.parquet", 4, PLACES + b"\0")], BadBitmap),
        ([("00001.parquet", 4, b"")], BadBitmap),
        ([("00001.parquet", 4, PLACES)], OtherRows),  # fewer than it says
        ([("00001.parquet", 4, encoded(BitMap([0, 1, 2, 3])))], OtherRows),  # one that nobody registered
        ([("00001.parquet", 1, PLACES)], OtherRows),  # fewer than the head says
        ([("00004.parquet", 4, PLACES)], OtherRows),
        ([("00002.tar", 2, PLACES), ("00001.parquet", 2, PLACES)], BadVectors),
        ([("00001.parquet", 2, PLACES), ("00001.parquet", 2, PLACES)], BadVectors),
    ],
)
def test_signed_deletions_that_contradict_themselves_are_refused(
    publisher: Publisher, lines: list[tuple[str, int, bytes]], error: type[Exception]
) -> None:
    publisher.write_deletions(lines)
    publisher.publish()
    with pytest.raises(error):
        publisher.open().keep("00001.parquet", 0, 1)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([("00001.parquet", 100_008, PLACES[:-2])], BadBitmap),
        ([("00001.parquet", 100_007, PLACES)], OtherRows),
        ([("00000.parquet", 100_007, PLACES), ("00001.parquet", 1, encoded(BitMap([1, 2])))], OtherRows),
        ([("00000.parquet", 100_008, PLACES), ("00001.parquet", 0, encoded(BitMap()))], OtherRows),
    ],
)
def test_signed_shards_with_other_rows_are_refused(
    publisher: Publisher, lines: list[tuple[str, int, bytes]], error: type[Exception]
) -> None:
    publisher.write_shards(lines)
    publisher.write_deletions([("00001.parquet", 4, PLACES)])
    publisher.publish()
    with pytest.raises(error):
        publisher.open().keep("00001.parquet", 0, 1)


def test_bitmaps_have_one_reading() -> None:
    for places in ([], [0], [2**32 - 1], range(70_000), range(0, 200_000, 3)):
        data = encoded(BitMap(places))
        assert list(decoded(data)) == list(places)
        for end in {0, 1, len(data) // 2, len(data) - 1} - {len(data)}:
            with pytest.raises(BadBitmap):
                decoded(data[:end])


def test_the_vector_that_other_implementations_are_held_to() -> None:
    told = json.loads((DIRECTORY / "expected.json").read_text())
    key, now = VerifyKey.load(DIRECTORY / "key.txt"), parse_rfc3339(told["now"])
    vectors = DeletionVectors.open(DIRECTORY / "vectors", key=key, manifest=told["manifest"], now=now)
    found = {
        shard: {"rows": vectors.rows(shard), "deleted": list(vectors.of(shard)), "kept": digest(list(vectors.kept(shard)))}
        for shard in vectors.shards
    }
    assert found == told["shards"]
    assert told == expected()

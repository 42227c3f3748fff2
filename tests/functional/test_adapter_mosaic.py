"""MDS shards written by MosaicML's own writer, rewritten, and read by its own reader."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demur.exclusions import ExclusionList, KeyKind
from demur.exclusions.columns import BadKeyColumn, NoKeyColumn
from demur.files import TargetExists
from demur.filtering import UnreadableManifest
from tests.support.training_sets import BY, KEPT, exclusion_list, mirrored, photos, table, without_its_init

without_its_init("streaming")

from streaming.base import LocalDataset, MDSWriter  # noqa: E402
from streaming.base.compression import decompress  # noqa: E402

from demur.adapters.judging import KindsNotApplied  # noqa: E402
from demur.adapters.mosaic_shards import rewrite_shards  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # LocalDataset leaves its index open
strictly = pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")
COLUMNS = {
    "id": "str",
    "image_url": "str",
    "owner": "str",
    "sha256": "str",
    "phash": "uint64",
    "pdq": "bytes",
    "pdq_quality": "uint8",
    "caption": "str",
    "latent": "ndarray:float32",
    "extra": "pkl",
}
Written = Callable[..., Path]


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    return exclusion_list(tmp_path / "list")


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes the photos' rows, or rows that are given, as an MDS data set."""

    def write(rows: list[dict[str, Any]] | None = None, columns: dict[str, str] = COLUMNS, **options: Any) -> Path:
        rows = full_rows() if rows is None else rows
        with MDSWriter(out=str(tmp_path / "mds"), columns=columns, **options) as writer:
            for row in rows:
                writer.write(row)
        return tmp_path / "mds"

    return write


def full_rows() -> list[dict[str, Any]]:
    return [
        row | {"phash": np.uint64(row["phash"]), "latent": np.full((2, 3), number, dtype=np.float32), "extra": {"number": number}}
        for number, row in enumerate(table().to_pylist())
    ]


def by_uid(*uids: str) -> list[dict[str, Any]]:
    return [{"uid": uid, "text": f"about {uid}"} for uid in uids]


def ids(directory: Path, name: str = "id") -> list[str]:
    dataset = LocalDataset(str(directory))
    return [dataset[number][name] for number in range(len(dataset))]


def described(directory: Path) -> list[dict[str, Any]]:
    shards: list[dict[str, Any]] = json.loads((directory / "index.json").read_text())["shards"]
    return shards


@strictly
def test_every_kind_of_key_excludes_and_samples_stay_as_they_are(tmp_path: Path, written: Written, exclusions: ExclusionList) -> None:
    report = rewrite_shards(written(), tmp_path / "kept", exclusions)
    dataset = LocalDataset(str(tmp_path / "kept"))
    assert [dataset[number]["id"] for number in range(len(dataset))] == KEPT
    assert report.dropped == dict.fromkeys(BY.values(), 1)
    original = {row["id"]: row for row in full_rows()}
    for number, name in enumerate(KEPT):
        sample = dataset[number]
        assert np.array_equal(sample.pop("latent"), original[name].pop("latent"))
        assert sample == original[name]


@pytest.mark.parametrize("compression", [None, "zstd", "br:3", "gz"])
def test_shards_keep_their_form(tmp_path: Path, written: Written, compression: str | None) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.UID])
    many = by_uid(*(f"photo-{number}" for number in range(2000)))
    options = {"compression": compression, "hashes": ["sha1", "xxh64"], "size_limit": 4096}
    source = written(many, {"uid": "str", "text": "str"}, **options)
    rewrite_shards(source, tmp_path / "kept", exclusions)
    before, after = described(source), described(tmp_path / "kept")
    form = ("column_names", "column_encodings", "compression", "hashes", "size_limit", "version", "format")
    assert {name: after[0][name] for name in form} == {name: before[0][name] for name in form}
    assert 15 < len(after) <= len(before)
    assert all(shard["raw_data"]["bytes"] <= 4096 for shard in after)
    for shard in after:  # which LocalDataset reads only when they are unpacked
        if compression:
            packed = (tmp_path / "kept" / shard["zip_data"]["basename"]).read_bytes()
            (tmp_path / "kept" / shard["raw_data"]["basename"]).write_bytes(decompress(compression, packed))
    assert ids(tmp_path / "kept", "uid") == [row["uid"] for row in many if row["uid"] != "photo-1"]


@strictly
@pytest.mark.parametrize("encoding", ["bytes", "jpeg"])
def test_pictures_are_looked_at_where_they_are_named(tmp_path: Path, written: Written, encoding: str) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.SHA256, KeyKind.PHASH])
    rows = []
    for photo in map(mirrored, photos()):
        path = tmp_path / f"{photo.uid}.jpg"
        path.write_bytes(photo.picture)
        with Image.open(path) as picture:
            rows.append({"name": photo.uid, "image": photo.picture if encoding == "bytes" else picture})
    source = written(rows, {"name": "str", "image": encoding})
    rewrite_shards(source, tmp_path / "kept", exclusions, pictures="image")
    assert ids(tmp_path / "kept", "name") == [photo.uid for photo in photos() if photo.uid not in ("photo-4", "photo-5")]


@strictly
@pytest.mark.parametrize(
    ("encoding", "value"), [("int", 7), ("str_int", 7), ("uint16", np.uint16(7)), ("int64", np.int64(7)), ("bytes", b"7")]
)
def test_a_uid_may_be_a_number(tmp_path: Path, written: Written, encoding: str, value: Any) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.UID])
    source = written([{"uid": value}], {"uid": encoding})
    assert rewrite_shards(source, tmp_path / "kept", exclusions).kept == 1


def test_kinds_without_a_column_are_told(tmp_path: Path, written: Written, exclusions: ExclusionList) -> None:
    with pytest.warns(KindsNotApplied) as told:
        rewrite_shards(written(by_uid("photo-0", "photo-1"), {"uid": "str", "text": "str"}), tmp_path / "kept", exclusions)
    assert len(told) == 4
    assert ids(tmp_path / "kept", "uid") == ["photo-0"]


def test_nothing_is_unpickled_to_be_compared(tmp_path: Path, written: Written, exclusions: ExclusionList) -> None:
    source = written([{"uid": "photo-0"}], {"uid": "pkl"})
    with pytest.raises(BadKeyColumn, match="pkl"):
        rewrite_shards(source, tmp_path / "kept", exclusions)
    with pytest.raises(BadKeyColumn, match="missing"):
        rewrite_shards(source, tmp_path / "kept", exclusions, pictures="image")
    assert not (tmp_path / "kept").exists()


def test_without_a_key_column_nothing_is_kept(tmp_path: Path, written: Written, exclusions: ExclusionList) -> None:
    with pytest.raises(NoKeyColumn):
        rewrite_shards(written([{"text": "a"}], {"text": "str"}), tmp_path / "kept", exclusions)


@pytest.mark.parametrize("how", ["cut", "changed", "miscounted", "other format", "no index", "empty", "no size"])
def test_what_is_damaged_leaves_nothing(tmp_path: Path, written: Written, exclusions: ExclusionList, how: str) -> None:
    source = written(by_uid("photo-0", "photo-1"), {"uid": "str", "text": "str"}, hashes=["sha1"])
    shard, index = source / "shard.00000.mds", json.loads((source / "index.json").read_text())
    if how == "cut":
        shard.write_bytes(shard.read_bytes()[:-1])
    elif how == "changed":
        shard.write_bytes(shard.read_bytes().replace(b"photo-1", b"photo-9"))
    elif how == "miscounted":
        index["shards"][0]["samples"] = 1
    elif how == "other format":
        index["shards"][0]["format"] = "json"
    elif how == "no size":
        del index["shards"][0]["raw_data"]["bytes"]
    elif how == "empty":
        index["shards"] = []
    (source / "index.json").write_text("{" if how == "no index" else json.dumps(index))
    with pytest.raises(UnreadableManifest):
        rewrite_shards(source, tmp_path / "kept", exclusions)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("compression", ["zstd", "br", "gz", "bz2", "snappy"])
def test_a_packed_shard_that_is_none_is_refused(tmp_path: Path, written: Written, exclusions: ExclusionList, compression: str) -> None:
    source = written(by_uid("photo-0"), {"uid": "str", "text": "str"}, compression=compression)
    (packed,) = source.glob("*.mds.*")
    packed.write_bytes(b"x" * packed.stat().st_size)
    with pytest.raises(UnreadableManifest, match="cannot be unpacked"):
        rewrite_shards(source, tmp_path / "kept", exclusions)


def test_shards_of_two_forms_are_refused(tmp_path: Path, written: Written, exclusions: ExclusionList) -> None:
    source = written(by_uid("photo-0"), {"uid": "str", "text": "str"})
    index = json.loads((source / "index.json").read_text())
    index["shards"].append(index["shards"][0] | {"size_limit": 1})
    (source / "index.json").write_text(json.dumps(index))
    with pytest.raises(UnreadableManifest, match="one form"):
        rewrite_shards(source, tmp_path / "kept", exclusions)


def test_a_data_set_is_never_written_over(tmp_path: Path, written: Written, exclusions: ExclusionList) -> None:
    source = written()
    with pytest.raises(TargetExists):
        rewrite_shards(source, source, exclusions)

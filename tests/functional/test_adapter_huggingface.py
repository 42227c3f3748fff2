"""Real Hugging Face data sets, map-style and streaming, and their cache."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Image, IterableDataset, Value, disable_progress_bars, load_dataset
from torch.utils.data import DataLoader

from demur.adapters.huggingface_datasets import without_excluded
from demur.adapters.judging import KindsNotApplied
from demur.exclusions import ExclusionList, KeyKind
from demur.exclusions.columns import NoKeyColumn
from demur.filtering import UnreadableRows
from tests.support.training_sets import KEPT, exclusion_list, mirrored, photos, table

strictly = pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    return exclusion_list(tmp_path / "list")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """On disk, so that `datasets` caches what it makes of it."""
    disable_progress_bars()
    Dataset(table()).to_parquet(str(tmp_path / "photos.parquet"))
    return load_dataset("parquet", data_files=str(tmp_path / "photos.parquet"), cache_dir=str(tmp_path / "cache"), split="train")


def looks() -> Dataset:
    """Pictures and captions, as most image data sets are; their only name is what they show."""
    rows = {"image": [{"bytes": each.picture, "path": None} for each in map(mirrored, photos())], "text": [each.uid for each in photos()]}
    return Dataset.from_dict(rows, features=Features({"image": Image(), "text": Value("string")}))


@strictly
def test_every_kind_of_key_excludes(dataset: Dataset, exclusions: ExclusionList) -> None:
    kept = without_excluded(dataset, exclusions)
    assert kept["id"][:] == KEPT
    assert kept.features == dataset.features


@strictly
def test_several_processes_give_the_same(dataset: Dataset, exclusions: ExclusionList) -> None:
    assert without_excluded(dataset, exclusions, num_proc=2)["id"][:] == KEPT


@strictly
@pytest.mark.parametrize("shards", [1, 3])
def test_a_streaming_data_set_is_filtered_as_it_is_read(dataset: Dataset, exclusions: ExclusionList, shards: int) -> None:
    streaming = without_excluded(dataset.to_iterable_dataset(num_shards=shards), exclusions)
    assert [row["id"] for row in streaming] == KEPT
    assert [row["id"] for row in streaming.shuffle(seed=1)] != []


@strictly
def test_a_streaming_data_set_of_unknown_columns_is_filtered_too(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, object]]:
        yield from table().drop_columns(["phash", "pdq", "pdq_quality"]).to_pylist()

    exclusions = exclusion_list(tmp_path / "list", [KeyKind.UID, KeyKind.URL, KeyKind.OWNER, KeyKind.SHA256])
    assert [row["id"] for row in without_excluded(IterableDataset.from_generator(rows), exclusions)] == sorted([*KEPT, "photo-5"])


def test_workers_of_a_loader_apply_the_same_list(dataset: Dataset, exclusions: ExclusionList) -> None:
    streaming = without_excluded(dataset.to_iterable_dataset(num_shards=2), exclusions)
    loader = DataLoader(streaming.select_columns(["id"]), batch_size=None, num_workers=2)
    assert sorted(row["id"] for row in loader) == KEPT


@pytest.mark.parametrize("streaming", [False, True])
def test_the_format_stays(dataset: Dataset, exclusions: ExclusionList, streaming: bool) -> None:
    formatted = dataset.select_columns(["id", "pdq_quality"])
    formatted = formatted.to_iterable_dataset().with_format("numpy") if streaming else formatted.with_format("numpy", ["pdq_quality"])
    with pytest.warns(KindsNotApplied):
        row = next(iter(without_excluded(formatted, exclusions)))
    assert type(row["pdq_quality"]).__module__ == "numpy"
    assert ("id" in row) is streaming


def test_the_cache_knows_the_list_by_its_entries(dataset: Dataset, exclusions: ExclusionList, tmp_path: Path) -> None:
    def cached() -> set[str]:
        return {path.name for path in tmp_path.rglob("cache-*.arrow")}

    first = without_excluded(dataset, exclusions)
    files = cached()
    again = without_excluded(dataset, exclusion_list(tmp_path / "elsewhere"))
    assert (len(files), cached(), again._fingerprint) == (1, files, first._fingerprint)
    with_less = without_excluded(dataset, exclusion_list(tmp_path / "less", [KeyKind.UID]))
    assert (len(cached()), len(with_less)) == (2, len(dataset) - 1)
    assert with_less._fingerprint != first._fingerprint
    part = without_excluded(dataset.select(range(2)), exclusions)
    assert (len(cached()), part["id"][:]) == (3, ["photo-0"])


@strictly
@pytest.mark.parametrize("streaming", [False, True])
def test_pictures_are_looked_at_where_they_are_named(tmp_path: Path, streaming: bool) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.SHA256, KeyKind.PHASH])
    dataset = looks().to_iterable_dataset() if streaming else looks()
    kept = without_excluded(dataset, exclusions, pictures="image")
    assert [row["text"] for row in kept] == [each.uid for each in photos() if each.uid not in ("photo-4", "photo-5")]
    assert next(iter(kept))["image"].size == (160, 120)


def test_pictures_may_be_files_beside(tmp_path: Path) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.SHA256])
    paths = [tmp_path / f"{each.uid}.jpg" for each in photos()]
    for path, each in zip(paths, photos(), strict=True):
        path.write_bytes(each.picture)
    dataset = Dataset.from_dict({"image": [str(path) for path in paths]}).cast_column("image", Image())
    assert len(without_excluded(dataset, exclusions, pictures="image")) == len(dataset) - 1


def test_pictures_may_be_plain_bytes(tmp_path: Path) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.PHASH])
    dataset = Dataset(pa.table({"jpeg": [mirrored(each).picture for each in photos()]}))
    assert len(without_excluded(dataset, exclusions, pictures="jpeg")) == len(dataset) - 1


def test_kinds_without_a_column_are_told_also_when_the_rest_is_cached(dataset: Dataset, exclusions: ExclusionList) -> None:
    by_uid = dataset.select_columns(["id", "caption"])
    for _ in range(2):
        with pytest.warns(KindsNotApplied) as told:
            assert len(without_excluded(by_uid, exclusions)) == len(dataset) - 1
        assert len([each for each in told if each.category is KindsNotApplied]) == 4


@pytest.mark.parametrize("streaming", [False, True])
def test_without_a_key_column_nothing_is_kept(exclusions: ExclusionList, streaming: bool) -> None:
    dataset = looks().to_iterable_dataset() if streaming else looks()
    with pytest.raises(NoKeyColumn, match="the data set"):
        list(without_excluded(dataset, exclusions))


def picture_rows() -> dict[str, bytes]:
    """A row's file, by uid: the first is kept, and the one of photo-5 is excluded by how it looks."""
    return {each.uid: each.picture for each in photos()}


@pytest.mark.parametrize("kind", ["structs", "base64", "data address", "url-safe base64", "list of bytes"])
def test_a_row_with_several_pictures_is_judged_by_all_of_them(tmp_path: Path, kind: str) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.SHA256, KeyKind.PHASH])
    files = picture_rows()
    spell: dict[str, Callable[[bytes], object]] = {
        "structs": lambda file: {"bytes": file, "path": None},
        "base64": lambda file: base64.encodebytes(file).decode(),
        "data address": lambda file: "data:image/png;base64," + base64.b64encode(file).decode(),
        "url-safe base64": lambda file: base64.urlsafe_b64encode(file).decode().rstrip("="),
        "list of bytes": lambda file: file,
    }
    rows = [{"text": uid, "images": [spell[kind](files["photo-0"]), spell[kind](file)]} for uid, file in files.items()]
    kept = without_excluded(Dataset.from_list([*rows, {"text": "none", "images": []}]), exclusions, pictures="images")
    assert kept["text"][:] == [uid for uid in files if uid not in ("photo-4", "photo-5")] + ["none"]


def test_a_picture_that_is_gone_stops_the_filter(tmp_path: Path) -> None:
    exclusions = exclusion_list(tmp_path / "list", [KeyKind.SHA256])
    rows = {"image": [{"bytes": None, "path": str(tmp_path / "gone.jpg")}], "text": ["x"]}
    dataset = Dataset.from_dict(rows, features=Features({"image": Image(), "text": Value("string")}))
    with pytest.raises(UnreadableRows, match=r"picture is gone: 1 .*gone\.jpg"):
        without_excluded(dataset, exclusions, pictures="image")


@pytest.mark.parametrize("streaming", [False, True])
def test_an_owner_that_is_the_number_of_a_name_is_compared_by_its_name(tmp_path: Path, exclusions: ExclusionList, streaming: bool) -> None:
    features = Features({"uid": Value("string"), "owner": ClassLabel(names=["ada", "bob"])})
    listed = {"uid": ["a", "b", "c"], "owner": [1, 0, -1]}
    dataset = Dataset.from_dict(listed, features=features)
    with pytest.warns(KindsNotApplied):
        kept = list(without_excluded(dataset.to_iterable_dataset() if streaming else dataset, exclusions))
    assert [row["uid"] for row in kept] == ["b", "c"]

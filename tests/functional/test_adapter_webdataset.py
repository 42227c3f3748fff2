"""The predicate in a real `webdataset` pipeline, in this process and in the workers of a loader."""

import gc
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import webdataset
from torch.utils.data import DataLoader

from demur.adapters.judging import KindsNotApplied
from demur.adapters.webdataset_pipeline import NotASample, NotExcluded
from demur.exclusions import ExclusionList, KeyKind
from demur.filtering import UnreadableManifest, UnreadableRows
from tests.support.training_sets import BY, KEPT, exclusion_list, tar_samples, write_tar

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture(autouse=True)
def nothing_open_is_left() -> Iterator[None]:
    """webdataset leaves the tars that it has read to the garbage collector."""
    yield
    gc.collect()


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    return write_tar(tmp_path / "photos.tar", tar_samples())


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    return exclusion_list(tmp_path / "list")


def keys(pipeline: webdataset.WebDataset) -> list[str]:
    return [sample["__key__"] for sample in pipeline]


def pipeline(tar: Path) -> webdataset.WebDataset:
    return webdataset.WebDataset(str(tar), shardshuffle=False)


@pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")
def test_every_kind_of_key_excludes(tar: Path, exclusions: ExclusionList) -> None:
    keep = NotExcluded(exclusions)
    assert keys(pipeline(tar).select(keep)) == KEPT
    assert keep.report.dropped == dict.fromkeys(BY.values(), 1)
    assert (keep.report.rows, keep.report.kept, keep.report.not_applied) == (8, 3, [])


@pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")
def test_samples_judged_by_the_batch_are_those_judged_one_by_one(tmp_path: Path, exclusions: ExclusionList) -> None:
    tar = write_tar(tmp_path / "many.tar", {f"{folder}/{key}": members for folder in range(20) for key, members in tar_samples().items()})
    one_by_one, by_the_batch = NotExcluded(exclusions), NotExcluded(exclusions)
    expected = keys(pipeline(tar).select(one_by_one))
    assert keys(pipeline(tar).compose(by_the_batch.kept)) == expected
    assert by_the_batch.report == one_by_one.report


def test_a_sample_that_cannot_be_compared_stops_the_pipeline_unless_it_is_allowed(exclusions: ExclusionList) -> None:
    picture = tar_samples()["photo-0"]["jpg"]
    samples = [{"__key__": "a", "json": b'{"sha256": "d41d8cd98f00b204e9800998ecf8427e"}'}, {"__key__": "b", "jpg": picture, "json": b"{}"}]
    with pytest.raises(UnreadableRows, match="an MD5 digest: 1"):
        list(NotExcluded(exclusions, allow_unreadable=0).kept(samples))
    with pytest.warns(KindsNotApplied):
        assert [sample["__key__"] for sample in NotExcluded(exclusions, allow_unreadable=1).kept(samples)] == ["b"]


def test_what_is_kept_goes_on_unchanged(tar: Path, exclusions: ExclusionList) -> None:
    kept = list(pipeline(tar).select(NotExcluded(exclusions)))
    members = tar_samples()
    assert [{name: sample[name] for name in members["photo-0"]} for sample in kept] == [members[key] for key in KEPT]


def test_it_is_followed_by_what_decodes(tar: Path, exclusions: ExclusionList) -> None:
    decoded = pipeline(tar).select(NotExcluded(exclusions)).decode("pil").to_tuple("jpg", "json")
    assert [(picture.size, described["owner"]) for picture, described in decoded] == [((160, 120), "ada")] * 3


def test_after_decoding_what_pictures_would_tell_is_told_to_be_missing(tar: Path, exclusions: ExclusionList) -> None:
    with pytest.warns(KindsNotApplied) as told:
        found = keys(pipeline(tar).decode("pil").select(NotExcluded(exclusions)))
    assert found == ["photo-0", "photo-4", "photo-5", "photo-6", "photo-7"]
    sentences = [str(each.message) for each in told if each.category is KindsNotApplied]
    assert [sentence.split(", but")[0] for sentence in sentences] == ["the list has 1 phash entries", "the list has 1 sha256 entries"]


def test_a_warning_made_an_error_refuses(tmp_path: Path, exclusions: ExclusionList) -> None:
    tar = write_tar(tmp_path / "bare.tar", {"a": {"jpg": tar_samples()["photo-0"]["jpg"]}})
    with warnings.catch_warnings():
        warnings.simplefilter("error", KindsNotApplied)
        with pytest.raises(KindsNotApplied, match="1 owner entries"):
            keys(pipeline(tar).select(NotExcluded(exclusions)))


def test_in_a_folder_the_json_member_says_the_uid(tmp_path: Path, exclusions: ExclusionList) -> None:
    tar = write_tar(tmp_path / "other.tar", {f"0/{key}": members for key, members in tar_samples().items()})
    assert keys(pipeline(tar).select(NotExcluded(exclusions))) == ["0/photo-0", "0/photo-1", "0/photo-6", "0/photo-7"]
    named = {f"0/{key}": {"json": b'{"uid": "%s"}' % key.encode(), "jpg": members["jpg"]} for key, members in tar_samples().items()}
    tar = write_tar(tmp_path / "named.tar", named)
    with pytest.warns(KindsNotApplied):
        assert "0/photo-1" not in keys(pipeline(tar).select(NotExcluded(exclusions)))


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_workers_of_a_loader_apply_the_same_list(tar: Path, exclusions: ExclusionList, how: str) -> None:
    keep = NotExcluded(exclusions)
    assert keys(pipeline(tar).select(keep)) == KEPT  # so compiled code has run here before workers are forked
    tars = [str(tar)] * 2
    stages = webdataset.WebDataset(tars, shardshuffle=False).select(keep).to_tuple("__key__")
    loader = DataLoader(stages, batch_size=None, num_workers=1, multiprocessing_context=how)
    assert [key for (key,) in loader] == KEPT * 2


def test_it_travels_without_losing_an_entry(exclusions: ExclusionList) -> None:
    keep = pickle.loads(pickle.dumps(NotExcluded(exclusions)))
    with pytest.warns(KindsNotApplied):
        assert not keep({"__key__": "photo-1", "jpg": tar_samples()["photo-1"]["jpg"]})


def test_what_is_no_sample_any_more_is_refused(tar: Path, exclusions: ExclusionList) -> None:
    with pytest.raises(NotASample, match="before to_tuple"):
        list(pipeline(tar).to_tuple("jpg").select(NotExcluded(exclusions)))


def test_a_json_member_that_is_not_json_is_refused(tmp_path: Path, exclusions: ExclusionList) -> None:
    tar = write_tar(tmp_path / "bad.tar", {"a": {"json": b"{"}})
    with pytest.raises(UnreadableManifest, match="sample a"):
        keys(pipeline(tar).select(NotExcluded(exclusions)))


def test_a_json_member_decoded_to_more_levels_than_can_be_compared_is_refused(exclusions: ExclusionList) -> None:
    deep: object = "photo-1"
    for _ in range(900):
        deep = {"uid": deep}
    with pytest.raises(UnreadableManifest, match="sample a is nested too deeply"):
        NotExcluded(exclusions)({"__key__": "a", "json": deep})


def test_a_list_of_uids_alone_costs_no_look_at_pictures(tmp_path: Path, tar: Path) -> None:
    keep = NotExcluded(exclusion_list(tmp_path / "uids", [KeyKind.UID]))
    broken = write_tar(tmp_path / "broken.tar", {"photo-1": {"jpg": b"no picture"}, "photo-0": {"jpg": b"no picture"}})
    assert keys(pipeline(broken).select(keep)) == ["photo-0"]


@pytest.mark.parametrize("held", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("name", ["right.jpg", "edited.jfif", "jpg_large", "img", "05.01"])
def test_a_sample_with_several_pictures_is_judged_by_all_of_them(exclusions: ExclusionList, held: type[bytes], name: str) -> None:
    listed = tar_samples()["photo-4"]["jpg"]
    keep = NotExcluded(exclusions)
    assert keep({"__key__": "x", "left.jpg": held(tar_samples()["photo-0"]["jpg"])})
    assert not keep({"__key__": "x", "left.jpg": held(tar_samples()["photo-0"]["jpg"]), name: held(listed)})


@pytest.mark.filterwarnings("ignore::demur.adapters.judging.KindsNotApplied")
@pytest.mark.parametrize(
    "told",
    [
        {"__key__": b"photo-1"},
        {"__key__": "/photo-1"},
        {"json": '{"uid": "photo-1"}'},
        {"json": [{"uid": "photo-1"}]},
        {"json": b'[{"uid": "photo-1"}]'},
        {"meta.json": {"of": {"uid": "photo-1"}}},
    ],
)
def test_a_sample_is_excluded_however_the_pipeline_tells_its_uid(exclusions: ExclusionList, told: dict[str, object]) -> None:
    keep = NotExcluded(exclusions)
    assert not keep({"__key__": "another", "jpg": tar_samples()["photo-0"]["jpg"], **told})
    assert keep.report.dropped == {KeyKind.UID: 1}


def test_a_key_of_bytes_that_are_no_text_is_refused(exclusions: ExclusionList) -> None:
    with pytest.raises(NotASample, match="not UTF-8"):
        NotExcluded(exclusions)({"__key__": b"\xff"})


@pytest.mark.filterwarnings("ignore::demur.adapters.judging.KindsNotApplied")
def test_a_file_of_any_kind_is_compared_by_its_digest(exclusions: ExclusionList) -> None:
    listed = tar_samples()[next(key for key, kind in BY.items() if kind is KeyKind.SHA256)]["jpg"]
    for name in ("ppm", "bin", "txt"):
        assert not NotExcluded(exclusions, allow_unreadable=1)({"__key__": "another", name: listed})

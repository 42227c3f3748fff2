"""NeMo Curator's own removal stage takes out what the list excludes, with the ids that its reader gives to pictures.

The reader itself needs NVIDIA's DALI, which is in no public registry: the ids are made here as its source makes them
(NeMo Curator 1.4, stages/image/io/image_reader.py: the tar's stem and the number of the .jpg member in six digits).
"""

import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from demur.adapters.nemo_removals import write_removals
from demur.exclusions import ExclusionList, KeyKind
from demur.files import TargetExists
from demur.filtering import UnreadableManifest
from demur.manifests.errors import EmptySource
from tests.support.training_sets import BY, exclusion_list, tar_samples, without_its_init, write_tar

without_its_init("nemo_curator")

from nemo_curator.stages.image.deduplication.removal import ImageDuplicatesRemovalStage  # noqa: E402
from nemo_curator.tasks import ImageBatch, ImageObject  # noqa: E402


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    return exclusion_list(tmp_path / "list")


def read_as_nemo_does(tar: Path) -> dict[str, str]:
    """image id → the member that it stands for, which NeMo itself forgets."""
    with tarfile.open(tar) as opened:
        pictures = [name for name in opened.getnames() if name.split("/")[-1].partition(".")[2] == "jpg"]
    return {f"{tar.stem}_{number:06d}": name for number, name in enumerate(pictures)}


def what_nemo_keeps(tars: list[Path], removals: Path) -> list[str]:
    # Past the metaclass, which would first ask Ray how many workers there may be.
    stage = type.__call__(ImageDuplicatesRemovalStage, removal_parquets_dir=str(removals))
    stage.setup()
    kept = []
    for tar in tars:
        members = read_as_nemo_does(tar)
        batch = ImageBatch(dataset_name="photos", data=[ImageObject(image_path=str(tar), image_id=name) for name in members])
        kept += [members[picture.image_id] for picture in stage.process(batch).data]
    return kept


@pytest.mark.filterwarnings("error::demur.adapters.judging.KindsNotApplied")
def test_the_stage_removes_what_the_list_excludes(tmp_path: Path, exclusions: ExclusionList) -> None:
    samples, tars = list(tar_samples().items()), tmp_path / "tars"
    (tars / "more").mkdir(parents=True)
    files = [write_tar(tars / "00000.tar", dict(samples[:5])), write_tar(tars / "more" / "00001.tar", dict(samples[5:]))]
    report = write_removals(tars, tmp_path / "removals", exclusions)
    assert what_nemo_keeps(files, tmp_path / "removals") == ["photo-0.jpg", "photo-6.jpg", "photo-7.jpg"]
    assert report.dropped == dict.fromkeys(BY.values(), 1)


def test_samples_that_nemo_does_not_read_are_not_counted(tmp_path: Path, exclusions: ExclusionList) -> None:
    first, excluded, last = (tar_samples()[key] for key in ("photo-0", "photo-1", "photo-6"))
    (tmp_path / "tars").mkdir()
    samples = {"text only": {"txt": b"a"}, "other": {"png": first["jpg"]}, "photo-0": first, "LOUD": {"JPG": first["jpg"]}}
    tar = write_tar(tmp_path / "tars" / "a.tar", {**samples, "photo-1": excluded, "photo-6": last})
    write_removals(tmp_path / "tars", tmp_path / "removals", exclusions, allow_unreadable=1)
    assert what_nemo_keeps([tar], tmp_path / "removals") == ["photo-0.jpg", "photo-6.jpg"]


def test_a_tar_without_excluded_samples_gives_an_empty_column_that_the_stage_reads(tmp_path: Path) -> None:
    (tmp_path / "tars").mkdir()
    tar = write_tar(tmp_path / "tars" / "a.tar", {"photo-0": tar_samples()["photo-0"]})
    write_removals(tmp_path / "tars", tmp_path / "removals", exclusion_list(tmp_path / "list", [KeyKind.UID]))
    assert pq.read_schema(tmp_path / "removals" / "000001.parquet").to_string() == "id: string"
    assert what_nemo_keeps([tar], tmp_path / "removals") == ["photo-0.jpg"]


def test_what_cannot_be_read_leaves_nothing(tmp_path: Path, exclusions: ExclusionList) -> None:
    (tmp_path / "tars").mkdir()
    with pytest.raises(EmptySource):
        write_removals(tmp_path / "tars", tmp_path / "removals", exclusions)
    (tmp_path / "tars" / "a.tar").write_bytes(b"no tar")
    with pytest.raises(UnreadableManifest):
        write_removals(tmp_path / "tars", tmp_path / "removals", exclusions)
    assert not (tmp_path / "removals").exists()
    with pytest.raises(TargetExists):
        write_removals(tmp_path / "tars", tmp_path / "list", exclusions)

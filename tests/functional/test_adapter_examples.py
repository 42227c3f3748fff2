"""Every example of docs/adapters.md, run as it stands, on the files that it names, with a list that is served over HTTP."""

import gc
import re
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.support.exclusion_lists import serve
from tests.support.training_sets import KEY, exclusion_list, mirrored, photos, table, tar_samples, without_its_init, write_tar

without_its_init("streaming")

from streaming.base import MDSWriter  # noqa: E402

SERVED, TOKEN = "https://demur.example/api/v1/exclusion-list/", "a token of the tests"
KEPT = "['photo-0', 'photo-6', 'photo-7']\n"
PRINTED = {
    "WebDataset": "patches (160, 120)\n" * 3 + "3 of 8\n",
    "Hugging Face datasets": "3 of 8\n" + KEPT,
    "PyTorch": KEPT * 2,
    "img2dataset": "dropped: {'uid': 1, 'sha256': 1, 'phash': 1, 'url': 1, 'owner': 1}\n",
    "DataComp": f"[('f0', '<u8'), ('f1', '<u8')] {[f'{number:032x}' for number in (0, 1, 6, 7)]}\n",
    "NeMo Curator": "5 of 8 to remove: ['00000_000001', '00000_000002', '00000_000003', '00001_000000', '00001_000001']\n",
    "MosaicML Streaming": KEPT,
    "DuckDB": "[(3, 'patches number 7')]\n",
    "Spark": "3 of 8\n",
}


def examples() -> dict[str, str]:
    """Heading → its code; that before the first section opens the list."""
    sections = re.split(r"^## ", Path("docs/adapters.md").read_text(), flags=re.MULTILINE)
    code = {section.splitlines()[0]: re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL) for section in sections}
    return {heading: "\n".join(blocks) for heading, blocks in code.items() if blocks}


OPENING, *_ = EXAMPLES = list(examples().items())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with everything that the examples name; it is where they run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEMUR_TOKEN", TOKEN)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    Path("list.vkey").write_text(f"{KEY.verifier}\n")
    pq.write_table(table(), "photos.parquet")
    samples = list(tar_samples().items())
    for directory in ("shards", "metadata"):
        Path(directory).mkdir()
    write_tar(Path("shards/00000.tar"), dict(samples[:4]))
    write_tar(Path("shards/00001.tar"), dict(samples[4:]))
    uids = pa.array([f"{number:032x}" for number in range(len(photos()))])
    pq.write_table(table().set_column(0, "uid", uids), "metadata/0.parquet")
    columns = {"uid": "str", "url": "str", "owner": "str", "image": "bytes"}
    with MDSWriter(out="mds", columns=columns) as writer:
        for each in map(mirrored, photos()):
            writer.write({"uid": each.uid, "url": each.url, "owner": each.owner, "image": each.picture})
    yield tmp_path
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning", "error::demur.adapters.judging.KindsNotApplied")
@pytest.mark.parametrize("heading", PRINTED)
def test_the_example_does_what_the_document_says(
    heading: str, place: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    exclusion_list(place / "list")
    code, names = dict(EXAMPLES)[heading], {"__name__": "example"}
    spark: dict[str, SparkSession] = {"spark": request.getfixturevalue("spark")} if heading == "Spark" else {}
    with serve(place / "list", TOKEN) as server:
        capsys.readouterr()
        exec(OPENING[1].replace(SERVED, server.url) + code, {**names, **spark})
    assert capsys.readouterr().out == PRINTED[heading]
    assert len(code.splitlines()) <= 12


def test_every_example_is_run() -> None:
    assert list(PRINTED) == [heading for heading, _ in EXAMPLES[1:]]
    assert SERVED in OPENING[1]

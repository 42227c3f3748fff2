"""`demur vectors` as its users call it."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from demur.cli import main
from demur.exclusions import Entry, KeyKind
from demur.signing import SigningKey
from tests.support.deletion_vectors import Publisher, import_troublesome, source_rows
from tests.support.exclusion_lists import build_version_for_today, publish_version

KEY = SigningKey.generate("op.example")
ENTRIES = [Entry(KeyKind.UID, uid) for uid in ("photo-1", "photo-2", "photo-55")]


@pytest.fixture
def vectors_dir(tmp_path: Path) -> Path:
    publisher = Publisher(*import_troublesome(tmp_path / "manifest"), tmp_path, KEY)
    publisher.list_dir.mkdir()
    publish_version(publisher.list_dir, KEY, build_version_for_today(ENTRIES))
    publisher.derive()
    return publisher.vectors_dir


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["vectors", *map(str, arguments)])


def about(vectors_dir: Path) -> list[object]:
    return [vectors_dir, "--manifest", "troublesome", "--key", KEY.verifier]


def test_show_tells_what_is_deleted_of_which_shard(vectors_dir: Path) -> None:
    told = json.loads(run("show", *about(vectors_dir), "--json").stdout)
    assert (told["deleted"], told["deleted_by_shard"]) == (3, {"00000.parquet": 2, "00001.parquet": 1})
    assert (told["manifest"]["name"], told["list"]["version"], told["number_of_shards"]) == ("troublesome", 1, 5)
    assert "3 in 2 shards" in run("show", *about(vectors_dir)).stdout


def test_export_writes_places_for_other_loaders(vectors_dir: Path, tmp_path: Path) -> None:
    assert run("export", *about(vectors_dir), "--shard", "00000.parquet", "--out", tmp_path / "one.npy").exit_code == 0
    places = np.load(tmp_path / "one.npy")
    assert (places.dtype, places.tolist()) == (np.uint32, [1, 2])
    assert run("export", *about(vectors_dir), "--out", tmp_path / "all.parquet").exit_code == 0
    rows = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert [(row["shard"], row["place"]) for row in rows] == [("00000.parquet", 1), ("00000.parquet", 2), ("00001.parquet", 5)]
    for wrong in (["--out", tmp_path / "all.npy"], ["--out", tmp_path / "all.csv"]):
        assert run("export", *about(vectors_dir), *wrong).exit_code == 2


def test_the_loader_of_the_documentation_trains_on_what_may_be_used(
    vectors_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documentation = Path(__file__).parents[3] / "docs" / "formats" / "deletion-vector.md"
    example = documentation.read_text().partition("```python\n")[2].partition("```")[0].replace("photos-2026", "troublesome")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.vkey").write_text(str(KEY.verifier))
    used: list[str] = []
    names = {"BASE_URL": vectors_dir, "TOKEN": None, "MANIFEST": tmp_path / "manifest" / "source"}
    exec(compile(example, str(documentation), "exec"), names | {"train_on": lambda batch: used.extend(batch["uid"].to_pylist())})
    private = {row["uid"] for row in source_rows() if row["visibility"] == "private"}
    assert len(used) == len(set(used))
    assert set(used) == {row["uid"] for row in source_rows()} - private - {entry.key for entry in ENTRIES}


def test_what_cannot_be_trusted_is_refused_with_its_name(vectors_dir: Path, tmp_path: Path) -> None:
    other = [vectors_dir, "--manifest", "troublesome", "--key", SigningKey.generate("someone").verifier]
    refused = run("show", *other)
    assert (refused.exit_code, "UnknownKey" in refused.stderr) == (3, True)
    unknown = run("export", *about(vectors_dir), "--shard", "elsewhere", "--out", tmp_path / "one.npy")
    assert (unknown.exit_code, "UnknownShard" in unknown.stderr) == (3, True)
    assert not (tmp_path / "one.npy").exists()
    state = tmp_path / "state.json"
    assert run("show", *about(vectors_dir), "--state", state).exit_code == 0
    state.write_text(state.read_text().replace('"version":1', '"version":2'))
    assert "Rollback" in run("show", *about(vectors_dir), "--state", state).stderr

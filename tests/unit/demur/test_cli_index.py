"""`demur index` as somebody calls it who has manifests and no portal."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from demur.cli import main
from demur.manifests import Catalogue
from tests.support.pictures import photo_bytes

PHASHES = np.random.default_rng(0).integers(0, 2**64, 1000, dtype=np.uint64)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["index", *map(str, arguments)])


def facts(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Of a thousand rows, the even ones can match."""
    qualities = np.where(np.arange(1000) % 2, 49, 50).astype(np.uint8)
    pq.write_table(pa.table({"phash": PHASHES, "pdq_quality": qualities}), tmp_path / "photos.parquet", row_group_size=300)
    return tmp_path / "photos.parquet"


def test_pictures_are_found_under_their_edits(tmp_path: Path, catalogue: Catalogue, table: Path) -> None:
    built = facts("build", tmp_path / "index", catalogue.path, table)
    assert built["sources"] == {"generated": 23, "photos": 1000}
    (tmp_path / "mine.jpg").write_bytes(photo_bytes("ada", 0))
    found = {row["row"]: row for row in facts("query", tmp_path / "index", tmp_path / "mine.jpg")["rows"]}
    own, mirrored = catalogue.find_uids(["ada-0", "cleo-mirrored"]).tolist()
    assert (found[own]["source"], found[own]["distance"], found[own]["edit"], found[own]["dihedral"]) == ("generated", 0, "", 0)
    assert found[mirrored]["dihedral"] == 5
    plain = run("query", tmp_path / "index", tmp_path / "mine.jpg").stdout.splitlines()
    assert plain[0].split("\t")[:4] == [str(tmp_path / "mine.jpg"), "generated", str(own), "0"]


def test_shards_of_row_ranges_find_together_what_one_index_finds(tmp_path: Path, table: Path) -> None:
    facts("build", tmp_path / "all", table)
    facts("build", tmp_path / "first", table, "--rows", ":401")
    facts("build", tmp_path / "rest", table, "--rows", "401:")
    for row in (0, 400, 402, 998):
        asked = ("--phash", f"{int(PHASHES[row]) ^ 0b111:016x}", "--radius", 3)
        one = facts("query", tmp_path / "all", *asked)
        assert one["rows"] == [{"source": "photos", "row": row, "distance": 3, "edit": "", "dihedral": 0}]
        assert facts("query", tmp_path / "first", "--shard", tmp_path / "rest", *asked) == one
    assert facts("query", tmp_path / "all", "--phash", f"{PHASHES[1]:016x}")["rows"] == [], "too little texture"


def test_manifests_come_and_go(tmp_path: Path, table: Path, catalogue: Catalogue) -> None:
    index = tmp_path / "index"
    facts("build", index, table)
    assert facts("add", index, catalogue.path)["sources"] == {"photos": 1000, "generated": 23}
    assert facts("remove", index, "photos")["sources"] == {"generated": 23}
    assert facts("compact", index)["hashes"] == facts("show", index)["hashes"] == len(usable(catalogue))
    assert run("verify", index).exit_code == 0
    assert facts("verify", index)["verified"] is True
    assert "generated: 23 rows" in run("show", index).stdout


def usable(catalogue: Catalogue) -> list[int]:
    return [quality for quality in catalogue.read(0, catalogue.rows, ["pdq_quality"])["pdq_quality"].to_pylist() if quality >= 50]


def test_what_cannot_be_done_is_said_in_one_sentence(tmp_path: Path, table: Path) -> None:
    facts("build", tmp_path / "index", table)
    (tmp_path / "notes.txt").write_text("mine")
    for arguments, code, said in [
        (("show", tmp_path), 1, "no similarity index"),
        (("build", tmp_path, table), 1, "other files"),
        (("remove", tmp_path / "index", "nothing"), 1, "no source named nothing"),
        (("build", tmp_path / "new", table, tmp_path / "photos.parquet"), 2, "the same name"),
        (("build", tmp_path / "new", table, "--rows", "5"), 2, "A:B"),
        (("query", tmp_path / "index"), 2, "--phash"),
        (("query", tmp_path / "index", "--phash", "12"), 2, "16 hex digits"),
    ]:
        result = run(*arguments)
        assert (result.exit_code, said in result.output) == (code, True), result.output


def test_rows_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    phashes = [f"{phash:016x}" for phash in PHASHES]
    phashes[3] = "no hash"
    pdqs: list[bytes | None] = [bytes(32)] * 1000
    pdqs[5], pdqs[6] = b"short", None
    columns = {"phash": phashes, "pdq_quality": [300, *[100] * 999], "pdq": pdqs}
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    for command, hashes in (("build", 996), ("add", 2 * 996)):
        result = run(command, tmp_path / "index", tmp_path / "bad.parquet", "--json")
        told = json.loads(result.stdout)
        assert (told["hashes"], told["unreadable"]) == (hashes, {"bad": 3})
        assert "3 rows of bad are left out" in result.stderr


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("phash", [1.5]),
        ("phash", [[1, 2]]),
        ("phash", [True]),
        ("pdq_quality", [[100]]),
        ("pdq", [[1] * 32]),
    ],
)
def test_a_column_of_a_type_that_holds_no_such_value_is_refused(tmp_path: Path, column: str, values: list[object]) -> None:
    columns = {"phash": [1], "pdq_quality": [100], "pdq": [bytes(32)], column: values}
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    result = run("build", tmp_path / "index", tmp_path / "bad.parquet")
    assert (result.exit_code, f"'{column}'" in result.output) == (1, True), result.output
    assert not (tmp_path / "index").exists()


def test_an_empty_manifest_or_part_hides_no_other(tmp_path: Path, table: Path) -> None:
    empty = tmp_path / "none.parquet"
    pq.write_table(pq.read_table(table).slice(0, 0), empty)
    assert facts("build", tmp_path / "index", table, empty)["sources"] == {"photos": 1000, "none": 0}
    assert len(facts("query", tmp_path / "index", "--phash", f"{PHASHES[4]:016x}")["rows"]) == 1
    assert facts("build", tmp_path / "part", table, "--rows", "7:7")["sources"] == {"photos": 0}


def test_a_damaged_index_is_refused(tmp_path: Path, table: Path) -> None:
    facts("build", tmp_path / "index", table)
    (torn,) = (tmp_path / "index").glob("delta-*")
    torn.write_bytes(torn.read_bytes()[:-1])
    result = run("verify", tmp_path / "index")
    assert result.exit_code == 1
    assert torn.name in result.output.replace("\n", "")

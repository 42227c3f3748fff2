import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from demur.cli import main
from demur.similarity.edits import variants
from demur.similarity.fingerprint import FINGERPRINT_VERSION, decode, fingerprint
from demur.similarity.query import Query
from demur.similarity.query_table import read_queries
from tests.support.pictures import jpeg, photo_bytes, png, textured_picture


def test_every_picture_is_one_line_of_json(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(photo_bytes("ada", 0))
    (tmp_path / "two.jpg").write_bytes(jpeg(textured_picture(5)))
    result = CliRunner().invoke(main, ["hash", str(tmp_path / "one.jpg"), str(tmp_path / "two.jpg")])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    known = [fingerprint((tmp_path / name).read_bytes()) for name in ("one.jpg", "two.jpg")]
    assert result.exit_code == 0
    assert [(line["version"], int(line["phash"], 16), line["pdq"]) for line in lines] == [
        (FINGERPRINT_VERSION, one.phash, one.pdq.hex()) for one in known
    ]


def test_queries_hold_every_variant_for_a_search_elsewhere(tmp_path: Path) -> None:
    data = jpeg(textured_picture(5))
    (tmp_path / "one.jpg").write_bytes(data)
    result = CliRunner().invoke(main, ["hash", "--queries", str(tmp_path / "queries.parquet"), str(tmp_path / "one.jpg")])
    assert result.exit_code == 0, result.output
    expected = Query(fingerprint(data).sha256, variants(decode(data)[0]))
    assert read_queries(tmp_path / "queries.parquet") == {str(tmp_path / "one.jpg"): expected}


def test_what_is_no_picture_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("not a picture")
    result = CliRunner().invoke(main, ["hash", str(tmp_path / "note.txt")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not a picture" in result.stderr


def test_a_file_larger_than_any_picture_is_said_to_be_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(photo_bytes("ada", 0))
    with (tmp_path / "large.jpg").open("wb") as large:
        large.truncate((1 << 28) + 1)
    result = CliRunner().invoke(main, ["hash", str(tmp_path / "large.jpg"), str(tmp_path / "one.jpg")])
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 1)
    assert result.stderr == f"{tmp_path / 'large.jpg'}: This picture's file is larger than 256 MiB.\n"


def test_file_names_that_are_not_utf8_or_hold_escapes_are_shown_escaped(tmp_path: Path) -> None:
    bad, good = tmp_path / os.fsdecode(b"\xff\x1b[2J.png"), tmp_path / os.fsdecode(b"\xfe\xe2\x80\xae.png")
    bad.write_bytes(b"no picture")
    good.write_bytes(png(textured_picture(1)))
    command = [sys.executable, "-m", "demur", "hash", str(bad), str(good)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, b"\x1b" in done.stdout + done.stderr) == (1, False)
    assert b"\\udcff\\x1b[2J.png: " in done.stderr
    assert json.loads(done.stdout)["file"].endswith("\udcfe\u202e.png")
    assert subprocess.run([*command, "--queries", str(tmp_path / "q.parquet")], capture_output=True, check=False).returncode == 1
    assert (tmp_path / "q.parquet").exists()

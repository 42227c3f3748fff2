"""CSV, TSV and JSONL as people have them. Import and filter read each by one reader: they agree on every row."""

import gzip
import json
import random
from pathlib import Path

import pytest

from demur.errors import DemurError
from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.filtering import UnreadableManifest, UnreadableRows, filter_manifest
from demur.manifests import Catalogue, ManifestError, TruncatedSource, import_manifest
from demur.signing import SigningKey
from tests.support.exclusion_lists import build_version_for_today, publish_version

KEY = SigningKey.generate("op.example")


@pytest.fixture(scope="module")
def exclusions(tmp_path_factory: pytest.TempPathFactory) -> ExclusionList:
    directory = tmp_path_factory.mktemp("list")
    publish_version(directory, KEY, build_version_for_today([Entry(KeyKind.UID, "listed")]))
    return ExclusionList.open(directory, key=KEY.verifier)


def filtered(source: Path, exclusions: ExclusionList, allow: int = 1000) -> tuple[bytes, int]:
    """The copy, and how many rows could not be read."""
    out = source.with_name(f"out-{source.name}")
    report = filter_manifest(source, out, exclusions, allow_unreadable=allow)
    assert report.kept + sum(report.dropped.values()) + report.unreadable_rows == report.rows
    return gzip.decompress(out.read_bytes()) if out.suffix == ".gz" else out.read_bytes(), report.unreadable_rows


def imported(source: Path) -> tuple[list[str], dict[str, int]]:
    target = source.with_name("catalogue")
    report = import_manifest(source, target, name="test", workers=0)
    catalogue = Catalogue.open(target)
    return sorted(catalogue.read(0, catalogue.rows, ["uid"])["uid"].to_pylist()), report.rejected


ROWS: dict[str, tuple[bytes, list[str], int]] = {
    "a comma that nobody quoted": (b"caption,uid\nfine,a\ntwo, and more,p2\nlast,z\n", ["a", "z"], 1),
    "a short row": (b"uid,caption\na,x\nb\nz,y\n", ["a", "z"], 1),
    "a quote within a cell": (b'uid,caption\na,a 12" ruler\nz,6"\n', ["a", "z"], 0),
    "quotes escaped by backslashes": (b'uid,caption\na,"say \\"hi\\", ok"\nb,"x\\""\nz,"fine"\n', ["z"], 2),
    "a quote that never ends": (b'uid,caption\na,"open\nb,x\nz,y\n', ["b", "z"], 1),
    "a quote that ends rows later": (b'uid,caption\na,"open\nb,x\nc,"y"\nz,w\n', ["b", "c", "z"], 1),
    "rows of several lines": (b'uid,caption\na,"one\ntwo ""three"""\nz,"four\r\nfive"\n', ["a", "z"], 0),
    "blank lines before the header": (b"\n\r\n\nuid,caption\na,x\n\nz,y\n", ["a", "z"], 0),
    "Excel's line": (b"sep=;\nuid;caption\na;one, two\nz;x\n", ["a", "z"], 0),
    "Excel's line and a mark of UTF-8": (b"\xef\xbb\xbfsep=;\r\nuid;caption\r\na;x\r\n", ["a"], 0),
    "a header with spaces": (b'uid, caption\na, x\nb, "one, two"\nz, y\n', ["a", "b", "z"], 0),
    "a last row without a line end": (b"uid,caption\na,x\nz,y", ["a", "z"], 0),
    "Latin-1 in some rows": (b"uid,caption\na,caf\xe9\nb,x\nc,caf\xe9, and more\nz,y\n", ["b", "z"], 2),
    "cells over 128 kB": (b"uid,embedding\na," + b"1" * 200_000 + b'\nz,"' + b"2" * 200_000 + b'"\n', ["a", "z"], 0),
    "a row over 4 MiB": (b"uid,embedding\na," + b"1" * 5_000_000 + b"\nz,1\n", ["z"], 1),
    "a return within a row": (b"uid,caption\na,x\rb,y\nz,w\n", ["z"], 1),
}


@pytest.mark.parametrize("name", ROWS)
def test_import_and_filter_agree_on_each_row_of_a_csv(tmp_path: Path, exclusions: ExclusionList, name: str) -> None:
    data, uids, bad = ROWS[name]
    (tmp_path / "m.csv").write_bytes(data)
    assert imported(tmp_path / "m.csv") == (uids, {"malformed_row": bad} if bad else {})
    copy, unreadable = filtered(tmp_path / "m.csv", exclusions)
    assert unreadable == bad
    (tmp_path / "again.csv").write_bytes(copy)
    again = tmp_path / "again"
    again.mkdir()
    (again / "m.csv").write_bytes(copy)
    assert imported(again / "m.csv") == (uids, {})
    if bad:
        with pytest.raises(UnreadableRows, match=r"a row (has|is) .*m\.csv, row \d"):
            filtered(tmp_path / "m.csv", exclusions, allow=0)


LINES: dict[str, tuple[bytes, int]] = {
    "half an emoji in the caption": (b'{"uid": "a", "caption": "\\ud83d"}', 1),
    "half an emoji in the owner": (b'{"uid": "a", "owner": "\\udc00"}', 1),
    "half an emoji in the uid": (b'{"uid": "\\ud83d"}', 1),
    "half an emoji in a name": (b'{"uid": "a", "\\ud83d": 1}', 1),
    "a whole emoji": (b'{"uid": "a", "caption": "\\ud83d\\ude42"}', 0),
    "bytes that are not UTF-8": (b'{"uid": "a", "caption": "caf\xe9"}', 1),
    "half an emoji in bytes": (b'{"uid": "a\xed\xa0\xbd"}', 1),
    "a list": (b'["a"]', 1),
    "no JSON": (b"{uid: a}", 1),
    "nested too deeply": (b'{"uid": "a", "x": ' + b"[" * 100_000, 1),
    "a line over 4 MiB": (b'{"uid": "a", "x": "' + b"x" * 9_000_000 + b'"}', 1),
    "a whole number of 5,000 digits": (b'{"uid": ' + b"1" * 5000 + b"}", 1),
}


@pytest.mark.parametrize("name", LINES)
def test_import_and_filter_agree_on_each_line_of_a_jsonl(tmp_path: Path, exclusions: ExclusionList, name: str) -> None:
    line, bad = LINES[name]
    kept = b'{"uid": "first"}\n' + (b"" if bad else line + b"\n") + b'{"uid": "z"}\n'
    (tmp_path / "m.jsonl").write_bytes(b'{"uid": "first"}\n{"uid": "listed"}\n' + line + b'\n\n{"uid": "z"}\n')
    uids, rejected = imported(tmp_path / "m.jsonl")
    assert (uids, rejected) == (["first", "listed", "z"] if bad else ["a", "first", "listed", "z"], {"malformed_row": bad} if bad else {})
    assert filtered(tmp_path / "m.jsonl", exclusions) == (kept, bad)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("m.csv", "uid,caption\na,x\n".encode("utf-16"), "UTF-16 text.*iconv -f UTF-16 -t UTF-8"),
        ("m.jsonl", b"\xfe\xff" + '{"uid": "a"}\n'.encode("utf-16-be"), "UTF-16 text"),
        ("m.csv", b"uid,caf\xe9\na,x\n", "header that is not UTF-8 text.*iconv -f LATIN1"),
        ("m.csv", b"uid,caption\na,x\nb", "cut short"),
        ("m.csv", b'uid,caption\na,x\nb,"open', "cut short"),
        ("m.csv", b"uid,caption\na,\0\n", "NUL"),
        ("m.jsonl", b'{"uid": "a"}\n{"uid":', "cut short"),
        ("m.csv.gz", gzip.compress(b"uid\na\nb\n" * 1000, mtime=0)[:-9], "cut short"),
        ("m.csv", b"sep=\nuid\n", "delimiter"),
        ("m.csv", b"uid,caption\ra,x\rz,y\r", "header that|quotes"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_remedy(
    tmp_path: Path, exclusions: ExclusionList, name: str, data: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TruncatedSource, match=says) as by_import:
        imported(tmp_path / name)
    with pytest.raises(UnreadableManifest) as by_filter:
        filtered(tmp_path / name, exclusions)
    assert str(by_import.value) == f"{by_filter.value}."


@pytest.mark.parametrize("name", ["m.tsv", "m.tsv.gz", "m.csv.gz", "m.jsonl.gz", "m.ndjson"])
def test_both_take_the_same_kinds_of_files(tmp_path: Path, exclusions: ExclusionList, name: str) -> None:
    between = "\t" if ".tsv" in name else ","
    rows = [("listed", "x"), ("a", "y")]
    lines = [json.dumps({"uid": uid, "caption": caption}) for uid, caption in rows]
    if "json" not in name:
        lines = [between.join(row) for row in [("uid", "caption"), *rows]]
    data = "".join(f"{line}\n" for line in lines).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert imported(tmp_path / name) == (["a", "listed"], {})
    assert filtered(tmp_path / name, exclusions)[0] == b"".join(line for line in data.splitlines(True) if b"listed" not in line)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_a_csv_holds_the_quick_way_and_the_slow_way_give_the_same(tmp_path: Path, exclusions: ExclusionList, seed: int) -> None:
    """Import's quick way is Arrow, the filter's is Python's; a header with a space makes import go the slow way, too."""
    chance = random.Random(seed)
    pieces = (
        ['"', '""', ",", "\n", "\r\n", "x", "12", "é", ' "', '",', "\\"]
        if seed % 2
        else ['"a,b"', '"a""b"', ",", "x", "\n", "\r\n", '"\n"', ""]
    )
    body = "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 120))) + "\n"
    (tmp_path / "m.csv").write_text(f"uid,caption\nfirst,row\n{body}", newline="")
    try:
        uids, rejected = imported(tmp_path / "m.csv")
    except ManifestError:
        with pytest.raises(DemurError):
            filtered(tmp_path / "m.csv", exclusions)
        return
    copy, unreadable = filtered(tmp_path / "m.csv", exclusions)
    assert rejected.get("malformed_row", 0) + rejected.get("no_uid", 0) == unreadable
    assert len(uids) + rejected.get("duplicate_uid", 0) < copy.count(b"\n")


def test_blocks_of_megabytes_are_cut_between_rows(tmp_path: Path, exclusions: ExclusionList) -> None:
    rows = [f'p{number:06d},"one, ""two""\nthree {"x" * (number % 97)}"\n' for number in range(120_000)]
    rows[60_000] = 'p060000,"say \\"hi\\""\n'
    rows[90_000] = "p090000,one,two\n"
    (tmp_path / "m.csv").write_text("uid,caption\n" + "".join(rows))
    uids, rejected = imported(tmp_path / "m.csv")
    assert (len(uids), rejected) == (119_998, {"malformed_row": 2})
    assert filtered(tmp_path / "m.csv", exclusions)[1] == 2

"""H6: rows that a member can bring about, or that an older import took, cost that row and never the member's pages."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.digests import sha256_file
from demur.manifests import Catalogue, import_manifest
from tests.support.portals import ADA, TestedPortal

PAGES = ("/photos", "/opt-outs/everything", "/photos/odd", "/photos/odd/thumbnail", "/evidence", "/requests", "/account")
ODD_DATES = [1_700_000_000_000, 1_700_000_000_000_000, -62_135_596_800, 253_402_300_799]
"""As seconds: milliseconds and microseconds of 2023, the first second of year 1, the last of 9999."""


def catalogue_of_an_older_import(directory: Path, seconds: int, url: str) -> Path:
    """Until dates had bounds, an import took any whole number for seconds."""
    source, target = directory / "m.parquet", directory / "old"
    pq.write_table(pa.table({"uid": ["odd", "plain"], "owner": [ADA, ADA], "url": [url, None]}), source)
    import_manifest(source, target, name="old", workers=0)
    rows = pq.read_table(target / "rows.parquet")
    dates = pa.array([seconds, 1_700_000_000], pa.timestamp("s"))
    rows = rows.set_column(rows.schema.get_field_index("posted_at"), "posted_at", dates)
    pq.write_table(rows, target / "rows.parquet")
    described = json.loads((target / "catalogue.json").read_text())
    described["report"]["digest"] = sha256_file(target / "rows.parquet")
    (target / "catalogue.json").write_text(json.dumps(described))
    return target


@pytest.mark.parametrize("seconds", ODD_DATES)
def test_every_page_of_the_member_answers_whatever_the_date(tmp_path: Path, portal: TestedPortal, seconds: int) -> None:
    portal.add_manifest(catalogue_of_an_older_import(tmp_path, seconds, "http://[::1"))
    ada = portal.member(ADA)
    assert {path: ada.get(path).status_code for path in PAGES} == dict.fromkeys(PAGES, 200)
    assert {"odd", "plain"} <= {part.split('"', 1)[0] for part in ada.get("/photos").text.split('name="uid" value="')[1:]}


@pytest.mark.parametrize("seconds", ODD_DATES[:1])
def test_the_photo_can_be_opted_out(tmp_path: Path, portal: TestedPortal, seconds: int) -> None:
    portal.add_manifest(catalogue_of_an_older_import(tmp_path, seconds, "http://[::1"))
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs/check", {"uid": ["odd"]})
    assert ada.post("/opt-outs", {"uid": ["odd"]}).status_code == 303
    portal.settle()
    assert ada.get("/photos/odd").status_code == 200


@pytest.mark.parametrize(
    ("value", "year"),
    [
        (1_700_000_000, 2023),
        (1_700_000_000_000, 2023),
        (1_700_000_000_000_000, 2023),
        (1_700_000_000_000_000_000, 2023),
        ("1700000000000", 2023),
        (1_700_000_000.0, 2023),
        (-62_135_596_800, None),
        (253_402_300_799, 1978),  # milliseconds: nobody photographs in the year 9999
        ("0001-01-01", None),
        ("9999-12-31T23:59:59Z", None),
    ],
)
def test_an_import_understands_a_date_or_leaves_its_row_out(tmp_path: Path, value: object, year: int | None) -> None:
    pq.write_table(pa.table({"uid": ["odd"], "posted_at": [value]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"uid": ["plain"]}), tmp_path / "b.parquet")
    report = import_manifest(tmp_path, tmp_path / "catalogue", name="dates", workers=0)
    rows = Catalogue.open(tmp_path / "catalogue").read(0, 2, ["uid", "posted_at"]).to_pylist()
    if year is None:
        assert (report.rejected, [row["uid"] for row in rows]) == ({"wrong_type": 1}, ["plain"])
    else:
        assert (report.rejected, rows[0]["posted_at"].year) == ({}, year)

"""Addresses and fields that no database could hold are refused at the door, on both databases: never a fault of ours (L1)."""

import base64
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from demur.digests import sha256_file
from demur.manifests import import_manifest, rebuild_tables
from models import ExclusionEntry, Outbox
from tests.support.portals import ADA, TestedPortal

NUL = base64.urlsafe_b64encode(b"a\0b").decode().rstrip("=")
BIG = "9" * 40
ADDRESSES = (
    *("/photos/~%FF", "/photos/~%00", f"/photos/~{NUL}", "/photos/a%00b", "/requests/%00", "/requests/%FF", "/runs/%00", "/runs/%FF"),
    *("/receipts/%00", "/receipts/%00.json", "/log/tile/%00", "/log/tile/%FF", f"/runs/{'x' * 3000}"),
    *(f"/api/v1/exclusion-list/versions/{number}/head.dsse.json" for number in ("9223372036854775808", BIG, "%D9%A3", "-1")),
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_can_name_nothing_is_not_found(portal: TestedPortal, address: str):
    assert portal.member(ADA).get(address).status_code == 404


@pytest.mark.parametrize("number", ["1", "9" * 18])
def test_a_version_that_was_never_published_is_not_found_however_large_its_number(portal: TestedPortal, number: str):
    token = portal.run("token", "create", "trainer", "--scope", "list:read").output.split()[-1]
    asked = portal.app.test_client().get(
        f"/api/v1/exclusion-list/versions/{number}/head.dsse.json", headers={"Authorization": f"Bearer {token}"}
    )
    assert asked.status_code == 404


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        (f"/photos/a/proposals/{BIG}", {}),
        (f"/account/identities/{BIG}/unlink", {}),
        ("/requests/%00/withdraw", {}),
        ("/photos/~%00/put-back", {}),
        ("/selection", {"uid": "a\0b", "shown": "a\0b"}),
        ("/selection/put-back", {"uid": "a\0b"}),
        ("/opt-outs", {"uid": "a\0b"}),
        ("/opt-outs", {"everything": "1", "comment": "a\0b"}),
        ("/opt-outs", {"everything": "1", "comment": b"\xed\xa0\xbd"}),
    ],
)
def test_a_form_of_what_cannot_be_kept_is_no_fault_of_ours(portal: TestedPortal, address: str, fields: dict[str, str | bytes]):
    visitor = portal.member(ADA)
    visitor.get("/photos")
    assert visitor.post(address, fields).status_code < 500


def test_what_an_address_asks_for_besides_may_be_anything(portal: TestedPortal):
    asked = f"q=%00&manifest=%00&run=%FF&status=%00&year={BIG}&page={BIG}"
    for page in ("/photos", "/requests", "/runs", "/lookup", "/verify", "/opt-outs/check"):
        assert portal.member(ADA).get(f"{page}?{asked}&receipt=%00&uid=%00").status_code < 500


def catalogue_with_a_nul(directory: Path) -> Path:
    """As an older import took it: one of a member's uids, and its caption, hold NUL."""
    source, target = directory / "m.parquet", directory / "old"
    pq.write_table(pa.table({"uid": ["a-b", "plain"], "owner": [ADA, ADA], "caption": ["a-b", "fine"]}), source)
    import_manifest(source, target, name="old", workers=0)
    rows = pq.read_table(target / "rows.parquet")
    for name in ("uid", "caption"):
        column = pc.replace_substring(rows[name], "a-b", "a\0b")
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    pq.write_table(rows, target / "rows.parquet")
    described = json.loads((target / "catalogue.json").read_text())
    described["report"]["digest"] = sha256_file(target / "rows.parquet")
    (target / "catalogue.json").write_text(json.dumps(described))
    rebuild_tables(target)
    return target


def test_a_member_one_of_whose_uids_holds_nul_can_opt_out_everything(portal: TestedPortal, tmp_path: Path):
    portal.add_manifest(catalogue_with_a_nul(tmp_path))
    ada = portal.member(ADA)
    for page in ("/photos", "/opt-outs/everything", "/evidence"):
        assert ada.get(page).status_code == 200
    ada.get("/opt-outs/everything")
    filed = ada.post("/opt-outs", {"everything": "1"})
    assert (filed.status_code, filed.location.startswith("/requests/")) == (303, True)
    portal.settle()
    with portal.workplace.reading() as session:
        assert session.scalars(select(Outbox.last_error).where(Outbox.last_error != "")).all() == []
        listed = {entry.key for entry in session.scalars(select(ExclusionEntry))}
    assert {ADA, "plain"} <= listed
    assert "a\0b" not in listed
    assert [ada.get(page).status_code for page in ("/photos", filed.location, "/evidence")] == [200, 200, 200]

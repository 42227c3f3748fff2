"""What a person can take away: for each photo and run one honest sentence, and a bundle that proves it without the portal."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from demur.cli import main
from demur.signing import SigningKey, VerifyKey
from demur.trust import Role
from rights.public_keys import PublicKeys
from tests.support.portals import ADA, BEN, TestedPortal, Visitor, import_for_members, portal_for_tests


@pytest.fixture(scope="module")
def catalogues(photos_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return import_for_members(photos_dir, tmp_path_factory.mktemp("members"))


@pytest.fixture
def portal(tmp_path: Path, database_url: str, catalogues: Path) -> Iterator[TestedPortal]:
    with portal_for_tests(tmp_path / "data", database_url, catalogues) as portal:
        yield portal


@pytest.fixture
def ada(portal: TestedPortal) -> Visitor:
    """Two runs: one before she opted ada-1 out, which used it, and one after, which did not."""
    portal.record_run("Run 1", ["ada-1", "ada-2", "ben-0"])
    ada = portal.member(ADA)
    ada.get("/photos")
    ada.post("/opt-outs/check", {"uid": "ada-1"})
    ada.post("/opt-outs", {"uid": "ada-1"})
    portal.settle()
    portal.record_run("Run 2", ["ada-2", "ben-0"])
    portal.settle()
    return ada


def verify(tmp_path: Path, portal: TestedPortal, data: bytes) -> list[dict[str, str]]:
    file = tmp_path / "evidence.zip"
    file.write_bytes(data)
    (tmp_path / "keys.txt").write_text(PublicKeys(portal.config.keys_dir, portal.config.list_dir).trust().to_text())
    result = CliRunner().invoke(main, ["verify", str(file), "--keys", str(tmp_path / "keys.txt"), "--json"])
    assert result.exit_code in (0, 1, 3), result.output
    return json.loads(result.stdout)["files"]


def names(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_a_photos_page_says_of_each_run_what_is_true(ada: Visitor):
    page = " ".join(ada.get("/photos/ada-1").text.split())
    assert "and was trained on it. It contains it until it is withdrawn." in page
    assert "Absent from <a" in page
    assert "Run 2</a>, which had to leave it out." in page
    assert 'In the <a href="/exclusion-list">exclusion list</a> since version 1.' in page


def test_a_photos_bundle_verifies_offline_and_holds_every_kind_of_proof(ada: Visitor, portal: TestedPortal, tmp_path: Path):
    bundle = ada.get("/photos/ada-1/evidence.zip")
    assert bundle.mimetype == "application/zip"
    kinds = {name.split("/")[0] for name in names(bundle.data)}
    assert kinds == {"README.txt", "keys.txt", "photos.json", "receipts", "exclusion-list", "runs"}
    findings = verify(tmp_path, portal, bundle.data)
    assert not [finding for finding in findings if finding["answer"] != "holds"]
    proved = " ".join(finding["proves"] for finding in findings)
    for words in (
        "was filed for the photo ada-1",
        "version 1 of the exclusion list demur-demo excludes what the opt-out",
        "excludes every sample whose uid is ada-1",
        "The run Run 1 consumed the sample ada-1",
        "The sample ada-1 is not among the 2 samples that the record of the run Run 2 commits to",
        "of the run Run 2 (Run 2-id) was verified; it obeyed version ",
    ):
        assert words in proved


def test_the_whole_bundle_has_a_proof_for_each_photo_and_run(ada: Visitor, portal: TestedPortal, tmp_path: Path):
    bundle = ada.get("/evidence/bundle.zip").data
    mine = {name.rsplit("/", 1)[1] for name in names(bundle) if "/used-" in name or "/absent-" in name}
    assert len([name for name in names(bundle) if "/used-" in name or "/absent-" in name]) == 2 * len({name[-12:] for name in mine})
    assert not [finding for finding in verify(tmp_path, portal, bundle) if finding["answer"] != "holds"]
    assert b"ben-0" not in zipfile.ZipFile(io.BytesIO(bundle)).read("README.txt")


def test_a_bundle_holds_when_the_lists_key_was_changed_meanwhile(ada: Visitor, portal: TestedPortal, tmp_path: Path):
    assert portal.run("keys", "rotate").exit_code == 0
    portal.settle()
    portal.record_run("Run 3", ["ben-0"])
    portal.settle()
    bundle = ada.get("/photos/ada-1/evidence.zip").data
    assert "exclusion-list/rotations.json" in names(bundle)
    findings = verify(tmp_path, portal, bundle)  # by the new key alone
    assert not [finding for finding in findings if finding["answer"] != "holds"]
    versions = {finding["file"].split("/")[2] for finding in findings if "excluded-" in finding["file"]}
    assert len(versions) == 2, "the one that a run obeyed and the newest, by either key"


def test_the_page_follows_a_change_of_the_lists_key_without_scripts(ada: Visitor, portal: TestedPortal):
    assert portal.run("keys", "rotate").exit_code == 0
    portal.settle()
    bundle = ada.get("/photos/ada-1/evidence.zip").data
    trust = PublicKeys(portal.config.keys_dir, portal.config.list_dir).trust()
    fields = {f"{role}_keys": "\n".join(map(str, trust.keys(role))) for role in Role}
    data = {**fields, "file": (io.BytesIO(bundle), "evidence.zip")}
    page = portal.visitor().client.post("/verify", data=data, content_type="multipart/form-data").text
    assert f"All {len(names(bundle)) - 3} hold." in page
    assert "Checked by this website’s own keys alone" in page
    assert "1 photo is excluded now (version " in page


def test_a_changed_bundle_is_refused_wherever_it_was_changed(ada: Visitor, portal: TestedPortal, tmp_path: Path):
    honest = zipfile.ZipFile(io.BytesIO(ada.get("/photos/ada-1/evidence.zip").data))
    files = {name: honest.read(name) for name in honest.namelist()}
    for name in files:
        if name in ("README.txt", "keys.txt", "photos.json"):
            continue
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as changed:
            for other, data in files.items():
                middle = len(data) // 2
                changed.writestr(other, data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if other == name else data)
        refused = [finding["file"] for finding in verify(tmp_path, portal, out.getvalue()) if finding["answer"] != "holds"]
        assert any(file.endswith(name) for file in refused), name


def test_a_bundle_that_is_cut_short_ends_in_one_sentence(ada: Visitor, tmp_path: Path):
    file = tmp_path / "cut.zip"
    file.write_bytes(ada.get("/photos/ada-1/evidence.zip").data[:-30])
    key = SigningKey.generate("any").verifier
    result = CliRunner().invoke(main, ["verify", str(file), "--log-key", str(key)])
    assert result.exit_code == 1
    assert "it is not a whole zip file" in result.stdout


def test_evidence_is_its_owners_alone(ada: Visitor, portal: TestedPortal):
    assert portal.member(BEN).get("/photos/ada-1/evidence.zip").status_code == 404
    for path in ("/evidence", "/evidence/bundle.zip", "/photos/ada-1/evidence.zip"):
        assert portal.visitor().get(path).status_code in (302, 401)


def test_the_page_sums_up_each_run_and_names_the_keys(ada: Visitor, portal: TestedPortal):
    page = ada.get("/evidence").text
    rows = page.split("<tbody>")[1]
    assert rows.index("Run 2") < rows.index("Run 1"), "the newest first"
    assert str(VerifyKey.load(portal.config.keys_dir / "log.vkey")) in page
    assert "/evidence/bundle.zip" in page


def main_of(page: str) -> str:
    return " ".join(page.split('<main id="main"')[1].split("</main>")[0].split())


def test_the_page_begins_with_what_the_evidence_says_together(ada: Visitor):
    page = ada.get("/evidence").text
    assert "1 of your 6 photos is in the exclusion list since version 1; Run 1 used 2, Run 2 used 1." in main_of(page)
    assert '<a href="/evidence" aria-current="page">Evidence</a>' in page


def test_of_many_runs_the_newest_is_told(ada: Visitor, portal: TestedPortal):
    for number in (3, 4):
        portal.record_run(f"Run {number}", ["ada-2", "ada-3", "ada-4"])
    assert "since version 1; of 4 training runs, the newest, Run 4, used 3." in main_of(ada.get("/evidence").text)


def test_before_any_run_the_page_says_what_is_excluded_and_gives_the_receipts(portal: TestedPortal, tmp_path: Path):
    ada = portal.member(ADA)
    assert "None of your 6 photos is in the exclusion list. No training run is recorded yet." in main_of(ada.get("/evidence").text)
    ada.get("/photos")
    ada.post("/opt-outs", {"uid": ["ada-1", "ada-2"]})
    portal.settle()
    ada.post("/opt-outs", {"uid": ["ada-3"]})
    portal.settle()
    page = main_of(ada.get("/evidence").text)
    assert "3 of your 6 photos are in the exclusion list since version 1, the last of them since version" in page
    assert "No training run is recorded yet." in page
    assert not [finding for finding in verify(tmp_path, portal, ada.get("/evidence/bundle.zip").data) if finding["answer"] != "holds"]
    for visitor, words in (
        (portal.member(BEN), "photos is in the exclusion list"),
        (portal.member("grace.nakamura"), "None of your photos is in a"),
    ):
        assert words in main_of(visitor.get("/evidence").text)


def test_the_check_of_a_bundle_names_its_photos_by_the_captions_in_it(ada: Visitor, portal: TestedPortal):
    bundle = ada.get("/photos/ada-1/evidence.zip").data
    caption, other = (re.search("<h1[^>]*>(.+?)</h1>", ada.get(f"/photos/{uid}").text)[1] for uid in ("ada-1", "ada-5"))
    trust = PublicKeys(portal.config.keys_dir, portal.config.list_dir).trust()
    fields = {f"{role}_keys": "\n".join(map(str, trust.keys(role))) for role in Role}
    page = portal.visitor().client.post("/verify", data={**fields, "file": (io.BytesIO(bundle), "evidence.zip")}).text
    assert f"“{caption}”" in page
    assert "Captions are the bundle’s own; nobody signed them." in page
    assert "<details><summary><h3>Receipts" in page, "many findings are folded"
    bare = without(bundle, "photos.json")
    for visitor, named in ((ada, True), (portal.visitor(), False)):
        page = visitor.client.post("/verify", data={**fields, "file": (io.BytesIO(bare), "evidence.zip")}).text
        assert "hold." in page
        assert (caption in page) is named
        assert "data-captions" not in page, "a page of findings has the captions of its own photos alone"
        assert other not in page
    assert all(one in ada.get("/verify").text.partition("data-captions")[2] for one in (caption, other))
    assert "data-captions" not in ada.client.post("/verify", data={"log_keys": "no key", "file": (io.BytesIO(bare), "evidence.zip")}).text
    assert "data-captions" not in portal.visitor().get("/verify").text


def without(bundle: bytes, name: str) -> bytes:
    out, whole = io.BytesIO(), zipfile.ZipFile(io.BytesIO(bundle))
    with zipfile.ZipFile(out, "w") as copy:
        for other in whole.namelist():
            if other != name:
                copy.writestr(other, whole.read(other))
    return out.getvalue()

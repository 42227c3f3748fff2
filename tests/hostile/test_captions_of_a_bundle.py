"""A stranger's bundles say of a million photos what they show: captions are no way around the bounds of a check."""

import json
from pathlib import Path

import pytest

from demur.runs import ConsumedReference, ConsumedTree
from demur.signing import SigningKey
from portal.verify import UNSIGNED_CAPTIONS
from tests.hostile.measuring import Measured
from tests.hostile.verifying import answer_to
from tests.support.odd_files import zipped
from tests.support.training_runs import record

KEY = SigningKey.generate("stranger")
PHOTO = "ada-3"


@pytest.fixture
def proved(tmp_path: Path) -> list[tuple[str, bytes]]:
    """A proof by a key of the stranger's own that a run used the photo, so that its caption is looked for."""
    root = ConsumedTree.write(tmp_path / "consumed.bin", [f"ada-{number}" for number in range(40)], "r-7")
    signed = record(run_id="r-7", name="Run 7", consumed=ConsumedReference(root, 40)).sign(KEY)
    proof = ConsumedTree.open(tmp_path / "consumed.bin").proof(PHOTO).to_json().encode()
    return [("run.json", signed), ("proof.json", proof)]


def captions(first: int) -> bytes:
    """120,000 of them in less than 2 MB, and one that says what the photo shows."""
    return json.dumps({PHOTO: "A pier at dusk"} | {f"{number:x}": "a" for number in range(first, first + 120_000)}).encode()


def checked(tmp_path: Path, *bundles: bytes) -> tuple[Measured, str]:
    """What checking these cost, and the page that came of it."""
    (tmp_path / "files").mkdir()
    for number, bundle in enumerate(bundles):
        (tmp_path / "files" / f"{number}.zip").write_bytes(bundle)
    measured, told = answer_to(tmp_path, {"run_keys": str(KEY.verifier)})
    assert told["status"] == 200
    assert told["seconds"] < 5, told["seconds"]
    return measured, told["text"]


def test_a_million_captions_cost_no_more_than_a_check_may(tmp_path: Path, proved: list[tuple[str, bytes]]):
    bundles = [zipped(*proved, ("photos.json", captions(number * 120_000))) for number in range(11)]
    measured, page = checked(tmp_path, *bundles)
    assert "unpacked here" in page, "all bundles of a request have one bound, and captions count"
    assert "“A pier at dusk”" in page
    measured.refuse_costly(most_mb=400, most_seconds=60)  # with the start of a portal; all captions at once would take 300 MB more


@pytest.mark.parametrize("odd", ["two files of captions", "nothing that proves anything", "more than is unpacked here", "no JSON"])
def test_of_a_bundle_that_is_refused_no_caption_is_shown(tmp_path: Path, proved: list[tuple[str, bytes]], odd: str):
    told = ("photos.json", captions(0)[:-1] if odd == "no JSON" else b'{"ada-3":"A pier at dusk"}')
    files = {
        "two files of captions": [*proved, told, told],
        "nothing that proves anything": [told],
        "more than is unpacked here": [*proved, told, ("large", bytes(17_000_000))],
        "no JSON": [told, *proved],
    }
    _, page = checked(tmp_path, zipped(*proved), zipped(*files[odd]))
    assert "Used by Run 7" in page
    assert "A pier at dusk" not in page
    assert UNSIGNED_CAPTIONS not in page


def test_captions_of_other_photos_are_not_kept(tmp_path: Path, proved: list[tuple[str, bytes]]):
    _, page = checked(tmp_path, zipped(*proved, ("photos.json", b'{"ada-4":"A pier at dusk"}')))
    assert "Used by Run 7" in page
    assert UNSIGNED_CAPTIONS not in page

"""Excluding photos by the list is the same, to the last bit of the weights, as never having had them."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from demur.exclusions import Entry, KeyKind
from demur.manifests import import_manifest
from demur.runs import ConsumedTree, RunRecord
from demur.signing import SigningKey, VerifyKey
from tests.support.exclusion_lists import build_version_for_today, publish_version, uids
from tests.support.pictures import png, textured_picture

EXCLUDED = ("photo-03.png", "photo-07.png", "photo-11.png", "photo-20.png")
PHOTOS = 24


def write_photos(folder: Path) -> Path:
    folder.mkdir()
    for number in range(PHOTOS):
        (folder / f"photo-{number:02}.png").write_bytes(png(textured_picture(seed=number, width=96, height=96)))
        (folder / f"photo-{number:02}.txt").write_text(f"a cloth with pattern number {number % 7}")
    return folder


def trained(catalogue: Path, out: Path, *options: str) -> RunRecord:
    command = [sys.executable, "-m", "rhea", "train", "--data", str(catalogue), "--out", str(out), "--tier", "tests", "--minutes", "0.02"]
    subprocess.run([*command, *options], check=True, stderr=subprocess.PIPE)
    return RunRecord.parse((out / "run-record.dsse.json").read_bytes(), [VerifyKey.load(out / "signing-key.pub")])


def test_filtering_gives_the_weights_that_deletion_gives(tmp_path: Path) -> None:
    full = write_photos(tmp_path / "full")
    remaining = shutil.copytree(full, tmp_path / "remaining")
    import_manifest(full, tmp_path / "full-catalogue", name="full")
    for name in EXCLUDED:
        (remaining / name).unlink()
        (remaining / name).with_suffix(".txt").unlink()
    import_manifest(remaining, tmp_path / "remaining-catalogue", name="remaining")
    operator = SigningKey.generate("operator")
    by_digest = Entry(KeyKind.SHA256, hashlib.sha256((full / EXCLUDED[0]).read_bytes()).hexdigest())
    publish_version(tmp_path / "list", operator, build_version_for_today([*uids(*EXCLUDED[1:]), by_digest]))

    filtered = trained(
        tmp_path / "full-catalogue", tmp_path / "filtered", "--list", str(tmp_path / "list"), "--list-key", str(operator.verifier)
    )
    deleted = trained(tmp_path / "remaining-catalogue", tmp_path / "deleted", "--list", "none", "--state", str(tmp_path / "no-state"))
    unfiltered = trained(tmp_path / "full-catalogue", tmp_path / "unfiltered", "--list", "none", "--state", str(tmp_path / "no-state"))

    assert filtered.weights_digest == deleted.weights_digest
    assert filtered.weights_digest != unfiltered.weights_digest
    assert filtered.stages == deleted.stages
    assert filtered.dropped == {"sha256": 1, "uid": len(EXCLUDED) - 1}
    assert filtered.consumed.size == deleted.consumed.size == PHOTOS - len(EXCLUDED)
    tree = ConsumedTree.open(tmp_path / "filtered/consumed.bin")
    for name in EXCLUDED:
        tree.absence_proof(name).verify(filtered.consumed.root, filtered.consumed.size, filtered.run_id, name)

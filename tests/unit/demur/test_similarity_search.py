from pathlib import Path

import pytest
from PIL import Image, ImageOps

from demur.manifests import Catalogue, import_manifest
from demur.similarity.fingerprint import ORIENTATIONS, fingerprint
from demur.similarity.rules import MatchKind
from demur.similarity.search import Match, StoredFingerprint, find_matches
from tests.support.pictures import jpeg, photo_bytes, png, textured_picture


def matches(catalogue: Catalogue, data: bytes) -> dict[str, Match]:
    found = find_matches(catalogue, [fingerprint(data)])[0]
    uids = catalogue.take([match.position for match in found], ["uid"])["uid"].to_pylist()
    return dict(zip(uids, found, strict=True))


def test_an_upload_finds_itself_and_its_copies_but_no_other_photo(catalogue: Catalogue) -> None:
    found = matches(catalogue, photo_bytes("ada", 0))
    assert {uid for uid, match in found.items() if match.kind is MatchKind.EXACT} == {"ada-0", "ben-exact"}
    assert {"ben-recompressed", "ben-resized", "cleo-mirrored"} <= set(found)
    assert found.keys() <= {"ada-0", "ben-exact", "ben-recompressed", "ben-resized", "cleo-mirrored", "cleo-cropped"}
    assert found["ben-recompressed"].kind is MatchKind.CONFIRMED
    assert found["cleo-mirrored"].dihedral == 5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda photo: jpeg(photo, 60), id="recompressed"),
        pytest.param(lambda photo: png(photo.resize((160, 120))), id="resized"),
        pytest.param(lambda photo: png(photo.resize((960, 720), Image.Resampling.BICUBIC)), id="enlarged"),
        pytest.param(lambda photo: jpeg(ImageOps.mirror(photo)), id="mirrored"),
        pytest.param(lambda photo: jpeg(photo.transpose(Image.Transpose.ROTATE_90)), id="turned"),
        pytest.param(lambda photo: png(photo.convert("L")), id="grey"),
    ],
)
def test_edits_of_a_photo_match_it(catalogue: Catalogue, seed: int, edit: object) -> None:
    assert callable(edit)
    found = matches(catalogue, edit(textured_picture(1000 + seed)))
    assert list(found) == [f"ben-{seed}"]
    assert found[f"ben-{seed}"].kind in (MatchKind.CONFIRMED, MatchKind.PROPOSED)


def test_a_stranger_matches_nothing(catalogue: Catalogue) -> None:
    assert matches(catalogue, png(textured_picture(424242))) == {}


def test_a_batch_answers_each_query_by_itself(catalogue: Catalogue) -> None:
    queries = [fingerprint(photo_bytes("ada", 0)), fingerprint(png(textured_picture(424242))), fingerprint(photo_bytes("cleo", 3))]
    assert find_matches(catalogue, queries) == [find_matches(catalogue, [query])[0] for query in queries]
    assert find_matches(catalogue, []) == []


def test_without_texture_only_the_same_bytes_match(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    flat = Image.new("RGB", (300, 200), "skyblue")
    (tmp_path / "photos" / "sky.png").write_bytes(png(flat))
    (tmp_path / "photos" / "sky.jpg").write_bytes(jpeg(flat))
    import_manifest(tmp_path / "photos", tmp_path / "catalogue", name="skies", workers=0)
    catalogue = Catalogue.open(tmp_path / "catalogue")
    assert len(catalogue.similarity) == 0
    assert {uid: match.kind for uid, match in matches(catalogue, png(flat)).items()} == {"sky.png": MatchKind.EXACT}


def test_a_stored_fingerprint_is_matched_as_it_stands(catalogue: Catalogue) -> None:
    position = int(catalogue.find_uids(["ada-0"])[0])
    row = catalogue.take([position]).to_pylist()[0]
    stored = StoredFingerprint(row["sha256"], row["phash"], row["pdq"], row["pdq_quality"])
    found = {match.position: match for match in find_matches(catalogue, [stored])[0]}
    mirrored = int(catalogue.find_uids(["cleo-mirrored"])[0])
    assert found[position] == Match(position, MatchKind.EXACT, 0, 0, 0)
    assert mirrored not in found
    assert all(ORIENTATIONS[match.dihedral] is None for match in found.values())

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from demur.manifests import Catalogue, import_manifest
from demur.manifests.indexing import catalogue_rows
from demur.similarity import search
from demur.similarity.edits import variants
from demur.similarity.fingerprint import decode, fingerprint
from demur.similarity.index import Searchable, SimilarityIndex, SourceRows, UnknownSource
from demur.similarity.query import Query, Variant
from demur.similarity.rules import MatchKind
from demur.similarity.search import Match, find_matches
from tests.support.indexes import batches
from tests.support.pictures import jpeg, photo_bytes, png, textured_picture


@pytest.fixture(scope="module")
def index(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> SimilarityIndex:
    """Of the generated photos, and of a source whose catalogue is not searched."""
    wanted = [SourceRows("unregistered", 9, batches({3: fingerprint(photo_bytes("ada", 0)).phash})), catalogue_rows(catalogue, "generated")]
    return SimilarityIndex.build(tmp_path_factory.mktemp("similarity") / "index", lambda: wanted)


def asked(data: bytes) -> Query:
    return Query(fingerprint(data).sha256, variants(decode(data)[0]))


def matches(index: Searchable, catalogue: Catalogue, data: bytes) -> dict[str, Match]:
    found = find_matches(index, {"generated": catalogue}, [asked(data)])[0]
    assert {match.source for match in found} <= {"generated"}
    uids = catalogue.take([match.position for match in found], ["uid"])["uid"].to_pylist()
    return dict(zip(uids, found, strict=True))


def test_an_upload_finds_itself_and_its_copies_but_no_other_photo(index: SimilarityIndex, catalogue: Catalogue) -> None:
    found = matches(index, catalogue, photo_bytes("ada", 0))
    assert {uid for uid, match in found.items() if match.kind is MatchKind.EXACT} == {"ada-0", "ben-exact"}
    assert set(found) == {"ada-0", "ben-exact", "ben-recompressed", "ben-resized", "cleo-mirrored", "cleo-cropped"}
    assert found["ben-recompressed"].kind is MatchKind.CONFIRMED
    assert (found["cleo-mirrored"].edit, found["cleo-mirrored"].dihedral) == ("", 5)
    assert found["cleo-cropped"].edit.startswith("cropped") or found["cleo-cropped"].edit == ""
    assert list(found.values()) == sorted(found.values(), key=lambda match: (list(MatchKind).index(match.kind), match.pdq_distance))


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
def test_edits_of_a_photo_match_it(index: SimilarityIndex, catalogue: Catalogue, seed: int, edit: object) -> None:
    assert callable(edit)
    found = matches(index, catalogue, edit(textured_picture(1000 + seed)))
    assert list(found) == [f"ben-{seed}"]
    assert found[f"ben-{seed}"].kind in (MatchKind.CONFIRMED, MatchKind.PROPOSED)


def test_a_stranger_matches_nothing(index: SimilarityIndex, catalogue: Catalogue) -> None:
    assert matches(index, catalogue, png(textured_picture(424242))) == {}


@pytest.mark.parametrize("few", [0, 10_000])
def test_a_batch_answers_each_query_by_itself(
    index: SimilarityIndex, catalogue: Catalogue, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its hashes are looked up one by one or in a pass over the tables, and however many hits are collected at once."""
    where = {"generated": catalogue}
    queries = [asked(photo_bytes("ada", 0)), asked(png(textured_picture(424242))), asked(photo_bytes("cleo", 3))]
    alone = [find_matches(index, where, [query])[0] for query in queries]
    for name, value in (("FEW", few), ("HITS_AT_ONCE", 2), ("CONFIRMED_AT_ONCE", 3), ("KEPT_AT_ONCE", 1)):
        monkeypatch.setattr(search, name, value)
    assert find_matches(index, where, queries) == alone
    assert find_matches(index, where, []) == []
    assert find_matches(index, {}, queries) == [[], [], []]
    with pytest.raises(UnknownSource):
        find_matches(index, {"missing": catalogue}, queries)


def test_without_texture_only_the_same_bytes_match(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    flat = Image.new("RGB", (300, 200), "skyblue")
    (tmp_path / "photos" / "sky.png").write_bytes(png(flat))
    (tmp_path / "photos" / "sky.jpg").write_bytes(jpeg(flat))
    import_manifest(tmp_path / "photos", tmp_path / "catalogue", name="skies", workers=0)
    catalogue = Catalogue.open(tmp_path / "catalogue")
    skies = SimilarityIndex.build(tmp_path / "index", lambda: [catalogue_rows(catalogue, "generated")])
    assert len(skies) == 0
    assert {uid: match.kind for uid, match in matches(skies, catalogue, png(flat)).items()} == {"sky.png": MatchKind.EXACT}


def test_stored_hashes_are_matched_as_they_stand(index: SimilarityIndex, catalogue: Catalogue) -> None:
    position, mirrored, recompressed = catalogue.find_uids(["ada-0", "cleo-mirrored", "ben-recompressed"]).tolist()
    row = catalogue.take([position]).to_pylist()[0]
    stored = Query(row["sha256"], (Variant("", 0, row["phash"], row["pdq"], row["pdq_quality"]),))
    found = {match.position: match for match in find_matches(index, {"generated": catalogue}, [stored])[0]}
    assert found[position] == Match("generated", position, MatchKind.EXACT, 0, 0, "", 0)
    assert recompressed in found
    assert mirrored not in found
    plain = replace(stored, variants=(replace(stored.variants[0], quality=49),))
    assert {match.kind for match in find_matches(index, {"generated": catalogue}, [plain])[0]} == {MatchKind.EXACT}


def test_of_a_popular_picture_the_closest_copies_are_told(
    index: SimilarityIndex, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, where = asked(photo_bytes("ada", 0)), {"generated": catalogue}
    everything = find_matches(index, where, [query])[0]
    for most in range(1, len(everything) + 2):
        told = [match for rank, match in enumerate(everything) if rank < most or match.kind is MatchKind.EXACT]
        assert find_matches(index, where, [query], most=most)[0] == told
    fewer = find_matches(index, where, [query], most_exact=1)[0]
    assert [match.kind for match in fewer[:2]] == [MatchKind.EXACT, MatchKind.CONFIRMED]
    assert {match.position for match in fewer} == {match.position for match in everything}
    monkeypatch.setattr(search, "KEPT_AT_ONCE", 1)
    assert find_matches(index, where, [query], most=len(everything))[0] == everything, "picked step by step"


@pytest.mark.parametrize("few", [0, 10_000])
def test_a_picture_with_copies_enough_is_searched_no_further(tmp_path: Path, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And hashes that many of its variants share are looked up once."""
    for name, value in (("FEW", few), ("HITS_AT_ONCE", 500), ("CONFIRMED_AT_ONCE", 100), ("KEPT_AT_ONCE", 200)):
        monkeypatch.setattr(search, name, value)
    popular = Popular(copies=1000)
    index = SimilarityIndex.create(tmp_path / "index").add("popular", batches(dict.fromkeys(range(1000), 7), 1000), 1000)
    variants = tuple(Variant("", dihedral, 7, bytes(32), 100) for dihedral in range(150))
    query = Query("0" * 64, variants)
    found = find_matches(index, {"popular": popular}, [query], most=50)[0]
    assert [match.position for match in found] == list(range(50))
    assert popular.read < 2000, "of 150,000"
    assert find_matches(index, {"popular": popular}, [query], most=50)[0] == found
    assert len(find_matches(index, {"popular": popular}, [query])[0]) == 1000


class Popular:
    """A catalogue of one picture, over and over, which counts the rows that are read."""

    def __init__(self, copies: int) -> None:
        self.copies, self.read = copies, 0

    def pdq(self, positions: np.ndarray) -> np.ndarray:
        self.read += len(positions)
        return np.zeros((len(positions), 32), dtype=np.uint8)

    def find_sha256(self, hexes: Sequence[str], most: int | None = None) -> list[np.ndarray]:
        return [np.empty(0, dtype=np.int64) for _ in hexes]


@pytest.mark.parametrize(
    ("edit", "dihedral", "flips", "found"),
    [("", 0, 10, True), ("", 0, 11, False), ("cropped", 0, 6, True), ("cropped", 0, 7, False), ("", 5, 6, True), ("", 5, 7, False)],
)
def test_mirrored_turned_or_edited_a_photo_is_searched_less_far(
    index: SimilarityIndex, catalogue: Catalogue, edit: str, dihedral: int, flips: int, found: bool
) -> None:
    stored = fingerprint(photo_bytes("ada", 1))
    query = Query("0" * 64, (Variant(edit, dihedral, stored.phash ^ ((1 << flips) - 1), stored.pdq, 100),))
    matched = find_matches(index, {"generated": catalogue}, [query])[0]
    assert [match.phash_distance for match in matched if match.pdq_distance == 0] == ([flips] if found else [])

"""Vectors by any way of deriving them are what judging every row by the whole list would give."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.exclusions import Entry, KeyKind, writer
from demur.exclusions.head import NO_ROOT
from demur.manifests import Catalogue, import_manifest
from demur.signing import SigningKey
from demur.similarity.index import SimilarityIndex
from demur.vectors import DeletionVectors, finding, grouping
from demur.vectors.head import ListVersion
from demur.vectors.published import PublishedList
from demur.vectors.reader import manifest_directory
from demur.vectors.tables import BadVectors, UnknownShard
from tests.support.deletion_vectors import Publisher, import_troublesome, indexed, keys_of, source_rows
from tests.support.exclusion_lists import NOW
from tests.support.pictures import jpeg, textured_picture

KEY = SigningKey.generate("op.example")
KEYS = keys_of(source_rows())
ROWS = source_rows()
lists = st.lists(st.lists(st.sampled_from(KEYS), max_size=30), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, SimilarityIndex]:
    return import_troublesome(tmp_path_factory.mktemp("manifest"))


@pytest.fixture
def publisher(manifest: tuple[Catalogue, SimilarityIndex], tmp_path: Path) -> Publisher:
    return Publisher(*manifest, tmp_path, KEY)


def opened(publisher: Publisher, directory: Path | None = None) -> DeletionVectors:
    return DeletionVectors.open(directory or publisher.vectors_dir, key=KEY.verifier, manifest=publisher.catalogue.name, now=NOW)


def places(vectors: DeletionVectors) -> dict[str, set[int]]:
    return {shard: set(vectors.of(shard)) for shard in vectors.shards if vectors.of(shard)}


@pytest.fixture(params=["looked up", "scanned"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Few keys are looked up, many are found by reading everything; both must find the same."""
    if request.param == "scanned":
        monkeypatch.setattr(finding, "FEW", 0)
        monkeypatch.setattr(finding, "PIECE", 7)
        monkeypatch.setattr(grouping, "READ_AT_ONCE", 10)
        monkeypatch.setattr(grouping, "SORTED_AT_ONCE", 20)
    return request.param


@pytest.mark.usefixtures("way")
def test_every_history_of_the_list_leads_to_what_the_list_says(
    manifest: tuple[Catalogue, SimilarityIndex], tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=15)
    @given(lists, st.sets(st.integers(1, 4)))
    def check(history: list[list[Entry]], skipped: set[int]) -> None:
        publisher = Publisher(*manifest, tmp_path_factory.mktemp("history"), KEY)
        for number, entries in enumerate(history):
            publisher.publish(entries)
            if number not in skipped:  # several versions may lie between two derivations
                publisher.derive()
        publisher.derive()
        expected = publisher.judged(history[-1])
        assert places(opened(publisher)) == expected
        publisher.derive(afresh=True, into=publisher.directory / "afresh" / manifest_directory(publisher.catalogue.name))
        afresh = opened(publisher, publisher.directory / "afresh")
        assert places(afresh) == expected
        assert afresh.head.deleted == opened(publisher).head.deleted == sum(map(len, expected.values()))

    check()


def test_the_vectors_speak_of_every_registered_row_and_of_no_other(publisher: Publisher) -> None:
    publisher.publish([Entry(KeyKind.UID, "photo-30")])
    publisher.derive()
    vectors = opened(publisher)
    registered = {(shard, row) for shard in vectors.shards for row in [*vectors.kept(shard), *vectors.of(shard)]}
    table = publisher.catalogue.take(range(publisher.catalogue.rows), ["shard", "row"])
    assert registered == set(zip(table["shard"].to_pylist(), table["row"].to_pylist(), strict=True))
    assert sum(map(vectors.rows, vectors.shards)) == publisher.catalogue.rows < len(ROWS)
    with pytest.raises(UnknownShard):
        vectors.of("elsewhere.parquet")


def test_private_photos_and_second_rows_of_a_uid_are_not_kept_although_no_entry_names_them(publisher: Publisher) -> None:
    publisher.publish([Entry(KeyKind.UID, "nobody's")])
    publisher.derive()
    vectors = opened(publisher)
    assert places(vectors) == {}
    for number, shard in enumerate(vectors.shards):
        rows = ROWS[50 * number : 50 * number + 50]
        keep = vectors.keep(shard, 0, len(rows))
        assert not any(kept and row["visibility"] == "private" for row, kept in zip(rows, keep, strict=True))
    kept = [row["uid"] for n, s in enumerate(vectors.shards) for row, k in zip(ROWS[50 * n :], vectors.keep(s, 0, 50), strict=False) if k]
    assert len(kept) == len(set(kept)) == publisher.catalogue.rows


def test_a_row_stays_out_while_another_entry_excludes_it(publisher: Publisher) -> None:
    row = ROWS[1]
    by_uid, by_owner = Entry(KeyKind.UID, str(row["uid"])), Entry(KeyKind.OWNER, str(row["owner"]))
    for entries in ([by_uid, by_owner], [by_owner], []):
        publisher.publish(entries)
        publisher.derive()
        assert (1 in opened(publisher).of("00000.parquet")) == bool(entries)


def test_nothing_is_done_twice_and_a_renewed_head_takes_the_files_over(publisher: Publisher) -> None:
    publisher.publish(KEYS[:50])
    assert publisher.derive()
    assert not publisher.derive()
    before = opened(publisher).head
    publisher.publish(KEYS[:50])
    assert publisher.derive()
    after = opened(publisher).head
    assert (after.list.version, after.shards, after.deletions) == (2, before.shards, before.deletions)


def test_another_history_of_the_list_is_begun_anew(publisher: Publisher) -> None:
    publisher.publish(KEYS[:20])
    publisher.derive()
    elsewhere = Publisher(publisher.catalogue, publisher.index, publisher.directory / "restored", KEY)
    elsewhere.publish(KEYS[40:60])
    elsewhere.publish(KEYS[50:70])
    elsewhere.derive(into=publisher.manifest_dir)
    assert places(opened(publisher)) == publisher.judged(KEYS[50:70])


@pytest.mark.parametrize("missing", ["delta.parquet", "head.dsse.json"])
def test_without_the_deltas_in_between_all_is_judged(publisher: Publisher, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(writer, "SMALL_TRAIL", 0)
    monkeypatch.setattr(writer, "TRAIL_SHARE", 0)  # every version has its whole file, and can be read without those before
    publisher.publish(KEYS[:20])
    publisher.derive()
    publisher.publish(KEYS[10:30])
    publisher.publish(KEYS[20:40])
    (publisher.list_dir / "versions" / "2" / missing).unlink()
    publisher.derive()
    assert places(opened(publisher)) == publisher.judged(KEYS[20:40])


def test_damaged_vectors_are_made_anew(publisher: Publisher) -> None:
    publisher.publish(KEYS[:20])
    publisher.derive()
    for name in ("shards", "deletions"):
        file = publisher.manifest_dir / f"{getattr(opened(publisher).head, name).sha256}.parquet"
        file.write_bytes(file.read_bytes()[:-1])
        publisher.publish(publisher.versions[-1].entries[1:])
        publisher.derive()
        assert places(opened(publisher)) == publisher.judged(publisher.versions[-1].entries)


def test_a_damaged_head_of_vectors_is_no_first_publication(publisher: Publisher) -> None:
    publisher.publish(KEYS[:20])
    publisher.derive()
    (publisher.manifest_dir / "head.dsse.json").write_text("{}")
    with pytest.raises(BadVectors, match="unreadable"):
        publisher.derive()
    assert publisher.derive(afresh=True)
    assert places(opened(publisher)) == publisher.judged(publisher.versions[-1].entries)


def test_a_list_that_moves_on_meanwhile_is_not_mixed_up(publisher: Publisher) -> None:
    publisher.publish(KEYS[:20])
    derivation = publisher.derivation()
    publisher.publish(KEYS[10:30])
    derivation.update(publisher.manifest_dir)
    assert (opened(publisher).head.list.version, places(opened(publisher))) == (1, publisher.judged(KEYS[:20]))
    assert publisher.derive()
    assert (opened(publisher).head.list.version, places(opened(publisher))) == (2, publisher.judged(KEYS[10:30]))


def test_changes_lead_from_the_very_version_or_not_at_all(publisher: Publisher) -> None:
    first, second = publisher.publish(KEYS[:5]), publisher.publish(KEYS[2:7])
    published = PublishedList.open(publisher.list_dir, KEY.verifier)
    list_id, root, expires_at = first.head.list_id, first.head.root, first.head.expires_at
    changes = published.changes_since(ListVersion(list_id, 1, root, expires_at))
    assert changes == second.delta
    for other in ((list_id, 0, NO_ROOT), ("another", 1, root), (list_id, 1, NO_ROOT), (list_id, 2, root), (list_id, 3, root)):
        assert published.changes_since(ListVersion(*other, expires_at)) is None


def test_a_picture_that_two_rows_name_is_kept_out_by_either(tmp_path: Path) -> None:
    """Five captions of three pictures: what one row's withdrawal frees, another row may still keep out."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.jpg").write_bytes(jpeg(textured_picture(number)))
    lines = ["uid,path", *(f"caption-{number},{number // 2}.jpg" for number in range(5))]
    (source / "captions.csv").write_text("\n".join(lines) + "\n")
    import_manifest(source, tmp_path / "catalogue", name="captions", workers=0)
    publisher = Publisher(*indexed(Catalogue.open(tmp_path / "catalogue"), tmp_path / "index"), tmp_path / "portal", KEY)
    first, second, lonely = (Entry(KeyKind.UID, f"caption-{number}") for number in (0, 1, 4))
    for entries, pictures in (([first, second, lonely], ["0.jpg", "2.jpg"]), ([second], ["0.jpg"]), ([], []), ([first], ["0.jpg"])):
        publisher.publish(entries)
        publisher.derive()
        vectors = opened(publisher)
        assert places(vectors) == {picture: {0} for picture in pictures}
        assert [vectors.rows(shard) for shard in vectors.shards] == [2, 2, 1]


def test_places_in_a_tar_are_blocks(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with tarfile.open(source / "00000.tar", "w") as tar:
        for number in range(3):
            for name, data in ((f"{number}.txt", b"words"), (f"{number}.jpg", jpeg(textured_picture(number)))):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    import_manifest(source, tmp_path / "catalogue", name="tars", workers=0)
    publisher = Publisher(*indexed(Catalogue.open(tmp_path / "catalogue"), tmp_path / "index"), tmp_path / "portal", KEY)
    publisher.publish([Entry(KeyKind.UID, "1")])
    publisher.derive()
    vectors = opened(publisher)
    with tarfile.open(source / "00000.tar") as tar:
        offsets = {member.name: member.offset for member in tar}
    assert vectors.shards == ("00000.tar",)
    assert set(vectors.of("00000.tar")) == {offsets["1.jpg"] // 512}
    assert set(vectors.kept("00000.tar")) == {offsets["0.jpg"] // 512, offsets["2.jpg"] // 512}

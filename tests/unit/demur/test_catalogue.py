import random
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demur.manifests import (
    Catalogue,
    MissingColumn,
    NotACatalogue,
    PictureChanged,
    PictureMissing,
    TruncatedSource,
    import_manifest,
    rebuild_tables,
    spill,
    writing,
)
from demur.manifests.indexing import catalogue_rows, table_rows
from demur.manifests.schema import SCHEMA
from tests.support.pictures import jpeg, textured_picture

ROWS = 20_000


def source_rows() -> list[dict[str, object]]:
    """Owners from one photo to thousands, uids of all lengths and alphabets, some repeated digests of pictures."""
    choose = random.Random(0)
    rows: list[dict[str, object]] = [
        {
            "uid": f"{choose.choice(['', 'photo-', 'фото/', 'a' * 70])}{number}",
            "owner": choose.choice(["", "ada", "ada lovelace", "zoë", "big", "big", "big", f"user{number // 3}"]),
            "caption": choose.choice([None, "", f"caption {number}"]),
            "sha256": f"{number // 2:064x}" if number % 5 else None,
            "phash": choose.getrandbits(64),
            "pdq": choose.randbytes(32) if number % 7 else None,
            "pdq_quality": choose.randrange(101),
            "posted_at": datetime.fromisoformat("2024-05-03") + timedelta(seconds=choose.randrange(10**7)),
        }
        for number in range(ROWS)
    ]
    choose.shuffle(rows)
    return rows


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    """As the catalogue should hold them: by the UTF-8 bytes of owner, then uid."""
    return sorted(source_rows(), key=lambda row: (str(row["owner"]).encode(), str(row["uid"]).encode()))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Imported with runs, ranges and row groups so small that there are many of each."""
    directory = tmp_path_factory.mktemp("many")
    rows = source_rows()
    schema = pa.schema([SCHEMA.field(name) for name in rows[0]])
    pq.write_table(pa.Table.from_pylist(rows, schema), directory / "m.parquet", row_group_size=3000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "RUN_ROWS", 4000)
        patch.setattr(spill, "RANGE_ROWS", 1500)
        patch.setattr(spill, "PIECE_ROWS", 128)
        patch.setattr(writing, "ROW_GROUP_ROWS", 400)
        patch.setattr("demur.manifests.sources.parquet.BATCH_ROWS", 1000)
        import_manifest(directory / "m.parquet", directory / "catalogue", name="many")
    return Catalogue.open(directory / "catalogue")


def test_rows_are_those_of_the_manifest_by_owner_and_uid(many: Catalogue, rows: list[dict[str, object]]) -> None:
    assert many.rows == len(many) == ROWS
    columns = list(rows[0])
    assert many.read(0, ROWS, columns).to_pylist() == rows
    assert pa.Table.from_batches(many.batches(columns, batch_size=777)).to_pylist() == rows
    assert many.read(0, 1).schema.equals(SCHEMA)
    assert pq.ParquetFile(many.path / "rows.parquet").metadata.num_row_groups > 40


def test_owners(many: Catalogue, rows: list[dict[str, object]]) -> None:
    owners = [str(row["owner"]) for row in rows]
    for owner in ["", "ada", "ada lovelace", "zoë", "big", owners[123], owners[-1]]:
        first = owners.index(owner)
        assert many.owner_rows(owner) == range(first, first + owners.count(owner))
    assert many.owner_rows("nobody") == many.owner_rows("bi") == range(0)


def test_take_keeps_order_and_repetitions(many: Catalogue, rows: list[dict[str, object]]) -> None:
    positions = [19_999, 0, 5, 5, 12_345, 0]
    assert many.take(positions, ["uid", "posted_at"]).to_pylist() == [
        {name: rows[p][name] for name in ("uid", "posted_at")} for p in positions
    ]
    assert many.take([]).num_rows == 0
    assert many.read(10, 10).num_rows == many.read(ROWS, ROWS + 5).num_rows == 0
    assert many.read(ROWS - 2, ROWS + 5).num_rows == 2
    for outside in (-1, ROWS):
        with pytest.raises(IndexError):
            many.take([outside])


def test_uids_and_digests_are_found(many: Catalogue, rows: list[dict[str, object]]) -> None:
    places = random.Random(1).sample(range(ROWS), 500)
    assert many.find_uids([str(rows[place]["uid"]) for place in places]).tolist() == places
    assert many.find_uids(["", "nothing", "a" * 71]).tolist() == [-1, -1, -1]
    assert many.find_uids([]).tolist() == []
    by_digest: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row["sha256"]:
            by_digest.setdefault(str(row["sha256"]), []).append(place)
    wanted = [*list(by_digest)[:200], "f" * 64]
    assert [found.tolist() for found in many.find_sha256(wanted)] == [by_digest.get(one, []) for one in wanted]
    assert [found.tolist() for found in many.find_sha256(wanted, 1)] == [by_digest.get(one, [])[:1] for one in wanted]
    assert many.find_sha256([]) == []
    assert many.find_sha256([wanted[0].upper()])[0].tolist() == by_digest[wanted[0]]
    with pytest.raises(ValueError, match="64 hex digits"):
        many.find_sha256(["abc"])


def test_pdq_stands_for_the_right_rows(many: Catalogue, rows: list[dict[str, object]]) -> None:
    assert [one.tobytes() for one in many.pdq(range(ROWS))] == [row["pdq"] or bytes(32) for row in rows]


@pytest.mark.parametrize("part", [slice(None), slice(777, 5001), slice(399, 401), slice(19_990, 30_000), slice(5, 5)])
def test_what_a_manifest_brings_to_an_index(many: Catalogue, rows: list[dict[str, object]], part: slice) -> None:
    """The rows that can match at all: with PDQ, and of enough quality; positions count from the beginning of the part."""
    start, stop, _ = part.indices(ROWS)
    usable = {place - start: row["phash"] for place, row in enumerate(rows) if start <= place < stop and can_match(row)}
    for brought in (catalogue_rows(many, "many", part), table_rows(many.path / "rows.parquet", "many", part)):
        assert (brought.source, brought.rows, brought.first) == ("many", stop - start, start)
        pairs = [pair for phashes, positions in brought.batches() for pair in zip(positions.tolist(), phashes.tolist(), strict=True)]
        assert pairs == list(usable.items())


def can_match(row: dict[str, object]) -> bool:
    return bool(row["pdq"]) and int(str(row["pdq_quality"])) >= 50


def test_a_table_may_spell_its_hashes_otherwise(tmp_path: Path) -> None:
    spelled = {"phash": ["00000000000000ff", None, "ffffffffffffffff"], "pdq_quality": ["50", "99", "49"]}
    pq.write_table(pa.table(spelled), tmp_path / "hashes.parquet")
    (phashes, positions), *_ = table_rows(tmp_path / "hashes.parquet", "spelled").batches()
    assert (phashes.tolist(), positions.tolist()) == ([255], [0])


def test_a_table_without_hashes_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"phash": [1]}), tmp_path / "hashes.parquet")
    with pytest.raises(MissingColumn, match="pdq_quality"):
        table_rows(tmp_path / "hashes.parquet", "hashes")
    (tmp_path / "hashes.parquet").write_bytes(b"PAR1")
    with pytest.raises(TruncatedSource):
        table_rows(tmp_path / "hashes.parquet", "hashes")


def test_threads_share_a_catalogue(many: Catalogue, rows: list[dict[str, object]]) -> None:
    fresh, wrong = Catalogue.open(many.path), []

    def work(seed: int) -> None:
        places = random.Random(seed).sample(range(ROWS), 40)
        if fresh.find_uids([str(rows[place]["uid"]) for place in places]).tolist() != places:
            wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_catalogue_tells_of_its_import(catalogue: Catalogue, photos_dir: Path) -> None:
    assert catalogue.name == "generated"
    assert catalogue.source_kind == "folder"
    assert catalogue.source_root == photos_dir.resolve()
    assert catalogue.report.rejected == {"not_public": 2}
    assert catalogue.created_at.utcoffset() is not None
    assert {path.name for path in catalogue.path.iterdir()} == {
        *("catalogue.json", "rows.parquet", "tables.sha256", "pdq.bin", "owner.starts", "unusual.rows"),
        *(f"{table}.{part}" for table in ("uid", "sha256", "owner") for part in ("digests", "rows")),
    }


def test_a_picture_is_what_was_imported_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    data = jpeg(textured_picture(1))
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / "mine" / name).write_bytes(data)
    import_manifest(tmp_path / "mine", tmp_path / "catalogue", name="mine", workers=0)
    catalogue = Catalogue.open(tmp_path / "catalogue")
    (tmp_path / "mine" / "b.jpg").write_bytes(jpeg(textured_picture(2)))
    (tmp_path / "mine" / "c.jpg").unlink()
    assert catalogue.picture(0) == data
    with pytest.raises(PictureChanged):
        catalogue.picture(1)
    with pytest.raises(PictureMissing):
        catalogue.picture(2)
    (tmp_path / "mine").rename(tmp_path / "moved")
    with pytest.raises(PictureMissing):
        catalogue.picture(0)
    assert Catalogue.open(tmp_path / "catalogue", source_root=tmp_path / "moved").picture(0) == data


def test_rows_of_a_table_have_no_picture_of_their_own(many: Catalogue) -> None:
    with pytest.raises(PictureMissing):
        many.picture(0)


def test_tables_are_rebuilt_to_the_same_bytes_from_the_rows_alone(tmp_path: Path, many: Catalogue) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("catalogue.json", "rows.parquet"):
        (copy / name).write_bytes((many.path / name).read_bytes())
    rebuild_tables(copy)
    files = [path.relative_to(many.path) for path in many.path.rglob("*") if path.is_file()]
    assert sorted(files) == sorted(path.relative_to(copy) for path in copy.rglob("*") if path.is_file())
    assert all((copy / file).read_bytes() == (many.path / file).read_bytes() for file in files)


def test_tables_are_not_rebuilt_from_other_rows(tmp_path: Path, many: Catalogue) -> None:
    (tmp_path / "catalogue.json").write_bytes((many.path / "catalogue.json").read_bytes())
    (tmp_path / "rows.parquet").write_bytes(b"other rows")
    with pytest.raises(NotACatalogue, match="another digest"):
        rebuild_tables(tmp_path)

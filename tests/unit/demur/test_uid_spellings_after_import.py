"""A uid that somebody spells otherwise is the same photo in deletion vectors and in run records, too."""

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demur.exclusions import Entry, EntryTable, KeyKind
from demur.exclusions.columns import BLANKS, KEY_COLUMNS, all_spellings, fold, folded, usual
from demur.exclusions.matching import Matcher
from demur.manifests import Catalogue, import_manifest, rebuild_tables
from demur.runs import ConsumedTree
from demur.runs.consumed import UidConsumed
from demur.signing import SigningKey
from demur.vectors import finding
from tests.support.deletion_vectors import Publisher, indexed
from tests.support.spellings import SAME_UID, UUID


@pytest.mark.parametrize("identifier", [UUID, UUID.upper(), UUID.replace("-", ""), "{" + UUID + "}", f" urn:uuid:{UUID}"])
def test_a_uuid_is_searched_in_its_usual_spellings(identifier: str) -> None:
    assert {UUID, UUID.upper(), uuid.UUID(UUID).hex, uuid.UUID(UUID).hex.upper()} <= set(all_spellings(identifier))
    assert {fold(each) for each in all_spellings(identifier)} == {UUID}


@pytest.mark.parametrize("identifier", ["photo-1", "07", "1.5", "abc.0", "g" * 32])
def test_other_identifiers_have_one_spelling(identifier: str) -> None:
    assert all_spellings(identifier) == (identifier,)


def test_an_owner_that_looks_like_a_path_is_searched_as_it_is() -> None:
    assert (all_spellings("./ada", "owner"), all_spellings("./ada")) == (("./ada",), ("./ada", "ada"))


def test_a_run_that_consumed_a_photo_under_another_spelling_cannot_prove_its_absence(tmp_path: Path) -> None:
    ConsumedTree.write(tmp_path / "consumed.bin", [UUID.upper(), "1001.0", "photo-1"], "run")
    tree = ConsumedTree.open(tmp_path / "consumed.bin")
    assert (tree.find([UUID, "1001", "photo-1", "photo-2"]) >= 0).tolist() == [True, True, True, False]
    with pytest.raises(UidConsumed):
        tree.absence_proof(UUID)
    proof = tree.inclusion_proof(UUID)
    assert proof.uid == UUID.upper()
    proof.verify(tree.root, tree.size, "run", UUID.upper())


def positions(catalogue: Catalogue, folder: Path, *entries: Entry) -> list[int]:
    """Those that the entries exclude: looked up where they are at most finding.FEW, else scanned."""
    publisher = Publisher(*indexed(catalogue, folder / "index"), folder, SigningKey.generate("op.example"))
    publisher.publish(entries)
    return list(publisher.derivation().rows.excluded(publisher.derivation().published.entries, lambda done, total, stage: None))


def test_entries_are_looked_up_in_every_spelling(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": [UUID.upper(), "p2", "p3"], "owner": ["ada", uuid.UUID(UUID).hex, "ben"]}), tmp_path / "m.parquet")
    import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="spelled", workers=0)
    assert len(positions(Catalogue.open(tmp_path / "catalogue"), tmp_path, Entry(KeyKind.OWNER, UUID), Entry(KeyKind.UID, UUID))) == 2


@pytest.mark.parametrize(
    ("kind", "entry", "spelled"),
    [(kind, *pair) for kind in (KeyKind.UID, KeyKind.OWNER) for pair in SAME_UID if kind is KeyKind.UID or "/" not in pair[1]],
)
def test_a_search_for_few_keys_finds_the_rows_that_a_scan_for_many_does(tmp_path: Path, kind: KeyKind, entry: str, spelled: str) -> None:
    rows = {"uid": ["other", "others"], "owner": ["someone", "somebody"]} | {kind.value: [spelled, "another"]}
    pq.write_table(pa.table(rows), tmp_path / "m.parquet")
    import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="spelled", workers=0)
    catalogue = Catalogue.open(tmp_path / "catalogue")
    many = [Entry(kind, f"nobody-{number}") for number in range(finding.FEW)]
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()
    found = positions(catalogue, tmp_path / "few", Entry(kind, entry))
    assert found == positions(catalogue, tmp_path / "many", Entry(kind, entry), *many)
    assert catalogue.take(found)[kind.value].to_pylist() == KEY_COLUMNS[kind].read(pa.array([spelled])).values.to_pylist()


@pytest.mark.parametrize(("entry", "spelled"), SAME_UID)
@pytest.mark.parametrize("blanks", ["", " ", "\u200b"])
def test_a_run_proves_no_absence_of_a_photo_that_it_consumed_under_any_spelling(
    tmp_path: Path, entry: str, spelled: str, blanks: str
) -> None:
    for consumed, asked in ((f"{blanks}{spelled}", entry), (entry, f"{spelled}{blanks}"), (spelled, spelled)):
        ConsumedTree.write(tmp_path / "consumed.bin", ["a", consumed, "b"], "run")
        tree = ConsumedTree.open(tmp_path / "consumed.bin")
        with pytest.raises(UidConsumed):
            tree.absence_proof(asked)
        proof = tree.inclusion_proof(asked)
        proof.verify(tree.root, tree.size, "run", proof.uid)


def test_an_absence_is_proved_of_the_spelling_in_which_the_photo_would_have_been_written(tmp_path: Path) -> None:
    ConsumedTree.write(tmp_path / "consumed.bin", ["a", "b"], "run")
    tree = ConsumedTree.open(tmp_path / "consumed.bin")
    proof = tree.absence_proof("1,001")
    assert proof.uid == "1001"
    proof.verify(tree.root, tree.size, "run", "1001")


def test_a_catalogue_of_an_older_import_is_scanned_until_its_tables_are_made_again(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uid": ["1,001", "p2"]}), tmp_path / "m.parquet")
    import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="older", workers=0)
    (tmp_path / "catalogue/unusual.rows").unlink()
    digests = tmp_path / "catalogue/tables.sha256"
    digests.write_text("".join(line for line in digests.read_text().splitlines(keepends=True) if "unusual" not in line))
    older = Catalogue.open(tmp_path / "catalogue")
    assert (older.unusual, older.verify()) == (None, False)
    assert len(positions(older, tmp_path, Entry(KeyKind.UID, "1001"))) == 1
    rebuild_tables(tmp_path / "catalogue")
    made = Catalogue.open(tmp_path / "catalogue")
    assert (len(made.unusual), made.verify()) == (1, True)


parts = st.sampled_from(
    ["1", "0", "12", "1001", ",001", ".", ".0", "e+3", "e+03", "E+003", "'", "+", "-", '="', '"', " ", "a", "é", "e\u0301"]
)
spelled_oddly = st.one_of(
    st.lists(parts, min_size=1, max_size=5).map("".join),
    st.sampled_from([spelled for pair in SAME_UID for spelled in pair]),
    st.uuids()
    .map(str)
    .flatmap(
        lambda each: st.sampled_from(
            [each, each.upper(), f"0x{each}", f"0X{each.replace('-', '')}", f"{{{each}}}", each[:18].upper() + each[18:]]
        )
    ),
).filter(lambda text: text.strip(BLANKS))


@settings(deadline=None, max_examples=300)
@given(values=st.lists(spelled_oddly.map(lambda text: text.strip(BLANKS)), min_size=1, max_size=4))
def test_identifiers_have_one_form_whatever_is_beside_them(values: list[str]) -> None:
    column = pa.array(values, pa.large_string())
    one = folded(column, hyphens=True)
    assert one.to_pylist() == [folded(pa.array([value], pa.large_string()), hyphens=True)[0].as_py() for value in values]
    assert folded(one, hyphens=True).equals(one)
    for spelled, key in zip(usual(column).to_pylist(), one.to_pylist(), strict=True):
        assert spelled in all_spellings(key, "owner")
    for value in values:
        among = pa.array(all_spellings(value, "owner"), pa.large_string())
        assert folded(among, hyphens=True).unique().to_pylist() == [fold(value, "owner")]


blanks = st.sampled_from(["", " ", "\t", "\xa0", "\u200b", " \u2003"])
words = st.one_of(
    spelled_oddly, st.sampled_from(["NULL", "nan", "<NA>", "1.23457E+12", "9007199254740992.0", "./a/1.jpg", "a//1.jpg", "a/../b", "."])
)


@settings(deadline=None, max_examples=300)
@given(word=words, before=blanks, behind=blanks, kind=st.sampled_from(["uid", "owner"]))
def test_a_column_reads_a_value_as_it_reads_it_alone_whatever_blanks_are_around(word: str, before: str, behind: str, kind: str) -> None:
    column, alone = (
        KEY_COLUMNS[kind].read(pa.array([before + word + behind, "x"])),
        KEY_COLUMNS[kind].read_values([before + word + behind, 7]),
    )
    plain = KEY_COLUMNS[kind].read(pa.array([word.strip(BLANKS), "x"]))
    expected = [fault.reason for fault in alone.faults], alone.values[0].as_py()
    assert ([fault.reason for fault in column.faults], column.values[0].as_py()) == expected
    assert ([fault.reason for fault in plain.faults], plain.values[0].as_py()) == expected


@pytest.mark.parametrize("entry", ["a/1.jpg", " ./a/1.jpg", "./a/1.jpg "])
@pytest.mark.parametrize("spelled", ["a/1.jpg", " ./a/1.jpg", "a//1.jpg\u200b"])
def test_a_path_with_blanks_around_it_is_excluded(entry: str, spelled: str) -> None:
    judgement = Matcher(EntryTable.of([Entry(KeyKind.UID, entry)])).judge(pa.table({"uid": [spelled, "another"]}))
    assert judgement.keep.to_pylist() == [False, True]

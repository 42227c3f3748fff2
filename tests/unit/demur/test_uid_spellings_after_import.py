"""A uid that somebody spells otherwise is the same photo in deletion vectors and in run records, too."""

import uuid
from pathlib import Path

import pytest

from demur.exclusions import Entry, KeyKind
from demur.exclusions.columns import all_spellings, fold
from demur.runs import ConsumedTree
from demur.runs.consumed import UidConsumed

UID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize("identifier", [UID, UID.upper(), UID.replace("-", ""), "{" + UID + "}", f" urn:uuid:{UID}"])
def test_a_uuid_is_searched_in_its_usual_spellings(identifier: str) -> None:
    assert {UID, UID.upper(), uuid.UUID(UID).hex, uuid.UUID(UID).hex.upper()} <= set(all_spellings(identifier))
    assert {fold(each) for each in all_spellings(identifier)} == {UID}


@pytest.mark.parametrize("identifier", ["photo-1", "07", "1.5", "abc.0", "g" * 32])
def test_other_identifiers_have_one_spelling(identifier: str) -> None:
    assert all_spellings(identifier) == (identifier,)


def test_a_run_that_consumed_a_photo_under_another_spelling_cannot_prove_its_absence(tmp_path: Path) -> None:
    ConsumedTree.write(tmp_path / "consumed.bin", [UID.upper(), "1001.0", "photo-1"], "run")
    tree = ConsumedTree.open(tmp_path / "consumed.bin")
    assert (tree.find([UID, "1001", "photo-1", "photo-2"]) >= 0).tolist() == [True, True, True, False]
    with pytest.raises(UidConsumed):
        tree.absence_proof(UID)
    proof = tree.inclusion_proof(UID)
    assert proof.uid == UID.upper()
    proof.verify(tree.root, tree.size, "run", UID.upper())


def test_entries_are_looked_up_in_every_spelling(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from demur.manifests import Catalogue, import_manifest
    from demur.signing import SigningKey
    from tests.support.deletion_vectors import Publisher, indexed

    pq.write_table(pa.table({"uid": [UID.upper(), "p2", "p3"], "owner": ["ada", uuid.UUID(UID).hex, "ben"]}), tmp_path / "m.parquet")
    import_manifest(tmp_path / "m.parquet", tmp_path / "catalogue", name="spelled", workers=0)
    publisher = Publisher(*indexed(Catalogue.open(tmp_path / "catalogue"), tmp_path / "index"), tmp_path, SigningKey.generate("op.example"))
    entries = [Entry(KeyKind.OWNER, UID), Entry(KeyKind.UID, UID)]
    publisher.publish(entries)
    excluded = publisher.derivation().rows.excluded(publisher.derivation().published.entries, lambda done, total, stage: None)
    assert len(excluded) == 2

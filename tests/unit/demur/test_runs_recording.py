"""A run record written in one call at the end of a training script."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demur.digests import files_digest
from demur.exclusions import Entry, ExclusionList, KeyKind
from demur.files import TargetExists
from demur.runs import BadRunRecord, ConsumedTree, ManifestReference, RunRecord
from demur.runs.recording import CONSUMED_FILE, RECORD_FILE, ExcludedConsumed, UnnamedConsumed, write_run_record
from demur.signing import SigningKey
from tests.support.exclusion_lists import build_version_for_today, publish_version, uids

LIST_KEY, KEY = SigningKey.generate("op.example"), SigningKey.generate("trainer.example")
STARTED = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def exclusions(tmp_path: Path) -> ExclusionList:
    publish_version(tmp_path / "list", LIST_KEY, build_version_for_today(uids("objected", "99999")))
    return ExclusionList.open(tmp_path / "list", key=LIST_KEY.verifier)


@pytest.fixture
def written(tmp_path: Path, exclusions: ExclusionList) -> Any:
    (tmp_path / "weights.bin").write_bytes(b"weights")

    def write(**changes: Any) -> RunRecord:
        asked = {"name": "Run 1", "key": KEY, "exclusions": exclusions, "uids": ["b", "a", "b"], "started_at": STARTED} | changes
        return write_run_record(tmp_path / "run", weights=tmp_path / "weights.bin", **asked)

    return write


def test_what_is_written_is_what_readers_read(tmp_path: Path, written: Any, exclusions: ExclusionList) -> None:
    record = written()
    assert RunRecord.parse((tmp_path / "run" / RECORD_FILE).read_bytes(), [KEY.verifier]) == record
    tree = ConsumedTree.open(tmp_path / "run" / CONSUMED_FILE)
    tree.check()
    assert (tree.run_id, tree.root, tree.size) == (record.run_id, record.consumed.root, record.consumed.size)
    assert tree.find(["a", "b", "c"]).tolist().count(-1) == 1
    assert (record.exclusion_list.version, record.exclusion_list.root) == (1, exclusions.head.root)
    assert record.weights_digest == hashlib.sha256(b"weights").hexdigest()


def test_the_stage_is_the_samples_in_the_order_of_training(written: Any) -> None:
    (stage,) = written().stages
    expected = b"".join(len(uid).to_bytes(8, "little") + uid.encode() for uid in ("b", "a", "b"))
    assert (stage.name, stage.samples, stage.digest) == ("training", 3, hashlib.sha256(expected).hexdigest())


def test_what_is_not_told_is_what_can_be_known(written: Any) -> None:
    record = written()
    assert STARTED < record.finished_at <= datetime.now(UTC)
    assert {"python", "numpy", "pyarrow"} <= record.libraries.keys()
    assert (record.manifests, record.dropped, record.config, record.seed) == ((), {}, {}, 0)
    assert record.code_digest == files_digest([])


def test_facts_may_be_told(tmp_path: Path, written: Any) -> None:
    manifests = (ManifestReference("photos", "2" * 64, 1000),)
    facts = {"seed": 7, "tier": "gpu", "device": "H100", "manifests": manifests, "dropped": {"uid": 2}, "finished_at": STARTED}
    code = files_digest([Path(__file__)])
    record = written(**facts, code_digest=code, config={"rate": 3e-4, "deep": [{"decay": 0.5}]})
    assert {name: getattr(record, name) for name in facts} == facts
    assert (record.code_digest, record.config) == (code, {"rate": "0.0003", "deep": [{"decay": "0.5"}]})


def test_what_a_filter_dropped_is_told_as_it_was_counted(written: Any) -> None:
    assert written(dropped=Counter({KeyKind.UID: 2, KeyKind.PHASH: 1})).dropped == {"uid": 2, "phash": 1}


def test_two_runs_cannot_be_compared_by_their_trees(tmp_path: Path, written: Any) -> None:
    first = written()
    (tmp_path / "run").rename(tmp_path / "before")
    assert written().consumed.root != first.consumed.root


def test_an_excluded_sample_stops_the_record(tmp_path: Path, written: Any) -> None:
    def samples() -> Iterator[str]:
        yield from (str(number) for number in range(100_000))

    with pytest.raises(ExcludedConsumed, match="version 1 of the list excludes 99999"):
        written(uids=samples())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("uid", ["", " \u200b", "NULL", "1.23457E+12 ", "1.0E+3"])
@pytest.mark.parametrize("listed", [True, False])
def test_what_names_no_sample_stops_the_record(written: Any, exclusions: ExclusionList, uid: str, listed: bool) -> None:
    with pytest.raises(UnnamedConsumed):
        written(uids=["a", uid], exclusions=exclusions if listed else None)


@pytest.mark.parametrize("entry", [Entry(KeyKind.OWNER, "ben"), Entry(KeyKind.SHA256, "ab" * 32)])
def test_a_list_that_names_no_uid_stops_no_record(tmp_path: Path, written: Any, entry: Entry) -> None:
    publish_version(tmp_path / "others", LIST_KEY, build_version_for_today([entry]))
    written(exclusions=ExclusionList.open(tmp_path / "others", key=LIST_KEY.verifier))


def test_a_consumed_sample_is_found_however_its_uid_is_spelled(tmp_path: Path, written: Any) -> None:
    written(uids=["1,001", " ./a/1.jpg"])
    tree = ConsumedTree.open(tmp_path / "run" / CONSUMED_FILE)
    assert (tree.find(["1001", "a/1.jpg", "1,001", "other"]) >= 0).tolist() == [True, True, True, False]


def test_before_any_list_there_is_none_to_name(written: Any) -> None:
    assert written(exclusions=None, uids=["objected"]).exclusion_list is None


def test_a_run_without_samples_has_an_empty_tree(written: Any) -> None:
    record = written(uids=[])
    assert (record.consumed.size, record.stages[0].samples) == (0, 0)


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, written: Any) -> None:
    for wrong in ({"name": ""}, {"code_digest": "short"}, {"finished_at": STARTED - timedelta(days=1)}):
        with pytest.raises(BadRunRecord):
            written(**wrong)
    with pytest.raises(TypeError, match="color"):
        written(color="red")
    assert not (tmp_path / "run").exists()
    written()
    with pytest.raises(TargetExists):
        written()

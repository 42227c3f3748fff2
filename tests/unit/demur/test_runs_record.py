import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from demur.digests import canonical_json
from demur.errors import DemurError
from demur.runs import BadRunRecord, RunRecord
from demur.runs.record import PAYLOAD_TYPE
from demur.signing import BadEnvelope, SigningKey, UnknownKey
from tests.support.training_runs import RECORD, record

KEY = SigningKey.generate("trainer.example")


def parsed(statement: Any) -> RunRecord:
    return RunRecord.parse(KEY.sign(canonical_json(statement), PAYLOAD_TYPE), [KEY.verifier])


def test_a_record_survives_signing_and_reading() -> None:
    for each in (RECORD, record(exclusion_list=None, manifests=(), stages=(), evidence=(), metrics={})):
        assert RunRecord.parse(each.sign(KEY), [KEY.verifier]) == each


def test_the_statement_is_in_toto() -> None:
    statement = RECORD.to_statement()
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "weights", "digest": {"sha256": "8" * 64}}]
    assert statement["predicate"]["list"]["published_at"] == "2026-11-21T11:00:00Z"
    assert record(exclusion_list=None).to_statement()["predicate"]["list"] is None


def test_every_changed_byte_is_refused() -> None:
    envelope = RECORD.sign(KEY)
    for position in range(len(envelope)):
        with pytest.raises(DemurError):
            RunRecord.parse(envelope[:position] + bytes([envelope[position] ^ 1]) + envelope[position + 1 :], [KEY.verifier])


def test_other_signers_and_types_are_refused() -> None:
    with pytest.raises(UnknownKey):
        RunRecord.parse(RECORD.sign(KEY), [SigningKey.generate("trainer.example").verifier])
    with pytest.raises(BadEnvelope):
        RunRecord.parse(KEY.sign(canonical_json(RECORD.to_statement()), "application/json"), [KEY.verifier])


def test_unknown_fields_are_ignored_as_in_toto_asks() -> None:
    statement = RECORD.to_statement()
    statement["predicate"]["later"] = 1
    assert parsed(statement) == RECORD


@pytest.mark.parametrize("field", list(RECORD.to_statement()["predicate"]))
def test_a_missing_or_mistyped_field_is_refused(field: str) -> None:
    statement = RECORD.to_statement()
    for value in ([[0]], -1, ""):
        statement["predicate"][field] = value
        with pytest.raises(BadRunRecord):
            parsed(statement)
    del statement["predicate"][field]
    with pytest.raises(BadRunRecord):
        parsed(statement)


@pytest.mark.parametrize("statement", [None, [], {}, "x", {"_type": "https://in-toto.io/Statement/v1"}])
def test_other_statements_are_refused(statement: Any) -> None:
    with pytest.raises(BadRunRecord):
        parsed(statement)


def test_a_record_of_something_else_is_refused() -> None:
    for name, value in (("predicateType", "https://slsa.dev/provenance/v1"), ("_type", "x"), ("subject", [])):
        with pytest.raises(BadRunRecord):
            parsed(RECORD.to_statement() | {name: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"rate": 0.1}},
        {"weights_digest": "x"},
        {"dropped": {"uid": -1}},
        {"started_at": datetime(2026, 11, 21)},  # noqa: DTZ001 — a time without a zone is what must be refused
        {"finished_at": RECORD.started_at - timedelta(seconds=1)},
        {"run_id": ""},
        {"metrics": {"loss": 0.5}},
    ],
)
def test_a_record_that_could_not_be_read_again_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(BadRunRecord):
        record(**changes).sign(KEY)


def test_the_payload_is_canonical() -> None:
    payload = canonical_json(RECORD.to_statement())
    assert canonical_json(json.loads(payload)) == payload

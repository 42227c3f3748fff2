"""Receipts: they verify offline, say what they prove, and no byte of them can change unseen."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from demur.cli import main
from demur.errors import DemurError
from demur.receipts import BadReceipt, BadStatement, LogKind, Receipt, Statement, commitment
from demur.receipts.statement import PAYLOAD_TYPE, list_published, run_recorded
from demur.receipts.words import in_words
from demur.runs import ListReference
from demur.signing import BadEnvelope, BadSignature, SigningKey, UnknownKey
from demur.tlog import merkle
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey
from demur.tlog.merkle import ProofRefused
from demur.verifying.summary import STATED
from tests.support.exclusion_lists import build, uids
from tests.support.receipt_vectors import statements
from tests.support.training_runs import record

KEY, WITNESS = SigningKey.generate("demur.example/log"), SigningKey.generate("witness.example")
AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
LISTED = ListReference("demur.example", 7, "1" * 64, AT)
FILED = Statement(LogKind.OPT_OUT_FILED, AT, "DM-0000-0001", photos=("ada-1", "ada-2"), owners=("ada",))
SALT = bytes(range(32))


def receipt_of(statement: Statement, key: SigningKey = KEY, index: int = 2, size: int = 5) -> Receipt:
    """As the portal puts it together, in a log of other leaves."""
    leaves = [merkle.leaf_hash(bytes([number] * 32)) for number in range(size)]
    leaves[index] = merkle.leaf_hash(commitment(SALT, statement.payload()))
    checkpoint = LogCheckpoint(key.name, size, merkle.root(leaves)).sign(key)
    envelope = key.sign(statement.payload(), PAYLOAD_TYPE)
    return Receipt(envelope, SALT, index, tuple(merkle.inclusion_proof(leaves, index)), str(checkpoint))


STATEMENTS = [
    FILED,
    replace(FILED, kind=LogKind.OPT_OUT_LISTED, exclusion_list=LISTED),
    replace(FILED, kind=LogKind.OPT_OUT_WITHDRAWN, photos=(), owners=(), pictures=("2" * 64,)),
    list_published(build(uids("a")).head),
    run_recorded(record(), "3" * 64, AT),
    run_recorded(record(exclusion_list=None), "3" * 64, AT),
]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.kind)
def test_a_receipt_comes_back_and_verifies(statement: Statement):
    receipt = Receipt.parse(receipt_of(statement).to_json())
    assert receipt == receipt_of(statement)
    assert receipt.verify(KEY.verifier)[0] == statement


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.kind)
def test_no_single_byte_can_change(statement: Statement):
    data = receipt_of(statement).to_json()
    for position in range(len(data)):
        for flip in (1, 4, 32, 128):
            changed = bytearray(data)
            changed[position] ^= flip
            with pytest.raises(DemurError):
                Receipt.parse(bytes(changed)).verify(KEY.verifier)
    for cut in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(BadReceipt):
            Receipt.parse(data[:cut])


def test_a_cosigned_receipt_cannot_change_either_for_whoever_knows_the_witness():
    receipt = receipt_of(FILED)
    cosigned = LogCheckpoint.parse(receipt.checkpoint).cosign(WITNESS, AT)
    data = replace(receipt, checkpoint=str(cosigned)).to_json()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(DemurError):
            seen_by_the_witness(bytes(changed))


def seen_by_the_witness(data: bytes) -> datetime:
    return Receipt.parse(data).verify(KEY.verifier)[1].seen_at(WitnessKey(WITNESS.name, WITNESS.verifier.public))


def test_each_lie_has_its_name():
    honest = receipt_of(FILED)
    other = receipt_of(replace(FILED, reference="DM-0000-0002"))
    with pytest.raises(ProofRefused):
        replace(honest, envelope=other.envelope).verify(KEY.verifier)
    with pytest.raises(ProofRefused):
        replace(honest, salt=bytes(32)).verify(KEY.verifier)
    with pytest.raises(ProofRefused):
        replace(honest, leaf_index=3).verify(KEY.verifier)
    with pytest.raises(ProofRefused):
        replace(honest, checkpoint=other.checkpoint).verify(KEY.verifier)
    with pytest.raises(UnknownKey):
        honest.verify(SigningKey.generate(KEY.name).verifier)
    with pytest.raises(BadEnvelope):
        replace(honest, envelope=KEY.sign(FILED.payload(), "application/json")).verify(KEY.verifier)
    forged = replace(honest, envelope=honest.envelope.replace(b'"sig":"', b'"sig":"AAAA', 1))
    with pytest.raises((BadSignature, BadEnvelope)):
        forged.verify(KEY.verifier)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "opt_out_doubted"},
        {"at": "2026-11-22"},
        {"photos": ["b", "a"]},
        {"photos": ["a", "a"]},
        {"photos": [1]},
        {"owners": "ada"},
        {"reference": ""},
        {"pictures": ["x"]},
        {"more": 1},
        {"list": None},
    ],
)
def test_a_malformed_statement_is_refused_though_it_is_signed(change: dict[str, object]):
    told = json.loads(FILED.payload()) | change
    with pytest.raises(BadStatement):
        Statement.parse(json.dumps(told, sort_keys=True, separators=(",", ":")).encode())


names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=5).map(lambda found: tuple(sorted(set(found))))


@given(names, names, st.sampled_from([LogKind.OPT_OUT_FILED, LogKind.OPT_OUT_WITHDRAWN]))
def test_whatever_people_call_their_photos_the_statement_comes_back(photos: tuple[str, ...], owners: tuple[str, ...], kind: LogKind):
    statement = Statement(kind, AT, "DM-0000-0001", photos=photos, owners=owners)
    assert Statement.parse(statement.payload()) == statement


def test_the_same_statement_has_another_leaf_under_another_salt():
    assert commitment(SALT, FILED.payload()) != commitment(bytes(32), FILED.payload())


def verify(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, arguments), "--log-key", str(KEY.verifier)])


@pytest.fixture
def receipt_file(tmp_path: Path) -> Path:
    file = tmp_path / "receipt.json"
    file.write_bytes(receipt_of(FILED).to_json())
    return file


def test_the_command_says_what_a_receipt_proves_and_what_not(receipt_file: Path):
    result = verify(receipt_file)
    assert result.exit_code == 0, result.output
    assert "the opt-out DM-0000-0001 was filed for 2 photos and all photos of ada, now and later" in result.stdout
    assert "It is leaf 2 of the log demur.example/log, whose first 5 leaves are signed" in result.stdout
    assert "Does not prove: That a training run obeyed it" in result.stdout


def test_a_log_whose_key_was_not_given_is_named(receipt_file: Path):
    receipt_file.write_bytes(receipt_of(FILED, SigningKey.generate("other.example/log")).to_json())
    result = verify(receipt_file)
    assert result.exit_code == 1
    assert "the log other.example/log, whose key was not given for logs. (KeyNotGiven)" in result.stdout


def test_a_witness_that_is_asked_for_must_have_seen_the_tree(receipt_file: Path):
    witness = WitnessKey(WITNESS.name, WITNESS.verifier.public)
    assert verify(receipt_file, "--witness-key", witness).exit_code == 1
    receipt = receipt_of(FILED)
    cosigned = LogCheckpoint.parse(receipt.checkpoint).cosign(WITNESS, AT)
    receipt_file.write_bytes(replace(receipt, checkpoint=str(cosigned)).to_json())
    seen = verify(receipt_file, "--witness-key", witness)
    assert seen.exit_code == 0
    assert "witness.example saw this tree at 2026-11-22T09:30:00Z" in seen.stdout


def test_two_trees_of_one_size_are_called_a_fork(receipt_file: Path):
    other = receipt_file.with_name("checkpoint")
    other.write_text(str(LogCheckpoint(KEY.name, 5, bytes(32)).sign(KEY)))
    result = verify(receipt_file, other)
    assert result.exit_code == 3
    assert "signed two different trees of 5 leaves: it is forked" in result.stdout


def test_a_receipt_that_contradicts_the_record_beside_it_is_refused(tmp_path: Path, receipt_file: Path):
    run_key = SigningKey.generate("trainer.example")
    (tmp_path / "record.json").write_bytes(record().sign(run_key))
    receipt_file.write_bytes(receipt_of(run_recorded(record(), "3" * 64, AT)).to_json())
    result = verify(receipt_file, tmp_path / "record.json", "--run-key", run_key.verifier)
    assert result.exit_code == 3
    assert "another record of the run run-1 is signed, too. (Contradiction)" in result.stdout


@pytest.mark.parametrize("statement", statements().values(), ids=lambda statement: statement.kind)
def test_every_kind_has_its_words_and_its_label(statement: Statement):
    """A receipt of a kind that nobody named would end in a traceback instead of an answer."""
    proves, not_proves = in_words(statement, 0, "demur.example/log", 1)
    assert proves
    assert not_proves
    assert STATED[statement.kind]

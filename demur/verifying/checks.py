"""Verifies documents and holds them against each other: signed ones first, so that the others can be held against what they name."""

import hashlib
import io
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from demur.errors import DemurError
from demur.exclusions import head as heads
from demur.exclusions import trusted
from demur.exclusions.entry_proof import FORMAT as ENTRY_PROOF_FORMAT
from demur.exclusions.entry_proof import EntryProof
from demur.exclusions.head import Head
from demur.exclusions.history import History, read_newest
from demur.exclusions.rotation import Keyring
from demur.exclusions.sources import DirectorySource
from demur.fields import rfc3339
from demur.receipts import LogKind, Receipt, Statement
from demur.receipts.words import in_words
from demur.runs import record as records
from demur.runs.consumed import ConsumedTree
from demur.runs.proofs import AbsenceProof, InclusionProof, parse_proof
from demur.runs.record import ListReference, RunRecord
from demur.signing import UnknownKey, VerifyKey, peek_envelope
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey
from demur.tlog.merkle import ProofRefused
from demur.vectors import head as vectors
from demur.verifying.documents import Document


class UnknownFile(DemurError):
    """The file is none of the kinds that can be verified."""


class NothingToCompare(DemurError):
    """The file is only meaningful beside another one that was not given."""


class Contradiction(DemurError):
    """Two files are both signed, and cannot both be true: whoever signed them said different things to different people."""


@dataclass(frozen=True)
class Finding:
    """What came of one document. `refusal` is empty when it verified."""

    file: str
    kind: str
    proves: str = ""
    not_proves: str = ""
    refusal: str = ""


@dataclass
class _Desk:
    """What has been verified so far: later documents are held against it."""

    keys: Collection[VerifyKey]
    witnesses: Collection[WitnessKey]
    now: datetime
    rings: list[Keyring] = field(default_factory=list)  # of the lists whose key rotations are given
    heads: list[Head] = field(default_factory=list)
    records: list[tuple[RunRecord, str]] = field(default_factory=list)  # with the digest of the envelope
    trees: dict[tuple[str, int], bytes] = field(default_factory=dict)  # (log, size) → root


_Told = tuple[str, str]
_Check = Callable[[Document, _Desk], _Told]


def verify_documents(
    documents: Sequence[Document], keys: Collection[VerifyKey], now: datetime, witnesses: Collection[WitnessKey] = ()
) -> list[Finding]:
    """A finding for each document, in their order. With witnesses, each checkpoint must be cosigned by all of them. Raises nothing."""
    desk = _Desk(keys, witnesses, now)
    kinds = [_kind(document) for document in documents]
    findings: dict[int, Finding] = {}
    for number in sorted(range(len(documents)), key=lambda number: kinds[number].rank):
        findings[number] = _verify(documents[number], kinds[number], desk)
    return [findings[number] for number in range(len(documents))]


@dataclass(frozen=True)
class _Kind:
    """``rank``: what others are held against comes first."""

    name: str
    check: _Check
    rank: int


def _verify(document: Document, kind: _Kind, desk: _Desk) -> Finding:
    try:
        proves, not_proves = kind.check(document, desk)
    except DemurError as error:
        return Finding(document.name, kind.name, refusal=f"{type(error).__name__}: {error}")
    except OSError as error:
        return Finding(document.name, kind.name, refusal=f"Unreadable: {error.strerror or error}")
    return Finding(document.name, kind.name, proves, not_proves)


def _kind(document: Document) -> _Kind:
    if isinstance(document.place, Path) and document.place.is_dir():
        return _Kind("list entries", _check_directory, 2)
    if document.begins(b"["):
        return _Kind("key rotations", _check_rotations, -1)
    if document.begins(b'{"payload":'):
        return _Kind("signed statement", _check_envelope, 0)
    if document.begins(b'{"checkpoint":'):  # canonical JSON begins a receipt like that
        return _Kind("receipt", _check_receipt, 1)
    if document.begins(b"PAR1"):
        return _Kind("list entries", _check_entries, 2)
    if document.begins(b"DEMURCT1"):
        return _Kind("consumed samples", _check_consumed, 2)
    if document.begins(b"{"):
        return _Kind("proof", _check_proof, 2)
    return _Kind("checkpoint", _check_checkpoint, 2)


def _check_envelope(document: Document, desk: _Desk) -> _Told:
    data = document.read()
    payload_type, _ = peek_envelope(data)
    if payload_type == heads.PAYLOAD_TYPE:
        return _check_head(data, desk)
    if payload_type == records.PAYLOAD_TYPE:
        return _check_record(data, desk)
    if payload_type == vectors.PAYLOAD_TYPE:
        raise UnknownFile("this is the head of a manifest's deletion vectors: `demur vectors show` verifies it together with its files")
    raise UnknownFile(f"the envelope holds {payload_type!r}, which this command cannot judge")


def _check_head(data: bytes, desk: _Desk) -> _Told:
    head = _open_head(data, desk)
    _refuse_other_root(ListReference.of(head), desk)
    desk.heads.append(head)
    expired = f" It expired at {rfc3339(head.expires_at)}: do not train by it." if desk.now >= head.expires_at else ""
    return (
        f"The key holder signed version {head.version} of the exclusion list {head.list_id}: {head.total} entries with root {head.root}, "
        f"published {rfc3339(head.published_at)}, good until {rfc3339(head.expires_at)}.{expired}",
        "That this is the newest version, that the operator put everyone's opt-out in, or that anybody trained by it.",
    )


def _check_entries(document: Document, desk: _Desk) -> _Told:
    data = document.read()
    digest = hashlib.sha256(data).hexdigest()
    head = next((head for head in desk.heads if (head.entries.sha256, head.entries.version) == (digest, head.version)), None)
    if head is None:
        raise NothingToCompare(
            "no verified list head among the files speaks of exactly these entries; give their version's head.dsse.json too"
        )
    trusted.check_entries(trusted.open_whole(io.BytesIO(data), head), head)
    return _exactly_the_entries(head)


def _check_directory(document: Document, desk: _Desk) -> _Told:
    """The newest version's entries, from a whole file and the deltas that follow. Given keys of others than the list are passed over."""
    source = DirectorySource(Path(str(document.place)))
    refusals: list[DemurError] = []
    for key in desk.keys:
        try:
            head, keys = read_newest(source, key)
        except trusted.UnknownKey as error:
            refusals.append(error)
            continue
        return _exactly_the_entries(History(source, keys).read(head).head)
    raise refusals[0] if refusals else NothingToCompare("a list directory is verified by the list's key; give it")


def _exactly_the_entries(head: Head) -> _Told:
    return (
        f"These are exactly the {head.total} entries of version {head.version} that were signed.",
        "That a photo without an entry was never opted out: an entry may be missing, or stand under another key of the same photo.",
    )


def _check_rotations(document: Document, desk: _Desk) -> _Told:
    ring = Keyring.read(document.read())
    if not any(key in ring.keys for key in desk.keys):
        raise trusted.UnknownKey("none of the keys given as trusted ever signed this list")
    desk.rings.append(ring)
    last = ring.rotations[-1]
    return (
        f"The key of the list {last.list_id} was changed {last.number} times, each time by a statement that the old key and the new one "
        f"signed: from version {last.from_version} on, {last.new} signs it.",
        "That no older key fell into other hands: a new key protects only what is signed by it.",
    )


def _open_head(data: bytes, desk: _Desk) -> Head:
    """By the key of its version where the list's rotations are given, else by any given key."""
    list_id = Head.parse(peek_envelope(data)[1]).list_id
    ring = next((ring for ring in desk.rings if ring.rotations[-1].list_id == list_id), None)
    return ring.open_head(data) if ring else trusted.open_head(data, desk.keys)


def _check_record(data: bytes, desk: _Desk) -> _Told:
    record = RunRecord.parse(data, desk.keys)
    digest = hashlib.sha256(data).hexdigest()
    _refuse_other_record(record.run_id, digest, desk)
    desk.records.append((record, digest))
    by = (
        f"filtered by version {record.exclusion_list.version} of the exclusion list {record.exclusion_list.list_id}"
        if record.exclusion_list
        else "not filtered by any exclusion list"
    )
    return (
        f"The key holder states that the run {record.name} ({record.run_id}) consumed {record.consumed.size} samples, {by}, "
        f"and made the weights {record.weights_digest}. Nothing in the statement was changed since it was signed.",
        "That the statement is true. Replaying the run to the same weights shows that; a signature shows only who said it.",
    )


def _check_receipt(document: Document, desk: _Desk) -> _Told:
    receipt = Receipt.parse(document.read())
    statement, checkpoint = receipt.verify(_log_key(receipt.checkpoint, desk))
    seen = _remember_tree(checkpoint, desk)
    _hold_statement(statement, desk)
    proves, not_proves = in_words(statement, receipt.leaf_index, checkpoint.origin, checkpoint.size)
    return proves + seen, not_proves


def _check_checkpoint(document: Document, desk: _Desk) -> _Told:
    try:
        text = document.read().decode()
    except UnicodeDecodeError as error:
        raise UnknownFile(_UNKNOWN) from error
    if "\n\n" not in text:
        raise UnknownFile(_UNKNOWN)
    checkpoint = LogCheckpoint.open(text, _log_key(text, desk))
    seen = _remember_tree(checkpoint, desk)
    return (
        f"The log {checkpoint.origin} had {checkpoint.size} leaves with the root {checkpoint.root.hex()}.{seen}",
        "That everyone is shown the same log: a witness, or another reader's checkpoint, shows that.",
    )


def _log_key(checkpoint: str, desk: _Desk) -> VerifyKey:
    """The given key of the log that signed a checkpoint. Raises BadCheckpoint, UnknownKey."""
    parsed = LogCheckpoint.parse(checkpoint)
    key = next((key for key in desk.keys for line in parsed.signatures if key.name == parsed.origin and line.by(key)), None)
    if key is None:
        raise UnknownKey(f"it is signed by the log {parsed.origin}, whose key was not given as trusted")
    return key


def _remember_tree(checkpoint: LogCheckpoint, desk: _Desk) -> str:
    """Holds a checkpoint against others and witnesses, and says who saw it. Raises Contradiction, UnknownKey, BadSignature."""
    root = desk.trees.setdefault((checkpoint.origin, checkpoint.size), checkpoint.root)
    if root != checkpoint.root:
        raise Contradiction(f"the log {checkpoint.origin} signed two different trees of {checkpoint.size} leaves: it is forked")
    return "".join(f" {witness.name} saw this tree at {rfc3339(checkpoint.seen_at(witness))}." for witness in desk.witnesses)


def _hold_statement(statement: Statement, desk: _Desk) -> None:
    """Raises Contradiction."""
    if statement.kind is LogKind.RUN_RECORDED:
        _refuse_other_record(statement.run_id, statement.record_digest, desk)
    if statement.exclusion_list is not None:
        _refuse_other_root(statement.exclusion_list, desk)


def _refuse_other_record(run_id: str, digest: str, desk: _Desk) -> None:
    if any(record.run_id == run_id and known != digest for record, known in desk.records):
        raise Contradiction(f"another record of the run {run_id} is signed, too")


def _refuse_other_root(listed: ListReference, desk: _Desk) -> None:
    if any((head.list_id, head.version) == (listed.list_id, listed.version) and head.root != listed.root for head in desk.heads):
        raise Contradiction(f"version {listed.version} of the list {listed.list_id} is signed with another root, too")


def _check_consumed(document: Document, desk: _Desk) -> _Told:
    if isinstance(document.place, bytes):
        raise UnknownFile("consumed samples are verified from a file of their own")
    tree = ConsumedTree.open(document.place)
    tree.check()
    if not any((r.run_id, r.consumed.root, r.consumed.size) == (tree.run_id, tree.root, tree.size) for r, _ in desk.records):
        raise NothingToCompare(f"no verified run record among the files commits to these {tree.size} samples; give the run's record too")
    return (
        f"These are exactly the {tree.size} samples that the record of the run {tree.run_id} commits to.",
        "That the run read nothing else.",
    )


_UNKNOWN = "this is no list head, run record, receipt, checkpoint, proof, entries file or file of consumed samples"


def _check_proof(document: Document, desk: _Desk) -> _Told:
    data = document.read()
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnknownFile(_UNKNOWN) from error
    if not isinstance(told, dict):
        raise UnknownFile(_UNKNOWN)
    if told.get("format") == ENTRY_PROOF_FORMAT:
        return _check_entry_proof(EntryProof.from_json(data), desk)
    return _hold_against_records(parse_proof(data), [record for record, _ in desk.records])


def _check_entry_proof(proof: EntryProof, desk: _Desk) -> _Told:
    head = next((head for head in desk.heads if (head.list_id, head.version) == (proof.list_id, proof.version)), None)
    if head is None:
        raise NothingToCompare(f"the proof is about version {proof.version} of the list {proof.list_id}; give that version's head too")
    proof.verify(head)
    return (
        f"Version {head.version} of the exclusion list {head.list_id} excludes every sample whose {proof.entry.kind} is {proof.entry.key}.",
        "That a training run obeyed this version: its record and an absence proof show that.",
    )


def _hold_against_records(proof: InclusionProof | AbsenceProof, known: list[RunRecord]) -> tuple[str, str]:
    record = next((record for record in known if record.run_id == proof.run_id), None)
    if record is None:
        raise NothingToCompare(f"the proof is about the run {proof.run_id}; give that run's record too")
    try:
        proof.verify(record.consumed.root, record.consumed.size, record.run_id, proof.uid)
    except ProofRefused as error:
        raise ProofRefused(f"{error}; it proves nothing about {proof.uid}") from error
    if isinstance(proof, InclusionProof):
        return f"The run {record.name} consumed the sample {proof.uid}: it says so itself.", "How much the sample shaped the weights."
    return (
        f"The sample {proof.uid} is not among the {record.consumed.size} samples that the record of the run {record.name} commits to.",
        "That no copy of the photo was consumed under another uid, or that the run read nothing beyond what its record commits to. "
        "That the samples are in order is taken from the record's maker, unless consumed.bin is verified as well.",
    )

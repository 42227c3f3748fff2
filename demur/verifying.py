"""Verifies files offline, and says in plain words what each one proves and what it does not."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from demur.digests import sha256_file
from demur.errors import DemurError
from demur.exclusions import head as heads
from demur.exclusions import trusted
from demur.exclusions.head import Head
from demur.exclusions.writer import HEAD_FILE
from demur.fields import rfc3339
from demur.runs import record as records
from demur.runs.consumed import ConsumedTree
from demur.runs.proofs import AbsenceProof, InclusionProof, parse_proof
from demur.runs.record import RunRecord
from demur.signing import VerifyKey, peek_envelope
from demur.tlog.merkle import ProofRefused


class UnknownFile(DemurError):
    """The file is none of the kinds that can be verified."""


class NothingToCompare(DemurError):
    """The file is only meaningful beside another one that was not given."""


@dataclass(frozen=True)
class Finding:
    """What came of one file. `refusal` is empty when it verified."""

    file: str
    kind: str
    proves: str = ""
    not_proves: str = ""
    refusal: str = ""


@dataclass
class _Desk:
    """What has been verified so far: later files are held against it."""

    keys: Collection[VerifyKey]
    now: datetime
    heads: list[Head] = field(default_factory=list)
    records: list[RunRecord] = field(default_factory=list)


def verify_files(files: Sequence[Path], keys: Collection[VerifyKey], now: datetime) -> list[Finding]:
    """Verifies each file; signed ones first, so that entries, consumed samples and proofs can be held against them. Raises nothing."""
    desk = _Desk(keys, now)
    expanded = [part for file in files for part in ([file / HEAD_FILE, *_newest_entries(file)] if file.is_dir() else [file])]
    findings = {file: _verify(file, desk) for file in sorted(expanded, key=_rank)}
    return [findings[file] for file in expanded]


def _newest_entries(directory: Path) -> list[Path]:
    """The entries file that a list directory's head speaks of, as far as its (unverified) version can be read."""
    try:
        version = Head.parse(peek_envelope((directory / HEAD_FILE).read_bytes())[1]).version
    except (DemurError, OSError):
        return []
    return [directory / "versions" / str(version) / "entries.parquet"]


def _rank(file: Path) -> int:
    return 0 if _looks_like(file, b'{"payload":') else 1


def _looks_like(file: Path, start: bytes) -> bool:
    try:
        with open(file, "rb") as opened:
            return opened.read(len(start)) == start
    except OSError:
        return False


def _verify(file: Path, desk: _Desk) -> Finding:
    kind, check = _kind(file)
    try:
        proves, not_proves = check(file, desk)
    except DemurError as error:
        return Finding(str(file), kind, refusal=f"{type(error).__name__}: {error}")
    except OSError as error:
        return Finding(str(file), kind, refusal=f"Unreadable: {error.strerror or error}")
    return Finding(str(file), kind, proves, not_proves)


_Check = Callable[[Path, _Desk], tuple[str, str]]


def _kind(file: Path) -> tuple[str, _Check]:
    if _looks_like(file, b"PAR1"):
        return "list entries", _check_entries
    if _looks_like(file, b"DEMURCT1"):
        return "consumed samples", _check_consumed
    if _looks_like(file, b'{"payload":'):
        return "signed statement", _check_envelope
    return "proof", _check_proof


def _check_envelope(file: Path, desk: _Desk) -> tuple[str, str]:
    data = file.read_bytes()
    payload_type, _ = peek_envelope(data)
    if payload_type == heads.PAYLOAD_TYPE:
        return _check_head(data, desk)
    if payload_type == records.PAYLOAD_TYPE:
        return _check_record(data, desk)
    raise UnknownFile(f"the envelope holds {payload_type!r}, which this command cannot judge")


def _check_head(data: bytes, desk: _Desk) -> tuple[str, str]:
    head = trusted.open_head(data, desk.keys)
    desk.heads.append(head)
    expired = f" It expired at {rfc3339(head.expires_at)}: do not train by it." if desk.now >= head.expires_at else ""
    return (
        f"The key holder signed version {head.version} of the exclusion list {head.list_id}: {head.total} entries with root {head.root}, "
        f"published {rfc3339(head.published_at)}, good until {rfc3339(head.expires_at)}.{expired}",
        "That this is the newest version, that the operator put everyone's opt-out in, or that anybody trained by it.",
    )


def _check_entries(file: Path, desk: _Desk) -> tuple[str, str]:
    digest = sha256_file(file)
    head = next((head for head in desk.heads if head.entries.sha256 == digest), None)
    if head is None:
        raise NothingToCompare("no verified list head among the files speaks of exactly these entries; give their head.dsse.json too")
    trusted.open_entries(file.read_bytes(), head)
    return (
        f"These are exactly the {head.total} entries of version {head.version} that were signed.",
        "That a photo without an entry was never opted out: an entry may be missing, or stand under another key of the same photo.",
    )


def _check_record(data: bytes, desk: _Desk) -> tuple[str, str]:
    record = RunRecord.parse(data, desk.keys)
    desk.records.append(record)
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


def _check_consumed(file: Path, desk: _Desk) -> tuple[str, str]:
    tree = ConsumedTree.open(file)
    tree.check()
    if not any((r.run_id, r.consumed.root, r.consumed.size) == (tree.run_id, tree.root, tree.size) for r in desk.records):
        raise NothingToCompare(f"no verified run record among the files commits to these {tree.size} samples; give the run's record too")
    return (
        f"These are exactly the {tree.size} samples that the record of the run {tree.run_id} commits to.",
        "That the run read nothing else.",
    )


def _check_proof(file: Path, desk: _Desk) -> tuple[str, str]:
    data = file.read_bytes()
    try:
        known = isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        known = False
    if not known:
        raise UnknownFile("this is no list head, run record, proof, entries file or file of consumed samples")
    proof = parse_proof(data)
    return _hold_against_records(proof, desk.records)


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

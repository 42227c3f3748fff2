"""Verifies documents and holds them against each other: signed ones first, so that the others can be held against what they name."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from demur.digests import NotJson, parse_json
from demur.errors import DemurError
from demur.exclusions import head as heads
from demur.exclusions import trusted
from demur.exclusions.entry_proof import FORMAT as ENTRY_PROOF_FORMAT
from demur.exclusions.entry_proof import EntryProof
from demur.exclusions.head import Head, UnknownKind
from demur.exclusions.history import History, read_newest
from demur.exclusions.rotation import ROTATIONS_LIMIT, Keyring
from demur.exclusions.sources import DirectorySource
from demur.fields import rfc3339
from demur.printing import brief
from demur.receipts import LogKind, Receipt, Statement
from demur.receipts.words import in_words
from demur.runs import record as records
from demur.runs.consumed import ConsumedTree
from demur.runs.proofs import ABSENCE_FORMAT, INCLUSION_FORMAT, MOST_VALUES, AbsenceProof, InclusionProof, parse_proof
from demur.runs.record import ListReference, RunRecord
from demur.signing import UnknownKey, VerifyKey, open_envelope, peek_envelope, signers_of
from demur.tlog.checkpoint import LogCheckpoint, WitnessKey
from demur.tlog.merkle import ProofRefused
from demur.trust import Role, Trust
from demur.vectors import head as vectors
from demur.verifying.cut_short import is_cut_short
from demur.verifying.documents import Document, Member
from demur.verifying.findings import (
    Answer,
    BadBundle,
    CutShort,
    Fact,
    FactKind,
    Finding,
    KeyNotGiven,
    NotHere,
    NothingToCompare,
    TooMuchWork,
    Unchecked,
    UnknownFile,
)


class NotWitnessed(Unchecked):
    """The reader asks for a witness that did not cosign the checkpoint."""


class SpentKey(DemurError):
    """The head is signed by another key than the list's rotations say for its version."""


class Contradiction(DemurError):
    """Two files are both signed, and cannot both be true: whoever signed them said different things to different people."""


_Verified = tuple[Fact, str, str, str]  # what it is about, what it proves and what not, and who signed it


@dataclass
class _Desk:
    """What has been verified so far: later documents are held against it, each with the key that signed it."""

    trust: Trust
    now: datetime
    entries: bool  # whether files of entries are read here
    rings: list[Keyring] = field(default_factory=list)  # of the lists whose key rotations are given
    heads: list[tuple[Head, str]] = field(default_factory=list)
    records: list[tuple[RunRecord, str, str]] = field(default_factory=list)  # with the digest of the envelope
    trees: dict[tuple[str, int], bytes] = field(default_factory=dict)  # (log, size) → root


_Check = Callable[[Document, _Desk], _Verified]


def verify_documents(
    documents: Sequence[Document], trust: Trust, now: datetime, *, entries: bool = True, is_over: Callable[[], bool] = lambda: False
) -> list[Finding]:
    """A finding for each document, in their order. Raises nothing.

    ``entries``: False where the bytes are strangers' and must not reach the reader of Parquet: then files of entries are not checked.
    ``is_over``: whether all the time that there is for these files is spent; what is left then is not checked, and says so.
    """
    desk = _Desk(trust, now, entries)
    kinds = [_kind(document) for document in documents]
    findings: dict[int, Finding] = {}
    for number in sorted(range(len(documents)), key=lambda number: kinds[number].rank):
        kind = kinds[number] if not is_over() else replace(kinds[number], check=_check_no_more)
        findings[number] = _verify(documents[number], kind, desk)
    return [findings[number] for number in range(len(documents))]


@dataclass(frozen=True)
class _Kind:
    """``rank``: what others are held against comes first. ``is_cut``: whether bytes of this kind broke off, where that can be seen in
    them. ``is_guessed``: whatever else begins so is of no kind."""

    name: str
    check: _Check
    rank: int
    is_cut: Callable[[bytes], bool] | None = None
    is_guessed: bool = False


def _verify(document: Document, kind: _Kind, desk: _Desk) -> Finding:
    """What breaks off proves nothing against whoever signed it. Only kinds that were read whole to be judged are read for that again."""
    finding = _judge(document, kind, desk)
    broken = finding.answer is Answer.FAILS or finding.error == UnknownFile.__name__
    if broken and kind.is_cut is not None and kind.is_cut(document.read()):
        return _unchecked(document, kind, CutShort("the file is cut short", _AGAIN), _AGAIN)
    return finding


def _judge(document: Document, kind: _Kind, desk: _Desk) -> Finding:
    try:
        fact, proves, not_proves, signed = kind.check(document, desk)
    except UnknownFile as error:
        return _unchecked(document, replace(kind, name="file") if kind.is_guessed else kind, error, error.remedy)
    except Unchecked as error:
        return _unchecked(document, kind, error, error.remedy)
    except UnknownKey as error:
        return _unchecked(document, kind, error, _GIVE_KEY)
    except (trusted.UnknownKeyKind, UnknownKind) as error:
        return _unchecked(document, kind, error, "Use a newer version of demur.")
    except DemurError as error:
        return Finding(brief(document.name), kind.name, Answer.FAILS, error=type(error).__name__, reason=brief(str(error)))
    except OSError as error:
        reason = f"it cannot be read: {error.strerror or error}"
        return Finding(
            brief(document.name), kind.name, Answer.UNCHECKED, error="Unreadable", reason=reason, remedy="Look whether it is there."
        )
    return Finding(brief(document.name), kind.name, Answer.HOLDS, brief(proves), not_proves, signed, fact)


def _unchecked(document: Document, kind: _Kind, error: DemurError, remedy: str) -> Finding:
    name, reason = type(error).__name__, brief(str(error))
    what = "zip file" if isinstance(error, BadBundle) else kind.name  # of what is damaged in a bundle nobody can say what it was
    return Finding(brief(document.name), what, Answer.UNCHECKED, error=name, reason=reason, remedy=remedy)


_AGAIN = "Get it again: it broke off on its way."
_GIVE_KEY = "Give the key of the one who signed it, if you trust them."
_COMMAND = "The demur command checks it: see “Without any website”."
_ASK_FOR = "Give a receipt (.json), a bundle of evidence (.zip), or a proof with what it is about."


def _kind(document: Document) -> _Kind:
    if isinstance(document.place, BadBundle):
        return _Kind("zip file", _check_nothing, 2)
    if isinstance(document.place, Path) and document.place.is_dir():
        return _Kind("list entries", _check_directory, 2)
    beginning = document.beginning(_LONGEST_START)
    if beginning == b"":
        return _Kind("empty file", _EMPTY, 2)
    return next((kind for starts, kind in _KINDS if beginning is not None and beginning.startswith(starts)), _unreadable(document))


def _unreadable(document: Document) -> "_Kind":
    return _Kind("file of a zip file" if isinstance(document.place, Member) else "file", _check_nothing, 2)


def _check_nothing(document: Document, desk: _Desk) -> _Verified:
    """Of a file that cannot be read. Raises BadBundle, OSError."""
    document.read()
    raise UnknownFile("it is none of the files that can be checked", _ASK_FOR)


def _check_no_more(document: Document, desk: _Desk) -> _Verified:
    raise TooMuchWork("the files before it took all the time that is spent on one request here", _COMMAND)


def _told_what(reason: str, remedy: str = _ASK_FOR) -> _Check:
    """For files that people give by mistake. Raises BadBundle where one is damaged in its zip file."""

    def check(document: Document, desk: _Desk) -> _Verified:
        if isinstance(document.place, Member):
            document.read()
        raise UnknownFile(reason, remedy)

    return check


def _check_envelope(document: Document, desk: _Desk) -> _Verified:
    data = document.read()
    payload_type, _ = peek_envelope(data)
    if payload_type == heads.PAYLOAD_TYPE:
        return _check_head(data, desk)
    if payload_type == records.PAYLOAD_TYPE:
        return _check_record(data, desk)
    if payload_type == vectors.PAYLOAD_TYPE:
        raise NotHere(
            "this is the head of a manifest's deletion vectors, which is verified together with its files", "Use `demur vectors show`."
        )
    raise UnknownFile(f"the envelope holds {payload_type!r}, which nothing here can judge", _ASK_FOR)


def _check_head(data: bytes, desk: _Desk) -> _Verified:
    head, key = _open_head(data, desk)
    signed = _by(Role.LIST, key)
    _refuse_other_root(ListReference.of(head), desk)
    desk.heads.append((head, signed))
    expired = f" It expired at {rfc3339(head.expires_at)}: do not train by it." if desk.now >= head.expires_at else ""
    return (
        Fact(FactKind.VERSION, of=head.list_id, version=head.version),
        f"The key holder signed version {head.version} of the exclusion list {head.list_id}: {head.total} entries with root {head.root}, "
        f"published {rfc3339(head.published_at)}, good until {rfc3339(head.expires_at)}.{expired}",
        "That this is the newest version, that the operator put everyone's opt-out in, or that anybody trained by it.",
        signed,
    )


def _check_entries(document: Document, desk: _Desk) -> _Verified:
    if not desk.entries:
        raise NotHere("this is a file of the list's entries", _COMMAND)
    with document.open() as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        known = next(((head, by) for head, by in desk.heads if (head.entries.sha256, head.entries.version) == (digest, head.version)), None)
        if known is None:
            raise NothingToCompare(
                "no verified list head among the files speaks of exactly these entries", "Give their version's head.dsse.json too."
            )
        head, signed = known
        file.seek(0)
        trusted.check_entries(trusted.open_whole(file, head), head)
    return _exactly_the_entries(head, signed)


def _check_directory(document: Document, desk: _Desk) -> _Verified:
    """The newest version's entries, from a whole file and the deltas that follow. Keys of other lists are passed over."""
    source = DirectorySource(Path(str(document.place)))
    refusals: list[DemurError] = []
    for key in desk.trust.lists:
        try:
            head, keys = read_newest(source, key)
        except trusted.UnknownKey as error:
            refusals.append(error)
            continue
        return _exactly_the_entries(History(source, keys).read(head).head, _by(Role.LIST, keys.key_of(head.version)))
    raise refusals[0] if refusals else KeyNotGiven("a list directory is verified by the list's key", "Give the list's key.")


def _exactly_the_entries(head: Head, signed: str) -> _Verified:
    return (
        Fact(FactKind.ENTRIES, of=head.list_id, version=head.version),
        f"These are exactly the {head.total} entries of version {head.version} that were signed.",
        "That a photo without an entry was never opted out: an entry may be missing, or be under another key of the same photo.",
        signed,
    )


def _check_rotations(document: Document, desk: _Desk) -> _Verified:
    ring = Keyring.read(document.read(ROTATIONS_LIMIT))
    given = next((key for key in desk.trust.lists if key in ring.keys), None)
    if given is None:
        raise KeyNotGiven("none of the keys given for exclusion lists ever signed this list", _GIVE_KEY)
    desk.rings.append(ring)
    last = ring.rotations[-1]
    return (
        Fact(FactKind.ROTATIONS, of=last.list_id, version=last.from_version),
        f"The key of the list {last.list_id} was changed {last.number} times, each time by a statement that the old key and the new one "
        f"signed: from version {last.from_version} on, {last.new} signs it.",
        "That no older key fell into other hands: a new key protects only what is signed by it.",
        _by(Role.LIST, given),
    )


def _open_head(data: bytes, desk: _Desk) -> tuple[Head, VerifyKey]:
    """By the key of its version where the list's rotations are given, else by any key given for lists. Names the key."""
    list_id = Head.parse(peek_envelope(data)[1]).list_id
    ring = next((ring for ring in desk.rings if ring.rotations[-1].list_id == list_id), None)
    if ring is not None:
        key = ring.key_of(Head.parse(peek_envelope(data)[1]).version)
        try:
            return trusted.open_head(data, [key]), key
        except UnknownKey as error:
            raise SpentKey(f"this version of the list is not signed by the key that signs it: {error}") from error
    try:
        return trusted.open_head(data, desk.trust.lists), open_envelope(data, heads.PAYLOAD_TYPE, desk.trust.lists).signer
    except UnknownKey as error:
        raise _not_given(data, Role.LIST, desk) from error


def _check_record(data: bytes, desk: _Desk) -> _Verified:
    try:
        record, key = RunRecord.parse(data, desk.trust.runs), open_envelope(data, records.PAYLOAD_TYPE, desk.trust.runs).signer
    except UnknownKey as error:
        raise _not_given(data, Role.RUN, desk) from error
    digest, signed = hashlib.sha256(data).hexdigest(), _by(Role.RUN, key)
    _refuse_other_record(record.run_id, digest, desk)
    desk.records.append((record, digest, signed))
    used = record.exclusion_list
    by = f"filtered by version {used.version} of the exclusion list {used.list_id}" if used else "not filtered by any exclusion list"
    return (
        Fact(FactKind.RUN, record.run_id, record.name, used.version if used else 0, used.list_id if used else ""),
        f"The key holder states that the run {record.name} ({record.run_id}) consumed {record.consumed.size} samples, {by}, "
        f"and made the weights {record.weights_digest}. Nothing in the statement was changed since it was signed.",
        "That the statement is true. Only training it again could show that; a signature shows only who said it.",
        signed,
    )


def _not_given(data: bytes, role: Role, desk: _Desk) -> KeyNotGiven:
    """Says who signed, and for what else the reader trusts that one."""
    signers = signers_of(data)
    others = sorted({other.signs for signer in signers for other in desk.trust.roles_of(signer)} - {role.signs})
    name = ", ".join(signers)
    if others:
        return KeyNotGiven(f"it is signed by {name}, which you trust for {' and '.join(others)}, not for {role.signs}", _OTHER_ROLE)
    return KeyNotGiven(f"it is signed by {name}, whose key was not given for {role.signs}", _GIVE_KEY)


_OTHER_ROLE = "Do not rely on it, unless that key may sign this, too: then give it for both."


def _check_receipt(document: Document, desk: _Desk) -> _Verified:
    receipt = Receipt.parse(document.read())
    _, key = _open_checkpoint(receipt.checkpoint, desk)
    statement, checkpoint = receipt.verify(key)
    seen = _remember_tree(checkpoint, desk)
    _hold_statement(statement, desk)
    proves, not_proves = in_words(statement, receipt.leaf_index, checkpoint.origin, checkpoint.size)
    listed = statement.exclusion_list
    about = f"version {listed.version}" if listed else ", ".join(statement.photos)
    subject = statement.reference or statement.run_name or about
    fact = Fact(FactKind.RECEIPT, subject, checkpoint.origin, listed.version if listed else 0, statement.kind.value)
    return fact, proves + seen, not_proves, _by(Role.LOG, key)


def _check_checkpoint(document: Document, desk: _Desk) -> _Verified:
    try:
        text = document.read().decode()
    except UnicodeDecodeError as error:
        raise UnknownFile(_UNKNOWN, _ASK_FOR) from error
    if "\n\n— " not in text:
        raise UnknownFile(_UNKNOWN, _ASK_FOR)
    checkpoint, key = _open_checkpoint(text, desk)
    seen = _remember_tree(checkpoint, desk)
    return (
        Fact(FactKind.CHECKPOINT, of=checkpoint.origin),
        f"The log {checkpoint.origin} had {checkpoint.size} leaves with the root {checkpoint.root.hex()}.{seen}",
        "That everyone is shown the same log: a witness, or another reader's checkpoint, shows that.",
        _by(Role.LOG, key),
    )


def _open_checkpoint(text: str, desk: _Desk) -> tuple[LogCheckpoint, VerifyKey]:
    """Raises BadCheckpoint, KeyNotGiven, BadSignature."""
    try:
        return LogCheckpoint.open_by_any(text, desk.trust.logs)
    except UnknownKey as error:
        others = sorted({role.signs for line in LogCheckpoint.parse(text).signatures for role in desk.trust.roles_of(line.key_id)})
        if Role.WITNESS.signs in others:
            others.remove(Role.WITNESS.signs)
        trusted_for = f", which you trust for {' and '.join(others)}, not for logs" if others else ", whose key was not given for logs"
        origin = LogCheckpoint.parse(text).origin
        raise KeyNotGiven(f"it is signed by the log {origin}{trusted_for}", _OTHER_ROLE if others else _GIVE_KEY) from error


def _by(role: Role, key: VerifyKey) -> str:
    return f"{role} {key}"


def _remember_tree(checkpoint: LogCheckpoint, desk: _Desk) -> str:
    """Holds a checkpoint against others and witnesses, and says who saw it. Raises Contradiction, Unchecked, BadSignature."""
    root = desk.trees.setdefault((checkpoint.origin, checkpoint.size), checkpoint.root)
    if root != checkpoint.root:
        raise Contradiction(f"the log {checkpoint.origin} signed two different trees of {checkpoint.size} leaves: it is forked")
    return "".join(f" {witness.name} saw this tree at {_seen(checkpoint, witness)}." for witness in desk.trust.witnesses)


def _seen(checkpoint: LogCheckpoint, witness: WitnessKey) -> str:
    try:
        return rfc3339(checkpoint.seen_at(witness))
    except UnknownKey as error:
        raise NotWitnessed(f"its checkpoint is not cosigned by {witness.key_id}", "Check it without that witness's key.") from error


def _hold_statement(statement: Statement, desk: _Desk) -> None:
    """Raises Contradiction."""
    if statement.kind is LogKind.RUN_RECORDED:
        _refuse_other_record(statement.run_id, statement.record_digest, desk)
    if statement.exclusion_list is not None:
        _refuse_other_root(statement.exclusion_list, desk)


def _refuse_other_record(run_id: str, digest: str, desk: _Desk) -> None:
    if any(record.run_id == run_id and known != digest for record, known, _ in desk.records):
        raise Contradiction(f"another record of the run {run_id} is signed, too")


def _refuse_other_root(listed: ListReference, desk: _Desk) -> None:
    if any((head.list_id, head.version) == (listed.list_id, listed.version) and head.root != listed.root for head, _ in desk.heads):
        raise Contradiction(f"version {listed.version} of the list {listed.list_id} is signed with another root, too")


def _check_consumed(document: Document, desk: _Desk) -> _Verified:
    if not isinstance(document.place, Path):
        raise NotHere("these are a run's consumed samples, which are verified from a file of their own", _COMMAND)
    tree = ConsumedTree.open(document.place)
    tree.check()
    found = (tree.run_id, tree.root, tree.size)
    known = next(((r, by) for r, _, by in desk.records if (r.run_id, r.consumed.root, r.consumed.size) == found), None)
    if known is None:
        raise NothingToCompare(f"no verified run record among the files commits to these {tree.size} samples", "Give the run's record too.")
    return (
        Fact(FactKind.SAMPLES, subject=tree.run_id, of=known[0].name),
        f"These are exactly the {tree.size} samples that the record of the run {tree.run_id} commits to.",
        "That the run read nothing else.",
        known[1],
    )


_UNKNOWN = "it is no list head, run record, receipt, checkpoint, proof, entries file or file of consumed samples"


def _check_proof(document: Document, desk: _Desk) -> _Verified:
    data = document.read()
    try:
        told = parse_json(data, MOST_VALUES)
    except NotJson as error:
        raise UnknownFile(_UNKNOWN, _ASK_FOR) from error
    format_ = told.get("format") if isinstance(told, dict) else None
    if format_ == ENTRY_PROOF_FORMAT:
        return _check_entry_proof(EntryProof.from_json(data), desk)
    if format_ in (INCLUSION_FORMAT, ABSENCE_FORMAT):
        return _hold_against_records(parse_proof(data), desk)
    raise UnknownFile(_UNKNOWN, _ASK_FOR)


def _check_entry_proof(proof: EntryProof, desk: _Desk) -> _Verified:
    known = next(((head, by) for head, by in desk.heads if (head.list_id, head.version) == (proof.list_id, proof.version)), None)
    if known is None:
        about = f"the proof is about version {proof.version} of the list {proof.list_id}"
        raise NothingToCompare(f"{about}, whose head is not among the files that hold", "Give that version's head.dsse.json too.")
    head, signed = known
    proof.verify(head)
    return (
        Fact(FactKind.EXCLUDED, proof.entry.key, head.list_id, head.version, proof.entry.kind.value),
        f"Version {head.version} of the exclusion list {head.list_id} excludes every sample whose {proof.entry.kind} is {proof.entry.key}.",
        "That a training run obeyed this version: its record and an absence proof show that.",
        signed,
    )


def _hold_against_records(proof: InclusionProof | AbsenceProof, desk: _Desk) -> _Verified:
    known = next(((record, by) for record, _, by in desk.records if record.run_id == proof.run_id), None)
    if known is None:
        about = f"the proof is about the run {proof.run_id}"
        raise NothingToCompare(f"{about}, whose record is not among the files that hold", "Give that run's record too.")
    record, signed = known
    try:
        proof.verify(record.consumed.root, record.consumed.size, record.run_id, proof.uid)
    except ProofRefused as error:
        raise ProofRefused(f"{error}; it proves nothing about {proof.uid}") from error
    if isinstance(proof, InclusionProof):
        used = f"The run {record.name} consumed the sample {proof.uid}: it says so itself."
        return Fact(FactKind.USED, proof.uid, record.name), used, "How much the sample shaped the weights.", signed
    return (
        Fact(FactKind.ABSENT, proof.uid, record.name),
        f"The sample {proof.uid} is not among the {record.consumed.size} samples that the record of the run {record.name} commits to.",
        "That no copy of the photo was consumed under another uid, or that the run read nothing beyond what its record commits to. "
        "That the samples are in order is taken from the record's maker, unless consumed.bin is verified as well.",
        signed,
    )


_EMPTY = _told_what("the file is empty", "Get it again.")
_PDF = _told_what(
    "it is a PDF, such as a printed receipt: paper and PDF cannot be checked",
    "Scan the code on it, or give the receipt’s file (.json) from the page that it leads to.",
)
_PICTURE = _told_what("it is a picture, and a picture proves nothing here", "Give a receipt (.json) or a bundle of evidence (.zip).")
_PAGE = _told_what("it is a web page", "On the receipt’s page, use “Download the receipt”, and give that file.")
_KEYS = _told_what("these are keys, and keys are not checked but checked by", "Give them as the keys that you trust, after comparing them.")
_NESTED = _told_what("it is a zip file inside another one", "Unpack the outer one, and give this one by itself.")
_KINDS: Sequence[tuple[tuple[bytes, ...], _Kind]] = (
    ((b'[{"payload":',), _Kind("key rotations", _check_rotations, -1, is_cut_short)),
    ((b'{"payload":',), _Kind("signed statement", _check_envelope, 0, is_cut_short)),
    ((b'{"checkpoint":',), _Kind("receipt", _check_receipt, 1, is_cut_short)),  # canonical JSON begins a receipt like that
    ((b"PAR1",), _Kind("list entries", _check_entries, 2)),
    ((b"DEMURCT1",), _Kind("consumed samples", _check_consumed, 2)),
    ((b"{", b"["), _Kind("proof", _check_proof, 2, is_cut_short, is_guessed=True)),
    ((b"%PDF",), _Kind("PDF document", _PDF, 2)),
    ((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF"), _Kind("picture", _PICTURE, 2)),
    ((b"<!DOCTYPE", b"<!doctype", b"<html"), _Kind("web page", _PAGE, 2)),
    (tuple(f"{role} ".encode() for role in Role), _Kind("keys", _KEYS, 2)),
    ((b"PK",), _Kind("zip file", _NESTED, 2)),
    (
        (b"",),
        _Kind("checkpoint", _check_checkpoint, 2, lambda data: b"\n\n\xe2\x80\x94 " in data and not data.endswith(b"\n"), is_guessed=True),
    ),
)
_LONGEST_START = max(len(start) for starts, _ in _KINDS for start in starts)

"""Evidence: what was stated and proved about a person's photos, as the files of one bundle that `demur verify` checks offline.

Kinds are never mixed up: *receipts* say what the operator stated, *entry proofs* that a version of the list excludes a photo, *absence* and
*inclusion proofs* whether a run's signed record says that it used it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, undefer

from demur.digests import canonical_json
from demur.exclusions import Entry, KeyKind
from demur.exclusions.entry_proof import EntryProver
from demur.exclusions.history import History, read_keys
from demur.exclusions.rotation import ROTATIONS_FILE
from demur.exclusions.sources import DirectorySource
from demur.exclusions.writer import HEAD_FILE
from demur.receipts import LogKind
from demur.runs import ConsumedTree, InclusionProof
from demur.signing import VerifyKey
from demur.tlog.reader import LogReader
from demur.trust import Trust
from models import LogEntry, OptOut, OptOutScope, TrainingRun
from rights.artefacts import RECORD_FILE, RunArtefacts
from rights.catalogues import Catalogues
from rights.list_versions import newest_version
from rights.listed import Listed, listed
from rights.owned import OwnedPhoto, find_owned, owned_photos
from rights.photo import Photo, RunRef
from rights.photos import run_ref
from rights.receipts import receipt
from rights.runs import recorded_runs
from rights.standing import Standing, standing_opt_outs
from rights.used import RunWord, Spans, used_or_absent

File = tuple[str, bytes]
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class RunLine:
    run: RunRef
    word: RunWord


def run_lines(photo: Photo, runs: Sequence[TrainingRun]) -> list[RunLine]:
    """What is true of a photo and each recorded run, newest run first."""
    used = {ref.public_id for ref in photo.runs}
    refs = [run_ref(run) for run in reversed(runs)]
    return [RunLine(ref, used_or_absent(ref, photo.named, ref.public_id in used)) for ref in refs]


@dataclass(frozen=True)
class RunSum:
    """How many of a person's photos a recorded run used, left out as the list told it, and did not use otherwise."""

    run: TrainingRun
    words: dict[RunWord, int]

    @property
    def used(self) -> int:
        return self.words[RunWord.CONTAINS]


@dataclass(frozen=True)
class EvidenceSum:
    """What is true of all of a person's photos together.

    ``excluded`` of the ``photos`` are in the exclusion list: the first since version ``first``, the last since version ``last`` (both None
    when none is). ``runs``: each recorded run, newest first.
    """

    photos: int
    excluded: int
    first: int | None
    last: int | None
    runs: tuple[RunSum, ...]


def sum_evidence(session: Session, catalogues: Catalogues, runs: RunArtefacts, owners: Sequence[str]) -> EvidenceSum:
    photos = owned_photos(session, catalogues, owners)
    standing, uids = standing_opt_outs(session, owners), [photo.uid for photo in photos]
    since = [standing.listed_since(photo.owner, photo.uid) for photo in photos]
    found = listed(session, owners, uids)
    named = [found.of(photo.owner, photo.uid) for photo in photos]
    sums = (_run_sum(run, named, runs.consumed(run, uids).tolist()) for run in reversed(recorded_runs(session)))
    today = [version for version in since if version is not None]
    return EvidenceSum(len(photos), len(today), min(today, default=None), max(today, default=None), tuple(sums))


def _run_sum(run: TrainingRun, named: Sequence[Spans], consumed: Sequence[bool]) -> RunSum:
    words = dict.fromkeys(RunWord, 0)
    for spans, used in zip(named, consumed, strict=True):
        words[used_or_absent(run, spans, used)] += 1
    return RunSum(run, words)


@dataclass(frozen=True)
class Archive:
    """Where evidence is read from, and the keys that it is verified by."""

    catalogues: Catalogues
    runs: RunArtefacts
    list_dir: Path
    list_key: VerifyKey
    log: LogReader
    run_signers: tuple[VerifyKey, ...]

    @property
    def trust(self) -> Trust:
        """What the bundle is verified by, each key for its role."""
        return Trust((self.list_key,), (self.log.key,), self.run_signers)


@dataclass(frozen=True)
class Evidence:
    """``papers``: what is there already. Proofs, of which there may be tens of thousands, are made while the bundle is read."""

    papers: tuple[File, ...]
    photos: tuple[OwnedPhoto, ...]
    versions: tuple[int, ...]
    runs: tuple[tuple[str, ConsumedTree], ...]
    history: History

    def files(self) -> Iterator[File]:
        yield from self.papers
        for head, entries in self.history.each(self.versions):
            yield from self._entry_proofs(EntryProver(head, entries), head.version)
        for name, tree in self.runs:
            for number, photo in enumerate(self.photos, start=1):
                proof = tree.proof(photo.uid)
                word = "used" if isinstance(proof, InclusionProof) else "absent"
                yield f"{name}/{word}-{_label(number, photo)}.json", proof.to_json().encode()

    def _entry_proofs(self, prover: EntryProver, version: int) -> Iterator[File]:
        for number, photo in enumerate(self.photos, start=1):
            proof = prover.prove([Entry(KeyKind.UID, photo.uid), Entry(KeyKind.OWNER, photo.owner)])
            if proof is not None:
                yield f"{_of_version(version)}/excluded-{_label(number, photo)}.json", proof.to_json().encode()


def gather_evidence(session: Session, archive: Archive, owners: Sequence[str], uid: str | None = None) -> Evidence:
    """Everything about one photo of a person, or about all of theirs. Raises PhotoNotFound, demur errors for damaged files, OSError."""
    catalogues = archive.catalogues
    photos = owned_photos(session, catalogues, owners) if uid is None else find_owned(session, catalogues, owners, [uid])
    runs = recorded_runs(session)
    standing = standing_opt_outs(session, owners, None if uid is None else [uid])
    versions = _versions(session, runs, photos, listed(session, owners, [photo.uid for photo in photos]))
    source = DirectorySource(archive.list_dir)
    papers = [
        ("README.txt", _README.encode()),
        ("keys.txt", archive.trust.to_text().encode()),
        ("photos.json", canonical_json({photo.uid: photo.caption for photo in photos})),
        *_receipts(session, archive.log, owners, None if uid is None else _requests(standing, photos[0])),
        *_rotations(archive.list_dir),
        *_of_log(session, archive.log, LogKind.LIST_PUBLISHED, [(_of_version(version), version) for version in versions]),
        *((f"{_of_version(version)}/{HEAD_FILE}", source.read(f"versions/{version}/{HEAD_FILE}", 1 << 16)) for version in versions),
        *_of_log(session, archive.log, LogKind.RUN_RECORDED, [(_of_run(run), run.id) for run in runs]),
        *((f"{_of_run(run)}/{RECORD_FILE}", archive.runs.record(run)) for run in runs),
    ]
    trees = tuple((_of_run(run), archive.runs.consumed_tree(run)) for run in runs)
    history = History(source, read_keys(source, archive.list_key))
    return Evidence(tuple(papers), tuple(photos), tuple(versions), trees, history)


def _versions(session: Session, runs: Sequence[TrainingRun], photos: Sequence[OwnedPhoto], named: Listed) -> list[int]:
    """The list versions that matter: those that runs obeyed, and the newest, from the first one on that named any of the photos."""
    since = [span.since for photo in photos for span in named.of(photo.owner, photo.uid)]
    newest = newest_version(session)
    if not since or newest is None:
        return []
    obeyed = {run.list_version for run in runs if run.list_version is not None}
    return sorted(version for version in {*obeyed, newest.version} if version >= min(since))


def _requests(standing: Standing, photo: OwnedPhoto) -> ColumnElement[bool]:
    """Condition: the opt-out names the photo or everything of its owner, or stands and reaches it as a copy."""
    reaching = [ref.public_id for ref in standing.of(photo.owner, photo.uid)]
    return or_(OptOut.scope == OptOutScope.OWNER, OptOut.subject == photo.uid, OptOut.public_id.in_(reaching))


def _receipts(session: Session, log: LogReader, owners: Sequence[str], about: ColumnElement[bool] | None) -> Iterator[File]:
    """The receipts of the person's requests, or of those some of whose opt-outs are about what is asked for."""
    named = select(OptOut.request_id).where(OptOut.owner.in_(owners))
    if about is not None:
        named = named.where(about)
    entries = select(LogEntry).where(LogEntry.request_id.in_(named)).order_by(LogEntry.id).options(undefer(LogEntry.envelope))
    for number, entry in enumerate(session.scalars(entries), start=1):
        given = receipt(log, entry)
        if given is not None:
            yield f"receipts/{number:04d}-{entry.kind.value}.json", given.to_json()


def _of_log(session: Session, log: LogReader, kind: LogKind, places: Sequence[tuple[str, int]]) -> Iterator[File]:
    """The receipts of list versions, or of runs."""
    column = LogEntry.list_version if kind is LogKind.LIST_PUBLISHED else LogEntry.run_id
    known = select(LogEntry).where(LogEntry.kind == kind, column.in_([number for _, number in places])).options(undefer(LogEntry.envelope))
    entries = {entry.list_version if kind is LogKind.LIST_PUBLISHED else entry.run_id: entry for entry in session.scalars(known)}
    for name, number in places:
        given = receipt(log, entries[number]) if number in entries else None
        if given is not None:
            yield f"{name}/receipt.json", given.to_json()


def _rotations(list_dir: Path) -> Iterator[File]:
    """What leads from the list's present key to those that signed older versions."""
    path = list_dir / ROTATIONS_FILE
    if path.exists():
        yield f"exclusion-list/{ROTATIONS_FILE}", path.read_bytes()


def _of_version(version: int) -> str:
    return f"exclusion-list/version-{version}"


def _of_run(run: TrainingRun) -> str:
    return f"runs/{_UNSAFE.sub('-', run.name)}-{run.public_id}"


def _label(number: int, photo: OwnedPhoto) -> str:
    return f"{number:05d}-{_UNSAFE.sub('-', photo.uid)[:40]}"


_README = """What is in this bundle

receipts/         what the operator stated about your opt-outs, with the proof that its log holds it
exclusion-list/   for each version of the exclusion list that matters: its signed head, its receipt,
                  and proofs that it excludes your photos (excluded-...)
runs/             for each training run: its signed record, its receipt, and for each of your photos the
                  proof that it was not used (absent-...) or that it was (used-...)
photos.json       what each photo's caption is, for whoever reads this; nothing in it is proved
keys.txt          the keys by which all of this is signed, each with what it may sign

Check it without the portal, and without a network, by the demur command, which the portal's page
"Check a receipt" says how to install:

    demur verify BUNDLE.zip --keys keys.txt

But compare the lines of keys.txt first with what others were given: a key that comes with the evidence
proves only that nothing was changed since it was signed.

What it does not prove: that no copy of a photo was used under another name, or that a run used nothing
beyond what its signed record says. Only training it again could show that.
"""

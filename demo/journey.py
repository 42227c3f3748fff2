"""`python -m demo.journey`: one opt-out's whole way, without a window, on real photos. The last line is JSON.

A manifest is imported, run 1 trains on it, a member signs in, looks a photo up, opts photos out, the platform deletes one and makes one
private, the signed list follows, run 2 pulls it and trains without them, and proofs and receipts are checked as a stranger would.
"""

import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
from sqlalchemy import select

from config import Config
from demo.pictures import NoPictures, stamps
from demo.platform import happening, tell
from demo.platform_photos import Photo, write_platform
from demo.seed import CACHE
from demo.settings import DemoDirectory
from demo.stage import Stage, StageFailed, command, set_up, until
from demo.visitor import Lost, Visitor
from demur.exclusions import ExclusionList
from demur.exclusions.trusted import Unreachable
from demur.manifests import Catalogue
from demur.runs import AbsenceProof, ConsumedTree, RunRecord
from demur.signing import SigningKey, VerifyKey
from models import Manifest, OptOut, OptOutMatch, RunState, TrainingRun, make_engine, make_sessions
from rights.artefacts import CONSUMED_FILE, RECORD_FILE

TIER = "tests"
EVERY = 3  # of Debian's pictures, every third
MEMBER = "amara.okafor"
CHOSEN = 24
LIST_S = 60
SEARCH_S = 180
TRAIN_S = 600


class JourneyFailed(Exception):
    """Something along the way is not as it must be."""


@dataclass(frozen=True)
class Outcome:
    photos_opted_out: int
    in_run_before: int
    in_run_after: int
    near_duplicates_excluded: int
    private_rows_imported: int
    absence_proofs_verified: int
    evidence_verified: int
    list_version: int
    click_to_list_s: float
    seconds: float


@dataclass(frozen=True)
class Run:
    """A recorded run, as the portal hands it out."""

    public_id: str
    record: RunRecord
    consumed: ConsumedTree
    directory: Path


class Journey:
    def __init__(self, stage: Stage, photos: Sequence[Photo], started: float) -> None:
        self._stage, self._photos, self._started = stage, photos, started
        self._sessions = make_sessions(make_engine(stage.config.database))

    def walk(self) -> Outcome:
        catalogue = self._import()
        private = self._private_rows(catalogue)
        first = self._train("Run 1")
        member = Visitor(self._stage.config.base_url)
        chosen = self._choose(member, first)
        self._look_up(member, chosen[0])
        token = str(self._stage.flask("token", "create", "trainer", "--scope", "list:read")["token"])
        clicked = self._opt_out(member, chosen)
        exclusion_list = self._await_list(token, chosen)
        click_to_list_s = round(time.monotonic() - clicked, 2)
        self._say(f"version {exclusion_list.head.version} of the exclusion list, {click_to_list_s} s after the click")
        told = self._platform_tells()
        exclusion_list = self._await_list(token, [*chosen, *told.values()])
        self._say(f"version {exclusion_list.head.version} holds the deleted photo and the one made private")
        copies = until("the search for copies", lambda: self._copies(chosen), SEARCH_S)
        exclusion_list = self._await_list(token, [*chosen, *told.values(), *copies])
        self._say(f"{len(copies)} near duplicates of other members are in it, too: edited copies")
        second = self._train("Run 2")
        self._filter_agrees(catalogue, token, second)
        proofs = self._check_proofs(member, chosen, second) + sum(
            self._check_proofs(self._signed_in(owner), [uid], second) for owner, uid in told.items()
        )
        self._say(f"{proofs} absence proofs verified against the signed record of run 2")
        papers = self._check_evidence(member)
        self._say(f"{papers} receipts, signed heads, records and proofs of the member's bundle verified, each against the others")
        out = [*chosen, *told.values()]
        return Outcome(
            photos_opted_out=len(out),
            in_run_before=_count(first, out),
            in_run_after=_count(second, [*out, *copies]),
            near_duplicates_excluded=_count(first, copies),
            private_rows_imported=private,
            absence_proofs_verified=proofs,
            evidence_verified=papers,
            list_version=exclusion_list.head.version,
            click_to_list_s=click_to_list_s,
            seconds=round(time.monotonic() - self._started, 1),
        )

    @property
    def _config(self) -> Config:
        return self._stage.config

    def _say(self, sentence: str) -> None:
        print(f"{time.monotonic() - self._started:6.1f} s  {sentence}", flush=True)

    def _import(self) -> Catalogue:
        facts = self._stage.flask("manifest", "import", str(DemoDirectory.of(self._config).photos), "--name", "lantern")
        self._say(f"manifest imported: {facts['rows']} photos, {sum(facts['rejected'].values())} rows refused")
        with self._sessions() as session:
            name = session.scalars(select(Manifest.catalogue)).one()
        return Catalogue.open(self._config.catalogues_dir / name)

    def _private_rows(self, catalogue: Catalogue) -> int:
        hidden = [photo.uid for photo in self._photos if photo.visibility != "public"]
        _require(bool(hidden), "the platform has photos that are not public")
        return int((catalogue.find_uids(hidden) >= 0).sum())

    def _train(self, name: str) -> Run:
        self._stage.flask("runs", "start", name, "--tier", TIER)
        run = until(f"the training of {name}", lambda: self._ended(name), TRAIN_S)
        _require(run.state is RunState.RECORDED, f"{name} was recorded ({run.failure_reason})")
        directory = self._config.runs_dir / run.directory
        envelope = Visitor(self._config.base_url).visit(f"/runs/{run.public_id}/record.json").encode()
        record = RunRecord.parse(envelope, [self._run_key()])
        version = record.exclusion_list.version if record.exclusion_list else "none: none was published yet"
        self._say(f"{name} trained on {record.consumed.size} photos, with list version {version}")
        return Run(run.public_id, record, ConsumedTree.open(directory / CONSUMED_FILE), directory)

    def _ended(self, name: str) -> TrainingRun | None:
        with self._sessions() as session:
            ended = (RunState.RECORDED, RunState.FAILED)
            return session.scalar(select(TrainingRun).where(TrainingRun.name == name, TrainingRun.state.in_(ended)))

    def _signed_in(self, owner: str) -> Visitor:
        visitor = Visitor(self._config.base_url)
        visitor.sign_in(owner)
        return visitor

    def _choose(self, member: Visitor, run: Run) -> list[str]:
        """What the member ticks on the page of their photos that are in the run."""
        member.sign_in(MEMBER)
        member.visit(f"/photos?run={run.public_id}")
        chosen = member.choices()[:CHOSEN]
        owned = {photo.uid for photo in self._photos if photo.owner == MEMBER}
        _require(bool(chosen) and set(chosen) <= owned, "the page offers the member's own photos")
        self._say(f"{MEMBER} signed in at the provider and chose {len(chosen)} photos that run 1 used")
        return chosen

    def _look_up(self, member: Visitor, uid: str) -> None:
        photo = next(photo for photo in self._photos if photo.uid == uid)
        stranger = Visitor(self._config.base_url)
        for visitor in (member, stranger):
            visitor.visit("/lookup")
            with (DemoDirectory.of(self._config).photos / photo.path).open("rb") as picture:
                answer = visitor.send("/lookup", {}, files={"picture": ("picture.jpg", picture)})
            _require("Yes, it is in a training list" in answer, "looking a picture up finds it")
            _require((uid in answer) is (visitor is member), "only the owner sees which photo it is")
        self._say("looked one of them up by upload: its owner sees the photo, a stranger learns yes")

    def _opt_out(self, member: Visitor, chosen: Sequence[str]) -> float:
        """Files through the grid and the check page; returns when the last button was clicked."""
        member.visit("/photos")
        member.send("/opt-outs/check", {"uid": chosen})
        clicked = time.monotonic()
        member.send("/opt-outs", {"uid": chosen, "regime": "gdpr"})
        _require("/requests/" in member.page.url, "filing leads to the request's page")
        return clicked

    def _await_list(self, token: str, uids: Sequence[str]) -> ExclusionList:
        return until("the photos' arrival in the exclusion list", lambda: self._list_with(token, uids), LIST_S)

    def _list_with(self, token: str, uids: Sequence[str]) -> ExclusionList | None:
        """The newest list, pulled over HTTP and verified, if it names all these uids."""
        try:
            pulled = ExclusionList.open(self._list_url(), key=self._list_key(), token=token)
        except Unreachable:  # nothing published yet
            return None
        named = {entry.key for entry in pulled.entries if entry.kind == "uid"}
        return pulled if named >= set(uids) else None

    def _platform_tells(self) -> dict[str, str]:
        """One photo is deleted and one made private; returns owner and uid of each."""
        told = {}
        for name in ("delete", "make-private"):
            event, _ = happening(self._config, name, datetime.now(UTC))
            tell(self._config.base_url, self._config.webhook_secret, event)
            told[event.owner] = event.uid
        self._say("the platform told of one photo deleted and one made private, by signed webhook")
        return told

    def _copies(self, chosen: Sequence[str]) -> list[str] | None:
        """Photos of other members that the opt-outs reached by themselves; None while some are still searched for."""
        with self._sessions() as session:
            if session.scalar(select(OptOut.id).where(OptOut.owner == MEMBER, OptOut.propagated_at.is_(None)).limit(1)):
                return None
            reached = select(OptOutMatch.uid).where(OptOutMatch.kind == "confirmed", OptOutMatch.owner != MEMBER).distinct()
            return [uid for uid in session.scalars(reached) if uid not in chosen]

    def _filter_agrees(self, catalogue: Catalogue, token: str, run: Run) -> None:
        """`demur filter` on the same manifest keeps exactly what the run consumed."""
        out = self._config.data_dir / "kept.parquet"
        options = ["--list", self._list_url(), "--key", str(self._list_key()), "--token", token, "--out", str(out)]
        command(sys.executable, "-m", "demur", "filter", str(catalogue.path), *options)
        kept = pq.read_table(out, columns=["uid"]).column("uid").to_pylist()
        _require(_count(run, kept) == len(kept) == run.record.consumed.size, "demur filter keeps what run 2 consumed")
        self._say(f"demur filter keeps the same {len(kept)} photos of the manifest")

    def _check_proofs(self, member: Visitor, uids: Sequence[str], run: Run) -> int:
        """Verifies the proofs that the member downloads; returns how many."""
        consumed = run.record.consumed
        for uid in uids:
            proof = AbsenceProof.from_json(member.visit(f"/photos/{uid}/proof/{run.public_id}.json"))
            proof.verify(consumed.root, consumed.size, run.record.run_id, uid)
        command(sys.executable, "-m", "demur", "verify", str(run.directory / RECORD_FILE), "--run-key", str(self._run_key()))
        return len(uids)

    def _check_evidence(self, member: Visitor) -> int:
        """Verifies the whole bundle that the member downloads, offline; returns how many files it holds."""
        bundle = self._config.data_dir / "evidence.zip"
        bundle.write_bytes(member.fetch("/evidence/bundle.zip"))
        given = {"--list-key": self._list_key(), "--log-key": self._log_key(), "--run-key": self._run_key()}
        keys = [part for option, key in given.items() for part in (option, str(key))]
        told = json.loads(command(sys.executable, "-m", "demur", "verify", str(bundle), *keys, "--json"))
        kinds = {finding["kind"] for finding in told["files"]}
        _require(kinds == {"receipt", "signed statement", "proof"}, "the bundle holds receipts, signed statements and proofs")
        return len(told["files"])

    def _list_url(self) -> str:
        return f"{self._config.base_url}/api/v1/exclusion-list/"

    def _list_key(self) -> VerifyKey:
        return SigningKey.load(self._config.keys_dir / "list.pem").verifier

    def _log_key(self) -> VerifyKey:
        return VerifyKey.load(self._config.keys_dir / "log.vkey")

    def _run_key(self) -> VerifyKey:
        return VerifyKey.load(str(self._config.keys_dir / "runs" / "run-signer.vkey"))


def _count(run: Run, uids: Sequence[str]) -> int:
    """How many of these samples a run consumed."""
    return int((run.consumed.find(uids) >= 0).sum()) if uids else 0


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise JourneyFailed(f"not so: {sentence}")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("The journey was ended."))  # by way of everything that tidies up
    started = time.monotonic()
    try:
        pictures = stamps(CACHE)[::EVERY]
        with set_up(TIER) as stage:
            photos = write_platform(pictures, DemoDirectory.of(stage.config).photos, lambda _done, _total: None)
            journey = Journey(stage, photos, started)
            outcome = journey.walk()
    except (JourneyFailed, Lost, NoPictures, StageFailed) as reason:
        sys.exit(f"The journey ended early: {reason}")
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()

"""What training runs did, or are doing, with what stands of a request."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from demur.exclusions import KeyKind
from models import ExclusionEntry, Manifest, ManifestState, OptOut, OptOutMatch, OptOutScope, RightsRequest, TrainingRun
from rights.artefacts import RunArtefacts
from rights.photo import RunRef
from rights.photos import run_ref, runs_in_training
from rights.runs import recorded_runs
from rights.standing import matched
from rights.used import RunWord, had_to_leave_out, trains_on, used_or_absent


@dataclass(frozen=True)
class RequestRun:
    """A run and the photos that stand of a request, copies among them: how many of them it ``contains``, and ``left_out`` as its list said.

    ``in_training``: it is training on some now. ``broken``: how many it used although the list that it obeyed named them.
    """

    run: RunRef
    contains: int = 0
    left_out: int = 0
    broken: int = 0
    in_training: bool = False


def request_runs(session: Session, artefacts: RunArtefacts, request: RightsRequest) -> list[RequestRun]:
    """The runs that left out what stands, or that were under way when the request was filed and contain some, in the order of their start.

    A run that ended before is no part of the request's story.
    """
    since = _since(session, request)
    done = [_recorded(artefacts, run, since) for run in recorded_runs(session)]
    told = [one for one in done if one.left_out or one.broken or (one.contains and _ended_after(one.run, request))]
    registered = session.scalars(select(Manifest.registered_at).where(Manifest.state == ManifestState.REGISTERED)).all()
    times = [at for at in registered if at is not None]
    for run in runs_in_training(session):
        if any(trains_on(run, run.began_at, version, times) for version in set(since.values())):
            told.append(RequestRun(run, in_training=True))
    return sorted(told, key=lambda one: one.run.began_at)


def _ended_after(run: RunRef, request: RightsRequest) -> bool:
    return run.finished_at is not None and run.finished_at > request.received_at


def _recorded(artefacts: RunArtefacts, run: TrainingRun, since: Mapping[str, int | None]) -> RequestRun:
    uids, ref = list(since), run_ref(run)
    kinds = Counter(zip(since.values(), artefacts.consumed(run, uids).tolist(), strict=True))
    words: Counter[RunWord] = Counter()
    broken = 0
    for (version, consumed), count in kinds.items():
        words[used_or_absent(ref, version, consumed)] += count
        broken += count if consumed and had_to_leave_out(ref, version) else 0
    return RequestRun(ref, words[RunWord.CONTAINS] - broken, words[RunWord.ABSENT], broken)


def _since(session: Session, request: RightsRequest) -> dict[str, int | None]:
    """Of each photo that stands of the request, or is a copy of one: the version of the list that named it first."""
    entry, match, stands = ExclusionEntry, OptOutMatch, (OptOut.request_id == request.id, OptOut.withdrawn_at.is_(None))
    named = (entry.opt_out_id == OptOut.id, entry.kind == KeyKind.UID, entry.ended.is_(False))
    photos = select(OptOut.subject, OptOut.effective_version).where(*stands, OptOut.scope == OptOutScope.PHOTO)
    copies = select(match.uid, entry.since_version).join(OptOut, match.opt_out_id == OptOut.id).where(*stands, matched())
    copies = copies.outerjoin(entry, and_(*named, entry.key == match.uid)).where(OptOut.subject != match.uid)
    since: dict[str, int | None] = {}
    for uid, version in [*session.execute(copies), *session.execute(photos)]:
        since[uid] = version
    return since

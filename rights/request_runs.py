"""What training runs did, or are doing, with the photos of a request."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Exemption, Manifest, ManifestState, OptOut, OptOutMatch, OptOutScope, RightsRequest, TrainingRun
from rights.artefacts import RunArtefacts
from rights.listed import listed, listed_by_request
from rights.photo import RunRef
from rights.photos import run_ref, runs_in_training
from rights.runs import recorded_runs
from rights.standing import matched
from rights.used import RunWord, Spans, TrainingWord, had_to_leave_out, in_training, used_or_absent


@dataclass(frozen=True)
class RequestRun:
    """A finished run and the photos of a request, copies among them: how many it ``contains`` since it began before they were in the list,
    and ``left_out`` as its list said. ``broken``: how many it used although the list that it obeyed named them."""

    run: RunRef
    contains: int = 0
    left_out: int = 0
    broken: int = 0

    @property
    def began_before(self) -> bool:
        """Whether some were not in the list yet that the run read."""
        return self.contains > 0


@dataclass(frozen=True)
class RequestTraining:
    """A run in training, and what it does with the photos of a request. Of several words the first applies."""

    run: RunRef
    word: TrainingWord

    @property
    def began_before(self) -> bool:
        return self.word is TrainingWord.TRAINING


@dataclass(frozen=True)
class RequestPhoto:
    """A photo that a request names, or a copy of one, and the versions that named it by the request. ``is_out``: whether it still is."""

    uid: str
    owner: str
    named: Spans
    is_out: bool

    def was_put_back(self, run: RunRef) -> bool:
        """Whether the run obeyed a list that no longer named it: what the run did with it is no part of the request's story."""
        if not self.named:
            return not self.is_out
        return run.list_version is not None and all(span.until is not None and span.until <= run.list_version for span in self.named)


def request_runs(session: Session, artefacts: RunArtefacts, request: RightsRequest) -> list[RequestRun | RequestTraining]:
    """The runs that left out photos of the request, or that were under way when it was filed and contain some; and those in training.

    A run is judged by the list that it obeyed, whatever was put back, denied or contested since. One that ended before the request was
    filed is no part of its story.
    """
    photos = _photos(session, request)
    done = [_recorded(artefacts, run, photos) for run in recorded_runs(session)]
    told: list[RequestRun | RequestTraining] = [
        one for one in done if one.left_out or one.broken or (one.contains and _ended_after(one.run, request))
    ]
    told.extend(_in_training(session, photos))
    return sorted(told, key=lambda one: one.run.began_at)


def _ended_after(run: RunRef, request: RightsRequest) -> bool:
    return run.finished_at is not None and run.finished_at > request.received_at


def _recorded(artefacts: RunArtefacts, run: TrainingRun, photos: Sequence[RequestPhoto]) -> RequestRun:
    ref, words, broken = run_ref(run), Counter[RunWord](), 0
    consumed = artefacts.consumed(run, [photo.uid for photo in photos]).tolist()
    for photo, used in zip(photos, consumed, strict=True):
        if photo.was_put_back(ref):
            continue
        words[used_or_absent(ref, photo.named, used)] += 1
        broken += used and had_to_leave_out(ref, photo.named)
    return RequestRun(ref, words[RunWord.CONTAINS] - broken, words[RunWord.ABSENT], broken)


def _in_training(session: Session, photos: Sequence[RequestPhoto]) -> list[RequestTraining]:
    """What others' opt-outs, or other requests, keep out counts here, too: a run under way leaves it out whoever asked."""
    training = runs_in_training(session)
    if not training:
        return []
    found = listed(session, {photo.owner for photo in photos}, [photo.uid for photo in photos])
    named = {(found.of(photo.owner, photo.uid), photo.is_out) for photo in photos}
    registered = session.scalars(select(Manifest.registered_at).where(Manifest.state == ManifestState.REGISTERED)).all()
    times = [at for at in registered if at is not None]
    told = []
    for run in training:
        words = {_word(run, spans, is_out, times) for spans, is_out in named}
        told += [RequestTraining(run, word) for word in TrainingWord if word in words][:1]
    return told


def _word(run: RunRef, named: Spans, is_out: bool, registered: Collection[datetime]) -> TrainingWord | None:
    """Of a photo that was put back, only that the run leaves it out is told."""
    word = in_training(run, named, registered)
    return word if is_out or word is TrainingWord.LEAVING_OUT else None


def _photos(session: Session, request: RightsRequest) -> list[RequestPhoto]:
    """What the request names, what was put back of it, and the copies that go, or went, with it.

    Of everything of an owner, whose rows nobody has looked for yet, one photo without a name stands for all.
    """
    named = listed_by_request(session, request.id)
    photos: dict[str, RequestPhoto] = {}
    own = select(OptOut.subject, OptOut.owner, OptOut.withdrawn_at.is_(None)).where(OptOut.request_id == request.id)
    for subject, owner, is_out in session.execute(own.where(OptOut.scope != OptOutScope.PICTURE)):
        photos[subject] = RequestPhoto(subject, owner, named.of(owner, subject), is_out)
    match = OptOutMatch
    copies = select(match.uid, match.owner, OptOut.withdrawn_at.is_(None)).join(OptOut, match.opt_out_id == OptOut.id)
    for uid, owner, is_out in session.execute(copies.where(OptOut.request_id == request.id, matched(), OptOut.subject != match.uid)):
        known = photos.get(uid)
        photos[uid] = RequestPhoto(uid, owner, named.of(owner, uid), is_out or (known is not None and known.is_out))
    back = select(Exemption.uid, OptOut.owner).join(OptOut, Exemption.opt_out_id == OptOut.id).where(OptOut.request_id == request.id)
    for uid, owner in session.execute(back):
        photos.setdefault(uid, RequestPhoto(uid, owner, named.of(owner, uid), is_out=False))
    if len(photos) > 1:
        photos.pop("", None)
    return list(photos.values())

"""The heart of an absence proof, for reading: the two samples a run did use between which this photo would stand."""

from dataclasses import dataclass

from sqlalchemy import select

from demur.runs.proofs import key_digest
from models import TrainingRun
from portal.database import db
from portal.site import site
from rights.photo import Photo


@dataclass(frozen=True)
class Neighbours:
    """Digests as hex, shortened; ``before`` or ``after`` is empty at an end of the order. ``size``: how many samples the run used."""

    before: str
    own: str
    after: str
    size: int


def neighbours(photo: Photo) -> dict[str, Neighbours]:
    """For each run that left the photo out, by the run's public id."""
    wanted = [run.public_id for run in photo.absent_from]
    runs = db().scalars(select(TrainingRun).where(TrainingRun.public_id.in_(wanted)))
    return {run.public_id: _neighbours(run, photo.uid) for run in runs}


def _neighbours(run: TrainingRun, uid: str) -> Neighbours:
    proof = site().runs.consumed_tree(run).absence_proof(uid)
    return Neighbours(
        before=_shown(proof.before.digest) if proof.before else "",
        own=_shown(key_digest(proof.run_id, proof.uid)),
        after=_shown(proof.after.digest) if proof.after else "",
        size=run.consumed_size or 0,
    )


def _shown(digest: bytes) -> str:
    text = digest.hex()
    return " ".join((text[:4], text[4:8], text[8:12], "…", text[-4:]))

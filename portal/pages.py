"""The front page, and the answer to whoever asks whether the portal is alive."""

from dataclasses import dataclass

from flask import Blueprint, Response, render_template
from sqlalchemy import func, select, text

from models import ExclusionListVersion, Manifest, ManifestState, OptOut, RunState, TrainingRun
from portal.database import db
from portal.progress import under_way

blueprint = Blueprint("pages", __name__)


@dataclass(frozen=True)
class Facts:
    """Where things stand, in four numbers that name nobody."""

    photos: int
    runs: int
    opted_out: int
    version: int | None


@blueprint.get("/")
def front() -> str:
    return render_template("front.html", facts=_facts(), work=under_way())


@blueprint.get("/healthz")
def healthz() -> Response:
    db().execute(text("SELECT 1"))
    return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})


def _facts() -> Facts:
    session = db()
    return Facts(
        photos=session.scalar(select(func.sum(Manifest.rows)).where(Manifest.state == ManifestState.REGISTERED)) or 0,
        runs=session.scalar(select(func.count()).where(TrainingRun.state == RunState.RECORDED)) or 0,
        opted_out=session.scalar(select(func.count(OptOut.id)).where(OptOut.withdrawn_at.is_(None))) or 0,
        version=session.scalar(select(func.max(ExclusionListVersion.version))),
    )

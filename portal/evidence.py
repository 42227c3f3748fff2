"""A person's evidence: what is true of their photos and each training run, and the bundle that proves it."""

import zipfile
from collections.abc import Iterable, Iterator
from io import RawIOBase

from flask import Blueprint, Response, render_template
from flask_login import login_required
from werkzeug.exceptions import ServiceUnavailable

from demur.trust import Role
from portal.auth.member import account
from portal.database import db
from portal.limits import heavy_work
from portal.log import log_reader
from portal.site import site
from rights.evidence import Archive, File, gather_evidence, sum_evidence
from rights.used import RunWord

blueprint = Blueprint("evidence", __name__)


@blueprint.get("/evidence")
@login_required
def page() -> str:
    told = sum_evidence(db(), site().catalogues, site().runs, account().owners)
    return render_template("evidence/page.html", told=told, words=RunWord, keys=_keys())


@blueprint.get("/evidence/bundle.zip")
@login_required
@heavy_work
def bundle() -> Response:
    """Everything about all photos of the person."""
    return _zipped(gather_evidence(db(), _archive(), account().owners).files(), "evidence.zip")


@blueprint.get("/photos/<uid:uid>/evidence.zip")
@login_required
@heavy_work
def of_photo(uid: str) -> Response:
    return _zipped(gather_evidence(db(), _archive(), account().owners, uid).files(), "photo-evidence.zip")


def _archive() -> Archive:
    """Raises ServiceUnavailable before the portal's keys were made."""
    list_key, log = site().keys.list_key(), log_reader()
    if list_key is None or log is None:
        raise ServiceUnavailable("the keys of this portal are not made yet")
    signers = site().keys.run_signers()
    return Archive(site().catalogues, site().runs, site().config.list_dir, list_key, log, signers)


def _keys() -> list[tuple[str, str]]:
    """The role and the text of each key."""
    trust = _archive().trust
    return [(role, str(key)) for role in Role for key in trust.keys(role)]


def _zipped(files: Iterable[File], name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(zip_stream(files), mimetype="application/zip", headers=headers)


def zip_stream(files: Iterable[File]) -> Iterator[bytes]:
    """A zip file as it is being made: nothing of it is kept, however many files there are."""
    out = _Outgoing()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
            yield out.take()
    yield out.take()


class _Outgoing(RawIOBase):
    """Collects what is written until it is taken. Not seekable, so that the zip file is written from front to back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # zipfile hands over bytes, whatever a buffer may be
        self._written += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._written)
        self._written.clear()
        return data
